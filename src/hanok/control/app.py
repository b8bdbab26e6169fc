"""Builds everything once and hands it over: rooms, routes, the engine of operations."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from hanok.base.clock import Clock
from hanok.base.cloud_key import CloudKey
from hanok.base.errors import Unavailable
from hanok.bus import Bus, MemoryBus, Wakes
from hanok.control import doors, switches
from hanok.control.byte_door import ByteDoor
from hanok.control.policies import Policies
from hanok.control.settings import ControlSettings
from hanok.events import Outbox
from hanok.operations import Debts, Leases, Starter, Worker
from hanok.rooms import House, Loop, Room, WrongSettings
from hanok.store import Database, Transaction, migrate
from hanok.web import internal
from hanok.web.app import Application
from hanok.web.names import Names
from hanok.web.tickets import PREFIX, Copies, Tickets

log = logging.getLogger(__name__)

FOLLOW_S = 10.0  # between looks at what is switched on; a switch also wakes


class Control:
    """A control process's worth of everything."""

    def __init__(self, settings: ControlSettings, clock: Clock, bus: Bus) -> None:
        self.settings = settings
        self.clock = clock
        self.bus = bus
        self.wakes = Wakes(bus)
        self.database = Database(settings.database_url, durable=settings.durable)
        self.events = Outbox(self.database, bus, clock, self.wakes)
        self.worker = Worker(self.database, bus, clock, wakes=self.wakes, name=settings.node_name)
        self.worker.follow(self.events)
        self.debts = Debts(self.database, bus)
        self.leases = Leases(self.database, clock, settings.node_name)
        key = CloudKey(settings.cloud_key)
        self.house = House(
            clock=clock,
            database=self.database,
            bus=bus,
            wakes=self.wakes,
            operations=Starter(clock, self.wakes),
            events=self.events,
            ask=lambda *asked: internal.ask(self.app, *asked),
            node_name=settings.node_name,
            region=settings.region,
            state=settings.state,
            cloud_key=key,
            tickets=Tickets(key, clock, settings.bytes_address),
            copies=Copies(settings.snapshots),
            admin_password="",
            names=Names(settings.names, settings.host, settings.port, ports=settings.own_ports),
            sections={},
        )
        self.policies = Policies(
            self.database,
            clock,
            self.wakes,
            folder=settings.policies,
            node_name=settings.node_name,
            enforcers=lambda: self.app.enforcers,
            services=settings.rooms,
        )
        stores = [Path(store) for store in settings.image_stores]
        self.bytes = ByteDoor(self.house.tickets, stores, self.house.copies)
        self._tasks: dict[str, list[asyncio.Task[None]]] = {}
        self._switched = asyncio.Event()
        self.wakes.on(switches.TOPIC, lambda _words: self._switched.set())

    # ---- rooms ----

    def _build(self, name: str) -> Room:
        """Build a room, those below it being there, and show its doors.

        Raises:
            WrongSettings
        """
        kind = self.settings.room_class(name)
        if missing := [other for other in kind.needs if other not in self.house.rooms]:
            raise WrongSettings(
                f"The service {name} needs {', '.join(missing)}; switch on that, or both off."
            )
        self.house.sections[name] = self.settings.of_room(name)
        room = kind(self.house)
        self.house.rooms[name] = room
        self.worker.add(room.operations)
        return room

    def _application(self) -> Application:
        authenticate = next(
            one.authenticate for one in self.house.rooms.values() if one.authenticate
        )
        app = Application(
            [],
            database=self.database,
            authenticate=authenticate,
            front=self.settings.front,
            names=self.house.names,
            events=self.events,
        )
        app.mount("hanok", doors.service(self), {PREFIX: self.bytes})
        for name, room in self.house.rooms.items():
            app.mount(name, room.service, room.pages, own_port=room.own_port)
        for name in self.settings.rooms:
            if name not in self.house.rooms:
                self._show_off(app, name)
        return app

    def _show_off(self, app: Application, name: str) -> None:
        """Clients of a service that is off are told so: 404 would say that what they have there is gone."""
        entry = self.settings.room_class(name).catalog
        if entry is not None:
            own_port = self.house.names.ports.get(name, 0) if entry.own_port else 0
            app.switched_off(name, entry.path.split("/")[1], own_port=own_port)

    async def _open(self, group: asyncio.TaskGroup, name: str) -> None:
        """Let a room work: its loops, here or wherever their leases are."""
        room = self.house.rooms[name]
        await room.listen()
        self._tasks[name] = []
        for loop in room.loops:
            if loop.alone:
                self.leases.add(loop.name, loop.run)
            else:
                self._tasks[name].append(group.create_task(_run(loop)))

    async def _close(self, name: str) -> None:
        """Switch a room off in this process."""
        room = self.house.rooms.pop(name)
        self.app.unmount(name)
        self._show_off(self.app, name)
        self.worker.remove(room.operations)
        await room.unlisten()
        await self.leases.remove(one.name for one in room.loops if one.alone)
        tasks = self._tasks.pop(name)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        room.close()
        log.info("the service %s is switched off", name)

    async def _wanted(self) -> list[str]:
        async with self.database.read() as tx:
            return [one.name for one in await switches.look(tx, self.settings) if one.on]

    async def _follow_switches(self, group: asyncio.TaskGroup) -> None:
        """Have the rooms that operators want, until cancelled."""
        while True:
            self._switched.clear()
            try:
                requested = await self._wanted()
                for name in reversed(list(self.house.rooms)):
                    if name not in requested:
                        await self._close(name)
                for name in requested:
                    if name not in self.house.rooms:
                        await self._switch_on(group, name)
            except Unavailable as error:
                log.warning("switches are not followed: %s", error.message)
            try:
                async with asyncio.timeout(FOLLOW_S):
                    await self._switched.wait()
            except TimeoutError:
                pass

    async def _make_tables(self, room: Room) -> None:
        if room.own_tables:
            await self.database.make_tables(room.own_tables)

    async def _switch_on(self, group: asyncio.TaskGroup, name: str) -> None:
        room = self._build(name)
        await self._make_tables(room)
        await room.prepare()
        async with self.database.write() as tx:
            await tx.serialize("first rows")
            await room.first_rows(tx)
        self.app.mount(name, room.service, room.pages, own_port=room.own_port)
        self.policies.apply([room.service.kind])
        await self._open(group, name)
        self.worker.wake()
        log.info("the service %s is switched on", name)

    async def switch(self, tx: Transaction, name: str, *, on: bool) -> None:
        """Switch a service on or off, for all processes of the cloud. See switches.switch."""
        await switches.switch(tx, self.house, self.settings, name, on=on)

    # ---- life ----

    async def prepare(self, admin_password: str) -> None:
        """Tables, rooms and first rows; what is there stays."""
        self.house.admin_password = admin_password
        for (
            name
        ) in self.settings.rooms:  # their tables have to be known before a database gets them
            self.settings.room_class(name)
        first = [name for name in self.settings.rooms if name not in self.settings.services_off]
        for name in first:
            self._build(name)
        # In a thread, while this one makes the tables.
        preparing = [asyncio.ensure_future(room.prepare()) for room in self.house.rooms.values()]
        try:
            await asyncio.sleep(0)
            await migrate.ensure(self.database)
            for room in self.house.rooms.values():
                await self._make_tables(room)
            await asyncio.gather(*preparing)
        finally:
            for one in preparing:
                one.cancel()
        requested = await self._wanted()
        for name in [one for one in reversed(first) if one not in requested]:
            self.worker.remove(self.house.rooms.pop(name).operations)
        async with self.database.write() as tx:
            # Another control process may start at this moment, too.
            await tx.serialize("first rows")
            for room in self.house.rooms.values():
                await room.first_rows(tx)
        self.app = self._application()
        await self.policies.start()

    @classmethod
    @asynccontextmanager
    async def running(
        cls,
        settings: ControlSettings,
        *,
        admin_password: str,
        clock: Clock | None = None,
        bus: Bus | None = None,
    ) -> AsyncIterator[Control]:
        """A control that serves and works until the block is left.

        Args:
            bus: which stays open afterwards; one in memory when left out.
        """
        own_bus = bus or MemoryBus()
        control = cls(settings, clock or Clock(), own_bus)
        await control.database.open()
        try:
            await control.prepare(admin_password)
            async with asyncio.TaskGroup() as group:
                for name in control.house.rooms:
                    await control._open(group, name)
                tasks = [group.create_task(loop()) for loop in control.loops(group)]
                try:
                    yield control
                finally:
                    of_rooms = [task for some in control._tasks.values() for task in some]
                    for task in [*tasks, *of_rooms]:
                        task.cancel()
        finally:
            for room in control.house.rooms.values():
                await room.unlisten()
                room.close()
            control.bytes.close()
            if bus is None:
                await own_bus.close()
            await control.database.close()

    def loops(self, group: asyncio.TaskGroup) -> list[Callable[[], Coroutine[Any, Any, None]]]:
        """What runs beside requests and rooms, for as long as the process does."""
        self.leases.add("debts", self.debts.run)
        self.leases.add("events", self.events.run)
        return [
            self.wakes.run,
            self.worker.run,
            self.policies.run,
            self.leases.run,
            lambda: self._follow_switches(group),
        ]


async def _run(loop: Loop) -> None:
    await loop.run()
