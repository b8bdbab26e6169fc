"""The room as the house mounts it."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from hanok.limits import Limits
from hanok.rooms import CatalogEntry, House, Loop, Room, Rounds
from hanok.services.identity import facade as identity
from hanok.services.key_manager import facade
from hanok.services.key_manager.logic import stores
from hanok.services.key_manager.microversions import MICROVERSIONS
from hanok.services.key_manager.operations import GeneratePair
from hanok.services.key_manager.policy import RULES
from hanok.services.key_manager.room import KeyManager, KeyManagerSettings, resources
from hanok.store import Transaction
from hanok.web import faults
from hanok.web.routes import Route, Service

log = logging.getLogger(__name__)

KIND = "key-manager"
ROLES = ("creator", "observer", "audit", "key-manager:service-admin")
FORGET_S = 300.0  # how often it is looked which secrets have expired


def _routes() -> Sequence[Route]:
    from hanok.services.key_manager.routes import ROUTES  # see Service.routes

    return ROUTES


def service(room: KeyManager) -> Service:
    return Service(
        kind=KIND,
        room=room,
        rules=RULES,
        mounts=(KIND,),
        routes=_routes,
        fault=faults.key_manager,
        microversions=MICROVERSIONS,
        alone=False,
    )


class KeyManagerRoom(Room):
    name = "key_manager"
    needs = ("identity",)
    settings = KeyManagerSettings
    catalog = CatalogEntry(KIND, "barbican", "Secrets, sealed, and containers of them", f"/{KIND}")

    def __init__(self, house: House) -> None:
        settings = house.settings("key_manager", KeyManagerSettings)
        room = KeyManager(
            clock=house.clock,
            database=house.database,
            limits=Limits("key_manager", resources(settings), house.unified_limits(KIND)),
            key=house.cloud_key,
            operations=house.operations,
            settings=settings,
        )
        self._room = room
        self.facade = facade.Keys(room)
        self.service = service(room)
        self.operations = [(GeneratePair, room)]
        self._rounds = Rounds(house.bus, log, "the key manager's")
        self.loops = (Loop(name="key_manager.forget", run=self._forget, alone=True),)

    async def _forget(self) -> None:
        await self._rounds.every(FORGET_S, self.facade.forget_expired)

    async def first_rows(self, tx: Transaction) -> None:
        await identity.ensure_roles(tx, *ROLES)
        await stores.ensure(tx, self._room)


build = KeyManagerRoom
