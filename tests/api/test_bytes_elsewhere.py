"""A control process whose images and objects are beside another one: it passes on what needs their bytes."""

from __future__ import annotations

import asyncio
import datetime
import hashlib
import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvloop
from starlette.types import Scope

from hanok.base import authority
from hanok.base.authority import Authority, TLSFolder
from hanok.control.forwarding import Forwarder
from hanok.store import Database
from hanok.web.app import Application
from hanok.web.proxy import FrontSettings
from tests.cloud import running
from tests.ports import free_port

NOW = datetime.datetime.now(datetime.UTC)


class Keeper:
    """Somebody with bytes: an HTTP server that says what it was asked, and takes and gives bytes as they are."""

    def __init__(self, tls: TLSFolder) -> None:
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        self.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Kept: yes\r\n\r\nok"
        self._context = authority.server_context(tls)
        self._context.verify_mode = ssl.CERT_OPTIONAL
        self.port = 0

    @asynccontextmanager
    async def there(self, port: int = 0) -> AsyncIterator[None]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", port, ssl=self._context)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
            method, path, _ = head[0].split()
            headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            self.requests.append((method, path, headers, body))
            writer.write(self.answer)
            await writer.drain()
        writer.close()


@pytest.fixture
def tls(tmp_path: Path) -> TLSFolder:
    signs, folder = Authority.new("hanok 3f2a1c", NOW), TLSFolder(tmp_path / "tls")
    key = folder.ensure_key()
    folder.put(folder.authority, signs.certificate)
    folder.put(folder.certificate, signs.for_engine(key, "control", ["127.0.0.1"], NOW))
    return folder


def ours(forwarder: Forwarder) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app=forwarder, client=("10.0.0.9", 1)),
        base_url="https://10.0.0.2:5000",
    )


def forwarder(tls: TLSFolder, port: int) -> Forwarder:
    return Forwarder(f"https://127.0.0.1:{port}", lambda: authority.trust(tls.path))


async def test_bytes_go_both_ways_as_they_are(tls: TLSFolder) -> None:
    keeper, data = Keeper(tls), os.urandom(3_000_000)
    big = hashlib.sha256(data).hexdigest()
    keeper.answer = (
        b"HTTP/1.1 206 Partial\r\nContent-Length: %d\r\nX-Kept: yes\r\n\r\n" % len(data) + data
    )
    async with keeper.there():
        one = forwarder(tls, keeper.port)
        async with ours(one) as client:
            headers = {"X-Auth-Token": "t", "Range": "bytes=0-", "Connection": "keep-alive"}
            path = "/image/v2/a%2Fb?x=%20y"
            answer = await client.put(path, content=data, headers=headers)
        await one.close()
    assert (answer.status_code, answer.headers["x-kept"]) == (206, "yes")
    assert hashlib.sha256(answer.content).hexdigest() == big
    ((method, path, headers, body),) = keeper.requests
    assert (method, path, hashlib.sha256(body).hexdigest()) == (
        "PUT",
        "/image/v2/a%2Fb?x=%20y",
        big,
    )
    assert (headers["host"], headers["x-auth-token"], headers["range"]) == (
        "10.0.0.2:5000",
        "t",
        "bytes=0-",
    )


def test_on_the_loop_that_serves(tls: TLSFolder) -> None:
    data = os.urandom(2_000_000)

    async def conversation() -> None:
        keeper = Keeper(tls)
        keeper.answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(data) + data
        async with keeper.there():
            one = forwarder(tls, keeper.port)
            async with ours(one) as client:
                answer = await client.put("/image/v2/a", content=data)
            await one.close()
        assert (answer.status_code, answer.content == data) == (200, True)
        assert keeper.requests[0][3] == data

    uvloop.run(conversation())


