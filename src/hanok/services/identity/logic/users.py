"""Users, groups and their members."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base import patterns
from hanok.base.errors import BadInput, Conflict, NotFound
from hanok.base.ids import new_hex
from hanok.services.identity.logic import delegations, projects, revocations, rights
from hanok.services.identity.logic.lookup import get, renamed
from hanok.services.identity.room import IdentitySettings
from hanok.services.identity.tables import (
    assignments,
    federated_memberships,
    federated_users,
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
    password: dict[str, Any],
    now: datetime,
) -> Row[Any]:
    """A new user. password: the columns that `password_set` gave.

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
                "password_own": False,
                "past_hashes": [],
                "last_active_at": now,
                **password,
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
    password: dict[str, Any],
    now: datetime,
) -> Row[Any]:
    """Change a user; a new password or a disabling ends the user's tokens.

    Args:
        password: the columns that `password_change` gave, or none.
    """
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
    changes.update(password)
    if values.get("enabled") is False:
        changes["tokens_valid_from"] = _later(row, now)
    if values.get("enabled") is True:
        changes.update(failed_sign_ins=0, failed_at=None, last_active_at=now)
    if changes:
        try:
            await tx.alter(users.update().where(users.c.id == row.id).values(**renamed(changes)))
        except Duplicate as error:
            text = f"The name {changes['name']} is taken by another user of the domain."
            raise Conflict(text) from error
    if password or (values.get("enabled") is False and row.enabled):
        await revocations.note(tx, "user", [row.id], now)
    return await get(tx, users, "user", row.id)


def password_set(
    password_hash: str | None,
    options: dict[str, Any],
    settings: IdentitySettings,
    now: datetime,
    *,
    own: bool = False,
) -> dict[str, Any]:
    """The columns of a password.

    Args:
        own: whether the user chose it, rather than an administrator.
    """
    expires_at = None
    if password_hash is not None:
        if settings.password_expires_days and not options.get("ignore_password_expiry"):
            expires_at = now + timedelta(days=settings.password_expires_days)
        ignored = options.get("ignore_change_password_upon_first_use")
        if settings.change_password_upon_first_use and not own and not ignored:
            expires_at = now
    return {
        "password_hash": password_hash,
        "password_changed_at": now if password_hash else None,
        "password_expires_at": expires_at,
        "password_own": own,
    }


def password_change(
    row: Row[Any],
    password_hash: str | None,
    options: dict[str, Any],
    settings: IdentitySettings,
    now: datetime,
    *,
    own: bool = False,
) -> dict[str, Any]:
    """The columns that a new password changes; it ends the user's tokens."""
    past = [row.password_hash, *row.past_hashes] if row.password_hash else list(row.past_hashes)
    return {
        **password_set(password_hash, options, settings, now, own=own),
        "past_hashes": past[:24],
        "tokens_valid_from": _later(row, now),
        "failed_sign_ins": 0,
        "failed_at": None,
    }


def _later(row: Row[Any], now: datetime) -> datetime:
    """A new beginning of a user's tokens: never the same twice, whatever the clock says."""
    before: datetime | None = row.tokens_valid_from
    return now if before is None else max(now, before + timedelta(microseconds=1))


def check_strength(password: str, settings: IdentitySettings) -> None:
    """Hold a new password against the operator's pattern.

    Raises:
        BadInput: it does not match; the text says what is wanted.
    """
    pattern = settings.password_regex
    if pattern and not _fits(pattern, password):
        wanted = settings.password_regex_description or "the pattern is the operator's"
        raise BadInput(f"The password does not match the requirements: {wanted}.")


def _fits(pattern: str, password: str) -> bool:
    try:
        return patterns.pattern(pattern).match(password)
    except patterns.BadPattern:
        return False  # the pattern itself was looked at when the settings were read: the password is too long for it


def check_own_change(row: Row[Any], settings: IdentitySettings, now: datetime) -> None:
    """Whether a user may change the own password at this moment.

    Raises:
        BadInput: it is locked, or too new.
    """
    if row.options.get("lock_password"):
        raise BadInput(
            "You cannot change your password at this time due to password policy disallowing "
            "password changes. Please contact your administrator to reset your password."
        )
    days = settings.minimum_password_age_days
    if days and row.password_own and row.password_changed_at is not None:
        left = row.password_changed_at + timedelta(days=days) - now
        if left > timedelta():
            raise BadInput(
                f"The password must be used for {days} day(s) before it can be changed. "
                f"Please try again in {left.days} day(s), or ask an administrator to reset it."
            )


async def delete(tx: Transaction, row: Row[Any], now: datetime) -> None:
    """Remove a user with memberships, assignments and all that was delegated by it or to it."""
    await tx.execute(
        assignments.delete().where(
            assignments.c.actor_kind == "user", assignments.c.actor_id == row.id
        )
    )
    await tx.execute(group_members.delete().where(group_members.c.user_id == row.id))
    for table in (federated_users, federated_memberships):
        await tx.execute(table.delete().where(table.c.user_id == row.id))
    await delegations.forget_users(tx, [row.id])
    await tx.execute(users.delete().where(users.c.id == row.id))
    await revocations.note(tx, "user", [row.id], now)


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
    if changes:
        try:
            await tx.alter(groups.update().where(groups.c.id == row.id).values(**renamed(changes)))
        except Duplicate as error:
            text = f"The name {changes['name']} is taken by another group of the domain."
            raise Conflict(text) from error
    return await get(tx, groups, "group", row.id)


async def delete_group(tx: Transaction, row: Row[Any], now: datetime) -> None:
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
    gone = group_members.delete().where(
        group_members.c.group_id == group_id, group_members.c.user_id == user_id
    )
    if not await tx.count(gone):
        raise NotFound(f"Could not find user: {user_id} in group: {group_id}.")
    await revocations.note(tx, "user", [user_id], now)
