"""Quotas.

Source: Load Balancer API v2 reference, "Quotas".
"""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from hanok.base.errors import BadInput
from hanok.limits import project_of
from hanok.services.load_balancer.room import LoadBalancing
from hanok.services.load_balancer.routes.api import BODIES, PAGES, disallowed
from hanok.web.attributes import Attribute, or_none, schema, whole
from hanok.web.plain_lists import ItemList
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import SIGNED_IN, Route

_PREFIX = "os_load-balancer_api:quota"
_BEFORE = {"loadbalancer": "load_balancer", "healthmonitor": "health_monitor"}
"""The names of resources in limits, and those that this API has for them besides."""
_NAMES = ("loadbalancer", "listener", "pool", "member", "healthmonitor", "l7policy", "l7rule")
_LIMIT = Attribute(check=or_none(whole(-1, 2**31 - 1)), default=None)
_BODY = {name: _LIMIT for name in (*_NAMES, *_BEFORE.values())}
LIST = ItemList(
    name="quotas",
    style=PAGES,
    key=lambda one: str(one["project_id"]),
    filters={"project_id": lambda value: value},
    bodies=BODIES,
)


def _shown(limits: dict[str, int]) -> dict[str, int]:
    return {**limits, **{later: limits[name] for name, later in _BEFORE.items()}}


async def list_quotas(request: Request, room: LoadBalancing) -> Response:
    """GET /quotas: the projects with limits of their own, of those whose quotas the caller may see."""
    everything = request.may(f"{_PREFIX}:get_all-global")
    own = request.token.project_id
    if not everything and not request.may(f"{_PREFIX}:get_all", project_id=own):
        raise disallowed((f"{_PREFIX}:get_all",))
    async with request.reading() as tx:
        found = await room.limits.with_own(tx)
    rows = [
        {**_shown(limits), "project_id": project}
        for project, limits in found.items()
        if everything or project == own
    ]
    return json_answer(LIST.answer(request, rows))


async def show_quota(request: Request, room: LoadBalancing) -> Response:
    """GET /quotas/{project_id}."""
    project_id = request.path["project_id"]
    if not request.may(f"{_PREFIX}:get_one", project_id=project_id):
        raise disallowed((f"{_PREFIX}:get_one",))
    async with request.reading() as tx:
        limits = await room.limits.maximums(tx, project_id)
    return json_answer({"quota": _shown(limits)})


async def show_default(request: Request, room: LoadBalancing) -> Response:
    """GET /quotas/{project_id}/default."""
    project_id = request.path["project_id"]
    if not request.may(f"{_PREFIX}:get_defaults", project_id=project_id):
        raise disallowed((f"{_PREFIX}:get_defaults",))
    return await _defaults(request, room)


async def show_defaults(request: Request, room: LoadBalancing) -> Response:
    """GET /quotas/defaults: whoever asks."""
    return await _defaults(request, room)


async def _defaults(request: Request, room: LoadBalancing) -> Response:
    async with request.reading() as tx:
        limits = await room.limits.defaults(tx)
    return json_answer({"quota": _shown(limits)})


async def update_quota(request: Request, room: LoadBalancing) -> Response:
    """PUT /quotas/{project_id}: null asks for the default."""
    project_id = request.path["project_id"]
    if not request.may(f"{_PREFIX}:put", project_id=project_id):
        raise disallowed((f"{_PREFIX}:put",))
    project_of(project_id)
    values = _merged(BODIES.changed(await request.json(), "quota", _BODY))
    async with request.transaction() as tx:
        usual = await room.limits.defaults(tx)
        requested = {
            name: usual[name] if value is None else value for name, value in values.items()
        }
        await room.limits.set(tx, project_id, requested)
        limits = await room.limits.maximums(tx, project_id)
    return json_answer({"quota": _shown(limits)}, 202)


def _merged(values: dict[str, Any]) -> dict[str, Any]:
    """Values under the names of limits. Raises BadInput: both names of one, with two values."""
    for name, later in _BEFORE.items():
        if later in values:
            value = values.pop(later)
            if values.setdefault(name, value) != value:
                raise BadInput(f"'{name}' and '{later}' do not match")
    return values


async def delete_quota(request: Request, room: LoadBalancing) -> Response:
    """DELETE /quotas/{project_id}: back to the defaults."""
    project_id = request.path["project_id"]
    if not request.may(f"{_PREFIX}:delete", project_id=project_id):
        raise disallowed((f"{_PREFIX}:delete",))
    async with request.transaction() as tx:
        await room.limits.reset(tx, project_of(project_id))
    return no_content()


_ONE = "/v2.0/lbaas/quotas/{project_id}"
ROUTES = (
    Route(
        "GET",
        "/v2.0/lbaas/quotas",
        list_quotas,
        (f"{_PREFIX}:get_all", f"{_PREFIX}:get_all-global"),
        query=LIST.parameters,
    ),
    Route("GET", "/v2.0/lbaas/quotas/defaults", show_defaults, (SIGNED_IN,)),
    Route("GET", _ONE, show_quota, (f"{_PREFIX}:get_one",)),
    Route("GET", f"{_ONE}/default", show_default, (f"{_PREFIX}:get_defaults",)),
    Route(
        "PUT",
        _ONE,
        update_quota,
        (f"{_PREFIX}:put",),
        strict=True,
        body=lambda: schema(_BODY, "PUT"),
        member="quota",
        event="load_balancer.quota.updated",
    ),
    Route(
        "DELETE", _ONE, delete_quota, (f"{_PREFIX}:delete",), event="load_balancer.quota.deleted"
    ),
)
