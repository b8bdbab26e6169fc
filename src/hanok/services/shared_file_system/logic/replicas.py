"""Replicas: further instances of a share in other back ends, one of which is the active one.

Source: Shared File Systems API reference, "Share replicas"; administrator guide, "Share replication".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput, Conflict, Forbidden, NotFound
from hanok.services.shared_file_system.logic import (
    backends,
    instances,
    quotas,
    share_networks,
    shares,
    snapshots,
    specs,
)
from hanok.services.shared_file_system.room import Shares
from hanok.services.shared_file_system.tables import share_instances as table
from hanok.services.shared_file_system.tables import shares as shares_table
from hanok.store import Transaction, still_there
from hanok.web.token import Caller

ACTIVE, IN_SYNC, OUT_OF_SYNC, ERROR = "active", "in_sync", "out_of_sync", "error"
STATES = (ACTIVE, IN_SYNC, OUT_OF_SYNC, ERROR)
STATUSES = ("available", "creating", "deleting", "error", "error_deleting", "replication_change")
TYPE = "replication_type"  # the extra spec, and what a back end says that it can
MAXIMUM = 10  # of one share

WHOLE = (
    sa.select(table, shares_table.c.project_id, shares_table.c.user_id)
    .join(shares_table, shares_table.c.id == table.c.share_id)
    .where(table.c.replica_state.is_not(None))
)
_by_id = WHOLE.where(table.c.id == bindparam("id"))


def not_found(requested: str) -> NotFound:
    return NotFound(f"Replica {requested[:255]} not found.")


def of(caller: Caller, statement: sa.Select[Any]) -> sa.Select[Any]:
    """The replicas of a statement that a caller's list shows."""
    if caller.everywhere:
        return statement
    return statement.where(shares_table.c.project_id == (caller.project_id or ""))


def of_one(statement: sa.Select[Any], share_id: str) -> sa.Select[Any]:
    """Those of a statement's replicas that are a share's."""
    return statement.where(table.c.share_id == share_id)


async def get_any(tx: Transaction, replica_id: str) -> Row[Any] | None:
    return await tx.first(_by_id, {"id": replica_id})


async def get(tx: Transaction, caller: Caller, replica_id: str) -> Row[Any]:
    """A replica with the caller's eyes. Raises NotFound."""
    row = await get_any(tx, replica_id)
    if row is None or not (caller.everywhere or row.project_id == caller.project_id):
        raise not_found(replica_id)
    return row


async def of_share(tx: Transaction, share_id: str) -> list[Row[Any]]:
    """The replicas of a share, the active one too."""
    found = await instances.of_share(tx, share_id)
    return [one for one in found if one.replica_state is not None]


# ---- making one ----


async def create(
    tx: Transaction,
    room: Shares,
    caller: Caller,
    share: Row[Any],
    *,
    zone: str | None,
    network_id: str | None,
    metadata: Mapping[str, str],
) -> str:
    """The row of a further replica (creating, out of sync). Returns its id.

    Raises:
        BadInput, Conflict, Forbidden: the share has none, or not now. TooLarge: over a quota.
    """
    await _check_share(tx, share)
    zone = await _zone(tx, room, share, zone)
    network = await _network(tx, caller, share, network_id, zone)
    await quotas.check(
        tx, room, share.project_id, caller.user_id, share.type_id, share_replicas=1,
        replica_gigabytes=share.size_gib,
    )  # fmt: skip
    made = await instances.insert(
        tx,
        room,
        {**share._mapping, "share_network_id": network},
        status="creating",
        zone=zone,
        replica_state=OUT_OF_SYNC,
        cast_rules_to_readonly=share.replication_type == "readable",
        metadata=dict(metadata),
    )
    for one in await shares.snapshots_of(tx, share.id):
        await snapshots.insert_copy(tx, room, one, made)
    return made


