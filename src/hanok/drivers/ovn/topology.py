"""From a network service's plain values to rows. Pure functions; nothing is looked up.

A scope each: `ground` (once), a network, a port, a router, a floating IP, an address group, a security group. On a
rebuild apply them in that order, groups before ports; nothing breaks in another order, but a port
needs its network's switch and the ground, a floating IP its router.

Every value from outside is parsed here and written in one canonical form (addresses, prefixes,
MACs, ranges), so that no user's text reaches a match or an option. What cannot be enforced is
refused with CannotExpress.

Which port is whose, in a table:

    address sets    ag_<id>_ip4, ag_<id>_ip6 (an address group's)
    port groups     pg_drop (every port with port security), pg_metadata, sg_<id> (a group's)
    switch          its network's id        guest's and metadata ports: their port's id
    router          its id                  its ports: lrp-<port id>; on the switch: <port id>
    localnet        <network id>-physical
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
)
from typing import Literal

import msgspec

from hanok.drivers.ovn import dhcp_options
from hanok.drivers.ovn.errors import CannotExpress as CannotExpress
from hanok.drivers.ovn.host import FORGED_DSCP
from hanok.drivers.ovn.rows import (
    ACL,
    BFD,
    NAT,
    Action,
    AddressSet,
    DHCPOptions,
    Direction,
    DNSRecords,
    GatewayChassis,
    HealthCheck,
    LoadBalancer,
    LogicalSwitch,
    Meter,
    PortGroup,
    QoS,
    Router,
    RouterPolicy,
    RouterPort,
    Row,
    StaticRoute,
    SwitchPort,
)

DROP_GROUP, METADATA_GROUP = "pg_drop", "pg_metadata"
# What is logged of a port goes before what is not, and nothing before what no guest may.
DROP_PRIORITY, LOGGED_DROP_PRIORITY, ALLOW_PRIORITY, LOGGED_PRIORITY, NEVER_PRIORITY = range(
    1000, 1005
)
LOG_METER, LOGGED_A_SECOND, LOGGED_AT_ONCE = "hanok-acl-log", 100, 25
GENEVE_MTU = 1442  # bytes: 1500 less Geneve's 58 over IPv4
METADATA_ADDRESS, METADATA_ADDRESS_6 = "169.254.169.254", "fe80::a9fe:a9fe"
LEASE_S = 86400  # as the field's default

GROUND = "ground"


class HostRoute(msgspec.Struct, frozen=True, kw_only=True):
    destination: str
    next_hop: str


class SubnetSpec(msgspec.Struct, frozen=True, kw_only=True):
    """gateway_ip: "" for none. server_mac: MAC the DHCP server shows; any, but always the same."""

    id: str
    cidr: str
    server_mac: str
    gateway_ip: str = ""
    enable_dhcp: bool = True
    dns_servers: tuple[str, ...] = ()
    host_routes: tuple[HostRoute, ...] = ()
    dhcpv6_stateless: bool = False


class MetadataPortSpec(msgspec.Struct, frozen=True, kw_only=True):
    """The network's port for metadata; addresses by subnet id, IPv4 only: by IPv6 it is asked on the link."""

    id: str
    mac: str
    addresses: dict[str, str]


class NetworkSpec(msgspec.Struct, frozen=True, kw_only=True):
    """physical_network: name of the bridge mapping of a provider network; "" for a tenant's."""

    id: str
    mtu: int = GENEVE_MTU
    subnets: tuple[SubnetSpec, ...] = ()
    metadata_port: MetadataPortSpec | None = None
    physical_network: str = ""
    vlan: int | None = None
    dns_domain: str = ""
    guest_tags: bool = False
    """Whether frames of guests with VLAN tags pass."""
    qinq: bool = False
    """Whether the network's own tag on the physical network is an outer one (802.1ad)."""


class FixedIP(msgspec.Struct, frozen=True, kw_only=True):
    subnet_id: str
    address: str


class AddressPair(msgspec.Struct, frozen=True, kw_only=True):
    """A further address (or CIDR) the port may use; mac "" means the port's own."""

    address: str
    mac: str = ""


class QoSSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A rule of a QoS policy, seen from the guest: egress is what it sends.

    max_kbps and max_burst_kbps hold to a rate; 0: to none. dscp_mark: of egress only; None for none.
    """

    direction: Literal["ingress", "egress"] = "egress"
    max_kbps: int = 0
    max_burst_kbps: int = 0
    dscp_mark: int | None = None


class DHCPOption(msgspec.Struct, frozen=True, kw_only=True):
    """An option that DHCP tells one port, under the name that users know it by."""

    version: Literal[4, 6] = 4
    name: str
    value: str


class PortSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A guest's port."""

    id: str
    network_id: str
    mac: str
    fixed_ips: tuple[FixedIP, ...] = ()
    security_group_ids: tuple[str, ...] = ()
    address_pairs: tuple[AddressPair, ...] = ()
    port_security: bool = True
    mac_learning: bool = True
    """Without port security: whether frames for MACs that nobody has come here, and MACs seen here are learnt."""
    admin_up: bool = True
    host: str = ""
    """System id of the chassis that may bind the port; "" for any."""
    arriving: tuple[str, ...] = ()
    """Chassis that the guest is on its way to: the port is there, and silent until the guest speaks from there."""
    dns_names: tuple[str, ...] = ()
    """Names under which its network's switch finds the port's addresses."""
    published: tuple[str, tuple[str, ...]] = ("", ())
    """A further name, and the addresses that are told of it."""
    qos: tuple[QoSSpec, ...] = ()
    parent_id: str = ""
    """The port through which its frames come, each with the VLAN id; "" for a port of its own."""
    vlan: int | None = None
    dhcp: tuple[DHCPOption, ...] = ()


