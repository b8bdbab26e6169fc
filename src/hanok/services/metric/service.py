"""The room as the house mounts it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from functools import partial

from hanok.events import Event
from hanok.rooms import CatalogEntry, House, Loop, Room, Rounds, WrongSettings
from hanok.services.metric import facade
from hanok.services.metric.facade import Metric, MetricSettings, Polled, Telemetry, WrongDefinition
from hanok.services.metric.policy import RULES
from hanok.services.metric.scrape import Scrape, secret_of
from hanok.store import Transaction
from hanok.web import faults
from hanok.web.routes import Route, Service

log = logging.getLogger(__name__)

FOLD_S = 15.0


def _routes() -> Sequence[Route]:
    from hanok.services.metric.routes import ROUTES  # see Service.routes

    return ROUTES


def service(room: Metric) -> Service:
    return Service(
        kind="metric",
        room=room,
        rules=RULES,
        mounts=("metric", "gnocchi"),
        routes=_routes,
        fault=faults.metric,
        media_types=("application/json", "application/json-patch+json"),
        offers=("application/json",),
        alone=False,
        query_closed=(0, 0),
    )


def _files(settings: MetricSettings) -> Telemetry:
    """
    Raises:
        WrongSettings
    """
    try:
        return facade.telemetry(settings.telemetry_folder)
    except WrongDefinition as error:
        raise WrongSettings(str(error)) from None


class MetricRoom(Room):
    name = "metric"
    needs = ("identity",)
    settings = MetricSettings
    catalog = CatalogEntry("metric", "gnocchi", "What servers and other things measure", "/metric")
    page_names = ("metrics",)

    def __init__(self, house: House) -> None:
        room = Metric(
            clock=house.clock,
            database=house.database,
            settings=house.settings("metric", MetricSettings),
        )
        self.facade = facade.Metrics(room, _files(room.settings))
        self.service = service(room)
        self.pages = {"metrics": Scrape(self.facade, secret_of(room.settings.scrape_token_file))}
        self._rounds = Rounds(house.bus, log, "metric's")
        self._house = house
        self._turn = asyncio.Lock()
        fold = Loop(name="metric.fold", run=self._fold, alone=True)
        poll = Loop(name="metric.poll", run=self._poll, alone=True)
        publish = Loop(name="metric.publish", run=self.facade.publish, alone=True)
        polls = room.settings.polling_interval_s > 0
        self.loops = (fold, publish, poll) if polls else (fold, publish)
        if self.facade.listens:
            house.events.on("", self._heard)

    async def first_rows(self, tx: Transaction) -> None:
        await facade.first_rows(tx)

    async def part(self, tx: Transaction) -> None:
        await self.facade.part(tx)

    async def _heard(self, event: Event) -> None:
        here = self._house.rooms.get(self.name) is self  # not one that was switched off
        if here and self.facade.concerns(event.kind):
            await self.facade.happened(self._house.notifications(event))

    async def poll(self) -> None:
        """Measure what each service has, once."""
        for one in self.facade.polling:
            await self._poll_one(one)

    async def _poll_one(self, polled: Polled) -> None:
        async with self._turn:  # two sources may mean the same thing, which is new
            for room in list(self._house.rooms.values()):
                if room.metered:  # one that cannot be measured holds up no other
                    await self._rounds.round(
                        partial(self.facade.collect, room.meters, room.metered, polled, room.name)
                    )

    async def _poll(self) -> None:
        await self._rounds.round(self.facade.forget_pages)
        async with asyncio.TaskGroup() as group:
            for one in self.facade.polling:
                every = self._rounds.every(one.interval_s, partial(self._poll_one, one))
                group.create_task(every)
            if not self.facade.polling:
                await asyncio.Event().wait()

    async def _fold(self) -> None:
        await self._rounds.every(FOLD_S, self.facade.fold)


build = MetricRoom
