"""What a room writes: steps and operations; and what the engine hands to them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, ClassVar, Concatenate, Generic, Literal, ParamSpec, Protocol, TypeVar

import msgspec
from msgspec import Struct

from hanok.base.clock import Clock
from hanok.base.errors import StepFailed, Unavailable
from hanok.base.failpoints import failpoint
from hanok.bus import Bus, NobodyThere
from hanok.commands import Answer, Command, Failed, Stale
from hanok.commands.wire import ask, decode_answer, encode
from hanok.store import Database, Transaction

OperationT = TypeVar("OperationT", bound="Operation")
ToolsT = TypeVar("ToolsT")
ResultT = TypeVar("ResultT")
AnswerT = TypeVar("AnswerT")
P = ParamSpec("P")

Pool = Literal["quick", "transfer"]

__all__ = ["Cancelled", "Child", "Operation", "Pool", "Run", "Step", "Waiting", "decode_answer"]


class Cancelled(Exception):
    """Somebody asked for the operation to stop; it is being undone."""


Still = Callable[[Transaction], Awaitable[bool]]
"""Whether something still has to be waited for, asked in the transaction that says that it is."""


class Waiting(Exception):
    """The step waits for something and gives its slot back; it is done again from its start after that.

    Args:
        reason: in the user's words ("the volume is being copied"). on: the topic of the news that ends the waiting
            (a resource, "port:<id>"); "" for none. poll_s: when to look again without any news.
        still: whether it still has to wait, asked in the transaction that gives the slot back: news may have come
            since the step looked.
    """

    def __init__(
        self,
        reason: str,
        *,
        on: str = "",
        poll_s: float = 5.0,
        still: Still | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.on = on
        self.poll_s = poll_s
        self.still = still


class Step(Generic[OperationT, ToolsT, ResultT]):
    """One step.

    `do` reaches outside, may run twice, and may be interrupted anywhere. `undo` takes that back; it may run twice, and
    after a `do` that never got anywhere. `save` and `unsave` are the only effects on the database, in the transaction
    that marks the step done or undone.

    name: as it stands in rows and in what users read ("fetch_image"), given with the class; it stays when the class is
        renamed. formerly: names under which older versions began this step.
    result_type: what `do` returns, kept in the step's row for later steps; None keeps nothing.
    deadline_s: how long `do`, all its tries and waits together, may take before the step has failed; and one try of
        `undo`. A step that a restarted worker takes up begins anew.
    interruptible: whether a cancel ends `do` at once. Otherwise it is heeded where `do` calls `check_cancelled`.
    """

    name: ClassVar[str] = ""
    formerly: ClassVar[tuple[str, ...]] = ()
    result_type: ClassVar[Any] = None
    deadline_s: ClassVar[float] = 600.0
    interruptible: ClassVar[bool] = True

    def __init_subclass__(cls, *, name: str = "", formerly: tuple[str, ...] = ()) -> None:
        super().__init_subclass__()
        cls.name, cls.formerly = name, formerly

    async def do(self, run: Run[OperationT, ToolsT]) -> ResultT:
        raise NotImplementedError

    async def save(self, run: Run[OperationT, ToolsT], tx: Transaction, result: ResultT) -> None:
        return None

    async def undo(self, run: Run[OperationT, ToolsT]) -> None:
        return None

    async def unsave(self, run: Run[OperationT, ToolsT], tx: Transaction) -> None:
        return None


class Operation(Struct, frozen=True, kw_only=True):
    """The arguments of an operation; its class lists the steps.

    resource: "server:<id>": operations of one resource run one after another.
    pool: whose slots it takes: "transfer" for what waits on users' far ends and on disks, so that it holds up no other.
    deadline_s: after so long, all queues and waits included, an operation that has not ended is stuck.
    with_files: whether it works on bytes in control's folders, so that only a process beside these runs it.
    """

    steps: ClassVar[tuple[type[Step[Any, Any, Any]], ...]] = ()
    pool: ClassVar[Pool] = "quick"
    deadline_s: ClassVar[float] = 3600.0
    with_files: ClassVar[bool] = False

    @property
    def resource(self) -> str:
        raise NotImplementedError

    @property
    def queue(self) -> str:
        """Which workers take it: "any"; "host:<name>", a few of one host at a time; "controller:<name>", that one."""
        return "any"

    @property
    def event(self) -> str:
        """What events of it are called, without the end: "compute.instance.create"; "" for none.

        ".start", ".end" and ".error" are emitted when it begins, is done, or has failed or was stopped.
        """
        return ""

    async def news(self, run: Run[Any, Any], tx: Transaction) -> dict[str, Any]:
        """The payload of its events: the resource as it is now, as the field's notifications have it."""
        return {}

    async def failed(self, run: Run[Any, Any], tx: Transaction, why: str) -> None:
        """Say on the resource that the operation failed, in the transaction that ends it. All steps are undone."""

    async def cancelled(self, run: Run[Any, Any], tx: Transaction) -> None:
        """The operation was stopped on request and undone."""

    async def stuck(self, run: Run[Any, Any], tx: Transaction, why: str) -> None:
        """Say on the resource that the operation neither ends nor can be undone; it is tried on."""


class Child(Struct, frozen=True, kw_only=True):
    """An operation that a step started, at its end. state: done, failed, cancelled."""

    id: str
    state: str
    error: str | None
    last_result: bytes | None

    def result(self, step: type[Step[Any, Any, ResultT]]) -> ResultT | None:
        """What its last step, which is this one, returned."""
        if self.last_result is None:
            return None
        found: ResultT = msgspec.msgpack.decode(self.last_result, type=step.result_type)
        return found


