"""What answers under /dashboard: the page and its files, the session, the stream of news, and the way to the APIs."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from urllib.parse import unquote, urlsplit

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from hanok.base.errors import Unavailable
from hanok.services.dashboard import rights, signin, through
from hanok.services.dashboard.files import Files, shown
from hanok.services.dashboard.room import Dashboard
from hanok.services.dashboard.sessions import PATH, Session
from hanok.services.dashboard.streams import Stream, TooManyStreams
from hanok.web.token import Authenticate

log = logging.getLogger(__name__)

GUARDS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
        "font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
FILES = {  # nothing of a page: half a hundred of them come with the first one
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
}
MARK = "x-hanok-dashboard"  # a header that no page of another origin can send; it says for which scope a page asks
WITHIN = (
    "x-hanok-project"  # a request is done in this project of the same user, not in the session's
)
PROJECT = re.compile(r"[0-9a-f]{1,64}", re.ASCII)
LOOK_S = 15.0  # how long a stream goes on after its rights have gone
NOT_FOR_BROWSERS = ("dashboard", "console", "bytes")

Door = Callable[[Request], Awaitable[Response]]


class Refusal(Exception):
    """A request that is not answered."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message

    def answer(self) -> Response:
        return JSONResponse(
            {"error": {"code": self.status, "title": self.code, "message": self.message}},
            self.status,
        )


