"""Finding rows by id, and the filters that lists take."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from msgspec import UNSET
from sqlalchemy import Row

from hanok.base.errors import BadInput, NotFound
from hanok.services.identity import schemas
from hanok.services.identity.tables import roles
from hanok.store import Transaction

_HOW = ("contains", "startswith", "endswith")
_by_id: dict[str, sa.Select[Any]] = {}


async def get(tx: Transaction, table: sa.Table, what: str, requested: str) -> Row[Any]:
    """The row with this id.

    Raises:
        NotFound: "Could not find <what>: <id>."
    """
    row = await find(tx, table, requested)
    if row is None:
        raise NotFound(f"Could not find {what}: {requested}.")
    return row


def named(table: sa.Table, name: Any) -> sa.ColumnElement[bool]:
    """Rows of this name, whatever the case of its letters.

    Of names that differed in case alone before names were compared so, one has the key; the others are found by their
    exact name (see the migration).
    """
    return sa.or_(table.c.name_key == name, table.c.name == name)


def exact_first(table: sa.Table, name: Any) -> sa.ColumnElement[int]:
    """The order of what `named` finds."""
    return sa.case((table.c.name == name, 0), else_=1)


def renamed(values: dict[str, Any]) -> dict[str, Any]:
    """Changed columns, with the name's key where the name is among them."""
    return {**values, "name_key": values["name"]} if "name" in values else values


def _parts(column: sa.ColumnElement[Any], value: str, how: str) -> sa.ColumnElement[bool]:
    """Whether a text has this part, its case included. LIKE looks at case on one database and not on the other."""
    length = sa.func.length(column)
    if how == "contains":
        return sa.func.replace(column, value, "") != column if value else sa.true()
    if how == "startswith":
        return sa.func.substr(column, 1, len(value)) == value
    return sa.and_(length >= len(value), sa.func.substr(column, length - len(value) + 1) == value)


def truth(text: str) -> bool:
    """A flag in a query: everything but 0, false, no and off is yes; so is the bare name."""
    return text.strip().lower() not in ("0", "false", "no", "off")


def condition(table: sa.Table, name: str, value: str) -> sa.ColumnElement[bool]:
    """What a filter says of a table's rows: equality, or __contains, __startswith, __endswith on a text.

    Args:
        name: a column, perhaps with one of these, and an i before it where case does not matter.

    Raises:
        BadInput: there is no such comparison.

    Source: Identity API reference, "Filtering, searching, and pagination".
    """
    field, _, how = name.partition("__")
    column = table.c[field]
    by_key = field == "name" and "name_key" in table.c
    if isinstance(column.type, sa.Boolean):
        return column.is_(truth(value))
    if not how:
        return named(table, value) if by_key else column == value
    if how in _HOW:
        return _parts(column, value, how)
    if how[0] != "i" or how[1:] not in _HOW:
        raise BadInput(f"Invalid filter: '{name}' is not a valid filter.")
    if by_key:
        return _parts(table.c.name_key, value.casefold(), how[1:])
    return _parts(sa.func.lower(column), value.lower(), how[1:])


async def find(tx: Transaction, table: sa.Table, requested: str | None) -> Row[Any] | None:
    """The row with this id, if there is one."""
    statement = _by_id.get(table.name)
    if statement is None:
        statement = _by_id[table.name] = sa.select(table).where(
            table.c.id == sa.bindparam("requested")
        )
    return await tx.first(statement, {"requested": requested})


def expiry(text: str, now: datetime) -> datetime:
    """The end that a body names.

    Raises:
        BadInput: it is no time, or has passed.
    """
    try:
        at = datetime.fromisoformat(text)
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadInput("Invalid input for field 'expires_at': it is not a valid time.") from None
    if at <= now:
        raise BadInput("Invalid input for field 'expires_at': it has passed.")
    return at


async def roles_named(tx: Transaction, requested: Sequence[schemas.RoleRef]) -> list[str]:
    """Ids of the roles that a body names, by id or by name.

    Raises:
        NotFound: there is no such role. BadInput: one is not named.
    """
    found = []
    for ref in requested:
        statement = sa.select(roles.c.id)
        if ref.id is not UNSET:
            statement = statement.where(roles.c.id == ref.id)
        elif ref.name is not UNSET:
            statement = statement.where(named(roles, ref.name), roles.c.domain_id == "*")
            statement = statement.order_by(exact_first(roles, ref.name))
        else:
            raise BadInput("A role is named by id or by name.")
        role_id = await tx.scalar(statement)
        if role_id is None:
            raise NotFound(f"Could not find role: {ref.id if ref.id is not UNSET else ref.name}.")
        found.append(str(role_id))
    return found
