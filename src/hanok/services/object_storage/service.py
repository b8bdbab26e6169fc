"""The room as the house mounts it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress

from starlette.responses import Response

from hanok.base.errors import Unavailable
from hanok.base.metering import Metered
from hanok.drivers.byte_store import Full
from hanok.rooms import CatalogEntry, Difference, House, Loop, Room
from hanok.services.identity import facade as identity
from hanok.services.object_storage import facade
from hanok.services.object_storage.logic import moving
from hanok.services.object_storage.policy import RULES
from hanok.services.object_storage.room import ObjectStorageSettings, ObjectStore
from hanok.store import Transaction
from hanok.web.faults import FaultContext
from hanok.web.request import Request
from hanok.web.routes import Route, Service

log = logging.getLogger(__name__)

SWEEP_S = 60.0
LOOK_S = 2.0
ROLE = "ResellerAdmin"


def _routes() -> Sequence[Route]:
    from hanok.services.object_storage.routes import ROUTES  # see Service.routes

    return ROUTES


async def _anything(request: Request, room: ObjectStore) -> Response:
    from hanok.services.object_storage.routes import door

    return await door.anything(request, room)


def _fault(
    status: int, code: str, message: str, context: FaultContext, extra: Mapping[str, object]
) -> Response:
    from hanok.services.object_storage.routes import faults

    return faults.fault(status, code, message, context, extra)


def service(room: ObjectStore) -> Service:
    return Service(
        kind="object-store",
        room=room,
        rules=RULES,
        mounts=(),
        routes=_routes,
        fault=_fault,
        whole=_anything,
    )


class ObjectStorageRoom(Room):
    name = "object_storage"
    metered = ("swift_account",)
    needs = ("identity",)
    settings = ObjectStorageSettings
    own_port_setting = "objects_port"
    keeps_files = True
    catalog = CatalogEntry(
        "object-store",
        "swift",
        "Objects in containers",
        "/v1/AUTH_%(project_id)s",
        own_port="object_storage",
    )
    more_catalog = (CatalogEntry("s3", "s3", "Buckets by S3", "", own_port="object_storage"),)

    def __init__(self, house: House) -> None:
        self._house = house
        settings = house.settings("object_storage", ObjectStorageSettings)
        self.facade: ObjectStore = facade.build(
            house.database,
            house.clock,
            house.events,
            settings,
            house.state / "control" / "objects",
            house.facade(identity.Identity),
        )
        self.own_port = settings.objects_port
        self.service = service(self.facade)
        sweep = Loop(name="object_storage.sweep", run=self._sweep, alone=True, with_files=True)
        self.loops = (sweep,)
        if len(self.facade.store.places) > 1:
            self.loops += (
                Loop(name="object_storage.place", run=self._look),
                Loop(name="object_storage.move", run=self._move, alone=True, with_files=True),
            )

    async def first_rows(self, tx: Transaction) -> None:
        await identity.ensure_roles(tx, ROLE)

    async def part(self, tx: Transaction) -> None:
        await facade.forget_place(tx)

    def meters(self) -> AsyncIterator[Metered]:
        return facade.of_accounts(self._house.database)

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
                    await self._due()
            except TimeoutError:
                pass

    async def _look(self) -> None:
        while True:
            with suppress(Unavailable):
                await moving.look(self.facade)
            await asyncio.sleep(LOOK_S)

    async def _move(self) -> None:
        while True:
            try:
                await moving.move(self.facade)
            except* (Unavailable, OSError, Full) as errors:
                log.warning("objects are not moved: %s", errors.exceptions[0])
            await asyncio.sleep(LOOK_S)

    async def _due(self) -> None:
        """Wait until there is something to let go; where that stays a while, each round is soon enough."""
        if self.facade.settings.let_go_after_s > 0:
            await asyncio.Event().wait()
        await self.facade.freed.wait()


build = ObjectStorageRoom
