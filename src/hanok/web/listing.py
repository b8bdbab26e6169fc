"""Lists as declarations: which filters, in what order, in what pages, with what links.

A list is a `Listing`: its table, its filters, its sort keys, and the page style of its API. What a request asks of it
(`?name=…&sort_key=…&limit=…&marker=…`) becomes conditions, an order and a page in one place, so every list of an API
answers alike. Whom the caller may see is no part of it: that stands in the statement that the handler hands over.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterable, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy import Row

from hanok.base.errors import BadInput, HanokError, NotFound
from hanok.store import Transaction, kept
from hanok.web.microversions import Version
from hanok.web.pages import Direction, limit_of, ordered, page_link
from hanok.web.request import Request, Written
from hanok.web.versions import Span

Where = sa.ColumnElement[bool]
Filter = Callable[[list[str]], Where | None]
"""Takes all values of a parameter; gives the condition, or None for none. Raises BadInput."""


class Links(Struct, frozen=True):
    """The addresses of the pages beside one, and of the first; None: there is none, or this API does not tell it."""

    next: str | None = None
    previous: str | None = None
    first: str | None = None


def _odd_key(name: str, known: Collection[str]) -> HanokError:
    return BadInput(f"Invalid input for query parameters sort_key. Value: {name}.")


def _mixed() -> HanokError:
    return BadInput("Old and new sorting syntax cannot be combined")


def _odd_direction(direction: str) -> HanokError:
    return BadInput(
        f"Invalid input for query parameters sort_dir. Value: {direction}. "
        "'asc' or 'desc' is expected."
    )


class PageStyle(Struct, frozen=True, kw_only=True, dict=True):
    """How an API cuts its lists.

    maximum: rows of a page at most, whatever was asked; None: no such bound. usual: where no limit was asked for; None:
        the maximum. zero: whether 0 is a limit.
    exact: whether a page knows if there is another one; if not, each full page has a link to the next.
    missing: the error for a marker that names nothing.
    anew: whether a list of rows begins anew there instead.
    put: adds the links to an answer. It takes the answer, the name of the list in it, and the links.
    blank: whether no limit, or 0, asks for the whole list (`maximum` holds for others).
    no_marker: whether an empty marker is none.
    sizes: the parameters that say how many rows a page has; the first one that says something counts.
    reverse: the parameter that turns back, so that the page is the one before its marker; empty: there is none.
    paths: whether links are paths in the API, that of the first page among them, rather than whole addresses.
    last: the direction of what orders rows that are equal in all sort keys; None: that of the last key.
    paired: the error where there are directions and not one for each sort key; None: the last one is for the others.
        spread: whether one alone is for all keys.
    together: the parameter with keys and directions in one ("sort=name:asc,size"); empty: there is none.
        mixed: the error where it stands beside sort_key or sort_dir.
    odd_key, odd_direction: the errors of sorting; the first one also takes the keys that there are. odd_filters: the
        error for parameters that are no filters; None: they are passed over. others: parameters that are neither
        filters nor pages, and let through.
    skip: the parameter that says how many rows to leave out first; empty: there is none.
    """

    put: Callable[[dict[str, Any], str, Links], None]
    missing: Callable[[str], HanokError]
    anew: bool = False
    maximum: int | None = None
    usual: int | None = None
    zero: bool = True
    exact: bool = False
    blank: bool = False
    no_marker: bool = False
    sizes: tuple[str, ...] = ("limit",)
    reverse: str = ""
    paths: bool = False
    last: Direction | None = None
    paired: Callable[[], HanokError] | None = None
    spread: bool = False
    together: str = ""
    mixed: Callable[[], HanokError] = _mixed
    odd_key: Callable[[str, Collection[str]], HanokError] = _odd_key
    odd_direction: Callable[[str], HanokError] = _odd_direction
    odd_filters: Callable[[Sequence[str]], HanokError] | None = None
    others: tuple[str, ...] = ()
    skip: str = ""

    @property
    def parameters(self) -> tuple[str, ...]:
        """The parameters of every list, whatever it is a list of."""
        own = (one for one in (self.together, self.reverse, self.skip) if one)
        return (*self.sizes, "marker", "sort_key", "sort_dir", *own, *self.others)

    @cached_property
    def _aside(self) -> frozenset[str]:
        return frozenset(self.parameters)

    def limit(self, request: Request) -> int | None:
        """How many rows a request asks for; None: all.

        Raises:
            BadInput
        """
        query = request.query
        sent = next((query[one] for one in self.sizes if query.get(one)), query.get(self.sizes[0]))
        if sent is None and self.usual is not None:
            return self.usual
        if self.blank and not limit_of(sent):
            return None
        return limit_of(sent, maximum=self.maximum, zero=self.zero)

    def skipped(self, request: Request) -> int:
        """How many rows a request leaves out first. Raises BadInput."""
        sent = request.query.get(self.skip) if self.skip else None
        return limit_of(sent, name=self.skip) or 0

    def marker(self, request: Request) -> str | None:
        """What the page is to begin behind."""
        sent = request.query.get("marker")
        return None if self.no_marker and not sent else sent

    def backwards(self, request: Request) -> bool:
        """Whether the page before the marker is asked for."""
        requested = request.query.get(self.reverse, "") if self.reverse else ""
        return requested.lower() in ("true", "1")

    def sorting(self, request: Request, usual: Direction) -> tuple[list[str], list[str]]:
        """The sort keys and the directions that a request asks for, as they were sent.

        Args:
            usual: the direction of a key without one, where both are in one parameter.

        Raises:
            HanokError: `mixed`, `paired`.
        """
        names, ways = request.query_all("sort_key"), request.query_all("sort_dir")
        both = request.query.get(self.together) if self.together else None
        if both is not None:
            if names or ways:
                raise self.mixed()
            for one in both.split(","):
                name, _, way = one.strip().partition(":")
                names.append(name)
                ways.append(way or usual)
        fit = not ways or len(ways) == len(names) or (self.spread and len(ways) == 1)
        if self.paired is not None and not fit:
            raise self.paired()
        return names, ways

    def links(self, request: Request, following: str | None, preceding: str | None = None) -> Links:
        """The addresses of the pages behind and before markers; None: there is no such page.

        Args:
            preceding: empty for the list's last page.
        """
        url = request.full_url
        if self.paths:
            url = url.removeprefix(request.base_url)
        aside = ("marker", self.reverse)
        kept = [(name, value) for name, value in request.pairs if name not in aside]
        before = [("marker", preceding)] if preceding else []
        back = preceding is not None and self.reverse
        return Links(
            following and page_link(url, kept, ("marker", following)),
            page_link(url, kept, *before, (self.reverse, "True")) if back else None,
            page_link(url, kept) if self.paths else None,
        )

    def filters(self, request: Request) -> dict[str, list[str]]:
        """What was sent beside what makes pages, by name."""
        aside = self._aside
        return _by_name([pair for pair in request.parameters if pair[0] not in aside])

    def hold(self, sent: Iterable[str], known: Container[str]) -> None:
        """Refuse what is no filter, where this API does."""
        odd = [name for name in sent if name not in known]
        if odd and self.odd_filters is not None:
            raise self.odd_filters(odd)


class Page(Struct):
    """The rows of a page, and the markers of the pages behind and before it; None: there is none.

    preceding: empty on a page without rows behind a list's end; the page before it is the list's last.
    whole: whether this page is the whole list.
    """

    rows: list[Row[Any]]
    following: str | None
    preceding: str | None = None
    whole: bool = False


class SortKey(Struct, frozen=True):
    """A sort key that not every version knows. column: None where the API takes the key and does not sort by it."""

    column: sa.Column[Any] | None
    since: Version | None = None
    until: Version | None = None


class Listing(Struct, frozen=True, kw_only=True):
    """A list of an API.

    marker: the column that a marker names. unique: what orders rows that are equal in all sort keys.
    filters: by parameter. sort: columns by sort key; first: the key and direction when none was asked for. then:
        columns by which rows are ordered that are equal in the keys, before unique.
    default_direction: of a sort key without one. also: other names of filters and sort keys.
    """

    table: sa.FromClause
    name: str
    style: PageStyle
    marker: sa.Column[Any]
    unique: sa.Column[Any]
    first: tuple[sa.Column[Any], Direction]
    then: tuple[sa.Column[Any], ...] = ()
    filters: Mapping[str, Filter] = {}
    sort: Mapping[str, sa.Column[Any] | SortKey] = {}
    default_direction: Direction = "asc"
    also: Mapping[str, str] = {}

    @property
    def parameters(self) -> tuple[str, ...]:
        """The parameters of the query that the list reads."""
        aside = () if self.sort else ("sort_key", "sort_dir", self.style.together)
        paging = (one for one in self.style.parameters if one not in aside)
        also = (one for one, name in self.also.items() if name in self.filters)
        return (*paging, *self.filters, *also)

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
        values: Mapping[str, Any] | None = None,
        bound: Mapping[str, Filter] = {},
    ) -> Page:
        """The rows of a statement that the query asks for.

        Args:
            within: the statement that a marker must be found by, where that is not the same: a row may have left the
                list since. A marker outside of what the caller may see must not be told from one that names nothing.
            values: of the statements' parameters.
            bound: filters that are this caller's, in place of those of the same names.

        Raises:
            BadInput: a filter, sort key, direction or limit that does not fit. What `missing` gives: no such marker.
        """
        style, reached = self.style, statement
        if conditions := self._conditions(request, bound):
            statement = kept.held(statement, *conditions)
        keys = self._order(request)
        limit = style.limit(request)
        if limit == 0:
            return Page([], None)
        after = await self._after(request, tx, reached if within is None else within, values)
        if skipped := style.skipped(request):
            statement = statement.offset(skipped)
        more = limit + 1 if limit is not None and style.exact else limit
        rows = list(await tx.all(ordered(statement, keys, after=after, limit=more), values))
        further = limit is not None and len(rows) >= limit + style.exact
        marked = style.marker(request) is not None
        return self._cut(rows[:limit], further, marked, style.backwards(request), limit)

    async def count(
        self,
        request: Request,
        tx: Transaction,
        statement: sa.Select[Any],
        *,
        bound: Mapping[str, Filter] = {},
    ) -> int:
        """How many rows of a statement the query's filters leave, on all pages together. Raises as `page`."""
        conditions = self._conditions(request, bound)
        held = kept.held(statement, *conditions) if conditions else statement
        counted = held.with_only_columns(sa.func.count(), maintain_column_froms=True)
        return int(await tx.scalar(counted.order_by(None)) or 0)

    def _cut(
        self, rows: list[Row[Any]], further: bool, marked: bool, backwards: bool, limit: int | None
    ) -> Page:
        """The page of these rows.

        Args:
            further: whether there are more in the direction that was read. marked: whether a marker was named.
        """
        if backwards:
            rows.reverse()
        page = Page(rows, None, whole=not (further or marked or backwards))
        if rows and limit is not None:
            column = self.marker.name
            if further or backwards:
                page.following = str(rows[-1]._mapping[column])
            if self.style.reverse and (further if backwards else marked):
                page.preceding = str(rows[0]._mapping[column])
        elif limit is not None and marked and not backwards:
            page.preceding = ""
        return page

    def answer(
        self,
        request: Request,
        page: Page,
        content: list[dict[str, Any]] | Written | dict[str, Any],
    ) -> dict[str, Any]:
        """The body of an answer with the links that belong to a page.

        Args:
            content: the items, written or not, or the body as it would be without pages.
        """
        answer = content if isinstance(content, dict) else {self.name: content}
        links = self.style.links(request, page.following, page.preceding)
        self.style.put(answer, self.name, links)
        return answer

    def _conditions(self, request: Request, bound: Mapping[str, Filter]) -> list[Where]:
        sent: dict[str, list[str]] = {}
        for name, values in self.style.filters(request).items():
            sent.setdefault(self.also.get(name, name), []).extend(values)
        # Looked up, not gone through: some filters are of any name ("name__contains").
        found = [
            (bound.get(name) or self.filters[name])(values)
            for name, values in sent.items()
            if name in self.filters
        ]
        self.style.hold(sent, self.filters)
        return [one for one in found if one is not None]

    def _order(self, request: Request) -> list[tuple[sa.Column[Any], Direction]]:
        names, ways = self._requested(request)
        keys: list[tuple[sa.Column[Any], Direction]] = []
        for place, name in enumerate(names):
            way = ways[min(place, len(ways) - 1)] if ways else self.default_direction
            column = self._sort_column(name, request.microversion)
            if column is not None:
                keys.append((column, way))
        if not keys:
            keys.append((self.first[0], ways[0] if ways else self.first[1]))
        keys += [(column, keys[-1][1]) for column in self.then]
        if all(column is not self.unique for column, _ in keys):
            keys.append((self.unique, self.style.last or keys[-1][1]))
        if self.style.backwards(request):
            keys = [(column, "asc" if way == "desc" else "desc") for column, way in keys]
        return keys

    def _requested(self, request: Request) -> tuple[list[str], list[Direction]]:
        """The sort keys and directions that a request asks for."""
        names, ways = self.style.sorting(request, self.default_direction)
        for way in ways:
            if way not in ("asc", "desc"):
                raise self.style.odd_direction(way[:100])
        if not self.sort:
            return [], []
        return names, ["asc" if one == "asc" else "desc" for one in ways]

    def _sort_column(self, name: str, version: Version) -> sa.Column[Any] | None:
        key = self.sort.get(self.also.get(name, name))
        if isinstance(key, SortKey):
            if Span(key.since, key.until).holds(version):
                return key.column
        elif key is not None:
            return key
        raise self.style.odd_key(name[:100], self.sort)

    async def _after(
        self,
        request: Request,
        tx: Transaction,
        within: sa.Select[Any],
        values: Mapping[str, Any] | None,
    ) -> Any:
        marker = self.style.marker(request)
        if marker is None:
            return None
        named = {**(values or {}), "_marker": marker}
        row = await tx.first(_marked(within, self.marker), named)
        if row is not None:
            return row._mapping
        if self.style.anew:
            return None
        raise self.style.missing(marker)


