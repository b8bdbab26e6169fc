"""Gateways, hosts, rates, numbers, logs and proxies: decisions at the ends of what routers and networks do."""

from __future__ import annotations

from typing import Any

import pytest

from hanok.services.network import facade as networks
from tests.api.network.alone import cloud
from tests.api.network.test_gateways import Ways, on
from tests.api.network.test_logs import Lab as Logs
from tests.api.network.test_ndp_proxies import Lab as Six
from tests.api.network.test_networks import V2, network, port, refused, subnet
from tests.api.network.test_provider_networks import KIND, NUMBER
from tests.api.network.test_qos import policy
from tests.api.network.test_refusals import put, says
from tests.api.network.test_routers import lab, public
from tests.api.network.test_subnet_pools import pool
from tests.cloud import Cloud

__all__ = ["cloud"]


@pytest.fixture
async def ways(cloud: Cloud) -> Ways:
    found = Ways(cloud)
    await found.build()
    return found


@pytest.fixture
async def six(cloud: Cloud) -> Six:
    found = Six(cloud)
    await found.build()
    return found


def addresses(gateway: dict[str, Any]) -> list[str]:
    return [one["ip_address"] for one in gateway["external_fixed_ips"]]


# ---- gateways ----


async def test_gateways_are_known_by_network_and_addresses(ways: Ways) -> None:
    both = [{"network_id": ways.public}, {"network_id": ways.public}, {"network_id": ways.other}]
    await ways.change("remove", {})
    made = (await ways.change("add", both, ways.admin))["external_gateways"]
    first, second, third = map(addresses, made)

    def said(number: int, *wishes: str, **values: Any) -> dict[str, Any]:
        fixed = [{"ip_address": one} for one in wishes]
        return {"network_id": made[number]["network_id"], "external_fixed_ips": fixed, **values}

    # The same ones in any order stay what they are.
    same = [said(2, *third), said(1, *second), said(0, *first)]
    kept = (await ways.change("update", same, ways.admin))["external_gateways"]
    assert sorted(map(addresses, kept)) == sorted([first, second, third])
    # One that moves is the one that is left of its network.
    moved = [said(0, *first), said(1, "172.24.4.99"), said(2, *third, enable_snat=False)]
    kept = (await ways.change("update", moved, ways.admin))["external_gateways"]
    assert sorted(map(addresses, kept)) == sorted([first, ["172.24.4.99"], third])
    assert {one["network_id"]: one["enable_snat"] for one in kept}[ways.other] is False
    # More addresses than it has, or others.
    more = [said(0, *first), said(1, "172.24.4.99", "172.24.4.98"), said(2, *third)]
    kept = (await ways.change("update", more, ways.admin))["external_gateways"]
    assert ["172.24.4.99", "172.24.4.98"] in map(addresses, kept)
    assert on(kept).count(ways.public) == 2
    fewer = [said(0, *first), said(1, "172.24.4.98"), said(2, *third)]
    kept = (await ways.change("update", fewer, ways.admin))["external_gateways"]
    assert ["172.24.4.98"] in map(addresses, kept)
    gone = (await ways.change("update", [said(1, "172.24.4.98")], ways.admin))["external_gateways"]
    assert list(map(addresses, gone)) == [["172.24.4.98"]]


async def test_a_router_has_so_many_gateways_at_most(ways: Ways) -> None:
    nine = [{"network_id": ways.other}] * 9
    assert len((await ways.change("add", nine))["external_gateways"]) == 10
    error = await ways.change("add", nine[:1], status=400)
    assert "at most 10 external gateways" in error["NeutronError"]["message"]


async def test_a_gateway_stays_while_a_floating_ip_needs_its_network(ways: Ways) -> None:
    await ways.change("add", [{"network_id": ways.other}, {"network_id": ways.other}])
    one = await port(ways.member, ways.inside["id"])
    body = {"floatingip": {"floating_network_id": ways.other, "port_id": one["id"]}}
    await ways.member.post(f"{V2}/floatingips", body)
    # The other one of the network is enough; the public one nobody needs.
    there = (await ways.shown())["external_gateways"]
    last = {"network_id": ways.other, "external_fixed_ips": there[2]["external_fixed_ips"]}
    assert len((await ways.change("remove", [last], ways.admin))["external_gateways"]) == 2
    await ways.change("remove", [{"network_id": ways.public}])
    await ways.change("remove", [{"network_id": ways.other}], status=409)
    await ways.change("update", [{"network_id": ways.public}], status=409)
    await ways.change("remove", {}, status=409)


