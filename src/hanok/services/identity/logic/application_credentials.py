"""Application credentials: some of somebody's roles on a project, for a program; and access rules that bound them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from msgspec import UNSET
from sqlalchemy import Row, bindparam

from hanok.base.clock import zulu_micro
from hanok.base.errors import BadInput, Conflict, Forbidden, NotFound
from hanok.base.ids import new_hex
from hanok.services.identity import schemas
from hanok.services.identity.logic import lookup
from hanok.services.identity.logic.lookup import roles_named
from hanok.services.identity.tables import access_rules
from hanok.services.identity.tables import application_credentials as table
from hanok.store import Duplicate, Transaction
from hanok.web.token import Token

_rule = sa.select(access_rules).where(
    access_rules.c.id == bindparam("id"), access_rules.c.user_id == bindparam("user")
)
_rules = sa.select(access_rules).where(access_rules.c.id.in_(bindparam("ids", expanding=True)))
_same_rule = sa.select(access_rules.c.id).where(
    *(access_rules.c[name] == bindparam(name) for name in ("user_id", "service", "path", "method"))
)
_of_user = sa.select(table).where(table.c.user_id == bindparam("user"))


def of_user(user_id: str) -> sa.Select[Any]:
    """A user's application credentials."""
    return sa.select(table).where(table.c.user_id == user_id)


async def find(tx: Transaction, credential_id: str) -> Row[Any] | None:
    """An application credential, if there is one with this id."""
    return await lookup.find(tx, table, credential_id)


async def create(
    tx: Transaction,
    token: Token,
    body: schemas.ApplicationCredentialBody,
    *,
    secret_hash: str,
    expires_at: datetime | None,
) -> Row[Any]:
    """A new application credential for the project of a token, no wider than that token.

    Raises:
        NotFound: there is no such role or access rule.
        BadInput: the token does not have the role.
        Forbidden: the token is of a credential with access rules, or of one that ends before.
        Conflict: the user has one of this name.
    """
    role_ids = await _roles(tx, body.roles, list(token.role_ids))
    rule_ids = None
    if body.access_rules is not None:
        rule_ids = [await _access_rule(tx, token.user_id, rule) for rule in body.access_rules]
    if token.access_rules is not None:
        raise Forbidden("A credential with access rules cannot make another.")
    row = {
        "id": new_hex(),
        "user_id": token.user_id,
        "project_id": token.project_id,
        "name": body.name,
        "secret_hash": secret_hash,
        "description": body.description,
        "expires_at": await _bounded(tx, token.application_credential_id, expires_at),
        "unrestricted": bool(body.unrestricted),
        "role_ids": role_ids,
        "access_rule_ids": rule_ids,
        "parent_id": token.application_credential_id,
    }
    try:
        await tx.insert(table, row)
    except Duplicate as error:
        raise Conflict(
            "Conflict occurred attempting to store application_credential - Duplicate entry found "
            f"with name {body.name}."
        ) from error
    return await lookup.get(tx, table, "application credential", str(row["id"]))


async def _bounded(
    tx: Transaction, parent_id: str | None, wished: datetime | None
) -> datetime | None:
    """The end of a new credential: not after that of the credential whose token makes it.

    Raises:
        Forbidden: a later one was asked for, or the other one is gone.
    """
    if parent_id is None:
        return wished
    parent = await find(tx, parent_id)
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
    tx: Transaction, requested: list[schemas.RoleRef] | None, held: list[str]
) -> list[str]:
    if not requested:
        return held
    found = await roles_named(tx, requested)
    if not set(found) <= set(held):
        raise BadInput("Invalid application credential: the caller does not hold the role.")
    return found


# ---- access rules ----


def rules_of_user(user_id: str) -> sa.Select[Any]:
    """A user's access rules."""
    return sa.select(access_rules).where(access_rules.c.user_id == user_id)


async def rule(tx: Transaction, user_id: str, rule_id: str) -> Row[Any]:
    """
    Raises:
        NotFound: the user has no such access rule.
    """
    row = await tx.first(_rule, {"id": rule_id, "user": user_id})
    if row is None:
        raise NotFound(f"Could not find access rule: {rule_id}.")
    return row


async def rules(tx: Transaction, ids: Sequence[str]) -> list[Row[Any]]:
    """Access rules in this order, each once; those that are gone are left out."""
    by_id = {row.id: row for row in await tx.all(_rules, {"ids": list(ids)})}
    return [by_id[one] for one in dict.fromkeys(ids) if one in by_id]


async def _access_rule(tx: Transaction, user_id: str, requested: schemas.AccessRuleBody) -> str:
    """The id of an access rule that a body names or describes; it is made where there is none like it."""
    if requested.id is not UNSET:
        return str((await rule(tx, user_id, requested.id)).id)
    if UNSET in (requested.path, requested.method, requested.service):
        raise BadInput("An access rule has a path, a method and a service.")
    values = {
        "user_id": user_id,
        "service": requested.service,
        "path": requested.path,
        "method": requested.method,
    }
    known = await tx.scalar(_same_rule, values)
    if known is not None:
        return str(known)
    rule_id = new_hex()
    await tx.insert(access_rules, {"id": rule_id, **values})
    return rule_id


async def delete_rule(tx: Transaction, row: Row[Any]) -> None:
    """
    Raises:
        Forbidden: an application credential is bounded by it.
    """
    for used in await tx.all(_of_user, {"user": row.user_id}):
        if row.id in (used.access_rule_ids or ()):
            raise Forbidden(
                f"The access rule is still used by the application credential {used.name}."
            )
    await tx.execute(access_rules.delete().where(access_rules.c.id == row.id))
