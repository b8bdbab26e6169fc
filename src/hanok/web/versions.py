"""What a microversion knows, said once where a parameter, a field or an attribute is declared.

A handler knows the newest version only. What an older client sends is turned into the newest form before the handler
sees it; what the handler answers is turned back. So a version is compared with another in this module and nowhere else:

- `Parameter` and `Query`: the query of an operation. A parameter outside of its versions is as unknown as any other:
  refused from the version on from which the operation refuses what it does not know, and passed over before.
- `field_of`: a field of a body. Outside of its versions it is refused; `required` says from when it must be there.
- `turns_older`: how a body of an older version reads in the newest one, where that is more than a field.
- `Shape`: an answer, with the versions of its attributes, its renamed and its nested ones.

Each declaration is worked out once per version and kept, so what does not change from row to row costs nothing a row.

Source: API working group, "Microversion specification".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any, TypeVar, get_args, get_type_hints

import msgspec
from msgspec import Meta, Struct

from hanok.base.errors import BadInput
from hanok.web.microversions import Version

Check = Callable[[str, list[str]], object]
"""Takes the name of a parameter and all its values; raises BadInput when they do not fit."""


class Span(Struct, frozen=True):
    """The versions in which something is known, both ends included; None: no such end.

    required: from which version on it must be there. gap: versions between, in which it was taken back for a while.
    """

    since: Version | None = None
    until: Version | None = None
    required: Version | None = None
    gap: tuple[Version, Version] | None = None

    def holds(self, version: Version) -> bool:
        if self.gap is not None and self.gap[0] <= version <= self.gap[1]:
            return False
        return (self.since is None or version >= self.since) and (
            self.until is None or version <= self.until
        )


# ---- the query ----


class Parameter(Struct, frozen=True, kw_only=True):
    """A parameter of the query.

    suffix: where there are several of a kind ("resources1", "resources_disk"), what stands behind the name.
    check: holds the values.
    """

    name: str
    since: Version | None = None
    until: Version | None = None
    check: Check | None = None
    suffix: re.Pattern[str] | None = None

    @property
    def span(self) -> Span:
        return Span(self.since, self.until)

    def is_one(self, name: str) -> bool:
        """Whether this name is one of a kind."""
        own = name.removeprefix(self.name)
        return self.suffix is not None and own != name and bool(self.suffix.fullmatch(own))


class Query:
    """The parameters of an operation.

    It goes through their names, so that it stands wherever a route's parameters are only listed.
    """

    def __init__(self, *parameters: str | Parameter, closed: Version | None = None) -> None:
        """
        Args:
            parameters: those that every version knows may be plain names.
            closed: the version from which on unknown parameters are refused; None: they are passed over.
        """
        self.parameters = tuple(
            Parameter(name=one) if isinstance(one, str) else one for one in parameters
        )
        self.closed = closed
        self._known: dict[Version, tuple[dict[str, Parameter], list[Parameter]]] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(one.name for one in self.parameters))

    def closed_from(self, version: Version) -> Query:
        """The same, closed from this version on at the latest."""
        closed = version if self.closed is None else min(version, self.closed)
        return Query(*self.parameters, closed=closed)

    def read(self, pairs: Sequence[tuple[str, str]], version: Version) -> list[tuple[str, str]]:
        """What of a query this version knows, in order.

        Raises:
            BadInput: an unknown parameter where those are refused, or a value that does not fit.
        """
        names, kinds = self._at(version)
        kept = []
        checked: dict[str, tuple[Check, list[str]]] = {}
        for name, value in pairs:
            found = names.get(name) or next((one for one in kinds if one.is_one(name)), None)
            if found is not None:
                if found.check is not None:
                    checked.setdefault(name, (found.check, []))[1].append(value)
                kept.append((name, value))
            elif self.closed is not None and version >= self.closed:
                raise BadInput(
                    "Invalid query string parameters: Additional properties are not allowed "
                    f"('{name[:100]}' was unexpected)"
                )
        for name, (check, values) in checked.items():
            check(name, values)
        return kept

    def _at(self, version: Version) -> tuple[dict[str, Parameter], list[Parameter]]:
        known = self._known.get(version)
        if known is None:
            here = [one for one in self.parameters if one.span.holds(version)]
            named = {one.name: one for one in here if one.suffix is None}
            known = (named, [one for one in here if one.suffix is not None])
            self._known[version] = known
        return known


# ---- bodies ----


def field_of(
    *,
    since: Version | None = None,
    until: Version | None = None,
    required: Version | None = None,
    gap: tuple[Version, Version] | None = None,
) -> Meta:
    """Marks a Struct's field: `tags: Annotated[list[str] | UnsetType, field_of(since=(2, 52))] = UNSET`."""
    return Meta(extra={"versions": Span(since, until, required, gap)})


