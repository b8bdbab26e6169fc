"""What there is to have: addresses of networks, and pools of floating IPs."""

from __future__ import annotations

from starlette.responses import Response

from hanok.services.network.logic import availability, floating_ips
from hanok.services.network.logic.errors import disallowed, not_found
from hanok.services.network.room import Network
from hanok.services.network.routes.api import BODIES, PAGES, as_sent, reach_of
from hanok.services.network.schemas.values import ip_version
from hanok.web.plain_lists import ItemList
from hanok.web.request import Request, json_answer, list_answer
from hanok.web.routes import Route

_NAMES = ("network_id", "network_name", "project_id", "tenant_id")
AVAILABILITIES = ItemList(
    name="network_ip_availabilities",
    style=PAGES,
    key=lambda one: str(one["network_id"]),
    filters={**dict.fromkeys(_NAMES, as_sent), "ip_version": ip_version},
    unshown=frozenset(("ip_version",)),
    bodies=BODIES,
)
POOLS = ItemList(
    name="floatingip_pools",
    style=PAGES,
    key=lambda one: str(one["subnet_id"]),
    filters=dict.fromkeys(
        ("subnet_id", "subnet_name", "cidr", "network_id", "project_id", "tenant_id"), as_sent
    ),
    bodies=BODIES,
)


async def list_availabilities(request: Request, room: Network) -> Response:
    """GET /network-ip-availabilities: nothing for those who may not look at one."""
    if not request.may("get_network_ip_availability"):
        return json_answer(AVAILABILITIES.answer(request, []))
    sent = request.query_all("ip_version")
    versions = {BODIES.checked("ip_version", ip_version, one) for one in sent} or {4, 6}
    async with request.reading() as tx:
        items = await availability.of_networks(tx, versions=versions)
    for one in items:
        one["ip_version"] = min(versions)  # of those that were asked for
    found = AVAILABILITIES.answer(request, items)
    return await list_answer(found, AVAILABILITIES.name)


async def show_availability(request: Request, room: Network) -> Response:
    if not request.may("get_network_ip_availability"):
        raise disallowed("get_network_ip_availability")
    network_id = request.path["network_id"]
    async with request.reading() as tx:
        items = await availability.of_networks(tx, network_id=network_id)
    if not items:
        raise not_found("network", network_id)
    shown = AVAILABILITIES.shown(request, items[0])
    return json_answer({"network_ip_availability": shown})


async def list_pools(request: Request, room: Network) -> Response:
    """GET /floatingip_pools: the subnets that floating IPs come from."""
    if not request.may("get_floatingip_pool", project_id=request.token.project_id):
        return json_answer(POOLS.answer(request, []))
    async with request.reading() as tx:
        items = await floating_ips.pools(tx, reach_of(request))
    return json_answer(POOLS.answer(request, items))


_ALL = "/v2.0/network-ip-availabilities"
_RULES = ("get_network_ip_availability",)
ROUTES = (
    Route("GET", _ALL, list_availabilities, _RULES, query=AVAILABILITIES.parameters),
    Route("GET", f"{_ALL}/{{network_id}}", show_availability, _RULES, query=("fields",)),
    *(
        Route("GET", path, list_pools, ("get_floatingip_pool",), query=POOLS.parameters)
        for path in ("/v2.0/floatingip_pools", "/v2.0/floatingip-pools")  # clients say both
    ),
)
