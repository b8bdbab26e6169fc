"""Groups of volumes, all in one back end, and snapshots of whole groups at one moment.

Source: Block Storage API reference, "Generic volume groups (groups)", "Group snapshots".
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput, NotFound, StepFailed
from hanok.base.ids import new_uuid
from hanok.services.block_storage.logic import (
    backends,
    creating,
    group_members,
    group_types,
    messages,
    quotas,
    scheduling,
    snapshots,
    types,
    volumes,
)
from hanok.services.block_storage.room import Volumes
from hanok.services.block_storage.tables import group_snapshots, volume_groups, volume_snapshots
from hanok.services.block_storage.tables import volumes as volumes_table
from hanok.store import Transaction, still_there
from hanok.web.owned import Owned, missing
from hanok.web.token import Caller

_owned = Owned(volume_groups, missing("Group"))
WHOLE, of, get_any, get = _owned.whole, _owned.of, _owned.get_any, _owned.get
change, gone = _owned.change, _owned.gone
_owned_snapshots = Owned(group_snapshots, missing("GroupSnapshot"))
SNAPSHOTS, snapshots_of_caller = _owned_snapshots.whole, _owned_snapshots.of
get_any_snapshot, get_snapshot = _owned_snapshots.get_any, _owned_snapshots.get
change_snapshot = _owned_snapshots.change
_volumes = (
    sa.select(volumes_table)
    .where(volumes_table.c.group_id == bindparam("id"))
    .order_by(volumes_table.c.sequence)
)
_volume_ids = (
    sa.select(volumes_table.c.id, volumes_table.c.group_id)
    .where(volumes_table.c.group_id.in_(bindparam("ids", expanding=True)))
    .order_by(volumes_table.c.sequence)
)
_snapshots_of = (
    sa.select(volume_snapshots)
    .where(volume_snapshots.c.group_snapshot_id == bindparam("id"))
    .order_by(volume_snapshots.c.sequence)
)
_a_group_snapshot = (
    sa.select(group_snapshots.c.id).where(group_snapshots.c.group_id == bindparam("id")).limit(1)
)
_being_made_of = (
    sa.select(volume_groups.c.id)
    .where(
        volume_groups.c.status == "creating",
        sa.or_(
            volume_groups.c.group_snapshot_id == bindparam("id"),
            volume_groups.c.source_group_id == bindparam("id"),
        ),
    )
    .limit(1)
)

STATUSES = frozenset(
    ("available", "creating", "deleting", "error", "error_deleting", "updating", "in-use")
)
SNAPSHOT_STATUSES = frozenset(("available", "creating", "deleting", "error", "error_deleting"))


class Requested(Struct, frozen=True, kw_only=True):
    """A group that is wanted. volume_types: ids or names. zone: None: the usual one."""

    name: str | None
    description: str | None
    volume_types: Sequence[str]
    zone: str | None = None


def invalid(reason: str) -> BadInput:
    return BadInput(f"Invalid group: {reason}")


def invalid_snapshot(reason: str) -> BadInput:
    return BadInput(f"Invalid GroupSnapshot: {reason}")


def of_type(statement: sa.Select[Any], type_id: str) -> sa.Select[Any]:
    """The groups of a statement that have a type."""
    return statement.where(volume_groups.c.group_type_id == type_id)


def snapshots_of_type(statement: sa.Select[Any], type_id: str) -> sa.Select[Any]:
    """The group snapshots of a statement whose groups had a type."""
    return statement.where(group_snapshots.c.group_type_id == type_id)


async def volumes_of(tx: Transaction, group_id: str) -> Sequence[Row[Any]]:
    return await tx.all(_volumes, {"id": group_id})


async def volumes_to_change(tx: Transaction, group_id: str) -> Sequence[Row[Any]]:
    """The same, when no other transaction changes them; none does until this one ends."""
    await tx.take_turn(*(one.id for one in await volumes_of(tx, group_id)))
    return await volumes_of(tx, group_id)


async def volume_ids(tx: Transaction, group_ids: Collection[str]) -> dict[str, list[str]]:
    """The ids of groups' volumes, by group."""
    found: dict[str, list[str]] = {}
    if group_ids:
        for row in await tx.all(_volume_ids, {"ids": list(group_ids)}):
            found.setdefault(row.group_id, []).append(row.id)
    return found


