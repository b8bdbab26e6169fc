"""Filters and sort keys of any length cost one condition, and never more than the database takes."""

from __future__ import annotations

import pytest

from hanok.web.request import MAXIMUM_PARAMETERS
from tests.cloud import NEWEST, Client, Cloud, a_flavor, a_network, a_server, an_image, settle

MANY = [f"t{number}" for number in range(2_000)]
NETWORKS = "/network/v2.0/networks"
SERVERS = "/compute/v2.1/servers"


async def _found(client: Client, path: str, name: str, requested: list[str]) -> list[str]:
    answer = await client.get(f"{path}?{name}={','.join(requested)}", headers=NEWEST)
    kind = path.rsplit("/", 1)[-1]
    return sorted(one["name"] for one in answer[kind] if one["name"] in ("both", "one", "none"))


async def _check(client: Client, path: str) -> None:
    """Three rows: one has the tags t1 and t2, one has t1, one has none."""
    assert await _found(client, path, "tags", ["t1", "t2"]) == ["both"]
    assert await _found(client, path, "tags", ["t1", "t1"]) == ["both", "one"]
    assert await _found(client, path, "not-tags", ["t2", "t1", "t2"]) == ["none", "one"]
    assert await _found(client, path, "tags", MANY) == []
    assert await _found(client, path, "tags-any", MANY) == ["both", "one"]
    assert await _found(client, path, "not-tags", MANY) == ["both", "none", "one"]
    assert await _found(client, path, "not-tags-any", MANY) == ["none"]


TAGS = {"both": ["t1", "t2"], "one": ["t1"], "none": []}


async def test_projects_by_thousands_of_tags(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    for name, tags in TAGS.items():
        await admin.post("/v3/projects", {"project": {"name": name, "tags": tags}})
    await _check(admin, "/v3/projects")


async def test_networks_by_thousands_of_tags(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    for name, tags in TAGS.items():
        made = await member.post(NETWORKS, {"network": {"name": name}})
        path = f"{NETWORKS}/{made['network']['id']}/tags"
        await member("PUT", path, {"tags": tags}, status=200)
    await _check(member, NETWORKS)


async def test_servers_by_thousands_of_tags(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    image, flavor, network = await an_image(admin), await a_flavor(admin), await a_network(admin)
    for name, tags in TAGS.items():
        made = await a_server(admin, image, flavor, network, name=name)
        await settle(cloud)
        path = f"{SERVERS}/{made}/tags"
        await admin("PUT", path, {"tags": tags}, status=200, headers=NEWEST)
    await _check(admin, SERVERS)


async def test_a_sort_key_again_and_again_orders_once(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    ids = [await an_image(admin, name=name) for name in ("a", "b", "c")]
    sort = ",".join(["name:asc", *["name:desc"] * 2_000])
    answer = await admin.get(f"/image/v2/images?marker={ids[0]}&sort={sort}")
    assert [one["name"] for one in answer["images"]] == ["b", "c"]


@pytest.mark.parametrize("path", ["/v3/users", "/image/v2/images", NETWORKS, SERVERS])
async def test_more_parameters_than_a_query_has(cloud: Cloud, path: str) -> None:
    admin = await cloud.sign_in()
    maximum = "&".join(["name=a"] * MAXIMUM_PARAMETERS)
    await admin.get(f"{path}?{maximum}")
    answer = await admin("GET", f"{path}?{maximum}&name=a", status=400)
    assert f"at most {MAXIMUM_PARAMETERS} parameters" in answer.text
