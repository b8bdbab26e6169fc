"""What the house, and later rooms, may ask of compute."""

from __future__ import annotations

from functools import partial
from typing import Any

import sqlalchemy as sa

from hanok.base.clock import Clock
from hanok.bus import Bus
from hanok.events import Outbox
from hanok.limits import Limits, Registered
from hanok.operations import Starter, active_arguments, is_active
from hanok.rooms import Ask
from hanok.services.compute.logic import bindings, explaining, hosts, quotas
from hanok.services.compute.operations import OPERATIONS
from hanok.services.compute.operations.change_interfaces import port_gone, promised_anew
from hanok.services.compute.room import Compute, ComputeSettings, Sealer
from hanok.services.compute.tables import servers
from hanok.services.image.facade import Images
from hanok.services.network.facade import Network
from hanok.store import Database, Transaction
from hanok.web.tickets import Copies, Tickets

__all__ = [
    "OPERATIONS",
    "Compute",
    "ComputeSettings",
    "build",
    "copied_disks",
    "elsewhere",
    "explain",
    "hosts_up",
    "look",
    "owners",
    "should_exist",
    "stuck",
    "was_server",
]

_owners = sa.select(servers.c.id, servers.c.host).where(servers.c.deleted.is_(False))
_any = sa.select(servers.c.id).where(servers.c.id == sa.bindparam("id"))
_settled = sa.select(servers.c.id).where(
    servers.c.id == sa.bindparam("id"),
    servers.c.deleted.is_(False),
    servers.c.task_state.is_(None),
    servers.c.vm_state.in_(
        ("active", "paused", "suspended", "stopped", "rescued", "resized", "shelved")
    ),
)
_busy = sa.select(servers).where(servers.c.deleted.is_(False), servers.c.task_state.is_not(None))


async def owners(tx: Transaction) -> dict[str, str | None]:
    """Servers that are not deleted, and the host each is on."""
    return {row.id: row.host for row in await tx.all(_owners)}


async def elsewhere(tx: Transaction) -> set[tuple[str, str]]:
    """Servers that move or have moved, each with a host beside its own that may have something of it."""
    return await bindings.all_elsewhere(tx)


async def was_server(tx: Transaction, server_id: str) -> bool:
    """Whether this is or was a server's id."""
    return await tx.first(_any, {"id": server_id}) is not None


async def should_exist(tx: Transaction, server_id: str) -> bool:
    """Whether the server has a guest that nothing works on."""
    return await tx.first(_settled, {"id": server_id}) is not None


async def stuck(tx: Transaction) -> list[str]:
    """Servers that show work under way though no operation of theirs is active (I6)."""
    return [
        f"server {row.id} shows {row.task_state}, and nothing works on it"
        for row in await tx.all(_busy)
        if not await is_active(tx, f"server:{row.id}")
    ]


async def copied_disks(tx: Transaction) -> set[str]:
    """Ids of the copies of disks that images are being made of."""
    kinds = ("compute.create_image", "compute.shelve_server")
    return {one["image_id"] for kind in kinds for one in await active_arguments(tx, kind)}


async def explain(tx: Transaction, which: str) -> dict[str, Any]:
    """Why a server, by id or name, is where it is: see `explaining.told`.

    Raises:
        NotFound
    """
    return await explaining.told(tx, which)


async def look(tx: Transaction, which: str) -> tuple[str, str, str] | None:
    """Id, name and state of a server, by id or name; None: there is none.

    Raises:
        Conflict: several have this name.
    """
    return await explaining.look(tx, which)


async def hosts_up(tx: Transaction, room: Compute) -> list[str]:
    """Names of the hosts that were heard of lately."""
    now = room.clock.now()
    return [row.host for row in await hosts.nodes(tx) if hosts.is_up(row, room.settings, now)]


async def warned(tx: Transaction) -> list[str]:
    """What hosts warn of, a line each."""
    return [
        f"host {row.host}: {line}"
        for row in await hosts.nodes(tx)
        for line in (row.host_state or {}).get("warnings", ())
    ]


def build(
    *,
    database: Database,
    clock: Clock,
    bus: Bus,
    operations: Starter,
    events: Outbox,
    network: Network,
    images: Images,
    copies: Copies,
    tickets: Tickets,
    ask: Ask,
    secrets: Sealer,
    registered: Registered | None = None,
    settings: ComputeSettings,
) -> Compute:
    """The room.

    Args:
        operations: starts the room's operations. events: where it tells what happened.
        copies: of disks, that hosts have left. tickets: lets hosts move bytes from and to here.
        ask: another service, asked as a user asks it. registered: a project's unified limits.
        secrets: seals passwords that wait for their guest.
    """
    room = Compute(
        clock=clock,
        database=database,
        bus=bus,
        operations=operations,
        events=events,
        network=network,
        images=images,
        copies=copies,
        tickets=tickets,
        ask=ask,
        limits=Limits("compute", quotas.RESOURCES, registered),
        secrets=secrets,
        settings=settings,
    )
    network.port_gone = partial(port_gone, room)
    network.promised_anew = partial(promised_anew, room)
    return room
