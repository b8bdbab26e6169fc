"""The bytes of backups: how the blocks of a disk become objects of a store, and objects a disk again.

A disk is cut into blocks. Blocks of zeros are left out; the others are compressed, put one behind the other into
segments, and each segment is an object. The manifest, the last object that is written, says of each block where it is,
with a hash of it. An incremental backup refers to its forerunners' segments for the blocks whose hashes it finds in
their manifest; so what is restored is read from one manifest, whatever was changed how often.

Objects are called "<data id>.<number>" and "<data id>.manifest". Segments are numbered without a gap, so that what is
to be removed is found by asking, also after a process that died in between.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import msgspec
from msgspec import Struct

from hanok.base.failpoints import failpoint
from hanok.base.threads import in_thread
from hanok.drivers.block_difference import BLOCKS, Difference, Known, Unfit, written
from hanok.drivers.image_stores import Store, StoreBroken

SMALLEST_BLOCK = 256 << 10
SEGMENT = 32 << 20
LEVEL = 1  # of zlib: what is faster than most disks
MANIFEST_MAXIMUM = 256 << 20

Progress = Callable[[float], Awaitable[None]]


class Damaged(Exception):
    """What a store gave is not what was kept."""


class Place(Struct, frozen=True, array_like=True):
    """Where a backup's objects are."""

    project_id: str
    container: str
    data_id: str


class Block(Struct, frozen=True, array_like=True):
    """number: of the block in the disk. place: index into Manifest.places. size: as it is kept. digest: SHA-256."""

    number: int
    place: int
    segment: int
    offset: int
    size: int
    digest: bytes


class Manifest(Struct, frozen=True, kw_only=True):
    """All of a backup. size_bytes: of the disk's file. places: its own is the last one."""

    version: int = 1
    block_bytes: int
    size_bytes: int
    places: list[Place]
    blocks: list[Block]


class Kept(Struct, frozen=True, kw_only=True):
    """What was written: objects, and bytes of them."""

    objects: int
    stored_bytes: int


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Manifest).decode


def segment_name(data_id: str, number: int) -> str:
    return f"{data_id}.{number:08d}"


def manifest_name(data_id: str) -> str:
    return f"{data_id}.manifest"


def block_bytes_of(size_bytes: int) -> int:
    """How large the blocks of a disk are: of larger ones, larger."""
    block = SMALLEST_BLOCK
    while block * BLOCKS < size_bytes:
        block *= 2
    return block


# ---- from a disk to objects ----


class _Disk:
    """A raw disk that is cut: all of it is read."""

    def __init__(self, path: Path, block: int) -> None:
        self._file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        self.size_bytes, self._block = os.fstat(self._file).st_size, block
        self.numbers = written(self._file, self.size_bytes, block)
        self.same: frozenset[int] = frozenset()

    def data(self, number: int) -> bytes:
        return os.pread(self._file, self._block, number * self._block)

    def close(self) -> None:
        os.close(self._file)


class _Cutter:
    """Cuts a disk, or what is changed in it, into segments, in a thread; what it finds is in `blocks`."""

    def __init__(
        self, disk: _Disk | Difference, block: int, place: int, known: dict[int, Block]
    ) -> None:
        self._disk, self.size = disk, disk.size_bytes
        self._block, self._place, self._known = block, place, known
        self._numbers = iter(disk.numbers)
        self.blocks: list[Block] = []
        self.segments = 0
        self._zeros = bytes(block)

    def close(self) -> None:
        self._disk.close()

    @property
    def done(self) -> float:
        """How much of the disk was read, in percent."""
        last = self.blocks[-1].number + 1 if self.blocks else 0
        return min(99.0, 100.0 * last * self._block / max(1, self.size))

    def segment(self) -> bytes:
        """The next segment; empty at the end."""
        found = bytearray()
        for number in self._numbers:
            self._take(number, found)
            if len(found) >= SEGMENT:
                break
        self.segments += bool(found)
        return bytes(found)

    def _take(self, number: int, segment: bytearray) -> None:
        there = self._known.get(number)
        if number in self._disk.same:
            if there is None:
                raise Damaged("The copy of the volume does not fit the backup before it.")
            self.blocks.append(there)
            return
        raw = self._disk.data(number)
        if raw == (self._zeros if len(raw) == self._block else bytes(len(raw))):
            return
        digest = hashlib.sha256(raw).digest()
        if there is not None and there.digest == digest:
            self.blocks.append(there)
            return
        packed = zlib.compress(raw, LEVEL)
        data = packed if len(packed) < len(raw) else raw
        self.blocks.append(
            Block(number, self._place, self.segments, len(segment), len(data), digest)
        )
        segment += data


def _opened(path: Path, block: int, *, changes: bool) -> _Disk | Difference:
    """Raises Damaged."""
    if not changes:
        return _Disk(path, block)
    try:
        found = Difference(path)
    except Unfit as error:
        raise Damaged(f"The copy of the volume cannot be used: {error}.") from None
    if found.block_bytes != block:
        found.close()
        raise Damaged("The copy of the volume does not fit the backup before it.")
    return found


def known_of(manifest: Manifest) -> Known:
    """What a host has to know of a backup to tell what is changed since."""
    digests = {one.number: one.digest for one in manifest.blocks}
    return Known(block_bytes=manifest.block_bytes, digests=digests)


