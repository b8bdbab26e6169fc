"""Groups and their members."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from hanok.base.errors import BadInput, NotFound
from hanok.services.identity import schemas
from hanok.services.identity.logic import directories, groups, users
from hanok.services.identity.room import Identity
from hanok.services.identity.routes import lists
from hanok.services.identity.routes.users import listed
from hanok.store import Transaction
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Route


async def readable(request: Request, tx: Transaction, rule: str, **more: Any) -> Any:
    """The group of the path, if the caller may do this to it."""
    group_id = request.path["group_id"]
    row = await groups.find(tx, group_id)
    if row is None:
        request.allow(rule)
        raise NotFound(f"Could not find group: {group_id}.")
    request.allow(
        rule, {"target.group.id": row.id, "target.group.domain_id": row.domain_id, **more}
    )
    return row


async def list_groups(request: Request, room: Identity) -> Response:
    """GET /v3/groups."""
    own = request.token.domain_id
    requested = request.query.get("domain_id") or own
    request.allow("identity:list_groups", {"target.group.domain_id": requested})
    async with request.reading() as tx:
        return await lists.answer(request, tx, lists.GROUPS, groups.all_of(own), schemas.group)


async def create_group(request: Request, room: Identity) -> Response:
    """POST /v3/groups."""
    body, extra = await schemas.read(request, "group", schemas.GroupBody)
    values = schemas.given(body)
    if "name" not in values:
        raise BadInput("'name' is a required property")
    # Who may create groups of one domain only has to name it.
    request.allow("identity:create_group", {"target.group.domain_id": values.get("domain_id")})
    if values.get("domain_id") is None:
        values["domain_id"] = (
            request.token.domain_id or request.token.project_domain_id or "default"
        )
    async with request.transaction() as tx:
        await directories.check_domain(tx, "group", values["domain_id"])
        row = await groups.create(tx, values, extra)
        request.made(row.id)
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
        row = await groups.update(tx, row, schemas.given(body), extra)
    return json_answer({"group": schemas.group(request, row)})


async def delete_group(request: Request, room: Identity) -> Response:
    async with request.transaction() as tx:
        request.allowed_by_hand()  # everybody is told that there is no such group, as upstream does
        if await groups.find(tx, request.path["group_id"]) is None:
            raise NotFound(f"Could not find group: {request.path['group_id']}.")
        row = await readable(request, tx, "identity:delete_group")
        await directories.check_ours(tx, "group", row.id)
        await groups.delete(tx, row, room.clock.now())
    return no_content()


async def list_members(request: Request, room: Identity) -> Response:
    """GET /v3/groups/{id}/users."""
    async with request.reading() as tx:
        row = await readable(request, tx, "identity:list_users_in_group")
        statement = users.members(row.id, request.token.domain_id)
        return await listed(request, room, tx, statement)


async def _both(request: Request, tx: Transaction, rule: str) -> tuple[Any, Any]:
    user_id = request.path["user_id"]
    user = await users.find(tx, user_id)
    more = (
        {} if user is None else {"target.user.id": user.id, "target.user.domain_id": user.domain_id}
    )
    group = await readable(request, tx, rule, **more)
    if user is None:
        raise NotFound(f"Could not find user: {user_id}.")
    return group, user


def _told(group_id: str, user_id: str, operation: str) -> dict[str, str]:
    """A membership as events of its group tell of it."""
    return {
        "resource_info": group_id,
        "actor_type": "user",
        "actor_id": user_id,
        "actor_operation": operation,
    }


async def add_member(request: Request, room: Identity) -> Response:
    async with request.transaction() as tx:
        group, user = await _both(request, tx, "identity:add_user_to_group")
        await directories.check_ours(tx, "group", group.id)
        await groups.add_member(tx, group.id, user.id)
        request.made(group.id, _told(group.id, user.id, "added"))
    return no_content()


async def check_member(request: Request, room: Identity) -> Response:
    async with request.reading() as tx:
        group, user = await _both(request, tx, "identity:check_user_in_group")
        if not await groups.is_member(tx, group.id, user.id):
            raise NotFound(f"Could not find user: {user.id} in group: {group.id}.")
    return no_content()


async def remove_member(request: Request, room: Identity) -> Response:
    async with request.transaction() as tx:
        group, user = await _both(request, tx, "identity:remove_user_from_group")
        await directories.check_ours(tx, "group", group.id)
        await groups.remove_member(tx, group.id, user.id, room.clock.now())
        request.made(group.id, _told(group.id, user.id, "removed"))
    return no_content()


_MEMBER = "/v3/groups/{group_id}/users/{user_id}"
ROUTES = (
    Route(
        "GET",
        "/v3/groups",
        list_groups,
        ("identity:list_groups",),
        query=lists.GROUPS.parameters,
    ),
    Route(
        "POST",
        "/v3/groups",
        create_group,
        ("identity:create_group",),
        body=schemas.GroupBody,
        member="group",
        event="identity.group.created",
    ),
    Route("GET", "/v3/groups/{group_id}", show_group, ("identity:get_group",)),
    Route(
        "PATCH",
        "/v3/groups/{group_id}",
        update_group,
        ("identity:update_group",),
        body=schemas.GroupBody,
        member="group",
        event="identity.group.updated",
    ),
    Route(
        "DELETE",
        "/v3/groups/{group_id}",
        delete_group,
        ("identity:delete_group",),
        event="identity.group.deleted",
    ),
    Route(
        "GET",
        "/v3/groups/{group_id}/users",
        list_members,
        ("identity:list_users_in_group",),
        query=lists.USERS.parameters,
    ),
    Route(
        "PUT",
        _MEMBER,
        add_member,
        ("identity:add_user_to_group",),
        event="identity.group.updated",
    ),
    Route("HEAD", _MEMBER, check_member, ("identity:check_user_in_group",)),
    Route(
        "DELETE",
        _MEMBER,
        remove_member,
        ("identity:remove_user_from_group",),
        event="identity.group.updated",
    ),
)
