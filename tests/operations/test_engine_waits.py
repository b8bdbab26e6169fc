"""The engine of operations: cancelling at once, deadlines, waiting without a slot, parts, queues and shares."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest
import sqlalchemy as sa

from hanok.base.clock import Clock, MovableClock
from hanok.base.errors import StepFailed
from hanok.bus import MemoryBus, Wakes
from hanok.operations import (
    Leases,
    Operation,
    Run,
    Starter,
    Step,
    Waiting,
    Worker,
    active,
    record,
    records_of,
    stuck,
)
from hanok.operations.execution import Execution
from hanok.operations.model import Pool
from hanok.operations.tables import operations, steps
from hanok.store import Database, Transaction
from hanok.store.new_migration import import_all_tables
from tests.databases import opened


class Site:
    """A database, workers on it, and what steps do there."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.database = database
        self.clock = clock
        self.bus = MemoryBus()
        self.wakes = Wakes(self.bus)
        self.diary: list[str] = []
        self.gates: dict[str, asyncio.Event] = {}
        self.broken_undo = False
        self.now_at_once = self.peak = 0

    def gate(self, name: str) -> asyncio.Event:
        return self.gates.setdefault(name, asyncio.Event())

    async def start(self, operation: Operation, project_id: str = "p") -> str:
        async with self.database.write() as tx:
            return await Starter(self.clock, self.wakes).start(tx, operation, project_id=project_id)

    async def cancel(self, resource: str) -> None:
        async with self.database.write() as tx:
            await Starter(self.clock, self.wakes).cancel(tx, resource)

    @asynccontextmanager
    async def worker(
        self, kinds: Any = (), *, name: str = "", wakes: Wakes | None = None, **more: Any
    ) -> AsyncIterator[Worker]:
        worker = Worker(
            self.database,
            self.bus,
            self.clock,
            [(kind, self) for kind in kinds or KINDS],
            wakes=wakes or self.wakes,
            name=name,
            **more,
        )
        task = asyncio.ensure_future(worker.run())
        try:
            yield worker
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def state(self, resource: str) -> str:
        async with self.database.read() as tx:
            return (await records_of(tx, resource))[-1].state

    async def until(self, condition: Callable[[], Any]) -> None:
        async with asyncio.timeout(60):
            while not condition():
                await asyncio.sleep(0.002)

    async def until_count(self, line: str, times: int) -> None:
        await self.until(lambda: self.diary.count(line) == times)

    async def until_state(self, resource: str, requested: str) -> None:
        async with asyncio.timeout(60):
            while await self.state(resource) != requested:
                await asyncio.sleep(0.002)


class Hold(Step["Copy", Site, None], name="hold"):
    """Waits at a gate, as a copy waits for a disk."""

    async def do(self, run: Run[Copy, Site]) -> None:
        site = run.tools
        site.diary.append(f"begin {run.args.name}")
        site.now_at_once += 1
        site.peak = max(site.peak, site.now_at_once)
        try:
            await site.gate(run.args.name).wait()
        finally:
            site.now_at_once -= 1
        site.diary.append(f"end {run.args.name}")

    async def undo(self, run: Run[Copy, Site]) -> None:
        run.tools.diary.append(f"undo {run.args.name}")
        if run.tools.broken_undo:
            raise ZeroDivisionError


class Copy(Operation, frozen=True, kw_only=True, tag="test.copy"):
    name: str
    on: str = "any"
    steps: ClassVar[tuple[type[Step[Any, Any, Any]], ...]] = (Hold,)
    deadline_s: ClassVar[float] = 100.0

    @property
    def resource(self) -> str:
        return f"copy:{self.name}"

    @property
    def queue(self) -> str:
        return self.on

    async def stuck(self, run: Run[Any, Any], tx: Transaction, why: str) -> None:
        run.tools.diary.append(f"stuck {self.name}")

    async def cancelled(self, run: Run[Any, Any], tx: Transaction) -> None:
        run.tools.diary.append(f"cancelled {self.name}")

    async def failed(self, run: Run[Any, Any], tx: Transaction, why: str) -> None:
        run.tools.diary.append(f"failed {self.name}: {why}")


