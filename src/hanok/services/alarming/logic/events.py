"""Alarms of the type "event": what happens in the cloud, held against them as it is told.

An event is looked at in the form that the field's notifications have: its type, traits as they are defined
(`event_definitions.yaml`), and all else that its payload has.

Source: Aodh's documentation, "Event based alarm"; Ceilometer's event definitions.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from fnmatch import translate
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput
from hanok.base.patterns import BadPattern, pattern
from hanok.events import Event
from hanok.services.alarming.logic import alarms, rules
from hanok.services.alarming.logic.alarms import ALARM
from hanok.services.alarming.room import Alarming
from hanok.services.alarming.tables import alarms as table
from hanok.services.metric.facade import plain

_of_project = sa.select(table).where(
    table.c.type == "event",
    table.c.enabled.is_(True),
    table.c.project_id == bindparam("project"),
)
_OPS = {
    "eq": operator.eq, "ne": operator.ne, "lt": operator.lt, "le": operator.le, "gt": operator.gt, "ge": operator.ge,
}  # fmt: skip
# What Ceilometer calls a trait, where a payload has it under another name.
_OTHERWISE = {"instance_id": ("uuid",), "name": ("display_name",), "project_id": ("tenant_id",)}
_DEEPEST = 4


async def heard(room: Alarming, event: Event) -> None:
    """An event was told: alarms of its project that it fits go to "alarm"."""
    if event.project_id is None:
        return
    async with room.database.read() as tx:
        rows = await tx.all(_of_project, {"project": event.project_id})
    if not rows:
        return
    told = [
        one
        for one in room.told(event)
        if isinstance(one.get("payload"), Mapping) and room.metrics.alarms_hear(one["event_type"])
    ]
    traits = [_traits(room, one) for one in told]
    for row in rows:
        both = zip(told, traits, strict=True)
        fitting = next((one for one, has in both if _fits(row, one, has)), None)
        if fitting is not None and (row.state != ALARM or row.repeat_actions):
            await _ring(room, row, fitting)


async def _ring(room: Alarming, row: Row[Any], told: Mapping[str, Any]) -> None:
    said = {name: told[name] for name in ("event_type", "message_id", "timestamp")}
    which = f"<id:{told['message_id']},event_type:{told['event_type']}>"
    reason = f"Event {which} hits the query <query:{row.rule['query']}>."
    traits = [[one.name, one.kind, plain(one.value)] for one in room.metrics.event(told).traits]
    data = {"type": "event", "event": {**said, "traits": traits}}
    async with room.database.write() as tx:
        await alarms.go(tx, room, row, ALARM, reason[:4000], data)


def _fits(row: Row[Any], told: Mapping[str, Any], traits: Mapping[str, Any]) -> bool:
    if not _matches(row.rule["event_type"], str(told["event_type"])):
        return False
    return all(_holds(one, told, traits) for one in row.rule["query"])


@lru_cache(maxsize=512)
def _glob(text: str) -> Any:
    try:
        return pattern(translate(text))
    except BadPattern:
        return None


def _matches(glob: str, event_type: str) -> bool:
    form = _glob(glob)
    return form is not None and bool(form.fullmatch(event_type))


def _holds(
    condition: Mapping[str, Any], told: Mapping[str, Any], traits: Mapping[str, Any]
) -> bool:
    field = condition["field"]
    if field.startswith("traits."):
        value = traits.get(field.removeprefix("traits."))
    else:
        value = {"project_id": told["_context_project_id"], "user_id": told["_context_user_id"],
                 "generated": told["timestamp"]}.get(field, told.get(field))  # fmt: skip
    if value is None:
        return False
    try:
        wish = rules.value_of(condition)
        made = type(wish)(value) if not isinstance(wish, bool) else bool(value)
        return bool(_OPS[condition["op"]](made, wish))
    except (BadInput, OverflowError, TypeError, ValueError):
        return False


def _traits(room: Alarming, told: Mapping[str, Any]) -> dict[str, Any]:
    """Traits as they are defined, and what is in a payload, flat: innermost names, and with the names around them."""
    found = {one.name: plain(one.value) for one in room.metrics.event(told).traits}
    _flatten(told["payload"], "", found, 0)
    for name, others in _OTHERWISE.items():
        for other in others:
            if name not in found and other in found:
                found[name] = found[other]
    return found


def _flatten(value: Any, name: str, found: dict[str, Any], depth: int) -> None:
    if isinstance(value, Mapping) and depth < _DEEPEST:
        for key, one in list(value.items())[:200]:
            inner = key if key.startswith("nova_object") or not name else f"{name}.{key}"
            _flatten(one, "" if key == "nova_object.data" else inner, found, depth + 1)
    elif isinstance(value, str | int | float | bool) and name:
        found.setdefault(name, value)
        found.setdefault(name.rpartition(".")[2], value)
