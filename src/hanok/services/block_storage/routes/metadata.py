"""Metadata of volumes and of snapshots.

Source: Block Storage API reference, "Volumes", "Volume snapshots".
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from msgspec import Struct
from sqlalchemy import Row
from starlette.responses import Response

from hanok.base.errors import BadInput, NotFound
from hanok.services.block_storage.logic import snapshots, volumes
from hanok.services.block_storage.room import Volumes
from hanok.services.block_storage.routes import snapshots as snapshot_routes
from hanok.services.block_storage.routes import volumes as volume_routes
from hanok.services.block_storage.schemas import bodies
from hanok.store import Transaction
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Handler, Route


class Whose(Struct, frozen=True, kw_only=True):
    """What has metadata. find: the row of the path, if the caller may do this to it; change: writes it."""

    path: str
    noun: str
    find: Callable[[Request, Transaction, str], Awaitable[Row[Any]]]
    change: Callable[..., Awaitable[None]]

    def rule(self, verb: str) -> str:
        return f"volume:{verb}_{self.noun}_metadata"


def _held(row: Row[Any], key: str) -> str:
    """Raises NotFound."""
    if key not in row.metadata:
        raise NotFound(f"Metadata item was not found: {key[:255]}.")
    return str(row.metadata[key])


def _handlers(whose: Whose) -> dict[str, Handler]:
    async def show(request: Request, room: Volumes) -> Response:
        async with request.reading() as tx:
            row = await whose.find(request, tx, whose.rule("get"))
        return json_answer({"metadata": row.metadata})

    async def _write(request: Request, room: Volumes, rule: str, *, merged: bool) -> Response:
        sent = await request.body(bodies.Metadata, key="metadata")
        async with request.transaction() as tx:
            row = await whose.find(request, tx, rule)
            now = {**row.metadata, **sent} if merged else sent
            bodies.check_items(now)
            await whose.change(tx, row.id, {"metadata": now}, room.clock.now())
        return json_answer({"metadata": now})

    async def add(request: Request, room: Volumes) -> Response:
        verb = "create" if whose.noun == "volume" else "update"
        return await _write(request, room, whose.rule(verb), merged=True)

    async def replace(request: Request, room: Volumes) -> Response:
        return await _write(request, room, whose.rule("update"), merged=False)

    async def show_item(request: Request, room: Volumes) -> Response:
        key = request.path["key"]
        async with request.reading() as tx:
            row = await whose.find(request, tx, whose.rule("get"))
        return json_answer({"meta": {key: _held(row, key)}})

    async def put_item(request: Request, room: Volumes) -> Response:
        body = await request.body(bodies.MetadataItem)
        key = request.path["key"]
        if key not in body.meta:
            raise BadInput("Request body and URI mismatch.")
        async with request.transaction() as tx:
            row = await whose.find(request, tx, whose.rule("update"))
            now = {**row.metadata, **body.meta}
            bodies.check_items(now)
            await whose.change(tx, row.id, {"metadata": now}, room.clock.now())
        return json_answer({"meta": body.meta})

    async def delete_item(request: Request, room: Volumes) -> Response:
        key = request.path["key"]
        async with request.transaction() as tx:
            row = await whose.find(request, tx, whose.rule("delete"))
            _held(row, key)
            left = {name: value for name, value in row.metadata.items() if name != key}
            await whose.change(tx, row.id, {"metadata": left}, room.clock.now())
        return no_content(200)

    return {
        "show": show,
        "add": add,
        "replace": replace,
        "show_item": show_item,
        "put_item": put_item,
        "delete_item": delete_item,
    }


def _routes(whose: Whose) -> tuple[Route, ...]:
    do, one = _handlers(whose), whose.path + "/{key}"
    event = f"block_storage.{whose.noun}.update.end"
    add = whose.rule("create" if whose.noun == "volume" else "update")
    return (
        Route("GET", whose.path, do["show"], (whose.rule("get"),)),
        Route(
            "POST", whose.path, do["add"], (add,), body=bodies.Metadata, member="metadata",
            strict=True, event=event,
        ),
        Route(
            "PUT", whose.path, do["replace"], (whose.rule("update"),), body=bodies.Metadata,
            member="metadata", strict=True, event=event,
        ),
        Route("GET", one, do["show_item"], (whose.rule("get"),)),
        Route(
            "PUT", one, do["put_item"], (whose.rule("update"),), body=bodies.MetadataItem,
            strict=True, event=event,
        ),
        Route("DELETE", one, do["delete_item"], (whose.rule("delete"),), event=event),
    )  # fmt: skip


VOLUMES = Whose(
    path="/v3/volumes/{volume_id}/metadata",
    noun="volume",
    find=volume_routes.readable,
    change=volumes.change,
)
SNAPSHOTS = Whose(
    path="/v3/snapshots/{snapshot_id}/metadata",
    noun="snapshot",
    find=snapshot_routes.readable,
    change=snapshots.change,
)
ROUTES = (*_routes(VOLUMES), *_routes(SNAPSHOTS))
