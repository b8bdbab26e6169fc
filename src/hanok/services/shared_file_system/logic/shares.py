"""Shares: rows, states, and what may be done in which state.

Source: Shared File Systems API reference, "Shares" (the table of statuses), "Share actions".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput, Conflict, Forbidden
from hanok.services.shared_file_system.logic import instances, types
from hanok.services.shared_file_system.room import Shares
from hanok.services.shared_file_system.tables import (
    share_access_rules,
    share_export_locations,
    share_instances,
    share_locks,
    share_snapshots,
    share_types,
)
from hanok.services.shared_file_system.tables import shares as table
from hanok.store import Transaction, kept, still_there
from hanok.web.owned import Owned, missing
from hanok.web.token import Caller

not_found = missing("Share")
_owned = Owned(table, not_found)
WHOLE, get_any = _owned.whole, _owned.get_any
NAMES = sa.select(table.c.id, table.c.name)
_snapshots = sa.select(share_snapshots.c.id).where(share_snapshots.c.share_id == bindparam("id"))
_expired = (
    sa.select(table)
    .where(table.c.deleted_from <= bindparam("now"), table.c.status.not_in(("deleting",)))
    .order_by(table.c.deleted_from)
    .limit(100)
)

STATUSES = frozenset(
    (
        "creating", "creating_from_snapshot", "deleting", "deleted", "error", "error_deleting", "available",
        "manage_starting", "manage_error", "unmanage_starting", "manage_error_unmanage_starting", "unmanage_error",
        "unmanaged", "extending", "extending_error", "shrinking", "shrinking_error", "migrating", "migrating_to",
        "shrinking_possible_data_loss_error", "replication_change", "restoring", "reverting", "reverting_error",
        "awaiting_transfer", "backup_creating", "backup_restoring", "backup_restoring_error", "ensuring",
        "server_migrating", "server_migrating_to", "inactive",
    )
)  # fmt: skip
RESETTABLE = (
    "creating", "available", "deleting", "error", "error_deleting", "migrating", "migrating_to", "server_migrating",
)  # fmt: skip
TRANSITIONAL = frozenset(
    (
        "creating", "creating_from_snapshot", "deleting", "manage_starting", "unmanage_starting", "extending",
        "shrinking", "migrating", "migrating_to", "restoring", "reverting", "server_migrating", "server_migrating_to",
        "backup_restoring", "backup_creating", "ensuring",
    )
)  # fmt: skip
DELETABLE = ("available", "error", "inactive")
TASK_STATES = (
    "migration_starting", "migration_in_progress", "migration_completing", "migration_success", "migration_error",
    "migration_cancelled", "migration_driver_in_progress", "migration_driver_phase1_done", "data_copying_starting",
    "data_copying_in_progress", "data_copying_completing", "data_copying_completed", "data_copying_cancelled",
    "data_copying_error",
)  # fmt: skip
BUSY = frozenset(
    (
        "migration_starting", "migration_in_progress", "migration_completing", "migration_driver_starting",
        "migration_driver_in_progress", "migration_driver_phase1_done", "data_copying_starting",
        "data_copying_in_progress", "data_copying_completing", "data_copying_completed",
    )
)  # fmt: skip


def invalid(reason: str) -> BadInput:
    """What is refused because of a share's state."""
    return BadInput(f"Invalid share: {reason}")


def is_mine(caller: Caller, row: Row[Any]) -> bool:
    return caller.everywhere or row.project_id == caller.project_id


def of(
    caller: Caller, statement: sa.Select[Any], *, everywhere: bool = False, public: bool = False
) -> sa.Select[Any]:
    """The shares of a statement that a caller's list shows. public: those that all may see, too."""
    if everywhere:
        return statement
    if public:
        mine = table.c.project_id == (caller.project_id or "")
        return statement.where(sa.or_(mine, table.c.is_public.is_(True)))
    return kept.held(statement, kept.equal(table.c.project_id, caller.project_id or ""))


async def get(tx: Transaction, caller: Caller, share_id: str) -> Row[Any]:
    """A share of the caller's project.

    Raises:
        NotFound; Forbidden: it is public, and nothing but seeing it is.
    """
    row = await visible(tx, caller, share_id)
    if not is_mine(caller, row):
        raise Forbidden(f"Share {share_id} is another project's.")
    return row


async def visible(tx: Transaction, caller: Caller, share_id: str) -> Row[Any]:
    """A share that the caller sees: a public one is seen by all, and that is all that may be done with it.

    Raises:
        NotFound
    """
    row = await get_any(tx, share_id)
    if row is None or not (row.is_public or is_mine(caller, row)):
        raise not_found(share_id)
    return row


