"""Small real HTTP servers for the tests."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from msgspec import Struct


class Page(Struct, kw_only=True):
    """What is at a path. headers and status as they are sent; short: bytes that are announced and do not come.

    drip_s: seconds between two bytes, which come one by one then.
    """

    data: bytes = b""
    status: int = 200
    headers: dict[str, str] = {}
    short: int = 0
    drip_s: float = 0.0


class Web:
    """Pages by path; what was asked for, in order."""

    def __init__(self) -> None:
        self.pages: dict[str, Page] = {}
        self.requests: list[tuple[str, str]] = []
        self.tokens: list[str] = []
        self.told: list[bytes] = []
        self.port = 0
        self.hung_up = 0
        self.ended = threading.Event()

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"


@contextmanager
def serving() -> Iterator[Web]:
    """A server on loopback for the time of a with block."""
    web = Web()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self, body: bool) -> None:
            web.requests.append((self.command, self.path))
            web.tokens.append(self.headers.get("X-Auth-Token", ""))
            page = web.pages.get(self.path, Page(status=404))
            data, status = page.data, page.status
            requested = self.headers.get("Range")
            if requested and status == 200:
                first, last = requested.removeprefix("bytes=").split("-")
                data, status = data[int(first) : int(last) + 1], 206
            self.send_response(status)
            for name, value in page.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data) + page.short))
            self.end_headers()
            if body and page.drip_s:
                self._drip(data, page.drip_s)
            elif body:
                self.wfile.write(data)

        def _drip(self, data: bytes, pause_s: float) -> None:
            try:
                for at in range(len(data)):
                    self.wfile.write(data[at : at + 1])
                    self.wfile.flush()
                    if web.ended.wait(pause_s):
                        return
            except OSError:
                web.hung_up += 1  # whoever asked has had enough

        def do_GET(self) -> None:
            self._answer(True)

        def do_HEAD(self) -> None:
            self._answer(False)

        def do_POST(self) -> None:
            web.told.append(self.rfile.read(int(self.headers.get("Content-Length", "0"))))
            self._answer(True)

        def log_message(self, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    web.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield web
    finally:
        web.ended.set()
        server.shutdown()
        thread.join()
        server.server_close()
