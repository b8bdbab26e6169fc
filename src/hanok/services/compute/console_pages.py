"""The console in the browser: pages under /console, and the web socket that leads to one guest's screen.

The token of the address opens that one server's console, a few times and for a short while: it is looked up by hash
when the socket is opened, the server must still be there, and who asked for it must still have the rights it was asked
for with. That is looked at again and again while the console is open. The page is noVNC's where that is installed; a
plain page says so where it is not.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Coroutine
from pathlib import Path
from ssl import SSLContext
from typing import Any, Literal
from urllib.parse import urlsplit

from sqlalchemy import Row
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import Scope
from starlette.websockets import WebSocket, WebSocketDisconnect

from hanok.base.authority import host_of
from hanok.bus import NobodyThere
from hanok.commands import ConsoleAddress, OpenConsole
from hanok.commands.wire import ask
from hanok.services.compute.logic import consoles, servers
from hanok.services.compute.logic.consoles import WITH_SCREEN, unseal
from hanok.services.compute.room import Compute, ComputeSettings
from hanok.web.names import Names
from hanok.web.token import Authenticate

log = logging.getLogger(__name__)

NOVNC = Path("/usr/share/novnc")
OPEN_S = 10.0
CHUNK = 65_536
USES = 10  # how often an address is good: a page is loaded again, a connection breaks
LOOK_S = 15.0  # how long a console stays open after the rights to it have gone
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


class Place:
    """One of the sockets that a process holds."""

    def __init__(self, user_id: str, server_id: str, project_id: str) -> None:
        self.user_id, self.server_id, self.project_id = user_id, server_id, project_id
        self.given_up = asyncio.Event()


class Places:
    """The sockets that a process holds, shared out: nobody's many keep others away."""

    def __init__(self, settings: ComputeSettings) -> None:
        self._settings = settings
        self._taken: list[Place] = []  # the oldest first

    def take(self, place: Place) -> bool:
        """Take a place, perhaps one that somebody has to give up for it; False: none for this user or project."""
        settings, taken = self._settings, self._taken
        if sum(one.user_id == place.user_id for one in taken) >= settings.consoles_each_user:
            return False
        here = [one for one in taken if one.server_id == place.server_id]
        if len(here) >= settings.consoles_each_server:
            self.leave(here[0])
        if len(taken) >= settings.consoles:
            held = Counter(one.project_id for one in taken)
            greediest, maximum = held.most_common(1)[0]
            if held[place.project_id] + 1 >= maximum:
                return False
            self.leave(next(one for one in taken if one.project_id == greediest))
        taken.append(place)
        return True

    def leave(self, place: Place) -> None:
        """Give a place back; its socket is closed if it is open."""
        place.given_up.set()
        if place in self._taken:
            self._taken.remove(place)


