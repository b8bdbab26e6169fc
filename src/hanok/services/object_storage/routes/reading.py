"""Objects as they are read: links followed, manifests put together, ranges and conditions.

What is to be read is a list of pieces of blobs. Everything that a manifest, a link or a signature leads to is asked for
its right to be read, before the first byte is sent.
"""

from __future__ import annotations

import base64
import hashlib
import logging
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, unquote_to_bytes
from uuid import uuid4

import msgspec
from msgspec import Struct
from sqlalchemy import Row
from starlette.responses import Response, StreamingResponse

from hanok.drivers.byte_store import PIECE, ByteStore, Missing
from hanok.services.object_storage.logic import containers, listing, objects, rows, versions
from hanok.services.object_storage.logic.listing import Page
from hanok.services.object_storage.logic.names import (
    PREFIX,
    Address,
    Said,
    http_date,
    stamp,
    text_of,
)
from hanok.services.object_storage.room import ObjectStore
from hanok.services.object_storage.routes import headers
from hanok.services.object_storage.routes.call import Call, empty
from hanok.services.object_storage.routes.faults import HTML

log = logging.getLogger(__name__)

HOPS = 2  # links that are followed
DEPTH = 10  # manifests in manifests
PIECES = 10_000  # that one answer is put together of
MANIFESTS = 32 << 20  # bytes of manifests that are read for one answer
RANGES = 50
TRIES = 3  # where an object is replaced between the look at its row and that at its bytes


class Piece(Struct, frozen=True):
    """Bytes of a blob, or those that stand in a manifest itself."""

    blob: str
    first: int
    length: int
    data: bytes = b""


class Whole(Struct, frozen=True, kw_only=True):
    """An object that was found. etag: as it is shown. via: whether a link led here.

    segments: what a dynamic one leads to; joined: whether its content is theirs, and not its own bytes.
    """

    address: Address
    container: Row[Any]
    row: Row[Any]
    size: int
    etag: str
    segments: Sequence[Row[Any]] = ()
    via: bool = False
    joined: bool = False

    @property
    def modified_us(self) -> int:
        return max(int(one.created_us) for one in (self.row, *self.segments))


# ---- finding ----


async def find(
    call: Call,
    address: Address,
    *,
    follow: bool = True,
    whole: bool = True,
    version: int | None = None,
) -> Whole:
    """An object that the caller may read.

    Args:
        follow: where it is a link, what that leads to. whole: what a dynamic manifest leads to is looked for.
        version: that is asked for; None: what the name leads to.

    Raises:
        Said
    """
    requested = ""
    for hop in range(HOPS + 1):
        container, row = await _found(call, address, version if hop == 0 else None)
        if requested and requested not in (own_etag(row), row.target_etag):
            raise Said(409, "The link's target is another one than it was made for")
        if row.kind != "link" or not follow:
            break
        requested = row.target_etag
        if hop == HOPS:
            raise Said(409, f"Too many levels of symbolic links, maximum allowed is {HOPS}")
        account, name, rest = row.target.split("/", 2)
        address = Address(account.removeprefix(PREFIX), name, rest)
    via = address != call.address and hop > 0
    size, etag = row.size, row.etag
    segments: Sequence[Row[Any]] = ()
    if row.kind == "dynamic" and whole:
        segments = await _segments(call, address, row)
        size = sum(one.size for one in segments)
        joined = "".join(one.etag for one in segments)
        etag = hashlib.md5(joined.encode(), usedforsecurity=False).hexdigest()
    if segments or (row.kind in ("static", "dynamic") and whole):
        etag = f'"{etag}"'
    return Whole(
        address=address,
        container=container,
        row=row,
        size=size,
        etag=etag,
        segments=segments,
        via=via,
        joined=row.kind == "dynamic" and whole,
    )


def own_etag(row: Row[Any]) -> str:
    """The hash of an object's own bytes: a static manifest shows another one."""
    return str(row.target_etag if row.kind == "static" else row.etag)


