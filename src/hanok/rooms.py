"""What a room gives the house, and what the house gives a room.

A service is a room: a folder under `services` whose facade has `build(house)`. Control builds the rooms that are
switched on, those below first, and then only iterates: it mounts each room's doors, runs its loops and operations,
writes its first rows, and asks it for differences. No other place names a room.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import msgspec
import sqlalchemy as sa
from msgspec import Struct, field
from starlette.types import ASGIApp

from hanok.base.absence import Absence
from hanok.base.clock import Clock
from hanok.base.cloud_key import CloudKey
from hanok.base.errors import HanokError, Unavailable
from hanok.base.ids import new_request_id
from hanok.base.log import request_id
from hanok.base.metering import Metered
from hanok.bus import Bus, Handler, Listening, Wakes
from hanok.commands import Command, HostState
from hanok.commands.volumes import BackendStates
from hanok.commands.wire import HEARTBEAT, decode_host_state, speaks_for
from hanok.events import Event, Outbox, envelope
from hanok.limits import Registered
from hanok.operations import Operation, Starter, Waiting
from hanok.store import Database, Transaction
from hanok.web.names import Names
from hanok.web.policy import Enforcer
from hanok.web.request import Request
from hanok.web.routes import Service
from hanok.web.tickets import Copies, Tickets
from hanok.web.token import Authenticate

FacadeT = TypeVar("FacadeT")
SettingsT = TypeVar("SettingsT", bound=Struct)

Ask = Callable[[Request, str, str, bytes, str], Awaitable[tuple[int, bytes]]]
"""A request to another service in the name of whoever asked this one: method, path, body, its type. See web.inside."""

AskAs = Callable[
    [str, str, str, bytes, Mapping[str, str], str],
    Awaitable[tuple[int, Mapping[str, str], bytes]],
]
"""The same for work in time: token, method, path, body, headers, and the id that the request gets; gives status,
headers, body. A path of object storage begins with "objects:". See web.internal.ask_as."""


class NoSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """A section of the settings with nothing to choose."""


class WrongSettings(HanokError):
    """An operator's settings contradict each other; said at start."""


class CatalogEntry(Struct, frozen=True):
    """A service of this house as the catalog shows it.

    path: behind the origin ("/compute/v2.1"). own_port: the room whose own port the origin has; empty: that of all.
    """

    type: str
    name: str
    description: str
    path: str
    own_port: str = ""


class Difference(Struct, frozen=True, kw_only=True):
    """Something that is not as the rows say. what: a stable word; detail: in plain English; mended: by this round."""

    what: str
    detail: str
    mendable: bool = False
    mended: bool = False


class Loop(Struct, frozen=True, kw_only=True):
    """Work in time, until it is cancelled.

    name: of the loop, unique in the house. alone: whether it runs once in a cloud, however many processes there are.
    with_files: whether it works on bytes in control's folders, so that only a process beside these runs it.
    """

    name: str
    run: Callable[[], Awaitable[None]]
    alone: bool = False
    with_files: bool = False


