"""Share groups: shares that are in one back end together, and snapshots of all of them.

Source: Shared File Systems API reference, "Share groups", "Share group snapshots".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput, Conflict, NotFound
from hanok.base.ids import new_uuid
from hanok.services.shared_file_system.logic import (
    backends,
    group_types,
    instances,
    messages,
    quotas,
    scheduling,
    share_networks,
    shares,
    specs,
    types,
)
from hanok.services.shared_file_system.room import Shares
from hanok.services.shared_file_system.tables import (
    share_group_snapshot_members as members_table,
)
from hanok.services.shared_file_system.tables import share_group_snapshots, share_groups
from hanok.services.shared_file_system.tables import shares as shares_table
from hanok.store import Transaction, still_there
from hanok.web.owned import Owned
from hanok.web.token import Caller

STATUSES = ("creating", "available", "error", "deleting", "error_deleting")
MEMBERS_MAXIMUM = 200
GROUP = "SHARE_GROUP"  # as messages call it

_owned = Owned(share_groups, lambda one: NotFound(f"Share group {one[:255]} not found."))
WHOLE, of, get, get_any = _owned.whole, _owned.of, _owned.get, _owned.get_any
gone = _owned.gone
_snapshots = Owned(
    share_group_snapshots, lambda one: NotFound(f"Share group snapshot {one[:255]} not found.")
)
SNAPSHOTS, snapshots_of_caller = _snapshots.whole, _snapshots.of
get_snapshot, get_any_snapshot = _snapshots.get, _snapshots.get_any

_shares = (
    sa.select(shares_table)
    .where(shares_table.c.share_group_id == bindparam("id"))
    .order_by(shares_table.c.sequence)
)
_snapshots_of = (
    sa.select(share_group_snapshots)
    .where(share_group_snapshots.c.share_group_id == bindparam("id"))
    .order_by(share_group_snapshots.c.sequence)
)
_members = (
    sa.select(members_table)
    .where(members_table.c.group_snapshot_id.in_(bindparam("ids", expanding=True)))
    .order_by(members_table.c.sequence)
)
_member = sa.select(members_table).where(members_table.c.id == bindparam("id"))
_of_share = sa.select(members_table.c.id).where(members_table.c.share_id == bindparam("id"))
_made_of = (
    sa.select(shares_table.c.id)
    .where(
        shares_table.c.group_snapshot_member_id == bindparam("id"),
        shares_table.c.status == "creating",
    )
    .limit(1)
)


class Requested(Struct, kw_only=True):
    """A new share group as it is asked for. share_types: ids. snapshot_id: of the group snapshot it is made of."""

    name: str | None = None
    description: str | None = None
    share_types: Sequence[str] = ()
    group_type_id: str | None = None
    share_network_id: str | None = None
    zone: str | None = None
    snapshot_id: str | None = None


async def change(tx: Transaction, room: Shares, group_id: str, **values: Any) -> None:
    await _owned.change(tx, group_id, values, room.clock.now())


async def change_snapshot(tx: Transaction, room: Shares, snapshot_id: str, **values: Any) -> None:
    await _snapshots.change(tx, snapshot_id, values, room.clock.now())


async def shares_of(tx: Transaction, group_id: str) -> Sequence[Row[Any]]:
    return await tx.all(_shares, {"id": group_id})


async def snapshots_of(tx: Transaction, group_id: str) -> Sequence[Row[Any]]:
    return await tx.all(_snapshots_of, {"id": group_id})


async def members_of(tx: Transaction, snapshot_ids: Sequence[str]) -> dict[str, list[Row[Any]]]:
    """The members of group snapshots, by the snapshot's id."""
    found: dict[str, list[Row[Any]]] = {one: [] for one in snapshot_ids}
    for row in await tx.all(_members, {"ids": list(snapshot_ids)}):
        found[row.group_snapshot_id].append(row)
    return found


async def member(tx: Transaction, member_id: str) -> Row[Any] | None:
    return await tx.first(_member, {"id": member_id})


