"""From a server whose row says of what image it is to be, to a guest with a root disk of that."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from hanok.commands import InstanceState
from hanok.operations import Run, Step
from hanok.services.compute import states
from hanok.services.compute.logic import servers
from hanok.services.compute.operations.changing import OnServer, Stands, existing
from hanok.services.compute.operations.create_server import (
    COPY_S,
    START_S,
    ensure_image,
    instance_command,
    signature_holds,
)
from hanok.services.compute.room import Compute
from hanok.services.image import facade as images
from hanok.store import Transaction


class FetchImage(Step["RebuildServer", Compute, None], name="fetch_image"):
    """The new image is on the host; until here the server is as it was."""

    deadline_s = 3 * COPY_S

    async def do(self, run: Run[RebuildServer, Compute]) -> None:
        row = await existing(run)
        await signature_holds(run, row.image_id)
        await ensure_image(run, row)

    async def save(self, run: Run[RebuildServer, Compute], tx: Transaction, result: None) -> None:
        args = run.args
        await servers.set_task(tx, args.server_id, "rebuild_spawning", run.clock.now())
        await servers.change(tx, args.server_id, {"disk_generation": args.generation})


class MakeDisk(Step["RebuildServer", Compute, str], name="make_disk"):
    """The guest is ended, its root disk made anew; ports and addresses stay. Returns the power state."""

    result_type: ClassVar[Any] = str

    async def do(self, run: Run[RebuildServer, Compute]) -> str:
        args, row = run.args, await existing(run)
        await ensure_image(run, row)  # much may have happened since
        password = run.tools.secrets.open(args.admin_pass) if args.admin_pass else None
        command = msgspec.structs.replace(
            await instance_command(
                run, row, args.generation, None if password is None else password.decode()
            ),
            keep_ephemeral=args.keep_ephemeral,
            power=args.power,
        )
        state = await run.ask(row.host, command, InstanceState, timeout_s=START_S)
        return state.power

    async def save(self, run: Run[RebuildServer, Compute], tx: Transaction, result: str) -> None:
        vm_state = "stopped" if run.args.power == "stopped" else "active"
        now, power = run.clock.now(), states.POWER.get(result, states.NO_STATE)
        await servers.settled(tx, run.args.server_id, vm_state, power, now)
        await servers.change(tx, run.args.server_id, {"launched_at": now})


class RebuildServer(OnServer, frozen=True, kw_only=True, tag="compute.rebuild_server"):
    """Make a server's root disk anew.

    power: how it stands at the end. before: columns of its row as they were. admin_pass: sealed; only where the
    server has a config drive. keep_ephemeral: whether its further disks stay. signer: as of CreateServer.
    """

    happens = "rebuild"
    said = "rebuild"

    power: Stands
    before: dict[str, Any]
    admin_pass: str = ""
    keep_ephemeral: bool = False
    signer: images.Certificate | None = None
    steps: ClassVar[tuple[type[Step[Any, Any, Any]], ...]] = (FetchImage, MakeDisk)

    async def failed(self, run: Run[Any, Compute], tx: Transaction, why: str) -> None:
        """While the old disk is there the server is what it was; later it is in ERROR, and may be rebuilt again."""
        row = await servers.get_any(tx, self.server_id)
        touched = row is not None and row.disk_generation == self.generation
        if not touched:
            await servers.change(tx, self.server_id, self.before)
        message, now = f"Could not rebuild the server: {why}", run.clock.now()
        await servers.failed(tx, self.server_id, message, "", now, to_error=touched)
