"""Objects as S3 speaks of them: written, read, copied, removed."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import unquote, unquote_to_bytes

from sqlalchemy import Row
from starlette.responses import Response

from hanok.base.errors import Refused
from hanok.drivers.byte_store import Missing, Stored
from hanok.services.object_storage.logic import objects as logic
from hanok.services.object_storage.logic import rows, versions
from hanok.services.object_storage.logic.names import OBJECT_NAME, Address, Said, http_date
from hanok.services.object_storage.logic.objects import ANY, Conditions
from hanok.services.object_storage.routes import bodies, headers, reading, writing
from hanok.services.object_storage.routes.bodies import Allowance
from hanok.services.object_storage.routes.call import Call
from hanok.services.object_storage.routes.reading import Whole
from hanok.services.object_storage.routes.s3 import acls, tags, xml
from hanok.services.object_storage.routes.s3.call import (
    S3Call,
    answer,
    iso,
    nothing,
    version_headers,
)
from hanok.services.object_storage.routes.s3.checksums import PREFIX
from hanok.services.object_storage.routes.s3.faults import S3Error, translated
from hanok.services.object_storage.routes.s3.listings import CHECKSUM, CHECKSUM_TYPE
from hanok.services.object_storage.routes.s3.payload import Payload
from hanok.services.object_storage.routes.s3.xml import Element

OCTETS = "binary/octet-stream"
META, _OWN_META = "x-amz-meta-", "x-object-meta-"
_OVERRIDES = {
    "response-cache-control": "Cache-Control", "response-content-disposition": "Content-Disposition",
    "response-content-encoding": "Content-Encoding", "response-content-language": "Content-Language",
    "response-content-type": "Content-Type", "response-expires": "Expires",
}  # fmt: skip
_ATTRIBUTES = ("ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize")


# ---- what a request says of an object ----


def described(call: S3Call) -> dict[str, Any]:
    """The columns of an object's row.

    Raises:
        S3Error
    """
    if (said := call.headers.get("x-amz-storage-class", "STANDARD")) != "STANDARD":
        raise S3Error(
            "InvalidStorageClass", f"The storage class {said[:64]} is not there: STANDARD is."
        )
    found = {**_metadata(call), **kept(call)}
    if acl := acls.of_object(call):
        found[logic.ACL] = acl
    if (text := call.headers.get("x-amz-tagging")) is not None:
        found |= tags.of_header(text)
    return {"content_type": _content_type(call), "headers": found, "delete_at": None}


def _content_type(call: S3Call) -> str:
    said = call.headers.get("content-type")
    return headers.text(said, "Content-Type")[:1024] if said else OCTETS


def kept(call: S3Call) -> dict[str, str]:
    found = headers.kept(call.swift)
    if coding := found.pop("content-encoding", ""):
        codings = [one.strip() for one in coding.split(",")]
        coding = ", ".join(one for one in codings if one and one.lower() != "aws-chunked")
    return found | ({"content-encoding": coding} if coding else {})


def _metadata(call: S3Call) -> dict[str, str]:
    found = {
        _OWN_META + name.removeprefix(META): headers.text(
            ",".join(call.request.http.headers.getlist(name)), name[:64]
        )
        for name in call.headers
        if name.startswith(META)
    }
    try:
        headers.check(found, "object")
    except Said as error:
        raise S3Error("MetadataTooLarge", error.message) from None
    return found


def conditions(call: S3Call) -> Conditions:
    """What must hold for a write.

    Raises:
        S3Error
    """
    none, some = call.headers.get("if-none-match"), call.headers.get("if-match")
    if none is None and some is None:
        return ANY
    return Conditions(
        etags=frozenset(reading.tags(some)) if some is not None else frozenset(),
        others=frozenset(reading.tags(none)) if none is not None else frozenset(),
    )


def check_key(key: str) -> None:
    """Raises S3Error: no object can be called so."""
    if len(key.encode()) > OBJECT_NAME:
        raise S3Error("KeyTooLongError")
    if "\0" in key:
        raise S3Error("InvalidArgument", "A key has no character NUL.")


# ---- writing ----


async def put(call: S3Call) -> Response:
    """PutObject."""
    container = await call.writable()
    if "x-amz-copy-source" in call.headers:
        return await copy(call, container)
    values, held = described(call), conditions(call)
    stored, payload = await taken(call, partial(bodies.allowed, conditions=held))
    if payload.checksum is not None:
        values["headers"][CHECKSUM] = ":".join(payload.checksum)
    new = await writing.written(call.swift, call.address, stored, values, conditions=held)
    told = version_headers(container.versions_mode, new.version_us or None)
    return nothing(200, {"ETag": f'"{new.etag}"', **told, **_checksum_headers(new.headers)})


async def taken(
    call: S3Call, allowed: Callable[[Call, int], Awaitable[Allowance]]
) -> tuple[Stored, Payload]:
    """The body as a blob; it is what was promised of it.

    Args:
        allowed: how much may come, by how much is said to.

    Raises:
        S3Error
    """
    md5, payload = call.md5(), call.payload()
    if payload.announced > call.room.settings.maximum_object_bytes:
        raise S3Error("EntityTooLarge")
    allowance = await allowed(call.swift, payload.announced)
    stored = await bodies.taken(call.swift, payload.stream(), payload.announced, allowance)
    if md5 and not hmac.compare_digest(md5, stored.md5):
        await call.room.store.delete(stored.blob)
        raise S3Error("BadDigest")
    return stored, payload


def _checksum_headers(found: Mapping[str, str]) -> dict[str, str]:
    name, _, value = found.get(CHECKSUM, "").partition(":")
    if not name:
        return {}
    return {
        PREFIX + name: value,
        "x-amz-checksum-type": found.get(CHECKSUM_TYPE, "FULL_OBJECT"),
    }


async def remove(call: S3Call) -> Response:
    """DeleteObject."""
    container = await call.writable()
    held = ANY
    if (match := call.headers.get("if-match")) is not None:
        held = Conditions(etags=frozenset(reading.tags(match)))
    told = await removed(call, container, call.key, call.version(), held)
    return nothing(204, told)


async def removed(
    call: S3Call, container: Row[Any], key: str, version: int | None, held: Conditions = ANY
) -> dict[str, str]:
    """Remove an object or a version; that it is not there is no error. Returns headers that say what was done."""
    address = Address(call.account, call.bucket, key)
    try:
        gone = await writing.removed(
            call.swift, address, version=version, restore=True, conditions=held, marks=True
        )
    except Said as error:
        if error.status != 404:
            raise
        return version_headers(container.versions_mode, version)
    return version_headers(container.versions_mode, gone.version, marker=gone.marker)


MULTIPLE = 1000


async def remove_many(call: S3Call) -> Response:
    """DeleteObjects."""
    container = await call.writable()
    root = await call.document("Delete")
    named = list(root.all("Object"))
    try:
        root.only("Object", "Quiet")
        for one in named:
            one.only("Key", "VersionId", "ETag", "LastModifiedTime", "Size")
    except xml.Malformed:
        raise S3Error("MalformedXML") from None
    if not 0 < len(named) <= MULTIPLE:
        raise S3Error("MalformedXML")
    quiet = (root.value("Quiet") or "").lower() == "true"
    told: list[Element] = []
    for one in named:
        found = await _one_removed(call, container, one)
        if not (quiet and found.startswith("<Deleted>")):
            told.append(found)
    return answer(xml.element("DeleteResult", *told, namespace=True))


async def _one_removed(call: S3Call, container: Row[Any], node: xml.Node) -> Element:
    key, said, etag = node.exact("Key") or "", node.value("VersionId"), node.value("ETag")
    shown = [xml.element("Key", key)]
    if said:
        shown.append(xml.element("VersionId", said))
    try:
        check_key(key)
        call.check_rules("DELETE", call.bucket, key)
        if said:
            call.check_owner()
        version = versions.read(said) if said else None
        if said and version is None:
            raise S3Error("NoSuchVersion")
        if node.one("LastModifiedTime") is not None or node.one("Size") is not None:
            raise S3Error("NotImplemented", "Of conditions, ETag is served")
        held = ANY if etag is None else Conditions(etags=frozenset(reading.tags(etag)))
        told = await removed(call, container, key, version, held)
    except Refused as refused:
        error = translated(refused)
        return xml.element(
            "Error", *shown, xml.element("Code", error.code), xml.element("Message", error.message)
        )
    marked = told.get("x-amz-version-id", "")
    if "x-amz-delete-marker" in told:
        shown.append(xml.element("DeleteMarker", "true"))
        if marked:
            shown.append(xml.element("DeleteMarkerVersionId", marked))
    return xml.element("Deleted", *shown)


# ---- reading ----


async def find(call: S3Call, version: int | None) -> Whole:
    """An object or a version of it.

    Raises:
        S3Error
    """
    try:
        return await reading.find(call.swift, call.address, version=version)
    except Said as error:
        if error.status == 404:
            raise await _absent(call, version) from None
        raise


async def _absent(call: S3Call, version: int | None) -> S3Error:
    """What is said of an object that is not there: that it was deleted, say."""
    container = await call.container()
    async with call.room.database.read() as tx:
        if version is not None:
            row = await versions.get(tx, container.id, call.key, version)
        else:
            row = await versions.newest(tx, container.id, call.key)
    fields = {"Key": call.key}
    if row is None or row.kind != "marker":
        return S3Error("NoSuchKey" if version is None else "NoSuchVersion", fields=fields)
    told = version_headers(container.versions_mode, row.version_us, marker=True)
    if version is None:
        return S3Error("NoSuchKey", headers=told, fields=fields)
    told |= {"Last-Modified": http_date(row.created_us), "Allow": "DELETE"}
    return S3Error("MethodNotAllowed", headers=told, fields={"Method": call.method})


async def get(call: S3Call) -> Response:
    """GetObject and HeadObject."""
    await call.container()
    for _ in range(reading.TRIES):
        try:
            return await _got(call)
        except Missing:
            continue  # it was replaced or deleted after its row was read
    raise S3Error("ServiceUnavailable")


async def _got(call: S3Call) -> Response:
    whole = await find(call, call.version())
    found = _shown(call, whole)
    try:
        status = reading.check_conditions(call.swift, whole)
    except Said:
        raise S3Error("PreconditionFailed", fields={"Condition": "If-Match"}) from None
    if status == 304:
        return Response(None, 304, {name: found[name] for name in ("ETag", "Last-Modified")})
    first, length, status = 0, whole.size, 200
    if "partNumber" in call.query:
        first, length = await _part(call, whole, found)
        status = 206
    elif (requested := reading.requested_ranges(call.swift, whole)) is not None and len(
        requested
    ) == 1:
        (first, length), status = requested[0], 206
    if status == 206:
        found["Content-Range"] = f"bytes {first}-{first + length - 1}/{whole.size}"
    if call.method == "HEAD":
        return Response(None, status, {**found, "Content-Length": str(length)})
    return await reading.part(call.swift, whole, found, first, length, status)


def _shown(call: S3Call, whole: Whole) -> dict[str, str]:
    row = whole.row
    found: dict[str, str] = {}
    for name, value in headers.shown(row.headers, owner=True).items():
        own = name.lower()
        if own.startswith(_OWN_META):
            name = META + own.removeprefix(_OWN_META)
        found[name] = value
    found |= {
        "Content-Type": headers.wire(row.content_type),
        "ETag": f'"{whole.etag.strip(chr(34))}"',
        "Last-Modified": http_date(whole.modified_us),
        "Accept-Ranges": "bytes",
        "X-Content-Type-Options": "nosniff",
    }
    found |= version_headers(whole.container.versions_mode, row.version_us)
    if count := tags.count(row.headers):
        found["x-amz-tagging-count"] = str(count)
    if (
        call.headers.get("x-amz-checksum-mode", "").upper() == "ENABLED"
        and "range" not in call.headers
    ):
        found |= _checksum_headers(row.headers)
    for name, header in _OVERRIDES.items():
        if name in call.query:
            found[header] = headers.wire(headers.text(headers.wire(call.query[name]), header))
    return found


async def _part(call: S3Call, whole: Whole, found: dict[str, str]) -> tuple[int, int]:
    """The bytes of one part of an object that came in parts; others have one part."""
    number = call.number("partNumber", 1, 10_000, minimum=1)
    if "range" in call.headers:
        raise S3Error(
            "InvalidRequest", "Cannot specify both Range header and partNumber query parameter"
        )
    lengths = [whole.size]
    if whole.row.kind == "parts":
        async with call.room.database.read() as tx:
            parts = await rows.parts(tx, whole.row.target)
        lengths = [part.size for part in parts]
        found["x-amz-mp-parts-count"] = str(len(lengths))
        _of_part(whole.row, parts[number - 1 : number], found)
    if number > len(lengths):
        raise S3Error("InvalidPart")
    return sum(lengths[: number - 1]), lengths[number - 1]


def _of_part(row: Row[Any], part: Sequence[Row[Any]], found: dict[str, str]) -> None:
    """Put the checksum of a part in the place of the whole's."""
    name = PREFIX + row.headers.get(CHECKSUM, "").partition(":")[0]
    if name in found and part and part[0].checksum:
        found[name] = part[0].checksum
    elif name in found:
        del found[name], found["x-amz-checksum-type"]


