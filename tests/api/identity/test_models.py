"""Random worlds made over the API: tokens, and the list of effective assignments, say what a plain model says."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings

from tests.api.identity.doors import by_password
from tests.cloud import PASSWORD, Client, Cloud, running
from tests.unit.identity.worlds import DOMAINS, GROUPS, ROLES, SYSTEM, USERS, World, worlds


async def _make(cloud: Cloud, admin: Client, world: World) -> dict[str, str]:
    """The world over the API; ids by name."""

    async def new(kind: str, **values: Any) -> str:
        return str((await admin.post(f"/v3/{kind}s", {kind: values}))[kind]["id"])

    ids = {name: await new("domain", name=name) for name in DOMAINS}
    for name in world.projects:
        parent, domain = ids[world.parent(name) or ""], ids[world.domain(name)]
        ids[name] = await new("project", name=name, parent_id=parent, domain_id=domain)
    for name in USERS:
        ids[name] = await new("user", name=name, password=PASSWORD)
    for name in GROUPS:
        ids[name] = await new("group", name=name)
    for name in ROLES:
        home = {"domain_id": ids[DOMAINS[0]]} if name == ROLES[0] else {}
        ids[name] = await new("role", name=name, **home)
    for prior, implied in world.implied:
        await admin("PUT", f"/v3/roles/{ids[prior]}/implies/{ids[implied]}", status=201)
    for group, user in world.members:
        await admin("PUT", f"/v3/groups/{ids[group]}/users/{ids[user]}", status=204)
    for one in world.given:
        actor = f"{'groups' if one.actor in GROUPS else 'users'}/{ids[one.actor]}"
        place = f"{_kind(one.place)}s/{ids[one.place]}" if one.place != SYSTEM else SYSTEM
        path = f"{place}/{actor}/roles/{ids[one.role]}"
        path = f"OS-INHERIT/{path}/inherited_to_projects" if one.inherited else path
        await admin("PUT", f"/v3/{path}", status=204)
    return ids


def _kind(place: str) -> str:
    return "domain" if place in DOMAINS else "project"


def _scope(ids: dict[str, str], place: str) -> dict[str, Any]:
    return {"system": {"all": True}} if place == SYSTEM else {_kind(place): {"id": ids[place]}}


async def _roles_of_token(cloud: Cloud, user_id: str, scope: dict[str, Any]) -> set[str]:
    auth = {"auth": {"identity": by_password(user_id), "scope": scope}}
    answer = await cloud.anonymous("POST", "/v3/auth/tokens", auth)
    assert answer.status_code in (201, 401), answer.text
    if answer.status_code == 401:
        return set()
    return {role["name"] for role in answer.json()["token"]["roles"]}


async def _listed(admin: Client, ids: dict[str, str]) -> set[tuple[str, str, str]]:
    """(user, place, role) of the list of effective assignments, as far as they are of this world."""
    names = {value: name for name, value in ids.items()}
    found = set()
    for line in (await admin.get("/v3/role_assignments?effective"))["role_assignments"]:
        scope = line["scope"]
        kind = next(kind for kind in ("project", "domain", "system") if kind in scope)
        place = SYSTEM if kind == "system" else names.get(scope[kind]["id"], "")
        found.add((names.get(line["user"]["id"], ""), place, names.get(line["role"]["id"], "")))
    return {line for line in found if line[0] in USERS}


async def _check(world: World) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with running(Path(folder)) as cloud:
            admin = await cloud.sign_in()
            ids = await _make(cloud, admin, world)
            listed = await _listed(admin, ids)
            for user in USERS:
                for place in world.places:
                    expected = world.roles(user, place)
                    assert await _roles_of_token(cloud, ids[user], _scope(ids, place)) == expected
                    on_list = {role for who, where, role in listed if (who, where) == (user, place)}
                    assert on_list == expected, (user, place)


@settings(max_examples=12, deadline=None)
@given(worlds())
def test_tokens_and_effective_assignments_agree_with_the_model(world: World) -> None:
    asyncio.run(_check(world))
