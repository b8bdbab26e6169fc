"""Quotas.

Source: Networking API v2.0 reference, "Quotas extension", "Quota details extension".
"""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from hanok.base.errors import BadInput
from hanok.limits import project_of
from hanok.services.network.logic import quotas
from hanok.services.network.logic.errors import disallowed
from hanok.services.network.room import Network
from hanok.services.network.routes.api import BODIES
from hanok.web.attributes import Attribute, truth, whole
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import SIGNED_IN, Route

MAXIMUM = 2**31 - 1


def _sees(request: Request, project_id: str | None) -> bool:
    return request.may("get_quota", {"project_id": project_id, "tenant_id": project_id})


def _target(request: Request) -> str:
    project_id = request.path["project_id"]
    if not _sees(request, project_id):
        raise disallowed("get_quota")
    return project_id


async def list_quotas(request: Request, room: Network) -> Response:
    """GET /quotas: the projects with limits of their own, of those whose quotas the caller may see."""
    own = request.token.project_id
    if not _sees(request, own):
        raise disallowed("get_quota")
    async with request.reading() as tx:
        found = await room.limits.with_own(tx)
    return json_answer(
        {
            "quotas": [
                {"tenant_id": project, "project_id": project, **limits}
                for project, limits in found.items()
                if _sees(request, project)
            ]
        }
    )


async def show_own(request: Request, room: Network) -> Response:
    """GET /quotas/tenant, and /quotas/project: whose the token is."""
    project_id = request.token.project_id
    if not project_id:
        raise BadInput("The token is not scoped to a project.", code="QuotaMissingTenant")
    name = "project" if request.full_url.rstrip("/").endswith("project") else "tenant"
    return json_answer({name: {f"{name}_id": project_id}})


async def show_quota(request: Request, room: Network) -> Response:
    """GET /quotas/{project_id}. Members may look at their own project's."""
    project_id = request.path["project_id"]
    own = project_id == request.token.project_id
    if not own:
        _target(request)
    request.allowed_by_hand()
    async with request.reading() as tx:
        limits = await room.limits.maximums(tx, project_id)
    return json_answer({"quota": limits})


async def show_details(request: Request, room: Network) -> Response:
    """GET /quotas/{project_id}/details.json: limits and what is used."""
    project_id = request.path["project_id"]
    if project_id != request.token.project_id:
        _target(request)
    request.allowed_by_hand()
    async with request.reading() as tx:
        limits = await room.limits.maximums(tx, project_id)
        used = await room.limits.used(tx, project_id)
    answer = {
        name: {"limit": maximum, "used": used[name], "reserved": 0}
        for name, maximum in limits.items()
    }
    return json_answer({"quota": answer})


async def show_default(request: Request, room: Network) -> Response:
    request.allowed_by_hand()
    if request.path["project_id"] != request.token.project_id:
        _target(request)
    async with request.reading() as tx:
        limits = await room.limits.defaults(tx)
    return json_answer({"quota": limits})


_HOW = {name: Attribute(check=truth) for name in ("force", "check_limit")}
_UNSAID = (("force", False), ("check_limit", True))


async def update_quota(request: Request, room: Network) -> Response:
    """PUT /quotas/{project_id}: a limit below what is used is set with `force` alone."""
    if not request.may("update_quota"):
        raise disallowed("update_quota")
    known = {name: Attribute(check=whole(-1, MAXIMUM)) for name in room.limits.defaults_of_code()}
    body: Any = await request.json()
    if isinstance(body, dict) and isinstance(body.get("quota"), dict):
        ignored = ("tenant_id", "project_id")
        body = {**body, "quota": {k: v for k, v in body["quota"].items() if k not in ignored}}
    values = BODIES.changed(body, "quota", {**known, **_HOW})
    force, checked = (values.pop(name, default) for name, default in _UNSAID)
    project_id = project_of(request.path["project_id"])
    async with request.transaction() as tx:
        if checked and not force:
            await quotas.check_lower(tx, room, project_id, values)
        await room.limits.set(tx, project_id, values)
        limits = await room.limits.maximums(tx, project_id)
    return json_answer({"quota": limits})


async def delete_quota(request: Request, room: Network) -> Response:
    if not request.may("delete_quota"):
        raise disallowed("delete_quota")
    async with request.transaction() as tx:
        await room.limits.reset(tx, project_of(request.path["project_id"]))
    return no_content()


_ONE = "/v2.0/quotas/{project_id}"
ROUTES = (
    Route("GET", "/v2.0/quotas", list_quotas, ("get_quota",)),
    Route("GET", "/v2.0/quotas/tenant", show_own, (SIGNED_IN,)),
    Route("GET", "/v2.0/quotas/project", show_own, (SIGNED_IN,)),
    Route("GET", _ONE, show_quota, ("get_quota",)),
    Route(
        "PUT",
        _ONE,
        update_quota,
        ("update_quota",),
        strict=True,
        body=dict[str, int],
        member="quota",
    ),
    Route("DELETE", _ONE, delete_quota, ("delete_quota",)),
    Route("GET", f"{_ONE}/default", show_default, ("get_quota",)),
    Route("GET", f"{_ONE}/details.json", show_details, ("get_quota",)),
    Route("GET", f"{_ONE}/details", show_details, ("get_quota",)),
)
