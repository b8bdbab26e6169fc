"""Version documents, schemas, and what this service can do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.responses import Response

from hanok.services.image import schemas
from hanok.services.image.room import Images
from hanok.web.request import Request, json_answer
from hanok.web.routes import PUBLIC, SIGNED_IN, Handler, Route

VERSIONS = (
    "v2.17",
    "v2.16",
    "v2.15",
    "v2.13",
    "v2.9",
    "v2.7",
    "v2.6",
    "v2.5",
    "v2.4",
    "v2.3",
    "v2.2",
    "v2.1",
    "v2.0",
)


def _versions(status: int) -> Handler:
    async def handler(request: Request, room: Images) -> Response:
        link = {"rel": "self", "href": f"{request.base_url}/v2/"}
        return json_answer(
            {
                "versions": [
                    {
                        "id": one,
                        "status": "CURRENT" if one == VERSIONS[0] else "SUPPORTED",
                        "links": [link],
                    }
                    for one in VERSIONS
                ]
            },
            status,
        )

    return handler


def _schema(make: Callable[[], dict[str, Any]]) -> Handler:
    async def handler(request: Request, room: Images) -> Response:
        return json_answer(make())

    return handler


async def import_info(request: Request, room: Images) -> Response:
    """GET /v2/info/import: the ways of import that are served; uploads are not among them by definition."""
    return json_answer(
        {
            "import-methods": {
                "description": "Import methods available.",
                "type": "array",
                "value": [],
            }
        }
    )


async def stores_info(request: Request, room: Images) -> Response:
    """GET /v2/info/stores."""
    return json_answer({"stores": [{"id": "file", "default": "true", "description": "Files"}]})


async def usage_info(request: Request, room: Images) -> Response:
    """GET /v2/info/usage: no limits are set."""
    return json_answer({"usage": {}})


ROUTES = (
    Route("GET", "/", _versions(300), (PUBLIC,)),
    Route("GET", "/versions", _versions(200), (PUBLIC,)),
    Route("GET", "/v2/schemas/image", _schema(schemas.image_schema), (SIGNED_IN,)),
    Route("GET", "/v2/schemas/images", _schema(schemas.images_schema), (SIGNED_IN,)),
    Route("GET", "/v2/schemas/member", _schema(schemas.member_schema), (SIGNED_IN,)),
    Route("GET", "/v2/schemas/members", _schema(schemas.members_schema), (SIGNED_IN,)),
    Route("GET", "/v2/info/import", import_info, (SIGNED_IN,)),
    Route("GET", "/v2/info/stores", stores_info, (SIGNED_IN,)),
    Route("GET", "/v2/info/usage", usage_info, (SIGNED_IN,)),
)
