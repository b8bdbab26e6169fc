"""From the northbound database back to rows: what is there, for whoever checks or shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, cast
from uuid import UUID

from hanok.drivers.ovn.plan import (
    BALANCER,
    CHECK,
    DHCP,
    DNS,
    GROUP,
    GUARD,
    OURS,
    PARENT,
    PORT,
    ROUTER,
    ROUTER_PORT,
    SWITCH,
    Copy,
    Index,
)
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
    NATType,
    PortGroup,
    PortType,
    QoS,
    Router,
    RouterPolicy,
    RouterPort,
    Row,
    StaticRoute,
    SwitchPort,
)

if TYPE_CHECKING:
    from hanok.drivers.ovn.idl import Cells


def read(index: Index, copy: Copy, scope: str) -> list[Row]:
    """The rows of a scope as they are: references are those that are really tied."""
    return [
        _READERS[table](index, copy, row)
        for table, row in sorted(
            index.scopes.get(scope, ()), key=lambda at: (at[0], index.key_of(*at))
        )
    ]


def members(index: Index, copy: Copy, group: str) -> frozenset[str]:
    """The names of the ports that are really in a port group."""
    row = index.names.get((GROUP, group))
    if row is None:
        return frozenset()
    return frozenset(index.key_of(PORT, port) for port in _rows(copy.cells(GROUP, row), "ports"))


def _one(cells: Cells, column: str) -> str:
    return next((str(atom) for atom in cells.atoms(column)), "")


def _texts(cells: Cells, column: str) -> frozenset[str]:
    return frozenset(str(atom) for atom in cells.atoms(column))


def _number(cells: Cells, column: str) -> int | None:
    return next((int(atom) for atom in cells.atoms(column) if isinstance(atom, int)), None)


def _flag(cells: Cells, column: str) -> bool:
    return False not in cells.atoms(column)


def _theirs(cells: Cells) -> dict[str, str]:
    ids = cells.pairs("external_ids")
    return {key: value for key, value in ids.items() if not key.startswith(OURS)}


def _named(index: Index, table: str, cells: Cells, column: str) -> str:
    rows = (row for row in cells.atoms(column) if isinstance(row, UUID))
    return next((index.key_of(table, row) for row in rows), "")


def _rows(cells: Cells, column: str) -> list[UUID]:
    return [row for row in cells.atoms(column) if isinstance(row, UUID)]


def _held(
    index: Index, copy: Copy, row: UUID, label: str, holder: str, column: str, ids: dict[str, str]
) -> frozenset[str]:
    """Those of the wished holders that really hold the row."""
    return frozenset(
        name
        for name in ids.get(label, "").split()
        if (at := index.names.get((holder, name))) is not None
        and copy.cells(holder, at).holds(column, row)
    )


def _read_switch(index: Index, copy: Copy, row: UUID) -> Row:
    cells = copy.cells(SWITCH, row)
    return LogicalSwitch(
        name=_one(cells, "name"),
        other_config=cells.pairs("other_config"),
        external_ids=_theirs(cells),
    )


def _read_port(index: Index, copy: Copy, row: UUID) -> Row:
    cells = copy.cells(PORT, row)
    ids = cells.pairs("external_ids")
    return SwitchPort(
        name=_one(cells, "name"),
        switch=ids[PARENT],
        type=cast(PortType, _one(cells, "type")),
        tag=_number(cells, "tag"),
        parent=_one(cells, "parent_name"),
        addresses=_texts(cells, "addresses"),
        port_security=_texts(cells, "port_security"),
        enabled=_flag(cells, "enabled"),
        dhcpv4=_named(index, DHCP, cells, "dhcpv4_options"),
        dhcpv6=_named(index, DHCP, cells, "dhcpv6_options"),
        groups=_held(index, copy, row, "hanok:groups", GROUP, "ports", ids),
        guard="".join(_held(index, copy, row, GUARD, GROUP, "ports", ids)),
        options=cells.pairs("options"),
        external_ids=_theirs(cells),
    )


def _read_router(index: Index, copy: Copy, row: UUID) -> Row:
    cells = copy.cells(ROUTER, row)
    table = "Logical_Router_Static_Route"
    routes = (copy.cells(table, route) for route in _rows(cells, "static_routes"))
    policies = (copy.cells("Logical_Router_Policy", at) for at in _rows(cells, "policies"))
    return Router(
        name=_one(cells, "name"),
        enabled=_flag(cells, "enabled"),
        routes=frozenset(
            StaticRoute(
                destination=_one(route, "ip_prefix"),
                next_hop=_one(route, "nexthop"),
                port=_one(route, "output_port"),
                watched=bool(route.atoms("bfd")),
            )
            for route in routes
        ),
        policies=frozenset(
            RouterPolicy(
                priority=_number(one, "priority") or 0,
                match=_one(one, "match"),
                next_hop=_one(one, "nexthops"),
            )
            for one in policies
        ),
        options=cells.pairs("options"),
        external_ids=_theirs(cells),
    )


def _read_router_port(index: Index, copy: Copy, row: UUID) -> Row:
    cells = copy.cells(ROUTER_PORT, row)
    gateways = (copy.cells("Gateway_Chassis", at) for at in _rows(cells, "gateway_chassis"))
    return RouterPort(
        name=_one(cells, "name"),
        router=cells.pairs("external_ids")[PARENT],
        mac=_one(cells, "mac"),
        networks=_texts(cells, "networks"),
        enabled=_flag(cells, "enabled"),
        gateway_chassis=frozenset(
            GatewayChassis(
                chassis=_one(gateway, "chassis_name"), priority=_number(gateway, "priority") or 0
            )
            for gateway in gateways
        ),
        ipv6_ra_configs=cells.pairs("ipv6_ra_configs"),
        options=cells.pairs("options"),
        external_ids=_theirs(cells),
    )


def _read_nat(index: Index, copy: Copy, row: UUID) -> Row:
    cells = copy.cells("NAT", row)
    return NAT(
        router=cells.pairs("external_ids")[PARENT],
        type=cast(NATType, _one(cells, "type")),
        external_ip=_one(cells, "external_ip"),
        logical_ip=_one(cells, "logical_ip"),
        logical_port=_one(cells, "logical_port"),
        external_mac=_one(cells, "external_mac"),
        gateway=_named(index, ROUTER_PORT, cells, "gateway_port"),
        options=cells.pairs("options"),
        external_ids=_theirs(cells),
    )


def _read_dhcp(index: Index, copy: Copy, row: UUID) -> Row:
    cells = copy.cells(DHCP, row)
    return DHCPOptions(
        name=index.key_of(DHCP, row), cidr=_one(cells, "cidr"), options=cells.pairs("options")
    )


def _read_group(index: Index, copy: Copy, row: UUID) -> Row:
    cells = copy.cells(GROUP, row)
    listed = "hanok:ports" in cells.pairs("external_ids")
    acls = (copy.cells("ACL", acl) for acl in _rows(cells, "acls"))
    return PortGroup(
        name=_one(cells, "name"),
        ports=frozenset(index.key_of(PORT, port) for port in _rows(cells, "ports"))
        if listed
        else None,
        acls=frozenset(
            ACL(
                direction=cast(Direction, _one(acl, "direction")),
                priority=_number(acl, "priority") or 0,
                match=_one(acl, "match"),
                action=cast(Action, _one(acl, "action")),
                log=_one(acl, "name") if True in acl.atoms("log") else "",
                meter=_one(acl, "meter"),
            )
            for acl in acls
        ),
        external_ids=_theirs(cells),
    )


def _read_dns(index: Index, copy: Copy, row: UUID) -> Row:
    cells = copy.cells(DNS, row)
    ids = cells.pairs("external_ids")
    return DNSRecords(
        name=index.key_of(DNS, row),
        switches=_held(index, copy, row, "hanok:switches", SWITCH, "dns_records", ids),
        records=cells.pairs("records"),
    )


def _read_qos(index: Index, copy: Copy, row: UUID) -> Row:
    cells = copy.cells("QoS", row)
    bandwidth = cells.numbers("bandwidth")
    return QoS(
        name=index.key_of("QoS", row),
        switch=cells.pairs("external_ids")[PARENT],
        direction=cast(Direction, _one(cells, "direction")),
        priority=_number(cells, "priority") or 0,
        match=_one(cells, "match"),
        dscp=cells.numbers("action").get("dscp"),
        rate=bandwidth.get("rate", 0),
        burst=bandwidth.get("burst", 0),
    )


def _read_balancer(index: Index, copy: Copy, row: UUID) -> Row:
    cells = copy.cells(BALANCER, row)
    ids = cells.pairs("external_ids")
    return LoadBalancer(
        name=_one(cells, "name"),
        routers=_held(index, copy, row, "hanok:routers", ROUTER, "load_balancer", ids),
        switches=_held(index, copy, row, "hanok:switches", SWITCH, "load_balancer", ids),
        protocol=_over(_one(cells, "protocol")),
        vips=cells.pairs("vips"),
        selection=_texts(cells, "selection_fields"),
        sources=cells.pairs("ip_port_mappings"),
        checks=frozenset(_read_check(copy, one) for one in _rows(cells, "health_check")),
    )


def _over(name: str) -> Literal["tcp", "udp", "sctp"]:
    return "udp" if name == "udp" else "sctp" if name == "sctp" else "tcp"


def _read_check(copy: Copy, row: UUID) -> HealthCheck:
    cells = copy.cells(CHECK, row)
    options = cells.pairs("options")

    def number(name: str) -> int:
        text = options.get(name, "")
        return int(text) if text.isdigit() else 0

    return HealthCheck(
        vip=_one(cells, "vip"),
        interval=number("interval"),
        timeout=number("timeout"),
        success_count=number("success_count"),
        failure_count=number("failure_count"),
    )


def _read_meter(index: Index, copy: Copy, row: UUID) -> Row:
    cells = copy.cells("Meter", row)
    bands = [copy.cells("Meter_Band", at) for at in _rows(cells, "bands")]
    return Meter(
        name=_one(cells, "name"),
        rate=max((_number(one, "rate") or 0 for one in bands), default=0),
        burst=max((_number(one, "burst_size") or 0 for one in bands), default=0),
    )


def _read_bfd(index: Index, copy: Copy, row: UUID) -> Row:
    cells = copy.cells("BFD", row)
    return BFD(port=_one(cells, "logical_port"), next_hop=_one(cells, "dst_ip"))


def _read_addresses(index: Index, copy: Copy, row: UUID) -> Row:
    cells = copy.cells("Address_Set", row)
    return AddressSet(name=_one(cells, "name"), addresses=_texts(cells, "addresses"))


_READERS = {
    SWITCH: _read_switch,
    PORT: _read_port,
    ROUTER: _read_router,
    ROUTER_PORT: _read_router_port,
    "NAT": _read_nat,
    DHCP: _read_dhcp,
    GROUP: _read_group,
    DNS: _read_dns,
    BALANCER: _read_balancer,
    "QoS": _read_qos,
    "BFD": _read_bfd,
    "Meter": _read_meter,
    "Address_Set": _read_addresses,
}
