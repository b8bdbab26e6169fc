"""Lists of what a project has, or, for those whom a rule lets, of what all projects have."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from starlette.responses import Response

from hanok.services.shared_file_system.room import Shares
from hanok.services.shared_file_system.routes import lists
from hanok.store import Transaction
from hanok.web.listing import Filter, Listing
from hanok.web.microversions import Version
from hanok.web.request import Request, list_answer
from hanok.web.routes import Handler
from hanok.web.versions import Parameter, Query

LIKE = (2, 36)  # from here on "name~" finds what looks like a text

Show = Callable[[Any], dict[str, Any]]
Prepare = Callable[[Request, Shares, Transaction, Sequence[Any]], Awaitable[Show]]
Narrow = Callable[[Request, Transaction, sa.Select[Any]], Awaitable[sa.Select[Any]]]


def like(table: sa.Table, *names: str) -> dict[str, Filter]:
    """The filters that find what looks like a text, for columns."""
    return {f"{name}~": lists.looks_like(table.c[name]) for name in names}


def equal(table: sa.Table, *names: str, **others: sa.Column[Any]) -> dict[str, Filter]:
    """The filters that find what is in columns. others: by attribute, of columns that are called otherwise."""
    columns = {**{name: table.c[name] for name in names}, **others}
    return {name: lists.equal(column) for name, column in columns.items()}


def query_of(listing: Listing, *more: str, since: Mapping[str, Version] = {}) -> Query:
    """The query of a list. more: what is read beside filters and pages."""
    found: list[str | Parameter] = list(more)
    for name in listing.parameters:
        first = since.get(name) or (LIKE if name.endswith("~") else None)
        found.append(name if first is None else Parameter(name=name, since=first))
    return Query(*found)


def plainly(show: Callable[[Request, Any], dict[str, Any]]) -> Prepare:
    """Of what is shown without reading more."""

    async def prepare(request: Request, room: Shares, tx: Transaction, rows: Sequence[Any]) -> Show:
        return lambda row: show(request, row)

    return prepare


async def whole(request: Request, tx: Transaction, statement: sa.Select[Any]) -> sa.Select[Any]:
    """Nothing narrows it further."""
    return statement


def lister(
    listing: Listing,
    of: Callable[..., sa.Select[Any]],
    statement: sa.Select[Any],
    prepare: Prepare,
    *,
    wide: str,
    narrow: Narrow = whole,
) -> Handler:
    """The handler of a list.

    Args:
        of: the rows of a statement that a caller's list shows. prepare: reads what else is shown of some rows, and
            gives what shows one. wide: the rule that lets see those of all projects.
    """

    async def handler(request: Request, room: Shares) -> Response:
        request.allow("", request.own)
        everywhere = lists.everywhere(request, wide)
        mine = of(request.reaching(), statement, everywhere=everywhere)
        async with request.reading() as tx:
            narrowed = await narrow(request, tx, mine)
            page = await listing.page(request, tx, narrowed)
            show = await prepare(request, room, tx, page.rows)
        items = [show(row) for row in page.rows]
        return await list_answer(listing.answer(request, page, items), listing.name)

    return handler
