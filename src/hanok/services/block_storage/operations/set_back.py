"""A volume gets other content: that of its last snapshot, or of an image."""

from __future__ import annotations

from typing import Any

from hanok.base.errors import StepFailed
from hanok.commands.volumes import VolumeSource
from hanok.operations import Run, Step, Waiting
from hanok.services.block_storage.logic import attachments, creating, snapshots, volumes
from hanok.services.block_storage.operations.create_volume import COPY_S, image_at
from hanok.services.block_storage.operations.on_volume import (
    WORK_S,
    OnVolume,
    command,
    existing,
    place_of,
    until_done,
)
from hanok.services.block_storage.room import Volumes
from hanok.services.image import facade as images
from hanok.store import Transaction


class SetBack(Step["RevertVolume", Volumes, None], name="set_back"):
    """The volume is as its snapshot has it."""

    deadline_s = WORK_S

    async def do(self, run: Run[RevertVolume, Volumes]) -> None:
        row = await existing(run)
        host, _ = place_of(row)
        await until_done(run, host, await command(run, row, content=run.args.snapshot_id))

    async def save(self, run: Run[RevertVolume, Volumes], tx: Transaction, result: None) -> None:
        await run.args.free_snapshot(run, tx)
        await volumes.settle(tx, run.tools, run.args.volume_id, "available")


class RevertVolume(OnVolume, frozen=True, kw_only=True, tag="block_storage.revert_volume"):
    """Set a volume back to its last snapshot."""

    snapshot_id: str
    happens = "revert"
    action = "revert"
    steps = (SetBack,)

    async def free_snapshot(self, run: Run[Any, Volumes], tx: Transaction) -> None:
        await snapshots.change(tx, self.snapshot_id, {"status": "available"}, run.clock.now())

    async def failed(self, run: Run[Any, Volumes], tx: Transaction, why: str) -> None:
        await self.free_snapshot(run, tx)
        await self.show(run, tx, why)


class BringImage(Step["ReimageVolume", Volumes, None], name="fetch_image"):
    """The image is in the cache of the volume's host."""

    deadline_s = 3 * COPY_S

    async def do(self, run: Run[ReimageVolume, Volumes]) -> None:
        row = await existing(run)
        await image_at(run, run.args.image_id, place_of(row)[0])


class WriteImage(Step["ReimageVolume", Volumes, None], name="write_image"):
    """The volume has the image's content, and says so."""

    deadline_s = WORK_S

    async def do(self, run: Run[ReimageVolume, Volumes]) -> None:
        row = await existing(run)
        host, _ = place_of(row)
        if await run.read(
            volumes.is_read, row.id
        ):  # compute does not ask when it rebuilds a server
            raise Waiting("something is being made of what is on the volume", poll_s=1.0)
        source = VolumeSource(kind="image", id=run.args.image_id)
        await until_done(run, host, await command(run, row, source=source, replace=True))

    async def save(self, run: Run[ReimageVolume, Volumes], tx: Transaction, result: None) -> None:
        image = await images.get(tx, run.args.image_id)
        if image is None:
            raise StepFailed("The image was deleted meanwhile.")
        values = {"bootable": True, "image_metadata": creating.image_metadata(image)}
        await volumes.settle(
            tx, run.tools, run.args.volume_id, run.args.after, image_id=image.id, **values
        )
        if run.args.after != "available":
            await attachments.follow(tx, run.tools, run.args.volume_id)


class ReimageVolume(OnVolume, frozen=True, kw_only=True, tag="block_storage.reimage_volume"):
    """Write an image onto a volume that nobody has open. after: its status then."""

    image_id: str
    after: str
    happens = "reimage"
    action = "reimage"
    pool = "transfer"
    steps = (BringImage, WriteImage)
