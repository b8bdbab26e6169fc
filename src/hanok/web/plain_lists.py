"""Lists of what is at hand whole: agents, zones, hosts, actions. They are cut, and filtered, as those of tables are.

Source: the services' API references; `web/listing.py` has the same for tables.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from msgspec import Struct

from hanok.web.attributes import Validator
from hanok.web.bodies import Bodies
from hanok.web.listing import Links, PageStyle
from hanok.web.pages import limit_of
from hanok.web.request import Request

T = TypeVar("T")
Item = dict[str, Any]
Condition = Callable[[list[str]], Callable[[T], bool]]
"""Takes all values of a parameter; gives what an item has to be. Raises BadInput."""


class PlainList(Struct, Generic[T], frozen=True, kw_only=True):
    """A list in an order of its own, which no query changes.

    name: as in answers. key: what a marker names. conditions: filters, by parameter.
    """

    name: str
    style: PageStyle
    key: Callable[[T], str]
    conditions: Mapping[str, Condition[T]] = {}

    @property
    def parameters(self) -> tuple[str, ...]:
        """The parameters of the query that the list reads."""
        reverse = (self.style.reverse,) if self.style.reverse else ()
        return (*self.style.sizes, "marker", *reverse, *self.conditions)

    def is_paged(self, request: Request) -> bool:
        """Whether a page is asked for, rather than the list."""
        return any(one in request.query for one in (*self.style.sizes, "marker"))

    def page(self, request: Request, items: Sequence[T]) -> tuple[list[T], Links]:
        """The items of the page that the query asks for, and the addresses of the pages beside it.

        Raises:
            BadInput: a limit that does not fit. What `missing` of the style gives: no such marker.
        """
        limit, back = self.style.limit(request), self.style.backwards(request)
        items = self.kept(request, items)
        if limit == 0:
            return [], Links()
        line = list(reversed(items)) if back else list(items)
        start = self._start(request, line)
        found = line[start:] if limit is None else line[start : start + limit]
        full = limit is not None and len(found) == limit
        further = full and (not self.style.exact or start + len(found) < len(line))
        if back:
            found.reverse()
            return found, self._links(request, found, following=limit is not None, before=further)
        before = limit is not None and start > 0
        return found, self._links(request, found, following=further, before=before)

    def answer_of(self, content: Item, links: Links) -> Item:
        """The body of an answer with the links that belong to a page."""
        self.style.put(content, self.name, links)
        return content

    def kept(self, request: Request, items: Sequence[T]) -> Sequence[T]:
        """The items that meet the conditions.

        Raises:
            BadInput: a value that cannot be one.
        """
        sent = self.style.filters(request) if self.conditions else {}
        tests = [self.conditions[one](sent[one]) for one in self.conditions if one in sent]
        return [one for one in items if all(test(one) for test in tests)] if tests else items

    def _start(self, request: Request, line: Sequence[T]) -> int:
        """The place behind the marker."""
        marker = self.style.marker(request)
        if marker is None:
            return 0
        for place, one in enumerate(line):
            if self.key(one) == marker:
                return place + 1
        raise self.style.missing(marker)

    def _links(
        self, request: Request, found: Sequence[T], *, following: bool, before: bool
    ) -> Links:
        return self.style.links(
            request,
            self.key(found[-1]) if found and following else None,
            (self.key(found[0]) if found else "") if before else None,
        )


class ItemList(PlainList[Item], frozen=True, kw_only=True):
    """A list of items as they are shown, which has filters and no sort keys.

    filters: by parameter, how a value is read. bodies: says what is wrong with one. fields: the parameter that names
    the attributes to show. unshown: what filters look at in an item, and nobody is shown.
    """

    filters: Mapping[str, Validator]
    bodies: Bodies
    fields: str = "fields"
    unshown: frozenset[str] = frozenset()

    @property
    def parameters(self) -> tuple[str, ...]:
        """The parameters of the query that the list reads."""
        return (*self.style.parameters, *self.filters)

    def answer(self, request: Request, items: Sequence[Item]) -> Item:
        """The body of an answer: the items that the query asks for, and of them what it asks for.

        Raises:
            BadInput: a value that cannot be one; what `PageStyle` says of sort keys, filters and markers.
        """
        self._check_order(request)
        page, links = self.page(request, self._fitting(request, items))
        return self.answer_of({self.name: [self.shown(request, one) for one in page]}, links)

    def shown(self, request: Request, item: Item) -> Item:
        """An item with the attributes that the query asks for."""
        names = {name for one in request.query_all(self.fields) for name in one.split(",") if name}
        return {
            name: value
            for name, value in item.items()
            if name not in self.unshown and (not names or name in names)
        }

    def _fitting(self, request: Request, items: Sequence[Item]) -> list[Item]:
        """The items that have one of the values of each filter."""
        sent = self.style.filters(request)
        self.style.hold(sent, self.filters)
        requested = {
            name: [self.bodies.checked(name, self.filters[name], value) for value in values]
            for name, values in sent.items()
            if name in self.filters
        }
        return [
            one for one in items if all(one[name] in found for name, found in requested.items())
        ]

    def _check_order(self, request: Request) -> None:
        names, _ = self.style.sorting(request, "asc")
        if names:
            raise self.style.odd_key(names[0][:100], ())


class OffsetList(Struct, frozen=True, kw_only=True):
    """A list whose pages are found by counting: at most so many items, behind so many.

    name: as in answers. maximum: of the items of a page. farthest: the largest number of items that are passed over.
    """

    name: str
    maximum: int
    farthest: int = 2**31 - 1

    @property
    def parameters(self) -> tuple[str, ...]:
        """The parameters of the query that its pages are made by."""
        return ("limit", "offset")

    def place(self, request: Request) -> tuple[int, int]:
        """How many items are passed over, and how many shown at most; a limit of 0 is none, as upstream.

        Raises:
            BadInput
        """
        limit = self._last(request, "limit", self.maximum)
        return self._last(request, "offset", self.farthest), limit or self.maximum

    def _last(self, request: Request, name: str, maximum: int) -> int:
        """The last value of a parameter, all of which are held; 0 without any."""
        found = [limit_of(one, maximum=maximum, name=name) or 0 for one in request.query_all(name)]
        return found[-1] if found else 0
