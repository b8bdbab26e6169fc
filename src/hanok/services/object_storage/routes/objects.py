"""Objects: written, changed, copied, removed."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, unquote_to_bytes

from sqlalchemy import Row
from starlette.responses import Response

from hanok.base.failpoints import failpoint
from hanok.drivers.byte_store import Missing, Stored
from hanok.services.object_storage.logic import containers, objects, versions
from hanok.services.object_storage.logic.names import (
    PREFIX,
    Address,
    Said,
    header_name,
    http_date,
    named_object,
    text_of,
)
from hanok.services.object_storage.logic.objects import ANY, NEW, Conditions
from hanok.services.object_storage.routes import bodies, headers, manifests, reading
from hanok.services.object_storage.routes.call import Call, empty, is_true
from hanok.services.object_storage.routes.writing import (
    Sort,
    check_target,
    made,
    removed,
    written,
)

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


async def _put(call: Call) -> Response:
    check_signed(call)
    container = await check_target(call, call.address)
    if (source := call.headers.get("x-copy-from")) is not None:
        if call.headers.get("content-length", "0") != "0":
            raise Said(400, "Copy requests require a zero byte body")
        account = _account(call, "x-copy-from-account")
        return await copied(call, named_object(source, "X-Copy-From", account), call.address)
    conditions = conditions_of(call)
    values, sort = await _described(call)
    announced = bodies.announced(call)
    allowance = await bodies.allowed(call, announced, conditions=conditions, container=container)
    if call.query.get("multipart-manifest") == "put":
        return await manifests.put(call, values, announced, conditions=conditions)
    if sort.kind == "link" and (announced or await _some_body(call)):
        raise Said(400, "Symlink requests require a zero byte body")
    stored = Stored("", 0, EMPTY)
    if sort.kind != "link":
        stored = await bodies.taken(call, call.request.stream(), announced, allowance)
    etag = call.headers.get("etag", "").strip('"').lower()
    if etag and etag != stored.md5:
        if stored.blob:
            await call.room.store.delete(stored.blob)
        raise Said(422)
    new = await written(call, call.address, stored, values, sort=sort, conditions=conditions)
    return made(new)


def conditions_of(call: Call) -> Conditions:
    """What must hold for a write.

    Raises:
        Said
    """
    none, some = call.headers.get("if-none-match"), call.headers.get("if-match")
    if none is not None and none.strip() != "*" and call.method == "PUT":
        raise Said(400, "If-None-Match only supports *")
    until = reading.date(call.headers.get("if-unmodified-since"))
    ends_at = call.headers.get("x-if-delete-at") if call.method == "DELETE" else None
    if ends_at is not None and not (ends_at.isascii() and ends_at.isdigit() and len(ends_at) < 19):
        raise Said(400, "Bad X-If-Delete-At header value")
    if none is None and some is None and until is None and ends_at is None:
        return ANY
    return Conditions(
        etags=frozenset(reading.tags(some)) if some is not None else frozenset(),
        others=frozenset(reading.tags(none)) if none is not None else frozenset(),
        until_s=None if until is None else until.timestamp(),
        absent=412 if call.method == "PUT" else 404,
        ends_at=None if ends_at is None else int(ends_at),
    )


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


async def _some_body(call: Call) -> bool:
    async for part in call.request.stream():
        if part:
            return True
    return False


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
    await failpoint("objects.post.before_row")
    async with room.database.write() as tx:
        row = await objects.post(
            tx,
            address.account,
            address.container,
            address.object,
            lambda row: _changed(call, row),
            room.now_us(),
            conditions_of(call),
        )
        where = f"{address.container}/{address.object}"
        await room.tell(tx, "object.updated", address.account, where, user_id=call.user_id)
    if row.kind == "link":  # it says so of itself; what it leads to is asked for by itself
        target = {"Location": f"/v1/{quote(row.target)}"}
        text = "The requested POST was applied to a symlink. POST directly to the target to apply "
        raise Said(307, text + "requested metadata.", target)
    return empty(202)


def _changed(call: Call, row: Row[Any]) -> dict[str, Any]:
    """The columns that a POST changes.

    Raises:
        Said
    """
    own = headers.of_s3(row.headers)
    change: dict[str, Any] = {
        "headers": {**headers.metadata(call, "object"), **headers.kept(call), **own},
        "delete_at": headers.delete_at(call, call.room),
    }
    if call.headers.get("content-type"):
        change["content_type"] = headers.content_type(call, call.address.object)
    if row.kind in ("", "dynamic"):
        said = call.headers.get("x-object-manifest")
        change |= {"kind": "dynamic" if said else "", "target": _prefix(said) if said else ""}
    return change


async def _delete(call: Call) -> Response:
    check_signed(call)
    await check_target(call, call.address)
    if call.query.get("multipart-manifest") == "delete":
        return await manifests.delete(call)
    gone = await removed(call, call.address, conditions=conditions_of(call))
    told = {} if gone.version is None else {"X-Object-Version-Id": versions.shown(gone.version)}
    if not gone.was_there:
        raise Said(404, "", told)
    return empty(204, told)


# ---- copying ----


async def _copy(call: Call) -> Response:
    check_signed(call)
    return await copied_version(call, None)


async def copied_version(call: Call, version: int | None) -> Response:
    """COPY of an object, or of one of its versions."""
    said = call.headers.get("destination")
    if not said:
        raise Said(412, "Destination header required")
    account = _account(call, "destination-account")
    target = named_object(said, "Destination", account)
    await check_target(call, target)
    return await copied(call, call.address, target, version=version)


async def copied(
    call: Call,
    source: Address,
    target: Address,
    *,
    version: int | None = None,
) -> Response:
    """Copy an object, or a version of it; both ends were or are asked for the right.

    Conditions are the source's, but for one: that there is nothing yet where a PUT copies to.
    """
    room = call.room
    none = call.headers.get("if-none-match", "").strip()
    conditions = NEW if call.method == "PUT" and none == "*" else ANY
    if "part-number" in call.query:
        raise Said(501, "A copy of one part is not served here; say a range")
    as_manifest = call.query.get("multipart-manifest") == "get"
    follow = call.query.get("symlink") != "get"
    for _ in range(reading.TRIES):
        whole = await reading.find(
            call, source, follow=follow, whole=not as_manifest, version=version
        )
        plain = whole.row.kind == "link" or (as_manifest and whole.row.kind != "parts")
        size = whole.row.stored if plain else whole.size
        if plain and whole.row.kind == "static" and "range" in call.headers:
            raise Said(400, "Range is not allowed with multipart-manifest=get")
        if conditions is ANY and reading.check_conditions(call, whole) == 304:
            raise Said(412)
        first, length = 0, size
        if said := call.headers.get("range"):
            requested = reading.ranges(said, size)
            if requested is not None and len(requested) == 1:
                first, length = requested[0]
        if length > room.settings.maximum_object_bytes:
            raise Said(413, bodies.TOO_LARGE)
        allowance = await bodies.allowed(call, length, target, conditions=conditions)
        if plain:
            some = [reading.Piece(whole.row.blob, first, length)] if length else []
        else:
            some = await reading.pieces(call, whole, first, length)
        try:
            body = await reading.stream(call, some)
            stored = await bodies.taken(call, body, length, allowance)
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
        conditions=conditions,
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
        other = headers.of_s3(whole.row.headers)
        mine = {name: value for name, value in whole.row.headers.items() if name not in other}
        own = {**mine, **headers.of_s3(other, objects.TAGS), **own}
        meta = {name: value for name, value in own.items() if name.startswith("x-object-meta-")}
        headers.check(meta, "object")
    said = call.headers.get("content-type")
    kind = headers.text(said, "Content-Type") if said else whole.row.content_type
    until = headers.delete_at(call, call.room)
    if until is None and not is_true(call.headers.get("x-fresh-metadata")):
        until = whole.row.delete_at
    return {"content_type": kind, "headers": own, "delete_at": until}
