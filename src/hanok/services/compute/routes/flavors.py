"""Flavors, their extra specs, and who may use private ones."""

from __future__ import annotations

import re
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row
from starlette.responses import Response

from hanok.base.errors import BadInput, Conflict, NotFound
from hanok.base.ids import new_uuid
from hanok.services.compute.logic import flavors, notices, spec_names
from hanok.services.compute.room import Compute
from hanok.services.compute.schemas import answers, bodies
from hanok.services.compute.tables import flavors as table
from hanok.services.identity import facade as identity
from hanok.store import Transaction
from hanok.web.listing import COMPUTE, Filter, Listing, Page, SortKey, equal
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import SIGNED_IN, Handler, Route
from hanok.web.versions import Parameter, Query, Span

_SPEC = re.compile(r"[\w\- .:]{1,255}")
_ID = re.compile(r"(?! )[a-zA-Z0-9. _-]{1,255}(?<! )")


def _at_least(column: sa.Column[Any], name: str) -> Filter:
    def condition(values: list[str]) -> sa.ColumnElement[bool]:
        try:
            return column >= int(values[-1])
        except ValueError:
            raise BadInput(f"Invalid {name} filter [{values[-1][:100]}]") from None

    return condition


LIST = Listing(
    table=table,
    name="flavors",
    style=COMPUTE,
    marker=table.c.id,
    unique=table.c.id,
    first=(table.c.id, "asc"),
    filters={
        "minRam": _at_least(table.c.memory_mib, "minRam"),
        "minDisk": _at_least(table.c.disk_gib, "minDisk"),
        "name": equal(table.c.name),
    },
    sort={
        "created_at": table.c.created_at,
        "description": table.c.description,
        "disabled": SortKey(None),
        "ephemeral_gb": table.c.ephemeral_gib,
        "flavorid": table.c.id,
        "id": table.c.id,
        "is_public": table.c.is_public,
        "memory_mb": table.c.memory_mib,
        "name": table.c.name,
        "root_gb": table.c.disk_gib,
        "rxtx_factor": SortKey(table.c.rxtx_factor, until=(2, 101)),
        "swap": table.c.swap_mib,
        "updated_at": table.c.updated_at,
        "vcpu_weight": SortKey(None),
        "vcpus": table.c.vcpus,
    },
)
QUERY = Query(
    "is_public",
    *LIST.parameters_but("name"),
    Parameter(name="name", since=(2, 102)),
    closed=(2, 75),
)
_PUBLIC = {
    **dict.fromkeys(("", "true", "1", "yes", "t", "on", "y"), True),
    **dict.fromkeys(("false", "0", "no", "f", "off", "n"), False),
    "none": None,
}


def _shown(request: Request) -> sa.Select[Any]:
    """The flavors that the caller may see: who reaches everywhere chooses between public and private ones, or both."""
    caller = request.reaching()
    if not caller.everywhere:
        return flavors.listed(caller, None)
    requested = request.query.get("is_public", "")
    if requested.lower() not in _PUBLIC:
        raise BadInput(f"Invalid is_public filter [{requested[:100]}]")
    return flavors.listed(caller, _PUBLIC[requested.lower()])


async def _page(request: Request) -> Page:
    caller = request.reaching()
    async with request.reading() as tx:
        return await LIST.page(request, tx, _shown(request), within=flavors.listed(caller, None))


async def list_flavors(request: Request, room: Compute) -> Response:
    """GET /flavors."""
    page = await _page(request)
    return json_answer(
        LIST.answer(request, page, [answers.short_flavor(request, row) for row in page.rows])
    )


def _sees_specs(request: Request) -> bool:
    return request.may(
        "os_compute_api:os-flavor-extra-specs:index", project_id=request.token.project_id
    )


async def list_details(request: Request, room: Compute) -> Response:
    """GET /flavors/detail."""
    specs = _sees_specs(request)
    page = await _page(request)
    items = answers.flavors(request, page.rows, with_specs=specs)
    return json_answer(LIST.answer(request, page, items))


async def show_flavor(request: Request, room: Compute) -> Response:
    specs = _sees_specs(request)
    async with request.reading() as tx:
        row = await flavors.get(tx, request.reaching(), request.path["flavor_id"])
    return json_answer({"flavor": answers.flavor(request, row, with_specs=specs)})


def _factor(sent: float | str) -> float:
    try:
        factor = float(sent)
    except ValueError:
        factor = -1.0
    if not 0 < factor < 3.4e38:
        raise BadInput(f"Invalid input for field/attribute rxtx_factor. Value: {str(sent)[:50]}.")
    return factor


