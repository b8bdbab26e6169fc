"""Backups are made, restored, taken in and deleted."""

from __future__ import annotations

import asyncio
from typing import Any

from sqlalchemy import Row

from hanok.base.errors import StepFailed, Unavailable
from hanok.commands import Done
from hanok.commands.volumes import (
    EnsureVolumeCopy,
    ForgetVolumeCopy,
    HandOverVolumeCopy,
    VolumeCopyPart,
    VolumeSource,
    copy_name,
)
from hanok.drivers.block_difference import write_known
from hanok.drivers.image_stores import Store, StoreBroken, StoreFull
from hanok.operations import Run, Step
from hanok.services.block_storage.logic import (
    backup_data,
    backups,
    keys,
    notifications,
    snapshots,
    volumes,
)
from hanok.services.block_storage.logic.backup_data import Damaged, Manifest, Place
from hanok.services.block_storage.operations.create_volume import (
    CreateVolume,
    MakeVolume,
    PlaceVolume,
)
from hanok.services.block_storage.operations.on_volume import (
    ASK_S,
    WORK_S,
    OnThing,
    OnVolume,
    as_before,
    command,
    existing,
    place_of,
    until_done,
)
from hanok.services.block_storage.room import Volumes
from hanok.store import Transaction

STORE_S = 12 * 3600.0  # of a far store


class OnBackup(OnThing, frozen=True, kw_only=True):
    """An operation on a backup."""

    noun = "backup"
    told_as = "VOLUME_BACKUP"
    action = "backup_create"

    backup_id: str
    pool = "transfer"
    deadline_s = 2 * STORE_S

    async def news(self, run: Run[Any, Volumes], tx: Transaction) -> dict[str, Any]:
        return await notifications.backup(tx, self.backup_id)

    async def failed(self, run: Run[Any, Volumes], tx: Transaction, why: str) -> None:
        row = await backups.get_any(tx, self.backup_id)
        if row is None:
            return
        values = {"status": "error", "fail_reason": why[:1000]}
        await backups.change(tx, row.id, values, run.clock.now())
        await self.tell(run, tx, row, why)


async def _backup(run: Run[Any, Volumes], backup_id: str = "") -> Row[Any]:
    """Raises StepFailed when the backup is gone."""
    row = await run.read(backups.get_any, backup_id or run.args.backup_id)
    if row is None:
        raise StepFailed("The backup was deleted meanwhile.")
    return row


def _store(run: Run[Any, Volumes], row: Row[Any]) -> Store:
    return backups.store_of(run.tools, row)


def trouble(error: StoreBroken | Damaged) -> Exception:
    """A store's trouble as a step's: what may pass is tried again."""
    if isinstance(error, Damaged):
        return StepFailed(str(error))
    if isinstance(error, StoreFull):
        return StepFailed("The store of backups has no space left.", detail=str(error))
    return Unavailable("The store of backups does not answer.", detail=str(error))


# ---- making ----


async def _parent(run: Run[CreateBackup, Volumes], row: Row[Any]) -> Manifest | None:
    """What a backup stands on. Raises StoreBroken, Damaged."""
    if row.parent_id is None:
        return None
    parent = await _backup(run, row.parent_id)
    return await backup_data.manifest_of(_store(run, parent), parent.data_id)


class CopyVolume(Step["CreateBackup", Volumes, None], name="copy_volume"):
    """The volume, or its snapshot, as it is at one moment, is a file that control sees."""

    deadline_s = WORK_S

    async def do(self, run: Run[CreateBackup, Volumes]) -> None:
        row = await _backup(run)
        volume = await existing(run, row.volume_id)
        host, backend = place_of(volume)
        request = EnsureVolumeCopy(
            copy_id=row.id,
            volume_id=volume.id,
            backend=backend,
            snapshot_id=row.snapshot_id or "",
            key=keys.of(run.tools, volume),
            encrypted=volume.encrypted,
            known=await self._known(run, host, row),
            request_id=run.request_id,
        )
        state = await until_done(run, host, request)
        await self._here(run, host, row, state.size_bytes)

    @staticmethod
    async def _known(
        run: Run[CreateBackup, Volumes], host: str, row: Row[Any]
    ) -> VolumeCopyPart | None:
        """What the host is told of the backup that this one stands on, so that it sends what is changed alone."""
        try:
            parent = await _parent(run, row)
        except (StoreBroken, Damaged) as error:
            raise trouble(error) from error
        if parent is None:
            return None
        tools, name = run.tools, copy_name(row.parent_id)
        path, known = tools.copies.path(name), backup_data.known_of(parent)
        size = await asyncio.to_thread(write_known, path, known)
        channel = tools.tickets.to_read_copy(name, host, size)
        return VolumeCopyPart(copy_id=row.parent_id, size_bytes=size, channel=channel)

    @staticmethod
    async def _here(
        run: Run[CreateBackup, Volumes], host: str, row: Row[Any], size_bytes: int
    ) -> None:
        """What a host on another machine has comes by the channel."""
        tools, name = run.tools, copy_name(row.id)
        while not await asyncio.to_thread(tools.copies.has, name):
            target = tools.tickets.to_write(name, host, size_bytes)
            request = HandOverVolumeCopy(copy_id=row.id, target=target, request_id=run.request_id)
            await until_done(run, host, request)

    async def undo(self, run: Run[CreateBackup, Volumes]) -> None:
        await _forget_copy(run, run.args.backup_id)


