"""Trunks: a guest's port through which the frames of others come, each with its VLAN.

Source: Networking API v2.0 reference, "Trunk networking".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import NotFound
from hanok.services.network.logic import bindings, quotas, subports
from hanok.services.network.logic.errors import bad, conflict, disallowed
from hanok.services.network.logic.reach import (
    Reach,
    change,
    get,
    get_any,
    project_of,
    set_tags,
    shown,
    standard,
    tags_of,
)
from hanok.services.network.logic.scopes import port_scope, touch_all
from hanok.services.network.room import Network
from hanok.services.network.tables import networks, ports, trunk_subports, trunks
from hanok.store import Duplicate, Transaction

MAXIMUM_SUBPORTS = 100  # of a trunk

_statuses = sa.select(ports.c.id, ports.c.status).where(
    ports.c.id.in_(bindparam("ids", expanding=True))
)
_mtu = sa.select(networks.c.mtu).where(networks.c.id == bindparam("network"))


async def show(tx: Transaction, rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    """Trunks; one is up when its port is."""
    ids = [row.id for row in rows]
    their_tags, held = await tags_of(tx, ids), await subports.of_trunks(tx, ids)
    parents = await tx.all(_statuses, {"ids": [row.port_id for row in rows]})
    up = {row.id for row in parents if row.status == "ACTIVE"}
    return [
        {
            **shown(row, their_tags[row.id]),
            "port_id": row.port_id,
            "admin_state_up": row.admin_state_up,
            "status": "ACTIVE" if row.port_id in up else "DOWN",
            "sub_ports": [subports.shown(one) for one in held[row.id]],
        }
        for row in rows
    ]


async def create(tx: Transaction, room: Network, reach: Reach, values: Mapping[str, Any]) -> str:
    """Write a trunk with its subports.

    Raises:
        BadInput, NotFound, QuotaReached; Conflict: a port is used otherwise.
    """
    project_id = project_of(values, reach)
    await quotas.check(tx, room, project_id, "trunk")
    parent = await _eligible(tx, reach, values["port_id"])
    if parent.device_owner and not parent.device_owner.startswith("compute:"):
        raise conflict(
            "ParentPortInUse",
            f"Port {parent.id} is currently in use and is not eligible for use as a parent port.",
        )
    row = {
        **standard(values, project_id, room.clock.now()),
        "port_id": parent.id,
        "admin_state_up": values["admin_state_up"],
    }
    await tx.insert(trunks, row)
    await set_tags(tx, row["id"], values.get("tags", ()))
    await _join(tx, room, reach, await get_any(tx, "trunk", row["id"]), values["sub_ports"])
    return str(row["id"])


async def _eligible(tx: Transaction, reach: Reach, port_id: str) -> Row[Any]:
    """A port that no trunk has, the caller's own.

    Raises:
        NotFound, Conflict
    """
    await tx.take_turn(port_id)
    port = await get(tx, reach, "port", port_id)
    if port.project_id != reach.project_id and not reach.everything:
        raise disallowed("create_trunk")
    await subports.check_unused(tx, port.id)
    if port.role != "guest":
        raise bad("trunk", f"Port {port.id} belongs to {port.device_owner}")
    return port


async def update(
    tx: Transaction, room: Network, reach: Reach, row: Row[Any], values: Mapping[str, Any]
) -> None:
    await change(tx, trunks, row.id, room.clock.now(), values)


async def delete(tx: Transaction, room: Network, reach: Reach, row: Row[Any]) -> None:
    """Remove a trunk; what was part of it is free.

    Raises:
        Conflict: it is disabled.
    """
    _enabled(row)
    await subports.drop(tx, room, row.id)


def _enabled(row: Row[Any]) -> None:
    if not row.admin_state_up:
        raise conflict("TrunkDisabled", f"Trunk {row.id} is currently disabled.")


async def add(
    tx: Transaction, room: Network, reach: Reach, row: Row[Any], added: Sequence[Mapping[str, Any]]
) -> None:
    """Let the frames of further ports come through a trunk's.

    Raises:
        BadInput, NotFound; Conflict: the trunk is disabled, a port or a VLAN is used.
    """
    _enabled(row)
    await tx.serialize("network.trunk", row.id)
    await _join(tx, room, reach, row, added)
    await change(tx, trunks, row.id, room.clock.now(), {})


async def _join(
    tx: Transaction,
    room: Network,
    reach: Reach,
    trunk: Row[Any],
    added: Sequence[Mapping[str, Any]],
) -> None:
    held = (await subports.of_trunks(tx, [trunk.id]))[trunk.id]
    if len(held) + len(added) > MAXIMUM_SUBPORTS:
        raise bad("trunk", f"A trunk has at most {MAXIMUM_SUBPORTS} subports")
    parent = await get_any(tx, "port", trunk.port_id)
    widest = await tx.scalar(_mtu, {"network": parent.network_id})
    for one in added:
        port = await _eligible(tx, reach, one["port_id"])
        if port.device_id or port.device_owner or port.host:
            raise conflict(
                "PortInUse",
                f"Unable to complete operation on port {port.id} for network {port.network_id}. "
                f"Port already has an attached device {port.device_id}.",
            )
        mtu = await tx.scalar(_mtu, {"network": port.network_id})
        if mtu > widest:
            raise conflict(
                "SubPortMtuGreaterThanTrunkPortMtu",
                f"MTU {mtu} of subport {port.id} cannot be greater than MTU {widest} of trunk "
                f"{trunk.id}.",
            )
        await _insert(tx, trunk, one)
        owned = {"device_id": trunk.id, "device_owner": subports.OWNER}
        await change(tx, ports, port.id, room.clock.now(), owned)
        await bindings.bind(tx, port.id, {"host": parent.host})
    await touch_all(tx, room, [port_scope(one["port_id"]) for one in added])


async def _insert(tx: Transaction, trunk: Row[Any], one: Mapping[str, Any]) -> None:
    kind, number = one["segmentation_type"], one["segmentation_id"]
    row = {
        "port_id": one["port_id"],
        "trunk_id": trunk.id,
        "segmentation_type": kind,
        "segmentation_id": number,
    }
    try:
        await tx.insert(trunk_subports, row)
    except Duplicate:
        raise conflict(
            "DuplicateSubPort",
            f"segmentation_type {kind} and segmentation_id {number} already in use on trunk "
            f"{trunk.id}.",
        ) from None


async def remove(
    tx: Transaction, room: Network, row: Row[Any], removed: Sequence[Mapping[str, Any]]
) -> None:
    """Take subports off a trunk.

    Raises:
        NotFound: it is none of its own. Conflict: the trunk is disabled.
    """
    _enabled(row)
    await tx.serialize("network.trunk", row.id)
    held = {one.port_id for one in (await subports.of_trunks(tx, [row.id]))[row.id]}
    ids = [str(one["port_id"]) for one in removed]
    for port_id in ids:
        if port_id not in held:
            raise NotFound(
                f"SubPort on trunk {row.id} with parent port {port_id} could not be found.",
                code="SubPortNotFound",
            )
    await subports.free(tx, room, ids)
    await change(tx, trunks, row.id, room.clock.now(), {})
