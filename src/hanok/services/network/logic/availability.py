"""How many addresses networks have, and how many of them are given out.

Source: Networking API v2.0 reference, "Network IP availability".
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row

from hanok.services.network.logic.addresses import network_of, spans_of
from hanok.services.network.tables import ip_allocations, networks, subnets
from hanok.store import Transaction

_subnets = sa.select(subnets).order_by(subnets.c.created_at, subnets.c.id)
_used = sa.select(ip_allocations.c.subnet_id, sa.func.count().label("used")).group_by(
    ip_allocations.c.subnet_id
)
_networks = sa.select(networks.c.id, networks.c.name, networks.c.project_id).order_by(networks.c.id)


async def of_networks(
    tx: Transaction, *, network_id: str | None = None, versions: Collection[int] = (4, 6)
) -> list[dict[str, Any]]:
    """The availability of every network, or of one.

    Args:
        versions: of IP; where it is one, networks without a subnet of it are left out.
    """
    parents, parts, counts = _networks, _subnets.where(subnets.c.ip_version.in_(versions)), _used
    if network_id is not None:
        parents = parents.where(networks.c.id == network_id)
        parts = parts.where(subnets.c.network_id == network_id)
        counts = counts.where(ip_allocations.c.network_id == network_id)
    used = {row.subnet_id: row.used for row in await tx.all(counts)}
    theirs: dict[str, list[dict[str, Any]]] = {}
    for row in await tx.all(parts):
        theirs.setdefault(row.network_id, []).append(_of_subnet(row, used))
    return [
        _of_network(row, theirs.get(row.id, []))
        for row in await tx.all(parents)
        if len(versions) > 1 or row.id in theirs  # one without subnets is of no version
    ]


def _of_network(row: Row[Any], parts: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "network_id": row.id,
        "network_name": row.name,
        "project_id": row.project_id,
        "tenant_id": row.project_id,
        "total_ips": sum(one["total_ips"] for one in parts),
        "used_ips": sum(one["used_ips"] for one in parts),
        "subnet_ip_availability": parts,
    }


def _of_subnet(row: Row[Any], used: Mapping[str, int]) -> dict[str, Any]:
    """What a subnet's pools hold; without pools, what there is in it."""
    spans = spans_of(row.allocation_pools)
    total = sum(last - first + 1 for first, last in spans)
    whole = network_of(row.cidr).num_addresses
    return {
        "subnet_id": row.id,
        "subnet_name": row.name,
        "cidr": row.cidr,
        "ip_version": row.ip_version,
        "total_ips": total or max(whole - 2, 1),
        "used_ips": used.get(row.id, 0),
    }
