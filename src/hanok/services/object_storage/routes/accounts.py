"""Accounts."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row
from starlette.responses import Response

from hanok.services.object_storage.logic import accounts, containers, listing
from hanok.services.object_storage.logic.names import Said, stamp
from hanok.services.object_storage.routes import headers, listings
from hanok.services.object_storage.routes.call import Call, empty


async def answer(call: Call) -> Response:
    """A request about an account."""
    doors = {"GET": _get, "HEAD": _head, "POST": _post, "PUT": _put, "DELETE": _delete}
    door = doors.get(call.method)
    if door is None:
        raise Said(405, "", {"Allow": "DELETE, GET, HEAD, OPTIONS, POST, PUT"})
    return await door(call)


def _headers(call: Call, row: Row[Any] | None) -> dict[str, str]:
    if row is None:  # it is made by the first write
        counts = {"Container": 0, "Object": 0}
        size, at, metadata = 0, call.room.now_us(), {}
    else:
        counts = {"Container": row.containers, "Object": row.objects}
        size, at, metadata = row.bytes, row.created_us, row.metadata
    found = {f"X-Account-{noun}-Count": str(count) for noun, count in counts.items()}
    found |= {
        "X-Account-Bytes-Used": str(size),
        "X-Timestamp": stamp(at),
        "X-Put-Timestamp": stamp(at),
        "Accept-Ranges": "bytes",
    }
    return found | headers.shown(metadata, owner=call.owner)


async def _get(call: Call) -> Response:
    call.check_reads_account()
    kind, page = listings.form(call), listings.page(call)
    async with call.room.database.read() as tx:
        row = await accounts.get(tx, call.address.account)
        found = await listing.of_containers(tx, call.address.account, page)
    return listings.answer(call, kind, found, _headers(call, row))


async def _head(call: Call) -> Response:
    call.check_reads_account()
    listings.form(call)
    async with call.room.database.read() as tx:
        row = await accounts.get(tx, call.address.account)
    return empty(204, {**_headers(call, row), "Content-Type": "text/plain; charset=utf-8"})


async def _post(call: Call) -> Response:
    call.check_owner()
    await _change(call)
    return empty(204)


async def _put(call: Call) -> Response:
    if not call.reseller:
        raise Said(403) if call.request.optional_token is not None else call.refuse()
    made = await _change(call)
    return empty(201 if made else 202)


async def _change(call: Call) -> bool:
    changes = headers.metadata(call, "account", removals=True)
    if accounts.QUOTA in changes:
        if not call.reseller:
            raise Said(403)
        said = changes[accounts.QUOTA]
        if said and not (said.isascii() and said.isdigit() and len(said) < 19):
            raise Said(400, "Invalid bytes quota.")
    for name in call.headers:
        if name.startswith(("x-account-quota-", "x-remove-account-quota-")):
            raise Said(501, f"{name} is not served here; say X-Account-Meta-Quota-Bytes")
    account, room = call.address.account, call.room
    async with room.database.write() as tx:
        made = await accounts.get(tx, account) is None
        row = await accounts.held(tx, account, room.now_us())
        metadata = containers.merged(row.metadata, changes)
        headers.check(metadata, "account")
        await accounts.write_metadata(tx, account, metadata)
        await room.tell(tx, "account.updated", account, "", user_id=call.user_id)
    return made


async def _delete(call: Call) -> Response:
    if not call.reseller:
        raise Said(403) if call.request.optional_token is not None else call.refuse()
    async with call.room.database.write() as tx:
        await accounts.remove(tx, call.address.account)
        await call.room.tell(tx, "account.deleted", call.address.account, "", user_id=call.user_id)
    return empty(204)
