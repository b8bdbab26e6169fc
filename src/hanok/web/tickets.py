"""Tickets: what lets a host read or leave certain bytes at control for a short while.

A ticket is sealed with the cloud's own key, so every control process honours those of the others. It says all that is
to be checked: read or write, which bytes and how many, which host, until when. It goes to the host by the bus, in the
command that wants the bytes moved, where no other host hears it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from hanok.base.clock import Clock
from hanok.base.cloud_key import CloudKey
from hanok.commands import ByteChannel

PREFIX = "bytes"  # the first segment of the path
LIFE_S = 900.0  # a transfer that has begun may take longer; one that broke off gets a new one with the next command
_MARK = b"ticket:"  # nothing else that the cloud's key seals is a ticket

Right = Literal["read", "write"]


class Ticket(Struct, frozen=True, array_like=True):
    """Who may do what. size: of what is read, in bytes; of what is written at most. until: seconds since 1970."""

    right: Right
    name: str
    host: str
    size: int
    until: float


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Ticket).decode


class Tickets:
    """Makes tickets, and knows them again."""

    def __init__(self, key: CloudKey, clock: Clock, address: str) -> None:
        """
        Args:
            address: where hosts reach this control process, "http://10.0.0.1:5000".
        """
        self._key = key
        self._clock = clock
        self._address = address.rstrip("/")

    def to_read(self, image_id: str, host: str, size_bytes: int) -> ByteChannel:
        """A way for a host to an image's data."""
        return self._made("read", "images", image_id, host, size_bytes)

    def to_read_copy(self, name: str, host: str, size_bytes: int) -> ByteChannel:
        """A way for a host to a copy of a disk that is kept here for it."""
        return self._made("read", "snapshots", name, host, size_bytes)

    def to_write(self, snapshot_id: str, host: str, maximum_bytes: int) -> ByteChannel:
        """A way for a host to hand over a copy of a disk."""
        return self._made("write", "snapshots", snapshot_id, host, maximum_bytes)

    def _made(self, right: Right, kind: str, name: str, host: str, size: int) -> ByteChannel:
        until = self._clock.now().timestamp() + LIFE_S
        sealed = self._key.seal(_MARK + _encode(Ticket(right, name, host, size, until)))
        return ByteChannel(url=f"{self._address}/{PREFIX}/{kind}/{name}", ticket=sealed)

    def opened(self, text: str, right: Right, name: str, host: str) -> Ticket | None:
        """The ticket, if it is ours, still good, and for just that."""
        raw = self._key.open(text) if len(text) < 2048 and text.isascii() else None
        if raw is None or not raw.startswith(_MARK):
            return None
        try:
            ticket = _decode(raw.removeprefix(_MARK))
        except msgspec.DecodeError:
            return None  # of another version
        if (ticket.right, ticket.name, ticket.host) != (right, name, host):
            return None
        return ticket if ticket.until > self._clock.now().timestamp() else None


class Copies:
    """The folder in which hosts leave copies of disks: those of this machine by themselves, others over the channel."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, name: str) -> Path:
        return self.folder / name

    def part(self, name: str) -> Path:
        """What one is called while it is not whole."""
        return self.folder / f".{name}.part"

    def has(self, name: str) -> bool:
        return self.path(name).exists()

    def forget(self, name: str) -> None:
        for path in (self.path(name), self.part(name)):
            path.unlink(missing_ok=True)
