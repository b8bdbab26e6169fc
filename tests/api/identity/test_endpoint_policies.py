"""Policies and the endpoints they are for; the endpoints that projects see."""

from __future__ import annotations

from typing import Any

from tests.cloud import Client, Cloud


async def a_policy(admin: Client, **more: Any) -> str:
    body = {"policy": {"blob": "{}", "type": "application/json", **more}}
    made = await admin.post("/v3/policies", body)
    return str(made["policy"]["id"])


async def an_endpoint(admin: Client, region: str, service_id: str = "") -> dict[str, Any]:
    if not service_id:
        service = {"service": {"type": "weather", "name": "weather"}}
        service_id = (await admin.post("/v3/services", service))["service"]["id"]
    body = {
        "service_id": service_id,
        "interface": "public",
        "url": "http://weather.example",
        "region_id": region,
    }
    made: dict[str, Any] = (await admin.post("/v3/endpoints", {"endpoint": body}))["endpoint"]
    return made


async def regions(admin: Client) -> None:
    await admin.post("/v3/regions", {"region": {"id": "land"}})
    await admin.post("/v3/regions", {"region": {"id": "town", "parent_region_id": "land"}})


async def test_policies(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    one = await a_policy(admin, colour="blue")
    shown = (await admin.get(f"/v3/policies/{one}"))["policy"]
    assert (shown["blob"], shown["type"], shown["colour"]) == ("{}", "application/json", "blue")
    body = {"policy": {"blob": "{1}"}}
    changed = (await admin("PATCH", f"/v3/policies/{one}", body, status=200)).json()["policy"]
    assert (changed["blob"], changed["colour"]) == ("{1}", "blue")
    assert len((await admin.get("/v3/policies?type=application/json"))["policies"]) == 1
    assert (await admin.get("/v3/policies?type=other"))["policies"] == []
    for wrong in ({"blob": "x"}, {"type": "x"}, {"blob": {}, "type": "x"}):
        await admin.post("/v3/policies", {"policy": wrong}, 400)
    member = await cloud.project_with("p", "member")
    await member("GET", f"/v3/policies/{one}", status=403)
    await admin("DELETE", f"/v3/policies/{one}", status=204)
    await admin("GET", f"/v3/policies/{one}", status=404)


async def test_the_nearest_policy_is_an_endpoints(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    await regions(admin)
    endpoint = await an_endpoint(admin, "town")
    own, here, above, service = [await a_policy(admin) for _ in range(4)]
    name, of = endpoint["id"], endpoint["service_id"]

    async def now() -> str | None:
        path = f"/v3/endpoints/{name}/OS-ENDPOINT-POLICY/policy"
        response = await admin("GET", path)
        return str(response.json()["policy"]["id"]) if response.status_code == 200 else None

    assert await now() is None
    targets = {
        service: f"services/{of}",
        above: f"services/{of}/regions/land",
        here: f"services/{of}/regions/town",
        own: f"endpoints/{name}",
    }
    for policy, target in targets.items():
        path = f"/v3/policies/{policy}/OS-ENDPOINT-POLICY"
        await admin("GET", f"{path}/{target}", status=404)
        await admin("GET", f"{path}/policy", status=404)
        await admin("PUT", f"{path}/{target}", status=204)
        await admin("GET", f"{path}/{target}", status=204)
        await admin("HEAD", f"{path}/policy", status=200)
        assert await now() == policy
        found = (await admin.get(f"{path}/endpoints"))["endpoints"]
        assert [one["id"] for one in found] == [name]
    # A thing has one policy: the second takes the place of the first.
    path = f"/v3/policies/{service}/OS-ENDPOINT-POLICY/endpoints/{name}"
    await admin("PUT", path, status=204)
    await admin("GET", f"/v3/policies/{own}/OS-ENDPOINT-POLICY/endpoints/{name}", status=404)
    await admin("DELETE", f"/v3/policies/{own}/OS-ENDPOINT-POLICY/endpoints/{name}", status=404)
    await admin("DELETE", path, status=204)
    assert await now() == here
    await admin("DELETE", f"/v3/policies/{here}", status=204)
    assert await now() == above
    await admin("DELETE", f"/v3/endpoints/{name}", status=204)
    await admin("PUT", f"/v3/policies/{own}/OS-ENDPOINT-POLICY/endpoints/{name}", status=404)


async def catalog(client: Client) -> list[str]:
    found = (await client.get("/v3/auth/catalog"))["catalog"]
    return sorted(endpoint["id"] for service in found for endpoint in service["endpoints"])


async def test_a_catalog_is_a_projects(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    found = await admin.get("/v3/auth/catalog")
    assert found["links"] == {"self": "http://cloud:5000/v3/auth/catalog"} and found["catalog"]
    for other in (
        await cloud.sign_in(scope={"system": {"all": True}}),
        await cloud.sign_in(project=None),
    ):
        await other("GET", "/v3/auth/catalog", status=403)
    await cloud.anonymous("GET", "/v3/auth/catalog", status=401)


async def test_a_project_sees_the_endpoints_it_was_given(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    member = await cloud.project_with("p", "member")
    everything = await catalog(member)
    await regions(admin)
    one = await an_endpoint(admin, "town")
    two = await an_endpoint(admin, "land", one["service_id"])
    assert len(await catalog(member)) == len(everything) + 2
    path = f"/v3/OS-EP-FILTER/projects/{member.project_id}"
    await admin("HEAD", f"{path}/endpoints/{one['id']}", status=404)
    await admin("PUT", f"{path}/endpoints/{one['id']}", status=204)
    await admin("PUT", f"{path}/endpoints/{one['id']}", status=409)
    await admin("HEAD", f"{path}/endpoints/{one['id']}", status=204)
    assert await catalog(member) == [one["id"]]
    found = (await admin.get(f"/v3/OS-EP-FILTER/endpoints/{one['id']}/projects"))["projects"]
    assert [project["id"] for project in found] == [member.project_id]

    body = {"endpoint_group": {"name": "g", "filters": {"region_id": "land"}}}
    group = (await admin.post("/v3/OS-EP-FILTER/endpoint_groups", body))["endpoint_group"]
    of_group = f"/v3/OS-EP-FILTER/endpoint_groups/{group['id']}"
    await admin("GET", f"{of_group}/projects/{member.project_id}", status=404)
    await admin("PUT", f"{of_group}/projects/{member.project_id}", status=204)
    tie = (await admin.get(f"{of_group}/projects/{member.project_id}"))["project_endpoint_group"]
    assert (tie["project_id"], tie["endpoint_group_id"]) == (member.project_id, group["id"])
    assert await catalog(member) == sorted([one["id"], two["id"]])
    assert len((await admin.get(f"{path}/endpoints"))["endpoints"]) == 2
    assert [g["id"] for g in (await admin.get(f"{path}/endpoint_groups"))["endpoint_groups"]] == [
        group["id"]
    ]
    assert [e["id"] for e in (await admin.get(f"{of_group}/endpoints"))["endpoints"]] == [two["id"]]
    assert len((await admin.get(f"{of_group}/projects"))["projects"]) == 1
    changed = {"endpoint_group": {"filters": {"region_id": "town"}, "description": "d"}}
    shown = (await admin("PATCH", of_group, changed, status=200)).json()["endpoint_group"]
    assert (shown["name"], shown["description"]) == ("g", "d")
    assert await catalog(member) == [one["id"]]
    for wrong in ({}, {"colour": "blue"}, {"interface": "side"}, {"region_id": 1}):
        body = {"endpoint_group": {"name": "g", "filters": wrong}}
        await admin.post("/v3/OS-EP-FILTER/endpoint_groups", body, 400)

    await admin("DELETE", f"{path}/endpoints/{one['id']}", status=204)
    await admin("DELETE", f"{path}/endpoints/{one['id']}", status=404)
    await admin("DELETE", of_group, status=204)
    assert len(await catalog(member)) == len(everything) + 2
    assert len(await catalog(admin)) == len(everything) + 2
