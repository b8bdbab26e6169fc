"""Transfers: a volume is offered to who has the key, and goes to the project that accepts it.

Source: Block Storage API reference, "Volume transfers (volume-transfers) (3.55 or later)".
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row

from hanok.base.errors import BadInput
from hanok.base.ids import new_uuid
from hanok.services.block_storage.logic import quotas, types, volumes
from hanok.services.block_storage.room import Volumes
from hanok.services.block_storage.tables import volume_snapshots
from hanok.services.block_storage.tables import volume_transfers as table
from hanok.store import Transaction, still_there
from hanok.web.owned import Owned, missing
from hanok.web.token import Caller

not_found = missing("Transfer")
_owned = Owned(table, not_found, table.c.source_project_id)
WHOLE, of, get = _owned.whole, _owned.of, _owned.get


async def get_any(tx: Transaction, transfer_id: str) -> Row[Any]:
    """A transfer with the eyes of whoever may accept it. Raises NotFound."""
    row = await _owned.get_any(tx, transfer_id)
    if row is None:
        raise not_found(transfer_id)
    return row


def _hash(salt: str, key: str) -> str:
    return hashlib.sha256(f"{salt}:{key}".encode()).hexdigest()


async def create(
    tx: Transaction,
    room: Volumes,
    volume: Row[Any],
    *,
    name: str | None,
    no_snapshots: bool,
    encrypted: bool,
) -> tuple[Row[Any], str]:
    """Offer a volume. Returns the row and the key, which is told once.

    Args:
        encrypted: whether it may be an encrypted one.

    Raises:
        BadInput: the volume's state does not allow it.
    """
    _check(volume, encrypted=encrypted)
    if not no_snapshots:
        _check_snapshots(await volumes.snapshots(tx, volume.id))
    await tx.execute(table.delete().where(table.c.volume_id == volume.id))  # of a state set by hand
    key, salt = secrets.token_hex(8), secrets.token_hex(8)
    row = {
        "id": new_uuid(),
        "volume_id": volume.id,
        "name": name,
        "salt": salt,
        "key_hash": _hash(salt, key),
        "no_snapshots": no_snapshots,
        "source_project_id": volume.project_id,
        "accepted": False,
        "created_at": room.clock.now(),
    }
    await tx.insert(table, row)
    await volumes.turn(tx, volume, "awaiting-transfer", room.clock.now())
    return still_there(await _owned.get_any(tx, str(row["id"]))), key


def _check(volume: Row[Any], *, encrypted: bool) -> None:
    volumes.check_at_rest(volume)
    if volume.status != "available":
        raise volumes.invalid("status must be available")
    if volume.group_id is not None:
        raise volumes.invalid("a volume that belongs to a group cannot be transferred.")
    if volume.encrypted and not encrypted:
        raise volumes.invalid("transferring encrypted volume is not supported")


def _check_snapshots(found: Sequence[Row[Any]]) -> None:
    for one in found:
        if one.status != "available":
            raise BadInput(
                f"Invalid snapshot: Snapshot {one.id} status must be available to be transferred."
            )
        if one.group_snapshot_id is not None:
            raise BadInput(f"Invalid snapshot: Snapshot {one.id} belongs to a group snapshot.")


async def delete(tx: Transaction, room: Volumes, row: Row[Any]) -> None:
    """Take an offer back."""
    await tx.take_turn(row.volume_id)
    volume = await volumes.get_any(tx, row.volume_id)
    await tx.execute(table.delete().where(table.c.id == row.id))
    if volume is not None and volume.status == "awaiting-transfer":
        await volumes.settle(tx, room, volume.id, "available")


async def accept(tx: Transaction, room: Volumes, caller: Caller, row: Row[Any], key: str) -> None:
    """The volume goes to the caller's project.

    Raises:
        BadInput: the key is wrong, or a state does not allow it. NotFound: the project may not use the volume's type.
        TooLarge: over a quota of the project.
    """
    if not hmac.compare_digest(_hash(row.salt, key), row.key_hash):
        raise BadInput(f"Invalid auth key: Attempt to transfer {row.id} with invalid auth key.")
    await tx.take_turn(row.volume_id)
    volume = await volumes.get_any(tx, row.volume_id)
    if volume is None or volume.status != "awaiting-transfer":
        raise volumes.invalid(
            f"Transfer {row.id}: Volume id {row.volume_id} expected in state awaiting-transfer"
        )
    project_id = caller.own_project
    kind = await types.get(tx, caller, volume.type_id)
    found = [] if row.no_snapshots else await volumes.snapshots(tx, volume.id)
    if project_id != volume.project_id:
        size = volume.size_gib
        counted = 0 if room.settings.no_snapshot_gb_quota else sum(one.size_gib for one in found)
        await quotas.check_size(tx, room, project_id, size)
        await quotas.check(tx, room, project_id, kind, volumes=1, gigabytes=size + counted)
        await quotas.check(tx, room, project_id, kind, snapshots=len(found))
    owner = {"project_id": project_id, "user_id": caller.user_id}
    await volumes.settle(tx, room, volume.id, "available", **owner)
    if found:
        ids = [one.id for one in found]
        moved = volume_snapshots.update().where(volume_snapshots.c.id.in_(ids))
        await tx.execute(moved.values(**owner))
    await tx.execute(table.delete().where(table.c.id == row.id))
