"""Signals to resources: kept until whoever waits for them looks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam

from hanok.services.orchestration.tables import signals
from hanok.store import Transaction

MAXIMUM = 1_000  # signals that are kept of one resource
LARGEST = 1 << 20  # bytes of all of them
_of_part = (
    sa.select(signals).where(signals.c.resource_id == bindparam("of")).order_by(signals.c.sequence)
)
_count = (
    sa.select(sa.func.count()).select_from(signals).where(signals.c.resource_id == bindparam("of"))
)
_forget = signals.delete().where(signals.c.resource_id.in_(bindparam("ids", expanding=True)))


async def of_part(tx: Transaction, part_id: str) -> list[Any]:
    """What was told to a resource, in order."""
    return [row.details for row in await tx.all(_of_part, {"of": part_id})]


async def add(tx: Transaction, part_id: str, details: Any) -> bool:
    """Keep a signal; whether there was room."""
    if int(await tx.scalar(_count, {"of": part_id}) or 0) >= MAXIMUM:
        return False
    await tx.execute(signals.insert(), {"resource_id": part_id, "details": details})
    return True


async def cleared(tx: Transaction, part_id: str, hook: str, traversal: str) -> bool:
    """Whether somebody said that the work held by a hook may go on."""
    return {"hook": hook, "traversal": traversal} in await of_part(tx, part_id)


async def forget(tx: Transaction, part_ids: Sequence[str]) -> None:
    if part_ids:
        await tx.execute(_forget, {"ids": list(part_ids)})
