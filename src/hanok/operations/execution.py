"""One taking of one operation: its steps forward, or backward.

What was done stands in step rows, by name and in the order in which the steps began. A worker that takes an operation
up goes on behind the last of these rows and undoes exactly these, so an operation that an older version began is
carried on, whatever steps were renamed, put between or left out since.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, Protocol

import msgspec
import sqlalchemy as sa
from sqlalchemy import bindparam

from hanok.base.clock import Clock
from hanok.base.errors import DatabaseAway, HanokError, Raced, StepFailed, Unavailable
from hanok.base.failpoints import Broken, failpoint
from hanok.base.ids import new_uuid
from hanok.bus import Bus, NobodyThere
from hanok.commands.wire import encode
from hanok.events import Event, Outbox
from hanok.operations.model import (
    Cancelled,
    Child,
    Operation,
    Run,
    Step,
    Still,
    Waiting,
    encode_result,
)
from hanok.operations.records import cancel_with_children, step_name, write
from hanok.operations.tables import debts, operations, steps
from hanok.store import Database, Transaction

log = logging.getLogger(__name__)

LEASE_S = 30.0  # three missed renewals of 10 s
RETRY_S = (0.5, 1.0, 2.0, 4.0, 8.0)  # between tries of a step that may yet succeed
UNDO_RETRY_S = (5.0, 5.0, 10.0, 30.0, 60.0)  # between tries of an undo; the last one for ever
STUCK_AFTER = 3  # tries of an undo: what a short trouble hinders is done by then
GRACE_S = 30.0  # what a step gets at least when it is done again after a long wait
CHILDREN_S = 1.0  # between looks at children that are being undone
PROGRESS_S = 1.0  # between two writes of an operation's progress

_step_rows = (
    sa.select(steps.c.position, steps.c.name, steps.c.state, steps.c.result)
    .where(steps.c.operation_id == bindparam("of"))
    .order_by(steps.c.position)
)
_change = operations.update().where(operations.c.id == bindparam("of"))
# Both hold the operation's row for its worker, and say whether it is to stop; no row: another worker has it.
_mine = (
    sa.select(operations.c.cancelled)
    .where(
        operations.c.id == bindparam("of"),
        operations.c.taking == bindparam("mine"),
        operations.c.active.is_(True),
    )
    .with_for_update()
)
_held = _change.where(
    operations.c.taking == bindparam("mine"), operations.c.active.is_(True)
).returning(operations.c.cancelled)
_running = _held.values(
    state="running",
    step=bindparam("at"),
    step_deadline_at=bindparam("deadline"),
    attempts=0,
    waits_for=None,
    waits_on=None,
)
_done = _held.values(
    state="done", active=False, finished_at=bindparam("when"), waits_for=None, waits_on=None
)
_waits = _held.values(
    lease_until=None,
    not_before=bindparam("later"),
    waits_for=bindparam("for_what"),
    waits_on=bindparam("topic"),
)
# What gave its lease back in this moment does not get it again.
_renew = (
    operations.update()
    .where(operations.c.id == bindparam("of"), operations.c.taking == bindparam("mine"))
    .values(
        lease_until=sa.case(
            (operations.c.lease_until.is_(None), None),
            else_=bindparam("until", type_=operations.c.lease_until.type),
        )
    )
)
_at_step = (
    steps.update().where(
        steps.c.operation_id == bindparam("of"), steps.c.position == bindparam("at")
    )
)  # fmt: skip
_new_step = steps.insert()
_step_again = _at_step.values(state="running", error=None, finished_at=None)
_step_end = _at_step.values(
    state=bindparam("to"),
    finished_at=bindparam("when"),
    result=bindparam("kept"),
    host=bindparam("on"),
)
_step_failed = _at_step.values(
    state="failed", finished_at=bindparam("when"), error=bindparam("why"), host=bindparam("on")
)
_step_undone = _at_step.values(state="undone")
_children = sa.select(operations).where(
    operations.c.parent == bindparam("of"), operations.c.parent_step == bindparam("at")
)
_active_children = (
    sa.select(sa.func.count())
    .select_from(operations)
    .where(operations.c.parent == bindparam("of"), operations.c.active.is_(True))
)
_last_results = sa.select(steps.c.operation_id, steps.c.result, steps.c.position).where(
    steps.c.operation_id.in_(bindparam("ids", expanding=True)), steps.c.result.is_not(None)
)
_wake_parent = (
    operations.update()
    .where(operations.c.id == bindparam("of"), operations.c.active.is_(True))
    .values(not_before=None)
)


class LeaseLost(Exception):
    """Another worker has taken the operation over; this one writes nothing more."""


class UnknownStep(Exception):
    """An operation was begun by a version that has a step which this one has not."""


class Host(Protocol):
    """The worker, as an execution sees it."""

    database: Database
    bus: Bus
    clock: Clock
    events: Outbox | None

    def wake(self) -> None: ...

    def later(self, seconds: float) -> None: ...

    def tell(self, *, stopped: list[str] | None = None) -> None:
        """Wake the workers of all processes: there is something to do, or these operations were cancelled."""


class Execution:
    """One taking of one operation."""

    def __init__(self, host: Host, row: Any, kind: type[Operation], tools: Any) -> None:
        self.host = host
        self.database = host.database
        self.clock = host.clock
        self.row = row
        self.id: str = row.id
        self.taking: int = row.taking + 1
        self.stop = bool(row.cancelled)
        self.begun = self.left = (
            False  # whether its task runs; whether it is not this worker's any more
        )
        self.attempts: int = row.attempts  # of the undo that is tried
        self.args = msgspec.convert(row.arguments, kind)
        self.steps: tuple[Step[Any, Any, Any], ...] = tuple(step() for step in kind.steps)
        self._results: dict[str, bytes] = {}
        self._begun: list[tuple[int, str]] = []  # positions and names of step rows
        self._doing: asyncio.Task[Any] | None = None  # whose `do` may be interrupted
        self._deadline: datetime | None = row.step_deadline_at
        self.lease_until = self.clock.now() + timedelta(seconds=LEASE_S)
        self._told_progress_s = float("-inf")
        self.run: Run[Any, Any] = Run(
            operation_id=row.id,
            args=self.args,
            database=self.database,
            bus=host.bus,
            clock=self.clock,
            tools=tools,
            request_id=row.request_id,
            results=self._results,
            engine=self,
            user_id=row.user_id,
        )

    # ---- which step ----

    def _index(self, name: str) -> int:
        """Where a step that was begun stands in this version's list.

        Raises:
            UnknownStep
        """
        for place, step in enumerate(self.steps):
            if name == step.name or name in step.formerly:
                return place
        raise UnknownStep(name)

    def _point(self, step: Step[Any, Any, Any], place: str) -> str:
        return f"{self.row.kind}.{type(step).__name__}.{place}"

    async def _load(self) -> None:
        async with self.database.read() as tx:
            for kept in await tx.all(_step_rows, {"of": self.id}):
                name = step_name(kept.name)
                self._begun.append((kept.position, name))
                if kept.result is not None:
                    self._results[name] = kept.result

    # ---- holding the row ----

    async def _own(self, tx: Transaction, statement: sa.Executable = _mine, **values: Any) -> None:
        """Hold the operation's row, perhaps changing it, or stop: another worker has it."""
        row = await tx.first(statement, {"of": self.id, "mine": self.taking, **values})
        if row is None:
            raise LeaseLost(self.id)
        self.stop = bool(row.cancelled)

    async def hold(self, tx: Transaction) -> None:
        """See Engine.hold."""
        await self._own(tx)

    async def renew(self, tx: Transaction) -> bool:
        """Prolong the lease. Returns whether the operation is still this worker's."""
        until = self.clock.now() + timedelta(seconds=LEASE_S)
        if not await tx.count(_renew, {"of": self.id, "mine": self.taking, "until": until}):
            return False
        self.lease_until = until
        return True

    async def still_mine(self) -> None:
        """See Engine.still_mine. The database is asked only when the lease has ended: the process slept."""
        if self.clock.now() < self.lease_until:
            return
        async with self.database.write() as tx:
            await self._own(tx)
            await self.renew(tx)

    def cancel(self) -> None:
        """The operation was cancelled: end what it does, where that may be interrupted."""
        self.stop = True
        if self._doing is not None:
            self._doing.cancel()

    # ---- forward ----

    async def go(self) -> None:
        """Run the operation from where it stands until it ends, waits or stops."""
        await self._load()
        if self.row.state == "undoing":
            await self._undo(self.row.step, self.row.error or "")
            return
        try:
            await self._forward()
        except (LeaseLost, DatabaseAway):
            raise
        except Waiting as waiting:
            await self._wait(waiting)
        except Cancelled:
            await self._give_up("", "")
        except (HanokError, Broken, NobodyThere) as error:
            message = error.message if isinstance(error, HanokError) else str(error)
            detail = error.detail if isinstance(error, HanokError) else ""
            log.warning("%s failed: %s %s", self._where(), message, detail)
            await self._give_up(message, detail)
        except UnknownStep:
            raise
        except Exception as error:
            log.exception("%s failed", self._where())
            await self._give_up(
                f"An unexpected error stopped this. Its id is {self.row.request_id}.",
                f"{type(error).__name__}: {error}",
            )

    def _where(self) -> str:
        return f"{self.row.kind}.{self._begun[-1][1] if self._begun else 'start'}"

    async def _forward(self) -> None:
        if self.stop:
            raise Cancelled
        at = self._index(self._begun[-1][1]) if self._begun else 0
        await self._begin(at)
        for place in range(at, len(self.steps)):
            if self.stop:
                raise Cancelled
            await self._step(place)

    async def _begin(self, place: int) -> None:
        """Write that the operation runs, with the step it begins with."""
        async with self.database.write() as tx:
            if not self._begun:
                await self._own(tx, _running, at=0, deadline=self._new_deadline(place))
                await self._begin_step(tx, place)
                await self._emit(tx, "start")
                return
            # A step that was given up by a process that died begins anew; one that waited goes on.
            if self.row.lease_until is not None or self._deadline is None:
                self._deadline = self._new_deadline(place)
            at = self._begun[-1][0]
            await self._own(tx, _running, at=at, deadline=self._deadline)
            await tx.execute(_step_again, {"of": self.id, "at": at})

    def _new_deadline(self, place: int) -> datetime:
        self._deadline = self.clock.now() + timedelta(seconds=self.steps[place].deadline_s)
        return self._deadline

    async def _begin_step(self, tx: Transaction, place: int) -> None:
        position, name = len(self._begun), self.steps[place].name
        await tx.execute(
            _new_step,
            {
                "operation_id": self.id,
                "position": position,
                "name": name,
                "state": "running",
                "started_at": self.clock.now(),
            },
        )
        self._begun.append((position, name))

    async def _step(self, place: int) -> None:
        step = self.steps[place]
        self.run.host = None
        self.run.debts.clear()
        result = await self._do(step)
        await failpoint(self._point(step, "before_save"))
        kept = encode_result(type(step), result)
        waits = iter(RETRY_S)
        while True:
            try:
                await self._save(step, place, result, kept)
                break
            except Raced:
                if (wait_s := next(waits, None)) is None:
                    raise
                await asyncio.sleep(wait_s)
        if kept is not None:
            self._results[step.name] = kept
        await failpoint(self._point(step, "after_save"))

    async def _save(
        self, step: Step[Any, Any, Any], place: int, result: Any, kept: bytes | None
    ) -> None:
        """Write what a step did and begin the next, or nothing of both."""
        now, at = self.clock.now(), self._begun[-1][0]
        last = place + 1 == len(self.steps)
        begun, owed = list(self._begun), list(self.run.debts)
        try:
            async with self.database.write() as tx:
                if last:
                    await self._own(tx, _done, when=now)
                else:
                    deadline = self._new_deadline(place + 1)
                    await self._own(tx, _running, at=at + 1, deadline=deadline)
                await step.save(self.run, tx, result)
                await self._owe(tx)
                end = {"of": self.id, "at": at, "to": "done", "when": now}
                await tx.execute(_step_end, {**end, "kept": kept, "on": self.run.host})
                if not last:
                    await self._begin_step(tx, place + 1)
                else:
                    await self._emit(tx, "end")
                    await self._tell_parent(tx)
        except BaseException:
            self._begun, self.run.debts[:] = begun, owed
            raise

    async def _do(self, step: Step[Any, Any, Any]) -> Any:
        """Run a step's effect until it is done, fails, or its time is up.

        Raises:
            StepFailed: it cannot be done, or not in time. Cancelled. Waiting
            DatabaseAway: it is done again when the database is back, if that is in time.
        """
        assert self._deadline is not None
        left_s = (self._deadline - self.clock.now()).total_seconds()
        try:
            async with asyncio.timeout(max(left_s, min(step.deadline_s, GRACE_S))) as limit:
                async with self._interruptible(step):
                    return await self._try(step)
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise StepFailed(self._late(step)) from error
        except DatabaseAway as error:
            if self.clock.now() < self._deadline:
                raise
            raise StepFailed(f"{self._late(step)} {error.message}", detail=error.detail) from error

    def _late(self, step: Step[Any, Any, Any]) -> str:
        words = step.name.replace("_", " ")
        return f"The step '{words}' did not end within {step.deadline_s:g} seconds."

    @asynccontextmanager
    async def _interruptible(self, step: Step[Any, Any, Any]) -> AsyncIterator[None]:
        """Let a cancel end what runs in the block: at its next wait, so the block itself sees it.

        Raises:
            Cancelled
        """
        task = asyncio.current_task()
        assert task is not None
        self._doing = task if step.interruptible else None
        ended_before = task.cancelling()
        try:
            yield
        except asyncio.CancelledError:
            if not self.stop or not step.interruptible or task.cancelling() > ended_before + 1:
                raise
            task.uncancel()
            raise Cancelled from None
        finally:
            self._doing = None

    async def _try(self, step: Step[Any, Any, Any]) -> Any:
        """Run a step's effect; what may yet succeed is tried again, a few times."""
        waits = iter(RETRY_S)
        while True:
            try:
                twice = await failpoint(self._point(step, "before_do"))
                result = await step.do(self.run)
                if twice == "twice":
                    result = await step.do(self.run)
                await failpoint(self._point(step, "after_do"))
                return result
            except DatabaseAway:
                raise
            except Unavailable as error:
                wait_s = next(waits, None)
                if wait_s is None:
                    raise StepFailed(error.message, detail=error.detail) from error
                log.info("%s is tried again in %g s: %s", step.name, wait_s, error.message)
                await asyncio.sleep(wait_s)
                if self.stop:
                    raise Cancelled from error

    async def _wait(self, waiting: Waiting) -> None:
        """Give the slot back until there is news, or it is time to look again."""
        now, step = self.clock.now(), self.steps[self._index(self._begun[-1][1])]
        if self._deadline is not None and now >= self._deadline:
            await self._give_up(f"{self._late(step)} It waited: {waiting.reason}.", "")
            return
        later = now + timedelta(seconds=waiting.poll_s)
        async with self.database.write() as tx:
            await self._own(
                tx, _waits, later=later, for_what=waiting.reason, topic=waiting.on or None
            )
            # Cancelled, or what it waits for came, after the step looked and before this is written.
            if self.stop or (waiting.still is not None and not await waiting.still(tx)):
                await tx.execute(_change.values(not_before=None), {"of": self.id})
        self.host.later(waiting.poll_s + 0.05)

    async def _owe(self, tx: Transaction) -> None:
        """Write down what silent hosts still have to do."""
        for host, command in self.run.debts:
            row = {"id": new_uuid(), "host": host, "command": encode(command)}
            await tx.execute(debts.insert(), {**row, "created_at": self.clock.now()})
        self.run.debts.clear()

    # ---- children and progress ----

    async def children(self, requested: Sequence[Operation]) -> list[Child]:
        """See Run.children."""
        name = self.steps[self._index(self._begun[-1][1])].name
        ids = [str(uuid.uuid5(uuid.UUID(self.id), f"{name}/{n}")) for n in range(len(requested))]
        async with self.database.write() as tx:
            await self._own(tx)
            if self.stop:
                raise Cancelled
            there = {row.id: row for row in await tx.all(_children, {"of": self.id, "at": name})}
            for operation_id, operation in zip(ids, requested, strict=True):
                if operation_id not in there:
                    await self._write_child(tx, operation_id, operation, name)
                    tx.after_commit(self.host.tell)
            results = await self._child_results(tx, list(there))
        return self._ended([there.get(one) for one in ids], results)

    async def _write_child(
        self, tx: Transaction, operation_id: str, operation: Operation, name: str
    ) -> None:
        await write(
            tx,
            operation,
            now=self.clock.now(),
            request_id=self.row.request_id,
            operation_id=operation_id,
            user_id=self.row.user_id,
            project_id=self.row.project_id,
            parent=self.id,
            parent_step=name,
        )

    async def _child_results(self, tx: Transaction, ids: list[str]) -> dict[str, bytes]:
        last: dict[str, tuple[int, bytes]] = {}
        for row in await tx.all(_last_results, {"ids": ids}) if ids else ():
            if row.position >= last.get(row.operation_id, (-1, b""))[0]:
                last[row.operation_id] = (row.position, row.result)
        return {operation_id: result for operation_id, (_, result) in last.items()}

    def _ended(self, rows: list[Any], results: dict[str, bytes]) -> list[Child]:
        """The children, when all have ended well.

        Raises:
            StepFailed, Waiting
        """
        for row in rows:
            if row is not None and row.state in ("failed", "cancelled"):
                raise StepFailed(
                    row.error or "A part of this was stopped.", detail=row.error_detail or ""
                )
        running = len([row for row in rows if row is None or row.active])
        if running:

            async def still(tx: Transaction) -> bool:
                left: int = await tx.scalar(_active_children, {"of": self.id})
                return left == running

            raise Waiting(
                f"{running} of {len(rows)} parts are not done yet", poll_s=30.0, still=still
            )
        return [
            Child(id=row.id, state=row.state, error=row.error, last_result=results.get(row.id))
            for row in rows
        ]

    async def _emit(self, tx: Transaction, end: str, why: str = "") -> None:
        """Emit the operation's event, if it has one."""
        if not self.args.event or self.host.events is None:
            return
        payload = await self.args.news(self.run, tx)
        if why:
            payload["fault"] = {"message": why}
        await self.host.events.emit(
            tx,
            Event(
                kind=f"{self.args.event}.{end}",
                resource=self.row.resource,
                project_id=self.row.project_id,
                user_id=self.row.user_id,
                request_id=self.row.request_id,
                payload=payload,
            ),
        )

    async def _tell_parent(self, tx: Transaction) -> None:
        if self.row.parent is not None:
            await tx.execute(_wake_parent, {"of": self.row.parent})
            tx.after_commit(self.host.tell)

    async def progress(self, percent: float) -> None:
        """See Run.progress."""
        now_s = self.clock.monotonic_s()
        if percent < 100 and now_s - self._told_progress_s < PROGRESS_S:
            return
        self._told_progress_s = now_s
        with contextlib.suppress(DatabaseAway):  # the work goes on, and tells the next time
            async with self.database.write() as tx:
                await self._own(tx, _held.values(progress=max(0, min(100, int(percent)))))

    # ---- backward ----

    async def _give_up(self, message: str, detail: str) -> None:
        """Write that the operation is being undone, and why; then undo it."""
        at, name = self._begun[-1] if self._begun else (-1, None)
        async with self.database.write() as tx:
            await self._own(tx)
            values = {
                "state": "undoing",
                "step": at,
                "error": message or None,
                "error_detail": detail or None,
                "failed_step": name,
                "attempts": 0,
                "waits_for": None,
                "waits_on": None,
            }
            await tx.execute(_change.values(**values), {"of": self.id})
            failed = {"of": self.id, "at": at, "when": self.clock.now(), "on": self.run.host}
            await tx.execute(_step_failed, {**failed, "why": message or "Stopped on request."})
        await self._undo(at, message)

    async def _undo(self, at: int, message: str) -> None:
        """Undo what was begun, from this position backwards; then say on the resource how it ended."""
        for position, name in reversed([one for one in self._begun if one[0] <= at]):
            step = self.steps[self._index(name)]
            self.run.debts.clear()
            try:
                async with asyncio.timeout(step.deadline_s):
                    await self._end_children(step)
                    await self._undo_step(step)
            except LeaseLost:
                raise
            except Waiting as waiting:
                await self._postpone(
                    position, waiting.poll_s, waiting.still, waits_for=waiting.reason
                )
                return
            except Exception as error:
                await self._undo_failed(step, position, error)
                return
            async with self.database.write() as tx:
                await self._own(tx)
                await step.unsave(self.run, tx)
                await self._owe(tx)
                if position != self.row_failed_at:  # the failed step keeps its word for the user
                    await tx.execute(_step_undone, {"of": self.id, "at": position})
                await tx.execute(
                    _change.values(step=position - 1, attempts=0, waits_for=None), {"of": self.id}
                )
            self.attempts = 0
        await self._end(message)

    @property
    def row_failed_at(self) -> int:
        """The position of the step that failed: the last that was begun."""
        return self._begun[-1][0] if self._begun else -1

    async def _undo_step(self, step: Step[Any, Any, Any]) -> None:
        twice = await failpoint(self._point(step, "before_undo"))
        await step.undo(self.run)
        if twice == "twice":
            await step.undo(self.run)
        await failpoint(self._point(step, "after_undo"))

    async def _end_children(self, step: Step[Any, Any, Any]) -> None:
        """Stop the operations that a step started.

        Raises:
            Waiting: some are still being undone.
        """
        async with self.database.read() as tx:
            rows = await tx.all(_children, {"of": self.id, "at": step.name})
        running = [row for row in rows if row.active]
        if not running:
            return
        fresh = [row.id for row in running if not row.cancelled]
        if fresh:
            async with self.database.write() as tx:
                await self._own(tx)
                await tx.execute(
                    operations.update()
                    .where(operations.c.id.in_(fresh), operations.c.active.is_(True))
                    .values(cancelled=True, not_before=None)
                )
                stopped = await cancel_with_children(tx, fresh)
                tx.after_commit(lambda: self.host.tell(stopped=stopped))

        async def still(tx: Transaction) -> bool:
            return bool(await tx.scalar(_active_children, {"of": self.id}))

        raise Waiting(f"{len(running)} parts are being undone", poll_s=CHILDREN_S, still=still)

    async def _undo_failed(
        self, step: Step[Any, Any, Any], position: int, error: Exception
    ) -> None:
        """Try again later. What goes on failing is stuck: the resource, the log and `hanok doctor` say so."""
        tries = self.attempts + 1
        detail = (
            error.message if isinstance(error, HanokError) else f"{type(error).__name__}: {error}"
        )
        if isinstance(error, HanokError | NobodyThere | Broken):
            log.warning("%s waits: %s", self._point(step, "undo"), error)
        else:
            log.exception("%s failed", self._point(step, "undo"), exc_info=error)
        await self._postpone(
            position,
            UNDO_RETRY_S[min(tries, len(UNDO_RETRY_S)) - 1],
            attempts=tries,
            error_detail=f"Undoing {step.name}: {detail}"[:2000],
        )
        if tries >= STUCK_AFTER:
            words = step.name.replace("_", " ")
            why = (
                f"Undoing the step '{words}' has failed {tries} times"
                + (f": {error.message}" if isinstance(error, HanokError) else ".")
                + " It is tried again every minute."
            )
            async with self.database.write() as tx:
                await mark_stuck(tx, self, why)

    async def _postpone(
        self, position: int, wait_s: float, still: Still | None = None, **values: Any
    ) -> None:
        """Give the slot back, and undo on later; at once where what is waited for came before this is written."""
        later: datetime | None = self.clock.now() + timedelta(seconds=wait_s)
        async with self.database.write() as tx:
            await self._own(tx)
            if still is not None and not await still(tx):
                later = None
            await tx.execute(
                _change.values(step=position, not_before=later, lease_until=None, **values),
                {"of": self.id},
            )
        self.host.later(wait_s + 0.1)

    async def _end(self, message: str) -> None:
        async with self.database.write() as tx:
            await self._own(tx)
            if message:
                await self.args.failed(self.run, tx, message)
            else:
                await self.args.cancelled(self.run, tx)
            values = {
                "state": "failed" if message else "cancelled",
                "active": False,
                "finished_at": self.clock.now(),
            }
            await tx.execute(_change.values(**values), {"of": self.id})
            await self._emit(tx, "error", message or "It was stopped on request.")
            await self._tell_parent(tx)


_mark_stuck = (
    operations.update()
    .where(
        operations.c.id == bindparam("of"),
        operations.c.active.is_(True),
        operations.c.stuck_since.is_(None),
    )
    .values(stuck_since=bindparam("since"), stuck_why=bindparam("why"))
)


async def mark_stuck(tx: Transaction, execution: Execution, why: str) -> bool:
    """Say, once, that an operation neither ends nor can be undone. Returns whether that is news."""
    if not await mark_row_stuck(tx, execution.row, execution.clock.now(), why):
        return False
    await execution.args.stuck(execution.run, tx, why)
    return True


async def mark_row_stuck(tx: Transaction, row: Any, now: datetime, why: str) -> bool:
    """Say so in the row and the log alone: nothing is known of the resource. Returns whether that is news."""
    if not await tx.count(_mark_stuck, {"of": row.id, "since": now, "why": why}):
        return False
    log.error("operation %s (%s of %s) is stuck: %s", row.id, row.kind, row.resource, why)
    return True
