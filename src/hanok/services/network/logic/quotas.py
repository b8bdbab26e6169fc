"""Network's quotas: what is counted, and the service's words when a limit would be passed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam

from hanok.limits import OverLimit, Resource
from hanok.services.network.logic.errors import QuotaReached, bad
from hanok.services.network.room import Network
from hanok.services.network.tables import (
    address_groups,
    floating_ips,
    networks,
    ports,
    qos_policies,
    rbac_policies,
    routers,
    security_group_rules,
    security_groups,
    subnet_pools,
    subnets,
    trunks,
)
from hanok.store import Transaction


def _counted(name: str, table: sa.Table, default: int) -> Resource:
    """The rows of a project; unified limits call it by the same name."""
    count: sa.Select[Any] = (
        sa.select(sa.func.count())
        .select_from(table)
        .where(table.c.project_id == bindparam("owner"))
    )
    return Resource(name=name, default=default, registered=name, count=count)


RESOURCES = (
    _counted("network", networks, 100),
    _counted("subnet", subnets, 100),
    _counted("port", ports, 500),
    _counted("router", routers, 10),
    _counted("floatingip", floating_ips, 50),
    _counted("security_group", security_groups, 10),
    _counted("security_group_rule", security_group_rules, 100),
    _counted("subnetpool", subnet_pools, -1),
    _counted("rbac_policy", rbac_policies, 10),
    _counted("trunk", trunks, -1),
    _counted("address_group", address_groups, 50),
    _counted("qos_policy", qos_policies, 50),
)


async def check_lower(
    tx: Transaction, room: Network, project_id: str, limits: Mapping[str, int]
) -> None:
    """Hold new limits against what is used.

    Raises:
        BadInput: more is used.
    """
    used = await room.limits.used(tx, project_id)
    over = [
        f"{name}: {limit} is less than the {used[name]} in use"
        for name, limit in sorted(limits.items())
        if 0 <= limit < used[name]
    ]
    if over:
        raise bad("quota", ", ".join(over))


async def left(tx: Transaction, room: Network, project_id: str, resource: str) -> int | None:
    """How many more of a resource a project may have now, at least 0; None: there is no limit."""
    maximum = (await room.limits.maximums(tx, project_id))[resource]
    if maximum < 0:
        return None
    used = await room.limits.used(tx, project_id, (resource,))
    return max(0, maximum - used[resource])


async def check(
    tx: Transaction, room: Network, project_id: str, resource: str, more: int = 1
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
