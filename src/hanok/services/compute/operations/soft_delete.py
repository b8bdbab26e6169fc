"""From a server to one that waits to be deleted, and back."""

from __future__ import annotations

from typing import Any, ClassVar

from hanok.base.errors import StepFailed
from hanok.commands import InstanceState
from hanok.operations import Run, Step
from hanok.services.compute import states
from hanok.services.compute.logic import servers
from hanok.services.compute.operations.changing import OnServer, StopGuest, existing
from hanok.services.compute.operations.create_server import START_S, instance_command
from hanok.services.compute.room import Compute
from hanok.store import Transaction


class SetAside(Step["SoftDelete", Compute, None], name="set_aside"):
    """The server waits to be deleted."""

    async def do(self, run: Run[SoftDelete, Compute]) -> None:
        await existing(run)

    async def save(self, run: Run[SoftDelete, Compute], tx: Transaction, result: None) -> None:
        server_id, now = run.args.server_id, run.clock.now()
        row = await servers.get_any(tx, server_id)
        if row is None or row.task_state == "deleting":
            raise StepFailed("The server is being deleted.")
        await servers.settled(tx, server_id, "soft-delete", states.SHUTDOWN, now)
        await servers.change(tx, server_id, {"soft_deleted_at": now, "rescue": None})


class SoftDelete(OnServer, frozen=True, kw_only=True, tag="compute.soft_delete_server"):
    """Switch a server off and let it wait to be deleted."""

    happens = "soft_delete"
    said = "delete"
    steps = (StopGuest, SetAside)


class StartAgain(Step["RestoreServer", Compute, str], name="start_again"):
    """The guest runs again. Returns the power state."""

    result_type: ClassVar[Any] = str

    async def do(self, run: Run[RestoreServer, Compute]) -> str:
        row = await existing(run)
        command = await instance_command(run, row, run.args.generation, None)
        return (await run.ask(row.host, command, InstanceState, timeout_s=START_S)).power

    async def save(self, run: Run[RestoreServer, Compute], tx: Transaction, result: str) -> None:
        server_id, now = run.args.server_id, run.clock.now()
        power = states.POWER.get(result, states.NO_STATE)
        await servers.settled(tx, server_id, "active", power, now)
        await servers.change(tx, server_id, {"soft_deleted_at": None})


class RestoreServer(OnServer, frozen=True, kw_only=True, tag="compute.restore_server"):
    """Bring a server back that waits to be deleted."""

    happens = "restore"
    said = "restore"
    steps = (StartAgain,)
