"""Effective roles in random worlds against a plain model."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given

from hanok.services.identity.logic import rights
from hanok.services.identity.tables import (
    assignments,
    group_members,
    implied_roles,
    projects,
    roles,
)
from hanok.store import Transaction
from tests.databases import opened
from tests.unit.identity.worlds import DOMAINS, GROUPS, ROLES, SYSTEM, USERS, World, worlds


def _place(name: str, parent: str | None, domain: str | None) -> dict[str, Any]:
    return {
        "id": name,
        "name": name,
        "name_scope": domain or "*",
        "domain_id": domain,
        "parent_id": parent,
        "is_domain": parent is None,
        "enabled": True,
        "options": {},
        "extra": {},
    }


async def _fill(tx: Transaction, world: World) -> None:
    for domain in DOMAINS:
        await tx.insert(projects, _place(domain, None, None))
    for project in world.projects:
        await tx.insert(projects, _place(project, world.parent(project), world.domain(project)))
    for role in ROLES:
        home = DOMAINS[0] if role == ROLES[0] else "*"
        row = {"id": role, "name": role, "domain_id": home, "options": {}, "extra": {}}
        await tx.insert(roles, row)
    for prior, implied in world.implied:
        await tx.insert(implied_roles, {"prior_id": prior, "implied_id": implied})
    for group, user in world.members:
        await tx.insert(group_members, {"group_id": group, "user_id": user})
    for one in world.given:
        kind = "system" if one.place == SYSTEM else "domain" if one.place in DOMAINS else "project"
        await tx.insert(
            assignments,
            {
                "actor_kind": "group" if one.actor in GROUPS else "user",
                "actor_id": one.actor,
                "target_kind": kind,
                "target_id": "all" if kind == "system" else one.place,
                "role_id": one.role,
                "inherited": one.inherited,
            },
        )


async def _check(world: World) -> None:
    with tempfile.TemporaryDirectory() as folder:
        database = await opened(Path(folder))
        async with database.write() as tx:
            await _fill(tx, world)
        async with database.read() as tx:
            for user in USERS:
                held = {name: await rights.on_project(tx, user, name) for name in world.projects}
                held |= {name: await rights.on_domain(tx, user, name) for name in DOMAINS}
                held[SYSTEM] = await rights.on_system(tx, user)
                for place, found in held.items():
                    assert len(found) == len(set(found))
                    named = {name for _, name in await rights.named(tx, found)}
                    assert named == world.roles(user, place), (user, place)
                somewhere = {
                    place
                    for place in world.places
                    if any(world.holds(user, role, place) for role in ROLES)
                }
                assert await rights.projects_of(tx, user) == somewhere & set(world.projects)
                assert await rights.domains_of(tx, user) == somewhere & set(DOMAINS)
        await database.close()


@given(worlds())
def test_what_is_held_is_what_the_model_says(world: World) -> None:
    asyncio.run(_check(world))
