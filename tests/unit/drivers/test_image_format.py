"""The inspector against images that qemu-img made, and against hostile ones."""

from __future__ import annotations

import io
import struct
import subprocess
from pathlib import Path

import pycdlib
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hanok.drivers.image_format import Inspector, inspect

MIB = 1 << 20


def make(path: Path, format_: str, *options: str) -> bytes:
    subprocess.run(
        ["qemu-img", "create", "-q", "-f", format_, *options, str(path), "8M"],
        check=True,
        timeout=120,
    )
    return path.read_bytes()


@pytest.mark.parametrize(
    "options", [(), ("-o", "compat=0.10"), ("-o", "extended_l2=on,cluster_size=128k")]
)
def test_a_plain_qcow2_has_no_problems(tmp_path: Path, options: tuple[str, ...]) -> None:
    found = inspect(make(tmp_path / "disk", "qcow2", *options))
    assert (found.format, found.virtual_size_bytes, found.problems) == ("qcow2", 8 * MIB, [])


@pytest.mark.parametrize(
    ("format_", "named"),
    [
        ("qed", "qed"),
        ("qcow", "qcow"),
    ],
)
def test_other_formats_are_recognised_and_refused(tmp_path: Path, format_: str, named: str) -> None:
    found = inspect(make(tmp_path / "disk", format_))
    assert found.format == named
    assert found.problems == [f"disks of the format {named} cannot be used"]


def test_a_backing_file_is_refused(tmp_path: Path) -> None:
    make(tmp_path / "base", "qcow2")
    data = make(tmp_path / "disk", "qcow2", "-b", str(tmp_path / "base"), "-F", "qcow2")
    assert any("backing file" in problem for problem in inspect(data).problems)


def test_an_external_data_file_is_refused(tmp_path: Path) -> None:
    data = make(tmp_path / "disk", "qcow2", "-o", f"data_file={tmp_path / 'data'}")
    assert any("external data file" in problem for problem in inspect(data).problems)


@pytest.mark.parametrize("method", [1, 2])
def test_encryption_is_refused(tmp_path: Path, method: int) -> None:
    data = bytearray(make(tmp_path / "disk", "qcow2"))
    struct.pack_into(">I", data, 32, method)
    assert inspect(bytes(data)).problems == ["it is encrypted"]


@pytest.mark.parametrize("bit", [1, 5, 17, 63])
def test_corrupt_or_unknown_features_are_refused(tmp_path: Path, bit: int) -> None:
    data = bytearray(make(tmp_path / "disk", "qcow2"))
    struct.pack_into(">Q", data, 72, 1 << bit)
    assert inspect(bytes(data)).problems


def test_a_cut_off_qcow2_is_refused(tmp_path: Path) -> None:
    data = make(tmp_path / "disk", "qcow2")
    assert any("cut off" in problem for problem in inspect(data[: 64 * 1024]).problems)
    assert inspect(data[:50]).problems


def test_a_raw_disk_may_hold_anything() -> None:
    found = inspect(b"\xeb\x63".ljust(510, b"\0") + b"\x55\xaa" + bytes(MIB))
    assert (found.format, found.virtual_size_bytes, found.problems) == ("raw", MIB + 512, [])


def test_no_data_is_a_disk_of_no_bytes() -> None:
    found = inspect(b"")
    assert (found.format, found.virtual_size_bytes, found.problems) == ("raw", 0, [])


def iso() -> bytes:
    disk = pycdlib.PyCdlib()
    disk.new()
    disk.add_fp(io.BytesIO(b"x"), 1, "/X.;1")
    out = io.BytesIO()
    disk.write_fp(out)
    disk.close()
    return out.getvalue()


def test_an_iso_is_recognised_also_when_it_is_cut_off() -> None:
    data = iso()
    assert (inspect(data).format, inspect(data).problems) == ("iso", [])
    assert "cut off" in inspect(data[:-4096]).problems[0]


def test_two_formats_at_once_are_refused(tmp_path: Path) -> None:
    disk = make(tmp_path / "disk", "qcow2")[:32768]
    found = inspect(disk.ljust(32768, b"\0") + iso()[32768:])
    assert found.problems == ["the data can be read as qcow2 and as iso: refused"]


@given(st.binary(max_size=2000), st.integers(1, 700))
def test_pieces_make_no_difference_and_nothing_raises(data: bytes, step: int) -> None:
    for head in (b"", b"QFI\xfb\0\0\0\x03", b"QFI\xfb\0\0\0\x02", b"KDMV", b"conectix"):
        inspector = Inspector()
        whole = head + data
        for at in range(0, len(whole), step):
            inspector.feed(whole[at : at + step])
        assert inspector.finish() == inspect(whole)
