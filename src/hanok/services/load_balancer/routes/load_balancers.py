"""What is odd about load balancers: made with all below them, deleted with it, failed over; statuses and counters.

Source: Load Balancer API v2 reference, "Load Balancers".
"""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Row
from starlette.responses import Response

from hanok.base.errors import BadInput
from hanok.services.load_balancer.logic import load_balancers as logic
from hanok.services.load_balancer.logic import trees
from hanok.services.load_balancer.providers.model import Stats, Tree
from hanok.services.load_balancer.room import LoadBalancing, Reach
from hanok.services.load_balancer.routes.api import API, BODIES, disallowed, reach_of, rule
from hanok.services.load_balancer.routes.graphs import split
from hanok.services.load_balancer.routes.kinds import (
    LISTENER,
    LOAD_BALANCER,
    MEMBER,
    MONITOR,
    POLICY,
    POOL,
    RULE,
)
from hanok.services.load_balancer.schemas import resources
from hanok.services.load_balancer.tables import load_balancers
from hanok.store import Transaction
from hanok.web.attributes import Wrong, schema, truth
from hanok.web.doors import changeable, check_attributes, told, view_for
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Route

_POST, _DELETE = rule("create", "loadbalancer"), rule("delete", "loadbalancer")
_PREFIX = "os_load-balancer_api:loadbalancer"


async def create(request: Request, room: LoadBalancing) -> Response:
    """POST /loadbalancers, with listeners and pools or without."""
    body, graph = split(await request.json())
    made = BODIES.made(body, "loadbalancer", resources.LOAD_BALANCER)
    reach, values = reach_of(request), made.values
    target = {"project_id": values["project_id"] or request.token.project_id}
    async with request.transaction() as tx:
        if not request.may(_POST, target):
            raise disallowed((_POST,))
        requested = {name: values[name] for name in made.explicit}
        check_attributes(request, API, _POST, requested, target)
        balancer_id = await logic.create(tx, room, reach, values, graph)
        row = await trees.again(tx, load_balancers, balancer_id)
        view = (await LOAD_BALANCER.views(tx, reach, [row]))[0]
        request.made(balancer_id, told(LOAD_BALANCER, view))
        if graph is not None:
            view |= await _whole(tx, reach, balancer_id)
    return json_answer({"loadbalancer": view_for(request, LOAD_BALANCER, view)}, 201)


async def _whole(tx: Transaction, reach: Reach, balancer_id: str) -> dict[str, Any]:
    """What is below a load balancer, as it stands in each other."""
    tree = await trees.load(tx, balancer_id)
    assert tree is not None
    pools = {one["id"]: one for one in await _pools(tx, reach, tree)}
    rules = await RULE.views(tx, reach, tree.rules)
    policies = await POLICY.views(tx, reach, tree.policies)
    for view, row in zip(policies, tree.policies, strict=True):
        theirs = zip(rules, tree.rules, strict=True)
        view["rules"] = [one for one, of in theirs if of.l7policy_id == row.id]
        view["redirect_pool"] = pools.get(row.redirect_pool_id)
    listeners = await LISTENER.views(tx, reach, tree.listeners)
    for one in listeners:
        one["l7policies"] = [each for each in policies if each["listener_id"] == one["id"]]
        one["default_pool"] = pools.get(one["default_pool_id"])
    return {"listeners": listeners, "pools": list(pools.values())}


async def _pools(tx: Transaction, reach: Reach, tree: Tree) -> list[dict[str, Any]]:
    members = await MEMBER.views(tx, reach, tree.members)
    monitors = await MONITOR.views(tx, reach, tree.monitors)
    found = await POOL.views(tx, reach, tree.pools)
    for view in found:
        theirs = zip(members, tree.members, strict=True)
        view["members"] = [one for one, row in theirs if row.pool_id == view["id"]]
        checks = [one for one in monitors if one["id"] == view["healthmonitor_id"]]
        view["healthmonitor"] = checks[0] if checks else None
    return found


