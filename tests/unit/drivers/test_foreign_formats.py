"""Disks of other hypervisors: what is one whole disk, and what leads to other files."""

from __future__ import annotations

import struct
import subprocess
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hanok.drivers.foreign_formats import FOREIGN, look
from hanok.drivers.image_format import Found, Inspector, inspect

MIB = 1 << 20


def made(path: Path, kind: str, *options: str) -> bytes:
    command = ["qemu-img", "create", "-q", "-f", kind, *options, str(path), "8M"]
    subprocess.run(command, check=True, timeout=120)
    return path.read_bytes()


WHOLE = [
    ("vmdk", (), "vmdk"),
    ("vmdk", ("-o", "subformat=streamOptimized"), "vmdk"),
    ("vdi", (), "vdi"),
    ("vdi", ("-o", "static=on"), "vdi"),
    ("vpc", (), "vhd"),
    ("vpc", ("-o", "subformat=fixed"), "vhd"),
    ("vhdx", (), "vhdx"),
    ("vhdx", ("-o", "subformat=fixed"), "vhdx"),
]


@pytest.mark.parametrize(("kind", "options", "named"), WHOLE)
def test_a_whole_disk_has_no_problems(
    tmp_path: Path, kind: str, options: tuple[str, ...], named: str
) -> None:
    data = made(tmp_path / "disk", kind, *options)
    found = inspect(data)
    assert (found.format, found.problems) == (named, [])
    assert 8 * MIB <= found.virtual_size_bytes < 9 * MIB  # VHD rounds to whole cylinders
    inspector = Inspector()
    for at in range(0, len(data), 300_001):
        inspector.feed(data[at : at + 300_001])
    assert inspector.finish() == found


@pytest.mark.parametrize(
    "subformat", ["monolithicFlat", "twoGbMaxExtentSparse", "twoGbMaxExtentFlat"]
)
def test_a_vmdk_whose_data_is_elsewhere_is_refused(tmp_path: Path, subformat: str) -> None:
    data = made(tmp_path / "disk.vmdk", "vmdk", "-o", f"subformat={subformat}")
    assert "other files" in inspect(data).problems[0]


def test_a_vmdk_on_another_file_is_refused(tmp_path: Path) -> None:
    made(tmp_path / "base.vmdk", "vmdk")
    base = ("-b", str(tmp_path / "base.vmdk"), "-F", "vmdk")
    assert "needs another file" in inspect(made(tmp_path / "disk", "vmdk", *base)).problems[0]


Change = Callable[[bytearray], None]


def put(at: int, form: str, *values: int) -> Change:
    return lambda data: struct.pack_into(form, data, at, *values)


def text(old: bytes, new: bytes) -> Change:
    def change(data: bytearray) -> None:
        at = data.index(old)
        data[at : at + len(old)] = new.ljust(len(old))

    return change


BAD: list[tuple[str, Change, str]] = [
    ("vmdk", put(12, "<Q", 0), "not that of a disk"),
    ("vmdk", put(4, "<I", 9), "not that of a disk"),
    ("vmdk", put(28, "<Q", 0), "where it can be looked at"),
    ("vmdk", put(28, "<Q", 1 << 40), "where it can be looked at"),
    ("vmdk", text(b'"monolithicSparse"', b'"custom"'), "type 'custom'"),
    ("vmdk", text(b"parentCID=ffffffff", b"parentCID=00000001"), "needs another file"),
    ("vmdk", text(b"SPARSE", b"FLAT"), "in other files"),
    ("vmdk", text(b"# The Disk Data Base", b'createType="vmfs"'), "it is a VMDK of the type ''"),
    ("vmdk", text(b"# The Disk Data Base", b' RW 9 FLAT "/x" 0'), "in other files, or in several"),
    ("vdi", put(0x4C, "<I", 4), "needs another file"),
    ("vdi", put(0x1A8, "<I", 1), "needs another file"),
    ("vdi", put(0x44, "<I", 1), "version"),
    ("vdi", put(0x170, "<Q", 1 << 60), "too large"),
    ("vpc", put(60, ">I", 4), "needs another file"),
    ("vhdx", put(192 << 10, "<I", 0), "where it can be looked at"),
]


@pytest.mark.parametrize(("kind", "change", "why"), BAD)
def test_what_leads_elsewhere_is_refused(
    tmp_path: Path, kind: str, change: Change, why: str
) -> None:
    data = bytearray(made(tmp_path / "disk", kind))
    change(data)
    assert any(why in problem for problem in inspect(bytes(data)).problems)


@pytest.mark.parametrize("length", [4096, 100_003, 1 << 20])
def test_a_vhdx_is_known_in_pieces_and_little_of_it_is_kept(tmp_path: Path, length: int) -> None:
    data = made(tmp_path / "disk", "vhdx")
    inspector = Inspector()
    tracemalloc.start()
    inspector.feed(data[:5])
    for at in range(5, len(data), length):
        inspector.feed(memoryview(data)[at : at + length])
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert inspector.finish() == Found("vhdx", 8 * MIB)
    assert kept < MIB


def described(description: bytes) -> bytes:
    """The head of a VMDK with this description."""
    sectors = -(-len(description) // 512)
    header = b"KDMV" + struct.pack("<IIQQQQ", 1, 3, 2048, 128, 1, sectors)
    return header.ljust(512, b"\0") + description.ljust(512 * sectors, b"\0")


@pytest.mark.parametrize("filler", [b"\n", b" ", b"a", b"a=\n", b"RW ", b"RW\n", b'"', b"\r", b"="])
def test_a_long_description_costs_what_it_is_long(filler: bytes) -> None:
    def cost(length: int) -> float:
        head, costs = described((filler * length)[:length]), []
        for _ in range(3):
            before = process_time()
            look("vmdk", head, b"")
            costs.append(process_time() - before)
        return min(costs)

    assert cost(60_000) < 100 * max(
        cost(6_000), 0.0001
    )  # 10 times as long; it was 100 times as dear


def test_a_vhdx_with_a_parent_is_refused(tmp_path: Path) -> None:
    data = bytearray(made(tmp_path / "disk", "vhdx"))
    name = bytes.fromhex("3767a1ca36fa434db3b633f0aa44e76b")
    entry = data.index(name)
    table = data.index(b"metadata\0\0")
    [offset] = struct.unpack_from("<I", data, entry + 16)
    struct.pack_into("<I", data, table + offset + 4, 2)
    assert "needs another file" in inspect(bytes(data)).problems[0]


@given(st.sampled_from(FOREIGN), st.binary(max_size=2000), st.binary(max_size=512))
def test_nothing_raises(kind: str, head: bytes, tail: bytes) -> None:
    start = {"vmdk": b"KDMV\1\0\0\0", "vhdx": b"vhdxfile", "vhd": b"conectix", "vdi": b""}[kind]
    size, problems = look(kind, start + head, tail)
    assert size >= 0 and all(problems)
