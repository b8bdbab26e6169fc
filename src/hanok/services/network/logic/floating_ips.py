"""Floating IPs: addresses of an external network that lead to a port behind a router.

Source: Networking API v2.0 reference, "Floating IPs".
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput, NotFound
from hanok.services.network.logic import addresses, forwardings, names, promises, qos, quotas
from hanok.services.network.logic import ports as port_logic
from hanok.services.network.logic.addresses import network_of
from hanok.services.network.logic.errors import bad, conflict
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
    visible_networks,
)
from hanok.services.network.logic.scopes import (
    floating_ip_scope,
    port_scope,
    router_scope,
    touch,
    touch_several,
)
from hanok.services.network.room import Network
from hanok.services.network.tables import (
    floating_ips,
    ip_allocations,
    networks,
    ports,
    router_gateways,
    router_subnets,
    routers,
    subnets,
)
from hanok.store import Transaction

_ports = sa.select(
    ports.c.id,
    ports.c.name,
    ports.c.network_id,
    ports.c.mac_address,
    ports.c.admin_state_up,
    ports.c.status,
    ports.c.device_id,
    ports.c.device_owner,
).where(ports.c.id.in_(bindparam("ids", expanding=True)))
_subnets = (
    sa.select(subnets)
    .where(subnets.c.network_id == bindparam("network"), subnets.c.ip_version == 4)
    .order_by(subnets.c.created_at, subnets.c.id)
)
_port_role = sa.select(ports.c.role, ports.c.dns_name).where(ports.c.id == bindparam("port"))
_fixed = (
    sa.select(ip_allocations.c.address, ip_allocations.c.subnet_id)
    .where(ip_allocations.c.port_id == bindparam("port"))
    .order_by(ip_allocations.c.ordinal)
)
# The router that joins the subnet by its gateway address comes first.
_way = (
    sa.select(routers.c.id)
    .select_from(
        router_subnets.join(routers, routers.c.id == router_subnets.c.router_id)
        .join(subnets, subnets.c.id == router_subnets.c.subnet_id)
        .join(
            ip_allocations,
            sa.and_(
                ip_allocations.c.port_id == router_subnets.c.port_id,
                ip_allocations.c.subnet_id == router_subnets.c.subnet_id,
            ),
        )
    )
    .where(
        router_subnets.c.subnet_id == bindparam("subnet"),
        sa.or_(
            routers.c.gateway_network_id == bindparam("outside"),
            routers.c.id.in_(
                sa.select(router_gateways.c.router_id).where(
                    router_gateways.c.network_id == bindparam("outside")
                )
            ),
        ),
    )
    .order_by(sa.case((ip_allocations.c.address == subnets.c.gateway_ip, 0), else_=1), routers.c.id)
)


async def show(tx: Transaction, rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    their_tags = await tags_of(tx, [row.id for row in rows])
    ids = [row.port_id for row in rows if row.port_id]
    details = {row.id: dict(row._mapping) for row in await tx.all(_ports, {"ids": ids})}
    for one in details.values():
        del one["id"]
    forwarded = await forwardings.of_floating(tx, [row.id for row in rows])
    found = []
    for row in rows:
        common = shown(row, their_tags[row.id])
        del common["name"]
        found.append(
            {
                **common,
                "floating_network_id": row.floating_network_id,
                "floating_ip_address": row.floating_ip_address,
                "port_id": row.port_id,
                "fixed_ip_address": row.fixed_ip_address,
                "router_id": row.router_id,
                "status": row.status,
                "qos_policy_id": row.qos_policy_id,
                "dns_name": row.dns_name,
                "dns_domain": row.dns_domain,
                "port_forwardings": forwardings.shown_with_floating(forwarded[row.id]),
                "port_details": details.get(row.port_id) if row.port_id else None,
            }
        )
    return found


async def create(tx: Transaction, room: Network, reach: Reach, values: Mapping[str, Any]) -> str:
    """Take an address of an external network, and let it lead to a port if one is named.

    Raises:
        BadInput, Conflict, NotFound, QuotaReached
    """
    project_id = project_of(values, reach)
    names.check_floating(values)
    network = await _outside(tx, reach, values["floating_network_id"])
    await quotas.check(tx, room, project_id, "floatingip")
    now = room.clock.now()
    row = {
        **standard(values, project_id, now),
        "floating_network_id": network.id,
        "status": "DOWN",
        "dns_name": values.get("dns_name", ""),
        "dns_domain": values.get("dns_domain", ""),
        "qos_policy_id": await qos.requested(tx, reach, values.get("qos_policy_id")),
    }
    if values["port_id"] is not None:
        await tx.take_turn(values["port_id"])
    await tx.serialize("network", network.id)
    network = await _outside(tx, reach, network.id)  # it may have turned inside meanwhile
    port_id = await port_logic.write(
        tx,
        room,
        network,
        project_id="",
        device_id=row["id"],
        device_owner="network:floatingip",
        role="floating",
        status="N/A",
    )
    row["floating_port_id"] = port_id
    row["floating_ip_address"] = await _take(tx, network, port_id, values)
    await tx.insert(floating_ips, row)
    await promises.check(tx, row["qos_policy_id"])
    await set_tags(tx, row["id"], values.get("tags", ()))
    if values["port_id"] is not None:
        floating = await get_any(tx, "floatingip", row["id"])
        requested = await _association(
            tx, reach, floating, values["port_id"], values["fixed_ip_address"]
        )
        await _lead(tx, floating, requested)
    elif values["fixed_ip_address"] is not None:
        raise bad("floatingip", "fixed_ip_address cannot be specified without a port_id")
    made = await get_any(tx, "floatingip", row["id"])
    await touch_several(tx, room, [made.router_id])
    await touch(tx, room, floating_ip_scope(row["id"]), *await _also_meant(tx, made))
    return str(row["id"])


async def _outside(tx: Transaction, reach: Reach, network_id: str) -> Row[Any]:
    network = await get(tx, reach, "network", network_id)
    if not network.external:
        raise bad("floatingip", f"Network {network.id} is not a valid external network")
    return network


async def _also_meant(tx: Transaction, *floating: Row[Any]) -> list[str]:
    """The scopes of what these floating IPs are written into, too: routers that they lead to themselves, by a port of
    theirs, and ports with names.
    """
    found = []
    for row in floating:
        port = await tx.first(_port_role, {"port": row.port_id}) if row.port_id else None
        if port is not None and port.role == "router" and row.router_id is not None:
            found.append(router_scope(row.router_id))
        elif port is not None and port.dns_name:
            found.append(port_scope(row.port_id))
    return found


async def _take(tx: Transaction, network: Row[Any], port_id: str, values: Mapping[str, Any]) -> str:
    found = await tx.all(_subnets, {"network": network.id})
    candidates = addresses.serving(found, "network:floatingip")
    if values["subnet_id"] is not None:
        candidates = [one for one in candidates if one.id == values["subnet_id"]]
        if not candidates:
            raise NotFound(
                f"Subnet {values['subnet_id']} could not be found.", code="SubnetNotFound"
            )
    requested = values["floating_ip_address"]
    if requested is not None:
        address = ipaddress.ip_address(requested)
        for subnet in candidates:
            if address in network_of(subnet.cidr):
                port_logic.check_address(subnet, address)
                if requested == subnet.gateway_ip:
                    raise port_logic.in_use(network.id, requested)
                return await addresses.take(tx, subnet, int(address), port_id)
        raise BadInput(
            f"IP address {requested} is not a valid IP for any of the subnets on the specified network.",
            code="InvalidIpForNetwork",
        )
    for subnet in candidates:
        taken = await addresses.take_next(tx, subnet, port_id)
        if taken is not None:
            return taken
    if not candidates:
        raise bad("floatingip", f"Network {network.id} does not contain any IPv4 subnet")
    raise port_logic.exhausted(network.id)


async def _association(
    tx: Transaction, reach: Reach, floating: Row[Any], port_id: str, fixed: str | None
) -> dict[str, Any]:
    """Where a floating IP is to lead.

    Raises:
        BadInput, Conflict, NotFound: no router leads there.
    """
    port = await get(tx, reach, "port", port_id)
    if port.project_id != floating.project_id and not reach.everything:
        raise bad(
            "floatingip",
            f"Cannot process floating IP association with port {port.id}, since that port is owned by a "
            "different tenant",
        )
    # Our metadata port stands where upstream's DHCP port does: a guest's traffic ends there.
    if port.role == "metadata" or port.device_owner == "network:dhcp":
        raise bad("floatingip", f"Port {port.id} belongs to {port.device_owner}")
    held = [one for one in await tx.all(_fixed, {"port": port.id}) if ":" not in one.address]
    if fixed is not None:
        match = next((one for one in held if one.address == fixed), None)
        if match is None:
            raise bad("floatingip", f"Port {port.id} does not have fixed ip {fixed}")
    elif not held:
        raise bad(
            "floatingip",
            f"Cannot add floating IP to port {port.id} that has no fixed IPv4 addresses",
        )
    elif len(held) > 1:
        raise bad(
            "floatingip",
            f"Port {port.id} has multiple fixed IPv4 addresses.  Must provide a specific IPv4 address "
            "when assigning a floating IP",
        )
    else:
        match = held[0]
    await _whole(tx, floating)
    router_id = await way(tx, floating, match.subnet_id, port.id)
    await _check_free(tx, floating, port.id, match.address)
    return {
        "port_id": port.id,
        "fixed_ip_address": match.address,
        "router_id": router_id,
        "status": "ACTIVE",
    }


async def _whole(tx: Transaction, floating: Row[Any]) -> None:
    """Raises Conflict where single ports of a floating IP lead somewhere."""
    if (await forwardings.of_floating(tx, [floating.id]))[floating.id]:
        raise conflict(
            "FipInUseByPortForwarding",
            f"Floating IP {floating.id} in use by Port Forwarding resources.",
        )


async def way(
    tx: Transaction,
    floating: Row[Any],
    subnet_id: str,
    port_id: str,
    *,
    router_id: str | None = None,
) -> str:
    """The router between a floating IP's network and a subnet. router_id: this one, and no other.

    It stays one while the transaction lasts.

    Raises:
        NotFound: there is none.
    """
    found = await _routers_between(tx, floating, subnet_id, router_id)
    if found:
        await tx.serialize("network.router", found[0])
        found = await _routers_between(tx, floating, subnet_id, found[0])
    if not found:
        raise NotFound(
            f"External network {floating.floating_network_id} is not reachable from subnet "
            f"{subnet_id}.  Therefore, cannot associate Port {port_id} with a Floating IP.",
            code="ExternalGatewayForFloatingIPNotFound",
        )
    return found[0]


async def _routers_between(
    tx: Transaction, floating: Row[Any], subnet_id: str, only: str | None
) -> list[str]:
    ends = {"subnet": subnet_id, "outside": floating.floating_network_id}
    found = [str(one) for one in await tx.scalars(_way, ends)]
    return [one for one in found if only in (None, one)]


async def _check_free(
    tx: Transaction, floating: Row[Any], port_id: str, fixed_address: str
) -> None:
    """Raises Conflict when another floating IP leads there."""
    taken = await tx.first(
        sa.select(floating_ips.c.id).where(
            floating_ips.c.port_id == port_id,
            floating_ips.c.fixed_ip_address == fixed_address,
            floating_ips.c.id != floating.id,
        )
    )
    if taken is not None:
        raise conflict(
            "FloatingIPPortAlreadyAssociated",
            f"Cannot associate floating IP {floating.floating_ip_address} ({floating.id}) with port "
            f"{port_id} using fixed IP {fixed_address}, as that fixed IP already "
            f"has a floating IP on external network {floating.floating_network_id}.",
        )


async def _lead(tx: Transaction, floating: Row[Any], requested: Mapping[str, Any]) -> None:
    await tx.execute(
        floating_ips.update().where(floating_ips.c.id == floating.id).values(**requested)
    )


async def update(
    tx: Transaction, room: Network, reach: Reach, row: Row[Any], values: Mapping[str, Any]
) -> None:
    """Let a floating IP lead elsewhere, or nowhere.

    Raises:
        BadInput, Conflict, NotFound
    """
    if values.get("port_id") is not None:
        await tx.take_turn(values["port_id"])
    await tx.serialize("network", row.floating_network_id)
    row = await get_any(tx, "floatingip", row.id)
    if "port_id" not in values and values.get("fixed_ip_address") is not None and row.port_id:
        values = {**values, "port_id": row.port_id}
    if "port_id" in values:
        if values["port_id"] is None:
            if values.get("fixed_ip_address") is not None:
                raise bad("floatingip", "fixed_ip_address cannot be specified without a port_id")
            requested: dict[str, Any] = {
                "port_id": None,
                "fixed_ip_address": None,
                "router_id": None,
                "status": "DOWN",
            }
        else:
            requested = await _association(
                tx, reach, row, values["port_id"], values.get("fixed_ip_address")
            )
        await _lead(tx, row, requested)
    elif values.get("fixed_ip_address") is not None:
        raise bad("floatingip", "fixed_ip_address cannot be specified without a port_id")
    plain = {name: values[name] for name in ("description",) if name in values}
    if "qos_policy_id" in values:
        plain["qos_policy_id"] = await qos.requested(
            tx, reach, values["qos_policy_id"], row.qos_policy_id
        )
    await change(tx, floating_ips, row.id, room.clock.now(), plain)
    await promises.check(tx, plain.get("qos_policy_id"))
    after = await get_any(tx, "floatingip", row.id)
    await touch_several(tx, room, [row.router_id, after.router_id])
    await touch(tx, room, floating_ip_scope(row.id), *await _also_meant(tx, row, after))


async def delete(tx: Transaction, room: Network, row: Row[Any]) -> None:
    """Give the address back.

    Raises:
        Conflict: ports of it lead somewhere.
    """
    await _whole(tx, row)
    meant = await _also_meant(tx, row)
    await touch_several(tx, room, [row.router_id])
    await set_tags(tx, row.id, ())
    await tx.execute(floating_ips.delete().where(floating_ips.c.id == row.id))
    await port_logic.remove(tx, room, await get_any(tx, "port", row.floating_port_id))
    await touch(tx, room, floating_ip_scope(row.id), *meant)


async def pools(tx: Transaction, reach: Reach) -> list[dict[str, Any]]:
    """The subnets of external networks that the caller may take floating IPs of."""
    mine = (
        sa.select(subnets)
        .join(networks, networks.c.id == subnets.c.network_id)
        .where(networks.c.external, subnets.c.ip_version == 4, visible_networks(reach))
        .order_by(subnets.c.id)
    )
    return [
        {
            "subnet_id": row.id,
            "subnet_name": row.name,
            "cidr": row.cidr,
            "network_id": row.network_id,
            "project_id": reach.project_id,
            "tenant_id": reach.project_id,
        }
        for row in await tx.all(mine)
    ]
