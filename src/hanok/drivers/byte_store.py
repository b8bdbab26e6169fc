"""Bytes by name: what an object store needs of whatever holds its data.

Five calls: put, get, delete, list, stat. `Files` keeps a file a blob in a folder. What is being written has a side
name; it gets its own when it is whole and on the disk, so nobody ever sees a part of it, and what a crash leaves is
under a side name, or is a whole blob that nobody refers to. Blobs are never changed: who has one open reads it to its
end.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import os
import uuid
from collections.abc import AsyncIterable, AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol, TypeVar

from hanok.base.durable import settle
from hanok.base.failpoints import failpoint
from hanok.base.threads import ended

PIECE = 1 << 20  # bytes that are read or written at once
THREADS = 8
LOOK_BYTES = 64 << 20  # written between two looks at how full the disk is
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

Result = TypeVar("Result")


class Full(Exception):
    """There is no room for it."""


class TooLong(Exception):
    """More came than may be."""


class Missing(Exception):
    """There is no such blob."""


class Stored:
    """A blob that was put. md5: of its bytes, in hexadecimal digits."""

    __slots__ = ("blob", "md5", "size")

    def __init__(self, blob: str, size: int, md5: str) -> None:
        self.blob, self.size, self.md5 = blob, size, md5


class Found:
    """What a list has of a blob. whole: whether it is one, and not what a broken put left. at: seconds since 1970."""

    __slots__ = ("at", "blob", "size", "whole")

    def __init__(self, blob: str, size: int, at: float, whole: bool) -> None:
        self.blob, self.size, self.at, self.whole = blob, size, at, whole


class ByteStore(Protocol):
    """Whatever holds bytes."""

    async def put(
        self, pieces: AsyncIterable[bytes], *, limit: int, announced: int = 0, blob: str = ""
    ) -> Stored:
        """Keep what comes. It is on the disk, whole, when this returns.

        Args:
            limit: bytes that may come. announced: how many the sender says there are, if it does.
            blob: what it is to be called; empty: a new name.

        Raises:
            TooLong, Full
        """

    async def get(
        self, blob: str, first: int = 0, length: int | None = None
    ) -> AsyncIterator[bytes]:
        """The bytes from one on; what is opened now is read to its end, whoever deletes it meanwhile.

        Raises:
            Missing
        """

    async def delete(self, blob: str) -> None:
        """Let it go; that it is not there is no error."""

    def list(self) -> AsyncIterator[Found]:
        """All that is here."""

    async def stat(self, blob: str) -> int | None:
        """How many bytes it has; None: it is not there."""


class Files:
    """A byte store in a folder."""

    def __init__(self, folder: Path, *, durable: bool = True, reserve: int = 0) -> None:
        """
        Args:
            durable: whether a put waits for the disk. reserve: bytes of the disk that stay free.
        """
        self._folder = folder
        self._durable = durable
        self._reserve = reserve
        self._threads: ThreadPoolExecutor | None = None

    def close(self) -> None:
        """Let go of the threads; what is under way is done, and may go on with new ones."""
        if self._threads is not None:
            self._threads.shutdown(wait=False)
            self._threads = None

    async def _thread(self, work: Callable[..., Result], *given: object) -> Result:
        """What a thread does. Who is stopped meanwhile waits for its end: nothing is closed under its hands."""
        if self._threads is None:
            self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="objects")
        doing = asyncio.get_running_loop().run_in_executor(self._threads, work, *given)
        return await ended(doing)

    async def _opened(self, work: Callable[..., int], *given: object) -> int:
        """A file that a thread opens; it is closed where nobody is there any more to take it."""
        found: list[int] = []
        try:
            await self._thread(lambda: found.append(work(*given)))
        except asyncio.CancelledError:
            for file in found:
                os.close(file)
            raise
        return found[0]

    def _path(self, blob: str) -> Path:
        return self._folder / blob[:2] / blob

    def _side(self, blob: str) -> Path:
        return self._folder / "new" / blob

    # ---- put ----

    async def put(
        self, pieces: AsyncIterable[bytes], *, limit: int, announced: int = 0, blob: str = ""
    ) -> Stored:
        """See ByteStore."""
        side = uuid.uuid4().hex  # two who write one blob do not meet
        blob = blob or side
        digest = hashlib.md5(usedforsecurity=False)
        parts: list[bytes] = []
        file = -1
        size = waiting = looked = 0
        try:
            if announced > PIECE:
                await self._thread(self._check_space, announced)
            async for piece in pieces:
                size += len(piece)
                waiting += len(piece)
                if size > limit:
                    raise TooLong
                parts.append(piece)
                if waiting < PIECE:
                    continue
                if file < 0:
                    file = await self._opened(self._begin, side)
                if size - looked > LOOK_BYTES:
                    await self._thread(self._check_space, waiting)
                    looked = size
                await self._thread(_append, file, digest, parts)
                parts, waiting = [], 0
                await failpoint("objects.put.between_pieces")
            await failpoint("objects.put.before_whole")
            if file < 0:
                await self._thread(self._whole, side, blob, digest, parts)
            else:
                await self._thread(_append, file, digest, parts)
                await self._thread(self._finish, side, blob, file)
            await failpoint("objects.put.after_whole")
        except OSError as error:
            if error.errno in _NO_SPACE:
                raise Full from error
            raise
        finally:
            if file >= 0:
                os.close(file)
            with contextlib.suppress(OSError):
                os.unlink(self._side(side))  # where it became whole, this name is gone
        return Stored(blob, size, digest.hexdigest())

    def _check_space(self, size: int) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        space = os.statvfs(self._folder)
        if space.f_bavail * space.f_frsize < size + self._reserve:
            raise Full

    def _begin(self, name: str) -> int:
        self._check_space(PIECE)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        side = self._side(name)
        try:
            return os.open(side, flags, 0o600)
        except FileNotFoundError:
            side.parent.mkdir(mode=0o700, exist_ok=True)
            return os.open(side, flags, 0o600)

    def _whole(self, side: str, blob: str, digest: hashlib._Hash, parts: list[bytes]) -> None:
        """All of a small blob in one go."""
        file = self._begin(side)
        try:
            _append(file, digest, parts)
            self._finish(side, blob, file)
        finally:
            os.close(file)

    def _finish(self, side: str, blob: str, file: int) -> None:
        if self._durable:
            os.fsync(file)
        path = self._path(blob)
        try:
            os.rename(self._side(side), path)
        except FileNotFoundError:
            path.parent.mkdir(mode=0o700, exist_ok=True)
            self._sync(self._folder)
            os.rename(self._side(side), path)
        self._sync(path.parent)

    def _sync(self, folder: Path) -> None:
        if self._durable:
            settle(folder)

    # ---- get ----

    async def get(
        self, blob: str, first: int = 0, length: int | None = None
    ) -> AsyncIterator[bytes]:
        """See ByteStore."""
        if length is not None and length <= PIECE:
            return _one(await self._thread(self._read, blob, first, length))
        file = await self._opened(self._open, blob)
        return self._pieces(file, first, length)

    def _open(self, blob: str) -> int:
        try:
            return os.open(self._path(blob), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            raise Missing(blob) from None

    def _read(self, blob: str, first: int, length: int) -> bytes:
        file = self._open(blob)
        try:
            return os.pread(file, length, first)
        finally:
            os.close(file)

    async def _pieces(self, file: int, first: int, length: int | None) -> AsyncIterator[bytes]:
        handle = os.fdopen(file, "rb", buffering=0)  # closes itself where nobody comes for the rest
        try:
            at, left = first, length
            while left is None or left > 0:
                size = PIECE if left is None else min(PIECE, left)
                piece = await self._thread(os.pread, handle.fileno(), size, at)
                if not piece:
                    if left:
                        raise OSError(f"{left} bytes are missing at the end of a blob")
                    return
                at += len(piece)
                left = None if left is None else left - len(piece)
                yield piece
        finally:
            handle.close()

    # ---- the others ----

    async def delete(self, blob: str) -> None:
        """See ByteStore."""

        def unlink() -> None:
            for path in (self._path(blob), self._side(blob)):
                with contextlib.suppress(FileNotFoundError):
                    path.unlink()

        await self._thread(unlink)

    async def list(self) -> AsyncIterator[Found]:
        """See ByteStore."""

        def names(folder: Path) -> list[Found]:
            found = []
            with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
                for entry in entries:
                    with contextlib.suppress(FileNotFoundError):
                        if entry.is_file(follow_symlinks=False):
                            known = entry.stat(follow_symlinks=False)
                            whole = folder.name != "new"
                            found.append(Found(entry.name, known.st_size, known.st_mtime, whole))
            return found

        def folders() -> list[Path]:
            with contextlib.suppress(FileNotFoundError):
                return sorted(one for one in self._folder.iterdir() if one.is_dir())
            return []

        for folder in await self._thread(folders):
            for one in await self._thread(names, folder):
                yield one

    async def stat(self, blob: str) -> int | None:
        """See ByteStore."""

        def size() -> int | None:
            with contextlib.suppress(FileNotFoundError):
                return self._path(blob).stat().st_size
            return None

        return await self._thread(size)


def _append(file: int, digest: hashlib._Hash, parts: list[bytes]) -> None:
    data = parts[0] if len(parts) == 1 else b"".join(parts)
    digest.update(data)
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


async def _one(piece: bytes) -> AsyncIterator[bytes]:
    if piece:
        yield piece