async def create_flavor(request: Request, room: Compute) -> Response:
    """POST /flavors."""
    request.allow()
    body = await request.body(bodies.CreateFlavor, key="flavor")
    values = {
        "id": _id(body.id),
        "name": body.name,
        "memory_mib": bodies.whole(body.ram, "ram", least=1),
        "vcpus": bodies.whole(body.vcpus, "vcpus", least=1),
        "disk_gib": bodies.whole(body.disk, "disk"),
        "ephemeral_gib": bodies.whole(body.ephemeral, "OS-FLV-EXT-DATA:ephemeral"),
        "swap_mib": bodies.whole(body.swap or 0, "swap"),
        "rxtx_factor": _factor(body.rxtx_factor),
        "is_public": bodies.truth(body.is_public, "os-flavor-access:is_public"),
        "description": body.description,
    }
    async with request.transaction() as tx:
        row = await flavors.create(tx, values, room.clock.now())
        await _told(request, tx, row)
    return json_answer({"flavor": answers.flavor(request, row, with_specs=True)})


async def _told(request: Request, tx: Transaction, row: Row[Any]) -> None:
    """Have the request's event tell of this flavor."""
    request.made(row.id, await notices.flavor(tx, row))


def _id(value: object) -> str:
    if value is None or value == "auto":
        return new_uuid()
    text = str(value)
    if not isinstance(value, str | int) or not _ID.fullmatch(text):
        raise BadInput(f"Invalid input for field/attribute id. Value: {text[:100]}.")
    return text


async def update_flavor(request: Request, room: Compute) -> Response:
    """PUT /flavors/{id} from 2.55: its description."""
    request.allow()
    body = await request.body(bodies.UpdateFlavor, key="flavor")
    async with request.transaction() as tx:
        flavor_id, now = request.path["flavor_id"], room.clock.now()
        row = await flavors.describe(tx, flavor_id, body.description, now)
        await _told(request, tx, row)
    return json_answer({"flavor": answers.flavor(request, row, with_specs=True)})


async def delete_flavor(request: Request, room: Compute) -> Response:
    request.allow()
    async with request.transaction() as tx:
        row = await flavors.get_any(tx, request.path["flavor_id"])
        await _told(request, tx, row)
        await flavors.delete(tx, row.id)
    return no_content(202)


# ---- extra specs ----


async def list_specs(request: Request, room: Compute) -> Response:
    request.allow("", project_id=request.token.project_id)
    async with request.reading() as tx:
        row = await flavors.get(tx, request.reaching(), request.path["flavor_id"])
    return json_answer({"extra_specs": row.extra_specs})


_HELD = Span(since=(2, 86))  # to what is known of extra specs


def _specs(request: Request, value: Any) -> dict[str, str]:
    """The extra specs of a body.

    Raises:
        BadInput: they do not have the form of some, or, since 2.86, are not known or cannot have these values.
    """
    if not isinstance(value, dict):
        raise BadInput("Invalid input for field/attribute extra_specs.")
    made = {}
    for key, item in value.items():
        if not _SPEC.fullmatch(key) or isinstance(item, dict | list | bool) or item is None:
            raise BadInput(f"Invalid input for field/attribute extra_specs. Value: {key[:100]}.")
        text = str(item)
        if len(text) > 255:
            raise BadInput(f"The extra spec {key} is longer than 255 characters.")
        if _HELD.holds(request.microversion):
            spec_names.check(key, text)
        made[key] = text
    return made


async def create_specs(request: Request, room: Compute) -> Response:
    request.allow()
    body = await request.json()
    if not isinstance(body, dict) or set(body) != {"extra_specs"}:
        raise BadInput("Invalid input: the body is {'extra_specs': {…}}.")
    specs = _specs(request, body["extra_specs"])
    async with request.transaction() as tx:
        row = await flavors.get_any(tx, request.path["flavor_id"])
        await _told(request, tx, await flavors.set_specs(tx, row, {**row.extra_specs, **specs}))
    return json_answer({"extra_specs": specs})


async def show_spec(request: Request, room: Compute) -> Response:
    request.allow("", project_id=request.token.project_id)
    key = request.path["key"]
    async with request.reading() as tx:
        row = await flavors.get(tx, request.reaching(), request.path["flavor_id"])
    if key not in row.extra_specs:
        raise NotFound(f"Flavor {row.id} has no extra specs with key {key}.")
    return json_answer({key: row.extra_specs[key]})


async def update_spec(request: Request, room: Compute) -> Response:
    request.allow()
    key = request.path["key"]
    specs = _specs(request, await request.json())
    if list(specs) != [key]:
        raise BadInput("Request body and URI mismatch")
    async with request.transaction() as tx:
        row = await flavors.get_any(tx, request.path["flavor_id"])
        await _told(request, tx, await flavors.set_specs(tx, row, {**row.extra_specs, **specs}))
    return json_answer(specs)


async def delete_spec(request: Request, room: Compute) -> Response:
    request.allow()
    key = request.path["key"]
    async with request.transaction() as tx:
        row = await flavors.get_any(tx, request.path["flavor_id"])
        if key not in row.extra_specs:
            raise NotFound(f"Flavor {row.id} has no extra specs with key {key}.")
        left = {name: value for name, value in row.extra_specs.items() if name != key}
        await _told(request, tx, await flavors.set_specs(tx, row, left))
    return no_content(200)


