"""What identity refuses, and why; and what is right beside it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.identity.doors import (
    a_trust,
    an_ec2_key,
    an_owner,
    by_ec2,
    by_password,
    by_trust,
    roles_of,
    sign_in,
)
from tests.cloud import PASSWORD, Client, Cloud, running

NOWHERE = "0" * 32


@pytest.fixture
async def cloud(tmp_path: Path, database_url: str) -> AsyncIterator[Cloud]:
    """A cloud without hosts: nothing here needs one."""
    async with running(tmp_path, database=database_url, hosts=0) as cloud:
        yield cloud


async def says(
    client: Client, method: str, path: str, body: Any, status: int, why: str = ""
) -> None:
    """It is answered with this status, and these words are in what is said."""
    answer = await client(method, f"/v3{path}", body)
    got = f"{answer.status_code}: {answer.text[:300]}"
    assert answer.status_code == status and why in answer.text, f"{method} {path} {body}: {got}"


async def make(client: Client, what: str, values: Any, path: str = "") -> Any:
    return (await client.post(f"/v3/{path or what + 's'}", {what: values}))[what]


async def change(client: Client, what: str, one: Any, values: Any) -> Any:
    answer = await client("PATCH", f"/v3/{what}s/{one['id']}", {what: values}, status=200)
    return answer.json()[what]


# ---- projects and domains ----


async def test_a_project(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    other = await make(admin, "domain", {"name": "other"})
    top = await make(admin, "project", {"name": "top"})
    below = await make(admin, "project", {"name": "below", "parent_id": top["id"]})
    off = await make(admin, "project", {"name": "off", "enabled": False})
    for values, status, why in (
        ({"parent_id": NOWHERE}, 404, "Could not find project"),
        ({"parent_id": top["id"], "domain_id": other["id"]}, 400, "another domain"),
        ({"parent_id": other["id"], "domain_id": "default"}, 400, "another domain"),
        ({"parent_id": off["id"]}, 400, "below a disabled project"),
        ({"is_domain": True, "parent_id": top["id"]}, 400, "no parent"),
        ({"is_domain": True, "domain_id": "default"}, 400, "no parent and no domain"),
        ({"tags": ["a", "a"]}, 400, "tags are not unique"),
        ({"name": "top"}, 409, "same name"),
    ):
        await says(admin, "POST", "/projects", {"project": {"name": "n", **values}}, status, why)
    path = f"/projects/{below['id']}"
    for values, status, why in (
        ({"parent_id": "default"}, 403, "parent cannot be changed"),
        ({"domain_id": other["id"]}, 400, "domain cannot be changed"),
        ({"is_domain": True}, 400, "does not become a domain"),
        ({"name": "top"}, 409, "taken"),
    ):
        await says(admin, "PATCH", path, {"project": values}, status, why)
    same = {"parent_id": top["id"], "domain_id": "default", "is_domain": False}
    changed = await change(admin, "project", below, {**same, "note": "kept", "tags": ["b", "a"]})
    assert (changed["note"], changed["tags"]) == ("kept", ["a", "b"])
    assert (await change(admin, "project", below, {"more": 1}))["note"] == "kept"
    await says(admin, "DELETE", f"/projects/{top['id']}", None, 403, "below it")
    await admin("DELETE", f"/v3{path}", status=204)
    await admin("DELETE", f"/v3/projects/{top['id']}", status=204)


async def test_projects_are_five_deep(cloud: Cloud) -> None:
    admin, parent = await cloud.sign_in(), "default"
    for depth in range(1, 6):
        values = {"name": f"p{depth}", "parent_id": parent}
        answer = await admin("POST", "/v3/projects", {"project": values})
        if answer.status_code != 201:
            break
        parent = answer.json()["project"]["id"]
    values = {"name": "deeper", "parent_id": parent}
    await says(admin, "POST", "/projects", {"project": values}, 403, "deep")


async def test_a_disabled_branch(cloud: Cloud) -> None:
    """Nothing is made or enabled below what is disabled, and nothing is disabled above what is enabled."""
    admin = await cloud.sign_in()
    domain = await make(admin, "domain", {"name": "d"})
    top = await make(admin, "project", {"name": "top", "domain_id": domain["id"]})
    below = await make(admin, "project", {"name": "below", "parent_id": top["id"]})
    on, off = {"project": {"enabled": True}}, {"project": {"enabled": False}}
    top_path, path = f"/projects/{top['id']}", f"/projects/{below['id']}"
    await says(admin, "PATCH", top_path, off, 403, "enabled projects below")
    for one in (path, top_path):
        await says(admin, "PATCH", one, off, 200)
    await says(admin, "PATCH", path, on, 403, "below a disabled project")
    await says(admin, "PATCH", top_path, on, 200)
    await change(admin, "domain", domain, {"enabled": False})
    await says(admin, "PATCH", top_path, on, 200)  # it is that already
    await says(admin, "PATCH", path, on, 403, "below a disabled project")
    values = {"name": "new", "parent_id": top["id"]}
    await says(admin, "POST", "/projects", {"project": values}, 400, "below a disabled project")
    await change(admin, "domain", domain, {"enabled": True})
    await says(admin, "PATCH", path, on, 200)


async def test_what_is_above_and_below_a_project(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    top = await make(admin, "project", {"name": "top"})
    middle = await make(admin, "project", {"name": "middle", "parent_id": top["id"]})
    leaf = await make(admin, "project", {"name": "leaf", "parent_id": middle["id"]})
    role = (await roles_of(cloud))["member"]
    for one in (top, leaf):
        path = f"/v3/projects/{one['id']}/users/{admin.user_id}/roles/{role}"
        await admin("PUT", path, status=204)

    async def shown(of: Any, query: str) -> Any:
        return (await admin.get(f"/v3/projects/{of['id']}?{query}"))["project"]

    plain = await shown(leaf, "")
    assert "parents" not in plain and "subtree" not in plain
    ids = {middle["id"]: {top["id"]: {"default": None}}}
    assert (await shown(leaf, "parents_as_ids"))["parents"] == ids
    assert (await shown(top, "subtree_as_ids"))["subtree"] == {middle["id"]: {leaf["id"]: None}}
    assert (await shown(leaf, "subtree_as_ids"))["subtree"] is None
    # As a list only what the caller has a role on.
    listed = (await shown(leaf, "parents_as_list"))["parents"]
    assert [one["project"]["name"] for one in listed] == ["top"]
    listed = (await shown(top, "subtree_as_list"))["subtree"]
    assert [one["project"]["name"] for one in listed] == ["leaf"]
    assert "parents" not in await shown(leaf, "parents_as_list=0")
    for what in ("parents", "subtree"):
        path = f"/projects/{leaf['id']}?{what}_as_list&{what}_as_ids"
        await says(admin, "GET", path, None, 400, "at the same time")


async def test_a_projects_tags(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    one = await make(admin, "project", {"name": "p"})
    path = f"/projects/{one['id']}/tags"
    await says(admin, "PUT", path, {}, 400, "'tags' is a required property")
    await says(admin, "PUT", path, {"tags": ["a", "a"]}, 400, "not unique")
    await says(admin, "PUT", path, {"tags": [f"t{n}" for n in range(79)]}, 200)
    for tag, status in (("t78", 400), ("last", 201), ("more", 400)):
        await says(admin, "PUT", f"{path}/{tag}", None, status)
    for method in ("GET", "DELETE"):
        await says(admin, method, f"{path}/nobody", None, 404)
    await says(admin, "GET", f"{path}/last", None, 204)
    await says(admin, "DELETE", f"{path}/last", None, 204)
    await says(admin, "GET", f"{path}/last", None, 404)
    assert len((await admin.get(f"/v3{path}"))["tags"]) == 79


async def test_what_is_immutable_stays(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    locked = {"options": {"immutable": True}}
    for what in ("project", "domain", "role"):
        one = await make(admin, what, {"name": f"locked-{what}", **locked})
        path = f"/{what}s/{one['id']}"
        await says(admin, "PATCH", path, {what: {"name": "n"}}, 403, "is immutable")
        await says(admin, "PATCH", path, {what: {"name": "n", **locked}}, 403, "is immutable")
        await says(admin, "DELETE", path, None, 403, "is immutable")
        free = {"options": {"immutable": False}, "name": f"free-{what}"}
        changed = await change(admin, what, one, free)
        assert changed["options"] == {"immutable": False} and changed["name"] == f"free-{what}"
        assert (await change(admin, what, one, {"name": f"n-{what}"}))["options"] == {
            "immutable": False
        }


async def test_a_domain(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    await says(admin, "POST", "/domains", {"domain": {}}, 400, "'name' is a required")
    own = await make(admin, "domain", {"name": "own", "explicit_domain_id": "ab" * 16})
    assert own["id"] == "ab" * 16
    await says(admin, "DELETE", f"/domains/{own['id']}", None, 403, "disable it first")
    await says(admin, "DELETE", f"/projects/{own['id']}", None, 400, "disable it first")
    role = await make(admin, "role", {"name": "of the domain", "domain_id": own["id"]})
    user = await make(admin, "user", {"name": "u", "domain_id": own["id"]})
    project = await make(admin, "project", {"name": "p", "domain_id": own["id"]})
    grant = f"/projects/{project['id']}/users/{user['id']}/roles/{role['id']}"
    await says(admin, "PUT", grant, None, 204)
    await change(admin, "domain", own, {"enabled": False})
    await says(admin, "DELETE", f"/domains/{own['id']}", None, 204)
    for path in (f"/domains/{own['id']}", f"/roles/{role['id']}", f"/users/{user['id']}"):
        await says(admin, "GET", path, None, 404)


# ---- users, groups, roles ----


async def test_a_user(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    other = await make(admin, "domain", {"name": "other"})
    user = await make(admin, "user", {"name": "u", "description": "one", "password": PASSWORD})
    assert user["description"] == "one"
    path = f"/users/{user['id']}"
    body = {"user": {"domain_id": other["id"]}}
    await says(admin, "PATCH", path, body, 400, "domain cannot be changed")
    body = {"user": {"name": "admin"}}
    await says(admin, "PATCH", path, body, 409)
    assert (await change(admin, "user", user, {"domain_id": "default"}))["description"] == "one"
    assert (await change(admin, "user", user, {}))["name"] == "u"

    async def own(old: str, new: Any, status: int) -> None:
        body = {"user": {"original_password": old, "password": new}}
        await says(cloud.anonymous, "POST", f"{path}/password", body, status)

    await own("wrong", "n", 401)
    await own(PASSWORD, "", 400)
    await own(PASSWORD, "new", 204)
    await own(PASSWORD, "newer", 401)
    body = {"user": {"original_password": "a", "password": "b"}}
    await says(cloud.anonymous, "POST", f"/users/{NOWHERE}/password", body, 401)
    body = {"user": {"name": "long", "password": "x" * 4097}}
    await says(admin, "POST", "/users", body, 400)
    member = await make(admin, "project", {"name": "p"})
    role = (await roles_of(cloud))["member"]
    await says(admin, "PUT", f"/projects/{member['id']}/users/{user['id']}/roles/{role}", None, 204)
    listed = await admin.get(f"/v3{path}/projects")
    assert [one["name"] for one in listed["projects"]] == ["p"]


async def test_a_group(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    other = await make(admin, "domain", {"name": "other"})
    group = await make(admin, "group", {"name": "g"})
    await make(admin, "group", {"name": "taken"})
    user = await make(admin, "user", {"name": "u"})
    path = f"/groups/{group['id']}"
    body = {"group": {"domain_id": other["id"]}}
    await says(admin, "PATCH", path, body, 400, "domain cannot be changed")
    await says(admin, "PATCH", path, {"group": {"name": "taken"}}, 409)
    await change(admin, "group", group, {"domain_id": "default", "note": "kept"})
    assert (await change(admin, "group", group, {"description": "d"}))["note"] == "kept"
    assert (await admin.get(f"/v3{path}"))["group"]["description"] == "d"
    member = f"{path}/users/{user['id']}"
    for method in ("HEAD", "DELETE"):
        await says(admin, method, member, None, 404)
        await says(admin, method, f"{path}/users/{NOWHERE}", None, 404)
    await says(admin, "PUT", member, None, 204)
    await says(admin, "HEAD", member, None, 204)
    assert [one["id"] for one in (await admin.get(f"/v3{path}/users"))["users"]] == [user["id"]]
    await says(admin, "DELETE", member, None, 204)
    assert (await admin.get(f"/v3{path}/users"))["users"] == []


async def test_a_role(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    known = await roles_of(cloud)
    other = await make(admin, "domain", {"name": "other"})
    own = await make(admin, "role", {"name": "own", "domain_id": other["id"]})
    wide = await make(admin, "role", {"name": "wide"})
    narrow = await make(admin, "role", {"name": "narrow"})
    for one, values, status in (
        (own, {"domain_id": None}, 400),
        (own, {"domain_id": "default"}, 400),
        (wide, {"domain_id": other["id"]}, 400),
        (wide, {"name": "narrow"}, 409),
        (own, {"domain_id": other["id"]}, 200),
        (wide, {"domain_id": None, "note": "kept"}, 200),
        (wide, {"description": "d"}, 200),
    ):
        await says(admin, "PATCH", f"/roles/{one['id']}", {"role": values}, status)
    assert (await admin.get(f"/v3/roles/{wide['id']}"))["role"]["note"] == "kept"
    implies = f"/roles/{wide['id']}/implies"
    for implied, status in (
        (known["admin"], 403),
        (own["id"], 403),
        (NOWHERE, 404),
        (wide["id"], 400),
        (narrow["id"], 201),
    ):
        await says(admin, "PUT", f"{implies}/{implied}", None, status)
    await says(admin, "PUT", f"/roles/{narrow['id']}/implies/{wide['id']}", None, 400, "itself")
    for implied, status in ((narrow["id"], 200), (known["reader"], 404)):
        await says(admin, "GET", f"{implies}/{implied}", None, status)
    await says(admin, "HEAD", f"{implies}/{narrow['id']}", None, 204)
    found = (await admin.get(f"/v3{implies}"))["role_inference"]
    assert found["prior_role"]["id"] == wide["id"]
    assert [one["id"] for one in found["implies"]] == [narrow["id"]]
    for status in (204, 404):
        await says(admin, "DELETE", f"{implies}/{narrow['id']}", None, status)


async def test_assignments(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    known = await roles_of(cloud)
    user, group = await make(admin, "user", {"name": "u"}), await make(admin, "group", {"name": "g"})  # fmt: skip
    project = await make(admin, "project", {"name": "p"})
    pairs = (
        ("scope.project.id=a&scope.domain.id=b", "a domain or project"),
        ("scope.system=all&scope.domain.id=b", "system or domain"),
        ("scope.system=all&scope.project.id=a", "system or project"),
        ("user.id=a&group.id=b", "a user or group"),
        ("effective&group.id=b", "always result in an empty list"),
        ("effective&scope.domain.id=default&scope.OS-INHERIT:inherited_to=projects", "always"),
        ("include_subtree=1", "scope.project.id must be specified"),
    )
    for query, why in pairs:
        await says(admin, "GET", f"/role_assignments?{query}", None, 400, why)
    grant = f"/domains/default/users/{user['id']}/roles"
    for path in (
        f"/projects/default/users/{user['id']}/roles/{known['member']}",
        f"{grant}/{known['member']}",
        f"/OS-INHERIT{grant}/{known['reader']}/inherited_to_projects",
        f"/projects/{project['id']}/groups/{group['id']}/roles/{known['member']}",
    ):
        await says(admin, "PUT", path, None, 204)
    nobody = f"/domains/{project['id']}/users/{user['id']}/roles/{known['member']}"
    await says(admin, "PUT", nobody, None, 404, "domain")  # a project is not a domain
    listed = await admin.get(f"/v3{grant}")
    assert [one["name"] for one in listed["roles"]] == ["member"]
    found = await admin.get(f"/v3/role_assignments?user.id={user['id']}&scope.domain.id=default")
    links = {one["links"]["assignment"] for one in found["role_assignments"]}
    base = "http://cloud:5000/v3"
    inherited = f"{base}/OS-INHERIT{grant}/{known['reader']}/inherited_to_projects"
    assert inherited in links and f"{base}{grant}/{known['member']}" in links
    for status in (204, 404):
        await says(admin, "DELETE", f"{grant}/{known['member']}", None, status)


# ---- the catalog ----


async def test_a_region(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    top = await make(admin, "region", {"id": "top"})
    middle = await make(admin, "region", {"id": "middle", "parent_region_id": "top"})
    await make(admin, "region", {"id": "leaf", "parent_region_id": "middle"})
    await says(admin, "POST", "/regions", {"region": {"id": "top"}}, 409)
    body: Any = {"region": {"id": "n", "parent_region_id": "nowhere"}}
    await says(admin, "POST", "/regions", body, 404)
    await says(admin, "PUT", "/regions/n", {"region": {"id": "m"}}, 400)
    await says(admin, "PUT", "/regions/n", {"region": {"id": "n"}}, 201)
    for parent, status in (("top", 400), ("leaf", 400), ("nowhere", 404), ("n", 200), (None, 200)):
        body = {"region": {"parent_region_id": parent}}
        await says(admin, "PATCH", "/regions/top", body, status)
    await change(admin, "region", top, {"note": "kept"})
    assert (await change(admin, "region", top, {"description": None}))["note"] == "kept"
    assert (await admin.get("/v3/regions/top"))["region"]["description"] == ""
    service = await make(admin, "service", {"type": "t"})
    values = {"service_id": service["id"], "interface": "public", "url": "http://a"}
    endpoint = await make(admin, "endpoint", {**values, "region_id": "leaf"})
    for one in ("top", "middle", "leaf"):
        await says(admin, "DELETE", f"/regions/{one}", None, 403, "associated endpoints")
    await says(admin, "DELETE", f"/endpoints/{endpoint['id']}", None, 204)
    await says(admin, "DELETE", f"/regions/{middle['id']}", None, 204)
    for one, status in (("top", 200), ("middle", 404), ("leaf", 404)):  # with what is in it
        await says(admin, "GET", f"/regions/{one}", None, status)


async def test_an_endpoint(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    await make(admin, "region", {"id": "r"})
    service = await make(admin, "service", {"type": "t"})
    full = {"service_id": service["id"], "interface": "public", "url": "http://a"}
    for name in full:
        body = {"endpoint": {key: value for key, value in full.items() if key != name}}
        await says(admin, "POST", "/endpoints", body, 400, f"'{name}' is a required property")
    for values in ({"interface": "x"}, {"service_id": NOWHERE}, {"region_id": "nowhere"}):
        await says(admin, "POST", "/endpoints", {"endpoint": {**full, **values}}, 400)
    made = await make(admin, "endpoint", {**full, "region": "older"})
    assert made["region_id"] == "older"  # older clients name it so, and it is made
    assert (await admin.get("/v3/regions/older"))["region"]["id"] == "older"
    path = f"/endpoints/{made['id']}"
    for values in ({"interface": "x"}, {"service_id": NOWHERE}, {"region_id": "nowhere"}):
        await says(admin, "PATCH", path, {"endpoint": values}, 400)
    changed = await change(admin, "endpoint", made, {"region_id": "r", "note": "kept"})
    assert (changed["region_id"], changed["note"], changed["url"]) == ("r", "kept", "http://a")
    changed = await change(admin, "endpoint", made, {"region_id": None, "enabled": False})
    assert (changed["region_id"], changed["enabled"], changed["note"]) == (None, False, "kept")
    assert (await admin.get(f"/v3{path}"))["endpoint"] == changed
    assert (await admin.get(f"/v3/services/{service['id']}"))["service"]["type"] == "t"
    await says(admin, "DELETE", f"/services/{service['id']}", None, 204)
    await says(admin, "GET", path, None, 404)


async def test_endpoints_of_projects(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    project = await make(admin, "project", {"name": "p"})
    service = await make(admin, "service", {"type": "t"})
    values = {"service_id": service["id"], "interface": "public", "url": "http://a"}
    endpoint = await make(admin, "endpoint", values)
    base = "OS-EP-FILTER/endpoint_groups"
    for body, why in (
        ({"name": "g"}, "filters field is required"),
        ({"filters": {"interface": "public"}}, "'name' is a required property"),
        ({"name": "g", "filters": {"url": "x"}}, ""),
    ):
        await says(admin, "POST", f"/{base}", {"endpoint_group": body}, 400, why)
    values = {"name": "g", "filters": {"interface": "public"}}
    group = await make(admin, "endpoint_group", values, base)
    path = f"/{base}/{group['id']}"
    await says(admin, "PATCH", path, {"endpoint_group": {"filters": {"url": "x"}}}, 400)
    await says(admin, "PATCH", path, {"endpoint_group": {"filters": None, "name": "h"}}, 200)
    shown = (await admin.get(f"/v3{path}"))["endpoint_group"]
    assert (shown["name"], shown["filters"]) == ("h", {"interface": "public"})
    for one in (
        f"/OS-EP-FILTER/projects/{project['id']}/endpoints/{endpoint['id']}",
        f"{path}/projects/{project['id']}",
    ):
        await says(admin, "GET", one, None, 404)
        await says(admin, "DELETE", one, None, 404)
        await says(admin, "PUT", one, None, 204)
        assert (await admin("GET", f"/v3{one}")).status_code in (200, 204)
        await says(admin, "DELETE", one, None, 204)
        await says(admin, "GET", one, None, 404)


# ---- limits ----


async def test_limits_of_a_domain(cloud: Cloud) -> None:
    """A token of a domain sees the limits of the domain and its projects, and no others."""
    owner = await an_owner(cloud, "own", "member")
    stranger = await an_owner(cloud, "other", "member")
    admin = await cloud.sign_in()
    domain, role = owner.body["user"]["domain"]["id"], (await roles_of(cloud))["reader"]
    grant = f"/domains/{domain}/users/{owner.user_id}/roles/{role}"
    await says(admin, "PUT", grant, None, 204)
    client = await sign_in(cloud, by_password(owner.user_id), {"domain": {"id": domain}})
    service = await make(admin, "service", {"type": "t"})
    of = {"service_id": service["id"], "resource_name": "things"}
    values = {**of, "default_limit": 5}
    made = await admin.post("/v3/registered_limits", {"registered_limits": [values]})
    registered = made["registered_limits"][0]
    for whose in (
        {"domain_id": domain},
        {"project_id": owner.project_id},
        {"project_id": stranger.project_id},
    ):
        body = {"limits": [{**of, **whose, "resource_limit": 3}]}
        await says(admin, "POST", "/limits", body, 201)
    listed = (await client.get("/v3/limits"))["limits"]
    found = {(one["domain_id"], one["project_id"]) for one in listed}
    assert found == {(domain, None), (None, owner.project_id)}
    for one in (await admin.get("/v3/limits"))["limits"]:
        mine = (one["domain_id"], one["project_id"]) in found
        await says(client, "GET", f"/limits/{one['id']}", None, 200 if mine else 403)
        await says(admin, "PATCH", f"/limits/{one['id']}", {"limit": {"resource_limit": 4}}, 200)
    path = f"/registered_limits/{registered['id']}"
    await says(admin, "PATCH", path, {"registered_limit": {"default_limit": 6}}, 403)
    for one in (await admin.get("/v3/limits"))["limits"]:
        await says(admin, "DELETE", f"/limits/{one['id']}", None, 204)
    await says(admin, "PATCH", path, {"registered_limit": {"default_limit": 6}}, 200)
    shown = (await admin.get(f"/v3{path}"))["registered_limit"]
    assert (shown["default_limit"], shown["resource_name"]) == (6, "things")


# ---- signing in ----


async def test_a_sign_in(cloud: Cloud) -> None:
    owner = await an_owner(cloud, "owner", "member")
    admin = await cloud.sign_in()
    off = await make(admin, "project", {"name": "off"})
    known = await roles_of(cloud)
    grant = f"/projects/{off['id']}/users/{owner.user_id}/roles/{known['member']}"
    await says(admin, "PUT", grant, None, 204)
    await change(admin, "project", off, {"enabled": False})
    proof = by_password(owner.user_id)
    other = by_password(admin.user_id)["password"]
    token = {"token": {"id": owner.token}}
    for identity, scope, status in (
        ({"methods": ["magic"], "magic": {}}, None, 401),
        ({"methods": ["password"]}, None, 400),
        ({"methods": ["password", "token"], "password": other, **token}, None, 401),
        ({**proof, "methods": ["password", "token"], **token}, None, 201),
        (proof, {"project": {"id": owner.project_id}}, 201),
        (proof, {"project": {"id": off["id"]}}, 401),
        (proof, {"project": {"id": NOWHERE}}, 401),
        (proof, {"project": {"name": "owner"}}, 400),
        (proof, {"domain": {"id": NOWHERE}}, 401),
        (proof, {"domain": {"id": owner.body["user"]["domain"]["id"]}}, 401),
        (proof, {"system": {"all": True}}, 401),
        (proof, {}, 400),
        (proof, {"project": {"id": owner.project_id}, "domain": {"id": "default"}}, 400),
        (proof, "unscoped", 201),
        (proof, "scoped", 400),
    ):
        auth: dict[str, Any] = {"identity": identity}
        if scope is not None:
            auth["scope"] = scope
        await says(cloud.anonymous, "POST", "/auth/tokens", {"auth": auth}, status)
    domain = await make(admin, "domain", {"name": "off", "enabled": False})
    grant = f"/domains/{domain['id']}/users/{admin.user_id}/roles/{known['admin']}"
    await says(admin, "PUT", grant, None, 204)
    await cloud.sign_in(scope={"domain": {"id": domain["id"]}}, status=401)
    await cloud.sign_in(scope={"domain": {"id": "default"}}, status=401)  # no role there


async def test_a_token_of_the_system_stays_there(cloud: Cloud) -> None:
    system = await cloud.sign_in(scope={"system": {"all": True}})
    admin = await cloud.sign_in()
    identity = {"methods": ["token"], "token": {"id": system.token}}
    for scope, status in (
        ({"project": {"id": admin.project_id}}, 403),
        ({"domain": {"id": "default"}}, 403),
        ({"system": {"all": True}}, 201),
    ):
        body = {"auth": {"identity": identity, "scope": scope}}
        await says(cloud.anonymous, "POST", "/auth/tokens", body, status)


async def test_a_default_project(cloud: Cloud) -> None:
    """Without a scope a token is of the user's default project, where that is enabled and the user has a role."""
    owner = await an_owner(cloud, "owner", "member")
    admin = await cloud.sign_in()
    elsewhere = await make(admin, "project", {"name": "elsewhere"})
    user, project = {"id": owner.user_id}, {"id": owner.project_id}

    async def scoped() -> str:
        client = await sign_in(cloud, by_password(owner.user_id))
        return str(client.body.get("project", {}).get("id", ""))

    assert await scoped() == ""
    await change(admin, "user", user, {"default_project_id": owner.project_id})
    assert await scoped() == owner.project_id
    assert "project" not in (await sign_in(cloud, by_password(owner.user_id), "unscoped")).body
    await change(admin, "project", project, {"enabled": False})
    assert await scoped() == ""
    await change(admin, "project", project, {"enabled": True})
    await change(admin, "user", user, {"default_project_id": elsewhere["id"]})
    assert await scoped() == ""


