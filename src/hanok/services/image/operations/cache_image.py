"""A copy of an image in control's cache."""

from __future__ import annotations

from typing import Any

from hanok.base.errors import StepFailed
from hanok.drivers.image_stores import StoreBroken
from hanok.drivers.image_stores.files import FileStore
from hanok.operations import Operation, Run, Step
from hanok.services.image.logic import cache, images
from hanok.services.image.operations.import_image import TRANSFER_S
from hanok.services.image.room import Images
from hanok.services.image.tables import image_cache
from hanok.store import Transaction


class FillCache(Step["CacheImage", Images, int], name="fill_cache"):
    """The copy is there."""

    deadline_s = TRANSFER_S

    async def do(self, run: Run[CacheImage, Images]) -> int:
        room, image_id = run.tools, run.args.image_id
        row = await run.read(images.get_any, image_id)
        if row is None or row.status != "active":
            raise StepFailed("The image is not active any more.")
        if await run.read(cache.get, image_id) is None:
            raise StepFailed("The copy is no longer requested.")
        try:
            return await cache.fill(room, row, attempt=run.operation_id)
        except StoreBroken as error:
            raise StepFailed("The copy could not be written.", detail=str(error)) from error

    async def save(self, run: Run[CacheImage, Images], tx: Transaction, result: int) -> None:
        if not await cache.cached(tx, run.args.image_id, result, run.clock.now()):
            raise StepFailed("The copy is no longer requested.")

    async def undo(self, run: Run[CacheImage, Images]) -> None:
        target = FileStore(run.tools.cache)
        await target.abandon(run.args.image_id, attempt=run.operation_id)
        await target.delete(run.args.image_id)


class CacheImage(Operation, frozen=True, kw_only=True, tag="image.cache_image"):
    """From a wish for a copy to the copy."""

    with_files = True
    steps = (FillCache,)
    pool = "transfer"
    deadline_s = 3 * TRANSFER_S

    image_id: str

    @property
    def resource(self) -> str:
        return f"image-cache:{self.image_id}"

    async def failed(self, run: Run[Any, Images], tx: Transaction, why: str) -> None:
        await tx.execute(image_cache.delete().where(image_cache.c.image_id == self.image_id))

    async def cancelled(self, run: Run[Any, Images], tx: Transaction) -> None:
        await self.failed(run, tx, "")