# ---- access ----


def _access(flavor_id: str, projects: list[str]) -> Response:
    return json_answer(
        {"flavor_access": [{"flavor_id": flavor_id, "tenant_id": one} for one in projects]}
    )


async def list_access(request: Request, room: Compute) -> Response:
    request.allow()
    async with request.reading() as tx:
        row = await flavors.get_any(tx, request.path["flavor_id"])
        if row.is_public:
            raise NotFound("Access list not available for public flavors.")
        return _access(row.id, await flavors.access_of(tx, row.id))


def _adder(*, to_public: bool) -> Handler:
    async def add_access(request: Request, room: Compute) -> Response:
        """addTenantAccess: until 2.6 also to a public flavor, for which it means nothing."""
        request.allow()
        body = await request.body(bodies.TenantAccess, key="addTenantAccess")
        async with request.transaction() as tx:
            row = await flavors.get_any(tx, request.path["flavor_id"])
            if row.is_public and not to_public:
                raise Conflict("Can not add access to a public flavor.")
            if not await identity.project_exists(tx, body.tenant):
                raise BadInput(f"Project ID {body.tenant} is not a valid project.")
            await flavors.grant(tx, row.id, body.tenant)
            await _told(request, tx, row)
            return _access(row.id, await flavors.access_of(tx, row.id))

    return add_access


async def remove_access(request: Request, room: Compute) -> Response:
    """removeTenantAccess, also of a project that is gone."""
    request.allow()
    body = await request.body(bodies.TenantAccess, key="removeTenantAccess")
    async with request.transaction() as tx:
        row = await flavors.get_any(tx, request.path["flavor_id"])
        await flavors.revoke(tx, row.id, body.tenant)
        await _told(request, tx, row)
        return _access(row.id, await flavors.access_of(tx, row.id))


_A = "os_compute_api"
_ONE = "/v2.1/flavors/{flavor_id}"
_SPECS = _ONE + "/os-extra_specs"
_CHANGED = "compute.flavor.update"
_INDEX = (f"{_A}:os-flavor-extra-specs:index",)
ROUTES = (
    Route(
        "GET",
        "/v2.1/flavors",
        list_flavors,
        (SIGNED_IN,),
        query=QUERY,
    ),
    Route(
        "POST",
        "/v2.1/flavors",
        create_flavor,
        (f"{_A}:os-flavor-manage:create",),
        strict=True,
        body=bodies.CreateFlavor,
        member="flavor",
        event="compute.flavor.create",
    ),
    Route(
        "GET",
        "/v2.1/flavors/detail",
        list_details,
        _INDEX,
        query=QUERY,
    ),
    Route("GET", _ONE, show_flavor, _INDEX),
    Route(
        "PUT",
        _ONE,
        update_flavor,
        (f"{_A}:os-flavor-manage:update",),
        minimum=(2, 55),
        strict=True,
        body=bodies.UpdateFlavor,
        member="flavor",
        event=_CHANGED,
    ),
    Route(
        "DELETE",
        _ONE,
        delete_flavor,
        (f"{_A}:os-flavor-manage:delete",),
        event="compute.flavor.delete",
    ),
    Route("GET", _SPECS, list_specs, _INDEX),
    Route(
        "POST",
        _SPECS,
        create_specs,
        (f"{_A}:os-flavor-extra-specs:create",),
        strict=True,
        body=dict[str, str],
        member="extra_specs",
        event=_CHANGED,
    ),
    Route("GET", _SPECS + "/{key}", show_spec, (f"{_A}:os-flavor-extra-specs:show",)),
    Route(
        "PUT",
        _SPECS + "/{key}",
        update_spec,
        (f"{_A}:os-flavor-extra-specs:update",),
        strict=True,
        body=dict[str, str],
        event=_CHANGED,
    ),
    Route(
        "DELETE",
        _SPECS + "/{key}",
        delete_spec,
        (f"{_A}:os-flavor-extra-specs:delete",),
        event=_CHANGED,
    ),
    Route("GET", _ONE + "/os-flavor-access", list_access, (f"{_A}:os-flavor-access",)),
    Route(
        "POST",
        _ONE + "/action",
        _adder(to_public=True),
        (f"{_A}:os-flavor-access:add_tenant_access",),
        maximum=(2, 6),
        body_key="addTenantAccess",
        strict=True,
        body=bodies.TenantAccess,
        event=_CHANGED,
    ),
    Route(
        "POST",
        _ONE + "/action",
        _adder(to_public=False),
        (f"{_A}:os-flavor-access:add_tenant_access",),
        minimum=(2, 7),
        body_key="addTenantAccess",
        strict=True,
        body=bodies.TenantAccess,
        event=_CHANGED,
    ),
    Route(
        "POST",
        _ONE + "/action",
        remove_access,
        (f"{_A}:os-flavor-access:remove_tenant_access",),
        body_key="removeTenantAccess",
        strict=True,
        body=bodies.TenantAccess,
        event=_CHANGED,
    ),
)
