"""What events of volumes and snapshots hold, as the field's notifications have it.

Source: Block Storage contributor guide, "Notifications" (cinder.volume.volume_utils).
"""

from __future__ import annotations

from typing import Any

from hanok.base.clock import naive_micro
from hanok.services.block_storage.logic import backends, backups, snapshots, volumes
from hanok.store import Transaction


async def volume(tx: Transaction, volume_id: str) -> dict[str, Any]:
    """A volume's payload; that of one that is gone has its id alone."""
    row = await volumes.get_any(tx, volume_id)
    if row is None:
        return {"volume_id": volume_id, "status": "deleted"}
    return {
        "tenant_id": row.project_id,
        "host": backends.pool_of(row.host, row.backend),
        "user_id": row.user_id,
        "availability_zone": row.zone,
        "volume_id": row.id,
        "volume_type": row.type_id,
        "display_name": row.name,
        "launched_at": naive_micro(row.launched_at) or "",
        "created_at": naive_micro(row.created_at),
        "status": row.status,
        "snapshot_id": row.snapshot_id,
        "size": row.size_gib,
        "replication_status": None,
        "metadata": row.metadata,
    }


async def snapshot(tx: Transaction, snapshot_id: str) -> dict[str, Any]:
    """A snapshot's payload."""
    row = await snapshots.get_any(tx, snapshot_id)
    if row is None:
        return {"snapshot_id": snapshot_id, "status": "deleted"}
    return {
        "tenant_id": row.project_id,
        "user_id": row.user_id,
        "volume_id": row.volume_id,
        "volume_size": row.size_gib,
        "snapshot_id": row.id,
        "display_name": row.name,
        "created_at": naive_micro(row.created_at),
        "status": row.status,
        "deleted": "",
        "metadata": row.metadata,
    }


async def backup(tx: Transaction, backup_id: str) -> dict[str, Any]:
    """A backup's payload."""
    row = await backups.get_any(tx, backup_id)
    if row is None:
        return {"backup_id": backup_id, "status": "deleted"}
    return {
        "tenant_id": row.project_id,
        "user_id": row.user_id,
        "availability_zone": row.zone,
        "backup_id": row.id,
        "host": None,
        "display_name": row.name,
        "created_at": naive_micro(row.created_at),
        "status": row.status,
        "volume_id": row.volume_id,
        "size": row.size_gib,
        "service_metadata": row.data_id,
        "service": f"{backups.SERVICE}.{row.store}",
        "fail_reason": row.fail_reason,
        "parent_id": row.parent_id,
        "num_dependent_backups": len(await backups.with_dependents(tx, [row.id])),
        "snapshot_id": row.snapshot_id,
    }
