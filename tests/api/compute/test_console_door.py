"""The web socket of a console: who gets through, and who is told nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

from hanok.services.compute.tables import console_tokens
from tests.cloud import NEWEST, Client, Cloud, a_flavor, a_server, an_image, settle

REFUSED, NO_CONSOLE = 1008, 1011
SOCKET = "/console/socket"


async def knock(cloud: Cloud, path: str, query: str, origin: str = "") -> dict[str, Any]:
    """Open a web socket; returns the first thing that the cloud says."""
    headers = [(b"host", b"cloud:5000")]
    if origin:
        headers.append((b"origin", origin.encode()))
    scope = {
        "type": "websocket",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "ws",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": headers,
        "subprotocols": ["binary"],
        "client": ("127.0.0.1", 1),
        "server": ("cloud", 5000),
    }
    said: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.disconnect" if said else "websocket.connect", "code": 1000}

    async def send(message: Any) -> None:
        said.append(message)

    await cloud.control.app(scope, receive, send)
    return said[0]


async def a_console(client: Client, server_id: str) -> tuple[str, str]:
    """The socket that noVNC opens for a new console address: path and query."""
    wanted = {"remote_console": {"protocol": "vnc", "type": "novnc"}}
    path = f"/compute/v2.1/servers/{server_id}/remote-consoles"
    made = await client.post(path, wanted, 200, headers=NEWEST)
    asked = parse_qs(urlsplit(made["remote_console"]["url"]).query)
    assert asked["autoconnect"] == ["true"]
    socket = urlsplit(asked["path"][0])
    return f"/{socket.path}", socket.query


async def test_a_token_opens_its_own_console_until_it_ends(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    server_id = await a_server(admin, await an_image(admin), await a_flavor(admin))
    await settle(cloud)
    path, query = await a_console(admin, server_id)
    assert path == SOCKET

    # A simulated guest has no screen: only who was let in is told so by the host.
    for origin in ("", "http://cloud:5000"):
        said = await knock(cloud, path, query, origin)
        assert (said["type"], said["code"]) == ("websocket.close", NO_CONSOLE), said
    assert (await knock(cloud, f"/console{path}", query))["code"] == NO_CONSOLE

    for origin in ("http://elsewhere:5000", "http://cloud:5001", "null"):
        assert (await knock(cloud, path, query, origin))["code"] == REFUSED
    for wrong in ("", "token=", "token=wrong", query[:-1], f"token={admin.token}"):
        assert (await knock(cloud, path, wrong))["code"] == REFUSED

    async with cloud.control.database.write() as tx:
        past = cloud.control.compute.clock.now() - timedelta(seconds=1)
        await tx.execute(console_tokens.update().values(expires_at=past))
    assert (await knock(cloud, path, query))["code"] == REFUSED


async def test_a_token_ends_with_its_server(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    server_id = await a_server(admin, await an_image(admin), await a_flavor(admin))
    await settle(cloud)
    path, query = await a_console(admin, server_id)
    await admin("DELETE", f"/compute/v2.1/servers/{server_id}", status=204)
    await settle(cloud)
    assert (await knock(cloud, path, query))["code"] == REFUSED
