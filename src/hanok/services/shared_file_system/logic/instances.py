"""Instances of shares: where a share is, more than once while it moves or has replicas.

What a share shows of itself follows its instances.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.ids import new_uuid
from hanok.events import Event
from hanok.services.shared_file_system.logic import backends
from hanok.services.shared_file_system.room import Shares
from hanok.services.shared_file_system.tables import (
    share_export_locations,
    share_snapshot_export_locations,
    share_snapshot_instances,
    shares,
)
from hanok.services.shared_file_system.tables import share_instances as table
from hanok.store import Transaction
from hanok.web.owned import missing

not_found = missing("Share instance")
WHOLE = sa.select(table)
_by_id = WHOLE.where(table.c.id == bindparam("id"))
_of_share = WHOLE.where(table.c.share_id == bindparam("share")).order_by(table.c.sequence)
_of_shares = WHOLE.where(table.c.share_id.in_(bindparam("shares", expanding=True))).order_by(
    table.c.sequence
)
_snapshot_instances = sa.select(share_snapshot_instances.c.id).where(
    share_snapshot_instances.c.instance_id == bindparam("instance")
)
_available_at = WHOLE.where(
    table.c.node == bindparam("node"),
    table.c.backend == bindparam("backend"),
    table.c.status == "available",
).order_by(table.c.sequence)
APART = ("migrating_to",)  # what a share does not show of itself
SYNCING, ACTIVE, ERROR = "syncing", "active", "error"


async def get_any(tx: Transaction, instance_id: str) -> Row[Any] | None:
    return await tx.first(_by_id, {"id": instance_id})


async def get(tx: Transaction, instance_id: str) -> Row[Any]:
    """Raises NotFound."""
    row = await get_any(tx, instance_id)
    if row is None:
        raise not_found(instance_id)
    return row


async def of_share(tx: Transaction, share_id: str) -> Sequence[Row[Any]]:
    """A share's instances, the oldest first."""
    return await tx.all(_of_share, {"share": share_id})


async def of_shares(tx: Transaction, share_ids: Collection[str]) -> dict[str, list[Row[Any]]]:
    """The instances of shares, by share."""
    found: dict[str, list[Row[Any]]] = {}
    if share_ids:
        for row in await tx.all(_of_shares, {"shares": list(share_ids)}):
            found.setdefault(row.share_id, []).append(row)
    return found


async def available_at(tx: Transaction, node: str, backend: str) -> Sequence[Row[Any]]:
    """The instances in a back end with which nothing is being done."""
    return await tx.all(_available_at, {"node": node, "backend": backend})


def main(rows: Sequence[Row[Any]]) -> Row[Any] | None:
    """The instance that a share shows as itself: its active replica, or the oldest that is not only a target."""
    there = [row for row in rows if row.status not in APART] or list(rows)
    kept = [row for row in there if row.status not in ("deleting", "error_deleting")]
    shown = kept or there
    active = [row for row in shown if row.replica_state == "active"]
    found = active or shown
    return found[0] if found else None


async def main_of(tx: Transaction, share_id: str) -> Row[Any] | None:
    return main(await of_share(tx, share_id))


def has_replicas(rows: Sequence[Row[Any]]) -> bool:
    """Whether a share has replicas beside the one that it is."""
    return len([row for row in rows if row.replica_state is not None]) > 1


def rules_status(rows: Sequence[Row[Any]]) -> str:
    """How the access rules of a share are: as in the instance where they are worst."""
    said = {row.access_rules_status for row in rows}
    return ERROR if ERROR in said else SYNCING if SYNCING in said else ACTIVE


async def insert(tx: Transaction, room: Shares, share: Mapping[str, Any], **values: Any) -> str:
    """Write an instance of a share; gives its id.

    Args:
        share: its id, size_gib, type_id and share_network_id. values: its status, and what else is not usual.
    """
    row = {
        "id": new_uuid(),
        "share_id": share["id"],
        "size_gib": share["size_gib"],
        "type_id": share["type_id"],
        "share_network_id": share["share_network_id"],
        "access_rules_status": ACTIVE,
        "cast_rules_to_readonly": False,
        "metadata": {},
        "generation": 1,
        "created_at": room.clock.now(),
        **values,
    }
    await tx.insert(table, row)
    return str(row["id"])


async def change(tx: Transaction, room: Shares, instance_id: str, **values: Any) -> None:
    mine = table.c.id == instance_id
    await tx.execute(table.update().where(mine).values(**values, updated_at=room.clock.now()))


async def turn(tx: Transaction, room: Shares, row: Row[Any], **values: Any) -> int:
    """A request begins something with an instance; gives its new generation, which is higher."""
    generation = int(row.generation) + 1
    await change(tx, room, row.id, generation=generation, **values)
    return generation


async def settle(tx: Transaction, room: Shares, row: Row[Any], status: str, **more: Any) -> None:
    """An instance has another status, and its share shows it."""
    await change(tx, room, row.id, status=status, **more)
    await follow(tx, room, row.share_id)


async def follow(tx: Transaction, room: Shares, share_id: str) -> None:
    """A share shows what its instances are; steps that wait for that go on."""
    row = await main_of(tx, share_id)
    if row is None:
        return
    mine = shares.c.id == share_id
    changed = shares.update().where(mine, shares.c.status != row.status)
    if await tx.count(changed.values(status=row.status, updated_at=room.clock.now())):
        await tell_state(tx, room, share_id, row.status)


async def tell_state(tx: Transaction, room: Shares, share_id: str, status: str) -> None:
    payload = {"id": share_id, "status": status}
    await room.events.emit(
        tx, Event(kind="share.state", resource=f"share:{share_id}", payload=payload)
    )


async def gone(tx: Transaction, row: Row[Any]) -> None:
    """Nothing of an instance is left, and its part of the back end is free."""
    await backends.add(tx, row.node, row.backend, -row.size_gib)
    places = share_export_locations
    await tx.execute(places.delete().where(places.c.instance_id == row.id))
    for one in await tx.scalars(_snapshot_instances, {"instance": row.id}):
        of = share_snapshot_export_locations
        await tx.execute(of.delete().where(of.c.snapshot_instance_id == one))
    of = share_snapshot_instances
    await tx.execute(of.delete().where(of.c.instance_id == row.id))
    await tx.execute(table.delete().where(table.c.id == row.id))


# ---- conditions of lists ----


def exported_id(value: str) -> sa.ColumnElement[bool]:
    """Whether an instance has the export location with an id."""
    places = share_export_locations
    return table.c.id.in_(sa.select(places.c.instance_id).where(places.c.id == value))


def exported_at(value: str) -> sa.ColumnElement[bool]:
    """Whether an instance is mounted from a path."""
    places = share_export_locations
    return table.c.id.in_(sa.select(places.c.instance_id).where(places.c.path == value))


def binned(there: bool) -> sa.ColumnElement[bool]:
    """Whether an instance's share is in the recycle bin, or is not."""
    found = sa.select(shares.c.id).where(shares.c.deleted_from.is_not(None))
    return table.c.share_id.in_(found) if there else table.c.share_id.not_in(found)


NOT_BINNED = WHOLE.where(binned(False))
