"""A store in a folder: one file an object."""

from __future__ import annotations

import asyncio
import errno
import mmap
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

from hanok.base.durable import put_in_place
from hanok.base.threads import in_thread
from hanok.drivers.image_stores import StoreBroken, StoreFull

PIECE = 1 << 20
MAPPED = 4 << 20  # of a file that is handed out
POPULATE_READ = 22  # linux/mman.h: MADV_POPULATE_READ


class FileStore:
    kind = "file"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def _partial(self, key: str, attempt: str) -> Path:
        return self.folder / f".{key}.{attempt}.part"

    async def put(self, key: str, pieces: AsyncIterator[bytes], *, attempt: str) -> int:
        partial = self._partial(key, attempt)
        size = 0
        with _own():
            self.folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        try:
            try:
                async for piece in pieces:
                    with _own():
                        await in_thread(_write, descriptor, piece)
                    size += len(piece)
                with _own():
                    await in_thread(os.fsync, descriptor)
            finally:
                os.close(descriptor)
            with _own():
                await asyncio.to_thread(put_in_place, partial, self.folder / key, settled=True)
        finally:
            partial.unlink(missing_ok=True)
        return size

    async def abandon(self, key: str, *, attempt: str) -> None:
        with _own():
            self._partial(key, attempt).unlink(missing_ok=True)

    async def get(self, key: str, start: int, length: int) -> AsyncIterator[bytes]:
        try:
            descriptor = os.open(self.folder / key, os.O_RDONLY | os.O_NOFOLLOW)
        except OSError as error:
            raise StoreBroken(f"{self.folder / key}: {error.strerror}") from error
        try:
            at, end = start, start + length
            while at < end:
                piece = await in_thread(os.pread, descriptor, min(PIECE, end - at), at)
                if not piece:
                    raise StoreBroken(f"{self.folder / key} ends after {at} bytes")
                at += len(piece)
                yield piece
        finally:
            os.close(descriptor)

    async def mapped(self, key: str, start: int, length: int) -> AsyncIterator[memoryview]:
        """The same as get, without a copy: views into the page cache, filled by a thread before they are given."""
        try:
            descriptor = os.open(self.folder / key, os.O_RDONLY | os.O_NOFOLLOW)
        except OSError as error:
            raise StoreBroken(f"{self.folder / key}: {error.strerror}") from error
        try:
            if os.fstat(descriptor).st_size < start + length:
                raise StoreBroken(f"{self.folder / key} is shorter than {start + length} bytes")
            at, end = start, start + length
            while at < end:
                first = at - at % mmap.ALLOCATIONGRANULARITY
                last = min(end, first + MAPPED)
                made = mmap.mmap(descriptor, last - first, prot=mmap.PROT_READ, offset=first)
                await asyncio.to_thread(_populate, made)
                yield memoryview(made)[at - first :]
                at = last
        finally:
            os.close(descriptor)

    async def delete(self, key: str) -> None:
        with _own():
            (self.folder / key).unlink(missing_ok=True)

    async def size(self, key: str) -> int | None:
        try:
            return (self.folder / key).stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            return None

    def url(self, key: str) -> str:
        return f"file://{self.folder / key}"

    def path(self, key: str) -> Path | None:
        return self.folder / key


@contextmanager
def _own() -> Iterator[None]:
    """The file system's errors as a store's; those of the stream that comes in stay what they are."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise StoreFull(str(error)) from error
        raise StoreBroken(str(error)) from error


def _write(descriptor: int, piece: bytes) -> None:
    view = memoryview(piece)
    while view:
        view = view[os.write(descriptor, view) :]


def _populate(made: mmap.mmap) -> None:
    try:
        made.madvise(POPULATE_READ)
    except OSError:  # an older kernel: touch each page instead
        for at in range(0, len(made), mmap.PAGESIZE):
            made[at]
