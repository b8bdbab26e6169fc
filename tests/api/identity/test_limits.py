"""Unified limits: what is registered, what projects have, and who sees which."""

from __future__ import annotations

from typing import Any

from hanok.services.identity import facade
from hanok.services.identity.facade import IdentitySettings
from tests.cloud import Client, Cloud, running

RS, LS = "/v3/registered_limits", "/v3/limits"


async def image_service(admin: Client) -> str:
    (found,) = (await admin.get("/v3/services?type=image"))["services"]
    return str(found["id"])


async def registered(admin: Client, **more: Any) -> dict[str, Any]:
    body = {
        "service_id": await image_service(admin),
        "resource_name": "images",
        "default_limit": 10,
    }
    made = await admin.post(RS, {"registered_limits": [{**body, **more}]})
    return dict(made["registered_limits"][0])


def a_limit(one: dict[str, Any], maximum: int, **owner: str) -> dict[str, Any]:
    of = {name: one[name] for name in ("service_id", "region_id", "resource_name")}
    return {**of, "resource_limit": maximum, **owner}


async def test_what_is_registered(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    one = await registered(admin)
    assert (one["default_limit"], one["region_id"], one["description"]) == (10, None, None)
    body = {key: one[key] for key in ("service_id", "resource_name", "default_limit")}
    await admin.post(RS, {"registered_limits": [body]}, 409)
    await admin.post(RS, {"registered_limits": [{**body, "region_id": "nowhere"}]}, 400)
    await admin.post(RS, {"registered_limits": [{**body, "default_limit": -2}]}, 400)
    await admin.post(RS, {"registered_limits": []}, 400)
    # All or none of them.
    fine = {**body, "resource_name": "fine"}
    await admin.post(RS, {"registered_limits": [fine, body]}, 409)
    assert len((await admin.get(RS))["registered_limits"]) == 1
    region = (await admin.get("/v3/regions"))["regions"][0]["id"]
    other = await registered(admin, region_id=region)
    change: dict[str, Any] = {"registered_limit": {"region_id": None}}
    await admin("PATCH", f"{RS}/{other['id']}", change, status=409)
    change = {"registered_limit": {"default_limit": 7, "description": "seven"}}
    shown = (await admin("PATCH", f"{RS}/{other['id']}", change, status=200)).json()
    assert shown["registered_limit"]["default_limit"] == 7
    found = (await admin.get(f"{RS}?region_id={region}"))["registered_limits"]
    assert [each["id"] for each in found] == [other["id"]]
    member = await cloud.project_with("p", "member")
    assert len((await member.get(RS))["registered_limits"]) == 2
    await member.post(RS, {"registered_limits": [fine]}, 403)
    await admin("DELETE", f"{RS}/{other['id']}", status=204)
    await admin("GET", f"{RS}/{other['id']}", status=404)


async def test_limits_of_projects(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    mine = await cloud.project_with("mine", "member")
    other = await cloud.project_with("other", "member")
    one = await registered(admin)

    async def in_force(client: Client) -> dict[str, int]:
        async with cloud.control.database.read() as tx:
            return await facade.limits(tx, "image", client.project_id, "Seoul")

    assert await in_force(mine) == {"images": 10}
    body = {"limits": [a_limit(one, 3, project_id=mine.project_id)]}
    made = (await admin.post(LS, body))["limits"][0]
    assert (made["resource_limit"], made["project_id"], made["domain_id"]) == (
        3, mine.project_id, None,
    )  # fmt: skip
    assert (await in_force(mine), await in_force(other)) == ({"images": 3}, {"images": 10})
    await admin.post(LS, body, 409)
    unknown = {**body["limits"][0], "resource_name": "horses"}
    await admin.post(LS, {"limits": [unknown]}, 403)
    await admin.post(LS, {"limits": [a_limit(one, 3, project_id="nobody")]}, 400)
    await admin.post(LS, {"limits": [a_limit(one, 3)]}, 400)
    both = a_limit(one, 3, project_id=mine.project_id, domain_id="default")
    await admin.post(LS, {"limits": [both]}, 400)
    await admin("DELETE", f"{RS}/{one['id']}", status=403)
    change = {"registered_limit": {"default_limit": 4}}
    await admin("PATCH", f"{RS}/{one['id']}", change, status=403)

    path = f"{LS}/{made['id']}"
    assert [each["id"] for each in (await mine.get(LS))["limits"]] == [made["id"]]
    assert (await other.get(LS))["limits"] == []
    assert len((await admin.get(f"{LS}?project_id={mine.project_id}"))["limits"]) == 1
    await mine.get(path)
    there, gone = [await other("GET", f"{LS}/{name}") for name in (made["id"], "0" * 32)]
    assert (there.status_code, gone.status_code) == (403, 403)
    change = {"limit": {"resource_limit": -1}}
    await mine("PATCH", path, change, status=403)
    shown = (await admin("PATCH", path, change, status=200)).json()["limit"]
    assert shown["resource_limit"] == -1
    await admin("DELETE", f"/v3/projects/{mine.project_id}", status=204)
    await admin("GET", path, status=404)
    assert (await admin.get(f"{LS}/model"))["model"]["name"] == "flat"


async def test_no_project_has_more_than_its_domain(tmp_path: Any) -> None:
    settings = IdentitySettings(password_rounds=4, limit_model="strict_two_level")
    async with running(tmp_path, identity=settings) as cloud:
        admin = await cloud.sign_in()
        assert (await admin.get(f"{LS}/model"))["model"]["name"] == "strict_two_level"
        mine = await cloud.project_with("mine", "member")
        one = await registered(admin)
        project = {"project_id": mine.project_id}
        refused = await admin.post(LS, {"limits": [a_limit(one, 11, **project)]}, 403)
        assert "its domain has 10" in refused["error"]["message"]
        domain = a_limit(one, 20, domain_id="default")
        both = [a_limit(one, 11, **project), domain]  # the domain's comes first, however they stand
        made = (await admin.post(LS, {"limits": both}))["limits"]
        assert [each["resource_limit"] for each in made] == [11, 20]
        change = {"limit": {"resource_limit": 10}}
        refused = (await admin("PATCH", f"{LS}/{made[1]['id']}", change, status=403)).json()
        assert "has 11" in refused["error"]["message"]
        for maximum, status in ((-1, 403), (21, 403), (20, 200)):
            change = {"limit": {"resource_limit": maximum}}
            await admin("PATCH", f"{LS}/{made[0]['id']}", change, status=status)
        body = {"project": {"name": "deep", "parent_id": mine.project_id}}
        deep = (await admin.post("/v3/projects", body))["project"]["id"]
        await admin.post(LS, {"limits": [a_limit(one, 1, project_id=deep)]}, 403)