class RouterInterfaceSpec(msgspec.Struct, frozen=True, kw_only=True):
    """addresses: with prefix length. ra_mode: how guests are told to get their IPv6 addresses; "": not at all.

    scopes: the address scopes of its network, by version of IP; none of a version is a scope like another.
    """

    port_id: str
    network_id: str
    mac: str
    addresses: tuple[str, ...]
    mtu: int = GENEVE_MTU
    ra_mode: Literal["slaac", "dhcpv6_stateful", "dhcpv6_stateless", ""] = ""
    scopes: dict[int, str] = {}


class GatewaySpec(msgspec.Struct, frozen=True, kw_only=True):
    """A router's port on a provider network.

    addresses: with prefix length. next_hops: the network's gateways, at most one a version.
    chassis: system ids with their priorities; the highest that is alive carries the port.
    own_floating: floating addresses that lead to the router itself.
    """

    port_id: str
    network_id: str
    mac: str
    addresses: tuple[str, ...]
    next_hops: tuple[str, ...] = ()
    chassis: dict[str, int]
    enable_snat: bool = True
    own_floating: tuple[str, ...] = ()
    proxied: tuple[str, ...] = ()
    """Addresses of IPv6 behind the router for which its port answers the network's neighbours."""
    scopes: dict[int, str] = {}
    qos: tuple[QoSSpec, ...] = ()


class WaySpec(msgspec.Struct, frozen=True, kw_only=True):
    """By which of several gateways an address of a guest goes outside, because what comes in there leads to it.

    protocol, ports: what it sends from these alone; "" and () for all.
    """

    address: str
    port_id: str
    protocol: Literal["", "tcp", "udp"] = ""
    ports: tuple[int, int] | tuple[()] = ()


class RouterSpec(msgspec.Struct, frozen=True, kw_only=True):
    """more_gateways: those beside the first. ecmp: whether all of them are ways outside, or the first alone.

    bfd: whether a way holds only while its next hop answers.
    """

    id: str
    admin_up: bool = True
    interfaces: tuple[RouterInterfaceSpec, ...] = ()
    gateway: GatewaySpec | None = None
    more_gateways: tuple[GatewaySpec, ...] = ()
    ecmp: bool = False
    bfd: bool = False
    ways: tuple[WaySpec, ...] = ()
    routes: tuple[HostRoute, ...] = ()


class ForwardingSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A port of a floating IP, or several in a row, and where they lead. ports: the first and the last.

    address, first: where the first leads to; the others lead to the ports behind, or to the same where `to_one`.
    """

    protocol: Literal["tcp", "udp"]
    ports: tuple[int, int]
    address: str
    first: int
    to_one: bool = False


class FloatingIPSpec(msgspec.Struct, frozen=True, kw_only=True):
    """An associated floating IP, or one whose ports lead to addresses; without either there is nothing to write."""

    id: str
    router_id: str
    floating_address: str
    fixed_address: str = ""
    forwardings: tuple[ForwardingSpec, ...] = ()
    gateway_port_id: str = ""
    """The port of its router on the external network, where its QoS rules are looked at."""
    several: bool = False
    """Whether its router has several gateways, so that OVN has to be told at which one it is."""
    network_id: str = ""
    """The external network."""
    dns_name: str = ""
    home: str = ""
    """The network whose switch finds it by that name."""
    qos: tuple[QoSSpec, ...] = ()


class RuleSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A security group rule.

    protocol: "" for any, a name ("tcp", "udp", "sctp", "icmp", "icmpv6", …) or a number as text.
    port_min, port_max: ports, or ICMP type and code. Of the remotes at most one.
    """

    direction: Literal["ingress", "egress"]
    ethertype: Literal["IPv4", "IPv6"] = "IPv4"
    protocol: str = ""
    port_min: int | None = None
    port_max: int | None = None
    remote_cidr: str = ""
    remote_group_id: str = ""
    remote_address_group_id: str = ""


class AddressGroupSpec(msgspec.Struct, frozen=True, kw_only=True):
    """addresses: prefixes of both versions of IP."""

    id: str
    addresses: tuple[str, ...] = ()


class LogSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What is logged of a security group: what its rules let through, what none of them does, or both.

    port_id: of this port alone; "" for all that are in the group.
    """

    id: str
    event: Literal["ALL", "ACCEPT", "DROP"] = "ALL"
    port_id: str = ""


class SecurityGroupSpec(msgspec.Struct, frozen=True, kw_only=True):
    """stateful: whether answers to what the rules let through are let through, too."""

    id: str
    rules: tuple[RuleSpec, ...] = ()
    stateful: bool = True
    logs: tuple[LogSpec, ...] = ()


class CheckSpec(msgspec.Struct, frozen=True, kw_only=True):
    """How often a listener's targets are asked, in seconds, and how many answers in a row turn one."""

    delay: int
    timeout: int
    rise: int
    fall: int


class ListenerSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What a load balancer takes at a port, and where it sends it.

    members: addresses and ports. sticky: whether all of a client goes to one of them.
    """

    protocol: Literal["tcp", "udp", "sctp"]
    port: int
    members: tuple[tuple[str, int], ...]
    sticky: bool = False
    check: CheckSpec | None = None


class BalancerSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A load balancer in OVN itself.

    network_id, port_id, mac: where its addresses are. addresses: with prefix length. floating: further addresses, of
    floating IPs that lead to it. switches: the ids of networks whose guests may ask it; routers: between these. Where
    there is none, nobody would answer for its address, so it gets a small router of its own, whose way out is gateways.
    sources: of each member's address, the id of its port and the address that checks ask from.
    """

    id: str
    network_id: str
    port_id: str
    mac: str
    addresses: tuple[str, ...]
    floating: tuple[str, ...] = ()
    switches: tuple[str, ...] = ()
    routers: tuple[str, ...] = ()
    gateways: tuple[str, ...] = ()
    listeners: tuple[ListenerSpec, ...] = ()
    sources: dict[str, tuple[str, str]] = {}


def load_balancer_scope(balancer_id: str) -> str:
    return f"load_balancer:{balancer_id}"


def network_scope(network_id: str) -> str:
    return f"network:{network_id}"


