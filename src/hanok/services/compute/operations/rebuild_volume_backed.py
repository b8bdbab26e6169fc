"""From a server that boots from a volume to one whose volume has the content of another image."""

from __future__ import annotations

import asyncio
from typing import Any

from hanok.base.errors import StepFailed
from hanok.operations import Run, Step, Waiting
from hanok.services.compute.logic import server_volumes, servers
from hanok.services.compute.operations import with_volumes
from hanok.services.compute.operations.changing import StopGuest, existing
from hanok.services.compute.operations.rebuild_server import MakeDisk, RebuildServer
from hanok.services.compute.room import Compute
from hanok.store import Transaction

LOOK_S, LOOKS = 0.2, 2500  # less than what one try of an undo may take
WRITE_S = 6 * 3600.0  # an image of a TiB


async def _is_written(run: Run[Any, Compute], volume_id: str) -> bool:
    """Whether an image is being written onto a volume."""
    info = await run.read(run.tools.volumes.get, volume_id)
    return info is not None and info.status == "downloading"


async def _not_busy(run: Run[Any, Compute], volume_id: str) -> None:
    """Raises Waiting while an image is being written onto the volume."""
    volumes = run.tools.volumes

    async def still(tx: Transaction) -> bool:
        now = await volumes.get(tx, volume_id)
        return now is not None and now.status == "downloading"

    if await _is_written(run, volume_id):
        raise Waiting("the image is being written", on=f"volume:{volume_id}", still=still)


class CloseRoot(Step["RebuildVolumeBacked", Compute, None], name="close_root"):
    """Nobody has the root volume open, and the image is being written onto it."""

    async def do(self, run: Run[RebuildVolumeBacked, Compute]) -> None:
        row = await run.read(server_volumes.by_id, run.args.root_id)
        if row is None:
            raise StepFailed("The server has its root volume no longer.")
        await _not_busy(run, row.volume_id)
        await with_volumes.close_one(run, row, "fail")

    async def save(
        self, run: Run[RebuildVolumeBacked, Compute], tx: Transaction, result: None
    ) -> None:
        args = run.args
        row = await server_volumes.by_id(tx, args.root_id)
        if row is None:
            raise StepFailed("The server has its root volume no longer.")
        await run.tools.volumes.reimage(tx, row.volume_id, args.image_id)
        task = "rebuild_block_device_mapping"
        await servers.set_task(tx, args.server_id, task, run.clock.now())
        await servers.change(tx, args.server_id, {"disk_generation": args.generation})

    async def undo(self, run: Run[RebuildVolumeBacked, Compute]) -> None:
        row, server = (
            await run.read(server_volumes.by_id, run.args.root_id),
            await with_volumes.has_guest(run),
        )
        if row is None or server is None:
            return
        for _ in range(LOOKS):
            if not await _is_written(run, row.volume_id):
                break
            await asyncio.sleep(LOOK_S)
        await with_volumes.open_one(run, row, server.host)


class WriteRoot(Step["RebuildVolumeBacked", Compute, None], name="write_root"):
    """The root volume has the image's content, and can be reached from the host again."""

    deadline_s = WRITE_S

    async def do(self, run: Run[RebuildVolumeBacked, Compute]) -> None:
        server = await existing(run)
        row = await run.read(server_volumes.by_id, run.args.root_id)
        if row is None:
            raise StepFailed("The server has its root volume no longer.")
        volumes = run.tools.volumes
        info = await run.read(volumes.get, row.volume_id)
        if info is None or info.status.startswith("error"):
            said = await run.read(volumes.last_message, row.volume_id)
            raise StepFailed(f"The image could not be written onto the root volume. {said or ''}")
        await _not_busy(run, row.volume_id)
        await with_volumes.open_one(run, row, server.host)

    async def save(
        self, run: Run[RebuildVolumeBacked, Compute], tx: Transaction, result: None
    ) -> None:
        await servers.set_task(tx, run.args.server_id, "rebuild_spawning", run.clock.now())


class RebuildVolumeBacked(
    RebuildServer, frozen=True, kw_only=True, tag="compute.rebuild_volume_backed"
):
    """Write an image onto a server's root volume, and start it anew. root_id: of the volume's row."""

    image_id: str
    root_id: str
    steps = (StopGuest, CloseRoot, WriteRoot, MakeDisk)
