"""Tags of servers."""

from __future__ import annotations

from starlette.responses import Response

from hanok.base.errors import BadInput, NotFound
from hanok.services.compute.logic import servers
from hanok.services.compute.room import Compute
from hanok.services.compute.routes.servers import readable, told
from hanok.services.compute.schemas import bodies
from hanok.web.request import Request, convert, json_answer, no_content
from hanok.web.routes import Route


async def list_tags(request: Request, room: Compute) -> Response:
    async with request.reading() as tx:
        row = await readable(request, tx)
        return json_answer({"tags": await servers.tags_of(tx, row.id)})


async def replace_tags(request: Request, room: Compute) -> Response:
    body = await request.json()
    if not isinstance(body, dict) or set(body) != {"tags"}:
        raise BadInput("Invalid input: the body is {'tags': […]}.")
    tags = sorted(set(convert(body["tags"], list[bodies.Tag])))
    if len(tags) > 50:
        raise BadInput("The number of tags exceeded the per-server limit 50")
    async with request.transaction() as tx:
        row = await readable(request, tx)
        await servers.set_tags(tx, row, tags)
        await told(request, room, tx, row.id)
    return json_answer({"tags": tags})


async def delete_tags(request: Request, room: Compute) -> Response:
    async with request.transaction() as tx:
        row = await readable(request, tx)
        await servers.set_tags(tx, row, [])
        await told(request, room, tx, row.id)
    return no_content()


async def check_tag(request: Request, room: Compute) -> Response:
    async with request.reading() as tx:
        row = await readable(request, tx)
        if request.path["tag"] not in await servers.tags_of(tx, row.id):
            raise NotFound(f"Server {row.id} has no tag '{request.path['tag']}'")
    return no_content()


async def add_tag(request: Request, room: Compute) -> Response:
    tag = convert(request.path["tag"], bodies.Tag)
    async with request.transaction() as tx:
        row = await readable(request, tx)
        tags = await servers.tags_of(tx, row.id)
        if tag in tags:
            request.unchanged()
            return no_content()
        if len(tags) >= 50:
            raise BadInput("The number of tags exceeded the per-server limit 50")
        await servers.set_tags(tx, row, sorted([*tags, tag]))
        await told(request, room, tx, row.id)
    return no_content(201, {"Location": f"{request.base_url}/v2.1/servers/{row.id}/tags/{tag}"})


async def remove_tag(request: Request, room: Compute) -> Response:
    async with request.transaction() as tx:
        row = await readable(request, tx)
        tags = await servers.tags_of(tx, row.id)
        if request.path["tag"] not in tags:
            raise NotFound(f"Server {row.id} has no tag '{request.path['tag']}'")
        await servers.set_tags(tx, row, [tag for tag in tags if tag != request.path["tag"]])
        await told(request, room, tx, row.id)
    return no_content()


_A = "os_compute_api"
_ONE = "/v2.1/servers/{server_id}"
_CHANGED = "compute.instance.update"
_TAG = _ONE + "/tags/{tag}"
ROUTES = (
    Route("GET", _ONE + "/tags", list_tags, (f"{_A}:os-server-tags:index",), minimum=(2, 26)),
    Route(
        "PUT",
        _ONE + "/tags",
        replace_tags,
        (f"{_A}:os-server-tags:update_all",),
        minimum=(2, 26),
        body=list[str],
        member="tags",
        event=_CHANGED,
    ),
    Route(
        "DELETE",
        _ONE + "/tags",
        delete_tags,
        (f"{_A}:os-server-tags:delete_all",),
        minimum=(2, 26),
        event=_CHANGED,
    ),
    Route("GET", _TAG, check_tag, (f"{_A}:os-server-tags:show",), minimum=(2, 26)),
    Route("PUT", _TAG, add_tag, (f"{_A}:os-server-tags:update",), minimum=(2, 26), event=_CHANGED),
    Route(
        "DELETE",
        _TAG,
        remove_tag,
        (f"{_A}:os-server-tags:delete",),
        minimum=(2, 26),
        event=_CHANGED,
    ),
)
