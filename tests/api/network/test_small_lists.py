"""Lists that no table holds (agents, zones, providers, bindings) take what those of tables take."""

from __future__ import annotations

import pytest

from tests.api.network.test_bindings import bound
from tests.api.network.test_networks import V2, refused
from tests.cloud import Client, Cloud

LISTS = ("agents", "availability_zones", "service-providers", "bindings")


async def _opened(cloud: Cloud, name: str) -> tuple[Client, str, str]:
    """Who may look at a list, where it is, and its name in answers."""
    service, port_id = await bound(cloud)
    if name == "bindings":
        path = f"/ports/{port_id}/bindings"
        await service.post(f"{V2}{path}", {"binding": {"host": "host-2"}})
        return service, path, name
    return await cloud.sign_in(), f"/{name}", name.replace("-", "_")


@pytest.mark.parametrize("name", LISTS)
async def test_pages_lead_from_one_to_the_next_and_back(cloud: Cloud, name: str) -> None:
    client, path, key = await _opened(cloud, name)
    whole = (await client.get(f"{V2}{path}"))[key]
    assert len(whole) == (1 if name == "service-providers" else 2)
    assert (await client.get(f"{V2}{path}?limit=0&marker="))[key] == whole
    first = await client.get(f"{V2}{path}?limit=1")
    assert first[key] == whole[:1]
    last = await client.get(f"{V2}{path}?limit=1&page_reverse=True")
    assert last[key] == whole[-1:]
    if len(whole) > 1:
        (link,) = first[f"{key}_links"]
        second = await client.get(link["href"].removeprefix("http://cloud:5000"))
        assert second[key] == whole[1:]
        assert [one["rel"] for one in second[f"{key}_links"]] == ["next", "previous"]
        following, back = (
            link["href"].removeprefix("http://cloud:5000") for link in second[f"{key}_links"]
        )
        assert (await client.get(back))[key] == whole[:1]
        behind = await client.get(following)
        (link,) = behind[f"{key}_links"]
        assert behind[key] == [] and link["rel"] == "previous"
        assert (await client.get(link["href"].removeprefix("http://cloud:5000")))[key] == whole[1:]
    for wrong in ("limit=x", "limit=-1", "marker=nothing"):
        await refused(client, "GET", f"{path}?{wrong}", None, 400)


@pytest.mark.parametrize("name", LISTS)
async def test_fields_are_chosen_and_what_cannot_be_done_is_refused(
    cloud: Cloud, name: str
) -> None:
    client, path, key = await _opened(cloud, name)
    field = {"agents": "id", "bindings": "host"}.get(name, "name")
    for one in (await client.get(f"{V2}{path}?fields={field}&fields=nothing"))[key]:
        assert set(one) == {field}
    for wrong in (f"sort_key={field}", f"sort_key={field}&sort_dir=asc", "sort_dir=asc", "odd=1"):
        await refused(client, "GET", f"{path}?{wrong}", None, 400)


@pytest.mark.parametrize(
    ("name", "query", "count"),
    [
        ("agents", "binary=ovn-controller&binary=neutron-ovn-metadata-agent", 2),
        ("agents", "binary=ovn-controller&alive=1", 1),
        ("agents", "alive=false", 0),
        ("agents", "admin_state_up=TRUE", 2),
        ("availability_zones", "resource=router&resource=network", 2),
        ("availability_zones", "resource=router&state=available", 1),
        ("bindings", "host=host-1&host=host-2", 2),
        ("bindings", "host=host-1&status=INACTIVE", 0),
    ],
)
async def test_filters_take_each_of_their_values(
    cloud: Cloud, name: str, query: str, count: int
) -> None:
    client, path, key = await _opened(cloud, name)
    assert len((await client.get(f"{V2}{path}?{query}"))[key]) == count


async def test_a_filter_that_cannot_be_a_truth_is_refused(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    for name in ("alive", "admin_state_up"):
        await refused(admin, "GET", f"/agents?{name}=perhaps", None, 400)


async def test_one_of_them_is_shown_with_the_fields_that_are_asked_for(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    agent = (await admin.get(f"{V2}/agents"))["agents"][0]
    path = f"{V2}/agents/{agent['id']}?fields=host,binary"
    assert set((await admin.get(path))["agent"]) == {"host", "binary"}
    service, path, _ = await _opened(cloud, "bindings")
    found = (await service.get(f"{V2}{path}/host-1?fields=host"))["binding"]
    assert found == {"host": "host-1"}


@pytest.mark.parametrize("path", ["networks?sort_key=status", "routers?sort_key=status"])
async def test_what_is_the_same_for_all_is_sorted_by(cloud: Cloud, path: str) -> None:
    admin = await cloud.sign_in()
    for way in ("asc", "desc"):
        await admin.get(f"{V2}/{path}&sort_dir={way}")
    await admin.get(f"{V2}/subnets?sort_key=subnetpool_id&sort_dir=asc")


async def test_rules_are_found_by_whether_their_group_is_the_default(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    body = {"security_group": {"name": "own"}}
    own = (await member.post(f"{V2}/security-groups", body))["security_group"]["id"]
    default = {"security_group_rule": {"direction": "ingress", "protocol": "tcp"}}
    group = (await member.get(f"{V2}/security-groups?name=default"))["security_groups"][0]["id"]
    default["security_group_rule"]["security_group_id"] = group
    await member.post(f"{V2}/security-group-rules", default)
    for value, groups in (("true", {group}), ("False", {own})):
        path = f"{V2}/security-group-rules?belongs_to_default_sg={value}"
        found = (await member.get(path))["security_group_rules"]
        assert {one["security_group_id"] for one in found} == groups
    await refused(member, "GET", "/security-group-rules?belongs_to_default_sg=x", None, 400)


async def test_an_agent_is_not_switched_off(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    agent = (await admin.get(f"{V2}/agents"))["agents"][0]
    path = f"{V2}/agents/{agent['id']}"
    same = {"agent": {"admin_state_up": True, "description": "d"}}
    shown = (await admin("PUT", path, same, status=200)).json()["agent"]
    assert (shown["admin_state_up"], shown["description"]) == (True, "d")
    off = {"agent": {"admin_state_up": False}}
    refused = (await admin("PUT", path, off, status=400)).json()["NeutronError"]
    assert "cannot be switched off" in refused["message"]
