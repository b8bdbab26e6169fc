"""Regular expressions from users, of a kind that cannot run away: what a filter on names takes.

Served are literals, ".", sets ("[a-z]", "[^0-9]"), "\\d", "\\w", "\\s" and other escaped characters, each once or
with "*", "+" or "?", and the anchors "^" and "$". Brackets, braces and bars stand for themselves. A text is read once,
and each character costs at most a look at each item of the pattern, whatever both are.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

MOST = 255  # characters of a pattern


class _Item(Struct, frozen=True):
    """One place of a pattern. ranges: what fits, ends included; None: anything."""

    ranges: tuple[tuple[str, str], ...] | None
    negated: bool = False
    often: str = ""

    def fits(self, character: str) -> bool:
        if self.ranges is None:
            return True
        return any(a <= character <= b for a, b in self.ranges) != self.negated


_NAMED = {
    "d": (("0", "9"),),
    "w": (("0", "9"), ("A", "Z"), ("a", "z"), ("_", "_")),
    "s": ((" ", " "), ("\t", "\r")),
}


def is_pattern(text: str) -> bool:
    """Whether more is asked for than anchors and ".*", which the database can look for."""
    return any(one in text for one in "[\\+?")


class Pattern:
    """A pattern that was read once and is tried on many texts."""

    def __init__(self, text: str) -> None:
        text = text[:MOST]
        self._from_start = text.startswith("^")
        body = text[1:] if self._from_start else text
        self._to_end = body.endswith("$") and not body.endswith("\\$")
        self._items = _items(body[:-1] if self._to_end else body)

    def cost(self, text: str) -> int:
        """The most looks that a search in a text takes."""
        return (len(text) + 1) * (len(self._items) + 1)

    def found_in(self, text: str) -> bool:
        items, end = self._items, len(self._items)
        places = self._reach([0])
        for character in text:
            if end in places and not self._to_end:
                return True
            after = [] if self._from_start else [0]
            for at in places:
                if at < end and items[at].fits(character):
                    after.append(at if items[at].often == "*" else at + 1)
            places = self._reach(after)
        return end in places

    def _reach(self, places: Iterable[int]) -> set[int]:
        """These places and those behind items that may be left out."""
        found: set[int] = set()
        for place in places:
            at = place
            while at not in found:
                found.add(at)
                if at < len(self._items) and self._items[at].often in ("*", "?"):
                    at += 1
        return found


def _items(text: str) -> list[_Item]:
    found: list[_Item] = []
    at = 0
    while at < len(text):
        item, at = _item(text, at)
        often = text[at] if at < len(text) and text[at] in "*+?" else ""
        at += len(often)
        if often == "+":
            found.append(item)
            often = "*"
        found.append(_Item(item.ranges, item.negated, often))
    return found


def _item(text: str, at: int) -> tuple[_Item, int]:
    one = text[at]
    if one == ".":
        return _Item(None), at + 1
    if one == "\\" and at + 1 < len(text):
        escaped = text[at + 1]
        return _Item(_NAMED.get(escaped, ((escaped, escaped),))), at + 2
    close = text.find("]", at + 2)
    if one == "[" and close > 0:
        inner = text[at + 1 : close]
        negated = inner.startswith("^") and len(inner) > 1
        return _Item(_ranges(inner[1:] if negated else inner), negated), close + 1
    return _Item(((one, one),)), at + 1


def _ranges(inner: str) -> tuple[tuple[str, str], ...]:
    """What stands in a set."""
    found: list[tuple[str, str]] = []
    at = 0
    while at < len(inner):
        if inner[at] == "\\" and at + 1 < len(inner):
            escaped = inner[at + 1]
            found.extend(_NAMED.get(escaped, ((escaped, escaped),)))
            at += 2
        elif at + 2 < len(inner) and inner[at + 1] == "-":
            found.append((inner[at], inner[at + 2]))
            at += 3
        else:
            found.append((inner[at], inner[at]))
            at += 1
    return tuple(found)
