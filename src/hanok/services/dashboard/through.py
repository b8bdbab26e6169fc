"""Requests through the front door of the cloud, in the name of a session."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import unquote

import msgspec
from msgspec import Struct
from starlette.types import ASGIApp, Message, Receive, Scope, Send

ANSWER_BYTES = 8 << 20  # of an answer that the room reads itself: catalogs and lists of projects

Headers = list[tuple[bytes, bytes]]

_NOT_PASSED = (
    b"cookie",
    b"authorization",
    b"x-auth-token",
    b"x-storage-token",  # object storage takes this one, too
    b"x-service-token",
    b"x-subject-token",
    b"openstack-auth-receipt",
    b"x-hanok-dashboard",
    b"x-hanok-project",  # it is the room's own
    b"origin",
)
_NOT_SHOWN = (
    b"x-subject-token",
    b"x-auth-token",
    b"x-storage-token",
    b"openstack-auth-receipt",
    b"set-cookie",
)
_GUARDS: Headers = [
    # What users uploaded is never a page of ours.
    (b"content-security-policy", b"default-src 'none'; sandbox; frame-ancestors 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
]


class Answer(Struct, frozen=True):
    """What the cloud answered. body: as JSON; None where it is none."""

    status: int
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> dict[str, object]:
        try:
            found = msgspec.json.decode(self.raw)
        except msgspec.DecodeError:
            return {}
        return found if isinstance(found, dict) else {}


def _request_scope(scope: Scope, path: str, query: bytes, headers: Headers, method: str) -> Scope:
    """A request to the front door that comes from where the browser is.

    Args:
        path: with its %-escapes.
    """
    kept = {
        name: scope[name] for name in ("type", "asgi", "http_version", "scheme", "client", "server")
    }
    return {
        **kept,
        "method": method,
        "path": unquote(path),
        "raw_path": path.encode("ascii"),
        "query_string": query,
        "root_path": "",
        "headers": headers,
        "extensions": {},
    }


async def passed_on(
    door: ASGIApp,
    scope: Scope,
    receive: Receive,
    send: Send,
    path: str,
    token: str,
    *,
    port: int = 0,
) -> None:
    """Pass a browser's request on with the session's token, and the answer back without any.

    Args:
        port: of the service, where it has one of its own.
    """
    headers = [one for one in scope["headers"] if one[0] not in _NOT_PASSED]
    headers.append((b"x-auth-token", token.encode()))
    requested = _request_scope(scope, path, scope["query_string"], headers, scope["method"])
    if port:
        requested["server"] = (scope["server"][0], port)

    async def shown(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": _shown(message["headers"])}
        await send(message)

    await door(requested, receive, shown)


def _shown(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    ours = {name for name, _ in _GUARDS}
    kept = [one for one in headers if one[0].lower() not in _NOT_SHOWN]
    return [*(one for one in kept if one[0].lower() not in ours), *_GUARDS]


async def ask(
    door: ASGIApp,
    scope: Scope,
    method: str,
    path: str,
    body: object = None,
    *,
    token: str = "",
    headers: Headers | None = None,
) -> Answer:
    """Ask something of the cloud that the room itself wants to know."""
    sent = b"" if body is None else msgspec.json.encode(body)
    own = [
        (b"host", _host(scope)),
        (b"content-length", str(len(sent)).encode()),
        *([(b"content-type", b"application/json")] if sent else []),
        *([(b"x-auth-token", token.encode())] if token else []),
        *(headers or []),
    ]
    status, shown, parts, size = 0, dict[str, str](), list[bytes](), 0

    async def receive() -> Message:
        return {"type": "http.request", "body": sent, "more_body": False}

    async def send(message: Message) -> None:
        nonlocal status, size
        if message["type"] == "http.response.start":
            status = message["status"]
            for name, value in message["headers"]:
                shown[name.decode("latin-1").lower()] = value.decode("latin-1")
        elif message["type"] == "http.response.body" and size < ANSWER_BYTES:
            parts.append(message.get("body", b""))
            size += len(parts[-1])

    await door(_request_scope(scope, path, b"", own, method), receive, send)
    return Answer(status, shown, b"".join(parts))


def _host(scope: Scope) -> bytes:
    for name, value in scope["headers"]:
        if name == b"host":
            return bytes(value)
    return b"localhost"
