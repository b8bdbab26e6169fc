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
