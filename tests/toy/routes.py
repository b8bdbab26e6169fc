"""The library's doors: shelves, the books on them, and each user's card."""

from __future__ import annotations

from typing import Annotated, Any

import sqlalchemy as sa
from msgspec import UNSET, Meta, Struct, UnsetType
from sqlalchemy import Row
from starlette.responses import Response

from hanok.base.clock import zulu
from hanok.base.errors import NotFound, OverQuota
from hanok.base.ids import new_uuid
from hanok.limits import OverLimit
from hanok.store import Transaction
from hanok.web.listing import COMPUTE, Listing, equal
from hanok.web.microversions import Range
from hanok.web.policy import Rule
from hanok.web.request import Request, json_answer, list_answer
from hanok.web.routes import Route
from hanok.web.versions import Attribute, Query, Shape, field_of
from tests.toy.operations import BindShelf
from tests.toy.room import Library
from tests.toy.tables import books, cards, shelves

MICROVERSIONS = Range(header_type="library", minimum=(1, 0), maximum=(1, 2))
MINE = "project_id:%(project_id)s"
RULES = tuple(
    Rule(f"library:{name}", check, f"{what}.")
    for name, check, what in (
        ("context_is_admin", "role:admin", "Reach the shelves of all projects"),
        ("shelves:list", "@", "List the project's shelves"),
        ("shelves:create", MINE, "Put up a shelf"),
        ("shelves:bind", MINE, "Have the books of a shelf bound"),
        ("books:list", MINE, "List the books of a shelf"),
        ("books:create", MINE, "Put a book on a shelf"),
        ("cards:show", "user_id:%(user_id)s", "See the own card"),
    )
)
Text = Annotated[str, Meta(min_length=1, max_length=255)]


class CreateShelf(Struct, forbid_unknown_fields=True):
    name: Text


class CreateBook(Struct, forbid_unknown_fields=True):
    title: Annotated[str, Meta(max_length=255)]
    isbn: Annotated[
        Annotated[str, Meta(pattern="^[0-9]{13}$")] | UnsetType, field_of(since=(1, 1))
    ] = UNSET


BOOK = Shape(Attribute(name="isbn", since=(1, 1)), Attribute(name="bound", since=(1, 2)))
LIST = Listing(
    table=shelves,
    name="shelves",
    style=COMPUTE,
    marker=shelves.c.id,
    unique=shelves.c.id,
    first=(shelves.c.created_at, "asc"),
    filters={"name": equal(shelves.c.name)},
    sort={"name": shelves.c.name},
)


def _shelf(row: Row[Any]) -> dict[str, Any]:
    created = zulu(row.created_at)
    return {"id": row.id, "name": row.name, "status": row.status, "created_at": created}


def _book(request: Request, row: Row[Any]) -> dict[str, Any]:
    shown = {"id": row.id, "title": row.title, "isbn": row.isbn, "bound": row.bound}
    return request.shown(BOOK)(shown)


async def _find(request: Request, tx: Transaction, rule: str) -> Row[Any]:
    """The shelf of the path, with the caller's eyes."""
    caller, shelf_id = request.reaching(), request.path["shelf_id"]
    row = await tx.first(sa.select(shelves).where(shelves.c.id == shelf_id))
    if row is None or not (caller.everywhere or row.project_id == caller.project_id):
        request.allowed_by_hand()
        raise NotFound(f"Shelf {shelf_id} could not be found.")
    request.allow(rule, project_id=row.project_id)
    return row


async def list_shelves(request: Request, room: Library) -> Response:
    """GET /shelves."""
    request.allow()
    mine = sa.select(shelves).where(shelves.c.project_id == request.token.project_id)
    async with request.reading() as tx:
        page = await LIST.page(request, tx, mine, within=mine)
    items = [_shelf(row) for row in page.rows]
    return await list_answer(LIST.answer(request, page, items), "shelves")


async def create_shelf(request: Request, room: Library) -> Response:
    """POST /shelves."""
    body = await request.body(CreateShelf, key="shelf")
    project_id = request.token.project_id or ""
    request.allow(project_id=project_id)
    row = {"id": new_uuid(), "project_id": project_id, "name": body.name, "status": "loose"}
    async with request.transaction() as tx:
        try:
            await room.limits.check(tx, project_id, {"shelves": 1})
        except OverLimit as error:
            raise OverQuota(error.message) from error
        await tx.insert(shelves, {**row, "created_at": room.clock.now()})
        made = await tx.first(sa.select(shelves).where(shelves.c.id == row["id"]))
    assert made is not None
    return json_answer({"shelf": _shelf(made)}, 201)


async def bind_shelf(request: Request, room: Library) -> Response:
    """POST /shelves/{id}/bind: answers before the books are bound."""
    async with request.transaction() as tx:
        row = await _find(request, tx, "library:shelves:bind")
        who = {"user_id": request.token.user_id, "project_id": row.project_id}
        await room.operations.start(tx, BindShelf(shelf_id=row.id), **who)
    return json_answer({"shelf": _shelf(row)}, 202)


async def list_books(request: Request, room: Library) -> Response:
    """GET /shelves/{id}/books."""
    async with request.reading() as tx:
        shelf = await _find(request, tx, "library:books:list")
        rows = await tx.all(sa.select(books).where(books.c.shelf_id == shelf.id))
    return json_answer({"books": [_book(request, row) for row in rows]})


async def create_book(request: Request, room: Library) -> Response:
    """POST /shelves/{id}/books."""
    body = await request.body(CreateBook, key="book")
    async with request.transaction() as tx:
        shelf = await _find(request, tx, "library:books:create")
        row = {"id": new_uuid(), "shelf_id": shelf.id, "project_id": shelf.project_id}
        row |= {"title": body.title, "isbn": None if body.isbn is UNSET else body.isbn}
        await tx.insert(books, {**row, "bound": False, "created_at": room.clock.now()})
        made = await tx.first(sa.select(books).where(books.c.id == row["id"]))
    assert made is not None
    return json_answer({"book": _book(request, made)}, 201)


async def show_card(request: Request, room: Library) -> Response:
    """GET /card: the caller's own, made when it is first looked at by whom it is for."""
    user_id = request.token.user_id
    request.allow(user_id=user_id)
    async with request.transaction() as tx:
        await tx.insert_missing(cards, {"user_id": user_id, "created_at": room.clock.now()})
        row = await tx.first(sa.select(cards).where(cards.c.user_id == user_id))
    assert row is not None
    return json_answer({"card": {"user_id": user_id, "created_at": zulu(row.created_at)}})


_ONE = "/v1/shelves/{shelf_id}"
ROUTES = (
    Route(
        "GET",
        "/v1/shelves",
        list_shelves,
        ("library:shelves:list",),
        query=Query(*LIST.parameters, closed=(1, 1)),
    ),
    Route(
        "POST",
        "/v1/shelves",
        create_shelf,
        ("library:shelves:create",),
        body=CreateShelf,
        member="shelf",
        strict=True,
    ),
    Route("POST", f"{_ONE}/bind", bind_shelf, ("library:shelves:bind",)),
    Route("GET", f"{_ONE}/books", list_books, ("library:books:list",)),
    Route(
        "POST",
        f"{_ONE}/books",
        create_book,
        ("library:books:create",),
        body=CreateBook,
        member="book",
        strict=True,
    ),
    Route("GET", "/v1/card", show_card, ("library:cards:show",)),
)
