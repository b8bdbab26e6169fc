"""What network's handlers, logic and reconcilers work with."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from hanok.base.absence import Absence
from hanok.base.authority import TLSFolder
from hanok.base.clock import Clock
from hanok.bus import Wakes
from hanok.drivers.ovn.northbound import NorthboundAPI
from hanok.drivers.ovn.rows import Row
from hanok.drivers.ovn.seal import Seal
from hanok.drivers.ovn.topology import CannotExpress
from hanok.events import Outbox
from hanok.limits import Limits
from hanok.store import Database, Transaction

CHANGED, WRITTEN = "network.changed", "network.written"  # topics of wake-ups


class NetworkSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An operator's choices.

    northbound: address of OVN's northbound database; empty for the simulated one.
    southbound: address of its southbound database, for a look at what its flows do; empty: there is none.
    tls: the folder of what is shown to these where they are on another machine.
    public_cidr, public_gateway: the external network that a new cloud gets; empty for none.
    physical_network: name of the bridge mapping that leads outside.
    chassis: system ids that may carry routers' gateways; empty for every host that was heard of.
    down_after_s: a host that has not been heard of for so long counts as down.
    compare_s: how often everything is compared with everything.
    dns_domain: what follows the name of a server within its network.
    dns_servers: name servers for subnets that name none.
    """

    northbound: str = ""
    southbound: str = ""
    tls: str = ""
    public_cidr: str = ""
    public_gateway: str = ""
    physical_network: str = "public"
    chassis: tuple[str, ...] = ()
    down_after_s: int = 75
    compare_s: float = 60.0
    zone: str = "nova"
    dns_domain: str = "openstacklocal"
    dns_servers: tuple[str, ...] = ()

    @property
    def seal(self) -> Seal | None:
        """What is shown to databases that are on another machine."""
        if not self.tls:
            return None
        own = TLSFolder(Path(self.tls))
        return Seal(key=str(own.key), certificate=str(own.southbound), trusted=str(own.authority))


class Engine(NorthboundAPI, Protocol):
    """A northbound client that can be told where to connect."""

    async def connect(self, remote: str) -> None: ...


class Pulse:
    """Something that happens again and again, and is waited for from a moment on that one has noted."""

    def __init__(self) -> None:
        self._next = asyncio.Event()

    def next(self) -> asyncio.Event:
        """Is set at the next beat after now."""
        return self._next

    def beat(self) -> None:
        self._next.set()
        self._next = asyncio.Event()


class PortChanged(Struct, frozen=True):
    """A port's status changed. server_id: of the server it is bound to, if any."""

    port_id: str
    status: str
    server_id: str | None
    project_id: str


PromisedAnew = Callable[[Transaction, str], Awaitable[bool]]
"""Is given the id of a server whose ports are promised something else; False where it cannot have that."""
PortGone = Callable[[Transaction, str, str], Awaitable[None]]
"""Is given the id of a server and of its port that is deleted."""


Loader = Callable[
    [Transaction, Sequence[str]], Awaitable[dict[str, "list[Row] | CannotExpress | None"]]
]
"""What scopes of a kind are to hold, by their ids; None for what is gone. See `logic/specs.py`."""


class Network:
    """The room's belongings; one a control process."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        wakes: Wakes,
        northbound: Callable[[Callable[[str, bool], None]], Engine],
        settings: NetworkSettings,
        limits: Limits,
        events: Outbox,
        absence: Absence | None = None,
    ) -> None:
        self.limits = limits
        self.database = database
        self.clock = clock
        self.settings = settings
        self.northbound = northbound(self._port_moved)
        self.events = events
        self.absence = absence or Absence()
        """When nobody listened to hosts."""
        self.moved: dict[str, bool] = {}
        """Ports that the engine said are up or down, until the reconciler has written it."""
        self.dirty = asyncio.Event()
        self.connected = asyncio.Event()
        self.writes = False
        """Whether the reconciler runs in this process."""
        self.rounds = Pulse()
        """Beats when something was written into the engine, by the reconciler of this process or of another."""
        self.promised_anew: PromisedAnew | None = None
        """Asked, in the transaction that changes what a port of a server is promised."""
        self.port_gone: PortGone | None = None
        """Told, in the transaction, of the server whose port is deleted: whoever has servers puts itself here."""
        self.loaders: dict[str, Loader] = {}
        """Of the kinds of scopes that rooms above have put here; they touch these, and the reconciler writes them."""
        self._wakes = wakes
        wakes.on(CHANGED, self._is_dirty)
        wakes.on(WRITTEN, self._was_written)

    def close(self) -> None:
        """Hear of nothing any more: the service is being switched off."""
        self._wakes.off(CHANGED, self._is_dirty)
        self._wakes.off(WRITTEN, self._was_written)

    def _is_dirty(self, _words: list[str]) -> None:
        self.dirty.set()

    def _was_written(self, _words: list[str]) -> None:
        self.rounds.beat()

    def wake(self) -> None:
        """There is something for the reconciler, in whichever process it runs."""
        self._wakes.wake(CHANGED)

    def written(self) -> None:
        """The reconciler has written something."""
        self._wakes.wake(WRITTEN)

    def _port_moved(self, name: str, up: bool) -> None:
        self.moved[name] = up
        self.dirty.set()
