"""The resources: what each is made of.

SQL here: filters are conditions on columns, and stand beside the columns that a resource is declared with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import sqlalchemy as sa
from msgspec import structs
from sqlalchemy import Row

from hanok.base.addresses import address_of
from hanok.base.errors import BadInput
from hanok.services.network.logic import (
    address_groups,
    address_scopes,
    flavors,
    floating_ips,
    group_defaults,
    logs,
    names,
    ndp_proxies,
    networks,
    port_forwardings,
    ports,
    promises,
    qos,
    routers,
    security_groups,
    segment_ranges,
    segments,
    sharing,
    subnet_pools,
    subnets,
    trunks,
)
from hanok.services.network.logic.reach import SHARED, Reach, get, opened, own, visible
from hanok.services.network.room import Network
from hanok.services.network.routes.api import API, BEGINS_ANEW, BODIES
from hanok.services.network.schemas import resources
from hanok.services.network.schemas.values import as_kept, as_kept_with_length, port_range
from hanok.services.network.tables import address_groups as address_group_table
from hanok.services.network.tables import address_scopes as scope_table
from hanok.services.network.tables import (
    default_rules,
    default_statefulness,
    ip_allocations,
    port_security_groups,
    qos_policies,
    qos_rules,
    rbac_policies,
    security_group_rules,
    service_profiles,
    tags,
)
from hanok.services.network.tables import flavors as flavor_table
from hanok.services.network.tables import floating_ips as floating_table
from hanok.services.network.tables import logs as log_table
from hanok.services.network.tables import ndp_proxies as proxy_table
from hanok.services.network.tables import networks as network_table
from hanok.services.network.tables import port_forwardings as forwarding_table
from hanok.services.network.tables import port_rows as port_table
from hanok.services.network.tables import routers as router_table
from hanok.services.network.tables import security_groups as group_table
from hanok.services.network.tables import segment_ranges as range_table
from hanok.services.network.tables import segment_rows as segment_table
from hanok.services.network.tables import subnet_pools as pool_table
from hanok.services.network.tables import subnets as subnet_table
from hanok.services.network.tables import trunks as trunk_table
from hanok.store import Transaction
from hanok.web.attributes import Attribute, truth
from hanok.web.listing import Filter, Where, tag_filters
from hanok.web.resources import Kind, Parent, matching


def _columns(table: sa.FromClause, *same: str, **others: str) -> dict[str, sa.Column[Any]]:
    names = ("id", "project_id", "name", "description", "revision_number")
    found = {name: table.c[name] for name in (*names, *same)}
    found |= {name.replace("__", ":"): table.c[column] for name, column in others.items()}
    # Those of a statement are columns, too; only the library's types do not say so.
    return cast("dict[str, sa.Column[Any]]", found)


def _always(value: str) -> Filter:
    """A filter on an attribute that has one value."""
    return lambda values: sa.true() if value.lower() in [v.lower() for v in values] else sa.false()


def _by_values(table: sa.FromClause, **columns: str) -> dict[str, Filter]:
    """Filters on attributes by which nothing is sorted, each by the name of its column."""
    return {name: matching(BODIES, name, table.c[column]) for name, column in columns.items()}


def _spelled(
    table: sa.FromClause, spelling: Callable[[str], str], *names: str
) -> dict[str, Filter]:
    """Filters on what is kept in one spelling, however it is asked for."""
    return {name: matching(BODIES, name, table.c[name], spelling) for name in names}


def _by_tags(table: sa.FromClause) -> dict[str, Filter]:
    return tag_filters(cast("sa.Column[Any]", table.c.id), tags.c.resource_id, tags.c.tag)


def _by_shared(object_type: str, column: sa.ColumnElement[Any]) -> Any:
    """A filter on what is shared, in the eyes of the caller. column: names the object."""

    def condition(reach: Reach, values: list[str]) -> Where:
        inside = column.in_(opened(reach, object_type, SHARED))
        requested = {BODIES.checked("shared", truth, value) for value in values}
        return sa.or_(*(inside if one else sa.not_(inside) for one in requested))

    return condition


Resource = Kind[Network, Reach]


async def _network_target(
    tx: Transaction, room: Network, reach: Reach, values: dict[str, Any]
) -> dict[str, Any]:
    """What rules look at of the network that a new subnet or port is to be on."""
    row = await get(tx, reach, "network", values["network_id"])
    return {
        "network:project_id": row.project_id,
        "network:tenant_id": row.project_id,
        "shared": row.id in await sharing.shared(tx, reach, "network", [row.id]),
    }


# ---- networks ----


def _by_subnet(values: list[str]) -> Where:
    return network_table.c.id.in_(
        sa.select(subnet_table.c.network_id).where(subnet_table.c.id.in_(values))
    )


async def _update_network(
    tx: Transaction, room: Network, reach: Reach, row: Row[Any], values: dict[str, Any]
) -> None:
    await networks.update(tx, room, reach, row, values)


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
        "is_default",
        "mtu",
        "port_security_enabled",
        "qos_policy_id",
        router__external="external",
        provider__network_type="network_type",
        provider__physical_network="physical_network",
        provider__segmentation_id="segmentation_id",
    ),
    filters={
        "status": _always("ACTIVE"),
        "subnets": _by_subnet,
        **_by_values(network_table, vlan_transparent="vlan_transparent", qinq="qinq"),
        **_by_tags(network_table),
    },
    reaching={"shared": _by_shared("network", network_table.c.id)},
    same=("status", "shared"),
    visible=lambda reach: visible("network", reach),
    show=networks.show,
    adapt=sharing.mark("network"),
    create=networks.create,
    update=_update_network,
    delete=_delete_network,
)


# ---- subnets ----


def _subnet_of(name: str, column: sa.Column[Any]) -> Filter:
    """A filter on what a subnet has of its network."""

    def matching(values: list[str]) -> Where:
        requested = [BODIES.checked(name, truth, value) for value in values]
        return subnet_table.c.network_id.in_(
            sa.select(network_table.c.id).where(column.in_(requested))
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
        "subnetpool_id",
    ),
    filters={
        "router:external": _subnet_of("router:external", network_table.c.external),
        **_spelled(subnet_table, as_kept, "cidr", "gateway_ip"),
        **_by_tags(subnet_table),
    },
    reaching={"shared": _by_shared("network", subnet_table.c.network_id)},
    visible=lambda reach: visible("subnet", reach),
    show=subnets.show,
    adapt=sharing.mark("network", of="network_id"),
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
        name, equals, requested = value.partition("=")
        if name == "ip_address" and equals:
            try:
                addresses.append(str(address_of(requested)))
            except ValueError:
                addresses.append(requested[:64])
        elif name == "subnet_id" and equals:
            of_subnets.append(requested)
        elif name == "ip_address_substr" and equals:
            parts.append(requested[:64])
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


async def _name_addresses(tx: Transaction, reach: Reach, views: Sequence[dict[str, Any]]) -> None:
    names.assign(reach.dns_domain, views)


async def _delete_port(tx: Transaction, room: Network, reach: Reach, row: Row[Any]) -> None:
    await ports.delete(tx, room, row)


def _plain_mac(value: str) -> str:
    return value.lower().replace("-", ":")


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
        "qos_policy_id",
        binding__host_id="host",
        binding__vnic_type="vnic_type",
    ),
    filters={
        "fixed_ips": _by_fixed_ip,
        "security_groups": _by_group,
        **_spelled(port_table, _plain_mac, "mac_address"),
        **_spelled(port_table, str.upper, "status"),
        **_by_tags(port_table),
    },
    visible=lambda reach: visible("port", reach),
    show=ports.show,
    adapt=_name_addresses,
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
    columns=_columns(router_table, "admin_state_up", "enable_snat", "flavor_id"),
    filters={
        "status": _always("ACTIVE"),
        **_by_values(router_table, enable_ndp_proxy="ndp_proxy"),
        **_by_tags(router_table),
    },
    same=("status",),
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
            "qos_policy_id",
        ).items()
        if name != "name"
    },
    filters={
        **_spelled(floating_table, as_kept, "floating_ip_address", "fixed_ip_address"),
        **_spelled(floating_table, str.upper, "status"),
        **_by_tags(floating_table),
    },
    visible=lambda reach: visible("floatingip", reach),
    show=floating_ips.show,
    create=floating_ips.create,
    update=floating_ips.update,
    unsaid={"port_id": None},
    delete=_delete_floating,
)


def _by_ports(values: list[str]) -> Where:
    """external_port_range=80:81, or a port alone."""
    found = [BODIES.checked("external_port_range", port_range, value) for value in values]
    ends = [(first, last or first) for first, _, last in (one.partition(":") for one in found)]
    return sa.or_(
        *(
            sa.and_(
                forwarding_table.c.external_first == int(first),
                forwarding_table.c.external_last == int(last),
            )
            for first, last in ends
        )
    )


PORT_FORWARDING = Resource(
    api=API,
    name="port_forwarding",
    plural="port_forwardings",
    path="port_forwardings",
    parent=Parent(FLOATING_IP, forwarding_table.c.floating_ip_id),
    table=forwarding_table,
    attributes=resources.PORT_FORWARDING,
    columns={
        "external_port": forwarding_table.c.external_first,
        "external_port_range": forwarding_table.c.external_first,
        "internal_port": forwarding_table.c.internal_first,
        **{
            name: forwarding_table.c[name]
            for name in ("id", "protocol", "internal_port_id", "internal_ip_address", "description")
        },
    },
    filters={"external_port_range": _by_ports},
    visible=lambda reach: visible("port_forwarding", reach),
    show=port_forwardings.show,
    create=port_forwardings.create,
    update=port_forwardings.update,
    delete=port_forwardings.delete,
    target=port_forwardings.target,
)


# ---- security groups and their rules ----


async def _update_group(
    tx: Transaction, room: Network, reach: Reach, row: Row[Any], values: dict[str, Any]
) -> None:
    await security_groups.update(tx, room, row, values)


async def _default_group(
    tx: Transaction, room: Network, reach: Reach, filters: Mapping[str, Sequence[str]]
) -> list[dict[str, Any]]:
    """The default group of the caller, or of the project that an administrator asks for, as it will be once needed."""
    project_id = reach.project_id
    if reach.everything:
        requested = [*filters.get("project_id", ()), *filters.get("tenant_id", ())]
        project_id = requested[0] if requested else project_id
    if not project_id:
        return []
    found = await security_groups.default_to_be(tx, project_id, room.clock.now())
    return [found] if found else []


async def _write_default(tx: Transaction, room: Network, reach: Reach, requested: str) -> None:
    if reach.project_id and await security_groups.is_of_default(tx, requested, reach.project_id):
        await security_groups.ensure_default(tx, room, reach.project_id)


SECURITY_GROUP = Resource(
    api=API,
    name="security_group",
    plural="security_groups",
    path="security-groups",
    table=group_table,
    attributes=resources.SECURITY_GROUP,
    columns=_columns(group_table, "stateful"),
    filters=_by_tags(group_table),
    reaching={"shared": _by_shared("security_group", group_table.c.id)},
    visible=lambda reach: visible("security_group", reach),
    show=security_groups.show,
    adapt=sharing.mark("security_group"),
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


def _of_default(values: list[str]) -> Where:
    requested = [BODIES.checked("belongs_to_default_sg", truth, value) for value in values]
    default = sa.select(group_table.c.id).where(group_table.c.default_of.is_not(None))
    inside = security_group_rules.c.security_group_id.in_(default)
    return sa.or_(*(inside if one else sa.not_(inside) for one in requested))


async def _create_rule(tx: Transaction, room: Network, reach: Reach, values: dict[str, Any]) -> str:
    group = await get(tx, reach, "security_group", values["security_group_id"])
    return await security_groups.create_rule(tx, room, reach, group, values)


async def _delete_rule(tx: Transaction, room: Network, reach: Reach, row: Row[Any]) -> None:
    await security_groups.delete_rule(tx, room, row)


def _as_rules_are_kept(table: sa.Table, *, normalized: bool = True) -> dict[str, Filter]:
    """Filters on what rules of groups say. normalized: whether they also keep a prefix without host bits."""
    kept = {"ipv4": "IPv4", "ipv6": "IPv6"}
    prefixes = ("remote_ip_prefix", "normalized_cidr") if normalized else ("remote_ip_prefix",)
    return {
        **_spelled(table, as_kept_with_length, *prefixes),
        **_spelled(table, str.lower, "direction", "protocol"),
        **_spelled(table, lambda value: kept.get(value.lower(), value), "ethertype"),
    }


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
            "remote_address_group_id",
            "normalized_cidr",
        ).items()
        if name != "name"
    },
    filters={"belongs_to_default_sg": _of_default, **_as_rules_are_kept(security_group_rules)},
    visible=security_groups.visible_rules,
    show=security_groups.show_rules,
    create=_create_rule,
    delete=_delete_rule,
    target=_rule_target,
    before_change=_write_default,
)

# ---- what groups begin with ----

DEFAULT_RULE = Resource(
    api=API,
    name="default_security_group_rule",
    plural="default_security_group_rules",
    path="default-security-group-rules",
    table=default_rules,
    attributes=resources.DEFAULT_RULE,
    columns={
        name: default_rules.c[name]
        for name in (
            "id",
            "description",
            "direction",
            "ethertype",
            "protocol",
            "port_range_min",
            "port_range_max",
            "remote_ip_prefix",
            "remote_group_id",
            "used_in_default_sg",
            "used_in_non_default_sg",
        )
    },
    filters=_as_rules_are_kept(default_rules, normalized=False),
    visible=lambda reach: default_rules.c.withdrawn.is_(False),
    show=group_defaults.show_rules,
    create=group_defaults.create_rule,
    delete=group_defaults.delete_rule,
)

STATEFULNESS = Resource(
    api=API,
    name="security_groups_default_statefulness",
    plural="security_groups_default_statefulness",
    path="security-groups-default-statefulness",
    table=default_statefulness,
    attributes=resources.STATEFULNESS,
    columns={name: default_statefulness.c[name] for name in ("id", "project_id", "stateful")},
    visible=lambda reach: own(reach, default_statefulness),
    show=group_defaults.show,
    create=group_defaults.create,
    update=group_defaults.update,
    delete=group_defaults.delete,
)

# ---- address scopes and subnet pools ----

ADDRESS_SCOPE = Resource(
    api=API,
    name="address_scope",
    plural="address_scopes",
    path="address-scopes",
    table=scope_table,
    attributes=resources.ADDRESS_SCOPE,
    columns={name: scope_table.c[name] for name in ("id", "project_id", "name", "ip_version")},
    reaching={"shared": _by_shared("address_scope", scope_table.c.id)},
    visible=lambda reach: visible("address_scope", reach),
    show=address_scopes.show,
    adapt=sharing.mark("address_scope"),
    create=address_scopes.create,
    update=address_scopes.update,
    delete=address_scopes.delete,
)

SUBNET_POOL = Resource(
    api=API,
    name="subnetpool",
    plural="subnetpools",
    path="subnetpools",
    table=pool_table,
    attributes=resources.SUBNET_POOL,
    columns=_columns(
        pool_table,
        "ip_version",
        "min_prefixlen",
        "max_prefixlen",
        "default_prefixlen",
        "default_quota",
        "address_scope_id",
        "is_default",
    ),
    filters=_by_tags(pool_table),
    reaching={"shared": _by_shared("subnetpool", pool_table.c.id)},
    visible=lambda reach: visible("subnetpool", reach),
    show=subnet_pools.show,
    adapt=sharing.mark("subnetpool"),
    create=subnet_pools.create,
    update=subnet_pools.update,
    delete=subnet_pools.delete,
)

# ---- address groups ----

ADDRESS_GROUP = Resource(
    api=API,
    name="address_group",
    plural="address_groups",
    path="address-groups",
    table=address_group_table,
    attributes=resources.ADDRESS_GROUP,
    columns=_columns(address_group_table),
    reaching={"shared": _by_shared("address_group", address_group_table.c.id)},
    visible=lambda reach: visible("address_group", reach),
    show=address_groups.show,
    adapt=sharing.mark("address_group"),
    create=address_groups.create,
    update=address_groups.update,
    delete=address_groups.delete,
    pretends=True,
)

# ---- trunks ----


def _by_status(values: list[str]) -> Where:
    """A trunk is up when its port is."""
    up = trunk_table.c.port_id.in_(
        sa.select(port_table.c.id).where(port_table.c.status == "ACTIVE")
    )
    desired = {"ACTIVE": up, "DOWN": sa.not_(up)}
    return sa.or_(sa.false(), *(desired[one] for one in values if one in desired))


TRUNK = Resource(
    api=API,
    name="trunk",
    plural="trunks",
    path="trunks",
    table=trunk_table,
    attributes=resources.TRUNK,
    columns=_columns(trunk_table, "port_id", "admin_state_up"),
    filters={"status": _by_status, **_by_tags(trunk_table)},
    visible=lambda reach: visible("trunk", reach),
    show=trunks.show,
    create=trunks.create,
    update=trunks.update,
    delete=trunks.delete,
)

# ---- quality of service ----

QOS_POLICY = Resource(
    api=BEGINS_ANEW,
    name="policy",
    plural="policies",
    path="qos/policies",
    table=qos_policies,
    attributes=resources.QOS_POLICY,
    columns=_columns(qos_policies, "is_default"),
    filters=_by_tags(qos_policies),
    reaching={"shared": _by_shared("qos_policy", qos_policies.c.id)},
    visible=lambda reach: visible("qos_policy", reach),
    show=qos.show,
    adapt=sharing.mark("qos_policy"),
    create=qos.create,
    update=qos.update,
    delete=qos.delete,
)


def _rule_kind(type_: str, attributes: dict[str, Attribute], *names: str) -> Resource:
    return Resource(
        api=API,
        name=f"{type_}_rule",
        plural=f"{type_}_rules",
        path=f"{type_}_rules",
        parent=Parent(QOS_POLICY, qos_rules.c.policy_id),
        table=qos_rules,
        attributes=attributes,
        columns={name: qos_rules.c[name] for name in ("id", *names)},
        visible=qos.visible_rules(type_),
        show=qos.show_rules,
        create=qos.rule_maker(type_),
        update=qos.update_rule,
        delete=qos.delete_rule,
        target=qos.rule_target,
    )


def _alias(kind: Resource) -> Resource:
    """A rule by its id alone, without its policy in the path."""
    name = f"alias_{kind.name}"
    return structs.replace(
        kind, name=name, plural=f"{name}s", path=f"qos/{name}s", parent=None, create=None
    )


BANDWIDTH_LIMIT_RULE = _rule_kind(
    qos.BANDWIDTH,
    resources.BANDWIDTH_LIMIT_RULE,
    "max_kbps",
    "max_burst_kbps",
    "direction",
)
MINIMUM_BANDWIDTH_RULE = _rule_kind(
    promises.BANDWIDTH, resources.MINIMUM_BANDWIDTH_RULE, "min_kbps", "direction"
)
MINIMUM_PACKET_RATE_RULE = _rule_kind(
    promises.PACKETS, resources.MINIMUM_PACKET_RATE_RULE, "min_kpps", "direction"
)
DSCP_MARKING_RULE = _rule_kind(qos.DSCP, resources.DSCP_MARKING_RULE, "dscp_mark")

# ---- who reaches what is another project's ----

RBAC_POLICY = Resource(
    api=API,
    name="rbac_policy",
    plural="rbac_policies",
    path="rbac-policies",
    table=rbac_policies,
    attributes=resources.RBAC_POLICY,
    columns={
        "target_tenant": rbac_policies.c.target_project,
        **{
            name: rbac_policies.c[name]
            for name in ("id", "project_id", "object_type", "object_id", "action")
        },
    },
    visible=lambda reach: visible("rbac_policy", reach),
    show=sharing.show,
    create=sharing.create,
    update=sharing.update,
    delete=sharing.delete,
    by_new=("target_tenant",),
)

# ---- flavors of network services ----

FLAVOR = Resource(
    api=API,
    name="flavor",
    plural="flavors",
    path="flavors",
    table=flavor_table,
    attributes=resources.FLAVOR,
    columns={
        name: flavor_table.c[name]
        for name in ("id", "name", "description", "service_type", "enabled")
    },
    visible=lambda reach: sa.true(),
    show=flavors.show,
    create=flavors.create,
    update=flavors.update,
    delete=flavors.delete,
)

SERVICE_PROFILE = Resource(
    api=API,
    name="service_profile",
    plural="service_profiles",
    path="service_profiles",
    table=service_profiles,
    attributes=resources.SERVICE_PROFILE,
    columns={name: service_profiles.c[name] for name in ("id", "description", "driver", "enabled")},
    visible=lambda reach: sa.true(),
    show=flavors.show_profiles,
    create=flavors.create_profile,
    update=flavors.update_profile,
    delete=flavors.delete_profile,
)

# ---- segments ----

SEGMENT = Resource(
    api=API,
    name="segment",
    plural="segments",
    path="segments",
    table=segment_table,
    attributes=resources.SEGMENT,
    columns={
        name: cast("sa.Column[Any]", segment_table.c[name])
        for name in (
            "id", "network_id", "name", "description", "network_type", "physical_network",
            "segmentation_id", "revision_number",
        )
    },
    filters=_by_tags(segment_table),
    visible=lambda reach: sa.true(),  # it is no project's: the rules alone say who sees it
    show=segments.show,
    create=segments.create,
    update=segments.update,
    delete=segments.delete,
)  # fmt: skip

# ---- ranges of segments ----

SEGMENT_RANGE = Resource(
    api=API,
    name="network_segment_range",
    plural="network_segment_ranges",
    path="network_segment_ranges",
    table=range_table,
    attributes=resources.SEGMENT_RANGE,
    columns=_columns(
        range_table,
        "default",
        "shared",
        "network_type",
        "physical_network",
        "minimum",
        "maximum",
    ),
    filters=_by_tags(range_table),
    visible=lambda reach: sa.true(),  # it is no project's: the rules alone say who sees it
    show=segment_ranges.show,
    create=segment_ranges.create,
    update=segment_ranges.update,
    delete=segment_ranges.delete,
)

# ---- what routers answer neighbours for ----

NDP_PROXY = Resource(
    api=API,
    name="ndp_proxy",
    plural="ndp_proxies",
    path="ndp_proxies",
    table=proxy_table,
    attributes=resources.NDP_PROXY,
    columns=_columns(proxy_table, "router_id", "port_id", "ip_address"),
    filters=_spelled(proxy_table, as_kept, "ip_address"),
    visible=lambda reach: own(reach, proxy_table),
    show=ndp_proxies.show,
    create=ndp_proxies.create,
    update=ndp_proxies.update,
    delete=ndp_proxies.delete,
)

# ---- packet logs ----

LOG = Resource(
    api=API,
    name="log",
    plural="logs",
    path="log/logs",
    table=log_table,
    attributes=resources.LOG,
    columns=_columns(log_table, "resource_type", "resource_id", "target_id", "event", "enabled"),
    visible=logs.visible,
    show=logs.show,
    create=logs.create,
    update=logs.update,
    delete=logs.delete,
)

TAGGED = (
    NETWORK,
    SUBNET,
    PORT,
    ROUTER,
    FLOATING_IP,
    SECURITY_GROUP,
    SUBNET_POOL,
    QOS_POLICY,
    TRUNK,
    SEGMENT,
    SEGMENT_RANGE,
)
KINDS = (
    *TAGGED,
    RULE,
    DEFAULT_RULE,
    STATEFULNESS,
    ADDRESS_SCOPE,
    ADDRESS_GROUP,
    RBAC_POLICY,
    FLAVOR,
    SERVICE_PROFILE,
    LOG,
    NDP_PROXY,
)
_QOS_RULES = (
    BANDWIDTH_LIMIT_RULE,
    MINIMUM_BANDWIDTH_RULE,
    MINIMUM_PACKET_RATE_RULE,
    DSCP_MARKING_RULE,
)
PARTS = (PORT_FORWARDING, *_QOS_RULES)
"""Kinds whose paths begin with what they are parts of."""
ALIASES = tuple(map(_alias, _QOS_RULES))
"""Parts by their ids alone, for who knows one. There is no list of them."""
