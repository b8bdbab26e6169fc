"""Accounts, containers and objects: what is put is read, listed, counted, changed, copied and gone."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from urllib.parse import quote

from tests.api.object_storage.objects import PORT, member
from tests.cloud import Cloud

from hanok.base.clock import Clock


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


async def test_what_is_put_is_read_listed_and_gone(cloud: Cloud) -> None:
    swift = await member(cloud)
    await swift.put("/c")
    made = await swift.put("/c/o", b"hello", headers={"X-Object-Meta-Colour": "red"})
    assert made.headers["etag"] == md5(b"hello")
    read = await swift("GET", "/c/o", 200)
    assert read.content == b"hello"
    assert read.headers["x-object-meta-colour"] == "red"
    assert read.headers["etag"] == md5(b"hello")
    assert read.headers["x-trans-id"].startswith("tx")
    head = await swift("HEAD", "/c/o", 200)
    assert head.headers["content-length"] == "5"
    assert head.content == b""
    (one,) = (await swift("GET", "/c?format=json", 200)).json()
    assert (one["name"], one["bytes"], one["hash"]) == ("o", 5, md5(b"hello"))
    account = await swift("HEAD", "", 204)
    assert account.headers["x-account-container-count"] == "1"
    assert account.headers["x-account-object-count"] == "1"
    assert account.headers["x-account-bytes-used"] == "5"
    await swift("DELETE", "/c", 409)
    await swift("DELETE", "/c/o", 204)
    await swift("GET", "/c/o", 404)
    container = await swift("HEAD", "/c", 204)
    assert container.headers["x-container-object-count"] == "0"
    assert container.headers["x-container-bytes-used"] == "0"
    await swift("DELETE", "/c", 204)
    await swift("GET", "/c", 404)
    assert await swift.names() == []


async def test_a_second_put_takes_the_place_of_the_first(cloud: Cloud) -> None:
    swift = await member(cloud)
    await swift("PUT", "/c", 201)
    await swift("PUT", "/c", 202)
    first = await swift.put("/c/o", b"one", headers={"X-Object-Meta-A": "1"})
    second = await swift.put("/c/o", b"second")
    assert float(second.headers["x-timestamp"]) > float(first.headers["x-timestamp"])
    read = await swift("GET", "/c/o", 200)
    assert read.content == b"second"
    assert "x-object-meta-a" not in read.headers
    container = await swift("HEAD", "/c", 204)
    assert container.headers["x-container-object-count"] == "1"
    assert container.headers["x-container-bytes-used"] == "6"


async def test_a_large_body_passes_in_pieces(cloud: Cloud) -> None:
    swift = await member(cloud)
    await swift.put("/c")
    piece = bytes(range(256)) * 1024  # 256 KiB

    async def body() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield piece

    made = await swift("PUT", "/c/big", 201, content=body())
    assert made.headers["etag"] == md5(piece * 20)
    read = await swift("GET", "/c/big", 200)
    assert md5(read.content) == md5(piece * 20)
    part = await swift("GET", "/c/big", 206, headers={"Range": "bytes=1048570-3145728"})
    assert part.content == (piece * 20)[1048570:3145729]
    assert part.headers["content-range"] == f"bytes 1048570-3145728/{len(piece) * 20}"


RANGES = [
    ("bytes=0-3", 206, b"0123"),
    ("bytes=4-", 206, b"456789"),
    ("bytes=-3", 206, b"789"),
    ("bytes=8-100", 206, b"89"),
    ("bytes=10-", 416, None),
    ("bytes=-0", 416, None),
    ("bytes=5-2", 200, b"0123456789"),
    ("lines=1-2", 200, b"0123456789"),
    ("bytes=x-", 200, b"0123456789"),
]


async def test_ranges(cloud: Cloud) -> None:
    swift = await member(cloud)
    await swift.put("/c")
    await swift.put("/c/o", b"0123456789")
    for said, status, content in RANGES:
        read = await swift("GET", "/c/o", status, headers={"Range": said})
        if content is None:
            assert read.headers["content-range"] == "bytes */10"
        else:
            assert read.content == content, said


async def test_several_ranges_come_as_parts(cloud: Cloud) -> None:
    swift = await member(cloud)
    await swift.put("/c")
    await swift.put("/c/o", b"0123456789", headers={"Content-Type": "text/x-digits"})
    read = await swift("GET", "/c/o", 206, headers={"Range": "bytes=0-1,4-5"})
    kind, _, boundary = read.headers["content-type"].partition(";boundary=")
    assert kind == "multipart/byteranges"
    assert int(read.headers["content-length"]) == len(read.content)
    head, first, second, end = read.content.split(f"--{boundary}".encode())
    assert head == b"" and end == b"--"
    assert first.endswith(b"Content-Range: bytes 0-1/10\r\n\r\n01\r\n")
    assert second.endswith(b"Content-Range: bytes 4-5/10\r\n\r\n45\r\n")
    assert b"Content-Type: text/x-digits" in first
    await swift("GET", "/c/o", 416, headers={"Range": "bytes=" + ",".join(["0-1"] * 51)})


async def test_conditions(cloud: Cloud) -> None:
    swift = await member(cloud)
    await swift.put("/c")
    made = await swift.put("/c/o", b"abc")
    etag = made.headers["etag"]
    await swift("GET", "/c/o", 304, headers={"If-None-Match": f'"{etag}"'})
    await swift("GET", "/c/o", 200, headers={"If-None-Match": '"other"'})
    await swift("GET", "/c/o", 412, headers={"If-Match": '"other"'})
    await swift("GET", "/c/o", 200, headers={"If-Match": etag})
    at = (await swift("HEAD", "/c/o")).headers["last-modified"]
    await swift("GET", "/c/o", 304, headers={"If-Modified-Since": at})
    await swift("GET", "/c/o", 200, headers={"If-Unmodified-Since": at})
    old = "Mon, 01 Jan 2001 00:00:00 GMT"
    await swift("GET", "/c/o", 412, headers={"If-Unmodified-Since": old})
    await swift("GET", "/c/o", 200, headers={"If-Modified-Since": old})
    await swift("PUT", "/c/o", 412, content=b"x", headers={"If-None-Match": "*"})
    await swift("PUT", "/c/new", 201, content=b"x", headers={"If-None-Match": "*"})
    await swift("PUT", "/c/o", 400, content=b"x", headers={"If-None-Match": etag})


async def test_what_is_changed_or_deleted_is_what_was_meant(cloud: Cloud) -> None:
    swift = await member(cloud)
    await swift.put("/c")
    first = await swift.put("/c/o", b"old")
    mine, other = {"If-Match": first.headers["etag"]}, {"If-Match": '"other"'}
    early = {"If-Unmodified-Since": "Thu, 01 Jan 2015 00:00:00 GMT"}
    for method in ("PUT", "POST", "DELETE"):
        for condition in (other, early):
            await swift(method, "/c/o", 412, headers=condition)
    await swift("DELETE", "/c/o", 412, headers={"If-None-Match": first.headers["etag"]})
    await swift("PUT", "/c/none", 412, headers={"If-Match": "*"})
    await swift("DELETE", "/c/none", 404, headers={"If-Match": "*"})
    assert (await swift("GET", "/c/o", 200)).content == b"old"
    await swift("POST", "/c/o", 202, headers=mine)
    await swift("PUT", "/c/o", 201, content=b"new", headers=mine)
    await swift("DELETE", "/c/o", 412, headers=mine)
    # Of a copy, they are its source's.
    copied = {"X-Copy-From": "c/o", **other}
    await swift("PUT", "/c/copy", 412, headers=copied)
    await swift("PUT", "/c/copy", 201, headers={"X-Copy-From": "c/o", "If-Match": "*"})
    assert (await swift("GET", "/c/copy", 200)).content == b"new"
    await swift("POST", "/c/o", 202, headers={"X-Delete-At": "9000000000"})
    await swift("DELETE", "/c/o", 400, headers={"X-If-Delete-At": "bad"})
    await swift("DELETE", "/c/o", 412, headers={"X-If-Delete-At": "9000000001"})
    await swift("DELETE", "/c/o", 204, headers={"If-Match": "*", "X-If-Delete-At": "9000000000"})


async def test_a_body_that_is_another_than_its_etag_says_is_refused(cloud: Cloud) -> None:
    swift = await member(cloud)
    await swift.put("/c")
    await swift.put("/c/o", b"old")
    await swift("PUT", "/c/o", 422, content=b"new", headers={"ETag": md5(b"other")})
    assert (await swift("GET", "/c/o")).content == b"old"
    await swift("PUT", "/c/o", 201, content=b"new", headers={"ETag": md5(b"new")})


async def test_post_replaces_what_an_object_says_of_itself(cloud: Cloud) -> None:
    swift = await member(cloud)
    await swift.put("/c")
    headers = {"X-Object-Meta-A": "1", "Content-Type": "text/x-a", "Content-Language": "de"}
    await swift.put("/c/o", b"abc", headers=headers)
    await swift("POST", "/c/o", 202, headers={"X-Object-Meta-B": "2"})
    head = await swift("HEAD", "/c/o")
    assert "x-object-meta-a" not in head.headers and "content-language" not in head.headers
    assert head.headers["x-object-meta-b"] == "2"
    assert head.headers["content-type"] == "text/x-a"
    await swift("POST", "/c/none", 404)


async def test_metadata_of_containers_and_accounts_is_merged(cloud: Cloud) -> None:
    swift = await member(cloud)
    await swift.put("/c", headers={"X-Container-Meta-A": "1", "X-Container-Meta-B": "2"})
    await swift("POST", "/c", 204, headers={"X-Container-Meta-B": "", "X-Container-Meta-C": "3"})
    head = (await swift("HEAD", "/c", 204)).headers
    assert head["x-container-meta-a"] == "1" and head["x-container-meta-c"] == "3"
    assert "x-container-meta-b" not in head
    await swift("POST", "/c", 204, headers={"X-Remove-Container-Meta-A": "x"})
    assert "x-container-meta-a" not in (await swift("HEAD", "/c")).headers
    await swift("POST", "", 204, headers={"X-Account-Meta-Z": "bücher".encode()})
    raw = (await swift("HEAD", "")).headers
    assert raw["x-account-meta-z"] == "bücher"
    await swift("POST", "/none", 404, headers={"X-Container-Meta-A": "1"})


LIMITS: list[tuple[dict[str, str | bytes], str]] = [
    ({"X-Object-Meta-" + "n" * 129: "v"}, "Metadata name too long"),
    ({"X-Object-Meta-N": "v" * 257}, "Metadata value longer than 256"),
    ({f"X-Object-Meta-{number}": "v" for number in range(91)}, "Too many metadata items"),
    ({f"X-Object-Meta-{number}": "v" * 250 for number in range(20)}, "Total metadata"),
    ({"X-Object-Meta-": "v"}, "Metadata name cannot be empty"),
    ({"X-Object-Meta-N": b"\xff"}, "must be valid UTF-8"),
    ({"X-Delete-At": "soon"}, "Non-integer X-Delete-At"),
    ({"X-Delete-At": "1"}, "X-Delete-At in past"),
    ({"X-Delete-After": "1.5"}, "Non-integer X-Delete-After"),
    ({"X-Object-Manifest": "nothing"}, "X-Object-Manifest must be"),
]


async def test_what_is_over_a_limit_is_refused(cloud: Cloud) -> None:
    swift = await member(cloud)
    await swift.put("/c")
    for headers, why in LIMITS:
        refused = await swift("PUT", "/c/o", 400, content=b"", headers=headers)
        assert why in refused.text
    await swift("GET", "/c/o", 404)


async def test_limits_hold_in_sum(cloud: Cloud) -> None:
    swift = await member(cloud)
    await swift.put("/c", headers={f"X-Container-Meta-A{number}": "v" for number in range(60)})
    more = {f"X-Container-Meta-B{number}": "v" for number in range(31)}
    assert "Too many" in (await swift("POST", "/c", 400, headers=more)).text
    assert "x-container-meta-b1" not in (await swift("HEAD", "/c")).headers
    assert "Too many" in (await swift("PUT", "/c", 400, headers=more)).text


NAMES = [
    "../../etc/passwd",
    ".",
    "..",
    "a//b",
    "/lead",
    "trail/",
    "é" * 512,
    "💾",
    "%2F",
    "a?b#c",
    " ",
]


async def test_any_name_stays_a_name(cloud: Cloud) -> None:
    swift = await member(cloud)
    await swift.put("/c")
    for name in NAMES:
        await swift.put("/c/" + quote(name, safe="").replace(".", "%2E"), name.encode())
    for name in NAMES:
        assert (
            await swift("GET", "/c/" + quote(name, safe="").replace(".", "%2E"), 200)
        ).content == name.encode()
    found = [one["name"] for one in (await swift("GET", "/c?format=json")).json()]
    assert found == sorted(NAMES, key=str.encode)
    await swift("PUT", "/c/" + "n" * 1024, 201, content=b"")
    assert "longer than 1024" in (await swift("PUT", "/c/" + "n" * 1025, 400, content=b"")).text
    assert "longer than 1024" in (await swift("PUT", "/c/" + "%C3%A9" * 513, 400)).text
    await swift("PUT", "/c/a%00b", 412, content=b"")
    await swift("PUT", "/c/%ff", 412, content=b"")
    await swift("PUT", "/" + "c" * 257, 400)
    await swift("PUT", "/" + "c" * 256, 201)


async def test_copies(cloud: Cloud) -> None:
    swift = await member(cloud)
    await swift.put("/c")
    await swift.put("/d")
    await swift.put("/c/a b", b"data", headers={"X-Object-Meta-A": "1", "Content-Type": "text/x"})
    to = {"Destination": "/d/copy", "X-Object-Meta-B": "2"}
    made = await swift("COPY", "/c/a%20b", 201, headers=to)
    assert made.headers["x-copied-from"] == "c/a%20b"
    read = await swift("GET", "/d/copy", 200)
    assert read.content == b"data" and read.headers["content-type"] == "text/x"
    assert (read.headers["x-object-meta-a"], read.headers["x-object-meta-b"]) == ("1", "2")
    source = {"X-Copy-From": "c/a%20b", "X-Fresh-Metadata": "true", "Content-Length": "0"}
    await swift("PUT", "/d/second", 201, headers=source)
    assert "x-object-meta-a" not in (await swift("HEAD", "/d/second")).headers
    await swift("COPY", "/c/none", 404, headers=to)
    await swift("COPY", "/c/a%20b", 412, headers={"Destination": "nowhere"})
    await swift("COPY", "/c/a%20b", 412)
    await swift("COPY", "/c/a%20b", 404, headers={"Destination": "none/x"})
    await swift("PUT", "/d/x", 400, content=b"some", headers={"X-Copy-From": "c/a%20b"})


async def test_a_length_is_needed_and_bounded(cloud: Cloud) -> None:
    swift = await member(cloud)
    await swift.put("/c")
    refused = await swift("PUT", "/c/o", headers={"Content-Length": str((5 << 30) + 3)})
    assert refused.status_code == 413
    request = cloud.http.build_request("PUT", f"{PORT}/v1/AUTH_{swift.account}/c/o")
    request.headers["X-Auth-Token"] = swift.client.token
    del request.headers["content-length"]
    assert (await cloud.http.send(request)).status_code == 411


async def test_what_is_not_there(cloud: Cloud) -> None:
    swift = await member(cloud)
    await swift("PUT", "/none/o", 404, content=b"x")
    await swift("GET", "/none/o", 404)
    await swift("GET", "/none", 404)
    await swift("DELETE", "/none", 404)
    assert (await cloud.http.get(f"{PORT}/v2/x")).status_code == 404
    assert (await cloud.http.get(f"{PORT}/")).status_code == 404
    assert (await swift("PATCH", "/c/o")).status_code == 405
    assert (await swift("GET", "")).status_code == 204
    synchronised = {"X-Container-Sync-To": "//realm/cluster/account/c"}
    assert (await swift("PUT", "/v", headers=synchronised)).status_code == 501


async def test_an_object_ends_when_it_was_to(cloud: Cloud) -> None:
    swift = await member(cloud)
    await swift.put("/c")
    before = Clock().now().timestamp()
    await swift.put("/c/o", b"x", headers={"X-Delete-After": "1000"})
    at = int((await swift("HEAD", "/c/o")).headers["x-delete-at"])
    now = Clock().now().timestamp()
    assert int(before) <= at - 1000 <= now  # whole seconds of the moment at which it was asked
    await swift("POST", "/c/o", 202, headers={"X-Delete-At": "9" * 30})
    assert (await swift("HEAD", "/c/o")).headers["x-delete-at"] == "9999999999"
    await swift("POST", "/c/o", 400, headers={"X-Delete-At": "-" + "9" * 30})
    await swift("POST", "/c/o", 202)
    assert "x-delete-at" not in (await swift("HEAD", "/c/o")).headers


async def test_beside_accounts(cloud: Cloud) -> None:
    info = (await cloud.http.get(f"{PORT}/info")).json()
    assert info["swift"]["max_object_name_length"] == 1024
    assert (await cloud.http.get(f"{PORT}/healthcheck")).text == "OK"
    assert "cross-domain-policy" in (await cloud.http.get(f"{PORT}/crossdomain.xml")).text
    admin = await cloud.sign_in()
    (entry,) = [one for one in admin.body["catalog"] if one["type"] == "object-store"]
    assert {one["url"] for one in entry["endpoints"]} == {f"{PORT}/v1/AUTH_{admin.project_id}"}
