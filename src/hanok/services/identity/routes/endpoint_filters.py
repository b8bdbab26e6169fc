"""Which endpoints a project's catalog shows: one by one, and by groups."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from starlette.responses import Response

from hanok.base.errors import BadInput, Conflict, NotFound
from hanok.base.ids import new_hex
from hanok.services.identity import schemas
from hanok.services.identity.logic import endpoint_filters
from hanok.services.identity.logic.lookup import filtered, get
from hanok.services.identity.room import Identity
from hanok.services.identity.routes.lists import PAGING
from hanok.services.identity.routes.projects import SHOWN, listed
from hanok.services.identity.tables import (
    endpoint_groups,
    endpoints,
    project_endpoint_groups,
    project_endpoints,
    projects,
)
from hanok.store import Duplicate, Transaction
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Route

FILTERS = frozenset({"service_id", "region_id", "interface"})

# ---- endpoints of projects ----


async def _pair(request: Request, tx: Transaction, other: sa.Table, what: str) -> dict[str, str]:
    """The project and the endpoint or group of the path, as a row that ties them."""
    key = f"{what.replace(' ', '_')}_id"
    thing = await get(tx, other, what, request.path[key])
    project = await get(tx, projects, "project", request.path["project_id"])
    return {"project_id": project.id, key: thing.id}


def _is(table: sa.Table, pair: dict[str, str]) -> sa.ColumnElement[bool]:
    return sa.and_(*(table.c[name] == value for name, value in pair.items()))


async def add_endpoint(request: Request, room: Identity) -> Response:
    request.allow()
    async with request.transaction() as tx:
        pair = await _pair(request, tx, endpoints, "endpoint")
        try:
            await tx.insert(project_endpoints, pair)
        except Duplicate as error:
            raise Conflict(
                "Conflict occurred attempting to store project_endpoint - Duplicate entry."
            ) from error
    return no_content()


async def check_endpoint(request: Request, room: Identity) -> Response:
    request.allow()
    async with request.reading() as tx:
        pair = await _pair(request, tx, endpoints, "endpoint")
        if await tx.first(sa.select(project_endpoints).where(_is(project_endpoints, pair))) is None:
            raise _missing(pair)
    return no_content()


def _missing(pair: dict[str, str]) -> NotFound:
    return NotFound(f"Endpoint {pair['endpoint_id']} not found in project {pair['project_id']}.")


async def remove_endpoint(request: Request, room: Identity) -> Response:
    request.allow()
    pair = {name: request.path[name] for name in ("project_id", "endpoint_id")}
    async with request.transaction() as tx:
        if not await tx.count(project_endpoints.delete().where(_is(project_endpoints, pair))):
            raise _missing(pair)
    return no_content()


async def list_endpoints(request: Request, room: Identity) -> Response:
    """GET /v3/OS-EP-FILTER/projects/{id}/endpoints: those of its groups too."""
    request.allow()
    async with request.reading() as tx:
        project = await get(tx, projects, "project", request.path["project_id"])
        rows = await endpoint_filters.endpoints_of(tx, project.id)
    items = [schemas.endpoint(request, row) for row in rows]
    return json_answer(schemas.collection(request, "endpoints", items))


async def _projects(request: Request, tx: Transaction, ids: sa.Select[Any]) -> Response:
    statement = sa.select(*SHOWN).where(projects.c.id.in_(ids))
    return await listed(request, tx, statement)


async def list_projects(request: Request, room: Identity) -> Response:
    """GET /v3/OS-EP-FILTER/endpoints/{id}/projects: those it was given to by itself."""
    request.allow()
    async with request.reading() as tx:
        endpoint = await get(tx, endpoints, "endpoint", request.path["endpoint_id"])
        given = sa.select(project_endpoints.c.project_id)
        return await _projects(
            request, tx, given.where(project_endpoints.c.endpoint_id == endpoint.id)
        )


# ---- groups ----


def _check_filters(filters: dict[str, Any]) -> None:
    if set(filters) - FILTERS:
        raise BadInput("The filters of an endpoint group are service_id, region_id and interface.")
    if filters.get("interface", "public") not in ("public", "internal", "admin"):
        raise BadInput("Invalid input for field 'interface': it is public, internal or admin.")
    if not all(isinstance(value, str) for value in filters.values()):
        raise BadInput("Each filter of an endpoint group is a string.")


async def list_groups(request: Request, room: Identity) -> Response:
    request.allow()
    statement = filtered(sa.select(endpoint_groups), endpoint_groups, request.query, ("name",))
    async with request.reading() as tx:
        rows = await tx.all(statement.order_by(endpoint_groups.c.name, endpoint_groups.c.id))
    items = [schemas.endpoint_group(request, row) for row in rows]
    return json_answer(schemas.collection(request, "endpoint_groups", items))


async def create_group(request: Request, room: Identity) -> Response:
    request.allow()
    body, _ = await schemas.read(request, "endpoint_group", schemas.EndpointGroupBody)
    values = schemas.given(body)
    if not values.get("filters"):
        raise BadInput("filters field is required and cannot be empty")
    if "name" not in values:
        raise BadInput("'name' is a required property")
    _check_filters(values["filters"])
    group_id = new_hex()
    async with request.transaction() as tx:
        await tx.insert(endpoint_groups, {"id": group_id, "description": None, **values})
        row = await get(tx, endpoint_groups, "endpoint group", group_id)
    return json_answer({"endpoint_group": schemas.endpoint_group(request, row)}, 201)


async def show_group(request: Request, room: Identity) -> Response:
    request.allow()
    async with request.reading() as tx:
        row = await get(tx, endpoint_groups, "endpoint group", request.path["endpoint_group_id"])
    return json_answer({"endpoint_group": schemas.endpoint_group(request, row)})


async def update_group(request: Request, room: Identity) -> Response:
    request.allow()
    body, _ = await schemas.read(request, "endpoint_group", schemas.EndpointGroupBody)
    values = schemas.given(body)
    if values.get("filters", {}) is None:
        # No group is without filters: the client of the command line sends null for what it was not told to change.
        values = {name: value for name, value in values.items() if value is not None}
    if "filters" in values:
        _check_filters(values["filters"])
    async with request.transaction() as tx:
        row = await get(tx, endpoint_groups, "endpoint group", request.path["endpoint_group_id"])
        if values:
            await tx.execute(
                endpoint_groups.update().where(endpoint_groups.c.id == row.id).values(**values)
            )
        row = await get(tx, endpoint_groups, "endpoint group", row.id)
    return json_answer({"endpoint_group": schemas.endpoint_group(request, row)})


async def delete_group(request: Request, room: Identity) -> Response:
    request.allow()
    async with request.transaction() as tx:
        row = await get(tx, endpoint_groups, "endpoint group", request.path["endpoint_group_id"])
        await endpoint_filters.forget(tx, group=row.id)
        await tx.execute(endpoint_groups.delete().where(endpoint_groups.c.id == row.id))
    return no_content()


async def list_endpoints_of_group(request: Request, room: Identity) -> Response:
    request.allow()
    async with request.reading() as tx:
        row = await get(tx, endpoint_groups, "endpoint group", request.path["endpoint_group_id"])
        rows = await endpoint_filters.endpoints_of_group(tx, row.filters)
    items = [schemas.endpoint(request, one) for one in rows]
    return json_answer(schemas.collection(request, "endpoints", items))


async def list_projects_of_group(request: Request, room: Identity) -> Response:
    request.allow()
    async with request.reading() as tx:
        row = await get(tx, endpoint_groups, "endpoint group", request.path["endpoint_group_id"])
        given = sa.select(project_endpoint_groups.c.project_id)
        return await _projects(
            request, tx, given.where(project_endpoint_groups.c.endpoint_group_id == row.id)
        )


async def list_groups_of_project(request: Request, room: Identity) -> Response:
    request.allow()
    async with request.reading() as tx:
        project = await get(tx, projects, "project", request.path["project_id"])
        rows = await endpoint_filters.groups_of(tx, project.id)
    items = [schemas.endpoint_group(request, row) for row in rows]
    return json_answer(schemas.collection(request, "endpoint_groups", items))


async def add_group(request: Request, room: Identity) -> Response:
    request.allow()
    async with request.transaction() as tx:
        pair = await _pair(request, tx, endpoint_groups, "endpoint group")
        try:
            await tx.insert(project_endpoint_groups, pair)
        except Duplicate as error:
            raise Conflict(
                "Conflict occurred attempting to store project_endpoint_group - Duplicate entry."
            ) from error
    return no_content()


async def show_group_of_project(request: Request, room: Identity) -> Response:
    request.allow()
    table = project_endpoint_groups
    async with request.reading() as tx:
        pair = await _pair(request, tx, endpoint_groups, "endpoint group")
        if await tx.first(sa.select(table).where(_is(table, pair))) is None:
            raise NotFound("Project Endpoint Group not found")
    link = schemas.link(
        request,
        "OS-EP-FILTER",
        "endpoint_groups",
        pair["endpoint_group_id"],
        "projects",
        pair["project_id"],
    )
    return json_answer({"project_endpoint_group": {**pair, "links": link}})


async def remove_group(request: Request, room: Identity) -> Response:
    request.allow()
    table = project_endpoint_groups
    async with request.transaction() as tx:
        pair = await _pair(request, tx, endpoint_groups, "endpoint group")
        if not await tx.count(table.delete().where(_is(table, pair))):
            raise NotFound("Project Endpoint Group not found")
    return no_content()


_A = "/v3/OS-EP-FILTER"
_ENDPOINT = _A + "/projects/{project_id}/endpoints/{endpoint_id}"
_GROUPS = _A + "/endpoint_groups"
_GROUP = _GROUPS + "/{endpoint_group_id}"
_MEMBER = _GROUP + "/projects/{project_id}"
ROUTES = (
    Route("PUT", _ENDPOINT, add_endpoint, ("identity:add_endpoint_to_project",)),
    Route("GET", _ENDPOINT, check_endpoint, ("identity:check_endpoint_in_project",)),
    Route("DELETE", _ENDPOINT, remove_endpoint, ("identity:remove_endpoint_from_project",)),
    Route(
        "GET",
        _A + "/projects/{project_id}/endpoints",
        list_endpoints,
        ("identity:list_endpoints_for_project",),
    ),
    Route(
        "GET",
        _A + "/endpoints/{endpoint_id}/projects",
        list_projects,
        ("identity:list_projects_for_endpoint",),
        query=PAGING,
    ),
    Route("GET", _GROUPS, list_groups, ("identity:list_endpoint_groups",), query=("name",)),
    Route(
        "POST",
        _GROUPS,
        create_group,
        ("identity:create_endpoint_group",),
        body=schemas.EndpointGroupBody,
        member="endpoint_group",
    ),
    Route("GET", _GROUP, show_group, ("identity:get_endpoint_group",)),
    Route(
        "PATCH",
        _GROUP,
        update_group,
        ("identity:update_endpoint_group",),
        body=schemas.EndpointGroupBody,
        member="endpoint_group",
    ),
    Route("DELETE", _GROUP, delete_group, ("identity:delete_endpoint_group",)),
    Route(
        "GET",
        _GROUP + "/endpoints",
        list_endpoints_of_group,
        ("identity:list_endpoints_associated_with_endpoint_group",),
    ),
    Route(
        "GET",
        _GROUP + "/projects",
        list_projects_of_group,
        ("identity:list_projects_associated_with_endpoint_group",),
        query=PAGING,
    ),
    Route(
        "GET",
        _A + "/projects/{project_id}/endpoint_groups",
        list_groups_of_project,
        ("identity:list_endpoint_groups_for_project",),
    ),
    Route("PUT", _MEMBER, add_group, ("identity:add_endpoint_group_to_project",)),
    Route("GET", _MEMBER, show_group_of_project, ("identity:get_endpoint_group_in_project",)),
    Route("DELETE", _MEMBER, remove_group, ("identity:remove_endpoint_group_from_project",)),
)
