"""Subnets: ranges of addresses, how guests learn theirs, and what is given out.

Source: Networking API v2.0 reference, "Subnets".
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network
from itertools import pairwise
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput
from hanok.drivers.ovn.topology import METADATA_ADDRESS, METADATA_ADDRESS_6
from hanok.services.network.logic import addresses, quotas, subnet_pools
from hanok.services.network.logic import ports as port_logic
from hanok.services.network.logic.addresses import GATEWAY_OWNER, network_of
from hanok.services.network.logic.errors import conflict, invalid, invalid_operation
from hanok.services.network.logic.reach import (
    Reach,
    change,
    get,
    get_any,
    project_of,
    set_tags,
    shown,
    standard,
    tags_of,
)
from hanok.services.network.logic.scopes import (
    port_scope,
    router_scope,
    touch_all,
    whole_network,
)
from hanok.services.network.room import Network
from hanok.services.network.tables import (
    free_ranges,
    ip_allocations,
    networks,
    ports,
    router_subnets,
    subnets,
)
from hanok.store import Transaction

MINIMUM_MTU = {4: 68, 6: 1280}  # RFC 791, section 3.2; RFC 8200, section 5

_siblings = sa.select(subnets.c.id, subnets.c.cidr).where(
    subnets.c.network_id == bindparam("network")
)
_of_network = (
    sa.select(subnets)
    .where(subnets.c.network_id == bindparam("network"))
    .order_by(subnets.c.created_at, subnets.c.id)
)
_users = sa.select(ports.c.id).where(
    ip_allocations.c.subnet_id == bindparam("subnet"),
    ports.c.id == ip_allocations.c.port_id,
    ports.c.role != "metadata",
)
_own_makers = sa.select(ports.c.id).where(
    ip_allocations.c.subnet_id == bindparam("subnet"),
    ports.c.id == ip_allocations.c.port_id,
    ports.c.role == "guest",
)
_versions_on = (
    sa.select(subnets.c.ip_version).where(subnets.c.network_id == bindparam("network")).distinct()
)
_mtu = sa.select(networks.c.mtu).where(networks.c.id == bindparam("network"))
_metadata_port = sa.select(ports).where(
    ports.c.network_id == bindparam("network"), ports.c.role == "metadata"
)
_has_address = sa.select(ip_allocations.c.position).where(
    ip_allocations.c.subnet_id == bindparam("subnet"), ip_allocations.c.port_id == bindparam("port")
)
_any_with_dhcp = sa.select(subnets.c.id).where(
    subnets.c.network_id == bindparam("network"), subnets.c.enable_dhcp.is_(True)
)
_routers_on = sa.select(router_subnets.c.router_id).where(
    router_subnets.c.subnet_id == bindparam("subnet")
)
_gateways_on = sa.select(ports.c.device_id).where(
    ip_allocations.c.subnet_id == bindparam("subnet"),
    ports.c.id == ip_allocations.c.port_id,
    ports.c.role == "gateway",
)
_gateway_ports = (
    sa.select(ports.c.id, ports.c.device_id)
    .where(ports.c.network_id == bindparam("network"), ports.c.role == "gateway")
    .order_by(ports.c.created_at, ports.c.id)
)
_versions_of = sa.select(subnets.c.ip_version).where(
    ip_allocations.c.port_id == bindparam("port"), subnets.c.id == ip_allocations.c.subnet_id
)
_joined_by = sa.select(subnets.c.cidr).where(
    router_subnets.c.router_id == bindparam("router"), subnets.c.id == router_subnets.c.subnet_id
)
_holders = (
    sa.select(ports.c.id, ports.c.role)
    .where(
        ip_allocations.c.subnet_id == bindparam("subnet"),
        ip_allocations.c.position == bindparam("at"),
        ports.c.id == ip_allocations.c.port_id,
    )
    .limit(1)
)
_guests = sa.select(ip_allocations.c.port_id).where(
    ip_allocations.c.subnet_id == bindparam("subnet")
)
_parents = sa.select(networks.c.id, networks.c.external, networks.c.project_id).where(
    networks.c.id.in_(bindparam("ids", expanding=True))
)


async def show(tx: Transaction, rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    their_tags = await tags_of(tx, [row.id for row in rows])
    parents = {
        row.id: row
        for row in await tx.all(_parents, {"ids": list({row.network_id for row in rows})})
    }
    return [
        {
            **shown(row, their_tags[row.id]),
            "network_id": row.network_id,
            "ip_version": row.ip_version,
            "cidr": row.cidr,
            "gateway_ip": row.gateway_ip,
            "allocation_pools": row.allocation_pools,
            "dns_nameservers": row.dns_nameservers,
            "host_routes": row.host_routes,
            "enable_dhcp": row.enable_dhcp,
            "ipv6_ra_mode": row.ipv6_ra_mode,
            "ipv6_address_mode": row.ipv6_address_mode,
            "subnetpool_id": row.subnetpool_id,
            "service_types": row.service_types,
            "dns_publish_fixed_ip": row.dns_publish_fixed_ip,
            "router:external": parents[row.network_id].external,
            "_target": {"network:project_id": parents[row.network_id].project_id},
        }
        for row in rows
    ]


async def create(tx: Transaction, room: Network, reach: Reach, values: Mapping[str, Any]) -> str:
    """Write a subnet; its network's metadata port gets an address in it when DHCP serves it.

    Raises:
        BadInput, Conflict, QuotaReached, NotFound
    """
    # As upstream, an empty list says nothing here; a change leaves a subnet without pools.
    values = {**values, "allocation_pools": values["allocation_pools"] or None}
    network = await get(tx, reach, "network", values["network_id"])
    project_id = project_of(values, reach)
    await quotas.check(tx, room, project_id, "subnet")
    await tx.serialize("network", network.id)
    pool = await subnet_pools.requested(tx, reach, values)
    await subnet_pools.check_beside(tx, network.id, values["ip_version"], pool)
    if pool is not None:
        found = await subnet_pools.allocate(tx, reach, pool, project_id, values)
        values = {**values, "cidr": found}
    cidr = _cidr(values)
    await _no_overlap(tx, network.id, cidr)
    _modes(values)
    gateway = _gateway(values["gateway_ip"], cidr, values["allocation_pools"])
    pools = (
        _default_pools(cidr, gateway)
        if values["allocation_pools"] is None
        else _checked_pools(values["allocation_pools"], cidr, gateway)
    )
    row = {
        **standard(values, project_id, room.clock.now()),
        "network_id": network.id,
        "ip_version": cidr.version,
        "cidr": str(cidr),
        "gateway_ip": gateway,
        "enable_dhcp": values["enable_dhcp"],
        "allocation_pools": pools,
        "dns_nameservers": _of_version(values["dns_nameservers"], cidr.version, "dns_nameservers"),
        "host_routes": _routes(values["host_routes"], cidr.version),
        "ipv6_ra_mode": values["ipv6_ra_mode"],
        "ipv6_address_mode": values["ipv6_address_mode"],
        "subnetpool_id": None if pool is None else pool.id,
        "service_types": values.get("service_types", []),
        "dns_publish_fixed_ip": values.get("dns_publish_fixed_ip", False),
    }
    await tx.insert(subnets, row)
    await check_mtu(tx, network.id, int(await tx.scalar(_mtu, {"network": network.id}) or 0))
    await set_tags(tx, row["id"], values.get("tags", ()))
    subnet = await get_any(tx, "subnet", row["id"])
    await addresses.lay(tx, subnet, pools)
    await _metadata_address(tx, room, network, subnet)
    joined = await _join_outside(tx, subnet) if network.external else []
    await change(tx, networks, network.id, room.clock.now(), {})
    await touch_all(tx, room, [*await whole_network(tx, network.id), *map(router_scope, joined)])
    return str(row["id"])


async def check_mtu(tx: Transaction, network_id: str, mtu: int) -> None:
    """Hold an MTU against what the network's subnets need. None comes or goes meanwhile.

    Raises:
        Conflict
    """
    await tx.serialize("network", network_id)
    for version in sorted(await tx.scalars(_versions_on, {"network": network_id})):
        if mtu < MINIMUM_MTU[version]:
            raise conflict(
                "NetworkMTUSubnetConflict",
                f"The MTU {mtu} of network {network_id} is less than the {MINIMUM_MTU[version]} that "
                f"a subnet of IPv{version} needs.",
            )


async def _join_outside(tx: Transaction, subnet: Row[Any]) -> list[str]:
    """Routers whose gateway is on this network, and has no address of the subnet's version, get one; gives their ids.

    One whose own subnets overlap with it goes without, and so do those for which none is left.
    """
    if subnet.service_types and GATEWAY_OWNER not in subnet.service_types:
        return []
    cidr = network_of(subnet.cidr)
    joined = []
    for port in await tx.all(_gateway_ports, {"network": subnet.network_id}):
        held = await tx.all(_versions_of, {"port": port.id})
        inside = await tx.scalars(_joined_by, {"router": port.device_id})
        if any(one.ip_version == subnet.ip_version for one in held):
            continue
        if any(
            network_of(one).overlaps(cidr) for one in inside if (":" in one) == (cidr.version == 6)
        ):
            continue
        if await addresses.take_next(tx, subnet, port.id, ordinal=len(held)) is not None:
            joined.append(str(port.device_id))
    return joined


def _cidr(values: Mapping[str, Any]) -> IPv4Network | IPv6Network:
    cidr = network_of(values["cidr"])
    if cidr.version != values["ip_version"]:
        raise invalid_operation(f"IP version {values['ip_version']} does not match cidr {cidr}")
    if cidr.prefixlen == 0:
        raise invalid_operation("0 is not allowed as CIDR prefix length")
    if cidr.is_multicast:
        raise invalid_operation("Multicast IP subnet is not supported")
    if cidr.is_loopback:
        raise invalid_operation("Loopback IP subnet is not supported")
    ours = METADATA_ADDRESS if cidr.version == 4 else METADATA_ADDRESS_6
    if ipaddress.ip_address(ours) in cidr:
        raise invalid_operation(f"The subnet contains the metadata address {ours}")
    if cidr.version == 4 and cidr.prefixlen > 30 and values["enable_dhcp"]:
        raise invalid_operation(f"Subnet {cidr} has no free address for DHCP")
    return cidr


async def _no_overlap(tx: Transaction, network_id: str, cidr: IPv4Network | IPv6Network) -> None:
    for row in await tx.all(_siblings, {"network": network_id}):
        other = network_of(row.cidr)
        if other.version == cidr.version and other.overlaps(cidr):
            raise invalid_operation(
                f"Requested subnet with cidr: {cidr} for network: {network_id} "
                "overlaps with another subnet"
            )


def _modes(values: Mapping[str, Any]) -> None:
    ra, mode = values["ipv6_ra_mode"], values["ipv6_address_mode"]
    if ra is None and mode is None:
        return
    if values["ip_version"] == 4:
        raise invalid_operation(
            "ipv6_ra_mode or ipv6_address_mode cannot be set when ip_version is 4"
        )
    if not values["enable_dhcp"]:
        raise invalid_operation(
            "ipv6_ra_mode or ipv6_address_mode cannot be set when enable_dhcp is set to False"
        )
    if ra and mode and ra != mode:
        raise invalid_operation(
            f"ipv6_ra_mode set to '{ra}' with ipv6_address_mode set to '{mode}' is not valid. "
            "If both attributes are set, they must be the same value"
        )
    if "slaac" in (ra, mode) or "dhcpv6-stateless" in (ra, mode):
        if network_of(values["cidr"]).prefixlen != 64:
            raise invalid_operation(
                f"Invalid CIDR {values['cidr']} for IPv6 address mode. "
                "OpenStack uses the EUI-64 address format, which requires the prefix to be /64"
            )
        if values["allocation_pools"]:
            raise conflict(
                "SlaacAllocationPool",
                "Allocation pools cannot be specified for a subnet whose addresses are made by SLAAC.",
            )


def _gateway(
    requested: object, cidr: IPv4Network | IPv6Network, pools: Sequence[Mapping[str, str]] | None
) -> str | None:
    if requested is None:
        return None
    if not isinstance(requested, str):
        # Of a single address, as upstream, the one behind it, on the link.
        first = int(cidr.network_address) + (0 if cidr.num_addresses == 2 else 1)
        return addresses.text_of(first, cidr.version) if first >> cidr.max_prefixlen == 0 else None
    address = ipaddress.ip_address(requested)
    if address.version != cidr.version:
        raise invalid_operation(
            f"gateway_ip '{requested}' does not match the ip_version '{cidr.version}'"
        )
    if requested in (METADATA_ADDRESS, METADATA_ADDRESS_6):
        raise _no_gateway(requested, cidr)
    if isinstance(address, ipaddress.IPv6Address) and address.is_link_local:
        return requested
    # One outside of the subnet is reached on the link, as hosters have it; what it is, nobody here can know.
    nobody = address.is_multicast or address.is_unspecified or address.is_loopback
    own = requested == "255.255.255.255"
    if nobody or own or (address in cidr and not usable(cidr, int(address))):
        raise _no_gateway(requested, cidr)
    return requested


def _no_gateway(requested: str, cidr: IPv4Network | IPv6Network) -> BadInput:
    return BadInput(
        f"Invalid input for operation: Gateway {requested} is not valid on subnet {cidr}.",
        code="InvalidInput",
    )


def usable(cidr: IPv4Network | IPv6Network, number: int) -> bool:
    """Whether a host may have this address."""
    first, last = int(cidr.network_address), int(cidr.broadcast_address)
    if cidr.num_addresses <= 2:
        return first <= number <= last
    if cidr.version == 4:
        return first < number < last
    return first < number <= last  # the first is the routers' anycast address (RFC 4291, 2.6.1)


def _default_pools(cidr: IPv4Network | IPv6Network, gateway: str | None) -> list[dict[str, str]]:
    first, last = int(cidr.network_address), int(cidr.broadcast_address)
    if cidr.num_addresses > 2:
        first, last = first + 1, last - (1 if cidr.version == 4 else 0)
    taken = []
    if gateway is not None and ipaddress.ip_address(gateway) in cidr:
        taken = [int(ipaddress.ip_address(gateway))]
    return [
        {
            "start": addresses.text_of(start, cidr.version),
            "end": addresses.text_of(end, cidr.version),
        }
        for start, end in addresses.without([(first, last)], taken)
    ]


def _checked_pools(
    pools: Sequence[Mapping[str, str]], cidr: IPv4Network | IPv6Network, gateway: str | None
) -> list[dict[str, str]]:
    """Pools in order.

    Raises:
        BadInput: not a range of this subnet's. Conflict: they overlap, or hold the gateway.
    """
    found: list[tuple[int, int, str]] = []
    for pool in pools:
        start, end = ipaddress.ip_address(pool["start"]), ipaddress.ip_address(pool["end"])
        named = f"{start}-{end}"
        if start.version != cidr.version or end.version != cidr.version or int(end) < int(start):
            raise BadInput(
                f"The allocation pool {named} is not valid.", code="InvalidAllocationPool"
            )
        if not usable(cidr, int(start)) or not usable(cidr, int(end)):
            raise BadInput(
                f"The allocation pool {named} spans beyond the subnet cidr {cidr}.",
                code="OutOfBoundsAllocationPool",
            )
        found.append((int(start), int(end), named))
    found.sort()
    for one, other in pairwise(found):
        if other[0] <= one[1]:
            raise conflict(
                "OverlappingAllocationPools",
                f"Found overlapping allocation pools: {one[2]} {other[2]} for subnet {cidr}.",
            )
    if gateway is not None:
        at = int(ipaddress.ip_address(gateway))
        for start_at, end_at, named in found:
            if start_at <= at <= end_at:
                raise conflict(
                    "GatewayConflictWithAllocationPools",
                    f"Gateway ip {gateway} conflicts with allocation pool {named}.",
                )
    return [
        {
            "start": addresses.text_of(a, cidr.version),
            "end": addresses.text_of(b, cidr.version),
        }
        for a, b, _ in found
    ]


def _of_version(values: Sequence[str], version: int, name: str) -> list[str]:
    for value in values:
        if ipaddress.ip_address(value).version != version:
            raise invalid_operation(f"{name} '{value}' does not match the ip_version '{version}'")
    return list(values)


def _routes(routes: Sequence[Mapping[str, str]], version: int) -> list[dict[str, str]]:
    """Routes for guests, all of one version. DHCPv6 cannot carry them: guests on IPv6 see theirs in the API only."""
    for route in routes:
        if (
            network_of(route["destination"]).version != version
            or ipaddress.ip_address(route["nexthop"]).version != version
        ):
            raise invalid(
                "host_routes", f"the route to {route['destination']} is of another version"
            )
    return [dict(route) for route in routes]


async def _metadata_address(
    tx: Transaction, room: Network, network: Row[Any], subnet: Row[Any]
) -> None:
    """The network's metadata port has an address in each IPv4 subnet with DHCP, and in no other.

    It is there while any subnet has DHCP: what has IPv6 only finds it at an address of the link.
    """
    port = await tx.first(_metadata_port, {"network": network.id})
    requested = subnet.enable_dhcp and not network.external
    if not requested:
        if port is not None:
            for row in await tx.all(_has_address, {"subnet": subnet.id, "port": port.id}):
                await addresses.give_back(
                    tx, subnet.id, subnet.ip_version, row.position, subnet.allocation_pools
                )
            if await tx.first(_any_with_dhcp, {"network": network.id}) is None:
                await port_logic.remove(tx, room, port)
        return
    if port is None:
        await port_logic.ensure_metadata(tx, room, network)
    elif subnet.ip_version == 6:
        pass
    elif await tx.first(_has_address, {"subnet": subnet.id, "port": port.id}) is None:
        # A full one goes without, as there.
        await addresses.take_next(tx, subnet, port.id)


async def update(tx: Transaction, room: Network, row: Row[Any], values: Mapping[str, Any]) -> None:
    """Change a subnet.

    Raises:
        BadInput; Conflict: the new gateway is in use, or in a pool.
    """
    await tx.serialize("network", row.network_id)
    cidr = network_of(row.cidr)
    requested: dict[str, Any] = {
        name: values[name]
        for name in ("name", "description", "enable_dhcp", "dns_publish_fixed_ip", "service_types")
        if name in values
    }
    gateway = row.gateway_ip
    if "gateway_ip" in values:
        gateway = _gateway(values["gateway_ip"], cidr, None)
        requested["gateway_ip"] = gateway
        if gateway != row.gateway_ip:
            await _gateway_may_move(tx, row)
    pools = row.allocation_pools
    if values.get("allocation_pools") is not None:
        pools = _checked_pools(values["allocation_pools"], cidr, gateway)
        requested["allocation_pools"] = pools
    elif gateway != row.gateway_ip:
        # As upstream: the pools stay, and the gateway must not be in them.
        _checked_pools(pools, cidr, gateway)
    if "dns_nameservers" in values:
        requested["dns_nameservers"] = _of_version(
            values["dns_nameservers"], cidr.version, "dns_nameservers"
        )
    if "host_routes" in values:
        requested["host_routes"] = _routes(values["host_routes"], cidr.version)
    if requested.get("enable_dhcp") is False and (row.ipv6_ra_mode or row.ipv6_address_mode):
        raise invalid_operation("DHCP must be enabled to update ipv6_ra_mode or ipv6_address_mode")
    if requested.get("enable_dhcp") and cidr.version == 4 and cidr.prefixlen > 30:
        raise invalid_operation(f"Subnet {cidr} has no free address for DHCP")
    await change(tx, subnets, row.id, room.clock.now(), requested)
    await change(tx, networks, row.network_id, room.clock.now(), {})
    after = await get_any(tx, "subnet", row.id)
    if pools != row.allocation_pools:
        await addresses.lay(tx, after, pools)
    network = await get_any(tx, "network", row.network_id)
    await _metadata_address(tx, room, network, after)
    names = await whole_network(tx, row.network_id)
    told = (after.enable_dhcp, after.dns_publish_fixed_ip)
    if told != (row.enable_dhcp, row.dns_publish_fixed_ip):
        names += [port_scope(one) for one in await tx.scalars(_guests, {"subnet": row.id})]
    if after.gateway_ip != row.gateway_ip:
        names += [router_scope(one) for one in await tx.scalars(_gateways_on, {"subnet": row.id})]
    await touch_all(tx, room, names)


async def _gateway_may_move(tx: Transaction, row: Row[Any]) -> None:
    if row.gateway_ip is None:
        return
    at = addresses.position(int(ipaddress.ip_address(row.gateway_ip)), row.ip_version)
    holder = await tx.first(_holders, {"subnet": row.id, "at": at})
    if holder is not None and holder.role == "router":
        raise conflict(
            "GatewayIpInUse",
            f"Current gateway ip {row.gateway_ip} already in use by port {holder.id}. "
            "Unable to update.",
        )


async def delete(tx: Transaction, room: Network, row: Row[Any]) -> None:
    """Remove a subnet.

    Raises:
        Conflict: ports have addresses in it, other than those that guests make themselves.
    """
    await tx.serialize("network", row.network_id)
    automatic = addresses.self_made(row)
    users = _users.where(ports.c.role != "guest") if automatic else _users
    if await tx.first(users, {"subnet": row.id}) is not None:
        raise conflict(
            "SubnetInUse",
            f"Unable to complete operation on subnet {row.id}: One or more ports have an IP "
            "allocation from this subnet.",
        )
    left = await tx.scalars(_own_makers, {"subnet": row.id}) if automatic else ()
    await remove(tx, room, row)
    await change(tx, networks, row.network_id, room.clock.now(), {})
    for port_id in left:
        await change(tx, ports, port_id, room.clock.now(), {})
    await touch_all(tx, room, [port_scope(one) for one in left])


async def remove(tx: Transaction, room: Network, row: Row[Any]) -> None:
    """Remove a subnet that nobody else uses."""
    port = await tx.first(_metadata_port, {"network": row.network_id})
    await tx.execute(ip_allocations.delete().where(ip_allocations.c.subnet_id == row.id))
    await tx.execute(free_ranges.delete().where(free_ranges.c.subnet_id == row.id))
    await set_tags(tx, row.id, ())
    await tx.execute(subnets.delete().where(subnets.c.id == row.id))
    if port is not None and await tx.first(_any_with_dhcp, {"network": row.network_id}) is None:
        await port_logic.remove(tx, room, port)
    await touch_all(tx, room, await whole_network(tx, row.network_id))


async def of_network(tx: Transaction, network_id: str) -> Sequence[Row[Any]]:
    """A network's subnets, the oldest first."""
    return await tx.all(_of_network, {"network": network_id})
