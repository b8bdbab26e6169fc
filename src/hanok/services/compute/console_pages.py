"""The console in the browser: pages under /console, and the web socket that leads to one guest's screen.

The token of the address opens that one server's console: it is looked up by hash when the socket is opened, and the
server must still be there. The page is noVNC's where that is installed; a plain page says so where it is not.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from urllib.parse import urlsplit

import sqlalchemy as sa
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import Scope
from starlette.websockets import WebSocket, WebSocketDisconnect

from hanok.bus import NobodyThere
from hanok.commands import ConsoleAddress, OpenConsole
from hanok.commands.wire import ask
from hanok.services.compute.logic import servers
from hanok.services.compute.room import Compute
from hanok.services.compute.routes.consoles import token_hash
from hanok.services.compute.tables import console_tokens

log = logging.getLogger(__name__)

NOVNC = Path("/usr/share/novnc")
OPEN_S = 10.0
CHUNK = 65_536
MOST = 50  # consoles open at once in one process
HEADERS = {
    "Content-Security-Policy": "frame-ancestors 'self'",
    "Referrer-Policy": "no-referrer",  # the address holds the token
    "X-Content-Type-Options": "nosniff",
}


class _Pages(StaticFiles):
    """noVNC's files, which nobody else's page may show in a frame."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers.update(HEADERS)
        return response


class Consoles:
    """The pages and sockets."""

    def __init__(self, room: Compute) -> None:
        self._room = room
        self._open = 0

    def app(self) -> Starlette:
        routes: list[Route | WebSocketRoute | Mount] = [
            WebSocketRoute("/console/socket", self.socket),
            # Newer noVNC takes the path of the address as one beside its page.
            WebSocketRoute("/console/console/socket", self.socket),
        ]
        if NOVNC.is_dir():
            routes.append(Mount("/console", _Pages(directory=NOVNC, follow_symlink=True)))
        else:
            routes.append(Route("/console/{rest:path}", self.plain))
        return Starlette(routes=routes)

    async def plain(self, request: Request) -> Response:
        """Said in place of a screen where there is none to show."""
        page = (
            "<!doctype html><meta charset=utf-8><title>Console</title><h1>Console</h1>"
            "<p>No screen can be shown here: noVNC is not installed on this machine, or the cloud is simulated. "
            "The serial log is there: <code>openstack console log show SERVER</code>.</p>"
        )
        return HTMLResponse(page, headers={"Content-Security-Policy": "default-src 'none'"})

    async def _server_of(self, token: str) -> tuple[str, str, str] | None:
        """(server id, host, kind) that a token opens now."""
        room = self._room
        async with room.database.read() as tx:
            row = await tx.first(
                sa.select(console_tokens).where(
                    console_tokens.c.token_hash == token_hash(token),
                    console_tokens.c.expires_at > room.clock.now(),
                )
            )
            server = None if row is None else await servers.get_any(tx, row.server_id)
        if row is None or server is None or not server.host:
            return None
        return server.id, server.host, row.kind

    async def socket(self, websocket: WebSocket) -> None:
        """Bytes between the browser and the guest, for as long as both are there."""
        origin = websocket.headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != websocket.headers.get("host"):
            await websocket.close(1008, "Another origin.")
            return
        found = await self._server_of(websocket.query_params.get("token", ""))
        if found is None or self._open >= MOST:
            await websocket.close(1008, "This console address is not valid any more.")
            return
        server_id, host, kind = found
        try:
            command = OpenConsole(server_id=server_id, kind="serial" if kind == "serial" else "vnc")
            address = await ask(self._room.bus, host, command, timeout_s=OPEN_S)
        except NobodyThere:
            await websocket.close(1011, "The host does not answer.")
            return
        if not isinstance(address, ConsoleAddress):
            await websocket.close(1011, getattr(address, "message", "There is no console.")[:120])
            return
        try:
            async with asyncio.timeout(OPEN_S):
                reader, writer = await asyncio.open_connection(address.host, address.port)
        except OSError:
            await websocket.close(1011, "The host's console does not answer.")
            return
        self._open += 1
        try:
            writer.write(f"{address.ticket}\n".encode())
            offered = websocket.scope.get("subprotocols") or []
            await websocket.accept("binary" if "binary" in offered else None)
            await self._carry(websocket, reader, writer)
        finally:
            self._open -= 1
            writer.close()

    @staticmethod
    async def _carry(
        websocket: WebSocket, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        async def to_browser() -> None:
            while data := await reader.read(CHUNK):
                await websocket.send_bytes(data)

        async def to_guest() -> None:
            while True:
                message = await websocket.receive()
                if message["type"] == "websocket.disconnect":
                    return
                data = message.get("bytes")
                writer.write(data if data is not None else message["text"].encode())
                await writer.drain()

        tasks = [asyncio.ensure_future(to_browser()), asyncio.ensure_future(to_guest())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        try:
            await websocket.close()
        except (RuntimeError, WebSocketDisconnect):
            return  # the browser was first