class Download(Copy, frozen=True, kw_only=True, tag="test.download"):
    pool: ClassVar[Pool] = "transfer"


class Dawdle(Step["Late", Site, None], name="dawdle"):
    deadline_s = 0.05

    async def do(self, run: Run[Late, Site]) -> None:
        await asyncio.sleep(60)


class Late(Copy, frozen=True, kw_only=True, tag="test.late"):
    steps = (Dawdle,)


class AwaitPort(Step["Plug", Site, str], name="await_port"):
    result_type: ClassVar[Any] = str
    deadline_s = 50.0

    async def do(self, run: Run[Plug, Site]) -> str:
        run.tools.diary.append("look")
        if not run.tools.gate("port").is_set():
            raise Waiting("the port is not up yet", on="port:1", poll_s=600)
        return "up"


class Plug(Copy, frozen=True, kw_only=True, tag="test.plug"):
    steps = (AwaitPort,)


class RunParts(Step["Whole", Site, int], name="run_parts"):
    result_type: ClassVar[Any] = int

    async def do(self, run: Run[Whole, Site]) -> int:
        parts = [Part(name=name) for name in run.args.parts]
        return sum(one.result(Work) or 0 for one in await run.children(*parts))

    async def undo(self, run: Run[Whole, Site]) -> None:
        run.tools.diary.append("undo whole")


class Whole(Copy, frozen=True, kw_only=True, tag="test.whole"):
    parts: tuple[str, ...] = ("a", "b")
    steps = (RunParts,)


class Work(Step["Part", Site, int], name="work"):
    result_type: ClassVar[Any] = int

    async def do(self, run: Run[Part, Site]) -> int:
        run.tools.diary.append(f"part {run.args.name}")
        if run.args.name == "bad":
            raise StepFailed("The part 'bad' does not fit.")
        await run.tools.gate(run.args.name).wait()
        return len(run.args.name)

    async def undo(self, run: Run[Part, Site]) -> None:
        run.tools.diary.append(f"undo part {run.args.name}")


class Part(Copy, frozen=True, kw_only=True, tag="test.part"):
    steps = (Work,)

    @property
    def resource(self) -> str:
        return f"part:{self.name}"


class Mute(Copy, frozen=True, kw_only=True, tag="test.mute"):
    """Of a resource that cannot be told anything: its row is gone, say."""

    async def stuck(self, run: Run[Any, Any], tx: Transaction, why: str) -> None:
        raise LookupError

    async def failed(self, run: Run[Any, Any], tx: Transaction, why: str) -> None:
        raise LookupError


class RunLayer(Step["Layers", Site, None], name="run_layer"):
    async def do(self, run: Run[Layers, Site]) -> None:
        run.tools.diary.append("layers")
        await run.tools.gate("layers").wait()
        await run.children(Layer(name=run.args.name, words="part"))


class Layers(Copy, frozen=True, kw_only=True, tag="test.layers"):
    """Has a part that changes the same thing as it does."""

    steps = (RunLayer,)


class Note(Step["Layer", Site, None], name="note"):
    async def do(self, run: Run[Layer, Site]) -> None:
        run.tools.diary.append(run.args.words)


class Layer(Copy, frozen=True, kw_only=True, tag="test.layer"):
    words: str
    steps = (Note,)


class Tell(Step["Slow", Site, None], name="tell"):
    async def do(self, run: Run[Slow, Site]) -> None:
        await run.progress(40)
        await run.tools.gate("slow").wait()


class Slow(Copy, frozen=True, kw_only=True, tag="test.slow"):
    steps = (Tell,)


KINDS = (Copy, Download, Late, Plug, Whole, Part, Layers, Layer, Mute, Slow)


