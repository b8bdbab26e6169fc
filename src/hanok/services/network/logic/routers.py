"""Routers: their ports on subnets, their way outside, their routes.

Source: Networking API v2.0 reference, "Routers".
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput, Conflict
from hanok.services.network.logic import (
    addresses,
    bindings,
    flavors,
    gateways,
    ndp_proxies,
    proxied,
    quotas,
    scheduling,
    subports,
)
from hanok.services.network.logic import ports as port_logic
from hanok.services.network.logic.addresses import network_of
from hanok.services.network.logic.errors import bad, conflict, disallowed
from hanok.services.network.logic.errors import not_found as missing
from hanok.services.network.logic.networks import zones_known
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
    touch,
)
from hanok.services.network.room import Network
from hanok.services.network.tables import (
    floating_ips,
    ip_allocations,
    port_forwardings,
    ports,
    router_subnets,
    routers,
    subnets,
)
from hanok.store import Duplicate, Transaction
from hanok.web.attributes import Wrong, uuid

MAXIMUM_ROUTES = 30

_connected = sa.select(
    router_subnets.c.port_id, subnets.c.id, subnets.c.cidr, subnets.c.network_id
).where(
    router_subnets.c.router_id == bindparam("router"), subnets.c.id == router_subnets.c.subnet_id
)
_own_addresses = sa.select(ip_allocations.c.address).where(
    sa.or_(
        ip_allocations.c.port_id.in_(bindparam("gateways", expanding=True)),
        ip_allocations.c.port_id.in_(
            sa.select(router_subnets.c.port_id).where(
                router_subnets.c.router_id == bindparam("router")
            )
        ),
    )
)
_floating_in = sa.select(floating_ips.c.id).where(
    floating_ips.c.router_id == bindparam("router"),
    ip_allocations.c.port_id == floating_ips.c.port_id,
    ip_allocations.c.address == floating_ips.c.fixed_ip_address,
    ip_allocations.c.subnet_id.in_(bindparam("subnets", expanding=True)),
)
_forwarded_in = sa.select(port_forwardings.c.id).where(
    floating_ips.c.router_id == bindparam("router"),
    port_forwardings.c.floating_ip_id == floating_ips.c.id,
    ip_allocations.c.port_id == port_forwardings.c.internal_port_id,
    ip_allocations.c.address == port_forwardings.c.internal_ip_address,
    ip_allocations.c.subnet_id.in_(bindparam("subnets", expanding=True)),
)
_of_port = sa.select(router_subnets).where(router_subnets.c.port_id == bindparam("port"))
_addresses = sa.select(ip_allocations.c.subnet_id, ip_allocations.c.address).where(
    ip_allocations.c.port_id == bindparam("port")
)


async def show(tx: Transaction, rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    their_tags = await tags_of(tx, [row.id for row in rows])
    outside = await gateways.shown(tx, await gateways.of_routers(tx, rows))
    return [
        {
            **shown(row, their_tags[row.id]),
            "external_gateways": outside[row.id],
            "enable_default_route_ecmp": row.default_route_ecmp,
            "enable_default_route_bfd": row.default_route_bfd,
            "enable_ndp_proxy": row.ndp_proxy,
            "enable_snat": row.enable_snat,
            "admin_state_up": row.admin_state_up,
            "status": "ACTIVE",
            "external_gateway_info": next(iter(outside[row.id]), None),
            "flavor_id": row.flavor_id,
            "routes": row.routes,
            "distributed": False,
            "ha": True,
            "availability_zone_hints": row.availability_zone_hints,
            "availability_zones": ["nova"],
        }
        for row in rows
    ]


async def create(tx: Transaction, room: Network, reach: Reach, values: Mapping[str, Any]) -> str:
    """Write a router, with its gateway if it is to have one.

    Raises:
        BadInput, Conflict, NotFound, QuotaReached
    """
    project_id = project_of(values, reach)
    zones_known(room, values["availability_zone_hints"])
    await quotas.check(tx, room, project_id, "router")
    row = {
        **standard(values, project_id, room.clock.now()),
        "admin_state_up": values["admin_state_up"],
        "routes": [],
        "enable_snat": True,
        **_ways_of(values),
        "ndp_proxy": bool(values.get("enable_ndp_proxy")),
        "flavor_id": await flavors.of_router(tx, values.get("flavor_id")),
        "availability_zone_hints": values["availability_zone_hints"],
    }
    await tx.insert(routers, row)
    await set_tags(tx, row["id"], values.get("tags", ()))
    if values["external_gateway_info"] is not None:
        router = await get_any(tx, "router", row["id"])
        await gateways.set_first(tx, room, reach, router, values["external_gateway_info"])
    if row["ndp_proxy"]:
        await ndp_proxies.check_able(tx, await get_any(tx, "router", row["id"]))
    await touch(tx, room, router_scope(row["id"]))
    return str(row["id"])


def _ways_of(values: Mapping[str, Any]) -> dict[str, bool]:
    """What a body says of the ways outside of a router with several gateways."""
    return {
        f"default_route_{one}": values[f"enable_default_route_{one}"]
        for one in ("ecmp", "bfd")
        if isinstance(values.get(f"enable_default_route_{one}"), bool)
    }


async def change_gateways(
    tx: Transaction,
    room: Network,
    reach: Reach,
    router: Row[Any],
    how: Literal["add", "update", "remove"],
    requested: Sequence[Mapping[str, Any]],
) -> None:
    """Give a router these gateways, too, or exactly these, or take them from it.

    Raises:
        BadInput, NotFound; Conflict: floating IPs need one.
    """
    await gateways.hold(tx, requested)
    await tx.serialize("network.router", router.id)
    router = await get_any(tx, "router", router.id)
    if how == "add":
        await gateways.add(tx, room, reach, router, requested)
    elif how == "update":
        await gateways.replace(tx, room, reach, router, requested)
    else:
        await gateways.remove(tx, room, router, requested)
    await change(tx, routers, router.id, room.clock.now(), {})
    await touch(tx, room, router_scope(router.id))


async def update(
    tx: Transaction, room: Network, reach: Reach, row: Row[Any], values: Mapping[str, Any]
) -> None:
    """Change a router.

    Raises:
        BadInput, Conflict, NotFound
    """
    requested = values.get("external_gateway_info")
    await gateways.hold(tx, [] if requested is None else [requested])
    await tx.serialize("network.router", row.id)
    if "external_gateway_info" in values:
        if requested is None:
            await gateways.clear(tx, room, row)
        else:
            await gateways.set_first(tx, room, reach, row, requested)
    plain = {
        name: values[name] for name in ("name", "description", "admin_state_up") if name in values
    } | _ways_of(values)
    if values.get("enable_ndp_proxy"):
        await ndp_proxies.check_able(tx, await get_any(tx, "router", row.id))
    if values.get("enable_ndp_proxy") is not None:
        plain["ndp_proxy"] = values["enable_ndp_proxy"]
    if "routes" in values:
        now_row = await get_any(tx, "router", row.id)
        await _check_routes(tx, now_row, values["routes"])
        plain["routes"] = values["routes"]
    await change(tx, routers, row.id, room.clock.now(), plain)
    await touch(tx, room, router_scope(row.id))


def _no_route_through(router: Row[Any], cidr: str, code: str) -> None:
    for route in router.routes:
        if ipaddress.ip_address(route["nexthop"]) in network_of(cidr):
            raise conflict(
                code,
                f"Router {router.id} cannot lose its port in {cidr}, as it is required by one or more "
                "routes.",
            )


async def delete(tx: Transaction, room: Network, row: Row[Any]) -> None:
    """Remove a router that has no more ports on subnets.

    Raises:
        Conflict
    """
    await tx.serialize("network.router", row.id)
    if await tx.first(_connected, {"router": row.id}) is not None:
        raise conflict("RouterInUse", f"Router {row.id} still has ports")
    await gateways.clear(tx, room, row)
    await set_tags(tx, row.id, ())
    await scheduling.forget(tx, row.id)
    await tx.execute(routers.delete().where(routers.c.id == row.id))
    await touch(tx, room, router_scope(row.id))


# ---- interfaces ----


async def add_interface(
    tx: Transaction, room: Network, reach: Reach, router: Row[Any], body: object
) -> dict[str, Any]:
    """Join a subnet by the address of its gateway, or through a port that exists.

    Raises:
        BadInput, Conflict, NotFound; Forbidden: somebody else's network, whose gateway this would pose as.
    """
    subnet_id, port_id = _interface_wish(body)
    if subnet_id and port_id:
        raise bad("router", "Cannot specify both subnet-id and port-id")
    if port_id:
        await tx.take_turn(port_id)
    await tx.serialize("network.router", router.id)
    if port_id:
        made, network_id, joined = await _add_port(tx, room, reach, router, port_id)
    else:
        made, network_id, joined = await _add_subnet(tx, room, reach, router, subnet_id)
    await change(tx, routers, router.id, room.clock.now(), {})
    await touch(tx, room, router_scope(router.id), port_scope(made))
    return _interface(router, made, network_id, joined)


def _interface_wish(body: object) -> tuple[str, str]:
    if not isinstance(body, dict) or not ({"subnet_id", "port_id"} & set(body)):
        raise bad("router", "Either subnet_id or port_id must be specified")
    if odd := set(body) - {"subnet_id", "port_id"}:
        raise BadInput(f"Unrecognized attribute(s) '{', '.join(sorted(map(str, odd)))[:200]}'")
    found = []
    for name in ("subnet_id", "port_id"):
        value = body.get(name)
        try:
            found.append("" if value is None else uuid(value))
        except Wrong as wrong:
            raise bad("router", str(wrong)) from None
    if not any(found):
        raise bad("router", "Either subnet_id or port_id must be specified")
    return found[0], found[1]


def _interface(
    router: Row[Any], port_id: str, network_id: str, joined: Sequence[str]
) -> dict[str, Any]:
    return {
        "id": router.id,
        "tenant_id": router.project_id,
        "project_id": router.project_id,
        "port_id": port_id,
        "network_id": network_id,
        "subnet_id": joined[0],
        "subnet_ids": list(joined),
        "tags": [],
    }


async def _add_subnet(
    tx: Transaction, room: Network, reach: Reach, router: Row[Any], subnet_id: str
) -> tuple[str, str, list[str]]:
    subnet = await get(tx, reach, "subnet", subnet_id)
    network = await get_any(tx, "network", subnet.network_id)
    if not reach.everything and network.project_id != reach.project_id:
        raise disallowed("add_router_interface")
    await _joinable(tx, router, subnet)
    await tx.serialize("network", network.id)
    subnet = await get_any(tx, "subnet", subnet.id)  # its gateway may have moved meanwhile
    if subnet.gateway_ip is None:
        raise bad("router", "Subnet for router interface must have a gateway IP")
    port_id, held = await _port_for(tx, room, router, network, subnet)
    gateway = ipaddress.ip_address(subnet.gateway_ip)
    port_logic.check_address(subnet, gateway)  # one outside of the subnet is somebody else's router
    try:
        await addresses.take(tx, subnet, int(gateway), port_id, ordinal=held)
    except Conflict as error:
        if error.code == "IpAddressAlreadyAllocated":
            raise port_logic.in_use(network.id, subnet.gateway_ip) from None
        raise
    await _join(tx, router, subnet, port_id)
    return port_id, network.id, [subnet.id]


async def _port_for(
    tx: Transaction, room: Network, router: Row[Any], network: Row[Any], subnet: Row[Any]
) -> tuple[str, int]:
    """The port that joins a subnet, and how many it has joined: all prefixes of IPv6 of a network are one port's.

    Guests take what one router announces: of two ports they would hear one.
    """
    near = [
        one
        for one in await tx.all(_connected, {"router": router.id})
        if one.network_id == network.id
    ]
    there = sorted(one.port_id for one in near if subnet.ip_version == 6 and ":" in one.cidr)
    if there:
        await change(tx, ports, there[0], room.clock.now(), {})
        return there[0], sum(one.port_id == there[0] for one in near)
    port_id = await port_logic.write(
        tx,
        room,
        network,
        project_id=router.project_id,
        device_id=router.id,
        device_owner="network:router_interface",
        role="router",
        status="ACTIVE",
    )
    return port_id, 0


async def _add_port(
    tx: Transaction, room: Network, reach: Reach, router: Row[Any], port_id: str
) -> tuple[str, str, list[str]]:
    port = await get(tx, reach, "port", port_id)
    network = await get_any(tx, "network", port.network_id)
    if not reach.everything and network.project_id != reach.project_id:
        raise disallowed("add_router_interface")
    if port.role != "guest" or port.server_id is not None or port.device_id:
        raise conflict(
            "PortInUse",
            f"Unable to complete operation on port {port.id} for network {port.network_id}. "
            f"Port already has an attached device {port.device_id}.",
        )
    await subports.check_unused(tx, port.id)
    held = await tx.all(_addresses, {"port": port.id})
    if not held:
        raise bad("router", "Router port must have at least one fixed IP")
    joined = []
    for one in held:
        subnet = await get_any(tx, "subnet", one.subnet_id)
        if subnet.ip_version == 4 and sum(":" not in each.address for each in held) > 1:
            raise bad("router", "Cannot have multiple IPv4 subnets on router port")
        await _joinable(tx, router, subnet)
        await _join(tx, router, subnet, port.id)
        joined.append(subnet.id)
    await change(
        tx,
        ports,
        port.id,
        room.clock.now(),
        {
            "device_id": router.id,
            "device_owner": "network:router_interface",
            "role": "router",
            "status": "ACTIVE",
        },
    )
    await bindings.bind(tx, port.id, {"host": ""})
    return port.id, port.network_id, joined


async def _joinable(tx: Transaction, router: Row[Any], subnet: Row[Any]) -> None:
    outside = await gateways.of_router(tx, router)
    if any(one.network_id == subnet.network_id for one in outside):
        raise bad("router", f"Subnet {subnet.id} is on the router's external network")
    for one in await tx.all(_connected, {"router": router.id}):
        if one.id == subnet.id:
            raise bad("router", f"Router already has a port on subnet {subnet.id}")
        gateways.apart(subnet.id, subnet.cidr, one.id, one.cidr)
    for one in await gateways.outside_subnets(tx, router):
        gateways.apart(subnet.id, subnet.cidr, one.id, one.cidr)


async def _join(tx: Transaction, router: Row[Any], subnet: Row[Any], port_id: str) -> None:
    try:
        await tx.insert(
            router_subnets,
            {"router_id": router.id, "subnet_id": subnet.id, "port_id": port_id},
        )
    except Duplicate:
        raise bad("router", f"Router already has a port on subnet {subnet.id}") from None


async def remove_interface(
    tx: Transaction, room: Network, reach: Reach, router: Row[Any], body: object
) -> dict[str, Any]:
    """Take a router off a subnet; its port there is gone, unless it joins others and only the subnet was named.

    Raises:
        BadInput, NotFound; Conflict: floating IPs or routes need it.
    """
    subnet_id, port_id = _interface_wish(body)
    await tx.serialize("network.router", router.id)
    connected = await tx.all(_connected, {"router": router.id})
    if port_id:
        mine = [one for one in connected if one.port_id == port_id]
        if not mine:
            raise _no_interface(router.id, port_id)
        if subnet_id and all(one.id != subnet_id for one in mine):
            raise bad("router", f"Subnet {subnet_id} is not on port {port_id}")
    else:
        await get(tx, reach, "subnet", subnet_id)
        named = [one for one in connected if one.id == subnet_id]
        if not named:
            found = missing("router", router.id)
            found.message = f"Router {router.id} has no interface on subnet {subnet_id}"
            found.code = "RouterInterfaceNotFoundForSubnet"
            raise found
        mine = named
    ids = [one.id for one in mine]
    for used in (_floating_in, _forwarded_in):
        if await tx.first(used, {"router": router.id, "subnets": ids}) is not None:
            raise conflict(
                "RouterInterfaceInUseByFloatingIP",
                f"Router interface for subnet {ids[0]} on router {router.id} cannot be deleted, as it "
                "is required by one or more floating IPs.",
            )
    await proxied.none_on(tx, router, ids)
    for one in mine:
        _no_route_through(router, one.cidr, "RouterInterfaceInUseByRoute")
    port = await get_any(tx, "port", mine[0].port_id)
    left = router_subnets.c.port_id == port.id
    await tx.execute(router_subnets.delete().where(left, router_subnets.c.subnet_id.in_(ids)))
    if len(mine) < sum(one.port_id == port.id for one in connected):
        await port_logic.leave_subnet(tx, room, port.id, ids[0])
    else:
        await port_logic.remove(tx, room, port)
    await change(tx, routers, router.id, room.clock.now(), {})
    await touch(tx, room, router_scope(router.id))
    return _interface(router, port.id, port.network_id, ids)


def _no_interface(router_id: str, port_id: str) -> Exception:
    found = missing("router", router_id)
    found.message = f"Router {router_id} does not have an interface with id {port_id}"
    found.code = "RouterInterfaceNotFound"
    return found


# ---- routes ----


async def _check_routes(
    tx: Transaction, router: Row[Any], routes: Sequence[Mapping[str, str]]
) -> None:
    """Each next hop is a neighbour and not the router itself.

    Raises:
        BadInput
    """
    if len(routes) > MAXIMUM_ROUTES:
        raise bad("router", f"The number of routes exceeds the maximum {MAXIMUM_ROUTES}")
    near = [network_of(one.cidr) for one in await tx.all(_connected, {"router": router.id})]
    outside = await gateways.of_router(tx, router)
    near += [network_of(one.cidr) for one in await gateways.outside_subnets(tx, router)]
    ids = [one.port_id for one in outside]
    own = set(await tx.scalars(_own_addresses, {"router": router.id, "gateways": ids}))
    for route in routes:
        hop = ipaddress.ip_address(route["nexthop"])
        reason = ""
        if network_of(route["destination"]).version != hop.version:
            reason = "the destination and the nexthop are of different versions"
        elif not any(hop in cidr for cidr in near):
            reason = "the nexthop is not connected with router"
        elif str(hop) in own:
            reason = "the nexthop is used by router"
        if reason:
            raise BadInput(f"Invalid format for routes: {route}, {reason}", code="InvalidRoutes")


async def change_routes(
    tx: Transaction,
    room: Network,
    router: Row[Any],
    *,
    add: Sequence[Mapping[str, str]] = (),
    remove: Sequence[Mapping[str, str]] = (),
) -> None:
    """Add or take away some routes; those that are there, or are not, do no harm.

    Raises:
        BadInput
    """
    await tx.serialize("network.router", router.id)
    router = await get_any(tx, "router", router.id)
    kept = [dict(route) for route in router.routes if route not in list(remove)]
    kept += [dict(route) for route in add if route not in kept]
    await _check_routes(tx, router, kept)
    await change(tx, routers, router.id, room.clock.now(), {"routes": kept})
    await touch(tx, room, router_scope(router.id))
