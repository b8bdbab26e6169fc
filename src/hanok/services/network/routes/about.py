"""What the service is: version documents, extensions, availability zones, service providers."""

from __future__ import annotations

from starlette.responses import Response

from hanok.services.network.extensions import EXTENSIONS, shown
from hanok.services.network.logic.errors import not_found
from hanok.services.network.room import NetworkRoom
from hanok.services.network.routes.kinds import KINDS
from hanok.web.request import Request, json_answer
from hanok.web.routes import PUBLIC, SIGNED_IN, Route


async def list_versions(request: Request, room: NetworkRoom) -> Response:
    """GET /: one version, without a token."""
    return json_answer(
        {
            "versions": [
                {
                    "id": "v2.0",
                    "status": "CURRENT",
                    "links": [{"rel": "self", "href": f"{request.base_url}/v2.0/"}],
                }
            ]
        }
    )


async def show_version(request: Request, room: NetworkRoom) -> Response:
    """GET /v2.0: the collections."""
    return json_answer(
        {
            "resources": [
                {
                    "name": kind.name,
                    "collection": kind.plural,
                    "links": [{"rel": "self", "href": f"{request.base_url}/v2.0/{kind.path}"}],
                }
                for kind in KINDS
            ]
        }
    )


async def list_extensions(request: Request, room: NetworkRoom) -> Response:
    return json_answer({"extensions": [shown(alias) for alias in sorted(EXTENSIONS)]})


async def show_extension(request: Request, room: NetworkRoom) -> Response:
    alias = request.path["alias"]
    if alias not in EXTENSIONS:
        raise not_found("extension", alias)
    return json_answer({"extension": shown(alias)})


async def list_zones(request: Request, room: NetworkRoom) -> Response:
    request.allow("get_availability_zone")
    query = request.query
    found = [
        {"name": room.settings.zone, "resource": resource, "state": "available"}
        for resource in ("network", "router")
    ]
    found = [
        one for one in found if all(query.get(key, value) == value for key, value in one.items())
    ]
    return json_answer({"availability_zones": found})


ROUTES = (
    Route("GET", "/", list_versions, (PUBLIC,)),
    Route("GET", "/v2.0", show_version, (PUBLIC,)),
    Route("GET", "/v2.0/extensions", list_extensions, (SIGNED_IN,)),
    Route("GET", "/v2.0/extensions/{alias}", show_extension, (SIGNED_IN,)),
    Route("GET", "/v2.0/availability_zones", list_zones, ("get_availability_zone",)),
)
