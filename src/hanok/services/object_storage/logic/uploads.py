"""Objects that come in parts: a blob and a row each. When all are there, an object of kind "parts" refers to them.

The parts of what is not whole yet count in the bytes of their container and account.

Source: "Uploading and copying objects using multipart upload", Amazon S3's user guide.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy import Row, bindparam

from hanok.services.object_storage.logic import accounts, containers, objects, rows
from hanok.services.object_storage.logic.listing import Page
from hanok.services.object_storage.logic.names import Said, after
from hanok.services.object_storage.logic.objects import ANY, Conditions
from hanok.services.object_storage.logic.rows import Object
from hanok.services.object_storage.tables import object_parts, object_uploads
from hanok.store import Transaction

NUMBERS = 10_000  # of parts
SMALLEST = 5 << 20  # bytes of all parts but the last
AT_ONCE = 1000  # uploads that a container may have under way

_U, _P = object_uploads.c, object_parts.c
_get = sa.select(object_uploads).where(_U.id == bindparam("id"))
_remove = object_uploads.delete().where(_U.id == bindparam("its_id"))
_of_container = sa.select(object_uploads).where(_U.container_id == bindparam("container_id"))
_count = (
    sa.select(sa.func.count())
    .select_from(object_uploads)
    .where(_U.container_id == bindparam("container_id"))
)
_part = sa.select(object_parts).where(
    _P.upload == bindparam("upload"), _P.number == bindparam("number")
)
_remove_part = object_parts.delete().where(
    _P.upload == bindparam("its_upload"), _P.number == bindparam("its_number")
)
_size = sa.select(sa.func.coalesce(sa.func.sum(_P.size), 0)).where(_P.upload == bindparam("upload"))
_some_parts = (
    sa.select(object_parts)
    .where(_P.upload == bindparam("upload"), _P.number > bindparam("after"))
    .order_by(_P.number)
    .limit(bindparam("limit"))
)


class Part(Struct, frozen=True, kw_only=True):
    """What is written of a part. checksum: "" or its bytes in base64."""

    number: int
    blob: str
    size: int
    etag: str
    checksum: str = ""


class Refusal(Exception):
    """Why an upload does not become whole: InvalidPart, InvalidPartOrder, EntityTooSmall, …"""


class Gone(Exception):
    """There is no such upload any more: it became whole, or was given up."""


class Named(Struct, frozen=True, kw_only=True):
    """A part as whoever says that it is whole names it. checksum: None: nothing is said."""

    number: int
    etag: str
    checksum: str | None = None


async def start(
    tx: Transaction,
    account: str,
    container_name: str,
    name: str,
    *,
    content_type: str,
    headers: Mapping[str, str],
    now_us: int,
) -> str:
    """Begin an upload. Returns its id.

    Raises:
        Said: the container is not there, or has too many.
    """
    container = await containers.held(tx, account, container_name)
    if int(await tx.scalar(_count, {"container_id": container.id})) >= AT_ONCE:
        raise Said(503, f"A container has at most {AT_ONCE} uploads under way")
    upload = uuid4().hex
    values = {"content_type": content_type, "headers": dict(headers), "created_us": now_us}
    row = {"id": upload, "container_id": container.id, "name": name, **values}
    await tx.insert(object_uploads, row)
    return upload


async def find(tx: Transaction, container: Row[Any], name: str, upload: str) -> Row[Any] | None:
    """An upload of a name, while it is under way."""
    row = await tx.first(_get, {"id": upload})
    return row if row is not None and (row.container_id, row.name) == (container.id, name) else None


async def add(
    tx: Transaction,
    account: str,
    container_name: str,
    name: str,
    upload: str,
    part: Part,
    *,
    now_us: int,
    default_quota: int,
) -> None:
    """Take a part, in the place of the one of its number.

    Raises:
        Said: the upload is not there any more, or a quota would be passed.
    """
    container = await containers.held(tx, account, container_name)
    if await find(tx, container, name, upload) is None:
        raise Said(404)
    key = {"upload": upload, "number": part.number}
    old = await tx.first(_part, key)
    size = part.size - (0 if old is None else old.size)
    containers.check_quota(container, objects=0, size=size)
    owner = await accounts.held(tx, account, now_us)
    accounts.check_quota(owner, size, default_quota, objects=0)
    if old is not None:
        await rows.drop_blob(tx, old.blob)
        await tx.execute(_remove_part, {"its_upload": upload, "its_number": part.number})
    values = {"blob": part.blob, "size": part.size, "etag": part.etag, "checksum": part.checksum}
    await tx.insert(object_parts, {**key, **values, "created_us": now_us})
    await containers.count(tx, container, size=size)


async def size_of(tx: Transaction, upload: str, number: int) -> int:
    """How many bytes a part has; none where it is not there."""
    row = await tx.first(_part, {"upload": upload, "number": number})
    return 0 if row is None else int(row.size)


async def parts(tx: Transaction, upload: str, after_number: int, limit: int) -> Sequence[Row[Any]]:
    """Parts of an upload behind a number."""
    return await tx.all(_some_parts, {"upload": upload, "after": after_number, "limit": limit})


def chosen(given: Sequence[Row[Any]], named: Sequence[Named]) -> list[Row[Any]]:
    """The parts that are named, each as it is named.

    Raises:
        Refusal
    """
    if not named:
        raise Refusal("MalformedXML")
    known = {row.number: row for row in given}
    found: list[Row[Any]] = []
    for one in named:
        if found and one.number <= found[-1].number:
            raise Refusal("InvalidPartOrder")
        row = known.get(one.number)
        if row is None or row.etag != one.etag:
            raise Refusal("InvalidPart")
        if one.checksum is not None and row.checksum and one.checksum != row.checksum:
            raise Refusal("InvalidPart")
        found.append(row)
    if any(row.size < SMALLEST for row in found[:-1]):
        raise Refusal("EntityTooSmall")
    return found


def etag_of(parts: Sequence[Row[Any]]) -> str:
    """The hash of the parts' hashes, and how many there are."""
    joined = b"".join(bytes.fromhex(row.etag) for row in parts)
    return f"{hashlib.md5(joined, usedforsecurity=False).hexdigest()}-{len(parts)}"


