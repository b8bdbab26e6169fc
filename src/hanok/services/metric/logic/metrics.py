"""Metrics: what is measured, of which resource, and kept by which policy.

Source: Gnocchi's REST API reference, "Metrics".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput, Conflict, NotFound
from hanok.base.ids import new_uuid
from hanok.base.pieces import Pieces
from hanok.services.metric.logic import policies, shapes
from hanok.services.metric.room import Metric
from hanok.services.metric.tables import blocks, incoming, metrics, tails
from hanok.store import Duplicate, Transaction
from hanok.web.token import Caller

ALL = sa.select(metrics).where(metrics.c.deleted.is_(False))
AT_ONCE = 500  # ids in one statement
NEW, FEW = 1000, 20  # metrics that are made by one request; that is short
_by_id = ALL.where(metrics.c.id == bindparam("id"))
_by_ids = ALL.where(metrics.c.id.in_(bindparam("ids", expanding=True)))
_of_resources = ALL.where(metrics.c.resource_id.in_(bindparam("ids", expanding=True))).order_by(
    metrics.c.name
)
_named = ALL.where(
    metrics.c.resource_id == bindparam("resource"), metrics.c.name == bindparam("name")
)
_count = (
    sa.select(sa.func.count())
    .select_from(metrics)
    .where(metrics.c.creator_project == bindparam("project"), metrics.c.deleted.is_(False))
)
_bury = (
    metrics.update()
    .where(metrics.c.id.in_(bindparam("ids", expanding=True)))
    .values(deleted=True, resource_id=None)
)
_leave = (
    metrics.update()
    .where(metrics.c.resource_id == bindparam("resource"))
    .values(resource_id=None)
)  # fmt: skip
_join = (
    metrics.update()
    .where(metrics.c.id == bindparam("of"))
    .values(resource_id=bindparam("resource"), name=bindparam("new_name"))
)
_buried = sa.select(metrics.c.sequence).where(metrics.c.deleted.is_(True)).limit(bindparam("count"))
_block_of = (
    sa.select(blocks.c.granularity, blocks.c.number)
    .where(blocks.c.metric == bindparam("of"))
    .limit(1000)
)
_drop_block = blocks.delete().where(
    blocks.c.metric == bindparam("of"),
    blocks.c.granularity == bindparam("grain"),
    blocks.c.number == bindparam("place"),
)
_drop_incoming = incoming.delete().where(incoming.c.metric == bindparam("of"))
_drop_tail = tails.delete().where(tails.c.metric == bindparam("of"))
_drop = metrics.delete().where(metrics.c.sequence == bindparam("of"))


def creator(caller: Caller) -> tuple[str, str]:
    """Who makes something: user and project."""
    return caller.user_id, caller.project_id or ""


def name(value: Any, path: shapes.Path) -> str:
    """The name of a metric."""
    found: str = shapes.text(1)(value, path)
    if "/" in found:
        raise shapes.wrong("'/' is not supported in metric name", path)
    return found


_UNIT = shapes.optional_text(31)
DEFINITION: dict[str, shapes.Check] = {
    "archive_policy_name": shapes.optional_text(),
    "unit": _UNIT,
    "name": lambda value, path: None if value is None else name(value, path),
}


def target(row: Row[Any]) -> dict[str, Any]:
    """What rules look at. `project` is the resource's, where the metric has one."""
    return {
        "created_by_project_id": row.creator_project,
        "created_by_user_id": row.creator_user,
        "creator": f"{row.creator_user}:{row.creator_project}",
    }


def shown(row: Row[Any], policy: Row[Any] | None) -> dict[str, Any]:
    """A metric as lists have it; policy None: only its name is told."""
    found = {
        "id": row.id,
        "name": row.name,
        "unit": row.unit,
        "resource_id": row.resource_id,
        "creator": f"{row.creator_user}:{row.creator_project}",
        "created_by_user_id": row.creator_user,
        "created_by_project_id": row.creator_project,
    }
    if policy is None:
        return {**found, "archive_policy_name": row.archive_policy_name}
    return {**found, "archive_policy": policies.shown(policy)}


def missing(requested: str) -> NotFound:
    return NotFound(f"Metric {requested[:255]} does not exist")


def uuid_of(text: str) -> str | None:
    """The one spelling of an id; None: it is none."""
    try:
        return str(UUID(text))
    except ValueError:
        return None


