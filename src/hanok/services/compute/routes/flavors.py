"""Flavors, their extra specs, and who may use private ones."""

from __future__ import annotations

import re
from typing import Any

import sqlalchemy as sa
from msgspec import UNSET
from starlette.responses import Response

from hanok.base.errors import BadInput, Conflict, NotFound
from hanok.base.ids import new_uuid
from hanok.services.compute.logic import flavors
from hanok.services.compute.room import Compute
from hanok.services.compute.schemas import answers, bodies
from hanok.services.compute.tables import flavors as table
from hanok.services.identity import facade as identity
from hanok.web.pages import Direction, limit_of, next_link, ordered
from hanok.web.request import Request, convert, json_answer, no_content
from hanok.web.routes import Route

PAGE = 1000
_SORT = {
    "flavorid": table.c.id,
    "name": table.c.name,
    "memory_mb": table.c.memory_mib,
    "vcpus": table.c.vcpus,
    "root_gb": table.c.disk_gib,
    "ephemeral_gb": table.c.ephemeral_gib,
    "swap": table.c.swap_mib,
    "created_at": table.c.created_at,
}
_FILTERS = ("is_public", "limit", "marker", "minDisk", "minRam", "sort_dir", "sort_key")
_SPEC = re.compile(r"[\w\- .:]{1,255}")


async def _list(request: Request) -> tuple[list[Any], list[dict[str, str]]]:
    query, token = request.query, request.token
    statement = sa.select(table)
    public = query.get("is_public", "").lower()
    if not token.is_admin:
        statement = statement.where(flavors.visible(token.project_id))
    elif public in ("", "true", "1", "yes", "t", "on"):
        statement = statement.where(table.c.is_public.is_(True))
    elif public in ("false", "0", "no", "f", "off"):
        statement = statement.where(table.c.is_public.is_(False))
    elif public != "none":
        raise BadInput(f"Invalid is_public filter [{query['is_public']}]")
    for name, column in (("minRam", table.c.memory_mib), ("minDisk", table.c.disk_gib)):
        if name in query:
            try:
                statement = statement.where(column >= int(query[name]))
            except ValueError:
                raise BadInput(f"Invalid {name} filter [{query[name]}]") from None
    limit = limit_of(query.get("limit"), maximum=PAGE)
    direction: Direction = "desc" if query.get("sort_dir") == "desc" else "asc"
    if query.get("sort_dir", "asc") not in ("asc", "desc"):
        raise BadInput("Invalid input for query parameters sort_dir.")
    key = query.get("sort_key", "flavorid")
    if key not in _SORT:
        raise BadInput(f"Invalid input for query parameters sort_key. Value: {key[:100]}")
    async with request.reading() as tx:
        after = None
        if "marker" in query:
            row = await tx.first(sa.select(table).where(table.c.id == query["marker"]))
            if row is None:
                raise BadInput(f"marker [{query['marker']}] not found")
            after = row._mapping
        keys: list[tuple[Any, Direction]] = [(_SORT[key], direction)]
        if key != "flavorid":
            keys.append((table.c.id, direction))
        rows = list(await tx.all(ordered(statement, keys, after=after, limit=limit)))
    more = []
    if limit and len(rows) == limit:
        more = [{"rel": "next", "href": next_link(request.full_url, request.pairs, rows[-1].id)}]
    return rows, more


async def list_flavors(request: Request, room: Compute) -> Response:
    """GET /flavors."""
    request.allowed_by_hand()
    rows, more = await _list(request)
    items = []
    for row in rows:
        item = {"id": row.id, "name": row.name, "links": answers.links(request, "flavors", row.id)}
        if request.microversion >= (2, 55):
            item["description"] = row.description
        items.append(item)
    answer: dict[str, Any] = {"flavors": items}
    if more:
        answer["flavors_links"] = more
    return json_answer(answer)


async def list_details(request: Request, room: Compute) -> Response:
    """GET /flavors/detail."""
    specs = request.may(
        "os_compute_api:os-flavor-extra-specs:index", project_id=request.token.project_id
    )
    rows, more = await _list(request)
    answer: dict[str, Any] = {
        "flavors": [answers.flavor(request, row, with_specs=specs) for row in rows]
    }
    if more:
        answer["flavors_links"] = more
    return json_answer(answer)


