"""The room as the house mounts it."""

from __future__ import annotations

import asyncio
import logging

from hanok.base.errors import Unavailable
from hanok.rooms import CatalogEntry, Difference, House, Loop, Room
from hanok.services.identity import facade as identity
from hanok.services.object_storage import facade
from hanok.services.object_storage.policy import RULES
from hanok.services.object_storage.room import ObjectStorageSettings, ObjectStore
from hanok.services.object_storage.routes import ROUTES, door, faults
from hanok.store import Transaction
from hanok.web.routes import Service

log = logging.getLogger(__name__)

SWEEP_S = 60.0
ROLE = "ResellerAdmin"


def service(room: ObjectStore) -> Service:
    return Service(
        kind="object-store",
        room=room,
        rules=RULES,
        mounts=(),
        routes=ROUTES,
        fault=faults.fault,
        whole=door.answer,
    )


class ObjectStorageRoom(Room):
    name = "object_storage"
    needs = ("identity",)
    settings = ObjectStorageSettings
    own_port_setting = "objects_port"
    catalog = CatalogEntry(
        "object-store",
        "swift",
        "Objects in containers",
        "/v1/AUTH_%(project_id)s",
        own_port="object_storage",
    )

    def __init__(self, house: House) -> None:
        self._house = house
        settings = house.settings("object_storage", ObjectStorageSettings)
        self.facade: ObjectStore = facade.build(
            house.database, house.clock, house.events, settings, house.state / "control" / "objects"
        )
        self.own_port = settings.objects_port
        self.service = service(self.facade)
        self.loops = (Loop(name="object_storage.sweep", run=self._sweep, alone=True),)

    async def first_rows(self, tx: Transaction) -> None:
        await identity.ensure_role(tx, ROLE)

    async def differences(self, *, mend: bool) -> list[Difference]:
        found = await facade.differences(self.facade, mend=mend)
        return [
            Difference(what=what, detail=detail, mendable=mendable, mended=mend and mendable)
            for what, detail, mendable in found
        ]

    def close(self) -> None:
        self.facade.close()

    async def _sweep(self) -> None:
        whole = True  # the first time and then once an hour: what broken writes left
        rounds = 0
        while True:
            self.facade.freed.clear()
            try:
                await facade.sweep(self.facade, everything=whole)
            except (Unavailable, OSError) as error:
                log.warning("objects are not swept: %s", error)
            rounds += 1
            whole = rounds % 60 == 0
            try:
                async with asyncio.timeout(SWEEP_S):
                    await self.facade.freed.wait()
            except TimeoutError:
                pass


build = ObjectStorageRoom
