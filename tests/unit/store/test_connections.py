"""How many connections to a server a process has."""

from __future__ import annotations

import asyncio

import pytest
import sqlalchemy as sa

from hanok.store import Database
from tests import postgres

pytestmark = pytest.mark.postgres
_sessions = sa.text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'"
)


async def test_what_needs_one_more_waits_until_one_is_free(
    postgres_server: postgres.Server,
) -> None:
    url = postgres_server.new_database(postgres.EMPTY)
    database = Database(url, durable=False, connections=2)
    await database.open()
    inside, leave = list[int](), asyncio.Event()

    async def look(number: int) -> None:
        async with database.read() as tx:
            inside.append(number)
            await tx.scalar(sa.select(1))
            await leave.wait()

    async with asyncio.TaskGroup() as group:
        for number in range(5):
            group.create_task(look(number))
        while len(inside) < 2:
            await asyncio.sleep(0.001)
        async with database.write() as tx:  # it has others
            assert await tx.scalar(_sessions) == 3
        assert len(inside) == 2
        leave.set()
    assert sorted(inside) == [0, 1, 2, 3, 4]
    await database.close()
    postgres_server.drop(url)