async def _check_share(tx: Transaction, share: Row[Any]) -> None:
    if shares.is_binned(share):
        raise Forbidden(
            f"Replica cannot be created for share '{share.id}' since it has been soft deleted."
        )
    if share.encryption_key_ref is not None:
        raise Forbidden(f"Replica cannot be created for share '{share.id}' since it is encrypted.")
    if not share.replication_type:
        raise BadInput(f"Replication not supported for share {share.id}.")
    if share.share_group_id is not None:
        raise BadInput("Replication not supported for shares in a group.")
    try:
        shares.check_idle(share)
    except Conflict as error:
        raise BadInput(error.message) from None
    there = await of_share(tx, share.id)
    if not any(one.replica_state == ACTIVE and one.status == "available" for one in there):
        raise BadInput(
            f"Unable to perform a replication action: Share {share.id} does not have any active replica in available "
            "state."
        )
    if len(there) >= MAXIMUM:
        raise BadInput(f"A share has at most {MAXIMUM} replicas.")


async def _zone(tx: Transaction, room: Shares, share: Row[Any], zone: str | None) -> str | None:
    """Raises BadInput for a zone that is not there, or that the share's type does not let it be in."""
    if not zone:
        return None
    try:
        found = await backends.check_zone(tx, room.settings, zone)
    except NotFound as error:
        raise BadInput(error.message) from None
    kind = await shares.type_of(tx, share)
    let = specs.zones(kind.extra_specs)
    if let and found not in let:
        raise BadInput(
            f"Share replica cannot be created since the share type {kind.name} is not supported within the "
            f"availability zone chosen {found}."
        )
    return found


async def _network(
    tx: Transaction, caller: Caller, share: Row[Any], network_id: str | None, zone: str | None
) -> str | None:
    """The share network of a replica: the share's, where it names none. Raises BadInput."""
    if network_id is None and share.share_network_id is None:
        return None
    if share.share_network_id is None:
        raise BadInput("Share network is not supported for a share without one.")
    requested = str(network_id or share.share_network_id)
    await tx.keep(requested)
    row = await share_networks.requested(tx, caller, requested)
    if row.id != share.share_network_id:
        mine = await share_networks.services_of(tx, row.id)
        if mine != await share_networks.services_of(tx, share.share_network_id):
            raise BadInput("Share and its replica can't be in different authentication domains.")
    if zone is not None and not await share_networks.serving(tx, row.id, zone):
        raise BadInput(
            "Share replica cannot be created because the share network is not available within the specified "
            "availability zone."
        )
    return str(row.id)


# ---- existing ones ----


async def check_deletable(tx: Transaction, row: Row[Any]) -> None:
    """Raises BadInput for the only active one."""
    there = await of_share(tx, row.share_id)
    active = [one for one in there if one.replica_state == ACTIVE]
    if row.replica_state == ACTIVE and len(active) == 1:
        raise BadInput("Unable to perform a replication action: Cannot delete last active replica.")


async def check_promotable(tx: Transaction, caller: Caller, row: Row[Any]) -> None:
    """Raises BadInput, Forbidden."""
    if row.share_network_id is not None:
        network = await share_networks.get_any(tx, row.share_network_id)
        share_networks.check_active(still_there(network))
    if row.status != "available":
        raise BadInput(
            f"Unable to perform a replication action: Replica {row.id} must be in available state to be promoted."
        )
    if row.replica_state in (OUT_OF_SYNC, ERROR) and not caller.everywhere:
        raise Forbidden(
            f"Promoting a replica with 'replica_state': {row.replica_state} requires administrator privileges."
        )


async def promoted(tx: Transaction, room: Shares, share_id: str, replica_id: str) -> None:
    """One replica is the active one from now on; the one that was is like the others."""
    share = await shares.again(tx, share_id)
    readable = share.replication_type == "readable"
    for one in await of_share(tx, share_id):
        if one.id == replica_id:
            await instances.change(
                tx, room, one.id, status="available", replica_state=ACTIVE,
                cast_rules_to_readonly=False,
            )  # fmt: skip
        elif one.replica_state == ACTIVE:
            await instances.change(
                tx, room, one.id, status="available", replica_state=OUT_OF_SYNC,
                cast_rules_to_readonly=readable,
            )  # fmt: skip
    await instances.follow(tx, room, share_id)


async def hosts(tx: Transaction, share_id: str) -> Sequence[str]:
    """The back ends that have a replica of a share."""
    return [
        backends.name_of(one.node, one.backend)
        for one in await of_share(tx, share_id)
        if one.node is not None
    ]
