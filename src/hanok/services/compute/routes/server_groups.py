"""Server groups.

Source: Compute API reference, "Server groups (os-server-groups)".
"""

from __future__ import annotations

from typing import Any

from msgspec import UNSET
from sqlalchemy import Row
from starlette.responses import Response

from hanok.base.errors import NotFound
from hanok.services.compute.logic import notices, quotas, server_groups
from hanok.services.compute.room import Compute
from hanok.services.compute.schemas import answers, bodies
from hanok.store import Transaction
from hanok.web.plain_lists import OffsetList
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Route
from hanok.web.versions import Query

LIST = OffsetList(name="server_groups", maximum=1000)


async def list_groups(request: Request, room: Compute) -> Response:
    """GET /os-server-groups: the project's, or those of all for who may see them."""
    project_id: str | None = request.token.project_id or ""
    request.allow(f"{_A}:index", project_id=project_id)
    offset, limit = LIST.place(request)
    if bodies.truth(request.query.get("all_projects", "false") or "true", "all_projects"):
        request.allow(f"{_A}:index:all_projects")
        project_id = None
    async with request.reading() as tx:
        rows = await server_groups.page(tx, project_id, limit, offset)
        found = await server_groups.members(tx, [row.id for row in rows])
    items = [answers.server_group(request, row, found.get(row.id, [])) for row in rows]
    return json_answer({LIST.name: items})


async def create_group(request: Request, room: Compute) -> Response:
    """POST /os-server-groups."""
    request.allow(project_id=request.token.project_id)
    group = await request.body(bodies.NewServerGroup, key="server_group")
    rules: dict[str, int] = {}
    if group.rules is not UNSET and group.rules.max_server_per_host is not UNSET:
        least = bodies.whole(group.rules.max_server_per_host, server_groups.PER_HOST, least=1)
        rules = {server_groups.PER_HOST: least}
    caller = request.reaching()
    async with request.transaction() as tx:
        await quotas.check_server_groups(tx, room, caller)
        now = room.clock.now()
        row = await server_groups.create(tx, caller, group.name, group.policy, rules, now)
        request.made(row.id, await notices.server_group(tx, row, "create"))
    return json_answer({"server_group": answers.server_group(request, row, [])})


async def _group(request: Request, tx: Transaction) -> Row[Any]:
    """The group of the path; another project's is not there."""
    try:
        row = await server_groups.get(tx, request.reaching(), request.path["server_group_id"])
    except NotFound:
        request.allowed_by_hand()
        raise
    request.allow("", project_id=row.project_id, user_id=row.user_id)
    return row


async def show_group(request: Request, room: Compute) -> Response:
    """GET /os-server-groups/{id}."""
    async with request.reading() as tx:
        row = await _group(request, tx)
        found = await server_groups.members(tx, [row.id])
    answer = answers.server_group(request, row, found.get(row.id, []))
    return json_answer({"server_group": answer})


async def delete_group(request: Request, room: Compute) -> Response:
    """DELETE /os-server-groups/{id}: its servers stay."""
    async with request.transaction() as tx:
        row = await _group(request, tx)
        request.made(row.id, await notices.server_group(tx, row, "delete"))
        await server_groups.delete(tx, row.id)
    return no_content()


_A = "os_compute_api:os-server-groups"
_ALL = "/v2.1/os-server-groups"
_ONE = _ALL + "/{server_group_id}"
ROUTES = (
    Route(
        "GET",
        _ALL,
        list_groups,
        (f"{_A}:index", f"{_A}:index:all_projects"),
        query=Query("all_projects", *LIST.parameters, closed=(2, 75)),
    ),
    Route(
        "POST",
        _ALL,
        create_group,
        (f"{_A}:create",),
        strict=True,
        body=bodies.NewServerGroup,
        member="server_group",
        event="compute.server_group.create",
    ),
    Route("GET", _ONE, show_group, (f"{_A}:show",)),
    Route("DELETE", _ONE, delete_group, (f"{_A}:delete",), event="compute.server_group.delete"),
)
