"""Which hosts carry a router's gateways: those that the house chooses, until somebody says which.

The highest number that is alive carries all gateways of a router; the others wait, and take over when it is gone. What
was said of a router stays until its last host is taken away, or is gone itself: then the house chooses again.

Source: Networking API v2.0 reference, "L3 agent scheduler"; the field's specification of it for OVN.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput, NotFound
from hanok.services.network.logic import agents
from hanok.services.network.logic.errors import conflict
from hanok.services.network.logic.scopes import router_scope, touch
from hanok.services.network.room import Network
from hanok.services.network.tables import router_hosts, routers
from hanok.store import Transaction

MAXIMUM_HOSTS = 5  # of a router: OVN watches each with BFD
CONTROLLER = agents.KINDS[0][0]

Hosts = Mapping[str, int]
"""Hosts and their numbers, the highest first."""

_said = (
    sa.select(router_hosts)
    .where(router_hosts.c.router_id.in_(bindparam("ids", expanding=True)))
    .order_by(router_hosts.c.priority.desc())
)
_with_gateway = sa.select(routers).where(routers.c.gateway_port_id.is_not(None))


async def able(tx: Transaction, room: Network) -> list[str]:
    """The hosts that may carry gateways."""
    return list(room.settings.chassis) or await agents.hosts(tx)


async def hosts_of(tx: Transaction, room: Network, ids: Sequence[str]) -> dict[str, Hosts]:
    """Which hosts may carry the gateways of routers, and which goes before which."""
    known = await able(tx, room)
    said: dict[str, dict[str, int]] = {}
    for row in await tx.all(_said, {"ids": list(ids)}):
        if row.host in known:
            said.setdefault(row.router_id, {})[row.host] = row.priority
    return {one: said.get(one) or _chosen(known, one) for one in ids}


def _chosen(known: Sequence[str], router_id: str) -> dict[str, int]:
    """Other ones for each router, so that all hosts have something to do."""
    if not known:
        return {}
    start = int(hashlib.sha256(router_id.encode()).hexdigest(), 16) % len(known)
    turned = [*known[start:], *known[:start]][:MAXIMUM_HOSTS]
    return {host: len(turned) - rank for rank, host in enumerate(turned)}


async def _gateway_host(tx: Transaction, room: Network, agent_id: str) -> str:
    """The host of an agent that may carry gateways.

    Raises:
        NotFound: there is no such agent, or it may not.
    """
    agent = await agents.get(tx, agent_id)
    if agent.agent_type != CONTROLLER or agent.host not in await able(tx, room):
        raise NotFound(
            f"Agent {agent_id} is not a L3 Agent or has been disabled", code="InvalidL3Agent"
        )
    return str(agent.host)


async def agents_of(tx: Transaction, room: Network, router: Row[Any]) -> list[dict[str, Any]]:
    """The agents on whose hosts a router's gateways may be, the first before the others."""
    if router.gateway_port_id is None:
        return []
    hosts = (await hosts_of(tx, room, [router.id]))[router.id]
    now = room.clock.now()
    theirs = {row.host: row for row in await agents.every(tx) if row.agent_type == CONTROLLER}
    return [
        {**agents.show(room, theirs[host], now), "ha_chassis_priority": priority}
        for host, priority in hosts.items()
        if host in theirs
    ]


async def routers_on(tx: Transaction, room: Network, agent_id: str) -> list[Row[Any]]:
    """The routers whose gateways an agent's host may carry.

    Raises:
        NotFound: there is no such agent.
    """
    agent = await agents.get(tx, agent_id)
    if agent.agent_type != CONTROLLER:
        return []
    rows = await tx.all(_with_gateway.order_by(routers.c.id))
    hosts = await hosts_of(tx, room, [row.id for row in rows])
    return [row for row in rows if agent.host in hosts[row.id]]