def port_scope(port_id: str) -> str:
    return f"port:{port_id}"


def router_scope(router_id: str) -> str:
    return f"router:{router_id}"


def floating_ip_scope(floating_ip_id: str) -> str:
    return f"floating_ip:{floating_ip_id}"


def address_group_scope(group_id: str) -> str:
    return f"address_group:{group_id}"


def security_group_scope(group_id: str) -> str:
    return f"security_group:{group_id}"


def ground() -> list[Row]:
    """What the ports of all networks need, once.

    `pg_drop` drops what no rule allows. DHCP and ARP are answered before; neighbour discovery is
    not, so it is let through. No guest poses as a router or a DHCP server, whatever its rules say. OVN
    takes announcements of routers past all ACLs, so those of guests are marked, too (`network`).

    `pg_metadata` holds the metadata ports: nothing reaches our side of them but the one service,
    and nothing begins there.
    """
    drop, metadata = f"outport == @{DROP_GROUP}", f"outport == @{METADATA_GROUP}"
    from_drop, from_metadata = f"inport == @{DROP_GROUP}", f"inport == @{METADATA_GROUP}"
    service = (
        f"((ip4.dst == {METADATA_ADDRESS}) || (ip6.dst == {METADATA_ADDRESS_6})) && tcp.dst == 80"
    )
    posing = " || ".join(
        (
            "nd_ra",
            "(ip4 && udp.src == 67 && udp.dst == 68)",
            "(ip6 && udp.src == 547 && udp.dst == 546)",
        )
    )
    return [
        Meter(name=LOG_METER, rate=LOGGED_A_SECOND, burst=LOGGED_AT_ONCE),
        PortGroup(
            name=DROP_GROUP,
            acls=frozenset(
                {
                    _acl("from-lport", DROP_PRIORITY, f"{from_drop} && ip", "drop"),
                    _acl("from-lport", ALLOW_PRIORITY, f"{from_drop} && (nd || nd_rs)", "allow"),
                    _acl("from-lport", NEVER_PRIORITY, f"{from_drop} && ({posing})", "drop"),
                    _acl("to-lport", DROP_PRIORITY, f"{drop} && ip", "drop"),
                    _acl("to-lport", ALLOW_PRIORITY, f"{drop} && (nd || nd_ra)", "allow"),
                }
            ),
        ),
        PortGroup(
            name=METADATA_GROUP,
            acls=frozenset(
                {
                    _acl("from-lport", DROP_PRIORITY, f"{from_metadata} && ip", "drop"),
                    _acl("to-lport", DROP_PRIORITY, f"{metadata} && ip", "drop"),
                    _acl("to-lport", ALLOW_PRIORITY, f"{metadata} && {service}", "allow-related"),
                    # By IPv6 both sides ask for each other's MAC.
                    _acl("from-lport", ALLOW_PRIORITY, f"{from_metadata} && nd", "allow"),
                    _acl("to-lport", ALLOW_PRIORITY, f"{metadata} && nd", "allow"),
                }
            ),
        ),
    ]


def network(spec: NetworkSpec) -> list[Row]:
    """A network's switch, DHCP options, metadata port and way to the physical network."""
    tags = {"vlan-passthru": "true"} if spec.guest_tags else {}
    rows: list[Row] = [LogicalSwitch(name=_id(spec.id), other_config=tags)]
    metadata = spec.metadata_port
    for subnet in spec.subnets:
        if subnet.enable_dhcp:
            address = metadata.addresses.get(subnet.id, "") if metadata else ""
            rows.append(_dhcp(subnet, spec, address))
    if metadata is not None:
        addresses = [str(_v4(address)) for address in metadata.addresses.values()]
        where = " ".join(
            [_mac(metadata.mac), *sorted(addresses), METADATA_ADDRESS, METADATA_ADDRESS_6]
        )
        rows.append(
            SwitchPort(
                name=_id(metadata.id),
                switch=spec.id,
                type="localport",
                addresses=frozenset({where}),
                guard=METADATA_GROUP,
            )
        )
    if any(_network(subnet.cidr).version == 6 for subnet in spec.subnets):
        rows.append(
            QoS(
                name=f"{spec.id}-announced",
                switch=spec.id,
                direction="from-lport",
                priority=MARK_PRIORITY,
                match=f"inport == @{DROP_GROUP} && nd_ra",
                dscp=FORGED_DSCP,
            )
        )
    if spec.physical_network:
        rows.append(
            SwitchPort(
                name=f"{spec.id}-physical",
                switch=spec.id,
                type="localnet",
                tag=spec.vlan,
                addresses=frozenset({"unknown"}),
                options={
                    "network_name": spec.physical_network,
                    **({"ethtype": "802.1ad"} if spec.qinq else {}),
                },
            )
        )
    return rows


