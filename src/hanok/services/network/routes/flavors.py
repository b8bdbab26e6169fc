"""Which profiles a flavor has."""

from __future__ import annotations

from starlette.responses import Response

from hanok.services.network.logic import flavors
from hanok.services.network.room import Network
from hanok.services.network.routes.api import BODIES, reach_of
from hanok.services.network.routes.kinds import FLAVOR
from hanok.services.network.schemas.resources import FLAVOR_PROFILE
from hanok.web.attributes import schema
from hanok.web.doors import changeable
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Route


async def associate(request: Request, room: Network) -> Response:
    """POST /flavors/{flavor_id}/service_profiles."""
    sent = BODIES.made(await request.json(), "service_profile", FLAVOR_PROFILE).values
    rule = "create_flavor_service_profile"
    async with request.transaction() as tx:
        flavor, _ = await changeable(request, tx, FLAVOR, reach_of(request), rule)
        await flavors.associate(tx, flavor, sent["id"])
        told = {"flavor_id": flavor.id, "service_profile": sent}
        request.made(flavor.id, told, noun="flavor")
    return json_answer({"service_profile": sent}, 201)


async def disassociate(request: Request, room: Network) -> Response:
    """DELETE /flavors/{flavor_id}/service_profiles/{profile_id}."""
    profile_id, rule = request.path["profile_id"], "delete_flavor_service_profile"
    async with request.transaction() as tx:
        flavor, _ = await changeable(request, tx, FLAVOR, reach_of(request), rule)
        await flavors.disassociate(tx, flavor, profile_id)
        told = {"flavor_id": flavor.id, "service_profile": {"id": profile_id}}
        request.made(flavor.id, told, noun="flavor")
    return no_content()


_ALL = "/v2.0/flavors/{flavor_id}/service_profiles"
ROUTES = (
    Route(
        "POST",
        _ALL,
        associate,
        ("create_flavor_service_profile",),
        strict=True,
        body=lambda: schema(FLAVOR_PROFILE, "POST"),
        member="service_profile",
        event="network.flavor_service_profile.create.end",
    ),
    Route(
        "DELETE",
        f"{_ALL}/{{profile_id}}",
        disassociate,
        ("delete_flavor_service_profile",),
        event="network.flavor_service_profile.delete.end",
    ),
)
