"""From the row that the request wrote to a running guest that has volumes: made for it, or kept by the request."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row

from hanok.base.errors import Conflict, HanokError, StepFailed, Unavailable
from hanok.operations import Run, Step, Waiting
from hanok.services.block_storage.facade import BlockStorage, VolumeInfo
from hanok.services.compute.logic import server_volumes, servers
from hanok.services.compute.operations import create_server, with_volumes
from hanok.services.compute.operations.create_server import (
    AskPlacement,
    BindPorts,
    ClaimHost,
    CreateServer,
    FetchImage,
    WeighHosts,
    building,
)
from hanok.services.compute.room import Compute
from hanok.store import Transaction
from hanok.web.token import Caller

MAKE_S = 6 * 3600.0  # a volume of an image of a TiB


class MakeVolumes(Step["CreateServerWithVolumes", Compute, None], name="make_volumes"):
    """The volumes that are made for the server are there, and kept for it."""

    deadline_s = MAKE_S

    async def do(self, run: Run[CreateServerWithVolumes, Compute]) -> None:
        server = await building(run)
        await self._begin(run, server)
        for row in await run.read(server_volumes.of_server, server.id):
            if row.made:
                await _there(run, row)

    @staticmethod
    async def _begin(run: Run[CreateServerWithVolumes, Compute], server: Any) -> None:
        """Each volume is asked for once: its id is written with the request for it."""
        volumes = run.tools.volumes
        async with run.transaction() as tx:
            for row in await server_volumes.of_server(tx, server.id):
                if row.volume_id is None:
                    volume_id = await _create(tx, volumes, server, row)
                    await server_volumes.change(tx, row.id, volume_id=volume_id)

    async def save(
        self, run: Run[CreateServerWithVolumes, Compute], tx: Transaction, result: None
    ) -> None:
        volumes, server_id = run.tools.volumes, run.args.server_id
        server = await servers.get_any(tx, server_id)
        if server is None:
            raise StepFailed("The server was deleted while it was being built.")
        for row in await server_volumes.of_server(tx, server_id):
            if row.attachment_id is None:
                kept = await volumes.reserve(tx, _owner(server), row.volume_id, server_id)
                state = server_volumes.RESERVED
                await server_volumes.change(tx, row.id, attachment_id=kept, state=state)

    async def unsave(self, run: Run[CreateServerWithVolumes, Compute], tx: Transaction) -> None:
        await _give_back(run, tx)


def _owner(server: Any) -> Caller:
    """Who the volumes belong to. What they are made of was looked at with the caller's own eyes."""
    return Caller(user_id=server.user_id, project_id=server.project_id, everywhere=True)


async def _create(tx: Transaction, volumes: BlockStorage, server: Any, row: Row[Any]) -> str:
    """Ask for a volume; returns its id. Raises StepFailed: it cannot be made, or is over a quota."""
    owner = _owner(server)
    name = f"{server.id}-blank-vol" if row.source_type == "blank" else ""
    try:
        return await volumes.create(
            tx,
            owner,
            size_gib=row.size_gib,
            name=name,
            source=(row.source_type, row.source_id or ""),
            type=row.volume_type,
            server_id=server.id,
            image_caller=owner,
        )
    except Unavailable:
        raise
    except HanokError as error:
        raise StepFailed(f"A volume could not be made: {error.message}") from error


async def _there(run: Run[Any, Compute], row: Row[Any]) -> None:
    """The volume is there.

    Raises:
        Waiting: not yet. StepFailed: it will not be.
    """
    volumes = run.tools.volumes
    info = await run.read(volumes.get, row.volume_id)
    if info is None or info.status.startswith("error"):
        raise StepFailed(await _why(run, volumes, row, info))
    if info.status not in ("available", "reserved", "in-use"):

        async def still(tx: Transaction) -> bool:
            now = await volumes.get(tx, row.volume_id)
            return now is not None and now.status in ("creating", "downloading")

        raise Waiting("the volumes are being made", on=f"volume:{row.volume_id}", still=still)


async def _why(
    run: Run[Any, Compute], volumes: BlockStorage, row: Row[Any], info: VolumeInfo | None
) -> str:
    said = await run.read(volumes.last_message, row.volume_id)
    status = "deleted" if info is None else info.status
    return f"Volume {row.volume_id} did not finish being created. Its status is {status}." + (
        f" {said}" if said else ""
    )


async def _give_back(run: Run[Any, Compute], tx: Transaction) -> None:
    """What was kept for the server is free, and what was made for it goes."""
    for row in await server_volumes.of_server(tx, run.args.server_id):
        await with_volumes.let_go(run, tx, row)
        if row.made and row.volume_id is not None:
            try:
                async with tx.savepoint():
                    await run.tools.volumes.delete(tx, row.volume_id, force=True)
            except Conflict:
                continue  # somebody else has it by now


class OpenVolumes(Step["CreateServerWithVolumes", Compute, None], name="open_volumes"):
    """The volumes can be reached from the server's host."""

    async def do(self, run: Run[CreateServerWithVolumes, Compute]) -> None:
        row = await building(run)
        await with_volumes.open_all(run, row.id, row.host)

    async def undo(self, run: Run[CreateServerWithVolumes, Compute]) -> None:
        await with_volumes.close_all(run, run.args.server_id)

    async def unsave(self, run: Run[CreateServerWithVolumes, Compute], tx: Transaction) -> None:
        await with_volumes.address_gone(tx, run.args.server_id)


class StartGuest(create_server.StartGuest, name="start_guest"):
    """Start the guest; the volumes are attached from then on."""

    async def save(self, run: Run[Any, Compute], tx: Transaction, result: None) -> None:
        await super().save(run, tx, result)
        await with_volumes.all_attached(run, tx, run.args.server_id)


class CreateServerWithVolumes(
    CreateServer, frozen=True, kw_only=True, tag="compute.create_server_with_volumes"
):
    """Build a server that has volumes. Where one of them fails, what was made is taken away again."""

    steps = (
        AskPlacement,
        WeighHosts,
        ClaimHost,
        FetchImage,
        MakeVolumes,
        BindPorts,
        OpenVolumes,
        StartGuest,
    )

    async def failed(self, run: Run[Any, Compute], tx: Transaction, why: str) -> None:
        await _give_back(run, tx)
        await CreateServer.failed(self, run, tx, why)

    async def cancelled(self, run: Run[Any, Compute], tx: Transaction) -> None:
        await _give_back(run, tx)
