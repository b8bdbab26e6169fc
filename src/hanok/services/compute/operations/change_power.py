"""Start, stop, reboot, pause, unpause, suspend, resume."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from hanok.base.errors import StepFailed
from hanok.commands import InstanceState, RebootInstance, SetPower
from hanok.operations import Operation, Run, Step
from hanok.services.compute import states
from hanok.services.compute.logic import notifications, servers
from hanok.services.compute.room import Compute
from hanok.store import Transaction

STOP_S = 60.0  # what a guest gets to shut down by itself before its power is cut
SLACK_S = 60.0

Action = Literal["start", "stop", "reboot", "reboot_hard", "pause", "unpause", "suspend", "resume"]
EVENTS: dict[str, str] = {  # as the field's notifications call them
    "start": "power_on",
    "stop": "power_off",
    "reboot": "reboot",
    "reboot_hard": "reboot",
    "pause": "pause",
    "unpause": "unpause",
    "suspend": "suspend",
    "resume": "resume",
}
ENDS: dict[str, tuple[str, Literal["running", "paused", "suspended", "stopped"]]] = {
    "start": ("active", "running"),
    "stop": ("stopped", "stopped"),
    "reboot": ("active", "running"),
    "reboot_hard": ("active", "running"),
    "pause": ("paused", "paused"),
    "unpause": ("active", "running"),
    "suspend": ("suspended", "suspended"),
    "resume": ("active", "running"),
}


class AskHost(Step["ChangePower", Compute, str], name="ask_host"):
    """The host brings the guest into the wanted state."""

    result_type: ClassVar[Any] = str

    async def do(self, run: Run[ChangePower, Compute]) -> str:
        row = await run.read(servers.get_any, run.args.server_id)
        if row is None:
            raise StepFailed("The server was deleted.")
        if not row.host:
            raise StepFailed("The server is on no host.")
        args = run.args
        if args.action in ("reboot", "reboot_hard"):
            soft = args.action == "reboot"
            state = await run.ask(
                row.host,
                RebootInstance(
                    server_id=row.id,
                    generation=args.generation,
                    soft=soft,
                    timeout_s=STOP_S,
                    request_id=run.request_id,
                ),
                InstanceState,
                timeout_s=STOP_S + SLACK_S,
            )
        else:
            state = await run.ask(
                row.host,
                SetPower(
                    server_id=row.id,
                    generation=args.generation,
                    power=ENDS[args.action][1],
                    timeout_s=STOP_S,
                    request_id=run.request_id,
                ),
                InstanceState,
                timeout_s=STOP_S + SLACK_S,
            )
        return state.power

    async def save(self, run: Run[ChangePower, Compute], tx: Transaction, result: str) -> None:
        vm_state = ENDS[run.args.action][0]
        await servers.settled(
            tx,
            run.args.server_id,
            vm_state,
            states.POWER.get(result, states.NO_STATE),
            run.clock.now(),
        )


class ChangePower(Operation, frozen=True, kw_only=True, tag="compute.change_power"):
    """Bring an existing server into another power state."""

    server_id: str
    generation: int
    action: Action
    steps = (AskHost,)

    @property
    def resource(self) -> str:
        return f"server:{self.server_id}"

    @property
    def event(self) -> str:
        return f"compute.instance.{EVENTS[self.action]}"

    async def news(self, run: Run[Any, Compute], tx: Transaction) -> dict[str, Any]:
        return await notifications.news(tx, run.tools.network, self.server_id)

    async def stuck(self, run: Run[Any, Compute], tx: Transaction, why: str) -> None:
        await servers.stuck(tx, self.server_id, why, run.clock.now())

    async def failed(self, run: Run[Any, Compute], tx: Transaction, why: str) -> None:
        # The guest goes on as it was; the action says on its record why it did not work.
        hard = self.action in ("start", "reboot_hard", "resume")
        await servers.failed(
            tx,
            self.server_id,
            f"Could not {self.action.replace('_', ' ')} the server: {why}",
            "",
            run.clock.now(),
            to_error=hard,
        )

    async def cancelled(self, run: Run[Any, Compute], tx: Transaction) -> None:
        return None
