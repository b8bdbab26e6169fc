"""Share networks: where the shares of a project are reached, by way of subnets in zones.

What a user names is looked up in the network service when a share server is set up there, with the project's eyes: what
the project does not see then is not there. docs/decisions/0085.

Source: Shared File Systems API reference, "Share networks", "Share network subnets".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput, Conflict, Forbidden, NotFound
from hanok.base.ids import new_uuid
from hanok.services.shared_file_system.logic import quotas
from hanok.services.shared_file_system.room import Shares
from hanok.services.shared_file_system.tables import (
    security_services,
    share_groups,
    share_instances,
    share_server_subnets,
    share_services,
)
from hanok.services.shared_file_system.tables import share_network_services as services
from hanok.services.shared_file_system.tables import share_network_subnets as subnets
from hanok.services.shared_file_system.tables import share_networks as table
from hanok.store import Transaction, still_there
from hanok.web.owned import Owned, missing
from hanok.web.token import Caller

ACTIVE, CHANGING = "active", "network_change"
STATUSES = (ACTIVE, "error", CHANGING)
FACTS = ("network_type", "segmentation_id", "cidr", "ip_version", "gateway", "mtu")
NAMED = ("neutron_net_id", "neutron_subnet_id")
SUBNETS_MAXIMUM = 64
SERVICES_MAXIMUM = 32

_owned = Owned(table, missing("Share network"))
WHOLE, of, get_any, get = _owned.whole, _owned.of, _owned.get_any, _owned.get
change = _owned.change

_ids: Any = bindparam("ids", expanding=True)
_subnets = (
    sa.select(subnets)
    .where(subnets.c.share_network_id.in_(_ids))
    .order_by(subnets.c.created_at, subnets.c.sequence)
)
_subnet = sa.select(subnets).where(subnets.c.id == bindparam("id"))
_on_subnets = sa.select(share_server_subnets.c.share_server_id).where(
    share_server_subnets.c.subnet_id.in_(_ids)
)
_services_of = sa.select(services.c.security_service_id).where(
    services.c.share_network_id == bindparam("id")
)
_service_rows = (
    sa.select(security_services.c.id, security_services.c.type)
    .join(services, services.c.security_service_id == security_services.c.id)
    .where(services.c.share_network_id == bindparam("id"))
)
_zone = sa.select(share_services.c.id).where(share_services.c.zone == bindparam("zone")).limit(1)
_shares = (
    sa.select(sa.func.count())
    .select_from(share_instances)
    .where(share_instances.c.share_network_id == bindparam("id"))
)
_groups = (
    sa.select(sa.func.count())
    .select_from(share_groups)
    .where(share_groups.c.share_network_id == bindparam("id"))
)


def of_project(statement: sa.Select[Any], project_id: str) -> sa.Select[Any]:
    """Those of a statement's share networks that are a project's."""
    return statement.where(table.c.project_id == project_id)


def having(service_id: str) -> sa.ColumnElement[bool]:
    """The condition that a share network has a security service."""
    link = services
    return table.c.id.in_(
        sa.select(link.c.share_network_id).where(link.c.security_service_id == service_id)
    )


def with_subnet(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    """The condition that a share network has a subnet like this."""
    return table.c.id.in_(sa.select(subnets.c.share_network_id).where(condition))


async def requested(tx: Transaction, caller: Caller, network_id: str) -> Row[Any]:
    """One that a body names. Raises BadInput: there is none such, or it is being changed."""
    try:
        row = await get(tx, caller, network_id)
    except NotFound:
        raise BadInput(f"No share network exists with ID {network_id[:100]}.") from None
    check_active(row)
    return row


def check_active(row: Row[Any]) -> None:
    """Raises BadInput for one that is being changed, or failed to."""
    if row.status != ACTIVE:
        raise BadInput(
            f"The share network {row.id} used isn't in an 'active' state. Current status is {row.status}. The action "
            "may be retried after the share network has changed its state."
        )


async def check_zone(tx: Transaction, zone: str | None) -> str | None:
    """A zone that a subnet is to serve; none: all. Raises BadInput: there is none of this name."""
    if not zone:
        return None
    if await tx.first(_zone, {"zone": zone}) is None:
        raise BadInput(f"The provided availability zone {zone[:100]} does not exist.")
    return zone


# ---- subnets ----


async def subnets_of(tx: Transaction, network_ids: Sequence[str]) -> dict[str, list[Row[Any]]]:
    """By the network's id, oldest first."""
    found: dict[str, list[Row[Any]]] = {one: [] for one in network_ids}
    for row in await tx.all(_subnets, {"ids": list(network_ids)}):
        found[row.share_network_id].append(row)
    return found


