"""Bytes that are let go, and bytes that come: neither too early nor too many."""

from __future__ import annotations

import asyncio
import io
import tarfile
import tempfile
from collections.abc import AsyncIterator, MutableMapping
from pathlib import Path
from typing import Any

import pytest
from tests.api.object_storage.objects import Swift, member
from tests.api.object_storage.s3 import S3, user
from tests.cloud import Cloud, running

from hanok.base.clock import MovableClock
from hanok.services.object_storage import facade
from hanok.services.object_storage.facade import ObjectStorageSettings, ObjectStore

PART = 5 << 20
LATER = ObjectStorageSettings(durable=False, let_go_after_s=600.0)


def _store(cloud: Cloud) -> ObjectStore:
    return cloud.control.house.facade(ObjectStore)


async def _blobs(cloud: Cloud) -> set[str]:
    return {one.blob async for one in _store(cloud).store.list()}


async def test_what_a_copy_of_the_database_refers_to_stays_a_while(tmp_path: Path) -> None:
    clock = MovableClock()
    async with running(tmp_path, hosts=0, clock=clock, object_storage=LATER) as cloud:
        swift, room = await member(cloud), _store(cloud)
        await swift.put("/c")
        await swift.put("/c/replaced", b"old")
        await swift.put("/c/deleted", b"old")
        copied = await _blobs(cloud)
        await swift.put("/c/replaced", b"new")
        await swift("DELETE", "/c/deleted", 204)
        await facade.sweep(room, everything=True)
        clock.move(540)
        await facade.sweep(room, everything=True)
        assert copied <= await _blobs(cloud)
        assert await facade.differences(room, mend=False) == []
        clock.move(120)
        await facade.sweep(room, everything=False)
        assert len(await _blobs(cloud)) == 1
        assert (await swift("GET", "/c/replaced", 200)).content == b"new"


class _Reader:
    """Whoever reads an answer as slowly as is wanted: one message of its body, and the rest when `go` is set."""

    def __init__(self) -> None:
        self.first, self.go = asyncio.Event(), asyncio.Event()
        self.status, self.body = 0, b""

    async def __call__(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            return
        self.body += message.get("body", b"")
        self.first.set()
        await self.go.wait()


async def _in_parts(s3: S3, path: str, parts: list[bytes]) -> None:
    told = await s3("POST", path, 200, query=[("uploads", "")])
    upload = told.text.split("<UploadId>")[1].split("<")[0]
    lines = ""
    for number, part in enumerate(parts, 1):
        query = [("partNumber", str(number)), ("uploadId", upload)]
        etag = (await s3.put(path, part, query=query)).headers["etag"]
        lines += f"<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"
    body = f"<CompleteMultipartUpload>{lines}</CompleteMultipartUpload>".encode()
    await s3("POST", path, 200, query=[("uploadId", upload)], content=body)


async def test_an_object_of_parts_that_is_replaced_is_read_to_its_end(cloud: Cloud) -> None:
    s3, swift = await user(cloud)
    await swift.put("/bucket")
    parts = [bytes([number]) * PART for number in range(3)]
    await _in_parts(s3, "/bucket/o", parts)
    path = f"/v1/AUTH_{swift.account}/bucket/o"
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET",
        "scheme": "http", "path": path, "raw_path": path.encode(), "root_path": "",
        "query_string": b"", "client": ("127.0.0.1", 1), "server": ("cloud", 8080),
        "headers": [(b"host", b"cloud:8080"), (b"x-auth-token", swift.client.token.encode())],
    }  # fmt: skip
    reader = _Reader()

    async def nothing() -> dict[str, Any]:
        await reader.go.wait()
        await asyncio.sleep(3600)
        return {"type": "http.disconnect"}

    reading = asyncio.ensure_future(cloud.control.app(scope, nothing, reader))
    await reader.first.wait()
    await swift.put("/bucket/o", b"new")
    await facade.sweep(_store(cloud), everything=False)
    reader.go.set()
    await reading
    assert (reader.status, reader.body) == (200, b"".join(parts))
    await facade.sweep(_store(cloud), everything=False)
    assert len(await _blobs(cloud)) == 1


