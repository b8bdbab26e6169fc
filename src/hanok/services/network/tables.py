"""Network's tables.

SQL is the truth; OVN's northbound database is a copy. What OVN shows of a row belongs to a *scope*: `scopes` counts how
often it was changed (`wanted`) and how far OVN has followed (`applied`), in the transactions that change the rows.

Addresses are kept twice: as text for people, and as `position`, their number in hexadecimal digits of one width, so
that they sort and neighbours can be named on every database, IPv6 too.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from hanok.store import JSON, UTCDateTime, metadata
from hanok.store.schema import partial_index


def _standard() -> list[sa.Column[Any]]:
    """What every resource of this API has."""
    return [
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("project_id", sa.String(255), nullable=False, index=True),
        sa.Column("name", sa.String(255), nullable=False, default=""),
        sa.Column("description", sa.String(255), nullable=False, default=""),
        sa.Column("revision_number", sa.BigInteger, nullable=False, default=1),
        sa.Column("created_at", UTCDateTime, nullable=False),
        sa.Column("updated_at", UTCDateTime, nullable=False),
    ]


networks = sa.Table(
    "networks",
    metadata,
    *_standard(),
    sa.Column("admin_state_up", sa.Boolean, nullable=False),
    sa.Column("external", sa.Boolean, nullable=False),
    sa.Column("is_default", sa.Boolean, nullable=False),
    sa.Column("mtu", sa.Integer, nullable=False),
    sa.Column("port_security_enabled", sa.Boolean, nullable=False),
    sa.Column("network_type", sa.String(32), nullable=False),
    sa.Column("physical_network", sa.String(64)),
    sa.Column("segmentation_id", sa.Integer),
    sa.Column("availability_zone_hints", JSON, nullable=False),
    # A bridge mapping carries one untagged network and one of each VLAN id; a Geneve id is one network's.
    sa.Column("segment_key", sa.String(128), unique=True),
    sa.Column("qos_policy_id", sa.ForeignKey("qos_policies.id"), index=True),
    sa.Column("dns_domain", sa.String(255), nullable=False, server_default=""),
    # Whether frames of guests may have VLAN tags of their own; None: nobody said.
    sa.Column("vlan_transparent", sa.Boolean),
    sa.Column("qinq", sa.Boolean),
)

# What clients say of the segment that a network has. Which it is stands in the network's own row.
segments = sa.Table(
    "network_segments",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("network_id", sa.ForeignKey("networks.id"), nullable=False, unique=True),
    sa.Column("name", sa.String(255), nullable=False, default=""),
    sa.Column("description", sa.String(255), nullable=False, default=""),
    sa.Column("revision_number", sa.BigInteger, nullable=False, default=1),
    sa.Column("created_at", UTCDateTime, nullable=False),
    sa.Column("updated_at", UTCDateTime, nullable=False),
)

segment_rows = (
    sa.select(
        segments,
        networks.c.network_type,
        networks.c.physical_network,
        networks.c.segmentation_id,
    )
    .select_from(segments.join(networks, networks.c.id == segments.c.network_id))
    .subquery("segment_rows")
)

# Who reaches what is another project's, beside its owner and administrators: a project, or "*" for all of them.
rbac_policies = sa.Table(
    "rbac_policies",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("project_id", sa.String(255), nullable=False, index=True),
    sa.Column("object_type", sa.String(32), nullable=False),
    sa.Column("object_id", sa.String(36), nullable=False),
    sa.Column("action", sa.String(32), nullable=False),
    sa.Column("target_project", sa.String(255), nullable=False),
    sa.UniqueConstraint("object_id", "action", "target_project"),
    sa.Index(None, "object_type", "target_project"),
)

qos_policies = sa.Table(
    "qos_policies",
    metadata,
    *_standard(),
    sa.Column("is_default", sa.Boolean, nullable=False),
)

# One of a type and a direction a policy; what guests send is marked, so marks are of egress.
qos_rules = sa.Table(
    "qos_rules",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("policy_id", sa.ForeignKey("qos_policies.id"), nullable=False),
    sa.Column("type", sa.String(32), nullable=False),
    sa.Column("direction", sa.String(8), nullable=False),
    sa.Column("max_kbps", sa.Integer),
    sa.Column("max_burst_kbps", sa.Integer),
    sa.Column("dscp_mark", sa.Integer),
    sa.Column("min_kbps", sa.Integer),
    sa.Column("min_kpps", sa.Integer),
    sa.UniqueConstraint("policy_id", "type", "direction"),
)

address_scopes = sa.Table(
    "address_scopes",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("project_id", sa.String(255), nullable=False, index=True),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("ip_version", sa.Integer, nullable=False),
)

subnet_pools = sa.Table(
    "subnet_pools",
    metadata,
    *_standard(),
    sa.Column("ip_version", sa.Integer, nullable=False),
    sa.Column("prefixes", JSON, nullable=False),
    sa.Column("min_prefixlen", sa.Integer, nullable=False),
    sa.Column("max_prefixlen", sa.Integer, nullable=False),
    sa.Column("default_prefixlen", sa.Integer, nullable=False),
    sa.Column(
        "default_quota", sa.Integer
    ),  # of a project: addresses in IPv4, networks of 64 bits in IPv6
    sa.Column("address_scope_id", sa.ForeignKey("address_scopes.id"), index=True),
    sa.Column("is_default", sa.Boolean, nullable=False),
)

address_groups = sa.Table(
    "address_groups",
    metadata,
    *_standard(),
)

address_group_members = sa.Table(
    "address_group_members",
    metadata,
    sa.Column("address_group_id", sa.ForeignKey("address_groups.id"), primary_key=True),
    sa.Column("address", sa.String(64), primary_key=True),  # a prefix in its one spelling
)

subnets = sa.Table(
    "subnets",
    metadata,
    *_standard(),
    sa.Column("network_id", sa.ForeignKey("networks.id"), nullable=False, index=True),
    sa.Column("ip_version", sa.Integer, nullable=False),
    sa.Column("cidr", sa.String(64), nullable=False),
    sa.Column("gateway_ip", sa.String(64)),
    sa.Column("enable_dhcp", sa.Boolean, nullable=False),
    sa.Column("allocation_pools", JSON, nullable=False),
    sa.Column("dns_nameservers", JSON, nullable=False),
    sa.Column("host_routes", JSON, nullable=False),
    sa.Column("ipv6_ra_mode", sa.String(16)),
    sa.Column("ipv6_address_mode", sa.String(16)),
    sa.Column("subnetpool_id", sa.ForeignKey("subnet_pools.id"), index=True),
    sa.Column("dns_publish_fixed_ip", sa.Boolean, nullable=False, server_default=sa.false()),
    # Device owners whose ports get addresses of it; none: all that no other subnet of the network names.
    sa.Column("service_types", JSON, nullable=False, server_default="[]"),
)

# Free addresses of the allocation pools, as ranges: the next free one is the first of the first range.
free_ranges = sa.Table(
    "subnet_free_ranges",
    metadata,
    sa.Column("subnet_id", sa.ForeignKey("subnets.id"), primary_key=True),
    sa.Column("first", sa.String(32), primary_key=True),
    sa.Column("last", sa.String(32), nullable=False),
)

ports = sa.Table(
    "ports",
    metadata,
    *_standard(),
    sa.Column("network_id", sa.ForeignKey("networks.id"), nullable=False),
    sa.Column("mac_address", sa.String(32), nullable=False),
    sa.Column("admin_state_up", sa.Boolean, nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("device_id", sa.String(255), nullable=False, index=True),
    sa.Column("device_owner", sa.String(255), nullable=False),
    sa.Column("port_security_enabled", sa.Boolean, nullable=False),
    sa.Column("address_pairs", JSON, nullable=False),
    # What the port is to us: guest, metadata, router, gateway or floating. device_owner is a label users may set.
    sa.Column("role", sa.String(16), nullable=False, default="guest"),
    # The server that compute bound the port to. What users write into device_id names nothing.
    sa.Column("server_id", sa.String(36), index=True),
    sa.Column("server_position", sa.Integer, nullable=False, default=0),
    sa.Column("made_for_server", sa.Boolean, nullable=False, default=False),
    # The name under which its network finds the port: a user's choice, or the host name of its server.
    sa.Column("dns_name", sa.String(255), nullable=False, default="", server_default=""),
    sa.Column("dns_domain", sa.String(255), nullable=False, default="", server_default=""),
    # The network's domain as it is for this port: it may name whose the port is, and who made it.
    sa.Column("network_domain", sa.String(255), nullable=False, default="", server_default=""),
    sa.Column("user_id", sa.String(64), nullable=False, default="", server_default=""),
    sa.Column("data_plane_status", sa.String(16)),
    sa.Column("trusted", sa.Boolean),
    # Whether other MACs may be behind a port without port security; None: nobody said, and they may.
    sa.Column("mac_learning_enabled", sa.Boolean),
    sa.Column("qos_policy_id", sa.ForeignKey("qos_policies.id"), index=True),
    sa.UniqueConstraint("network_id", "mac_address"),
    sa.Index(None, "network_id", "role"),
)

# What DHCP tells one port beside, or instead of, what it tells all of a subnet.
dhcp_options = sa.Table(
    "port_dhcp_options",
    metadata,
    sa.Column("port_id", sa.ForeignKey("ports.id"), primary_key=True),
    sa.Column("ip_version", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("value", sa.String(255), nullable=False),
    sa.Column("network_id", sa.String(36), nullable=False, index=True),
)

# Where ports are plugged in. Every port has one binding that is ACTIVE, with an empty host while it is bound to none;
# others wait for their server to arrive. The first of these is made with the port and goes with it.
bindings = sa.Table(
    "port_bindings",
    metadata,
    sa.Column("port_id", sa.ForeignKey("ports.id"), primary_key=True),
    sa.Column("host", sa.String(255), primary_key=True),
    sa.Column("vnic_type", sa.String(32), nullable=False, default="normal"),
    sa.Column("profile", JSON, nullable=False),
    sa.Column("vif_type", sa.String(64), nullable=False),
    sa.Column("vif_details", JSON, nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    partial_index(
        "uq_port_bindings_active",
        "port_id",
        unique=True,
        where="status = 'ACTIVE'",
    ),
    sa.Index(None, "host"),
)

is_active = bindings.c.status == sa.literal_column("'ACTIVE'")  # as the index has it

port_rows = (
    sa.select(
        ports,
        bindings.c.host,
        bindings.c.vnic_type,
        bindings.c.profile,
        bindings.c.vif_type,
        bindings.c.vif_details,
    )
    .select_from(ports.outerjoin(bindings, sa.and_(bindings.c.port_id == ports.c.id, is_active)))
    .subquery("port_rows")
)
"""Ports, each with its active binding. What is written goes into the two that it is made of.

