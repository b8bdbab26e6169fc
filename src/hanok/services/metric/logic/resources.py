"""Resources: what metrics are of, with what people search them by, and what they were before.

Source: Gnocchi's REST API reference, "Resources" and "History".
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput, Conflict, NotFound
from hanok.base.pieces import Pieces
from hanok.services.metric.logic import metrics, shapes, times, types
from hanok.services.metric.room import Metric
from hanok.services.metric.tables import resources, revisions
from hanok.store import Duplicate, Transaction, kept
from hanok.web.token import Caller

NAMESPACE = UUID(
    "0a7a15ff-aa13-4ac2-897c-9bdf30ce175b"
)  # of ids made of names, as clients make them
AT_ONCE = 500  # rows read in one go
ALL = sa.select(resources)
_by_id = ALL.where(resources.c.id == bindparam("id"))
_by_ids = ALL.where(resources.c.id.in_(bindparam("ids", expanding=True)))
_count = (
    sa.select(sa.func.count())
    .select_from(resources)
    .where(resources.c.creator_project == bindparam("project"))
)
_past = (
    sa.select(revisions)
    .where(revisions.c.resource_id.in_(bindparam("ids", expanding=True)))
    .order_by(revisions.c.sequence)
)
_drop = resources.delete().where(resources.c.id.in_(bindparam("ids", expanding=True)))
_drop_past = revisions.delete().where(revisions.c.resource_id.in_(bindparam("ids", expanding=True)))
_CHANGED = ("user_id", "project_id", "started_at", "ended_at", "revision_start", "attributes")
_write = (
    resources.update()
    .where(resources.c.id == bindparam("of"))
    .values({name: bindparam(f"new_{name}", type_=resources.c[name].type) for name in _CHANGED})
)


def id_of(value: str, creator: str) -> str:
    """The id of a resource that somebody calls so: itself, or one made of the name and of who calls it so.

    Raises:
        ValueError
    """
    if "/" in value:
        raise ValueError("'/' is not supported in resource id")
    if known := metrics.uuid_of(value):
        return known
    if len(value) > 289:
        raise ValueError("transformable resource id >289 max allowed characters")
    return str(uuid5(NAMESPACE, f"{value}\x00{creator}"))


def not_found(requested: str) -> NotFound:
    return NotFound(f"The resource could not be found. Resource {requested[:255]} does not exist")


def target(row: Row[Any]) -> dict[str, Any]:
    """What rules look at."""
    return {
        "project_id": row.project_id,
        "user_id": row.user_id,
        "created_by_project_id": row.creator_project,
        "created_by_user_id": row.creator_user,
        "creator": f"{row.creator_user}:{row.creator_project}",
    }


def visible(caller: Caller) -> sa.ColumnElement[bool]:
    """The resources that a caller reaches: their project's, and those that it made."""
    if caller.everywhere:
        return sa.true()
    mine = caller.project_id or ""
    return sa.or_(
        kept.equal(resources.c.creator_project, mine), kept.equal(resources.c.project_id, mine)
    )


