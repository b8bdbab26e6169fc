"""A request of one of our services to another, in the name of whoever asked the first."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from urllib.parse import unquote

from starlette.types import ASGIApp, Message, Scope

from hanok.web.request import Request

LARGEST_ANSWER = 16 << 20  # bytes of an answer that is kept in memory


class _Answer:
    """What an application says to a request that comes from within."""

    def __init__(self, body: bytes) -> None:
        self._body: bytes | None = body
        self.status = 500
        self.headers: dict[str, str] = {}
        self.parts: list[bytes] = []
        self._size = 0
        self._whole = asyncio.Event()

    async def receive(self) -> Message:
        body, self._body = self._body, None
        if body is None:
            await self._whole.wait()  # who asks is there for as long as it is answered
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {
                name.decode().lower(): value.decode("latin-1") for name, value in message["headers"]
            }
        elif message["type"] == "http.response.body":
            part = message.get("body", b"")
            self._size += len(part)
            if self._size <= LARGEST_ANSWER:
                self.parts.append(part)
            if not message.get("more_body"):
                self._whole.set()


async def ask_as(
    app: ASGIApp,
    token: str,
    method: str,
    path: str,
    body: bytes,
    headers: Mapping[str, str],
    request_id: str,
    *,
    port: int = 0,
) -> tuple[int, Mapping[str, str], bytes]:
    """Ask one of our services with a token that was given out for work in time.

    Args:
        path: with the query. request_id: what the request is known by; empty: it gets one. port: of a service that has
            one of its own.

    Returns:
        The status, the headers and the body of the answer.
    """
    place, _, query = path.partition("?")
    named = {
        "host": "localhost",
        "x-auth-token": token,
        "content-length": str(len(body)),
        **headers,
    }
    scope: Scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
        "path": unquote(place), "raw_path": place.encode(), "query_string": query.encode(), "root_path": "",
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in named.items()],
        "server": ("localhost", port), "client": ("", 0), "hanok.request_id": request_id,
    }  # fmt: skip
    answer = _Answer(body)
    await app(scope, answer.receive, answer.send)
    return answer.status, answer.headers, b"".join(answer.parts)


async def ask(
    app: ASGIApp, request: Request, method: str, path: str, body: bytes, media_type: str
) -> tuple[int, bytes]:
    """Ask as the caller: with all that says who asks, from the same address.

    Args:
        path: with the query. media_type: of the body.

    Returns:
        The status and the body of the answer.
    """
    import httpx  # few ask, and it takes a start's time

    headers, peer = request.caller
    if body:
        headers["content-type"] = media_type
    transport = httpx.ASGITransport(app=app, client=(peer, 0))
    async with httpx.AsyncClient(transport=transport) as client:
        answer = await client.request(
            method, f"{request.origin}{path}", headers=headers, content=body
        )
    return answer.status_code, answer.content
