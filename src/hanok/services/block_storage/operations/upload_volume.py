"""An image is made of a volume, also while servers use it."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

from hanok.base.errors import StepFailed
from hanok.commands import (
    Done,
    EnsureVolumeCopy,
    ForgetVolumeCopy,
    HandOverVolumeCopy,
    VolumeState,
    copy_name,
)
from hanok.operations import Run, Step
from hanok.services.block_storage.logic import keys, volumes
from hanok.services.block_storage.operations.on_volume import (
    ASK_S,
    WORK_S,
    OnVolume,
    as_before,
    existing,
    place_of,
    until_done,
)
from hanok.services.block_storage.room import Volumes
from hanok.services.image.facade import snapshots as images
from hanok.store import Transaction

FORGET_S = 30.0


class CopyOut(Step["UploadVolume", Volumes, str], name="copy_volume"):
    """The host has a copy of the volume as it was at one moment. Returns the host."""

    result_type: ClassVar[Any] = str
    deadline_s = WORK_S

    async def do(self, run: Run[UploadVolume, Volumes]) -> str:
        row = await existing(run)
        host, backend = place_of(row)
        request = EnsureVolumeCopy(
            copy_id=run.args.image_id,
            volume_id=row.id,
            backend=backend,
            disk_format=run.args.disk_format,
            key=keys.of(run.tools, row),
            request_id=run.request_id,
        )
        await until_done(run, host, request)
        return host

    async def undo(self, run: Run[UploadVolume, Volumes]) -> None:
        row = await run.read(volumes.get_any, run.args.volume_id)
        await drop_copy(run, None if row is None else row.host)


async def drop_copy(run: Run[UploadVolume, Volumes], host: str | None) -> None:
    """The copy is not needed any more; a host that does not answer owes that."""
    if host:
        request = ForgetVolumeCopy(copy_id=run.args.image_id, request_id=run.request_id)
        await run.ask_or_owe(host, request, Done, timeout_s=FORGET_S)
    await asyncio.to_thread(run.tools.copies.forget, copy_name(run.args.image_id))


class StoreImage(Step["UploadVolume", Volumes, images.Stored], name="store_image"):
    """The copy is looked at, hashed and put into the image service's store; the image is active."""

    result_type: ClassVar[Any] = images.Stored
    deadline_s = WORK_S

    async def do(self, run: Run[UploadVolume, Volumes]) -> images.Stored:
        room, image_id = run.tools, run.args.image_id
        await bring_copy(run, run.result(CopyOut) or "")
        return await images.take(
            room.images,
            image_id,
            room.copies.path(copy_name(image_id)),
            run.args.disk_format,
            attempt=run.operation_id,
            still_requested=run.check_cancelled,
        )

    async def save(
        self, run: Run[UploadVolume, Volumes], tx: Transaction, result: images.Stored
    ) -> None:
        if await volumes.get_any(tx, run.args.volume_id) is None:
            raise StepFailed("The volume was deleted while its image was being made.")
        await images.finish(tx, run.tools.images, run.args.image_id, result, {})
        await run.args.free(run, tx)

    async def undo(self, run: Run[UploadVolume, Volumes]) -> None:
        await images.forget(run.tools.images, run.args.image_id, attempt=run.operation_id)


async def bring_copy(run: Run[UploadVolume, Volumes], host: str) -> None:
    """The copy is in control's folder: the host has left it there, or hands it over."""
    room, name = run.tools, copy_name(run.args.image_id)
    while not await asyncio.to_thread(room.copies.has, name):
        target = room.tickets.to_write(name, host, room.images.settings.maximum_bytes)
        request = HandOverVolumeCopy(
            copy_id=run.args.image_id, target=target, request_id=run.request_id
        )
        await run.ask(host, request, VolumeState, timeout_s=ASK_S)
        run.check_cancelled()


class TidyUp(Step["UploadVolume", Volumes, None], name="tidy_up"):
    """The host's copy is gone."""

    async def do(self, run: Run[UploadVolume, Volumes]) -> None:
        await drop_copy(run, run.result(CopyOut))


class UploadVolume(OnVolume, frozen=True, kw_only=True, tag="block_storage.upload_volume"):
    """Make an image, whose row is written, of a volume."""

    with_files = True
    image_id: str
    disk_format: str
    action = "upload"
    to = ""
    pool = "transfer"
    steps = (CopyOut, StoreImage, TidyUp)

    async def free(self, run: Run[Any, Volumes], tx: Transaction) -> None:
        """The volume is as it was."""
        row = await volumes.get_any(tx, self.volume_id)
        if row is not None and row.status == "uploading":
            await as_before(tx, run.tools, row)

    async def failed(self, run: Run[Any, Volumes], tx: Transaction, why: str) -> None:
        await images.give_up(tx, run.tools.images, self.image_id)
        await self.show(run, tx, why)

    async def cancelled(self, run: Run[Any, Volumes], tx: Transaction) -> None:
        await images.give_up(tx, run.tools.images, self.image_id)
