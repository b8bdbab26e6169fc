"""Application credentials and their access rules."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from msgspec import UNSET
from starlette.responses import Response

from hanok.base.clock import zulu_micro
from hanok.base.errors import BadInput, Conflict, Forbidden, NotFound
from hanok.base.ids import new_hex
from hanok.services.identity import schemas
from hanok.services.identity.logic import delegations
from hanok.services.identity.logic.lookup import expiry, get, named, roles_named
from hanok.services.identity.room import Identity
from hanok.services.identity.routes.users import readable, target
from hanok.services.identity.tables import access_rules, roles, users
from hanok.services.identity.tables import application_credentials as table
from hanok.store import Duplicate, Transaction
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Route
from hanok.web.token import Delegation


async def _body(request: Request, tx: Transaction, row: Any) -> dict[str, Any]:
    named = await tx.all(sa.select(roles).where(roles.c.id.in_(list(row.role_ids))))
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
        "roles": [
            {
                "id": role.id,
                "name": role.name,
                "domain_id": None if role.domain_id == "*" else role.domain_id,
            }
            for role in named
        ],
        "links": schemas.link(request, "users", row.user_id, "application_credentials", row.id),
    }
    if row.access_rule_ids is not None:
        rules = await tx.all(
            sa.select(access_rules).where(access_rules.c.id.in_(list(row.access_rule_ids)))
        )
        by_id = {rule.id: _rule(rule) for rule in rules}
        body["access_rules"] = [
            by_id[one] for one in dict.fromkeys(row.access_rule_ids) if one in by_id
        ]
    return body


def _rule(row: Any) -> dict[str, Any]:
    return {"id": row.id, "service": row.service, "path": row.path, "method": row.method}


async def list_credentials(request: Request, room: Identity) -> Response:
    """GET /v3/users/{id}/application_credentials."""
    async with request.reading() as tx:
        user = await readable(request, tx, "identity:list_application_credentials")
        statement = sa.select(table).where(table.c.user_id == user.id).order_by(table.c.name)
        if "name" in request.query:
            statement = statement.where(named(table, request.query["name"]))
        rows = await tx.all(statement)
        items = [await _body(request, tx, row) for row in rows]
    return json_answer(schemas.collection(request, "application_credentials", items))


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
    credential_id = new_hex()
    async with request.transaction() as tx:
        role_ids = await _roles(tx, body.roles, list(token.role_ids))
        rule_ids = None
        if body.access_rules is not None:
            rule_ids = [await _access_rule(tx, token.user_id, rule) for rule in body.access_rules]
        if token.access_rules is not None:
            raise Forbidden("A credential with access rules cannot make another.")
        expires = await _bounded(tx, token.application_credential_id, wished)
        try:
            await tx.insert(
                table,
                {
                    "id": credential_id,
                    "user_id": token.user_id,
                    "project_id": token.project_id,
                    "name": body.name,
                    "secret_hash": hashed,
                    "description": body.description,
                    "expires_at": expires,
                    "unrestricted": bool(body.unrestricted),
                    "role_ids": role_ids,
                    "access_rule_ids": rule_ids,
                    "parent_id": token.application_credential_id,
                },
            )
        except Duplicate as error:
            raise Conflict(
                "Conflict occurred attempting to store application_credential - Duplicate entry found "
                f"with name {body.name}."
            ) from error
        row = await tx.first(sa.select(table).where(table.c.id == credential_id))
        answer = await _body(request, tx, row)
    answer["secret"] = secret
    return json_answer({"application_credential": answer}, 201)


def _expiry(text: str | None, room: Identity) -> datetime | None:
    return None if text is None else expiry(text, room.clock.now())


async def _bounded(
    tx: Transaction, parent_id: str | None, wished: datetime | None
) -> datetime | None:
    """The end of a new credential: not after that of the credential whose token makes it.

    Raises:
        Forbidden: a later one was asked for, or the other one is gone.
    """
    if parent_id is None:
        return wished
    parent = await tx.first(sa.select(table).where(table.c.id == parent_id))
    if parent is None:
        raise Forbidden("The application credential that this token is from is gone.")
    end: datetime | None = parent.expires_at
    if end is not None and wished is not None and wished > end:
        raise Forbidden(
            "An application credential cannot make one that lasts longer than itself: "
            f"'expires_at' is {zulu_micro(end)} at the latest."
        )
    return end if wished is None else wished


async def _roles(
    tx: Transaction, wanted: list[schemas.RoleRef] | None, held: list[str]
) -> list[str]:
    if not wanted:
        return held
    found = await roles_named(tx, wanted)
    if not set(found) <= set(held):
        raise BadInput("Invalid application credential: the caller does not hold the role.")
    return found


async def _access_rule(tx: Transaction, user_id: str, rule: schemas.AccessRuleBody) -> str:
    if rule.id is not UNSET:
        row = await tx.first(
            sa.select(access_rules).where(
                access_rules.c.id == rule.id, access_rules.c.user_id == user_id
            )
        )
        if row is None:
            raise NotFound(f"Could not find access rule: {rule.id}.")
        return str(row.id)
    if UNSET in (rule.path, rule.method, rule.service):
        raise BadInput("An access rule has a path, a method and a service.")
    values = {"user_id": user_id, "service": rule.service, "path": rule.path, "method": rule.method}
    row = await tx.first(
        sa.select(access_rules).where(
            *(access_rules.c[name] == value for name, value in values.items())
        )
    )
    if row is not None:
        return str(row.id)
    rule_id = new_hex()
    await tx.insert(access_rules, {"id": rule_id, **values})
    return rule_id


async def _one(request: Request, tx: Transaction, rule: str) -> Any:
    """The credential of the path, if the caller may do this to its owner's, whoever the path says that is."""
    user = await readable(request, tx, rule)
    credential_id = request.path["application_credential_id"]
    row = await tx.first(sa.select(table).where(table.c.id == credential_id))
    if row is not None and row.user_id != user.id:
        request.allow(rule, target(await get(tx, users, "user", row.user_id)))
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
        rows = await tx.all(
            sa.select(access_rules)
            .where(access_rules.c.user_id == user.id)
            .order_by(access_rules.c.service, access_rules.c.path, access_rules.c.method)
        )
    items = [
        {**_rule(row), "links": schemas.link(request, "users", user.id, "access_rules", row.id)}
        for row in rows
    ]
    return json_answer(schemas.collection(request, "access_rules", items))