@pytest.fixture
async def site(tmp_path: Path, database_url: str) -> AsyncIterator[Site]:
    import_all_tables()
    database = await opened(tmp_path, database_url)
    yield Site(database, MovableClock())
    await database.close()


def moved(site: Site, seconds: float) -> None:
    assert isinstance(site.clock, MovableClock)
    site.clock.move(seconds)


# ---- cancelling ----


async def test_a_cancel_ends_a_running_step_at_once_and_undoes_it(site: Site) -> None:
    async with site.worker() as worker:
        await site.start(Copy(name="a"))
        await site.until(lambda: "begin a" in site.diary)
        await site.cancel("copy:a")
        await worker.settled()
    assert site.diary == ["begin a", "undo a", "cancelled a"]
    assert await site.state("copy:a") == "cancelled"


async def test_a_cancel_reaches_the_process_that_runs_the_step(site: Site) -> None:
    here, there = Wakes(site.bus), Wakes(site.bus)
    site.wakes = here
    telling = [asyncio.ensure_future(one.run()) for one in (here, there)]
    try:
        async with site.worker(wakes=there) as worker:
            await site.start(Copy(name="a"))
            await site.until(lambda: "begin a" in site.diary)
            await site.cancel("copy:a")
            await site.until(lambda: "cancelled a" in site.diary)
            await worker.settled()
    finally:
        for task in telling:
            task.cancel()
        await asyncio.gather(*telling, return_exceptions=True)


async def test_a_cancel_before_the_first_step_does_nothing_else(site: Site) -> None:
    await site.start(Copy(name="a"))
    await site.cancel("copy:a")
    async with site.worker() as worker:
        await worker.settled()
    assert site.diary == ["cancelled a"]


async def test_a_part_does_not_wait_for_what_waits_for_the_whole(site: Site) -> None:
    async with site.worker() as worker:
        await site.start(Layers(name="a"))
        await site.until(lambda: "layers" in site.diary)
        await site.start(Layer(name="a", words="later"))
        site.gate("layers").set()
        await site.until(lambda: "later" in site.diary)
        await worker.settled()
    assert [one for one in site.diary if one != "layers"] == ["part", "later"]


# ---- stuck ----


async def test_an_undo_that_keeps_failing_is_stuck_and_goes_on_when_it_can(site: Site) -> None:
    site.broken_undo = True
    async with site.worker() as worker:
        await site.start(Copy(name="a"))
        await site.until(lambda: "begin a" in site.diary)
        await site.cancel("copy:a")
        for tries in (1, 2, 3):
            await site.until_count("undo a", tries)
            await worker.settled()
            moved(site, 61)
            worker.wake()
        await site.until(lambda: "stuck a" in site.diary)
        async with site.database.read() as tx:
            [one] = await stuck(tx)
        assert "Undoing the step 'hold' has failed 3 times" in (one.stuck_why or "")
        site.broken_undo = False
        moved(site, 61)
        worker.wake()
        await site.until(lambda: "cancelled a" in site.diary)
        await worker.settled()
    assert site.diary.count("stuck a") == 1
    async with site.database.read() as tx:
        assert await stuck(tx) == [] and await active(tx) == []


async def test_a_step_that_is_late_has_failed(site: Site) -> None:
    async with site.worker() as worker:
        await site.start(Late(name="a"))
        await worker.settled()
    assert site.diary == ["failed a: The step 'dawdle' did not end within 0.05 seconds."]


async def test_an_operation_past_its_deadline_is_stuck_and_says_why(site: Site) -> None:
    await site.start(Copy(name="a", on="controller:gone"))
    async with site.worker() as worker:
        await worker.settled()
        moved(site, 99)
        assert await worker.find_stuck() == 0
        moved(site, 2)
        assert await worker.find_stuck() == 1 and await worker.find_stuck() == 0
    assert site.diary == ["stuck a"]
    async with site.database.read() as tx:
        [one] = await stuck(tx)
    assert "No process takes up the work of controller:gone" in (one.stuck_why or "")


