"""Versions with ids of their own: what objects were before, and marks that say that one was deleted.

A name leads to the row in `objects`; what it led to before is in `object_versions`, in the order in which it was
written. While a container's mode is "suspended", what is written has no id (0, shown as "null") and takes the place of
what had none.

Source: "Object Versioning" in Swift's middleware reference; "Using versioning in S3 buckets".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from msgspec import Struct, structs
from sqlalchemy import Row, bindparam

from hanok.base.pieces import Pieces
from hanok.services.object_storage.logic import accounts, containers, rows
from hanok.services.object_storage.logic.listing import Page, next_size
from hanok.services.object_storage.logic.names import Said, after, stamp
from hanok.services.object_storage.logic.rows import Object
from hanok.services.object_storage.tables import object_versions, objects
from hanok.store import Transaction

ENABLED, SUSPENDED = "enabled", "suspended"
MODES = (ENABLED, SUSPENDED)
NULL = "null"
# Of a version that says: here it was deleted.
MARKER = "application/x-deleted;swift_versions_deleted=1"
AT_ONCE = 1000  # versions that are read at once
EMPTY = "d41d8cd98f00b204e9800998ecf8427e"

_V, _O = object_versions.c, objects.c
_of_name = sa.select(object_versions).where(
    _V.container_id == bindparam("container_id"), _V.name == bindparam("name")
)
_newest = _of_name.order_by(_V.at_us.desc()).limit(1)
_one = _of_name.where(_V.version_us == bindparam("version"))
_remove = object_versions.delete().where(
    _V.container_id == bindparam("id_of_container"),
    _V.name == bindparam("its_name"),
    _V.at_us == bindparam("its_time"),
)
_some = sa.select(_V.name).where(_V.container_id == bindparam("container_id")).limit(1)


def shown(version_us: int) -> str:
    """A version's id as clients see it."""
    return stamp(version_us) if version_us else NULL


def read(said: str) -> int | None:
    """The id that a text says; None: it is none."""
    if said == NULL:
        return 0
    seconds, dot, rest = said.partition(".")
    if not dot or len(seconds) != 10 or len(rest) != 5:
        return None
    digits = seconds + rest
    return int(digits) * 10 or None if digits.isascii() and digits.isdigit() else None


async def any_kept(tx: Transaction, container_id: int) -> bool:
    """Whether a container has versions beside what its names lead to."""
    return await tx.first(_some, {"container_id": container_id}) is not None


async def newest(tx: Transaction, container_id: int, name: str) -> Row[Any] | None:
    """The last version beside what a name leads to."""
    return await tx.first(_newest, {"container_id": container_id, "name": name})


async def get(tx: Transaction, container_id: int, name: str, version: int) -> Row[Any] | None:
    """A version, wherever it is; a mark is one, too."""
    row = await rows.get(tx, container_id, name)
    if row is not None and row.version_us == version:
        return row
    found = {"container_id": container_id, "name": name, "version": version}
    return await tx.first(_one, found)


async def _add(tx: Transaction, container_id: int, name: str, at_us: int, kept: Object) -> None:
    # An end that was set is the end of what its name led to.
    values = {**structs.asdict(kept), "headers": dict(kept.headers), "delete_at": None}
    row = {"container_id": container_id, "name": name, "at_us": at_us, **values}
    await tx.insert(object_versions, row)


async def _delete(tx: Transaction, row: Row[Any]) -> None:
    key = {"id_of_container": row.container_id, "its_name": row.name, "its_time": row.at_us}
    await tx.execute(_remove, key)


async def _drop_null(tx: Transaction, container: Row[Any], name: str) -> None:
    """Remove the version without an id: another one takes its place."""
    key = {"container_id": container.id, "name": name, "version": 0}
    if (old := await tx.first(_one, key)) is not None:
        await rows.drop(tx, old)
        await _delete(tx, old)
        await containers.count(tx, container, size=-old.stored)


async def _time(
    tx: Transaction, container: Row[Any], row: Row[Any] | None, name: str, us: int
) -> int:
    """A time later than all versions of a name."""
    last = await newest(tx, container.id, name)
    for known in (row and max(row.created_us, row.version_us), last and last.at_us):
        if known is not None and us <= known:
            us = known + 10
    return us


