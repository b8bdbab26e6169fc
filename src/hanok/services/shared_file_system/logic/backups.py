"""Backups: copies of shares that outlive them, which nobody can mount.

A backup is a share of the host's that no server gives out, in the back end of its share, as back ends copy shares only
within themselves: it guards against what users do, not against the loss of the back end. docs/decisions/0086.

Source: Shared File Systems API reference, "Share backups".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput, Conflict, Forbidden, NotFound
from hanok.base.ids import new_uuid
from hanok.services.shared_file_system.logic import backends, instances, quotas, shares
from hanok.services.shared_file_system.room import Shares
from hanok.services.shared_file_system.tables import share_backups as table
from hanok.store import Transaction, still_there
from hanok.web.owned import Owned
from hanok.web.token import Caller

STATUSES = (
    "creating", "available", "deleting", "error_deleting", "restoring", "error",
)  # fmt: skip
CREATING, RESTORING = "backup_creating", "backup_restoring"  # what the share shows meanwhile
OPTIONS = ("backup_type",)

_owned = Owned(table, lambda one: NotFound(f"No backup exists with ID {one[:255]}."))
WHOLE, of, get, get_any = _owned.whole, _owned.of, _owned.get, _owned.get_any
_of_share = WHOLE.where(table.c.share_id == bindparam("id")).order_by(table.c.sequence)


async def change(tx: Transaction, room: Shares, backup_id: str, **values: Any) -> None:
    await _owned.change(tx, backup_id, values, room.clock.now())


async def of_share(tx: Transaction, share_id: str) -> Sequence[Row[Any]]:
    return await tx.all(_of_share, {"id": share_id})


async def holds(tx: Transaction, share_id: str) -> str:
    """Whether a share has backups, so that it cannot be deleted."""
    found = await of_share(tx, share_id)
    return f"Share still has {len(found)} dependent backups." if found else ""


# ---- making one ----


async def create(
    tx: Transaction,
    room: Shares,
    caller: Caller,
    share: Row[Any],
    *,
    name: str | None,
    description: str | None,
    options: Mapping[str, Any],
) -> Row[Any]:
    """The row of a new backup (creating), with its part of a back end; the share shows that it is backed up.

    Raises:
        BadInput, Conflict, Forbidden: not of this share, or not now. TooLarge: over a quota.
    """
    one = await _check(tx, share)
    kind = await _type(tx, share, options)
    more = {"backups": 1, "backup_gigabytes": share.size_gib}
    await quotas.check(tx, room, share.project_id, caller.user_id, "", **more)
    if not await backends.claim(tx, one.node, one.backend, share.size_gib):
        raise Conflict(
            f"The back end of share {share.id} has no space for a backup of {share.size_gib} GiB."
        )
    row = {
        "id": new_uuid(),
        "project_id": share.project_id,
        "user_id": caller.user_id,
        "name": name,
        "description": description,
        "share_id": share.id,
        "size_gib": share.size_gib,
        "status": "creating",
        "progress": 0,
        "restore_progress": 0,
        "zone": one.zone,
        "node": one.node,
        "backend": one.backend,
        "backup_type": kind,
        "options": dict(options),
        "created_at": room.clock.now(),
    }
    await tx.insert(table, row)
    await instances.settle(tx, room, one, CREATING)
    return still_there(await get_any(tx, str(row["id"])))


async def _check(tx: Transaction, share: Row[Any]) -> Row[Any]:
    """The instance that is to be backed up. Raises BadInput, Conflict, Forbidden."""
    if shares.is_binned(share):
        raise Forbidden(
            f"Backup can not be created for share '{share.id}' since it has been soft deleted."
        )
    shares.check_idle(share)
    if share.status != "available":
        raise BadInput(
            f"Share {share.id} is in '{share.status}' state, but it must be in 'available' state to create a backup."
        )
    if await shares.snapshots_of(tx, share.id):
        raise BadInput(f"Cannot backup share {share.id} while it has snapshots.")
    found = await instances.of_share(tx, share.id)
    if instances.has_replicas(found):
        raise BadInput(f"Cannot backup share {share.id} while it has replicas.")
    one = instances.main(found)
    if one is None or one.node is None:
        raise BadInput(f"Share {share.id} is in no back end.")
    return one


async def _type(tx: Transaction, share: Row[Any], options: Mapping[str, Any]) -> str | None:
    """Raises BadInput for what no back end knows, and for another type than the share's backups have."""
    if odd := [name for name in options if name not in OPTIONS]:
        raise BadInput(f"The back end does not support the backup option '{odd[0][:100]}'.")
    kind = options.get("backup_type")
    if kind is None:
        return None
    if not isinstance(kind, str) or not 0 < len(kind) <= 32:
        raise BadInput("Invalid backup_type: it must be a text of 1 to 32 characters.")
    there = [one for one in await of_share(tx, share.id) if one.status == "available"]
    if there and there[0].backup_type != kind:
        raise BadInput(
            f"Share '{share.name}' has existing backups with backup_type: '{there[0].backup_type}'. You must delete "
            "these backups to schedule a backup with a different backup_type, or re-use the same backup_type."
        )
    return kind


# ---- existing ones ----


def check_deletable(row: Row[Any]) -> None:
    """Raises BadInput."""
    if row.status not in ("available", "error"):
        raise BadInput(f"Invalid backup: Backup {row.id} status must be available or error.")


async def gone(tx: Transaction, row: Row[Any]) -> None:
    """Nothing of a backup is left, and its part of the back end is free."""
    await backends.add(tx, row.node, row.backend, -row.size_gib)
    await _owned.gone(tx, row.id)


async def check_restorable(tx: Transaction, row: Row[Any], share: Row[Any]) -> Row[Any]:
    """The instance that a backup is to be written onto. Raises BadInput."""
    if row.status != "available":
        raise BadInput(f"Invalid backup: Backup {row.id} status must be available.")
    if share.status != "available" or shares.is_binned(share):
        raise shares.invalid("Share to be restored to must be available.")
    if row.size_gib > share.size_gib:
        raise shares.invalid(
            f"Share size {share.size_gib} is too small to restore backup of size {row.size_gib}."
        )
    if await shares.snapshots_of(tx, share.id):
        raise shares.invalid(f"Share {share.id} has snapshots, which would be lost.")
    found = await instances.of_share(tx, share.id)
    one = instances.main(found)
    if one is None or instances.has_replicas(found):
        raise shares.invalid(f"Share {share.id} is in no back end, or has replicas.")
    if (one.node, one.backend) != (row.node, row.backend):
        raise shares.invalid(f"Share {share.id} is not in the back end that has the backup.")
    return one
