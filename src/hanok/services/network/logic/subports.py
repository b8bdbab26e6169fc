"""What ports know of trunks: whether they are one's parent or part of one, and what ends with them.

Decisions on trunks are in `trunks.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.services.network.logic.errors import conflict
from hanok.services.network.logic.scopes import port_scope, touch_all
from hanok.services.network.room import Network
from hanok.services.network.tables import bindings, is_active, ports, tags, trunk_subports, trunks
from hanok.store import Transaction

OWNER = "trunk:subport"  # the device owner of what is part of a trunk

_of_trunks = (
    sa.select(trunk_subports, ports.c.mac_address)
    .join(ports, ports.c.id == trunk_subports.c.port_id)
    .where(trunk_subports.c.trunk_id.in_(bindparam("ids", expanding=True)))
    .order_by(trunk_subports.c.segmentation_id, trunk_subports.c.port_id)
)
_by_parent = sa.select(trunks).where(trunks.c.port_id.in_(bindparam("ids", expanding=True)))
_by_port = (
    sa.select(trunk_subports, trunks.c.port_id.label("parent_id"))
    .join(trunks, trunks.c.id == trunk_subports.c.trunk_id)
    .where(trunk_subports.c.port_id.in_(bindparam("ids", expanding=True)))
)
_leave = trunk_subports.delete().where(
    trunk_subports.c.port_id.in_(bindparam("ids", expanding=True))
)
_free = (
    ports.update()
    .where(ports.c.id.in_(bindparam("ids", expanding=True)))
    .values(
        device_id="", device_owner="", status="DOWN", revision_number=ports.c.revision_number + 1
    )
)
_unbind = (
    bindings.update()
    .where(bindings.c.port_id.in_(bindparam("ids", expanding=True)), is_active)
    .values(host="", vif_type="unbound", vif_details={})
)


async def of_trunks(tx: Transaction, ids: Sequence[str]) -> dict[str, list[Row[Any]]]:
    """The subports of trunks, each with its MAC."""
    found: dict[str, list[Row[Any]]] = {one: [] for one in ids}
    for row in await tx.all(_of_trunks, {"ids": list(ids)}):
        found[row.trunk_id].append(row)
    return found


def shown(row: Row[Any]) -> dict[str, Any]:
    return {
        "port_id": row.port_id,
        "segmentation_type": row.segmentation_type,
        "segmentation_id": row.segmentation_id,
    }


async def details(tx: Transaction, port_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What ports that are parents of trunks show of these."""
    parents = {row.id: row.port_id for row in await tx.all(_by_parent, {"ids": list(port_ids)})}
    if not parents:
        return {}
    held = await of_trunks(tx, list(parents))
    return {
        port_id: {
            "trunk_id": trunk,
            "sub_ports": [{**shown(one), "mac_address": one.mac_address} for one in held[trunk]],
        }
        for trunk, port_id in parents.items()
    }


async def by_port(tx: Transaction, port_ids: Sequence[str]) -> dict[str, Row[Any]]:
    """Those of these ports that are part of a trunk, each with the trunk's port as `parent_id`."""
    return {row.port_id: row for row in await tx.all(_by_port, {"ids": list(port_ids)})}


async def through(tx: Transaction, port_ids: Sequence[str]) -> dict[str, str]:
    """The ports whose frames come through these, each with the one that it comes through."""
    parents = {row.id: row.port_id for row in await tx.all(_by_parent, {"ids": list(port_ids)})}
    if not parents:
        return {}
    held = await of_trunks(tx, list(parents))
    return {one.port_id: parents[trunk] for trunk, rows in held.items() for one in rows}


async def check_unused(tx: Transaction, port_id: str) -> None:
    """Raises Conflict for a port that is a trunk's, which is not deleted by itself."""
    for trunk in await tx.all(_by_parent, {"ids": [port_id]}):
        raise conflict(
            "PortInUseAsTrunkParent",
            f"Port {port_id} is currently a parent port for trunk {trunk.id}.",
        )
    for row in (await by_port(tx, [port_id])).values():
        raise conflict(
            "PortInUseAsSubPort", f"Port {port_id} is currently a subport for trunk {row.trunk_id}."
        )


async def free(tx: Transaction, room: Network, port_ids: Sequence[str]) -> None:
    """These ports are no trunk's any more."""
    if not port_ids:
        return
    for statement in (_leave, _free, _unbind):
        await tx.execute(statement, {"ids": list(port_ids)})
    await touch_all(tx, room, map(port_scope, port_ids))


async def drop(tx: Transaction, room: Network, trunk_id: str) -> None:
    """A trunk is gone; what was part of it is free."""
    held = (await of_trunks(tx, [trunk_id]))[trunk_id]
    await free(tx, room, [one.port_id for one in held])
    await tx.execute(tags.delete().where(tags.c.resource_id == trunk_id))
    await tx.execute(trunks.delete().where(trunks.c.id == trunk_id))


async def release(tx: Transaction, room: Network, port_id: str) -> None:
    """A port goes, and the trunk of which it is the parent with it."""
    for trunk in await tx.all(_by_parent, {"ids": [port_id]}):
        await drop(tx, room, trunk.id)
    if await by_port(tx, [port_id]):
        await free(tx, room, [port_id])
