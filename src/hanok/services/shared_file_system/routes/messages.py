"""Messages to users.

Source: Shared File Systems API reference, "User messages".
"""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa
from starlette.responses import Response

from hanok.base.errors import BadInput
from hanok.services.shared_file_system.logic import messages
from hanok.services.shared_file_system.room import Shares
from hanok.services.shared_file_system.routes import lists
from hanok.services.shared_file_system.schemas import answers
from hanok.services.shared_file_system.tables import share_messages as table
from hanok.web.listing import Filter
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Route
from hanok.web.versions import Parameter, Query


def _moment(text: str, name: str) -> datetime:
    try:
        found = datetime.fromisoformat(text.strip().replace(" ", "+"))
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadInput(f"Invalid value specified for the query key: {name}") from None


def _since(values: list[str]) -> sa.ColumnElement[bool]:
    return table.c.created_at >= _moment(values[-1], "created_since")


def _before(values: list[str]) -> sa.ColumnElement[bool]:
    return table.c.created_at <= _moment(values[-1], "created_before")


_NAMES = {"message_level": table.c.level}
_PLAIN = ("id", "request_id", "resource_type", "resource_id", "action_id", "detail_id")
FILTERS: dict[str, Filter] = {
    **{name: lists.equal(table.c[name]) for name in _PLAIN},
    "message_level": lists.equal(table.c.level),
    "created_since": _since,
    "created_before": _before,
}
LIST = lists.declared(
    table,
    "messages",
    "Message",
    filters=FILTERS,
    sort={
        **{name: table.c[name] for name in (*_PLAIN, "created_at", "project_id")},
        **_NAMES,
    },
)
_TIMES = ("created_since", "created_before")
QUERY = Query(
    *(Parameter(name=name, since=(2, 52)) if name in _TIMES else name for name in LIST.parameters)
)
find = lists.finder(messages.get, "message_id")


async def list_messages(request: Request, room: Shares) -> Response:
    request.allow("", request.own)
    caller = request.reaching()
    statement = messages.of(caller, messages.WHOLE, everywhere=caller.everywhere)
    async with request.reading() as tx:
        page = await LIST.page(request, tx, statement)
    shown = [answers.message(row, base=request.base_url) for row in page.rows]
    return json_answer(LIST.answer(request, page, shown))


async def show_message(request: Request, room: Shares) -> Response:
    async with request.reading() as tx:
        row = await find(request, tx)
    return json_answer({"message": answers.message(row, base=request.base_url)})


async def delete_message(request: Request, room: Shares) -> Response:
    async with request.transaction() as tx:
        await messages.delete(tx, await find(request, tx))
    return no_content()


_ONE = "/v2/messages/{message_id}"
ROUTES = (
    Route("GET", "/v2/messages", list_messages, ("message:get_all",), minimum=(2, 37), query=QUERY),
    Route("GET", _ONE, show_message, ("message:get",), minimum=(2, 37)),
    Route(
        "DELETE", _ONE, delete_message, ("message:delete",), minimum=(2, 37),
        event="shared_file_system.message.delete",
    ),
)  # fmt: skip
