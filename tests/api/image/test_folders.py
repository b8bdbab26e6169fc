"""Stores that are folders: what the inventory says of them, copies in the cache, and stores that are taken away."""

from __future__ import annotations

import errno
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hanok.base.errors import (
    Conflict,
    NotFound,
    TooLarge,
    Unavailable,
    UnsupportedType,
)
from hanok.drivers.image_format import Inspector
from hanok.drivers.image_stores import StoreBroken, StoreFull
from hanok.services.image.facade import ImageSettings, StoreSettings
from hanok.services.image.logic import cache, data, images
from hanok.services.image.tables import image_cache, image_locations
from hanok.services.image.tables import images as table
from tests.api.image.helpers import IMAGES, OCTETS, data_of, files_in, image, looked, upload
from tests.cloud import Client, Cloud, running, settle
from tests.disks import qcow2

CACHE = "/image/v2/cache"
SIZE = len(qcow2())


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[Cloud]:
    """A cloud with two folders of images, and a cache for one."""
    requested = ImageSettings(
        stores=(
            StoreSettings(id="file"),
            StoreSettings(id="fast", folder=str(tmp_path / "fast"), weight=10),
        ),
        default_store="fast",
        maximum_bytes=1 << 20,
        cache_bytes=SIZE,
    )
    async with running(tmp_path / "state", image=requested) as cloud:
        yield cloud


async def some(client: Client, number: int) -> list[str]:
    """Images with data in the folder `fast`."""
    made = [await image(client) for _ in range(number)]
    for image_id in made:
        await upload(client, image_id, qcow2(), store="fast")
    return made


async def set_image(cloud: Cloud, image_id: str, **values: Any) -> None:
    async with cloud.control.database.write() as tx:
        await tx.execute(table.update().where(table.c.id == image_id).values(**values))


async def test_the_inventory_looks_into_folders(cloud: Cloud, tmp_path: Path) -> None:
    fast = tmp_path / "fast"
    one = await cloud.project_with("p", "member")
    kept, gone, short, off, none, moved = await some(one, 6)
    empty, coming, saving, nothing = [await image(one) for _ in range(4)]
    await one("POST", f"{IMAGES}/{off}/actions/deactivate", status=204)
    await set_image(cloud, nothing, status="active", size=0)  # it stands for snapshots of volumes
    await set_image(cloud, saving, status="saving")
    await set_image(cloud, coming, import_task=coming)
    for name in (f".{saving}.1.part", f".{coming}.1.part"):  # what is on its way
        (fast / name).write_bytes(b"x")
    assert await looked(cloud) == []
    usual = tmp_path / "state" / "images"
    usual.mkdir(exist_ok=True)
    strays = ((usual, kept), (usual, empty), (fast, "nobody"), (fast, f".{kept}.1.part"))
    for folder, name in strays:
        (folder / name).write_bytes(b"x")
    (fast / gone).unlink()
    (fast / off).unlink()
    (fast / short).write_bytes(b"short")
    at = image_locations.c.image_id
    async with cloud.control.database.write() as tx:
        await tx.execute(image_locations.delete().where(at == none))
        elsewhere = image_locations.update().where(at == moved).values(store="taken-away")
        await tx.execute(elsewhere)
    assert set(await looked(cloud)) == {
        f"the file {kept} in store file belongs to nothing",
        f"the file {empty} belongs to an image without data",
        "the file nobody belongs to no image",
        f"the file .{kept}.1.part belongs to no image",
        f"image {gone} is active and has no file",
        f"image {off} is deactivated and has no file",
        f"image {short} has 5 bytes, not {SIZE}",
        f"image {none} is active and has no data",
        f"the file {none} in store fast belongs to nothing",
        f"the file {moved} in store fast belongs to nothing",
    }
    await set_image(cloud, kept, import_task="a copy that is being made")
    assert not [line for line in await looked(cloud) if kept in line]


async def test_the_cache_keeps_what_was_used_last(cloud: Cloud, tmp_path: Path) -> None:
    one, admin = await cloud.project_with("p", "member"), await cloud.sign_in()
    first, second, wished = await some(one, 3)
    folder = cloud.images.cache
    assert (await admin("POST", f"{CACHE}/clean")).status_code == 200  # there is no folder yet
    for image_id in (first, second):
        await admin("PUT", f"{CACHE}/{image_id}", status=202)
        await settle(cloud)
    assert files_in(folder) == sorted((first, second))
    # A copy on the same file system costs nothing.
    assert (folder / first).stat().st_ino == (tmp_path / "fast" / first).stat().st_ino
    async with cloud.control.database.write() as tx:
        assert await cache.queue(tx, wished, cloud.control.clock.now())
        await cache.touch(tx, first, cloud.control.clock.now())
        assert not await cache.queue(tx, wished, cloud.control.clock.now())
    pruned = (await admin("POST", f"{CACHE}/prune", status=200)).json()
    assert pruned == {"total_files_pruned": 1, "total_bytes_pruned": SIZE}
    assert [entry["image_id"] for entry in (await admin.get(CACHE))["cached_images"]] == [first]
    assert (await admin.get(CACHE))["queued_images"] == [wished]
    assert files_in(folder) == [first]
    again = (await admin("POST", f"{CACHE}/prune", status=200)).json()
    assert again == {"total_files_pruned": 0, "total_bytes_pruned": 0}  # the rest fits
    assert files_in(folder) == [first]


