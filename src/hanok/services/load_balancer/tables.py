"""Load balancing's tables.

What is below a load balancer names it in a column of its own, so that all of one is read, locked and told to its
provider at once.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from hanok.store import JSON, UTCDateTime, metadata


def _id() -> sa.Column[str]:
    return sa.Column("id", sa.String(36), primary_key=True)


def _common() -> list[sa.Column[Any]]:
    """What every object that a provider carries has."""
    return [
        _id(),
        sa.Column("project_id", sa.String(64), nullable=False, index=True),
        sa.Column("provisioning_status", sa.String(16), nullable=False),
        sa.Column("operating_status", sa.String(16), nullable=False),
        sa.Column("admin_state_up", sa.Boolean, nullable=False),
        sa.Column("created_at", UTCDateTime, nullable=False),
        sa.Column("updated_at", UTCDateTime),
    ]


def _named() -> list[sa.Column[Any]]:
    return [
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("description", sa.String(255), nullable=False),
    ]


def _of(name: str, table: sa.Table) -> sa.Column[str]:
    return sa.Column(name, sa.String(36), sa.ForeignKey(table.c.id), nullable=False, index=True)


load_balancers = sa.Table(
    "lb_load_balancers",
    metadata,
    *_common(),
    *_named(),
    sa.Column("provider", sa.String(64), nullable=False),
    sa.Column("flavor_id", sa.String(36)),
    sa.Column("availability_zone", sa.String(255)),
    sa.Column("vip_address", sa.String(64), nullable=False),
    sa.Column("vip_network_id", sa.String(36), nullable=False),
    sa.Column("vip_subnet_id", sa.String(36)),
    sa.Column("vip_port_id", sa.String(36), nullable=False, index=True),
    sa.Column("vip_qos_policy_id", sa.String(36)),
    sa.Column("vip_vnic_type", sa.String(64), nullable=False),
    sa.Column("vip_sg_ids", JSON, nullable=False),
    # Whether the port of the VIP was made for it, and goes with it.
    sa.Column("vip_made", sa.Boolean, nullable=False),
    # Those beside the first: dictionaries with "subnet_id", "ip_address", and "port_id" of the port they are on.
    sa.Column("additional_vips", JSON, nullable=False),
    # Of what carries it, where its provider has something for each load balancer; another one after a failover.
    sa.Column("carrier_id", sa.String(36), index=True),
    # The host on which its provider has something; one of no host has none.
    sa.Column("host", sa.String(255), index=True),
    # Counts what that host was told.
    sa.Column("generation", sa.Integer, nullable=False, server_default="0"),
    # What the flavor and the zone said when it was made.
    sa.Column("terms", JSON, nullable=False),
    # Why it is in ERROR; for operators.
    sa.Column("problem", sa.Text),
)

pools = sa.Table(
    "lb_pools",
    metadata,
    *_common(),
    *_named(),
    _of("load_balancer_id", load_balancers),
    sa.Column("protocol", sa.String(16), nullable=False),
    sa.Column("lb_algorithm", sa.String(32), nullable=False),
    sa.Column("session_persistence", JSON),
    sa.Column("tls_container_ref", sa.String(255)),
    sa.Column("ca_tls_container_ref", sa.String(255)),
    sa.Column("crl_container_ref", sa.String(255)),
    sa.Column("tls_enabled", sa.Boolean, nullable=False),
    sa.Column("tls_ciphers", sa.String(2048)),
    sa.Column("tls_versions", JSON),
    sa.Column("alpn_protocols", JSON),
)

listeners = sa.Table(
    "lb_listeners",
    metadata,
    *_common(),
    *_named(),
    _of("load_balancer_id", load_balancers),
    sa.Column("protocol", sa.String(16), nullable=False),
    sa.Column("protocol_port", sa.Integer, nullable=False),
    # What the protocol runs over: no two listeners of a load balancer have the same transport and port.
    sa.Column("transport", sa.String(4), nullable=False),
    sa.Column("connection_limit", sa.Integer, nullable=False),
    sa.Column("default_pool_id", sa.String(36), sa.ForeignKey(pools.c.id), index=True),
    sa.Column("default_tls_container_ref", sa.String(255)),
    sa.Column("sni_container_refs", JSON, nullable=False),
    sa.Column("insert_headers", JSON, nullable=False),
    sa.Column("timeout_client_data", sa.BigInteger, nullable=False),
    sa.Column("timeout_member_connect", sa.BigInteger, nullable=False),
    sa.Column("timeout_member_data", sa.BigInteger, nullable=False),
    sa.Column("timeout_tcp_inspect", sa.BigInteger, nullable=False),
    sa.Column("allowed_cidrs", JSON),
    sa.Column("client_ca_tls_container_ref", sa.String(255)),
    sa.Column("client_authentication", sa.String(16), nullable=False),
    sa.Column("client_crl_container_ref", sa.String(255)),
    sa.Column("tls_ciphers", sa.String(2048)),
    sa.Column("tls_versions", JSON),
    sa.Column("alpn_protocols", JSON),
    sa.Column("hsts_max_age", sa.Integer),
    sa.Column("hsts_include_subdomains", sa.Boolean, nullable=False),
    sa.Column("hsts_preload", sa.Boolean, nullable=False),
    sa.UniqueConstraint("load_balancer_id", "transport", "protocol_port"),
)

members = sa.Table(
    "lb_members",
    metadata,
    *_common(),
    sa.Column("name", sa.String(255), nullable=False),
    _of("load_balancer_id", load_balancers),
    _of("pool_id", pools),
    sa.Column("address", sa.String(64), nullable=False),
    sa.Column("protocol_port", sa.Integer, nullable=False),
    sa.Column("weight", sa.Integer, nullable=False),
    sa.Column("backup", sa.Boolean, nullable=False),
    sa.Column("subnet_id", sa.String(36)),
    sa.Column("monitor_address", sa.String(64)),
    sa.Column("monitor_port", sa.Integer),
    sa.Column("vnic_type", sa.String(64), nullable=False),
    sa.UniqueConstraint("pool_id", "address", "protocol_port"),
)

health_monitors = sa.Table(
    "lb_health_monitors",
    metadata,
    *_common(),
    sa.Column("name", sa.String(255), nullable=False),
    _of("load_balancer_id", load_balancers),
    sa.Column("pool_id", sa.String(36), sa.ForeignKey(pools.c.id), nullable=False, unique=True),
    sa.Column("type", sa.String(16), nullable=False),
    sa.Column("delay", sa.Integer, nullable=False),
    sa.Column("timeout", sa.Integer, nullable=False),
    sa.Column("max_retries", sa.Integer, nullable=False),
    sa.Column("max_retries_down", sa.Integer, nullable=False),
    sa.Column("http_method", sa.String(16)),
    sa.Column("url_path", sa.String(2048)),
    sa.Column("expected_codes", sa.String(64)),
    sa.Column("http_version", sa.Float),
    sa.Column("domain_name", sa.String(255)),
)

l7policies = sa.Table(
    "lb_l7policies",
    metadata,
    *_common(),
    *_named(),
    _of("load_balancer_id", load_balancers),
    _of("listener_id", listeners),
    sa.Column("action", sa.String(32), nullable=False),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("redirect_pool_id", sa.String(36), sa.ForeignKey(pools.c.id), index=True),
    sa.Column("redirect_url", sa.String(255)),
    sa.Column("redirect_prefix", sa.String(255)),
    sa.Column("redirect_http_code", sa.Integer),
)

l7rules = sa.Table(
    "lb_l7rules",
    metadata,
    *_common(),
    _of("load_balancer_id", load_balancers),
    _of("l7policy_id", l7policies),
    sa.Column("type", sa.String(32), nullable=False),
    sa.Column("compare_type", sa.String(32), nullable=False),
    sa.Column("key", sa.String(255)),
    sa.Column("value", sa.String(255), nullable=False),
    sa.Column("invert", sa.Boolean, nullable=False),
)

tags = sa.Table(
    "lb_tags",
    metadata,
    sa.Column("resource_id", sa.String(36), primary_key=True),
    sa.Column("tag", sa.String(255), primary_key=True),
    sa.Column("position", sa.Integer, nullable=False),
)

flavor_profiles = sa.Table(
    "lb_flavor_profiles",
    metadata,
    _id(),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("provider_name", sa.String(255), nullable=False),
    sa.Column("flavor_data", sa.Text, nullable=False),
)

flavors = sa.Table(
    "lb_flavors",
    metadata,
    _id(),
    sa.Column("name", sa.String(255), nullable=False, unique=True),
    sa.Column("description", sa.String(255), nullable=False),
    sa.Column("enabled", sa.Boolean, nullable=False),
    _of("flavor_profile_id", flavor_profiles),
)

zone_profiles = sa.Table(
    "lb_availability_zone_profiles",
    metadata,
    _id(),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("provider_name", sa.String(255), nullable=False),
    sa.Column("availability_zone_data", sa.Text, nullable=False),
)

# Zones are called by their names: the key is the name.
zones = sa.Table(
    "lb_availability_zones",
    metadata,
    sa.Column("id", sa.String(255), primary_key=True),
    sa.Column("description", sa.String(255), nullable=False),
    sa.Column("enabled", sa.Boolean, nullable=False),
    _of("availability_zone_profile_id", zone_profiles),
)

PARTS: tuple[sa.Table, ...] = (listeners, pools, members, health_monitors, l7policies, l7rules)
"""All that stands below a load balancer."""
