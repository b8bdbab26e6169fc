"""What hosts that did not answer still have to do, and paying it once they are back."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime

import sqlalchemy as sa
from msgspec import Struct

from hanok.base.errors import Unavailable
from hanok.bus import Bus, NobodyThere
from hanok.commands import Failed
from hanok.commands.wire import ask, decode_command
from hanok.operations.tables import debts
from hanok.store import Database, Transaction

log = logging.getLogger(__name__)

DEBT_S = 10.0  # between rounds of paying debts
PAY_S = 20.0

_of_each = (
    sa.select(
        debts.c.id,
        debts.c.host,
        debts.c.command,
        sa.func.row_number()
        .over(partition_by=debts.c.host, order_by=(debts.c.created_at, debts.c.id))
        .label("turn"),
    )
).subquery()
_due = sa.select(_of_each).where(_of_each.c.turn <= 50).order_by(_of_each.c.host, _of_each.c.turn)
_forget = debts.delete().where(debts.c.id == sa.bindparam("of"))
_refused = debts.update().where(debts.c.id == sa.bindparam("of")).values(error=sa.bindparam("why"))
_by_host = (
    sa.select(
        debts.c.host,
        sa.func.count().label("commands"),
        sa.func.min(debts.c.created_at).label("since"),
        sa.func.max(debts.c.error).label("error"),
    )
    .group_by(debts.c.host)
    .order_by(debts.c.host)
)


class Owed(Struct, frozen=True, kw_only=True):
    """What a host still has to do: how many commands, since when, and what it last said if it refused one."""

    host: str
    commands: int
    since: datetime
    error: str | None


async def owed(tx: Transaction) -> list[Owed]:
    """What each host still has to do."""
    return [
        Owed(host=row.host, commands=row.commands, since=row.since, error=row.error)
        for row in await tx.all(_by_host)
    ]


class Debts:
    """Pays the debts of hosts; one process of a cloud does."""

    def __init__(self, database: Database, bus: Bus) -> None:
        self._database = database
        self._bus = bus

    async def run(self) -> None:
        while True:
            try:
                await self.pay()
            except Unavailable as error:
                log.warning("debts wait: %s", error.message)
            await asyncio.sleep(DEBT_S)

    async def pay(self) -> int:
        """Send what hosts still have to do once more. Returns how many debts are left."""
        async with self._database.read() as tx:
            rows = await tx.all(_due)
        by_host: dict[str, list[sa.Row[tuple[object, ...]]]] = {}
        for row in rows:
            by_host.setdefault(row.host, []).append(row)
        async with asyncio.TaskGroup() as group:
            left = [group.create_task(self._pay_host(host, due)) for host, due in by_host.items()]
        return sum(task.result() for task in left)

    async def _pay_host(self, host: str, due: list[sa.Row[tuple[object, ...]]]) -> int:
        """Pay one host's, in order. A silent host holds up no other."""
        paid = 0
        for row in due:
            try:
                reply = await ask(self._bus, host, decode_command(row.command), timeout_s=PAY_S)
            except NobodyThere:
                break
            async with self._database.write() as tx:
                if isinstance(reply, Failed):
                    log.warning(
                        "host %s cannot pay a debt: %s %s", host, reply.message, reply.detail
                    )
                    await tx.execute(_refused, {"of": row.id, "why": reply.message})
                else:
                    await tx.execute(_forget, {"of": row.id})
                    paid += 1
        return len(due) - paid
