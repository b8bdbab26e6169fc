"""What networks, subnets, routers, ports and floating IPs refuse, and why; and what is right beside it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.network.test_networks import V2, network, port, refused, subnet
from tests.api.network.test_routers import lab, public
from tests.cloud import Client, Cloud, running

SLAAC = {"ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"}
NOWHERE = "00000000-0000-4000-8000-00000000dead"


@pytest.fixture
async def cloud(tmp_path: Path, database_url: str) -> AsyncIterator[Cloud]:
    """A cloud without hosts: nothing here needs one."""
    async with running(tmp_path, database=database_url, hosts=0) as cloud:
        yield cloud


async def put(client: Client, path: str, body: Any, status: int = 200) -> Any:
    return (await client("PUT", f"{V2}{path}", body, status=status)).json()


async def says(client: Client, method: str, path: str, body: Any, status: int, why: str) -> None:
    """It is refused with this status, and these words are in what is said."""
    error = await refused(client, method, path, body, status)
    assert why in f"{error['type']}: {error['message']}"


# ---- subnets ----

POOL = [{"start": "10.0.0.10", "end": "10.0.0.20"}]


NO_SUBNETS: list[tuple[dict[str, Any], int, str]] = [
    ({"cidr": None}, 400, "must be specified in the absence of a cidr"),
    ({"cidr": "10.0.0.0/24", "ip_version": 6}, 400, "IP version 6 does not match cidr"),
    ({"cidr": "0.0.0.0/0"}, 400, "0 is not allowed as CIDR prefix length"),
    ({"cidr": "224.0.0.0/24"}, 400, "Multicast IP subnet is not supported"),
    ({"cidr": "127.0.0.0/8"}, 400, "Loopback IP subnet is not supported"),
    ({"cidr": "169.254.0.0/16"}, 400, "contains the metadata address"),
    ({"cidr": "10.0.0.0/31"}, 400, "has no free address for DHCP"),
    (
        {"cidr": "10.0.0.0/24", "gateway_ip": "2001:db8::1"},
        400,
        "does not match the ip_version",
    ),
    ({"cidr": "10.0.0.0/24", "gateway_ip": "10.0.0.255"}, 400, "is not valid on subnet"),
    ({"cidr": "10.0.0.0/24", "gateway_ip": "224.0.0.1"}, 400, "is not valid on subnet"),
    (
        {"cidr": "10.0.0.0/24", "allocation_pools": [{"start": "10.0.0.9", "end": "10.0.0.8"}]},
        400,
        "InvalidAllocationPool",
    ),
    (
        {"cidr": "10.0.0.0/24", "allocation_pools": [{"start": "::9", "end": "::a"}]},
        400,
        "InvalidAllocationPool",
    ),
    (
        {"cidr": "10.0.0.0/24", "allocation_pools": [{"start": "10.0.0.9", "end": "10.0.1.8"}]},
        400,
        "spans beyond the subnet cidr",
    ),
    (
        {
            "cidr": "10.0.0.0/24",
            "allocation_pools": [*POOL, {"start": "10.0.0.20", "end": "10.0.0.30"}],
        },
        409,
        "OverlappingAllocationPools",
    ),
    (
        {"cidr": "10.0.0.0/24", "gateway_ip": "10.0.0.15", "allocation_pools": POOL},
        409,
        "GatewayConflictWithAllocationPools",
    ),
    ({"cidr": "10.0.0.0/24", "dns_nameservers": ["2001:db8::1"]}, 400, "does not match"),
    ({"cidr": "10.0.0.0/24", "ipv6_ra_mode": "slaac"}, 400, "when ip_version is 4"),
    (
        {"cidr": "2001:db8::/64", "ipv6_ra_mode": "slaac", "enable_dhcp": False},
        400,
        "when enable_dhcp is set to False",
    ),
    (
        {
            "cidr": "2001:db8::/64",
            "ipv6_ra_mode": "slaac",
            "ipv6_address_mode": "dhcpv6-stateful",
        },
        400,
        "they must be the same value",
    ),
    ({"cidr": "2001:db8::/72", "ipv6_address_mode": "slaac"}, 400, "the prefix to be /64"),
    (
        {
            "cidr": "2001:db8::/64",
            "ipv6_address_mode": "slaac",
            "allocation_pools": [{"start": "2001:db8::2", "end": "2001:db8::9"}],
        },
        409,
        "SlaacAllocationPool",
    ),
]


async def test_a_subnet(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    made = await network(member)
    for values, status, why in NO_SUBNETS:
        version = 6 if ":" in (values["cidr"] or "") else 4
        body = {"subnet": {"network_id": made["id"], "ip_version": version, **values}}
        await says(member, "POST", "/subnets", body, status, why)
    assert (await member.get(f"{V2}/subnets?network_id={made['id']}"))["subnets"] == []


SMALLEST: list[tuple[dict[str, Any], str | None, list[tuple[str, str]]]] = [
    ({"cidr": "10.0.0.0/31", "enable_dhcp": False}, "10.0.0.0", [("10.0.0.1", "10.0.0.1")]),
    # As upstream: Terraform's provider plans a change where it finds none.
    ({"cidr": "10.0.0.7/32", "enable_dhcp": False}, "10.0.0.8", [("10.0.0.7", "10.0.0.7")]),
    (
        {"cidr": "255.255.255.255/32", "enable_dhcp": False},
        None,
        [("255.255.255.255", "255.255.255.255")],
    ),
    ({"cidr": "10.0.0.0/30"}, "10.0.0.1", [("10.0.0.2", "10.0.0.2")]),
    ({"cidr": "10.0.0.0/30", "gateway_ip": None}, None, [("10.0.0.1", "10.0.0.2")]),
    (
        {"cidr": "10.0.0.0/29", "gateway_ip": "10.0.0.3"},
        "10.0.0.3",
        [("10.0.0.1", "10.0.0.2"), ("10.0.0.4", "10.0.0.6")],
    ),
    ({"cidr": "2001:db8::/126"}, "2001:db8::1", [("2001:db8::2", "2001:db8::3")]),
    ({"cidr": "2001:db8::/126", "gateway_ip": "fe80::1"}, "fe80::1", [("2001:db8::1", "2001:db8::3")]),
]  # fmt: skip


async def test_the_smallest_subnets(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    for values, gateway, pools in SMALLEST:
        made = await subnet(member, (await network(member))["id"], **values)
        assert made["gateway_ip"] == gateway, values
        assert [(one["start"], one["end"]) for one in made["allocation_pools"]] == pools


async def test_a_subnet_is_changed(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    made, sub, _ = await lab(member)
    path = f"/subnets/{sub['id']}"

    async def no(values: Any, status: int, why: str) -> None:
        await says(member, "PUT", path, {"subnet": values}, status, why)

    await no({"gateway_ip": "10.0.0.254"}, 409, "GatewayIpInUse")
    await no({"allocation_pools": [{"start": "10.0.0.1", "end": "10.0.0.9"}]}, 409, "Gateway")
    await no({"dns_nameservers": ["2001:db8::53"]}, 400, "does not match")
    changed = {"dns_nameservers": ["9.9.9.9"], "allocation_pools": POOL}
    shown = (await put(member, path, {"subnet": changed}))["subnet"]
    assert {name: shown[name] for name in changed} == changed
    one = await port(member, made["id"])
    assert one["fixed_ips"][0]["ip_address"] == "10.0.0.10"
    free = await subnet(member, made["id"], "10.5.0.0/24")
    await says(
        member,
        "PUT",
        f"/subnets/{free['id']}",
        {"subnet": {"gateway_ip": "10.5.0.9"}},
        409,
        "Gateway",
    )
    pools = [{"start": "10.5.0.100", "end": "10.5.0.110"}]
    body = {"subnet": {"gateway_ip": "10.5.0.9", "allocation_pools": pools}}
    assert (await put(member, f"/subnets/{free['id']}", body))["subnet"]["gateway_ip"] == "10.5.0.9"
    none = {"subnet": {"gateway_ip": None}}
    assert (await put(member, f"/subnets/{free['id']}", none))["subnet"]["gateway_ip"] is None


async def test_dhcp_stays_where_guests_make_addresses_and_where_there_is_room(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    made = await network(member)
    slaac = await subnet(member, made["id"], "2001:db8::/64", **SLAAC)
    off = {"subnet": {"enable_dhcp": False}}
    await says(member, "PUT", f"/subnets/{slaac['id']}", off, 400, "DHCP must be enabled")
    tiny = await subnet(member, made["id"], "10.0.0.0/31", enable_dhcp=False)
    on = {"subnet": {"enable_dhcp": True}}
    await says(member, "PUT", f"/subnets/{tiny['id']}", on, 400, "has no free address for DHCP")


# ---- networks ----


async def test_a_network_that_others_use(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    guest = await cloud.project_with("guest", "member")
    made = await network(admin, shared=True)
    path = f"/networks/{made['id']}"
    await put(admin, path, {"network": {"shared": False}})  # nobody uses it
    await put(admin, path, {"network": {"shared": True}})
    one = await port(guest, made["id"])
    await says(admin, "PUT", path, {"network": {"shared": False}}, 409, "InvalidSharedSetting")
    await guest("DELETE", f"{V2}/ports/{one['id']}", status=204)
    await put(admin, path, {"network": {"shared": False}})
    zone = {"network": {"availability_zone_hints": ["moon"]}}
    await says(admin, "POST", "/networks", zone, 404, "AvailabilityZone moon could not be found")


@pytest.mark.parametrize("used", ["router", "floating IP"])
async def test_an_external_network_in_use_stays_one(cloud: Cloud, used: str) -> None:
    admin = await cloud.sign_in()
    outside = await public(admin)
    if used == "router":
        await lab(admin)
    else:
        body = {"floatingip": {"floating_network_id": outside["id"]}}
        await admin.post(f"{V2}/floatingips", body)
    body = {"network": {"router:external": False}}
    await says(admin, "PUT", f"/networks/{outside['id']}", body, 409, "ExternalNetworkInUse")


# ---- routers ----


async def test_a_routers_interfaces(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    made, sub, router = await lab(member)
    other = await network(member, name="other")
    overlaps = await subnet(member, other["id"], "10.0.0.0/16")
    no_gateway = await subnet(member, made["id"], "10.7.0.0/24", gateway_ip=None)
    loose = await port(member, other["id"], fixed_ips=[])
    used = await port(member, other["id"], device_id="mine")
    base = f"/routers/{router['id']}"
    for body, status, why in (
        ({}, 400, "Either subnet_id or port_id must be specified"),
        ({"subnet_id": 5}, 400, "'5' is not a valid UUID"),
        ({"subnet_id": sub["id"], "x": 1}, 400, "Unrecognized attribute(s) 'x'"),
        ({"subnet_id": sub["id"], "port_id": loose["id"]}, 400, "Cannot specify both"),
        ({"subnet_id": NOWHERE}, 404, "SubnetNotFound"),
        ({"port_id": NOWHERE}, 404, "PortNotFound"),
        ({"subnet_id": no_gateway["id"]}, 400, "must have a gateway IP"),
        ({"subnet_id": overlaps["id"]}, 400, "overlaps with cidr"),
        ({"port_id": loose["id"]}, 400, "must have at least one fixed IP"),
        ({"port_id": used["id"]}, 409, "PortInUse"),
    ):
        await says(member, "PUT", f"{base}/add_router_interface", body, status, why)
    for body, status, why in (
        ({"subnet_id": overlaps["id"]}, 404, "has no interface on subnet"),
        ({"port_id": loose["id"]}, 404, "RouterInterfaceNotFound"),
    ):
        await says(member, "PUT", f"{base}/remove_router_interface", body, status, why)


async def test_a_port_becomes_a_routers_interface(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    made, _, router = await lab(member)
    other = await network(member, name="other")
    sub = await subnet(member, other["id"], "10.8.0.0/24")
    second = await subnet(member, other["id"], "10.9.0.0/24")
    one = await port(member, other["id"], fixed_ips=[{"subnet_id": sub["id"]}])
    wish = [{"subnet_id": sub["id"]}, {"subnet_id": second["id"]}]
    both = await port(member, other["id"], fixed_ips=wish)
    base = f"/routers/{router['id']}"
    body = {"port_id": both["id"]}
    await says(member, "PUT", f"{base}/add_router_interface", body, 400, "multiple IPv4 subnets")
    for way in ("add", "remove"):
        for odd in ({"port_id": "no-id"}, {"subnet_id": "no-id"}):
            path = f"{base}/{way}_router_interface"
            await says(member, "PUT", path, odd, 400, "'no-id' is not a valid UUID")
    joined = await put(member, f"{base}/add_router_interface", {"port_id": one["id"]})
    assert (joined["port_id"], joined["subnet_ids"]) == (one["id"], [sub["id"]])
    wrong = {"port_id": one["id"], "subnet_id": second["id"]}
    await says(member, "PUT", f"{base}/remove_router_interface", wrong, 400, "is not on port")
    left = await put(member, f"{base}/remove_router_interface", {"port_id": one["id"]})
    assert left["subnet_ids"] == [sub["id"]]
    stranger = await cloud.project_with("stranger", "member")
    theirs = (await stranger.post(f"{V2}/routers", {"router": {}}))["router"]["id"]
    body = {"subnet_id": sub["id"]}
    await says(stranger, "PUT", f"/routers/{theirs}/add_router_interface", body, 404, "SubnetNotFound")  # fmt: skip
    assert made["id"] != other["id"]


async def test_a_routers_gateway_and_routes(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    made, sub, router = await lab(admin)
    outside = await public(admin)
    base = f"/routers/{router['id']}"

    def gateway(**values: Any) -> Any:
        return {"router": {"external_gateway_info": values}}

    body = gateway(network_id=made["id"])
    await says(admin, "PUT", base, body, 400, "is not an external network")
    snat = gateway(network_id=outside["id"], enable_snat=False)
    assert (await put(admin, base, snat))["router"]["external_gateway_info"]["enable_snat"] is False
    own = (await admin.get(f"{V2}{base}"))["router"]["external_gateway_info"]
    own_address = own["external_fixed_ips"][0]["ip_address"]
    for destination, hop, why in (
        ("2001:db8::/64", "10.0.0.9", "are of different versions"),
        ("10.9.0.0/16", "192.0.2.1", "the nexthop is not connected with router"),
        ("10.9.0.0/16", "10.0.0.1", "the nexthop is used by router"),
        ("10.9.0.0/16", own_address, "the nexthop is used by router"),
    ):
        body = {"router": {"routes": [{"destination": destination, "nexthop": hop}]}}
        await says(admin, "PUT", base, body, 400, why)
    many = [{"destination": f"10.{n // 250}.{n % 250}.0/24", "nexthop": "10.0.0.9"} for n in range(31)]  # fmt: skip
    await says(admin, "PUT", base, {"router": {"routes": many}}, 400, "more than 30 items")
    full = await put(admin, base, {"router": {"routes": many[:30]}})
    assert len(full["router"]["routes"]) == 30
    one_more = {"router": {"routes": many[30:]}}
    path = f"{base}/add_extraroutes"
    await says(admin, "PUT", path, one_more, 400, "The number of routes exceeds the maximum 30")
    on = (await subnet(admin, outside["id"], "198.51.100.0/24"))["id"]
    body = {"subnet_id": on}
    await says(admin, "PUT", f"{base}/add_router_interface", body, 400, "the router's external network")  # fmt: skip
    assert sub["id"] != on


async def test_a_full_outside_network_gives_routers_no_address(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    vlan = {
        "router:external": True, "provider:network_type": "vlan",
        "provider:physical_network": "public", "provider:segmentation_id": 7,
    }  # fmt: skip
    outside = await network(admin, **vlan)
    sub = await subnet(admin, outside["id"], "198.51.100.0/30", enable_dhcp=False)  # one address
    info = {"external_gateway_info": {"network_id": outside["id"]}}
    await admin.post(f"{V2}/routers", {"router": info})
    await says(admin, "POST", "/routers", {"router": info}, 409, "IpAddressGenerationFailure")
    info["external_gateway_info"]["external_fixed_ips"] = [{"subnet_id": sub["id"]}]
    await says(admin, "POST", "/routers", {"router": info}, 409, "IpAddressGenerationFailure")


# ---- floating IPs ----


async def test_a_floating_ip(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    made, sub, _ = await lab(admin)
    outside = await public(admin)
    second = await subnet(admin, made["id"], "10.6.0.0/24")
    v6 = await subnet(admin, made["id"], "2001:db8::/64")
    both = await port(
        admin, made["id"], fixed_ips=[{"subnet_id": sub["id"]}, {"subnet_id": second["id"]}]
    )
    no_v4 = await port(admin, made["id"], fixed_ips=[{"subnet_id": v6["id"]}])
    one = await port(admin, made["id"], fixed_ips=[{"subnet_id": sub["id"]}])

    async def no(values: Any, status: int, why: str) -> None:
        body = {"floatingip": {"floating_network_id": outside["id"], **values}}
        await says(admin, "POST", "/floatingips", body, status, why)

    await no({"floating_network_id": made["id"]}, 400, "is not a valid external network")
    await no({"subnet_id": NOWHERE}, 404, "SubnetNotFound")
    await no({"floating_ip_address": "172.24.4.1"}, 409, "IpAddressInUse")
    await no({"floating_ip_address": "10.0.0.9"}, 400, "InvalidIpForNetwork")
    await no({"port_id": both["id"]}, 400, "has multiple fixed IPv4 addresses")
    await no({"port_id": no_v4["id"]}, 400, "has no fixed IPv4 addresses")
    await no({"port_id": one["id"], "fixed_ip_address": "10.0.0.99"}, 400, "does not have fixed ip")
    named = {"port_id": both["id"], "fixed_ip_address": both["fixed_ips"][0]["ip_address"]}
    body = {"floatingip": {"floating_network_id": outside["id"], **named}}
    held = (await admin.post(f"{V2}/floatingips", body))["floatingip"]
    assert held["fixed_ip_address"] == named["fixed_ip_address"]
    path = f"/floatingips/{held['id']}"
    alone = {"floatingip": {"port_id": None, "fixed_ip_address": "10.0.0.9"}}
    await says(admin, "PUT", path, alone, 400, "fixed_ip_address cannot be specified without")
    freed = await put(admin, path, {"floatingip": {"port_id": None}})
    assert freed["floatingip"]["port_id"] is None
    alone = {"floatingip": {"fixed_ip_address": "10.0.0.9"}}
    await says(admin, "PUT", path, alone, 400, "fixed_ip_address cannot be specified without")


async def test_a_floating_ip_moves_to_another_address_of_its_port(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    made, sub, _ = await lab(member)
    wish = [{"subnet_id": sub["id"], "ip_address": f"10.0.0.{n}"} for n in (20, 21)]
    one = await port(member, made["id"], fixed_ips=wish)
    outside = await public(member)
    values = {
        "floating_network_id": outside["id"], "port_id": one["id"], "fixed_ip_address": "10.0.0.20",
    }  # fmt: skip
    held = (await member.post(f"{V2}/floatingips", {"floatingip": values}))["floatingip"]
    path = f"/floatingips/{held['id']}"
    moved = await put(member, path, {"floatingip": {"fixed_ip_address": "10.0.0.21"}})
    assert moved["floatingip"]["fixed_ip_address"] == "10.0.0.21"
    keep = {"port": {"fixed_ips": wish[:1]}}  # the address that it leads to goes
    await put(member, f"/ports/{one['id']}", keep)
    left = (await member.get(f"{V2}{path}"))["floatingip"]
    assert (left["port_id"], left["fixed_ip_address"]) == (None, None)
    admin = await cloud.sign_in()
    foreign = await admin.post(f"{V2}/floatingips", {"floatingip": {"floating_network_id": outside["id"]}})  # fmt: skip
    body = {"floatingip": {"port_id": one["id"]}}
    await put(admin, f"/floatingips/{foreign['floatingip']['id']}", body)  # administrators may


async def test_an_outside_network_without_ipv4_has_no_floating_ips(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    outside = await network(
        admin, **{"router:external": True, "provider:network_type": "vlan",
                  "provider:physical_network": "public", "provider:segmentation_id": 8},
    )  # fmt: skip
    body = {"floatingip": {"floating_network_id": outside["id"]}}
    await says(admin, "POST", "/floatingips", body, 400, "does not contain any IPv4 subnet")


# ---- ports ----


NO_PORTS: list[tuple[dict[str, Any], int, str]] = [
    ({"port_security_enabled": False, "security_groups": ["own"]}, 400, "PortSecurityAndIPRequired"),
    (
        {"port_security_enabled": False, "allowed_address_pairs": [{"ip_address": "10.0.0.9"}]},
        409,
        "AddressPairAndPortSecurityRequired",
    ),
    ({"allowed_address_pairs": [{"ip_address": "224.0.0.0/4"}]}, 400, "is multicast"),
    ({"security_groups": ["foreign"]}, 404, "SecurityGroupNotFound"),
    ({"fixed_ips": [{}]}, 400, "IP allocation requires subnet_id or ip_address"),
    ({"fixed_ips": [{"ip_address": "192.0.2.1"}]}, 400, "InvalidIpForNetwork"),
    ({"mac_address": "fa:16:3e:00:00:01"}, 409, "MacAddressInUse"),
]  # fmt: skip


async def test_a_port(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    other = await cloud.project_with("other", "member")
    made = await network(member)
    await subnet(member, made["id"])
    await port(member, made["id"], mac_address="fa:16:3e:00:00:01")
    groups = {}
    for name, client in (("own", member), ("foreign", other)):
        body = {"security_group": {"name": name}}
        groups[name] = (await client.post(f"{V2}/security-groups", body))["security_group"]["id"]
    for values, status, why in NO_PORTS:
        sent: dict[str, Any] = {"network_id": made["id"], **values}
        if "security_groups" in values:
            sent["security_groups"] = [groups[one] for one in values["security_groups"]]
        await says(member, "POST", "/ports", {"port": sent}, status, why)


async def test_a_ports_mac_and_groups_change(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    made = await network(admin)
    sub = await subnet(admin, made["id"], "2001:db8::/64", **SLAAC)
    body = {"security_group": {"name": "web"}}
    group = (await admin.post(f"{V2}/security-groups", body))["security_group"]["id"]
    one = await port(admin, made["id"], mac_address="fa:16:3e:00:00:01")
    await port(admin, made["id"], mac_address="fa:16:3e:00:00:02")
    assert one["fixed_ips"][0]["ip_address"] == "2001:db8::f816:3eff:fe00:1"
    path = f"/ports/{one['id']}"
    body = {"port": {"mac_address": "fa:16:3e:00:00:02"}}
    await says(admin, "PUT", path, body, 409, "MacAddressInUse")
    wish = [{"subnet_id": sub["id"], "ip_address": "2001:db8::77"}]
    await says(
        admin, "PUT", path, {"port": {"fixed_ips": wish}}, 400, "can not be directly assigned"
    )
    shown = (await put(admin, path, {"port": {"security_groups": [group]}}))["port"]
    assert shown["security_groups"] == [group]
    shown = (await put(admin, path, {"port": {"security_groups": []}}))["port"]
    assert shown["security_groups"] == []
