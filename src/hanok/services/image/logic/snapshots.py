"""Images that are made from the disks of servers: begun by compute, their data taken from a file that a host left.

The image waits (queued) while the disk is copied, is saving while the copy is taken in, and is active at the end. That
it is being made shows in `import_task`, which is the image's own id here: other data and other imports find it taken.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from msgspec import Struct

from hanok.base.errors import BadInput, Forbidden, StepFailed
from hanok.base.ids import new_uuid
from hanok.drivers.image_stores.files import FileStore
from hanok.services.image import schemas
from hanok.services.image.logic import data, images, members, news, quotas
from hanok.services.image.room import Images
from hanok.services.image.tables import image_properties
from hanok.services.image.tables import images as table
from hanok.store import Transaction

LOOK_EVERY = 64 << 20  # bytes after which it is looked whether the image is still wanted


class Stored(Struct, frozen=True, kw_only=True):
    """Data that is in a store: where, and what is known of it. Sizes in bytes."""

    store: str
    disk_format: str
    size: int
    virtual_size: int | None
    md5: str
    sha512: str


def can_be_property(key: str) -> bool:
    """Whether a further attribute of an image may be called so."""
    try:
        schemas.checked(key, "")
    except (BadInput, Forbidden):
        return False
    return key not in schemas.PROPERTIES


async def begin(
    tx: Transaction,
    room: Images,
    *,
    owner: str,
    name: str,
    min_disk_gib: int,
    min_ram_mib: int,
    properties: Mapping[str, str],
    shared_with: str | None = None,
    visibility: str = "",
    protected: bool = False,
) -> str:
    """A new image without data; returns its id.

    Args:
        shared_with: a project that may see it, too. visibility: empty: private, or shared with that project.

    Raises:
        BadInput: a property cannot be one. TooLarge: over the project's limit of images.
    """
    if len(properties) > schemas.MAXIMUM_PROPERTIES:
        raise BadInput(f"An image has at most {schemas.MAXIMUM_PROPERTIES} further properties.")
    for key, value in properties.items():
        if key in schemas.PROPERTIES:
            raise BadInput(f"{key!r} is an attribute of images and cannot be set here.")
        try:
            schemas.checked(key, value)
        except Forbidden as error:
            raise BadInput(error.message) from error
    await quotas.check(tx, room, owner, quotas.COUNT, more=1)
    image_id, now = new_uuid(), room.clock.now()
    values = {
        "id": image_id,
        "name": name,
        "owner": owner,
        "visibility": visibility or ("private" if shared_with is None else "shared"),
        "protected": protected,
        "min_disk": min_disk_gib,
        "min_ram": min_ram_mib,
        "import_task": image_id,
    }
    await images.create(tx, values, dict(properties), [], now)
    await news.happened(tx, room, image_id, "image.create")
    if shared_with is not None:
        await members.add(tx, image_id, shared_with, now)
    return image_id


async def take(
    room: Images,
    image_id: str,
    path: Path,
    disk_format: str,
    *,
    attempt: str,
    still_requested: Callable[[], None],
) -> Stored:
    """Read the file into the default store. What an earlier attempt left is replaced.

    Args:
        still_wanted: called now and then; raises when the work is to stop.

    Raises:
        StepFailed: the image was deleted, the file is not what it is said to be, or there is no room.
        Unavailable: the store is in trouble.
    """
    store = room.default_store
    async with room.database.write() as tx:
        row = await images.get_any(tx, image_id)
        if row is None or not await _change(
            tx,
            room,
            image_id,
            {"status": "saving", "disk_format": disk_format, "container_format": "bare"},
        ):
            raise StepFailed("The image was deleted while it was being made.")
    files = FileStore(path.parent)
    size = await files.size(path.name)
    if size is None:
        raise StepFailed("The copy of the server's disk is gone.", detail=str(path))

    async def pieces() -> AsyncIterator[bytes]:
        passed = 0
        async for piece in files.get(path.name, 0, size):
            passed += len(piece)
            if passed >= LOOK_EVERY:
                passed = 0
                still_requested()
                await _check(room, image_id)
            yield piece

    await data.store_of(room, store).abandon(image_id, attempt=attempt)
    taken = await data.take(
        room,
        pieces(),
        store=store,
        key=image_id,
        attempt=attempt,
        disk_format=disk_format,
        container_format="bare",
        promised=size,
    )
    return Stored(
        store=store,
        disk_format=disk_format,
        size=taken.size,
        virtual_size=taken.virtual_size,
        md5=taken.md5,
        sha512=taken.sha512,
    )


async def finish(
    tx: Transaction, room: Images, image_id: str, stored: Stored, properties: Mapping[str, str]
) -> None:
    """The data is complete: the image is active.

    Args:
        properties: what is said of it from now on, too.

    Raises:
        StepFailed: the image was deleted. TooLarge: over the project's limit of bytes.
    """
    row = await images.get_any(tx, image_id)
    if row is None or row.import_task != image_id:
        raise StepFailed("The image was deleted while it was being made.")
    await quotas.check(tx, room, row.owner, quotas.SIZE, more=stored.size)
    await images.add_location(tx, image_id, stored.store, image_id)
    values = {
        "status": "active",
        "import_task": None,
        "size": stored.size,
        "virtual_size": stored.virtual_size,
        "checksum": stored.md5,
        "os_hash_algo": "sha512",
        "os_hash_value": stored.sha512,
    }
    await _change(tx, room, image_id, values)
    said = (await images.extras(tx, [image_id]))[0][image_id]
    await images.set_properties(tx, image_id, {**said, **properties})
    await news.happened(tx, room, image_id, "image.upload", "image.activate")


async def describe(tx: Transaction, image_id: str, properties: Mapping[str, str]) -> None:
    """An image that is being made says this of itself, too."""
    said = (await images.extras(tx, [image_id]))[0][image_id]
    await images.set_properties(tx, image_id, {**said, **properties})


async def finish_without_data(tx: Transaction, room: Images, image_id: str) -> None:
    """The image is active, and has no data: what it stands for is said by its properties.

    Raises:
        StepFailed: the image was deleted.
    """
    row = await images.get_any(tx, image_id)
    if row is None or row.import_task != image_id:
        raise StepFailed("The image was deleted while it was being made.")
    values = {
        "status": "active",
        "import_task": None,
        "size": 0,
        "disk_format": "raw",
        "container_format": "bare",
    }
    await _change(tx, room, image_id, values)
    await news.happened(tx, room, image_id, "image.activate")


async def forget(room: Images, image_id: str, *, attempt: str) -> None:
    """Free what `take` put into the store, unless the image is active by it."""
    async with room.database.write() as tx:
        row = await images.get_any(tx, image_id)
        if row is not None and row.import_task is None:
            return
        left = f"{image_id}{images.ATTEMPT}{attempt}"
        for address in (image_id, left):
            await images.throw_away(tx, room.default_store, address, room.clock.now())
    await data.empty_trash(room, image_id)


async def remove(room: Images, image_id: str) -> None:
    """There is no such image, and its bytes are freed. Nothing is fine too."""
    async with room.database.write() as tx:
        row = await images.get_any(tx, image_id)
        if row is not None:
            await news.forget(tx, room, row)
    await data.empty_trash(room, image_id)


async def give_up(tx: Transaction, room: Images, image_id: str) -> None:
    """No such image is made any more."""
    row = await images.get_any(tx, image_id)
    if row is not None and row.import_task == image_id:
        await news.forget(tx, room, row)


async def rotate(room: Images, owner: str, same: Mapping[str, str], keep: int) -> None:
    """Delete the oldest of a project's images that have these properties; keep: how many stay."""
    requested = sa.select(table).where(table.c.owner == owner)
    for name, value in same.items():
        having = sa.select(image_properties.c.image_id).where(images.has_property(name, value))
        requested = requested.where(table.c.id.in_(having))
    async with room.database.write() as tx:
        found = await tx.all(requested.order_by(table.c.created_at.desc(), table.c.id))
        gone = [row for row in found[keep:] if not row.protected]
        for row in gone:
            await news.forget(tx, room, row)
    for row in gone:
        await data.empty_trash(room, row.id)


async def _change(tx: Transaction, room: Images, image_id: str, values: dict[str, Any]) -> bool:
    return await images.change_import(tx, image_id, image_id, values, room.clock.now())


async def _check(room: Images, image_id: str) -> None:
    async with room.database.read() as tx:
        row = await images.get_any(tx, image_id)
    if row is None or row.import_task != image_id:
        raise StepFailed("The image was deleted while it was being made.")
