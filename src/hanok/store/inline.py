"""A connection to SQLite whose statements run on the event loop, without the way round by SQLAlchemy's executions.

What has no plan goes through SQLAlchemy, on the same connection.
"""

from __future__ import annotations

import sqlite3  # noqa: TID251
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import Connection, Engine, Executable, Row
from sqlalchemy.exc import DBAPIError

from hanok.base.pieces import Pieces
from hanok.store.alone import without_locks
from hanok.store.plans import Bound, Plans

MANY = 100  # rows: about half a millisecond
PART = 100  # rows between two looks at the time
without_locks()

Parameters = Mapping[str, Any] | Sequence[Mapping[str, Any]] | None


class Inline:
    """One connection. What it runs is done when the call returns."""

    def __init__(self, engine: Engine, plans: Plans) -> None:
        """Raises OperationalError: the file cannot be opened, or is no database."""
        self.connection: Connection = engine.connect().execution_options(
            isolation_level="AUTOCOMMIT"
        )
        raw: Any = self.connection.connection.dbapi_connection
        self._raw: sqlite3.Connection = raw
        self._plans = plans

    def close(self) -> None:
        self.connection.close()

    # ---- transactions ----

    def say(self, text: str) -> None:
        """Begin or end something. Raises DBAPIError."""
        self._execute((text, []))

    def number(self, text: str) -> int:
        """The number that a text of ours asks for. Raises DBAPIError."""
        return int(self._execute((text, [])).fetchone()[0])

    def text(self, text: str) -> str:
        """The same, where it is a text. Raises DBAPIError."""
        return str(self._execute((text, [])).fetchone()[0])

    @property
    def in_transaction(self) -> bool:
        return self._raw.in_transaction

    @property
    def changes(self) -> int:
        """How many rows it has changed since it was opened."""
        return self._raw.total_changes

    # ---- statements ----

    def _execute(self, bound: Bound) -> sqlite3.Cursor:
        text, values = bound
        try:
            return self._raw.execute(text, values)
        except sqlite3.Error as error:
            raise DBAPIError.instance(
                text, values, error, sqlite3.Error, dialect=self._plans.dialect
            ) from error

    def first(self, statement: Executable, parameters: Mapping[str, Any]) -> Row[Any] | None:
        """The first row of a statement that only looks."""
        plan = self._plans.of(statement, parameters)
        cursor = self._execute(plan.bound(parameters))
        values = cursor.fetchone()
        cursor.close()
        return None if values is None or plan.shape is None else plan.shape.row(values)

    def run(self, statement: Executable, parameters: Parameters) -> tuple[Sequence[Row[Any]], int]:
        """All rows, and how many were changed."""
        if not self._plans.takes(statement):
            result = self.connection.execute(statement, parameters)
            return (result.all() if result.returns_rows else ()), result.rowcount
        if not isinstance(parameters, Mapping) and parameters:
            return (), self._run_many(statement, parameters)
        given = parameters if isinstance(parameters, Mapping) else {}
        plan = self._plans.of(statement, given)
        cursor = self._execute(plan.bound(given))
        rows = () if plan.shape is None else plan.shape.rows(cursor.fetchall())
        return rows, cursor.rowcount

    def _run_many(self, statement: Executable, rows: Sequence[Mapping[str, Any]]) -> int:
        """The same change with one set of parameters after the other."""
        plan = self._plans.of(statement, rows[0])
        bound = [plan.bound(row) for row in rows]
        return sum(self._execute(one).rowcount for one in bound)

    async def all(self, statement: Executable, parameters: Mapping[str, Any]) -> list[Row[Any]]:
        """All rows of a statement that only looks; many are read in pieces, between which others get their turn."""
        plan = self._plans.of(statement, parameters)
        assert plan.shape is not None
        cursor = self._execute(plan.bound(parameters))
        rows = plan.shape.rows(cursor.fetchmany(MANY))
        if len(rows) == MANY:
            pieces = Pieces()
            while part := cursor.fetchmany(PART):
                rows += plan.shape.rows(part)
                if pieces.enough:
                    await pieces.rest()
        return rows

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """A part that is undone as a whole when an exception leaves it."""
        self.say("SAVEPOINT part")
        try:
            yield
        except BaseException:
            if self.in_transaction:  # a full disk has ended it
                self.say("ROLLBACK TO part")
                self.say("RELEASE part")
            raise
        self.say("RELEASE part")
