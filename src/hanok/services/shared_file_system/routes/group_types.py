"""Types of share groups: group specs, access.

Source: Shared File Systems API reference, "Share group types".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Row
from starlette.responses import Response

from hanok.base.errors import BadInput, NotFound
from hanok.services.shared_file_system.logic import group_types
from hanok.services.shared_file_system.room import Shares
from hanok.services.shared_file_system.routes import lists
from hanok.services.shared_file_system.routes.graduation import graduated
from hanok.services.shared_file_system.schemas import types as shapes
from hanok.services.shared_file_system.schemas.values import given, truth
from hanok.store import Transaction
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Route
from hanok.web.versions import Parameter, Query

QUERY = Query("is_public", Parameter(name="group_specs", since=(2, 66)))


def _shown(request: Request, room: Shares, row: Row[Any]) -> dict[str, Any]:
    default = row.name == room.settings.default_share_group_type
    return request.shown(shapes.GROUP_TYPE)(shapes.group_type(row, default=default))


async def _type(request: Request, tx: Transaction) -> Row[Any]:
    request.allow("", request.own)
    return await group_types.get(tx, request.reaching(), request.path["group_type_id"])


def _fits(row: Row[Any], requested: Mapping[str, str]) -> bool:
    return all(str(row.specs.get(name)) == value for name, value in requested.items())


async def list_types(request: Request, room: Shares) -> Response:
    request.allow("", request.own)
    text = request.query.get("group_specs")
    requested = lists.map_of(text, "group_specs") if text else {}
    public = lists.public(request)
    async with request.reading() as tx:
        rows = await group_types.listed(tx, request.reaching(), public=public)
    found = [_shown(request, room, row) for row in rows if _fits(row, requested)]
    return json_answer({"share_group_types": found})


async def show_type(request: Request, room: Shares) -> Response:
    async with request.reading() as tx:
        row = await _type(request, tx)
    return json_answer({"share_group_type": _shown(request, room, row)})


async def show_default(request: Request, room: Shares) -> Response:
    request.allow("", request.own)
    async with request.reading() as tx:
        row = await group_types.default(tx, room, request.reaching())
    if row is None:
        raise NotFound("Default share group type not found.")
    return json_answer({"share_group_type": _shown(request, room, row)})


async def create_type(request: Request, room: Shares) -> Response:
    request.allow("", request.own)
    body = await request.body(shapes.NewGroupType, key="share_group_type")
    public = given(body.is_public)
    async with request.transaction() as tx:
        row = await group_types.create(
            tx,
            room,
            request.reaching(),
            name=body.name,
            share_types=given(body.share_types) or [],
            specs=given(body.group_specs) or {},
            public=True if public is None else truth(public, "is_public"),
        )
        request.made(row.id)
    return json_answer({"share_group_type": _shown(request, room, row)})


async def delete_type(request: Request, room: Shares) -> Response:
    async with request.transaction() as tx:
        row = await _type(request, tx)
        await group_types.delete(tx, row)
    return no_content()


# ---- who may use one ----


async def list_access(request: Request, room: Shares) -> Response:
    async with request.reading() as tx:
        row = await _type(request, tx)
        found = await group_types.projects(tx, row)
    items = [{"share_group_type_id": row.id, "project_id": one} for one in found]
    return json_answer({"share_group_type_access": items})


async def add_access(request: Request, room: Shares) -> Response:
    request.allow("", request.own)
    body = await request.body(shapes.Access, key="addProjectAccess")
    async with request.transaction() as tx:
        row = await _type(request, tx)
        await group_types.let(tx, row, body.project)
    return no_content(202)


async def remove_access(request: Request, room: Shares) -> Response:
    request.allow("", request.own)
    body = await request.body(shapes.Access, key="removeProjectAccess")
    async with request.transaction() as tx:
        row = await _type(request, tx)
        await group_types.unlet(tx, row, body.project)
    return no_content(202)


# ---- specs ----


async def list_specs(request: Request, room: Shares) -> Response:
    async with request.reading() as tx:
        row = await _type(request, tx)
    return json_answer({"group_specs": row.specs})


async def show_spec(request: Request, room: Shares) -> Response:
    key = request.path["key"]
    async with request.reading() as tx:
        row = await _type(request, tx)
    return json_answer({key: group_types.held(row, key)})


async def create_specs(request: Request, room: Shares) -> Response:
    request.allow("", request.own)
    specs = await request.body(shapes.GroupSpecs, key="group_specs")
    await _merge(request, room, specs)
    return json_answer({"group_specs": specs})


async def _merge(request: Request, room: Shares, specs: Mapping[str, str | bool]) -> None:
    texts = {name: str(value) for name, value in specs.items()}
    async with request.transaction() as tx:
        row = await _type(request, tx)
        await group_types.set_specs(tx, room, row, {**row.specs, **texts})


async def put_spec(request: Request, room: Shares) -> Response:
    request.allow("", request.own)
    specs = await request.body(shapes.GroupSpecs)
    if list(specs) != [request.path["key"]]:
        raise BadInput("Request body and URI mismatch.")
    await _merge(request, room, specs)
    return json_answer(specs)


async def delete_spec(request: Request, room: Shares) -> Response:
    key = request.path["key"]
    async with request.transaction() as tx:
        row = await _type(request, tx)
        group_types.held(row, key)
        left = {name: value for name, value in row.specs.items() if name != key}
        await group_types.set_specs(tx, room, row, left)
    return no_content()


_ALL, _ONE = "/v2/share-group-types", "/v2/share-group-types/{group_type_id}"
_SPECS, _KEY, _DO = f"{_ONE}/group-specs", f"{_ONE}/group-specs/{{key}}", f"{_ONE}/action"
_R, _S, _E = "share_group_type", "share_group_types_spec", "shared_file_system.share_group_type"
ROUTES = graduated(
    (2, 31),
    (2, 55),
    Route("GET", _ALL, list_types, (f"{_R}:index",), query=QUERY),
    Route(
        "POST", _ALL, create_type, (f"{_R}:create",), body=shapes.NewGroupType,
        member="share_group_type", strict=True, event=f"{_E}.create",
    ),
    Route("GET", f"{_ALL}/default", show_default, (f"{_R}:default",)),
    Route("GET", _ONE, show_type, (f"{_R}:show",)),
    Route("DELETE", _ONE, delete_type, (f"{_R}:delete",), event=f"{_E}.delete"),
    Route("GET", f"{_ONE}/access", list_access, (f"{_R}:list_project_access",)),
    Route(
        "POST", _DO, add_access, (f"{_R}:add_project_access",), body_key="addProjectAccess",
        body=shapes.Access, member="addProjectAccess", strict=True, event=f"{_E}.access.add",
    ),
    Route(
        "POST", _DO, remove_access, (f"{_R}:remove_project_access",),
        body_key="removeProjectAccess", body=shapes.Access, member="removeProjectAccess",
        strict=True, event=f"{_E}.access.remove",
    ),
    Route("GET", _SPECS, list_specs, (f"{_S}:index",)),
    Route(
        "POST", _SPECS, create_specs, (f"{_S}:create",), body=shapes.GroupSpecs,
        member="group_specs", event=f"{_E}.specs.create",
    ),
    Route("GET", _KEY, show_spec, (f"{_S}:show",)),
    Route(
        "PUT", _KEY, put_spec, (f"{_S}:update",), body=shapes.GroupSpecs,
        event=f"{_E}.specs.update",
    ),
    Route("DELETE", _KEY, delete_spec, (f"{_S}:delete",), event=f"{_E}.specs.delete"),
)  # fmt: skip
