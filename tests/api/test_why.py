"""Where a packet between two addresses stops, in the words of whoever runs the cloud, and what lets it through."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

import pytest

from hanok.cli.commands.why import lines, split
from tests.cloud import NEWEST, Client, Cloud, a_flavor, a_network, a_server, an_image, settle

V2 = "/network/v2.0"


async def _two_ways_out(site: Site) -> tuple[str, str]:
    """A router with two gateways; gives the floating IP by which the second leads to a server, and the router's id."""
    await site.gateway()
    values: dict[str, Any] = {
        "provider:network_type": "vlan",
        "provider:physical_network": "public",
    }
    values |= {"router:external": True, "name": "second"}
    made = (await site.admin.post(f"{V2}/networks", {"network": values}))["network"]["id"]
    subnet = {"network_id": made, "ip_version": 4, "cidr": "172.24.5.0/24"}
    await site.admin.post(f"{V2}/subnets", {"subnet": subnet})
    more = {"router": {"external_gateways": [{"network_id": made}]}}
    path = f"{V2}/routers/{site.ids['r']}/add_external_gateways"
    await site.user("PUT", path, more, status=200)
    wish = {"floating_network_id": made, "port_id": (await site.port("a"))["id"]}
    floating = await site.user.post(f"{V2}/floatingips", {"floatingip": wish})
    return str(floating["floatingip"]["floating_ip_address"]), site.ids["r"]


class Site:
    """Two networks behind one router, a server on each; another project's server on a network of its own."""

    def __init__(self, cloud: Cloud, admin: Client, user: Client) -> None:
        self.cloud, self.admin, self.user = cloud, admin, user
        self.ids: dict[str, str] = {}

    async def build(self) -> None:
        image, flavor = await an_image(self.user), await a_flavor(self.admin)
        router = (await self.user.post(f"{V2}/routers", {"router": {"name": "r"}}))["router"]
        self.ids["r"] = router["id"]
        for number, name in enumerate(("a", "b"), 1):
            self.ids[f"net-{name}"] = await a_network(self.user, name, f"10.{number}.0.0/24")
            found = await self.user.get(f"{V2}/subnets?network_id={self.ids[f'net-{name}']}")
            subnet = found["subnets"][0]["id"]
            self.ids[f"subnet-{name}"] = subnet
            path = f"{V2}/routers/{router['id']}/add_router_interface"
            await self.user("PUT", path, {"subnet_id": subnet}, status=200)
            self.ids[name] = await a_server(
                self.user, image, flavor, self.ids[f"net-{name}"], name=name
            )
        await settle(self.cloud)

    async def port(self, name: str) -> Any:
        return (await self.user.get(f"{V2}/ports?device_id={self.ids[name]}"))["ports"][0]

    async def address(self, name: str) -> str:
        return str((await self.port(name))["fixed_ips"][0]["ip_address"])

    async def change(self, kind: str, which: str, **values: Any) -> None:
        await self.user("PUT", f"{V2}/{kind}s/{which}", {kind: values}, status=200)

    async def default_group(self) -> str:
        path = f"{V2}/security-groups?name=default&project_id={self.user.project_id}"
        return str((await self.user.get(path))["security_groups"][0]["id"])

    async def rule(self, **values: Any) -> str:
        rule = {"security_group_id": await self.default_group(), "direction": "ingress", **values}
        made = await self.user.post(f"{V2}/security-group-rules", {"security_group_rule": rule})
        return str(made["security_group_rule"]["id"])

    async def gateway(self) -> str:
        """The router leads out; returns the external network."""
        (public,) = (await self.user.get(f"{V2}/networks?router:external=true"))["networks"]
        await self.change(
            "router", self.ids["r"], external_gateway_info={"network_id": public["id"]}
        )
        return str(public["id"])

    async def floating(self, name: str) -> str:
        values = {
            "floating_network_id": await self.gateway(),
            "port_id": (await self.port(name))["id"],
        }
        made = await self.user.post(f"{V2}/floatingips", {"floatingip": values})
        return str(made["floatingip"]["floating_ip_address"])

    async def why(self, source: str, destination: str, status: int = 200, **more: Any) -> Any:
        query = urlencode({"from": source, "to": destination, **more})
        answer = await self.admin("GET", f"/hanok/v1/path?{query}", status=status)
        return answer.json()

    async def stop(self, source: str, destination: str, **more: Any) -> tuple[str, str]:
        """Where it stops, and what helps; ("", "") where it does not."""
        async with asyncio.timeout(30):
            while True:
                steps = (await self.why(source, destination, **more))["steps"]
                if steps[-1]["at"] != "OVN":
                    break
                await asyncio.sleep(0.01)
        stops = [(one["says"], one["helps"]) for one in steps if not one["passes"]]
        assert len(stops) <= 1 and (not stops or not steps[-1]["passes"]), steps
        return stops[0] if stops else ("", "")


