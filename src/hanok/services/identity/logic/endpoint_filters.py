"""Which endpoints a project sees: those it was given, one by one and by groups; all of them if it was given none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.services.identity.tables import (
    endpoint_groups,
    endpoints,
    project_endpoint_groups,
    project_endpoints,
)
from hanok.store import Transaction

_single = sa.select(project_endpoints.c.endpoint_id).where(
    project_endpoints.c.project_id == bindparam("project")
)
_groups = (
    sa.select(endpoint_groups)
    .join(
        project_endpoint_groups, project_endpoint_groups.c.endpoint_group_id == endpoint_groups.c.id
    )
    .where(project_endpoint_groups.c.project_id == bindparam("project"))
    .order_by(endpoint_groups.c.name, endpoint_groups.c.id)
)
_all = sa.select(endpoints).order_by(endpoints.c.id)
# Whether a project has any filter, in one look.
_any = sa.select(
    sa.or_(
        _single.exists(),
        sa.select(project_endpoint_groups.c.endpoint_group_id)
        .where(project_endpoint_groups.c.project_id == bindparam("project"))
        .exists(),
    )
)


def in_group(filters: Mapping[str, Any], endpoint: Row[Any]) -> bool:
    return all(getattr(endpoint, name) == value for name, value in filters.items())


async def groups_of(tx: Transaction, project_id: str) -> list[Row[Any]]:
    return list(await tx.all(_groups, {"project": project_id}))


async def endpoints_of_group(tx: Transaction, filters: Mapping[str, Any]) -> list[Row[Any]]:
    return [row for row in await tx.all(_all) if in_group(filters, row)]


async def endpoints_of(tx: Transaction, project_id: str) -> list[Row[Any]]:
    """The endpoints that a project was given."""
    single = set(await tx.scalars(_single, {"project": project_id}))
    filters = [row.filters for row in await groups_of(tx, project_id)]
    return [
        row
        for row in await tx.all(_all)
        if row.id in single or any(in_group(each, row) for each in filters)
    ]


async def shown(tx: Transaction, project_id: str) -> set[str] | None:
    """Ids of the endpoints in a project's catalog; None for all."""
    if not await tx.scalar(_any, {"project": project_id}):
        return None
    return {row.id for row in await endpoints_of(tx, project_id)} or None


async def forget(
    tx: Transaction, *, project: str = "", endpoint: str = "", group: str = ""
) -> None:
    """Something is gone: so is what was given to it or of it."""
    for table, column, value in (
        (project_endpoints, "project_id", project),
        (project_endpoint_groups, "project_id", project),
        (project_endpoints, "endpoint_id", endpoint),
        (project_endpoint_groups, "endpoint_group_id", group),
    ):
        if value:
            await tx.execute(table.delete().where(table.c[column] == value))
