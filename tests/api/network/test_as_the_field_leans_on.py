"""What real clients and public reports need of the network API, a table for each kind."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest

from hanok.drivers.ovn.rows import DHCPOptions, PortGroup, Router, RouterPort, StaticRoute
from tests.api.network.test_engine import engine, settled
from tests.api.network.test_networks import V2, network, port, refused, subnet
from tests.api.network.test_routers import lab, public
from tests.cloud import Client, Cloud

NOWHERE = "00000000-0000-4000-8000-00000000dead"
MAC = "fa:16:3e:00:00:99"


async def external(admin: Client, **values: Any) -> dict[str, Any]:
    return await network(
        admin,
        **{
            "router:external": True,
            "provider:network_type": "vlan",
            "provider:physical_network": "public",
            "provider:segmentation_id": 100,
            **values,
        },
    )


async def router_on(client: Client, network_id: str, **values: Any) -> dict[str, Any]:
    info = {"network_id": network_id, **values}
    body = {"router": {"external_gateway_info": info}}
    return dict((await client.post(f"{V2}/routers", body))["router"])


# ---- address pairs ----


async def test_an_address_pair_has_the_ports_mac_when_none_is_sent(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    made = await network(member)
    await subnet(member, made["id"])
    one = await port(member, made["id"], allowed_address_pairs=[{"ip_address": "10.0.0.77"}])
    own = one["mac_address"]
    assert one["allowed_address_pairs"] == [{"mac_address": own, "ip_address": "10.0.0.77"}]
    path = f"{V2}/ports/{one['id']}"
    pairs = [
        {"ip_address": "10.0.0.78", "mac_address": own.upper()},
        {"ip_address": "2001:DB8::/64"},
        {"ip_address": "10.0.0.78", "mac_address": MAC},
    ]
    found = await member("PUT", path, {"port": {"allowed_address_pairs": pairs}}, status=200)
    assert found.json()["port"]["allowed_address_pairs"] == [
        {"ip_address": "10.0.0.78", "mac_address": own},
        {"ip_address": "2001:db8::/64", "mac_address": own},
        {"ip_address": "10.0.0.78", "mac_address": MAC},
    ]
    # A list without a change is what clients send back with every update.
    again = found.json()["port"]["allowed_address_pairs"]
    found = await member("PUT", path, {"port": {"allowed_address_pairs": again}}, status=200)
    assert found.json()["port"]["allowed_address_pairs"] == again


@pytest.mark.parametrize("second", [{}, {"mac_address": "own"}])
async def test_the_same_pair_twice_is_refused(cloud: Cloud, second: dict[str, str]) -> None:
    member = await cloud.project_with("p", "member")
    made = await network(member)
    one = await port(member, made["id"], mac_address=MAC)
    other = {"ip_address": "10.0.0.7"} | ({"mac_address": MAC} if second else {})
    body = {"port": {"allowed_address_pairs": [{"ip_address": "10.0.0.7"}, other]}}
    error = await refused(member, "PUT", f"/ports/{one['id']}", body, 400)
    assert "uplicate" in error["message"]


# ---- addresses ----


async def test_addresses_come_in_their_order_and_not_in_that_of_the_request(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    made = await network(member)
    await subnet(member, made["id"])
    wishes = [{"ip_address": f"10.0.0.{n}"} for n in (50, 20, 40)]
    one = await port(member, made["id"], fixed_ips=wishes)
    shown = [each["ip_address"] for each in one["fixed_ips"]]
    assert shown == ["10.0.0.20", "10.0.0.40", "10.0.0.50"]
    twice = [{"ip_address": "10.0.0.60"}, {"ip_address": "10.0.0.60"}]
    error = await port(member, made["id"], 400, fixed_ips=twice)
    assert "Duplicate IP address '10.0.0.60'" in error["message"]


async def test_a_subnet_that_is_not_there_is_404_and_one_of_another_network_400(
    cloud: Cloud,
) -> None:
    admin = await cloud.sign_in()
    member = await cloud.project_with("p", "member")
    stranger = await cloud.project_with("q", "member")
    made, _, router = await lab(member)
    foreign = await subnet(stranger, (await network(stranger))["id"], "10.7.0.0/24")
    apart = await subnet(member, (await network(member))["id"], "10.8.0.0/24")
    one = await port(member, made["id"])
    outside = await public(member)
    for requested, status, kind in (
        (NOWHERE, 404, "SubnetNotFound"),
        (foreign["id"], 404, "SubnetNotFound"),  # as if it were not there
        (apart["id"], 400, "InvalidInput"),
    ):
        wish = {"fixed_ips": [{"subnet_id": requested}]}
        body: dict[str, Any] = {"port": {"network_id": made["id"], **wish}}
        error = await refused(member, "POST", "/ports", body, status)
        assert error["type"] == kind
        error = await refused(member, "PUT", f"/ports/{one['id']}", {"port": wish}, status)
        assert error["type"] == kind
        info = {"network_id": outside["id"], "external_fixed_ips": [{"subnet_id": requested}]}
        body = {"router": {"external_gateway_info": info}}
        if requested != foreign["id"]:  # an administrator sees that one
            error = await refused(admin, "PUT", f"/routers/{router['id']}", body, status)
            assert error["type"] == kind


# ---- routers ----


async def test_a_router_stands_on_an_external_network_without_subnets(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    outside = await external(admin)
    router = await router_on(admin, outside["id"])
    assert router["external_gateway_info"]["external_fixed_ips"] == []
    await settled(cloud)
    ports = [
        row
        for row in await engine(cloud).dump(f"router:{router['id']}")
        if isinstance(row, RouterPort)
    ]
    assert ports == []  # OVN knows no router port without an address
    sub = await subnet(admin, outside["id"], "198.51.100.0/24", enable_dhcp=False)
    again = (await admin.get(f"{V2}/routers/{router['id']}"))["router"]
    assert again["external_gateway_info"]["external_fixed_ips"] == [
        {"subnet_id": sub["id"], "ip_address": "198.51.100.2"}
    ]
    second = await subnet(admin, outside["id"], "192.0.2.0/24", enable_dhcp=False)
    assert second["id"]  # one address a version is enough
    again = (await admin.get(f"{V2}/routers/{router['id']}"))["router"]
    assert len(again["external_gateway_info"]["external_fixed_ips"]) == 1
    await settled(cloud)
    rows = await engine(cloud).dump(f"router:{router['id']}")
    (face,) = [row for row in rows if isinstance(row, RouterPort)]
    assert face.networks == frozenset({"198.51.100.2/24"})


@pytest.mark.parametrize("end", ["clear", "delete"])
async def test_routes_through_the_gateway_do_not_hold_it(cloud: Cloud, end: str) -> None:
    member = await cloud.project_with("p", "member")
    outside = await public(member)
    router = await router_on(member, outside["id"])
    route = {"destination": "10.99.0.0/16", "nexthop": "172.24.4.200"}
    path = f"{V2}/routers/{router['id']}"
    await member("PUT", path, {"router": {"routes": [route]}}, status=200)
    if end == "delete":
        await member("DELETE", path, status=204)
        await member("GET", path, status=404)
        return
    body = {"router": {"external_gateway_info": None}}
    found = (await member("PUT", path, body, status=200)).json()["router"]
    assert found["external_gateway_info"] is None
    assert found["routes"] == [route]
    await settled(cloud)


async def outside_addresses(cloud: Cloud, router_id: str) -> frozenset[str]:
    """What OVN lets a router answer to outside."""
    await settled(cloud)
    rows = await engine(cloud).dump(f"router:{router_id}")
    (face,) = [row for row in rows if isinstance(row, RouterPort) and row.gateway_chassis]
    return face.networks


async def test_a_floating_ip_leads_to_a_routers_own_port(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    member = await cloud.project_with("p", "member")
    _, sub, router = await lab(member)
    outside = await public(member)
    (face,) = (await member.get(f"{V2}/ports?device_id={router['id']}"))["ports"]
    body = {"floatingip": {"floating_network_id": outside["id"], "port_id": face["id"]}}
    fip = (await member.post(f"{V2}/floatingips", body))["floatingip"]
    assert (fip["fixed_ip_address"], fip["status"]) == ("10.0.0.1", "ACTIVE")
    own = f"{fip['floating_ip_address']}/32"
    assert own in await outside_addresses(cloud, router["id"])
    assert await engine(cloud).dump(f"floating_ip:{fip['id']}") == []
    error = await refused(
        member, "PUT", f"/routers/{router['id']}/remove_router_interface",
        {"subnet_id": sub["id"]}, 409,
    )  # fmt: skip
    assert error["type"] == "RouterInterfaceInUseByFloatingIP"
    path, nowhere = f"{V2}/floatingips/{fip['id']}", {"floatingip": {"port_id": None}}
    await member("PUT", path, nowhere, status=200)
    assert own not in await outside_addresses(cloud, router["id"])
    back = {"floatingip": {"port_id": face["id"]}}
    await member("PUT", path, back, status=200)
    assert own in await outside_addresses(cloud, router["id"])
    await member("DELETE", path, status=204)
    assert own not in await outside_addresses(cloud, router["id"])
    (ours,) = (await admin.get(f"{V2}/ports?device_owner=network:distributed"))["ports"]
    body = {"floatingip": {"floating_network_id": outside["id"], "port_id": ours["id"]}}
    await refused(admin, "POST", "/floatingips", body, 400)


# ---- gateways outside of their subnet ----

OUTSIDE = [
    ("203.0.113.64/29", "198.51.100.1", {}),
    ("203.0.113.65/32", "198.51.100.1", {"enable_dhcp": False}),
    ("2001:db8:1::/64", "2001:db8:ffff::1", {}),
]


@pytest.mark.parametrize(("cidr", "gateway", "more"), OUTSIDE)
async def test_a_gateway_may_be_outside_of_its_subnet(
    cloud: Cloud, cidr: str, gateway: str, more: dict[str, Any]
) -> None:
    member = await cloud.project_with("p", "member")
    made = await network(member)
    sub = await subnet(member, made["id"], cidr, gateway_ip=gateway, **more)
    assert sub["gateway_ip"] == gateway
    router = (await member.post(f"{V2}/routers", {"router": {}}))["router"]
    join, body = f"/routers/{router['id']}/add_router_interface", {"subnet_id": sub["id"]}
    error = await refused(member, "PUT", join, body, 400)
    assert error["type"] == "InvalidIpForSubnet"
    one = await port(member, made["id"])
    assert ipaddress.ip_address(one["fixed_ips"][0]["ip_address"]) in ipaddress.ip_network(cidr)


async def test_what_is_no_gateway_anywhere_is_refused(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    made = await network(member)
    values = {"network_id": made["id"], "ip_version": 4, "cidr": "10.9.0.0/24"}
    for gateway in (
        "10.9.0.0", "10.9.0.255", "224.0.0.5", "0.0.0.0", "127.0.0.1", "169.254.169.254",
        "255.255.255.255", "ff02::1",
    ):  # fmt: skip
        body = {"subnet": {**values, "gateway_ip": gateway}}
        error = await refused(member, "POST", "/subnets", body, 400)
        assert error["type"] == "InvalidInput" and gateway in error["message"]


async def test_guests_are_told_that_the_gateway_is_on_the_link(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    made = await network(member)
    await subnet(member, made["id"], "203.0.113.64/29", gateway_ip="198.51.100.1")
    await settled(cloud)
    rows = await engine(cloud).dump(f"network:{made['id']}")
    (options,) = [row.options for row in rows if isinstance(row, DHCPOptions)]
    assert options["router"] == "198.51.100.1"
    assert options["server_id"] == "203.0.113.65"  # on the subnet: guests renew by asking it
    routes = options["classless_static_route"].strip("{}").split(", ")
    assert routes.index("198.51.100.1/32,0.0.0.0") < routes.index("0.0.0.0/0,198.51.100.1")


async def test_a_router_reaches_an_outside_gateway_over_its_port(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    outside = await external(admin)
    await subnet(
        admin, outside["id"], "203.0.113.64/29", gateway_ip="198.51.100.1", enable_dhcp=False
    )
    router = await router_on(admin, outside["id"])
    await settled(cloud)
    rows = await engine(cloud).dump(f"router:{router['id']}")
    (whole,) = [row for row in rows if isinstance(row, Router)]
    (face,) = [row for row in rows if isinstance(row, RouterPort)]
    # Without the port OVN finds no way to a next hop that is in none of the router's networks.
    assert whole.routes == frozenset(
        {StaticRoute(destination="0.0.0.0/0", next_hop="198.51.100.1", port=face.name)}
    )


# ---- spellings ----


SPELLINGS: list[tuple[str, str, str]] = [
    ("2001:558:FC00::/39", "2001:558:fc00::/39", "2001:558:fc00::/39"),
    ("2001:DB8::1", "2001:db8::1/128", "2001:db8::1/128"),
    ("2001:0db8:0000::5/64", "2001:db8::5/64", "2001:db8::/64"),
    ("10.0.0.5/24", "10.0.0.5/24", "10.0.0.0/24"),
    ("10.0.0.5", "10.0.0.5/32", "10.0.0.5/32"),
]


async def test_prefixes_have_one_spelling(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    group = (await member.post(f"{V2}/security-groups", {"security_group": {"name": "g"}}))[
        "security_group"
    ]
    for sent, shown, meant in SPELLINGS:
        rule = {
            "security_group_id": group["id"], "direction": "ingress", "remote_ip_prefix": sent,
            "ethertype": "IPv6" if ":" in sent else "IPv4",
        }  # fmt: skip
        body = {"security_group_rule": rule}
        made = (await member.post(f"{V2}/security-group-rules", body))["security_group_rule"]
        assert (made["remote_ip_prefix"], made["normalized_cidr"]) == (shown, meant)


@pytest.mark.parametrize("empty", [{"remote_ip_prefix": ""}, {"remote_group_id": ""}])
async def test_an_empty_remote_is_none(cloud: Cloud, empty: dict[str, str]) -> None:
    member = await cloud.project_with("p", "member")
    body = {"security_group": {"name": "g"}}
    group = (await member.post(f"{V2}/security-groups", body))["security_group"]
    rule = {"security_group_id": group["id"], "direction": "ingress", **empty}
    body = {"security_group_rule": rule}
    made = (await member.post(f"{V2}/security-group-rules", body))["security_group_rule"]
    assert [made[name] for name in empty] == [None]


# ---- lists ----


async def test_subnets_say_whether_they_are_outside(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    own = await subnet(member, (await network(member))["id"])
    assert own["router:external"] is False
    for value, requested in (("true", "172.24.4.0/24"), ("False", "10.0.0.0/24")):
        found = (await member.get(f"{V2}/subnets?router:external={value}"))["subnets"]
        assert [one["cidr"] for one in found] == [requested]
    body = {"subnet": {"router:external": True}}
    error = await refused(member, "PUT", f"/subnets/{own['id']}", body, 400)
    assert "router:external" in error["message"]


async def test_no_service_providers_are_an_empty_list(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    found = await member.get(f"{V2}/service-providers?service_type=VPN")
    assert found == {"service_providers": []}
    offered = (await member.get(f"{V2}/extensions/service-type"))["extension"]
    assert offered["alias"] == "service-type"


async def test_a_filter_that_nobody_knows_is_refused(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    for path in (
        "availability_zones", "service-providers", "agents", "networks", "subnets", "ports",
        "routers", "floatingips", "security-groups", "security-group-rules",
    ):  # fmt: skip
        error = await refused(admin, "GET", f"/{path}?nosuch=1", None, 400)
        assert error["message"] == "['nosuch'] is invalid attribute for filtering"


# ---- what acts or is refused ----


async def test_one_external_network_is_the_default(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    first = (await admin.get(f"{V2}/networks?is_default=true"))["networks"]
    assert [one["name"] for one in first] == ["public"]
    body = {"network": {"name": "n", "is_default": True, "router:external": True}}
    error = await refused(admin, "POST", "/networks", body, 409)
    assert error["type"] == "DefaultExternalNetworkExists"
    body = {"network": {"name": "n", "is_default": True}}
    error = await refused(admin, "POST", "/networks", body, 400)
    assert "external" in error["message"]
    path = f"{V2}/networks/{first[0]['id']}"
    await admin("PUT", path, {"network": {"is_default": False}}, status=200)
    other = await external(admin, is_default=True)
    assert other["is_default"] is True
    error = await refused(admin, "PUT", f"/networks/{first[0]['id']}",
                          {"network": {"is_default": True}}, 409)  # fmt: skip
    assert other["id"] in error["message"]
    ended = await admin(
        "PUT", f"{V2}/networks/{other['id']}", {"network": {"router:external": False}}, status=200
    )
    assert ended.json()["network"]["is_default"] is False


async def test_a_profile_that_plugs_a_port_otherwise_is_refused(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    made = await network(admin)
    for profile in ({"parent_name": "x", "tag": 5}, {"capabilities": ["switchdev"]}):
        body = {"port": {"network_id": made["id"], "binding:profile": profile}}
        error = await refused(admin, "POST", "/ports", body, 400)
        assert "not supported in a port's profile" in error["message"]


MACS: list[tuple[str, str | None]] = [
    ("FA-16-3E-00-00-0A", "fa:16:3e:00:00:0a"),
    ("11:22:33:44:55:66", "11:22:33:44:55:66"),  # a group's: openstackclient's suite sets it
    ("ff:ff:ff:ff:ff:ff", None),
    ("00:00:00:00:00:00", None),
    ("fa:16:3e:00:00", None),
]


async def test_mac_addresses(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    one = await port(admin, (await network(admin))["id"])
    for sent, kept in MACS:
        body = {"port": {"mac_address": sent}}
        answer = await admin("PUT", f"{V2}/ports/{one['id']}", body, status=200 if kept else 400)
        assert kept is None or answer.json()["port"]["mac_address"] == kept


# ---- protocols ----


@pytest.mark.parametrize(
    "same", [(None, "any", -1, 0, "0", "ip", "hopopt"), (112, "112", "vrrp", "VRRP"), (4, "ipip")]
)
async def test_a_protocol_has_several_spellings_and_makes_one_rule(
    cloud: Cloud, same: tuple[Any, ...]
) -> None:
    member = await cloud.project_with("p", "member")
    body: dict[str, Any] = {"security_group": {"name": "g"}}
    group = (await member.post(f"{V2}/security-groups", body))["security_group"]["id"]
    for place, protocol in enumerate(same):
        rule = {"security_group_id": group, "direction": "ingress", "protocol": protocol}
        path = f"{V2}/security-group-rules"
        status = 409 if place else 201
        await member("POST", path, {"security_group_rule": rule}, status=status)


@pytest.mark.parametrize("protocol", [None, "any", 0, "00", "ip", "hopopt"])
async def test_the_number_0_and_its_names_reach_the_engine_as_any(
    cloud: Cloud, protocol: Any
) -> None:
    member = await cloud.project_with("p", "member")
    body: dict[str, Any] = {"security_group": {"name": "g"}}
    group = (await member.post(f"{V2}/security-groups", body))["security_group"]["id"]
    rule = {"security_group_id": group, "direction": "ingress", "protocol": protocol}
    await member.post(f"{V2}/security-group-rules", {"security_group_rule": rule})
    await settled(cloud)
    (row,) = await engine(cloud).dump(f"security_group:{group}")
    assert isinstance(row, PortGroup)
    assert not [one for one in row.acls if "ip.proto" in one.match]
    assert len([one for one in row.acls if one.direction == "to-lport"]) == 1


# ---- tags, pools ----


async def test_tags_that_a_path_cannot_name_come_in_bodies(cloud: Cloud) -> None:
    """Clusters tag what is theirs with "kubernetes.io/cluster/…"."""
    member = await cloud.project_with("p", "member")
    tag = "kubernetes.io/cluster/one"
    made = await network(member, tags=[tag])
    await network(member)
    assert [one["id"] for one in (await member.get(f"{V2}/networks?tags={tag}"))["networks"]] == [
        made["id"]
    ]
    path = f"{V2}/networks/{made['id']}/tags"
    await member("POST", path, {"tags": ["a,b", tag]}, status=200)
    assert sorted((await member.get(path))["tags"]) == ["a,b", tag]
    for odd in ("", "x" * 256, 5, None):
        await member("PUT", path, {"tags": [odd]}, status=400)
    await member("PUT", path, {"tags": []}, status=200)


async def test_only_a_change_leaves_a_subnet_without_pools(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    made = await network(member)
    whole = [{"start": "10.0.0.2", "end": "10.0.0.254"}]
    inside = await subnet(member, made["id"], allocation_pools=[])
    assert inside["allocation_pools"] == whole
    path = f"{V2}/subnets/{inside['id']}"
    gone = await member("PUT", path, {"subnet": {"allocation_pools": []}}, status=200)
    assert gone.json()["subnet"]["allocation_pools"] == []
    await refused(member, "POST", "/ports", {"port": {"network_id": made["id"]}}, 409)
    named = [{"subnet_id": inside["id"], "ip_address": "10.0.0.9"}]
    assert (await port(member, made["id"], fixed_ips=named))["fixed_ips"] == named


# ---- filters ----


async def test_networks_and_routers_are_found_by_what_they_pass_on(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")

    async def found(kind: str, query: str) -> list[str]:
        listed = (await member.get(f"{V2}/{kind}?{query}&sort_key=name"))[kind]
        return [one["name"] for one in listed]

    for name, sent in (("tagged", True), ("untagged", False), ("unsaid", None)):
        await network(member, name=name, vlan_transparent=sent)
    assert await found("networks", "vlan_transparent=true") == ["tagged"]
    assert await found("networks", "vlan_transparent=False") == ["untagged"]
    assert await found("networks", "qinq=true") == []
    for name in ("a", "b"):
        await member.post(f"{V2}/routers", {"router": {"name": name}})
    assert await found("routers", "enable_snat=true") == ["a", "b"]
    assert await found("routers", "enable_snat=false") == []
    assert await found("routers", "enable_ndp_proxy=false") == ["a", "b"]
    assert await found("routers", "enable_ndp_proxy=true") == []
    await refused(member, "GET", "/networks?vlan_transparent=maybe", None, 400)


async def test_what_is_kept_in_one_spelling_is_found_by_any(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    made = await network(member)
    four = await subnet(member, made["id"], "10.0.0.0/24")
    six = await subnet(member, made["id"], "fd44::/64", ip_version=6)
    one = await port(member, made["id"], mac_address=MAC)
    group = (await member.post(f"{V2}/security-groups", {"security_group": {"name": "g"}}))[
        "security_group"
    ]["id"]
    said = {"security_group_id": group, "direction": "ingress", "protocol": "tcp"}
    ids = []
    for version, prefix in ((4, "192.0.2.7"), (6, "FD44::5/64")):
        rule = {**said, "ethertype": f"IPv{version}", "remote_ip_prefix": prefix}
        sent = {"security_group_rule": rule}
        ids.append((await member.post(f"{V2}/security-group-rules", sent))["security_group_rule"]["id"])  # fmt: skip

    async def found(path: str) -> list[str]:
        answer = await member.get(f"{V2}/{path}")
        (listed,) = (many for name, many in answer.items() if not name.endswith("_links"))
        return [each["id"] for each in listed]

    for query in ("cidr=FD44::/64", "cidr=fd44:0:0:0::/64", "gateway_ip=FD44:0::1"):
        assert await found(f"subnets?{query}") == [six["id"]], query
    assert await found("subnets?cidr=10.0.0.0/24") == [four["id"]]
    for query in ("cidr=10.0.0.7/24", "cidr=10.0.0.0", "cidr=x", "gateway_ip="):
        assert await found(f"subnets?{query}") == [], query
    for query in (MAC.upper(), MAC.replace(":", "-"), f"{MAC}&status=down"):
        assert await found(f"ports?mac_address={query}") == [one["id"]], query
    rules = f"security-group-rules?security_group_id={group}"
    for query in ("192.0.2.7", "192.0.2.7/32", "192.0.2.7&direction=INGRESS&protocol=TCP"):
        assert await found(f"{rules}&remote_ip_prefix={query}") == ids[:1], query
    for query in ("remote_ip_prefix=fd44:0::5/64", "normalized_cidr=FD44::/64&ethertype=ipv6"):
        assert await found(f"{rules}&{query}") == ids[1:], query


async def test_nobody_finds_by_what_the_rules_hide(cloud: Cloud) -> None:
    """One guess after the other would tell the number of a network, and the host of a port."""
    admin, member = await cloud.sign_in(), await cloud.project_with("p", "member")
    made = await network(member)
    number = (await admin.get(f"{V2}/networks/{made['id']}"))["network"]["provider:segmentation_id"]
    for query in (
        f"networks?provider:segmentation_id={number}",
        "networks?provider:physical_network=public",
        "networks?sort_key=provider:segmentation_id",
        "networks?sort_key=name&sort_key=provider:network_type",
        "ports?binding:host_id=host-1",
        "ports?sort_key=binding:host_id&sort_dir=desc",
    ):
        error = await refused(member, "GET", f"/{query}", None, 403)
        assert "disallowed by policy" in error["message"], query
        await admin.get(f"{V2}/{query}")
    listed = (await admin.get(f"{V2}/networks?provider:segmentation_id={number}"))["networks"]
    assert [one["id"] for one in listed] == [made["id"]]


# ---- addresses that guests make themselves ----


async def test_with_another_mac_a_guest_makes_itself_other_addresses(cloud: Cloud) -> None:
    """Port security would drop what it sends by them, if the old ones stayed."""
    admin = await cloud.sign_in()
    made = await network(admin)
    four = await subnet(admin, made["id"], "10.0.0.0/24")
    modes = {"ip_version": 6, "ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"}
    six = await subnet(admin, made["id"], "2001:db8::/64", **modes)
    one = await port(admin, made["id"], mac_address=MAC)
    path = f"{V2}/ports/{one['id']}"

    async def becomes(**values: Any) -> dict[str, str]:
        answer = (await admin("PUT", path, {"port": values}, status=200)).json()["port"]
        return {fixed["subnet_id"]: fixed["ip_address"] for fixed in answer["fixed_ips"]}

    kept = next(f["ip_address"] for f in one["fixed_ips"] if f["subnet_id"] == four["id"])
    assert await becomes(mac_address="fa:16:3e:00:00:01") == {
        four["id"]: kept,
        six["id"]: "2001:db8::f816:3eff:fe00:1",
    }
    # Clients send what they have read beside what they change.
    read = (await admin.get(path))["port"]["fixed_ips"]
    assert await becomes(mac_address="fa:16:3e:00:00:02", fixed_ips=read) == {
        four["id"]: kept,
        six["id"]: "2001:db8::f816:3eff:fe00:2",
    }
    assert await becomes(
        mac_address="fa:16:3e:00:00:03", fixed_ips=[{"ip_address": "10.0.0.99"}]
    ) == {four["id"]: "10.0.0.99", six["id"]: "2001:db8::f816:3eff:fe00:3"}
    await settled(cloud)
    (told,) = [r for r in await engine(cloud).dump(f"port:{one['id']}") if hasattr(r, "addresses")]
    assert told.addresses == frozenset({"fa:16:3e:00:00:03 10.0.0.99 2001:db8::f816:3eff:fe00:3"})