async def complete(
    tx: Transaction,
    account: str,
    container_name: str,
    name: str,
    upload: str,
    named: Sequence[Named],
    *,
    now_us: int,
    default_quota: int,
    more: Mapping[str, str],
    conditions: Conditions = ANY,
) -> Object:
    """Make an object of an upload's parts; those that are not named go.

    Args:
        more: further headers of the object.

    Raises:
        Said: the container is not there, or a condition does not hold. Gone: the upload is not.
        Refusal: the parts are not as they are named.
    """
    container = await containers.held(tx, account, container_name)
    found = await find(tx, container, name, upload)
    if found is None:
        raise Gone
    given = await rows.parts(tx, upload)
    taken = chosen(given, named)
    numbers = {row.number for row in taken}
    for row in given:
        if row.number not in numbers:
            await rows.drop_blob(tx, row.blob)
            key = {"its_upload": upload, "its_number": row.number}
            await tx.execute(_remove_part, key)
    await tx.execute(_remove, {"its_id": upload})
    # From here on they are the object's, and counted as its bytes.
    await containers.count(tx, container, size=-sum(row.size for row in given))
    size = sum(row.size for row in taken)
    new = Object(
        size=size,
        stored=size,
        etag=etag_of(taken),
        content_type=found.content_type,
        headers={**found.headers, **more},
        created_us=now_us,
        kind="parts",
        target=upload,
    )
    return await objects.put(
        tx, account, container_name, name, new,
        now_us=now_us, default_quota=default_quota, conditions=conditions,
    )  # fmt: skip


async def abort(tx: Transaction, container: Row[Any], upload: str) -> None:
    """Let go of an upload of a container that is held."""
    size = int(await tx.scalar(_size, {"upload": upload}))
    await rows.drop_parts(tx, upload)
    await tx.execute(_remove, {"its_id": upload})
    await containers.count(tx, container, size=-size)


async def listed(
    tx: Transaction, container_id: int, page: Page, marker_id: str = ""
) -> Sequence[Row[Any]]:
    """Uploads of a container in the order of their names and ids.

    Args:
        page: limit, prefix and marker count. marker_id: the upload of the marker's name behind which the page begins.
    """
    query = _of_container
    if page.prefix:
        query = query.where(_U.name >= page.prefix)
        if (end := after(page.prefix)) is not None:
            query = query.where(_U.name < end)
    if page.marker and marker_id:
        behind = sa.and_(_U.name == page.marker, _U.id > marker_id)
        query = query.where(sa.or_(_U.name > page.marker, behind))
    elif page.marker:
        query = query.where(_U.name > page.marker)
    query = query.order_by(_U.name, _U.id).limit(page.limit)
    return await tx.all(query, {"container_id": container_id})