async def serving(tx: Transaction, network_id: str, zone: str | None) -> list[Row[Any]]:
    """The subnets that serve a zone: its own, or else those of all zones."""
    found = (await subnets_of(tx, [network_id]))[network_id]
    return [one for one in found if one.zone == zone] or [one for one in found if one.zone is None]


async def zones_served(tx: Transaction, network_id: str) -> set[str] | None:
    """The zones that its subnets serve; None: all."""
    found = (await subnets_of(tx, [network_id]))[network_id]
    zones = {one.zone for one in found}
    return None if None in zones else {one for one in zones if one is not None}


async def subnet(tx: Transaction, network: Row[Any], subnet_id: str) -> Row[Any]:
    """One of a network's. Raises NotFound."""
    row = await tx.first(_subnet, {"id": subnet_id})
    if row is None or row.share_network_id != network.id:
        raise NotFound(f"Share network subnet {subnet_id[:100]} could not be found.")
    return row


async def subnet_any(tx: Transaction, subnet_id: str) -> Row[Any] | None:
    return await tx.first(_subnet, {"id": subnet_id})


async def change_subnet(
    tx: Transaction, room: Shares, row: Row[Any], values: Mapping[str, Any]
) -> Row[Any]:
    mine = subnets.update().where(subnets.c.id == row.id)
    await tx.execute(mine.values(**values, updated_at=room.clock.now()))
    return still_there(await tx.first(_subnet, {"id": row.id}))


async def servers_on(tx: Transaction, found: Sequence[Row[Any]]) -> list[str]:
    """The ids of the share servers on these subnets."""
    ids = [one.id for one in found]
    return sorted(set(await tx.scalars(_on_subnets, {"ids": ids}))) if ids else []


def check_both(values: Mapping[str, Any]) -> None:
    """Raises BadInput where only one of network and subnet is named."""
    if len([one for one in NAMED if one in values]) == 1:
        raise BadInput(
            "When creating a new share network subnet you need to specify both neutron_net_id and neutron_subnet_id "
            "or none of them."
        )


async def siblings(
    tx: Transaction, network: Row[Any], zone: str | None, *, several: bool
) -> list[Row[Any]]:
    """The subnets that a new one would be beside.

    Args:
        several: whether a zone may have several.

    Raises:
        BadInput: there are too many. Conflict: it may have no other.
    """
    every = (await subnets_of(tx, [network.id]))[network.id]
    if len(every) >= SUBNETS_MAXIMUM:
        raise BadInput(f"A share network has at most {SUBNETS_MAXIMUM} subnets.")
    found = [one for one in every if one.zone == zone]
    if found and not several:
        raise Conflict(
            "Another share network subnet was found in the specified availability zone. Only one share network subnet "
            f"is allowed per availability zone for share network {network.id}."
        )
    return found


async def add_subnet(
    tx: Transaction, room: Shares, network_id: str, zone: str | None, values: Mapping[str, Any]
) -> Row[Any]:
    """Write a subnet; the checks are the caller's."""
    row = {
        "id": new_uuid(),
        "share_network_id": network_id,
        "zone": zone,
        "created_at": room.clock.now(),
        "metadata": {},
        **values,
    }
    await tx.insert(subnets, row)
    return still_there(await tx.first(_subnet, {"id": row["id"]}))


async def drop_subnet(tx: Transaction, subnet_id: str) -> None:
    await tx.execute(subnets.delete().where(subnets.c.id == subnet_id))


# ---- networks ----


async def create(
    tx: Transaction,
    room: Shares,
    caller: Caller,
    values: Mapping[str, Any],
    *,
    zone: str | None,
    subnet: Mapping[str, Any],
) -> Row[Any]:
    """A new share network with its first subnet.

    Args:
        values: of the network: name, description. subnet: of the subnet.

    Raises:
        BadInput: only one of network and subnet is named. TooLarge: over the quota.
    """
    check_both(subnet)
    project_id = caller.own_project
    await quotas.check(tx, room, project_id, caller.user_id, "", share_networks=1)
    row = {
        "id": new_uuid(),
        "project_id": project_id,
        "user_id": caller.user_id,
        "status": ACTIVE,
        "created_at": room.clock.now(),
        **values,
    }
    await tx.insert(table, row)
    await add_subnet(tx, room, str(row["id"]), zone, subnet)
    return still_there(await get_any(tx, str(row["id"])))


