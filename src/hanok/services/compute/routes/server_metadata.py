"""What users write onto servers: pairs of words."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row
from starlette.responses import Response

from hanok.base.errors import BadInput, NotFound
from hanok.services.compute.logic import quotas, servers
from hanok.services.compute.room import Compute
from hanok.services.compute.routes.servers import check_unlocked, readable, told
from hanok.services.compute.schemas import bodies
from hanok.store import Transaction
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Route


async def list_metadata(request: Request, room: Compute) -> Response:
    async with request.reading() as tx:
        row = await readable(request, tx)
    return json_answer({"metadata": row.metadata})


async def _set_metadata(
    request: Request, room: Compute, tx: Transaction, row: Row[Any], metadata: dict[str, str]
) -> None:
    check_unlocked(request, row)
    servers.check_settled(row, "update_server_metadata")
    await quotas.check_metadata(tx, room, row.project_id, metadata)
    await servers.change(tx, row.id, {"metadata": metadata, "updated_at": room.clock.now()})
    await told(request, room, tx, row.id)


async def replace_metadata(request: Request, room: Compute) -> Response:
    requested = await request.body(bodies.MetadataMap, key="metadata")
    async with request.transaction() as tx:
        row = await readable(request, tx)
        await _set_metadata(request, room, tx, row, requested)
    return json_answer({"metadata": requested})


async def add_metadata(request: Request, room: Compute) -> Response:
    requested = await request.body(bodies.MetadataMap, key="metadata")
    async with request.transaction() as tx:
        row = await readable(request, tx)
        merged = {**row.metadata, **requested}
        await _set_metadata(request, room, tx, row, merged)
    return json_answer({"metadata": merged})


async def show_item(request: Request, room: Compute) -> Response:
    key = request.path["key"]
    async with request.reading() as tx:
        row = await readable(request, tx)
    if key not in row.metadata:
        raise NotFound("Metadata item was not found")
    return json_answer({"meta": {key: row.metadata[key]}})


async def put_item(request: Request, room: Compute) -> Response:
    key = request.path["key"]
    requested = await request.body(bodies.MetadataMap, key="meta")
    if len(requested) != 1:
        raise BadInput("Request body contains too many items")
    if key not in requested:
        raise BadInput("Request body and URI mismatch")
    async with request.transaction() as tx:
        row = await readable(request, tx)
        await _set_metadata(request, room, tx, row, {**row.metadata, **requested})
    return json_answer({"meta": requested})


async def delete_item(request: Request, room: Compute) -> Response:
    key = request.path["key"]
    async with request.transaction() as tx:
        row = await readable(request, tx)
        if key not in row.metadata:
            raise NotFound("Metadata item was not found")
        kept = {name: value for name, value in row.metadata.items() if name != key}
        await _set_metadata(request, room, tx, row, kept)
    return no_content()


_A = "os_compute_api"
_ONE = "/v2.1/servers/{server_id}"
ROUTES = (
    Route("GET", _ONE + "/metadata", list_metadata, (f"{_A}:server-metadata:index",)),
    Route(
        "POST",
        _ONE + "/metadata",
        add_metadata,
        (f"{_A}:server-metadata:create",),
        strict=True,
        body=bodies.MetadataMap,
        member="metadata",
        event="compute.instance.update",
    ),
    Route(
        "PUT",
        _ONE + "/metadata",
        replace_metadata,
        (f"{_A}:server-metadata:update_all",),
        strict=True,
        body=bodies.MetadataMap,
        member="metadata",
        event="compute.instance.update",
    ),
    Route("GET", _ONE + "/metadata/{key}", show_item, (f"{_A}:server-metadata:show",)),
    Route(
        "PUT",
        _ONE + "/metadata/{key}",
        put_item,
        (f"{_A}:server-metadata:update",),
        strict=True,
        body=bodies.MetadataMap,
        member="meta",
        event="compute.instance.update",
    ),
    Route(
        "DELETE",
        _ONE + "/metadata/{key}",
        delete_item,
        (f"{_A}:server-metadata:delete",),
        event="compute.instance.update",
    ),
)
