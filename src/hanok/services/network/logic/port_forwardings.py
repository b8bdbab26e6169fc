"""Port forwardings: single ports of a floating IP that lead to ports behind a router.

Source: Networking API v2.0 reference, "Floating IPs port forwarding".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput
from hanok.services.network.logic import floating_ips as floating_logic
from hanok.services.network.logic import forwardings
from hanok.services.network.logic.errors import bad, conflict
from hanok.services.network.logic.reach import Reach, change, get, get_any, shown, standard
from hanok.services.network.logic.scopes import floating_ip_scope, touch, touch_several
from hanok.services.network.room import Network
from hanok.services.network.tables import floating_ips, ip_allocations, port_forwardings
from hanok.store import Transaction

MAXIMUM_PORTS = 1000  # of a floating IP: each is a line of its load balancer

Ports = tuple[int, int]  # the first and the last

_held = sa.select(ip_allocations.c.address, ip_allocations.c.subnet_id).where(
    ip_allocations.c.port_id == bindparam("port")
)
_leading = sa.select(floating_ips.c.id, floating_ips.c.floating_ip_address).where(
    floating_ips.c.port_id == bindparam("port"),
    floating_ips.c.fixed_ip_address == bindparam("fixed"),
)
_same_target = sa.select(port_forwardings).where(
    port_forwardings.c.internal_port_id == bindparam("port"),
    port_forwardings.c.internal_ip_address == bindparam("fixed"),
    port_forwardings.c.protocol == bindparam("protocol"),
)


async def show(tx: Transaction, rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    found = []
    for row in rows:
        common = shown(row)
        del common["name"]
        found.append(
            {
                **common,
                "protocol": row.protocol,
                "internal_ip_address": row.internal_ip_address,
                "internal_port_id": row.internal_port_id,
                **forwardings.ports_of(row),
                "_target": {"ext_parent:project_id": row.project_id},
            }
        )
    return found


async def target(
    tx: Transaction, room: Network, reach: Reach, values: dict[str, Any]
) -> dict[str, Any]:
    """What rules look at: whose the floating IP is."""
    floating = await get(tx, reach, "floatingip", values["floatingip_id"])
    return {"ext_parent:project_id": floating.project_id}


async def create(tx: Transaction, room: Network, reach: Reach, values: dict[str, Any]) -> str:
    """Let ports of a floating IP lead somewhere.

    Raises:
        BadInput, NotFound; Conflict: the floating IP, or the port, is somebody's whole.
    """
    await tx.take_turn(values["internal_port_id"])
    floating = await _locked(tx, values["floatingip_id"])
    row = {
        **standard(values, floating.project_id, room.clock.now()),
        "floating_ip_id": floating.id,
        **await _checked(tx, reach, floating, values, ""),
    }
    await tx.insert(port_forwardings, row)
    await _changed(tx, room, floating)
    return str(row["id"])


async def update(
    tx: Transaction, room: Network, reach: Reach, row: Row[Any], values: Mapping[str, Any]
) -> None:
    """Let ports of a floating IP lead elsewhere.

    Raises:
        BadInput, NotFound, Conflict
    """
    await tx.take_turn(values.get("internal_port_id", row.internal_port_id))
    floating = await _locked(tx, row.floating_ip_id)
    requested = {name: values[name] for name in ("description",) if name in values}
    if set(values) - {"description"}:
        requested |= await _checked(
            tx, reach, floating, {**_as_sent(row, values), **values}, row.id
        )
    await change(tx, port_forwardings, row.id, room.clock.now(), requested)
    await _changed(tx, room, floating)


def _as_sent(row: Row[Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """A forwarding as a body would say it; the ports of a side only where the body says nothing of them."""
    found = {
        name: row._mapping[name] for name in ("protocol", "internal_port_id", "internal_ip_address")
    }
    if "internal_port_id" in values and "internal_ip_address" not in values:
        found["internal_ip_address"] = None
    for side in ("external", "internal"):
        said = values.get(f"{side}_port") or values.get(f"{side}_port_range")
        found[f"{side}_port"] = None
        now = f"{row._mapping[f'{side}_first']}:{row._mapping[f'{side}_last']}"
        found[f"{side}_port_range"] = None if said else now
    return found


async def delete(tx: Transaction, room: Network, reach: Reach, row: Row[Any]) -> None:
    floating = await _locked(tx, row.floating_ip_id)
    await forwardings.drop(tx, room, [row])
    await change(tx, floating_ips, floating.id, room.clock.now(), {})


async def _locked(tx: Transaction, floating_id: str) -> Row[Any]:
    floating = await get_any(tx, "floatingip", floating_id)
    await tx.serialize("network", floating.floating_network_id)
    return await get_any(tx, "floatingip", floating_id)


async def _changed(tx: Transaction, room: Network, floating: Row[Any]) -> None:
    await change(tx, floating_ips, floating.id, room.clock.now(), {})
    await touch(tx, room, floating_ip_scope(floating.id))
    now = await get_any(tx, "floatingip", floating.id)
    await touch_several(tx, room, [floating.router_id, now.router_id])


async def _checked(
    tx: Transaction, reach: Reach, floating: Row[Any], values: Mapping[str, Any], but: str
) -> dict[str, Any]:
    """The columns of a forwarding, and the floating IP's way there. but: the id of the row that changes."""
    outside, inside = _ports(values, "external"), _ports(values, "internal")
    if outside[1] - outside[0] != inside[1] - inside[0] and inside[0] != inside[1]:
        raise bad(
            "port_forwarding",
            "The external and internal port ranges must have one size, or the internal one a single port",
        )
    if floating.port_id is not None:
        raise conflict(
            "FloatingIPPortAlreadyAssociated",
            f"Floating IP {floating.floating_ip_address} ({floating.id}) is associated with port "
            f"{floating.port_id} and cannot forward single ports.",
        )
    port = await _target_port(tx, reach, floating, values["internal_port_id"])
    fixed, subnet_id = await _fixed(tx, port, values["internal_ip_address"])
    await _nothing_leads_there(tx, floating, port, fixed)
    desired = {
        "protocol": values["protocol"],
        "external_first": outside[0],
        "external_last": outside[1],
        "internal_port_id": port.id,
        "internal_ip_address": fixed,
        "internal_first": inside[0],
        "internal_last": inside[1],
    }
    await _no_second(tx, floating, desired, but)
    await _lead(tx, floating, subnet_id, port.id)
    return desired


