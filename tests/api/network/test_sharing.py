"""Conversations about what one project opens to another: RBAC policies."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.network.test_networks import V2, network, port, refused, subnet
from tests.cloud import Client, Cloud


async def policy(client: Client, object_id: str, target: str, **values: Any) -> dict[str, Any]:
    body = {
        "object_type": "network",
        "object_id": object_id,
        "action": "access_as_shared",
        "target_tenant": target,
        **values,
    }
    return dict((await client.post(f"{V2}/rbac-policies", {"rbac_policy": body}))["rbac_policy"])


async def test_a_network_is_opened_to_one_project_and_to_no_other(cloud: Cloud) -> None:
    owner = await cloud.project_with("owner", "member")
    friend = await cloud.project_with("friend", "member")
    stranger = await cloud.project_with("stranger", "member")
    made = await network(owner)
    await subnet(owner, made["id"])
    await friend.get(f"{V2}/networks/{made['id']}", 404)
    made = (await owner.get(f"{V2}/networks/{made['id']}"))["network"]
    opened = await policy(owner, made["id"], friend.project_id)
    seen = (await friend.get(f"{V2}/networks/{made['id']}"))["network"]
    assert (seen["shared"], seen["revision_number"]) == (True, made["revision_number"] + 1)
    assert (await owner.get(f"{V2}/networks/{made['id']}"))["network"]["shared"] is False
    assert len((await friend.get(f"{V2}/subnets?network_id={made['id']}"))["subnets"]) == 1
    shared = (await friend.get(f"{V2}/networks?shared=true"))["networks"]
    assert [one["id"] for one in shared] == [made["id"]]
    await stranger.get(f"{V2}/networks/{made['id']}", 404)
    one = await port(friend, made["id"])
    error = await refused(owner, "DELETE", f"/rbac-policies/{opened['id']}", None, 409)
    assert error["type"] == "RbacPolicyInUse"
    wider = {"rbac_policy": {"target_tenant": "*"}}
    error = await refused(owner, "PUT", f"/rbac-policies/{opened['id']}", wider, 403)
    assert "update_rbac_policy:target_tenant" in error["message"]
    other = {"rbac_policy": {"target_tenant": stranger.project_id}}
    await refused(owner, "PUT", f"/rbac-policies/{opened['id']}", other, 409)
    await friend("DELETE", f"{V2}/ports/{one['id']}", status=204)
    await owner("PUT", f"{V2}/rbac-policies/{opened['id']}", other, status=200)
    await friend.get(f"{V2}/networks/{made['id']}", 404)
    await stranger.get(f"{V2}/networks/{made['id']}")
    await owner("DELETE", f"{V2}/networks/{made['id']}", status=204)
    assert (await owner.get(f"{V2}/rbac-policies"))["rbac_policies"] == []


async def test_shared_is_a_policy_for_all(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    member = await cloud.project_with("p", "member")
    made = await network(admin, shared=True)
    (found,) = (await admin.get(f"{V2}/rbac-policies?object_id={made['id']}"))["rbac_policies"]
    assert (found["target_tenant"], found["action"]) == ("*", "access_as_shared")
    assert (await member.get(f"{V2}/networks/{made['id']}"))["network"]["shared"] is True
    await subnet(admin, made["id"])
    one = await port(member, made["id"])
    off = {"network": {"shared": False}}
    error = await refused(admin, "PUT", f"/networks/{made['id']}", off, 409)
    assert error["type"] == "InvalidSharedSetting"
    await policy(admin, made["id"], member.project_id)
    await admin("PUT", f"{V2}/networks/{made['id']}", off, status=200)
    assert (await member.get(f"{V2}/networks/{made['id']}"))["network"]["shared"] is True
    assert one["network_id"] == made["id"]


async def test_what_is_not_ones_own_is_not_opened(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    member = await cloud.project_with("p", "member")
    made = await network(admin, shared=True)
    hidden = await network(admin)
    mine = await network(member)
    body = {"object_type": "network", "action": "access_as_shared", "target_tenant": "x"}

    async def tried(status: int = 400, **values: Any) -> str:
        sent = {"rbac_policy": {**body, **values}}
        return str((await refused(member, "POST", "/rbac-policies", sent, status))["message"])

    assert "they do not own" in await tried(object_id=made["id"])
    assert "could not be found" in await tried(object_id=hidden["id"])
    as_external = {"object_id": mine["id"], "action": "access_as_external"}
    assert "create_rbac_policy:target_tenant" in await tried(403, **as_external, target_tenant="*")
    assert "Invalid action 'x'" in await tried(object_id=mine["id"], action="x")
    assert "is not in" in await tried(object_id=mine["id"], object_type="planet")
    assert "exceeds maximum length" in await tried(object_id=mine["id"], target_tenant="1234" * 100)
    assert "create_rbac_policy:target_tenant" in await tried(
        403, object_id=mine["id"], target_tenant="*"
    )
    await policy(member, mine["id"], "x")
    assert "already exists" in await tried(409, object_id=mine["id"])
    await admin("PUT", f"{V2}/quotas/{member.project_id}", {"quota": {"rbac_policy": 1}})
    assert "Quota exceeded" in await tried(409, object_id=mine["id"], target_tenant="y")


async def test_an_external_network_for_one_project(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    friend = await cloud.project_with("friend", "member")
    stranger = await cloud.project_with("stranger", "member")
    made = await network(admin)
    await subnet(admin, made["id"], "203.0.113.0/24")
    opened = await policy(admin, made["id"], friend.project_id, action="access_as_external")
    seen = (await friend.get(f"{V2}/networks/{made['id']}"))["network"]
    assert (seen["router:external"], seen["shared"]) == (True, False)
    await stranger.get(f"{V2}/networks/{made['id']}", 404)
    gateway = {"router": {"external_gateway_info": {"network_id": made["id"]}}}
    router = (await friend.post(f"{V2}/routers", gateway))["router"]
    await stranger.post(f"{V2}/routers", gateway, 404)
    error = await refused(admin, "DELETE", f"/rbac-policies/{opened['id']}", None, 409)
    assert error["type"] == "RbacPolicyInUse"
    await friend("DELETE", f"{V2}/routers/{router['id']}", status=204)
    await admin("DELETE", f"{V2}/rbac-policies/{opened['id']}", status=204)


async def test_a_network_leads_outside_as_long_as_somebody_sees_it_so(cloud: Cloud) -> None:
    owner = await cloud.project_with("owner", "member")
    friend = await cloud.project_with("friend", "member")
    made = await network(owner)
    await subnet(owner, made["id"], "203.0.113.0/24")

    async def external() -> bool:
        found = (await owner.get(f"{V2}/networks/{made['id']}"))["network"]
        return bool(found["router:external"])

    first = await policy(owner, made["id"], friend.project_id, action="access_as_external")
    second = await policy(owner, made["id"], "x", action="access_as_external")
    await owner("DELETE", f"{V2}/rbac-policies/{first['id']}", status=204)
    assert await external()
    gateway = {"router": {"external_gateway_info": {"network_id": made["id"]}}}
    await friend.post(f"{V2}/routers", gateway, 404)
    router = (await owner.post(f"{V2}/routers", gateway))["router"]
    error = await refused(owner, "DELETE", f"/rbac-policies/{second['id']}", None, 409)
    assert error["type"] == "RbacPolicyInUse"
    assert await external()
    await owner("DELETE", f"{V2}/routers/{router['id']}", status=204)
    await owner("DELETE", f"{V2}/rbac-policies/{second['id']}", status=204)
    assert not await external()
    await owner.post(f"{V2}/routers", gateway, 400)


async def test_a_policy_for_all_becomes_that_of_the_only_user(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    friend = await cloud.project_with("friend", "member")
    made = await network(admin, **{"router:external": True})
    gateway = {"router": {"external_gateway_info": {"network_id": made["id"]}}}
    await friend.post(f"{V2}/routers", gateway)
    path = f"/rbac-policies?object_id={made['id']}&action=access_as_external"
    (opened,) = (await admin.get(f"{V2}{path}"))["rbac_policies"]
    elsewhere = {"rbac_policy": {"target_tenant": "x"}}
    await refused(admin, "PUT", f"/rbac-policies/{opened['id']}", elsewhere, 409)
    theirs = {"rbac_policy": {"target_tenant": friend.project_id}}
    await admin("PUT", f"{V2}/rbac-policies/{opened['id']}", theirs, status=200)
    assert (await friend.get(f"{V2}/networks/{made['id']}"))["network"]["router:external"]
    for_all = {"rbac_policy": {"target_tenant": "*"}}
    await admin("PUT", f"{V2}/rbac-policies/{opened['id']}", for_all, status=200)


async def test_a_policy_of_a_used_object_is_widened_and_does_not_move(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    friend = await cloud.project_with("friend", "member")
    made = await network(admin)
    opened = await policy(admin, made["id"], "*")
    await port(friend, made["id"])
    path = f"/rbac-policies/{opened['id']}"
    theirs = {"rbac_policy": {"target_tenant": friend.project_id}}
    await refused(admin, "PUT", path, theirs, 409)
    await policy(admin, made["id"], friend.project_id)
    await admin("DELETE", f"{V2}{path}", status=204)
    (left,) = (await admin.get(f"{V2}/rbac-policies?object_id={made['id']}"))["rbac_policies"]
    for_all = {"rbac_policy": {"target_tenant": "*"}}
    await admin("PUT", f"{V2}/rbac-policies/{left['id']}", for_all, status=200)


async def test_all_see_the_default_external_network(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    (made,) = (await admin.get(f"{V2}/networks?is_default=true"))["networks"]
    path = f"{V2}/rbac-policies?object_id={made['id']}&target_tenant=*"
    (opened,) = (await admin.get(path))["rbac_policies"]
    mine = {"rbac_policy": {"target_tenant": admin.project_id}}
    for method, body in (("DELETE", None), ("PUT", mine)):
        error = await refused(admin, method, f"/rbac-policies/{opened['id']}", body, 409)
        assert "must be shared to everyone" in error["message"]
    one_of_many = {"network": {"is_default": False}}
    await admin("PUT", f"{V2}/networks/{made['id']}", one_of_many, status=200)
    await admin("DELETE", f"{V2}/rbac-policies/{opened['id']}", status=204)
    found = (await admin.get(f"{V2}/networks/{made['id']}"))["network"]
    assert (found["router:external"], found["is_default"]) == (False, False)


async def test_a_list_of_qos_policies_begins_anew_behind_what_is_out_of_reach(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    member = await cloud.project_with("p", "member")
    hidden, seen = [
        (await admin.post(f"{V2}/qos/policies", {"policy": {"name": "q", "shared": shared}}))[
            "policy"
        ]
        for shared in (False, True)
    ]
    path = f"{V2}/qos/policies?limit=1&sort_key=name&marker={hidden['id']}"
    assert [one["id"] for one in (await member.get(path))["policies"]] == [seen["id"]]
    none = await member.get(f"{path}&name=none")
    assert none["policies"] == []
    assert [one["rel"] for one in none["policies_links"]] == ["previous"]
    await member.get(f"{V2}/networks?limit=1&marker={hidden['id']}", 400)


async def test_a_security_group_of_another_project_on_a_port(cloud: Cloud) -> None:
    owner = await cloud.project_with("owner", "member")
    friend = await cloud.project_with("friend", "member")
    group = (await owner.post(f"{V2}/security-groups", {"security_group": {"name": "web"}}))[
        "security_group"
    ]
    made = await network(friend)
    await port(friend, made["id"], 404, security_groups=[group["id"]])
    opened = await policy(owner, group["id"], friend.project_id, object_type="security_group")
    seen = (await friend.get(f"{V2}/security-groups/{group['id']}"))["security_group"]
    assert seen["shared"] is True
    one = await port(friend, made["id"], security_groups=[group["id"]])
    assert one["security_groups"] == [group["id"]]
    rule = {"security_group_rule": {"security_group_id": group["id"], "direction": "ingress"}}
    await refused(friend, "POST", "/security-group-rules", rule, 403)
    await refused(friend, "DELETE", f"/security-groups/{group['id']}", None, 403)
    error = await refused(owner, "DELETE", f"/rbac-policies/{opened['id']}", None, 409)
    assert error["type"] == "RbacPolicyInUse"
    listed = (await friend.get(f"{V2}/security-groups?shared=true&fields=id"))["security_groups"]
    assert listed == [{"id": group["id"]}]


@pytest.mark.parametrize(
    ("kind", "plural", "body", "changed"),
    [
        ("address_scope", "address-scopes", {"name": "s", "ip_version": 4}, 403),
        ("subnetpool", "subnetpools", {"name": "p", "prefixes": ["10.0.0.0/8"]}, 403),
        ("address_group", "address-groups", {"name": "g", "addresses": ["10.0.0.0/8"]}, 404),
    ],
)
async def test_others_see_what_is_opened_and_do_not_change_it(
    cloud: Cloud, kind: str, plural: str, body: dict[str, Any], changed: int
) -> None:
    owner = await cloud.project_with("owner", "member")
    friend = await cloud.project_with("friend", "member")
    made = (await owner.post(f"{V2}/{plural}", {kind: body}))[kind]
    await friend.get(f"{V2}/{plural}/{made['id']}", 404)
    await policy(owner, made["id"], friend.project_id, object_type=kind)
    assert (await friend.get(f"{V2}/{plural}/{made['id']}"))[kind]["shared"] is True
    assert (await owner.get(f"{V2}/{plural}/{made['id']}"))[kind]["shared"] is False
    await refused(friend, "PUT", f"/{plural}/{made['id']}", {kind: {"name": "x"}}, changed)
    await refused(friend, "DELETE", f"/{plural}/{made['id']}", None, 403)
    await owner("DELETE", f"{V2}/{plural}/{made['id']}", status=204)
    assert (await owner.get(f"{V2}/rbac-policies"))["rbac_policies"] == []


_KIND, _SEGMENT = "provider:network_type", "provider:segmentation_id"


async def test_a_list_shows_of_each_row_what_rules_let_its_reader_see_of_it(cloud: Cloud) -> None:
    """Also where they look at attributes that are lists, and where they say that a row is not seen at all."""
    owner = await cloud.project_with("owner", "member")
    admin = await cloud.sign_in()
    enforcer = cloud.control.app.enforcer("network")
    for number in range(3):
        mine = await network(owner, name=f"mine-{number}")
        theirs = await network(admin, name=f"theirs-{number}", shared=True)
    await owner("PUT", f"{V2}/networks/{mine['id']}/tags/blue", status=201)
    await admin("PUT", f"{V2}/networks/{theirs['id']}/tags/blue", status=201)

    async def shown() -> dict[str, set[str]]:
        found = (await owner.get(f"{V2}/networks"))["networks"]
        return {one["name"]: {_KIND, _SEGMENT} & set(one) for one in found}

    mine_and_theirs = {f"{whose}-{n}" for whose in ("mine", "theirs") for n in range(3)}
    assert {name for name in await shown() if name != "public"} == mine_and_theirs
    try:
        enforcer.override(
            {
                f"get_network:{_KIND}": "project_id:%(project_id)s",
                f"get_network:{_SEGMENT}": "'[]':%(tags)s",
                "get_network": "rule:context_is_admin or rule:shared or project_id:%(project_id)s",
            }
        )
        assert await shown() == {
            "mine-0": {_KIND, _SEGMENT},
            "mine-1": {_KIND, _SEGMENT},
            "mine-2": {_KIND},
            "theirs-0": {_SEGMENT},
            "theirs-1": {_SEGMENT},
            "theirs-2": set(),
        }
        enforcer.override({"get_network": "rule:shared"})
        assert set(await shown()) == {"theirs-0", "theirs-1", "theirs-2"}
    finally:
        enforcer.override({})
