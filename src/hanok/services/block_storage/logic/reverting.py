"""Other content for a volume that already is; what of that is refused.

Source: Block Storage API reference, "Revert volume to snapshot", "Reimage a volume".
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row

from hanok.base.errors import BadInput, NotFound
from hanok.services.block_storage.logic import snapshots, volumes
from hanok.services.block_storage.room import Volumes
from hanok.services.image import facade as images
from hanok.store import Transaction
from hanok.web.token import Caller

GIB = 1 << 30


async def begin(
    tx: Transaction, room: Volumes, caller: Caller, row: Row[Any], snapshot_id: str
) -> None:
    """A volume and its snapshot show that the volume is set back to it.

    Raises:
        NotFound: there is no such snapshot. BadInput: it is not the last one, or its state does not allow it.
    """
    await tx.take_turn(snapshot_id)
    snapshot = await snapshots.get(tx, caller, snapshot_id)
    if snapshot.volume_id != row.id or await snapshots.newest_of(tx, row.id) != snapshot_id:
        raise BadInput(
            f"Invalid input received: Specified snapshot is None or not the latest one of volume {row.id}."
        )
    volumes.check_status(row, ("available",), "revert to a snapshot")
    await volumes.check_unread(tx, row)
    if snapshot.status != "available":
        raise snapshots.invalid(
            f"Snapshot {snapshot_id} status must be available, but current status is: {snapshot.status}."
        )
    if snapshot.size_gib != row.size_gib:
        raise volumes.invalid(
            f"Can't revert volume {row.id} to its latest snapshot {snapshot_id}. The volume size must be equal to the "
            "snapshot size."
        )
    now = room.clock.now()
    await volumes.turn(tx, row, "reverting", now)
    await snapshots.change(tx, snapshot_id, {"status": "restoring"}, now)


async def check_reimage(
    tx: Transaction, row: Row[Any], caller: Caller, image_id: str, *, reserved: bool
) -> None:
    """Raises BadInput where an image cannot be written onto a volume.

    Args:
        caller: as the image service's rules see them. reserved: whether it may be kept for a server.
    """
    statuses = ("available", "error", "reserved") if reserved else ("available", "error")
    volumes.check_status(row, statuses, "reimage")
    await volumes.check_unread(tx, row)
    try:
        image = await images.visible(tx, caller, image_id)
    except NotFound:
        raise BadInput("Invalid image identifier or unable to access requested image.") from None
    if image.status != "active":
        raise BadInput(f"Image {image_id} is not active.")
    if max(image.size_bytes or 0, image.virtual_size_bytes or 0) > row.size_gib * GIB:
        raise BadInput(
            f"Invalid input received: The image is larger than volume {row.id}, which has {row.size_gib}GB."
        )
    if image.min_disk_gib > row.size_gib:
        raise BadInput(
            f"Invalid input received: Volume size {row.size_gib}GB cannot be smaller than the image minDisk size "
            f"{image.min_disk_gib}GB."
        )
