"""Pools: members that share what a listener gets.

Source: Load Balancer API v2 reference, "Pools".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import Conflict
from hanok.services.load_balancer.logic import certificates, listeners, trees
from hanok.services.load_balancer.logic.common import (
    change,
    grouped,
    ids_of,
    shown,
    tags_of,
    write,
)
from hanok.services.load_balancer.logic.errors import failed
from hanok.services.load_balancer.room import LoadBalancing, Reach
from hanok.services.load_balancer.tables import health_monitors, l7policies, members, pools
from hanok.services.load_balancer.tables import listeners as listener_table
from hanok.store import Transaction

_SHOWN = (
    "protocol", "lb_algorithm", "session_persistence", "tls_container_ref", "ca_tls_container_ref",
    "crl_container_ref", "tls_enabled", "tls_ciphers", "tls_versions", "alpn_protocols",
)  # fmt: skip


def _by(table: sa.Table, column: sa.Column[Any]) -> sa.Select[Any]:
    these = column.in_(bindparam("ids", expanding=True))
    return sa.select(table.c.id, column).where(these).order_by(table.c.created_at, table.c.id)


_members = _by(members, members.c.pool_id)
_monitors = _by(health_monitors, health_monitors.c.pool_id)
_listeners = _by(listener_table, listener_table.c.default_pool_id)
_redirecting = sa.select(l7policies.c.id).where(l7policies.c.redirect_pool_id == bindparam("pool"))


async def show(tx: Transaction, rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    ids = [row.id for row in rows]
    tagged = await tags_of(tx, ids)
    theirs = grouped(await tx.all(_members, {"ids": ids}), "pool_id", ids)
    monitors = grouped(await tx.all(_monitors, {"ids": ids}), "pool_id", ids)
    users = grouped(await tx.all(_listeners, {"ids": ids}), "default_pool_id", ids)
    return [
        {
            **shown(row, ("name", "description"), _SHOWN),
            "loadbalancers": [{"id": row.load_balancer_id}],
            "listeners": ids_of(users[row.id]),
            "members": ids_of(theirs[row.id]),
            "healthmonitor_id": monitors[row.id][0].id if monitors[row.id] else None,
            "tags": tagged[row.id],
        }
        for row in rows
    ]


async def _parents(tx: Transaction, values: Mapping[str, Any]) -> tuple[str, Row[Any] | None]:
    """The load balancer of a new pool, and the listener that it is to serve.

    Raises:
        BadInput, NotFound
    """
    listener_id, balancer_id = values.get("listener_id"), values.get("loadbalancer_id")
    if listener_id is None and balancer_id is None:
        raise failed("Must provide at least one of: loadbalancer_id, listener_id")
    if listener_id is None:
        assert balancer_id is not None
        return balancer_id, None
    listener = await trees.row_of(tx, listener_table, "listener", listener_id)
    if balancer_id not in (None, listener.load_balancer_id):
        raise failed("Listener is not on the same Load Balancer.")
    return str(listener.load_balancer_id), listener


async def target(
    tx: Transaction, room: LoadBalancing, reach: Reach, values: dict[str, Any]
) -> dict[str, Any]:
    balancer_id, _ = await _parents(tx, values)
    return {"project_id": await listeners.owner(tx, balancer_id)}


async def create(tx: Transaction, room: LoadBalancing, reach: Reach, values: dict[str, Any]) -> str:
    """Raises BadInput, Conflict, NotFound, NotSupported, OverLimits."""
    balancer_id, listener = await _parents(tx, values)
    balancer = await trees.hold(tx, balancer_id)
    made = await put(tx, room, reach, balancer, values)
    touched = []
    if listener is not None:
        listener = await trees.again(tx, listener_table, listener.id)
        if listener.default_pool_id is not None:
            raise Conflict(
                f"Listener {listener.id} already has a default pool with id {listener.default_pool_id}."
            )
        listeners.speaks(listener.protocol, values["protocol"])
        mine = listener_table.c.id == listener.id
        await tx.execute(listener_table.update().where(mine).values(default_pool_id=made))
        touched = [(listener_table, [listener.id])]
    await trees.begin(tx, room, balancer, touched, user_id=reach.user_id)
    return made


async def put(
    tx: Transaction,
    room: LoadBalancing,
    reach: Reach,
    balancer: Row[Any],
    values: Mapping[str, Any],
) -> str:
    """A new pool of a load balancer that is held."""
    await trees.count(tx, room, balancer.project_id, pool=1)
    await trees.fits(tx, pools.c.load_balancer_id, balancer.id, room.settings.pools_each)
    values = _with_usual(values)
    check(values)
    await certificates.check_pool(tx, room, reach, values)
    made = await write(tx, room, pools, balancer.project_id, values, load_balancer_id=balancer.id)
    row = {**values, "id": made, "project_id": balancer.project_id}
    await certificates.note(tx, room, "pool", row, certificates.POOL)
    return made


def _with_usual(values: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(values)
    if found.get("tls_enabled"):
        if found.get("tls_ciphers") is None:
            found["tls_ciphers"] = listeners.USUAL_CIPHERS
        if found.get("tls_versions") is None:
            found["tls_versions"] = listeners.USUAL_VERSIONS
    return found


def check(values: Mapping[str, Any]) -> None:
    """Whether a pool's attributes go together. What is said of TLS waits until tls_enabled is. Raises BadInput."""
    protocol, persistence = values["protocol"], values.get("session_persistence")
    if persistence and persistence["type"] != "SOURCE_IP" and protocol in ("UDP", "SCTP"):
        raise failed(
            f"{persistence['type']} session persistence is not for pools of protocol {protocol}"
        )
    if persistence and protocol not in ("UDP", "SCTP"):
        for name in ("persistence_timeout", "persistence_granularity"):
            if persistence[name] is not None:
                raise failed(f"{name} is for pools of protocol UDP and SCTP only")
    if values.get("tls_enabled") and protocol in ("UDP", "SCTP", "PROXY", "PROXYV2"):
        raise failed(f"TLS to members is not for pools of protocol {protocol}")
    if values.get("crl_container_ref") and not values.get("ca_tls_container_ref"):
        raise failed("A CA certificate reference is required to specify a revocation list.")


