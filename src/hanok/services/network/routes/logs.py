"""What can be logged."""

from __future__ import annotations

from starlette.responses import Response

from hanok.services.network.logic.errors import disallowed
from hanok.services.network.logic.logs import TYPES
from hanok.services.network.room import Network
from hanok.services.network.routes.api import BODIES, PAGES, as_sent
from hanok.web.plain_lists import ItemList
from hanok.web.request import Request, json_answer
from hanok.web.routes import Route

LOGGABLE = ItemList(
    name="loggable_resources",
    style=PAGES,
    key=lambda one: str(one["type"]),
    filters={"type": as_sent},
    bodies=BODIES,
)


async def list_loggable(request: Request, room: Network) -> Response:
    """GET /log/loggable-resources: the kinds of what logs are about."""
    if not request.may("get_loggable_resource", project_id=request.token.project_id):
        raise disallowed("get_loggable_resource")
    return json_answer(LOGGABLE.answer(request, [{"type": one} for one in TYPES]))


ROUTES = (
    Route(
        "GET",
        "/v2.0/log/loggable-resources",
        list_loggable,
        ("get_loggable_resource",),
        query=LOGGABLE.parameters,
    ),
)
