"""The room as the house mounts it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence

from hanok.base.errors import HanokError, Unavailable
from hanok.rooms import CatalogEntry, House, Loop, Room
from hanok.services.identity import facade
from hanok.services.identity.logic.keys import FOLLOW_S, TOPIC
from hanok.services.identity.policy import RULES
from hanok.services.identity.room import Identity, IdentitySettings
from hanok.services.identity.tables import users
from hanok.store import Transaction
from hanok.web import faults
from hanok.web.routes import Route, Service

log = logging.getLogger(__name__)

ROTATE_S = 3600.0


def _routes() -> Sequence[Route]:
    from hanok.services.identity.routes import ROUTES  # see Service.routes

    return ROUTES


def service(room: Identity) -> Service:
    """Identity at the root (the course's http://host:5000/v3) and under /identity."""
    return Service(
        kind="identity",
        room=room,
        rules=RULES,
        mounts=("", "identity"),
        routes=_routes,
        fault=faults.identity,
        guards_authority=True,
        alone=False,  # as upstream
        media_types=("application/json", "application/json-home"),
        payload=lambda subject: {"resource_info": subject},
    )


class IdentityRoom(Room):
    name = "identity"
    settings = IdentitySettings
    catalog = CatalogEntry("identity", "keystone", "Who may sign in, and what they may do", "/v3")

    def __init__(self, house: House) -> None:
        self._house = house
        self.facade: Identity = facade.build(
            house.database,
            house.clock,
            house.settings("identity", IdentitySettings),
            cloud_key=house.cloud_key,
            folder=house.state / "control",
            keys_changed=lambda: house.wakes.wake(TOPIC),
        )
        self.service = service(self.facade)
        self.authenticate = self.facade.tokens.validate
        self.loops = (
            Loop(name="identity.keys", run=self._rotate_keys, alone=True),
            Loop(name="identity.new_keys", run=self._follow_keys),
            Loop(name="identity.directories", run=self._follow_directories, alone=True),
        )
        self._password_hash = ""

    async def prepare(self) -> None:
        # It may cost a third of a second, and only a new cloud needs it.
        if not await self._house.database.has_table(users):
            self._password_hash = await self._hashed()

    async def _hashed(self) -> str:
        """The administrator's first password as it is kept."""
        if not self._password_hash:
            self._password_hash = await self.facade.passwords.hash(
                self._house.admin_password, drawn=self._house.admin_password_drawn
            )
        return self._password_hash

    async def first_rows(self, tx: Transaction) -> None:
        await facade.prepare_keys(tx, self.facade)
        await facade.bootstrap(
            tx,
            self._house.clock,
            admin_password_hash=self._hashed,
            region=self._house.region,
            catalog=self._house.catalog(),
        )

    async def unified_limits(
        self, tx: Transaction, service: str, project_id: str
    ) -> Mapping[str, int]:
        return await facade.limits(tx, service, project_id, self._house.region)

    async def switched(self, tx: Transaction, entry: CatalogEntry, *, on: bool) -> None:
        await facade.show_in_catalog(tx, entry.type, shown=on)

    async def part(self, tx: Transaction) -> None:
        # Whoever has a copy of a cloud signs nothing in its name, and is not given its administrator's password.
        await facade.part(tx, await self._hashed(), self._house.clock.now())

    async def rotate_keys(self) -> int:
        return await facade.rotate_keys(self._house.database, self.facade)

    async def _rotate_keys(self) -> None:
        while True:
            try:
                await facade.forget_past(self._house.database, self.facade)
                if await facade.rotate_keys_in_time(self._house.database, self.facade):
                    log.info("the keys of tokens and secrets were rotated")
            except (Unavailable, OSError) as error:
                log.warning("keys are not rotated: %s", error)
            await asyncio.sleep(ROTATE_S)

    async def _follow_keys(self) -> None:
        """Learn of keys that other processes make, soon after they do, until cancelled."""
        changed = asyncio.Event()

        def wake(_words: list[str]) -> None:
            changed.set()

        self.facade.secrets.missed = changed.set
        self._house.wakes.on(TOPIC, wake)
        try:
            while True:
                changed.clear()
                try:
                    await facade.follow_keys(self._house.database, self.facade)
                except Unavailable as error:
                    log.warning("keys of other processes are not known: %s", error.message)
                try:
                    async with asyncio.timeout(FOLLOW_S):
                        await changed.wait()
                except TimeoutError:
                    pass
        finally:
            self._house.wakes.off(TOPIC, wake)

    async def _follow_directories(self) -> None:
        while True:
            try:
                await facade.follow_directories(self._house.database, self.facade)
            except HanokError as error:
                log.warning("directories are not followed: %s %s", error.message, error.detail)
            await asyncio.sleep(self.facade.settings.directory_s)


build = IdentityRoom
