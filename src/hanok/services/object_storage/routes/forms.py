"""Form POST: a browser uploads files with a form that somebody with a key has signed.

The body is read as it comes: fields are small, and what a file holds goes to the byte store in pieces.

Source: "FormPost" in the middleware's reference; RFC 7578.
"""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator
from email.message import Message
from typing import Any
from urllib.parse import quote

from starlette.responses import Response

from hanok.services.object_storage.logic.names import (
    OBJECT_NAME,
    PREFIX,
    Address,
    Said,
    text_of,
)
from hanok.services.object_storage.routes import bodies, headers, signed, writing
from hanok.services.object_storage.routes.call import Call, empty

FIELD = 8 << 10  # bytes of a field, or of a part's headers
FIELDS = 64
_PRINTED = "".join(map(chr, range(0x21, 0x7F)))


def boundary(call: Call) -> bytes | None:
    """What parts the body of a form; None: it is none."""
    if call.method != "POST" or not call.address.container:
        return None
    said = call.headers.get("content-type", "")
    if not said.lower().startswith("multipart/form-data"):
        return None
    message = Message()
    message["content-type"] = said
    found = message.get_boundary()
    return found.encode("latin-1", "replace") if found and len(found) <= 200 else None


class _Parts:
    """The parts of a body, as it comes."""

    def __init__(self, body: AsyncIterator[bytes], mark: bytes) -> None:
        self._body = body
        self._mark = b"\r\n--" + mark
        self._buffer = b"\r\n"  # the first boundary stands at the beginning of a line, too
        self._ended = False

    async def _more(self) -> bool:
        async for piece in self._body:
            if piece:
                self._buffer += piece
                return True
        return False

    async def next(self) -> Message | None:
        """The headers of the next part; None: there is none."""
        while self._mark not in self._buffer:
            if len(self._buffer) > FIELD or not await self._more():
                raise Said(400, "FormPost: invalid starting boundary")
        self._buffer = self._buffer.split(self._mark, 1)[1]
        while len(self._buffer) < 2:
            if not await self._more():
                return None
        if self._buffer.startswith(b"--"):
            return None
        while b"\r\n\r\n" not in self._buffer:
            if len(self._buffer) > FIELD or not await self._more():
                raise Said(400, "FormPost: a part has no end of its headers")
        head, self._buffer = self._buffer.split(b"\r\n\r\n", 1)
        if len(head) > FIELD:
            raise Said(400, "FormPost: the headers of a part are too long")
        message = Message()
        for line in head.split(b"\r\n"):
            name, colon, value = line.decode("utf-8", "replace").partition(":")
            if colon and name.strip().isascii():
                message[name.strip()] = value.strip()
        return message

    async def content(self) -> AsyncIterator[bytes]:
        """What the part holds, up to the next boundary, which stays."""
        while True:
            at = self._buffer.find(self._mark)
            if at >= 0:
                if at:
                    yield self._buffer[:at]
                self._buffer = self._buffer[at:]
                return
            keep = len(self._mark) - 1  # it may be the beginning of a boundary
            if len(self._buffer) > keep:
                yield self._buffer[:-keep]
                self._buffer = self._buffer[-keep:]
            if not await self._more():
                raise Said(400, "FormPost: the form has no end")


async def answer(call: Call, mark: bytes) -> Response:
    """POST of a form."""
    call.request.repeatable = False
    parts = _Parts(call.request.stream().__aiter__(), mark)
    fields: dict[str, str] = {}
    count = 0
    checked = False
    while (head := await parts.next()) is not None:
        name = str(head.get_param("name", "", "content-disposition"))
        file = head.get_param("filename", None, "content-disposition")
        if file is None:
            value = await _field(parts)
            if (
                checked
            ):  # what was signed stands before the files: what comes behind them changes nothing
                continue
            fields[name] = value
            if len(fields) > FIELDS:
                raise Said(400, "FormPost: there are too many fields")
            continue
        if not checked:
            await _check(call, fields)
            checked = True
        count += 1
        if count > _number(fields, "max_file_count"):
            return _end(fields, 400, "max_file_count exceeded")
        if not str(file):
            async for _ in parts.content():
                pass
            count -= 1
            continue
        await _file(call, fields, str(file), head, parts)
    if not count:
        if not checked:
            await _check(call, fields)
        return _end(fields, 400, "no files to process")
    return _end(fields, 201, "")