@pytest.fixture
async def site(cloud: Cloud) -> AsyncIterator[Site]:
    made = Site(cloud, await cloud.sign_in(), await cloud.project_with("p", "member"))
    await made.build()
    yield made


NOTHING = ("", "")


async def test_members_of_the_default_group_reach_each_other_and_strangers_do_not(
    site: Site,
) -> None:
    assert await site.stop("a", "b", port=22) == NOTHING
    says, helps = await site.stop("outside", await site.floating("b"), port=22)
    assert says == "No rule of its security groups (default) lets tcp port 22 from the outside in."
    group = await site.default_group()
    assert helps == f"openstack security group rule create --protocol tcp --dst-port 22 {group}"
    await site.rule(protocol="tcp", port_range_min=20, port_range_max=22)
    floating = await site.address("b")
    assert await site.stop("outside", floating, port=22) != NOTHING  # a fixed address


RULES: list[tuple[dict[str, Any], dict[str, Any], bool]] = [
    ({"protocol": "tcp", "port_range_min": 22, "port_range_max": 22}, {"port": 22}, True),
    ({"protocol": "6", "port_range_min": 1, "port_range_max": 21}, {"port": 22}, False),
    ({"protocol": "udp", "port_range_min": 22, "port_range_max": 22}, {"port": 22}, False),
    ({"protocol": "udp"}, {"port": 53, "protocol": "udp"}, True),
    ({"protocol": "icmp"}, {}, True),
    ({"protocol": "icmp", "port_range_min": 8, "port_range_max": 0}, {}, True),
    ({"protocol": "icmp", "port_range_min": 0}, {}, False),
    ({"protocol": "tcp"}, {}, False),
    ({}, {"protocol": "gre"}, True),
    ({"remote_ip_prefix": "203.0.113.0/24"}, {}, True),
    ({"remote_ip_prefix": "203.0.114.0/24"}, {}, False),
    ({"ethertype": "IPv6"}, {}, False),
]


async def test_each_form_of_a_rule(site: Site) -> None:
    floating = await site.floating("b")
    for rule, flow, passes in RULES:
        rule_id = await site.rule(**rule)
        stop = await site.stop("203.0.113.9", floating, **flow)
        assert (stop == NOTHING) is passes, (rule, flow, stop)
        await site.user("DELETE", f"{V2}/security-group-rules/{rule_id}", status=204)


async def test_what_is_sent_needs_a_rule_too(site: Site) -> None:
    group = {"security_group": {"name": "mute"}}
    made = (await site.user.post(f"{V2}/security-groups", group))["security_group"]
    for rule in made["security_group_rules"]:
        await site.user("DELETE", f"{V2}/security-group-rules/{rule['id']}", status=204)
    port = await site.port("a")
    await site.change("port", port["id"], security_groups=[made["id"]])
    says, helps = await site.stop("a", "b", port=80)
    there = await site.address("b")
    assert says == f"No rule of its security groups (mute) lets tcp port 80 to {there} out."
    assert f"--egress --protocol tcp --dst-port 80 --remote-ip {there}/32 {made['id']}" in helps
    await site.change("port", port["id"], security_groups=[])
    assert "It has no security group" in (await site.stop("a", "b", port=80))[0]
    await site.change("port", port["id"], port_security_enabled=False)
    assert "(default) lets tcp port 80 from" in (await site.stop("a", "b", port=80))[0]


async def test_what_is_down_stops_it(site: Site) -> None:
    port = await site.port("b")
    await site.change("port", port["id"], admin_state_up=False)
    says, helps = await site.stop("a", "b")
    assert (
        "is administratively down" in says and helps == f"openstack port set --enable {port['id']}"
    )
    await site.change("port", port["id"], admin_state_up=True)
    await site.change("router", site.ids["r"], admin_state_up=False)
    assert await site.stop("a", "b") == (
        "Router r is administratively down.",
        f"openstack router set --enable {site.ids['r']}",
    )
    await site.change("router", site.ids["r"], admin_state_up=True)
    await settle(site.cloud)
    path = f"/compute/v2.1/servers/{site.ids['b']}/action"
    await site.user("POST", path, {"os-stop": None}, headers=NEWEST, status=202)
    await settle(site.cloud)
    steps = (await site.why("a", "b"))["steps"]
    stopped = next(one for one in steps if not one["passes"])
    assert stopped["says"] == "Server b is stopped."
    assert stopped["helps"] == f"openstack server start {site.ids['b']}"


