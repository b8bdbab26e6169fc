"""Application credentials and their access rules."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Any

from sqlalchemy import Row
from starlette.responses import Response

from hanok.base.errors import BadInput, Forbidden, NotFound
from hanok.services.identity import schemas
from hanok.services.identity.logic import application_credentials, delegations, roles, users
from hanok.services.identity.logic.lookup import expiry
from hanok.services.identity.room import Identity
from hanok.services.identity.routes import lists
from hanok.services.identity.routes.users import readable, target
from hanok.store import Transaction
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Route
from hanok.web.token import Delegation


async def _body(request: Request, tx: Transaction, row: Row[Any]) -> dict[str, Any]:
    at = ("users", row.user_id, "application_credentials", row.id)
    body: dict[str, Any] = {
        "id": row.id,
        "name": row.name,
        "description": row.description,
        "project_id": row.project_id,
        "user_id": row.user_id,
        "expires_at": None
        if row.expires_at is None
        else row.expires_at.strftime("%Y-%m-%dT%H:%M:%S.%f"),
        "unrestricted": row.unrestricted,
        "system": None,
        "roles": [_role(role) for role in await roles.of_ids(tx, row.role_ids)],
        "links": schemas.link(request, *at),
    }
    if row.access_rule_ids is not None:
        rules = await application_credentials.rules(tx, row.access_rule_ids)
        body["access_rules"] = [_rule(rule) for rule in rules]
    return body


def _role(row: Row[Any]) -> dict[str, Any]:
    of = None if row.domain_id == roles.NOWHERE else row.domain_id
    return {"id": row.id, "name": row.name, "domain_id": of}


def _rule(row: Any) -> dict[str, Any]:
    return {"id": row.id, "service": row.service, "path": row.path, "method": row.method}


def _whole_rule(request: Request, row: Row[Any]) -> dict[str, Any]:
    links = schemas.link(request, "users", row.user_id, "access_rules", row.id)
    return {**_rule(row), "links": links}


async def list_credentials(request: Request, room: Identity) -> Response:
    """GET /v3/users/{id}/application_credentials."""
    async with request.reading() as tx:
        user = await readable(request, tx, "identity:list_application_credentials")
        mine = application_credentials.of_user(user.id)
        page = await lists.APPLICATION_CREDENTIALS.page(request, tx, mine)
        items = [await _body(request, tx, row) for row in page.rows]
    return await lists.paged(request, lists.APPLICATION_CREDENTIALS, page, items)


async def create_credential(request: Request, room: Identity) -> Response:
    """POST /v3/users/{id}/application_credentials: the secret is shown this once.

    Its roles are among those of the caller's token; it is for the token's project.
    Source: Identity API reference, "Create application credential".
    """
    body = await request.body(schemas.ApplicationCredentialBody, key="application_credential")
    token = request.token
    async with request.reading() as tx:
        await readable(request, tx, "identity:create_application_credential")
    if token.project_id is None:
        raise BadInput("An application credential needs a token for a project.")
    if token.delegated and body.unrestricted:
        raise Forbidden("A delegated token cannot make an unrestricted application credential.")
    wished = _expiry(body.expires_at, room)
    secret = body.secret or secrets.token_urlsafe(64)
    hashed = await room.passwords.hash(secret)
    async with request.transaction() as tx:
        row = await application_credentials.create(
            tx, token, body, secret_hash=hashed, expires_at=wished
        )
        request.made(row.id)
        answer = await _body(request, tx, row)
    answer["secret"] = secret
    return json_answer({"application_credential": answer}, 201)


def _expiry(text: str | None, room: Identity) -> datetime | None:
    return None if text is None else expiry(text, room.clock.now())


async def _one(request: Request, tx: Transaction, rule: str) -> Any:
    """The credential of the path, if the caller may do this to its owner's, whoever the path says that is."""
    user = await readable(request, tx, rule)
    credential_id = request.path["application_credential_id"]
    row = await application_credentials.find(tx, credential_id)
    if row is not None and row.user_id != user.id:
        request.allow(rule, target(await users.get(tx, row.user_id)))
    if row is None or row.user_id != user.id:
        raise NotFound(f"Could not find application credential: {credential_id}.")
    return row


async def show_credential(request: Request, room: Identity) -> Response:
    async with request.reading() as tx:
        row = await _one(request, tx, "identity:get_application_credential")
        answer = await _body(request, tx, row)
    return json_answer({"application_credential": answer})


async def delete_credential(request: Request, room: Identity) -> Response:
    """DELETE: ends its tokens."""
    async with request.transaction() as tx:
        row = await _one(request, tx, "identity:delete_application_credential")
        await delegations.forget_application_credential(tx, row.id)
    return no_content()


async def list_rules(request: Request, room: Identity) -> Response:
    """GET /v3/users/{id}/access_rules."""
    async with request.reading() as tx:
        user = await readable(request, tx, "identity:list_access_rules")
        mine = application_credentials.rules_of_user(user.id)
        return await lists.answer(request, tx, lists.ACCESS_RULES, mine, _whole_rule)


async def _rule_row(request: Request, tx: Transaction, rule: str) -> Any:
    user = await readable(request, tx, rule)
    return await application_credentials.rule(tx, user.id, request.path["access_rule_id"])


async def show_rule(request: Request, room: Identity) -> Response:
    async with request.reading() as tx:
        row = await _rule_row(request, tx, "identity:get_access_rule")
    return json_answer({"access_rule": _whole_rule(request, row)})


async def delete_rule(request: Request, room: Identity) -> Response:
    async with request.transaction() as tx:
        row = await _rule_row(request, tx, "identity:delete_access_rule")
        await application_credentials.delete_rule(tx, row)
    return no_content()


_OWN = "/v3/users/{user_id}/application_credentials"
_ONE = _OWN + "/{application_credential_id}"
_RULES = "/v3/users/{user_id}/access_rules"
_RULE = _RULES + "/{access_rule_id}"
# What is lent for a while is not to learn of, or make, what lasts.
_LENT: tuple[Delegation, ...] = ("trust", "oauth1")
ROUTES = (
    Route(
        "GET",
        _OWN,
        list_credentials,
        ("identity:list_application_credentials",),
        closed_to=_LENT,
        query=lists.APPLICATION_CREDENTIALS.parameters,
    ),
    Route(
        "POST",
        _OWN,
        create_credential,
        ("identity:create_application_credential",),
        delegated="unrestricted",
        body=schemas.ApplicationCredentialBody,
        member="application_credential",
        event="identity.application_credential.created",
    ),
    Route("GET", _ONE, show_credential, ("identity:get_application_credential",), closed_to=_LENT),
    Route(
        "DELETE",
        _ONE,
        delete_credential,
        ("identity:delete_application_credential",),
        delegated="unrestricted",
        event="identity.application_credential.deleted",
    ),
    Route(
        "GET",
        _RULES,
        list_rules,
        ("identity:list_access_rules",),
        closed_to=_LENT,
        query=lists.ACCESS_RULES.parameters,
    ),
    Route("GET", _RULE, show_rule, ("identity:get_access_rule",), closed_to=_LENT),
    Route(
        "DELETE",
        _RULE,
        delete_rule,
        ("identity:delete_access_rule",),
        event="identity.access_rule.deleted",
    ),
)
