"""Snapshots of shares, their instances, and who may mount them.

Source: Shared File Systems API reference, "Share snapshots".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput, NotFound
from hanok.base.ids import new_uuid
from hanok.services.shared_file_system.logic import instances, quotas, shares
from hanok.services.shared_file_system.room import Shares
from hanok.services.shared_file_system.tables import (
    share_snapshot_access_rules,
    share_snapshot_export_locations,
    share_snapshot_instances,
)
from hanok.services.shared_file_system.tables import share_snapshots as table
from hanok.services.shared_file_system.tables import shares as share_table
from hanok.store import Transaction, still_there
from hanok.web.owned import Owned, missing
from hanok.web.token import Caller

not_found = missing("Snapshot")
_owned = Owned(table, not_found)
WHOLE, of, get_any, get = _owned.whole, _owned.of, _owned.get_any, _owned.get
NAMES = sa.select(table.c.id, table.c.name)
_copies = (
    sa.select(share_snapshot_instances)
    .where(share_snapshot_instances.c.snapshot_id == bindparam("id"))
    .order_by(share_snapshot_instances.c.sequence)
)
_copy = sa.select(share_snapshot_instances).where(share_snapshot_instances.c.id == bindparam("id"))
_newest = (
    sa.select(table.c.id)
    .where(table.c.share_id == bindparam("id"))
    .order_by(table.c.sequence.desc())
    .limit(1)
)
_found_by = (
    sa.select(share_snapshot_instances.c.id)
    .join(table, table.c.id == share_snapshot_instances.c.snapshot_id)
    .where(
        table.c.share_id == bindparam("share"),
        share_snapshot_instances.c.provider_location == bindparam("location"),
    )
    .limit(1)
)
_made_of = (
    sa.select(share_table.c.id)
    .where(
        share_table.c.snapshot_id == bindparam("id"),
        share_table.c.status == "creating",
    )
    .limit(1)
)
COPIES = sa.select(share_snapshot_instances)
STATUSES = frozenset(
    (
        "available", "error", "error_deleting", "deleting", "creating", "manage_starting", "unmanage_starting",
        "unmanage_error", "manage_error", "migrating", "migrating_to", "restoring",
    )
)  # fmt: skip
TRANSITIONAL = frozenset(
    ("creating", "deleting", "manage_starting", "unmanage_starting", "migrating", "restoring")
)


def invalid(reason: str) -> BadInput:
    return BadInput(f"Invalid share snapshot: {reason}")


async def copies(tx: Transaction, snapshot_id: str) -> Sequence[Row[Any]]:
    """A snapshot's instances."""
    return await tx.all(_copies, {"id": snapshot_id})


async def copy(tx: Transaction, copy_id: str) -> Row[Any]:
    """An instance of a snapshot. Raises NotFound."""
    row = await tx.first(_copy, {"id": copy_id})
    if row is None:
        raise NotFound(f"Snapshot instance {copy_id[:255]} not found.")
    return row


async def newest_of(tx: Transaction, share_id: str) -> str | None:
    """The id of a share's last snapshot."""
    found = await tx.scalar(_newest, {"id": share_id})
    return None if found is None else str(found)


async def is_known(tx: Transaction, share_id: str, location: str) -> bool:
    """Whether a share has a snapshot that is called so on its back end."""
    found = await tx.first(_found_by, {"share": share_id, "location": location})
    return found is not None


async def create(
    tx: Transaction,
    room: Shares,
    caller: Caller,
    share: Row[Any],
    *,
    name: str | None,
    description: str | None,
    metadata: Mapping[str, str],
    status: str = "creating",
    location: str | None = None,
    share_group_snapshot_id: str | None = None,
    size_gib: int = 0,
) -> Row[Any]:
    """The rows of a new snapshot and its instances, counted against the quotas. Raises TooLarge.

    Args:
        size_gib: of one that is taken over; 0: that of its share.
    """
    project_id = share.project_id
    size_gib = size_gib or share.size_gib
    await quotas.check(
        tx, room, project_id, caller.user_id, share.type_id,
        snapshots=1, snapshot_gigabytes=size_gib,
    )  # fmt: skip
    row = {
        "id": new_uuid(),
        "share_id": share.id,
        "project_id": project_id,
        "user_id": caller.user_id,
        "name": name,
        "description": description,
        "share_size_gib": share.size_gib,
        "size_gib": size_gib,
        "protocol": share.protocol,
        "type_id": share.type_id,
        "status": status,
        "metadata": dict(metadata),
        "share_group_snapshot_id": share_group_snapshot_id,
        "created_at": room.clock.now(),
    }
    await tx.insert(table, row)
    # What it is called on its back end when it is let go of.
    named = location or f"kept-{row['id']}"
    for one in await instances.of_share(tx, share.id):
        await insert_copy(tx, room, row["id"], one.id, status=status, location=named)
    return still_there(await get_any(tx, row["id"]))


async def insert_copy(
    tx: Transaction,
    room: Shares,
    snapshot_id: str,
    instance_id: str,
    *,
    status: str = "creating",
    location: str | None = None,
) -> None:
    """Write an instance of a snapshot, of an instance of its share."""
    values = {
        "id": new_uuid(),
        "snapshot_id": snapshot_id,
        "instance_id": instance_id,
        "status": status,
        "progress": "0%",
        "provider_location": location,
        "created_at": room.clock.now(),
    }
    await tx.insert(share_snapshot_instances, values)


async def change(tx: Transaction, room: Shares, snapshot_id: str, **values: Any) -> None:
    mine = table.c.id == snapshot_id
    await tx.execute(table.update().where(mine).values(**values, updated_at=room.clock.now()))


async def turn(tx: Transaction, room: Shares, snapshot_id: str, status: str, **more: Any) -> None:
    """A snapshot has another status, and so have its instances. more: of the instances."""
    await change(tx, room, snapshot_id, status=status)
    mine = share_snapshot_instances.c.snapshot_id == snapshot_id
    values = {"status": status, "updated_at": room.clock.now(), **more}
    await tx.execute(share_snapshot_instances.update().where(mine).values(values))


async def turn_copy(tx: Transaction, room: Shares, row: Row[Any], status: str) -> None:
    """An instance of a snapshot has another status; one that is alone is what its snapshot shows."""
    mine = share_snapshot_instances.c.id == row.id
    now = room.clock.now()
    changed = share_snapshot_instances.update().where(mine)
    await tx.execute(changed.values(status=status, updated_at=now))
    if len(await copies(tx, row.snapshot_id)) == 1:
        await change(tx, room, row.snapshot_id, status=status)


async def gone(tx: Transaction, snapshot_id: str) -> None:
    """Nothing of a snapshot is left."""
    for one in await copies(tx, snapshot_id):
        places = share_snapshot_export_locations
        await tx.execute(places.delete().where(places.c.snapshot_instance_id == one.id))
    for of_it in (share_snapshot_instances, share_snapshot_access_rules):
        await tx.execute(of_it.delete().where(of_it.c.snapshot_id == snapshot_id))
    await tx.execute(table.delete().where(table.c.id == snapshot_id))


async def check_unread(tx: Transaction, row: Row[Any]) -> None:
    """Raises BadInput where a share is being made of a snapshot."""
    if await tx.first(_made_of, {"id": row.id}) is not None:
        raise invalid(f"A share is being created from snapshot {row.id}.")


async def share_of(tx: Transaction, row: Row[Any]) -> Row[Any]:
    return await shares.again(tx, row.share_id)
