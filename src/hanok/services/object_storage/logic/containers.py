"""Containers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy import Row, bindparam

from hanok.services.object_storage.logic import accounts
from hanok.services.object_storage.logic.names import Said
from hanok.services.object_storage.tables import (
    object_containers,
    object_garbage,
    object_parts,
    object_uploads,
    object_versions,
    objects,
)
from hanok.store import Transaction

_C = object_containers.c
_get = sa.select(object_containers).where(
    _C.account == bindparam("account"), _C.name == bindparam("name")
)
_locked = _get.with_for_update()
_count = (
    object_containers.update()
    .where(_C.id == bindparam("container_id"))
    .values(
        objects=_C.objects + bindparam("objects_more"), bytes=_C.bytes + bindparam("bytes_more")
    )
)
_change = (
    object_containers.update()
    .where(_C.id == bindparam("container_id"))
    .values(
        metadata=bindparam("meta"),
        read_acl=bindparam("reads"),
        write_acl=bindparam("writes"),
        versions_mode=bindparam("mode"),
        versions_location=bindparam("location"),
        changed_us=bindparam("changed"),
    )
)
_remove = object_containers.delete().where(_C.id == bindparam("container_id"))
_some = [
    sa.select(table.c.name).where(table.c.container_id == bindparam("id")).limit(1)
    for table in (objects, object_versions)
]
_uploads = sa.select(object_uploads.c.id).where(
    object_uploads.c.container_id == bindparam("container_id")
)
_blobs_of_uploads = sa.select(object_parts.c.blob).where(
    object_parts.c.upload.in_(_uploads), object_parts.c.blob != ""
)
_size_of_uploads = sa.select(sa.func.coalesce(sa.func.sum(object_parts.c.size), 0)).where(
    object_parts.c.upload.in_(_uploads)
)

QUOTA_BYTES = "x-container-meta-quota-bytes"
QUOTA_COUNT = "x-container-meta-quota-count"


class Changes(Struct, frozen=True, kw_only=True):
    """What a request says of a container; None: nothing. metadata: an empty value takes the name away.

    versions: the mode and the location; ("", ""): old versions are no longer kept.
    """

    metadata: Mapping[str, str]
    read_acl: str | None = None
    write_acl: str | None = None
    versions: tuple[str, str] | None = None


async def get(tx: Transaction, account: str, name: str) -> Row[Any] | None:
    return await tx.first(_get, {"account": account, "name": name})


async def held(tx: Transaction, account: str, name: str) -> Row[Any]:
    """A container that nobody else changes until the transaction ends.

    Raises:
        Said: it is not there.
    """
    row = await tx.first(_locked, {"account": account, "name": name})
    if row is None:
        raise Said(404)
    return row


async def count(tx: Transaction, container: Row[Any], *, objects: int = 0, size: int = 0) -> None:
    """Add to what a container and its account have."""
    if objects or size:
        await correct(tx, container, objects=objects, size=size)
        await accounts.count(tx, container.account, objects=objects, size=size)


async def correct(tx: Transaction, container: Row[Any], *, objects: int, size: int) -> None:
    """Add to what a container says that it has; its account's are not changed."""
    more = {"objects_more": objects, "bytes_more": size}
    await tx.execute(_count, {"container_id": container.id, **more})


def merged(metadata: Mapping[str, str], changes: Mapping[str, str]) -> dict[str, str]:
    """Metadata with changes; a name with an empty value goes."""
    return {name: value for name, value in {**metadata, **changes}.items() if value}


async def put(
    tx: Transaction, account: str, name: str, changes: Changes, now_us: int
) -> tuple[Row[Any], bool]:
    """Make a container, or change the one that is there. Returns it, and whether it was made."""
    row = await tx.first(_locked, {"account": account, "name": name})
    made = False
    if row is None:
        await accounts.held(tx, account, now_us)
        values: dict[str, Any] = dict.fromkeys(
            ("read_acl", "write_acl", "versions_mode", "versions_location"), ""
        )
        values |= {"created_us": now_us, "changed_us": now_us, "metadata": {}}
        made = await tx.insert_missing(
            object_containers,
            {"account": account, "name": name, "objects": 0, "bytes": 0, **values},
        )
        if made:
            await accounts.count(tx, account, containers=1)
        row = await tx.first(_locked, {"account": account, "name": name})
        assert row is not None
    await change(tx, row, changes, now_us)
    return row, made


async def change(tx: Transaction, row: Row[Any], changes: Changes, now_us: int) -> None:
    """Change a container that is held."""
    mode, location = (
        (row.versions_mode, row.versions_location) if changes.versions is None else changes.versions
    )
    await tx.execute(
        _change,
        {
            "container_id": row.id,
            "meta": merged(row.metadata, changes.metadata),
            "reads": row.read_acl if changes.read_acl is None else changes.read_acl,
            "writes": row.write_acl if changes.write_acl is None else changes.write_acl,
            "mode": mode,
            "location": location,
            "changed": max(now_us, row.changed_us),
        },
    )


async def remove(tx: Transaction, account: str, name: str) -> None:
    """Remove an empty container; uploads that are under way in it end.

    Raises:
        Said: it is not there, or has objects or old versions.
    """
    row = await held(tx, account, name)
    for query in _some:
        if await tx.first(query, {"id": row.id}) is not None:
            raise Said(409)
    await _end_uploads(tx, row)
    await tx.execute(_remove, {"container_id": row.id})
    await accounts.count(tx, account, containers=-1)


async def _end_uploads(tx: Transaction, row: Row[Any]) -> None:
    own = {"container_id": row.id}
    if await tx.first(_uploads, own) is None:
        return
    size = int(await tx.scalar(_size_of_uploads, own))
    await tx.execute(object_garbage.insert().from_select(["blob"], _blobs_of_uploads), own)
    await tx.execute(object_parts.delete().where(object_parts.c.upload.in_(_uploads)), own)
    gone = object_uploads.c.container_id == bindparam("container_id")
    await tx.execute(object_uploads.delete().where(gone), own)
    await count(tx, row, size=-size)


def room(container: Row[Any]) -> int | None:
    """How many bytes more a container may hold; less than none where it has too many; None: there is no limit."""
    maximum = container.metadata.get(QUOTA_BYTES, "")
    return int(maximum) - int(container.bytes) if maximum.isdigit() else None


def check_quota(container: Row[Any], *, objects: int, size: int) -> None:
    """Go on only if a container may hold so much more.

    Raises:
        Said
    """
    left = room(container)
    maximum_count = container.metadata.get(QUOTA_COUNT, "")
    if left is not None and size > max(left, 0):
        raise Said(413, "Upload exceeds quota.")
    if objects > 0 and maximum_count.isdigit() and container.objects + objects > int(maximum_count):
        raise Said(413, "Upload exceeds quota.")
