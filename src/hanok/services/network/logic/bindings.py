"""Bindings: on which host a port is plugged in, and where it is about to be.

A port has one active binding from the beginning; with an empty host it is bound to none. Further ones are made for
hosts that its server is on the way to: OVN lets the port exist there, silent, until the server runs there. Activating
one turns the two round in one transaction, so no moment has two hosts that answer for an address.

Source: Networking API v2.0 reference, "Port bindings".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput
from hanok.services.network.logic.errors import conflict, not_found
from hanok.services.network.logic.reach import change, get_any
from hanok.services.network.logic.scopes import port_scope, touch
from hanok.services.network.room import Network
from hanok.services.network.tables import bindings, is_active, ports, trunk_subports, trunks
from hanok.store import Duplicate, Transaction

ACTIVE, INACTIVE = "ACTIVE", "INACTIVE"
MAXIMUM_BINDINGS = 8  # a server moves to one host; some are left where moves broke off
DETAILS = {"port_filter": True, "connectivity": "l2"}
_NAMES = {"binding:host_id": "host", "binding:vnic_type": "vnic_type", "binding:profile": "profile"}

_of_port = (
    sa.select(bindings)
    .where(bindings.c.port_id == bindparam("port"))
    .order_by(sa.not_(is_active), bindings.c.host)
)
_change = bindings.update().where(bindings.c.port_id == bindparam("port"))
_change_active = _change.where(is_active)
_change_one = _change.where(bindings.c.host == bindparam("at"))
# What comes through a port is where that is, and up when OVN says that the port is.
_through = (
    sa.select(trunk_subports.c.port_id)
    .join(trunks, trunks.c.id == trunk_subports.c.trunk_id)
    .where(trunks.c.port_id == bindparam("port"))
)
_subports = bindings.update().where(bindings.c.port_id.in_(_through), is_active)
_bound_to_others = sa.select(bindings.c.port_id).where(
    bindings.c.port_id.in_(_through), is_active, bindings.c.host != bindparam("at")
)
_subports_down = ports.update().where(ports.c.id.in_(_bound_to_others)).values(status="DOWN")
_forget = bindings.delete().where(bindings.c.port_id == bindparam("port"))
_forget_others = _forget.where(sa.not_(is_active))
_forget_one = _forget_others.where(bindings.c.host == bindparam("at"))


def named(values: Mapping[str, Any]) -> dict[str, Any]:
    """What a port's attributes say of its binding, by column."""
    return {column: values[name] for name, column in _NAMES.items() if name in values}


def _plugged(host: str) -> dict[str, Any]:
    return {"vif_type": "ovs" if host else "unbound", "vif_details": DETAILS if host else {}}


def _new(port_id: str, values: Mapping[str, Any], status: str) -> dict[str, Any]:
    row = {"host": "", "vnic_type": "normal", "profile": {}, **values}
    return {**row, **_plugged(row["host"]), "port_id": port_id, "status": status}


async def first(tx: Transaction, port_id: str, values: Mapping[str, Any]) -> None:
    """The active binding of a new port."""
    await tx.insert(bindings, _new(port_id, values, ACTIVE))


async def bind(tx: Transaction, port_id: str, values: Mapping[str, Any]) -> None:
    """Change the active binding. One that waited for the host that it gets has become it."""
    if not values:
        return
    host = values.get("host")
    if host is not None:
        await tx.execute(_forget_one, {"port": port_id, "at": host})
        values = {**values, **_plugged(host)}
        await tx.execute(_subports_down, {"port": port_id, "at": host})
        await tx.execute(_subports.values(host=host, **_plugged(host)), {"port": port_id})
    await tx.execute(_change_active.values(**values), {"port": port_id})


async def forget(tx: Transaction, port_id: str) -> None:
    """All bindings of a port that goes."""
    await tx.execute(_forget, {"port": port_id})


async def forget_others(tx: Transaction, port_id: str) -> None:
    """A port is on its way nowhere any more."""
    await tx.execute(_forget_others, {"port": port_id})


def shown(row: Row[Any]) -> dict[str, Any]:
    return {
        "host": row.host,
        "vif_type": row.vif_type,
        "vif_details": row.vif_details,
        "vnic_type": row.vnic_type,
        "profile": row.profile,
        "status": row.status,
    }


