"""The data of images: upload and download as streams."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from sqlalchemy import Row
from starlette.responses import Response, StreamingResponse

from hanok.base.errors import BadInput, Conflict, Forbidden, Gone, UnsupportedType
from hanok.drivers.image_stores.files import FileStore
from hanok.services.image.logic import cache, data, images, news, quotas, signatures
from hanok.services.image.logic.signatures import Verifier
from hanok.services.image.room import Images
from hanok.services.image.routes import signed
from hanok.services.image.routes.views import readable
from hanok.store import Transaction
from hanok.web.pages import capped
from hanok.web.request import Request, no_content
from hanok.web.routes import Route

TOUCH_S = 10.0
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


def _promised(request: Request) -> int | None:
    """The size of the data, if it was announced."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip()
    if kind != "application/octet-stream":
        raise UnsupportedType("The data of an image is of type application/octet-stream.")
    text = request.headers.get("content-length") or request.headers.get("x-openstack-image-size")
    if text is not None and not (text.isascii() and text.isdigit() and len(text) < 19):
        raise BadInput("The announced size is not a valid integer.")
    return None if text is None else int(text)


async def upload(request: Request, room: Images) -> Response:
    """PUT /v2/images/{id}/file: a broken upload leaves the image queued and no bytes.

    Source: Image API reference, "Upload binary image data".
    """
    promised = _promised(request)
    store = request.headers.get("x-image-meta-store") or room.default_store
    async with request.reading() as tx:
        row = await readable(request, tx, "upload_image")
        properties = (await images.extras(tx, [row.id]))[0][row.id]
    if store not in room.stores:
        raise BadInput(f"Store {store[:64]} is not available for uploads.")
    if row.disk_format is None or row.container_format is None:
        raise BadInput("Properties disk_format, container_format must be set prior to saving data.")
    fetched = await signed.certificate(request, room, properties)
    verifier = signatures.verifier(properties, fetched, room.clock.now())
    async with request.transaction() as tx:
        row = await readable(request, tx, "upload_image")
        if await images.in_trash(tx, store, row.id):
            raise Conflict("The image's former data is still being deleted. Try again.")
        await quotas.check(tx, room, row.owner, quotas.SIZE, more=promised or 0)
        number = await images.begin_upload(tx, row, store, room.clock.now())
        await quotas.check(tx, room, row.owner, quotas.UPLOADING)
        request.made(row.id, await news.image(tx, room, row))

    async def kept(tx: Transaction, taken: data.Taken) -> dict[str, Any]:
        await quotas.check(tx, room, row.owner, quotas.SIZE, more=taken.size)
        await images.add_location(tx, row.id, store, row.id)
        return {
            "status": "active",
            "size": taken.size,
            "virtual_size": taken.virtual_size,
            "checksum": taken.md5,
            "os_hash_algo": "sha512",
            "os_hash_value": taken.sha512,
            "signed_as": None if verifier is None else verifier.mark,
        }

    await _take(
        request, room, row, number, store, kept, promised=promised, verifier=verifier, inspect=True
    )
    return no_content()


async def stage(request: Request, room: Images) -> Response:
    """PUT /v2/images/{id}/stage: data that waits for its import.

    Source: Image API reference, "Stage binary image data".
    """
    promised = _promised(request)
    async with request.transaction() as tx:
        row = await readable(request, tx, "modify_image")
        if "glance-direct" not in room.settings.import_methods:
            raise Conflict("Staged data cannot be imported here: glance-direct is not served.")
        await quotas.check(tx, room, row.owner, quotas.STAGE, more=promised or 0)
        number = await images.begin_upload(
            tx, row, data.STAGING, room.clock.now(), status="uploading"
        )
        await quotas.check(tx, room, row.owner, quotas.UPLOADING)
        request.made(row.id, await news.image(tx, room, row))

    async def kept(tx: Transaction, taken: data.Taken) -> dict[str, Any]:
        await quotas.check(tx, room, row.owner, quotas.STAGE, more=taken.size)
        return {"size": taken.size}

    await _take(
        request,
        room,
        row,
        number,
        data.STAGING,
        kept,
        promised=promised,
        verifier=None,
        inspect=False,
    )
    return no_content()


async def _take(
    request: Request,
    room: Images,
    row: Row[Any],
    number: int,
    store: str,
    kept: Callable[[Transaction, data.Taken], Awaitable[dict[str, Any]]],
    *,
    promised: int | None,
    verifier: Verifier | None,
    inspect: bool,
) -> None:
    """Read the body into a store for an upload that was claimed; leave nothing when it breaks.

    Args:
        kept: what becomes of the image when all is there, in the transaction that ends the upload.
    """
    done = gone = False
    try:
        async with asyncio.TaskGroup() as group:
            beat = group.create_task(_say_alive(room, row.id, number))
            taken = await data.take(
                room,
                request.stream(),
                store=store,
                key=row.id,
                attempt=str(number),
                disk_format=row.disk_format,
                container_format=row.container_format,
                promised=promised,
                verifier=verifier,
                inspect=inspect,
            )
            beat.cancel()
        async with request.transaction() as tx:
            if await images.touch_upload(tx, row.id, number, room.clock.now()):
                values = await kept(tx, taken)
                done = await images.finish_upload(tx, row.id, number, values, room.clock.now())
                kinds = (
                    ("image.upload", "image.activate") if "status" in values else ("image.upload",)
                )
                await news.happened(tx, room, row.id, *kinds, user_id=request.token.user_id)
            else:
                gone = True
    except ExceptionGroup as errors:
        gone = await _is_gone(room, row.id)
        if not gone:
            raise errors.exceptions[0] from None
    finally:
        if not done:
            await asyncio.shield(_give_up(room, row.id, number, store))
    if gone:
        raise Gone("The image was deleted while its data was uploaded.")