async def test_what_cannot_be_told_of_its_resource_is_stuck_all_the_same_and_is_ended(
    site: Site,
) -> None:
    await site.start(Mute(name="a", on="controller:gone"))
    await site.start(Copy(name="b", on="controller:gone"))
    async with site.worker() as worker:
        await worker.settled()
        moved(site, 101)
        assert await worker.find_stuck() == 2
        async with site.database.read() as tx:
            late = await stuck(tx)
        for one in late:
            assert await worker.abandon(one.id)
    assert [one.resource for one in late] == ["copy:a", "copy:b"]
    assert [one.partition(":")[0] for one in site.diary] == ["stuck b", "failed b"]
    assert await site.state("copy:a") == "failed"


async def test_the_parts_of_what_an_operator_ends_are_undone(site: Site) -> None:
    async with site.worker() as worker:
        whole = await site.start(Whole(name="w", parts=("a",)))
        await site.until(lambda: "part a" in site.diary)
        moved(site, 101)
        await worker.find_stuck()
        assert await worker.abandon(whole)
        await site.until(lambda: "undo part a" in site.diary)
        await worker.settled()
    assert "cancelled a" in site.diary


async def test_a_step_of_another_version_is_stuck_and_not_undone(site: Site) -> None:
    await site.start(Copy(name="a"))
    async with site.database.write() as tx:
        row = await tx.first(sa.select(operations.c.id))
        assert row is not None
        await tx.execute(
            steps.insert(),
            {
                "operation_id": row.id,
                "position": 0,
                "name": "step_of_tomorrow",
                "state": "running",
                "started_at": site.clock.now(),
            },
        )
    async with site.worker() as worker:
        await site.until(lambda: "stuck a" in site.diary)
        await worker.settled()
    assert site.diary == ["stuck a"]


# ---- renamed steps ----


class Renamed(Step["Copy2", Site, None], name="keep", formerly=("hold",)):
    async def do(self, run: Run[Copy2, Site]) -> None:
        run.tools.diary.append("keep")


class Before(Step["Copy2", Site, None], name="before"):
    async def do(self, run: Run[Copy2, Site]) -> None:
        run.tools.diary.append("before")


class Copy2(Copy, frozen=True, kw_only=True, tag="test.copy"):
    steps = (Before, Renamed)


@pytest.mark.parametrize("kept", ["hold", "Hold"])
async def test_a_renamed_step_goes_on_where_the_older_version_stood(site: Site, kept: str) -> None:
    async with site.worker():
        await site.start(Copy(name="a"))
        await site.until(lambda: "begin a" in site.diary)
    async with site.database.write() as tx:
        await tx.execute(steps.update().values(name=kept))
    moved(site, 31)
    async with site.worker(kinds=[Copy2]) as worker:
        await worker.settled()
    assert site.diary == ["begin a", "keep"] and await site.state("copy:a") == "done"


# ---- waiting ----


async def test_what_waits_gives_its_slot_back_and_goes_on(site: Site) -> None:
    slots: Mapping[str, int] = {"quick": 2}
    async with site.worker(slots=slots) as worker:
        for name in ("1", "2", "3"):
            await site.start(Plug(name=name))
        await site.until(lambda: site.diary.count("look") == 3)
        site.gate("x").set()
        await site.start(Copy(name="x"))
        await site.until(lambda: "end x" in site.diary)
        async with site.database.read() as tx:
            waiting = {one.resource: one.waits_for for one in await active(tx)}
        assert waiting["copy:1"] == "the port is not up yet"
        site.gate("port").set()
        moved(site, 10)
        async with site.database.write() as tx:
            await tx.execute(
                operations.update().where(operations.c.waits_on == "port:1").values(not_before=None)
            )
        worker.wake()
        await site.until_state("copy:3", "done")
        await worker.settled()


