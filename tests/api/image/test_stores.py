"""Several stores: uploads to one, copies in another, taking one away."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec
import pytest

from hanok.drivers.image_stores.s3 import S3Store
from hanok.services.image.facade import ImageSettings, StoreSettings
from tests import s3
from tests.api.image.helpers import IMAGES, bring_in, data_of, image, looked, stage, upload
from tests.cloud import Cloud, a_flavor, a_server, running, settle
from tests.disks import qcow2


def three(tmp_path: Path, server: s3.Server, bucket: str = "images") -> ImageSettings:
    secret = tmp_path / "s3-secret"
    secret.write_text(s3.SECRET + "\n")
    return ImageSettings(
        stores=(
            StoreSettings(id="file", description="Files"),
            StoreSettings(id="fast", folder=str(tmp_path / "fast"), weight=10),
            StoreSettings(
                id="far",
                kind="s3",
                endpoint=server.endpoint,
                bucket=bucket,
                access_key=s3.ACCESS,
                secret_key_file=str(secret),
            ),
        )
    )


@pytest.fixture
async def stores(tmp_path: Path, database_url: str, s3_server: s3.Server) -> AsyncIterator[Cloud]:
    """A cloud with two folders and a bucket."""
    settings = three(tmp_path, s3_server)
    async with running(tmp_path / "state", database=database_url, image=settings) as cloud:
        yield cloud


async def test_stores_are_listed_and_described_to_administrators(stores: Cloud) -> None:
    one, admin = await stores.project_with("p", "member"), await stores.sign_in()
    listed = (await one.get("/image/v2/info/stores"))["stores"]
    assert [store["id"] for store in listed] == ["file", "fast", "far"]
    assert [store.get("default") for store in listed] == ["true", None, None]
    await one("GET", "/image/v2/info/stores/detail", status=403)
    detail = (await admin.get("/image/v2/info/stores/detail"))["stores"]
    assert {store["id"]: store["type"] for store in detail} == {
        "file": "file",
        "fast": "file",
        "far": "s3",
    }
    assert detail[1]["weight"] == 10 and "secret" not in str(detail)
    made = await one("POST", IMAGES, {"name": "x"}, status=201)
    assert made.headers["OpenStack-image-store-ids"] == "file,fast,far"
    assert "glance-direct" in made.headers["OpenStack-image-import-methods"]


async def test_an_upload_goes_to_the_store_that_it_names(
    stores: Cloud, tmp_path: Path, s3_server: s3.Server
) -> None:
    one = await stores.project_with("p", "member")
    for store, folder in (("far", s3_server.folder / "images"), ("fast", tmp_path / "fast")):
        image_id = await image(one)
        await upload(one, image_id, qcow2(), store=store)
        assert (await one.get(f"{IMAGES}/{image_id}"))["stores"] == store
        assert (folder / image_id).read_bytes() == qcow2()
        assert await data_of(one, image_id) == qcow2()
        part = await one(
            "GET", f"{IMAGES}/{image_id}/file", headers={"Range": "bytes=0-3"}, status=206
        )
        assert part.content == b"QFI\xfb"
        await one("DELETE", f"{IMAGES}/{image_id}", status=204)
        assert not (folder / image_id).exists()
    nowhere = await image(one)
    await upload(one, nowhere, qcow2(), 400, store="nowhere")
    assert (await one.get(f"{IMAGES}/{nowhere}"))["status"] == "queued"


async def test_what_is_refused_leaves_nothing_in_the_bucket(
    stores: Cloud, s3_server: s3.Server
) -> None:
    one = await stores.project_with("p", "member")
    image_id = await image(one)
    await upload(one, image_id, b"no disk" * 100, 415, store="far")
    assert not (s3_server.folder / "images" / image_id).exists()
    assert (await one.get(f"{IMAGES}/{image_id}"))["status"] == "queued"


async def test_copies_are_made_and_taken_away(
    stores: Cloud, tmp_path: Path, s3_server: s3.Server
) -> None:
    one, admin = await stores.project_with("p", "member"), await stores.sign_in()
    image_id = await image(one)
    await upload(one, image_id, qcow2())
    await bring_in(stores, one, image_id, "copy-image", 403, all_stores=True)
    await bring_in(stores, admin, image_id, "copy-image", 400, stores=["file"])
    await bring_in(stores, admin, image_id, "copy-image", 409, stores=["nowhere"])
    shown = await bring_in(stores, admin, image_id, "copy-image", all_stores=True)
    assert shown["stores"] == "fast,file,far"  # the heaviest first
    assert shown["os_glance_importing_to_stores"] == "" == shown["os_glance_failed_import"]
    bucket = s3_server.folder / "images" / image_id
    assert bucket.read_bytes() == qcow2()
    base = "/image/v2/stores"
    await one("DELETE", f"{base}/far/{image_id}", status=403)
    await admin("DELETE", f"{base}/nowhere/{image_id}", status=409)
    await admin("DELETE", f"{base}/far/{image_id}", status=204)
    assert not bucket.exists()
    await admin("DELETE", f"{base}/far/{image_id}", status=404)
    await admin("DELETE", f"{base}/file/{image_id}", status=204)
    await admin("DELETE", f"{base}/fast/{image_id}", status=403)  # the last one
    assert await data_of(one, image_id) == qcow2()
    assert (await one.get(f"{IMAGES}/{image_id}"))["stores"] == "fast"
    assert (await admin.get("/hanok/v1/inventory"))["differences"] == []


async def test_a_store_that_does_not_take_data(stores: Cloud, tmp_path: Path) -> None:
    one = await stores.project_with("p", "member")
    (tmp_path / "fast").write_text("a file where the folder should be")
    image_id = await image(one)
    await stage(one, image_id, qcow2())
    shown = await bring_in(
        stores,
        one,
        image_id,
        "glance-direct",
        stores=["file", "fast"],
        all_stores_must_succeed=False,
    )
    assert (shown["status"], shown["stores"]) == ("active", "file")
    assert shown["os_glance_failed_import"] == "fast"
    other = await image(one)
    await stage(one, other, qcow2())
    shown = await bring_in(stores, one, other, "glance-direct", stores=["file", "fast"])
    assert shown["status"] == "queued" and "stores" not in shown
    assert not (stores.control.settings.images / other).exists()
    (task,) = (await one.get(f"{IMAGES}/{other}/tasks"))["tasks"]
    assert task["status"] == "failure" and "fast" in task["message"]


async def test_a_server_boots_from_an_image_that_is_only_in_the_bucket(stores: Cloud) -> None:
    one, admin = await stores.project_with("p", "member"), await stores.sign_in()
    image_id = await image(one)
    await upload(one, image_id, qcow2(), store="far")
    server = await a_server(one, image_id, await a_flavor(admin))
    await settle(stores)
    shown = (await one.get(f"/compute/v2.1/servers/{server}"))["server"]
    assert shown["status"] == "ACTIVE", shown
    cached = (await admin.get("/image/v2/cache"))["cached_images"]
    assert [entry["image_id"] for entry in cached] == [image_id]


async def test_the_cache_holds_what_is_slow(stores: Cloud, s3_server: s3.Server) -> None:
    one, admin = await stores.project_with("p", "member"), await stores.sign_in()
    queued = await image(one)
    image_id = await image(one)
    await upload(one, image_id, qcow2(), store="far")
    await one("GET", "/image/v2/cache", status=403)
    await one("PUT", f"/image/v2/cache/{image_id}", status=403)
    await admin("PUT", f"/image/v2/cache/{queued}", status=400)
    await admin("PUT", "/image/v2/cache/nothing", status=404)
    await admin("PUT", f"/image/v2/cache/{image_id}", status=202)
    await settle(stores)
    state = await admin.get("/image/v2/cache")
    assert state["queued_images"] == []
    (entry,) = state["cached_images"]
    assert entry["image_id"] == image_id and entry["size"] == len(qcow2()) and entry["hits"] == 0
    (s3_server.folder / "images" / image_id).unlink()
    assert await data_of(one, image_id) == qcow2()  # the bucket is not asked
    assert (await admin.get("/image/v2/cache"))["cached_images"][0]["hits"] == 1
    wrong = {"x-image-cache-clear-target": "invalid"}
    await admin("DELETE", "/image/v2/cache", headers=wrong, status=400)
    pruned = (await admin("POST", "/image/v2/cache/prune", status=200)).json()
    assert pruned == {"total_files_pruned": 0, "total_bytes_pruned": 0}
    await admin("POST", "/image/v2/cache/clean", status=200)
    await admin("DELETE", f"/image/v2/cache/{image_id}", status=204)
    assert (await admin.get("/image/v2/cache"))["cached_images"] == []
    lost = await one("GET", f"{IMAGES}/{image_id}/file", status=503)
    assert "cannot be read" in lost.text
    await admin("DELETE", "/image/v2/cache/nothing", status=404)
    await admin("DELETE", "/image/v2/cache", status=204)


@pytest.fixture
def own_server(s3_server: s3.Server) -> Iterator[s3.Server]:
    """The server with a bucket of the test's own."""
    bucket = s3_server.folder / "looked"
    bucket.mkdir()
    yield s3_server
    shutil.rmtree(bucket, ignore_errors=True)


