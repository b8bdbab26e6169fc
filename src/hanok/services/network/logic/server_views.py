"""What users see of the ports of servers: addresses and groups. A page of a thousand servers asks for it at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from msgspec import Struct, field
from sqlalchemy import bindparam

from hanok.services.network.tables import (
    floating_ips,
    ip_allocations,
    networks,
    port_security_groups,
    ports,
    security_groups,
)
from hanok.store import Transaction


class PortView(Struct):
    """A port of a server, as its owner sees it.

    fixed_ips: each with its version, and the floating IP that leads to it.
    """

    port_id: str
    network_name: str
    mac: str
    fixed_ips: list[tuple[int, str, str | None]] = field(default_factory=list)
    security_groups: list[str] = field(default_factory=list)


_ports = (
    sa.select(
        ports.c.server_id,
        ports.c.id,
        networks.c.name,
        ports.c.mac_address,
        ip_allocations.c.address,
        floating_ips.c.floating_ip_address,
    )
    .join(networks, networks.c.id == ports.c.network_id)
    .outerjoin(ip_allocations, ip_allocations.c.port_id == ports.c.id)
    .outerjoin(
        floating_ips,
        sa.and_(
            floating_ips.c.port_id == ports.c.id,
            floating_ips.c.fixed_ip_address == ip_allocations.c.address,
        ),
    )
    .order_by(
        ports.c.server_id,
        ports.c.server_position,
        ports.c.created_at,
        ports.c.id,
        ip_allocations.c.ordinal,
    )
)
_of_many = _ports.where(ports.c.server_id.in_(bindparam("ids", expanding=True)))
_of_one = _ports.where(ports.c.server_id == bindparam("id"))
_group_names = (
    sa.select(port_security_groups.c.port_id, security_groups.c.name)
    .join(security_groups, security_groups.c.id == port_security_groups.c.security_group_id)
    .where(port_security_groups.c.port_id.in_(bindparam("ids", expanding=True)))
    .order_by(port_security_groups.c.port_id, security_groups.c.name)
)


async def port_views(tx: Transaction, server_ids: Sequence[str]) -> dict[str, list[PortView]]:
    """The ports of servers, each in order of its interfaces; two statements however many servers there are."""
    found: dict[str, list[PortView]] = {}
    known: dict[str, PortView] = {}
    rows: Any  # each is taken apart at once
    if len(server_ids) == 1:
        rows = await tx.all(_of_one, {"id": server_ids[0]})
    else:
        rows = await tx.all(_of_many, {"ids": list(server_ids)})
    for server_id, port_id, network, mac, address, floating in rows:
        port = known.get(port_id)
        if port is None:
            port = known[port_id] = PortView(port_id, network, mac)
            found.setdefault(server_id, []).append(port)
        if address is not None:
            port.fixed_ips.append((6 if ":" in address else 4, address, floating))
    if known:
        rows = await tx.all(_group_names, {"ids": list(known)})
        for port_id, name in rows:
            known[port_id].security_groups.append(name)
    return found
