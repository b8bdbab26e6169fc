"""The room as the house mounts it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

from hanok.base.metering import Metered
from hanok.events import Event, envelope
from hanok.rooms import CatalogEntry, Difference, House, Loop, OnHost, Room
from hanok.services.block_storage import facade
from hanok.services.block_storage.facade import BlockStorage
from hanok.services.block_storage.microversions import MICROVERSIONS
from hanok.services.block_storage.policy import RULES
from hanok.services.block_storage.reconcilers import Reconcilers
from hanok.services.block_storage.room import BlockStorageSettings, Volumes
from hanok.services.image.facade import Images
from hanok.services.object_storage.facade import ObjectStore
from hanok.store import Transaction
from hanok.web import faults
from hanok.web.routes import Route, Service

KIND = "block-storage"


def _routes() -> Sequence[Route]:
    from hanok.services.block_storage.routes import ROUTES  # see Service.routes

    return ROUTES


def service(room: Volumes) -> Service:
    return Service(
        kind=KIND,
        room=room,
        rules=RULES,
        mounts=("volume", "block-storage"),
        routes=_routes,
        fault=faults.compute,
        microversions=MICROVERSIONS,
        optional_project="v3",
        trailing_slash=False,
        query_closed=(3, 31),
    )


class BlockStorageRoom(Room):
    name = "block_storage"
    metered = ("volume",)
    needs = ("identity", "image")
    settings = BlockStorageSettings
    catalog = CatalogEntry(KIND, "cinder", "Volumes", "/volume/v3")
    more_catalog = (
        CatalogEntry("volumev3", "cinderv3", "Volumes, for older clients", "/volume/v3"),
    )

    def __init__(self, house: House) -> None:
        self._house = house
        settings = house.settings("block_storage", BlockStorageSettings)
        self._room = Volumes(
            clock=house.clock,
            database=house.database,
            bus=house.bus,
            operations=house.operations,
            events=house.events,
            images=house.facade(Images),
            copies=house.copies,
            tickets=house.tickets,
            secrets=house.cloud_key,
            node_name=house.node_name,
            absence=house.absence(self.name),
            registered=house.unified_limits(KIND),
            settings=settings,
            backup_store=facade.backup_store(
                settings.backups,
                house.state / "control" / "backups",
                lambda: house.facade(ObjectStore),
            ),
        )
        self.facade = BlockStorage(self._room)
        self.service = service(self._room)
        self.operations = [(kind, self._room) for kind in facade.OPERATIONS]
        self._reconcilers = Reconcilers(self._room)
        self.loops = (
            Loop(name="block_storage.first_questions", run=self._reconcilers.ask_first),
            Loop(name="block_storage.registration", run=self._reconcilers.register_always),
            Loop(name="block_storage.forget", run=self._reconcilers.forget_always, alone=True),
        )

    async def listen(self) -> None:
        await self._reconcilers.listen()

    async def unlisten(self) -> None:
        await self._reconcilers.unlisten()

    async def first_rows(self, tx: Transaction) -> None:
        await facade.bootstrap(tx, self._room)

    def notifications(self, event: Event) -> list[dict[str, Any]]:
        kind = event.kind.partition(".")[2]
        return [envelope(event, kind, f"volume.{self._room.node_name}", event.payload)]

    def meters(self) -> AsyncIterator[Metered]:
        return facade.of_volumes(self._house.database)

    def on_hosts(self) -> AsyncIterator[OnHost]:
        return facade.on_hosts(self._room)

    async def differences(self, *, mend: bool) -> list[Difference]:
        found: list[Difference] = await self.facade.differences(mend=mend)
        return found


build = BlockStorageRoom