async def _step_back(tx: Transaction, container: Row[Any], row: Row[Any]) -> None:
    """Put what a name leads to among its versions; its bytes are counted already."""
    at_us = row.version_us or row.created_us
    await _add(tx, container.id, row.name, at_us, rows.as_object(row))
    await rows.remove(tx, container.id, row.name)


async def put(
    tx: Transaction,
    container: Row[Any],
    row: Row[Any] | None,
    name: str,
    new: Object,
    now_us: int,
    default_quota: int,
) -> Object:
    """Write an object, in a container that is held.

    Args:
        row: what the name leads to now. default_quota: see objects.put.

    Raises:
        Said: a quota would be passed.
    """
    at_us = await _time(tx, container, row, name, new.created_us)
    enabled = container.versions_mode == ENABLED
    new = structs.replace(new, created_us=at_us, version_us=at_us if enabled else 0)
    keeps = row is not None and (enabled or row.version_us != 0)
    size = new.stored - (0 if keeps or row is None else row.stored)
    more = 0 if row is not None else 1
    containers.check_quota(container, objects=more, size=size)
    owner = await accounts.held(tx, container.account, now_us)
    accounts.check_quota(owner, size, default_quota, objects=more)
    if not enabled:
        await _drop_null(tx, container, name)
    if row is not None and keeps:
        await _step_back(tx, container, row)
    elif row is not None:
        await rows.drop(tx, row)
    await rows.write(tx, container.id, name, new)
    await containers.count(tx, container, objects=more, size=size)
    return new


async def leave(tx: Transaction, container: Row[Any], row: Row[Any]) -> None:
    """Let a name lead nowhere: what it led to stays among its versions, if it is one that is kept."""
    if container.versions_mode == ENABLED or row.version_us != 0:
        await _step_back(tx, container, row)
        await containers.count(tx, container, objects=-1)
    else:
        await rows.drop(tx, row)
        await rows.remove(tx, container.id, row.name)
        await containers.count(tx, container, objects=-1, size=-row.stored)


async def mark_deleted(
    tx: Transaction, container: Row[Any], row: Row[Any] | None, name: str, now_us: int
) -> int:
    """Let a name lead nowhere, and say so among its versions. Returns the mark's id."""
    at_us = await _time(tx, container, row, name, now_us)
    enabled = container.versions_mode == ENABLED
    if not enabled:
        await _drop_null(tx, container, name)
    if row is not None:
        await leave(tx, container, row)
    version = at_us if enabled else 0
    mark = Object(
        etag=EMPTY, content_type=MARKER, headers={}, created_us=at_us, kind="marker",
        version_us=version,
    )  # fmt: skip
    await _add(tx, container.id, name, at_us, mark)
    return version


async def remove(tx: Transaction, container: Row[Any], name: str, version: int) -> bool:
    """Remove a version that no name leads to, in a container that is held. Returns whether it was a mark.

    Raises:
        Said: it is not there.
    """
    found = {"container_id": container.id, "name": name, "version": version}
    old = await tx.first(_one, found)
    if old is None:
        raise Said(404)
    await rows.drop(tx, old)
    await _delete(tx, old)
    await containers.count(tx, container, size=-old.stored)
    return bool(old.kind == "marker")


async def restore_newest(tx: Transaction, container: Row[Any], name: str) -> None:
    """Let a name that leads nowhere lead to its last version, where that is no mark."""
    last = await newest(tx, container.id, name)
    if last is None or last.kind == "marker":
        return
    await _delete(tx, last)
    await rows.write(tx, container.id, name, rows.as_object(last))
    await containers.count(tx, container, objects=1)


async def use(
    tx: Transaction, container: Row[Any], row: Row[Any] | None, name: str, version: int
) -> Object:
    """See objects.use_version."""
    found = {"container_id": container.id, "name": name, "version": version}
    old = await tx.first(_one, found)
    if old is None or old.kind == "marker":
        raise Said(404)
    if row is not None:
        await _step_back(tx, container, row)
    await _delete(tx, old)
    await rows.write(tx, container.id, name, rows.as_object(old))
    await containers.count(tx, container, objects=0 if row is not None else 1)
    return rows.as_object(old)


