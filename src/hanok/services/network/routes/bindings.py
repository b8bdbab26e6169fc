"""The bindings of a port to hosts: what moves a server's port without a moment between.

Source: Networking API v2.0 reference, "Port bindings".
"""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from hanok.services.network.logic import bindings
from hanok.services.network.logic.reach import get_any
from hanok.services.network.room import Network
from hanok.services.network.routes.api import BODIES, PAGES, as_sent, reach_of
from hanok.services.network.routes.kinds import PORT
from hanok.services.network.schemas.resources import BINDING
from hanok.store import Transaction
from hanok.web.attributes import schema
from hanok.web.doors import changeable
from hanok.web.plain_lists import ItemList
from hanok.web.request import Request, json_answer, list_answer, no_content
from hanok.web.routes import Route

BINDINGS = ItemList(
    name="bindings",
    style=PAGES,
    key=lambda one: str(one["host"]),
    filters=dict.fromkeys(("host", "status", "vif_type", "vnic_type"), as_sent),
    bodies=BODIES,
)


async def _allowed(request: Request, tx: Transaction, action: str) -> str:
    """The id of the path's port, if the caller may do this to its bindings.

    Raises:
        NotFound: the caller does not see the port. Forbidden
    """
    row, _ = await changeable(request, tx, PORT, reach_of(request), action)
    return str(row.id)


async def list_bindings(request: Request, room: Network) -> Response:
    """GET /ports/{port_id}/bindings."""
    async with request.reading() as tx:
        port_id = await _allowed(request, tx, "get_port_binding")
        bindings.check_of_server(await get_any(tx, "port", port_id))
        rows = [bindings.shown(row) for row in await bindings.of_port(tx, port_id)]
    return await list_answer(BINDINGS.answer(request, rows), "bindings")


async def show_binding(request: Request, room: Network) -> Response:
    async with request.reading() as tx:
        port_id = await _allowed(request, tx, "get_port_binding")
        bindings.check_of_server(await get_any(tx, "port", port_id))
        row = await bindings.at(tx, port_id, request.path["host"])
    return json_answer({"binding": BINDINGS.shown(request, bindings.shown(row))})


async def create_binding(request: Request, room: Network) -> Response:
    """POST /ports/{port_id}/bindings: it waits until it is activated."""
    values = BODIES.made(await request.json(), "binding", BINDING).values
    async with request.transaction() as tx:
        port_id = await _allowed(request, tx, "create_port_binding")
        port = await bindings.port_of(tx, port_id)
        made = await bindings.add(tx, room, port, values)
        request.made(port_id, {"binding": made}, noun="port")
    return json_answer({"binding": made}, 201)


async def update_binding(request: Request, room: Network) -> Response:
    """PUT /ports/{port_id}/bindings/{host}: who may make one may change it; upstream has no rule for it."""
    values: dict[str, Any] = BODIES.changed(await request.json(), "binding", BINDING)
    async with request.transaction() as tx:
        port_id = await _allowed(request, tx, "create_port_binding")
        port = await bindings.port_of(tx, port_id)
        changed = await bindings.update(tx, room, port, request.path["host"], values)
        request.made(port_id, {"binding": changed}, noun="port")
    return json_answer({"binding": changed})


async def activate_binding(request: Request, room: Network) -> Response:
    """PUT /ports/{port_id}/bindings/{host}/activate."""
    async with request.transaction() as tx:
        port_id = await _allowed(request, tx, "activate")
        port = await bindings.port_of(tx, port_id)
        active = await bindings.activate(tx, room, port, request.path["host"])
        request.made(port_id, {"binding": active}, noun="port")
    return json_answer({"binding": active})


async def delete_binding(request: Request, room: Network) -> Response:
    async with request.transaction() as tx:
        port_id = await _allowed(request, tx, "delete_port_binding")
        port = await bindings.port_of(tx, port_id)
        await bindings.remove(tx, room, port, request.path["host"])
        gone = {"port_id": port_id, "host": request.path["host"]}
        request.made(port_id, {"binding": gone}, noun="port")
    return no_content()


_ALL = "/v2.0/ports/{port_id}/bindings"
_ONE = f"{_ALL}/{{host}}"
ROUTES = (
    Route(
        "GET",
        _ALL,
        list_bindings,
        ("get_port_binding",),
        query=BINDINGS.parameters,
    ),
    Route("GET", _ONE, show_binding, ("get_port_binding",), query=("fields",)),
    Route(
        "POST",
        _ALL,
        create_binding,
        ("create_port_binding",),
        strict=True,
        body=lambda: schema(BINDING, "POST"),
        member="binding",
        event="network.binding.create.end",
    ),
    Route(
        "PUT",
        _ONE,
        update_binding,
        ("create_port_binding",),
        strict=True,
        body=lambda: schema(BINDING, "PUT"),
        member="binding",
        event="network.binding.update.end",
    ),
    Route(
        "PUT",
        f"{_ONE}/activate",
        activate_binding,
        ("activate",),
        event="network.binding.update.end",
    ),
    Route(
        "DELETE",
        _ONE,
        delete_binding,
        ("delete_port_binding",),
        event="network.binding.delete.end",
    ),
)
