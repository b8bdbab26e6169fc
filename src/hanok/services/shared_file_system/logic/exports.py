"""Export locations: what clients mount."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import NotFound
from hanok.base.ids import new_uuid
from hanok.services.shared_file_system.tables import (
    share_export_locations as table,
)
from hanok.services.shared_file_system.tables import (
    share_instances,
    share_snapshot_export_locations,
    share_snapshot_instances,
)
from hanok.store import Transaction

_of = (
    sa.select(table)
    .where(table.c.instance_id.in_(bindparam("ids", expanding=True)))
    .order_by(table.c.sequence)
)
_of_snapshot = (
    sa.select(share_snapshot_export_locations)
    .join(
        share_snapshot_instances,
        share_snapshot_instances.c.id == share_snapshot_export_locations.c.snapshot_instance_id,
    )
    .where(share_snapshot_instances.c.snapshot_id == bindparam("snapshot"))
    .order_by(share_snapshot_export_locations.c.sequence)
)
_of_snapshot_instance = (
    sa.select(share_snapshot_export_locations)
    .where(share_snapshot_export_locations.c.snapshot_instance_id == bindparam("instance"))
    .order_by(share_snapshot_export_locations.c.sequence)
)

_at = (
    sa.select(table.c.id)
    .join(share_instances, share_instances.c.id == table.c.instance_id)
    .where(
        share_instances.c.node == bindparam("node"),
        share_instances.c.backend == bindparam("backend"),
        table.c.path == bindparam("path"),
    )
    .limit(1)
)


async def is_known(tx: Transaction, node: str, backend: str, path: str) -> bool:
    """Whether a share of a back end is mounted from a path."""
    found = await tx.first(_at, {"node": node, "backend": backend, "path": path})
    return found is not None


def not_found(requested: str) -> NotFound:
    return NotFound(f"Export location '{requested[:255]}' not found.")


async def of(tx: Transaction, instance_ids: Collection[str]) -> Sequence[Row[Any]]:
    """The export locations of instances."""
    return await tx.all(_of, {"ids": list(instance_ids)}) if instance_ids else []


async def by_instance(tx: Transaction, instance_ids: Collection[str]) -> dict[str, list[Row[Any]]]:
    """The same, by instance."""
    found: dict[str, list[Row[Any]]] = {}
    for row in await of(tx, instance_ids):
        found.setdefault(row.instance_id, []).append(row)
    return found


async def of_snapshot(tx: Transaction, snapshot_id: str) -> Sequence[Row[Any]]:
    return await tx.all(_of_snapshot, {"snapshot": snapshot_id})


async def of_snapshot_instance(tx: Transaction, instance_id: str) -> Sequence[Row[Any]]:
    return await tx.all(_of_snapshot_instance, {"instance": instance_id})


async def replace(tx: Transaction, instance_id: str, paths: Sequence[str], now: datetime) -> None:
    """An instance is mounted from these, the preferred one first; those that it had keep their ids and metadata."""
    there = {row.path: row for row in await of(tx, [instance_id])}
    for path in there.keys() - set(paths):
        await tx.execute(table.delete().where(table.c.id == there[path].id))
    for path in paths:
        if path not in there:
            row = {
                "id": new_uuid(),
                "instance_id": instance_id,
                "path": path,
                "is_admin_only": False,
                "preferred": path == paths[0],
                "metadata": {},
                "created_at": now,
                "updated_at": now,
            }
            await tx.insert(table, row)


async def replace_of_snapshot(
    tx: Transaction, snapshot_instance_id: str, paths: Sequence[str], now: datetime
) -> None:
    """The same of an instance of a snapshot."""
    kept = share_snapshot_export_locations
    there = {row.path for row in await of_snapshot_instance(tx, snapshot_instance_id)}
    mine = kept.c.snapshot_instance_id == snapshot_instance_id
    await tx.execute(kept.delete().where(mine, kept.c.path.not_in(list(paths))))
    for path in paths:
        if path not in there:
            row = {
                "id": new_uuid(),
                "snapshot_instance_id": snapshot_instance_id,
                "path": path,
                "is_admin_only": False,
                "created_at": now,
                "updated_at": now,
            }
            await tx.insert(kept, row)


async def set_metadata(
    tx: Transaction, row: Row[Any], metadata: Mapping[str, str], now: datetime
) -> None:
    mine = table.c.id == row.id
    await tx.execute(table.update().where(mine).values(metadata=dict(metadata), updated_at=now))
