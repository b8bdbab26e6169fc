"""The inventory: does everything that exists have one live owner in the database, and the reverse?

Invariants I1, I2, I3 and I6 of the design, asked of the rows, of every host, of the network engine and of the files.
"""

from __future__ import annotations

from msgspec import Struct

from hanok import operations
from hanok.base.clock import Clock
from hanok.bus import Bus, NobodyThere
from hanok.commands import Done, ForgetSnapshot, HostInventory, ListInventory, RemoveInstance
from hanok.commands.wire import ask
from hanok.services.compute import facade as compute
from hanok.services.identity import facade as identity
from hanok.services.image import facade as image
from hanok.services.network.facade import Network
from hanok.services.placement import facade as placement
from hanok.store import Database

ASK_S = 20.0
NEWEST = 2**31  # a generation above every row's: for what no row speaks of any more


class World(Struct, frozen=True, kw_only=True):
    """What is compared: the database, the rooms, and the way to the hosts."""

    database: Database
    clock: Clock
    bus: Bus
    compute: compute.Compute
    images: image.Images
    network: Network
    identity: identity.Identity
    worker: operations.Worker


class Difference(Struct, frozen=True, kw_only=True):
    """Something that is not as the rows say. what: a stable word; detail: in plain English; mended: by this round."""

    what: str
    detail: str
    mendable: bool = False
    mended: bool = False


async def differences(world: World, *, mend: bool = False) -> list[Difference]:
    """Compare the database with the hosts, the network and the files.

    Args:
        mend: put right what is safe: what belongs to a server that is deleted, counters that do not add up.
    """
    found: list[Difference] = []
    async with world.database.read() as tx:
        owners = await compute.owners(tx)
        for line in await placement.miscounted(tx):
            found.append(Difference(what="count", detail=line, mendable=True))
        consumers = await placement.all_consumers(tx)
        for one in sorted(consumers - set(owners)):
            if await compute.was_server(tx, one):
                detail = f"the deleted server {one} still has allocations"
                found.append(Difference(what="allocation", detail=detail, mendable=True))
        for one, host in sorted(owners.items()):
            if host is not None and one not in consumers:
                detail = f"server {one} is on {host} and has no allocations"
                found.append(Difference(what="allocation", detail=detail))
        for line in await compute.stuck(tx):
            found.append(Difference(what="stuck", detail=line))
        for line in await image.differences(world.images, tx):
            found.append(Difference(what="image", detail=line))
        for late in await operations.stuck(tx):
            found.append(Difference(what="stuck", detail=_stuck(late)))
        for due in await operations.owed(tx):
            found.append(Difference(what="debt", detail=_owed(due)))
        hosts = await compute.hosts_up(tx, world.compute)
        for line in await world.network.differences(tx):
            found.append(Difference(what="network", detail=line))
    for line in await image.differences_elsewhere(world.images):
        found.append(Difference(what="image", detail=line))
    for host in hosts:
        found.extend(await _host(world, host, owners, mend=mend))
    if mend:
        found = await _mend(world, found, consumers - set(owners))
    return found


def _stuck(one: operations.Record) -> str:
    return (
        f"operation {one.id} ({one.kind} of {one.resource}): {one.stuck_why} "
        f"To try it now: hanok operations retry {one.id}; to end it as it is: "
        f"hanok operations abandon {one.id}"
    )


def _owed(due: operations.Owed) -> str:
    since = due.since.isoformat(sep=" ", timespec="seconds")
    what = f"{due.commands} command{'s' if due.commands > 1 else ''}"
    if due.error is not None:
        return f"host {due.host} has refused {what} since {since}: {due.error}"
    return f"{what} wait{'' if due.commands > 1 else 's'} since {since} for host {due.host}, which does not answer"


async def _host(
    world: World, host: str, owners: dict[str, str | None], *, mend: bool
) -> list[Difference]:
    async with world.database.read() as tx:
        copied = await compute.copied_disks(tx)
    try:
        inventory = await ask(world.bus, host, ListInventory(), timeout_s=ASK_S)
    except NobodyThere:
        return [Difference(what="host", detail=f"host {host} does not answer")]
    if not isinstance(inventory, HostInventory):
        return [Difference(what="host", detail=f"host {host} cannot say what it has: {inventory}")]
    found = []
    there = {state.server_id for state in inventory.instances}
    there |= set(inventory.processes) | set(inventory.directories)
    for one in sorted(there):
        if owners.get(one) == host:
            continue
        async with world.database.read() as tx:
            known = await compute.was_server(tx, one)
        mended = False
        if mend and known and one not in owners:
            command = RemoveInstance(server_id=one, generation=NEWEST)
            mended = isinstance(await ask(world.bus, host, command, timeout_s=60), Done)
        detail = f"host {host} has a guest of server {one}, which " + (
            "is elsewhere" if one in owners else "is deleted" if known else "nobody knows"
        )
        found.append(
            Difference(
                what="guest", detail=detail, mendable=known and one not in owners, mended=mended
            )
        )
    async with world.database.read() as tx:
        copied |= await compute.copied_disks(tx)
    for one in sorted(set(inventory.snapshots) - copied):
        mended = False
        if mend:
            forget = ForgetSnapshot(server_id=one, snapshot_id=one)  # nothing makes it any more
            mended = isinstance(await ask(world.bus, host, forget, timeout_s=60), Done)
        detail = f"host {host} has the copy {one} of a disk, and no image is being made of it"
        found.append(Difference(what="copy", detail=detail, mendable=True, mended=mended))
    for one, where in sorted(owners.items()):
        if where == host and one not in there:
            async with world.database.read() as tx:
                if await compute.should_exist(tx, one):
                    found.append(
                        Difference(what="guest", detail=f"server {one} is not on its host {host}")
                    )
    return found


async def _mend(
    world: World, found: list[Difference], leftover_consumers: set[str]
) -> list[Difference]:
    made = []
    async with world.database.write() as tx:
        for one in leftover_consumers:
            if await compute.was_server(tx, one):
                await placement.release(tx, one, world.clock.now())
        await placement.recount(tx)
    for item in found:
        done = item.mended or item.what == "count" or (item.what == "allocation" and item.mendable)
        made.append(
            Difference(what=item.what, detail=item.detail, mendable=item.mendable, mended=done)
        )
    return made
