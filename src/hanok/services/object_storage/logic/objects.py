"""Objects: rows that refer to blobs. What a row no longer refers to is garbage, said in the same transaction.

Who changes an object holds its container's row, so that counts and quotas are exact, and the old object is the one that
was looked at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from msgspec import Struct, structs
from sqlalchemy import Row, bindparam

from hanok.services.object_storage.logic import accounts, containers
from hanok.services.object_storage.logic.names import CONTAINER_NAME, OBJECT_NAME, Said, stamp
from hanok.services.object_storage.tables import (
    object_accounts,
    object_containers,
    object_garbage,
    objects,
)
from hanok.store import Transaction

_O = objects.c
_get = sa.select(objects).where(
    _O.container_id == bindparam("container_id"), _O.name == bindparam("name")
)
_remove = objects.delete().where(
    _O.container_id == bindparam("id_of_container"), _O.name == bindparam("its_name")
)
_newest = (
    sa.select(objects)
    .where(
        _O.container_id == bindparam("container_id"),
        _O.name > bindparam("start"),
        _O.name < bindparam("end"),
    )
    .order_by(_O.name.desc())
    .limit(1)
)

MARKER = (
    "application/x-deleted;swift_versions_deleted=1"  # of a version that says: here it was deleted
)


class Expired(Exception):
    """It was not there any more for anybody, and now its row is gone, too."""


class Object(Struct, frozen=True, kw_only=True):
    """What is written of an object. See tables.objects."""

    blob: str = ""
    size: int = 0
    stored: int = 0
    etag: str
    content_type: str
    headers: Mapping[str, str]
    created_us: int
    delete_at: int | None = None
    kind: str = ""
    target: str = ""
    target_etag: str = ""


def is_there(row: Row[Any] | None, now_s: float) -> bool:
    """Whether an object is there for who asks: one whose end has passed is not, though its row is."""
    return row is not None and (row.delete_at is None or row.delete_at > now_s)


async def get(tx: Transaction, container_id: int, name: str) -> Row[Any] | None:
    return await tx.first(_get, {"container_id": container_id, "name": name})


async def drop_blob(tx: Transaction, blob: str) -> None:
    """Say that no row refers to a blob any more."""
    if blob:
        await tx.insert_missing(object_garbage, {"blob": blob})


async def _write(tx: Transaction, container: Row[Any], name: str, new: Object) -> None:
    """Put a row in the place of one that is there, or of none; counts are the caller's."""
    key = {"id_of_container": container.id, "its_name": name}
    await tx.execute(_remove, key)
    row = {"container_id": container.id, "name": name, **structs.asdict(new)}
    await tx.insert(objects, {**row, "headers": dict(new.headers)})


def _as_object(row: Row[Any]) -> Object:
    return Object(**{name: getattr(row, name) for name in Object.__struct_fields__})


def _version_prefix(name: str) -> str:
    return f"{len(name.encode()):03x}{name}/"


async def _keep_version(
    tx: Transaction, container: Row[Any], row: Row[Any], now_us: int
) -> Row[Any]:
    """Move what an object is now to where its old versions are. Returns that container.

    Raises:
        Said: that container is not there, or has no room for it.
    """
    location = await _versions(tx, container)
    name = f"{_version_prefix(row.name)}{stamp(row.created_us)}"
    if len(name.encode()) > OBJECT_NAME:
        raise Said(400, f"Object name length of {len(name.encode())} longer than {OBJECT_NAME}")
    there = await get(tx, location.id, name)
    if there is not None:
        await drop_blob(tx, there.blob)
    more = 0 if there is not None else 1
    containers.check_quota(location, objects=more, size=row.stored)
    await _write(tx, location, name, _as_object(row))
    size = row.stored - (there.stored if there is not None else 0)
    await containers.count(tx, location, objects=more, size=size)
    return location


async def _versions(tx: Transaction, container: Row[Any]) -> Row[Any]:
    found = await containers.get(tx, container.account, container.versions_location)
    if found is None:
        raise Said(412, "The versions container does not exist")
    return await containers.held(tx, container.account, container.versions_location)


