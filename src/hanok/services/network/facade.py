"""What other rooms may ask of the network."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from hanok.base.absence import Absence
from hanok.base.clock import Clock
from hanok.base.errors import BadInput, Conflict
from hanok.bus import Wakes
from hanok.drivers.ovn import tracing
from hanok.drivers.ovn.errors import OVNError
from hanok.events import Outbox
from hanok.limits import Limits, Registered
from hanok.services.network.logic import (
    agents,
    external,
    inventory,
    paths,
    quotas,
    scopes,
    segment_ranges,
    server_ports,
    topologies,
    vips,
)
from hanok.services.network.logic.balancing import Surroundings, around, let_check
from hanok.services.network.logic.group_defaults import ensure_first as ensure_first_rules
from hanok.services.network.logic.meters import of_floating_ips
from hanok.services.network.logic.paths import Step
from hanok.services.network.logic.reach import Reach
from hanok.services.network.logic.server_ports import (
    FixedIP,
    NICPlan,
    NICWish,
    ResourceGroup,
    ServerPort,
    addresses_of,
    arrive,
    bind,
    change_group,
    expect,
    next_place,
    nics,
    place,
    ports_of,
    rename,
    server_at,
    unexpect,
)
from hanok.services.network.logic.server_views import PortView, port_views
from hanok.services.network.logic.vips import VIP, Standing, VIPWish, standing
from hanok.services.network.room import Engine, Loader, Network, NetworkSettings
from hanok.store import Database, Transaction
from hanok.web.token import Caller

log = logging.getLogger(__name__)

__all__ = [
    "VIP",
    "Engine",
    "FixedIP",
    "NICPlan",
    "NICWish",
    "Network",
    "NetworkSettings",
    "PortView",
    "ResourceGroup",
    "ServerPort",
    "Standing",
    "Step",
    "Surroundings",
    "VIPWish",
    "addresses_of",
    "allocated",
    "around",
    "arrive",
    "bind",
    "change_group",
    "change_vip",
    "claim_vip",
    "ensure_first_rules",
    "expect",
    "let_check",
    "networks_of",
    "next_place",
    "nics",
    "of_floating_ips",
    "place",
    "port_views",
    "ports_at",
    "ports_of",
    "release_vip",
    "rename",
    "resource_requests",
    "server_at",
    "standing",
    "subnet_facts",
    "subnet_there",
    "unexpect",
    "why",
]


def build(
    *,
    database: Database,
    clock: Clock,
    wakes: Wakes,
    northbound: Callable[[Callable[[str, bool], None]], Engine],
    settings: NetworkSettings,
    events: Outbox,
    registered: Registered | None = None,
    absence: Absence | None = None,
) -> Network:
    """The room. Functions that take tx join the caller's transaction; the others reach outside and take none.

    Args:
        northbound: makes the client of OVN's database, which is to tell the function it is given (port id, up)
            of each port that comes up or goes down. The reconciler connects and closes it.
        registered: a project's unified limits. absence: when nobody listened to hosts.
    """
    return Network(
        database=database,
        clock=clock,
        wakes=wakes,
        northbound=northbound,
        settings=settings,
        events=events,
        absence=absence,
        limits=Limits("network", quotas.RESOURCES, registered),
    )


async def heard(tx: Transaction, room: Network, hosts: Sequence[str]) -> None:
    """Hosts are alive; with its first word one becomes one that may carry routers' gateways."""
    await agents.heard(tx, room, hosts)


async def unheard(tx: Transaction, room: Network, hosts: Sequence[str], before: datetime) -> None:
    """Hosts do not answer that were not heard of since a moment: their agents are not alive."""
    await agents.unheard(tx, hosts, before, room.clock.now())


async def ensure_public(
    tx: Transaction, room: Network, *, cidr: str, gateway: str, project_id: str
) -> str:
    """The external network `public` with its subnet, made once; gives its id.

    Addresses are given out from the tenth of the range up.
    """
    return await external.ensure_public(tx, room, cidr=cidr, gateway=gateway, project_id=project_id)


async def ensure_segment_ranges(tx: Transaction, room: Network) -> None:
    """The ranges of numbers of networks that are the house's, made once."""
    await segment_ranges.ensure_default(tx, room, room.clock.now())


