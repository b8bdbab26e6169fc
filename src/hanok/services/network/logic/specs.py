"""From tables to what OVN's driver takes: the rows of many scopes in a handful of statements."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row as SQLRow
from sqlalchemy import bindparam

from hanok.drivers.ovn import topology
from hanok.drivers.ovn.rows import Row
from hanok.drivers.ovn.topology import CannotExpress
from hanok.services.network.logic import (
    address_groups,
    dhcp_options,
    forwardings,
    gateways,
    logs,
    names,
    proxied,
    qos,
    scheduling,
    subnet_pools,
    subports,
)
from hanok.services.network.logic.addresses import name_servers, network_of
from hanok.services.network.logic.balancing import CHECKS
from hanok.services.network.room import Network
from hanok.services.network.tables import address_groups as address_group_table
from hanok.services.network.tables import (
    bindings,
    floating_ips,
    ip_allocations,
    is_active,
    networks,
    port_rows,
    port_security_groups,
    ports,
    router_gateways,
    router_subnets,
    routers,
    security_group_rules,
    security_groups,
    subnets,
)
from hanok.store import Transaction

Requested = list[Row] | CannotExpress | None
"""A scope's rows; why it cannot be written; or None when what it stood for is gone."""


def _in(column: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
    return column.in_(bindparam("ids", expanding=True))


_networks = sa.select(networks).where(_in(networks.c.id))
_subnets = (
    sa.select(subnets).where(_in(subnets.c.network_id)).order_by(subnets.c.created_at, subnets.c.id)
)
_metadata = sa.select(ports).where(_in(ports.c.network_id), ports.c.role == "metadata")
_ports = sa.select(ports).where(_in(ports.c.id))
_bound_ports = sa.select(port_rows).where(_in(port_rows.c.id))
_arriving = (
    sa.select(bindings.c.port_id, bindings.c.host)
    .where(_in(bindings.c.port_id), sa.not_(is_active))
    .order_by(bindings.c.port_id, bindings.c.host)
)
_addresses = (
    sa.select(ip_allocations)
    .where(_in(ip_allocations.c.port_id))
    .order_by(ip_allocations.c.port_id, ip_allocations.c.ordinal)
)
_members = sa.select(port_security_groups).where(_in(port_security_groups.c.port_id))
_routers = sa.select(routers).where(_in(routers.c.id))
_joined = sa.select(router_subnets.c.router_id, router_subnets.c.port_id).where(
    _in(router_subnets.c.router_id)
)
_subnets_by_id = sa.select(subnets).where(_in(subnets.c.id))
_other_gateway = (
    sa.select(router_gateways.c.port_id)
    .where(
        router_gateways.c.router_id == floating_ips.c.router_id,
        router_gateways.c.network_id == floating_ips.c.floating_network_id,
    )
    .order_by(router_gateways.c.position, router_gateways.c.port_id)
    .limit(1)
    .correlate(floating_ips)
    .scalar_subquery()
)
# The network that answers for a floating IP's name: its port's, where that is the same project's.
_homes = networks.alias("homes")
_floating = (
    sa.select(
        floating_ips,
        ports.c.role,
        ports.c.device_id,
        sa.case(
            (
                routers.c.gateway_network_id == floating_ips.c.floating_network_id,
                routers.c.gateway_port_id,
            ),
            else_=_other_gateway,
        ).label("gateway_port_id"),
        sa.exists()
        .where(router_gateways.c.router_id == floating_ips.c.router_id)
        .correlate(floating_ips)
        .label("several"),
        _homes.c.id.label("home"),
    )
    .outerjoin(ports, ports.c.id == floating_ips.c.port_id)
    .outerjoin(
        _homes,
        sa.and_(
            _homes.c.id == ports.c.network_id,
            _homes.c.project_id == floating_ips.c.project_id,
            floating_ips.c.dns_name != "",
        ),
    )
    .outerjoin(routers, routers.c.id == floating_ips.c.router_id)
    .where(_in(floating_ips.c.id))
)
_to_themselves = (
    sa.select(
        floating_ips.c.router_id,
        floating_ips.c.floating_ip_address,
        floating_ips.c.floating_network_id,
    )
    .join(ports, ports.c.id == floating_ips.c.port_id)
    .where(
        _in(floating_ips.c.router_id),
        ports.c.role == "router",
        ports.c.device_id == floating_ips.c.router_id,
    )
    .order_by(floating_ips.c.floating_ip_address)
)
_led = (
    sa.select(floating_ips)
    .where(_in(floating_ips.c.router_id))
    .order_by(floating_ips.c.floating_ip_address)
)
_address_groups = sa.select(address_group_table.c.id).where(_in(address_group_table.c.id))
_groups = sa.select(security_groups.c.id, security_groups.c.stateful).where(
    _in(security_groups.c.id)
)
_rules = sa.select(security_group_rules).where(_in(security_group_rules.c.security_group_id))


def server_mac(subnet_id: str) -> str:
    """The MAC that a subnet's DHCP server shows: any, but always the same."""
    digest = hashlib.sha256(subnet_id.encode()).digest()
    return (b"\xfa\x16\x3e" + digest[:3]).hex(":")


async def rows_of(tx: Transaction, room: Network, scopes: Sequence[str]) -> dict[str, Requested]:
    """What these scopes should hold. One that cannot be written stops only itself."""
    by_kind: dict[str, list[str]] = {}
    found: dict[str, Requested] = {}
    for scope in scopes:
        kind, _, name = scope.partition(":")
        by_kind.setdefault(kind, []).append(name)
    for kind, ids in by_kind.items():
        if kind == topology.GROUND:
            found[kind] = topology.ground()
            continue
        loader = _LOADERS.get(kind)
        if loader is None and (other := room.loaders.get(kind)) is not None:
            made = await other(tx, ids)
        elif loader is None:
            # Of a service that is switched off: what it has stays as it is.
            made = dict.fromkeys(ids, CannotExpress(f"the service that has {kind}s is off"))
        else:
            made = await loader(tx, room, ids)
        for one in ids:
            found[f"{kind}:{one}"] = made.get(one)
    return found


def _written(build: Callable[[], list[Row]]) -> Requested:
    try:
        return build()
    except CannotExpress as error:
        return error


def _name_servers(room: Network, row: SQLRow[Any], metadata_address: str) -> tuple[str, ...]:
    """A subnet's own name servers, or those of the house that its guests can speak to. With 0.0.0.0 or ::, none.

    Without any, guests are told the metadata port, which is always there: the switch answers for the names of servers
    whomever a guest asks, and a guest asks nobody if it knows no name server.
    """
    if row.dns_nameservers:
        return name_servers(row.dns_nameservers)
    ours = tuple(
        one
        for one in room.settings.dns_servers
        if ipaddress.ip_address(one).version == row.ip_version
    )
    if ours or row.ip_version == 6:
        return ours
    return tuple(filter(None, [metadata_address or row.gateway_ip]))


def _subnet_spec(
    room: Network, row: SQLRow[Any], metadata_address: str = ""
) -> topology.SubnetSpec:
    return topology.SubnetSpec(
        id=row.id,
        cidr=row.cidr,
        server_mac=server_mac(row.id),
        gateway_ip=row.gateway_ip or "",
        enable_dhcp=row.enable_dhcp and row.ipv6_address_mode != "slaac",
        dns_servers=_name_servers(room, row, metadata_address),
        host_routes=tuple(
            topology.HostRoute(destination=route["destination"], next_hop=route["nexthop"])
            for route in row.host_routes
        ),
        dhcpv6_stateless=row.ipv6_address_mode == "dhcpv6-stateless",
    )


async def _by_port(tx: Transaction, ids: Sequence[str]) -> dict[str, list[SQLRow[Any]]]:
    found: dict[str, list[SQLRow[Any]]] = {}
    for row in await tx.all(_addresses, {"ids": list(ids)}):
        found.setdefault(row.port_id, []).append(row)
    return found


async def _by_network(tx: Transaction, ids: Sequence[str]) -> dict[str, list[SQLRow[Any]]]:
    found: dict[str, list[SQLRow[Any]]] = {}
    for row in await tx.all(_subnets, {"ids": list(ids)}):
        found.setdefault(row.network_id, []).append(row)
    return found


async def _load_networks(
    tx: Transaction, room: Network, ids: Sequence[str]
) -> dict[str, Requested]:
    return {
        one: _written(lambda spec=spec: topology.network(spec))  # type: ignore[misc]
        for one, spec in (await _network_specs(tx, room, ids)).items()
    }


async def _network_specs(
    tx: Transaction, room: Network, ids: Sequence[str]
) -> dict[str, topology.NetworkSpec]:
    theirs = await _by_network(tx, ids)
    metadata = {row.network_id: row for row in await tx.all(_metadata, {"ids": list(ids)})}
    held = await _by_port(tx, [row.id for row in metadata.values()])
    found: dict[str, topology.NetworkSpec] = {}
    for row in await tx.all(_networks, {"ids": list(ids)}):
        port = metadata.get(row.id)
        its = held.get(port.id, []) if port else []
        reached = {one.subnet_id: one.address for one in its if one.ordinal != CHECKS}
        found[row.id] = topology.NetworkSpec(
            id=row.id,
            mtu=row.mtu,
            subnets=tuple(
                _subnet_spec(room, one, reached.get(one.id, "")) for one in theirs.get(row.id, [])
            ),
            metadata_port=None
            if port is None
            else topology.MetadataPortSpec(
                id=port.id,
                mac=port.mac_address,
                addresses=reached,
            ),
            physical_network=row.physical_network or "",
            vlan=row.segmentation_id if row.network_type == "vlan" else None,
            dns_domain=room.settings.dns_domain,
            guest_tags=bool(row.vlan_transparent or row.qinq),
            qinq=bool(row.qinq),
        )
    return found


def _is_open(row: SQLRow[Any], groups: Mapping[str, Sequence[str]]) -> bool:
    """Whether a port is a service's own, that answers what it is asked for and nothing else: nothing filters it.

    With groups, these say who comes in.
    """
    return row.role == "vip" and not groups.get(row.id)


async def _load_ports(tx: Transaction, room: Network, ids: Sequence[str]) -> dict[str, Requested]:
    rows = await tx.all(_bound_ports, {"ids": list(ids)})
    arriving: dict[str, list[str]] = {}
    for one in await tx.all(_arriving, {"ids": list(ids)}):
        arriving.setdefault(one.port_id, []).append(one.host)
    held = await _by_port(tx, ids)
    trunked = await subports.by_port(tx, ids)
    parents_ids = list({row.network_id for row in rows})
    theirs = await _by_network(tx, parents_ids)
    parents = {row.id: row for row in await tx.all(_networks, {"ids": parents_ids})}
    groups: dict[str, list[str]] = {}
    for row in await tx.all(_members, {"ids": list(ids)}):
        groups.setdefault(row.port_id, []).append(row.security_group_id)
    policies = await qos.specs_of(tx, [row.qos_policy_id for row in (*rows, *parents.values())])
    options = await dhcp_options.of_ports(tx, ids)
    floating = await names.floating_of(tx, [row.id for row in rows if row.dns_name])
    telling = await _network_specs(
        tx, room, sorted({row.network_id for row in rows if row.id in options})
    )
    found: dict[str, Requested] = {}
    for row in rows:
        if row.role != "guest" and not (row.role == "vip" and row.host):
            found[row.id] = []  # the network, the router or the floating IP writes it
            continue
        spec = topology.PortSpec(
            id=row.id,
            network_id=row.network_id,
            mac=row.mac_address,
            fixed_ips=tuple(
                topology.FixedIP(subnet_id=one.subnet_id, address=one.address)
                for one in held.get(row.id, [])
            ),
            security_group_ids=tuple(groups.get(row.id, [])),
            address_pairs=tuple(
                topology.AddressPair(address=one["ip_address"], mac=one.get("mac_address", ""))
                for one in row.address_pairs
            ),
            port_security=row.port_security_enabled and not _is_open(row, groups),
            mac_learning=row.mac_learning_enabled is not False and not _is_open(row, groups),
            admin_up=row.admin_state_up and parents[row.network_id].admin_state_up,
            host=row.host,
            arriving=tuple(arriving.get(row.id, ())),
            dns_names=names.alone(room, row),
            published=names.published(
                room,
                row,
                parents[row.network_id],
                held.get(row.id, ()),
                {one.id: one.dns_publish_fixed_ip for one in theirs.get(row.network_id, ())},
                floating.get(row.id, ()),
            ),
            parent_id=trunked[row.id].parent_id if row.id in trunked else "",
            vlan=trunked[row.id].segmentation_id if row.id in trunked else None,
            qos=policies.get(row.qos_policy_id or parents[row.network_id].qos_policy_id, ()),
            dhcp=tuple(
                topology.DHCPOption(version=one.ip_version, name=one.name, value=one.value)
                for one in options.get(row.id, ())
            ),
        )
        telling_now = telling.get(row.network_id)
        near = (
            telling_now.subnets
            if telling_now
            else [_subnet_spec(room, one) for one in theirs.get(row.network_id, [])]
        )
        found[row.id] = _written(
            lambda spec=spec, near=near, whole=telling_now: topology.port(spec, near, whole)  # type: ignore[misc]
        )
    return found


async def _load_routers(tx: Transaction, room: Network, ids: Sequence[str]) -> dict[str, Requested]:
    rows = await tx.all(_routers, {"ids": list(ids)})
    joined: dict[str, set[str]] = {}
    for one in await tx.all(_joined, {"ids": list(ids)}):
        joined.setdefault(one.router_id, set()).add(one.port_id)
    port_ids = [one for theirs in joined.values() for one in theirs]
    outward = await gateways.of_routers(tx, rows)
    port_ids += [one.port_id for theirs in outward.values() for one in theirs]
    their_ports = {row.id: row for row in await tx.all(_ports, {"ids": port_ids})}
    held = await _by_port(tx, port_ids)
    subnet_ids = list({one.subnet_id for theirs in held.values() for one in theirs})
    near = {row.id: row for row in await tx.all(_subnets_by_id, {"ids": subnet_ids})}
    parents = {
        row.id: row
        for row in await tx.all(
            _networks, {"ids": list({port.network_id for port in their_ports.values()})}
        )
    }
    their_scopes = await _scopes_by_network(tx, list(parents))
    to_themselves: dict[tuple[str, str], list[str]] = {}
    for one in await tx.all(_to_themselves, {"ids": list(ids)}):
        at = one.router_id, one.floating_network_id
        to_themselves.setdefault(at, []).append(one.floating_ip_address)
    ways = await _ways(tx, outward)
    answered = await proxied.of_routers(tx, [row.id for row in rows if row.ndp_proxy])
    hosts = await scheduling.hosts_of(tx, room, [row.id for row in rows])
    policies = await qos.specs_of(
        tx, [one.qos_policy_id for theirs in outward.values() for one in theirs]
    )

    def with_prefix(port_id: str) -> tuple[str, ...]:
        return tuple(
            f"{one.address}/{network_of(near[one.subnet_id].cidr).prefixlen}"
            for one in held.get(port_id, [])
        )

    def gateway_spec(one: gateways.Gateway) -> topology.GatewaySpec:
        outside = their_ports[one.port_id]
        hops = dict.fromkeys(
            near[each.subnet_id].gateway_ip
            for each in held.get(outside.id, [])
            if near[each.subnet_id].gateway_ip
        )
        mine = [other for other in outward[one.router_id] if other.network_id == one.network_id]
        own = to_themselves.get((one.router_id, one.network_id), []) if mine[0] == one else []
        # The first with an address of IPv6 answers for the others.
        six = [
            other.port_id
            for other in outward[one.router_id]
            if any(":" in each.address for each in held.get(other.port_id, []))
        ]
        return topology.GatewaySpec(
            port_id=outside.id,
            network_id=outside.network_id,
            mac=outside.mac_address,
            addresses=with_prefix(outside.id),
            next_hops=tuple(hops),
            chassis=dict(hosts[one.router_id]),
            enable_snat=one.enable_snat,
            own_floating=tuple(own),
            proxied=tuple(answered.get(one.router_id, ())) if six[:1] == [one.port_id] else (),
            scopes=their_scopes.get(outside.network_id, {}),
            qos=policies.get(one.qos_policy_id or "", ()),
        )

    found: dict[str, Requested] = {}
    for row in rows:
        # On a network without subnets it has no address yet, and OVN knows no router port without one.
        there = [gateway_spec(one) for one in outward[row.id] if held.get(one.port_id)]
        spec = topology.RouterSpec(
            id=row.id,
            admin_up=row.admin_state_up,
            interfaces=tuple(
                topology.RouterInterfaceSpec(
                    port_id=port.id,
                    network_id=port.network_id,
                    mac=port.mac_address,
                    addresses=with_prefix(port.id),
                    mtu=parents[port.network_id].mtu,
                    ra_mode=_ra_mode(near[one.subnet_id] for one in held.get(port.id, [])),
                    scopes=their_scopes.get(port.network_id, {}),
                )
                for port in (their_ports[one] for one in sorted(joined.get(row.id, ())))
            ),
            gateway=there[0] if there else None,
            more_gateways=tuple(there[1:]),
            ecmp=row.default_route_ecmp,
            bfd=row.default_route_bfd,
            ways=ways.get(row.id, ()),
            routes=tuple(
                topology.HostRoute(destination=route["destination"], next_hop=route["nexthop"])
                for route in row.routes
            ),
        )
        found[row.id] = _written(lambda spec=spec: topology.router(spec))  # type: ignore[misc]
    return found


async def _ways(
    tx: Transaction, outward: Mapping[str, Sequence[gateways.Gateway]]
) -> dict[str, tuple[topology.WaySpec, ...]]:
    """By which of several gateways what floating IPs lead to answers, by router."""
    several = {router: theirs for router, theirs in outward.items() if len(theirs) > 1}
    led = await tx.all(_led, {"ids": list(several)}) if several else []
    forwarded = await forwardings.of_floating(tx, [one.id for one in led])
    found: dict[str, list[topology.WaySpec]] = {}
    for one in led:
        theirs = several[one.router_id]
        port_id = next(
            (each.port_id for each in theirs if each.network_id == one.floating_network_id), None
        )
        if port_id is None:
            continue
        mine = found.setdefault(one.router_id, [])
        if one.fixed_ip_address:
            mine.append(topology.WaySpec(address=one.fixed_ip_address, port_id=port_id))
        mine += [
            topology.WaySpec(
                address=each.internal_ip_address,
                port_id=port_id,
                protocol=each.protocol,
                ports=(each.internal_first, each.internal_last),
            )
            for each in forwarded[one.id]
        ]
    return {router: tuple(theirs) for router, theirs in found.items()}


async def _scopes_by_network(tx: Transaction, ids: Sequence[str]) -> dict[str, dict[int, str]]:
    """The address scopes of networks that have some, by network and version of IP."""
    found: dict[str, dict[int, str]] = {}
    for (network_id, version), scope in (await subnet_pools.scopes_of(tx, ids)).items():
        found.setdefault(network_id, {})[version] = scope
    return found


def _ra_mode(joined: Iterable[SQLRow[Any]]) -> Any:
    """How guests on a router's port are told to get their addresses: as the first of its subnets says.

    Where none does, a router that is not ours announces itself, or guests are told by hand.
    """
    for subnet in joined:
        if subnet.ip_version == 6 and subnet.ipv6_ra_mode:
            return str(subnet.ipv6_ra_mode).replace("-", "_")
    return ""


async def _load_floating(
    tx: Transaction, room: Network, ids: Sequence[str]
) -> dict[str, Requested]:
    forwarded = await forwardings.of_floating(tx, ids)
    rows = await tx.all(_floating, {"ids": list(ids)})
    policies = await qos.specs_of(tx, [row.qos_policy_id for row in rows])
    found: dict[str, Requested] = {}
    for row in rows:
        # One that leads to the router itself is written by that.
        own = row.role == "router" and row.device_id == row.router_id
        if row.router_id is None or own:
            found[row.id] = []
            continue
        spec = topology.FloatingIPSpec(
            id=row.id,
            router_id=row.router_id,
            floating_address=row.floating_ip_address,
            fixed_address=row.fixed_ip_address or "",
            forwardings=tuple(map(_forwarding, forwarded[row.id])),
            gateway_port_id=row.gateway_port_id or "",
            several=bool(row.several and row.gateway_port_id),
            network_id=row.floating_network_id,
            dns_name=f"{row.dns_name}.{row.dns_domain}" if row.home else "",
            home=row.home or "",
            qos=policies.get(row.qos_policy_id, ()),
        )
        found[row.id] = _written(lambda spec=spec: topology.floating_ip(spec))  # type: ignore[misc]
    return found


def _forwarding(row: SQLRow[Any]) -> topology.ForwardingSpec:
    return topology.ForwardingSpec(
        protocol=row.protocol,
        ports=(row.external_first, row.external_last),
        address=row.internal_ip_address,
        first=row.internal_first,
        to_one=row.internal_first == row.internal_last,
    )


def _protocol(name: str | None) -> str:
    """A rule's protocol as OVN is told of it; empty for any, which the number 0 and its names mean, too."""
    if name is None or topology.PROTOCOLS.get(name) == 0 or not name.strip("0"):
        return ""
    return name


async def _load_groups(tx: Transaction, room: Network, ids: Sequence[str]) -> dict[str, Requested]:
    theirs: dict[str, list[topology.RuleSpec]] = {}
    for rule in await tx.all(_rules, {"ids": list(ids)}):
        theirs.setdefault(rule.security_group_id, []).append(
            topology.RuleSpec(
                direction=rule.direction,
                ethertype=rule.ethertype,
                protocol=_protocol(rule.protocol),
                port_min=rule.port_range_min,
                port_max=rule.port_range_max,
                remote_cidr=rule.remote_ip_prefix or "",
                remote_group_id=rule.remote_group_id or "",
                remote_address_group_id=rule.remote_address_group_id or "",
            )
        )
    logged = await logs.specs_of(tx, ids)
    found: dict[str, Requested] = {}
    for group in await tx.all(_groups, {"ids": list(ids)}):
        spec = topology.SecurityGroupSpec(
            id=group.id,
            rules=tuple(theirs.get(group.id, ())),
            stateful=group.stateful,
            logs=logged.get(group.id, ()),
        )
        found[group.id] = _written(lambda spec=spec: topology.security_group(spec))  # type: ignore[misc]
    return found


async def _load_address_groups(
    tx: Transaction, room: Network, ids: Sequence[str]
) -> dict[str, Requested]:
    known = await tx.scalars(_address_groups, {"ids": list(ids)})
    held = await address_groups.addresses_of(tx, known)
    found: dict[str, Requested] = {}
    for group, addresses in held.items():
        spec = topology.AddressGroupSpec(id=group, addresses=tuple(addresses))
        found[group] = _written(lambda spec=spec: topology.address_group(spec))  # type: ignore[misc]
    return found


_LOADERS: Mapping[
    str, Callable[[Transaction, Network, Sequence[str]], Awaitable[dict[str, Requested]]]
] = {
    "network": _load_networks,
    "port": _load_ports,
    "router": _load_routers,
    "floating_ip": _load_floating,
    "address_group": _load_address_groups,
    "security_group": _load_groups,
}
