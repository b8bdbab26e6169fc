"""The engine of operations, with operations that write into a list what they do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest
import sqlalchemy as sa

from hanok.base import failpoints
from hanok.base.clock import Clock, MovableClock
from hanok.base.errors import DatabaseAway, Raced, StepFailed
from hanok.bus import MemoryBus, Wakes
from hanok.commands import Done, ListInventory
from hanok.commands.wire import encode, node_subject
from hanok.operations import Forgetting, Operation, Run, Starter, Step, Worker, records_of, stuck
from hanok.operations.tables import operations, steps
from hanok.store import Database, Transaction
from tests.databases import opened

Diary = list[str]


class _Step(Step["Build", Diary, str]):
    result_type: ClassVar[Any] = str

    async def do(self, run: Run[Build, Diary]) -> str:
        run.tools.append(f"do {type(self).__name__}")
        return f"made by {type(self).__name__}"

    async def save(self, run: Run[Build, Diary], tx: Transaction, result: str) -> None:
        run.tools.append(f"save {type(self).__name__}")

    async def undo(self, run: Run[Build, Diary]) -> None:
        run.tools.append(f"undo {type(self).__name__}")

    async def unsave(self, run: Run[Build, Diary], tx: Transaction) -> None:
        run.tools.append(f"unsave {type(self).__name__}")


class First(_Step, name="first"):
    pass


class Second(_Step, name="second"):
    async def do(self, run: Run[Build, Diary]) -> str:
        if run.args.refuse:
            raise StepFailed("Not enough bricks: 10 wanted, 3 there.")
        assert run.result(First) == "made by First"
        return await super().do(run)


class Third(_Step, name="third"):
    pass


class Build(Operation, frozen=True, kw_only=True, tag="test.build"):
    name: str
    refuse: bool = False
    steps = (First, Second, Third)

    @property
    def resource(self) -> str:
        return f"house:{self.name}"

    async def failed(self, run: Run[Any, Any], tx: Transaction, why: str) -> None:
        run.tools.append(f"failed: {why}")

    async def cancelled(self, run: Run[Any, Any], tx: Transaction) -> None:
        run.tools.append("cancelled")


class Reach(Step["Reaching", Diary, None], name="reach"):
    async def do(self, run: Run[Reaching, Diary]) -> None:
        if run.args.host:
            await run.ask(run.args.host, ListInventory(), Done, timeout_s=1)
        else:
            async with run.transaction():
                run.tools.append("wrote")


class Reaching(Operation, frozen=True, kw_only=True, tag="test.reaching"):
    """Writes, or asks a host, before its step is done."""

    host: str = ""
    steps = (Reach,)

    @property
    def resource(self) -> str:
        return "house:a"


class Meet(Step["Meeting", Diary, None], name="meet"):
    async def do(self, run: Run[Meeting, Diary]) -> None:
        run.args.meet("do", run.tools)

    async def save(self, run: Run[Meeting, Diary], tx: Transaction, result: None) -> None:
        run.args.meet("save", run.tools)


class Meeting(Operation, frozen=True, kw_only=True, tag="test.meeting"):
    """Meets this trouble of the database, so many times, in this part of its step."""

    trouble: str
    times: int
    part: str
    steps = (Meet,)

    def meet(self, part: str, diary: Diary) -> None:
        diary.append(part)
        if part == self.part and diary.count(part) <= self.times:
            raise DatabaseAway("It is busy.") if self.trouble == "away" else Raced()

    @property
    def resource(self) -> str:
        return "house:a"


class Site:
    """A database and workers on it."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.database = database
        self.clock = clock
        self.bus = MemoryBus()
        self.diary: Diary = []
        self.wakes = Wakes(self.bus)

    async def start(self, operation: Operation, *, cancel_earlier: bool = False) -> str:
        starter = Starter(self.clock, self.wakes)
        async with self.database.write() as tx:
            if cancel_earlier:
                await starter.cancel(tx, operation.resource)
            return await starter.start(tx, operation)

    @asynccontextmanager
    async def worker(self) -> AsyncIterator[Worker]:
        kinds: list[Any] = [(Build, self.diary), (Reaching, self.diary), (Meeting, self.diary)]
        worker = Worker(self.database, self.bus, self.clock, kinds, wakes=self.wakes)
        task = asyncio.ensure_future(worker.run())
        try:
            yield worker
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def state(self, name: str = "a") -> str:
        async with self.database.read() as tx:
            return (await records_of(tx, f"house:{name}"))[-1].state


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    database = await opened(tmp_path)
    yield Site(database, MovableClock())
    failpoints.disarm()
    await database.close()


ALL = [f"{verb} {step}" for step in ("First", "Second", "Third") for verb in ("do", "save")]


async def test_steps_run_in_order_and_hand_on_their_results(site: Site) -> None:
    async with site.worker() as worker:
        await site.start(Build(name="a"))
        await worker.settled()
    assert site.diary == ALL and await site.state() == "done"


