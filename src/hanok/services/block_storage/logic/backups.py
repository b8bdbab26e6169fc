"""Backups: rows, states, chains, records.

Source: Block Storage API reference, "Backups", "Backup actions".
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
import sqlalchemy as sa
from msgspec import Meta, Struct
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput, Conflict, Unavailable
from hanok.base.ids import is_uuid, new_uuid
from hanok.drivers.image_stores import Store
from hanok.services.block_storage.logic import backends, keys, quotas, snapshots, volumes
from hanok.services.block_storage.room import Volumes
from hanok.services.block_storage.tables import volume_backups as table
from hanok.store import Duplicate, Transaction, still_there
from hanok.web.owned import Owned, missing
from hanok.web.token import Caller

not_found = missing("Backup")
_owned = Owned(table, not_found)
WHOLE, of, get_any, get = _owned.whole, _owned.of, _owned.get_any, _owned.get
change, gone = _owned.change, _owned.gone
_newest = (
    WHOLE.where(
        table.c.volume_id == bindparam("volume"),
        table.c.project_id == bindparam("project"),
        table.c.status == "available",
        table.c.data_at <= bindparam("before"),
    )
    .order_by(table.c.data_at.desc(), table.c.sequence.desc())
    .limit(1)
)
_dependent = sa.select(table.c.id).where(table.c.parent_id == bindparam("id")).limit(1)
_parents = sa.select(table.c.parent_id).where(
    table.c.parent_id.in_(bindparam("ids", expanding=True))
)
_same_data = (
    sa.select(table.c.id)
    .where(
        table.c.data_id == bindparam("data"),
        table.c.id != bindparam("id"),
        table.c.status != "deleting",
    )
    .limit(1)
)

SERVICE = "cinder.backup.drivers.hanok"
"""What records of backups begin with that say which service has their data; behind it the kind of store."""
RECORD_MAXIMUM = 1 << 20
SIZE_MAXIMUM = (1 << 31) - 1  # GiB


class Requested(Struct, frozen=True, kw_only=True):
    """A backup that is wanted. zone, container: None: the usual ones."""

    name: str | None = None
    description: str | None = None
    container: str | None = None
    zone: str | None = None
    incremental: bool = False
    force: bool = False
    metadata: Mapping[str, str] = {}


def invalid(reason: str) -> BadInput:
    """What is refused because of a backup's state."""
    return BadInput(f"Invalid backup: {reason}")


async def with_dependents(tx: Transaction, ids: Collection[str]) -> set[str]:
    """Those of some backups that incremental ones say the changes since."""
    return set(await tx.scalars(_parents, {"ids": list(ids)})) if ids else set()


def store_of(room: Volumes, row: Row[Any]) -> Store:
    """The store that a backup is in.

    Raises:
        Conflict: it is in another kind of store than the operator has chosen now.
    """
    if row.store != room.settings.backups.kind:
        raise Conflict(
            f"The backup is kept in a store of the kind '{row.store}', which is not set up."
        )
    return room.backup_store(row.data_project_id, row.container)


# ---- new ones ----


async def create(
    tx: Transaction,
    room: Volumes,
    caller: Caller,
    volume: Row[Any],
    snapshot: Row[Any] | None,
    requested: Requested,
) -> Row[Any]:
    """The row of a new backup (status creating), counted against the quotas.

    Raises:
        BadInput: a state does not allow it, or there is nothing to be incremental to. TooLarge: over a quota.
    """
    zone = await _zone(tx, room, requested.zone)
    _check_source(volume, snapshot, force=requested.force)
    at = room.clock.now() if snapshot is None else snapshot.created_at
    project_id = caller.own_project
    parent = await _parent(tx, volume.id, project_id, at) if requested.incremental else None
    await quotas.check_plain(tx, room, project_id, backups=1, backup_gigabytes=volume.size_gib)
    backup_id = new_uuid()
    row = {
        "id": backup_id,
        "project_id": project_id,
        "user_id": caller.user_id,
        "volume_id": volume.id,
        "snapshot_id": None if snapshot is None else snapshot.id,
        "parent_id": None if parent is None else parent.id,
        "name": requested.name,
        "description": requested.description,
        "size_gib": volume.size_gib if snapshot is None else snapshot.size_gib,
        "status": "creating",
        "zone": zone,
        "metadata": dict(requested.metadata),
        "store": room.settings.backups.kind,
        "container": container_name(requested.container or room.settings.backups.container),
        "data_id": backup_id,
        "data_project_id": project_id,
        "object_count": 0,
        "data_at": at,
        "type_id": volume.type_id,
        "sealed_key": volume.sealed_key,
        "key_id": volume.key_id,
        "volume_facts": {
            "bootable": volume.bootable,
            "image_metadata": volume.image_metadata,
            "metadata": volume.metadata,
        },
        "created_at": room.clock.now(),
    }
    await tx.insert(table, row)
    return still_there(await get_any(tx, backup_id))


