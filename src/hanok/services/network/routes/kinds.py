"""The resources: what each is made of.

SQL here: filters are conditions on columns, and stand beside the columns that a resource is declared with.
"""

from __future__ import annotations

import ipaddress
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy import Row

from hanok.base.errors import BadInput
from hanok.services.network.logic import (
    floating_ips,
    networks,
    ports,
    routers,
    security_groups,
    subnets,
)
from hanok.services.network.logic.reach import Reach, get, visible
from hanok.services.network.room import Network
from hanok.services.network.routes.api import API, BODIES
from hanok.services.network.schemas import resources
from hanok.services.network.tables import (
    floating_ips as floating_table,
)
from hanok.services.network.tables import (
    ip_allocations,
    port_security_groups,
    security_group_rules,
    tags,
)
from hanok.services.network.tables import networks as network_table
from hanok.services.network.tables import port_rows as port_table
from hanok.services.network.tables import routers as router_table
from hanok.services.network.tables import security_groups as group_table
from hanok.services.network.tables import subnets as subnet_table
from hanok.store import Transaction
from hanok.web.attributes import truth
from hanok.web.listing import Filter, Where, tag_filters
from hanok.web.resources import Kind, matching


def _columns(table: sa.FromClause, *same: str, **others: str) -> dict[str, sa.Column[Any]]:
    names = ("id", "project_id", "name", "description", "revision_number")
    found = {name: table.c[name] for name in (*names, *same)}
    found |= {name.replace("__", ":"): table.c[column] for name, column in others.items()}
    # Those of a statement are columns, too; only the library's types do not say so.
    return cast("dict[str, sa.Column[Any]]", found)


def _always(value: str) -> Filter:
    """A filter on an attribute that has one value."""
    return lambda values: sa.true() if value.lower() in [v.lower() for v in values] else sa.false()


def _by_tags(table: sa.FromClause) -> dict[str, Filter]:
    return tag_filters(cast("sa.Column[Any]", table.c.id), tags.c.resource_id, tags.c.tag)


Resource = Kind[Network, Reach]


async def _network_target(
    tx: Transaction, room: Network, reach: Reach, values: dict[str, Any]
) -> dict[str, Any]:
    """What rules look at of the network that a new subnet or port is to be on."""
    row = await get(tx, reach, "network", values["network_id"])
    return {
        "network:project_id": row.project_id,
        "network:tenant_id": row.project_id,
        "shared": row.shared,
    }


# ---- networks ----


def _by_subnet(values: list[str]) -> Where:
    return network_table.c.id.in_(
        sa.select(subnet_table.c.network_id).where(subnet_table.c.id.in_(values))
    )


async def _update_network(
    tx: Transaction, room: Network, reach: Reach, row: Row[Any], values: dict[str, Any]
) -> None:
    await networks.update(tx, room, row, values)


async def _delete_network(tx: Transaction, room: Network, reach: Reach, row: Row[Any]) -> None:
    await networks.delete(tx, room, row)


NETWORK = Resource(
    api=API,
    name="network",
    plural="networks",
    path="networks",
    table=network_table,
    attributes=resources.NETWORK,
    columns=_columns(
        network_table,
        "admin_state_up",
        "shared",
        "is_default",
        "mtu",
        "port_security_enabled",
        router__external="external",
        provider__network_type="network_type",
        provider__physical_network="physical_network",
        provider__segmentation_id="segmentation_id",
    ),
    filters={
        "status": _always("ACTIVE"),
        "subnets": _by_subnet,
        **_by_tags(network_table),
    },
    visible=lambda reach: visible("network", reach),
    show=networks.show,
    create=networks.create,
    update=_update_network,
    delete=_delete_network,
)


# ---- subnets ----


def _subnet_of(name: str, column: sa.Column[Any]) -> Filter:
    """A filter on what a subnet has of its network."""

    def matching(values: list[str]) -> Where:
        wanted = [BODIES.checked(name, truth, value) for value in values]
        return subnet_table.c.network_id.in_(
            sa.select(network_table.c.id).where(column.in_(wanted))
        )

    return matching


