"""Snapshots of volumes.

Source: Block Storage API reference, "Volume snapshots".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput
from hanok.base.ids import new_uuid
from hanok.services.block_storage.logic import quotas, types, volumes
from hanok.services.block_storage.room import Volumes
from hanok.services.block_storage.tables import volume_snapshots as table
from hanok.services.block_storage.tables import volumes as volumes_table
from hanok.store import Transaction, still_there
from hanok.web.owned import Owned, missing
from hanok.web.token import Caller

not_found = missing("Snapshot")
_owned = Owned(table, not_found)
WHOLE, of, get_any, get = _owned.whole, _owned.of, _owned.get_any, _owned.get
change, gone = _owned.change, _owned.gone
_clone_under_way = (
    sa.select(volumes_table.c.id)
    .where(volumes_table.c.snapshot_id == bindparam("id"), volumes_table.c.status == "creating")
    .limit(1)
)
_newest = (
    sa.select(table.c.id)
    .where(table.c.volume_id == bindparam("id"))
    .order_by(table.c.sequence.desc())
    .limit(1)
)
STATUSES = frozenset(
    (
        "available", "creating", "deleting", "error", "error_deleting", "unmanaging", "backing-up", "restoring",
        "deleted",
    )
)  # fmt: skip


def invalid(reason: str) -> BadInput:
    return BadInput(f"Invalid snapshot: {reason}")


async def newest_of(tx: Transaction, volume_id: str) -> str | None:
    """The id of a volume's last snapshot."""
    found = await tx.scalar(_newest, {"id": volume_id})
    return None if found is None else str(found)


async def create(
    tx: Transaction,
    room: Volumes,
    caller: Caller,
    volume: Row[Any],
    *,
    name: str | None,
    description: str | None,
    metadata: Mapping[str, str],
    force: bool,
    **more: Any,
) -> Row[Any]:
    """The row of a new snapshot (status creating), counted against the quota.

    Args:
        force: also of a volume in use.

    Raises:
        BadInput: the volume's state does not allow it. TooLarge: over a quota.
    """
    allowed = ("available", "in-use") if force else ("available",)
    volumes.check_at_rest(volume)
    if volume.status not in allowed:
        raise volumes.invalid(
            f"Volume {volume.id} status must be {' or '.join(allowed)}, but current status is: {volume.status}."
        )
    if volume.host is None:
        raise volumes.invalid(f"Volume {volume.id} is in no back end.")
    return await insert(
        tx,
        room,
        volume,
        user_id=caller.user_id,
        name=name,
        description=description,
        metadata=metadata,
        **more,
    )


async def insert(
    tx: Transaction,
    room: Volumes,
    volume: Row[Any],
    *,
    user_id: str,
    name: str | None,
    description: str | None,
    metadata: Mapping[str, str],
    **more: Any,
) -> Row[Any]:
    """The row of a new snapshot, whatever the volume's state. Raises TooLarge."""
    kind = still_there(await types.get_any(tx, volume.type_id))
    await quotas.check(tx, room, volume.project_id, kind, snapshots=1, gigabytes=volume.size_gib)
    row = {
        "id": new_uuid(),
        "volume_id": volume.id,
        "project_id": volume.project_id,
        "user_id": user_id,
        "name": name,
        "description": description,
        "size_gib": volume.size_gib,
        "type_id": volume.type_id,
        "status": "creating",
        "progress": 0,
        "metadata": dict(metadata),
        "created_at": room.clock.now(),
        **more,
    }
    await tx.insert(table, row)
    return still_there(await get_any(tx, str(row["id"])))


async def check_deletable(tx: Transaction, row: Row[Any], *, force: bool) -> None:
    """Raises BadInput where a snapshot's state does not let it be deleted."""
    if row.status not in ("available", "error", "error_deleting") and not force:
        raise invalid(
            "Volume Snapshot status must be available or error to be deleted, but current status is: "
            f"{row.status}."
        )
    if row.group_snapshot_id is not None:
        raise invalid("Volume Snapshot belongs to a group snapshot and cannot be deleted alone.")
    if await tx.first(_clone_under_way, {"id": row.id}) is not None:
        raise invalid("A volume is being created from the snapshot.")
