"""Network interfaces that servers get and lose: what is shown, refused and kept, and how it ends when it breaks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from hanok.base import failpoints
from hanok.base.ids import new_uuid
from hanok.commands import Diagnostics, ReadDiagnostics
from hanok.commands.wire import ask
from hanok.events.tables import events
from tests.api.compute.ground import PLACES, SERVERS, Ground, at, standing
from tests.cloud import a_network, settle

TAGS = {49: (), 70: ("tag",)}


@pytest.fixture
async def ground(tmp_path: Path) -> AsyncIterator[Ground]:
    async with standing(tmp_path) as one:
        yield one


class Interfaces:
    """The interfaces of a server."""

    def __init__(self, ground: Ground, server_id: str) -> None:
        self.ground, self.server_id = ground, server_id
        self.path = f"{SERVERS}/{server_id}/os-interface"

    async def attach(self, status: int = 200, minor: int = 104, **values: Any) -> Any:
        body = {"interfaceAttachment": values}
        answer = await self.ground.user("POST", self.path, body, headers=at(minor), status=status)
        await settle(self.ground.cloud)
        return answer.json().get("interfaceAttachment") or answer.text

    async def detach(self, port_id: str, status: int = 202) -> None:
        await self.ground.user("DELETE", f"{self.path}/{port_id}", status=status)
        await settle(self.ground.cloud)

    async def ports(self) -> list[str]:
        """Their ports, which the host gives the guest, too."""
        found = (await self.ground.user.get(self.path, headers=at(104)))["interfaceAttachments"]
        host = (await self.ground.show(self.server_id))["OS-EXT-SRV-ATTR:host"]
        command = ReadDiagnostics(server_id=self.server_id)
        told = await ask(self.ground.cloud.control.bus, host, command, timeout_s=60)
        if isinstance(told, Diagnostics):
            assert [nic.port_id for nic in told.nics] == [one["port_id"] for one in found]
        return [one["port_id"] for one in found]


async def new_server(ground: Ground, **values: Any) -> Interfaces:
    return Interfaces(ground, await ground.server(**values))


async def clean(ground: Ground) -> None:
    """Everything agrees, once the network engine has heard what changed last."""
    async with asyncio.timeout(30):
        while (await ground.admin.get("/hanok/v1/inventory"))["differences"]:
            await asyncio.sleep(0.05)


async def a_port(ground: Ground, network: str) -> str:
    made = await ground.user.post("/network/v2.0/ports", {"port": {"network_id": network}})
    return str(made["port"]["id"])


async def port(ground: Ground, port_id: str) -> Any:
    answer = await ground.admin("GET", f"/network/v2.0/ports/{port_id}")
    return None if answer.status_code == 404 else answer.json()["port"]


@pytest.mark.parametrize("minor", [1, 49, 70])
async def test_an_interface_on_another_network(ground: Ground, minor: int) -> None:
    server = await new_server(ground)
    (first,) = await server.ports()
    other = await a_network(ground.user, "other", "10.2.0.0/24")
    wish: dict[str, Any] = {"net_id": other, "fixed_ips": [{"ip_address": "10.2.0.77"}]}
    wish |= {"tag": "data"} if minor >= 49 else {}
    made = await server.attach(minor=minor, **wish)
    assert set(made) == {"port_id", "net_id", "mac_addr", "port_state", "fixed_ips"} | (
        {"tag"} if minor >= 70 else set()
    )
    assert made["net_id"] == other and made["fixed_ips"][0]["ip_address"] == "10.2.0.77"
    assert await server.ports() == [first, made["port_id"]]
    shown = (await ground.user.get(f"{server.path}/{made['port_id']}", headers=at(70)))[
        "interfaceAttachment"
    ]
    assert shown["port_state"] == "ACTIVE" and shown["tag"] == wish.get("tag")
    assert set((await ground.show(server.server_id))["addresses"]) == {"net", "other"}
    bound = await port(ground, made["port_id"])
    assert bound["device_id"] == server.server_id and bound["binding:host_id"] == "host-1"
    assert (await ground.actions(server.server_id))[0] == ("attach_interface", None)
    await clean(ground)
    await server.detach(made["port_id"])
    assert await server.ports() == [first] and await port(ground, made["port_id"]) is None
    assert (await ground.actions(server.server_id))[0] == ("detach_interface", None)
    await clean(ground)


async def test_a_port_of_ones_own_is_free_again(ground: Ground) -> None:
    server, mine = await new_server(ground), await a_port(ground, ground.network)
    made = await server.attach(port_id=mine)
    assert made["port_id"] == mine
    assert "still in use" in await server.attach(409, port_id=mine)
    other = await new_server(ground)
    await other.attach(409, port_id=mine)
    await server.detach(mine)
    assert (await port(ground, mine))["device_id"] == ""
    assert (await other.attach(port_id=mine))["port_id"] == mine
    await ground.delete(other.server_id)
    assert (await port(ground, mine))["device_id"] == ""
    await clean(ground)


@pytest.mark.parametrize("wish", [{}, {"tag": "only"}])
async def test_the_only_network(ground: Ground, wish: dict[str, Any]) -> None:
    server = await new_server(ground)
    assert (await server.attach(**wish))["net_id"] == ground.network
    await a_network(ground.user, "other", "10.2.0.0/24")
    assert "more specific" in await server.attach(400, **wish)
    assert len(await server.ports()) == 2


NOWHERE = "11111111-2222-4333-8444-555555555555"


@pytest.mark.parametrize(
    ("wish", "status", "words"),
    [
        ({"port_id": NOWHERE}, 404, "could not be found"),
        ({"net_id": NOWHERE}, 404, "could not be found"),
        ({"net_id": NOWHERE, "port_id": NOWHERE}, 400, "both"),
        ({"fixed_ips": [{"ip_address": "10.1.0.9"}]}, 400, "network_id"),
        ({"port_id": NOWHERE, "fixed_ips": [{"ip_address": "10.1.0.9"}]}, 400, "network_id"),
        ({"net_id": "NET", "fixed_ips": [{"ip_address": "192.0.2.1"}]}, 400, "192.0.2.1"),
        ({"net_id": "NET", "fixed_ips": [{"ip_address": "nonsense"}]}, 400, "nonsense"),
        ({"net_id": "NET", "fixed_ips": [{"ip_address": "10.1.0.255"}]}, 400, "10.1.0.255"),
        ({"net_id": "NET", "fixed_ips": []}, 400, "fixed_ips"),
        ({"net_id": "NET", "fixed_ips": [{"ip_address": "10.1.0.8"}] * 2}, 400, "fixed_ips"),
        ({"net_id": "not-an-id"}, 400, "net_id"),
        ({"net_id": "NET", "tag": "a,b"}, 400, "tag"),
        ({"net_id": "NET", "odd": 1}, 400, "odd"),
    ],
)
async def test_what_is_refused(
    ground: Ground, wish: dict[str, Any], status: int, words: str
) -> None:
    server = await new_server(ground)
    before = await server.ports()
    named: dict[str, Any] = {
        name: ground.network if one == "NET" else one for name, one in wish.items()
    }
    assert words in await server.attach(status, **named)
    assert await server.ports() == before
    assert (await ground.actions(server.server_id))[0][0] == "create"


async def test_an_address_that_is_taken(ground: Ground) -> None:
    server = await new_server(ground)
    taken = (await ground.user.get(server.path))["interfaceAttachments"][0]["fixed_ips"]
    address = [{"ip_address": taken[0]["ip_address"]}]
    await server.attach(400, net_id=ground.network, fixed_ips=address)
    assert len(await server.ports()) == 1


async def test_tags_have_their_version(ground: Ground) -> None:
    server = await new_server(ground)
    await server.attach(400, minor=48, net_id=ground.network, tag="t")


async def test_others_networks_external_ones_and_quotas(ground: Ground) -> None:
    server = await new_server(ground)
    theirs = await a_network(ground.admin, "theirs", "10.3.0.0/24")
    await server.attach(404, net_id=theirs)
    await server.attach(404, port_id=(await _port_of(ground, theirs)))
    path = f"/network/v2.0/networks/{theirs}"
    body = {"network": {"router:external": True}}
    await ground.admin("PUT", path, body, status=200)
    await server.attach(403, net_id=theirs)
    quota = f"/network/v2.0/quotas/{ground.user.project_id}"
    await ground.admin("PUT", quota, {"quota": {"port": 1}}, status=200)
    assert "uota" in await server.attach(403, net_id=ground.network)
    assert len(await server.ports()) == 1


async def _port_of(ground: Ground, network: str) -> str:
    made = await ground.admin.post("/network/v2.0/ports", {"port": {"network_id": network}})
    return str(made["port"]["id"])


@pytest.mark.parametrize(
    ("action", "value", "status"),
    [
        ("pause", None, 200),
        ("os-stop", None, 200),
        ("suspend", None, 409),
        ("shelve", None, 409),
        ("rescue", None, 409),
        ("lock", None, 409),
    ],
)
async def test_states(ground: Ground, action: str, value: Any, status: int) -> None:
    server = await new_server(ground)
    (first,) = await server.ports()
    if action == "lock":
        await ground.act(server.server_id, action, value, client=ground.admin)
    else:
        await ground.act(server.server_id, action, value, status=200 if action == "rescue" else 202)
    made = await server.attach(status, net_id=ground.network)
    if status == 200:
        assert await server.ports() == [first, made["port_id"]]
    await server.detach(first, 202 if status == 200 else status)
    await clean(ground)


async def test_a_paused_server_keeps_what_it_cannot_let_go_of(ground: Ground) -> None:
    server = await new_server(ground)
    (first,) = await server.ports()
    await ground.act(server.server_id, "pause")
    await server.detach(first)
    assert await server.ports() == [first]
    assert (await ground.actions(server.server_id))[0] == ("detach_interface", "Error")
    assert await ground.status(server.server_id) == "PAUSED"
    await ground.act(server.server_id, "unpause")
    await server.detach(first)
    assert await server.ports() == []
    await server.detach(first, 404)
    await clean(ground)


@pytest.mark.parametrize(
    "action", [("reboot", {"type": "HARD"}), ("rebuild", None), ("resize", None), ("shelve", None)]
)
async def test_interfaces_stay(ground: Ground, action: tuple[str, Any]) -> None:
    server = await new_server(ground, config_drive=True)
    made = await server.attach(net_id=ground.network, tag="kept")
    ports = await server.ports()
    name, value = action
    if name == "rebuild":
        value = {"imageRef": ground.image}
    elif name == "resize":
        body = {"name": "two", "id": "two", "ram": 128, "vcpus": 1, "disk": 1}
        await ground.admin("POST", "/compute/v2.1/flavors", {"flavor": body}, status=200)
        value = {"flavorRef": "two"}
    await ground.act(server.server_id, name, value)
    if name == "resize":
        await ground.act(server.server_id, "confirmResize", status=204)
    elif name == "shelve":
        await ground.act(server.server_id, "unshelve")
    assert await ground.status(server.server_id) == "ACTIVE"
    assert await server.ports() == ports
    shown = await ground.user.get(f"{server.path}/{made['port_id']}", headers=at(70))
    assert shown["interfaceAttachment"]["tag"] == "kept"
    await clean(ground)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("step", ["BindPort", "PlugInterface"])
@pytest.mark.parametrize("own", [True, False])
async def test_an_attach_that_breaks_leaves_nothing(
    ground: Ground, step: str, place: str, own: bool
) -> None:
    server = await new_server(ground)
    before = await server.ports()
    mine = await a_port(ground, ground.network)
    wish: dict[str, Any] = {"port_id": mine} if own else {"net_id": ground.network}
    with failpoints.armed(f"compute.attach_interface.{step}.{place}", "raise"):
        assert "Failed to attach" in await server.attach(409, **wish)
    assert await server.ports() == before
    assert await ground.status(server.server_id) == "ACTIVE"
    assert (await port(ground, mine))["device_id"] == ""
    listed = await ground.user.get("/network/v2.0/ports?device_id=" + server.server_id)
    assert [one["id"] for one in listed["ports"]] == before
    assert (await ground.actions(server.server_id))[0] == ("attach_interface", "Error")
    await clean(ground)
    await server.attach(**wish)
    await ground.delete(server.server_id)
    await clean(ground)
    await ground.assert_nothing_left()


@pytest.mark.parametrize("place", PLACES)
async def test_a_detach_that_breaks_leaves_the_interface(ground: Ground, place: str) -> None:
    server = await new_server(ground)
    before = await server.ports()
    with failpoints.armed(f"compute.detach_interface.UnplugInterface.{place}", "raise"):
        await server.detach(before[0])
    assert await server.ports() == before
    assert await ground.status(server.server_id) == "ACTIVE"
    await clean(ground)
    await server.detach(before[0])
    assert await server.ports() == []
    await clean(ground)


@pytest.mark.parametrize(("breaks", "result"), [(False, "Success"), (True, "Error")])
async def test_its_end_is_found_by_the_name_that_clients_wait_for(
    ground: Ground, breaks: bool, result: str
) -> None:
    server = await new_server(ground)
    (first,) = await server.ports()
    place = "compute.detach_interface.UnplugInterface.after_do"
    with failpoints.armed(place, "raise") if breaks else nullcontext():
        await server.detach(first)
    actions = f"{SERVERS}/{server.server_id}/os-instance-actions"
    newest = (await ground.admin.get(actions))["instanceActions"][0]
    shown = (await ground.admin.get(f"{actions}/{newest['request_id']}"))["instanceAction"]
    work = [one for one in shown["events"] if one["event"] == "compute_detach_interface"]
    assert [(one["result"], one["finish_time"] is not None) for one in work] == [(result, True)]
    assert bool(work[0]["traceback"]) is breaks


async def test_it_is_told_in_the_fields_form(ground: Ground) -> None:
    server = await new_server(ground)
    (first,) = await server.ports()
    await server.attach(net_id=ground.network)
    await server.detach(first)
    with failpoints.armed("compute.attach_interface.PlugInterface.before_do", "raise"):
        await server.attach(409, net_id=ground.network)
    statement = sa.select(events.c.kind).where(events.c.resource == f"server:{server.server_id}")
    async with ground.cloud.control.database.read() as tx:
        told = list(await tx.scalars(statement.order_by(events.c.sequence)))
    assert [kind.removeprefix("compute.instance.") for kind in told[2:]] == [
        "interface_attach.start",
        "interface_attach.end",
        "interface_detach.start",
        "interface_detach.end",
        "interface_attach.start",
        "interface_attach.error",
    ]


async def test_nobody_else_reaches_them(ground: Ground) -> None:
    server = await new_server(ground)
    (first,) = await server.ports()
    stranger = await ground.cloud.project_with("q", "member")
    await stranger("POST", server.path, {"interfaceAttachment": {}}, status=404)
    await stranger("DELETE", f"{server.path}/{first}", status=404)
    reader = await ground.cloud.project_with("p2", "reader")
    assert reader.project_id != ground.user.project_id
    await ground.user("DELETE", f"{server.path}/{new_uuid()}", status=404)


async def test_attaches_at_the_same_moment(tmp_path: Path, database_url: str) -> None:
    async with standing(tmp_path, database=database_url) as ground:
        one, other = await new_server(ground), await new_server(ground)
        mine = await a_port(ground, ground.network)
        same = {"interfaceAttachment": {"port_id": mine}}
        requested = [ground.user("POST", each.path, same) for each in (one, other)]
        assert sorted([each.status_code for each in await asyncio.gather(*requested)]) == [200, 409]
        new = {"interfaceAttachment": {"net_id": ground.network}}
        several = [ground.user("POST", one.path, new) for _ in range(4)]
        assert {each.status_code for each in await asyncio.gather(*several)} == {200}
        await settle(ground.cloud)
        ports = [*await one.ports(), *await other.ports()]
        assert len(ports) == len(set(ports)) == 7 and mine in ports
        await clean(ground)


@pytest.mark.parametrize("ours", [True, False])
@pytest.mark.parametrize("state", ["running", "stopped", "paused"])
async def test_a_deleted_port_takes_its_interface_along(
    ground: Ground, ours: bool, state: str
) -> None:
    server = await new_server(ground)
    (first,) = await server.ports()
    mine = "" if ours else await a_port(ground, ground.network)
    wish: dict[str, Any] = {"net_id": ground.network} if ours else {"port_id": mine}
    gone = (await server.attach(**wish))["port_id"]
    if state != "running":
        await ground.act(server.server_id, "os-stop" if state == "stopped" else "pause")
    await ground.user("DELETE", f"/network/v2.0/ports/{gone}", status=204)
    await settle(ground.cloud)
    assert await server.ports() == [first]
    assert (await ground.actions(server.server_id))[0] == ("detach_interface", None)
    await clean(ground)
    assert (await server.attach(net_id=ground.network))["port_id"] != gone
    await ground.user("DELETE", f"/network/v2.0/ports/{first}", status=204)
    await ground.delete(server.server_id)
    await clean(ground)


async def test_each_fixed_address_is_shown_with_the_floating_ip_that_leads_to_it(
    ground: Ground,
) -> None:
    user, v2 = ground.user, "/network/v2.0"
    network_id = await a_network(user, "inside", "10.7.0.0/24")
    subnet = (await user.get(f"{v2}/subnets?network_id={network_id}"))["subnets"][0]["id"]
    router = (await user.post(f"{v2}/routers", {"router": {}}))["router"]["id"]
    outside = (await user.get(f"{v2}/networks?router:external=true"))["networks"][0]["id"]
    gateway = {"router": {"external_gateway_info": {"network_id": outside}}}
    await user("PUT", f"{v2}/routers/{router}", gateway, status=200)
    path = f"{v2}/routers/{router}/add_router_interface"
    await user("PUT", path, {"subnet_id": subnet}, status=200)
    fixed = [{"ip_address": "10.7.0.20"}, {"ip_address": "10.7.0.21"}]
    made = {"network_id": network_id, "fixed_ips": fixed}
    port = (await user.post(f"{v2}/ports", {"port": made}))["port"]["id"]
    floating = {}
    for address in ("10.7.0.21", "10.7.0.20"):
        body = {"floating_network_id": outside, "port_id": port, "fixed_ip_address": address}
        one = (await user.post(f"{v2}/floatingips", {"floatingip": body}))["floatingip"]
        floating[address] = one["floating_ip_address"]
    server_id = await ground.server(networks=[{"port": port}])

    shown = (await ground.show(server_id))["addresses"]["inside"]
    assert [(one["addr"], one["OS-EXT-IPS:type"]) for one in shown] == [
        ("10.7.0.20", "fixed"),
        (floating["10.7.0.20"], "floating"),
        ("10.7.0.21", "fixed"),
        (floating["10.7.0.21"], "floating"),
    ]
    listed = (await user.get(f"{SERVERS}/detail", headers=at(104)))["servers"]
    assert [one["addresses"]["inside"] for one in listed] == [shown]
    by_ips = (await user.get(f"{SERVERS}/{server_id}/ips", headers=at(104)))["addresses"]
    assert [one["addr"] for one in by_ips["inside"]] == [one["addr"] for one in shown]