async def show_flavor(request: Request, room: Compute) -> Response:
    specs = request.may(
        "os_compute_api:os-flavor-extra-specs:index", project_id=request.token.project_id
    )
    async with request.reading() as tx:
        row = await flavors.get(tx, request.token, request.path["flavor_id"])
    return json_answer({"flavor": answers.flavor(request, row, with_specs=specs)})


async def create_flavor(request: Request, room: Compute) -> Response:
    """POST /flavors."""
    request.allow()
    body = await request.body(bodies.CreateFlavor, key="flavor")
    if request.microversion < (2, 55) and body.description is not UNSET:
        raise BadInput("Additional properties are not allowed ('description' was unexpected)")
    flavor_id = _id(body.id)
    factor = body.rxtx_factor
    try:
        rxtx = float(factor)
    except ValueError:
        rxtx = -1.0
    if not 0 < rxtx < 3.4e38:
        raise BadInput(f"Invalid input for field/attribute rxtx_factor. Value: {factor}.")
    name = body.name.strip()
    values = {
        "id": flavor_id,
        "name": name,
        "memory_mib": bodies.whole(body.ram, "ram", least=1),
        "vcpus": bodies.whole(body.vcpus, "vcpus", least=1),
        "disk_gib": bodies.whole(body.disk, "disk"),
        "ephemeral_gib": bodies.whole(body.ephemeral, "OS-FLV-EXT-DATA:ephemeral"),
        "swap_mib": bodies.whole(body.swap or 0, "swap"),
        "rxtx_factor": rxtx,
        "is_public": bodies.truth(body.is_public, "os-flavor-access:is_public"),
        "description": None if body.description is UNSET else body.description,
    }
    async with request.transaction() as tx:
        row = await flavors.create(tx, values, room.clock.now())
    return json_answer({"flavor": answers.flavor(request, row, with_specs=True)})


def _id(value: object) -> str:
    if value is None or value == "auto":
        return new_uuid()
    text = str(value)
    if not isinstance(value, str | int) or not re.fullmatch(r"(?! )[\w\- .]{1,255}(?<! )", text):
        raise BadInput(f"Invalid input for field/attribute id. Value: {text[:100]}.")
    return text


async def update_flavor(request: Request, room: Compute) -> Response:
    """PUT /flavors/{id} from 2.55: its description."""
    request.allow()
    body = await request.body(bodies.UpdateFlavor, key="flavor")
    async with request.transaction() as tx:
        row = await flavors.get_any(tx, request.path["flavor_id"])
        await tx.execute(
            table.update()
            .where(table.c.id == row.id)
            .values(description=body.description, updated_at=room.clock.now())
        )
        row = await flavors.get_any(tx, row.id)
    return json_answer({"flavor": answers.flavor(request, row, with_specs=True)})


async def delete_flavor(request: Request, room: Compute) -> Response:
    request.allow()
    async with request.transaction() as tx:
        await flavors.delete(tx, request.path["flavor_id"])
    return no_content(202)


# ---- extra specs ----


async def list_specs(request: Request, room: Compute) -> Response:
    request.allow("", project_id=request.token.project_id)
    async with request.reading() as tx:
        row = await flavors.get(tx, request.token, request.path["flavor_id"])
    return json_answer({"extra_specs": row.extra_specs})