async def test_the_inventory_looks_into_buckets(
    tmp_path: Path, database_url: str, own_server: s3.Server
) -> None:
    bucket = own_server.folder / "looked"
    requested = three(tmp_path, own_server, bucket="looked")
    async with running(tmp_path / "state", database=database_url, image=requested) as cloud:
        one = await cloud.project_with("p", "member")
        assert await looked(cloud) == []
        (bucket / "somebody else's").write_bytes(b"x")
        for _ in range(3):
            await upload(one, await image(one), qcow2(), store="far")
        assert await looked(cloud) == []
        ids = sorted(entry["id"] for entry in (await one.get(IMAGES))["images"])
        (bucket / ids[0]).unlink()
        (bucket / ids[1]).write_bytes(b"short")
        stray = "00000000-0000-4000-8000-000000000000"
        (bucket / stray).write_bytes(b"x")
        assert await looked(cloud) == [
            f"image {ids[0]} has no object in store far",
            f"image {ids[1]} has 5 bytes in store far, not {len(qcow2())}",
            f"the object {stray} in store far belongs to no image",
        ]
        shutil.rmtree(bucket)
        (line,) = await looked(cloud)
        assert "store far cannot be looked into" in line and "404" in line


async def test_the_inventory_says_that_a_store_is_out_of_reach(
    tmp_path: Path, database_url: str, s3_server: s3.Server
) -> None:
    gone = msgspec.structs.replace(s3_server, endpoint="http://127.0.0.1:1")
    requested = three(tmp_path, gone)
    async with running(tmp_path / "state", database=database_url, image=requested) as cloud:
        (line,) = await looked(cloud)
        assert "store far cannot be looked into" in line and "ConnectError" in line


async def test_a_bucket_is_listed_page_by_page(own_server: s3.Server) -> None:
    for number in range(1003):
        (own_server.folder / "looked" / f"{number:04d} & <more>").write_bytes(b"12")
    store = S3Store(
        endpoint=own_server.endpoint,
        bucket="looked",
        region="us-east-1",
        access_key=s3.ACCESS,
        secret_key=s3.SECRET,
    )
    first, last = await store.listed("", timeout_s=30)
    assert len(first) == 1000 and not last and first["0000 & <more>"] == 2
    rest, last = await store.listed(max(first), timeout_s=30)
    assert sorted(rest) == [f"{number} & <more>" for number in (1000, 1001, 1002)] and last
    store.close()
