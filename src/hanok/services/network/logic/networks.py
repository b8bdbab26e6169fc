"""Networks.

Source: Networking API v2.0 reference, "Networks".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import NotFound
from hanok.drivers.ovn.topology import GENEVE_MTU
from hanok.services.network.logic import floating_ips as floating_logic
from hanok.services.network.logic import names as name_logic
from hanok.services.network.logic import ports as port_logic
from hanok.services.network.logic import (
    promises,
    qos,
    quotas,
    segment_ranges,
    segments,
    sharing,
    subnets,
)
from hanok.services.network.logic.errors import conflict, invalid, invalid_operation
from hanok.services.network.logic.reach import (
    EXTERNAL,
    Reach,
    change,
    project_of,
    set_tags,
    shown,
    standard,
    tags_of,
)
from hanok.services.network.logic.scopes import (
    network_scope,
    port_scope,
    router_scope,
    touch_all,
    whole_network,
)
from hanok.services.network.room import Network
from hanok.services.network.tables import (
    floating_ips,
    networks,
    ports,
    router_gateways,
    routers,
    subnet_pools,
)
from hanok.services.network.tables import subnets as subnet_table
from hanok.store import Duplicate, Transaction
from hanok.web.attributes import UNSET

MAXIMUM_SEGMENT = 16_777_215
PHYSICAL_MTU = 1500
_subnets = (
    sa.select(
        subnet_table.c.id,
        subnet_table.c.network_id,
        subnet_table.c.ip_version,
        subnet_pools.c.address_scope_id,
    )
    .outerjoin(subnet_pools, subnet_pools.c.id == subnet_table.c.subnetpool_id)
    .where(subnet_table.c.network_id.in_(bindparam("ids", expanding=True)))
    .order_by(subnet_table.c.created_at, subnet_table.c.id)
)
_ports_of_others = (
    sa.select(ports.c.id)
    .where(
        ports.c.network_id == bindparam("network"),
        ports.c.role != "metadata",
        ports.c.id.not_in(
            sa.select(floating_ips.c.floating_port_id).where(floating_ips.c.port_id.is_(None))
        ),
    )
    .limit(20)
)
_floating_rows = sa.select(floating_ips).where(
    floating_ips.c.floating_network_id == bindparam("network")
)
_ours = sa.select(ports).where(
    ports.c.network_id == bindparam("network"), ports.c.role == "metadata"
)
_subnet_rows = sa.select(subnet_table).where(subnet_table.c.network_id == bindparam("network"))
_segments = sa.select(networks.c.segmentation_id).where(
    networks.c.network_type == "geneve", networks.c.segmentation_id >= bindparam("least")
)
_last_segment = sa.select(sa.func.max(networks.c.segmentation_id)).where(
    networks.c.network_type == "geneve"
)
_routers_on = sa.select(ports.c.device_id).where(
    ports.c.network_id == bindparam("network"), ports.c.role.in_(["router", "gateway"])
)
_port_ids = sa.select(ports.c.id).where(ports.c.network_id == bindparam("network"))
_routers_outside = sa.select(routers.c.id).where(
    sa.or_(
        routers.c.gateway_network_id == bindparam("network"),
        routers.c.id.in_(
            sa.select(router_gateways.c.router_id).where(
                router_gateways.c.network_id == bindparam("network")
            )
        ),
    )
)
_servers_on = (
    sa.select(ports.c.server_id)
    .where(
        ports.c.network_id == bindparam("network"),
        ports.c.server_id.is_not(None),
        ports.c.qos_policy_id.is_(None),
    )
    .distinct()
    .limit(promises.MAXIMUM_SERVERS + 1)
)
_default_external = sa.select(networks.c.id).where(
    networks.c.is_default.is_(True), networks.c.external.is_(True)
)
_floating = sa.select(floating_ips.c.id).where(
    floating_ips.c.floating_network_id == bindparam("network")
)


async def show(tx: Transaction, rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    """Networks as the API shows them to an administrator."""
    ids = [row.id for row in rows]
    their_tags = await tags_of(tx, ids)
    their_subnets: dict[str, list[str]] = {one: [] for one in ids}
    scopes_of: dict[tuple[str, int], str] = {}
    for row in await tx.all(_subnets, {"ids": ids}):
        their_subnets[row.network_id].append(row.id)
        if row.address_scope_id is not None:
            scopes_of[row.network_id, row.ip_version] = row.address_scope_id
    return [
        {
            **shown(row, their_tags[row.id]),
            "admin_state_up": row.admin_state_up,
            "status": "ACTIVE",
            "subnets": their_subnets[row.id],
            "router:external": row.external,
            "is_default": row.is_default,
            "mtu": row.mtu,
            "port_security_enabled": row.port_security_enabled,
            "provider:network_type": row.network_type,
            "provider:physical_network": row.physical_network,
            "provider:segmentation_id": row.segmentation_id,
            "vlan_transparent": row.vlan_transparent,
            "qinq": row.qinq,
            "availability_zone_hints": row.availability_zone_hints,
            "availability_zones": ["nova"],
            "qos_policy_id": row.qos_policy_id,
            "dns_domain": row.dns_domain,
            "ipv4_address_scope": scopes_of.get((row.id, 4)),
            "ipv6_address_scope": scopes_of.get((row.id, 6)),
        }
        for row in rows
    ]


async def create(tx: Transaction, room: Network, reach: Reach, values: Mapping[str, Any]) -> str:
    """Write a network. Rights to its attributes were looked at.

    Raises:
        BadInput, Conflict, QuotaReached
    """
    project_id = project_of(values, reach)
    zones_known(room, values["availability_zone_hints"])
    await quotas.check(tx, room, project_id, "network")
    await _one_default(tx, None, default=values["is_default"], external=values["router:external"])
    row = {
        **standard(values, project_id, room.clock.now()),
        "admin_state_up": values["admin_state_up"],
        "external": values["router:external"],
        "is_default": values["is_default"],
        "port_security_enabled": values["port_security_enabled"],
        "availability_zone_hints": values["availability_zone_hints"],
        "dns_domain": values.get("dns_domain", ""),
        "qos_policy_id": await _qos_policy(tx, reach, project_id, values),
        **await _segment(tx, room, values, project_id),
        "vlan_transparent": values.get("vlan_transparent"),
        "qinq": values.get("qinq"),
    }
    _tags_of_guests(row)
    try:
        await tx.insert(networks, row)
    except Duplicate:
        raise conflict(
            "FlatNetworkInUse" if row["network_type"] == "flat" else "VlanIdInUse",
            "Unable to create the network. The physical network or segment is in use.",
        ) from None
    await promises.check(tx, row["qos_policy_id"])
    await segments.begin(tx, str(row["id"]), row["created_at"])
    if values["shared"]:
        await sharing.open_to_all(tx, project_id, "network", row["id"])
    if values["router:external"]:
        await sharing.open_to_all(tx, project_id, "network", row["id"], EXTERNAL)
    await set_tags(tx, row["id"], values.get("tags", ()))
    await touch_all(tx, room, [network_scope(row["id"])])
    return str(row["id"])


async def _qos_policy(
    tx: Transaction, reach: Reach, project_id: str, values: Mapping[str, Any]
) -> str | None:
    """The policy of a new network: the one it names, or where it says nothing its project's default."""
    if isinstance(values.get("qos_policy_id", UNSET), str | None):
        return await qos.requested(tx, reach, values["qos_policy_id"])
    return await qos.default_of(tx, project_id)


