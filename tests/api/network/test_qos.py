"""Conversations about QoS policies, and who goes by them."""

from __future__ import annotations

from typing import Any

from hanok.base.ids import new_uuid
from hanok.drivers.ovn.rows import QoS
from hanok.services.network import facade as networks
from hanok.services.network.logic import specs
from tests.api.network.test_networks import V2, network, port, refused, subnet
from tests.cloud import Client, Cloud

POLICIES = "/qos/policies"


async def policy(client: Client, **values: Any) -> dict[str, Any]:
    body = {"policy": {"name": "p", **values}}
    return dict((await client.post(f"{V2}{POLICIES}", body))["policy"])


async def limit(client: Client, policy_id: str, **values: Any) -> dict[str, Any]:
    body = {"bandwidth_limit_rule": {"max_kbps": 1000, **values}}
    path = f"{V2}{POLICIES}/{policy_id}/bandwidth_limit_rules"
    return dict((await client.post(path, body))["bandwidth_limit_rule"])


async def mark(client: Client, policy_id: str, dscp: int) -> dict[str, Any]:
    path = f"{V2}{POLICIES}/{policy_id}/dscp_marking_rules"
    body = {"dscp_marking_rule": {"dscp_mark": dscp}}
    return dict((await client.post(path, body))["dscp_marking_rule"])


async def planned(cloud: Cloud, *scopes: str) -> list[QoS]:
    async with cloud.control.database.read() as tx:
        found = await specs.rows_of(tx, cloud.network, scopes)
    rows = [row for one in found.values() if isinstance(one, list) for row in one]
    return [row for row in rows if isinstance(row, QoS)]


async def test_a_policy_with_its_rules(cloud: Cloud) -> None:
    manager = await cloud.project_with("p", "manager", "member")
    made = await policy(manager, description="d", tags=["t"])
    assert (made["rules"], made["shared"], made["is_default"]) == ([], False, False)
    one = await limit(manager, made["id"], max_burst_kbps=100)
    assert (one["direction"], one["max_kbps"], one["max_burst_kbps"]) == ("egress", 1000, 100)
    await limit(manager, made["id"], direction="ingress", max_kbps=2000)
    marked = await mark(manager, made["id"], 26)
    shown = (await manager.get(f"{V2}{POLICIES}/{made['id']}"))["policy"]
    assert sorted(rule["type"] for rule in shown["rules"]) == [
        "bandwidth_limit",
        "bandwidth_limit",
        "dscp_marking",
    ]
    assert shown["revision_number"] > made["revision_number"]
    path = f"{V2}{POLICIES}/{made['id']}/bandwidth_limit_rules"
    found = (await manager.get(f"{path}?direction=ingress"))["bandwidth_limit_rules"]
    assert [rule["max_kbps"] for rule in found] == [2000]
    error = await refused(
        manager,
        "POST",
        f"{POLICIES}/{made['id']}/bandwidth_limit_rules",
        {"bandwidth_limit_rule": {"max_kbps": 5}},
        409,
    )
    assert error["type"] == "QoSRulesConflict"
    turned = {"bandwidth_limit_rule": {"direction": "ingress"}}
    error = await refused(
        manager, "PUT", f"{POLICIES}/{made['id']}/bandwidth_limit_rules/{one['id']}", turned, 409
    )
    assert error["type"] == "QoSRulesConflict"
    alias = f"{V2}/qos/alias_dscp_marking_rules/{marked['id']}"
    sent = {"alias_dscp_marking_rule": {"dscp_mark": "10"}}
    changed = (await manager("PUT", alias, sent, status=200)).json()
    assert changed["alias_dscp_marking_rule"]["dscp_mark"] == 10
    assert (await manager.get(alias))["alias_dscp_marking_rule"]["id"] == marked["id"]
    await manager("DELETE", alias, status=204)
    await manager.get(alias, 404)
    await manager.get(f"{V2}/qos/alias_bandwidth_limit_rules/{marked['id']}", 404)
    await manager("DELETE", f"{V2}{POLICIES}/{made['id']}", status=204)
    await manager.get(f"{path}", 404)


ODD_RULES: list[tuple[str, dict[str, Any], str]] = [
    ("bandwidth_limit_rule", {}, "max_kbps"),
    ("bandwidth_limit_rule", {"max_kbps": 0}, "too small"),
    ("bandwidth_limit_rule", {"max_kbps": 2**31}, "too large"),
    ("bandwidth_limit_rule", {"max_kbps": 1, "direction": "up"}, "is not in"),
    ("bandwidth_limit_rule", {"max_kbps": 1, "max_burst_kbps": -1}, "too small"),
    ("dscp_marking_rule", {"dscp_mark": 7}, "is not in"),
    ("dscp_marking_rule", {"dscp_mark": "x"}, "is not an integer"),
    ("dscp_marking_rule", {"dscp_mark": 8, "direction": "egress"}, "Unrecognized"),
]


