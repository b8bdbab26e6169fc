"""Alarms: made, changed, looked for; and what happened to them.

Source: Aodh's REST API reference.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from msgspec import UNSET, Struct, UnsetType, structs, to_builtins
from sqlalchemy import Row, bindparam

from hanok.base.clock import naive_micro
from hanok.base.errors import BadInput, Forbidden, NotFound, NotSignedIn
from hanok.base.ids import new_uuid
from hanok.services.alarming.logic import actions, cron, rules
from hanok.services.alarming.logic.texts import invalid
from hanok.services.alarming.room import Alarming
from hanok.services.alarming.tables import alarms, changes, notices, quotas
from hanok.store import Transaction
from hanok.web.token import Caller

log = logging.getLogger(__name__)

BACKLOG = 5000  # notices of a project that wait
UNKNOWN, OK, ALARM = "insufficient data", "ok", "alarm"
STATES = (OK, ALARM, UNKNOWN)
NOT_YET, BY_HAND = "Not evaluated yet", "Manually set via API"
SEVERITIES = ("low", "moderate", "critical")
_KEPT = (
    "alarm_id", "name", "description", "enabled", "type", "severity", "state", "state_reason", "user_id", "project_id",
    "repeat_actions", "time_constraints", "rule", *actions.KINDS,
)  # fmt: skip

ALL = sa.select(alarms)
_backlog = (
    sa.select(sa.func.count())
    .select_from(notices)
    .where(notices.c.project_id == bindparam("project"))
)
_one = ALL.where(alarms.c.alarm_id == bindparam("id"))
_count = (
    sa.select(sa.func.count())
    .select_from(alarms)
    .where(alarms.c.project_id == bindparam("project"))
)
_quota = sa.select(quotas.c.limit).where(quotas.c.project_id == bindparam("project"))
_drop = alarms.delete().where(alarms.c.alarm_id == bindparam("id"))
_drop_changes = changes.delete().where(changes.c.alarm_id == bindparam("id"))
_drop_notices = notices.delete().where(notices.c.alarm_id == bindparam("id"))
_drop_quota = quotas.delete().where(quotas.c.project_id == bindparam("project"))
_history = (
    sa.select(changes)
    .where(changes.c.alarm_id == bindparam("id"))
    .order_by(changes.c.sequence.desc())
)
_nth = (
    sa.select(changes.c.sequence)
    .where(changes.c.alarm_id == bindparam("id"))
    .order_by(changes.c.sequence.desc())
    .offset(bindparam("count"))
    .limit(1)
)
_older = changes.delete().where(
    changes.c.alarm_id == bindparam("id"), changes.c.sequence <= bindparam("last")
)


class Constraint(Struct, kw_only=True, forbid_unknown_fields=True):
    """A time within which an alarm is looked at."""

    name: str
    start: str
    duration: int | str
    timezone: str = ""
    description: str | None = None


class AlarmBody(Struct, kw_only=True, forbid_unknown_fields=True):
    """An alarm as it is sent. What is only shown may come along, and says nothing."""

    name: str
    type: str
    description: str | UnsetType | None = UNSET
    enabled: bool = True
    ok_actions: list[str] | UnsetType | None = UNSET
    alarm_actions: list[str] | UnsetType | None = UNSET
    insufficient_data_actions: list[str] | UnsetType | None = UNSET
    repeat_actions: bool = False
    time_constraints: list[Constraint] | UnsetType | None = UNSET
    severity: str = "low"
    state: str = UNKNOWN
    project_id: str | UnsetType | None = UNSET
    user_id: str | UnsetType | None = UNSET
    alarm_id: Any = UNSET
    timestamp: Any = UNSET
    state_timestamp: Any = UNSET
    state_reason: Any = UNSET
    evaluate_timestamp: Any = UNSET
    gnocchi_resources_threshold_rule: Any = UNSET
    gnocchi_aggregation_by_metrics_threshold_rule: Any = UNSET
    gnocchi_aggregation_by_resources_threshold_rule: Any = UNSET
    prometheus_rule: Any = UNSET
    event_rule: Any = UNSET
    composite_rule: Any = UNSET
    loadbalancer_member_health_rule: Any = UNSET


class Who(Struct, frozen=True, kw_only=True):
    """Who asks: what they reach, as which address they know the cloud, and what their token is."""

    caller: Caller
    origin: str
    token: str


def shown(row: Row[Any]) -> dict[str, Any]:
    """An alarm as the API shows it."""
    found = {name: getattr(row, name) for name in _KEPT if name != "rule"}
    found[f"{row.type}_rule"] = row.rule
    for name in ("timestamp", "state_timestamp", "evaluate_timestamp"):
        found[name] = naive_micro(getattr(row, name))
    return found


def change_shown(row: Row[Any]) -> dict[str, Any]:
    names = ("event_id", "alarm_id", "type", "detail", "project_id", "user_id", "on_behalf_of")
    found = {name: getattr(row, name) for name in names}
    return {**found, "timestamp": naive_micro(row.timestamp), "severity": row.severity}


def missing(alarm_id: str) -> NotFound:
    return NotFound(f"Alarm {alarm_id[:100]} not found")


async def find(tx: Transaction, caller: Caller, alarm_id: str) -> Row[Any]:
    """
    Raises:
        NotFound: there is none, or it is another project's.
    """
    row = await tx.first(_one, {"id": alarm_id})
    if row is None or not (caller.everywhere or row.project_id == caller.project_id):
        raise missing(alarm_id)
    return row


# ---- bodies ----


def _constraints(sent: Sequence[Constraint]) -> list[dict[str, Any]]:
    """
    Raises:
        BadInput
    """
    if len({one.name for one in sent}) != len(sent):
        raise BadInput("Time constraint names must be unique for a given alarm.")
    if len(sent) > 20:
        raise BadInput("An alarm has at most 20 time constraints.")
    for one in sent:
        if not str(one.duration).isdecimal() or len(str(one.duration)) > 9:
            raise invalid("duration", one.duration, "Value should be greater or equal to 0.")
        one.duration = int(one.duration)
        try:
            cron.cron(one.start)
        except cron.Wrong as error:
            raise invalid("start", one.start, str(error)) from None
        _check_zone(one.timezone)
        one.description = (
            one.description or f"Time constraint at {one.start} lasting for {one.duration} seconds"
        )
    return [to_builtins(one) for one in sent]


def _check_zone(name: str) -> None:
    try:
        ZoneInfo(name or "UTC")
    except (KeyError, ValueError, OSError):
        raise BadInput(f"Timezone {name[:100]} is not valid") from None


def _rule(room: Alarming, body: AlarmBody) -> dict[str, Any]:
    if body.type not in rules.TYPES:
        known = ", ".join(sorted(rules.TYPES))
        raise invalid("type", body.type, f"Value should be one of: {known}")
    set_ones = [
        name.removesuffix("_rule")
        for name, value in structs.asdict(body).items()
        if name.endswith("_rule") and value not in (UNSET, None)
    ]
    if body.type not in set_ones:
        raise BadInput(f"{body.type}_rule must be set for {body.type} type alarm")
    for other in set_ones:
        if other != body.type:
            raise BadInput(f"{body.type}_rule and {other}_rule cannot be set at the same time")
    return rules.checked(room, body.type, getattr(body, f"{body.type}_rule"))


def values(room: Alarming, body: AlarmBody, who: Who) -> dict[str, Any]:
    """What is kept of a body, but for the owner and the state.

    Raises:
        BadInput, NotSignedIn
    """
    if body.severity not in SEVERITIES:
        known = ", ".join(SEVERITIES)
        raise invalid("severity", body.severity, f"Value should be one of: {known}")
    if body.state not in STATES:
        raise BadInput("state invalid")
    if not 0 < len(body.name) <= 255 or len(body.description or "") > 8192:
        raise invalid("name", body.name, "It has 1 to 255 characters.")
    rule = _rule(room, body)
    found: dict[str, Any] = {
        "name": body.name,
        "description": body.description or _description(body.type, rule),
        "enabled": body.enabled,
        "type": body.type,
        "severity": body.severity,
        "repeat_actions": body.repeat_actions,
        "time_constraints": _constraints(body.time_constraints or []),
        "rule": rule,
    }
    for kind in actions.KINDS:
        sent = getattr(body, kind) or []
        operator = who.caller.everywhere
        found[kind] = actions.checked(room, sent, kind, origin=who.origin, operator=operator)
    every = [one for kind in actions.KINDS for one in found[kind]]
    if actions.HEAL in every and body.type != rules.MEMBERS:
        raise BadInput(f"The action {actions.HEAL} is of alarms of the type {rules.MEMBERS}.")
    found["within"] = sorted({one for one in every if actions.of_cloud(one, who.origin)})
    return found


def _description(kind: str, rule: Mapping[str, Any]) -> str:
    if kind == "event":
        return f"Alarm when {rule['event_type']} event occurred."
    return f"{kind} alarm rule"


def _owner(sent: Any, mine: str | None, caller: Caller, noun: str) -> str:
    """Whose an alarm is to be.

    Raises:
        NotSignedIn: the caller may not make it for others.
    """
    if sent in (UNSET, None):
        return mine or ""
    if not caller.everywhere and sent != mine:
        raise NotSignedIn(f"Not Authorized to access {noun} {str(sent)[:100]}")
    return str(sent)[:64]


# ---- changes ----


async def limit_of(tx: Transaction, room: Alarming, project_id: str) -> int:
    found = await tx.scalar(_quota, {"project": project_id})
    return room.settings.project_alarm_quota if found is None else int(found)


async def create(tx: Transaction, room: Alarming, body: AlarmBody, who: Who) -> Row[Any]:
    """
    Raises:
        BadInput, NotSignedIn; Forbidden: the project has as many as it may have.
    """
    caller, now = who.caller, room.clock.now()
    found = values(room, body, who)
    user = _owner(body.user_id, caller.user_id, caller, "user")
    project = _owner(body.project_id, caller.project_id, caller, "project")
    await tx.serialize(alarms.name, project)
    limit = await limit_of(tx, room, project)
    if limit >= 0 and int(await tx.scalar(_count, {"project": project}) or 0) >= limit:
        raise Forbidden(f"Alarm quota exceeded for user {user} on project {project}")
    row = {
        **found,
        "alarm_id": new_uuid(),
        "user_id": user,
        "project_id": project,
        "state": body.state,
        "state_reason": NOT_YET,
        "state_timestamp": now,
        "timestamp": now,
        "evaluate_timestamp": now,
        "lent": room.lend(who.token) if actions.needs_lending(found) else "",
        "evaluations": {},
        "revision": 0,
    }
    await tx.insert(alarms, row)
    detail = {name: row[name] for name in _KEPT}
    await record(tx, room, row, "creation", detail, caller)
    made = await tx.first(_one, {"id": row["alarm_id"]})
    assert made is not None
    return made


async def update(
    tx: Transaction, room: Alarming, row: Row[Any], body: AlarmBody, who: Who
) -> Row[Any]:
    """
    Raises:
        BadInput, NotSignedIn
    """
    now = room.clock.now()
    found = values(room, body, who)
    found["user_id"], found["project_id"] = row.user_id, row.project_id
    if who.caller.everywhere:
        found["user_id"] = _owner(body.user_id, row.user_id, who.caller, "user")
        found["project_id"] = _owner(body.project_id, row.project_id, who.caller, "project")
    found["state"] = body.state
    if body.state != row.state:
        found["state_reason"] = BY_HAND
    detail = {
        name: value
        for name, value in found.items()
        if name in _KEPT and value != getattr(row, name)
    }
    if actions.needs_lending(found):
        found["lent"] = room.lend(who.token)
    if "state" in detail:
        found["state_timestamp"] = now
    await write(tx, row, **found, timestamp=now, revision=row.revision + 1)
    if detail:
        changed = {name: found[name] for name in ("severity", "project_id")}
        changed["alarm_id"] = row.alarm_id
        await record(tx, room, changed, "rule change", detail, who.caller)
    made = await tx.first(_one, {"id": row.alarm_id})
    assert made is not None
    return made


async def set_state(
    tx: Transaction, room: Alarming, row: Row[Any], state: str, caller: Caller
) -> None:
    """
    Raises:
        BadInput
    """
    if state not in STATES:
        raise BadInput("state invalid")
    now = room.clock.now()
    values = {"state": state, "state_reason": BY_HAND}
    await write(tx, row, **values, state_timestamp=now, revision=row.revision + 1)
    await record(tx, room, dict(row._mapping), "state transition", values, caller)


async def write(tx: Transaction, row: Row[Any], **found: Any) -> int:
    """Write columns of an alarm, if nobody has changed it since it was read; gives how many rows that were."""
    named = {name: bindparam(f"new_{name}", type_=alarms.c[name].type) for name in found}
    statement = (
        alarms.update()
        .where(alarms.c.alarm_id == bindparam("of"), alarms.c.revision == bindparam("then"))
        .values(named)
    )
    given = {f"new_{name}": value for name, value in found.items()}
    return await tx.count(statement, {"of": row.alarm_id, "then": row.revision, **given})


async def record(
    tx: Transaction,
    room: Alarming,
    alarm: Mapping[str, Any],
    kind: str,
    detail: Mapping[str, Any],
    caller: Caller | None,
) -> None:
    """Write into an alarm's history; what is older than so many entries goes."""
    row = {
        "event_id": new_uuid(),
        "alarm_id": alarm["alarm_id"],
        "type": kind,
        "detail": json.dumps(dict(detail)),
        "user_id": None if caller is None else caller.user_id,
        "project_id": None if caller is None else caller.project_id,
        "on_behalf_of": alarm["project_id"],
        "timestamp": room.clock.now(),
        "severity": alarm["severity"],
    }
    await tx.insert(changes, row)
    key = {"id": alarm["alarm_id"], "count": room.settings.changes_per_alarm}
    last = await tx.scalar(_nth, key)
    if last is not None:
        await tx.execute(_older, {"id": alarm["alarm_id"], "last": last})