async def _one_default(
    tx: Transaction, network_id: str | None, *, default: bool, external: bool
) -> None:
    """The default external network is one, and external.

    Raises:
        BadInput: the network is not external. Conflict: another one is the default.
    """
    if not default:
        return
    if not external:
        raise invalid("is_default", "Only an external network (router:external) can be the default")
    await tx.serialize("network.default")
    other = await tx.scalar(_default_external)
    if other is not None and other != network_id:
        raise conflict(
            "DefaultExternalNetworkExists",
            f"A default external network already exists: {other}.",
        )


def zones_known(room: Network, zones: Sequence[str]) -> None:
    for zone in zones:
        if zone != room.settings.zone:
            raise NotFound(
                f"AvailabilityZone {zone} could not be found.", code="AvailabilityZoneNotFound"
            )


def _tags_of_guests(row: Mapping[str, Any]) -> None:
    """Hold what a network does with VLAN tags of its guests against how it travels.

    Raises:
        BadInput: both ways are asked for. Conflict: this kind of network cannot.
    """
    if row["vlan_transparent"] and row["qinq"]:
        raise invalid_operation("vlan_transparent and qinq cannot both be enabled on a network")
    if row["vlan_transparent"] and row["network_type"] != "geneve":
        raise conflict(
            "VlanTransparencyDriverError",
            f"Backend does not support VLAN Transparency on {row['network_type']} networks.",
        )
    if row["qinq"] and row["network_type"] != "vlan":
        raise conflict(
            "VlanQinqDriverError",
            f"Backend does not support VLAN QinQ on {row['network_type']} networks.",
        )