async def attributes(call: S3Call) -> Response:
    """GetObjectAttributes."""
    await call.container()
    said = [one.strip() for one in call.headers.get("x-amz-object-attributes", "").split(",")]
    if not any(said) or any(one not in _ATTRIBUTES for one in said):
        raise S3Error("InvalidArgument", "Invalid attribute name specified.")
    whole = await find(call, call.version())
    row = whole.row
    content: list[Element] = []
    if "ETag" in said:
        content.append(xml.element("ETag", whole.etag.strip('"')))
    name, _, value = row.headers.get(CHECKSUM, "").partition(":")
    if "Checksum" in said and name:
        kind = row.headers.get(CHECKSUM_TYPE, "FULL_OBJECT")
        shown = (xml.element(f"Checksum{name.upper()}", value), xml.element("ChecksumType", kind))
        content.append(xml.element("Checksum", *shown))
    if "ObjectParts" in said and row.kind == "parts":
        content.append(await _listed_parts(call, row))
    if "StorageClass" in said:
        content.append(xml.element("StorageClass", "STANDARD"))
    if "ObjectSize" in said:
        content.append(xml.element("ObjectSize", str(whole.size)))
    told = version_headers(whole.container.versions_mode, row.version_us)
    return answer(
        xml.element("GetObjectAttributesResponse", *content, namespace=True),
        {"Last-Modified": http_date(whole.modified_us), **told},
    )


