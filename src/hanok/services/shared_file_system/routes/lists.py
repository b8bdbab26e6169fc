"""How the lists of shared file systems are filtered, ordered and cut into pages.

Source: Shared File Systems API reference; microversion history 2.36, 2.42, 2.79.
"""

from __future__ import annotations

import ast
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy import Row

from hanok.base.errors import BadInput, HanokError, NotFound
from hanok.services.shared_file_system.logic.texts import has_text
from hanok.services.shared_file_system.schemas.values import truth
from hanok.store import JSON, Transaction, UTCDateTime
from hanok.web.listing import Filter, Listing, PageStyle, Where, links_beside
from hanok.web.microversions import Version
from hanok.web.pages import number_of
from hanok.web.request import Request
from hanok.web.token import Caller
from hanok.web.versions import Parameter

LIMIT = 1000
TEXT_BYTES = 4096  # of a map that is a filter


def style(noun: str) -> PageStyle:
    """How lists are cut. noun: what a marker names ("Share")."""

    def missing(marker: str) -> HanokError:
        return NotFound(f"{noun} {marker[:100]} could not be found.")

    return PageStyle(
        put=links_beside, missing=missing, maximum=LIMIT, no_marker=True, skip="offset", zero=True
    )


def declared(
    table: sa.Table,
    plural: str,
    noun: str,
    *,
    filters: Mapping[str, Filter],
    sort: Mapping[str, Any],
    also: Mapping[str, str] = {},
) -> Listing:
    """A list of a table's rows, newest first. noun: what a marker names. also: other names of filters."""
    return Listing(
        table=table,
        name=plural,
        style=style(noun),
        marker=table.c.id,
        unique=table.c.sequence,
        first=(table.c.created_at, "desc"),
        default_direction="desc",
        filters=filters,
        also=dict(also),
        sort=sort,
    )


def parameters(
    listing: Listing, since: Mapping[str, Version], *more: str
) -> Iterable[str | Parameter]:
    """The parameters of a list, with the versions of those that not every version knows."""
    for name in ("all_tenants", "all_projects", "with_count", *more, *listing.parameters):
        yield Parameter(name=name, since=since[name]) if name in since else name


async def counted(
    request: Request, tx: Transaction, listing: Listing, statement: sa.Select[Any]
) -> int | None:
    """How many there are on all pages, where a request asks for that."""
    if not truth(request.query.get("with_count") or "false", "with_count"):
        return None
    return await listing.count(request, tx, statement)


class Finder(Protocol):
    """Finds what a path names, if the caller may do to it what a rule is about. Raises NotFound, Forbidden."""

    async def __call__(self, request: Request, tx: Transaction, rule: str = "") -> Row[Any]: ...


def finder(
    get: Callable[[Transaction, Caller, str], Awaitable[Row[Any]]],
    parameter: str,
    *,
    public: bool = False,
) -> Finder:
    """Finds rows by the id that stands in a parameter of the path.

    Who may not do it to what is their own is told so before it is looked for.

    Args:
        public: whether what is public is seen by those of other projects as if it were theirs.
    """

    async def find(request: Request, tx: Transaction, rule: str = "") -> Row[Any]:
        request.allow(rule, request.own)
        row = await get(tx, request.reaching(), request.path[parameter])
        target = {"project_id": row.project_id, "user_id": getattr(row, "user_id", None)}
        request.allow(rule, request.own if public and row.is_public else target)
        return row

    return find


def everywhere(request: Request, rule: str) -> bool:
    """Whether things of all projects are asked for by who may see them."""
    query = request.query
    requested = query.get("all_tenants") or query.get("all_projects") or ""
    if not requested or not truth(requested, "all_tenants"):
        return False
    return request.may(rule, request.own)


def public(request: Request) -> bool | None:
    """Which types are asked for: public ones, others, or all."""
    sent = request.query.get("is_public")
    if sent is None:
        return True
    return None if sent.lower() in ("none", "all") else truth(sent, "is_public")


# ---- filters ----


def equal(column: sa.Column[Any]) -> Filter:
    """The filter that fits what is in a column."""
    if isinstance(column.type, sa.Boolean):
        return lambda values: column.is_(truth(values[-1], column.name))
    if isinstance(column.type, sa.Integer):
        return _number(column)
    if isinstance(column.type, JSON):
        return of_map(column, column.name)
    assert not isinstance(column.type, UTCDateTime)
    return lambda values: column == values[-1]


def _number(column: sa.Column[Any]) -> Filter:
    def condition(values: list[str]) -> Where:
        found = number_of(values[-1])
        return sa.false() if found is None else column == found

    return condition


def looks_like(column: sa.Column[Any]) -> Filter:
    return lambda values: column.contains(values[-1], autoescape=True)


def of_map(column: sa.Column[Any], name: str) -> Filter:
    """By keys and values of a map, sent as a Python or JSON dictionary."""

    def condition(values: list[str]) -> Where:
        items = [item for text in values for item in map_of(text, name).items()]
        return sa.and_(sa.true(), *(has_text(column, key, value) for key, value in items))

    return condition


def map_of(text: str, name: str) -> dict[str, str]:
    """A map of texts that stands in a query.

    Raises:
        BadInput: it is none.
    """
    try:
        if len(text) > TEXT_BYTES:
            raise ValueError
        found = ast.literal_eval(text)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        found = None
    if not isinstance(found, dict) or not all(isinstance(one, str) for one in found):
        raise BadInput(f"Invalid value for the filter {name}: it is a dictionary of texts.")
    return {key: str(value) for key, value in found.items()}
