"""Objects: written, changed, copied, removed."""

from __future__ import annotations

from collections.abc import AsyncIterable, Mapping
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from msgspec import Struct
from starlette.responses import Response

from hanok.base.failpoints import failpoint
from hanok.drivers.byte_store import Full, Missing, Stored, TooLong
from hanok.services.object_storage.logic import accounts, containers, objects
from hanok.services.object_storage.logic.names import (
    PREFIX,
    Address,
    Said,
    header_name,
    http_date,
    named_object,
    stamp,
    text_of,
)
from hanok.services.object_storage.logic.objects import Object
from hanok.services.object_storage.routes import headers, manifests, reading
from hanok.services.object_storage.routes.call import Call, empty, is_true

EMPTY = "d41d8cd98f00b204e9800998ecf8427e"


async def answer(call: Call) -> Response:
    """A request about an object."""
    doors = {
        "GET": reading.answer,
        "HEAD": reading.answer,
        "PUT": _put,
        "POST": _post,
        "COPY": _copy,
        "DELETE": _delete,
    }
    door = doors.get(call.method)
    if door is None:
        raise Said(405, "", {"Allow": "COPY, DELETE, GET, HEAD, OPTIONS, POST, PUT"})
    return await door(call)


class Sort(Struct, frozen=True, kw_only=True):
    """Which sort of object is written: one that leads to others, or a plain one. See tables.objects."""

    kind: str = ""
    target: str = ""
    target_etag: str = ""
    size: int = 0


def check_signed(call: Call) -> None:
    """A signature opens one name: nothing in a request for it leads to others.

    Raises:
        Said
    """
    if call.signed is None:
        return
    for name in ("x-object-manifest", "x-symlink-target", "x-copy-from", "destination"):
        if call.headers.get(name):
            raise Said(400, f"{name.title()} is not allowed with a temporary URL")
    if "multipart-manifest" in call.query and call.method != "GET":
        raise Said(400, "multipart-manifest is not allowed with a temporary URL")


async def check_target(call: Call, address: Address) -> None:
    """The container is there and the caller may write to it.

    Raises:
        Said
    """
    async with call.room.database.read() as tx:
        found = await containers.get(tx, address.account, address.container)
    call.check_writes(found)


async def _put(call: Call) -> Response:
    check_signed(call)
    await check_target(call, call.address)
    only_new = _only_new(call)
    if (source := call.headers.get("x-copy-from")) is not None:
        if call.headers.get("content-length", "0") != "0":
            raise Said(400, "Copy requests require a zero byte body")
        account = _account(call, "x-copy-from-account")
        return await copied(
            call, named_object(source, "X-Copy-From", account), call.address, only_new=only_new
        )
    values, sort = await _described(call)
    announced = _announced(call)
    async with call.room.database.read() as tx:
        await _check_room(call, tx, announced)
    if call.query.get("multipart-manifest") == "put":
        return await manifests.put(call, values, announced, only_new=only_new)
    if sort.kind == "link" and (announced or await _some_body(call)):
        raise Said(400, "Symlink requests require a zero byte body")
    stored = Stored("", 0, EMPTY)
    if sort.kind != "link":
        stored = await taken(call, call.request.stream(), announced)
    etag = call.headers.get("etag", "").strip('"').lower()
    if etag and etag != stored.md5:
        if stored.blob:
            await call.room.store.delete(stored.blob)
        raise Said(422)
    new = await written(call, call.address, stored, values, sort=sort, only_new=only_new)
    return made(new)


def made(new: Object, more: Mapping[str, str] | None = None, *, quoted: bool = False) -> Response:
    """The answer to a write."""
    found = {
        "Etag": f'"{new.etag}"' if quoted else new.etag,
        "Last-Modified": http_date(new.created_us),
        "X-Timestamp": stamp(new.created_us),
    }
    return empty(201, {**found, **(more or {})})


def _only_new(call: Call) -> bool:
    said = call.headers.get("if-none-match")
    if said is not None and said.strip() != "*":
        raise Said(400, "If-None-Match only supports *")
    return said is not None


def _account(call: Call, header: str) -> str:
    """The account that a header names, or else the caller's address does.

    Raises:
        Said
    """
    said = call.headers.get(header)
    if not said:
        return call.address.account
    name = header_name(said)
    if "/" in name or not name.startswith(PREFIX) or len(name) > 64 + len(PREFIX):
        raise Said(412, "Account name cannot contain slashes" if "/" in name else "")
    return name.removeprefix(PREFIX)


def _announced(call: Call) -> int:
    """How many bytes the body has, as far as that is said.

    Raises:
        Said
    """
    said = call.headers.get("content-length")
    if said is None:
        if "chunked" not in call.headers.get("transfer-encoding", "").lower():
            raise Said(411, "Missing Content-Length header.")
        return 0
    if not (said.isascii() and said.isdigit()):
        raise Said(400, "Invalid Content-Length header value")
    if len(said) > 18 or int(said) > call.room.settings.maximum_object_bytes:
        raise Said(413, "Your request is too large.")
    return int(said)


async def _some_body(call: Call) -> bool:
    async for part in call.request.stream():
        if part:
            return True
    return False


