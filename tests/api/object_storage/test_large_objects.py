"""Manifests, links, old versions, bulk, quotas, expiry."""

from __future__ import annotations

import base64
import bz2
import gzip
import hashlib
import io
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.api.object_storage.objects import Swift, member
from tests.cloud import Cloud, running

from hanok.base.clock import MovableClock
from hanok.services.object_storage import facade
from hanok.services.object_storage.routes import reading


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


async def _segments(swift: Swift) -> None:
    await swift.put("/c")
    await swift.put("/seg")
    for number, data in enumerate((b"aaaa", b"bbbb", b"cc")):
        await swift.put(f"/seg/s/{number}", data)


async def test_a_dynamic_manifest_leads_to_what_is_there(cloud: Cloud) -> None:
    swift = await member(cloud)
    await _segments(swift)
    await swift.put("/c/dlo", b"own", headers={"X-Object-Manifest": "seg/s/"})
    read = await swift("GET", "/c/dlo", 200)
    assert read.content == b"aaaabbbbcc"
    whole = md5("".join(md5(one) for one in (b"aaaa", b"bbbb", b"cc")).encode())
    assert read.headers["etag"] == f'"{whole}"'
    assert read.headers["x-object-manifest"] == "seg/s/"
    assert (await swift("HEAD", "/c/dlo")).headers["content-length"] == "10"
    part = await swift("GET", "/c/dlo", 206, headers={"Range": "bytes=3-8"})
    assert part.content == b"abbbbc"
    await swift.put("/seg/s/3", b"!")
    assert (await swift("GET", "/c/dlo")).content == b"aaaabbbbcc!"
    assert (await swift("GET", "/c/dlo?multipart-manifest=get")).content == b"own"
    await swift("COPY", "/c/dlo", 201, headers={"Destination": "c/flat"})
    flat = await swift("GET", "/c/flat")
    assert flat.content == b"aaaabbbbcc!" and "x-object-manifest" not in flat.headers
    await swift("POST", "/c/dlo", 202)
    assert (await swift("GET", "/c/dlo")).content == b"own"


async def _slo(swift: Swift, path: str, manifest: Any, status: int = 201) -> Any:
    return await swift("PUT", f"{path}?multipart-manifest=put", status, json=manifest)


async def test_a_static_manifest_leads_to_what_was_there(cloud: Cloud) -> None:
    swift = await member(cloud)
    await _segments(swift)
    manifest = [
        {"path": "/seg/s/0", "etag": md5(b"aaaa"), "size_bytes": 4},
        {"data": "LS0="},
        {"path": "/seg/s/1", "range": "1-2"},
        {"path": "seg/s/2"},
    ]
    made = await _slo(swift, "/c/slo", manifest)
    hashes = f"{md5(b'aaaa')}{md5(b'--')}{md5(b'bbbb')}:1-2;{md5(b'cc')}"
    assert made.headers["etag"] == f'"{md5(hashes.encode())}"'
    read = await swift("GET", "/c/slo", 200)
    assert read.content == b"aaaa--bbcc"
    assert read.headers["x-static-large-object"] == "True"
    assert (await swift("HEAD", "/c/slo")).headers["content-length"] == "10"
    for said, data in (("bytes=2-5", b"aa--"), ("bytes=-3", b"bcc"), ("bytes=6-6", b"b")):
        assert (await swift("GET", "/c/slo", 206, headers={"Range": said})).content == data
    third = await swift("GET", "/c/slo?part-number=3", 206)
    assert third.content == b"bb" and third.headers["x-parts-count"] == "4"
    assert (await swift("HEAD", "/c/slo?part-number=4", 206)).headers["content-length"] == "2"
    await swift("GET", "/c/slo?part-number=5", 416)
    await swift("COPY", "/c/slo?part-number=1", 501, headers={"Destination": "c/part"})
    for said in ("0", "x", "-1"):
        await swift("GET", f"/c/slo?part-number={said}", 400)
    both = await swift("GET", "/c/slo", 206, headers={"Range": "bytes=0-0,9-9"})
    assert b"\r\n\r\na\r\n" in both.content and b"\r\n\r\nc\r\n" in both.content
    (listed,) = (await swift("GET", "/c?format=json")).json()
    assert listed["bytes"] == 10 and listed["slo_etag"] == made.headers["etag"]
    assert listed["hash"] == read.headers["x-manifest-etag"]
    shown = (await swift("GET", "/c/slo?multipart-manifest=get", 200)).json()
    assert [one.get("name") for one in shown] == ["/seg/s/0", None, "/seg/s/1", "/seg/s/2"]
    raw = (await swift("GET", "/c/slo?multipart-manifest=get&format=raw", 200)).json()
    again = await _slo(swift, "/c/again", raw)
    assert again.headers["etag"] == made.headers["etag"]
    await _slo(swift, "/c/outer", [{"path": "/c/slo"}, {"path": "/c/slo", "range": "0-3"}])
    assert (await swift("GET", "/c/outer")).content == b"aaaa--bbccaaaa"
    await swift("COPY", "/c/slo?multipart-manifest=get", 201, headers={"Destination": "c/twin"})
    assert (await swift("GET", "/c/twin")).headers["x-static-large-object"] == "True"
    # A segment that became another one is not passed off as what it was.
    await swift.put("/seg/s/0", b"zzzz")
    await swift("GET", "/c/slo", 409)
    assert (await swift("GET", "/c/slo", 206, headers={"Range": "bytes=4-5"})).content == b"--"


