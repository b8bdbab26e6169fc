"""Versions, capabilities, quotas, and how evaluations ended.

Source: Aodh's REST API reference.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct
from starlette.responses import Response

from hanok.base.errors import BadInput, NotFound
from hanok.services.alarming.logic import alarms, counters
from hanok.services.alarming.room import Alarming
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import PUBLIC, SIGNED_IN, Route


class Quota(Struct, forbid_unknown_fields=True):
    resource: str
    limit: int


class QuotaBody(Struct, forbid_unknown_fields=True):
    project_id: str
    quotas: list[Quota] = []


async def list_versions(request: Request, room: Alarming) -> Response:
    kinds = [
        {
            "base": f"application/{one}",
            "type": f"application/vnd.openstack.telemetry-v2+{one}",
        }
        for one in ("json", "xml")
    ]
    links = [
        {"href": f"{request.base_url}/v2", "rel": "self"},
        {"href": "https://docs.openstack.org/", "rel": "describedby", "type": "text/html"},
    ]
    version = {
        "id": "v2",
        "links": links,
        "media-types": kinds,
        "status": "stable",
        "updated": "2013-02-13T00:00:00Z",
    }
    return json_answer({"versions": {"values": [version]}})


async def show_capabilities(request: Request, room: Alarming) -> Response:
    request.allowed_by_hand()
    names = (
        "alarms:history:query:complex",
        "alarms:history:query:simple",
        "alarms:query:complex",
        "alarms:query:simple",
    )
    storage = {"storage:production_ready": True}
    return json_answer({"api": dict.fromkeys(names, True), "alarm_storage": storage})


def _quotas(project_id: str, limit: int) -> dict[str, Any]:
    return {"project_id": project_id, "quotas": [{"resource": "alarms", "limit": limit}]}


async def show_quotas(request: Request, room: Alarming) -> Response:
    project = request.query.get("project_id") or request.token.project_id or ""
    return await _shown_quotas(request, room, project)


async def show_project_quotas(request: Request, room: Alarming) -> Response:
    return await _shown_quotas(request, room, request.path["project_id"])


async def _shown_quotas(request: Request, room: Alarming, project: str) -> Response:
    request.allow("telemetry:get_quotas", project_id=project)
    async with request.reading() as tx:
        limit = await alarms.limit_of(tx, room, project)
    return json_answer(_quotas(project, limit))


async def set_quotas(request: Request, room: Alarming) -> Response:
    request.allow("telemetry:update_quotas", request.own)
    body = await request.body(QuotaBody)
    if not 0 < len(body.project_id) <= 64 or len(body.quotas) != 1:
        raise BadInput("A project has one quota, of alarms.")
    (quota,) = body.quotas
    if quota.resource != "alarms" or not -1 <= quota.limit < 2**31:
        raise BadInput("Invalid input for field/attribute resource. Value should be one of: alarms")
    async with request.transaction() as tx:
        await alarms.set_quota(tx, body.project_id, quota.limit)
        request.made(body.project_id)
    return json_answer(_quotas(body.project_id, quota.limit), 201)


async def delete_quotas(request: Request, room: Alarming) -> Response:
    request.allow("telemetry:delete_quotas", request.own)
    async with request.transaction() as tx:
        if not await alarms.drop_quota(tx, request.path["project_id"]):
            raise NotFound(f"Project {request.path['project_id'][:64]} has no quota of its own.")
    return no_content()


async def show_metrics(request: Request, room: Alarming) -> Response:
    request.allow("telemetry:get_metrics", request.own)
    everywhere = request.query.get("all_projects", "").lower() == "true"
    if everywhere:
        request.allow("telemetry:get_metrics:all_projects", request.own)
    project = None if everywhere else request.token.project_id or ""
    async with request.reading() as tx:
        found = await counters.of_project(tx, project)
    return json_answer({"evaluation_results": found})


_QUOTAS = "/v2/quotas"
ROUTES = (
    Route("GET", "/", list_versions, (PUBLIC,)),
    Route("GET", "/v2/capabilities", show_capabilities, (SIGNED_IN,)),
    Route(
        "GET",
        "/v2/metrics",
        show_metrics,
        ("telemetry:get_metrics", "telemetry:get_metrics:all_projects"),
        query=("all_projects",),
    ),
    Route("GET", _QUOTAS, show_quotas, ("telemetry:get_quotas",), query=("project_id",)),
    Route(
        "POST",
        _QUOTAS,
        set_quotas,
        ("telemetry:update_quotas",),
        body=QuotaBody,
        strict=True,
        event="alarming.quota.updated",
    ),
    Route("GET", f"{_QUOTAS}/{{project_id}}", show_project_quotas, ("telemetry:get_quotas",)),
    Route(
        "DELETE",
        f"{_QUOTAS}/{{project_id}}",
        delete_quotas,
        ("telemetry:delete_quotas",),
        event="alarming.quota.deleted",
    ),
)