async def test_waiting_has_the_steps_deadline_over_all_its_looks(site: Site) -> None:
    async with site.worker() as worker:
        await site.start(Plug(name="a"))
        await worker.settled()
        moved(site, 601)
        worker.wake()
        await worker.settled()
    assert site.diary[:2] == ["look", "look"]
    assert "did not end within 50 seconds. It waited: the port is not up yet." in site.diary[2]


async def test_what_waits_is_cancelled_at_once(site: Site) -> None:
    async with site.worker() as worker:
        await site.start(Plug(name="a"))
        await worker.settled()
        await site.cancel("copy:a")
        await worker.settled()
    assert site.diary == ["look", "cancelled a"]


# ---- parts ----


async def test_parts_run_side_by_side_and_hand_their_results_up(site: Site) -> None:
    async with site.worker(slots={"quick": 4}) as worker:
        await site.start(Whole(name="w", parts=("aa", "bbb")))
        await site.until(lambda: {"part aa", "part bbb"} <= set(site.diary))
        site.gate("aa").set()
        site.gate("bbb").set()
        await site.until_state("copy:w", "done")
        await worker.settled()
    async with site.database.read() as tx:
        row = await tx.first(sa.select(steps.c.result).where(steps.c.name == "run_parts"))
    assert row is not None and row.result == b"\x05"
    assert site.diary.count("part aa") == 1


async def test_a_part_that_fails_ends_the_others_and_the_whole_says_why(site: Site) -> None:
    async with site.worker(slots={"quick": 4}) as worker:
        await site.start(Whole(name="w", parts=("a", "bad")))
        await site.until(lambda: "part bad" in site.diary)
        await site.until_state("copy:w", "failed")
        await worker.settled()
    assert site.diary.index("undo part a") < site.diary.index("undo whole")
    assert site.diary[-1] == "failed w: The part 'bad' does not fit."


async def test_cancelling_the_whole_cancels_its_parts(site: Site) -> None:
    async with site.worker(slots={"quick": 4}) as worker:
        await site.start(Whole(name="w"))
        await site.until(lambda: {"part a", "part b"} <= set(site.diary))
        await worker_has_given_back(site)
        await site.cancel("copy:w")
        await site.until_state("copy:w", "cancelled")
        await worker.settled()
    assert {"cancelled a", "cancelled b", "cancelled w"} <= set(site.diary)
    async with site.database.read() as tx:
        assert await active(tx) == []


