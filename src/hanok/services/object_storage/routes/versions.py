"""Versions with ids, as Swift speaks of them: X-Versions-Enabled, ?versions, ?version-id.

Source: "Object Versioning" in the middleware's reference.
"""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Row
from starlette.responses import Response

from hanok.services.object_storage.logic import containers, objects, versions
from hanok.services.object_storage.logic.names import Said, iso
from hanok.services.object_storage.logic.versions import Listed
from hanok.services.object_storage.routes import listings, reading, writing
from hanok.services.object_storage.routes import objects as doors
from hanok.services.object_storage.routes.call import Call, empty, is_true

ID = "X-Object-Version-Id"
CURRENT = "X-Object-Current-Version-Id"
_LATEST = 1 << 60  # microseconds; later than any version
_METHODS = ("GET", "HEAD", "PUT", "DELETE", "COPY")


# ---- containers ----


def mode(call: Call, row: Row[Any] | None) -> tuple[str, str] | None:
    """How versions of a container are kept from now on, as X-Versions-Enabled says; None: as before.

    Raises:
        Said
    """
    sent = call.headers
    said = sent.get("x-versions-enabled")
    old = any(sent.get(name) for name in ("x-versions-location", "x-history-location"))
    before = "" if row is None else row.versions_mode
    if said is None:
        if old and before in versions.MODES:
            raise Said(
                400, "Cannot use legacy versioned writes on a container with object versioning."
            )
        return None
    if old:
        raise Said(400, "Only one way to keep versions can be used in a container.")
    if before not in ("", *versions.MODES):
        raise Said(400, "Cannot enable object versioning on a container that is already using the legacy "
                   "versioned writes feature.")  # fmt: skip
    if is_true(said):
        return versions.ENABLED, ""
    return (versions.SUSPENDED, "") if before else None


def shown(row: Row[Any]) -> dict[str, str]:
    """What a container's headers say of it."""
    if row.versions_mode not in versions.MODES:
        return {}
    return {"X-Versions-Enabled": str(row.versions_mode == versions.ENABLED)}


async def listed(call: Call, row: Row[Any], found: dict[str, str]) -> Response:
    """GET …/container?versions.

    Args:
        found: the headers of the container.
    """
    if listings.form(call, ("application/json",)) != "application/json":
        raise Said(406)
    page, said = listings.page(call), call.query.get("version_marker")
    if page.path is not None:
        raise Said(501, "path is not served with versions")
    if said is not None and not page.marker:
        raise Said(400, "version_marker param requires marker")
    if any(character in "0123456789." for character in page.delimiter):
        raise Said(400, "invalid delimiter param")
    async with call.room.database.read() as tx:
        at = None if said is None else await _at(tx, row, page.marker, said)
        names = await versions.listed(tx, row.id, page, at)
    body = msgspec.json.encode([_item(one) for one in names])
    more = {"Content-Type": "application/json; charset=utf-8", "Content-Length": str(len(body))}
    return Response(body, 200, {**found, **more, "Vary": "Accept"})


async def _at(tx: Any, row: Row[Any], name: str, said: str) -> int:
    version = versions.read(said)
    if version is None:
        raise Said(400, "invalid version_marker param")
    if version:
        return version
    found = await versions.get(tx, row.id, name, 0)
    return _LATEST if found is None else int(getattr(found, "at_us", found.created_us))


def _item(one: Listed | str) -> dict[str, object]:
    if isinstance(one, str):
        return {"subdir": one}
    row = one.row
    return {
        "name": row.name,
        "hash": row.target_etag if row.kind == "static" else row.etag,
        "bytes": row.size,
        "content_type": row.content_type,
        "last_modified": iso(row.created_us),
        "version_id": versions.shown(row.version_us),
        "is_latest": one.latest,
        **({"slo_etag": f'"{row.etag}"'} if row.kind == "static" else {}),
    }


# ---- objects ----


async def answer(call: Call) -> Response:
    """A request with ?version-id: it is about that version, and nothing else."""
    doors.check_signed(call)
    if call.method == "POST":
        raise Said(400, "POST to a specific version is not allowed")
    if call.method not in _METHODS:
        raise Said(405, "", {"Allow": ", ".join(_METHODS)})
    call.check_owner()
    address, said = call.address, call.query["version-id"]
    async with call.room.database.read() as tx:
        container = await containers.get(tx, address.account, address.container)
    if container is None:
        raise Said(404)
    if container.versions_mode not in versions.MODES:
        if said != versions.NULL:
            raise Said(400, "version-aware operations require that the container is versioned")
        return await doors.answer(call)
    version = versions.read(said)
    if version is None:
        raise Said(400, "Invalid version parameter")
    if call.method in ("GET", "HEAD"):
        return await _get(call, version)
    if call.method == "COPY":
        return await doors.copied_version(call, version)
    return await (_use(call, version) if call.method == "PUT" else _delete(call, version))


async def _get(call: Call, version: int) -> Response:
    told = {ID: versions.shown(version)}
    try:
        found = await reading.answer(call, version=version)
    except Said as error:
        error.headers.update(await _mark(call, version, told))
        raise
    found.headers.update(told)
    return found


async def _mark(call: Call, version: int, told: dict[str, str]) -> dict[str, str]:
    """What is said of a version that says that it was deleted."""
    address = call.address
    async with call.room.database.read() as tx:
        container = await containers.get(tx, address.account, address.container)
        row = None
        if container is not None:
            row = await versions.get(tx, container.id, address.object, version)
    if row is None or row.kind != "marker":
        return {}
    return {**told, "Content-Type": versions.MARKER}


async def _use(call: Call, version: int) -> Response:
    """Let the name lead to that version again."""
    if not version:
        raise Said(400, "Invalid version parameter")
    if call.headers.get("content-length") is None and "transfer-encoding" not in call.headers:
        raise Said(411, "Missing Content-Length header.")
    async for part in call.request.stream():
        if part:
            raise Said(400, "PUT version-id requests require a zero byte body")
    room, address = call.room, call.address
    path = (address.account, address.container, address.object)
    async with room.database.write() as tx:
        try:
            found = await objects.use_version(tx, *path, version)
        except Said as error:
            raise Said(error.status, "The specified version does not exist") from None
        where = f"{address.container}/{address.object}"
        await room.tell(tx, "object.restored", address.account, where, user_id=call.user_id)
    return writing.made(found)


async def _delete(call: Call, version: int) -> Response:
    held = doors.conditions_of(call)
    await writing.removed(call, call.address, version=version, conditions=held)
    address = call.address
    told = {ID: versions.shown(version)}
    async with call.room.database.read() as tx:
        container = await containers.get(tx, address.account, address.container)
        row = None if container is None else await objects.get(tx, container.id, address.object)
    if row is not None:
        told[CURRENT] = versions.shown(row.version_us)
    return empty(204, told)
