"""What the house, and later rooms, may ask of compute."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from functools import partial
from ssl import SSLContext
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy import Row

from hanok.base.absence import Absence
from hanok.base.clock import Clock
from hanok.bus import Bus
from hanok.commands import EnsureImage, SetPower
from hanok.events import Outbox
from hanok.limits import Limits, Registered
from hanok.operations import Starter, active_arguments, is_active
from hanok.rooms import Ask, OnHost
from hanok.services.block_storage.facade import BlockStorage
from hanok.services.compute import states
from hanok.services.compute.logic import aggregates, bindings, explaining, hosts, quotas
from hanok.services.compute.logic import servers as server_rows
from hanok.services.compute.logic.meters import of_servers
from hanok.services.compute.operations import OPERATIONS
from hanok.services.compute.operations.change_interfaces import port_gone, promised_anew
from hanok.services.compute.operations.change_volumes import extended
from hanok.services.compute.operations.create_server import command_of
from hanok.services.compute.room import Compute, ComputeSettings, Sealer
from hanok.services.compute.tables import server_volumes, servers
from hanok.services.image.facade import Images
from hanok.services.network.facade import Network
from hanok.store import Database, Transaction
from hanok.web.tickets import Copies, Tickets
from hanok.web.token import Caller

__all__ = [
    "OPERATIONS",
    "Compute",
    "ComputeSettings",
    "build",
    "copied_disks",
    "explain",
    "extended",
    "host_of",
    "hosts_known",
    "hosts_up",
    "look",
    "of_servers",
    "on_hosts",
    "owners",
    "server_visible",
    "server_with",
    "servers_on_other_hosts",
    "should_exist",
    "stuck",
    "was_server",
    "zone_of",
]

_WITH_GUEST = ("active", "paused", "suspended", "stopped", "rescued", "resized", "shelved")
_STANDS: dict[int, Literal["running", "paused", "suspended"]] = {
    states.RUNNING: "running",
    states.PAUSED: "paused",
    states.SUSPENDED: "suspended",
}
_owners = sa.select(servers.c.id, servers.c.host).where(servers.c.deleted.is_(False))
_host = sa.select(servers.c.host).where(
    servers.c.id == sa.bindparam("id"), servers.c.deleted.is_(False)
)
_project = sa.select(servers.c.project_id).where(
    servers.c.id == sa.bindparam("id"), servers.c.deleted.is_(False)
)
_user = (
    sa.select(servers.c.id)
    .join(server_volumes, server_volumes.c.server_id == servers.c.id)
    .where(
        server_volumes.c.volume_id == sa.bindparam("volume"),
        server_volumes.c.attachment_id == sa.bindparam("attachment"),
        servers.c.deleted.is_(False),
    )
)
_any = sa.select(servers.c.id).where(servers.c.id == sa.bindparam("id"))
_settled = sa.select(servers.c.id).where(
    servers.c.id == sa.bindparam("id"),
    servers.c.deleted.is_(False),
    servers.c.task_state.is_(None),
    servers.c.vm_state.in_(_WITH_GUEST),
)
_busy = sa.select(servers).where(servers.c.deleted.is_(False), servers.c.task_state.is_not(None))


async def owners(tx: Transaction) -> dict[str, str | None]:
    """Servers that are not deleted, and the host each is on."""
    return {row.id: row.host for row in await tx.all(_owners)}


async def servers_on_other_hosts(tx: Transaction) -> set[tuple[str, str]]:
    """Servers that move or have moved, each with a host beside its own that may have something of it."""
    return await bindings.servers_on_other_hosts(tx)


async def host_of(tx: Transaction, server_id: str) -> str | None:
    """The host that a server is on; None: there is no such server, or it is on none."""
    found = await tx.scalar(_host, {"id": server_id})
    return None if found is None else str(found)


async def server_visible(tx: Transaction, caller: Caller, server_id: str) -> bool:
    """Whether there is such a server, and the caller sees it."""
    project_id = await tx.scalar(_project, {"id": server_id})
    return project_id is not None and (caller.everywhere or project_id == caller.project_id)


async def server_with(tx: Transaction, volume_id: str, attachment_id: str) -> str | None:
    """The server that has a volume, or is about to get it, by an attachment; None: none has."""
    found = await tx.scalar(_user, {"volume": volume_id, "attachment": attachment_id})
    return None if found is None else str(found)


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
    return [row.host for row in await hosts.nodes(tx) if hosts.is_up(row, room)]


async def hosts_known(tx: Transaction) -> list[str]:
    """The names of all hosts, up or not."""
    return [row.host for row in await hosts.nodes(tx)]


async def servers_on(tx: Transaction, host: str) -> int:
    """How many servers are on a host."""
    return await server_rows.count_on_host(tx, host)


async def warned(tx: Transaction) -> list[str]:
    """What hosts warn of, a line each."""
    return [
        f"host {row.host}: {line}"
        for row in await hosts.nodes(tx)
        for line in (row.host_state or {}).get("warnings", ())
    ]


async def on_hosts(room: Compute) -> AsyncIterator[OnHost]:
    """Hosts as they told of themselves, and the guests that they have. See Room.on_hosts."""
    async with room.database.read() as tx:
        known = await hosts.told(tx, [row.host for row in await hosts.nodes(tx)])
    for name, state in known.items():
        yield name, state
        async with room.database.read() as tx:
            rows = [row for row in await server_rows.on_host(tx, name) if _has_guest(row)]
            for row in rows:
                if row.image_id:
                    yield (
                        name,
                        EnsureImage(
                            image_id=row.image_id,
                            disk_format=row.image_format,
                            size_bytes=0,
                            hash_value="",
                        ),
                    )
                yield name, await command_of(room, tx, row, row.generation)
                yield (
                    name,
                    SetPower(
                        server_id=row.id,
                        generation=row.generation,
                        power=_STANDS.get(row.power_state, "stopped"),
                    ),
                )


def _has_guest(row: Row[Any]) -> bool:
    return row.task_state is None and row.vm_state in _WITH_GUEST


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
    find_volumes: Callable[[], BlockStorage | None],
    registered: Registered | None = None,
    peers: Callable[[], SSLContext] | None = None,
    absence: Absence | None = None,
    settings: ComputeSettings,
) -> Compute:
    """The room.

    Args:
        operations: starts the room's operations. events: where it tells what happened.
        copies: of disks, that hosts have left. tickets: lets hosts move bytes from and to here.
        ask: another service, asked as a user asks it. registered: a project's unified limits.
        secrets: seals passwords that wait for their guest. find_volumes: block storage; None while it is switched off.
        peers: what is shown to hosts on other machines, and whom of them is believed.
        absence: when nobody listened to hosts.
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
        find_volumes=find_volumes,
        peers=peers,
        absence=absence or Absence(),
        settings=settings,
    )
    network.port_gone = partial(port_gone, room)
    network.promised_anew = partial(promised_anew, room)
    return room


async def zone_of(tx: Transaction, room: Compute, host: str) -> str:
    """The availability zone of a host."""
    return await aggregates.zone_of(tx, host) or room.settings.zone
