"""Lists in pages: limit, marker, sort keys, and the links to what follows.

A page is found by the values of the marker's row, not by counting rows, so the hundred-thousandth page costs what the
first does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal
from urllib.parse import urlencode

import sqlalchemy as sa

from hanok.base.errors import BadInput

Direction = Literal["asc", "desc"]


def number_of(text: str) -> int | None:
    """A whole number that a database holds, written in plain digits; None for all else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def capped(digits: str) -> int:
    """A number in plain digits, however many there are: from more than 18 of them only the first ones count."""
    return int(digits.lstrip("0")[:18] or "0")


def limit_of(
    text: str | None, *, maximum: int | None = None, zero: bool = True, name: str = "limit"
) -> int | None:
    """A limit as it was sent.

    Args:
        maximum: what a page may hold at most, whatever was asked; None for no such bound.
        zero: whether 0 is a limit (an empty page) rather than an error.
        name: of the parameter, for errors.

    Raises:
        BadInput: no whole number, or a negative one.
    """
    if text is None:
        return maximum
    if text.startswith("-") and text[1:].isdecimal():
        raise BadInput(f"{name} must not be negative")
    if not (text.isascii() and text.isdecimal()):
        raise BadInput(f"{name} must be an integer, not '{text[:50]}'")
    limit = capped(text)
    if limit == 0 and not zero:
        raise BadInput(f"{name} must be greater than 0")
    return limit if maximum is None else min(limit, maximum)


def ordered(
    statement: sa.Select[Any],
    keys: Sequence[tuple[sa.Column[Any], Direction]],
    *,
    after: Mapping[Any, Any] | None = None,
    limit: int | None = None,
) -> sa.Select[Any]:
    """The statement in this order, from behind the marker's row, at most limit rows.

    Args:
        keys: columns and directions; the last one should be unique, or rows of equal keys have no order.
        after: the values of the marker's row by column name. NULL sorts before everything else.
    """
    keys = _once(keys)
    statement = _in_order(statement, keys, limit)
    if after is None:
        return statement
    options: list[sa.ColumnElement[bool]] = []
    same: list[sa.ColumnElement[bool]] = []
    for column, direction in keys:
        value = after[column.name]
        options.append(sa.and_(*same, _behind(column, direction, value)))
        same.append(column.is_(None) if value is None else column == value)
    return statement.where(sa.or_(*options))


def _once(
    keys: Sequence[tuple[sa.Column[Any], Direction]],
) -> tuple[tuple[sa.Column[Any], Direction], ...]:
    """The keys without what orders nothing: a column's second mention. With a marker each one costs those before it."""
    first: dict[sa.Column[Any], Direction] = {}
    for column, direction in keys:
        first.setdefault(column, direction)
    return tuple(first.items())


def may_be_null(column: sa.ColumnElement[Any]) -> bool:
    """What is worked out in a statement, rather than kept in a table, does not say; then it may."""
    return bool(getattr(column, "nullable", True))


@lru_cache(maxsize=256)  # first pages of statements that are themselves built once
def _in_order(
    statement: sa.Select[Any], keys: tuple[tuple[sa.Column[Any], Direction], ...], limit: int | None
) -> sa.Select[Any]:
    for column, direction in keys:
        if may_be_null(column):
            null_first = column.is_(None)
            statement = statement.order_by(
                null_first.desc() if direction == "asc" else null_first.asc()
            )
        statement = statement.order_by(column.asc() if direction == "asc" else column.desc())
    return statement if limit is None else statement.limit(limit)


def _behind(column: sa.Column[Any], direction: Direction, value: Any) -> sa.ColumnElement[bool]:
    if value is None:
        return column.is_not(None) if direction == "asc" else sa.false()
    # As a parameter: SQLAlchemy compares columns with the constants true and false by equality alone.
    marked = sa.literal(value, column.type)
    if direction == "asc":
        return sa.and_(column > marked)
    return (
        sa.or_(column < marked, column.is_(None))
        if may_be_null(column)
        else sa.and_(column < marked)
    )


def page_link(url: str, pairs: Sequence[tuple[str, str]], *more: tuple[str, str]) -> str:
    """The address of a page. pairs: what it keeps of the query; more: parameters of its own."""
    parameters = [*pairs, *more]
    return f"{url}?{urlencode(parameters)}" if parameters else url
