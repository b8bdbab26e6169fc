"""What all changes of a stack have in common: passes over its resources' rows."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from hanok.base.errors import HanokError
from hanok.base.failpoints import failpoint
from hanok.base.ids import new_request_id
from hanok.operations import Run
from hanok.services.orchestration.logic import clouds, events, parts, signals, stacks
from hanok.services.orchestration.logic.parts import Part
from hanok.services.orchestration.logic.program import Program
from hanok.services.orchestration.logic.reading import Reader
from hanok.services.orchestration.logic.types.model import Busy, Driver, Failed
from hanok.services.orchestration.logic.work import Work
from hanok.services.orchestration.room import Orchestration

AT_ONCE = 16  # resources of a stack that are asked for side by side
BEGUN = 100  # resources that a pass begins
SHORTEST_S, LONGEST_S = 0.25, 5.0  # between looks at what is under way
HELD_S = 1.0  # the longest where something could not be begun yet: of many that wait for one, one gets on each time

Ended = tuple[str, str, float]
"""Status and reason, or what is waited for and how long until the next look."""


class Passes:
    """A change of a stack, in memory for one taking of its operation."""

    def __init__(self, run: Run[Any, Orchestration], stack: Any) -> None:
        self.run = run
        self.room = run.tools
        self.stack = stack
        self.traversal: str = stack.traversal
        self._changed: dict[str, Part] = {}
        self._gone: list[str] = []
        self._news: list[dict[str, Any]] = []
        self._anew: list[
            Part
        ] = []  # what takes the place of something that cannot be changed in place
        self._slots = asyncio.Semaphore(AT_ONCE)
        self.reader: Reader

    # ---- rows ----

    async def load(self) -> None:
        """
        Raises:
            Wrong: the template cannot be read any more. NotSignedIn: the rights behind the stack are gone.
        """
        cloud = await clouds.of_stack(self.room, self.stack)
        async with self.run.reading() as tx:
            rows = await parts.of_stack(tx, self.stack.id, self.room.key)
        self.reader = Reader(self.room, cloud, self.stack, self.program(), rows)

    def program(self) -> Program:
        return stacks.program_of(self.room, self.stack).load()

    @property
    def parts(self) -> list[Part]:
        return self.reader.parts

    def driver(self, part: Part) -> Driver:
        return self.reader.type_of(part).driver

    def put(self, part: Part) -> None:
        """To be written with the next `flush`."""
        self._changed[part.id] = part

    def say(self, part: Part, action: str = "", status: str = "", reason: str = "") -> None:
        """An event of a resource, as it is or as it is said."""
        self._news.append(
            events.row_of(
                self.stack,
                name=part.name,
                kind=part.type,
                physical_id=part.physical_id,
                action=action or part.action,
                status=status or part.status,
                reason=reason or part.reason,
                at=self.room.clock.now(),
            )
        )

    def drop(self, part: Part) -> None:
        self._gone.append(part.id)
        self._changed.pop(part.id, None)
        self.parts.remove(part)

    async def flush(self) -> None:
        """Write what changed since the last time, in one transaction.

        Raises:
            LeaseLost: another worker has the operation.
        """
        if not (self._changed or self._gone or self._news):
            return
        async with self.run.transaction() as tx:
            await parts.save(tx, list(self._changed.values()), self.room.key)
            await parts.forget(tx, self._gone)
            await signals.forget(tx, self._gone)
            await events.add_all(tx, self._news)
        self._changed, self._gone, self._news = {}, [], []

    # ---- passes ----

    async def go(self) -> Ended:
        await self.load()
        await self._recover()
        while True:
            self.run.check_cancelled()
            if self.room.clock.now() >= self.stack.deadline_at:
                return await self._time_is_up()
            moved = await self.pass_()
            await self.flush()
            if not moved:
                return self.ended()

    async def pass_(self) -> bool:
        """Begin and ask; whether anything moved."""
        raise NotImplementedError

    def ended(self) -> Ended:
        """How it ended, or how long to wait."""
        raise NotImplementedError

    def waiting(self, words: str = "resources are being changed") -> Ended:
        """Look again soon at what is young, later at what takes long."""
        under_way = self.under_way()
        ages = [self.reader.work(part).age_s for part in under_way]
        longest = HELD_S if any(part.attempt for part in under_way) else LONGEST_S
        return "", words, min(longest, max(SHORTEST_S, min(ages, default=LONGEST_S) / 4))

    def under_way(self) -> list[Part]:
        return [part for part in self.parts if part.status == "IN_PROGRESS"]

    async def each(self, some: Sequence[Part], do: Callable[[Part], Awaitable[Any]]) -> list[Any]:
        """Do something for several resources side by side; what fails says so on the resource.

        What breaks in one way that nobody thought of breaks the pass, when the others have ended.
        """
        requested = (self._one(part, do) for part in some)
        found = await asyncio.gather(*requested, return_exceptions=True)
        for one in found:
            if isinstance(one, BaseException):
                raise one
        return found

    async def _one(self, part: Part, do: Callable[[Part], Awaitable[Any]]) -> Any:
        async with self._slots:
            try:
                return await do(part)
            except HanokError as error:
                self.fail(part, error.message)
                return None

    def start(self, part: Part, action: str) -> None:
        """Say that the work on a resource begins."""
        now = self.room.clock.now()
        part.action, part.status, part.reason = action, "IN_PROGRESS", "state changed"
        part.created_at = part.created_at or now
        part.updated_at = now
        part.attempt = new_request_id()
        part.data["begun_in"] = self.traversal
        self.put(part)
        self.say(part)

    def _traversal_of(self, part: Part) -> str:
        """The change in which a resource's work was begun: what a later one overtook is looked at again in that one."""
        return str(part.data.pop("begun_in", self.traversal))

    def settle(self, part: Part) -> None:
        part.status, part.reason = "COMPLETE", "state changed"
        part.traversal = self._traversal_of(part)
        part.attempt = ""
        for name in ("changed", "before", "again"):
            part.data.pop(name, None)
        self.put(part)
        self.say(part)
        self.reader.known = {
            key: value for key, value in self.reader.known.items() if key[0] != part.id
        }

    def fail(self, part: Part, why: str) -> None:
        why = str(self.reader.program.veiled(why))
        part.status, part.traversal, part.attempt = "FAILED", self._traversal_of(part), ""
        part.reason = why[:2000] if "resources." in why else f"resources.{part.name}: {why}"[:2000]
        self.put(part)
        self.say(part)

    def failed(self) -> list[Part]:
        return [
            one for one in self.parts if one.status == "FAILED" and one.traversal == self.traversal
        ]

    def why(self) -> str:
        """Of all that failed, in the words of a stack."""
        first = self.failed()[0]
        return f"Resource {first.action} failed: {first.reason}"

    async def _begin(self, part: Part) -> None:
        """Send what begins the work on a resource; done again after a crash, and where it is held by another change.

        Its attempt is kept until it was taken: it says that there is something to begin.
        """
        try:
            await self._send(part)
        except Busy as error:
            part.reason = error.message[:2000]
            self.put(part)
            return
        await failpoint("orchestration.begun")
        part.attempt = ""
        self.put(part)

    async def _send(self, part: Part) -> None:
        work = self.reader.work(part)
        driver = self.driver(part)
        if part.data.get("external") and part.action != "CHECK":
            pass  # somebody else's: it is read, and left as it is
        elif part.action == "CREATE":
            await failpoint("orchestration.create")
            part.physical_id = await driver.create(work) or part.physical_id
        elif part.action == "UPDATE":
            await driver.update(work, part.data.get("changed") or {})
        elif part.action == "DELETE" and part.data.get("policy") != "Retain":
            await driver.delete(work)
        elif part.action in _OTHER:
            await _OTHER[part.action](driver, work)

    def _prepare(self, part: Part) -> None:
        if part.action == "CREATE" and not part.data.get("external"):
            self.driver(part).prepare(self.reader.work(part))
            self.put(part)

    async def begin(self, some: Sequence[Part]) -> None:
        """The rows first, then what they say, then what came of it; and what has to be made instead of some, too."""
        while some:
            for part in some:
                self._prepare(part)
            await self.flush()
            await self.each(some, self._begin)
            some, self._anew = self._anew, []
        await self.flush()

    async def _ask(self, part: Part) -> bool:
        """Whether the work on a resource ended, well or not; what could not be begun before is begun."""
        if part.attempt:
            await self._begin(part)
        if part.attempt:
            return False
        driver, work = self.driver(part), self.reader.work(part)
        if part.data.get("external") or (
            part.action == "DELETE" and part.data.get("policy") == "Retain"
        ):
            return self._done(part)
        requested = {
            "CREATE": driver.created, "UPDATE": driver.updated, "DELETE": driver.deleted,
            "SUSPEND": driver.suspended, "RESUME": driver.resumed,
        }.get(part.action)  # fmt: skip
        return requested is None or await requested(work)

    def _done(self, part: Part) -> bool:
        return True

    async def ask(self, some: Sequence[Part]) -> bool:
        """Ask of each how far it is; whether one ended."""
        ended = False
        before = {part.id: copy.deepcopy(part.data) for part in some}
        for part, done in zip(some, await self.each(some, self._ask), strict=True):
            if done:
                self.done(part)
            elif part.data != before[part.id]:
                self.put(part)  # what the driver learnt while it asked
            ended = ended or bool(done) or part.status == "FAILED"
        return ended

    def done(self, part: Part) -> None:
        if part.action != "DELETE":
            self.settle(part)
            return
        part.status, part.reason = "COMPLETE", "state changed"
        self.say(part)
        self.drop(part)

    async def _recover(self) -> None:
        """What was begun by a process that died before it wrote what came of it."""
        cut = [part for part in self.under_way() if part.attempt]
        for part in cut:
            part.data["again"] = True
            if part.action != "CREATE" or not self.driver(part).found_by_request:
                continue
            if made := await self.room.made_by(part.attempt):
                part.physical_id, part.attempt = made, ""
                self.put(part)
        await self.begin([part for part in cut if part.attempt])

    async def _time_is_up(self) -> Ended:
        for part in self.under_way():
            try:
                if not part.data.get("external"):
                    await self.driver(part).aborted(self.reader.work(part))
            except HanokError:
                pass
            part.data["begun_in"] = self.traversal
            self.fail(part, f"{part.action} aborted (it timed out)")
        await self.flush()
        return "FAILED", f"{self.stack.action.capitalize()} timed out", 0.0


async def _check(driver: Driver, work: Work) -> None:
    await driver.check(work)


async def _snapshot(driver: Driver, work: Work) -> None:
    kept = await driver.snapshot(work)
    work.part.data.setdefault("snapshots", {})[work.stack.task["snapshot"]] = kept


_OTHER: dict[str, Callable[[Driver, Work], Awaitable[None]]] = {
    "SUSPEND": lambda driver, work: driver.suspend(work),
    "RESUME": lambda driver, work: driver.resume(work),
    "CHECK": _check,
    "SNAPSHOT": _snapshot,
}

__all__ = ["Ended", "Failed", "Passes"]
