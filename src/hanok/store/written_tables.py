"""The tables of this version as SQLite takes them, written down: to work their text out costs a start 0.15 s of CPU.

`./hanok test --reference` writes `tables.sql`; a test compares it with the tables. What the file does not have, as the
tables of services from elsewhere, is worked out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

FILE = Path(__file__).with_name("tables.sql")
_END = ";\n"
_OF = re.compile(r'CREATE (?:TABLE|(?:UNIQUE )?INDEX \S+ ON) "?(\w+)')


def text(metadata: sa.MetaData) -> str:
    """What the file holds: a statement for each table, then those of its indexes, parents before children."""
    dialect = sqlite.dialect()
    found: list[str] = []
    for table in metadata.sorted_tables:
        indexes = sorted(table.indexes, key=lambda index: str(index.name))
        made: list[sa.schema.ExecutableDDLElement] = [CreateTable(table)]
        for one in (*made, *map(CreateIndex, indexes)):
            lines = str(one.compile(dialect=dialect)).strip().splitlines()
            found.append("\n".join(line.rstrip() for line in lines) + _END)
    return "".join(found)


def create(connection: sa.Connection, metadata: sa.MetaData) -> None:
    """Make all tables in a database that has none."""
    written: set[str] = set()
    if connection.dialect.name == "sqlite":
        say = connection.connection.driver_connection.execute  # type: ignore[union-attr]
        for table, statement in _statements(metadata.tables):
            say(statement)
            written.add(table)
    others = [table for table in metadata.tables.values() if table.name not in written]
    metadata.create_all(connection, tables=others, checkfirst=False)


def _statements(names: Iterable[str]) -> Iterable[tuple[str, str]]:
    """The written statements for these tables, each with its table's name."""
    known = set(names)
    for statement in FILE.read_text("utf-8").split(_END):
        found = _OF.match(statement)
        if found is not None and found[1] in known:
            yield found[1], statement
