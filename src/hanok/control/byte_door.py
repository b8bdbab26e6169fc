"""Where hosts that do not see control's folders read images and leave copies of disks.

    GET  /bytes/images/{id}      the data; Range: bytes=N-
    HEAD /bytes/snapshots/{id}   how many bytes of it are here
    PUT  /bytes/snapshots/{id}   from there on: Content-Range: bytes FIRST-LAST/ALL, and the hash of the whole

Each request shows a ticket (`hanok.web.tickets`). Bytes pass in pieces of a megabyte, so what a transfer needs does not
grow with it; whoever sends or takes nothing for a minute is hung up on by the server (`control/server.py`). What is not
whole has a name of its own; what is whole and hashed reaches the disk before it gets the name that control looks for.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import io
import logging
import os
import re
import stat
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from hanok.base.clock import Clock
from hanok.base.ids import is_uuid
from hanok.commands.wire import HASH_HEADER, HOST_HEADER, OFFSET_HEADER, WHOLE_HEADER
from hanok.web.tickets import Copies, Right, Ticket, Tickets

log = logging.getLogger(__name__)

PIECE = 1 << 20
THREADS = 4  # of our own: those of others may be waiting for us
RESERVE = 256 << 20  # disk space that a copy leaves
STALE_S = 24 * 3600.0  # what is not whole after this time is nobody's
_RANGE = re.compile(r"bytes=(\d{1,18})-")
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})")
_SHA256 = re.compile(r"[0-9a-f]{64}")

Result = TypeVar("Result")


class Refused(Exception):
    """The answer to a request that is not done."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class ByteDoor:
    """An ASGI application."""

    def __init__(self, tickets: Tickets, images: Sequence[Path], copies: Copies) -> None:
        """
        Args:
            images: folders with a file an image. copies: of disks, that hosts leave.
        """
        self._tickets = tickets
        self._images = images
        self._copies = copies
        self._snapshots = copies.folder
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="bytes")

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        request = Request(scope, receive)
        try:
            response = await self._answer(request)
        except Refused as error:
            log.info("%s %s: %s", request.method, request.url.path, error)
            response = Response(f"{error}\n", error.status, {"Connection": "close"})
        except ClientDisconnect:
            log.info("%s %s: the host hung up", request.method, request.url.path)
            return
        except OSError as error:
            log.warning("%s %s: %s", request.method, request.url.path, error)
            response = Response("The disk is in trouble.\n", 507, {"Connection": "close"})
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        _, kind, name = [*request.url.path.strip("/").split("/"), "", ""][:3]
        doors: dict[tuple[str, str], tuple[Right, Callable[..., Awaitable[Response]]]] = {
            ("GET", "images"): ("read", self._read),
            ("HEAD", "snapshots"): ("write", self._look),
            ("PUT", "snapshots"): ("write", self._write),
        }
        known = doors.get((request.method, kind))
        if known is None or not is_uuid(name):
            raise Refused(404, "There are no such bytes.")
        right, handle = known
        shown = request.headers.get("authorization", "").removeprefix("Bearer ")
        # What the host says of itself is as good as its ticket, which no other host was given.
        ticket = self._tickets.opened(shown, right, name, request.headers.get(HOST_HEADER, ""))
        if ticket is None:
            raise Refused(401, "The ticket is not valid for this.")
        return await handle(request, ticket)

    async def _thread(self, work: Callable[..., Result], *given: object) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *given)

    # ---- images ----

    async def _read(self, request: Request, ticket: Ticket) -> Response:
        requested = request.headers.get("range")
        first = 0
        if requested is not None:
            match = _RANGE.fullmatch(requested)
            if match is None or int(match[1]) >= ticket.size:
                raise Refused(416, "There is no such range.")
            first = int(match[1])
        file = await self._thread(self._opened, ticket)

        async def pieces() -> AsyncIterator[bytes]:
            at = first
            try:
                while at < ticket.size:
                    maximum = min(PIECE, ticket.size - at)
                    piece = await self._thread(os.pread, file.fileno(), maximum, at)
                    if not piece:
                        raise OSError("the file became shorter")
                    at += len(piece)
                    yield piece
            finally:
                file.close()

        headers = {"Content-Length": str(ticket.size - first)}
        if requested is not None:
            headers["Content-Range"] = f"bytes {first}-{ticket.size - 1}/{ticket.size}"
        return StreamingResponse(
            pieces(),
            200 if requested is None else 206,
            headers,
            "application/octet-stream",
        )

    def _opened(self, ticket: Ticket) -> io.FileIO:
        """The image's file, which closes itself where a host hangs up before the first piece."""
        for folder in self._images:
            with contextlib.suppress(FileNotFoundError):
                file = os.open(folder / ticket.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
                found = os.fstat(file)
                if stat.S_ISREG(found.st_mode) and found.st_size == ticket.size:
                    return io.FileIO(file)
                os.close(file)
        raise Refused(404, "The image's data is not here.")

    # ---- copies of disks ----

    async def _look(self, request: Request, ticket: Ticket) -> Response:
        def size(path: Path) -> int | None:
            with contextlib.suppress(FileNotFoundError):
                return path.stat().st_size
            return None

        whole = await self._thread(size, self._copies.path(ticket.name))
        if whole is not None:
            return Response(None, 200, {OFFSET_HEADER: str(whole), WHOLE_HEADER: "1"})
        part = await self._thread(size, self._copies.part(ticket.name))
        return Response(None, 200, {OFFSET_HEADER: str(part or 0)})

    async def _write(self, request: Request, ticket: Ticket) -> Response:
        match = _CONTENT_RANGE.fullmatch(request.headers.get("content-range", ""))
        digest = request.headers.get(HASH_HEADER, "")
        if match is None or not _SHA256.fullmatch(digest):
            raise Refused(400, "Content-Range and the hash of the whole are needed.")
        first, last, total = (int(one) for one in match.groups())
        if last != total - 1 or first > last:
            raise Refused(400, "Everything that is left is sent at once.")
        if total > ticket.size:
            raise Refused(413, f"At most {ticket.size} bytes are taken.")
        file = await self._thread(self._begin, ticket, first, total)
        try:
            await self._taken(request, file, first, total)
            await self._thread(self._finish, ticket, digest)
        finally:
            os.close(file)
        return Response(None, 201)

    async def _taken(self, request: Request, file: int, first: int, total: int) -> None:
        """Write the body behind what is here."""
        at, parts, size = first, [], 0

        def put(data: bytes, at: int) -> None:
            view = memoryview(data)
            while view:
                written = os.pwrite(file, view, at)
                view, at = view[written:], at + written

        async for chunk in request.stream():
            parts.append(chunk)
            size += len(chunk)
            if at + size > total:
                raise Refused(400, "More came than was announced.")
            if size >= PIECE:
                data = b"".join(parts)
                await self._thread(put, data, at)
                at, parts, size = at + size, [], 0
        await self._thread(put, b"".join(parts), at)
        if at + size != total:
            raise Refused(400, "Less came than was announced.")
        await self._thread(os.fsync, file)

    def _begin(self, ticket: Ticket, first: int, total: int) -> int:
        self._snapshots.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._forget_stale()
        if self._copies.path(ticket.name).exists():
            raise Refused(409, "It is here, whole.")
        space = os.statvfs(self._snapshots)
        if space.f_bavail * space.f_frsize < total - first + RESERVE:
            raise Refused(507, "There is not enough disk space for it.")
        file = os.open(
            self._copies.part(ticket.name),
            os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC,
            0o600,
        )
        try:
            self._hold(ticket, file, first)
        except Refused:
            os.close(file)
            raise
        os.ftruncate(file, first)
        return file

    def _hold(self, ticket: Ticket, file: int, first: int) -> None:
        """Keep others from this transfer, those in other processes on the same folder included, until it is closed."""
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Refused(409, "It is being written at this moment.") from None
        if self._copies.path(
            ticket.name
        ).exists():  # it became whole while this waited for its turn
            raise Refused(409, "It is here, whole.")
        if os.fstat(file).st_size < first:
            raise Refused(409, "What comes before that is not here.")

    def _finish(self, ticket: Ticket, digest: str) -> None:
        part = self._copies.part(ticket.name)
        with part.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != digest:
                part.unlink()
                raise Refused(422, "What came is not what was sent: its hash differs.")
            os.fchmod(file.fileno(), 0o400)
        part.rename(self._copies.path(ticket.name))
        folder = os.open(self._snapshots, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _forget_stale(self) -> None:
        """Transfers that nobody goes on with."""
        for path in self._snapshots.glob(self._copies.part("*").name):
            with contextlib.suppress(FileNotFoundError):
                found = path.stat()
                if found.st_mtime < Clock().now().timestamp() - STALE_S:  # as files have the time
                    path.unlink()
