"""What we write as qcow2 is what QEMU's tools and our own inspection take it for."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path

import pytest

from hanok.drivers import qcow2
from hanok.drivers.image_format import inspect

MIB = 1 << 20


@pytest.mark.parametrize(
    ("disk", "size"),
    [
        (b"", 512),
        (b"boot" + bytes(508), 1 << 30),
        (bytes(3 * MIB) + b"x" * 70_000, 4 * MIB),
        (b"y" * MIB, MIB),
        (b"", 700 << 30),
    ],
)
def test_a_disk_comes_out_as_it_went_in(tmp_path: Path, disk: bytes, size: int) -> None:
    image, back = tmp_path / "image", tmp_path / "back"
    with image.open("wb") as target:
        qcow2.write(io.BytesIO(disk), target, size)
    found = inspect(image.read_bytes())
    assert (found.format, found.virtual_size_bytes, found.problems) == ("qcow2", size, [])
    subprocess.run(["qemu-img", "check", "-q", "-f", "qcow2", str(image)], check=True, timeout=60)
    convert = ["qemu-img", "convert", "-f", "qcow2", "-O", "raw", str(image), str(back)]
    subprocess.run(convert, check=True, timeout=60)
    assert back.stat().st_size == size
    with back.open("rb") as file:
        assert file.read(len(disk)) == disk
        assert not file.read(MIB).strip(b"\0")


@pytest.mark.slow
def test_more_counters_than_one_block_has(tmp_path: Path) -> None:
    """2.2 GiB of data, as a source that makes it up, need two blocks of counters."""

    class Made(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            return b"z" * size

    image = tmp_path / "image"
    with image.open("wb") as target:
        qcow2.write(Made(), target, 2200 * MIB)  # type: ignore[arg-type]
    subprocess.run(["qemu-img", "check", "-q", "-f", "qcow2", str(image)], check=True, timeout=120)
    image.unlink()
