"""Members: the projects a shared image was offered to."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row
from starlette.responses import Response

from hanok.base.errors import BadInput, Forbidden, NotFound
from hanok.services.image import schemas
from hanok.services.image.logic import images
from hanok.services.image.room import Images
from hanok.services.image.routes.seen import readable
from hanok.services.image.tables import image_members as table
from hanok.store import Transaction, still_there
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Route

MOST = 128


async def _shared(request: Request, tx: Transaction, rule: str) -> Row[Any]:
    row = await readable(request, tx, rule)
    if row.visibility != "shared":
        raise Forbidden("Only shared images have members.")
    return row


async def list_members(request: Request, room: Images) -> Response:
    """GET members: all for the owner, only itself for a member."""
    async with request.reading() as tx:
        row = await _shared(request, tx, "get_members")
        statement = sa.select(table).where(table.c.image_id == row.id).order_by(table.c.member_id)
        if not request.reaching().everywhere and row.owner != request.token.project_id:
            statement = statement.where(table.c.member_id == request.token.project_id)
        rows = await tx.all(statement)
    return json_answer(
        {"members": [schemas.member(one) for one in rows], "schema": "/v2/schemas/members"}
    )


async def _member(request: Request, tx: Transaction, row: Row[Any]) -> Row[Any]:
    member_id = request.path["member_id"]
    mine = request.reaching().everywhere or request.token.project_id in (row.owner, member_id)
    found = await images.membership(tx, row.id, member_id) if mine else None
    if found is None:
        raise NotFound(f"{member_id} not found in the member list of the image {row.id}.")
    return found


async def add_member(request: Request, room: Images) -> Response:
    """POST members: pending until the project accepts."""
    body = await request.json()
    member_id = body.get("member") if isinstance(body, dict) else None
    if not isinstance(member_id, str) or not member_id or len(member_id) > 255:
        raise BadInput("Member can't be empty")
    async with request.transaction() as tx:
        row = await _shared(request, tx, "add_member")
        count = await tx.scalar(
            sa.select(sa.func.count()).select_from(table).where(table.c.image_id == row.id)
        )
        if int(count or 0) >= MOST:
            raise Forbidden(f"An image has at most {MOST} members.")
        found = await images.add_member(tx, row.id, member_id, room.clock.now())
    assert found is not None
    return json_answer(schemas.member(found))


async def show_member(request: Request, room: Images) -> Response:
    async with request.reading() as tx:
        row = await _shared(request, tx, "get_member")
        return json_answer(schemas.member(await _member(request, tx, row)))


async def update_member(request: Request, room: Images) -> Response:
    """PUT members/{id}: the project takes the image or not; the owner cannot do that for it."""
    body = await request.json()
    status = body.get("status") if isinstance(body, dict) else None
    if status not in ("pending", "accepted", "rejected"):
        raise BadInput("Status must be one of pending, accepted and rejected.")
    async with request.transaction() as tx:
        row = await images.get(tx, request.reaching(), request.path["image_id"])
        if row.visibility != "shared":
            request.allowed_by_hand()
            raise Forbidden("Only shared images have members.")
        if not request.may(
            "modify_member", {"project_id": row.owner, "member_id": request.path["member_id"]}
        ):
            raise Forbidden("You are not authorized to complete modify_member action.")
        found = await _member(request, tx, row)
        await tx.execute(
            table.update()
            .where(table.c.image_id == row.id, table.c.member_id == found.member_id)
            .values(status=status, updated_at=room.clock.now())
        )
        fresh = still_there(await images.membership(tx, row.id, found.member_id))
    return json_answer(schemas.member(fresh))


async def remove_member(request: Request, room: Images) -> Response:
    async with request.transaction() as tx:
        row = await _shared(request, tx, "delete_member")
        found = await _member(request, tx, row)
        await tx.execute(
            table.delete().where(table.c.image_id == row.id, table.c.member_id == found.member_id)
        )
    return no_content()


_ALL = "/v2/images/{image_id}/members"
_ONE = _ALL + "/{member_id}"
ROUTES = (
    Route("GET", _ALL, list_members, ("get_members",)),
    Route("POST", _ALL, add_member, ("add_member",), body=schemas.new_member_body),
    Route("GET", _ONE, show_member, ("get_member",)),
    Route("PUT", _ONE, update_member, ("modify_member",), body=schemas.member_body),
    Route("DELETE", _ONE, remove_member, ("delete_member",)),
)
