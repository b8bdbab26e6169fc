"""Beginning operations on volumes and snapshots, in the transaction that says so on their rows."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row

from hanok.operations import Operation
from hanok.services.block_storage.logic import backends, backups, creating, snapshots, volumes
from hanok.services.block_storage.operations.backups import (
    CreateBackup,
    CreateVolumeOfBackup,
    DeleteBackup,
    ImportBackup,
    RestoreBackup,
)
from hanok.services.block_storage.operations.create_volume import CreateVolume, CreateVolumeOfImage
from hanok.services.block_storage.operations.delete_volume import DeleteVolume
from hanok.services.block_storage.operations.extend_volume import ExtendVolume
from hanok.services.block_storage.operations.set_back import ReimageVolume
from hanok.services.block_storage.operations.snapshots import CreateSnapshot, DeleteSnapshot
from hanok.services.block_storage.room import Volumes
from hanok.store import Transaction
from hanok.web.token import Caller


async def start(
    tx: Transaction, room: Volumes, caller: Caller | None, row: Row[Any], operation: Operation
) -> None:
    """Start an operation on what is a project's."""
    user_id = row.user_id if caller is None else caller.user_id
    await room.operations.start(tx, operation, user_id=user_id, project_id=row.project_id)


async def create(
    tx: Transaction,
    room: Volumes,
    caller: Caller,
    requested: creating.Requested,
    *,
    image_caller: Caller | None = None,
) -> Row[Any]:
    """Write a new volume and begin to make it. Raises as `creating.create`."""
    row = await creating.create(tx, room, caller, requested, image_caller=image_caller)
    await start(tx, room, caller, row, _creation(row))
    return row


def _creation(row: Row[Any]) -> Operation:
    """What makes a volume of what it is to be made of."""
    if row.backup_id is not None:
        return CreateVolumeOfBackup(
            volume_id=row.id, generation=row.generation, backup_id=row.backup_id
        )
    kind = CreateVolume if row.image_id is None else CreateVolumeOfImage
    return kind(volume_id=row.id, generation=row.generation)


async def delete(
    tx: Transaction,
    room: Volumes,
    caller: Caller | None,
    row: Row[Any],
    *,
    cascade: bool = False,
    force: bool = False,
) -> None:
    """Begin to delete a volume; what is under way for it is stopped first, where it is forced.

    Raises:
        BadInput: its state does not allow it.
    """
    if row.status == "deleting" and not force:
        return
    if force:
        await room.operations.cancel(tx, f"volume:{row.id}")
        for snapshot in await volumes.snapshots(tx, row.id):
            await room.operations.cancel(tx, f"snapshot:{snapshot.id}")
    await volumes.check_deletable(tx, row, cascade=cascade, force=force)
    await volumes.turn(tx, row, "deleting", room.clock.now())
    await start(
        tx, room, caller, row, DeleteVolume(volume_id=row.id, generation=row.generation + 2)
    )


async def extend(
    tx: Transaction, room: Volumes, caller: Caller, row: Row[Any], size_gib: int
) -> None:
    """Begin to make a volume larger; the checks are the caller's.

    Raises:
        BadInput: its back end has not so much space.
    """
    if not await backends.claim(tx, row.host, row.backend, size_gib - row.size_gib):
        raise volumes.invalid(
            f"The back end of volume {row.id} has not so much space: {size_gib - row.size_gib} GiB more."
        )
    await volumes.turn(tx, row, "extending", room.clock.now())
    operation = ExtendVolume(volume_id=row.id, generation=row.generation + 1, size_gib=size_gib)
    await start(tx, room, caller, row, operation)


async def reimage(tx: Transaction, room: Volumes, row: Row[Any], image_id: str) -> None:
    """Begin to write an image onto a volume; the checks are the caller's."""
    await volumes.turn(tx, row, "downloading", room.clock.now())
    operation = ReimageVolume(
        volume_id=row.id, generation=row.generation + 1, image_id=image_id, after=row.status
    )
    await start(tx, room, None, row, operation)


async def create_snapshot(
    tx: Transaction, room: Volumes, caller: Caller, row: Row[Any], *, manage: str = ""
) -> None:
    """Begin to take a snapshot whose row is written."""
    await start(tx, room, caller, row, CreateSnapshot(snapshot_id=row.id, manage=manage))


async def delete_snapshot(
    tx: Transaction,
    room: Volumes,
    caller: Caller | None,
    row: Row[Any],
    *,
    force: bool = False,
    keep: str = "",
) -> None:
    """Begin to delete a snapshot. Raises BadInput where its state does not allow it."""
    if force:
        await room.operations.cancel(tx, f"snapshot:{row.id}")
    await snapshots.check_deletable(tx, row, force=force)
    status = "unmanaging" if keep else "deleting"
    await snapshots.change(tx, row.id, {"status": status}, room.clock.now())
    await start(tx, room, caller, row, DeleteSnapshot(snapshot_id=row.id, keep=keep))


# ---- backups ----


async def create_backup(
    tx: Transaction,
    room: Volumes,
    caller: Caller,
    volume: Row[Any],
    snapshot: Row[Any] | None,
    requested: backups.Requested,
) -> Row[Any]:
    """Write a new backup and begin to make it. Raises as `backups.create`."""
    row = await backups.create(tx, room, caller, volume, snapshot, requested)
    now = room.clock.now()
    if snapshot is None:
        await volumes.turn(tx, volume, "backing-up", now)
    else:
        await snapshots.change(tx, snapshot.id, {"status": "backing-up"}, now)
    await start(tx, room, caller, row, CreateBackup(backup_id=row.id))
    return row


async def delete_backup(
    tx: Transaction, room: Volumes, caller: Caller, row: Row[Any], *, force: bool = False
) -> None:
    """Begin to delete a backup; what is under way for it is stopped first, where it is forced.

    Raises:
        BadInput: its state, or one that is incremental to it, does not allow it.
    """
    await backups.check_deletable(tx, row, force=force)
    if force:
        await room.operations.cancel(tx, f"backup:{row.id}")
    await backups.change(tx, row.id, {"status": "deleting"}, room.clock.now())
    await start(tx, room, caller, row, DeleteBackup(backup_id=row.id))


async def take_in_backup(
    tx: Transaction, room: Volumes, caller: Caller, service: str, url: str
) -> Row[Any]:
    """Write a backup that a record speaks of, and look at its data. Raises as `backups.take_in`."""
    row = await backups.take_in(tx, room, caller, service, url)
    await start(tx, room, caller, row, ImportBackup(backup_id=row.id))
    return row


async def restore_backup(
    tx: Transaction, room: Volumes, caller: Caller, row: Row[Any], volume: Row[Any]
) -> None:
    """Begin to write a backup onto a volume. Raises BadInput where a state does not allow it."""
    backups.check_restorable(row)
    await backups.check_target(tx, room, row, volume)
    now = room.clock.now()
    await volumes.turn(tx, volume, "restoring-backup", now)
    await backups.change(tx, row.id, {"status": "restoring"}, now)
    operation = RestoreBackup(
        volume_id=volume.id, generation=volume.generation + 1, backup_id=row.id
    )
    await start(tx, room, caller, volume, operation)
