"""Tasks: what users see of imports."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.log import request_id as current_request_id
from hanok.services.image import schemas
from hanok.services.image.logic import news
from hanok.services.image.room import Images
from hanok.services.image.tables import image_tasks
from hanok.store import Transaction, still_there
from hanok.web.token import Caller, Token

KEPT = timedelta(hours=48)  # after its end

_by_id = sa.select(image_tasks).where(image_tasks.c.id == bindparam("id"))
_forget = image_tasks.delete().where(image_tasks.c.expires_at < bindparam("now"))
_by_image = (
    sa.select(image_tasks)
    .where(image_tasks.c.image_id == bindparam("image_id"))
    .order_by(image_tasks.c.created_at.desc(), image_tasks.c.id)
)


async def create(
    tx: Transaction,
    room: Images,
    token: Token,
    *,
    task_id: str,
    kind: str,
    image_id: str | None,
    given: dict[str, Any],
    now: datetime,
) -> Row[Any]:
    """A task that waits for its operation."""
    await tx.execute(
        image_tasks.insert(),
        {
            "id": task_id,
            "type": kind,
            "status": "pending",
            "owner": token.project_id or "",
            "image_id": image_id,
            "request_id": current_request_id.get(),
            "user_id": token.user_id,
            "input": given,
            "result": None,
            "message": "",
            "created_at": now,
            "updated_at": now,
        },
    )
    row = still_there(await get(tx, task_id))
    await _tell(tx, room, row, "create")
    return row


async def _tell(tx: Transaction, room: Images, row: Row[Any], verb: str) -> None:
    """Tell of a task, without what it was given: addresses may hold secrets.

    Args:
        verb: "create", "processing", "success" or "failure".
    """
    payload = {
        **schemas.task(row, whole=False),
        "result": row.result,
        "message": row.message or None,
        "deleted": False,
        "deleted_at": None,
    }
    kind = f"image.task.{verb}"
    await news.emit(tx, room, kind, row.id, payload, row.owner, row.user_id)


async def get(tx: Transaction, task_id: str) -> Row[Any] | None:
    return await tx.first(_by_id, {"id": task_id})


async def of_image(tx: Transaction, image_id: str) -> list[Row[Any]]:
    """The tasks of an image, newest first."""
    return list(await tx.all(_by_image, {"image_id": image_id}))


def listed(caller: Caller) -> sa.Select[Any]:
    """The tasks that a caller reaches: their project's, or those of all."""
    statement = sa.select(image_tasks)
    if caller.everywhere:
        return statement
    return statement.where(image_tasks.c.owner == (caller.project_id or ""))


async def begun(tx: Transaction, room: Images, task_id: str) -> None:
    changed = (
        image_tasks.update()
        .where(image_tasks.c.id == task_id, image_tasks.c.status == "pending")
        .values(status="processing", updated_at=room.clock.now())
    )
    if await tx.count(changed):
        await _tell(tx, room, still_there(await get(tx, task_id)), "processing")


async def told(tx: Transaction, task_id: str, message: str, now: datetime) -> None:
    """Say on a task that has not ended what keeps it."""
    await tx.execute(
        image_tasks.update()
        .where(image_tasks.c.id == task_id, image_tasks.c.status.in_(("pending", "processing")))
        .values(message=message, updated_at=now)
    )


async def ended(
    tx: Transaction,
    room: Images,
    task_id: str,
    *,
    result: dict[str, Any] | None = None,
    message: str = "",
) -> None:
    """It succeeded, or failed with a message. What ended stays as it ended."""
    now, how = room.clock.now(), "failure" if message else "success"
    changed = (
        image_tasks.update()
        .where(image_tasks.c.id == task_id, image_tasks.c.status.in_(("pending", "processing")))
        .values(status=how, result=result, message=message, updated_at=now, expires_at=now + KEPT)
    )
    if await tx.count(changed):
        await _tell(tx, room, still_there(await get(tx, task_id)), how)


async def forget_old(tx: Transaction, now: datetime) -> None:
    await tx.execute(_forget, {"now": now})
