"""Signatures of EC2 and S3 requests, computed again from the secret.

Sources: AWS General Reference, "Signature Version 2" and "Signature Version 4"; Amazon S3 API, "Signing REST Requests".
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import quote

from msgspec import Struct

from hanok.base.errors import NotSignedIn

V4 = "AWS4-HMAC-SHA256"
PRESIGNED = timedelta(days=7)  # the longest that a signed EC2 query may be good for
S3_SERVICES = ("s3", "iam", "sts")


class Signed(Struct, kw_only=True):
    """A signed request as the service that got it describes it. token: what was signed, for S3."""

    access: str = ""
    signature: str = ""
    verb: str = ""
    host: str = ""
    path: str = ""
    params: dict[str, str | int | float | bool] = {}
    headers: dict[str, str] = {}
    body_hash: str = ""
    token: str = ""


def _refused(message: str) -> NotSignedIn:
    return NotSignedIn(message)


def _sign(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")


def _key_v4(secret: str, date: str, region: str, service: str) -> bytes:
    key = _sign(b"AWS4" + secret.encode(), date)
    for part in (region, service, "aws4_request"):
        key = _sign(key, part)
    return key


def _query(params: Mapping[str, object]) -> str:
    pairs = sorted((str(name), str(value)) for name, value in params.items())
    return "&".join(f"{quote(name, safe='')}={quote(value, safe='-_~')}" for name, value in pairs)


def version_2(secret: str, request: Signed, host: str) -> str:
    """The signature of a query by version 2, HMAC-SHA256."""
    params = {**request.params, "SignatureMethod": "HmacSHA256"}
    text = f"{request.verb}\n{host}\n{request.path}\n{_query(params)}"
    return base64.b64encode(_sign(secret.encode(), text)).decode()


def _v4_part(request: Signed, name: str) -> str:
    """A part of version 4's authorization: in the header, or among the parameters."""
    authorization = _header(request, "authorization")
    if authorization:
        return authorization.partition(f"{name}=")[2].split(",")[0].strip()
    return str(request.params.get(f"X-Amz-{name}", ""))


def _header(request: Signed, name: str) -> str:
    return next((v for key, v in request.headers.items() if key.lower() == name), "")


def _v4_date(request: Signed) -> str:
    return _header(request, "x-amz-date") or str(request.params.get("X-Amz-Date", ""))


def is_version_4(request: Signed) -> bool:
    return (
        _header(request, "authorization").startswith(V4)
        or request.params.get("X-Amz-Algorithm") == V4
    )


def version_4(secret: str, request: Signed, host: str) -> str:
    """The signature of a request by version 4.

    Raises:
        NotSignedIn: the parts do not fit each other.
    """
    scope = _v4_part(request, "Credential").split("/")
    date = _v4_date(request)
    if len(scope) != 5 or scope[4] != "aws4_request" or not date.startswith(scope[1]):
        raise _refused("Invalid EC2 signature.")
    if scope[0] != request.access:
        raise _refused("Invalid EC2 signature.")
    given = {name.lower(): " ".join(value.split()) for name, value in request.headers.items()}
    given["host"] = host
    signed = _v4_part(request, "SignedHeaders")
    # Each line has its end, and where no header is signed, the one empty line has it.
    named = [f"{name}:{given[name]}" for name in signed.split(";") if name in given]
    headers = "\n".join(named) + "\n"
    params = {name: v for name, v in request.params.items() if name != "X-Amz-Signature"}
    query = "" if request.verb.upper() == "POST" else _query(params)
    canonical = "\n".join(
        (request.verb.upper(), request.path, query, headers, signed, request.body_hash)
    )
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = "\n".join((V4, date, "/".join(scope[1:]), digest))
    return _sign(_key_v4(secret, scope[1], scope[2], scope[3]), text).hex()