async def _one(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def keep(
    store: Store,
    place: Place,
    path: Path,
    *,
    parent: Manifest | None,
    attempt: str,
    progress: Progress,
    changes: bool = False,
) -> Kept:
    """Keep a disk, or what is changed in it since its parent. May run twice, with the same disk.

    changes: the file is what is changed since the parent, as the disk's host has found.

    Raises:
        Damaged: it is not. StoreBroken
    """
    block = block_bytes_of(path.stat().st_size) if parent is None else parent.block_bytes
    before = [] if parent is None else parent.places
    known = {} if parent is None else {one.number: one for one in parent.blocks}
    disk = await asyncio.to_thread(lambda: _opened(path, block, changes=changes))
    cutter = _Cutter(disk, block, len(before), known)
    stored = 0
    try:
        while segment := await in_thread(cutter.segment):
            name = segment_name(place.data_id, cutter.segments - 1)
            stored += await store.put(name, _one(segment), attempt=attempt)
            await failpoint("backups.keep.between_segments")
            await progress(cutter.done)
    finally:
        cutter.close()
    manifest = Manifest(
        block_bytes=block,
        size_bytes=cutter.size,
        places=[*before, place],
        blocks=cutter.blocks,
    )
    packed = await asyncio.to_thread(lambda: zlib.compress(_encode(manifest), LEVEL))
    stored += await store.put(manifest_name(place.data_id), _one(packed), attempt=attempt)
    return Kept(objects=cutter.segments + 1, stored_bytes=stored)


# ---- from objects to a disk ----


async def _bytes(store: Store, name: str, start: int, length: int) -> bytes:
    return b"".join([bytes(piece) async for piece in store.get(name, start, length)])


async def manifest_of(store: Store, data_id: str) -> Manifest:
    """A backup's manifest.

    Raises:
        Damaged: it is not there, or is none. StoreBroken
    """
    name = manifest_name(data_id)
    size = await store.size(name)
    if size is None or size > MANIFEST_MAXIMUM:
        raise Damaged("The backup's manifest is not in its store.")
    packed = await _bytes(store, name, 0, size)
    try:
        return await asyncio.to_thread(lambda: _decode(_unpacked(packed, MANIFEST_MAXIMUM * 4)))
    except (zlib.error, msgspec.DecodeError):
        raise Damaged("The backup's manifest cannot be read.") from None


def _unpacked(data: bytes, maximum: int) -> bytes:
    """What was compressed, which is no longer than that. Raises zlib.error."""
    machine = zlib.decompressobj()
    found = machine.decompress(data, maximum)
    if not machine.eof:
        raise zlib.error("it is longer than it may be")
    return found


async def show(
    stores: Callable[[Place], Store], manifest: Manifest, path: Path, progress: Progress
) -> None:
    """Make a file that is the disk, sparse where nothing is. May run twice.

    Raises:
        Damaged, StoreBroken
    """
    runs = _runs(manifest)
    file = await asyncio.to_thread(_empty, path, manifest.size_bytes)
    try:
        for number, blocks in enumerate(runs):
            place = manifest.places[blocks[0].place]
            await _fill(stores(place), place, manifest, blocks, file)
            await progress(100.0 * (number + 1) / len(runs))
        await in_thread(os.fsync, file)
    finally:
        os.close(file)


def _empty(path: Path, size: int) -> int:
    path.unlink(missing_ok=True)
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
    os.truncate(file, size)
    return file


def _runs(manifest: Manifest) -> list[list[Block]]:
    """The blocks by the segment that they are in."""
    found: dict[tuple[int, int], list[Block]] = {}
    for one in manifest.blocks:
        found.setdefault((one.place, one.segment), []).append(one)
    return [found[key] for key in sorted(found)]


async def _fill(
    store: Store, place: Place, manifest: Manifest, blocks: list[Block], file: int
) -> None:
    """Write what is needed of one segment, which is read in one go."""
    first = min(one.offset for one in blocks)
    last = max(one.offset + one.size for one in blocks)
    if last - first > SEGMENT + 2 * manifest.block_bytes:
        raise Damaged("The backup's manifest does not fit its data.")
    data = await _bytes(store, segment_name(place.data_id, blocks[0].segment), first, last - first)
    await in_thread(_write, manifest, blocks, data, first, file)


def _write(manifest: Manifest, blocks: list[Block], data: bytes, first: int, file: int) -> None:
    for one in blocks:
        at = one.number * manifest.block_bytes
        length = min(manifest.block_bytes, manifest.size_bytes - at)
        raw = data[one.offset - first : one.offset - first + one.size]
        try:
            raw = raw if one.size == length else _unpacked(raw, length)
        except zlib.error:
            raise Damaged("The backup's data is damaged.") from None
        if length < 0 or len(raw) != length or hashlib.sha256(raw).digest() != one.digest:
            raise Damaged("The backup's data is damaged.")
        os.pwrite(file, raw, at)


# ---- letting go ----


async def remove(store: Store, data_id: str, *, attempt: str) -> None:
    """Nothing of a backup's own data is left. May run twice, and where it was written only in part.

    Raises:
        StoreBroken
    """
    await store.delete(manifest_name(data_id))
    await store.abandon(manifest_name(data_id), attempt=attempt)
    number = 0
    while await store.size(segment_name(data_id, number)) is not None:
        number += 1
    await store.abandon(segment_name(data_id, number), attempt=attempt)
    for one in reversed(range(number)):  # what is left when this is interrupted has no gap
        await store.delete(segment_name(data_id, one))


__all__ = [
    "Damaged",
    "Kept",
    "Manifest",
    "Place",
    "StoreBroken",
    "keep",
    "manifest_of",
    "remove",
    "show",
]
