"""Requests to a cloud in the tests' own process: as httpx sends them, without most of what it costs httpx to do so."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import MutableMapping
from typing import Any

import httpx

# In these nothing is to be encoded, and nothing stands for something else.
PLAIN = re.compile(r"/[\w~:@,=+./-]*(\?[\w~:@,=+./&;!*'()|-]*)?", re.ASCII)
SENDS_LENGTH = ("POST", "PUT", "PATCH")


class InProcess(httpx.AsyncClient):
    """A client of an application in this process."""

    def __init__(self, app: Any, base_url: str) -> None:
        super().__init__(transport=httpx.ASGITransport(app=app), base_url=base_url)
        self._app = app
        self._usual = {name.lower(): value for name, value in self.headers.raw}

    async def ask(
        self, method: str, path: str, body: Any, headers: dict[str, str], content: Any
    ) -> httpx.Response:
        """Send a request. What is usual goes to the application itself, and everything else by way of httpx."""
        method = method.upper()
        usual = PLAIN.fullmatch(path) and "/." not in path and not path.startswith("//")
        sent = self._sent(headers) if usual and not self.cookies else None
        if sent is None or not isinstance(content, bytes | None):
            return await self.request(method, path, json=body, headers=headers, content=content)
        if content is None and body is not None:
            text = json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
            content = text.encode()
            sent.setdefault(b"content-type", b"application/json")
        if content or method in SENDS_LENGTH:
            sent.setdefault(b"content-length", b"%d" % len(content or b""))
        return await self._answer(method, path, sent, content or b"")

    def _sent(self, headers: dict[str, str]) -> dict[bytes, bytes] | None:
        """All headers of a request by name; None: some are not as usual."""
        own = {name.lower(): value for name, value in headers.items()}
        if len(own) < len(headers) or "transfer-encoding" in own:
            return None
        if not all(isinstance(one, str) and one.isascii() for one in own.values()):
            return None
        given = {name.encode(): value.encode() for name, value in own.items()}
        return {b"host": self.base_url.netloc, **self._usual, **given}

    async def _answer(
        self, method: str, path: str, sent: dict[bytes, bytes], content: bytes
    ) -> httpx.Response:
        head: list[MutableMapping[str, Any]] = []
        parts: list[bytes] = []
        requested, ended = False, asyncio.Event()

        async def receive() -> dict[str, Any]:
            nonlocal requested
            if requested:
                await ended.wait()
                return {"type": "http.disconnect"}
            requested = True
            return {"type": "http.request", "body": content, "more_body": False}

        async def send(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                assert not head
                head.append(message)
                return
            assert not ended.is_set()
            if method != "HEAD":
                parts.append(message.get("body", b""))
            if not message.get("more_body", False):
                ended.set()

        await self._app(self._scope(method, path, sent), receive, send)
        assert ended.is_set()
        stream = httpx.ByteStream(b"".join(parts))
        answer = httpx.Response(head[0]["status"], headers=head[0]["headers"], stream=stream)
        answer.read()
        if "set-cookie" in answer.headers:
            answer.request = self.build_request(method, path)
            self.cookies.extract_cookies(answer)
        return answer

    def _scope(self, method: str, path: str, sent: dict[bytes, bytes]) -> dict[str, Any]:
        place, _, query = path.partition("?")
        return {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "headers": list(sent.items()),
            "scheme": self.base_url.scheme,
            "path": place,
            "raw_path": place.encode(),
            "query_string": query.encode(),
            "server": (self.base_url.host, self.base_url.port),
            "client": ("127.0.0.1", 123),
            "root_path": "",
        }
