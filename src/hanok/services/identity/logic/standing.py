"""Whether a user may sign in at this moment: switched on, not idle for too long, not locked out.

A lock-out counts what was guessed wrong, by whatever method, and is held in the row, so that all replicas see it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.services.identity.room import Identity
from hanok.services.identity.tables import users
from hanok.store import Database

_by_id = sa.select(users).where(users.c.id == bindparam("id"))


def is_enabled(row: Row[Any], room: Identity) -> bool:
    """Whether a user is switched on, and has signed in not too long ago."""
    days = room.settings.disable_after_days
    if not row.enabled:
        return False
    if not days or row.last_active_at is None or row.options.get("ignore_user_inactivity"):
        return True
    idle: timedelta = room.clock.now().date() - row.last_active_at.date()
    return idle.days < days


async def was_active(database: Database, room: Identity, row: Row[Any]) -> None:
    """Remember that a user signed in, once a day."""
    if not room.settings.disable_after_days:
        return
    now = room.clock.now()
    if row.last_active_at is None or row.last_active_at.date() < now.date():
        async with database.write() as tx:
            await tx.execute(users.update().where(users.c.id == row.id).values(last_active_at=now))


def _counts(row: Row[Any] | None, room: Identity) -> bool:
    return (
        bool(room.settings.lock_after)
        and row is not None
        and not row.options.get("ignore_lockout_failure_attempts")
    )


def is_locked(row: Row[Any] | None, room: Identity) -> bool:
    """Whether too many guesses were wrong, and that is not long enough ago."""
    if row is None or not _counts(row, room) or row.failed_sign_ins < room.settings.lock_after:
        return False
    failed_at: datetime | None = row.failed_at
    if not room.settings.lock_for_s:
        return True
    return failed_at is not None and failed_at + room.lock_for > room.clock.now()


async def failed(database: Database, room: Identity, row: Row[Any] | None) -> None:
    """Count a wrong guess. One after a lock-out that has ended is the first again."""
    if row is None or not _counts(row, room):
        return
    again = row.failed_sign_ins >= room.settings.lock_after
    count = 1 if again else users.c.failed_sign_ins + 1
    changed = users.update().where(users.c.id == row.id)
    if again:
        changed = changed.where(users.c.failed_at == row.failed_at)
    async with database.write() as tx:
        await tx.execute(changed.values(failed_sign_ins=count, failed_at=room.clock.now()))


async def succeeded(database: Database, room: Identity, row: Row[Any]) -> bool:
    """Forget wrong guesses; False when others, sent at the same time, have locked the user out.

    Args:
        row: as it was before the guess was looked at.
    """
    if _counts(row, room):
        async with database.read() as tx:
            now = await tx.first(_by_id, {"id": row.id})
        if now is None or is_locked(now, room):
            return False
    if row.failed_sign_ins:
        same = users.c.failed_at == row.failed_at
        few = users.c.failed_sign_ins < room.settings.lock_after
        unlocked = users.update().where(users.c.id == row.id, sa.or_(same, few))
        async with database.write() as tx:
            await tx.execute(unlocked.values(failed_sign_ins=0, failed_at=None))
    return True