class Consoles:
    """The pages and sockets."""

    def __init__(
        self,
        room: Compute,
        standing: Authenticate,
        names: Names | None = None,
        *,
        look_s: float = LOOK_S,
    ) -> None:
        """
        Args:
            standing: what the rights behind a token are worth, though it may have ended.
            names: what the cloud is called; None: whatever a browser says.
        """
        self._room = room
        self._standing = standing
        self._names = names
        self._look_s = look_s
        self._places = Places(room.settings)

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

    async def _enter(self, token: str) -> Row[Any] | None:
        """The row of a token that opens its console now; that is one of its uses."""
        room = self._room
        async with room.database.read() as tx:
            row = await consoles.leading(tx, token, room.clock.now())
        if row is None or not await self._still_may(row, token):
            return None
        async with room.database.write() as tx:
            used = await consoles.use(tx, row, USES)
        return row if used else None

    async def _still_may(self, row: Row[Any], token: str) -> bool:
        """Whether the server is there, and who asked has all the rights that were asked with."""
        requested = unseal(token, row.asked_with)
        rights = None if requested is None else await self._standing(requested.token)
        if requested is None or rights is None or not set(requested.roles) <= set(rights.roles):
            return False
        async with self._room.database.read() as tx:
            server = await servers.get_any(tx, row.server_id)
        return (
            server is not None
            and server.host == row.host
            and server.vm_state in WITH_SCREEN
            and server.task_state != "deleting"
        )

    async def _watch(self, row: Row[Any], token: str, place: Place) -> None:
        """Return when the rights to an open console are gone, or somebody else needs the place more."""
        while await self._still_may(row, token):
            try:
                async with asyncio.timeout(self._look_s):
                    await place.given_up.wait()
                return
            except TimeoutError:
                pass

    def _is_ours(self, websocket: WebSocket) -> bool:
        """Whether the page that opens a socket is one of ours; a client that is no browser names none."""
        host, origin = websocket.headers.get("host", ""), websocket.headers.get("origin")
        if self._names is not None and not self._names.knows(host):
            return False
        return origin is None or urlsplit(origin).netloc == host

    async def socket(self, websocket: WebSocket) -> None:
        """Bytes between the browser and the guest, for as long as both are there."""
        if not self._is_ours(websocket):
            await websocket.close(1008, "Another origin.")
            return
        token = websocket.query_params.get("token", "")
        row = await self._enter(token)
        if row is None:
            await websocket.close(1008, "This console address is not valid any more.")
            return
        place = Place(row.user_id, row.server_id, row.project_id)
        if not self._places.take(place):
            await websocket.close(1013, "Too many consoles are open; close one first.")
            return
        try:
            await self._show(websocket, row, token, place)
        finally:
            self._places.leave(place)

    async def _show(self, websocket: WebSocket, row: Row[Any], token: str, place: Place) -> None:
        """A console that may be opened: find the guest's end of it, and carry bytes."""
        try:
            kind: Literal["serial", "vnc"] = "serial" if row.kind == "serial" else "vnc"
            command = OpenConsole(server_id=row.server_id, kind=kind)
            address = await ask(self._room.bus, row.host, command, timeout_s=OPEN_S)
        except NobodyThere:
            await websocket.close(1011, "The host does not answer.")
            return
        if not isinstance(address, ConsoleAddress):
            await websocket.close(1011, getattr(address, "message", "There is no console.")[:120])
            return
        try:
            async with asyncio.timeout(OPEN_S):
                reader, writer = await asyncio.open_connection(
                    address.host, address.port, ssl=self._sealed(address)
                )
        except OSError:
            await websocket.close(1011, "The host's console does not answer.")
            return
        if self._room.peers is not None and _shown(writer) != row.host:
            writer.close()
            await websocket.close(1011, "What answers is not the host of the server.")
            return
        try:
            writer.write(f"{address.ticket}\n".encode())
            offered = websocket.scope.get("subprotocols") or []
            await websocket.accept("binary" if "binary" in offered else None)
            await self._carry(websocket, reader, writer, self._watch(row, token, place))
        finally:
            writer.close()

    def _sealed(self, address: ConsoleAddress) -> SSLContext | None:
        """Where hosts have certificates, consoles are theirs only with one, whatever a host says of its own.

        Raises:
            OSError: a host wants a certificate and there is none to show.
        """
        if self._room.peers is not None:
            return self._room.peers()
        if address.sealed:
            raise OSError("there is no certificate to show to hosts")
        return None

    @staticmethod
    async def _carry(
        websocket: WebSocket,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        ended: Coroutine[Any, Any, None],
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

        tasks = [asyncio.ensure_future(one) for one in (to_browser(), to_guest(), ended)]
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


def _shown(writer: asyncio.StreamWriter) -> str:
    """The host whose certificate the other side has shown; "" for none."""
    names = (writer.get_extra_info("peercert") or {}).get("subjectAltName", ())
    return host_of(str(one[1]) for one in names if one[0] == "email")
