"""Binding the books of a shelf: one operation for the shelf, and a part for each book that runs beside the others."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from hanok.base.errors import StepFailed
from hanok.operations import Operation, Run, Step
from hanok.store import Transaction
from tests.toy.room import Library
from tests.toy.tables import books, shelves


class BindBook(Step["BindOne", Library, None], name="bind_book"):
    """The book is bound; a book without a title cannot be."""

    async def do(self, run: Run[BindOne, Library]) -> None:
        title = sa.select(books.c.title).where(books.c.id == run.args.book_id)
        async with run.reading() as tx:
            if not await tx.scalar(title):
                raise StepFailed("A book without a title cannot be bound.")

    async def save(self, run: Run[BindOne, Library], tx: Transaction, result: None) -> None:
        await tx.execute(books.update().where(books.c.id == run.args.book_id).values(bound=True))


class BindOne(Operation, frozen=True, kw_only=True, tag="library.bind_one"):
    book_id: str
    steps = (BindBook,)

    @property
    def resource(self) -> str:
        return f"book:{self.book_id}"


class BindBooks(Step["BindShelf", Library, None], name="bind_books"):
    """All books of the shelf are bound."""

    async def do(self, run: Run[BindShelf, Library]) -> None:
        theirs = sa.select(books.c.id).where(books.c.shelf_id == run.args.shelf_id)
        async with run.reading() as tx:
            ids = await tx.scalars(theirs.order_by(books.c.id))
        await run.children(*(BindOne(book_id=one) for one in ids))

    async def save(self, run: Run[BindShelf, Library], tx: Transaction, result: None) -> None:
        await run.args.show(tx, "bound")


class BindShelf(Operation, frozen=True, kw_only=True, tag="library.bind_shelf"):
    shelf_id: str
    steps = (BindBooks,)

    @property
    def resource(self) -> str:
        return f"shelf:{self.shelf_id}"

    @property
    def event(self) -> str:
        return "library.shelf.bind"

    async def show(self, tx: Transaction, status: str) -> None:
        mine = shelves.c.id == self.shelf_id
        await tx.execute(shelves.update().where(mine).values(status=status))

    async def failed(self, run: Run[Any, Library], tx: Transaction, why: str) -> None:
        await self.show(tx, "error")
