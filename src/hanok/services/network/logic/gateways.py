"""A router's ways outside: its first gateway, which the router's row has, and others beside it.

Source: Networking API v2.0 reference, "Routers", `external_gateway_info` and `external_gateways`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy import Row, bindparam

from hanok.services.network.logic import addresses, promises, proxied, qos
from hanok.services.network.logic import ports as port_logic
from hanok.services.network.logic.addresses import GATEWAY_OWNER, network_of
from hanok.services.network.logic.errors import bad, conflict
from hanok.services.network.logic.reach import Reach, get, get_any
from hanok.services.network.logic.scopes import floating_ip_scope, touch
from hanok.services.network.room import Network
from hanok.services.network.tables import (
    floating_ips,
    ip_allocations,
    router_gateways,
    router_subnets,
    routers,
    subnets,
)
from hanok.store import Transaction

MAXIMUM_GATEWAYS = 10  # of a router

Info = Mapping[str, Any]
"""A gateway as a body says it: network_id, external_fixed_ips, enable_snat, qos_policy_id."""


class Gateway(Struct, frozen=True):
    """A gateway of a router. first: whether the router's own row has it."""

    router_id: str
    port_id: str
    network_id: str
    enable_snat: bool
    qos_policy_id: str | None
    first: bool = False


_others = (
    sa.select(router_gateways)
    .where(router_gateways.c.router_id.in_(bindparam("ids", expanding=True)))
    .order_by(router_gateways.c.position, router_gateways.c.port_id)
)
_held = (
    sa.select(ip_allocations.c.port_id, ip_allocations.c.subnet_id, ip_allocations.c.address)
    .where(ip_allocations.c.port_id.in_(bindparam("ids", expanding=True)))
    .order_by(ip_allocations.c.ordinal)
)
_near = (
    sa.select(ip_allocations.c.port_id, subnets.c.id, subnets.c.cidr)
    .join(subnets, subnets.c.id == ip_allocations.c.subnet_id)
    .where(ip_allocations.c.port_id.in_(bindparam("ids", expanding=True)))
)
_connected = sa.select(subnets.c.id, subnets.c.cidr).where(
    router_subnets.c.router_id == bindparam("router"), subnets.c.id == router_subnets.c.subnet_id
)
_floating_on = sa.select(floating_ips.c.id, floating_ips.c.floating_network_id).where(
    floating_ips.c.router_id == bindparam("router")
)
_subnets_of = (
    sa.select(subnets)
    .where(subnets.c.network_id == bindparam("network"))
    .order_by(subnets.c.created_at, subnets.c.id)
)


# ---- looking ----


async def of_routers(tx: Transaction, rows: Sequence[Row[Any]]) -> dict[str, list[Gateway]]:
    """The gateways of routers, the first before the others."""
    found = {row.id: [one] if (one := _first(row)) else [] for row in rows}
    for row in await tx.all(_others, {"ids": list(found)}):
        found[row.router_id].append(
            Gateway(row.router_id, row.port_id, row.network_id, row.enable_snat, row.qos_policy_id)
        )
    return found


def _first(router: Row[Any]) -> Gateway | None:
    if router.gateway_port_id is None:
        return None
    return Gateway(
        router.id,
        router.gateway_port_id,
        router.gateway_network_id,
        router.enable_snat,
        router.gateway_qos_policy_id,
        first=True,
    )


async def of_router(tx: Transaction, router: Row[Any]) -> list[Gateway]:
    return (await of_routers(tx, [router]))[router.id]


async def shown(
    tx: Transaction, gateways: Mapping[str, Sequence[Gateway]]
) -> dict[str, list[dict[str, Any]]]:
    """Gateways as the API shows them, by router."""
    ids = [one.port_id for theirs in gateways.values() for one in theirs]
    outside: dict[str, list[dict[str, str]]] = {one: [] for one in ids}
    for row in await tx.all(_held, {"ids": ids}):
        one = {"subnet_id": row.subnet_id, "ip_address": row.address}
        outside[row.port_id].append(one)
    return {
        router: [
            {
                "network_id": one.network_id,
                "enable_snat": one.enable_snat,
                "external_fixed_ips": outside[one.port_id],
                "qos_policy_id": one.qos_policy_id,
            }
            for one in theirs
        ]
        for router, theirs in gateways.items()
    }


async def outside_subnets(tx: Transaction, router: Row[Any]) -> Sequence[Row[Any]]:
    """The subnets of external networks that a router has addresses of."""
    ids = [one.port_id for one in await of_router(tx, router)]
    return await tx.all(_near, {"ids": ids})


def apart(one_id: str, one: str, other_id: str, other: str) -> None:
    """Raises BadInput where two subnets of a router overlap."""
    a, b = network_of(one), network_of(other)
    if a.version == b.version and a.overlaps(b):
        raise bad(
            "router",
            f"Cidr {one} of subnet {one_id} overlaps with cidr {other} of subnet {other_id}",
        )


