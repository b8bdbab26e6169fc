"""The door: one ASGI application that serves every room.

    path → service → token → microversion → route → handler → answer

Each answer carries the request id and the service's version headers; each error leaves through `faults`, in the form of
the service that was asked. Before it serves, the tables are compared: a route without an access rule, or with one that
nobody defined, keeps the house from starting.
"""

from __future__ import annotations

import asyncio
import logging
import random
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import TypeVar

from starlette.requests import ClientDisconnect
from starlette.requests import Request as StarletteRequest
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from hanok.base import behalf
from hanok.base.errors import (
    BadInput,
    Forbidden,
    HanokError,
    NotAcceptable,
    NotFound,
    NotSignedIn,
    Raced,
    Refused,
    Unavailable,
)
from hanok.base.ids import new_request_id
from hanok.base.log import request_id as current_request_id
from hanok.base.patterns import BadPattern, path_pattern
from hanok.base.pieces import Pieces
from hanok.events import Outbox
from hanok.store import Database, Duplicate
from hanok.web import faults
from hanok.web.microversions import Version
from hanok.web.names import Names
from hanok.web.policy import Enforcer
from hanok.web.proxy import FrontSettings
from hanok.web.request import InParts, Request
from hanok.web.routes import PUBLIC, SIGNED_IN, Route, Router, Service, parameter_names
from hanok.web.token import Authenticate, Token
from hanok.web.versions import Query

RACES = 9  # times that a request is tried again because others changed the same
SENT_AT_ONCE = 128 << 10  # bytes: about what a socket takes without waiting

log = logging.getLogger(__name__)
Result = TypeVar("Result")


class MisbuiltHouse(Exception):
    """The tables contradict each other; said at start, before anything is served."""


class _Mounted:
    """A service with its router and rules in force."""

    def __init__(self, service: Service, enforcer: Enforcer) -> None:
        """
        Raises:
            MisbuiltHouse: its tables contradict each other; of a table that is loaded later, `paths` raises it.
        """
        self.service = service
        self.enforcer = enforcer
        if not callable(service.routes):
            _ = self.paths

    def load(self) -> None:
        """Have all that answers requests."""
        self.enforcer.load()
        _ = self.paths

    @cached_property
    def paths(self) -> _Paths:
        """What its routes are, loaded by the first request at the latest."""
        routes = self.service.routes
        table = routes() if callable(routes) else routes
        check_tables(self.service.kind, table, self.enforcer)
        return _paths(_Same(table), self.service.query_closed)


