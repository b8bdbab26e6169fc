"""Which agents carry what: routers' gateways, by hosts; and DHCP, which OVN answers without any.

Source: Networking API v2.0 reference, "L3 agent scheduler", "DHCP agent scheduler".
"""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from hanok.base.errors import BadInput
from hanok.services.network.logic import agents, networks, routers, scheduling
from hanok.services.network.logic.errors import disallowed
from hanok.services.network.logic.reach import get
from hanok.services.network.room import Network
from hanok.services.network.routes.agents import AGENTS
from hanok.services.network.routes.api import BODIES, PAGES, as_sent, reach_of
from hanok.services.network.schemas.resources import HOSTED_NETWORK, HOSTED_ROUTER, HOSTING
from hanok.web.attributes import Attribute, schema, truth, whole
from hanok.web.plain_lists import ItemList
from hanok.web.request import Request, json_answer, list_answer, no_content
from hanok.web.routes import Route

HOSTS = ItemList(
    name="agents",
    style=PAGES,
    key=AGENTS.key,
    filters={**AGENTS.filters, "ha_chassis_priority": whole()},
    bodies=BODIES,
)
_OF_ALL = ("id", "name", "description", "project_id", "tenant_id", "status")
ROUTERS, NETWORKS = (
    ItemList(
        name=name,
        style=PAGES,
        key=lambda one: str(one["id"]),
        filters={**dict.fromkeys(_OF_ALL, as_sent), "admin_state_up": truth},
        bodies=BODIES,
    )
    for name in ("routers", "networks")
)


def _allow(request: Request, rule: str) -> None:
    if not request.may(rule):
        raise disallowed(rule)


async def _sent(request: Request, attributes: dict[str, Attribute]) -> Any:
    """The attributes of a body in which they stand bare."""
    body = await request.json()
    if not isinstance(body, dict):
        raise BadInput(BODIES.no_object)
    return BODIES.made({"body": body}, "body", attributes).values


# ---- routers ----


async def list_hosts(request: Request, room: Network) -> Response:
    """GET /routers/{router_id}/l3-agents: the first is the one that carries its gateways while it is alive."""
    _allow(request, "get_l3-agents")
    async with request.reading() as tx:
        router = await get(tx, reach_of(request), "router", request.path["router_id"])
        found = await scheduling.agents_of(tx, room, router)
    return await list_answer(HOSTS.answer(request, found), "agents")


async def list_routers(request: Request, room: Network) -> Response:
    """GET /agents/{agent_id}/l3-routers."""
    _allow(request, "get_l3-routers")
    async with request.reading() as tx:
        rows = await scheduling.routers_on(tx, room, request.path["agent_id"])
        found = await routers.show(tx, rows)
    return await list_answer(ROUTERS.answer(request, found), "routers")


async def add_router(request: Request, room: Network) -> Response:
    """POST /agents/{agent_id}/l3-routers."""
    _allow(request, "create_l3-router")
    sent = await _sent(request, HOSTED_ROUTER)
    agent_id = request.path["agent_id"]
    async with request.transaction() as tx:
        await agents.get(tx, agent_id)
        router = await get(tx, reach_of(request), "router", sent["router_id"])
        await scheduling.add(tx, room, agent_id, router, sent["ha_chassis_priority"])
        request.made(agent_id, {"agent": {"id": agent_id, "router_id": router.id}}, noun="agent")
    return json_answer(None, 201)


async def change_router(request: Request, room: Network) -> Response:
    """PUT /agents/{agent_id}/l3-routers/{router_id}."""
    _allow(request, "update_l3-router")
    sent = await _sent(request, HOSTING)
    agent_id = request.path["agent_id"]
    async with request.transaction() as tx:
        await agents.get(tx, agent_id)
        router = await get(tx, reach_of(request), "router", request.path["router_id"])
        await scheduling.change(tx, room, agent_id, router, sent["ha_chassis_priority"])
        told = {"id": agent_id, "router_id": router.id, **sent}
        request.made(agent_id, {"agent": told}, noun="agent")
    return json_answer(sent)


