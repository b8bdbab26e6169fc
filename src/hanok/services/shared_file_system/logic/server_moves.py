"""What is asked of a share server that is to be somewhere else, or somebody else's.

No back end moves share servers, or has others than those that are known: a request that passes these checks is refused
for that reason alone.

Source: Shared File Systems API reference, "Share server migration", "Manage share server".
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput, Conflict
from hanok.services.shared_file_system.logic import share_networks, share_servers
from hanok.services.shared_file_system.room import Shares
from hanok.services.shared_file_system.tables import (
    share_groups,
    share_instances,
    share_services,
    shares,
)
from hanok.services.shared_file_system.tables import share_servers as table
from hanok.store import Transaction

KEPT = ("error", "active", "manage_error", "unmanage_error")  # of which one may let go

_service = sa.select(share_services).where(
    share_services.c.node == bindparam("node"), share_services.c.backend == bindparam("backend")
)
_named = sa.select(table.c.id).where(table.c.identifier == bindparam("identifier"))
_shares = (
    sa.select(
        shares.c.id,
        shares.c.status,
        shares.c.deleted_from,
        shares.c.share_group_id,
        share_instances.c.share_network_id,
        share_instances.c.replica_state,
        share_instances.c.access_rules_status,
    )
    .join(share_instances, share_instances.c.share_id == shares.c.id)
    .where(share_instances.c.share_server_id == bindparam("id"))
)
_group = (
    sa.select(share_groups.c.id).where(share_groups.c.share_server_id == bindparam("id")).limit(1)
)


async def service_at(tx: Transaction, room: Shares, host: str) -> Row[Any]:
    """The back end that "node@backend" names. Raises BadInput: there is none such, or it does not answer."""
    if "#" in host:
        raise BadInput("Host parameter should not contain pool.")
    node, _, backend = host.partition("@")
    row = await tx.first(_service, {"node": node, "backend": backend})
    if row is None:
        raise BadInput(f"Service {host[:100]} could not be found.")
    age = (room.clock.now() - row.seen_at).total_seconds()
    if row.disabled or age > room.settings.down_after_s:
        raise BadInput(f"Service manila-share at {host} is down.")
    return row


async def check_managed(
    tx: Transaction,
    room: Shares,
    *,
    host: str,
    network: Row[Any],
    subnet_id: str | None,
    identifier: str,
) -> None:
    """Raises BadInput."""
    found = (await share_networks.subnets_of(tx, [network.id]))[network.id]
    if subnet_id:
        named = [one for one in found if one.id == subnet_id]
        if not named:
            raise BadInput(f"The share network subnet {subnet_id[:100]} does not exist.")
        on = [one for one in found if one.zone == named[0].zone]
    else:
        on = [one for one in found if one.zone is None]
    if not on:
        raise BadInput(
            f"The share network {network.id} does have a default subnet. Create one or use a specific subnet to manage "
            "this share server with API version >= 2.51."
        )
    if len(on) > 1:
        raise BadInput(
            f"Cannot manage the share server, since the share network subnet {on[0].id} has more subnets in its "
            "availability zone and share network."
        )
    share_networks.check_active(network)
    await service_at(tx, room, host)
    if await tx.first(_named, {"identifier": identifier}) is not None:
        raise BadInput(f"Identifier {identifier} specified matches existing share servers.")


async def check_unmanaged(tx: Transaction, row: Row[Any]) -> None:
    """Raises BadInput."""
    if len((await share_servers.subnets_of(tx, [row.id]))[row.id]) > 1:
        raise BadInput("Cannot unmanage the share server containing multiple subnets.")
    network = await share_networks.get_any(tx, row.share_network_id)
    if network is not None:
        share_networks.check_active(network)
    if row.status not in KEPT:
        raise BadInput(
            f"Share server's actual status is {row.status}, allowed statuses for unmanaging are {', '.join(KEPT)}."
        )
    if await share_servers.in_use(tx, row.id):
        raise BadInput(f"Share server {row.id} in use.")


async def check(
    tx: Transaction, room: Shares, row: Row[Any], host: str, network: Row[Any] | None
) -> str:
    """Returns the share network that it would be in.

    Args:
        network: another share network than its own; None: its own.

    Raises:
        BadInput: no such back end. Conflict: something of it is not as it has to be.
    """
    found = await tx.all(_shares, {"id": row.id})
    _check_shares(row, found)
    if row.status != share_servers.ACTIVE:
        raise Conflict(
            f"Share server {row.id} status must be active, but current status is: {row.status}."
        )
    if await tx.first(_group, {"id": row.id}) is not None:
        raise Conflict(
            f"The share server {row.id} can not be migrated because it is related to a share group."
        )
    if "#" in host:
        raise BadInput("The destination host can not contain pool information.")
    target = row.share_network_id if network is None else network.id
    if host == f"{row.node}@{row.backend}" and target == row.share_network_id:
        raise Conflict(
            "There is no difference between source and destination backends and between source and destination share "
            "networks. Share server migration will not proceed."
        )
    service = await service_at(tx, room, host)
    if not await share_networks.serving(tx, target, service.zone):
        raise Conflict(
            f"The share network {target} does not have a subnet that spans the destination host availability zone."
        )
    return str(target)


def _check_shares(row: Row[Any], found: Any) -> None:
    if not found:
        raise Conflict(f"Share server {row.id} does not have shares.")
    for one in found:
        if one.deleted_from is not None:
            raise Conflict(
                f"Share server {row.id} has at least one share that has been soft deleted."
            )
        if one.status != "available":
            raise Conflict(
                f"Share {one.id} status must be available, but current status is: {one.status}."
            )
        if one.replica_state is not None and one.replica_state != "active":
            raise Conflict(f"Share {one.id} has replicas. Remove the replicas of all shares first.")
        if one.share_group_id is not None:
            raise Conflict(f"Share {one.id} is a member of a group.")
        if one.access_rules_status == "error":
            raise Conflict(f"The access rules of share {one.id} must not be in error.")