async def _listed_parts(call: S3Call, row: Row[Any]) -> Element:
    said = {
        name: call.headers.get(name, "") for name in ("x-amz-max-parts", "x-amz-part-number-marker")
    }
    for text in said.values():
        if text and not (text.isascii() and text.isdigit() and len(text) < 10):
            raise S3Error("InvalidArgument", "The number of parts is not a number.")
    limit = min(int(said["x-amz-max-parts"] or 1000), 1000)
    marker = int(said["x-amz-part-number-marker"] or 0)
    async with call.room.database.read() as tx:
        parts = await rows.parts(tx, row.target)
    name = row.headers.get(CHECKSUM, "").partition(":")[0].upper()
    numbered = [(number, part) for number, part in enumerate(parts, 1) if number > marker]
    content = [
        xml.element("PartsCount", str(len(parts))),
        xml.element("PartNumberMarker", str(marker)),
        xml.element("MaxParts", str(limit)),
        xml.element("IsTruncated", "true" if len(numbered) > limit else "false"),
    ]
    if numbered[:limit]:
        content.append(xml.element("NextPartNumberMarker", str(numbered[:limit][-1][0])))
    for number, part in numbered[:limit] if name else ():
        shown = [xml.element("PartNumber", str(number)), xml.element("Size", str(part.size))]
        if part.checksum:
            shown.append(xml.element(f"Checksum{name}", part.checksum))
        content.append(xml.element("Part", *shown))
    return xml.element("ObjectParts", *content)


