"""The door of S3: signature → key → bucket and object → operation → handler."""

from __future__ import annotations

import logging
from urllib.parse import unquote_to_bytes

from starlette.responses import Response

from hanok.base.errors import HanokError, Raced
from hanok.services.object_storage.logic import containers
from hanok.services.object_storage.room import ObjectStore
from hanok.services.object_storage.routes.s3 import configuration, faults, signatures
from hanok.services.object_storage.routes.s3.call import S3Call, check_rules, nothing
from hanok.services.object_storage.routes.s3.checksums import NAMES, PREFIX
from hanok.services.object_storage.routes.s3.faults import S3Error
from hanok.services.object_storage.routes.s3.objects import META, check_key
from hanok.services.object_storage.routes.s3.operations import OPERATIONS, SUBRESOURCES, Operation
from hanok.services.object_storage.routes.s3.signatures import Pairs, Signature
from hanok.web.request import Request

log = logging.getLogger(__name__)

# What is read of a request's headers, by whom stands where it is. All else of S3's own is not served.
_HEADERS = frozenset(
    (
        "acl", "bucket-object-lock-enabled", "bypass-governance-retention",
        "checksum-algorithm", "checksum-mode", "checksum-type", "content-sha256",
        "copy-source", "copy-source-if-match", "copy-source-if-modified-since", "copy-source-if-none-match",
        "copy-source-if-unmodified-since", "copy-source-range", "date", "decoded-content-length",
        "expected-bucket-owner", "grant-full-control", "grant-read", "grant-read-acp", "grant-write",
        "grant-write-acp", "max-parts", "metadata-directive", "mfa", "object-attributes", "object-ownership",
        "part-number-marker", "request-payer", "sdk-checksum-algorithm", "source-expected-bucket-owner",
        "storage-class", "tagging", "tagging-directive", "trailer", "transition-default-minimum-object-size",
        "user-agent",
    )
)  # fmt: skip
_SIGNING = (
    "AWSAccessKeyId", "Signature", "Expires", "X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date",
    "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Signature", "X-Amz-Content-Sha256",
)  # fmt: skip
_BY = {(one.level, one.method, frozenset(one.selectors)): one for one in OPERATIONS}


async def answer(request: Request, room: ObjectStore) -> Response:
    """A request with a signature of S3."""
    call: S3Call | None = None
    try:
        query = signatures.pairs(request)
        signature = signatures.read(request, query)
        bucket, key = _named(request)
        if request.method == "OPTIONS":
            found = await _preflight(request, room, signature, bucket)
        else:
            call = await _opened(request, room, signature, query, bucket, key)
            found = await _operation(call).handler(call)
    except HanokError as error:
        if isinstance(error, Raced) and request.repeatable:
            raise  # it is asked again
        told = faults.translated(error)
        if not isinstance(error, S3Error):
            log.info("%s %s: %s", request.method, request.http.scope["path"], error.message)
        found = faults.answer(told, request.http.scope["path"], request.id)
    if call is not None and "origin" in call.headers:
        await _show_origin(call, found)
    found.headers["x-amz-request-id"] = request.id
    found.headers["x-amz-id-2"] = request.id
    return found


def _named(request: Request) -> tuple[str, str]:
    try:
        path = unquote_to_bytes(signatures.path_of(request)).decode()
    except UnicodeDecodeError:
        raise S3Error("InvalidArgument", "The path is not UTF-8.") from None
    bucket, _, key = path.removeprefix("/").partition("/")
    if "\0" in bucket:
        raise S3Error("InvalidBucketName")
    check_key(key)
    return bucket, key


