"""Lists of metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row

from hanok.base.errors import BadInput
from hanok.services.metric.logic import metrics as rows_of
from hanok.services.metric.logic.paging import Page, cut
from hanok.services.metric.tables import metrics, resources
from hanok.store import Transaction
from hanok.web.token import Caller

MAXIMUM = 20_000  # metrics that are put into an order of somebody's own
_COLUMNS = {
    "id": metrics.c.id,
    "name": metrics.c.name,
    "unit": metrics.c.unit,
    "archive_policy_name": metrics.c.archive_policy_name,
    "resource_id": metrics.c.resource_id,
    "user_id": metrics.c.creator_user,
    "created_by_user_id": metrics.c.creator_user,
    "project_id": metrics.c.creator_project,
    "created_by_project_id": metrics.c.creator_project,
}
FILTERS = (*_COLUMNS, "creator", "status")
SORTS = ("id", "name", "unit", "archive_policy_name", "resource_id")


def visible(caller: Caller) -> sa.ColumnElement[bool]:
    """The metrics that a caller reaches: those that their project made, and those of its resources."""
    if caller.everywhere:
        return sa.true()
    mine = caller.project_id or ""
    owned = sa.select(resources.c.id).where(resources.c.project_id == mine)
    return sa.or_(metrics.c.creator_project == mine, metrics.c.resource_id.in_(owned))


def _requested(wishes: Mapping[str, Sequence[str]]) -> list[sa.ColumnElement[bool]]:
    """
    Raises:
        BadInput
    """
    status = wishes.get("status", ["active"])[-1]
    if status not in ("active", "delete"):
        raise BadInput("The status of a metric is 'active' or 'delete'.")
    found: list[sa.ColumnElement[bool]] = [metrics.c.deleted.is_(status == "delete")]
    for name, values in wishes.items():
        if name in _COLUMNS:
            known = [rows_of.uuid_of(one) or one for one in values] if name == "id" else values
            found.append(_COLUMNS[name].in_(known))
        elif name == "creator":
            user, _, project = values[-1].partition(":")
            found += [metrics.c.creator_user == user, metrics.c.creator_project == project]
    return found


async def reached(tx: Transaction, caller: Caller, ids: Sequence[str]) -> dict[str, Row[Any]]:
    """Those of these metrics that a caller reaches, by id."""
    known = [one for one in map(rows_of.uuid_of, ids) if one is not None]
    statement = sa.select(metrics).where(
        visible(caller), metrics.c.deleted.is_(False), metrics.c.id.in_(known)
    )
    return {row.id: row for row in await tx.all(statement)}


async def page(
    tx: Transaction, caller: Caller, wishes: Mapping[str, Sequence[str]], requested: Page
) -> tuple[list[Row[Any]], str]:
    """The metrics of a page, and the marker of the next.

    Raises:
        BadInput
    """
    statement = sa.select(metrics).where(visible(caller), *_requested(wishes))
    if requested.sorts in (("id:asc",), ("id",)):
        return await _by_id(tx, statement, requested)
    rows = list(await tx.all(statement.order_by(metrics.c.id).limit(MAXIMUM + 1)))
    if len(rows) > MAXIMUM:
        raise BadInput(f"More than {MAXIMUM} metrics can only be sorted by their IDs.")
    items = [{**{name: row._mapping[name] for name in SORTS}, "row": row} for row in rows]
    some, following = cut(items, requested, SORTS)
    return [one["row"] for one in some], following


async def _by_id(
    tx: Transaction, statement: sa.Select[Any], requested: Page
) -> tuple[list[Row[Any]], str]:
    if requested.marker:
        marker = rows_of.uuid_of(requested.marker)
        if marker is None:
            raise BadInput(f"Invalid marker: `{requested.marker[:100]}'")
        if await tx.first(statement.where(metrics.c.id == marker)) is None:
            raise BadInput(f"Invalid marker: `{requested.marker[:100]}'")
        statement = statement.where(metrics.c.id > marker)
    rows = list(await tx.all(statement.order_by(metrics.c.id).limit(requested.limit + 1)))
    following = rows[requested.limit - 1].id if len(rows) > requested.limit else ""
    return rows[: requested.limit], following
