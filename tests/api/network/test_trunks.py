"""Conversations about trunks and what comes through them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hanok.drivers.ovn.rows import SwitchPort
from hanok.services.network.logic import specs
from tests.api.network.test_networks import V2, network, port, refused, subnet
from tests.cloud import Client, Cloud, a_flavor, a_server, an_image, settle


async def trunk(client: Client, port_id: str, *sub_ports: Any, **values: Any) -> dict[str, Any]:
    body = {"trunk": {"name": "t", "port_id": port_id, "sub_ports": list(sub_ports), **values}}
    return dict((await client.post(f"{V2}/trunks", body))["trunk"])


def sub(one: dict[str, Any], vlan: int) -> dict[str, Any]:
    return {"port_id": one["id"], "segmentation_type": "vlan", "segmentation_id": vlan}


class Lab:
    """Two networks, a port on the first, two on the second."""

    def __init__(self, client: Client) -> None:
        self.client = client

    async def build(self) -> None:
        self.first, self.second = await network(self.client), await network(self.client)
        await subnet(self.client, self.first["id"], "10.1.0.0/24")
        await subnet(self.client, self.second["id"], "10.2.0.0/24")
        self.parent = await port(self.client, self.first["id"])
        self.one = await port(self.client, self.second["id"])
        self.two = await port(self.client, self.second["id"])

    async def change(self, made: dict[str, Any], how: str, *subports: Any) -> dict[str, Any]:
        path = f"{V2}/trunks/{made['id']}/{how}_subports"
        answer = await self.client("PUT", path, {"sub_ports": list(subports)}, status=200)
        return dict(answer.json())

    async def no(self, made: dict[str, Any], how: str, status: int, *subports: Any) -> str:
        path = f"/trunks/{made['id']}/{how}_subports"
        error = await refused(self.client, "PUT", path, {"sub_ports": list(subports)}, status)
        return str(error["type"])

    async def shown(self, one: dict[str, Any]) -> dict[str, Any]:
        return dict((await self.client.get(f"{V2}/ports/{one['id']}"))["port"])


@pytest.fixture
async def lab(cloud: Cloud) -> Lab:
    found = Lab(await cloud.project_with("p", "member"))
    await found.build()
    return found


async def test_subports_come_and_go(cloud: Cloud, lab: Lab) -> None:
    made = await trunk(lab.client, lab.parent["id"], sub(lab.one, 101), tags=["t"])
    assert (made["status"], made["tags"], made["sub_ports"]) == ("DOWN", ["t"], [sub(lab.one, 101)])
    taken = await lab.shown(lab.one)
    assert (taken["device_id"], taken["device_owner"]) == (made["id"], "trunk:subport")
    details = (await lab.shown(lab.parent))["trunk_details"]
    assert details == {
        "trunk_id": made["id"],
        "sub_ports": [{**sub(lab.one, 101), "mac_address": lab.one["mac_address"]}],
    }
    assert "trunk_details" not in taken
    more = await lab.change(made, "add", sub(lab.two, 102))
    assert more["sub_ports"] == [sub(lab.one, 101), sub(lab.two, 102)]
    assert more["revision_number"] > made["revision_number"]
    path = f"{V2}/trunks/{made['id']}"
    assert (await lab.client.get(f"{path}/get_subports"))["sub_ports"] == more["sub_ports"]
    scope = f"port:{lab.two['id']}"
    async with cloud.control.database.read() as tx:
        rows = (await specs.rows_of(tx, cloud.network, [scope]))[scope]
    assert isinstance(rows, list) and isinstance(rows[0], SwitchPort)
    assert (rows[0].parent, rows[0].tag, rows[0].switch) == (
        lab.parent["id"],
        102,
        lab.second["id"],
    )
    less = await lab.change(made, "remove", sub(lab.one, 101))
    assert less["sub_ports"] == [sub(lab.two, 102)]
    assert (await lab.shown(lab.one))["device_owner"] == ""
    renamed = {"trunk": {"name": "new", "admin_state_up": False}}
    answer = (await lab.client("PUT", path, renamed, status=200)).json()["trunk"]
    assert (answer["name"], answer["admin_state_up"]) == ("new", False)
    assert await lab.no(made, "add", 409, sub(lab.one, 5)) == "TrunkDisabled"
    assert await lab.no(made, "remove", 409, {"port_id": lab.two["id"]}) == "TrunkDisabled"
    error = await refused(lab.client, "DELETE", f"/trunks/{made['id']}", None, 409)
    assert error["type"] == "TrunkDisabled"
    await lab.client("PUT", path, {"trunk": {"admin_state_up": True}}, status=200)
    await lab.client("DELETE", path, status=204)
    assert (await lab.shown(lab.two))["device_id"] == ""
    await lab.client("DELETE", f"{V2}/ports/{lab.two['id']}", status=204)


async def test_a_port_is_of_one_trunk(cloud: Cloud, lab: Lab) -> None:
    made = await trunk(lab.client, lab.parent["id"], sub(lab.one, 101))
    for body, kind in (
        ({"port_id": lab.parent["id"]}, "PortInUseAsTrunkParent"),
        ({"port_id": lab.one["id"]}, "PortInUseAsSubPort"),
        ({"port_id": lab.two["id"], "sub_ports": [sub(lab.one, 1)]}, "PortInUseAsSubPort"),
        ({"port_id": lab.two["id"], "sub_ports": [sub(lab.two, 1)]}, "PortInUseAsTrunkParent"),
    ):
        error = await refused(lab.client, "POST", "/trunks", {"trunk": body}, 409)
        assert error["type"] == kind, body
    assert await lab.no(made, "add", 409, sub(lab.two, 101)) == "DuplicateSubPort"
    assert await lab.no(made, "remove", 404, {"port_id": lab.two["id"]}) == "SubPortNotFound"
    for one, kind in ((lab.parent, "PortInUseAsTrunkParent"), (lab.one, "PortInUseAsSubPort")):
        error = await refused(lab.client, "DELETE", f"/ports/{one['id']}", None, 409)
        assert error["type"] == kind
    freed = {"port": {"device_id": "", "device_owner": ""}}
    error = await refused(lab.client, "PUT", f"/ports/{lab.one['id']}", freed, 409)
    assert error["type"] == "PortInUse"
    # A port that only says so of itself is nobody's, and may say something else.
    said = {"port": {"device_id": made["id"], "device_owner": "trunk:subport"}}
    for body in (said, freed):
        await lab.client("PUT", f"{V2}/ports/{lab.two['id']}", body, status=200)
    odd: Any
    for odd in ([], {}, {"sub_ports": 5}, {"sub_ports": [{}]}, {"sub_ports": [{"port_id": "x"}]}):
        await refused(lab.client, "PUT", f"/trunks/{made['id']}/add_subports", odd, 400)
    twice = {"sub_ports": [sub(lab.two, 9), sub(await port(lab.client, lab.second["id"]), 9)]}
    await refused(lab.client, "PUT", f"/trunks/{made['id']}/add_subports", twice, 400)
    for vlan in (0, 4095):
        await refused(
            lab.client,
            "PUT",
            f"/trunks/{made['id']}/add_subports",
            {"sub_ports": [sub(lab.two, vlan)]},
            400,
        )
    wide = await network(lab.client, mtu=1442)
    narrow = await network(lab.client, mtu=1300)
    inside = await trunk(lab.client, (await port(lab.client, narrow["id"]))["id"])
    big = await port(lab.client, wide["id"])
    assert await lab.no(inside, "add", 409, sub(big, 9)) == "SubPortMtuGreaterThanTrunkPortMtu"
    stranger = await cloud.project_with("stranger", "member")
    theirs = await network(stranger)
    foreign = await port(stranger, theirs["id"])
    await lab.no(made, "add", 404, sub(foreign, 7))
    await stranger.get(f"{V2}/trunks/{made['id']}", 404)


async def test_subports_are_where_the_guest_is(cloud: Cloud, lab: Lab) -> None:
    admin = await cloud.sign_in()
    made = await trunk(lab.client, lab.parent["id"], sub(lab.one, 101))
    image, flavor = await an_image(lab.client), await a_flavor(admin)
    server = await a_server(
        lab.client, image, flavor, lab.first["id"], networks=[{"port": lab.parent["id"]}]
    )
    await settle(cloud)
    await lab.change(made, "add", sub(lab.two, 102))
    host = (await admin.get(f"{V2}/ports/{lab.parent['id']}"))["port"]["binding:host_id"]
    assert host
    for one in (lab.one, lab.two):
        await _becomes(lab, one, "ACTIVE")
        seen = (await admin.get(f"{V2}/ports/{one['id']}"))["port"]
        assert seen["binding:host_id"] == host
    found = (await lab.client.get(f"{V2}/trunks?status=ACTIVE"))["trunks"]
    assert [one["id"] for one in found] == [made["id"]]
    await lab.client("DELETE", f"/compute/v2.1/servers/{server}", status=204)
    await settle(cloud)
    for one in (lab.one, lab.two):
        await _becomes(lab, one, "DOWN")
    assert (await lab.client.get(f"{V2}/trunks/{made['id']}"))["trunk"]["status"] == "DOWN"


async def _becomes(lab: Lab, one: dict[str, Any], status: str) -> None:
    async with asyncio.timeout(60):
        while (await lab.shown(one))["status"] != status:
            await asyncio.sleep(0.02)


async def test_a_trunk_ends_with_the_port_that_a_server_brought(cloud: Cloud, lab: Lab) -> None:
    admin = await cloud.sign_in()
    image, flavor = await an_image(lab.client), await a_flavor(admin)
    server = await a_server(lab.client, image, flavor, lab.first["id"])
    await settle(cloud)
    (parent,) = (await lab.client.get(f"{V2}/ports?device_id={server}"))["ports"]
    made = await trunk(lab.client, parent["id"], sub(lab.one, 101))
    await lab.client("DELETE", f"/compute/v2.1/servers/{server}", status=204)
    await settle(cloud)
    await lab.client.get(f"{V2}/trunks/{made['id']}", 404)
    assert (await lab.shown(lab.one))["device_owner"] == ""
