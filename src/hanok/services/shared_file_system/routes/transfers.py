"""Transfers of shares.

Source: Shared File Systems API reference, "Share transfer".
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row
from starlette.responses import Response

from hanok.base.errors import BadInput, NotFound
from hanok.services.shared_file_system.logic import shares, transfers
from hanok.services.shared_file_system.operations import begin
from hanok.services.shared_file_system.room import Shares
from hanok.services.shared_file_system.routes import lists, project_lists
from hanok.services.shared_file_system.schemas import guards as shapes
from hanok.services.shared_file_system.schemas.values import given, truth
from hanok.services.shared_file_system.tables import share_transfers as table
from hanok.store import Transaction
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Route

WIDE = "share_transfer:get_all_tenant"
LIST = lists.declared(
    table,
    "transfers",
    "Transfer",
    filters={
        **project_lists.equal(
            table, "id", "name", "source_project_id", resource_id=table.c.share_id
        ),
        **project_lists.like(table, "name"),
        "resource_type": lambda values: None if values[-1] == "share" else table.c.id.is_(None),
    },
    sort={
        **{name: table.c[name] for name in ("id", "name", "created_at", "expires_at")},
        "resource_id": table.c.share_id,
        "source_project_id": table.c.source_project_id,
    },
)
QUERY = project_lists.query_of(LIST, "all_tenants", "all_projects")


def _summary(request: Request, row: Any) -> dict[str, Any]:
    return shapes.transfer_summary(row, request.base_url)


def _detail(request: Request, row: Any) -> dict[str, Any]:
    return shapes.transfer(row, request.base_url)


def _lister(show: Any) -> Any:
    prepare = project_lists.plainly(show)
    return project_lists.lister(LIST, transfers.of, transfers.WHOLE, prepare, wide=WIDE)


list_transfers, list_detailed = _lister(_summary), _lister(_detail)


async def _mine(request: Request, tx: Transaction) -> Row[Any]:
    request.allowed_by_hand()
    row = await transfers.get(tx, request.reaching(), request.path["transfer_id"])
    request.allow("", {"project_id": row.source_project_id})
    return row


async def show_transfer(request: Request, room: Shares) -> Response:
    async with request.reading() as tx:
        row = await _mine(request, tx)
    return json_answer({"transfer": _detail(request, row)})


async def create_transfer(request: Request, room: Shares) -> Response:
    request.allow("", request.own)
    body = await request.body(shapes.NewTransfer, key="transfer")
    name = given(body.name)
    async with request.transaction() as tx:
        await tx.take_turn(body.share_id)
        try:
            share = await shares.get(tx, request.reaching(), body.share_id)
        except NotFound:
            raise BadInput("Invalid share: Share specified was not found.") from None
        request.allow("", {"project_id": share.project_id, "user_id": share.user_id})
        stripped = None if name is None else name.strip()
        row, key = await transfers.create(tx, room, share, stripped)
        request.made(row.id)
    return json_answer({"transfer": {**_detail(request, row), "auth_key": key}}, 202)


async def accept_transfer(request: Request, room: Shares) -> Response:
    """POST …/{id}/accept: whoever has the key."""
    request.allow("", request.own)
    body = await request.body(shapes.Accept, key="accept")
    sent = given(body.clear_access_rules)
    clear = sent is not None and truth(sent, "clear_access_rules")
    async with request.transaction() as tx:
        row = await transfers.to_accept(tx, request.path["transfer_id"])
        caller = request.reaching()
        share = await transfers.accept(tx, room, caller, row, body.auth_key, clear=clear)
        if clear:
            await begin.update_access(tx, room, caller, share)
    return no_content(202)


async def delete_transfer(request: Request, room: Shares) -> Response:
    async with request.transaction() as tx:
        row = await _mine(request, tx)
        await transfers.delete(tx, room, row)
    return no_content(200)


_ALL, _ONE = "/v2/share-transfers", "/v2/share-transfers/{transfer_id}"
_R, _E = "share_transfer", "shared_file_system.share_transfer"
_MIN: dict[str, Any] = {"minimum": (2, 77)}
ROUTES = (
    Route("GET", _ALL, list_transfers, (f"{_R}:get_all", WIDE), query=QUERY, **_MIN),
    Route("GET", f"{_ALL}/detail", list_detailed, (f"{_R}:get_all", WIDE), query=QUERY, **_MIN),
    Route("GET", _ONE, show_transfer, (f"{_R}:get",), **_MIN),
    Route(
        "POST", _ALL, create_transfer, (f"{_R}:create",), body=shapes.NewTransfer,
        member="transfer", strict=True, event=f"{_E}.create", **_MIN,
    ),
    Route(
        "POST", f"{_ONE}/accept", accept_transfer, (f"{_R}:accept",), body=shapes.Accept,
        member="accept", strict=True, event=f"{_E}.accept", **_MIN,
    ),
    Route("DELETE", _ONE, delete_transfer, (f"{_R}:delete",), event=f"{_E}.delete", **_MIN),
)  # fmt: skip
