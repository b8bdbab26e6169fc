"""Writing a disk as a qcow2 image of version 3, for hosts without QEMU's tools.

Source: QEMU's docs/interop/qcow2.txt.
"""

from __future__ import annotations

import struct
import zlib
from typing import BinaryIO

CLUSTER_BITS = 16
CLUSTER = 1 << CLUSTER_BITS
PER_TABLE = CLUSTER // 8  # entries of a second-level table
PER_BLOCK = CLUSTER // 2  # counters of a block of them
COPIED = 1 << 63  # in an entry: the cluster belongs to this disk alone
COMPRESSED = 1 << 62
OFFSET = (1 << 56) - 512  # in an entry: where it leads
HEADER_BYTES = 104
BACKING_AT, BACKING_BYTES = (
    8,
    12,
)  # where the header says the name of what it stands on, and how long that is
LUKS_EXTENSION = 0x0537BE77
COUNTER_ORDER = 4  # 2^4 bits


def write(source: BinaryIO, target: BinaryIO, size_bytes: int) -> None:
    """Write a raw disk as qcow2; clusters of zeros take no room.

    Args:
        source: the disk's first bytes; what is missing up to its size is zeros. target: an empty file.
        size_bytes: of the disk, a multiple of 512.
    """
    clusters = -(-size_bytes // CLUSTER)
    tables = -(-clusters // PER_TABLE)
    first_level = -(-tables * 8 // CLUSTER) or 1
    used = 1 + first_level  # the header, and the first-level table behind it
    entries: list[int] = []
    target.seek(used * CLUSTER)
    for table in range(tables):
        inner: list[int] = []
        for _ in range(min(PER_TABLE, clusters - table * PER_TABLE)):
            piece = source.read(CLUSTER)
            if not piece.strip(b"\0"):
                inner.append(0)
                continue
            target.write(piece.ljust(CLUSTER, b"\0"))
            inner.append(used * CLUSTER | COPIED)
            used += 1
        if any(inner):
            target.write(struct.pack(f">{len(inner)}Q", *inner).ljust(CLUSTER, b"\0"))
            entries.append(used * CLUSTER | COPIED)
            used += 1
        else:
            entries.append(0)
    blocks = refs = 1
    while used + blocks + refs > blocks * PER_BLOCK or blocks > refs * PER_TABLE:
        blocks = -(-(used + blocks + refs) // PER_BLOCK)
        refs = -(-blocks // PER_TABLE)
    counted = used + blocks + refs
    for block in range(blocks):
        there = min(PER_BLOCK, counted - block * PER_BLOCK)
        target.write(struct.pack(">H", 1) * there + bytes(CLUSTER - 2 * there))
    places = [(used + block) * CLUSTER for block in range(blocks)]
    target.write(struct.pack(f">{blocks}Q", *places).ljust(refs * CLUSTER, b"\0"))
    target.seek(0)
    target.write(
        struct.pack(
            ">4sIQIIQIIQQIIQQQQII",
            b"QFI\xfb", 3, 0, 0, CLUSTER_BITS, size_bytes, 0, tables, CLUSTER,
            (used + blocks) * CLUSTER, refs, 0, 0, 0, 0, 0, COUNTER_ORDER, HEADER_BYTES,
        )
    )  # fmt: skip
    target.seek(CLUSTER)
    target.write(struct.pack(f">{len(entries)}Q", *entries).ljust(first_level * CLUSTER, b"\0"))


def write_empty(target: BinaryIO, size_bytes: int, luks: bytes = b"") -> None:
    """Write a qcow2 that shows zeros, in some milliseconds whatever its size.

    Args:
        target: an empty file. luks: a header by which its content is encrypted.
    """
    clusters = -(-size_bytes // CLUSTER)
    tables = -(-clusters // PER_TABLE)
    first_level = -(-tables * 8 // CLUSTER) or 1
    sealed_at = 1 + first_level
    used, blocks = sealed_at + -(-len(luks) // CLUSTER), 1
    while used + 1 + blocks > blocks * PER_BLOCK:
        blocks += 1
    counted = used + 1 + blocks
    target.write(
        struct.pack(
            ">4sIQIIQIIQQIIQQQQII",
            b"QFI\xfb", 3, 0, 0, CLUSTER_BITS, size_bytes, 2 if luks else 0, tables, CLUSTER,
            used * CLUSTER, 1, 0, 0, 0, 0, 0, COUNTER_ORDER, HEADER_BYTES,
        )
    )  # fmt: skip
    if luks:
        target.write(struct.pack(">IIQQ", LUKS_EXTENSION, 16, sealed_at * CLUSTER, len(luks)))
        target.seek(sealed_at * CLUSTER)
        target.write(luks)
    target.seek(used * CLUSTER)
    places = [(used + 1 + block) * CLUSTER for block in range(blocks)]
    target.write(struct.pack(f">{blocks}Q", *places))
    for block, place in enumerate(places):
        there = min(PER_BLOCK, counted - block * PER_BLOCK)
        target.seek(place)
        target.write(struct.pack(">H", 1) * there)
    target.truncate(counted * CLUSTER)


def show(source: BinaryIO, target: BinaryIO) -> None:
    """Write what a qcow2 image shows as a raw disk, up to the last byte that is not zero.

    Args:
        source: an image that stands on no other, not encrypted. target: an empty file; zeros are left out of it.

    Raises:
        ValueError: it is not such an image, or is cut off.
    """
    head = source.read(HEADER_BYTES + 8)
    if len(head) < 72 or not head.startswith(b"QFI\xfb"):
        raise ValueError("not a qcow2 image")
    backing, _, bits, size, crypt, entries, at = struct.unpack_from(">QIIQIIQ", head, 8)
    if backing or crypt or not 9 <= bits <= 21:
        raise ValueError("the image has a backing file, or is encrypted")
    cluster = 1 << bits
    for number, table in enumerate(_entries(source, at, entries)):
        if not table & OFFSET:
            continue
        begin = number * (cluster // 8) * cluster
        for place, entry in enumerate(_entries(source, table & OFFSET, cluster // 8)):
            piece = _cluster(source, entry, bits)
            if piece and (left := size - begin - place * cluster) > 0:
                target.seek(begin + place * cluster)
                target.write(piece[:left])
    target.seek(0)


def _entries(source: BinaryIO, at: int, count: int) -> tuple[int, ...]:
    source.seek(at)
    data = source.read(8 * count)
    if len(data) < 8 * count:
        raise ValueError("the image is cut off")
    return struct.unpack(f">{count}Q", data)


def _cluster(source: BinaryIO, entry: int, bits: int) -> bytes:
    """The bytes that an entry of a second-level table leads to; none for zeros."""
    if entry & COMPRESSED:
        wide = 62 - (bits - 8)
        source.seek(entry & ((1 << wide) - 1))
        packed = source.read((((entry & (COMPRESSED - 1)) >> wide) + 1) * 512)
        try:
            return zlib.decompressobj(-12).decompress(packed, 1 << bits)
        except zlib.error as error:
            raise ValueError("the image is compressed in an unknown way") from error
    if not entry & OFFSET or entry & 1:
        return b""
    source.seek(entry & OFFSET)
    return source.read(1 << bits)


def forget_backing(file: BinaryIO) -> None:
    """A qcow2's header names no other file that it stands on; which one that is is its user's to say."""
    file.seek(BACKING_AT)
    file.write(bytes(BACKING_BYTES))