async def test_the_cache_is_cleaned_of_what_is_no_copy(cloud: Cloud) -> None:
    one, admin = await cloud.project_with("p", "member"), await cloud.sign_in()
    whole, short = await some(one, 2)
    for image_id in (whole, short):
        await admin("PUT", f"{CACHE}/{image_id}", status=202)
        await settle(cloud)
    folder = cloud.images.cache
    (folder / short).unlink()
    (folder / short).write_bytes(b"short")
    (folder / "nobody").write_bytes(b"x")
    (folder / f".{whole}.1.part").write_bytes(b"x")  # somebody is writing it
    await admin("POST", f"{CACHE}/clean", status=200)
    cached = (await admin.get(CACHE))["cached_images"]
    assert [entry["image_id"] for entry in cached] == [whole]
    assert files_in(folder) == sorted((whole, f".{whole}.1.part"))
    async with cloud.control.database.read() as tx:
        row = await images.get_any(tx, whole)
    assert row is not None
    assert await cache.fill(cloud.images, row, attempt="again") == SIZE
    (folder / whole).unlink()
    (folder / whole).mkdir()  # no link can be made here
    with pytest.raises(StoreBroken):
        await cache.fill(cloud.images, row, attempt="again")


async def test_a_store_that_was_taken_away_is_said(cloud: Cloud, tmp_path: Path) -> None:
    one = await cloud.project_with("p", "member")
    lost, file_gone, copied = await some(one, 3)
    async with cloud.control.database.write() as tx:
        at = image_locations.c.image_id
        await tx.execute(image_locations.update().where(at == lost).values(store="taken-away"))
        await images.add_location(tx, copied, "file", copied)
        await images.throw_away(tx, "taken-away", "an object", cloud.control.clock.now())
        await images.throw_away(tx, "fast", "nothing there", cloud.control.clock.now())
    (tmp_path / "fast" / file_gone).unlink()
    for image_id in (lost, file_gone):
        answer = await one("GET", f"{IMAGES}/{image_id}/file", status=503)
        assert "not available" in answer.text or "cannot be read" in answer.text
    usual = tmp_path / "state" / "images"
    usual.mkdir(exist_ok=True)
    (tmp_path / "fast" / copied).rename(usual / copied)
    assert await data_of(one, copied) == qcow2()  # the heaviest store has it no more
    async with cloud.control.database.read() as tx:
        row = await images.get_any(tx, lost)
    assert row is not None
    with pytest.raises(Unavailable):
        await cache.fill(cloud.images, row, attempt="1")
    await data.empty_trash(cloud.images)
    async with cloud.control.database.read() as tx:  # it stays for the day when the store is back
        assert await images.in_trash(tx, "taken-away", "an object")
        assert not await images.in_trash(tx, "fast", "nothing there")


async def test_data_that_breaks_off_is_not_gone_on_with_from_elsewhere(
    cloud: Cloud, tmp_path: Path
) -> None:
    """Nobody would see that the two halves are of two copies."""
    one = await cloud.project_with("p", "member")
    (cut,) = await some(one, 1)
    async with cloud.control.database.write() as tx:
        await images.add_location(tx, cut, "file", cut)
        rows = (await images.locations(tx, [cut]))[cut]
    usual = tmp_path / "state" / "images"
    usual.mkdir(exist_ok=True)
    (usual / cut).write_bytes(qcow2())
    (tmp_path / "fast" / cut).write_bytes(qcow2()[:1000])
    got = b""
    with pytest.raises(Unavailable):
        async for piece in data.read_any(cloud.images, rows, 0, SIZE):
            got += piece
    assert got == qcow2()[:1000]


async def test_an_image_that_is_too_large_is_refused(cloud: Cloud) -> None:
    one = await cloud.project_with("p", "member")
    made = await image(one, disk_format="raw")
    text = await upload(one, made, b"x" * ((1 << 20) + 1), 413, store="fast")
    assert "exceeds the limit of 1048576 bytes" in text
    assert (await one.get(f"{IMAGES}/{made}"))["status"] == "queued"
    answer = await one("PUT", f"{IMAGES}/{made}/file", content=b"x" * (1 << 20), headers=OCTETS)
    assert answer.status_code == 204
    staged = await image(one)  # data that is staged is looked at when it is imported
    await one("PUT", f"{IMAGES}/{staged}/stage", content=b"no qcow2", headers=OCTETS, status=204)
    refused = await upload(one, await image(one), b"no qcow2", 415)
    assert "its data is raw. Create the image with its real format: disk_format=raw" in refused


