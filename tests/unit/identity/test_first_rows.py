"""What a start writes is what is missing, and no more."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from hanok.rooms import CatalogEntry
from hanok.services.identity.logic import first_rows
from hanok.services.identity.tables import endpoints, implied_roles, regions, roles, services
from hanok.store import Database, Transaction
from tests.databases import opened

IMAGE = CatalogEntry("image", "glance", "", "/image")
VOLUMES = CatalogEntry("block-storage", "cinder", "", "/volume/v3")


@pytest.fixture
async def database(tmp_path: Path, database_url: str) -> AsyncIterator[Database]:
    made = await opened(tmp_path, database_url)
    yield made
    await made.close()


async def count(tx: Transaction, table: sa.Table) -> int:
    return int(await tx.scalar(sa.select(sa.func.count()).select_from(table)) or 0)


async def test_a_second_start_adds_nothing(database: Database) -> None:
    async with database.write() as tx:
        first = await first_rows.ensure_first_roles(tx)
        assert set(first) == set(first_rows.ROLES)
        assert await count(tx, implied_roles) == len(first_rows.IMPLIED)
    async with database.write() as tx:
        assert await first_rows.ensure_first_roles(tx) == first
        assert await count(tx, roles) == len(first_rows.ROLES)
        assert await count(tx, implied_roles) == len(first_rows.IMPLIED)


async def test_what_was_taken_away_comes_back(database: Database) -> None:
    async with database.write() as tx:
        first = await first_rows.ensure_first_roles(tx)
        await tx.execute(implied_roles.delete().where(implied_roles.c.prior_id == first["admin"]))
        await tx.execute(roles.delete().where(roles.c.id == first["service"]))
        again = await first_rows.ensure_first_roles(tx)
        assert {**again, "service": ""} == {**first, "service": ""}
        assert again["service"] != first["service"]
        assert await count(tx, implied_roles) == len(first_rows.IMPLIED)


async def test_a_role_is_there_whatever_the_case_of_its_letters(database: Database) -> None:
    async with database.write() as tx:
        (creator,) = (await first_rows.ensure_roles(tx, ["Creator"])).values()
        found = await first_rows.ensure_roles(tx, ["creator", "Audit"])
        assert found["creator"] == creator
        # Of names that differed in case alone before names were compared so, one has the key.
        old = {"id": "0" * 32, "name": "AUDIT", "name_key": "audit of old", "domain_id": "*"}
        await tx.insert(roles, {**old, "extra": {}, "options": {}})
        assert await first_rows.ensure_roles(tx, ["AUDIT", "audit", "Audit"]) == {
            "AUDIT": "0" * 32,
            "audit": found["Audit"],
            "Audit": found["Audit"],
        }
        assert await count(tx, roles) == 3


async def test_roles_of_a_domain_are_not_meant(database: Database) -> None:
    async with database.write() as tx:
        await first_rows.ensure_domain(tx)
        row = {"id": "1" * 32, "name": "creator", "domain_id": "default", "extra": {}}
        await tx.insert(roles, {**row, "options": {}})
        assert (await first_rows.ensure_roles(tx, ["creator"]))["creator"] != "1" * 32


async def test_a_service_of_an_operator_stays_alone(database: Database) -> None:
    async with database.write() as tx:
        await tx.insert(regions, {"id": "R", "description": "", "extra": {}})
        row = {"id": "2" * 32, "type": "image", "name": "theirs", "description": ""}
        await tx.insert(services, {**row, "enabled": True, "extra": {}})
        for _ in range(2):
            await first_rows.ensure_services(tx, [IMAGE, VOLUMES, VOLUMES], "R")
            names = await tx.scalars(sa.select(services.c.name).order_by(services.c.name))
            assert list(names) == ["cinder", "theirs"]
            assert await count(tx, endpoints) == 3