async def put(
    tx: Transaction,
    account: str,
    container_name: str,
    name: str,
    new: Object,
    *,
    now_us: int,
    default_quota: int,
    only_new: bool = False,
) -> Object:
    """Write an object in the place of the one that is there.

    Args:
        default_quota: of accounts that have none of their own; 0: no limit.
        only_new: whether there may be none.

    Raises:
        Said: the container is not there, a quota would be passed, or there is one.
    """
    container = await containers.held(tx, account, container_name)
    row = await get(tx, container.id, name)
    if only_new and is_there(row, now_us / 1_000_000):
        raise Said(412)
    if row is not None and new.created_us <= row.created_us:
        new = structs.replace(new, created_us=row.created_us + 10)
    versioned = bool(container.versions_mode) and row is not None
    gone = 0 if row is None or versioned else row.stored
    containers.check_quota(
        container, objects=0 if row else 1, size=new.stored - (row.stored if row else 0)
    )
    owner = await accounts.held(tx, account, now_us)
    accounts.check_quota(
        owner, new.stored - gone, default_quota, objects=0 if row and not versioned else 1
    )
    if versioned:
        assert row is not None
        await _keep_version(tx, container, row, now_us)
    elif row is not None:
        await drop_blob(tx, row.blob)
    await _write(tx, container, name, new)
    await containers.count(
        tx,
        container,
        objects=0 if row else 1,
        size=new.stored - (row.stored if row else 0),
    )
    return new


async def post(
    tx: Transaction,
    account: str,
    container_name: str,
    name: str,
    change: Mapping[str, Any],
    now_us: int,
) -> None:
    """Change what an object says of itself.

    Raises:
        Said: it is not there.
    """
    container = await containers.held(tx, account, container_name)
    row = await get(tx, container.id, name)
    if row is None or not is_there(row, now_us / 1_000_000):
        raise Said(404)
    at = max(now_us, row.created_us + 10)
    await tx.execute(
        objects.update()
        .where(_O.container_id == container.id, _O.name == name)
        .values(created_us=at, **change)
    )


async def remove(tx: Transaction, account: str, container_name: str, name: str, now_us: int) -> str:
    """Remove an object; where old versions are kept, put back the last one, or say there that it was deleted.

    Returns what happened: "deleted" or "restored".

    Raises:
        Said: it is not there. Expired: its end had passed; the transaction may go on.
    """
    container = await containers.held(tx, account, container_name)
    row = await get(tx, container.id, name)
    if container.versions_mode == "stack":
        restored = await _restore(tx, container, row, name)
        if restored:
            return "restored"
    if row is None:
        raise Said(404)
    there = is_there(row, now_us / 1_000_000)
    if container.versions_mode == "history" and there:
        location = await _keep_version(tx, container, row, now_us)
        at = max(now_us, row.created_us + 10)
        marker = Object(
            etag="d41d8cd98f00b204e9800998ecf8427e", content_type=MARKER, headers={}, created_us=at
        )
        await _write(tx, location, f"{_version_prefix(name)}{stamp(at)}", marker)
        await containers.count(tx, location, objects=1)
    else:
        await drop_blob(tx, row.blob)
    await tx.execute(_remove, {"id_of_container": container.id, "its_name": name})
    await containers.count(tx, container, objects=-1, size=-row.stored)
    if not there:
        raise Expired
    return "deleted"


async def _restore(tx: Transaction, container: Row[Any], row: Row[Any] | None, name: str) -> bool:
    """Put the last version back. Returns whether there was one."""
    location = await containers.get(tx, container.account, container.versions_location)
    if location is None:
        return False
    location = await containers.held(tx, container.account, container.versions_location)
    prefix = _version_prefix(name)
    bounds = {"container_id": location.id, "start": prefix, "end": f"{prefix}:"}
    old = await tx.first(_newest, bounds)
    if old is not None and old.content_type == MARKER and row is None:
        # It was deleted while its history was kept: that is taken back.
        await tx.execute(_remove, {"id_of_container": location.id, "its_name": old.name})
        await containers.count(tx, location, objects=-1)
        old = await tx.first(_newest, bounds)
    if old is None or old.content_type == MARKER:
        return False
    if row is not None:
        await drop_blob(tx, row.blob)
    await tx.execute(_remove, {"id_of_container": location.id, "its_name": old.name})
    await containers.count(tx, location, objects=-1, size=-old.stored)
    await _write(tx, container, name, _as_object(old))
    await containers.count(
        tx,
        container,
        objects=0 if row is not None else 1,
        size=old.stored - (row.stored if row is not None else 0),
    )
    return True


# ---- what nobody needs any more ----

