"""Accounts."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row
from starlette.responses import Response

from hanok.services.object_storage.logic import accounts, containers, listing
from hanok.services.object_storage.logic.names import POLICY, Said, stamp
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
    if row is not None and row.containers:  # there is one policy, so all is of that
        policy = f"X-Account-Storage-Policy-{POLICY}"
        found |= {f"{policy}-{noun}-Count": str(count) for noun, count in counts.items()}
        found[f"{policy}-Bytes-Used"] = str(size)
    if accounts.QUOTA in metadata:
        found["X-Account-Quota-Bytes"] = metadata[accounts.QUOTA]
    token = call.request.optional_token
    if token is not None and token.project_id == call.address.account and token.project_domain_id:
        found["X-Account-Project-Domain-Id"] = token.project_domain_id
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
    kind = listings.form(call)
    async with call.room.database.read() as tx:
        row = await accounts.get(tx, call.address.account)
    return empty(204, {**_headers(call, row), "Content-Type": f"{kind}; charset=utf-8"})


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
    changes = headers.metadata(call, "account", removals=True) | _quotas(call)
    for name, what in ((accounts.QUOTA, "bytes"), (accounts.QUOTA_COUNT, "count")):
        said = changes.get(name)
        if said is not None and not call.reseller:
            raise Said(403)
        if said and not (said.isascii() and said.isdigit() and len(said) < 19):
            raise Said(400, f"Invalid {what} quota.")
    account, room = call.address.account, call.room
    async with room.database.write() as tx:
        made = await accounts.get(tx, account) is None
        row = await accounts.held(tx, account, room.now_us())
        metadata = containers.merged(row.metadata, changes)
        own = {name: value for name, value in metadata.items() if name != accounts.QUOTA_COUNT}
        headers.check(own, "account")
        await accounts.write_metadata(tx, account, metadata)
        await room.tell(tx, "account.updated", account, "", user_id=call.user_id)
    return made


def _quotas(call: Call) -> dict[str, str]:
    """The quotas of an account that have headers of their own; "" takes one away.

    Raises:
        Said
    """
    found: dict[str, str] = {}
    for name, value in call.headers.items():
        removed = name.startswith("x-remove-account-quota-")
        if removed or name.startswith("x-account-quota-"):
            what = name.removeprefix("x-remove-").removeprefix("x-")
            if what not in ("account-quota-bytes", "account-quota-count"):
                raise Said(501, f"{name} is not served here: there is one storage policy")
            key = accounts.QUOTA if what.endswith("bytes") else accounts.QUOTA_COUNT
            found[key] = "" if removed else value
    return found


async def _delete(call: Call) -> Response:
    if not call.reseller:
        raise Said(403) if call.request.optional_token is not None else call.refuse()
    async with call.room.database.write() as tx:
        await accounts.remove(tx, call.address.account)
        await call.room.tell(tx, "account.deleted", call.address.account, "", user_id=call.user_id)
    return empty(204)
