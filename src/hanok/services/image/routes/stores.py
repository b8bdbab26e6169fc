"""Stores: which there are, and taking an image out of one."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from hanok.base.errors import Conflict, Forbidden, NotFound
from hanok.services.image.logic import data, images, news, quotas
from hanok.services.image.room import Images, StoreSettings
from hanok.services.image.routes.views import readable
from hanok.store import still_there
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import SIGNED_IN, Route


def _store(room: Images, one: StoreSettings) -> dict[str, Any]:
    shown: dict[str, Any] = {"id": one.id}
    if one.description:
        shown["description"] = one.description
    if one.id == room.default_store:
        shown["default"] = "true"
    if one.kind == "http":
        shown["read-only"] = "true"
    return shown


async def stores_info(request: Request, room: Images) -> Response:
    """GET /v2/info/stores."""
    return json_answer({"stores": [_store(room, one) for one in room.settings.stores]})


async def stores_detail(request: Request, room: Images) -> Response:
    """GET /v2/info/stores/detail: for administrators and services."""
    request.allow()
    shown = []
    for one in room.settings.stores:
        properties: dict[str, Any] = {}
        if one.kind == "file":
            folder = room.stores[one.id].path("x")
            properties = {
                "data_dir": str(folder.parent if folder else ""),
                "chunk_size": data.PIECE,
            }
        elif one.kind == "s3":
            properties = {"endpoint": one.endpoint, "bucket": one.bucket, "region": one.region}
        elif one.kind == "swift":
            properties = {"container": one.container}
        shown.append(
            {**_store(room, one), "type": one.kind, "weight": one.weight, "properties": properties}
        )
    return json_answer({"stores": shown})


async def import_info(request: Request, room: Images) -> Response:
    """GET /v2/info/import: the ways of import that are served; uploads are not among them by definition."""
    methods = {
        "description": "Import methods available.",
        "type": "array",
        "value": list(room.settings.import_methods),
    }
    return json_answer({"import-methods": methods})


async def usage_info(request: Request, room: Images) -> Response:
    """GET /v2/info/usage."""
    async with request.reading() as tx:
        usage = await quotas.usage(tx, room, request.token.project_id or "")
    return json_answer({"usage": usage})


async def delete_from_store(request: Request, room: Images) -> Response:
    """DELETE /v2/stores/{store}/{image}: one copy of several.

    Source: Image API reference, "Delete image from store".
    """
    store = request.path["store_id"]
    async with request.transaction() as tx:
        row = await readable(request, tx, "get_image_location")
        if not request.may("delete_image_location", {"project_id": row.owner, "owner": row.owner}):
            raise Forbidden("You are not authorized to complete delete_image_location action.")
        if store not in {one.id for one in room.settings.stores}:
            raise Conflict(f"The selected store {store[:64]} is not available on this node.")
        if row.status != "active":
            raise Conflict(
                "It's not allowed to remove image data from store if image status is not 'active'"
            )
        if row.import_task is not None:
            raise Conflict("The image is being copied.")
        there = (await images.locations(tx, [row.id]))[row.id]
        if len(there) == 1:
            raise Forbidden(
                "Cannot delete image data from the only store containing it. Delete the image instead."
            )
        mine = next((one for one in there if one.store == store), None)
        if mine is None:
            raise NotFound(f"Image {row.id} is not stored in store {store}.")
        await images.remove_location(tx, mine, room.clock.now())
        fresh = still_there(await images.get_any(tx, row.id))
        request.made(row.id, await news.image(tx, room, fresh))
    await data.empty_trash(room, row.id)
    return no_content()


ROUTES = (
    Route("GET", "/v2/info/import", import_info, (SIGNED_IN,)),
    Route("GET", "/v2/info/stores", stores_info, (SIGNED_IN,)),
    Route("GET", "/v2/info/stores/detail", stores_detail, ("stores_info_detail",)),
    Route("GET", "/v2/info/usage", usage_info, (SIGNED_IN,)),
    Route(
        "DELETE",
        "/v2/stores/{store_id}/{image_id}",
        delete_from_store,
        ("get_image_location", "delete_image_location"),
        event="image.update",
    ),
)
