"""Services of the catalog."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row

from hanok.base.ids import new_hex
from hanok.services.identity.logic import endpoint_policies, endpoints, lookup
from hanok.services.identity.tables import services
from hanok.store import Transaction

ALL = sa.select(services)


async def get(tx: Transaction, service_id: str) -> Row[Any]:
    """
    Raises:
        NotFound: there is no such service.
    """
    return await lookup.get(tx, services, "service", service_id)


async def create(tx: Transaction, values: dict[str, Any], extra: dict[str, Any]) -> Row[Any]:
    """A new service; several may be of one type."""
    service_id = new_hex()
    row = {
        "id": service_id,
        "type": values["type"],
        "name": values.get("name"),
        "description": values.get("description"),
        "enabled": values.get("enabled", True),
        "extra": extra,
    }
    await tx.insert(services, row)
    return await get(tx, service_id)


async def update(
    tx: Transaction, row: Row[Any], values: dict[str, Any], extra: dict[str, Any]
) -> Row[Any]:
    """Change a service; what else it has is added to what it had."""
    changes = values | ({"extra": {**row.extra, **extra}} if extra else {})
    if changes:
        await tx.execute(services.update().where(services.c.id == row.id).values(**changes))
    return await get(tx, row.id)


async def delete(tx: Transaction, row: Row[Any]) -> None:
    """Remove a service with its endpoints."""
    for endpoint_id in await endpoints.of_service(tx, row.id):
        await endpoints.delete(tx, endpoint_id)
    await endpoint_policies.forget(tx, service=row.id)
    await tx.execute(services.delete().where(services.c.id == row.id))
