"""What expired, what no row refers to, and what is not counted as it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.services.object_storage.logic import accounts, containers, rows, versions
from hanok.services.object_storage.logic.rows import is_there
from hanok.services.object_storage.tables import (
    object_accounts,
    object_containers,
    object_garbage,
    object_parts,
    object_uploads,
    object_versions,
    objects,
)
from hanok.store import Transaction

_O, _V, _P, _C = objects.c, object_versions.c, object_parts.c, object_containers.c


def _of(table: sa.Table, size: sa.Column[int]) -> sa.Select[Any]:
    some = table.c.blob.in_(bindparam("blobs", expanding=True))
    return sa.select(table.c.blob, size.label("stored")).where(some)


def _named(table: sa.Table) -> sa.Select[Any]:
    columns = (table.c.blob, table.c.stored, table.c.name, _C.account, _C.name.label("container"))
    return (
        sa.select(*columns)
        .join(object_containers, _C.id == table.c.container_id)
        .where(table.c.blob > bindparam("after"))
        .order_by(table.c.blob)
        .limit(bindparam("limit"))
    )


_expired = (
    sa.select(_C.account, _C.name.label("container"), _O.name)
    .join(object_containers, _C.id == _O.container_id)
    .where(_O.delete_at <= bindparam("now"))
    .order_by(_O.delete_at)
    .limit(bindparam("limit"))
)
_G = object_garbage.c
_notice = object_garbage.update().where(_G.seen_us == 0).values(seen_us=bindparam("now"))
_unmarked = sa.select(_G.blob).where(_G.seen_us == 0).limit(1)
_garbage = (
    sa.select(_G.blob)
    .where(_G.seen_us > 0, _G.seen_us <= bindparam("until"), _G.blob > bindparam("after"))
    .order_by(_G.blob)
    .limit(bindparam("limit"))
)
_forget = object_garbage.delete().where(
    object_garbage.c.blob.in_(bindparam("blobs", expanding=True))
)
_referred = (_of(objects, _O.stored), _of(object_versions, _V.stored), _of(object_parts, _P.size))
_in_garbage = sa.select(object_garbage.c.blob).where(
    object_garbage.c.blob.in_(bindparam("blobs", expanding=True))
)
_referring = {
    "object": _named(objects),
    "old version of": _named(object_versions),
    "part": sa.select(
        _P.blob, _P.size.label("stored"), _P.number.label("name"), _P.upload.label("container"),
        sa.literal("upload").label("account"),
    )
    .where(_P.blob > bindparam("after"))
    .order_by(_P.blob)
    .limit(bindparam("limit")),
}  # fmt: skip
SORTS = tuple(_referring)


async def expired(tx: Transaction, now_s: float, limit: int) -> Sequence[Row[Any]]:
    """Objects whose end has passed: account, container, name."""
    return await tx.all(_expired, {"now": int(now_s), "limit": limit})


async def remove_expired(
    tx: Transaction, account: str, container_name: str, name: str, now_s: float
) -> bool:
    """Remove what has ended; a version with an id stays as that. Returns whether it was there."""
    if await containers.get(tx, account, container_name) is None:
        return False
    container = await containers.held(tx, account, container_name)
    row = await rows.get(tx, container.id, name)
    if row is None or is_there(row, now_s):
        return False
    if container.versions_mode in versions.MODES:
        await versions.leave(tx, container, row)
        return True
    await rows.drop(tx, row)
    await rows.remove(tx, container.id, name)
    await containers.count(tx, container, objects=-1, size=-row.stored)
    return True


async def has_unmarked(tx: Transaction) -> bool:
    """Whether there are blobs to let go that nobody has noticed yet."""
    return await tx.first(_unmarked) is not None


async def notice(tx: Transaction, now_us: int) -> None:
    """From now on the age counts of what no row refers to any more."""
    await tx.execute(_notice, {"now": now_us})


async def garbage(tx: Transaction, until_us: int, after: str, limit: int) -> Sequence[str]:
    """Blobs to let go that were noticed until then, in their own order, behind one of them."""
    return await tx.scalars(_garbage, {"until": until_us, "after": after, "limit": limit})


async def forget(tx: Transaction, blobs: Sequence[str]) -> None:
    """They are gone."""
    await tx.execute(_forget, {"blobs": list(blobs)})


async def known(tx: Transaction, blobs: Sequence[str]) -> dict[str, int]:
    """Those of some blobs that rows refer to, with their sizes; -1: one that is to be let go."""
    given = {"blobs": list(blobs)}
    found = dict.fromkeys(await tx.scalars(_in_garbage, given), -1)
    for query in _referred:
        found |= {row.blob: row.stored for row in await tx.all(query, given)}
    return found


async def referring(tx: Transaction, sort: str, after: str, limit: int) -> Sequence[Row[Any]]:
    """Rows of one of SORTS that refer to blobs, in the blobs' order."""
    return await tx.all(_referring[sort], {"after": after, "limit": limit})


