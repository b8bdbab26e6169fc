"""Regions, services and endpoints: what the catalog is made of."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from starlette.responses import Response

from hanok.base.errors import BadInput, Conflict
from hanok.base.ids import new_hex
from hanok.services.identity import schemas
from hanok.services.identity.logic import endpoint_filters, endpoint_policies
from hanok.services.identity.logic.lookup import filtered, get
from hanok.services.identity.room import Identity
from hanok.services.identity.routes import lists
from hanok.services.identity.routes.lists import PAGING
from hanok.services.identity.tables import endpoints, regions, services
from hanok.store import Duplicate, Transaction
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Route

# ---- regions ----


async def list_regions(request: Request, room: Identity) -> Response:
    request.allow()
    statement = filtered(sa.select(regions), regions, request.query, ("parent_region_id",))
    async with request.reading() as tx:
        page = await lists.REGIONS.page(request, tx, statement)
    items = [schemas.region(request, row) for row in page.rows]
    return await lists.paged(request, lists.REGIONS, page, items)


async def show_region(request: Request, room: Identity) -> Response:
    request.allow()
    async with request.reading() as tx:
        row = await get(tx, regions, "region", request.path["region_id"])
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
    async with request.transaction() as tx:
        if values.get("parent_region_id"):
            await get(tx, regions, "region", values["parent_region_id"])
        try:
            await tx.insert(
                regions,
                {
                    "id": region_id,
                    "parent_region_id": values.get("parent_region_id"),
                    "description": values.get("description") or "",
                    "extra": extra,
                },
            )
        except Duplicate as error:
            raise Conflict(
                f"Conflict occurred attempting to store region - {region_id} exists."
            ) from error
        row = await get(tx, regions, "region", region_id)
    return json_answer({"region": schemas.region(request, row)}, 201)


async def update_region(request: Request, room: Identity) -> Response:
    request.allow()
    body, extra = await schemas.read(request, "region", schemas.RegionBody)
    values = schemas.given(body)
    values.pop("id", None)
    async with request.transaction() as tx:
        row = await get(tx, regions, "region", request.path["region_id"])
        parent = values.get("parent_region_id")
        while parent is not None:
            if parent == row.id:
                raise BadInput("A region cannot be its own parent.")
            parent = (await get(tx, regions, "region", parent)).parent_region_id
        if "description" in values:
            values["description"] = values["description"] or ""
        if extra:
            values["extra"] = {**row.extra, **extra}
        if values:
            await tx.execute(regions.update().where(regions.c.id == row.id).values(**values))
        row = await get(tx, regions, "region", row.id)
    return json_answer({"region": schemas.region(request, row)})


async def delete_region(request: Request, room: Identity) -> Response:
    request.allow()
    async with request.transaction() as tx:
        row = await get(tx, regions, "region", request.path["region_id"])
        below = sa.select(regions.c.id).where(regions.c.parent_region_id == row.id)
        used = sa.select(endpoints.c.id).where(endpoints.c.region_id == row.id)
        if await tx.first(used) is not None or await tx.first(below) is not None:
            raise Conflict(
                f"Unable to delete region {row.id} because it or its child regions have endpoints."
            )
        await endpoint_policies.forget(tx, region=row.id)
        await tx.execute(regions.delete().where(regions.c.id == row.id))
    return no_content()


# ---- services ----


async def list_services(request: Request, room: Identity) -> Response:
    request.allow()
    statement = filtered(sa.select(services), services, request.query, ("type", "name"))
    async with request.reading() as tx:
        page = await lists.SERVICES.page(request, tx, statement)
    items = [schemas.service(request, row) for row in page.rows]
    return await lists.paged(request, lists.SERVICES, page, items)


async def create_service(request: Request, room: Identity) -> Response:
    request.allow()
    body, extra = await schemas.read(request, "service", schemas.ServiceBody)
    values = schemas.given(body)
    if "type" not in values:
        raise BadInput("'type' is a required property")
    service_id = new_hex()
    async with request.transaction() as tx:
        await tx.insert(
            services,
            {
                "id": service_id,
                "type": values["type"],
                "name": values.get("name"),
                "description": values.get("description"),
                "enabled": values.get("enabled", True),
                "extra": extra,
            },
        )
        row = await get(tx, services, "service", service_id)
    return json_answer({"service": schemas.service(request, row)}, 201)


async def show_service(request: Request, room: Identity) -> Response:
    request.allow()
    async with request.reading() as tx:
        row = await get(tx, services, "service", request.path["service_id"])
    return json_answer({"service": schemas.service(request, row)})


async def update_service(request: Request, room: Identity) -> Response:
    request.allow()
    body, extra = await schemas.read(request, "service", schemas.ServiceBody)
    values = schemas.given(body)
    async with request.transaction() as tx:
        row = await get(tx, services, "service", request.path["service_id"])
        if extra:
            values["extra"] = {**row.extra, **extra}
        if values:
            await tx.execute(services.update().where(services.c.id == row.id).values(**values))
        row = await get(tx, services, "service", row.id)
    return json_answer({"service": schemas.service(request, row)})


async def delete_service(request: Request, room: Identity) -> Response:
    """DELETE /v3/services/{id}: with its endpoints."""
    request.allow()
    async with request.transaction() as tx:
        row = await get(tx, services, "service", request.path["service_id"])
        of_service = sa.select(endpoints.c.id).where(endpoints.c.service_id == row.id)
        for endpoint_id in await tx.scalars(of_service):
            await _delete_endpoint(tx, endpoint_id)
        await endpoint_policies.forget(tx, service=row.id)
        await tx.execute(services.delete().where(services.c.id == row.id))
    return no_content()


# ---- endpoints ----


async def list_endpoints(request: Request, room: Identity) -> Response:
    request.allow()
    statement = filtered(
        sa.select(endpoints), endpoints, request.query, ("interface", "service_id", "region_id")
    )
    async with request.reading() as tx:
        page = await lists.ENDPOINTS.page(request, tx, statement)
    items = [schemas.endpoint(request, row) for row in page.rows]
    return await lists.paged(request, lists.ENDPOINTS, page, items)


async def _checked(tx: Transaction, values: dict[str, Any]) -> dict[str, Any]:
    """The columns for what was sent."""
    changes: dict[str, Any] = {
        name: values[name]
        for name in ("service_id", "interface", "url", "enabled")
        if name in values
    }
    if "interface" in changes and changes["interface"] not in ("public", "internal", "admin"):
        raise BadInput("Invalid input for field 'interface': it is public, internal or admin.")
    if "service_id" in changes:
        await get(tx, services, "service", changes["service_id"])
    if "region_id" in values:
        changes["region_id"] = values["region_id"]
        if values["region_id"] is not None:
            await get(tx, regions, "region", values["region_id"])
    elif "region" in values:
        changes["region_id"] = values["region"]
        if values["region"] is not None:
            await tx.insert_missing(
                regions,
                {"id": values["region"], "parent_region_id": None, "description": "", "extra": {}},
            )
    return changes


async def create_endpoint(request: Request, room: Identity) -> Response:
    request.allow()
    body, extra = await schemas.read(request, "endpoint", schemas.EndpointBody)
    values = schemas.given(body)
    for name in ("interface", "service_id", "url"):
        if name not in values:
            raise BadInput(f"'{name}' is a required property")
    endpoint_id = new_hex()
    async with request.transaction() as tx:
        changes = await _checked(tx, values)
        changes.setdefault("enabled", True)
        changes.setdefault("region_id", None)
        await tx.insert(endpoints, {"id": endpoint_id, "extra": extra, **changes})
        row = await get(tx, endpoints, "endpoint", endpoint_id)
    return json_answer({"endpoint": schemas.endpoint(request, row)}, 201)


async def show_endpoint(request: Request, room: Identity) -> Response:
    request.allow()
    async with request.reading() as tx:
        row = await get(tx, endpoints, "endpoint", request.path["endpoint_id"])
    return json_answer({"endpoint": schemas.endpoint(request, row)})


async def update_endpoint(request: Request, room: Identity) -> Response:
    request.allow()
    body, extra = await schemas.read(request, "endpoint", schemas.EndpointBody)
    async with request.transaction() as tx:
        row = await get(tx, endpoints, "endpoint", request.path["endpoint_id"])
        changes = await _checked(tx, schemas.given(body))
        if extra:
            changes["extra"] = {**row.extra, **extra}
        if changes:
            await tx.execute(endpoints.update().where(endpoints.c.id == row.id).values(**changes))
        row = await get(tx, endpoints, "endpoint", row.id)
    return json_answer({"endpoint": schemas.endpoint(request, row)})


async def delete_endpoint(request: Request, room: Identity) -> Response:
    request.allow()
    async with request.transaction() as tx:
        row = await get(tx, endpoints, "endpoint", request.path["endpoint_id"])
        await _delete_endpoint(tx, row.id)
    return no_content()


async def _delete_endpoint(tx: Transaction, endpoint_id: str) -> None:
    await endpoint_policies.forget(tx, endpoint=endpoint_id)
    await endpoint_filters.forget(tx, endpoint=endpoint_id)
    await tx.execute(endpoints.delete().where(endpoints.c.id == endpoint_id))


ROUTES = (
    Route(
        "GET",
        "/v3/regions",
        list_regions,
        ("identity:list_regions",),
        query=("parent_region_id", *PAGING),
    ),
    Route(
        "POST",
        "/v3/regions",
        create_region,
        ("identity:create_region",),
        body=schemas.RegionBody,
        member="region",
    ),
    Route("GET", "/v3/regions/{region_id}", show_region, ("identity:get_region",)),
    Route(
        "PUT",
        "/v3/regions/{region_id}",
        create_region,
        ("identity:create_region",),
        body=schemas.RegionBody,
        member="region",
    ),
    Route(
        "PATCH",
        "/v3/regions/{region_id}",
        update_region,
        ("identity:update_region",),
        body=schemas.RegionBody,
        member="region",
    ),
    Route("DELETE", "/v3/regions/{region_id}", delete_region, ("identity:delete_region",)),
    Route(
        "GET",
        "/v3/services",
        list_services,
        ("identity:list_services",),
        query=("name", "type", *PAGING),
    ),
    Route(
        "POST",
        "/v3/services",
        create_service,
        ("identity:create_service",),
        body=schemas.ServiceBody,
        member="service",
    ),
    Route("GET", "/v3/services/{service_id}", show_service, ("identity:get_service",)),
    Route(
        "PATCH",
        "/v3/services/{service_id}",
        update_service,
        ("identity:update_service",),
        body=schemas.ServiceBody,
        member="service",
    ),
    Route("DELETE", "/v3/services/{service_id}", delete_service, ("identity:delete_service",)),
    Route(
        "GET",
        "/v3/endpoints",
        list_endpoints,
        ("identity:list_endpoints",),
        query=("interface", "region_id", "service_id", *PAGING),
    ),
    Route(
        "POST",
        "/v3/endpoints",
        create_endpoint,
        ("identity:create_endpoint",),
        body=schemas.EndpointBody,
        member="endpoint",
    ),
    Route("GET", "/v3/endpoints/{endpoint_id}", show_endpoint, ("identity:get_endpoint",)),
    Route(
        "PATCH",
        "/v3/endpoints/{endpoint_id}",
        update_endpoint,
        ("identity:update_endpoint",),
        body=schemas.EndpointBody,
        member="endpoint",
    ),
    Route("DELETE", "/v3/endpoints/{endpoint_id}", delete_endpoint, ("identity:delete_endpoint",)),
)
