"""Looking at PostgreSQL without the way round that SQLAlchemy takes to reach an asynchronous driver.

The text of a statement's plan goes straight to the driver, which has it prepared. Everything that changes something
goes the usual way, on the same connection. Measured: docs/performance.md, "PostgreSQL".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg
from sqlalchemy import Row
from sqlalchemy.engine import Dialect

from hanok.base.errors import BadInput, DatabaseAway, Raced
from hanok.base.pieces import Pieces
from hanok.store.plans import Plans, Shape
from hanok.store.sizes import TOO_LARGE, is_too_large
from hanok.store.sqlstates import AWAY, RACED, UNFIT

PART = 100  # rows between two looks at the time


class Looker:
    """Runs the looking statements of a process over connections of asyncpg."""

    def __init__(self, dialect: Dialect) -> None:
        self._plans = Plans(dialect)

    async def _fetched(
        self, driver: asyncpg.Connection, statement: Any, parameters: Mapping[str, Any]
    ) -> tuple[Shape, list[Any]]:
        """What the server answers, all of it.

        Raises:
            BadInput: a value that no column holds. DatabaseAway: the server does not answer, or broke off.
        """
        plan = self._plans.of(statement, parameters)
        text, values = plan.bound(parameters)
        assert plan.shape is not None
        with _translated():
            return plan.shape, await driver.fetch(text, *values)

    async def first(
        self, driver: asyncpg.Connection, statement: Any, parameters: Mapping[str, Any]
    ) -> Row[Any] | None:
        """The first row of one statement. Raises as `_fetched`."""
        shape, found = await self._fetched(driver, statement, parameters)
        return shape.row(tuple(found[0])) if found else None

    async def all(
        self, driver: asyncpg.Connection, statement: Any, parameters: Mapping[str, Any]
    ) -> Sequence[Row[Any]]:
        """All rows of one statement; of many, others get their turn between. Raises as `_fetched`."""
        shape, found = await self._fetched(driver, statement, parameters)
        if len(found) <= PART:
            return shape.rows(map(tuple, found))
        return [
            row
            async for part in Pieces().slices(found, PART)
            for row in shape.rows(map(tuple, part))
        ]

    @staticmethod
    async def say(driver: asyncpg.Connection, text: str) -> None:
        """Begin or end a transaction.

        Raises:
            DatabaseAway: the server does not answer, or broke off. Raced: what was written does not go with what others
                wrote.
        """
        with _translated():
            await driver.execute(text)


class _translated:
    """Turns what the driver says into the house's errors, as far as they are somebody's."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None:
            return
        state = getattr(error, "sqlstate", None) or ""
        if isinstance(error, asyncpg.DataError | OverflowError) or state in UNFIT:
            raise BadInput(
                "Invalid input: a value is out of range or holds a character that no text may."
            ) from error
        if is_too_large(error):
            raise BadInput(TOO_LARGE) from error
        if state in RACED:
            raise Raced(detail=str(error)) from error
        lost = asyncpg.InterfaceError | asyncpg.InternalClientError | OSError
        if isinstance(error, lost) or state[:2] in AWAY:
            if not isinstance(error, TimeoutError):
                raise DatabaseAway("The database does not answer.", detail=str(error)) from error