async def _found(call: Call, address: Address, version: int | None) -> tuple[Row[Any], Row[Any]]:
    async with call.room.database.read() as tx:
        container = await containers.get(tx, address.account, address.container)
        row = None
        if container is not None and version is None:
            row = await rows.get(tx, container.id, address.object)
        elif container is not None:
            row = await versions.get(tx, container.id, address.object, version or 0)
    if row is None or not _is_public(call, row):
        container = call.check_reads(container, address.account)
    assert container is not None
    if row is None or row.kind == "marker":
        raise Said(404)
    if version is None and not rows.is_there(row, call.room.now_s()):
        raise Said(404)
    return container, row


def _is_public(call: Call, row: Row[Any]) -> bool:
    """Whether an object is everybody's to read, whatever is said of its container."""
    return call.signed is None and row.headers.get(objects.ACL) == objects.PUBLIC


async def _segments(call: Call, address: Address, row: Row[Any]) -> Sequence[Row[Any]]:
    """What a dynamic manifest leads to, in order."""
    name, _, prefix = text_of(unquote_to_bytes(row.target)).partition("/")
    async with call.room.database.read() as tx:
        found = await containers.get(tx, address.account, name)
        container = call.check_reads(found, address.account)
        found_rows = await listing.of_objects(
            tx, container.id, Page(prefix=prefix, limit=PIECES + 1)
        )
    if len(found_rows) > PIECES:
        raise Said(409, f"The manifest leads to more than {PIECES} segments")
    segments = []
    for one in found_rows:
        assert not isinstance(one, str)
        if one.kind == "link":
            target = await find(call, Address(address.account, name, one.name), whole=False)
            segments.append(target.row)
        elif rows.is_there(one, call.room.now_s()):
            segments.append(one)
    return segments


async def manifest(call: Call, row: Row[Any]) -> list[dict[str, Any]]:
    """What a static manifest says."""
    parts = [part async for part in await call.room.store.get(row.blob)]
    found: list[dict[str, Any]] = msgspec.json.decode(b"".join(parts))
    return found


class _Puzzle:
    """Puts together the pieces of parts of an object, within one answer's bounds."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self.pieces: list[Piece] = []
        self._looks = 0
        self._read = 0

    async def part(self, whole: Whole, first: int, length: int) -> list[Piece]:
        """The pieces of one part. Raises Said, as `add`."""
        self.pieces = []
        await self.add(whole, whole.address.account, whole.row, first, length)
        return self.pieces

    async def add(
        self,
        whole: Whole | None,
        account: str,
        row: Row[Any],
        first: int,
        length: int,
        depth: int = 0,
    ) -> None:
        """Raises Said: a segment is not there, is another one, or may not be read; or there are too many."""
        self._looks += 1
        if depth > DEPTH or self._looks > PIECES:
            raise Said(409, "The manifest leads to too many segments")
        if length <= 0:
            return
        if whole is not None and whole.joined:
            await self._in_turn(account, whole.segments, first, length, depth)
        elif row.kind == "static":
            await self._static(account, row, first, length, depth)
        elif row.kind == "parts":
            await self._parts(row, first, length)
        else:
            self.pieces.append(Piece(row.blob, first, length))

    async def _in_turn(
        self, account: str, segments: Sequence[Row[Any]], first: int, length: int, depth: int
    ) -> None:
        at = 0
        for one in segments:
            low, high = max(first, at), min(first + length, at + one.size)
            if low < high:
                await self.add(None, account, one, low - at, high - low, depth + 1)
            at += one.size

    async def _parts(self, row: Row[Any], first: int, length: int) -> None:
        async with self._call.room.database.read() as tx:
            given = await rows.parts(tx, row.target)
        if not given and row.size:
            raise Missing(row.target)
        at = 0
        for one in given:
            low, high = max(first, at), min(first + length, at + one.size)
            if low < high:
                self.pieces.append(Piece(one.blob, low - at, high - low))
            at += one.size
        if len(self.pieces) > PIECES:
            raise Said(409, "The manifest leads to too many segments")

    async def _static(
        self, account: str, row: Row[Any], first: int, length: int, depth: int
    ) -> None:
        self._read += row.stored
        if self._read > MANIFESTS:
            raise Said(409, "The manifest leads to manifests that are too large")
        at = 0
        for one in await manifest(self._call, row):
            data = base64.b64decode(one["data"]) if "data" in one else None
            start, size = (0, len(data)) if data is not None else _extent(one)
            low, high = max(first, at), min(first + length, at + size)
            if low < high and data is not None:
                self.pieces.append(Piece("", 0, high - low, data[low - at : high - at]))
            elif low < high:
                found = await self._segment(account, one)
                inner = found if found.row.kind == "static" else None
                owner = found.address.account
                await self.add(inner, owner, found.row, start + low - at, high - low, depth + 1)
            at += size

    async def _segment(self, account: str, one: Mapping[str, Any]) -> Whole:
        container, _, name = one["name"].removeprefix("/").partition("/")
        try:
            found = await find(self._call, Address(account, container, name), whole=False)
        except Said as error:
            raise Said(409, f"A segment cannot be read: {error.status}") from None
        if found.row.etag != one["hash"]:
            raise Said(409, "A segment is another one than the manifest says")
        return found


def _extent(segment: Mapping[str, Any]) -> tuple[int, int]:
    """Which bytes of a segment's object the segment is: the first one, and how many."""
    said = segment.get("range")
    if not said:
        return 0, int(segment["bytes"])
    first, last = said.split("-")
    return int(first), int(last) - int(first) + 1


