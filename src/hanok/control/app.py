"""Builds everything once and hands it over: rooms, routes, the engine of operations."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from hanok.base.clock import Clock
from hanok.bus import Bus, MemoryBus
from hanok.control.settings import ControlSettings
from hanok.drivers.ovn.northbound import Northbound
from hanok.drivers.ovn.simulated import SimulatedNorthbound
from hanok.services.identity import facade as identity
from hanok.services.identity.service import service as identity_service
from hanok.services.network.facade import Network, NetworkSettings
from hanok.services.network.reconcilers import NetworkReconciler
from hanok.services.network.service import service as network_service
from hanok.services.placement import facade as placement
from hanok.services.placement.service import service as placement_service
from hanok.store import Database
from hanok.web.app import Application

log = logging.getLogger(__name__)

CATALOG = (
    identity.CatalogEntry("identity", "keystone", "Who may sign in, and what they may do", "/v3"),
    identity.CatalogEntry("image", "glance", "Images of disks", "/image"),
    identity.CatalogEntry("compute", "nova", "Servers", "/compute/v2.1"),
    identity.CatalogEntry(
        "placement", "placement", "What hosts have and who uses it", "/placement"
    ),
    identity.CatalogEntry("network", "neutron", "Networks, addresses, routers", "/network"),
)


class Control:
    """A control process's worth of everything."""

    def __init__(self, settings: ControlSettings, clock: Clock, bus: Bus) -> None:
        self.settings = settings
        self.clock = clock
        self.bus = bus
        self.database = Database(settings.database_url, durable=settings.durable)
        self.identity = identity.build(self.database, clock, settings.keys, settings.identity)
        self.placement = placement.build(clock)
        self.network = Network(
            database=self.database,
            clock=clock,
            northbound=lambda tell: (
                Northbound(on_port=tell)
                if settings.northbound
                else SimulatedNorthbound(on_port=tell)
            ),
            settings=NetworkSettings(
                northbound=settings.northbound,
                physical_network=settings.physical_network,
                chassis=settings.chassis,
            ),
        )
        self.app = Application(
            [
                identity_service(self.identity),
                placement_service(self.placement),
                network_service(self.network),
            ],
            database=self.database,
            authenticate=self.identity.tokens.validate,
            clock=clock,
            policy_file=self._policy_file,
        )

    def _policy_file(self, kind: str) -> Path | None:
        own = self.settings.policies / f"{kind}.yaml"
        return own if own.exists() else self.settings.policies / "policy.yaml"

    async def prepare(self, admin_password: str) -> None:
        """Tables and first rows; what is there stays."""
        await self.database.create_tables()
        hashed = await self.identity.passwords.hash(admin_password)
        async with self.database.write() as tx:
            project_id = await identity.bootstrap(
                tx,
                self.clock,
                admin_password_hash=hashed,
                region=self.settings.region,
                catalog=CATALOG,
            )
            if self.settings.public_cidr:
                await self.network.ensure_public(
                    tx,
                    cidr=self.settings.public_cidr,
                    gateway=self.settings.public_gateway,
                    project_id=project_id,
                )

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
        """A control that serves and works until the block is left."""
        own_bus = bus or MemoryBus()
        control = cls(settings, clock or Clock(), own_bus)
        await control.database.open()
        try:
            await control.prepare(admin_password)
            async with asyncio.TaskGroup() as group:
                tasks = control.start(group)
                try:
                    yield control
                finally:
                    for task in tasks:
                        task.cancel()
        finally:
            await own_bus.close()
            await control.database.close()

    def start(self, group: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
        """Everything that runs beside requests."""
        return [group.create_task(NetworkReconciler(self.network.room).run())]
