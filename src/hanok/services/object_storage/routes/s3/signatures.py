"""Who signed a request: signatures of version 4 and 2, in the header or in the address.

A signature is computed again from the request as it came, and compared in constant time. Of what it leaves open,
nothing may say what is done: each x-amz-… header that is there must be among the signed ones.

Sources: "Authenticating Requests (AWS Signature Version 4)" and "Signing and authenticating REST requests" (version 2).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import quote_from_bytes, unquote_to_bytes

from msgspec import Struct

from hanok.services.object_storage.routes.s3.faults import S3Error
from hanok.web.request import Request

V4 = "AWS4-HMAC-SHA256"
V2 = "AWS"
WINDOW = timedelta(minutes=15)
LONGEST_S = 7 * 86_400
UNSIGNED = "UNSIGNED-PAYLOAD"
# Headers that may come unsigned with a signed address: they say nothing of what is done.
_HARMLESS = ("x-amz-content-sha256", "x-amz-user-agent")
# What version 2 signs of the query.
_SIGNED_QUERY = frozenset(
    (
        "accelerate", "acl", "analytics", "attributes", "cors", "defaultObjectAcl", "delete", "encryption",
        "intelligent-tiering", "inventory", "legal-hold", "lifecycle", "location", "logging", "metrics",
        "notification", "object-lock", "ownershipControls", "partNumber", "policy", "policyStatus",
        "publicAccessBlock", "replication", "requestPayment", "response-cache-control",
        "response-content-disposition", "response-content-encoding", "response-content-language",
        "response-content-type", "response-expires", "restore", "retention", "select", "select-type", "tagging",
        "torrent", "uploadId", "uploads", "versionId", "versioning", "versions", "website",
    )
)  # fmt: skip

Pairs = Sequence[tuple[str, str]]


class Signature(Struct, frozen=True, kw_only=True):
    """A signature as it was sent.

    scope: date, region and service of version 4; empty for version 2. at: when it was made, as it is said.
    headers: names of those that were signed. expires: "": it is of one request; else of an address.
    """

    access: str
    value: str
    at: str
    scope: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    expires: str = ""
    presigned: bool = False

    @property
    def region(self) -> str:
        return self.scope[1] if self.scope else ""

    def key(self, secret: str) -> bytes:
        """What signs of a secret, for the date, region and service."""
        found = b"AWS4" + secret.encode()
        for part in (*self.scope, "aws4_request"):
            found = sign(found, part.encode())
        return found


def sign(key: bytes, text: bytes) -> bytes:
    return hmac.digest(key, text, "sha256")


def pairs(request: Request) -> list[tuple[str, str]]:
    """The query as it was sent: "+" is itself.

    Raises:
        S3Error
    """
    raw: bytes = request.http.scope["query_string"]
    if raw.count(b"&") > 256:
        raise S3Error("InvalidArgument", "The query has too many parameters.")
    found = []
    for part in raw.split(b"&") if raw else ():
        name, _, value = part.partition(b"=")
        try:
            found.append((unquote_to_bytes(name).decode(), unquote_to_bytes(value).decode()))
        except UnicodeDecodeError:
            raise S3Error("InvalidArgument", "The query is not UTF-8.") from None
    return found


def is_signed(request: Request) -> bool:
    """Whether a request comes with a signature of S3, whatever it is worth."""
    said = request.headers.get("authorization", "")
    if said.startswith((V4, V2 + " ")):
        return True
    query: bytes = request.http.scope["query_string"]
    return b"X-Amz-Credential=" in query or (b"AWSAccessKeyId=" in query and b"Signature=" in query)


def read(request: Request, query: Pairs) -> Signature:
    """The signature of a request.

    Raises:
        S3Error
    """
    said = request.headers.get("authorization", "")
    given = dict(query)
    if said.startswith(V4):
        return _header_v4(request, said)
    if said:
        access, _, value = said.removeprefix(V2).strip().partition(":")
        at = "" if "x-amz-date" in request.headers else request.headers.get("date", "")
        return Signature(access=access, value=value, at=at)
    if "X-Amz-Credential" in given:
        return _query_v4(given)
    return Signature(
        access=given.get("AWSAccessKeyId", ""),
        value=given.get("Signature", ""),
        at=given.get("Expires", ""),
        expires=given.get("Expires", "") or "none",
        presigned=True,
    )


def _header_v4(request: Request, said: str) -> Signature:
    parts = (part.strip().partition("=") for part in said.removeprefix(V4).split(","))
    found = {name: value for name, _, value in parts}
    at = request.headers.get("x-amz-date", "")
    access, scope = _credential(found.get("Credential", ""), "AuthorizationHeaderMalformed")
    if not at:
        try:
            date = parsedate_to_datetime(request.headers.get("date", ""))
        except ValueError:
            raise S3Error("AccessDenied", "The request has no valid date.") from None
        at = date.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    return Signature(
        access=access,
        value=found.get("Signature", ""),
        at=at,
        scope=scope,
        headers=tuple(found.get("SignedHeaders", "").lower().split(";")),
    )


def _query_v4(given: dict[str, str]) -> Signature:
    malformed = "AuthorizationQueryParametersError"
    access, scope = _credential(given.get("X-Amz-Credential", ""), malformed)
    expires = given.get("X-Amz-Expires", "")
    if given.get("X-Amz-Algorithm") != V4:
        raise S3Error(malformed, f"X-Amz-Algorithm only supports {V4}")
    if not (expires.isascii() and expires.isdigit() and 0 < len(expires) < 8):
        raise S3Error(malformed, "X-Amz-Expires should be a number")
    if not 0 < int(expires) <= LONGEST_S:
        raise S3Error(malformed, f"X-Amz-Expires must be from 1 to {LONGEST_S} seconds")
    return Signature(
        access=access,
        value=given.get("X-Amz-Signature", ""),
        at=given.get("X-Amz-Date", ""),
        scope=scope,
        headers=tuple(given.get("X-Amz-SignedHeaders", "").lower().split(";")),
        expires=expires,
        presigned=True,
    )


def _credential(said: str, malformed: str) -> tuple[str, tuple[str, ...]]:
    access, *scope = said.rsplit("/", 4)
    if len(scope) != 4 or scope[3] != "aws4_request" or not access:
        raise S3Error(
            malformed, "The credential is not of the form KEY/DATE/REGION/s3/aws4_request."
        )
    if scope[2] != "s3":
        raise S3Error(malformed, "The credential is not for the service s3.")
    return access, tuple(scope[:3])


# ---- holding a request against its signature ----


def check(signature: Signature, secret: str, request: Request, query: Pairs, now: datetime) -> None:
    """Go on only if the request was signed with the secret, and is of this time.

    Raises:
        S3Error
    """
    if signature.scope:
        _check_time(signature, now)
        _check_headers(signature, request)
        made = sign(signature.key(secret), _text_v4(signature, request, query).encode()).hex()
    else:
        _check_time_v2(signature, request, now)
        made = _made_v2(signature, secret, request, query)
    if not hmac.compare_digest(made.encode(), signature.value.encode("utf-8", "replace")):
        raise S3Error("SignatureDoesNotMatch")


def _check_time(signature: Signature, now: datetime) -> None:
    try:
        at = datetime.strptime(signature.at, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise S3Error("AccessDenied", "The request has no valid date.") from None
    if signature.at[:8] != signature.scope[0]:
        raise S3Error(
            "SignatureDoesNotMatch", "The date of the credential is not that of the request."
        )
    if not signature.presigned:
        _check_window(at, now)
    elif at > now + WINDOW:
        raise S3Error("AccessDenied", "Request is not yet valid")
    elif now > at + timedelta(seconds=int(signature.expires)):
        raise S3Error("AccessDenied", "Request has expired")


def _check_window(at: datetime, now: datetime) -> None:
    if abs(now - at) > WINDOW:
        raise S3Error("RequestTimeTooSkewed")


def _check_headers(signature: Signature, request: Request) -> None:
    """Nothing that is not signed may widen what is."""
    if "host" not in signature.headers:
        raise S3Error("SignatureDoesNotMatch", "The header Host must be signed.")
    for name in request.headers:
        if not name.startswith("x-amz-") or name in signature.headers:
            continue
        if not (signature.presigned and name in _HARMLESS):
            raise S3Error(
                "AccessDenied", "There were headers present in the request which were not signed",
                fields={"HeadersNotSigned": name[:128]},
            )  # fmt: skip


def _quoted(raw: bytes, safe: str = "") -> str:
    return quote_from_bytes(raw, safe=safe + "-_.~")


def path_of(request: Request) -> bytes:
    """The path as it was sent."""
    scope = request.http.scope
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    return raw.partition(b"?")[0]


def payload_hash(signature: Signature, request: Request) -> str:
    """What the signature says of the body."""
    name = "x-amz-content-sha256"
    if signature.presigned and name not in signature.headers:
        return UNSIGNED
    return request.headers.get(name, "")


def _text_v4(signature: Signature, request: Request, query: Pairs) -> str:
    signed = sorted(
        (_quoted(name.encode()), _quoted(value.encode()))
        for name, value in query
        if name != "X-Amz-Signature"
    )
    headers = request.http.headers
    lines = []
    for name in signature.headers:
        value = ",".join(" ".join(one.split()) for one in headers.getlist(name))
        lines.append(f"{name}:{value}")
    canonical = "\n".join(
        (
            request.method,
            _quoted(unquote_to_bytes(path_of(request)), "/"),
            "&".join(f"{name}={value}" for name, value in signed),
            *lines,
            "",
            ";".join(signature.headers),
            payload_hash(signature, request),
        )
    )
    digest = hashlib.sha256(canonical.encode("latin-1", "replace")).hexdigest()
    return "\n".join((V4, signature.at, "/".join((*signature.scope, "aws4_request")), digest))


def _check_time_v2(signature: Signature, request: Request, now: datetime) -> None:
    if signature.presigned:
        at = signature.at
        if not (at.isascii() and at.isdigit() and len(at) < 12):
            raise S3Error("AccessDenied", "Invalid date (should be seconds since epoch)")
        if int(at) < now.timestamp():
            raise S3Error("AccessDenied", "Request has expired")
        if (
            stray := next((one for one in request.headers if one == "x-amz-date"), None)
        ) is not None:
            raise S3Error("AccessDenied", f"{stray} does not fit a signed address")
        return
    said = signature.at or request.headers.get("x-amz-date", "")
    try:
        at_time = parsedate_to_datetime(said)
    except ValueError:
        raise S3Error("AccessDenied", "The request has no valid date.") from None
    _check_window(at_time.replace(tzinfo=at_time.tzinfo or UTC), now)


def _made_v2(signature: Signature, secret: str, request: Request, query: Pairs) -> str:
    """The signature. Some clients sign a bucket with a slash behind it, and ask without."""
    path = _quoted(unquote_to_bytes(path_of(request)), "/")
    paths = [path] if path.count("/") > 1 else [path, f"{path}/"]
    made = ""
    for one in paths:
        digest = hmac.digest(secret.encode(), _text_v2(signature, request, query, one), "sha1")
        made = base64.b64encode(digest).decode()
        if hmac.compare_digest(made.encode(), signature.value.encode("utf-8", "replace")):
            break
    return made


def _text_v2(signature: Signature, request: Request, query: Pairs, path: str) -> bytes:
    headers = request.http.headers
    own = sorted({name for name in request.headers if name.startswith("x-amz-")})
    amz = "".join(f"{name}:{','.join(headers.getlist(name))}\n" for name in own)
    shown = sorted((name, value) for name, value in query if name in _SIGNED_QUERY)
    resource = "&".join(f"{name}={value}" if value else name for name, value in shown)
    lines = (
        request.method,
        headers.get("content-md5", ""),
        headers.get("content-type", ""),
        signature.at,
        f"{amz}{path}{'?' if resource else ''}{resource}",
    )
    return "\n".join(lines).encode("latin-1", "replace")
