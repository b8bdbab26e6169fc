"""Who carries load balancers, what their profiles may say, and what carries each.

Source: Load Balancer API v2 reference, "Providers", "Amphora".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.responses import Response

from hanok.services.load_balancer.logic import carriers, catalog, load_balancers, trees
from hanok.services.load_balancer.providers.model import Capability, Tree
from hanok.services.load_balancer.room import LoadBalancing
from hanok.services.load_balancer.routes.api import BODIES, PAGES, disallowed, reach_of
from hanok.services.load_balancer.routes.kinds import AMPHORA
from hanok.store import Transaction
from hanok.web.doors import changeable
from hanok.web.plain_lists import ItemList
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Route


def _as_sent(value: Any) -> Any:
    return value


def _list(name: str) -> ItemList:
    return ItemList(
        name=name,
        style=PAGES,
        key=lambda one: str(one["name"]),
        filters={"name": _as_sent, "description": _as_sent},
        bodies=BODIES,
    )


PROVIDERS, FLAVORS = _list("providers"), _list("flavor_capabilities")
ZONES = _list("availability_zone_capabilities")
_PROVIDER = "os_load-balancer_api:provider:get_all"
_FLAVOR = "os_load-balancer_api:provider-flavor:get_all"
_ZONE = "os_load-balancer_api:provider-availability-zone:get_all"
_AMPHORA = "os_load-balancer_api:amphora"


async def list_providers(request: Request, room: LoadBalancing) -> Response:
    """GET /providers."""
    if not request.may(_PROVIDER, project_id=request.token.project_id):
        raise disallowed((_PROVIDER,))
    found = [
        {"name": name, "description": one.description if name == one.name else _alias(one.name)}
        for name, one in room.providers.items()
    ]
    return json_answer(PROVIDERS.answer(request, found))


def _alias(name: str) -> str:
    return f"Another name of {name}."


def _shown(found: Sequence[Capability]) -> list[dict[str, str]]:
    return [{"name": one.name, "description": one.description} for one in found]


async def flavor_capabilities(request: Request, room: LoadBalancing) -> Response:
    """GET /providers/{provider}/flavor_capabilities."""
    if not request.may(_FLAVOR):
        raise disallowed((_FLAVOR,))
    found = catalog.provider(room, request.path["provider"])
    return json_answer(FLAVORS.answer(request, _shown(found.flavor_capabilities)))


async def zone_capabilities(request: Request, room: LoadBalancing) -> Response:
    """GET /providers/{provider}/availability_zone_capabilities."""
    if not request.may(_ZONE):
        raise disallowed((_ZONE,))
    found = catalog.provider(room, request.path["provider"])
    return json_answer(ZONES.answer(request, _shown(found.zone_capabilities)))


async def _carrier(request: Request, tx: Transaction, verb: str) -> tuple[str, Tree]:
    """What carries a load balancer, if the caller may do this to it, and that."""
    reach = reach_of(request)
    row, _ = await changeable(request, tx, AMPHORA, reach, f"{_AMPHORA}:{verb}")
    tree = await trees.load(tx, row.loadbalancer_id)
    assert tree is not None
    return row.id, tree


async def configure(request: Request, room: LoadBalancing) -> Response:
    """PUT /v2/octavia/amphorae/{id}/config: it reads all that it shall be once more."""
    async with request.transaction() as tx:
        _, tree = await _carrier(request, tx, "put_config")
        await load_balancers.tell_again(tx, room, reach_of(request), tree.id)
    return no_content(202)


async def failover(request: Request, room: LoadBalancing) -> Response:
    """PUT /v2/octavia/amphorae/{id}/failover: another one takes its place."""
    async with request.transaction() as tx:
        _, tree = await _carrier(request, tx, "put_failover")
        await load_balancers.failover(tx, room, reach_of(request), tree.balancer)
    return no_content(202)


async def stats(request: Request, room: LoadBalancing) -> Response:
    """GET /v2/octavia/amphorae/{id}/stats."""
    async with request.reading() as tx:
        carrier_id, tree = await _carrier(request, tx, "get_stats")
    found = await trees.provider_of(room, tree.balancer).stats(tree)
    return json_answer({"amphora_stats": carriers.stats(carrier_id, tree, found)})


_LBAAS = "/v2.0/lbaas/providers"
_ONE = "/v2.0/octavia/amphorae/{amphora_id}"
ROUTES = (
    Route("GET", _LBAAS, list_providers, (_PROVIDER,), query=PROVIDERS.parameters),
    Route(
        "GET",
        f"{_LBAAS}/{{provider}}/flavor_capabilities",
        flavor_capabilities,
        (_FLAVOR,),
        query=FLAVORS.parameters,
    ),
    Route(
        "GET",
        f"{_LBAAS}/{{provider}}/availability_zone_capabilities",
        zone_capabilities,
        (_ZONE,),
        query=ZONES.parameters,
    ),
    Route("GET", f"{_ONE}/stats", stats, (f"{_AMPHORA}:get_stats",)),
    Route(
        "PUT",
        f"{_ONE}/config",
        configure,
        (f"{_AMPHORA}:put_config",),
        event="load_balancer.amphora.configured",
    ),
    Route(
        "PUT",
        f"{_ONE}/failover",
        failover,
        (f"{_AMPHORA}:put_failover",),
        event="load_balancer.amphora.failover",
    ),
)