async def test_a_full_network_has_no_gateway_on_the_subnet_that_is_said(ways: Ways) -> None:
    tiny = await subnet(ways.admin, ways.other, "172.24.6.0/30", enable_dhcp=False)
    wish = {"network_id": ways.other, "external_fixed_ips": [{"subnet_id": tiny["id"]}]}
    made = (await ways.change("add", [wish], ways.admin))["external_gateways"]
    assert addresses(made[1]) == ["172.24.6.2"]
    error = await ways.change("add", [wish], ways.admin, status=409)
    assert error["NeutronError"]["type"] == "IpAddressGenerationFailure"


# ---- interfaces ----


async def test_on_whose_networks_routers_join_subnets(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    member = await cloud.project_with("p", "member")
    shared = (await network(admin, shared=True))["id"]
    theirs = (await subnet(admin, shared, "10.6.0.0/24"))["id"]
    mine = await port(member, shared)
    _, sub, router = await lab(member)
    base = f"/routers/{router['id']}"
    for body in ({"subnet_id": theirs}, {"port_id": mine["id"]}):
        await refused(member, "PUT", f"{base}/add_router_interface", body, 403)
    await put(admin, f"{base}/add_router_interface", {"port_id": mine["id"]})
    # Port and subnet together name one interface.
    both = {"port_id": mine["id"], "subnet_id": sub["id"]}
    await says(admin, "PUT", f"{base}/remove_router_interface", both, 400, "is not on port")
    both["subnet_id"] = theirs
    left = await put(admin, f"{base}/remove_router_interface", both)
    assert left["subnet_ids"] == [theirs]


async def test_routes_are_added_once_and_are_neighbours(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    _, _, router = await lab(member)
    route = {"destination": "10.9.0.0/16", "nexthop": "10.0.0.9"}
    other = {"destination": "10.8.0.0/16", "nexthop": "172.24.4.9"}
    path = f"/routers/{router['id']}/add_extraroutes"
    for sent in ([route], [route, other], [other]):
        shown = await put(member, path, {"router": {"routes": sent}})
    assert shown["router"]["routes"] == [route, other]
    gone = f"/routers/{router['id']}/remove_router_interface"
    (sub,) = (await member.get(f"{V2}/subnets?cidr=10.0.0.0/24"))["subnets"]
    error = await refused(member, "PUT", gone, {"subnet_id": sub["id"]}, 409)
    assert error["type"] == "RouterInterfaceInUseByRoute"
    off = f"/routers/{router['id']}/remove_extraroutes"
    shown = await put(
        member, off, {"router": {"routes": [route, {**route, "nexthop": "10.0.0.8"}]}}
    )
    assert shown["router"]["routes"] == [other]
    await put(member, gone, {"subnet_id": sub["id"]})


# ---- proxies ----


async def test_which_address_a_router_answers_for(six: Six) -> None:
    await six.outside()
    await six.change(enable_ndp_proxy=True)
    assert await six.no(400, ip_address="10.0.0.9") == "InvalidAddress"
    assert await six.no(400, ip_address="2001:db8:2::9") == "InvalidAddress"
    (face,) = [
        one
        for one in (await six.client.get(f"{V2}/ports?device_id={six.id}"))["ports"]
        if ":" in one["fixed_ips"][0]["ip_address"]
    ]
    assert await six.no(409, port_id=face["id"]) == "PortUnreachableRouter"
    plain = await subnet(six.client, (await network(six.client))["id"], "10.8.0.0/24")
    apart = await port(six.client, plain["network_id"])
    assert await six.no(409, port_id=apart["id"]) == "PortUnreachableRouter"
    stateful = {"ipv6_ra_mode": "dhcpv6-stateful", "ipv6_address_mode": "dhcpv6-stateful"}
    more = await subnet(
        six.client, six.inside["id"], "2001:db8:3::/64", **stateful, subnetpool_id=six.pool
    )
    join = f"/routers/{six.id}/add_router_interface"
    await put(six.client, join, {"subnet_id": more["id"]})
    both = await port(six.client, six.inside["id"], fixed_ips=[{"subnet_id": more["id"]}])
    assert len(both["fixed_ips"]) == 2
    assert await six.no(400, port_id=both["id"]) == "InvalidAddress"  # which of the two?
    for one in both["fixed_ips"]:
        body = {"router_id": six.id, "port_id": both["id"], "ip_address": one["ip_address"]}
        made = await six.client.post(f"{V2}/ndp_proxies", {"ndp_proxy": body})
        assert made["ndp_proxy"]["ip_address"] == one["ip_address"]
    # With one of its addresses goes what was answered for that one.
    kept = next(one for one in both["fixed_ips"] if one["subnet_id"] == six.six["id"])
    await put(six.client, f"/ports/{both['id']}", {"port": {"fixed_ips": [kept]}})
    left = (await six.client.get(f"{V2}/ndp_proxies"))["ndp_proxies"]
    assert [one["ip_address"] for one in left] == [kept["ip_address"]]


# ---- hosts ----


async def test_a_router_has_so_many_hosts_at_most(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    hosts = [f"h{number}" for number in range(6)]
    async with cloud.control.database.write() as tx:
        await networks.heard(tx, cloud.network, hosts)
        await networks.heard(tx, cloud.network, [*hosts, "late"])
        await networks.heard(tx, cloud.network, hosts[:1])
    every = (await admin.get(f"{V2}/agents"))["agents"]
    assert {one["host"] for one in every} == {*hosts, "late"} and len(every) == 14
    member = await cloud.project_with("p", "member")
    _, _, router = await lab(member)
    agents = {one["host"]: one["id"] for one in every if one["binary"] == "ovn-controller"}
    path = f"{V2}/routers/{router['id']}/l3-agents"
    seen = [one["host"] for one in (await admin.get(path))["agents"]]
    assert len(seen) == 5
    outside = next(host for host in agents if host not in seen)
    body = {"router_id": router["id"]}
    error = await refused(admin, "POST", f"/agents/{agents[outside]}/l3-routers", body, 409)
    assert "it has 5 hosts already" in error["message"]
    await admin("DELETE", f"{V2}/agents/{agents[seen[0]]}/l3-routers/{router['id']}", status=204)
    for priority in (0, -1):
        low = {**body, "ha_chassis_priority": priority}
        answer = await admin("POST", f"{V2}/agents/{agents[outside]}/l3-routers", low)
        assert answer.status_code in (400, 409)
    await admin.post(f"{V2}/agents/{agents[outside]}/l3-routers", body)
    # A host that is forgotten carries nothing.
    await admin("DELETE", f"{V2}/agents/{agents[outside]}", status=204)
    assert outside not in [one["host"] for one in (await admin.get(path))["agents"]]


# ---- rates ----


async def test_a_policy_is_shared_and_the_default_by_whom_it_is_said(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    mine = await policy(admin, is_default=True)
    path = f"/qos/policies/{mine['id']}"
    for values in ({"is_default": True}, {"name": "new"}, {"description": "d"}):
        shown = (await put(admin, path, {"policy": values}))["policy"]
        assert (shown["is_default"], shown["shared"]) == (True, False)
    shown = (await put(admin, path, {"policy": {"shared": True}}))["policy"]
    assert (shown["is_default"], shown["shared"], shown["name"]) == (True, True, "new")
    assert (await put(admin, path, {"policy": {"name": "x"}}))["policy"]["shared"] is True
    other = await policy(admin)
    body = {"policy": {"is_default": True}}
    error = await refused(admin, "PUT", f"/qos/policies/{other['id']}", body, 409)
    assert error["type"] == "QoSPolicyDefaultAlreadyExists"


async def test_a_project_has_a_default_of_its_own(cloud: Cloud) -> None:
    one = await cloud.project_with("p", "manager", "member")
    other = await cloud.project_with("q", "manager", "member")
    mine, theirs = await policy(one, is_default=True), await policy(other, is_default=True)
    for client, made in ((one, mine), (other, theirs)):
        assert (await network(client))["qos_policy_id"] == made["id"]
        assert (await network(client, qos_policy_id=None))["qos_policy_id"] is None


# ---- networks ----


async def test_past_the_last_number_the_lowest_hole_is_taken(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    listed = await admin.get(f"{V2}/network_segment_ranges?network_type=geneve")
    (whole,) = listed["network_segment_ranges"]
    assert whole["maximum"] == 16777215
    await network(admin, **{KIND: "geneve", NUMBER: 16777215})
    for number in (1, 3):
        await network(admin, **{KIND: "geneve", NUMBER: number})
    assert [(await network(admin))[NUMBER] for _ in range(3)] == [2, 4, 5]


async def test_an_mtu_of_nothing_is_what_the_network_carries(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    made = await network(admin, mtu=1300)
    shown = (await put(admin, f"/networks/{made['id']}", {"network": {"mtu": 0}}))["network"]
    assert shown["mtu"] == 1442
    outside = await public(admin)
    path = f"/networks/{outside['id']}"
    assert (await put(admin, path, {"network": {"mtu": 1400}}))["network"]["mtu"] == 1400
    assert (await put(admin, path, {"network": {"mtu": 0}}))["network"]["mtu"] == 1500


async def test_the_default_external_network_may_be_told_that_it_is(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    outside = await public(admin)
    path = f"/networks/{outside['id']}"
    for values in ({"is_default": True}, {"name": "out"}, {"is_default": True, "router:external": True}):  # fmt: skip
        assert (await put(admin, path, {"network": values}))["network"]["is_default"] is True
    zone = {"network": {"availability_zone_hints": ["nova"]}}
    made = (await admin.post(f"{V2}/networks", zone))["network"]
    assert made["availability_zone_hints"] == ["nova"]


async def test_no_group_is_renamed_to_the_default(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    body: dict[str, Any] = {"security_group": {"name": "web"}}
    made = (await member.post(f"{V2}/security-groups", body))["security_group"]["id"]
    for name in ("default", "Default"):
        body = {"security_group": {"name": name}}
        error = await refused(member, "PUT", f"/security-groups/{made}", body, 409)
        assert error["type"] == "SecurityGroupDefaultAlreadyExists"
        error = await refused(member, "POST", "/security-groups", body, 409)
        assert error["type"] == "SecurityGroupDefaultAlreadyExists"
    (own,) = (await member.get(f"{V2}/security-groups?name=default"))["security_groups"]
    same = {"security_group": {"name": "default", "description": "d"}}
    shown = (await put(member, f"/security-groups/{own['id']}", same))["security_group"]
    assert shown["description"] == "d"
    body = {"security_group": {"name": "x"}}
    error = await refused(member, "PUT", f"/security-groups/{own['id']}", body, 409)
    assert error["type"] == "SecurityGroupCannotUpdateDefault"


async def test_administrators_log_what_is_anybodys(cloud: Cloud) -> None:
    logs = Logs(cloud)
    await logs.build()
    admin = await cloud.sign_in()
    stranger = await cloud.project_with("q", "member", "manager")
    for values, code in (
        ({"resource_id": logs.group}, "ResourceNotFound"),
        ({"target_id": logs.port["id"]}, "TargetResourceNotFound"),
    ):
        body = {"log": {"resource_type": "security_group", **values}}
        error = await refused(stranger, "POST", "/log/logs", body, 404)
        assert error["type"] == code
        made = await logs.log(admin, **values)
        assert made["project_id"] == admin.project_id
    odd = {"resource_id": logs.group, "target_id": logs.other["id"]}
    body = {"log": {"resource_type": "security_group", **odd}}
    error = await refused(logs.client, "POST", "/log/logs", body, 400)
    assert error["type"] == "InvalidResourceConstraint"


async def test_a_topology_needs_an_outside_and_what_is_left_of_it_goes(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    member = await cloud.project_with("p", "member")
    await pool(admin, "10.60.0.0/16", is_default=True, shared=True, default_prefixlen=24)
    await pool(admin, "fd60::/48", is_default=True, shared=True, default_prefixlen=80, min_prefixlen=80)  # fmt: skip
    path = f"{V2}/auto-allocated-topology/{member.project_id}"
    outside = await public(admin)
    for default, status in ((False, 409), (True, 200)):
        await put(admin, f"/networks/{outside['id']}", {"network": {"is_default": default}})
        answer = (await member("GET", path, status=status)).json()
        if not default:
            assert "No default router:external network" in answer["NeutronError"]["message"]
    found = (await member.get(f"{V2}/subnets?ip_version=6"))["subnets"]
    assert [one["ipv6_address_mode"] for one in found] == [
        None
    ]  # guests make no address of 48 bits
    (router,) = (await member.get(f"{V2}/routers"))["routers"]
    for one in (await member.get(f"{V2}/subnets?router:external=false"))["subnets"]:
        gone = f"/routers/{router['id']}/remove_router_interface"
        await put(member, gone, {"subnet_id": one["id"]})
    await member("DELETE", f"{V2}/routers/{router['id']}", status=204)
    await admin("DELETE", path, status=204)  # the network is left, and goes
    assert (await member.get(f"{V2}/networks?router:external=false"))["networks"] == []
