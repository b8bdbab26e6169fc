"""Whatever takes rights away ends tokens on the next request, by whichever door they were got."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.api.identity.doors import DOORS, Entered, an_owner, lives, roles_of
from tests.cloud import PASSWORD, Client, Cloud

Change = Callable[[Cloud, Client, Entered], Awaitable[Any]]


async def _role_removed(cloud: Cloud, owner: Client, entered: Entered) -> None:
    admin = await cloud.sign_in()
    role = (await roles_of(cloud))["admin"]
    path = f"/v3/projects/{owner.project_id}/users/{owner.user_id}/roles/{role}"
    await admin("DELETE", path, status=204)


async def _password_changed(cloud: Cloud, owner: Client, entered: Entered) -> None:
    body = {"user": {"original_password": PASSWORD, "password": "another"}}
    await owner("POST", f"/v3/users/{owner.user_id}/password", body, status=204)


async def _password_reset(cloud: Cloud, owner: Client, entered: Entered) -> None:
    admin = await cloud.sign_in()
    body = {"user": {"password": "another"}}
    await admin("PATCH", f"/v3/users/{owner.user_id}", body, status=200)


async def _user_disabled_and_enabled(cloud: Cloud, owner: Client, entered: Entered) -> None:
    admin = await cloud.sign_in()
    path = f"/v3/users/{owner.user_id}"
    await admin("PATCH", path, {"user": {"enabled": False}}, status=200)
    assert not await lives(cloud, entered.client)
    await admin("PATCH", path, {"user": {"enabled": True}}, status=200)


async def _user_deleted(cloud: Cloud, owner: Client, entered: Entered) -> None:
    admin = await cloud.sign_in()
    await admin("DELETE", f"/v3/users/{owner.user_id}", status=204)


async def _project_disabled(cloud: Cloud, owner: Client, entered: Entered) -> None:
    admin = await cloud.sign_in()
    path, body = f"/v3/projects/{owner.project_id}", {"project": {"enabled": False}}
    await admin("PATCH", path, body, status=200)


async def _project_deleted(cloud: Cloud, owner: Client, entered: Entered) -> None:
    admin = await cloud.sign_in()
    await admin("DELETE", f"/v3/projects/{owner.project_id}", status=204)


async def _domain_disabled(cloud: Cloud, owner: Client, entered: Entered) -> None:
    admin = await cloud.sign_in()
    path = f"/v3/domains/{owner.body['user']['domain']['id']}"
    await admin("PATCH", path, {"domain": {"enabled": False}}, status=200)


async def _domain_deleted(cloud: Cloud, owner: Client, entered: Entered) -> None:
    await _domain_disabled(cloud, owner, entered)
    admin = await cloud.sign_in()
    await admin("DELETE", f"/v3/domains/{owner.body['user']['domain']['id']}", status=204)


async def _ended_alone(cloud: Cloud, owner: Client, entered: Entered) -> None:
    await entered.end()


async def _token_revoked(cloud: Cloud, owner: Client, entered: Entered) -> None:
    admin = await cloud.sign_in()
    subject = {"X-Subject-Token": entered.client.token}
    await admin("DELETE", "/v3/auth/tokens", headers=subject, status=204)


CHANGES: dict[str, Change] = {
    "the role is removed": _role_removed,
    "the user changes the password": _password_changed,
    "an administrator sets the password": _password_reset,
    "the user is disabled": _user_disabled_and_enabled,
    "the user is deleted": _user_deleted,
    "the project is disabled": _project_disabled,
    "the project is deleted": _project_deleted,
    "the domain is disabled": _domain_disabled,
    "the domain is deleted": _domain_deleted,
    "the credential is removed": _ended_alone,
    "the token is revoked": _token_revoked,
}


@pytest.mark.parametrize("door", DOORS)
async def test_each_change_ends_the_token(cloud: Cloud, door: str) -> None:
    for number, (name, change) in enumerate(CHANGES.items()):
        owner = await an_owner(cloud, f"owner{number}", "admin")
        entered = await DOORS[door](cloud, owner)
        assert await lives(cloud, entered.client), f"{door}: dead before {name}"
        await change(cloud, owner, entered)
        assert not await lives(cloud, entered.client), f"{door}: alive though {name}"


@pytest.mark.parametrize("door", DOORS)
async def test_no_door_but_ones_own_password_makes_authority(cloud: Cloud, door: str) -> None:
    """A delegated token makes nothing that lasts, and is exchanged for nothing."""
    owner = await an_owner(cloud, "owner", "admin")
    client = (await DOORS[door](cloud, owner)).client
    assert client.token
    if door in ("password", "token", "TOTP"):
        return
    other = await an_owner(cloud, "other", "reader")
    user = f"/v3/users/{owner.user_id}"
    project = f"/v3/projects/{owner.project_id}"
    role = (await roles_of(cloud))["member"]
    trust = {
        "trustor_user_id": owner.user_id,
        "trustee_user_id": other.user_id,
        "project_id": owner.project_id,
        "impersonation": True,
        "roles": [{"id": role}],
    }
    password = {"user": {"original_password": PASSWORD, "password": "mine"}}
    elsewhere = {"tenant_id": other.project_id}
    passcode = {"user_id": owner.user_id, "type": "totp", "blob": "MZXW6YTB"}
    tries: list[tuple[str, str, Any]] = [
        ("POST", f"{user}/application_credentials", {"application_credential": {"name": "n"}}),
        ("POST", "/v3/OS-TRUST/trusts", {"trust": trust}),
        ("POST", f"{user}/password", password),
        ("POST", f"{user}/credentials/OS-EC2", elsewhere),
        ("POST", "/v3/credentials", {"credential": passcode}),
        ("PUT", f"{project}/users/{other.user_id}/roles/{role}", None),
        ("PATCH", user, {"user": {"password": "mine"}}),
        ("POST", "/v3/users", {"user": {"name": "new"}}),
        ("POST", "/v3/OS-OAUTH1/consumers", {"consumer": {}}),
    ]
    for method, path, body in tries:
        answer = await client(method, path, body)
        assert answer.status_code == 403, f"{door}: {method} {path}: {answer.text[:200]}"
    for scope in (None, {"project": {"id": owner.project_id}}, {"system": {"all": True}}):
        auth: dict[str, Any] = {
            "identity": {"methods": ["token"], "token": {"id": client.token}},
            "scope": scope,
        }
        await cloud.anonymous("POST", "/v3/auth/tokens", {"auth": auth}, status=403)


async def test_each_door_leads_to_the_owners_project_and_roles(cloud: Cloud) -> None:
    for number, (door, enter) in enumerate(DOORS.items()):
        owner = await an_owner(cloud, f"owner{number}", "admin")
        client = (await enter(cloud, owner)).client
        admin = await cloud.sign_in()
        subject = {"X-Subject-Token": client.token}
        body = (await admin.get("/v3/auth/tokens", headers=subject))["token"]
        assert body["project"]["id"] == owner.project_id, door
        names = {role["name"] for role in body["roles"]}
        assert names == {"admin", "manager", "member", "reader"}, door
        impersonated = "user" in body and body["user"]["id"] == owner.user_id
        assert impersonated == (door != "trust"), door
