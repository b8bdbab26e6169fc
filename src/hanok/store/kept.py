"""Statements made of the same parts are the same statement, so that its plan is found again."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import sqlalchemy as sa

KEPT = 256  # of each; what is asked again and again are some lists of some projects

Where = sa.ColumnElement[bool]


@lru_cache(maxsize=KEPT, typed=True)
def equal(column: sa.ColumnElement[Any], value: str | bool | int) -> Where:
    """The column has this value."""
    return column == value


@lru_cache(maxsize=KEPT)
def named(column: sa.ColumnElement[Any]) -> Where:
    """The column has the value of the parameter `named`."""
    return column == sa.bindparam("named")


@lru_cache(maxsize=KEPT)
def held(statement: sa.Select[Any], *conditions: Where) -> sa.Select[Any]:
    """The statement with these conditions."""
    return statement.where(*conditions)
