"""The room as the house mounts it."""

from __future__ import annotations

from collections.abc import Sequence

from hanok.rooms import CatalogEntry, Difference, House, Room
from hanok.services.placement import facade
from hanok.services.placement.microversions import MICROVERSIONS, SINCE
from hanok.services.placement.policy import RULES
from hanok.services.placement.room import Placement
from hanok.web import faults
from hanok.web.routes import Route, Service


def _routes() -> Sequence[Route]:
    from hanok.services.placement.routes import ROUTES  # see Service.routes

    return ROUTES


def service(room: Placement) -> Service:
    return Service(
        kind="placement",
        room=room,
        rules=RULES,
        mounts=("placement",),
        routes=_routes,
        fault=faults.placement,
        microversions=MICROVERSIONS,
        header_since=SINCE,
        offers=("application/json",),
        typed=True,
    )


class PlacementRoom(Room):
    name = "placement"
    needs = ("identity",)
    catalog = CatalogEntry(
        "placement", "placement", "What hosts have and who uses it", "/placement"
    )

    def __init__(self, house: House) -> None:
        self._house = house
        self.facade = facade.build(house.clock)
        self.service = service(self.facade)

    async def differences(self, *, mend: bool) -> list[Difference]:
        async with self._house.database.read() as tx:
            lines = await facade.miscounted(tx)
        if mend and lines:
            async with self._house.database.write() as tx:
                await facade.recount(tx)
        return [Difference(what="count", detail=one, mendable=True, mended=mend) for one in lines]


build = PlacementRoom
