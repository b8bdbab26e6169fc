"""The provider `ovn`: what stands in layer 4 is carried by the network's own flows, on each host, by no process.

What it cannot do is refused when it is asked for, in upstream's words.

Source: the provider's administration guide, "Limitations".
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row

from hanok.base.clock import Clock
from hanok.base.errors import NotSupported
from hanok.drivers.ovn import monitors, topology
from hanok.drivers.ovn.errors import OVNError
from hanok.drivers.ovn.rows import Row as EngineRow
from hanok.drivers.ovn.topology import BalancerSpec, CheckSpec, ListenerSpec
from hanok.services.load_balancer.logic import trees
from hanok.services.load_balancer.providers.model import (
    ERROR,
    ONLINE,
    VIP_NETWORKS,
    Capability,
    Stats,
    Tree,
)
from hanok.services.load_balancer.providers.proxy import members_there
from hanok.services.load_balancer.schemas.values import canonical
from hanok.services.network import facade as networks
from hanok.services.network.facade import Network
from hanok.store import Database, Transaction

log = logging.getLogger(__name__)

KIND = "load_balancer"  # of its scopes in the network
APPLY_S = 60.0
_LISTENER_USUAL = {
    "connection_limit": -1,
    "insert_headers": {},
    "timeout_client_data": 50_000,
    "timeout_member_connect": 5_000,
    "timeout_member_data": 50_000,
    "timeout_tcp_inspect": 0,
}
_MONITORS = {"TCP": ("TCP",), "UDP": ("UDP-CONNECT",), "SCTP": ("TCP", "SCTP")}


def _refuse(what: str) -> NotSupported:
    return NotSupported(f"OVN provider does not support {what}")


class OVN:
    """See `Provider`."""

    name = "ovn"
    description = "Octavia OVN driver."
    carries_each = False
    answers = True
    flavor_capabilities: Sequence[Capability] = ()
    zone_capabilities: Sequence[Capability] = (VIP_NETWORKS,)

    def __init__(self, network: Network, database: Database, clock: Clock) -> None:
        self._network, self._database, self._clock = network, database, clock
        self._known: dict[tuple[str, int, str], str] = {}
        self._polled_at = float("-inf")
        networks.write_with(network, KIND, self._rows)

    # ---- what it can do ----

    def check(self, tree: Tree) -> None:
        """Raises NotSupported."""
        if tree.balancer.vip_qos_policy_id or tree.balancer.vip_sg_ids:
            raise _refuse("QoS policies and security groups of the VIP")
        if tree.policies:
            raise _refuse("L7 Policies")
        for one in tree.listeners:
            _check_listener(tree, one)
        for pool in tree.pools:
            _check_pool(tree, pool)

    # ---- doing it ----

    async def prepare(self, tx: Transaction, tree: Tree) -> None:
        if tree.monitors:
            members = [(canonical(one.address), one.subnet_id) for one in tree.members]
            await networks.let_check(tx, tree.balancer.vip_port_id, members)
        await networks.touch(tx, self._network, f"{KIND}:{tree.id}")

    async def apply(self, tree: Tree) -> None:
        await networks.wait_written(self._network, f"{KIND}:{tree.id}", timeout_s=APPLY_S)

    async def remove(self, balancer_id: str) -> None:
        await networks.wait_written(self._network, f"{KIND}:{balancer_id}", timeout_s=APPLY_S)

    async def _rows(
        self, tx: Transaction, ids: Sequence[str]
    ) -> dict[str, list[EngineRow] | topology.CannotExpress | None]:
        """What OVN is to hold of load balancers; of one that is to go, nothing."""
        found: dict[str, list[EngineRow] | topology.CannotExpress | None] = {}
        for one in ids:
            tree = await trees.load(tx, one)
            if tree is None or tree.balancer.provisioning_status == "PENDING_DELETE":
                found[one] = None
                continue
            try:
                spec = await _spec(tx, tree.alive())
                found[one] = [] if spec is None else topology.load_balancer(spec)
            except topology.CannotExpress as error:
                found[one] = error
        return found

    # ---- how it is ----

    async def health(self, tree: Tree) -> Mapping[str, str]:
        southbound = self._network.settings.southbound
        if not southbound:
            async with self._database.read() as tx:
                return await members_there(tx, tree)
        await self._ask(southbound)
        checked = {one.pool_id for one in tree.monitors if one.admin_state_up}
        found = {}
        for one in tree.members:
            pool = tree.pool(one.pool_id)
            if pool is None or pool.id not in checked:
                continue
            said = self._known.get(
                (canonical(one.address), one.protocol_port, pool.protocol.lower()), ""
            )
            if said:
                found[one.id] = ONLINE if said == "online" else ERROR
        return found

    async def _ask(self, southbound: str) -> None:
        """Know what was found of all targets, not longer than a second ago."""
        if self._clock.monotonic_s() - self._polled_at < 1.0:
            return
        try:
            self._known = await monitors.statuses(southbound, self._network.settings.seal)
        except OVNError as error:
            log.warning("how members are is not known: %s %s", error.message, error.detail)
        self._polled_at = self._clock.monotonic_s()

    async def stats(self, tree: Tree) -> Mapping[str, Stats]:
        """OVN does not count by load balancer; upstream's provider shows the same."""
        return {one.id: Stats() for one in tree.listeners}

    async def look(self) -> Sequence[str]:
        """The network's reconciler does."""
        return ()