async def test_manifests_that_are_none(cloud: Cloud) -> None:
    swift = await member(cloud)
    await _segments(swift)
    good = {"path": "/seg/s/0"}
    for manifest, status, why in (
        ({}, 400, "must be a list"),
        ([], 400, "at least one"),
        ([1], 400, "not a JSON object"),
        ([{"path": "/seg/none"}], 400, "404 Not Found"),
        ([{**good, "etag": "0" * 32}], 400, "Etag Mismatch"),
        ([{**good, "size_bytes": 5}], 400, "Size Mismatch"),
        ([{**good, "range": "9-"}], 400, "Unsatisfiable Range"),
        ([{**good, "surprise": 1}], 400, "extraneous keys surprise"),
        ([{"data": "%%"}], 400, "valid base64"),
        ([{"data": "LS0="}], 400, "at least one object-backed"),
        ([{"path": "/c/slo"}], 400, "must not include itself"),
        ([{"path": "nothing"}], 400, "path does not refer"),
        ([good] * 1001, 413, "must be <= 1000"),
    ):
        refused = await _slo(swift, "/c/slo", manifest, status)
        assert why in refused.text, refused.text
    await swift("PUT", "/c/slo?multipart-manifest=put", 400, content=b"no json")
    await swift("GET", "/c/slo", 404)


