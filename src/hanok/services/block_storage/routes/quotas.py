"""Limits, quota sets and quota classes.

Source: Block Storage API reference, "Limits", "Quota sets extension", "Quota class set extension".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from hanok.base.errors import BadInput
from hanok.limits import DEFAULTS, Limits, project_of
from hanok.services.block_storage.logic import quotas, types
from hanok.services.block_storage.room import Volumes
from hanok.services.block_storage.schemas import bodies
from hanok.store import Transaction
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Route
from hanok.web.versions import Parameter, Query

_ABSOLUTE = {
    "volumes": ("maxTotalVolumes", "totalVolumesUsed"),
    "gigabytes": ("maxTotalVolumeGigabytes", "totalGigabytesUsed"),
    "snapshots": ("maxTotalSnapshots", "totalSnapshotsUsed"),
    "backups": ("maxTotalBackups", "totalBackupsUsed"),
    "backup_gigabytes": ("maxTotalBackupGigabytes", "totalBackupGigabytesUsed"),
}
_USED = "limits_extension:used_limits"


async def show_limits(request: Request, room: Volumes) -> Response:
    """GET /limits: what the project may have and has; another project's for operators (3.39)."""
    request.allowed_by_hand()
    project_id = request.token.project_id or ""
    if (other := request.query.get("project_id")) and request.reaching().everywhere:
        project_id = other
    limits = quotas.limits(room)
    async with request.reading() as tx:
        maximum = await limits.maximums(tx, project_id)
        used = await limits.used(tx, project_id)
    absolute = {shown: maximum[name] for name, (shown, _) in _ABSOLUTE.items()}
    if request.may(_USED, project_id=project_id):
        absolute |= {shown: used.get(name, 0) for name, (_, shown) in _ABSOLUTE.items()}
    return json_answer({"limits": {"rate": [], "absolute": absolute}})


async def _limits(tx: Transaction, room: Volumes) -> Limits:
    """The limits with those of all types."""
    return quotas.limits(room, await types.everything(tx))


async def show_quotas(request: Request, room: Volumes) -> Response:
    """GET /os-quota-sets/{project}: with usage=true what of them is used, too."""
    request.allow(project_id=request.path["project_id"])
    usage = bodies.truth(request.query.get("usage") or "false", "usage")
    project_id = project_of(request.path["project_id"])
    async with request.reading() as tx:
        limits = await _limits(tx, room)
        found: dict[str, Any] = dict(await limits.maximums(tx, project_id))
        if usage:
            used = await limits.used(tx, project_id)
            found = {
                name: {"limit": maximum, "in_use": used.get(name, 0), "reserved": 0}
                for name, maximum in found.items()
            }
    return json_answer({"quota_set": {"id": project_id, **found}})


async def show_defaults(request: Request, room: Volumes) -> Response:
    request.allow(project_id=request.path["project_id"])
    project_id = project_of(request.path["project_id"])
    async with request.reading() as tx:
        found = await (await _limits(tx, room)).defaults(tx)
    return json_answer({"quota_set": {"id": project_id, **found}})


async def _requested(request: Request, limits: Limits, key: str) -> dict[str, int]:
    """The limits that a body sets.

    Raises:
        BadInput
    """
    body = await request.json()
    if not isinstance(body, dict) or set(body) != {key} or not isinstance(body[key], dict):
        raise BadInput(f"Invalid input: the body is {{'{key}': {{…}}}}.")
    known = limits.defaults_of_code()
    found = {}
    for name, value in body[key].items():
        if name in ("tenant_id", "class_name", "id"):
            continue
        if name not in known:
            raise BadInput(f"Bad key(s) in quota set: {name[:100]}")
        found[name] = bodies.whole(value, name, least=-1)
    if not found:
        raise BadInput(f"Invalid input: '{key}' names no quota.")
    return found


async def update_quotas(request: Request, room: Volumes) -> Response:
    """PUT /os-quota-sets/{project}: a limit below what is used holds for what comes."""
    request.allow(project_id=request.path["project_id"])
    project_id = project_of(request.path["project_id"])
    async with request.transaction() as tx:
        limits = await _limits(tx, room)
        await limits.set(tx, project_id, await _requested(request, limits, "quota_set"))
        found = await limits.maximums(tx, project_id)
    return json_answer({"quota_set": found})


async def delete_quotas(request: Request, room: Volumes) -> Response:
    request.allow(project_id=request.path["project_id"])
    async with request.transaction() as tx:
        await quotas.limits(room).reset(tx, project_of(request.path["project_id"]))
    return no_content(200)


async def show_class(request: Request, room: Volumes) -> Response:
    """GET /os-quota-class-sets/{name}: only the class "default" takes effect."""
    request.allow()
    async with request.reading() as tx:
        found: Mapping[str, Any] = await (await _limits(tx, room)).defaults(tx)
    return json_answer({"quota_class_set": {"id": request.path["name"], **found}})


async def update_class(request: Request, room: Volumes) -> Response:
    request.allow()
    if request.path["name"] != "default":
        raise BadInput("Only the quota class 'default' takes effect.")
    async with request.transaction() as tx:
        limits = await _limits(tx, room)
        await limits.set(tx, DEFAULTS, await _requested(request, limits, "quota_class_set"))
        found = await limits.defaults(tx)
    return json_answer({"quota_class_set": found})


_SET = "/v3/os-quota-sets/{project_id}"
_CLASS = "/v3/os-quota-class-sets/{name}"
_Q = "volume_extension:quotas"
_C = "volume_extension:quota_classes"
ROUTES = (
    Route(
        "GET",
        "/v3/limits",
        show_limits,
        (_USED,),
        query=Query(Parameter(name="project_id", since=(3, 39))),
    ),
    Route("GET", _SET, show_quotas, (f"{_Q}:show",), query=("usage",)),
    Route("GET", f"{_SET}/defaults", show_defaults, (f"{_Q}:show",)),
    Route(
        "PUT",
        _SET,
        update_quotas,
        (f"{_Q}:update",),
        body=dict[str, int],
        member="quota_set",
        strict=True,
    ),
    Route("DELETE", _SET, delete_quotas, (f"{_Q}:delete",)),
    Route("GET", _CLASS, show_class, (f"{_C}:get",)),
    Route(
        "PUT",
        _CLASS,
        update_class,
        (f"{_C}:update",),
        body=dict[str, int],
        member="quota_class_set",
        strict=True,
    ),
)
