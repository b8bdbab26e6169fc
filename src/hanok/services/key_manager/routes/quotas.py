"""What projects may have. -1 is any number; of certificate authorities ("cas") there are none yet.

Source: Key Manager API v1 reference, "Quotas".
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET
from starlette.responses import Response

from hanok.base.errors import BadInput, NotFound
from hanok.services.identity import facade as identity
from hanok.services.key_manager.room import KeyManager
from hanok.services.key_manager.routes.common import PAGE, project
from hanok.services.key_manager.routes.pages import page_of
from hanok.services.key_manager.schemas import ProjectQuotas
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Route


async def show_quotas(request: Request, room: KeyManager) -> Response:
    """GET /quotas: of the caller's project."""
    request.allow("quotas:get", request.own)
    async with request.reading() as tx:
        limits = await room.limits.maximums(tx, project(request))
    return json_answer({"quotas": limits})


async def list_quotas(request: Request, room: KeyManager) -> Response:
    """GET /project-quotas: the projects with quotas of their own."""
    request.allow("project_quotas:get", request.own)
    page = page_of(request)
    async with request.reading() as tx:
        found = await room.limits.with_own(tx)
    rows: list[dict[str, Any]] = [
        {"project_id": one, "project_quotas": limits} for one, limits in found.items()
    ]
    items = rows[page.offset : page.offset + page.limit]
    url = f"{request.base_url}/v1/project-quotas"
    return json_answer(page.answer("project_quotas", items, len(rows), url, ""))


async def show_project(request: Request, room: KeyManager) -> Response:
    request.allow("project_quotas:get", request.own)
    async with request.reading() as tx:
        own = await room.limits.own(tx, request.path["project_id"])
        limits = await room.limits.maximums(tx, request.path["project_id"])
    if not own:
        raise NotFound("Project quotas not found.")
    return json_answer({"project_quotas": limits})


async def set_project(request: Request, room: KeyManager) -> Response:
    request.allow("project_quotas:put", request.own)
    body = await request.body(ProjectQuotas)
    requested = {
        name: value
        for name, value in msgspec.structs.asdict(body.project_quotas).items()
        if value is not UNSET
    }
    async with request.transaction() as tx:
        project_id = request.path["project_id"]
        if not await identity.project_exists(tx, project_id):
            raise BadInput(f"Project {project_id[:64]} not found.")
        await room.limits.reset(tx, project_id)
        await room.limits.set(tx, project_id, requested)
    return no_content()


async def delete_project(request: Request, room: KeyManager) -> Response:
    request.allow("project_quotas:delete", request.own)
    async with request.transaction() as tx:
        if not await room.limits.own(tx, request.path["project_id"]):
            raise NotFound("Project quotas not found.")
        await room.limits.reset(tx, request.path["project_id"])
    return no_content()


_ONE = "/v1/project-quotas/{project_id}"
ROUTES = (
    Route("GET", "/v1/quotas", show_quotas, ("quotas:get",)),
    Route("GET", "/v1/project-quotas", list_quotas, ("project_quotas:get",), query=PAGE),
    Route("GET", _ONE, show_project, ("project_quotas:get",)),
    Route(
        "PUT",
        _ONE,
        set_project,
        ("project_quotas:put",),
        body=ProjectQuotas,
        strict=True,
        event="key_manager.quota.updated",
    ),
    Route(
        "DELETE",
        _ONE,
        delete_project,
        ("project_quotas:delete",),
        event="key_manager.quota.deleted",
    ),
)
