"""Events of stacks: what happened to them and to their resources, in order."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.ids import new_uuid
from hanok.services.orchestration.tables import events
from hanok.store import Transaction

ALL = sa.select(events)
_new = events.insert()
_forget = events.delete().where(events.c.stack_id.in_(bindparam("ids", expanding=True)))
_last_kept = (
    sa.select(events.c.sequence)
    .where(events.c.root_id == bindparam("root"))
    .order_by(events.c.sequence.desc())
    .offset(bindparam("kept"))
    .limit(1)
)
_trim = events.delete().where(
    events.c.root_id == bindparam("root"), events.c.sequence <= bindparam("last")
)


def row_of(
    stack: Row[Any],
    *,
    name: str,
    kind: str,
    physical_id: str | None,
    action: str,
    status: str,
    reason: str,
    at: datetime,
) -> dict[str, Any]:
    return {
        "id": new_uuid(),
        "stack_id": stack.id,
        "root_id": stack.root_id,
        "resource_name": name,
        "resource_type": kind,
        "physical_id": physical_id,
        "action": action,
        "status": status,
        "reason": reason[:4096],
        "created_at": at,
    }


async def add(tx: Transaction, stack: Row[Any], **said: Any) -> None:
    await tx.execute(_new, row_of(stack, **said))


async def add_all(tx: Transaction, rows: Sequence[dict[str, Any]]) -> None:
    if rows:
        await tx.execute(_new, list(rows))


async def trim(tx: Transaction, root_id: str, kept: int) -> None:
    """Forget the oldest of a stack and those within it, where there are too many."""
    last = await tx.scalar(_last_kept, {"root": root_id, "kept": kept})
    if last is not None:
        await tx.execute(_trim, {"root": root_id, "last": last})


async def forget(tx: Transaction, stack_ids: Sequence[str]) -> None:
    await tx.execute(_forget, {"ids": list(stack_ids)})