async def miscounted(tx: Transaction) -> tuple[list[tuple[str, str]], list[str]]:
    """Containers and accounts that look as if their counts were not what they hold.

    Each statement sees what is committed when it runs, so whoever writes meanwhile makes some look so:
    `recount_container` and `recount_account` say it for sure.

    Returns:
        The accounts and names of containers, and accounts.
    """
    held = await _held(tx)
    some = [
        (row.account, row.name)
        for row in await tx.all(sa.select(object_containers))
        if (row.objects, row.bytes) != held.get(row.id, (0, 0))
    ]
    totals = {row.account: _total(row) for row in await tx.all(_sums.group_by(_C.account))}
    owners = [
        owner.id
        for owner in await tx.all(sa.select(object_accounts))
        if (owner.containers, owner.objects, owner.bytes) != totals.get(owner.id, (0, 0, 0))
    ]
    return some, owners


async def recount_container(tx: Transaction, account: str, name: str, *, mend: bool) -> str | None:
    """What a container says and holds while nobody changes it; None: it is the same, or it has gone."""
    if await containers.get(tx, account, name) is None:
        return None
    row = await containers.held(tx, account, name)
    found, size = (await _held(tx, row.id)).get(row.id, (0, 0))
    if (row.objects, row.bytes) == (found, size):
        return None
    if mend:
        more = {"objects": found - row.objects, "size": size - row.bytes}
        await containers.correct(tx, row, **more)
    return (
        f"container {name} of {account} says {row.objects} objects of {row.bytes} bytes; "
        f"there are {found} of {size}"
    )


async def recount_account(tx: Transaction, account: str, *, mend: bool, now_us: int) -> str | None:
    """The same of an account, whose containers say what they hold."""
    if await accounts.get(tx, account) is None:
        return None
    owner = await accounts.held(tx, account, now_us)
    row = await tx.first(_sums.where(_C.account == account).group_by(_C.account))
    right = (0, 0, 0) if row is None else _total(row)
    said = (owner.containers, owner.objects, owner.bytes)
    if said == right:
        return None
    if mend:
        more, objects_more, size = (one - other for one, other in zip(right, said, strict=True))
        await accounts.count(tx, account, containers=more, objects=objects_more, size=size)
    return f"account {account} says {said} containers, objects and bytes; there are {right}"


async def _held(tx: Transaction, container_id: int | None = None) -> dict[int, tuple[int, int]]:
    """How many objects containers have, and how many bytes all of theirs are, old versions and parts among them.

    Args:
        container_id: the only one; None: all.
    """
    held: dict[int, tuple[int, int]] = {}
    of_uploads = object_parts.join(object_uploads, object_uploads.c.id == _P.upload)
    for owner, count, size, source in (
        (_O.container_id, sa.func.count(), _O.stored, objects),
        (_V.container_id, sa.literal(0), _V.stored, object_versions),
        (object_uploads.c.container_id, sa.literal(0), _P.size, of_uploads),
    ):
        columns = (owner.label("owner"), count.label("found"), sa.func.sum(size).label("size"))
        query = sa.select(*columns).select_from(source).group_by(owner)
        if container_id is not None:
            query = query.where(owner == container_id)
        for row in await tx.all(query):
            number, total = held.get(row.owner, (0, 0))
            held[row.owner] = (number + int(row.found), total + int(row.size))
    return held


_sums = sa.select(
    _C.account,
    sa.func.count().label("containers"),
    sa.func.sum(_C.objects).label("objects"),
    sa.func.sum(_C.bytes).label("bytes"),
)


def _total(row: Row[Any]) -> tuple[int, int, int]:
    return row.containers, int(row.objects), int(row.bytes)