Each port has one; they are joined as if some had none, as SQLite would go through all bindings for a page of ports
otherwise: it cannot know that their index is not a short one.
"""

ip_allocations = sa.Table(
    "ip_allocations",
    metadata,
    sa.Column("subnet_id", sa.ForeignKey("subnets.id"), primary_key=True),
    sa.Column("position", sa.String(32), primary_key=True),
    sa.Column("address", sa.String(64), nullable=False, index=True),
    sa.Column("port_id", sa.ForeignKey("ports.id"), nullable=False, index=True),
    sa.Column("network_id", sa.String(36), nullable=False),
    sa.Column("ordinal", sa.Integer, nullable=False),  # the order in which a port shows them
    sa.UniqueConstraint("network_id", "address"),
)

security_groups = sa.Table(
    "security_groups",
    metadata,
    *_standard(),
    sa.Column("default_of", sa.String(255), unique=True),  # the project, in its default group
    # Whether answers to what is let through are, too.
    sa.Column("stateful", sa.Boolean, nullable=False, server_default=sa.true()),
)

# Whether new groups are stateful: of a project, or with "" of all that say nothing.
default_statefulness = sa.Table(
    "security_group_default_statefulness",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("project_id", sa.String(255), nullable=False, unique=True),
    sa.Column("stateful", sa.Boolean, nullable=False),
)

# The rules that new groups begin with. remote_group_id: "PARENT" for the group itself. Those of a new cloud are
# withdrawn when they are deleted, so that they do not come again.
default_rules = sa.Table(
    "default_security_group_rules",
    metadata,
    *_standard(),
    sa.Column("direction", sa.String(8), nullable=False),
    sa.Column("ethertype", sa.String(8), nullable=False),
    sa.Column("protocol", sa.String(40)),
    sa.Column("port_range_min", sa.Integer),
    sa.Column("port_range_max", sa.Integer),
    sa.Column("remote_ip_prefix", sa.String(64)),
    sa.Column("remote_group_id", sa.String(36)),
    sa.Column("used_in_default_sg", sa.Boolean, nullable=False),
    sa.Column("used_in_non_default_sg", sa.Boolean, nullable=False),
    sa.Column("withdrawn", sa.Boolean, nullable=False, default=False),
    sa.Column("canonical", sa.String(255), nullable=False, unique=True),
)

security_group_rules = sa.Table(
    "security_group_rules",
    metadata,
    *_standard(),
    sa.Column("security_group_id", sa.ForeignKey("security_groups.id"), nullable=False, index=True),
    sa.Column("direction", sa.String(8), nullable=False),
    sa.Column("ethertype", sa.String(8), nullable=False),
    sa.Column("protocol", sa.String(40)),
    sa.Column("port_range_min", sa.Integer),
    sa.Column("port_range_max", sa.Integer),
    sa.Column("remote_ip_prefix", sa.String(64)),
    sa.Column("normalized_cidr", sa.String(64)),
    sa.Column("remote_group_id", sa.ForeignKey("security_groups.id"), index=True),
    sa.Column("remote_address_group_id", sa.ForeignKey("address_groups.id"), index=True),
    sa.Column("canonical", sa.String(255), nullable=False),  # what the rule means, in one spelling
    sa.UniqueConstraint("security_group_id", "canonical"),
)

port_security_groups = sa.Table(
    "port_security_groups",
    metadata,
    sa.Column("port_id", sa.ForeignKey("ports.id"), primary_key=True),
    sa.Column(
        "security_group_id", sa.ForeignKey("security_groups.id"), primary_key=True, index=True
    ),
)

routers = sa.Table(
    "routers",
    metadata,
    *_standard(),
    sa.Column("admin_state_up", sa.Boolean, nullable=False),
    sa.Column("routes", JSON, nullable=False),
    sa.Column("enable_snat", sa.Boolean, nullable=False),
    sa.Column("gateway_port_id", sa.ForeignKey("ports.id")),
    sa.Column("gateway_network_id", sa.String(36), index=True),
    sa.Column("gateway_qos_policy_id", sa.ForeignKey("qos_policies.id"), index=True),
    sa.Column("availability_zone_hints", JSON, nullable=False),
    sa.Column("flavor_id", sa.ForeignKey("network_flavors.id"), index=True),
    # Of several gateways: whether all are ways outside or the first alone, and whether dead ones are found by BFD.
    sa.Column("default_route_ecmp", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("default_route_bfd", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("ndp_proxy", sa.Boolean, nullable=False, server_default=sa.false()),
)

# Addresses of IPv6 for which a router answers its external network's neighbours.
ndp_proxies = sa.Table(
    "ndp_proxies",
    metadata,
    *_standard(),
    sa.Column("router_id", sa.ForeignKey("routers.id"), nullable=False, index=True),
    sa.Column("port_id", sa.ForeignKey("ports.id"), nullable=False, index=True),
    sa.Column("ip_address", sa.String(64), nullable=False),
    sa.UniqueConstraint("router_id", "ip_address"),
)

# Which numbers new networks get: those of a project before those that are for all. The default ones are the house's.
segment_ranges = sa.Table(
    "network_segment_ranges",
    metadata,
    *_standard(),
    sa.Column("default", sa.Boolean, nullable=False),
    sa.Column("shared", sa.Boolean, nullable=False),
    sa.Column("network_type", sa.String(32), nullable=False),
    sa.Column("physical_network", sa.String(64)),
    sa.Column("minimum", sa.Integer, nullable=False),
    sa.Column("maximum", sa.Integer, nullable=False),
)

# The gateways of a router beside its first, which the router has itself.
router_gateways = sa.Table(
    "router_gateways",
    metadata,
    sa.Column("port_id", sa.ForeignKey("ports.id"), primary_key=True),
    sa.Column("router_id", sa.ForeignKey("routers.id"), nullable=False, index=True),
    sa.Column("network_id", sa.String(36), nullable=False, index=True),
    sa.Column("enable_snat", sa.Boolean, nullable=False),
    sa.Column("qos_policy_id", sa.ForeignKey("qos_policies.id"), index=True),
    sa.Column("position", sa.Integer, nullable=False),
)

# Where the gateways of a router are, if somebody said so; the highest number that is alive carries them.
router_hosts = sa.Table(
    "router_hosts",
    metadata,
    sa.Column("router_id", sa.ForeignKey("routers.id"), primary_key=True),
    sa.Column("host", sa.String(255), primary_key=True, index=True),
    sa.Column("priority", sa.Integer, nullable=False),
    sa.UniqueConstraint("router_id", "priority"),
)

flavors = sa.Table(
    "network_flavors",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("description", sa.String(1024), nullable=False),
    sa.Column("service_type", sa.String(36), nullable=False),
    sa.Column("enabled", sa.Boolean, nullable=False),
)

service_profiles = sa.Table(
    "service_profiles",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("description", sa.String(1024), nullable=False),
    sa.Column("driver", sa.String(1024), nullable=False),
    sa.Column("metainfo", sa.Text, nullable=False),
    sa.Column("enabled", sa.Boolean, nullable=False),
)

flavor_profiles = sa.Table(
    "network_flavor_profiles",
    metadata,
    sa.Column("flavor_id", sa.ForeignKey("network_flavors.id"), primary_key=True),
    sa.Column(
        "service_profile_id",
        sa.ForeignKey("service_profiles.id"),
        primary_key=True,
        index=True,
    ),
)

# What security groups let through or drop, written into the log of the host where it happens.
logs = sa.Table(
    "network_logs",
    metadata,
    *_standard(),
    sa.Column("resource_type", sa.String(36), nullable=False),
    sa.Column("resource_id", sa.String(36), index=True),  # a security group
    sa.Column("target_id", sa.String(36), index=True),  # a port
    sa.Column("event", sa.String(8), nullable=False),
    sa.Column("enabled", sa.Boolean, nullable=False),
)

# A router has one port on a subnet, whoever adds it at the same time.
router_subnets = sa.Table(
    "router_subnets",
    metadata,
    sa.Column("router_id", sa.ForeignKey("routers.id"), primary_key=True),
    sa.Column("subnet_id", sa.ForeignKey("subnets.id"), primary_key=True, index=True),
    sa.Column("port_id", sa.ForeignKey("ports.id"), nullable=False, index=True),
)

floating_ips = sa.Table(
    "floating_ips",
    metadata,
    *_standard(),
    sa.Column("floating_network_id", sa.ForeignKey("networks.id"), nullable=False, index=True),
    sa.Column("floating_ip_address", sa.String(64), nullable=False, index=True),
    sa.Column("floating_port_id", sa.ForeignKey("ports.id"), nullable=False, unique=True),
    sa.Column("port_id", sa.ForeignKey("ports.id")),
    sa.Column("fixed_ip_address", sa.String(64)),
    sa.Column("router_id", sa.ForeignKey("routers.id"), index=True),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("qos_policy_id", sa.ForeignKey("qos_policies.id"), index=True),
    sa.Column("dns_name", sa.String(255), nullable=False, server_default=""),
    sa.Column("dns_domain", sa.String(255), nullable=False, server_default=""),
    sa.UniqueConstraint("port_id", "fixed_ip_address"),
)

# Ports of a floating IP that lead to ports of addresses; ranges lead to ranges of one size, or to a single port.
port_forwardings = sa.Table(
    "port_forwardings",
    metadata,
    *_standard(),
    sa.Column("floating_ip_id", sa.ForeignKey("floating_ips.id"), nullable=False, index=True),
    sa.Column("protocol", sa.String(8), nullable=False),
    sa.Column("external_first", sa.Integer, nullable=False),
    sa.Column("external_last", sa.Integer, nullable=False),
    sa.Column("internal_port_id", sa.ForeignKey("ports.id"), nullable=False, index=True),
    sa.Column("internal_ip_address", sa.String(64), nullable=False),
    sa.Column("internal_first", sa.Integer, nullable=False),
    sa.Column("internal_last", sa.Integer, nullable=False),
)

trunks = sa.Table(
    "trunks",
    metadata,
    *_standard(),
    sa.Column("port_id", sa.ForeignKey("ports.id"), nullable=False, unique=True),
    sa.Column("admin_state_up", sa.Boolean, nullable=False),
)

trunk_subports = sa.Table(
    "trunk_subports",
    metadata,
    sa.Column("port_id", sa.ForeignKey("ports.id"), primary_key=True),
    sa.Column("trunk_id", sa.ForeignKey("trunks.id"), nullable=False),
    sa.Column("segmentation_type", sa.String(16), nullable=False),
    sa.Column("segmentation_id", sa.Integer, nullable=False),
    sa.UniqueConstraint("trunk_id", "segmentation_type", "segmentation_id"),
)

auto_topologies = sa.Table(
    "network_auto_topologies",
    metadata,
    sa.Column("project_id", sa.String(255), primary_key=True),
    sa.Column("network_id", sa.String(36), nullable=False),
    sa.Column("router_id", sa.String(36), nullable=False),
)

tags = sa.Table(
    "network_tags",
    metadata,
    sa.Column("resource_id", sa.String(36), primary_key=True),
    sa.Column("tag", sa.String(255), primary_key=True, index=True),
)

agents = sa.Table(
    "network_agents",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("agent_type", sa.String(64), nullable=False),
    sa.Column("binary", sa.String(64), nullable=False),
    sa.Column("host", sa.String(255), nullable=False, index=True),
    sa.Column("description", sa.String(255), nullable=False, default=""),
    sa.Column("admin_state_up", sa.Boolean, nullable=False),
    sa.Column("created_at", UTCDateTime, nullable=False),
    sa.Column("heard_at", UTCDateTime, nullable=False),
    # When its host was asked last, and did not answer.
    sa.Column("silent_at", UTCDateTime),
)

scopes = sa.Table(
    "network_scopes",
    metadata,
    sa.Column("scope", sa.String(64), primary_key=True),
    sa.Column("wanted", sa.BigInteger, nullable=False),
    sa.Column("applied", sa.BigInteger, nullable=False),
    sa.Column("problem", sa.String(255)),  # why OVN does not have it
    partial_index(
        "ix_network_scopes_dirty",
        "scope",
        where="applied < wanted",
    ),
)