def _dhcp(subnet: SubnetSpec, spec: NetworkSpec, metadata_address: str) -> DHCPOptions:
    cidr = _network(subnet.cidr)
    if isinstance(cidr, IPv6Network):
        options = {"server_id": _mac(subnet.server_mac)}
        if subnet.dns_servers:
            options["dns_server"] = _set(str(_address(a)) for a in subnet.dns_servers)
        # OVN 23.03 writes a name as one label, whatever is in it; one that is a single label is right.
        if spec.dns_domain and "." not in spec.dns_domain.rstrip("."):
            options["domain_search"] = f'"{_domain(spec.dns_domain)}"'
        if subnet.dhcpv6_stateless:
            options["dhcpv6_stateless"] = "true"
        return DHCPOptions(name=_id(subnet.id), cidr=str(cidr), options=options)
    gateway = str(_v4(subnet.gateway_ip)) if subnet.gateway_ip else ""
    near = bool(gateway) and _v4(gateway) in cidr
    # OVN answers DHCP only with server_id, server_mac and lease_time all given.
    options = {
        "lease_time": str(LEASE_S),
        # Guests renew by asking this address; one on their own subnet is answered for.
        "server_id": (gateway if near else "") or metadata_address or str(cidr.network_address + 1),
        "server_mac": _mac(subnet.server_mac),
        "mtu": str(int(spec.mtu)),
    }
    if gateway:
        options["router"] = gateway
    if subnet.dns_servers:
        options["dns_server"] = _set(str(_v4(address)) for address in subnet.dns_servers)
    if spec.dns_domain:
        options["domain_name"] = f'"{_domain(spec.dns_domain)}"'
    routes = [(str(_v4network(r.destination)), str(_v4(r.next_hop))) for r in subnet.host_routes]
    if metadata_address:
        routes.append((f"{METADATA_ADDRESS}/32", str(_v4(metadata_address))))
    if gateway and not near:
        # Outside of the subnet: a guest must be told that it is on the link before it can go through it (RFC 3442).
        routes.insert(0, (f"{gateway}/32", "0.0.0.0"))  # noqa: S104
    if routes:
        # A client that takes option 121 ignores the router option (RFC 3442), so it is in here too.
        if gateway and not any(destination == "0.0.0.0/0" for destination, _ in routes):
            routes.append(("0.0.0.0/0", gateway))
        options["classless_static_route"] = _set(f"{to},{via}" for to, via in routes)
    return DHCPOptions(name=_id(subnet.id), cidr=str(cidr), options=options)


def _own_dhcp(
    spec: PortSpec, version: int, subnet: SubnetSpec, network: NetworkSpec
) -> DHCPOptions | None:
    """What DHCP tells a port that has options of its own: these, and of its subnet's what they leave; None for nothing.

    A router of its own is in the routes, too: who takes these does not look at the option.
    """
    own = dict(
        option
        for one in spec.dhcp
        if one.version == version
        and (option := dhcp_options.translated(one.version, one.name, one.value)) is not None
    )
    if own.pop(dhcp_options.DISABLED, "") == "true":
        return None
    metadata = network.metadata_port
    reached = metadata.addresses.get(subnet.id, "") if metadata else ""
    options = dict(_dhcp(subnet, network, reached).options)
    if "router" in own:
        first = own["router"].strip("{}").partition(",")[0]
        turned = msgspec.structs.replace(subnet, gateway_ip=first)
        options.pop("classless_static_route", None)
        others = _dhcp(turned, network, reached).options
        options |= {key: others[key] for key in ("classless_static_route",) if key in others}
    return DHCPOptions(
        name=f"{_id(spec.id)}-v{version}", cidr=str(_network(subnet.cidr)), options=options | own
    )


def port(
    spec: PortSpec, subnets: Sequence[SubnetSpec] = (), network: NetworkSpec | None = None
) -> list[Row]:
    """A guest's port. subnets: those of its network; they say whether DHCP answers it.

    network: what DHCP says beside; for a port with options of its own.
    """
    mac = _mac(spec.mac)
    addresses = [str(_address(fixed.address)) for fixed in spec.fixed_ips]
    secured = spec.port_security
    security = set()
    if secured:
        pairs: dict[str, list[str]] = {mac: list(addresses)}
        for pair in spec.address_pairs:
            pairs.setdefault(_mac(pair.mac) if pair.mac else mac, []).append(_pair(pair.address))
        # A MAC alone would allow every address with it; this one is nobody's.
        pairs[mac] = pairs[mac] or ["0.0.0.0"]  # noqa: S104
        for each, allowed in pairs.items():
            if any(":" in one for one in allowed):
                # OVN means to allow it anyway, and 23.03 drops the answer to who asks for it.
                allowed.append(link_local(each))
        security = {" ".join([each, *sorted(set(allowed))]) for each, allowed in pairs.items()}
    dhcp = {4: "", 6: ""}
    by_id = {subnet.id: subnet for subnet in subnets}
    for fixed in spec.fixed_ips:
        subnet = by_id.get(fixed.subnet_id)
        if subnet is not None and subnet.enable_dhcp:
            version = _address(fixed.address).version
            dhcp[version] = dhcp[version] or subnet.id
    rows: list[Row] = []
    for version in {one.version for one in spec.dhcp} if network is not None else ():
        if dhcp[version]:
            assert network is not None
            told = _own_dhcp(spec, version, by_id[dhcp[version]], network)
            dhcp[version] = told.name if told is not None else ""
            rows += [told] if told is not None else []
    reachable = {" ".join([mac, *addresses])}
    if not secured and spec.mac_learning:
        reachable.add("unknown")
    rows.append(
        SwitchPort(
            name=_id(spec.id),
            switch=_id(spec.network_id),
            tag=spec.vlan if spec.parent_id else None,
            parent=_id(spec.parent_id) if spec.parent_id else "",
            addresses=frozenset(reachable),
            port_security=frozenset(security),
            enabled=spec.admin_up,
            dhcpv4=dhcp[4],
            dhcpv6=dhcp[6],
            groups=frozenset(group_name(group) for group in spec.security_group_ids)
            if secured
            else frozenset(),
            guard=DROP_GROUP if secured else "",
            options=_chassis(spec),
        )
    )
    if spec.dns_names and (addresses or spec.published[1]):
        rows.append(_names(spec, addresses))
    rows += _qos(spec.id, spec.network_id, spec.id, spec.qos)
    return rows


MARK_PRIORITY = 32767  # what is marked for being forged is not marked otherwise
QOS_PRIORITY, QOS_OUTSIDE_PRIORITY = (
    2002,
    2001,
)  # one address of a router's gateway goes before all of it


