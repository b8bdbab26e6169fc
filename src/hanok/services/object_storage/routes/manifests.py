"""Static large objects: a manifest names the segments, with sizes and hashes; the bytes of the row are the manifest.

Source: "Large objects" in the API guide; the overview of large object support.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec
from starlette.responses import Response

from hanok.services.object_storage.logic.names import Address, Said, iso
from hanok.services.object_storage.logic.objects import Conditions
from hanok.services.object_storage.routes import bodies, bulk, reading, writing
from hanok.services.object_storage.routes.call import Call

SEGMENTS = 1000
SIZE = 8 << 20  # bytes of a manifest


async def put(
    call: Call, values: Mapping[str, Any], announced: int, *, conditions: Conditions
) -> Response:
    """PUT …?multipart-manifest=put."""
    if announced > SIZE:
        raise Said(413, f"Manifest must be less than {SIZE} bytes.")
    if call.query.get("heartbeat"):
        raise Said(501, "heartbeat is not served here")
    body = bytearray()
    async for part in call.request.stream():
        body += part
        if len(body) > SIZE:
            raise Said(413, f"Manifest must be less than {SIZE} bytes.")
    requested = _decoded(bytes(body))
    segments, problems = [], []
    for number, one in enumerate(requested):
        try:
            segments.append(await _segment(call, one))
        except Said as error:
            name = one.get("path", f"segment {number}")
            problems.append(f"{name}, {error.message or f'{error.status} Not Found'}")
    if problems:
        raise Said(400, "Errors:\n" + "".join(f"{line}\n" for line in problems))
    if all("data" in one for one in segments):
        raise Said(400, "Inline data segments require at least one object-backed segment.")
    joined = "".join(
        f"{one['hash']}:{one['range']};" if one.get("range") else one["hash"] for one in segments
    )
    etag = hashlib.md5(joined.encode(), usedforsecurity=False).hexdigest()
    said = call.headers.get("etag", "").strip('"').lower()
    if said and said != etag:
        raise Said(422)
    size = sum(reading.length_of(one) for one in segments)
    text = msgspec.json.encode(segments)
    allowance = await bodies.allowed(call, len(text), conditions=conditions)
    stored = await bodies.taken(call, _one(text), 0, allowance)
    sort = writing.Sort(kind="static", target_etag=stored.md5, size=size)
    new = await writing.written(
        call, call.address, stored, values, sort=sort, etag=etag, conditions=conditions
    )
    return writing.made(new, quoted=True)


async def _one(body: bytes) -> AsyncIterator[bytes]:
    yield body


def _decoded(body: bytes) -> list[dict[str, Any]]:
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Said(400, "Manifest must be valid JSON.\n") from None
    if not isinstance(found, list):
        raise Said(400, "Manifest must be a list.\n")
    if not found:
        raise Said(400, "Manifest must have at least one segment.\n")
    if len(found) > SEGMENTS:
        raise Said(413, f"Number of object-backed segments must be <= {SEGMENTS}")
    for number, one in enumerate(found):
        if not isinstance(one, dict):
            raise Said(400, f"Index {number}: not a JSON object\n")
        known = {"data"} if "data" in one else {"path", "etag", "size_bytes", "range"}
        if odd := sorted(set(one) - known):
            raise Said(400, f"Index {number}: extraneous keys {', '.join(odd)[:200]}\n")
        if "data" not in one and not isinstance(one.get("path"), str):
            raise Said(400, f"Index {number}: missing keys: path\n")
    return found


async def _segment(call: Call, one: Mapping[str, Any]) -> dict[str, Any]:
    """A segment as the manifest is kept.

    Raises:
        Said: it is not there, is another one, or may not be read.
    """
    if "data" in one:
        return _inline(one["data"])
    container, slash, name = one["path"].removeprefix("/").partition("/")
    if not slash or not container or not name or "\0" in one["path"]:
        raise Said(
            400, "path does not refer to an object. Path must be of the form /container/object."
        )
    address = Address(call.address.account, container, name)
    if address == call.address:
        raise Said(400, "manifest must not include itself as a segment")
    try:
        found = await reading.find(call, address, whole=False)
    except Said as error:
        reasons = {404: "404 Not Found", 401: "401 Unauthorized", 403: "403 Forbidden"}
        raise Said(error.status, reasons.get(error.status, "409 Conflict")) from None
    row = found.row
    if row.kind == "dynamic":
        raise Said(409, "a dynamic large object cannot be a segment")
    size, etag = one.get("size_bytes"), one.get("etag")
    if size is not None and _number(size) != row.size:
        raise Said(409, "Size Mismatch")
    if etag is not None and str(etag).strip('"') != row.etag:
        raise Said(409, "Etag Mismatch")
    entry: dict[str, Any] = {
        "name": f"/{container}/{name}",
        "bytes": row.size,
        "hash": row.etag,
        "content_type": row.content_type,
        "last_modified": iso(row.created_us),
    }
    if row.kind == "static":
        entry["sub_slo"] = True
    if one.get("range"):
        entry["range"] = _range(str(one["range"]), row.size)
    elif row.size < 1:
        raise Said(409, "Too Small; each segment must be at least 1 byte.")
    return entry


def _number(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19:
        return int(value)
    raise Said(400, "invalid size_bytes")


def _inline(value: object) -> dict[str, Any]:
    try:
        data = base64.b64decode(str(value), validate=True) if isinstance(value, str) else b""
    except (binascii.Error, ValueError):
        data = b""
    if not data:
        raise Said(400, "data must be valid base64 of at least one byte")
    digest = hashlib.md5(data, usedforsecurity=False).hexdigest()
    return {"data": base64.b64encode(data).decode(), "hash": digest}


def _range(said: str, size: int) -> str:
    try:
        found = reading.ranges(f"bytes={said}", size)
    except Said:
        found = None
    if found is None or len(found) != 1:
        raise Said(409, "Unsatisfiable Range")
    first, length = found[0]
    return f"{first}-{first + length - 1}"


async def delete(call: Call) -> Response:
    """DELETE …?multipart-manifest=delete: the segments, those of segments that are manifests, and the manifest."""
    names: list[Address] = []
    await _collect(call, call.address, names, 0)
    return bulk.deleting(call, names)


async def _collect(call: Call, address: Address, names: list[Address], depth: int) -> None:
    whole = await reading.find(call, address, follow=False, whole=False)
    if whole.row.kind != "static":
        if depth == 0:
            raise Said(400, "Not an SLO manifest")
        names.append(address)
        return
    if depth > reading.DEPTH or len(names) > bulk.NAMES:
        raise Said(409, "The manifest leads to too many segments")
    for one in await reading.manifest(call, whole.row):
        if "data" in one:
            continue
        container, _, name = one["name"].removeprefix("/").partition("/")
        inner = Address(address.account, container, name)
        if not one.get("sub_slo"):
            names.append(inner)
            continue
        try:
            await _collect(call, inner, names, depth + 1)
        except Said as error:
            if error.status != 404:
                raise
            names.append(inner)  # is counted as not found
    names.append(address)
