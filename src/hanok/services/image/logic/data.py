"""The bytes of images: taken in and handed out as streams, in constant memory.

While a store writes a piece, threads hash and inspect it. A store shows the bytes when they are whole, on the disk and
found to be what they claim.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy import Row

from hanok.base.errors import BadInput, TooLarge, Unavailable, UnsupportedType
from hanok.drivers.image_format import Inspector
from hanok.drivers.image_stores import Store, StoreBroken, StoreFull, web
from hanok.drivers.image_stores.files import FileStore
from hanok.services.image.logic import images
from hanok.services.image.logic.signatures import Verifier
from hanok.services.image.room import Images
from hanok.services.image.schemas import AMAZON_FORMATS, CONVERT, USABLE_FORMATS
from hanok.services.image.tables import image_trash

PIECE = 1 << 20
STAGING = "(staging)"  # no store's id: where the trash has staged data


class Taken(Struct, frozen=True, kw_only=True):
    """What was taken in. Sizes in bytes."""

    size: int
    virtual_size: int | None
    md5: str
    sha512: str


def store_of(room: Images, store: str) -> Store:
    """A store by its id; staging among them.

    Raises:
        Unavailable: the operator took it away.
    """
    if store == STAGING:
        return FileStore(room.staging)
    if store not in room.stores:
        raise Unavailable("The store of this image is not available.", detail=store)
    return room.stores[store]


class _Passing:
    """Looks at a stream that passes: size, hashes, format."""

    def __init__(self, room: Images, verifier: Verifier | None, *, inspect: bool = True) -> None:
        self._maximum = room.settings.maximum_bytes
        self._verifier = verifier
        self.md5 = hashlib.md5(usedforsecurity=False)
        self.sha512 = hashlib.sha512()
        self.inspector = Inspector() if inspect else None
        self.size = 0

    def _second(self, piece: bytes) -> None:
        self.md5.update(piece)
        if self.inspector is not None:
            self.inspector.feed(piece)
        if self._verifier is not None:
            self._verifier.update(piece)

    async def through(self, stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The same bytes in larger pieces. The store's writing and our hashing run at the same time."""
        loop = asyncio.get_running_loop()
        async for piece in _gathered(stream):
            self.size += len(piece)
            if self.size > self._maximum:
                raise TooLarge(f"Image exceeds the limit of {self._maximum} bytes.")
            looking = [
                loop.run_in_executor(None, self.sha512.update, piece),
                loop.run_in_executor(None, self._second, piece),
            ]
            try:
                yield piece
            finally:
                await asyncio.gather(*looking)


async def _gathered(stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    parts: list[bytes] = []
    size = 0
    async for chunk in stream:
        parts.append(chunk)
        size += len(chunk)
        if size >= PIECE:
            yield b"".join(parts)
            parts, size = [], 0
    if parts:
        yield b"".join(parts)


async def take(
    room: Images,
    stream: AsyncIterator[bytes],
    *,
    store: str,
    key: str,
    attempt: str,
    disk_format: str | None,
    container_format: str | None,
    promised: int | None,
    verifier: Verifier | None = None,
    inspect: bool = True,
) -> Taken:
    """Read a stream to its end into a store.

    Args:
        attempt: part of the name of what is not whole.
        promised: bytes that were announced, if any.
        inspect: whether the bytes are held against the label.

    Raises:
        UnsupportedType: the bytes are not what disk_format says, or something that must not be opened.
        BadInput: the stream ended early, or the signature is not of these bytes.
        TooLarge: more than an image may have, or than the store has room for.
        Unavailable: the store is in trouble.
    """
    passing = _Passing(room, verifier, inspect=inspect)
    virtual: list[int | None] = [None]

    async def checked() -> AsyncIterator[bytes]:
        async for piece in passing.through(stream):
            yield piece
        if promised is not None and passing.size != promised:
            raise BadInput(
                f"Size mismatch: {promised} bytes were announced, {passing.size} came. The upload was cut short."
            )
        if verifier is not None:
            verifier.check()
        if passing.inspector is not None:
            virtual[0] = inspected(
                room, passing.inspector, passing.size, disk_format, container_format
            )

    target = store_of(room, store)
    with translated("written"):
        await target.put(key, checked(), attempt=attempt)
    return Taken(
        size=passing.size,
        virtual_size=virtual[0],
        md5=passing.md5.hexdigest(),
        sha512=passing.sha512.hexdigest(),
    )


async def look(
    room: Images,
    stream: AsyncIterator[bytes],
    *,
    disk_format: str | None,
    container_format: str | None,
    verifier: Verifier | None = None,
) -> Taken:
    """Read a stream to its end without keeping it: hashes, and what it really is.

    Raises:
        UnsupportedType, TooLarge: as for `take`. SignatureProblem: the signature is not of these bytes.
    """
    passing = _Passing(room, verifier)
    async for _ in passing.through(stream):
        pass
    if verifier is not None:
        verifier.check()
    assert passing.inspector is not None
    return Taken(
        size=passing.size,
        virtual_size=inspected(
            room, passing.inspector, passing.size, disk_format, container_format
        ),
        md5=passing.md5.hexdigest(),
        sha512=passing.sha512.hexdigest(),
    )


async def in_threads(piece: bytes, *chains: Sequence[Callable[[bytes], object]]) -> None:
    """Give a piece to several, each chain in a thread of its own."""

    def run(chain: Sequence[Callable[[bytes], object]]) -> None:
        for call in chain:
            call(piece)

    await asyncio.gather(*(asyncio.to_thread(run, chain) for chain in chains))


class translated:
    """A store's trouble as this service's errors. doing: written, read or deleted."""

    def __init__(self, doing: str) -> None:
        self.doing = doing

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, StoreFull):
            raise TooLarge("Image storage media is full.", detail=str(error)) from error
        if isinstance(error, StoreBroken):
            raise Unavailable(
                f"The image's data could not be {self.doing}.", detail=str(error)
            ) from error


