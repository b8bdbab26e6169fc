"""Lists of a bucket: objects in both forms, and versions."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote

from sqlalchemy import Row
from starlette.responses import Response

from hanok.services.object_storage.logic import listing, versions
from hanok.services.object_storage.logic.listing import Page
from hanok.services.object_storage.logic.versions import Listed
from hanok.services.object_storage.routes.s3 import xml
from hanok.services.object_storage.routes.s3.call import S3Call, answer, iso, owner
from hanok.services.object_storage.routes.s3.faults import S3Error
from hanok.services.object_storage.routes.s3.xml import Element

_MAXIMUM = 1000
CHECKSUM, CHECKSUM_TYPE = "s3-checksum", "s3-checksum-type"


def encoder(call: S3Call) -> Callable[[str], str]:
    """How names are written: as they are, or percent-encoded.

    Raises:
        S3Error
    """
    said = call.query.get("encoding-type")
    if said not in (None, "", "url"):
        raise S3Error("InvalidArgument", "Invalid Encoding Method specified in Request")
    return (lambda name: quote(name, safe="/")) if said else (lambda name: name)


def etag(row: Row[Any]) -> str:
    return f'"{row.etag}"'


async def objects(call: S3Call) -> Response:
    """ListObjects."""
    row = await call.readable(listing=True)
    limit = call.number("max-keys", _MAXIMUM, _MAXIMUM)
    marker = call.query.get("marker", "")
    page, found, cut = await _page(call, row, limit, marker)
    encoded = encoder(call)
    content = [*_echoed(call, page, limit, cut, encoded), xml.element("Marker", encoded(marker))]
    if cut and page.delimiter and found:
        content.append(xml.element("NextMarker", encoded(_name(found[-1]))))
    content += _items(call, found, encoded, owned=True)
    return answer(xml.element("ListBucketResult", *content, namespace=True))


async def objects_v2(call: S3Call) -> Response:
    """ListObjectsV2."""
    row = await call.readable(listing=True)
    if call.query["list-type"] != "2":
        raise S3Error("InvalidArgument", "The list-type is not a valid one.")
    limit = call.number("max-keys", _MAXIMUM, _MAXIMUM)
    token, start = call.query.get("continuation-token"), call.query.get("start-after", "")
    page, found, cut = await _page(call, row, limit, _opened(token) if token else start)
    encoded = encoder(call)
    content = _echoed(call, page, limit, cut, encoded)
    content.append(xml.element("KeyCount", str(len(found))))
    if token is not None:
        content.append(xml.element("ContinuationToken", token))
    if cut and found:
        content.append(xml.element("NextContinuationToken", _closed(_name(found[-1]))))
    if start:
        content.append(xml.element("StartAfter", encoded(start)))
    owned = call.query.get("fetch-owner", "").lower() == "true"
    content += _items(call, found, encoded, owned=owned)
    return answer(xml.element("ListBucketResult", *content, namespace=True))


def _closed(name: str) -> str:
    return base64.urlsafe_b64encode(name.encode()).decode()


def _opened(token: str) -> str:
    try:
        found = base64.urlsafe_b64decode(token.encode()).decode()
    except (binascii.Error, ValueError):
        found = ""
    if not found or "\0" in found:
        raise S3Error("InvalidArgument", "The continuation token provided is incorrect")
    return found


async def _page(
    call: S3Call, row: Row[Any], limit: int, marker: str
) -> tuple[Page, Sequence[Row[Any] | str], bool]:
    page = Page(
        limit=limit + 1,
        marker=marker,
        prefix=call.query.get("prefix", ""),
        delimiter=call.query.get("delimiter", ""),
    )
    for said in (page.marker, page.prefix, page.delimiter):
        if "\0" in said:
            raise S3Error("InvalidArgument", "A name has no character NUL.")
    if not limit:
        return page, [], False
    async with call.room.database.read() as tx:
        found = await listing.of_objects(tx, row.id, page)
    return page, found[:limit], len(found) > limit


def _echoed(
    call: S3Call, page: Page, limit: int, cut: bool, encoded: Callable[[str], str]
) -> list[Element]:
    found = [
        xml.element("Name", call.bucket),
        xml.element("Prefix", encoded(page.prefix)),
        xml.element("MaxKeys", str(limit)),
        xml.element("IsTruncated", "true" if cut else "false"),
    ]
    if page.delimiter:
        found.append(xml.element("Delimiter", encoded(page.delimiter)))
    if call.query.get("encoding-type"):
        found.append(xml.element("EncodingType", "url"))
    return found


def _name(one: Row[Any] | str) -> str:
    return one if isinstance(one, str) else str(one.name)


def _items(
    call: S3Call,
    found: Sequence[Row[Any] | str],
    encoded: Callable[[str], str],
    *,
    owned: bool,
) -> list[Element]:
    items, folded = [], []
    for one in found:
        if isinstance(one, str):
            folded.append(xml.element("CommonPrefixes", xml.element("Prefix", encoded(one))))
        else:
            items.append(xml.element("Contents", *_object(call, one, encoded, owned=owned)))
    return items + folded


def _object(
    call: S3Call, row: Row[Any], encoded: Callable[[str], str], *, owned: bool
) -> list[Element]:
    found = [
        xml.element("Key", encoded(row.name)),
        xml.element("LastModified", iso(row.created_us)),
        xml.element("ETag", etag(row)),
        xml.element("Size", str(row.size)),
        xml.element("StorageClass", "STANDARD"),
    ]
    if CHECKSUM in row.headers:
        found.append(xml.element("ChecksumAlgorithm", row.headers[CHECKSUM].split(":")[0].upper()))
        found.append(xml.element("ChecksumType", row.headers.get(CHECKSUM_TYPE, "FULL_OBJECT")))
    return [*found, owner(call)] if owned else found


# ---- versions ----


async def object_versions(call: S3Call) -> Response:
    """ListObjectVersions."""
    row = await call.owned()
    limit = call.number("max-keys", _MAXIMUM, _MAXIMUM)
    key, version = call.query.get("key-marker", ""), call.query.get("version-id-marker", "")
    if version and not key:
        raise S3Error(
            "InvalidArgument", "A version-id marker cannot be specified without a key marker."
        )
    page = Page(
        limit=limit + 1,
        marker=key,
        prefix=call.query.get("prefix", ""),
        delimiter=call.query.get("delimiter", ""),
    )
    found: list[Listed | str] = []
    async with call.room.database.read() as tx:
        at = await _at(tx, row, key, version) if version else None
        if limit:
            found = await versions.listed(tx, row.id, page, at)
    cut, found = len(found) > limit, found[:limit]
    encoded = encoder(call)
    content = _echoed(call, page, limit, cut, encoded)
    content += [
        xml.element("KeyMarker", encoded(key)), xml.element("VersionIdMarker", version),
    ]  # fmt: skip
    if cut and found:
        content += _next(found[-1], encoded)
    content += [_version(call, one, encoded) for one in found if not isinstance(one, str)]
    content += [
        xml.element("CommonPrefixes", xml.element("Prefix", encoded(one)))
        for one in found
        if isinstance(one, str)
    ]
    return answer(xml.element("ListVersionsResult", *content, namespace=True))


async def _at(tx: Any, row: Row[Any], key: str, version: str) -> int:
    """When the version of a marker was written."""
    said = versions.read(version)
    if said is None:
        raise S3Error("InvalidArgument", "Invalid version id specified")
    if said:
        return said
    found = await versions.get(tx, row.id, key, 0)
    return 0 if found is None else int(getattr(found, "at_us", found.created_us))


def _next(last: Listed | str, encoded: Callable[[str], str]) -> list[Element]:
    if isinstance(last, str):
        return [xml.element("NextKeyMarker", encoded(last))]
    return [
        xml.element("NextKeyMarker", encoded(last.row.name)),
        xml.element("NextVersionIdMarker", versions.shown(last.row.version_us)),
    ]


def _version(call: S3Call, one: Listed, encoded: Callable[[str], str]) -> Element:
    row = one.row
    told = [
        xml.element("VersionId", versions.shown(row.version_us)),
        xml.element("IsLatest", "true" if one.latest else "false"),
    ]
    if row.kind != "marker":
        return xml.element("Version", *_object(call, row, encoded, owned=True), *told)
    return xml.element(
        "DeleteMarker",
        xml.element("Key", encoded(row.name)),
        xml.element("LastModified", iso(row.created_us)),
        owner(call),
        *told,
    )


__all__ = ["encoder", "etag", "object_versions", "objects", "objects_v2"]
