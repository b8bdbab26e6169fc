"""What people search resources by: a tree of conditions, as JSON or as a text.

    {"and": [{"=": {"server_group": "web"}}, {"like": {"display_name": "a%"}}]}
    server_group = web and display_name like 'a%'

A condition is held against a resource as it is shown, so it narrows what the caller sees and widens nothing.

Source: Gnocchi's REST API reference, "Searching for resources".
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hanok.base.errors import BadInput
from hanok.base.patterns import BadPattern, escaped, pattern
from hanok.services.metric.logic import shapes, times

Test = Callable[[Mapping[str, Any]], bool]
DEEPEST, MAXIMUM = 30, 500  # conditions in each other; altogether
_COMPARED: dict[str, Callable[[Any, Any], bool]] = {
    **dict.fromkeys(("=", "==", "eq"), operator.eq),
    **dict.fromkeys(("!=", "≠", "ne"), operator.ne),
    **dict.fromkeys(("<", "lt"), operator.lt),
    **dict.fromkeys((">", "gt"), operator.gt),
    **dict.fromkeys(("<=", "≤", "le"), operator.le),
    **dict.fromkeys((">=", "≥", "ge"), operator.ge),
}
_AND, _OR = ("and", "∧"), ("or", "∨")
_DATES = frozenset(("started_at", "ended_at", "revision_start", "revision_end"))
_UUIDS = frozenset(("id",))
BASE = frozenset((
    "id", "original_resource_id", "type", "user_id", "project_id", "creator", "created_by_user_id",
    "created_by_project_id", "started_at", "ended_at", "revision_start", "revision_end",
))  # fmt: skip


class Reader:
    """Reads the conditions of one query. types: of the attributes that the type of the resources has, by name."""

    def __init__(self, types: Mapping[str, str]) -> None:
        self._types = types
        self._count = 0

    def tree(self, value: Any, path: shapes.Path = ()) -> Test:
        """
        Raises:
            BadInput
        """
        self._count += 1
        if self._count > MAXIMUM or len(path) > 2 * DEEPEST:
            raise BadInput("Invalid input: the query has too many conditions")
        if not isinstance(value, dict):
            raise shapes.wrong("expected a dictionary", path)
        if len(value) != 1:
            raise shapes.wrong(
                "length of value must be at most 1"
                if value
                else "length of value must be at least 1",
                path,
            )
        (name, inner), at = next(iter(value.items())), (*path, *value)
        if name in _AND or name in _OR:
            tests = self._several(inner, at)
            return _all_of(tests) if name in _AND else _any_of(tests)
        if name == "not":
            test = self.tree(inner, at)
            return lambda one: not test(one)
        return self._leaf(str(name), inner, at)

    def _several(self, value: Any, path: shapes.Path) -> list[Test]:
        if not isinstance(value, list):
            raise shapes.wrong("expected a list", path)
        if not value:
            raise shapes.wrong("length of value must be at least 1", path)
        return [self.tree(one, (*path, place)) for place, one in enumerate(value)]

    def _leaf(self, name: str, value: Any, path: shapes.Path) -> Test:
        if name not in _COMPARED and name not in ("in", "like"):
            raise shapes.wrong("extra keys not allowed", path, inside=False)
        if not isinstance(value, dict) or len(value) != 1:
            raise shapes.wrong("expected a dictionary", path)
        (attribute, requested), at = next(iter(value.items())), (*path, *value)
        kind = self._kind(attribute, at)
        if name == "in":
            return self._among(attribute, kind, requested, at)
        if name == "like":
            return self._like(attribute, kind, requested, at)
        compare, wish = _COMPARED[name], self._read(kind, requested, at)
        return lambda one: _holds(compare, _shown(kind, one.get(attribute)), wish)

    def _among(self, attribute: str, kind: str, value: Any, path: shapes.Path) -> Test:
        if not isinstance(value, list):
            raise shapes.wrong("expected a list", path)
        if not value:
            raise shapes.wrong("length of value must be at least 1", path)
        wishes = {self._read(kind, one, (*path, place)) for place, one in enumerate(value)}
        return lambda one: _shown(kind, one.get(attribute)) in wishes

    def _like(self, attribute: str, kind: str, value: Any, path: shapes.Path) -> Test:
        if kind != "string":
            raise shapes.wrong(f"value must not be one of {[attribute]!r}", path, inside=False)
        if not isinstance(value, str):
            raise shapes.wrong("expected str", path)
        try:
            form = pattern(_like_pattern(value))
        except BadPattern as error:
            raise shapes.wrong(f"the pattern is not valid: {error}", path) from None
        return lambda one: isinstance(found := one.get(attribute), str) and form.fullmatch(found)

    def _kind(self, attribute: Any, path: shapes.Path) -> str:
        if attribute in _DATES:
            return "datetime"
        if attribute in _UUIDS:
            return "uuid"
        if attribute in BASE:
            return "string"
        kind = self._types.get(attribute) if isinstance(attribute, str) else None
        if kind is None:
            raise shapes.wrong("extra keys not allowed", path, inside=False)
        return kind

    def _read(self, kind: str, value: Any, path: shapes.Path) -> Any:
        if isinstance(value, Word):
            value = _of_word(kind, value)
        if value is None:
            return None
        if kind == "datetime":
            try:
                return times.moment(value, times.to_datetime(0))
            except ValueError as error:
                raise shapes.wrong(str(error), path) from None
        if kind == "number" and not isinstance(value, bool) and isinstance(value, int | float):
            return value
        if kind == "bool" and isinstance(value, bool):
            return value
        if kind in ("number", "bool"):
            raise shapes.wrong("expected Real" if kind == "number" else "expected bool", path)
        if not isinstance(value, str):
            raise shapes.wrong("expected str", path)
        return value.lower() if kind == "uuid" else value


def _all_of(tests: Sequence[Test]) -> Test:
    return lambda one: all(test(one) for test in tests)


def _any_of(tests: Sequence[Test]) -> Test:
    return lambda one: any(test(one) for test in tests)


def _shown(kind: str, value: Any) -> Any:
    """A shown value as it is compared."""
    if kind == "datetime" and isinstance(value, str):
        return times.moment(value, times.to_datetime(0))
    return value


def _holds(compare: Callable[[Any, Any], bool], value: Any, wish: Any) -> bool:
    if value is None or wish is None:
        return compare in (operator.eq, operator.ne) and compare(value, wish)
    return compare(value, wish)


def _like_pattern(text: str) -> str:
    parts = {"%": ".*", "_": "."}
    return "(?s)" + "".join(parts.get(one) or escaped(one) for one in text)


# ---- as a text ----

_TOKEN = re.compile(
    r"""\s*(?:(?P<quoted>'[^']*'|"[^"]*")|(?P<mark>[()\[\],]|<=|>=|!=|[=<>≤≥≠∧∨])|(?P<word>[^\s()\[\],=<>!≤≥≠'"]+))"""
)
_LONGEST = 8192


