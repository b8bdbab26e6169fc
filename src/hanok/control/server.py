"""The HTTP server: uvicorn's, with its doors fair to all who come and an end to every wait on a client.

Some things are different from uvicorn alone.

Connections are taken by us: uvloop takes one from a listening socket each round of its loop, so beside many busy
clients each new one waits for as many rounds as there are others before it. Here all that wait are taken at once.

Requests begin some each round of the loop, those of each token in the order in which they came, and of one user after
another: a client with a thousand requests at once keeps another waiting for one of them, not for all, and has no more
turns by having more tokens. Whose a token is is known when it has been looked at once; before, all that come from one
place have one turn, which goes from token to token.

Whoever sends half a request, or reads no answer, is looked at each second and hung up on in the end. Uvicorn has an end
for idle connections only. So is whoever asks on and on without waiting for answers (pipelining): uvicorn keeps all
requests of a connection that have come, and one that is answered lets more of them in.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import resource
import signal
import socket
import ssl
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from hashlib import blake2b
from typing import Any, TypeVar

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from hanok.base.authority import TLSFolder, host_of
from hanok.base.recent import Recent
from hanok.control.server_settings import ServerSettings

log = logging.getLogger(__name__)

Queue = TypeVar("Queue")
_Waiting = tuple["_Protocol", Any, Any]

TAKEN_EACH_ROUND = 64  # connections; each costs some twenty microseconds
BEGUN_EACH_ROUND = 8  # requests; a short one takes half a millisecond
HEADER_BYTES = (
    64 << 10
)  # of a request's line and headers; tokens and addresses of ours have a few hundred
KNOWN = 4096  # tokens whose users are remembered
AHEAD = 16  # requests of a connection that wait for the answer to an earlier one; clients of the field send none
TOO_FAR = "Too many requests were sent before earlier ones were answered."
LOOK_S = 1.0
DESCRIPTORS = 1 << 16  # that we ask the system for: one a connection
KEPT_DESCRIPTORS = 200  # for files, databases, messages, downloads
_NO_MORE = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


def _first(queues: dict[bytes, Queue]) -> tuple[bytes, Queue]:
    """Take out whose turn it is."""
    whose = next(iter(queues))
    return whose, queues.pop(whose)


class _Turns:
    """Lets requests begin, so many each round of the loop, of each who asks in turn."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: dict[bytes, dict[bytes, deque[_Waiting]]] = {}
        """By who asks, and each one's by token: whose turn is next first."""
        self._left = BEGUN_EACH_ROUND
        self._next_round = False
        self._known: Recent[bytes, bytes] = Recent(KNOWN)
        """Users by their tokens, as those who answered their requests have said."""

    def begin(self, protocol: _Protocol, cycle: Any, app: Any) -> None:
        shown = _shown(cycle.scope)
        whose = self._whose(cycle.scope, shown)
        if shown:
            cycle.scope["hanok.asks"] = partial(self._told, shown)
        if self._left and not self._waiting:
            self._left -= 1
            protocol.begin(cycle, app)
        else:
            theirs = self._waiting.setdefault(whose, {})
            theirs.setdefault(shown, deque()).append((protocol, cycle, app))
        if not self._next_round:
            self._next_round = True
            self._loop.call_soon(self._round)

    def _round(self) -> None:
        self._left, self._next_round = BEGUN_EACH_ROUND, False
        while self._left and self._waiting:
            protocol, cycle, app = self._next()
            if not cycle.disconnected:
                self._left -= 1
                protocol.begin(cycle, app)
        if self._waiting or self._left < BEGUN_EACH_ROUND:
            self._next_round = True
            self._loop.call_soon(self._round)

    def _told(self, shown: bytes, user_id: str) -> None:
        self._known.put(shown, user_id.encode())

    def _whose(self, scope: Any, shown: bytes) -> bytes:
        """Who asks: the user, where the token has been looked at before; else where the request comes from."""
        if (user := self._known.get(shown)) is not None:
            return user
        return str((scope.get("client") or ("",))[0]).encode()

    def _next(self) -> tuple[_Protocol, Any, Any]:
        whose, theirs = _first(self._waiting)
        shown, requests = _first(theirs)
        found: _Waiting = requests.popleft()
        if requests:
            theirs[shown] = requests
        if theirs:
            self._waiting[whose] = theirs
        return found


