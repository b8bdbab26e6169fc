"""From a shelved server to one that runs: where it is, or on a host that is looked for anew."""

from __future__ import annotations

from typing import Any, ClassVar

from hanok.base.errors import StepFailed
from hanok.commands import Done, InstanceState, RemoveInstance, SetPower
from hanok.operations import Run, Step
from hanok.services.compute import states
from hanok.services.compute.logic import servers
from hanok.services.compute.operations import with_volumes
from hanok.services.compute.operations.changing import OnServer, existing, with_values
from hanok.services.compute.operations.create_server import (
    APPLY_S,
    COPY_S,
    START_S,
    AskPlacement,
    ClaimHost,
    WeighHosts,
    ensure_image,
    instance_command,
)
from hanok.services.compute.operations.drop_image import drop
from hanok.services.compute.room import Compute
from hanok.services.network import facade as networks
from hanok.store import Transaction


class FetchImage(Step["UnshelveServer", Compute, None], name="fetch_image"):
    """The image of its disk is on the host."""

    deadline_s = 3 * COPY_S

    async def do(self, run: Run[UnshelveServer, Compute]) -> None:
        await ensure_image(run, await existing(run), run.args.image_id)

    async def save(self, run: Run[UnshelveServer, Compute], tx: Transaction, result: None) -> None:
        await servers.set_task(tx, run.args.server_id, "spawning", run.clock.now())


class BindPorts(Step["UnshelveServer", Compute, None], name="bind_ports"):
    """Its ports are bound to the host, and the network engine knows it."""

    async def do(self, run: Run[UnshelveServer, Compute]) -> None:
        row = await existing(run)
        async with run.transaction() as tx:
            await networks.place(tx, run.tools.network, row.id, row.host or "")
        await networks.applied(run.tools.network, row.id, timeout_s=APPLY_S)

    async def unsave(self, run: Run[UnshelveServer, Compute], tx: Transaction) -> None:
        await networks.place(tx, run.tools.network, run.args.server_id, "")


OF_A_DISK = {"image_format": "qcow2"}  # whatever it was installed from


class StartGuest(Step["UnshelveServer", Compute, str], name="start_guest"):
    """The guest runs from a disk as it was kept; the image goes. Returns the power state."""

    result_type: ClassVar[Any] = str
    deadline_s = 3 * COPY_S

    async def do(self, run: Run[UnshelveServer, Compute]) -> str:
        args, row = run.args, await existing(run)
        await ensure_image(run, row, args.image_id)
        await with_volumes.open_all(run, row.id, row.host)
        kept = with_values(row, {"image_id": args.image_id, **OF_A_DISK})
        command = await instance_command(run, kept, args.generation, None)
        return (await run.ask(row.host, command, InstanceState, timeout_s=START_S)).power

    async def save(self, run: Run[UnshelveServer, Compute], tx: Transaction, result: str) -> None:
        await _back(run, tx, result, run.args.image_id)
        if (row := await servers.get_any(tx, run.args.server_id)) is not None:
            await with_volumes.name_devices(run, tx, row)
            await servers.change(tx, row.id, OF_A_DISK if row.image_id else {"image_format": "raw"})

    async def undo(self, run: Run[UnshelveServer, Compute]) -> None:
        row = await run.read(servers.get_even_deleted, run.args.server_id)
        if row is not None and row.host:
            command = RemoveInstance(
                server_id=row.id, generation=run.args.generation + 1, request_id=run.request_id
            )
            await run.ask_or_owe(row.host, command, Done, timeout_s=START_S)
            await with_volumes.close_all(run, row.id, "leave")

    async def unsave(self, run: Run[UnshelveServer, Compute], tx: Transaction) -> None:
        await with_volumes.address_gone(tx, run.args.server_id)
        await servers.raise_generation(tx, run.args.server_id, run.args.generation + 1)


async def _back(run: Run[Any, Compute], tx: Transaction, power: str, image_id: str) -> None:
    """The server runs, and its image is not needed any more."""
    server_id, now = run.args.server_id, run.clock.now()
    row = await servers.get_any(tx, server_id)
    if row is None or row.task_state == "deleting":
        raise StepFailed("The server was deleted.")
    await servers.settled(tx, server_id, "active", states.POWER.get(power, states.NO_STATE), now)
    values = {"launched_at": now, "shelved_image_id": None, "shelved_at": None}
    await servers.change(tx, server_id, values)
    await drop(run, tx, image_id)


class UnshelveServer(OnServer, frozen=True, kw_only=True, tag="compute.unshelve_server"):
    """Build a server that is on no host from the image of its disk."""

    happens = "unshelve"
    said = "unshelve"

    image_id: str
    steps = (AskPlacement, WeighHosts, ClaimHost, FetchImage, BindPorts, StartGuest)


class WakeGuest(Step["WakeServer", Compute, str], name="wake_guest"):
    """The guest runs from its disk, which never left. Returns the power state."""

    result_type: ClassVar[Any] = str

    async def do(self, run: Run[WakeServer, Compute]) -> str:
        row = await existing(run)
        command = SetPower(
            server_id=row.id,
            generation=run.args.generation,
            power="running",
            request_id=run.request_id,
        )
        return (await run.ask(row.host, command, InstanceState, timeout_s=START_S)).power

    async def save(self, run: Run[WakeServer, Compute], tx: Transaction, result: str) -> None:
        await _back(run, tx, result, run.args.image_id)


class WakeServer(OnServer, frozen=True, kw_only=True, tag="compute.wake_server"):
    """Start a shelved server that has not left its host."""

    happens = "unshelve"
    said = "unshelve"

    image_id: str
    steps = (WakeGuest,)