def _qos(
    name: str,
    network_id: str,
    port_id: str,
    rules: Sequence[QoSSpec],
    *,
    address: str = "",
    priority: int = QOS_PRIORITY,
) -> list[Row]:
    """What a switch does with what a port sends and is sent, or with one address of it.

    A packet meets one rule a direction, so what marks and what holds to a rate are one.
    """
    found: list[Row] = []
    for direction in ("egress", "ingress"):
        mine = [one for one in rules if one.direction == direction]
        if not mine:
            continue
        sends = direction == "egress"
        match = [f'{"inport" if sends else "outport"} == "{_id(port_id)}"']
        if address:
            match.append(f"ip4.{'src' if sends else 'dst'} == {_v4(address)}")
        rate = next((one for one in mine if one.max_kbps), QoSSpec())
        found.append(
            QoS(
                name=f"{_id(name)}-{direction}",
                switch=_id(network_id),
                direction="from-lport" if sends else "to-lport",
                priority=priority,
                match=" && ".join(match),
                dscp=next((one.dscp_mark for one in mine if one.dscp_mark is not None), None),
                rate=rate.max_kbps,
                burst=rate.max_burst_kbps,
            )
        )
    return found


def _chassis(spec: PortSpec) -> dict[str, str]:
    """Which chassis may bind the port. With several, those but the first let nothing through until a RARP comes from
    there, which is what a guest sends once it runs where it was moved to.

    Source: ovn-nb(5), Logical_Switch_Port options "requested-chassis" and "activation-strategy".
    """
    if not spec.host or spec.parent_id:
        return {}  # what comes through another port is where that is
    named = ",".join([spec.host, *spec.arriving])
    return {"requested-chassis": named} | ({"activation-strategy": "rarp"} if spec.arriving else {})


def _names(spec: PortSpec, addresses: Sequence[str]) -> DNSRecords:
    """A port's names and, of its addresses, the last of these names: what the switch answers itself.

    Each port has records of its own, so a new server writes its line and not those of all its neighbours.
    """
    names = [_domain(name) for name in spec.dns_names]
    records = dict.fromkeys(names, " ".join(addresses)) if addresses else {}
    further, told = spec.published
    if further and told and _domain(further) not in records:
        records[_domain(further)] = " ".join(str(_address(one)) for one in told)
    for address in addresses:
        records[_address(address).reverse_pointer] = names[-1]
    return DNSRecords(name=_id(spec.id), switches=frozenset({spec.network_id}), records=records)


def group_name(group_id: str) -> str:
    """The port group of a security group; OVN adds `_ip4` and `_ip6` for its address sets."""
    return "sg_" + _id(group_id).replace("-", "_")


def _address_set(group_id: str, family: str) -> str:
    return f"ag_{_id(group_id).replace('-', '_')}_{family}"


def address_group(spec: AddressGroupSpec) -> list[Row]:
    """An address group's two address sets, empty ones too: rules name both."""
    prefixes = [_network(one) for one in spec.addresses]
    return [
        AddressSet(
            name=_address_set(spec.id, family),
            addresses=frozenset(str(one) for one in prefixes if one.version == version),
        )
        for family, version in (("ip4", 4), ("ip6", 6))
    ]


def security_group(spec: SecurityGroupSpec) -> list[Row]:
    """A security group's port group with its rules. Who is in it, the ports say."""
    action: Action = "allow-related" if spec.stateful else "allow-stateless"
    acls = [_rule(spec.id, rule, action) for rule in spec.rules]
    whole = [log for log in spec.logs if not log.port_id]
    accepts = next((log for log in whole if log.event != "DROP"), None)
    found = {acl if accepts is None else _logged(acl, accepts) for acl in acls}
    for log in spec.logs:
        if log.port_id and log.event != "DROP":
            found |= {_of_port(_logged(acl, log), log.port_id) for acl in acls}
    found |= _drops(group_name(spec.id), spec.logs)
    return [PortGroup(name=group_name(spec.id), acls=frozenset(found))]


def _logged(acl: ACL, log: LogSpec) -> ACL:
    return msgspec.structs.replace(acl, log=f"log-{_id(log.id)}", meter=LOG_METER)


def _of_port(acl: ACL, port_id: str) -> ACL:
    """A rule as it is for one port alone, before the same for all."""
    side = "outport" if acl.direction == "to-lport" else "inport"
    match = f'{side} == "{_id(port_id)}" && {acl.match}'
    return msgspec.structs.replace(acl, match=match, priority=LOGGED_PRIORITY)


def _drops(group: str, logs: Sequence[LogSpec]) -> set[ACL]:
    """What drops and logs what no rule lets through, before what drops it unseen."""
    desired = [log for log in logs if log.event != "ACCEPT"]
    # What is logged of the group is logged of each of its ports.
    if whole := [log for log in desired if not log.port_id]:
        desired = whole[:1]
    sides: tuple[tuple[Direction, str], ...] = (("from-lport", "inport"), ("to-lport", "outport"))
    found = set()
    for log in desired:
        for direction, side in sides:
            match = f"{side} == @{group} && ip"
            if log.port_id:
                match = f'{side} == "{_id(log.port_id)}" && {match}'
            drop = _acl(direction, LOGGED_DROP_PRIORITY, match, "drop")
            found.add(_logged(drop, log))
    return found


PROTOCOLS = {
    "hopopt": 0, "ip": 0, "icmp": 1, "igmp": 2, "ipip": 4, "tcp": 6, "egp": 8, "udp": 17, "dccp": 33, "ipv6-route": 43,
    "ipv6-frag": 44, "rsvp": 46, "gre": 47, "esp": 50, "ah": 51, "icmpv6": 58, "ipv6-icmp": 58,
    "ipv6-nonxt": 59, "ipv6-opts": 60, "ospf": 89, "pgm": 113, "vrrp": 112, "sctp": 132,
    "udplite": 136, "ipv6-encap": 41,
}  # fmt: skip
_WITH_PORTS = {6: "tcp", 17: "udp", 132: "sctp"}


