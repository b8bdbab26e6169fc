"""What a disk has beside another one that is known by hashes of its blocks alone: a file as large as what is changed.

    the data of changed blocks, one behind the other | header | length of the header (8 bytes) | mark (8 bytes)

A block is changed, the same, or zeros, which the header does not name. Both files come from other machines: what does
not fit is an error, and nothing is read that is longer than it may be.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from hanok.base.durable import put_in_place

BLOCKS = 1 << 18  # of one disk
KNOWN_MAXIMUM = 64 << 20
HEADER_MAXIMUM = 16 << 20
BLOCK_MAXIMUM = 1 << 30
MARK = b"HKDIFF1\n"
_TRAILER = struct.Struct(">Q8s")


class Unfit(Exception):
    """The bytes are not what they are said to be."""


class Known(Struct, frozen=True, kw_only=True):
    """A disk by its blocks. digests: SHA-256, by number, of those that are not zeros."""

    block_bytes: int
    digests: dict[int, bytes]


class _Header(Struct, frozen=True, kw_only=True):
    size_bytes: int
    block_bytes: int
    changed: list[int]
    same: list[int]


_encode = msgspec.msgpack.Encoder().encode
_known = msgspec.msgpack.Decoder(Known).decode
_header = msgspec.msgpack.Decoder(_Header).decode


def write_known(path: Path, known: Known) -> int:
    """Write what is known of a disk into a file; returns its size."""
    data = _encode(known)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_bytes(data)
    put_in_place(temporary, path)
    return len(data)


def read_known(path: Path) -> Known:
    """Raises Unfit."""
    if path.stat().st_size > KNOWN_MAXIMUM:
        raise Unfit("what is known of the disk is too long")
    try:
        found = _known(path.read_bytes())
    except msgspec.MsgspecError:
        raise Unfit("what is known of the disk cannot be read") from None
    if not 512 <= found.block_bytes <= BLOCK_MAXIMUM:
        raise Unfit(f"blocks of {found.block_bytes} bytes")
    return found


def written(file: int, size: int, block: int) -> Iterator[int]:
    """The numbers of the blocks of an open file in which something is."""
    at, last = 0, -1
    while at < size:
        try:
            first = os.lseek(file, at, os.SEEK_DATA)
        except OSError:  # nothing is behind it
            return
        at = os.lseek(file, first, os.SEEK_HOLE)
        for number in range(max(last + 1, first // block), -(-at // block)):
            yield number
            last = number


def make(disk: Path, known: Known, target: Path) -> int:
    """Write the difference of a raw disk to what is known into a new file; returns its size."""
    file, block = os.open(disk, os.O_RDONLY | os.O_NOFOLLOW), known.block_bytes
    changed, same = [], []
    try:
        size = os.fstat(file).st_size
        with target.open("xb") as out:
            for number in written(file, size, block):
                data = os.pread(file, block, number * block)
                if not data.strip(b"\0"):
                    continue
                if known.digests.get(number) == hashlib.sha256(data).digest():
                    same.append(number)
                    continue
                changed.append(number)
                out.write(data)
            head = _encode(_Header(size_bytes=size, block_bytes=block, changed=changed, same=same))
            out.write(head + _TRAILER.pack(len(head), MARK))
            return out.tell()
    finally:
        os.close(file)


class Difference:
    """A file that `make` has written, open. Raises Unfit: it is none."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            self._read(os.fstat(self._file).st_size)
        except BaseException:
            self.close()
            raise

    def _read(self, size: int) -> None:
        end = size - _TRAILER.size
        trailer = os.pread(self._file, _TRAILER.size, end) if end >= 0 else b""
        length, mark = _TRAILER.unpack(trailer) if len(trailer) == _TRAILER.size else (0, b"")
        if mark != MARK or not 0 < length <= min(end, HEADER_MAXIMUM):
            raise Unfit("the copy is not a difference")
        try:
            found = _header(os.pread(self._file, length, end - length))
        except msgspec.MsgspecError:
            raise Unfit("the header of the difference cannot be read") from None
        self.size_bytes, self.block_bytes = found.size_bytes, found.block_bytes
        self.same = frozenset(found.same)
        self._places: dict[int, int] = {}
        at = 0
        for number in found.changed:
            self._places[number] = at
            at += self._length(number)
        self.numbers = sorted(self.same | self._places.keys())
        count = -(-found.size_bytes // max(1, found.block_bytes))
        sound = len(self.numbers) == len(found.same) + len(found.changed) <= BLOCKS
        if not sound or at != end - length or (self.numbers and not self._fit(count)):
            raise Unfit("the header of the difference does not fit its data")

    def _fit(self, count: int) -> bool:
        return self.numbers[0] >= 0 and self.numbers[-1] < count

    def _length(self, number: int) -> int:
        return max(0, min(self.block_bytes, self.size_bytes - number * self.block_bytes))

    def data(self, number: int) -> bytes:
        """Of a block that is changed."""
        return os.pread(self._file, self._length(number), self._places[number])

    def close(self) -> None:
        os.close(self._file)