async def delete(request: Request, room: LoadBalancing) -> Response:
    """DELETE /loadbalancers/{id}?cascade=true."""
    try:
        cascade = truth(request.query.get("cascade", "false"))
    except Wrong as wrong:
        raise BadInput(f"Invalid input for field/attribute cascade. {wrong}") from None
    reach = reach_of(request)
    async with request.transaction() as tx:
        row, view = await changeable(request, tx, LOAD_BALANCER, reach, _DELETE)
        await logic.delete(tx, room, reach, row, cascade=cascade)
        request.made(row.id, {"loadbalancer_id": row.id, **told(LOAD_BALANCER, view)})
    return no_content()


async def failover(request: Request, room: LoadBalancing) -> Response:
    """PUT /loadbalancers/{id}/failover."""
    reach = reach_of(request)
    async with request.transaction() as tx:
        row, _ = await changeable(request, tx, LOAD_BALANCER, reach, f"{_PREFIX}:put_failover")
        await logic.failover(tx, room, reach, row)
    return no_content(202)


async def status(request: Request, room: LoadBalancing) -> Response:
    """GET /loadbalancers/{id}/status."""
    async with request.reading() as tx:
        row = await _looked_at(request, tx, f"{_PREFIX}:get_status")
        return json_answer(await logic.status_tree(tx, row.id))


async def _looked_at(request: Request, tx: Transaction, name: str) -> Row[Any]:
    reach = reach_of(request)
    row, _ = await changeable(request, tx, LOAD_BALANCER, reach, name)
    return row


async def stats(request: Request, room: LoadBalancing) -> Response:
    """GET /loadbalancers/{id}/stats: of all its listeners together."""
    async with request.reading() as tx:
        row = await _looked_at(request, tx, f"{_PREFIX}:get_stats")
        tree = await trees.load(tx, row.id)
    assert tree is not None
    found = await trees.provider_of(room, tree.balancer).stats(tree)
    return json_answer({"stats": msgspec.to_builtins(logic.total(found))})


async def listener_stats(request: Request, room: LoadBalancing) -> Response:
    """GET /listeners/{id}/stats."""
    reach, name = reach_of(request), "os_load-balancer_api:listener:get_stats"
    async with request.reading() as tx:
        row, _ = await changeable(request, tx, LISTENER, reach, name)
        tree = await trees.load(tx, row.load_balancer_id)
    assert tree is not None
    found = await trees.provider_of(room, tree.balancer).stats(tree)
    return json_answer({"stats": msgspec.to_builtins(found.get(row.id, Stats()))})


_ALL = "/v2.0/lbaas/loadbalancers"
_ONE = f"{_ALL}/{{loadbalancer_id}}"
ROUTES = (
    Route(
        "POST",
        _ALL,
        create,
        (_POST, f"{_POST}:vip_sg_ids"),
        strict=True,
        body=lambda: schema(resources.LOAD_BALANCER, "POST"),
        member="loadbalancer",
        event="load_balancer.loadbalancer.create.end",
    ),
    Route(
        "DELETE",
        _ONE,
        delete,
        (_DELETE,),
        query=("cascade",),
        event="load_balancer.loadbalancer.delete.end",
    ),
    Route(
        "PUT",
        f"{_ONE}/failover",
        failover,
        (f"{_PREFIX}:put_failover",),
        event="load_balancer.loadbalancer.failover",
    ),
    Route("GET", f"{_ONE}/status", status, (f"{_PREFIX}:get_status",)),
    Route("GET", f"{_ONE}/stats", stats, (f"{_PREFIX}:get_stats",)),
    Route(
        "GET",
        "/v2.0/lbaas/listeners/{listener_id}/stats",
        listener_stats,
        ("os_load-balancer_api:listener:get_stats",),
    ),
)
