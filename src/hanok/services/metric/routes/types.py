"""Types of resources.

Source: Gnocchi's REST API reference, "Resource Types".
"""

from __future__ import annotations

from starlette.responses import Response

from hanok.services.metric.logic import types
from hanok.services.metric.room import Metric
from hanok.services.metric.routes import common
from hanok.web.request import Request, no_content
from hanok.web.routes import SIGNED_IN, Route


async def list_types(request: Request, room: Metric) -> Response:
    request.allow()
    async with request.reading() as tx:
        rows = await types.every(tx)
    return common.spaced([types.shown(row) for row in rows.values()])


async def create_type(request: Request, room: Metric) -> Response:
    request.allow()
    body = await request.json()
    async with request.transaction() as tx:
        row = await types.create(tx, body)
        request.made(row.name)
    headers = common.location(request, "resource_type", row.name)
    return common.spaced(types.shown(row), 201, headers)


async def show_type(request: Request, room: Metric) -> Response:
    request.allow()
    async with request.reading() as tx:
        row = await types.find(tx, request.path["name"])
    return common.spaced(types.shown(row))


async def patch_type(request: Request, room: Metric) -> Response:
    request.allow()
    body = await request.json()
    async with request.transaction() as tx:
        row = await types.patch(tx, request.path["name"], body)
    return common.spaced(types.shown(row))


async def delete_type(request: Request, room: Metric) -> Response:
    request.allow()
    async with request.transaction() as tx:
        await types.delete(tx, request.path["name"])
    return no_content()


async def addresses(request: Request, room: Metric) -> Response:
    """GET /v1/resource: where the resources of each type are."""
    request.allowed_by_hand()
    async with request.reading() as tx:
        rows = await types.every(tx)
    return common.spaced({name: f"{request.base_url}/v1/resource/{name}" for name in rows})


_TYPE = "/v1/resource_type"
_ONE = f"{_TYPE}/{{name}}"
ROUTES = (
    Route("GET", _TYPE, list_types, ("list resource type",)),
    Route(
        "POST",
        _TYPE,
        create_type,
        ("create resource type",),
        strict=True,
        event="metric.resource_type.created",
    ),
    Route("GET", _ONE, show_type, ("get resource type",)),
    Route(
        "PATCH",
        _ONE,
        patch_type,
        ("update resource type",),
        media_type="application/json-patch+json",
        event="metric.resource_type.updated",
    ),
    Route(
        "DELETE", _ONE, delete_type, ("delete resource type",), event="metric.resource_type.deleted"
    ),
    Route("GET", "/v1/resource", addresses, (SIGNED_IN,)),
)
