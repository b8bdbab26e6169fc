"""The room as the house mounts it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

from hanok.base.errors import Unavailable
from hanok.base.metering import Metered
from hanok.events import Event
from hanok.rooms import CatalogEntry, Difference, House, Loop, Room
from hanok.services.identity import facade as identity
from hanok.services.image import facade
from hanok.services.image.logic import news
from hanok.services.image.policy import RULES
from hanok.services.image.room import Images, ImageSettings
from hanok.services.image.routes import ROUTES
from hanok.services.key_manager.facade import Keys
from hanok.services.object_storage.facade import ObjectStore
from hanok.store import Transaction
from hanok.web import faults
from hanok.web.routes import Service

log = logging.getLogger(__name__)

MEND_S = 60.0


def service(room: Images) -> Service:
    return Service(
        kind="image",
        room=room,
        rules=RULES,
        mounts=("image",),
        routes=ROUTES,
        fault=faults.image,
        trailing_slash=False,
        media_types=(
            "application/json",
            "application/openstack-images-v2.0-json-patch",
            "application/openstack-images-v2.1-json-patch",
        ),
    )


class ImageRoom(Room):
    name = "image"
    metered = ("image",)
    needs = ("identity",)
    settings = ImageSettings
    catalog = CatalogEntry("image", "glance", "Images of disks", "/image")
    keeps_files = True

    def __init__(self, house: House) -> None:
        self._house = house
        self.facade: Images = facade.build(
            house.database,
            house.clock,
            house.state / "images",
            house.settings("image", ImageSettings),
            folder=house.state / "control" / "images",
            operations=house.operations,
            events=house.events,
            registered=house.unified_limits("image"),
            endpoint=self._endpoint,
            image_service=self._image_service,
            keys=self._keys,
            secrets=house.facade(identity.Identity).secrets,
            objects=lambda: house.facade(ObjectStore),
            remote_files=bool(house.files_at),
        )
        self.service = service(self.facade)
        self.operations = [(kind, self.facade) for kind in facade.OPERATIONS]
        self.loops = (Loop(name="image.mend", run=self._mend, alone=True, with_files=True),)

    async def _endpoint(self, tx: Transaction, kind: str) -> str | None:
        return await identity.endpoint(tx, kind, self._house.region)

    def _keys(self) -> Keys | None:
        room = self._house.rooms.get("key_manager")
        return None if room is None else room.facade

    async def _image_service(self, tx: Transaction, region: str, interface: str) -> str | None:
        return await identity.service_address(tx, "image", region, interface)

    def notifications(self, event: Event) -> list[dict[str, Any]]:
        return news.notifications(event, "image.localhost")

    async def first_rows(self, tx: Transaction) -> None:
        await facade.bootstrap(tx, self._house.clock)

    def meters(self) -> AsyncIterator[Metered]:
        return facade.of_images(self._house.database)

    async def differences(self, *, mend: bool) -> list[Difference]:
        async with self._house.database.read() as tx:
            lines = await facade.differences(self.facade, tx)
        lines += await facade.store_differences(self.facade)
        return [Difference(what="image", detail=one) for one in lines]

    def close(self) -> None:
        facade.close(self.facade)

    async def _mend(self) -> None:
        while True:
            try:
                await facade.mend(self.facade)
            except Unavailable as error:
                log.warning("images wait: %s", error.message)
            await asyncio.sleep(MEND_S)


build = ImageRoom