async def _forget_copy(run: Run[CreateBackup, Volumes], backup_id: str) -> None:
    """Nothing of the copy is left, here and on the host."""
    row = await run.read(backups.get_any, backup_id)
    if row is not None and row.parent_id is not None:
        await asyncio.to_thread(run.tools.copies.forget, copy_name(row.parent_id))
    volume = None if row is None else await run.read(volumes.get_any, row.volume_id)
    await asyncio.to_thread(run.tools.copies.forget, copy_name(backup_id))
    if volume is not None and volume.host is not None:
        request = ForgetVolumeCopy(copy_id=backup_id, request_id=run.request_id)
        await run.ask_or_owe(volume.host, request, Done, timeout_s=ASK_S)


class StoreBackup(Step["CreateBackup", Volumes, int], name="store_backup"):
    """What the copy has is in the store. Returns how many objects that are."""

    result_type = int
    deadline_s = STORE_S

    async def do(self, run: Run[CreateBackup, Volumes]) -> int:
        row = await _backup(run)
        path = run.tools.copies.path(copy_name(row.id))
        place = Place(row.data_project_id, row.container, row.data_id)
        try:
            parent = await _parent(run, row)
            kept = await backup_data.keep(
                _store(run, row),
                place,
                path,
                parent=parent,
                attempt=run.operation_id,
                progress=run.progress,
                changes=parent is not None,
            )
        except (StoreBroken, Damaged) as error:
            raise trouble(error) from error
        except FileNotFoundError:
            raise StepFailed("The copy of the volume is gone.") from None
        return kept.objects

    async def save(self, run: Run[CreateBackup, Volumes], tx: Transaction, result: int) -> None:
        await backups.change(tx, run.args.backup_id, {"object_count": result}, run.clock.now())

    async def undo(self, run: Run[CreateBackup, Volumes]) -> None:
        row = await run.read(backups.get_any, run.args.backup_id)
        if row is not None:
            try:
                await backup_data.remove(_store(run, row), row.data_id, attempt=run.operation_id)
            except StoreBroken as error:
                raise trouble(error) from error


class DropCopy(Step["CreateBackup", Volumes, None], name="drop_copy"):
    """The copy is gone, and the volume is as it was."""

    async def do(self, run: Run[CreateBackup, Volumes]) -> None:
        await _forget_copy(run, run.args.backup_id)

    async def save(self, run: Run[CreateBackup, Volumes], tx: Transaction, result: None) -> None:
        await backups.change(tx, run.args.backup_id, {"status": "available"}, run.clock.now())
        await run.args.give_back(run, tx)


class CreateBackup(OnBackup, frozen=True, kw_only=True, tag="block_storage.create_backup"):
    """From a row (creating) to bytes in the store (available)."""

    with_files = True
    happens = "create"
    steps = (CopyVolume, StoreBackup, DropCopy)

    async def give_back(self, run: Run[Any, Volumes], tx: Transaction) -> None:
        """What was backed up shows the state that it had before."""
        row = await backups.get_any(tx, self.backup_id)
        if row is None:
            return
        if row.snapshot_id is not None:
            snapshot = await snapshots.get_any(tx, row.snapshot_id)
            if snapshot is not None and snapshot.status == "backing-up":
                values = {"status": "available"}
                await snapshots.change(tx, snapshot.id, values, run.clock.now())
            return
        volume = await volumes.get_any(tx, row.volume_id)
        if volume is not None and volume.status == "backing-up":
            await as_before(tx, run.tools, volume)

    async def failed(self, run: Run[Any, Volumes], tx: Transaction, why: str) -> None:
        await self.give_back(run, tx)
        await OnBackup.failed(self, run, tx, why)

    async def cancelled(self, run: Run[Any, Volumes], tx: Transaction) -> None:
        await self.give_back(run, tx)