async def again(tx: Transaction, share_id: str) -> Row[Any]:
    """A share that is known to be there, as it is now."""
    return still_there(await get_any(tx, share_id))


async def change(tx: Transaction, room: Shares, share_id: str, **values: Any) -> None:
    mine = table.c.id == share_id
    await tx.execute(table.update().where(mine).values(**values, updated_at=room.clock.now()))


async def snapshots_of(tx: Transaction, share_id: str) -> Sequence[str]:
    """The ids of a share's snapshots."""
    return list(await tx.scalars(_snapshots, {"id": share_id}))


async def expired(tx: Transaction, now: Any) -> Sequence[Row[Any]]:
    """Shares whose time in the recycle bin is over."""
    return await tx.all(_expired, {"now": now})


async def gone(tx: Transaction, room: Shares, share_id: str) -> None:
    """Nothing of a share is left."""
    for row in await instances.of_share(tx, share_id):
        await instances.gone(tx, row)
    rules = share_access_rules.c.share_id == share_id
    locked = share_locks.c.resource_id
    of_rules = locked.in_(sa.select(share_access_rules.c.id).where(rules))
    await tx.execute(share_locks.delete().where(sa.or_(locked == share_id, of_rules)))
    await tx.execute(share_access_rules.delete().where(rules))
    await tx.execute(table.delete().where(table.c.id == share_id))
    await instances.tell_state(tx, room, share_id, "deleted")


# ---- what may be done ----


def is_binned(row: Row[Any]) -> bool:
    """Whether a share is in the recycle bin."""
    return row.deleted_from is not None


def check_not_binned(row: Row[Any], what: str) -> None:
    """Raises Forbidden for a share in the recycle bin. what: "Cannot extend share"."""
    if is_binned(row):
        raise Forbidden(f"{what} '{row.id}' since it has been soft deleted.")


def check_idle(row: Row[Any]) -> None:
    """Raises Conflict for a share that moves: nothing else is begun with it meanwhile."""
    if row.task_state in BUSY:
        raise Conflict(f"Share {row.id} is busy as part of an active task: {row.task_state}.")


async def check_deletable(
    tx: Transaction, room: Shares, row: Row[Any], *, force: bool, binned: bool
) -> None:
    """Raises Forbidden or Conflict where a share's state does not let it be deleted. binned: for a while only."""
    if not force and row.status not in DELETABLE:
        raise Forbidden(f"Invalid share: Share status must be one of {DELETABLE}")
    if instances.has_replicas(await instances.of_share(tx, row.id)):
        what = "soft deleting" if binned else "deleting"
        raise Conflict(f"Share {row.id} has replicas. Remove the replicas before {what} the share.")
    if held := await snapshots_of(tx, row.id):
        raise Forbidden(f"Invalid share: Share still has {len(held)} dependent snapshots.")
    for holds in room.holds:
        if why := await holds(tx, row.id):
            raise Forbidden(f"Invalid share: {why}")
    if row.task_state in BUSY:
        raise Forbidden(f"Share {row.id} is busy as part of an active task: {row.task_state}.")


# ---- conditions of lists ----


def not_binned(statement: sa.Select[Any]) -> sa.Select[Any]:
    """Without what is in the recycle bin."""
    return statement.where(table.c.deleted_from.is_(None))


def on_host(place: str) -> sa.ColumnElement[bool]:
    """Whether a share is at "host@backend" or "host@backend#pool"."""
    node, _, rest = place.partition("@")
    where = [share_instances.c.node == node]
    if rest:
        where.append(share_instances.c.backend == rest.partition("#")[0])
    return table.c.id.in_(sa.select(share_instances.c.share_id).where(*where))


def of_server(server_id: str) -> sa.ColumnElement[bool]:
    one = sa.select(share_instances.c.share_id).where(
        share_instances.c.share_server_id == server_id
    )
    return table.c.id.in_(one)


def in_zone(zone: str) -> sa.ColumnElement[bool]:
    one = sa.select(share_instances.c.share_id).where(share_instances.c.zone == zone)
    return table.c.id.in_(one)


def exported(column: sa.Column[Any], value: str) -> sa.ColumnElement[bool]:
    """Whether a share has an export location. column: its id or its path."""
    one = (
        sa.select(share_instances.c.share_id)
        .join(share_export_locations, share_export_locations.c.instance_id == share_instances.c.id)
        .where(column == value)
    )
    return table.c.id.in_(one)


def of_types(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    """Whether a share's type fulfils a condition."""
    return table.c.type_id.in_(sa.select(share_types.c.id).where(condition))


async def type_of(tx: Transaction, row: Row[Any]) -> Row[Any]:
    """The type of a share: none is deleted as long as it has shares."""
    return still_there(await types.get_any(tx, row.type_id))
