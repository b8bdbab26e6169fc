"""Consoles: the log of the serial line, and a door to the live screen or line.

The door is one TCP address for all guests. Whoever connects sends a ticket line first; a ticket was given out by
OpenConsole, opens one console of one guest, once, within a minute. After the line come the console's own bytes.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path

from hanok.base.authority import ServerSide
from hanok.base.clock import Clock
from hanok.commands import ConsoleAddress
from hanok.node.errors import NotDone

KEEP_BYTES = 256 * 1024  # the log is kept in two parts of at most this, after each heartbeat
ANSWER_BYTES = 768 * 1024  # a message has 1 MiB at most; bytes that are no text grow threefold
TICKET_S = 60.0
TICKET_LINE_BYTES = 128
TICKET_WAIT_S = 10.0
MAX_CONNECTIONS = 256
MAX_TICKETS = 4096
BUFFER = 64 * 1024

Connect = Callable[[str, str], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


def read_log(path: Path, lines: int | None) -> str:
    """The end of a console log: what is kept, or its last lines."""
    data = _read(path.with_suffix(".log.1")) + _read(path)
    text = data.decode(errors="replace").encode()[-ANSWER_BYTES:].decode(errors="ignore")
    return last_lines(text, lines)


def last_lines(text: str, lines: int | None) -> str:
    """The last lines of a text; None for all.

    Lines end with a line feed and nothing else, and what comes after the last one is a line, too, as the field counts.
    """
    if lines is None:
        return text
    return "\n".join(text.split("\n")[-lines:]) if lines > 0 else ""


def trim_log(path: Path) -> None:
    """Keep the last part of a log that has grown. QEMU appends, so it goes on at the new end.

    What the guest says between the copy and the cut is lost: some bytes, once in 256 KiB.
    """
    try:
        fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode) or found.st_size <= KEEP_BYTES:
            return
        older = path.with_suffix(".log.1")
        older.unlink(missing_ok=True)
        copy = os.open(older, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with open(copy, "wb") as file:
            file.write(os.pread(fd, KEEP_BYTES, max(0, os.fstat(fd).st_size - KEEP_BYTES)))
        os.ftruncate(fd, 0)
    finally:
        os.close(fd)


def _read(path: Path) -> bytes:
    """The last KEEP_BYTES of a file that somebody else may have put there."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return b""
    with open(fd, "rb") as file:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            return b""
        file.seek(max(0, found.st_size - KEEP_BYTES))
        return file.read(KEEP_BYTES)


class ConsoleDoor:
    """Listens while it is entered; connections end when it is left.

    connect: opens a line to a guest's console, by server id and kind. tls: what this host shows, where whoever asks
    is on another machine: it shows one, too.
    """

    def __init__(
        self, address: str, connect: Connect, clock: Clock, tls: ServerSide | None = None
    ) -> None:
        self._address = address
        self._tls = tls
        self._connect = connect
        self._clock = clock
        self._tickets: dict[str, tuple[float, str, str]] = {}
        self._serial: dict[str, asyncio.StreamWriter] = {}
        self._connections: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> ConsoleDoor:
        sealed = None if self._tls is None else self._tls.context
        self._server = await asyncio.start_server(
            self._connected, self._address, 0, limit=BUFFER, ssl=sealed
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def port(self) -> int:
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    def open(self, server_id: str, kind: str) -> ConsoleAddress:
        """A ticket for one connection.

        Raises:
            NotDone: too many tickets are waiting.
        """
        now = self._clock.monotonic_s()
        for ticket, (until, _, _) in list(self._tickets.items()):
            if until < now:
                del self._tickets[ticket]
        if len(self._tickets) >= MAX_TICKETS:
            raise NotDone("Too many consoles were asked for at once.", transient=True)
        ticket = secrets.token_urlsafe(32)
        self._tickets[ticket] = (now + TICKET_S, server_id, kind)
        sealed = self._tls is not None
        return ConsoleAddress(host=self._address, port=self.port, ticket=ticket, sealed=sealed)

    def withdraw(self, server_id: str) -> None:
        """The server is gone: so are its tickets."""
        for ticket, (_, owner, _) in list(self._tickets.items()):
            if owner == server_id:
                del self._tickets[ticket]

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if len(self._connections) >= MAX_CONNECTIONS:
            writer.close()
            return
        self._connections.add(task)
        try:
            await self._serve(reader, writer)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # one side hung up or never said a ticket
        finally:
            self._connections.discard(task)
            await _close(writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(TICKET_WAIT_S):
            line = await reader.readuntil(b"\n")
        if len(line) > TICKET_LINE_BYTES:
            return
        ticket = self._tickets.pop(line.strip().decode(errors="replace"), None)
        if ticket is None or ticket[0] < self._clock.monotonic_s():
            return
        _, server_id, kind = ticket
        guest_reader, guest_writer = await self._connect(server_id, kind)
        try:
            if kind == "serial":
                # QEMU talks to one client at a time: the newest gets the line.
                if (earlier := self._serial.get(server_id)) is not None:
                    earlier.close()
                self._serial[server_id] = guest_writer
            # Ends with the first side that hangs up.
            async with asyncio.TaskGroup() as both:
                directions = [
                    both.create_task(_pass_on(reader, guest_writer)),
                    both.create_task(_pass_on(guest_reader, writer)),
                ]
                await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
                for direction in directions:
                    direction.cancel()
        finally:
            if self._serial.get(server_id) is guest_writer:
                del self._serial[server_id]
            await _close(guest_writer)


async def _pass_on(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(BUFFER):
            target.write(data)
            await target.drain()


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(2.0):
            await writer.wait_closed()