def inspected(
    room: Images,
    inspector: Inspector,
    size: int,
    disk_format: str | None,
    container_format: str | None,
) -> int | None:
    """Hold the bytes against the label. Returns the size of the disk in the image, where it can be told.

    An archive (ova, docker, compressed), a kernel or a ramdisk is a run of bytes here. One that is really a disk of a
    format that leads to other files would be opened as that by whoever trusts what it begins with.

    Raises:
        UnsupportedType: they are something else, or must not be opened.
    """
    found = inspector.finish()
    packed = container_format not in (None, "bare", "ovf") or disk_format in (None, *AMAZON_FORMATS)
    if found.problems and (packed or found.format == disk_format):
        raise UnsupportedType(f"The image must not be used: {'; '.join(found.problems)}")
    if packed:
        if room.settings.match_format and found.format not in ("raw", "iso"):
            raise _mismatch(container_format or disk_format, found.format)
        return None
    if disk_format == "raw" and found.format in ("raw", "iso"):
        return size
    if room.settings.match_format and found.format != disk_format:
        raise _mismatch(disk_format, found.format)
    return found.virtual_size_bytes or None


def _mismatch(label: str | None, found: str) -> UnsupportedType:
    """Upstream takes a disk with a wrong label and warns in its log; here it would not boot, so the caller is told."""
    said = f"Image format mismatch: the image says it is {label}, its data is {found}."
    if found in USABLE_FORMATS:
        return UnsupportedType(
            f"{said} Create the image with its real format: disk_format={found} "
            f"(openstack image create --disk-format {found} …)."
        )
    return UnsupportedType(f"{said} {CONVERT}")


def by_weight(room: Images, rows: Sequence[Row[Any]]) -> list[Row[Any]]:
    """Locations in the order in which they are read: the heaviest store first."""
    if len(rows) < 2:
        return list(rows)
    weights = {one.id: one.weight for one in room.settings.stores}
    return sorted(rows, key=lambda row: -weights.get(row.store, 0))


def read(room: Images, row: Row[Any], start: int, length: int) -> AsyncIterator[bytes]:
    """A part of the bytes at one location. Raises StoreBroken, WebBroken, NotAllowed."""
    if row.store == room.web_store:
        return web.read(
            room.settings.web, row.address, start=start, length=length, maximum=max(length, 1)
        )
    return store_of(room, row.store).get(row.address, start, length)


async def read_any(
    room: Images, rows: Sequence[Row[Any]], start: int, length: int
) -> AsyncIterator[bytes]:
    """The same from the first location that gives anything.

    Raises:
        Unavailable: none does, or one stopped half-way.
    """
    given, why = 0, "there is none"
    for row in by_weight(room, rows):
        try:
            async for piece in read(room, row, start, length):
                given += len(piece)
                yield piece
            return
        except (StoreBroken, web.WebBroken, web.NotAllowed) as error:
            why = f"{row.store}: {error}"
            if given:
                break
    raise Unavailable("The data of this image cannot be read.", detail=why)


async def hand_out(
    room: Images, rows: Sequence[Row[Any]], start: int, length: int
) -> AsyncIterator[bytes | memoryview]:
    """The same for an answer: files of this machine are not copied on the way.

    Raises:
        Unavailable: as for `read_any`.
    """
    first = by_weight(room, rows)[0]
    kept = room.stores.get(first.store)
    if isinstance(kept, FileStore) and await kept.size(first.address) is not None:
        with translated("read"):
            async for view in kept.mapped(first.address, start, length):
                yield view
        return
    async for piece in read_any(room, rows, start, length):
        yield piece


_of_key = sa.select(image_trash).where(
    sa.or_(
        image_trash.c.address == sa.bindparam("key"),
        image_trash.c.address.startswith(sa.bindparam("key") + images.ATTEMPT),
    )
)
_of_all = sa.select(image_trash).order_by(image_trash.c.created_at).limit(500)


async def empty_trash(room: Images, key: str | None = None) -> None:
    """Free objects that nobody needs: those of one key, or all. What cannot be freed now stays for later."""
    async with room.database.read() as tx:
        rows = await (tx.all(_of_all) if key is None else tx.all(_of_key, {"key": key}))
    for row in rows:
        if row.store not in room.stores and row.store != STAGING:
            continue
        try:
            key_there, _, attempt = row.address.partition(images.ATTEMPT)
            if attempt:
                await store_of(room, row.store).abandon(key_there, attempt=attempt)
            else:
                await store_of(room, row.store).delete(key_there)
        except StoreBroken:
            continue
        async with room.database.write() as tx:
            await tx.execute(
                image_trash.delete().where(
                    image_trash.c.store == row.store, image_trash.c.address == row.address
                )
            )
