"""Conversations about stateless security groups, and what new groups begin with."""

from __future__ import annotations

from typing import Any

from hanok.drivers.ovn.rows import PortGroup
from hanok.services.network.logic import group_defaults, specs
from tests.api.network.test_networks import V2, network, port, refused
from tests.cloud import Client, Cloud

TEMPLATES = "/default-security-group-rules"
STATEFULNESS = "/security-groups-default-statefulness"


async def group(client: Client, **values: Any) -> dict[str, Any]:
    body = {"security_group": {"name": "g", **values}}
    return dict((await client.post(f"{V2}/security-groups", body))["security_group"])


async def default_of(client: Client) -> dict[str, Any]:
    path = f"{V2}/security-groups?name=default&project_id={client.project_id}"
    return dict((await client.get(path))["security_groups"][0])


async def actions(cloud: Cloud, group_id: str) -> set[str]:
    scope = f"security_group:{group_id}"
    async with cloud.control.database.read() as tx:
        rows = (await specs.rows_of(tx, cloud.network, [scope]))[scope]
    assert isinstance(rows, list) and isinstance(rows[0], PortGroup)
    return {acl.action for acl in rows[0].acls}


async def test_a_group_may_be_stateless_until_ports_are_in_it(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    assert (await group(member))["stateful"] is True
    made = await group(member, stateful=False)
    assert made["stateful"] is False
    assert await actions(cloud, made["id"]) == {"allow-stateless"}
    found = (await member.get(f"{V2}/security-groups?stateful=false"))["security_groups"]
    assert [one["id"] for one in found] == [made["id"]]
    path = f"{V2}/security-groups/{made['id']}"
    turned = {"security_group": {"stateful": True}}
    await member("PUT", path, turned, status=200)
    assert await actions(cloud, made["id"]) == {"allow-related"}
    lab = await network(member)
    await port(member, lab["id"], security_groups=[made["id"]])
    back = {"security_group": {"stateful": False}}
    error = await refused(member, "PUT", f"/security-groups/{made['id']}", back, 409)
    assert error["type"] == "SecurityGroupInUse"
    await member("PUT", path, turned, status=200)
    plain = await group(member, stateful=False)
    body = {"port": {"network_id": lab["id"], "security_groups": [made["id"], plain["id"]]}}
    error = await refused(member, "POST", "/ports", body, 409)
    assert error["type"] == "SecurityGroupConflict"


async def test_projects_say_whether_their_new_groups_are_stateful(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    manager = await cloud.project_with("p", "manager", "member")
    member = await cloud.project_with("q", "member")
    name = "security_groups_default_statefulness"
    for_all = {name: {"project_id": None, "stateful": False}}
    await refused(manager, "POST", STATEFULNESS, for_all, 403)
    whole = (await admin.post(f"{V2}{STATEFULNESS}", for_all))[name]
    assert (whole["project_id"], whole["stateful"]) == (None, False)
    assert (await group(member))["stateful"] is False
    assert (await default_of(member))["stateful"] is False
    mine = (await manager.post(f"{V2}{STATEFULNESS}", {name: {"stateful": True}}))[name]
    assert mine["project_id"] == manager.project_id
    assert (await group(manager))["stateful"] is True
    error = await refused(manager, "POST", STATEFULNESS, {name: {"stateful": False}}, 409)
    assert error["type"] == "SecurityGroupDefaultStatefulnessAlreadyExists"
    path = f"{V2}{STATEFULNESS}/{mine['id']}"
    await manager("PUT", path, {name: {"stateful": False}}, status=200)
    assert (await group(manager))["stateful"] is False
    assert (await group(manager, stateful=True))["stateful"] is True
    await member.get(path, 404)
    await refused(member, "POST", STATEFULNESS, {name: {"stateful": False}}, 403)
    await manager("DELETE", path, status=204)
    await admin("DELETE", f"{V2}{STATEFULNESS}/{whole['id']}", status=204)
    assert (await group(member))["stateful"] is True


async def test_operators_choose_the_rules_that_groups_begin_with(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    member = await cloud.project_with("p", "member")
    before = await default_of(member)
    found = (await member.get(f"{V2}{TEMPLATES}"))["default_security_group_rules"]
    assert sorted(
        (one["direction"], one["ethertype"], one["remote_group_id"]) for one in found
    ) == [
        ("egress", "IPv4", None),
        ("egress", "IPv6", None),
        ("ingress", "IPv4", "PARENT"),
        ("ingress", "IPv6", "PARENT"),
    ]
    rule = {"direction": "ingress", "protocol": "tcp", "port_range_min": 22, "port_range_max": 22}
    body = {"default_security_group_rule": {**rule, "used_in_default_sg": True}}
    await refused(member, "POST", TEMPLATES, body, 403)
    made = (await admin.post(f"{V2}{TEMPLATES}", body))["default_security_group_rule"]
    assert (made["used_in_default_sg"], made["used_in_non_default_sg"]) == (True, True)
    error = await refused(admin, "POST", TEMPLATES, body, 409)
    assert error["type"] == "DefaultSecurityGroupRuleExists"
    for odd in (
        {"remote_group_id": "x"},
        {"port_range_min": 99},
        {"direction": "up"},
    ):
        body = {"default_security_group_rule": {**rule, **odd}}
        await refused(admin, "POST", TEMPLATES, body, 400)
    overlapping = {"default_security_group_rule": {**rule, "used_in_default_sg": False}}
    await refused(admin, "POST", TEMPLATES, overlapping, 409)
    apart = {**rule, "port_range_max": 23}
    uses = ("used_in_default_sg", "used_in_non_default_sg")
    for one in uses:
        only_there = {**apart, **{use: use == one for use in uses}}
        body = {"default_security_group_rule": only_there}
        kept = (await admin.post(f"{V2}{TEMPLATES}", body))["default_security_group_rule"]
        await admin("DELETE", f"{V2}{TEMPLATES}/{kept['id']}", status=204)
    for one in found:
        await admin("DELETE", f"{V2}{TEMPLATES}/{one['id']}", status=204)
    fresh = await group(member)
    (only,) = fresh["security_group_rules"]
    assert (only["direction"], only["port_range_min"]) == ("ingress", 22)
    # A default group that somebody has looked at, and nobody needed, begins as groups do when it is needed.
    stranger = await cloud.project_with("stranger", "member")
    assert len((await default_of(stranger))["security_group_rules"]) == 1
    assert before["id"] == (await default_of(member))["id"]
    await admin("DELETE", f"{V2}{TEMPLATES}/{made['id']}", status=204)
    assert (await group(member))["security_group_rules"] == []
    assert (await member.get(f"{V2}{TEMPLATES}"))["default_security_group_rules"] == []


async def test_a_rule_that_no_group_begins_with_is_kept_until_it_is_requested(cloud: Cloud) -> None:
    """As upstream, and as openstacksdk's tests have it, which draw both uses by lot."""
    admin = await cloud.sign_in()
    unused = {"used_in_default_sg": False, "used_in_non_default_sg": False}
    rule = {"direction": "ingress", "protocol": "tcp", **unused}
    body = {"default_security_group_rule": rule}
    made = (await admin.post(f"{V2}{TEMPLATES}", body))["default_security_group_rule"]
    assert (made["used_in_default_sg"], made["used_in_non_default_sg"]) == (False, False)
    error = await refused(admin, "POST", TEMPLATES, body, 409)
    assert error["type"] == "DefaultSecurityGroupRuleExists"
    fresh = await group(admin)
    assert all(one["protocol"] is None for one in fresh["security_group_rules"])
    await admin("DELETE", f"{V2}{TEMPLATES}/{made['id']}", status=204)


async def test_groups_begin_with_a_bounded_number_of_rules(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    there = (await admin.get(f"{V2}{TEMPLATES}"))["default_security_group_rules"]

    def rule(number: int) -> dict[str, Any]:
        values = {"direction": "ingress", "protocol": "tcp", "used_in_non_default_sg": True}
        ports = {"port_range_min": number, "port_range_max": number}
        return {"default_security_group_rule": {**values, **ports}}

    more = range(1, group_defaults.MAXIMUM_RULES - len(there) + 1)
    for number in more:
        made = await admin.post(f"{V2}{TEMPLATES}", rule(number))
    error = await refused(admin, "POST", TEMPLATES, rule(1000), 400)
    assert (
        f"at most {group_defaults.MAXIMUM_RULES} default security group rules" in error["message"]
    )
    rules = (await group(admin))["security_group_rules"]
    assert {one["port_range_min"] for one in rules} >= set(more)
    await admin(
        "DELETE", f"{V2}{TEMPLATES}/{made['default_security_group_rule']['id']}", status=204
    )
    await admin.post(f"{V2}{TEMPLATES}", rule(1000))


async def test_a_rule_of_a_default_group_that_is_not_written_yet_is_deleted(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    default = await default_of(member)
    (inside, *_) = [one for one in default["security_group_rules"] if one["remote_group_id"]]
    assert inside["remote_group_id"] == default["id"]
    await member("DELETE", f"{V2}/security-group-rules/{inside['id']}", status=204)
    left = (await default_of(member))["security_group_rules"]
    assert inside["id"] not in [one["id"] for one in left]
    assert len(left) == len(default["security_group_rules"]) - 1
