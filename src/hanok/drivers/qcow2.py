"""Writing a disk as a qcow2 image of version 3, for hosts without QEMU's tools.

Source: QEMU's docs/interop/qcow2.txt.
"""

from __future__ import annotations

import struct
from typing import BinaryIO

CLUSTER_BITS = 16
CLUSTER = 1 << CLUSTER_BITS
PER_TABLE = CLUSTER // 8  # entries of a second-level table
PER_BLOCK = CLUSTER // 2  # counters of a block of them
COPIED = 1 << 63  # in an entry: the cluster belongs to this disk alone
HEADER_BYTES = 104
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
