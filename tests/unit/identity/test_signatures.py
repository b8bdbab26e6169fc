"""Signatures of EC2 and S3 requests: the examples of AWS's own documents, and what of a request they hold."""

from __future__ import annotations

import base64
import hmac
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from hanok.base.errors import NotSignedIn
from hanok.services.identity.logic import signatures
from hanok.services.identity.logic.signatures import Signed

ACCESS, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
DAY = datetime(2013, 5, 24, tzinfo=UTC)
WINDOW, PRESIGNED = timedelta(minutes=15), timedelta(days=1)


def an_address(**changes: Any) -> Signed:
    """Amazon S3 API, "Authenticating Requests: Using Query Parameters", its example."""
    request = Signed(
        access=ACCESS,
        signature="aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404",
        verb="GET",
        host="examplebucket.s3.amazonaws.com",
        path="/test.txt",
        params={
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Credential": f"{ACCESS}/20130524/us-east-1/s3/aws4_request",
            "X-Amz-Date": "20130524T000000Z",
            "X-Amz-Expires": "86400",
            "X-Amz-SignedHeaders": "host",
        },
        body_hash="UNSIGNED-PAYLOAD",
    )
    return msgspec.structs.replace(request, **changes)


def a_post(**changes: Any) -> Signed:
    """The test suite of Signature Version 4, "post-vanilla"; of a POST no query is signed."""
    scope = "AKIDEXAMPLE/20150830/us-east-1/service/aws4_request"
    request = Signed(
        access="AKIDEXAMPLE",
        signature="5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
        verb="POST",
        host="example.amazonaws.com",
        path="/",
        headers={
            "X-Amz-Date": "20150830T123600Z",
            "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, "
            "SignedHeaders=host;x-amz-date, Signature=5da7",
        },
        body_hash="e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    )
    return msgspec.structs.replace(request, **changes)


def test_a_signed_address_is_that_of_the_example() -> None:
    signatures.check_ec2(SECRET, an_address())
    with_signature = {**an_address().params, "X-Amz-Signature": an_address().signature}
    signatures.check_ec2(SECRET, an_address(params=with_signature))
    with_port = an_address(host="examplebucket.s3.amazonaws.com:443")
    signatures.check_ec2(SECRET, with_port)
    for minutes in (-14, 14):
        signatures.check_ec2_time(an_address(), DAY + timedelta(minutes=minutes), WINDOW)
    for minutes in (-16, 16):
        with pytest.raises(NotSignedIn, match="expired"):
            signatures.check_ec2_time(an_address(), DAY + timedelta(minutes=minutes), WINDOW)


def test_a_post_is_that_of_the_suite_whatever_it_sends() -> None:
    secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
    signatures.check_ec2(secret, a_post())
    signatures.check_ec2(secret, a_post(params={"Action": "DescribeImages"}, verb="post"))
    with pytest.raises(NotSignedIn, match="Invalid EC2 signature"):
        signatures.check_ec2(secret, a_post(params={"Action": "DescribeImages"}, verb="GET"))


@pytest.mark.parametrize(
    "credential",
    [
        f"{ACCESS}/20130524/us-east-1/s3",
        f"{ACCESS}/20130524/us-east-1/s3/aws4_request/more",
        f"{ACCESS}/20130524/us-east-1/s3/aws4_response",
        f"{ACCESS}/20130525/us-east-1/s3/aws4_request",
        "SOMEBODY/20130524/us-east-1/s3/aws4_request",
        "",
    ],
)
def test_a_scope_that_does_not_fit_its_request_is_refused(credential: str) -> None:
    """Also where the signature is that of the scope: it says of whom, of when and for what the key is."""
    parts = credential.split("/")
    params = {**an_address().params, "X-Amz-Credential": credential}
    request = an_address(params=params)
    if len(parts) >= 4:
        query = signatures._query(params)
        made = _signed(parts, f"GET\n/test.txt\n{query}")
        request = an_address(params=params, signature=made)
    with pytest.raises(NotSignedIn, match="Invalid EC2 signature"):
        signatures.check_ec2(SECRET, request)


def _signed(scope: list[str], first_lines: str) -> str:
    """Version 4 by itself, for scopes that nobody should sign."""
    import hashlib

    canonical = f"{first_lines}\nhost:examplebucket.s3.amazonaws.com\n\nhost\nUNSIGNED-PAYLOAD"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    key = f"AWS4{SECRET}".encode()
    for part in (*scope[1:4], "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    text = f"AWS4-HMAC-SHA256\n20130524T000000Z\n{'/'.join(scope[1:])}\n{digest}"
    return hmac.digest(key, text.encode(), "sha256").hex()


def test_the_check_of_scopes_signs_as_the_example_does() -> None:
    scope = f"{ACCESS}/20130524/us-east-1/s3/aws4_request".split("/")
    query = signatures._query(an_address().params)
    assert _signed(scope, f"GET\n/test.txt\n{query}") == an_address().signature


@pytest.mark.parametrize(
    ("params", "why"),
    [
        ({"Timestamp": "2013-05-24T00:10:00"}, ""),  # without a zone it is UTC
        ({"Timestamp": "2013-05-24T02:10:00+02:00"}, ""),
        ({"Timestamp": "2013-05-24T02:10:00"}, "Credential is expired"),
        ({"Expires": "2013-05-31T00:00:00Z"}, ""),
        ({"Expires": "2013-05-31T00:00:01Z"}, "Credential is expired"),  # more than seven days
        ({"Expires": "2013-05-23T23:59:59"}, "Credential is expired"),
        ({"Timestamp": "yesterday"}, "Credential timestamp is invalid"),
        ({}, "Credential timestamp is invalid"),
    ],
)
def test_the_time_of_version_2(params: dict[str, Any], why: str) -> None:
    request = Signed(params={"SignatureVersion": "2", **params})
    if not why:
        signatures.check_ec2_time(request, DAY, WINDOW)
        return
    with pytest.raises(NotSignedIn, match=why):
        signatures.check_ec2_time(request, DAY, WINDOW)


# ---- S3 ----


def of_s3(text: str, signature: str = "") -> Signed:
    return Signed(token=base64.urlsafe_b64encode(text.encode()).decode(), signature=signature)


def _made_v4(text: str, date: str, region: str, service: str) -> str:
    key = f"AWS4{SECRET}".encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, text.encode(), "sha256").hex()


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("AWS4-HMAC-SHA256\n20130524T000000Z\n20130524/eu/s3/aws4_request\n00", True),
        ("AWS4-HMAC-SHA512\n20130524T000000Z\n20130524/eu/s3/aws4_request\n00", False),
        ("AWS4-HMAC-SHA256\n20130524T000000Z\n20130524/eu/s3/aws4_request\n00\n", False),
        ("AWS4-HMAC-SHA256\n20130524T000000Z\n20130524/eu/s3/aws4_request", False),
        ("AWS4-HMAC-SHA256\n20130524T000000Z\n20130524/eu/s3/aws4_request/x\n00", False),
        ("AWS4-HMAC-SHA256\n20130524T000000Z\n20130524/eu/s3/other\n00", False),
        ("AWS4-HMAC-SHA256\n20130524T000000Z\n20130524/eu/ec2/aws4_request\n00", False),
        ("AWS4", False),
    ],
)
def test_what_an_s3_client_signs_by_version_4(text: str, right: bool) -> None:
    lines = [*text.split("\n"), "", "", ""]
    date, region, service = [*lines[2].split("/"), "", "", ""][:3]
    request = of_s3(text, _made_v4(text, date, region, service))
    if right:
        signatures.check_s3(SECRET, request)
        return
    with pytest.raises(NotSignedIn, match="Invalid EC2 signature"):
        signatures.check_s3(SECRET, request)


