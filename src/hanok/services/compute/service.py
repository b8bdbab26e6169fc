"""The room as the house mounts it."""

from __future__ import annotations

from typing import Any

from hanok.events import Event, noun_of
from hanok.rooms import CatalogEntry, Difference, House, Loop, Room
from hanok.services.compute import facade, inventory
from hanok.services.compute.console_pages import Consoles
from hanok.services.compute.logic import notices, notifications
from hanok.services.compute.policy import RULES
from hanok.services.compute.reconcilers import Reconcilers
from hanok.services.compute.room import Compute, ComputeSettings
from hanok.services.compute.routes import MICROVERSIONS, ROUTES
from hanok.services.identity.facade import Identity
from hanok.services.image.facade import Images
from hanok.services.network.facade import Network
from hanok.web import faults
from hanok.web.routes import Service


def service(room: Compute) -> Service:
    return Service(
        kind="compute",
        room=room,
        rules=RULES,
        mounts=("compute",),
        routes=ROUTES,
        fault=faults.compute,
        microversions=MICROVERSIONS,
        optional_project="v2.1",
        older="v2",
        trailing_slash=False,
        query_closed=(2, 102),
    )


class ComputeRoom(Room):
    name = "compute"
    needs = ("identity", "placement", "image", "network")
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
            settings=house.settings("compute", ComputeSettings),
        )
        self.service = service(self.facade)
        self.operations = [(kind, self.facade) for kind in facade.OPERATIONS]
        self._reconcilers = Reconcilers(self.facade, house.node_name)
        self.loops = (
            Loop(name="compute.registration", run=self._reconcilers.register_always),
            Loop(name="compute.reconciler", run=self._reconcilers.run, alone=True),
        )
        standing = house.facade(Identity).tokens.standing
        self.pages = {"console": Consoles(self.facade, standing, house.names).app()}

    async def listen(self) -> None:
        await self._reconcilers.listen()

    async def unlisten(self) -> None:
        await self._reconcilers.unlisten()

    def notifications(self, event: Event) -> list[dict[str, Any]]:
        if noun_of(event.kind) in notices.OBJECTS:
            return notices.notifications(event)
        return notifications.notifications(event)

    async def differences(self, *, mend: bool) -> list[Difference]:
        return await inventory.differences(self.facade, mend=mend)


build = ComputeRoom