async def test_one_that_starts_is_waited_for_and_one_that_is_away_is_named(
    tls: TLSFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    keeper, one = Keeper(tls), forwarder(tls, port)
    async with ours(one) as client:
        request = asyncio.ensure_future(client.get("/image/v2/images"))
        await asyncio.sleep(0.5)
        async with keeper.there(port):
            assert (await request).text == "ok"
        monkeypatch.setattr("hanok.control.forwarding.AGAIN_S", 0.3)
        answer = await client.get("/image/v2/images")
        assert answer.status_code == 503 and answer.headers["retry-after"]
        assert "127.0.0.1, which keeps these bytes" in answer.text
    await one.close()


def asking(method: str = "GET", path: bytes = b"/image", **more: Any) -> Scope:
    scope: Scope = {
        "type": "http", "method": method, "path": path.decode("latin-1"), "raw_path": path, "query_string": b"",
        "headers": [(b"host", b"cloud:5000")], "server": ("127.0.0.1", 5000), "client": ("10.0.0.9", 1),
    }  # fmt: skip
    return {**scope, **more}


class Asker:
    """A client of ours as a server shows it: it sends pieces, and leaves when it is told to."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = list(pieces)
        self.left = asyncio.Event()
        self.told: list[Any] = []
        self.first = asyncio.Event()

    async def receive(self) -> Any:
        if self.pieces:
            piece = self.pieces.pop(0)
            return {"type": "http.request", "body": piece, "more_body": bool(self.pieces)}
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.told.append(message)
        self.first.set()
        await asyncio.sleep(0)

    @property
    def status(self) -> int:
        return int(self.told[0]["status"])


async def test_what_comes_back_to_who_passed_it_on_goes_no_further(tls: TLSFolder) -> None:
    asker = Asker(b"")
    scope = asking(headers=[(b"x-hanok-passed-on", b"1")])
    await forwarder(tls, 1)(scope, asker.receive, asker.send)
    assert asker.status == 503


ODD_LINES = (
    (b"/v1/AUTH_a/c/x/../../d/./y", b"", "/v1/AUTH_a/c/x/../../d/./y"),
    (b"//v1//AUTH_a/c/", b"", "//v1//AUTH_a/c/"),
    (b'/v1/a/c/%2e%2e/%2F%00|^"', b"a=%zz&&b=[]|", '/v1/a/c/%2e%2e/%2F%00|^"?a=%zz&&b=[]|'),
    (b"/v1/a/c/o", b"q=\xc3\xa9", "/v1/a/c/o?q=%C3%A9"),
    (b"/v1/" + b"a" * 60000, b"", "/v1/" + "a" * 60000),
)


async def test_names_of_objects_are_passed_on_as_they_were_written(tls: TLSFolder) -> None:
    """Dots in a name are a part of it: the object would be another one, and a signature that of another."""
    keeper = Keeper(tls)
    async with keeper.there():
        one = forwarder(tls, keeper.port)
        for path, query, expected in ODD_LINES:
            asker = Asker(b"")
            await one(asking(path=path, query_string=query), asker.receive, asker.send)
            assert (asker.status, keeper.requests[-1][1]) == (200, expected)
        await one.close()


async def test_odd_headers_are_those_of_who_sends_them(tls: TLSFolder) -> None:
    """The other machine is not away because of them."""
    keeper = Keeper(tls)
    async with keeper.there():
        one = forwarder(tls, keeper.port)
        for headers, status in (
            ([(b"host", b"c"), (b"x-a", b"b\t ")], 200),
            ([(b"host", b"c"), (b"host", b"d")], 400),
        ):
            asker = Asker(b"")
            await one(asking(headers=headers), asker.receive, asker.send)
            assert asker.status == status
        await one.close()
    assert keeper.requests[0][2]["x-a"] == "b"


async def test_nothing_is_asked_that_the_client_did_not(tls: TLSFolder) -> None:
    """Cookies of one are not another's, and who takes no compressed answer is given none."""
    keeper = Keeper(tls)
    keeper.answer = (
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nSet-Cookie: a=b\r\nDate: now\r\n\r\nok"
    )
    async with keeper.there():
        one = forwarder(tls, keeper.port)
        for _ in range(2):
            asker = Asker(b"")
            await one(asking(), asker.receive, asker.send)
        await one.close()
    assert set(keeper.requests[1][2]) == {"host", "x-hanok-passed-on"}
    assert b"date" not in dict(asker.told[0]["headers"])  # the server beside us says it


async def test_a_certificate_in_a_header_is_believed_from_a_proxy_only(tls: TLSFolder) -> None:
    keeper = Keeper(tls)
    front = FrontSettings(proxies=("10.0.0.5",), client_certificate_header="X-Client-Cert")
    origin, headers = "https://127.0.0.1:{}", [(b"host", b"c"), (b"x-client-cert", b"MII=")]
    async with keeper.there():
        trust = lambda: authority.trust(tls.path)  # noqa: E731
        one = Forwarder(origin.format(keeper.port), trust, front=front)
        for peer in ("10.0.0.9", "10.0.0.5"):
            asker = Asker(b"")
            scope = asking(headers=headers, client=(peer, 1))
            await one(scope, asker.receive, asker.send)
        await one.close()
    assert ["x-client-cert" in request[2] for request in keeper.requests] == [False, True]


class Endless(Keeper):
    """One that answers without an end, or not at all, and knows when it is hung up on."""

    silent = False

    def __init__(self, tls: TLSFolder) -> None:
        super().__init__(tls)
        self.left = asyncio.Event()
        self.came = asyncio.Event()
        self.there_now = 0

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.there_now += 1
        try:
            await reader.readuntil(b"\r\n\r\n")
            self.came.set()
            if self.silent:
                await reader.read()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n")
            while not reader.at_eof():
                writer.write(bytes(100_000))
                await writer.drain()
                await asyncio.sleep(0)
        except ConnectionError:
            pass
        finally:
            self.there_now -= 1
            self.left.set()
            writer.close()


@pytest.mark.parametrize("silent", [False, True])
async def test_who_hangs_up_is_answered_no_longer(tls: TLSFolder, silent: bool) -> None:
    """Whoever asks for a large image and leaves would have it carried to the end, for nobody."""
    keeper, asker = Endless(tls), Asker(b"")
    keeper.silent = silent
    async with keeper.there(), asyncio.timeout(60):
        one = forwarder(tls, keeper.port)
        passing = asyncio.ensure_future(one(asking(), asker.receive, asker.send))
        await (keeper.came if silent else asker.first).wait()
        asker.left.set()
        await passing
        await keeper.left.wait()
        await one.close()


async def test_who_leaves_in_the_middle_of_a_body_leaves_nothing(tls: TLSFolder) -> None:
    keeper, asker = Endless(tls), Asker(b"abc", b"")
    keeper.silent = True
    headers = [(b"host", b"c"), (b"content-length", b"1000")]
    scope = asking("PUT", headers=headers)
    asker.pieces.pop()  # the rest does not come

    async def receive() -> Any:
        return {**(await asker.receive()), "more_body": True}

    async with keeper.there(), asyncio.timeout(60):
        one = forwarder(tls, keeper.port)
        passing = asyncio.ensure_future(one(scope, receive, asker.send))
        await keeper.came.wait()
        asker.left.set()
        await passing
        await keeper.left.wait()
        assert not asker.told
        await one.close()


class Early(Keeper):
    """One that answers when it has the headers: that it takes the body, or that it does not."""

    first = b""

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            self.requests.append(("", "", {}, await reader.readuntil(b"\r\n\r\n")))
            writer.write(self.first or b"HTTP/1.1 401 No\r\nContent-Length: 2\r\n\r\nno")
            if self.first:
                body = await reader.readexactly(3)
                writer.write(b"HTTP/1.1 201 Made\r\nContent-Length: 3\r\n\r\n" + body)
            await reader.read()
        writer.close()


@pytest.mark.parametrize("trickles", [False, True])
async def test_what_is_refused_is_not_sent_to_its_end(tls: TLSFolder, trickles: bool) -> None:
    """It would go twice over the wire, and hold a connection for as long as the client cares to send."""
    keeper, asker = Early(tls), Asker(b"a", b"")

    async def receive() -> Any:
        if trickles and asker.pieces.pop(0) == b"":
            await asyncio.Event().wait()
        await asyncio.sleep(0.001)
        return {"type": "http.request", "body": bytes(100_000), "more_body": True}

    async with keeper.there(), asyncio.timeout(60):
        one = forwarder(tls, keeper.port)
        headers = [(b"host", b"c"), (b"content-length", b"100000000000")]
        await one(asking("PUT", headers=headers), receive, asker.send)
        await one.close()
    assert (asker.status, asker.told[1]["body"]) == (401, b"no")
    # Hung up on while it sends, it would hardly see the answer: the server throws the rest away.
    assert b"connection" not in dict(asker.told[0]["headers"])


@pytest.mark.parametrize("first", [b"", b"HTTP/1.1 100 Continue\r\n\r\n"])
async def test_who_asks_whether_to_send_a_body_is_told_by_who_takes_it(
    tls: TLSFolder, first: bytes
) -> None:
    keeper, asker = Early(tls), Asker(b"abc")
    keeper.first = first
    async with keeper.there(), asyncio.timeout(60):
        one = forwarder(tls, keeper.port)
        headers = [(b"host", b"c"), (b"content-length", b"3"), (b"expect", b"100-continue")]
        received: list[str] = []

        async def receive() -> Any:  # a server tells the client to go on with this
            received.append("asked" if not asker.told else "afterwards")
            return await asker.receive()

        await one(asking("PUT", headers=headers), receive, asker.send)
        await one.close()
    assert asker.status == (201 if first else 401)
    assert ("asked" in received) is bool(first)
    assert (b"connection" in dict(asker.told[0]["headers"])) is not bool(first)


async def test_each_has_a_share_of_what_is_passed_on(
    tls: TLSFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hanok.control.forwarding.SHARE", 2)
    monkeypatch.setattr("hanok.control.forwarding.TURN_S", 0.2)
    keeper = Endless(tls)
    keeper.silent = True
    async with keeper.there(), asyncio.timeout(60):
        one = forwarder(tls, keeper.port)

        def ask(token: bytes) -> tuple[Asker, asyncio.Future[None]]:
            asker = Asker(b"")
            scope = asking(headers=[(b"host", b"c"), (b"x-auth-token", token)])
            return asker, asyncio.ensure_future(one(scope, asker.receive, asker.send))

        greedy = [ask(b"a") for _ in range(4)]
        await asyncio.gather(*(passing for _, passing in greedy[2:]))
        assert [asker.status for asker, _ in greedy[2:]] == [503, 503]
        another, passing = ask(b"b")
        while keeper.there_now < 3:
            await asyncio.sleep(0.01)
        for asker, _ in [*greedy, (another, passing)]:
            asker.left.set()
        await asyncio.gather(passing, *(passing for _, passing in greedy))
        await one.close()
    assert not one._shares


async def test_a_path_in_another_spelling_is_answered_there_too(tls: TLSFolder) -> None:
    """//image is image here as well: data would go into a folder of this machine, where nobody looks."""

    async def nobody(text: str) -> None:
        return None

    keeper = Keeper(tls)
    app = Application([], database=Database("sqlite://"), authenticate=nobody)
    async with keeper.there():
        one = forwarder(tls, keeper.port)
        app.delegate(one, "/image")
        for path in (b"/image", b"/image/v2", b"//image/v2", b"///image"):
            asker = Asker(b"")
            await app(asking(path=path), asker.receive, asker.send)
        await one.close()
    assert [request[1] for request in keeper.requests] == [
        "/image",
        "/image/v2",
        "//image/v2",
        "///image",
    ]


async def test_a_further_control_process_says_who_is_away_as_the_service_does(
    tls: TLSFolder, tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hanok.control.forwarding.AGAIN_S", 0.1)
    where = f"https://127.0.0.1:{free_port()}"
    values: dict[str, Any] = {"files_at": where, "began_on": "first", "began_at": "10.0.0.1"}
    async with running(tmp_path, database=database_url, tls=str(tls.path), **values) as cloud:
        admin = await cloud.sign_in()
        answer = await admin("GET", "/image/v2/images", status=503)
        assert answer.headers["content-type"].startswith("text/html")
        assert "which keeps these bytes" in answer.text
        request = {"Accept": "application/json"}
        answer = await admin("GET", "/image/v2/images", headers=request, status=503)
        assert answer.json()["code"] == "503 Service Unavailable"
        await admin("GET", "/compute/v2.1/servers", status=200)
