"""The way of a packet between two addresses, step by step, and what would let it through where it stops.

The walk reads what the tables say, which is what OVN is told: a guest's own firewall and what listens in it are beyond
it. An end is a server, a port or an address; an address that no network here has, and `OUTSIDE`, are beyond the
external networks.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput
from hanok.drivers.ovn.tracing import Packet
from hanok.services.network.logic import address_groups, forwardings, gateways, subnet_pools
from hanok.services.network.logic.security_groups import protocol_number
from hanok.services.network.tables import (
    floating_ips,
    ip_allocations,
    networks,
    port_rows,
    port_security_groups,
    ports,
    router_subnets,
    routers,
    scopes,
    security_group_rules,
    security_groups,
    subnets,
)
from hanok.store import Transaction

OUTSIDE = "outside"
METADATA = ("169.254.169.254", "fe80::a9fe:a9fe")
NOBODY = "02:00:00:00:00:01"  # a MAC address that is locally administered
MAXIMUM_ROUTERS = 8
ECHO = {4: 8, 6: 128}  # the ICMP type of a ping
PORTS = frozenset({6, 17, 33, 132, 136})  # the numbers of protocols that have ports

_addresses = (
    sa.select(
        ip_allocations.c.address,
        ip_allocations.c.subnet_id,
        port_rows.c.id,
        port_rows.c.name,
        port_rows.c.network_id,
        port_rows.c.mac_address,
        port_rows.c.server_id,
        port_rows.c.role,
        port_rows.c.device_id,
        port_rows.c.admin_state_up,
        port_rows.c.status,
        port_rows.c.host,
        port_rows.c.port_security_enabled,
        port_rows.c.project_id,
    )
    .select_from(ip_allocations.join(port_rows, ip_allocations.c.port_id == port_rows.c.id))
    .order_by(port_rows.c.server_position, port_rows.c.id, ip_allocations.c.ordinal)
    .limit(100)
)
_of_server = _addresses.where(port_rows.c.server_id == bindparam("of"))
_of_port = _addresses.where(port_rows.c.id == bindparam("of"))
_of_address = _addresses.where(ip_allocations.c.address == bindparam("of"))
_on_network = _addresses.where(
    port_rows.c.network_id == bindparam("network"), ip_allocations.c.address == bindparam("of")
)
_floating = sa.select(floating_ips).where(floating_ips.c.floating_ip_address == bindparam("of"))
_floating_of = sa.select(floating_ips).where(
    floating_ips.c.port_id == bindparam("port"), floating_ips.c.fixed_ip_address == bindparam("of")
)
_network = sa.select(networks).where(networks.c.id == bindparam("of"))
_subnet = sa.select(subnets).where(subnets.c.id == bindparam("of"))
_router = sa.select(routers).where(routers.c.id == bindparam("of"))
_interfaces = (
    sa.select(router_subnets.c.router_id, subnets, ip_allocations.c.address)
    .select_from(
        router_subnets.join(subnets, subnets.c.id == router_subnets.c.subnet_id).join(
            ip_allocations,
            sa.and_(
                ip_allocations.c.port_id == router_subnets.c.port_id,
                ip_allocations.c.subnet_id == router_subnets.c.subnet_id,
            ),
        )
    )
    .where(router_subnets.c.router_id == bindparam("of"))
)
_gateway = (
    sa.select(ip_allocations.c.address, subnets.c.ip_version, subnets.c.gateway_ip, subnets.c.cidr)
    .select_from(ip_allocations.join(subnets, subnets.c.id == ip_allocations.c.subnet_id))
    .where(ip_allocations.c.port_id == bindparam("of"))
)
_groups = (
    sa.select(security_groups.c.id, security_groups.c.name)
    .select_from(
        security_groups.join(
            port_security_groups, port_security_groups.c.security_group_id == security_groups.c.id
        )
    )
    .where(port_security_groups.c.port_id == bindparam("of"))
    .order_by(security_groups.c.name, security_groups.c.id)
)
_rules = (
    sa.select(security_group_rules)
    .select_from(
        security_group_rules.join(
            port_security_groups,
            port_security_groups.c.security_group_id == security_group_rules.c.security_group_id,
        )
    )
    .where(
        port_security_groups.c.port_id == bindparam("of"),
        security_group_rules.c.direction == bindparam("direction"),
    )
    .order_by(security_group_rules.c.created_at, security_group_rules.c.id)
)
_member = (
    sa.select(port_security_groups.c.port_id)
    .select_from(
        port_security_groups.join(
            ip_allocations, ip_allocations.c.port_id == port_security_groups.c.port_id
        )
    )
    .where(
        port_security_groups.c.security_group_id == bindparam("group"),
        ip_allocations.c.address == bindparam("of"),
    )
    .limit(1)
)
_port_named = sa.select(ports.c.id).where(ports.c.name == bindparam("of")).limit(2)
_behind = sa.select(scopes.c.scope, scopes.c.problem).where(
    scopes.c.scope.in_(bindparam("scopes", expanding=True)), scopes.c.applied < scopes.c.wanted
)


class Flow(Struct, frozen=True):
    """What is sent. protocol: a name or a number; port: None where the protocol has none (ICMP is a ping)."""

    protocol: str = "icmp"
    port: int | None = None

    @property
    def text(self) -> str:
        return f"{self.protocol} port {self.port}" if self.port is not None else self.protocol


class End(Struct, frozen=True):
    """One end of the way. named: as it was asked for. server_id, port_id, address: which of these it names."""

    named: str
    server_id: str = ""
    port_id: str = ""
    address: str = ""


class Step(Struct, frozen=True):
    """Something on the way. at: what it is; says: what it does with the packet; helps: what would let it through."""

    at: str
    id: str
    passes: bool
    says: str
    helps: str = ""


class Stop(Exception):
    """The packet goes no further than the last step."""


def flow_of(protocol: str, port: int | None) -> Flow:
    """What is sent.

    Raises:
        BadInput: there is no such protocol, or it has no ports, or needs one.
    """
    number = protocol_number(protocol, "IPv4")
    if number is None:
        raise BadInput(f"{protocol[:40]} is not a valid protocol: one has to be named.")
    if port is None and number in PORTS:
        raise BadInput(
            f"A port is needed with {protocol}: name it after the destination, as in B:22."
        )
    if port is not None and number not in PORTS:
        raise BadInput(f"{protocol} has no ports.")
    return Flow(protocol, port)


async def end_of(tx: Transaction, named: str, server_id: str = "") -> End:
    """What a text names that is no server's id or name: an address, `OUTSIDE`, or a port's id or name.

    Raises:
        BadInput: it names nothing, or several ports.
    """
    if server_id or named == OUTSIDE:
        return End(named, server_id=server_id)
    try:
        return End(named, address=_of_one_host(ipaddress.ip_address(named)))
    except ValueError:
        pass
    if await tx.first(_of_port, {"of": named}) is not None:
        return End(named, port_id=named)
    found = await tx.all(_port_named, {"of": named})
    if len(found) != 1:
        what = "More than one port exists with the name" if found else "There is no server or port"
        raise BadInput(f"{what} {named[:255]}.")
    return End(named, port_id=found[0].id)


def _of_one_host(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    """Raises BadInput when it is not an address that one machine has on a network."""
    zone = getattr(address, "scope_id", None) is not None
    everybody = address == ipaddress.IPv4Address("255.255.255.255")
    if zone or everybody or address.is_multicast or address.is_loopback:
        raise BadInput(f"{str(address)[:60]} is not a valid address of one host on a network.")
    return str(address)


async def walk(
    tx: Transaction, source: End, destination: End, flow: Flow
) -> tuple[list[Step], Packet | None]:
    """The steps from one end to the other, and what OVN would be sent.

    The last step does not pass where the packet stops.

    Raises:
        BadInput: an end has no addresses, or several networks have the address that it names.
    """
    going = _Walk(tx, flow)
    try:
        await going.all_the_way(source, destination)
    except Stop:
        pass
    return going.steps, going.packet


def compared(steps: list[Step], packet: Packet, ends_at: Sequence[str]) -> Step:
    """What OVN's flows do, as a last step; it does not pass where they do otherwise than the tables say."""
    reaches, comes_out = all(one.passes for one in steps), bool(ends_at)
    what = f"lets it out at {', '.join(ends_at)}" if comes_out else "drops it"
    if reaches == comes_out:
        return Step("OVN", packet.switch, True, f"ovn-trace agrees: OVN {what}.")
    helps = "hanok doctor --fix writes again what OVN has otherwise."
    return Step("OVN", packet.switch, False, f"ovn-trace says otherwise: OVN {what}.", helps)


