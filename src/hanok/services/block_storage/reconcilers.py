"""Block storage's work in time: hosts are asked for their back ends, what has expired is forgotten."""

from __future__ import annotations

import logging

from hanok.bus import NobodyThere
from hanok.commands.volumes import BackendStates, DescribeBackends
from hanok.commands.wire import ask
from hanok.rooms import HostRounds
from hanok.services.block_storage.logic import backends, messages
from hanok.services.block_storage.room import Volumes

log = logging.getLogger(__name__)

REGISTER_S = 20.0  # a third of the time after which a process counts as down
FORGET_S = 600.0
ASK_S = 10.0


class Reconcilers(HostRounds):
    """Block storage's listeners and loops in one control process."""

    def __init__(self, room: Volumes) -> None:
        super().__init__(room.bus, log, "block storage's", "control-volumes")
        self._room = room

    async def register_always(self) -> None:
        """Say that this process is there, in every process."""
        await self.every(REGISTER_S, self._register)

    async def forget_always(self) -> None:
        """Forget what has expired; in one process of a cloud."""
        await self.every(FORGET_S, self._forget)

    async def _register(self) -> None:
        room = self._room
        async with room.database.write() as tx:
            for binary in (backends.SCHEDULER, backends.BACKUP):
                await backends.register(
                    tx, binary, room.node_name, room.settings.zone, room.clock.now()
                )

    async def _forget(self) -> None:
        async with self._room.database.write() as tx:
            await messages.forget_old(tx, self._room.clock.now())

    async def unheard(self) -> list[str]:
        async with self._room.database.read() as tx:
            return await backends.unheard_of(tx, self._room)

    async def describe(self, host: str) -> None:
        """Ask a host for its back ends, and write down what it says."""
        room = self._room
        try:
            reply = await ask(room.bus, host, DescribeBackends(), timeout_s=ASK_S)
        except NobodyThere:
            room.absence.over_for(host)
            return
        if isinstance(reply, BackendStates):
            async with room.database.write() as tx:
                await backends.heard(tx, host, reply.backends, room.settings, room.clock.now())
        room.absence.over_for(host)  # of a back end, too, that it has no more