class _Same:
    """A route table as a key: the same one, not one like it."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self.routes = routes

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.routes is other.routes

    def __hash__(self) -> int:
        return id(self.routes)


class _Paths:
    """What is worked out of a route table, whoever serves it."""

    def __init__(self, routes: Sequence[Route], closed: Version | None) -> None:
        self.router = Router(routes)
        self.names = {route.path: parameter_names(route.path) for route in routes}
        self.queries = {id(route): _query_of(route, closed) for route in routes}


@lru_cache(maxsize=16)  # a process of tests mounts the same services again and again
def _paths(table: _Same, closed: Version | None) -> _Paths:
    return _Paths(table.routes, closed)


def _query_of(route: Route, closed: Version | None) -> Query | None:
    """A route's declaration of its query; None where whatever was sent is passed on.

    closed: the version from which on unknown parameters are refused, if there is one.
    """
    if closed is not None:
        query = route.query if isinstance(route.query, Query) else Query(*route.query)
        return query.closed_from(closed)
    return route.query if isinstance(route.query, Query) else None


class Application:
    """All services behind one port."""

    def __init__(
        self,
        services: Sequence[Service],
        *,
        database: Database,
        authenticate: Authenticate,
        front: FrontSettings | None = None,
        names: Names | None = None,
        events: Outbox | None = None,
        loaded: bool = False,
    ) -> None:
        """
        Args:
            authenticate: identity's check of a token.
            front: the proxies that are believed, if there are any.
            names: what the cloud is called.
            events: where what happened is written; None: it is not told.
            loaded: whether a service is there with all that answers its requests once it is mounted.
        """
        self.database = database
        self._authenticate = authenticate
        self._front = front
        self._names = names
        self._events = events
        self._loaded = loaded
        self._pages: dict[str, ASGIApp] = {}
        self._mounts: dict[str, _Mounted] = {}
        self._enforcers: dict[str, Enforcer] = {}
        self._of: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {}
        self._off: dict[str, str] = {}
        self._ports: dict[int, tuple[str, _Mounted | None]] = {}
        self._delegated: dict[str, tuple[str, ASGIApp]] = {}
        self._delegated_ports: dict[int, ASGIApp] = {}
        for service in services:
            self.mount(service.kind, service)

    def mount(
        self,
        name: str,
        service: Service,
        pages: Mapping[str, ASGIApp] | None = None,
        *,
        own_port: int = 0,
    ) -> None:
        """Serve a service from now on.

        Args:
            name: to unmount it by. pages: ASGI applications by first path segment, for what is no API (consoles).
            own_port: where it answers everything.

        Raises:
            MisbuiltHouse: its tables contradict each other.
        """
        kind = service.kind
        enforcer = Enforcer(kind, service.rules, later=callable(service.routes))
        mounted = _Mounted(service, enforcer)
        if self._loaded:
            mounted.load()
        self._enforcers[kind] = enforcer
        self._mounts.update(dict.fromkeys(service.mounts, mounted))
        self._pages.update(pages or {})
        if own_port:
            self._ports[own_port] = (name, mounted)
        self._of[name] = (service.mounts, tuple(pages or ()))
        self._off = {first: off for first, off in self._off.items() if off != name}

    def unmount(self, name: str) -> None:
        """Serve a service no more, if it is served; requests under way are answered."""
        mounts, pages = self._of.pop(name, ((), ()))
        for mount in mounts:
            del self._mounts[mount]
        for page in pages:
            del self._pages[page]
        for port, (other, _) in self._ports.items():
            if other == name:
                self._ports[port] = (name, None)

    def switched_off(self, name: str, first: str, *, own_port: int = 0) -> None:
        """Say of a service that it is switched off, and not of what it has that it is not there.

        Args:
            first: segment of its paths. own_port: where all paths are its own.
        """
        if own_port:
            self._ports[own_port] = (name, None)
        else:
            self._off[first] = name

    def delegate(self, app: ASGIApp, path: str = "", *, own_port: int = 0) -> None:
        """Have another process answer for a path and all below it, or for a port, whatever is mounted there.

        Args:
            path: "/image"; one for each first segment.
        """
        if own_port:
            self._delegated_ports[own_port] = app
        else:
            self._delegated[path.split("/")[1]] = (path, app)

    def _of_another(self, scope: Scope) -> ASGIApp | None:
        """Who answers in place of this process."""
        server = scope.get("server")
        if server is not None and server[1] in self._delegated_ports:
            return self._delegated_ports[server[1]]
        if server is not None and server[1] in self._ports:
            return None
        path = "/" + scope["path"].lstrip("/")  # as it is read here, too
        prefix, app = self._delegated.get(path[1:].partition("/")[0], ("", None))
        return app if path == prefix or path.startswith(f"{prefix}/") else None

    @property
    def enforcers(self) -> Mapping[str, Enforcer]:
        """The rules in force of each service."""
        return self._enforcers

    def enforcer(self, kind: str) -> Enforcer:
        """The rules of a service in force."""
        return self._enforcers[kind]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        if self._delegated and (other := self._of_another(scope)) is not None:
            await other(scope, receive, send)
            return
        if self._ports and scope["server"] is not None and scope["server"][1] in self._ports:
            await self._at_own_port(scope, receive, send)
            return
        path: str = scope["path"]
        first, _, rest = path.lstrip("/").partition("/")
        page = self._pages.get(first)
        if page is not None:
            await page(scope, receive, send)
        elif scope["type"] == "http":
            response: Response | None
            if first in self._off:
                response = _switched_off(self._off[first])
                _said_early(scope, response)
            elif first in self._mounts:
                response = await self._answer(scope, receive, self._mounts[first], first, rest)
            else:
                response = await self._answer(
                    scope, receive, self._mounts[""], "", path.lstrip("/")
                )
            if response is not None:
                await _sent(response, scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})

    async def _at_own_port(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A request that one service answers, whatever it asks for."""
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        name, mounted = self._ports[scope["server"][1]]
        response: Response | None
        if mounted is None:
            response = _switched_off(name)
            _said_early(scope, response)
        else:
            response = await self._answer(scope, receive, mounted, "", scope["path"])
        if response is not None:
            await _sent(response, scope, receive, send)

    async def _answer(
        self, scope: Scope, receive: Receive, mounted: _Mounted, mount: str, path: str
    ) -> Response | None:
        service = mounted.service
        http = StarletteRequest(scope, receive)
        request_id = scope.get("hanok.request_id") or new_request_id()  # named by work of ours
        mark = current_request_id.set(request_id)
        request = Request(
            http,
            request_id=request_id,
            service=service,
            mount=mount,
            database=self.database,
            enforcer=mounted.enforcer,
            enforcers=self._enforcers,
            front=self._front,
            names=self._names,
            events=self._events,
        )
        try:
            if service.whole is not None:
                response = await self._whole(request, service, path)
            else:
                response = await self._handle(request, mounted, path)
        except HanokError as error:
            if not isinstance(error, Refused) or error.detail:
                log.warning("%s %s: %s %s", http.method, path, error.message, error.detail)
            response = faults.answer(service.fault, error, _fault_context(request))
        except ClientDisconnect:
            return None
        except OverflowError as error:
            log.info("%s %s: a number out of range: %s", http.method, path, error)
            response = faults.answer(
                service.fault,
                BadInput("Invalid input: a value is out of range."),
                _fault_context(request),
            )
        except Exception:  # an outermost loop: a fault of ours is one request's
            log.exception("%s %s failed", http.method, path)
            response = service.fault(
                500, "", faults.unexpected(request_id), _fault_context(request), {}
            )
        finally:
            current_request_id.reset(mark)
        if service.whole is not None and request.repeatable:
            _said_early(scope, response)
        headers = response.headers
        headers["x-openstack-request-id"] = request_id
        if service.request_id_header:
            headers[service.request_id_header] = request_id
        bare = request.route is not None and request.route.path in service.unversioned
        if service.microversions is not None and not bare:
            version = request.microversion
            if version == (0, 0):
                version = service.microversions.minimum
            for name, value in service.microversions.headers(version).items():
                headers[name] = value
            for name, since in service.header_since.items():
                if version < since and name in headers:
                    del headers[name]
        if service.kind == "identity":
            headers["Vary"] = "X-Auth-Token"
        if http.method == "HEAD" and hasattr(response, "body"):
            response.body = b""
        return response

    async def _whole(self, request: Request, service: Service, path: str) -> Response:
        """What a service answers that looks at everything but the token by itself."""
        assert service.whole is not None
        token = await self._authenticate(request.token_text) if request.token_text else None
        if token is not None and request.may_use(token):
            _is_of(request, token)
            if token.access_rules is not None:
                check_access_rules(token, service.kind, request.method, path)
        whole = service.whole
        return await tried(lambda: whole(request, service.room), lambda: request.repeatable)

    async def _handle(self, request: Request, mounted: _Mounted, path: str) -> Response:
        service = mounted.service
        if "\0" in path or b"%00" in request.http.scope["query_string"]:
            raise BadInput("The address contains the character NUL.")
        segments = path.removesuffix("/").split("/")
        nameless = not service.trailing_slash and path.endswith("/") and len(segments) > 1
        named = ""
        older = bool(service.older) and segments[0] == service.older and len(segments) > 1
        request.is_older = older
        if older:
            segments[0] = service.optional_project
        if (
            service.optional_project
            and len(segments) > 2
            and segments[0] == service.optional_project
            and _PROJECT.fullmatch(segments[1])
        ):
            named = segments.pop(1)
        if service.respelled:
            segments[:2] = [service.respelled.get(one, one) for one in segments[:2]]
        found = None if nameless else mounted.paths.router.find(segments)
        if found is None and service.implied and not nameless:
            found = mounted.paths.router.find([segments[0], service.implied, *segments[1:]])
        token_text = request.token_text
        method = "GET" if request.method == "HEAD" else request.method
        candidates = (found[0].get(request.method) or found[0].get(method)) if found else None
        public = candidates is not None and candidates[0].rules[0] == PUBLIC
        if token_text:
            token = await self._authenticate(token_text)
            if token is not None and request.may_use(token):
                _is_of(request, token)
        if request._token is None and not public:
            if found is None and service.kind == "identity":
                raise NotFound("The resource could not be found.")
            raise NotSignedIn(
                "The request you have made requires authentication.",
                headers={"WWW-Authenticate": f'Keystone uri="{request.origin}"'},
            )
        if named and request._token is not None and request._token.project_id != named:
            raise BadInput("Malformed request URL: it names another project than the token's.")
        if service.microversions is not None:
            legacy = service.microversions.legacy_header
            request.microversion = service.microversions.negotiate(
                None if older else request.headers.get("openstack-api-version"),
                request.headers.get(legacy) if legacy and not older else None,
            )
        if found is None:
            raise NotFound("The resource could not be found.")
        by_method, values = found
        if candidates is None and service.method_is_part:
            raise NotFound("The resource could not be found.")
        if candidates is None:
            raise service.no_method(
                "The method is not allowed for this resource.",
                headers={"Allow": ", ".join(sorted(by_method))},
            )
        route = await self._choose(request, candidates)
        if service.offers and method == "GET" and not public:
            _check_accept(service, request.headers.get("accept", ""))
        request.route = route
        request.path = dict(zip(mounted.paths.names[route.path], values, strict=True))
        if request._token is not None and request._token.access_rules is not None and not public:
            check_access_rules(request._token, service.kind, request.method, f"/{path}")
        if service.guards_authority and request._token is not None and not public:
            _check_delegation(request._token, route)
        request.hold_query(mounted.paths.queries[id(route)])
        response = await tried(
            lambda: route.handler(request, service.room), lambda: request.repeatable
        )
        _as_before(response, route, request.microversion)
        if not request.was_checked and route.rules[0] not in (PUBLIC, SIGNED_IN):
            raise RuntimeError(f"{route.method} {route.path} answered without looking at its rules")
        return response

    @staticmethod
    async def _choose(request: Request, candidates: list[Route]) -> Route:
        """The route among those of one path and method: by body key and microversion."""
        version = request.microversion
        serving = [
            route
            for route in candidates
            if (route.minimum is None or version >= route.minimum)
            and (route.maximum is None or version <= route.maximum)
            and (not route.experimental or _knows_experimental(request))
        ]
        if any(route.body_key for route in candidates):
            body = await request.json()
            keys = list(body) if isinstance(body, dict) else []
            keyed = [route for route in candidates if route.body_key in keys]
            if len(keys) != 1 or not keyed:
                name = f" {keys[0]}" if len(keys) == 1 else ""
                raise BadInput(
                    f"There is no such action:{name}"
                    if name
                    else "The request body must have exactly one action."
                )
            serving = [route for route in serving if route.body_key in keys]
        if not serving:
            raise candidates[0].outside("The resource could not be found.")
        return serving[0]


