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
from hanok.base.durable import put_in_place
from hanok.base.errors import HanokError
from hanok.base.ids import is_uuid
from hanok.commands.volumes import copy_name
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

    def __init__(
        self,
        tickets: Tickets,
        images: Sequence[Path],
        copies: Copies,
        is_host: Callable[[str, str], Awaitable[bool]] | None = None,
        bring: Callable[[str], Awaitable[None]] | None = None,
    ) -> None:
        """
        Args:
            images: folders with a file an image. copies: of disks, that hosts leave.
            is_host: whether who has this name, and shows a certificate with this number, is one of the cloud's.
            bring: has an image in one of the folders that is elsewhere: a process on another machine, which gave the
                ticket, cannot.
        """
        self._bring = bring
        self._coming: dict[str, asyncio.Task[None]] = {}
        self._is_host = is_host or _nobody
        self._tickets = tickets
        self._images = images
        self._copies = copies
        self._snapshots = copies.folder
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="bytes")

    def close(self) -> None:
        for task in self._coming.values():
            task.cancel()
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
            log.info("%s %s: the host closed the connection", request.method, request.url.path)
            return
        except OSError as error:
            log.warning("%s %s: %s", request.method, request.url.path, error)
            response = Response(
                "The disk failed: the data could not be read or written.\n",
                507,
                {"Connection": "close"},
            )
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        _, kind, name = [*request.url.path.strip("/").split("/"), "", ""][:3]
        doors: dict[tuple[str, str], tuple[Right, Callable[..., Awaitable[Response]]]] = {
            ("GET", "images"): ("read", self._read_image),
            ("GET", "snapshots"): ("read", self._read_copy),
            ("HEAD", "snapshots"): ("write", self._look),
            ("PUT", "snapshots"): ("write", self._write),
        }
        known = doors.get((request.method, kind))
        if known is None or not is_uuid(name.removeprefix(copy_name(""))):
            raise Refused(404, "There are no such bytes.")
        right, handle = known
        shown = request.headers.get("authorization", "").removeprefix("Bearer ")
        ticket = self._tickets.opened(shown, right, name, await self._asker(request))
        if ticket is None:
            raise Refused(401, "The ticket is not valid for this.")
        return await handle(request, ticket)

    async def _asker(self, request: Request) -> str:
        """Which host asks: the one that its certificate names, if it is one still.

        Where there are no certificates, what it says of itself is as good as its ticket, which no other host was given.

        Raises:
            Refused: it shows none, or one that opens nothing any longer.
        """
        if not request.scope.get("hanok.sealed"):
            return request.headers.get(HOST_HEADER, "")
        host = str(request.scope.get("hanok.host") or "")
        serial = str(request.scope.get("hanok.serial") or "")
        if not host or not await self._is_host(host, serial):
            raise Refused(401, "Hosts show a certificate of this cloud.")
        return host

    async def _thread(self, work: Callable[..., Result], *given: object) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *given)

    # ---- images ----

    async def _read_image(self, request: Request, ticket: Ticket) -> Response:
        if self._bring is not None and not await self._thread(_is_there, ticket, self._images):
            await self._brought(self._bring, ticket.name)
        return await self._read(request, ticket, self._images)

    async def _brought(self, bring: Callable[[str], Awaitable[None]], name: str) -> None:
        """An image is here: once, however many hosts ask for it; and it goes on when one of them hangs up.

        Raises:
            Refused: it cannot be had.
        """
        task = self._coming.get(name)
        if task is None:
            task = self._coming[name] = asyncio.ensure_future(bring(name))
            task.add_done_callback(lambda _: self._coming.pop(name, None))
        try:
            await asyncio.shield(task)
        except HanokError as error:
            raise Refused(503, error.message) from error

    async def _read_copy(self, request: Request, ticket: Ticket) -> Response:
        return await self._read(request, ticket, (self._snapshots,))

    async def _read(self, request: Request, ticket: Ticket, folders: Sequence[Path]) -> Response:
        requested = request.headers.get("range")
        first = 0
        if requested is not None:
            match = _RANGE.fullmatch(requested)
            if match is None or int(match[1]) >= ticket.size:
                raise Refused(416, "There is no such range.")
            first = int(match[1])
        file = await self._thread(_opened, ticket, folders)

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
        put_in_place(part, self._copies.path(ticket.name))

    def _forget_stale(self) -> None:
        """Transfers that nobody goes on with."""
        for path in self._snapshots.glob(self._copies.part("*").name):
            with contextlib.suppress(FileNotFoundError):
                found = path.stat()
                if found.st_mtime < Clock().now().timestamp() - STALE_S:  # as files have the time
                    path.unlink()


def _is_there(ticket: Ticket, folders: Sequence[Path]) -> bool:
    return any((folder / ticket.name).exists() for folder in folders)


async def _nobody(host: str, serial: str) -> bool:
    return False


def _opened(ticket: Ticket, folders: Sequence[Path]) -> io.FileIO:
    """The file, which closes itself where a host hangs up before the first piece."""
    for folder in folders:
        with contextlib.suppress(FileNotFoundError):
            file = os.open(folder / ticket.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            found = os.fstat(file)
            if stat.S_ISREG(found.st_mode) and found.st_size == ticket.size:
                return io.FileIO(file)
            os.close(file)
    raise Refused(404, "The data is not here.")