# ---- changing ----


async def hold(tx: Transaction, requested: Sequence[Info]) -> None:
    """Keep the networks of these gateways, before their router: floating IPs find their way in that order, too."""
    for network_id in sorted({one["network_id"] for one in requested}):
        await tx.serialize("network", network_id)


async def set_first(
    tx: Transaction, room: Network, reach: Reach, router: Row[Any], requested: Info
) -> None:
    """The first gateway is this one; the others stay.

    Raises:
        BadInput, NotFound; Conflict: floating IPs need the one before.
    """
    await _external(tx, reach, requested["network_id"])
    first = _first(router)
    if first is not None and first.network_id == requested["network_id"]:
        await _adjust(tx, room, reach, router, first, requested)
        return
    if first is not None:
        kept = [one for one in await of_router(tx, router) if not one.first]
        await _none_floats(tx, router, first, kept)
        await _free(tx, room, first)
        requested = {"qos_policy_id": first.qos_policy_id, **requested}
    await _make_first(tx, room, reach, router, requested)


async def clear(tx: Transaction, room: Network, router: Row[Any]) -> None:
    """A router has no way outside. Routes through it stay, and lead nowhere until there is one again, as upstream.

    Raises:
        Conflict: floating IPs need it.
    """
    await proxied.none_of_router(tx, router)
    for one in reversed(await of_router(tx, router)):
        await _none_floats(tx, router, one, [])
        await _free(tx, room, one)
    mine = routers.update().where(routers.c.id == router.id)
    await tx.execute(mine.values(gateway_qos_policy_id=None))


async def add(
    tx: Transaction, room: Network, reach: Reach, router: Row[Any], requested: Sequence[Info]
) -> None:
    """A router has these gateways, too; the first of them is its first, where it has none.

    Raises:
        BadInput, NotFound, Conflict
    """
    there = await of_router(tx, router)
    if len(there) + len(requested) > MAXIMUM_GATEWAYS:
        raise bad("router", f"A router has at most {MAXIMUM_GATEWAYS} external gateways")
    for position, one in enumerate(requested, len(there)):
        if position == 0:
            await _make_first(tx, room, reach, router, one)
        else:
            await _make_other(tx, room, reach, router, one, position)
    await _floats_change(tx, room, router)


async def replace(
    tx: Transaction, room: Network, reach: Reach, router: Row[Any], requested: Sequence[Info]
) -> None:
    """A router has these gateways and no others. One that it has, by its network and addresses, stays what it is.

    Raises:
        BadInput, NotFound; Conflict: floating IPs need one that is not among them.
    """
    there = await of_router(tx, router)
    pairs = await _paired(tx, there, requested)
    kept = {one.port_id for one, _ in pairs if one is not None}
    for gateway in reversed(there):
        if gateway.port_id not in kept:
            staying = {info["network_id"] for info in requested}
            if gateway.network_id not in staying:
                await _none_floats(tx, router, gateway, [])
            await _free(tx, room, gateway)
    await _promote(tx, router)
    router = await get_any(tx, "router", router.id)
    now = {one.port_id: one for one in await of_router(tx, router)}
    for known, info in pairs:
        if known is not None:
            await _adjust(tx, room, reach, router, now[known.port_id], info)
    router = await get_any(tx, "router", router.id)
    await add(tx, room, reach, router, [info for known, info in pairs if known is None])


async def remove(
    tx: Transaction, room: Network, router: Row[Any], requested: Sequence[Info]
) -> None:
    """A router loses these gateways; without any named, all of them. The next one becomes its first.

    Raises:
        BadInput: it has no such gateway, or several. Conflict: floating IPs need it.
    """
    if not requested:
        await clear(tx, room, router)
        return
    left = await of_router(tx, router)
    for info in requested:
        found = [one for one in left if await _is(tx, one, info)]
        if len(found) != 1:
            which = "no" if not found else "more than one"
            raise bad(
                "router",
                f"Router {router.id} has {which} such external gateway on network {info['network_id']}",
            )
        left.remove(found[0])
        await _none_floats(tx, router, found[0], left)
        await _free(tx, room, found[0])
    if not left:
        await proxied.none_of_router(tx, router)
    await _promote(tx, router)
    await _floats_change(tx, room, router)


async def _external(tx: Transaction, reach: Reach, network_id: str) -> Row[Any]:
    network = await get(tx, reach, "network", network_id)
    if not network.external:
        raise bad("router", f"Network {network.id} is not an external network")
    return network


