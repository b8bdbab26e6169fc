"""Agents, for administrators."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from hanok.services.network.logic import agents
from hanok.services.network.logic.errors import disallowed
from hanok.services.network.room import Network
from hanok.services.network.routes.api import BODIES, PAGES
from hanok.services.network.schemas.resources import AGENT
from hanok.web.attributes import schema
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Route


def _allow(request: Request, rule: str) -> None:
    if not request.may(rule):
        raise disallowed(rule)


_FILTERS = tuple(name for name in AGENT if name not in ("configurations", "resources_synced"))


def _fits(query: dict[str, str], view: dict[str, Any]) -> bool:
    return all(str(view[name]).lower() == value.lower() for name, value in query.items())


async def list_agents(request: Request, room: Network) -> Response:
    """GET /agents: nothing for those who may not look at one."""
    if not request.may("get_agent"):
        return json_answer({"agents": []})
    query = PAGES.plain_filters(request, _FILTERS)
    now = room.clock.now()
    async with request.reading() as tx:
        rows = await agents.every(tx)
    found = [agents.show(room, row, now) for row in rows]
    return json_answer({"agents": [one for one in found if _fits(query, one)]})


async def show_agent(request: Request, room: Network) -> Response:
    _allow(request, "get_agent")
    async with request.reading() as tx:
        row = await agents.get(tx, request.path["agent_id"])
    return json_answer({"agent": agents.show(room, row, room.clock.now())})


async def update_agent(request: Request, room: Network) -> Response:
    """PUT /agents/{id}: the description. A host's part in the network is not switched off from here."""
    _allow(request, "update_agent")
    values = BODIES.changed(await request.json(), "agent", AGENT)
    async with request.transaction() as tx:
        row = await agents.get(tx, request.path["agent_id"])
        if values:
            await agents.change(tx, row.id, values)
        row = await agents.get(tx, row.id)
    return json_answer({"agent": agents.show(room, row, room.clock.now())})


async def delete_agent(request: Request, room: Network) -> Response:
    _allow(request, "delete_agent")
    async with request.transaction() as tx:
        row = await agents.get(tx, request.path["agent_id"])
        await agents.delete(tx, room, row)
    return no_content()


ROUTES = (
    Route(
        "GET",
        "/v2.0/agents",
        list_agents,
        ("get_agent",),
        query=(*PAGES.parameters, *_FILTERS),
    ),
    Route("GET", "/v2.0/agents/{agent_id}", show_agent, ("get_agent",)),
    Route(
        "PUT",
        "/v2.0/agents/{agent_id}",
        update_agent,
        ("update_agent",),
        strict=True,
        body=lambda: schema(AGENT, "PUT"),
        member="agent",
    ),
    Route("DELETE", "/v2.0/agents/{agent_id}", delete_agent, ("delete_agent",)),
)
