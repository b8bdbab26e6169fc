"""The room as the house mounts it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

from hanok.base.metering import Metered
from hanok.drivers.ovn.northbound import Northbound
from hanok.drivers.ovn.simulated import SimulatedNorthbound
from hanok.events import Event, envelope
from hanok.rooms import CatalogEntry, Difference, House, Loop, Room
from hanok.services.identity import facade as identity
from hanok.services.network import facade as networks
from hanok.services.network.facade import Network, NetworkSettings
from hanok.services.network.policy import RULES
from hanok.services.network.reconcilers import NetworkReconciler
from hanok.store import Transaction
from hanok.web import faults
from hanok.web.routes import Route, Service


def _routes() -> Sequence[Route]:
    from hanok.services.network.routes import ROUTES  # see Service.routes

    return ROUTES


def service(room: Network) -> Service:
    return Service(
        kind="network",
        room=room,
        rules=RULES,
        mounts=("network",),
        routes=_routes,
        fault=faults.network,
        # The reference has underscores, and so has the SDK; other clients write hyphens, as in most addresses.
        respelled={"network-segment-ranges": "network_segment_ranges"},
    )


class NetworkRoom(Room):
    name = "network"
    metered = ("network",)
    needs = ("identity",)
    settings = NetworkSettings
    catalog = CatalogEntry("network", "neutron", "Networks, addresses, routers", "/network")

    def __init__(self, house: House) -> None:
        self._house = house
        self._settings = settings = house.settings("network", NetworkSettings)
        real = bool(settings.northbound)
        self.facade = networks.build(
            database=house.database,
            clock=house.clock,
            wakes=house.wakes,
            events=house.events,
            northbound=lambda tell: (
                Northbound(on_port=tell, seal=settings.seal)
                if real
                else SimulatedNorthbound(on_port=tell)
            ),
            absence=house.absence(self.name),
            settings=settings,
            registered=house.unified_limits("network"),
        )
        self.service = service(self.facade)
        reconciler = NetworkReconciler(self.facade)
        self.loops = (
            Loop(name="network.connection", run=reconciler.stay_connected),
            Loop(name="network.reconciler", run=reconciler.run, alone=True),
        )

    def notifications(self, event: Event) -> list[dict[str, Any]]:
        # The field's names do not begin with the service.
        event_type = event.kind.removeprefix("network.")
        return [envelope(event, event_type, "network.localhost", event.payload)]

    def meters(self) -> AsyncIterator[Metered]:
        return networks.of_floating_ips(self._house.database)

    async def first_rows(self, tx: Transaction) -> None:
        await networks.ensure_first_rules(tx, self._house.clock.now())
        await networks.ensure_segment_ranges(tx, self.facade)
        if self._settings.public_cidr:
            project_id = await identity.first_project(tx)
            await networks.ensure_public(
                tx,
                self.facade,
                cidr=self._settings.public_cidr,
                gateway=self._settings.public_gateway,
                project_id=project_id,
            )

    def close(self) -> None:
        self.facade.close()

    async def differences(self, *, mend: bool) -> list[Difference]:
        if not self._settings.northbound and not self.facade.writes:
            return []  # the process that writes a simulated network is the one that holds it
        lines = await networks.lasting_differences(self.facade)
        return [Difference(what="network", detail=one) for one in lines]


build = NetworkRoom
