"""The room as the house mounts it."""

from __future__ import annotations

import logging

from hanok.bus import Listening
from hanok.events import outbox
from hanok.rooms import House, Room
from hanok.services.dashboard.pages import Pages
from hanok.services.dashboard.policy import RULES
from hanok.services.dashboard.room import Dashboard, DashboardSettings
from hanok.services.dashboard.sessions import Sessions
from hanok.services.dashboard.streams import Streams
from hanok.services.identity.facade import Identity
from hanok.web import faults
from hanok.web.routes import Service

log = logging.getLogger(__name__)


class DashboardRoom(Room):
    name = "dashboard"
    needs = ("identity",)
    settings = DashboardSettings
    page_names = ("dashboard",)

    def __init__(self, house: House) -> None:
        self._house = house
        settings = house.settings("dashboard", DashboardSettings)
        self.facade = Dashboard(
            house=house,
            clock=house.clock,
            door=house.door,
            sessions=Sessions(house.cloud_key, house.clock),
            streams=Streams(settings.streams, settings.streams_each_user),
        )
        self.service = Service(
            kind="dashboard",
            room=self.facade,
            rules=RULES,
            mounts=(),
            routes=(),
            fault=faults.identity,
        )
        validate = house.facade(Identity).tokens.validate
        self.pages = {"dashboard": Pages(self.facade, validate)}
        self._listening: Listening | None = None

    async def listen(self) -> None:
        """Every control process hears of all events, whichever of them tells."""
        self._listening = await self._house.bus.listen(f"{outbox.SUBJECT}.>", self._heard)

    async def _heard(self, _subject: str, payload: bytes) -> None:
        self.facade.streams.tell(outbox.decode(payload))

    def ending(self) -> None:
        self.facade.streams.end()

    async def unlisten(self) -> None:
        self.ending()
        if self._listening is not None:
            await self._listening.end()
            self._listening = None


build = DashboardRoom
