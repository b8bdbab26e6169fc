"""Signing in, validation, revocation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hanok.base.clock import MovableClock
from tests.cloud import PASSWORD, Client, Cloud, running


async def test_version_document_answers_300_and_names_v3(cloud: Cloud) -> None:
    answer = await cloud.anonymous.get("/", 300)
    assert answer["versions"]["values"][0]["id"] == "v3.14"
    one = await cloud.anonymous.get("/v3")
    assert one["version"]["links"][0]["href"] == "http://cloud:5000/v3/"


async def test_password_token_carries_roles_project_and_catalog(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    assert {role["name"] for role in admin.body["roles"]} == {
        "admin",
        "manager",
        "member",
        "reader",
    }
    assert admin.body["project"]["name"] == "admin"
    compute = next(entry for entry in admin.body["catalog"] if entry["type"] == "compute")
    assert {e["interface"] for e in compute["endpoints"]} == {"public", "internal", "admin"}
    assert compute["endpoints"][0]["url"] == "http://cloud:5000/compute/v2.1"


async def test_wrong_password_and_unknown_name_are_refused_alike(cloud: Cloud) -> None:
    async def refused(name: str) -> object:
        user = {"name": name, "domain": {"id": "default"}, "password": "wrong"}
        auth = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}}}
        return (await cloud.anonymous("POST", "/v3/auth/tokens", auth, status=401)).json()

    assert await refused("admin") == await refused("nobody")


async def test_scopes_unscoped_domain_and_system(cloud: Cloud) -> None:
    unscoped = await cloud.sign_in(scope=None, project=None)
    assert "roles" not in unscoped.body and "catalog" not in unscoped.body
    system = await cloud.sign_in(scope={"system": {"all": True}})
    assert system.body["system"] == {"all": True}
    await cloud.sign_in(scope={"domain": {"id": "default"}}, status=401)
    roles = {r["name"]: r["id"] for r in (await system.get("/v3/roles"))["roles"]}
    await system(
        "PUT", f"/v3/domains/default/users/{system.user_id}/roles/{roles['admin']}", status=204
    )
    domain = await cloud.sign_in(scope={"domain": {"id": "default"}})
    assert domain.body["domain"]["name"] == "Default"


async def test_token_from_a_token_ends_no_later(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    auth = {"auth": {"identity": {"methods": ["token"], "token": {"id": admin.token}}}}
    response = await cloud.anonymous("POST", "/v3/auth/tokens", auth, status=201)
    body = response.json()["token"]
    assert body["expires_at"] <= admin.body["expires_at"]
    assert body["methods"] == ["token", "password"]
    assert body["audit_ids"][1] == admin.body["audit_ids"][0]


async def _lives(client: Client) -> bool:
    return (await client("GET", "/v3/auth/projects")).status_code == 200


async def test_every_revocation_ends_the_token_on_the_next_request(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    roles = {r["name"]: r["id"] for r in (await admin.get("/v3/roles"))["roles"]}
    number = 0

    async def fresh() -> Client:
        nonlocal number
        number += 1
        client = await cloud.project_with(f"p{number}", "member")
        assert await _lives(client)
        return client

    one = await fresh()
    await admin(
        "DELETE",
        f"/v3/projects/{one.project_id}/users/{one.user_id}/roles/{roles['member']}",
        status=204,
    )
    assert not await _lives(one)

    one = await fresh()
    change = {"user": {"original_password": PASSWORD, "password": "other"}}
    await one("POST", f"/v3/users/{one.user_id}/password", change, status=204)
    assert not await _lives(one)

    one = await fresh()
    await admin("PATCH", f"/v3/users/{one.user_id}", {"user": {"enabled": False}}, status=200)
    assert not await _lives(one)
    await admin("PATCH", f"/v3/users/{one.user_id}", {"user": {"enabled": True}}, status=200)
    assert not await _lives(one)

    one = await fresh()
    await admin(
        "PATCH", f"/v3/projects/{one.project_id}", {"project": {"enabled": False}}, status=200
    )
    assert not await _lives(one)

    one = await fresh()
    await admin("DELETE", f"/v3/users/{one.user_id}", status=204)
    assert not await _lives(one)

    one = await fresh()
    await admin("DELETE", f"/v3/projects/{one.project_id}", status=204)
    assert not await _lives(one)

    one = await fresh()
    await one("DELETE", "/v3/auth/tokens", headers={"X-Subject-Token": one.token}, status=204)
    assert not await _lives(one)


async def test_application_credential_signs_in_and_makes_no_authority(cloud: Cloud) -> None:
    one = await cloud.project_with("p", "member")
    path = f"/v3/users/{one.user_id}/application_credentials"
    made = await one.post(path, {"application_credential": {"name": "ci"}})
    credential = made["application_credential"]
    identity = {
        "methods": ["application_credential"],
        "application_credential": {"id": credential["id"], "secret": credential["secret"]},
    }
    response = await cloud.anonymous(
        "POST", "/v3/auth/tokens", {"auth": {"identity": identity}}, status=201
    )
    delegate = Client(cloud.http, response.headers["X-Subject-Token"])
    assert response.json()["token"]["project"]["id"] == one.project_id
    assert await _lives(delegate)
    await delegate("POST", path, {"application_credential": {"name": "more"}}, status=403)
    auth = {"auth": {"identity": {"methods": ["token"], "token": {"id": delegate.token}}}}
    await cloud.anonymous("POST", "/v3/auth/tokens", auth, status=403)
    await one("DELETE", f"{path}/{credential['id']}", status=204)
    assert not await _lives(delegate)


async def test_access_rules_bound_an_application_credential(cloud: Cloud) -> None:
    one = await cloud.project_with("p", "member")
    path = f"/v3/users/{one.user_id}/application_credentials"
    rule = {"service": "identity", "method": "GET", "path": "/v3/auth/projects"}
    made = await one.post(path, {"application_credential": {"name": "ci", "access_rules": [rule]}})
    identity = {
        "methods": ["application_credential"],
        "application_credential": {
            "id": made["application_credential"]["id"],
            "secret": made["application_credential"]["secret"],
        },
    }
    response = await cloud.anonymous(
        "POST", "/v3/auth/tokens", {"auth": {"identity": identity}}, status=201
    )
    delegate = Client(cloud.http, response.headers["X-Subject-Token"])
    assert await _lives(delegate)
    await delegate("GET", f"/v3/users/{one.user_id}", status=403)


async def test_leaving_a_group_ends_what_the_group_gave(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    roles = {r["name"]: r["id"] for r in (await admin.get("/v3/roles"))["roles"]}
    one = await cloud.project_with("p", "member")
    group = (await admin.post("/v3/groups", {"group": {"name": "g"}}))["group"]
    other = (await admin.post("/v3/projects", {"project": {"name": "other"}}))["project"]
    path = f"/v3/projects/{other['id']}/groups/{group['id']}/roles/{roles['reader']}"
    await admin("PUT", path, status=204)
    membership = f"/v3/groups/{group['id']}/users/{one.user_id}"
    await admin("PUT", membership, status=204)
    there = await cloud.sign_in("p", PASSWORD, project="other")
    assert [r["name"] for r in there.body["roles"]] == ["reader"] and await _lives(there)
    await admin("DELETE", membership, status=204)
    assert not await _lives(there) and await _lives(one)


async def test_a_role_that_is_no_longer_implied_is_gone_from_the_next_request(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    boss = (await admin.post("/v3/roles", {"role": {"name": "boss"}}))["role"]
    roles = {r["name"]: r["id"] for r in (await admin.get("/v3/roles"))["roles"]}
    implied = f"/v3/roles/{boss['id']}/implies/{roles['reader']}"
    await admin("PUT", implied, status=201)
    one = await cloud.project_with("p", "boss")
    assert {r["name"] for r in one.body["roles"]} == {"boss", "reader"}
    own = f"/placement/usages?project_id={one.project_id}"
    version = {"OpenStack-API-Version": "placement 1.39"}
    await one("GET", own, headers=version, status=200)
    await admin("DELETE", implied, status=204)
    await one("GET", own, headers=version, status=403)
    cycle = f"/v3/roles/{boss['id']}/implies/{boss['id']}"
    await admin("PUT", cycle, status=400)


async def test_inherited_roles_reach_the_projects_below_and_not_the_domain(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    roles = {r["name"]: r["id"] for r in (await admin.get("/v3/roles"))["roles"]}
    one = await cloud.project_with("p", "reader")
    base = f"/v3/OS-INHERIT/domains/default/users/{one.user_id}/roles"
    path = f"{base}/{roles['member']}/inherited_to_projects"
    await admin("PUT", path, status=204)
    again = await cloud.sign_in("p", PASSWORD, project="p")
    assert {r["name"] for r in again.body["roles"]} == {"reader", "member"}
    await cloud.sign_in("p", PASSWORD, scope={"domain": {"id": "default"}}, status=401)
    effective = await admin.get(
        f"/v3/role_assignments?user.id={one.user_id}&effective&include_names=true"
    )
    names = {
        (a["role"]["name"], a["scope"]["project"]["name"]) for a in effective["role_assignments"]
    }
    assert {("member", "p"), ("reader", "p"), ("member", "admin")} <= names
    await admin("DELETE", path, status=204)
    await cloud.sign_in("p", PASSWORD, project="admin", status=401)


@pytest.mark.parametrize(
    ("query", "roles"),
    [
        ("", {"reader", "member"}),
        ("&scope.OS-INHERIT:inherited_to=projects", {"member"}),
        ("&scope.OS-INHERIT:inherited_to=none", {"reader"}),
        ("&effective&scope.OS-INHERIT:inherited_to=projects", {"member", "reader"}),  # implied
        ("&effective&scope.OS-INHERIT:inherited_to=none", {"reader"}),
        ("&scope.system=none", {"reader", "member"}),
        ("&scope.system=all", set()),
        ("&scope.system=all&scope.domain.id=default", None),
        ("&scope.system=all&scope.project.id=p", None),
        ("&group.id=g", None),
        ("&effective&scope.domain.id=default&scope.OS-INHERIT:inherited_to=projects", None),
    ],
)
async def test_assignments_by_inheritance_and_place(
    cloud: Cloud, query: str, roles: set[str] | None
) -> None:
    """None: the filters do not go together."""
    admin = await cloud.sign_in()
    known = {r["name"]: r["id"] for r in (await admin.get("/v3/roles"))["roles"]}
    names = {role_id: name for name, role_id in known.items()}
    one = await cloud.project_with("p", "reader")
    base = f"/v3/OS-INHERIT/domains/default/users/{one.user_id}/roles"
    await admin("PUT", f"{base}/{known['member']}/inherited_to_projects", status=204)
    path = f"/v3/role_assignments?user.id={one.user_id}{query}"
    if roles is None:
        await admin("GET", path, status=400)
        return
    found = (await admin.get(path))["role_assignments"]
    direct = {"reader", "member"} & {names[line["role"]["id"]] for line in found}
    assert direct == roles


@pytest.mark.parametrize("query", ["", "&effective"])
async def test_assignments_have_pages(cloud: Cloud, query: str) -> None:
    admin = await cloud.sign_in()
    known = {role["name"]: role["id"] for role in (await admin.get("/v3/roles"))["roles"]}
    one = await cloud.project_with("p", "reader")
    for role in ("member", "manager", "service"):
        path = f"/v3/projects/{one.project_id}/users/{one.user_id}/roles/{known[role]}"
        await admin("PUT", path, status=204)
    path = f"/v3/role_assignments?user.id={one.user_id}{query}"
    whole = await admin.get(path)
    assert whole["links"]["next"] is None and "truncated" not in whole
    seen: list[Any] = []
    page = await admin.get(f"{path}&limit=3")
    while True:
        assert len(page["role_assignments"]) <= 3
        seen += page["role_assignments"]
        if page["links"]["next"] is None:
            break
        assert page["truncated"] is True
        page = await admin.get(page["links"]["next"])
    assert seen == whole["role_assignments"] and len(seen) > 3
    await admin("GET", f"{path}&marker=nobody", status=404)
    await admin("GET", f"{path}&limit=x", status=400)


async def test_a_dead_token_in_a_body_is_not_found(cloud: Cloud) -> None:
    one = await cloud.project_with("p", "member")
    await one("DELETE", "/v3/auth/tokens", headers={"X-Subject-Token": one.token}, status=204)
    auth = {"auth": {"identity": {"methods": ["token"], "token": {"id": one.token}}}}
    await cloud.anonymous("POST", "/v3/auth/tokens", auth, status=404)


async def test_roles_of_a_domain_only_lead_to_others(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    member = await cloud.project_with("p", "member")
    body = {"role": {"name": "own", "domain_id": "default"}}
    own = (await admin.post("/v3/roles", body))["role"]["id"]
    plain = (await admin.post("/v3/roles", {"role": {"name": "plain"}}))["role"]["id"]
    await admin("PUT", f"/v3/roles/{plain}/implies/{own}", status=403)
    grant = f"/v3/projects/{member.project_id}/users/{member.user_id}/roles/{own}"
    await admin("PUT", grant, status=204)
    query = f"/v3/role_assignments?effective&user.id={member.user_id}"
    found = (await admin.get(query))["role_assignments"]
    assert own not in [one["role"]["id"] for one in found]
    await admin("PUT", f"/v3/roles/{own}/implies/{plain}", status=201)
    found = (await admin.get(query))["role_assignments"]
    assert plain in [one["role"]["id"] for one in found]


async def test_a_project_that_acts_as_a_domain(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    body = {"project": {"name": "acting", "is_domain": True}}
    made = (await admin.post("/v3/projects", body))["project"]["id"]
    assert made in [one["id"] for one in (await admin.get("/v3/domains"))["domains"]]
    user = {"user": {"name": "u", "domain_id": made}}
    user_id = (await admin.post("/v3/users", user))["user"]["id"]
    await admin("DELETE", f"/v3/projects/{made}", status=400)
    off = {"project": {"enabled": False}}
    await admin("PATCH", f"/v3/projects/{made}", off, status=200)
    await admin("DELETE", f"/v3/projects/{made}", status=204)
    await admin("GET", f"/v3/domains/{made}", status=404)
    await admin("GET", f"/v3/users/{user_id}", status=404)


async def test_what_was_begun_with_a_token_stands_while_its_rights_do(tmp_path: Path) -> None:
    clock = MovableClock()
    async with running(tmp_path, clock=clock) as cloud:
        member = await cloud.project_with("p", "member")
        tokens = cloud.identity.tokens
        clock.move(2 * 3600)
        assert await tokens.validate(member.token) is None
        standing = await tokens.standing(member.token)
        assert standing is not None and standing.roles == ("member", "reader")
        admin = await cloud.sign_in()
        await admin("DELETE", f"/v3/users/{member.user_id}", status=204)
        assert await tokens.standing(member.token) is None
        assert await tokens.standing("nothing") is None