# ---- new ones ----


async def create(tx: Transaction, room: Shares, caller: Caller, desired: Requested) -> Row[Any]:
    """A new group in a back end that suits all its types; where there is none it is an error that a message explains.

    Raises:
        BadInput, Conflict, NotFound: it cannot be one. TooLarge: over a quota.
    """
    zone = desired.zone and await backends.check_zone(tx, room.settings, desired.zone)
    await _keep(tx, desired)
    source = await _source(tx, caller, desired)
    group_type = await _group_type(tx, room, caller, desired, source)
    kinds = await _kinds(tx, room, caller, desired, group_type, source)
    network = await _network(tx, caller, desired, kinds, source)
    _check_zones(kinds, zone)
    project_id = caller.own_project
    await quotas.check(tx, room, project_id, caller.user_id, "", share_groups=1)
    row: dict[str, Any] = {
        "id": new_uuid(),
        "project_id": project_id,
        "user_id": caller.user_id,
        "name": desired.name,
        "description": desired.description,
        "status": "creating",
        "group_type_id": group_type.id,
        "share_types": [one.id for one in kinds],
        "share_network_id": network,
        "source_snapshot_id": desired.snapshot_id,
        "zone": zone or None,
        "consistent": group_type.specs.get(group_types.CONSISTENT),
        "created_at": room.clock.now(),
    }
    if source is not None:
        row |= {"node": source.node, "backend": source.backend, "zone": source.zone}
    await tx.insert(share_groups, row)
    if source is None:
        await _place(tx, room, row, kinds, group_type)
    return still_there(await get_any(tx, row["id"]))


async def _keep(tx: Transaction, desired: Requested) -> None:
    """What a new group names stays as long as it is written."""
    named = (
        desired.snapshot_id,
        desired.group_type_id,
        desired.share_network_id,
        *desired.share_types,
    )
    for one in sorted(set(filter(None, named))):
        await tx.keep(one)


async def _source(tx: Transaction, caller: Caller, desired: Requested) -> Row[Any] | None:
    """The group whose snapshot a new one is made of; None: it is made of none. Raises BadInput, Conflict."""
    if desired.snapshot_id is None:
        return None
    try:
        snapshot = await get_snapshot(tx, caller, desired.snapshot_id)
    except NotFound as error:
        raise BadInput(error.message) from None
    if snapshot.status != "available":
        raise Conflict(
            "Invalid share group snapshot: Share group snapshot status must be available."
        )
    return still_there(await get_any(tx, snapshot.share_group_id))


async def _group_type(
    tx: Transaction, room: Shares, caller: Caller, desired: Requested, source: Row[Any] | None
) -> Row[Any]:
    type_id = desired.group_type_id or (None if source is None else source.group_type_id)
    if type_id is None:
        found = await group_types.default(tx, room, caller)
        if found is None:
            raise BadInput(
                "Must specify a share group type as a default share group type has not been configured."
            )
        await tx.keep(found.id)
        return still_there(await group_types.get_any(tx, found.id))
    try:
        return await group_types.get(tx, caller, type_id)
    except NotFound:
        raise BadInput(f"The specified share group type {type_id} does not exist.") from None


async def _kinds(
    tx: Transaction,
    room: Shares,
    caller: Caller,
    desired: Requested,
    group_type: Row[Any],
    source: Row[Any] | None,
) -> list[Row[Any]]:
    """The share types of a new group. Raises BadInput."""
    ids = list(desired.share_types) if source is None else list(source.share_types)
    if not ids:
        default = await types.default(tx, room)
        if default is None:
            raise BadInput(
                "Must specify at least one share type as a default share type has not been configured."
            )
        ids = [(await types.kept(tx, default)).id]
    found = []
    for one in dict.fromkeys(ids):
        try:
            found.append(await types.get(tx, caller, one))
        except NotFound:
            raise BadInput(f"Share type with id {one} could not be found.") from None
    if not {one.id for one in found} <= set(group_type.share_types):
        raise BadInput(
            "The specified share types must be a subset of the share types supported by the share group type."
        )
    if len({specs.says(one.extra_specs, specs.SERVERS) for one in found}) > 1:
        raise BadInput(
            "The specified share_types cannot have conflicting values for the driver_handles_share_servers extra spec."
        )
    return found


