"""Members: where a pool's traffic goes.

Source: Load Balancer API v2 reference, "Members".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import Conflict
from hanok.services.load_balancer.logic import pools, trees
from hanok.services.load_balancer.logic.common import change, shown, tags_of, write
from hanok.services.load_balancer.room import LoadBalancing, Reach
from hanok.services.load_balancer.schemas.values import canonical
from hanok.services.load_balancer.tables import members
from hanok.services.load_balancer.tables import pools as pool_table
from hanok.services.network import facade as networks
from hanok.store import Duplicate, Transaction

_SHOWN = (
    "name", "address", "protocol_port", "weight", "backup", "subnet_id", "monitor_address",
    "monitor_port", "vnic_type",
)  # fmt: skip
_of_pool = sa.select(members).where(members.c.pool_id == bindparam("pool"))


async def show(tx: Transaction, rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    tagged = await tags_of(tx, [row.id for row in rows])
    return [{**shown(row, _SHOWN), "tags": tagged[row.id]} for row in rows]


async def target(
    tx: Transaction, room: LoadBalancing, reach: Reach, values: dict[str, Any]
) -> dict[str, Any]:
    """Whose a new member is: its pool's project."""
    return {
        "project_id": (await trees.row_of(tx, pool_table, "pool", values["pool_id"])).project_id
    }


async def create(tx: Transaction, room: LoadBalancing, reach: Reach, values: dict[str, Any]) -> str:
    """Raises BadInput, Conflict, NotFound, NotSupported, OverLimits."""
    balancer, pool = await pools.held(tx, values["pool_id"])
    made = await put(tx, room, reach, pool, values)
    await trees.begin(tx, room, balancer, await pools.above(tx, pool), user_id=reach.user_id)
    return made


async def put(
    tx: Transaction, room: LoadBalancing, reach: Reach, pool: Row[Any], values: Mapping[str, Any]
) -> str:
    """A new member of a pool whose load balancer is held."""
    await trees.count(tx, room, pool.project_id, member=1)
    await trees.fits(tx, members.c.pool_id, pool.id, room.settings.members_each)
    await _one_spelling(tx, pool, values)
    if values.get("subnet_id") is not None:
        await networks.subnet_there(tx, reach.network, values["subnet_id"])
    try:
        return await write(
            tx,
            room,
            members,
            pool.project_id,
            values,
            pool_id=pool.id,
            load_balancer_id=pool.load_balancer_id,
            vnic_type="normal",
            operating_status="NO_MONITOR",
        )
    except Duplicate:
        raise Conflict(
            f"Another member on this Pool {pool.id} is already using ip "
            f"{values['address']} on protocol_port {values['protocol_port']}"
        ) from None


async def _one_spelling(tx: Transaction, pool: Row[Any], values: Mapping[str, Any]) -> None:
    """Raises Conflict: the same address is there, spelled otherwise."""
    if ":" not in values["address"]:
        return
    at = canonical(values["address"])
    for row in await tx.all(_of_pool, {"pool": pool.id}):
        if row.protocol_port == values["protocol_port"] and canonical(row.address) == at:
            raise Conflict(
                f"Another member on this Pool {pool.id} is already using ip {at} on "
                f"protocol_port {row.protocol_port}"
            )


async def update(
    tx: Transaction, room: LoadBalancing, reach: Reach, row: Row[Any], values: dict[str, Any]
) -> None:
    """Raises BadInput, Conflict, NotSupported."""
    balancer, pool = await pools.held(tx, row.pool_id)
    await change(tx, room, members, row, values)
    await trees.begin(tx, room, balancer, await pools.above(tx, pool), user_id=reach.user_id)


async def delete(tx: Transaction, room: LoadBalancing, reach: Reach, row: Row[Any]) -> None:
    """Raises Conflict."""
    balancer, pool = await pools.held(tx, row.pool_id)
    await trees.mark(tx, "PENDING_DELETE", members, [row.id], room.clock.now())
    await trees.begin(tx, room, balancer, await pools.above(tx, pool), user_id=reach.user_id)


async def replace(
    tx: Transaction,
    room: LoadBalancing,
    reach: Reach,
    pool_id: str,
    requested: Sequence[tuple[dict[str, Any], frozenset[str]]],
    *,
    additive: bool,
) -> None:
    """A pool has these members and, unless additive, no others. A member is told by its address and port.

    Args:
        requested: each with every default filled in, and the names of what was sent.

    Raises:
        BadInput, Conflict, NotFound, NotSupported, OverLimits
    """
    balancer, pool = await pools.held(tx, pool_id)
    there = {
        (row.address, row.protocol_port): row for row in await tx.all(_of_pool, {"pool": pool.id})
    }
    now, named = room.clock.now(), set()
    for values, _ in requested:
        place = (values["address"], values["protocol_port"])
        if place in named:
            raise Conflict(
                f"Another member on this Pool {pool.id} is already using ip {place[0]} on "
                f"protocol_port {place[1]}"
            )
        named.add(place)
    if not additive:
        gone = [row.id for place, row in there.items() if place not in named]
        await trees.mark(tx, "PENDING_DELETE", members, gone, now)
    for values, sent in requested:
        row = there.get((values["address"], values["protocol_port"]))
        if row is None:
            await put(tx, room, reach, pool, values)
        elif changed := _changed(row, values, sent):
            if changed.get("subnet_id") not in (None, row.subnet_id):
                await networks.subnet_there(tx, reach.network, changed["subnet_id"])
            await change(tx, room, members, row, changed)
    await trees.begin(tx, room, balancer, await pools.above(tx, pool), user_id=reach.user_id)


_FIXED = ("address", "protocol_port", "project_id", "request_sriov")
"""What tells a member, and what it has from its pool."""


def _changed(row: Row[Any], values: Mapping[str, Any], sent: frozenset[str]) -> dict[str, Any]:
    """What of a member that is there was sent; all of it on another subnet, where it is another member to upstream."""
    names = sent if values["subnet_id"] == row.subnet_id else values
    return {name: values[name] for name in names if name not in _FIXED}
