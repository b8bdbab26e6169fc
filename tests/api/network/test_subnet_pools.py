"""Conversations about subnet pools and address scopes."""

from __future__ import annotations

import asyncio
from typing import Any

from hanok.drivers.ovn.rows import NAT, Router
from hanok.services.network.logic import specs
from tests.api.network.test_networks import V2, network, refused, subnet
from tests.cloud import Client, Cloud


async def pool(client: Client, *prefixes: str, **values: Any) -> dict[str, Any]:
    body = {"subnetpool": {"name": "p", "prefixes": list(prefixes), **values}}
    return dict((await client.post(f"{V2}/subnetpools", body))["subnetpool"])


async def scope(client: Client, **values: Any) -> dict[str, Any]:
    body = {"address_scope": {"name": "s", "ip_version": 4, **values}}
    return dict((await client.post(f"{V2}/address-scopes", body))["address_scope"])


async def from_pool(client: Client, network_id: str, **values: Any) -> dict[str, Any]:
    body = {"subnet": {"network_id": network_id, "ip_version": 4, **values}}
    return dict((await client.post(f"{V2}/subnets", body))["subnet"])


async def not_from_pool(client: Client, network_id: str, status: int = 400, **values: Any) -> str:
    body = {"subnet": {"network_id": network_id, "ip_version": 4, **values}}
    return str((await refused(client, "POST", "/subnets", body, status))["message"])