async def _update_subnet(
    tx: Transaction, room: Network, reach: Reach, row: Row[Any], values: dict[str, Any]
) -> None:
    await subnets.update(tx, room, row, values)


async def _delete_subnet(tx: Transaction, room: Network, reach: Reach, row: Row[Any]) -> None:
    await subnets.delete(tx, room, row)


SUBNET = Resource(
    api=API,
    name="subnet",
    plural="subnets",
    path="subnets",
    table=subnet_table,
    attributes=resources.SUBNET,
    columns=_columns(
        subnet_table,
        "network_id",
        "ip_version",
        "cidr",
        "gateway_ip",
        "enable_dhcp",
        "ipv6_ra_mode",
        "ipv6_address_mode",
    ),
    filters={
        "shared": _subnet_of("shared", network_table.c.shared),
        "router:external": _subnet_of("router:external", network_table.c.external),
        "subnetpool_id": lambda values: sa.true() if values == [""] else sa.false(),
        **_by_tags(subnet_table),
    },
    visible=lambda reach: visible("subnet", reach),
    show=subnets.show,
    create=subnets.create,
    update=_update_subnet,
    delete=_delete_subnet,
    target=_network_target,
)


# ---- ports ----


def _by_fixed_ip(values: list[str]) -> Where:
    """fixed_ips=ip_address=10.0.0.5, fixed_ips=subnet_id=…, fixed_ips=ip_address_substr=10.0: any of them."""
    addresses: list[str] = []
    of_subnets: list[str] = []
    parts: list[str] = []
    for value in values:
        name, equals, wanted = value.partition("=")
        if name == "ip_address" and equals:
            try:
                addresses.append(str(ipaddress.ip_address(wanted)))
            except ValueError:
                addresses.append(wanted[:64])
        elif name == "subnet_id" and equals:
            of_subnets.append(wanted)
        elif name == "ip_address_substr" and equals:
            parts.append(wanted[:64])
        else:
            raise BadInput(
                f"Invalid input for fixed_ips. Reason: '{value[:100]}' is not ip_address=… or subnet_id=…."
            )
    conditions: list[Where] = []
    if addresses:
        conditions.append(ip_allocations.c.address.in_(addresses))
    if of_subnets:
        conditions.append(ip_allocations.c.subnet_id.in_(of_subnets))
    if parts:
        conditions.append(
            sa.or_(*(ip_allocations.c.address.contains(one, autoescape=True) for one in parts))
        )
    return port_table.c.id.in_(sa.select(ip_allocations.c.port_id).where(*conditions))


def _by_group(values: list[str]) -> Where:
    return port_table.c.id.in_(
        sa.select(port_security_groups.c.port_id).where(
            port_security_groups.c.security_group_id.in_(values)
        )
    )


async def _delete_port(tx: Transaction, room: Network, reach: Reach, row: Row[Any]) -> None:
    await ports.delete(tx, room, row)


PORT = Resource(
    api=API,
    name="port",
    plural="ports",
    path="ports",
    table=port_table,
    attributes=resources.PORT,
    columns=_columns(
        port_table,
        "network_id",
        "admin_state_up",
        "status",
        "mac_address",
        "device_id",
        "device_owner",
        "port_security_enabled",
        binding__host_id="host",
        binding__vnic_type="vnic_type",
    ),
    filters={
        "fixed_ips": _by_fixed_ip,
        "security_groups": _by_group,
        "mac_address": matching(BODIES, "mac_address", port_table.c.mac_address, str.lower),
        **_by_tags(port_table),
    },
    visible=lambda reach: visible("port", reach),
    show=ports.show,
    create=ports.create,
    update=ports.update,
    by_new=("device_owner",),
    delete=_delete_port,
    target=_network_target,
)


# ---- routers ----


async def _delete_router(tx: Transaction, room: Network, reach: Reach, row: Row[Any]) -> None:
    await routers.delete(tx, room, row)


