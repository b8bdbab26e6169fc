"""What moves pools and the subnets of a network between each other, and what keeps them apart."""

from __future__ import annotations

from typing import Any

from tests.api.network.alone import cloud
from tests.api.network.test_networks import V2, network, refused, subnet
from tests.api.network.test_subnet_pools import from_pool, not_from_pool, pool, scope
from tests.cloud import Client, Cloud

__all__ = ["cloud"]


async def change(client: Client, which: str, status: int = 200, **values: Any) -> Any:
    path = f"{V2}/subnetpools/{which}"
    answer = (await client("PUT", path, {"subnetpool": values}, status=status)).json()
    return answer["subnetpool"] if status == 200 else answer["NeutronError"]


async def test_a_default_pool_stays_the_default_and_is_no_others(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    first = (await pool(admin, "10.0.0.0/16", is_default=True))["id"]
    second = (await pool(admin, "10.1.0.0/16"))["id"]
    six = (await pool(admin, "fd00::/48"))["id"]
    for values in ({"is_default": True}, {"name": "new"}, {"name": "n", "is_default": True}):
        assert (await change(admin, first, **values))["is_default"] is True
    error = await change(admin, second, 400, is_default=True)
    assert "already been set" in error["message"]
    assert (await change(admin, six, is_default=True))["is_default"] is True
    await change(admin, first, is_default=False)
    assert (await change(admin, second, is_default=True))["is_default"] is True


async def test_a_pool_moves_between_scopes(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    member = await cloud.project_with("p", "member")
    here, there = (await scope(member))["id"], (await scope(member))["id"]
    mine = (await pool(member, "10.0.0.0/16", address_scope_id=here))["id"]
    await pool(member, "10.0.9.0/24", address_scope_id=there)
    taken = await change(member, mine, 409, address_scope_id=there)
    assert taken["type"] == "AddressScopePrefixConflict"
    lab = (await network(member))["id"]
    await from_pool(member, lab, subnetpool_id=mine, prefixlen=24)

    async def seen() -> str | None:
        return (await member.get(f"{V2}/networks/{lab}"))["network"]["ipv4_address_scope"]  # type: ignore[no-any-return]

    assert await seen() == here
    assert (await change(member, mine, address_scope_id=None))["address_scope_id"] is None
    assert await seen() is None
    free = (await scope(member))["id"]
    assert (await change(member, mine, address_scope_id=free, name="x"))["address_scope_id"] == free
    assert await seen() == free
    # What grows meets others, too; a pool without a scope does not.
    await pool(member, "10.1.0.0/16", address_scope_id=free)
    grown = await change(member, mine, 409, prefixes=["10.0.0.0/15"])
    assert grown["type"] == "AddressScopePrefixConflict"
    assert (await change(member, mine, prefixes=["10.0.0.0/16"]))["prefixes"] == ["10.0.0.0/16"]
    await change(member, mine, address_scope_id=None)
    assert (await change(member, mine, prefixes=["10.0.0.0/15"]))["prefixes"] == ["10.0.0.0/15"]
    # An administrator changes what is in another project's scope.
    theirs = (await pool(admin, "10.8.0.0/16", address_scope_id=free))["id"]
    grown = await change(admin, theirs, prefixes=["10.8.0.0/16", "10.9.0.0/16"])
    assert grown["prefixes"] == ["10.8.0.0/15"]


async def test_what_is_open_to_all_is_of_a_scope_that_is(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    closed, opened = (await scope(admin))["id"], (await scope(admin, shared=True))["id"]
    odd = {"name": "p", "prefixes": ["10.0.0.0/16"], "shared": True, "address_scope_id": closed}
    error = await refused(admin, "POST", "/subnetpools", {"subnetpool": odd}, 400)
    assert error["type"] == "IllegalSubnetPoolAssociationToAddressScope"
    mine = await pool(admin, "10.0.0.0/16", shared=True, address_scope_id=opened)
    error = await change(admin, mine["id"], 400, address_scope_id=closed)
    assert error["type"] == "IllegalSubnetPoolAssociationToAddressScope"
    # Whoever it is opened to reaches the scope.
    own = await pool(admin, "10.2.0.0/16", address_scope_id=closed)
    for which, status in ((own["id"], 400), (mine["id"], 201)):
        policy = {"object_type": "subnetpool", "object_id": which, "action": "access_as_shared"}
        for target in ("*", "another") if status == 400 else ("another",):
            body = {"rbac_policy": {**policy, "target_tenant": target}}
            await admin("POST", f"{V2}/rbac-policies", body, status=status)
    own = await pool(admin, "10.1.0.0/16", address_scope_id=opened)
    assert (await change(admin, own["id"], address_scope_id=closed))["address_scope_id"] == closed


async def test_prefixes_that_go(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    mine = (await pool(member, "10.0.0.0/24"))["id"]
    path = f"/subnetpools/{mine}/remove_prefixes"
    # Those of the other version are none of its own.
    answer = await member("PUT", f"{V2}{path}", {"prefixes": ["::/0"]}, status=200)
    assert answer.json() == {"prefixes": ["10.0.0.0/24"]}
    for gone in (["10.0.0.0/24"], ["10.0.0.0/8", "::/0"]):
        error = await refused(member, "PUT", path, {"prefixes": gone}, 400)
        assert error["type"] == "EmptySubnetPoolPrefixList"
    every = [f"10.1.{number}.0/30" for number in range(200)]
    add = f"/subnetpools/{mine}/add_prefixes"
    error = await refused(member, "PUT", add, {"prefixes": every}, 400)
    assert "at most 200 prefixes" in error["message"]
    answer = await member("PUT", f"{V2}{add}", {"prefixes": every[:199]}, status=200)
    assert len(answer.json()["prefixes"]) == 200


async def test_whose_subnets_move_into_a_pool(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    member = await cloud.project_with("p", "member")
    other = await cloud.project_with("q", "member")
    mine = (await pool(member, "10.0.0.0/24"))["id"]
    path = f"/subnetpools/{mine}/onboard_network_subnets"
    used, beside, foreign = [(await network(member))["id"] for _ in range(3)]
    await from_pool(member, used, subnetpool_id=mine, prefixlen=26)
    await subnet(member, beside, "10.0.0.0/25")
    error = await refused(member, "PUT", path, {"network_id": beside}, 400)
    assert "has some of these addresses" in error["message"]
    await subnet(admin, foreign, "10.5.0.0/24", project_id=other.project_id)
    error = await refused(member, "PUT", path, {"network_id": foreign}, 400)
    assert "is owned by a different tenant" in error["message"]
    # Whose routers would translate otherwise then is the network's owner.
    theirs = (await network(admin, shared=True, project_id=other.project_id))["id"]
    await subnet(admin, theirs, "10.6.0.0/24", project_id=member.project_id)
    await refused(member, "PUT", path, {"network_id": theirs}, 403)
    for _ in range(2):  # the second time there is nothing left to do
        await admin("PUT", f"{V2}{path}", {"network_id": foreign}, status=200)
    (moved,) = (await admin.get(f"{V2}/subnets?network_id={foreign}"))["subnets"]
    assert moved["subnetpool_id"] == mine


async def test_what_a_subnet_asks_of_pools_at_once(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    lab = (await network(member))["id"]
    near = (await scope(member))["id"]
    one = (await pool(member, "10.0.0.0/16", address_scope_id=near))["id"]
    two = (await pool(member, "10.1.0.0/16", address_scope_id=near))["id"]
    apart = (await pool(member, "10.2.0.0/16"))["id"]
    both: dict[str, Any] = {"use_default_subnetpool": True, "subnetpool_id": one}
    assert "cannot both be specified" in await not_from_pool(member, lab, **both)
    alone: dict[str, Any] = {"cidr": "10.0.0.0/24", "prefixlen": 24}
    assert "only be specified with a subnetpool" in await not_from_pool(member, lab, **alone)
    six = {"cidr": "fd00::/32", "subnetpool_id": one}
    assert "available set of prefixes" in await not_from_pool(member, lab, **six)
    await from_pool(member, lab, subnetpool_id=one, prefixlen=24)
    await from_pool(member, lab, subnetpool_id=two, prefixlen=24)  # of one scope
    assert "same address scope" in await not_from_pool(
        member, lab, subnetpool_id=apart, prefixlen=24
    )
    plain = (await network(member))["id"]
    await from_pool(member, plain, subnetpool_id=apart, prefixlen=24)
    await from_pool(member, plain, subnetpool_id=apart, prefixlen=24)
    await subnet(member, plain, "10.9.0.0/24")  # neither has a scope
