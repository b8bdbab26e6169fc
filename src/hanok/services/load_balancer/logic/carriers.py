"""What carries load balancers, as operators know it: "amphorae".

Upstream has helper machines. Here one process carries each load balancer of the provider `proxy`, and that is what is
shown: no server stands behind it, so it is its own.

Source: Load Balancer API v2 reference, "Amphora".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy import Row

from hanok.base.errors import Conflict
from hanok.services.load_balancer.logic.common import when
from hanok.services.load_balancer.providers.model import Stats, Tree
from hanok.services.load_balancer.room import LoadBalancing, Reach
from hanok.services.load_balancer.tables import load_balancers
from hanok.store import Transaction

_status = sa.case(
    (load_balancers.c.provisioning_status == "PENDING_CREATE", "BOOTING"),
    (load_balancers.c.provisioning_status == "ERROR", "ERROR"),
    else_="ALLOCATED",
)
CARRIERS = (
    sa.select(
        load_balancers.c.carrier_id.label("id"),
        load_balancers.c.id.label("loadbalancer_id"),
        load_balancers.c.carrier_id.label("compute_id"),
        load_balancers.c.vip_address.label("ha_ip"),
        load_balancers.c.vip_port_id.label("ha_port_id"),
        load_balancers.c.availability_zone.label("cached_zone"),
        _status.label("status"),
        load_balancers.c.created_at,
        load_balancers.c.updated_at,
    )
    .where(load_balancers.c.carrier_id.is_not(None))
    .subquery("carriers")
)
_NONE = (
    "lb_network_ip", "cert_expiration", "vrrp_interface", "vrrp_id", "vrrp_priority", "image_id",
    "compute_flavor",
)  # fmt: skip


async def show(tx: Transaction, rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    return [
        {
            **dict.fromkeys(_NONE),
            **row._mapping,
            "vrrp_ip": row.ha_ip,
            "vrrp_port_id": row.ha_port_id,
            "cert_busy": False,
            "role": "STANDALONE",
            "created_at": when(row.created_at),
            "updated_at": when(row.updated_at or row.created_at),
        }
        for row in rows
    ]


async def delete(tx: Transaction, room: LoadBalancing, reach: Reach, row: Row[Any]) -> None:
    """Raises Conflict: it goes with its load balancer."""
    raise Conflict(
        f"Amphora {row.id} is immutable and cannot be deleted: it carries a load balancer."
    )


def stats(carrier_id: str, tree: Tree, found: Mapping[str, Stats]) -> list[dict[str, Any]]:
    """What it has carried, by listener."""
    return [
        {
            "id": carrier_id,
            "loadbalancer_id": tree.id,
            "listener_id": one.id,
            **msgspec.to_builtins(found.get(one.id, Stats())),
        }
        for one in tree.listeners
    ]
