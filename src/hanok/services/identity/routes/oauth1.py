"""OAuth 1: consumers, the way from a request token to an access token, and the access tokens of a user."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Row
from starlette.responses import Response

from hanok.base.clock import zulu_micro
from hanok.base.errors import BadInput, NotFound
from hanok.services.identity import schemas
from hanok.services.identity.logic import delegations, oauth1, projects, roles
from hanok.services.identity.logic.lookup import roles_named
from hanok.services.identity.room import Identity
from hanok.services.identity.routes import lists
from hanok.store import Transaction
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import PUBLIC, Route
from hanok.web.token import Delegation


def _consumer(request: Request, row: Row[Any]) -> dict[str, Any]:
    return {
        **row.extra,
        "id": row.id,
        "description": row.description,
        "links": schemas.link(request, "OS-OAUTH1", "consumers", row.id),
    }


async def list_consumers(request: Request, room: Identity) -> Response:
    """GET /v3/OS-OAUTH1/consumers."""
    request.allow("identity:list_consumers")
    async with request.reading() as tx:
        return await lists.answer(request, tx, lists.CONSUMERS, oauth1.CONSUMERS, _consumer)


async def create_consumer(request: Request, room: Identity) -> Response:
    """POST /v3/OS-OAUTH1/consumers: the secret is shown this once.

    Source: Identity API v3 extensions, "OS-OAUTH1".
    """
    request.allow("identity:create_consumer")
    body, extra = await schemas.read(request, "consumer", schemas.ConsumerBody)
    extra.pop("secret", None)
    async with request.transaction() as tx:
        values = schemas.given(body)
        row, secret = await oauth1.create_consumer(tx, room.secrets, values, extra)
        request.made(row.id)
    return json_answer({"consumer": {**_consumer(request, row), "secret": secret}}, 201)


async def show_consumer(request: Request, room: Identity) -> Response:
    """GET /v3/OS-OAUTH1/consumers/{id}."""
    request.allow("identity:get_consumer")
    async with request.reading() as tx:
        row = await oauth1.consumer(tx, request.path["consumer_id"])
    return json_answer({"consumer": _consumer(request, row)})


async def update_consumer(request: Request, room: Identity) -> Response:
    """PATCH /v3/OS-OAUTH1/consumers/{id}: all but the secret."""
    request.allow("identity:update_consumer")
    body, extra = await schemas.read(request, "consumer", schemas.ConsumerBody)
    values = schemas.given(body)
    if "secret" in extra:
        raise BadInput("Invalid input: the secret of a consumer cannot be changed.")
    async with request.transaction() as tx:
        row = await oauth1.consumer(tx, request.path["consumer_id"])
        row = await oauth1.update_consumer(tx, row, values, extra)
    return json_answer({"consumer": _consumer(request, row)})


async def delete_consumer(request: Request, room: Identity) -> Response:
    """DELETE /v3/OS-OAUTH1/consumers/{id}: ends everything that was got through it."""
    request.allow("identity:delete_consumer")
    async with request.transaction() as tx:
        row = await oauth1.consumer(tx, request.path["consumer_id"])
        await delegations.forget_consumer(tx, row.id, room.clock.now())
    return no_content()


# ---- from a request to access ----


def _signed(request: Request) -> oauth1.Signed:
    return oauth1.read(request.method, request.same_urls, request.pairs, request.headers)


def _form(token_id: str, secret: str, expires_at: datetime | None) -> Response:
    text = f"oauth_token={token_id}&oauth_token_secret={secret}"
    if expires_at is not None:
        text += f"&oauth_expires_at={zulu_micro(expires_at)}"
    return Response(text, 201, media_type="application/x-www-form-urlencoded")


async def create_request_token(request: Request, room: Identity) -> Response:
    """POST /v3/OS-OAUTH1/request_token: signed by a consumer, for the project of the header Requested-Project-Id."""
    signed = _signed(request)
    signed.needs("oauth_consumer_key")
    project_id = request.headers.get("requested-project-id", "")
    if not project_id:
        raise BadInput("Expecting to find Requested-Project-Id in request.")
    async with request.reading() as tx:
        if await projects.find(tx, project_id) is None:
            raise NotFound(f"Could not find project: {project_id}.")
    return _form(*await oauth1.request_access(request.database, room, request, signed, project_id))


async def authorize(request: Request, room: Identity) -> Response:
    """PUT /v3/OS-OAUTH1/authorize/{id}: the caller lends some of its roles on the project that was asked for."""
    request.allow("identity:authorize_request_token")
    body = await request.body(schemas.AuthorizeBody)
    async with request.transaction() as tx:
        verifier = await oauth1.authorize(
            tx,
            room,
            request.path["request_token_id"],
            request.token.user_id,
            await roles_named(tx, body.roles),
        )
    return json_answer({"token": {"oauth_verifier": verifier}})


async def create_access_token(request: Request, room: Identity) -> Response:
    """POST /v3/OS-OAUTH1/access_token: signed with an authorized request token, which is used up."""
    return _form(*await oauth1.complete(request.database, room, request, _signed(request)))


# ---- access tokens of a user ----


def _access_token(request: Request, row: Row[Any]) -> dict[str, Any]:
    at = ("users", row.user_id, "OS-OAUTH1", "access_tokens", row.id)
    return {
        "id": row.id,
        "consumer_id": row.consumer_id,
        "project_id": row.project_id,
        "authorizing_user_id": row.user_id,
        "expires_at": zulu_micro(row.expires_at),
        "links": {
            **schemas.link(request, *at),
            "roles": schemas.link(request, *at, "roles")["self"],
        },
    }


async def list_access_tokens(request: Request, room: Identity) -> Response:
    """GET /v3/users/{id}/OS-OAUTH1/access_tokens."""
    request.allow("identity:list_access_tokens")
    mine = oauth1.access_tokens(request.path["user_id"])
    async with request.reading() as tx:
        return await lists.answer(request, tx, lists.ACCESS_TOKENS, mine, _access_token)


async def _one(request: Request, tx: Transaction, rule: str) -> Row[Any]:
    """The access token of the path, which is the user's of the path."""
    request.allow(rule)
    path = request.path
    return await oauth1.access_token(tx, path["user_id"], path["access_token_id"])


