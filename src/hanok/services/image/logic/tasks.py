"""Tasks: what users see of imports."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy import Row, bindparam

from hanok.base.log import request_id as current_request_id
from hanok.services.image.tables import image_tasks
from hanok.store import Transaction
from hanok.web.pages import Direction, ordered
from hanok.web.token import Token

KEPT = timedelta(hours=48)  # after its end

_by_id = sa.select(image_tasks).where(image_tasks.c.id == bindparam("id"))
_by_image = (
    sa.select(image_tasks)
    .where(image_tasks.c.image_id == bindparam("image_id"))
    .order_by(image_tasks.c.created_at.desc(), image_tasks.c.id)
)


async def create(
    tx: Transaction,
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
    row = await get(tx, task_id)
    assert row is not None
    return row


async def get(tx: Transaction, task_id: str) -> Row[Any] | None:
    return await tx.first(_by_id, {"id": task_id})


async def of_image(tx: Transaction, image_id: str) -> list[Row[Any]]:
    """The tasks of an image, newest first."""
    return list(await tx.all(_by_image, {"image_id": image_id}))


class Sought(Struct, frozen=True, kw_only=True):
    """Which tasks a list shows, in what order. owner: None for those of all projects; after: the marker's row."""

    owner: str | None
    status: str | None
    kind: str | None
    key: str
    direction: Direction
    after: Row[Any] | None
    limit: int | None


async def listed(tx: Transaction, sought: Sought) -> Sequence[Row[Any]]:
    """A page of tasks."""
    statement, c = sa.select(image_tasks), image_tasks.c
    wanted = {c.owner: sought.owner, c.status: sought.status, c.type: sought.kind}
    statement = statement.where(*(k == value for k, value in wanted.items() if value is not None))
    keys = [(c[name], sought.direction) for name in dict.fromkeys((sought.key, "id"))]
    after = None if sought.after is None else sought.after._mapping
    return await tx.all(ordered(statement, keys, after=after, limit=sought.limit))


async def begun(tx: Transaction, task_id: str, now: datetime) -> None:
    await tx.execute(
        image_tasks.update()
        .where(image_tasks.c.id == task_id, image_tasks.c.status == "pending")
        .values(status="processing", updated_at=now)
    )


async def told(tx: Transaction, task_id: str, message: str, now: datetime) -> None:
    """Say on a task that has not ended what keeps it."""
    await tx.execute(
        image_tasks.update()
        .where(image_tasks.c.id == task_id, image_tasks.c.status.in_(("pending", "processing")))
        .values(message=message, updated_at=now)
    )


async def ended(
    tx: Transaction,
    task_id: str,
    now: datetime,
    *,
    result: dict[str, Any] | None = None,
    message: str = "",
) -> None:
    """It succeeded, or failed with a message. What ended stays as it ended."""
    await tx.execute(
        image_tasks.update()
        .where(image_tasks.c.id == task_id, image_tasks.c.status.in_(("pending", "processing")))
        .values(
            status="failure" if message else "success",
            result=result,
            message=message,
            updated_at=now,
            expires_at=now + KEPT,
        )
    )


async def forget_old(tx: Transaction, now: datetime) -> None:
    await tx.execute(image_tasks.delete().where(image_tasks.c.expires_at < now))
