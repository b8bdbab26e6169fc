"""Regions, services and endpoints: what the catalog is made of."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from hanok.base.errors import BadInput
from hanok.base.ids import in_address, new_hex
from hanok.services.identity import schemas
from hanok.services.identity.logic import endpoints, regions, services
from hanok.services.identity.room import Identity
from hanok.services.identity.routes import lists
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Route

# ---- regions ----


async def list_regions(request: Request, room: Identity) -> Response:
    """GET /v3/regions."""
    request.allow()
    async with request.reading() as tx:
        return await lists.answer(request, tx, lists.REGIONS, regions.ALL, schemas.region)


async def show_region(request: Request, room: Identity) -> Response:
    """GET /v3/regions/{id}."""
    request.allow()
    async with request.reading() as tx:
        row = await regions.get(tx, request.path["region_id"])
    return json_answer({"region": schemas.region(request, row)})


async def create_region(request: Request, room: Identity) -> Response:
    """POST /v3/regions, or PUT /v3/regions/{id} with a name of one's own."""
    request.allow()
    body, extra = await schemas.read(request, "region", schemas.RegionBody)
    values = schemas.given(body)
    named = request.path.get("region_id")
    if named is not None and values.get("id") not in (None, named):
        raise BadInput("The id in the body is not the one in the address.")
    region_id = named or values.get("id") or new_hex()
    if not in_address(region_id):
        raise BadInput(
            "The id of a region has no '/' in it and is not '.' or '..': no address could name it."
        )
    async with request.transaction() as tx:
        row = await regions.create(tx, region_id, values, extra)
        request.made(row.id)
    return json_answer({"region": schemas.region(request, row)}, 201)


async def update_region(request: Request, room: Identity) -> Response:
    """PATCH /v3/regions/{id}."""
    request.allow()
    body, extra = await schemas.read(request, "region", schemas.RegionBody)
    async with request.transaction() as tx:
        row = await regions.get(tx, request.path["region_id"])
        row = await regions.update(tx, row, schemas.given(body), extra)
    return json_answer({"region": schemas.region(request, row)})


async def delete_region(request: Request, room: Identity) -> Response:
    """DELETE /v3/regions/{id}."""
    request.allow()
    async with request.transaction() as tx:
        await regions.delete(tx, await regions.get(tx, request.path["region_id"]))
    return no_content()


# ---- services ----


async def list_services(request: Request, room: Identity) -> Response:
    """GET /v3/services."""
    request.allow()
    async with request.reading() as tx:
        return await lists.answer(request, tx, lists.SERVICES, services.ALL, schemas.service)


async def create_service(request: Request, room: Identity) -> Response:
    """POST /v3/services."""
    request.allow()
    body, extra = await schemas.read(request, "service", schemas.ServiceBody)
    values = schemas.given(body)
    if "type" not in values:
        raise BadInput("'type' is a required property")
    async with request.transaction() as tx:
        row = await services.create(tx, values, extra)
        request.made(row.id)
    return json_answer({"service": schemas.service(request, row)}, 201)


async def show_service(request: Request, room: Identity) -> Response:
    """GET /v3/services/{id}."""
    request.allow()
    async with request.reading() as tx:
        row = await services.get(tx, request.path["service_id"])
    return json_answer({"service": schemas.service(request, row)})


async def update_service(request: Request, room: Identity) -> Response:
    """PATCH /v3/services/{id}."""
    request.allow()
    body, extra = await schemas.read(request, "service", schemas.ServiceBody)
    async with request.transaction() as tx:
        row = await services.get(tx, request.path["service_id"])
        row = await services.update(tx, row, schemas.given(body), extra)
    return json_answer({"service": schemas.service(request, row)})


async def delete_service(request: Request, room: Identity) -> Response:
    """DELETE /v3/services/{id}: with its endpoints."""
    request.allow()
    async with request.transaction() as tx:
        await services.delete(tx, await services.get(tx, request.path["service_id"]))
    return no_content()


# ---- endpoints ----


async def list_endpoints(request: Request, room: Identity) -> Response:
    """GET /v3/endpoints."""
    request.allow()
    async with request.reading() as tx:
        return await lists.answer(request, tx, lists.ENDPOINTS, endpoints.ALL, schemas.endpoint)


async def _endpoint(request: Request) -> tuple[dict[str, Any], dict[str, Any]]:
    """The attributes that an endpoint is to have, and those that are kept for their owner."""
    body, extra = await schemas.read(request, "endpoint", schemas.EndpointBody)
    values = schemas.given(body)
    words = {name: values.pop(name) for name in ("name", "description") if name in values}
    return values, extra | words


