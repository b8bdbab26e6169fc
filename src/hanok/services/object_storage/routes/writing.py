"""What every way of writing has in common: who may write where, the row in its place, and taking one away."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from sqlalchemy import Row
from starlette.responses import Response

from hanok.base.failpoints import failpoint
from hanok.drivers.byte_store import Stored
from hanok.services.object_storage.logic import containers, objects, versions
from hanok.services.object_storage.logic.names import Address, Said, http_date, stamp
from hanok.services.object_storage.logic.objects import ANY, Conditions, Object, Removed
from hanok.services.object_storage.routes.call import Call, empty
from hanok.web.app import tried


class Sort(Struct, frozen=True, kw_only=True):
    """Which sort of object is written: one that leads to others, or a plain one. See tables.objects."""

    kind: str = ""
    target: str = ""
    target_etag: str = ""
    size: int = 0


async def check_target(call: Call, address: Address) -> Row[Any]:
    """The container, which is there and to which the caller may write.

    Raises:
        Said
    """
    async with call.room.database.read() as tx:
        found = await containers.get(tx, address.account, address.container)
    return call.check_writes(found, address.account)


def made(new: Object, more: Mapping[str, str] | None = None, *, quoted: bool = False) -> Response:
    """The answer to a write."""
    found = {
        "Etag": f'"{new.etag}"' if quoted else new.etag,
        "Last-Modified": http_date(new.created_us),
        "X-Timestamp": stamp(new.created_us),
    }
    if new.version_us:
        found["X-Object-Version-Id"] = versions.shown(new.version_us)
    return empty(201, {**found, **(more or {})})


async def written(
    call: Call,
    address: Address,
    stored: Stored,
    values: Mapping[str, Any],
    *,
    sort: Sort | None = None,
    etag: str = "",
    conditions: Conditions = ANY,
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

    async def in_its_place() -> Object:
        async with room.database.write() as tx:
            put = await objects.put(
                tx,
                address.account,
                address.container,
                address.object,
                new,
                now_us=new.created_us,
                default_quota=room.settings.quota_bytes,
                conditions=conditions,
            )
            payload = {"bytes": put.size, "etag": put.etag}
            where = f"{address.container}/{address.object}"
            await room.tell(
                tx, "object.created", address.account, where, user_id=call.user_id, payload=payload
            )
            tx.after_commit(room.freed.set)
            return put

    try:
        found = await tried(in_its_place, lambda: True)
    except Said:  # nothing was written, for sure
        if new.blob:
            await room.store.delete(new.blob)
        raise
    await failpoint("objects.put.after_row")
    return found


async def removed(
    call: Call,
    address: Address,
    *,
    version: int | None = None,
    restore: bool = False,
    conditions: Conditions = ANY,
    marks: bool = False,
) -> Removed:
    """Remove an object, or one of its versions.

    Args:
        restore: see objects.remove_version. marks: see objects.remove.

    Raises:
        Said
    """
    room = call.room
    path = (address.account, address.container, address.object)
    gone = Removed()
    there = True
    async with room.database.write() as tx:
        try:
            if version is not None:
                gone = await objects.remove_version(
                    tx, *path, version, restore=restore, conditions=conditions
                )
            else:
                gone = await objects.remove(
                    tx, *path, room.now_us(), conditions=conditions, marks=marks
                )
        except objects.Expired:  # the row goes all the same
            there = False
        where = f"{address.container}/{address.object}"
        await room.tell(tx, f"object.{gone.happened}", address.account, where, user_id=call.user_id)
        tx.after_commit(room.freed.set)
    if not there:
        raise Said(404)
    return gone