async def test_who_is_switched_off_meanwhile(cloud: Cloud) -> None:
    owner = await an_owner(cloud, "owner", "member")
    admin = await cloud.sign_in()
    key = await an_ec2_key(owner)
    await by_ec2(cloud, key)
    await change(admin, "user", {"id": owner.user_id}, {"enabled": False})
    await by_ec2(cloud, key, 401)
    await sign_in(cloud, by_password(owner.user_id), status=401)
    await change(admin, "user", {"id": owner.user_id}, {"enabled": True})
    await sign_in(cloud, by_password(owner.user_id))


# ---- delegations ----


async def test_an_application_credential(cloud: Cloud) -> None:
    owner = await an_owner(cloud, "owner", "member")
    known = await roles_of(cloud)
    path = f"/users/{owner.user_id}/application_credentials"
    rule = {"path": "/v2.1/servers", "method": "GET", "service": "compute"}
    cases: Any = (
        ({"roles": [{"id": known["admin"]}]}, 400),
        ({"roles": [{"name": "admin"}]}, 400),
        ({"roles": [{"id": NOWHERE}]}, 404),
        ({"roles": [{"name": "member"}]}, 201),
        ({"roles": [{"id": known["reader"]}]}, 201),  # which member implies
        ({"roles": []}, 201),
        ({"access_rules": [{"path": "/v2.1/servers"}]}, 400),
        ({"access_rules": [{"id": NOWHERE}]}, 404),
        ({"access_rules": [rule]}, 201),
    )
    for number, (values, status) in enumerate(cases):
        body: Any = {"application_credential": {"name": f"n{number}", **values}}
        await says(owner, "POST", path, body, status)
    unscoped = await sign_in(cloud, by_password(owner.user_id), "unscoped")
    await says(unscoped, "POST", path, {"application_credential": {"name": "u"}}, 400, "project")
    made = (await owner.get(f"/v3{path}"))["application_credentials"]
    roles = {one["name"]: {role["name"] for role in one["roles"]} for one in made}
    assert roles["n3"] == {"member"} and roles["n4"] == {"reader"} and "member" in roles["n5"]
    rules = (await owner.get(f"/v3/users/{owner.user_id}/access_rules"))["access_rules"]
    one = f"/users/{owner.user_id}/access_rules/{rules[0]['id']}"
    assert (await owner.get(f"/v3{one}"))["access_rule"]["path"] == "/v2.1/servers"
    body = {"application_credential": {"name": "by id", "access_rules": [{"id": rules[0]["id"]}]}}
    await says(owner, "POST", path, body, 201)
    await says(owner, "DELETE", one, None, 403, "still used")
    for credential in (await owner.get(f"/v3{path}"))["application_credentials"]:
        await says(owner, "DELETE", f"{path}/{credential['id']}", None, 204)
    await says(owner, "DELETE", one, None, 204)
    await says(owner, "GET", one, None, 404)


