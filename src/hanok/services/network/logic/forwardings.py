"""Port forwardings as floating IPs and ports have them: what is shown with a floating IP, and what ends with a port.

Decisions on them are in `port_forwardings.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.services.network.logic.scopes import floating_ip_scope, touch, touch_several
from hanok.services.network.room import Network
from hanok.services.network.tables import floating_ips, port_forwardings
from hanok.store import Transaction

_of_floating = (
    sa.select(port_forwardings)
    .where(port_forwardings.c.floating_ip_id.in_(bindparam("ids", expanding=True)))
    .order_by(port_forwardings.c.created_at, port_forwardings.c.id)
)
_of_port = sa.select(port_forwardings).where(
    port_forwardings.c.internal_port_id == bindparam("port")
)
_led_by = sa.select(floating_ips.c.router_id).where(
    floating_ips.c.id.in_(bindparam("ids", expanding=True))
)
_drop = port_forwardings.delete().where(port_forwardings.c.id.in_(bindparam("ids", expanding=True)))
_idle = (
    floating_ips.update()
    .where(
        floating_ips.c.id == bindparam("floating"),
        floating_ips.c.port_id.is_(None),
        floating_ips.c.id.not_in(sa.select(port_forwardings.c.floating_ip_id)),
    )
    .values(router_id=None, status="DOWN", revision_number=floating_ips.c.revision_number + 1)
)


def _plain_ports(row: Row[Any]) -> dict[str, Any]:
    """Each side as a number, or where it is several as a range."""
    found = ports_of(row)
    sides = ("external_port", "internal_port")
    return {
        name: found[name]
        for side in sides
        for name in (side, f"{side}_range")
        if (found[side] is None) == (name != side)
    }


def ports_of(row: Row[Any]) -> dict[str, Any]:
    """The ports of a forwarding as the API shows them: a number where there is one, and always a range."""
    found: dict[str, Any] = {}
    for side in ("external", "internal"):
        first, last = row._mapping[f"{side}_first"], row._mapping[f"{side}_last"]
        found[f"{side}_port"] = first if first == last else None
        found[f"{side}_port_range"] = f"{first}:{last}"
    return found


async def of_floating(tx: Transaction, ids: Sequence[str]) -> dict[str, list[Row[Any]]]:
    """The forwardings of floating IPs, the oldest first."""
    found: dict[str, list[Row[Any]]] = {one: [] for one in ids}
    for row in await tx.all(_of_floating, {"ids": list(ids)}):
        found[row.floating_ip_id].append(row)
    return found


def shown_with_floating(rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    return [
        {
            "id": row.id,
            "protocol": row.protocol,
            "internal_ip_address": row.internal_ip_address,
            "internal_port_id": row.internal_port_id,
            **_plain_ports(row),
        }
        for row in rows
    ]


async def drop(tx: Transaction, room: Network, rows: Sequence[Row[Any]]) -> None:
    """These forwardings are gone; a floating IP without any leads nowhere."""
    if not rows:
        return
    await tx.execute(_drop, {"ids": [row.id for row in rows]})
    theirs = sorted({row.floating_ip_id for row in rows})
    await touch_several(tx, room, await tx.scalars(_led_by, {"ids": theirs}))
    for floating in theirs:
        await tx.execute(_idle, {"floating": floating})
        await touch(tx, room, floating_ip_scope(floating))


async def release(tx: Transaction, room: Network, port_id: str, address: str | None = None) -> None:
    """Nothing is forwarded to a port any more, or to one of its addresses."""
    rows = await tx.all(_of_port, {"port": port_id})
    await drop(tx, room, [row for row in rows if address in (None, row.internal_ip_address)])