async def _is_gone(room: Images, image_id: str) -> bool:
    async with room.database.read() as tx:
        return await images.get_any(tx, image_id) is None


async def _give_up(room: Images, image_id: str, number: int, store: str) -> None:
    """The image waits for data again, and what came is freed first."""
    async with room.database.write() as tx:
        fresh = await images.get_any(tx, image_id)
        if fresh is None or fresh.upload == number:
            await images.throw_away(tx, store, image_id, room.clock.now())
    await data.empty_trash(room, image_id)
    async with room.database.write() as tx:
        await images.give_up_upload(tx, image_id, number, room.clock.now())


async def _say_alive(room: Images, image_id: str, number: int) -> None:
    while True:
        await asyncio.sleep(TOUCH_S)
        async with room.database.write() as tx:
            await images.touch_upload(tx, image_id, number, room.clock.now())


def _part(request: Request, size: int) -> tuple[int, int] | None:
    """(start, length) of a partial download; None for all of it.

    Raises:
        Refused: the range is not in the image (416).
    """
    for header, form in (("range", _RANGE), ("content-range", _CONTENT_RANGE)):
        text = request.headers.get(header)
        if text is None:
            continue
        match = form.fullmatch(text.strip())
        if match is None or (not match[1] and not match[2]):
            raise NotInTheImage(f"Byte range {text[:100]} is not understood.")
        if not match[1]:
            length = min(capped(match[2]), size)
            if not length:
                raise NotInTheImage(f"The range {text[:100]} has no byte of the image.")
            return size - length, length
        start = capped(match[1])
        end = min(capped(match[2]), size - 1) if match[2] else size - 1
        if start > end or start >= size:
            raise NotInTheImage(f"The range {text[:100]} is not in the image of {size} bytes.")
        return start, end - start + 1
    return None


class NotInTheImage(BadInput):
    status = 416


async def download(request: Request, room: Images) -> Response:
    """GET /v2/images/{id}/file: from control's cache, or the store that is read first."""
    async with request.reading() as tx:
        row = await readable(request, tx, "download_image")
        there = (await images.locations(tx, [row.id]))[row.id]
        copy = await cache.get(tx, row.id)
    if row.status == "deactivated" and not request.reaching().everywhere:
        raise Forbidden(
            "The requested image has been deactivated. Image data download is forbidden."
        )
    if row.status in ("queued", "saving", "uploading", "importing"):
        return no_content(204)
    if not there or row.size is None:
        raise Conflict("The data of this image is not there.")
    part = _part(request, row.size)
    start, length = part or (0, row.size)
    headers = {
        "Content-Length": str(length),
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "X-Content-Type-Options": "nosniff",
    }
    if row.checksum and part is None:
        headers["Content-MD5"] = row.checksum
    if part is not None:
        headers["Content-Range"] = f"bytes {start}-{start + length - 1}/{row.size}"
    cached = cache.copy_of(room, row) if copy is not None and copy.status == "cached" else None
    stream: AsyncIterator[bytes | memoryview]
    if cached is not None:
        async with request.transaction() as tx:
            await cache.touch(tx, row.id, room.clock.now())
        stream = FileStore(cached.parent).mapped(cached.name, start, length)
    else:
        stream = await _begun(data.hand_out(room, there, start, length))
    return StreamingResponse(
        stream, 206 if part else 200, headers=headers, media_type="application/octet-stream"
    )


async def _begun(
    stream: AsyncIterator[bytes | memoryview],
) -> AsyncIterator[bytes | memoryview]:
    """The stream, once its first bytes are there: until then its errors can still be answered.

    Raises:
        Unavailable: there are none.
    """
    try:
        first = await anext(stream)
    except StopAsyncIteration:
        return stream

    async def rest() -> AsyncIterator[bytes | memoryview]:
        yield first
        async for piece in stream:
            yield piece

    return rest()


_ONE = "/v2/images/{image_id}"
ROUTES = (
    Route("PUT", _ONE + "/file", upload, ("upload_image",), body=bytes, event="image.prepare"),
    Route("GET", _ONE + "/file", download, ("download_image",)),
    Route("PUT", _ONE + "/stage", stage, ("modify_image",), body=bytes, event="image.prepare"),
)
