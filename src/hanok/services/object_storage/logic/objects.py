"""Objects: rows that refer to blobs. What a row no longer refers to is garbage, said in the same transaction.

Who changes an object holds its container's row, so that counts and quotas are exact, and the old object is the one that
was looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa
from msgspec import Struct, structs
from sqlalchemy import Row, bindparam

from hanok.services.object_storage.logic import accounts, containers, rows, versions
from hanok.services.object_storage.logic.names import OBJECT_NAME, Said, stamp
from hanok.services.object_storage.logic.rows import Object, drop, get, is_there
from hanok.services.object_storage.logic.versions import MARKER, MODES
from hanok.services.object_storage.tables import object_versions, objects
from hanok.store import Transaction

# What S3 says of an object, among its headers: tags as a form, and "public-read" where everybody may read it.
TAGS, ACL, PUBLIC = "s3-tags", "s3-acl", "public-read"

_O, _V = objects.c, object_versions.c
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


class Expired(Exception):
    """It was not there any more for anybody, and now its row is gone, too."""


class Removed(Struct, frozen=True, kw_only=True):
    """What a removal did. happened: "deleted" or "restored".

    version: that was removed, or made to say that it was deleted (`marker`); None: none are kept. was_there: whether
    the name led to something.
    """

    happened: str = "deleted"
    was_there: bool = True
    version: int | None = None
    marker: bool = False


class Conditions(Struct, frozen=True, kw_only=True):
    """What must hold for a write.

    etags: there is one, with one of these ("*": any). others: there is none, or none with one of these.
    until_s: it was not changed later, in seconds since 1970. absent: the status where one had to be there.
    ends_at: when its end is, in seconds since 1970.
    """

    etags: frozenset[str] = frozenset()
    others: frozenset[str] = frozenset()
    until_s: float | None = None
    absent: int = 404
    ends_at: int | None = None

    def check(self, row: Row[Any] | None, now_s: float) -> None:
        """Raises Said: 412, and `absent`."""
        there = is_there(row, now_s)
        if there and row is not None and self.others & {row.etag, "*"}:
            raise Said(412)
        if self.etags and not there:
            raise Said(self.absent)
        if self.etags and row is not None and not self.etags & {row.etag, "*"}:
            raise Said(412)
        if row is not None and self.ends_at is not None and row.delete_at != self.ends_at:
            raise Said(412)
        if there and row is not None and self.until_s is not None:
            if -(-row.created_us // 1_000_000) > self.until_s:
                raise Said(412)


ANY = Conditions()
NEW = Conditions(others=frozenset("*"))


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
        await drop(tx, there)
    more = 0 if there is not None else 1
    containers.check_quota(location, objects=more, size=row.stored)
    await rows.write(tx, location.id, name, rows.as_object(row))
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
    conditions: Conditions = ANY,
) -> Object:
    """Write an object in the place of the one that is there.

    Args:
        default_quota: of accounts that have none of their own; 0: no limit.

    Raises:
        Said: the container is not there, a quota would be passed, or a condition does not hold.
    """
    container = await containers.held(tx, account, container_name)
    row = await get(tx, container.id, name)
    conditions.check(row, now_us / 1_000_000)
    if container.versions_mode in MODES:
        return await versions.put(tx, container, row, name, new, now_us, default_quota)
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
        await drop(tx, row)
    await rows.write(tx, container.id, name, new, is_new=row is None)
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
    change: Callable[[Row[Any]], Mapping[str, Any]],
    now_us: int,
    conditions: Conditions = ANY,
) -> Row[Any]:
    """Change what an object says of itself. Returns what it was.

    Args:
        change: the columns that change, of the object as it is now: another one may have taken its place meanwhile.

    Raises:
        Said: it is not there, or a condition does not hold.
    """
    container = await containers.held(tx, account, container_name)
    row = await get(tx, container.id, name)
    if row is None or not is_there(row, now_us / 1_000_000):
        raise Said(404)
    conditions.check(row, now_us / 1_000_000)
    at = max(now_us, row.created_us + 10)
    await tx.execute(
        objects.update()
        .where(_O.container_id == container.id, _O.name == name)
        .values(created_us=at, **change(row))
    )
    return row


async def annotate(
    tx: Transaction,
    account: str,
    container_name: str,
    name: str,
    version: int | None,
    changes: Mapping[str, str],
) -> Row[Any]:
    """Change what S3 says of an object, or of a version of it; it is as old as before.

    Args:
        changes: an empty value takes a name away.

    Raises:
        Said: it is not there.
    """
    container = await containers.held(tx, account, container_name)
    if version is None:
        row = await get(tx, container.id, name)
    else:
        row = await versions.get(tx, container.id, name, version)
    if row is None or row.kind == "marker":
        raise Said(404)
    found = {key: value for key, value in {**row.headers, **changes}.items() if value}
    old = hasattr(row, "at_us")
    table = object_versions if old else objects
    where = [table.c.container_id == container.id, table.c.name == name]
    if old:
        where.append(_V.at_us == row.at_us)
    await tx.execute(table.update().where(*where).values(headers=found))
    return row


async def remove(
    tx: Transaction,
    account: str,
    container_name: str,
    name: str,
    now_us: int,
    *,
    conditions: Conditions = ANY,
    marks: bool = False,
) -> Removed:
    """Remove an object; where old versions are kept, put back the last one, or say there that it was deleted.

    Args:
        marks: whether it is said so, too, while the mode of the container is "suspended".

    Raises:
        Said: it is not there. Expired: its end had passed; the transaction may go on.
    """
    container = await containers.held(tx, account, container_name)
    row = await get(tx, container.id, name)
    conditions.check(row, now_us / 1_000_000)
    if container.versions_mode == versions.ENABLED or (marks and container.versions_mode in MODES):
        there = is_there(row, now_us / 1_000_000)
        version = await versions.mark_deleted(tx, container, row, name, now_us)
        return Removed(version=version, marker=True, was_there=there)
    if container.versions_mode in MODES and row is not None and row.version_us:
        await versions.leave(tx, container, row)
        return Removed(was_there=is_there(row, now_us / 1_000_000))
    if container.versions_mode == "stack":
        restored = await _restore(tx, container, row, name)
        if restored:
            return Removed(happened="restored")
    if row is None:
        raise Said(404)
    there = is_there(row, now_us / 1_000_000)
    if container.versions_mode == "history" and there:
        location = await _keep_version(tx, container, row, now_us)
        at = max(now_us, row.created_us + 10)
        marker = Object(
            etag="d41d8cd98f00b204e9800998ecf8427e", content_type=MARKER, headers={}, created_us=at
        )
        await rows.write(tx, location.id, f"{_version_prefix(name)}{stamp(at)}", marker)
        await containers.count(tx, location, objects=1)
    else:
        await drop(tx, row)
    await rows.remove(tx, container.id, name)
    await containers.count(tx, container, objects=-1, size=-row.stored)
    if not there:
        raise Expired
    return Removed()


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
        await rows.remove(tx, location.id, old.name)
        await containers.count(tx, location, objects=-1)
        old = await tx.first(_newest, bounds)
    if old is None or old.content_type == MARKER:
        return False
    if row is not None:
        await drop(tx, row)
    await rows.remove(tx, location.id, old.name)
    await containers.count(tx, location, objects=-1, size=-old.stored)
    await rows.write(tx, container.id, name, rows.as_object(old))
    await containers.count(
        tx,
        container,
        objects=0 if row is not None else 1,
        size=old.stored - (row.stored if row is not None else 0),
    )
    return True


async def remove_version(
    tx: Transaction,
    account: str,
    container_name: str,
    name: str,
    version: int,
    *,
    restore: bool,
    conditions: Conditions = ANY,
) -> Removed:
    """Remove one version for good.

    Args:
        version: its id; 0: that without one. restore: whether the newest of the others takes its place, where it was
            what the name led to. conditions: of the version.

    Raises:
        Said: it is not there, or a condition does not hold.
    """
    container = await containers.held(tx, account, container_name)
    row = await get(tx, container.id, name)
    if conditions is not ANY:
        conditions.check(await versions.get(tx, container.id, name, version), now_s=0)
    marker = False
    if row is not None and row.version_us == version:
        await drop(tx, row)
        await rows.remove(tx, container.id, name)
        await containers.count(tx, container, objects=-1, size=-row.stored)
        row = None
    elif not restore and row is not None and await _only_a_link(tx, container, name, version):
        await versions.leave(tx, container, row)
    else:
        marker = await versions.remove(tx, container, name, version)
    if restore and row is None:
        await versions.restore_newest(tx, container, name)
    return Removed(version=version, marker=marker)


async def _only_a_link(tx: Transaction, container: Row[Any], name: str, version: int) -> bool:
    """Whether "null" means what the name itself is, as it does to Swift: a link to a version, which stays."""
    return version == 0 and await versions.get(tx, container.id, name, 0) is None


async def use_version(
    tx: Transaction, account: str, container_name: str, name: str, version: int
) -> Object:
    """Let a name lead to one of its versions again: what it leads to now stays among them.

    Raises:
        Said: there is no such version, or it says that it was deleted.
    """
    container = await containers.held(tx, account, container_name)
    row = await get(tx, container.id, name)
    if row is not None and row.version_us == version:
        return rows.as_object(row)
    return await versions.use(tx, container, row, name, version)


__all__ = ["ANY", "MARKER", "OBJECT_NAME", "Object", "get", "is_there"]
