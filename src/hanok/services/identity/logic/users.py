"""Users, groups and their members."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput, Conflict, NotFound
from hanok.base.ids import new_hex
from hanok.services.identity.logic import projects, rights
from hanok.services.identity.logic.lookup import get
from hanok.services.identity.tables import (
    access_rules,
    application_credentials,
    assignments,
    group_members,
    groups,
    users,
)
from hanok.store import Duplicate, Transaction

_member = sa.select(group_members).where(
    group_members.c.group_id == bindparam("group_id"),
    group_members.c.user_id == bindparam("user_id"),
)


async def create(
    tx: Transaction,
    values: dict[str, Any],
    extra: dict[str, Any],
    *,
    password_hash: str | None,
    now: datetime,
) -> Row[Any]:
    """A new user.

    Raises:
        NotFound: no such domain. Conflict: the name is taken there.
    """
    await projects.domain(tx, values["domain_id"])
    if values.get("description") is not None:
        extra = {**extra, "description": values["description"]}
    user_id = new_hex()
    try:
        await tx.insert(
            users,
            {
                "id": user_id,
                "name": values["name"],
                "domain_id": values["domain_id"],
                "enabled": values.get("enabled", True),
                "default_project_id": values.get("default_project_id"),
                "password_hash": password_hash,
                "password_changed_at": now if password_hash else None,
                "past_hashes": [],
                "options": values.get("options", {}),
                "extra": extra,
                "created_at": now,
                "failed_sign_ins": 0,
            },
        )
    except Duplicate as error:
        raise Conflict(
            "Conflict occurred attempting to store user - it is not permitted to have two users "
            f"with the same name in a domain: {values['name']}."
        ) from error
    return await get(tx, users, "user", user_id)


async def update(
    tx: Transaction,
    row: Row[Any],
    values: dict[str, Any],
    extra: dict[str, Any],
    *,
    password_hash: str | None,
    now: datetime,
) -> Row[Any]:
    """Change a user; a new password or a disabling ends the user's tokens."""
    if values.get("domain_id", row.domain_id) != row.domain_id:
        raise BadInput("A user's domain cannot be changed.")
    changes = {
        name: value
        for name, value in values.items()
        if name in ("name", "enabled", "default_project_id", "options")
    }
    if "description" in values:
        extra = {**extra, "description": values["description"]}
    if extra:
        merged = {**row.extra, **extra}
        changes["extra"] = {name: value for name, value in merged.items() if value is not None}
    if "name" in changes:
        taken = sa.select(users.c.id).where(
            users.c.domain_id == row.domain_id,
            users.c.name == changes["name"],
            users.c.id != row.id,
        )
        if await tx.first(taken) is not None:
            raise Conflict(f"The name {changes['name']} is taken by another user of the domain.")
    if "password" in values:
        changes.update(password_change(row, password_hash, now))
    if values.get("enabled") is False:
        changes["tokens_valid_from"] = now
    if values.get("enabled") is True:
        changes.update(failed_sign_ins=0, failed_at=None)
    if changes:
        await tx.execute(users.update().where(users.c.id == row.id).values(**changes))
    await rights.changed(tx)
    return await get(tx, users, "user", row.id)


def password_change(row: Row[Any], password_hash: str | None, now: datetime) -> dict[str, Any]:
    """The columns a new password changes."""
    past = [row.password_hash, *row.past_hashes] if row.password_hash else list(row.past_hashes)
    return {
        "password_hash": password_hash,
        "password_changed_at": now,
        "past_hashes": past[:24],
        "tokens_valid_from": now,
        "failed_sign_ins": 0,
        "failed_at": None,
    }


async def delete(tx: Transaction, row: Row[Any]) -> None:
    """Remove a user with memberships, assignments and application credentials."""
    await tx.execute(
        assignments.delete().where(
            assignments.c.actor_kind == "user", assignments.c.actor_id == row.id
        )
    )
    await tx.execute(group_members.delete().where(group_members.c.user_id == row.id))
    await tx.execute(
        application_credentials.delete().where(application_credentials.c.user_id == row.id)
    )
    await tx.execute(access_rules.delete().where(access_rules.c.user_id == row.id))
    await tx.execute(users.delete().where(users.c.id == row.id))
    await rights.changed(tx)


async def create_group(tx: Transaction, values: dict[str, Any], extra: dict[str, Any]) -> Row[Any]:
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


async def update_group(
    tx: Transaction, row: Row[Any], values: dict[str, Any], extra: dict[str, Any]
) -> Row[Any]:
    if values.get("domain_id", row.domain_id) != row.domain_id:
        raise BadInput("A group's domain cannot be changed.")
    changes = {name: value for name, value in values.items() if name in ("name", "description")}
    if extra:
        changes["extra"] = {**row.extra, **extra}
    if "name" in changes:
        taken = sa.select(groups.c.id).where(
            groups.c.domain_id == row.domain_id,
            groups.c.name == changes["name"],
            groups.c.id != row.id,
        )
        if await tx.first(taken) is not None:
            raise Conflict(f"The name {changes['name']} is taken by another group of the domain.")
    if changes:
        await tx.execute(groups.update().where(groups.c.id == row.id).values(**changes))
    return await get(tx, groups, "group", row.id)


async def delete_group(tx: Transaction, row: Row[Any]) -> None:
    await tx.execute(
        assignments.delete().where(
            assignments.c.actor_kind == "group", assignments.c.actor_id == row.id
        )
    )
    await tx.execute(group_members.delete().where(group_members.c.group_id == row.id))
    await tx.execute(groups.delete().where(groups.c.id == row.id))
    await rights.changed(tx)


async def is_member(tx: Transaction, group_id: str, user_id: str) -> bool:
    return await tx.first(_member, {"group_id": group_id, "user_id": user_id}) is not None


async def add_member(tx: Transaction, group_id: str, user_id: str) -> None:
    if not await is_member(tx, group_id, user_id):
        await tx.insert(group_members, {"group_id": group_id, "user_id": user_id})
        await rights.changed(tx)


async def remove_member(tx: Transaction, group_id: str, user_id: str) -> None:
    gone = group_members.delete().where(
        group_members.c.group_id == group_id, group_members.c.user_id == user_id
    )
    if not await tx.count(gone):
        raise NotFound(f"Could not find user: {user_id} in group: {group_id}.")
    await rights.changed(tx)
