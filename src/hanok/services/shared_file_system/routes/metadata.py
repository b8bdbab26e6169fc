"""Metadata of shares, snapshots and export locations: all of it, or one key.

Source: Shared File Systems API reference, "Share metadata", "Snapshot metadata", "Share export location metadata".
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any

from msgspec import Struct
from sqlalchemy import Row
from starlette.responses import Response

from hanok.base.errors import BadInput, Forbidden, NotFound
from hanok.services.shared_file_system.room import Shares
from hanok.services.shared_file_system.schemas.values import ITEMS, check_metadata
from hanok.store import Transaction
from hanok.web.microversions import Version
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Handler, Route

Find = Callable[[Request, Transaction, str], Awaitable[Row[Any]]]
Keep = Callable[[Transaction, Shares, Row[Any], dict[str, str]], Awaitable[None]]


def checked(
    request: Request, sent: object, rule: str, keys: Collection[str] = ()
) -> dict[str, str]:
    """Metadata that is sent. Raises BadInput; Forbidden for keys that only those set whom a rule lets."""
    found = check_metadata(sent)
    held = frozenset(keys or reserved(request))
    if rule and held & found.keys() and not request.may(rule, request.own):
        raise Forbidden("Cannot set or update admin only metadata.")
    return found


def reserved(request: Request) -> frozenset[str]:
    """The keys that not everybody sets."""
    room: Shares = request.service.room
    return frozenset(room.settings.admin_only_metadata)


class Kind(Struct, frozen=True, kw_only=True):
    """What has metadata.

    find: reads it, for who may look. change: the same for who may change it; both take the rule that is asked.
    get, put, drop: the rules. whole: the one of keys that not everybody sets; "": there are none. keep: writes it.
    reserved: those keys; none: those that the settings name.
    """

    path: str
    get: str
    put: str
    drop: str
    find: Find
    change: Find
    keep: Keep
    event: str
    whole: str = ""
    reserved: tuple[str, ...] = ()
    minimum: Version | None = None

    def sent(self, request: Request, sent: object) -> dict[str, str]:
        return checked(request, sent, self.whole, self.reserved)


async def _whole(request: Request, tx: Transaction, kind: Kind) -> Response:
    row = await kind.find(request, tx, kind.get)
    return json_answer({"metadata": dict(row.metadata)})


def _held(request: Request, kind: Kind, row: Row[Any]) -> Mapping[str, str]:
    """What stays whatever is sent by who may not set it."""
    if not kind.whole or request.may(kind.whole, request.own):
        return {}
    keys = kind.reserved or reserved(request)
    return {name: value for name, value in row.metadata.items() if name in keys}


def routes(kind: Kind) -> tuple[Route, ...]:
    """The doors of a kind's metadata."""

    async def index(request: Request, room: Shares) -> Response:
        async with request.reading() as tx:
            return await _whole(request, tx, kind)

    async def show(request: Request, room: Shares) -> Response:
        key = request.path["key"]
        async with request.reading() as tx:
            row = await kind.find(request, tx, kind.get)
        if key not in row.metadata:
            raise _no_key(key)
        return json_answer({"meta": {key: row.metadata[key]}})

    async def change(request: Request, room: Shares, *, replace: bool) -> Response:
        sent = kind.sent(request, await request.body(dict[str, Any], key="metadata"))
        async with request.transaction() as tx:
            row = await kind.change(request, tx, kind.put)
            held = _held(request, kind, row)
            merged = {**({} if replace else row.metadata), **sent, **held}
            if len(merged) > ITEMS:
                raise BadInput(f"Invalid metadata: there are at most {ITEMS} items.")
            await kind.keep(tx, room, row, merged)
        return json_answer({"metadata": merged})

    async def add(request: Request, room: Shares) -> Response:
        return await change(request, room, replace=False)

    async def put(request: Request, room: Shares) -> Response:
        return await change(request, room, replace=True)

    async def drop(request: Request, room: Shares) -> Response:
        key = request.path["key"]
        async with request.transaction() as tx:
            row = await kind.change(request, tx, kind.drop)
            if key not in row.metadata:
                raise _no_key(key)
            if key in _held(request, kind, row):
                raise Forbidden("Cannot set or update admin only metadata.")
            left = {name: value for name, value in row.metadata.items() if name != key}
            await kind.keep(tx, room, row, left)
        return no_content(200)

    path, one = f"{kind.path}/metadata", f"{kind.path}/metadata/{{key}}"
    more = (kind.whole,) if kind.whole else ()
    puts, drops = (kind.put, *more), (kind.drop, *more)
    event = f"{kind.event}.update.end"

    def changes(method: str, handler: Handler) -> Route:
        return Route(
            method, path, handler, puts, minimum=kind.minimum, event=event, body=dict[str, Any],
            member="metadata",
        )  # fmt: skip

    return (
        Route("GET", path, index, (kind.get,), minimum=kind.minimum),
        changes("POST", add),
        changes("PUT", put),
        Route("GET", one, show, (kind.get,), minimum=kind.minimum),
        Route("DELETE", one, drop, drops, minimum=kind.minimum, event=event),
    )


def _no_key(key: str) -> NotFound:
    return NotFound(f"Metadata item {key[:255]} is not found.")
