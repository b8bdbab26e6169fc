"""Metadata of a thing that keeps it in a column of its row.

Source: Shared File Systems API reference, "Share network subnet metadata", "Share replica metadata".
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy import Row
from starlette.responses import Response

from hanok.base.errors import BadInput, NotFound
from hanok.services.shared_file_system.room import Shares
from hanok.services.shared_file_system.schemas.values import check_metadata
from hanok.store import Transaction
from hanok.web.microversions import Version
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Handler, Route

Find = Callable[[Request, Transaction], Awaitable[Row[Any]]]
"""The row of the path, if the caller may do to it what the route is about. Raises NotFound, Forbidden."""
Keep = Callable[[Transaction, Shares, Row[Any], dict[str, str]], Awaitable[None]]


def held(metadata: dict[str, str], key: str) -> str:
    """A key of metadata. Raises NotFound."""
    if key not in metadata:
        raise NotFound(f"Metadata item {key[:100]} was not found.")
    return key


def _readers(find: Find) -> tuple[Handler, Handler]:
    """The handlers that show all, and one item."""

    async def every(request: Request, room: Shares) -> Response:
        async with request.reading() as tx:
            row = await find(request, tx)
        return json_answer({"metadata": row.metadata})

    async def one(request: Request, room: Shares) -> Response:
        async with request.reading() as tx:
            row = await find(request, tx)
        key = held(row.metadata, request.path["key"])
        return json_answer({"meta": {key: row.metadata[key]}})

    return every, one


def _setters(find: Find, keep: Keep) -> tuple[Handler, Handler]:
    """The handlers that add items, and that put others in place of all."""

    async def add(request: Request, room: Shares) -> Response:
        sent = check_metadata(await request.body(dict[str, Any], key="metadata"))
        async with request.transaction() as tx:
            row = await find(request, tx)
            merged = check_metadata({**row.metadata, **sent})
            await keep(tx, room, row, merged)
        return json_answer({"metadata": merged})

    async def replace(request: Request, room: Shares) -> Response:
        sent = check_metadata(await request.body(dict[str, Any], key="metadata"))
        async with request.transaction() as tx:
            row = await find(request, tx)
            await keep(tx, room, row, sent)
        return json_answer({"metadata": sent})

    return add, replace


def _of_items(find: Find, keep: Keep) -> tuple[Handler, Handler]:
    """The handlers that put one item, and take one away."""

    async def put(request: Request, room: Shares) -> Response:
        sent = check_metadata(await request.body(dict[str, Any], key="metadata"))
        if list(sent) != [request.path["key"]]:
            raise BadInput("Request body and URI mismatch")
        async with request.transaction() as tx:
            row = await find(request, tx)
            await keep(tx, room, row, check_metadata({**row.metadata, **sent}))
        return json_answer({"metadata": sent})

    async def drop(request: Request, room: Shares) -> Response:
        async with request.transaction() as tx:
            row = await find(request, tx)
            key = held(row.metadata, request.path["key"])
            left = {name: value for name, value in row.metadata.items() if name != key}
            await keep(tx, room, row, left)
        return no_content(200)

    return put, drop


def routes(
    path: str,
    find: Find,
    keep: Keep,
    *,
    minimum: Version,
    event: str,
    read: str,
    write: str,
    drop: str,
) -> tuple[Route, ...]:
    """The routes of the metadata of what is at a path. read, write, drop: the rules."""
    show, show_one = _readers(find)
    add, replace = _setters(find, keep)
    put, take = _of_items(find, keep)
    every, key = f"{path}/metadata", f"{path}/metadata/{{key}}"
    told: dict[str, Any] = {
        "minimum": minimum,
        "body": dict[str, Any],
        "member": "metadata",
        "event": f"{event}.update",
    }
    return (
        Route("GET", every, show, (read,), minimum=minimum),
        Route("GET", key, show_one, (read,), minimum=minimum),
        Route("POST", every, add, (write,), **told),
        Route("PUT", every, replace, (write,), **told),
        Route("PUT", key, put, (write,), **told),
        Route("DELETE", key, take, (drop,), minimum=minimum, event=f"{event}.delete"),
    )
