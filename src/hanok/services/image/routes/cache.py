"""Control's cache of images, for administrators.

Source: Image API reference, "Cache management".
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row
from starlette.responses import Response

from hanok.base.errors import BadInput, NotFound
from hanok.services.image.logic import cache, images
from hanok.services.image.operations import CacheImage
from hanok.services.image.room import Images
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Route


def _shown(row: Row[Any]) -> dict[str, Any]:
    return {
        "image_id": row.image_id,
        "hits": row.hits,
        "last_accessed": row.last_accessed_at.timestamp() if row.last_accessed_at else 0.0,
        "last_modified": row.cached_at.timestamp() if row.cached_at else 0.0,
        "size": row.size or 0,
    }


async def show_cache(request: Request, room: Images) -> Response:
    """GET /v2/cache."""
    request.allow()
    async with request.reading() as tx:
        rows = await cache.everything(tx)
    return json_answer(
        {
            "cached_images": [_shown(row) for row in rows if row.status == "cached"],
            "queued_images": [row.image_id for row in rows if row.status == "queued"],
        }
    )


async def queue_image(request: Request, room: Images) -> Response:
    """PUT /v2/cache/{image}."""
    request.allow()
    async with request.transaction() as tx:
        row = await images.get(tx, request.reaching(), request.path["image_id"])
        if row.status != "active":
            raise BadInput("Only images with status active can be targeted for queueing")
        if await cache.queue(tx, row.id, room.clock.now()):
            await room.operations.start(tx, CacheImage(image_id=row.id))
    return no_content(202)


async def delete_cached(request: Request, room: Images) -> Response:
    """DELETE /v2/cache/{image}: the copy, or the wish for one."""
    request.allow()
    image_id = request.path["image_id"]
    async with request.transaction() as tx:
        if not await cache.forget(tx, image_id) and await images.get_any(tx, image_id) is None:
            raise NotFound(f"Image {image_id} not found.")
    await cache.drop(room, image_id)
    return no_content()


async def clear_cache(request: Request, room: Images) -> Response:
    """DELETE /v2/cache: copies, wishes, or both as the header says."""
    request.allow()
    requested = request.headers.get("x-image-cache-clear-target", "").lower()
    if requested not in ("", "cache", "queue"):
        raise BadInput(
            "If provided 'x-image-cache-clear-target' must be 'cache', 'queue' or empty string."
        )
    statuses = {"": ("cached", "queued"), "cache": ("cached",), "queue": ("queued",)}[requested]
    async with request.transaction() as tx:
        rows = [row for row in await cache.everything(tx) if row.status in statuses]
        for row in rows:
            await cache.forget(tx, row.image_id)
    for row in rows:
        await cache.drop(room, row.image_id)
    return no_content()


async def clean_cache(request: Request, room: Images) -> Response:
    """POST /v2/cache/clean: what is in the folder and belongs to nothing, and copies that are not whole."""
    request.allow()
    async with request.reading() as tx:
        rows = await cache.everything(tx)
        whole = {row.id: row for row in [await images.get_any(tx, r.image_id) for r in rows] if row}
    for path in cache.strays(room, {row.image_id for row in rows}):
        path.unlink(missing_ok=True)
    broken = []
    async with request.transaction() as tx:
        for row in rows:
            image = whole.get(row.image_id)
            if row.status == "cached" and (image is None or cache.copy_of(room, image) is None):
                await cache.forget(tx, row.image_id)
                broken.append(row.image_id)
    for image_id in broken:
        await cache.drop(room, image_id)
    return no_content(200)


async def prune_cache(request: Request, room: Images) -> Response:
    """POST /v2/cache/prune: the copies that were used last go last, until the rest fits."""
    request.allow()
    async with request.transaction() as tx:
        gone = await cache.prune(tx, room)
    for row in gone:
        await cache.drop(room, row.image_id)
    freed = sum(row.size for row in gone)
    return json_answer({"total_files_pruned": len(gone), "total_bytes_pruned": freed})


_ONE = "/v2/cache/{image_id}"
ROUTES = (
    Route("GET", "/v2/cache", show_cache, ("cache_list",)),
    Route("DELETE", "/v2/cache", clear_cache, ("cache_delete",)),
    Route("PUT", _ONE, queue_image, ("cache_image",)),
    Route("DELETE", _ONE, delete_cached, ("cache_delete",)),
    Route("POST", "/v2/cache/clean", clean_cache, ("cache_clean",)),
    Route("POST", "/v2/cache/prune", prune_cache, ("cache_prune",)),
)
