"""Scopes: which part of OVN must be written anew, counted in the transaction that makes it so."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam

from hanok.drivers.ovn.topology import (
    GROUND,
    address_group_scope,
    floating_ip_scope,
    network_scope,
    port_scope,
    router_scope,
    security_group_scope,
)
from hanok.services.network.room import Network
from hanok.services.network.tables import dhcp_options, router_gateways, routers, scopes
from hanok.store import Transaction

__all__ = [
    "GROUND",
    "address_group_scope",
    "floating_ip_scope",
    "network_scope",
    "port_scope",
    "router_scope",
    "security_group_scope",
    "touch",
    "touch_gateways",
    "touch_several",
    "whole_network",
]

_told_apart = (
    sa.select(dhcp_options.c.port_id)
    .where(dhcp_options.c.network_id == bindparam("network"))
    .distinct()
)
_with_gateway = sa.select(routers.c.id).where(routers.c.gateway_port_id.is_not(None))


@cache
def _raise(dialect: str) -> Any:
    """One more change is wanted in a scope, known or new."""
    # Each database says it in its own words; the other one's need not be loaded.
    if dialect == "sqlite":
        from sqlalchemy.dialects.sqlite import insert
    else:
        from sqlalchemy.dialects.postgresql import insert  # type: ignore[assignment]
    return (
        insert(scopes)
        .values(scope=bindparam("name"), wanted=1, applied=0)
        .on_conflict_do_update(index_elements=["scope"], set_={"wanted": scopes.c.wanted + 1})
    )


async def touch(tx: Transaction, room: Network, *names: str) -> None:
    """These scopes differ from what OVN has; the reconciler looks once this is durable."""
    await touch_all(tx, room, names)


async def touch_all(tx: Transaction, room: Network, names: Iterable[str]) -> None:
    changed = sorted(set(names))
    if not changed:
        return
    # In one order, so that two transactions never wait for each other.
    await tx.execute(_raise(tx.dialect), [{"name": name} for name in changed])
    tx.after_commit(room.wake)


async def whole_network(tx: Transaction, network_id: str) -> list[str]:
    """The scopes of what a network tells its guests: its own, and of ports that DHCP tells something else."""
    apart = await tx.scalars(_told_apart, {"network": network_id})
    return [network_scope(network_id), *map(port_scope, apart)]


_several = (
    sa.select(router_gateways.c.router_id)
    .where(router_gateways.c.router_id.in_(bindparam("ids", expanding=True)))
    .distinct()
)


async def touch_several(tx: Transaction, room: Network, ids: Iterable[str | None]) -> None:
    """Those of these routers that have several gateways: they know by which one answers of a floating IP go."""
    found = await tx.scalars(_several, {"ids": [one for one in ids if one]})
    await touch_all(tx, room, [router_scope(one) for one in found])


async def touch_gateways(tx: Transaction, room: Network) -> None:
    """All routers with a gateway: the hosts that may carry one have changed."""
    await touch_all(tx, room, [router_scope(one) for one in await tx.scalars(_with_gateway)])
