"""What is asked of a guest that goes on: an interrupt, another password."""

from __future__ import annotations

from typing import Any

from hanok.base.errors import StepFailed, Unavailable
from hanok.commands import AskAgent, Done, InjectNMI
from hanok.operations import Run, Step, Waiting
from hanok.services.compute.logic import servers
from hanok.services.compute.operations.changing import OnServer, existing
from hanok.services.compute.room import Compute
from hanok.store import Transaction

ASK_S = 30.0
AGAIN_S = 2.0  # a guest that has just been started is on its way


class Interrupt(Step["TriggerCrashDump", Compute, None], name="interrupt"):
    """The guest has had a non-maskable interrupt."""

    async def do(self, run: Run[TriggerCrashDump, Compute]) -> None:
        row = await existing(run)
        command = InjectNMI(server_id=row.id, token=run.operation_id, request_id=run.request_id)
        await run.ask(row.host, command, Done, timeout_s=ASK_S)


class TriggerCrashDump(OnServer, frozen=True, kw_only=True, tag="compute.trigger_crash_dump"):
    """Interrupt a guest, which dumps its memory if it is set up to. Nothing of its state changes."""

    happens = "trigger_crash_dump"
    said = "interrupt"
    steps = (Interrupt,)

    async def failed(self, run: Run[Any, Compute], tx: Transaction, why: str) -> None:
        """The record of the action says so; whatever else is under way goes on."""


class TellAgent(Step["ChangePassword", Compute, None], name="tell_agent"):
    """The guest's agent has set the password."""

    async def do(self, run: Run[ChangePassword, Compute]) -> None:
        row = await existing(run)
        password = run.tools.secrets.open(run.args.password)
        if password is None:
            raise StepFailed("The password cannot be read any more: the cloud's keys have changed.")
        command = AskAgent(
            server_id=row.id,
            user=run.args.user,
            password=password.decode(),
            request_id=run.request_id,
        )
        try:
            await run.ask(row.host, command, Done, timeout_s=ASK_S)
        except Unavailable as error:
            raise Waiting(error.message, poll_s=AGAIN_S) from error

    async def save(self, run: Run[ChangePassword, Compute], tx: Transaction, result: None) -> None:
        await servers.set_task(tx, run.args.server_id, None, run.clock.now())


class ChangePassword(OnServer, frozen=True, kw_only=True, tag="compute.change_password"):
    """Have the guest's agent set the password of a user. password: sealed."""

    happens = "password_set"
    said = "change the password of"

    user: str
    password: str
    steps = (TellAgent,)