# ---- copying ----


class _SourceCall(Call):
    """The request as it is seen where its source is read: only what it says of that counts."""

    def __init__(self, call: S3Call, address: Address) -> None:
        super().__init__(call.request, call.room, address)
        prefix = "x-amz-copy-source-"
        self.headers = {
            name.removeprefix(prefix): value
            for name, value in call.headers.items()
            if name.startswith(f"{prefix}if-")
        }


async def source(call: S3Call) -> tuple[Whole, Address, int | None]:
    """What x-amz-copy-source names; the conditions hold.

    Raises:
        S3Error
    """
    said = call.headers["x-amz-copy-source"]
    path, _, rest = said.partition("?")
    version = None
    if rest:
        name, _, value = rest.partition("=")
        version = versions.read(unquote(value)) if name == "versionId" else None
        if version is None:
            raise S3Error("InvalidArgument", "Invalid copy source version")
    try:
        bucket, slash, key = (
            unquote_to_bytes(path.encode("latin-1")).decode().removeprefix("/").partition("/")
        )
    except UnicodeDecodeError:
        raise S3Error("InvalidArgument", "The copy source is not UTF-8.") from None
    if not slash or not bucket or not key or "\0" in bucket + key:
        raise S3Error(
            "InvalidArgument",
            "Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
        )
    call.check_rules("GET", bucket, key)
    if version is not None:
        call.check_owner()
    address = Address(call.account, bucket, key)
    inner = S3Call(
        call.request, call.room, signature=call.signature, secret="", token=call.token,
        query={}, bucket=bucket, key=key,
    )  # fmt: skip
    inner.swift = _SourceCall(call, address)
    await inner.container()
    whole = await find(inner, version)
    try:
        if reading.check_conditions(inner.swift, whole) == 304:
            raise S3Error("PreconditionFailed")
    except Said:
        raise S3Error("PreconditionFailed") from None
    return whole, address, version


