"""Conversations about what routers answer neighbours for."""

from __future__ import annotations

from typing import Any

import pytest

from hanok.drivers.ovn.rows import NAT
from hanok.services.network.logic import ndp_proxies
from tests.api.network.test_engine import engine, settled
from tests.api.network.test_networks import V2, network, port, refused, subnet
from tests.api.network.test_routers import lab, public
from tests.cloud import Client, Cloud

SIX = {"ip_version": 6, "ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"}


class Lab:
    """A router with IPv6 on both sides, and a port with an address of both versions."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud

    async def build(self) -> None:
        self.admin = await self.cloud.sign_in()
        self.client = await self.cloud.project_with("p", "member")
        self.inside, _, router = await lab(self.client)
        self.id = router["id"]
        scope = {"address_scope": {"name": "s", "ip_version": 6, "shared": True}}
        made = await self.admin.post(f"{V2}/address-scopes", scope)
        pool = {
            "name": "s",
            "prefixes": ["2001:db8::/32"],
            "shared": True,
            "address_scope_id": made["address_scope"]["id"],
        }
        made = await self.admin.post(f"{V2}/subnetpools", {"subnetpool": pool})
        self.pool = made["subnetpool"]["id"]
        scoped = {**SIX, "subnetpool_id": self.pool}
        self.six = await subnet(self.client, self.inside["id"], "2001:db8:2::/64", **scoped)
        join = f"{V2}/routers/{self.id}/add_router_interface"
        await self.client("PUT", join, {"subnet_id": self.six["id"]}, status=200)
        self.port = await port(self.client, self.inside["id"])
        addresses = [one["ip_address"] for one in self.port["fixed_ips"]]
        (self.address,) = (one for one in addresses if ":" in one)

    async def outside(self) -> None:
        there = (await public(self.client))["id"]
        scoped = {"ip_version": 6, "subnetpool_id": self.pool}
        await subnet(self.admin, there, "2001:db8:1::/64", **scoped)

    async def change(self, status: int = 200, **values: Any) -> dict[str, Any]:
        answer = await self.client(
            "PUT", f"{V2}/routers/{self.id}", {"router": values}, status=status
        )
        return dict(answer.json())

    async def no(self, status: int, client: Client | None = None, **values: Any) -> str:
        body = {"ndp_proxy": {"router_id": self.id, "port_id": self.port["id"], **values}}
        error = await refused(client or self.client, "POST", "/ndp_proxies", body, status)
        return str(error["type"])

    async def answered(self) -> set[str]:
        """What OVN answers for."""
        await settled(self.cloud)
        rows = await engine(self.cloud).dump(f"router:{self.id}")
        return {
            one.external_ip
            for one in rows
            if isinstance(one, NAT) and one.options == {"stateless": "true"}
        }


@pytest.fixture
async def six(cloud: Cloud) -> Lab:
    found = Lab(cloud)
    await found.build()
    return found


async def test_a_router_answers_for_what_is_behind_it(
    six: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await six.no(409) == "RouterNDPProxyNotEnable"
    error = (await six.change(409, enable_ndp_proxy=True))["NeutronError"]
    assert error["type"] == "RouterGatewayNotValid"
    assert "no external gateway with an IPv6 address" in error["message"]
    await six.outside()
    assert (await six.change(enable_ndp_proxy=True))["router"]["enable_ndp_proxy"] is True
    body = {"ndp_proxy": {"router_id": six.id, "port_id": six.port["id"], "name": "n"}}
    made = (await six.client.post(f"{V2}/ndp_proxies", body))["ndp_proxy"]
    assert (made["ip_address"], made["name"]) == (six.address, "n")
    assert await six.answered() == {six.address}
    assert await six.no(409) == "NeutronDbObjectDuplicateEntry"
    monkeypatch.setattr(ndp_proxies, "MAXIMUM_PROXIES", 1)
    assert await six.no(409) == "OverQuota"
    path = f"{V2}/ndp_proxies/{made['id']}"
    renamed = {"ndp_proxy": {"name": "m", "description": "d"}}
    changed = (await six.client("PUT", path, renamed, status=200)).json()["ndp_proxy"]
    assert (changed["name"], changed["description"], changed["revision_number"]) == ("m", "d", 2)
    moved = {"ndp_proxy": {"ip_address": "2001:db8:2::9"}}
    await refused(six.client, "PUT", path.removeprefix(V2), moved, 400)
    found = await six.client.get(f"{V2}/ndp_proxies?ip_address={six.address}&fields=id")
    assert found["ndp_proxies"] == [{"id": made["id"]}]
    await six.change(enable_ndp_proxy=False)
    assert await six.answered() == set()
    await six.change(enable_ndp_proxy=True)
    error = (await six.change(409, external_gateway_info=None))["NeutronError"]
    assert error["type"] == "RouterGatewayInUseByNDPProxy"
    leave = f"/routers/{six.id}/remove_router_interface"
    error = await refused(six.client, "PUT", leave, {"subnet_id": six.six["id"]}, 409)
    assert error["type"] == "RouterInterfaceInUseByNDPProxy"
    await six.client("DELETE", path, status=204)
    assert await six.answered() == set()
    await six.client("PUT", f"{V2}{leave}", {"subnet_id": six.six["id"]}, status=200)


async def test_a_router_answers_only_where_addresses_are_of_a_scope(six: Lab) -> None:
    there = (await public(six.client))["id"]
    await subnet(six.admin, there, "2001:db8:1::/64", ip_version=6)
    error = (await six.change(409, enable_ndp_proxy=True))["NeutronError"]
    assert "no IPv6 address scope" in error["message"]
    gateway = {"external_gateway_info": {"network_id": there}, "enable_ndp_proxy": True}
    await refused(six.client, "POST", "/routers", {"router": gateway}, 409)
    await six.change(409, enable_ndp_proxy=True, external_gateway_info=None)


async def test_it_ends_with_the_port_and_with_the_address(six: Lab) -> None:
    await six.outside()
    await six.change(enable_ndp_proxy=True)
    one = await port(six.client, six.inside["id"])
    for port_id in (one["id"], six.port["id"]):
        body = {"ndp_proxy": {"router_id": six.id, "port_id": port_id}}
        await six.client.post(f"{V2}/ndp_proxies", body)
    await six.client("DELETE", f"{V2}/ports/{one['id']}", status=204)
    assert await six.answered() == {six.address}
    plain = [one for one in six.port["fixed_ips"] if ":" not in one["ip_address"]]
    await six.client(
        "PUT", f"{V2}/ports/{six.port['id']}", {"port": {"fixed_ips": plain}}, status=200
    )
    left = (await six.client.get(f"{V2}/ndp_proxies"))["ndp_proxies"]
    assert await six.answered() == {one["ip_address"] for one in left}


async def test_what_is_not_behind_it_is_refused(six: Lab) -> None:
    await six.outside()
    await six.change(enable_ndp_proxy=True)
    for address in ("10.0.0.7", "2001:db8:2::77", "2001:db8:1::1"):
        assert await six.no(400, ip_address=address) == "InvalidAddress"
    await six.no(400, ip_address="x")
    elsewhere = await network(six.client)
    await subnet(six.client, elsewhere["id"], "2001:db8:3::/64", **SIX)
    other = await port(six.client, elsewhere["id"])
    assert await six.no(409, port_id=other["id"]) == "PortUnreachableRouter"
    stranger = await six.cloud.project_with("s", "member")
    await six.no(404, stranger)
    await six.no(404, port_id="00000000-0000-4000-8000-000000000000")
    pool = {"name": "six", "prefixes": ["2001:db8:8::/48"], "default_prefixlen": 64}
    scope = {"address_scope": {"name": "s", "ip_version": 6}}
    scope_id = (await six.client.post(f"{V2}/address-scopes", scope))["address_scope"]["id"]
    body = {"subnetpool": {**pool, "address_scope_id": scope_id}}
    pool_id = (await six.client.post(f"{V2}/subnetpools", body))["subnetpool"]["id"]
    apart = await network(six.client)
    wish = {"network_id": apart["id"], "subnetpool_id": pool_id, **SIX}
    sub = (await six.client.post(f"{V2}/subnets", {"subnet": wish}))["subnet"]
    join = f"{V2}/routers/{six.id}/add_router_interface"
    await six.client("PUT", join, {"subnet_id": sub["id"]}, status=200)
    there = await port(six.client, apart["id"])
    assert await six.no(409, port_id=there["id"]) == "AddressScopeConflict"