def _knows_experimental(request: Request) -> bool:
    """Whether the client says that it knows what it asks for to be experimental."""
    sent = request.headers.get(request.service.experimental, "")
    return sent.strip().lower() in ("true", "1", "t", "yes", "y", "on")


async def tried(work: Callable[[], Awaitable[Result]], may_again: Callable[[], bool]) -> Result:
    """What some work comes to; it is done again when another request changed the same at that moment.

    Args:
        may_again: whether it can be: nothing of it is written, and all that it reads can be read again.

    Raises:
        Raced, Duplicate: it cannot, or was too often.
    """
    for number in range(RACES):
        try:
            return await work()
        except (Raced, Duplicate):
            if not may_again():
                raise
            # Not all at the same moment again.
            await asyncio.sleep(random.uniform(0, 0.02 * (number + 1)))  # noqa: S311
    return await work()


def _said_early(scope: Scope, response: Response) -> None:
    """Who was not told to send the body may send it all the same, or not: nothing can come behind this answer."""
    if any(name == b"expect" for name, _ in scope["headers"]):
        response.headers["Connection"] = "close"


def _switched_off(name: str) -> Response:
    request_id = new_request_id()
    error = Unavailable(f"The service {name} is switched off.", retry_after_s=60)
    response = faults.answer(faults.identity, error, faults.FaultContext(request_id=request_id))
    response.headers["x-openstack-request-id"] = request_id
    return response


