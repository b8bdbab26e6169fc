"""Objects in parts, by S3."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib

from tests.api.object_storage.s3 import S3, code, parsed, texts, user
from tests.cloud import Cloud

from hanok.base import failpoints
from hanok.base.failpoints import armed
from hanok.services.object_storage import facade
from hanok.services.object_storage.facade import ObjectStore

PART = bytes(range(256)) * (5 << 12)  # 5 MiB: what all but the last part have


async def _start(s3: S3, key: str = "/bucket/o", **headers: str) -> str:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    root = parsed(await s3("POST", key, 200, query=[("uploads", "")], headers=sent))
    return root.findtext("UploadId", "")


async def _put(
    s3: S3, upload: str, number: int, data: bytes, status: int = 200, key: str = "/bucket/o"
) -> str:
    query = [("partNumber", str(number)), ("uploadId", upload)]
    return str((await s3.put(key, data, status, query=query)).headers.get("etag", ""))


async def _complete(
    s3: S3,
    upload: str,
    parts: list[tuple[int, str]],
    status: int = 200,
    headers: dict[str, str] | None = None,
) -> str:
    body = "".join(
        f"<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"
        for number, etag in parts
    )
    content = f"<CompleteMultipartUpload>{body}</CompleteMultipartUpload>".encode()
    query = [("uploadId", upload)]
    answer = await s3("POST", "/bucket/o", status, query=query, content=content, headers=headers)
    return parsed(answer).findtext("ETag", "") if status == 200 else code(answer)


async def _whole(cloud: Cloud) -> int:
    room = cloud.control.house.facade(ObjectStore)
    await facade.sweep(room, everything=True)
    assert await facade.differences(room, mend=False) == []
    return len([one async for one in room.store.list()])


async def test_an_object_of_parts(cloud: Cloud) -> None:
    s3, swift = await user(cloud)
    await s3.put("/bucket")
    upload = await _start(s3, x_amz_meta_a="1", content_type="text/x")
    await _put(s3, upload, 2, PART)
    etags = [
        await _put(s3, upload, 1, PART),
        await _put(s3, upload, 2, PART[1:] + b"x"),
        await _put(s3, upload, 7, b"end"),
    ]
    await _put(s3, upload, 9, b"not named")
    assert (await swift("HEAD", "/bucket", 204)).headers["x-container-bytes-used"] == str(
        2 * len(PART) + 12
    )
    assert await swift.names("/bucket") == []
    listed = await s3.xml("/bucket/o", [("uploadId", upload), ("max-parts", "2")])
    assert (
        texts(listed, "Part/PartNumber") == ["1", "2"] and listed.findtext("IsTruncated") == "true"
    )
    listed = await s3.xml("/bucket/o", [("uploadId", upload), ("part-number-marker", "2")])
    assert texts(listed, "Part/Size") == ["3", "9"]
    named = [(1, etags[0]), (2, etags[1]), (7, etags[2])]
    whole = PART + PART[1:] + b"x" + b"end"
    joined = b"".join(bytes.fromhex(etag.strip('"')) for etag in etags)
    etag = f'"{hashlib.md5(joined, usedforsecurity=False).hexdigest()}-3"'
    assert await _complete(s3, upload, named) == etag
    assert await _complete(s3, upload, named) == etag  # who lost the answer asks once more
    assert await _whole(cloud) == 3
    read = await s3("GET", "/bucket/o", 200)
    assert (read.content, read.headers["x-amz-meta-a"], read.headers["content-type"]) == (
        whole,
        "1",
        "text/x",
    )
    assert (await swift("GET", "/bucket/o", 200)).content == whole
    at = len(PART) - 2
    part = await s3("GET", "/bucket/o", 206, headers={"range": f"bytes={at}-{at + 4}"})
    assert part.content == whole[at : at + 5]
    head = (await s3("HEAD", "/bucket/o", 206, query=[("partNumber", "3")])).headers
    assert (head["content-length"], head["x-amz-mp-parts-count"]) == ("3", "3")
    await swift("COPY", "/bucket/o", 201, headers={"Destination": "bucket/copy"})
    assert (await swift("GET", "/bucket/copy", 200)).content == whole
    await swift(
        "COPY", "/bucket/o?multipart-manifest=get", 201, headers={"Destination": "bucket/copy"}
    )
    assert (await swift("GET", "/bucket/copy", 200)).content == whole
    assert (await swift("HEAD", "/bucket", 204)).headers["x-container-bytes-used"] == str(
        2 * len(whole)
    )
    await s3.put("/bucket/o", b"new")
    assert await _whole(cloud) == 2


async def test_parts_that_are_not_as_they_are_named(cloud: Cloud) -> None:
    s3, _ = await user(cloud)
    await s3.put("/bucket")
    upload = await _start(s3)
    etags = [await _put(s3, upload, 1, b"small"), await _put(s3, upload, 2, b"end")]
    for parts, told in (
        ([(1, etags[0]), (2, etags[1])], "EntityTooSmall"),
        ([(2, etags[1]), (1, etags[0])], "InvalidPartOrder"),
        ([(1, etags[1])], "InvalidPart"), ([(3, etags[1])], "InvalidPart"), ([], "MalformedXML"),
    ):  # fmt: skip
        assert await _complete(s3, upload, parts, 400) == told
    assert await _complete(s3, "nothing", [(1, etags[0])], 404) == "NoSuchUpload"
    await _put(s3, "nothing", 1, b"x", 404)
    await _put(s3, upload, 0, b"x", 400)
    await _put(s3, upload, 10_001, b"x", 400)
    await s3.put("/bucket/o", b"there")
    assert (
        await _complete(s3, upload, [(2, etags[1])], 412, headers={"if-none-match": "*"})
        == "PreconditionFailed"
    )
    await _complete(s3, upload, [(2, etags[1])])
    assert (await s3("GET", "/bucket/o", 200)).content == b"end"
    assert await _whole(cloud) == 1


async def test_aborted(cloud: Cloud) -> None:
    s3, swift = await user(cloud)
    await s3.put("/bucket")
    upload, other = await _start(s3), await _start(s3, "/bucket/dir/o")
    await _put(s3, upload, 1, b"x")
    await _put(s3, other, 1, b"xx", key="/bucket/dir/o")
    await _put(s3, upload, 1, b"x", 404, key="/bucket/dir/o")
    root = await s3.xml("/bucket", [("uploads", "")])
    assert texts(root, "Upload/UploadId") == [other, upload]
    root = await s3.xml("/bucket", [("uploads", ""), ("delimiter", "/")])
    assert texts(root, "Upload/UploadId") == [upload] and texts(root, "CommonPrefixes/Prefix") == [
        "dir/"
    ]
    root = await s3.xml("/bucket", [("uploads", ""), ("max-uploads", "1")])
    after = [
        ("key-marker", root.findtext("NextKeyMarker", "")),
        ("upload-id-marker", root.findtext("NextUploadIdMarker", "")),
    ]
    assert texts(await s3.xml("/bucket", [("uploads", ""), *after]), "Upload/UploadId") == [upload]
    await s3("DELETE", "/bucket/o", 204, query=[("uploadId", upload)])
    await s3("DELETE", "/bucket/o", 404, query=[("uploadId", upload)])
    assert (await swift("HEAD", "", 204)).headers["x-account-bytes-used"] == "2"
    await s3("DELETE", "/bucket", 204)  # what was under way ends with it
    assert (await swift("HEAD", "", 204)).headers["x-account-bytes-used"] == "0"
    assert await _whole(cloud) == 0


async def test_parts_are_copied(cloud: Cloud) -> None:
    s3, _ = await user(cloud)
    await s3.put("/bucket")
    await s3.put("/bucket/from", PART + b"rest")
    upload = await _start(s3)
    query = [("partNumber", "1"), ("uploadId", upload)]
    source = {"x-amz-copy-source": "bucket/from"}
    root = parsed(
        await s3.put(
            "/bucket/o",
            headers={**source, "x-amz-copy-source-range": f"bytes=0-{len(PART) - 1}"},
            query=query,
        )
    )
    etags = [root.findtext("ETag", "")]
    query = [("partNumber", "2"), ("uploadId", upload)]
    odd = {**source, "x-amz-copy-source-range": f"bytes=0-{len(PART) + 4}"}
    assert code(await s3.put("/bucket/o", b"", 416, headers=odd, query=query)) == "InvalidRange"
    for said in ("0-3", "bytes=-3", "bytes=3-", "bytes=a-b"):
        await s3.put(
            "/bucket/o", b"", 400, headers={**source, "x-amz-copy-source-range": said}, query=query
        )
    etags.append(
        parsed(await s3.put("/bucket/o", headers=source, query=query)).findtext("ETag", "")
    )
    await _complete(s3, upload, list(enumerate(etags, 1)))
    assert (await s3("GET", "/bucket/o", 200)).content == PART + PART + b"rest"


async def test_many_write_parts_and_end_it_at_once(cloud: Cloud) -> None:
    s3, swift = await user(cloud)
    await s3.put("/bucket")
    upload = await _start(s3)
    etags = await asyncio.gather(*(_put(s3, upload, 1, bytes([n])) for n in range(6)))
    listed = await s3.xml("/bucket/o", [("uploadId", upload)])
    (last,) = texts(listed, "Part/ETag")
    assert last in etags
    part = f"<Part><PartNumber>1</PartNumber><ETag>{last}</ETag></Part>"
    content = f"<CompleteMultipartUpload>{part}</CompleteMultipartUpload>"
    answers = await asyncio.gather(
        *(
            s3("POST", "/bucket/o", query=[("uploadId", upload)], content=content.encode())
            for _ in range(4)
        ),
        s3("DELETE", "/bucket/o", query=[("uploadId", upload)]),
    )
    codes = {one.status_code for one in answers[:4]}
    assert codes in ({200}, {404})
    assert await _whole(cloud) == (1 if codes == {200} else 0)
    used = (await swift("HEAD", "/bucket", 204)).headers["x-container-bytes-used"]
    assert used == ("1" if codes == {200} else "0")


async def test_who_ends_an_upload_twice_at_once_is_told_the_same(cloud: Cloud) -> None:
    s3, _ = await user(cloud)
    await s3.put("/bucket")
    upload = await _start(s3)
    named = [(1, await _put(s3, upload, 1, b"one"))]
    place = "objects.complete.before_row"
    with armed(place, "hang", 1):
        first = asyncio.ensure_future(_complete(s3, upload, named))
        while not failpoints.waiting(place):
            await asyncio.sleep(0.001)
        etag = await _complete(s3, upload, named)
        failpoints.release(place)
        assert await first == etag != ""
    assert (await s3("GET", "/bucket/o", 200)).content == b"one"
    assert await _whole(cloud) == 1


async def test_checksums_of_parts_and_of_the_whole(cloud: Cloud) -> None:
    s3, _ = await user(cloud)
    await s3.put("/bucket")
    for kind in ("FULL_OBJECT", "COMPOSITE"):
        headers = {"x_amz_checksum_algorithm": "CRC32", "x_amz_checksum_type": kind}
        upload = await _start(s3, **headers)
        data, values, named = [PART, b"end"], [], []
        for number, body in enumerate(data, 1):
            values.append(base64.b64encode(binascii.crc32(body).to_bytes(4, "big")).decode())
            query = [("partNumber", str(number)), ("uploadId", upload)]
            sent = {"x-amz-checksum-crc32": values[-1]}
            named.append(
                (
                    number,
                    (await s3.put("/bucket/o", body, query=query, headers=sent)).headers["etag"],
                )
            )
        await _complete(s3, upload, named)
        raw = b"".join(data) if kind == "FULL_OBJECT" else b"".join(map(base64.b64decode, values))
        whole = base64.b64encode(binascii.crc32(raw).to_bytes(4, "big")).decode()
        whole += "" if kind == "FULL_OBJECT" else "-2"
        enabled = {"x-amz-checksum-mode": "ENABLED"}
        told = (await s3("HEAD", "/bucket/o", 200, headers=enabled)).headers
        assert (told["x-amz-checksum-crc32"], told["x-amz-checksum-type"]) == (whole, kind)
        part = await s3("GET", "/bucket/o", 206, headers=enabled, query=[("partNumber", "2")])
        assert (part.content, part.headers["x-amz-checksum-crc32"]) == (b"end", values[1])
