"""Work in time: hosts are asked for their back ends of shares, what has expired is forgotten or deleted."""

from __future__ import annotations

import logging

from hanok.bus import NobodyThere
from hanok.commands.shares import DescribeShareBackends, ShareBackendStates
from hanok.commands.wire import ask
from hanok.rooms import HostRounds
from hanok.services.shared_file_system.logic import backends, messages, share_servers, shares
from hanok.services.shared_file_system.operations import begin
from hanok.services.shared_file_system.operations import share_servers as work
from hanok.services.shared_file_system.room import Shares

log = logging.getLogger(__name__)

REGISTER_S = 20.0  # a third of the time after which a process counts as down
FORGET_S = 60.0
ASK_S = 10.0


class Reconcilers(HostRounds):
    """The listeners and loops of shared file systems in one control process."""

    def __init__(self, room: Shares) -> None:
        super().__init__(room.bus, log, "shared file systems'", "control-shares")
        self._room = room

    async def register_always(self) -> None:
        """Say that this process is there, in every process."""
        await self.every(REGISTER_S, self._register)

    async def forget_always(self) -> None:
        """Forget what has expired; in one process of a cloud."""
        await self.every(FORGET_S, self._forget)

    async def _forget(self) -> None:
        await self.forget()
        await self.forget_servers()

    async def _register(self) -> None:
        room = self._room
        async with room.database.write() as tx:
            for binary in (backends.SCHEDULER, backends.DATA):
                await backends.register(
                    tx, binary, room.node_name, room.settings.zone, room.clock.now()
                )

    async def forget(self) -> None:
        """Messages that are old go, shares whose time in the recycle bin is over, and share servers without shares."""
        room = self._room
        async with room.database.write() as tx:
            await messages.forget_old(tx, room.clock.now())
            expired = await shares.expired(tx, room.clock.now())
        for one in expired:
            async with room.database.write() as tx:
                await tx.take_turn(one.id)
                row = await shares.get_any(tx, one.id)
                if row is not None and row.deleted_from is not None and row.status != "deleting":
                    await begin.delete(tx, room, None, row, force=True)

    async def forget_servers(self) -> None:
        """A share server that no share has been on for a while goes."""
        room = self._room
        async with room.database.write() as tx:
            await share_servers.note_empty(tx, room)
            idle = await share_servers.idle(tx, room)
        for one in idle:
            async with room.database.write() as tx:
                await tx.take_turn(one.share_network_id)
                row = await share_servers.get_any(tx, one.id)
                if row is not None and row.status == share_servers.ACTIVE:
                    if not await share_servers.in_use(tx, row.id):
                        await work.begin_deleting(tx, room, "", row)

    async def unheard(self) -> list[str]:
        async with self._room.database.read() as tx:
            return await backends.unheard_of(tx, self._room)

    async def describe(self, host: str) -> None:
        """Ask a host for its back ends, and write down what it says."""
        room = self._room
        try:
            reply = await ask(room.bus, host, DescribeShareBackends(), timeout_s=ASK_S)
        except NobodyThere:
            room.absence.over_for(host)
            return
        if isinstance(reply, ShareBackendStates):
            async with room.database.write() as tx:
                await backends.heard(tx, host, reply.backends, room.settings, room.clock.now())
        room.absence.over_for(host)  # of a back end, too, that it has no more