def _specs(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not value:
        raise BadInput("Invalid input for field/attribute extra_specs.")
    made = {}
    for key, item in value.items():
        if not _SPEC.fullmatch(key) or isinstance(item, dict | list | bool) or item is None:
            raise BadInput(f"Invalid input for field/attribute extra_specs. Value: {key[:100]}.")
        text = str(item)
        if len(text) > 255:
            raise BadInput(f"The extra spec {key} is longer than 255 characters.")
        made[key] = text
    return made


async def create_specs(request: Request, room: Compute) -> Response:
    request.allow()
    body = await request.json()
    if not isinstance(body, dict) or set(body) != {"extra_specs"}:
        raise BadInput("Invalid input: the body is {'extra_specs': {…}}.")
    specs = _specs(body["extra_specs"])
    async with request.transaction() as tx:
        row = await flavors.get_any(tx, request.path["flavor_id"])
        await flavors.set_specs(tx, row, {**row.extra_specs, **specs})
    return json_answer({"extra_specs": specs})


async def show_spec(request: Request, room: Compute) -> Response:
    request.allow("", project_id=request.token.project_id)
    key = request.path["key"]
    async with request.reading() as tx:
        row = await flavors.get(tx, request.token, request.path["flavor_id"])
    if key not in row.extra_specs:
        raise NotFound(f"Flavor {row.id} has no extra specs with key {key}.")
    return json_answer({key: row.extra_specs[key]})


async def update_spec(request: Request, room: Compute) -> Response:
    request.allow()
    key = request.path["key"]
    specs = _specs(await request.json())
    if list(specs) != [key]:
        raise BadInput("Request body and URI mismatch")
    async with request.transaction() as tx:
        row = await flavors.get_any(tx, request.path["flavor_id"])
        await flavors.set_specs(tx, row, {**row.extra_specs, **specs})
    return json_answer(specs)


async def delete_spec(request: Request, room: Compute) -> Response:
    request.allow()
    key = request.path["key"]
    async with request.transaction() as tx:
        row = await flavors.get_any(tx, request.path["flavor_id"])
        if key not in row.extra_specs:
            raise NotFound(f"Flavor {row.id} has no extra specs with key {key}.")
        await flavors.set_specs(tx, row, {k: v for k, v in row.extra_specs.items() if k != key})
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


async def add_access(request: Request, room: Compute) -> Response:
    request.allow()
    body = convert((await request.json())["addTenantAccess"], bodies.TenantAccess)
    async with request.transaction() as tx:
        row = await flavors.get_any(tx, request.path["flavor_id"])
        if row.is_public:
            raise Conflict("Can not add access to a public flavor.")
        if not await identity.project_exists(tx, body.tenant):
            raise BadInput(f"Project ID {body.tenant} is not a valid project.")
        await flavors.grant(tx, row.id, body.tenant)
        return _access(row.id, await flavors.access_of(tx, row.id))


async def remove_access(request: Request, room: Compute) -> Response:
    request.allow()
    body = convert((await request.json())["removeTenantAccess"], bodies.TenantAccess)
    async with request.transaction() as tx:
        row = await flavors.get_any(tx, request.path["flavor_id"])
        if row.is_public:
            raise Conflict("Can not remove access from a public flavor.")
        if not await identity.project_exists(tx, body.tenant):
            raise BadInput(f"Project ID {body.tenant} is not a valid project.")
        await flavors.revoke(tx, row.id, body.tenant)
        return _access(row.id, await flavors.access_of(tx, row.id))


_A = "os_compute_api"
_ONE = "/v2.1/flavors/{flavor_id}"
_SPECS = _ONE + "/os-extra_specs"
_INDEX = (f"{_A}:os-flavor-extra-specs:index",)
ROUTES = (
    Route(
        "GET",
        "/v2.1/flavors",
        list_flavors,
        _INDEX,
        query=_FILTERS,
    ),
    Route(
        "POST",
        "/v2.1/flavors",
        create_flavor,
        (f"{_A}:os-flavor-manage:create",),
        strict=True,
        body=bodies.CreateFlavor,
        member="flavor",
    ),
    Route(
        "GET",
        "/v2.1/flavors/detail",
        list_details,
        _INDEX,
        query=_FILTERS,
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
    ),
    Route("DELETE", _ONE, delete_flavor, (f"{_A}:os-flavor-manage:delete",)),
    Route("GET", _SPECS, list_specs, _INDEX),
    Route(
        "POST",
        _SPECS,
        create_specs,
        (f"{_A}:os-flavor-extra-specs:create",),
        strict=True,
        body=dict[str, str],
        member="extra_specs",
    ),
    Route("GET", _SPECS + "/{key}", show_spec, (f"{_A}:os-flavor-extra-specs:show",)),
    Route(
        "PUT",
        _SPECS + "/{key}",
        update_spec,
        (f"{_A}:os-flavor-extra-specs:update",),
        strict=True,
        body=dict[str, str],
    ),
    Route("DELETE", _SPECS + "/{key}", delete_spec, (f"{_A}:os-flavor-extra-specs:delete",)),
    Route("GET", _ONE + "/os-flavor-access", list_access, (f"{_A}:os-flavor-access",)),
    Route(
        "POST",
        _ONE + "/action",
        add_access,
        (f"{_A}:os-flavor-access:add_tenant_access",),
        body_key="addTenantAccess",
        strict=True,
        body=bodies.TenantAccess,
    ),
    Route(
        "POST",
        _ONE + "/action",
        remove_access,
        (f"{_A}:os-flavor-access:remove_tenant_access",),
        body_key="removeTenantAccess",
        strict=True,
        body=bodies.TenantAccess,
    ),
)
