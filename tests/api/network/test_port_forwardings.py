"""Conversations about single ports of floating IPs."""

from __future__ import annotations

from typing import Any

import pytest

from hanok.drivers.ovn.rows import LoadBalancer
from hanok.services.network.logic import specs
from tests.api.network.test_networks import V2, network, port, refused, subnet
from tests.cloud import Client, Cloud


class Lab:
    """A network behind a router to the outside, with a floating IP that leads nowhere yet."""

    def __init__(self, client: Client) -> None:
        self.client = client

    async def build(self) -> None:
        client = self.client
        outside = (await client.get(f"{V2}/networks?router:external=true"))["networks"][0]["id"]
        self.network = (await network(client))["id"]
        self.subnet = (await subnet(client, self.network))["id"]
        gateway = {"router": {"external_gateway_info": {"network_id": outside}}}
        self.router = (await client.post(f"{V2}/routers", gateway))["router"]["id"]
        self.interface = {"subnet_id": self.subnet}
        path = f"{V2}/routers/{self.router}/add_router_interface"
        await client("PUT", path, self.interface, status=200)
        sent = {"floatingip": {"floating_network_id": outside}}
        self.floating = (await client.post(f"{V2}/floatingips", sent))["floatingip"]
        self.path = f"/floatingips/{self.floating['id']}/port_forwardings"
        self.port = await port(client, self.network)

    def body(self, **values: Any) -> dict[str, Any]:
        common = {"protocol": "tcp", "internal_port_id": self.port["id"]}
        return {"port_forwarding": {**common, **values}}

    async def forward(self, **values: Any) -> dict[str, Any]:
        made = await self.client.post(f"{V2}{self.path}", self.body(**values))
        return dict(made["port_forwarding"])

    async def no(self, status: int, **values: Any) -> dict[str, Any]:
        return await refused(self.client, "POST", self.path, self.body(**values), status)

    async def shown(self) -> dict[str, Any]:
        found = await self.client.get(f"{V2}/floatingips/{self.floating['id']}")
        return dict(found["floatingip"])


@pytest.fixture
async def lab(cloud: Cloud) -> Lab:
    found = Lab(await cloud.project_with("p", "member"))
    await found.build()
    return found


async def balancers(cloud: Cloud, lab: Lab) -> dict[str, dict[str, str]]:
    scope = f"floating_ip:{lab.floating['id']}"
    async with cloud.control.database.read() as tx:
        rows = (await specs.rows_of(tx, cloud.network, [scope]))[scope]
    assert isinstance(rows, list)
    return {row.protocol: row.vips for row in rows if isinstance(row, LoadBalancer)}


async def test_ports_lead_to_ports(cloud: Cloud, lab: Lab) -> None:
    made = await lab.forward(external_port=2222, internal_port=22, description="ssh")
    inside = lab.port["fixed_ips"][0]["ip_address"]
    assert (made["internal_ip_address"], made["external_port_range"]) == (inside, "2222:2222")
    outside = lab.floating["floating_ip_address"]
    shown = await lab.shown()
    assert (shown["router_id"], shown["status"], shown["port_id"]) == (lab.router, "ACTIVE", None)
    assert shown["port_forwardings"] == [
        {
            "id": made["id"],
            "protocol": "tcp",
            "external_port": 2222,
            "internal_port": 22,
            "internal_port_id": lab.port["id"],
            "internal_ip_address": inside,
        }
    ]
    assert await balancers(cloud, lab) == {"tcp": {f"{outside}:2222": f"{inside}:22"}}
    several = await lab.forward(
        protocol="udp", external_port_range="5000:5002", internal_port_range="6000:6002"
    )
    assert (await balancers(cloud, lab))["udp"] == {
        f"{outside}:{5000 + n}": f"{inside}:{6000 + n}" for n in range(3)
    }
    path = f"{V2}{lab.path}/{several['id']}"
    sent = {"port_forwarding": {"internal_port": 53}}
    changed = (await lab.client("PUT", path, sent, status=200)).json()["port_forwarding"]
    assert (changed["internal_port"], changed["external_port_range"]) == (53, "5000:5002")
    listed = (await lab.client.get(f"{V2}{lab.path}?protocol=tcp"))["port_forwardings"]
    assert [one["id"] for one in listed] == [made["id"]]
    for one in (made, several):
        await lab.client("DELETE", f"{V2}{lab.path}/{one['id']}", status=204)
    shown = await lab.shown()
    assert (shown["router_id"], shown["status"], shown["port_forwardings"]) == (None, "DOWN", [])
    assert await balancers(cloud, lab) == {}


async def test_what_cannot_be_forwarded_is_refused(cloud: Cloud, lab: Lab) -> None:
    await lab.forward(external_port=80, internal_port=8080)
    error = await lab.no(400, external_port_range="79:81", internal_port_range="1:3")
    assert "duplicate port forwarding" in error["message"]
    assert (
        "internal_port 8080" in (await lab.no(400, external_port=81, internal_port=8080))["message"]
    )
    await lab.forward(external_port=80, internal_port=8080, protocol="udp")
    for values, why in (
        ({"external_port": 0, "internal_port": 1}, "too small"),
        ({"external_port": 65536, "internal_port": 1}, "too large"),
        ({"internal_port": 1}, "Either external_port"),
        ({"external_port": 5}, "Either internal_port"),
        ({"external_port_range": "9:7", "internal_port": 1}, "not a valid port range"),
        ({"external_port_range": "7:9", "internal_port_range": "1:2"}, "have one size"),
        ({"external_port_range": "1:65535", "internal_port": 1}, "duplicate"),
        ({"external_port_range": "1000:3000", "internal_port": 9}, "at most 1000 ports"),
        ({"external_port": 5, "internal_port": 1, "protocol": "icmp"}, "is not in"),
        ({"external_port": 5, "internal_port": 1, "internal_ip_address": "10.0.0.99"}, "fixed ip"),
        ({"external_port": 5, "internal_port": 1, "internal_ip_address": "fd00::1"}, "fixed ip"),
    ):
        if values.get("external_port_range") == "1:65535":
            why = "at most 1000 ports"
        assert why in (await lab.no(400, **values))["message"], values
    nobody = "00000000-0000-4000-8000-000000000000"
    await lab.no(404, external_port=5, internal_port=1, internal_port_id=nobody)
    stranger = await cloud.project_with("stranger", "member")
    body = lab.body(external_port=5, internal_port=1)
    error = await refused(stranger, "POST", lab.path, body, 404)
    assert error["type"] == "FloatingIPNotFound"
    await refused(stranger, "GET", lab.path, None, 404)