async def _field(parts: _Parts) -> str:
    found = b""
    async for piece in parts.content():
        found += piece
        if len(found) > FIELD:
            raise Said(400, "FormPost: a field is too long")
    return found.decode("utf-8", "replace")


def _number(fields: dict[str, str], name: str) -> int:
    said = fields.get(name, "").strip()
    if not (said.isascii() and said.isdigit() and len(said) < 19):
        raise Said(400, f"FormPost: {name} not an integer")
    return int(said)


async def _check(call: Call, fields: dict[str, str]) -> None:
    """Go on only if somebody with a key has signed this form, and its time is not over.

    Raises:
        Said
    """
    if _number(fields, "expires") <= call.room.now_s():
        raise Said(401, "FormPost: Form Expired")
    refused = Said(401, "FormPost: Invalid Signature")
    found = signed.digest(fields.get("signature", "").strip()[:256])
    if found is None:
        raise refused
    address = call.address
    path = f"/v1/{PREFIX}{address.account}/{address.container}"
    if address.object or call.request.http.scope["path"].endswith("/"):
        path += f"/{address.object}"
    names = ("redirect", "max_file_size", "max_file_count", "expires")
    text = "\n".join([path, *(fields.get(name, "") for name in names)])
    kind, sent = found
    for key, opens in await signed.keys(call):
        if hmac.compare_digest(signed.signature(key, kind, text), sent):
            call.signed = opens
            call.owner = call.reseller = False
            return
    raise refused


async def _file(
    call: Call, fields: dict[str, str], file: str, head: Message, parts: _Parts
) -> None:
    name = text_of((call.address.object + file).encode("utf-8", "replace"))
    if len(name.encode()) > OBJECT_NAME:
        raise Said(400, f"Object name length of {len(name.encode())} longer than {OBJECT_NAME}")
    address = Address(call.address.account, call.address.container, name)
    await writing.check_target(call, address)
    maximum = _number(fields, "max_file_size")

    async def bounded() -> AsyncIterator[bytes]:
        size = 0
        async for piece in parts.content():
            size += len(piece)
            if size > maximum:
                raise Said(413, "max_file_size exceeded")
            yield piece

    said = _header(head, "Content-Type")
    own: dict[str, str] = {}
    if encoding := _header(head, "Content-Encoding"):
        own["content-encoding"] = encoding
    allowance = await bodies.allowed(call, 0, address)
    stored = await bodies.taken(call, bounded(), 0, allowance)
    values: dict[str, Any] = {
        "content_type": said or headers.guessed(name),
        "headers": own,
        "delete_at": _until(call, fields),
    }
    await writing.written(call, address, stored, values)


def _header(head: Message, name: str) -> str:
    """What the headers of a part say, as an object may keep it; empty: nothing.

    Raises:
        Said
    """
    return headers.text(headers.wire(str(head.get(name, ""))[:256]), name)


def _until(call: Call, fields: dict[str, str]) -> int | None:
    if fields.get("x_delete_after"):
        return int(call.room.now_s()) + _number(fields, "x_delete_after")
    if fields.get("x_delete_at"):
        at = _number(fields, "x_delete_at")
        if at <= call.room.now_s():
            raise Said(400, "FormPost: x_delete_at in past")
        return at
    return None


def _end(fields: dict[str, str], status: int, message: str) -> Response:
    """The answer: where the form says so, back to the page that it names."""
    redirect = fields.get("redirect", "").strip()
    if not redirect:
        if status >= 400:
            raise Said(status, f"FormPost: {message}")
        return empty(status)
    joiner = "&" if "?" in redirect else "?"
    where = f"{redirect}{joiner}status={status}&message={quote(message)}"
    return empty(303, {"Location": quote(where, safe=_PRINTED)})
