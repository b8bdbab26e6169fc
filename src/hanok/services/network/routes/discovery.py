"""What the service is: version documents, extensions, availability zones, service providers."""

from __future__ import annotations

from starlette.responses import Response

from hanok.services.network.extensions import EXTENSIONS, shown
from hanok.services.network.logic import flavors
from hanok.services.network.logic.errors import not_found
from hanok.services.network.room import Network
from hanok.services.network.routes.api import BODIES, PAGES, as_sent
from hanok.services.network.routes.kinds import KINDS
from hanok.web.attributes import truth
from hanok.web.plain_lists import ItemList
from hanok.web.request import Request, json_answer
from hanok.web.routes import PUBLIC, SIGNED_IN, Route

ZONES = ItemList(
    name="availability_zones",
    style=PAGES,
    key=lambda one: f"{one['resource']}:{one['name']}",  # zones have no ids, and two have one name
    filters=dict.fromkeys(("name", "resource", "state"), as_sent),
    bodies=BODIES,
)
PROVIDERS = ItemList(
    name="service_providers",
    style=PAGES,
    key=lambda one: str(one["name"]),
    filters={"name": as_sent, "service_type": as_sent, "default": truth},
    bodies=BODIES,
)


async def list_versions(request: Request, room: Network) -> Response:
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


async def show_version(request: Request, room: Network) -> Response:
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


async def list_extensions(request: Request, room: Network) -> Response:
    return json_answer({"extensions": [shown(alias) for alias in sorted(EXTENSIONS)]})


async def show_extension(request: Request, room: Network) -> Response:
    alias = request.path["alias"]
    if alias not in EXTENSIONS:
        raise not_found("extension", alias)
    return json_answer({"extension": shown(alias)})


async def list_zones(request: Request, room: Network) -> Response:
    request.allow("get_availability_zone")
    found = [
        {"name": room.settings.zone, "resource": resource, "state": "available"}
        for resource in ("network", "router")
    ]
    return json_answer(ZONES.answer(request, found))


async def list_providers(request: Request, room: Network) -> Response:
    """GET /service-providers: what does the work of services that have flavors."""
    request.allow("get_service_provider")
    return json_answer(PROVIDERS.answer(request, flavors.PROVIDERS))


ROUTES = (
    Route("GET", "/", list_versions, (PUBLIC,)),
    Route("GET", "/v2.0", show_version, (PUBLIC,)),
    Route("GET", "/v2.0/extensions", list_extensions, (SIGNED_IN,)),
    Route("GET", "/v2.0/extensions/{alias}", show_extension, (SIGNED_IN,)),
    Route(
        "GET",
        "/v2.0/availability_zones",
        list_zones,
        ("get_availability_zone",),
        query=ZONES.parameters,
    ),
    Route(
        "GET",
        "/v2.0/service-providers",
        list_providers,
        ("get_service_provider",),
        query=PROVIDERS.parameters,
    ),
)