async def snapshots_of(tx: Transaction, group_snapshot_id: str) -> Sequence[Row[Any]]:
    return await tx.all(_snapshots_of, {"id": group_snapshot_id})


# ---- new ones ----


async def create(
    tx: Transaction, room: Volumes, caller: Caller, kind: Row[Any], requested: Requested
) -> Row[Any]:
    """A new group in a back end that suits all its types; where there is none it is an error that a message explains.

    Raises:
        BadInput, NotFound: it cannot be one. TooLarge: over a quota.
    """
    _check_kind(kind)
    if not requested.volume_types:
        raise BadInput("Invalid input received: volume_types must be provided to create a group.")
    kinds = [
        await types.kept(tx, await types.requested(tx, caller, one))
        for one in dict.fromkeys(requested.volume_types)
    ]
    zone = room.settings.zone
    if requested.zone is not None:
        zone = await backends.check_zone(tx, room.settings, requested.zone)
    values = {
        "name": requested.name,
        "description": requested.description,
        "volume_types": [one.id for one in kinds],
        "zone": zone,
    }
    row = await _insert(tx, room, caller, kind, values)
    await _place(tx, room, row, kinds)
    return still_there(await get_any(tx, row.id))


def _check_kind(kind: Row[Any]) -> None:
    if group_types.replicated(kind.specs):
        raise BadInput(
            f"Invalid group type: group type {kind.id} asks for replicas, and no back end has any."
        )


async def _insert(
    tx: Transaction, room: Volumes, caller: Caller, kind: Row[Any], values: Mapping[str, Any]
) -> Row[Any]:
    project_id = caller.own_project
    await quotas.check_plain(tx, room, project_id, groups=1)
    row = {
        "id": new_uuid(),
        "project_id": project_id,
        "user_id": caller.user_id,
        "status": "creating",
        "group_type_id": kind.id,
        "created_at": room.clock.now(),
        **values,
    }
    await tx.insert(volume_groups, row)
    return still_there(await get_any(tx, str(row["id"])))


async def _place(tx: Transaction, room: Volumes, row: Row[Any], kinds: Sequence[Row[Any]]) -> None:
    specs: dict[str, str] = {}
    for kind in kinds:
        specs |= kind.extra_specs
    request = scheduling.Request(size_gib=0, zone=row.zone, specs=specs, hints={})
    now = room.clock.now()
    try:
        host, backend = await scheduling.place(tx, room, request)
    except StepFailed as error:
        await change(tx, row.id, {"status": "error"}, now)
        await messages.tell(
            tx,
            room,
            project_id=row.project_id,
            resource_type="GROUP",
            resource_id=row.id,
            action="schedule",
            text=error.message,
        )
        return
    await change(tx, row.id, {"status": "available", "host": host, "backend": backend}, now)


async def create_of(
    tx: Transaction,
    room: Volumes,
    caller: Caller,
    source: Row[Any],
    *,
    name: str | None,
    description: str | None,
    snapshot: Row[Any] | None = None,
) -> tuple[Row[Any], list[Row[Any]]]:
    """A new group (status creating) with volumes like those of a group, or of a snapshot of one.

    Returns the group and its volumes.

    Raises:
        BadInput: there is nothing in the source, or its state does not allow it. TooLarge: over a quota.
    """
    sources = await _sources(tx, source, snapshot)
    values = {
        "name": name,
        "description": description,
        "volume_types": source.volume_types,
        "zone": source.zone,
        "host": source.host,
        "backend": source.backend,
        "group_snapshot_id": None if snapshot is None else snapshot.id,
        "source_group_id": source.id if snapshot is None else None,
    }
    kind = still_there(await group_types.get_any(tx, source.group_type_id))
    row = await _insert(tx, room, caller, kind, values)
    made = []
    for one in sources:
        requested = creating.Requested(
            size_gib=one.size_gib,
            name=one.name,
            description=one.description,
            snapshot_id=one.id if snapshot is not None else None,
            source_volume_id=one.id if snapshot is None else None,
            group_id=row.id,
        )
        made.append(await creating.create(tx, room, caller, requested))
    return row, made