async def _check_room(call: Call, tx: Any, announced: int) -> None:
    """Say before a body comes what would be said after it. What counts is looked at once more then."""
    container = await containers.get(tx, call.address.account, call.address.container)
    owner = await accounts.get(tx, call.address.account)
    if container is None:
        raise Said(404)
    there = await objects.get(tx, container.id, call.address.object)
    if call.headers.get("if-none-match") and objects.is_there(there, call.room.now_s()):
        raise Said(412)
    if container.versions_mode or there is None:
        gone, count = 0, 0 if there is not None else 1
    else:
        gone, count = there.stored, 0
    containers.check_quota(container, objects=count, size=announced - gone)
    if owner is not None:
        default = call.room.settings.quota_bytes
        accounts.check_quota(owner, announced - gone, default, objects=count)


async def _described(call: Call) -> tuple[dict[str, Any], Sort]:
    """What a request says of an object: the columns of its row, and its sort.

    Raises:
        Said
    """
    values: dict[str, Any] = {
        "content_type": headers.content_type(call, call.address.object),
        "headers": {**headers.metadata(call, "object"), **headers.kept(call)},
        "delete_at": headers.delete_at(call, call.room),
    }
    dynamic, link = call.headers.get("x-object-manifest"), call.headers.get("x-symlink-target")
    if dynamic and link:
        raise Said(400, "An object is a manifest or a link, not both")
    if dynamic:
        return values, Sort(kind="dynamic", target=_prefix(dynamic))
    if link:
        return values, await _link(call, link)
    return values, Sort()


def _prefix(said: str) -> str:
    target = headers.text(said, "X-Object-Manifest").removeprefix("/")
    container, slash, prefix = text_of(unquote_to_bytes(target)).partition("/")
    if not slash or not container or not prefix or "?" in target or "&" in target:
        raise Said(400, "X-Object-Manifest must be in the format container/prefix")
    return target


async def _link(call: Call, said: str) -> Sort:
    account = _account(call, "x-symlink-target-account")
    target = named_object(said, "X-Symlink-Target", account)
    if target == call.address:
        raise Said(400, "Symlink cannot target itself")
    path = f"{PREFIX}{account}/{target.container}/{target.object}"
    etag = call.headers.get("x-symlink-target-etag", "").strip('"').lower()
    if etag:
        try:
            found = await reading.find(call, target, follow=False, whole=False)
        except Said as error:
            if error.status == 404:
                raise Said(409, "X-Symlink-Target does not exist") from None
            raise
        own = reading.own_etag(found.row)
        if etag not in (own, found.row.target_etag):
            raise Said(
                409,
                f"Object Etag '{own}' does not match X-Symlink-Target-Etag header '{etag[:64]}'",
            )
    return Sort(kind="link", target=path, target_etag=etag[:64])


async def taken(call: Call, body: AsyncIterable[bytes], announced: int) -> Stored:
    """A body as a blob, whole.

    Raises:
        Said
    """
    limit = call.room.settings.maximum_object_bytes
    call.request.repeatable = False
    try:
        return await call.room.store.put(body, limit=limit, announced=announced)
    except TooLong:
        raise Said(413, "Your request is too large.") from None
    except Full:
        raise Said(507) from None


async def written(
    call: Call,
    address: Address,
    stored: Stored,
    values: Mapping[str, Any],
    *,
    sort: Sort | None = None,
    etag: str = "",
    only_new: bool = False,
) -> Object:
    """A row that refers to a blob, in the place of the one that is there.

    Args:
        etag: where it is not the blob's.

    Raises:
        Said: and the blob is gone.
    """
    room, sort = call.room, sort or Sort()
    if stored.blob and not stored.size:
        await room.store.delete(stored.blob)
    new = Object(
        blob=stored.blob if stored.size else "",
        size=sort.size or (0 if sort.kind == "link" else stored.size),
        stored=stored.size,
        etag=etag or stored.md5,
        created_us=room.now_us(),
        kind=sort.kind,
        target=sort.target,
        target_etag=sort.target_etag,
        **values,
    )
    await failpoint("objects.put.before_row")
    try:
        async with room.database.write() as tx:
            new = await objects.put(
                tx,
                address.account,
                address.container,
                address.object,
                new,
                now_us=new.created_us,
                default_quota=room.settings.quota_bytes,
                only_new=only_new,
            )
            payload = {"bytes": new.size, "etag": new.etag}
            where = f"{address.container}/{address.object}"
            await room.tell(
                tx, "object.created", address.account, where, user_id=call.user_id, payload=payload
            )
            tx.after_commit(room.freed.set)
    except Said:  # nothing was written, for sure
        if new.blob:
            await room.store.delete(new.blob)
        raise
    await failpoint("objects.put.after_row")
    return new


# ---- changing ----