def container_name(text: str) -> str:
    """Raises BadInput for what is no container's name."""
    if not text or "/" in text or len(text.encode()) > 255:
        raise BadInput(f"Invalid container name for a backup: '{text[:100]}'.")
    return text


async def _zone(tx: Transaction, room: Volumes, requested: str | None) -> str:
    """The zone of a service that makes backups.

    Raises:
        Unavailable: there is none, or none in that zone.
    """
    for row in await backends.everything(tx):
        usable = row.binary == backends.BACKUP and not row.disabled
        if usable and requested in (None, row.zone) and backends.is_up(row, room):
            return str(row.zone)
    if requested is not None:
        raise BadInput(
            f"Availability zone '{requested[:255]}' is invalid: no backup service is there."
        )
    raise Unavailable("Service cinder-backup could not be found.")


def _check_source(volume: Row[Any], snapshot: Row[Any] | None, *, force: bool) -> None:
    volumes.check_at_rest(volume)
    if volume.status not in ("available", "in-use"):
        raise volumes.invalid(
            "Volume to be backed up must be available or in-use, but the current status is "
            f'"{volume.status}".'
        )
    if snapshot is None and volume.status == "in-use" and not force:
        raise volumes.invalid("Backing up an in-use volume must use the force flag.")
    if snapshot is not None and snapshot.status != "available":
        raise snapshots.invalid(
            f'Snapshot to be backed up must be available, but the current status is "{snapshot.status}".'
        )
    if volume.host is None:
        raise volumes.invalid(f"Volume {volume.id} is in no back end.")


async def _parent(tx: Transaction, volume_id: str, project_id: str, at: datetime) -> Row[Any]:
    found = await tx.first(_newest, {"volume": volume_id, "project": project_id, "before": at})
    if found is not None:  # it is not deleted while something becomes incremental to it
        await tx.keep(found.id)
        found = await get_any(tx, found.id)
    if found is None or found.status != "available":
        raise invalid("No backups available to do an incremental backup.")
    return found


# ---- existing ones ----


async def check_deletable(tx: Transaction, row: Row[Any], *, force: bool) -> None:
    """Raises BadInput where a backup's state, or others that need it, do not let it be deleted."""
    if row.status not in ("available", "error") and not force:
        raise invalid("Backup status must be available or error")
    if await tx.first(_dependent, {"id": row.id}) is not None:
        raise invalid("Incremental backups exist for this backup.")


def check_restorable(row: Row[Any]) -> None:
    """Raises BadInput."""
    if row.status != "available":
        raise invalid("Backup status must be available")


async def check_target(tx: Transaction, room: Volumes, row: Row[Any], volume: Row[Any]) -> None:
    """Raises BadInput where a backup cannot be restored onto a volume."""
    volumes.check_at_rest(volume)
    await volumes.check_unread(tx, volume)
    if volume.status != "available":
        raise volumes.invalid("Volume to be restored to must be available")
    if volume.size_gib < row.size_gib:
        raise volumes.invalid(
            f"volume size {volume.size_gib} is too small to restore backup of size {row.size_gib}."
        )
    if row.sealed_key is not None and keys.of(room, row) != keys.of(room, volume):
        raise volumes.invalid(
            "The backup of an encrypted volume is only restored to a new volume, or to one that is encrypted with the "
            "same key."
        )
    if volume.host is None:
        raise volumes.invalid(f"Volume {volume.id} is in no back end.")


def metadata_of(row: Row[Any]) -> dict[str, str]:
    """The metadata of the volume that was backed up."""
    return dict(row.volume_facts.get("metadata") or {})


async def shares_data(tx: Transaction, row: Row[Any]) -> bool:
    """Whether another backup, that of an imported record, has the same data."""
    found = await tx.first(_same_data, {"data": row.data_id, "id": row.id})
    return found is not None


# ---- records ----


_Text = Annotated[str, Meta(max_length=255)]
_ID = Annotated[str, Meta(max_length=36)]
_ProjectID = Annotated[str, Meta(max_length=64)]
_Map = Annotated[dict[_Text, _Text], Meta(max_length=128)]
_Time = Annotated[datetime, Meta(tz=True)]


