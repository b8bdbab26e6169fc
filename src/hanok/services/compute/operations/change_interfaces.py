"""Network interfaces that an existing server gets and loses."""

from __future__ import annotations

from typing import Any

from hanok.base.errors import StepFailed
from hanok.commands import InstanceState, SetInterfaces
from hanok.operations import Run, Step
from hanok.services.compute.logic import bandwidth, server_volumes, servers
from hanok.services.compute.operations.changing import OnServer, existing
from hanok.services.compute.operations.create_server import APPLY_S, START_S, drive_of
from hanok.services.compute.room import Compute
from hanok.services.network import facade as networks
from hanok.services.network.facade import NICPlan
from hanok.store import Transaction

LET_GO_S = 20.0  # what a guest gets to let go of an interface; one that runs takes half a second
UNDO_S = 5.0


class OnInterface(OnServer, frozen=True, kw_only=True):
    """An operation on one network interface of a server. port_id: its port."""

    port_id: str

    async def failed(self, run: Run[Any, Compute], tx: Transaction, why: str) -> None:
        """The record of the action says so; the server goes on, and so does whatever else is under way."""


async def _command(
    run: Run[Any, Compute],
    row: Any,
    *,
    without: str = "",
    undone: bool = False,
    dead: bool = False,
) -> SetInterfaces:
    """All interfaces of a server.

    Args:
        without: the port of the one that it is not to have. undone: this takes back what was begun.
        dead: a guest that does not let go of it keeps it, leading nowhere; so it is when undone.
    """
    async with run.reading() as tx:
        nics = await networks.nics(tx, row.id)
        ports = (await networks.ports_of(tx, [row.id])).get(row.id, [])
        volumes = await server_volumes.of_server(tx, row.id)
    kept = [port for port in ports if port.port_id != without]
    return SetInterfaces(
        server_id=row.id,
        generation=run.args.generation + undone,
        nics=tuple(nic for nic in nics if nic.port_id != without),
        config_drive=drive_of(row, kept, None, volumes, run.tools.settings.dhcp_domain),
        timeout_s=UNDO_S if undone else LET_GO_S,
        required=not (undone or dead),
        request_id=run.request_id,
    )


async def _put_back(run: Run[Any, Compute], *, without: str = "") -> None:
    """For undo: the guest has the interfaces that it had."""
    row = await run.read(servers.get_even_deleted, run.args.server_id)
    if row is None or row.deleted or not row.host or row.task_state == "deleting":
        return
    command = await _command(run, row, without=without, undone=True)
    await run.ask_or_owe(row.host, command, InstanceState, timeout_s=START_S)


async def _release(run: Run[Any, Compute], tx: Transaction) -> None:
    """The port is gone if it was made for the server, else free; the row names it no more. Twice is fine."""
    args = run.args
    await tx.serialize("compute.interfaces", args.server_id)
    row = await servers.get_even_deleted(tx, args.server_id)
    if row is None:
        return
    plan = NICPlan(port_id=args.port_id, network_id="", ours=False)
    await networks.release_plans(tx, run.tools.network, row.id, [plan])
    kept = [nic for nic in row.nics if nic["port_id"] != args.port_id]
    await servers.change(tx, row.id, {"nics": kept})
    await bandwidth.give_back(tx, row, kept, run.clock.now())


class BindPort(Step["AttachInterface", Compute, None], name="bind_port"):
    """The network engine knows the port, which the request has made or taken."""

    async def do(self, run: Run[AttachInterface, Compute]) -> None:
        row = await existing(run)
        await networks.applied(run.tools.network, row.id, timeout_s=APPLY_S)

    async def unsave(self, run: Run[AttachInterface, Compute], tx: Transaction) -> None:
        await _release(run, tx)


class PlugInterface(Step["AttachInterface", Compute, None], name="plug_interface"):
    """The guest has the interface; one that does not run has it with its next start."""

    async def do(self, run: Run[AttachInterface, Compute]) -> None:
        row = await existing(run)
        command = await _command(run, row)
        if all(nic.port_id != run.args.port_id for nic in command.nics):
            raise StepFailed("The port was deleted.")
        await run.ask(row.host, command, InstanceState, timeout_s=START_S)

    async def undo(self, run: Run[AttachInterface, Compute]) -> None:
        await _put_back(run, without=run.args.port_id)

    async def unsave(self, run: Run[AttachInterface, Compute], tx: Transaction) -> None:
        await servers.raise_generation(tx, run.args.server_id, run.args.generation + 1)


class AttachInterface(OnInterface, frozen=True, kw_only=True, tag="compute.attach_interface"):
    """Give a server an interface on a port that its row names, and that is the server's."""

    happens = "interface_attach"
    said = "attach an interface to"
    steps = (BindPort, PlugInterface)

    async def failed(self, run: Run[Any, Compute], tx: Transaction, why: str) -> None:
        await _release(run, tx)

    async def cancelled(self, run: Run[Any, Compute], tx: Transaction) -> None:
        await _release(run, tx)


async def port_gone(room: Compute, tx: Transaction, server_id: str, port_id: str) -> None:
    """A port of a server was deleted: the server has no interface on it any more."""
    row = await servers.get_any(tx, server_id)
    if row is None or row.task_state == "deleting":
        return
    generation = int(row.generation) + 1
    await servers.raise_generation(tx, row.id, generation)
    detach = DetachInterface(
        server_id=row.id, generation=generation, port_id=port_id, port_gone=True
    )
    await room.operations.start(tx, detach, project_id=row.project_id)


async def promised_anew(room: Compute, tx: Transaction, server_id: str) -> bool:
    """A server's ports are promised something else; False where its host has not that much, or it is busy."""
    await tx.serialize("compute.interfaces", server_id)
    row = await servers.get_any(tx, server_id)
    if row is None:
        return True
    if row.task_state:
        return False
    return await bandwidth.follow(tx, row, row.nics, room.clock.now())


class UnplugInterface(Step["DetachInterface", Compute, None], name="unplug_interface"):
    """The guest has let go of the interface, and the port is no longer the server's."""

    async def do(self, run: Run[DetachInterface, Compute]) -> None:
        row = await existing(run)
        if not row.host:
            return
        gone = run.args.port_gone
        command = await _command(run, row, without=run.args.port_id, dead=gone)
        await run.ask(row.host, command, InstanceState, timeout_s=LET_GO_S + START_S)

    async def save(self, run: Run[DetachInterface, Compute], tx: Transaction, result: None) -> None:
        await _release(run, tx)

    async def undo(self, run: Run[DetachInterface, Compute]) -> None:
        await _put_back(run)

    async def unsave(self, run: Run[DetachInterface, Compute], tx: Transaction) -> None:
        await servers.raise_generation(tx, run.args.server_id, run.args.generation + 1)


class DetachInterface(OnInterface, frozen=True, kw_only=True, tag="compute.detach_interface"):
    """Take an interface from a server.

    port_gone: its port was deleted, so a guest that does not let go of it has a dead one until it is started anew.
    """

    happens = "interface_detach"
    said = "detach an interface from"

    port_gone: bool = False
    steps = (UnplugInterface,)