class Rounds:
    """A room's listeners on the bus and its work in time, in one control process."""

    def __init__(self, bus: Bus, log: logging.Logger, whose: str) -> None:
        """whose: as the log says it, "compute's"."""
        self._bus, self._log, self._whose = bus, log, whose
        self._listening: list[Listening] = []

    async def hear(self, heard: Mapping[str, Handler], group: str) -> None:
        """Start listening: handlers by subject. group: of processes of which one hears each message."""
        for subject, handler in heard.items():
            self._listening.append(await self._bus.listen(subject, handler, group=group))

    async def unlisten(self) -> None:
        """Stop listening."""
        for one in self._listening:
            await one.end()
        self._listening = []

    async def round(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do something that the next round tries again where it fails."""
        request_id.set(new_request_id())
        try:
            await work()
        except Unavailable as error:
            self._log.warning("%s reconcilers wait: %s", self._whose, error.message)
        except Exception:  # an outermost loop
            self._log.exception("a round of %s reconcilers failed", self._whose)

    async def every(self, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        """Do it again and again, until this is cancelled."""
        while True:
            await self.round(work)
            await asyncio.sleep(seconds)


class HostRounds(Rounds):
    """Those of a room that asks a host each time it says that it is there, one question at a time."""

    def __init__(self, bus: Bus, log: logging.Logger, whose: str, group: str) -> None:
        """group: as of `hear`."""
        super().__init__(bus, log, whose)
        self._group = group
        self._asking: set[str] = set()

    async def listen(self) -> None:
        """Start listening; before the first request is served."""
        await self.hear({f"{HEARTBEAT}.*": self._heartbeat}, self._group)

    async def _heartbeat(self, subject: str, payload: bytes) -> bytes | None:
        host = decode_host_state(payload).host
        if speaks_for(subject, host) and host not in self._asking:
            self._asking.add(host)
            try:
                await self.describe(host)
            finally:
                self._asking.discard(host)
        return None

    async def ask_first(self) -> None:
        """Ask each host that has not been heard of lately, once: nobody may have listened; in every process."""
        await self.round(self._ask_unheard)

    async def _ask_unheard(self) -> None:
        async with asyncio.TaskGroup() as group:
            for host in await self.unheard():
                group.create_task(self.round(partial(self.describe, host)))

    async def unheard(self) -> list[str]:
        """Hosts that have not been heard of lately."""
        raise NotImplementedError

    async def describe(self, host: str) -> None:
        """Ask a host, and write down what it says."""
        raise NotImplementedError


class NotHeardYet(Waiting):
    """What a step waits for that looks for a host: who may be up has not been heard of since nobody listened."""

    def __init__(self) -> None:
        super().__init__("hosts have not been heard of since the cloud was started", poll_s=1.0)


OnHost = tuple[str, Command | HostState | BackendStates]
"""Of a host, by its name: something that it has, as the command that an empty one would get; or how it is."""


async def _nowhere() -> AsyncIterator[OnHost]:
    nothing: tuple[OnHost, ...] = ()
    for one in nothing:
        yield one


async def _nothing() -> AsyncIterator[Metered]:
    nothing: tuple[Metered, ...] = ()
    for one in nothing:
        yield one


class Room:
    """What a service gives the house. What a room has no use for, it leaves as it is here.

    name: of the folder and of the section of the settings. needs: the rooms it cannot do without.
    more_catalog: further entries of the catalog, of a service that speaks several APIs.
    settings: the section's type. facade: what other rooms use it by; they find it by its type.
    operations: each kind with the tools that its steps get. pages: ASGI applications by first path segment.
    authenticate: the check of tokens, of the room that gives them out.
    page_names: the first segments of `pages`, so that clients are told while the service is switched off.
    own_port_setting: the name of the setting that says where the service's own port is.
    own_port: where the service answers all that is asked (its `Service.whole`), beside the port of all; 0: nowhere.
    metered: the types of what `meters` gives.
    own_tables: of a service from elsewhere: made where they are missing, as no migration of this project makes them.
    remembers: whether users read what became of its operations (a server's actions), so that these are not forgotten.
    keeps_files: whether its requests read and write bytes in control's folders: they are answered where these are.
    """

    name: ClassVar[str]
    needs: ClassVar[tuple[str, ...]] = ()
    settings: ClassVar[type[Struct]] = NoSettings
    catalog: ClassVar[CatalogEntry | None] = None
    more_catalog: ClassVar[tuple[CatalogEntry, ...]] = ()
    own_tables: ClassVar[Sequence[sa.Table]] = ()
    own_port_setting: ClassVar[str] = ""
    page_names: ClassVar[tuple[str, ...]] = ()
    keeps_files: ClassVar[bool] = False
    remembers: ClassVar[bool] = False

    service: Service
    facade: Any = None
    authenticate: Authenticate | None = None
    operations: Sequence[tuple[type[Operation], Any]] = ()
    metered: tuple[str, ...] = ()
    loops: Sequence[Loop] = ()
    pages: Mapping[str, ASGIApp] = {}
    own_port: int = 0

    def __init__(self, house: House) -> None:
        raise NotImplementedError

    @classmethod
    def shown(cls) -> list[CatalogEntry]:
        """All that the catalog has of it."""
        return [*([] if cls.catalog is None else [cls.catalog]), *cls.more_catalog]

    async def prepare(self) -> None:
        """What takes time and no table, while tables are made."""

    async def listen(self) -> None:
        """Start listening to the bus and to events; before the first request is served."""

    async def unlisten(self) -> None:
        """Stop that: the room is being switched off."""

    def ending(self) -> None:
        """The process takes no more requests: end answers that last for as long as a client listens."""

    async def first_rows(self, tx: Transaction) -> None:
        """Write what a new cloud has to have; what is there stays."""

    async def differences(self, *, mend: bool) -> list[Difference]:
        """Where rows disagree with hosts, engines and files.

        Args:
            mend: put right what is safe.
        """
        return []

    async def switched(self, tx: Transaction, entry: CatalogEntry, *, on: bool) -> None:
        """A service was switched on or off: show it in the catalog, or do not."""

    async def unified_limits(
        self, tx: Transaction, service: str, project_id: str
    ) -> Mapping[str, int]:
        """A project's unified limits for a service, as far as they are registered with this room."""
        return {}

    def notifications(self, event: Event) -> list[dict[str, Any]]:
        """An event of this room in the field's forms. See events.notifications."""
        return [envelope(event, event.kind, f"{self.name}.localhost", event.payload)]

    def meters(self) -> AsyncIterator[Metered]:
        """What is measured of this room's things, at this moment."""
        return _nothing()

    def on_hosts(self) -> AsyncIterator[OnHost]:
        """What hosts have of this room's things, when nothing is under way; for a copy of the cloud."""
        return _nowhere()

    async def part(self, tx: Transaction) -> None:
        """These rows are a copy of another cloud's: nothing that this room signs, or keeps elsewhere, is that one's
        any more. What it holds in memory is not used afterwards.
        """

    async def rotate_keys(self) -> int:
        """Use new keys from now on. Returns how many secrets were sealed anew."""
        return 0

    def close(self) -> None:
        """Let go of connections."""


class House(Struct, kw_only=True):
    """What rooms are built from; one a control process.

    node_name: what this process is called, the same after a restart, and no other's. state: its folder.
    cloud_key: what the database's own secrets are sealed with. tickets: lets hosts move bytes from and to this process.
    admin_password_drawn: whether chance made it, and nobody chose it.
    copies: of disks, that hosts have left here. files_at: the address of the process beside whose folders this cloud's
        bytes are, images' and others'; empty: they are here.
    peers: what this process shows hosts on other machines, and whom it believes; None: they are on this one.
    names: what the cloud is called. ask: another service, asked as a user asks it; ask_as: the same with a token.
    door: all that is served, as clients come to it. enforcer: the rules in force of a service, by its kind.
    sections: the settings, by room, as they were read. absences: when rooms did not listen to hosts, by room.
    """

    clock: Clock
    database: Database
    bus: Bus
    wakes: Wakes
    operations: Starter
    events: Outbox
    ask: Ask
    ask_as: AskAs
    door: ASGIApp
    enforcer: Callable[[str], Enforcer]
    node_name: str
    region: str
    state: Path
    cloud_key: CloudKey
    tickets: Tickets
    copies: Copies
    admin_password: str
    admin_password_drawn: bool
    names: Names
    sections: dict[str, Struct]
    rooms: dict[str, Room] = field(default_factory=dict)
    absences: dict[str, Absence] = field(default_factory=dict)
    peers: Callable[[], ssl.SSLContext] | None = None
    files_at: str = ""

    def settings(self, name: str, kind: type[SettingsT]) -> SettingsT:
        """A section of the settings; the defaults where the operator says nothing."""
        found = self.sections.get(name)
        return found if isinstance(found, kind) else msgspec.convert({}, kind)

    def absence(self, name: str) -> Absence:
        """When a room last did not listen to hosts."""
        return self.absences.setdefault(name, Absence())

    def facade(self, kind: type[FacadeT]) -> FacadeT:
        """The facade of a room below, by its type.

        Raises:
            WrongSettings: that room is switched off, and what asks cannot do without it.
        """
        for one in self.rooms.values():
            if isinstance(one.facade, kind):
                return one.facade
        raise WrongSettings(f"The service that gives {kind.__name__} is switched off.")

    def unified_limits(self, service: str) -> Registered:
        """A way to ask for projects' unified limits for a service."""

        async def ask(tx: Transaction, project_id: str) -> Mapping[str, int]:
            found: dict[str, int] = {}
            for room in list(self.rooms.values()):  # services are switched meanwhile
                found.update(await room.unified_limits(tx, service, project_id))
            return found

        return ask

    def notifications(self, event: Event) -> list[dict[str, Any]]:
        """An event as the field's notifications tell of it; none of a service that is switched off."""
        room = self.rooms.get(event.kind.partition(".")[0])
        return [] if room is None else room.notifications(event)

    def catalog(self) -> list[CatalogEntry]:
        """The services that are switched on, as the catalog shows them."""
        return [entry for one in self.rooms.values() for entry in one.shown()]