class _Facts(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Of a volume. image_metadata: its values are as long as properties of images may be."""

    bootable: bool = False
    image_metadata: dict[_Text, str] | None = None
    metadata: _Map | None = None


class _Kept(Struct, frozen=True, kw_only=True):
    """What a record says. Fields that other clouds' records have beside it are passed over."""

    id: _ID
    project_id: _ProjectID
    user_id: _ProjectID
    volume_id: _ID
    size: Annotated[int, Meta(ge=1, le=SIZE_MAXIMUM)]
    container: _Text
    data_id: _ID
    data_project_id: _ProjectID
    data_timestamp: _Time
    created_at: _Time
    display_name: _Text | None = None
    display_description: _Text | None = None
    snapshot_id: _ID | None = None
    parent_id: _ID | None = None
    metadata: _Map = {}
    volume_type_id: _ID | None = None
    sealed_key: Annotated[str, Meta(max_length=4096)] | None = None
    encryption_key_id: _ID | None = None
    volume_facts: _Facts = _Facts()


def record(row: Row[Any]) -> dict[str, str]:
    """A backup as a record that it is known by again, should the database forget it."""
    said = _Kept(
        id=row.id,
        project_id=row.project_id,
        user_id=row.user_id,
        volume_id=row.volume_id,
        size=row.size_gib,
        container=row.container,
        data_id=row.data_id,
        data_project_id=row.data_project_id,
        data_timestamp=row.data_at,
        created_at=row.created_at,
        display_name=row.name,
        display_description=row.description,
        snapshot_id=row.snapshot_id,
        parent_id=row.parent_id,
        metadata=row.metadata,
        volume_type_id=row.type_id,
        sealed_key=row.sealed_key,
        encryption_key_id=row.key_id,
        volume_facts=_Facts(**row.volume_facts),
    )
    text = base64.b64encode(msgspec.json.encode(said)).decode()
    return {"backup_service": f"{SERVICE}.{row.store}", "backup_url": text}


def _read(service: str, url: str) -> _Kept:
    if not service.startswith(f"{SERVICE}."):
        raise BadInput(
            f"Invalid backup record: the service {service[:100]} is not one of this cloud."
        )
    try:
        if len(url) > RECORD_MAXIMUM:
            raise ValueError
        raw = base64.b64decode(url, validate=True)
        if b"\\u0000" in raw:
            raise ValueError
        found = msgspec.json.decode(raw, type=_Kept)
        for at in (found.data_timestamp, found.created_at):
            at.astimezone(UTC)
    except (binascii.Error, ValueError, OverflowError):
        raise BadInput("Invalid input received: Can't parse backup record.") from None
    ids = (found.id, found.data_id, found.volume_id, *filter(None, [found.parent_id]))
    if not all(map(is_uuid, ids)):
        raise BadInput("Invalid input received: Can't parse backup record.")
    return found


async def take_in(
    tx: Transaction, room: Volumes, caller: Caller, service: str, url: str
) -> Row[Any]:
    """The row of a backup that a record speaks of (status creating).

    Raises:
        BadInput: it is no record of this cloud's backups, there is such a backup, or the one that it is incremental to
            is not there. TooLarge: over a quota.
    """
    said = _read(service, url)
    kind = service.removeprefix(f"{SERVICE}.")
    if kind != room.settings.backups.kind:
        raise BadInput(
            f"Invalid backup record: backups are not kept in a store of the kind '{kind[:50]}'."
        )
    if said.parent_id is not None and await get_any(tx, said.parent_id) is None:
        raise invalid(f"It is incremental to backup {said.parent_id}, whose record comes first.")
    project_id = caller.own_project
    await quotas.check_plain(tx, room, project_id, backups=1, backup_gigabytes=said.size)
    row = {
        "id": said.id,
        "project_id": project_id,
        "user_id": caller.user_id,
        "volume_id": said.volume_id,
        "snapshot_id": said.snapshot_id,
        "parent_id": said.parent_id,
        "name": said.display_name,
        "description": said.display_description,
        "size_gib": said.size,
        "status": "creating",
        "zone": room.settings.zone,
        "metadata": said.metadata,
        "store": kind,
        "container": container_name(said.container),
        "data_id": said.data_id,
        "data_project_id": said.data_project_id,
        "object_count": 0,
        "data_at": said.data_timestamp,
        "type_id": said.volume_type_id,
        "sealed_key": said.sealed_key,
        "key_id": said.encryption_key_id,
        "volume_facts": msgspec.to_builtins(said.volume_facts),
        "created_at": room.clock.now(),
    }
    try:
        await tx.insert(table, row)
    except Duplicate:
        raise invalid("Backup already exists in database.") from None
    return still_there(await get_any(tx, said.id))
