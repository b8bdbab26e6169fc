"""Which tokens services that keep them are told not to believe: upstream's causes, and no others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from hanok.base.clock import MovableClock
from hanok.services.identity import facade
from hanok.services.identity.facade import IdentitySettings
from tests.api.identity.doors import (
    a_consumer,
    a_trust,
    an_access_token,
    an_application_credential,
    an_owner,
    by_application_credential,
    by_oauth1,
    by_password,
    by_trust,
    lives,
    roles_of,
    sign_in,
)
from tests.cloud import PASSWORD, Client, Cloud, running

EVENTS = "/v3/OS-REVOKE/events"


async def told(cloud: Cloud, query: str = "") -> list[dict[str, Any]]:
    admin = await cloud.sign_in()
    listed: list[dict[str, Any]] = (await admin.get(EVENTS + query))["events"]
    return listed


async def news(cloud: Cloud, before: list[dict[str, Any]]) -> list[dict[str, str]]:
    """What was told since, without the times."""
    now = await told(cloud)
    assert now[: len(before)] == before
    return [
        {
            name: value
            for name, value in event.items()
            if name not in ("issued_before", "revoked_at")
        }
        for event in now[len(before) :]
    ]


async def a_group(cloud: Cloud, owner: Client, *roles: str) -> str:
    """A group of the owner, with roles on the owner's project."""
    admin = await cloud.sign_in()
    body = {"group": {"name": "g", "domain_id": owner.body["user"]["domain"]["id"]}}
    group = str((await admin.post("/v3/groups", body))["group"]["id"])
    await admin("PUT", f"/v3/groups/{group}/users/{owner.user_id}", status=204)
    known = await roles_of(cloud)
    for role in roles:
        path = f"/v3/projects/{owner.project_id}/groups/{group}/roles/{known[role]}"
        await admin("PUT", path, status=204)
    return group


Cause = Callable[[Cloud, Client, Client], Awaitable[tuple[Callable[[], Awaitable[Any]], Any]]]
"""Prepares with an administrator and an owner; gives what then happens, and the events that it makes."""


async def _token_revoked(cloud: Cloud, admin: Client, owner: Client) -> Any:
    async def act() -> None:
        await admin("DELETE", "/v3/auth/tokens", headers={"X-Subject-Token": owner.token})

    return act, [{"audit_id": owner.body["audit_ids"][0]}]


async def _token_of_token_revoked(cloud: Cloud, admin: Client, owner: Client) -> Any:
    identity = {"methods": ["token"], "token": {"id": owner.token}}
    second = await sign_in(cloud, identity)
    return (await _token_revoked(cloud, admin, second))[0], [
        {"audit_id": second.body["audit_ids"][0]}
    ]


def _patched(path: str, body: Any, event: Any = None) -> Cause:
    async def prepare(cloud: Cloud, admin: Client, owner: Client) -> Any:
        ids = {"user": owner.user_id, "project": owner.project_id}
        ids["domain"] = owner.body["user"]["domain"]["id"]

        async def act() -> None:
            await admin("PATCH", path.format(**ids), body, status=200)

        return act, [] if event is None else [{event: ids["user"]}]

    return prepare


async def _own_password(cloud: Cloud, admin: Client, owner: Client) -> Any:
    async def act() -> None:
        body = {"user": {"original_password": PASSWORD, "password": "another"}}
        await owner("POST", f"/v3/users/{owner.user_id}/password", body, status=204)

    return act, [{"user_id": owner.user_id}]


async def _user_deleted(cloud: Cloud, admin: Client, owner: Client) -> Any:
    other = await an_owner(cloud, "other", "member")
    await a_trust(owner, other)  # goes with the user, without a word of its own

    async def act() -> None:
        await admin("DELETE", f"/v3/users/{owner.user_id}", status=204)

    return act, [{"user_id": owner.user_id}]


async def _left_group(cloud: Cloud, admin: Client, owner: Client) -> Any:
    group = await a_group(cloud, owner)

    async def act() -> None:
        await admin("DELETE", f"/v3/groups/{group}/users/{owner.user_id}", status=204)

    return act, [{"user_id": owner.user_id}]


def _group_deleted(*roles: str) -> Cause:
    async def prepare(cloud: Cloud, admin: Client, owner: Client) -> Any:
        group = await a_group(cloud, owner, *roles)

        async def act() -> None:
            await admin("DELETE", f"/v3/groups/{group}", status=204)

        return act, [{"user_id": owner.user_id}] if roles else []

    return prepare


async def _project_deleted(cloud: Cloud, admin: Client, owner: Client) -> Any:
    other = await an_owner(cloud, "other", "member")
    await a_trust(owner, other)

    async def act() -> None:
        await admin("DELETE", f"/v3/projects/{owner.project_id}", status=204)

    return act, [{"project_id": owner.project_id}]


