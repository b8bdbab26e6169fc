"""What a signature opens is all that it opens."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from tests.api.object_storage.s3 import HOST, S3, code, user
from tests.cloud import Cloud


async def test_a_signature_is_of_one_request(cloud: Cloud) -> None:
    s3, _ = await user(cloud)
    await s3.put("/bucket")
    await s3.put("/bucket/o", b"x")
    now = datetime.now(UTC)
    for at, what in (
        (now - timedelta(minutes=16), "RequestTimeTooSkewed"),
        (now + timedelta(minutes=16), "RequestTimeTooSkewed"),
    ):
        assert code(await s3("GET", "/bucket/o", 403, at=at)) == what
    wide = await s3("GET", "/bucket/o", 403, unsigned={"x-amz-checksum-mode": "ENABLED"})
    assert code(wide) == "AccessDenied"
    forged = S3(s3.http, s3.access, "0" * 32, s3.account)
    assert code(await forged("GET", "/bucket/o", 403)) == "SignatureDoesNotMatch"
    unknown = S3(s3.http, "nobody", s3.secret, s3.account)
    assert code(await unknown("GET", "/bucket/o", 403)) == "InvalidAccessKeyId"
    for broken in (
        "AWS4-HMAC-SHA256", "AWS4-HMAC-SHA256 Credential=", "AWS ", "AWS :", f"AWS {s3.access}:",
        "AWS4-HMAC-SHA256 " + "," * 99,
        f"AWS4-HMAC-SHA256 Credential={s3.access}/20260101/r/s3/aws4_request, SignedHeaders=host, Signature=ü",
    ):  # fmt: skip
        sent = {b"authorization": broken.encode("latin-1"), b"host": HOST.encode()}
        answer = await s3.http.get(f"http://{HOST}/bucket/o", headers=sent)
        assert answer.status_code in (400, 403), answer.text


async def test_a_key_that_is_gone_opens_nothing(cloud: Cloud) -> None:
    s3, swift = await user(cloud)
    await s3.put("/bucket")
    own = f"/identity/v3/users/{swift.client.user_id}/credentials/OS-EC2/{s3.access}"
    await swift.client("DELETE", own, status=204)
    assert code(await s3("GET", "/bucket", 403)) == "InvalidAccessKeyId"


async def test_a_key_of_somebody_without_a_role_opens_nothing(cloud: Cloud) -> None:
    s3, swift = await user(cloud)
    await s3.put("/bucket")
    admin = await cloud.sign_in()
    roles = await admin.get("/identity/v3/roles?name=member")
    grant = f"/identity/v3/projects/{s3.account}/users/{swift.client.user_id}/roles/{roles['roles'][0]['id']}"
    await admin("DELETE", grant, status=204)
    await s3("GET", "/bucket", 403)


async def test_a_signed_address(cloud: Cloud) -> None:
    s3, _ = await user(cloud)
    await s3.put("/bucket")
    await s3.put("/bucket/o", b"x")
    now = datetime.now(UTC)
    own = {"host": HOST}
    query = s3.address("GET", "/bucket/o", at=now)
    assert (await s3.send("GET", "/bucket/o", query, own, b"", 200)).content == b"x"
    await s3.send("DELETE", "/bucket/o", query, own, b"", 403)
    await s3.send("GET", "/bucket/p", query, own, b"", 403)
    await s3.send("GET", "/bucket/o", [*query, ("acl", "")], own, b"", 403)
    await s3.send("GET", "/bucket/o", query, {**own, "x-amz-checksum-mode": "ENABLED"}, b"", 403)
    old = s3.address("GET", "/bucket/o", at=now - timedelta(seconds=601))
    assert "expired" in (await s3.send("GET", "/bucket/o", old, own, b"", 403)).text
    young = s3.address("GET", "/bucket/o", at=now + timedelta(hours=1))
    await s3.send("GET", "/bucket/o", young, own, b"", 403)
    for expires in (0, 604801):
        odd = s3.address("GET", "/bucket/o", at=now, expires=expires)
        assert (
            code(await s3.send("GET", "/bucket/o", odd, own, b"", 400))
            == "AuthorizationQueryParametersError"
        )
    put = s3.address("PUT", "/bucket/new", at=now)
    await s3.send("PUT", "/bucket/new", put, own, b"sent", 200)
    shown = s3.address("GET", "/bucket/new", at=now, more=[("response-content-type", "text/x")])
    answer = await s3.send("GET", "/bucket/new", shown, own, b"", 200)
    assert (answer.content, answer.headers["content-type"]) == (b"sent", "text/x")


async def test_version_2(cloud: Cloud) -> None:
    s3, _ = await user(cloud)
    await s3.put("/bucket")
    await s3.put("/bucket/o", b"x")
    date = format_datetime(datetime.now(UTC), usegmt=True)
    sent = {
        "host": HOST,
        "date": date,
        "authorization": f"AWS {s3.access}:{s3.version_2('GET', '/bucket/o', date)}",
    }
    assert (await s3.send("GET", "/bucket/o", [], sent, b"", 200)).content == b"x"
    await s3.send("DELETE", "/bucket/o", [], sent, b"", 403)
    await s3.send("GET", "/bucket/o", [("acl", "")], sent, b"", 403)
    until = str(int(datetime.now(UTC).timestamp()) + 60)
    query = [
        ("AWSAccessKeyId", s3.access),
        ("Expires", until),
        ("Signature", s3.version_2("GET", "/bucket/o", until)),
    ]
    await s3.send("GET", "/bucket/o", query, {"host": HOST}, b"", 200)
    query[1] = ("Expires", str(int(until) + 1))
    await s3.send("GET", "/bucket/o", query, {"host": HOST}, b"", 403)


def _chunks(s3: S3, seed: str, at: datetime, parts: list[bytes], trailer: bytes = b"") -> bytes:
    """Signed chunks, as they go over the wire."""
    scope, key = f"{at:%Y%m%d}/us-east-1/s3/aws4_request", s3.key(f"{at:%Y%m%d}")
    moment, empty, body = f"{at:%Y%m%dT%H%M%SZ}", hashlib.sha256(b"").hexdigest(), b""

    def sign(what: str, *hashes: str) -> str:
        text = "\n".join((what, moment, scope, *hashes))
        return hmac.new(key, text.encode(), "sha256").hexdigest()

    for part in (*parts, b""):
        seed = sign("AWS4-HMAC-SHA256-PAYLOAD", seed, empty, hashlib.sha256(part).hexdigest())
        body += f"{len(part):x};chunk-signature={seed}\r\n".encode() + part
        body += b"\r\n" if part else b""
    if trailer:
        made = sign("AWS4-HMAC-SHA256-TRAILER", seed, hashlib.sha256(trailer + b"\n").hexdigest())
        body += trailer + b"\r\n" + f"x-amz-trailer-signature:{made}\r\n".encode()
    return body + b"\r\n"


@pytest.mark.parametrize("trailed", [False, True])
async def test_signed_chunks(cloud: Cloud, trailed: bool) -> None:
    s3, swift = await user(cloud)
    await s3.put("/bucket")
    at, data = datetime.now(UTC), [b"a" * 70_000, b"b" * 10]
    kind = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" + ("-TRAILER" if trailed else "")
    headers = {"x-amz-decoded-content-length": "70010", "content-encoding": "aws-chunked"}
    value = base64.b64encode(binascii.crc32(b"".join(data)).to_bytes(4, "big")).decode()
    trailer = f"x-amz-checksum-crc32:{value}".encode() if trailed else b""
    if trailed:
        headers["x-amz-trailer"] = "x-amz-checksum-crc32"

    async def put(change: bytes, to: bytes, status: int) -> str:
        # The first try is signed to know its seed; the body does not count for that signature.
        await s3.put("/bucket/o", b"", None, at=at, digest=kind, headers=headers)  # type: ignore[arg-type]
        body = _chunks(s3, s3.seed, at, data, trailer)
        assert change in body
        answer = await s3.put(
            "/bucket/o", body.replace(change, to, 1), status, at=at, digest=kind, headers=headers
        )
        return "" if status == 200 else code(answer)

    await put(b"", b"", 200)
    read = await swift("GET", "/bucket/o", 200)
    assert read.content == b"".join(data) and "content-encoding" not in read.headers
    assert await put(b"aaaa", b"aaab", 403) == "SignatureDoesNotMatch"
    assert await put(b"a;chunk", b"b;chunk", 403) == "SignatureDoesNotMatch"
    assert await put(b"\r\n\r\n", b"\r\n\r\nmore", 400) in ("IncompleteBody", "InvalidRequest")
    assert (await swift("GET", "/bucket/o", 200)).content == b"".join(data)


async def test_unsigned_chunks_with_a_checksum_behind_them(cloud: Cloud) -> None:
    s3, swift = await user(cloud)
    await s3.put("/bucket")
    value = base64.b64encode(binascii.crc32(b"hello").to_bytes(4, "big")).decode()
    headers = {"x-amz-decoded-content-length": "5", "x-amz-trailer": "x-amz-checksum-crc32"}
    digest = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"

    async def put(body: str, status: int) -> str:
        answer = await s3.put("/bucket/o", body.encode(), status, digest=digest, headers=headers)
        return "" if status == 200 else code(answer)

    assert await put(f"5\r\nhallo\r\n0\r\nx-amz-checksum-crc32:{value}\r\n\r\n", 400) == "BadDigest"
    assert await put("5\r\nhello\r\n0\r\n\r\n", 400) == "InvalidRequest"
    assert await put("5\r\nhello\r\n", 400) == "IncompleteBody"
    assert await put("ffffffffffffffffffff\r\n", 400) == "IncompleteBody"
    assert await put("x" * 10_000, 400) == "IncompleteBody"
    assert (
        await put(f"4\r\nhell\r\n0\r\nx-amz-checksum-crc32:{value}\r\n\r\n", 400)
        == "IncompleteBody"
    )
    assert await swift.names("/bucket") == []
    await put(f"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:{value}\r\n\r\n", 200)
    assert (await swift("GET", "/bucket/o", 200)).content == b"hello"
