"""Lists as declarations: which filters, in what order, in what pages, with what links.

A list is a `Listing`: its table, its filters, its sort keys, and the page style of its API. What a request asks of it
(`?name=…&sort_key=…&limit=…&marker=…`) becomes conditions, an order and a page in one place, so every list of an API
answers alike. Whom the caller may see is no part of it: that stands in the statement that the handler hands over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy import Row

from hanok.base.errors import BadInput, HanokError, NotFound
from hanok.store import Transaction
from hanok.web.microversions import Version
from hanok.web.pages import Direction, limit_of, next_link, ordered
from hanok.web.request import Request
from hanok.web.versions import Span

Where = sa.ColumnElement[bool]
Filter = Callable[[list[str]], Where | None]
"""Takes all values of a parameter; gives the condition, or None for none. Raises BadInput."""


class PageStyle(Struct, frozen=True, kw_only=True):
    """How an API cuts its lists.

    maximum: rows of a page at most, whatever was asked; None: no such bound.
    exact: whether a page knows if there is another one; if not, each full page has a link to the next.
    missing: the error for a marker that names nothing.
    put: adds the links to an answer. It takes the answer, the name of the list in it, and the next page's address,
        None on the last page.
    """

    put: Callable[[dict[str, Any], str, str | None], None]
    missing: Callable[[str], HanokError]
    maximum: int | None = None
    exact: bool = False


class Page(Struct):
    """The rows of a page, and the marker that the next one begins behind; None: this is the last."""

    rows: list[Row[Any]]
    following: str | None


class SortKey(Struct, frozen=True):
    """A sort key that not every version knows. column: None where the API takes the key and does not sort by it."""

    column: sa.Column[Any] | None
    since: Version | None = None
    until: Version | None = None


class Listing(Struct, frozen=True, kw_only=True):
    """A list of an API.

    marker: the column that a marker names. unique: what orders rows that are equal in all sort keys.
    filters: by parameter. sort: columns by sort key; first: the key and direction when none was asked for, and then:
        columns that rows equal in it are ordered by.
    default_direction: of a sort key without one.
    """

    table: sa.Table
    name: str
    style: PageStyle
    marker: sa.Column[Any]
    unique: sa.Column[Any]
    first: tuple[sa.Column[Any], Direction]
    then: tuple[sa.Column[Any], ...] = ()
    filters: Mapping[str, Filter] = {}
    sort: Mapping[str, sa.Column[Any] | SortKey] = {}
    default_direction: Direction = "asc"

    @property
    def parameters(self) -> tuple[str, ...]:
        """The parameters of the query that the list reads."""
        sorting = ("sort_key", "sort_dir") if self.sort else ()
        return ("limit", "marker", *sorting, *self.filters)

    def parameters_but(self, *names: str) -> tuple[str, ...]:
        """Those parameters whose versions are not declared elsewhere."""
        return tuple(one for one in self.parameters if one not in names)

    async def page(
        self,
        request: Request,
        tx: Transaction,
        statement: sa.Select[Any],
        *,
        within: sa.Select[Any] | None = None,
    ) -> Page:
        """The rows of a statement that the query asks for.

        Args:
            within: the statement that a marker must be found by; the table's rows when left out. A marker outside of
                what the caller may see must not be told from one that names nothing.

        Raises:
            BadInput: a filter, sort key, direction or limit that does not fit. What `missing` gives: no such marker.
        """
        for name, values in _by_name(request.asked).items():
            if name in self.filters:
                condition = self.filters[name](values)
                if condition is not None:
                    statement = statement.where(condition)
        keys = self._order(request)
        limit = limit_of(request.query.get("limit"), maximum=self.style.maximum)
        if limit == 0:
            return Page([], None)
        after = await self._after(request, tx, within)
        more = limit + 1 if limit is not None and self.style.exact else limit
        rows = list(await tx.all(ordered(statement, keys, after=after, limit=more)))
        full = limit is not None and len(rows) >= limit + self.style.exact
        rows = rows if limit is None else rows[:limit]
        return Page(rows, str(rows[-1]._mapping[self.marker.name]) if full and rows else None)

    def answer(
        self, request: Request, page: Page, content: list[dict[str, Any]] | dict[str, Any]
    ) -> dict[str, Any]:
        """The body of an answer with the links that belong to a page.

        Args:
            content: the items, or the body as it would be without pages.
        """
        answer = content if isinstance(content, dict) else {self.name: content}
        link = None
        if page.following is not None:
            link = next_link(request.full_url, request.pairs, page.following)
        self.style.put(answer, self.name, link)
        return answer

    def _order(self, request: Request) -> list[tuple[sa.Column[Any], Direction]]:
        names, directions = request.query_all("sort_key"), request.query_all("sort_dir")
        for direction in directions:
            if direction not in ("asc", "desc"):
                raise BadInput(
                    f"Invalid input for query parameters sort_dir. Value: {direction[:100]}. "
                    "'asc' or 'desc' is expected."
                )
        ways: list[Direction] = ["asc" if one == "asc" else "desc" for one in directions]
        keys: list[tuple[sa.Column[Any], Direction]] = []
        for place, name in enumerate(names if self.sort else ()):
            way = ways[min(place, len(ways) - 1)] if ways else self.default_direction
            column = self._sort_column(name, request.microversion)
            if column is not None:
                keys.append((column, way))
        if not keys:
            column, way = self.first
            way = ways[0] if ways and self.sort else way
            keys += [(one, way) for one in (column, *self.then)]
        if all(column is not self.unique for column, _ in keys):
            keys.append((self.unique, keys[-1][1]))
        return keys

    def _sort_column(self, name: str, version: Version) -> sa.Column[Any] | None:
        key = self.sort.get(name)
        if isinstance(key, SortKey):
            if Span(key.since, key.until).holds(version):
                return key.column
        elif key is not None:
            return key
        raise BadInput(f"Invalid input for query parameters sort_key. Value: {name[:100]}.")

    async def _after(self, request: Request, tx: Transaction, within: sa.Select[Any] | None) -> Any:
        marker = request.query.get("marker")
        if marker is None:
            return None
        statement: sa.Select[Any] = sa.select(self.table) if within is None else within
        row = await tx.first(statement.where(self.marker == marker))
        if row is None:
            raise self.style.missing(marker)
        return row._mapping


def _by_name(pairs: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


# ---- filters ----


def equal(column: sa.Column[Any]) -> Filter:
    """The column has one of the values."""
    return lambda values: column.in_(values) if len(values) > 1 else column == values[0]


def tagged(
    of: sa.Column[Any],
    owner: sa.Column[Any],
    tag: sa.Column[Any],
    values: Sequence[str],
    *,
    negative: bool,
    together: bool,
) -> Where:
    """The rows that have these tags, or have not.

    One condition for any number of tags: a statement with one for each grows beyond what a database takes.

    Args:
        of: the column that the tags' `owner` refers to. owner and tag: columns of the tags, unique together.
        values: tags, or lists of them with commas between.
        negative: those that have not. together: all of the tags, rather than one of them.
    """
    wanted = list(dict.fromkeys(one for value in values for one in value.split(",")))
    having = sa.select(owner).where(tag.in_(wanted))
    if together:
        having = having.group_by(owner).having(sa.func.count() == len(wanted))
    found = of.in_(having)
    return sa.not_(found) if negative else found


# ---- the page styles of the services ----


def _compute_links(answer: dict[str, Any], name: str, link: str | None) -> None:
    if link is not None:
        answer[f"{name}_links"] = [{"rel": "next", "href": link}]


def _compute_missing(marker: str) -> HanokError:
    return BadInput(f"marker [{marker[:100]}] not found")


COMPUTE = PageStyle(put=_compute_links, missing=_compute_missing, maximum=1000)
"""Source: Compute API guide, "Paginated collections"."""


def _identity_links(answer: dict[str, Any], name: str, link: str | None) -> None:
    if link is not None:
        answer["links"]["next"] = link
        answer["truncated"] = True


def _identity_missing(marker: str) -> HanokError:
    return NotFound(f"Marker {marker[:100]} could not be found")


IDENTITY = PageStyle(put=_identity_links, missing=_identity_missing, exact=True)
"""Source: Identity API reference, "Filtering, searching, and pagination"."""