def _rule(group_id: str, rule: RuleSpec, action: Action) -> ACL:
    ingress = rule.direction == "ingress"
    family, version = ("ip4", 4) if rule.ethertype == "IPv4" else ("ip6", 6)
    match = [f"{'outport' if ingress else 'inport'} == @{group_name(group_id)}", family]
    remote = f"{family}.{'src' if ingress else 'dst'}"
    if sum(map(bool, (rule.remote_cidr, rule.remote_group_id, rule.remote_address_group_id))) > 1:
        raise CannotExpress("a rule has a remote prefix or a remote group, not both")
    if rule.remote_cidr:
        cidr = _network(rule.remote_cidr)
        if cidr.version != version:
            raise CannotExpress(f"{cidr} is not {rule.ethertype}")
        if cidr.prefixlen:
            match.append(f"{remote} == {cidr}")
    elif rule.remote_group_id:
        match.append(f"{remote} == ${group_name(rule.remote_group_id)}_{family}")
    elif rule.remote_address_group_id:
        match.append(f"{remote} == ${_address_set(rule.remote_address_group_id, family)}")
    match.extend(_protocol(rule, version))
    direction: Direction = "to-lport" if ingress else "from-lport"
    return _acl(direction, ALLOW_PRIORITY, " && ".join(match), action)


def _protocol(rule: RuleSpec, version: int) -> list[str]:
    name = rule.protocol.lower()
    if name in ("", "any"):
        if rule.port_min is not None or rule.port_max is not None:
            raise CannotExpress("ports need a protocol")
        return []
    if name == "0":
        raise CannotExpress("no such protocol")
    number = PROTOCOLS.get(name)
    if number is None:
        if not (name.isascii() and name.isdigit() and int(name) <= 255):
            raise CannotExpress("no such protocol")
        number = int(name)
    if number == 1 and version == 6:
        number = 58  # "icmp" in an IPv6 rule is ICMPv6: the API's legacy spelling
    if number in _WITH_PORTS:
        return [_WITH_PORTS[number], *_ports(rule, _WITH_PORTS[number])]
    if number in (1, 58):
        if (number == 1) != (version == 4):
            raise CannotExpress("ICMP and ethertype do not go together")
        kind = "icmp4" if number == 1 else "icmp6"
        return [kind, *_icmp(rule, kind)]
    if rule.port_min is not None or rule.port_max is not None:
        raise CannotExpress("this protocol has no ports")
    return [f"ip.proto == {number}"]


def _ports(rule: RuleSpec, protocol: str) -> list[str]:
    low, high = rule.port_min, rule.port_max
    if low is None and high is None:
        return []
    low, high = (1 if low is None else low), (65535 if high is None else high)
    if not 0 <= low <= high <= 65535:
        raise CannotExpress("ports are 0 to 65535, the first not above the last")
    if low == high:
        return [f"{protocol}.dst == {low}"]
    return [f"{protocol}.dst >= {low}", f"{protocol}.dst <= {high}"]


def _icmp(rule: RuleSpec, kind: str) -> list[str]:
    match = []
    for field, value in (("type", rule.port_min), ("code", rule.port_max)):
        if value is not None:
            if not 0 <= value <= 255:
                raise CannotExpress("ICMP type and code are 0 to 255")
            match.append(f"{kind}.{field} == {value}")
    if rule.port_min is None and match:
        raise CannotExpress("an ICMP code needs a type")
    return match


def router(spec: RouterSpec) -> list[Row]:
    """A router, its ports on both sides, source NAT and its routes."""
    name = _id(spec.id)
    routes = {
        StaticRoute(
            destination=str(_network(route.destination)),
            next_hop=str(_address(route.next_hop)),
        )
        for route in spec.routes
    }
    ports: list[Row] = []
    for interface in spec.interfaces:
        ports += _router_port(
            name, interface.port_id, interface.network_id, interface.mac, interface.addresses,
            ra_mode=interface.ra_mode, mtu=interface.mtu,
        )  # fmt: skip
    gateways = [one for one in (spec.gateway, *spec.more_gateways) if one is not None]
    for gateway in gateways:
        # A router takes what is for itself before it translates addresses: NAT to its own would lead nowhere.
        own = [f"{_v4(address)}/32" for address in gateway.own_floating]
        ports += _router_port(
            name, gateway.port_id, gateway.network_id, gateway.mac, [*gateway.addresses, *own],
            gateway.chassis,
        )  # fmt: skip
        ports += _snat(name, gateway, spec.interfaces, several=len(gateways) > 1)
        ports += [
            _proxy(name, gateway, each, several=len(gateways) > 1) for each in gateway.proxied
        ]
        ports += _qos(
            gateway.port_id, gateway.network_id, gateway.port_id, gateway.qos,
            priority=QOS_OUTSIDE_PRIORITY,
        )  # fmt: skip
    said = {route.destination for route in routes}
    outward = [one for one in _outward(spec, gateways) if one.destination not in said]
    ports += [BFD(port=one.port, next_hop=one.next_hop) for one in outward if one.watched]
    routes.update(outward)
    return [
        Router(
            name=name,
            enabled=spec.admin_up,
            routes=frozenset(routes),
            policies=_walls(spec.interfaces) | _ways(spec, gateways),
            # Without these two, routers on one external network cost flows by the square.
            options={"always_learn_from_arp_request": "false", "dynamic_neigh_routers": "true"},
        ),
        *ports,
    ]


def _outward(spec: RouterSpec, gateways: Sequence[GatewaySpec]) -> list[StaticRoute]:
    """The ways outside, of each version of IP: by the first gateway that has one, or by all of them."""
    found: dict[str, list[StaticRoute]] = {}
    for gateway in gateways:
        for address in map(_address, gateway.next_hops):
            everywhere = "0.0.0.0/0" if address.version == 4 else "::/0"
            theirs = found.setdefault(everywhere, [])
            if not theirs or spec.ecmp:
                theirs.append(
                    StaticRoute(
                        destination=everywhere,
                        next_hop=str(address),
                        port=_router_port_name(gateway.port_id),
                        watched=spec.bfd,
                    )
                )
    return [one for routes in found.values() for one in routes]


WAY_PRIORITY = 900


