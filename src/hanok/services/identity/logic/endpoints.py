"""Endpoints of services."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput
from hanok.base.ids import new_hex
from hanok.services.identity.logic import endpoint_filters, endpoint_policies, lookup
from hanok.services.identity.tables import endpoints, regions, services
from hanok.store import Transaction

INTERFACES = ("public", "internal", "admin")
ALL = sa.select(endpoints)
_of_service = sa.select(endpoints.c.id).where(endpoints.c.service_id == bindparam("service"))


def among(ids: Collection[str]) -> sa.Select[Any]:
    """These endpoints."""
    return ALL.where(endpoints.c.id.in_(list(ids)))


async def get(tx: Transaction, endpoint_id: str) -> Row[Any]:
    """
    Raises:
        NotFound: there is no such endpoint.
    """
    return await lookup.get(tx, endpoints, "endpoint", endpoint_id)


async def of_service(tx: Transaction, service_id: str) -> Sequence[str]:
    """The ids of a service's endpoints."""
    return await tx.scalars(_of_service, {"service": service_id})


async def create(tx: Transaction, values: dict[str, Any], extra: dict[str, Any]) -> Row[Any]:
    """A new endpoint. Source: Identity API reference, "Create endpoint".

    Raises:
        BadInput: no such service, region or interface.
    """
    row: dict[str, Any] = {"id": new_hex(), "enabled": True, "region_id": None, "extra": extra}
    row |= await _checked(tx, values)
    await tx.insert(endpoints, row)
    return await get(tx, row["id"])


async def update(
    tx: Transaction, row: Row[Any], values: dict[str, Any], extra: dict[str, Any]
) -> Row[Any]:
    """Change an endpoint.

    Raises:
        BadInput: no such service, region or interface.
    """
    changes = await _checked(tx, values)
    if extra:
        changes["extra"] = {**row.extra, **extra}
    if changes:
        await tx.execute(endpoints.update().where(endpoints.c.id == row.id).values(**changes))
    return await get(tx, row.id)


async def delete(tx: Transaction, endpoint_id: str) -> None:
    """Remove an endpoint with what was given of it."""
    await endpoint_policies.forget(tx, endpoint=endpoint_id)
    await endpoint_filters.forget(tx, endpoint=endpoint_id)
    await tx.execute(endpoints.delete().where(endpoints.c.id == endpoint_id))


async def _checked(tx: Transaction, values: dict[str, Any]) -> dict[str, Any]:
    """The columns for what was sent."""
    changes: dict[str, Any] = {
        name: values[name]
        for name in ("service_id", "interface", "url", "enabled")
        if name in values
    }
    if changes.get("interface", "public") not in INTERFACES:
        raise BadInput("Invalid input for field 'interface': it is public, internal or admin.")
    if "service_id" in changes:
        await _known(tx, services, "service", changes["service_id"])
    if "region_id" in values:
        changes["region_id"] = values["region_id"]
        if values["region_id"] is not None:
            await _known(tx, regions, "region", values["region_id"])
    elif "region" in values:
        changes["region_id"] = values["region"]
        if values["region"] is not None:
            await _make_region(tx, values["region"])
    return changes


async def _known(tx: Transaction, table: sa.Table, what: str, value: str) -> None:
    """Raises BadInput when what the body names is not there; upstream says so with 400, not 404."""
    await tx.keep(value)
    if await lookup.find(tx, table, value) is None:
        raise BadInput(f"Invalid input for field '{what}_id': could not find {what}: {value}.")


async def _make_region(tx: Transaction, region_id: str) -> None:
    """The region that older clients name; it is made where it is missing."""
    row: dict[str, Any] = {
        "id": region_id,
        "parent_region_id": None,
        "description": "",
        "extra": {},
    }
    await tx.insert_missing(regions, row)
