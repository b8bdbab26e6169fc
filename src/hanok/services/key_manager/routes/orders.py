"""Orders.

Source: Key Manager API v1 reference, "Orders".
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row
from starlette.responses import Response

from hanok.services.key_manager.logic import orders
from hanok.services.key_manager.operations import GeneratePair
from hanok.services.key_manager.room import KeyManager
from hanok.services.key_manager.routes.common import PAGE, project
from hanok.services.key_manager.routes.pages import page_of
from hanok.services.key_manager.schemas import NewOrder
from hanok.store import Transaction
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Route


async def list_orders(request: Request, room: KeyManager) -> Response:
    request.allow("orders:get", request.own)
    page = page_of(request)
    async with request.reading() as tx:
        rows, total = await page.of(tx, orders.listed(project(request)))
    items = [orders.shown(row, request.base_url) for row in rows]
    return json_answer(page.answer("orders", items, total, f"{request.base_url}/v1/orders", ""))


async def create_order(request: Request, room: KeyManager) -> Response:
    """A key is there with the answer; a pair comes, and the order says when."""
    request.allow("orders:post", request.own)
    body, owner, user = await request.body(NewOrder), project(request), request.token.user_id
    async with request.transaction() as tx:
        row = await orders.create(tx, room, body, owner, user)
        if row.status == "PENDING":
            operation = GeneratePair(order_id=row.id)
            await room.operations.start(tx, operation, user_id=user, project_id=owner)
        request.made(row.id)
    ref = f"{request.base_url}/v1/orders/{row.id}"
    return json_answer({"order_ref": ref}, 202, {"Location": ref})


async def _order(request: Request, tx: Transaction) -> Row[Any]:
    """Of the caller's project: others' are not there. Raises Forbidden, NotFound."""
    request.allowed_by_hand()
    row = await orders.find(tx, request.path["order_id"], project(request))
    request.allow("", {"target.order.project_id": row.project_id})
    return row


async def show_order(request: Request, room: KeyManager) -> Response:
    async with request.reading() as tx:
        row = await _order(request, tx)
    return json_answer(orders.shown(row, request.base_url))


async def delete_order(request: Request, room: KeyManager) -> Response:
    async with request.transaction() as tx:
        row = await _order(request, tx)
        await orders.delete(tx, row.id)
    return no_content()


_ALL, _ONE = "/v1/orders", "/v1/orders/{order_id}"
ROUTES = (
    Route("GET", _ALL, list_orders, ("orders:get",), query=PAGE),
    Route(
        "POST",
        _ALL,
        create_order,
        ("orders:post",),
        body=NewOrder,
        strict=True,
        event="key_manager.order.created",
    ),
    Route("GET", _ONE, show_order, ("order:get",)),
    Route("DELETE", _ONE, delete_order, ("order:delete",), event="key_manager.order.deleted"),
)
