"""Many objects by one request: bulk delete, and archives that are taken apart.

Both answer 200 before they begin; how it went stands in the body.

Source: "Bulk Operations" in the middleware's reference.
"""

from __future__ import annotations

import asyncio
import bz2
import gzip
import html
import io
import tarfile
import zlib
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Future
from typing import IO, Any, cast
from urllib.parse import unquote_to_bytes

import msgspec
from starlette.responses import Response, StreamingResponse

from hanok.base.errors import HanokError
from hanok.drivers.byte_store import PIECE, ByteStore, Missing
from hanok.services.object_storage.logic import containers
from hanok.services.object_storage.logic.names import (
    CONTAINER_NAME,
    OBJECT_NAME,
    Address,
    Said,
    text_of,
)
from hanok.services.object_storage.routes import bodies, headers, writing
from hanok.services.object_storage.routes.call import Call
from hanok.web.faults import preferred

NAMES = 10_000  # of a bulk delete, and members of an archive
FAILURES = 1000
LINE = 8 * OBJECT_NAME
_OFFERS = ("text/plain", "application/json", "application/xml", "text/xml")
REASONS = {
    200: "OK", 201: "Created", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden",
    404: "Not Found", 409: "Conflict", 412: "Precondition Failed", 413: "Request Entity Too Large",
    500: "Internal Error", 503: "Service Unavailable", 507: "Insufficient Storage",
}  # fmt: skip


def status_line(status: int) -> str:
    return f"{status} {REASONS.get(status, 'Error')}"


class Outcome:
    """How it went."""

    def __init__(self, call: Call, root: str, numbers: Sequence[str]) -> None:
        kind = preferred(call.headers.get("accept", "")[:4096], _OFFERS)
        if kind is None:
            raise Said(406)
        self.kind = kind
        self.root = root
        self.numbers = dict.fromkeys(numbers, 0)
        self.errors: list[tuple[str, str]] = []
        self.status = 200
        self.body = ""

    def failed(self, name: str, status: int) -> None:
        self.errors.append((name, status_line(status)))

    def end(self, worst: int = 400) -> None:
        """Say what it comes to."""
        if self.errors and self.status == 200:
            self.status = worst

    def text(self) -> bytes:
        status = status_line(self.status)
        if self.kind == "application/json":
            values: dict[str, object] = {
                "Response Status": status,
                "Response Body": self.body,
                **self.numbers,
                "Errors": [list(one) for one in self.errors],
            }
            return msgspec.json.encode(values)
        if self.kind.endswith("xml"):
            counts = "".join(
                f"<{_tag(name)}>{number}</{_tag(name)}>" for name, number in self.numbers.items()
            )
            errors = "".join(
                f"<object><name>{html.escape(name, quote=False)}</name><status>{why}</status></object>"
                for name, why in self.errors
            )
            return (
                f"<{self.root}>{counts}<response_status>{status}</response_status>"
                f"<response_body>{html.escape(self.body, quote=False)}</response_body>"
                f"<errors>{errors}</errors></{self.root}>"
            ).encode()
        lines = [f"{name}: {number}" for name, number in self.numbers.items()]
        lines += [f"Response Body: {self.body}", f"Response Status: {status}", "Errors:"]
        lines += [f"{name}, {why}" for name, why in self.errors]
        return "\n".join(lines).encode()

    def answer(self, body: AsyncIterator[bytes]) -> Response:
        return StreamingResponse(body, 200, {"Content-Type": f"{self.kind}; charset=utf-8"})


def _tag(name: str) -> str:
    return name.lower().replace(" ", "_")


# ---- delete ----


async def delete(call: Call) -> Response:
    """POST or DELETE …?bulk-delete: a name a line, percent-encoded."""
    if "content-length" not in call.headers and "chunked" not in call.headers.get(
        "transfer-encoding", ""
    ):
        raise Said(411)
    names: list[Address | tuple[str, int]] = []
    rest = b""
    async for part in call.request.stream():
        *lines, rest = (rest + part).split(b"\n")
        names.extend(one for line in lines if (one := _named(call, line)) is not None)
        if len(rest) > LINE or len(names) > NAMES:
            break
    if len(names) > NAMES or len(rest) > LINE:
        raise Said(413, f"Maximum Bulk Deletes: {NAMES} per request")
    if (last := _named(call, rest)) is not None:
        names.append(last)
    return deleting(call, names)


def _named(call: Call, line: bytes) -> Address | tuple[str, int] | None:
    raw = line.strip()
    if not raw:
        return None
    shown = raw[: 3 * OBJECT_NAME].decode("utf-8", "replace")
    try:
        path = text_of(unquote_to_bytes(raw)).removeprefix("/")
    except Said as error:
        return shown, error.status
    container, _, name = path.partition("/")
    if not container or len(name.encode()) > OBJECT_NAME:
        return shown, 400
    return Address(call.address.account, container, name)


