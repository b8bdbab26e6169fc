"""Every operation of S3's table: who may not ask, odd bodies and odd queries get a clear answer, and nothing a 500."""

from __future__ import annotations

import pytest
from tests.api.object_storage.s3 import S3, code, user
from tests.cloud import Cloud

from hanok.services.object_storage.routes.s3.operations import OPERATIONS, SUBRESOURCES, Operation

PATHS = {"service": "/", "bucket": "/bucket", "object": "/bucket/o"}
VALUES = {"list-type": "2", "partNumber": "1", "uploadId": "none"}
# What is asked about what is not there, or with no body, and is done all the same.
SURE = {
    "ListBuckets", "CreateBucket", "HeadBucket", "DeleteBucket", "PutObject", "GetObject", "HeadObject",
}  # fmt: skip


def _query(operation: Operation) -> list[tuple[str, str]]:
    return [(name, VALUES.get(name, "")) for name in operation.selectors]


async def _bucket(s3: S3) -> None:
    await s3.put("/bucket")
    await s3.put("/bucket/o", b"x")


def test_no_two_operations_are_one() -> None:
    keys = {(one.level, one.method, one.selectors) for one in OPERATIONS}
    assert len(keys) == len({one.name for one in OPERATIONS}) == len(OPERATIONS)
    for one in OPERATIONS:
        assert set(one.selectors) - {"partNumber"} <= SUBRESOURCES, one.name


async def test_nobody_and_others_do_nothing(cloud: Cloud) -> None:
    s3, swift = await user(cloud)
    other, _ = await user(cloud, "other")
    await _bucket(s3)
    forged = S3(s3.http, s3.access, "0" * 32, s3.account)
    for one in OPERATIONS:
        answer = await forged(one.method, PATHS[one.level], 403, query=_query(one))
        if one.method != "HEAD":
            assert code(answer) == "SignatureDoesNotMatch", one.name
        if one.level != "service" and one.name != "CreateBucket":
            answer = await other(one.method, PATHS[one.level], 404, query=_query(one))
            if one.method != "HEAD":
                assert code(answer) == "NoSuchBucket", one.name
    assert await swift.names("/bucket") == ["o"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        b"<a/>",
        b"<!DOCTYPE a><a/>",
        b"\xff\xfe",
        b"<Tagging/>",
        b"[" * 2000,
        b"<a>" * 3000,
    ],
    ids=range(8),
)
async def test_odd_bodies(cloud: Cloud, body: bytes) -> None:
    s3, _ = await user(cloud)
    for one in sorted(OPERATIONS, key=lambda one: one.method == "DELETE"):
        await _bucket(s3)
        answer = await s3(one.method, PATHS[one.level], query=_query(one), content=body)
        assert answer.status_code < 500 or answer.status_code == 501, (one.name, answer.text)
        if one.method in ("PUT", "POST") and one.name not in SURE:
            assert answer.status_code >= 400 or one.name == "CreateMultipartUpload", one.name


async def test_odd_queries(cloud: Cloud) -> None:
    s3, _ = await user(cloud)
    for one in sorted(OPERATIONS, key=lambda one: one.method == "DELETE"):
        await _bucket(s3)
        for name in (*one.selectors, *one.query):
            for value in ("", "-1", "9" * 40, "\0", "x" * 3000, "ü%&=", "null", "1.5"):
                query = [*(pair for pair in _query(one) if pair[0] != name), (name, value)]
                answer = await s3(one.method, PATHS[one.level], query=query)
                assert answer.status_code < 500 or answer.status_code == 501, (
                    one.name,
                    name,
                    value,
                )
        answer = await s3(
            one.method, PATHS[one.level], 400, query=[*_query(one), ("nonsense", "1")]
        )
        if one.method != "HEAD":
            assert code(answer) == "InvalidArgument", one.name
