"""The data of images: upload and download as streams."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

from starlette.responses import Response, StreamingResponse

from hanok.base.errors import BadInput, Conflict, Forbidden, Gone, UnsupportedType
from hanok.services.image.logic import data, images
from hanok.services.image.room import Images
from hanok.services.image.routes.images import readable
from hanok.web.request import Request, no_content
from hanok.web.routes import Route

TOUCH_S = 10.0
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


async def upload(request: Request, room: Images) -> Response:
    """PUT /v2/images/{id}/file: a broken upload leaves the image queued and no bytes.

    Source: Image API reference, "Upload binary image data".
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip()
    if kind != "application/octet-stream":
        raise UnsupportedType("The data of an image is of type application/octet-stream.")
    promised = request.headers.get("content-length") or request.headers.get(
        "x-openstack-image-size"
    )
    if promised is not None and not promised.isdigit():
        raise BadInput("The announced size is no whole number.")
    async with request.transaction() as tx:
        row = await readable(request, tx, "upload_image")
        if row.disk_format is None or row.container_format is None:
            raise BadInput(
                "Properties disk_format, container_format must be set prior to saving data."
            )
        number = await images.begin_upload(tx, row, room.clock.now())
    done = False
    try:
        async with asyncio.TaskGroup() as group:
            beat = group.create_task(_say_alive(room, row.id, number))
            taken = await data.take(
                room,
                request.stream(),
                image_id=row.id,
                number=number,
                disk_format=row.disk_format,
                container_format=row.container_format,
                promised=None if promised is None else int(promised),
            )
            beat.cancel()
        async with request.transaction() as tx:
            done = await images.finish_upload(
                tx,
                row.id,
                number,
                {
                    "size": taken.size,
                    "virtual_size": taken.virtual_size,
                    "checksum": taken.md5,
                    "os_hash_algo": "sha512",
                    "os_hash_value": taken.sha512,
                },
                room.clock.now(),
            )
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    finally:
        if not done:
            async with room.database.write() as tx:
                await images.give_up_upload(tx, row.id, number, room.clock.now())
                fresh = await images.get_any(tx, row.id)
            if fresh is None or fresh.status == "queued":
                data.remove(room, row.id)
    if not done:
        raise Gone("The image was deleted while its data was uploaded.")
    return no_content()


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
            length = min(int(match[2]), size)
            return size - length, length
        start = int(match[1])
        end = min(int(match[2]), size - 1) if match[2] else size - 1
        if start > end or start >= size:
            raise NotInTheImage(f"The range {text[:100]} is not in the image of {size} bytes.")
        return start, end - start + 1
    return None


class NotInTheImage(BadInput):
    status = 416


async def download(request: Request, room: Images) -> Response:
    """GET /v2/images/{id}/file."""
    async with request.reading() as tx:
        row = await readable(request, tx, "download_image")
    if row.status == "deactivated" and not request.token.is_admin:
        raise Forbidden(
            "The requested image has been deactivated. Image data download is forbidden."
        )
    if row.status in ("queued", "saving"):
        return no_content(204)
    part = _part(request, row.size)
    start, length = part or (0, row.size)
    path = data.path_of(room, row.id)
    if not path.exists():
        raise Conflict("The data of this image is not there.")
    headers = {
        "Content-Length": str(length),
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "X-Content-Type-Options": "nosniff",
    }
    if row.checksum and part is None:
        headers["Content-MD5"] = row.checksum
    if part is not None:
        headers["Content-Range"] = f"bytes {start}-{start + length - 1}/{row.size}"
    stream: AsyncIterator[bytes] = data.pieces(path, start, length)
    return StreamingResponse(
        stream, 206 if part else 200, headers=headers, media_type="application/octet-stream"
    )


_FILE = "/v2/images/{image_id}/file"
ROUTES = (
    Route("PUT", _FILE, upload, ("upload_image",)),
    Route("GET", _FILE, download, ("download_image",)),
)
