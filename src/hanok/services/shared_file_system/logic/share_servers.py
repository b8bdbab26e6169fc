"""Share servers: what gives out the shares of a share network, at an address in the tenant's own network.

One is claimed in the transaction that places a share, and set up by an operation of its own; those who wait for it wait
for its row. One that no share is on is removed after a while.

Source: Shared File Systems API reference, "Share servers"; docs/decisions/0085.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput, Conflict, Forbidden, NotFound, Refused, StepFailed
from hanok.base.ids import new_uuid
from hanok.services.network import facade as networks
from hanok.services.shared_file_system.logic import messages, share_networks, specs
from hanok.services.shared_file_system.room import Shares
from hanok.services.shared_file_system.tables import share_groups, share_instances, share_services
from hanok.services.shared_file_system.tables import share_networks as networks_table
from hanok.services.shared_file_system.tables import share_server_subnets as links
from hanok.services.shared_file_system.tables import share_servers as table
from hanok.store import Transaction, still_there
from hanok.web.token import Caller

OWNER = "manila:share"  # of the ports, as the field calls them
ACTIVE, CREATING, ERROR, DELETING = "active", "creating", "error", "deleting"
STATUSES = (
    ACTIVE, ERROR, DELETING, CREATING, "manage_starting", "unmanage_starting", "unmanage_error",
    "manage_error", "inactive", "server_migrating", "server_migrating_to",
    "server_network_change",
)  # fmt: skip
TASK_STATES = (
    "migration_starting", "migration_in_progress", "migration_completing", "migration_success",
    "migration_error", "migration_cancel_in_progress", "migration_cancelled",
    "migration_driver_in_progress", "migration_driver_phase1_done",
)  # fmt: skip
SUPPORT = ("security_service_update_support", "network_allocation_update_support")

WHOLE = (
    sa.select(table, networks_table.c.name.label("share_network_name"))
    .select_from(table.outerjoin(networks_table, networks_table.c.id == table.c.share_network_id))
    .order_by(table.c.created_at, table.c.sequence)
)
_by_id = WHOLE.where(table.c.id == bindparam("id"))
_state = sa.select(share_services.c.state).where(
    share_services.c.node == bindparam("node"), share_services.c.backend == bindparam("backend")
)
_links = sa.select(links).where(links.c.share_server_id.in_(bindparam("ids", expanding=True)))
_usable = WHOLE.where(
    table.c.share_network_id == bindparam("network"),
    table.c.node == bindparam("node"),
    table.c.backend == bindparam("backend"),
    table.c.status.in_((ACTIVE, CREATING)),
)
_of_network = WHOLE.where(table.c.share_network_id == bindparam("id"))
_of_networks = sa.select(table.c.share_network_id, table.c.node, table.c.backend).where(
    table.c.share_network_id.in_(bindparam("ids", expanding=True))
)
_instances = sa.select(share_instances).where(share_instances.c.share_server_id == bindparam("id"))
_instance = _instances.limit(1)
_group = (
    sa.select(share_groups.c.id).where(share_groups.c.share_server_id == bindparam("id")).limit(1)
)
_used = sa.or_(
    table.c.id.in_(
        sa.select(share_instances.c.share_server_id).where(
            share_instances.c.share_server_id.is_not(None)
        )
    ),
    table.c.id.in_(
        sa.select(share_groups.c.share_server_id).where(share_groups.c.share_server_id.is_not(None))
    ),
)
_empty_now = (
    table.update()
    .where(table.c.status == ACTIVE, table.c.empty_since.is_(None), sa.not_(_used))
    .values(empty_since=bindparam("at"))
)
_used_again = table.update().where(table.c.empty_since.is_not(None), _used).values(empty_since=None)
_idle = WHOLE.where(
    table.c.status == ACTIVE,
    table.c.auto_deletable.is_(True),
    table.c.empty_since < bindparam("before"),
    sa.not_(_used),
)


async def found(
    tx: Transaction, conditions: Sequence[sa.ColumnElement[bool] | None]
) -> Sequence[Row[Any]]:
    """All share servers that fulfil these: hosts have tens."""
    held = [one for one in conditions if one is not None]
    return await tx.all(WHOLE.where(*held))


async def get_any(tx: Transaction, server_id: str) -> Row[Any] | None:
    return await tx.first(_by_id, {"id": server_id})


async def get(tx: Transaction, server_id: str) -> Row[Any]:
    """Raises NotFound."""
    row = await get_any(tx, server_id)
    if row is None:
        raise NotFound(f"Share server {server_id[:100]} could not be found.")
    return row


async def change(tx: Transaction, server_id: str, values: Mapping[str, Any], now: datetime) -> None:
    mine = table.update().where(table.c.id == server_id)
    await tx.execute(mine.values(**values, updated_at=now))


async def subnets_of(tx: Transaction, server_ids: Sequence[str]) -> dict[str, list[str]]:
    """The ids of the subnets that servers are on, by the server's id."""
    found: dict[str, list[str]] = {one: [] for one in server_ids}
    for row in await tx.all(_links, {"ids": list(server_ids)}):
        found[row.share_server_id].append(row.subnet_id)
    return found


