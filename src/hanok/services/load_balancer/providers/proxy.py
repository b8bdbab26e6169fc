"""The provider `proxy`, which clients also know as `amphora`: layer 7, by a proxy in the network.

In a real cloud one host carries each load balancer: a process in a namespace that has the addresses
(`hanok.node.balancers`). Which host is chosen when it is told the first time, and again when that host is lost.

In a simulated cloud no traffic flows: it takes each load balancer, counts nothing, and finds a member well that is a
port of its network.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, NoReturn, TypeVar

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput, NotSupported, StepFailed, Unavailable
from hanok.bus import Bus, NobodyThere
from hanok.commands import (
    BalancerState,
    CarriedBalancers,
    Command,
    Done,
    Failed,
    ListBalancers,
    ReadBalancer,
    RemoveBalancer,
    Stale,
    wire,
)
from hanok.services.load_balancer.providers import described
from hanok.services.load_balancer.providers.model import (
    COMPUTE_ZONE,
    ERROR,
    ONLINE,
    VIP_NETWORKS,
    Capability,
    Stats,
    Tree,
)
from hanok.services.load_balancer.schemas.values import canonical
from hanok.services.load_balancer.tables import load_balancers
from hanok.services.network import facade as networks
from hanok.services.network.facade import Network
from hanok.store import Database, Transaction

log = logging.getLogger(__name__)

TELL_S, ASK_S = 60.0, 5.0
LONGEST_MS = 2**31 - 1  # that a proxy's clock knows: 24 days
LONGEST_S = LONGEST_MS // 1000
MAXIMUM_BYTES = 2_000_000  # of what a host is told, which is one message
AnswerT = TypeVar("AnswerT")
ZoneOf = Callable[[Transaction, str], Awaitable[str]]
Material = Callable[[str, Sequence[Row[Any]]], Awaitable[Mapping[str, str]]]
_NOWHERE = networks.Standing(mac="", mtu=0, addresses=(), gateways=(), routes=())

_row = sa.select(load_balancers).where(load_balancers.c.id == bindparam("id"))
_carried = (
    sa.select(load_balancers.c.host, sa.func.count().label("many"))
    .where(load_balancers.c.host.is_not(None))
    .group_by(load_balancers.c.host)
)
_placed = sa.select(
    load_balancers.c.id,
    load_balancers.c.host,
    load_balancers.c.generation,
    load_balancers.c.provisioning_status,
).where(load_balancers.c.host.is_not(None))


class Proxy:
    """See `Provider`.

    bus: by which hosts are asked; None in a simulated cloud. material: PEM by reference of what
    rows of a project show and trust. zone_of: the availability zone of a host.
    """

    carries_each = True
    flavor_capabilities: Sequence[Capability] = (
        Capability(
            "loadbalancer_topology",
            "The load balancer topology. One of: SINGLE, ACTIVE_STANDBY - Either is one proxy that can be moved.",
            ("SINGLE", "ACTIVE_STANDBY"),
        ),
    )
    zone_capabilities: Sequence[Capability] = (COMPUTE_ZONE, VIP_NETWORKS)

    def __init__(
        self,
        name: str,
        description: str,
        database: Database,
        network: Network,
        bus: Bus | None,
        material: Material,
        zone_of: ZoneOf,
    ) -> None:
        self.name, self.description = name, description
        self._database, self._network, self._bus = database, network, bus
        self._material, self._zone_of = material, zone_of
        self.answers = bus is not None

    def check(self, tree: Tree) -> None:
        """Raises NotSupported."""
        if self._bus is None:
            return
        for one in tree.listeners:
            _check_listener(one)
        for pool in tree.pools:
            _check_pool(tree, pool)
        for rule in tree.rules:
            if rule.key and not {"'", '"'}.isdisjoint(rule.key):
                _refuse(f"'{rule.key}' as key of an L7 rule")
        if len(wire.encode(described.command(tree, _NOWHERE, {}))) > MAXIMUM_BYTES:
            _refuse(
                f"load balancers of more than {MAXIMUM_BYTES} bytes of members, rules and texts"
            )

    # ---- doing it ----

    async def prepare(self, tx: Transaction, tree: Tree) -> None:
        """Choose its host, if it has none that answers, and count what that is told."""
        if self._bus is None:
            return
        host = await self._host(tx, tree)
        values: dict[str, Any] = {"generation": tree.balancer.generation + 1}
        if host != tree.balancer.host:
            values["host"] = host
            await networks.place_vip(tx, self._network, tree.balancer.vip_port_id, host)
        mine = load_balancers.c.id == tree.id
        await tx.execute(load_balancers.update().where(mine).values(**values))

    async def _host(self, tx: Transaction, tree: Tree) -> str:
        """The one that has it, if that answers; else the one of those that answer that has the fewest."""
        now, up = tree.balancer.host, await self._up(tx, tree)
        if now in up or (now and tree.balancer.provisioning_status == "PENDING_DELETE"):
            return str(now)
        if not up:
            if tree.balancer.provisioning_status == "PENDING_DELETE":
                return now or ""
            zone = tree.balancer.terms.get("compute_zone")
            where = f"No host of the zone {zone}" if zone else "No host"
            raise Unavailable(f"{where} answers that could carry the load balancer.")
        many = Counter({row.host: row.many for row in await tx.all(_carried)})
        return min(sorted(up), key=lambda one: many[one])

    async def _up(self, tx: Transaction, tree: Tree) -> Collection[str]:
        """The hosts that answer, of the zone that its own is for."""
        up, zone = (
            await networks.hosts_up(tx, self._network),
            tree.balancer.terms.get("compute_zone"),
        )
        return [one for one in up if await self._zone_of(tx, one) == zone] if zone else up

    async def apply(self, tree: Tree) -> None:
        if self._bus is None:
            return
        balancer = tree.balancer
        vips = [balancer.vip_address, *(one["ip_address"] for one in balancer.additional_vips)]
        async with self._database.read() as tx:
            stands = await networks.standing(tx, balancer.vip_port_id, vips)
        material = await self._behind(tree)
        if stands is None:
            raise StepFailed("The port of the VIP is gone.")
        told = described.command(tree, stands, described.files(material))
        if len(wire.encode(told)) > MAXIMUM_BYTES:
            raise StepFailed(
                f"The load balancer with its certificates is more than {MAXIMUM_BYTES} bytes."
            )
        scope = f"port:{balancer.vip_port_id}"
        await networks.wait_written(self._network, scope, timeout_s=TELL_S)
        await self._ask(balancer.host, told, BalancerState, TELL_S)

    async def _behind(self, tree: Tree) -> Mapping[str, str]:
        """PEM by reference. Raises StepFailed: it is there no more."""
        if not (rows := described.terminates(tree)):
            return {}
        try:
            return await self._material(tree.balancer.project_id, rows)
        except BadInput as error:
            raise StepFailed(error.message) from error

    async def remove(self, balancer_id: str) -> None:
        """A host that does not answer is told later: see `look`."""
        if self._bus is None:
            return
        async with self._database.read() as tx:
            row = await tx.first(_row, {"id": balancer_id})
        if row is not None and row.host:
            await self._forget(row.host, balancer_id, row.generation)

    async def _forget(self, host: str, balancer_id: str, generation: int) -> None:
        gone = RemoveBalancer(balancer_id=balancer_id, generation=generation)
        try:
            assert self._bus is not None
            reply = await wire.ask(self._bus, host, gone, timeout_s=TELL_S)
        except NobodyThere:
            log.warning("host %s is told later that load balancer %s is gone", host, balancer_id)
            return
        _answer(host, gone, reply, Done)

    async def _ask(
        self, host: str, command: Command, kind: type[AnswerT], timeout_s: float
    ) -> AnswerT:
        """Raises Unavailable, StepFailed."""
        assert self._bus is not None
        try:
            reply = await wire.ask(self._bus, host, command, timeout_s=timeout_s)
        except NobodyThere as error:
            raise Unavailable(f"Host {host} does not answer.", detail=str(error)) from error
        return _answer(host, command, reply, kind)

    # ---- how it is ----

    async def health(self, tree: Tree) -> Mapping[str, str]:
        if self._bus is None:
            async with self._database.read() as tx:
                return await members_there(tx, tree)
        state = await self._state(tree)
        known = {} if state is None else state.members
        return {one: ONLINE if well else ERROR for one, well in known.items()}

    async def stats(self, tree: Tree) -> Mapping[str, Stats]:
        state = None if self._bus is None else await self._state(tree)
        known = {} if state is None else state.listeners
        found = {one.id: Stats() for one in tree.listeners}
        for name, one in known.items():
            found[name] = Stats(
                active_connections=one.active,
                bytes_in=one.bytes_in,
                bytes_out=one.bytes_out,
                request_errors=one.errors,
                total_connections=one.total,
            )
        return found

    async def _state(self, tree: Tree) -> BalancerState | None:
        """What its host says; None where that does not answer now."""
        if not tree.balancer.host:
            return None
        try:
            question = ReadBalancer(balancer_id=tree.id)
            return await self._ask(tree.balancer.host, question, BalancerState, ASK_S)
        except (StepFailed, Unavailable) as error:
            log.info("load balancer %s is not known: %s", tree.id, error.message)
            return None

    async def look(self) -> Sequence[str]:
        """Hosts forget what is not theirs; gives those whose host is lost, or does not know them."""
        if self._bus is None:
            return ()
        async with self._database.read() as tx:
            rows = {row.id: row for row in await tx.all(_placed)}
            up = await networks.hosts_up(tx, self._network)
        lost = [one for one, row in rows.items() if row.host not in up]
        for host in up:
            try:
                said = await self._ask(host, ListBalancers(), CarriedBalancers, ASK_S)
            except (StepFailed, Unavailable):
                continue
            lost += await self._compare(host, said.generations, rows)
        return [one for one in lost if rows[one].provisioning_status == "ACTIVE"]

    async def _compare(
        self, host: str, there: Mapping[str, int], rows: Mapping[str, Row[Any]]
    ) -> list[str]:
        for one, generation in there.items():
            row = rows.get(one)
            if row is not None and row.host == host:
                continue
            row = await self._now(one)  # it may have come here since the rows were read
            if row is None or row.host != host:
                try:
                    await self._forget(host, one, generation)
                except (StepFailed, Unavailable) as error:
                    log.warning("host %s keeps load balancer %s: %s", host, one, error.message)
        mine = [one for one, row in rows.items() if row.host == host]
        return [one for one in mine if there.get(one, -1) < rows[one].generation]

    async def _now(self, balancer_id: str) -> Row[Any] | None:
        async with self._database.read() as tx:
            return await tx.first(_row, {"id": balancer_id})


def _answer(host: str, command: Command, reply: Any, kind: type[AnswerT]) -> AnswerT:
    """Raises Unavailable: the trouble may pass. StepFailed."""
    if isinstance(reply, kind):
        return reply
    if isinstance(reply, Failed) and reply.transient:
        raise Unavailable(reply.message, detail=reply.detail)
    if isinstance(reply, Failed):
        raise StepFailed(reply.message, detail=reply.detail)
    if isinstance(reply, Stale):
        raise StepFailed("A newer request for this load balancer came before this one.")
    raise StepFailed("The host gave an answer that does not fit the request.", detail=host)


# ---- what it can do ----


def _refuse(what: str) -> NoReturn:
    raise NotSupported(f"Provider does not support {what}.")


def _check_listener(row: Row[Any]) -> None:
    if row.protocol == "SCTP":
        _refuse("SCTP listeners; provider 'ovn' carries them")
    for name in ("client_data", "member_connect", "member_data", "tcp_inspect"):
        if row._mapping[f"timeout_{name}"] > LONGEST_MS:
            _refuse(f"a timeout_{name} of more than {LONGEST_MS} milliseconds")


def _check_pool(tree: Tree, row: Row[Any]) -> None:
    if row.protocol == "SCTP":
        _refuse("SCTP pools; provider 'ovn' carries them")
    if row.protocol == "UDP":
        _check_versions(tree, row)
    if "'" in ((row.session_persistence or {}).get("cookie_name") or ""):
        _refuse("quotes in the name of a cookie")
    if ((row.session_persistence or {}).get("persistence_timeout") or 0) > LONGEST_S:
        _refuse(f"a persistence_timeout of more than {LONGEST_S} seconds")
    monitor = tree.monitor_of(row.id)
    if monitor is None:
        return
    if monitor.type == "SCTP":
        _refuse("health monitors of type SCTP")
    for name in ("delay", "timeout"):
        if monitor._mapping[name] > LONGEST_S:
            _refuse(f"a {name} of more than {LONGEST_S} seconds")


def _check_versions(tree: Tree, pool: Row[Any]) -> None:
    """Clients of UDP are handed on as they come: to members of the same version of IP."""
    balancer = tree.balancer
    vips = [balancer.vip_address, *(one["ip_address"] for one in balancer.additional_vips)]
    known = {":" in one for one in vips}
    for one in tree.members_of(pool.id):
        if (":" in canonical(one.address)) not in known:
            _refuse(f"{one.address} as member of a UDP pool without a VIP of the same IP version")


async def members_there(tx: Transaction, tree: Tree) -> dict[str, str]:
    """Members that are checked: ONLINE where a port of their network has the address, else ERROR."""
    found = {}
    checked = {one.pool_id for one in tree.monitors if one.admin_state_up}
    theirs = [one for one in tree.members if one.pool_id in checked]
    nets = {tree.balancer.vip_network_id}
    nets |= set(await networks.networks_of(tx, [one.subnet_id for one in theirs if one.subnet_id]))
    requested = {one.id: canonical(one.monitor_address or one.address) for one in theirs}
    ports = await networks.ports_at(tx, sorted(nets), sorted(set(requested.values())))
    for one in theirs:
        found[one.id] = ONLINE if requested[one.id] in ports else ERROR
    return found
