"""Objects that come in parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row
from starlette.responses import Response

from hanok.base.failpoints import failpoint
from hanok.drivers.byte_store import Missing, Stored
from hanok.services.object_storage.logic import containers, rows, uploads
from hanok.services.object_storage.logic.listing import Page
from hanok.services.object_storage.logic.names import Said
from hanok.services.object_storage.logic.rows import Object
from hanok.services.object_storage.logic.uploads import NUMBERS, Named, Part, Refusal
from hanok.services.object_storage.routes import bodies, reading
from hanok.services.object_storage.routes.bodies import Allowance
from hanok.services.object_storage.routes.call import Call
from hanok.services.object_storage.routes.s3 import checksums, objects, xml
from hanok.services.object_storage.routes.s3.call import (
    S3Call,
    answer,
    iso,
    nothing,
    owner,
    version_headers,
)
from hanok.services.object_storage.routes.s3.faults import S3Error
from hanok.services.object_storage.routes.s3.listings import CHECKSUM, CHECKSUM_TYPE, encoder
from hanok.web.app import tried

_MAXIMUM = 1000
_PARTS_OF_PART = ("PartNumber", "ETag", *(f"Checksum{name.upper()}" for name in checksums.NAMES))


async def _upload(call: S3Call, container: Row[Any]) -> Row[Any]:
    async with call.room.database.read() as tx:
        row = await uploads.find(tx, container, call.key, call.query["uploadId"])
    if row is None:
        raise S3Error("NoSuchUpload", fields={"UploadId": call.query["uploadId"]})
    return row


def _algorithm(row: Row[Any]) -> str:
    return str(row.headers.get(CHECKSUM, ""))


async def start(call: S3Call) -> Response:
    """CreateMultipartUpload."""
    await call.writable()
    await call.body(0)
    values = objects.described(call)
    told = {}
    kind = call.headers.get("x-amz-checksum-type", "").upper()
    if (said := call.headers.get("x-amz-checksum-algorithm")) is not None:
        name = checksums.named(said)
        kind = kind or ("FULL_OBJECT" if name == "crc64nvme" else "COMPOSITE")
        if kind not in ("COMPOSITE", "FULL_OBJECT"):
            raise S3Error("InvalidRequest", "Value for x-amz-checksum-type header is invalid.")
        if (kind, name) in (
            ("COMPOSITE", "crc64nvme"),
            ("FULL_OBJECT", "sha1"),
            ("FULL_OBJECT", "sha256"),
        ):
            raise S3Error(
                "InvalidRequest",
                f"The {kind} checksum type cannot be used with the {name} checksum algorithm.",
            )
        values["headers"] |= {CHECKSUM: name, CHECKSUM_TYPE: kind}
        told = {"x-amz-checksum-algorithm": name.upper(), "x-amz-checksum-type": kind}
    elif kind:
        raise S3Error(
            "InvalidRequest",
            "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.",
        )
    room = call.room
    async with room.database.write() as tx:
        upload = await uploads.start(
            tx, call.account, call.bucket, call.key,
            content_type=values["content_type"], headers=values["headers"], now_us=room.now_us(),
        )  # fmt: skip
    content = [
        xml.element("Bucket", call.bucket),
        xml.element("Key", call.key),
        xml.element("UploadId", upload),
    ]
    return answer(xml.element("InitiateMultipartUploadResult", *content, namespace=True), told)


def _number(call: S3Call) -> int:
    said = call.query["partNumber"]
    if not (said.isascii() and said.isdigit() and len(said) < 6 and 0 < int(said) <= NUMBERS):
        raise S3Error("InvalidArgument", f"Part number must be an integer between 1 and {NUMBERS}, inclusive",
                      fields={"ArgumentName": "partNumber"})  # fmt: skip
    return int(said)


async def put_part(call: S3Call) -> Response:
    """UploadPart and UploadPartCopy."""
    container = await call.writable()
    number, upload = _number(call), await _upload(call, container)
    if "x-amz-copy-source" in call.headers:
        return await _copy_part(call, upload, number)

    async def allowed(swift: Call, size: int) -> Allowance:
        return await bodies.allowed_part(swift, size, upload.id, number)

    stored, payload = await objects.taken(call, allowed)
    checksum = ""
    if payload.checksum is not None:
        name, value = payload.checksum
        if _algorithm(upload) and _algorithm(upload) != name:
            await call.room.store.delete(stored.blob)
            raise S3Error(
                "InvalidRequest",
                f"The checksum is of {name}, the upload's of {_algorithm(upload)}",
            )
        checksum = value if _algorithm(upload) else ""
        told = {checksums.PREFIX + name: value}
    else:
        told = {}
    await _add(call, upload, number, stored, checksum)
    return nothing(200, {"ETag": f'"{stored.md5}"', **told})


async def _add(call: S3Call, upload: Row[Any], number: int, stored: Stored, checksum: str) -> None:
    room = call.room
    if not stored.size:
        await room.store.delete(stored.blob)
    blob = stored.blob if stored.size else ""
    part = Part(number=number, blob=blob, size=stored.size, etag=stored.md5, checksum=checksum)
    await failpoint("objects.part.before_row")

    async def taken() -> None:
        async with room.database.write() as tx:
            await uploads.add(
                tx, call.account, call.bucket, call.key, upload.id, part,
                now_us=room.now_us(), default_quota=room.settings.quota_bytes,
            )  # fmt: skip
            tx.after_commit(room.freed.set)

    try:
        await tried(taken, lambda: True)
    except Said as error:  # nothing was written, for sure
        await room.store.delete(stored.blob)
        if error.status == 404:
            raise S3Error("NoSuchUpload") from None
        raise
    await failpoint("objects.part.after_row")


async def _copy_part(call: S3Call, upload: Row[Any], number: int) -> Response:
    if _algorithm(upload):
        raise S3Error("NotImplemented", "Parts with checksums cannot be copied here")
    for _ in range(reading.TRIES):
        whole, _, _ = await objects.source(call)
        first, length = 0, whole.size
        if (said := call.headers.get("x-amz-copy-source-range")) is not None:
            first, length = _range(said, whole.size)
        try:
            allowance = await bodies.allowed_part(call.swift, length, upload.id, number)
            stored = await objects.blocks(call, whole, first, length, allowance)
            break
        except Missing:
            continue
    else:
        raise S3Error("ServiceUnavailable")
    await _add(call, upload, number, stored, "")
    content = [
        xml.element("LastModified", iso(call.room.now_us())), xml.element("ETag", f'"{stored.md5}"'),
    ]  # fmt: skip
    return answer(xml.element("CopyPartResult", *content, namespace=True))


def _range(said: str, size: int) -> tuple[int, int]:
    first, _, last = said.removeprefix("bytes=").partition("-")
    fit = all(one.isascii() and one.isdigit() and len(one) < 19 for one in (first, last))
    if not said.startswith("bytes=") or not fit:
        raise S3Error(
            "InvalidArgument",
            "The x-amz-copy-source-range value must be of the form bytes=first-last",
        )
    if not int(first) <= int(last) < size:
        raise S3Error(
            "InvalidRange", f"Range specified is not valid for source object of size: {size}"
        )
    return int(first), int(last) - int(first) + 1


# ---- the end ----


async def _named(call: S3Call, algorithm: str) -> list[Named]:
    root = await call.document("CompleteMultipartUpload", checksum=False)
    found = []
    try:
        root.only("Part")
        for part in root.children:
            part.only(*_PARTS_OF_PART)
            number, etag = part.value("PartNumber") or "", part.value("ETag")
            if etag is None or not (number.isascii() and number.isdigit() and len(number) < 6):
                raise xml.Malformed
            checksum = part.value(f"Checksum{algorithm.upper()}") if algorithm else None
            found.append(Named(number=int(number), etag=etag.strip('"'), checksum=checksum))
    except xml.Malformed:
        raise S3Error("MalformedXML") from None
    return found


async def complete(call: S3Call) -> Response:
    """CompleteMultipartUpload."""
    container = await call.writable()
    room, upload = call.room, call.query["uploadId"]
    async with room.database.read() as tx:
        row = await uploads.find(tx, container, call.key, upload)
    named = await _named(call, _algorithm(row) if row is not None else "")
    if row is None:
        return await _completed(call, container, upload)
    held = objects.conditions(call)
    await failpoint("objects.complete.before_row")

    async def whole() -> Object:
        async with room.database.write() as tx:
            more = await _checksum(call, tx, row, named)
            new = await uploads.complete(
                tx, call.account, call.bucket, call.key, upload, named, now_us=room.now_us(),
                default_quota=room.settings.quota_bytes, more=more, conditions=held,
            )  # fmt: skip
            where, payload = f"{call.bucket}/{call.key}", {"bytes": new.size, "etag": new.etag}
            await room.tell(
                tx,
                "object.created",
                call.account,
                where,
                user_id=call.token.user_id,
                payload=payload,
            )
            tx.after_commit(room.freed.set)
            return new

    try:
        new = await tried(whole, lambda: True)
    except Refusal as refusal:
        raise S3Error(str(refusal)) from None
    except uploads.Gone:  # the same was asked twice at once
        return await _completed(call, container, upload)
    await failpoint("objects.complete.after_row")
    return _answer(call, container, new)


async def _checksum(call: S3Call, tx: Any, row: Row[Any], named: Sequence[Named]) -> dict[str, str]:
    """The checksum of the whole, where the parts have some; what the request says of it is right.

    Raises:
        S3Error, Refusal
    """
    name = _algorithm(row)
    said = [one for one in checksums.NAMES if checksums.PREFIX + one in call.headers]
    if said and said != [name]:
        raise S3Error("InvalidRequest", "The checksum is of another algorithm than the upload's.")
    if not name:
        return {}
    parts = uploads.chosen(await uploads.parts(tx, row.id, 0, NUMBERS), named)
    if not all(part.checksum for part in parts):
        raise S3Error(
            "InvalidRequest",
            f"The upload was created using a {name} checksum. Each part must have one.",
        )
    whole = row.headers.get(CHECKSUM_TYPE) == "FULL_OBJECT"
    value = checksums.of_parts(name, parts, whole=whole)
    if said and call.headers[checksums.PREFIX + name] not in (value, value.rpartition("-")[0]):
        raise S3Error(
            "BadDigest", f"The {name} you specified did not match the calculated checksum."
        )
    return {CHECKSUM: f"{name}:{value}"}


async def _completed(call: S3Call, container: Row[Any], upload: str) -> Response:
    """The same answer once more, to who did not get the first one."""
    async with call.room.database.read() as tx:
        row = await rows.get(tx, container.id, call.key)
    if row is None or row.kind != "parts" or row.target != upload:
        raise S3Error("NoSuchUpload", fields={"UploadId": upload[:64]})
    return _answer(call, container, row)


def _answer(call: S3Call, container: Row[Any], new: Any) -> Response:
    content = [
        xml.element("Location", f"{call.request.origin}/{call.bucket}/{call.key}"),
        xml.element("Bucket", call.bucket),
        xml.element("Key", call.key),
        xml.element("ETag", f'"{new.etag}"'),
    ]
    name, _, value = new.headers.get(CHECKSUM, "").partition(":")
    if name:
        content.append(xml.element(f"Checksum{name.upper()}", value))
        content.append(xml.element("ChecksumType", new.headers.get(CHECKSUM_TYPE, "COMPOSITE")))
    told = version_headers(container.versions_mode, new.version_us or None)
    return answer(xml.element("CompleteMultipartUploadResult", *content, namespace=True), told)


async def abort(call: S3Call) -> Response:
    """AbortMultipartUpload."""
    container = await call.writable()
    row = await _upload(call, container)
    room = call.room
    async with room.database.write() as tx:
        held = await containers.held(tx, call.account, call.bucket)
        if await uploads.find(tx, held, call.key, row.id) is None:
            raise S3Error("NoSuchUpload")
        await uploads.abort(tx, held, row.id)
        tx.after_commit(room.freed.set)
    return nothing(204)


# ---- lists ----


async def list_parts(call: S3Call) -> Response:
    """ListParts."""
    container = await call.writable()
    row = await _upload(call, container)
    limit = call.number("max-parts", _MAXIMUM, _MAXIMUM)
    marker = call.number("part-number-marker", 0, NUMBERS)
    async with call.room.database.read() as tx:
        found = list(await uploads.parts(tx, row.id, marker, limit + 1))
    cut, found = len(found) > limit, found[:limit]
    encoded = encoder(call)
    content = [
        xml.element("Bucket", call.bucket),
        xml.element("Key", encoded(call.key)),
        xml.element("UploadId", row.id),
        owner(call, "Initiator"),
        owner(call),
        xml.element("StorageClass", "STANDARD"),
        xml.element("PartNumberMarker", str(marker)),
        xml.element("NextPartNumberMarker", str(found[-1].number if found else 0)),
        xml.element("MaxParts", str(limit)),
        xml.element("IsTruncated", "true" if cut else "false"),
    ]
    name = _algorithm(row).upper()
    if name:
        content.append(xml.element("ChecksumAlgorithm", name))
        content.append(xml.element("ChecksumType", row.headers[CHECKSUM_TYPE]))
    for part in found:
        shown = [
            xml.element("PartNumber", str(part.number)),
            xml.element("LastModified", iso(part.created_us)),
            xml.element("ETag", f'"{part.etag}"'),
            xml.element("Size", str(part.size)),
        ]
        if name and part.checksum:
            shown.append(xml.element(f"Checksum{name}", part.checksum))
        content.append(xml.element("Part", *shown))
    return answer(xml.element("ListPartsResult", *content, namespace=True))


async def list_uploads(call: S3Call) -> Response:
    """ListMultipartUploads."""
    container = await call.writable()
    limit = call.number("max-uploads", _MAXIMUM, _MAXIMUM)
    key, marker = call.query.get("key-marker", ""), call.query.get("upload-id-marker", "")
    prefix, delimiter = call.query.get("prefix", ""), call.query.get("delimiter", "")
    page = Page(limit=uploads.AT_ONCE, marker=key, prefix=prefix)
    async with call.room.database.read() as tx:
        given = await uploads.listed(tx, container.id, page, marker)
    found: list[Row[Any] | str] = []
    for row in given:
        cut_at = row.name.find(delimiter, len(prefix)) if delimiter else -1
        one = row.name[: cut_at + len(delimiter)] if cut_at >= 0 else row
        if one != (found[-1] if found else None) and not (isinstance(one, str) and one == key):
            found.append(one)
    cut, found = len(found) > limit, found[:limit]
    encoded = encoder(call)
    content = [
        xml.element("Bucket", call.bucket),
        xml.element("KeyMarker", encoded(key)),
        xml.element("UploadIdMarker", marker),
        xml.element("MaxUploads", str(limit)),
        xml.element("IsTruncated", "true" if cut else "false"),
        xml.element("Prefix", encoded(prefix)),
    ]
    if delimiter:
        content.append(xml.element("Delimiter", encoded(delimiter)))
    if call.query.get("encoding-type"):
        content.append(xml.element("EncodingType", "url"))
    if cut and found:
        last = found[-1]
        content.append(
            xml.element("NextKeyMarker", encoded(last if isinstance(last, str) else last.name))
        )
        if not isinstance(last, str):
            content.append(xml.element("NextUploadIdMarker", last.id))
    for one in found:
        if isinstance(one, str):
            content.append(xml.element("CommonPrefixes", xml.element("Prefix", encoded(one))))
            continue
        content.append(
            xml.element(
                "Upload",
                xml.element("Key", encoded(one.name)),
                xml.element("UploadId", one.id),
                owner(call, "Initiator"),
                owner(call),
                xml.element("StorageClass", "STANDARD"),
                xml.element("Initiated", iso(one.created_us)),
            )
        )
    return answer(xml.element("ListMultipartUploadsResult", *content, namespace=True))