async def _is(tx: Transaction, gateway: Gateway, info: Info) -> bool:
    """Whether a gateway is on this network and has all the addresses that are said."""
    if gateway.network_id != info["network_id"]:
        return False
    held = await tx.all(_held, {"ids": [gateway.port_id]})
    return all(any(_fits(wish, one) for one in held) for wish in info.get("external_fixed_ips", ()))


def _fits(wish: Mapping[str, str], held: Row[Any]) -> bool:
    address, subnet_id = str(held.address), str(held.subnet_id)
    return (
        wish.get("ip_address", address) == address and wish.get("subnet_id", subnet_id) == subnet_id
    )


async def _paired(
    tx: Transaction, there: Sequence[Gateway], requested: Sequence[Info]
) -> list[tuple[Gateway | None, Info]]:
    """Each wanted gateway with the one that it is; the only one of a network may change its addresses."""
    left = list(there)
    found: dict[int, Gateway | None] = dict.fromkeys(range(len(requested)))
    for number, info in enumerate(requested):
        match = [one for one in left if await _is(tx, one, info)]
        if match:
            found[number] = match[0]
            left.remove(match[0])
    for number, info in enumerate(requested):
        match = [one for one in left if one.network_id == info["network_id"]]
        if found[number] is None and match:
            found[number] = match[0]
            left.remove(match[0])
    return [(found[number], info) for number, info in enumerate(requested)]


async def _adjust(
    tx: Transaction, room: Network, reach: Reach, router: Row[Any], gateway: Gateway, info: Info
) -> None:
    """A gateway on the same network: its source NAT, its QoS policy, and its addresses where others are said."""
    changed: dict[str, Any] = {"enable_snat": info.get("enable_snat", True)}
    if "qos_policy_id" in info:
        changed["qos_policy_id"] = await qos.requested(tx, reach, info["qos_policy_id"])
    wishes = info.get("external_fixed_ips")
    if wishes is not None:
        held = await tx.all(_held, {"ids": [gateway.port_id]})
        if len(held) != len(wishes) or not await _is(tx, gateway, info):
            await _move(tx, room, reach, router, gateway, info, changed)
            return
    await _write(tx, gateway, changed)


async def _move(
    tx: Transaction,
    room: Network,
    reach: Reach,
    router: Row[Any],
    gateway: Gateway,
    info: Info,
    changed: Mapping[str, Any],
) -> None:
    """A gateway gets other addresses, and with them another port."""
    policy = changed.get("qos_policy_id", gateway.qos_policy_id)
    position = await _position(tx, gateway)
    await _free(tx, room, gateway)
    port_id = await _port(tx, room, reach, router, info)
    await _place(
        tx,
        Gateway(
            router.id, port_id, gateway.network_id, changed["enable_snat"], policy, gateway.first
        ),
        position,
    )
    await _floats_change(tx, room, router)


async def _position(tx: Transaction, gateway: Gateway) -> int:
    mine = sa.select(router_gateways.c.position).where(router_gateways.c.port_id == gateway.port_id)
    return int(await tx.scalar(mine) or 0)


async def _make_first(
    tx: Transaction, room: Network, reach: Reach, router: Row[Any], info: Info
) -> None:
    gateway = await _made(tx, room, reach, router, info, first=True)
    await _place(tx, gateway, 0)
    # Their QoS rules are looked at on the port that the gateway has now.
    await _floats_change(tx, room, router)


async def _make_other(
    tx: Transaction, room: Network, reach: Reach, router: Row[Any], info: Info, position: int
) -> None:
    await _place(tx, await _made(tx, room, reach, router, info, first=False), position)


async def _made(
    tx: Transaction, room: Network, reach: Reach, router: Row[Any], info: Info, *, first: bool
) -> Gateway:
    policy = None
    if "qos_policy_id" in info:
        policy = await qos.requested(tx, reach, info["qos_policy_id"])
    port_id = await _port(tx, room, reach, router, info)
    snat = info.get("enable_snat", True)
    return Gateway(router.id, port_id, info["network_id"], snat, policy, first)


async def _port(tx: Transaction, room: Network, reach: Reach, router: Row[Any], info: Info) -> str:
    """A port on an external network, whose subnets are none of those that the router is on."""
    await _external(tx, reach, info["network_id"])
    await tx.serialize("network", info["network_id"])
    network = await _external(tx, reach, info["network_id"])  # it may have turned inside meanwhile
    found = await tx.all(_subnets_of, {"network": network.id})
    its_subnets = addresses.serving(found, GATEWAY_OWNER)
    for one in await tx.all(_connected, {"router": router.id}):
        for subnet in found:
            apart(one.id, one.cidr, subnet.id, subnet.cidr)
    port_id = await port_logic.write(
        tx,
        room,
        network,
        project_id="",
        device_id=router.id,
        device_owner=GATEWAY_OWNER,
        role="gateway",
        status="ACTIVE",
    )
    await _outside_addresses(
        tx, reach, network, its_subnets, port_id, info.get("external_fixed_ips")
    )
    return port_id


