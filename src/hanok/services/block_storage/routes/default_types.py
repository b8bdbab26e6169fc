"""What volumes of a project get whose request names no type.

Source: Block Storage API reference, "Default Volume Types (default-types)".
"""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from hanok.base.errors import BadInput
from hanok.services.block_storage.logic import default_types
from hanok.services.block_storage.room import Volumes
from hanok.services.block_storage.schemas import bodies
from hanok.services.identity import facade as identity
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Route


def _shown(row: Any) -> dict[str, str]:
    return {"project_id": row.project_id, "volume_type_id": row.type_id}


async def list_all(request: Request, room: Volumes) -> Response:
    request.allow()
    async with request.reading() as tx:
        rows = await default_types.everything(tx)
    return json_answer({"default_types": [_shown(row) for row in rows]})


async def show_one(request: Request, room: Volumes) -> Response:
    request.allow()
    async with request.reading() as tx:
        row = await default_types.get(tx, request.path["project_id"])
    return json_answer({"default_type": _shown(row)})


async def put_one(request: Request, room: Volumes) -> Response:
    request.allow()
    body = await request.body(bodies.DefaultType, key="default_type")
    project_id = request.path["project_id"]
    async with request.transaction() as tx:
        if not await identity.project_exists(tx, project_id):
            raise BadInput(f"Project ID {project_id[:64]} is not a valid project.")
        row = await default_types.put(tx, request.reaching(), project_id, body.volume_type)
    return json_answer({"default_type": _shown(row)})


async def delete_one(request: Request, room: Volumes) -> Response:
    request.allow()
    async with request.transaction() as tx:
        await default_types.delete(tx, request.path["project_id"])
    return no_content(204)


_ALL, _ONE = "/v3/default-types", "/v3/default-types/{project_id}"
_R = "volume_extension:default"
_E = "block_storage.default_type"
ROUTES = (
    Route("GET", _ALL, list_all, (f"{_R}_get_all",), minimum=(3, 62)),
    Route("GET", _ONE, show_one, (f"{_R}_get",), minimum=(3, 62)),
    Route(
        "PUT", _ONE, put_one, (f"{_R}_set_or_update",), minimum=(3, 62), body=bodies.DefaultType,
        member="default_type", strict=True, event=f"{_E}.update",
    ),
    Route(
        "DELETE", _ONE, delete_one, (f"{_R}_unset",), minimum=(3, 62), event=f"{_E}.delete",
    ),
)  # fmt: skip
