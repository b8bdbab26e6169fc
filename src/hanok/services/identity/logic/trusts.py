"""Trusts: somebody's roles on a project, lent to somebody else.

A trust is worth what its first trustor still holds. A trust that was handed on from another one ends with it, with the
trustee in between, and never reaches further: not in roles, nor project, nor time, nor name.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput, Forbidden, NotFound
from hanok.base.ids import new_hex
from hanok.services.identity.logic import rights, roles
from hanok.services.identity.logic.lookup import get
from hanok.services.identity.tables import projects, trust_roles, trusts, users
from hanok.store import Transaction

_by_id = sa.select(trusts).where(trusts.c.id == bindparam("id"))
_roles = sa.select(trust_roles.c.role_id).where(trust_roles.c.trust_id == bindparam("id"))
_agent = (
    sa.select(users.c.id)
    .join(projects, projects.c.id == users.c.domain_id)
    .where(users.c.id == bindparam("id"), users.c.enabled.is_(True), projects.c.enabled.is_(True))
)
_use = (
    trusts.update()
    .where(trusts.c.id == bindparam("trust_id"), trusts.c.remaining_uses > 0)
    .values(remaining_uses=trusts.c.remaining_uses - 1)
)


# Those that somebody may still look at: deleted ones are kept for the tokens that were given with them.
ALL = sa.select(trusts).where(trusts.c.deleted_at.is_(None))


class NewTrust(Struct, frozen=True, kw_only=True):
    """What a trustor asks for, checked for form only. deferred: it is for work of ours, and nobody signs in with it."""

    trustor_user_id: str
    trustee_user_id: str
    impersonation: bool
    project_id: str | None
    role_ids: Sequence[str]
    remaining_uses: int | None
    expires_at: datetime | None
    allow_redelegation: bool
    redelegation_count: int | None
    deferred: bool = False


def is_deferred(row: Row[Any]) -> bool:
    """Whether it is for work of ours alone."""
    return bool(row.extra.get("deferred"))


async def find(tx: Transaction, trust_id: str) -> Row[Any] | None:
    """A trust, also one that has ended."""
    return await tx.first(_by_id, {"id": trust_id})


def has_ended(row: Row[Any], now: datetime, *, spent: bool = False) -> bool:
    """Whether a trust was deleted, has expired or has no uses left.

    Args:
        spent: a trust without uses left still counts: its last tokens live on.
    """
    return (
        row.deleted_at is not None
        or (row.expires_at is not None and row.expires_at <= now)
        or (row.remaining_uses == 0 and not spent)
    )


async def alive(
    tx: Transaction, trust_id: str, now: datetime, *, spent: bool = False
) -> Row[Any] | None:
    """A trust that has not ended."""
    row = await find(tx, trust_id)
    return None if row is None or has_ended(row, now, spent=spent) else row


async def role_ids(tx: Transaction, trust_id: str) -> list[str]:
    """The roles a trust names."""
    return list(await tx.scalars(_roles, {"id": trust_id}))


async def roles_of(tx: Transaction, trust_id: str) -> Sequence[Row[Any]]:
    """The roles that a trust names, in the order of their names."""
    return await roles.of_ids(tx, await role_ids(tx, trust_id))


async def first(tx: Transaction, row: Row[Any], now: datetime) -> Row[Any] | None:
    """The trust at the beginning of the chain, or None: a link has ended, or a person in between is gone."""
    while row.redelegated_trust_id is not None:
        parent = await alive(tx, row.redelegated_trust_id, now, spent=True)
        if parent is None or await tx.first(_agent, {"id": parent.trustee_user_id}) is None:
            return None
        row = parent
    return row


async def delegated(tx: Transaction, row: Row[Any], now: datetime) -> list[str] | None:
    """The roles a trust gives at this moment, with implied ones; None when its trustor lost one of them."""
    origin = await first(tx, row, now)
    if origin is None or await tx.first(_agent, {"id": origin.trustor_user_id}) is None:
        return None
    if row.project_id is None:
        return []
    named = await role_ids(tx, row.id)
    held = set(await rights.on_project(tx, origin.trustor_user_id, row.project_id))
    return await rights.with_implied(tx, named) if held.issuperset(named) else None


async def use(tx: Transaction, row: Row[Any]) -> bool:
    """Count one use, if there is one left; a trust without a number has no end of them."""
    return row.remaining_uses is None or bool(await tx.count(_use, {"trust_id": row.id}))


async def create(
    tx: Transaction, requested: NewTrust, *, parent_id: str | None, maximum: int, now: datetime
) -> Row[Any]:
    """A new trust.

    Args:
        parent_id: the trust whose token it is made with: it is handed on.
        maximum: how often a trust can be handed on at most.

    Raises:
        NotFound: no such trustee or project, or a role that the trustor does not have there.
        Forbidden: it would reach further than the one it is handed on from.
        BadInput: uses are counted on one that can be handed on.
    """
    for user_id in sorted((requested.trustee_user_id, requested.trustor_user_id)):
        await tx.keep(user_id)
        await get(tx, users, "user", user_id)
    parent = None
    if parent_id is not None:
        parent = await alive(tx, parent_id, now)
        if parent is None:
            raise NotFound(f"Could not find trust: {parent_id}.")
    await _check_roles(tx, requested, parent, now)
    redelegatable = requested.allow_redelegation and requested.redelegation_count != 0
    count = requested.redelegation_count
    if redelegatable:
        if count is not None and count > maximum:
            raise Forbidden(
                f"Requested redelegation depth of {count} is greater than allowed {maximum}"
            )
        if requested.remaining_uses is not None:
            raise BadInput("remaining_uses must not be set if redelegation is allowed")
    expires_at = requested.expires_at
    if parent is None:
        left = maximum if count is None else count
    else:
        left = parent.redelegation_count - 1
        expires_at = _within(requested, parent, left if redelegatable else None)
    trust_id = new_hex()
    await tx.insert(
        trusts,
        {
            "id": trust_id,
            "trustor_user_id": requested.trustor_user_id,
            "trustee_user_id": requested.trustee_user_id,
            "project_id": requested.project_id,
            "impersonation": requested.impersonation,
            "expires_at": expires_at,
            "remaining_uses": requested.remaining_uses,
            "redelegated_trust_id": parent_id,
            "redelegation_count": left if redelegatable else 0,
            "extra": {"deferred": True} if requested.deferred else {},
        },
    )
    if requested.role_ids:
        rows = [{"trust_id": trust_id, "role_id": one} for one in dict.fromkeys(requested.role_ids)]
        await tx.execute(trust_roles.insert(), rows)
    return await get(tx, trusts, "trust", trust_id)


async def _check_roles(
    tx: Transaction, requested: NewTrust, parent: Row[Any] | None, now: datetime
) -> None:
    if requested.project_id is None:
        for role_id in requested.role_ids:  # nobody has roles on no project
            raise NotFound(f"Could not find role: {role_id}.")
        return
    await get(tx, projects, "project", requested.project_id)
    if parent is None:
        held = await rights.on_project(tx, requested.trustor_user_id, requested.project_id)
    else:
        held = await delegated(tx, parent, now) or []
    for role_id in requested.role_ids:
        if role_id in held:
            continue
        if parent is not None:
            raise Forbidden("Some of requested roles are not in redelegated trust")
        raise NotFound(f"Could not find role: {role_id}.")


def _within(requested: NewTrust, parent: Row[Any], left: int | None) -> datetime | None:
    """The end of a trust that is handed on, if it stays within the one before it."""
    if parent.redelegation_count <= 0:
        raise Forbidden("The trust cannot be handed on any further.")
    if requested.remaining_uses is not None:
        raise Forbidden("remaining_uses must not be set in order to redelegate a trust.")
    if requested.project_id != parent.project_id:
        raise Forbidden("A trust is handed on for the same project only.")
    if requested.impersonation and not parent.impersonation:
        raise Forbidden(
            "Impersonation is not allowed because redelegated trust does not specify impersonation."
        )
    if left is not None and requested.redelegation_count not in (None, left):
        raise Forbidden(
            'Modifying "redelegation_count" upon redelegation is forbidden. '
            "Omitting this parameter is advised."
        )
    if requested.expires_at is None:
        return parent.expires_at  # type: ignore[no-any-return]
    if parent.expires_at is not None and requested.expires_at > parent.expires_at:
        raise Forbidden("Requested expiration time is more than redelegated trust can provide")
    return requested.expires_at