ROUTER = Resource(
    api=API,
    name="router",
    plural="routers",
    path="routers",
    table=router_table,
    attributes=resources.ROUTER,
    columns=_columns(router_table, "admin_state_up"),
    filters={"status": _always("ACTIVE"), **_by_tags(router_table)},
    visible=lambda reach: visible("router", reach),
    show=routers.show,
    create=routers.create,
    update=routers.update,
    delete=_delete_router,
)


# ---- floating IPs ----


async def _delete_floating(tx: Transaction, room: Network, reach: Reach, row: Row[Any]) -> None:
    await floating_ips.delete(tx, room, row)


FLOATING_IP = Resource(
    api=API,
    name="floatingip",
    plural="floatingips",
    path="floatingips",
    table=floating_table,
    attributes=resources.FLOATING_IP,
    columns={
        name: column
        for name, column in _columns(
            floating_table,
            "floating_network_id",
            "floating_ip_address",
            "fixed_ip_address",
            "port_id",
            "router_id",
            "status",
        ).items()
        if name != "name"
    },
    filters=_by_tags(floating_table),
    visible=lambda reach: visible("floatingip", reach),
    show=floating_ips.show,
    create=floating_ips.create,
    update=floating_ips.update,
    delete=_delete_floating,
)


# ---- security groups and their rules ----


async def _update_group(
    tx: Transaction, room: Network, reach: Reach, row: Row[Any], values: dict[str, Any]
) -> None:
    await security_groups.update(tx, room, row, values)


async def _default_group(tx: Transaction, room: Network, reach: Reach) -> list[dict[str, Any]]:
    """The caller's default group, as it will be with the first thing that needs it."""
    if not reach.project_id:
        return []
    found = await security_groups.default_to_be(tx, reach.project_id, room.clock.now())
    return [found] if found else []


async def _write_default(tx: Transaction, room: Network, reach: Reach, wanted: str) -> None:
    if reach.project_id and security_groups.is_of_default(wanted, reach.project_id):
        await security_groups.ensure_default(tx, room, reach.project_id)


SECURITY_GROUP = Resource(
    api=API,
    name="security_group",
    plural="security_groups",
    path="security-groups",
    table=group_table,
    attributes=resources.SECURITY_GROUP,
    columns=_columns(group_table),
    filters={"shared": _always("False"), **_by_tags(group_table)},
    visible=lambda reach: visible("security_group", reach),
    show=security_groups.show,
    create=security_groups.create,
    update=_update_group,
    delete=security_groups.delete,
    more=_default_group,
    before_change=_write_default,
)


async def _rule_target(
    tx: Transaction, room: Network, reach: Reach, values: dict[str, Any]
) -> dict[str, Any]:
    group = await security_groups.group_for_rule(tx, room, reach, values["security_group_id"])
    return {"security_group:project_id": group.project_id}


async def _create_rule(tx: Transaction, room: Network, reach: Reach, values: dict[str, Any]) -> str:
    group = await get(tx, reach, "security_group", values["security_group_id"])
    return await security_groups.create_rule(tx, room, reach, group, values)


async def _delete_rule(tx: Transaction, room: Network, reach: Reach, row: Row[Any]) -> None:
    await security_groups.delete_rule(tx, room, row)


RULE = Resource(
    api=API,
    name="security_group_rule",
    plural="security_group_rules",
    path="security-group-rules",
    table=security_group_rules,
    attributes=resources.RULE,
    columns={
        name: column
        for name, column in _columns(
            security_group_rules,
            "security_group_id",
            "direction",
            "ethertype",
            "protocol",
            "port_range_min",
            "port_range_max",
            "remote_ip_prefix",
            "remote_group_id",
            "normalized_cidr",
        ).items()
        if name != "name"
    },
    visible=security_groups.visible_rules,
    show=security_groups.show_rules,
    create=_create_rule,
    delete=_delete_rule,
    target=_rule_target,
    before_change=_write_default,
)

TAGGED = (NETWORK, SUBNET, PORT, ROUTER, FLOATING_IP, SECURITY_GROUP)
KINDS = (*TAGGED, RULE)
