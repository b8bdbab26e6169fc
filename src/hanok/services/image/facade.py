"""What other rooms may ask of images."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy import Row

from hanok.base.clock import Clock
from hanok.services.image.logic import data, images
from hanok.services.image.room import Images, ImageSettings
from hanok.services.image.tables import images as image_table
from hanok.store import Database, Transaction
from hanok.web.token import Token

__all__ = ["ImageInfo", "ImageSettings", "Images", "build", "differences", "get", "mend", "visible"]

UPLOAD_DEAD_S = 120  # an upload under way says so every 10 s


class ImageInfo(Struct, frozen=True, kw_only=True):
    """An image as compute wants to know it. Sizes in the named units; properties: the further attributes."""

    id: str
    name: str | None
    status: str
    disk_format: str | None
    container_format: str | None
    size_bytes: int | None
    virtual_size_bytes: int | None
    sha512: str | None
    min_disk_gib: int
    min_ram_mib: int
    owner: str | None
    visibility: str
    properties: dict[str, Any]


def build(database: Database, clock: Clock, files: Path, settings: ImageSettings) -> Images:
    return Images(database=database, clock=clock, files=files, settings=settings)


async def _info(tx: Transaction, row: Row[Any]) -> ImageInfo:
    properties, _ = await images.extras(tx, [row.id])
    return ImageInfo(
        id=row.id,
        name=row.name,
        status=row.status,
        disk_format=row.disk_format,
        container_format=row.container_format,
        size_bytes=row.size,
        virtual_size_bytes=row.virtual_size,
        sha512=row.os_hash_value,
        min_disk_gib=row.min_disk,
        min_ram_mib=row.min_ram,
        owner=row.owner,
        visibility=row.visibility,
        properties=properties[row.id],
    )


async def visible(tx: Transaction, token: Token, image_id: str) -> ImageInfo:
    """An image with the caller's eyes.

    Raises:
        NotFound: there is none, or the caller may not see it.
    """
    return await _info(tx, await images.get(tx, token, image_id))


async def get(tx: Transaction, image_id: str) -> ImageInfo | None:
    """An image, whoever asks; for operations."""
    row = await images.get_any(tx, image_id)
    return None if row is None else await _info(tx, row)


async def mend(room: Images) -> None:
    """Take up what a process that died left: its uploads wait for data again, and their bytes are freed."""
    now = room.clock.now()
    async with room.database.write() as tx:
        for row in await images.broken_uploads(tx, now - timedelta(seconds=UPLOAD_DEAD_S)):
            await images.give_up_upload(tx, row.id, row.upload, now)
            data.partial_path(room, row.id, row.upload).unlink(missing_ok=True)


async def differences(room: Images, tx: Transaction) -> list[str]:
    """Where rows and files disagree; for the inventory."""
    rows = {row.id: row for row in await tx.all(sa.select(image_table))}
    found = []
    there = {path.name for path in room.files.iterdir()} if room.files.is_dir() else set()
    for image_id, image in rows.items():
        if image.status in ("active", "deactivated"):
            path = data.path_of(room, image_id)
            if image_id not in there:
                found.append(f"image {image_id} is {image.status} and has no file")
            elif path.stat().st_size != image.size:
                found.append(f"image {image_id} has {path.stat().st_size} bytes, not {image.size}")
    for name in sorted(there):
        image_id = name[1:37] if name.startswith(".") else name
        row = rows.get(image_id)
        if row is None or (name.startswith(".") and row.status != "saving"):
            found.append(f"the file {name} belongs to no image")
        elif not name.startswith(".") and row.status == "queued":
            found.append(f"the file {name} belongs to an image without data")
    return found
