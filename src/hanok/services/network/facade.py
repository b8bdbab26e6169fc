"""What other rooms may ask of the network."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hanok.base.clock import Clock
from hanok.bus import Wakes
from hanok.events import Outbox
from hanok.limits import Limits, Registered
from hanok.services.network.logic import agents, external, inventory, quotas, server_ports
from hanok.services.network.logic.reach import Reach
from hanok.services.network.logic.server_ports import (
    FixedIP,
    NICPlan,
    NICWish,
    ServerPort,
    addresses_of,
    bind,
    change_group,
    nics,
    ports_of,
    rename,
    server_at,
)
from hanok.services.network.room import Engine, Network, NetworkSettings
from hanok.store import Database, Transaction
from hanok.web.token import Caller

__all__ = [
    "Engine",
    "FixedIP",
    "NICPlan",
    "NICWish",
    "Network",
    "NetworkSettings",
    "ServerPort",
    "addresses_of",
    "bind",
    "change_group",
    "nics",
    "ports_of",
    "rename",
    "server_at",
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


async def differences(tx: Transaction, room: Network) -> list[str]:
    """What OVN holds otherwise than the tables say, a line each; none when all is well."""
    return await inventory.differences(tx, room)


async def plan(
    tx: Transaction,
    caller: Caller,
    wishes: Sequence[NICWish] | str,
    *,
    count: int = 1,
    external: bool = False,
) -> list[NICPlan]:
    """Check a server's wishes with the caller's eyes and give each interface a port id.

    Args:
        wishes: interfaces in order, or "auto" (the only network the caller may use, none if there is none), or "none".
        count: how many servers are to be made so; with more than one, ports and addresses cannot be named.
        external: whether the caller may use external networks so.

    Raises:
        BadInput: an unknown network, an address that is not the network's, a network without a subnet.
        Conflict: the port is in use; "auto" and several networks to choose from; an address that is taken.
        Forbidden: an external network, for those who may not use them so.
    """
    reach = Reach(caller.project_id, everything=caller.everywhere)
    return await server_ports.plan(tx, reach, wishes, count=count, external=external)


async def check_security_groups(
    tx: Transaction, room: Network, project_id: str, names: Sequence[str]
) -> list[str]:
    """Ids of a project's security groups by name or id.

    Raises:
        BadInput: there is none of that name, or several.
    """
    return await server_ports.check_groups(tx, room, project_id, names)


async def release(tx: Transaction, room: Network, server_id: str) -> None:
    """Remove the ports that were made for a server and let go of the others; nothing is fine too."""
    await server_ports.release(tx, room, server_id)


async def release_plans(
    tx: Transaction, room: Network, server_id: str, plans: Sequence[NICPlan]
) -> None:
    """Undo `bind`."""
    wanted = {plan.port_id for plan in plans}
    await server_ports.release(tx, room, server_id, only=wanted)


async def applied(room: Network, server_id: str, *, timeout_s: float) -> None:
    """Wait until the network engine knows the server's ports.

    Raises:
        Unavailable: it does not within timeout_s seconds.
    """
    await inventory.wait_applied(room, server_id, timeout_s=timeout_s)
