"""Groups and their members."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from starlette.responses import Response

from hanok.base.errors import BadInput, NotFound
from hanok.services.identity import schemas
from hanok.services.identity.logic import directories, users
from hanok.services.identity.logic.lookup import filtered, get
from hanok.services.identity.room import Identity
from hanok.services.identity.routes import lists
from hanok.services.identity.routes.lists import PAGING
from hanok.services.identity.routes.users import SHOWN, listed
from hanok.services.identity.tables import group_members
from hanok.services.identity.tables import groups as table
from hanok.services.identity.tables import users as user_table
from hanok.store import Transaction
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Route


async def readable(request: Request, tx: Transaction, rule: str, **more: Any) -> Any:
    """The group of the path, if the caller may do this to it."""
    group_id = request.path["group_id"]
    row = await tx.first(sa.select(table).where(table.c.id == group_id))
    if row is None:
        request.allow(rule)
        raise NotFound(f"Could not find group: {group_id}.")
    request.allow(
        rule, {"target.group.id": row.id, "target.group.domain_id": row.domain_id, **more}
    )
    return row


async def list_groups(request: Request, room: Identity) -> Response:
    """GET /v3/groups."""
    query = request.query
    own = request.token.domain_id
    request.allow("identity:list_groups", {"target.group.domain_id": query.get("domain_id") or own})
    statement = filtered(sa.select(table), table, query, ("name", "domain_id"))
    if own:
        statement = statement.where(table.c.domain_id == own)
    async with request.reading() as tx:
        page = await lists.GROUPS.page(request, tx, statement)
    items = [schemas.group(request, row) for row in page.rows]
    return await lists.paged(request, lists.GROUPS, page, items)


async def create_group(request: Request, room: Identity) -> Response:
    """POST /v3/groups."""
    body, extra = await schemas.read(request, "group", schemas.GroupBody)
    values = schemas.given(body)
    if "name" not in values:
        raise BadInput("'name' is a required property")
    if values.get("domain_id") is None:
        values["domain_id"] = (
            request.token.domain_id or request.token.project_domain_id or "default"
        )
    request.allow("identity:create_group", {"target.group.domain_id": values["domain_id"]})
    async with request.transaction() as tx:
        await directories.check_domain(tx, "group", values["domain_id"])
        row = await users.create_group(tx, values, extra)
    return json_answer({"group": schemas.group(request, row)}, 201)


async def show_group(request: Request, room: Identity) -> Response:
    async with request.reading() as tx:
        row = await readable(request, tx, "identity:get_group")
    return json_answer({"group": schemas.group(request, row)})


async def update_group(request: Request, room: Identity) -> Response:
    body, extra = await schemas.read(request, "group", schemas.GroupBody)
    async with request.transaction() as tx:
        row = await readable(request, tx, "identity:update_group")
        await directories.check_ours(tx, "group", row.id)
        row = await users.update_group(tx, row, schemas.given(body), extra)
    return json_answer({"group": schemas.group(request, row)})


async def delete_group(request: Request, room: Identity) -> Response:
    async with request.transaction() as tx:
        request.allowed_by_hand()  # everybody is told that there is no such group, as upstream does
        await get(tx, table, "group", request.path["group_id"])
        row = await readable(request, tx, "identity:delete_group")
        await directories.check_ours(tx, "group", row.id)
        await users.delete_group(tx, row, room.clock.now())
    return no_content()


async def list_members(request: Request, room: Identity) -> Response:
    """GET /v3/groups/{id}/users."""
    async with request.reading() as tx:
        row = await readable(request, tx, "identity:list_users_in_group")
        members = sa.select(group_members.c.user_id).where(group_members.c.group_id == row.id)
        statement = filtered(sa.select(*SHOWN), user_table, request.query, ("name", "enabled"))
        if request.token.domain_id:
            statement = statement.where(user_table.c.domain_id == request.token.domain_id)
        statement = statement.where(user_table.c.id.in_(members))
        return await listed(request, room, tx, statement)


async def _both(request: Request, tx: Transaction, rule: str) -> tuple[Any, Any]:
    user_id = request.path["user_id"]
    user = await tx.first(sa.select(user_table).where(user_table.c.id == user_id))
    more = (
        {} if user is None else {"target.user.id": user.id, "target.user.domain_id": user.domain_id}
    )
    group = await readable(request, tx, rule, **more)
    if user is None:
        user = await get(tx, user_table, "user", user_id)
    return group, user


async def add_member(request: Request, room: Identity) -> Response:
    async with request.transaction() as tx:
        group, user = await _both(request, tx, "identity:add_user_to_group")
        await directories.check_ours(tx, "group", group.id)
        await users.add_member(tx, group.id, user.id)
    return no_content()


async def check_member(request: Request, room: Identity) -> Response:
    async with request.reading() as tx:
        group, user = await _both(request, tx, "identity:check_user_in_group")
        if not await users.is_member(tx, group.id, user.id):
            raise NotFound(f"Could not find user: {user.id} in group: {group.id}.")
    return no_content()


async def remove_member(request: Request, room: Identity) -> Response:
    async with request.transaction() as tx:
        group, user = await _both(request, tx, "identity:remove_user_from_group")
        await directories.check_ours(tx, "group", group.id)
        await users.remove_member(tx, group.id, user.id, room.clock.now())
    return no_content()


_MEMBER = "/v3/groups/{group_id}/users/{user_id}"
ROUTES = (
    Route(
        "GET",
        "/v3/groups",
        list_groups,
        ("identity:list_groups",),
        query=("domain_id", "name", *PAGING),
    ),
    Route(
        "POST",
        "/v3/groups",
        create_group,
        ("identity:create_group",),
        body=schemas.GroupBody,
        member="group",
    ),
    Route("GET", "/v3/groups/{group_id}", show_group, ("identity:get_group",)),
    Route(
        "PATCH",
        "/v3/groups/{group_id}",
        update_group,
        ("identity:update_group",),
        body=schemas.GroupBody,
        member="group",
    ),
    Route("DELETE", "/v3/groups/{group_id}", delete_group, ("identity:delete_group",)),
    Route(
        "GET",
        "/v3/groups/{group_id}/users",
        list_members,
        ("identity:list_users_in_group",),
        query=("enabled", "name", *PAGING),
    ),
    Route("PUT", _MEMBER, add_member, ("identity:add_user_to_group",)),
    Route("HEAD", _MEMBER, check_member, ("identity:check_user_in_group",)),
    Route("DELETE", _MEMBER, remove_member, ("identity:remove_user_from_group",)),
)