def check_of_server(port: Row[Any]) -> None:
    """Only a server's port moves from host to host.

    Raises:
        BadInput
    """
    if port.role != "guest" or not port.device_owner.startswith("compute:"):
        raise BadInput(
            f"Port {port.id} is not owned by a compute instance, so its bindings cannot be managed."
        )


async def of_port(tx: Transaction, port_id: str) -> list[Row[Any]]:
    """The bindings of a port, the active one first."""
    return list(await tx.all(_of_port, {"port": port_id}))


async def at(tx: Transaction, port_id: str, host: str) -> Row[Any]:
    """The binding of a port at a host.

    Raises:
        NotFound
    """
    for row in await of_port(tx, port_id):
        if host and row.host == host:
            return row
    raise not_found("binding", port_id, host)


async def add(
    tx: Transaction, room: Network, port: Row[Any], values: Mapping[str, Any]
) -> dict[str, Any]:
    """A binding for a host that the port's server is to come to; it waits.

    Raises:
        Conflict: there is one for that host, or there are too many.
    """
    host = values["host"]
    there = await of_port(tx, port.id)
    if any(row.host == host for row in there):
        raise _exists(port.id, host)
    if len(there) >= MAXIMUM_BINDINGS:
        raise conflict(
            "PortBindingError", f"Port {port.id} cannot have more than {MAXIMUM_BINDINGS} bindings."
        )
    try:
        await tx.insert(bindings, _new(port.id, values, INACTIVE))
    except Duplicate:
        raise _exists(port.id, host) from None
    await _changed(tx, room, port.id)
    return shown(await at(tx, port.id, host))


def _exists(port_id: str, host: str) -> Exception:
    return conflict(
        "PortBindingAlreadyExists", f"Binding for port {port_id} on host {host} already exists."
    )


async def update(
    tx: Transaction, room: Network, port: Row[Any], host: str, values: Mapping[str, Any]
) -> dict[str, Any]:
    """Change a binding; with another host, it is that one's.

    Raises:
        NotFound; Conflict: there is one for the other host.
    """
    row = await at(tx, port.id, host)
    requested = dict(values)
    to = requested.get("host", host)
    if to != host:
        if any(each.host == to for each in await of_port(tx, port.id)):
            raise _exists(port.id, to)
        requested |= _plugged(to)
    if requested:
        await tx.execute(_change_one.values(**requested), {"port": port.id, "at": host})
    await _changed(tx, room, port.id, down=row.status == ACTIVE and to != host)
    return shown(await at(tx, port.id, to))


async def activate(tx: Transaction, room: Network, port: Row[Any], host: str) -> dict[str, Any]:
    """The port is at this host from now on; the binding that it had waits.

    Raises:
        NotFound: there is no binding for the host. Conflict: it is the active one.
    """
    row = await at(tx, port.id, host)
    if row.status == ACTIVE:
        raise conflict(
            "PortBindingAlreadyActive",
            f"Binding for port {port.id} on host {host} is already active.",
        )
    if port.host:
        await tx.execute(_change_active.values(status=INACTIVE), {"port": port.id})
    else:
        await tx.execute(_forget.where(is_active), {"port": port.id})
    await tx.execute(_change_one.values(status=ACTIVE), {"port": port.id, "at": host})
    await _changed(tx, room, port.id, down=True)
    return shown(await at(tx, port.id, host))


async def remove(tx: Transaction, room: Network, port: Row[Any], host: str) -> None:
    """The port has no binding for this host; without its active one it is bound to none.

    Raises:
        NotFound
    """
    row = await at(tx, port.id, host)
    if row.status == ACTIVE:
        await bind(tx, port.id, {"host": "", "profile": {}})
    else:
        await tx.execute(_forget_one, {"port": port.id, "at": host})
    await _changed(tx, room, port.id, down=row.status == ACTIVE)


async def _changed(tx: Transaction, room: Network, port_id: str, *, down: bool = False) -> None:
    status = {"status": "DOWN"} if down else {}
    await change(tx, ports, port_id, room.clock.now(), status)
    await touch(tx, room, port_scope(port_id))


async def port_of(tx: Transaction, port_id: str) -> Row[Any]:
    """A server's port, locked against other changes of its bindings.

    Raises:
        NotFound; BadInput: it is not a server's.
    """
    await tx.serialize("port bindings", port_id)
    port = await get_any(tx, "port", port_id)
    check_of_server(port)
    return port
