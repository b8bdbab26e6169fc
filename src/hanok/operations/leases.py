"""Loops that run once in a cloud, however many control processes there are.

A loop is run by the process that holds its lease; when that process dies, another takes the lease when it has ended,
and the same one, restarted, takes it at once. A lease is not a lock: for the moment in which a process does not know
yet that its lease has ended, two may run, so each loop's work is such that twice does no harm.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy import bindparam

from hanok.base.clock import Clock
from hanok.base.errors import Unavailable
from hanok.operations.tables import leases
from hanok.store import Database

log = logging.getLogger(__name__)

LEASE_S = 15.0  # three missed renewals
RENEW_S = 5.0

_take = (
    leases.update()
    .where(
        leases.c.name == bindparam("of"),
        sa.or_(leases.c.holder == bindparam("me"), leases.c.until < bindparam("now")),
    )
    .values(holder=bindparam("me"), until=bindparam("later"))
)
_give_back = (
    leases.update()
    .where(leases.c.holder == bindparam("me"))
    .values(until=bindparam("now"))
)  # fmt: skip
_holders = sa.select(leases.c.name, leases.c.holder).where(leases.c.until >= bindparam("now"))


class Leases:
    """The leases of one process."""

    def __init__(self, database: Database, clock: Clock, holder: str) -> None:
        """holder: the process's name, the same after a restart."""
        self._database = database
        self._clock = clock
        self._holder = holder[:64]
        self._loops: dict[str, Callable[[], Awaitable[None]]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._added = asyncio.Event()

    def add(self, name: str, loop: Callable[[], Awaitable[None]]) -> None:
        """Run this loop whenever its lease is held here.

        Args:
            name: of the loop, the same in every process.
        """
        self._loops[name] = loop
        self._added.set()

    async def remove(self, names: Iterable[str]) -> None:
        """Run these loops here no more; another process may."""
        ended = []
        for name in names:
            self._loops.pop(name, None)
            if (task := self._tasks.pop(name, None)) is not None:
                task.cancel()
                ended.append(task)
        await asyncio.gather(*ended, return_exceptions=True)

    async def run(self) -> None:
        """Take and renew leases, and run the loops of those that are held, until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                while True:
                    self._added.clear()
                    await self._round(group)
                    try:
                        async with asyncio.timeout(RENEW_S):
                            await self._added.wait()
                    except TimeoutError:
                        pass
        finally:
            await self.give_back()

    async def _round(self, group: asyncio.TaskGroup) -> None:
        try:
            held = await self.hold()
        except Unavailable as error:
            # Whoever reaches the database takes the leases when they have ended: stop before that.
            log.warning("the leases of loops are not renewed: %s", error.message)
            held = set()
        for name, loop in self._loops.items():
            task = self._tasks.get(name)
            if name not in held and task is not None:
                log.warning("the loop %s ends here: its lease is not held any more", name)
                self._tasks.pop(name).cancel()
            elif name in held and (task is None or task.done()):
                self._tasks[name] = group.create_task(self._guarded(name, loop))

    async def hold(self) -> set[str]:
        """Take and renew the leases of the loops known here, where they are free. Returns the names of those held."""
        now = self._clock.now()
        values = {"me": self._holder, "now": now, "later": now + timedelta(seconds=LEASE_S)}
        held = set()
        async with self._database.write() as tx:
            for name in sorted(self._loops):  # in one order everywhere: nobody waits for each other
                row = {"name": name, "holder": self._holder, "until": values["later"]}
                if await tx.count(_take, {"of": name, **values}) or (
                    await tx.insert_missing(leases, row)
                ):
                    held.add(name)
        return held

    async def _guarded(self, name: str, loop: Callable[[], Awaitable[None]]) -> None:
        """A loop that ends by an error is begun again at the next renewal."""
        try:
            await loop()
        except Exception:
            log.exception("the loop %s ended; it begins again", name)

    def look(self) -> None:
        """Look now which leases are free."""
        self._added.set()

    async def give_back(self) -> None:
        """Leave the leases to others, at an orderly end."""
        try:
            async with self._database.write() as tx:
                await tx.execute(_give_back, {"me": self._holder, "now": self._clock.now()})
        except Unavailable:
            return  # then they have to end by themselves

    def running(self) -> set[str]:
        """The names of the loops that run here."""
        return {name for name, task in self._tasks.items() if not task.done()}

    async def holders(self) -> dict[str, str]:
        """Which process runs each loop."""
        async with self._database.read() as tx:
            rows = await tx.all(_holders, {"now": self._clock.now()})
        return {row.name: row.holder for row in rows}
