"""How the lists of block storage are filtered, ordered and cut into pages.

Source: Block Storage API reference, "Filtering and sorting"; microversion history 3.31, 3.34, 3.45, 3.60.
"""

from __future__ import annotations

import ast
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy import Row
from starlette.responses import Response

from hanok.base.errors import BadInput, HanokError, NotFound
from hanok.services.block_storage.logic import volumes
from hanok.services.block_storage.room import Volumes
from hanok.services.block_storage.schemas import answers, bodies
from hanok.store import JSON, Transaction, UTCDateTime
from hanok.web.listing import Filter, Listing, Page, PageStyle, Where, links_beside
from hanok.web.microversions import Version
from hanok.web.pages import number_of
from hanok.web.request import Request, list_answer
from hanok.web.routes import Handler
from hanok.web.token import Caller
from hanok.web.versions import Parameter

LIMIT = 1000


def style(noun: str) -> PageStyle:
    """How lists are cut. noun: what a marker names ("Volume")."""

    def missing(marker: str) -> HanokError:
        return NotFound(f"{noun} {marker[:100]} could not be found.")

    return PageStyle(
        put=links_beside,
        missing=missing,
        maximum=LIMIT,
        together="sort",
        no_marker=True,
        skip="offset",
    )


COUNT = Parameter(name="with_count", since=(3, 45))


def like(name: str) -> Parameter:
    """The parameter that finds what looks like a text."""
    return Parameter(name=f"{name}~", since=(3, 34))


def parameters(listing: Listing, since: dict[str, Version]) -> Iterable[str | Parameter]:
    """The parameters of a list, with the versions of those that not every version knows."""
    yield "all_tenants"
    yield COUNT
    for name in listing.parameters:
        if name in since:
            yield Parameter(name=name, since=since[name])
        else:
            yield like(name[:-1]) if name.endswith("~") else name


def declared(
    table: sa.Table,
    plural: str,
    noun: str,
    *,
    filters: Sequence[str],
    sort: Sequence[str],
    like: Sequence[str] = (),
    columns: Mapping[str, sa.Column[Any]] = {},
    oldest_first: bool = False,
) -> Listing:
    """A list of a table's rows, newest first.

    Args:
        noun: what a marker names. filters, sort: names of attributes. like: those of the filters that find what looks
            like a text, too. columns: of attributes that are called otherwise. oldest_first: unless it is asked for.
    """

    def column(name: str) -> sa.Column[Any]:
        return columns[name] if name in columns else table.c[name]

    by: dict[str, Filter] = {}
    for name in filters:
        by[name] = _by_type(column(name), name)
        if name in like:
            by[f"{name}~"] = looks_like(column(name))
    return Listing(
        table=table,
        name=plural,
        style=style(noun),
        marker=table.c.id,
        unique=table.c.sequence,
        first=(table.c.created_at, "asc" if oldest_first else "desc"),
        default_direction="desc",
        filters=by,
        also={f"display_{one}": one for one in ("name", "name~")} if "display_name" in sort else {},
        sort={name: column(name) for name in sort},
    )


def _by_type(column: sa.Column[Any], name: str) -> Filter:
    """The filter that fits what is in a column."""
    if isinstance(column.type, sa.Boolean):
        return flag(column, name)
    if isinstance(column.type, JSON):
        return of_map(column, name)
    if isinstance(column.type, UTCDateTime):
        return by_time(column, name)
    return number(column) if isinstance(column.type, sa.Integer) else equal(column)


class Finder(Protocol):
    """Finds what a path names, if the caller may do to it what a rule is about. Raises NotFound, Forbidden."""

    async def __call__(self, request: Request, tx: Transaction, rule: str = "") -> Row[Any]: ...


def finder(
    get: Callable[[Transaction, Caller, str], Awaitable[Row[Any]]],
    parameter: str,
    *,
    project: str = "project_id",
    user: bool = True,
) -> Finder:
    """Finds rows by the id that stands in a parameter of the path. project, user: what rules look at."""

    async def find(request: Request, tx: Transaction, rule: str = "") -> Row[Any]:
        request.allowed_by_hand()
        row = await get(tx, request.reaching(), request.path[parameter])
        target = {"project_id": getattr(row, project)}
        request.allow(rule, {**target, "user_id": row.user_id} if user else target)
        return row

    return find


Show = Callable[[Any], dict[str, Any]]
Prepare = Callable[[Request, Transaction, Sequence[Any]], Awaitable[Show]]


