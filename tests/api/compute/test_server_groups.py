"""Server groups: the API and its versions, quotas, and where servers go because of them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.compute.test_aggregates import three_hosts
from tests.api.compute.test_scheduling import placed, why
from tests.api.compute.test_servers import SERVERS, Ground
from tests.cloud import NEWEST, settle

ROOT = "/compute/v2.1"
ALL = f"{ROOT}/os-server-groups"
NOBODY = "6b6a0f3e-0000-4000-8000-000000000000"


@pytest.fixture
async def ground(tmp_path: Path, database_url: str) -> AsyncIterator[Ground]:
    async with three_hosts(tmp_path, database_url) as found:
        yield found


def at(minor: int) -> dict[str, str]:
    return {"OpenStack-API-Version": f"compute 2.{minor}"}


async def group(ground: Ground, policy: str, **rules: int) -> str:
    body = {"name": "g", "policy": policy, **({"rules": rules} if rules else {})}
    made = await ground.user.post(ALL, {"server_group": body}, 200, headers=NEWEST)
    return str(made["server_group"]["id"])


async def several(ground: Ground, count: int, **hints: str) -> list[Any]:
    """So many servers that are asked for at the same moment, as their administrator sees them."""
    body = {
        "server": {
            "name": "vm", "imageRef": ground.image, "flavorRef": ground.flavor, "networks": "none",
        },
        "os:scheduler_hints": hints,
    }  # fmt: skip
    requested = [ground.user.post(SERVERS, body, 202, headers=NEWEST) for _ in range(count)]
    ids = [one["server"]["id"] for one in await asyncio.gather(*requested)]
    await settle(ground.cloud)
    return [await ground.show(one, ground.admin) for one in ids]


def hosts_of(servers: list[Any]) -> Counter[str]:
    return Counter(one["OS-EXT-SRV-ATTR:host"] for one in servers if one["status"] == "ACTIVE")


async def test_a_conversation_in_each_version(ground: Ground) -> None:
    user = ground.user
    old = {"server_group": {"name": "old", "policies": ["anti-affinity"]}}
    made = (await user.post(ALL, old, 200))["server_group"]
    first = {
        "id": made["id"],
        "name": "old",
        "policies": ["anti-affinity"],
        "members": [],
        "metadata": {},
    }
    assert made == first
    whose = {"project_id": user.project_id, "user_id": user.user_id}
    shown = await user.get(f"{ALL}/{made['id']}", headers=at(13))
    assert shown["server_group"] == {**first, **whose}
    newest = {
        "id": made["id"], "name": "old", "policy": "anti-affinity", "rules": {}, "members": [], **whose,
    }  # fmt: skip
    assert (await user.get(f"{ALL}/{made['id']}", headers=at(64)))["server_group"] == newest
    assert (await user.get(ALL, headers=at(64)))["server_groups"] == [newest]
    soft = {"server_group": {"name": "s", "policies": ["soft-affinity"]}}
    await user("POST", ALL, soft, headers=at(14), status=400)
    await user("POST", ALL, soft, headers=at(15), status=200)
    ruled = {"name": "r", "policy": "anti-affinity", "rules": {"max_server_per_host": "3"}}
    await user("POST", ALL, {"server_group": ruled}, headers=at(63), status=400)
    answer = await user("POST", ALL, {"server_group": ruled}, headers=at(64), status=200)
    assert answer.json()["server_group"]["rules"] == {"max_server_per_host": 3}
    await user("DELETE", f"{ALL}/{made['id']}", status=204)
    await user("GET", f"{ALL}/{made['id']}", status=404)


REFUSED: tuple[tuple[Any, int], ...] = (
    ({"name": "g"}, 64),
    ({"name": "g", "policy": "nosuch"}, 64),
    ({"name": "", "policy": "affinity"}, 64),
    ({"name": "g", "policy": "affinity", "policies": ["affinity"]}, 64),
    ({"name": "g", "policies": ["affinity"]}, 64),
    ({"name": "g", "policy": "affinity", "rules": {"max_server_per_host": 1}}, 64),
    ({"name": "g", "policy": "anti-affinity", "rules": {"max_server_per_host": 0}}, 64),
    ({"name": "g", "policy": "anti-affinity", "rules": {"max_server_per_host": "x"}}, 64),
    ({"name": "g", "policy": "anti-affinity", "rules": {"other": 1}}, 64),
    ({"name": "g", "policy": "affinity", "metadata": {}}, 64),
    ({"name": "g"}, 63),
    ({"name": "g", "policies": []}, 63),
    ({"name": "g", "policies": "affinity"}, 63),
    ({"name": "g", "policies": ["affinity", "anti-affinity"]}, 63),
    ({"name": "g", "policies": ["nosuch"]}, 63),
    ({"name": "g", "policies": [1]}, 63),
    ({"name": "g", "policy": "affinity"}, 63),
)


async def test_what_is_refused(ground: Ground) -> None:
    for body, minor in REFUSED:
        answer = await ground.user("POST", ALL, {"server_group": body}, headers=at(minor))
        assert answer.status_code == 400, (body, minor, answer.text)
    hints: tuple[Any, ...] = (NOBODY, "x", [NOBODY, ground.image], {})
    for hint in hints:
        body = {
            "server": {
                "name": "vm", "imageRef": ground.image, "flavorRef": ground.flavor, "networks": "none",
            },
            "os:scheduler_hints": {"group": hint},
        }  # fmt: skip
        await ground.user("POST", SERVERS, body, headers=NEWEST, status=400)
    await ground.user("GET", f"{ALL}?limit=x", status=400)
    await ground.user("GET", f"{ALL}?offset=-1", status=400)


async def test_groups_are_their_projects(ground: Ground) -> None:
    mine = await group(ground, "affinity")
    other = await ground.cloud.project_with("other", "member")
    assert (await other.get(ALL))["server_groups"] == []
    for method in ("GET", "DELETE"):
        await other(method, f"{ALL}/{mine}", status=404)
    assert (await ground.admin.get(f"{ALL}/{mine}"))["server_group"]["id"] == mine
    await other("GET", f"{ALL}?all_projects=true", status=403)
    assert [
        one["id"] for one in (await ground.admin.get(f"{ALL}?all_projects=1"))["server_groups"]
    ] == [mine]
    assert (await ground.admin.get(ALL))["server_groups"] == []
    ids = [mine, *[await group(ground, "affinity") for _ in "ab"]]
    for query, found in (
        ("limit=1", ids[:1]),
        ("offset=1", ids[1:]),
        ("limit=1&offset=2", ids[2:]),
        ("offset=9", []),
    ):
        assert [
            one["id"] for one in (await ground.user.get(f"{ALL}?{query}"))["server_groups"]
        ] == found


async def test_a_server_shows_its_group_and_the_group_its_servers(ground: Ground) -> None:
    one = await group(ground, "affinity")
    server = await placed(ground, {"group": one})
    assert server["server_groups"] == [one]
    assert "server_groups" not in await ground.user.get(f"{SERVERS}/{server['id']}", headers=at(70))
    path = f"{ALL}/{one}"
    assert (await ground.user.get(path))["server_group"]["members"] == [server["id"]]
    await ground.user("DELETE", f"{SERVERS}/{server['id']}", status=204)
    await settle(ground.cloud)
    assert (await ground.user.get(path))["server_group"]["members"] == []
    server = await placed(ground, {"group": one})
    await ground.user("DELETE", path, status=204)
    assert (await ground.show(server["id"]))["server_groups"] == []


async def test_the_quotas_of_groups_and_their_members(ground: Ground) -> None:
    sets = f"{ROOT}/os-quota-sets/{ground.user.project_id}"
    body: Any = {"quota_set": {"server_groups": 2, "server_group_members": 2}}
    await ground.admin("PUT", sets, body, status=200)
    one = await group(ground, "soft-affinity")
    await group(ground, "affinity")
    wish = {"server_group": {"name": "g", "policy": "affinity"}}
    answer = await ground.user("POST", ALL, wish, headers=NEWEST, status=403)
    assert "Quota exceeded, too many server groups." in answer.text
    limits = (await ground.user.get(f"{ROOT}/limits"))["limits"]["absolute"]
    assert (limits["maxServerGroups"], limits["totalServerGroupsUsed"]) == (2, 2)
    detail = (await ground.user.get(f"{sets}/detail", headers=NEWEST))["quota_set"]
    assert detail["server_groups"] == {"limit": 2, "in_use": 2, "reserved": 0}
    for _ in "ab":
        await placed(ground, {"group": one})
    body = {
        "server": {
            "name": "vm",
            "imageRef": ground.image,
            "flavorRef": ground.flavor,
            "networks": "none",
        },
        "os:scheduler_hints": {"group": one},
    }
    answer = await ground.user("POST", SERVERS, body, headers=NEWEST, status=403)
    assert "Quota exceeded, too many servers in group" in answer.text


@pytest.mark.parametrize(
    ("policy", "rules", "count", "spread"),
    [
        ("affinity", {}, 4, [4]),
        ("anti-affinity", {}, 3, [1, 1, 1]),
        ("anti-affinity", {}, 4, [1, 1, 1]),
        ("anti-affinity", {"max_server_per_host": 2}, 6, [2, 2, 2]),
        ("anti-affinity", {"max_server_per_host": 2}, 7, [2, 2, 2]),
        ("soft-affinity", {}, 4, None),
        ("soft-anti-affinity", {}, 5, None),
    ],
)
async def test_servers_that_come_at_once_go_where_their_group_says(
    ground: Ground, policy: str, rules: dict[str, int], count: int, spread: list[int] | None
) -> None:
    one = await group(ground, policy, **rules)
    servers = await several(ground, count, group=one)
    found = sorted(hosts_of(servers).values())
    if spread is None:
        assert sum(found) == count
    else:
        assert found == spread
        failed = [why(row) for row in servers if row["status"] == "ERROR"]
        assert len(failed) == count - sum(spread)
        assert all("3 do not fit the policy of the server group" in said for said in failed)
    assert await ground.clean() == []


@pytest.mark.parametrize(
    ("policy", "spread"), [("soft-affinity", [4]), ("soft-anti-affinity", [1, 1, 2])]
)
async def test_soft_policies_prefer(ground: Ground, policy: str, spread: list[int]) -> None:
    one = await group(ground, policy)
    servers = [await placed(ground, {"group": one}) for _ in range(4)]
    assert sorted(hosts_of(servers).values()) == spread


async def test_a_soft_policy_takes_another_host_where_its_own_is_full(ground: Ground) -> None:
    one = await group(ground, "soft-affinity")
    first = await placed(ground, {"group": one})
    listed = (await ground.admin.get(f"{ROOT}/os-services", headers=NEWEST))["services"]
    (service,) = [row["id"] for row in listed if row["host"] == first["host"]]
    path = f"{ROOT}/os-services/{service}"
    await ground.admin("PUT", path, {"status": "disabled"}, headers=NEWEST, status=200)
    second = await placed(ground, {"group": one})
    assert second["status"] == "ACTIVE" and second["host"] != first["host"]


async def test_the_quotas_of_one_user_in_the_project(ground: Ground) -> None:
    user = ground.user
    sets = f"{ROOT}/os-quota-sets/{user.project_id}?user_id={user.user_id}"
    body = {"quota_set": {"server_groups": 1, "server_group_members": 1}}
    await ground.admin("PUT", sets, body, status=200)
    one = await group(ground, "soft-affinity")
    more = {"server_group": {"name": "g", "policy": "affinity"}}
    answer = await user("POST", ALL, more, headers=NEWEST, status=403)
    assert "Quota exceeded, too many server groups." in answer.text
    detail = await ground.admin.get(sets.replace("?", "/detail?"), headers=NEWEST)
    assert detail["quota_set"]["server_groups"] == {"limit": 1, "in_use": 1, "reserved": 0}
    await placed(ground, {"group": one})
    body_of: dict[str, Any] = {
        "server": {
            "name": "vm", "imageRef": ground.image, "flavorRef": ground.flavor, "networks": "none",
        },
        "os:scheduler_hints": {"group": one},
    }  # fmt: skip
    await user("POST", SERVERS, body_of, headers=NEWEST, status=403)
    # A group of another project is not there.
    body_of["os:scheduler_hints"] = {"group": await group_of_admin(ground)}
    await user("POST", SERVERS, body_of, headers=NEWEST, status=400)


async def group_of_admin(ground: Ground) -> str:
    body = {"server_group": {"name": "g", "policy": "affinity"}}
    made = await ground.admin.post(ALL, body, 200, headers=NEWEST)
    return str(made["server_group"]["id"])
