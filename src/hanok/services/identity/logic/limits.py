"""Limits on what projects may use: registered ones for all, others for one project or domain.

Services ask for them; they count what there is themselves. Two models say which limits fit together: in the flat one
each stands for itself; in the strict one of two levels no project has more than its domain.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput, Conflict, Forbidden, NotFound
from hanok.base.ids import new_hex
from hanok.services.identity.logic import lookup
from hanok.services.identity.tables import limits, projects, regions, registered_limits, services
from hanok.store import Duplicate, Transaction

MODELS = {
    "flat": "Limits of projects and domains stand for themselves, whatever the hierarchy.",
    "strict_two_level": "Domains and the projects right below them: no project's limit is above its domain's.",
}

_limits = sa.select(
    limits,
    registered_limits.c.service_id,
    registered_limits.c.region_id,
    registered_limits.c.resource_name,
).join(registered_limits, registered_limits.c.id == limits.c.registered_limit_id)
_limit = _limits.where(limits.c.id == bindparam("id"))
_registered = sa.select(registered_limits).where(
    registered_limits.c.service_id == bindparam("service"),
    registered_limits.c.region_id == bindparam("region"),
    registered_limits.c.resource_name == bindparam("resource"),
)
_used = sa.select(limits.c.id).where(limits.c.registered_limit_id == bindparam("id")).limit(1)
_of_domain = sa.select(limits.c.resource_limit).where(
    limits.c.registered_limit_id == bindparam("registered"), limits.c.domain_id == bindparam("id")
)
_below = (
    sa.select(
        sa.func.max(limits.c.resource_limit).label("maximum"),
        sa.func.min(limits.c.resource_limit).label("least"),
    )
    .join(projects, projects.c.id == limits.c.project_id)
    .where(
        limits.c.registered_limit_id == bindparam("registered"),
        projects.c.domain_id == bindparam("id"),
    )
)
_in_force = (
    sa.select(
        registered_limits.c.resource_name,
        registered_limits.c.region_id,
        registered_limits.c.default_limit,
        limits.c.resource_limit,
    )
    .join(services, services.c.id == registered_limits.c.service_id)
    .outerjoin(
        limits,
        sa.and_(
            limits.c.registered_limit_id == registered_limits.c.id,
            limits.c.project_id == bindparam("project"),
        ),
    )
    .where(
        services.c.type == bindparam("service"),
        registered_limits.c.region_id.in_(("", bindparam("region"))),
    )
    .order_by(registered_limits.c.region_id)
)


REGISTERED = sa.select(registered_limits)


def visible(
    *, everywhere: bool, domain_id: str | None = None, project_id: str | None = None
) -> sa.Select[Any]:
    """Limits with what their registered limit says: all, those of a domain and its projects, or of a project."""
    if everywhere:
        return _limits
    if domain_id:
        own = sa.select(projects.c.id).where(projects.c.domain_id == domain_id)
        mine = sa.or_(limits.c.domain_id == domain_id, limits.c.project_id.in_(own))
        return _limits.where(mine)
    return _limits.where(limits.c.project_id == project_id if project_id else sa.false())


async def registered(tx: Transaction, registered_id: str) -> Row[Any]:
    """
    Raises:
        NotFound: there is no such registered limit.
    """
    row = await lookup.find(tx, registered_limits, registered_id)
    if row is None:
        raise NotFound(f"Could not find registered limit for {registered_id}.")
    return row


async def get(tx: Transaction, limit_id: str) -> Row[Any]:
    """
    Raises:
        NotFound: there is no such limit.
    """
    row = await find(tx, limit_id)
    if row is None:
        raise NotFound(f"Could not find limit for {limit_id}.")
    return row


async def owner(tx: Transaction, row: Row[Any]) -> dict[str, Any]:
    """Whose a limit is, as rules name it."""
    if not row.project_id:
        return {"target.limit.domain.id": row.domain_id}
    project = await lookup.get(tx, projects, "project", row.project_id)
    return {
        "target.limit.project_id": project.id,
        "target.limit.project.domain_id": project.domain_id,
    }


async def delete(tx: Transaction, row: Row[Any]) -> None:
    """Remove a limit: what is registered for all holds again."""
    await tx.execute(limits.delete().where(limits.c.id == row.id))


async def find(tx: Transaction, limit_id: str) -> Row[Any] | None:
    return await tx.first(_limit, {"id": limit_id})


async def in_force(
    tx: Transaction, service_type: str, project_id: str, region: str
) -> dict[str, int]:
    """What a project may use of a service's resources, by name; -1 is without limit, a missing name has none."""
    named = {"service": service_type, "project": project_id, "region": region}
    found: dict[str, int] = {}
    for row in await tx.all(_in_force, named):  # those of the region come last
        own = row.resource_limit
        found[row.resource_name] = row.default_limit if own is None else own
    return found


async def _check_names(tx: Transaction, values: Mapping[str, Any], what: str) -> None:
    for table, name in ((services, "service_id"), (regions, "region_id")):
        requested = values.get(name)
        if (
            requested
            and await tx.first(sa.select(table.c.id).where(table.c.id == requested)) is None
        ):
            raise BadInput(
                f"Expecting to find valid {name} in {what}: there is no {name[:-3]} {requested}."
            )


async def register(tx: Transaction, requested: Iterable[Mapping[str, Any]]) -> list[str]:
    """Make registered limits; gives their ids.

    Raises:
        BadInput: an unknown service or region. Conflict: there is one for that resource.
    """
    made = []
    for values in requested:
        await _check_names(tx, values, "registered_limit")
        row = {
            "id": new_hex(),
            "service_id": values["service_id"],
            "region_id": values.get("region_id") or "",
            "resource_name": values["resource_name"],
            "default_limit": values["default_limit"],
            "description": values.get("description"),
        }
        await _store(tx, registered_limits, row, "registered_limit")
        made.append(row["id"])
    return made


