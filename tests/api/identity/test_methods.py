"""Passcodes, rules on methods with receipts, and what passwords have to be like."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from hanok.base.clock import MovableClock
from hanok.services.identity.facade import IdentitySettings
from hanok.services.identity.logic.methods.totp import passcodes
from hanok.services.identity.tables import users
from tests.api.identity.doors import (
    a_totp_secret,
    an_application_credential,
    by_application_credential,
    by_password,
    by_totp,
    lives,
    passcode,
    sign_in,
)
from tests.cloud import PASSWORD, Client, Cloud, running

DAY_S = 86_400


@asynccontextmanager
async def a_cloud(
    state: Path, database_url: str, **settings: Any
) -> AsyncIterator[tuple[Cloud, MovableClock]]:
    """A cloud with these identity settings, whose clock stands still until it is moved."""
    clock = MovableClock()
    identity = IdentitySettings(password_rounds=4, token_lifetime_s=40 * DAY_S, **settings)
    async with running(state, database=database_url, clock=clock, identity=identity) as cloud:
        yield cloud, clock


@pytest.mark.parametrize(
    ("at_s", "code"),
    [(59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (20000000000, "353130")],
)
def test_passcodes_are_those_of_the_standard(at_s: int, code: str) -> None:
    """The vectors of RFC 6238, appendix B; the last six of their digits."""
    secret = base64.b32encode(b"12345678901234567890").decode()
    assert passcodes(secret, at_s, 0) == {at_s // 30: code}
    assert passcodes(secret.rstrip("=").lower(), at_s + 30, 1)[at_s // 30] == code


@pytest.mark.parametrize("secret", ["", "1", "no base32!", "ÄÖÜ"])
def test_a_secret_that_is_none_has_no_passcode_or_fails_quietly(secret: str) -> None:
    assert all(len(code) == 6 for code in passcodes(secret, 59, 1).values())


async def test_a_passcode_signs_in_for_a_minute(tmp_path: Path, database_url: str) -> None:
    async with a_cloud(tmp_path, database_url) as (cloud, clock):
        one = await cloud.project_with("p", "member")
        await a_totp_secret(one)
        code = passcode(clock.now())
        client = await sign_in(cloud, by_totp(one.user_id, code))
        assert client.body["methods"] == ["totp"]
        clock.move(30)
        await sign_in(cloud, by_totp(one.user_id, code), status=401)  # good once
        later = passcode(clock.now())
        clock.move(30)
        await sign_in(cloud, by_totp(one.user_id, later))  # typed just before it changed
        await sign_in(cloud, by_totp(one.user_id, code), status=401)
        for bad in ("", "000000", "x" * 64):
            await sign_in(cloud, by_totp(one.user_id, bad), status=401)
        admin = await cloud.sign_in()
        await sign_in(cloud, by_totp(admin.user_id, code), status=401)
        await sign_in(cloud, by_totp("nobody", code), status=401)
        await sign_in(cloud, {"methods": ["totp"]}, status=400)


async def test_wrong_passcodes_lock_a_user_out(tmp_path: Path, database_url: str) -> None:
    async with a_cloud(tmp_path, database_url, lock_after=3, lock_for_s=60) as (cloud, clock):
        one = await cloud.project_with("p", "member")
        await a_totp_secret(one)
        for _ in range(3):
            await sign_in(cloud, by_totp(one.user_id, "000000"), status=401)
        await sign_in(cloud, by_totp(one.user_id, passcode(clock.now())), status=401)
        await sign_in(cloud, by_password(one.user_id), status=401)
        clock.move(61)
        await sign_in(cloud, by_totp(one.user_id, passcode(clock.now())))


async def _change(cloud: Cloud, user_id: str, old: str, status: int, new: str = "new") -> None:
    body = {"user": {"original_password": old, "password": new}}
    await cloud.anonymous("POST", f"/v3/users/{user_id}/password", body, status=status)


async def test_guesses_at_a_change_of_password_count_as_those_at_a_sign_in(
    tmp_path: Path, database_url: str
) -> None:
    async with a_cloud(tmp_path, database_url, lock_after=3, lock_for_s=60) as (cloud, clock):
        one = await cloud.project_with("p", "member")
        await _change(cloud, one.user_id, "wrong", 401)
        await sign_in(cloud, by_password(one.user_id))  # and are forgotten as those
        for _ in range(3):
            await _change(cloud, one.user_id, "wrong", 401)
        await _change(cloud, one.user_id, PASSWORD, 401)
        await sign_in(cloud, by_password(one.user_id), status=401)
        clock.move(61)
        await _change(cloud, one.user_id, "wrong", 401)
        await _change(cloud, one.user_id, PASSWORD, 204)
        await _change(cloud, one.user_id, "wrong", 401)
        await _change(cloud, one.user_id, "wrong", 401)
        await sign_in(cloud, by_password(one.user_id, "new"))


async def test_who_was_idle_for_too_long_changes_no_password(
    tmp_path: Path, database_url: str
) -> None:
    async with a_cloud(tmp_path, database_url, disable_after_days=10) as (cloud, clock):
        one = await cloud.project_with("p", "member")
        await sign_in(cloud, by_password(one.user_id))
        clock.move(11 * DAY_S)
        await _change(cloud, one.user_id, PASSWORD, 401)
        await sign_in(cloud, by_password(one.user_id), status=401)


async def _with_rules(cloud: Cloud, name: str, rules: list[list[str]], **options: Any) -> Client:
    one = await cloud.project_with(name, "member")
    await a_totp_secret(one)
    admin = await cloud.sign_in()
    requested = {"multi_factor_auth_rules": rules, **options}
    await admin("PATCH", f"/v3/users/{one.user_id}", {"user": {"options": requested}}, status=200)
    return one


async def _first_half(cloud: Cloud, one: Client) -> tuple[str, Any]:
    auth = {"auth": {"identity": by_password(one.user_id)}}
    answer = await cloud.anonymous("POST", "/v3/auth/tokens", auth, status=401)
    return answer.headers["Openstack-Auth-Receipt"], answer.json()


async def test_a_receipt_joins_two_halves_of_a_sign_in(tmp_path: Path, database_url: str) -> None:
    async with a_cloud(tmp_path, database_url) as (cloud, clock):
        await _two_halves(cloud, clock)


async def _two_halves(cloud: Cloud, clock: MovableClock) -> None:
    one = await _with_rules(cloud, "p", [["password", "totp"]])
    receipt, body = await _first_half(cloud, one)
    assert body["required_auth_methods"] == [["password", "totp"]]
    assert body["receipt"]["methods"] == ["password"]
    assert body["receipt"]["user"]["id"] == one.user_id
    assert body["receipt"]["user"]["domain"] == {"id": "default", "name": "Default"}
    assert "X-Subject-Token" not in body
    header = {"Openstack-Auth-Receipt": receipt}
    project = {"project": {"id": one.project_id}}
    second = by_totp(one.user_id, passcode(clock.now()))
    client = await sign_in(cloud, second, project, headers=header)
    assert set(client.body["methods"]) == {"password", "totp"}
    clock.move(30)
    second = by_totp(one.user_id, passcode(clock.now()))
    at_once = {**by_password(one.user_id), "totp": second["totp"], "methods": ["password", "totp"]}
    assert await lives(cloud, await sign_in(cloud, at_once, project))
    again = {"methods": ["token"], "token": {"id": client.token}}
    await sign_in(cloud, again, project)


async def test_a_receipt_is_no_token_and_a_token_no_receipt(cloud: Cloud) -> None:
    one = await _with_rules(cloud, "p", [["password", "totp"]])
    other = await _with_rules(cloud, "q", [["password", "totp"]])
    receipt, _ = await _first_half(cloud, one)
    await Client(cloud.http, receipt)("GET", "/v3/auth/projects", status=401)
    await sign_in(cloud, {"methods": ["token"], "token": {"id": receipt}}, status=404)
    second = by_totp(one.user_id, passcode())
    theirs, _ = await _first_half(cloud, other)
    for wrong in (theirs, one.token, "nonsense", "x" * 4000):
        header = {"Openstack-Auth-Receipt": wrong}
        await sign_in(cloud, second, status=401, headers=header)
    header = {"Openstack-Auth-Receipt": receipt}
    await sign_in(cloud, by_totp(other.user_id, passcode()), status=401, headers=header)
    admin = await cloud.sign_in()
    reset = {"user": {"password": "other"}}
    await admin("PATCH", f"/v3/users/{one.user_id}", reset, status=200)
    await sign_in(cloud, second, status=401, headers=header)


async def test_a_receipt_ends(tmp_path: Path, database_url: str) -> None:
    async with a_cloud(tmp_path, database_url) as (cloud, clock):
        one = await _with_rules(cloud, "p", [["password", "totp"]])
        receipt, _ = await _first_half(cloud, one)
        clock.move(301)
        header = {"Openstack-Auth-Receipt": receipt}
        second = by_totp(one.user_id, passcode(clock.now()))
        await sign_in(cloud, second, status=401, headers=header)


async def test_rules_hold_for_every_method_and_can_be_switched_off(cloud: Cloud) -> None:
    one = await cloud.project_with("first", "member")
    credential = await an_application_credential(one)
    admin = await cloud.sign_in()
    path = f"/v3/users/{one.user_id}"

    async def options(status: int = 200, **requested: Any) -> None:
        await admin("PATCH", path, {"user": {"options": requested}}, status=status)

    await options(multi_factor_auth_rules=[["password", "totp"]])
    await sign_in(cloud, by_application_credential(credential), status=401)
    await options(multi_factor_auth_enabled=False)
    await sign_in(cloud, by_password(one.user_id))
    await options(multi_factor_auth_enabled=None)
    await sign_in(cloud, by_password(one.user_id), status=401)
    await options(multi_factor_auth_rules=[["password", "totp"], ["password"]])
    await sign_in(cloud, by_password(one.user_id))
    await options(400, multi_factor_auth_rules=[["telepathy"]])
    # One that can be kept is enough; the other opens nothing, with or without what can be shown of it.
    await options(multi_factor_auth_rules=[["password", "totp"], ["password", "telepathy"]])
    await sign_in(cloud, by_password(one.user_id), status=401)
    await options(multi_factor_auth_rules=[["password"], ["telepathy"]])
    await sign_in(cloud, by_password(one.user_id))
    wrong: list[Any] = ["text", [[]], [["a", "a"]], [["a", "b"], ["b", "a"]], [[1]], ["a"]]
    for bad in wrong:
        await options(400, multi_factor_auth_rules=bad)
    await options(400, no_such_option=True)
    await options(multi_factor_auth_rules=None)
    shown = (await admin.get(path))["user"]["options"]
    assert shown == {}


# ---- what passwords have to be like ----


async def test_passwords_match_the_operators_pattern(tmp_path: Path, database_url: str) -> None:
    pattern = r"^(?=.*\d)(?=.*[a-z]).{7,}$"
    settings = {"password_regex": pattern, "password_regex_description": "seven with a digit"}
    async with a_cloud(tmp_path, database_url, **settings) as (cloud, _):
        admin = await cloud.sign_in()
        refused = await admin("POST", "/v3/users", {"user": {"name": "u", "password": "weak"}})
        assert refused.status_code == 400
        assert "seven with a digit" in refused.json()["error"]["message"]
        good = {"user": {"name": "u", "password": "strong-1"}}
        user_id = (await admin.post("/v3/users", good))["user"]["id"]
        path = f"/v3/users/{user_id}"
        await admin("PATCH", path, {"user": {"password": "weak"}}, status=400)
        change = {"user": {"original_password": "strong-1", "password": "weak"}}
        await cloud.anonymous("POST", f"{path}/password", change, status=400)
        change["user"]["password"] = "strong-2"
        await cloud.anonymous("POST", f"{path}/password", change, status=204)


async def test_passwords_expire_unless_that_is_ignored(tmp_path: Path, database_url: str) -> None:
    async with a_cloud(tmp_path, database_url, password_expires_days=30) as (cloud, clock):
        admin = await cloud.sign_in()
        body = {"user": {"name": "u", "password": PASSWORD}}
        made = (await admin.post("/v3/users", body))["user"]
        end = clock.now() + timedelta(days=30)
        assert datetime.fromisoformat(made["password_expires_at"]) == end
        lasting = {"name": "v", "password": PASSWORD, "options": {"ignore_password_expiry": True}}
        forever = (await admin.post("/v3/users", {"user": lasting}))["user"]
        assert forever["password_expires_at"] is None
        await sign_in(cloud, by_password(made["id"]))
        clock.move(30 * DAY_S)
        answer = await cloud.anonymous(
            "POST", "/v3/auth/tokens", {"auth": {"identity": by_password(made["id"])}}, status=401
        )
        assert made["id"] in answer.json()["error"]["message"]
        await sign_in(cloud, by_password(forever["id"]))
        change = {"user": {"original_password": PASSWORD, "password": "other"}}
        await cloud.anonymous("POST", f"/v3/users/{made['id']}/password", change, status=204)
        await sign_in(cloud, by_password(made["id"], "other"))


async def test_users_are_found_by_the_end_of_their_passwords(
    tmp_path: Path, database_url: str
) -> None:
    async with a_cloud(tmp_path, database_url, password_expires_days=10) as (cloud, clock):
        admin = await cloud.sign_in()
        for name in ("early", "late"):
            body = {"user": {"name": name, "password": PASSWORD}}
            made = (await admin.post("/v3/users", body))["user"]
            clock.move(DAY_S)
        at = made["password_expires_at"]

        async def found(filters: str) -> set[str]:
            users = (await admin.get(f"/v3/users?{filters}"))["users"]
            return {user["name"] for user in users}

        assert await found(f"password_expires_at=lt:{at}") == {"early"}
        assert await found(f"password_expires_at=lte:{at}") == {"early", "late"}
        assert await found(f"password_expires_at=gt:{at}") == set()
        assert await found(f"password_expires_at=gte:{at}") == {"late"}
        assert await found(f"password_expires_at=eq:{at}") == {"late"}
        assert await found(f"password_expires_at=neq:{at}") == {"early"}
        both = f"password_expires_at=gt:2000-01-01T00:00:00Z&password_expires_at=lt:{at}"
        assert await found(both) == {"early"}
        for bad in ("lt:never", "about:2026-01-01T00:00:00Z", ""):
            await admin("GET", f"/v3/users?password_expires_at={bad}", status=400)


async def test_the_first_password_is_for_changing_it(tmp_path: Path, database_url: str) -> None:
    settings = {"change_password_upon_first_use": True}
    async with a_cloud(tmp_path, database_url, **settings) as (cloud, _):
        admin = await cloud.sign_in()
        body = {"user": {"name": "u", "password": PASSWORD}}
        user_id = (await admin.post("/v3/users", body))["user"]["id"]
        await sign_in(cloud, by_password(user_id), status=401)
        change = {"user": {"original_password": PASSWORD, "password": "mine"}}
        await cloud.anonymous("POST", f"/v3/users/{user_id}/password", change, status=204)
        await sign_in(cloud, by_password(user_id, "mine"))
        path = f"/v3/users/{user_id}"
        await admin("PATCH", path, {"user": {"password": "reset"}}, status=200)
        await sign_in(cloud, by_password(user_id, "reset"), status=401)
        ignored = {"ignore_change_password_upon_first_use": True}
        reset = {"user": {"password": "reset", "options": ignored}}
        await admin("PATCH", path, reset, status=200)
        await sign_in(cloud, by_password(user_id, "reset"))


async def test_a_password_of_ones_own_is_kept_for_a_while(
    tmp_path: Path, database_url: str
) -> None:
    settings = {"minimum_password_age_days": 2, "remember_passwords": 2}
    async with a_cloud(tmp_path, database_url, **settings) as (cloud, clock):
        admin = await cloud.sign_in()
        body = {"user": {"name": "u", "password": "first"}}
        user_id = (await admin.post("/v3/users", body))["user"]["id"]
        path = f"/v3/users/{user_id}/password"

        async def change(old: str, new: str, status: int) -> None:
            sent = {"user": {"original_password": old, "password": new}}
            await cloud.anonymous("POST", path, sent, status=status)

        await change("first", "second", 204)  # an administrator's may be changed at once
        await change("second", "third", 400)
        clock.move(2 * DAY_S)
        await change("second", "first", 400)
        await change("second", "third", 204)
        clock.move(2 * DAY_S)
        await change("third", "first", 204)
        locked = {"user": {"options": {"lock_password": True}}}
        await admin("PATCH", f"/v3/users/{user_id}", locked, status=200)
        clock.move(2 * DAY_S)
        await change("first", "fourth", 400)


async def test_who_stays_away_too_long_is_disabled(tmp_path: Path, database_url: str) -> None:
    async with a_cloud(tmp_path, database_url, disable_after_days=7) as (cloud, clock):
        idle = await cloud.project_with("idle", "member")
        credential = await an_application_credential(idle)
        busy = await cloud.project_with("busy", "member")
        kept = await cloud.project_with("kept", "member")
        admin = await cloud.sign_in()
        option = {"user": {"options": {"ignore_user_inactivity": True}}}
        await admin("PATCH", f"/v3/users/{kept.user_id}", option, status=200)
        for _ in range(7):
            clock.move(DAY_S)
            await sign_in(cloud, by_password(busy.user_id))
            admin = await cloud.sign_in()
        await sign_in(cloud, by_password(idle.user_id), status=401)
        await sign_in(cloud, by_application_credential(credential), status=401)
        await sign_in(cloud, by_password(kept.user_id))
        path = f"/v3/users/{idle.user_id}"
        assert (await admin.get(path))["user"]["enabled"] is False
        assert (await admin.get(f"/v3/users/{busy.user_id}"))["user"]["enabled"] is True
        await admin("PATCH", path, {"user": {"enabled": True}}, status=200)
        await sign_in(cloud, by_password(idle.user_id))


async def test_a_lock_out_without_end_is_lifted_by_an_administrator(
    tmp_path: Path, database_url: str
) -> None:
    async with a_cloud(tmp_path, database_url, lock_after=2, lock_for_s=0) as (cloud, clock):
        one = await cloud.project_with("p", "member")
        free = await cloud.project_with("q", "member")
        admin = await cloud.sign_in()
        option = {"user": {"options": {"ignore_lockout_failure_attempts": True}}}
        await admin("PATCH", f"/v3/users/{free.user_id}", option, status=200)
        for client in (one, free):
            for _ in range(3):
                await sign_in(cloud, by_password(client.user_id, "wrong"), status=401)
        clock.move(DAY_S)
        await sign_in(cloud, by_password(one.user_id), status=401)
        await sign_in(cloud, by_password(free.user_id))
        path = f"/v3/users/{one.user_id}"
        await admin("PATCH", path, {"user": {"enabled": True}}, status=200)
        await sign_in(cloud, by_password(one.user_id))


# ---- doors from when tokens were certificates ----


async def test_tokens_are_no_certificates_any_more(cloud: Cloud) -> None:
    service = await cloud.project_with("s", "service")
    await service("GET", "/v3/auth/tokens/OS-PKI/revoked", status=403)
    for path in ("ca", "certificates"):
        await cloud.anonymous("GET", f"/v3/OS-SIMPLE-CERT/{path}", status=410)


async def test_where_nobody_is_disabled_for_staying_away_a_sign_in_writes_nothing(
    tmp_path: Path, database_url: str
) -> None:
    async with a_cloud(tmp_path, database_url) as (cloud, clock):
        user = await cloud.project_with("p", "member")
        known = sa.select(users.c.last_active_at).where(users.c.id == user.user_id)
        async with cloud.control.database.read() as tx:
            before = await tx.scalar(known)
        clock.move(2 * DAY_S)
        await cloud.sign_in("p", project="p")
        async with cloud.control.database.read() as tx:
            assert await tx.scalar(known) == before