async def remove_router(request: Request, room: Network) -> Response:
    """DELETE /agents/{agent_id}/l3-routers/{router_id}."""
    _allow(request, "delete_l3-router")
    agent_id = request.path["agent_id"]
    async with request.transaction() as tx:
        await agents.get(tx, agent_id)
        router = await get(tx, reach_of(request), "router", request.path["router_id"])
        await scheduling.remove(tx, room, agent_id, router)
        request.made(agent_id, {"agent": {"id": agent_id, "router_id": router.id}}, noun="agent")
    return no_content()


# ---- DHCP ----


async def list_dhcp_agents(request: Request, room: Network) -> Response:
    """GET /networks/{network_id}/dhcp-agents: none, as OVN answers DHCP on every host itself."""
    _allow(request, "get_dhcp-agents")
    async with request.reading() as tx:
        await get(tx, reach_of(request), "network", request.path["network_id"])
    return json_answer(AGENTS.answer(request, []))


async def list_networks(request: Request, room: Network) -> Response:
    """GET /agents/{agent_id}/dhcp-networks: none."""
    _allow(request, "get_dhcp-networks")
    async with request.reading() as tx:
        await agents.get(tx, request.path["agent_id"])
        found = await networks.show(tx, [])
    return json_answer(NETWORKS.answer(request, found))


async def add_network(request: Request, room: Network) -> Response:
    """POST /agents/{agent_id}/dhcp-networks: refused, as no agent here answers DHCP."""
    _allow(request, "create_dhcp-network")
    sent = await _sent(request, HOSTED_NETWORK)
    async with request.reading() as tx:
        await agents.get(tx, request.path["agent_id"])
        await get(tx, reach_of(request), "network", sent["network_id"])
    raise scheduling.no_dhcp_agent(request.path["agent_id"])


async def remove_network(request: Request, room: Network) -> Response:
    """DELETE /agents/{agent_id}/dhcp-networks/{network_id}: refused, as it is on none."""
    _allow(request, "delete_dhcp-network")
    agent_id, network_id = request.path["agent_id"], request.path["network_id"]
    async with request.reading() as tx:
        await agents.get(tx, agent_id)
        await get(tx, reach_of(request), "network", network_id)
    raise scheduling.not_by_dhcp_agent(network_id, agent_id)


_AGENT = "/v2.0/agents/{agent_id}"
_ROUTER = f"{_AGENT}/l3-routers/{{router_id}}"
ROUTES = (
    Route(
        "GET",
        "/v2.0/routers/{router_id}/l3-agents",
        list_hosts,
        ("get_l3-agents",),
        query=HOSTS.parameters,
    ),
    Route(
        "GET",
        f"{_AGENT}/l3-routers",
        list_routers,
        ("get_l3-routers",),
        query=ROUTERS.parameters,
    ),
    Route(
        "POST",
        f"{_AGENT}/l3-routers",
        add_router,
        ("create_l3-router",),
        strict=True,
        body=lambda: schema(HOSTED_ROUTER, "POST"),
        event="network.l3_agent.router.add",
    ),
    Route(
        "PUT",
        _ROUTER,
        change_router,
        ("update_l3-router",),
        strict=True,
        body=lambda: schema(HOSTING, "POST"),
        event="network.l3_agent.router.update",
    ),
    Route(
        "DELETE",
        _ROUTER,
        remove_router,
        ("delete_l3-router",),
        event="network.l3_agent.router.remove",
    ),
    Route(
        "GET",
        "/v2.0/networks/{network_id}/dhcp-agents",
        list_dhcp_agents,
        ("get_dhcp-agents",),
        query=AGENTS.parameters,
    ),
    Route(
        "GET",
        f"{_AGENT}/dhcp-networks",
        list_networks,
        ("get_dhcp-networks",),
        query=NETWORKS.parameters,
    ),
    Route(
        "POST",
        f"{_AGENT}/dhcp-networks",
        add_network,
        ("create_dhcp-network",),
        strict=True,
        body=lambda: schema(HOSTED_NETWORK, "POST"),
    ),
    Route(
        "DELETE",
        f"{_AGENT}/dhcp-networks/{{network_id}}",
        remove_network,
        ("delete_dhcp-network",),
    ),
)
