"""What other rooms may ask of the network."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

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
    segment_ranges,
    server_ports,
    topologies,
)
from hanok.services.network.logic.group_defaults import ensure_first as ensure_first_rules
from hanok.services.network.logic.paths import Step
from hanok.services.network.logic.reach import Reach
from hanok.services.network.logic.server_ports import (
    FixedIP,
    NICPlan,
    NICWish,
    ResourceGroup,
    ServerPort,
    addresses_of,
    bind,
    change_group,
    next_place,
    nics,
    place,
    ports_of,
    rename,
    server_at,
)
from hanok.services.network.logic.server_views import SeenPort, seen
from hanok.services.network.room import Engine, Network, NetworkSettings
from hanok.store import Database, Transaction
from hanok.web.token import Caller

log = logging.getLogger(__name__)

__all__ = [
    "Engine",
    "FixedIP",
    "NICPlan",
    "NICWish",
    "Network",
    "NetworkSettings",
    "ResourceGroup",
    "SeenPort",
    "ServerPort",
    "Step",
    "addresses_of",
    "allocated",
    "bind",
    "change_group",
    "ensure_first_rules",
    "next_place",
    "nics",
    "place",
    "ports_of",
    "rename",
    "resource_requests",
    "seen",
    "server_at",
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
) -> Network:
    """The room. Functions that take tx join the caller's transaction; the others reach outside and take none.

    Args:
        northbound: makes the client of OVN's database, which is to tell the function it is given (port id, up)
            of each port that comes up or goes down. The reconciler connects and closes it.
        registered: a project's unified limits.
    """
    return Network(
        database=database,
        clock=clock,
        wakes=wakes,
        northbound=northbound,
        settings=settings,
        events=events,
        limits=Limits("network", quotas.RESOURCES, registered),
    )


async def heard(tx: Transaction, room: Network, hosts: Sequence[str]) -> None:
    """Hosts are alive; with its first word one becomes one that may carry routers' gateways."""
    await agents.heard(tx, room, hosts)


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
        ends_at = await tracing.ends_at(room.settings.southbound, packet)
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