def _fault_context(request: Request) -> faults.FaultContext:
    version = None if request.microversion == (0, 0) else request.microversion
    return faults.FaultContext(
        request_id=request.id, version=version, accept=request.headers.get("accept", "")
    )


def _as_before(response: Response, route: Route, version: Version) -> None:
    """The status that a success had in older versions."""
    if route.status_before is not None and response.status_code < 300:
        since, status = route.status_before
        if version < since:
            response.status_code = status


_PROJECT = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def check_tables(kind: str, routes: Sequence[Route], enforcer: Enforcer) -> None:
    """Compare a service's routes with its access rules.

    Raises:
        MisbuiltHouse: a route has no rule, or one that nobody defined.
    """
    for route in routes:
        if not route.rules:
            raise MisbuiltHouse(f"{kind}: {route.method} {route.path} has no access rule")
        for rule in route.rules:
            if rule not in (PUBLIC, SIGNED_IN) and not enforcer.knows(rule):
                raise MisbuiltHouse(f"{kind}: {route.path} names an unknown rule: {rule}")


def _is_of(request: Request, token: Token) -> None:
    """It is known now who asks."""
    request._token = token
    behalf.project.set(token.project_id or "")
    if (told := request.http.scope.get("hanok.asks")) is not None:
        told(token.user_id)