def deleting(call: Call, names: Sequence[Address | tuple[str, int]]) -> Response:
    """An answer that is made while these are deleted."""
    outcome = Outcome(call, "delete", ("Number Deleted", "Number Not Found"))

    async def body() -> AsyncIterator[bytes]:
        for number, one in enumerate(names):
            await _delete_one(call, one, outcome)
            if len(outcome.errors) >= FAILURES:
                outcome.status, outcome.body = 400, "Max delete failures exceeded"
                break
            if number % 100 == 99:
                yield b" "  # so that nobody takes the connection for dead
        if not names:
            outcome.status, outcome.body = 400, "Invalid bulk delete."
        outcome.end()
        yield outcome.text()

    return outcome.answer(body())


async def _delete_one(call: Call, one: Address | tuple[str, int], outcome: Outcome) -> None:
    if isinstance(one, tuple):
        outcome.failed(*one)
        return
    shown = f"/{one.container}/{one.object}" if one.object else f"/{one.container}"
    try:
        if one.object:
            async with call.room.database.read() as tx:
                found = await containers.get(tx, one.account, one.container)
            call.check_writes(found, one.account)
            await writing.removed(call, one)
        else:
            await _delete_container(call, one)
        outcome.numbers["Number Deleted"] += 1
    except Said as error:
        if error.status == 404:
            outcome.numbers["Number Not Found"] += 1
        else:
            outcome.failed(shown, error.status)
    except HanokError:
        outcome.failed(shown, 503)


async def _delete_container(call: Call, one: Address) -> None:
    call.check_owner()
    async with call.room.database.write() as tx:
        await containers.remove(tx, one.account, one.container)
        await call.room.tell(
            tx, "container.deleted", one.account, one.container, user_id=call.user_id
        )


# ---- archives ----

HEADERS = 1 << 20  # bytes of headers in front of one member
_PACKED: dict[str, Callable[[IO[bytes]], Any]] = {
    "tar": lambda file: file,
    "tar.gz": lambda file: gzip.GzipFile(fileobj=file),
    "tar.bz2": bz2.BZ2File,
}


class _Unpacked:
    """An archive's bytes, as its headers and members are read: neither may be longer than is sound.

    A header says how long it is, and is read at once; what is packed may be a million times longer than it was sent.
    left: bytes that may be read; None: what a member holds is read.
    """

    def __init__(self, file: Any, maximum: int) -> None:
        self._file, self._maximum = file, maximum
        self.left: int | None = HEADERS

    def read(self, size: int) -> bytes:
        if self.left is not None:
            if not 0 <= size <= self.left:
                raise tarfile.ReadError("the headers of a member are too long")
            self.left -= size
        found: bytes = self._file.read(size)
        return found

    def seek(self, at: int) -> int:
        if at > self._maximum:
            raise tarfile.ReadError(f"it has more than {self._maximum} bytes")
        return int(self._file.seek(at))

    def tell(self) -> int:
        return int(self._file.tell())


async def extract(call: Call) -> Response:
    """PUT …?extract-archive=tar[.gz|.bz2]: each file of it becomes an object."""
    packed = _PACKED.get(call.query.get("extract-archive", ""))
    if packed is None:
        raise Said(400, "Unsupported archive format")
    if call.address.container:
        if not call.owner:
            await writing.check_target(call, call.address)
    else:
        call.check_owner()
    outcome = Outcome(call, "extract", ("Number Files Created",))
    announced = bodies.announced(call)
    # Kept whole before it is taken apart: a member is a part of it, so no more memory than a piece is needed.
    allowance = await bodies.allowed_aside(call)
    stored = await bodies.taken(call, call.request.stream(), announced, allowance)

    async def body() -> AsyncIterator[bytes]:
        try:
            async for _ in _taken_apart(call, stored.blob, stored.size, packed, outcome):
                yield b" "
        finally:
            await call.room.store.delete(stored.blob)
        if not outcome.numbers["Number Files Created"] and outcome.status == 200:
            outcome.status = 400
            outcome.body = "" if outcome.errors else "Invalid Tar File: No Valid Files"
        outcome.end()
        if outcome.status == 200:
            outcome.status = 201
        yield outcome.text()

    return outcome.answer(body())


