"""From a server whose host is dead to one that is made anew on another; volumes and addresses stay, the disk does not.

The dead host owes that it gives the server up. What it is told carries a newer generation than all that it knows, and
before it starts anything by itself it asks what is still its own; so one that comes back runs nothing that was moved.
"""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from hanok.base.errors import StepFailed
from hanok.commands import Done, InstanceState, RemoveInstance
from hanok.operations import Run, Step
from hanok.services.compute import states
from hanok.services.compute.logic import bindings, migrations, servers, topologies
from hanok.services.compute.operations import with_volumes
from hanok.services.compute.operations.changing import existing, with_values
from hanok.services.compute.operations.create_server import (
    COPY_S,
    START_S,
    ensure_image,
    instance_command,
)
from hanok.services.compute.operations.delete_server import REMOVE_S
from hanok.services.compute.operations.resize_server import (
    ClaimHost,
    MigrateServer,
    place_at,
)
from hanok.services.compute.room import Compute
from hanok.services.network import facade as networks
from hanok.services.placement import facade as placement
from hanok.store import Transaction


class StartOnOtherHost(Step["EvacuateServer", Compute, str], name="start_elsewhere"):
    """The guest is there, with a new root disk, and stands as is asked; the dead host owes that it gives it up.

    Returns the power state.
    """

    result_type: ClassVar[Any] = str
    deadline_s = 3 * COPY_S

    async def do(self, run: Run[EvacuateServer, Compute]) -> str:
        args, row, host = run.args, await existing(run), _host(run)
        requested = with_values(row, {"host": host, "disk_generation": args.generation})
        await ensure_image(run, requested)
        await place_at(run, host)
        await with_volumes.open_all(run, row.id, host)
        password = run.tools.secrets.open(args.admin_pass) if args.admin_pass else None
        command = await instance_command(
            run, requested, args.generation, None if password is None else password.decode()
        )
        command = msgspec.structs.replace(command, power=args.power)
        state = await run.ask(host, command, InstanceState, timeout_s=START_S)
        gone = RemoveInstance(
            server_id=row.id, generation=args.generation, request_id=run.request_id
        )
        run.debts.append((row.host, gone))
        return state.power

    async def save(self, run: Run[EvacuateServer, Compute], tx: Transaction, result: str) -> None:
        server_id, now = run.args.server_id, run.clock.now()
        row = await servers.get_any(tx, server_id)
        if row is None or row.task_state == "deleting":
            raise StepFailed("The server was deleted.")
        await bindings.arrive(tx, server_id, _host(run), now)
        await bindings.leave(tx, server_id, row.host)
        await placement.release(tx, run.args.migration_id, now)
        await topologies.keep_only(tx, server_id, _host(run), row.flavor_id)
        columns = {"disk_generation": run.args.generation, "launched_at": now}
        await servers.change(tx, server_id, columns)
        power = states.POWER.get(result, states.NO_STATE)
        vm_state = "stopped" if run.args.power == "stopped" else "active"
        await servers.settled(tx, server_id, vm_state, power, now)
        await migrations.set_status(tx, run.args.migration_id, "done", now)

    async def undo(self, run: Run[EvacuateServer, Compute]) -> None:
        command = RemoveInstance(
            server_id=run.args.server_id,
            generation=run.args.generation + 1,
            request_id=run.request_id,
        )
        await run.ask_or_owe(_host(run), command, Done, timeout_s=REMOVE_S)

    async def unsave(self, run: Run[EvacuateServer, Compute], tx: Transaction) -> None:
        row = await servers.get_any(tx, run.args.server_id)
        if row is not None:
            await networks.place(tx, run.tools.network, row.id, row.host or "")
        await servers.raise_generation(tx, run.args.server_id, run.args.generation + 1)


def _host(run: Run[Any, Compute]) -> str:
    claimed = run.result(ClaimHost)
    assert claimed is not None
    return claimed.host


class EvacuateServer(MigrateServer, frozen=True, kw_only=True, tag="compute.evacuate_server"):
    """Make a server anew on another host than its dead one.

    power: how it stands at the end. admin_pass: sealed; only where the server has a config drive.
    """

    happens = "evacuate"
    said = "evacuate"

    power: str = "running"
    admin_pass: str = ""
    steps: ClassVar[tuple[type[Step[Any, Any, Any]], ...]] = (ClaimHost, StartOnOtherHost)