# ---- deleting ----


class RemoveBackup(Step["DeleteBackup", Volumes, None], name="remove_backup"):
    """Nothing of the backup is in its store, unless another has the same data."""

    deadline_s = STORE_S

    async def do(self, run: Run[DeleteBackup, Volumes]) -> None:
        row = await run.read(backups.get_any, run.args.backup_id)
        if row is None or await run.read(backups.shares_data, row):
            return
        try:
            await backup_data.remove(_store(run, row), row.data_id, attempt=run.operation_id)
        except StoreBroken as error:
            raise trouble(error) from error

    async def save(self, run: Run[DeleteBackup, Volumes], tx: Transaction, result: None) -> None:
        await backups.gone(tx, run.args.backup_id)


class DeleteBackup(OnBackup, frozen=True, kw_only=True, tag="block_storage.delete_backup"):
    with_files = True
    happens = "delete"
    action = "backup_delete"
    steps = (RemoveBackup,)


# ---- taking in ----


class LookAtData(Step["ImportBackup", Volumes, int], name="look_at_data"):
    """The data that a record speaks of is there. Returns the number of its objects."""

    result_type = int

    async def do(self, run: Run[ImportBackup, Volumes]) -> int:
        row = await _backup(run)
        try:
            found = await backup_data.manifest_of(_store(run, row), row.data_id)
        except (StoreBroken, Damaged) as error:
            raise trouble(error) from error
        own = len(found.places) - 1
        return 1 + len({one.segment for one in found.blocks if one.place == own})

    async def save(self, run: Run[ImportBackup, Volumes], tx: Transaction, result: int) -> None:
        values = {"status": "available", "object_count": result}
        await backups.change(tx, run.args.backup_id, values, run.clock.now())


class ImportBackup(OnBackup, frozen=True, kw_only=True, tag="block_storage.import_backup"):
    with_files = True
    happens = "import"
    steps = (LookAtData,)


# ---- restoring ----


def _part(run: Run[Any, Volumes]) -> str:
    """What the restored disk is called while its host takes it: by the volume, which has one at a time."""
    return str(run.args.volume_id)


class FetchBackup(Step[Any, Volumes, None], name="fetch_backup"):
    """The disk that was backed up is a file that the volume's host sees."""

    deadline_s = STORE_S

    async def do(self, run: Run[Any, Volumes]) -> None:
        volume = await existing(run)
        row = await _backup(run, getattr(run.args, "backup_id", None) or volume.backup_id)
        copies, name = run.tools.copies, copy_name(_part(run))
        part = copies.part(name)
        await asyncio.to_thread(part.parent.mkdir, parents=True, exist_ok=True)
        try:
            manifest = await backup_data.manifest_of(_store(run, row), row.data_id)
            opened = run.tools.backup_store
            await backup_data.show(
                lambda place: opened(place.project_id, place.container),
                manifest,
                part,
                run.progress,
            )
        except (StoreBroken, Damaged) as error:
            raise trouble(error) from error
        await asyncio.to_thread(part.rename, copies.path(name))

    async def undo(self, run: Run[Any, Volumes]) -> None:
        await asyncio.to_thread(run.tools.copies.forget, copy_name(_part(run)))


async def restored(run: Run[Any, Volumes], row: Row[Any], host: str) -> VolumeSource:
    """A fetched backup, as a volume's host is told it."""
    name = copy_name(_part(run))
    try:
        size = (await asyncio.to_thread(run.tools.copies.path(name).stat)).st_size
    except FileNotFoundError:
        raise StepFailed("The disk that was fetched is gone.") from None
    channel = run.tools.tickets.to_read_copy(name, host, size)
    part = VolumeCopyPart(copy_id=_part(run), disk_format="raw", size_bytes=size, channel=channel)
    return VolumeSource(
        kind="backup",
        id=row.id,
        key=keys.of(run.tools, row),
        copies=(part,),
    )


