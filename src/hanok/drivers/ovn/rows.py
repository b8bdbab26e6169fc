"""Rows: what a caller wants the northbound database to hold.

Frozen values, compared by content; what is a set in OVSDB is a frozenset here. Rows name each
other: `SwitchPort.switch` is the name of a `LogicalSwitch`, of the same scope or another one. Names
are unique in a kind, over all scopes.

What must exist when a row is applied (else MissingParent): the switch or router it is part of, and
a port's `guard`. What may come later, and is tied when it comes: port groups, DHCP options, the
switches of DNS records, the routers of load balancers, the ports that a port group lists, the gateways of NAT.
"""

from __future__ import annotations

from typing import Literal

import msgspec

PortType = Literal["", "router", "localport", "localnet"]
NATType = Literal["snat", "dnat", "dnat_and_snat"]
Direction = Literal["from-lport", "to-lport"]
Action = Literal["allow", "allow-related", "allow-stateless", "drop", "reject"]
NOTHING: frozenset[str] = frozenset()


class LogicalSwitch(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="kind"):
    """A network's layer 2."""

    name: str
    other_config: dict[str, str] = {}
    external_ids: dict[str, str] = {}


class SwitchPort(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="kind"):
    """A port of a switch.

    type: "" (a guest's), "router", "localport" or "localnet".
    tag: VLAN of a localnet port, or of one whose frames come through another port.
    parent: the port through which its frames come, with that VLAN; "" for one of its own.
    dhcpv4, dhcpv6: names of DHCPOptions.
    groups: port groups (with `ports=None`) this port says it is in.
    guard: a port group without which this port must not exist, so that a port is never open by
    accident.
    """

    name: str
    switch: str
    type: PortType = ""
    tag: int | None = None
    parent: str = ""
    addresses: frozenset[str] = NOTHING
    port_security: frozenset[str] = NOTHING
    enabled: bool = True
    dhcpv4: str = ""
    dhcpv6: str = ""
    groups: frozenset[str] = NOTHING
    guard: str = ""
    options: dict[str, str] = {}
    external_ids: dict[str, str] = {}


class StaticRoute(msgspec.Struct, frozen=True, kw_only=True):
    """destination: CIDR; next_hop: an address; port: name of the router port to leave by, or "".

    watched: whether it holds only while the `BFD` of its port and next hop says that the hop is alive.
    """

    destination: str
    next_hop: str
    port: str = ""
    watched: bool = False


class RouterPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What a router does before it looks for a way: drops, or sends to a next hop where one is said."""

    priority: int
    match: str
    next_hop: str = ""


class BFD(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="kind"):
    """A next hop that a router port asks all the time if it is alive. port: the name of the router port."""

    port: str
    next_hop: str


class Router(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="kind"):
    name: str
    enabled: bool = True
    routes: frozenset[StaticRoute] = frozenset()
    policies: frozenset[RouterPolicy] = frozenset()
    options: dict[str, str] = {}
    external_ids: dict[str, str] = {}


class GatewayChassis(msgspec.Struct, frozen=True, kw_only=True):
    """chassis: a system id; the highest priority that is alive carries the port."""

    chassis: str
    priority: int


class RouterPort(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="kind"):
    """networks: addresses with prefix length ("10.0.0.1/24")."""

    name: str
    router: str
    mac: str
    networks: frozenset[str]
    enabled: bool = True
    gateway_chassis: frozenset[GatewayChassis] = frozenset()
    ipv6_ra_configs: dict[str, str] = {}
    options: dict[str, str] = {}
    external_ids: dict[str, str] = {}


class NAT(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="kind"):
    """logical_ip: CIDR for snat, an address for the others.

    logical_port, external_mac: both or neither; set, the translation is done on the guest's
    chassis. gateway: name of the router port where it is done, if the router has several to the outside.
    """

    router: str
    type: NATType
    external_ip: str
    logical_ip: str
    logical_port: str = ""
    external_mac: str = ""
    gateway: str = ""
    options: dict[str, str] = {}
    external_ids: dict[str, str] = {}


class DHCPOptions(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="kind"):
    """name: what ports refer to, a subnet's id."""

    name: str
    cidr: str
    options: dict[str, str] = {}


class ACL(msgspec.Struct, frozen=True, kw_only=True):
    """log: the name under which what matches is logged, as often as `meter` lets it; "" for not at all."""

    direction: Direction
    priority: int
    match: str
    action: Action
    log: str = ""
    meter: str = ""


class Meter(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="kind"):
    """How much is let through of what goes by it, each on its own: packets a second, and at once."""

    name: str
    rate: int
    burst: int


class PortGroup(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="kind"):
    """ports: names of all its ports, whether they exist or not; None: the ports say it
    (`SwitchPort.groups`).
    """

    name: str
    ports: frozenset[str] | None = None
    acls: frozenset[ACL] = frozenset()
    external_ids: dict[str, str] = {}


class DNSRecords(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="kind"):
    """records: name → addresses, divided by spaces; answered on these switches."""

    name: str
    switches: frozenset[str]
    records: dict[str, str] = {}


class AddressSet(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="kind"):
    name: str
    addresses: frozenset[str] = NOTHING


class QoS(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="kind"):
    """What a switch does with packets that match: holds them to a rate, marks them, or both.

    name: among all of them. dscp: the mark; None for none. rate: kbit/s; 0 for none. burst: kbit.
    """

    name: str
    switch: str
    direction: Direction
    priority: int
    match: str
    dscp: int | None = None
    rate: int = 0
    burst: int = 0


class HealthCheck(msgspec.Struct, frozen=True, kw_only=True):
    """Asks each target of a VIP whether it is there. Times in seconds; counts in a row."""

    vip: str
    interval: int
    timeout: int
    success_count: int
    failure_count: int


class LoadBalancer(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="kind"):
    """What routers and switches send on: address and port ("172.24.4.9:80") → where to ("10.0.0.5:8080,10.0.0.6:8080").

    selection: the fields of a packet that choose among targets; none: all of its connection's.
    sources: of each checked target's address, the switch port that has it and the address that asks: "port:10.0.0.2".
    """

    name: str
    routers: frozenset[str] = frozenset()
    switches: frozenset[str] = frozenset()
    protocol: Literal["tcp", "udp", "sctp"]
    vips: dict[str, str] = {}
    selection: frozenset[str] = frozenset()
    sources: dict[str, str] = {}
    checks: frozenset[HealthCheck] = frozenset()


Row = (
    LogicalSwitch
    | SwitchPort
    | Router
    | RouterPort
    | NAT
    | DHCPOptions
    | PortGroup
    | DNSRecords
    | AddressSet
    | LoadBalancer
    | BFD
    | Meter
    | QoS
)


def bfd_name(port: str, next_hop: str) -> str:
    """What the watch over a router port's next hop is known by."""
    return f"{port} {next_hop}"


def name_of(row: Row) -> str:
    """What a row is known by among its kind."""
    if isinstance(row, BFD):
        return bfd_name(row.port, row.next_hop)
    if isinstance(row, NAT):
        return f"{row.router} {row.type} {row.external_ip} {row.logical_ip}"
    return row.name
