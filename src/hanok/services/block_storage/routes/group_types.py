"""Types of groups of volumes, and their specs.

Source: Block Storage API reference, "Group types", "Group type specs".
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row
from starlette.responses import Response

from hanok.base.errors import BadInput, NotFound
from hanok.services.block_storage.logic import group_types
from hanok.services.block_storage.room import Volumes
from hanok.services.block_storage.routes import lists
from hanok.services.block_storage.schemas import bodies
from hanok.services.block_storage.schemas import groups as shapes
from hanok.services.block_storage.schemas.bodies import given
from hanok.services.block_storage.tables import group_types as table
from hanok.store import Transaction
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import SIGNED_IN, Route
from hanok.web.versions import Query

SPECS = "group:access_group_types_specs"

LIST = lists.declared(
    table,
    "group_types",
    "Group type",
    filters=("id", "name"),
    sort=("id", "name", "created_at", "updated_at"),
)


def _shown(request: Request, row: Row[Any]) -> dict[str, Any]:
    return shapes.group_type(row, specs=request.may(SPECS))


async def list_types(request: Request, room: Volumes) -> Response:
    statement = group_types.visible_to(request.reaching(), public=lists.public(request))
    async with request.reading() as tx:
        page, counted = await lists.page(request, tx, LIST, statement)
    items = [_shown(request, row) for row in page.rows]
    return json_answer(lists.answer(request, LIST, page, items, counted))


async def _type(request: Request, tx: Transaction) -> Row[Any]:
    return await group_types.get(tx, request.reaching(), request.path["group_type_id"])


async def show_type(request: Request, room: Volumes) -> Response:
    async with request.reading() as tx:
        row = await _type(request, tx)
    return json_answer({"group_type": _shown(request, row)})


async def show_default(request: Request, room: Volumes) -> Response:
    """GET /group_types/default: groups name their type, so there is none unless the operator has chosen one."""
    if room.settings.default_group_type == "":
        raise NotFound("Default group type can not be found.")
    async with request.reading() as tx:
        row = await group_types.requested(tx, request.reaching(), room.settings.default_group_type)
    return json_answer({"group_type": _shown(request, row)})


async def create_type(request: Request, room: Volumes) -> Response:
    request.allow()
    body = await request.body(shapes.NewGroupType, key="group_type")
    public = given(body.is_public)
    async with request.transaction() as tx:
        row = await group_types.create(
            tx,
            name=_name(body.name),
            description=given(body.description),
            specs=given(body.group_specs) or {},
            public=True if public is None else bodies.truth(public, "is_public"),
            now=room.clock.now(),
        )
        request.made(row.id)
    return json_answer({"group_type": _shown(request, row)}, 202)


def _name(text: str) -> str:
    if not text.strip():
        raise BadInput("Group type name can not be empty.")
    return text.strip()


async def update_type(request: Request, room: Volumes) -> Response:
    request.allow()
    body = await request.body(shapes.ChangedGroupType, key="group_type")
    values: dict[str, Any] = {}
    if isinstance(body.name, str):
        values["name"] = _name(body.name)
    if isinstance(body.description, str | None):
        values["description"] = body.description
    if given(body.is_public) is not None:
        values["is_public"] = bodies.truth(body.is_public, "is_public")
    if not values:
        raise BadInput("Specify group type name, description or is_public.")
    async with request.transaction() as tx:
        row = await _type(request, tx)
        row = await group_types.change(tx, row, values, room.clock.now())
    return json_answer({"group_type": _shown(request, row)})


async def delete_type(request: Request, room: Volumes) -> Response:
    request.allow()
    async with request.transaction() as tx:
        row = await _type(request, tx)
        await group_types.delete(tx, row)
    return no_content(202)


# ---- specs ----


async def list_specs(request: Request, room: Volumes) -> Response:
    request.allow()
    async with request.reading() as tx:
        row = await _type(request, tx)
    return json_answer({"group_specs": row.specs})


async def create_specs(request: Request, room: Volumes) -> Response:
    request.allow()
    sent = await request.body(bodies.Specs, key="group_specs")
    async with request.transaction() as tx:
        row = await _type(request, tx)
        await group_types.set_specs(tx, row, {**row.specs, **sent}, room.clock.now())
    return json_answer({"group_specs": sent}, 202)


async def show_spec(request: Request, room: Volumes) -> Response:
    request.allow()
    key = request.path["key"]
    async with request.reading() as tx:
        row = await _type(request, tx)
    return json_answer({key: group_types.held(row, key)})


async def put_spec(request: Request, room: Volumes) -> Response:
    request.allow()
    sent = await request.body(bodies.Specs)
    key = request.path["key"]
    if list(sent) != [key]:
        raise BadInput("Request body and URI mismatch.")
    async with request.transaction() as tx:
        row = await _type(request, tx)
        await group_types.set_specs(tx, row, {**row.specs, **sent}, room.clock.now())
    return json_answer(sent)


async def delete_spec(request: Request, room: Volumes) -> Response:
    request.allow()
    key = request.path["key"]
    async with request.transaction() as tx:
        row = await _type(request, tx)
        group_types.held(row, key)
        left = {name: value for name, value in row.specs.items() if name != key}
        await group_types.set_specs(tx, row, left, room.clock.now())
    return no_content(202)


_ALL, _ONE = "/v3/group_types", "/v3/group_types/{group_type_id}"
_KEY = f"{_ONE}/group_specs/{{key}}"
_R, _S = "group:group_types", "group:group_types_specs"
_E = "block_storage.group_type"
_MIN: dict[str, Any] = {"minimum": (3, 11)}
ROUTES = (
    Route(
        "GET", _ALL, list_types, (SIGNED_IN, SPECS), **_MIN,
        query=Query("is_public", lists.COUNT, *LIST.parameters),
    ),
    Route(
        "POST", _ALL, create_type, (f"{_R}:create", SPECS), **_MIN, body=shapes.NewGroupType,
        member="group_type", strict=True, event=f"{_E}.create",
    ),
    Route("GET", f"{_ALL}/default", show_default, (SIGNED_IN, SPECS), **_MIN),
    Route("GET", _ONE, show_type, (SIGNED_IN, SPECS), **_MIN),
    Route(
        "PUT", _ONE, update_type, (f"{_R}:update", SPECS), **_MIN, body=shapes.ChangedGroupType,
        member="group_type", strict=True, event=f"{_E}.update",
    ),
    Route("DELETE", _ONE, delete_type, (f"{_R}:delete",), **_MIN, event=f"{_E}.delete"),
    Route("GET", f"{_ONE}/group_specs", list_specs, (f"{_S}:get_all",), **_MIN),
    Route(
        "POST", f"{_ONE}/group_specs", create_specs, (f"{_S}:create",), **_MIN, body=bodies.Specs,
        member="group_specs", event=f"{_E}.specs.create",
    ),
    Route("GET", _KEY, show_spec, (f"{_S}:get",), **_MIN),
    Route(
        "PUT", _KEY, put_spec, (f"{_S}:update",), **_MIN, body=bodies.Specs,
        event=f"{_E}.specs.update",
    ),
    Route("DELETE", _KEY, delete_spec, (f"{_S}:delete",), **_MIN, event=f"{_E}.specs.delete"),
)  # fmt: skip