async def test_ways_that_lead_nowhere(site: Site) -> None:
    says, helps = await site.stop("a", "8.8.8.8", port=53, protocol="udp")
    assert says == "Router r does not lead to 8.8.8.8."
    assert helps == f"openstack router set --external-gateway NETWORK {site.ids['r']}"
    floating = await site.floating("b")
    assert await site.stop("a", "8.8.8.8", port=53, protocol="udp") == NOTHING
    shown = await site.why("a", "outside", port=443)
    assert any(
        "sends it out by its gateway, from 172.24.4." in one["says"] for one in shown["steps"]
    )
    says, _ = await site.stop("a", floating)
    assert "No rule of its security groups (default) lets icmp from 172.24.4." in says

    (one,) = (await site.user.get(f"{V2}/floatingips"))["floatingips"]
    await site.change("floatingip", one["id"], port_id=None)
    assert f"Floating IP {floating} is not associated" in (await site.stop("outside", floating))[0]


async def test_a_subnet_without_a_gateway_sends_nothing_not_even_answers(site: Site) -> None:
    network = (await site.user.post(f"{V2}/networks", {"network": {"name": "c"}}))["network"]["id"]
    subnet = {"network_id": network, "cidr": "10.3.0.0/24", "ip_version": 4, "gateway_ip": None}
    await site.user.post(f"{V2}/subnets", {"subnet": subnet})
    image = (await site.user.get("/image/v2/images"))["images"][0]["id"]
    site.ids["c"] = await a_server(site.user, image, "nano", network, name="c")
    port = {"network_id": network, "fixed_ips": [{"ip_address": "10.3.0.9"}]}
    port_id = (await site.user.post(f"{V2}/ports", {"port": port}))["port"]["id"]
    path = f"{V2}/routers/{site.ids['r']}/add_router_interface"
    await site.user("PUT", path, {"port_id": port_id}, status=200)
    await settle(site.cloud)
    assert "has no gateway: nothing leads out of it." in (await site.stop("c", "a"))[0]
    says, _ = await site.stop("a", "c")
    assert says.startswith("Answers stop: subnet") and "to no gateway" in says


async def test_routes_are_followed_and_loops_end(site: Site) -> None:
    """Two routers that send a prefix to each other."""
    made = (await site.user.post(f"{V2}/routers", {"router": {"name": "second"}}))["router"]
    port = {"network_id": site.ids["net-a"], "fixed_ips": [{"ip_address": "10.1.0.9"}]}
    port_id = (await site.user.post(f"{V2}/ports", {"port": port}))["port"]["id"]
    path = f"{V2}/routers/{made['id']}/add_router_interface"
    await site.user("PUT", path, {"port_id": port_id}, status=200)
    far = "192.0.2.0/24"
    await site.change("router", site.ids["r"], routes=[{"destination": far, "nexthop": "10.1.0.9"}])
    says, _ = await site.stop("b", "192.0.2.7")
    assert says == "Router second does not lead to 192.0.2.7."
    await site.change("router", made["id"], routes=[{"destination": far, "nexthop": "10.1.0.1"}])
    assert "lead through more than 8 routers" in (await site.stop("b", "192.0.2.7"))[0]
    guest = [{"destination": far, "nexthop": await site.address("a")}]
    await site.change("router", site.ids["r"], routes=guest)
    assert "which is not a router" in (await site.stop("b", "192.0.2.7"))[0]


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"from": "a"}, "to is missing"),
    ({"from": "a", "to": "nobody"}, "There is no server or port nobody."),
    ({"from": "a", "to": "b", "port": "0"}, "0 is not a valid port"),
    ({"from": "a", "to": "b", "port": "ssh"}, "ssh is not a valid port"),
    ({"from": "a", "to": "b", "protocol": "tcp"}, "A port is needed with tcp"),
    ({"from": "a", "to": "b", "protocol": "icmp", "port": "22"}, "icmp has no ports."),
    ({"from": "a", "to": "b", "protocol": "talk"}, "protocol talk not supported"),
    ({"from": "a", "to": "fd00::1"}, "no addresses of one IP version"),
]


