"""Compute's work in time: hosts tell their state, guests change by themselves, guests ask for metadata."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Row, bindparam

from hanok.base.errors import HanokError, Unavailable
from hanok.base.ids import new_request_id
from hanok.base.log import request_id as current_request_id
from hanok.bus import NobodyThere
from hanok.commands import (
    HostInventory,
    HostState,
    ListInventory,
    MetadataDocument,
    OwnGuests,
    Ping,
)
from hanok.commands.wire import (
    GUESTS,
    HEARTBEAT,
    INSTANCE,
    METADATA,
    ask,
    decode_guests_question,
    decode_host_state,
    decode_instance_changed,
    decode_question,
    encode,
    speaks_for,
)
from hanok.rooms import Rounds
from hanok.services.compute import states, timed
from hanok.services.compute.logic import (
    bindings,
    hosts,
    metadata,
    passwords,
    server_volumes,
    servers,
)
from hanok.services.compute.operations import NoteGuest
from hanok.services.compute.room import Compute
from hanok.services.compute.tables import console_tokens
from hanok.services.network import facade as networks
from hanok.store import Transaction

log = logging.getLogger(__name__)
_forget_tokens = console_tokens.delete().where(console_tokens.c.expires_at < bindparam("now"))

REGISTER_S = 20.0  # a third of the time after which a process counts as down
COMPARE_S = 60.0
ASK_S = 10.0
WATCH_S = 2.0  # between looks at hosts that say nothing
QUIET_S = 4.0  # a host that was heard of within so long is not asked
PING_S = 2.0
PINGED_AT_ONCE = 100
IN_VAIN = 2  # so often, one after the other: a node that is started anew is there again by then
HEARD_AT_ONCE = 50  # hosts in one transaction, which holds up others for some milliseconds


def _is_of(subject: str, host: str) -> bool:
    """Whether a host speaks for itself."""
    if speaks_for(subject, host):
        return True
    log.error("what came by %s speaks for host %s; it is not heeded", subject, host)
    return False


class Reconcilers(Rounds):
    """Compute's listeners and loops in one control process."""

    def __init__(self, room: Compute, host: str) -> None:
        """host: what this control process is called in `compute service list`."""
        super().__init__(room.bus, log, "compute's")
        self._room = room
        self._host = host
        self._compare = asyncio.Event()
        self._told: dict[str, HostState] = {}
        self._hearing = asyncio.Lock()
        self._in_vain: Counter[str] = Counter()

    async def listen(self) -> None:
        """Start listening; before the first request is served."""
        heard = {
            f"{HEARTBEAT}.*": self._heartbeat,
            f"{INSTANCE}.*": self._instance_changed,
            f"{METADATA}.*": self._metadata,
            f"{GUESTS}.*": self._own_guests,
        }
        await self.hear(heard, "control")

    async def register_always(self) -> None:
        """Say that this process is there, in every process."""
        await self.every(REGISTER_S, self._register)

    async def run(self) -> None:
        """Compare guests with hosts, forget what has expired; in one process of a cloud."""
        while True:
            self._compare.clear()
            await self.round(self._forget)
            await self.round(self._begin_due)
            await self.round(self.compare)
            try:
                async with asyncio.timeout(COMPARE_S):
                    await self._compare.wait()
            except TimeoutError:
                pass

    async def _register(self) -> None:
        room = self._room
        now = room.clock.now()
        async with room.database.write() as tx:
            for binary in ("nova-conductor", "nova-scheduler"):
                await hosts.register(tx, binary=binary, host=self._host, zone="internal", now=now)

    async def _forget(self) -> None:
        now = self._room.clock.now()
        async with self._room.database.write() as tx:
            await tx.execute(_forget_tokens, {"now": now})

    async def _begin_due(self) -> None:
        await timed.begin_due(self._room)

    async def _heartbeat(self, subject: str, payload: bytes) -> bytes | None:
        state = decode_host_state(payload)
        if _is_of(subject, state.host):
            self._told[state.host] = state
            async with self._hearing:  # what others tell meanwhile is written together
                if self._told:
                    some = list(self._told)[:HEARD_AT_ONCE]
                    await self._heard_together([self._told.pop(name) for name in some])
        return None

    async def _heard_together(self, states: Sequence[HostState]) -> None:
        try:
            await self._heard(states)
        except Unavailable:
            raise  # they tell it again in a few seconds
        except (HanokError, OverflowError) as error:
            # One of them tells what cannot be kept; the others are heard all the same.
            for state in states if len(states) > 1 else ():
                await self._heard_together([state])
            if len(states) == 1:
                log.error("what host %s tells of itself is not kept: %s", states[0].host, error)

    async def _heard(self, states: Sequence[HostState]) -> None:
        room = self._room
        async with room.database.write() as tx:
            if await hosts.heard(tx, states, room.settings, room.clock.now()):
                self._compare.set()
            await networks.heard(tx, room.network, [state.host for state in states])
        await asyncio.sleep(0)  # others get their turn

    async def _instance_changed(self, subject: str, payload: bytes) -> bytes | None:
        current_request_id.set(new_request_id())
        event = decode_instance_changed(payload)
        if not _is_of(subject, event.host):
            return None
        room = self._room
        async with room.database.write() as tx:
            row = await servers.get_any(tx, event.server_id)
            if row is None or row.host != event.host or event.generation < row.generation:
                return None
            if event.power == "running" and event.reason:
                await self._note(tx, row, "guest", event.reason)
            if row.task_state is not None:
                return None
            await self._take_over(tx, row, event.power, event.reason)
        log.info("server %s is %s: %s", event.server_id, event.power, event.reason)
        return None

    async def _note(self, tx: Transaction, row: Row[Any], action: str, why: str) -> None:
        """The record of what was done to a server says what happened to it."""
        note = NoteGuest(server_id=row.id, action=action, why=why)
        await self._room.operations.start(tx, note, project_id=row.project_id)

    async def _take_over(self, tx: Transaction, row: Row[Any], power: str, reason: str) -> None:
        """Show a power state that came about without a request."""
        now = self._room.clock.now()
        requested = {"running": "active", "crashed": "stopped"}.get(power, power)
        number = states.POWER[power]
        if row.vm_state in ("rescued", "resized") and row.power_state != number:
            await servers.change(tx, row.id, {"power_state": number})
        if row.vm_state not in ("active", "stopped", "paused", "suspended"):
            return
        if row.vm_state == requested and row.power_state == number:
            return
        await servers.settled(tx, row.id, requested, number, now)
        if power == "crashed" or (power == "paused" and reason):
            why = reason or "The guest's process ended."
            await servers.failed(tx, row.id, why, "", now, to_error=False)
            await self._note(tx, row, "stop" if power == "crashed" else "pause", why)

    async def watch_always(self) -> None:
        """Ask hosts that say nothing whether they are there; in one process of a cloud."""
        self._in_vain.clear()
        while True:
            await asyncio.sleep(WATCH_S)
            await self.round(self._watch)

    async def _watch(self) -> None:
        """One that does not answer is down from now on, until it is heard of."""
        room = self._room
        before = room.clock.now() - timedelta(seconds=QUIET_S)
        async with room.database.read() as tx:
            quiet = await hosts.quiet(tx, before, PINGED_AT_ONCE)
        answers = await asyncio.gather(*(self._is_there(host) for host in quiet))
        silent = [host for host, there in zip(quiet, answers, strict=True) if not there]
        self._in_vain = Counter({host: self._in_vain[host] + 1 for host in silent})
        gone = [host for host in silent if self._in_vain[host] >= IN_VAIN]
        if not gone:
            return
        async with room.database.write() as tx:
            await hosts.unheard(tx, gone, before, room.clock.now())
            await networks.unheard(tx, room.network, gone, before)
            if (volumes := room.find_volumes()) is not None:
                await volumes.unheard(tx, gone, before)
        log.warning("hosts that do not answer: %s", ", ".join(gone))

    async def _is_there(self, host: str) -> bool:
        """Whether a host answers, be it that it does not know the question."""
        try:
            await ask(self._room.bus, host, Ping(), timeout_s=PING_S)
        except NobodyThere:
            return False
        return True

    async def compare(self) -> None:
        """Ask each host that is up what its guests do, and show it."""
        room = self._room
        async with room.database.read() as tx:
            up = [row.host for row in await hosts.nodes(tx) if hosts.is_up(row, room)]
        for host in up:
            try:
                inventory = await ask(room.bus, host, ListInventory(), timeout_s=ASK_S)
            except NobodyThere:
                continue
            if isinstance(inventory, HostInventory):
                await self._compare_host(host, inventory)

    async def _compare_host(self, host: str, inventory: HostInventory) -> None:
        """Show what a host says of its own guests; whatever name it gives itself, it is the one that was asked."""
        room = self._room
        there = {state.server_id: state for state in inventory.instances}
        settled_since = room.clock.now() - timedelta(seconds=5)
        async with room.database.write() as tx:
            for row in await servers.on_host(tx, host):
                state = there.get(row.id)
                if state is None or row.task_state is not None or row.updated_at > settled_since:
                    continue
                if state.generation >= row.generation or state.power == "running":
                    await self._take_over(tx, row, state.power, state.reason)

    async def _own_guests(self, subject: str, payload: bytes) -> bytes | None:
        """A host that was started anew asks what is still its own, before it starts any of it."""
        question = decode_guests_question(payload)
        if not _is_of(subject, question.host):
            return None
        async with self._room.database.read() as tx:
            own = await servers.ids_on_host(tx, question.host)
        return encode(OwnGuests(server_ids=own & frozenset(question.server_ids)))

    async def _metadata(self, subject: str, payload: bytes) -> bytes | None:
        question = decode_question(payload)
        room = self._room
        writes = question.password is not None
        async with room.database.write() if writes else room.database.read() as tx:
            server_id = await networks.server_at(tx, question.network_id, question.address)
            row = None if server_id is None else await servers.get_any(tx, server_id)
            # A host is told of its own guests only, and of those that are on their way to it.
            at = [] if row is None else [row.host, *await bindings.other_hosts(tx, row.id)]
            if row is None or not any(one and _is_of(subject, one) for one in at):
                return encode(MetadataDocument(found=False))
            if question.password is not None:
                left = await passwords.leave(tx, row.id, question.password)
                return encode(MetadataDocument(found=True, left=left))
            ports = (await networks.ports_of(tx, [row.id])).get(row.id, [])
            password = await passwords.of(tx, row.id)
            volumes = await server_volumes.of_server(tx, row.id)
        files = metadata.files(row, ports, password, volumes, room.settings.dhcp_domain)
        return encode(MetadataDocument(found=True, files=files))
