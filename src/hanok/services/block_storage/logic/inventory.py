"""Where rows of block storage disagree with hosts; what doctor is told."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import HanokError
from hanok.bus import NobodyThere
from hanok.commands.volumes import (
    CloseVolume,
    FoundVolume,
    ListVolumes,
    RemoveVolume,
    VolumeInventory,
)
from hanok.commands.wire import ask
from hanok.operations import is_active
from hanok.rooms import Difference
from hanok.services.block_storage.logic import backends, backup_inventory
from hanok.services.block_storage.room import Volumes
from hanok.services.block_storage.tables import (
    volume_attachments,
    volume_connections,
    volume_snapshots,
    volumes,
)
from hanok.store import Transaction

ASK_S = 30.0
BUSY = (
    "creating",
    "deleting",
    "extending",
    "retyping",
    "migrating",
    "reverting",
    "managing",
    "downloading",
)
_on_node = sa.select(volumes).where(volumes.c.host == bindparam("node"))
_count_on_node = (
    sa.select(sa.func.count()).select_from(volumes).where(volumes.c.host == bindparam("node"))
)
_snapshots_on = (
    sa.select(volume_snapshots.c.id, volume_snapshots.c.volume_id, volume_snapshots.c.status)
    .join(volumes, volumes.c.id == volume_snapshots.c.volume_id)
    .where(volumes.c.host == bindparam("node"))
)
_users = sa.union_all(
    *(
        sa.select(table.c.id)
        .join(volumes, volumes.c.id == table.c.volume_id)
        .where(volumes.c.host == bindparam("node"))
        for table in (volume_attachments, volume_connections)
    )
)
_sums = (
    sa.select(volumes.c.host, volumes.c.backend, sa.func.sum(volumes.c.size_gib).label("size"))
    .where(volumes.c.host.is_not(None))
    .group_by(volumes.c.host, volumes.c.backend)
)
_migrating = sa.select(volumes.c.id).where(volumes.c.target_backend.is_not(None)).limit(1)
_under_way = sa.select(volumes.c.id, volumes.c.status).where(volumes.c.status.in_(BUSY))


async def differences(room: Volumes, *, mend: bool) -> list[Difference]:
    """Everything that is not as the rows say."""
    async with room.database.read() as tx:
        rows = await backends.backends(tx)
        nodes = sorted({row.node for row in rows if backends.is_up(row, room)})
        found = [*await _stuck(tx), *await _recounted(tx, rows)]
    for node in nodes:
        found += await _of_node(room, node, mend=mend)
    return found + await backup_inventory.differences(room, mend=mend)


async def _stuck(tx: Transaction) -> list[Difference]:
    """Volumes that show work under way though nothing works on them."""
    return [
        Difference(
            what="volume", detail=f"volume {row.id} is {row.status}, and nothing works on it"
        )
        for row in await tx.all(_under_way)
        if not await is_active(tx, f"volume:{row.id}")
    ]


async def _recounted(tx: Transaction, rows: Any) -> list[Difference]:
    """Back ends whose share that is given out is not the sum of their volumes."""
    sums = {(row.host, row.backend): int(row.size) for row in await tx.all(_sums)}
    found = []
    for row in rows:
        size = sums.get((row.node, row.backend), 0)
        if row.allocated_gib != size and not await _busy(tx):
            detail = f"back end {row.host} counts {row.allocated_gib} GiB as given out, its volumes have {size}"
            found.append(Difference(what="volume space", detail=detail))
    return found


async def _busy(tx: Transaction) -> bool:
    """Whether something is done to volumes that may have its part of a back end already."""
    found = await tx.first(_under_way.limit(1)) or await tx.first(_migrating)
    return found is not None


async def _of_node(room: Volumes, node: str, *, mend: bool) -> list[Difference]:
    """What a host has and rows do not, and the other way round."""
    try:
        reply = await ask(room.bus, node, ListVolumes(), timeout_s=ASK_S)
    except NobodyThere:
        return []
    if not isinstance(reply, VolumeInventory):
        return []
    async with room.database.read() as tx:
        mine = {row.id: row for row in await tx.all(_on_node, {"node": node})}
        kept = {row.id: row for row in await tx.all(_snapshots_on, {"node": node})}
        users = set(await tx.scalars(_users, {"node": node}))
    there = {one.volume_id: one for one in reply.volumes}
    found = [
        _missing(node, row)
        for one, row in mine.items()
        if one not in there
        and row.status not in (*BUSY, "unmanaging", "error", "error_deleting", "error_managing")
    ]
    for one in reply.volumes:
        if one.volume_id not in mine:
            found.append(await _orphan(room, node, one, mend=mend))
            continue
        found += [
            await _stray(room, node, one, export, mend=mend)
            for export in one.exports
            if export not in users
        ]
        found += [
            Difference(
                what="volume snapshot",
                detail=f"host {node} has snapshot {snapshot} of volume {one.volume_id}, which is not in the database",
            )
            for snapshot in one.snapshots
            if snapshot not in kept
        ]
    found += [
        Difference(what="volume snapshot", detail=f"snapshot {row.id} is not on host {node}")
        for row in kept.values()
        if row.status == "available"
        and row.id not in getattr(there.get(row.volume_id), "snapshots", ())
    ]
    return found


def _missing(node: str, row: Row[Any]) -> Difference:
    return Difference(what="volume", detail=f"volume {row.id} is not on host {node}")


async def _mended(room: Volumes, node: str, command: Any) -> bool:
    try:
        await ask(room.bus, node, command, timeout_s=ASK_S)
    except (NobodyThere, HanokError):
        return False
    return True


async def _orphan(room: Volumes, node: str, one: FoundVolume, *, mend: bool) -> Difference:
    command = RemoveVolume(
        volume_id=one.volume_id, generation=one.generation + 1, backend=one.backend
    )
    return Difference(
        what="volume",
        detail=f"host {node} has volume {one.volume_id}, which is not in the database",
        mendable=True,
        mended=mend and await _mended(room, node, command),
    )


async def _stray(
    room: Volumes, node: str, one: FoundVolume, export: str, *, mend: bool
) -> Difference:
    command = CloseVolume(volume_id=one.volume_id, attachment_id=export, backend=one.backend)
    return Difference(
        what="volume export",
        detail=f"host {node} has volume {one.volume_id} open for {export}, which is not an attachment",
        mendable=True,
        mended=mend and await _mended(room, node, command),
    )


async def count_on_host(tx: Transaction, host: str) -> int:
    return int(await tx.scalar(_count_on_node, {"node": host}) or 0)
