"""The room as the house mounts it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from hanok.base.errors import NotFound
from hanok.base.metering import Metered
from hanok.rooms import CatalogEntry, Difference, House, Loop, Room
from hanok.services.network.facade import Network
from hanok.services.shared_file_system import facade
from hanok.services.shared_file_system.facade import SharedFileSystems
from hanok.services.shared_file_system.microversions import MICROVERSIONS
from hanok.services.shared_file_system.policy import RULES
from hanok.services.shared_file_system.reconcilers import Reconcilers
from hanok.services.shared_file_system.room import SharedFileSystemSettings, Shares
from hanok.store import Transaction
from hanok.web import faults
from hanok.web.routes import Route, Service

KIND = "shared-file-system"


def _routes() -> Sequence[Route]:
    from hanok.services.shared_file_system.routes import ROUTES  # see Service.routes

    return ROUTES


def service(room: Shares) -> Service:
    return Service(
        kind=KIND,
        room=room,
        rules=RULES,
        mounts=("share",),
        routes=_routes,
        fault=faults.compute,
        microversions=MICROVERSIONS,
        optional_project="v2",
        older="v1",
        experimental="X-OpenStack-Manila-API-Experimental",
        no_method=NotFound,
        unversioned=("/",),
        request_id_header="x-compute-request-id",
        method_is_part=True,
        alone=False,
        trailing_slash=False,
    )


class SharedFileSystemRoom(Room):
    name = "shared_file_system"
    needs = ("identity", "network")
    metered = ("manila_share",)
    settings = SharedFileSystemSettings
    catalog = CatalogEntry(KIND, "manila", "Shared file systems", "/share/v2")
    more_catalog = (
        CatalogEntry("sharev2", "manilav2", "Shared file systems", "/share/v2"),
        CatalogEntry("share", "manilav1", "Shared file systems, for older clients", "/share/v1"),
    )

    def __init__(self, house: House) -> None:
        self._house = house
        self._room = Shares(
            clock=house.clock,
            database=house.database,
            bus=house.bus,
            operations=house.operations,
            events=house.events,
            network=house.facade(Network),
            node_name=house.node_name,
            absence=house.absence(self.name),
            secrets=house.cloud_key,
            registered=house.unified_limits(KIND),
            settings=house.settings("shared_file_system", SharedFileSystemSettings),
        )
        self.facade = SharedFileSystems(self._room)
        self.service = service(self._room)
        self.operations = [(kind, self._room) for kind in facade.OPERATIONS]
        self._reconcilers = Reconcilers(self._room)
        self.loops = (
            Loop(name="shared_file_system.first_questions", run=self._reconcilers.ask_first),
            Loop(name="shared_file_system.registration", run=self._reconcilers.register_always),
            Loop(name="shared_file_system.forget", run=self._reconcilers.forget_always, alone=True),
        )

    async def listen(self) -> None:
        await self._reconcilers.listen()

    async def unlisten(self) -> None:
        await self._reconcilers.unlisten()

    async def first_rows(self, tx: Transaction) -> None:
        await facade.bootstrap(tx, self._room)

    def meters(self) -> AsyncIterator[Metered]:
        return facade.of_shares(self._house.database)

    async def differences(self, *, mend: bool) -> list[Difference]:
        found: list[Difference] = await self.facade.differences(mend=mend)
        return found


build = SharedFileSystemRoom
