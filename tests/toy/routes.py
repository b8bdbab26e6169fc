"""The library's doors: shelves, the books on them, and each user's card."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType
from sqlalchemy import Row
from starlette.responses import Response

from hanok.base.clock import zulu
from hanok.store import Transaction
from hanok.web.attributes import Attribute, read_only, text
from hanok.web.doors import changeable, routes, view_for
from hanok.web.listing import COMPUTE
from hanok.web.microversions import Range
from hanok.web.policy import Rule
from hanok.web.request import Request, json_answer
from hanok.web.resources import Api, Kind, of_project
from hanok.web.routes import Route
from hanok.web.token import Caller
from hanok.web.versions import Attribute as Shown
from hanok.web.versions import Shape, field_of
from tests.toy import logic
from tests.toy.operations import BindShelf
from tests.toy.room import Library
from tests.toy.tables import shelves

MICROVERSIONS = Range(header_type="library", minimum=(1, 0), maximum=(1, 2))
MINE = "project_id:%(project_id)s"
RULES = tuple(
    Rule(f"library:{name}", check, f"{what}.")
    for name, check, what in (
        ("context_is_admin", "role:admin", "Reach the shelves of all projects"),
        ("shelves:list", "@", "List the project's shelves"),
        ("shelves:get", MINE, "See a shelf"),
        ("shelves:create", MINE, "Put up a shelf"),
        ("shelves:create:topic", "role:member or role:admin", "Say what a new shelf is about"),
        ("shelves:update", MINE, "Change a shelf"),
        ("shelves:bind", MINE, "Have the books of a shelf bound"),
        ("books:list", MINE, "List the books of a shelf"),
        ("books:create", MINE, "Put a book on a shelf"),
        ("cards:show", "user_id:%(user_id)s", "See the own card"),
    )
)
# What all resources of this API have in common, and one resource: its list, and the doors to make, see and change one.
API = Api[Caller](
    base="/v1",
    reach=Request.reaching,
    style=COMPUTE,
    rule=lambda verb, name: f"library:{'shelves' if name == 'shelf' else name}:{verb}",
    closed=(1, 1),
)
SHELF = Kind[Library, Caller](
    api=API,
    name="shelf",
    plural="shelves",
    path="shelves",
    table=shelves,
    attributes={
        "id": read_only(),
        "name": Attribute(check=text(empty=False)),
        "topic": Attribute(check=text(), default="", since=(1, 1)),
        "status": read_only(),
        "created_at": read_only(),
    },
    columns={"name": shelves.c.name, "topic": shelves.c.topic},
    first="created_at",
    visible=of_project(shelves),
    show=logic.show_shelves,
    create=logic.create_shelf,
    update=logic.update_shelf,
)


class CreateBook(Struct, forbid_unknown_fields=True):
    title: Annotated[str, Meta(max_length=255)]
    isbn: Annotated[
        Annotated[str, Meta(pattern="^[0-9]{13}$")] | UnsetType, field_of(since=(1, 1))
    ] = UNSET


BOOK = Shape(Shown(name="isbn", since=(1, 1)), Shown(name="bound", since=(1, 2)))


def _book(request: Request, row: Row[Any]) -> dict[str, Any]:
    shown = {"id": row.id, "title": row.title, "isbn": row.isbn, "bound": row.bound}
    return request.shown(BOOK)(shown)


async def _shelf(request: Request, tx: Transaction, rule: str) -> tuple[Row[Any], dict[str, Any]]:
    """The shelf of the path, if the caller may do this to it, and how it is shown."""
    return await changeable(request, tx, SHELF, request.reaching(), rule)


async def bind_shelf(request: Request, room: Library) -> Response:
    """POST /shelves/{id}/bind: answers before the books are bound."""
    async with request.transaction() as tx:
        row, view = await _shelf(request, tx, "library:shelves:bind")
        who = {"user_id": request.token.user_id, "project_id": row.project_id}
        await room.operations.start(tx, BindShelf(shelf_id=row.id), **who)
    return json_answer({"shelf": view_for(request, SHELF, view)}, 202)


async def list_books(request: Request, room: Library) -> Response:
    """GET /shelves/{id}/books."""
    async with request.reading() as tx:
        shelf, _ = await _shelf(request, tx, "library:books:list")
        rows = await logic.books_of(tx, shelf.id)
    return json_answer({"books": [_book(request, row) for row in rows]})


async def create_book(request: Request, room: Library) -> Response:
    """POST /shelves/{id}/books."""
    body = await request.body(CreateBook, key="book")
    async with request.transaction() as tx:
        shelf, _ = await _shelf(request, tx, "library:books:create")
        isbn = None if body.isbn is UNSET else body.isbn
        made = await logic.create_book(tx, shelf, body.title, isbn, room.clock.now())
    return json_answer({"book": _book(request, made)}, 201)


async def show_card(request: Request, room: Library) -> Response:
    """GET /card: the caller's own, made when it is first looked at by whom it is for."""
    user_id = request.token.user_id
    request.allow(user_id=user_id)
    async with request.transaction() as tx:
        row = await logic.card_of(tx, user_id, room.clock.now())
    return json_answer({"card": {"user_id": user_id, "created_at": zulu(row.created_at)}})


_ONE = "/v1/shelves/{shelf_id}"
ROUTES = (
    *routes(SHELF),
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