@pytest.mark.parametrize(("token", "why"), [("", "not supplied"), ("_", "Invalid EC2")])
def test_nothing_signed_is_refused(token: str, why: str) -> None:
    empty = hmac.digest(SECRET.encode(), b"", "sha1")
    request = Signed(token=token, signature=base64.b64encode(empty).decode())
    with pytest.raises(NotSignedIn, match=why):
        signatures.check_s3(SECRET, request)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("AWS4-HMAC-SHA256", "Credential is expired"),  # it carries no time
        ("AWS4-HMAC-SHA256\nyesterday\n\n", "Credential is expired"),
        ("AWS4-HMAC-SHA256\n20130523T000100Z\n\n", ""),
        ("AWS4-HMAC-SHA256\n20130522T235900Z\n\n", "Credential is expired"),
        ("GET\n\n\nFri, 24 May 2013 00:14:00 GMT\n/b", ""),
        ("GET\n\n\nFri, 24 May 2013 00:14:00 -0000\n/b", ""),  # no zone: UTC
        ("GET\n\n\nFri, 24 May 2013 02:14:00 -0000\n/b", "Credential is expired"),
        ("GET\n\n\n1369353601\n/b", ""),
        ("GET\n\n\n1369353599\n/b", "Credential is expired"),
        ("GET\n\n\n136935360100\n/b", "Credential timestamp is invalid"),  # in the year 6309
        ("GET\n\n\n\nx-amz-date:Fri, 24 May 2013 00:14:00 GMT\n/b", ""),
        ("GET", "Credential timestamp is invalid"),
    ],
)
def test_the_time_of_an_s3_request(text: str, why: str) -> None:
    if not why:
        signatures.check_s3_time(of_s3(text), DAY, WINDOW, PRESIGNED)
        return
    with pytest.raises(NotSignedIn, match=why):
        signatures.check_s3_time(of_s3(text), DAY, WINDOW, PRESIGNED)
