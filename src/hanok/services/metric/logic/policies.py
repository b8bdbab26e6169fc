"""Archive policies: how long aggregates are kept, and how fine; and rules that say which metrics get which.

Source: Gnocchi's REST API reference, "Archive policies"; Ceilometer's documentation of its own policies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import translate
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput, Conflict, NotFound
from hanok.base.patterns import BadPattern, pattern
from hanok.services.metric.logic import shapes, times
from hanok.services.metric.logic.series import METHODS, Kept, Rules
from hanok.services.metric.tables import archive_policies, archive_policy_rules, metrics
from hanok.store import Duplicate, Transaction

DEFAULT_METHODS = ("mean", "min", "max", "sum", "std", "count")
MAXIMUM = 100  # policies, and rules: operators make them
MINUTE, HOUR, DAY = 60, 3600, 86_400
_HIGH = [(1, HOUR), (MINUTE, 7 * DAY), (HOUR, 365 * DAY)]
_CEILOMETER_HIGH = [(1, HOUR), (MINUTE, DAY), (HOUR, 365 * DAY)]
_LOW = [(5 * MINUTE, 30 * DAY)]
# Name: back window, pairs of granularity and timespan in seconds, methods.
FIRST: dict[str, tuple[int, list[tuple[int, int]], Sequence[str]]] = {
    "bool": (3600, [(1, 365 * DAY)], ("last",)),
    "low": (0, _LOW, DEFAULT_METHODS),
    "medium": (0, [(MINUTE, 7 * DAY), (HOUR, 365 * DAY)], DEFAULT_METHODS),
    "high": (0, _HIGH, DEFAULT_METHODS),
    "ceilometer-low": (0, _LOW, ("mean",)),
    "ceilometer-low-rate": (0, _LOW, ("mean", "rate:mean")),
    "ceilometer-high": (0, _CEILOMETER_HIGH, ("mean",)),
    "ceilometer-high-rate": (0, _CEILOMETER_HIGH, ("mean", "rate:mean")),
}

_all = sa.select(archive_policies).order_by(archive_policies.c.name)
_one = sa.select(archive_policies).where(archive_policies.c.name == bindparam("of"))
_drop = archive_policies.delete().where(archive_policies.c.name == bindparam("of"))
_write = (
    archive_policies.update()
    .where(archive_policies.c.name == bindparam("of"))
    .values(definition=bindparam("new_definition", type_=archive_policies.c.definition.type),
            back_window=bindparam("new_window"))
)  # fmt: skip
_used = (
    sa.select(metrics.c.id)
    .where(metrics.c.archive_policy_name == bindparam("of"), metrics.c.deleted.is_(False))
    .limit(1)
)
_ruled = (
    sa.select(archive_policy_rules.c.name)
    .where(archive_policy_rules.c.archive_policy_name == bindparam("of"))
    .limit(1)
)
_rules = sa.select(archive_policy_rules).order_by(archive_policy_rules.c.name)
_rule = sa.select(archive_policy_rules).where(archive_policy_rules.c.name == bindparam("of"))
_drop_rule = archive_policy_rules.delete().where(archive_policy_rules.c.name == bindparam("of"))
_rename = (
    archive_policy_rules.update()
    .where(archive_policy_rules.c.name == bindparam("of"))
    .values(name=bindparam("new_name"))
)


def _span(value: Any, path: shapes.Path) -> int:
    try:
        return times.span(value)
    except ValueError as error:
        raise shapes.wrong(str(error), path) from None


_DEFINITION = shapes.items(
    lambda value, path: shapes.mapping(
        value, None, {"granularity": _span, "points": shapes.whole(1), "timespan": _span}, path
    ),
    1,
    20,
)
_METHOD_NAMES = frozenset(("*", *METHODS, *(f"{sign}{name}" for sign in "+-" for name in METHODS)))


def _method(value: Any, path: shapes.Path) -> str:
    if not isinstance(value, str) or value not in _METHOD_NAMES:
        raise shapes.wrong("not a valid value", path)
    return str(value)


def _kept(item: Mapping[str, int]) -> list[int | None]:
    """
    Raises:
        BadInput: the three do not fit each other, or are too few.
    """
    grain, points, whole = item.get("granularity"), item.get("points"), item.get("timespan")
    if grain and points and whole and whole != grain * points:
        raise BadInput("timespan ≠ granularity × points")
    if grain is None:
        if points is None or whole is None:
            raise BadInput("At least two of granularity/points/timespan must be provided")
        grain = whole // points
    if points is None and whole is not None:
        points = whole // grain
        if points <= 0:
            raise BadInput("Calculated number of points is < 0")
    if grain <= 0:
        raise BadInput("Granularity should be > 0")
    if points is not None and grain * points > times.LATEST:
        raise BadInput("The timespan is too long")
    return [grain, points]


def _definition(items: Sequence[Mapping[str, int]]) -> list[list[int | None]]:
    found = [_kept(item) for item in items]
    grains = [one[0] for one in found]
    for one in grains:
        if grains.count(one) > 1:
            name = times.seconds(one or 0)
            raise BadInput(f"More than one archive policy uses granularity `{name}'")
    return found


def _methods(names: Sequence[str]) -> list[str]:
    found = set(METHODS) if "*" in names else {one for one in names if one[0] not in "+-*"}
    if not found and all(one[0] in "+-" for one in names):
        found = set(DEFAULT_METHODS)
    for one in names:
        if one[0] == "-":
            found.discard(one[1:])
        elif one[0] == "+":
            found.add(one[1:])
    return sorted(found)


def shown(row: Row[Any]) -> dict[str, Any]:
    definition = [
        {
            "granularity": times.words(grain),
            "points": points,
            "timespan": None if points is None else times.words(grain * points),
        }
        for grain, points in row.definition
    ]
    return {
        "name": row.name,
        "back_window": row.back_window,
        "definition": definition,
        "aggregation_methods": row.aggregation_methods,
    }


def rules_of(row: Row[Any]) -> Rules:
    """A policy as aggregates are made by it."""
    kept = sorted((Kept(grain, points) for grain, points in row.definition), key=_grain)
    return Rules(tuple(kept), tuple(row.aggregation_methods), row.back_window)


def _grain(one: Kept) -> int:
    return one.granularity


def missing(name: str) -> str:
    return f"Archive policy {name[:255]} does not exist"


async def every(tx: Transaction) -> dict[str, Row[Any]]:
    """All policies by name."""
    return {row.name: row for row in await tx.all(_all)}


async def find(tx: Transaction, name: str) -> Row[Any]:
    """
    Raises:
        NotFound
    """
    row = await tx.first(_one, {"of": name})
    if row is None:
        raise NotFound(missing(name))
    return row


async def create(tx: Transaction, body: Any) -> Row[Any]:
    """
    Raises:
        BadInput, Conflict
    """
    sent = shapes.mapping(
        body,
        {"name": shapes.text(1), "definition": _DEFINITION},
        {"back_window": shapes.whole(0, 100_000), "aggregation_methods": shapes.items(_method)},
    )
    row = {
        "name": sent["name"],
        "back_window": sent.get("back_window", 0),
        "definition": _definition(sent["definition"]),
        "aggregation_methods": _methods(sent.get("aggregation_methods", DEFAULT_METHODS)),
    }
    if len(await tx.all(_all)) >= MAXIMUM:
        raise BadInput(f"There are at most {MAXIMUM} archive policies.")
    try:
        await tx.insert(archive_policies, row)
    except Duplicate:
        raise Conflict(f"Archive policy {sent['name']} already exists") from None
    return await find(tx, sent["name"])


async def update(tx: Transaction, name: str, body: Any) -> Row[Any]:
    """Keep it shorter or longer; granularities stay.

    Raises:
        NotFound, BadInput
    """
    row = await find(tx, name)
    sent = shapes.mapping(
        body, {"definition": _DEFINITION}, {"back_window": shapes.whole(0, 100_000)}
    )
    definition = _definition(sent["definition"])
    refused = f"Archive policy {name} does not support change: "
    if len(definition) != len(row.definition):
        raise BadInput(refused + "Cannot add or drop granularities")
    for before, after in zip(row.definition, definition, strict=True):
        if before[0] != after[0]:
            raise BadInput(f"{refused}{times.seconds(before[0])} granularity interval was changed")
    window = sent.get("back_window", row.back_window)
    await tx.execute(_write, {"of": name, "new_definition": definition, "new_window": window})
    return await find(tx, name)


async def delete(tx: Transaction, name: str) -> None:
    """
    Raises:
        NotFound; BadInput: something uses it.
    """
    await find(tx, name)
    for requested in (_used, _ruled):
        if await tx.first(requested, {"of": name}) is not None:
            raise BadInput(f"Archive policy {name} is still in use")
    await tx.execute(_drop, {"of": name})


async def first_rows(tx: Transaction) -> None:
    """The policies that are there from the start, and the rule by which any metric has one."""
    there = {row.name for row in await tx.all(_all)}
    for name, (window, kept, methods) in FIRST.items():
        if name in there:
            continue
        definition = [[grain * times.NS, whole // grain] for grain, whole in kept]
        row = {
            "name": name,
            "back_window": window,
            "definition": definition,
            "aggregation_methods": sorted(methods),
        }
        await tx.insert_missing(archive_policies, row)
    rule = {"name": "default", "archive_policy_name": "low", "metric_pattern": "*"}
    if await tx.first(_rules.limit(1)) is None:
        await tx.insert_missing(archive_policy_rules, rule)


# ---- rules ----


def rule_shown(row: Row[Any]) -> dict[str, Any]:
    return {
        "name": row.name,
        "archive_policy_name": row.archive_policy_name,
        "metric_pattern": row.metric_pattern,
    }


async def rules(tx: Transaction) -> list[dict[str, Any]]:
    """All of them, in the order in which they are tried."""
    return [rule_shown(row) for row in _in_order(await tx.all(_rules))]


def _in_order(rows: Sequence[Row[Any]]) -> list[Row[Any]]:
    return sorted(rows, key=lambda one: -len(one.metric_pattern))


async def find_rule(tx: Transaction, name: str) -> Row[Any]:
    """
    Raises:
        NotFound
    """
    row = await tx.first(_rule, {"of": name})
    if row is None:
        raise NotFound(f"Archive policy rule {name[:255]} does not exist")
    return row


async def create_rule(tx: Transaction, body: Any) -> Row[Any]:
    """
    Raises:
        BadInput, Conflict
    """
    needed = dict.fromkeys(("name", "metric_pattern", "archive_policy_name"), shapes.text(1))
    sent = shapes.mapping(body, needed)
    if await tx.first(_one, {"of": sent["archive_policy_name"]}) is None:
        name = sent["archive_policy_name"]
        raise shapes.structured("Archive policy does not exist", missing(name), name)
    if len(await tx.all(_rules)) >= MAXIMUM:
        raise BadInput(f"There are at most {MAXIMUM} archive policy rules.")
    try:
        _matcher(sent["metric_pattern"])
    except BadPattern as error:
        raise shapes.wrong(f"the pattern is not valid: {error}", ("metric_pattern",)) from None
    try:
        await tx.insert(archive_policy_rules, sent)
    except Duplicate:
        raise Conflict(f"Archive policy rule {sent['name']} already exists") from None
    return await find_rule(tx, sent["name"])


async def rename_rule(tx: Transaction, name: str, body: Any) -> Row[Any]:
    """
    Raises:
        NotFound, BadInput, Conflict
    """
    await find_rule(tx, name)
    sent = shapes.mapping(body, {"name": shapes.text(1)})
    try:
        await tx.alter(_rename, {"of": name, "new_name": sent["name"]})
    except Duplicate:
        raise Conflict(f"Archive policy rule {sent['name']} already exists") from None
    return await find_rule(tx, sent["name"])


async def delete_rule(tx: Transaction, name: str) -> None:
    """
    Raises:
        NotFound
    """
    await find_rule(tx, name)
    await tx.execute(_drop_rule, {"of": name})


@lru_cache(maxsize=256)
def _matcher(glob: str) -> Any:
    return pattern(translate(glob))


async def policy_for(tx: Transaction, metric: str | None, named: str | None) -> str:
    """The policy of a new metric: the one that is named, or that of the longest pattern that fits its name.

    Raises:
        BadInput
    """
    if named is not None:
        if await tx.first(_one, {"of": named}) is None:
            raise BadInput(missing(named))
        return named
    if metric is not None:
        rows = await tx.all(_rules)
        for row in _in_order(rows):
            if _matcher(row.metric_pattern).fullmatch(metric):
                return str(row.archive_policy_name)
    raise BadInput(
        "No archive policy name specified and no archive policy rule found matching the metric "
        f"name {str(metric)[:255]}"
    )