async def pieces(call: Call, whole: Whole, first: int, length: int) -> list[Piece]:
    """The pieces of a part of an object.

    Raises:
        Said
    """
    return await _Puzzle(call).part(whole, first, length)


async def stream(call: Call, some: Sequence[Piece]) -> AsyncIterator[bytes]:
    """The bytes of pieces. The first one is opened now.

    Raises:
        Missing
    """
    first = await _opened(call.room.store, some[0]) if some else None
    return _in_turn(call.room, deque(some), first)


async def _opened(store: ByteStore, piece: Piece) -> AsyncIterator[bytes]:
    if piece.blob:
        return await store.get(piece.blob, piece.first, piece.length)
    return _given(piece.data)


async def _given(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def _in_turn(
    room: ObjectStore, waiting: deque[Piece], source: AsyncIterator[bytes] | None
) -> AsyncIterator[bytes]:
    """The bytes of one piece after the other; what is replaced meanwhile stays until it was opened."""
    for piece in waiting:
        room.in_use.add(piece.blob, 1)
    try:
        while waiting:
            if source is None:
                source = await _opened(room.store, waiting[0])
            room.in_use.add(waiting.popleft().blob, -1)
            async for part in source:
                yield part
            source = None
    finally:
        for piece in waiting:
            room.in_use.add(piece.blob, -1)


# ---- conditions and ranges ----


def date(said: str | None) -> datetime | None:
    if not said or len(said) > 100:
        return None
    try:
        found = parsedate_to_datetime(said)
    except (ValueError, TypeError, OverflowError):
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def tags(said: str) -> set[str]:
    return {one.strip().removeprefix("W/").strip('"') for one in said.split(",")}


def check_conditions(call: Call, whole: Whole) -> int:
    """304 where the caller has it already, else 200.

    Raises:
        Said: 412.
    """
    sent = call.headers
    etag = whole.etag.strip('"')
    if (said := sent.get("if-none-match")) is not None:
        if tags(said) & {etag, "*"}:
            return 304
    modified = datetime.fromtimestamp(-(-whole.modified_us // 1_000_000), UTC)
    failed = Said(412, "", {"Etag": whole.etag, "Last-Modified": http_date(whole.modified_us)})
    if (said := sent.get("if-match")) is not None and not tags(said) & {etag, "*"}:
        raise failed
    if (until := date(sent.get("if-unmodified-since"))) is not None and modified > until:
        raise failed
    if "if-none-match" not in sent and (since := date(sent.get("if-modified-since"))) is not None:
        if modified <= since:
            return 304
    return 200


def ranges(said: str, size: int) -> list[tuple[int, int]] | None:
    """The parts that a Range header names, each the first byte and how many; None: it names none in a form that counts.

    Raises:
        Said: none of them is there, or there are too many.
    """
    unit, equals, rest = said.partition("=")
    if unit.strip().lower() != "bytes" or not equals or len(rest) > 4096:
        return None
    found = []
    parts = rest.split(",")
    if len(parts) > RANGES:
        raise Said(416)
    for part in parts:
        first, dash, last = (text.strip() for text in part.partition("-"))
        if not dash or not all(text == "" or _is_number(text) for text in (first, last)):
            return None
        if not first and not last:
            return None
        if not first:
            length = min(int(last), size)
            if length:
                found.append((size - length, length))
            continue
        if last and int(last) < int(first):
            return None
        end = min(int(last), size - 1) if last else size - 1
        if int(first) <= end:
            found.append((int(first), end - int(first) + 1))
    if not found:
        raise Said(416)
    return found


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 19


def requested_ranges(call: Call, whole: Whole) -> list[tuple[int, int]] | None:
    said = call.headers.get("range")
    if said is None:
        return None
    condition = call.headers.get("if-range")
    if condition:
        at = date(condition)
        modified = datetime.fromtimestamp(-(-whole.modified_us // 1_000_000), UTC)
        same = modified <= at if at is not None else whole.etag.strip('"') in tags(condition)
        if not same:
            return None
    try:
        return ranges(said, whole.size)
    except Said as error:
        error.headers["Content-Range"] = f"bytes */{whole.size}"
        raise


# ---- answers ----


def shown(call: Call, whole: Whole) -> dict[str, str]:
    """The headers of an object."""
    row = whole.row
    found = headers.shown(row.headers, owner=True)
    found |= {
        "Content-Type": headers.wire(row.content_type),
        "Etag": whole.etag,
        "Last-Modified": http_date(whole.modified_us),
        "X-Timestamp": stamp(row.created_us),
        "Accept-Ranges": "bytes",
        "X-Content-Type-Options": "nosniff",
    }
    if row.delete_at is not None:
        found["X-Delete-At"] = str(row.delete_at)
    if row.kind == "static":
        found["X-Static-Large-Object"] = "True"
        found["X-Manifest-Etag"] = row.target_etag
    elif row.kind == "dynamic":
        found["X-Object-Manifest"] = headers.wire(row.target)
    elif row.kind == "link":
        account, target = row.target.split("/", 1)
        found["X-Symlink-Target"] = quote(target)
        if account != f"{PREFIX}{whole.address.account}":
            found["X-Symlink-Target-Account"] = account
        if row.target_etag:
            found["X-Symlink-Target-Etag"] = row.target_etag
    if row.version_us and whole.container.versions_mode in versions.MODES:
        found["X-Object-Version-Id"] = versions.shown(row.version_us)
        location = f"/v1/{whole.address.path}?version-id={found['X-Object-Version-Id']}"
        found["Content-Location"] = location
    elif whole.via:
        found["Content-Location"] = f"/v1/{whole.address.path}"
    return found


async def answer(call: Call, *, version: int | None = None) -> Response:
    """GET and HEAD of an object, or of one of its versions."""
    for _ in range(TRIES):
        try:
            return await _answer(call, version)
        except Missing:
            continue  # it was replaced or deleted after its row was read
    raise Said(503)


async def _answer(call: Call, version: int | None) -> Response:
    follow = call.query.get("symlink") != "get"
    as_manifest = call.query.get("multipart-manifest") == "get"
    whole = await find(call, call.address, follow=follow, whole=not as_manifest, version=version)
    if as_manifest and whole.row.kind == "static":
        return await _shown_manifest(call, whole)
    if whole.row.kind == "static" and "part-number" in call.query:
        return await _numbered(call, whole)
    return await served(call, whole)


async def _numbered(call: Call, whole: Whole) -> Response:
    """One segment of a static manifest, by its number."""
    said = call.query["part-number"]
    if not _is_number(said) or int(said) < 1:
        raise Said(400, "Part number must be an integer greater than 0")
    if "range" in call.headers:
        raise Said(400, "Range requests are not supported with part number queries")
    segments = await manifest(call, whole.row)
    lengths = [length_of(one) for one in segments]
    if int(said) > len(lengths):
        count = {"Content-Range": f"bytes */{whole.size}", "X-Parts-Count": str(len(lengths))}
        raise Said(416, "", count)
    first, length = sum(lengths[: int(said) - 1]), lengths[int(said) - 1]
    found = shown(call, whole)
    found["X-Parts-Count"] = str(len(lengths))
    found["Content-Range"] = f"bytes {first}-{first + length - 1}/{whole.size}"
    if check_conditions(call, whole) == 304:
        return Response(None, 304, {"Etag": whole.etag})
    if call.method == "HEAD":
        return Response(None, 206, {**found, "Content-Length": str(length)})
    return await part(call, whole, found, first, length, 206)


def length_of(segment: Mapping[str, Any]) -> int:
    """How many bytes a segment of a manifest has."""
    return len(base64.b64decode(segment["data"])) if "data" in segment else _extent(segment)[1]


async def served(call: Call, whole: Whole) -> Response:
    """An object as an answer.

    Raises:
        Missing
    """
    found = shown(call, whole)
    status = check_conditions(call, whole)
    if status == 304:
        for name in ("Content-Type", "X-Content-Type-Options"):
            found.pop(name, None)
        return Response(None, 304, found)
    requested = requested_ranges(call, whole)
    if call.method == "HEAD":
        return Response(None, 200, {**found, "Content-Length": str(whole.size)})
    if requested is None:
        return await part(call, whole, found, 0, whole.size, 200)
    if len(requested) == 1:
        first, length = requested[0]
        found["Content-Range"] = f"bytes {first}-{first + length - 1}/{whole.size}"
        return await part(call, whole, found, first, length, 206)
    return await _parts(call, whole, found, requested)


async def part(
    call: Call, whole: Whole, found: dict[str, str], first: int, length: int, status: int
) -> Response:
    some = await pieces(call, whole, first, length)
    source = await stream(call, some)
    found["Content-Length"] = str(length)
    if length <= PIECE:
        body = b"".join([part async for part in source])
        if len(body) != length:
            log.error("object %s has fewer bytes than its row says", whole.address.path)
            raise Said(503)
        return Response(body, status, found)
    return StreamingResponse(source, status, found)


async def _parts(
    call: Call, whole: Whole, found: dict[str, str], requested: Sequence[tuple[int, int]]
) -> Response:
    boundary = uuid4().hex
    kind = found["Content-Type"]
    heads = [
        f"--{boundary}\r\nContent-Type: {kind}\r\n"
        f"Content-Range: bytes {first}-{first + length - 1}/{whole.size}\r\n\r\n".encode("latin-1")
        for first, length in requested
    ]
    end = f"--{boundary}--".encode()
    lengths = sum(
        len(head) + length + 2 for head, (_, length) in zip(heads, requested, strict=True)
    )
    puzzle = _Puzzle(call)
    some = [await puzzle.part(whole, first, length) for first, length in requested]
    first_source = await stream(call, some[0])

    async def body() -> AsyncIterator[bytes]:
        for number, head in enumerate(heads):
            yield head
            source = first_source if number == 0 else await stream(call, some[number])
            async for part in source:
                yield part
            yield b"\r\n"
        yield end

    found["Content-Length"] = str(lengths + len(end))
    found["Content-Type"] = f"multipart/byteranges;boundary={boundary}"
    return StreamingResponse(body(), 206, found)


async def _shown_manifest(call: Call, whole: Whole) -> Response:
    """A static manifest itself."""
    segments = await manifest(call, whole.row)
    if call.query.get("format") == "raw":
        segments = [_raw(one) for one in segments]
    body = msgspec.json.encode(segments)
    found = shown(call, whole)
    found |= {
        "Content-Type": "application/json; charset=utf-8",
        "Content-Length": str(len(body)),
        "Etag": hashlib.md5(body, usedforsecurity=False).hexdigest(),
    }
    return Response(body, 200, found)


def _raw(one: Mapping[str, Any]) -> dict[str, Any]:
    if "data" in one:
        return {"data": one["data"]}
    found = {"path": one["name"], "etag": one["hash"], "size_bytes": one["bytes"]}
    return found | ({"range": one["range"]} if one.get("range") else {})


__all__ = ["HTML", "empty"]
