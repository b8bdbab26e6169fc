"""Groups and their members."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput, Conflict, NotFound
from hanok.base.ids import new_hex
from hanok.services.identity.logic import lookup, projects, revocations, rights
from hanok.services.identity.logic.lookup import get, renamed
from hanok.services.identity.tables import (
    assignments,
    federated_memberships,
    group_members,
    groups,
)
from hanok.store import Duplicate, Transaction

_member = sa.select(group_members).where(
    group_members.c.group_id == bindparam("group_id"),
    group_members.c.user_id == bindparam("user_id"),
)
_own = sa.select(group_members.c.group_id).where(group_members.c.user_id == bindparam("user"))
# Groups that a provider has put a user into, with the end of that.
_given = (
    sa.select(
        federated_memberships.c.group_id,
        sa.func.max(federated_memberships.c.expires_at).label("expires_at"),
    )
    .where(
        federated_memberships.c.user_id == bindparam("user"),
        federated_memberships.c.expires_at > bindparam("now"),
    )
    .group_by(federated_memberships.c.group_id)
)


def all_of(domain_id: str | None = None) -> sa.Select[Any]:
    """All groups, or those of a domain."""
    every = sa.select(groups)
    return every if domain_id is None else every.where(groups.c.domain_id == domain_id)


def among(ids: Collection[str], domain_id: str | None = None) -> sa.Select[Any]:
    """Those of these groups that are in a domain, or all of them."""
    return all_of(domain_id).where(groups.c.id.in_(list(ids)))


async def memberships(tx: Transaction, user_id: str, now: datetime) -> dict[str, datetime | None]:
    """The ids of the groups that a user is in, with the end of it; None: until somebody ends it."""
    given = await tx.all(_given, {"user": user_id, "now": now})
    found: dict[str, datetime | None] = {row.group_id: row.expires_at for row in given}
    return found | dict.fromkeys(await tx.scalars(_own, {"user": user_id}))


async def find(tx: Transaction, group_id: str) -> Row[Any] | None:
    """A group, if there is one with this id."""
    return await lookup.find(tx, groups, group_id)


async def create(tx: Transaction, values: dict[str, Any], extra: dict[str, Any]) -> Row[Any]:
    """A new group.

    Raises:
        NotFound: no such domain. Conflict: the name is taken there.
    """
    await tx.keep(values["domain_id"])
    await projects.domain(tx, values["domain_id"])
    group_id = new_hex()
    try:
        await tx.insert(
            groups,
            {
                "id": group_id,
                "name": values["name"],
                "domain_id": values["domain_id"],
                "description": values.get("description") or "",
                "extra": extra,
            },
        )
    except Duplicate as error:
        raise Conflict(
            "Conflict occurred attempting to store group - it is not permitted to have two groups "
            f"with the same name in a domain: {values['name']}."
        ) from error
    return await get(tx, groups, "group", group_id)


async def update(
    tx: Transaction, row: Row[Any], values: dict[str, Any], extra: dict[str, Any]
) -> Row[Any]:
    """Change a group's name, description and further attributes.

    Raises:
        BadInput: the domain is another one. Conflict: the name is taken there.
    """
    if values.get("domain_id", row.domain_id) != row.domain_id:
        raise BadInput("A group's domain cannot be changed.")
    changes = {name: value for name, value in values.items() if name in ("name", "description")}
    if extra:
        changes["extra"] = {**row.extra, **extra}
    if changes:
        try:
            await tx.alter(groups.update().where(groups.c.id == row.id).values(**renamed(changes)))
        except Duplicate as error:
            text = f"The name {changes['name']} is taken by another group of the domain."
            raise Conflict(text) from error
    return await get(tx, groups, "group", row.id)


async def delete(tx: Transaction, row: Row[Any], now: datetime) -> None:
    """Remove a group with its memberships and assignments; what its members had of it ends."""
    own = sa.select(groups.c.id).where(groups.c.id == row.id)
    await revocations.note(tx, "user", await rights.members_with_roles(tx, own), now)
    await tx.execute(
        assignments.delete().where(
            assignments.c.actor_kind == "group", assignments.c.actor_id == row.id
        )
    )
    await tx.execute(group_members.delete().where(group_members.c.group_id == row.id))
    await tx.execute(
        federated_memberships.delete().where(federated_memberships.c.group_id == row.id)
    )
    await tx.execute(groups.delete().where(groups.c.id == row.id))


async def is_member(tx: Transaction, group_id: str, user_id: str) -> bool:
    return await tx.first(_member, {"group_id": group_id, "user_id": user_id}) is not None


async def add_member(tx: Transaction, group_id: str, user_id: str) -> None:
    await tx.insert_missing(group_members, {"group_id": group_id, "user_id": user_id})


async def remove_member(tx: Transaction, group_id: str, user_id: str, now: datetime) -> None:
    """
    Raises:
        NotFound: the user is not in the group.
    """
    gone = group_members.delete().where(
        group_members.c.group_id == group_id, group_members.c.user_id == user_id
    )
    if not await tx.count(gone):
        raise NotFound(f"Could not find user: {user_id} in group: {group_id}.")
    await revocations.note(tx, "user", [user_id], now)
