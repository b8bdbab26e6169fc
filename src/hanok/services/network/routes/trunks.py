"""What trunks do beyond the common: subports come and go."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from hanok.base.errors import BadInput
from hanok.services.network.logic import trunks
from hanok.services.network.logic.errors import disallowed
from hanok.services.network.room import Network
from hanok.services.network.routes.api import BODIES, reach_of
from hanok.services.network.routes.kinds import TRUNK
from hanok.services.network.schemas.resources import LEAVING_SUBPORTS, SUBPORTS
from hanok.web.attributes import Attribute, schema
from hanok.web.doors import changeable, find, target_of, told, view_for
from hanok.web.request import Request, json_answer
from hanok.web.routes import Route

_ADDED = {"sub_ports": Attribute(check=SUBPORTS)}
_REMOVED = {"sub_ports": Attribute(check=LEAVING_SUBPORTS)}


async def _change(request: Request, room: Network, rule: str) -> Response:
    body = await request.json()
    if not isinstance(body, dict):
        raise BadInput(BODIES.no_object)
    adds = rule == "add_subports"
    sent = BODIES.made({"body": body}, "body", _ADDED if adds else _REMOVED).values["sub_ports"]
    reach = reach_of(request)
    async with request.transaction() as tx:
        row, _ = await changeable(request, tx, TRUNK, reach, rule)
        if adds:
            await trunks.add(tx, room, reach, row, sent)
        else:
            await trunks.remove(tx, room, row, sent)
        _, view = await find(request, tx, TRUNK, reach, row.id)
        request.made(row.id, told(TRUNK, view))
    return json_answer(view_for(request, TRUNK, view))


async def add_subports(request: Request, room: Network) -> Response:
    """PUT /trunks/{id}/add_subports. The answer is the trunk, bare."""
    return await _change(request, room, "add_subports")


async def remove_subports(request: Request, room: Network) -> Response:
    """PUT /trunks/{id}/remove_subports. The answer is the trunk, bare."""
    return await _change(request, room, "remove_subports")


async def list_subports(request: Request, room: Network) -> Response:
    """GET /trunks/{id}/get_subports."""
    async with request.reading() as tx:
        _, view = await find(request, tx, TRUNK, reach_of(request), request.path["trunk_id"])
    if not request.may("get_subports", target_of(view)):
        raise disallowed("get_subports")
    return json_answer({"sub_ports": view["sub_ports"]})


_ONE = "/v2.0/trunks/{trunk_id}"


def _door(name: str, handler: Any, attributes: dict[str, Attribute]) -> Route:
    return Route(
        "PUT",
        f"{_ONE}/{name}",
        handler,
        (name,),
        strict=True,
        body=lambda: schema(attributes, "POST"),
        event="network.trunk.update.end",
    )


ROUTES = (
    _door("add_subports", add_subports, _ADDED),
    _door("remove_subports", remove_subports, _REMOVED),
    Route("GET", f"{_ONE}/get_subports", list_subports, ("get_subports",)),
)
