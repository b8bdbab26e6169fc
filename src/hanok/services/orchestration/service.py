"""The room as the house mounts it."""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import Sequence

from hanok.base.errors import HanokError, NotSignedIn
from hanok.events import made_by
from hanok.rooms import CatalogEntry, House, Loop, Room
from hanok.services.identity import facade as identity
from hanok.services.orchestration import facade
from hanok.services.orchestration.logic.parts import Sealer
from hanok.services.orchestration.logic.types.signals import CFN
from hanok.services.orchestration.operations import ConvergeStack
from hanok.services.orchestration.policy import RULES
from hanok.services.orchestration.room import Orchestration, OrchestrationSettings, StackUsers
from hanok.store import Transaction
from hanok.web import faults
from hanok.web.routes import Route, Service

log = logging.getLogger(__name__)

KIND = "orchestration"
FORGET_S = 600.0


def _routes() -> Sequence[Route]:
    from hanok.services.orchestration.routes import ROUTES  # see Service.routes

    return ROUTES


def service(room: Orchestration) -> Service:
    return Service(
        kind=KIND,
        room=room,
        rules=RULES,
        mounts=("heat-api", "heat-api-cfn", "orchestration"),
        routes=_routes,
        fault=faults.orchestration,
        optional_project="v1",
        alone=False,
    )


class OrchestrationRoom(Room):
    name = "orchestration"
    needs = ("identity",)
    settings = OrchestrationSettings
    catalog = CatalogEntry(
        KIND, "heat", "Stacks of resources from templates", "/heat-api/v1/%(project_id)s"
    )
    more_catalog = (
        CatalogEntry("cloudformation", "heat-cfn", "Signals to stacks as by CloudFormation", CFN),
    )

    def __init__(self, house: House) -> None:
        self._house = house
        self._room = Orchestration(
            clock=house.clock,
            database=house.database,
            operations=house.operations,
            events=house.events,
            key=Sealer(house.cloud_key),
            ask_as=house.ask_as,
            lend=self._lend,
            borrow=self._borrow,
            converge=self._converge,
            made_by=self._made_by,
            users=self._users(),
            entrust=self._entrust,
            end_trust=self._end_trust,
            region=house.region,
            node_name=house.node_name,
            settings=house.settings("orchestration", OrchestrationSettings),
        )
        self.facade = facade.Stacks(self._room)
        self.service = service(self._room)
        self.operations = [(ConvergeStack, self._room)]
        self.loops = (Loop(name="orchestration.forget", run=self._forget, alone=True),)

    async def _lend(self, token: str) -> str:
        raw = identity.lent(self._house.facade(identity.Identity), token)
        if raw is None:
            raise NotSignedIn("The request you have made requires authentication.")
        return base64.b64encode(raw).decode()

    async def _borrow(self, lent: str, trust_id: str) -> str:
        raw, room = base64.b64decode(lent), self._house.facade(identity.Identity)
        return await identity.borrowed_by_trust(self._house.database, room, raw, trust_id)

    async def _entrust(self, tx: Transaction, lent: str, before: str) -> str:
        room = self._house.facade(identity.Identity)
        return await identity.entrust(tx, room, base64.b64decode(lent), before)

    async def _end_trust(self, tx: Transaction, trust_id: str) -> None:
        await identity.end_trust(tx, self._house.facade(identity.Identity), trust_id)

    def _users(self) -> StackUsers:
        def room() -> identity.Identity:
            return self._house.facade(identity.Identity)

        database = self._house.database

        async def ensure(user_id: str, name: str, project_id: str, password: str) -> str:
            requested = identity.StackUser(user_id=user_id, name=name, project_id=project_id)
            return await identity.ensure_stack_user(database, room(), requested, password)

        return StackUsers(
            ensure=ensure,
            forget=lambda user: identity.forget_stack_user(database, room(), user),
            forget_all=lambda tx, project: identity.forget_stack_project(tx, room(), project),
            token=lambda user, project: identity.stack_user_token(database, room(), user, project),
            key=lambda user, project, access: identity.stack_user_key(
                database, room(), user, project, access
            ),
            forget_key=lambda access: identity.forget_stack_user_key(database, access),
        )

    async def _converge(self, tx: Transaction, row: object) -> None:
        await facade.converge(tx, self._room, row)

    async def _made_by(self, request_id: str) -> str | None:
        async with self._house.database.read() as tx:
            return await made_by(tx, request_id)

    async def first_rows(self, tx: Transaction) -> None:
        await identity.ensure_roles(tx, "heat_stack_owner", "heat_stack_user")

    async def _forget(self) -> None:
        while True:
            try:
                while await self.facade.forget_old():
                    pass
            except HanokError as error:
                log.warning("stacks that are gone are not forgotten: %s", error.message)
            await asyncio.sleep(FORGET_S)


build = OrchestrationRoom
