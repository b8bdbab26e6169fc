"""QoS types and their specs.

Source: Shared File Systems API reference, "QoS types", "QoS type specs".
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row
from starlette.responses import Response

from hanok.base.errors import BadInput
from hanok.services.shared_file_system.logic import qos_types
from hanok.services.shared_file_system.room import Shares
from hanok.services.shared_file_system.routes import lists, project_lists
from hanok.services.shared_file_system.routes.security_services import sent
from hanok.services.shared_file_system.schemas import types as shapes
from hanok.services.shared_file_system.schemas.values import given
from hanok.services.shared_file_system.tables import share_qos_types as table
from hanok.store import Transaction
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Route

LIST = lists.declared(
    table,
    "qos_types",
    "QoS type",
    filters={
        **project_lists.equal(table, "name", "description"),
        **project_lists.like(table, "name", "description"),
    },
    sort={name: table.c[name] for name in ("id", "name", "created_at", "updated_at")},
)
QUERY = project_lists.query_of(LIST)


async def _type(request: Request, tx: Transaction) -> Row[Any]:
    request.allow("", request.own)
    return await qos_types.get(tx, request.path["qos_type_id"])


async def list_types(request: Request, room: Shares) -> Response:
    request.allow("", request.own)
    async with request.reading() as tx:
        page = await LIST.page(request, tx, qos_types.WHOLE)
    return json_answer(LIST.answer(request, page, [shapes.qos_type(row) for row in page.rows]))


async def show_type(request: Request, room: Shares) -> Response:
    async with request.reading() as tx:
        row = await _type(request, tx)
    return json_answer({"qos_type": shapes.qos_type(row)})


async def create_type(request: Request, room: Shares) -> Response:
    request.allow("", request.own)
    body = await request.body(shapes.NewQosType, key="qos_type")
    async with request.transaction() as tx:
        row = await qos_types.create(
            tx, room, body.name, given(body.description), given(body.specs) or {}
        )
        request.made(row.id)
    return json_answer({"qos_type": shapes.qos_type(row)})


async def update_type(request: Request, room: Shares) -> Response:
    request.allow("", request.own)
    body = await request.body(shapes.ChangedQosType, key="qos_type")
    async with request.transaction() as tx:
        row = await _type(request, tx)
        row = await qos_types.change(tx, room, row, sent(body))
    return json_answer({"qos_type": shapes.qos_type(row)})


async def delete_type(request: Request, room: Shares) -> Response:
    async with request.transaction() as tx:
        row = await _type(request, tx)
        await qos_types.delete(tx, row)
    return no_content()


# ---- specs ----


async def list_specs(request: Request, room: Shares) -> Response:
    async with request.reading() as tx:
        row = await _type(request, tx)
    return json_answer({"specs": row.specs})


async def show_spec(request: Request, room: Shares) -> Response:
    key = request.path["key"]
    async with request.reading() as tx:
        row = await _type(request, tx)
    return json_answer({key: qos_types.held(row, key)})


async def create_specs(request: Request, room: Shares) -> Response:
    request.allow("", request.own)
    specs = await request.body(shapes.Specs, key="specs")
    await _merge(request, room, specs)
    return json_answer({"specs": specs})


async def _merge(request: Request, room: Shares, specs: dict[str, str]) -> None:
    async with request.transaction() as tx:
        row = await _type(request, tx)
        await qos_types.change(tx, room, row, {"specs": {**row.specs, **specs}})


async def put_spec(request: Request, room: Shares) -> Response:
    request.allow("", request.own)
    specs = await request.body(shapes.Specs)
    if list(specs) != [request.path["key"]]:
        raise BadInput("Request body and URI mismatch")
    await _merge(request, room, specs)
    return json_answer(specs)


async def delete_spec(request: Request, room: Shares) -> Response:
    key = request.path["key"]
    async with request.transaction() as tx:
        row = await _type(request, tx)
        qos_types.held(row, key)
        left = {name: value for name, value in row.specs.items() if name != key}
        await qos_types.change(tx, room, row, {"specs": left})
    return no_content()


_ALL, _ONE = "/v2/qos-types", "/v2/qos-types/{qos_type_id}"
_SPECS, _KEY = f"{_ONE}/specs", f"{_ONE}/specs/{{key}}"
_R, _S, _E = "qos_type", "qos_type_specs", "shared_file_system.qos_type"
_MIN: dict[str, Any] = {"minimum": (2, 94)}
ROUTES = (
    Route("GET", _ALL, list_types, (f"{_R}:index",), query=QUERY, **_MIN),
    Route(
        "POST", _ALL, create_type, (f"{_R}:create",), body=shapes.NewQosType, member="qos_type",
        strict=True, event=f"{_E}.create", **_MIN,
    ),
    Route("GET", _ONE, show_type, (f"{_R}:show",), **_MIN),
    Route(
        "PUT", _ONE, update_type, (f"{_R}:update",), body=shapes.ChangedQosType,
        member="qos_type", strict=True, event=f"{_E}.update", **_MIN,
    ),
    Route("DELETE", _ONE, delete_type, (f"{_R}:delete",), event=f"{_E}.delete", **_MIN),
    Route("GET", _SPECS, list_specs, (f"{_S}:index",), **_MIN),
    Route(
        "POST", _SPECS, create_specs, (f"{_S}:create",), body=shapes.Specs, member="specs",
        event=f"{_E}.specs.create", **_MIN,
    ),
    Route("GET", _KEY, show_spec, (f"{_S}:show",), **_MIN),
    Route(
        "PUT", _KEY, put_spec, (f"{_S}:update",), body=shapes.Specs, event=f"{_E}.specs.update",
        **_MIN,
    ),
    Route("DELETE", _KEY, delete_spec, (f"{_S}:delete",), event=f"{_E}.specs.delete", **_MIN),
)  # fmt: skip
