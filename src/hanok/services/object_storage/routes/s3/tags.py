"""Tags of objects and buckets. They are kept as a form: a=1&b=2.

Source: "Categorizing your storage using tags".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl, urlencode

from starlette.responses import Response

from hanok.services.object_storage.logic import containers, objects
from hanok.services.object_storage.logic.names import Said
from hanok.services.object_storage.routes import reading
from hanok.services.object_storage.routes.s3 import xml
from hanok.services.object_storage.routes.s3.call import S3Call, answer, nothing, version_headers
from hanok.services.object_storage.routes.s3.faults import S3Error
from hanok.services.object_storage.routes.s3.xml import Element

OF_OBJECT, OF_BUCKET = 10, 50
_KEY, _VALUE = 128, 256

Tags = Sequence[tuple[str, str]]


def _checked(found: Tags, maximum: int) -> Tags:
    if len(found) > maximum:
        raise S3Error("InvalidTag",
                      f"There can be at most {maximum} tags.")  # fmt: skip
    if len(dict(found)) != len(found):
        raise S3Error("InvalidTag", "Cannot provide multiple Tags with the same key")
    for key, value in found:
        if not 0 < len(key) <= _KEY:
            raise S3Error("InvalidTag", "The TagKey you have provided is invalid")
        if len(value) > _VALUE:
            raise S3Error("InvalidTag", "The TagValue you have provided is invalid")
    return found


def of_header(text: str) -> dict[str, str]:
    """What x-amz-tagging says, as it is kept among an object's headers.

    Raises:
        S3Error
    """
    try:
        found = parse_qsl(
            text, keep_blank_values=True, max_num_fields=OF_OBJECT + 1, errors="strict"
        )
    except (ValueError, UnicodeDecodeError):
        raise S3Error(
            "InvalidArgument",
            "The header 'x-amz-tagging' is not a form like a=1&b=2",
        ) from None
    checked = _checked(found, OF_OBJECT)
    return {objects.TAGS: urlencode(sorted(checked))} if checked else {}


def _kept(text: str) -> Tags:
    return parse_qsl(text, keep_blank_values=True)


def count(headers: Mapping[str, str]) -> int:
    """How many tags an object has."""
    return len(_kept(headers.get(objects.TAGS, "")))


async def _read(call: S3Call, maximum: int) -> str:
    root = await call.document("Tagging")
    tag_set = root.one("TagSet")
    try:
        root.only("TagSet")
        if tag_set is None:
            raise xml.Malformed
        tag_set.only("Tag")
        for tag in tag_set.children:
            tag.only("Key", "Value")
    except xml.Malformed:
        raise S3Error("MalformedXML") from None
    pairs = [(tag.exact("Key") or "", tag.exact("Value") or "") for tag in tag_set.children]
    return urlencode(sorted(_checked(pairs, maximum)))


def _shown(text: str) -> Element:
    tags = [
        xml.element("Tag", xml.element("Key", key), xml.element("Value", value))
        for key, value in _kept(text)
    ]
    return xml.element("Tagging", xml.element("TagSet", *tags), namespace=True)


async def show_object(call: S3Call) -> Response:
    """GetObjectTagging."""
    await call.readable()
    version = call.version()
    try:
        whole = await reading.find(call.swift, call.address, whole=False, version=version)
    except Said as error:
        raise _absent(error, version) from None
    told = version_headers(whole.container.versions_mode, whole.row.version_us)
    return answer(_shown(whole.row.headers.get(objects.TAGS, "")), told)


def _absent(error: Said, version: int | None) -> S3Error:
    if error.status != 404:
        return S3Error("AccessDenied")
    return S3Error("NoSuchKey" if version is None else "NoSuchVersion")


async def put_object(call: S3Call) -> Response:
    """PutObjectTagging."""
    await call.writable()
    return await _change(call, await _read(call, OF_OBJECT), 200)


async def remove_object(call: S3Call) -> Response:
    """DeleteObjectTagging."""
    return await _change(call, "", 204)


async def _change(call: S3Call, text: str, status: int) -> Response:
    container = await call.writable()
    room, version = call.room, call.version()
    path = (call.account, call.bucket, call.key)
    try:
        async with room.database.write() as tx:
            row = await objects.annotate(tx, *path, version, {objects.TAGS: text})
            where = f"{call.bucket}/{call.key}"
            await room.tell(tx, "object.updated", call.account, where, user_id=call.token.user_id)
    except Said as error:
        raise _absent(error, version) from None
    return nothing(status, version_headers(container.versions_mode, row.version_us))


# ---- buckets ----

TAGS = "s3-tags"


async def show_bucket(call: S3Call) -> Response:
    """GetBucketTagging."""
    row = await call.owned()
    if not (text := row.metadata.get(TAGS, "")):
        raise S3Error("NoSuchTagSet", fields={"BucketName": call.bucket})
    return answer(_shown(text))


async def put_bucket(call: S3Call) -> Response:
    """PutBucketTagging."""
    await call.owned()
    await keep(call, {TAGS: await _read(call, OF_BUCKET)})
    return nothing(204)


async def remove_bucket(call: S3Call) -> Response:
    """DeleteBucketTagging."""
    await call.owned()
    await keep(call, {TAGS: ""})
    return nothing(204)


async def keep(
    call: S3Call, metadata: Mapping[str, str], mode: tuple[str, str] | None = None
) -> None:
    """Keep something that is said of a bucket; an empty text takes it away.

    Args:
        mode: how its versions are kept from now on.
    """
    room = call.room
    async with room.database.write() as tx:
        row = await containers.held(tx, call.account, call.bucket)
        changes = containers.Changes(metadata=metadata, versions=mode)
        await containers.change(tx, row, changes, room.now_us())
        await room.tell(
            tx, "container.updated", call.account, call.bucket, user_id=call.token.user_id
        )