def _shown(scope: Any) -> bytes:
    """The token of a request, hashed; empty: there is none. Which header decides: see `Request.token_text`."""
    found: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        found.setdefault(name, value)
    token = found.get(b"x-auth-token") or found.get(b"authorization")
    return blake2b(token, digest_size=16).digest() if token else b""


class Sealed:
    """The TLS of a server: its certificate, read anew when it has changed, and whose of its clients' it believes.

    A client may show a certificate of the cloud's authority, and need not: hosts do, browsers do not.
    """

    def __init__(self, folder: TLSFolder) -> None:
        self._folder = folder
        self._loaded_mtime_ns = 0
        self.context = ssl.create_default_context(
            ssl.Purpose.CLIENT_AUTH, cafile=str(folder.authority)
        )
        self.context.verify_mode = ssl.CERT_OPTIONAL
        self.look()

    def look(self) -> None:
        """Take up a certificate that was made anew."""
        try:
            changed = self._folder.certificate.stat().st_mtime_ns
            if changed != self._loaded_mtime_ns:
                self.context.load_cert_chain(self._folder.certificate, self._folder.key)
                self._loaded_mtime_ns = changed
        except OSError as error:
            log.error("the certificate of this process cannot be read: %s", error)


def _certified(transport: Any) -> tuple[str, str]:
    """The host whose certificate a client showed, and the certificate's number in hexadecimal; "" for none."""
    sealed = transport.get_extra_info("ssl_object")
    shown = (sealed.getpeercert() or {}) if sealed is not None else {}
    names = shown.get("subjectAltName", ())
    number = f"{int(str(shown['serialNumber']), 16):x}" if "serialNumber" in shown else ""
    return host_of(str(name) for kind, name in names if kind == "email"), number


