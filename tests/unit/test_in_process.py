"""What tests ask a cloud in their own process with: what arrives, and what comes back, is as when httpx does it all."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from itertools import product
from typing import Any

import httpx

from tests.in_process import InProcess

PATHS = (
    "/", "/v2.0/x", "/a?", "/a/b?x=1&y=a,b", "/a:b@c;d?x=a/b?c", "/é", "/a b", "/a/../b", "/%20", "//a/b", "a/b",
    "/?x=%20",
)  # fmt: skip
HEADERS: tuple[dict[str, str], ...] = (
    {}, {"X-Auth-Token": "t"}, {"Content-Type": "text/plain", "content-length": "7"}, {"Host": "other"},
    {"Accept": "a/b", "ACCEPT": "c/d"}, {"Transfer-Encoding": "chunked"}, {"x": "é"},
)  # fmt: skip


class Heard:
    """An application that keeps what it is asked."""

    def __init__(self) -> None:
        self.requests: list[Any] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message["body"], message["more_body"]
        self.requests.append(({**scope, "headers": sorted(scope["headers"])}, body))
        given = [(b"content-type", b"application/json"), (b"x-two", b"1"), (b"x-two", b"2")]
        await send({"type": "http.response.start", "status": 202, "headers": given})
        await send({"type": "http.response.body", "body": b'{"a":', "more_body": True})
        await send({"type": "http.response.body", "body": b"1}"})


async def seen(app: Heard, ask: Callable[[], Awaitable[httpx.Response]]) -> object:
    """What the application was asked and what it was answered, or what was refused."""
    app.requests.clear()
    try:
        answer = await ask()
    except Exception as error:
        return repr(error)
    return app.requests[:], answer.status_code, answer.headers.raw, answer.content


async def test_requests_are_what_httpx_makes_of_them() -> None:
    app = Heard()
    every = [("GET", path, None, headers, None) for path, headers in product(PATHS, HEADERS)]
    bodies: list[tuple[Any, bytes | None]] = [
        (None, None),
        ({"a": "é"}, None),
        (0, None),
        (None, b""),
        (None, b"abc"),
        ([], b"a"),
    ]
    every += [
        (method, "/a?b=c", body, headers, content)
        for method, headers, (body, content) in product(
            ("POST", "DELETE", "HEAD", "copy"), HEADERS, bodies
        )
    ]
    async with InProcess(app, "http://cloud:5000") as http:
        for method, path, body, headers, content in every:
            given: dict[str, Any] = {"json": body, "headers": headers, "content": content}
            short = await seen(app, lambda: http.ask(method, path, body, headers, content))  # noqa: B023
            whole = await seen(app, lambda: http.request(method, path, **given))  # noqa: B023
            assert short == whole, (method, path, given)


async def test_cookies_are_kept_and_sent() -> None:
    async def app(scope: Any, _receive: Any, send: Any) -> None:
        told = [(b"set-cookie", b"one=two; Path=/"), *scope["headers"]]
        await send({"type": "http.response.start", "status": 200, "headers": told})
        await send({"type": "http.response.body"})

    async with InProcess(app, "http://cloud:5000") as http:
        assert "cookie" not in (await http.ask("GET", "/", None, {}, None)).headers
        assert (await http.ask("GET", "/", None, {}, None)).headers["cookie"] == "one=two"
