"""Ports that are not a member's plain ones, and what floating IPs and forwardings may lead to."""

from __future__ import annotations

from typing import Any

import pytest

from hanok.services.network import facade as networks
from hanok.services.network.tables import ports
from tests.api.network.alone import cloud
from tests.api.network.test_networks import V2, network, port, refused, subnet
from tests.api.network.test_port_forwardings import Lab
from tests.api.network.test_refusals import SLAAC, put, says
from tests.api.network.test_routers import lab, public
from tests.api.network.test_trunks import sub, trunk
from tests.cloud import Client, Cloud

__all__ = ["cloud"]


@pytest.fixture
async def forwarded(cloud: Cloud) -> Lab:
    found = Lab(await cloud.project_with("p", "member"))
    await found.build()
    return found


# ---- ports ----


async def test_a_service_port_is_secured_only_where_it_says_so(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    made = (await network(admin))["id"]
    for values, secured in (
        ({"device_owner": "network:thing"}, False),
        ({"device_owner": "network:thing", "port_security_enabled": True}, True),
        ({"device_owner": "network:thing", "port_security_enabled": False}, False),
        ({"device_owner": "mine:network:thing"}, True),
    ):
        one = await port(admin, made, **values)
        assert one["port_security_enabled"] is secured
        assert len(one["security_groups"]) == secured


async def test_addresses_that_guests_make_themselves_are_named_or_not(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    made = (await network(member))["id"]
    six = (await subnet(member, made, "2001:db8::/64", **SLAAC))["id"]
    own = "2001:db8::f816:3eff:fe00:1"
    for number, wish in enumerate(
        ({"subnet_id": six}, {"ip_address": own}, {"subnet_id": six, "ip_address": own})
    ):
        one = await port(member, made, mac_address="fa:16:3e:00:00:01", fixed_ips=[wish])
        assert one["fixed_ips"] == [{"subnet_id": six, "ip_address": own}], number
        await member("DELETE", f"{V2}/ports/{one['id']}", status=204)
    # Only of the MAC that it has.
    odd = {
        "network_id": made,
        "mac_address": "fa:16:3e:00:00:02",
        "fixed_ips": [{"ip_address": own}],
    }
    await says(member, "POST", "/ports", {"port": odd}, 400, "can not be directly assigned")


async def test_a_mac_that_is_the_ports_already_changes_nothing(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    made = (await network(admin))["id"]
    bound: Any = {"binding:host_id": "h1"}
    one = await port(admin, made, **bound)
    same = {"port": {"mac_address": one["mac_address"]}}
    shown = (await put(admin, f"/ports/{one['id']}", same))["port"]
    assert shown["mac_address"] == one["mac_address"]
    other = {"port": {"mac_address": "fa:16:3e:00:00:09"}}
    await says(admin, "PUT", f"/ports/{one['id']}", other, 409, "PortBound")
    # With a new MAC a pair of that MAC means the port's own.
    loose = await port(admin, made)
    pair = {"ip_address": "10.0.0.7", "mac_address": "fa:16:3e:00:00:08"}
    body = {"port": {"mac_address": "fa:16:3e:00:00:08", "allowed_address_pairs": [pair]}}
    await put(admin, f"/ports/{loose['id']}", body)
    moved = (await put(admin, f"/ports/{loose['id']}", other))["port"]
    assert moved["allowed_address_pairs"] == [{**pair, "mac_address": "fa:16:3e:00:00:09"}]


async def test_a_routers_port_moves_within_its_subnets(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    made, sub_, router = await lab(member)
    await subnet(member, made["id"], "10.7.0.0/24")
    (face,) = (await member.get(f"{V2}/ports?device_id={router['id']}"))["ports"]
    path = f"/ports/{face['id']}"
    moved = (await put(member, path, {"port": {"fixed_ips": [{"ip_address": "10.0.0.99"}]}}))[
        "port"
    ]
    assert moved["fixed_ips"] == [{"subnet_id": sub_["id"], "ip_address": "10.0.0.99"}]
    for wishes in (
        [{"ip_address": "10.7.0.9"}],
        [{"ip_address": "192.0.2.9"}],
        [{"ip_address": "10.0.0.98"}, {"ip_address": "10.7.0.9"}],
        [],
    ):
        await says(member, "PUT", path, {"port": {"fixed_ips": wishes}}, 400, "are given by its")


async def test_which_ports_are_of_trunks(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    member = await cloud.project_with("p", "member")
    other = await cloud.project_with("q", "member")
    net = (await network(member))["id"]
    used = await port(member, net, device_owner="mine:thing")
    error = await refused(member, "POST", "/trunks", {"trunk": {"port_id": used["id"]}}, 409)
    assert error["type"] == "ParentPortInUse"
    made = await trunk(member, (await port(member, net, device_owner="compute:nova"))["id"])
    path = f"/trunks/{made['id']}/add_subports"
    owned: list[dict[str, Any]] = [
        {"device_id": "d"}, {"device_owner": "mine:thing"}, {"binding:host_id": "h1"},
    ]  # fmt: skip
    for number, values in enumerate(owned):
        taken = await port(admin, net, project_id=member.project_id, **values)
        body = {"sub_ports": [sub(taken, 10 + number)]}
        error = await refused(member, "PUT", path, body, 409)
        assert error["type"] == "PortInUse", values
    foreign = await port(admin, net, project_id=other.project_id)
    await refused(member, "POST", "/trunks", {"trunk": {"port_id": foreign["id"]}}, 403)
    await refused(member, "PUT", path, {"sub_ports": [sub(foreign, 20)]}, 403)
    assert (await trunk(admin, foreign["id"]))["port_id"] == foreign["id"]
    plain = await port(member, net)
    assert "trunk_details" not in plain
    listed = (await member.get(f"{V2}/ports?network_id={net}"))["ports"]
    assert {one["id"] for one in listed if "trunk_details" in one} == {
        made["port_id"],
        foreign["id"],
    }


# ---- floating IPs ----


async def floating(client: Client, status: int = 201, **values: Any) -> Any:
    body = {"floatingip": {"floating_network_id": (await public(client))["id"], **values}}
    answer = (await client("POST", f"{V2}/floatingips", body, status=status)).json()
    return answer["floatingip"] if status == 201 else answer["NeutronError"]


async def test_a_floating_ip_is_of_the_subnet_that_is_said(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    outside = (await public(admin))["id"]
    second = await subnet(admin, outside, "198.51.100.0/24", enable_dhcp=False)
    six = await subnet(admin, outside, "2001:db8::/64", enable_dhcp=False)
    for _ in range(2):
        one = await floating(admin, subnet_id=second["id"])
        assert one["floating_ip_address"].startswith("198.51.100.")
    assert (await floating(admin))["floating_ip_address"].startswith("172.24.4.")
    assert (await floating(admin, 404, subnet_id=six["id"]))["type"] == "SubnetNotFound"
    wish = {"subnet_id": second["id"], "floating_ip_address": "172.24.4.99"}
    assert (await floating(admin, 400, **wish))["type"] == "InvalidIpForNetwork"


async def test_whose_ports_floating_ips_lead_to(cloud: Cloud, forwarded: Lab) -> None:
    admin = await cloud.sign_in()
    client, net = forwarded.client, forwarded.network
    other = await cloud.project_with("q", "member")
    foreign = await port(admin, net, project_id=other.project_id)
    (metadata,) = (await client.get(f"{V2}/ports?device_owner=network:distributed"))["ports"]
    dhcp = await port(admin, net, project_id=client.project_id, device_owner="network:dhcp")
    for who, kept, why in (
        (client, foreign, "is owned by a different tenant"),
        (admin, metadata, "belongs to network:distributed"),
        (client, dhcp, "belongs to network:dhcp"),
    ):
        error = await floating(who, 400, port_id=kept["id"])
        assert why in error["message"]
    for who, kept, why in (
        (client, foreign, "is owned by a different tenant"),
        (admin, metadata, "belongs to network:distributed"),
    ):
        body = forwarded.body(internal_port_id=kept["id"], external_port=80, internal_port=80)
        error = await refused(who, "POST", forwarded.path, body, 400)
        assert why in error["message"]
    assert (await floating(admin, port_id=foreign["id"]))["port_id"] == foreign["id"]


async def test_an_address_has_one_floating_ip_whole_or_in_part(forwarded: Lab) -> None:
    client = forwarded.client
    address = forwarded.port["fixed_ips"][0]["ip_address"]
    one = await floating(client, port_id=forwarded.port["id"])
    again = await floating(client, 409, port_id=forwarded.port["id"])
    assert again["type"] == "FloatingIPPortAlreadyAssociated"
    error = await forwarded.no(409, external_port=80, internal_port=80)
    assert error["type"] == "PortHasBindingFloatingIP"
    await put(client, f"/floatingips/{one['id']}", {"floatingip": {"port_id": None}})
    made = await forwarded.forward(external_port=80, internal_port=80)
    assert made["internal_ip_address"] == address
    odd = {"internal_ip_address": "10.0.0.200", "external_port": 81, "internal_port": 81}
    assert "does not have fixed ip" in (await forwarded.no(400, **odd))["message"]
    chosen = await forwarded.forward(
        internal_ip_address=address, external_port=82, internal_port=82
    )
    assert chosen["internal_ip_address"] == address


async def test_a_forwarding_is_changed_in_part(forwarded: Lab) -> None:
    client = forwarded.client
    made = await forwarded.forward(external_port=80, internal_port=8080)
    other = await port(client, forwarded.network)
    path = f"{forwarded.path}/{made['id']}"

    async def change(**values: Any) -> Any:
        return (await put(client, path, {"port_forwarding": values}))["port_forwarding"]

    assert (await change(description="d"))["internal_port"] == 8080
    moved = await change(internal_port_id=other["id"])
    assert moved["internal_ip_address"] == other["fixed_ips"][0]["ip_address"]
    assert (moved["external_port"], moved["internal_port"]) == (80, 8080)
    assert (await change(external_port=81))["external_port"] == 81
    ranges = await change(external_port_range="90:92", internal_port_range="90:92")
    assert (ranges["external_port_range"], ranges["internal_port_range"]) == ("90:92", "90:92")
    assert (await change(protocol="udp"))["external_port_range"] == "90:92"
    # Meanwhile its port has a floating IP: only what leads nowhere else is changed.
    taken = await port(client, forwarded.network)
    await floating(client, port_id=taken["id"])
    body = {"port_forwarding": {"internal_port_id": taken["id"]}}
    await refused(client, "PUT", path, body, 409)
    assert (await change(description="e"))["description"] == "e"


async def test_forwardings_of_one_floating_ip_go_by_one_router(forwarded: Lab) -> None:
    client = forwarded.client
    await forwarded.forward(external_port=80, internal_port=80)
    apart = (await network(client))["id"]
    body = {"subnet_id": (await subnet(client, apart, "10.3.0.0/24"))["id"]}
    gateway = {"router": {"external_gateway_info": {"network_id": (await public(client))["id"]}}}
    second = (await client.post(f"{V2}/routers", gateway))["router"]["id"]
    await put(client, f"/routers/{second}/add_router_interface", body)
    there = await port(client, apart)
    error = await forwarded.no(
        404, internal_port_id=there["id"], external_port=81, internal_port=81
    )
    assert error["type"] == "ExternalGatewayForFloatingIPNotFound"


async def test_what_leads_to_an_address_ends_with_that_address_alone(forwarded: Lab) -> None:
    client = forwarded.client
    wishes = [{"ip_address": f"10.0.0.{number}"} for number in (20, 21, 22)]
    one = await port(client, forwarded.network, fixed_ips=wishes)
    values = {"port_id": one["id"], "fixed_ip_address": "10.0.0.20"}
    held = await floating(client, **values)
    await forwarded.forward(
        internal_port_id=one["id"], internal_ip_address="10.0.0.21",
        external_port=80, internal_port=80,
    )  # fmt: skip
    path = f"/ports/{one['id']}"
    await put(client, path, {"port": {"fixed_ips": wishes[:2]}})
    shown = (await client.get(f"{V2}/floatingips/{held['id']}"))["floatingip"]
    assert shown["fixed_ip_address"] == "10.0.0.20"
    assert len((await forwarded.shown())["port_forwardings"]) == 1
    await put(client, path, {"port": {"fixed_ips": wishes[:1]}})
    assert (await forwarded.shown())["port_forwardings"] == []
    shown = (await client.get(f"{V2}/floatingips/{held['id']}"))["floatingip"]
    assert shown["fixed_ip_address"] == "10.0.0.20"


# ---- bindings, options, the house's own network ----


async def test_a_binding_moves_and_a_port_has_so_many_at_most(cloud: Cloud) -> None:
    service = await cloud.project_with("nova", "admin", "service")
    made = (await network(service))["id"]
    values: Any = {"binding:host_id": "h1", "device_owner": "compute:nova", "device_id": "vm"}
    one = await port(service, made, **values)
    await up(cloud, one["id"])
    base = f"/ports/{one['id']}/bindings"
    for number in range(2, 9):
        await service.post(f"{V2}{base}", {"binding": {"host": f"h{number}"}})
    error = await refused(service, "POST", base, {"binding": {"host": "h9"}}, 409)
    assert "cannot have more than 8 bindings" in error["message"]
    await service("DELETE", f"{V2}{base}/h8", status=204)

    async def status() -> str:
        return str((await service.get(f"{V2}/ports/{one['id']}"))["port"]["status"])

    # One that waits may be for another host, and the active one may say more; where that moves, the guest is away.
    changes: list[tuple[str, dict[str, Any]]] = [
        ("h2", {"host": "h10"}), ("h1", {"profile": {"a": 1}}), ("h1", {"host": "h1"}),
    ]  # fmt: skip
    for host, body in changes:
        await put(service, f"{base}/{host}", {"binding": body})
        assert await status() == "ACTIVE", body
    moved = (await put(service, f"{base}/h1", {"binding": {"host": "h11"}}))["binding"]
    assert (moved["host"], moved["status"], await status()) == ("h11", "ACTIVE", "DOWN")


async def up(cloud: Cloud, port_id: str) -> None:
    async with cloud.control.database.write() as tx:
        await tx.execute(ports.update().where(ports.c.id == port_id).values(status="ACTIVE"))


async def test_options_of_a_port_grow_no_further_than_it_may_have(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    many = [{"opt_name": f"made-up-{number}", "opt_value": "x"} for number in range(64)]
    one = await port(member, (await network(member))["id"], extra_dhcp_opts=many)
    assert len(one["extra_dhcp_opts"]) == 64
    path = f"/ports/{one['id']}"
    more = [{"opt_name": "made-up-64", "opt_value": "x"}]
    body = {"port": {"extra_dhcp_opts": more}}
    await says(member, "PUT", path, body, 400, "a port has at most 64 options")
    gone = [{"opt_name": "made-up-1", "opt_value": None}, *more]
    shown = (await put(member, path, {"port": {"extra_dhcp_opts": gone}}))["port"]
    assert len(shown["extra_dhcp_opts"]) == 64


OUTSIDE = [
    ("198.51.100.0/24", "198.51.100.1", [("198.51.100.10", "198.51.100.254")]),
    ("198.51.100.0/26", "198.51.100.1", [("198.51.100.10", "198.51.100.62")]),
    ("198.51.100.0/28", "198.51.100.1", [("198.51.100.2", "198.51.100.14")]),
    (
        "198.51.100.0/28",
        "198.51.100.2",
        [("198.51.100.1", "198.51.100.1"), ("198.51.100.3", "198.51.100.14")],
    ),
]


async def test_the_outside_network_keeps_the_operators_addresses(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    there = (await public(admin))["id"]
    for cidr, gateway, pools in OUTSIDE:
        (sub_,) = (await admin.get(f"{V2}/subnets?network_id={there}"))["subnets"]
        await admin("DELETE", f"{V2}/subnets/{sub_['id']}", status=204)
        for _ in range(2):  # once is enough
            async with cloud.control.database.write() as tx:
                made = await networks.ensure_public(
                    tx, cloud.network, cidr=cidr, gateway=gateway, project_id=admin.project_id
                )
            assert made == there
        (found,) = (await admin.get(f"{V2}/subnets?network_id={made}"))["subnets"]
        assert (found["cidr"], found["gateway_ip"]) == (cidr, gateway)
        assert [(one["start"], one["end"]) for one in found["allocation_pools"]] == pools


async def test_a_full_outside_network_has_no_floating_ip_left(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    vlan = {
        "router:external": True, "provider:network_type": "vlan",
        "provider:physical_network": "public", "provider:segmentation_id": 9,
    }  # fmt: skip
    made = (await network(admin, **vlan))["id"]
    await subnet(admin, made, "198.51.100.0/30", enable_dhcp=False)
    body = {"floatingip": {"floating_network_id": made}}
    await admin.post(f"{V2}/floatingips", body)
    await says(admin, "POST", "/floatingips", body, 409, "IpAddressGenerationFailure")


async def test_new_groups_begin_with_so_many_rules_at_most(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    path = "/default-security-group-rules"
    there = (await admin.get(f"{V2}{path}"))["default_security_group_rules"]
    for number in range(50):
        rule = {
            "direction": "ingress", "protocol": "tcp", "port_range_min": number + 1,
            "port_range_max": number + 1,
        }  # fmt: skip
        body = {"default_security_group_rule": rule}
        if number < 50 - len(there):
            await admin.post(f"{V2}{path}", body)
        else:
            await says(admin, "POST", path, body, 400, "at most 50 default security group rules")
            break


async def test_what_is_shared_is_shared_once(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    made = (await network(admin))["id"]
    for shared in (True, True, False, False):
        shown = (await put(admin, f"/networks/{made}", {"network": {"shared": shared}}))["network"]
        assert shown["shared"] is shared
    policy = {"object_type": "network", "object_id": made, "action": "access_as_shared"}
    body = {"rbac_policy": {**policy, "target_tenant": "one"}}
    opened = (await admin.post(f"{V2}/rbac-policies", body))["rbac_policy"]
    before = (await admin.get(f"{V2}/networks/{made}"))["network"]["revision_number"]
    path = f"/rbac-policies/{opened['id']}"
    for target, more in (("one", 0), ("two", 1)):
        shown = (await put(admin, path, {"rbac_policy": {"target_tenant": target}}))["rbac_policy"]
        assert shown["target_tenant"] == target
        after = (await admin.get(f"{V2}/networks/{made}"))["network"]["revision_number"]
        assert after == before + more
