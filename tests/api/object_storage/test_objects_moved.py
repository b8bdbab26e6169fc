"""The bytes of objects in a bucket of a real S3 server: moved there and back while the cloud runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests import s3
from tests.api.object_storage.objects import Swift, member
from tests.cloud import Cloud, running

from hanok.base import failpoints
from hanok.base.failpoints import armed
from hanok.drivers.byte_store import Missing
from hanok.drivers.image_stores.s3 import PART
from hanok.services.object_storage import facade
from hanok.services.object_storage.facade import ObjectStorageSettings, ObjectStore
from hanok.services.object_storage.room import BucketSettings

PLACE = "/hanok/v1/objects"


@asynccontextmanager
async def _with_bucket(
    folder: Path, server: s3.Server, *, secret: str = s3.SECRET, **more: Any
) -> AsyncIterator[Cloud]:
    file = folder / "secret"
    file.write_text(secret)
    bucket = BucketSettings(
        endpoint=server.endpoint, bucket="images", prefix=f"{folder.name}/",
        access_key=s3.ACCESS, secret_key_file=str(file),
    )  # fmt: skip
    settings = ObjectStorageSettings(
        durable=False, let_go_after_s=0.0, swept_after_s=0.0, bucket=bucket
    )
    async with running(folder, hosts=0, object_storage=settings, **more) as cloud:
        yield cloud


def _store(cloud: Cloud) -> ObjectStore:
    return cloud.control.house.facade(ObjectStore)


async def _held(cloud: Cloud) -> dict[str, int]:
    """How many bytes are in each place."""
    places = _store(cloud).store.places
    return {name: sum([one.size async for one in store.list()]) for name, store in places.items()}


async def _moved(cloud: Cloud, place: str) -> None:
    admin = await cloud.sign_in()
    await admin("PUT", PLACE, {"place": place}, status=204)
    async with asyncio.timeout(60):
        while (await admin.get(PLACE))["moving"]:
            await asyncio.sleep(0.05)


async def test_there_and_back_while_objects_are_read_and_written(
    tmp_path: Path, s3_server: s3.Server
) -> None:
    contents = {"small": b"small", "empty": b"", "large": bytes(range(256)) * (PART // 200)}
    async with _with_bucket(tmp_path, s3_server) as cloud:
        swift = await member(cloud)
        await swift.put("/c")
        for name, content in contents.items():
            await swift.put(f"/c/{name}", content)
        size = sum(len(one) for one in contents.values())
        assert await _held(cloud) == {"folder": size, "bucket": 0}
        for place, other in (("bucket", "folder"), ("folder", "bucket")):
            # Broken in the middle, it goes on; what is in two places is read, and what comes goes to the new one.
            with armed("objects.move.after_copy", "hang"):
                admin = await cloud.sign_in()
                await admin("PUT", PLACE, {"place": place}, status=204)
                await swift.put("/c/new", b"new")
                for name, content in contents.items():
                    assert (await swift("GET", f"/c/{name}", 200)).content == content
            await _moved(cloud, place)
            assert await _held(cloud) == {place: size + 3, other: 0}
            for name, content in {**contents, "new": b"new"}.items():
                assert (await swift("GET", f"/c/{name}", 200)).content == content
            part = await swift(
                "GET", "/c/large", 206, headers={"Range": f"bytes={PART - 5}-{PART + 5}"}
            )
            assert part.content == contents["large"][PART - 5 : PART + 6]
            assert await facade.differences(_store(cloud), mend=False) == []
            await swift("DELETE", "/c/new", 204)
            await facade.sweep(_store(cloud), everything=True)
            assert await _held(cloud) == {place: size, other: 0}


async def test_what_is_not_the_same_is_copied_anew(tmp_path: Path, s3_server: s3.Server) -> None:
    async with _with_bucket(tmp_path, s3_server) as cloud:
        swift = await member(cloud)
        await swift.put("/c")
        await swift.put("/c/o", b"right")
        ((blob, _),) = [(one.blob, one.size) async for one in _store(cloud).store.list()]
        (s3_server.folder / "images" / tmp_path.name).mkdir(exist_ok=True)
        (s3_server.folder / "images" / tmp_path.name / blob).write_bytes(b"wrong")
        await _moved(cloud, "bucket")
        assert (await swift("GET", "/c/o", 200)).content == b"right"
        assert await _held(cloud) == {"folder": 0, "bucket": 5}


async def test_a_bucket_that_takes_nothing_is_refused(tmp_path: Path, s3_server: s3.Server) -> None:
    async with _with_bucket(tmp_path, s3_server, secret="wrong") as cloud:
        admin = await cloud.sign_in()
        await admin("PUT", PLACE, {"place": "bucket"}, status=503)
        await admin("PUT", PLACE, {"place": "tape"}, status=400)
        assert (await admin.get(PLACE))["name"] == "folder"
        swift = await member(cloud)
        await swift.put("/c")
        await swift.put("/c/o", b"x")
    async with running(tmp_path, hosts=0) as cloud:
        admin = await cloud.sign_in()
        told = await admin("PUT", PLACE, {"place": "bucket"}, status=400)
        assert "is not a valid place" in told.text


async def test_what_a_place_is_tried_out_with_is_no_stray(
    tmp_path: Path, s3_server: s3.Server
) -> None:
    tried = "objects.move.tried_out"
    async with _with_bucket(tmp_path, s3_server) as cloud:
        admin = await cloud.sign_in()
        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            with armed(tried, "hang"):
                group.create_task(admin("PUT", PLACE, {"place": "bucket"}, status=204))
                while not failpoints.waiting(tried):
                    await asyncio.sleep(0.01)
                found = await facade.differences(_store(cloud), mend=True)
                failpoints.release(tried)
        assert found == []
        assert await _held(cloud) == {"folder": 0, "bucket": 0}


async def test_a_bucket_that_is_not_there_any_more(tmp_path: Path, s3_server: s3.Server) -> None:
    async with _with_bucket(tmp_path, s3_server) as cloud:
        swift = await member(cloud)
        await swift.put("/c")
        await swift.put("/c/o", b"x")
        await _moved(cloud, "bucket")
    async with running(tmp_path, hosts=0) as cloud:  # the settings do not name it
        swift = Swift(await cloud.sign_in("p", project="p"))
        await swift("GET", "/c/o", 503)
        found = await facade.differences(_store(cloud), mend=True)
        assert [what for what, _, _ in found] == ["place", "object"]
    async with _with_bucket(tmp_path, s3_server, secret="wrong") as cloud:
        swift = Swift(await cloud.sign_in("p", project="p"))
        await swift("GET", "/c/o", 503)
        await swift("PUT", "/c/p", 503, content=b"x")
    async with _with_bucket(tmp_path, s3_server) as cloud:
        swift = Swift(await cloud.sign_in("p", project="p"))
        assert (await swift("GET", "/c/o", 200)).content == b"x"


async def test_a_broken_upload_leaves_nothing_in_the_bucket(
    tmp_path: Path, s3_server: s3.Server
) -> None:
    async with _with_bucket(tmp_path, s3_server) as cloud:
        swift = await member(cloud)
        await _moved(cloud, "bucket")
        await swift.put("/c")

        async def broken() -> AsyncIterator[bytes]:
            for _ in range(20):
                yield bytes(1 << 20)
            raise ConnectionResetError

        await swift("PUT", "/c/o", 500, content=broken())
        store = _store(cloud).store.places["bucket"]
        # A process that was killed leaves an upload that has not ended.
        begun: Any = store
        await asyncio.to_thread(begun._store._begin, begun._store._address(f"{tmp_path.name}/left"))
        assert [one.whole async for one in store.list()] == [False]
        await asyncio.sleep(1.1)  # the server's times are whole seconds
        await facade.sweep(_store(cloud), everything=True)
        assert [one async for one in store.list()] == []
        with pytest.raises(Missing):
            await store.get("none")
