"""The inventory of images: what rows say against what stores have."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row

from hanok.base.ids import is_uuid
from hanok.drivers.image_stores import StoreBroken
from hanok.drivers.image_stores.files import FileStore
from hanok.drivers.image_stores.s3 import S3Store
from hanok.services.image.logic import images
from hanok.services.image.room import Images
from hanok.services.image.tables import image_locations, image_trash
from hanok.services.image.tables import images as image_table
from hanok.store import Transaction

LOOK_S = 15.0  # for a bucket: within the time that a look at the cloud takes
MAXIMUM_LISTED = 100_000  # objects of a bucket


async def differences(room: Images, tx: Transaction) -> list[str]:
    """Where rows and files disagree of this machine disagree; for the inventory."""
    rows = {row.id: row for row in await tx.all(sa.select(image_table))}
    places = await images.locations(tx, list(rows))
    found = []
    for image_id, image in rows.items():
        if image.status not in ("active", "deactivated"):
            continue
        if (
            not places[image_id] and image.size != 0
        ):  # one of 0 bytes stands for snapshots of volumes
            found.append(f"image {image_id} is {image.status} and has no data")
        for one in places[image_id]:
            path = room.stores[one.store].path(one.address) if one.store in room.stores else None
            if path is None:
                continue
            if not path.exists():
                found.append(f"image {image_id} is {image.status} and has no file")
            elif path.stat().st_size != image.size:
                found.append(f"image {image_id} has {path.stat().st_size} bytes, not {image.size}")
    for store, kept in room.stores.items():
        if not isinstance(kept, FileStore) or not kept.folder.is_dir():
            continue
        for path in sorted(kept.folder.iterdir()):
            name = path.name
            row = rows.get(name[1:37] if name.startswith(".") else name)
            if row is None or (name.startswith(".") and row.status not in ("saving", "importing")):
                if row is None or row.import_task is None:
                    found.append(f"the file {name} belongs to no image")
            elif not name.startswith(".") and row.status == "queued":
                found.append(f"the file {name} belongs to an image without data")
            elif not name.startswith(".") and row.import_task is None and row.status == "active":
                if store not in {one.store for one in places[row.id]}:
                    found.append(f"the file {name} in store {store} belongs to nothing")
    return found


_whole = (
    sa.select(image_locations.c.image_id, image_locations.c.address, image_table.c.size)
    .join(image_table, image_table.c.id == image_locations.c.image_id)
    .where(
        image_locations.c.store == sa.bindparam("store"),
        image_table.c.status.in_(("active", "deactivated")),
    )
)
_ids = sa.select(image_table.c.id)
_freed = sa.select(image_trash.c.address).where(image_trash.c.store == sa.bindparam("store"))


async def store_differences(room: Images) -> list[str]:
    """Where rows and the objects of S3 stores disagree, or a store cannot be asked.

    Listing stops after LOOK_S seconds or MAXIMUM_LISTED objects of a store, and says so.
    """
    buckets = {name: kept for name, kept in room.stores.items() if isinstance(kept, S3Store)}
    found = await asyncio.gather(*(_bucket(room, *one) for one in buckets.items()))
    return [line for lines in found for line in lines]


async def _bucket(room: Images, name: str, store: S3Store) -> list[str]:
    # What is there before the listing and after it was there in between.
    before = await _said(room, name)
    async with room.database.read() as tx:
        known = {row.id for row in await tx.all(_ids)}
    until, there, whole = time.monotonic() + LOOK_S, dict[str, int](), False
    try:
        while not whole and time.monotonic() < until and len(there) < MAXIMUM_LISTED:
            page, whole = await store.listed(
                max(there, default=""), timeout_s=max(1.0, until - time.monotonic())
            )
            there.update(page)
    except StoreBroken as error:
        return [f"the store {name} cannot be looked into: {error}"]
    after = await _said(room, name)
    async with room.database.read() as tx:
        known |= {row.id for row in await tx.all(_ids)}
        known |= {row.address for row in await tx.all(_freed, {"store": name})}
    last, found = max(there, default=""), []
    for address, row in sorted(before.items()):
        if address not in after or (not whole and address > last):
            continue
        if address not in there:
            found.append(f"image {row.image_id} has no object in store {name}")
        elif there[address] != row.size:
            found.append(
                f"image {row.image_id} has {there[address]} bytes in store {name}, not {row.size}"
            )
    for key in there:
        if is_uuid(key) and key not in known and key not in after:
            found.append(f"the object {key} in store {name} belongs to no image")
    if not whole:
        found.append(
            f"the store {name} was looked into for {LOOK_S:.0f} s, up to the object {last[:64]!r}: it has more"
        )
    return found


async def _said(room: Images, store: str) -> Mapping[str, Row[Any]]:
    """Objects that images say they have there, by key."""
    async with room.database.read() as tx:
        return {row.address: row for row in await tx.all(_whole, {"store": store})}
