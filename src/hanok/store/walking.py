"""Every row of a table, in the order of its ids: some at a time, so that nobody waits for the whole."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.store.database import Database

AT_ONCE = 500


def part_of(table: sa.Table, *conditions: sa.ColumnElement[bool]) -> sa.Select[Any]:
    """The query of the rows behind one. conditions: which ones."""
    behind = table.c.id > bindparam("behind")
    return sa.select(table).where(behind, *conditions).order_by(table.c.id).limit(AT_ONCE)


async def every(database: Database, part: sa.Select[Any]) -> AsyncIterator[Row[Any]]:
    """The rows. part: of `part_of`."""
    behind = ""
    while True:
        async with database.read() as tx:
            rows = await tx.all(part, {"behind": behind})
        for row in rows:
            yield row
        if len(rows) < AT_ONCE:
            return
        behind = rows[-1].id
