"""Where a load balancer stands in the network: what its provider in OVN must know to write it."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy import Row, bindparam

from hanok.services.network.logic import addresses
from hanok.services.network.tables import (
    floating_ips,
    ip_allocations,
    ports,
    router_subnets,
    subnets,
)
from hanok.store import Transaction


def _among(column: sa.ColumnElement[Any], name: str = "ids") -> sa.ColumnElement[bool]:
    return column.in_(bindparam(name, expanding=True))


_port = sa.select(ports.c.mac_address, ports.c.network_id).where(ports.c.id == bindparam("port"))
_held = (
    sa.select(ip_allocations.c.address, subnets.c.cidr, subnets.c.gateway_ip)
    .join(subnets, subnets.c.id == ip_allocations.c.subnet_id)
    .where(ip_allocations.c.port_id == bindparam("port"))
    .order_by(ip_allocations.c.ordinal)
)
_routers = (
    sa.select(router_subnets.c.router_id)
    .join(subnets, subnets.c.id == router_subnets.c.subnet_id)
    .where(subnets.c.network_id == bindparam("network"))
    .distinct()
)
_behind = (
    sa.select(subnets.c.network_id)
    .join(router_subnets, router_subnets.c.subnet_id == subnets.c.id)
    .where(_among(router_subnets.c.router_id))
    .distinct()
)
_networks = sa.select(subnets.c.network_id).where(_among(subnets.c.id)).distinct()
_floating = (
    sa.select(floating_ips.c.floating_ip_address)
    .where(
        floating_ips.c.port_id == bindparam("port"),
        _among(floating_ips.c.fixed_ip_address, "addresses"),
        floating_ips.c.router_id.is_not(None),
    )
    .order_by(floating_ips.c.floating_ip_address)
)
_at = (
    sa.select(ip_allocations.c.address, ip_allocations.c.subnet_id, ports.c.id, ports.c.network_id)
    .join(ports, ports.c.id == ip_allocations.c.port_id)
    .where(
        _among(ports.c.network_id, "networks"),
        _among(ip_allocations.c.address, "addresses"),
        ports.c.role == "guest",
    )
    .order_by(ports.c.id)
)
# Checks of members come from an address of their own: the switch answers for it with the checks' own MAC, and whoever
# knew the metadata service by it would not find that any more. It is the metadata port's, and goes with that.
CHECKS = 1000
_asking = (
    sa.select(ip_allocations.c.address, ip_allocations.c.subnet_id)
    .join(ports, ports.c.id == ip_allocations.c.port_id)
    .where(
        _among(ports.c.network_id, "networks"),
        ports.c.role == "metadata",
        ip_allocations.c.ordinal == CHECKS,
    )
)
_metadata_port = sa.select(ports.c.id).where(
    ports.c.network_id == bindparam("network"), ports.c.role == "metadata"
)
_its_subnets = sa.select(subnets).where(_among(subnets.c.id), subnets.c.ip_version == 4)
_checks_of = sa.select(ip_allocations.c.address).where(
    ip_allocations.c.subnet_id == bindparam("subnet"),
    ip_allocations.c.port_id == bindparam("port"),
    ip_allocations.c.ordinal == CHECKS,
)


class Surroundings(Struct, frozen=True, kw_only=True):
    """What is around a load balancer's port.

    addresses: with prefix length. gateways: of its subnets. switches: networks whose guests may ask it. routers: those
    on its network. sources: of members that are ports, by address, the port's id and an address that can ask it.
    """

    network_id: str
    mac: str
    addresses: tuple[str, ...]
    gateways: tuple[str, ...]
    floating: tuple[str, ...]
    switches: tuple[str, ...]
    routers: tuple[str, ...]
    sources: dict[str, tuple[str, str]]


async def around(
    tx: Transaction,
    port_id: str,
    vips: Sequence[str],
    members: Sequence[tuple[str, str | None]],
) -> Surroundings | None:
    """What is around a port; None where it is gone.

    Args:
        vips: those of its addresses that are meant. members: addresses, each with its subnet's id or None.
    """
    port = await tx.first(_port, {"port": port_id})
    if port is None:
        return None
    held = [one for one in await tx.all(_held, {"port": port_id}) if one.address in vips]
    routers = sorted(await tx.scalars(_routers, {"network": port.network_id}))
    switches = await _switches(tx, port.network_id, routers, members)
    floating = await tx.scalars(_floating, {"port": port_id, "addresses": list(vips)})
    return Surroundings(
        network_id=port.network_id,
        mac=port.mac_address,
        addresses=tuple(f"{one.address}/{_prefix(one)}" for one in held),
        gateways=tuple(dict.fromkeys(one.gateway_ip for one in held if one.gateway_ip)),
        floating=tuple(floating),
        switches=tuple(sorted(switches)),
        routers=tuple(routers),
        sources=await _sources(tx, sorted(switches), members),
    )


async def _switches(
    tx: Transaction,
    network_id: str,
    routers: Sequence[str],
    members: Sequence[tuple[str, str | None]],
) -> set[str]:
    """Networks whose guests may ask a load balancer on a network, or be its members."""
    found = {network_id, *await tx.scalars(_behind, {"ids": list(routers)})}
    named = sorted({subnet for _, subnet in members if subnet})
    return found | set(await tx.scalars(_networks, {"ids": named}))


async def let_check(
    tx: Transaction, port_id: str, members: Sequence[tuple[str, str | None]]
) -> None:
    """The subnets of members of a load balancer at this port have an address each that checks come from."""
    port = await tx.first(_port, {"port": port_id})
    if port is None:
        return
    routers = sorted(await tx.scalars(_routers, {"network": port.network_id}))
    switches = sorted(await _switches(tx, port.network_id, routers, members))
    subnet_of = dict(members)
    at = {"networks": switches, "addresses": sorted(subnet_of)}
    ids = {
        row.subnet_id
        for row in await tx.all(_at, at)
        if subnet_of[row.address] in (None, row.subnet_id)
    }
    for subnet in await tx.all(_its_subnets, {"ids": sorted(ids)}):
        await addresses.lock(tx, subnet.id)
        asks = await tx.scalar(_metadata_port, {"network": subnet.network_id})
        if asks and not await tx.first(_checks_of, {"subnet": subnet.id, "port": asks}):
            await addresses.take_next(tx, subnet, asks, ordinal=CHECKS)


def _prefix(row: Row[Any]) -> int:
    return ipaddress.ip_network(row.cidr).prefixlen


async def _sources(
    tx: Transaction, networks: Sequence[str], members: Sequence[tuple[str, str | None]]
) -> dict[str, tuple[str, str]]:
    """Of members that are ports, by address: the port, and the address beside it that checks come from."""
    theirs = sorted({address for address, _ in members})
    asking: dict[str, list[str]] = {}
    for row in await tx.all(_asking, {"networks": list(networks)}):
        asking.setdefault(row.subnet_id, []).append(row.address)
    subnet_of = dict(members)
    found: dict[str, tuple[str, str]] = {}
    for row in await tx.all(_at, {"networks": list(networks), "addresses": theirs}):
        beside = asking.get(row.subnet_id)
        if beside and subnet_of.get(row.address) in (None, row.subnet_id):
            found.setdefault(row.address, (row.id, min(beside)))
    return found
