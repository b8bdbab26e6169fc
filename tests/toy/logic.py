"""The library's decisions, each inside one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.clock import zulu
from hanok.base.errors import OverQuota
from hanok.base.ids import new_uuid
from hanok.limits import OverLimit
from hanok.store import Transaction, still_there
from hanok.web.token import Caller
from tests.toy.room import Library
from tests.toy.tables import books, cards, shelves

_book = sa.select(books).where(books.c.id == bindparam("id"))
_books = sa.select(books).where(books.c.shelf_id == bindparam("shelf"))
_card = sa.select(cards).where(cards.c.user_id == bindparam("user"))


# ---- shelves ----


async def show_shelves(tx: Transaction, rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    return [
        {
            "id": row.id,
            "name": row.name,
            "topic": row.topic,
            "status": row.status,
            "created_at": zulu(row.created_at),
            "_target": {"project_id": row.project_id},
        }
        for row in rows
    ]


async def create_shelf(
    tx: Transaction, room: Library, caller: Caller, values: dict[str, Any]
) -> str:
    """Raises OverQuota."""
    project_id = caller.project_id or ""
    try:
        await room.limits.check(tx, project_id, {"shelves": 1})
    except OverLimit as error:
        raise OverQuota(error.message) from error
    row = {"id": new_uuid(), "project_id": project_id, "status": "loose", "topic": "", **values}
    await tx.insert(shelves, {**row, "created_at": room.clock.now()})
    return str(row["id"])


async def update_shelf(
    tx: Transaction, room: Library, caller: Caller, row: Row[Any], values: dict[str, Any]
) -> None:
    await tx.execute(shelves.update().where(shelves.c.id == row.id).values(**values))


# ---- books and cards ----


async def books_of(tx: Transaction, shelf_id: str) -> Sequence[Row[Any]]:
    return await tx.all(_books, {"shelf": shelf_id})


async def create_book(
    tx: Transaction, shelf: Row[Any], title: str, isbn: str | None, now: datetime
) -> Row[Any]:
    row = {"id": new_uuid(), "shelf_id": shelf.id, "project_id": shelf.project_id, "bound": False}
    await tx.insert(books, {**row, "title": title, "isbn": isbn, "created_at": now})
    return still_there(await tx.first(_book, {"id": row["id"]}))


async def card_of(tx: Transaction, user_id: str, now: datetime) -> Row[Any]:
    """A user's card, made when it is first looked at."""
    await tx.insert_missing(cards, {"user_id": user_id, "created_at": now})
    return still_there(await tx.first(_card, {"user": user_id}))
