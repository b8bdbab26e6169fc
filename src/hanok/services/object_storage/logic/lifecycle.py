"""Rules by which a bucket's objects, old versions and unfinished uploads go by themselves.

Source: "Managing the lifecycle of objects", Amazon S3's user guide.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy import Row, bindparam

from hanok.base.failpoints import failpoint
from hanok.services.object_storage.logic import containers, listing, objects, uploads, versions
from hanok.services.object_storage.logic.listing import Page
from hanok.services.object_storage.logic.names import Said
from hanok.services.object_storage.room import ObjectStore
from hanok.services.object_storage.tables import object_containers
from hanok.store import Transaction

LIFECYCLE = "s3-lifecycle"
DAY_US = 86_400 * 1_000_000
BATCH = 500
_C = object_containers.c
_some = sa.select(object_containers).where(_C.id > bindparam("after")).order_by(_C.id).limit(BATCH)


class Rule(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A rule that is switched on or off. Days since an object was written, a version was replaced, an upload began.

    at: seconds since 1970 from which on all objects go. marks: marks of deletions go when they are the last of a name.
    """

    id: str
    enabled: bool
    prefix: str = ""
    old: bool = False
    days: int | None = None
    at: int | None = None
    marks: bool = False
    noncurrent_days: int | None = None
    abort_days: int | None = None


def read(text: str) -> list[Rule]:
    """The rules of a container."""
    return msgspec.json.decode(text, type=list[Rule]) if text else []


async def run(room: ObjectStore) -> None:
    """Do what the rules of all containers say."""
    after = 0
    while True:
        async with room.database.read() as tx:
            rows = await tx.all(_some, {"after": after})
        for row in rows:
            after = row.id
            for rule in read(row.metadata.get(LIFECYCLE, "")):
                if rule.enabled:
                    await _apply(room, row, rule)
        if len(rows) < BATCH:
            return


def _before(room: ObjectStore, days: int) -> int:
    """The midnight so many whole days ago: what is older goes."""
    return (room.now_us() // DAY_US - days) * DAY_US


async def _apply(room: ObjectStore, row: Row[Any], rule: Rule) -> None:
    if rule.days is not None or (rule.at is not None and rule.at <= room.now_s()):
        before = room.now_us() if rule.days is None else _before(room, rule.days)
        await _objects(room, row, rule, before)
    if row.versions_mode in versions.MODES and (rule.noncurrent_days is not None or rule.marks):
        await _versions(room, row, rule)
    if rule.abort_days is not None:
        await _uploads(room, row, rule, _before(room, rule.abort_days))


async def _objects(room: ObjectStore, row: Row[Any], rule: Rule, before: int) -> None:
    marker = ""
    while True:
        page = Page(prefix=rule.prefix, marker=marker, limit=BATCH)
        async with room.database.read() as tx:
            found = await listing.of_objects(tx, row.id, page)
        for one in found:
            assert not isinstance(one, str)
            marker = one.name
            if one.created_us < before:
                await _remove(room, row, one, version=False)
        if len(found) < BATCH:
            return


async def _versions(room: ObjectStore, row: Row[Any], rule: Rule) -> None:
    at: tuple[str, int | None] = ("", None)
    name, newer, alone = "", 0, False
    while True:
        page = Page(prefix=rule.prefix, marker=at[0], limit=BATCH)
        async with room.database.read() as tx:
            found = await versions.listed(tx, row.id, page, at[1])
        for number, one in enumerate(found):
            assert isinstance(one, versions.Listed)
            following = found[number + 1] if number + 1 < len(found) else None
            assert not isinstance(following, str)
            first = one.row.name != name
            alone = first and following is not None and following.row.name != one.row.name
            alone = alone or (first and following is None and len(found) < BATCH)
            if not first and rule.noncurrent_days is not None:
                if newer < _before(room, rule.noncurrent_days):
                    await _remove(room, row, one.row, version=True)
            elif rule.marks and alone and one.row.kind == "marker":
                await _remove(room, row, one.row, version=True)
            name, newer, at = one.row.name, one.at_us, (one.row.name, one.at_us)
        if len(found) < BATCH:
            return


async def _remove(room: ObjectStore, row: Row[Any], listed: Row[Any], *, version: bool) -> None:
    """Remove an object, or a version of it, that is still as it was seen."""
    await failpoint("objects.lifecycle.before_remove")
    async with room.database.write() as tx:
        path = (row.account, row.name, listed.name)
        try:
            held = await containers.held(tx, row.account, row.name)
            if not await _is_unchanged(tx, held, listed):
                return
            if version:
                await objects.remove_version(tx, *path, listed.version_us, restore=True)
            else:
                await objects.remove(tx, *path, room.now_us(), marks=True)
        except (Said, objects.Expired):
            return
        where = f"{row.name}/{listed.name}"
        await room.tell(tx, "object.deleted", row.account, where, user_id=None)
        tx.after_commit(room.freed.set)


async def _is_unchanged(tx: Transaction, container: Row[Any], listed: Row[Any]) -> bool:
    """Whether a row is there that was listed: what has no id ("null") may be another one by now."""
    if container.id != listed.container_id:
        return False
    there = await versions.get(tx, container.id, listed.name, listed.version_us)
    old = hasattr(listed, "at_us")
    return (
        there is not None
        and hasattr(there, "at_us") == old
        and there.created_us == listed.created_us
        and (not old or there.at_us == listed.at_us)
    )


async def _uploads(room: ObjectStore, row: Row[Any], rule: Rule, before: int) -> None:
    async with room.database.read() as tx:
        page = Page(prefix=rule.prefix, limit=uploads.AT_ONCE)
        found: Sequence[Row[Any]] = await uploads.listed(tx, row.id, page)
    for one in found:
        if one.created_us >= before:
            continue
        async with room.database.write() as tx:
            try:
                held = await containers.held(tx, row.account, row.name)
            except Said:
                return
            if await uploads.find(tx, held, one.name, one.id) is not None:
                await uploads.abort(tx, held, one.id)
