"""Rows that projects have: found by an id, and seen by their project and operators."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import HanokError, NotFound
from hanok.store import Transaction, kept
from hanok.web.token import Caller


def missing(noun: str) -> Callable[[str], NotFound]:
    """The error for an id that is no row's that the caller sees. noun: "Volume"."""
    return lambda requested: NotFound(f"{noun} {requested[:255]} could not be found.")


class Owned:
    """The rows of a table. whole: the statement of all of them."""

    def __init__(
        self,
        table: sa.Table,
        not_found: Callable[[str], HanokError],
        project: sa.Column[Any] | None = None,
    ) -> None:
        """
        Args:
            not_found: the error for an id; the same where it is another project's. project: names a row's project;
                None: the column of this name.
        """
        self._table, self._not_found = table, not_found
        self._project = table.c.project_id if project is None else project
        self.whole = sa.select(table)
        self._by_id = self.whole.where(table.c.id == bindparam("id"))

    def of(
        self, caller: Caller, statement: sa.Select[Any], *, everywhere: bool = False
    ) -> sa.Select[Any]:
        """The rows of a statement that a caller's list shows. everywhere: those of all projects."""
        if everywhere:
            return statement
        return kept.held(statement, kept.equal(self._project, caller.project_id or ""))

    async def get_any(self, tx: Transaction, requested: str) -> Row[Any] | None:
        """A row, whoever asks; None: there is none."""
        return await tx.first(self._by_id, {"id": requested})

    async def get(self, tx: Transaction, caller: Caller, requested: str) -> Row[Any]:
        """A row with the caller's eyes.

        Raises:
            NotFound
        """
        row = await self.get_any(tx, requested)
        if row is None or not (
            caller.everywhere or getattr(row, self._project.name) == caller.project_id
        ):
            raise self._not_found(requested)
        return row

    async def change(
        self, tx: Transaction, requested: str, values: Mapping[str, Any], now: datetime
    ) -> None:
        mine = self._table.c.id == requested
        await tx.execute(self._table.update().where(mine).values(**values, updated_at=now))

    async def gone(self, tx: Transaction, requested: str) -> None:
        await tx.execute(self._table.delete().where(self._table.c.id == requested))
