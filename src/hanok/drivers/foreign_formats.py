"""Disks of other hypervisors, looked at by ourselves: VMDK, VDI, VHD and VHDX.

They are never given to a guest. A host turns them into qcow2 once, by a tool in a sandbox; what is found here decides
whether it may open them at all: one disk, whole in this file, that stands on no other.

Source: VMware's "Virtual Disk Format 5.0"; Microsoft's "Virtual Hard Disk Image Format Specification" and [MS-VHDX]
2.2, 2.6; QEMU's docs on block/vdi.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from uuid import UUID

FOREIGN = ("vmdk", "vdi", "vhd", "vhdx")
VHDX_HEAD_BYTES = 256 << 10  # up to the end of the first table of regions
VHDX_METADATA_BYTES = 128 << 10  # its table, and what that leads to: some numbers right behind it

Findings = tuple[
    int, list[str]
]  # the size of the disk in bytes, 0 where it is not known, and what speaks against it

SECTOR = 512


def look(kind: str, head: bytes, tail: bytes, metadata: bytes = b"") -> Findings:
    """What a disk of one of the FOREIGN formats is.

    Args:
        head: its first 64 KiB. tail: its last sector. metadata: of a VHDX, VHDX_METADATA_BYTES from `vhdx_metadata_at`.
    """
    try:
        return _vhdx(metadata) if kind == "vhdx" else _LOOKS[kind](head, tail)
    except struct.error:
        return 0, [f"the {kind} header is cut off"]


# ---- VMDK ----

_TYPES = ("monolithicSparse", "streamOptimized")
_ACCESS = ("RW", "RDONLY", "NOACCESS")


def _vmdk(head: bytes, tail: bytes) -> Findings:
    if not head.startswith(b"KDMV"):
        return 0, [
            "its data is in other files: make it one file (monolithicSparse, streamOptimized)"
        ]
    version, _, capacity, _, at, length = struct.unpack_from("<IIQQQQ", head, 4)
    size = capacity * SECTOR
    if version not in (1, 2, 3) or not capacity:
        return 0, ["its header is not that of a disk"]
    text = head[at * SECTOR : (at + length) * SECTOR]
    if not at or not length or (at + length) * SECTOR > len(head):
        return size, ["its description is not where it can be looked at"]
    return size, _described(text.split(b"\0", 1)[0].decode("ascii", "replace"))


def _described(text: str) -> list[str]:
    """What speaks against a VMDK in its description: lines of `name = "value"`, and one for each extent."""
    lines = text.splitlines()
    pairs = (line.partition("=") for line in lines)
    values = {name.strip(): value.strip().strip('"') for name, _, value in pairs}
    extents = [words[2:3] for words in map(str.split, lines) if words[:1] and words[0] in _ACCESS]
    problems = []
    # Tools take the first that they find anywhere, so there may be one only.
    kind = values.get("createType", "") if text.count("createType") == 1 else ""
    if kind not in _TYPES:
        named = kind[:30]
        problems.append(f"it is a VMDK of the type {named!r}; {' and '.join(_TYPES)} can be used")
    if "parentFileNameHint" in text or values.get("parentCID", "ffffffff").lower() != "ffffffff":
        problems.append("it needs another file (a parent): make it one disk before the upload")
    if extents != [["SPARSE"]]:
        problems.append("its data is in other files, or in several")
    return problems


# ---- VDI ----


def _vdi(head: bytes, tail: bytes) -> Findings:
    version, _, kind = struct.unpack_from("<III", head, 0x44)
    (size,) = struct.unpack_from("<Q", head, 0x170)
    problems = []
    if version != 0x00010001:
        problems.append("it is a VDI of a version that is not known here")
    if kind not in (1, 2) or any(head[0x1A8:0x1C8]):
        problems.append("it needs another file (a parent): make it one disk before the upload")
    return int(size), problems


# ---- VHD ----

_FIXED, _DYNAMIC = 2, 3


def _vhd(head: bytes, tail: bytes) -> Findings:
    footer, expected = (head, _DYNAMIC) if head.startswith(b"conectix") else (tail, _FIXED)
    (size,) = struct.unpack_from(">Q", footer, 48)
    (kind,) = struct.unpack_from(">I", footer, 60)
    if kind == expected:
        return int(size), []
    return int(size), [
        "it needs another file (a parent), or is not whole: make it one disk before the upload"
    ]


# ---- VHDX ----

_REGIONS_AT = 192 << 10
_METADATA = UUID("8b7ca206-4790-4b9a-b8fe-575f050f886e").bytes_le
_PARAMETERS = UUID("caa16737-fa36-4d43-b3b6-33f0aa44e76b").bytes_le
_SIZE = UUID("2fa54224-cd1b-4876-b211-5dbed83bf4b8").bytes_le
_HAS_PARENT = 2
_MAXIMUM_ENTRIES = 2047


def vhdx_metadata_at(head: bytes | bytearray) -> int | None:
    """Where the metadata of a VHDX begins, by its first VHDX_HEAD_BYTES; None where it is not behind them."""
    if len(head) < VHDX_HEAD_BYTES:
        return None
    region = _entry(head, _REGIONS_AT, b"regi", 8, 16, _METADATA)
    if region is None or region + 24 > len(head):
        return None
    (at,) = struct.unpack_from("<Q", head, region + 16)
    return at if at >= VHDX_HEAD_BYTES else None


def _vhdx(metadata: bytes) -> Findings:
    parameters = _entry(metadata, 0, b"metadata", 10, 32, _PARAMETERS)
    size = _entry(metadata, 0, b"metadata", 10, 32, _SIZE)
    if parameters is None or size is None:
        return 0, ["its description is not where it can be looked at"]
    (flags,) = struct.unpack_from("<I", metadata, _offset(metadata, parameters) + 4)
    (virtual,) = struct.unpack_from("<Q", metadata, _offset(metadata, size))
    parent = flags & _HAS_PARENT
    return int(virtual), [
        "it needs another file (a parent): make it one disk before the upload"
    ] if parent else []


def _offset(metadata: bytes, entry: int) -> int:
    return int(struct.unpack_from("<I", metadata, entry + 16)[0])


def _entry(
    head: bytes | bytearray, at: int, sign: bytes, count_at: int, first: int, name: bytes
) -> int | None:
    """Where the entry of this name is in a table of VHDX, whose entries have 32 bytes."""
    if head[at : at + len(sign)] != sign:
        return None
    (count,) = struct.unpack_from("<I" if sign == b"regi" else "<H", head, at + count_at)
    for number in range(min(count, _MAXIMUM_ENTRIES)):
        entry = at + first + 32 * number
        if head[entry : entry + 16] == name:
            return entry
    return None


_LOOKS: dict[str, Callable[[bytes, bytes], Findings]] = {
    "vmdk": _vmdk,
    "vdi": _vdi,
    "vhd": _vhd,
}
