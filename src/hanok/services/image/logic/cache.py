"""Control's cache: copies of images whose stores are slow, for downloads and for hosts.

A copy of an image that is in a file store on the same file system is a link: it costs nothing.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.drivers.image_stores.files import FileStore
from hanok.services.image.logic import data, images
from hanok.services.image.room import Images
from hanok.services.image.tables import image_cache as table
from hanok.store import Duplicate, Transaction

_one = sa.select(table).where(table.c.image_id == bindparam("id"))
_all = sa.select(table).order_by(table.c.image_id)
_touch = (
    table.update()
    .where(table.c.image_id == bindparam("of"))
    .values(hits=table.c.hits + 1, last_accessed_at=bindparam("at"))
)
_forget = table.delete().where(table.c.image_id == bindparam("of"))


async def get(tx: Transaction, image_id: str) -> Row[Any] | None:
    return await tx.first(_one, {"id": image_id})


async def everything(tx: Transaction) -> Sequence[Row[Any]]:
    return await tx.all(_all)


async def queue(tx: Transaction, image_id: str, now: datetime) -> bool:
    """Wish a copy. False when there is one, or a wish."""
    try:
        await tx.insert(
            table, {"image_id": image_id, "status": "queued", "queued_at": now, "hits": 0}
        )
    except Duplicate:
        return False
    return True


async def cached(tx: Transaction, image_id: str, size: int, now: datetime) -> bool:
    """The copy is there. False when nobody wants it any more."""
    return bool(
        await tx.count(
            table.update()
            .where(table.c.image_id == image_id)
            .values(status="cached", size=size, cached_at=now, last_accessed_at=now)
        )
    )


async def forget(tx: Transaction, image_id: str) -> bool:
    """There is no copy, and no wish for one. False when there was none."""
    return bool(await tx.count(_forget, {"of": image_id}))


async def prune(tx: Transaction, room: Images) -> list[Row[Any]]:
    """Forget copies until the rest fits: those that were used last go last. Gives those that were forgotten."""
    rows = [row for row in await everything(tx) if row.status == "cached"]
    left = sum(row.size for row in rows)
    gone = []
    for row in sorted(rows, key=lambda row: row.last_accessed_at):
        if left <= room.settings.cache_bytes:
            break
        await forget(tx, row.image_id)
        gone.append(row)
        left -= row.size
    return gone


async def touch(tx: Transaction, image_id: str, now: datetime) -> None:
    await tx.execute(_touch, {"of": image_id, "at": now})


def copy_of(room: Images, row: Row[Any]) -> Path | None:
    """The whole copy of an image, if there is one."""
    path = room.cache / row.id
    try:
        return path if path.stat().st_size == row.size else None
    except FileNotFoundError:
        return None


async def fill(room: Images, row: Row[Any], *, attempt: str) -> int:
    """Make the copy. Returns its bytes.

    Raises:
        Unavailable: the data cannot be read. StoreBroken: it cannot be written.
    """
    if copy_of(room, row) is not None:
        return int(row.size)
    async with room.database.read() as tx:
        rows = (await images.locations(tx, [row.id]))[row.id]
    room.cache.mkdir(parents=True, exist_ok=True)
    for one in rows:
        path = (
            data.store_of(room, one.store).path(one.address) if one.store in room.stores else None
        )
        if path is not None:
            with contextlib.suppress(OSError):
                os.link(path, room.cache / row.id)
                return int(row.size)
    target = FileStore(room.cache)
    return await target.put(row.id, data.read_any(room, rows, 0, row.size), attempt=attempt)


async def drop(room: Images, image_id: str) -> None:
    await FileStore(room.cache).delete(image_id)


def strays(room: Images, known: set[str]) -> list[Path]:
    """Files in the cache that no row speaks of."""
    if not room.cache.is_dir():
        return []
    return [
        path
        for path in sorted(room.cache.iterdir())
        if path.name not in known and not path.name.startswith(".")
    ]
