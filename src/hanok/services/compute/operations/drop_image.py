"""An image that kept a shelved server's disk, and is not needed any more, goes with its bytes."""

from __future__ import annotations

from typing import Any

from hanok.operations import Operation, Run, Step
from hanok.services.compute.room import Compute
from hanok.services.image.facade import snapshots
from hanok.store import Transaction


class RemoveImage(Step["DropImage", Compute, None], name="remove_image"):
    """There is no such image."""

    async def do(self, run: Run[DropImage, Compute]) -> None:
        await snapshots.remove(run.tools.images, run.args.image_id)


class DropImage(Operation, frozen=True, kw_only=True, tag="compute.drop_image"):
    """An operation of its own: whatever becomes of it, the server is where it is."""

    with_files = True
    image_id: str
    steps = (RemoveImage,)

    @property
    def resource(self) -> str:
        return f"image:{self.image_id}"


async def drop(run: Run[Any, Compute], tx: Transaction, image_id: str | None) -> None:
    """Have the image removed, once this transaction is committed; None: there is none."""
    if image_id:
        await run.tools.operations.start(tx, DropImage(image_id=image_id))
