"""Version documents, and the list of extensions."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from hanok.services.shared_file_system.microversions import MICROVERSIONS
from hanok.services.shared_file_system.room import Shares
from hanok.web.microversions import text
from hanok.web.request import Request, json_answer
from hanok.web.routes import PUBLIC, SIGNED_IN, Route


def _version(request: Request) -> dict[str, Any]:
    return {
        "id": "v2.0",
        "status": "CURRENT",
        "version": text(MICROVERSIONS.maximum),
        "min_version": text(MICROVERSIONS.minimum),
        "updated": "2015-08-27T11:33:21Z",
        "links": [
            {"rel": "describedby", "type": "text/html", "href": "https://docs.openstack.org/"},
            {"rel": "self", "href": f"{request.base_url}/v2/"},
        ],
        "media-types": [
            {
                "base": "application/json",
                "type": "application/vnd.openstack.share+json;version=1",
            }
        ],
    }


async def list_versions(request: Request, room: Shares) -> Response:
    return json_answer({"versions": [_version(request)]}, 300)


async def show_version(request: Request, room: Shares) -> Response:
    return json_answer({"versions": [_version(request)]})


async def list_extensions(request: Request, room: Shares) -> Response:
    """GET /extensions: there are none since all of it has versions."""
    return json_answer({"extensions": []})


ROUTES = (
    Route("GET", "/", list_versions, (PUBLIC,)),
    Route("GET", "/v1", show_version, (PUBLIC,)),
    Route("GET", "/v2", show_version, (PUBLIC,)),
    Route("GET", "/v2/extensions", list_extensions, (SIGNED_IN,)),
)
