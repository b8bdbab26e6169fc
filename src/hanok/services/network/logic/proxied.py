"""NDP proxies as routers and ports have them: what is answered for, and what ends with a port.

Decisions on them are in `ndp_proxies.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.services.network.logic.errors import conflict
from hanok.services.network.logic.scopes import router_scope, touch
from hanok.services.network.room import Network
from hanok.services.network.tables import ip_allocations, ndp_proxies
from hanok.store import Transaction

_of_routers = (
    sa.select(ndp_proxies)
    .where(ndp_proxies.c.router_id.in_(bindparam("ids", expanding=True)))
    .order_by(ndp_proxies.c.ip_address)
)
_of_port = sa.select(ndp_proxies).where(ndp_proxies.c.port_id == bindparam("port"))
_drop = ndp_proxies.delete().where(ndp_proxies.c.id.in_(bindparam("ids", expanding=True)))
_in_subnets = (
    sa.select(ip_allocations.c.subnet_id)
    .join(
        ndp_proxies,
        sa.and_(
            ndp_proxies.c.port_id == ip_allocations.c.port_id,
            ndp_proxies.c.ip_address == ip_allocations.c.address,
        ),
    )
    .where(
        ndp_proxies.c.router_id == bindparam("router"),
        ip_allocations.c.subnet_id.in_(bindparam("subnets", expanding=True)),
    )
    .limit(1)
)


async def of_routers(tx: Transaction, ids: Sequence[str]) -> dict[str, list[str]]:
    """The addresses that routers answer for."""
    found: dict[str, list[str]] = {}
    for row in await tx.all(_of_routers, {"ids": list(ids)}):
        found.setdefault(row.router_id, []).append(row.ip_address)
    return found


async def drop(tx: Transaction, room: Network, rows: Sequence[Row[Any]]) -> None:
    """These are answered for no longer."""
    if rows:
        await tx.execute(_drop, {"ids": [row.id for row in rows]})
        await touch(tx, room, *(router_scope(row.router_id) for row in rows))


async def release(tx: Transaction, room: Network, port_id: str, address: str | None = None) -> None:
    """A port is gone, or one of its addresses."""
    rows = await tx.all(_of_port, {"port": port_id})
    await drop(tx, room, [row for row in rows if address in (None, row.ip_address)])


async def none_of_router(tx: Transaction, router: Row[Any]) -> None:
    """Raises Conflict where a router answers for something, and so needs its gateway."""
    if (await of_routers(tx, [router.id])).get(router.id):
        raise conflict(
            "RouterGatewayInUseByNDPProxy",
            f"Unable to unset external gateway of router {router.id}, There are one or more ndp "
            "proxies still in use on the router.",
        )


async def none_on(tx: Transaction, router: Row[Any], subnets: Sequence[str]) -> None:
    """Raises Conflict where a router answers for something on these subnets."""
    used = await tx.scalar(_in_subnets, {"router": router.id, "subnets": list(subnets)})
    if used is not None:
        raise conflict(
            "RouterInterfaceInUseByNDPProxy",
            f"Unable to remove subnet {used} from router {router.id}, There are one or more ndp "
            "proxies still in use on the subnet.",
        )
