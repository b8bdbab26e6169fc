"""From an image that waits and a server that boots from a volume, to an image that names snapshots of its volumes."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Row

from hanok.base.errors import HanokError, StepFailed, Unavailable
from hanok.operations import Run, Step, Waiting
from hanok.services.compute.logic import block_devices, server_volumes, servers
from hanok.services.compute.operations.create_image import CreateImage
from hanok.services.compute.room import Compute
from hanok.services.image import facade as images
from hanok.services.image.facade import snapshots
from hanok.store import Transaction
from hanok.web.token import Caller


class BeginSnapshots(Step["CreateImageOfVolumes", Compute, None], name="begin_snapshots"):
    """A snapshot of each volume is being taken, and the image names them."""

    async def do(self, run: Run[CreateImageOfVolumes, Compute]) -> None:
        return None

    async def save(
        self, run: Run[CreateImageOfVolumes, Compute], tx: Transaction, result: None
    ) -> None:
        server = await servers.get_any(tx, run.args.server_id)
        image = await images.get(tx, run.args.image_id)
        if server is None or image is None:
            raise StepFailed("The server or the image was deleted while the image was being made.")
        listed = [
            await _snapshot(run, tx, server, row, image.name or "")
            for row in await server_volumes.of_server(tx, server.id)
            if row.state == server_volumes.ATTACHED
        ]
        said = {
            block_devices.MAPPING: msgspec.json.encode(listed).decode(),
            "bdm_v2": "True",
            "root_device_name": server.root_device,
        }
        await snapshots.describe(tx, run.args.image_id, said)

    async def unsave(self, run: Run[CreateImageOfVolumes, Compute], tx: Transaction) -> None:
        for one in await _named(tx, run.args.image_id):
            await run.tools.volumes.delete_snapshot(tx, one)


async def _snapshot(
    run: Run[Any, Compute], tx: Transaction, server: Any, row: Row[Any], image_name: str
) -> dict[str, Any]:
    """Begin to take a snapshot of a volume; gives what the image says of it."""
    caller = Caller(user_id=server.user_id, project_id=server.project_id, everywhere=True)
    name = f"snapshot for {image_name}"[:255]
    try:
        made = await run.tools.volumes.snapshot(
            tx, caller, row.volume_id, name=name, description=""
        )
    except Unavailable:
        raise
    except HanokError as error:
        raise StepFailed(
            f"A snapshot of volume {row.volume_id} could not be taken: {error.message}"
        ) from error
    info = await run.tools.volumes.get(tx, row.volume_id)
    return {
        "source_type": "snapshot",
        "destination_type": "volume",
        "snapshot_id": made,
        "volume_size": None if info is None else info.size_gib,
        "device_name": row.device,
        "boot_index": row.boot_index,
        "delete_on_termination": row.delete_on_termination,
        "disk_bus": row.bus,
        "device_type": row.device_type,
        "tag": row.tag,
        "guest_format": None,
        "volume_type": None,
        "no_device": None,
        "image_id": None,
        "volume_id": None,
    }


async def _named(tx: Transaction, image_id: str) -> list[str]:
    """The snapshots that an image names."""
    image = await images.get(tx, image_id)
    text = "" if image is None else image.properties.get(block_devices.MAPPING, "")
    return [one["snapshot_id"] for one in msgspec.json.decode(text)] if text else []


class AwaitSnapshots(Step["CreateImageOfVolumes", Compute, None], name="await_snapshots"):
    """The snapshots are there; the image is active, the server free."""

    deadline_s = 3 * 3600.0

    async def do(self, run: Run[CreateImageOfVolumes, Compute]) -> None:
        volumes = run.tools.volumes
        for one in await run.read(_named, run.args.image_id):
            status = await run.read(volumes.status_of_snapshot, one)
            if status == "creating":
                raise Waiting("the snapshots are being taken", on=f"snapshot:{one}", poll_s=1.0)
            if status != "available":
                raise StepFailed(f"Snapshot {one} failed; its status is {status or 'deleted'}.")

    async def save(
        self, run: Run[CreateImageOfVolumes, Compute], tx: Transaction, result: None
    ) -> None:
        row = await servers.get_any(tx, run.args.server_id)
        if row is None or row.task_state == "deleting":
            raise StepFailed("The server was deleted while its image was being made.")
        await snapshots.finish_without_data(tx, run.tools.images, run.args.image_id)
        await servers.set_task(tx, row.id, None, run.clock.now())


class CreateImageOfVolumes(
    CreateImage, frozen=True, kw_only=True, tag="compute.create_image_of_volumes"
):
    """Make an image, whose row is written, of a server that boots from a volume."""

    steps = (BeginSnapshots, AwaitSnapshots)