async def _outside_addresses(
    tx: Transaction,
    reach: Reach,
    network: Row[Any],
    its_subnets: Sequence[Row[Any]],
    port_id: str,
    wishes: Sequence[Mapping[str, str]] | None,
) -> None:
    """Addresses of a port on an external network: those wished for, or one a version.

    On a network without subnets it has none, and gets one with the first subnet (`join_outside`).
    """
    if wishes:
        for ordinal, wish in enumerate(wishes):
            subnet = await port_logic.subnet_of(tx, reach, network, its_subnets, wish)
            if "ip_address" in wish:
                address = ipaddress.ip_address(wish["ip_address"])
                await addresses.take(tx, subnet, int(address), port_id, ordinal=ordinal)
            elif await addresses.take_next(tx, subnet, port_id, ordinal=ordinal) is None:
                raise port_logic.exhausted(network.id)
        return
    ordinal = 0
    for version in (4, 6):
        of_version = [one for one in its_subnets if one.ip_version == version]
        for subnet in of_version:
            if await addresses.take_next(tx, subnet, port_id, ordinal=ordinal) is not None:
                ordinal += 1
                break
        else:
            if of_version:
                raise port_logic.exhausted(network.id)


async def _place(tx: Transaction, gateway: Gateway, position: int) -> None:
    """Write a gateway that was not there."""
    if gateway.first:
        mine = routers.update().where(routers.c.id == gateway.router_id)
        await tx.execute(
            mine.values(
                gateway_port_id=gateway.port_id,
                gateway_network_id=gateway.network_id,
                enable_snat=gateway.enable_snat,
                gateway_qos_policy_id=gateway.qos_policy_id,
            )
        )
    else:
        await tx.insert(
            router_gateways,
            {
                "port_id": gateway.port_id,
                "router_id": gateway.router_id,
                "network_id": gateway.network_id,
                "enable_snat": gateway.enable_snat,
                "qos_policy_id": gateway.qos_policy_id,
                "position": position,
            },
        )
    await promises.check(tx, gateway.qos_policy_id)


async def _write(tx: Transaction, gateway: Gateway, changed: Mapping[str, Any]) -> None:
    """Change a gateway that is there."""
    if gateway.first:
        named = {
            f"gateway_{name}" if name == "qos_policy_id" else name: value
            for name, value in changed.items()
        }
        mine = routers.update().where(routers.c.id == gateway.router_id)
        await tx.execute(mine.values(**named))
    else:
        one = router_gateways.update().where(router_gateways.c.port_id == gateway.port_id)
        await tx.execute(one.values(**changed))
    await promises.check(tx, changed.get("qos_policy_id"))


async def _free(tx: Transaction, room: Network, gateway: Gateway) -> None:
    """A gateway is gone, with its port."""
    if gateway.first:
        mine = routers.update().where(routers.c.id == gateway.router_id)
        await tx.execute(mine.values(gateway_port_id=None, gateway_network_id=None))
    else:
        one = router_gateways.delete().where(router_gateways.c.port_id == gateway.port_id)
        await tx.execute(one)
    await port_logic.remove(tx, room, await get_any(tx, "port", gateway.port_id))


async def _promote(tx: Transaction, router: Row[Any]) -> None:
    """Where a router has lost its first gateway, the next one is it."""
    row = await get_any(tx, "router", router.id)
    left = await of_router(tx, row)
    if not left or left[0].first:
        return
    following = left[0]
    gone = router_gateways.delete().where(router_gateways.c.port_id == following.port_id)
    await tx.execute(gone)
    await _place(
        tx,
        Gateway(
            router.id,
            following.port_id,
            following.network_id,
            following.enable_snat,
            following.qos_policy_id,
            first=True,
        ),
        0,
    )


async def _none_floats(
    tx: Transaction, router: Row[Any], gateway: Gateway, left: Sequence[Gateway]
) -> None:
    """Raises Conflict where floating IPs need a gateway, and none of those left is on its network."""
    if any(one.network_id == gateway.network_id for one in left):
        return
    led = await tx.all(_floating_on, {"router": router.id})
    if any(one.floating_network_id == gateway.network_id for one in led):
        raise conflict(
            "RouterExternalGatewayInUseByFloatingIp",
            f"Gateway cannot be updated for router {router.id}, since a gateway to external network "
            f"{gateway.network_id} is required by one or more floating IPs.",
        )


async def _floats_change(tx: Transaction, room: Network, router: Row[Any]) -> None:
    """A router's floating IPs are written anew: they say by which port they lead, and what holds them to a rate."""
    led = await tx.all(_floating_on, {"router": router.id})
    await touch(tx, room, *(floating_ip_scope(one.id) for one in led))
