"""Small disk images, made byte by byte."""

from __future__ import annotations

import struct


def qcow2(virtual_bytes: int = 1 << 20, *, backing: str = "") -> bytes:
    """A qcow2 image (version 2) of an empty disk, with a backing file if one is named."""
    cluster = 1 << 16
    name = backing.encode()
    offset = 72 if name else 0
    header = struct.pack(
        ">4sIQIIQIIQQIIQ",
        b"QFI\xfb",
        2,
        offset,
        len(name),
        16,
        virtual_bytes,
        0,
        1,
        3 * cluster,
        cluster,
        1,
        0,
        0,
    )
    first = (header + name).ljust(cluster, b"\0")
    refcount_table = struct.pack(">Q", 2 * cluster).ljust(cluster, b"\0")
    refcounts = (struct.pack(">H", 1) * 4).ljust(cluster, b"\0")
    l1 = b"".ljust(cluster, b"\0")
    return first + refcount_table + refcounts + l1