async def update(
    tx: Transaction, room: LoadBalancing, reach: Reach, row: Row[Any], values: dict[str, Any]
) -> None:
    """Raises BadInput, Conflict, NotSupported."""
    balancer = await trees.hold(tx, row.load_balancer_id)
    row = await trees.again(tx, pools, row.id)
    whole = _with_usual({**row._mapping, **values}) if values.get("tls_enabled") else values
    after = {**row._mapping, **values}
    check(after)
    await certificates.check_pool(tx, room, reach, _newly_referred(values, after))
    await change(tx, room, pools, row, {**values, **_tls_of(whole)})
    await certificates.note(tx, room, "pool", after, certificates.POOL)
    await trees.begin(tx, room, balancer, await above(tx, row), user_id=reach.user_id)


def _newly_referred(values: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """The references that a change sets; an authority and its list of revocations belong together."""
    own, *pair = certificates.POOL
    names = [own] if own in values else []
    return {one: after[one] for one in (*names, *(pair if set(pair) & set(values) else ()))}


def _tls_of(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: values[name] for name in ("tls_ciphers", "tls_versions") if name in values}


async def delete(tx: Transaction, room: LoadBalancing, reach: Reach, row: Row[Any]) -> None:
    """With its members and its monitor. Raises Conflict: a policy sends requests to it."""
    balancer = await trees.hold(tx, row.load_balancer_id)
    if await tx.first(_redirecting, {"pool": row.id}):
        raise Conflict(f"Pool {row.id} is in use by L7 policy and cannot be deleted.")
    touched = await above(tx, row)
    await go(tx, room, row.id)
    await trees.begin(tx, room, balancer, touched[:-1], user_id=reach.user_id)


async def go(tx: Transaction, room: LoadBalancing, pool_id: str) -> None:
    """A pool and what is in it are to go."""
    now = room.clock.now()
    for table in (members, health_monitors):
        theirs = await tx.scalars(sa.select(table.c.id).where(table.c.pool_id == pool_id))
        await trees.mark(tx, "PENDING_DELETE", table, list(theirs), now)
    await trees.mark(tx, "PENDING_DELETE", pools, [pool_id], now)


async def above(tx: Transaction, row: Row[Any]) -> list[tuple[sa.Table, Sequence[str]]]:
    """What is above something in a pool: the listeners that hand on to it, and itself."""
    tree = await trees.load(tx, row.load_balancer_id)
    assert tree is not None
    return [(listener_table, trees.users_of(tree, row.id)), (pools, [row.id])]


async def held(tx: Transaction, pool_id: str) -> tuple[Row[Any], Row[Any]]:
    """A load balancer that is to be changed below one of its pools, and that pool.

    Raises:
        Conflict, NotFound
    """
    pool = await trees.row_of(tx, pools, "pool", pool_id)
    balancer = await trees.hold(tx, pool.load_balancer_id)
    return balancer, await trees.row_of(tx, pools, "pool", pool_id)
