"""What ends for good: tokens of what was switched off, credentials with their makers, passcodes that were used."""

from __future__ import annotations

import base64
import os
from datetime import timedelta
from typing import Any

import pytest

from hanok.services.identity.logic.methods.totp import passcodes
from tests.api.identity.doors import an_application_credential, by_application_credential, sign_in
from tests.cloud import PASSWORD, Client, Cloud

SEEN = "/v3/auth/tokens"


async def _standing(client: Client) -> int:
    return (await client("GET", SEEN, headers={"X-Subject-Token": client.token})).status_code


async def _in_domain(cloud: Cloud, admin: Client) -> tuple[str, str, Client]:
    """A domain with a project and a user who is a member there: their ids, and the user signed in."""
    domain = (await admin.post("/v3/domains", {"domain": {"name": "d"}}))["domain"]["id"]
    project = await admin.post("/v3/projects", {"project": {"name": "p", "domain_id": domain}})
    requested = {"name": "u", "domain_id": domain, "password": PASSWORD}
    user = (await admin.post("/v3/users", {"user": requested}))["user"]["id"]
    roles = {role["name"]: role["id"] for role in (await admin.get("/v3/roles"))["roles"]}
    project_id = project["project"]["id"]
    path = f"/v3/projects/{project_id}/users/{user}/roles/{roles['member']}"
    await admin("PUT", path, status=204)
    proof = {
        "methods": ["password"],
        "password": {"user": {"id": user, "password": PASSWORD}},
    }
    return domain, project_id, await _scoped(cloud, proof, {"project": {"id": project_id}})


async def _scoped(cloud: Cloud, proof: Any, scope: Any) -> Client:
    answer = await cloud.anonymous(
        "POST", SEEN, {"auth": {"identity": proof, "scope": scope}}, status=201
    )
    return Client(cloud.http, answer.headers["X-Subject-Token"], answer.json()["token"])


@pytest.mark.parametrize("what", ["user's domain", "project's domain", "project"])
async def test_a_token_stays_dead_when_what_was_off_is_on_again(cloud: Cloud, what: str) -> None:
    admin = await cloud.sign_in()
    domain, project_id, user = await _in_domain(cloud, admin)
    if what == "project's domain":  # a user of another domain
        roles = {role["name"]: role["id"] for role in (await admin.get("/v3/roles"))["roles"]}
        path = f"/v3/projects/{project_id}/users/{admin.user_id}/roles/{roles['member']}"
        await admin("PUT", path, status=204)
        proof = {
            "methods": ["password"],
            "password": {"user": {"id": admin.user_id, "password": PASSWORD}},
        }
        user = await _scoped(cloud, proof, {"project": {"id": project_id}})
    assert await _standing(user) == 200
    one = f"/v3/projects/{project_id}" if what == "project" else f"/v3/domains/{domain}"
    key = "project" if what == "project" else "domain"
    for enabled in (False, True):
        await admin("PATCH", one, {key: {"enabled": enabled}}, status=200)
        assert await _standing(user) == 401
    again = {
        "methods": ["password"],
        "password": {"user": {"id": user.user_id, "password": PASSWORD}},
    }
    assert await _standing(await _scoped(cloud, again, {"project": {"id": project_id}})) == 200


async def test_a_credential_ends_with_the_one_that_made_it(cloud: Cloud) -> None:
    owner = await cloud.project_with("p", "member")
    now = cloud.control.clock.now()
    end = (now + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%S.000000")
    late = (now + timedelta(days=30)).strftime("%Y-%m-%dT%H:%M:%S.000000")
    first = await an_application_credential(owner, name="first", unrestricted=True, expires_at=end)
    thief = await sign_in(cloud, by_application_credential(first))
    path = f"/v3/users/{owner.user_id}/application_credentials"
    requested: dict[str, Any] = {"name": "later", "expires_at": late}
    await thief("POST", path, {"application_credential": requested}, status=403)
    made = []
    for name in ("without", "grandchild"):
        requested = {"name": name}
        answer = await thief.post(path, {"application_credential": requested})
        made.append(answer["application_credential"])
        assert made[-1]["expires_at"].startswith(end[:19])
    child = await sign_in(cloud, by_application_credential(made[0]))
    assert await _standing(child) == 200
    await owner("DELETE", f"{path}/{first['id']}", status=204)
    assert await _standing(child) == 401 and await _standing(thief) == 401
    for one in made:
        proof = by_application_credential(one)
        await cloud.anonymous("POST", SEEN, {"auth": {"identity": proof}}, status=401)
        await owner("GET", f"{path}/{one['id']}", status=404)
    assert await _standing(owner) == 200


async def test_rules_on_methods_name_methods_that_are_served(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    user = await cloud.project_with("p", "member")
    one = f"/v3/users/{user.user_id}"
    for rules in ([["password", "topt"]], [["nosuch"]], [["password", "topt"], ["nosuch"]]):
        options = {"multi_factor_auth_rules": rules}
        answer = await admin("PATCH", one, {"user": {"options": options}}, status=400)
        assert "is not a sign-in method" in answer.json()["error"]["message"]
        requested = {"name": "new", "options": options}
        await admin("POST", "/v3/users", {"user": requested}, status=400)
    options = {"multi_factor_auth_rules": [["password", "totp"]]}
    await admin("PATCH", one, {"user": {"options": options}}, status=200)
    await cloud.sign_in("p", PASSWORD, project="p", status=401)


async def test_a_passcode_is_good_once(cloud: Cloud) -> None:
    user = await cloud.project_with("p", "member")
    secret = base64.b32encode(os.urandom(20)).decode()
    requested = {"type": "totp", "blob": secret, "user_id": user.user_id}
    for _ in range(2):  # twice the same secret gives the same passcode
        await user.post("/v3/credentials", {"credential": requested})
    code = next(iter(passcodes(secret, cloud.control.clock.now().timestamp(), 0).values()))
    proof = {"methods": ["totp"], "totp": {"user": {"id": user.user_id, "passcode": code}}}
    said = []
    for _ in range(3):
        answer = await cloud.anonymous("POST", SEEN, {"auth": {"identity": proof}})
        said.append(answer.status_code)
    assert said == [201, 401, 401]


async def test_both_doors_to_keys_ask_the_same(cloud: Cloud) -> None:
    """A reader makes no key by the one door; nor by the other."""
    reader = await cloud.project_with("p", "reader")
    own = f"/v3/users/{reader.user_id}/credentials/OS-EC2"
    await reader("POST", own, {"tenant_id": reader.project_id}, status=403)
    blob = '{"access": "a", "secret": "b"}'
    requested = {"type": "ec2", "blob": blob, "user_id": reader.user_id}
    requested["project_id"] = reader.project_id
    await reader("POST", "/v3/credentials", {"credential": requested}, status=403)
    await reader(
        "POST", "/v3/credentials", {"credential": {**requested, "type": "cert"}}, status=201
    )
