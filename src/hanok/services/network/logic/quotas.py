"""Network's quotas: what is counted, and the service's words when a limit would be passed."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam

from hanok.limits import OverLimit, Resource
from hanok.services.network.logic.errors import QuotaReached
from hanok.services.network.room import NetworkRoom
from hanok.services.network.tables import (
    floating_ips,
    networks,
    ports,
    routers,
    security_group_rules,
    security_groups,
    subnets,
)
from hanok.store import Transaction


def _rows(table: sa.Table) -> sa.Select[Any]:
    return (
        sa.select(sa.func.count())
        .select_from(table)
        .where(table.c.project_id == bindparam("owner"))
    )


RESOURCES = (
    Resource(name="network", default=100, count=_rows(networks)),
    Resource(name="subnet", default=100, count=_rows(subnets)),
    Resource(name="port", default=500, count=_rows(ports)),
    Resource(name="router", default=10, count=_rows(routers)),
    Resource(name="floatingip", default=50, count=_rows(floating_ips)),
    Resource(name="security_group", default=10, count=_rows(security_groups)),
    Resource(name="security_group_rule", default=100, count=_rows(security_group_rules)),
)


async def check(
    tx: Transaction, room: NetworkRoom, project_id: str, resource: str, more: int = 1
) -> None:
    """Hold what is to be added against the limit. Nobody adds at the same time.

    Raises:
        QuotaReached
    """
    if not project_id:
        return
    try:
        await room.limits.check(tx, project_id, {resource: more})
    except OverLimit as error:
        raise QuotaReached(error.message, code="OverQuota") from error
