"""A stack becomes what its row says.

One step, done in passes. A pass looks at the rows of the resources and at what they shall be, begins what can begin,
asks of what is under way how far it is, and writes both. So nothing has to be remembered: whoever takes the operation
up, after a wait, a crash or another change, goes on from the rows.

What makes a resource is a request with an id that is in the resource's row before it is sent. If the process dies
before the answer is written, the next one finds by that id what was made (`Orchestration.made_by`), or asks again.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from hanok.base.errors import HanokError
from hanok.events import Event
from hanok.operations import Operation, Run, Step, Waiting
from hanok.services.orchestration.logic import snapshots, stacks
from hanok.services.orchestration.operations.changing import Changing
from hanok.services.orchestration.operations.passes import Passes
from hanok.services.orchestration.operations.sweeping import Sweeping
from hanok.services.orchestration.room import Orchestration
from hanok.store import Transaction

FOR_EVER_S = 30 * 86_400.0  # a stack has a deadline of its own


class Outcome(Struct, frozen=True):
    """How a change ended. status: COMPLETE or FAILED; empty: it was overtaken, and another one says."""

    status: str
    reason: str = ""


def passes(run: Run[ConvergeStack, Orchestration], stack: Any) -> Passes:
    kind = Sweeping if stack.action in stacks.SWEEPS else Changing
    return kind(run, stack)


class Converge(Step["ConvergeStack", Orchestration, Outcome], name="converge"):
    result_type = Outcome
    deadline_s = FOR_EVER_S
    interruptible = False

    async def do(self, run: Run[ConvergeStack, Orchestration]) -> Outcome:
        stack = await run.read(stacks.find, run.args.stack_id)
        if stack is None or stack.deleted_at is not None or stack.status != "IN_PROGRESS":
            return Outcome("")
        try:
            status, reason, wait_s = await passes(run, stack).go()
        except HanokError as error:
            return Outcome("FAILED", error.message)
        if not status:
            raise Waiting(reason, on=f"stack:{stack.id}", poll_s=wait_s)
        return Outcome(status, reason)

    async def save(
        self, run: Run[ConvergeStack, Orchestration], tx: Transaction, result: Outcome
    ) -> None:
        stack = await stacks.find(tx, run.args.stack_id)
        if not result.status or stack is None:
            return
        if result.status == "FAILED" and _rolls_back(stack):
            await _roll_back(tx, run.tools, stack, result.reason)
            return
        if kept := stack.task.get("snapshot"):
            await snapshots.end(tx, kept, result.status, result.reason)
        if stack.action == "DELETE" and result.status == "COMPLETE":
            await stacks.bury(tx, run.tools, stack)
        else:
            await stacks.end(tx, run.tools, stack, stack.action, result.status, result.reason)
        if stack.parent_id is not None:
            await _tell_parent(tx, run.tools, stack)


def _rolls_back(stack: Any) -> bool:
    return stack.action in ("CREATE", "UPDATE") and not stack.disable_rollback


async def _roll_back(tx: Transaction, room: Orchestration, stack: Any, why: str) -> None:
    """Become what it was before: nothing, where it is new."""
    values: dict[str, Any] = {"task": {**stack.task, "empty": stack.action == "CREATE"}}
    if stack.action == "UPDATE" and stack.previous is not None:
        values["source"] = stack.previous
    reason = f"{why} Rollback started"
    await stacks.begin(tx, room, stack, "ROLLBACK", reason=why or reason, **values)


async def _tell_parent(tx: Transaction, room: Orchestration, stack: Any) -> None:
    event = Event(
        kind="orchestration.stack.nested",
        resource=f"stack:{stack.parent_id}",
        project_id=stack.project_id,
        user_id=stack.user_id,
        payload={"stack_id": stack.id},
    )
    await room.events.emit(tx, event)


class ConvergeStack(Operation, frozen=True, kw_only=True, tag="orchestration.converge"):
    """Bring a stack's resources to what its row says."""

    stack_id: str
    steps = (Converge,)
    deadline_s = FOR_EVER_S

    @property
    def resource(self) -> str:
        return f"stack:{self.stack_id}"

    async def failed(self, run: Run[Any, Orchestration], tx: Transaction, why: str) -> None:
        await self._say(run, tx, why)

    async def stuck(self, run: Run[Any, Orchestration], tx: Transaction, why: str) -> None:
        await self._say(run, tx, why)

    async def _say(self, run: Run[Any, Orchestration], tx: Transaction, why: str) -> None:
        stack = await stacks.find(tx, self.stack_id)
        if stack is not None and stack.deleted_at is None:
            await stacks.end(tx, run.tools, stack, stack.action, "FAILED", why)


__all__ = ["Converge", "ConvergeStack"]
