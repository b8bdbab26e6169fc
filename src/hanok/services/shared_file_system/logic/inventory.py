"""Where rows of shares disagree with hosts; what doctor is told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam

from hanok.base.errors import HanokError
from hanok.bus import NobodyThere
from hanok.commands.shares import FoundShare, ListShares, RemoveShare, ShareInventory
from hanok.commands.wire import ask
from hanok.operations import is_active
from hanok.rooms import Difference
from hanok.services.shared_file_system.logic import backends, shares
from hanok.services.shared_file_system.room import Shares
from hanok.services.shared_file_system.tables import (
    share_backups,
    share_instances,
    share_servers,
    share_snapshot_instances,
    share_snapshots,
)
from hanok.services.shared_file_system.tables import shares as table
from hanok.store import Transaction

ASK_S = 30.0
_on_node = sa.select(share_instances).where(share_instances.c.node == bindparam("node"))
_snapshots_on = (
    sa.select(
        share_snapshot_instances.c.snapshot_id,
        share_snapshot_instances.c.instance_id,
        share_snapshot_instances.c.status,
    )
    .join(share_instances, share_instances.c.id == share_snapshot_instances.c.instance_id)
    .where(share_instances.c.node == bindparam("node"))
)
_backups_on = sa.select(share_backups).where(share_backups.c.node == bindparam("node"))
_servers_on = sa.select(share_servers).where(share_servers.c.node == bindparam("node"))
_sums_of_backups = (
    sa.select(
        share_backups.c.node,
        share_backups.c.backend,
        sa.func.sum(share_backups.c.size_gib).label("size"),
    )
    .where(share_backups.c.node.is_not(None))
    .group_by(share_backups.c.node, share_backups.c.backend)
)
_sums = (
    sa.select(
        share_instances.c.node,
        share_instances.c.backend,
        sa.func.sum(share_instances.c.size_gib).label("size"),
    )
    .where(share_instances.c.node.is_not(None))
    .group_by(share_instances.c.node, share_instances.c.backend)
)
_under_way = sa.select(table.c.id, table.c.status).where(table.c.status.in_(shares.TRANSITIONAL))
_snapshots_under_way = sa.select(share_snapshots.c.id, share_snapshots.c.status).where(
    share_snapshots.c.status.in_(("creating", "deleting", "manage_starting", "unmanage_starting"))
)
# In these, a share is there only perhaps.
UNSURE = frozenset(
    (
        "creating", "deleting", "error", "error_deleting", "manage_starting", "manage_error", "migrating_to",
        "unmanage_error",
    )
)  # fmt: skip


async def differences(room: Shares, *, mend: bool) -> list[Difference]:
    """Everything that is not as the rows say."""
    async with room.database.read() as tx:
        rows = await backends.backends(tx)
        nodes = sorted({row.node for row in rows if backends.is_up(row, room)})
        found = [*await _stuck(tx), *await _recounted(tx, rows)]
    for node in nodes:
        found += await _of_node(room, node, mend=mend)
    return found


async def _stuck(tx: Transaction) -> list[Difference]:
    """Shares and snapshots that show work under way though nothing works on them."""
    found = []
    for noun, statement, kind in (
        ("share", _under_way, "share"),
        ("share snapshot", _snapshots_under_way, "share_snapshot"),
    ):
        for row in await tx.all(statement):
            waits = row.status == "migrating"  # for an operator to complete it
            if not waits and not await is_active(tx, f"{kind}:{row.id}"):
                detail = f"{noun} {row.id} is {row.status}, and nothing works on it"
                found.append(Difference(what="share", detail=detail))
    return found


async def _recounted(tx: Transaction, rows: Any) -> list[Difference]:
    """Back ends whose part that is given out is not the sum of their shares."""
    if await tx.first(_under_way.limit(1)) is not None:
        return []
    sums: Counter[tuple[str, str]] = Counter()
    for statement in (_sums, _sums_of_backups):
        for row in await tx.all(statement):
            sums[row.node, row.backend] += int(row.size)
    found = []
    for row in rows:
        size = sums[row.node, row.backend]
        if row.allocated_gib != size:
            detail = f"back end {row.host} counts {row.allocated_gib} GiB as given out, its shares have {size}"
            found.append(Difference(what="share space", detail=detail))
    return found


async def _of_node(room: Shares, node: str, *, mend: bool) -> list[Difference]:
    """What a host has and rows do not, and the other way round."""
    try:
        reply = await ask(room.bus, node, ListShares(), timeout_s=ASK_S)
    except NobodyThere:
        return []
    if not isinstance(reply, ShareInventory):
        return []
    async with room.database.read() as tx:
        mine = {row.id: row for row in await tx.all(_on_node, {"node": node})}
        copies = {row.id: row for row in await tx.all(_backups_on, {"node": node})}
        servers = {row.id: row for row in await tx.all(_servers_on, {"node": node})}
        kept = {row.snapshot_id: row for row in await tx.all(_snapshots_on, {"node": node})}
    there = {one.share_id: one for one in reply.shares}
    found = [
        Difference(what="share", detail=f"share instance {one} is not on host {node}")
        for one, row in mine.items()
        if one not in there and row.status not in UNSURE
    ]
    snapshots = {one for share in reply.shares for one in share.snapshots}
    found += [
        Difference(what="share", detail=f"share snapshot {one} is not on host {node}")
        for one, row in kept.items()
        if one not in snapshots and row.status == "available"
    ]
    found += [
        Difference(what="share", detail=f"share backup {one} is not on host {node}")
        for one, row in copies.items()
        if one not in there and row.status == "available"
    ]
    found += _of_servers(node, reply, servers)
    for one, share in there.items():
        if one not in mine and one not in copies:
            found.append(await _left(room, node, share, mend=mend))
    return found


def _of_servers(node: str, reply: ShareInventory, rows: Mapping[str, Any]) -> list[Difference]:
    """Share servers that only the host has, or only the rows."""
    found = [
        Difference(what="share server", detail=f"share server {one} is not on host {node}")
        for one, row in rows.items()
        if one not in reply.servers and row.status == "active"
    ]
    return found + [
        Difference(
            what="share server", detail=f"host {node} has share server {one}, which no row knows"
        )
        for one in reply.servers
        if one and one not in rows
    ]


async def _left(room: Shares, node: str, share: FoundShare, *, mend: bool) -> Difference:
    """A host has what no row knows. Only what has no snapshots is removed."""
    mended = False
    if mend and not share.snapshots:
        command = RemoveShare(
            share_id=share.share_id, generation=share.generation + 1, backend=share.backend
        )
        try:
            await ask(room.bus, node, command, timeout_s=ASK_S)
            mended = True
        except (NobodyThere, HanokError):
            mended = False
    detail = f"host {node} has share {share.share_id} in {share.backend}, which no row knows"
    return Difference(what="share", detail=detail, mendable=not share.snapshots, mended=mended)
