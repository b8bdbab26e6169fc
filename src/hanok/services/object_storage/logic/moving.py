"""Where bytes are kept, and how they get from one place to another while the cloud runs.

A row says which place is meant. What comes goes there; what is elsewhere is copied there under its own name, compared
byte for byte, and only then let go of where it was. Whoever reads looks into all places, so no row of an object
changes. A look compares the places with what is meant and needs no memory: killed anywhere, the next one goes on, and
a blob that is in two places is compared once more.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from uuid import uuid4

import sqlalchemy as sa
from msgspec import Struct

from hanok.base.errors import BadInput, Conflict, Unavailable
from hanok.base.failpoints import failpoint
from hanok.drivers.byte_bucket import same
from hanok.drivers.byte_store import ByteStore, Found, Full, Missing
from hanok.services.object_storage.room import ObjectStore
from hanok.services.object_storage.tables import object_place, objects
from hanok.store import Transaction

log = logging.getLogger(__name__)

FOLDER, BUCKET = "folder", "bucket"
AT_ONCE = 4  # blobs that are moved side by side
BATCH = 100  # between two words about how far it is

_P = object_place.c
_get = sa.select(object_place).where(_P.id == 1)
_moved = (
    object_place.update()
    .where(_P.name == sa.bindparam("place"))
    .values(
        moved_blobs=_P.moved_blobs + sa.bindparam("blobs"),
        moved_bytes=_P.moved_bytes + sa.bindparam("size"),
    )
)
_done = object_place.update().where(_P.name == sa.bindparam("place")).values(moving=False)


class Place(Struct, frozen=True, kw_only=True):
    """Where bytes are to be: its name; whether some may be elsewhere; what was moved there so far."""

    name: str = FOLDER
    moving: bool = False
    moved_blobs: int = 0
    moved_bytes: int = 0


async def place(tx: Transaction) -> Place:
    row = await tx.first(_get)
    if row is None:
        return Place()
    return Place(**{name: getattr(row, name) for name in Place.__struct_fields__})


async def move_to(room: ObjectStore, name: str) -> None:
    """Keep what comes in a place from now on, and begin to move there what is elsewhere.

    Raises:
        BadInput: there is no such place. Unavailable: it does not take bytes, or gives back others.
        Conflict: it is this cloud's own.
    """
    if name not in room.store.places:
        known = " and ".join(room.store.places)
        raise BadInput(
            f"{name[:40]} is not a valid place of objects: there is {known}. "
            "A bucket is named in the settings, [object_storage.bucket]."
        )
    await _try_out(room, room.store.places[name])
    async with room.database.write() as tx:
        await tx.execute(object_place.delete())
        values = {"id": 1, "name": name, "moving": True, "moved_blobs": 0, "moved_bytes": 0}
        await tx.insert(object_place, values)
    room.store.target = name


async def _try_out(room: ObjectStore, store: ByteStore) -> None:
    """Put something there, read it, and take it away again."""
    blob = uuid4().hex
    room.in_use.add(blob, 1)  # no row names it: a look for strays would take it for one
    try:
        await store.put(_given(blob.encode()), limit=len(blob), blob=blob)
        await failpoint("objects.move.tried_out")
        read = b"".join([piece async for piece in await store.get(blob)])
        async with room.database.read() as tx:
            own = await tx.first(sa.select(objects.c.name).where(objects.c.name.like(f"%{blob}")))
    except (Full, Missing, OSError) as error:
        raise Unavailable(
            f"The place does not keep bytes: {error or type(error).__name__}"
        ) from error
    finally:
        room.in_use.add(blob, -1)
    await store.delete(blob)
    if own is not None:
        raise Conflict("The bucket is in this cloud's own object storage.")
    if read != blob.encode():
        raise Unavailable("The place gives back other bytes than it was given.")


async def _given(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def look(room: ObjectStore) -> Place:
    """Put what comes where it is meant to be, in this process, too."""
    async with room.database.read() as tx:
        found = await place(tx)
    if found.name in room.store.places:
        room.store.target = found.name
    return found


async def unknown(room: ObjectStore) -> list[str]:
    """That the place that is meant is not in the settings."""
    name = (await look(room)).name
    if name in room.store.places:
        return []
    return [f"the bytes of objects are to be in the {name}, which the settings do not name"]


async def move(room: ObjectStore) -> None:
    """Move what is elsewhere, as far as it can be.

    Raises:
        Unavailable, OSError: a place does not answer. Full: there is no room.
    """
    meant = await look(room)
    if not meant.moving or meant.name not in room.store.places:
        return
    target = room.store.places[meant.name]
    left = False
    for name, source in room.store.places.items():
        if name == meant.name:
            continue
        some: list[Found] = []
        async for found in source.list():
            if found.whole:
                some.append(found)
            if len(some) >= BATCH:
                left |= not await _some_moved(room, meant.name, source, target, some)
                some = []
                if (await look(room)).name != meant.name:
                    return
        left |= not await _some_moved(room, meant.name, source, target, some)
    if not left:
        await _end(room, meant.name)


async def _end(room: ObjectStore, name: str) -> None:
    """Say that nothing is elsewhere any more, if so: another process may have put something there a moment ago."""
    for other, source in room.store.places.items():
        if other != name:
            async for found in source.list():
                if found.whole:
                    return
    async with room.database.write() as tx:
        await tx.execute(_done, {"place": name})


async def _some_moved(
    room: ObjectStore, name: str, source: ByteStore, target: ByteStore, some: Sequence[Found]
) -> bool:
    """Move some blobs. Returns whether all of them are there."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def one_moved(one: Found) -> bool:
        async with turns:
            return await _moved_one(source, target, one)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one_moved(one)) for one in some]
    done = [one.size for one, task in zip(some, tasks, strict=True) if task.result()]
    async with room.database.write() as tx:
        given = {"place": name, "blobs": len(done), "size": sum(done)}
        await tx.execute(_moved, given)
    return len(done) == len(some)


async def _moved_one(source: ByteStore, target: ByteStore, one: Found) -> bool:
    try:
        if await target.stat(one.blob) != one.size:
            await target.put(await source.get(one.blob), limit=one.size, blob=one.blob)
        await failpoint("objects.move.after_copy")
        if not await same(source, target, one.blob):
            log.error("blob %s is not the same where it was moved to; it is copied anew", one.blob)
            await target.delete(one.blob)
            return False
    except Missing:  # it was let go of meanwhile
        return True
    await failpoint("objects.move.after_compare")
    await source.delete(one.blob)
    await failpoint("objects.move.after_delete")
    return True


async def forget_place(tx: Transaction) -> None:
    """The bytes are in the folder, wherever they were: what this cloud deletes is not another one's."""
    await tx.execute(object_place.delete())
