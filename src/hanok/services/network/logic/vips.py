"""Ports that hold an address for another service: it answers there itself, and no guest does.

Source: Load Balancer API v2 reference, "vip_port_id", "vip_subnet_id", "vip_network_id".
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput, Conflict, NotFound
from hanok.services.network.logic import bindings, ports
from hanok.services.network.logic.reach import Reach, get, get_any
from hanok.services.network.logic.scopes import port_scope, touch
from hanok.services.network.room import Network
from hanok.services.network.tables import ip_allocations, networks, port_rows, subnets
from hanok.services.network.tables import ports as port_table
from hanok.store import Transaction
from hanok.web.attributes import UNSET

_subnets = (
    sa.select(subnets.c.id, subnets.c.ip_version)
    .where(subnets.c.network_id == bindparam("network"))
    .order_by(subnets.c.ip_version, subnets.c.created_at, subnets.c.id)
)
_held = (
    sa.select(ip_allocations.c.address, ip_allocations.c.subnet_id)
    .where(ip_allocations.c.port_id == bindparam("port"))
    .order_by(ip_allocations.c.ordinal)
)
_networks_of = (
    sa.select(subnets.c.network_id)
    .where(subnets.c.id.in_(bindparam("ids", expanding=True)))
    .distinct()
)
_port = sa.select(port_rows).where(port_rows.c.id == bindparam("port"))
_with_addresses = (
    sa.select(ip_allocations.c.address, port_rows.c.id, port_rows.c.server_id)
    .join(port_rows, port_rows.c.id == ip_allocations.c.port_id)
    .where(
        port_rows.c.network_id.in_(bindparam("networks", expanding=True)),
        ip_allocations.c.address.in_(bindparam("addresses", expanding=True)),
        port_rows.c.role == "guest",
    )
)

_stands = (
    sa.select(port_rows.c.mac_address, networks.c.mtu)
    .join(networks, networks.c.id == port_rows.c.network_id)
    .where(port_rows.c.id == bindparam("port"))
)
_around = (
    sa.select(ip_allocations.c.address, subnets.c.cidr, subnets.c.gateway_ip, subnets.c.host_routes)
    .join(subnets, subnets.c.id == ip_allocations.c.subnet_id)
    .where(ip_allocations.c.port_id == bindparam("port"))
    .order_by(ip_allocations.c.ordinal)
)


class Standing(Struct, frozen=True, kw_only=True):
    """What whoever answers for a port has to know. addresses: with prefix length. routes: prefix and next hop."""

    mac: str
    mtu: int
    addresses: tuple[str, ...]
    gateways: tuple[str, ...]
    routes: tuple[tuple[str, str], ...]


class VIPWish(Struct, frozen=True, kw_only=True):
    """An address to hold. One of port_id, subnet_id and network_id says where.

    name, owner, device: as the port is to be labelled. more: further addresses on the same network, each a subnet and
    an address or None. groups: ids of security groups; none: not the project's default one either.
    silent: whether the network's engine has no port there: the service answers for the address in another way.
    """

    project_id: str
    name: str
    owner: str
    device: str
    port_id: str | None = None
    subnet_id: str | None = None
    network_id: str | None = None
    address: str | None = None
    more: tuple[tuple[str, str | None], ...] = ()
    qos_policy_id: str | None = None
    groups: tuple[str, ...] = ()
    silent: bool = False


class VIP(Struct, frozen=True, kw_only=True):
    """Held addresses. addresses: each with its subnet, the first one first. made: whether the port was made for it."""

    port_id: str
    network_id: str
    addresses: tuple[tuple[str, str], ...]
    made: bool
    qos_policy_id: str | None


async def claim(tx: Transaction, room: Network, reach: Reach, wish: VIPWish) -> VIP:
    """Take a port for a service, or make one.

    Raises:
        BadInput: no such port, subnet or network, or not the caller's; an address that is not there.
        Conflict: the address is taken, the port is in use; a quota.
    """
    if wish.port_id is not None:
        return await _taken(tx, room, reach, wish)
    subnet_id, network_id = await _where(tx, reach, wish)
    network = await get_any(tx, "network", network_id)
    fixed = [_fixed(subnet_id, wish.address), *(_fixed(*one) for one in wish.more)]
    values = {
        "name": wish.name,
        "device_owner": wish.owner,
        "device_id": wish.device,
        "fixed_ips": fixed,
        "security_groups": list(wish.groups)
        if wish.groups or network.port_security_enabled
        else UNSET,
        "qos_policy_id": wish.qos_policy_id,
    }
    await _on_one_network(tx, reach, wish, network_id)
    role = {"role": "vip"} if wish.silent else {}
    made = await ports.make(tx, room, reach, network, wish.project_id, values, **role)
    return await _vip_of(tx, made, subnet_id, made=True)


def _fixed(subnet_id: str, address: str | None) -> dict[str, str]:
    return {"subnet_id": subnet_id, **({"ip_address": address} if address else {})}


async def _found(tx: Transaction, reach: Reach, kind: str, requested: str) -> Row[Any]:
    try:
        return await get(tx, reach, kind, requested)
    except NotFound:
        raise BadInput(f"{kind.capitalize()} {requested} not found.") from None


async def _where(tx: Transaction, reach: Reach, wish: VIPWish) -> tuple[str, str]:
    """The subnet and the network of a wish without a port."""
    if wish.subnet_id is not None:
        subnet = await _found(tx, reach, "subnet", wish.subnet_id)
        if wish.network_id not in (None, subnet.network_id):
            raise BadInput("Supplied VIP subnet does not match network.")
        return subnet.id, subnet.network_id
    assert wish.network_id is not None
    network = await _found(tx, reach, "network", wish.network_id)
    rows = await tx.all(_subnets, {"network": network.id})
    if wish.address is not None:
        return await _subnet_of(tx, network.id, wish.address), network.id
    if not rows:
        raise BadInput("Supplied network does not contain a subnet.")
    return rows[0].id, network.id


async def _subnet_of(tx: Transaction, network_id: str, address: str) -> str:
    """The subnet of a network that an address is in."""
    found = ipaddress.ip_address(address)
    for row in await tx.all(sa.select(subnets).where(subnets.c.network_id == network_id)):
        if found in ipaddress.ip_network(row.cidr):
            return str(row.id)
    raise BadInput("Supplied network does not contain a subnet for VIP address specified.")


async def _on_one_network(tx: Transaction, reach: Reach, wish: VIPWish, network_id: str) -> None:
    for subnet_id, _ in wish.more:
        subnet = await _found(tx, reach, "subnet", subnet_id)
        if subnet.network_id != network_id:
            raise BadInput("All VIP subnets must belong to the same network.")


async def _taken(tx: Transaction, room: Network, reach: Reach, wish: VIPWish) -> VIP:
    """A port that the caller has made."""
    assert wish.port_id is not None
    await tx.take_turn(wish.port_id)
    port = await _found(tx, reach, "port", wish.port_id)
    if port.server_id is not None or port.role != "guest" or port.device_id:
        raise Conflict(f"Port {port.id} is in use.")
    held = await tx.all(_held, {"port": port.id})
    fits = [one for one in held if wish.address in (None, one.address)]
    fits = [one for one in fits if wish.subnet_id in (None, one.subnet_id)]
    if not fits:
        raise BadInput(f"Port {port.id} has no address that fits the VIP.")
    if wish.qos_policy_id is not None:
        await ports.update(tx, room, reach, port, {"qos_policy_id": wish.qos_policy_id})
    role = "vip" if wish.silent else "guest"
    await _label(tx, room, port.id, role, wish.owner, wish.device)
    return await _vip_of(tx, port.id, fits[0].subnet_id, made=False)


async def _vip_of(tx: Transaction, port_id: str, first: str, *, made: bool) -> VIP:
    port = await tx.first(_port, {"port": port_id})
    assert port is not None
    held = [(one.address, one.subnet_id) for one in await tx.all(_held, {"port": port_id})]
    held.sort(key=lambda one: one[1] != first)
    return VIP(
        port_id=port_id,
        network_id=port.network_id,
        addresses=tuple(held),
        made=made,
        qos_policy_id=port.qos_policy_id,
    )


async def change(
    tx: Transaction, room: Network, reach: Reach, port_id: str, values: dict[str, Any]
) -> None:
    """Another QoS policy ("qos_policy_id"), other groups ("security_groups") of a held port.

    Raises:
        BadInput: no such policy or group.
    """
    port = await tx.first(_port, {"port": port_id})
    if port is None:
        return
    try:
        await ports.update(tx, room, reach, port, values)
    except NotFound as error:
        raise BadInput(error.message) from None


async def release(tx: Transaction, room: Network, port_id: str, *, made: bool) -> None:
    """The address is not needed any more; a port that is gone is fine, too.

    Args:
        made: whether the port was made for it, and goes.
    """
    port = await tx.first(_port, {"port": port_id})
    if port is None:
        return
    if made:
        await ports.remove(tx, room, port)
        return
    await _label(tx, room, port_id, "guest", "", "")


async def _label(
    tx: Transaction, room: Network, port_id: str, role: str, owner: str, device: str
) -> None:
    """Say whose a port is. The service itself does so: others may not."""
    mine = port_table.update().where(port_table.c.id == port_id)
    await tx.execute(mine.values(role=role, device_owner=owner, device_id=device))
    await touch(tx, room, port_scope(port_id))


async def subnet_there(tx: Transaction, reach: Reach, subnet_id: str) -> str:
    """The network of a subnet that the caller may use.

    Raises:
        BadInput: there is none such.
    """
    return str((await _found(tx, reach, "subnet", subnet_id)).network_id)


async def facts(tx: Transaction, reach: Reach, subnet_id: str) -> dict[str, Any]:
    """What there is to know of a subnet and of its network for who may use it.

    Returns network_type, segmentation_id, cidr, ip_version, gateway, mtu.

    Raises:
        BadInput: there is none such.
    """
    subnet = await _found(tx, reach, "subnet", subnet_id)
    network = await get_any(tx, "network", subnet.network_id)
    return {
        "network_type": network.network_type,
        "segmentation_id": network.segmentation_id,
        "cidr": subnet.cidr,
        "ip_version": subnet.ip_version,
        "gateway": subnet.gateway_ip,
        "mtu": network.mtu,
    }


async def at(
    tx: Transaction, networks: Sequence[str], addresses: Sequence[str]
) -> dict[str, tuple[str, str | None]]:
    """The ports that have these addresses on networks, each with the id of its server or None."""
    values = {"networks": list(networks), "addresses": list(addresses)}
    return {row.address: (row.id, row.server_id) for row in await tx.all(_with_addresses, values)}


async def networks_of(tx: Transaction, subnet_ids: Sequence[str]) -> list[str]:
    """The networks of subnets, whoever they belong to."""
    values = {"ids": list(subnet_ids)}
    return list(await tx.scalars(_networks_of, values)) if subnet_ids else []


async def place(tx: Transaction, room: Network, port_id: str, host: str) -> None:
    """A held port is on a host, where the service plugs it in; on none, if host is empty. One that is gone is fine."""
    if await tx.first(_port, {"port": port_id}) is not None:
        await bindings.bind(tx, port_id, {"host": host})
        await touch(tx, room, port_scope(port_id))


async def standing(tx: Transaction, port_id: str, only: Sequence[str]) -> Standing | None:
    """How a port stands with some of its addresses; None where it is gone."""
    row = await tx.first(_stands, {"port": port_id})
    if row is None:
        return None
    held = [one for one in await tx.all(_around, {"port": port_id}) if one.address in only]
    return Standing(
        mac=row.mac_address,
        mtu=row.mtu,
        addresses=tuple(f"{one.address}/{one.cidr.rpartition('/')[2]}" for one in held),
        gateways=tuple(dict.fromkeys(one.gateway_ip for one in held if one.gateway_ip)),
        routes=tuple(
            (each["destination"], each["nexthop"]) for one in held for each in one.host_routes
        ),
    )