async def _rule_row(request: Request, tx: Transaction, rule: str) -> Any:
    user = await readable(request, tx, rule)
    rule_id = request.path["access_rule_id"]
    row = await tx.first(
        sa.select(access_rules).where(
            access_rules.c.id == rule_id, access_rules.c.user_id == user.id
        )
    )
    if row is None:
        raise NotFound(f"Could not find access rule: {rule_id}.")
    return row


async def show_rule(request: Request, room: Identity) -> Response:
    async with request.reading() as tx:
        row = await _rule_row(request, tx, "identity:get_access_rule")
    links = schemas.link(request, "users", row.user_id, "access_rules", row.id)
    return json_answer({"access_rule": {**_rule(row), "links": links}})


async def delete_rule(request: Request, room: Identity) -> Response:
    async with request.transaction() as tx:
        row = await _rule_row(request, tx, "identity:delete_access_rule")
        for used in await tx.all(sa.select(table).where(table.c.user_id == row.user_id)):
            if row.id in (used.access_rule_ids or ()):
                raise Forbidden(
                    f"The access rule is still used by the application credential {used.name}."
                )
        await tx.execute(access_rules.delete().where(access_rules.c.id == row.id))
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
        query=("name",),
    ),
    Route(
        "POST",
        _OWN,
        create_credential,
        ("identity:create_application_credential",),
        delegated="unrestricted",
        body=schemas.ApplicationCredentialBody,
        member="application_credential",
    ),
    Route("GET", _ONE, show_credential, ("identity:get_application_credential",), closed_to=_LENT),
    Route(
        "DELETE",
        _ONE,
        delete_credential,
        ("identity:delete_application_credential",),
        delegated="unrestricted",
    ),
    Route("GET", _RULES, list_rules, ("identity:list_access_rules",), closed_to=_LENT),
    Route("GET", _RULE, show_rule, ("identity:get_access_rule",), closed_to=_LENT),
    Route("DELETE", _RULE, delete_rule, ("identity:delete_access_rule",)),
)