def _ways(spec: RouterSpec, gateways: Sequence[GatewaySpec]) -> frozenset[RouterPolicy]:
    """Answers to what came in by one of several gateways go out there, whichever is the way of everything else."""
    hops = {
        gateway.port_id: hop
        for gateway in gateways
        for hop in map(_address, gateway.next_hops)
        if hop.version == 4
    }
    near = {
        str(each.network)
        for interface in spec.interfaces
        for each in map(_interface, interface.addresses)
        if each.version == 4
    }
    near |= {str(each) for each in map(_network, (one.destination for one in spec.routes))
             if each.version == 4 and each.prefixlen}  # fmt: skip
    found = set()
    for way in spec.ways if len(gateways) > 1 else ():
        if way.port_id not in hops:
            continue
        match = [f"ip4.src == {_v4(way.address)}"]
        if near:
            match.append(f"ip4.dst != {_set(sorted(near))}")
        if way.protocol and way.ports:
            first, last = map(int, way.ports)
            match.append(f"{first} <= {way.protocol}.src <= {last}")
        found.add(
            RouterPolicy(
                priority=WAY_PRIORITY, match=" && ".join(match), next_hop=str(hops[way.port_id])
            )
        )
    return frozenset(found)


def _snat(
    router: str,
    gateway: GatewaySpec,
    interfaces: Sequence[RouterInterfaceSpec],
    *,
    several: bool,
) -> list[Row]:
    outside = [str(each.ip) for each in map(_interface, gateway.addresses) if each.version == 4]
    if not gateway.enable_snat or not outside:
        return []
    inside = {
        str(each.network)
        for interface in interfaces
        for each in map(_interface, interface.addresses)
        if each.version == 4 and not _one_scope(gateway.scopes, interface.scopes)
    }
    return [
        NAT(
            router=router,
            type="snat",
            external_ip=outside[0],
            logical_ip=cidr,
            gateway=_router_port_name(gateway.port_id) if several else "",
        )
        for cidr in sorted(inside)
    ]


def _proxy(router: str, gateway: GatewaySpec, address: str, *, several: bool) -> NAT:
    """The gateway's port answers neighbours for an address that stays what it is: translated to itself."""
    one = str(_v6(address))
    return NAT(
        router=router,
        type="dnat_and_snat",
        external_ip=one,
        logical_ip=one,
        gateway=_router_port_name(gateway.port_id) if several else "",
        options={"stateless": "true"},
    )


def _one_scope(outside: dict[int, str], inside: dict[int, str]) -> bool:
    """Whether addresses of IPv4 mean the same on both sides, so that there is nothing to translate."""
    return bool(outside.get(4)) and outside.get(4) == inside.get(4)


WALL_PRIORITY = 1000


def _walls(interfaces: Sequence[RouterInterfaceSpec]) -> frozenset[RouterPolicy]:
    """Nothing goes from a network to one of another address scope; floating IPs lead around that."""
    found = set()
    for source in interfaces:
        for target in interfaces:
            for each in map(_interface, target.addresses):
                if source.scopes.get(each.version) != target.scopes.get(each.version):
                    here, family = _router_port_name(source.port_id), f"ip{each.version}"
                    match = f'inport == "{here}" && {family}.dst == {each.network}'
                    found.add(RouterPolicy(priority=WALL_PRIORITY, match=match))
    return frozenset(found)


NO_CHASSIS: Mapping[str, int] = {}


def _router_port_name(port_id: str) -> str:
    return f"lrp-{_id(port_id)}"


def _router_port(
    router: str,
    port_id: str,
    network_id: str,
    mac: str,
    addresses: Sequence[str],
    chassis: Mapping[str, int] = NO_CHASSIS,
    ra_mode: str = "",
    mtu: int = 0,
) -> list[Row]:
    name = _router_port_name(port_id)
    networks = frozenset(str(_interface(address)) for address in addresses)
    advertise = bool(ra_mode) and any(_interface(each).version == 6 for each in addresses)
    told = {"address_mode": ra_mode, "send_periodic": "true"} if advertise else {}
    if advertise and mtu >= 1280:  # RFC 8200: a link of IPv6 has no less
        told["mtu"] = str(int(mtu))
    return [
        RouterPort(
            name=name,
            router=router,
            mac=_mac(mac),
            networks=networks,
            gateway_chassis=frozenset(
                GatewayChassis(chassis=each, priority=priority)
                for each, priority in chassis.items()
            ),
            ipv6_ra_configs=told,
        ),
        SwitchPort(
            name=_id(port_id),
            switch=_id(network_id),
            type="router",
            addresses=frozenset({"router"}),
            options={"router-port": name}
            # The gateway's side answers for its NAT addresses and announces them when it moves.
            | ({"nat-addresses": "router"} if chassis else {}),
        ),
    ]


def floating_ip(spec: FloatingIPSpec) -> list[Row]:
    """A floating IP: both ways, on the router's gateway chassis; or its ports, each its own way."""
    rows = _qos(
        spec.id, spec.network_id, spec.gateway_port_id, spec.qos, address=spec.floating_address
    )
    if spec.dns_name and spec.home:
        rows.append(
            DNSRecords(
                name=_id(spec.id),
                switches=frozenset({_id(spec.home)}),
                records={_domain(spec.dns_name): str(_v4(spec.floating_address))},
            )
        )
    if not spec.fixed_address:
        return [*_balancers(spec), *rows]
    whole = NAT(
        router=_id(spec.router_id),
        type="dnat_and_snat",
        external_ip=str(_v4(spec.floating_address)),
        logical_ip=str(_v4(spec.fixed_address)),
        gateway=_router_port_name(spec.gateway_port_id) if spec.several else "",
    )
    return [whole, *rows]


def _balancers(spec: FloatingIPSpec) -> list[Row]:
    """A load balancer a protocol, each port of which has one target."""
    vips: dict[Literal["tcp", "udp"], dict[str, str]] = {}
    for one in spec.forwardings:
        vips.setdefault(one.protocol, {}).update(_vips(str(_v4(spec.floating_address)), one))
    return [
        LoadBalancer(
            name=f"{_id(spec.id)}-{protocol}",
            routers=frozenset((_id(spec.router_id),)),
            protocol=protocol,
            vips=found,
        )
        for protocol, found in sorted(vips.items())
    ]


