"""Transfers: a share is offered to who has the key, and goes to the project that accepts it.

Source: Shared File Systems API reference, "Share transfer".
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row

from hanok.base.errors import BadInput, NotFound
from hanok.base.ids import new_uuid
from hanok.services.shared_file_system.logic import (
    access,
    instances,
    locks,
    quotas,
    shares,
    snapshots,
    types,
)
from hanok.services.shared_file_system.room import Shares
from hanok.services.shared_file_system.tables import share_snapshots
from hanok.services.shared_file_system.tables import share_transfers as table
from hanok.services.shared_file_system.tables import shares as shares_table
from hanok.store import Transaction, still_there
from hanok.web.owned import Owned, missing
from hanok.web.token import Caller

OFFERED = "awaiting_transfer"
not_found = missing("Transfer")
_owned = Owned(table, not_found, table.c.source_project_id)
WHOLE, of, get, get_any = _owned.whole, _owned.of, _owned.get, _owned.get_any


def _hash(salt: str, key: str) -> str:
    return hmac.new(salt.encode(), key.encode(), hashlib.sha256).hexdigest()


async def create(
    tx: Transaction, room: Shares, share: Row[Any], name: str | None
) -> tuple[Row[Any], str]:
    """Offer a share. Returns the row and the key, which is told once.

    Raises:
        BadInput: the share's state does not allow it.
    """
    await _check(tx, room, share)
    key, salt = secrets.token_hex(8), secrets.token_hex(8)
    row = {
        "id": new_uuid(),
        "share_id": share.id,
        "name": name,
        "salt": salt,
        "key_hash": _hash(salt, key),
        "source_project_id": share.project_id,
        "accepted": False,
        "created_at": room.clock.now(),
    }
    await tx.execute(table.delete().where(table.c.share_id == share.id))  # of a state set by hand
    await tx.insert(table, row)
    await _turn(tx, room, share, OFFERED)
    return still_there(await get_any(tx, str(row["id"]))), key


async def _check(tx: Transaction, room: Shares, share: Row[Any]) -> None:
    if shares.is_binned(share):
        raise shares.invalid(f"Share {share.id} has been soft deleted.")
    if share.mount_point_name and share.mount_point_name.startswith(share.project_id):
        raise shares.invalid("Its mount_point_name has the project's id in it.")
    if share.status != "available":
        raise shares.invalid("Share's status must be available")
    if share.share_network_id is not None:
        raise shares.invalid("Shares exported over share networks cannot be transferred.")
    if share.share_group_id is not None:
        raise shares.invalid("Shares within share groups cannot be transferred.")
    if instances.has_replicas(await instances.of_share(tx, share.id)):
        raise shares.invalid("Shares with replicas cannot be transferred.")
    for one in await _snapshots(tx, share.id):
        if one.status != "available":
            raise snapshots.invalid(f"Snapshot: {one.id} status must be available")
    for holds in room.holds:  # what stays this project's would keep the other one from deleting it
        if why := await holds(tx, share.id):
            raise shares.invalid(why)


async def _snapshots(tx: Transaction, share_id: str) -> list[Row[Any]]:
    ids = await shares.snapshots_of(tx, share_id)
    return [still_there(await snapshots.get_any(tx, one)) for one in ids]


async def _turn(tx: Transaction, room: Shares, share: Row[Any], status: str) -> None:
    for one in await instances.of_share(tx, share.id):
        await instances.settle(tx, room, one, status)


async def delete(tx: Transaction, room: Shares, row: Row[Any]) -> None:
    """Take an offer back."""
    await tx.take_turn(row.share_id)
    share = await shares.get_any(tx, row.share_id)
    await tx.execute(table.delete().where(table.c.id == row.id))
    if share is not None and share.status == OFFERED:
        await _turn(tx, room, share, "available")


async def to_accept(tx: Transaction, transfer_id: str) -> Row[Any]:
    """An offer with the eyes of whoever has the key. Raises BadInput: there is none such."""
    row = await get_any(tx, transfer_id)
    if row is None:
        raise BadInput(not_found(transfer_id).message)
    return row


async def accept(
    tx: Transaction, room: Shares, caller: Caller, row: Row[Any], key: str, *, clear: bool
) -> Row[Any]:
    """The share goes to the caller's project. Returns it as it is then.

    Args:
        clear: whether its access rules go; otherwise who has access keeps it.

    Raises:
        BadInput: the key is wrong, or a state does not allow it. TooLarge: over a quota of the project.
    """
    if not hmac.compare_digest(_hash(row.salt, key), row.key_hash):
        raise BadInput(f"Invalid auth key: Attempt to transfer {row.id} with invalid auth key.")
    await tx.take_turn(row.share_id)
    share = await shares.get_any(tx, row.share_id)
    if share is None or share.status != OFFERED:
        raise shares.invalid(
            f"Transfer {row.id}: share id {row.share_id} expected in state awaiting_transfer."
        )
    held = await _snapshots(tx, share.id)
    await _check_target(tx, room, caller, share, held)
    owner = {"project_id": caller.own_project, "user_id": caller.user_id}
    mine = shares_table.c.id == share.id
    await tx.execute(shares_table.update().where(mine).values(**owner))
    theirs = share_snapshots.c.share_id == share.id
    await tx.execute(share_snapshots.update().where(theirs).values(**owner))
    await _turn(tx, room, share, "available")
    rules = await access.of(tx, share.id)
    if clear:
        await _clear(tx, room, share, rules)
    await locks.left(tx, [share.id, *(one.id for one in rules)], share.project_id)
    await tx.execute(table.delete().where(table.c.id == row.id))
    return await shares.again(tx, share.id)


async def _check_target(
    tx: Transaction, room: Shares, caller: Caller, share: Row[Any], held: list[Row[Any]]
) -> None:
    for one in held:
        if one.status != "available":
            raise snapshots.invalid(f"Snapshot {one.id} is not in the expected available state.")
    try:
        await types.get(tx, caller, share.type_id)
    except NotFound:
        raise shares.invalid(
            f"Share type of share {share.id} is not public, and current project can not access the share type"
        ) from None
    project_id = caller.own_project
    if project_id == share.project_id:
        return
    await quotas.check_size(tx, room, project_id, share.size_gib)
    await quotas.check(
        tx, room, project_id, caller.user_id, share.type_id, shares=1, gigabytes=share.size_gib,
        snapshots=len(held), snapshot_gigabytes=sum(one.size_gib for one in held),
    )  # fmt: skip


async def _clear(tx: Transaction, room: Shares, share: Row[Any], rules: Sequence[Row[Any]]) -> None:
    """Its access rules are to be taken away, and what locks them."""
    for one in rules:
        await access.change(tx, room, one.id, state=access.DENIED)
    if rules:
        await access.syncing(tx, room, share.id)
    await locks.forget(tx, [share.id, *(one.id for one in rules)])
