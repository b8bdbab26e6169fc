"""Conversations about address groups, and rules of security groups that name them."""

from __future__ import annotations

from typing import Any

from hanok.drivers.ovn.rows import AddressSet, PortGroup
from hanok.services.network.logic import specs
from tests.api.network.test_networks import V2, refused
from tests.cloud import Client, Cloud


async def group(client: Client, *addresses: str, **values: Any) -> dict[str, Any]:
    body = {"address_group": {"name": "g", "addresses": list(addresses), **values}}
    return dict((await client.post(f"{V2}/address-groups", body))["address_group"])


async def test_addresses_come_and_go(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    made = await group(member, "10.0.0.1/32", "10.1.0.0/16", "fd00::5/64", description="d")
    assert made["addresses"] == ["10.0.0.1/32", "10.1.0.0/16", "fd00::/64"]
    path = f"/address-groups/{made['id']}"
    added = await member(
        "PUT", f"{V2}{path}/add_addresses", {"addresses": ["10.2.0.0/16"]}, status=200
    )
    assert "10.2.0.0/16" in added.json()["address_group"]["addresses"]
    error = await refused(
        member, "PUT", f"{path}/add_addresses", {"addresses": ["10.2.0.0/16"]}, 400
    )
    assert error["type"] == "AddressesAlreadyExist"
    error = await refused(
        member, "PUT", f"{path}/remove_addresses", {"addresses": ["9.9.9.9/32"]}, 404
    )
    assert error["type"] == "AddressesNotFound"
    sent = {"addresses": ["10.2.0.0/16", "10.0.0.1/32"]}
    left = await member("PUT", f"{V2}{path}/remove_addresses", sent, status=200)
    assert left.json()["address_group"]["addresses"] == ["10.1.0.0/16", "fd00::/64"]
    odd: Any
    for odd in (
        {},
        [],
        {"addresses": ["x"]},
        {"addresses": ["10.0.0.9"]},
        {"addresses": "10.0.0.1"},
    ):
        await refused(member, "PUT", f"{path}/add_addresses", odd, 400)
    renamed = {"address_group": {"name": "new"}}
    answer = await member("PUT", f"{V2}{path}", renamed, status=200)
    assert answer.json()["address_group"]["name"] == "new"
    await member("DELETE", f"{V2}{path}", status=204)
    await member.get(f"{V2}{path}", 404)


async def test_a_rule_lets_in_what_an_address_group_names(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    made = await group(member, "10.1.0.0/16", "fd00::/64")
    body = {"security_group": {"name": "web"}}
    owner = (await member.post(f"{V2}/security-groups", body))["security_group"]
    rule = {
        "security_group_id": owner["id"],
        "direction": "ingress",
        "protocol": "tcp",
        "port_range_min": 80,
        "port_range_max": 80,
        "remote_address_group_id": made["id"],
    }
    sent = {"security_group_rule": rule}
    shown = (await member.post(f"{V2}/security-group-rules", sent))["security_group_rule"]
    assert shown["remote_address_group_id"] == made["id"]
    error = await refused(member, "POST", "/security-group-rules", sent, 409)
    assert error["type"] == "SecurityGroupRuleExists"
    two = {"security_group_rule": {**rule, "remote_ip_prefix": "10.0.0.0/8"}}
    error = await refused(member, "POST", "/security-group-rules", two, 400)
    assert error["type"] == "SecurityGroupMultipleRemoteEntities"
    error = await refused(member, "DELETE", f"/address-groups/{made['id']}", None, 409)
    assert error["type"] == "AddressGroupInUse"
    stranger = await cloud.project_with("stranger", "member")
    theirs = (await stranger.post(f"{V2}/security-groups", body))["security_group"]
    foreign = {"security_group_rule": {**rule, "security_group_id": theirs["id"]}}
    await refused(stranger, "POST", "/security-group-rules", foreign, 404)
    names = [f"address_group:{made['id']}", f"security_group:{owner['id']}"]
    async with cloud.control.database.read() as tx:
        rows = await specs.rows_of(tx, cloud.network, names)
    found = [row for one in names for row in rows[one] or ()]  # type: ignore[union-attr]
    held = {one.name: one.addresses for one in found if isinstance(one, AddressSet)}
    acls = [acl for one in found if isinstance(one, PortGroup) for acl in one.acls]
    matches = [acl.match for acl in acls if "tcp" in acl.match]
    (named,) = (one for one in held if f"${one} " in matches[0])
    assert held[named] == {"10.1.0.0/16"}
    await member("DELETE", f"{V2}/security-group-rules/{shown['id']}", status=204)
    await member("DELETE", f"{V2}/address-groups/{made['id']}", status=204)
