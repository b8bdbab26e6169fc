"""Messages to users. Source: Block Storage API reference, "Messages"."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from hanok.services.block_storage.logic import messages
from hanok.services.block_storage.room import Volumes
from hanok.services.block_storage.routes import lists
from hanok.services.block_storage.schemas import answers
from hanok.services.block_storage.tables import volume_messages as table
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Route
from hanok.web.versions import Parameter, Query

SINCE = (3, 3)
LIST = lists.declared(
    table,
    "messages",
    "Message",
    filters=("resource_uuid", "resource_type", "event_id", "request_id", "message_level"),
    sort=(
        "id", "event_id", "resource_uuid", "resource_type", "request_id", "message_level", "created_at",
        "guaranteed_until",
    ),
    columns={
        "resource_uuid": table.c.resource_id,
        "message_level": table.c.level,
        "guaranteed_until": table.c.expires_at,
    },
)  # fmt: skip
_mine = lists.finder(messages.get, "message_id", user=False)
QUERY = Query(*(Parameter(name=name, since=(3, 5)) for name in LIST.parameters))


async def list_messages(request: Request, room: Volumes) -> Response:
    request.allow("message:get_all", request.own)
    async with request.reading() as tx:
        page = await LIST.page(request, tx, messages.of(request.reaching(), messages.WHOLE))
    items = [_shown(request, row) for row in page.rows]
    return json_answer(LIST.answer(request, page, items))


def _shown(request: Request, row: Any) -> dict[str, Any]:
    return {**answers.message(row), "links": answers.links(request.base_url, "messages", row.id)}


async def show_message(request: Request, room: Volumes) -> Response:
    async with request.reading() as tx:
        row = await _mine(request, tx)
    return json_answer({"message": _shown(request, row)})


async def delete_message(request: Request, room: Volumes) -> Response:
    async with request.transaction() as tx:
        await messages.delete(tx, await _mine(request, tx))
    return no_content(204)


_ONE = "/v3/messages/{message_id}"
ROUTES = (
    Route("GET", "/v3/messages", list_messages, ("message:get_all",), query=QUERY, minimum=SINCE),
    Route("GET", _ONE, show_message, ("message:get",), minimum=SINCE),
    Route("DELETE", _ONE, delete_message, ("message:delete",), minimum=SINCE),
)