_Turn = Callable[[dict[str, Any]], dict[str, Any]]
_TURNS: dict[type, list[tuple[Version, _Turn]]] = {}
_F = TypeVar("_F", bound=_Turn)


def turns_older(kind: type, version: Version) -> Callable[[_F], _F]:
    """Marks the function that turns a body from before this version into what this version reads.

    It takes the body as it was sent, with the fields that its version knows, and gives one that says the same newly.
    """

    def add(function: _F) -> _F:
        _TURNS.setdefault(kind, []).append((version, function))
        _TURNS[kind].sort(key=lambda turn: turn[0])
        _plan.cache_clear()
        return function

    return add


class _Plan(Struct, frozen=True):
    """What is to be looked at in the bodies of one kind and version; inner: by field."""

    unknown: frozenset[str]
    required: tuple[str, ...]
    inner: dict[str, _Plan]
    turns: tuple[_Turn, ...]


def newest(value: Any, kind: Any, version: Version) -> Any:
    """A body as the newest version would have sent it, ready to be converted.

    Raises:
        BadInput: a field that this version does not know, or without one that it needs.
    """
    plan = _plan(kind, version) if _is_struct(kind) else _plan_of_many(kind, version)
    return value if plan is None else _turned(value, plan)


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and not get_args(kind) and issubclass(kind, Struct)


def _plan_of_many(kind: Any, version: Version) -> _Plan | None:
    """The plan of a body that is a list or a map of Structs."""
    for below in _structs_in(kind):
        return _map_plan(kind, below, version)
    return None


def _turned(value: Any, plan: _Plan) -> Any:
    if isinstance(value, list):
        return [_turned(item, plan) for item in value]
    if not isinstance(value, dict):
        return value
    for name in plan.unknown & value.keys():
        raise BadInput(
            f"Invalid input: Additional properties are not allowed ('{name}' was unexpected)"
        )
    for name in plan.required:
        if name not in value:
            raise BadInput(f"Invalid input: '{name}' is a required property")
    if plan.inner:
        value = {
            name: _turned(item, plan.inner[name]) if name in plan.inner else item
            for name, item in value.items()
        }
    for turn in plan.turns:
        value = turn(value)
    return value


@lru_cache(maxsize=2048)
def _plan(kind: type[Struct], version: Version) -> _Plan | None:
    """None when a body of this kind needs no look in this version."""
    unknown, required, inner = set(), [], {}
    hints = get_type_hints(kind, include_extras=True)
    for field in msgspec.structs.fields(kind):
        span = span_of(hints[field.name])
        if not span.holds(version):
            unknown.add(field.encode_name)
        elif span.required is not None and version >= span.required:
            required.append(field.encode_name)
        for below in _structs_in(hints[field.name]):
            plan = _map_plan(hints[field.name], below, version)
            if plan is not None:
                inner[field.encode_name] = plan
    turns = tuple(turn for since, turn in _TURNS.get(kind, ()) if version < since)
    if not (unknown or required or inner or turns):
        return None
    return _Plan(frozenset(unknown), tuple(required), inner, turns)


def _map_plan(hint: Any, below: type[Struct], version: Version) -> _Plan | None:
    """The plan of a field that holds Structs, be it one, a list, or a map of them."""
    plan = _plan(below, version)
    if plan is None or not _is_map(hint):
        return plan
    return _Plan(frozenset(), (), _Every(plan), ())