async def _opened(
    request: Request, room: ObjectStore, signature: Signature, query: Pairs, bucket: str, key: str
) -> S3Call:
    """A request whose signature is right, by who may be here."""
    if "x-amz-security-token" in request.headers or any(
        n == "X-Amz-Security-Token" for n, _ in query
    ):
        raise S3Error("InvalidToken", "There are no temporary keys here")
    found = await room.ec2_key(signature.access) if signature.access else None
    if found is None:
        raise S3Error("InvalidAccessKeyId", fields={"AWSAccessKeyId": signature.access[:128]})
    signatures.check(signature, found.secret, request, query, room.clock.now())
    token = found.token
    check_rules(token, request.method, bucket, key)
    request.sign_in(token)
    call = S3Call(
        request, room, signature=signature, secret=found.secret, token=token,
        query={name: value for name, value in query if name not in _SIGNING}, bucket=bucket, key=key,
    )  # fmt: skip
    _check_headers(call)
    return call


def _check_headers(call: S3Call) -> None:
    """Nothing of S3's own is taken and ignored."""
    for name in call.headers:
        if not name.startswith("x-amz-") or name.startswith(META):
            continue
        own = name.removeprefix("x-amz-")
        if own not in _HEADERS and name.removeprefix(PREFIX) not in NAMES:
            raise S3Error("NotImplemented", f"The header {name[:128]} is not served here")
    for name in ("x-amz-expected-bucket-owner", "x-amz-source-expected-bucket-owner"):
        if call.headers.get(name, call.account) != call.account:
            raise S3Error("AccessDenied")


def _operation(call: S3Call) -> Operation:
    """What a request asks for.

    Raises:
        S3Error: nothing that is served.
    """
    level = "object" if call.key else "bucket" if call.bucket else "service"
    chosen = frozenset(name for name in call.query if name in SUBRESOURCES)
    if "uploadId" in chosen and "partNumber" in call.query and call.method == "PUT":
        chosen |= {"partNumber"}
    found = _BY.get((level, call.method, chosen))
    if found is None:
        if chosen:
            raise S3Error(
                "NotImplemented", f"{call.method} of {', '.join(sorted(chosen))} is not served here"
            )
        raise S3Error("MethodNotAllowed", fields={"Method": call.method})
    known = (*found.selectors, *found.query)
    for name in call.query:
        if name not in known and not name.lower().startswith("x-"):
            raise S3Error(
                "InvalidArgument",
                f"{name[:64]} means nothing in {found.name}",
                fields={"ArgumentName": name[:64]},
            )
    return found


# ---- pages of other origins ----


async def _preflight(
    request: Request, room: ObjectStore, signature: Signature, bucket: str
) -> Response:
    """What a browser asks before it uses a signed address: the key says whose bucket it is."""
    origin = request.headers.get("origin", "")
    method = request.headers.get("access-control-request-method", "")
    names = request.headers.get("access-control-request-headers", "")[:4096].lower()
    requested = tuple(name.strip() for name in names.split(",") if name.strip())
    if not origin or not method:
        raise S3Error("InvalidRequest", "Insufficient information. Origin request header needed.")
    found = await room.ec2_key(signature.access)
    row = None
    if found is not None and found.token.project_id is not None:
        async with room.database.read() as tx:
            row = await containers.get(tx, found.token.project_id, bucket)
    text = "" if row is None else row.metadata.get(configuration.CORS, "")
    rule = configuration.rule_for(text, origin, method, requested)
    if rule is None:
        raise S3Error("AccessDenied", "CORSResponse: This CORS request is not allowed.")
    told = configuration.cors_headers(rule, origin)
    if requested:
        told["Access-Control-Allow-Headers"] = ", ".join(requested)
    return nothing(200, told)


async def _show_origin(call: S3Call, response: Response) -> None:
    """Tell a browser which pages may read this answer."""
    origin = call.headers["origin"]
    async with call.room.database.read() as tx:
        row = await containers.get(tx, call.account, call.bucket)
    text = "" if row is None else row.metadata.get(configuration.CORS, "")
    rule = configuration.rule_for(text, origin, call.method)
    if rule is not None:
        response.headers.update(configuration.cors_headers(rule, origin))
