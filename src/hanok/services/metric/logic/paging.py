"""Order and pages of lists: `sort=name:desc-nullslast`, `limit`, `marker`, and a link to the next page.

What is listed is at hand whole: conditions of people's own are held against each item.

Source: Gnocchi's REST API reference, "Pagination".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from msgspec import Struct

from hanok.base.errors import BadInput
from hanok.services.metric.logic import shapes

Item = dict[str, Any]
Pairs = Sequence[tuple[str, str]]
_DIRECTIONS = ("asc", "desc")
_NULLS = ("", "nullsfirst", "nullslast")


class Page(Struct, frozen=True):
    """What a query asks for. sorts: as they were sent."""

    limit: int
    marker: str
    sorts: tuple[str, ...]


def _bad(reason: str) -> BadInput:
    return shapes.structured("Argument value error", reason, [])


def page_of(pairs: Pairs, default: Sequence[str], maximum: int) -> Page:
    """
    Raises:
        BadInput
    """
    said = dict(pairs)
    try:
        limit = int(said.get("limit", maximum))
    except ValueError:
        raise _bad("expected int for dictionary value @ data['limit']") from None
    if limit < 1:
        raise _bad("value must be at least 1 for dictionary value @ data['limit']")
    sorts = tuple(value for name, value in pairs if name == "sort")[:10]
    return Page(min(limit, maximum), said.get("marker", ""), sorts or tuple(default))


def _key(text: str, known: Sequence[str]) -> tuple[str, bool, bool]:
    """The attribute, whether it goes down, and whether nothing comes last."""
    name, _, rest = text.partition(":")
    direction, _, nulls = rest.partition("-")
    if name not in known:
        raise BadInput(f"Sort key supplied is invalid: {name[:100]}")
    if (rest and direction not in _DIRECTIONS) or nulls not in _NULLS:
        raise BadInput(f"Invalid sort direction: {rest[:50]}")
    down = direction == "desc"
    return name, down, nulls == "nullslast" or (not nulls and down)


def cut(
    items: list[Item], page: Page, known: Sequence[str], marked: str = "id"
) -> tuple[list[Item], str]:
    """The items of a page, and the marker of the next; "" for none.

    Args:
        known: what may be sorted by. marked: the attribute that a marker names.

    Raises:
        BadInput
    """
    for text in reversed(page.sorts):
        name, down, last = _key(text, known)
        items.sort(key=lambda one: (one[name] is not None, _plain(one[name])), reverse=down)
        if last != down:
            items.sort(key=lambda one: (one[name] is None) == last)
    start = 0
    if page.marker:
        places = [at for at, one in enumerate(items) if one[marked] == page.marker.lower()]
        if not places:
            raise BadInput(f"Invalid marker: `{page.marker[:100]}'")
        start = places[0] + 1
    found = items[start : start + page.limit]
    following = str(found[-1][marked]) if start + page.limit < len(items) else ""
    return found, following


def _plain(value: Any) -> Any:
    """What is compared: numbers before texts."""
    if isinstance(value, bool | int | float):
        return (0, value, "")
    return (1, 0, value or "")


def link(address: str, pairs: Pairs, page: Page, following: str) -> dict[str, str]:
    """The header that leads to the next page."""
    if not following:
        return {}
    own = ("limit", "marker", "sort")
    rest = [(name, value) for name, value in pairs if name not in own]
    rest += [("limit", str(page.limit)), ("marker", following)]
    rest += [("sort", one) for one in page.sorts]
    return {"Link": f'<{address}?{urlencode(sorted(rest, key=lambda one: one[0]))}>; rel="next"'}
