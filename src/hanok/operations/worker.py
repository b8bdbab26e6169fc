"""The engine: takes operations under leases and runs them.

Slots are shared by pool and by project. What waits on users' far ends has slots of its own, so that it holds up nothing
else; and of each pool's slots a project has at most its share: all of them divided by the projects that have something
to do, and never more than half, so that one who comes always finds a slot that is free soon.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy import bindparam

from hanok.base import behalf
from hanok.base.clock import Clock
from hanok.base.errors import Unavailable
from hanok.base.failpoints import Broken
from hanok.base.ids import new_uuid
from hanok.base.log import request_id as current_request_id
from hanok.bus import Bus, Wakes
from hanok.commands import COMMAND_TYPES
from hanok.events import Event, Outbox
from hanok.operations.execution import (
    LEASE_S,
    Execution,
    LeaseLost,
    UnknownStep,
    mark_row_stuck,
    mark_stuck,
)
from hanok.operations.model import Operation
from hanok.operations.records import CANCELLED, STARTED, cancel_with_children, kind_of
from hanok.operations.tables import operations
from hanok.store import Database, Transaction

log = logging.getLogger(__name__)

RENEW_S = 10.0
POLL_S = 5.0  # catches what a lost wake-up left lying
WATCH_S = 15.0  # between looks for operations that are past their deadline
LET_GO_S = 0.5  # until an operation that met a database out of reach is taken up again
SLOTS: Mapping[str, int] = {"quick": 32, "transfer": 16}
OF_A_HOST = 4  # operations in one host's queue at a time: more only compete for its disk
NOT_READ = (
    "It was begun by a version of Hanok whose words for it this one does not know. "
    "It goes on when a process of that version runs."
)
PAST = datetime(1970, 1, 1, tzinfo=UTC)

_earlier = operations.alias("earlier")
_beside = operations.alias("beside")
_whole = operations.alias("whole")
_runnable = (
    sa.select(operations)
    .where(
        operations.c.active.is_(True),
        operations.c.pool == bindparam("pool"),
        sa.or_(operations.c.lease_until.is_(None), operations.c.lease_until < bindparam("now")),
        sa.or_(operations.c.not_before.is_(None), operations.c.not_before <= bindparam("now")),
        operations.c.kind.in_(bindparam("kinds", expanding=True)),
        sa.func.coalesce(operations.c.project_id, "").not_in(bindparam("full", expanding=True)),
        sa.or_(
            operations.c.queue == "any",
            operations.c.queue == bindparam("mine"),
            sa.and_(
                # Not LIKE: SQLite makes a new plan each time for what is compared so.
                sa.func.substr(operations.c.queue, 1, 5) == "host:",
                sa.select(sa.func.count())
                .select_from(_beside)
                .where(
                    _beside.c.active.is_(True),
                    _beside.c.queue == operations.c.queue,
                    _beside.c.lease_until >= bindparam("now"),
                )
                .scalar_subquery()
                < OF_A_HOST,
            ),
        ),
        # Those of one resource wait for each other; only a part waits neither for what it is a part of, nor for what
        # came between: that waits for the whole.
        ~sa.exists().where(
            _earlier.c.resource == operations.c.resource,
            # Those that are active; said so that they are looked for among the resource's, not among all active ones.
            _earlier.c.finished_at.is_(None),
            _earlier.c.sequence < operations.c.sequence,
            _earlier.c.id != sa.func.coalesce(operations.c.parent, ""),
            sa.or_(
                operations.c.parent.is_(None),
                _earlier.c.parent == operations.c.parent,
                ~sa.exists().where(
                    _whole.c.id == operations.c.parent,
                    _whole.c.resource == operations.c.resource,
                ),
            ),
        ),
    )
    .order_by(operations.c.sequence)
    .limit(bindparam("free"))
)
_projects = (
    sa.select(operations.c.pool, sa.func.count(sa.distinct(operations.c.project_id)).label("some"))
    .where(operations.c.active.is_(True))
    .group_by(operations.c.pool)
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
_mine_before = (
    operations.update()
    .where(
        operations.c.active.is_(True),
        operations.c.worker == bindparam("me"),
        operations.c.lease_until.is_not(None),
    )
    .values(lease_until=PAST)
)
_give_back = (
    operations.update()
    .where(operations.c.id == bindparam("of"), operations.c.taking == bindparam("mine"))
    .values(lease_until=None, not_before=bindparam("later"))
)
_hand_over = (
    operations.update()
    .where(operations.c.id == bindparam("of"), operations.c.taking == bindparam("mine"))
    .values(lease_until=PAST)
)
_cancelled = sa.select(operations.c.id).where(
    operations.c.id.in_(bindparam("ids", expanding=True)), operations.c.cancelled.is_(True)
)
_retry = (
    operations.update()
    .where(operations.c.id == bindparam("of"), operations.c.active.is_(True))
    .values(not_before=None, attempts=0)
)
_end = (
    operations.update()
    .where(
        operations.c.id == bindparam("of"),
        operations.c.active.is_(True),
        operations.c.stuck_since.is_not(None),
    )
    .values(
        active=False,
        state="failed",
        finished_at=bindparam("when"),
        taking=operations.c.taking + 1,
        error=sa.func.coalesce(operations.c.error, operations.c.stuck_why),
    )
    .returning(operations)
)
_waiting = sa.select(operations.c.id).where(
    operations.c.waits_on == bindparam("topic"), operations.c.active.is_(True)
)
_no_wait = (
    operations.update()
    .where(operations.c.waits_on == bindparam("topic"), operations.c.active.is_(True))
    .values(not_before=None)
)
_late = sa.select(operations).where(
    operations.c.active.is_(True),
    operations.c.deadline_at < bindparam("now"),
    operations.c.stuck_since.is_(None),
)
_before_it = (
    sa.select(operations.c.kind, operations.c.started_at)
    .where(
        operations.c.resource == bindparam("of"),
        operations.c.active.is_(True),
        operations.c.sequence < bindparam("at"),
    )
    .order_by(operations.c.sequence)
    .limit(1)
)


class _Choice:
    """What is taken of a pool in one look, beside what runs already."""

    def __init__(self, slots: int, running: list[Any], pool: str) -> None:
        mine = [row for row in running if row.pool == pool]
        self.rows: list[Any] = []
        self.free = slots - len(mine)
        self._taken = {row.id for row in mine}
        self._held = Counter(row.project_id or "" for row in mine)
        self._of_host = Counter(row.queue for row in mine)

    def full(self, share: int) -> list[str]:
        """The projects that have their share."""
        return [project for project, count in self._held.items() if count >= share]

    def take(self, row: Any, share: int) -> None:
        """Take an operation, if its project and its host have slots left."""
        project, host = row.project_id or "", row.queue.startswith("host:")
        if row.id in self._taken or self.free <= 0 or self._held[project] >= share:
            return
        if host and self._of_host[row.queue] >= OF_A_HOST:
            return
        self._taken.add(row.id)
        self._held[project] += 1
        self._of_host[row.queue] += 1
        self.free -= 1
        self.rows.append(row)


class Worker:
    """Runs operations of the given kinds, many at once."""

    def __init__(
        self,
        database: Database,
        bus: Bus,
        clock: Clock,
        kinds: Iterable[tuple[type[Operation], Any]] = (),
        *,
        wakes: Wakes,
        name: str = "",
        slots: Mapping[str, int] = SLOTS,
    ) -> None:
        """
        Args:
            name: of the process, the same after a restart, and no other's: what this process held when it died
                is taken up at once, without waiting for leases to end. Empty for none.
            kinds: each operation with the tools its steps get.
            slots: by pool, how many operations run at the same time in this process.

        Raises:
            ValueError: a step has no name of its own in its operation.
        """
        self.name = name[:64] or new_uuid()
        self.database = database
        self.bus = bus
        self.clock = clock
        self.events: Outbox | None = None
        self._kinds: dict[str, tuple[type[Operation], Any]] = {}
        self.add(kinds)
        self._wakes = wakes
        self._slots = slots
        self._paused = False
        self._wake = asyncio.Event()
        self._running: dict[str, asyncio.Task[None]] = {}
        self._executions: dict[str, Execution] = {}
        self._idle = asyncio.Event()

    def add(self, kinds: Iterable[tuple[type[Operation], Any]]) -> None:
        """Run these kinds of operations, too.

        Raises:
            ValueError: a step has no name of its own in its operation.
        """
        for kind, tools in kinds:
            names = [step.name for step in kind.steps]
            if not all(names) or len(set(names)) < len(names):
                raise ValueError(f"Each step of {kind.__name__} needs a name: {names}.")
            self._kinds[kind_of(kind)] = (kind, tools)

    def remove(self, kinds: Iterable[tuple[type[Operation], Any]]) -> None:
        """Take up no more of these kinds, and let go of those that run: they go on when somebody runs them again."""
        gone = {kind_of(kind) for kind, _ in kinds}
        for one in gone:
            self._kinds.pop(one, None)
        for execution in list(self._executions.values()):
            if execution.row.kind in gone:
                self._let_go_of(execution)

    def _let_go_of(self, execution: Execution) -> None:
        """End what runs here of an operation. One that has not begun to run ends when it does: a task that is
        cancelled before never runs, so it would give back neither its slot nor its lease.
        """
        execution.left = True
        if execution.begun:
            self._running[execution.id].cancel()

    # ---- wake-ups ----

    def wake(self) -> None:
        """There may be something to do: look now."""
        self._wake.set()
        self._idle.clear()

    def later(self, seconds: float) -> None:
        """Look again after so many seconds."""
        asyncio.get_running_loop().call_later(seconds, self.wake)

    def stop(self, operation_ids: list[str]) -> None:
        """These operations were cancelled: end what they do here."""
        for one in operation_ids:
            if (execution := self._executions.get(one)) is not None:
                execution.cancel()
        self.wake()

    def tell(self, *, stopped: list[str] | None = None) -> None:
        """Wake the workers of all processes."""
        if stopped is None:
            self._wakes.wake(STARTED)
        else:
            self._wakes.wake(CANCELLED, stopped)

    def follow(self, events: Outbox) -> None:
        """Emit the events of operations, and wake those that wait for the resources of events."""
        self.events = events
        events.on("", self._news)

    async def _news(self, event: Event) -> None:
        async with self.database.read() as tx:
            if await tx.first(_waiting, {"topic": event.resource}) is None:
                return
        async with self.database.write() as tx:
            await tx.execute(_no_wait, {"topic": event.resource})
        self.tell()

    def _woken(self, _words: list[str]) -> None:
        self.wake()

    # ---- taking ----

    async def run(self) -> None:
        """Take and run operations until cancelled."""
        self._wakes.on(STARTED, self._woken)
        self._wakes.on(CANCELLED, self.stop)
        async with self.database.write() as tx:
            await tx.execute(_mine_before, {"me": self.name})
        self.wake()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._renew_leases())
                group.create_task(self._watch())
                while True:
                    await self._round(group)
        finally:
            self._wakes.off(STARTED, self._woken)
            self._wakes.off(CANCELLED, self.stop)
            for task in self._running.values():
                task.cancel()

    async def _round(self, group: asyncio.TaskGroup) -> None:
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
            await self._look_for_cancelled()

    def pause(self) -> None:
        """Take up nothing more; what runs goes on."""
        self._paused = True

    def go_on(self) -> None:
        """Take up work again."""
        self._paused = False
        self.wake()

    def at_work(self) -> int:
        """How many operations run here."""
        return len(self._executions)

    async def settled(self, timeout_s: float = 60.0) -> None:
        """Wait until nothing runs and nothing that could run waits; for tests and orderly stops."""
        async with asyncio.timeout(timeout_s):
            await self._idle.wait()

    async def _look_for_cancelled(self) -> None:
        """Catch a signal that was lost on its way from another process."""
        if not self._executions:
            return
        try:
            async with self.database.read() as tx:
                self.stop(list(await tx.scalars(_cancelled, {"ids": list(self._executions)})))
        except Unavailable as error:
            log.warning("operations wait: %s", error.message)

    async def _look(self, group: asyncio.TaskGroup) -> None:
        if self._paused:
            return
        now = self.clock.now()
        rows: list[Any] = []
        async with self.database.read() as tx:
            for pool in await tx.all(_projects):
                rows += await self._choose(tx, pool.pool, max(1, pool.some), now)
        if not rows:
            return
        taken: list[Any] = []
        until = now + timedelta(seconds=LEASE_S)
        async with self.database.write() as tx:
            for row in rows:
                values = {"of": row.id, "was": row.taking, "now_taking": row.taking + 1}
                if await tx.count(_take, {**values, "by": self.name, "until": until}):
                    taken.append(row)
        for row in taken:
            if row.kind not in self._kinds:  # its service was switched off since it was chosen
                await self._hand_over(row.id, row.taking + 1)
            elif (execution := self._read(row)) is None:
                await self._not_read(row)
            else:
                self._executions[row.id] = execution
                self._running[row.id] = group.create_task(self._run_one(execution))

    def _read(self, row: Any) -> Execution | None:
        """An operation as this version knows it; None: this version cannot read it."""
        kind, tools = self._kinds[row.kind]
        try:
            return Execution(self, row, kind, tools)
        except msgspec.ValidationError as error:
            log.error("operation %s (%s) cannot be read: %s", row.id, row.kind, error)
            return None

    async def _not_read(self, row: Any) -> None:
        """What cannot be read is stuck, and holds up no other."""
        with contextlib.suppress(Unavailable):  # then who takes it next says so
            async with self.database.write() as tx:
                await mark_row_stuck(tx, row, self.clock.now(), NOT_READ)

    async def _choose(self, tx: Transaction, pool: str, projects: int, now: datetime) -> list[Any]:
        """The operations to take now: the oldest, of projects that have not got their share yet.

        Slots that do not divide evenly go to who is next when each has had what does.
        """
        slots = self._slots.get(pool, 0)
        chosen = _Choice(slots, [one.row for one in self._executions.values()], pool)
        half = max(1, slots // 2)
        for share in sorted({min(half, slots // projects), min(half, -(-slots // projects))}):
            if chosen.free <= 0 or share < 1:
                continue
            values = {"pool": pool, "now": now, "kinds": list(self._kinds)}
            values |= {"mine": f"controller:{self.name}", "full": chosen.full(share)}
            for row in await tx.all(_runnable, {**values, "free": slots}):
                chosen.take(row, share)
        return chosen.rows

    async def _run_one(self, execution: Execution) -> None:
        row = execution.row
        mark = current_request_id.set(row.request_id)
        behalf.project.set(row.project_id or "")  # of this task alone
        execution.begun = True
        try:
            if execution.left:
                await self._leave(execution)
            else:
                await execution.go()
        except LeaseLost:
            log.warning("operation %s was taken over by another worker", row.id)
        except Unavailable as error:
            log.warning("operation %s waits: %s %s", row.id, error.message, error.detail)
            await self._let_go(execution)
        except UnknownStep as error:
            await self._not_known(execution, str(error))
        except asyncio.CancelledError:
            await self._leave(execution)
            raise
        except Broken:
            log.warning("operation %s stopped at a failpoint", row.id)
        except Exception:
            log.exception("operation %s stopped; it is taken up again when its lease ends", row.id)
        finally:
            current_request_id.reset(mark)
            self._running.pop(row.id, None)
            self._executions.pop(row.id, None)
            self.wake()

    async def _let_go(self, execution: Execution) -> None:
        """Give an operation back before its lease ends, to be taken up again soon."""
        later = self.clock.now() + timedelta(seconds=LET_GO_S)
        values = {"of": execution.id, "mine": execution.taking, "later": later}
        try:
            async with self.database.write() as tx:
                await tx.execute(_give_back, values)
        except Unavailable:
            return  # then the lease has to end by itself
        self.later(LET_GO_S + 0.05)

    async def _leave(self, execution: Execution) -> None:
        """Whoever runs its kind takes it up at once: here it is ended with its service, or with the process."""
        await self._hand_over(execution.id, execution.taking)

    async def _hand_over(self, operation_id: str, taking: int) -> None:
        with contextlib.suppress(Unavailable):  # then the lease has to end by itself
            async with self.database.write() as tx:
                await tx.execute(_hand_over, {"of": operation_id, "mine": taking})

    async def _not_known(self, execution: Execution, step: str) -> None:
        why = (
            f"It was begun by a version of Hanok that has a step '{step}', which this one does not know. "
            "It goes on when a process of that version runs."
        )
        with contextlib.suppress(Unavailable):  # then who takes it next says so
            async with self.database.write() as tx:
                await mark_stuck(tx, execution, why)

    # ---- leases and deadlines ----

    async def _renew_leases(self) -> None:
        while True:
            await asyncio.sleep(RENEW_S)
            try:
                await self.renew()
            except Unavailable as error:
                log.warning("leases could not be renewed: %s", error.message)

    async def renew(self) -> None:
        """Prolong the leases of what runs here, and end what another worker has taken over meanwhile."""
        running = list(self._executions.values())
        if not running:
            return
        async with self.database.write() as tx:
            lost = [one for one in running if not await one.renew(tx)]
        for one in lost:
            if self._executions.get(one.id) is one:
                log.warning("operation %s was taken over by another worker", one.id)
                self._let_go_of(one)

    async def _watch(self) -> None:
        while True:
            try:
                await self.find_stuck()
            except Unavailable as error:
                log.warning("deadlines are not watched: %s", error.message)
            except Exception:
                log.exception("a look for operations past their deadline failed")
            await asyncio.sleep(WATCH_S)

    async def find_stuck(self) -> int:
        """Say of each operation past its deadline that it is stuck. Returns how many were found."""
        async with self.database.read() as tx:
            rows = await tx.all(_late, {"now": self.clock.now()})
        found = 0
        for row in rows:
            if row.kind in self._kinds:
                found += await self._stuck(row)
        return found

    async def _stuck(self, row: Any) -> bool:
        """Say so on the resource, and in the row at least: one that cannot be told holds up no other."""
        if (execution := self._read(row)) is None:
            await self._not_read(row)
            return False
        try:
            async with self.database.write() as tx:
                return await mark_stuck(tx, execution, await self._why(tx, row))
        except Unavailable:
            raise
        except Exception:
            log.exception("that an operation is stuck could not be said on %s", row.resource)
        async with self.database.write() as tx:
            return await mark_row_stuck(tx, row, self.clock.now(), await self._why(tx, row))

    # ---- for operators ----

    async def retry(self, operation_id: str) -> bool:
        """Try now what waits for its next try. Returns whether there is such an operation under way."""
        async with self.database.write() as tx:
            found = await tx.count(_retry, {"of": operation_id})
        self.tell()
        return bool(found)

    async def abandon(self, operation_id: str) -> bool:
        """End an operation that is stuck, without undoing it further: what it left is for `hanok doctor` to find.

        Returns:
            Whether there is such an operation that is stuck.
        """
        try:
            row = await self._ended_by_hand(operation_id, told=True)
        except Unavailable:
            raise
        except Exception:
            log.exception("the resource of operation %s could not be told of its end", operation_id)
            row = await self._ended_by_hand(operation_id, told=False)
        if row is not None:
            words = "operation %s (%s of %s) was ended by an operator"
            log.warning(words, row.id, row.kind, row.resource)
        return row is not None

    async def _ended_by_hand(self, operation_id: str, *, told: bool) -> Any:
        async with self.database.write() as tx:
            # Raising the number of its taking shuts out a worker that may still be at it.
            row = await tx.first(_end, {"of": operation_id, "when": self.clock.now()})
            if row is None:
                return None
            stopped = await cancel_with_children(tx, [operation_id])
            tx.after_commit(lambda: self.tell(stopped=stopped))
            execution = self._read(row) if told and row.kind in self._kinds else None
            if execution is not None:
                why = f"{row.error or row.stuck_why} An operator ended it as it was."
                await execution.args.failed(execution.run, tx, why)
            return row

    async def _why(self, tx: Transaction, row: Any) -> str:
        """What keeps an operation from ending, in words, and what can be done."""
        earlier = await tx.first(_before_it, {"of": row.resource, "at": row.sequence})
        since = row.started_at.isoformat(sep=" ", timespec="seconds")
        begin = f"It was asked for at {since} and has not ended. "
        if row.waits_for:
            return f"{begin}It waits: {row.waits_for}."
        if row.state == "waiting" and earlier is not None:
            return f"{begin}It waits for an earlier operation of the same resource: {earlier.kind}."
        if row.state == "waiting" and row.queue != "any":
            return f"{begin}No process takes up the work of {row.queue}."
        if row.state == "undoing":
            return f"{begin}It is being undone: {row.error_detail or row.error or 'it was stopped'}"
        return f"{begin}It is at a step that takes longer than it should."


__all__ = ["COMMAND_TYPES", "LEASE_S", "LeaseLost", "Worker"]
