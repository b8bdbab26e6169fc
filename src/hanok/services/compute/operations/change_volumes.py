"""Volumes that an existing server gets and loses, and that become larger while it has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hanok.base.errors import StepFailed
from hanok.commands import InstanceState, SetVolumes
from hanok.operations import Run, Step
from hanok.services.compute.logic import server_volumes, servers
from hanok.services.compute.operations import with_volumes
from hanok.services.compute.operations.changing import OnServer, existing
from hanok.services.compute.operations.create_server import START_S
from hanok.services.compute.room import Compute
from hanok.store import Transaction

LET_GO_S = 20.0  # what a guest gets to let go of a volume; one that runs takes half a second
UNDO_S = 5.0


class OnVolume(OnServer, frozen=True, kw_only=True):
    """An operation on one volume of a server. row_id: of `compute_server_volumes`."""

    volume_id: str
    row_id: str

    async def failed(self, run: Run[Any, Compute], tx: Transaction, why: str) -> None:
        """The record of the action says so, and a message of the volume; the server goes on."""
        await self.take_back(run, tx)
        if (volumes := run.tools.find_volumes()) is not None:
            action = self.happens.removeprefix("volume_")
            await volumes.tell(
                tx, self.volume_id, action, f"Could not {self.said} server {self.server_id}: {why}"
            )

    async def cancelled(self, run: Run[Any, Compute], tx: Transaction) -> None:
        await self.take_back(run, tx)

    async def take_back(self, run: Run[Any, Compute], tx: Transaction) -> None:
        """Server and volume are as they were."""


async def _row(run: Run[Any, Compute]) -> Any:
    """Raises StepFailed: the server has the volume no more."""
    found = await run.read(server_volumes.by_id, run.args.row_id)
    if found is None:
        raise StepFailed("The server has the volume no longer.")
    return found


async def _set_volumes(
    run: Run[Any, Compute], row: Any, *, without: str = "", undone: bool = False
) -> None:
    """The guest has the volumes that its rows name.

    Args:
        without: the id of the row of one that it is not to have. undone: this takes back what was begun: a guest that
            does not let go is cut off.
    """
    rows = await run.read(server_volumes.of_server, row.id)
    command = SetVolumes(
        server_id=row.id,
        generation=run.args.generation + undone,
        volumes=server_volumes.guest_volumes(rows, without=without),
        timeout_s=UNDO_S if undone else LET_GO_S,
        required=not undone,
        request_id=run.request_id,
    )
    if undone:
        await run.ask_or_owe(row.host, command, InstanceState, timeout_s=START_S)
    else:
        await run.ask(row.host, command, InstanceState, timeout_s=LET_GO_S + START_S)


class OpenVolume(Step["AttachVolume", Compute, None], name="open_volume"):
    """The volume can be reached from the server's host; it is kept for the server since the request."""

    async def do(self, run: Run[AttachVolume, Compute]) -> None:
        row = await existing(run)
        await with_volumes.open_one(run, await _row(run), row.host)

    async def undo(self, run: Run[AttachVolume, Compute]) -> None:
        row = await run.read(server_volumes.by_id, run.args.row_id)
        if row is not None:
            await with_volumes.close_one(run, row)


class PlugVolume(Step["AttachVolume", Compute, None], name="plug_volume"):
    """The guest has the volume; one that does not run has it with its next start."""

    async def do(self, run: Run[AttachVolume, Compute]) -> None:
        row = await existing(run)
        await _row(run)
        await _set_volumes(run, row)

    async def save(self, run: Run[AttachVolume, Compute], tx: Transaction, result: None) -> None:
        row = await server_volumes.by_id(tx, run.args.row_id)
        if row is None:
            raise StepFailed("The server has the volume no longer.")
        await run.tools.volumes.complete(tx, row.attachment_id, row.device)
        await server_volumes.change(tx, row.id, state=server_volumes.ATTACHED)

    async def undo(self, run: Run[AttachVolume, Compute]) -> None:
        if (row := await with_volumes.has_guest(run)) is not None:
            await _set_volumes(run, row, without=run.args.row_id, undone=True)

    async def unsave(self, run: Run[AttachVolume, Compute], tx: Transaction) -> None:
        await servers.raise_generation(tx, run.args.server_id, run.args.generation + 1)