async def _network(
    tx: Transaction,
    caller: Caller,
    desired: Requested,
    kinds: Sequence[Row[Any]],
    source: Row[Any] | None,
) -> str | None:
    """The share network of a new group. Raises BadInput."""
    requested = desired.share_network_id if source is None else source.share_network_id
    servers = specs.says(kinds[0].extra_specs, specs.SERVERS)
    if requested and not servers:
        raise BadInput(
            "When using a share types with the driver_handles_share_servers extra spec as False, a share_network_id "
            "must not be provided."
        )
    if servers and not requested:
        raise BadInput(
            "When using a share type with the driver_handles_share_servers extra spec as True, a share_network_id must "
            "be provided."
        )
    if not requested:
        return None
    return str((await share_networks.requested(tx, caller, requested)).id)


def _check_zones(kinds: Sequence[Row[Any]], zone: str | None) -> None:
    odd = [
        one.name
        for one in kinds
        if zone and (mine := specs.zones(one.extra_specs)) and zone not in mine
    ]
    if odd:
        raise BadInput(
            "Share group cannot be created since the following share types are not supported within the availability "
            f"zone '{zone}': ({', '.join(odd)})"
        )


async def _place(
    tx: Transaction,
    room: Shares,
    row: Mapping[str, Any],
    kinds: Sequence[Row[Any]],
    group_type: Row[Any],
) -> None:
    extra: dict[str, str] = dict(group_type.specs)
    zones: list[str] = []
    for kind in kinds:
        extra |= kind.extra_specs
        zones += specs.zones(kind.extra_specs)
    request = scheduling.Request(
        size_gib=0, extra=extra, zones=[row["zone"]] if row["zone"] else zones
    )
    try:
        place = await scheduling.place(tx, room, request)
    except scheduling.NoPlace as error:
        await change(tx, room, row["id"], status="error")
        await messages.tell(
            tx, room, project_id=row["project_id"], resource_type=GROUP, resource_id=row["id"],
            action="allocate", text=error.message, detail_id=error.detail_id,
        )  # fmt: skip
        return
    await change(
        tx, room, row["id"], status="available", node=place.node, backend=place.backend,
        zone=place.zone,
    )  # fmt: skip


# ---- shares in one ----


class Grouping:
    """What new shares ask of their group: see `room.Groups`."""

    async def join(
        self, tx: Transaction, caller: Caller, group_id: str, kind: Row[Any], network_id: str | None
    ) -> tuple[str, str | None, str | None]:
        row = await get(tx, caller, group_id)
        if row.status != "available" and row.source_snapshot_id is None:
            raise BadInput(
                f"Invalid share group: Share group status must be available, but it is {row.status}."
            )
        if kind.id not in row.share_types:
            raise BadInput(
                "The specified share type is not supported by the specified share group."
            )
        if network_id not in (None, row.share_network_id):
            raise BadInput(
                "The specified share network is not the same as the share network of the specified share group."
            )
        if len(await shares_of(tx, row.id)) >= MEMBERS_MAXIMUM:
            raise BadInput(f"A share group has at most {MEMBERS_MAXIMUM} shares.")
        place = "" if row.node is None else backends.name_of(row.node, row.backend)
        return place, row.zone, row.share_network_id


async def holds(tx: Transaction, share_id: str) -> str:
    """Whether a share is in a snapshot of its group, so that it cannot be deleted."""
    if await tx.first(_of_share, {"id": share_id}) is None:
        return ""
    return "Share is in a snapshot of its share group."