async def test_a_failed_step_is_undone_first_and_the_user_is_told_why(site: Site) -> None:
    async with site.worker() as worker:
        await site.start(Build(name="a", refuse=True))
        await worker.settled()
    assert site.diary == [
        "do First",
        "save First",
        "undo Second",
        "unsave Second",
        "undo First",
        "unsave First",
        "failed: Not enough bricks: 10 wanted, 3 there.",
    ]
    assert await site.state() == "failed"


@pytest.mark.parametrize("step", ["First", "Second", "Third"])
@pytest.mark.parametrize("place", ["before_do", "after_do", "before_save"])
async def test_an_error_at_any_place_undoes_everything_before_it(
    site: Site, step: str, place: str
) -> None:
    with failpoints.armed(f"test.build.{step}.{place}", "raise"):
        async with site.worker() as worker:
            await site.start(Build(name="a"))
            await worker.settled()
    done = [line.removeprefix("save ") for line in site.diary if line.startswith("save")]
    undone = [line.removeprefix("unsave ") for line in site.diary if line.startswith("unsave")]
    assert undone == [step, *reversed(done)]
    assert await site.state() == "failed"


async def test_a_step_that_is_done_twice_is_saved_once(site: Site) -> None:
    with failpoints.armed("test.build.Second.before_do", "twice"):
        async with site.worker() as worker:
            await site.start(Build(name="a"))
            await worker.settled()
    assert site.diary.count("do Second") == 2 and site.diary.count("save Second") == 1


@pytest.mark.parametrize("step", ["First", "Second", "Third"])
@pytest.mark.parametrize("place", ["before_do", "after_do", "before_save"])
async def test_another_worker_goes_on_where_one_died(site: Site, step: str, place: str) -> None:
    assert isinstance(site.clock, MovableClock)
    point = f"test.build.{step}.{place}"
    failpoints.arm(point, "hang", 1)
    async with site.worker() as dead:
        await site.start(Build(name="a"))
        while failpoints.waiting(point) is False:
            await asyncio.sleep(0)
        del dead
    site.clock.move(31)
    async with site.worker() as worker:
        await worker.settled()
    assert await site.state() == "done"
    assert [line for line in site.diary if line.startswith("save")] == [
        "save First",
        "save Second",
        "save Third",
    ]


async def test_what_this_version_cannot_read_is_stuck_and_holds_up_no_other(site: Site) -> None:
    await site.start(Build(name="a"))
    async with site.database.write() as tx:
        await tx.execute(operations.update().values(arguments={"refuse": "never"}))
    async with site.worker() as worker:
        await site.start(Build(name="b"))
        await worker.settled()
        assert await site.state("b") == "done"
        async with site.database.read() as tx:
            [late] = await stuck(tx)
        assert late.resource == "house:a" and "this one does not know" in str(late.stuck_why)
        assert await worker.abandon(late.id)
        assert await site.state("a") == "failed"


async def test_a_kind_that_is_removed_while_an_operation_is_taken_goes_on_later(site: Site) -> None:
    kinds: list[Any] = [(Build, site.diary)]
    async with site.worker() as worker:
        await worker.settled()
        worker.pause()
        await site.start(Build(name="a"))
        async with site.database.write():  # the worker has chosen it, and waits to take it
            worker.go_on()
            await asyncio.sleep(0.1)
            worker.remove(kinds)
        await worker.settled()
        assert site.diary == []
        worker.add(kinds)
        worker.wake()
        await worker.settled()
    assert site.diary == ALL and await site.state() == "done"


async def test_a_kind_that_is_removed_before_an_operation_begins_gives_back_its_slot(
    site: Site,
) -> None:
    kinds: list[Any] = [(Build, site.diary)]
    async with site.worker() as worker:
        await worker.settled()
        await site.start(Build(name="a"))
        async with asyncio.timeout(20):
            while not worker.at_work():
                await asyncio.sleep(0)
        worker.remove(kinds)  # its task has been made, and has not run
        assert site.diary == []
        await worker.settled()
        assert worker.at_work() == 0
        worker.add(kinds)
        worker.wake()
        await worker.settled()
    assert site.diary == ALL and await site.state() == "done"


async def test_what_ended_long_ago_is_forgotten_with_its_steps(site: Site) -> None:
    """But not a part of something that is under way: it would be begun again."""
    assert isinstance(site.clock, MovableClock)
    forgetting = Forgetting(site.database, site.clock, lambda: ["test.build"])
    async with site.worker() as worker:
        await site.start(Build(name="old"))
        part = await site.start(Build(name="part"))
        await site.start(Meeting(trouble="", times=0, part=""))  # of a service that remembers
        await worker.settled()
    whole = await site.start(Build(name="whole"))
    async with site.database.write() as tx:
        of = operations.update().where(operations.c.id == part)
        await tx.execute(of.values(parent=whole, parent_step="first"))
    assert await forgetting.forget() == 0
    site.clock.move(8 * 86_400)
    assert await forgetting.forget() == 1
    async with site.database.read() as tx:
        left = list(await tx.scalars(sa.select(operations.c.resource)))
        held = set(await tx.scalars(sa.select(steps.c.operation_id)))
        ids = set(await tx.scalars(sa.select(operations.c.id)))
    assert sorted(left) == ["house:a", "house:part", "house:whole"] and held <= ids