async def _available_again(run: Run[Any, Volumes], tx: Transaction, backup_id: str) -> None:
    row = await backups.get_any(tx, backup_id)
    if row is not None and row.status == "restoring":
        await backups.change(tx, row.id, {"status": "available"}, run.clock.now())


class WriteVolume(Step["RestoreBackup", Volumes, None], name="write_volume"):
    """The volume has what was backed up."""

    deadline_s = WORK_S

    async def do(self, run: Run[RestoreBackup, Volumes]) -> None:
        volume = await existing(run)
        host, _ = place_of(volume)
        row = await _backup(run)
        source = await restored(run, row, host)
        await until_done(run, host, await command(run, volume, source=source, replace=True))


class EndRestore(Step["RestoreBackup", Volumes, None], name="end_restore"):
    """Nothing of the fetched disk is left."""

    async def do(self, run: Run[RestoreBackup, Volumes]) -> None:
        await asyncio.to_thread(run.tools.copies.forget, copy_name(_part(run)))

    async def save(self, run: Run[RestoreBackup, Volumes], tx: Transaction, result: None) -> None:
        facts: dict[str, Any] = {}
        row = await backups.get_any(tx, run.args.backup_id)
        volume = await volumes.get_any(tx, run.args.volume_id)
        if row is not None and volume is not None:
            facts = {name: row.volume_facts[name] for name in FACTS if name in row.volume_facts}
            facts["metadata"] = {**volume.metadata, **backups.metadata_of(row)}
        await volumes.settle(tx, run.tools, run.args.volume_id, "available", **facts)
        await _available_again(run, tx, run.args.backup_id)


FACTS = ("bootable", "image_metadata")


class RestoreBackup(OnVolume, frozen=True, kw_only=True, tag="block_storage.restore_backup"):
    """An existing volume gets what was backed up."""

    backup_id: str
    with_files = True
    happens = "restore"
    action = "backup_restore"
    to = "error_restoring"
    pool = "transfer"
    deadline_s = 2 * STORE_S
    steps = (FetchBackup, WriteVolume, EndRestore)

    async def failed(self, run: Run[Any, Volumes], tx: Transaction, why: str) -> None:
        await self.show(run, tx, why)
        await _available_again(run, tx, self.backup_id)

    async def cancelled(self, run: Run[Any, Volumes], tx: Transaction) -> None:
        await _available_again(run, tx, self.backup_id)


class MakeVolumeOfBackup(MakeVolume, name="make_volume_of_backup"):
    """The volume is in its back end, with what was backed up on it."""

    async def do(self, run: Run[Any, Volumes]) -> None:
        volume = await existing(run)
        host, _ = place_of(volume)
        row = await _backup(run, volume.backup_id)
        source = await restored(run, row, host)
        await until_done(run, host, await command(run, volume, source=source))

    async def save(self, run: Run[Any, Volumes], tx: Transaction, result: None) -> None:
        return None


class EndCreation(Step["CreateVolumeOfBackup", Volumes, None], name="end_restore"):
    """Nothing of the fetched disk is left, and the volume can be used."""

    async def do(self, run: Run[CreateVolumeOfBackup, Volumes]) -> None:
        await asyncio.to_thread(run.tools.copies.forget, copy_name(_part(run)))

    async def save(
        self, run: Run[CreateVolumeOfBackup, Volumes], tx: Transaction, result: None
    ) -> None:
        now = run.clock.now()
        await volumes.settle(tx, run.tools, run.args.volume_id, "available", launched_at=now)
        await _available_again(run, tx, run.args.backup_id)


class CreateVolumeOfBackup(
    CreateVolume, frozen=True, kw_only=True, tag="block_storage.create_volume_of_backup"
):
    """Make a volume of a backup."""

    backup_id: str
    with_files = True
    steps = (PlaceVolume, FetchBackup, MakeVolumeOfBackup, EndCreation)
    pool = "transfer"
    deadline_s = 2 * STORE_S

    async def failed(self, run: Run[Any, Volumes], tx: Transaction, why: str) -> None:
        await self.show(run, tx, why)
        await _available_again(run, tx, self.backup_id)

    async def cancelled(self, run: Run[Any, Volumes], tx: Transaction) -> None:
        await _available_again(run, tx, self.backup_id)


OPERATIONS = (
    CreateBackup,
    DeleteBackup,
    ImportBackup,
    RestoreBackup,
    CreateVolumeOfBackup,
)