_expired = (
    sa.select(object_containers.c.account, object_containers.c.name.label("container"), _O.name)
    .join(object_containers, object_containers.c.id == _O.container_id)
    .where(_O.delete_at <= bindparam("now"))
    .order_by(_O.delete_at)
    .limit(bindparam("limit"))
)
_garbage = sa.select(object_garbage.c.blob).limit(bindparam("limit"))
_forget = object_garbage.delete().where(
    object_garbage.c.blob.in_(bindparam("blobs", expanding=True))
)
_referred = sa.select(_O.blob, _O.stored).where(_O.blob.in_(bindparam("blobs", expanding=True)))
_in_garbage = sa.select(object_garbage.c.blob).where(
    object_garbage.c.blob.in_(bindparam("blobs", expanding=True))
)
_referring = (
    sa.select(_O.blob, _O.stored, _O.name, object_containers.c.account,
              object_containers.c.name.label("container"))
    .join(object_containers, object_containers.c.id == _O.container_id)
    .where(_O.blob > bindparam("after"))
    .order_by(_O.blob)
    .limit(bindparam("limit"))
)  # fmt: skip


async def expired(tx: Transaction, now_s: float, limit: int) -> Sequence[Row[Any]]:
    """Objects whose end has passed: account, container, name."""
    return await tx.all(_expired, {"now": int(now_s), "limit": limit})


async def remove_expired(
    tx: Transaction, account: str, container_name: str, name: str, now_s: float
) -> bool:
    """Remove an object whose end has passed; no version is kept of it. Returns whether it was there."""
    container = await containers.get(tx, account, container_name)
    if container is None:
        return False
    container = await containers.held(tx, account, container_name)
    row = await get(tx, container.id, name)
    if row is None or is_there(row, now_s):
        return False
    await drop_blob(tx, row.blob)
    await tx.execute(_remove, {"id_of_container": container.id, "its_name": name})
    await containers.count(tx, container, objects=-1, size=-row.stored)
    return True


async def garbage(tx: Transaction, limit: int) -> Sequence[str]:
    """Blobs to let go."""
    return await tx.scalars(_garbage, {"limit": limit})


async def forget(tx: Transaction, blobs: Sequence[str]) -> None:
    """They are gone."""
    await tx.execute(_forget, {"blobs": list(blobs)})


async def known(tx: Transaction, blobs: Sequence[str]) -> dict[str, int]:
    """Those of some blobs that rows refer to, with their sizes; -1: one that is to be let go."""
    found = dict.fromkeys(await tx.scalars(_in_garbage, {"blobs": list(blobs)}), -1)
    return found | {row.blob: row.stored for row in await tx.all(_referred, {"blobs": list(blobs)})}


async def referring(tx: Transaction, after: str, limit: int) -> Sequence[Row[Any]]:
    """Rows that refer to blobs, in the blobs' order."""
    return await tx.all(_referring, {"after": after, "limit": limit})


async def miscounted(tx: Transaction, *, mend: bool) -> list[str]:
    """Containers and accounts whose counts are not what they hold."""
    held = (
        sa.select(
            object_containers.c.id,
            object_containers.c.account,
            object_containers.c.name,
            object_containers.c.objects,
            object_containers.c.bytes,
            sa.func.count(_O.name).label("found"),
            sa.func.coalesce(sa.func.sum(_O.stored), 0).label("size"),
        )
        .outerjoin(objects, _O.container_id == object_containers.c.id)
        .group_by(object_containers.c.id)
    )
    lines = []
    for row in await tx.all(held):
        if (row.objects, row.bytes) != (row.found, row.size):
            lines.append(
                f"container {row.name} of {row.account} says {row.objects} objects of {row.bytes} bytes; "
                f"there are {row.found} of {row.size}"
            )
            if mend:
                more = {"objects_more": row.found - row.objects, "bytes_more": row.size - row.bytes}
                await tx.execute(containers._count, {"container_id": row.id, **more})
    sums = sa.select(
        object_containers.c.account,
        sa.func.count().label("containers"),
        sa.func.sum(object_containers.c.objects).label("objects"),
        sa.func.sum(object_containers.c.bytes).label("bytes"),
    ).group_by(object_containers.c.account)
    totals = {row.account: row for row in await tx.all(sums)}
    for owner in await tx.all(sa.select(object_accounts)):
        total = totals.get(owner.id)
        right = (total.containers, total.objects, total.bytes) if total is not None else (0, 0, 0)
        if right != (owner.containers, owner.objects, owner.bytes):
            lines.append(f"account {owner.id} is counted wrongly: there are {right}")
            if mend:
                await accounts.count(
                    tx,
                    owner.id,
                    containers=right[0] - owner.containers,
                    objects=int(right[1]) - owner.objects,
                    size=int(right[2]) - owner.bytes,
                )
    return lines


__all__ = ["CONTAINER_NAME", "MARKER", "Object"]
