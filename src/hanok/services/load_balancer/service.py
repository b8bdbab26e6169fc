"""The room as the house mounts it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row

from hanok.base.errors import HanokError
from hanok.events import Event
from hanok.limits import Limits
from hanok.rooms import CatalogEntry, Difference, House, Loop, Room, Rounds
from hanok.services.compute import facade as compute
from hanok.services.identity import facade as identity
from hanok.services.key_manager.facade import Keys
from hanok.services.load_balancer import facade
from hanok.services.load_balancer.logic import certificates
from hanok.services.load_balancer.operations import ConvergeBalancer
from hanok.services.load_balancer.policy import RULES
from hanok.services.load_balancer.providers.model import Provider
from hanok.services.load_balancer.providers.ovn import OVN
from hanok.services.load_balancer.providers.proxy import Proxy
from hanok.services.load_balancer.room import LoadBalancerSettings, LoadBalancing, resources
from hanok.services.network.facade import Network
from hanok.store import Transaction
from hanok.web import faults
from hanok.web.routes import Route, Service

log = logging.getLogger(__name__)

KIND = "load-balancer"
HOSTS_S = 5.0  # between looks at what hosts carry
ROLES = (
    "load-balancer_admin", "load-balancer_global_observer", "load-balancer_member",
    "load-balancer_observer", "load-balancer_quota_admin",
)  # fmt: skip


def _routes() -> Sequence[Route]:
    from hanok.services.load_balancer.routes import ROUTES  # see Service.routes

    return ROUTES


def service(room: LoadBalancing) -> Service:
    return Service(
        kind=KIND,
        room=room,
        rules=RULES,
        mounts=("load-balancer",),
        routes=_routes,
        fault=faults.load_balancer,
        respelled={"v2": "v2.0"},
        implied="lbaas",
    )


class LoadBalancerRoom(Room):
    name = "load_balancer"
    needs = ("identity", "network")
    settings = LoadBalancerSettings
    catalog = CatalogEntry(KIND, "octavia", "Load balancers", "/load-balancer")

    def __init__(self, house: House) -> None:
        settings = house.settings("load_balancer", LoadBalancerSettings)
        network = house.facade(Network)
        simulated = not network.settings.northbound
        self._house = house
        self.facade = LoadBalancing(
            clock=house.clock,
            database=house.database,
            operations=house.operations,
            limits=Limits("load_balancer", resources(settings), house.unified_limits(KIND)),
            network=network,
            providers=self._providers(house, network, simulated=simulated),
            default_provider=settings.default_provider or ("amphora" if simulated else "ovn"),
            converge=self._converge,
            keys=self._keys,
            settings=settings,
        )
        self.service = service(self.facade)
        self.operations = [(ConvergeBalancer, self.facade)]
        self._rounds = Rounds(house.bus, log, "load balancing's")
        self.loops = (
            Loop(name="load_balancer.health", run=self._watch, alone=True),
            Loop(name="load_balancer.hosts", run=self._watch_hosts, alone=True),
        )
        self._listens = False
        for prefix in ("network.router.", "network.floatingip."):
            house.events.on(prefix, self._network_changed)

    def _providers(self, house: House, network: Network, *, simulated: bool) -> dict[str, Provider]:
        def proxy(name: str, description: str) -> Proxy:
            bus = None if simulated else house.bus
            return Proxy(
                name, description, house.database, network, bus, self._material, self._zone_of
            )

        amphora = proxy("amphora", "The Octavia Amphora driver.")
        return {
            "amphora": amphora,
            "octavia": proxy("octavia", "Deprecated alias of the Octavia Amphora driver."),
            "ovn": OVN(network, house.database, house.clock),
            "proxy": proxy("proxy", "A proxy in the network for every protocol."),
        }

    async def _zone_of(self, tx: Transaction, host: str) -> str:
        """ "" where servers are switched off, and nobody knows."""
        room = self._house.rooms.get("compute")
        return "" if room is None else await compute.zone_of(tx, room.facade, host)

    async def _material(self, project_id: str, rows: Sequence[Row[Any]]) -> Mapping[str, str]:
        return await certificates.behind(self.facade, project_id, rows)

    def _keys(self) -> Keys | None:
        room = self._house.rooms.get("key_manager")
        return None if room is None else room.facade

    async def _converge(self, tx: Transaction, row: Any, user_id: str) -> None:
        operation = ConvergeBalancer(load_balancer_id=row.id)
        await self.facade.operations.start(
            tx, operation, user_id=user_id, project_id=row.project_id
        )

    async def _watch(self) -> None:
        await self._rounds.every(self.facade.settings.health_s, self._look)

    async def _look(self) -> None:
        try:
            await facade.look_at_members(self.facade)
        except HanokError as error:
            log.warning("members are not looked at: %s", error.message)

    async def _watch_hosts(self) -> None:
        await self._rounds.every(HOSTS_S, self._look_at_hosts)

    async def _look_at_hosts(self) -> None:
        await facade.look_at_hosts(self.facade)

    async def _network_changed(self, event: Event) -> None:
        """What is around load balancers may be otherwise: those in OVN are written anew."""
        if self._listens:
            await self._write_again()

    async def listen(self) -> None:
        """What has changed around load balancers while this service was off is not known: all are written anew."""
        self._listens = True
        await self._write_again()

    async def unlisten(self) -> None:
        self._listens = False

    async def _write_again(self) -> None:
        async with self._house.database.write() as tx:
            await facade.write_again(tx, self.facade)

    async def first_rows(self, tx: Transaction) -> None:
        await identity.ensure_roles(tx, *ROLES)

    async def differences(self, *, mend: bool) -> list[Difference]:
        lines = await facade.problems(self.facade)
        return [Difference(what="load balancer", detail=one) for one in lines]


build = LoadBalancerRoom