async def test_manifests_in_a_circle_end(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PIECES", 100)
    swift = await member(cloud)
    await swift.put("/c")
    await swift("PUT", "/c/a1", 201, headers={"X-Object-Manifest": "c/a"})
    # A dynamic manifest that leads to itself is a segment like any other: its own bytes.
    assert (await swift("GET", "/c/a1", 200)).content == b""
    # Manifests of manifests: as many segments as there are to read are bounded, however deep they stand.
    await swift.put("/c/base", b"x")
    await _slo(swift, "/c/s0", [{"path": "/c/base"}] * 20)
    await _slo(swift, "/c/s1", [{"path": "/c/s0"}] * 20)
    await swift("GET", "/c/s1", 409)
    assert (await swift("GET", "/c/s1", 206, headers={"Range": "bytes=0-3"})).content == b"xxxx"


async def test_bytes_in_manifests_are_bounded_for_one_answer(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MANIFESTS", 100_000, raising=False)
    swift = await member(cloud)
    await _segments(swift)
    data = base64.b64encode(b"d" * 30_000).decode()
    await _slo(swift, "/c/inner", [{"data": data}, {"path": "/seg/s/0"}])
    assert len((await swift("GET", "/c/inner", 200)).content) == 30_004
    await _slo(swift, "/c/outer", [{"path": "/c/inner"}] * 20)
    await swift("GET", "/c/outer", 409)
    some = await swift("GET", "/c/outer", 206, headers={"Range": "bytes=30004-60008"})
    assert some.content == b"d" * 30_000 + b"aaaad"
    several = "bytes=" + ",".join(["0-"] * 20)
    await swift("GET", "/c/inner", 409, headers={"Range": several})


async def test_a_part_of_a_manifest_is_no_manifest(cloud: Cloud) -> None:
    swift = await member(cloud)
    await _segments(swift)
    await _slo(swift, "/c/slo", [{"path": "/seg/s/0"}, {"path": "/seg/s/1"}])
    requested = {"Destination": "c/copy", "Range": "bytes=0-9"}
    await swift("COPY", "/c/slo?multipart-manifest=get", 400, headers=requested)
    await swift("GET", "/c/copy", 404)
    await swift("COPY", "/c/slo", 201, headers=requested)
    assert (await swift("GET", "/c/copy", 200)).content == b"aaaabbbb"


async def test_a_manifest_is_deleted_with_its_segments(cloud: Cloud) -> None:
    swift = await member(cloud)
    await _segments(swift)
    await _slo(swift, "/c/slo", [{"path": "/seg/s/0"}, {"path": "/seg/s/1"}])
    gone = await swift("DELETE", "/c/slo?multipart-manifest=delete", 200)
    assert "Number Deleted: 3" in gone.text
    assert await swift.names("/seg") == ["s/2"]
    assert await swift.names("/c") == []
    await swift("DELETE", "/seg/s/2?multipart-manifest=delete", 400)


async def test_links(cloud: Cloud) -> None:
    swift = await member(cloud)
    await swift.put("/c")
    await swift.put("/c/o", b"data", headers={"Content-Type": "text/x"})
    await swift("PUT", "/c/link", 201, headers={"X-Symlink-Target": "c/o"})
    read = await swift("GET", "/c/link", 200)
    assert read.content == b"data" and read.headers["content-type"] == "text/x"
    assert read.headers["content-location"] == f"/v1/AUTH_{swift.account}/c/o"
    itself = await swift("GET", "/c/link?symlink=get", 200)
    assert itself.content == b"" and itself.headers["x-symlink-target"] == "c/o"
    moved = await swift("POST", "/c/link", 307, headers={"X-Object-Meta-A": "1"})
    assert "x-object-meta-a" not in (await swift("HEAD", "/c/link")).headers
    assert (await swift("HEAD", "/c/link?symlink=get")).headers["x-object-meta-a"] == "1"
    assert moved.headers["location"] == f"/v1/AUTH_{swift.account}/c/o"
    await swift("PUT", "/c/l2", 201, headers={"X-Symlink-Target": "c/link"})
    await swift("GET", "/c/l2", 200)
    await swift("PUT", "/c/l3", 201, headers={"X-Symlink-Target": "c/l2"})
    await swift("GET", "/c/l3", 409)
    await swift("PUT", "/c/x", 201, headers={"X-Symlink-Target": "c/y"})
    await swift("PUT", "/c/y", 201, headers={"X-Symlink-Target": "c/x"})
    await swift("GET", "/c/x", 409)
    await swift("PUT", "/c/self", 400, headers={"X-Symlink-Target": "c/self"})
    await swift("PUT", "/c/l", 400, content=b"x", headers={"X-Symlink-Target": "c/o"})
    await swift("PUT", "/c/l", 412, headers={"X-Symlink-Target": "nothing"})
    static = {"X-Symlink-Target": "c/o", "X-Symlink-Target-Etag": md5(b"data")}
    await swift("PUT", "/c/static", 201, headers=static)
    listed = {one["name"]: one for one in (await swift("GET", "/c?format=json")).json()}
    assert listed["static"]["symlink_path"] == f"/v1/AUTH_{swift.account}/c/o"
    refused = await swift("GET", "/c/o", 412, headers={"If-Match": "other"})
    assert refused.headers["etag"] == md5(b"data")
    await swift("PUT", "/c/l", 409, headers={**static, "X-Symlink-Target-Etag": md5(b"other")})
    await swift("PUT", "/c/l", 409, headers={**static, "X-Symlink-Target": "c/none"})
    await swift("GET", "/c/static", 200)
    await swift("COPY", "/c/link", 201, headers={"Destination": "c/flat"})
    await swift("COPY", "/c/link?symlink=get", 201, headers={"Destination": "c/again"})
    await swift.put("/c/o", b"new!")
    assert (await swift("GET", "/c/flat")).content == b"data"
    assert (await swift("GET", "/c/again")).content == b"new!"
    await swift("GET", "/c/static", 409)
    await swift("DELETE", "/c/link", 204)
    await swift("GET", "/c/o", 200)


async def test_old_versions_come_back(cloud: Cloud) -> None:
    swift = await member(cloud)
    await swift.put("/old")
    await swift.put("/c", headers={"X-Versions-Location": "old"})
    assert (await swift("HEAD", "/c")).headers["x-versions-location"] == "old"
    for data in (b"1", b"22", b"333"):
        await swift.put("/c/o", data)
    versions = await swift.names("/old")
    assert len(versions) == 2 and all(one.startswith("001o/") for one in versions)
    await swift.put("/c/%C3%BC", b"")
    await swift.put("/c/%C3%BC", b"")
    assert (await swift.names("/old"))[-1].startswith("002ü/")
    await swift("DELETE", "/c/%C3%BC", 204)
    await swift("DELETE", "/c/%C3%BC", 204)
    assert (await swift("HEAD", "")).headers["x-account-bytes-used"] == "6"
    for left in (b"22", b"1"):
        await swift("DELETE", "/c/o", 204)
        assert (await swift("GET", "/c/o")).content == left
    assert await swift.names("/old") == []
    await swift("DELETE", "/c/o", 204)
    await swift("DELETE", "/c/o", 404)
    assert (await swift("HEAD", "")).headers["x-account-bytes-used"] == "0"
    await swift("POST", "/c", 204, headers={"X-Remove-Versions-Location": "x"})
    assert "x-versions-location" not in (await swift("HEAD", "/c")).headers
    await swift("POST", "/c", 204, headers={"X-Versions-Location": "none"})
    await swift.put("/c/o", b"1")
    await swift("PUT", "/c/o", 412, content=b"2")
    assert (await swift("GET", "/c/o")).content == b"1"


async def test_history_keeps_what_was_deleted(cloud: Cloud) -> None:
    swift = await member(cloud)
    await swift.put("/old")
    await swift.put("/c", headers={"X-History-Location": "old"})
    await swift.put("/c/o", b"1")
    await swift.put("/c/o", b"2")
    await swift("DELETE", "/c/o", 204)
    await swift("GET", "/c/o", 404)
    found = (await swift("GET", "/old?format=json")).json()
    kinds = [one["content_type"] for one in found]
    assert len(found) == 3 and kinds[-1] == "application/x-deleted;swift_versions_deleted=1"
    # Back to a stack: the deletion is taken back first.
    await swift("POST", "/c", 204, headers={"X-Versions-Location": "old"})
    await swift("DELETE", "/c/o", 204)
    assert (await swift("GET", "/c/o")).content == b"2"
    assert len(await swift.names("/old")) == 1
    both = {"X-Versions-Location": "old", "X-History-Location": "old"}
    await swift("POST", "/c", 400, headers=both)


async def test_container_quotas(cloud: Cloud) -> None:
    swift = await member(cloud)
    await swift("PUT", "/c", 400, headers={"X-Container-Meta-Quota-Bytes": "x"})
    quotas = {"X-Container-Meta-Quota-Bytes": "10", "X-Container-Meta-Quota-Count": "2"}
    await swift.put("/c", headers=quotas)
    await swift.put("/c/a", b"12345")
    await swift("PUT", "/c/b", 413, content=b"123456")
    await swift.put("/c/b", b"12345")
    await swift("PUT", "/c/d", 413, content=b"")
    await swift.put("/c/a", b"54321")

    async def unannounced() -> Any:
        yield b"123456"

    await swift("PUT", "/c/a", 413, content=unannounced())
    await swift("COPY", "/c/a", 413, headers={"Destination": "c/copy"})
    assert await swift.names("/c") == ["a", "b"]


async def test_bulk(cloud: Cloud) -> None:
    swift = await member(cloud)
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, data in (("d1/a", b"one"), ("d1/../b", b"two"), ("d2/e/f", b""), ("top", b"x")):
            member_ = tarfile.TarInfo(name)
            member_.size = len(data)
            archive.addfile(member_, io.BytesIO(data))
        link = tarfile.TarInfo("d1/passwd")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    json = {"Accept": "application/json"}
    path = "?extract-archive=tar.gz"
    told = (await swift("PUT", path, 200, content=file.getvalue(), headers=json)).json()
    assert told["Number Files Created"] == 3
    assert told["Errors"] == [["top", "400 Bad Request"]]
    assert await swift.names("/d1") == ["../b", "a"]
    assert (await swift("GET", "/d1/a")).content == b"one"
    under = await swift("PUT", "/d3/in" + path, 200, content=file.getvalue(), headers=json)
    assert under.json()["Number Files Created"] == 4
    assert "in/top" in await swift.names("/d3")
    bad = await swift("PUT", "?extract-archive=tar", 200, content=b"no archive" * 100)
    assert "400 Bad Request" in bad.text and "Invalid Tar File" in bad.text
    await swift("PUT", "?extract-archive=zip", 400, content=b"x")
    names = b"/d1/a\nd1/..%2Fb\n/d1\n/none/x\n/d2\n\n"
    gone = (await swift("POST", "?bulk-delete", 200, content=names, headers=json)).json()
    assert (gone["Number Deleted"], gone["Number Not Found"]) == (3, 1)
    assert gone["Errors"] == [["/d2", "409 Conflict"]]
    assert await swift.names() == ["d2", "d3"]
    many = b"/c/x\n" * 10001
    await swift("POST", "?bulk-delete", 413, content=many)


def _archive(*heads: tuple[str, bytes, bytes, int]) -> bytes:
    """An archive of members: name, type, content, and the size that is said of it."""
    parts = []
    for name, kind, content, size in heads:
        head = tarfile.TarInfo(name)
        head.type, head.size = kind, size
        parts += [head.tobuf(tarfile.GNU_FORMAT), content, bytes(-len(content) % 512)]
    return b"".join([*parts, bytes(1024)])


@pytest.mark.parametrize("packed", ["tar", "tar.gz", "tar.bz2"])
async def test_archives_that_are_longer_than_they_look(cloud: Cloud, packed: str) -> None:
    swift = await member(cloud)
    packs: dict[str, Callable[[bytes], bytes]] = {"tar.gz": gzip.compress, "tar.bz2": bz2.compress}
    pack = packs.get(packed, bytes)

    async def told(archive: bytes) -> Any:
        more = {"content": pack(archive), "headers": {"Accept": "application/json"}}
        return (await swift("PUT", f"?extract-archive={packed}", 200, **more)).json()

    good = ("c/good", tarfile.REGTYPE, b"good", 4)
    name = bytes(4 << 20)
    long = await told(_archive(good, ("l", tarfile.GNUTYPE_LONGNAME, name, len(name)), good))
    assert long["Number Files Created"] == 1 and "too long" in long["Response Body"]
    many = [("l", tarfile.GNUTYPE_LONGNAME, b"n", 1)] * 1500
    deep = await told(_archive(good, *many, good))
    assert deep["Number Files Created"] == 1 and deep["Response Status"] == "400 Bad Request"
    beyond = await told(
        _archive(good, ("c/d", tarfile.DIRTYPE, b"", 0), ("c/x", b"?", b"", 6 << 30))
    )
    assert beyond["Number Files Created"] == 1 and "more than" in beyond["Response Body"]
    await swift("POST", "/c", 204, headers={"X-Container-Meta-Quota-Bytes": "10"})
    quota = await told(_archive(good, ("c/b", tarfile.REGTYPE, b"b" * 20, 20), good))
    assert quota["Number Files Created"] == 2
    assert quota["Errors"] == [["c/b", "413 Request Entity Too Large"]]


async def test_what_expired_is_not_there_and_then_swept(tmp_path: Path, database_url: str) -> None:
    clock = MovableClock()
    async with running(tmp_path, database=database_url, clock=clock, hosts=0) as cloud:
        swift = await member(cloud)
        await swift.put("/c")
        await swift.put("/c/o", b"xx", headers={"X-Delete-After": "100"})
        await swift.put("/c/stays", b"y")
        clock.move(99)
        await swift("GET", "/c/o", 200)
        clock.move(2)
        await swift("GET", "/c/o", 404)
        await swift("POST", "/c/o", 404)
        await swift("COPY", "/c/o", 404, headers={"Destination": "c/p"})
        store = cloud.control.house.facade(facade.ObjectStore)
        await facade.sweep(store, everything=True)
        assert await swift.names("/c") == ["stays"]
        assert (await swift("HEAD", "")).headers["x-account-bytes-used"] == "1"
        assert len([one async for one in store.store.list()]) == 1
        assert await facade.differences(store, mend=False) == []
