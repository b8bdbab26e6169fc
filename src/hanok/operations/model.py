"""What a room writes: steps and operations; and what the engine hands to them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, ClassVar, Concatenate, Generic, ParamSpec, TypeVar

from msgspec import Struct

from hanok.base.clock import Clock
from hanok.base.errors import StepFailed, Unavailable
from hanok.base.failpoints import failpoint
from hanok.bus import Bus, NobodyThere
from hanok.commands import Answer, Command, Failed, Stale
from hanok.commands.wire import ask, decode_answer, encode
from hanok.store import Database, Transaction

OperationT = TypeVar("OperationT", bound="Operation")
ResultT = TypeVar("ResultT")
AnswerT = TypeVar("AnswerT")
P = ParamSpec("P")

__all__ = ["Cancelled", "Operation", "Run", "Step", "decode_answer"]


class Cancelled(Exception):
    """Somebody asked for the operation to stop; it is being undone."""


class Step(Generic[OperationT, ResultT]):
    """One step. Its name is the class's name.

    `do` reaches outside and may run twice. `undo` takes that back; it may run twice, and where `do` never ran.
    `save` and `unsave` are the only effects on the database, in the transaction that marks the step done or undone.
    result_type: what `do` returns, kept in the step's row for later steps; None keeps nothing.
    """

    result_type: ClassVar[Any] = None

    async def do(self, run: Run[OperationT]) -> ResultT:
        raise NotImplementedError

    async def save(self, run: Run[OperationT], tx: Transaction, result: ResultT) -> None:
        return None

    async def undo(self, run: Run[OperationT]) -> None:
        return None

    async def unsave(self, run: Run[OperationT], tx: Transaction) -> None:
        return None


class Operation(Struct, frozen=True, kw_only=True):
    """The arguments of an operation; its class lists the steps.

    resource: "server:<id>": operations of one resource run one after another.
    """

    steps: ClassVar[tuple[type[Step[Any, Any]], ...]] = ()
    resource_kind: ClassVar[str] = ""

    @property
    def resource(self) -> str:
        raise NotImplementedError

    async def failed(self, run: Run[Any], tx: Transaction, why: str) -> None:
        """Say on the resource that the operation failed, in the transaction that ends it. All steps are undone."""

    async def cancelled(self, run: Run[Any], tx: Transaction) -> None:
        """The operation was stopped on request and undone."""


class Run(Generic[OperationT]):
    """One taking of an operation: its arguments and what its steps work with.

    tools: what control handed to the engine for this kind of operation (the room's facades).
    """

    def __init__(
        self,
        *,
        operation_id: str,
        args: OperationT,
        database: Database,
        bus: Bus,
        clock: Clock,
        tools: Any,
        request_id: str,
        results: dict[str, bytes],
        is_cancelled: Callable[[], bool],
    ) -> None:
        self.operation_id = operation_id
        self.args = args
        self.database = database
        self.bus = bus
        self.clock = clock
        self.tools = tools
        self.request_id = request_id
        self.host: str | None = None
        self.debts: list[tuple[str, Command]] = []
        self._results = results
        self._is_cancelled = is_cancelled

    def check_cancelled(self) -> None:
        """For loops inside long steps.

        Raises:
            Cancelled: the operation is to stop.
        """
        if self._is_cancelled():
            raise Cancelled

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

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """For the rare step that must write before it reaches outside."""
        return self.database.write()

    def result(self, step: type[Step[Any, ResultT]]) -> ResultT | None:
        """What an earlier step returned, if it declares a result_type and was done."""
        import msgspec

        raw = self._results.get(step.__name__)
        return None if raw is None else msgspec.msgpack.decode(raw, type=step.result_type)

    async def ask(
        self, host: str, command: Command, answer: type[AnswerT], *, timeout_s: float
    ) -> AnswerT:
        """Ask a host for a state and return its answer.

        Raises:
            Unavailable: the host does not answer, or says that the trouble may pass: the step is tried again.
            StepFailed: the host cannot do it; the message is for the user.
        """
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
                "This was overtaken by a newer request.",
                detail=f"{type(command).__name__}: host {host} has seen generation {reply.seen_generation}",
            )
        if not isinstance(reply, answer):
            raise StepFailed(
                "The host answered something else than was asked.",
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


def encode_result(step: type[Step[Any, Any]], result: Any) -> bytes | None:
    return None if step.result_type is None else encode(result)