def _check_listener(tree: Tree, row: Row[Any]) -> None:
    if row.protocol not in _MONITORS:
        raise _refuse(f"{row.protocol} protocol")
    for name, usual in _LISTENER_USUAL.items():
        if row._mapping[name] != usual:
            raise _refuse(f"{name} option")
    if row.allowed_cidrs:
        raise _refuse("allowed_cidrs option")
    pool = tree.pool(row.default_pool_id)
    if pool is not None and pool.protocol != row.protocol:
        raise _refuse(f"pool protocol {pool.protocol} with listener protocol {row.protocol}")


def _check_pool(tree: Tree, row: Row[Any]) -> None:
    if row.protocol not in _MONITORS:
        raise _refuse(f"{row.protocol} protocol")
    if row.lb_algorithm not in ("SOURCE_IP_PORT", "SOURCE_IP"):
        raise _refuse(f"{row.lb_algorithm} algorithm")
    if row.session_persistence:
        raise _refuse("session persistence")
    monitor = tree.monitor_of(row.id)
    if monitor is not None and monitor.type not in _MONITORS[row.protocol]:
        raise _refuse(f"health monitor type {monitor.type} for pools of {row.protocol}")
    if monitor is not None and monitor.type == "SCTP":
        raise _refuse("health monitor type SCTP")
    members = tree.members_of(row.id)
    if len({":" in one.address for one in members}) > 1:
        raise _refuse("mixing IPv4/IPv6 members of a pool")
    for one in members:
        _check_member(one)


def _check_member(row: Row[Any]) -> None:
    if row.weight not in (0, 1):
        raise _refuse("weights of members")
    if row.backup:
        raise _refuse("backup members")
    if row.monitor_address or row.monitor_port:
        raise _refuse("monitor addresses and ports of members")


async def _spec(tx: Transaction, tree: Tree) -> BalancerSpec | None:
    balancer = tree.balancer
    vips = [balancer.vip_address, *(one["ip_address"] for one in balancer.additional_vips)]
    members = [(canonical(one.address), one.subnet_id) for one in tree.members]
    near = await networks.around(tx, balancer.vip_port_id, vips, members)
    if near is None or not near.addresses:
        return None
    return BalancerSpec(
        id=tree.id,
        network_id=near.network_id,
        port_id=balancer.vip_port_id,
        mac=near.mac,
        addresses=near.addresses,
        floating=near.floating,
        switches=near.switches,
        routers=near.routers,
        gateways=near.gateways,
        listeners=tuple(one for row in tree.listeners if (one := _listener(tree, row)) is not None),
        sources=near.sources,
    )


def _listener(tree: Tree, row: Row[Any]) -> ListenerSpec | None:
    pool = tree.pool(row.default_pool_id)
    up = tree.balancer.admin_state_up and row.admin_state_up
    if pool is None or not up or not pool.admin_state_up:
        return None
    targets = tuple(
        (canonical(one.address), one.protocol_port)
        for one in tree.members_of(pool.id)
        if one.admin_state_up and one.weight
    )
    return ListenerSpec(
        protocol={"UDP": "udp", "SCTP": "sctp"}.get(row.protocol, "tcp"),  # type: ignore[arg-type]
        port=row.protocol_port,
        members=targets,
        sticky=pool.lb_algorithm == "SOURCE_IP",
        check=_check(tree.monitor_of(pool.id)),
    )


def _check(monitor: Row[Any] | None) -> CheckSpec | None:
    if monitor is None or not monitor.admin_state_up:
        return None
    return CheckSpec(
        delay=max(1, monitor.delay),
        timeout=max(1, monitor.timeout),
        rise=monitor.max_retries,
        fall=monitor.max_retries_down,
    )