async def differences(tx: Transaction, room: Network) -> list[str]:
    """What OVN holds otherwise than the tables say, a line each; none when all is well."""
    return await inventory.differences(tx, room)


async def lasting_differences(room: Network) -> list[str]:
    """The differences that are still there after a moment: what is being written is none."""
    return await inventory.lasting_differences(room)


async def why(
    room: Network,
    source: tuple[str, str],
    destination: tuple[str, str],
    protocol: str,
    port: int | None,
) -> list[Step]:
    """The way of a packet from one end to the other; the last step does not pass where it stops.

    Where OVN is real, its flows are looked at too, and that is a step.

    Args:
        source, destination: what was asked for, and the id of the server that it names or "": a port by its id or
            name, an address, or "outside".

    Raises:
        BadInput: no such end, one that has no address, or is several; no such protocol.
    """
    flow = paths.flow_of(protocol, port)
    async with room.database.read() as tx:
        ends = [await paths.end_of(tx, *one) for one in (source, destination)]
        steps, packet = await paths.walk(tx, ends[0], ends[1], flow)
    if packet is None or not room.settings.southbound or steps[-1].at == "OVN":
        return steps
    try:
        ends_at = await tracing.ends_at(room.settings.southbound, packet, room.settings.seal)
    except OVNError as error:
        log.warning("ovn-trace does not say where a packet ends: %s (%s)", error, error.detail)
        return steps
    return [*steps, paths.compared(steps, packet, ends_at)]


async def plan(
    tx: Transaction,
    caller: Caller,
    wishes: Sequence[NICWish] | str,
    *,
    count: int = 1,
    external: bool = False,
    grouped: bool = False,
) -> list[NICPlan]:
    """Check a server's wishes with the caller's eyes and give each interface a port id.

    Args:
        wishes: interfaces in order, or "only" (the only network the caller may use, none if there is none), or "none".
        count: how many servers are to be made so; with more than one, ports and addresses cannot be named.
        external: whether the caller may use external networks so.
        grouped: whether other security groups are asked for than the project's default one.

    Raises:
        BadInput: an unknown network, an address that is not the network's, a network without a subnet, or one whose
            ports take no groups.
        Conflict: the port is in use; "only" and several networks to choose from; an address that is taken.
        Forbidden: an external network, for those who may not use them so.
    """
    reach = Reach(caller.project_id, everything=caller.everywhere)
    return await server_ports.plan(
        tx, reach, wishes, count=count, external=external, grouped=grouped
    )


async def ports_left(tx: Transaction, room: Network, project_id: str) -> int | None:
    """How many more ports a project may have now, at least 0; None: there is no limit."""
    return await quotas.left(tx, room, project_id, "port")


async def allocated(tx: Transaction, room: Network, caller: Caller) -> str:
    """The only network that the caller may use; one behind a router to the outside is made where there is none.

    Raises:
        BadInput: there is none, and nothing to make one of: no default external network, no default subnet pool.
        Conflict: there are several.
    """
    found = await server_ports.only_network(tx, Reach(caller.project_id))
    if found is not None:
        return found
    project_id = caller.project_id or ""
    try:
        return await topologies.ensure(tx, room, project_id)
    except Conflict as error:
        raise BadInput(
            f"Unable to automatically allocate a network for project {project_id}. {error.message}"
        ) from error


async def plan_another(
    tx: Transaction, caller: Caller, wish: NICWish, *, external: bool = False
) -> NICPlan:
    """Check the wish for another interface of an existing server with the caller's eyes.

    Args:
        wish: with neither port nor network, it is for the only network that the caller may use.
        external: whether the caller may use external networks so.

    Raises:
        NotFound: the port or the network.
        BadInput: an address that is not the network's or is taken, a network or port without one; several networks or
            none to choose from.
        Conflict: the port is in use.
        Forbidden: an external network, for those who may not use them so.
    """
    reach = Reach(caller.project_id, everything=caller.everywhere)
    return await server_ports.plan_another(tx, reach, wish, external=external)


async def check_security_groups(
    tx: Transaction, room: Network, project_id: str, names: Sequence[str]
) -> list[str]:
    """Ids of a project's security groups by name or id.

    Raises:
        BadInput: there is none of that name, or several.
    """
    return await server_ports.check_groups(tx, room, project_id, names)


