"""What is asked of bytes that are beside another control process is asked of that one, and its answer passed on.

Both ways byte by byte, in pieces, as they come: nothing is kept here. Who asks is who asked us: the token and all
headers go along, and the other process looks at them as at anybody's.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from starlette.types import Message, Receive, Scope, Send

from hanok.base.errors import BadInput, HanokError, Unavailable
from hanok.base.ids import new_request_id
from hanok.web import faults
from hanok.web.proxy import FrontSettings

if TYPE_CHECKING:
    import ssl

    import httpcore

log = logging.getLogger(__name__)

AT_ONCE = 2048  # a connection each, and one of the client's beside it
SHARE = 128  # of these, for each who asks
REACH_S, SILENT_S = 3.0, 300.0
AGAIN_S, PAUSE_S = 8.0, 0.2  # a process that ended is started anew within some seconds
KEPT_S = 5.0  # a connection that nobody uses; the other process hangs up after more
TURN_S = 10.0  # for one of the connections to be free
PASSED = (
    b"x-hanok-passed-on"  # once: two that each think the other has the bytes would go on for ever
)
_HOP = frozenset(
    (
        *(b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"upgrade"),
        b"transfer-encoding",
    )
)
_NOT_TOLD = _HOP | {b"date"}  # our own server says it
_PLAIN = "".join(map(chr, range(0x21, 0x7F)))  # what may stand in a request's line as it is


class Away(Exception):
    """The other process did not answer, or not to the end."""


class Gone(Exception):
    """The client hung up."""


class Unfit(Exception):
    """What was asked is nothing that can be said again."""


class TooMany(Exception):
    """Who asks has his share."""


def at_port(origin: str, port: int) -> str:
    """The same machine's other port."""
    host = urlsplit(origin).hostname or ""
    return f"https://{f'[{host}]' if ':' in host else host}:{port}"