async def _post(call: Call) -> Response:
    check_signed(call)
    await check_target(call, call.address)
    room, address = call.room, call.address
    async with room.database.read() as tx:
        container = await containers.get(tx, address.account, address.container)
        row = None if container is None else await objects.get(tx, container.id, address.object)
    if row is None or not objects.is_there(row, room.now_s()):
        raise Said(404)
    if call.headers.get("x-symlink-target"):
        raise Said(400, "A PUT request is required to set a symlink target")
    change: dict[str, Any] = {
        "headers": {**headers.metadata(call, "object"), **headers.kept(call)},
        "delete_at": headers.delete_at(call, room),
    }
    if call.headers.get("content-type"):
        change["content_type"] = headers.content_type(call, address.object)
    if row.kind in ("", "dynamic"):
        said = call.headers.get("x-object-manifest")
        change |= {"kind": "dynamic" if said else "", "target": _prefix(said) if said else ""}
    async with room.database.write() as tx:
        await objects.post(
            tx, address.account, address.container, address.object, change, room.now_us()
        )
        where = f"{address.container}/{address.object}"
        await room.tell(tx, "object.updated", address.account, where, user_id=call.user_id)
    if row.kind == "link":  # it says so of itself; what it leads to is asked for by itself
        target = {"Location": f"/v1/{quote(row.target)}"}
        text = "The requested POST was applied to a symlink. POST directly to the target to apply "
        raise Said(307, text + "requested metadata.", target)
    return empty(202)


async def _delete(call: Call) -> Response:
    check_signed(call)
    await check_target(call, call.address)
    if call.query.get("multipart-manifest") == "delete":
        return await manifests.delete(call)
    await removed(call, call.address)
    return empty(204)


async def removed(call: Call, address: Address) -> None:
    """Remove an object.

    Raises:
        Said
    """
    room = call.room
    gone = True
    async with room.database.write() as tx:
        try:
            happened = await objects.remove(
                tx, address.account, address.container, address.object, room.now_us()
            )
        except objects.Expired:  # the row goes all the same
            gone, happened = False, "deleted"
        where = f"{address.container}/{address.object}"
        await room.tell(tx, f"object.{happened}", address.account, where, user_id=call.user_id)
        tx.after_commit(room.freed.set)
    if not gone:
        raise Said(404)


# ---- copying ----


async def _copy(call: Call) -> Response:
    check_signed(call)
    said = call.headers.get("destination")
    if not said:
        raise Said(412, "Destination header required")
    account = _account(call, "destination-account")
    target = named_object(said, "Destination", account)
    await check_target(call, target)
    return await copied(call, call.address, target)


async def copied(
    call: Call, source: Address, target: Address, *, only_new: bool = False
) -> Response:
    """Copy an object; both ends were or are asked for the right."""
    room = call.room
    if "part-number" in call.query:
        raise Said(501, "A copy of one part is not served here; say a range")
    as_manifest = call.query.get("multipart-manifest") == "get"
    follow = call.query.get("symlink") != "get"
    for _ in range(reading.TRIES):
        whole = await reading.find(call, source, follow=follow, whole=not as_manifest)
        plain = as_manifest or whole.row.kind == "link"
        size = whole.row.stored if plain else whole.size
        if call.method == "COPY" and "if-none-match" in call.headers:
            if reading.check_conditions(call, whole) == 304:
                raise Said(412)
        first, length = 0, size
        if said := call.headers.get("range"):
            asked = reading.ranges(said, size)
            if asked is not None and len(asked) == 1:
                first, length = asked[0]
        if length > room.settings.maximum_object_bytes:
            raise Said(413, "Your request is too large.")
        if plain:
            some = [reading.Piece(whole.row.blob, first, length)] if length else []
        else:
            some = await reading.pieces(call, whole, first, length)
        try:
            body = await reading.stream(call, some)
            stored = await taken(call, body, length)
            break
        except Missing:
            continue
    else:
        raise Said(503)
    row = whole.row
    sort = Sort()
    if plain and row.kind:
        sort = Sort(
            kind=row.kind,
            target=row.target,
            target_etag=row.target_etag,
            size=row.size if row.kind == "static" else 0,
        )
    new = await written(
        call,
        target,
        stored,
        _inherited(call, whole),
        sort=sort,
        etag=row.etag if sort.kind == "static" else "",
        only_new=only_new,
    )
    return made(
        new,
        {
            "X-Copied-From": quote(f"{source.container}/{source.object}"),
            "X-Copied-From-Account": f"{PREFIX}{source.account}",
            "X-Copied-From-Last-Modified": http_date(whole.modified_us),
            **headers.shown(new.headers, owner=True),
        },
    )


def _inherited(call: Call, whole: reading.Whole) -> dict[str, Any]:
    """What a copy says of itself: as its source does, but for what the request says."""
    own = {**headers.metadata(call, "object"), **headers.kept(call)}
    if not is_true(call.headers.get("x-fresh-metadata")):
        own = {**whole.row.headers, **own}
        meta = {name: value for name, value in own.items() if name.startswith("x-object-meta-")}
        headers.check(meta, "object")
    said = call.headers.get("content-type")
    kind = headers.text(said, "Content-Type") if said else whole.row.content_type
    until = headers.delete_at(call, call.room)
    if until is None and not is_true(call.headers.get("x-fresh-metadata")):
        until = whole.row.delete_at
    return {"content_type": kind, "headers": own, "delete_at": until}
