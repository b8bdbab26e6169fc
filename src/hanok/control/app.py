"""Builds everything once and hands it over: rooms, routes, the engine of operations."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from hanok.base.clock import Clock
from hanok.base.errors import HanokError, Unavailable
from hanok.bus import Bus, MemoryBus
from hanok.control import house
from hanok.control.inventory import World
from hanok.control.settings import ControlSettings
from hanok.drivers.ovn.northbound import Northbound
from hanok.drivers.ovn.simulated import SimulatedNorthbound
from hanok.operations import Worker
from hanok.services.compute import facade as compute
from hanok.services.compute.console_pages import Consoles
from hanok.services.compute.reconcilers import Reconcilers as ComputeReconcilers
from hanok.services.compute.service import service as compute_service
from hanok.services.identity import facade as identity
from hanok.services.identity.service import service as identity_service
from hanok.services.image import facade as image
from hanok.services.image.service import service as image_service
from hanok.services.network.facade import Network, NetworkSettings
from hanok.services.network.reconcilers import NetworkReconciler
from hanok.services.network.service import service as network_service
from hanok.services.placement import facade as placement
from hanok.services.placement.service import service as placement_service
from hanok.store import Database, Transaction, migrate
from hanok.web import inside
from hanok.web.app import Application
from hanok.web.names import Names
from hanok.web.routes import Service

MEND_S = 60.0
ROTATE_S = 3600.0

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
        self.identity = identity.build(
            self.database,
            clock,
            settings.keys,
            settings.identity,
            secret_keys=settings.secret_keys,
            saml_keys=settings.saml_keys,
        )
        self.placement = placement.build(clock)
        self.images = image.build(
            self.database,
            clock,
            settings.images,
            settings.image,
            folder=settings.image_folder,
            wake=self._wake,
            endpoint=self._endpoint,
            image_service=self._image_service,
            limits=self._image_limits,
            secrets=self.identity.secrets,
        )
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
                dns_domain=settings.dns_domain,
                dns_servers=settings.dns_servers,
            ),
        )
        self.compute = compute.build(
            database=self.database,
            clock=clock,
            bus=bus,
            wake=self._wake,
            network=self.network,
            images=self.images,
            snapshots=settings.snapshots,
            ask=lambda *asked: inside.ask(self.app, *asked),
            settings=settings.compute,
        )
        self.worker = Worker(
            self.database,
            bus,
            clock,
            [
                *((kind, self.compute) for kind in compute.OPERATIONS),
                *((kind, self.images) for kind in image.OPERATIONS),
            ],
            name=settings.node_name,
        )
        self.reconcilers = ComputeReconcilers(self.compute, settings.node_name)
        self.world = World(
            database=self.database,
            clock=clock,
            bus=bus,
            compute=self.compute,
            images=self.images,
            network=self.network,
            identity=self.identity,
        )
        names = Names(settings.names, settings.host, settings.port)
        self.app = Application(
            self.services(),
            database=self.database,
            authenticate=self.identity.tokens.validate,
            clock=clock,
            policy_files=self._policy_files,
            front=settings.front,
            names=names,
            pages={"console": Consoles(self.compute, self.identity.tokens.standing, names).app()},
        )

    def services(self) -> list[Service]:
        """Every room's doors."""
        return [
            identity_service(self.identity),
            placement_service(self.placement),
            image_service(self.images),
            network_service(self.network),
            compute_service(self.compute),
            house.service(self.world),
        ]

    async def _image_limits(self, tx: Transaction, project_id: str) -> dict[str, int]:
        """What is registered with identity counts; where nothing is, the operator's settings do."""
        registered = await identity.limits(tx, "image", project_id, self.settings.region)
        return {**self.settings.image.limits, **registered}

    def _wake(self) -> None:
        self.worker.wake()

    async def _endpoint(self, tx: Transaction, kind: str) -> str | None:
        return await identity.endpoint(tx, kind, self.settings.region)

    async def _image_service(self, tx: Transaction, region: str, interface: str) -> str | None:
        return await identity.service_address(tx, "image", region, interface)

    def _policy_files(self, kind: str) -> tuple[Path, ...]:
        folder = self.settings.policies
        return folder / "policy.yaml", folder / f"{kind}.yaml"

    async def prepare(self, admin_password: str) -> None:
        """Tables and first rows; what is there stays."""
        # In a thread, while this one makes the tables.
        hashing = asyncio.ensure_future(self.identity.passwords.hash(admin_password))
        try:
            await asyncio.sleep(0)
            await migrate.ensure(self.database)
            hashed = await hashing
        finally:
            hashing.cancel()
        async with self.database.write() as tx:
            await tx.serialize(
                "first rows"
            )  # another control process may start at this moment, too
            project_id = await identity.bootstrap(
                tx,
                self.clock,
                admin_password_hash=hashed,
                region=self.settings.region,
                catalog=CATALOG,
            )
            await image.bootstrap(tx, self.clock)
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
            await control.reconcilers.listen()
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(loop()) for loop in control.loops()]
                try:
                    yield control
                finally:
                    for task in tasks:
                        task.cancel()
        finally:
            image.close(control.images)
            await own_bus.close()
            await control.database.close()

    def loops(self) -> list[Callable[[], Coroutine[Any, Any, None]]]:
        """Everything that runs beside requests, for as long as the process does."""
        return [
            self.worker.run,
            self.reconcilers.run,
            NetworkReconciler(self.network.room).run,
            self._mend_images,
            self._rotate_keys,
            self._follow_directories,
        ]

    async def _rotate_keys(self) -> None:
        while True:
            try:
                await identity.forget_past(self.database, self.identity)
                if await identity.rotate_keys_in_time(self.database, self.identity):
                    log.info("the keys of tokens and secrets were rotated")
            except (Unavailable, OSError) as error:
                log.warning("keys are not rotated: %s", error)
            await asyncio.sleep(ROTATE_S)

    async def _follow_directories(self) -> None:
        while True:
            try:
                await identity.follow_directories(self.database, self.identity)
            except HanokError as error:
                log.warning("directories are not followed: %s %s", error.message, error.detail)
            await asyncio.sleep(self.settings.identity.directory_s)

    async def _mend_images(self) -> None:
        while True:
            try:
                await image.mend(self.images)
            except Unavailable as error:
                log.warning("images wait: %s", error.message)
            await asyncio.sleep(MEND_S)