def _check_delegation(token: Token, route: Route) -> None:
    """The one gate: a delegated token makes or widens no authority, whatever the endpoint.

    A token from an EC2 key is for other services only; here it can be looked at and ended, no more.
    """
    if not token.delegated or route.delegated == "always":
        return
    kind = token.delegation
    closed = kind == "ec2" or kind in route.closed_to
    if route.method in ("GET", "HEAD") and not closed:
        return
    unrestricted = kind == "application_credential" and not token.application_credential_restricted
    opened = {
        "": False,
        "unrestricted": unrestricted,
        "bounded": unrestricted or kind in ("trust", "oauth1"),
        "trust": kind == "trust",
    }
    if closed or not opened[route.delegated]:
        raise Forbidden(f"A token from {_FROM[kind]} may not change identities or rights.")


_FROM = {
    "application_credential": "an application credential",
    "trust": "a trust",
    "oauth1": "an OAuth access token",
    "ec2": "an EC2 key",
}


def _check_accept(service: Service, accept: str) -> None:
    """Raises NotAcceptable when the caller takes nothing of what the service offers."""
    if faults.preferred(accept, service.offers) is None:
        raise NotAcceptable(f"Only {', '.join(service.offers)} is provided")


def check_access_rules(token: Token, kind: str, method: str, path: str) -> None:
    """Hold a request against the access rules of the application credential it came with."""
    for service, requested_method, pattern in token.access_rules or ():
        if service == kind and requested_method == method and _fits(pattern, path):
            return
    raise Forbidden("The application credential's access rules do not allow this request.")


def _pieces_of(parts: Sequence[bytes | bytearray]) -> Iterator[bytes]:
    """What is sent at once, of each part."""
    for part in parts:
        whole = memoryview(part)
        for at in range(0, len(part), SENT_AT_ONCE):
            yield bytes(whole[at : at + SENT_AT_ONCE])


async def _sent(response: Response, scope: Scope, receive: Receive, send: Send) -> None:
    """Send an answer; a long one in pieces, as fast as the client takes it."""
    body: bytes = getattr(response, "body", b"")
    parts = response.parts if isinstance(response, InParts) else [body]
    if len(body) == sum(map(len, parts)) <= SENT_AT_ONCE or scope["method"] == "HEAD":
        await response(scope, receive, send)
        return
    start = {"type": "http.response.start", "status": response.status_code}
    await send({**start, "headers": response.raw_headers})
    pieces = Pieces()
    for piece in _pieces_of(parts):
        await send({"type": "http.response.body", "body": piece, "more_body": True})
        if pieces.enough:
            await pieces.rest()
    await send({"type": "http.response.body", "body": b"", "more_body": False})
    if response.background is not None:
        await response.background()


def _fits(pattern: str, path: str) -> bool:
    try:
        return path_pattern(pattern).fullmatch(path)
    except BadPattern:
        return False  # no path of ours is so long that this could be a refusal of what was meant


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
