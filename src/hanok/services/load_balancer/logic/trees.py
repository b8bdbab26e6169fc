"""A load balancer with all that is below it: read, locked, marked, handed to its provider, settled.

One request at a time changes a load balancer. It finds it ACTIVE, marks what it changes and all above that as PENDING,
and starts the operation that tells the provider; until that has ended, every other change is refused. So what the
operation reads is what the request wrote.

Source: Load Balancer API v2 reference, "Provisioning status codes", "Operating status codes".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import Conflict
from hanok.limits import OverLimit
from hanok.services.load_balancer.logic import certificates
from hanok.services.load_balancer.logic.errors import OverLimits, immutable, not_found
from hanok.services.load_balancer.providers.model import (
    DEGRADED,
    DRAINING,
    ERROR,
    NO_MONITOR,
    OFFLINE,
    ONLINE,
    Provider,
    Tree,
)
from hanok.services.load_balancer.room import LoadBalancing
from hanok.services.load_balancer.tables import (
    PARTS,
    health_monitors,
    l7policies,
    l7rules,
    listeners,
    load_balancers,
    members,
    pools,
    tags,
)
from hanok.store import Transaction, still_there

MUTABLE, REMOVABLE = ("ACTIVE",), ("ACTIVE", "ERROR")

_balancer = sa.select(load_balancers).where(load_balancers.c.id == bindparam("id"))


def _below(table: sa.Table, *order: sa.Column[Any]) -> sa.Select[Any]:
    mine = sa.select(table).where(table.c.load_balancer_id == bindparam("id"))
    return mine.order_by(*order, table.c.created_at, table.c.id)


_listeners, _pools, _members = map(_below, (listeners, pools, members))
_monitors, _rules = map(_below, (health_monitors, l7rules))
_policies = _below(l7policies, l7policies.c.position)
_count = {
    (table.name, column.name): sa.select(sa.func.count())
    .select_from(table)
    .where(column == bindparam("of"))
    for table, column in (
        (listeners, listeners.c.load_balancer_id),
        (pools, pools.c.load_balancer_id),
        (members, members.c.pool_id),
        (l7policies, l7policies.c.listener_id),
        (l7rules, l7rules.c.l7policy_id),
    )
}


async def load(tx: Transaction, balancer_id: str) -> Tree | None:
    """A load balancer and what is below it; seven statements, however much that is."""
    row, values = await tx.first(_balancer, {"id": balancer_id}), {"id": balancer_id}
    if row is None:
        return None
    return Tree(
        balancer=row,
        listeners=await tx.all(_listeners, values),
        pools=await tx.all(_pools, values),
        members=await tx.all(_members, values),
        monitors=await tx.all(_monitors, values),
        policies=await tx.all(_policies, values),
        rules=await tx.all(_rules, values),
    )


async def hold(tx: Transaction, balancer_id: str, states: Sequence[str] = MUTABLE) -> Row[Any]:
    """A load balancer that is to be changed, and that nobody else changes meanwhile.

    Raises:
        NotFound; Conflict: another change is under way, or it is in ERROR.
    """
    await tx.take_turn(balancer_id)
    row = await tx.first(_balancer, {"id": balancer_id})
    if row is None:
        raise not_found("loadbalancer", balancer_id)
    if row.provisioning_status not in states:
        raise immutable("loadbalancer", balancer_id)
    return row


async def count(tx: Transaction, room: LoadBalancing, project_id: str, **more: int) -> None:
    """Go on only if a project may have so many more. Raises OverLimits."""
    try:
        await room.limits.check(tx, project_id, more)
    except OverLimit as error:
        names = ", ".join(one.resource for one in error.over)
        raise OverLimits(f"Quota has been met for resources: {names}") from error


async def fits(tx: Transaction, column: sa.Column[Any], of: str, maximum: int) -> None:
    """Go on only if one thing may have another of these. column: names the thing. Raises Conflict."""
    held = await tx.scalar(_count[column.table.name, column.name], {"of": of})
    if int(held or 0) >= maximum:
        raise Conflict(f"{of} has {maximum} of these, and no more can be added.")


async def mark(
    tx: Transaction, status: str, table: sa.Table, ids: Sequence[str], now: datetime
) -> None:
    """Set the provisioning status of rows."""
    if ids:
        change = table.update().where(table.c.id.in_(list(ids)))
        await tx.execute(change.values(provisioning_status=status, updated_at=now))


Marks = Mapping[str, Sequence[str]]
_TABLES = {table.name: table for table in PARTS}


async def begin(
    tx: Transaction,
    room: LoadBalancing,
    balancer: Row[Any],
    touched: Sequence[tuple[sa.Table, Sequence[str]]],
    *,
    user_id: str,
    status: str = "PENDING_UPDATE",
) -> None:
    """What was written is to be told to the provider: mark the way up, ask whether it can, start the operation.

    Args:
        touched: what is above the change, and what of it is already there.
        status: of the load balancer.

    Raises:
        NotSupported: the provider cannot carry it.
    """
    now = room.clock.now()
    for table, ids in touched:
        await mark(tx, "PENDING_UPDATE", table, ids, now)
    await mark(tx, status, load_balancers, [balancer.id], now)
    tree = await load(tx, balancer.id)
    assert tree is not None
    provider = provider_of(room, tree.balancer)
    if status != "PENDING_DELETE":
        provider.check(tree.alive())
    await provider.prepare(tx, tree)
    await room.converge(tx, tree.balancer, user_id)


def provider_of(room: LoadBalancing, balancer: Row[Any]) -> Provider:
    return room.providers[balancer.provider]


def users_of(tree: Tree, pool_id: str) -> list[str]:
    """The ids of the listeners that hand on to a pool."""
    by_policy = {one.listener_id for one in tree.policies if one.redirect_pool_id == pool_id}
    return [
        one.id for one in tree.listeners if one.default_pool_id == pool_id or one.id in by_policy
    ]


# ---- what became of it ----


async def settle(
    tx: Transaction, room: LoadBalancing, balancer_id: str, health: Mapping[str, str]
) -> None:
    """The provider has done what was wanted: nothing is pending any more, and what was to go is gone."""
    tree = await load(tx, balancer_id)
    if tree is None:
        return
    now = room.clock.now()
    await forget(tx, [one.id for _, rows in _groups(tree) for one in rows if _goes(one)])
    await tx.execute(
        load_balancers.update()
        .where(load_balancers.c.id == balancer_id)
        .values(provisioning_status="ACTIVE", problem=None, updated_at=now)
    )
    for table in PARTS:
        pending = table.c.provisioning_status != "ACTIVE"
        await tx.execute(
            table.update()
            .where(table.c.load_balancer_id == balancer_id, pending)
            .values(provisioning_status="ACTIVE", updated_at=now)
        )
    await operate(tx, balancer_id, health)


def _goes(row: Row[Any]) -> bool:
    return bool(row.provisioning_status == "PENDING_DELETE")


def _groups(tree: Tree) -> list[tuple[sa.Table, Sequence[Row[Any]]]]:
    """What is below a load balancer by table, what is referred to behind what refers to it."""
    return [
        (l7rules, tree.rules),
        (l7policies, tree.policies),
        (health_monitors, tree.monitors),
        (members, tree.members),
        (listeners, tree.listeners),
        (pools, tree.pools),
    ]


async def forget(tx: Transaction, ids: Sequence[str]) -> None:
    """Rows and their tags are gone."""
    if not ids:
        return
    loose = listeners.c.default_pool_id.in_(list(ids))
    await tx.execute(listeners.update().where(loose).values(default_pool_id=None))
    for table in (l7rules, l7policies, health_monitors, members, listeners, pools, load_balancers):
        await tx.execute(table.delete().where(table.c.id.in_(list(ids))))
    await tx.execute(tags.delete().where(tags.c.resource_id.in_(list(ids))))
    await certificates.release(tx, ids)


async def forget_all(tx: Transaction, balancer_id: str) -> None:
    """A load balancer is gone, with all that was below it."""
    tree = await load(tx, balancer_id)
    if tree is not None:
        await forget(tx, [balancer_id, *(one.id for _, rows in _groups(tree) for one in rows)])


async def fail(tx: Transaction, room: LoadBalancing, balancer_id: str, why: str) -> None:
    """The provider did not do it: what was pending is in ERROR."""
    now = room.clock.now()
    for table in PARTS:
        pending = table.c.provisioning_status.startswith("PENDING_")
        await tx.execute(
            table.update()
            .where(table.c.load_balancer_id == balancer_id, pending)
            .values(provisioning_status="ERROR", updated_at=now)
        )
    await tx.execute(
        load_balancers.update()
        .where(load_balancers.c.id == balancer_id)
        .values(provisioning_status="ERROR", problem=why[:2000], updated_at=now)
    )


async def operate(tx: Transaction, balancer_id: str, health: Mapping[str, str]) -> bool:
    """Write how all of it works, as far as it is otherwise than written. Returns whether anything was."""
    tree = await load(tx, balancer_id)
    if tree is None:
        return False
    found, changed = operating(tree, health), False
    for table, rows in (*_groups(tree), (load_balancers, [tree.balancer])):
        for row in rows:
            if found[row.id] != row.operating_status:
                mine = table.c.id == row.id
                await tx.execute(table.update().where(mine).values(operating_status=found[row.id]))
                changed = True
    return changed


def operating(tree: Tree, health: Mapping[str, str]) -> dict[str, str]:
    """The operating statuses of all of a load balancer, by id.

    Args:
        health: of the members that are checked, by id.
    """
    up = bool(tree.balancer.admin_state_up)
    found: dict[str, str] = {}
    for row in (*tree.monitors, *tree.policies, *tree.rules):
        found[row.id] = ONLINE if up and row.admin_state_up else OFFLINE
    for row in tree.members:
        found[row.id] = _member(tree, row, health) if up else OFFLINE
    for row in tree.pools:
        found[row.id] = _pool(tree, row, found) if up else OFFLINE
    for row in tree.listeners:
        found[row.id] = _listener(row, found) if up else OFFLINE
    found[tree.id] = _worst(
        [found[one.id] for one in tree.listeners if one.admin_state_up], ONLINE if up else OFFLINE
    )
    return found


def _member(tree: Tree, row: Row[Any], health: Mapping[str, str]) -> str:
    monitor = tree.monitor_of(row.pool_id)
    if not row.admin_state_up:
        return OFFLINE
    if monitor is None or not monitor.admin_state_up:
        return NO_MONITOR
    known = health.get(row.id, OFFLINE)
    return DRAINING if known == ONLINE and row.weight == 0 else known


def _pool(tree: Tree, row: Row[Any], found: Mapping[str, str]) -> str:
    """A pool that no listener hands on to works for nobody."""
    if not row.admin_state_up or not users_of(tree, row.id):
        return OFFLINE
    theirs = [found[one.id] for one in tree.members_of(row.id) if one.admin_state_up]
    bad = sum(one == ERROR for one in theirs)
    if bad and bad == len(theirs):
        return ERROR
    return DEGRADED if bad else ONLINE


def _listener(row: Row[Any], found: Mapping[str, str]) -> str:
    if not row.admin_state_up:
        return OFFLINE
    below = found.get(row.default_pool_id or "", ONLINE)
    return DEGRADED if below in (ERROR, DEGRADED) else ONLINE


def _worst(below: Sequence[str], usual: str) -> str:
    if usual == OFFLINE:
        return OFFLINE
    return DEGRADED if DEGRADED in below or ERROR in below else ONLINE


async def row_of(tx: Transaction, table: sa.Table, name: str, requested: str) -> Row[Any]:
    """A row by its id, whoever it belongs to.

    Raises:
        NotFound
    """
    row = await tx.first(sa.select(table).where(table.c.id == requested))
    if row is None:
        raise not_found(name, requested)
    return row


async def again(tx: Transaction, table: sa.Table, requested: str) -> Row[Any]:
    """A row that was just written, or is held."""
    return still_there(await tx.first(sa.select(table).where(table.c.id == requested)))