async def test_odd_rules_are_refused(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    path = f"{POLICIES}/{(await policy(admin))['id']}"
    for rule, values, why in ODD_RULES:
        error = await refused(admin, "POST", f"{path}/{rule}s", {rule: values}, 400)
        assert why in error["message"]


async def test_members_look_and_managers_change(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    manager = await cloud.project_with("p", "manager", "member")
    member = await cloud.project_with("q", "member")
    await refused(member, "POST", POLICIES, {"policy": {"name": "x"}}, 403)
    hidden = await policy(manager)
    await member.get(f"{V2}{POLICIES}/{hidden['id']}", 404)
    # Who adds to no policy is told so, whatever there is; who does is not told what there is of others.
    other = await cloud.project_with("r", "manager", "member")
    for policy_id in (hidden["id"], new_uuid()):
        path = f"{POLICIES}/{policy_id}/bandwidth_limit_rules"
        body: dict[str, Any] = {"bandwidth_limit_rule": {"max_kbps": 1000}}
        await refused(member, "POST", path, body, 403)
        error = await refused(other, "POST", path, body, 404)
        assert error["type"] == "QosPolicyNotFound"
    body = {"policy": {"name": "x", "shared": True}}
    error = await refused(manager, "POST", POLICIES, body, 403)
    assert "restrict_wildcard" in error["message"]
    made = await policy(admin, shared=True)
    rule = await limit(admin, made["id"])
    assert (await member.get(f"{V2}{POLICIES}/{made['id']}"))["policy"]["shared"] is True
    # The rules of a shared policy are shown with it; by themselves they are its owner's.
    await member.get(f"{V2}{POLICIES}/{made['id']}/bandwidth_limit_rules/{rule['id']}", 404)
    lab = await network(member, qos_policy_id=made["id"])
    assert lab["qos_policy_id"] == made["id"]
    off = {"policy": {"shared": False}}
    error = await refused(admin, "PUT", f"{POLICIES}/{made['id']}", off, 409)
    assert error["type"] == "QosPolicyInUse"
    body = {"network": {"qos_policy_id": hidden["id"]}}
    error = await refused(member, "PUT", f"/networks/{lab['id']}", body, 404)
    assert error["type"] == "QosPolicyNotFound"


async def test_a_policy_that_its_owner_goes_by_stays_shared_with_all(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    made = await policy(admin, shared=True)
    lab = await network(admin, qos_policy_id=made["id"])
    path, off = f"{POLICIES}/{made['id']}", {"policy": {"shared": False}}
    error = await refused(admin, "PUT", path, off, 409)
    assert error["type"] == "QosPolicyInUse"
    (opened,) = (await admin.get(f"{V2}/rbac-policies?object_id={made['id']}"))["rbac_policies"]
    await refused(admin, "DELETE", f"/rbac-policies/{opened['id']}", None, 409)
    await admin("DELETE", f"{V2}/networks/{lab['id']}", status=204)
    closed = await admin("PUT", f"{V2}{path}", off, status=200)
    assert closed.json()["policy"]["shared"] is False


async def test_ports_go_by_their_own_policy_or_their_networks(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    slow, marking = await policy(admin), await policy(admin)
    rule = await limit(admin, slow["id"], max_kbps=3000, max_burst_kbps=300)
    await limit(admin, slow["id"], direction="ingress")
    await mark(admin, marking["id"], 46)
    lab = await network(admin, qos_policy_id=slow["id"])
    await subnet(admin, lab["id"])
    plain = await port(admin, lab["id"])
    own = await port(admin, lab["id"], qos_policy_id=marking["id"])
    sends, is_sent = sorted(await planned(cloud, f"port:{plain['id']}"), key=lambda q: q.direction)
    assert (sends.match, sends.rate, sends.burst) == (f'inport == "{plain["id"]}"', 3000, 300)
    assert (is_sent.match, is_sent.rate) == (f'outport == "{plain["id"]}"', 1000)
    (marks,) = await planned(cloud, f"port:{own['id']}")
    assert (marks.direction, marks.dscp, marks.rate) == ("from-lport", 46, 0)
    path = f"{V2}{POLICIES}/{slow['id']}/bandwidth_limit_rules/{rule['id']}"
    await admin("PUT", path, {"bandwidth_limit_rule": {"max_kbps": 4000}}, status=200)
    await settled(cloud)
    there = await cloud.network.northbound.dump(f"port:{plain['id']}")
    assert {row.rate for row in there if isinstance(row, QoS)} == {4000, 1000}
    error = await refused(admin, "DELETE", f"{POLICIES}/{slow['id']}", None, 409)
    assert error["message"] == f"QoS Policy {slow['id']} is used by network {lab['id']}."
    none = {"network": {"qos_policy_id": None}}
    await admin("PUT", f"{V2}/networks/{lab['id']}", none, status=200)
    assert await planned(cloud, f"port:{plain['id']}") == []
    await admin("PUT", f"{V2}/ports/{own['id']}", {"port": {"qos_policy_id": None}}, status=200)
    assert await planned(cloud, f"port:{own['id']}") == []
    await admin("DELETE", f"{V2}{POLICIES}/{slow['id']}", status=204)


async def settled(cloud: Cloud) -> None:
    """What is wanted is in the engine."""
    while True:
        beat = cloud.network.rounds.next()
        async with cloud.control.database.read() as tx:
            if not await networks.differences(tx, cloud.network):
                return
        cloud.network.wake()
        await beat.wait()


async def test_floating_ips_and_gateways_go_by_policies(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    made = await policy(admin)
    await limit(admin, made["id"], max_kbps=500)
    outside = (await admin.get(f"{V2}/networks?router:external=true"))["networks"][0]["id"]
    lab = await network(admin)
    inside = await subnet(admin, lab["id"])
    gateway = {"network_id": outside, "qos_policy_id": made["id"]}
    router = (await admin.post(f"{V2}/routers", {"router": {"external_gateway_info": gateway}}))[
        "router"
    ]
    assert router["external_gateway_info"]["qos_policy_id"] == made["id"]
    path = f"{V2}/routers/{router['id']}"
    await admin("PUT", f"{path}/add_router_interface", {"subnet_id": inside["id"]}, status=200)
    one = await port(admin, lab["id"])
    sent = {"floating_network_id": outside, "port_id": one["id"], "qos_policy_id": made["id"]}
    floating = (await admin.post(f"{V2}/floatingips", {"floatingip": sent}))["floatingip"]
    (whole,) = await planned(cloud, f"router:{router['id']}")
    (single,) = await planned(cloud, f"floating_ip:{floating['id']}")
    assert (whole.switch, single.switch) == (outside, outside)
    assert single.match == f"{whole.match} && ip4.src == {floating['floating_ip_address']}"
    assert single.priority > whole.priority
    assert (whole.rate, single.rate) == (500, 500)
    off = {"floatingip": {"qos_policy_id": None, "port_id": one["id"]}}
    await admin("PUT", f"{V2}/floatingips/{floating['id']}", off, status=200)
    assert await planned(cloud, f"floating_ip:{floating['id']}") == []
    plain = {"router": {"external_gateway_info": {"network_id": outside, "qos_policy_id": None}}}
    answer = (await admin("PUT", path, plain, status=200)).json()["router"]
    assert answer["external_gateway_info"]["qos_policy_id"] is None
    assert await planned(cloud, f"router:{router['id']}") == []


async def test_new_networks_go_by_their_projects_default(cloud: Cloud) -> None:
    manager = await cloud.project_with("p", "manager", "member")
    made = await policy(manager, is_default=True)
    body = {"policy": {"name": "q", "is_default": True}}
    error = await refused(manager, "POST", POLICIES, body, 409)
    assert error["type"] == "QoSPolicyDefaultAlreadyExists"
    assert (await network(manager))["qos_policy_id"] == made["id"]
    assert (await network(manager, qos_policy_id=None))["qos_policy_id"] is None
    other = await cloud.project_with("q", "member")
    assert (await network(other))["qos_policy_id"] is None


async def test_the_types_that_act_here(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    found = (await member.get(f"{V2}/qos/rule-types"))["rule_types"]
    assert sorted(one["type"] for one in found) == [
        "bandwidth_limit",
        "dscp_marking",
        "minimum_bandwidth",
        "minimum_packet_rate",
    ]
    found = await member.get(f"{V2}/qos/rule-types?all_supported=true&type=dscp_marking")
    assert found["rule_types"] == [{"type": "dscp_marking"}]
    await refused(member, "GET", "/qos/rule-types/dscp_marking", None, 403)
    admin = await cloud.sign_in()
    shown = (await admin.get(f"{V2}/qos/rule-types/dscp_marking"))["rule_type"]
    (driver,) = shown["drivers"]
    assert 46 in driver["supported_parameters"][0]["parameter_values"]
    await refused(admin, "GET", "/qos/rule-types/packet_rate_limit", None, 404)


async def test_who_put_a_policy_there_takes_it_away(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    member = await cloud.project_with("p", "member")
    made = await policy(admin)
    lab = await network(member)
    sent = {"network": {"qos_policy_id": made["id"]}}
    await admin("PUT", f"{V2}/networks/{lab['id']}", sent, status=200)
    off = {"network": {"qos_policy_id": None}}
    error = await refused(member, "PUT", f"/networks/{lab['id']}", off, 403)
    assert error["type"] == "PolicyRemoveAuthorizationError"
    await admin("PUT", f"{V2}{POLICIES}/{made['id']}", {"policy": {"shared": True}}, status=200)
    await member("PUT", f"{V2}/networks/{lab['id']}", off, status=200)