async def show_access_token(request: Request, room: Identity) -> Response:
    """GET /v3/users/{id}/OS-OAUTH1/access_tokens/{id}."""
    async with request.reading() as tx:
        row = await _one(request, tx, "identity:get_access_token")
    return json_answer({"access_token": _access_token(request, row)})


async def delete_access_token(request: Request, room: Identity) -> Response:
    """DELETE /v3/users/{id}/OS-OAUTH1/access_tokens/{id}: ends the tokens got with it."""
    async with request.transaction() as tx:
        row = await _one(request, tx, "identity:delete_access_token")
        await delegations.forget_access_token(tx, row.id)
    return no_content()


async def _lent(request: Request, tx: Transaction, rule: str) -> list[dict[str, Any]]:
    row = await _one(request, tx, rule)
    return [schemas.role(request, role) for role in await roles.of_ids(tx, row.role_ids)]


async def list_access_token_roles(request: Request, room: Identity) -> Response:
    """GET /v3/users/{id}/OS-OAUTH1/access_tokens/{id}/roles."""
    async with request.reading() as tx:
        found = await _lent(request, tx, "identity:list_access_token_roles")
    return json_answer(schemas.collection(request, "roles", found))


async def show_access_token_role(request: Request, room: Identity) -> Response:
    """GET /v3/users/{id}/OS-OAUTH1/access_tokens/{id}/roles/{id}."""
    async with request.reading() as tx:
        found = await _lent(request, tx, "identity:get_access_token_role")
    for role in found:
        if role["id"] == request.path["role_id"]:
            return json_answer({"role": role})
    raise NotFound(f"Could not find role: {request.path['role_id']}.")


_CONSUMER = "/v3/OS-OAUTH1/consumers/{consumer_id}"
_TOKENS = "/v3/users/{user_id}/OS-OAUTH1/access_tokens"
_TOKEN = _TOKENS + "/{access_token_id}"
_CLOSED: tuple[Delegation, ...] = ("application_credential", "trust", "oauth1")
ROUTES = (
    Route(
        "GET",
        "/v3/OS-OAUTH1/consumers",
        list_consumers,
        ("identity:list_consumers",),
        query=lists.CONSUMERS.parameters,
    ),
    Route(
        "POST",
        "/v3/OS-OAUTH1/consumers",
        create_consumer,
        ("identity:create_consumer",),
        event="identity.OS-OAUTH1:consumer.created",
        body=schemas.ConsumerBody,
        member="consumer",
    ),
    Route("GET", _CONSUMER, show_consumer, ("identity:get_consumer",)),
    Route(
        "PATCH",
        _CONSUMER,
        update_consumer,
        ("identity:update_consumer",),
        event="identity.OS-OAUTH1:consumer.updated",
        body=schemas.ConsumerBody,
        member="consumer",
    ),
    Route(
        "DELETE",
        _CONSUMER,
        delete_consumer,
        ("identity:delete_consumer",),
        event="identity.OS-OAUTH1:consumer.deleted",
    ),
    Route(
        "POST",
        "/v3/OS-OAUTH1/request_token",
        create_request_token,
        (PUBLIC,),
        event="identity.OS-OAUTH1:request_token.created",
    ),
    Route(
        "PUT",
        "/v3/OS-OAUTH1/authorize/{request_token_id}",
        authorize,
        ("identity:authorize_request_token",),
        strict=True,
        body=schemas.AuthorizeBody,
    ),
    Route(
        "POST",
        "/v3/OS-OAUTH1/access_token",
        create_access_token,
        (PUBLIC,),
        event="identity.OS-OAUTH1:access_token.created",
    ),
    Route(
        "GET",
        _TOKENS,
        list_access_tokens,
        ("identity:list_access_tokens",),
        closed_to=_CLOSED,
        query=lists.ACCESS_TOKENS.parameters,
    ),
    Route("GET", _TOKEN, show_access_token, ("identity:get_access_token",), closed_to=_CLOSED),
    Route(
        "DELETE",
        _TOKEN,
        delete_access_token,
        ("identity:delete_access_token",),
        event="identity.OS-OAUTH1:access_token.deleted",
    ),
    Route(
        "GET",
        _TOKEN + "/roles",
        list_access_token_roles,
        ("identity:list_access_token_roles",),
        closed_to=_CLOSED,
    ),
    Route(
        "GET",
        _TOKEN + "/roles/{role_id}",
        show_access_token_role,
        ("identity:get_access_token_role",),
        closed_to=_CLOSED,
    ),
)
