"""Which alarms, and which of their changes, somebody looks for.

Source: Aodh's REST API reference, "Filtering Queries" and "Complex Query".
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam

from hanok.base import inner_json
from hanok.base.clock import naive_micro
from hanok.base.errors import BadInput, NotSignedIn
from hanok.base.patterns import BadPattern, pattern
from hanok.services.alarming.logic import alarms as rows_of
from hanok.services.alarming.logic.texts import invalid
from hanok.services.alarming.tables import alarms, changes
from hanok.store import Transaction
from hanok.web.token import Caller

Item = dict[str, Any]
Pairs = Sequence[tuple[str, str]]
MAXIMUM = 10_000  # rows that are looked at
FIELDS = frozenset((
    "all_projects", "user_id", "project_id", "type", "name", "enabled", "state", "severity", "timestamp",
    "repeat_actions",
))  # fmt: skip
SORTS = (
    "alarm_id", "enabled", "name", "type", "severity", "timestamp", "user_id", "project_id", "state", "repeat_actions",
    "state_timestamp",
)  # fmt: skip
CHANGE_SORTS = (
    "event_id", "alarm_id", "on_behalf_of", "project_id", "user_id", "type", "timestamp", "severity",
)  # fmt: skip
PARAMETERS = ("q.field", "q.op", "q.value", "sort", "limit", "marker")
_LARGEST = 8192
_newest = sa.select(alarms).order_by(alarms.c.sequence.desc()).limit(MAXIMUM)
_of_project = _newest.where(alarms.c.project_id == bindparam("project"))
_changes = sa.select(changes).order_by(changes.c.sequence.desc()).limit(MAXIMUM)
_changes_for = _changes.where(changes.c.on_behalf_of == bindparam("project"))


def conditions(pairs: Pairs) -> dict[str, str]:
    """What a query asks for, by field.

    Raises:
        BadInput
    """
    fields, ops, found = (
        [value for name, value in pairs if name == f"q.{one}"] for one in ("field", "op", "value")
    )
    if len(fields) != len(found) or (ops and len(ops) != len(fields)):
        raise BadInput("Each of the query's fields needs a value, and each or none an operator.")
    for name, op in zip(fields, ops or ["eq"] * len(fields), strict=True):
        if name not in FIELDS:
            raise BadInput(
                f'Unknown argument: "{name[:50]}": unrecognized field in query: {name[:50]}'
            )
        if (op or "eq") != "eq":
            raise invalid("op", op, f"unimplemented operator for {name}")
    return dict(zip(fields, found, strict=True))


def _truth(name: str, text: str) -> bool:
    if text.lower() in ("true", "1", "yes"):
        return True
    if text.lower() in ("false", "0", "no"):
        return False
    raise invalid(name, text)


def everywhere(wishes: Mapping[str, str]) -> bool:
    """Whether the alarms of all projects are asked for."""
    return "all_projects" in wishes and _truth("all_projects", wishes["all_projects"])


async def found(
    tx: Transaction, caller: Caller, wishes: Mapping[str, str], *, all_projects: bool
) -> list[Item]:
    """
    Raises:
        BadInput; NotSignedIn: they are another project's.
    """
    project = wishes.get("project_id", caller.project_id or "")
    if not caller.everywhere and project != caller.project_id:
        raise NotSignedIn(f"Not Authorized to access project {project[:100]}")
    rows = await tx.all(_newest) if all_projects else await tx.all(_of_project, {"project": project})  # fmt: skip
    items = [rows_of.shown(row) for row in rows]
    for name, text in wishes.items():
        if name == "all_projects" or (name == "project_id" and not all_projects):
            continue
        wish: Any = _truth(name, text) if name in ("enabled", "repeat_actions") else text
        if name == "timestamp":
            wish = _moment(text)
        items = [one for one in items if one[name] == wish]
    return items


def _moment(text: str) -> str | None:
    try:
        at = datetime.fromisoformat(text[:40])
    except ValueError:
        raise invalid("timestamp", text) from None
    return naive_micro(at if at.tzinfo else at.replace(tzinfo=UTC))


def page(items: list[Item], pairs: Pairs, sorts: Sequence[str], marked: str) -> list[Item]:
    """The items in the order that is asked for, and of them the page.

    Raises:
        BadInput
    """
    for text in reversed([value for name, value in pairs if name == "sort"][:10]):
        name, _, direction = text.partition(":")
        if name not in sorts:
            raise invalid("sort", text, f"The supported sort keys are: {', '.join(sorts)}")
        if direction not in ("", "asc", "desc"):
            raise invalid("sort direction", direction)
        items.sort(key=lambda one: (one[name] is None, one[name]), reverse=direction == "desc")
    said = dict(pairs)
    start = 0
    if said.get("marker"):
        places = [at for at, one in enumerate(items) if one[marked] == said["marker"]]
        if not places:
            raise invalid("marker", said["marker"])
        start = places[0] + 1
    return items[start:][: _limit(said.get("limit"))]


def _limit(text: Any) -> int:
    if text is None:
        return MAXIMUM
    if isinstance(text, bool) or not str(text).isdecimal() or not 0 < int(str(text)[:9]):
        raise invalid("limit", text, "the limit should be a positive integer.")
    return int(str(text)[:9])


# ---- the language ----

_COMPARED: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq, "!=": operator.ne, "<": operator.lt, ">": operator.gt, "<=": operator.le, "=<": operator.le,
    ">=": operator.ge, "=>": operator.ge,
}  # fmt: skip
Test = Callable[[Item], bool]
_DEEPEST, _COUNT = 20, 200


class Reader:
    """Reads the conditions of one query. names: of the fields."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = {**{one: one for one in names}, "user": "user_id", "project": "project_id"}
        self._count = 0

    def test(self, tree: Any, depth: int = 0) -> Test:
        """
        Raises:
            BadInput
        """
        self._count += 1
        if not isinstance(tree, dict) or len(tree) != 1 or depth > _DEEPEST or self._count > _COUNT:
            raise BadInput("Filter expression not valid: each part is a dictionary with one key")
        name, inner = next(iter(tree.items()))
        word = name.lower()
        if word in ("and", "or"):
            if not isinstance(inner, list) or len(inner) < 2:
                raise BadInput(f"Filter expression not valid: {word} takes two conditions or more")
            tests = [self.test(one, depth + 1) for one in inner]
            both = all if word == "and" else any
            return lambda item: both(test(item) for test in tests)
        if word == "not":
            test = self.test(inner, depth + 1)
            return lambda item: not test(item)
        return self._leaf(word, inner)

    def _leaf(self, word: str, inner: Any) -> Test:
        if word not in _COMPARED and word not in ("in", "=~"):
            raise BadInput(f"Filter expression not valid: {word[:20]!r} is not an operator")
        if not isinstance(inner, dict) or len(inner) != 1:
            raise BadInput("Filter expression not valid: a condition names one field")
        field, wish = next(iter(inner.items()))
        name = self._names.get(field)
        if name is None:
            raise BadInput(f"Filter expression not valid: {field[:50]!r} is not a field")
        if word == "in":
            if not isinstance(wish, list) or not wish:
                raise BadInput("Filter expression not valid: in takes a list")
            return lambda item: item.get(name) in wish
        if not isinstance(wish, str | int | float | bool):
            raise BadInput(
                "Filter expression not valid: a field is compared with a text or a number"
            )
        if word == "=~":
            return _pattern(name, str(wish))
        if name.endswith("timestamp"):
            wish = _moment(str(wish))
        compare = _COMPARED[word]
        return lambda item: _holds(compare, item.get(name), wish)


