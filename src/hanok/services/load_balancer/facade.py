"""What the house may ask of load balancing."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row

from hanok.base.errors import HanokError
from hanok.services.load_balancer.logic import trees
from hanok.services.load_balancer.providers.model import Provider
from hanok.services.load_balancer.room import LoadBalancerSettings, LoadBalancing
from hanok.services.load_balancer.tables import health_monitors, load_balancers, members, pools
from hanok.services.network import facade as networks
from hanok.store import Transaction

__all__ = [
    "LoadBalancerSettings",
    "LoadBalancing",
    "look_at_hosts",
    "look_at_members",
    "members_of",
    "problems",
    "write_again",
]

log = logging.getLogger(__name__)

MAXIMUM_AT_ONCE = 200
_watched = (
    sa.select(load_balancers.c.id)
    .where(
        load_balancers.c.provisioning_status == "ACTIVE",
        load_balancers.c.id > sa.bindparam("after"),
        load_balancers.c.id.in_(sa.select(health_monitors.c.load_balancer_id)),
    )
    .order_by(load_balancers.c.id)
    .limit(MAXIMUM_AT_ONCE)
)
_pool = sa.select(pools.c.id).where(
    pools.c.id == sa.bindparam("pool"), pools.c.project_id == sa.bindparam("project")
)
_members = (
    sa.select(members)
    .where(members.c.pool_id == sa.bindparam("pool"))
    .order_by(members.c.id)
    .limit(1000)
)
_in_ovn = sa.select(load_balancers.c.id).where(load_balancers.c.provider == "ovn")
_problems = (
    sa.select(load_balancers.c.id, load_balancers.c.problem)
    .where(load_balancers.c.provisioning_status == "ERROR")
    .order_by(load_balancers.c.id)
    .limit(1000)
)


async def members_of(tx: Transaction, pool_id: str, project_id: str) -> Sequence[Row[Any]] | None:
    """The members of a project's pool, as they are known to be; None: it has no such pool."""
    of = {"pool": pool_id, "project": project_id}
    return await tx.all(_members, of) if await tx.scalar(_pool, of) is not None else None


async def look_at_members(room: LoadBalancing) -> int:
    """Write how the members that are checked are. Returns how many load balancers were looked at."""
    looked, after = 0, ""
    while True:
        async with room.database.read() as tx:
            ids = list(await tx.scalars(_watched, {"after": after}))
        for one in ids:
            await _look_at(room, one)
        looked += len(ids)
        if len(ids) < MAXIMUM_AT_ONCE:
            return looked
        after = ids[-1]


async def _look_at(room: LoadBalancing, balancer_id: str) -> None:
    async with room.database.read() as tx:
        tree = await trees.load(tx, balancer_id)
    if tree is None:
        return
    health = await trees.provider_of(room, tree.balancer).health(tree)
    found = trees.operating(tree, health)
    rows = (*tree.members, *tree.pools, *tree.listeners, tree.balancer)
    if all(found[row.id] == row.operating_status for row in rows):
        return
    async with room.database.write() as tx:
        await tx.take_turn(balancer_id)
        again = await trees.load(tx, balancer_id)
        if again is not None and again.balancer.provisioning_status == "ACTIVE":
            await trees.operate(tx, balancer_id, health)


async def look_at_hosts(room: LoadBalancing) -> None:
    """What hosts carry is as it was told; load balancers that lost their host come to another."""
    told = {provider.name: await provider.look() for provider in _each_once(room)}
    for one in dict.fromkeys(one for some in told.values() for one in some):
        try:
            async with room.database.write() as tx:
                balancer = await trees.hold(tx, one)
                await trees.begin(tx, room, balancer, [], user_id="")
        except HanokError as error:  # it is being changed, or there is no host: the next round
            log.info("load balancer %s is not told again: %s", one, error.message)


def _each_once(room: LoadBalancing) -> list[Provider]:
    """One provider of each kind: several names may stand for the same."""
    return list({type(one): one for one in room.providers.values()}.values())


async def write_again(tx: Transaction, room: LoadBalancing) -> None:
    """The load balancers that OVN carries are to be written anew, each as it is now."""
    ids = await tx.scalars(_in_ovn)
    await networks.touch(tx, room.network, *(f"load_balancer:{one}" for one in ids))


async def problems(room: LoadBalancing) -> list[str]:
    """Load balancers that could not be made as they shall be, a line each."""
    async with room.database.read() as tx:
        rows = await tx.all(_problems)
    return [
        f"load balancer {row.id} is in ERROR: {row.problem or 'no reason known'}" for row in rows
    ]