class AttachVolume(OnVolume, frozen=True, kw_only=True, tag="compute.attach_volume"):
    """Give a server a volume that is kept for it."""

    happens = "volume_attach"
    said = "attach the volume to"
    steps = (OpenVolume, PlugVolume)

    async def take_back(self, run: Run[Any, Compute], tx: Transaction) -> None:
        row = await server_volumes.by_id(tx, self.row_id)
        if row is not None:
            await with_volumes.let_go(run, tx, row)


class UnplugVolume(Step["DetachVolume", Compute, None], name="unplug_volume"):
    """The guest has let go of the volume."""

    async def do(self, run: Run[DetachVolume, Compute]) -> None:
        row = await existing(run)
        if row.host:
            await _set_volumes(run, row, without=run.args.row_id)

    async def undo(self, run: Run[DetachVolume, Compute]) -> None:
        if (row := await with_volumes.has_guest(run)) is not None:
            await _set_volumes(run, row, undone=True)

    async def unsave(self, run: Run[DetachVolume, Compute], tx: Transaction) -> None:
        await servers.raise_generation(tx, run.args.server_id, run.args.generation + 1)


class CloseVolume(Step["DetachVolume", Compute, None], name="close_volume"):
    """The volume is reached by the server no more, and free for others."""

    async def do(self, run: Run[DetachVolume, Compute]) -> None:
        row = await run.read(server_volumes.by_id, run.args.row_id)
        if row is not None:
            await with_volumes.close_one(run, row)

    async def save(self, run: Run[DetachVolume, Compute], tx: Transaction, result: None) -> None:
        row = await server_volumes.by_id(tx, run.args.row_id)
        if row is not None:
            await with_volumes.let_go(run, tx, row)

    async def undo(self, run: Run[DetachVolume, Compute]) -> None:
        """It is open again for the guest that keeps it."""
        row = await run.read(server_volumes.by_id, run.args.row_id)
        if row is not None and (server := await with_volumes.has_guest(run)) is not None:
            await with_volumes.open_one(run, row, server.host)


class DetachVolume(OnVolume, frozen=True, kw_only=True, tag="compute.detach_volume"):
    """Take a volume from a server. Where the guest does not let go, both stay as they are."""

    happens = "volume_detach"
    said = "detach the volume from"
    steps = (UnplugVolume, CloseVolume)

    async def take_back(self, run: Run[Any, Compute], tx: Transaction) -> None:
        row = await server_volumes.by_id(tx, self.row_id)
        if row is None:
            return
        await server_volumes.change(tx, row.id, state=server_volumes.ATTACHED)
        if row.attachment_id is not None and (volumes := run.tools.find_volumes()) is not None:
            await volumes.detaching(tx, row.attachment_id, back=True)


class TellSize(
    Step["ExtendVolume", Compute, None], name="compute_extend_volume", formerly=("extend_volume",)
):
    """The guest sees how large the volume is; one that does not run sees it with its next start.

    Clients that wait for that look for an event of this name, which is upstream's.
    """

    async def do(self, run: Run[ExtendVolume, Compute]) -> None:
        row, volume = await existing(run), await _row(run)
        if not row.host or volume.address is None:
            return
        await with_volumes.open_one(run, volume, row.host)
        await _set_volumes(run, row)


class ExtendVolume(OnVolume, frozen=True, kw_only=True, tag="compute.extend_volume"):
    """Tell a server's guest that a volume is larger now."""

    happens = "volume_extend"
    said = "tell of the larger volume to"
    steps = (TellSize,)


async def extended(
    room: Compute,
    tx: Transaction,
    volume_id: str,
    server_ids: Sequence[str],
    user_id: str | None = None,
) -> None:
    """A volume has become larger: those of these servers that have it are told. user_id: who made it larger."""
    for server_id in server_ids:
        await tx.serialize("compute.volumes", server_id)
        row = await servers.get_any(tx, server_id)
        volume = await server_volumes.get(tx, server_id, volume_id)
        if row is None or volume is None or not row.host or row.task_state == "deleting":
            continue
        generation = int(row.generation) + 1
        await servers.raise_generation(tx, row.id, generation)
        operation = ExtendVolume(
            server_id=row.id, generation=generation, volume_id=volume_id, row_id=volume.id
        )
        await room.operations.start(tx, operation, user_id=user_id, project_id=row.project_id)
