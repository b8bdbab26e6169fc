"""What was revoked, told to services that look at tokens themselves.

Here nothing hangs on these events: rights are read when a token is used. They have upstream's causes, which are fewer
than what ends a token: a role that is taken away, say, or a project that is switched off, makes none.

An event is told as long as a token could live that was issued before it, and BUFFER longer.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.services.identity.tables import revocation_events
from hanok.store import Transaction

BUFFER = timedelta(seconds=1800)  # upstream's [revoke] expiration_buffer

Kind = Literal["audit", "user", "project", "trust", "consumer"]

_table = revocation_events
_since = (
    sa.select(_table)
    .where(_table.c.revoked_at > bindparam("since"))
    .order_by(_table.c.revoked_at, _table.c.sequence)
)
_past = _table.delete().where(_table.c.revoked_at < bindparam("oldest"))


async def note(
    tx: Transaction,
    kind: Kind,
    ids: Sequence[str],
    now: datetime,
    *,
    before: datetime | None = None,
) -> None:
    """Say that tokens of these users, for these projects, … are not to be believed any more.

    Args:
        before: those issued until then; now when left out.
    """
    rows = [
        {"kind": kind, "subject": one, "issued_before": before or now, "revoked_at": now}
        for one in ids
    ]
    if rows:
        await tx.execute(_table.insert(), rows)


async def told(
    tx: Transaction, since: datetime | None, now: datetime, lifetime: timedelta
) -> Sequence[Row[Any]]:
    """The events after a time, the oldest first."""
    oldest = now - lifetime - BUFFER
    return await tx.all(_since, {"since": oldest if since is None else max(since, oldest)})


async def forget(tx: Transaction, now: datetime, lifetime: timedelta) -> None:
    """Remove the events that are told to nobody any more."""
    await tx.execute(_past, {"oldest": now - lifetime - BUFFER})