async def _domain_deleted(cloud: Cloud, admin: Client, owner: Client) -> Any:
    group, reader = await a_group(cloud, owner, "reader"), (await roles_of(cloud))["reader"]
    elsewhere = f"/v3/projects/{admin.project_id}/groups/{group}/roles/{reader}"
    await admin("PUT", elsewhere, status=204)
    domain = owner.body["user"]["domain"]["id"]
    await admin("PATCH", f"/v3/domains/{domain}", {"domain": {"enabled": False}}, status=200)

    async def act() -> None:
        await admin("DELETE", f"/v3/domains/{domain}", status=204)

    user = {"user_id": owner.user_id}
    # Of a group with a role that outlives the domain's projects, of the user; the domain is a project, too.
    return act, [{"project_id": owner.project_id}, user, user, {"project_id": domain}]


async def _trust_deleted(cloud: Cloud, admin: Client, owner: Client) -> Any:
    middle, last = [await an_owner(cloud, name, "reader") for name in ("middle", "last")]
    trust = await a_trust(owner, middle, allow_redelegation=True, redelegation_count=2)
    lent = await by_trust(cloud, middle, trust["id"])
    lent.body["roles"] = owner.body["roles"]
    handed_on = []
    for _ in range(2):
        handed_on.append(
            await a_trust(
                lent,
                last,
                trustor_user_id=owner.user_id,
                allow_redelegation=False,
            )
        )
    # One that is gone already is not told of again.
    await owner("DELETE", f"/v3/OS-TRUST/trusts/{handed_on[1]['id']}", status=204)

    async def act() -> None:
        await owner("DELETE", f"/v3/OS-TRUST/trusts/{trust['id']}", status=204)

    return act, [{"OS-TRUST:trust_id": one["id"]} for one in (handed_on[0], trust)]


async def _consumer_deleted(cloud: Cloud, admin: Client, owner: Client) -> Any:
    consumer = await a_consumer(cloud)
    await an_access_token(cloud, consumer, owner)

    async def act() -> None:
        await admin("DELETE", f"/v3/OS-OAUTH1/consumers/{consumer['id']}", status=204)

    return act, [{"OS-OAUTH1:consumer_id": consumer["id"]}]


async def _access_token_deleted(cloud: Cloud, admin: Client, owner: Client) -> Any:
    consumer = await a_consumer(cloud)
    token = await an_access_token(cloud, consumer, owner)
    client = await by_oauth1(cloud, consumer, token)

    async def act() -> None:
        path = f"/v3/users/{owner.user_id}/OS-OAUTH1/access_tokens/{token[0]}"
        await owner("DELETE", path, status=204)
        assert not await lives(cloud, client)

    return act, []


async def _credential_deleted(cloud: Cloud, admin: Client, owner: Client) -> Any:
    credential = await an_application_credential(owner)
    client = await sign_in(cloud, by_application_credential(credential))

    async def act() -> None:
        path = f"/v3/users/{owner.user_id}/application_credentials/{credential['id']}"
        await owner("DELETE", path, status=204)
        assert not await lives(cloud, client)

    return act, []


async def _role_unassigned(cloud: Cloud, admin: Client, owner: Client) -> Any:
    role = (await roles_of(cloud))["admin"]

    async def act() -> None:
        path = f"/v3/projects/{owner.project_id}/users/{owner.user_id}/roles/{role}"
        await admin("DELETE", path, status=204)
        assert not await lives(cloud, owner)

    return act, []


async def _role_deleted(cloud: Cloud, admin: Client, owner: Client) -> Any:
    made = await admin.post("/v3/roles", {"role": {"name": "custom"}})
    role = made["role"]["id"]
    path = f"/v3/projects/{owner.project_id}/users/{owner.user_id}/roles/{role}"
    await admin("PUT", path, status=204)

    async def act() -> None:
        await admin("DELETE", f"/v3/roles/{role}", status=204)

    return act, []


