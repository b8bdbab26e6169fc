"""Finding rows by id, and the filters that lists take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row

from hanok.base.errors import BadInput, NotFound
from hanok.store import Transaction

_by_id: dict[str, sa.Select[Any]] = {}


async def get(tx: Transaction, table: sa.Table, what: str, wanted: str) -> Row[Any]:
    """The row with this id.

    Raises:
        NotFound: "Could not find <what>: <id>."
    """
    statement = _by_id.get(table.name)
    if statement is None:
        statement = _by_id[table.name] = sa.select(table).where(
            table.c.id == sa.bindparam("wanted")
        )
    row = await tx.first(statement, {"wanted": wanted})
    if row is None:
        raise NotFound(f"Could not find {what}: {wanted}.")
    return row


def truth(text: str) -> bool:
    """A flag in a query: everything but 0, false, no and off is yes; so is the bare name."""
    return text.strip().lower() not in ("0", "false", "no", "off")


def filtered(
    statement: sa.Select[Any], table: sa.Table, query: Mapping[str, str], names: Sequence[str]
) -> sa.Select[Any]:
    """The statement with the filters of a query: equality, and __contains, __startswith, __endswith on names."""
    for name, value in query.items():
        field, _, how = name.partition("__")
        if field not in names:
            continue
        column = table.c[field]
        if isinstance(column.type, sa.Boolean):
            statement = statement.where(column.is_(truth(value)))
        elif not how:
            statement = statement.where(column == value)
        elif how in ("contains", "icontains"):
            statement = statement.where(column.contains(value, autoescape=True))
        elif how in ("startswith", "istartswith"):
            statement = statement.where(column.startswith(value, autoescape=True))
        elif how in ("endswith", "iendswith"):
            statement = statement.where(column.endswith(value, autoescape=True))
        else:
            raise BadInput(f"There is no filter {name}.")
    return statement
