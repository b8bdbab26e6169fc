"""Network's quotas: limits of projects, what is used, and the check in the transaction that adds."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy import bindparam

from hanok.services.network.logic.errors import QuotaReached
from hanok.services.network.tables import (
    floating_ips,
    networks,
    ports,
    quotas,
    routers,
    security_group_rules,
    security_groups,
    subnets,
)
from hanok.store import Transaction

DEFAULTS: dict[str, int] = {
    "network": 100,
    "subnet": 100,
    "port": 500,
    "router": 10,
    "floatingip": 50,
    "security_group": 10,
    "security_group_rule": 100,
}
_TABLES = {
    "network": networks,
    "subnet": subnets,
    "port": ports,
    "router": routers,
    "floatingip": floating_ips,
    "security_group": security_groups,
    "security_group_rule": security_group_rules,
}
_count = {
    name: sa.select(sa.func.count())
    .select_from(table)
    .where(table.c.project_id == bindparam("project"))
    for name, table in _TABLES.items()
}
_of = sa.select(quotas.c.resource, quotas.c.most).where(quotas.c.project_id == bindparam("project"))
_one = sa.select(quotas.c.most).where(
    quotas.c.project_id == bindparam("project"), quotas.c.resource == bindparam("resource")
)
_all = sa.select(quotas).order_by(quotas.c.project_id)


async def limits(tx: Transaction, project_id: str) -> dict[str, int]:
    """A project's limits; -1 is no limit."""
    rows = await tx.all(_of, {"project": project_id})
    return {**DEFAULTS, **{row.resource: row.most for row in rows}}


async def all_limits(tx: Transaction) -> dict[str, dict[str, int]]:
    """The limits of the projects that have some of their own."""
    found: dict[str, dict[str, int]] = {}
    for row in await tx.all(_all):
        found.setdefault(row.project_id, dict(DEFAULTS))[row.resource] = row.most
    return found


async def used(tx: Transaction, project_id: str) -> dict[str, int]:
    return {
        name: int(await tx.scalar(statement, {"project": project_id}))
        for name, statement in _count.items()
    }


async def set_limits(tx: Transaction, project_id: str, wanted: Mapping[str, int]) -> None:
    for resource, most in wanted.items():
        await tx.execute(
            quotas.delete().where(quotas.c.project_id == project_id, quotas.c.resource == resource)
        )
        await tx.insert(quotas, {"project_id": project_id, "resource": resource, "most": most})


async def reset(tx: Transaction, project_id: str) -> None:
    await tx.execute(quotas.delete().where(quotas.c.project_id == project_id))


async def check(tx: Transaction, project_id: str, resource: str, more: int = 1) -> None:
    """Hold what is to be added against the limit. Nobody adds at the same time.

    Raises:
        QuotaReached
    """
    if not project_id:
        return
    await tx.serialize("network.quota", project_id)
    own = await tx.scalar(_one, {"project": project_id, "resource": resource})
    most = DEFAULTS[resource] if own is None else int(own)
    if most < 0:
        return
    if int(await tx.scalar(_count[resource], {"project": project_id})) + more > most:
        raise QuotaReached(f"Quota exceeded for resources: ['{resource}'].", code="OverQuota")