def _expected(what: str, text: str, at: int) -> BadInput:
    return BadInput(
        f"Invalid filter: Expected {what}, found {text[at : at + 20]!r}  (at char {at})"
    )


class Text:
    """A condition as a text, read into the tree that JSON has."""

    def __init__(self, text: str) -> None:
        """
        Raises:
            BadInput: it is too long, or has what belongs into no filter.
        """
        if len(text) > _LONGEST:
            raise BadInput(f"Invalid filter: it has more than {_LONGEST} characters")
        self._text, self._at = text, 0
        self._tokens: list[tuple[str, str, int]] = []
        place = 0
        while text[place:].strip():
            found = _TOKEN.match(text, place)
            if found is None:
                raise _expected("a condition", text, place)
            kind = str(found.lastgroup)
            self._tokens.append((kind, found[kind], found.start(kind)))
            place = found.end()

    def tree(self) -> Any:
        """
        Raises:
            BadInput
        """
        made = self._either(0)
        if self._at < len(self._tokens):
            raise _expected("end of text", self._text, self._tokens[self._at][2])
        return made

    def _next(self, *requested: str) -> bool:
        """Whether this is next, which is then passed."""
        if self._at < len(self._tokens):
            kind, text, _ = self._tokens[self._at]
            if kind != "quoted" and text.lower() in requested:
                self._at += 1
                return True
        return False

    def _need(self, *requested: str) -> None:
        if not self._next(*requested):
            raise _expected(repr(requested[0]), self._text, self._place())

    def _place(self) -> int:
        return self._tokens[self._at][2] if self._at < len(self._tokens) else len(self._text)

    def _either(self, depth: int) -> Any:
        if depth > DEEPEST:
            raise BadInput("Invalid filter: it is nested too deeply")
        found = [self._both(depth)]
        while self._next("or", "∨"):
            found.append(self._both(depth))
        return found[0] if len(found) == 1 else {"or": found}

    def _both(self, depth: int) -> Any:
        found = [self._single(depth)]
        while self._next("and", "∧"):
            found.append(self._single(depth))
        return found[0] if len(found) == 1 else {"and": found}

    def _single(self, depth: int) -> Any:
        if self._next("not"):
            if depth > DEEPEST:
                raise BadInput("Invalid filter: it is nested too deeply")
            return {"not": self._single(depth + 1)}
        if self._next("("):
            inner = self._either(depth + 1)
            self._need(")")
            return inner
        attribute = self._word("an attribute")
        return self._condition(attribute)

    def _condition(self, attribute: Any) -> Any:
        for name in (
            "=",
            "!=",
            "≠",
            "<=",
            "≤",
            ">=",
            "≥",
            "<",
            ">",
            "eq",
            "ne",
            "lt",
            "gt",
            "le",
            "ge",
            "like",
        ):
            if self._next(name):
                return {name: {attribute: self._value(attribute)}}
        self._need("in")
        self._need("[")
        values: list[Any] = []
        while not self._next("]"):
            if values:
                self._need(",")
            values.append(self._value(attribute))
        return {"in": {attribute: values}}

    def _word(self, what: str) -> str:
        if self._at < len(self._tokens) and self._tokens[self._at][0] == "word":
            self._at += 1
            return self._tokens[self._at - 1][1]
        raise _expected(what, self._text, self._place())

    def _value(self, attribute: str) -> Any:
        if self._at < len(self._tokens) and self._tokens[self._at][0] == "quoted":
            self._at += 1
            return self._tokens[self._at - 1][1][1:-1]
        return _plain(self._word("a value"))


class Word(str):
    """A value that stood in a text without quotes: it is read as its attribute is."""


def _plain(word: str) -> Word | None:
    return None if word.lower() in ("null", "none") else Word(word)


def _of_word(kind: str, word: Word) -> Any:
    if kind == "bool" and word.lower() in ("true", "false"):
        return word.lower() == "true"
    if kind == "number" and re.fullmatch(r"-?\d{1,15}(\.\d{1,15})?", word):
        return float(word)
    return str(word)