class _Blob(io.RawIOBase):
    """A blob as threads read files; the loop of whoever made it has to go on meanwhile."""

    def __init__(self, store: ByteStore, blob: str, size: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._store, self._blob, self._size = store, blob, size
        self._at = 0
        self._reading: asyncio.Task[bytes] | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, at: int, whence: int = io.SEEK_SET) -> int:
        self._at = at + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def readinto(self, buffer: Any) -> int:
        length = max(min(len(buffer), self._size - self._at), 0)
        # Begun over there: what reads archives may be at the end of its stack here, between any two lines.
        done: Future[bytes] = Future()
        self._loop.call_soon_threadsafe(self._begin, self._at, length, done)
        found = done.result()
        buffer[: len(found)] = found
        self._at += len(found)
        return len(found)

    def _begin(self, at: int, length: int, done: Future[bytes]) -> None:
        def end(task: asyncio.Task[bytes]) -> None:
            self._reading = None
            if task.cancelled():
                done.cancel()
            elif (error := task.exception()) is not None:
                done.set_exception(error)
            else:
                done.set_result(task.result())

        self._reading = asyncio.ensure_future(self._some(at, length))
        self._reading.add_done_callback(end)

    async def _some(self, at: int, length: int) -> bytes:
        if not length:
            return b""
        return b"".join([one async for one in await self._store.get(self._blob, at, length)])


async def _taken_apart(
    call: Call, blob: str, size: int, packed: Callable[[IO[bytes]], Any], outcome: Outcome
) -> AsyncIterator[None]:
    file = io.BufferedReader(_Blob(call.room.store, blob, size), PIECE)
    try:
        unpacked = _Unpacked(packed(file), call.room.settings.maximum_object_bytes)
        archive = await asyncio.to_thread(_archive, unpacked)
        try:
            count = 0
            while (member := await asyncio.to_thread(archive.next)) is not None:
                unpacked.left = None
                archive.members = []  # type: ignore[attr-defined]  # else it remembers them all
                count += 1
                if count > NAMES or len(outcome.errors) >= FAILURES:
                    outcome.status, outcome.body = (
                        413,
                        f"More than {NAMES} members, or too many failures",
                    )
                    return
                if member.isfile():
                    await _member(call, archive, member, outcome)
                if count % 100 == 0:
                    yield
                unpacked.left = HEADERS
        finally:
            archive.close()
    except Missing:
        outcome.status = 503
    except (
        tarfile.TarError, EOFError, zlib.error, OSError, ValueError, RecursionError,
    ) as error:  # fmt: skip
        outcome.status, outcome.body = 400, f"Invalid Tar File: {str(error)[:200]}"
    finally:
        file.close()


def _archive(file: _Unpacked) -> tarfile.TarFile:
    return tarfile.open(mode="r:", fileobj=cast("IO[bytes]", file))


async def _member(
    call: Call, archive: tarfile.TarFile, member: tarfile.TarInfo, outcome: Outcome
) -> None:
    path = member.name.removeprefix("./").lstrip("/")
    base = "/".join(part for part in (call.address.container, call.address.object) if part)
    whole = f"{base.rstrip('/')}/{path}" if base else path
    container, _, name = whole.partition("/")
    shown = whole.encode("utf-8", "replace").decode()[: 3 * OBJECT_NAME]
    try:
        whole.encode()
        if "\0" in whole or not name or len(container.encode()) > CONTAINER_NAME:
            raise Said(400)
        if len(name.encode()) > OBJECT_NAME:
            raise Said(400)
        if member.size > call.room.settings.maximum_object_bytes:
            raise Said(413)
        address = Address(call.address.account, container, name)
        await _ensure(call, address)
        allowance = await bodies.allowed(call, member.size, address)
        source = archive.extractfile(member)
        assert source is not None

        async def parts() -> AsyncIterator[bytes]:
            while part := await asyncio.to_thread(source.read, PIECE):
                yield part

        stored = await bodies.taken(call, parts(), member.size, allowance)
        values: dict[str, Any] = {
            "content_type": headers.guessed(name),
            "headers": headers.metadata(call, "object"),
            "delete_at": headers.delete_at(call, call.room),
        }
        await writing.written(call, address, stored, values)
        outcome.numbers["Number Files Created"] += 1
    except UnicodeEncodeError:
        outcome.failed(shown, 412)
    except Said as error:
        outcome.failed(shown, error.status)
    except HanokError:
        outcome.failed(shown, 503)


async def _ensure(call: Call, address: Address) -> None:
    """The container is there, and may be written to; owners get it made."""
    async with call.room.database.read() as tx:
        found = await containers.get(tx, address.account, address.container)
    if found is None and call.owner:
        async with call.room.database.write() as tx:
            _, made = await containers.put(
                tx,
                address.account,
                address.container,
                containers.Changes(metadata={}),
                call.room.now_us(),
            )
            if made:
                await call.room.tell(
                    tx,
                    "container.created",
                    address.account,
                    address.container,
                    user_id=call.user_id,
                )
    else:
        call.check_writes(found, address.account)
