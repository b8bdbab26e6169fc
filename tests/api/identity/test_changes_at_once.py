"""Changes of one thing at once, on two processes: none takes another's back, and none decides on what is no more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cloud import PASSWORD, Client, running

TIMES = 3
Ask = tuple[str, str, Any]


class Site:
    """An administrator at each of two processes of one cloud."""

    def __init__(self, admins: list[Client]) -> None:
        self.admins = admins
        self.admin = admins[0]
        self.number = 0

    def name(self) -> str:
        self.number += 1
        return f"n{self.number}"

    async def make(self, path: str, noun: str, **values: Any) -> str:
        return str((await self.admin.post(f"/v3/{path}", {noun: values}))[noun]["id"])

    async def at_once(self, *asks: Ask) -> list[httpx.Response]:
        """The answers to requests that are sent to the processes by turns, at once."""
        answers = await asyncio.gather(
            *(
                self.admins[number % 2](method, f"/v3/{path}", body)
                for number, (method, path, body) in enumerate(asks)
            )
        )
        assert all(one.status_code < 500 for one in answers), [one.text for one in answers]
        return answers

    async def is_there(self, path: str) -> bool:
        return (await self.admin("GET", f"/v3/{path}")).status_code == 200


@pytest.fixture
async def site(tmp_path: Path, database_url: str) -> AsyncIterator[Site]:
    async with AsyncExitStack() as stack:
        clouds = [
            await stack.enter_async_context(
                running(tmp_path, database=database_url, node_name=f"control-{number}")
            )
            for number in range(2)
        ]
        yield Site([await cloud.sign_in() for cloud in clouds])


KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "user": ("users", {}),
    "project": ("projects", {}),
    "group": ("groups", {}),
    "role": ("roles", {}),
    "service": ("services", {"type": "t"}),
    "domain": ("domains", {}),
}


@pytest.mark.parametrize("noun", KINDS)
async def test_further_attributes_that_are_set_at_once_all_stay(site: Site, noun: str) -> None:
    path, values = KINDS[noun]
    made = await site.make(path, noun, name=site.name(), **values)
    keys = {f"key{number}": f"value{number}" for number in range(8)}
    asks = [("PATCH", f"{path}/{made}", {noun: {key: value}}) for key, value in keys.items()]
    assert {one.status_code for one in await site.at_once(*asks)} == {200}
    shown = (await site.admin.get(f"/v3/{path}/{made}"))[noun]
    assert {key: shown.get(key) for key in keys} == keys


async def test_options_that_are_set_at_once_all_stay(site: Site) -> None:
    options = ("ignore_password_expiry", "lock_password", "ignore_lockout_failure_attempts")
    user = await site.make("users", "user", name=site.name())
    asks = [("PATCH", f"users/{user}", {"user": {"options": {one: True}}}) for one in options]
    await site.at_once(*asks)
    shown = (await site.admin.get(f"/v3/users/{user}"))["user"]["options"]
    assert shown == dict.fromkeys(options, True)


async def test_a_project_has_a_parent_that_is_there(site: Site) -> None:
    for _ in range(TIMES):
        parent = await site.make("projects", "project", name=site.name())
        child = {"project": {"name": site.name(), "parent_id": parent}}
        made, _ = await site.at_once(
            ("POST", "projects", child), ("DELETE", f"projects/{parent}", None)
        )
        assert (made.status_code == 201) == await site.is_there(f"projects/{parent}")


async def test_no_enabled_project_is_below_a_disabled_one(site: Site) -> None:
    off = {"project": {"enabled": False}}
    for _ in range(TIMES):
        parent = await site.make("projects", "project", name=site.name())
        child = await site.make(
            "projects", "project", name=site.name(), parent_id=parent, enabled=False
        )
        grandchild = {"project": {"name": site.name(), "parent_id": parent}}
        answers = await site.at_once(
            ("PATCH", f"projects/{parent}", off),
            ("PATCH", f"projects/{child}", {"project": {"enabled": True}}),
            ("POST", "projects", grandchild),
        )
        shown = (await site.admin.get(f"/v3/projects/{parent}"))["project"]
        assert shown["enabled"] or {one.status_code for one in answers[1:]} <= {400, 403}


@pytest.mark.parametrize("noun", ["user", "project", "group", "role"])
async def test_nothing_is_in_a_domain_that_is_gone(site: Site, noun: str) -> None:
    for _ in range(TIMES):
        domain = await site.make("domains", "domain", name=site.name(), enabled=False)
        body = {noun: {"name": site.name(), "domain_id": domain}}
        made, gone = await site.at_once(
            ("POST", f"{noun}s", body), ("DELETE", f"domains/{domain}", None)
        )
        assert gone.status_code == 204
        if made.status_code == 201:
            assert not await site.is_there(f"{noun}s/{made.json()[noun]['id']}")


async def test_a_grant_ends_with_each_of_its_parts(site: Site) -> None:
    for part in ("users", "projects", "roles") * 2:
        user = await site.make("users", "user", name=site.name())
        project = await site.make("projects", "project", name=site.name())
        role = await site.make("roles", "role", name=site.name())
        ids = {"users": user, "projects": project, "roles": role}
        await site.at_once(
            ("PUT", f"projects/{project}/users/{user}/roles/{role}", None),
            ("DELETE", f"{part}/{ids[part]}", None),
        )
        assert not await site.is_there(f"{part}/{ids[part]}")
        every = (await site.admin.get("/v3/role_assignments"))["role_assignments"]
        assert not [one for one in every if ids[part] in str(one)]


async def test_an_access_rule_that_is_used_stays(site: Site) -> None:
    path = f"users/{site.admin.user_id}/application_credentials"
    rule = {"path": "/v2.1/servers", "method": "GET", "service": "compute"}
    for _ in range(TIMES):
        body = {"application_credential": {"name": site.name(), "access_rules": [rule]}}
        first = (await site.admin.post(f"/v3/{path}", body))["application_credential"]
        rule_id = first["access_rules"][0]["id"]
        await site.admin("DELETE", f"/v3/{path}/{first['id']}", status=204)
        body = {"application_credential": {"name": site.name(), "access_rules": [{"id": rule_id}]}}
        rules = f"users/{site.admin.user_id}/access_rules/{rule_id}"
        made, _ = await site.at_once(("POST", path, body), ("DELETE", rules, None))
        assert (made.status_code == 201) == await site.is_there(rules)


async def test_what_a_user_who_is_gone_had_is_gone(site: Site) -> None:
    for _ in range(TIMES):
        user = await site.make("users", "user", name=site.name(), password=PASSWORD)
        group = await site.make("groups", "group", name=site.name())
        credential = {"credential": {"type": "totp", "blob": "b", "user_id": user}}
        await site.at_once(
            ("PUT", f"groups/{group}/users/{user}", None),
            ("POST", "credentials", credential),
            ("DELETE", f"users/{user}", None),
        )
        assert (await site.admin.get(f"/v3/credentials?user_id={user}"))["credentials"] == []
        await site.admin("HEAD", f"/v3/groups/{group}/users/{user}", status=404)
