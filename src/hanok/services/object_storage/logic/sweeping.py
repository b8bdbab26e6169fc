"""Bytes and rows that nobody needs any more, and rows whose bytes are missing."""

from __future__ import annotations

from hanok.base.failpoints import failpoint
from hanok.drivers.byte_store import Found
from hanok.services.object_storage.logic import remains
from hanok.services.object_storage.room import ObjectStore

BATCH = 200


async def remove_expired(room: ObjectStore) -> None:
    """Remove the objects whose end has passed."""
    while True:
        now_s = room.now_s()
        async with room.database.read() as tx:
            rows = await remains.expired(tx, now_s, BATCH)
        for row in rows:
            async with room.database.write() as tx:
                if await remains.remove_expired(tx, row.account, row.container, row.name, now_s):
                    where = f"{row.container}/{row.name}"
                    await room.tell(tx, "object.deleted", row.account, where, user_id=None)
        if len(rows) < BATCH:
            return


async def let_go(room: ObjectStore, *, at_once: bool = False) -> None:
    """Delete the blobs that no row refers to any more, where that was noticed long enough ago.

    Args:
        at_once: whether the others go, too, but for those that an answer under way is to be made of.
    """
    now_us = room.now_us()
    async with room.database.read() as tx:
        some = await remains.has_unmarked(tx)
    if some:
        async with room.database.write() as tx:
            await remains.notice(tx, now_us)
    age_s = 0.0 if at_once else room.settings.let_go_after_s
    after = ""
    while True:
        async with room.database.read() as tx:
            found = await remains.garbage(tx, now_us - int(age_s * 1_000_000), after, BATCH)
        blobs = [blob for blob in found if blob not in room.in_use]
        for blob in blobs:
            await room.store.delete(blob)
            await failpoint("objects.sweep.after_delete")
        if blobs:
            async with room.database.write() as tx:
                await remains.forget(tx, blobs)
        if len(found) < BATCH:
            return
        after = found[-1]


async def free_space(room: ObjectStore) -> None:
    """Let go of everything that may go: the disk is full."""
    if not room.sweeping.locked():  # else that is what is being done
        async with room.sweeping:
            await let_go(room, at_once=True)


async def miscounted(room: ObjectStore, *, mend: bool) -> list[str]:
    """Containers and accounts whose counts are not what they hold."""
    async with room.database.read() as tx:
        some, owners = await remains.miscounted(tx)
    found = []
    for account, name in some:
        async with room.database.write() as tx:
            found.append(await remains.recount_container(tx, account, name, mend=mend))
    # What a container says is a part of what its account does.
    for account in sorted({*owners, *(account for account, _ in some)}):
        async with room.database.write() as tx:
            now_us = room.now_us()
            found.append(await remains.recount_account(tx, account, mend=mend, now_us=now_us))
    return [one for one in found if one is not None]


async def strays(room: ObjectStore, *, mend: bool) -> list[str]:
    """Blobs that no row ever referred to, and parts of blobs, both older than any write that is under way."""
    before = room.now_s() - room.settings.swept_after_s
    lines: list[str] = []
    some: list[Found] = []

    async def look() -> None:
        async with room.database.read() as tx:
            known = await remains.known(tx, [one.blob for one in some])
        for one in some:
            if (one.blob in known and one.whole) or one.blob in room.in_use:
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
    return [line for sort in remains.SORTS for line in await _missing(room, sort)]


async def _missing(room: ObjectStore, sort: str) -> list[str]:
    lines: list[str] = []
    after = ""
    while True:
        async with room.database.read() as tx:
            rows = await remains.referring(tx, sort, after, BATCH)
        for row in rows:
            after = row.blob
            size = await room.store.stat(row.blob)
            if size == row.stored:
                continue
            where = f"{sort} /{row.account}/{row.container}/{row.name}"
            async with room.database.read() as tx:  # it may have gone meanwhile
                if row.blob not in await remains.known(tx, [row.blob]):
                    continue
            lines.append(
                f"{where}: its bytes are not there"
                if size is None
                else f"{where} has {size} bytes, not {row.stored}"
            )
        if len(rows) < BATCH:
            return lines