def _vips(outside: str, one: ForwardingSpec) -> dict[str, str]:
    first, last = one.ports
    count = last - first
    if not (0 < first <= last <= 65535 and 0 < one.first <= 65535 - (0 if one.to_one else count)):
        raise CannotExpress("ports are 1 to 65535, the first not above the last")
    inside = str(_v4(one.address))
    return {
        f"{outside}:{first + step}": f"{inside}:{one.first + (0 if one.to_one else step)}"
        for step in range(count + 1)
    }


def load_balancer(spec: BalancerSpec) -> list[Row]:
    """A load balancer: a row for each of its listeners, on switches and routers, and what answers for its address."""
    rows: list[Row] = []
    routers = frozenset(map(_id, spec.routers))
    if not routers:
        own = f"lb-{_id(spec.id)}"
        routes = frozenset(
            StaticRoute(
                destination="0.0.0.0/0" if _address(one).version == 4 else "::/0", next_hop=one
            )
            for one in spec.gateways
        )
        rows = [
            Router(name=own, routes=routes),
            *_router_port(own, spec.port_id, spec.network_id, spec.mac, spec.addresses),
        ]
        routers = frozenset((own,))
    switches = frozenset(map(_id, spec.switches))
    for one in spec.listeners:
        if one.members:
            rows.append(_listener(spec, one, switches, routers))
    return rows


def _listener(
    spec: BalancerSpec, one: ListenerSpec, switches: frozenset[str], routers: frozenset[str]
) -> LoadBalancer:
    hosts = [str(_interface(each).ip) for each in spec.addresses]
    vips = {}
    for host in (*hosts, *(str(_address(each)) for each in spec.floating)):
        version = _address(host).version
        theirs = [each for each in one.members if _address(each[0]).version == version]
        if theirs:
            vips[_at(host, one.port)] = ",".join(_at(*each) for each in theirs)
    sources = {
        _bare(address): f"{_id(port_id)}:{_bare(source)}"
        for address, (port_id, source) in spec.sources.items()
        if one.check is not None and address in {each[0] for each in one.members}
    }
    checks = frozenset(
        HealthCheck(
            vip=vip,
            interval=one.check.delay,
            timeout=one.check.timeout,
            success_count=one.check.rise,
            failure_count=one.check.fall,
        )
        for vip in vips
        if one.check is not None and sources
    )
    return LoadBalancer(
        name=f"lb-{_id(spec.id)}-{one.protocol}-{int(one.port)}",
        routers=routers,
        switches=switches,
        protocol=one.protocol,
        vips=vips,
        selection=frozenset(("ip_src", "ip_dst")) if one.sticky else frozenset(),
        sources=sources,
        checks=checks,
    )


def _bare(address: str) -> str:
    found = _address(address)
    return f"[{found}]" if found.version == 6 else str(found)


def _at(address: str, port: int) -> str:
    return f"{_bare(address)}:{int(port)}"


def _acl(direction: Direction, priority: int, match: str, action: Action) -> ACL:
    return ACL(direction=direction, priority=priority, match=match, action=action)


_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_DOMAIN = re.compile(r"(?=.{1,253}\Z)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")


def _id(text: str) -> str:
    if not _ID.fullmatch(text):
        raise CannotExpress("not an id")
    return text


def _mac(text: str) -> str:
    mac = text.lower().replace("-", ":")
    if not _MAC.fullmatch(mac):
        raise CannotExpress("not a MAC address")
    return mac


def _domain(text: str) -> str:
    name = text.lower().rstrip(".")
    if not _DOMAIN.fullmatch(name):
        raise CannotExpress("not a domain name")
    return name


def _no_zone(text: str) -> str:
    """IPv6 zones name interfaces of one host, and mean nothing in a network."""
    if "%" in text:
        raise CannotExpress("an address has no zone here")
    return text


def _network(text: str) -> IPv4Network | IPv6Network:
    """A prefix; host bits are dropped, as the API does."""
    try:
        network = ipaddress.ip_network(_no_zone(text), strict=False)
    except ValueError:
        raise CannotExpress("not a network prefix") from None
    return network


def _v4network(text: str) -> IPv4Network:
    network = _network(text)
    if not isinstance(network, IPv4Network):
        raise CannotExpress("not an IPv4 prefix")
    return network


def _v4(text: str) -> IPv4Address:
    try:
        return IPv4Address(text)
    except ValueError:
        raise CannotExpress("not an IPv4 address") from None


def _v6(text: str) -> IPv6Address:
    address = _address(text)
    if not isinstance(address, IPv6Address):
        raise CannotExpress("not an IPv6 address")
    return address


def _interface(text: str) -> IPv4Interface | IPv6Interface:
    try:
        return ipaddress.ip_interface(_no_zone(text))
    except ValueError:
        raise CannotExpress("not an address with its prefix length") from None


def link_local(mac: str) -> str:
    """The address of the link that is made of a MAC (RFC 4291, appendix A)."""
    octets = bytes.fromhex(_mac(mac).replace(":", ""))
    own = bytes([octets[0] ^ 2]) + octets[1:3] + b"\xff\xfe" + octets[3:]
    return str(IPv6Address(b"\xfe\x80" + bytes(6) + own))


def _pair(text: str) -> str:
    network = _network(text)
    return str(network.network_address) if network.num_addresses == 1 else str(network)


def _address(text: str) -> IPv4Address | IPv6Address:
    try:
        address = ipaddress.ip_address(_no_zone(text))
    except ValueError:
        raise CannotExpress("not an address") from None
    return address


def _set(values: Iterable[str]) -> str:
    """OVN's way to write several values of a DHCP option."""
    return "{" + ", ".join(values) + "}"
