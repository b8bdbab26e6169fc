"""Snapshots of stacks: what a stack was, and what its resources kept of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.clock import zulu
from hanok.base.errors import BadInput, NotFound
from hanok.base.ids import new_uuid
from hanok.services.orchestration.room import Orchestration
from hanok.services.orchestration.tables import snapshots
from hanok.store import Transaction

_of_stack = (
    sa.select(snapshots)
    .where(snapshots.c.stack_id == bindparam("stack"))
    .order_by(snapshots.c.sequence)
)
_one = sa.select(snapshots).where(
    snapshots.c.id == bindparam("id"), snapshots.c.stack_id == bindparam("stack")
)
_end = (
    snapshots.update()
    .where(snapshots.c.id == bindparam("of"))
    .values(status=bindparam("to"), reason=bindparam("why"))
)
_forget = snapshots.delete().where(snapshots.c.id == bindparam("of"))


async def of_stack(tx: Transaction, stack_id: str) -> Sequence[Row[Any]]:
    return await tx.all(_of_stack, {"stack": stack_id})


async def get(tx: Transaction, stack: Any, snapshot_id: str) -> Row[Any]:
    """
    Raises:
        NotFound
    """
    row = await tx.first(_one, {"id": snapshot_id, "stack": stack.id})
    if row is None:
        raise NotFound(
            f"The Snapshot ({snapshot_id[:100]}) could not be found.", code="EntityNotFound"
        )
    return row


async def create(tx: Transaction, room: Orchestration, stack: Any, name: str | None) -> Row[Any]:
    """
    Raises:
        BadInput: the stack has as many as it may have.
    """
    maximum = room.settings.max_snapshots_per_stack
    if 0 <= maximum <= len(await of_stack(tx, stack.id)):
        raise BadInput(
            f"Request limit exceeded: You have reached the maximum snapshots per stack, {maximum}.",
            code="RequestLimitExceeded",
        )
    row = {
        "id": new_uuid(),
        "stack_id": stack.id,
        "name": name,
        "status": "IN_PROGRESS",
        "reason": "",
        "created_at": room.clock.now(),
        "data": room.key.seal({"source": stack.source}),
    }
    await tx.insert(snapshots, row)
    return await get(tx, stack, str(row["id"]))


async def end(tx: Transaction, snapshot_id: str, status: str, reason: str) -> None:
    await tx.execute(_end, {"of": snapshot_id, "to": status, "why": reason})


async def delete(tx: Transaction, snapshot_id: str) -> None:
    await tx.execute(_forget, {"of": snapshot_id})


def source_of(room: Orchestration, row: Any) -> dict[str, Any]:
    """The source of the stack as it was, as rows have it."""
    return dict(room.key.open(row.data)["source"])


def shown(row: Any) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "status": row.status,
        "status_reason": row.reason,
        "creation_time": zulu(row.created_at),
    }
