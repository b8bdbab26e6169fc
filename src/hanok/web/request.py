"""One request, as handlers see it."""

from __future__ import annotations

import hmac
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeVar
from urllib.parse import parse_qsl, quote

import msgspec
from starlette.requests import Request as StarletteRequest
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from hanok.base.errors import BadInput, Forbidden, TooLarge, UnsupportedType
from hanok.base.pieces import Pieces
from hanok.events import Event, Outbox, noun_of
from hanok.store import Database, Transaction
from hanok.web.microversions import Version
from hanok.web.names import Names, host_of
from hanok.web.pages import capped
from hanok.web.policy import Enforcer
from hanok.web.proxy import FrontSettings, certificate, thumbprint
from hanok.web.routes import Route, Service
from hanok.web.token import Caller, Token
from hanok.web.versions import Query, Shape, View, newest

DEEPEST = 100  # arrays and objects in each other; what is kept is written out again, by code that recurses
MAXIMUM_PARAMETERS = (
    256  # of a query: clients that ask by many ids cut their addresses at 8 KiB, 200 ids or so
)
BODY_LIMIT = 1 << 20  # bytes of a JSON body; image data is read as a stream instead

EVERYWHERE = "context_is_admin"  # the rule that says who reaches the things of all projects, in every service

T = TypeVar("T")
FEW = 100  # items of a list that are written in one go
_encoder = msgspec.json.Encoder()
_encode = _encoder.encode
_decode = msgspec.json.Decoder().decode


def _member(body: Any, key: str, *, alone: bool) -> Any:
    """What stands under a key of a body.

    Args:
        alone: whether nothing else may stand there.

    Raises:
        BadInput: it has no such key, or another one.
    """
    if not isinstance(body, dict) or key not in body:
        raise BadInput(f"Invalid input: the body needs the key '{key}'.")
    if alone and (odd := [name for name in body if name != key]):
        raise BadInput(
            f"Invalid input: Additional properties are not allowed ('{odd[0][:100]}' was unexpected)"
        )
    return body[key]


