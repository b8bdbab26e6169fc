"""What DHCP tells single ports.

An option is known by its name and its version of IP. An update names what changes, and the others stay; null takes one
away.

Source: Networking API v2.0 reference, "Port extra DHCP options".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.drivers.ovn.dhcp_options import translated
from hanok.drivers.ovn.errors import CannotExpress
from hanok.services.network.logic.errors import invalid
from hanok.services.network.tables import dhcp_options, ip_allocations, subnets
from hanok.store import Transaction

MAXIMUM = 64  # of a port

_of_ports = (
    sa.select(dhcp_options)
    .where(dhcp_options.c.port_id.in_(bindparam("ids", expanding=True)))
    .order_by(dhcp_options.c.port_id, dhcp_options.c.ip_version, dhcp_options.c.name)
)
_versions = (
    sa.select(subnets.c.ip_version)
    .join(ip_allocations, ip_allocations.c.subnet_id == subnets.c.id)
    .where(ip_allocations.c.port_id == bindparam("port"))
    .distinct()
)
_forget = dhcp_options.delete().where(dhcp_options.c.port_id == bindparam("port"))


async def of_ports(tx: Transaction, ids: Iterable[str]) -> dict[str, list[Row[Any]]]:
    """The options of ports that have some."""
    found: dict[str, list[Row[Any]]] = {}
    for row in await tx.all(_of_ports, {"ids": list(ids)}):
        found.setdefault(row.port_id, []).append(row)
    return found


def shown(rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    return [
        {"opt_name": row.name, "opt_value": row.value, "ip_version": row.ip_version} for row in rows
    ]


async def change(
    tx: Transaction, port_id: str, network_id: str, requested: Sequence[Mapping[str, Any]]
) -> None:
    """Set and take away options of a port.

    Raises:
        BadInput: it would have too many.
    """
    if not requested:
        return
    held = {
        (row.ip_version, row.name): row.value
        for row in (await of_ports(tx, [port_id])).get(port_id, ())
    }
    for one in requested:
        key = (one["ip_version"], one["opt_name"])
        if one["opt_value"] is None:
            held.pop(key, None)
        else:
            held[key] = one["opt_value"]
    if len(held) > MAXIMUM:
        raise invalid("extra_dhcp_opts", f"a port has at most {MAXIMUM} options")
    await forget(tx, port_id)
    if held:
        await tx.insert(
            dhcp_options,
            [
                {"port_id": port_id, "network_id": network_id, "ip_version": version, "name": name, "value": value}
                for (version, name), value in held.items()
            ],
        )  # fmt: skip


async def check(tx: Transaction, port_id: str) -> None:
    """Hold a port's options against its addresses: of a version that it has one of, each can be said.

    Raises:
        BadInput
    """
    rows = (await of_ports(tx, [port_id])).get(port_id, ())
    if not rows:
        return
    versions = await tx.scalars(_versions, {"port": port_id})
    try:
        for row in rows:
            if row.ip_version in versions:
                translated(row.ip_version, row.name, row.value)
    except CannotExpress as error:
        raise invalid("extra_dhcp_opts", error.message) from None


async def forget(tx: Transaction, port_id: str) -> None:
    """All options of a port."""
    await tx.execute(_forget, {"port": port_id})
