"""The room as the house mounts it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

from hanok.base.metering import Metered
from hanok.events import Event, noun_of
from hanok.rooms import CatalogEntry, Difference, House, Loop, OnHost, Room
from hanok.services.block_storage.facade import BlockStorage
from hanok.services.compute import facade, inventory
from hanok.services.compute.console_pages import Consoles
from hanok.services.compute.logic import notices, notifications
from hanok.services.compute.microversions import MICROVERSIONS
from hanok.services.compute.policy import RULES
from hanok.services.compute.reconcilers import Reconcilers
from hanok.services.compute.room import Compute, ComputeSettings
from hanok.services.identity.facade import Identity
from hanok.services.image.facade import Images
from hanok.services.network.facade import Network
from hanok.web import faults
from hanok.web.routes import Route, Service


def _routes() -> Sequence[Route]:
    from hanok.services.compute.routes import ROUTES  # see Service.routes

    return ROUTES


def service(room: Compute) -> Service:
    return Service(
        kind="compute",
        request_id_header="x-compute-request-id",
        room=room,
        rules=RULES,
        mounts=("compute",),
        routes=_routes,
        fault=faults.compute,
        microversions=MICROVERSIONS,
        optional_project="v2.1",
        older="v2",
        trailing_slash=False,
        query_closed=(2, 102),
    )


class ComputeRoom(Room):
    name = "compute"
    metered = ("instance", "instance_disk", "instance_network_interface")
    needs = ("identity", "placement", "image", "network")
    remembers = True  # the actions of its servers
    settings = ComputeSettings
    catalog = CatalogEntry("compute", "nova", "Servers", "/compute/v2.1")

    def __init__(self, house: House) -> None:
        self._house = house
        self.facade: Compute = facade.build(
            database=house.database,
            clock=house.clock,
            bus=house.bus,
            operations=house.operations,
            events=house.events,
            network=house.facade(Network),
            images=house.facade(Images),
            copies=house.copies,
            tickets=house.tickets,
            ask=house.ask,
            registered=house.unified_limits("compute"),
            secrets=house.facade(Identity).secrets,
            find_volumes=self._volumes,
            peers=house.peers,
            absence=house.absence(self.name),
            settings=house.settings("compute", ComputeSettings),
        )
        self.service = service(self.facade)
        self.operations = [(kind, self.facade) for kind in facade.OPERATIONS]
        self._reconcilers = Reconcilers(self.facade, house.node_name)
        self.loops = (
            Loop(name="compute.registration", run=self._reconcilers.register_always),
            Loop(name="compute.watch", run=self._reconcilers.watch_always, alone=True),
            Loop(name="compute.reconciler", run=self._reconcilers.run, alone=True),
        )
        self._listens = False
        house.events.on("volume.extended", self._volume_extended)
        standing = house.facade(Identity).tokens.standing
        self.pages = {"console": Consoles(self.facade, standing, house.names).app()}

    def _volumes(self) -> BlockStorage | None:
        """Block storage, which may be switched off and on while this room goes on."""
        room = self._house.rooms.get("block_storage")
        found = None if room is None else room.facade
        if not isinstance(found, BlockStorage):
            return None
        found.know_servers(facade)
        return found

    async def listen(self) -> None:
        self._volumes()
        self._listens = True
        await self._reconcilers.listen()

    async def _volume_extended(self, event: Event) -> None:
        if self._listens:
            said, room = event.payload, self.facade
            async with room.database.write() as tx:
                await facade.extended(room, tx, said["id"], said["server_ids"], event.user_id)

    async def unlisten(self) -> None:
        self._listens = False
        await self._reconcilers.unlisten()

    def notifications(self, event: Event) -> list[dict[str, Any]]:
        if noun_of(event.kind) in notices.OBJECTS:
            return notices.notifications(event)
        return notifications.notifications(event)

    def meters(self) -> AsyncIterator[Metered]:
        return facade.of_servers(self.facade)

    def on_hosts(self) -> AsyncIterator[OnHost]:
        return facade.on_hosts(self.facade)

    async def differences(self, *, mend: bool) -> list[Difference]:
        return await inventory.differences(self.facade, mend=mend)


build = ComputeRoom
