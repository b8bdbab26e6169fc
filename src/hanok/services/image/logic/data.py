"""The bytes of images: taken in and handed out as streams, in constant memory.

An upload goes to a file of its own beside the images; it takes the image's name when it is whole, on the disk and found
to be what it claims. Hashes and writes run in threads, at the same time, a piece behind the network.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

from msgspec import Struct

from hanok.base.errors import BadInput, TooLarge, Unavailable, UnsupportedType
from hanok.drivers.image_format import Inspector
from hanok.services.image.room import Images

PIECE = 1 << 20


class Taken(Struct, frozen=True, kw_only=True):
    """What was taken in. Sizes in bytes."""

    size: int
    virtual_size: int | None
    md5: str
    sha512: str


def path_of(room: Images, image_id: str) -> Path:
    return room.files / image_id


def partial_path(room: Images, image_id: str, number: int) -> Path:
    return room.files / f".{image_id}.{number}.part"


class _Sink:
    """One upload's file, hashes and inspector."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.md5 = hashlib.md5(usedforsecurity=False)
        self.sha512 = hashlib.sha512()
        self.inspector = Inspector()
        self.size = 0
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)

    def _write(self, piece: bytes) -> None:
        view = memoryview(piece)
        while view:
            view = view[os.write(self._file, view) :]
        self.inspector.feed(piece)

    async def take(self, piece: bytes) -> None:
        self.size += len(piece)
        await asyncio.gather(
            asyncio.to_thread(self.md5.update, piece),
            asyncio.to_thread(self.sha512.update, piece),
            asyncio.to_thread(self._write, piece),
        )

    def sync(self) -> None:
        os.fsync(self._file)

    def close(self) -> None:
        os.close(self._file)


async def take(
    room: Images,
    stream: AsyncIterator[bytes],
    *,
    image_id: str,
    number: int,
    disk_format: str | None,
    container_format: str | None,
    promised: int | None,
) -> Taken:
    """Read a stream to its end into the image's file.

    Args:
        number: the upload's, part of the name of the file while it is not whole.
        promised: bytes that were announced, if any.

    Raises:
        UnsupportedType: the bytes are not what disk_format says, or something that must not be opened.
        BadInput: the stream ended early. TooLarge: more than an image may have. Unavailable: the disk is full.
    """
    partial = partial_path(room, image_id, number)
    sink = None
    try:
        sink = _Sink(partial)
        buffer = bytearray()
        async for chunk in stream:
            buffer += chunk
            if sink.size + len(buffer) > room.settings.most_bytes:
                raise TooLarge(f"Image exceeds the limit of {room.settings.most_bytes} bytes.")
            if len(buffer) >= PIECE:
                piece, buffer = bytes(buffer), bytearray()
                await sink.take(piece)
        if buffer:
            await sink.take(bytes(buffer))
        if promised is not None and sink.size != promised:
            raise BadInput(
                f"Size mismatch: {promised} bytes were announced, {sink.size} came. The upload was cut short."
            )
        virtual = _inspect(room, sink, disk_format, container_format)
        await asyncio.to_thread(sink.sync)
        os.replace(partial, path_of(room, image_id))
        await asyncio.to_thread(_sync_folder, room.files)
        return Taken(
            size=sink.size,
            virtual_size=virtual,
            md5=sink.md5.hexdigest(),
            sha512=sink.sha512.hexdigest(),
        )
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise Unavailable(
                "The disk that holds the images is full.", detail=str(error)
            ) from error
        raise Unavailable("The image's data could not be written.", detail=str(error)) from error
    finally:
        if sink is not None:
            sink.close()
        partial.unlink(missing_ok=True)


def _inspect(
    room: Images, sink: _Sink, disk_format: str | None, container_format: str | None
) -> int | None:
    """Hold the bytes against the label. Returns the size of the disk in the image, where it can be told."""
    if container_format not in (None, "bare") or disk_format in (None, "ami", "ari", "aki"):
        return None
    found = sink.inspector.finish()
    if found.format == disk_format and found.problems:
        raise UnsupportedType(f"The image must not be used: {'; '.join(found.problems)}")
    if disk_format == "raw" and found.format in ("raw", "iso"):
        return sink.size
    if room.settings.match_format and found.format != disk_format:
        raise UnsupportedType(
            f"Image format mismatch: the image says it is {disk_format}, its data is {found.format}."
        )
    return found.virtual_size_bytes or None


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


async def pieces(path: Path, start: int, length: int) -> AsyncIterator[bytes]:
    """A part of a file, piece by piece."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        at, end = start, start + length
        while at < end:
            piece = await asyncio.to_thread(os.pread, descriptor, min(PIECE, end - at), at)
            if not piece:
                return
            at += len(piece)
            yield piece
    finally:
        os.close(descriptor)


def remove(room: Images, image_id: str) -> None:
    """Free the image's bytes; also works on a full disk, and where there are none."""
    path_of(room, image_id).unlink(missing_ok=True)
    for partial in room.files.glob(f".{image_id}.*.part"):
        partial.unlink(missing_ok=True)
