"""Health monitors: how it is found out which members of a pool work.

Source: Load Balancer API v2 reference, "Health Monitors".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row

from hanok.base.errors import Conflict
from hanok.services.load_balancer.logic import pools, trees
from hanok.services.load_balancer.logic.common import change, shown, tags_of, write
from hanok.services.load_balancer.logic.errors import failed
from hanok.services.load_balancer.room import LoadBalancing, Reach
from hanok.services.load_balancer.schemas.values import MONITORS_OF, PLAIN_MONITORS
from hanok.services.load_balancer.tables import health_monitors
from hanok.services.load_balancer.tables import pools as pool_table
from hanok.store import Duplicate, Transaction

_SHOWN = (
    "name", "type", "delay", "timeout", "max_retries", "max_retries_down", "http_method",
    "url_path", "expected_codes", "http_version", "domain_name",
)  # fmt: skip
# `http_version` is kept for others, too: clients send it with every monitor.
_HTTP_ONLY = ("http_method", "url_path", "expected_codes", "domain_name")
_HTTP = {"http_method": "GET", "url_path": "/", "expected_codes": "200"}


async def show(tx: Transaction, rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    tagged = await tags_of(tx, [row.id for row in rows])
    return [
        {**shown(row, _SHOWN), "pools": [{"id": row.pool_id}], "tags": tagged[row.id]}
        for row in rows
    ]


async def target(
    tx: Transaction, room: LoadBalancing, reach: Reach, values: dict[str, Any]
) -> dict[str, Any]:
    return {
        "project_id": (await trees.row_of(tx, pool_table, "pool", values["pool_id"])).project_id
    }


async def create(tx: Transaction, room: LoadBalancing, reach: Reach, values: dict[str, Any]) -> str:
    """Raises BadInput, Conflict, NotFound, NotSupported, OverLimits."""
    balancer, pool = await pools.held(tx, values["pool_id"])
    made = await put(tx, room, pool, values)
    await trees.begin(tx, room, balancer, await pools.above(tx, pool), user_id=reach.user_id)
    return made


async def put(
    tx: Transaction, room: LoadBalancing, pool: Row[Any], values: Mapping[str, Any]
) -> str:
    """A new monitor of a pool whose load balancer is held."""
    await trees.count(tx, room, pool.project_id, healthmonitor=1)
    check(pool, values)
    if values["type"] in ("HTTP", "HTTPS"):
        values = {**values, **{name: values.get(name) or usual for name, usual in _HTTP.items()}}
    try:
        return await write(
            tx,
            room,
            health_monitors,
            pool.project_id,
            values,
            pool_id=pool.id,
            load_balancer_id=pool.load_balancer_id,
        )
    except Duplicate:
        raise Conflict("This pool already has a health monitor") from None


def check(pool: Row[Any], values: Mapping[str, Any]) -> None:
    """Whether a monitor's attributes go together, and with its pool. Raises BadInput."""
    kind = values["type"]
    if kind not in MONITORS_OF.get(pool.protocol, PLAIN_MONITORS):
        raise failed(
            f"The associated pool protocol is {pool.protocol}, so only a "
            f"{', '.join(MONITORS_OF.get(pool.protocol, PLAIN_MONITORS))} health monitor is supported."
        )
    if kind not in ("HTTP", "HTTPS"):
        if said := [name for name in _HTTP_ONLY if values.get(name) is not None]:
            raise failed(f"Option {said[0]} is not for health monitors of type {kind}")
    if values.get("domain_name") and values.get("http_version") != 1.1:
        raise failed("'http_version'(1.1) is required when 'domain_name' is specified.")


async def update(
    tx: Transaction, room: LoadBalancing, reach: Reach, row: Row[Any], values: dict[str, Any]
) -> None:
    """Raises BadInput, Conflict, NotSupported."""
    balancer, pool = await pools.held(tx, row.pool_id)
    row = await trees.again(tx, health_monitors, row.id)
    if row.type in ("HTTP", "HTTPS"):
        empty = {name: usual for name, usual in _HTTP.items() if values.get(name, "") is None}
        values = {**values, **empty}
    check(pool, {**row._mapping, **values})
    await change(tx, room, health_monitors, row, values)
    await trees.begin(tx, room, balancer, await pools.above(tx, pool), user_id=reach.user_id)


async def delete(tx: Transaction, room: LoadBalancing, reach: Reach, row: Row[Any]) -> None:
    """Raises Conflict."""
    balancer, pool = await pools.held(tx, row.pool_id)
    await trees.mark(tx, "PENDING_DELETE", health_monitors, [row.id], room.clock.now())
    await trees.begin(tx, room, balancer, await pools.above(tx, pool), user_id=reach.user_id)
