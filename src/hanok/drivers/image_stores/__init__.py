"""Where the bytes of images are: one interface, several kinds of stores.

A store keeps objects named by keys. An object is there whole or not at all: `put` makes it visible last. What a `put`
that died left behind is found by its attempt's name and freed by `abandon`.

To add a kind (Ceph RBD is the next one): a class with these six methods, a line in `open_store`, and the name in
`StoreSettings.kind`. RBD needs: an RBD image a key in the pool, written through librbd in a thread, renamed from
`<key>.<attempt>` when whole, with a protected snapshot `snap`; `url` is rbd://<fsid>/<pool>/<key>/snap; `path` is None.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

__all__ = ["Store", "StoreBroken", "StoreFull", "StoreMissing"]


class StoreBroken(Exception):
    """The store does not do what was asked; the text says why, for an operator."""


class StoreMissing(StoreBroken):
    """There is no such object."""


class StoreFull(StoreBroken):
    """There is no room left."""


class Store(Protocol):
    """Objects by key. Methods raise StoreBroken."""

    @property
    def kind(self) -> str: ...

    async def put(self, key: str, pieces: AsyncIterator[bytes], *, attempt: str) -> int:
        """Keep a stream as the object; returns its bytes. An exception of the stream leaves nothing.

        Args:
            attempt: names what is not whole yet, so that two who write one key do not meet.
        """
        ...

    async def abandon(self, key: str, *, attempt: str) -> None:
        """Free what an attempt left that died before its end. Also where there is nothing."""
        ...

    def get(self, key: str, start: int, length: int) -> AsyncIterator[bytes]:
        """A part of an object, piece by piece."""
        ...

    async def delete(self, key: str) -> None:
        """Free the object. Also where there is none."""
        ...

    async def size(self, key: str) -> int | None:
        """Bytes of the object; None when there is none."""
        ...

    def url(self, key: str) -> str:
        """The object's address, without secrets."""
        ...

    def path(self, key: str) -> Path | None:
        """Where the object is a file on this machine."""
        ...