class Engine(Protocol):
    """What a run asks of the engine that runs it."""

    @property
    def stop(self) -> bool:
        """Whether the operation was cancelled."""

    async def children(self, operations: Sequence[Operation]) -> list[Child]: ...

    async def progress(self, percent: float) -> None: ...

    async def hold(self, tx: Transaction) -> None:
        """Raises LeaseLost when another worker has the operation; else none takes it before the transaction ends."""

    async def still_mine(self) -> None:
        """Raises LeaseLost when another worker has taken the operation over."""


class Run(Generic[OperationT, ToolsT]):
    """One taking of an operation: its arguments and what its steps work with.

    tools: what control handed to the engine for this kind of operation (the room's context).
    user_id: whose request began it; None: nobody's.
    """

    def __init__(
        self,
        *,
        operation_id: str,
        args: OperationT,
        database: Database,
        bus: Bus,
        clock: Clock,
        tools: ToolsT,
        request_id: str,
        results: dict[str, bytes],
        engine: Engine,
        user_id: str | None = None,
    ) -> None:
        self.operation_id = operation_id
        self.args = args
        self.database = database
        self.bus = bus
        self.clock = clock
        self.tools = tools
        self.request_id = request_id
        self.user_id = user_id
        self.host: str | None = None
        self.debts: list[tuple[str, Command]] = []
        self._results = results
        self._engine = engine

    def check_cancelled(self) -> None:
        """For loops inside steps that are not interruptible.

        Raises:
            Cancelled: the operation is to stop.
        """
        if self._engine.stop:
            raise Cancelled

    async def children(self, *operations: Operation) -> list[Child]:
        """Run operations side by side as parts of this step; call it again with the same ones to find them.

        They are rows of their own, survive this process, and are cancelled with this operation. The step's undo
        begins when those that still run have ended, undone; those that are done are for its `undo` to take back.

        Raises:
            Waiting: they have not all ended.
            StepFailed: one of them failed; the message is its own.
        """
        return await self._engine.children(operations)

    async def progress(self, percent: float) -> None:
        """Say how far the operation is; cheap to call often."""
        await self._engine.progress(percent)

    async def read(
        self,
        look: Callable[Concatenate[Transaction, P], Awaitable[ResultT]],
        *args: P.args,
        **kw: P.kwargs,
    ) -> ResultT:
        """Run a reading function in a short look at the database."""
        async with self.database.read() as tx:
            return await look(tx, *args, **kw)

    def reading(self) -> AbstractAsyncContextManager[Transaction]:
        return self.database.read()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """For the rare step that must write before it reaches outside.

        Raises:
            LeaseLost: another worker has taken the operation over while this one slept; it writes nothing more.
        """
        async with self.database.write() as tx:
            await self._engine.hold(tx)
            yield tx

    def result(self, step: type[Step[Any, Any, ResultT]]) -> ResultT | None:
        """What an earlier step returned, if it declares a result_type and was done."""
        for name in (step.name, *step.formerly):
            if (raw := self._results.get(name)) is not None:
                found: ResultT = msgspec.msgpack.decode(raw, type=step.result_type)
                return found
        return None

    async def ask(
        self, host: str, command: Command, answer: type[AnswerT], *, timeout_s: float
    ) -> AnswerT:
        """Ask a host for a state and return its answer.

        Raises:
            Unavailable: the host does not answer, or says that the trouble may pass: the step is tried again.
            StepFailed: the host cannot do it; the message is for the user.
            LeaseLost: another worker has taken the operation over; the host is not asked.
        """
        await self._engine.still_mine()
        self.host = host
        point = f"command.{type(command).__name__}"
        try:
            reply = await self._send(host, command, point, timeout_s)
        except NobodyThere as error:
            raise Unavailable(f"Host {host} does not answer.", detail=str(error)) from error
        if isinstance(reply, Failed):
            if reply.transient:
                raise Unavailable(reply.message, detail=reply.detail)
            raise StepFailed(reply.message, detail=reply.detail)
        if isinstance(reply, Stale):
            raise StepFailed(
                "A newer request for this resource came before this one.",
                detail=f"{type(command).__name__}: host {host} has seen generation {reply.known_generation}",
            )
        if not isinstance(reply, answer):
            raise StepFailed(
                "The host gave an answer that does not fit the request.",
                detail=f"{host}: {reply!r}"[:500],
            )
        return reply

    async def _send(self, host: str, command: Command, point: str, timeout_s: float) -> Answer:
        mode = await failpoint(f"{point}.send")
        reply = await ask(self.bus, host, command, timeout_s=timeout_s)
        if mode == "twice":
            reply = await ask(self.bus, host, command, timeout_s=timeout_s)
        if mode == "lose":
            raise NobodyThere(f"failpoint {point}: the reply was lost")
        return reply

    async def ask_or_owe(
        self, host: str, command: Command, answer: type[AnswerT], *, timeout_s: float
    ) -> AnswerT | None:
        """For undo: ask, or leave the command as a debt when the host does not answer."""
        try:
            return await self.ask(host, command, answer, timeout_s=timeout_s)
        except Unavailable:
            self.debts.append((host, command))
            return None


def encode_result(step: type[Step[Any, Any, Any]], result: Any) -> bytes | None:
    return None if step.result_type is None else encode(result)