async def test_a_body_that_passes_a_quota_is_refused_as_soon_as_it_does(cloud: Cloud) -> None:
    s3, swift = await user(cloud)
    await swift.put("/bucket", headers={"X-Container-Meta-Quota-Bytes": str(1 << 20)})
    came = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal came
        for _ in range(64):
            came += 1
            yield bytes(1 << 18)

    told = await swift("PUT", "/bucket/o", 413, content=body())
    assert "quota" in told.text
    assert came < 8
    # A part that is sent again takes the place of the one that is there.
    started = await s3("POST", "/bucket/p", 200, query=[("uploads", "")])
    upload = started.text.split("<UploadId>")[1].split("<")[0]
    query = [("partNumber", "1"), ("uploadId", upload)]
    for _ in range(2):
        await s3.put("/bucket/p", bytes(1 << 20), query=query)
    refused = await s3.put("/bucket/p", bytes(1), 403, query=[("partNumber", "2"), query[1]])
    assert "QuotaExceeded" in refused.text


async def test_bodies_side_by_side_have_no_more_than_the_quota_together(cloud: Cloud) -> None:
    swift = await member(cloud)
    reseller = Swift(await cloud.project_with("s", "ResellerAdmin"), swift.account)
    await swift.put("/c")
    await reseller("POST", "", 204, headers={"X-Account-Meta-Quota-Bytes": str(1 << 20)})
    half, go = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield bytes(600 << 10)
        half.set()
        await go.wait()

    async def quick() -> AsyncIterator[bytes]:
        yield bytes(600 << 10)
        await asyncio.sleep(3600)

    first = asyncio.ensure_future(swift("PUT", "/c/first", content=slow()))
    await half.wait()
    await swift("PUT", "/c/second", 413, content=quick())
    go.set()
    assert (await first).status_code == 201
    await swift("DELETE", "/c/first", 204)
    await swift("PUT", "/c/second", 201, content=bytes(600 << 10))


async def test_a_copy_that_passes_a_quota_is_refused(cloud: Cloud) -> None:
    s3, swift = await user(cloud)
    await swift.put("/from")
    await swift.put("/from/o", bytes(100))
    await swift.put("/bucket", headers={"X-Container-Meta-Quota-Bytes": "99"})
    await swift("COPY", "/from/o", 413, headers={"Destination": "bucket/o"})
    refused = await s3.put("/bucket/o", status=403, headers={"x-amz-copy-source": "/from/o"})
    assert "QuotaExceeded" in refused.text
    assert len(await _blobs(cloud)) == 1


@pytest.mark.parametrize("packed", ["tar", "tar.gz", "tar.bz2"])
async def test_archives_need_no_room_beside_the_store(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, packed: str
) -> None:
    swift = await member(cloud)
    data = bytes(range(256)) * (3 << 12)
    file = io.BytesIO()
    mode: Any = f"w:{packed.partition('.')[2]}"
    with tarfile.open(mode=mode, fileobj=file) as archive:
        for name in ("a", "b/c"):
            one = tarfile.TarInfo(f"box/{name}")
            one.size = len(data)
            archive.addfile(one, io.BytesIO(data))
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere/at/all")
    accept = {"Accept": "application/json"}
    path = f"?extract-archive={packed}"
    told = (await swift("PUT", path, 200, content=file.getvalue(), headers=accept)).json()
    assert (told["Number Files Created"], told["Errors"]) == (2, [])
    assert (await swift("GET", "/box/b/c", 200)).content == data
    assert len(await _blobs(cloud)) == 2


async def test_counts_are_mended_while_others_write(cloud: Cloud) -> None:
    swift, room = await member(cloud), _store(cloud)
    await swift.put("/c")

    async def write(number: int) -> None:
        for round_ in range(6):
            await swift("PUT", f"/c/{number}-{round_ % 2}", 201, content=b"x" * (round_ + 1))
            await swift("DELETE", f"/c/{number}-{(round_ + 1) % 2}")

    async def mend() -> list[Any]:
        found = []
        for _ in range(8):
            found += await facade.differences(room, mend=True)
            await asyncio.sleep(0)
        return [one for one in found if one[0] == "count"]

    *_, found = await asyncio.gather(*(write(number) for number in range(6)), mend())
    assert found == []
    assert await facade.differences(room, mend=False) == []
    listed = (await swift("GET", "/c?format=json", 200)).json()
    head = (await swift("HEAD", "/c", 204)).headers
    assert head["x-container-bytes-used"] == str(sum(one["bytes"] for one in listed))
    assert (await swift("HEAD", "", 204)).headers["x-account-object-count"] == str(len(listed))