async def _segment(
    tx: Transaction, room: Network, values: Mapping[str, Any], project_id: str
) -> dict[str, Any]:
    """How the network travels: over tunnels, or on a bridge mapping."""
    kind = values["provider:network_type"]
    physical = values["provider:physical_network"]
    number = values["provider:segmentation_id"]
    if kind is None and (physical is not None or number is not None):
        raise invalid_operation("network_type required")
    mtu = values["mtu"]
    if kind in (None, "geneve"):
        if physical is not None:
            raise invalid_operation("provider:physical_network specified for geneve network")
        if number is None:
            number = await _next_segment(tx, project_id)
        maximum, key = GENEVE_MTU, f"geneve:{number}"
        kind = "geneve"
    else:
        if physical is None:
            raise invalid_operation(f"physical_network required for {kind} provider network")
        if physical != room.settings.physical_network:
            raise invalid_operation(
                f"physical_network '{physical}' unknown for {kind} provider network"
            )
        if kind == "flat" and number is not None:
            raise invalid_operation("provider:segmentation_id specified for flat network")
        if kind == "vlan" and number is None:
            await tx.serialize("network.segments")
            number = await segment_ranges.number_for(tx, project_id, "vlan", physical)
        if kind == "vlan" and (number is None or not 1 <= number <= 4094):
            raise invalid_operation("segmentation_id out of range (1 through 4094)")
        maximum, key = PHYSICAL_MTU, f"{physical}:{number or 'untagged'}"
    check_mtu(mtu, maximum)
    return {
        "network_type": kind,
        "physical_network": physical,
        "segmentation_id": number,
        "segment_key": key,
        "mtu": mtu or maximum,
    }


async def _next_segment(tx: Transaction, project_id: str) -> int:
    """A number of a range; where there are none, the one after the highest, past the end the lowest hole."""
    await tx.serialize("network.segments")
    ranged = await segment_ranges.number_for(tx, project_id, "geneve", None)
    if ranged is not None:
        return ranged
    last = await tx.scalar(_last_segment)
    if last is None or last < MAXIMUM_SEGMENT:
        return int(last or 0) + 1
    taken = set(await tx.scalars(_segments, {"least": 1}))
    free = next((n for n in range(1, MAXIMUM_SEGMENT + 1) if n not in taken), None)
    if free is None:
        raise conflict(
            "NoNetworkAvailable",
            "Unable to create the network. No tenant network is available for allocation.",
        )
    return free


def check_mtu(mtu: int, maximum: int) -> None:
    if mtu > maximum:
        raise invalid("mtu", f"'{mtu}' is not between 0 and {maximum}")