class _Every(dict[str, _Plan]):
    """One plan for whatever keys a map has."""

    def __init__(self, plan: _Plan) -> None:
        super().__init__(any=plan)
        self._plan = plan

    def __contains__(self, name: object) -> bool:
        return True

    def __getitem__(self, name: str) -> _Plan:
        return self._plan


def span_of(hint: Any) -> Span:
    """The versions of a field, from its type with everything that it was marked with."""
    for mark in getattr(hint, "__metadata__", ()):
        if isinstance(mark, Meta) and mark.extra and "versions" in mark.extra:
            span: Span = mark.extra["versions"]
            return span
    return Span()


def _structs_in(hint: Any) -> Iterator[type[Struct]]:
    if isinstance(hint, type) and not get_args(hint):
        if issubclass(hint, Struct):
            yield hint
        return
    for part in get_args(hint):
        yield from _structs_in(part)


def _is_map(hint: Any) -> bool:
    if getattr(hint, "__origin__", None) is dict:
        return True
    return any(_is_map(part) for part in get_args(hint))


# ---- answers ----

_Older = Callable[[dict[str, Any]], None]


class Attribute(Struct, frozen=True, kw_only=True):
    """An attribute of an answer that not every version shows."""

    name: str
    since: Version | None = None
    until: Version | None = None


class Before(Struct, frozen=True):
    """How an answer is turned into what versions before this one show: the function changes it in place."""

    version: Version
    older: _Older


class Inside(Struct, frozen=True):
    """An attribute that is an answer of its own, or a list of such."""

    name: str
    shape: Shape


Change = Attribute | Before | Inside


class Shape:
    """An answer in its newest form, and what is to be done to it for older versions.

    changes: attributes with their versions, `Before`, `Inside`. private: attributes of no version, which only the
        functions of `Before` look at.
    """

    def __init__(self, *changes: Change, private: Sequence[str] = ()) -> None:
        self.changes = changes
        self.private = tuple(private)
        self._views: dict[Version, View] = {}

    def at(self, version: Version) -> View:
        """The shape in one version; kept, so ask once a request."""
        view = self._views.get(version)
        if view is None:
            view = self._views[version] = View(self, version)
        return view


class View:
    """A shape as one version shows it: a function from the newest answer to this version's."""

    __slots__ = ("_dropped", "_inner", "_older", "is_newest")

    def __init__(self, shape: Shape, version: Version) -> None:
        self._older: list[_Older] = []
        self._inner: list[tuple[str, View]] = []
        dropped = []
        # The newest change is undone first: each function finds the answer as its own version had it.
        older = [one for one in shape.changes if isinstance(one, Before) and version < one.version]
        for one in sorted(older, key=lambda change: change.version, reverse=True):
            self._older.append(one.older)
        for change in shape.changes:
            if isinstance(change, Attribute):
                if not Span(change.since, change.until).holds(version):
                    dropped.append(change.name)
            elif isinstance(change, Inside):
                inner = change.shape.at(version)
                if inner.changes:
                    self._inner.append((change.name, inner))
        self._dropped = (*dropped, *shape.private)
        self.is_newest = not (self._older or self._inner or dropped)
        """Whether all is shown, in the newest form: only what is private is left out."""

    @property
    def changes(self) -> bool:
        """Whether an answer in its newest form is another than this version's."""
        return bool(self._older or self._inner or self._dropped)

    def shows(self, name: str) -> bool:
        """Whether an attribute is shown at all: what costs something to find need not be looked for if not."""
        return name not in self._dropped

    def __call__(self, answer: dict[str, Any]) -> dict[str, Any]:
        """The answer, changed in place."""
        for older in self._older:
            older(answer)
        for name, view in self._inner:
            inner = answer.get(name)
            for item in inner if isinstance(inner, list) else (inner,):
                if isinstance(item, dict):
                    view(item)
        for name in self._dropped:
            answer.pop(name, None)
        return answer
