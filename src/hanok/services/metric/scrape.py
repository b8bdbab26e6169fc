"""/metrics, which Prometheus reads with a secret that the operator gave it.

Source: Prometheus' documentation, "Exposition formats", and "scrape_config" (authorization).
"""

from __future__ import annotations

import asyncio
import hmac
from pathlib import Path

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from hanok.base.errors import Unavailable
from hanok.rooms import WrongSettings
from hanok.services.metric.facade import Metrics

SHORTEST, LONGEST = 16, 4096  # characters of the secret
_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def secret_of(file: str) -> bytes:
    """What a file holds; nothing where there is none to be.

    Raises:
        WrongSettings: it cannot be read, or is too short to be a secret.
    """
    if not file:
        return b""
    try:
        with Path(file).open("rb") as opened:
            found = opened.read(LONGEST + 1).strip()
    except OSError as error:
        raise WrongSettings(f"scrape_token_file: {error}") from None
    if not SHORTEST <= len(found) <= LONGEST:
        raise WrongSettings(f"scrape_token_file has {SHORTEST} to {LONGEST} characters")
    return found


class Scrape:
    """The ASGI application. One page is made at a time."""

    def __init__(self, metrics: Metrics, secret: bytes) -> None:
        self._metrics, self._secret = metrics, secret
        self._turn = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await (await self._answer(Request(scope)))(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        if not self._secret or request.url.path.rstrip("/") != "/metrics":
            return PlainTextResponse("Not found.\n", 404)
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), self._secret):  # fmt: skip
            return PlainTextResponse("Unauthorized.\n", 401, {"WWW-Authenticate": "Bearer"})
        if request.method not in ("GET", "HEAD"):
            return PlainTextResponse("Method not allowed.\n", 405, {"Allow": "GET, HEAD"})
        try:
            async with self._turn:
                return Response(await self._metrics.page(), media_type=_TYPE)
        except Unavailable as error:
            return PlainTextResponse(f"{error.message}\n", 503, {"Retry-After": "5"})
