"""Users."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, Select
from starlette.responses import Response

from hanok.base.clock import zulu_micro
from hanok.base.errors import BadInput, Forbidden, NotFound, NotSignedIn
from hanok.base.pieces import Pieces
from hanok.services.identity import schemas
from hanok.services.identity.logic import (
    directories,
    groups,
    projects,
    rights,
    signin,
    standing,
    users,
)
from hanok.services.identity.room import Identity
from hanok.services.identity.routes import lists
from hanok.services.identity.routes.projects import listed as listed_projects
from hanok.store import Transaction
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import PUBLIC, Route


def target(row: Any) -> dict[str, Any]:
    return {"target.user.id": row.id, "target.user.domain_id": row.domain_id, "user_id": row.id}


async def readable(request: Request, tx: Transaction, rule: str) -> Any:
    """The user of the path, if the caller may do this to it."""
    user_id = request.path["user_id"]
    row = await users.find(tx, user_id)
    if row is None:
        request.allow(rule)
        raise NotFound(f"Could not find user: {user_id}.")
    request.allow(rule, target(row))
    return row


AT_ONCE = 50  # rows of a list between two looks at who else waits


def _answer(request: Request, room: Identity, row: Any) -> dict[str, Any]:
    return schemas.user(request, row, idle=not standing.is_enabled(row, room))


async def listed(
    request: Request, room: Identity, tx: Transaction, statement: Select[Any]
) -> Response:
    """The answer to a list of users. statement: one of `logic.users`."""
    page = await lists.USERS.page(request, tx, statement)
    items: list[dict[str, Any]] = []
    async for part in Pieces().slices(page.rows, AT_ONCE):
        idle: set[str] = set()
        if room.settings.disable_after_days:
            idle = {row.id for row in part if not standing.is_enabled(row, room)}
        items += schemas.users(request, part, idle)
    return await lists.paged(request, lists.USERS, page, items)


async def list_users(request: Request, room: Identity) -> Response:
    """GET /v3/users."""
    own = request.token.domain_id
    requested = request.query.get("domain_id") or own
    request.allow("identity:list_users", {"target.domain_id": requested})
    async with request.reading() as tx:
        return await listed(request, room, tx, users.all_of(own))


async def create_user(request: Request, room: Identity) -> Response:
    """POST /v3/users."""
    body, extra = await schemas.read(request, "user", schemas.UserBody)
    schemas.no_federated(extra)
    values = schemas.given(body)
    if "name" not in values:
        raise BadInput("'name' is a required property")
    # Who may create users of one domain only has to name it.
    request.allow("identity:create_user", {"target.user.domain_id": values.get("domain_id")})
    if values.get("domain_id") is None:
        values["domain_id"] = (
            request.token.domain_id or request.token.project_domain_id or "default"
        )
    async with request.reading() as tx:
        await directories.check_domain(tx, "user", values["domain_id"])
    values["options"] = schemas.options(body.options)
    signin.check_rules(values["options"])
    hashed, now = await _hashed(room, values.pop("password", None)), room.clock.now()
    password = users.password_set(hashed, values["options"], room.settings, now)
    async with request.transaction() as tx:
        row = await users.create(tx, values, extra, password=password, now=now)
        request.made(row.id)
    return json_answer({"user": _answer(request, room, row)}, 201)


async def _hashed(room: Identity, password: str | None) -> str | None:
    """The hash of a new password that is good enough."""
    if password is None:
        return None
    users.check_strength(password, room.settings)
    return await room.passwords.hash(password)


async def show_user(request: Request, room: Identity) -> Response:
    """GET /v3/users/{id}."""
    async with request.reading() as tx:
        row = await readable(request, tx, "identity:get_user")
    return json_answer({"user": _answer(request, room, row)})


async def update_user(request: Request, room: Identity) -> Response:
    """PATCH /v3/users/{id}."""
    body, extra = await schemas.read(request, "user", schemas.UserBody)
    schemas.no_federated(extra)
    values = schemas.given(body)
    async with request.reading() as tx:
        await readable(request, tx, "identity:update_user")
    hashed, now = await _hashed(room, values.get("password")), room.clock.now()
    async with request.transaction() as tx:
        row = await readable(request, tx, "identity:update_user")
        await directories.check_ours(tx, "user", row.id)
        if "options" in values:
            values["options"] = schemas.options(body.options, row.options)
            if "multi_factor_auth_rules" in schemas.options(body.options):
                signin.check_rules(values["options"])
        changes = {}
        if "password" in values:
            options = values.get("options", row.options)
            changes = users.password_change(row, hashed, options, room.settings, now)
        row = await users.update(tx, row, values, extra, password=changes, now=now)
    return json_answer({"user": _answer(request, room, row)})


async def delete_user(request: Request, room: Identity) -> Response:
    """DELETE /v3/users/{id}."""
    async with request.transaction() as tx:
        row = await readable(request, tx, "identity:delete_user")
        await directories.check_ours(tx, "user", row.id)
        await users.delete(tx, row, room.clock.now())
    return no_content()


async def _known_by(request: Request, room: Identity, user_id: str, password: str) -> Row[Any]:
    """A user whose password this is. Guesses count as they do at a sign-in.

    Raises:
        NotSignedIn: it is another's or nobody's, or the user is locked out or may not sign in.
    """
    refused = NotSignedIn("The request you have made requires authentication.")
    async with request.reading() as tx:
        row = await users.find(tx, user_id)
    if standing.is_locked(row, room):
        await room.passwords.matches(password, None)
        raise refused
    stored = row.password_hash if row is not None and standing.is_enabled(row, room) else None
    right = await room.passwords.matches(password, stored)  # for nobody, too: it takes as long
    if row is None or not right:
        await standing.failed(request.database, room, row)
        raise refused
    if not await standing.succeeded(request.database, room, row):
        raise refused
    return row


async def change_own_password(request: Request, room: Identity) -> Response:
    """POST /v3/users/{id}/password: the old one proves who asks; it ends the user's tokens.

    Source: Identity API reference, "Change password for user".
    """
    body = await request.body(schemas.PasswordBody, key="user")
    user_id = request.path["user_id"]
    row = await _known_by(request, room, user_id, body.original_password)
    if request.optional_token is not None and request.optional_token.delegated:
        raise Forbidden("A delegated token may not change identities or rights.")
    users.check_own_change(row, room.settings, room.clock.now())
    if not body.password:
        raise BadInput("The new password is empty.")
    keep = room.settings.remember_passwords
    if keep:
        for old in [row.password_hash, *row.past_hashes][:keep]:
            if await room.passwords.matches(body.password, old):
                raise BadInput(f"The new password must not be one of the last {keep}.")
    hashed, now = await _hashed(room, body.password), room.clock.now()
    columns = users.password_change(row, hashed, row.options, room.settings, now, own=True)
    async with request.transaction() as tx:
        if not await users.change_own_password(tx, row, columns, now):
            raise NotSignedIn("The request you have made requires authentication.")
    return no_content()


async def list_groups_of_user(request: Request, room: Identity) -> Response:
    """GET /v3/users/{id}/groups."""
    async with request.reading() as tx:
        row = await readable(request, tx, "identity:list_groups_for_user")
        until = await groups.memberships(tx, row.id, room.clock.now())
        mine = groups.among(until, request.token.domain_id)
        page = await lists.GROUPS.page(request, tx, mine)
    items = [
        {**schemas.group(request, one), "membership_expires_at": zulu_micro(until[one.id])}
        for one in page.rows
    ]
    return await lists.paged(request, lists.GROUPS, page, items)


async def list_projects_of_user(request: Request, room: Identity) -> Response:
    """GET /v3/users/{id}/projects."""
    async with request.reading() as tx:
        row = await readable(request, tx, "identity:list_user_projects")
        ids = await rights.projects_of(tx, row.id)
        return await listed_projects(request, tx, projects.among(ids))


ROUTES = (
    Route(
        "GET",
        "/v3/users",
        list_users,
        ("identity:list_users",),
        query=lists.USERS.parameters,
    ),
    Route(
        "POST",
        "/v3/users",
        create_user,
        ("identity:create_user",),
        body=schemas.UserBody,
        member="user",
        event="identity.user.created",
    ),
    Route("GET", "/v3/users/{user_id}", show_user, ("identity:get_user",)),
    Route(
        "PATCH",
        "/v3/users/{user_id}",
        update_user,
        ("identity:update_user",),
        body=schemas.UserBody,
        member="user",
        event="identity.user.updated",
    ),
    Route(
        "DELETE",
        "/v3/users/{user_id}",
        delete_user,
        ("identity:delete_user",),
        event="identity.user.deleted",
    ),
    Route(
        "POST",
        "/v3/users/{user_id}/password",
        change_own_password,
        (PUBLIC,),
        body=schemas.PasswordBody,
        member="user",
        event="identity.user.updated",
    ),
    Route(
        "GET",
        "/v3/users/{user_id}/groups",
        list_groups_of_user,
        ("identity:list_groups_for_user",),
        query=lists.GROUPS.parameters,
    ),
    Route(
        "GET",
        "/v3/users/{user_id}/projects",
        list_projects_of_user,
        ("identity:list_user_projects",),
        query=lists.PROJECTS.parameters,
    ),
)