async def add(
    tx: Transaction, room: Network, agent_id: str, router: Row[Any], priority: int | None
) -> None:
    """Let an agent's host carry a router's gateways, too; without a number behind all others.

    Raises:
        NotFound; Conflict: it does already, the number is taken, or there is no room for another one.
    """
    host = await _gateway_host(tx, room, agent_id)
    hosts = await _locked(tx, room, router, agent_id)
    if host in hosts:
        raise conflict(
            "RouterHostedByL3Agent",
            f"The router {router.id} has been already hosted by the L3 Agent {agent_id}.",
        )
    if len(hosts) >= MAXIMUM_HOSTS:
        raise _failed(router, agent_id, f"it has {MAXIMUM_HOSTS} hosts already")
    if priority is None:
        hosts = _moved_up(hosts)
        priority = min(hosts.values(), default=2) - 1
    if priority < 1 or priority in hosts.values():
        raise _failed(router, agent_id, f"the priority {priority} is taken or too low")
    await _write(tx, room, router, {**hosts, host: priority})


def _moved_up(hosts: Hosts) -> Hosts:
    """The same hosts in the same order, none of them with the number 1: those that stand close above it move up."""
    close, number = {}, 1
    for host, priority in sorted(hosts.items(), key=lambda one: one[1]):
        if priority != number:
            break
        close[host] = number = number + 1
    return {host: close.get(host, priority) for host, priority in hosts.items()}


async def change(
    tx: Transaction, room: Network, agent_id: str, router: Row[Any], priority: int | None
) -> None:
    """Give a host of a router another number.

    Raises:
        BadInput: none is said. NotFound; Conflict: it is none of its hosts, or the number is another's.
    """
    if priority is None:
        raise BadInput("Required attribute 'ha_chassis_priority' not specified")
    host = await _gateway_host(tx, room, agent_id)
    hosts = await _locked(tx, room, router, agent_id)
    if host not in hosts:
        raise _not_hosted(router, agent_id)
    others = {one: number for one, number in hosts.items() if one != host}
    if priority in others.values():
        raise _failed(router, agent_id, f"the priority {priority} is taken")
    await _write(tx, room, router, {**others, host: priority})


async def remove(tx: Transaction, room: Network, agent_id: str, router: Row[Any]) -> None:
    """A host no longer carries a router's gateways; after the last one the house chooses again.

    Raises:
        NotFound; Conflict: it is none of its hosts.
    """
    host = await _gateway_host(tx, room, agent_id)
    hosts = await _locked(tx, room, router, agent_id)
    if host not in hosts:
        raise _not_hosted(router, agent_id)
    others = {one: number for one, number in hosts.items() if one != host}
    await _write(tx, room, router, others)


async def _locked(tx: Transaction, room: Network, router: Row[Any], agent_id: str) -> Hosts:
    await tx.serialize("network.router", router.id)
    if router.gateway_port_id is None:
        raise _failed(router, agent_id, "it has no external gateway")
    return (await hosts_of(tx, room, [router.id]))[router.id]


async def _write(tx: Transaction, room: Network, router: Row[Any], hosts: Hosts) -> None:
    await forget(tx, router.id)
    if hosts:
        await tx.insert(
            router_hosts,
            [
                {"router_id": router.id, "host": host, "priority": priority}
                for host, priority in hosts.items()
            ],
        )
    await touch(tx, room, router_scope(router.id))


async def forget(tx: Transaction, router_id: str) -> None:
    """Nobody has said anything of a router's hosts."""
    await tx.execute(router_hosts.delete().where(router_hosts.c.router_id == router_id))


def _failed(router: Row[Any], agent_id: str, reason: str) -> Exception:
    return conflict(
        "RouterSchedulingFailed",
        f"Failed scheduling router {router.id} to the L3 Agent {agent_id}: {reason}.",
    )


def _not_hosted(router: Row[Any], agent_id: str) -> Exception:
    return conflict(
        "RouterNotHostedByL3Agent",
        f"The router {router.id} is not hosted by L3 agent {agent_id}.",
    )


def no_dhcp_agent(agent_id: str) -> NotFound:
    """OVN answers DHCP itself: no agent does."""
    return NotFound(
        f"Agent {agent_id} is not a valid DHCP Agent or has been disabled", code="InvalidDHCPAgent"
    )


def not_by_dhcp_agent(network_id: str, agent_id: str) -> Exception:
    return conflict(
        "NetworkNotHostedByDhcpAgent",
        f"The network {network_id} is not hosted by the DHCP agent {agent_id}.",
    )
