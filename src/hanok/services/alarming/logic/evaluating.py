"""Alarms held against what was measured.

An alarm looks back over so many spans of its granularity: where all of them pass the line it goes to "alarm", where
none does to "ok", and where too few are known to "insufficient data".

Source: Aodh's documentation, "Alarm evaluation".
"""

from __future__ import annotations

import logging
import operator
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy import Row, bindparam

from hanok.base.errors import HanokError, Refused, Unavailable
from hanok.services.alarming.logic import alarms, cron, health, prometheus, rules
from hanok.services.alarming.logic.alarms import ALARM, OK, UNKNOWN
from hanok.services.alarming.room import Alarming
from hanok.services.alarming.tables import alarms as table
from hanok.web.token import Caller

log = logging.getLogger(__name__)

AT_ONCE, OF_PROJECT = 100, 20  # alarms of a round; of one project
_COMPARED = {
    "gt": operator.gt, "lt": operator.lt, "ge": operator.ge, "le": operator.le, "eq": operator.eq, "ne": operator.ne,
}  # fmt: skip
_place = (
    sa.func.row_number()
    .over(partition_by=table.c.project_id, order_by=table.c.evaluate_timestamp)
    .label("place")
)
_waiting = (
    sa.select(table.c.alarm_id, _place)
    .where(
        table.c.enabled.is_(True),
        table.c.type != "event",
        table.c.evaluate_timestamp <= bindparam("before"),
    )
    .subquery()
)
_due = (
    sa.select(table)
    .join(_waiting, _waiting.c.alarm_id == table.c.alarm_id)
    .where(_waiting.c.place <= OF_PROJECT)
    .order_by(_waiting.c.place, table.c.evaluate_timestamp)
    .limit(AT_ONCE)
)


class Unknown(Exception):
    """There is not enough to say anything; the text says why."""

    def __init__(self, reason: str, statistics: Sequence[float] = ()) -> None:
        super().__init__(reason)
        self.reason, self.statistics = reason, list(statistics)


class Found(Struct):
    """What an evaluation found. state: None where some values pass the line and others do not."""

    state: str | None
    statistics: list[float]
    outside: int
    trend: str


async def evaluate_due(room: Alarming) -> int:
    """Look at the alarms whose time has come, of each project some at a time; gives how many there were."""
    before = room.clock.now() - timedelta(seconds=room.settings.evaluation_interval_s)
    async with room.database.read() as tx:
        rows = await tx.all(_due, {"before": before})
    for row in rows:
        try:
            await evaluate(room, row)
        except Unavailable:
            raise  # the database, for all of them
        except Exception:  # one that cannot be looked at holds up no other
            log.exception("alarm %s cannot be evaluated", row.alarm_id)
            await _passed(room, row)
    return len(rows)


async def _passed(room: Alarming, row: Row[Any]) -> None:
    """An alarm was looked at, and stays as it is."""
    async with room.database.write() as tx:
        await alarms.write(tx, row, evaluate_timestamp=room.clock.now())


async def evaluate(room: Alarming, row: Row[Any]) -> None:
    """Look at one alarm and do what follows."""
    within = await _state(room, row) if _is_its_time(room, row) else None
    if within is None:
        await _passed(room, row)
        return
    state, reason, data = within
    async with room.database.write() as tx:
        await alarms.go(tx, room, row, state, reason, data)


def _is_its_time(room: Alarming, row: Row[Any]) -> bool:
    """Whether an alarm has no times at which it is looked at, or this is one."""
    now = room.clock.now()
    return not row.time_constraints or any(
        cron.covers(one["start"], one["duration"], one["timezone"], now)
        for one in row.time_constraints
    )


async def _state(room: Alarming, row: Row[Any]) -> tuple[str, str, dict[str, Any]] | None:
    """The state that an alarm belongs in, with a reason; None: it stays as it is, and nothing is said."""
    if row.type == "composite":
        return await _composite(room, row)
    if row.type == rules.MEMBERS:
        return await health.state(room, row)
    try:
        found = await _held(room, row, row.type, row.rule)
    except Unknown as error:
        last = error.statistics[-1] if error.statistics else None
        count = row.rule.get("evaluation_periods", 1)
        return UNKNOWN, error.reason, _data("unknown", count, last)
    if found.state is None:
        if row.state != UNKNOWN and not row.repeat_actions:
            return None
        return _said(row, found.trend if row.state == UNKNOWN else row.state, found)
    return _said(row, found.state, found)


def _data(disposition: str, count: int, last: float | None) -> dict[str, Any]:
    return {
        "type": "threshold",
        "disposition": disposition,
        "count": count,
        "most_recent": last,
    }


