"""Version documents."""

from __future__ import annotations

from starlette.responses import Response

from hanok.services.identity.room import Identity
from hanok.web.request import Request, json_answer
from hanok.web.routes import PUBLIC, Route

_MEDIA = [{"base": "application/json", "type": "application/vnd.openstack.identity-v3+json"}]


def _version(request: Request) -> dict[str, object]:
    return {
        "id": "v3.14",
        "status": "stable",
        "updated": "2020-04-07T00:00:00Z",
        "links": [{"rel": "self", "href": f"{request.base_url}/v3/"}],
        "media-types": _MEDIA,
    }


async def list_versions(request: Request, room: Identity) -> Response:
    """GET /: all versions, 300."""
    return json_answer({"versions": {"values": [_version(request)]}}, 300)


async def show_version(request: Request, room: Identity) -> Response:
    """GET /v3."""
    return json_answer({"version": _version(request)})


ROUTES = (
    Route("GET", "/", list_versions, (PUBLIC,)),
    Route("GET", "/v3", show_version, (PUBLIC,)),
)
