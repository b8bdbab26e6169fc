"""Policies that identity keeps for others."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row

from hanok.base.errors import BadInput
from hanok.base.ids import new_hex
from hanok.services.identity.logic import endpoint_policies, lookup
from hanok.services.identity.tables import policies
from hanok.store import Transaction

ALL = sa.select(policies)


async def get(tx: Transaction, policy_id: str) -> Row[Any]:
    """
    Raises:
        NotFound: there is no such policy.
    """
    return await lookup.get(tx, policies, "policy", policy_id)


async def create(tx: Transaction, values: dict[str, Any], extra: dict[str, Any]) -> Row[Any]:
    """A new policy with its blob and its type."""
    policy_id = new_hex()
    await tx.insert(policies, {"id": policy_id, "extra": extra, **values})
    return await get(tx, policy_id)


async def update(
    tx: Transaction, row: Row[Any], values: dict[str, Any], extra: dict[str, Any]
) -> Row[Any]:
    """
    Raises:
        BadInput: nothing is changed.
    """
    changes = values | ({"extra": {**row.extra, **extra}} if extra else {})
    if not changes:
        raise BadInput("Expecting to find something to change in policy.")
    await tx.execute(policies.update().where(policies.c.id == row.id).values(**changes))
    return await get(tx, row.id)


async def delete(tx: Transaction, row: Row[Any]) -> None:
    """Remove a policy; what it was for has it no more."""
    await endpoint_policies.forget(tx, policy=row.id)
    await tx.execute(policies.delete().where(policies.c.id == row.id))
