"""A byte store in a bucket of an operator's S3 server, and several byte stores as one.

A blob is an object of the bucket. What is being written is an upload that has not ended; its name in lists is the
blob's and the upload's id, so that what a crash leaves is found and let go like a part of a file.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import uuid
from collections.abc import AsyncIterable, AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime

from hanok.base.errors import Unavailable
from hanok.drivers.byte_store import ByteStore, Found, Full, Missing, Stored, TooLong
from hanok.drivers.image_stores import StoreBroken, StoreFull, StoreMissing
from hanok.drivers.image_stores.s3 import S3Store

log = logging.getLogger(__name__)


@contextmanager
def _answers() -> Iterator[None]:
    try:
        yield
    except StoreFull as error:
        raise Full from error
    except StoreBroken as error:
        log.warning("the bucket of object storage: %s", error)
        raise Unavailable("The store of the objects' bytes does not answer.") from error


class Bucket:
    """A byte store in a bucket."""

    def __init__(self, store: S3Store, prefix: str = "blobs/") -> None:
        self._store, self._prefix = store, prefix

    def close(self) -> None:
        self._store.close()

    def _key(self, blob: str) -> str:
        return f"{self._prefix}{blob}"

    async def put(
        self, pieces: AsyncIterable[bytes], *, limit: int, announced: int = 0, blob: str = ""
    ) -> Stored:
        """See ByteStore."""
        blob = blob or uuid.uuid4().hex
        digest = hashlib.md5(usedforsecurity=False)
        size = 0

        async def passing() -> AsyncIterator[bytes]:
            nonlocal size
            async for piece in pieces:
                size += len(piece)
                if size > limit:
                    raise TooLong
                digest.update(piece)
                yield piece

        with _answers():
            await self._store.put(self._key(blob), passing(), attempt="")
        return Stored(blob, size, digest.hexdigest())

    async def get(
        self, blob: str, first: int = 0, length: int | None = None
    ) -> AsyncIterator[bytes]:
        """See ByteStore."""
        if length is None:
            size = await self.stat(blob)
            if size is None:
                raise Missing(blob)
            length = size - first
        source = self._store.get(self._key(blob), first, length)
        try:
            with _answers():
                start = await anext(source, b"")
        except Unavailable as error:
            if isinstance(error.__cause__, StoreMissing):
                raise Missing(blob) from None
            raise
        return _rest(start, source)

    async def delete(self, blob: str) -> None:
        """See ByteStore; what follows a slash is the id of an upload that has not ended."""
        name, _, upload = blob.partition("/")
        with _answers():
            if upload:
                await self._store.end(self._key(name), upload)
            else:
                await self._store.delete(self._key(name))

    async def list(self) -> AsyncIterator[Found]:
        """See ByteStore."""
        after = ""
        while True:
            with _answers():
                some, last = await self._store.entries(self._prefix, after)
            for key, size, at in some:
                after = key
                yield Found(key.removeprefix(self._prefix), size, _seconds(at), True)
            if last:
                break
        with _answers():
            unfinished = await self._store.uploads(self._prefix)
        for key, upload, at in unfinished:
            yield Found(f"{key.removeprefix(self._prefix)}/{upload}", 0, _seconds(at), False)

    async def stat(self, blob: str) -> int | None:
        """See ByteStore."""
        with _answers():
            return await self._store.size(self._key(blob))


def _seconds(at: str) -> float:
    return datetime.fromisoformat(at).timestamp()


async def _rest(start: bytes, source: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if start:
        yield start
    with _answers():
        async for piece in source:
            yield piece


class Places:
    """Byte stores as one: what comes goes to one of them, and what is there is found in all."""

    def __init__(self, places: Mapping[str, ByteStore], target: str) -> None:
        """
        Args:
            target: where what comes goes; it may change at any time.
        """
        self.places = dict(places)
        self.target = target

    def _in_turn(self) -> list[ByteStore]:
        """The one that is moved to comes last, too: between two looks a blob may have got there."""
        first = self.places[self.target]
        others = [store for name, store in self.places.items() if name != self.target]
        return [first, *others, first] if others else [first]

    async def put(
        self, pieces: AsyncIterable[bytes], *, limit: int, announced: int = 0, blob: str = ""
    ) -> Stored:
        """See ByteStore."""
        target = self.places[self.target]
        return await target.put(pieces, limit=limit, announced=announced, blob=blob)

    async def get(
        self, blob: str, first: int = 0, length: int | None = None
    ) -> AsyncIterator[bytes]:
        """See ByteStore."""
        for store in self._in_turn():
            try:
                return await store.get(blob, first, length)
            except Missing:
                continue
        raise Missing(blob)

    async def delete(self, blob: str) -> None:
        """See ByteStore."""
        for store in self.places.values():
            await store.delete(blob)

    async def list(self) -> AsyncIterator[Found]:
        """See ByteStore; what is being moved is there twice."""
        for store in self.places.values():
            async for found in store.list():
                yield found

    async def stat(self, blob: str) -> int | None:
        """See ByteStore."""
        for store in self._in_turn():
            if (size := await store.stat(blob)) is not None:
                return size
        return None


async def same(one: ByteStore, other: ByteStore, blob: str) -> bool:
    """Whether a blob has the same bytes in two stores.

    Raises:
        Missing: it is not in one of them.
    """
    sources = [await store.get(blob) for store in (one, other)]
    left = [b"", b""]
    while True:
        for number, source in enumerate(sources):
            if not left[number]:
                left[number] = await anext(source, b"")
        size = min(len(piece) for piece in left)
        if left[0][:size] != left[1][:size]:
            return False
        if not size:
            return left == [b"", b""]
        left = [piece[size:] for piece in left]
        await asyncio.sleep(0)
