"""The room as the house mounts it."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from hanok.base.errors import NotSignedIn
from hanok.events import Event
from hanok.rooms import CatalogEntry, House, Loop, Room, Rounds
from hanok.services.alarming import facade
from hanok.services.alarming.facade import Alarming, AlarmingSettings
from hanok.services.alarming.policy import RULES
from hanok.services.identity import facade as identity
from hanok.services.metric.facade import Metrics
from hanok.web import faults
from hanok.web.routes import Route, Service

log = logging.getLogger(__name__)

EVALUATE_S, TELL_S = 5.0, 2.0  # how often it is looked what is due


def _routes() -> Sequence[Route]:
    from hanok.services.alarming.routes import ROUTES  # see Service.routes

    return ROUTES


def service(room: Alarming) -> Service:
    return Service(
        kind="alarming",
        room=room,
        rules=RULES,
        mounts=("alarming", "aodh"),
        routes=_routes,
        fault=faults.alarming,
        alone=False,
        query_closed=(0, 0),
    )


class AlarmingRoom(Room):
    name = "alarming"
    needs = ("identity", "metric")
    settings = AlarmingSettings
    catalog = CatalogEntry(
        "alarming", "aodh", "Alarms on what is measured and happens", "/alarming"
    )

    def __init__(self, house: House) -> None:
        self._house = house
        room = Alarming(
            clock=house.clock,
            database=house.database,
            metrics=house.facade(Metrics),
            ask_as=house.ask_as,
            lend=self._lend,
            borrow=self._borrow,
            told=house.notifications,
            balances=lambda: "load_balancer" in house.rooms,
            settings=house.settings("alarming", AlarmingSettings),
        )
        self.facade = facade.Alarms(room)
        self.service = service(room)
        self._rounds = Rounds(house.bus, log, "alarming's")
        self.loops = (
            Loop(name="alarming.evaluate", run=self._evaluate, alone=True),
            Loop(name="alarming.tell", run=self._tell, alone=True),
        )
        house.events.on("", self._heard)

    async def _heard(self, event: Event) -> None:
        if self._house.rooms.get(self.name) is self:  # not one that was switched off
            await self.facade.hear(event)

    def _lend(self, token: str) -> str:
        raw = identity.lent(self._house.facade(identity.Identity), token)
        if raw is None:
            raise NotSignedIn("The request you have made requires authentication.")
        return str(self._house.cloud_key.seal(raw))

    async def _borrow(self, lent: str) -> str:
        raw = self._house.cloud_key.open(lent)
        if raw is None:
            raise NotSignedIn("What was lent cannot be opened any more.")
        return await identity.borrowed(self._house.facade(identity.Identity), raw)

    async def _evaluate(self) -> None:
        await self._rounds.every(EVALUATE_S, self.facade.evaluate)

    async def _tell(self) -> None:
        await self._rounds.every(TELL_S, self.facade.tell)


build = AlarmingRoom
