"""NDP proxies: addresses of IPv6 behind a router that are reached from its external network as they are.

The router's gateway answers neighbours there for each of them. Decisions are here; what ends with a port or an
interface is in `proxied.py`.

Source: Networking API v2.0 reference, "Router NDP proxy".
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput, HanokError
from hanok.services.network.logic import gateways, proxied, subnet_pools
from hanok.services.network.logic.errors import conflict
from hanok.services.network.logic.reach import (
    Reach,
    change,
    get,
    get_any,
    project_of,
    shown,
    standard,
)
from hanok.services.network.logic.scopes import router_scope, touch
from hanok.services.network.room import Network
from hanok.services.network.tables import ip_allocations, ndp_proxies, router_subnets
from hanok.store import Duplicate, Transaction

MAXIMUM_PROXIES = 500  # of a router: each is a line of it

_reached = (
    sa.select(ip_allocations.c.address)
    .join(router_subnets, router_subnets.c.subnet_id == ip_allocations.c.subnet_id)
    .where(
        ip_allocations.c.port_id == bindparam("port"),
        router_subnets.c.router_id == bindparam("router"),
    )
    .order_by(ip_allocations.c.ordinal)
)
_count = (
    sa.select(sa.func.count())
    .select_from(ndp_proxies)
    .where(ndp_proxies.c.router_id == bindparam("router"))
)


async def show(tx: Transaction, rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    names = ("router_id", "port_id", "ip_address")
    return [{**shown(row), **{name: row._mapping[name] for name in names}} for row in rows]


async def create(tx: Transaction, room: Network, reach: Reach, values: Mapping[str, Any]) -> str:
    """Let a router answer for an address of a port behind it.

    Raises:
        BadInput: no address of the port. NotFound; Conflict: the router does not, cannot, or does already.
    """
    project_id = project_of(values, reach)
    router = await get(tx, reach, "router", values["router_id"])
    port = await get(tx, reach, "port", values["port_id"])
    await tx.take_turn(port.id)
    await tx.serialize("network.router", router.id)
    router = await get_any(tx, "router", router.id)
    if not router.ndp_proxy:
        raise conflict(
            "RouterNDPProxyNotEnable",
            f"The enable_ndp_proxy parameter of router {router.id} must be set as True while create "
            "ndp proxy entry on it.",
        )
    if int(await tx.scalar(_count, {"router": router.id}) or 0) >= MAXIMUM_PROXIES:
        raise conflict("OverQuota", f"A router has at most {MAXIMUM_PROXIES} ndp proxies.")
    address = await _address(tx, router, port, values["ip_address"])
    await _one_scope(tx, router, port)
    row = {
        **standard(values, project_id, room.clock.now()),
        "router_id": router.id,
        "port_id": port.id,
        "ip_address": address,
    }
    try:
        await tx.insert(ndp_proxies, row)
    except Duplicate:
        raise conflict(
            "NeutronDbObjectDuplicateEntry",
            f"Router {router.id} has an ndp proxy for {address} already.",
        ) from None
    await touch(tx, room, router_scope(router.id))
    return str(row["id"])


async def _address(tx: Transaction, router: Row[Any], port: Row[Any], requested: str | None) -> str:
    """An address of IPv6 of a port on a subnet that the router is on: the one that is asked for, or the only one."""
    if requested is not None and ipaddress.ip_address(requested).version != 6:
        raise _invalid(requested, "it is not an IPv6 address")
    ends = {"port": port.id, "router": router.id}
    found = [str(one) for one in await tx.scalars(_reached, ends) if ":" in one]
    if not found or port.role != "guest":
        raise conflict(
            "PortUnreachableRouter",
            f"The port {port.id} cannot reach the router {router.id} by IPv6 subnet.",
        )
    if requested is None and len(found) == 1:
        return found[0]
    if requested is None:
        raise _invalid("None", "the port has several, so that one must be specified")
    if requested not in found:
        raise _invalid(requested, f"it is not an address of port {port.id} behind the router")
    return requested


def _invalid(address: str, reason: str) -> HanokError:
    return BadInput(f"The address {address} is invalid, reason: {reason}.", code="InvalidAddress")


async def _one_scope(tx: Transaction, router: Row[Any], port: Row[Any]) -> None:
    """Raises Conflict where addresses mean something else on the other side."""
    ids = [router.gateway_network_id, port.network_id]
    scopes = await subnet_pools.scopes_of(tx, ids)
    outside, inside = (scopes.get((one, 6)) for one in ids)
    if outside != inside:
        raise conflict(
            "AddressScopeConflict",
            f"The IPv6 address scope {outside} of external network conflict with internal network's "
            f"IPv6 address scope {inside}.",
        )


async def update(
    tx: Transaction, room: Network, reach: Reach, row: Row[Any], values: Mapping[str, Any]
) -> None:
    await change(tx, ndp_proxies, row.id, room.clock.now(), values)


async def delete(tx: Transaction, room: Network, reach: Reach, row: Row[Any]) -> None:
    await proxied.drop(tx, room, [row])


async def check_able(tx: Transaction, router: Row[Any]) -> None:
    """Hold a router that is to answer neighbours against its gateway.

    Raises:
        Conflict: it has no address of IPv6 outside, and so nowhere to answer; or those there are of no scope, by
            which upstream knows that those inside mean the same there.
    """
    near = await gateways.outside_subnets(tx, router)
    reason = ""
    if not any(":" in one.cidr for one in near):
        reason = "the router has no external gateway with an IPv6 address"
    else:
        outside = [one.network_id for one in await gateways.of_router(tx, router)]
        scopes = await subnet_pools.scopes_of(tx, outside)
        if not any(scopes.get((one, 6)) for one in outside):
            reason = "the external network has no IPv6 address scope"
    if reason:
        raise conflict(
            "RouterGatewayNotValid", f"Can not enable ndp proxy on router {router.id}, {reason}."
        )
