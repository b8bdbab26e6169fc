"""Auto-allocated topologies."""

from __future__ import annotations

from starlette.responses import Response

from hanok.services.network.logic import topologies
from hanok.services.network.logic.errors import disallowed
from hanok.services.network.room import Network
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Route

DRY_RUN = "dry-run"  # of `fields`: only look whether a topology could be made


def _project(request: Request, rule: str) -> str:
    project_id = request.path["project_id"]
    if not request.may(rule, project_id=project_id):
        raise disallowed(rule)
    return project_id


async def show(request: Request, room: Network) -> Response:
    """GET /auto-allocated-topology/{project_id}: makes it when it is not there."""
    project_id = _project(request, "get_auto_allocated_topology")
    async with request.transaction() as tx:
        if DRY_RUN in request.query_all("fields"):
            await topologies.defaults(tx, project_id)
            network_id = "dry-run=pass"
        else:
            network_id = await topologies.ensure(tx, room, project_id)
    found = {"id": network_id, "project_id": project_id, "tenant_id": project_id}
    return json_answer({"auto_allocated_topology": found})


async def remove(request: Request, room: Network) -> Response:
    project_id = _project(request, "delete_auto_allocated_topology")
    async with request.transaction() as tx:
        await topologies.delete(tx, room, project_id)
        request.made(project_id, {"auto_allocated_topology_id": project_id})
    return no_content()


_ONE = "/v2.0/auto-allocated-topology/{project_id}"
ROUTES = (
    Route("GET", _ONE, show, ("get_auto_allocated_topology",), query=("fields",)),
    Route(
        "DELETE",
        _ONE,
        remove,
        ("delete_auto_allocated_topology",),
        event="network.auto_allocated_topology.delete.end",
    ),
)