class Request:
    """A request with its caller, its route and the database.

    path: the parameters of the path by name. query: the last value of each query parameter.
    is_older: whether it came by the address for clients from before microversions (`Service.older`).
    """

    __slots__ = (
        "_allowed",
        "_base_url",
        "_body",
        "_changes",
        "_enforcers",
        "_events",
        "_front",
        "_http",
        "_made",
        "_names",
        "_origin",
        "_parameters",
        "_query",
        "_token",
        "_told",
        "database",
        "enforcer",
        "id",
        "is_older",
        "microversion",
        "mount",
        "path",
        "repeatable",
        "route",
        "service",
    )

    def __init__(
        self,
        http: StarletteRequest,
        *,
        request_id: str,
        service: Service,
        mount: str,
        database: Database,
        enforcer: Enforcer,
        enforcers: Mapping[str, Enforcer] | None = None,
        front: FrontSettings | None = None,
        names: Names | None = None,
        events: Outbox | None = None,
    ) -> None:
        self._http = http
        self._names = names
        self.id = request_id
        self.service = service
        self.mount = mount
        self.database = database
        self.enforcer = enforcer
        self._enforcers = enforcers or {}
        self._front = front
        self.microversion: Version = (0, 0)
        self.is_older = False
        self.path: dict[str, str] = {}
        self.route: Route | None = None
        self._token: Token | None = None
        self._allowed = False
        self._body: bytes | None = None
        self._query: list[tuple[str, str]] | None = None
        self._parameters: list[tuple[str, str]] | None = None
        self._origin = self._base_url = ""
        self.repeatable = True
        self._events = events
        self._made: dict[tuple[str, str], tuple[str, Mapping[str, Any] | None]] = {}
        self._changes = True
        self._told = False

    # ---- the caller ----

    @property
    def token(self) -> Token:
        """The caller; only for routes that want a token."""
        assert self._token is not None, "this route is public"
        return self._token

    @property
    def optional_token(self) -> Token | None:
        return self._token

    def sign_in(self, token: Token) -> None:
        """The caller, where a service knows them by more than the text of a token: by a signature, say."""
        self._token = token

    @property
    def token_text(self) -> str:
        """The token that was sent, as it was sent; empty: none.

        X-Auth-Token is OpenStack's own header and decides where it is there; clients of OAuth 2.0 send
        "Authorization: Bearer". Any token of ours may come either way.
        Source: RFC 6750, section 2.1; RFC 9110, section 11.1 (a scheme's name is not case-sensitive).
        """
        text = self.headers.get("x-auth-token", "")
        if text:
            return text
        scheme, _, rest = self.headers.get("authorization", "").partition(" ")
        return rest.strip() if scheme.lower() == "bearer" else ""

    @property
    def client_certificate(self) -> bytes | None:
        """The certificate (DER) that the client showed to the proxy in front of us; None: none, or nobody to say so.

        Raises:
            BadInput: the proxy passes what is none.
        """
        peer = self._http.client
        if self._front is None or peer is None or not self._front.is_believed(peer.host):
            return None
        return certificate(self._http.headers.getlist(self._front.client_certificate_header))

    @property
    def certified_host(self) -> str:
        """The host of this cloud whose certificate the client showed us; "" for none."""
        return str(self._http.scope.get("hanok.host") or "")

    @property
    def certified_serial(self) -> str:
        """The number of that certificate, in hexadecimal as the authority's rows have it; "" for none."""
        return str(self._http.scope.get("hanok.serial") or "")

    @property
    def caller(self) -> tuple[dict[str, str], str]:
        """What another service is asked with in the caller's name: headers, and the address that they came from."""
        names = ["x-auth-token", "authorization"]
        if self._front is not None:
            names.append(self._front.client_certificate_header)
        peer = self._http.client
        headers = {name: self.headers[name] for name in names if name in self.headers}
        return headers, "" if peer is None else peer.host

    def may_use(self, token: Token) -> bool:
        """Whether the client has the certificate that a token is bound to, if it is bound to one.

        Raises:
            BadInput: the proxy passes what is none.
        """
        if not token.thumbprint:
            return True
        shown = self.client_certificate
        return shown is not None and hmac.compare_digest(thumbprint(shown), token.thumbprint)

    @property
    def own(self) -> dict[str, str | None]:
        """The target of a rule that upstream asks without one: it is the caller's own."""
        return {"project_id": self.token.project_id, "user_id": self.token.user_id}

    def allow(
        self, rule: str = "", target: Mapping[str, Any] | None = None, /, **fields: Any
    ) -> None:
        """Go on only if the caller may do this to the target.

        Args:
            rule: one of the route's rules; the first one when left out.
            target, fields: the target's attributes as upstream's rules name them, from the database only.

        Raises:
            Forbidden: the caller may not.
        """
        if not self.may(rule, target, **fields):
            name = rule or self._first_rule()
            raise Forbidden(f"Policy doesn't allow {name} to be performed.")

    def may(
        self, rule: str = "", target: Mapping[str, Any] | None = None, /, **fields: Any
    ) -> bool:
        """Whether the caller may; looking counts as having asked."""
        self._allowed = True
        whole = {**target, **fields} if target else fields
        return self.enforcer.allows(rule or self._first_rule(), whole, self.token.credentials)

    def reaching(self, service: str = "") -> Caller:
        """Who asks, for decisions: whether they reach what is other projects' is said by the rules.

        Args:
            service: another service that is to look with this caller's eyes: its own rules say it then.
        """
        enforcer = self._enforcers[service] if service else self.enforcer
        token = self.token
        return Caller(
            user_id=token.user_id,
            project_id=token.project_id,
            everywhere=enforcer.allows(EVERYWHERE, {}, token.credentials),
        )

    def may_at(self, service: str, rule: str, target: Mapping[str, Any]) -> bool:
        """Whether another service's rules let the caller; no: where it is switched off."""
        enforcer = self._enforcers.get(service)
        return enforcer is not None and enforcer.allows(rule, target, self.token.credentials)

    def allowed_by_hand(self) -> None:
        """Say that this route's rule does not fit one check (each item of a list is looked at, say)."""
        self._allowed = True

    @property
    def was_checked(self) -> bool:
        return self._allowed

    def _first_rule(self) -> str:
        assert self.route is not None
        return self.route.rules[0]

    # ---- what was sent ----

    @property
    def method(self) -> str:
        return self._http.method

    @property
    def headers(self) -> Mapping[str, str]:
        return self._http.headers

    @property
    def http(self) -> StarletteRequest:
        return self._http

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """The query as it was sent, in order, repeated names and all."""
        if self._query is None:
            raw = self._http.scope["query_string"]
            if not raw:
                self._query = []
            else:
                if raw.count(b"&") >= MAXIMUM_PARAMETERS:
                    raise BadInput(f"A query has at most {MAXIMUM_PARAMETERS} parameters.")
                try:
                    self._query = parse_qsl(
                        raw.decode("ascii"), keep_blank_values=True, errors="strict"
                    )
                except ValueError as error:
                    raise BadInput("The query string is not valid.") from error
        return self._query

    @property
    def parameters(self) -> list[tuple[str, str]]:
        """What of the query this version of the route knows, in order; all of it without a declaration."""
        return self.pairs if self._parameters is None else self._parameters

    @property
    def query(self) -> dict[str, str]:
        return dict(self.parameters)

    def query_all(self, name: str) -> list[str]:
        return [value for key, value in self.parameters if key == name]

    def hold_query(self, query: Query | None) -> None:
        """Hold the query against a declaration; from here on, only what that knows is seen.

        Raises:
            BadInput: see `Query.read`.
        """
        if query is not None and self._http.scope["query_string"]:
            self._parameters = query.read(self.parameters, self.microversion)

    async def raw(self, limit: int = BODY_LIMIT) -> bytes:
        """The body, whole.

        Raises:
            TooLarge: more than limit bytes.
        """
        if self._body is None:
            if capped(self.headers.get("content-length") or "0") > limit:
                raise TooLarge("Request is too large.")
            parts: list[bytes] = []
            size = 0
            async for part in self._http.stream():
                size += len(part)
                if size > limit:
                    raise TooLarge("Request is too large.")
                parts.append(part)
            self._body = b"".join(parts)
        return self._body

    async def json(self) -> Any:
        """The body as plain values.

        Raises:
            BadInput: no JSON, or no body. UnsupportedType: another content type.
        """
        if self.service.typed and not self.headers.get("content-type"):
            if await self.raw():
                raise BadInput("content-type header required when content-length > 0")
            raise UnsupportedType("The media type None is not supported, use application/json")
        kind = (self.headers.get("content-type") or "application/json").partition(";")[0].strip()
        if kind and kind not in self.service.media_types:
            raise UnsupportedType(f"Unsupported Content-Type: {kind}")
        if (coding := self.headers.get("content-encoding", "identity").lower()) != "identity":
            raise UnsupportedType(f"Unsupported Content-Encoding: {coding[:64]}")
        raw = await self.raw()
        if not raw:
            raise BadInput("A JSON body is required.")
        if b"\\u0000" in raw:
            raise BadInput("Malformed request body: a text contains the character NUL.")
        try:
            value = _decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise BadInput(f"Malformed request body: {error}") from None
        if raw.count(b"[") + raw.count(b"{") > DEEPEST and _deeper(value, DEEPEST):
            raise BadInput(f"Malformed request body: it is nested more than {DEEPEST} levels deep.")
        return value

    async def body(self, kind: type[T], *, key: str = "") -> T:
        """The body as a Struct, checked: unknown keys, wrong types, wrong sizes are refused.

        Args:
            key: the single top-level key that holds the Struct; empty when the Struct is the whole body.
        """
        value = await self.json()
        if key:
            value = _member(value, key, alone=self.service.alone)
        return convert(newest(value, kind, self.microversion), kind)

    def shown(self, shape: Shape) -> View:
        """How this request's version shows a kind of answer."""
        return shape.at(self.microversion)

    def stream(self) -> AsyncIterator[bytes]:
        """The body in pieces, as it comes."""
        self.repeatable = False
        return self._http.stream()

    # ---- the database ----

    def reading(self) -> AbstractAsyncContextManager[Transaction]:
        return self.database.read()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """A transaction that writes. Where the route names an event, it is written into the same one, once.

        What the path names is changed by one request at a time: what is decided on it is decided on it as it is.
        """
        self._made.clear()  # of a try that met another request, nothing is left
        self._changes = True
        async with self.database.write() as tx:
            await tx.take_turn(*self._named())
            yield tx
            tells = await self._tell(tx)
        self.repeatable = False
        self._told = self._told or tells

    def _named(self) -> list[str]:
        """The ids in the path, without the words in it."""
        return [value for name, value in self.path.items() if name.endswith("_id")]

    def made(
        self,
        subject: str,
        payload: Mapping[str, Any] | None = None,
        *,
        noun: str = "",
        event: str = "",
    ) -> None:
        """What an event of this request is about; several for what is made in bulk.

        Args:
            subject: the resource's id; the last one of the path, where nothing is said. payload: plain JSON without
                secrets; what `Service.payload` makes of the id, where it is not said. noun: what operations call such
                a resource, where the event calls it otherwise. event: what it is told as, where that is not what the
                route says; a request may tell of one subject as several.
        """
        self._made[event, subject] = (noun, payload)

    def unchanged(self) -> None:
        """Say that the transaction changes nothing, so that there is nothing to tell."""
        self._changes = False

    async def _tell(self, tx: Transaction) -> bool:
        """Write the events of the route, if it has one and its subject is known. Returns whether it did."""
        if self.route is None or not self.route.event or self._told or self._events is None:
            return False
        if not self._changes:
            return False
        token = self._token
        last = next(reversed(self.path.values()), "")
        made = self._made or ({("", last): ("", None)} if last else {})
        for (named, subject), (noun, payload) in made.items():
            kind = named or self.route.event
            event = Event(
                kind=kind,
                resource=f"{noun or noun_of(kind)}:{subject}"[
                    :100
                ],  # some are called as users like
                project_id=None if token is None else token.project_id or None,
                user_id=None if token is None else token.user_id,
                payload=dict(self.service.payload(subject) if payload is None else payload),
            )
            await self._events.emit(tx, event)
        return bool(made)

    # ---- links ----

    @property
    def origin(self) -> str:
        """The cloud's address as the caller sees it: http://host:5000."""
        if not self._origin:
            host = self._http.headers.get("host") or "localhost"
            if self._names is not None and self._names.strict:
                host = self._names.ours(host)
            self._origin = f"{self._http.scope['scheme']}://{host}"
        return self._origin

    @property
    def own_origins(self) -> dict[str, str]:
        """The addresses of the services that have a port of their own, as the caller sees them, by name."""
        if self._names is None:
            return {}
        host = host_of(self.origin.partition("://")[2])
        shown = f"[{host}]" if ":" in host else host
        scheme = self._http.scope["scheme"]
        return {name: f"{scheme}://{shown}:{port}" for name, port in self._names.ports.items()}

    @property
    def sure_origin(self) -> str:
        """The same for an address that holds a secret: never one of somebody else's."""
        if self._names is None:
            return self.origin
        host = self._names.ours(self._http.headers.get("host") or "")
        return f"{self._http.scope['scheme']}://{host}"

    @property
    def base_url(self) -> str:
        """The service's address as the caller sees it: http://host:5000/compute."""
        if not self._base_url:
            self._base_url = f"{self.origin}/{self.mount}" if self.mount else self.origin
        return self._base_url

    @property
    def same_urls(self) -> list[str]:
        """The addresses, without the query, at which the service answers the same; the one that was asked first."""
        path = self.full_url.removeprefix(self.base_url)
        mounts = sorted(self.service.mounts, key=lambda mount: mount != self.mount)
        return [f"{self.origin}/{mount}{path}" if mount else self.origin + path for mount in mounts]

    @property
    def full_url(self) -> str:
        """The address that was asked, without the query."""
        return self.origin + quote(self._http.scope["path"])