class Pages:
    """The ASGI application of the room."""

    def __init__(self, room: Dashboard, authenticate: Authenticate) -> None:
        self._room = room
        self._authenticate = authenticate
        self._files = Files()
        self._session_doors: dict[str, Door] = {
            "GET": self._who,
            "POST": self._sign_in,
            "PUT": self._change_scope,
            "DELETE": self._sign_out,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["path"].startswith(f"{PATH}/api/"):
            await self._to_api(scope, receive, send)
            return
        request = Request(scope, receive)
        response = await _answered(self._answer(request))
        if response is not None:
            await _guarded(response, scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        path = request.scope["path"].removeprefix(PATH).strip("/")
        if path == "session":
            door = self._session_doors.get(request.method)
            if door is None:
                raise Refusal(405, "methodNotAllowed", f"{request.method} is not allowed here.")
            _check_origin(request, marked=True)
            return await door(request)
        if path == "rights" and request.method == "POST":
            _check_origin(request, marked=True)
            return await self._rights(request)
        if path == "password" and request.method == "POST":
            _check_origin(request, marked=True)
            return await signin.change_password(self._room, request)
        if request.method not in ("GET", "HEAD"):
            raise Refusal(405, "methodNotAllowed", f"{request.method} is not allowed here.")
        if path == "events" and request.method == "GET":
            _check_origin(request, marked=False)
            return await self._events(request)
        packs = "gzip" in request.headers.get("accept-encoding", "")
        if path.startswith("files/"):
            found = self._files.answer(path.partition("/")[2].partition("/")[2], packs=packs)
            if found is None:
                raise Refusal(404, "notFound", "There is no such file.")
            found.headers.update(FILES)
            return found
        return shown(self._files.page(), "no-cache", packs=packs)

    # ---- the session ----

    async def _who(self, request: Request) -> Response:
        return await signin.who(self._room, request, self._session(request))

    async def _sign_in(self, request: Request) -> Response:
        return await signin.sign_in(self._room, request, self._session(request))

    async def _change_scope(self, request: Request) -> Response:
        return await signin.change_scope(self._room, request, self._signed_in(request))

    async def _sign_out(self, request: Request) -> Response:
        return await signin.sign_out(self._room, request, self._session(request))

    def _session(self, request: Request) -> Session | None:
        return self._room.sessions.opened(request.headers.get("cookie", ""))

    def _signed_in(self, request: Request) -> Session:
        session = self._session(request)
        if session is None:
            raise Refusal(401, "sessionEnded", "The session has ended. Sign in again.")
        return session

    async def _rights(self, request: Request) -> Response:
        token = await self._authenticate(self._signed_in(request).token)
        if token is None:
            raise Refusal(401, "sessionEnded", "The session has ended. Sign in again.")
        return await rights.answer(self._room, request, token)

    # ---- the APIs ----

    async def _to_api(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            session, path, port = self._let_through(request)
            token = await self._token(request, session)
        except Refusal as refused:
            await _guarded(refused.answer(), scope, receive, send)
        except Unavailable as error:
            await _guarded(_unavailable(error), scope, receive, send)
        else:
            await through.passed_on(self._room.door, scope, receive, send, path, token, port=port)

    async def _token(self, request: Request, session: Session) -> str:
        """The session's token, or one of the same user for the other project that a request names.

        Raises:
            Refusal
        """
        project_id = request.headers.get(WITHIN)
        if project_id is None:
            return session.token
        if not PROJECT.fullmatch(project_id):
            raise Refusal(400, "badRequest", f"{WITHIN} is not a valid id of a project.")
        status, token = await signin.within(self._room, request, session, project_id)
        if status == 201:
            return token
        if status >= 500:
            raise Refusal(503, "unavailable", "Identity does not answer. Try again.")
        if await self._authenticate(session.token) is None:
            raise Refusal(401, "sessionEnded", "The session has ended. Sign in again.")
        raise Refusal(403, "notThere", "You have no role in this project.")

    def _let_through(self, request: Request) -> tuple[Session, str, int]:
        """Whose request it is, and its path and port at the front door.

        Raises:
            Refusal; Unavailable: the cloud's key cannot be read.
        """
        _check_origin(request, marked=True)
        session = self._signed_in(request)
        if request.headers[MARK] != session.scope:
            raise Refusal(
                409,
                "scopeChanged",
                "This browser works in another project now. Load the page again.",
            )
        return session, *self._where(request)

    def _where(self, request: Request) -> tuple[str, int]:
        """The path of a request at the front door, and the port where the service has one of its own."""
        raw: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
        whole = raw.decode("ascii", "replace").partition("?")[0]
        path = whole.removeprefix(f"{PATH}/api")
        first, _, rest = path.removeprefix("/").partition("/")
        meant = unquote(
            path
        )  # as the front door reads it: escapes and further slashes hide nothing
        if whole == path or "�" in path or meant.lstrip("/").partition("/")[0] in NOT_FOR_BROWSERS:
            raise Refusal(404, "notFound", "There is no such API.")
        if request.method == "POST" and meant.rstrip("/").endswith("/auth/tokens"):
            raise Refusal(404, "notFound", "A session already has a token, and cannot show it.")
        for name, port in self._room.house.names.ports.items():
            entries = [one.type for one in self._shown(name)]
            if first in entries:
                return f"/{rest}", port
        return path, 0

    def _shown(self, name: str) -> list[signin.CatalogEntry]:
        room = self._room.house.rooms.get(name)
        return [] if room is None else room.shown()

    # ---- news ----

    async def _events(self, request: Request) -> Response:
        session = self._signed_in(request)
        if request.query_params.get("scope") != session.scope:
            raise Refusal(409, "scopeChanged", "This browser works in another project now.")
        token = await self._authenticate(session.token)
        if token is None:
            raise Refusal(401, "sessionEnded", "The session has ended. Sign in again.")
        everything = self._room.hears_everything(token)
        try:
            stream = self._room.streams.open(token.user_id, token.project_id, everything=everything)
        except TooManyStreams:
            raise Refusal(429, "tooMany", "Too many live pages are open.") from None
        return _Live(self._told(stream, session), lambda: self._room.streams.close(stream))

    async def _told(self, stream: Stream, session: Session) -> AsyncIterator[bytes]:
        yield b"retry: 2000\nevent: again\ndata: {}\n\n"
        looked_s = self._room.clock.monotonic_s()
        while not stream.ended:
            said = await stream.next(timeout_s=LOOK_S)
            if self._room.clock.monotonic_s() - looked_s >= LOOK_S or not said:
                looked_s = self._room.clock.monotonic_s()
                if not await self._still_hears(stream, session):
                    yield b"event: ended\ndata: {}\n\n"
                    return
            yield said or b": still here\n\n"

    async def _still_hears(self, stream: Stream, session: Session) -> bool:
        """Whether a stream goes on; what it may hear is decided anew."""
        token = await self._authenticate(session.token)
        if token is not None:
            stream.everything = self._room.hears_everything(token)
        return token is not None


class _Live(StreamingResponse):
    """A stream of news. It is closed whenever its answer ends, also where that was before its first word."""

    def __init__(self, said: AsyncIterator[bytes], closed: Callable[[], None]) -> None:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(said, media_type="text/event-stream", headers=headers)
        self._closed = closed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._closed()


async def _answered(answer: Awaitable[Response]) -> Response | None:
    """An answer, or why there is none; None: nobody waits for it any more."""
    try:
        return await answer
    except Refusal as refused:
        return refused.answer()
    except Unavailable as error:
        return _unavailable(error)
    except ClientDisconnect:
        return None


def _unavailable(error: Unavailable) -> Response:
    return Refusal(503, "unavailable", error.message).answer()


async def _guarded(response: Response, scope: Scope, receive: Receive, send: Send) -> None:
    if "Content-Security-Policy" not in response.headers:
        response.headers.update(GUARDS)
    await response(scope, receive, send)


def _check_origin(request: Request, *, marked: bool) -> None:
    """Whether a request comes from a page of ours.

    Args:
        marked: whether it has to carry the header that pages of other origins cannot send.

    Raises:
        Refusal
    """
    origin, host = request.headers.get("origin"), request.headers.get("host", "")
    foreign = origin is not None and not _is_ours(origin, host, request.url.scheme)
    site = request.headers.get("sec-fetch-site", "same-origin")
    if foreign or site not in ("same-origin", "none") or (marked and MARK not in request.headers):
        raise Refusal(403, "otherOrigin", "Only pages of this dashboard may send this request.")


def _is_ours(origin: str, host: str, scheme: str) -> bool:
    """Whether an Origin header names where a request came to; under TLS no page that came in the clear does."""
    try:
        found = urlsplit(origin)
    except ValueError:
        return False
    # A proxy may speak TLS before us; what it speaks to us is no reason to refuse its pages.
    return found.netloc == host and (scheme != "https" or found.scheme == "https")
