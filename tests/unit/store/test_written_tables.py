"""The tables that stand written in a file are those of the code."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from sqlalchemy.schema import CreateIndex

from hanok.cli import reference
from hanok.store import metadata, written_tables
from hanok.store.schema import partial_index


def _made(connection: sa.Connection) -> set[tuple[str, str, str]]:
    """What the database says that it has, but for spaces at the end of lines."""
    rows = connection.exec_driver_sql("SELECT type, name, sql FROM sqlite_schema WHERE sql <> ''")
    return {(kind, name, _tidy(sql)) for kind, name, sql in rows}


def _tidy(sql: str) -> str:
    return "\n".join(line.rstrip() for line in sql.strip().splitlines())


def test_the_file_is_what_the_code_says() -> None:
    written = written_tables.FILE.read_text()
    assert written == reference.tables(), "./hanok test --reference writes it anew"


def test_a_new_database_has_the_same_by_the_file_as_by_the_code() -> None:
    reference.tables()
    one, other = sa.create_engine("sqlite://"), sa.create_engine("sqlite://")
    with one.connect() as connection, other.connect() as second:
        written_tables.create(connection, metadata)
        metadata.create_all(second)
        assert _made(connection) == _made(second)
        assert len(_made(connection)) > 500
    one.dispose()
    other.dispose()


@pytest.mark.parametrize("known", [(), ("users",)], ids=["none of the file", "one of the file"])
def test_tables_that_the_file_does_not_have_are_made_and_no_others(known: tuple[str, ...]) -> None:
    reference.tables()
    own = sa.MetaData()
    sa.Table("shelves", own, sa.Column("id", sa.String(36), primary_key=True))
    for name in known:
        metadata.tables[name].to_metadata(own)
    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection:
        written_tables.create(connection, own)
        assert set(sa.inspect(connection).get_table_names()) == {"shelves", *known}
    engine.dispose()


def test_both_databases_are_told_which_rows_a_partial_index_is_for() -> None:
    """By the statement alone, too, as rows that move to PostgreSQL get their tables."""
    own = sa.MetaData()
    index = partial_index("ix_open", "state", where="state <> 'done'")
    sa.Table("things", own, sa.Column("state", sa.String(8)), index)
    for url in ("postgresql+asyncpg://", "sqlite://"):
        dialect = sa.create_mock_engine(url, lambda *_: None).dialect
        assert str(CreateIndex(index).compile(dialect=dialect)).endswith("WHERE state <> 'done'")
