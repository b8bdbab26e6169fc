"""Migrations end where the tables are; a database of a newer version is refused."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations

from hanok.base.errors import HanokError, Unavailable
from hanok.services.identity.tables import revocation_events, revoked_tokens
from hanok.store import Database, metadata, migrate
from hanok.store.new_migration import import_all_tables

pytestmark = pytest.mark.no_tables
OWN = ("alembic_version", "schema_fits")  # of migrations themselves


def _fill(connection: sa.Connection, number: int = 1) -> set[str]:
    """One row in every table, each referring to those before it. Returns the tables' names.

    number: makes it another row than the one before; numbers of rows are a hundred times as far from each other.
    """
    there = sa.MetaData()
    there.reflect(connection)
    rows: dict[tuple[str, str], Any] = {}
    filled = set()
    for table in there.sorted_tables:
        if table.name in OWN:
            continue
        row = {}
        for column in table.columns:
            if column.computed is not None:
                continue  # the database says what it is
            if column.foreign_keys:
                parent = next(iter(column.foreign_keys)).column
                row[column.name] = rows.get((parent.table.name, parent.name), str(number))
            elif isinstance(column.type, sa.LargeBinary):
                row[column.name] = b"%d" % number
            elif isinstance(column.type, sa.String):
                row[column.name] = str(number)  # also valid JSON
            elif isinstance(column.type, sa.Boolean):
                row[column.name] = True
            else:
                row[column.name] = number * 100  # a migration may write rows itself
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


async def test_no_row_is_lost_on_the_way_from_any_version(
    tmp_path: Path, database_url: str
) -> None:
    """Every table has a row that each version wrote, and keeps it in every version after that."""
    import_all_tables()
    database = Database(database_url or f"sqlite:///{tmp_path}/db", durable=False)
    await database.open()
    before: dict[str, int] = {}

    number, revision = 1, ""
    every = 5 if database_url else 1  # to look at what there is takes PostgreSQL long

    def on(connection: sa.Connection) -> None:
        migrate.upgrade(connection, revision)
        now = _counts(connection)
        lost = {name for name, count in before.items() if name in now and now[name] < count}
        assert lost == set(), revision

    def fill(connection: sa.Connection) -> None:
        _fill(connection, number)
        before.clear()
        before.update(_counts(connection))

    for number, revision in enumerate(migrate.revisions()):  # noqa: B007 the functions above look at them
        await database.rebuild(on)
        if number % every == 0:
            await database.run_sync(fill)
    await migrate.ensure(database)
    await database.close()
    assert len(before) > 20 and min(before[name] for name in metadata.tables if name in before) >= 1


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
            if not (isinstance(one, tuple) and getattr(one[1], "name", "") in OWN)
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
    await migrate.ensure(database)  # one beside which this one may work

    def narrower(connection: sa.Connection) -> None:
        connection.exec_driver_sql("UPDATE schema_fits SET revision = '9999'")

    await database.run_sync(narrower)
    with pytest.raises(Unavailable, match="newer version"):
        await migrate.ensure(database)
    await database.close()


async def test_a_file_that_is_no_database_says_so(tmp_path: Path) -> None:
    (tmp_path / "db").write_bytes(b"this is no database" * 1000)
    database = Database(f"sqlite:///{tmp_path}/db")
    with pytest.raises(Unavailable, match="damaged or is not a database"):
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


# ---- versions side by side


def _uses(connection: sa.Connection, before: sa.MetaData) -> None:
    """What a version does with its tables, whatever has come to them since."""
    connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
    for table in before.sorted_tables:
        row = {column.name: _value(column) for column in table.columns if column.computed is None}
        connection.execute(table.delete())
        connection.execute(table.insert(), [row])
        connection.execute(sa.select(table)).one()
        connection.execute(table.update().values(row))


def _value(column: sa.Column[Any]) -> Any:
    if isinstance(column.type, sa.LargeBinary):
        return b"1"
    return "1" if isinstance(column.type, sa.String) else 1


async def _migrated(tmp_path: Path, until: str | None = None) -> tuple[Database, sa.MetaData]:
    import_all_tables()
    database, tables = Database(f"sqlite:///{tmp_path}/db", durable=False), sa.MetaData()
    await database.open()
    if until is None:
        await migrate.ensure(database)
    else:
        await database.run_sync(lambda connection: migrate.upgrade(connection, until))
    await database.run_sync(lambda connection: tables.reflect(connection))
    for name in OWN:
        if name in tables.tables:
            tables.remove(tables.tables[name])
    return database, tables


def _adding() -> list[tuple[str, str]]:
    """The migrations that only add, each with the one before."""
    line = migrate.revisions()
    return [(old, new) for old, new in itertools.pairwise(line) if new not in migrate.contracting()]


async def test_the_version_before_works_on_what_a_migration_leaves(tmp_path: Path) -> None:
    for number, (old, new) in enumerate(_adding()):
        (tmp_path / str(number)).mkdir()
        database, tables = await _migrated(tmp_path / str(number), old)
        await database.run_sync(partial(migrate.upgrade, until=new))
        try:
            await database.run_sync(partial(_uses, before=tables))
        except HanokError as error:
            pytest.fail(
                f"The version that knows {old} cannot work beside {new}: {error.detail}. Add what may be empty "
                'or has a server default, or say `contracts = "why"` in the migration.'
            )
        finally:
            await database.close()


@pytest.mark.parametrize(
    ("change", "works"),
    [
        ("ALTER TABLE flavors ADD COLUMN more VARCHAR(8)", True),
        ("ALTER TABLE flavors ADD COLUMN more INTEGER NOT NULL DEFAULT 0", True),
        ("CREATE TABLE more (id INTEGER PRIMARY KEY)", True),
        ("ALTER TABLE flavors DROP COLUMN rxtx_factor", False),
        ("ALTER TABLE flavors RENAME COLUMN vcpus TO cpus", False),
        ("DROP TABLE server_tags", False),
    ],
)
async def test_what_takes_away_is_seen(tmp_path: Path, change: str, works: bool) -> None:
    database, tables = await _migrated(tmp_path)

    def alter(connection: sa.Connection) -> None:
        connection.exec_driver_sql(change)

    await database.run_sync(alter)
    try:
        if works:
            await database.run_sync(lambda connection: _uses(connection, tables))
        else:
            with pytest.raises(HanokError):
                await database.run_sync(lambda connection: _uses(connection, tables))
    finally:
        await database.close()


async def test_a_database_knows_who_may_work_on_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrate, "revisions", lambda: ("a", "b", "c", "d"))
    monkeypatch.setattr(migrate, "contracting", lambda: frozenset({"a", "c"}))
    assert migrate.fitting(None, ()) == ("c", "d")
    assert migrate.fitting("a", ()) == ("c", "d")
    assert migrate.fitting("c", ("b", "c")) == ("b", "c", "d")
    monkeypatch.setattr(migrate, "contracting", lambda: frozenset({"a"}))
    assert migrate.fitting("b", ()) == ("b", "c", "d")
    assert migrate.fitting("a", ("a",)) == ("a", "b", "c", "d")
