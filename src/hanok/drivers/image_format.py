"""What the bytes of a disk image really are, found out by looking at them ourselves.

No tool of others touches an image before this has. Upload and import feed the bytes as they pass; nothing is kept
but the first 64 KiB (of a VHDX 256, and 128 of its metadata) and the last sector. A label is only a claim: the caller
compares it with `Found.format` and refuses whatever has `problems`.

Sources: QEMU's docs/interop/qcow2.txt, qed_spec.txt and vhdx/vpc headers; VMware's "Virtual Disk Format 5.0";
ECMA-119 (ISO 9660), section 8.4.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from hanok.drivers.foreign_formats import (
    FOREIGN,
    VHDX_HEAD_BYTES,
    VHDX_METADATA_BYTES,
    look,
    vhdx_metadata_at,
)

HEAD_BYTES = 64 * 1024  # every header of the known formats, and ISO 9660's at 32 KiB
TAIL_BYTES = 512  # VHD and DMG keep their header in the last sector
MAX_VIRTUAL_BYTES = 1 << 50  # a PiB: beyond that a size is an attack, not a disk

ISO_AT = 0x8000
QCOW2_EXTENSION_DATA_FILE = 0x44415441
QCOW2_EXTENSION_CRYPTO = 0x0537BE77
QCOW2_DIRTY, QCOW2_CORRUPT, QCOW2_DATA_FILE, QCOW2_COMPRESSION, QCOW2_LONG_L2 = (
    1 << n for n in range(5)
)
QCOW2_KNOWN = QCOW2_DIRTY | QCOW2_CORRUPT | QCOW2_DATA_FILE | QCOW2_COMPRESSION | QCOW2_LONG_L2


@dataclass(frozen=True)
class Found:
    """What an image is.

    format: raw, qcow2, iso; vmdk, vdi, vhd, vhdx, which hosts convert; or one that is only recognised: qcow, qed, luks,
    parallels, dmg.
    virtual_size_bytes: the size of the disk that a guest would see; 0 where it cannot be told.
    problems: in plain English, why it must not be used as `format`; empty when nothing speaks against it.
    """

    format: str
    virtual_size_bytes: int
    problems: list[str] = field(default_factory=list)


class Inspector:
    """Takes the bytes of one image in order, in pieces of any size."""

    def __init__(self) -> None:
        self.size_bytes = 0
        self._head = bytearray()
        self._tail = b""
        self._metadata = bytearray()  # of a VHDX

    def feed(self, chunk: bytes | memoryview) -> None:
        """Look at the next bytes."""
        vhdx = (self._head[:8] + chunk[:8]).startswith(b"vhdxfile")
        if (room := (VHDX_HEAD_BYTES if vhdx else HEAD_BYTES) - len(self._head)) > 0:
            self._head += chunk[:room]
        if vhdx:
            self._keep_metadata(chunk)
        self.size_bytes += len(chunk)
        last = bytes(chunk[-TAIL_BYTES:])
        self._tail = last if len(last) == TAIL_BYTES else (self._tail + last)[-TAIL_BYTES:]

    def _keep_metadata(self, chunk: bytes | memoryview) -> None:
        """Keep what these bytes, which are the next, have of a VHDX's metadata."""
        if (at := vhdx_metadata_at(self._head)) is not None:
            begin = at + len(self._metadata) - self.size_bytes
            end = at + VHDX_METADATA_BYTES - self.size_bytes
            if 0 <= begin < min(end, len(chunk)):
                self._metadata += chunk[begin:end]

    def finish(self) -> Found:
        """What it was. May be called before the end, for what can be said so far."""
        head, tail, size = bytes(self._head), self._tail, self.size_bytes
        if not size:
            return Found("raw", 0)  # a disk of no bytes, as upstream has it; nothing boots from it
        kinds = _kinds(head, tail)
        if len(kinds) > 1:
            return Found(
                kinds[0], 0, [f"the data can be read as {' and as '.join(kinds)}: refused"]
            )
        kind = kinds[0] if kinds else "raw"
        if kind == "qcow2":
            return _qcow2(head, size)
        if kind == "iso":
            return _iso(head, size)
        if kind == "raw":
            return Found("raw", size)
        if kind in FOREIGN:
            return Found(kind, *_bounded(*look(kind, head, tail, bytes(self._metadata))))
        return Found(kind, _size_of(kind, head), [f"disks of the format {kind} cannot be used"])


def inspect(data: bytes) -> Found:
    """What a whole image in memory is."""
    inspector = Inspector()
    inspector.feed(data)
    return inspector.finish()


def _kinds(head: bytes, tail: bytes) -> list[str]:
    """Every format whose mark is there. More than one means that two programs could see two disks."""
    kinds = []
    if head.startswith(b"QFI\xfb"):
        kinds.append("qcow" if head[4:8] == b"\0\0\0\x01" else "qcow2")
    if head[:4] in (b"KDMV", b"COWD") or b"# Disk DescriptorFile" in head[:1024]:
        kinds.append("vmdk")
    if head[0x40:0x44] == b"\x7f\x10\xda\xbe":
        kinds.append("vdi")
    if head.startswith(b"conectix") or tail.startswith(b"conectix"):
        kinds.append("vhd")
    if head.startswith(b"vhdxfile"):
        kinds.append("vhdx")
    if head.startswith(b"QED\0"):
        kinds.append("qed")
    if head.startswith(b"LUKS\xba\xbe"):
        kinds.append("luks")
    if head.startswith((b"WithoutFreeSpace", b"WithouFreSpacExt")):
        kinds.append("parallels")
    if tail.startswith(b"koly"):
        kinds.append("dmg")
    if head[ISO_AT + 1 : ISO_AT + 6] == b"CD001":
        kinds.append("iso")
    return kinds


