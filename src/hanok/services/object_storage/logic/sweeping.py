"""Bytes and rows that nobody needs any more, and rows whose bytes are missing."""

from __future__ import annotations

from hanok.base.failpoints import failpoint
from hanok.drivers.byte_store import Found
from hanok.services.object_storage.logic import objects
from hanok.services.object_storage.room import ObjectStore

BATCH = 200


async def remove_expired(room: ObjectStore) -> None:
    """Remove the objects whose end has passed."""
    while True:
        now_s = room.now_s()
        async with room.database.read() as tx:
            rows = await objects.expired(tx, now_s, BATCH)
        for row in rows:
            async with room.database.write() as tx:
                if await objects.remove_expired(tx, row.account, row.container, row.name, now_s):
                    where = f"{row.container}/{row.name}"
                    await room.tell(tx, "object.deleted", row.account, where, user_id=None)
        if len(rows) < BATCH:
            return


async def let_go(room: ObjectStore) -> None:
    """Delete the blobs that no row refers to any more."""
    while True:
        async with room.database.read() as tx:
            blobs = await objects.garbage(tx, BATCH)
        for blob in blobs:
            await room.store.delete(blob)
            await failpoint("objects.sweep.after_delete")
        if blobs:
            async with room.database.write() as tx:
                await objects.forget(tx, blobs)
        if len(blobs) < BATCH:
            return


async def strays(room: ObjectStore, *, mend: bool) -> list[str]:
    """Blobs that no row ever referred to, and parts of blobs, both older than any write that is under way."""
    before = room.now_s() - room.settings.swept_after_s
    lines: list[str] = []
    some: list[Found] = []

    async def look() -> None:
        async with room.database.read() as tx:
            known = await objects.known(tx, [one.blob for one in some])
        for one in some:
            if one.blob in known and one.whole:
                continue
            what = "nobody refers to" if one.whole else "a broken write left"
            lines.append(f"{one.size} bytes that {what}: {one.blob}")
            if mend:
                await room.store.delete(one.blob)
        some.clear()

    async for found in room.store.list():
        if found.at < before:
            some.append(found)
        if len(some) >= BATCH:
            await look()
    await look()
    return lines


async def missing(room: ObjectStore) -> list[str]:
    """Objects whose bytes are not there, or are fewer or more than the row says."""
    lines: list[str] = []
    after = ""
    while True:
        async with room.database.read() as tx:
            rows = await objects.referring(tx, after, BATCH)
        for row in rows:
            after = row.blob
            size = await room.store.stat(row.blob)
            if size == row.stored:
                continue
            where = f"object /{row.account}/{row.container}/{row.name}"
            async with room.database.read() as tx:  # it may have gone meanwhile
                if row.blob not in await objects.known(tx, [row.blob]):
                    continue
            lines.append(
                f"{where}: its bytes are not there"
                if size is None
                else f"{where} has {size} bytes, not {row.stored}"
            )
        if len(rows) < BATCH:
            return lines
