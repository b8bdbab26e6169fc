"""Migrations end where the tables are; a database of a newer version is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from hanok.base.errors import Unavailable
from hanok.store import Database, metadata, migrate
from hanok.store.new_migration import import_all_tables


async def test_migrations_from_nothing_end_where_the_tables_are(
    tmp_path: Path, database_url: str
) -> None:
    import_all_tables()
    database = Database(database_url or f"sqlite:///{tmp_path}/db", durable=False)
    await database.open()
    differences: list[Any] = []

    def look(connection: sa.Connection) -> None:
        migrate.upgrade(connection)
        context = MigrationContext.configure(connection, opts={"compare_type": False})
        differences.extend(
            one
            for one in compare_metadata(context, metadata)
            if not (isinstance(one, tuple) and getattr(one[1], "name", "") == "alembic_version")
        )

    await database.run_sync(look)
    await database.close()
    assert differences == []


async def test_a_second_start_changes_nothing_and_a_newer_database_is_refused(
    tmp_path: Path,
) -> None:
    database = Database(f"sqlite:///{tmp_path}/db", durable=False)
    await database.open()
    await migrate.ensure(database)
    await migrate.ensure(database)

    def newer(connection: sa.Connection) -> None:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")

    await database.run_sync(newer)
    with pytest.raises(Unavailable, match="newer version"):
        await migrate.ensure(database)
    await database.close()


async def test_a_file_that_is_no_database_says_so(tmp_path: Path) -> None:
    (tmp_path / "db").write_bytes(b"this is no database" * 1000)
    database = Database(f"sqlite:///{tmp_path}/db")
    with pytest.raises(Unavailable, match="damaged or is no database"):
        await database.open()
    await database.close()
