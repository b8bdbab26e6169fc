"""Disks become objects, and disks again: what is kept, what is not kept twice, what damage does."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hanok.base import failpoints
from hanok.drivers import block_difference
from hanok.drivers.image_stores import Store
from hanok.drivers.image_stores.files import FileStore
from hanok.services.block_storage.logic import backup_data
from hanok.services.block_storage.logic.backup_data import Damaged, Manifest, Place
from hanok.services.block_storage.logic.backup_stores import Prefixed, folder_of

BLOCK = backup_data.SMALLEST_BLOCK
HERE = Place("p", "c", "one")
LATER = Place("p", "c", "two")


async def _nothing(percent: float) -> None:
    assert 0 <= percent <= 100


def _disk(path: Path, size: int, parts: dict[int, bytes]) -> Path:
    with path.open("wb") as file:
        file.truncate(size)
        for at, data in parts.items():
            file.seek(at)
            file.write(data)
    return path


def _noise(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)


async def _keep(store: Store, place: Place, path: Path, parent: Manifest | None = None) -> int:
    kept = await backup_data.keep(store, place, path, parent=parent, attempt="a", progress=_nothing)
    return kept.stored_bytes


async def _shown(store: Store, data_id: str, path: Path) -> bytes:
    manifest = await backup_data.manifest_of(store, data_id)
    await backup_data.show(lambda _: store, manifest, path, _nothing)
    return path.read_bytes()


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "store")


@pytest.mark.parametrize(
    "size", [0, 1, 512, BLOCK - 1, BLOCK, BLOCK + 1, 7 * BLOCK + 13], ids=lambda size: f"{size}"
)
async def test_a_disk_comes_back_as_it_was(store: FileStore, tmp_path: Path, size: int) -> None:
    disk = _disk(tmp_path / "disk", size, {})
    with disk.open("r+b") as file:
        file.write(_noise(1, size)[: size // 2])
    await _keep(store, HERE, disk)
    assert await _shown(store, "one", tmp_path / "again") == disk.read_bytes()


async def test_an_incremental_one_keeps_what_is_changed(store: FileStore, tmp_path: Path) -> None:
    noise = _noise(1, 40 * BLOCK)
    disk = _disk(tmp_path / "disk", 200 * BLOCK, {0: noise, 150 * BLOCK: b"text"})
    whole = await _keep(store, HERE, disk)
    _disk(tmp_path / "later", 220 * BLOCK, {0: noise, 3 * BLOCK + 7: b"changed"})
    parent = await backup_data.manifest_of(store, "one")
    more = await _keep(store, LATER, tmp_path / "later", parent)
    assert whole > 40 * BLOCK
    assert more < 2 * BLOCK
    assert await _shown(store, "two", tmp_path / "a") == (tmp_path / "later").read_bytes()
    assert await _shown(store, "one", tmp_path / "b") == disk.read_bytes()


def _cut(data: bytes) -> bytes:
    return data[:-1]


def _turned(data: bytes) -> bytes:
    return data[:100] + bytes([data[100] ^ 1]) + data[101:]


def _turned_in_the_header(data: bytes) -> bytes:
    return data[:-20] + bytes([data[-20] ^ 1]) + data[-19:]


async def test_a_host_sends_what_is_changed_alone(store: FileStore, tmp_path: Path) -> None:
    """Changed, zeroed, the same, and longer than it was."""
    noise, size = _noise(1, 40 * BLOCK), 200 * BLOCK + 512
    await _keep(store, HERE, _disk(tmp_path / "disk", size, {0: noise, 150 * BLOCK: b"text"}))
    parent = await backup_data.manifest_of(store, "one")
    later = _disk(
        tmp_path / "later", size + BLOCK, {0: noise, 3 * BLOCK + 7: b"changed", size: b"x"}
    )
    with later.open("r+b") as file:
        file.seek(5 * BLOCK)
        file.write(bytes(BLOCK))
    known = tmp_path / "known"
    block_difference.write_known(known, backup_data.known_of(parent))
    sent = tmp_path / "sent"
    block_difference.make(later, block_difference.read_known(known), sent)
    assert sent.stat().st_size < 3 * BLOCK
    what: dict[str, Any] = {"attempt": "a", "progress": _nothing, "changes": True}
    await backup_data.keep(store, LATER, sent, parent=parent, **what)
    assert await _shown(store, "two", tmp_path / "a") == later.read_bytes()
    other = Manifest(block_bytes=BLOCK, size_bytes=size, places=[HERE], blocks=[])
    with pytest.raises(Damaged):  # it says "as before" of what nobody had
        await backup_data.keep(store, LATER, sent, parent=other, **what)


@pytest.mark.parametrize(
    "harm", [_cut, _turned_in_the_header, lambda data: b"", lambda data: data[-16:]]
)
async def test_a_difference_that_is_none_is_refused(
    store: FileStore, tmp_path: Path, harm: Callable[[bytes], bytes]
) -> None:
    parent = Manifest(block_bytes=BLOCK, size_bytes=BLOCK, places=[HERE], blocks=[])
    sent, disk = tmp_path / "sent", _disk(tmp_path / "disk", 3 * BLOCK, {BLOCK: b"x"})
    block_difference.make(disk, backup_data.known_of(parent), sent)
    sent.write_bytes(harm(sent.read_bytes()))
    with pytest.raises(Damaged):
        await backup_data.keep(
            store, LATER, sent, parent=parent, attempt="a", progress=_nothing, changes=True
        )


async def test_several_segments_and_nothing_left(store: FileStore, tmp_path: Path) -> None:
    size = 2 * backup_data.SEGMENT + 5 * BLOCK
    disk = _disk(tmp_path / "disk", size, {0: _noise(2, size)})
    failpoints.arm("backups.keep.between_segments", "raise", 1)
    with pytest.raises(failpoints.Broken):
        await _keep(store, HERE, disk)
    failpoints.disarm()
    await _keep(store, HERE, disk)
    assert len(list(store.folder.iterdir())) == 4
    assert await _shown(store, "one", tmp_path / "again") == disk.read_bytes()
    for _ in range(2):
        await backup_data.remove(store, "one", attempt="a")
        assert list(store.folder.iterdir()) == []


@pytest.mark.parametrize("harm", [_cut, _turned])
@pytest.mark.parametrize("name", ["one.00000000", "one.manifest"])
async def test_damage_is_noticed(
    store: FileStore, tmp_path: Path, harm: Callable[[bytes], bytes], name: str
) -> None:
    disk = _disk(tmp_path / "disk", 8 * BLOCK, {0: _noise(3, 8 * BLOCK)})
    await _keep(store, HERE, disk)
    path = store.folder / name
    path.write_bytes(harm(path.read_bytes()))
    with pytest.raises((Damaged, backup_data.StoreBroken)):
        await _shown(store, "one", tmp_path / "again")


async def test_what_is_not_there_is_said(store: FileStore) -> None:
    with pytest.raises(Damaged, match="manifest"):
        await backup_data.manifest_of(store, "none")


def test_containers_are_folders_of_their_own() -> None:
    names = ["a", "..", ".", "a/b", "é" * 200, "a" * 255, "A", "a%2Fb"]
    found = {folder_of(one) for one in names}
    assert len(found) == len(names)
    assert not any("/" in one or one.startswith(".") or len(one) > 100 for one in found)


def test_large_disks_have_larger_blocks() -> None:
    assert backup_data.block_bytes_of(1 << 30) == BLOCK
    assert backup_data.block_bytes_of(1 << 40) == 4 << 20


async def test_a_part_of_a_store_is_one(store: FileStore, tmp_path: Path) -> None:
    (store.folder / "c").mkdir(parents=True)
    part = Prefixed(store, "c")
    assert part.url("k").endswith("/c/k")
    assert await part.size("k") is None
