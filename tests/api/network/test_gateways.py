"""Conversations about routers with several gateways."""

from __future__ import annotations

from typing import Any

import pytest

from hanok.drivers.ovn.rows import BFD, NAT, Router, RouterPort, Row
from tests.api.network.test_engine import engine, settled
from tests.api.network.test_networks import V2, network, port, refused, subnet
from tests.api.network.test_routers import lab, public
from tests.cloud import Client, Cloud


class Ways:
    """A router with a gateway on `public`, and a second external network."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud

    async def build(self) -> None:
        self.admin = await self.cloud.sign_in()
        self.member = await self.cloud.project_with("p", "member")
        self.inside, self.sub, router = await lab(self.member)
        self.id = router["id"]
        self.public = (await public(self.member))["id"]
        values = {
            "router:external": True, "provider:network_type": "vlan", "provider:segmentation_id": 7,
            "provider:physical_network": "public",
        }  # fmt: skip
        made = await network(self.admin, **values)
        self.other = made["id"]
        self.outer = await subnet(self.admin, self.other, "172.24.5.0/24", gateway_ip="172.24.5.1")

    async def shown(self) -> dict[str, Any]:
        return dict((await self.member.get(f"{V2}/routers/{self.id}"))["router"])

    async def change(
        self, how: str, gateways: Any, client: Client | None = None, status: int = 200
    ) -> dict[str, Any]:
        path = f"{V2}/routers/{self.id}/{how}_external_gateways"
        body = {"router": {"external_gateways": gateways}}
        answer = await (client or self.member)("PUT", path, body, status=status)
        return dict(answer.json().get("router", answer.json()))

    async def rows(self) -> list[Row]:
        await settled(self.cloud)
        return await engine(self.cloud).dump(f"router:{self.id}")


@pytest.fixture
async def ways(cloud: Cloud) -> Ways:
    found = Ways(cloud)
    await found.build()
    return found


def on(gateways: list[dict[str, Any]]) -> list[str]:
    return [one["network_id"] for one in gateways]


async def test_gateways_come_and_go(ways: Ways) -> None:
    assert on((await ways.shown())["external_gateways"]) == [ways.public]
    made = await ways.change("add", [{"network_id": ways.other}])
    first, second = made["external_gateways"]
    assert first == made["external_gateway_info"] and first["network_id"] == ways.public
    assert second == {
        "network_id": ways.other,
        "enable_snat": True,
        "qos_policy_id": None,
        "external_fixed_ips": [
            {
                "subnet_id": ways.outer["id"],
                "ip_address": second["external_fixed_ips"][0]["ip_address"],
            }
        ],
    }
    wish = {"network_id": ways.other, "external_fixed_ips": [{"ip_address": "172.24.5.77"}]}
    changed = await ways.change(
        "update", [{"network_id": ways.public}, {**wish, "enable_snat": False}], ways.admin
    )
    assert changed["external_gateways"][0] == first
    moved = changed["external_gateways"][1]
    assert moved["external_fixed_ips"][0]["ip_address"] == "172.24.5.77"
    assert moved["enable_snat"] is False and changed["enable_snat"] is True
    # What is not among them goes, and the next one is the first.
    changed = await ways.change("update", [{"network_id": ways.other}])
    assert on(changed["external_gateways"]) == [ways.other]
    assert changed["external_gateway_info"]["network_id"] == ways.other
    changed = await ways.change("add", [{"network_id": ways.public}, {"network_id": ways.public}])
    assert on(changed["external_gateways"]) == [ways.other, ways.public, ways.public]
    both = [{"network_id": ways.public}]
    await ways.change("remove", both, status=400)
    address = changed["external_gateways"][2]["external_fixed_ips"]
    changed = await ways.change("remove", [{**both[0], "external_fixed_ips": address}], ways.admin)
    assert on(changed["external_gateways"]) == [ways.other, ways.public]
    changed = await ways.change("remove", [{"network_id": ways.other}])
    assert on(changed["external_gateways"]) == [ways.public]
    await ways.change("add", [{"network_id": ways.other}])
    assert (await ways.change("remove", {}))["external_gateways"] == []
    ports = (await ways.admin.get(f"{V2}/ports?device_owner=network:router_gateway"))["ports"]
    assert ports == []
    await ways.change("add", [{"network_id": ways.other}, {"network_id": ways.public}])
    body: Any = {"router": {"external_gateway_info": {}}}
    answer = await ways.member("PUT", f"{V2}/routers/{ways.id}", body, status=200)
    assert answer.json()["router"]["external_gateways"] == []


async def test_ovn_is_told_of_all_of_them(ways: Ways) -> None:
    await ways.change("add", [{"network_id": ways.other}])
    rows = await ways.rows()
    outward = [one for one in rows if isinstance(one, RouterPort) and one.gateway_chassis]
    assert len(outward) == 2
    nats = {one.external_ip: one.gateway for one in rows if isinstance(one, NAT)}
    assert set(nats.values()) == {one.name for one in outward}
    (router,) = (one for one in rows if isinstance(one, Router))
    assert {one.next_hop for one in router.routes} == {"172.24.4.1"}
    one = await port(ways.member, ways.inside["id"])
    body = {"floatingip": {"floating_network_id": ways.other, "port_id": one["id"]}}
    floating = (await ways.member.post(f"{V2}/floatingips", body))["floatingip"]
    assert floating["router_id"] == ways.id
    (router,) = (one for one in await ways.rows() if isinstance(one, Router))
    (policy,) = router.policies
    fixed = one["fixed_ips"][0]["ip_address"]
    assert policy.match == f"ip4.src == {fixed} && ip4.dst != {{10.0.0.0/24}}"
    assert policy.next_hop == "172.24.5.1"
    (nat,) = await engine(ways.cloud).dump(f"floating_ip:{floating['id']}")
    assert isinstance(nat, NAT) and nat.gateway == nats.get(nat.external_ip, nat.gateway)
    assert nat.gateway in {one.name for one in outward}
    gone = {"router": {"external_gateways": [{"network_id": ways.other}]}}
    path = f"/routers/{ways.id}/remove_external_gateways"
    error = await refused(ways.member, "PUT", path, gone, 409)
    assert error["type"] == "RouterExternalGatewayInUseByFloatingIp"
    error = await refused(ways.admin, "DELETE", f"/networks/{ways.other}", None, 409)
    plain = {"router": {"enable_default_route_ecmp": True, "enable_default_route_bfd": True}}
    await refused(ways.member, "PUT", f"/routers/{ways.id}", plain, 403)
    answer = await ways.admin("PUT", f"{V2}/routers/{ways.id}", plain, status=200)
    assert answer.json()["router"]["enable_default_route_ecmp"] is True
    rows = await ways.rows()
    (router,) = (one for one in rows if isinstance(one, Router))
    assert {(one.next_hop, one.watched) for one in router.routes} == {
        ("172.24.4.1", True),
        ("172.24.5.1", True),
    }
    assert {one.next_hop for one in rows if isinstance(one, BFD)} == {"172.24.4.1", "172.24.5.1"}
    await ways.member("DELETE", f"{V2}/floatingips/{floating['id']}", status=204)
    (router,) = (one for one in await ways.rows() if isinstance(one, Router))
    assert not router.policies
    await ways.change("remove", [{"network_id": ways.public}])
    rows = await ways.rows()
    assert {one.gateway for one in rows if isinstance(one, NAT)} == {""}


async def test_what_cannot_be_a_gateway_is_refused(ways: Ways) -> None:
    inside = [{"network_id": ways.inside["id"]}]
    await ways.change("add", inside, status=400)
    odd: Any
    for odd in (5, [{}], [{"network_id": "x"}], [None, 5], [{"network_id": ways.other, "odd": 1}]):
        await ways.change("add", odd, status=400)
    await ways.change("add", [{"network_id": ways.other}] * 10, status=400)
    await ways.change("remove", [{"network_id": ways.other}], status=400)
    path = f"/routers/{ways.id}/add_external_gateways"
    await refused(ways.member, "PUT", path, {"router": {}}, 400)
    snat = [{"network_id": ways.other, "enable_snat": False}]
    await ways.change("add", snat, status=403)
    stranger = await ways.cloud.project_with("stranger", "member")
    body = {"router": {"external_gateways": [{"network_id": ways.other}]}}
    await refused(stranger, "PUT", path, body, 404)
    # A network that is a gateway's is none to join, and its subnets are apart from those that are joined.
    await ways.change("add", [{"network_id": ways.other}])
    path = f"/routers/{ways.id}/add_router_interface"
    await refused(ways.admin, "PUT", path, {"subnet_id": ways.outer["id"]}, 400)
    over = await network(ways.member)
    over = await subnet(ways.member, over["id"], "172.24.5.0/25")
    await refused(ways.member, "PUT", path, {"subnet_id": over["id"]}, 400)


async def test_a_router_ends_with_its_gateways(ways: Ways) -> None:
    await ways.change("add", [{"network_id": ways.other}])
    path = f"{V2}/routers/{ways.id}"
    body = {"subnet_id": ways.sub["id"]}
    await ways.member("PUT", f"{path}/remove_router_interface", body, status=200)
    await ways.member("DELETE", path, status=204)
    await ways.admin("DELETE", f"{V2}/networks/{ways.other}", status=204)
    await settled(ways.cloud)
