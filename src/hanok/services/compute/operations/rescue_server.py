"""From a server to one that is booted from another image, and back."""

from __future__ import annotations

from typing import Any, ClassVar

from hanok.commands import InstanceState
from hanok.operations import Run, Step
from hanok.services.compute import states
from hanok.services.compute.logic import servers
from hanok.services.compute.operations.changing import (
    OnServer,
    StopGuest,
    existing,
    put_back,
    with_values,
)
from hanok.services.compute.operations.create_server import (
    COPY_S,
    START_S,
    ensure_image,
    instance_command,
)
from hanok.services.compute.room import Compute
from hanok.store import Transaction


class FetchImage(Step["RescueServer", Compute, None], name="fetch_image"):
    """The image that it is rescued with is on the host."""

    deadline_s = 3 * COPY_S

    async def do(self, run: Run[RescueServer, Compute]) -> None:
        await ensure_image(run, await existing(run), run.args.image_id)


class StartRescue(Step["RescueServer", Compute, str], name="start_rescue"):
    """The guest runs from that image, with a disk of its own beside it. Returns the power state."""

    result_type: ClassVar[Any] = str
    deadline_s = 3 * COPY_S

    async def do(self, run: Run[RescueServer, Compute]) -> str:
        args, row = run.args, await existing(run)
        await ensure_image(run, row, args.image_id)
        password = run.tools.secrets.open(args.admin_pass) if args.admin_pass else None
        told = None if password is None else password.decode()
        rescued = with_values(row, {"rescue": args.rescue})
        command = await instance_command(run, rescued, args.generation, told)
        return (await run.ask(row.host, command, InstanceState, timeout_s=START_S)).power

    async def save(self, run: Run[RescueServer, Compute], tx: Transaction, result: str) -> None:
        now, power = run.clock.now(), states.POWER.get(result, states.NO_STATE)
        await servers.settled(tx, run.args.server_id, "rescued", power, now)
        values = {"rescue": run.args.rescue, "launched_at": now}
        await servers.change(tx, run.args.server_id, values)

    async def undo(self, run: Run[RescueServer, Compute]) -> None:
        await put_back(run)

    async def unsave(self, run: Run[RescueServer, Compute], tx: Transaction) -> None:
        await servers.raise_generation(tx, run.args.server_id, run.args.generation + 1)


class RescueServer(OnServer, frozen=True, kw_only=True, tag="compute.rescue_server"):
    """Boot a server from an image. admin_pass: sealed; only where the server has a config drive.

    how: of the row's `rescue`, all but the image.
    """

    happens = "rescue"
    said = "rescue"

    image_id: str
    how: dict[str, Any]
    admin_pass: str = ""
    steps = (FetchImage, StopGuest, StartRescue)

    async def news(self, run: Run[Any, Compute], tx: Transaction) -> dict[str, Any]:
        told = await OnServer.news(self, run, tx)
        return {**told, "rescue_image_ref": self.image_id}

    @property
    def rescue(self) -> dict[str, Any]:
        """As the server's row has it."""
        return {"image_id": self.image_id, **self.how}


class StopRescue(StopGuest, name="stop_guest"):
    """The guest that rescues is switched off at once, as upstream does: from then on its disk is the server's own."""

    soft: ClassVar[bool] = False


class StartOwn(Step["UnrescueServer", Compute, str], name="start_own"):
    """The guest runs from its own disk; the other one is gone. Returns the power state."""

    result_type: ClassVar[Any] = str

    async def do(self, run: Run[UnrescueServer, Compute]) -> str:
        row = with_values(await existing(run), {"rescue": None})
        command = await instance_command(run, row, run.args.generation, None)
        return (await run.ask(row.host, command, InstanceState, timeout_s=START_S)).power

    async def save(self, run: Run[UnrescueServer, Compute], tx: Transaction, result: str) -> None:
        now, power = run.clock.now(), states.POWER.get(result, states.NO_STATE)
        await servers.settled(tx, run.args.server_id, "active", power, now)
        await servers.change(tx, run.args.server_id, {"rescue": None})


class UnrescueServer(OnServer, frozen=True, kw_only=True, tag="compute.unrescue_server"):
    """Boot a rescued server from its own disk again. Where that fails it stays rescued, and may be asked for again."""

    happens = "unrescue"
    said = "unrescue"
    steps = (StopRescue, StartOwn)