async def check_deletable(tx: Transaction, row: Row[Any]) -> None:
    """Raises Conflict."""
    if row.node is None:
        return
    if row.status not in ("available", "error"):
        raise Conflict(
            "Invalid share group: Share group status must be one of ('available', 'error')"
        )
    if await snapshots_of(tx, row.id):
        raise Conflict("Invalid share group: Cannot delete a share group with snapshots")
    if await shares_of(tx, row.id):
        raise Conflict("Invalid share group: Cannot delete a share group with shares")


async def settle(tx: Transaction, room: Shares, row: Row[Any]) -> None:
    """A group that is made of a snapshot shows what its shares came to."""
    states = {one.status for one in await shares_of(tx, row.id)}
    if not states & shares.TRANSITIONAL:
        status = "error" if "error" in states else "available"
        await change(tx, room, row.id, status=status)


# ---- snapshots ----


async def create_snapshot(
    tx: Transaction,
    room: Shares,
    caller: Caller,
    row: Row[Any],
    *,
    name: str | None,
    description: str | None,
) -> Row[Any]:
    """The rows of a new group snapshot and its members (status creating).

    Raises:
        Conflict: a state does not allow it. TooLarge: over a quota.
    """
    if row.status != "available":
        raise Conflict("Invalid share group: Share group status must be available")
    await tx.take_turn(*(one.id for one in await shares_of(tx, row.id)))
    found = await shares_of(tx, row.id)
    for one in found:
        if one.status != "available":
            raise Conflict(
                f"Invalid share group: Share {one.id} in share group must have status of available in order to create "
                "a group snapshot"
            )
    await quotas.check(tx, room, row.project_id, caller.user_id, "", share_group_snapshots=1)
    snapshot_id, now = new_uuid(), room.clock.now()
    made = {
        "id": snapshot_id,
        "project_id": row.project_id,
        "user_id": caller.user_id,
        "name": name,
        "description": description,
        "status": "creating",
        "share_group_id": row.id,
        "created_at": now,
    }
    await tx.insert(share_group_snapshots, made)
    for one in found:
        values = {
            "id": new_uuid(),
            "group_snapshot_id": snapshot_id,
            "share_id": one.id,
            "project_id": row.project_id,
            "size_gib": one.size_gib,
            "protocol": one.protocol,
            "type_id": one.type_id,
            "status": "creating",
            "created_at": now,
        }
        await tx.insert(members_table, values)
    return still_there(await get_any_snapshot(tx, snapshot_id))


async def turn_snapshot(tx: Transaction, room: Shares, snapshot_id: str, status: str) -> None:
    """A group snapshot has another status, and so have its members."""
    await change_snapshot(tx, room, snapshot_id, status=status)
    mine = members_table.update().where(members_table.c.group_snapshot_id == snapshot_id)
    await tx.execute(mine.values(status=status, updated_at=room.clock.now()))


async def check_snapshot_deletable(tx: Transaction, row: Row[Any]) -> None:
    """Raises Conflict."""
    if row.status not in ("available", "error"):
        raise Conflict(
            "Invalid share group snapshot: Share group snapshot status must be one of ('available', 'error')"
        )
    for one in (await members_of(tx, [row.id]))[row.id]:
        if await tx.first(_made_of, {"id": one.id}) is not None:
            raise Conflict(f"A share is being created from share group snapshot {row.id}.")


async def snapshot_gone(tx: Transaction, snapshot_id: str) -> None:
    mine = members_table.c.group_snapshot_id == snapshot_id
    await tx.execute(members_table.delete().where(mine))
    await _snapshots.gone(tx, snapshot_id)


async def places(tx: Transaction, snapshot_id: str) -> list[tuple[Row[Any], Row[Any]]]:
    """The members of a group snapshot, each with the instance of its share that is somewhere."""
    found = []
    for one in (await members_of(tx, [snapshot_id]))[snapshot_id]:
        instance = await instances.main_of(tx, one.share_id)
        if instance is not None and instance.node is not None:
            found.append((one, instance))
    return found
