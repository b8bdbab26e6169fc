"""Migrations end where the tables are; a database of a newer version is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations

from hanok.base.errors import Unavailable
from hanok.services.identity.tables import revocation_events, revoked_tokens
from hanok.store import Database, metadata, migrate
from hanok.store.new_migration import import_all_tables

pytestmark = pytest.mark.no_tables


def _fill(connection: sa.Connection) -> set[str]:
    """One row in every table, each referring to those before it. Returns the tables' names."""
    there = sa.MetaData()
    there.reflect(connection)
    rows: dict[tuple[str, str], Any] = {}
    filled = set()
    for table in there.sorted_tables:
        if table.name == "alembic_version":
            continue
        row = {}
        for column in table.columns:
            if column.computed is not None:
                continue  # the database says what it is
            if column.foreign_keys:
                parent = next(iter(column.foreign_keys)).column
                row[column.name] = rows.get((parent.table.name, parent.name), "1")
            elif isinstance(column.type, sa.LargeBinary):
                row[column.name] = b"1"
            elif isinstance(column.type, sa.String):
                row[column.name] = "1"  # also valid JSON
            elif isinstance(column.type, sa.Boolean):
                row[column.name] = True
            else:
                row[column.name] = 1
        connection.execute(table.insert(), [row])
        rows |= {(table.name, name): value for name, value in row.items()}
        filled.add(table.name)
    return filled


def _counts(connection: sa.Connection) -> dict[str, int]:
    names = sa.inspect(connection).get_table_names()
    count = sa.select(sa.func.count())
    return {
        name: connection.execute(count.select_from(sa.table(name))).scalar_one() for name in names
    }


@pytest.mark.parametrize("revision", migrate.revisions())
async def test_no_row_is_lost_on_the_way_from_any_version(
    tmp_path: Path, database_url: str, revision: str
) -> None:
    import_all_tables()
    database = Database(database_url or f"sqlite:///{tmp_path}/db", durable=False)
    await database.open()
    filled: set[str] = set()
    left: dict[str, int] = {}

    await database.run_sync(lambda connection: migrate.upgrade(connection, revision))
    await database.run_sync(lambda connection: filled.update(_fill(connection)))
    await migrate.ensure(database)
    await database.run_sync(lambda connection: left.update(_counts(connection)))
    await database.close()
    assert len(filled) > 20
    kept = filled & set(metadata.tables)
    assert {name: left[name] for name in kept if left[name] < 1} == {}


@pytest.mark.parametrize("table", ["networks", "metadef_namespaces", "users"])
async def test_a_table_that_others_refer_to_can_be_built_anew(tmp_path: Path, table: str) -> None:
    import_all_tables()
    database = Database(f"sqlite:///{tmp_path}/db", durable=False)
    await database.open()
    await migrate.ensure(database)
    before: dict[str, int] = {}
    after: dict[str, int] = {}

    def change(connection: sa.Connection) -> None:
        operations = Operations(MigrationContext.configure(connection))
        with operations.batch_alter_table(table, recreate="always") as batch:
            batch.add_column(sa.Column("later", sa.String(8)))

    await database.run_sync(lambda connection: before.update(_counts_of_filled(connection)))
    await database.rebuild(change)
    await database.run_sync(lambda connection: after.update(_counts(connection)))
    await database.close()
    assert {name for name in before if before[name] != after[name]} == set()


def _counts_of_filled(connection: sa.Connection) -> dict[str, int]:
    _fill(connection)
    return _counts(connection)


async def test_what_would_leave_rows_without_their_parent_changes_nothing(tmp_path: Path) -> None:
    filled: set[str] = set()
    import_all_tables()
    database = Database(f"sqlite:///{tmp_path}/db", durable=False)
    await database.open()
    await migrate.ensure(database)
    await database.run_sync(lambda connection: filled.update(_fill(connection)))

    def lose(connection: sa.Connection) -> None:
        connection.exec_driver_sql("DELETE FROM networks")

    with pytest.raises(Unavailable, match="refer to others that are not there"):
        await database.rebuild(lose)
    left: dict[str, int] = {}
    await database.run_sync(lambda connection: left.update(_counts(connection)))
    await database.close()
    assert left["networks"] == 1 and left["ports"] == 1


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


async def test_events_that_were_told_before_an_upgrade_are_told_after_it(
    tmp_path: Path, database_url: str
) -> None:
    database = Database(database_url or f"sqlite:///{tmp_path}/db", durable=False)
    await database.open()
    stored = 1_793_534_400_250_000  # microseconds since 1970, as times are kept
    at = datetime(2026, 11, 1, 12, 0, 0, 250_000, tzinfo=UTC)
    found: list[Any] = []

    def walk(connection: sa.Connection) -> None:
        migrate.upgrade(connection, "0006")
        old = sa.MetaData()
        old.reflect(connection, only=["users", "revoked_tokens"])
        tokens, users = old.tables["revoked_tokens"], old.tables["users"]
        user = {
            "domain_id": "default",
            "enabled": True,
            "past_hashes": "[]",
            "failed_sign_ins": 0,
            "options": "{}",
            "extra": "{}",
            "created_at": stored,
        }
        for name, since in (("ended", stored), ("never", None)):
            row = {**user, "id": name, "name": name, "tokens_valid_from": since}
            connection.execute(users.insert(), [row])
        revoked = {"audit_id": "a", "expires_at": stored, "revoked_at": stored}
        connection.execute(tokens.insert(), [revoked])
        migrate.upgrade(connection)
        statement = sa.select(revocation_events).order_by(revocation_events.c.sequence)
        found.extend(connection.execute(statement))
        left = connection.execute(sa.select(revoked_tokens)).one()
        assert left.audit_id == "a" and left.expires_at == at

    await database.run_sync(walk)
    await database.close()
    assert [(one.kind, one.subject) for one in found] == [("audit", "a"), ("user", "ended")]
    assert {one.issued_before for one in found} == {one.revoked_at for one in found} == {at}
