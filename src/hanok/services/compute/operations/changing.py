"""What operations on existing servers have in common."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, ClassVar, Literal

import msgspec

from hanok.base.errors import StepFailed
from hanok.commands import InstanceState, SetPower
from hanok.operations import Operation, Run, Step
from hanok.services.compute.logic import notifications, servers
from hanok.services.compute.operations.change_power import SLACK_S, STOP_S
from hanok.services.compute.operations.create_server import START_S, instance_command
from hanok.services.compute.room import Compute
from hanok.store import Transaction

Stands = Literal["running", "stopped"]
RUN = ("active", "error", "rescued", "resized")  # vm states whose guests run after an undo


class OnServer(Operation, frozen=True, kw_only=True):
    """An operation on an existing server.

    happens: what its events are called, as the field's notifications have it. said: the verb, in texts.
    to_error: whether a server that it failed on is in ERROR; otherwise it is as it was.
    """

    happens: ClassVar[str] = ""
    said: ClassVar[str] = ""
    to_error: ClassVar[bool] = False

    server_id: str
    generation: int

    @property
    def resource(self) -> str:
        return f"server:{self.server_id}"

    @property
    def event(self) -> str:
        return f"compute.instance.{self.happens}" if self.happens else ""

    async def news(self, run: Run[Any, Compute], tx: Transaction) -> dict[str, Any]:
        return await notifications.news(tx, run.tools.network, self.server_id)

    async def stuck(self, run: Run[Any, Compute], tx: Transaction, why: str) -> None:
        await servers.stuck(tx, self.server_id, why, run.clock.now())

    async def failed(self, run: Run[Any, Compute], tx: Transaction, why: str) -> None:
        message = f"Could not {self.said} the server: {why}"
        now = run.clock.now()
        await servers.failed(tx, self.server_id, message, "", now, to_error=self.to_error)


async def existing(run: Run[Any, Compute]) -> Any:
    """The server's row.

    Raises:
        StepFailed: it is gone.
    """
    row = await run.read(servers.get_any, run.args.server_id)
    if row is None:
        raise StepFailed("The server was deleted.")
    return row


def stands(row: Any) -> Stands:
    """How a guest is to stand after what is done to it while it is stopped."""
    return "stopped" if row.vm_state in ("stopped", "shelved") else "running"


def with_values(row: Any, values: dict[str, Any]) -> Any:
    """A row with other values in some of its columns."""
    return SimpleNamespace(**{**row._mapping, **values})


class StopGuest(Step[Any, Compute, None], name="stop_guest"):
    """The guest is switched off: it is asked first, and gets time. Undone, it runs again if it ran before."""

    soft: ClassVar[bool] = True

    async def do(self, run: Run[Any, Compute]) -> None:
        row = await existing(run)
        command = SetPower(
            server_id=row.id,
            generation=run.args.generation,
            power="stopped",
            soft=self.soft,
            timeout_s=STOP_S,
            request_id=run.request_id,
        )
        try:
            await run.ask(row.host, command, InstanceState, timeout_s=STOP_S + SLACK_S)
        except StepFailed:
            if row.vm_state != "error":  # one in ERROR may have no guest
                raise

    async def undo(self, run: Run[Any, Compute]) -> None:
        row = await run.read(servers.get_even_deleted, run.args.server_id)
        if row is None or row.task_state == "deleting" or row.vm_state not in RUN:
            return
        command = SetPower(
            server_id=row.id,
            generation=run.args.generation + 1,
            power="running",
            request_id=run.request_id,
        )
        await run.ask_or_owe(row.host, command, InstanceState, timeout_s=START_S)

    async def unsave(self, run: Run[Any, Compute], tx: Transaction) -> None:
        await servers.raise_generation(tx, run.args.server_id, run.args.generation + 1)


async def put_back(run: Run[Any, Compute], **more: Any) -> None:
    """For undo: the guest is again what its row says, with a generation above the operation's.

    Args:
        more: of the command, besides.
    """
    row = await run.read(servers.get_even_deleted, run.args.server_id)
    if row is None or row.task_state == "deleting":
        return
    generation = run.args.generation + 1
    stop = SetPower(
        server_id=row.id,
        generation=generation,
        power="stopped",
        soft=False,
        request_id=run.request_id,
    )
    command = msgspec.structs.replace(
        await instance_command(run, row, generation, None),
        power="running" if row.vm_state in RUN else "stopped",
        **more,
    )
    for one in (stop, command):
        await run.ask_or_owe(row.host, one, InstanceState, timeout_s=START_S)