VDI = b"\0" * 0x40 + b"\x7f\x10\xda\xbe" + b"\0" * 512
ISO = b"\0" * 0x8000 + b"\x01CD001\x01" + b"\0" * 4096
QED = b"QED\0" + b"\0" * 60


@pytest.mark.parametrize("matched", [True, False])
async def test_labels_and_bytes(cloud: Cloud, matched: bool) -> None:
    """What is refused where bytes have to be what they are called, and where that is nobody's business."""
    settings = msgspec.structs.replace(cloud.images.settings, match_format=matched)
    room = msgspec.structs.replace(cloud.images, settings=settings)

    def told(content: bytes, disk: str | None, container: str | None) -> Any:
        inspector = Inspector()
        inspector.feed(content)
        try:
            return data.inspected(room, inspector, len(content), disk, container)
        except UnsupportedType as error:
            return error.message

    assert told(b"bytes", "raw", "bare") == 5
    assert told(ISO, "raw", "bare") == len(ISO)
    assert told(qcow2(), "qcow2", "bare") == told(qcow2(), "qcow2", "ovf") == 1 << 20
    assert told(b"archive", "raw", "ova") is None and told(b"kernel", "aki", "aki") is None
    assert told(ISO, None, "docker") is None
    assert matched or told(b"", "vhd", "bare") is None  # its size is nothing that can be told
    backed = qcow2(backing="/etc/passwd")
    for disk, container in (("qcow2", "bare"), ("raw", "ova"), ("ari", "ari")):
        assert "must not be used" in told(backed, disk, container)
    wrong = told(qcow2(), "raw", "bare"), told(qcow2(), "vmdk", "bare"), told(VDI, "qcow2", "bare")
    packed = told(qcow2(), "ami", "ami"), told(qcow2(), "raw", "ova")
    kernel = told(qcow2(), "aki", None)
    other = told(QED, "raw", "bare")
    if not matched:
        assert packed == (None, None) and wrong[:2] == (1 << 20, 1 << 20)
        assert other is None or isinstance(other, int)
        return
    assert wrong[0] == (
        "Image format mismatch: the image says it is raw, its data is qcow2. Create the image with its real format: "
        "disk_format=qcow2 (openstack image create --disk-format qcow2 …)."
    )
    assert "it is vmdk, its data is qcow2" in wrong[1] and "disk_format=vdi" in wrong[2]
    assert "it is ami, its data is qcow2" in packed[0] and "it is ova" in packed[1]
    assert "it is aki, its data is qcow2" in kernel
    assert "its data is qed. Convert it to qcow2" in other


def test_a_stores_trouble_is_told_without_its_details() -> None:
    for trouble, kind, text in (
        (StoreFull("no space on /dev/sda"), TooLarge, "Image storage media is full."),
        (StoreBroken("/dev/sda"), Unavailable, "The image's data could not be written."),
    ):
        with pytest.raises(kind) as told, data.translated("written"):
            raise trouble
        assert told.value.message == text and "/dev/sda" in str(told.value.detail)
    with pytest.raises(OSError, match="No space"), data.translated("written"):
        raise OSError(errno.ENOSPC, "No space")


async def test_no_copy_stays_that_is_too_large_by_itself(cloud: Cloud) -> None:
    now = cloud.control.clock.now()
    row = {"status": "cached", "queued_at": now, "hits": 0, "last_accessed_at": now}
    async with cloud.control.database.write() as tx:
        assert not await cache.cached(tx, "nobody", 5, now)
        assert not await cache.forget(tx, "nobody")
        await tx.insert(image_cache, {**row, "image_id": "large", "size": SIZE + 1})
        assert [one.image_id for one in await cache.prune(tx, cloud.images)] == ["large"]
        assert await cache.everything(tx) == []


async def test_what_was_done_meanwhile_is_not_done_again(cloud: Cloud) -> None:
    """Two requests read an image; one of them removes it, claims it or frees its bytes before the other does."""
    one = await cloud.project_with("p", "member")
    gone, claimed, placed = [await image(one) for _ in range(3)]
    now, database = cloud.control.clock.now(), cloud.control.database
    async with database.write() as tx:
        row, busy = await images.get_any(tx, gone), await images.get_any(tx, claimed)
        assert row is not None and busy is not None
        await images.forget(tx, row, now)
        with pytest.raises(NotFound, match=gone):
            await images.begin_upload(tx, row, "fast", now)
        await images.begin_import(tx, busy, "one", ["fast"], now, status="importing")
        with pytest.raises(Conflict, match="still in progress"):
            await images.begin_import(tx, busy, "other", ["fast"], now, status=None)
        await images.nothing_to_import(tx, busy, now)
        kept = await images.get_any(tx, claimed)
        assert kept is not None and kept.importing_to == "fast"
        await images.add_location(tx, placed, "fast", "object")
        assert await images.is_taken(tx, "fast", "object")
        assert not await images.is_taken(tx, "file", "object")
        (there,) = (await images.locations(tx, [placed]))[placed]
        assert await images.remove_location(tx, there, now)
        assert not await images.remove_location(tx, there, now)
        assert not await images.is_taken(tx, "fast", "object")