def _time(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def view(row: Row[Any], kind: Row[Any]) -> dict[str, Any]:
    """A resource as it is shown, without its metrics."""
    return {
        "id": row.id,
        "original_resource_id": row.original_resource_id,
        "type": row.type,
        "user_id": row.user_id,
        "project_id": row.project_id,
        "creator": f"{row.creator_user}:{row.creator_project}",
        "created_by_user_id": row.creator_user,
        "created_by_project_id": row.creator_project,
        "started_at": _time(row.started_at),
        "ended_at": _time(row.ended_at),
        "revision_start": _time(row.revision_start),
        "revision_end": None,
        **types.values(kind, row.attributes),
    }


def _before(now: Mapping[str, Any], past: Row[Any], kind: Row[Any]) -> dict[str, Any]:
    """What a resource was, in the form in which it is shown."""
    return {
        **now,
        "user_id": past.user_id,
        "project_id": past.project_id,
        "started_at": _time(past.started_at),
        "ended_at": _time(past.ended_at),
        "revision_start": _time(past.revision_start),
        "revision_end": _time(past.revision_end),
        **types.values(kind, past.attributes),
    }


async def with_metrics(tx: Transaction, views: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same with the ids of their metrics by name."""
    found = await metrics.of_resources(tx, list({one["id"] for one in views}))
    return [{**one, "metrics": {row.name: row.id for row in found[one["id"]]}} for one in views]


async def find(tx: Transaction, requested: str, creator: str, kind: str = "") -> Row[Any]:
    """
    Args:
        requested: an id, or what the caller calls it. kind: the type that the path names.

    Raises:
        NotFound
    """
    try:
        row = await tx.first(_by_id, {"id": id_of(requested, creator)})
    except ValueError:
        row = None
    if row is None or (kind not in ("", types.GENERIC) and row.type != kind):
        raise not_found(requested)
    return row


async def found(tx: Transaction, ids: Sequence[str]) -> dict[str, Row[Any]]:
    """Those of these resources that are there, by id."""
    rows: dict[str, Row[Any]] = {}
    for start in range(0, len(ids), AT_ONCE):
        for row in await tx.all(_by_ids, {"ids": list(ids[start : start + AT_ONCE])}):
            rows[row.id] = row
    return rows


async def each(
    tx: Transaction, caller: Caller, kind: str, only: Sequence[str] | None = None
) -> AsyncIterator[Row[Any]]:
    """The resources of a type that a caller reaches, in the order in which they were made.

    Args:
        only: ids; others are left out.
    """
    statement = ALL.where(visible(caller), resources.c.sequence > bindparam("behind"))
    if kind != types.GENERIC:
        statement = statement.where(kept.equal(resources.c.type, kind))
    if only is not None:
        statement = statement.where(resources.c.id.in_(list(only)))
    statement = statement.order_by(resources.c.sequence).limit(AT_ONCE)
    behind, pieces = 0, Pieces()
    while True:
        rows = await tx.all(statement, {"behind": behind})
        for row in rows:
            yield row
        if len(rows) < AT_ONCE:
            return
        behind = rows[-1].sequence
        await pieces.rest()


async def history(
    tx: Transaction, rows: Sequence[Row[Any]], kinds: Mapping[str, Row[Any]]
) -> list[dict[str, Any]]:
    """What resources were and are, the oldest first, without their metrics."""
    found: list[dict[str, Any]] = []
    for start in range(0, len(rows), AT_ONCE):
        some = rows[start : start + AT_ONCE]
        past: dict[str, list[Row[Any]]] = {}
        for one in await tx.all(_past, {"ids": [row.id for row in some]}):
            past.setdefault(one.resource_id, []).append(one)
        for row in some:
            now = view(row, kinds[row.type])
            found += [_before(now, one, kinds[row.type]) for one in past.get(row.id, ())]
            found.append(now)
    return found


# ---- bodies ----


def _moment(now: datetime) -> shapes.Check:
    def check(value: Any, path: shapes.Path) -> datetime:
        try:
            return times.to_datetime(times.moment(value, now))
        except ValueError as error:
            raise shapes.wrong(str(error), path) from None

    return check


def _metric_wish(value: Any, path: shapes.Path) -> Any:
    """The id of a metric, or what a new one is like."""
    if isinstance(value, str) and (known := metrics.uuid_of(value)):
        return known
    if isinstance(value, str):
        raise shapes.wrong("badly formed hexadecimal UUID string", path)
    return shapes.mapping(value, None, metrics.DEFINITION, path)


def metric_wishes(value: Any, path: shapes.Path = ()) -> dict[str, Any]:
    """Metrics of a resource by name.

    Raises:
        BadInput
    """
    if not isinstance(value, dict):
        raise shapes.wrong("expected a dictionary", path)
    if len(value) > 1000:
        raise shapes.wrong("length of value must be at most 1000", path)
    return {
        metrics.name(name, (*path, name)): _metric_wish(one, (*path, name))
        for name, one in value.items()
    }


def _checks(kind: Row[Any]) -> tuple[dict[str, shapes.Check], dict[str, shapes.Check]]:
    """Of the attributes of a type: those that a new resource needs, and the others."""
    needed: dict[str, shapes.Check] = {}
    optional: dict[str, shapes.Check] = {}
    for name, one in kind.attributes.items():

        def check(value: Any, path: shapes.Path, one: Mapping[str, Any] = one) -> Any:
            return types.value_of(one, value, path)

        (needed if one["required"] else optional)[name] = check
    return needed, optional


def _common(now: datetime) -> dict[str, shapes.Check]:
    at = _moment(now)
    return {
        "user_id": shapes.optional_text(),
        "project_id": shapes.optional_text(),
        "started_at": at,
        "ended_at": lambda value, path: None if value is None else at(value, path),
        "metrics": metric_wishes,
    }


def _apart(kind: Row[Any], sent: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes of a type in a body, as a row keeps them."""
    return {
        types.key_of(name, one): sent[name] for name, one in kind.attributes.items() if name in sent
    }


# ---- changes ----


async def check_limit(tx: Transaction, room: Metric, project_id: str) -> None:
    """
    Raises:
        BadInput: the project has as many resources as it may have.
    """
    await tx.serialize(resources.name, project_id)
    maximum = room.settings.resources_per_project
    if int(await tx.scalar(_count, {"project": project_id}) or 0) >= maximum:
        raise BadInput(f"A project has at most {maximum} resources.")


async def create(
    tx: Transaction, room: Metric, who: tuple[str, str], kind: Row[Any], body: Any
) -> Row[Any]:
    """
    Raises:
        BadInput, Conflict
    """
    now = room.clock.now()
    needed, optional = _checks(kind)
    sent = shapes.mapping(body, {"id": shapes.text(1, 289), **needed}, {**optional, **_common(now)})
    try:
        made = id_of(sent["id"], f"{who[0]}:{who[1]}")
    except ValueError as error:
        raise shapes.wrong(str(error), ("id",)) from None
    await check_limit(tx, room, who[1])
    row = {
        "id": made,
        "original_resource_id": sent["id"],
        "type": kind.name,
        "user_id": sent.get("user_id"),
        "project_id": sent.get("project_id"),
        "creator_user": who[0],
        "creator_project": who[1],
        "started_at": sent.get("started_at") or now,
        "ended_at": sent.get("ended_at"),
        "revision_start": now,
        "attributes": _apart(kind, sent),
    }
    _check_times(row["started_at"], row["ended_at"])
    try:
        await tx.insert(resources, row)
    except Duplicate:
        raise Conflict(f"Resource {made} already exists") from None
    await add_metrics(tx, room, who, made, sent.get("metrics", {}))
    found = await tx.first(_by_id, {"id": made})
    assert found is not None
    return found


def _check_times(started: Any, ended: Any) -> None:
    if ended is not None and ended < started:
        raise BadInput("Start timestamp cannot be after end timestamp")


async def update(
    tx: Transaction, room: Metric, who: tuple[str, str], row: Row[Any], kind: Row[Any], body: Any
) -> Row[Any]:
    """Change a resource; what it was is kept, unless only metrics change.

    Raises:
        BadInput, Conflict
    """
    needed, optional = _checks(kind)
    common = _common(room.clock.now())
    del common["started_at"]
    sent = shapes.mapping(body, None, {**needed, **optional, **common})
    values = {
        "user_id": sent.get("user_id", row.user_id),
        "project_id": sent.get("project_id", row.project_id),
        "started_at": row.started_at,
        "ended_at": sent.get("ended_at", row.ended_at),
        "attributes": {**row.attributes, **_apart(kind, sent)},
    }
    _check_times(row.started_at, values["ended_at"])
    if any(getattr(row, name) != value for name, value in values.items()):
        await revise(tx, room, row, values)
    if "metrics" in sent:
        await metrics.leave(tx, row.id)
        await add_metrics(tx, room, who, row.id, sent["metrics"])
    found = await tx.first(_by_id, {"id": row.id})
    assert found is not None
    return found


async def insert(tx: Transaction, row: Mapping[str, Any]) -> None:
    """A resource that is there, unless somebody was faster."""
    await tx.insert_missing(resources, row)


async def revise(tx: Transaction, room: Metric, row: Row[Any], values: Mapping[str, Any]) -> None:
    """Change a resource's columns, and keep what they were."""
    now = room.clock.now()
    past = {name: getattr(row, name) for name in _CHANGED}
    await tx.insert(revisions, {**past, "resource_id": row.id, "revision_end": now})
    named = {f"new_{name}": value for name, value in values.items()}
    await tx.execute(_write, {"of": row.id, **named, "new_revision_start": now})


async def add_metrics(
    tx: Transaction,
    room: Metric,
    who: tuple[str, str],
    resource_id: str,
    wishes: Mapping[str, Any],
) -> None:
    """Give a resource metrics: new ones, and some that are there.

    Raises:
        BadInput, Conflict
    """
    if wishes:
        await metrics.check_limit(tx, room, who[1], len(wishes))
    for name, wish in wishes.items():
        if not isinstance(wish, str):
            await metrics.create(tx, who, wish, resource_id=resource_id, metric=name)
            continue
        known = (await metrics.found(tx, [wish])).get(wish)
        if known is None or known.creator_project != who[1]:
            raise BadInput(f"Metric {wish} does not exist")
        await metrics.join(tx, wish, resource_id, name)


async def delete(tx: Transaction, ids: Sequence[str]) -> None:
    """Resources go, with their metrics and what they were."""
    for start in range(0, len(ids), AT_ONCE):
        some = list(ids[start : start + AT_ONCE])
        theirs = await metrics.of_resources(tx, some)
        await metrics.bury(tx, [row.id for rows in theirs.values() for row in rows])
        await tx.execute(_drop_past, {"ids": some})
        await tx.execute(_drop, {"ids": some})
