"""Version documents, schemas, and what this service can do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.responses import Response

from hanok.services.image import metadef_schemas, schemas
from hanok.services.image.room import Images
from hanok.web.request import Request, json_answer
from hanok.web.routes import PUBLIC, SIGNED_IN, Handler, Route

VERSIONS = tuple(f"v2.{minor}" for minor in range(18, -1, -1))


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


def _of_images(make: Callable[..., dict[str, Any]]) -> Handler:
    async def handler(request: Request, room: Images) -> Response:
        return json_answer(make(matched=room.settings.match_format))

    return handler


def _schema(make: Callable[[], dict[str, Any]]) -> Handler:
    async def handler(request: Request, room: Images) -> Response:
        return json_answer(make())

    return handler


def _tasks_schema() -> dict[str, Any]:
    return schemas.collection("tasks", schemas.task_schema(whole=False))


ROUTES = (
    Route("GET", "/", _versions(300), (PUBLIC,)),
    Route("GET", "/versions", _versions(200), (PUBLIC,)),
    Route("GET", "/v2/schemas/image", _of_images(schemas.image_schema), (SIGNED_IN,)),
    Route("GET", "/v2/schemas/images", _of_images(schemas.images_schema), (SIGNED_IN,)),
    Route("GET", "/v2/schemas/member", _schema(schemas.member_schema), (SIGNED_IN,)),
    Route("GET", "/v2/schemas/members", _schema(schemas.members_schema), (SIGNED_IN,)),
    Route("GET", "/v2/schemas/task", _schema(schemas.task_schema), (SIGNED_IN,)),
    Route("GET", "/v2/schemas/tasks", _schema(_tasks_schema), (SIGNED_IN,)),
    *(
        Route("GET", f"/v2/schemas/metadefs/{name}", _schema(make), (SIGNED_IN,))
        for name, make in metadef_schemas.SCHEMAS.items()
    ),
)