async def create_endpoint(request: Request, room: Identity) -> Response:
    """POST /v3/endpoints."""
    request.allow()
    values, extra = await _endpoint(request)
    for name in ("interface", "service_id", "url"):
        if name not in values:
            raise BadInput(f"'{name}' is a required property")
    async with request.transaction() as tx:
        row = await endpoints.create(tx, values, extra)
        request.made(row.id)
    return json_answer({"endpoint": schemas.endpoint(request, row)}, 201)


async def show_endpoint(request: Request, room: Identity) -> Response:
    """GET /v3/endpoints/{id}."""
    request.allow()
    async with request.reading() as tx:
        row = await endpoints.get(tx, request.path["endpoint_id"])
    return json_answer({"endpoint": schemas.endpoint(request, row)})


async def update_endpoint(request: Request, room: Identity) -> Response:
    """PATCH /v3/endpoints/{id}."""
    request.allow()
    values, extra = await _endpoint(request)
    async with request.transaction() as tx:
        row = await endpoints.get(tx, request.path["endpoint_id"])
        row = await endpoints.update(tx, row, values, extra)
    return json_answer({"endpoint": schemas.endpoint(request, row)})


async def delete_endpoint(request: Request, room: Identity) -> Response:
    """DELETE /v3/endpoints/{id}."""
    request.allow()
    async with request.transaction() as tx:
        row = await endpoints.get(tx, request.path["endpoint_id"])
        await endpoints.delete(tx, row.id)
    return no_content()


ROUTES = (
    Route(
        "GET",
        "/v3/regions",
        list_regions,
        ("identity:list_regions",),
        query=lists.REGIONS.parameters,
    ),
    Route(
        "POST",
        "/v3/regions",
        create_region,
        ("identity:create_region",),
        body=schemas.RegionBody,
        member="region",
        event="identity.region.created",
    ),
    Route("GET", "/v3/regions/{region_id}", show_region, ("identity:get_region",)),
    Route(
        "PUT",
        "/v3/regions/{region_id}",
        create_region,
        ("identity:create_region",),
        body=schemas.RegionBody,
        member="region",
        event="identity.region.created",
    ),
    Route(
        "PATCH",
        "/v3/regions/{region_id}",
        update_region,
        ("identity:update_region",),
        body=schemas.RegionBody,
        member="region",
        event="identity.region.updated",
    ),
    Route(
        "DELETE",
        "/v3/regions/{region_id}",
        delete_region,
        ("identity:delete_region",),
        event="identity.region.deleted",
    ),
    Route(
        "GET",
        "/v3/services",
        list_services,
        ("identity:list_services",),
        query=lists.SERVICES.parameters,
    ),
    Route(
        "POST",
        "/v3/services",
        create_service,
        ("identity:create_service",),
        body=schemas.ServiceBody,
        member="service",
        event="identity.service.created",
    ),
    Route("GET", "/v3/services/{service_id}", show_service, ("identity:get_service",)),
    Route(
        "PATCH",
        "/v3/services/{service_id}",
        update_service,
        ("identity:update_service",),
        body=schemas.ServiceBody,
        member="service",
        event="identity.service.updated",
    ),
    Route(
        "DELETE",
        "/v3/services/{service_id}",
        delete_service,
        ("identity:delete_service",),
        event="identity.service.deleted",
    ),
    Route(
        "GET",
        "/v3/endpoints",
        list_endpoints,
        ("identity:list_endpoints",),
        query=lists.ENDPOINTS.parameters,
    ),
    Route(
        "POST",
        "/v3/endpoints",
        create_endpoint,
        ("identity:create_endpoint",),
        body=schemas.EndpointBody,
        member="endpoint",
        event="identity.endpoint.created",
    ),
    Route("GET", "/v3/endpoints/{endpoint_id}", show_endpoint, ("identity:get_endpoint",)),
    Route(
        "PATCH",
        "/v3/endpoints/{endpoint_id}",
        update_endpoint,
        ("identity:update_endpoint",),
        body=schemas.EndpointBody,
        member="endpoint",
        event="identity.endpoint.updated",
    ),
    Route(
        "DELETE",
        "/v3/endpoints/{endpoint_id}",
        delete_endpoint,
        ("identity:delete_endpoint",),
        event="identity.endpoint.deleted",
    ),
)