def _size_of(kind: str, head: bytes) -> int:
    """The disk size in the header of a format that is only recognised."""
    match kind:
        case "qcow":
            offset, form = 24, ">Q"
        case "qed":
            offset, form = 48, "<Q"
        case _:
            return 0
    if len(head) < offset + 8:
        return 0
    return int(struct.unpack_from(form, head, offset)[0])


def _bounded(size: int, problems: list[str]) -> tuple[int, list[str]]:
    too_large = [f"its disk of {size} bytes is too large"] if size > MAX_VIRTUAL_BYTES else []
    return size, problems + too_large


def _iso(head: bytes, size: int) -> Found:
    at = ISO_AT
    problems: list[str] = []
    if len(head) >= at + 132:
        (blocks,) = struct.unpack_from("<I", head, at + 80)
        (block_bytes,) = struct.unpack_from("<H", head, at + 128)
        if blocks * block_bytes > size:
            problems.append(
                f"the ISO is cut off: it says {blocks * block_bytes} bytes and has {size}"
            )
    return Found("iso", size, problems)


def _qcow2(head: bytes, size: int) -> Found:
    if len(head) < 104:
        return Found("qcow2", 0, ["the qcow2 header is cut off"])
    (
        version,
        backing_at,
        _,
        cluster_bits,
        virtual,
        crypt,
        l1_entries,
        l1_at,
        refcount_at,
        refcount_clusters,
    ) = struct.unpack_from(">IQIIQIIQQI", head, 4)
    (snapshots,) = struct.unpack_from(">I", head, 60)
    features, header_bytes = 0, 72
    if version == 3:
        (features,) = struct.unpack_from(">Q", head, 72)
        (header_bytes,) = struct.unpack_from(">I", head, 100)

    problems: list[str] = []
    if version not in (2, 3):
        return Found(
            "qcow2", 0, [f"it is qcow2 of version {version}; versions 2 and 3 can be used"]
        )
    if not 9 <= cluster_bits <= 21:
        return Found(
            "qcow2", 0, [f"its cluster size of 2^{cluster_bits} bytes is outside of the format"]
        )
    cluster = 1 << cluster_bits
    if backing_at:
        problems.append("it has a backing file: flatten it before the upload")
    if crypt:
        problems.append("it is encrypted")
    if features & QCOW2_DATA_FILE:
        problems.append("its data is in another file (an external data file)")
    if features & QCOW2_CORRUPT:
        problems.append("it is marked as corrupt")
    if unknown := features & ~QCOW2_KNOWN:
        bits = ", ".join(str(bit) for bit in range(64) if unknown >> bit & 1)
        problems.append(f"it needs features that are not known here (bits {bits})")
    if snapshots:
        problems.append("it has internal snapshots: copy the state you want into a new image")
    if virtual > MAX_VIRTUAL_BYTES:
        problems.append(f"its disk of {virtual} bytes is too large")
    problems += _qcow2_extensions(head, header_bytes, cluster)
    problems += _qcow2_tables(
        virtual,
        cluster,
        size,
        features,
        (l1_at, l1_entries * 8),
        (refcount_at, refcount_clusters * cluster),
    )
    return Found("qcow2", virtual, problems)


def _qcow2_extensions(head: bytes, header_bytes: int, cluster: int) -> list[str]:
    """Walk the header extensions: they may name other files too."""
    if header_bytes < 72 or header_bytes % 8 or header_bytes > cluster:
        return ["the length of its qcow2 header is outside of the format"]
    problems: list[str] = []
    at = header_bytes
    end = min(cluster, len(head))
    while at + 8 <= end:
        kind, length = struct.unpack_from(">II", head, at)
        if kind == 0:
            return problems
        if kind == QCOW2_EXTENSION_DATA_FILE:
            problems.append("its header names an external data file")
        if kind == QCOW2_EXTENSION_CRYPTO:
            problems.append("its header describes encryption")
        at += 8 + (length + 7) // 8 * 8
    # Without an end mark the area ends with the cluster, or with the file when that is shorter.
    if at > end:
        problems.append("its header extensions do not end where they should")
    return problems


def _qcow2_tables(
    virtual: int,
    cluster: int,
    size: int,
    features: int,
    l1: tuple[int, int],
    refcount: tuple[int, int],
) -> list[str]:
    """The two tables that everything else hangs on lie inside the file and are large enough for the disk."""
    problems: list[str] = []
    for name, (at, length) in (("address", l1), ("reference", refcount)):
        if at % cluster:
            problems.append(f"its {name} table does not begin on a cluster")
        elif at + length > size:
            problems.append(
                f"it is cut off: its {name} table ends after byte {at + length} of {size}"
            )
    entry_bytes = 16 if features & QCOW2_LONG_L2 else 8
    covered = cluster * (cluster // entry_bytes)
    if l1[1] // 8 * covered < virtual:
        problems.append("its address table is too small for its disk")
    return problems