class _Place(Struct, frozen=True):
    """Where a packet is, or is to be: an address of a port, or beyond the external networks."""

    address: str
    row: Any = None
    floating: Any = None

    @property
    def version(self) -> int:
        return ipaddress.ip_address(self.address).version


class _Walk:
    def __init__(self, tx: Transaction, flow: Flow) -> None:
        self.tx, self.flow = tx, flow
        self.steps: list[Step] = []
        self.packet: Packet | None = None
        self.network_id = ""
        """The network by which the packet came to the router where it is."""
        self.source_address = ""
        """The address that it comes from."""

    def passes(self, at: str, subject: str, says: str) -> None:
        self.steps.append(Step(at, subject, True, says))

    def stops(self, at: str, subject: str, says: str, helps: str) -> Stop:
        self.steps.append(Step(at, subject, False, says, helps))
        return Stop()

    async def one(self, statement: sa.Select[Any], of: str, **more: Any) -> Any:
        return await self.tx.first(statement, {"of": of, **more})

    async def all_the_way(self, source: End, destination: End) -> None:
        start, goal = await self._ends(source, destination)
        if start.floating is not None and start.row is not None:
            start = _Place(start.row.address, start.row)
        if goal.address in METADATA:
            self.passes("metadata", "", "The metadata service answers on every network.")
            return
        if start.row is not None and _neighbours(start, goal):
            self._sent(start, goal, goal.row.mac_address)
        source_address = start.address
        if start.row is None:
            await self._comes_in(start, goal)
        else:
            await self._plugged(start)
            await self._groups(start.row, "egress", start.address, goal.address)
            source_address = await self._travels(start, goal)
        if goal.row is not None:
            await self._plugged(goal)
            await self._groups(goal.row, "ingress", goal.row.address, source_address)
            if source_address == start.address and start.row is not None:
                await self._comes_back(start, goal)
        await self._followed(start, goal)

    def _sent(self, start: _Place, goal: _Place, mac: str) -> None:
        """A guest gives the packet to this MAC address."""
        row = start.row
        self._given(row.network_id, row.id, row.mac_address, mac, start.address, goal.address)

    def _given(
        self, switch: str, inport: str, source_mac: str, mac: str, source: str, destination: str
    ) -> None:
        version = ipaddress.ip_address(destination).version
        number = protocol_number(self.flow.protocol, f"IPv{version}")
        assert number is not None
        self.packet = self.packet or Packet(
            switch=switch,
            inport=inport,
            source_mac=source_mac,
            destination_mac=mac,
            source=_some(source),
            destination=_some(destination),
            protocol=number,
            port=self.flow.port,
        )

    # ---- ends ----

    async def _ends(self, source: End, destination: End) -> tuple[_Place, _Place]:
        """The two places: addresses of one network, or at least of one version, where there are several."""
        starts, goals = await self._places(source), await self._places(destination)
        pairs = [(one, two) for one in starts for two in goals if _alike(one, two)]
        if not pairs:
            raise BadInput(
                f"{source.named} and {destination.named} have no addresses of one IP version."
            )
        start, goal = min(pairs, key=lambda pair: not _neighbours(*pair))
        if not start.address:
            version = goal.version if goal.address else 4
            start = _Place("0.0.0.0" if version == 4 else "::")  # noqa: S104
        if not goal.address:
            goal = _Place("0.0.0.0" if start.version == 4 else "::")  # noqa: S104
        return start, goal

    async def _places(self, end: End) -> list[_Place]:
        if end.server_id or end.port_id:
            statement = _of_server if end.server_id else _of_port
            rows = await self.tx.all(statement, {"of": end.server_id or end.port_id})
            if not rows:
                raise BadInput(f"{end.named} has no addresses: it is on no network.")
            return [_Place(row.address, row) for row in rows]
        if not end.address:
            return [_Place("")]
        return [await self._at(end.address)]

    async def _at(self, address: str) -> _Place:
        """What has an address: a floating IP, a port, or nothing here."""
        if (floating := await self.one(_floating, address)) is not None:
            return _Place(address, await self._behind_floating(floating), floating)
        rows = await self.tx.all(_of_address, {"of": address})
        if len(rows) > 1:
            raise BadInput(
                f"Several networks have the address {address}: name the server or the port."
            )
        return _Place(address, rows[0] if rows else None)

    async def _behind_floating(self, floating: Row[Any]) -> Any:
        """The address that a floating IP leads to, whole or with the port that is asked for."""
        port_id, fixed = floating.port_id, floating.fixed_ip_address
        if port_id is None and (forwarding := await self._forwarding(floating)) is not None:
            port_id, fixed = forwarding.internal_port_id, forwarding.internal_ip_address
        if port_id is None:
            return None
        rows = await self.tx.all(_of_port, {"of": port_id})
        return next((one for one in rows if one.address == fixed), None)

    async def _forwarding(self, floating: Row[Any]) -> Row[Any] | None:
        """The forwarding of the port that is asked for."""
        port, sent = self.flow.port, protocol_number(self.flow.protocol, "IPv4")
        for one in (await forwardings.of_floating(self.tx, [floating.id]))[floating.id]:
            same = protocol_number(one.protocol, "IPv4") == sent
            if same and port is not None and one.external_first <= port <= one.external_last:
                return one
        return None

    async def _plugged(self, place: _Place) -> None:
        """A port takes packets: it is up, and plugged in."""
        row = place.row
        name = f"Port {row.id} ({row.address})"
        if not row.admin_state_up:
            raise self.stops(
                "port", row.id, f"{name} is administratively down.",
                f"openstack port set --enable {row.id}",
            )  # fmt: skip
        if row.role == "guest" and (not row.host or row.status != "ACTIVE"):
            self.packet = None  # OVN's flows are for ports, whether somebody has them or not
        if row.role == "guest" and not row.host:
            raise self.stops(
                "port", row.id, f"{name} is not bound to a host: it is not attached to a server.",
                f"openstack server add port SERVER {row.id}",
            )  # fmt: skip
        if row.role == "guest" and row.status != "ACTIVE":
            raise self.stops(
                "port", row.id, f"{name} is {row.status}: its guest is not plugged in.",
                "Start the server; if it runs, hanok doctor says what is wrong with its host.",
            )  # fmt: skip
        self.passes("port", row.id, f"{name} is up.")

    async def _followed(self, *places: _Place) -> None:
        """OVN has what the API said of the ports and their networks."""
        rows = [one.row for one in places if one.row is not None]
        names = [f"port:{row.id}" for row in rows] + [f"network:{row.network_id}" for row in rows]
        for late in await self.tx.all(_behind, {"scopes": names}):
            why = f": {late.problem}" if late.problem else ""
            raise self.stops(
                "OVN", late.scope, f"OVN has not applied the last change of {late.scope} yet{why}.",
                "It takes a moment; hanok doctor says more where it lasts.",
            )  # fmt: skip

    # ---- security groups ----

    async def _groups(self, row: Any, direction: str, own: str, remote: str) -> None:
        """The rules of a port's groups let the packet out or in."""
        way = "out" if direction == "egress" else "in"
        if row.role != "guest":
            return
        if not row.port_security_enabled:
            self.passes("security group", "", "Port security is off: everything passes.")
            return
        groups = {one.id: one.name for one in await self.tx.all(_groups, {"of": row.id})}
        for rule in await self.tx.all(_rules, {"of": row.id, "direction": direction}):
            if await self._lets(rule, ipaddress.ip_address(own).version, remote):
                group = rule.security_group_id
                self.passes(
                    "security group", group,
                    f"Security group {groups[group]} lets {self.flow.text} {way} (rule {rule.id}).",
                )  # fmt: skip
                return
        there = "to" if direction == "egress" else "from"
        named = ", ".join(groups.values())
        held = (
            f"No rule of its security groups ({named})"
            if groups
            else "It has no security group: nothing"
        )
        raise self.stops(
            "security group", next(iter(groups), ""),
            f"{held} lets {self.flow.text} {there} {_somewhere(remote)} {way}.",
            self._rule(direction, next(iter(groups), "GROUP"), own, remote),
        )  # fmt: skip

    async def _lets(self, rule: Row[Any], version: int, remote: str) -> bool:
        if rule.ethertype != f"IPv{version}":
            return False
        number = protocol_number(rule.protocol, rule.ethertype)
        if number not in (None, protocol_number(self.flow.protocol, rule.ethertype)):
            return False
        if number is not None and not self._in_range(rule, version):
            return False
        if rule.remote_address_group_id:
            held = await address_groups.addresses_of(self.tx, [rule.remote_address_group_id])
            return any(_within(remote, one) for one in held[rule.remote_address_group_id])
        if rule.remote_group_id:
            member = {"group": rule.remote_group_id, "of": remote}
            return await self.tx.first(_member, member) is not None
        return not rule.normalized_cidr or _within(remote, rule.normalized_cidr)

    def _in_range(self, rule: Row[Any], version: int) -> bool:
        """Whether a rule's ports, or its ICMP type and code, are those of what is sent."""
        low, high, port = rule.port_range_min, rule.port_range_max, self.flow.port
        if low is None:
            return True
        if port is None:
            return bool(low == ECHO[version] and high in (None, 0))
        return bool(low <= port <= (low if high is None else high))

    def _rule(self, direction: str, group: str, own: str, remote: str) -> str:
        words = ["openstack security group rule create"]
        if direction == "egress":
            words.append("--egress")
        if ipaddress.ip_address(own).version == 6:
            words.append("--ethertype IPv6")
        words.append(f"--protocol {self.flow.protocol}")
        if self.flow.port is not None:
            words.append(f"--dst-port {self.flow.port}")
        if not _is_anywhere(remote):
            words.append(f"--remote-ip {ipaddress.ip_network(remote)}")
        return " ".join([*words, group])

    # ---- the way ----

    async def _travels(self, start: _Place, goal: _Place) -> str:
        """To the goal; returns the address that the packet comes from there."""
        if _neighbours(start, goal):
            network = await self.one(_network, start.row.network_id)
            self._up(network, "network", "Network")
            self.passes("network", network.id, f"Both are on network {network.name or network.id}.")
            return start.address
        self.source_address = start.address
        router = await self._first_router(start, goal)
        if router is None:
            await self._comes_in(start, goal)
            return start.address
        self.network_id = start.row.network_id
        for _ in range(MAXIMUM_ROUTERS):
            self._up(router, "router", "Router")
            there = await self._connected(router, goal)
            if there is not None:
                name = router.name or router.id
                self.passes("router", router.id, f"Router {name} is on subnet {there}.")
                return self.source_address
            following = await self._by_route(router, start, goal)
            if following is None:
                return await self._leaves(router, start, goal)
            router = following
        raise self.stops(
            "router", router.id, f"The routes lead through more than {MAXIMUM_ROUTERS} routers.",
            "Look for a loop in their routes.",
        )  # fmt: skip

    def _up(self, row: Any, at: str, kind: str) -> None:
        if not row.admin_state_up:
            name = row.name or row.id
            raise self.stops(
                at, row.id, f"{kind} {name} is administratively down.",
                f"openstack {at} set --enable {row.id}",
            )  # fmt: skip

    async def _first_router(self, start: _Place, goal: _Place) -> Any:
        """The router that the guest gives the packet to; None on an external network, which has its own way."""
        subnet = await self.one(_subnet, start.row.subnet_id)
        network = await self.one(_network, start.row.network_id)
        if not _is_anywhere(goal.address) and _within(goal.address, subnet.cidr):
            await self._beside(subnet, network, start, goal)
            return None
        hop = _next_hop(subnet.host_routes, goal.address) or subnet.gateway_ip
        name = subnet.name or subnet.id
        if hop is None:
            raise self.stops(
                "subnet", subnet.id, f"Subnet {name} has no gateway: nothing leads out of it.",
                f"openstack subnet set --gateway auto {subnet.id}",
            )  # fmt: skip
        router, mac = await self._router_at(subnet.network_id, hop)
        self._sent(start, goal, mac)
        if router is None and network.external:
            self.passes("subnet", subnet.id, f"Subnet {name} sends it to {hop}, beyond this cloud.")
        elif router is None:
            raise self.stops(
                "subnet", subnet.id,
                f"Subnet {name} sends it to {hop}, which is not the address of a router.",
                f"openstack router add subnet ROUTER {subnet.id}",
            )  # fmt: skip
        else:
            self.passes("subnet", subnet.id, f"Subnet {name} sends it to {hop}.")
        return router

    async def _beside(self, subnet: Any, network: Any, start: _Place, goal: _Place) -> None:
        """An address of the guest's own subnet that no port has: a floating IP, or what is on an external network."""
        floating = goal.floating
        if floating is not None and floating.floating_network_id == network.id:
            router = floating.router_id and await self.one(_router, floating.router_id)
            gateway = router and await self._gateway_port(router, goal)
            self._sent(start, goal, gateway.mac_address if gateway else NOBODY)
        elif goal.row is None and floating is None and network.external:
            self._sent(start, goal, NOBODY)
        else:
            raise self._nobody(subnet, goal)

    def _nobody(self, subnet: Any, goal: _Place) -> Stop:
        """Nobody answers for an address where a packet is given to whoever has it."""
        self.packet = None  # what OVN lets out is the question who has it
        return self.stops(
            "subnet", subnet.id,
            f"{goal.address} is an address of subnet {subnet.name or subnet.id}, where no port has it.",
            "Name the server or the port: it has another address, or is gone.",
        )  # fmt: skip

    async def _router_at(self, network_id: str, address: str) -> tuple[Any, str]:
        """The router whose port has an address on a network, if any, and that port's MAC address."""
        rows = await self.tx.all(_on_network, {"network": network_id, "of": address})
        found = next((row for row in rows if row.role in ("router", "gateway")), None)
        if found is None:
            return None, NOBODY
        return await self.one(_router, found.device_id), str(found.mac_address)

    async def _connected(self, router: Any, goal: _Place) -> str | None:
        """The router's subnet that the goal is on, if it has one."""
        if goal.floating is not None or _is_anywhere(goal.address):
            return None
        for one in await self.tx.all(_interfaces, {"of": router.id}):
            if goal.row is None and _within(goal.address, one.cidr):
                raise self._nobody(one, goal)
            if goal.row is not None and one.id == goal.row.subnet_id:
                await self._in_scope(router, goal)
                return str(one.name or one.id)
        return None

    async def _in_scope(self, router: Any, goal: _Place) -> None:
        """A router passes nothing on between networks of different address scopes."""
        both = [(one, goal.version) for one in (self.network_id, goal.row.network_id)]
        scopes = await subnet_pools.scopes_of(self.tx, [one for one, _ in both])
        if scopes.get(both[0]) != scopes.get(both[1]):
            raise self.stops(
                "address scope", scopes.get(both[1]) or scopes.get(both[0], ""),
                f"Router {router.name or router.id} parts the address scopes of the two networks.",
                f"openstack floating ip create NETWORK; openstack floating ip set --port {goal.row.id} ADDRESS",
            )  # fmt: skip

    async def _by_route(self, router: Any, start: _Place, goal: _Place) -> Any:
        """The router that a route of this one leads to; None without a route, and by one that leaves this cloud."""
        hop = _next_hop(router.routes, goal.address)
        if hop is None:
            return None
        name = router.name or router.id
        for one in await self.tx.all(_interfaces, {"of": router.id}):
            if not _within(hop, one.cidr):
                continue
            found, _ = await self._router_at(one.network_id, hop)
            if found is not None:
                self.passes("router", router.id, f"Router {name} has a route for it by {hop}.")
                self.network_id = one.network_id
                return found
        if any(_within(hop, one.cidr) for one in await self._gateways(router)):
            self.passes("router", router.id, f"Router {name} has a route for it by {hop}.")
            found, _ = await self._router_at(router.gateway_network_id, hop)
            if found is not None:
                self.source_address = await self._translated(router, start)
                self.network_id = router.gateway_network_id
            return found
        raise self.stops(
            "router", router.id,
            f"Router {name} has a route for it by {hop}, which is not a router: it ends in a guest.",
            f"openstack router unset --route destination=…,gateway={hop} {router.id}",
        )  # fmt: skip

    async def _leaves(self, router: Any, start: _Place, goal: _Place) -> str:
        """By the router's gateway; returns the address that the packet has then."""
        name = router.name or router.id
        if router.gateway_port_id is None:
            raise self.stops(
                "router", router.id, f"Router {name} does not lead to {_somewhere(goal.address)}.",
                f"openstack router set --external-gateway NETWORK {router.id}",
            )  # fmt: skip
        await self._has_way_out(router, start.version)
        source_address = await self._translated(router, start)
        self.passes(
            "NAT", router.id, f"Router {name} sends it out by its gateway, from {source_address}."
        )
        if goal.row is not None or goal.floating is not None:
            await self._comes_in(_Place(source_address), goal)
        else:
            anywhere = _is_anywhere(goal.address)
            says = (
                "It leaves this cloud." if anywhere else f"{goal.address} is outside of this cloud."
            )
            self.passes("outside", "", says)
        return source_address

    async def _gateways(self, router: Any) -> Sequence[Row[Any]]:
        """The router's addresses on its external network, with their subnets."""
        return await self.tx.all(_gateway, {"of": router.gateway_port_id or ""})

    async def _has_way_out(self, router: Any, version: int) -> None:
        if not any(one.ip_version == version for one in await self._gateways(router)):
            raise self.stops(
                "router", router.id,
                f"Router {router.name or router.id} has no IPv{version} address on an external network.",
                f"openstack router set --external-gateway NETWORK {router.id}",
            )  # fmt: skip

    async def _translated(self, router: Any, start: _Place) -> str:
        if start.version == 6:
            return start.address
        own = {"port": start.row.id}
        floating = await self.one(_floating_of, start.address, **own)
        if floating is not None and floating.router_id == router.id:
            return str(floating.floating_ip_address)
        scopes = await subnet_pools.scopes_of(self.tx, [self.network_id, router.gateway_network_id])
        inside = scopes.get((self.network_id, 4))
        if inside is not None and inside == scopes.get((router.gateway_network_id, 4)):
            return start.address
        gateways = await self._gateways(router)
        address = next((str(one.address) for one in gateways if one.ip_version == 4), None)
        return address if router.enable_snat and address else start.address

    async def _comes_in(self, start: _Place, goal: _Place) -> None:
        """From an external network to a port behind a router, or on that network itself."""
        if goal.floating is not None:
            await self._by_floating_ip(start, goal)
        elif goal.row is None:
            self.passes("outside", "", "Both are outside of this cloud.")
        else:
            network = await self.one(_network, goal.row.network_id)
            if not network.external and goal.version == 6:
                await self._comes_in_routed(network, goal)
            elif not network.external:
                raise self.stops(
                    "network", network.id,
                    f"{goal.address} is on network {network.name or network.id}, which is not reached from outside.",
                    f"openstack floating ip create NETWORK; openstack floating ip set --port {goal.row.id} ADDRESS",
                )  # fmt: skip

    async def _comes_in_routed(self, network: Any, goal: _Place) -> None:
        """IPv6 is not translated: a router of the goal's subnet takes it, where it leads out itself."""
        subnet = await self.one(_subnet, goal.row.subnet_id)
        router, _ = await self._router_at(network.id, subnet.gateway_ip or "")
        if router is None:
            raise self.stops(
                "network", network.id,
                f"{goal.address} is on network {network.name or network.id}, to which no router leads.",
                f"openstack router add subnet ROUTER {subnet.id}",
            )  # fmt: skip
        self._up(router, "router", "Router")
        await self._has_way_out(router, 6)
        name = router.name or router.id
        self.passes("router", router.id, f"Router {name} takes it in by its gateway.")

    async def _from_outside(self, router: Any, start: _Place, goal: _Place) -> None:
        """The packet comes in at the external network's port to the outside."""
        gateway = await self._gateway_port(router, goal)
        if gateway is not None:
            network, mac = gateway.network_id, gateway.mac_address
            self._given(network, f"{network}-physical", NOBODY, mac, start.address, goal.address)

    async def _gateway_port(self, router: Any, goal: _Place) -> Row[Any] | None:
        """The router's port on the external network by which the goal is reached, if it has one with an address."""
        theirs = await gateways.of_router(self.tx, router)
        if goal.floating is not None:
            outside = goal.floating.floating_network_id
            theirs = [one for one in theirs if one.network_id == outside] or theirs
        return await self.tx.first(_of_port, {"of": theirs[0].port_id}) if theirs else None

    async def _by_floating_ip(self, start: _Place, goal: _Place) -> None:
        floating, address = goal.floating, goal.address
        if (
            goal.row is None
            and (await forwardings.of_floating(self.tx, [floating.id]))[floating.id]
        ):
            raise self.stops(
                "floating IP", floating.id, f"Floating IP {address} does not forward {self.flow.text}.",
                "openstack floating ip port forwarding create --internal-ip-address … --port … "
                f"--internal-protocol-port … --external-protocol-port … --protocol … {address}",
            )  # fmt: skip
        if goal.row is None:
            raise self.stops(
                "floating IP", floating.id, f"Floating IP {address} is not associated with a port.",
                f"openstack server add floating ip SERVER {address}",
            )  # fmt: skip
        router = await self.one(_router, floating.router_id)
        self._up(router, "router", "Router")
        await self._from_outside(router, start, goal)
        inside = goal.row.address
        if floating.port_id is None and (one := await self._forwarding(floating)) is not None:
            assert self.flow.port is not None
            alone = one.internal_first == one.internal_last
            step = 0 if alone else self.flow.port - one.external_first
            self.flow = Flow(self.flow.protocol, one.internal_first + step)
            inside = f"{inside} port {self.flow.port}"
        says = f"Router {router.name or router.id} sends floating IP {address} to {inside}."
        self.passes("floating IP", floating.id, says)

    async def _comes_back(self, start: _Place, goal: _Place) -> None:
        """Where nothing is translated, answers find their way only by a router of their own subnet."""
        if _neighbours(start, goal):
            return
        subnet = await self.one(_subnet, goal.row.subnet_id)
        hop = _next_hop(subnet.host_routes, start.address) or subnet.gateway_ip
        if hop is None or (await self._router_at(subnet.network_id, hop))[0] is None:
            name = subnet.name or subnet.id
            raise self.stops(
                "subnet", subnet.id,
                f"Answers stop: subnet {name} sends them to {hop or 'no gateway'}, where no router is.",
                f"openstack subnet set --gateway ADDRESS {subnet.id}",
            )  # fmt: skip