class Forwarder:
    """An ASGI application."""

    def __init__(
        self,
        origin: str,
        context: Callable[[], ssl.SSLContext],
        *,
        fault: faults.Fault = faults.identity,
        front: FrontSettings | None = None,
    ) -> None:
        """
        Args:
            origin: where the other process answers, "https://10.0.0.1:5000". context: whom this one believes there.
            fault: the form in which this one says that the other is away. front: the proxies that we believe.
        """
        self._origin = origin
        self._context = context
        self._fault = fault
        self._front = front
        self._line: httpcore.AsyncConnectionPool | None = None
        self._shares: dict[bytes, _Share] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        client = _Client(scope, receive, send)
        try:
            if any(name == PASSED for name, _ in scope["headers"]):
                raise Away("it was passed on already")
            await self._watched(client)
        except Gone:
            log.info("%s %s: the client closed the connection", scope["method"], scope["path"])
        except Away as error:
            log.warning("%s %s is not passed on: %s", scope["method"], scope["path"], error)
            away = f"The machine {self._host}, which keeps these bytes, does not answer."
            await self._say(client, Unavailable(away, retry_after_s=5))
        except TooMany:
            many = f"{SHARE} requests for bytes are answered to you at this moment."
            await self._say(client, Unavailable(many, retry_after_s=5))
        except Unfit as error:
            await self._say(client, BadInput(f"The request is not valid HTTP: {error}"))

    @property
    def _host(self) -> str:
        return urlsplit(self._origin).hostname or ""

    async def close(self) -> None:
        if self._line is not None:
            await self._line.aclose()

    def _lines(self) -> httpcore.AsyncConnectionPool:
        """Made when it is first needed: it takes a start's time."""
        if self._line is None:
            import httpcore

            from hanok.control.lines import Lines

            context = self._context()
            self._line = httpcore.AsyncConnectionPool(
                ssl_context=context,
                max_connections=AT_ONCE,
                max_keepalive_connections=16,
                keepalive_expiry=KEPT_S,
                network_backend=Lines(context),
            )
        return self._line

    async def _watched(self, client: _Client) -> None:
        """Pass a request on for as long as the client is there.

        Raises:
            Gone: it hung up. Otherwise as _pass.
        """
        passing = asyncio.ensure_future(self._in_turn(client))
        leaving = asyncio.ensure_future(client.leaves())
        try:
            await asyncio.wait((passing, leaving), return_when=asyncio.FIRST_COMPLETED)
            if not passing.done() and not client.has_all:
                raise Gone
            await passing
        finally:
            for one in (passing, leaving):
                one.cancel()
            await asyncio.gather(passing, leaving, return_exceptions=True)

    async def _in_turn(self, client: _Client) -> None:
        """Raises TooMany: who asks has his share of the connections, and none ended in time. As _pass."""
        async with self._share(client.whose):
            await self._pass(client)

    @asynccontextmanager
    async def _share(self, whose: bytes) -> AsyncIterator[None]:
        share = self._shares.setdefault(whose, _Share())
        share.users += 1
        try:
            try:
                async with asyncio.timeout(TURN_S):
                    await share.free.acquire()
            except TimeoutError:
                raise TooMany from None
            try:
                yield
            finally:
                share.free.release()
        finally:
            share.users -= 1
            if not share.users:
                del self._shares[whose]

    async def _pass(self, client: _Client) -> None:
        """One that has begun and breaks is hung up on.

        Raises:
            Away: there is no answer. Unfit
        """
        import httpcore

        # Nothing was sent: it may be starting. What only looks is asked again as well, where it ended meanwhile.
        again: tuple[type[Exception], ...] = (httpcore.ConnectError,)
        if client.only_looks:
            again = (httpcore.NetworkError, httpcore.RemoteProtocolError)
        until = asyncio.get_running_loop().time() + AGAIN_S
        while True:
            try:
                answer = await self._lines().handle_async_request(self._request(client))
                break
            except httpcore.LocalProtocolError as error:
                raise Unfit(str(error)) from error
            except (
                httpcore.NetworkError,
                httpcore.TimeoutException,
                httpcore.ProtocolError,
            ) as error:
                late = asyncio.get_running_loop().time() > until
                if late or not isinstance(error, again):
                    raise Away(f"{type(error).__name__}: {error}") from error
                await asyncio.sleep(PAUSE_S)
        client.leave_body()
        try:
            await _answer(answer, client)
        finally:
            with suppress(Exception):
                await asyncio.shield(answer.aclose())

    def _request(self, client: _Client) -> httpcore.Request:
        """The same for the other process: its line as it came, as names of objects have dots and slashes in them."""
        import httpcore

        scope = client.scope
        query = scope["query_string"]
        target = (scope.get("raw_path") or quote(scope["path"]).encode()) + (
            b"?" + query if query else b""
        )
        wait = {"connect": REACH_S, "read": SILENT_S, "write": SILENT_S, "pool": TURN_S}
        return httpcore.Request(
            scope["method"],
            self._origin,
            headers=self._headers(client),
            content=client.body() if client.sends else b"",
            extensions={"target": quote(target, safe=_PLAIN).encode(), "timeout": wait},
        )

    def _headers(self, client: _Client) -> list[tuple[bytes, bytes]]:
        """What is said to the other process: what the client said, but for what is between it and us."""
        scope, left_out = client.scope, _HOP
        if self._front is not None and not self._front.is_believed((scope["client"] or ("",))[0]):
            # There we are who asks, and may be believed: that is not for everybody to use.
            left_out |= {self._front.client_certificate_header.lower().encode()}
        kept = [
            (name, value.strip(b" \t"))
            for name, value in scope["headers"]
            if name.lower() not in left_out
        ]
        names = {name for name, _ in kept}
        if b"host" not in names:
            kept.append((b"host", urlsplit(self._origin).netloc.encode()))
        if client.sends and b"content-length" not in names:
            kept.append((b"transfer-encoding", b"chunked"))
        return [*kept, (PASSED, b"1")]

    async def _say(self, client: _Client, error: HanokError) -> None:
        request_id = new_request_id()
        requested = faults.FaultContext(request_id=request_id, accept=client.accept)
        response = faults.answer(self._fault, error, requested)
        response.headers["x-openstack-request-id"] = request_id
        if client.sends:
            response.headers["Connection"] = "close"
        await response(client.scope, client.receive, client.send)


