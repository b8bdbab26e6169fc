"""Limits, quota sets and quota classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from hanok.base.errors import BadInput
from hanok.services.compute.logic import quotas
from hanok.services.compute.room import Compute
from hanok.services.compute.schemas import answers, bodies
from hanok.services.identity import facade as identity
from hanok.store import Transaction
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Route
from hanok.web.versions import Query

_ABSOLUTE = {
    "instances": "maxTotalInstances",
    "cores": "maxTotalCores",
    "ram": "maxTotalRAMSize",
    "metadata_items": "maxServerMeta",
    "key_pairs": "maxTotalKeypairs",
    "server_groups": "maxServerGroups",
    "server_group_members": "maxServerGroupMembers",
    "floating_ips": "maxTotalFloatingIps",
    "security_groups": "maxSecurityGroups",
    "security_group_rules": "maxSecurityGroupRules",
    "injected_files": "maxPersonality",
    "injected_file_content_bytes": "maxPersonalitySize",
}


async def show_limits(request: Request, room: Compute) -> Response:
    """GET /limits: what the project may have and has."""
    request.allow("os_compute_api:limits")
    project_id = request.query.get("tenant_id")
    if project_id is not None:
        request.allow("os_compute_api:limits:other_project", project_id=project_id)
    else:
        project_id = request.token.project_id or ""
    async with request.reading() as tx:
        maximum = await quotas.limits(tx, room, project_id)
        used = await quotas.used(tx, room, project_id)
    absolute = {
        **{shown: maximum[name] for name, shown in _ABSOLUTE.items() if name in maximum},
        "maxImageMeta": maximum["metadata_items"],
        "totalInstancesUsed": used["instances"],
        "totalCoresUsed": used["cores"],
        "totalRAMUsed": used["ram"],
        "totalServerGroupsUsed": used["server_groups"],
        "totalFloatingIpsUsed": 0,
        "totalSecurityGroupsUsed": 0,
    }
    return json_answer(
        {"limits": {"rate": [], "absolute": request.shown(answers.LIMITS)(absolute)}}
    )


def _set(request: Request, maximum: Mapping[str, Any]) -> dict[str, Any]:
    """The limits that this version still speaks of."""
    return request.shown(answers.QUOTAS)(dict(maximum))


def _of_class(request: Request, maximum: Mapping[str, Any]) -> dict[str, Any]:
    return request.shown(answers.QUOTA_CLASS)(dict(maximum))


async def _checked_project(request: Request, tx: Transaction) -> str:
    project_id = request.path["tenant_id"]
    if not await identity.project_exists(tx, project_id):
        raise BadInput(f"Project ID {project_id} is not a valid project.")
    return project_id


async def show_quotas(request: Request, room: Compute) -> Response:
    """GET /os-quota-sets/{project_id}."""
    project_id = request.path["tenant_id"]
    request.allow("os_compute_api:os-quota-sets:show", project_id=project_id)
    async with request.reading() as tx:
        await _checked_project(request, tx)
        maximum = await quotas.limits(tx, room, project_id, request.query.get("user_id"))
    return json_answer({"quota_set": {"id": project_id, **_set(request, maximum)}})


async def show_detail(request: Request, room: Compute) -> Response:
    """GET /os-quota-sets/{project_id}/detail: limits with what is used."""
    project_id = request.path["tenant_id"]
    request.allow("os_compute_api:os-quota-sets:detail", project_id=project_id)
    async with request.reading() as tx:
        await _checked_project(request, tx)
        user_id = request.query.get("user_id")
        maximum = _set(request, await quotas.limits(tx, room, project_id, user_id))
        used = await quotas.used(tx, room, project_id, user_id)
    detail = {
        name: {"limit": limit, "in_use": used.get(name, 0), "reserved": 0}
        for name, limit in maximum.items()
    }
    return json_answer({"quota_set": {"id": project_id, **detail}})


async def show_defaults(request: Request, room: Compute) -> Response:
    request.allow("os_compute_api:os-quota-sets:defaults", project_id=request.path["tenant_id"])
    async with request.reading() as tx:
        await _checked_project(request, tx)
        maximum = await room.limits.defaults(tx)
    return json_answer({"quota_set": {"id": request.path["tenant_id"], **_set(request, maximum)}})


async def _requested(request: Request, room: Compute, key: str) -> tuple[dict[str, int], bool]:
    body = await request.json()
    if not isinstance(body, dict) or set(body) != {key} or not isinstance(body[key], dict):
        raise BadInput(f"Invalid input: the body is {{'{key}': {{…}}}}.")
    shown = _set if key == "quota_set" else _of_class
    known = shown(request, room.limits.defaults_of_code())
    requested: dict[str, int] = {}
    force = False
    for name, value in body[key].items():
        if name in ("id", "tenant_id"):
            continue
        if name == "force" and key == "quota_set":
            force = bodies.truth(value, "force")
            continue
        if name not in known:
            raise BadInput(f"Additional properties are not allowed ('{name[:100]}' was unexpected)")
        requested[name] = bodies.whole(value, name, least=-1)
    return requested, force


async def update_quotas(request: Request, room: Compute) -> Response:
    """PUT /os-quota-sets/{project_id}: a limit below what is used is refused unless it is forced.

    With a user_id the limits are those of one user in the project, and no more than the project's.
    """
    project_id, user_id = request.path["tenant_id"], request.query.get("user_id")
    request.allow("os_compute_api:os-quota-sets:update", project_id=project_id)
    requested, force = await _requested(request, room, "quota_set")
    async with request.transaction() as tx:
        await _checked_project(request, tx)
        if user_id is not None:
            _within(requested, await quotas.limits(tx, room, project_id))
        if not force:
            _above(requested, await quotas.used(tx, room, project_id, user_id))
        await room.limits.set(tx, quotas.owner(project_id, user_id), requested)
        now = await quotas.limits(tx, room, project_id, user_id)
    return json_answer({"quota_set": _set(request, now)})


def _above(requested: Mapping[str, int], used: Mapping[str, int]) -> None:
    for name, maximum in requested.items():
        if 0 <= maximum < used.get(name, 0):
            raise BadInput(
                f"Quota limit {maximum} for {name} must be greater than or equal to already used "
                f"and reserved {used[name]}."
            )


def _within(requested: Mapping[str, int], project: Mapping[str, int]) -> None:
    for name, maximum in requested.items():
        if project[name] >= 0 and not 0 <= maximum <= project[name]:
            raise BadInput(
                f"Quota limit {maximum} for {name} must be less than or equal to {project[name]}, the project's."
            )


async def delete_quotas(request: Request, room: Compute) -> Response:
    request.allow("os_compute_api:os-quota-sets:delete", project_id=request.path["tenant_id"])
    async with request.transaction() as tx:
        await quotas.reset(tx, room, request.path["tenant_id"], request.query.get("user_id"))
    return no_content(202)


async def show_class(request: Request, room: Compute) -> Response:
    """GET /os-quota-class-sets/{id}: only the class "default" takes effect."""
    request.allow()
    async with request.reading() as tx:
        maximum: dict[str, Any] = dict(await room.limits.defaults(tx))
    return json_answer(
        {"quota_class_set": {"id": request.path["id"], **_of_class(request, maximum)}}
    )


async def update_class(request: Request, room: Compute) -> Response:
    request.allow()
    requested, _ = await _requested(request, room, "quota_class_set")
    async with request.transaction() as tx:
        if request.path["id"] == "default":
            await room.limits.set(tx, quotas.CLASS, requested)
        maximum = {**await room.limits.defaults(tx), **requested}
    return json_answer({"quota_class_set": _of_class(request, maximum)})


_A = "os_compute_api"
_SET = "/v2.1/os-quota-sets/{tenant_id}"
_CLASS = "/v2.1/os-quota-class-sets/{id}"
_CLOSED = Query("user_id", closed=(2, 75))
ROUTES = (
    Route(
        "GET",
        "/v2.1/limits",
        show_limits,
        (f"{_A}:limits", f"{_A}:limits:other_project"),
        query=Query("tenant_id", closed=(2, 75)),
    ),
    Route("GET", _SET, show_quotas, (f"{_A}:os-quota-sets:show",), query=_CLOSED),
    Route("GET", _SET + "/detail", show_detail, (f"{_A}:os-quota-sets:detail",), query=_CLOSED),
    Route("GET", _SET + "/defaults", show_defaults, (f"{_A}:os-quota-sets:defaults",)),
    Route(
        "PUT",
        _SET,
        update_quotas,
        (f"{_A}:os-quota-sets:update",),
        strict=True,
        body=dict[str, int],
        member="quota_set",
        query=_CLOSED,
    ),
    Route("DELETE", _SET, delete_quotas, (f"{_A}:os-quota-sets:delete",), query=_CLOSED),
    Route("GET", _CLASS, show_class, (f"{_A}:os-quota-class-sets:show",)),
    Route(
        "PUT",
        _CLASS,
        update_class,
        (f"{_A}:os-quota-class-sets:update",),
        strict=True,
        body=dict[str, int],
        member="quota_class_set",
    ),
)
