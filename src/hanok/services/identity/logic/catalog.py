"""The catalog: services and endpoints as a token carries them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row

from hanok.base.recent import Recent
from hanok.services.identity.logic import endpoint_filters, rights
from hanok.services.identity.tables import endpoints, service_providers, services
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
    .outerjoin(
        endpoints,
        sa.and_(endpoints.c.service_id == services.c.id, endpoints.c.enabled.is_(True)),
    )
    .where(services.c.enabled.is_(True))
    .order_by(services.c.type, services.c.id, endpoints.c.interface)
)


_providers = (
    sa.select(service_providers)
    .where(service_providers.c.enabled.is_(True))
    .order_by(service_providers.c.id)
)
KEEP_MAXIMUM = 4096


class Catalogs:
    """What catalogs are made of, kept for as long as no fact changes that they hang on (`rights.revision`)."""

    def __init__(self) -> None:
        self._revision = -1
        self._rows: list[Row[Any]] = []
        self._of_projects: Recent[str, list[Row[Any]]] = Recent(KEEP_MAXIMUM)
        self._providers: list[dict[str, str]] = []

    async def of(
        self, tx: Transaction, project_id: str | None
    ) -> tuple[list[Row[Any]], list[dict[str, str]]]:
        """The endpoints that a caller in this scope sees, and the service providers that tokens tell of."""
        revision = await rights.revision(tx)
        if revision != self._revision:
            await self._look(tx)
            self._revision = revision
        if project_id is None:
            return self._rows, self._providers
        rows = self._of_projects.get(project_id)
        if rows is None:
            shown = await endpoint_filters.shown(tx, project_id)
            rows = self._rows if shown is None else [row for row in self._rows if row.id in shown]
            self._of_projects.put(project_id, rows)
        return rows, self._providers

    async def _look(self, tx: Transaction) -> None:
        self._rows = list(await tx.all(_enabled))
        self._providers = [
            {"id": row.id, "auth_url": row.auth_url, "sp_url": row.sp_url}
            for row in await tx.all(_providers)
        ]
        self._of_projects = Recent(KEEP_MAXIMUM)


# Marks that only a project can fill in.
_OF_PROJECT = tuple(f"{sign}({one}_id)s" for sign in "%$" for one in ("project", "tenant"))


def catalog(
    found: list[Row[Any]],
    *,
    project_id: str | None,
    user_id: str,
    origin: str,
    own_origins: Mapping[str, str],
) -> list[dict[str, Any]]:
    """The catalog with its addresses filled in. A service without endpoints is in it, too, as upstream has it.

    Args:
        origin: what stands for "$(origin)s" in an address: where the caller reached us, so that a client beside the
            cloud and one behind a tunnel both get addresses that work for them.
        own_origins: what stands for "$(origin:name)s": of services that have a port of their own.
    """
    made: dict[str, dict[str, Any]] = {}
    for row in found:
        entry = made.setdefault(
            row.service_id,
            {"id": row.service_id, "type": row.type, "name": row.name or "", "endpoints": []},
        )
        if row.id is None:
            continue
        if project_id is None and any(mark in row.url for mark in _OF_PROJECT):
            continue
        url = row.url.replace("$(origin)s", origin)
        for name, own in own_origins.items():
            url = url.replace(f"$(origin:{name})s", own)
        for mark, value in (
            ("project_id", project_id),
            ("tenant_id", project_id),
            ("user_id", user_id),
        ):
            url = url.replace(f"%({mark})s", value or "").replace(f"$({mark})s", value or "")
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