def check_ec2(secret: str, request: Signed) -> None:
    """Whether an EC2 request was signed with the secret; some clients leave the port out of what they sign.

    Raises:
        NotSignedIn: it was not, or in a way that is not known.
    """
    if not request.signature:
        raise _refused("EC2 signature not supplied.")
    hosts = list(dict.fromkeys((request.host, _without_port(request.host))))
    for host in hosts:
        if request.params.get("SignatureVersion") in ("2", 2):
            made = version_2(secret, request, host)
        elif is_version_4(request):
            made = version_4(secret, request, host)
        else:
            raise _refused("Unknown signature version: versions 2 and 4 are known.")
        if hmac.compare_digest(made.encode(), request.signature.encode()):
            return
    raise _refused("Invalid EC2 signature.")


def _without_port(host: str) -> str:
    return host if host.endswith("]") else host.rpartition(":")[0] or host


def check_ec2_time(request: Signed, now: datetime, window: timedelta) -> None:
    """Whether a signed EC2 request is of this time.

    Raises:
        NotSignedIn: it is older or younger than the window, has ended, or carries no time.
    """
    if is_version_4(request):
        at, until = _v4_time(_v4_date(request)), None
    else:
        at = _iso(str(request.params.get("Timestamp", "")))
        until = _iso(str(request.params.get("Expires", "")))
    if at is None and until is None:
        raise _refused("Credential timestamp is invalid.")
    if at is not None and not now - window <= at <= now + window:
        raise _refused("Credential is expired")
    if until is not None and not now <= until <= now + PRESIGNED:
        raise _refused("Credential is expired")


def _v4_time(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None


def _iso(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def s3_text(request: Signed) -> str:
    """What an S3 client has signed.

    Raises:
        NotSignedIn: it is not there, or no text.
    """
    try:
        text = base64.urlsafe_b64decode(request.token).decode()
    except (binascii.Error, ValueError):
        raise _refused("Invalid EC2 signature.") from None
    if not text:
        raise _refused("EC2 signature not supplied.")
    return text


def check_s3(secret: str, request: Signed) -> None:
    """Whether an S3 request was signed with the secret.

    Raises:
        NotSignedIn: it was not.
    """
    text = s3_text(request)
    if text.startswith("AWS4"):
        lines = text.split("\n")
        scope = lines[2].split("/") if len(lines) == 4 else []
        if lines[0] != V4 or len(scope) != 4 or scope[3] != "aws4_request":
            raise _refused("Invalid EC2 signature.")
        if scope[2] not in S3_SERVICES:
            raise _refused("Invalid EC2 signature.")
        made = _sign(_key_v4(secret, scope[0], scope[1], scope[2]), text).hex()
    else:
        # HMAC-SHA1 is what S3's older signature is.
        made = base64.b64encode(hmac.digest(secret.encode(), text.encode(), "sha1")).decode()
    if not hmac.compare_digest(made.encode(), request.signature.encode()):
        raise _refused("Credential signature mismatch")


def check_s3_time(request: Signed, now: datetime, window: timedelta, presigned: timedelta) -> None:
    """Whether a signed S3 request may still be of this time.

    Args:
        presigned: how old a version 4 signature may be. What was signed does not show for how long an address was meant
            to be good, so one that was given out may not be told from one that was overheard.

    Raises:
        NotSignedIn: it has ended, is from the future, or carries no time.
    """
    lines = s3_text(request).split("\n")
    if lines[0] == V4:
        at = _v4_time(lines[1] if len(lines) > 1 else "")
        if at is None or not now - max(window, presigned) <= at <= now + window:
            raise _refused("Credential is expired")
        return
    date = lines[3] if len(lines) > 3 else ""
    if date.isdecimal() and len(date) < 12:
        if int(date) < now.timestamp():
            raise _refused("Credential is expired")
        return
    if not date:
        dates = (line for line in lines[4:] if line.startswith("x-amz-date:"))
        date = next(dates, "").partition(":")[2]
    try:
        at = parsedate_to_datetime(date)
    except ValueError:
        raise _refused("Credential timestamp is invalid.") from None
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
    if not now - window <= at <= now + window:
        raise _refused("Credential is expired")