async def _sources(
    tx: Transaction, source: Row[Any], snapshot: Row[Any] | None
) -> Sequence[Row[Any]]:
    if snapshot is not None:
        if snapshot.status != "available":
            raise invalid_snapshot(f"status must be available, but it is {snapshot.status}.")
        found = await snapshots_of(tx, snapshot.id)
    else:
        if source.status != "available":
            raise invalid(f"the source's status must be available, but it is {source.status}.")
        found = await volumes_to_change(tx, source.id)
    if not found:
        raise invalid("the source is empty, so no group will be created of it.")
    return found


# ---- existing ones ----


async def update(
    tx: Transaction,
    room: Volumes,
    caller: Caller,
    row: Row[Any],
    values: Mapping[str, Any],
    *,
    add: Sequence[str],
    remove: Sequence[str],
) -> None:
    """Change a group: what it is called, and which volumes are in it.

    Raises:
        BadInput: a state does not allow it, or a volume cannot be in it or is not.
    """
    if row.status not in ("available", "in-use"):
        raise invalid(
            f"Status of group {row.id} must be available to be updated, but it is {row.status}."
        )
    if both := set(add) & set(remove):
        raise invalid(f"volume {sorted(both)[0]} cannot be added and removed at once.")
    await tx.take_turn(*add, *remove)
    there = {one.id: one for one in await volumes_of(tx, row.id)}
    if len(there) + len(set(add)) > group_members.MAXIMUM:
        raise invalid(f"a group has at most {group_members.MAXIMUM} volumes.")
    now = room.clock.now()
    for volume_id in remove:
        if volume_id not in there:
            raise volumes.invalid(
                f"Cannot remove volume {volume_id} from group {row.id} because it is not in the group."
            )
        await _check_free(there[volume_id], row, "remove", "from")
        await volumes.change(tx, volume_id, {"group_id": None}, now)
    for volume_id in add:
        await _check_addition(tx, caller, row, volume_id)
        await volumes.change(tx, volume_id, {"group_id": row.id}, now)
    await change(tx, row.id, values, now)


async def _check_free(volume: Row[Any], row: Row[Any], verb: str, where: str) -> None:
    if volume.status not in ("available", "in-use", "error", "error_deleting"):
        raise volumes.invalid(
            f"Cannot {verb} volume {volume.id} {where} group {row.id} because volume is in an invalid state: "
            f"{volume.status}."
        )


async def _check_addition(tx: Transaction, caller: Caller, row: Row[Any], volume_id: str) -> None:
    text = f"Cannot add volume {volume_id[:36]} to group {row.id} because"
    try:
        volume = await volumes.get(tx, caller, volume_id)
    except NotFound:
        raise volumes.invalid(f"{text} volume cannot be found.") from None
    if volume.status not in ("available", "in-use"):
        raise volumes.invalid(f"{text} volume is in an invalid state: {volume.status}.")
    if volume.group_id is not None:
        raise volumes.invalid(f"{text} it is already in group {volume.group_id}.")
    if volume.type_id not in row.volume_types:
        raise volumes.invalid(f"{text} volume type {volume.type_id} is not supported by the group.")
    if volume.project_id != row.project_id:
        raise volumes.invalid(f"{text} it belongs to another project.")
    if (volume.host, volume.backend) != (row.host, row.backend):
        raise volumes.invalid(f"{text} it is not in the group's back end.")