def _pattern(name: str, text: str) -> Test:
    try:
        form = pattern(text)
    except BadPattern as error:
        raise BadInput(f"Filter expression not valid: {error}") from None
    return lambda item: isinstance(item.get(name), str) and bool(form.search(item[name][:1000]))


def _holds(compare: Callable[[Any, Any], bool], value: Any, wish: Any) -> bool:
    try:
        return bool(compare(value, wish))
    except TypeError:
        return False


def searched(items: list[Item], body: Any, names: Sequence[str]) -> list[Item]:
    """The items that a query in JSON texts means, in its order.

    Raises:
        BadInput
    """
    if not isinstance(body, dict) or set(body) - {"filter", "orderby", "limit"}:
        raise BadInput("Unknown attribute: a query has filter, orderby and limit")
    tree, order = (_decoded(body.get(name)) for name in ("filter", "orderby"))
    if tree not in (None, {}):
        test = Reader(names).test(tree)
        items = [one for one in items if test(one)]
    if order is None:
        order = [{"timestamp": "desc"}]
    for one in reversed(order if isinstance(order, list) else [order]):
        name, direction = next(iter(one.items())) if _has_one(one) else ("", "")
        if name not in names or str(direction).lower() not in ("asc", "desc"):
            raise BadInput("Order-by expression not valid: a list of {field: asc or desc}")
        down = str(direction).lower() == "desc"
        items.sort(key=lambda item: (item[name] is None, str(item[name])), reverse=down)
    return items[: _limit(body.get("limit"))]


def _has_one(value: Any) -> bool:
    return isinstance(value, dict) and len(value) == 1


def _decoded(text: Any) -> Any:
    if text in (None, ""):
        return None
    if not isinstance(text, str) or len(text) > _LARGEST:
        raise BadInput("Filter expression not valid: it is a text with JSON")
    try:
        return inner_json.decoded(text)
    except ValueError as error:
        raise BadInput(f"Filter expression not valid: {error}") from None


async def all_changes(tx: Transaction, caller: Caller) -> list[Item]:
    """The changes that a caller may look through, the newest first."""
    if caller.everywhere:
        rows = await tx.all(_changes)
    else:
        rows = await tx.all(_changes_for, {"project": caller.project_id or ""})
    return [rows_of.change_shown(row) for row in rows]
