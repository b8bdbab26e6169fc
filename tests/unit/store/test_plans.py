"""Statements that are sent by their plans: whatever stands in them and is sent with them, the right rows come back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import bindparam

from hanok.store import JSON, Database, Duplicate, metadata
from hanok.store.plans import LONG

pytestmark = pytest.mark.no_tables

things = sa.Table(
    "test_things",
    metadata,
    sa.Column("name", sa.String(20), primary_key=True),
    sa.Column("size", sa.Integer, nullable=False, default=7),
    sa.Column("more", JSON),
    info={"test": True},
)
metadata.remove(things)  # only these tests make it

_some = sa.select(things.c.name).where(things.c.name.in_(bindparam("names", expanding=True)))
_others = sa.select(things.c.name).where(things.c.name.not_in(bindparam("names", expanding=True)))
_pairs = sa.select(things.c.name).where(
    sa.tuple_(things.c.name, things.c.size).in_(bindparam("pairs", expanding=True))
)


@pytest.fixture
async def database(tmp_path: Path, database_url: str) -> AsyncIterator[Database]:
    made = Database(database_url or f"sqlite:///{tmp_path}/db", durable=False)
    await made.open()
    await made.run_sync(lambda connection: things.create(connection))
    async with made.write() as tx:
        await tx.insert(things, [{"name": f"{n:03}", "size": n, "more": [n]} for n in range(300)])
    yield made
    await made.close()


@pytest.mark.parametrize("count", [0, 1, 2, 3, 5, 8, LONG - 1, LONG, LONG + 1, 299, 300])
async def test_a_list_of_any_length_finds_what_it_names(database: Database, count: int) -> None:
    names = [f"{n:03}" for n in range(count)]
    async with database.read() as tx:
        for _ in range(2):
            assert sorted(await tx.scalars(_some, {"names": names})) == names
            assert len(await tx.scalars(_others, {"names": names})) == 300 - count
    async with database.write() as tx:
        gone = things.delete().where(things.c.name.in_(names))
        assert await tx.count(gone) == count
        assert await tx.scalar(sa.select(sa.func.count()).select_from(things)) == 300 - count


async def test_pairs_are_compared_as_pairs(database: Database) -> None:
    async with database.read() as tx:
        for count in (1, 3, 2):
            pairs = [(f"{n:03}", n) for n in range(count)]
            found = await tx.scalars(_pairs, {"pairs": [*pairs, ("004", 5)]})
            assert sorted(found) == [name for name, _ in pairs]


async def test_what_stands_in_a_statement_is_not_mixed_up_with_another_of_its_form(
    database: Database,
) -> None:
    async with database.read() as tx:
        for name in ("001", "002"):
            statement = sa.select(things.c.size).where(things.c.name == name)
            for _ in range(2):
                assert await tx.scalar(statement) == int(name)
            assert await tx.scalar(statement.where(things.c.size == 1)) == (
                1 if name == "001" else None
            )
        joined = sa.select(sa.func.aggregate_strings(things.c.name, "/")).where(things.c.size == 3)
        assert await tx.scalar(joined) == "003"


async def test_a_row_gets_its_defaults_and_is_changed_by_what_is_sent(database: Database) -> None:
    change = things.update().where(things.c.name == bindparam("which")).values(size=bindparam("to"))
    async with database.write() as tx:
        await tx.insert(things, {"name": "new", "more": {"a": 1}})
        assert (await tx.first(sa.select(things).where(things.c.name == "new"))) == (
            "new",
            7,
            {"a": 1},
        )
        for size in (8, 9):
            returned = await tx.first(change.returning(things.c.size), {"which": "new", "to": size})
            assert returned == (size,)
        assert await tx.count(change, {"which": "none", "to": 1}) == 0
        await tx.execute(change, [{"which": "001", "to": 5}, {"which": "002", "to": 6}])
        sizes = sa.select(things.c.size).where(things.c.name.in_(["001", "002"]))
        assert sorted(await tx.scalars(sizes)) == [5, 6]


async def test_of_several_rows_with_one_that_is_there_none_is_written(database: Database) -> None:
    async with database.write() as tx:
        with pytest.raises(Duplicate):
            await tx.insert(things, [{"name": "x"}, {"name": "001"}])
        with pytest.raises(Duplicate):
            await tx.insert(things, {"name": "001"})
        await tx.insert(things, {"name": "y"})
    async with database.read() as tx:
        assert await tx.scalars(_some, {"names": ["x", "y"]}) == ["y"]


async def test_values_of_a_row_are_found_by_name_by_column_and_by_place(
    database: Database,
) -> None:
    number = sa.func.length(things.c.name).label("count")
    wide = sa.select(things, number, things.c.size.label("_size")).order_by(things.c.name)
    async with database.read() as tx:
        rows: Any = await tx.all(wide.limit(2))
        first: Any = await tx.first(wide)
        assert (await tx.all(wide.where(things.c.size > 300))) == []
    assert first == rows[0] == ("000", 0, [0], 3, 0)
    name, size, more, *_ = first
    assert (name, size, more) == (first.name, first.size, first.more) == tuple(first)[:3]
    assert (first[0], first[-2], first._size) == ("000", 3, 0)
    assert first._mapping["count"] == 3  # a tuple has a method of that name
    assert first._mapping[things.c.more] == [0]
    assert dict(first._mapping)["size"] == 0
    with pytest.raises(AttributeError):
        assert first.other
    with pytest.raises(AttributeError):
        first.name = "else"