async def test_how_an_application_credential_is_named(cloud: Cloud) -> None:
    owner = await an_owner(cloud, "owner", "member")
    body = {"application_credential": {"name": "mine", "secret": "s"}}
    path = f"/v3/users/{owner.user_id}/application_credentials"
    made = (await owner.post(path, body))["application_credential"]
    user = {"id": owner.user_id}
    ways: Any = (
        ({"id": made["id"]}, 201),
        ({"name": "mine", "user": user}, 201),
        ({"name": "mine"}, 400),
        ({"user": user}, 400),
        ({}, 400),
        ({"name": "other", "user": user}, 401),
        ({"name": "mine", "user": {"id": NOWHERE}}, 401),
        ({"id": NOWHERE}, 401),
    )
    for named, status in ways:
        method = {**named, "secret": "s"}
        identity = {"methods": ["application_credential"], "application_credential": method}
        await says(cloud.anonymous, "POST", "/auth/tokens", {"auth": {"identity": identity}}, status)  # fmt: skip


async def test_a_trust(cloud: Cloud) -> None:
    trustor = await an_owner(cloud, "trustor", "member")
    trustee = await an_owner(cloud, "trustee", "reader")
    known = await roles_of(cloud)
    base: dict[str, Any] = {
        "trustor_user_id": trustor.user_id,
        "trustee_user_id": trustee.user_id,
        "impersonation": False,
    }
    roles, project = [{"id": known["member"]}], trustor.project_id
    cases: Any = (
        ({"project_id": project, "roles": []}, 403),
        ({"project_id": project, "roles": [{"id": known["admin"]}]}, 404),
        ({"project_id": NOWHERE, "roles": roles}, 404),
        ({"project_id": None, "roles": roles}, 404),
        ({"trustee_user_id": NOWHERE, "project_id": project, "roles": roles}, 404),
        ({"trustor_user_id": trustee.user_id, "project_id": project, "roles": roles}, 403),
        ({"project_id": project, "roles": roles, "remaining_uses": 0}, 400),
        ({"project_id": None, "roles": []}, 201),
    )
    for values, status in cases:
        await says(trustor, "POST", "/OS-TRUST/trusts", {"trust": {**base, **values}}, status)
    listed = f"/v3/OS-TRUST/trusts?trustor_user_id={trustor.user_id}"
    bare = (await trustor.get(listed))["trusts"]
    assert [one["project_id"] for one in bare] == [None]
    lent = await by_trust(cloud, trustee, bare[0]["id"])  # it lends nothing but the name
    assert "project" not in lent.body and not lent.body.get("roles")
    stranger = await an_owner(cloud, "stranger", "member")
    made = await a_trust(trustor, trustee)
    await by_trust(cloud, trustee, made["id"])
    await by_trust(cloud, stranger, made["id"], 401)
    await by_trust(cloud, trustee, NOWHERE, 401)