async def test_parts_that_end_before_the_whole_waits_for_them_are_not_waited_for(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock stands still: a whole that waits until it is time to look again would never go on."""
    postpone = Execution._postpone

    async def late(self: Execution, *given: Any, **values: Any) -> None:
        for part in ("part:a", "part:b"):
            await site.until_state(part, "cancelled")
        await postpone(self, *given, **values)

    monkeypatch.setattr(Execution, "_postpone", late)
    async with site.worker(slots={"quick": 4}) as worker:
        await site.start(Whole(name="w"))
        await site.until(lambda: {"part a", "part b"} <= set(site.diary))
        await worker_has_given_back(site)
        await site.cancel("copy:w")
        await site.until_state("copy:w", "cancelled")
        await worker.settled()


async def worker_has_given_back(site: Site) -> None:
    """Wait until the whole holds no slot while its parts run."""
    async with asyncio.timeout(60):
        while True:
            async with site.database.read() as tx:
                if any(one.waits_for for one in await active(tx)):
                    return
            await asyncio.sleep(0.002)


async def test_parts_are_found_again_after_the_process_died(site: Site) -> None:
    async with site.worker(name="one", slots={"quick": 4}):
        await site.start(Whole(name="w"))
        await site.until(lambda: {"part a", "part b"} <= set(site.diary))
    site.gate("a").set()
    site.gate("b").set()
    async with site.worker(name="one", slots={"quick": 4}) as worker:
        await site.until_state("copy:w", "done")
        await worker.settled()
    async with site.database.read() as tx:
        count = await tx.scalar(sa.select(sa.func.count()).select_from(operations))
    assert count == 3


# ---- shares, pools, queues ----


async def test_a_project_with_much_to_do_leaves_slots_to_others(site: Site) -> None:
    async with site.worker(slots={"quick": 4}):
        for number in range(8):
            await site.start(Copy(name=f"m{number}"), project_id="many")
        await site.until(lambda: site.now_at_once == 2)  # half of them, at most
        await site.start(Copy(name="v"), project_id="other")
        await site.until(lambda: "begin v" in site.diary)
        await site.start(Copy(name="w"), project_id="third")
        await site.until(lambda: "begin w" in site.diary)
        for number in range(8):
            site.gate(f"m{number}").set()
        await site.until(lambda: sum(one.startswith("end m") for one in site.diary) == 8)
    assert site.peak <= 4


async def test_downloads_take_no_slot_of_anything_else(site: Site) -> None:
    for project in ("p1", "p2", "p3"):
        for number in range(3):
            await site.start(Download(name=f"{project}-{number}"), project_id=project)
    async with site.worker(slots={"quick": 2, "transfer": 4}):
        await site.until(lambda: site.now_at_once == 4)
        site.gate("quick").set()
        await site.start(Copy(name="quick"), project_id="p1")
        await site.until(lambda: "end quick" in site.diary)
        assert {one[6:8] for one in site.diary if one.startswith("begin p")} == {"p1", "p2", "p3"}


async def test_a_queue_of_a_host_has_few_at_a_time(site: Site) -> None:
    async with site.worker():
        for number in range(6):
            await site.start(Copy(name=f"{number}", on="host:h1"), project_id=f"p{number}")
        await site.until(lambda: site.now_at_once == 4)
        site.gate("other").set()
        await site.start(Copy(name="other", on="host:h2"), project_id="q")
        await site.until(lambda: "end other" in site.diary)
        for number in range(6):
            site.gate(str(number)).set()
        await site.until_state("copy:5", "done")
    assert site.peak == 5


async def test_the_queue_of_a_controller_is_that_ones_alone(site: Site) -> None:
    site.gate("a").set()
    await site.start(Copy(name="a", on="controller:two"))
    async with site.worker(name="one") as worker:
        await worker.settled()
        assert site.diary == []
    async with site.worker(name="two"):
        await site.until_state("copy:a", "done")


async def test_progress_shows_while_it_runs(site: Site) -> None:
    async with site.worker():
        operation_id = await site.start(Slow(name="a"))
        async with asyncio.timeout(60):
            while True:
                async with site.database.read() as tx:
                    [one] = await active(tx)
                if one.progress == 40:
                    break
                await asyncio.sleep(0.002)
        assert (one.id, one.step) == (operation_id, "tell")
        site.gate("slow").set()
        await site.until_state("copy:a", "done")
        async with site.database.read() as tx:
            assert await record(tx, "copy:a", "") is not None


# ---- leases ----


async def test_a_loop_runs_in_one_process_and_in_the_other_when_that_ends(site: Site) -> None:
    ran: list[str] = []

    def leases(name: str) -> Leases:
        made = Leases(site.database, site.clock, name)

        async def loop() -> None:
            ran.append(name)
            await asyncio.Event().wait()

        made.add("sweep", loop)
        return made

    one, two = leases("one"), leases("two")
    first = asyncio.ensure_future(one.run())
    await site.until(lambda: ran == ["one"])
    second = asyncio.ensure_future(two.run())
    await asyncio.sleep(0.05)
    assert ran == ["one"] and await two.holders() == {"sweep": "one"}
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    moved(site, 1)
    third = asyncio.ensure_future(leases("three").run())
    await site.until(lambda: ran == ["one", "three"])
    for task in (second, third):
        task.cancel()
    await asyncio.gather(second, third, return_exceptions=True)