def _ports(values: Mapping[str, Any], side: str) -> Ports:
    """The ports of one side, said as a number or as a range.

    Raises:
        BadInput: both, or neither.
    """
    one, several = values.get(f"{side}_port"), values.get(f"{side}_port_range")
    if (one is None) == (several is None):
        raise bad("port_forwarding", f"Either {side}_port or {side}_port_range must be specified")
    if several is None:
        return int(str(one)), int(str(one))
    first, _, last = str(several).partition(":")
    return int(first), int(last or first)


async def _target_port(tx: Transaction, reach: Reach, floating: Row[Any], port_id: str) -> Row[Any]:
    port = await get(tx, reach, "port", port_id)
    if port.project_id != floating.project_id and not reach.everything:
        raise bad("port_forwarding", f"Port {port.id} is owned by a different tenant")
    # A router's own port answers as the router does to who knocks there, as upstream.
    if port.role not in ("guest", "router"):
        raise bad("port_forwarding", f"Port {port.id} belongs to {port.device_owner}")
    return port


async def _fixed(tx: Transaction, port: Row[Any], address: str | None) -> tuple[str, str]:
    """An address of IPv4 of a port, and its subnet: the one that is asked for, or the only one."""
    held = [one for one in await tx.all(_held, {"port": port.id}) if ":" not in one.address]
    if address is not None:
        held = [one for one in held if one.address == address]
    if len(held) != 1:
        raise bad(
            "port_forwarding",
            f"Port {port.id} does not have fixed ip {address}"
            if address is not None
            else f"Port {port.id} has no single fixed IPv4 address: internal_ip_address is required",
        )
    return held[0].address, held[0].subnet_id


async def _nothing_leads_there(
    tx: Transaction, floating: Row[Any], port: Row[Any], fixed: str
) -> None:
    if await tx.first(_leading, {"port": port.id, "fixed": fixed}) is not None:
        raise conflict(
            "PortHasBindingFloatingIP",
            f"Cannot create port forwarding to floating IP {floating.floating_ip_address} "
            f"({floating.id}) with port {port.id} using fixed IP {fixed}, as that port already has a "
            "binding floating IP.",
        )


async def _no_second(
    tx: Transaction, floating: Row[Any], desired: Mapping[str, Any], but: str
) -> None:
    """One port of the floating IP leads to one place, and one place has one port that leads there."""
    mine = [
        one
        for one in (await forwardings.of_floating(tx, [floating.id]))[floating.id]
        if one.id != but
    ]
    count = desired["external_last"] - desired["external_first"] + 1
    if count + sum(one.external_last - one.external_first + 1 for one in mine) > MAXIMUM_PORTS:
        raise bad("port_forwarding", f"A floating IP forwards at most {MAXIMUM_PORTS} ports")
    same = await tx.all(
        _same_target,
        {
            "port": desired["internal_port_id"],
            "fixed": desired["internal_ip_address"],
            "protocol": desired["protocol"],
        },
    )
    for one in mine:
        if one.protocol == desired["protocol"] and _meet(one, desired, "external"):
            raise _duplicate(desired, "external")
    for one in same:
        if one.id != but and _meet(one, desired, "internal"):
            raise _duplicate(desired, "internal")


def _meet(one: Row[Any], desired: Mapping[str, Any], side: str) -> bool:
    first, last = f"{side}_first", f"{side}_last"
    return bool(one._mapping[first] <= desired[last] and desired[first] <= one._mapping[last])


def _duplicate(desired: Mapping[str, Any], side: str) -> BadInput:
    ports = f"{desired[f'{side}_first']}:{desired[f'{side}_last']}"
    return bad(
        "port_forwarding",
        "A duplicate port forwarding entry with same attributes already exists, conflicting values are "
        f"{desired['protocol']} {side}_port {ports}",
    )


async def _lead(tx: Transaction, floating: Row[Any], subnet_id: str, port_id: str) -> None:
    """The router that a floating IP is on, by the first of its forwardings; the others go through it, too."""
    router_id = await floating_logic.way(
        tx, floating, subnet_id, port_id, router_id=floating.router_id
    )
    leads = floating_ips.update().where(floating_ips.c.id == floating.id)
    await tx.execute(leads.values(router_id=router_id, status="ACTIVE"))
