"""What a room gives the house, and what the house gives a room.

A service is a room: a folder under `services` whose facade has `build(house)`. Control builds the rooms that are
switched on, those below first, and then only iterates: it mounts each room's doors, runs its loops and operations,
writes its first rows, and asks it for differences. No other place names a room.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import msgspec
import sqlalchemy as sa
from msgspec import Struct, field
from starlette.types import ASGIApp

from hanok.base.clock import Clock
from hanok.base.cloud_key import CloudKey
from hanok.base.errors import HanokError
from hanok.bus import Bus, Wakes
from hanok.events import Event, Outbox, envelope
from hanok.limits import Registered
from hanok.operations import Operation, Starter
from hanok.store import Database, Transaction
from hanok.web.names import Names
from hanok.web.request import Request
from hanok.web.routes import Service
from hanok.web.tickets import Copies, Tickets
from hanok.web.token import Authenticate

FacadeT = TypeVar("FacadeT")
SettingsT = TypeVar("SettingsT", bound=Struct)

Ask = Callable[[Request, str, str, bytes, str], Awaitable[tuple[int, bytes]]]
"""A request to another service in the name of whoever asked this one: method, path, body, its type. See web.inside."""


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
    """

    name: str
    run: Callable[[], Awaitable[None]]
    alone: bool = False


class Room:
    """What a service gives the house. What a room has no use for, it leaves as it is here.

    name: of the folder and of the section of the settings. needs: the rooms it cannot do without.
    settings: the section's type. facade: what other rooms use it by; they find it by its type.
    operations: each kind with the tools that its steps get. pages: ASGI applications by first path segment.
    authenticate: the check of tokens, of the room that gives them out.
    own_port_setting: the name of the setting that says where the service's own port is.
    own_port: where the service answers all that is asked (its `Service.whole`), beside the port of all; 0: nowhere.
    own_tables: of a service from elsewhere: made where they are missing, as no migration of this project makes them.
    """

    name: ClassVar[str]
    needs: ClassVar[tuple[str, ...]] = ()
    settings: ClassVar[type[Struct]] = NoSettings
    catalog: ClassVar[CatalogEntry | None] = None
    own_tables: ClassVar[Sequence[sa.Table]] = ()
    own_port_setting: ClassVar[str] = ""

    service: Service
    facade: Any = None
    authenticate: Authenticate | None = None
    operations: Sequence[tuple[type[Operation], Any]] = ()
    loops: Sequence[Loop] = ()
    pages: Mapping[str, ASGIApp] = {}
    own_port: int = 0

    def __init__(self, house: House) -> None:
        raise NotImplementedError

    async def prepare(self) -> None:
        """What takes time and no table, while tables are made."""

    async def listen(self) -> None:
        """Start listening to the bus and to events; before the first request is served."""

    async def unlisten(self) -> None:
        """Stop that: the room is being switched off."""

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

    async def rotate_keys(self) -> int:
        """Use new keys from now on. Returns how many secrets were sealed anew."""
        return 0

    def close(self) -> None:
        """Let go of connections."""


class House(Struct, kw_only=True):
    """What rooms are built from; one a control process.

    node_name: what this process is called, the same after a restart, and no other's. state: its folder.
    cloud_key: what the database's own secrets are sealed with. tickets: lets hosts move bytes from and to this process.
    copies: of disks, that hosts have left here.
    names: what the cloud is called. ask: another service, asked as a user asks it.
    sections: the settings, by room, as they were read.
    """

    clock: Clock
    database: Database
    bus: Bus
    wakes: Wakes
    operations: Starter
    events: Outbox
    ask: Ask
    node_name: str
    region: str
    state: Path
    cloud_key: CloudKey
    tickets: Tickets
    copies: Copies
    admin_password: str
    names: Names
    sections: dict[str, Struct]
    rooms: dict[str, Room] = field(default_factory=dict)

    def settings(self, name: str, kind: type[SettingsT]) -> SettingsT:
        """A section of the settings; the defaults where the operator says nothing."""
        found = self.sections.get(name)
        return found if isinstance(found, kind) else msgspec.convert({}, kind)

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
            for room in self.rooms.values():
                found.update(await room.unified_limits(tx, service, project_id))
            return found

        return ask

    def notifications(self, event: Event) -> list[dict[str, Any]]:
        """An event as the field's notifications tell of it; none of a service that is switched off."""
        room = self.rooms.get(event.kind.partition(".")[0])
        return [] if room is None else room.notifications(event)

    def catalog(self) -> list[CatalogEntry]:
        """The services that are switched on, as the catalog shows them."""
        return [one.catalog for one in self.rooms.values() if one.catalog is not None]
