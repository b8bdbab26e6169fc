"""The engine: takes operations under leases and runs them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy import bindparam

from hanok.base.clock import Clock
from hanok.base.errors import HanokError, Refused, StepFailed, Unavailable
from hanok.base.failpoints import Broken, failpoint
from hanok.base.ids import new_uuid
from hanok.base.log import request_id as current_request_id
from hanok.bus import Bus, NobodyThere
from hanok.commands import COMMAND_TYPES, Failed
from hanok.commands.wire import WAKE, ask, decode_command, encode
from hanok.operations.model import Cancelled, Operation, Run, Step, encode_result
from hanok.operations.records import kind_of
from hanok.operations.tables import debts, operations, steps
from hanok.store import Database, Transaction

log = logging.getLogger(__name__)

LEASE_S = 30.0  # three missed renewals of 10 s
RENEW_S = 10.0
POLL_S = 5.0  # catches what a lost wake-up left lying
RETRY_S = (0.5, 1.0, 2.0, 4.0, 8.0)  # between tries of a step that may yet succeed
UNDO_RETRY_S = 5.0
DEBT_S = 10.0  # between rounds of paying debts

_earlier = operations.alias("earlier")
_runnable = (
    sa.select(operations)
    .where(
        operations.c.active.is_(True),
        sa.or_(operations.c.lease_until.is_(None), operations.c.lease_until < bindparam("now")),
        sa.or_(operations.c.not_before.is_(None), operations.c.not_before <= bindparam("now")),
        ~sa.exists().where(
            _earlier.c.resource == operations.c.resource,
            _earlier.c.active.is_(True),
            _earlier.c.sequence < operations.c.sequence,
        ),
    )
    .order_by(operations.c.sequence)
    .limit(bindparam("room"))
)
_take = (
    operations.update()
    .where(
        operations.c.id == bindparam("of"),
        operations.c.taking == bindparam("was"),
        operations.c.active.is_(True),
    )
    .values(taking=bindparam("now_taking"), worker=bindparam("by"), lease_until=bindparam("until"))
)
_renew = (
    operations.update()
    .where(operations.c.id == bindparam("of"), operations.c.taking == bindparam("mine"))
    .values(lease_until=bindparam("until"))
)
_mine_before = (
    operations.update()
    .where(operations.c.active.is_(True), operations.c.worker == bindparam("me"))
    .values(lease_until=None)
)
_give_back = (
    operations.update()
    .where(operations.c.id == bindparam("of"), operations.c.taking == bindparam("mine"))
    .values(lease_until=None, not_before=bindparam("later"))
)
_mine = (
    sa.select(operations.c.cancelled)
    .where(
        operations.c.id == bindparam("of"),
        operations.c.taking == bindparam("mine"),
        operations.c.active.is_(True),
    )
    .with_for_update()
)
_results = sa.select(steps.c.name, steps.c.result).where(
    steps.c.operation_id == bindparam("of"), steps.c.result.is_not(None)
)
_change = operations.update().where(operations.c.id == bindparam("of"))
# Both hold the operation's row for its worker, and say whether it is to stop; no row: another worker has it.
_held = _change.where(
    operations.c.taking == bindparam("mine"), operations.c.active.is_(True)
).returning(operations.c.cancelled)
_running = _held.values(state="running", step=bindparam("at"), attempts=0)
_done = _held.values(
    state="done", active=False, finished_at=bindparam("when"), step=bindparam("at")
)
_step_start = (
    steps.update()
    .where(steps.c.operation_id == bindparam("of"), steps.c.position == bindparam("at"))
    .values(state="running", error=None, finished_at=None)
)
_step_end = (
    steps.update()
    .where(steps.c.operation_id == bindparam("of"), steps.c.position == bindparam("at"))
    .values(
        state=bindparam("to"),
        finished_at=bindparam("when"),
        result=bindparam("kept"),
        host=bindparam("on"),
    )
)
_step_failed = (
    steps.update()
    .where(steps.c.operation_id == bindparam("of"), steps.c.position == bindparam("at"))
    .values(
        state="failed", finished_at=bindparam("when"), error=bindparam("why"), host=bindparam("on")
    )
)
_step_state = (
    steps.update()
    .where(steps.c.operation_id == bindparam("of"), steps.c.position == bindparam("at"))
    .values(state=bindparam("to"))
)
_debts = sa.select(debts).order_by(debts.c.created_at).limit(200)
_forget_debt = debts.delete().where(debts.c.id == bindparam("of"))


class LeaseLost(Exception):
    """Another worker has taken the operation over; this one writes nothing more."""


class Worker:
    """Runs operations of the given kinds, many at once."""

    def __init__(
        self,
        database: Database,
        bus: Bus,
        clock: Clock,
        kinds: Iterable[tuple[type[Operation], Any]],
        *,
        name: str = "",
        at_once: int = 32,
    ) -> None:
        """
        Args:
            name: of the process, the same after a restart, and no other's: what this process held when it died
                is taken up at once, without waiting for leases to end. Empty for none.
            kinds: each operation with the tools its steps get.
            at_once: how many operations run at the same time in this process.
        """
        self.name = name[:64] or new_uuid()
        self._database = database
        self._bus = bus
        self._clock = clock
        self._kinds = {kind_of(kind): (kind, tools) for kind, tools in kinds}
        self._at_once = at_once
        self._wake = asyncio.Event()
        self._running: dict[str, asyncio.Task[None]] = {}
        self._takings: dict[str, int] = {}
        self._cancelled: set[str] = set()
        self._idle = asyncio.Event()

    def wake(self) -> None:
        """There may be something to do: look now."""
        self._wake.set()
        self._idle.clear()

    async def run(self) -> None:
        """Take and run operations until cancelled."""

        async def woken(_payload: bytes) -> None:
            self.wake()

        await self._bus.listen(WAKE, woken)
        async with self._database.write() as tx:
            await tx.execute(_mine_before, {"me": self.name})
        self.wake()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._renew_leases())
                group.create_task(self._pay_debts())
                while True:
                    self._wake.clear()
                    try:
                        await self._look(group)
                    except Unavailable as error:
                        log.warning("operations wait: %s", error.message)
                    if not self._running and not self._wake.is_set():
                        self._idle.set()
                    try:
                        async with asyncio.timeout(POLL_S):
                            await self._wake.wait()
                    except TimeoutError:
                        pass
        finally:
            for task in self._running.values():
                task.cancel()

    async def settled(self, timeout_s: float = 60.0) -> None:
        """Wait until nothing runs and nothing that could run waits; for tests and orderly stops."""
        async with asyncio.timeout(timeout_s):
            await self._idle.wait()

    async def _look(self, group: asyncio.TaskGroup) -> None:
        room = self._at_once - len(self._running)
        if room <= 0:
            return
        now = self._clock.now()
        async with self._database.read() as tx:
            rows = await tx.all(_runnable, {"now": now, "room": room})
        soonest: list[Any] = []
        for row in rows:
            if row.id in self._running:
                continue
            if row.kind not in self._kinds:
                log.error(
                    "operation %s is of a kind this version does not know: %s", row.id, row.kind
                )
                continue
            soonest.append(row)
        if not soonest:
            return
        taken: list[Any] = []
        async with self._database.write() as tx:
            for row in soonest:
                if await tx.count(
                    _take,
                    {
                        "of": row.id,
                        "was": row.taking,
                        "now_taking": row.taking + 1,
                        "by": self.name,
                        "until": now + timedelta(seconds=LEASE_S),
                    },
                ):
                    taken.append(row)
        for row in taken:
            self._takings[row.id] = row.taking + 1
            self._running[row.id] = group.create_task(self._run_one(row))

    async def _run_one(self, row: Any) -> None:
        mark = current_request_id.set(row.request_id)
        try:
            await _Execution(self, row).go()
        except LeaseLost:
            log.warning("operation %s was taken over by another worker", row.id)
        except Unavailable as error:
            log.warning("operation %s waits: %s %s", row.id, error.message, error.detail)
            await self._let_go(row.id, row.taking + 1)
        except Broken:
            log.warning("operation %s stopped at a failpoint", row.id)
        except Exception:
            log.exception("operation %s stopped; it is taken up again when its lease ends", row.id)
        finally:
            current_request_id.reset(mark)
            self._running.pop(row.id, None)
            self._takings.pop(row.id, None)
            self._cancelled.discard(row.id)
            self.wake()

    async def _let_go(self, operation_id: str, taking: int) -> None:
        """Give an operation back before its lease ends, to be taken up again soon."""
        later = self._clock.now() + timedelta(seconds=RETRY_S[0])
        try:
            async with self._database.write() as tx:
                await tx.execute(_give_back, {"of": operation_id, "mine": taking, "later": later})
        except Unavailable:
            return  # then the lease has to end by itself
        self._later(RETRY_S[0] + 0.05)

    def _later(self, seconds: float) -> None:
        asyncio.get_running_loop().call_later(seconds, self.wake)

    async def _renew_leases(self) -> None:
        while True:
            await asyncio.sleep(RENEW_S)
            if not self._takings:
                continue
            until = self._clock.now() + timedelta(seconds=LEASE_S)
            try:
                async with self._database.write() as tx:
                    for operation_id, taking in list(self._takings.items()):
                        await tx.execute(
                            _renew, {"of": operation_id, "mine": taking, "until": until}
                        )
            except Unavailable as error:
                log.warning("leases could not be renewed: %s", error.message)

    async def is_cancelled(self, operation_id: str) -> bool:
        """Whether somebody has asked for the operation to stop."""
        async with self._database.read() as tx:
            return bool(
                await tx.scalar(
                    sa.select(operations.c.cancelled).where(operations.c.id == operation_id)
                )
            )

    async def _pay_debts(self) -> None:
        while True:
            try:
                await self.pay_debts()
            except Unavailable as error:
                log.warning("debts wait: %s", error.message)
            await asyncio.sleep(DEBT_S)

    async def pay_debts(self) -> int:
        """Send what hosts still have to do once more. Returns how many debts are left."""
        async with self._database.read() as tx:
            rows = await tx.all(_debts)
        left, silent = 0, set()
        for row in rows:
            if row.host in silent:
                left += 1
                continue
            try:
                reply = await ask(self._bus, row.host, decode_command(row.command), timeout_s=20)
            except NobodyThere:
                silent.add(row.host)
                left += 1
                continue
            if isinstance(reply, Failed):
                log.warning(
                    "host %s cannot pay a debt: %s %s", row.host, reply.message, reply.detail
                )
                left += 1
                continue
            async with self._database.write() as tx:
                await tx.execute(_forget_debt, {"of": row.id})
        return left


class _Execution:
    """One taking of one operation."""

    def __init__(self, worker: Worker, row: Any) -> None:
        kind, tools = worker._kinds[row.kind]
        self.worker = worker
        self.database = worker._database
        self.clock = worker._clock
        self.id: str = row.id
        self.taking: int = row.taking + 1
        self.kind = kind
        self.steps: tuple[Step[Any, Any], ...] = tuple(step() for step in kind.steps)
        self.row = row
        self.results: dict[str, bytes] = {}
        self.stop = bool(row.cancelled)
        self.run: Run[Any] = Run(
            operation_id=row.id,
            args=msgspec.convert(row.arguments, kind),
            database=self.database,
            bus=worker._bus,
            clock=self.clock,
            tools=tools,
            request_id=row.request_id,
            results=self.results,
            is_cancelled=lambda: self.stop,
        )

    def _point(self, step: Step[Any, Any], place: str) -> str:
        return f"{self.row.kind}.{type(step).__name__}.{place}"

    async def _own(self, tx: Transaction, statement: sa.Executable = _mine, **values: Any) -> None:
        """Hold the operation's row, perhaps changing it, or stop: another worker has it."""
        row = await tx.first(statement, {"of": self.id, "mine": self.taking, **values})
        if row is None:
            raise LeaseLost(self.id)
        self.stop = bool(row.cancelled)

    async def go(self) -> None:
        async with self.database.read() as tx:
            for kept in await tx.all(_results, {"of": self.id}):
                self.results[kept.name] = kept.result
        if self.row.state == "undoing":
            await self._undo(self.row.step, self.row.error or "")
            return
        at = self.row.step
        try:
            if self.stop:
                raise Cancelled
            await self._mark_started(at)
            for position in range(at, len(self.steps)):
                at = position
                if self.stop:
                    raise Cancelled
                await self._step(position)
        except LeaseLost:
            raise
        except Cancelled:
            await self._give_up(at, "", "")
        except (HanokError, Broken, NobodyThere) as error:
            message = error.message if isinstance(error, HanokError) else str(error)
            detail = error.detail if isinstance(error, HanokError) else ""
            log.warning("%s failed: %s %s", self._point(self.steps[at], "do"), message, detail)
            await self._give_up(at, message, detail)
        except Exception as error:
            log.exception("%s failed", self._point(self.steps[at], "do"))
            await self._give_up(
                at,
                f"An unexpected error stopped this. Its id is {self.row.request_id}.",
                f"{type(error).__name__}: {error}",
            )

    async def _mark_started(self, position: int) -> None:
        now = self.clock.now()
        async with self.database.write() as tx:
            await self._own(tx, _running, at=position)
            again = self.taking > 1 and await tx.count(_step_start, {"of": self.id, "at": position})
            if not again:
                await self._begin_step(tx, position, now)

    async def _begin_step(self, tx: Transaction, position: int, now: Any) -> None:
        await tx.execute(
            steps.insert(),
            {
                "operation_id": self.id,
                "position": position,
                "name": type(self.steps[position]).__name__,
                "state": "running",
                "started_at": now,
            },
        )

    async def _step(self, position: int) -> None:
        step = self.steps[position]
        self.run.host = None
        self.run.debts.clear()
        result = await self._do(step)
        await failpoint(self._point(step, "before_save"))
        now = self.clock.now()
        last = position + 1 == len(self.steps)
        kept = encode_result(type(step), result)
        async with self.database.write() as tx:
            if last:
                await self._own(tx, _done, at=position + 1, when=now)
            else:
                await self._own(tx, _running, at=position + 1)
            await step.save(self.run, tx, result)
            await self._owe(tx)
            await tx.execute(
                _step_end,
                {
                    "of": self.id,
                    "at": position,
                    "to": "done",
                    "when": now,
                    "kept": kept,
                    "on": self.run.host,
                },
            )
            if not last:
                await self._begin_step(tx, position + 1, now)
        if kept is not None:
            self.results[type(step).__name__] = kept
        await failpoint(self._point(step, "after_save"))

    async def _owe(self, tx: Transaction) -> None:
        """Write down what silent hosts still have to do."""
        for host, command in self.run.debts:
            await tx.execute(
                debts.insert(),
                {
                    "id": new_uuid(),
                    "host": host,
                    "command": encode(command),
                    "created_at": self.clock.now(),
                },
            )
        self.run.debts.clear()

    async def _do(self, step: Step[Any, Any]) -> Any:
        """Run a step's effect; what may yet succeed is tried again, a few times."""
        tries = iter(RETRY_S)
        while True:
            try:
                twice = await failpoint(self._point(step, "before_do"))
                result = await step.do(self.run)
                if twice == "twice":
                    result = await step.do(self.run)
                await failpoint(self._point(step, "after_do"))
                return result
            except Unavailable as error:
                wait_s = next(tries, None)
                if wait_s is None:
                    raise StepFailed(error.message, detail=error.detail) from error
                log.info(
                    "%s is tried again in %g s: %s", type(step).__name__, wait_s, error.message
                )
                await asyncio.sleep(wait_s)
                self.stop = self.stop or await self.worker.is_cancelled(self.id)
                if self.stop:
                    raise Cancelled from error

    async def _give_up(self, position: int, message: str, detail: str) -> None:
        now = self.clock.now()
        async with self.database.write() as tx:
            await self._own(tx)
            await tx.execute(
                _change.values(
                    state="undoing",
                    step=position,
                    error=message or None,
                    error_detail=detail or None,
                    failed_step=type(self.steps[position]).__name__,
                    attempts=0,
                ),
                {"of": self.id},
            )
            await tx.execute(
                _step_failed,
                {
                    "of": self.id,
                    "at": position,
                    "when": now,
                    "why": message or "Stopped on request.",
                    "on": self.run.host,
                },
            )
        await self._undo(position, message)

    async def _undo(self, position: int, message: str) -> None:
        """Undo from this step backwards; then say on the resource how it ended."""
        for at in range(position, -1, -1):
            step = self.steps[at]
            self.run.debts.clear()
            try:
                twice = await failpoint(self._point(step, "before_undo"))
                await step.undo(self.run)
                if twice == "twice":
                    await step.undo(self.run)
                await failpoint(self._point(step, "after_undo"))
            except (Unavailable, NobodyThere, StepFailed, Refused, Broken) as error:
                log.warning("%s waits: %s", self._point(step, "undo"), error)
                await self._postpone(at)
                return
            async with self.database.write() as tx:
                await self._own(tx)
                await step.unsave(self.run, tx)
                await self._owe(tx)
                if at == position:  # the failed step keeps its word for the user
                    await tx.execute(_change.values(step=at - 1), {"of": self.id})
                else:
                    await tx.execute(_step_state, {"of": self.id, "at": at, "to": "undone"})
                    await tx.execute(_change.values(step=at - 1), {"of": self.id})
        async with self.database.write() as tx:
            await self._own(tx)
            if message:
                await self.run.args.failed(self.run, tx, message)
            else:
                await self.run.args.cancelled(self.run, tx)
            await tx.execute(
                _change.values(
                    state="failed" if message else "cancelled",
                    active=False,
                    finished_at=self.clock.now(),
                ),
                {"of": self.id},
            )

    async def _postpone(self, position: int) -> None:
        later = self.clock.now() + timedelta(seconds=UNDO_RETRY_S)
        async with self.database.write() as tx:
            await self._own(tx)
            await tx.execute(
                _change.values(
                    step=position,
                    not_before=later,
                    lease_until=None,
                    attempts=operations.c.attempts + 1,
                ),
                {"of": self.id},
            )
        self.worker._later(UNDO_RETRY_S + 0.1)


__all__ = ["COMMAND_TYPES", "LEASE_S", "LeaseLost", "Worker"]