async def _store(tx: Transaction, table: sa.Table, row: Mapping[str, Any], what: str) -> None:
    try:
        await tx.insert(table, row)
    except Duplicate as error:
        raise Conflict(
            f"Conflict occurred attempting to store {what} - Duplicate entry."
        ) from error


async def change_registered(tx: Transaction, row: Row[Any], values: dict[str, Any]) -> None:
    """
    Raises:
        Forbidden: limits of projects hang on it. Conflict: there is one for that resource.
    """
    await _unused(tx, row)
    await _check_names(tx, values, "registered_limit")
    if "region_id" in values:
        values["region_id"] = values["region_id"] or ""
    if not values:
        return
    try:
        await tx.alter(
            registered_limits.update().where(registered_limits.c.id == row.id).values(**values)
        )
    except Duplicate as error:
        raise Conflict(
            "Conflict occurred attempting to store registered_limit - Duplicate entry."
        ) from error


async def delete_registered(tx: Transaction, row: Row[Any]) -> None:
    """
    Raises:
        Forbidden: limits of projects hang on it.
    """
    await _unused(tx, row)
    await tx.execute(registered_limits.delete().where(registered_limits.c.id == row.id))


async def _unused(tx: Transaction, row: Row[Any]) -> None:
    await tx.serialize("registered_limit", row.id)
    if await tx.first(_used, {"id": row.id}) is not None:
        raise Forbidden(
            f"Unable to update or delete registered limit {row.id} because there are project limits "
            "associated with it."
        )


async def create(tx: Transaction, requested: Iterable[Mapping[str, Any]], model: str) -> list[str]:
    """Make limits for projects and domains, those of domains first; gives their ids in the order they were named.

    Raises:
        BadInput: a project, domain, service or region that is not there.
        Forbidden: nothing is registered for the resource, or the model does not allow it.
        Conflict: there is one already.
    """
    rows: list[dict[str, Any]] = []
    for values in requested:
        await _check_names(tx, values, "limit")
        project_id, domain_id = await _owner(tx, values)
        registered = await tx.first(
            _registered,
            {
                "service": values["service_id"],
                "region": values.get("region_id") or "",
                "resource": values["resource_name"],
            },
        )
        if registered is None:
            raise Forbidden("Unable to create a limit that has no corresponding registered limit.")
        rows.append(
            {
                "id": new_hex(),
                "registered_limit_id": registered.id,
                "project_id": project_id,
                "domain_id": domain_id,
                "resource_limit": values["resource_limit"],
                "description": values.get("description"),
            }
        )
    for row in sorted(rows, key=lambda one: bool(one["project_id"])):
        await tx.serialize("registered_limit", row["registered_limit_id"])
        await _fits(tx, row, model)
        await _store(tx, limits, row, "limit")
    return [row["id"] for row in rows]


async def _owner(tx: Transaction, values: Mapping[str, Any]) -> tuple[str, str]:
    """(project, "") or ("", domain)."""
    name = "project_id" if values.get("project_id") else "domain_id"
    requested = values[name]
    row = await tx.first(
        sa.select(projects.c.id, projects.c.is_domain).where(projects.c.id == requested)
    )
    if row is None or (name == "domain_id" and not row.is_domain):
        raise BadInput(f"Expecting to find valid {name} in limit: there is none {requested}.")
    return ("", requested) if row.is_domain else (requested, "")


async def change(tx: Transaction, row: Row[Any], values: Mapping[str, Any], model: str) -> None:
    """
    Raises:
        Forbidden: the model does not allow it.
    """
    if not values:
        return
    await tx.serialize("registered_limit", row.registered_limit_id)
    await _fits(tx, {**row._mapping, **values}, model)
    await tx.execute(limits.update().where(limits.c.id == row.id).values(**values))


async def _fits(tx: Transaction, row: Mapping[str, Any], model: str) -> None:
    if model == "flat":
        return
    registered = await lookup.get(
        tx, registered_limits, "registered limit", row["registered_limit_id"]
    )
    requested = row["resource_limit"]
    if row["project_id"]:
        owner = await lookup.get(tx, projects, "project", row["project_id"])
        if owner.parent_id != owner.domain_id:
            raise _misfit(row, "its project is not right below its domain")
        above = await tx.scalar(_of_domain, {"registered": registered.id, "id": owner.domain_id})
        maximum = registered.default_limit if above is None else above
        if _more(requested, maximum):
            raise _misfit(row, f"its domain has {maximum}")
        return
    found = await tx.first(_below, {"registered": registered.id, "id": row["domain_id"]})
    if found is not None and found.maximum is not None:
        maximum = -1 if found.least == -1 else found.maximum
        if _more(maximum, requested):
            raise _misfit(row, f"a project of the domain has {maximum}")


def _more(one: int, other: int) -> bool:
    """Whether a limit lets more through than another; -1 lets everything through."""
    return other != -1 and (one == -1 or one > other)


def _misfit(row: Mapping[str, Any], why: str) -> Forbidden:
    owner = row["project_id"] or row["domain_id"]
    level = "project" if row["project_id"] else "domain"
    return Forbidden(
        f"Invalid resource limit: {row['resource_limit']} for {level} {owner} does not satisfy the current "
        f"hierarchy model: {why}."
    )


async def forget(tx: Transaction, *, project: str) -> None:
    """A project or domain is gone."""
    await tx.execute(
        limits.delete().where(sa.or_(limits.c.project_id == project, limits.c.domain_id == project))
    )