def _deeper(value: Any, levels: int) -> bool:
    """Whether arrays and objects are in each other to more than so many levels."""
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_deeper(item, levels - 1) for item in inner)


# What a pattern looks like tells nobody what to write instead.
_PATTERN = re.compile(r"Expected `str` matching regex '.*'(?= - at |$)", re.DOTALL)
_UNFIT = "The value has characters or a form that are not valid here"


def convert(value: Any, kind: type[T], *, strict: bool = True) -> T:
    """A plain value as a Struct.

    Raises:
        BadInput: it does not fit; the message says where.
    """
    try:
        return msgspec.convert(value, kind, strict=strict)
    except msgspec.ValidationError as error:
        raise BadInput(f"Invalid input: {_PATTERN.sub(_UNFIT, str(error))}") from None


def json_answer(
    value: Any, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """A JSON answer."""
    return Response(
        msgspec.json.encode(value), status, headers=_plain(headers), media_type="application/json"
    )


class InParts(Response):
    """A long answer of JSON. parts: its body; put together, it would be in memory twice."""

    def __init__(
        self, parts: Sequence[bytes | bytearray], headers: Mapping[str, str] | None
    ) -> None:
        super().__init__(None, headers=headers, media_type="application/json")
        self.parts = parts
        self.headers["content-length"] = str(sum(map(len, parts)))


class Written:
    """The list of an answer, written some items at a time: what is written is not kept as objects until the end."""

    __slots__ = ("parts",)

    def __init__(self) -> None:
        self.parts: list[bytes | bytearray] = []

    def add(self, some: Sequence[Any]) -> None:
        """Write some more items behind the others."""
        if not some:
            return
        part = bytearray()
        _encoder.encode_into(some, part)
        part.pop()  # the list ends with the answer
        if self.parts:
            part[0] = ord(",")  # in place of the bracket with which a list of its own would begin
        self.parts.append(part)

    def add_texts(self, some: Sequence[str]) -> None:
        """The same of items that are JSON already."""
        if some:
            begin = "," if self.parts else "["
            self.parts.append((begin + ",".join(some)).encode())


async def list_answer(
    value: Mapping[str, Any], key: str, headers: Mapping[str, str] | None = None
) -> Response:
    """A JSON answer that is long because of the list under one of its keys; written in pieces."""
    items = value[key]
    if isinstance(items, Written):
        written = items
    elif len(items) <= FEW:
        return json_answer(value, 200, headers)
    else:
        written = Written()
        async for some in Pieces().slices(items, FEW):
            written.add(some)
    rest = _encode({name: one for name, one in value.items() if name != key})[1:]
    end = b"]," + rest if len(rest) > 1 else b"]" + rest
    parts = [b"{" + _encode(key) + b":", *(written.parts or [b"["]), end]
    if len(written.parts) <= 1:
        return Response(b"".join(parts), headers=_plain(headers), media_type="application/json")
    return InParts(parts, _plain(headers))


def answer(
    content: bytes, kind: str, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """An answer of this content type, to the letter: no character set is added."""
    plain = {**(_plain(headers) or {}), "content-type": kind}
    return Response(content, status, headers=plain)


def no_content(status: int = 204, headers: Mapping[str, str] | None = None) -> Response:
    """An answer without a body."""
    return Response(None, status, headers=_plain(headers))


_PRINTED = "".join(map(chr, range(0x20, 0x7F)))


def _plain(headers: Mapping[str, str] | None) -> Mapping[str, str] | None:
    """Headers with everything but printable ASCII percent-encoded: addresses name what users have named.

    Line breaks above all: the server below writes headers as they are.
    """
    if headers is None:
        return None
    return {name: quote(value, safe=_PRINTED) for name, value in headers.items()}


ASGI = tuple[Scope, Receive, Send]
