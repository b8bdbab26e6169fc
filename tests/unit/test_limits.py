"""Limits: what wins, what is counted, and that they hold when several add at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from hanok.limits import DEFAULTS, Limits, OverLimit, Resource
from hanok.services.network.tables import routers
from hanok.store import Database, Transaction
from hanok.store.new_migration import import_all_tables
from tests.databases import opened

ROUTERS = Resource(
    name="router",
    default=2,
    registered="routers",
    count=sa.select(sa.func.count())
    .select_from(routers)
    .where(routers.c.project_id == sa.bindparam("owner")),
)
LETTERS = Resource(
    name="letters",
    default=3,
    unit=10,
    count=sa.select(sa.func.coalesce(sa.func.sum(sa.func.length(routers.c.name)), 0)).where(
        routers.c.project_id == sa.bindparam("owner")
    ),
)
ITEMS = Resource(name="items", default=4)


@pytest.fixture
async def database(tmp_path: Path, database_url: str) -> AsyncIterator[Database]:
    import_all_tables()
    found = await opened(tmp_path, database_url)
    yield found
    await found.close()


async def _add(database: Database, limits: Limits, number: int, name: str = "r") -> bool:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    row = {
        "id": str(number),
        "name": name,
        "project_id": "p",
        "description": "",
        "revision_number": 1,
        "created_at": now,
        "updated_at": now,
        "admin_state_up": True,
        "routes": [],
        "enable_snat": True,
        "availability_zone_hints": [],
    }
    try:
        async with database.write() as tx:
            await limits.check(tx, "p", {"router": 1, "letters": len(name)})
            await tx.insert(routers, row)
    except OverLimit:
        return False
    return True


async def test_an_operators_limit_beats_the_default_and_a_registered_one_beats_both(
    database: Database,
) -> None:
    unified: dict[str, int] = {}

    async def registered(tx: Transaction, project_id: str) -> Mapping[str, int]:
        return unified

    limits = Limits("test", [ROUTERS, ITEMS], registered)
    async with database.write() as tx:
        assert await limits.maximums(tx, "p") == {"router": 2, "items": 4}
        await limits.set(tx, DEFAULTS, {"router": 5})
        assert (await limits.maximums(tx, "p"))["router"] == 5
        await limits.set(tx, "p", {"router": 6, "items": -1})
        assert await limits.maximums(tx, "p") == {"router": 6, "items": -1}
        assert await limits.with_own(tx) == {"p": {"router": 6, "items": -1}}
        unified["routers"] = 7
        assert (await limits.maximums(tx, "p"))["router"] == 7
        assert (await limits.maximums(tx, "q"))["router"] == 7
        unified.clear()
        await limits.reset(tx, "p")
        assert await limits.maximums(tx, "p") == {"router": 5, "items": 4}
        assert await limits.defaults(tx) == {"router": 5, "items": 4}


async def test_who_adds_at_the_same_moment_is_counted(database: Database) -> None:
    limits = Limits("test", [ROUTERS, LETTERS])
    added = await asyncio.gather(*(_add(database, limits, number) for number in range(8)))
    assert sum(added) == 2


async def test_sizes_are_compared_exactly_and_shown_in_the_limits_unit(database: Database) -> None:
    limits = Limits("test", [ROUTERS, LETTERS])
    assert await _add(database, limits, 1, "x" * 25)
    assert not await _add(database, limits, 2, "x" * 6)
    async with database.read() as tx:
        assert await limits.used(tx, "p") == {"router": 1, "letters": 2}
        with pytest.raises(OverLimit) as caught:
            await limits.check(tx, "p", {"letters": 6, "router": 9})
    over = {one.resource: (one.maximum, one.used, one.requested) for one in caught.value.over}
    assert over == {"letters": (3, 2, 1), "router": (2, 1, 9)}


async def test_a_limit_on_one_request_is_held_against_that_request(database: Database) -> None:
    limits = Limits("test", [ROUTERS, ITEMS])
    async with database.read() as tx:
        await limits.check_one_request(tx, "p", {"items": 4})
        with pytest.raises(OverLimit):
            await limits.check_one_request(tx, "p", {"items": 5})