async def test_what_cannot_be_asked_is_said(site: Site) -> None:
    for query, why in REFUSED:
        answer = await site.admin("GET", f"/hanok/v1/path?{urlencode(query)}", status=400)
        assert why in answer.text, (query, answer.text)
    await site.user("GET", "/hanok/v1/path?from=a&to=b", status=403)
    other = await site.cloud.project_with("q", "member")
    await a_network(other, "a", "10.1.0.0/24")
    (network,) = (await other.get(f"{V2}/networks?name=a&project_id={other.project_id}"))[
        "networks"
    ]
    same = {"network_id": network["id"], "fixed_ips": [{"ip_address": await site.address("a")}]}
    await other.post(f"{V2}/ports", {"port": same})
    said = await site.why("b", await site.address("a"), status=400)
    assert "Several networks have the address" in str(said)


def test_how_a_destination_is_written() -> None:
    assert split("b:22") == ("b", "22")
    assert split("10.0.0.1:22") == ("10.0.0.1", "22")
    assert split("fd00::1") == ("fd00::1", "")
    assert split("[fd00::1]:22") == ("fd00::1", "22")
    assert split("[fd00::1]") == ("fd00::1", "")
    assert split("vm²:²") == ("vm²:²", "")
    assert split("a:name") == ("a:name", "")


def test_what_is_said_names_the_stop_and_what_helps() -> None:
    stop = {"at": "port", "id": "1", "passes": False, "says": "It is down.", "helps": "do this"}
    said = lines({"protocol": "tcp", "port": 22, "steps": [stop]}, "a", "b")
    assert said == [
        "  STOP  It is down.",
        "        What helps: do this",
        "tcp port 22 from a does not reach b.",
    ]


async def test_an_address_group_lets_in_whom_it_names(site: Site) -> None:
    floating = await site.floating("b")
    body = {"address_group": {"name": "g", "addresses": ["203.0.113.0/24"]}}
    group = (await site.user.post(f"{V2}/address-groups", body))["address_group"]["id"]
    await site.rule(protocol="tcp", remote_address_group_id=group)
    assert await site.stop("203.0.113.9", floating, port=22) == NOTHING
    assert await site.stop("203.0.114.9", floating, port=22) != NOTHING


async def test_a_port_of_a_floating_ip_leads_to_another(site: Site) -> None:
    taken = {"floatingip": {"floating_network_id": await site.gateway()}}
    floating = (await site.user.post(f"{V2}/floatingips", taken))["floatingip"]
    body = {
        "protocol": "tcp",
        "external_port": 2222,
        "internal_port": 22,
        "internal_port_id": (await site.port("b"))["id"],
    }
    path = f"{V2}/floatingips/{floating['id']}/port_forwardings"
    await site.user.post(path, {"port_forwarding": body})
    address = floating["floating_ip_address"]
    says, _ = await site.stop("outside", address, port=2222)
    assert "lets tcp port 22 from the outside in" in says
    await site.rule(protocol="tcp", port_range_min=22, port_range_max=22)
    assert await site.stop("outside", address, port=2222) == NOTHING
    says, helps = await site.stop("outside", address, port=2223)
    assert says == f"Floating IP {address} does not forward tcp port 2223."
    assert helps.startswith("openstack floating ip port forwarding create")


async def test_address_scopes_part_networks(site: Site) -> None:
    assert await site.stop("a", "b", port=22) == NOTHING
    scope = {"address_scope": {"name": "s", "ip_version": 4}}
    scope = (await site.user.post(f"{V2}/address-scopes", scope))["address_scope"]
    pool = {"name": "p", "prefixes": ["10.200.0.0/16"], "address_scope_id": scope["id"]}
    pool = (await site.user.post(f"{V2}/subnetpools", {"subnetpool": pool}))["subnetpool"]
    path = f"{V2}/subnetpools/{pool['id']}/onboard_network_subnets"
    await site.user("PUT", path, {"network_id": site.ids["net-b"]}, status=200)
    says, _ = await site.stop("a", "b", port=22)
    assert says == "Router r parts the address scopes of the two networks."
    await site.user("PUT", path, {"network_id": site.ids["net-a"]}, status=200)
    assert await site.stop("a", "b", port=22) == NOTHING


async def test_an_address_that_nobody_has_is_not_reached(site: Site) -> None:
    """A server that is gone, say: not even with a way out of the cloud."""
    await site.gateway()
    for source, destination in (("a", "10.1.0.250"), ("a", "10.2.0.250"), ("b", "10.1.0.250")):
        says, helps = await site.stop(source, destination)
        assert says.endswith("where no port has it.") and destination in says and helps
    assert await site.stop("a", "10.3.0.1") == NOTHING  # outside of this cloud


