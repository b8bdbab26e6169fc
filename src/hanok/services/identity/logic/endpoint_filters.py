"""Which endpoints a project sees: those it was given, one by one and by groups; all of them if it was given none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput, Conflict
from hanok.base.ids import new_hex
from hanok.services.identity.logic import lookup
from hanok.services.identity.tables import (
    endpoint_groups,
    endpoints,
    project_endpoint_groups,
    project_endpoints,
    projects,
)
from hanok.store import Duplicate, Transaction

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


GROUPS = sa.select(endpoint_groups)
FILTERS = frozenset({"service_id", "region_id", "interface"})
Place = Literal["endpoint", "endpoint group"]
"""What a project may be given."""


def _place(what: Place) -> tuple[sa.Table, sa.Table, str]:
    """The table of what is given, that of who was given it, and the column of the first in the second."""
    if what == "endpoint":
        return endpoints, project_endpoints, "endpoint_id"
    return endpoint_groups, project_endpoint_groups, "endpoint_group_id"


def _is(what: Place, thing_id: str, project_id: str) -> sa.ColumnElement[bool]:
    _, table, column = _place(what)
    return sa.and_(table.c.project_id == project_id, table.c[column] == thing_id)


async def give(tx: Transaction, what: Place, thing_id: str, project_id: str) -> None:
    """Give a project an endpoint, or a group of them.

    Raises:
        NotFound: there is no such thing, or no such project. Conflict: it has it already.
    """
    await check_both(tx, what, thing_id, project_id)
    _, table, column = _place(what)
    try:
        await tx.insert(table, {"project_id": project_id, column: thing_id})
    except Duplicate as error:
        name = f"project_{what.replace(' ', '_')}"
        raise Conflict(
            f"Conflict occurred attempting to store {name} - Duplicate entry."
        ) from error


async def has(tx: Transaction, what: Place, thing_id: str, project_id: str) -> bool:
    """Whether a project was given it by itself."""
    _, table, _ = _place(what)
    return await tx.first(sa.select(table).where(_is(what, thing_id, project_id))) is not None


async def take(tx: Transaction, what: Place, thing_id: str, project_id: str) -> bool:
    """Take it from a project; False: the project did not have it."""
    _, table, _ = _place(what)
    return bool(await tx.count(table.delete().where(_is(what, thing_id, project_id))))


async def check_both(tx: Transaction, what: Place, thing_id: str, project_id: str) -> None:
    """
    Raises:
        NotFound: there is no such thing, or no such project.
    """
    await lookup.get(tx, _place(what)[0], what, thing_id)
    await lookup.get(tx, projects, "project", project_id)


async def projects_with(tx: Transaction, what: Place, thing_id: str) -> sa.Select[Any]:
    """A statement for the ids of the projects that were given it by itself.

    Raises:
        NotFound: there is no such thing.
    """
    things, table, column = _place(what)
    await lookup.get(tx, things, what, thing_id)
    return sa.select(table.c.project_id).where(table.c[column] == thing_id)


# ---- groups ----


async def group(tx: Transaction, group_id: str) -> Row[Any]:
    """
    Raises:
        NotFound: there is no such group.
    """
    return await lookup.get(tx, endpoint_groups, "endpoint group", group_id)


def groups_given(project_id: str) -> sa.Select[Any]:
    """The groups that a project was given."""
    table = project_endpoint_groups
    own = sa.select(table.c.endpoint_group_id).where(table.c.project_id == project_id)
    return GROUPS.where(endpoint_groups.c.id.in_(own))


async def create_group(tx: Transaction, values: Mapping[str, Any]) -> Row[Any]:
    """
    Raises:
        BadInput: its filters are not such.
    """
    _check_filters(values["filters"])
    group_id = new_hex()
    await tx.insert(endpoint_groups, {"id": group_id, "description": None, **values})
    return await group(tx, group_id)


async def update_group(tx: Transaction, row: Row[Any], values: Mapping[str, Any]) -> Row[Any]:
    """
    Raises:
        BadInput: its filters are not such.
    """
    if values.get("filters", {}) is None:
        # No group is without filters: the client of the command line sends null for what it was not told to change.
        values = {name: value for name, value in values.items() if value is not None}
    if "filters" in values:
        _check_filters(values["filters"])
    if values:
        mine = endpoint_groups.c.id == row.id
        await tx.execute(endpoint_groups.update().where(mine).values(**values))
    return await group(tx, row.id)


async def delete_group(tx: Transaction, row: Row[Any]) -> None:
    """Remove a group; the projects that were given it have it no more."""
    await forget(tx, group=row.id)
    await tx.execute(endpoint_groups.delete().where(endpoint_groups.c.id == row.id))


def _check_filters(filters: Mapping[str, Any]) -> None:
    if set(filters) - FILTERS:
        raise BadInput("The filters of an endpoint group are service_id, region_id and interface.")
    if filters.get("interface", "public") not in ("public", "internal", "admin"):
        raise BadInput("Invalid input for field 'interface': it is public, internal or admin.")
    if not all(isinstance(value, str) for value in filters.values()):
        raise BadInput("Each filter of an endpoint group is a string.")


# ---- what they come to ----


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