async def find(tx: Transaction, metric_id: str) -> Row[Any]:
    """
    Raises:
        NotFound
    """
    known = uuid_of(metric_id)
    row = None if known is None else await tx.first(_by_id, {"id": known})
    if row is None:
        raise missing(metric_id)
    return row


async def found(tx: Transaction, ids: Sequence[str]) -> dict[str, Row[Any]]:
    """Those of these metrics that are there, by id."""
    rows: dict[str, Row[Any]] = {}
    for start in range(0, len(ids), AT_ONCE):
        for row in await tx.all(_by_ids, {"ids": list(ids[start : start + AT_ONCE])}):
            rows[row.id] = row
    return rows


async def of_resources(tx: Transaction, ids: Sequence[str]) -> dict[str, list[Row[Any]]]:
    """The metrics of resources, by the resource's id, in the order of their names."""
    rows: dict[str, list[Row[Any]]] = {one: [] for one in ids}
    for start in range(0, len(ids), AT_ONCE):
        for row in await tx.all(_of_resources, {"ids": list(ids[start : start + AT_ONCE])}):
            rows[row.resource_id].append(row)
    return rows


async def named(tx: Transaction, resource_id: str, metric: str) -> Row[Any]:
    """
    Raises:
        NotFound
    """
    row = await tx.first(_named, {"resource": resource_id, "name": metric[:255]})
    if row is None:
        raise missing(metric)
    return row


async def check_limit(tx: Transaction, room: Metric, project_id: str, more: int = 1) -> None:
    """Look whether a project may have so many metrics more; where they are many, others are let in meanwhile.

    Raises:
        BadInput: the project has as many metrics as it may have, or they are too many for one request.
    """
    if more > NEW:
        raise BadInput(f"At most {NEW} metrics can be created in one request.")
    if more > FEW:
        tx.pieces = tx.pieces or Pieces()
    await tx.serialize(metrics.name, project_id)
    maximum = room.settings.metrics_per_project
    if int(await tx.scalar(_count, {"project": project_id}) or 0) + more > maximum:
        raise BadInput(f"A project has at most {maximum} metrics.")


async def create(
    tx: Transaction,
    who: tuple[str, str],
    sent: Mapping[str, Any],
    *,
    resource_id: str | None = None,
    metric: str | None = None,
) -> Row[Any]:
    """
    Args:
        who: the user and the project that make it. metric: the name.

    Raises:
        BadInput: no policy fits. Conflict: the resource has one of this name.
    """
    called = metric if metric is not None else sent.get("name")
    row = {
        "id": new_uuid(),
        "name": called,
        "unit": sent.get("unit"),
        "archive_policy_name": await policies.policy_for(
            tx, called, sent.get("archive_policy_name")
        ),
        "creator_user": who[0],
        "creator_project": who[1],
        "resource_id": resource_id,
        "deleted": False,
    }
    try:
        await tx.insert(metrics, row)
    except Duplicate:
        raise Conflict(f"Named metric {called} already exists") from None
    return await find(tx, str(row["id"]))


async def bury(tx: Transaction, ids: Sequence[str]) -> None:
    """Metrics go: nobody sees them any more, and their measures go in pieces."""
    for start in range(0, len(ids), AT_ONCE):
        await tx.execute(_bury, {"ids": list(ids[start : start + AT_ONCE])})


async def leave(tx: Transaction, resource_id: str) -> None:
    """A resource has no metrics any more; these stay."""
    await tx.execute(_leave, {"resource": resource_id})


async def join(tx: Transaction, metric_id: str, resource_id: str, called: str) -> None:
    """A metric becomes one of a resource.

    Raises:
        Conflict
    """
    try:
        await tx.alter(_join, {"of": metric_id, "resource": resource_id, "new_name": called})
    except Duplicate:
        raise Conflict(f"Named metric {called} already exists") from None


async def purge(room: Metric) -> int:
    """Take away some of what deleted metrics leave; gives how many are gone or nearer to it."""
    async with room.database.read() as tx:
        gone = await tx.scalars(_buried, {"count": 50})
    for one in gone:
        async with room.database.write() as tx:
            rest = await tx.all(_block_of, {"of": one})
            if rest:
                await tx.execute(
                    _drop_block,
                    [{"of": one, "grain": row.granularity, "place": row.number} for row in rest],
                )
            if len(rest) < 1000:
                for statement in (_drop_incoming, _drop_tail, _drop):
                    await tx.execute(statement, {"of": one})
    return len(gone)