async def update(
    tx: Transaction, room: Network, reach: Reach, row: Row[Any], values: Mapping[str, Any]
) -> None:
    """Change a network.

    Raises:
        BadInput; Conflict: it is used in a way that the change would end.
    """
    requested = {
        name: values[name]
        for name in ("name", "description", "admin_state_up", "port_security_enabled", "dns_domain")
        if name in values
    }
    if "mtu" in values:
        maximum = GENEVE_MTU if row.network_type == "geneve" else PHYSICAL_MTU
        check_mtu(values["mtu"], maximum)
        requested["mtu"] = values["mtu"] or maximum
        await subnets.check_mtu(tx, row.id, requested["mtu"])
    if "qos_policy_id" in values:
        requested["qos_policy_id"] = await qos.requested(
            tx, reach, values["qos_policy_id"], row.qos_policy_id
        )
    if {"shared", "router:external"} & set(values):
        await tx.serialize("network", row.id)
    if "shared" in values:
        await _share(tx, row, shared=values["shared"])
    external = values.get("router:external", row.external)
    default = values.get("is_default", row.is_default and external)
    if default != row.is_default:
        requested["is_default"] = default
    if not row.is_default or not external:
        await _one_default(tx, row.id, default=default, external=external)
    if external != row.external:
        requested["external"] = external
        await _lead_outside(tx, row, external=external)
    await change(tx, networks, row.id, room.clock.now(), requested)
    if requested.get("qos_policy_id", row.qos_policy_id) != row.qos_policy_id:
        await promises.check(tx, requested["qos_policy_id"])
        if await promises.made_in(tx, row.qos_policy_id, requested["qos_policy_id"]):
            servers = await tx.scalars(_servers_on, {"network": row.id})
            await promises.renew_of(tx, room, servers)
    names = await whole_network(tx, row.id)
    if requested.get("dns_domain", row.dns_domain) != row.dns_domain:
        await tx.serialize("network", row.id)
        names += await name_logic.domain_changed(tx, row.id, requested["dns_domain"])
    if requested.get("qos_policy_id", row.qos_policy_id) != row.qos_policy_id:
        names += await qos.ports_by_network(tx, [row.id])
    if requested.get("admin_state_up", row.admin_state_up) != row.admin_state_up:
        names += [port_scope(one) for one in await tx.scalars(_port_ids, {"network": row.id})]
    if requested.get("mtu", row.mtu) != row.mtu:
        on = await tx.scalars(_routers_on, {"network": row.id})
        names += [router_scope(one) for one in on]
    await touch_all(tx, room, names)


async def _share(tx: Transaction, row: Row[Any], *, shared: bool) -> None:
    """Open a network to all projects, or not any more.

    Raises:
        Conflict: others use it.
    """
    if shared:
        await sharing.open_to_all(tx, row.project_id, "network", row.id)
    elif await sharing.close_to_all(tx, row.id):
        raise conflict(
            "InvalidSharedSetting",
            f"Unable to reconfigure sharing settings for network {row.id}. "
            "Multiple tenants are using it.",
        )


async def _lead_outside(tx: Transaction, row: Row[Any], *, external: bool) -> None:
    """Make a network external, for all to see, or not any more.

    Raises:
        Conflict: routers or floating IPs lead there.
    """
    if external:
        await sharing.open_to_all(tx, row.project_id, "network", row.id, EXTERNAL)
        return
    for used in (_routers_outside, _floating):
        if await tx.first(used, {"network": row.id}) is not None:
            raise conflict(
                "ExternalNetworkInUse",
                f"External network {row.id} cannot be updated to be made non-external, "
                "since it has existing gateway ports.",
            )
    await sharing.close_as_external(tx, row.id)


async def delete(tx: Transaction, room: Network, row: Row[Any]) -> None:
    """Remove a network with its subnets, the ports that are ours and floating IPs that lead nowhere.

    Raises:
        Conflict: others have ports there.
    """
    await tx.serialize("network", row.id)
    used = await tx.scalars(_ports_of_others, {"network": row.id})
    if used:
        raise conflict(
            "NetworkInUse",
            f"Unable to complete operation on network {row.id}. There are one or more ports still in "
            f"use on the network, id for these ports is {','.join(used)}.",
        )
    for floating in await tx.all(_floating_rows, {"network": row.id}):
        await floating_logic.delete(tx, room, floating)
    for port in await tx.all(_ours, {"network": row.id}):
        await port_logic.remove(tx, room, port)
    for subnet in await tx.all(_subnet_rows, {"network": row.id}):
        await subnets.remove(tx, room, subnet)
    await set_tags(tx, row.id, ())
    await sharing.forget(tx, row.id)
    await segments.end(tx, row.id)
    await tx.execute(networks.delete().where(networks.c.id == row.id))
    await touch_all(tx, room, [network_scope(row.id)])
