"""What others' servers of S3 got wrong, tried here."""

from __future__ import annotations

import pytest
from tests.api.object_storage.s3 import code, texts, user
from tests.cloud import Cloud

# Nothing here says anything to a database that the other tests do not.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


async def test_a_signed_address_is_not_widened_by_headers(cloud: Cloud) -> None:
    s3, swift = await user(cloud)
    await s3.put("/bucket")
    await s3.put("/bucket/secret", b"secret")
    query = s3.address("PUT", "/bucket/o", at=s3.now())
    host = {"host": "cloud:8080"}
    for more in (
        {"x-amz-copy-source": "/bucket/secret"},
        {"x-amz-acl": "public-read"},
        {"x-amz-meta-a": "1"},
        {"X-Amz-Tagging": "a=1"},
    ):
        refused = await s3.send("PUT", "/bucket/o", query, {**host, **more}, b"", 403)
        assert code(refused) == "AccessDenied"
    assert await swift.names("/bucket") == ["secret"]
    # What is said of the body chooses how it is read: unsigned, it chooses nothing.
    framed = {**host, "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER"}
    await s3.send("PUT", "/bucket/o", query, framed, b"1\r\na\r\n0\r\n\r\n", 200)
    assert (await swift("GET", "/bucket/o", 200)).content == b"1\r\na\r\n0\r\n\r\n"


async def test_the_frame_of_a_body_is_no_coding_of_the_object(cloud: Cloud) -> None:
    s3, swift = await user(cloud)
    await s3.put("/bucket")
    digest = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
    size = {"x-amz-decoded-content-length": "1"}
    body = b"1\r\na\r\n0\r\n\r\n"
    for said, kept in (
        ("aws-chunked", None),
        ("aws-chunked,gzip", "gzip"),
        ("deflate, gzip,aws-chunked", "deflate, gzip"),
        (None, None),
    ):
        headers = {**size, **({"content-encoding": said} if said else {})}
        await s3.put("/bucket/o", body, digest=digest, headers=headers)
        read = await swift("HEAD", "/bucket/o", 200)
        assert read.headers.get("content-encoding") == kept
        assert read.headers["content-length"] == "1"
    broken = await s3.put("/bucket/o", body[:-1] + b"X", 400, digest=digest, headers=size)
    assert code(broken) == "IncompleteBody"


async def test_while_versions_are_suspended_there_is_one_mark(cloud: Cloud) -> None:
    s3, _ = await user(cloud)
    await s3.put("/bucket")
    await s3.versioned("/bucket")
    await s3.versioned("/bucket", "Suspended")
    await s3.put("/bucket/o", b"x")
    for _ in range(2):
        await s3("DELETE", "/bucket/o", 204)
        await s3("GET", "/bucket/o", 404)
        listed = await s3.xml("/bucket", [("versions", "")])
        assert texts(listed, "DeleteMarker/VersionId") == ["null"]
        assert texts(listed, "Version/VersionId") == []
    await s3.put("/bucket/o", b"y")
    listed = await s3.xml("/bucket", [("versions", "")])
    assert (texts(listed, "DeleteMarker/Key"), texts(listed, "Version/Key")) == ([], ["o"])
    assert (await s3("GET", "/bucket/o", 200)).content == b"y"
