"""Server groups: the API without a group in it, for clients that ask before they do anything else.

Source: Compute API reference, "Server groups (os-server-groups)".
"""

from __future__ import annotations

from starlette.responses import Response

from hanok.base.errors import BadInput, NotFound
from hanok.services.compute.room import Compute
from hanok.services.compute.schemas import bodies
from hanok.web.pages import limit_of
from hanok.web.request import Request, json_answer
from hanok.web.routes import Route
from hanok.web.versions import Query


async def list_groups(request: Request, room: Compute) -> Response:
    """GET /os-server-groups: there are none, in no project."""
    request.allow("os_compute_api:os-server-groups:index", project_id=request.token.project_id)
    query = request.query
    limit_of(query.get("limit"))
    limit_of(query.get("offset"))
    if bodies.truth(query.get("all_projects", "false") or "true", "all_projects"):
        request.allow("os_compute_api:os-server-groups:index:all_projects")
    return json_answer({"server_groups": []})


async def create_group(request: Request, room: Compute) -> Response:
    """POST /os-server-groups."""
    request.allow("", project_id=request.token.project_id)
    raise BadInput("Server groups are not supported yet: servers cannot be placed in groups.")


async def no_group(request: Request, room: Compute) -> Response:
    """GET and DELETE /os-server-groups/{id}."""
    request.allow("", project_id=request.token.project_id)
    raise NotFound(f"Instance group {request.path['server_group_id']} could not be found.")


_A = "os_compute_api:os-server-groups"
_ALL = "/v2.1/os-server-groups"
ROUTES = (
    Route(
        "GET",
        _ALL,
        list_groups,
        (f"{_A}:index", f"{_A}:index:all_projects"),
        query=Query("all_projects", "limit", "offset", closed=(2, 75)),
    ),
    Route("POST", _ALL, create_group, (f"{_A}:create",)),
    Route("GET", _ALL + "/{server_group_id}", no_group, (f"{_A}:show",)),
    Route("DELETE", _ALL + "/{server_group_id}", no_group, (f"{_A}:delete",)),
)