_OFF = {"enabled": False}
CAUSES: dict[str, Cause] = {
    "a token is revoked": _token_revoked,
    "a token got with a token is revoked": _token_of_token_revoked,
    "a user is disabled": _patched("/v3/users/{user}", {"user": _OFF}, "user_id"),
    "a password is set": _patched("/v3/users/{user}", {"user": {"password": "new"}}, "user_id"),
    "a user is renamed": _patched("/v3/users/{user}", {"user": {"name": "new"}}),
    "a user stays enabled": _patched("/v3/users/{user}", {"user": {"enabled": True}}),
    "a user changes the password": _own_password,
    "a user is deleted": _user_deleted,
    "a user leaves a group": _left_group,
    "a group with roles is deleted": _group_deleted("reader"),
    "a group without roles is deleted": _group_deleted(),
    "a project is deleted": _project_deleted,
    "a project is disabled": _patched("/v3/projects/{project}", {"project": _OFF}),
    "a domain is disabled": _patched("/v3/domains/{domain}", {"domain": _OFF}),
    "a domain is deleted": _domain_deleted,
    "a trust is deleted": _trust_deleted,
    "a consumer is deleted": _consumer_deleted,
    "an access token is deleted": _access_token_deleted,
    "an application credential is deleted": _credential_deleted,
    "a role is unassigned": _role_unassigned,
    "a role is deleted": _role_deleted,
}


async def test_each_cause_is_told_as_upstream_tells_it(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    for number, (name, prepare) in enumerate(CAUSES.items()):
        owner = await an_owner(cloud, f"owner{number}", "admin")
        act, expected = await prepare(cloud, admin, owner)
        before = await told(cloud)
        started = cloud.control.clock.now()
        await act()
        assert await news(cloud, before) == expected, name
        for event in (await told(cloud))[len(before) :]:
            at = datetime.fromisoformat(event["revoked_at"])
            assert started <= at <= cloud.control.clock.now(), name
            assert event["issued_before"] == event["revoked_at"], name
            assert event["revoked_at"].endswith("Z") and len(event["revoked_at"]) == 27
        # The names of helpers are free again.
        for helper in ("other", "middle", "last"):
            await _gone(admin, helper)


async def _gone(admin: Client, name: str) -> None:
    for domain in (await admin.get(f"/v3/domains?name={name}"))["domains"]:
        path = f"/v3/domains/{domain['id']}"
        await admin("PATCH", path, {"domain": {"enabled": False}}, status=200)
        await admin("DELETE", path, status=204)


async def test_a_user_that_is_off_already_is_not_told_of_again(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    owner = await an_owner(cloud, "owner", "member")
    path = f"/v3/users/{owner.user_id}"
    await admin("PATCH", path, {"user": _OFF}, status=200)
    before = await told(cloud)
    await admin("PATCH", path, {"user": _OFF}, status=200)
    assert await news(cloud, before) == []


async def test_who_may_be_told(cloud: Cloud) -> None:
    one = await cloud.project_with("p", "member")
    service = await cloud.project_with("s", "service")
    await one("GET", EVENTS, status=403)
    await one("DELETE", "/v3/auth/tokens", headers={"X-Subject-Token": one.token}, status=204)
    answer = await service.get(EVENTS)
    assert answer["events"][-1]["audit_id"] == one.body["audit_ids"][0]
    assert answer["links"]["self"].endswith(EVENTS) and answer["links"]["next"] is None


async def test_since_and_until_when(tmp_path: Path, database_url: str) -> None:
    clock = MovableClock()
    requested = IdentitySettings(password_rounds=4, token_lifetime_s=600)
    async with running(tmp_path, database=database_url, clock=clock, identity=requested) as cloud:
        users = [await cloud.project_with(name, "member") for name in ("a", "b")]

        async def revoke(client: Client) -> None:
            fresh = await sign_in(cloud, by_password(client.user_id))
            subject = {"X-Subject-Token": fresh.token}
            await fresh("DELETE", "/v3/auth/tokens", headers=subject, status=204)

        await revoke(users[0])
        clock.move(60)
        await revoke(users[1])
        first, second = await told(cloud)
        assert first["revoked_at"] < second["revoked_at"]
        for text, expected in (
            (first["revoked_at"], [second]),
            ("2013-02-27T18:30:59.999999Z", [first, second]),
            ("", [first, second]),
            (second["revoked_at"], []),
            ("2100-01-01T00:00:00Z", []),
            (second["revoked_at"].removesuffix("Z"), []),
        ):
            assert await told(cloud, f"?since={text}") == expected, text
        admin = await cloud.sign_in()
        for odd in ("whenever", "0001-01-01T00:00:00%2B23:59", "%00"):
            await admin("GET", f"{EVENTS}?since={odd}", status=400)

        async def kept() -> int:
            await facade.forget_past(cloud.control.database, cloud.identity)
            return len(await told(cloud))

        # As long as a token lives, and half an hour longer.
        clock.move(600 + 1800 - 61)
        assert await kept() == 2
        clock.move(2)
        assert len(await told(cloud)) == 1 and await kept() == 1
        clock.move(60)
        assert await told(cloud, "?since=2013-02-27T18:30:59Z") == [] and await kept() == 0
    assert timedelta(seconds=600) == cloud.identity.tokens.lifetime
