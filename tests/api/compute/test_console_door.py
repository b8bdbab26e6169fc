"""The web socket of a console: who gets through, and who is told nothing."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from hanok.services.compute.console_pages import USES, Consoles, Place, Places
from hanok.services.compute.facade import ComputeSettings
from hanok.services.compute.tables import console_tokens
from tests.cloud import NEWEST, Client, Cloud, a_flavor, a_server, an_image, settle

REFUSED = 1008
PATCH = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
PUBLIC = b'[{"op": "replace", "path": "/visibility", "value": "public"}]'
SOCKET = "/console/socket"


async def knock(
    cloud: Cloud, path: str, query: str, origin: str = "", host: str = "cloud:5000"
) -> dict[str, Any]:
    """Open a web socket; returns the first thing that the cloud says."""
    scope = door(path, query, origin, host)
    said: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.disconnect" if said else "websocket.connect", "code": 1000}

    async def send(message: Any) -> None:
        said.append(message)

    await cloud.control.app(scope, receive, send)
    return said[0]


def door(path: str, query: str, origin: str = "", host: str = "cloud:5000") -> dict[str, Any]:
    """A web socket as a browser opens it."""
    headers = [(b"host", host.encode())]
    if origin:
        headers.append((b"origin", origin.encode()))
    return {
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


async def a_console(client: Client, server_id: str) -> tuple[str, str]:
    """The socket that noVNC opens for a new console address: path and query."""
    requested = {"remote_console": {"protocol": "vnc", "type": "novnc"}}
    path = f"/compute/v2.1/servers/{server_id}/remote-consoles"
    made = await client.post(path, requested, 200, headers=NEWEST)
    parameters = parse_qs(urlsplit(made["remote_console"]["url"]).query)
    assert parameters["autoconnect"] == ["true"]
    socket = urlsplit(parameters["path"][0])
    return f"/{socket.path}", socket.query


async def test_a_token_opens_its_own_console_until_it_ends(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    server_id = await a_server(admin, await an_image(admin), await a_flavor(admin))
    await settle(cloud)
    path, query = await a_console(admin, server_id)
    assert path == SOCKET

    for origin in ("", "http://cloud:5000"):
        assert (await knock(cloud, path, query, origin))["type"] == "websocket.accept"
    assert (await knock(cloud, f"/console{path}", query))["type"] == "websocket.accept"
    told = f"/compute/v2.1/os-console-auth-tokens/{query.removeprefix('token=')}"
    shown = await admin.get(told, headers=NEWEST)
    assert shown["console"]["instance_uuid"] == server_id
    await admin.get(f"{told}x", 404, headers=NEWEST)

    for origin in ("http://elsewhere:5000", "http://cloud:5001", "null"):
        assert (await knock(cloud, path, query, origin))["code"] == REFUSED
    for wrong in ("", "token=", "token=wrong", query[:-1], f"token={admin.token}"):
        assert (await knock(cloud, path, wrong))["code"] == REFUSED

    async with cloud.control.database.write() as tx:
        past = cloud.compute.clock.now() - timedelta(seconds=1)
        await tx.execute(console_tokens.update().values(expires_at=past))
    assert (await knock(cloud, path, query))["code"] == REFUSED
    await admin.get(told, 404, headers=NEWEST)


async def test_a_token_is_good_a_few_times(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    server_id = await a_server(admin, await an_image(admin), await a_flavor(admin))
    await settle(cloud)
    path, query = await a_console(admin, server_id)
    said = [(await knock(cloud, path, query))["type"] for _ in range(USES + 2)]
    assert said == ["websocket.accept"] * USES + ["websocket.close"] * 2


async def test_a_console_ends_with_the_role(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    member = await cloud.project_with("p", "member", "reader")
    image, flavor = await an_image(admin), await a_flavor(admin)
    await admin("PATCH", f"/image/v2/images/{image}", content=PUBLIC, headers=PATCH, status=200)
    server_id = await a_server(member, image, flavor)
    await settle(cloud)
    path, query = await a_console(member, server_id)
    assert (await knock(cloud, path, query))["type"] == "websocket.accept"

    page = Consoles(cloud.compute, cloud.identity.tokens.standing, look_s=0.05)
    sent: asyncio.Queue[Any] = asyncio.Queue()
    gone = asyncio.Event()
    first_messages = iter([{"type": "websocket.connect"}])

    async def receive() -> Any:
        if (first := next(first_messages, None)) is not None:
            return first
        await gone.wait()
        return {"type": "websocket.disconnect", "code": 1000}

    scope = door(path, query)
    looking = asyncio.ensure_future(page.app()(scope, receive, sent.put))
    assert (await sent.get())["type"] == "websocket.accept"
    assert (await sent.get())["bytes"] == b"RFB 003.008\n"
    await asyncio.sleep(0.2)
    assert not looking.done() and sent.empty()
    roles = {role["name"]: role["id"] for role in (await admin.get("/v3/roles"))["roles"]}
    granted = f"/v3/projects/{member.project_id}/users/{member.user_id}/roles/{roles['member']}"
    await admin("DELETE", granted, status=204)
    async with asyncio.timeout(60):
        await looking
    assert (await sent.get())["type"] == "websocket.close"
    assert (await knock(cloud, path, query))["code"] == REFUSED
    gone.set()


async def test_a_token_ends_with_its_server(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    server_id = await a_server(admin, await an_image(admin), await a_flavor(admin))
    await settle(cloud)
    path, query = await a_console(admin, server_id)
    await admin("DELETE", f"/compute/v2.1/servers/{server_id}", status=204)
    await settle(cloud)
    assert (await knock(cloud, path, query))["code"] == REFUSED


@pytest.mark.parametrize("action", ["os-stop", "reboot", "suspend"])
async def test_a_token_ends_with_the_run_of_its_guest(cloud: Cloud, action: str) -> None:
    """What the address showed was that run; stopped and started, it is asked for anew."""
    admin = await cloud.sign_in()
    server_id = await a_server(admin, await an_image(admin), await a_flavor(admin))
    await settle(cloud)
    path, query = await a_console(admin, server_id)
    act = f"/compute/v2.1/servers/{server_id}/action"
    await admin("POST", act, {"pause": None}, status=202)
    await settle(cloud)
    assert (await knock(cloud, path, query))["type"] == "websocket.accept"
    await admin("POST", act, {"unpause": None}, status=202)
    await settle(cloud)
    await admin("POST", act, {action: {"type": "HARD"} if action == "reboot" else None}, status=202)
    await settle(cloud)
    back = {"os-stop": "os-start", "suspend": "resume"}.get(action)
    if back is not None:
        await admin("POST", act, {back: None}, status=202)
        await settle(cloud)
    assert (await knock(cloud, path, query))["code"] == REFUSED
    path, query = await a_console(admin, server_id)
    assert (await knock(cloud, path, query))["type"] == "websocket.accept"


async def test_a_page_under_somebody_elses_name_is_not_ours(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    server_id = await a_server(admin, await an_image(admin), await a_flavor(admin))
    await settle(cloud)
    path, query = await a_console(admin, server_id)
    evil = await knock(cloud, path, query, "http://evil.example", "evil.example")
    assert evil["code"] == REFUSED
    for host in ("cloud", "127.0.0.1:5000", "[::1]:5000", "localhost:5000"):
        said = await knock(cloud, path, query, f"http://{host}", host)
        assert said["type"] == "websocket.accept", host
    requested = {"remote_console": {"protocol": "vnc", "type": "novnc"}}
    made = await admin.post(
        f"/compute/v2.1/servers/{server_id}/remote-consoles",
        requested,
        200,
        headers={**NEWEST, "Host": "evil.example"},
    )
    assert made["remote_console"]["url"].startswith("http://cloud:5000/console/")
    listed = await admin.get("/compute/v2.1/servers", headers={"Host": "evil.example:80"})
    assert all("evil" not in one["href"] for one in listed["servers"][0]["links"])


def _held(places: Places, project: str) -> int:
    return sum(one.project_id == project for one in places._taken)


def test_nobody_takes_all_consoles() -> None:
    """Users and servers have their most; when all are taken, who has least gets one from who has most."""
    places = Places(ComputeSettings(consoles=12, consoles_each_user=5, consoles_each_server=2))
    assert [places.take(Place("u", f"s{n}", "p")) for n in range(7)] == [True] * 5 + [False] * 2
    first = Place("v1", "same", "p")
    for place in (first, Place("v2", "same", "p"), Place("v3", "same", "p")):
        assert places.take(place)
    assert first.given_up.is_set() and _held(places, "p") == 7
    for number in range(20):
        places.take(Place(f"w{number}", f"t{number}", "p"))
    assert _held(places, "p") == 12
    for number in range(20):
        places.take(Place(f"x{number}", f"r{number}", "q"))
    assert _held(places, "q") == 6 and _held(places, "p") == 6
    assert places.take(Place("y", "y", "third")), "a project that has none always gets one"
    assert len(places._taken) == 12
