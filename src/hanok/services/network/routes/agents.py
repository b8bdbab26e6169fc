"""Agents, for administrators."""

from __future__ import annotations

from starlette.responses import Response

from hanok.base.errors import BadInput
from hanok.services.network.logic import agents
from hanok.services.network.logic.errors import disallowed
from hanok.services.network.room import Network
from hanok.services.network.routes.api import BODIES, PAGES, as_sent
from hanok.services.network.schemas.resources import AGENT
from hanok.web.attributes import schema, truth
from hanok.web.plain_lists import ItemList
from hanok.web.request import Request, json_answer, list_answer, no_content
from hanok.web.routes import Route


def _allow(request: Request, rule: str) -> None:
    if not request.may(rule):
        raise disallowed(rule)


_TRUTHS = ("admin_state_up", "alive")
_UNASKED = ("configurations", "resources_synced")
AGENTS = ItemList(
    name="agents",
    style=PAGES,
    key=lambda one: str(one["id"]),
    filters={name: truth if name in _TRUTHS else as_sent for name in AGENT if name not in _UNASKED},
    bodies=BODIES,
)


async def list_agents(request: Request, room: Network) -> Response:
    """GET /agents: nothing for those who may not look at one."""
    if not request.may("get_agent"):
        return json_answer(AGENTS.answer(request, []))
    now = room.clock.now()
    async with request.reading() as tx:
        rows = await agents.every(tx)
    found = AGENTS.answer(request, [agents.show(room, row, now) for row in rows])
    return await list_answer(found, "agents")


async def show_agent(request: Request, room: Network) -> Response:
    _allow(request, "get_agent")
    async with request.reading() as tx:
        row = await agents.get(tx, request.path["agent_id"])
    view = agents.show(room, row, room.clock.now())
    return json_answer({"agent": AGENTS.shown(request, view)})


async def update_agent(request: Request, room: Network) -> Response:
    """PUT /agents/{id}: the description. A host's part in the network is not switched off from here."""
    _allow(request, "update_agent")
    values = BODIES.changed(await request.json(), "agent", AGENT)
    if not values.pop("admin_state_up", True):
        raise BadInput("An agent of OVN cannot be switched off: admin_state_up is always true.")
    async with request.transaction() as tx:
        row = await agents.get(tx, request.path["agent_id"])
        if values:
            await agents.change(tx, row.id, values)
        row = await agents.get(tx, row.id)
        view = agents.show(room, row, room.clock.now())
        request.made(row.id, {"agent": view})
    return json_answer({"agent": view})


async def delete_agent(request: Request, room: Network) -> Response:
    _allow(request, "delete_agent")
    async with request.transaction() as tx:
        row = await agents.get(tx, request.path["agent_id"])
        view = agents.show(room, row, room.clock.now())
        await agents.delete(tx, room, row)
        request.made(row.id, {"agent_id": row.id, "agent": view})
    return no_content()


ROUTES = (
    Route(
        "GET",
        "/v2.0/agents",
        list_agents,
        ("get_agent",),
        query=AGENTS.parameters,
    ),
    Route("GET", "/v2.0/agents/{agent_id}", show_agent, ("get_agent",), query=("fields",)),
    Route(
        "PUT",
        "/v2.0/agents/{agent_id}",
        update_agent,
        ("update_agent",),
        strict=True,
        body=lambda: schema(AGENT, "PUT"),
        member="agent",
        event="network.agent.update.end",
    ),
    Route(
        "DELETE",
        "/v2.0/agents/{agent_id}",
        delete_agent,
        ("delete_agent",),
        event="network.agent.delete.end",
    ),
)
