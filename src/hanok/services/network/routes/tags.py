"""Tags of the resources that have them.

Source: Networking API v2.0 reference, "Standard attributes tag extension".
"""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from hanok.base.errors import BadInput, NotFound
from hanok.services.network.logic.errors import disallowed
from hanok.services.network.logic.reach import STORED, Reach, change, set_tags
from hanok.services.network.room import Network
from hanok.services.network.routes.api import BODIES, reach_of
from hanok.services.network.routes.kinds import TAGGED
from hanok.services.network.schemas.values import tag as a_tag
from hanok.services.network.schemas.values import tag_list
from hanok.store import Transaction
from hanok.web.doors import find, target_of
from hanok.web.request import Request, json_answer, no_content
from hanok.web.resources import Kind
from hanok.web.routes import Route

MOST_TAGS = 50


async def _found(
    request: Request, tx: Transaction, kind: Kind[Network, Reach], rule: str
) -> tuple[Any, list[str]]:
    row, view = await find(request, tx, kind, reach_of(request), request.path["resource_id"])
    if not request.may(rule, target_of(view)):
        raise disallowed(rule)
    return row, list(view["tags"])


def _no_tag(tag: str) -> NotFound:
    return NotFound(f"Tag {tag} could not be found.", code="TagNotFound")


async def _body(request: Request) -> list[str]:
    body = await request.json()
    if not isinstance(body, dict) or set(body) != {"tags"} or not isinstance(body["tags"], list):
        raise BadInput("Invalid tags body")
    return list(BODIES.checked("tags", tag_list, body["tags"]))


async def _write(
    tx: Transaction, room: Network, kind: Kind[Network, Reach], row: Any, wanted: list[str]
) -> None:
    if len(wanted) > MOST_TAGS:
        raise BadInput(f"A resource has at most {MOST_TAGS} tags.")
    await set_tags(tx, row.id, wanted)
    await change(tx, STORED[kind.name], row.id, room.clock.now(), {})


def routes(kind: Kind[Network, Reach]) -> list[Route]:
    """The seven operations on the tags of a kind."""
    get, create, update, delete = (
        f"{verb}_{kind.name}:tags" for verb in ("get", "create", "update", "delete")
    )

    async def list_tags(request: Request, room: Network) -> Response:
        async with request.reading() as tx:
            _, tags = await _found(request, tx, kind, get)
        return json_answer({"tags": tags})

    async def show_tag(request: Request, room: Network) -> Response:
        async with request.reading() as tx:
            _, tags = await _found(request, tx, kind, get)
        if request.path["tag"] not in tags:
            raise _no_tag(request.path["tag"])
        return no_content()

    async def replace(request: Request, room: Network) -> Response:
        wanted = await _body(request)
        async with request.transaction() as tx:
            row, _ = await _found(request, tx, kind, update)
            await _write(tx, room, kind, row, wanted)
        return json_answer({"tags": wanted})

    async def add_several(request: Request, room: Network) -> Response:
        wanted = await _body(request)
        async with request.transaction() as tx:
            row, tags = await _found(request, tx, kind, create)
            wanted = list(dict.fromkeys([*tags, *wanted]))
            await _write(tx, room, kind, row, wanted)
        return json_answer({"tags": wanted})

    async def add(request: Request, room: Network) -> Response:
        tag = BODIES.checked("tag", a_tag, request.path["tag"])
        async with request.transaction() as tx:
            row, tags = await _found(request, tx, kind, update)
            await _write(tx, room, kind, row, list(dict.fromkeys([*tags, tag])))
        return no_content(201)

    async def remove_all(request: Request, room: Network) -> Response:
        async with request.transaction() as tx:
            row, _ = await _found(request, tx, kind, delete)
            await _write(tx, room, kind, row, [])
        return no_content()

    async def remove(request: Request, room: Network) -> Response:
        async with request.transaction() as tx:
            row, tags = await _found(request, tx, kind, delete)
            if request.path["tag"] not in tags:
                raise _no_tag(request.path["tag"])
            tags.remove(request.path["tag"])
            await _write(tx, room, kind, row, tags)
        return no_content()

    base = f"/v2.0/{kind.path}/{{resource_id}}/tags"
    return [
        Route("GET", base, list_tags, (get,)),
        Route("PUT", base, replace, (update,), strict=True, body=list[str], member="tags"),
        Route("POST", base, add_several, (create,), strict=True, body=list[str], member="tags"),
        Route("DELETE", base, remove_all, (delete,)),
        Route("GET", f"{base}/{{tag}}", show_tag, (get,)),
        Route("PUT", f"{base}/{{tag}}", add, (update,)),
        Route("DELETE", f"{base}/{{tag}}", remove, (delete,)),
    ]


ROUTES = tuple(route for kind in TAGGED for route in routes(kind))