async def test_a_floating_ip_is_forwarded_by_port_or_whole(lab: Lab) -> None:
    made = await lab.forward(external_port=80, internal_port=8080)
    whole = {"floatingip": {"port_id": lab.port["id"]}}
    path = f"/floatingips/{lab.floating['id']}"
    error = await refused(lab.client, "PUT", path, whole, 409)
    assert error["type"] == "FipInUseByPortForwarding"
    clear = {"router": {"external_gateway_info": None}}
    error = await refused(lab.client, "PUT", f"/routers/{lab.router}", clear, 409)
    assert error["type"] == "RouterExternalGatewayInUseByFloatingIp"
    remove = f"/routers/{lab.router}/remove_router_interface"
    error = await refused(lab.client, "PUT", remove, lab.interface, 409)
    assert error["type"] == "RouterInterfaceInUseByFloatingIP"
    await lab.client("DELETE", f"{V2}{lab.path}/{made['id']}", status=204)
    await lab.client("PUT", f"{V2}{path}", whole, status=200)
    error = await lab.no(409, external_port=80, internal_port=8080)
    assert error["type"] == "FloatingIPPortAlreadyAssociated"


async def test_a_routers_own_port_is_forwarded_to(cloud: Cloud, lab: Lab) -> None:
    """The suites of gophercloud and of Terraform's provider do it."""
    ports = (await lab.client.get(f"{V2}/ports?device_id={lab.router}"))["ports"]
    (own,) = [one for one in ports if one["device_owner"] == "network:router_interface"]
    made = await lab.forward(external_port=80, internal_port=8080, internal_port_id=own["id"])
    (address,) = own["fixed_ips"]
    outside = lab.floating["floating_ip_address"]
    assert await balancers(cloud, lab) == {
        "tcp": {f"{outside}:80": f"{address['ip_address']}:8080"}
    }
    remove = f"/routers/{lab.router}/remove_router_interface"
    await refused(lab.client, "PUT", remove, lab.interface, 409)
    await lab.client("DELETE", f"{V2}{lab.path}/{made['id']}", status=204)
    await lab.client("PUT", f"{V2}{remove}", lab.interface, status=200)
    metadata = (await (await cloud.sign_in()).get(f"{V2}/ports?network_id={lab.network}"))["ports"]
    (ours,) = [one for one in metadata if one["device_owner"] == "network:distributed"]
    await lab.no(400, external_port=80, internal_port=80, internal_port_id=ours["id"])


async def test_forwardings_end_with_the_port_and_hold_the_floating_ip(
    cloud: Cloud, lab: Lab
) -> None:
    await lab.forward(external_port=80, internal_port=8080)
    other = await port(lab.client, lab.network)
    await lab.forward(external_port=81, internal_port=80, internal_port_id=other["id"])
    await lab.client("DELETE", f"{V2}/ports/{other['id']}", status=204)
    assert len((await lab.shown())["port_forwardings"]) == 1
    assert (await lab.shown())["router_id"] == lab.router
    await lab.client("DELETE", f"{V2}/ports/{lab.port['id']}", status=204)
    shown = await lab.shown()
    assert (shown["port_forwardings"], shown["router_id"], shown["status"]) == ([], None, "DOWN")
    lab.port = await port(lab.client, lab.network)
    await lab.forward(external_port=80, internal_port=8080)
    error = await refused(lab.client, "DELETE", f"/floatingips/{lab.floating['id']}", None, 409)
    assert error["type"] == "FipInUseByPortForwarding"
    await lab.client("DELETE", f"{V2}/ports/{lab.port['id']}", status=204)
    await lab.client("DELETE", f"{V2}/floatingips/{lab.floating['id']}", status=204)
    await lab.client.get(f"{V2}{lab.path}", 404)
    await lab.client("PUT", f"{V2}/routers/{lab.router}/remove_router_interface", lab.interface)


async def test_forwardings_are_found_by_their_ranges(lab: Lab) -> None:
    several = await lab.forward(external_port_range="8000:8003", internal_port_range="80:83")
    one = await lab.forward(external_port=9000, internal_port=90)

    async def found(*ranges: str) -> list[str]:
        query = "&".join(f"external_port_range={each}" for each in ranges)
        listed = await lab.client.get(f"{V2}{lab.path}?{query}&sort_key=external_port_range")
        return [each["id"] for each in listed["port_forwardings"]]

    assert await found("8000:8003") == [several["id"]]
    assert await found("9000") == await found("9000:9000") == [one["id"]]
    assert await found("9000", "8000:8003") == [several["id"], one["id"]]
    assert await found("8000:8002") == []
    await refused(lab.client, "GET", f"{lab.path}?external_port_range=x", None, 400)
