"""Transactions: all or nothing, one writer at a time, hooks only after the commit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from hanok.base.errors import BadInput
from hanok.store import Database, Duplicate, metadata

counters = sa.Table(
    "test_counters",
    metadata,
    sa.Column("name", sa.String(20), primary_key=True),
    sa.Column("value", sa.Integer, nullable=False),
    info={"test": True},
)
metadata.remove(counters)  # only these tests make it


@pytest.fixture
async def database(tmp_path: Path, database_url: str) -> AsyncIterator[Database]:
    made = Database(database_url or f"sqlite:///{tmp_path}/db", durable=False)
    await made.open()
    await made.run_sync(lambda connection: counters.create(connection))
    async with made.write() as tx:
        await tx.insert(counters, {"name": "a", "value": 0})
    yield made
    await made.close()


async def value(database: Database) -> int:
    async with database.read() as tx:
        return int(await tx.scalar(sa.select(counters.c.value).where(counters.c.name == "a")))


async def test_an_exception_rolls_everything_back_and_calls_no_hook(database: Database) -> None:
    called: list[int] = []
    with pytest.raises(RuntimeError):
        async with database.write() as tx:
            await tx.execute(counters.update().values(value=5))
            tx.after_commit(lambda: called.append(1))
            raise RuntimeError
    assert await value(database) == 0 and called == []


async def test_a_value_that_cannot_be_kept_is_bad_input(database: Database) -> None:
    unfit: list[dict[str, object]] = [{"name": "n", "value": 2**63}, {"name": "\ud800", "value": 1}]
    if database.dialect == "postgresql":  # SQLite keeps the character NUL
        unfit.append({"name": "a\0b", "value": 1})
        unfit.append({"name": "n" * 21, "value": 1})
    for row in unfit:
        with pytest.raises(BadInput):
            async with database.write() as tx:
                await tx.execute(counters.update().values(value=5))
                await tx.insert(counters, row)
    assert await value(database) == 0


async def test_a_duplicate_leaves_the_transaction_usable(database: Database) -> None:
    async with database.write() as tx:
        with pytest.raises(Duplicate):
            await tx.insert(counters, {"name": "a", "value": 1})
        await tx.insert(counters, {"name": "b", "value": 1})
    async with database.read() as tx:
        assert list(await tx.scalars(sa.select(counters.c.name).order_by(counters.c.name))) == [
            "a",
            "b",
        ]


async def test_writers_that_yield_inside_do_not_lose_updates(database: Database) -> None:
    async def add() -> None:
        async with database.write() as tx:
            await tx.serialize("counter")
            before = await tx.scalar(sa.select(counters.c.value).where(counters.c.name == "a"))
            await asyncio.sleep(0)
            await tx.execute(
                counters.update().where(counters.c.name == "a").values(value=before + 1)
            )

    await asyncio.gather(*(add() for _ in range(20)))
    assert await value(database) == 20


async def test_a_writer_of_another_connection_is_waited_for(tmp_path: Path) -> None:
    one = Database(f"sqlite:///{tmp_path}/db", durable=False)
    two = Database(f"sqlite:///{tmp_path}/db", durable=False)
    await one.open()
    await two.open()
    await one.run_sync(lambda connection: counters.create(connection))

    async def hold() -> None:
        async with one.write() as tx:
            await tx.insert(counters, {"name": "a", "value": 1})
            await asyncio.sleep(0.1)

    async def wait() -> None:
        await asyncio.sleep(0.02)
        async with two.write() as tx:
            await tx.execute(counters.update().values(value=counters.c.value + 1))

    await asyncio.gather(hold(), wait())
    assert await value(one) == 2
    await one.close()
    await two.close()
