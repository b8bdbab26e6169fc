"""The catalog: services and endpoints as a token carries them."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row

from hanok.services.identity.logic import endpoint_filters
from hanok.services.identity.tables import endpoints, services
from hanok.store import Transaction

_enabled = (
    sa.select(
        services.c.id.label("service_id"),
        services.c.type,
        services.c.name,
        endpoints.c.id,
        endpoints.c.interface,
        endpoints.c.region_id,
        endpoints.c.url,
    )
    .join(endpoints, endpoints.c.service_id == services.c.id)
    .where(services.c.enabled.is_(True), endpoints.c.enabled.is_(True))
    .order_by(services.c.type, services.c.id, endpoints.c.interface)
)


async def rows(tx: Transaction) -> list[Row[Any]]:
    return list(await tx.all(_enabled))


async def rows_for(tx: Transaction, project_id: str | None) -> list[Row[Any]]:
    """The endpoints that a caller in this scope sees."""
    found = await rows(tx)
    shown = None if project_id is None else await endpoint_filters.shown(tx, project_id)
    return found if shown is None else [row for row in found if row.id in shown]


def catalog(
    found: list[Row[Any]], *, project_id: str | None, user_id: str, origin: str
) -> list[dict[str, Any]]:
    """The catalog with its addresses filled in.

    Args:
        origin: what stands for "$(origin)s" in an address: where the caller reached us, so that a client beside the
            cloud and one behind a tunnel both get addresses that work for them.
    """
    made: dict[str, dict[str, Any]] = {}
    for row in found:
        if ("%(project_id)s" in row.url or "%(tenant_id)s" in row.url) and project_id is None:
            continue
        url = row.url.replace("$(origin)s", origin)
        for mark, value in (
            ("project_id", project_id),
            ("tenant_id", project_id),
            ("user_id", user_id),
        ):
            url = url.replace(f"%({mark})s", value or "").replace(f"$({mark})s", value or "")
        entry = made.setdefault(
            row.service_id,
            {"id": row.service_id, "type": row.type, "name": row.name or "", "endpoints": []},
        )
        entry["endpoints"].append(
            {
                "id": row.id,
                "interface": row.interface,
                "region_id": row.region_id,
                "region": row.region_id,
                "url": url,
            }
        )
    return list(made.values())