# ---- lists ----


class Listed(Struct, frozen=True):
    """A version on a list. latest: whether it is what its name leads to, or says that it leads nowhere."""

    row: Row[Any]
    at_us: int
    latest: bool


_AT = sa.case((_O.version_us == 0, _O.created_us), else_=_O.version_us)


async def listed(
    tx: Transaction, container_id: int, page: Page, marker_version: int | None = None
) -> list[Listed | str]:
    """All versions of a container's names, the newest of each first; texts stand for names that a delimiter folds.

    Args:
        page: its marker is a name, end_marker too; path means nothing here. reverse: the other way round.
        marker_version: `at_us` of the version of the marker behind which the page begins; None: behind all of them.
    """
    tx.pieces = Pieces()
    found: list[Listed | str] = []
    at: tuple[str, int | None] = (page.marker, marker_version)
    beyond = ""  # where the names that were folded end
    size = min(page.limit, AT_ONCE)
    while len(found) < page.limit:
        before = len(found)
        some = await _next(tx, container_id, page, at, beyond, size)
        beyond = ""
        for one in some:
            at = (one.row.name, one.at_us)
            if not (group := _group(one.row.name, page)):
                found.append(one)
            else:
                if not page.marker.startswith(group):
                    found.append(group)
                beyond = group if page.reverse else after(group) or ""
                if not beyond:
                    return found
                break
            if len(found) >= page.limit:
                break
        if len(some) < size and not beyond:
            break
        size = next_size(len(found) - before)
    return found


def _group(name: str, page: Page) -> str:
    if not page.delimiter:
        return ""
    cut = name.find(page.delimiter, len(page.prefix))
    return name[: cut + len(page.delimiter)] if cut >= 0 else ""


def _bounds(
    table: sa.Table,
    time: sa.ColumnElement[Any],
    page: Page,
    at: tuple[str, int | None],
    beyond: str,
) -> list[sa.ColumnElement[bool]]:
    """What the rows of a page have in common."""
    name, back = table.c.name, page.reverse
    found: list[sa.ColumnElement[bool]] = []
    if page.prefix:
        found.append(name >= page.prefix)
        if (end := after(page.prefix)) is not None:
            found.append(name < end)
    if page.end_marker:
        found.append(name > page.end_marker if back else name < page.end_marker)
    if beyond:
        found.append(name < beyond if back else name >= beyond)
    elif at[0] and at[1] is None:
        found.append(name < at[0] if back else name > at[0])
    elif at[0] and back:
        found += [name <= at[0], sa.or_(name < at[0], time > at[1])]
    elif at[0]:
        found += [name >= at[0], sa.or_(name > at[0], time < at[1])]
    return found


async def _next(
    tx: Transaction,
    container_id: int,
    page: Page,
    at: tuple[str, int | None],
    beyond: str,
    size: int,
) -> list[Listed]:
    """The next so many versions: of what names lead to, and of the others."""
    both: list[Listed] = []
    for table, time in ((objects, _AT), (object_versions, _V.at_us)):
        query = sa.select(table, time.label("its_time")).where(
            table.c.container_id == container_id, *_bounds(table, time, page, at, beyond)
        )
        name = table.c.name
        order = (name.desc(), time) if page.reverse else (name, time.desc())
        rows_of_it = await tx.all(query.order_by(*order).limit(size))
        both += [Listed(row, row.its_time, table is objects) for row in rows_of_it]
    both.sort(key=lambda one: (one.row.name.encode(), -one.at_us), reverse=page.reverse)
    return await _with_marks(tx, container_id, both[:size])


async def _with_marks(tx: Transaction, container_id: int, some: Sequence[Listed]) -> list[Listed]:
    """The same; marks that are the last word about their names say so."""
    return [
        one
        if one.row.kind != "marker"
        else Listed(one.row, one.at_us, await _is_last(tx, container_id, one))
        for one in some
    ]


async def _is_last(tx: Transaction, container_id: int, one: Listed) -> bool:
    last = await newest(tx, container_id, one.row.name)
    if last is None or last.at_us != one.at_us:
        return False
    return await rows.get(tx, container_id, one.row.name) is None