async def test_a_worker_that_slept_past_its_lease_writes_nothing(site: Site) -> None:
    assert isinstance(site.clock, MovableClock)
    point = "test.build.Second.before_save"
    failpoints.arm(point, "hang", 1)
    async with site.worker():
        await site.start(Build(name="a"))
        while failpoints.waiting(point) is False:
            await asyncio.sleep(0)
        site.clock.move(31)
        async with site.worker() as other:
            await other.settled()
        assert await site.state() == "done"
        failpoints.release(point)
        await asyncio.sleep(0.05)
    assert site.diary.count("save Second") == 1 and await site.state() == "done"


@pytest.mark.parametrize(("host", "did"), [("", "wrote"), ("h1", "asked")])
async def test_a_worker_that_slept_past_its_lease_reaches_nothing(
    site: Site, host: str, did: str
) -> None:
    """Stopped before its step's effect, by the system or a debugger; meanwhile another worker did it."""

    async def answer(_subject: str, _payload: bytes) -> bytes:
        site.diary.append("asked")
        return encode(Done())

    await site.bus.listen(node_subject("h1"), answer)
    assert isinstance(site.clock, MovableClock)
    point = "test.reaching.Reach.before_do"
    failpoints.arm(point, "hang", 1)
    async with site.worker():
        await site.start(Reaching(host=host))
        while failpoints.waiting(point) is False:
            await asyncio.sleep(0)
        site.clock.move(31)
        async with site.worker() as other:
            await other.settled()
        assert site.diary == [did]
        failpoints.release(point)
        await asyncio.sleep(0.05)
    assert site.diary == [did] and await site.state() == "done"


async def test_a_step_ends_where_another_worker_has_taken_it_over(site: Site) -> None:
    assert isinstance(site.clock, MovableClock)
    point = "test.build.Second.before_do"
    failpoints.arm(point, "hang", 1)
    async with site.worker() as asleep:
        await site.start(Build(name="a"))
        while failpoints.waiting(point) is False:
            await asyncio.sleep(0)
        site.clock.move(31)
        async with site.worker() as other:
            await other.settled()
        await asleep.renew()
        async with asyncio.timeout(60):
            while asleep.at_work():
                await asyncio.sleep(0)
    assert site.diary == ALL and await site.state() == "done"


@pytest.mark.parametrize(("trouble", "times"), [("away", 20), ("raced", 1)])
@pytest.mark.parametrize("part", ["do", "save"])
async def test_trouble_of_the_database_delays_and_fails_nothing(
    site: Site, trouble: str, times: int, part: str
) -> None:
    assert isinstance(site.clock, MovableClock)
    async with site.worker() as worker, asyncio.timeout(30):
        await site.start(Meeting(trouble=trouble, times=times, part=part))
        while await site.state() != "done":
            site.clock.move(1)
            worker.wake()
            await asyncio.sleep(0.01)
    assert site.diary.count(part) == times + 1


async def test_a_database_that_is_away_beyond_a_steps_deadline_fails_it(site: Site) -> None:
    assert isinstance(site.clock, MovableClock)
    async with site.worker() as worker, asyncio.timeout(30):
        await site.start(Meeting(trouble="away", times=10**6, part="do"))
        while await site.state() != "failed":
            site.clock.move(20)
            worker.wake()
            await asyncio.sleep(0.01)


async def test_what_a_service_had_begun_goes_on_at_once_where_it_is_on(site: Site) -> None:
    point = "test.build.Second.before_do"
    failpoints.arm(point, "hang", 1)
    async with site.worker() as here:
        await site.start(Build(name="a"))
        while failpoints.waiting(point) is False:
            await asyncio.sleep(0)
        here.remove([(Build, site.diary)])
        while here.at_work():
            await asyncio.sleep(0)
        async with site.worker() as there:  # no lease has to end: the clock stands still
            await there.settled()
    assert site.diary == ALL and await site.state() == "done"


async def test_operations_of_one_resource_wait_for_each_other(site: Site) -> None:
    await site.start(Build(name="a"))
    await site.start(Build(name="a"))
    async with site.worker() as worker:
        await worker.settled()
    assert site.diary == ALL + ALL


async def test_cancelling_undoes_what_is_under_way_and_the_next_one_runs(site: Site) -> None:
    point = "test.build.Second.after_do"
    failpoints.arm(point, "hang", 1)
    async with site.worker() as worker:
        await site.start(Build(name="a"))
        while failpoints.waiting(point) is False:
            await asyncio.sleep(0)
        await site.start(Build(name="a"), cancel_earlier=True)
        failpoints.release(point)
        await worker.settled()
    assert "cancelled" in site.diary
    after = site.diary[site.diary.index("cancelled") + 1 :]
    assert after == ALL
    async with site.database.read() as tx:
        states = await tx.scalars(sa.select(operations.c.state).order_by(operations.c.sequence))
    assert list(states) == ["cancelled", "done"]