async def blocks(
    call: S3Call, whole: Whole, first: int, length: int, allowance: Allowance
) -> Stored:
    """Some bytes of an object as a blob of their own.

    Raises:
        S3Error. Missing: it was replaced or deleted meanwhile.
    """
    if length > call.room.settings.maximum_object_bytes:
        raise S3Error(
            "InvalidRequest",
            "The specified copy source is larger than the maximum allowable size for a copy source",
        )
    some = await reading.pieces(call.swift, whole, first, length)
    body = await reading.stream(call.swift, some)
    return await bodies.taken(call.swift, body, length, allowance)


async def copy(call: S3Call, container: Row[Any]) -> Response:
    """CopyObject."""
    if call.headers.get("content-length", "0") != "0" and await call.body(0):
        raise S3Error("InvalidRequest", "A copy has no body")
    values, held, directives = described(call), conditions(call), _directives(call)
    for _ in range(reading.TRIES):
        whole, address, version = await source(call)
        same = address == call.address and version is None
        if same and directives == ("COPY", "COPY") and "x-amz-acl" not in call.headers:
            raise S3Error(
                "InvalidRequest",
                "This copy request is illegal because it is trying to copy an object to itself without changing the "
                "object's metadata, storage class, website redirect location or encryption attributes.",
            )
        try:
            allowance = await bodies.allowed(call.swift, whole.size)
            stored = await blocks(call, whole, 0, whole.size, allowance)
            break
        except Missing:
            continue
    else:
        raise S3Error("ServiceUnavailable")
    _inherit(values, whole.row, directives)
    new = await writing.written(call.swift, call.address, stored, values, conditions=held)
    told = version_headers(container.versions_mode, new.version_us or None)
    if whole.container.versions_mode in versions.MODES:
        told["x-amz-copy-source-version-id"] = versions.shown(whole.row.version_us)
    content = [
        xml.element("LastModified", iso(new.created_us)),
        xml.element("ETag", f'"{new.etag}"'),
    ]
    name, _, value = new.headers.get(CHECKSUM, "").partition(":")
    if name:
        content.append(xml.element(f"Checksum{name.upper()}", value))
    return answer(xml.element("CopyObjectResult", *content, namespace=True), told)


def _directives(call: S3Call) -> tuple[str, str]:
    found = []
    for name in ("x-amz-metadata-directive", "x-amz-tagging-directive"):
        said = call.headers.get(name, "COPY").upper()
        if said not in ("COPY", "REPLACE"):
            raise S3Error("InvalidArgument", f"Unknown {name.removeprefix('x-amz-')}.")
        found.append(said)
    if found[1] == "COPY" and "x-amz-tagging" in call.headers:
        found[1] = "REPLACE"
    return found[0], found[1]


def _inherit(values: dict[str, Any], row: Row[Any], directives: tuple[str, str]) -> None:
    """Take from the source what the request does not replace."""
    own = headers.of_s3(row.headers)
    said = headers.of_s3(values["headers"])
    if directives[0] == "COPY":
        plain = {name: value for name, value in row.headers.items() if name not in own}
        values["content_type"] = row.content_type
        values["headers"] = {**plain, **said}
    if directives[1] == "COPY":
        values["headers"] |= headers.of_s3(own, logic.TAGS)
    if own.get(CHECKSUM_TYPE, "FULL_OBJECT") == "FULL_OBJECT":
        values["headers"] |= headers.of_s3(own, CHECKSUM)
