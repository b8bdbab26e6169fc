"""The HTTP server's doors: who waits is taken at once, and whoever keeps us waiting is hung up on."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import Response

from hanok.control.server import AHEAD, BEGUN_EACH_ROUND, TOO_FAR, Server, _Turns
from hanok.control.server_settings import ServerSettings

PATIENT_S = 60.0  # what a test waits for at most; each has a second or three to do


async def _echo(scope: Any, receive: Any, send: Any) -> None:
    body = b""
    async for part in Request(scope, receive).stream():
        body += part
    answer = b"x" * (32 << 20) if scope["path"] == "/much" else body or b"nothing"
    await Response(answer)(scope, receive, send)


@asynccontextmanager
async def serving(settings: ServerSettings, app: Any = _echo) -> AsyncIterator[int]:
    """A server of an application, which says back what it hears unless another is given; its port."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(app, http="httptools", lifespan="off", log_config=None)
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


async def _answer(port: int, sent: bytes = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n") -> bytes:
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
        assert b" 200 " in await _answer(port)


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


async def test_requests_that_wait_for_no_answer_are_few() -> None:
    """What is sent ahead is answered in order; whoever goes on and on is refused, and costs nothing more."""
    begun: list[str] = []

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        begun.append(scope["path"])
        await asyncio.sleep(0.05)
        await Response(scope["path"])(scope, receive, send)

    def requests(count: int) -> bytes:
        return b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % one for one in range(count))

    async with serving(ServerSettings(), slow) as port, asyncio.timeout(PATIENT_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(requests(AHEAD))
        for number in range(AHEAD):
            await reader.readuntil(b"\r\n\r\n")
            assert await reader.readexactly(len(str(number)) + 1) == b"/%d" % number
        writer.close()
        begun.clear()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(requests(AHEAD * 10))
        came = await reader.read()
        assert came.startswith(b"HTTP/1.1 400 ") and came.endswith(TOO_FAR.encode())
        writer.close()
    assert begun == ["/0"]


async def test_an_answer_that_nobody_reads_ends(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    async with serving(ServerSettings(answer_idle_s=0.5)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        writer.write(b"GET /much HTTP/1.1\r\nHost: a\r\n\r\n")
        async with asyncio.timeout(PATIENT_S):
            while "the answer is not read" not in caplog.text:
                await asyncio.sleep(0.1)
        read = 0
        async with asyncio.timeout(PATIENT_S):
            try:
                while part := await reader.read(1 << 16):
                    read += len(part)
            except ConnectionResetError:
                pass
        writer.close()
        assert read < 32 << 20


async def test_an_answer_that_is_read_too_slowly_ends() -> None:
    """Some of it now and then keeps no connection for ever; at the rate that is asked for, all of it comes."""
    settings = ServerSettings(answer_idle_s=1.5, answer_rate=8 << 20)
    async with serving(settings) as port, asyncio.timeout(PATIENT_S):
        for pause_s, whole in ((0.02, False), (0.0, True)):
            with socket.socket() as mine:
                mine.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 10)
                mine.setblocking(False)
                loop = asyncio.get_running_loop()
                await loop.sock_connect(mine, ("127.0.0.1", port))
                await loop.sock_sendall(mine, b"GET /much HTTP/1.1\r\nHost: a\r\n\r\n")
                came = 0
                try:
                    while came < 32 << 20 and (part := await loop.sock_recv(mine, 64 << 10)):
                        came += len(part)
                        await asyncio.sleep(pause_s)
                except ConnectionResetError:
                    pass
                assert (came >= 32 << 20) == whole


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
        assert b" 200 " in await _answer(port)
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
        answers = await asyncio.gather(*(_answer(port) for _ in range(300)))
        assert all(b" 200 " in one for one in answers)


async def test_one_client_with_many_requests_keeps_another_waiting_for_few() -> None:
    begun: list[bytes] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        begun.append(dict(scope["headers"])[b"x-auth-token"])
        await Response(b"")(scope, receive, send)

    async with serving(ServerSettings(), app) as port:
        opened = [await asyncio.open_connection("127.0.0.1", port) for _ in range(201)]
        for number, (_, writer) in enumerate(opened):
            token = "other" if number == 200 else "busy"
            writer.write(f"GET / HTTP/1.1\r\nHost: a\r\nX-Auth-Token: {token}\r\n\r\n".encode())
        async with asyncio.timeout(PATIENT_S):
            while len(begun) < 201:
                await asyncio.sleep(0.01)
        for _, writer in opened:
            writer.close()
    assert begun.index(b"other") < 50


Headers = Sequence[tuple[bytes, bytes]]


class Begun:
    """A connection that notes whose requests begin, and says whose they are, as the house does: "user-number"."""

    def __init__(self) -> None:
        self.order: list[str] = []

    def begin(self, cycle: Any, app: Any) -> None:
        token = dict(cycle.scope["headers"])[b"x-auth-token"].decode()
        user, _, known = token.partition("-")
        self.order.append(user)
        if known:
            cycle.scope["hanok.asks"](user)

    def asks(
        self, turns: Any, *tokens: str, client: str = "192.0.2.1", before: Headers = ()
    ) -> None:
        for token in tokens:
            headers = [*before, (b"x-auth-token", token.encode())]
            scope = {"headers": headers, "client": (client, 1)}
            turns.begin(self, SimpleNamespace(scope=scope, disconnected=False), None)

    async def all_of(self, number: int) -> list[str]:
        async with asyncio.timeout(PATIENT_S):
            while len(self.order) < number:
                await asyncio.sleep(0)
        found, self.order = self.order, []
        return found


async def test_a_user_has_one_turn_however_many_tokens() -> None:
    turns, begun = _Turns(asyncio.get_running_loop()), Begun()
    greedy = [f"greedy-{number}" for number in range(200)]
    begun.asks(turns, *greedy, "modest-1")
    await begun.all_of(201)
    begun.asks(turns, *greedy, "modest-1")
    order = await begun.all_of(201)
    assert order.index("modest") <= BEGUN_EACH_ROUND + 1


async def test_another_header_hides_nobody_s_token() -> None:
    turns, begun = _Turns(asyncio.get_running_loop()), Begun()
    begun.asks(turns, "greedy-1", "modest-1")
    await begun.all_of(2)
    for number in range(200):
        hidden = [(b"authorization", b"Basic %d" % number)]
        begun.asks(turns, "greedy-1", before=hidden)
    begun.asks(turns, "modest-2")  # unknown, from the same place
    order = await begun.all_of(201)
    assert order.index("modest") <= BEGUN_EACH_ROUND + 1


async def test_tokens_that_nobody_knows_have_the_turn_of_where_they_come_from() -> None:
    turns, begun = _Turns(asyncio.get_running_loop()), Begun()
    begun.asks(turns, *(f"forged{number}" for number in range(200)))
    begun.asks(turns, "modest-1", client="192.0.2.2")
    order = await begun.all_of(201)
    assert order.index("modest") <= BEGUN_EACH_ROUND + 1
