"""Limits that are registered with identity hold in every service, before what an operator set there."""

from __future__ import annotations

import pytest

from tests.cloud import NEWEST, Client, Cloud, a_flavor, an_image


async def _register(admin: Client, kind: str, name: str, limit: int) -> None:
    services = (await admin.get("/v3/services"))["services"]
    service_id = next(one["id"] for one in services if one["type"] == kind)
    body = {"service_id": service_id, "resource_name": name, "default_limit": limit}
    await admin.post("/v3/registered_limits", {"registered_limits": [body]})


async def test_servers(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    member = await cloud.project_with("p", "member")
    image, flavor = await an_image(member), await a_flavor(admin)
    sets = f"/compute/v2.1/os-quota-sets/{member.project_id}"
    await admin("PUT", sets, {"quota_set": {"instances": 5}}, status=200)
    await _register(admin, "compute", "servers", 1)
    assert (await member.get(sets))["quota_set"]["instances"] == 1
    body = {"name": "a", "imageRef": image, "flavorRef": flavor, "networks": "none"}
    await member.post("/compute/v2.1/servers", {"server": body}, 202, headers=NEWEST)
    answer = await member(
        "POST", "/compute/v2.1/servers", {"server": body}, headers=NEWEST, status=403
    )
    assert "already used 1 of 1 instances" in answer.text


@pytest.mark.parametrize("kind", ["network", "image"])
async def test_other_services(cloud: Cloud, kind: str) -> None:
    admin = await cloud.sign_in()
    member = await cloud.project_with("p", "member")
    if kind == "network":
        await _register(admin, "network", "network", 1)
        await member("POST", "/network/v2.0/networks", {"network": {}}, status=201)
        await member("POST", "/network/v2.0/networks", {"network": {}}, status=409)
    else:
        await _register(admin, "image", "image_count_total", 1)
        await member("POST", "/image/v2/images", {}, status=201)
        await member("POST", "/image/v2/images", {}, status=413)


SETS = (
    ("/network/v2.0/quotas/{}", "quota", "network", 200),
    ("/volume/v3/os-quota-sets/{}", "quota_set", "volumes", 200),
    ("/load-balancer/v2.0/lbaas/quotas/{}", "quota", "listener", 202),
)


async def test_a_project_that_is_not_there_yet(cloud: Cloud) -> None:
    """Operators and suites of clients name projects that identity does not know, as other clouds let them."""
    admin = await cloud.sign_in()
    for path, key, name, made in SETS:
        one = path.format("name-of-a-project")
        usual = (await admin.get(one))[key][name]
        await admin("PUT", one, {key: {name: 7}}, status=made)
        assert (await admin.get(one))[key][name] == 7
        assert (await admin.get(path.format(admin.project_id)))[key][name] == usual
        await admin("DELETE", one)
        assert (await admin.get(one))[key][name] == usual


@pytest.mark.parametrize("owner", ["class:default", "class%3Adefault", "x" * 256])
async def test_what_names_no_project(cloud: Cloud, owner: str) -> None:
    """Limits of everybody are not a project's."""
    admin = await cloud.sign_in()
    for path, key, name, _ in SETS:
        one = path.format(owner)
        answer = await admin("PUT", one, {key: {name: 7}}, status=400)
        assert "is not a valid project ID" in answer.text
        await admin("DELETE", one, status=400)
        assert (await admin.get(path.format(admin.project_id)))[key][name] != 7
