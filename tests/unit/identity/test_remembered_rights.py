"""What a token was found to be worth is remembered until a fact changes that it hangs on: and no longer."""

from __future__ import annotations

import ast
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.sql import visitors

import hanok
from hanok.services.identity.logic import catalog, endpoint_filters, rights, tokens, trusts
from hanok.services.identity.tables import group_members, projects, roles, state, users
from hanok.store import Database, migrate
from tests.cloud import Cloud


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database(f"sqlite:///{tmp_path}/db", durable=False)
    await database.open()
    await database.run_sync(migrate.upgrade)
    rights.watch(database)
    yield database
    await database.close()


async def raised(database: Database, *statements: Any) -> bool:
    async with database.write() as tx:
        await tx.insert_missing(state, {"id": 1, "revision": 0})
        before = await rights.revision(tx)
    async with database.write() as tx:
        for statement in statements:
            await tx.execute(statement)
    async with database.read() as tx:
        return await rights.revision(tx) != before


def a_role(name: str) -> Any:
    return roles.insert().values(
        id=name, name=name, domain_id="*", description=None, options={}, extra={}
    )


async def test_what_takes_or_gives_rights_raises_the_counter(database: Database) -> None:
    assert not await raised(database, a_role("r"))
    assert await raised(database, roles.update().where(roles.c.id == "r").values(name="s"))
    assert not await raised(
        database, roles.update().where(roles.c.id == "r").values(extra={"a": 1})
    )
    assert await raised(database, roles.delete().where(roles.c.id == "r"))
    member = {"user_id": "u", "group_id": "g"}
    assert await raised(database, group_members.insert().values(**member))
    assert await raised(database, group_members.delete())


async def test_what_changes_nothing_raises_nothing(database: Database) -> None:
    assert not await raised(database, roles.delete().where(roles.c.id == "nowhere"))
    assert not await raised(database, group_members.delete())
    assert not await raised(database, sa.select(users))


async def test_a_change_whose_values_come_beside_it_is_seen_too(database: Database) -> None:
    await raised(database, a_role("r"))
    named = roles.update().where(roles.c.id == sa.bindparam("of"))
    async with database.write() as tx:
        before = await rights.revision(tx)
        await tx.execute(named, {"of": "r", "extra": {}})
    async with database.write() as tx:
        assert await rights.revision(tx) == before
        await tx.execute(named, {"of": "r", "name": "other"})
    async with database.read() as tx:
        assert await rights.revision(tx) == before + 1


async def test_one_transaction_raises_it_once_and_one_undone_not_at_all(database: Database) -> None:
    await raised(database)
    async with database.write() as tx:
        before = await rights.revision(tx)
        for one in "abc":
            await tx.execute(group_members.insert().values(user_id=one, group_id="g"))
    async with database.write() as tx:
        assert await rights.revision(tx) == before + 1
    with pytest.raises(RuntimeError):
        async with database.write() as tx:
            await tx.execute(group_members.delete())
            raise RuntimeError
    async with database.read() as tx:
        assert await rights.revision(tx) == before + 1


# What reads what is remembered: statements of others than these would be of no token's worth.
READERS = (tokens, rights, trusts, catalog, endpoint_filters)
# Read there, and of no token's worth: the counter itself.
OTHERS = {state}


def test_every_table_that_a_token_s_worth_is_read_from_is_watched() -> None:
    read = {
        table
        for module in READERS
        for statement in vars(module).values()
        if isinstance(statement, sa.Select | sa.CompoundSelect)
        for table in visitors.iterate(statement)
        if isinstance(table, sa.Table)
    }
    assert {users, projects, roles} <= read  # statements are found where they are
    assert {table.name for table in read - OTHERS - rights.FACTS.keys()} == set()


def test_nobody_raises_the_counter_by_hand() -> None:
    """Forgetting is impossible where there is nothing to remember."""
    for file in sorted(Path(hanok.__path__[0], "services").rglob("*.py")):
        if file.name == "rights.py":
            continue
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Attribute) and ast.unparse(node) == "rights._changed":
                raise AssertionError(file)


async def test_a_new_user_makes_no_known_token_a_miss_and_a_grant_is_seen_at_once(
    cloud: Cloud,
) -> None:
    admin = await cloud.sign_in()
    member = await cloud.project_with("p", "member")
    async with cloud.control.database.read() as tx:
        before = await rights.revision(tx)
    requested = {"user": {"name": "new", "password": "secret"}}
    await admin.post("/v3/users", requested)
    await admin.post("/v3/projects", {"project": {"name": "new"}})
    async with cloud.control.database.read() as tx:
        assert await rights.revision(tx) == before
    await member("GET", "/compute/v2.1/os-services", status=403)
    known = {role["name"]: role["id"] for role in (await admin.get("/v3/roles"))["roles"]}
    path = f"/v3/projects/{member.project_id}/users/{member.user_id}/roles/{known['admin']}"
    await admin("PUT", path, status=204)
    await member("GET", "/compute/v2.1/os-services", status=200)
    await admin("DELETE", path, status=204)
    await member("GET", "/compute/v2.1/os-services", status=403)
