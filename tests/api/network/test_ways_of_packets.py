"""Where a packet goes between ports, step by step. No guest runs: ports are only said to be up."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hanok.base.errors import BadInput
from hanok.services.network import facade as networks
from hanok.services.network.facade import NICWish
from hanok.services.network.tables import ports, scopes
from tests.api.network.alone import cloud
from tests.api.network.test_engine import bind, plan
from tests.api.network.test_networks import V2, network, port, subnet
from tests.api.network.test_refusals import put
from tests.api.network.test_routers import public
from tests.api.network.test_subnet_pools import pool, scope
from tests.cloud import Client, Cloud

__all__ = ["cloud"]


class Site:
    """Networks a and b behind router r, with a port that is up on each."""

    def __init__(self, cloud: Cloud, client: Client) -> None:
        self.cloud, self.client = cloud, client
        self.nets: dict[str, str] = {}
        self.subs: dict[str, str] = {}
        self.ports: dict[str, dict[str, Any]] = {}

    async def build(self) -> None:
        made = await self.client.post(f"{V2}/routers", {"router": {"name": "r"}})
        self.router = made["router"]["id"]
        for number, name in enumerate(("a", "b"), 1):
            await self.net(name, f"10.{number}.0.0/24")
            await self.join(self.router, name)
            await self.up(name, name)
        await self.allow()

    async def net(self, name: str, cidr: str, **values: Any) -> None:
        self.nets[name] = (await network(self.client, name=name))["id"]
        made = await subnet(self.client, self.nets[name], cidr, name=f"sub-{name}", **values)
        self.subs[name] = made["id"]

    async def join(self, router: str, name: str) -> Any:
        path = f"/routers/{router}/add_router_interface"
        return await put(self.client, path, {"subnet_id": self.subs[name]})

    async def up(self, name: str, net: str, who: Client | None = None, **values: Any) -> str:
        """A port of this name that a server has, and that is up; gives its address."""
        client = who or self.client
        made = await port(client, self.nets[net], name=name, **values)
        self.ports[name] = made
        plans = await plan(self.cloud, client, [NICWish(port_id=made["id"])])
        await bind(self.cloud, client, f"s-{name}", plans)
        await self.write(ports.update().where(ports.c.id == made["id"]).values(status="ACTIVE"))
        return str(made["fixed_ips"][0]["ip_address"])

    async def write(self, statement: Any) -> None:
        async with self.cloud.control.database.write() as tx:
            await tx.execute(statement)

    def address(self, name: str) -> str:
        return str(self.ports[name]["fixed_ips"][0]["ip_address"])

    async def allow(self) -> None:
        """Everything comes in."""
        (group,) = (await self.client.get(f"{V2}/security-groups?name=default"))["security_groups"]
        for version in ("IPv4", "IPv6"):
            rule = {
                "security_group_id": group["id"],
                "direction": "ingress",
                "ethertype": version,
            }
            await self.client.post(f"{V2}/security-group-rules", {"security_group_rule": rule})

    async def gateway(self, **values: Any) -> str:
        outside = str((await public(self.client))["id"])
        info = {"router": {"external_gateway_info": {"network_id": outside, **values}}}
        await put(await self.cloud.sign_in(), f"/routers/{self.router}", info)
        return outside

    async def steps(self, source: str, destination: str, number: int | None = None) -> list[Any]:
        """The steps, once OVN has what was said."""
        protocol = "icmp" if number is None else "tcp"
        ends = (source, ""), (destination, "")
        async with asyncio.timeout(30):
            while True:
                found = await networks.why(self.cloud.network, *ends, protocol, number)
                if found[-1].at != "OVN":
                    return list(found)
                await asyncio.sleep(0.01)

    async def says(self, source: str, destination: str, number: int | None = None) -> list[str]:
        """What each step says; all of them pass."""
        found = await self.steps(source, destination, number)
        assert all(one.passes for one in found), found
        return [one.says for one in found]

    async def stops(self, source: str, destination: str, number: int | None = None) -> str:
        """What the last step says, which alone does not pass."""
        found = await self.steps(source, destination, number)
        assert [one.passes for one in found] == [True] * (len(found) - 1) + [False], found
        assert found[-1].helps
        return str(found[-1].says)


@pytest.fixture
async def site(cloud: Cloud) -> Site:
    found = Site(cloud, await cloud.project_with("p", "member"))
    await found.build()
    return found


async def test_ends_are_ports_by_id_and_by_the_one_name(site: Site) -> None:
    one, other = site.ports["a"], site.ports["b"]
    said = await site.says("a", "b")
    assert said[0] == f"Port {one['id']} ({site.address('a')}) is up."
    assert "Subnet sub-a sends it to 10.1.0.1." in said
    assert "Router r is on subnet sub-b." in said
    for source in (one["id"], site.address("a")):
        for destination in (other["id"], site.address("b")):
            assert await site.says(source, destination) == said
    await port(site.client, site.nets["b"], name="b")
    with pytest.raises(BadInput, match="More than one port exists with the name b"):
        await site.steps("a", "b")
    with pytest.raises(BadInput, match="There is no server or port nobody"):
        await site.steps("a", "nobody")
    await port(site.client, site.nets["b"], name="bare", fixed_ips=[])
    with pytest.raises(BadInput, match="bare has no addresses"):
        await site.steps("a", "bare")


async def test_a_port_that_no_guest_has_takes_nothing(site: Site) -> None:
    loose = await port(site.client, site.nets["b"], name="loose")
    assert "is not bound to a host: it is not attached to a server." in await site.stops(
        "a", "loose"
    )
    assert "is not bound to a host: it is not attached to a server." in await site.stops(
        "loose", "a"
    )
    await site.write(ports.update().where(ports.c.id == loose["id"]).values(status="ACTIVE"))
    assert "is not bound to a host" in await site.stops("a", "loose")
    down = site.ports["b"]["id"]
    await site.write(ports.update().where(ports.c.id == down).values(status="DOWN"))
    assert "is DOWN: its guest is not plugged in." in await site.stops("a", "b")
    await put(site.client, f"/ports/{down}", {"port": {"admin_state_up": False}})
    assert "is administratively down" in await site.stops("a", "b")


async def test_neighbours_need_no_router(site: Site) -> None:
    await site.up("c", "a")
    router = {"router": {"admin_state_up": False}}
    await put(site.client, f"/routers/{site.router}", router)
    assert "Both are on network a." in await site.says("a", "c")
    assert await site.stops("a", "b") == "Router r is administratively down."
    # The router's own port is nobody's guest: no group holds it, and no host has it.
    theirs = f"{V2}/ports?device_id={site.router}&network_id={site.nets['a']}"
    (face,) = (await site.client.get(theirs))["ports"]
    assert f"Port {face['id']} (10.1.0.1) is up." in await site.says("a", face["id"])
    off = {"network": {"admin_state_up": False}}
    await put(site.client, f"/networks/{site.nets['a']}", off)
    assert await site.stops("a", "c") == "Network a is administratively down."


async def test_the_metadata_service_is_everywhere(site: Site) -> None:
    answers = ["The metadata service answers on every network."]
    assert await site.says("a", "169.254.169.254", 80) == answers
    await site.net("six", "fd00:6::/64")
    await site.up("six", "six")
    assert await site.says("six", "fe80::a9fe:a9fe", 80) == answers


async def test_subnets_say_where_guests_send_what_is_not_theirs(site: Site) -> None:
    await site.net("lone", "10.3.0.0/24")
    await site.up("lone", "lone")
    assert await site.stops("lone", "a") == (
        "Subnet sub-lone sends it to 10.3.0.1, which is not the address of a router."
    )
    route = {"destination": "10.2.0.0/24", "nexthop": "10.1.0.77"}
    path = f"/subnets/{site.subs['a']}"
    await put(site.client, path, {"subnet": {"host_routes": [route]}})
    assert "sends it to 10.1.0.77, which is not the address" in await site.stops("a", "b")
    assert await site.stops("b", "a") == (
        "Answers stop: subnet sub-a sends them to 10.1.0.77, where no router is."
    )
    route["nexthop"] = "10.1.0.1"
    await put(site.client, path, {"subnet": {"host_routes": [route]}})
    await site.says("a", "b")
    await site.says("b", "a")
    # What has no name is known by its id.
    named = (("subnet", site.subs["lone"]), ("network", site.nets["a"]), ("router", site.router))
    for kind, which in named:
        await put(site.client, f"/{kind}s/{which}", {kind: {"name": ""}})
    assert f"Subnet {site.subs['lone']} sends it" in await site.stops("lone", "a")
    assert f"Router {site.router} is on subnet sub-b." in await site.says("a", "b")
    assert await site.stops("a", "8.8.8.8") == f"Router {site.router} does not lead to 8.8.8.8."
    await put(site.client, f"/subnets/{site.subs['b']}", {"subnet": {"name": ""}})
    assert f"Router {site.router} is on subnet {site.subs['b']}." in await site.says("a", "b")
    await site.up("near", "a")
    assert f"Both are on network {site.nets['a']}." in await site.says("a", "near")


async def test_from_which_address_it_leaves(site: Site) -> None:
    outside = await site.gateway()
    (own,) = (await site.client.get(f"{V2}/routers/{site.router}"))["router"][
        "external_gateway_info"
    ]["external_fixed_ips"]

    def out(address: str) -> str:
        return f"Router r sends it out by its gateway, from {address}."

    assert out(own["ip_address"]) in await site.says("a", "8.8.8.8")
    assert "8.8.8.8 is outside of this cloud." in await site.says("a", "8.8.8.8")
    assert "It leaves this cloud." in await site.says("a", "outside")
    await site.gateway(enable_snat=False)
    assert out(site.address("a")) in await site.says("a", "8.8.8.8")
    await site.gateway()
    body = {"floatingip": {"floating_network_id": outside, "port_id": site.ports["a"]["id"]}}
    made = (await site.client.post(f"{V2}/floatingips", body))["floatingip"]
    floating = made["floating_ip_address"]
    assert out(floating) in await site.says("a", "8.8.8.8")
    # By its floating IP a port is named, too: it sends from where it is.
    assert await site.says(floating, "8.8.8.8") == await site.says("a", "8.8.8.8")
    assert await site.says(floating, "b") == await site.says("a", "b")
    reached = await site.says("outside", floating)
    assert f"Router r sends floating IP {floating} to {site.address('a')}." in reached
    reached = await site.says("b", floating)
    assert f"Router r sends floating IP {floating} to {site.address('a')}." in reached
    # One that leads nowhere is nobody's address.
    body = {"floatingip": {"floating_network_id": outside}}
    idle = (await site.client.post(f"{V2}/floatingips", body))["floatingip"]["floating_ip_address"]
    assert await site.stops("a", idle) == f"Floating IP {idle} is not associated with a port."
    with_name = f"Router {site.router} sends floating IP {floating}"
    await put(site.client, f"/routers/{site.router}", {"router": {"name": ""}})
    assert any(one.startswith(with_name) for one in await site.says("outside", floating))
    await put(site.client, f"/networks/{site.nets['b']}", {"network": {"name": ""}})
    assert f"is on network {site.nets['b']}, which is not reached" in await site.stops(
        "outside", "b"
    )


async def test_inside_a_scope_nothing_is_translated_and_between_two_nothing_passes(
    site: Site,
) -> None:
    admin = await site.cloud.sign_in()
    outside = await site.gateway()
    one = await scope(admin, shared=True)
    whole = await pool(admin, "10.200.0.0/16", shared=True, address_scope_id=one["id"])
    path = f"/subnetpools/{whole['id']}/onboard_network_subnets"
    await put(admin, path, {"network_id": site.nets["a"]})
    for source, destination in (("a", "b"), ("b", "a")):
        found = await site.steps(source, destination)
        assert found[-1].says == "Router r parts the address scopes of the two networks."
        assert found[-1].id == one["id"]
    assert not any(site.address("a") in said for said in (await site.says("a", "8.8.8.8"))[-2:-1])
    await put(admin, path, {"network_id": outside})
    said = await site.says("a", "8.8.8.8")
    assert f"Router r sends it out by its gateway, from {site.address('a')}." in said
    said = await site.says("b", "8.8.8.8")
    assert not any(f"gateway, from {site.address('b')}" in one for one in said)


async def test_forwarded_ports_lead_to_their_own_or_all_to_one(site: Site) -> None:
    body = {"floatingip": {"floating_network_id": await site.gateway()}}
    made = (await site.client.post(f"{V2}/floatingips", body))["floatingip"]
    address, inside = made["floating_ip_address"], site.address("b")
    for external, internal in (("2000:2002", "22:24"), ("3000:3002", "80:80")):
        forwarding = {
            "protocol": "tcp",
            "internal_port_id": site.ports["b"]["id"],
            "external_port_range": external,
            "internal_port_range": internal,
        }
        path = f"{V2}/floatingips/{made['id']}/port_forwardings"
        await site.client.post(path, {"port_forwarding": forwarding})
    for number, there in ((2000, 22), (2001, 23), (2002, 24), (3000, 80), (3002, 80)):
        said = await site.says("outside", address, number)
        assert f"Router r sends floating IP {address} to {inside} port {there}." in said
    for number in (1999, 2003):
        assert await site.stops("outside", address, number) == (
            f"Floating IP {address} does not forward tcp port {number}."
        )
    assert "does not forward icmp" in await site.stops("outside", address)
    udp = await networks.why(site.cloud.network, ("outside", ""), (address, ""), "udp", 2000)
    assert udp[-1].says == f"Floating IP {address} does not forward udp port 2000."


async def test_a_route_by_another_router_outside_is_followed(site: Site) -> None:
    outside = await site.gateway()
    info = {"router": {"name": "second", "external_gateway_info": {"network_id": outside}}}
    second = (await site.client.post(f"{V2}/routers", info))["router"]
    (face,) = second["external_gateway_info"]["external_fixed_ips"]
    await site.net("far", "10.7.0.0/24")
    await site.join(second["id"], "far")
    await site.up("far", "far")
    route = {"destination": "10.7.0.0/24", "nexthop": face["ip_address"]}
    await put(site.client, f"/routers/{site.router}", {"router": {"routes": [route]}})
    said = await site.says("a", "far")
    assert f"Router r has a route for it by {face['ip_address']}." in said
    assert said[said.index(f"Router r has a route for it by {face['ip_address']}.") + 1] == (
        "Router second is on subnet sub-far."
    )
    # It comes from the router's own address there: nothing has to lead back to 10.1.0.0/24.
    wrong = {"destination": "10.8.0.0/24", "nexthop": site.address("a")}
    await put(site.client, f"/routers/{site.router}", {"router": {"routes": [route, wrong]}})
    assert "which is not a router: it ends in a guest." in await site.stops("b", "10.8.0.9")


async def test_ipv6_comes_in_where_the_subnet_has_a_router(site: Site) -> None:
    above = [{"start": "fd00:6::100", "end": "fd00:6::200"}]
    await site.net("six", "fd00:6::/64", gateway_ip=None, allocation_pools=above)
    await site.up("six", "six")
    assert await site.stops("outside", "six") == (
        f"{site.address('six')} is on network six, to which no router leads."
    )
    assert "has no gateway: nothing leads out of it." in await site.stops("six", "outside")
    await put(site.client, f"/subnets/{site.subs['six']}", {"subnet": {"gateway_ip": "fd00:6::1"}})
    await site.join(site.router, "six")
    await site.gateway()
    assert await site.stops("outside", "six") == (
        "Router r has no IPv6 address on an external network."
    )
    await put(site.client, f"/routers/{site.router}", {"router": {"admin_state_up": False}})
    assert await site.stops("outside", "six") == "Router r is administratively down."


async def test_what_ovn_has_not_followed_yet_stops_it(site: Site) -> None:
    await site.says("a", "b")
    port_, net = f"port:{site.ports['b']['id']}", f"network:{site.nets['a']}"
    for which, problem in ((port_, ""), (net, "it is full")):
        late = scopes.update().where(scopes.c.scope == which)
        await site.write(late.values(applied=scopes.c.wanted - 1, problem=problem))
        found = await networks.why(site.cloud.network, ("a", ""), ("b", ""), "icmp", None)
        why = f": {problem}" if problem else ""
        assert found[-1].says == f"OVN has not applied the last change of {which} yet{why}."
        await site.write(late.values(applied=scopes.c.wanted, problem=""))