async def test_a_pool_gives_out_subnets_and_takes_them_back(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    made = await pool(member, "10.20.0.0/17", "10.10.0.0/24", "10.20.128.0/17", tags=["t"])
    assert made["prefixes"] == ["10.10.0.0/24", "10.20.0.0/16"]
    assert (made["min_prefixlen"], made["max_prefixlen"]) == ("8", "32")
    assert (made["default_prefixlen"], made["tags"]) == ("8", ["t"])
    path = f"{V2}/subnetpools/{made['id']}"
    sent = {"subnetpool": {"default_prefixlen": 26, "description": "d"}}
    changed = (await member("PUT", path, sent, status=200)).json()["subnetpool"]
    assert (changed["default_prefixlen"], changed["revision_number"]) == ("26", 2)
    one = await network(member)
    first = await from_pool(member, one["id"], subnetpool_id=made["id"])
    second = await from_pool(member, one["id"], subnetpool_id=made["id"], prefixlen=25)
    third = await from_pool(member, one["id"], subnetpool_id=made["id"], prefixlen=24)
    chosen = await from_pool(member, one["id"], subnetpool_id=made["id"], cidr="10.20.9.0/24")
    assert [each["cidr"] for each in (first, second, third, chosen)] == [
        "10.10.0.0/26", "10.10.0.128/25", "10.20.0.0/24", "10.20.9.0/24",
    ]  # fmt: skip
    assert {each["subnetpool_id"] for each in (first, second, third, chosen)} == {made["id"]}
    assert first["gateway_ip"] == "10.10.0.1"
    listed = (await member.get(f"{V2}/subnets?subnetpool_id={made['id']}"))["subnets"]
    assert len(listed) == 4
    refusal = await refused(member, "DELETE", f"/subnetpools/{made['id']}", None, 400)
    assert refusal["type"] == "SubnetPoolDeleteError"
    await member("DELETE", f"{V2}/subnets/{first['id']}", status=204)
    again = await from_pool(member, one["id"], subnetpool_id=made["id"])
    assert again["cidr"] == "10.10.0.0/26"
    await member("DELETE", f"{V2}/networks/{one['id']}", status=204)
    await member("DELETE", path, status=204)
    await member.get(path, 404)


async def test_what_a_pool_does_not_give_is_refused_with_the_reason(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    made = await pool(member, "10.0.0.0/24", min_prefixlen=25, max_prefixlen=28)
    one = await network(member)
    mine = {"subnetpool_id": made["id"]}

    async def no(status: int = 400, **values: Any) -> str:
        return await not_from_pool(member, one["id"], status, **mine, **values)

    assert "minimum allowed prefix is 25" in await no(prefixlen=24)
    assert "maximum allowed prefix is 28" in await no(prefixlen=29)
    assert "available set of prefixes" in await no(cidr="10.0.1.0/25")
    assert "supplied together" in await no(cidr="10.0.0.0/25", prefixlen=25)
    assert "allocation_pools" in await no(
        allocation_pools=[{"start": "10.0.0.5", "end": "10.0.0.7"}]
    )
    assert "Cannot allocate IPv6" in await not_from_pool(member, one["id"], **mine, ip_version=6)
    await from_pool(member, one["id"], **mine, prefixlen=25)
    await from_pool(member, one["id"], **mine, prefixlen=25)
    assert "Insufficient prefix space" in await no(prefixlen=28)
    assert "available set" in await no(cidr="10.0.0.0/28")
    assert "absence of a cidr" in await not_from_pool(member, one["id"])
    assert "No default subnetpool" in await not_from_pool(
        member, one["id"], use_default_subnetpool=True
    )
    other = await pool(member, "10.9.0.0/16")
    assert "same subnet pool" in await not_from_pool(
        member, one["id"], subnetpool_id=other["id"], prefixlen=24
    )


async def test_odd_pools_are_refused(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")

    async def no(**values: Any) -> dict[str, Any]:
        body = {"subnetpool": {"name": "p", "prefixes": ["10.0.0.0/8"], **values}}
        return await refused(member, "POST", "/subnetpools", body, 400)

    assert (await no(prefixes=[]))["type"] == "EmptySubnetPoolPrefixList"
    assert (await no(prefixes=["10.0.0.0/8", "fd00::/48"]))["type"] == "PrefixVersionMismatch"
    for lengths in (
        {"min_prefixlen": 33},
        {"max_prefixlen": 64},
        {"min_prefixlen": 24, "max_prefixlen": 20},
        {"default_prefixlen": 4},
        {"default_prefixlen": 26, "max_prefixlen": 24},
    ):
        assert (await no(**lengths))["type"] == "IllegalSubnetPoolPrefixBounds", lengths
    assert "'many' is not an integer" in (await no(default_quota="many"))["message"]
    for rule in ("shared", "is_default"):
        body = {"subnetpool": {"name": "p", "prefixes": ["10.0.0.0/8"], rule: True}}
        error = await refused(member, "POST", "/subnetpools", body, 403)
        assert f"create_subnetpool:{rule}" in error["message"]
    made = await pool(member, "10.0.0.0/24")
    less = {"subnetpool": {"prefixes": ["10.0.0.0/25"]}}
    error = await refused(member, "PUT", f"/subnetpools/{made['id']}", less, 400)
    assert error["type"] == "IllegalSubnetPoolPrefixUpdate"


async def test_the_default_pool_is_one_a_version(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    member = await cloud.project_with("p", "member")
    made = await pool(admin, "10.0.0.0/16", is_default=True, shared=True, default_prefixlen=24)
    await pool(admin, "fd00::/48", is_default=True, default_prefixlen=64)
    body = {"subnetpool": {"name": "p", "prefixes": ["10.1.0.0/16"], "is_default": True}}
    assert (
        "already been set" in (await refused(admin, "POST", "/subnetpools", body, 400))["message"]
    )
    one = await network(member)
    found = await from_pool(member, one["id"], use_default_subnetpool=True)
    assert (found["cidr"], found["subnetpool_id"]) == ("10.0.0.0/24", made["id"])
    # The pool of IPv6 is nobody else's.
    assert "No default subnetpool" in await not_from_pool(
        member, one["id"], ip_version=6, use_default_subnetpool=True
    )


async def test_a_quota_of_a_pool_is_each_projects(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    made = await pool(admin, "10.0.0.0/16", shared=True, default_quota=256)
    for name in ("one", "other"):
        member = await cloud.project_with(name, "member")
        lab = await network(member)
        await from_pool(member, lab["id"], subnetpool_id=made["id"], prefixlen=25)
        error = await not_from_pool(member, lab["id"], 409, subnetpool_id=made["id"], prefixlen=24)
        assert error == "Per-tenant subnet pool prefix quota exceeded."
        await from_pool(member, lab["id"], subnetpool_id=made["id"], prefixlen=25)
    six = await pool(admin, "fd00::/48", shared=True, default_quota=1)
    lab = await network(member)
    await from_pool(member, lab["id"], subnetpool_id=six["id"], ip_version=6)
    await not_from_pool(member, lab["id"], 409, subnetpool_id=six["id"], ip_version=6)


async def test_no_two_subnets_of_a_pool_overlap_whoever_asks_at_once(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    made = await pool(member, "10.0.0.0/20")
    labs = [await network(member) for _ in range(8)]
    found = await asyncio.gather(
        *(from_pool(member, one["id"], subnetpool_id=made["id"], prefixlen=23) for one in labs)
    )
    assert sorted(one["cidr"] for one in found) == sorted(f"10.0.{n}.0/23" for n in range(0, 16, 2))
    assert "Insufficient" in await not_from_pool(
        member, (await network(member))["id"], subnetpool_id=made["id"], prefixlen=23
    )


async def test_prefixes_come_and_go(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    made = await pool(member, "10.0.0.0/24")
    path = f"/subnetpools/{made['id']}"
    sent = {"prefixes": ["10.0.1.0/24", "192.168.0.0/24"]}
    answer = await member("PUT", f"{V2}{path}/add_prefixes", sent, status=200)
    assert answer.json() == {"prefixes": ["10.0.0.0/23", "192.168.0.0/24"]}
    one = await network(member)
    await from_pool(member, one["id"], subnetpool_id=made["id"], prefixlen=25)
    error = await refused(
        member, "PUT", f"{path}/remove_prefixes", {"prefixes": ["10.0.0.0/8"]}, 400
    )
    assert error["type"] == "IllegalSubnetPoolPrefixUpdate"
    sent = {"prefixes": ["10.0.0.192/26", "192.168.0.0/24"]}
    answer = await member("PUT", f"{V2}{path}/remove_prefixes", sent, status=200)
    assert answer.json() == {"prefixes": ["10.0.0.0/25", "10.0.0.128/26", "10.0.1.0/24"]}
    odd: Any
    for odd in ({}, [], {"prefixes": ["x"]}, {"prefixes": ["fd00::/48"]}, {"other": 1}):
        await refused(member, "PUT", f"{path}/add_prefixes", odd, 400)


async def test_subnets_move_into_a_pool(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    made = await pool(member, "10.0.0.0/24")
    lab = await network(member)
    old = await subnet(member, lab["id"], "192.168.7.0/24")
    path = f"{V2}/subnetpools/{made['id']}"
    await member("PUT", f"{path}/onboard_network_subnets", {"network_id": lab["id"]}, status=200)
    moved = (await member.get(f"{V2}/subnets/{old['id']}"))["subnet"]
    assert moved["subnetpool_id"] == made["id"]
    found = (await member.get(path))["subnetpool"]
    assert found["prefixes"] == ["10.0.0.0/24", "192.168.7.0/24"]
    elsewhere = await pool(member, "10.9.0.0/24")
    error = await refused(
        member,
        "PUT",
        f"/subnetpools/{elsewhere['id']}/onboard_network_subnets",
        {"network_id": lab["id"]},
        400,
    )
    assert "another subnet pool" in error["message"]


async def test_address_scopes_hold_pools_apart(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    member = await cloud.project_with("p", "member")
    made = await scope(member)
    assert made == {
        "id": made["id"], "name": "s", "ip_version": 4, "shared": False,
        "project_id": member.project_id, "tenant_id": member.project_id,
    }  # fmt: skip
    mine = await pool(member, "10.0.0.0/16", address_scope_id=made["id"])
    body = {
        "subnetpool": {"name": "q", "prefixes": ["10.0.5.0/24"], "address_scope_id": made["id"]}
    }
    error = await refused(member, "POST", "/subnetpools", body, 409)
    assert error["type"] == "AddressScopePrefixConflict"
    body["subnetpool"]["prefixes"] = ["fd00::/48"]
    error = await refused(member, "POST", "/subnetpools", body, 400)
    assert error["type"] == "IllegalSubnetPoolIpVersionAssociationToAddressScope"
    error = await refused(member, "DELETE", f"/address-scopes/{made['id']}", None, 409)
    assert error["type"] == "AddressScopeInUse"
    lab = await network(member)
    await from_pool(member, lab["id"], subnetpool_id=mine["id"], prefixlen=24)
    seen = (await member.get(f"{V2}/networks/{lab['id']}"))["network"]
    assert (seen["ipv4_address_scope"], seen["ipv6_address_scope"]) == (made["id"], None)
    assert "same address scope" in await not_from_pool(member, lab["id"], cidr="10.7.0.0/24")
    requested = {"object_type": "subnetpool", "object_id": mine["id"], "action": "access_as_shared"}
    opened = {"rbac_policy": {**requested, "target_tenant": "another"}}
    error = await refused(member, "POST", "/rbac-policies", opened, 400)
    assert error["type"] == "RbacPolicyInitError"
    shared = {"address_scope": {"shared": True}}
    await refused(member, "PUT", f"/address-scopes/{made['id']}", shared, 403)
    await admin("PUT", f"{V2}/address-scopes/{made['id']}", shared, status=200)
    off = {"address_scope": {"shared": False}}
    error = await refused(admin, "PUT", f"/address-scopes/{made['id']}", off, 400)
    assert error["type"] == "AddressScopeUpdateError"
    await member("POST", f"{V2}/rbac-policies", opened, status=201)
    stranger = await cloud.project_with("stranger", "member")
    theirs = await pool(stranger, "10.90.0.0/16", address_scope_id=made["id"])
    grown = {"subnetpool": {"prefixes": ["10.90.0.0/15"]}}
    error = await refused(stranger, "PUT", f"/subnetpools/{theirs['id']}", grown, 400)
    assert error["type"] == "IllegalSubnetPoolUpdate"
    lab = await network(stranger)
    await subnet(stranger, lab["id"], "10.91.0.0/24")
    for action, sent in (
        ("add_prefixes", {"prefixes": ["10.91.0.0/16"]}),
        ("remove_prefixes", {"prefixes": ["10.90.0.0/24"]}),
        ("onboard_network_subnets", {"network_id": lab["id"]}),
    ):
        error = await refused(stranger, "PUT", f"/subnetpools/{theirs['id']}/{action}", sent, 400)
        assert error["type"] == "IllegalSubnetPoolUpdate", action
    kept = (await stranger.get(f"{V2}/subnetpools/{theirs['id']}"))["subnetpool"]
    assert kept["prefixes"] == ["10.90.0.0/16"]
    renamed = {"address_scope": {"name": "new"}}
    answer = await member("PUT", f"{V2}/address-scopes/{made['id']}", renamed, status=200)
    assert answer.json()["address_scope"]["name"] == "new"


async def test_scopes_part_networks_and_end_translation(cloud: Cloud) -> None:
    """What routers do: nothing is translated inside a scope, and nothing passes between two."""
    admin = await cloud.sign_in()
    made = await scope(admin)
    outside = await network(admin, **{"router:external": True})
    whole = await pool(admin, "203.0.113.0/24", "10.0.0.0/16", address_scope_id=made["id"])
    await from_pool(admin, outside["id"], subnetpool_id=whole["id"], cidr="203.0.113.0/24")
    gateway = {"router": {"external_gateway_info": {"network_id": outside["id"]}}}
    router = (await admin.post(f"{V2}/routers", gateway))["router"]
    inside, apart = await network(admin), await network(admin)
    scoped = await from_pool(admin, inside["id"], subnetpool_id=whole["id"], cidr="10.0.1.0/24")
    plain = await subnet(admin, apart["id"], "192.168.1.0/24")
    for one in (scoped, plain):
        path = f"{V2}/routers/{router['id']}/add_router_interface"
        await admin("PUT", path, {"subnet_id": one["id"]}, status=200)
    async with cloud.control.database.read() as tx:
        rows = (await specs.rows_of(tx, cloud.network, [f"router:{router['id']}"]))[
            f"router:{router['id']}"
        ]
    assert isinstance(rows, list)
    translated = [row.logical_ip for row in rows if isinstance(row, NAT)]
    assert translated == ["192.168.1.0/24"]
    (made_router,) = [row for row in rows if isinstance(row, Router)]
    walls = {one.match.partition("ip4.dst == ")[2] for one in made_router.policies}
    assert walls == {"10.0.1.0/24", "192.168.1.0/24"}
