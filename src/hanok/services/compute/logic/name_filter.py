"""Filters of servers on texts by regular expression: the names that a pattern is found in.

Upstream hands the pattern to its database, so what is a pattern depends on that; most run MySQL, which looks without
regard to case. Here it is RE2 without regard to case on every database. What is nothing but letters, digits, "_", "-"
and blanks, perhaps with anchors, the database looks for itself.

Source: Compute API reference, "List Servers", the query parameter name.
"""

from __future__ import annotations

import re
from typing import Any

import sqlalchemy as sa

from hanok.base.errors import BadInput
from hanok.base.patterns import BadPattern, Pattern, pattern
from hanok.base.pieces import Pieces
from hanok.store import Transaction

SLICE = 500  # rows of one statement
MATCHES = 20_000  # that a statement can name on either database
LOOKS = 100_000_000  # of a pattern's instructions at characters: half a second, in slices, if nothing is remembered
_PLAIN = re.compile(r"(\^?)([A-Za-z0-9_ -]*)(\$?)", re.ASCII)


async def narrowed(
    tx: Transaction,
    statement: sa.Select[Any],
    key: sa.Column[Any],
    column: sa.Column[Any],
    parameter: str,
    requested: str,
) -> sa.Select[Any]:
    """The statement, held to rows whose column the pattern is found in.

    Args:
        key: the column that names a row. parameter: what the filter is called in the query.

    Raises:
        BadInput: the pattern is not one that is served, or there is too much to look at.
    """
    form = compiled(parameter, requested)
    if plain := _PLAIN.fullmatch(requested):
        return statement.where(_like(column, plain))
    few = statement.with_only_columns(key.label("id"), column.label("text")).where(
        column.is_not(None)
    )
    ids: list[str] = []
    looks, last = 0, ""
    pieces = Pieces()
    while True:
        rows = await tx.all(few.where(key > last).order_by(key).limit(SLICE))
        looks += form.cost * sum(len(row.text) + 1 for row in rows)
        if looks > LOOKS or len(ids) > MATCHES:
            raise BadInput(
                f"Invalid input for query parameters {parameter}. There are too many servers for this pattern; "
                "use a plainer one."
            )
        async for row in pieces.each(rows):
            if form.search(row.text):
                ids.append(row.id)
        if len(rows) < SLICE:
            return statement.where(key.in_(ids))
        last = rows[-1].id


def compiled(parameter: str, requested: str) -> Pattern:
    """A pattern from a query.

    Raises:
        BadInput: it is not one that is served.
    """
    try:
        return pattern(requested, ignore_case=True)
    except BadPattern as error:
        raise BadInput(
            f"Invalid input for query parameters {parameter}. Value: {requested[:100]}. "
            f"It is not a valid regular expression: {error}."
        ) from None


def _like(column: sa.Column[Any], plain: re.Match[str]) -> sa.ColumnElement[bool]:
    """A text with nothing to it but anchors."""
    start, text, end = plain.groups()
    text = text.lower().replace("_", "\\_")
    form = ("" if start else "%") + text + ("" if end else "%")
    return sa.func.lower(column).like(form, escape="\\")