def _alike(one: _Place, two: _Place) -> bool:
    return not one.address or not two.address or one.version == two.version


def _neighbours(one: _Place, two: _Place) -> bool:
    """Whether two addresses are of one subnet, so that no router is between them."""
    if one.row is None or two.row is None or two.floating is not None:
        return False
    return bool(one.row.subnet_id == two.row.subnet_id)


def _within(address: str, cidr: str) -> bool:
    network, one = ipaddress.ip_network(cidr), ipaddress.ip_address(address)
    return one.version == network.version and one in network


def _is_anywhere(address: str) -> bool:
    return ipaddress.ip_address(address).is_unspecified


def _somewhere(address: str) -> str:
    return "the outside" if _is_anywhere(address) else address


def _some(address: str) -> str:
    """An address that stands for all others, where it may be any: of those that documents use."""
    if not _is_anywhere(address):
        return address
    return "203.0.113.1" if ipaddress.ip_address(address).version == 4 else "2001:db8::1"


def _next_hop(routes: Iterable[Mapping[str, str]], address: str) -> str | None:
    """Of the routes that an address is in, the narrowest one's next hop."""
    found: Sequence[Mapping[str, str]] = sorted(
        (one for one in routes if _within(address, one["destination"])),
        key=lambda one: ipaddress.ip_network(one["destination"]).prefixlen,
    )
    return found[-1]["nexthop"] if found else None


__all__ = ["OUTSIDE", "End", "Flow", "Step", "compared", "end_of", "flow_of", "walk"]
