"""What network's handlers, logic and reconcilers work with."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from msgspec import Struct

from hanok.base.clock import Clock
from hanok.drivers.ovn.northbound import NorthboundAPI
from hanok.store import Database


class NetworkSettings(Struct, frozen=True, kw_only=True):
    """An operator's choices.

    northbound: address of OVN's northbound database; empty for the simulated one.
    physical_network: name of the bridge mapping that leads outside.
    chassis: system ids that may carry routers' gateways; empty for every host that was heard of.
    down_after_s: a host that has not been heard of for so long counts as down.
    compare_s: how often everything is compared with everything.
    dns_domain: what follows the name of a server within its network.
    dns_servers: name servers for subnets that name none.
    """

    northbound: str = ""
    physical_network: str = "public"
    chassis: tuple[str, ...] = ()
    down_after_s: int = 75
    compare_s: float = 60.0
    zone: str = "nova"
    dns_domain: str = "openstacklocal"
    dns_servers: tuple[str, ...] = ()


class Engine(NorthboundAPI, Protocol):
    """A northbound client that can be told where to connect."""

    async def connect(self, remote: str) -> None: ...


class PortChanged(Struct, frozen=True):
    """A port's status changed. server_id: of the server it is bound to, if any."""

    port_id: str
    status: str
    server_id: str | None


class NetworkRoom:
    """The room's belongings; one a control process."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        northbound: Callable[[Callable[[str, bool], None]], Engine],
        settings: NetworkSettings,
    ) -> None:
        self.database = database
        self.clock = clock
        self.settings = settings
        self.northbound = northbound(self._port_moved)
        self.listeners: list[Callable[[PortChanged], None]] = []
        self.moved: dict[str, bool] = {}
        """Ports that the engine said are up or down, until the reconciler has written it."""
        self.dirty = asyncio.Event()
        self.round_done = asyncio.Condition()

    def wake(self) -> None:
        """There is something for the reconciler."""
        self.dirty.set()

    def _port_moved(self, name: str, up: bool) -> None:
        self.moved[name] = up
        self.dirty.set()
