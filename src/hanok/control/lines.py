"""Connections to another control process on which its answer is heard while a body is still being sent.

httpcore sends a whole body before it looks at the answer: an upload that is refused at once would go on to its end,
and who was asked whether to send it (Expect: 100-continue) would have been told yes before anybody has looked.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any, cast

import httpcore

_CONTINUE, _END = b"HTTP/1.1 100", b"\r\n\r\n"
KEPT = 1 << 18  # bytes of an answer that wait to be read; then the other side waits

current: ContextVar[Line | None] = ContextVar("current", default=None)
"""On which the request of this task was last spoken."""


class Line(asyncio.Protocol, httpcore.AsyncNetworkStream):
    """One connection, which one task speaks and listens on at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport
        self._came = bytearray()
        self._ended = False
        self._lost: Exception | None = None
        self._full = False
        self._stirred = asyncio.Event()
        self.continues = False
        """Whether the other side has asked for the body of this request."""

    # ---- what the loop tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are none of these classes

    def data_received(self, data: bytes) -> None:
        self._came += data
        if self._came.startswith(_CONTINUE) and _END in self._came:
            del self._came[: self._came.index(_END) + len(_END)]
            self.continues = True
        if len(self._came) > KEPT:
            self._transport.pause_reading()
        self._stirred.set()

    def eof_received(self) -> bool:
        self._ended = True
        self._stirred.set()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended, self._lost = True, exc
        self._stirred.set()

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        self._stirred.set()

    # ---- what httpcore asks

    @property
    def speaks(self) -> bool:
        """Whether something of an answer has come that was not read, its end included."""
        return self._ended or (bool(self._came) and not self._came.startswith(_CONTINUE))

    async def until(self, enough: Callable[[], bool]) -> None:
        while not enough():
            self._stirred.clear()
            await self._stirred.wait()

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        async with _within(timeout, httpcore.ReadTimeout):
            await self.until(lambda: self.speaks)
        if not self._came and self._lost is not None:
            raise httpcore.ReadError(str(self._lost))
        self.continues = False  # of the next request
        found = bytes(self._came[:max_bytes])
        del self._came[:max_bytes]
        if len(self._came) <= KEPT and not self._ended:
            self._transport.resume_reading()
        return found

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Raises WriteError where the other side has spoken: httpcore reads what it says then."""
        current.set(self)
        if buffer and not self.speaks:
            self._transport.write(buffer)
            async with _within(timeout, httpcore.WriteTimeout):
                await self.until(lambda: self.speaks or not self._full)
        if self.speaks:
            raise httpcore.WriteError("the other side does not wait for the rest")

    async def aclose(self) -> None:
        self._transport.abort() if self._full else self._transport.close()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.AsyncNetworkStream:
        return self  # it began with that

    def get_extra_info(self, info: str) -> Any:
        return self.speaks if info == "is_readable" else self._transport.get_extra_info(info)


class Lines(httpcore.AsyncNetworkBackend):
    """Makes them, by TLS."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        loop = asyncio.get_running_loop()
        try:
            async with _within(timeout, httpcore.ConnectTimeout):
                _, line = await loop.create_connection(
                    Line, host, port, ssl=self._context, server_hostname=host
                )
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        return line

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@asynccontextmanager
async def _within(timeout: float | None, late: type[Exception]) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(timeout):
            yield
    except TimeoutError as error:
        raise late from error
