"""The door of object storage's own port.

    path → what stands beside accounts, or an account, container or object → whose signature or token → its handler

Names are data here, slashes and all, so paths are not matched by the house's routes. Headers that upstream's parts send
one another (X-Backend-…, X-Timestamp of a request) mean nothing here.
"""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from hanok.base.errors import Refused
from hanok.services.object_storage.logic.names import Said, address
from hanok.services.object_storage.room import ObjectStore
from hanok.services.object_storage.routes import (
    accounts,
    bulk,
    containers,
    faults,
    forms,
    info,
    objects,
    origins,
    pages,
    signed,
    versions,
)
from hanok.services.object_storage.routes.call import Call
from hanok.services.object_storage.routes.s3 import door as s3
from hanok.services.object_storage.routes.s3 import signatures
from hanok.web import faults as web_faults
from hanok.web.request import Request

VERSIONS = (b"/v1/", b"/v1.0/")


async def anything(request: Request, room: ObjectStore) -> Response:
    """Any request at the port: S3's are those with a signature of S3."""
    door = s3.answer if signatures.is_signed(request) else answer
    return await door(request, room)


async def answer(request: Request, room: ObjectStore) -> Response:
    """A request to Swift."""
    call: Call | None = None
    try:
        found = info.answer(request.http.scope["path"], room) if _looks(request) else None
        if found is None:
            call = Call(request, room, _address(request))
            found = await _handled(call)
    except Refused as error:
        found = web_faults.answer(
            faults.fault, error, web_faults.FaultContext(request_id=request.id)
        )
    if call is not None and "origin" in call.headers:
        await origins.show(call, found)
    found.headers["X-Trans-Id"] = faults.transaction(request.id)
    if call is not None and call.signed is not None:
        _hide(found)
    if call is not None and call.attachment is not None and found.status_code < 300:
        found.headers["Content-Disposition"] = call.attachment
    return found


def _looks(request: Request) -> bool:
    return request.method in ("GET", "HEAD")


def _address(request: Request) -> Any:
    raw: bytes = request.http.scope.get("raw_path") or request.http.scope["path"].encode()
    for version in VERSIONS:
        if raw.startswith(version):
            return address(b"/v1/" + raw[len(version) :])
    raise Said(404)


async def _handled(call: Call) -> Response:
    """A request below /v1/."""
    for name in call.query:
        if "\0" in name:
            raise Said(412, "Invalid UTF8 or contains NULL")
    if call.method == "OPTIONS":
        return await origins.preflight(call)
    if signed.is_signed(call):
        await signed.open_signed(call)
    elif "bulk-delete" in call.query and call.method in ("POST", "DELETE"):
        return await bulk.delete(call)
    elif "extract-archive" in call.query and call.method == "PUT":
        return await bulk.extract(call)
    elif (mark := forms.boundary(call)) is not None:
        return await forms.answer(call, mark)
    elif (container := await pages.site(call)) is not None:
        return await pages.answer(call, container)
    if call.address.object and "version-id" in call.query:
        return await versions.answer(call)
    if call.address.object:
        return await objects.answer(call)
    if call.address.container:
        return await containers.answer(call)
    return await accounts.answer(call)


def _hide(response: Response) -> None:
    """Of an object's own metadata, a signature shows what is called public."""
    for name in list(response.headers):
        if name.startswith("x-object-meta-") and not name.startswith(signed.PUBLIC):
            del response.headers[name]
