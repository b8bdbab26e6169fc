"""Which endpoints a project's catalog shows: one by one, and by groups."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row
from starlette.responses import Response

from hanok.base.errors import BadInput, NotFound
from hanok.services.identity import schemas
from hanok.services.identity.logic import endpoint_filters, endpoints, projects
from hanok.services.identity.room import Identity
from hanok.services.identity.routes import lists
from hanok.services.identity.routes.projects import listed
from hanok.store import Transaction
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Route

# ---- endpoints of projects ----


def _endpoint(request: Request) -> tuple[endpoint_filters.Place, str, str]:
    return "endpoint", request.path["endpoint_id"], request.path["project_id"]


async def add_endpoint(request: Request, room: Identity) -> Response:
    """PUT /v3/OS-EP-FILTER/projects/{id}/endpoints/{id}."""
    request.allow()
    async with request.transaction() as tx:
        await endpoint_filters.give(tx, *_endpoint(request))
    return no_content()


def _missing(request: Request) -> NotFound:
    path = request.path
    return NotFound(f"Endpoint {path['endpoint_id']} not found in project {path['project_id']}.")


async def check_endpoint(request: Request, room: Identity) -> Response:
    """GET /v3/OS-EP-FILTER/projects/{id}/endpoints/{id}."""
    request.allow()
    async with request.reading() as tx:
        await endpoint_filters.check_both(tx, *_endpoint(request))
        if not await endpoint_filters.has(tx, *_endpoint(request)):
            raise _missing(request)
    return no_content()


async def remove_endpoint(request: Request, room: Identity) -> Response:
    """DELETE /v3/OS-EP-FILTER/projects/{id}/endpoints/{id}."""
    request.allow()
    async with request.transaction() as tx:
        if not await endpoint_filters.take(tx, *_endpoint(request)):
            raise _missing(request)
    return no_content()


async def list_endpoints(request: Request, room: Identity) -> Response:
    """GET /v3/OS-EP-FILTER/projects/{id}/endpoints: those of its groups too."""
    request.allow()
    async with request.reading() as tx:
        project_id = request.path["project_id"]
        if await projects.find(tx, project_id) is None:
            raise NotFound(f"Could not find project: {project_id}.")
        ids = [row.id for row in await endpoint_filters.endpoints_of(tx, project_id)]
        mine = endpoints.among(ids)
        return await lists.answer(request, tx, lists.ENDPOINTS, mine, schemas.endpoint)


async def list_projects(request: Request, room: Identity) -> Response:
    """GET /v3/OS-EP-FILTER/endpoints/{id}/projects: those it was given to by itself."""
    request.allow()
    async with request.reading() as tx:
        endpoint_id = request.path["endpoint_id"]
        ids = await endpoint_filters.projects_with(tx, "endpoint", endpoint_id)
        return await listed(request, tx, projects.among(ids, domains=None))


# ---- groups ----


async def _group(request: Request, tx: Transaction) -> Row[Any]:
    return await endpoint_filters.group(tx, request.path["endpoint_group_id"])


async def list_groups(request: Request, room: Identity) -> Response:
    """GET /v3/OS-EP-FILTER/endpoint_groups."""
    request.allow()
    async with request.reading() as tx:
        return await lists.answer(
            request, tx, lists.ENDPOINT_GROUPS, endpoint_filters.GROUPS, schemas.endpoint_group
        )


async def create_group(request: Request, room: Identity) -> Response:
    """POST /v3/OS-EP-FILTER/endpoint_groups."""
    request.allow()
    body, _ = await schemas.read(request, "endpoint_group", schemas.EndpointGroupBody)
    values = schemas.given(body)
    if not values.get("filters"):
        raise BadInput("filters field is required and cannot be empty")
    if "name" not in values:
        raise BadInput("'name' is a required property")
    async with request.transaction() as tx:
        row = await endpoint_filters.create_group(tx, values)
    return json_answer({"endpoint_group": schemas.endpoint_group(request, row)}, 201)


async def show_group(request: Request, room: Identity) -> Response:
    """GET /v3/OS-EP-FILTER/endpoint_groups/{id}."""
    request.allow()
    async with request.reading() as tx:
        row = await _group(request, tx)
    return json_answer({"endpoint_group": schemas.endpoint_group(request, row)})


async def update_group(request: Request, room: Identity) -> Response:
    """PATCH /v3/OS-EP-FILTER/endpoint_groups/{id}."""
    request.allow()
    body, _ = await schemas.read(request, "endpoint_group", schemas.EndpointGroupBody)
    async with request.transaction() as tx:
        row = await _group(request, tx)
        row = await endpoint_filters.update_group(tx, row, schemas.given(body))
    return json_answer({"endpoint_group": schemas.endpoint_group(request, row)})


async def delete_group(request: Request, room: Identity) -> Response:
    """DELETE /v3/OS-EP-FILTER/endpoint_groups/{id}."""
    request.allow()
    async with request.transaction() as tx:
        await endpoint_filters.delete_group(tx, await _group(request, tx))
    return no_content()


async def list_endpoints_of_group(request: Request, room: Identity) -> Response:
    """GET /v3/OS-EP-FILTER/endpoint_groups/{id}/endpoints."""
    request.allow()
    async with request.reading() as tx:
        row = await _group(request, tx)
        ids = [one.id for one in await endpoint_filters.endpoints_of_group(tx, row.filters)]
        mine = endpoints.among(ids)
        return await lists.answer(request, tx, lists.ENDPOINTS, mine, schemas.endpoint)


async def list_projects_of_group(request: Request, room: Identity) -> Response:
    """GET /v3/OS-EP-FILTER/endpoint_groups/{id}/projects."""
    request.allow()
    async with request.reading() as tx:
        group_id = request.path["endpoint_group_id"]
        ids = await endpoint_filters.projects_with(tx, "endpoint group", group_id)
        return await listed(request, tx, projects.among(ids, domains=None))


async def list_groups_of_project(request: Request, room: Identity) -> Response:
    """GET /v3/OS-EP-FILTER/projects/{id}/endpoint_groups."""
    request.allow()
    async with request.reading() as tx:
        project_id = request.path["project_id"]
        if await projects.find(tx, project_id) is None:
            raise NotFound(f"Could not find project: {project_id}.")
        mine = endpoint_filters.groups_given(project_id)
        return await lists.answer(request, tx, lists.ENDPOINT_GROUPS, mine, schemas.endpoint_group)


def _given(request: Request) -> tuple[endpoint_filters.Place, str, str]:
    return "endpoint group", request.path["endpoint_group_id"], request.path["project_id"]


async def add_group(request: Request, room: Identity) -> Response:
    """PUT /v3/OS-EP-FILTER/endpoint_groups/{id}/projects/{id}."""
    request.allow()
    async with request.transaction() as tx:
        await endpoint_filters.give(tx, *_given(request))
    return no_content()


async def show_group_of_project(request: Request, room: Identity) -> Response:
    """GET /v3/OS-EP-FILTER/endpoint_groups/{id}/projects/{id}."""
    request.allow()
    what, group_id, project_id = _given(request)
    async with request.reading() as tx:
        await endpoint_filters.check_both(tx, what, group_id, project_id)
        if not await endpoint_filters.has(tx, what, group_id, project_id):
            raise NotFound("Project Endpoint Group not found")
    at = ("OS-EP-FILTER", "endpoint_groups", group_id, "projects", project_id)
    shown = {"project_id": project_id, "endpoint_group_id": group_id}
    return json_answer({"project_endpoint_group": {**shown, "links": schemas.link(request, *at)}})


async def remove_group(request: Request, room: Identity) -> Response:
    """DELETE /v3/OS-EP-FILTER/endpoint_groups/{id}/projects/{id}."""
    request.allow()
    async with request.transaction() as tx:
        await endpoint_filters.check_both(tx, *_given(request))
        if not await endpoint_filters.take(tx, *_given(request)):
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
        query=lists.ENDPOINTS.parameters,
    ),
    Route(
        "GET",
        _A + "/endpoints/{endpoint_id}/projects",
        list_projects,
        ("identity:list_projects_for_endpoint",),
        query=lists.PROJECTS.parameters,
    ),
    Route(
        "GET",
        _GROUPS,
        list_groups,
        ("identity:list_endpoint_groups",),
        query=lists.ENDPOINT_GROUPS.parameters,
    ),
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
        query=lists.ENDPOINTS.parameters,
    ),
    Route(
        "GET",
        _GROUP + "/projects",
        list_projects_of_group,
        ("identity:list_projects_associated_with_endpoint_group",),
        query=lists.PROJECTS.parameters,
    ),
    Route(
        "GET",
        _A + "/projects/{project_id}/endpoint_groups",
        list_groups_of_project,
        ("identity:list_endpoint_groups_for_project",),
        query=lists.ENDPOINT_GROUPS.parameters,
    ),
    Route("PUT", _MEMBER, add_group, ("identity:add_endpoint_group_to_project",)),
    Route("GET", _MEMBER, show_group_of_project, ("identity:get_endpoint_group_in_project",)),
    Route("DELETE", _MEMBER, remove_group, ("identity:remove_endpoint_group_from_project",)),
)
