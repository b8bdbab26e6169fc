"""A load balancer that is made with all that it is to have.

What hangs together stands in each other: pools in listeners, members in pools, rules in policies. A pool that is named
("default_pool": {"name": "a"}) is the one of that name at the top.

Source: Load Balancer API v2 reference, "Creating a Fully Populated Load Balancer".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row

from hanok.base.errors import BadInput
from hanok.services.load_balancer.logic import l7, listeners, members, monitors, pools, trees
from hanok.services.load_balancer.logic.errors import failed
from hanok.services.load_balancer.room import LoadBalancing, Reach
from hanok.services.load_balancer.tables import l7policies as policy_table
from hanok.services.load_balancer.tables import listeners as listener_table
from hanok.services.load_balancer.tables import pools as pool_table
from hanok.store import Transaction

Graph = Mapping[str, Any]


async def put(
    tx: Transaction, room: LoadBalancing, reach: Reach, balancer: Row[Any], graph: Graph
) -> None:
    """Write all of it below a load balancer that is held.

    Args:
        graph: "listeners" and "pools", as read by `routes/graphs.py`.

    Raises:
        BadInput, Conflict, NotSupported, OverLimits
    """
    named: dict[str, str] = {}
    for one in graph.get("pools", ()):
        made = await _pool(tx, room, reach, balancer, one)
        if one["values"]["name"]:
            if one["values"]["name"] in named:
                raise failed(f"Pool name {one['values']['name']} is given more than once.")
            named[one["values"]["name"]] = made
    for one in graph.get("listeners", ()):
        await _listener(tx, room, reach, balancer, one, named)


async def _pool(
    tx: Transaction, room: LoadBalancing, reach: Reach, balancer: Row[Any], graph: Graph
) -> str:
    made = await pools.put(tx, room, reach, balancer, graph["values"])
    row = await trees.again(tx, pool_table, made)
    for one in graph.get("members", ()):
        await members.put(tx, room, reach, row, one)
    if graph.get("healthmonitor"):
        await monitors.put(tx, room, row, graph["healthmonitor"])
    return made


async def _one_of(
    tx: Transaction,
    room: LoadBalancing,
    reach: Reach,
    balancer: Row[Any],
    graph: Graph | None,
    named: Mapping[str, str],
) -> str | None:
    """The pool that is meant: a new one, or one that was named before."""
    if graph is None:
        return None
    if "values" in graph:
        return await _pool(tx, room, reach, balancer, graph)
    if graph["name"] not in named:
        raise BadInput(f"Pool {str(graph['name'])[:255]} not found.")
    return named[graph["name"]]


async def _listener(
    tx: Transaction,
    room: LoadBalancing,
    reach: Reach,
    balancer: Row[Any],
    graph: Graph,
    named: Mapping[str, str],
) -> None:
    default = await _one_of(tx, room, reach, balancer, graph.get("default_pool"), named)
    values = {**graph["values"], "default_pool_id": default or graph["values"]["default_pool_id"]}
    made = await listeners.put(tx, room, reach, balancer, values)
    row = await trees.again(tx, listener_table, made)
    for one in _in_order(graph.get("l7policies", ())):
        pool = await _one_of(tx, room, reach, balancer, one.get("redirect_pool"), named)
        sent = {**one["values"], **({"redirect_pool_id": pool} if pool else {})}
        policy = await trees.again(tx, policy_table, await l7.put_policy(tx, room, row, sent))
        for rule in one.get("rules", ()):
            await l7.put_rule(tx, room, policy, rule)


def _in_order(policies: Sequence[Graph]) -> list[Graph]:
    return sorted(policies, key=lambda one: int(one["values"]["position"]))