async def of_network(tx: Transaction, network_id: str) -> Sequence[Row[Any]]:
    return await tx.all(_of_network, {"id": network_id})


async def _said(tx: Transaction, node: str, backend: str, name: str) -> bool:
    """Whether a back end says that it can do something."""
    state = await tx.scalar(_state, {"node": node, "backend": backend}) or {}
    return specs.flag(state.get("capabilities", {}).get(name, "")) is True


async def supports(tx: Transaction, row: Row[Any]) -> dict[str, bool]:
    """What a server's back end can change while it is used."""
    return {name: await _said(tx, row.node, row.backend, name) for name in SUPPORT}


async def supports_of_networks(
    tx: Transaction, network_ids: Sequence[str]
) -> dict[str, dict[str, bool]]:
    """What all back ends of networks' servers can change while they are used, by the network's id."""
    found = {one: dict.fromkeys(SUPPORT, True) for one in network_ids}
    places: dict[tuple[str, str], dict[str, bool]] = {}
    for row in await tx.all(_of_networks, {"ids": list(network_ids)}):
        place = (row.node, row.backend)
        if place not in places:
            places[place] = {name: await _said(tx, *place, name) for name in SUPPORT}
        mine = found[row.share_network_id]
        mine.update({name: mine[name] and places[place][name] for name in SUPPORT})
    return found


async def hosts_that_support(tx: Transaction, network_id: str, name: str) -> dict[str, bool]:
    """The back ends of a network's servers, each with whether it can do something while they are used."""
    found = {}
    for row in await of_network(tx, network_id):
        found[f"{row.node}@{row.backend}"] = await _said(tx, row.node, row.backend, name)
    return found


# ---- claiming one ----


async def claim(
    tx: Transaction, room: Shares, network: Row[Any], zone: str | None, node: str, backend: str
) -> tuple[Row[Any], bool]:
    """The share server of a share network in a back end, and whether it is new and has to be set up.

    Raises:
        StepFailed: the network has nothing there, or not what a server needs, or security services, which no back end
            joins (docs/decisions/0093).
    """
    await tx.take_turn(network.id)
    if await share_networks.services_of(tx, network.id):
        raise StepFailed(messages.UNJOINED)
    on = await share_networks.serving(tx, network.id, zone)
    if not on:
        raise StepFailed(f"Share network {network.id} has no subnet in availability zone {zone}.")
    mine = {"network": network.id, "node": node, "backend": backend}
    there = await tx.all(_usable, mine)
    with_subnets = await subnets_of(tx, [one.id for one in there])
    for one in there:
        if set(with_subnets[one.id]) & {each.id for each in on}:
            await change(tx, one.id, {"empty_since": None}, room.clock.now())
            return one, False
    return await _make(tx, room, network, on, node, backend), True


async def _make(
    tx: Transaction,
    room: Shares,
    network: Row[Any],
    on: Sequence[Row[Any]],
    node: str,
    backend: str,
) -> Row[Any]:
    server_id = new_uuid()
    held = await _hold(tx, room, network, on, server_id, node)
    row = {
        "id": server_id,
        "project_id": network.project_id,
        "share_network_id": network.id,
        "node": node,
        "backend": backend,
        "status": CREATING,
        "identifier": server_id,
        "auto_deletable": True,
        "port_id": held.port_id,
        "addresses": [address for address, _ in held.addresses],
        "generation": 1,
        "created_at": room.clock.now(),
    }
    await tx.insert(table, row)
    for one in on:
        await tx.insert(links, {"share_server_id": server_id, "subnet_id": one.id})
    return still_there(await get_any(tx, server_id))


