"""The HTTP server's doors: who waits is taken at once, and whoever keeps us waiting is hung up on."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import Response

from hanok.control.server import Server
from hanok.control.server_settings import ServerSettings

PATIENT_S = 20.0  # what a test waits for at most; each has a second or three to do


async def _echo(scope: Any, receive: Any, send: Any) -> None:
    body = b""
    async for part in Request(scope, receive).stream():
        body += part
    answer = b"x" * (32 << 20) if scope["path"] == "/much" else body or b"nothing"
    await Response(answer)(scope, receive, send)


@asynccontextmanager
async def serving(settings: ServerSettings) -> AsyncIterator[int]:
    """A server of an application that says back what it hears; its port."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(_echo, http="httptools", lifespan="off", log_config=None)
        server = Server(config, settings)
        async with asyncio.TaskGroup() as group:
            task = group.create_task(server.serve(sockets=[listener]))
            try:
                while not server.started:
                    await asyncio.sleep(0.01)
                yield listener.getsockname()[1]
            finally:
                server.should_exit = True
                await task


async def _asked(port: int, sent: bytes = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n") -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    async with asyncio.timeout(PATIENT_S):
        answer = await reader.readuntil(b"\r\n\r\n")
    writer.close()
    return answer


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET / HT",
        b"GET / HTTP/1.1\r\nHost: a\r\nX-A: ",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHo",
    ],
)
async def test_half_a_request_ends(sent: bytes) -> None:
    async with serving(ServerSettings(header_s=0.5, body_idle_s=0.5)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        async with asyncio.timeout(PATIENT_S):
            try:
                await reader.read()
            except ConnectionResetError:
                pass
        writer.close()
        assert b" 200 " in await _asked(port)


@pytest.mark.parametrize("where", ["headers", "body"])
async def test_a_byte_now_and_then_is_not_enough(where: str) -> None:
    settings = ServerSettings(header_s=1.0, body_idle_s=1.0, body_rate=500)
    async with serving(settings) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = b"POST / HTTP/1.1\r\nHost: a\r\n"
        writer.write(head if where == "headers" else head + b"Content-Length: 100000\r\n\r\n")

        async def ended() -> bool:
            try:
                return not await reader.read(1)
            except ConnectionResetError:
                return True

        async with asyncio.timeout(PATIENT_S), asyncio.TaskGroup() as group:
            end = group.create_task(ended())
            while not end.done():
                writer.write(b"x")
                await asyncio.sleep(0.1)
        assert end.result()
        writer.close()


async def test_an_answer_that_nobody_reads_ends() -> None:
    async with serving(ServerSettings(answer_idle_s=0.5)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        writer.write(b"GET /much HTTP/1.1\r\nHost: a\r\n\r\n")
        await asyncio.sleep(3)
        read = 0
        async with asyncio.timeout(PATIENT_S):
            try:
                while part := await reader.read(1 << 16):
                    read += len(part)
            except ConnectionResetError:
                pass
        writer.close()
        assert read < 32 << 20


async def test_headers_have_an_end() -> None:
    async with serving(ServerSettings()) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nX-A: " + b"a" * (1 << 20))
        async with asyncio.timeout(PATIENT_S):
            try:
                assert b" 400 " in await reader.readuntil(b"\r\n")
            except (ConnectionResetError, asyncio.IncompleteReadError):
                pass  # hung up on before the answer was read
        writer.close()


async def test_when_all_places_are_taken_the_idle_ones_go() -> None:
    async with serving(ServerSettings(connections=5)) as port:
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(30)]
        assert b" 200 " in await _asked(port)
        for _, writer in held:
            writer.close()


async def test_who_is_patient_and_honest_is_served() -> None:
    async with serving(ServerSettings(header_s=2.0, body_idle_s=2.0, body_rate=2)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 30\r\n\r\n")
        for _ in range(6):
            await asyncio.sleep(0.5)
            writer.write(b"12345")
        async with asyncio.timeout(PATIENT_S):
            assert (await reader.readuntil(b"12345" * 6)).startswith(b"HTTP/1.1 200")
        writer.close()


async def test_many_at_once_are_all_served() -> None:
    async with serving(ServerSettings()) as port:
        answers = await asyncio.gather(*(_asked(port) for _ in range(300)))
        assert all(b" 200 " in one for one in answers)
