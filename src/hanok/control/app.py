"""Builds everything once and hands it over: rooms, routes, the engine of operations."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from hanok.base import authority
from hanok.base.authority import TLSFolder, client_context
from hanok.base.clock import Clock
from hanok.base.cloud_key import CloudKey
from hanok.base.errors import HanokError, Unavailable
from hanok.bus import Bus, MemoryBus, Wakes
from hanok.control import doors, members, switches
from hanok.control.byte_door import ByteDoor
from hanok.control.forwarding import Forwarder, at_port
from hanok.control.members import Places
from hanok.control.policies import Policies
from hanok.control.settings import ControlSettings
from hanok.events import Outbox
from hanok.events.outbox import Listener
from hanok.operations import Debts, Forgetting, Leases, Operation, Starter, Worker
from hanok.operations.records import kind_of
from hanok.rooms import Difference, House, Loop, Room, WrongSettings
from hanok.services.image import facade as image
from hanok.store import Database, Transaction, migrate
from hanok.web import faults, internal
from hanok.web.app import Application
from hanok.web.faults import Fault
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
        self.database = Database(
            settings.database_url,
            durable=settings.durable,
            connections=settings.database_connections,
        )
        self.events = Outbox(self.database, bus, clock, self.wakes)
        self.worker = Worker(self.database, bus, clock, wakes=self.wakes, name=settings.node_name)
        self.worker.follow(self.events)
        self.debts = Debts(self.database, bus)
        self.forgetting = Forgetting(self.database, clock, self._forgotten)
        self.leases = Leases(self.database, clock, settings.node_name)
        key = CloudKey(settings.cloud_key)
        self.house = House(
            clock=clock,
            database=self.database,
            bus=bus,
            wakes=self.wakes,
            operations=Starter(clock, self.wakes),
            events=self.events,
            ask=lambda *arguments: internal.ask(self.app, *arguments),
            ask_as=self._ask_as,
            door=lambda *arguments: self.app(*arguments),
            enforcer=lambda kind: self.app.enforcer(kind),
            node_name=settings.node_name,
            region=settings.region,
            state=settings.state,
            cloud_key=key,
            tickets=Tickets(key, clock, settings.bytes_address),
            copies=Copies(settings.snapshots),
            admin_password="",
            admin_password_drawn=settings.admin_password_drawn,
            names=Names(settings.names, settings.host, settings.port, ports=settings.own_ports),
            sections={},
            peers=partial(client_context, TLSFolder(Path(settings.tls))) if settings.tls else None,
            files_at=settings.files_at,
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
        self.members = Places(settings)
        bring = None if settings.files_at else self._bring
        self.bytes = ByteDoor(self.house.tickets, stores, self.house.copies, self._is_host, bring)
        self._others: list[Forwarder] = []
        self._tasks: dict[str, list[asyncio.Task[None]]] = {}
        self._hear: dict[str, list[tuple[str, Listener]]] = {}  # of events, by room
        self._failing: dict[
            str, str
        ] = {}  # services that are switched on and do not run here, and why
        self._switched = asyncio.Event()
        self.wakes.on(switches.TOPIC, lambda _words: self._switched.set())
        self._joined = asyncio.Event()
        self.wakes.on(members.TOPIC, lambda _words: self._joined.set())

    async def _is_host(self, name: str, serial: str) -> bool:
        async with self.database.read() as tx:
            first, _ = self.settings.first_machine
            return name == first or await members.is_there(tx, name, serial)

    async def _bring(self, image_id: str) -> None:
        await image.bring(self.house.facade(image.Images), image_id)

    async def _ask_as(
        self,
        token: str,
        method: str,
        path: str,
        body: bytes,
        headers: Mapping[str, str],
        request_id: str,
    ) -> tuple[int, Mapping[str, str], bytes]:
        """See rooms.AskAs."""
        port = 0
        if path.startswith("objects:"):
            path, port = (
                path.removeprefix("objects:"),
                self.house.names.ports.get("object_storage", 0),
            )
        return await internal.ask_as(
            self.app, token, method, path, body, headers, request_id, port=port
        )

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
        before = self.events.listeners
        room = kind(self.house)
        self._hear[name] = [one for one in self.events.listeners if one not in before]
        self.house.rooms[name] = room
        self.worker.add(self._operations(room))
        return room

    def _operations(self, room: Room) -> list[tuple[type[Operation], Any]]:
        """Those of a room that this process runs."""
        return [one for one in room.operations if self._has_files or not one[0].with_files]

    def _forgotten(self) -> list[str]:
        """The kinds of operations whose end nobody reads later."""
        rooms = [one for one in self.house.rooms.values() if not one.remembers]
        return [kind_of(kind) for room in rooms for kind, _ in room.operations]

    @property
    def _has_files(self) -> bool:
        """Whether what works on bytes in control's folders is for this process."""
        return not self.settings.files_at

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
            # The files of a checkout may change under a cloud that runs for long, and no request is to wait for code.
            loaded=bool(self.settings.bus),
        )
        app.mount("hanok", doors.service(self), {PREFIX: self.bytes})
        for name, room in self.house.rooms.items():
            app.mount(name, room.service, room.pages, own_port=room.own_port)
        for name in self.settings.rooms:
            if name not in self.house.rooms:
                self._show_off(app, name)
        if not self._has_files:
            self._delegate(app)
        return app

    def _delegate(self, app: Application) -> None:
        """What needs bytes that are beside another process is asked of that one."""
        trust = partial(authority.trust, Path(self.settings.tls))

        def other(port: int = 0, fault: Fault = faults.identity) -> Forwarder:
            where = at_port(self.settings.files_at, port) if port else self.settings.files_at
            made = Forwarder(where, trust, fault=fault, front=self.settings.front)
            self._others.append(made)
            return made

        for name in self.settings.rooms:
            kind = self.settings.room_class(name)
            if not kind.keeps_files or kind.catalog is None:
                continue
            room = self.house.rooms.get(name)
            fault = room.service.fault if room is not None else faults.identity
            if port := self.house.names.ports.get(name, 0):
                at = self.settings.door_objects_port or port
                app.delegate(other(at, fault), own_port=port)
            else:
                app.delegate(other(fault=fault), f"/{kind.catalog.path.split('/')[1]}")
        app.delegate(other(), "/hanok/v1/inventory")

    def _show_off(self, app: Application, name: str) -> None:
        """Clients of a service that is off are told so: 404 would say that what they have there is gone."""
        kind = self.settings.room_class(name)
        for page in kind.page_names:
            app.switched_off(name, page)
        entry = kind.catalog
        if entry is not None:
            own_port = self.house.names.ports.get(name, 0) if entry.own_port else 0
            app.switched_off(name, entry.path.split("/")[1], own_port=own_port)

    async def _open(self, group: asyncio.TaskGroup, name: str) -> None:
        """Let a room work: its loops, here or wherever their leases are."""
        room = self.house.rooms[name]
        await room.listen()
        self.house.absence(name).ends(self.clock.now())
        self._tasks[name] = []
        for loop in room.loops:
            if loop.with_files and not self._has_files:
                continue
            if loop.alone:
                self.leases.add(loop.name, loop.run)
            else:
                self._tasks[name].append(group.create_task(_run(loop)))

    async def _close(self, name: str) -> None:
        """Switch a room off in this process, however far it was switched on."""
        room = self.house.rooms.pop(name)
        self.app.unmount(name)
        self._show_off(self.app, name)
        self.worker.remove(room.operations)
        self.events.off(self._hear.pop(name))
        try:
            await room.unlisten()
        finally:
            await self.leases.remove(one.name for one in room.loops if one.alone)
            tasks = self._tasks.pop(name, [])
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            room.close()
        log.info("the service %s is switched off", name)

    async def _requested(self) -> list[str]:
        async with self.database.read() as tx:
            return [one.name for one in await switches.look(tx, self.settings) if one.on]

    async def _follow_switches(self, group: asyncio.TaskGroup) -> None:
        """Have the rooms that operators want, until cancelled."""
        while True:
            self._switched.clear()
            try:
                await self._follow(group, await self._requested())
            except Unavailable as error:
                log.warning("switches are not followed: %s", error.message)
            try:
                async with asyncio.timeout(FOLLOW_S):
                    await self._switched.wait()
            except TimeoutError:
                pass

    async def _follow(self, group: asyncio.TaskGroup, requested: list[str]) -> None:
        for name in reversed(list(self.house.rooms)):
            if name not in requested:
                await self._alone(name, self._close(name))
        for name in requested:
            if name not in self.house.rooms:
                await self._alone(name, self._switch_on(group, name))
        self._failing = {name: why for name, why in self._failing.items() if name in requested}

    async def _alone(self, name: str, work: Awaitable[None]) -> None:
        """Switch a service; one that fails holds up no other, and is tried again."""
        try:
            await work
        except Exception as error:  # an outermost loop
            log.exception("the service %s is not switched", name)
            known = error.message if isinstance(error, HanokError) else type(error).__name__
            self._failing[name] = known
        else:
            self._failing.pop(name, None)

    def differences(self) -> list[Difference]:
        """The services that are switched on and do not run here."""
        return [
            Difference(
                what="service",
                detail=f"The service {name} is enabled and does not run here: {why} It is tried again every "
                f"{FOLLOW_S:g} seconds; the log says more.",
            )
            for name, why in self._failing.items()
        ]

    async def _follow_members(self) -> None:
        """Have the supervisor beside us know which hosts there are, until cancelled."""
        while True:
            self._joined.clear()
            try:
                async with self.database.read() as tx:
                    await members.write(tx, self.members, self.clock.now())
            except (Unavailable, OSError) as error:
                log.warning("hosts that joined are not followed: %s", error)
            try:
                async with asyncio.timeout(FOLLOW_S):
                    await self._joined.wait()
            except TimeoutError:
                pass

    async def _make_tables(self, room: Room) -> None:
        if room.own_tables:
            await self.database.make_tables(room.own_tables)

    async def _switch_on(self, group: asyncio.TaskGroup, name: str) -> None:
        """Build a room while the cloud runs. What does not get whole is taken down; the next round tries again."""
        room = self._build(name)
        try:
            await self._make_tables(room)
            await room.prepare()
            async with self.database.write() as tx:
                await tx.serialize("first rows")
                await room.first_rows(tx)
            self.app.mount(name, room.service, room.pages, own_port=room.own_port)
            self.policies.apply([room.service.kind])
            await self._open(group, name)
        except BaseException:
            await self._close(name)
            raise
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
        requested = await self._requested()
        for name in [one for one in reversed(first) if one not in requested]:
            self.worker.remove(self.house.rooms.pop(name).operations)
            self.events.off(self._hear.pop(name))
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
            for room in list(control.house.rooms.values()):
                await room.unlisten()
                room.close()
            control.bytes.close()
            for other in control._others:
                await other.close()
            if bus is None:
                await own_bus.close()
            await control.database.close()

    def loops(self, group: asyncio.TaskGroup) -> list[Callable[[], Coroutine[Any, Any, None]]]:
        """What runs beside requests and rooms, for as long as the process does."""
        self.leases.add("debts", self.debts.run)
        self.leases.add("operations.forget", self.forgetting.run)
        self.leases.add("events", self.events.run)
        return [
            self.wakes.run,
            self.worker.run,
            self.policies.run,
            self.leases.run,
            *([self._follow_members] if self.members.can_grow else ()),
            lambda: self._follow_switches(group),
        ]


async def _run(loop: Loop) -> None:
    await loop.run()