async def resource_requests(
    tx: Transaction, plans: Sequence[NICPlan]
) -> dict[str, list[ResourceGroup]]:
    """What interfaces ask of placement, by port; the groups of a port are to be in one part of a host's tree."""
    return await server_ports.resource_requests(tx, plans)


async def claim_vip(tx: Transaction, room: Network, caller: Caller, wish: VIPWish) -> VIP:
    """Hold an address for a service of the house, on a port of its own or on one that the caller names.

    Raises:
        BadInput: no such port, subnet or network for this caller; an address that is not there.
        Conflict: the address is taken, the port is in use; a quota.
    """
    return await vips.claim(tx, room, _of(caller), wish)


async def change_vip(
    tx: Transaction, room: Network, caller: Caller, port_id: str, values: Mapping[str, Any]
) -> None:
    """Change a held port: "qos_policy_id", "security_groups". Raises BadInput: there is none such."""
    await vips.change(tx, room, _of(caller), port_id, dict(values))


async def release_vip(tx: Transaction, room: Network, port_id: str, *, made: bool) -> None:
    """Let go of an address; where the port was made for it, that is gone, too. Nothing there is fine."""
    await vips.release(tx, room, port_id, made=made)


async def hosts_up(tx: Transaction, room: Network) -> list[str]:
    """The hosts that answer."""
    return await agents.alive(tx, room)


async def place_vip(tx: Transaction, room: Network, port_id: str, host: str) -> None:
    """A held port is on a host, which plugs it in; on none, if host is empty. One that is gone is fine."""
    await vips.place(tx, room, port_id, host)


async def subnet_there(tx: Transaction, caller: Caller, subnet_id: str) -> str:
    """The network of a subnet that the caller may use. Raises BadInput: there is none such."""
    return await vips.subnet_there(tx, _of(caller), subnet_id)


async def subnet_facts(tx: Transaction, caller: Caller, subnet_id: str) -> dict[str, Any]:
    """What a subnet and its network are like, for who may use them: network_type, segmentation_id, cidr, ip_version,
    gateway, mtu. Raises BadInput: there is none such."""
    return await vips.facts(tx, _of(caller), subnet_id)


async def ports_at(
    tx: Transaction, networks: Sequence[str], addresses: Sequence[str]
) -> dict[str, tuple[str, str | None]]:
    """The ports that have these addresses on networks, each with the id of its server or None."""
    return await vips.at(tx, networks, addresses)


def write_with(room: Network, kind: str, loader: Loader) -> None:
    """From now on, scopes of a kind hold what this says. Put there when a room above is built."""
    room.loaders[kind] = loader


async def touch(tx: Transaction, room: Network, *names: str) -> None:
    """These scopes of a room above differ from what OVN has."""
    await scopes.touch(tx, room, *names)


async def wait_written(room: Network, scope: str, *, timeout_s: float) -> None:
    """Wait until the network engine holds a scope.

    Raises:
        Unavailable: it does not within timeout_s seconds. StepFailed: it cannot.
    """
    await inventory.wait_scope(room, scope, timeout_s=timeout_s)


async def networks_of(tx: Transaction, subnet_ids: Sequence[str]) -> list[str]:
    """The networks of subnets, whoever they belong to."""
    return await vips.networks_of(tx, subnet_ids)


def _of(caller: Caller) -> Reach:
    return Reach(caller.project_id, everything=caller.everywhere, user_id=caller.user_id)


async def release(tx: Transaction, room: Network, server_id: str) -> None:
    """Remove the ports that were made for a server and let go of the others; nothing is fine too."""
    await server_ports.release(tx, room, server_id)


async def release_plans(
    tx: Transaction, room: Network, server_id: str, plans: Sequence[NICPlan]
) -> None:
    """Undo `bind`."""
    requested = {plan.port_id for plan in plans}
    await server_ports.release(tx, room, server_id, only=requested)


async def applied(room: Network, server_id: str, *, timeout_s: float) -> None:
    """Wait until the network engine knows the server's ports.

    Raises:
        Unavailable: it does not within timeout_s seconds.
    """
    await inventory.wait_applied(room, server_id, timeout_s=timeout_s)