async def delete(tx: Transaction, alarm_id: str) -> None:
    for statement in (_drop_notices, _drop_changes, _drop):
        await tx.execute(statement, {"id": alarm_id})


async def history(tx: Transaction, alarm_id: str) -> list[dict[str, Any]]:
    return [change_shown(row) for row in await tx.all(_history, {"id": alarm_id})]


async def set_quota(tx: Transaction, project_id: str, limit: int) -> None:
    await tx.execute(_drop_quota, {"project": project_id})
    await tx.insert(quotas, {"project_id": project_id, "limit": limit})


async def drop_quota(tx: Transaction, project_id: str) -> bool:
    return bool(await tx.count(_drop_quota, {"project": project_id}))


def notice(
    row: Row[Any], state: str, reason: str, data: Mapping[str, Any], now: datetime
) -> list[dict[str, Any]]:
    """What is to be told when an alarm goes to a state, or stays in it."""
    kind = f"{state.replace(' ', '_')}_actions"
    content = actions.payload(row, state, reason, data)
    return [
        {
            "id": new_uuid(),
            "project_id": row.project_id,
            "alarm_id": row.alarm_id,
            "action": f"within:{action}" if action in row.within else action,
            "payload": content,
            "lent": row.lent if action.startswith("trust+") else "",
            "tries": 0,
            "due_at": now,
        }
        for action in getattr(row, kind)
    ]


async def go(
    tx: Transaction,
    room: Alarming,
    row: Row[Any],
    state: str,
    reason: str,
    data: Mapping[str, Any],
) -> bool:
    """Put an alarm into a state, or let it stay there, and say so to whoever is to be told.

    Returns whether it was done: not when somebody has changed the alarm meanwhile.
    """
    now = room.clock.now()
    counted = {**row.evaluations, state: row.evaluations.get(state, 0) + 1}
    found: dict[str, Any] = {"evaluate_timestamp": now, "evaluations": counted}
    if state != row.state:
        found |= {"state": state, "state_reason": reason, "state_timestamp": now}
    if not await write(tx, row, **found):
        return False
    if state != row.state:
        detail = {"state": state, "transition_reason": reason}
        await record(tx, room, dict(row._mapping), "state transition", detail, None)
    if state != row.state or row.repeat_actions:
        made = notice(row, state, reason, data, now)
        if made and int(await tx.scalar(_backlog, {"project": row.project_id}) or 0) < BACKLOG:
            await tx.insert(notices, made)
        elif made:
            log.warning("alarm %s: its project has too much to be told", row.alarm_id)
    return True
