"""Regions, which may be in each other."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput, Conflict, Forbidden
from hanok.services.identity.logic import endpoint_policies, lookup
from hanok.services.identity.tables import endpoints, regions
from hanok.store import Duplicate, Transaction

ALL = sa.select(regions)
_below = sa.select(regions.c.id).where(
    regions.c.parent_region_id.in_(bindparam("above", expanding=True))
)
_used = (
    sa.select(endpoints.c.id)
    .where(endpoints.c.region_id.in_(bindparam("inside", expanding=True)))
    .limit(1)
)


async def get(tx: Transaction, region_id: str) -> Row[Any]:
    """
    Raises:
        NotFound: there is no such region.
    """
    return await lookup.get(tx, regions, "region", region_id)


async def create(
    tx: Transaction, region_id: str, values: dict[str, Any], extra: dict[str, Any]
) -> Row[Any]:
    """A new region.

    Raises:
        NotFound: the one above is not there. Conflict: there is one of this id.
    """
    if values.get("parent_region_id"):
        await tx.keep(values["parent_region_id"])
        await get(tx, values["parent_region_id"])
    row = {
        "id": region_id,
        "parent_region_id": values.get("parent_region_id"),
        "description": values.get("description") or "",
        "extra": extra,
    }
    try:
        await tx.insert(regions, row)
    except Duplicate as error:
        raise Conflict(
            f"Conflict occurred attempting to store region - {region_id} exists."
        ) from error
    return await get(tx, region_id)


async def update(
    tx: Transaction, row: Row[Any], values: dict[str, Any], extra: dict[str, Any]
) -> Row[Any]:
    """Change a region.

    Raises:
        NotFound: the one above is not there. BadInput: it would be in itself.
    """
    changes = {name: value for name, value in values.items() if name != "id"}
    parent = changes.get("parent_region_id")
    while parent is not None:
        if parent == row.id:
            raise BadInput("A region cannot be its own parent.")
        parent = (await get(tx, parent)).parent_region_id
    if "description" in changes:
        changes["description"] = changes["description"] or ""
    if extra:
        changes["extra"] = {**row.extra, **extra}
    if changes:
        await tx.execute(regions.update().where(regions.c.id == row.id).values(**changes))
    return await get(tx, row.id)


async def delete(tx: Transaction, row: Row[Any]) -> None:
    """Remove a region with the regions in it, as upstream does.

    Raises:
        Forbidden: endpoints are in it or in one of those.
    """
    inside, new = {row.id}, {row.id}
    while new:
        new = set(await tx.scalars(_below, {"above": sorted(new)})) - inside
        inside |= new
    if await tx.first(_used, {"inside": sorted(inside)}) is not None:
        raise Forbidden(
            f"Unable to delete region {row.id} because it or its child regions have associated endpoints."
        )
    for region_id in inside:
        await endpoint_policies.forget(tx, region=region_id)
    await tx.execute(regions.delete().where(regions.c.id.in_(inside)))
