"""Users."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row

from hanok.base import patterns
from hanok.base.errors import BadInput, Conflict
from hanok.base.ids import new_hex
from hanok.services.identity import schemas
from hanok.services.identity.logic import delegations, lookup, projects, revocations
from hanok.services.identity.logic.lookup import renamed
from hanok.services.identity.room import IdentitySettings
from hanok.services.identity.tables import (
    assignments,
    federated_memberships,
    federated_users,
    group_members,
    users,
)
from hanok.store import Duplicate, Transaction

_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "lt": operator.lt,
    "lte": operator.le,
    "gt": operator.gt,
    "gte": operator.ge,
    "eq": operator.eq,
    "neq": operator.ne,
}
_shown = sa.select(*(users.c[name] for name in schemas.USER))


def all_of(domain_id: str | None = None) -> sa.Select[Any]:
    """All users, or those of a domain: the columns that answers show."""
    return _shown if domain_id is None else _shown.where(users.c.domain_id == domain_id)


def members(group_id: str, domain_id: str | None = None) -> sa.Select[Any]:
    """The users in a group, or those of them in a domain: the columns that answers show."""
    own = sa.select(group_members.c.user_id).where(group_members.c.group_id == group_id)
    return all_of(domain_id).where(users.c.id.in_(own))


def password_ends(values: Sequence[str]) -> sa.ColumnElement[bool]:
    """The filter "lt:2026-01-31T12:00:00Z" on the end of passwords; a time alone means that very time.

    Raises:
        BadInput: there is no such comparison, or no such time.
    """
    return sa.and_(*(_password_ends(text) for text in values))


def _password_ends(text: str) -> sa.ColumnElement[bool]:
    how, _, when = text.partition(":")
    if how not in _COMPARE:
        how, when = "eq", text
    try:
        at = datetime.fromisoformat(when)
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadInput(
            "Invalid input for the filter password_expires_at: {operator}:{timestamp} is expected, "
            "with lt, lte, gt, gte, eq or neq and a time like 2026-01-31T12:00:00Z."
        ) from None
    found: sa.ColumnElement[bool] = _COMPARE[how](users.c.password_expires_at, at)
    return found


async def get(tx: Transaction, user_id: str) -> Row[Any]:
    """
    Raises:
        NotFound: there is no such user.
    """
    return await lookup.get(tx, users, "user", user_id)


async def find(tx: Transaction, user_id: str) -> Row[Any] | None:
    """A user, if there is one with this id."""
    return await lookup.find(tx, users, user_id)


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
    await tx.keep(values["domain_id"])
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
    return await get(tx, user_id)


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
    return await get(tx, row.id)


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


async def change_own_password(
    tx: Transaction, row: Row[Any], columns: dict[str, Any], now: datetime
) -> bool:
    """Give a user the password of these columns (`password_change`); False: another came in between.

    It ends the user's tokens.
    """
    mine = users.update().where(users.c.id == row.id, users.c.password_hash == row.password_hash)
    if not await tx.count(mine.values(**columns)):
        return False
    await revocations.note(tx, "user", [row.id], now)
    return True


def check_strength(password: str, settings: IdentitySettings) -> None:
    """Hold a new password against the operator's pattern.

    Raises:
        BadInput: it does not match; the text says what is wanted.
    """
    pattern = settings.password_regex
    if pattern and not _fits(pattern, password):
        requested = settings.password_regex_description or "the pattern is the operator's"
        raise BadInput(f"The password does not match the requirements: {requested}.")


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