class _Share:
    """What one who asks has under way."""

    def __init__(self) -> None:
        self.free = asyncio.Semaphore(SHARE)
        self.users = 0


class _Client:
    """Whoever asks us: what comes from there, and whether it is there still.

    expects: it asks before it sends a body. no_more: it was told that nothing of it follows. has_all: of the answer.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope, self.receive, self.send = scope, receive, send
        names = {name for name, _ in scope["headers"]}
        self.sends = bool(names & {b"content-length", b"transfer-encoding"})
        self.expects = self._is_asking = self.sends and b"expect" in names
        self.has_all = False
        self.no_more = False
        self._left_alone = asyncio.Event()  # nobody reads the body any longer
        if not self.sends:
            self._left_alone.set()

    @property
    def whose(self) -> bytes:
        """Who asks, as far as that is known before anybody has looked: the token, the key, or where it comes from."""
        for name, value in self.scope["headers"]:
            if name == b"x-auth-token":
                return bytes(value)
            if name == b"authorization":  # each request of S3 is signed anew
                return bytes(value).partition(b"/")[0]
        return str((self.scope.get("client") or ("",))[0]).encode()

    @property
    def accept(self) -> str:
        """In which form it takes an answer."""
        found = [value for name, value in self.scope["headers"] if name == b"accept"]
        return b",".join(found).decode("latin-1")

    @property
    def only_looks(self) -> bool:
        return self.scope["method"] in ("GET", "HEAD") and not self.sends

    async def body(self) -> AsyncIterator[bytes]:
        """Raises Gone."""
        try:
            while not self.no_more:
                message = await self._next()
                if message["type"] != "http.request":
                    raise Gone
                self.no_more = not message.get("more_body")
                if message.get("body"):
                    yield message["body"]
        finally:
            self.leave_body()

    async def _next(self) -> Message:
        """What comes next from the client, unless the other process answers before.

        Raises:
            WriteError: it has; httpcore reads the answer then.
        """
        import httpcore

        from hanok.control.lines import current

        line = current.get()
        assert line is not None  # it has the headers already
        if (
            self._is_asking
        ):  # whether to send the body: what receives says to the client that it may
            self._is_asking = False
            with suppress(TimeoutError):
                async with asyncio.timeout(TURN_S):
                    await line.until(lambda: line.continues or line.speaks)
            if line.speaks:
                raise httpcore.WriteError("it was answered")
        coming = asyncio.ensure_future(self.receive())
        answer = asyncio.ensure_future(line.until(lambda: line.speaks))
        try:
            await asyncio.wait((coming, answer), return_when=asyncio.FIRST_COMPLETED)
            if line.speaks:
                raise httpcore.WriteError("it was answered")
            return await coming
        finally:
            for one in (coming, answer):
                one.cancel()
            await asyncio.gather(coming, answer, return_exceptions=True)

    def leave_body(self) -> None:
        """Nobody reads it any longer, whether it has ended or not."""
        self._left_alone.set()

    async def leaves(self) -> None:
        """Wait until it has hung up; what is left of a body that nobody reads is thrown away meanwhile."""
        await self._left_alone.wait()
        while (message := await self.receive())["type"] != "http.disconnect":
            if (
                self.no_more
            ):  # it was said before that nothing follows: this one does not tell when it leaves
                await asyncio.Event().wait()
            self.no_more = not message.get("more_body")


async def _answer(answer: httpcore.Response, client: _Client) -> None:
    raw = [(name.lower(), value) for name, value in answer.headers]
    headers = [one for one in raw if one[0] not in _NOT_TOLD]
    if client.expects and not client.no_more:  # it may send the body all the same, or not
        headers.append((b"connection", b"close"))
    await client.send({"type": "http.response.start", "status": answer.status, "headers": headers})
    async for piece in answer.aiter_stream():
        await client.send({"type": "http.response.body", "body": piece, "more_body": True})
    client.has_all = True
    await client.send({"type": "http.response.body", "body": b"", "more_body": False})
