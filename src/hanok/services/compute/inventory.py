"""The inventory of servers: does every allocation, guest, directory and copy of a disk have one live server, and the
reverse?
"""

from __future__ import annotations

from hanok.bus import NobodyThere
from hanok.commands import Done, ForgetSnapshot, HostInventory, ListInventory, RemoveInstance
from hanok.commands.wire import ask
from hanok.rooms import Difference
from hanok.services.compute import facade
from hanok.services.compute.logic import zones
from hanok.services.compute.logic.volume_inventory import volume_differences
from hanok.services.compute.room import Compute
from hanok.services.placement import facade as placement

ASK_S = 20.0
REMOVE_S = 60.0
NEWEST = 2**31  # a generation above every row's: for what no row speaks of any more


async def differences(room: Compute, *, mend: bool) -> list[Difference]:
    """Compare the rows of servers with placement's and with what each host that is up has.

    Args:
        mend: put right what belongs to servers that are deleted.
    """
    async with room.database.read() as tx:
        owners = await facade.owners(tx)
        found = [Difference(what="stuck", detail=line) for line in await facade.stuck(tx)]
        hosts = await facade.hosts_up(tx, room)
        found += [Difference(what="host", detail=line) for line in await facade.warned(tx)]
    found += await _allocations(room, owners, mend=mend)
    found += await volume_differences(room, mend=mend)
    found += await _aggregates(room, mend=mend)
    for host in hosts:
        found += await _host(room, host, owners, mend=mend)
    return found


async def _allocations(
    room: Compute, owners: dict[str, str | None], *, mend: bool
) -> list[Difference]:
    found = []
    async with room.database.read() as tx:
        consumers = await placement.all_consumers(tx)
        left = [one for one in sorted(consumers - set(owners)) if await facade.was_server(tx, one)]
    if mend and left:
        async with room.database.write() as tx:
            for one in left:
                await placement.release(tx, one, room.clock.now())
    for one in left:
        detail = f"the deleted server {one} still has allocations"
        found.append(Difference(what="allocation", detail=detail, mendable=True, mended=mend))
    for one, host in sorted(owners.items()):
        if host is not None and one not in consumers:
            detail = f"server {one} is on {host} and has no allocations"
            found.append(Difference(what="allocation", detail=detail))
    return found


async def _aggregates(room: Compute, *, mend: bool) -> list[Difference]:
    """Placement says of hosts what aggregates say of them; what it says of others is its own."""
    async with room.database.read() as tx:
        found = await zones.not_mirrored(tx)
    if mend and found:
        async with room.database.write() as tx:
            for host, uuid, member in await zones.not_mirrored(tx):
                await zones.mirror(tx, host, uuid, member, room.clock.now())
    return [
        Difference(
            what="aggregate",
            detail=f"host {host} is {'' if member else 'not '}in aggregate {uuid}, and placement says otherwise",
            mendable=True,
            mended=mend,
        )
        for host, uuid, member in found
    ]


async def _host(
    room: Compute, host: str, owners: dict[str, str | None], *, mend: bool
) -> list[Difference]:
    async with room.database.read() as tx:
        copied = await facade.copied_disks(tx)
    try:
        inventory = await ask(room.bus, host, ListInventory(), timeout_s=ASK_S)
    except NobodyThere:
        return [Difference(what="host", detail=f"host {host} does not answer")]
    if not isinstance(inventory, HostInventory):
        return [Difference(what="host", detail=f"host {host} cannot say what it has: {inventory}")]
    there = {state.server_id for state in inventory.instances}
    there |= set(inventory.processes) | set(inventory.directories)
    found = []
    async with room.database.read() as tx:
        moving = await facade.servers_on_other_hosts(tx)
    for one in sorted(there):
        if owners.get(one) != host and (one, host) not in moving:
            found.append(await _stray_guest(room, host, one, owners, mend=mend))
    async with room.database.read() as tx:
        copied |= await facade.copied_disks(tx)
    for one in sorted(set(inventory.snapshots) - copied):
        found.append(await _stray_copy(room, host, one, mend=mend))
    for one, where in sorted(owners.items()):
        if where == host and one not in there:
            async with room.database.read() as tx:
                lost = await facade.should_exist(tx, one)
            if lost:
                detail = f"server {one} is not on its host {host}"
                found.append(Difference(what="guest", detail=detail))
    return found


async def _stray_guest(
    room: Compute, host: str, server_id: str, owners: dict[str, str | None], *, mend: bool
) -> Difference:
    async with room.database.read() as tx:
        known = await facade.was_server(tx, server_id)
    ended = known and server_id not in owners
    mended = False
    if mend and ended:
        command = RemoveInstance(server_id=server_id, generation=NEWEST)
        mended = isinstance(await ask(room.bus, host, command, timeout_s=REMOVE_S), Done)
    detail = f"host {host} has a guest of server {server_id}, which " + (
        "is on another host" if server_id in owners else "is deleted" if known else "nobody knows"
    )
    return Difference(what="guest", detail=detail, mendable=ended, mended=mended)


async def _stray_copy(room: Compute, host: str, copy_id: str, *, mend: bool) -> Difference:
    mended = False
    if mend:
        forget = ForgetSnapshot(server_id=copy_id, snapshot_id=copy_id)  # nothing makes it any more
        mended = isinstance(await ask(room.bus, host, forget, timeout_s=REMOVE_S), Done)
    detail = f"host {host} has the copy {copy_id} of a disk, and no image is being made of it"
    return Difference(what="copy", detail=detail, mendable=True, mended=mended)
