"""A token for a domain looks at that domain only, whatever its role."""

from __future__ import annotations

from tests.api.identity.doors import an_owner, by_password, roles_of, sign_in
from tests.cloud import Client, Cloud


async def _of_domain(cloud: Cloud, name: str, role: str) -> tuple[Client, Client, str]:
    """A user's tokens for its project and for its domain; the domain."""
    owner = await an_owner(cloud, name, "member")
    domain = str(owner.body["user"]["domain"]["id"])
    admin = await cloud.sign_in()
    role_id = (await roles_of(cloud))[role]
    await admin("PUT", f"/v3/domains/{domain}/users/{owner.user_id}/roles/{role_id}", status=204)
    scope = {"domain": {"id": domain}}
    return owner, await sign_in(cloud, by_password(owner.user_id), scope), domain


async def test_lists_hold_what_is_in_the_domain(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    _, _, elsewhere = await _of_domain(cloud, "elsewhere", "admin")
    for role in ("admin", "reader"):
        owner, client, domain = await _of_domain(cloud, role, role)
        group = {"group": {"name": "g", "domain_id": elsewhere}}
        group_id = (await admin.post("/v3/groups", group))["group"]["id"]
        await admin("PUT", f"/v3/groups/{group_id}/users/{owner.user_id}", status=204)
        for what in ("users", "projects", "groups", "role_assignments", "domains"):
            for query in ("", f"?domain_id={elsewhere}"):
                answer = await client("GET", f"/v3/{what}{query}")
                assert answer.status_code in (200, 403)
                found = answer.json().get(what, [])
                assert elsewhere not in str(found), f"{role}: {what}{query}: {found}"
        listed = await client.get(f"/v3/users/{owner.user_id}/groups")
        assert listed["groups"] == [], role
        assert [one["id"] for one in (await client.get("/v3/users"))["users"]] == [owner.user_id]
        assert [one["id"] for one in (await client.get("/v3/domains"))["domains"]] == [domain]
        await admin("DELETE", f"/v3/groups/{group_id}", status=204)


async def test_readers_of_a_domain_look_at_grants_of_roles_of_no_domain(cloud: Cloud) -> None:
    owner, client, _ = await _of_domain(cloud, "mine", "reader")
    known = await roles_of(cloud)
    path = f"/v3/projects/{owner.project_id}/users/{owner.user_id}/roles"
    await client("HEAD", f"{path}/{known['member']}", status=204)
    await client("HEAD", f"{path}/{known['admin']}", status=404)
    _, stranger, _ = await _of_domain(cloud, "other", "reader")
    await stranger("HEAD", f"{path}/{known['member']}", status=403)


async def test_a_role_of_a_domain_is_given_on_its_projects_only(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    owner, _, domain = await _of_domain(cloud, "mine", "reader")
    role = {"role": {"name": "local", "domain_id": domain}}
    role_id = (await admin.post("/v3/roles", role))["role"]["id"]
    mine, other = owner.project_id, admin.project_id
    for project_id, status in ((mine, 204), (other, 403)):
        path = f"/v3/projects/{project_id}/users/{owner.user_id}/roles/{role_id}"
        await admin("PUT", path, status=status)


async def test_an_administrator_of_a_domain_is_none_of_the_cloud(cloud: Cloud) -> None:
    owner, client, _ = await _of_domain(cloud, "mine", "admin")
    for method, path, body in (
        ("POST", "/v3/domains", {"domain": {"name": "more"}}),
        ("POST", "/v3/services", {"service": {"type": "x"}}),
        ("POST", "/v3/roles", {"role": {"name": "x"}}),
        ("POST", "/v3/OS-OAUTH1/consumers", {"consumer": {}}),
        ("GET", "/v3/OS-TRUST/trusts", None),
        ("POST", f"/v3/users/{owner.user_id}/credentials/OS-EC2", {"tenant_id": "0" * 32}),
    ):
        await client(method, path, body, status=403)
