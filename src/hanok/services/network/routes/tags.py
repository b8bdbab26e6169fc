"""Tags of the resources that have them.

Source: Networking API v2.0 reference, "Standard attributes tag extension".
"""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from hanok.base.errors import BadInput, NotFound
from hanok.services.network.logic.reach import STORED, Reach, change, set_tags
from hanok.services.network.room import Network
from hanok.services.network.routes.api import BODIES, reach_of
from hanok.services.network.routes.kinds import QOS_POLICY, TAGGED
from hanok.services.network.schemas.values import tag as a_tag
from hanok.services.network.schemas.values import tag_list
from hanok.store import Transaction
from hanok.web.doors import changeable
from hanok.web.request import Request, json_answer, no_content
from hanok.web.resources import Kind
from hanok.web.routes import Route

MAXIMUM_TAGS = 50


async def _found(
    request: Request, tx: Transaction, kind: Kind[Network, Reach], rule: str
) -> tuple[Any, list[str]]:
    reach = reach_of(request)
    row, view = await changeable(request, tx, kind, reach, rule, parameter="resource_id")
    return row, list(view["tags"])


def _no_tag(tag: str) -> NotFound:
    return NotFound(f"Tag {tag} could not be found.", code="TagNotFound")


async def _body(request: Request) -> list[str]:
    body = await request.json()
    if not isinstance(body, dict) or set(body) != {"tags"} or not isinstance(body["tags"], list):
        raise BadInput("Invalid tags body")
    return list(BODIES.checked("tags", tag_list, body["tags"]))


async def _write(
    request: Request,
    tx: Transaction,
    room: Network,
    kind: Kind[Network, Reach],
    row: Any,
    requested: list[str],
    *said: str,
) -> None:
    """A resource has these tags. said: those that the request's event tells of."""
    if len(requested) > MAXIMUM_TAGS:
        raise BadInput(f"A resource has at most {MAXIMUM_TAGS} tags.")
    await set_tags(tx, row.id, requested)
    await change(tx, STORED[kind.name], row.id, room.clock.now(), {})
    about = {"obj_resource": kind.plural, "obj_resource_id": row.id}
    request.made(row.id, {**about, "tags": list(said)} if said else about, noun=kind.name)


def routes(kind: Kind[Network, Reach], path: str = "") -> list[Route]:
    """The seven operations on the tags of a kind. path: of the kind, where tags have another one, too."""
    get, create, update, delete = (
        # Upstream calls those of segments as it did all of them once.
        f"{verb}_{kind.name}s_tags" if kind.name == "segment" else f"{verb}_{kind.name}:tags"
        for verb in ("get", "create", "update", "delete")
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
        requested = await _body(request)
        async with request.transaction() as tx:
            row, _ = await _found(request, tx, kind, update)
            await _write(request, tx, room, kind, row, requested, *requested)
        return json_answer({"tags": requested})

    async def add_several(request: Request, room: Network) -> Response:
        requested = await _body(request)
        async with request.transaction() as tx:
            row, tags = await _found(request, tx, kind, create)
            said, requested = requested, list(dict.fromkeys([*tags, *requested]))
            await _write(request, tx, room, kind, row, requested, *said)
        return json_answer({"tags": requested})

    async def add(request: Request, room: Network) -> Response:
        tag = BODIES.checked("tag", a_tag, request.path["tag"])
        async with request.transaction() as tx:
            row, tags = await _found(request, tx, kind, update)
            requested = list(dict.fromkeys([*tags, tag]))
            await _write(request, tx, room, kind, row, requested, tag)
        return no_content(201)

    async def remove_all(request: Request, room: Network) -> Response:
        async with request.transaction() as tx:
            row, _ = await _found(request, tx, kind, delete)
            await _write(request, tx, room, kind, row, [])
        return no_content()

    async def remove(request: Request, room: Network) -> Response:
        async with request.transaction() as tx:
            row, tags = await _found(request, tx, kind, delete)
            if request.path["tag"] not in tags:
                raise _no_tag(request.path["tag"])
            tags.remove(request.path["tag"])
            await _write(request, tx, room, kind, row, tags, request.path["tag"])
        return no_content()

    base = f"/v2.0/{path or kind.path}/{{resource_id}}/tags"
    return [
        Route("GET", base, list_tags, (get,)),
        Route(
            "PUT",
            base,
            replace,
            (update,),
            strict=True,
            body=list[str],
            member="tags",
            event="network.tag.update.end",
        ),
        Route(
            "POST",
            base,
            add_several,
            (create,),
            strict=True,
            body=list[str],
            member="tags",
            event="network.tag.create.end",
        ),
        Route("DELETE", base, remove_all, (delete,), event="network.tag.delete_all.end"),
        Route("GET", f"{base}/{{tag}}", show_tag, (get,)),
        Route("PUT", f"{base}/{{tag}}", add, (update,), event="network.tag.create.end"),
        Route("DELETE", f"{base}/{{tag}}", remove, (delete,), event="network.tag.delete.end"),
    ]


ROUTES = (
    *(route for kind in TAGGED for route in routes(kind)),
    *routes(QOS_POLICY, "policies"),  # as clients knew it before it was under /qos
)