class _Counted:
    """A connection's transport, and how many bytes were written to it."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self.written = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: Any) -> None:
        self.written += len(data)
        self._transport.write(data)


class _TooFarAhead(Exception):
    """A client sends requests without waiting for answers; nothing more of it is read."""


class _Protocol(HttpToolsProtocol):
    """One connection, which knows since when it has been waited for."""

    turns: _Turns
    is_sealed: bool
    doors: Mapping[int, int]

    def connection_made(self, transport: Any) -> None:
        self.counted = _Counted(transport)
        super().connection_made(self.counted)  # type: ignore[arg-type]
        now = self.loop.time()
        self.waits_since = now  # for headers, or for the next request
        self.header_bytes = 0
        self.in_headers = True
        self.in_body = False
        self.body_since = self.body_at = now
        self.body_bytes = 0
        self.unread = 0
        self.unread_since = self.taken_since = now
        self.taken = 0

    def data_received(self, data: bytes) -> None:
        now = self.loop.time()
        if self.in_body:
            self.body_at = now
            self.body_bytes += len(data)
        else:
            if not self.in_headers:
                self.in_headers, self.waits_since, self.header_bytes = True, now, 0
            self.header_bytes += len(data)
        super().data_received(data)
        if self.in_headers and self.header_bytes > HEADER_BYTES and not self.transport.is_closing():
            self.send_400_response("Request headers are too large.")

    def on_message_begin(self) -> None:
        if len(self.pipeline) >= AHEAD:
            self.send_400_response(TOO_FAR)
            raise _TooFarAhead
        super().on_message_begin()

    def send_400_response(self, msg: str) -> None:
        if not self.transport.is_closing():  # one refusal is enough
            super().send_400_response(msg)

    def on_headers_complete(self) -> None:
        self.in_headers, self.header_bytes = False, 0
        self.in_body = True
        self.body_since = self.body_at = self.loop.time()
        self.body_bytes = 0
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self.in_body = False
        super().on_message_complete()

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        server = cycle.scope["server"]
        if self.doors and server is not None and server[1] in self.doors:
            cycle.scope["server"] = (server[0], self.doors[server[1]])
        if self.is_sealed:
            # Of this connection, and said by nobody but us: what a client sends are headers.
            cycle.scope["hanok.host"], cycle.scope["hanok.serial"] = _certified(self.transport)
            cycle.scope["hanok.sealed"] = True
        self.turns.begin(self, cycle, app)

    def begin(self, cycle: Any, app: Any) -> None:
        """Begin to answer a request whose turn it is."""
        super()._start_asgi_task(cycle, app)

    @property
    def idle(self) -> bool:
        """Whether nothing is asked here at the moment."""
        return self.cycle is None or bool(self.cycle.response_complete)

    def look(self, now: float, settings: ServerSettings) -> str:
        """Why this connection is hung up on; empty: it is not."""
        if self.transport.is_closing() and not self.transport.get_write_buffer_size():
            return ""
        if settings.answer_idle_s and (why := self._unread(now, settings)):
            return why
        if self.flow.read_paused:  # we are slow, not the client
            self.waits_since = self.body_at = now
            self.body_since += LOOK_S
        if self.in_headers and settings.header_s and now - self.waits_since > settings.header_s:
            return "no whole request came"
        if self.in_body:
            late = now - self.body_at
            if settings.body_idle_s and late > settings.body_idle_s:
                return "the body does not go on"
            past = now - self.body_since
            slow = self.body_bytes < past * settings.body_rate
            if settings.body_idle_s and past > settings.body_idle_s and slow:
                return "the body comes too slowly"
        return ""

    def _unread(self, now: float, settings: ServerSettings) -> str:
        """Why an answer is not waited for any longer; empty: it is."""
        unread = self.transport.get_write_buffer_size()
        taken = self.counted.written - unread
        if unread == 0 or unread != self.unread:
            self.unread, self.unread_since = unread, now
        elif now - self.unread_since > settings.answer_idle_s:
            return "the answer is not read"
        past = now - self.taken_since
        if unread and past > settings.answer_idle_s:
            if taken - self.taken < settings.answer_rate * past:
                return "the answer is read too slowly"
        elif unread:
            return ""
        self.taken, self.taken_since = taken, now
        return ""


class Server(uvicorn.Server):
    """uvicorn's server of one application, with doors of our own and signals left to the process.

    uvicorn's own handling of signals ends the process before its work is put away.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        settings: ServerSettings,
        sealed: Sealed | None = None,
        ending: Callable[[], None] = lambda: None,
        doors: Mapping[int, int] | None = None,
    ) -> None:
        """
        Args:
            doors: ports at which requests are answered as at others, and these others.
            ending: ends answers that last for as long as a client listens; called when no more requests are taken.
        """
        self._ended = asyncio.Event()
        super().__init__(config)
        self._sealed = sealed
        self._ending = ending
        self._doors = dict(doors or {})
        self._settings = settings
        self._listeners: list[socket.socket] = []
        self._opening: set[asyncio.Task[Any]] = set()
        self._maximum = settings.connections or _descriptors() - KEPT_DESCRIPTORS
        self._full_said = -LOOK_S

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and take connections until shutdown."""
        await self.lifespan.startup()
        loop = asyncio.get_running_loop()
        self.servers = []
        self._turns = _Turns(loop)
        for listener in sockets or []:
            listener.setblocking(False)
            listener.listen(self.config.backlog)
            loop.add_reader(listener.fileno(), self._take, loop, listener)
            self._listeners.append(listener)
        self.started = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        loop = asyncio.get_running_loop()
        for listener in self._listeners:
            loop.remove_reader(listener.fileno())
        self._listeners.clear()
        self._ending()
        await super().shutdown(sockets)

    def _take(self, loop: asyncio.AbstractEventLoop, listener: socket.socket) -> None:
        """Take the connections that wait."""
        for _ in range(TAKEN_EACH_ROUND):
            try:
                taken, _ = listener.accept()
            except (BlockingIOError, InterruptedError):
                return
            except ConnectionError:
                continue  # it was there and is gone
            except OSError as error:
                if error.errno not in _NO_MORE:
                    raise
                self._pause(loop, listener, error)
                return
            taken.setblocking(False)
            if taken.family in (socket.AF_INET, socket.AF_INET6):
                taken.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if len(self.server_state.connections) + len(self._opening) >= self._maximum:
                self._drop_longest_idle()
            opening = loop.create_task(self._open(loop, taken))
            self._opening.add(opening)
            opening.add_done_callback(self._opening.discard)

    async def _open(self, loop: asyncio.AbstractEventLoop, taken: socket.socket) -> None:
        try:
            if self._sealed is None:
                await loop.connect_accepted_socket(self._protocol, taken)
            else:
                await loop.connect_accepted_socket(
                    self._protocol,
                    taken,
                    ssl=self._sealed.context,
                    ssl_handshake_timeout=self._settings.header_s or None,
                )
        except (OSError, ValueError):
            taken.close()  # hung up on before it was ours

    def _protocol(self) -> _Protocol:
        made = _Protocol(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        made.turns = self._turns
        made.is_sealed = self._sealed is not None
        made.doors = self._doors
        return made

    def _drop_longest_idle(self) -> None:
        """Hang up on whoever has been idle, or has sent half a request, for longest."""
        idle = [
            one for one in self.server_state.connections if isinstance(one, _Protocol) and one.idle
        ]
        if idle:
            longest = min(idle, key=lambda one: one.waits_since)
            longest.transport.abort()
            self.server_state.connections.discard(longest)

    def _pause(
        self, loop: asyncio.AbstractEventLoop, listener: socket.socket, error: OSError
    ) -> None:
        """No descriptor is left: take nobody for a moment, rather than try again all the time."""
        log.warning("connections are not taken for %.0f s: %s", LOOK_S, error.strerror)
        self._drop_longest_idle()
        loop.remove_reader(listener.fileno())

        def again() -> None:
            if listener in self._listeners:
                loop.add_reader(listener.fileno(), self._take, loop, listener)

        loop.call_later(LOOK_S, again)

    async def main_loop(self) -> None:
        """Look at everybody once a second until this is to end: uvicorn's own wakes ten times as often."""
        while not await self.on_tick(0):
            self._look()
            if self._sealed is not None:
                self._sealed.look()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._ended.wait()

    @property
    def should_exit(self) -> bool:
        """Whether it is to end, as soon as that is said."""
        return self._ended.is_set()

    @should_exit.setter
    def should_exit(self, ending: bool) -> None:
        if ending:
            self._ended.set()

    def _look(self) -> None:
        now = asyncio.get_running_loop().time()
        for connection in list(self.server_state.connections):
            if isinstance(connection, _Protocol) and (why := connection.look(now, self._settings)):
                log.info("closed the connection of %s: %s", connection.client, why)
                connection.transport.abort()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        numbers = (signal.SIGTERM, signal.SIGINT)
        for number in numbers:
            loop.add_signal_handler(number, self._end)
        try:
            yield
        finally:
            for number in numbers:
                loop.remove_signal_handler(number)

    def _end(self) -> None:
        self.should_exit = True


def _descriptors() -> int:
    """How many files and connections this process may have open, once it has asked for many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    requested = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < requested:
        resource.setrlimit(resource.RLIMIT_NOFILE, (requested, hard))
        soft = requested
    return requested if soft == resource.RLIM_INFINITY else soft