@lru_cache(maxsize=128)  # of statements that are themselves built once
def _marked(statement: sa.Select[Any], column: sa.Column[Any]) -> sa.Select[Any]:
    return statement.where(column == sa.bindparam("_marker"))


def _by_name(pairs: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


# ---- filters ----


def equal(column: sa.Column[Any]) -> Filter:
    """The column has one of the values."""
    return lambda values: column.in_(values) if len(values) > 1 else kept.equal(column, values[0])


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
    requested = list(dict.fromkeys(one for value in values for one in value.split(",")))
    having = sa.select(owner).where(tag.in_(requested))
    if together:
        having = having.group_by(owner).having(sa.func.count() == len(requested))
    found = of.in_(having)
    return sa.not_(found) if negative else found


def tag_filters(
    of: sa.Column[Any], owner: sa.Column[Any], tag: sa.Column[Any]
) -> dict[str, Filter]:
    """The four filters by tags, by the names of their parameters. The columns are those of `tagged`.

    Source: API working group, "Tags".
    """

    def by(*, negative: bool, together: bool) -> Filter:
        return lambda values: tagged(of, owner, tag, values, negative=negative, together=together)

    return {
        "tags": by(negative=False, together=True),
        "tags-any": by(negative=False, together=False),
        "not-tags": by(negative=True, together=True),
        "not-tags-any": by(negative=True, together=False),
    }


# ---- the page styles of the services ----


def links_beside(answer: dict[str, Any], name: str, links: Links) -> None:
    """Links in a list beside that of the things: {"servers": […], "servers_links": [{"rel": "next", "href": "…"}]}."""
    both = (("next", links.next), ("previous", links.previous))
    if found := [{"rel": rel, "href": link} for rel, link in both if link is not None]:
        answer[f"{name}_links"] = found


def _compute_missing(marker: str) -> HanokError:
    return BadInput(f"marker [{marker[:100]}] not found")


COMPUTE = PageStyle(put=links_beside, missing=_compute_missing, maximum=1000, no_marker=True)
"""Source: Compute API guide, "Paginated collections". Programs that page begin with an empty marker."""


def _identity_links(answer: dict[str, Any], name: str, links: Links) -> None:
    if links.next is not None:
        answer["links"]["next"] = links.next
        answer["truncated"] = True


def _identity_missing(marker: str) -> HanokError:
    return NotFound(f"Marker {marker[:100]} could not be found")


IDENTITY = PageStyle(put=_identity_links, missing=_identity_missing, exact=True)
"""Source: Identity API reference, "Filtering, searching, and pagination"."""