async def test_a_server_on_an_external_network_needs_no_router(site: Site) -> None:
    floating, public = await site.floating("b"), await site.gateway()
    await site.rule(protocol="icmp")
    image = (await site.user.get("/image/v2/images"))["images"][0]["id"]
    await a_server(site.admin, image, "nano", public, name="direct")
    await settle(site.cloud)
    for destination in ("outside", "8.8.8.8", floating, "172.24.4.253"):
        assert await site.stop("direct", destination) == NOTHING
    says, _ = await site.stop("outside", "direct")
    assert says == "No rule of its security groups (default) lets icmp from the outside in."


async def test_a_route_by_the_external_network_leaves_the_cloud(site: Site) -> None:
    await site.gateway()
    route = {"destination": "192.168.7.0/24", "nexthop": "172.24.4.1"}
    await site.change("router", site.ids["r"], routes=[route])
    assert await site.stop("a", "192.168.7.9") == NOTHING
    steps = (await site.why("a", "192.168.7.9"))["steps"]
    assert "Router r has a route for it by 172.24.4.1." in [one["says"] for one in steps]


async def test_ipv6_comes_in_by_a_router_that_has_a_way_out_for_it(site: Site) -> None:
    network = (await site.user.post(f"{V2}/networks", {"network": {"name": "six"}}))["network"]
    subnet = {"network_id": network["id"], "cidr": "fd00:6::/64", "ip_version": 6}
    subnet_id = (await site.user.post(f"{V2}/subnets", {"subnet": subnet}))["subnet"]["id"]
    image = (await site.user.get("/image/v2/images"))["images"][0]["id"]
    await a_server(site.user, image, "nano", network["id"], name="six")
    await settle(site.cloud)
    await site.rule(ethertype="IPv6", protocol="icmp")
    says, _ = await site.stop("outside", "six")
    assert says.endswith("is on network six, to which no router leads.")
    path = f"{V2}/routers/{site.ids['r']}/add_router_interface"
    await site.user("PUT", path, {"subnet_id": subnet_id}, status=200)
    public = await site.gateway()
    for source, destination in (("outside", "six"), ("six", "outside")):
        says, helps = await site.stop(source, destination)
        assert says == "Router r has no IPv6 address on an external network." and helps
    subnet = {"network_id": public, "cidr": "2001:db8:9::/64", "ip_version": 6}
    await site.admin.post(f"{V2}/subnets", {"subnet": subnet})
    await site.change("router", site.ids["r"], external_gateway_info=None)
    await site.gateway()
    for source, destination in (("outside", "six"), ("six", "outside"), ("2001:db8::5", "six")):
        assert await site.stop(source, destination) == NOTHING


async def test_outside_to_outside_is_not_ours(site: Site) -> None:
    assert await site.stop("outside", "outside") == NOTHING
    assert await site.stop("outside", "2001:db8::1") == NOTHING


async def test_an_address_of_no_single_host_is_refused(site: Site) -> None:
    for one in ("fe80::1%eth0", 'fe80::1%" || 1', "224.0.0.1", "ff02::1", "127.0.0.1", "::1"):
        for ends in (("outside", one), (one, "a")):
            answer = await site.why(*ends, status=400)
            assert "is not a valid address of one host" in answer["error"]["message"]


async def test_who_comes_from_outside_has_an_address_of_the_same_version(site: Site) -> None:
    floating = await site.floating("b")
    rule = {"protocol": "tcp", "port_range_min": 22, "port_range_max": 22}
    await site.rule(**rule, ethertype="IPv6", remote_ip_prefix="::/0")
    assert (await site.stop("outside", floating, port=22))[0].startswith("No rule")
    await site.rule(**rule, remote_ip_prefix="0.0.0.0/0")
    assert await site.stop("outside", floating, port=22) == NOTHING


async def test_a_floating_ip_is_reached_by_the_gateway_that_it_is_of(site: Site) -> None:
    floating, router = await _two_ways_out(site)
    await site.rule(protocol="icmp")
    assert await site.stop("outside", floating) == ("", "")
    steps = (await site.why("a", "203.0.113.9"))["steps"]
    assert any(floating in one["says"] for one in steps) and all(one["passes"] for one in steps)
    gone: dict[str, Any] = {"router": {"external_gateways": {}}}
    path = f"{V2}/routers/{router}/remove_external_gateways"
    await site.user("PUT", path, gone, status=409)  # the floating IP needs it