async def check_deletable(
    tx: Transaction, row: Row[Any], *, with_volumes: bool
) -> Sequence[Row[Any]]:
    """Returns the volumes that go with it.

    Raises:
        BadInput: a state does not allow it, or something needs it.
    """
    if row.status not in ("available", "error", "in-use"):
        raise invalid(
            f"Group status must be available or error, but current status is: {row.status}"
        )
    found = await volumes_to_change(tx, row.id)
    if found and not with_volumes:
        raise invalid(
            f"Group {row.id} still contains volumes. The delete-volumes flag is required to delete it."
        )
    if await tx.first(_a_group_snapshot, {"id": row.id}) is not None:
        raise invalid(f"Cannot delete group {row.id}: it has existing group snapshots.")
    if await tx.first(_being_made_of, {"id": row.id}) is not None:
        raise invalid(f"Cannot delete group {row.id}: another group is being created from it.")
    for volume in found:
        await _check_goes(tx, volume)
    return found


async def _check_goes(tx: Transaction, volume: Row[Any]) -> None:
    if await volumes.attachments(tx, volume.id):
        raise volumes.invalid(
            f"Volume in group {volume.group_id} is attached. Need to detach first."
        )
    if await volumes.snapshots(tx, volume.id):
        raise volumes.invalid(f"Volume {volume.id} in the group has dependent snapshots.")
    if volume.status not in (*volumes.DELETABLE, "error_deleting"):
        raise volumes.invalid(
            f"Volume {volume.id} in the group is in an invalid state: {volume.status}."
        )


# ---- snapshots ----


async def create_snapshot(
    tx: Transaction,
    room: Volumes,
    caller: Caller,
    row: Row[Any],
    *,
    name: str | None,
    description: str | None,
) -> Row[Any]:
    """The rows of a new group snapshot and of a snapshot of each of the group's volumes (status creating).

    Raises:
        BadInput: a state does not allow it, or the group is empty. TooLarge: over a quota.
    """
    if row.status not in ("available", "in-use"):
        raise invalid(f"group {row.id} status must be available, but it is {row.status}.")
    found = await volumes_to_change(tx, row.id)
    if not found:
        raise invalid("Group is empty. No group snapshot will be created.")
    snapshot_id = new_uuid()
    made = {
        "id": snapshot_id,
        "group_id": row.id,
        "group_type_id": row.group_type_id,
        "project_id": row.project_id,
        "user_id": caller.user_id,
        "name": name,
        "description": description,
        "status": "creating",
        "created_at": room.clock.now(),
    }
    await tx.insert(group_snapshots, made)
    for volume in found:
        await snapshots.create(
            tx,
            room,
            caller,
            volume,
            name=name,
            description=description,
            metadata={},
            force=True,
            group_snapshot_id=snapshot_id,
        )
    return still_there(await get_any_snapshot(tx, snapshot_id))


async def check_snapshot_deletable(tx: Transaction, row: Row[Any]) -> None:
    """Raises BadInput where a state does not allow it, or something needs it."""
    if row.status not in ("available", "error"):
        raise invalid_snapshot(
            f"GroupSnapshot status must be available or error, and no group can be currently using it as source for "
            f"its creation; its status is {row.status}."
        )
    if await tx.first(_being_made_of, {"id": row.id}) is not None:
        raise invalid_snapshot("a group is being created from it.")
    for one in await snapshots_of(tx, row.id):
        if one.status not in ("available", "error", "error_deleting"):
            raise snapshots.invalid(f"Snapshot {one.id} of the group snapshot is {one.status}.")


async def snapshot_gone(tx: Transaction, snapshot_id: str) -> None:
    mine = volume_snapshots.c.group_snapshot_id == snapshot_id
    await tx.execute(volume_snapshots.delete().where(mine))
    await tx.execute(group_snapshots.delete().where(group_snapshots.c.id == snapshot_id))


async def set_snapshots(
    tx: Transaction, snapshot_id: str, values: Mapping[str, Any], now: datetime
) -> None:
    """Change all snapshots of a group snapshot."""
    mine = volume_snapshots.c.group_snapshot_id == snapshot_id
    await tx.execute(volume_snapshots.update().where(mine).values(**values, updated_at=now))
