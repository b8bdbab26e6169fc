"""Conversations about routers, floating IPs and security groups."""

from __future__ import annotations

from typing import Any

from hanok.services.network import facade as networks
from tests.api.network.test_networks import V2, network, port, refused, subnet
from tests.cloud import Client, Cloud


async def public(client: Client) -> dict[str, Any]:
    return dict((await client.get(f"{V2}/networks?router:external=true"))["networks"][0])


async def lab(client: Client) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """A network with a subnet behind a router that leads outside."""
    made = await network(client)
    sub = await subnet(client, made["id"])
    outside = await public(client)
    body = {"router": {"name": "r", "external_gateway_info": {"network_id": outside["id"]}}}
    router = (await client.post(f"{V2}/routers", body))["router"]
    path = f"{V2}/routers/{router['id']}/add_router_interface"
    joined = (await client("PUT", path, {"subnet_id": sub["id"]}, status=200)).json()
    assert joined["subnet_ids"] == [sub["id"]]
    return made, sub, router


async def test_a_router_from_birth_to_end(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    made, sub, router = await lab(member)
    info = router["external_gateway_info"]
    assert info["enable_snat"] is True
    assert info["external_fixed_ips"][0]["ip_address"] == "172.24.4.10"
    (face,) = (await member.get(f"{V2}/ports?device_id={router['id']}"))["ports"]
    assert face["device_owner"] == "network:router_interface"
    assert face["fixed_ips"][0]["ip_address"] == "10.0.0.1"
    error = await refused(member, "DELETE", f"/ports/{face['id']}", None, 409)
    assert error["type"] == "ServicePortInUse"
    for address in ("10.0.0.200", "10.0.0.1"):  # it may move, within its subnet
        wish = {"port": {"fixed_ips": [{"subnet_id": sub["id"], "ip_address": address}]}}
        moved = await member("PUT", f"{V2}/ports/{face['id']}", wish, status=200)
        assert moved.json()["port"]["fixed_ips"] == wish["port"]["fixed_ips"]
    await refused(member, "PUT", f"/ports/{face['id']}", {"port": {"fixed_ips": []}}, 400)
    error = await refused(member, "DELETE", f"/routers/{router['id']}", None, 409)
    assert error["type"] == "RouterInUse"
    error = await refused(member, "DELETE", f"/subnets/{sub['id']}", None, 409)
    assert error["type"] == "SubnetInUse"
    base = f"/routers/{router['id']}"
    again = {"subnet_id": sub["id"]}
    assert (
        "already has"
        in (await refused(member, "PUT", f"{base}/add_router_interface", again, 400))["message"]
    )
    route = {"destination": "10.9.0.0/16", "nexthop": "10.0.0.9"}
    wrong = {"destination": "10.9.0.0/16", "nexthop": "10.7.0.9"}
    error = await refused(member, "PUT", base, {"router": {"routes": [wrong]}}, 400)
    assert error["type"] == "InvalidRoutes"
    await member("PUT", f"{V2}{base}", {"router": {"routes": [route]}}, status=200)
    error = await refused(member, "PUT", f"{base}/remove_router_interface", again, 409)
    assert error["type"] == "RouterInterfaceInUseByRoute"
    body = {"router": {"routes": [route]}}
    left = await member("PUT", f"{V2}{base}/remove_extraroutes", body, status=200)
    assert left.json()["router"]["routes"] == []
    await refused(member, "PUT", base, {"router": {"external_gateway_info": {
        "network_id": info["network_id"], "enable_snat": False}}}, 403)  # fmt: skip
    await member("PUT", f"{V2}{base}/remove_router_interface", again, status=200)
    await member("DELETE", f"{V2}{base}", status=204)
    await member("DELETE", f"{V2}/networks/{made['id']}", status=204)


async def test_all_prefixes_of_a_network_are_one_port_of_its_router(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    made, _, router = await lab(member)
    own = {"ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"}
    prefixes = [await subnet(member, made["id"], f"2001:db8:{one}::/64", **own) for one in (1, 2)]
    base = f"{V2}/routers/{router['id']}"

    async def addresses() -> list[list[str]]:
        found = (await member.get(f"{V2}/ports?device_id={router['id']}"))["ports"]
        return sorted([ip["ip_address"] for ip in one["fixed_ips"]] for one in found)

    async def change(how: str, one: dict[str, Any]) -> dict[str, Any]:
        body = {"subnet_id": one["id"]}
        answer = await member("PUT", f"{base}/{how}_router_interface", body, status=200)
        return dict(answer.json())

    joined = [await change("add", one) for one in prefixes]
    assert [one["subnet_ids"] for one in joined] == [[one["id"]] for one in prefixes]
    assert joined[0]["port_id"] == joined[1]["port_id"]
    assert await addresses() == [["10.0.0.1"], ["2001:db8:1::1", "2001:db8:2::1"]]
    assert (await change("remove", prefixes[0]))["port_id"] == joined[0]["port_id"]
    assert await addresses() == [["10.0.0.1"], ["2001:db8:2::1"]]
    await member("DELETE", f"{V2}/subnets/{prefixes[0]['id']}", status=204)
    await change("remove", prefixes[1])
    assert await addresses() == [["10.0.0.1"]]


async def test_a_floating_ip_leads_to_a_port(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    made, sub, router = await lab(member)
    outside = await public(member)
    one = await port(member, made["id"], name="web")
    body = {"floatingip": {"floating_network_id": outside["id"]}}
    fip = (await member.post(f"{V2}/floatingips", body))["floatingip"]
    assert (fip["status"], fip["port_id"], fip["port_details"]) == ("DOWN", None, None)
    path = f"{V2}/floatingips/{fip['id']}"
    found = await member("PUT", path, {"floatingip": {"port_id": one["id"]}}, status=200)
    fip = found.json()["floatingip"]
    assert (fip["status"], fip["router_id"]) == ("ACTIVE", router["id"])
    assert fip["fixed_ip_address"] == one["fixed_ips"][0]["ip_address"]
    assert fip["port_details"]["name"] == "web"
    second = {"floatingip": {"floating_network_id": outside["id"], "port_id": one["id"]}}
    error = await refused(member, "POST", "/floatingips", second, 409)
    assert error["type"] == "FloatingIPPortAlreadyAssociated"
    away = {"subnet_id": sub["id"]}
    base = f"/routers/{router['id']}"
    error = await refused(member, "PUT", f"{base}/remove_router_interface", away, 409)
    assert error["type"] == "RouterInterfaceInUseByFloatingIP"
    none = {"router": {"external_gateway_info": None}}
    error = await refused(member, "PUT", base, none, 409)
    assert error["type"] == "RouterExternalGatewayInUseByFloatingIp"
    await member("DELETE", f"{V2}/ports/{one['id']}", status=204)
    loose = (await member.get(path))["floatingip"]
    assert (loose["status"], loose["port_id"], loose["router_id"]) == ("DOWN", None, None)
    await member("DELETE", path, status=204)
    alone = await network(member)
    await subnet(member, alone["id"], "10.77.0.0/24")
    far = await port(member, alone["id"])
    body = {"floatingip": {"floating_network_id": outside["id"], "port_id": far["id"]}}
    error = await refused(member, "POST", "/floatingips", body, 404)
    assert error["type"] == "ExternalGatewayForFloatingIPNotFound"
    assert (await member.get(f"{V2}/floatingips"))["floatingips"] == []


async def test_floating_ips_lead_nowhere_side_by_side(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    made, _, _ = await lab(member)
    outside = await public(member)
    body = {"floatingip": {"floating_network_id": outside["id"]}}
    await member.post(f"{V2}/floatingips", body)
    body["floatingip"]["port_id"] = (await port(member, made["id"]))["id"]
    fip = (await member.post(f"{V2}/floatingips", body))["floatingip"]
    path = f"{V2}/floatingips/{fip['id']}"
    for _ in range(2):
        loose = await member("PUT", path, {"floatingip": {"port_id": None}}, status=200)
        fip = loose.json()["floatingip"]
        assert (fip["status"], fip["port_id"], fip["router_id"]) == ("DOWN", None, None)
        assert fip["fixed_ip_address"] is None


async def test_a_change_that_says_nothing_lets_a_floating_ip_lead_nowhere(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    made, _, _ = await lab(member)
    outside = await public(member)
    one = await port(member, made["id"])
    body = {"floatingip": {"floating_network_id": outside["id"], "port_id": one["id"]}}
    fip = (await member.post(f"{V2}/floatingips", body))["floatingip"]
    path = f"{V2}/floatingips/{fip['id']}"
    named = await member("PUT", path, {"floatingip": {"description": "d"}}, status=200)
    assert named.json()["floatingip"]["port_id"] == one["id"]
    loose = (await member("PUT", path, {"floatingip": {}}, status=200)).json()["floatingip"]
    assert (loose["port_id"], loose["status"], loose["description"]) == (None, "DOWN", "d")


async def test_loose_floating_ips_go_with_their_network(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    outside = await network(admin, **{"router:external": True})
    await subnet(admin, outside["id"], "198.51.100.0/24", enable_dhcp=False)
    body = {"floatingip": {"floating_network_id": outside["id"]}}
    loose = (await admin.post(f"{V2}/floatingips", body))["floatingip"]
    await admin("DELETE", f"{V2}/networks/{outside['id']}", status=204)
    await admin("GET", f"{V2}/floatingips/{loose['id']}", status=404)


async def test_labels_open_no_door(cloud: Cloud) -> None:
    """A network's owner may write any device_owner; it does not make the port a router's or the house's."""
    member = await cloud.project_with("p", "member")
    made, _, router = await lab(member)
    fake = await port(
        member, made["id"], device_owner="network:router_interface", device_id=router["id"]
    )
    async with cloud.control.database.read() as tx:
        assert await networks.server_at(tx, made["id"], "10.0.0.4") is None
    await member("DELETE", f"{V2}/ports/{fake['id']}", status=204)
    await member("PUT", f"{V2}/routers/{router['id']}", {"router": {"name": "x"}}, status=200)


async def test_looking_at_groups_writes_none(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    (default,) = (await member.get(f"{V2}/security-groups"))["security_groups"]
    assert (default["name"], len(default["security_group_rules"])) == ("default", 4)
    path = f"{V2}/security-groups/{default['id']}"
    assert (await member.get(path))["security_group"]["id"] == default["id"]
    assert (await member.get(f"{V2}/security-groups?name=other"))["security_groups"] == []
    assert len((await member.get(f"{V2}/security-groups?name=default"))["security_groups"]) == 1
    async with cloud.control.database.read() as tx:
        assert (
            await networks.check_security_groups(tx, cloud.network, member.project_id, [])
        ) == []
        from hanok.services.network.tables import security_groups

        assert await tx.all(security_groups.select()) == []
    made = await network(member)
    one = await port(member, made["id"])
    assert one["security_groups"] == [default["id"]]
    (after,) = (await member.get(f"{V2}/security-groups"))["security_groups"]
    ids = {rule["id"] for rule in after["security_group_rules"]}
    assert ids == {rule["id"] for rule in default["security_group_rules"]}
    error = await refused(member, "DELETE", f"/security-groups/{default['id']}", None, 409)
    assert error["type"] == "SecurityGroupCannotRemoveDefault"


def _without_times(group: dict[str, Any]) -> dict[str, Any]:
    """What has not been written yet is of the moment at which it is shown."""
    rest = {name: value for name, value in group.items() if not name.endswith("_at")}
    return rest | {"security_group_rules": list(map(_rule, group["security_group_rules"]))}


def _rule(one: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in one.items() if not name.endswith("_at")}


async def test_an_administrator_sees_the_default_group_that_a_project_will_have(
    cloud: Cloud,
) -> None:
    member, stranger = (
        await cloud.project_with("p", "member"),
        await cloud.project_with("s", "member"),
    )
    admin = await cloud.sign_in()
    path = f"{V2}/security-groups?name=default"
    (own,) = (await member.get(path))["security_groups"]
    for name in ("project_id", "tenant_id"):
        requested = f"{path}&{name}={member.project_id}"
        (seen,) = (await admin.get(requested))["security_groups"]
        assert _without_times(seen) == _without_times(own)
        assert (await stranger.get(requested))["security_groups"] == []
    await port(member, (await network(member))["id"], security_groups=[])
    await admin("DELETE", f"{V2}/security-groups/{own['id']}", status=204)


async def test_the_default_group_is_changed_before_anything_needs_it(cloud: Cloud) -> None:
    member, reader = (
        await cloud.project_with("p", "member"),
        await cloud.project_with("r", "reader"),
    )
    (default,) = (await member.get(f"{V2}/security-groups"))["security_groups"]
    first, *others = [rule["id"] for rule in default["security_group_rules"]]
    await member("DELETE", f"{V2}/security-group-rules/{first}", status=204)
    await member("DELETE", f"{V2}/security-group-rules/{first}", status=404)
    (after,) = (await member.get(f"{V2}/security-groups"))["security_groups"]
    assert after["id"] == default["id"]
    assert {rule["id"] for rule in after["security_group_rules"]} == set(others)
    (default,) = (await reader.get(f"{V2}/security-groups"))["security_groups"]
    path, body = f"{V2}/security-groups/{default['id']}", {"security_group": {"description": "x"}}
    await reader("PUT", path, body, status=403)
    third = await cloud.project_with("q", "member")
    (own,) = (await third.get(f"{V2}/security-groups"))["security_groups"]
    path = f"{V2}/security-groups/{own['id']}"
    await member("PUT", path, body, status=404)
    await third("PUT", path, body, status=200)
    assert (await third.get(path))["security_group"]["description"] == "x"


async def test_rules_mean_what_they_say(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    group = (await member.post(f"{V2}/security-groups", {"security_group": {"name": "web"}}))[
        "security_group"
    ]
    assert {rule["direction"] for rule in group["security_group_rules"]} == {"egress"}

    def rule(**values: Any) -> dict[str, Any]:
        base = {"security_group_id": group["id"], "direction": "ingress"}
        return {"security_group_rule": {**base, **values}}

    ssh = rule(protocol="tcp", port_range_min=22, port_range_max=22, remote_ip_prefix="10.0.0.5/24")
    made = (await member.post(f"{V2}/security-group-rules", ssh))["security_group_rule"]
    assert made["remote_ip_prefix"] == "10.0.0.5/24"
    assert made["normalized_cidr"] == "10.0.0.0/24"
    same = rule(protocol="6", port_range_min=22, port_range_max=22, remote_ip_prefix="10.0.0.0/24")
    error = await refused(member, "POST", "/security-group-rules", same, 409)
    assert error["type"] == "SecurityGroupRuleExists"
    assert made["id"] in error["message"]
    for values, code in (
        ({"protocol": "nothing"}, "SecurityGroupRuleInvalidProtocol"),
        ({"protocol": "300"}, "SecurityGroupRuleInvalidProtocol"),
        ({"port_range_min": 1, "port_range_max": 2}, "SecurityGroupProtocolRequiredWithPorts"),
        (
            {"protocol": "tcp", "port_range_min": 9, "port_range_max": 2},
            "SecurityGroupInvalidPortRange",
        ),
        (
            {"protocol": "gre", "port_range_min": 1, "port_range_max": 2},
            "SecurityGroupInvalidProtocolForPort",
        ),
        ({"protocol": "icmp", "port_range_max": 2}, "SecurityGroupMissingIcmpType"),
        ({"protocol": "icmp", "port_range_min": 256}, "SecurityGroupInvalidIcmpValue"),
        ({"remote_ip_prefix": "2001:db8::/64"}, "SecurityGroupRuleParameterConflict"),
        ({"protocol": "ipv6-encap"}, "SecurityGroupEthertypeConflictWithProtocol"),
        ({"protocol": "41"}, "SecurityGroupEthertypeConflictWithProtocol"),
        (
            {"remote_ip_prefix": "10.0.0.0/8", "remote_group_id": group["id"]},
            "SecurityGroupMultipleRemoteEntities",
        ),
    ):
        error = await refused(member, "POST", "/security-group-rules", rule(**values), 400)
        assert error["type"] == code, values
    stranger = rule(remote_group_id="5b1b7a4e-5e0c-4c0e-9d0b-000000000000")
    await refused(member, "POST", "/security-group-rules", stranger, 404)
    both = {
        "security_group_rules": [
            rule(protocol="udp")["security_group_rule"],
            rule(protocol="17")["security_group_rule"],
        ]
    }
    await member("POST", f"{V2}/security-group-rules", both, status=409)
    found = await member.get(f"{V2}/security-group-rules?protocol=udp")
    assert found["security_group_rules"] == []
    await member("DELETE", f"{V2}/security-group-rules/{made['id']}", status=204)
    await member("DELETE", f"{V2}/security-groups/{group['id']}", status=204)


async def test_a_group_in_use_stays(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    made = await network(member)
    groups = []
    for name in ("a", "b"):
        body = {"security_group": {"name": name}}
        answer = await member.post(f"{V2}/security-groups", body)
        groups.append(answer["security_group"]["id"])
    one = await port(member, made["id"], security_groups=groups[:1])
    error = await refused(member, "DELETE", f"/security-groups/{groups[0]}", None, 409)
    assert error["type"] == "SecurityGroupInUse"
    await member("PUT", f"{V2}/ports/{one['id']}", {"port": {"security_groups": []}}, status=200)
    named = {
        "security_group_id": groups[1],
        "direction": "ingress",
        "remote_group_id": groups[0],
    }
    await member.post(f"{V2}/security-group-rules", {"security_group_rule": named})
    await member("DELETE", f"{V2}/security-groups/{groups[0]}", status=204)
    other = (await member.get(f"{V2}/security-groups/{groups[1]}"))["security_group"]
    assert {rule["direction"] for rule in other["security_group_rules"]} == {"egress"}
    await member("DELETE", f"{V2}/security-groups/{groups[1]}", status=204)
    off = {"port": {"port_security_enabled": False}}
    await member("PUT", f"{V2}/ports/{one['id']}", off, status=200)


async def test_an_address_to_lead_to_needs_a_port(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    outside = await public(admin)
    body = {"floating_network_id": outside["id"], "fixed_ip_address": "10.0.0.5"}
    await admin("POST", f"{V2}/floatingips", {"floatingip": body}, status=400)
    assert (await admin.get(f"{V2}/floatingips"))["floatingips"] == []
