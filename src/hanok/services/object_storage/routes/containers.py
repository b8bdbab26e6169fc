"""Containers."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from msgspec import structs
from sqlalchemy import Row
from starlette.responses import Response

from hanok.services.object_storage.logic import acls, containers, listing
from hanok.services.object_storage.logic.names import (
    CONTAINER_NAME,
    META_VALUE,
    POLICY,
    Said,
    header_name,
    http_date,
    stamp,
)
from hanok.services.object_storage.routes import headers, listings, versions
from hanok.services.object_storage.routes.call import Call, empty

# Of features that are not served: said so, not kept as if they did something.
_REFUSED = ("x-container-sync-to",)
# Kept and shown; without a place to sync to, it does nothing upstream either.
_SYNC_KEY = "x-container-sync-key"


async def answer(call: Call) -> Response:
    """A request about a container."""
    doors = {"GET": _get, "HEAD": _get, "POST": _post, "PUT": _put, "DELETE": _delete}
    door = doors.get(call.method)
    if door is None:
        raise Said(405, "", {"Allow": "DELETE, GET, HEAD, OPTIONS, POST, PUT"})
    return await door(call)


def _headers(call: Call, row: Row[Any]) -> dict[str, str]:
    found = {
        "X-Container-Object-Count": str(row.objects),
        "X-Container-Bytes-Used": str(row.bytes),
        "X-Timestamp": stamp(row.created_us),
        "X-Put-Timestamp": stamp(row.created_us),
        "Last-Modified": http_date(row.changed_us),
        "Accept-Ranges": "bytes",
        "X-Storage-Policy": POLICY,
    }
    found |= versions.shown(row)
    if row.versions_mode in ("stack", "history"):
        name = "X-Versions-Location" if row.versions_mode == "stack" else "X-History-Location"
        found[name] = quote(row.versions_location)
    owner = call.owns(row.account)
    if owner and row.read_acl:
        found["X-Container-Read"] = headers.wire(row.read_acl)
    if owner and row.write_acl:
        found["X-Container-Write"] = headers.wire(row.write_acl)
    return found | headers.shown(row.metadata, owner=owner)


async def _get(call: Call) -> Response:
    account, name = call.address.account, call.address.container
    async with call.room.database.read() as tx:
        found = await containers.get(tx, account, name)
    row = call.check_reads(found, account, listing=True)
    kind, page = listings.form(call), listings.page(call)
    if call.method == "HEAD":
        return empty(204, {**_headers(call, row), "Content-Type": f"{kind}; charset=utf-8"})
    if "versions" in call.query:
        call.check_owner()
        return await versions.listed(call, row, _headers(call, row))
    async with call.room.database.read() as tx:
        names = await listing.of_objects(tx, row.id, page)
    return listings.answer(call, kind, names, _headers(call, row))


def _changes(call: Call) -> containers.Changes:
    """What a request says of a container.

    Raises:
        Said
    """
    sent = call.headers
    for name in _REFUSED:
        if sent.get(name):
            raise Said(501, f"{name} is not served here")
    found = headers.metadata(call, "container", removals=True)
    for quota, what in ((containers.QUOTA_BYTES, "bytes"), (containers.QUOTA_COUNT, "count")):
        said = found.get(quota, "")
        if said and not (said.isascii() and said.isdigit() and len(said) < 19):
            raise Said(400, f"Invalid {what} quota.")
    if (key := sent.get(_SYNC_KEY)) is not None:
        found[_SYNC_KEY] = headers.text(key, _SYNC_KEY)
        if len(found[_SYNC_KEY].encode()) > META_VALUE:
            raise Said(400, f"X-Container-Sync-Key is longer than {META_VALUE} bytes")
    if "x-container-read" in sent or "x-container-write" in sent:
        token = call.request.optional_token
        mine = token is not None and token.project_id == call.address.account
        found[headers.DOMAIN] = (token.project_domain_id or "") if token and mine else ""
    return containers.Changes(
        metadata=found,
        read_acl=_acl(call, "read"),
        write_acl=_acl(call, "write"),
        versions=_versions(call),
    )


def _check(row: Row[Any], changes: containers.Changes) -> None:
    """Hold what a container's metadata comes to against its limits."""
    whole = containers.merged(row.metadata, changes.metadata)
    headers.check(
        {name: value for name, value in whole.items() if name.startswith("x-container-meta-")},
        "container",
    )


def _acl(call: Call, kind: str) -> str | None:
    if call.headers.get(f"x-remove-container-{kind}"):
        return ""
    said = call.headers.get(f"x-container-{kind}")
    if said is None:
        return None
    return acls.cleaned(f"x-container-{kind}", headers.text(said, f"X-Container-{kind.title()}"))


def _versions(call: Call) -> tuple[str, str] | None:
    sent = call.headers
    stack, history = sent.get("x-versions-location"), sent.get("x-history-location")
    if stack and history:
        raise Said(400, "Only one of X-History-Location or X-Versions-Location may be specified")
    for mode, said in (("stack", stack), ("history", history)):
        if said:
            return mode, _location(header_name(said))
    removed = ("x-remove-versions-location", "x-remove-history-location")
    if stack == "" or history == "" or any(sent.get(name) for name in removed):
        return "", ""
    return None


def _location(said: str) -> str:
    if not said or "/" in said or len(said.encode()) > CONTAINER_NAME:
        raise Said(412, "X-Versions-Location must be the name of a container")
    return said


def _check_policy(call: Call, row: Row[Any] | None) -> None:
    said = call.headers.get("x-storage-policy")
    if said and said.lower() != POLICY.lower():
        raise Said(400, f"Invalid X-Storage-Policy {said[:100]!r}")


async def _put(call: Call) -> Response:
    call.check_owner()
    if "/" in call.address.container:
        raise Said(400, "A container's name has no slash")
    _check_policy(call, None)
    changes = _changes(call)
    room, (account, name) = call.room, (call.address.account, call.address.container)
    async with room.database.write() as tx:
        mode = versions.mode(call, await containers.get(tx, account, name))
        changes = changes if mode is None else structs.replace(changes, versions=mode)
        row, made = await containers.put(tx, account, name, changes, room.now_us())
        _check(row, changes)
        what = "container.created" if made else "container.updated"
        await room.tell(tx, what, account, name, user_id=call.user_id)
    return empty(201 if made else 202)


async def _post(call: Call) -> Response:
    call.check_owner()
    changes = _changes(call)
    room, (account, name) = call.room, (call.address.account, call.address.container)
    async with room.database.write() as tx:
        row = await containers.held(tx, account, name)
        mode = versions.mode(call, row)
        changes = changes if mode is None else structs.replace(changes, versions=mode)
        _check(row, changes)
        await containers.change(tx, row, changes, room.now_us())
        await room.tell(tx, "container.updated", account, name, user_id=call.user_id)
    return empty(204)


async def _delete(call: Call) -> Response:
    call.check_owner()
    room, (account, name) = call.room, (call.address.account, call.address.container)
    async with room.database.write() as tx:
        await containers.remove(tx, account, name)
        await room.tell(tx, "container.deleted", account, name, user_id=call.user_id)
    return empty(204)
