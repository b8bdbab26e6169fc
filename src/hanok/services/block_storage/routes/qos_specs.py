"""QoS specs, and the types whose volumes they hold for.

Source: Block Storage API reference, "Quality of service (QoS) specifications".
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row
from starlette.responses import Response

from hanok.base.errors import BadInput
from hanok.services.block_storage.logic import qos_specs, types
from hanok.services.block_storage.operations import set_limits
from hanok.services.block_storage.room import Volumes
from hanok.services.block_storage.routes import lists
from hanok.services.block_storage.schemas import answers, bodies
from hanok.services.block_storage.schemas import qos_specs as shapes
from hanok.services.block_storage.tables import volume_qos_specs as table
from hanok.store import Transaction
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Route
from hanok.web.versions import Query

LIST = lists.declared(
    table,
    "qos_specs",
    "QoS specs",
    filters=("id", "name", "consumer"),
    sort=("id", "name", "consumer", "created_at", "updated_at"),
)


def _answer(request: Request, row: Row[Any]) -> Response:
    links = answers.links(request.base_url, "qos-specs", row.id)
    return json_answer({"qos_specs": shapes.shown(row), "links": links})


async def list_specs(request: Request, room: Volumes) -> Response:
    request.allow()
    async with request.reading() as tx:
        page, counted = await lists.page(request, tx, LIST, qos_specs.WHOLE)
    items = [shapes.shown(row) for row in page.rows]
    return json_answer(lists.answer(request, LIST, page, items, counted))


async def show_specs(request: Request, room: Volumes) -> Response:
    request.allow()
    async with request.reading() as tx:
        row = await qos_specs.get(tx, request.path["qos_id"])
    return _answer(request, row)


async def create_specs(request: Request, room: Volumes) -> Response:
    """POST /qos-specs: name, consumer and specs stand side by side."""
    request.allow()
    sent = dict(await request.body(shapes.NewSpecs, key="qos_specs"))
    name = sent.pop("name", "").strip()
    if not name:
        raise BadInput("Invalid input received: QoS specs have a name.")
    consumer = sent.pop("consumer", "back-end")
    async with request.transaction() as tx:
        row = await qos_specs.create(tx, name, consumer, sent, room.clock.now())
        request.made(row.id)
    return _answer(request, row)


async def _told(request: Request, tx: Transaction, room: Volumes, qos_id: str) -> None:
    """Volumes of the types that have the specs get their limits."""
    for kind in await qos_specs.types_of(tx, qos_id):
        await set_limits.begin(tx, room, request.token.user_id, kind.id)


async def update_specs(request: Request, room: Volumes) -> Response:
    request.allow()
    sent = dict(await request.body(shapes.ChangedSpecs, key="qos_specs"))
    changed = dict(sent)
    async with request.transaction() as tx:
        row = await qos_specs.get(tx, request.path["qos_id"])
        consumer = changed.pop("consumer", row.consumer)
        merged = {**row.specs, **changed}
        await qos_specs.change(tx, row, merged, consumer, room.clock.now())
        await _told(request, tx, room, row.id)
    return json_answer({"qos_specs": sent})


async def drop_keys(request: Request, room: Volumes) -> Response:
    """PUT /qos-specs/{id}/delete_keys."""
    request.allow()
    body = await request.body(shapes.DroppedKeys)
    async with request.transaction() as tx:
        row = await qos_specs.get(tx, request.path["qos_id"])
        await qos_specs.drop_keys(tx, row, body.keys, room.clock.now())
        await _told(request, tx, room, row.id)
    return no_content(202)


async def delete_specs(request: Request, room: Volumes) -> Response:
    """DELETE /qos-specs/{id}: with force=true also from the types that have it."""
    request.allow()
    force = bodies.truth(request.query.get("force") or "false", "force")
    async with request.transaction() as tx:
        row = await qos_specs.get(tx, request.path["qos_id"])
        await _told(request, tx, room, row.id)
        await qos_specs.delete(tx, row, force=force)
    return no_content(202)


async def list_associations(request: Request, room: Volumes) -> Response:
    request.allow()
    async with request.reading() as tx:
        row = await qos_specs.get(tx, request.path["qos_id"])
        found = await qos_specs.types_of(tx, row.id)
    shown = [{"association_type": "volume_type", "name": one.name, "id": one.id} for one in found]
    return json_answer({"qos_associations": shown})


async def _type(request: Request, tx: Transaction) -> Row[Any]:
    """The type that the query names. Raises BadInput, NotFound."""
    type_id = request.query.get("vol_type_id")
    if not type_id:
        raise BadInput("Volume Type id must not be None.")
    row = await types.get_any(tx, type_id)
    if row is None:
        raise types.not_found(type_id)
    return row


async def associate(request: Request, room: Volumes) -> Response:
    request.allow()
    async with request.transaction() as tx:
        row = await qos_specs.get(tx, request.path["qos_id"])
        kind = await _type(request, tx)
        await qos_specs.associate(tx, row, kind)
        await set_limits.begin(tx, room, request.token.user_id, kind.id)
    return no_content(202)


async def disassociate(request: Request, room: Volumes) -> Response:
    request.allow()
    async with request.transaction() as tx:
        row = await qos_specs.get(tx, request.path["qos_id"])
        kind = await _type(request, tx)
        await qos_specs.disassociate(tx, row.id, kind.id)
        await set_limits.begin(tx, room, request.token.user_id, kind.id)
    return no_content(202)


async def disassociate_all(request: Request, room: Volumes) -> Response:
    request.allow()
    async with request.transaction() as tx:
        row = await qos_specs.get(tx, request.path["qos_id"])
        await _told(request, tx, room, row.id)
        await qos_specs.disassociate(tx, row.id, None)
    return no_content(202)


_ALL, _ONE = "/v3/qos-specs", "/v3/qos-specs/{qos_id}"
_R = "volume_extension:qos_specs_manage"
_E = "block_storage.qos_specs"
ROUTES = (
    Route("GET", _ALL, list_specs, (f"{_R}:get_all",), query=Query(lists.COUNT, *LIST.parameters)),
    Route(
        "POST", _ALL, create_specs, (f"{_R}:create",), body=shapes.NewSpecs, member="qos_specs",
        event=f"{_E}.create",
    ),
    Route("GET", _ONE, show_specs, (f"{_R}:get",)),
    Route(
        "PUT", _ONE, update_specs, (f"{_R}:update",), body=shapes.ChangedSpecs, member="qos_specs",
        event=f"{_E}.update",
    ),
    Route("DELETE", _ONE, delete_specs, (f"{_R}:delete",), query=("force",), event=f"{_E}.delete"),
    Route(
        "PUT", f"{_ONE}/delete_keys", drop_keys, (f"{_R}:delete",), body=shapes.DroppedKeys,
        strict=True, event=f"{_E}.delete_keys",
    ),
    Route("GET", f"{_ONE}/associations", list_associations, (f"{_R}:get_all",)),
    Route(
        "GET", f"{_ONE}/associate", associate, (f"{_R}:update",), query=("vol_type_id",),
        event=f"{_E}.associate",
    ),
    Route(
        "GET", f"{_ONE}/disassociate", disassociate, (f"{_R}:update",), query=("vol_type_id",),
        event=f"{_E}.disassociate",
    ),
    Route(
        "GET", f"{_ONE}/disassociate_all", disassociate_all, (f"{_R}:update",),
        event=f"{_E}.disassociate_all",
    ),
)  # fmt: skip
