"""Rows that go from SQLite to PostgreSQL: compared one by one, noted when they change, all of them or none."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from hanok.base import failpoints
from hanok.base.errors import Conflict, Unavailable
from hanok.base.failpoints import Broken as Failed
from hanok.base.failpoints import armed
from hanok.store import Database, dump, moved, moving
from hanok.store.schema import metadata
from tests import postgres
from tests.cloud import first_rows

pytestmark = pytest.mark.postgres


async def test_a_row_that_differs_or_lacks_is_found(
    tmp_path: Path, postgres_server: postgres.Server
) -> None:
    await first_rows(tmp_path)
    path = tmp_path / "control" / "hanok.db"
    url = postgres_server.new_database(postgres.EMPTY)
    with armed("moving.before_mark", "raise", 1), pytest.raises(Failed):
        await moving.move(path, url)
    assert moved.place(f"sqlite:///{path}") == f"sqlite:///{path}"
    source = sa.create_engine(f"sqlite:///{path}")
    target = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://", 1))
    for change, what in (
        ("UPDATE projects SET description = 'x'", "is not what it was"),
        ("DELETE FROM assignments", "is not what it was"),
        ("INSERT INTO leases VALUES ('one', 'too many', 1)", "rows, and had"),
    ):
        with source.connect() as here:
            async with target.connect() as there:
                assert await moving.compare(here, there) > 100
                await there.exec_driver_sql(change)
                with pytest.raises(moving.Broken, match=what):
                    await moving.compare(here, there)
    await target.dispose()
    source.dispose()

    # What was written there is used by nobody, and known as such.
    await moving.move(path, url)
    assert moved.place(f"sqlite:///{path}") == url
    with pytest.raises(Conflict, match="have moved"):
        moving.undo(path)


async def test_indexes_are_those_of_a_cloud_that_was_made_there(
    tmp_path: Path, postgres_server: postgres.Server
) -> None:
    await first_rows(tmp_path)
    path = tmp_path / "control" / "hanok.db"
    url, made = postgres_server.new_database(postgres.EMPTY), postgres_server.new_database()
    for table in metadata.tables.values():
        for index in table.indexes:  # what has told PostgreSQL's conditions in this process before
            index.dialect_options["postgresql"]["where"] = None
    await moving.move(path, url)
    found = await _indexes(url)
    assert found == await _indexes(made)
    assert found["uq_port_bindings_active"].endswith("'ACTIVE'::text)")


async def _indexes(url: str) -> dict[str, str]:
    engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://", 1))
    async with engine.connect() as connection:
        statement = "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'"
        rows = (await connection.exec_driver_sql(statement)).all()
    await engine.dispose()
    own = (moved.OURS, "schema_fits")  # of moves, and of migrations
    return {row.indexname: row.indexdef for row in rows if not row.indexname.startswith(own)}


async def test_a_process_that_has_the_file_open_goes_after_the_rows(
    tmp_path: Path, postgres_server: postgres.Server
) -> None:
    await first_rows(tmp_path)
    path = tmp_path / "control" / "hanok.db"
    url = postgres_server.new_database(postgres.EMPTY)
    reader, writer = Database(f"sqlite:///{path}"), Database(f"sqlite:///{path}")
    leases = metadata.tables["leases"]
    for one in (reader, writer):
        await one.open()
    try:
        async with reader.read() as early:
            assert await early.first(sa.select(leases).where(leases.c.name == "mine")) is None
            await moving.move(path, url)
            async with writer.write() as tx:
                assert tx.dialect == "postgresql"
                await tx.insert(
                    leases,
                    {"name": "mine", "holder": "me", "until": datetime(2026, 1, 1, tzinfo=UTC)},
                )
            # Who began to read before reads on in the file; who begins later does not.
            assert await early.all(sa.select(leases).where(leases.c.name == "mine")) == []
        async with reader.read() as late:
            assert await late.first(sa.select(leases).where(leases.c.name == "mine"))
    finally:
        for one in (reader, writer):
            await one.close()


async def test_a_server_that_goes_in_the_middle_leaves_the_rows_where_they_are(
    tmp_path: Path, postgres_server: postgres.Server
) -> None:
    await first_rows(tmp_path)
    path = tmp_path / "control" / "hanok.db"
    url = postgres_server.new_database(postgres.EMPTY)
    place = "moving.compared"

    async def moves() -> None:
        with pytest.raises(Unavailable):
            await moving.move(path, url)

    with armed(place, "hang", 1):
        async with asyncio.TaskGroup() as group:
            group.create_task(moves())
            await _lose(url, place, path)
    assert not moved.is_begun(path)
    assert (await moving.move(path, url)).rows > 100


async def test_rows_come_back_with_the_numbers_that_were_given(
    tmp_path: Path, postgres_server: postgres.Server
) -> None:
    """A number that was given is not given again, there or back, though its row is gone."""
    await first_rows(tmp_path)
    path = tmp_path / "control" / "hanok.db"
    url = postgres_server.new_database(postgres.EMPTY)
    table = next(
        one for one in dump.tables() if one.dialect_options["sqlite"]["autoincrement"]
    )  # fmt: skip
    source = sa.create_engine(f"sqlite:///{path}")
    with source.begin() as connection:
        connection.exec_driver_sql(f"INSERT INTO sqlite_sequence VALUES ('{table.name}', 41)")
    source.dispose()
    await moving.move(path, url)
    sequence = await dump.run(url, lambda one: _last(one, table))
    assert sequence == 41
    await moving.finish(url)
    await moving.back(path, url)
    assert moved.place(f"sqlite:///{path}") == f"sqlite:///{path}"
    source = sa.create_engine(f"sqlite:///{path}")
    with source.begin() as connection:
        text = f"SELECT seq FROM sqlite_sequence WHERE name = '{table.name}'"
        assert connection.exec_driver_sql(text).scalar() == 41
    source.dispose()


def _last(connection: sa.Connection, table: sa.Table) -> int:
    name, column = str(table.name), str(next(iter(table.primary_key.columns)).name)
    which = connection.execute(sa.select(sa.func.pg_get_serial_sequence(name, column))).scalar()
    return int(connection.exec_driver_sql(f"SELECT last_value FROM {which}").scalar() or 0)


async def test_a_row_that_a_server_cannot_hold_is_named_without_its_values(
    tmp_path: Path, postgres_server: postgres.Server
) -> None:
    await first_rows(tmp_path)
    path = tmp_path / "control" / "hanok.db"
    url = postgres_server.new_database(postgres.EMPTY)
    source = sa.create_engine(f"sqlite:///{path}")
    with source.begin() as connection:
        connection.exec_driver_sql("INSERT INTO leases VALUES (?, 'secret', 1)", ("x" * 70_000,))
    source.dispose()
    with pytest.raises(moving.Broken, match="a row of leases does not fit: value too long") as told:
        await moving.move(path, url)
    assert "secret" not in str(told.value)
    assert not moved.is_begun(path)


async def _lose(url: str, place: str, path: Path) -> None:
    """The server ends the connection of a move that stands at this place."""

    def end(connection: sa.Connection) -> None:
        connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )

    while not failpoints.waiting(place):
        await asyncio.sleep(0.01)
    assert moved.is_begun(path)
    await dump.run(url, end)
    failpoints.release(place)
