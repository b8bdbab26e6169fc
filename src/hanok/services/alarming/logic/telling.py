"""Notices on their way: each is tried until it is told, or for an hour.

Source: decision 0072.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base import behalf
from hanok.base.errors import HanokError
from hanok.drivers.image_stores.web import NotAllowed, WebBroken, post
from hanok.services.alarming.logic import actions, health
from hanok.services.alarming.room import Alarming
from hanok.services.alarming.tables import notices

log = logging.getLogger(__name__)

AT_ONCE, OF_PROJECT = 32, 4  # notices on their way at a time; of one project
TRIES = 6
WAIT_S = 15.0  # after the first try; each further wait is twice as long
_turn = (
    sa.func.row_number()
    .over(partition_by=notices.c.project_id, order_by=notices.c.due_at)
    .label("place")
)
_waiting = sa.select(notices.c.id, _turn).where(notices.c.due_at <= bindparam("now")).subquery()
_due = (
    sa.select(notices)
    .join(_waiting, _waiting.c.id == notices.c.id)
    .where(_waiting.c.place <= OF_PROJECT)
    .order_by(notices.c.due_at)
    .limit(AT_ONCE)
)
_gone = notices.delete().where(notices.c.id == bindparam("of"))
_later = (
    notices.update()
    .where(notices.c.id == bindparam("of"))
    .values(tries=bindparam("new_tries"), due_at=bindparam("new_due", type_=notices.c.due_at.type))
)


async def tell_due(room: Alarming) -> int:
    """Tell what is due, of each project some at a time; gives how many were tried."""
    async with room.database.read() as tx:
        rows = await tx.all(_due, {"now": room.clock.now()})
    await asyncio.gather(*(_try(room, row) for row in rows))
    return len(rows)


async def _try(room: Alarming, row: Row[Any]) -> None:
    try:
        await _tell(room, row)
    except (NotAllowed, WebBroken, HanokError) as error:
        text = error.message if isinstance(error, HanokError) else str(error)
        await _failed(room, row, text, again=not isinstance(error, NotAllowed))
        return
    except Exception:  # one that cannot be told holds up no other
        log.exception("a notice of alarm %s failed", row.alarm_id)
        await _failed(room, row, "see the log", again=True)
        return
    log.info("alarm %s: told %s", row.alarm_id, _place(row.action))
    async with room.database.write() as tx:
        await tx.execute(_gone, {"of": row.id})


async def _failed(room: Alarming, row: Row[Any], why: str, *, again: bool) -> None:
    log.warning("alarm %s: %s is not told: %s", row.alarm_id, _place(row.action), why)
    async with room.database.write() as tx:
        if not again or row.tries + 1 >= TRIES:
            await tx.execute(_gone, {"of": row.id})
            return
        due = room.clock.now() + timedelta(seconds=WAIT_S * 2**row.tries)
        await tx.execute(_later, {"of": row.id, "new_tries": row.tries + 1, "new_due": due})


def _place(action: str) -> str:
    """An address as a log has it: without what may be a secret."""
    parts = urlsplit(action)
    return f"{parts.scheme}://{parts.netloc}{parts.path[:60]}" if parts.netloc else f"{parts.scheme}:"  # fmt: skip


async def _tell(room: Alarming, row: Row[Any]) -> None:
    """
    Raises:
        NotAllowed, WebBroken, HanokError
    """
    if urlsplit(row.action).scheme in ("log", "test"):
        log.info("alarm %s: %s", row.alarm_id, row.payload)
        return
    if row.action == actions.HEAL:
        await health.heal(room, row)
        return
    content = actions.encoded(row.payload)
    headers = {"Content-Type": "application/json", "X-OpenStack-Request-ID": f"req-{row.id}"}
    if row.action.startswith("within:"):
        await _tell_within(room, row, content, headers)
        return
    if not room.settings.actions_lead_out:
        raise NotAllowed("this cloud calls no addresses but its own")
    behalf.project.set(row.project_id)
    await post(actions.rules_for(room, row.action), row.action, content, headers)


async def _tell_within(
    room: Alarming, row: Row[Any], content: bytes, headers: dict[str, str]
) -> None:
    """Tell this cloud itself, by its own door."""
    parts = urlsplit(row.action.removeprefix("within:").removeprefix("trust+"))
    token = await room.borrow(row.lent) if row.lent else ""
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    status, _, raw = await room.ask_as(token, "POST", path, content, headers, f"req-{row.id}")
    if status >= 300:
        raise WebBroken(f"this cloud answers {status}: {raw[:200].decode('utf-8', 'replace')}")
