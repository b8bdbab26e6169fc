"""Members: the projects a shared image was offered to."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row
from starlette.responses import Response

from hanok.base.errors import BadInput, Forbidden
from hanok.services.image import schemas
from hanok.services.image.logic import images, members, news
from hanok.services.image.room import Images
from hanok.services.image.routes.views import readable
from hanok.store import Transaction
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Route


async def _shared(request: Request, tx: Transaction, rule: str) -> Row[Any]:
    row = await readable(request, tx, rule)
    if row.visibility != "shared":
        raise Forbidden("Only shared images have members.")
    return row


async def list_members(request: Request, room: Images) -> Response:
    """GET members: all for the owner, only itself for a member."""
    async with request.reading() as tx:
        row = await _shared(request, tx, "get_members")
        rows = await members.listed(tx, request.reaching(), row)
    return json_answer(
        {"members": [schemas.member(one) for one in rows], "schema": "/v2/schemas/members"}
    )


async def _member(request: Request, tx: Transaction, row: Row[Any]) -> Row[Any]:
    return await members.get(tx, request.reaching(), row, request.path["member_id"])


def _subject(row: Row[Any]) -> str:
    """Whom events of a member are about."""
    return f"{row.image_id}/{row.member_id}"


async def add_member(request: Request, room: Images) -> Response:
    """POST members: pending until the project accepts."""
    body = await request.json()
    member_id = body.get("member") if isinstance(body, dict) else None
    if not isinstance(member_id, str) or not member_id:
        raise BadInput("Member can't be empty")
    if len(member_id) > 255:
        raise BadInput("A member is the id of a project: at most 255 characters.")
    async with request.transaction() as tx:
        row = await _shared(request, tx, "add_member")
        found = await members.offer(tx, row.id, member_id, room.clock.now())
        request.made(_subject(found), news.member(found))
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
        fresh = await members.answer(tx, row.id, found.member_id, status, room.clock.now())
        request.made(_subject(fresh), news.member(fresh))
    return json_answer(schemas.member(fresh))


async def remove_member(request: Request, room: Images) -> Response:
    async with request.transaction() as tx:
        row = await _shared(request, tx, "delete_member")
        found = await _member(request, tx, row)
        await members.remove(tx, row.id, found.member_id)
        request.made(_subject(found), news.member(found) | news.gone(room.clock.now()))
    return no_content()


_ALL = "/v2/images/{image_id}/members"
_ONE = _ALL + "/{member_id}"
ROUTES = (
    Route("GET", _ALL, list_members, ("get_members",)),
    Route(
        "POST",
        _ALL,
        add_member,
        ("add_member",),
        body=schemas.new_member_body,
        event="image.member.create",
    ),
    Route("GET", _ONE, show_member, ("get_member",)),
    Route(
        "PUT",
        _ONE,
        update_member,
        ("modify_member",),
        body=schemas.member_body,
        event="image.member.update",
    ),
    Route("DELETE", _ONE, remove_member, ("delete_member",), event="image.member.delete"),
)