def lister(
    listing: Listing,
    of: Callable[..., sa.Select[Any]],
    whole: sa.Select[Any],
    rule: str,
    prepare: Prepare,
    *,
    statement: sa.Select[Any] | None = None,
) -> Handler:
    """A list of what a project has, or, for those who may see it, of what all have.

    Args:
        of: the rows of a statement that a caller's list shows. whole: what a marker is found in. prepare: reads what
            else is shown of some rows, and gives what shows one. statement: what of the rows is read; None: all.
    """
    requested = whole if statement is None else statement

    async def handler(request: Request, room: Volumes) -> Response:
        request.allow(rule, project_id=request.token.project_id)
        caller = request.reaching()
        mine = of(caller, requested, everywhere=everywhere(request))
        within = of(caller, whole, everywhere=caller.everywhere)
        async with request.reading() as tx:
            found, counted = await page(request, tx, listing, mine, within=within)
            show = await prepare(request, tx, found.rows)
        items = [show(row) for row in found.rows]
        return await list_answer(answer(request, listing, found, items, counted), listing.name)

    return handler


def shows(show: Callable[[Request, Any], dict[str, Any]]) -> Prepare:
    """Of what is shown without reading more."""

    async def prepare(request: Request, tx: Transaction, rows: Sequence[Any]) -> Show:
        return partial(show, request)

    return prepare


def everywhere(request: Request) -> bool:
    """Whether things of all projects are asked for by who may see them."""
    requested = request.query.get("all_tenants", "")
    return (
        bool(requested) and bodies.truth(requested, "all_tenants") and request.reaching().everywhere
    )


def public(request: Request) -> bool | None:
    """Which types are asked for: public ones, others, or all ("none")."""
    sent = request.query.get("is_public")
    if sent is None:
        return True
    return None if sent.lower() == "none" else bodies.truth(sent, "is_public")


async def page(
    request: Request, tx: Transaction, listing: Listing, statement: sa.Select[Any], **more: Any
) -> tuple[Page, int | None]:
    """The rows that a query asks for, and how many there are on all pages where it asks for that."""
    counted = None
    if bodies.truth(request.query.get("with_count") or "false", "with_count"):
        counted = await listing.count(request, tx, statement)
    return await listing.page(request, tx, statement, **more), counted


def answer(
    request: Request,
    listing: Listing,
    found: Page,
    items: list[dict[str, Any]],
    counted: int | None,
) -> dict[str, Any]:
    """The body of a list."""
    shown = listing.answer(request, found, items)
    if counted is not None:
        shown["count"] = counted
    return request.shown(answers.LISTED)(shown)


# ---- filters ----


def equal(column: sa.Column[Any]) -> Filter:
    return lambda values: column == values[-1]


def flag(column: sa.Column[Any], name: str) -> Filter:
    return lambda values: column.is_(bodies.truth(values[-1], name))


def number(column: sa.Column[Any]) -> Filter:
    def condition(values: list[str]) -> Where:
        found = number_of(values[-1])
        return sa.false() if found is None else column == found

    return condition


def looks_like(column: sa.Column[Any]) -> Filter:
    return lambda values: column.contains(values[-1], autoescape=True)


def of_map(column: sa.Column[Any], name: str) -> Filter:
    """By keys and values of a map, sent as a Python or JSON dictionary."""

    def condition(values: list[str]) -> Where:
        items = [item for text in values for item in _map(text, name).items()]
        return sa.and_(sa.true(), *(volumes.has_text(column, key, value) for key, value in items))

    return condition


def _map(text: str, name: str) -> dict[str, str]:
    try:
        if len(text) > 4096:
            raise ValueError
        found = ast.literal_eval(text)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        found = None
    if not isinstance(found, dict) or not all(
        isinstance(one, str) for item in found.items() for one in item
    ):
        raise BadInput(f"Invalid value for the filter {name}: it is a dictionary of texts.")
    return found


_COMPARE: dict[str, Callable[[sa.Column[Any], datetime], Where]] = {
    "gt": lambda column, at: column > at,
    "gte": lambda column, at: column >= at,
    "eq": lambda column, at: column == at,
    "neq": lambda column, at: column != at,
    "lt": lambda column, at: column < at,
    "lte": lambda column, at: column <= at,
}


def by_time(column: sa.Column[Any], name: str) -> Filter:
    """By time: "gt:2026-01-01T00:00:00,lt:…"; without a word before it, the very moment."""

    def condition(values: list[str]) -> Where:
        return sa.and_(
            *(_compared(column, name, one) for text in values for one in text.split(","))
        )

    return condition


def _compared(column: sa.Column[Any], name: str, text: str) -> Where:
    word, colon, rest = text.partition(":")
    compare = _COMPARE.get(word) if colon else None
    moment = rest if compare is not None else text
    try:
        at = datetime.fromisoformat(moment.strip())
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadInput(
            f"Invalid value for the filter {name}: {text[:100]} is not a valid date-time."
        ) from None
    return (compare or _COMPARE["eq"])(column, at)