def _said(row: Row[Any], state: str, found: Found) -> tuple[str, str, dict[str, Any]]:
    inside = state == OK
    count = len(found.statistics) - found.outside if inside else found.outside
    disposition = "inside" if inside else "outside"
    last = found.statistics[-1]
    begin = f"Transition to {state}" if state != row.state else f"Remaining as {state}"
    reason = f"{begin} due to {count} samples {disposition} threshold, most recent: {last}"
    return state, reason, _data(disposition, count, last)


async def _held(room: Alarming, row: Row[Any], kind: str, rule: Mapping[str, Any]) -> Found:
    """
    Raises:
        Unknown
    """
    statistics = await _statistics(room, row, kind, rule)
    periods = int(rule.get("evaluation_periods", 1))
    if len(statistics) < periods:
        raise Unknown(f"{periods} datapoints are unknown", statistics)
    statistics = statistics[-periods:] if kind != "prometheus" else statistics
    compare, limit = _COMPARED[rule["comparison_operator"]], rule["threshold"]
    passed = [compare(one, limit) for one in statistics]
    state = ALARM if all(passed) else None if any(passed) else OK
    return Found(state, statistics, sum(passed), ALARM if passed[-1] else OK)


async def _statistics(
    room: Alarming, row: Row[Any], kind: str, rule: Mapping[str, Any]
) -> list[float]:
    """The values that a rule is about, the newest last. The alarm's project sees what it would see itself.

    Raises:
        Unknown
    """
    try:
        if kind == "prometheus":
            return await prometheus.values(room, rule["query"], row.project_id)
        caller = Caller(user_id=row.user_id, project_id=row.project_id, everywhere=False)
        window = rule["granularity"] * (rule["evaluation_periods"] + 1)
        start = room.clock.now() - timedelta(seconds=window)
        return await _of_gnocchi(room, caller, kind, rule, start)
    except Refused as error:
        raise Unknown(error.message) from None
    except HanokError as error:
        raise Unknown(f"alarm statistics retrieval failed: {error.message}") from None


async def _of_gnocchi(
    room: Alarming, caller: Caller, kind: str, rule: Mapping[str, Any], start: Any
) -> list[float]:
    method, grain = rule["aggregation_method"], rule["granularity"]
    if kind == "gnocchi_resources_threshold":
        kind, key = rule["resource_type"], rule["resource_id"]
        of = rule["metric"]
        return await room.metrics.of_resource(caller, kind, key, of, method, grain, start)
    if kind == "gnocchi_aggregation_by_metrics_threshold":
        return await room.metrics.across(caller, rule["metrics"], method, grain, start)
    search = msgspec.json.decode(rule["query"])
    kind, of = rule["resource_type"], rule["metric"]
    return await room.metrics.across_resources(caller, kind, search, of, method, grain, start)


# ---- composite ----


async def _composite(room: Alarming, row: Row[Any]) -> tuple[str, str, dict[str, Any]] | None:
    named: dict[str, str | None] = {}
    state, text = await _part(room, row, row.rule, named)
    expression = text.removeprefix("(").removesuffix(")")
    data: dict[str, Any] = {"type": "composite", "composition_form": expression, **named}
    if state is None:
        if row.state == UNKNOWN or not row.repeat_actions:
            return (row.state, row.state_reason, data) if row.state == UNKNOWN else None
        state = row.state
    begin = "Composite rule alarm with composition form: "
    verb = "remaining as" if state == row.state else "transition to"
    reason = f"{begin}{expression} {verb} {state}"
    return state, reason[:4000], data


async def _part(
    room: Alarming, row: Row[Any], rule: Mapping[str, Any], named: dict[str, str | None]
) -> tuple[str | None, str]:
    """The state of a part of a composite rule, and how it is written."""
    if "type" in rule:
        name = f"rule{len(named) + 1}"
        named[name] = None
        try:
            state = (await _held(room, row, rule["type"], rule)).state
        except Unknown:
            state = UNKNOWN
        named[name] = state
        return state, name
    word, inner = next(iter(rule.items()))
    parts = [await _part(room, row, one, named) for one in inner]
    text = f" {word} ".join(text for _, text in parts)
    return _joined(word, [state for state, _ in parts]), f"({text})"


def _joined(word: str, states: Sequence[str | None]) -> str | None:
    """What several states are together: one decides for "or" when it is "alarm", for "and" when it is "ok"."""
    decides, other = (ALARM, OK) if word == "or" else (OK, ALARM)
    if decides in states:
        return decides
    if all(one == other for one in states):
        return other
    return UNKNOWN if UNKNOWN in states else None
