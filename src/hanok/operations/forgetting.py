"""Forgetting operations that ended long ago and whose end nobody reads any more.

Each change of a thing is a row here, and its steps are more: without an end, whoever makes and deletes a volume all day
fills the database. What users read afterwards (a server's actions) stays; `Room.remembers` says so.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy import bindparam

from hanok.base.clock import Clock
from hanok.base.errors import Unavailable
from hanok.operations.tables import operations, steps
from hanok.store import Database

log = logging.getLogger(__name__)

KEPT = timedelta(days=7)  # for operators who look for what went wrong
FORGET_S = 600.0  # between rounds
AT_ONCE = 1_000  # numbers that one look goes through: others are let in between

_whole = operations.alias("whole")
_newest = sa.select(sa.func.max(operations.c.sequence))
_ended = sa.select(operations.c.id).where(
    operations.c.sequence > bindparam("behind", type_=sa.BigInteger),
    operations.c.sequence <= bindparam("until", type_=sa.BigInteger),
    operations.c.active.is_(False),
    operations.c.finished_at < bindparam("before"),
    operations.c.kind.in_(bindparam("kinds", expanding=True)),
    # A part is asked for by what it is a part of, for as long as that is under way.
    ~sa.exists().where(_whole.c.id == operations.c.parent, _whole.c.active.is_(True)),
)
_forget = operations.delete().where(operations.c.id.in_(bindparam("ids", expanding=True)))
_forget_steps = steps.delete().where(steps.c.operation_id.in_(bindparam("ids", expanding=True)))


class Forgetting:
    """Takes the rows of old operations away; one process of a cloud does."""

    def __init__(
        self, database: Database, clock: Clock, kinds: Callable[[], Sequence[str]]
    ) -> None:
        """kinds: those that are forgotten, of the services that are on."""
        self._database = database
        self._clock = clock
        self._kinds = kinds

    async def run(self) -> None:
        while True:
            try:
                await self.forget()
            except Unavailable as error:
                log.warning("old operations are not forgotten: %s", error.message)
            await asyncio.sleep(FORGET_S)

    async def forget(self) -> int:
        """Forget all that are old enough. Returns how many."""
        async with self._database.read() as tx:
            newest = int(await tx.scalar(_newest) or 0)
        found = 0
        for behind in range(0, newest, AT_ONCE):
            found += await self._some(behind)
            await asyncio.sleep(0)
        return found

    async def _some(self, behind: int) -> int:
        values = {"behind": behind, "until": behind + AT_ONCE, "kinds": list(self._kinds())}
        async with self._database.read() as tx:
            before = self._clock.now() - KEPT
            ids = list(await tx.scalars(_ended, {**values, "before": before}))
        if ids:
            async with self._database.write() as tx:
                await tx.execute(_forget_steps, {"ids": ids})
                await tx.execute(_forget, {"ids": ids})
        return len(ids)