async def _hold(
    tx: Transaction,
    room: Shares,
    network: Row[Any],
    on: Sequence[Row[Any]],
    server_id: str,
    node: str,
) -> networks.VIP:
    """Look at what the subnets name with the project's eyes, and hold an address in each."""
    first = on[0]
    if any(not one.neutron_net_id or not one.neutron_subnet_id for one in on):
        raise StepFailed(
            f"A subnet of share network {network.id} names no network, so no share server can be reached there."
        )
    if any(one.neutron_net_id != first.neutron_net_id for one in on):
        raise StepFailed(
            f"The subnets of share network {network.id} in one availability zone are in different networks."
        )
    caller = Caller(user_id=network.user_id, project_id=network.project_id)
    wish = networks.VIPWish(
        project_id=network.project_id,
        name=f"share-server-{server_id}",
        owner=OWNER,
        device=server_id,
        network_id=first.neutron_net_id,
        subnet_id=first.neutron_subnet_id,
        more=tuple((one.neutron_subnet_id, None) for one in on[1:]),
    )
    try:
        for one in on:
            facts = await networks.subnet_facts(tx, caller, one.neutron_subnet_id)
            await share_networks.change_subnet(tx, room, one, facts)
        held = await networks.claim_vip(tx, room.network, caller, wish)
    except Refused as error:
        raise StepFailed(f"No share server can be set up: {error.message}") from error
    await networks.place_vip(tx, room.network, held.port_id, node)
    return held


# ---- letting go of it ----


async def instances_of(tx: Transaction, server_id: str) -> Sequence[Row[Any]]:
    """The share instances on a server."""
    return await tx.all(_instances, {"id": server_id})


async def in_use(tx: Transaction, server_id: str) -> bool:
    """Whether a share or a group is on it."""
    of = {"id": server_id}
    return (await tx.first(_instance, of) or await tx.first(_group, of)) is not None


async def note_empty(tx: Transaction, room: Shares) -> None:
    """From when on no share is on servers is noted, for those of which it is not yet."""
    await tx.execute(_empty_now, {"at": room.clock.now()})
    await tx.execute(_used_again)


async def idle(tx: Transaction, room: Shares) -> Sequence[Row[Any]]:
    """Those that no share has been on for a while."""
    before = room.clock.now() - timedelta(seconds=room.settings.unused_server_s)
    return await tx.all(_idle, {"before": before})


async def check_deletable(tx: Transaction, row: Row[Any]) -> None:
    """Raises Forbidden: its status does not allow it. Conflict: something is on it."""
    if row.status not in (ERROR, ACTIVE):
        raise Forbidden(
            f"Share server's actual status is {row.status}, allowed statuses for deletion are ['error', 'active']."
        )
    if await in_use(tx, row.id):
        raise Conflict(f"Share server {row.id} in use.")


async def begin_deleting(tx: Transaction, room: Shares, row: Row[Any]) -> int:
    """Gives the generation that the host is told."""
    generation = int(row.generation) + 1
    await change(tx, row.id, {"status": DELETING, "generation": generation}, room.clock.now())
    return generation


async def gone(tx: Transaction, room: Shares, row: Row[Any]) -> None:
    """Nothing of it is on its host any more: its port and its rows go."""
    if row.port_id is not None:
        await networks.release_vip(tx, room.network, row.port_id, made=True)
    await tx.execute(links.delete().where(links.c.share_server_id == row.id))
    await tx.execute(table.delete().where(table.c.id == row.id))


async def stands(tx: Transaction, row: Row[Any]) -> networks.Standing:
    """What its host has to know of its port.

    Raises:
        StepFailed: the port is gone.
    """
    found = await networks.standing(tx, row.port_id or "", row.addresses)
    if found is None:
        raise StepFailed("The port of the share server is gone.")
    return found


# ---- moving it, and taking one over ----


def refuse_move(row: Row[Any]) -> BadInput:
    return BadInput(f"Share server {row.id} is not migrating.")


def with_subnet(subnet_id: str) -> sa.ColumnElement[bool]:
    """The condition that a server is on a subnet."""
    return table.c.id.in_(sa.select(links.c.share_server_id).where(links.c.subnet_id == subnet_id))


def of_named(requested: str) -> sa.ColumnElement[bool]:
    """The condition that a server's share network has this id or name."""
    return sa.or_(table.c.share_network_id == requested, networks_table.c.name == requested)