async def update(
    tx: Transaction,
    room: Shares,
    row: Row[Any],
    values: Mapping[str, Any],
    subnet: Mapping[str, Any],
) -> Row[Any]:
    """Change what it is called, and what its only subnet of all zones names.

    Raises:
        BadInput: there is no such subnet, or there are several. Forbidden: share servers use it.
    """
    if subnet:
        every = (await subnets_of(tx, [row.id]))[row.id]
        if await servers_on(tx, every):
            raise Forbidden(
                f"Cannot update share network {row.id}. It is used by share servers. Only 'name' and 'description' "
                "fields are available for update"
            )
        await change_subnet(tx, room, _only_default(row, every, subnet), subnet)
    await change(tx, row.id, values, room.clock.now())
    return still_there(await get_any(tx, row.id))


def _only_default(row: Row[Any], every: Sequence[Row[Any]], values: Mapping[str, Any]) -> Row[Any]:
    found = [one for one in every if one.zone is None]
    if len(found) != 1:
        which = "a" if not found else "an unique"
        raise BadInput(
            f"The share network {row.id} does not have {which} 'default' subnet that serves all availability zones, "
            "so subnet details ('neutron_net_id', 'neutron_subnet_id') cannot be updated."
        )
    named = any(getattr(found[0], one) for one in NAMED)
    if not named and any(values.get(one) is None for one in NAMED):
        raise BadInput(
            f"To update the share network {row.id} you need to specify both 'neutron_net_id' and 'neutron_subnet_id'."
        )
    return found[0]


async def has_shares(tx: Transaction, network_id: str) -> bool:
    """Whether a share is in it, one too for which no share server could be set up."""
    return bool(await tx.scalar(_shares, {"id": network_id}))


async def check_deletable(tx: Transaction, row: Row[Any]) -> list[Row[Any]]:
    """Returns its subnets. Raises Conflict: something needs it."""
    for statement, noun in ((_shares, "share(s)"), (_groups, "share group(s)")):
        if many := int(await tx.scalar(statement, {"id": row.id}) or 0):
            raise Conflict(f"Can not delete share network {row.id}, it has {many} {noun}.")
    found = (await subnets_of(tx, [row.id]))[row.id]
    if len(found) > 1:
        raise Conflict(
            f"The share network {row.id} has more than one subnet attached. Please remove the subnets untill you have "
            "one or no subnets remaining."
        )
    return found


async def forget(tx: Transaction, row: Row[Any]) -> None:
    """The network, its subnets and its list of security services are gone."""
    await tx.execute(services.delete().where(services.c.share_network_id == row.id))
    await tx.execute(subnets.delete().where(subnets.c.share_network_id == row.id))
    await tx.execute(table.delete().where(table.c.id == row.id))


# ---- security services ----


async def services_of(tx: Transaction, network_id: str) -> list[str]:
    """The ids of a share network's security services."""
    return sorted(await tx.scalars(_services_of, {"id": network_id}))


async def check_service(
    tx: Transaction, row: Row[Any], service: Row[Any], *, instead_of: Row[Any] | None = None
) -> None:
    """Whether a share network may have a security service.

    Args:
        instead_of: one that it has, whose place it is to take.

    Raises:
        BadInput: it has as many as it may have. Conflict: it has this one, or one of its type.
    """
    there = await tx.all(_service_rows, {"id": row.id})
    if len(there) >= SERVICES_MAXIMUM:
        raise BadInput(f"A share network has at most {SERVICES_MAXIMUM} security services.")
    for one in there:
        if one.id == service.id:
            raise Conflict(
                f"Security service {service.id} is already associated with share network {row.id}."
            )
        if one.type == service.type and (instead_of is None or one.id != instead_of.id):
            raise Conflict(
                f"Cannot add security service to share network. Security service with '{service.type}' type already "
                f"added to '{row.id}' share network"
            )


async def add_service(tx: Transaction, row: Row[Any], service_id: str) -> None:
    """The checks are the caller's."""
    await tx.insert(services, {"share_network_id": row.id, "security_service_id": service_id})


async def remove_service(tx: Transaction, row: Row[Any], service_id: str) -> None:
    """Raises BadInput: it has none such."""
    if service_id not in await services_of(tx, row.id):
        raise BadInput(
            f"Failed to dissociate share network {row.id} and security service {service_id}: No association found."
        )
    mine = sa.and_(
        services.c.share_network_id == row.id, services.c.security_service_id == service_id
    )
    await tx.execute(services.delete().where(mine))
