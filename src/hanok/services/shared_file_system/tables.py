"""The tables of shared file systems that everything else stands on.

A share has one instance or more: each is somewhere, and has a state, export locations and a generation of its own. More
than one it has while it moves, or when it has replicas. Snapshots have instances likewise, one of each share instance.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from hanok.store import JSON, UTCDateTime, metadata

Columns = tuple[sa.Column[Any], ...]


def sequence() -> sa.Column[int]:
    """A row's own order."""
    return sa.Column(
        "sequence", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True
    )


def identity() -> Columns:
    """Of what is known by an id."""
    return sequence(), sa.Column("id", sa.String(36), nullable=False, unique=True)


def owners() -> Columns:
    """Of what a user has made for a project."""
    return tuple(
        sa.Column(name, sa.String(64), nullable=False) for name in ("project_id", "user_id")
    )


def words() -> Columns:
    """Of what users call something."""
    return tuple(sa.Column(name, sa.String(255)) for name in ("name", "description"))


def times() -> Columns:
    """Of what is made and changed."""
    return (
        sa.Column("created_at", UTCDateTime, nullable=False),
        sa.Column("updated_at", UTCDateTime),
    )


share_types = sa.Table(
    "share_types",
    metadata,
    *identity(),
    sa.Column("name", sa.String(255), nullable=False, unique=True),
    sa.Column("description", sa.String(255)),
    sa.Column("is_public", sa.Boolean, nullable=False),
    sa.Column("extra_specs", JSON, nullable=False),
    *times(),
)

share_type_access = sa.Table(
    "share_type_access",
    metadata,
    sa.Column("type_id", sa.String(36), primary_key=True),
    sa.Column("project_id", sa.String(64), primary_key=True, index=True),
)

shares = sa.Table(
    "shares",
    metadata,
    *identity(),
    *owners(),
    *words(),
    sa.Column("size_gib", sa.Integer, nullable=False),
    sa.Column("protocol", sa.String(16), nullable=False),
    sa.Column("is_public", sa.Boolean, nullable=False),
    # What is shown of it alone: the status of the instance that counts.
    sa.Column("status", sa.String(48), nullable=False),
    sa.Column("task_state", sa.String(48)),
    sa.Column("type_id", sa.String(36), nullable=False),
    # What its type said of it when it was made: "snapshot_support", "revert_to_snapshot_support" …
    sa.Column("abilities", JSON, nullable=False),
    sa.Column("replication_type", sa.String(16)),
    sa.Column("snapshot_id", sa.String(36), index=True),
    sa.Column("share_network_id", sa.String(36), index=True),
    sa.Column("share_group_id", sa.String(36), index=True),
    sa.Column("group_snapshot_member_id", sa.String(36)),
    sa.Column("source_backup_id", sa.String(36)),
    sa.Column("qos_type_id", sa.String(36), index=True),
    sa.Column("encryption_key_ref", sa.String(36)),
    sa.Column("mount_point_name", sa.String(255)),
    sa.Column("metadata", JSON, nullable=False),
    sa.Column("scheduler_hints", JSON, nullable=False),
    # When what is in the recycle bin is deleted; None: it is not there.
    sa.Column("deleted_from", UTCDateTime, index=True),
    *times(),
    sa.Index("ix_shares_project_created", "project_id", "created_at", "sequence"),
    sa.Index("ix_shares_created", "created_at", "sequence"),
    sa.Index("ix_shares_counted", "project_id", "type_id", "size_gib"),
    sa.Index("ix_shares_public", "is_public"),
    sa.Index("ix_shares_type", "type_id"),
)

share_instances = sa.Table(
    "share_instances",
    metadata,
    *identity(),
    sa.Column("share_id", sa.String(36), nullable=False, index=True),
    sa.Column("status", sa.String(48), nullable=False),
    sa.Column("size_gib", sa.Integer, nullable=False),
    # Where it is: the host that has the back end, and the back end's name there.
    sa.Column("node", sa.String(255)),
    sa.Column("backend", sa.String(255)),
    sa.Column("zone", sa.String(255)),
    sa.Column("type_id", sa.String(36), nullable=False),
    sa.Column("share_network_id", sa.String(36), index=True),
    sa.Column("share_server_id", sa.String(36), index=True),
    sa.Column("progress", sa.Integer),
    # active, syncing, error: how what the host lets in stands to the rules.
    sa.Column("access_rules_status", sa.String(16), nullable=False),
    # Of a replica: active, in_sync, out_of_sync, error; None: it is none.
    sa.Column("replica_state", sa.String(16)),
    sa.Column("cast_rules_to_readonly", sa.Boolean, nullable=False),
    sa.Column("metadata", JSON, nullable=False),
    # What it is called on its back end where it was taken over; None: by its id.
    sa.Column("provider_name", sa.String(255)),
    # The counter that commands to hosts carry: raised by each request that changes what should be.
    sa.Column("generation", sa.Integer, nullable=False),
    *times(),
    sa.Index("ix_share_instances_place", "node", "backend"),
)

share_export_locations = sa.Table(
    "share_export_locations",
    metadata,
    *identity(),
    sa.Column("instance_id", sa.String(36), nullable=False, index=True),
    sa.Column("path", sa.String(2000), nullable=False),
    sa.Column("is_admin_only", sa.Boolean, nullable=False),
    sa.Column("preferred", sa.Boolean, nullable=False),
    sa.Column("metadata", JSON, nullable=False),
    *times(),
)

share_access_rules = sa.Table(
    "share_access_rules",
    metadata,
    *identity(),
    sa.Column("share_id", sa.String(36), nullable=False, index=True),
    sa.Column("access_type", sa.String(16), nullable=False),
    sa.Column("access_to", sa.String(255), nullable=False),
    sa.Column("access_level", sa.String(2), nullable=False),
    # queued_to_apply, applying, active, error, queued_to_deny, denying
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("access_key", sa.String(255)),
    sa.Column("metadata", JSON, nullable=False),
    *times(),
    sa.UniqueConstraint(
        "share_id", "access_type", "access_to", name="uq_share_access_rules_share_id"
    ),
)

share_snapshots = sa.Table(
    "share_snapshots",
    metadata,
    *identity(),
    sa.Column("share_id", sa.String(36), nullable=False, index=True),
    *owners(),
    *words(),
    sa.Column("share_size_gib", sa.Integer, nullable=False),
    sa.Column("size_gib", sa.Integer, nullable=False),
    sa.Column("protocol", sa.String(16), nullable=False),
    sa.Column("type_id", sa.String(36), nullable=False),
    sa.Column("status", sa.String(32), nullable=False),
    sa.Column("metadata", JSON, nullable=False),
    sa.Column("share_group_snapshot_id", sa.String(36), index=True),
    *times(),
    sa.Index("ix_share_snapshots_project_created", "project_id", "created_at", "sequence"),
    sa.Index("ix_share_snapshots_created", "created_at", "sequence"),
    sa.Index("ix_share_snapshots_counted", "project_id", "type_id", "size_gib"),
)

share_snapshot_instances = sa.Table(
    "share_snapshot_instances",
    metadata,
    *identity(),
    sa.Column("snapshot_id", sa.String(36), nullable=False, index=True),
    sa.Column("instance_id", sa.String(36), nullable=False, index=True),
    sa.Column("status", sa.String(32), nullable=False),
    sa.Column("progress", sa.String(8)),
    sa.Column("provider_location", sa.String(255)),
    *times(),
)

share_snapshot_access_rules = sa.Table(
    "share_snapshot_access_rules",
    metadata,
    *identity(),
    sa.Column("snapshot_id", sa.String(36), nullable=False, index=True),
    sa.Column("access_type", sa.String(16), nullable=False),
    sa.Column("access_to", sa.String(255), nullable=False),
    sa.Column("state", sa.String(20), nullable=False),
    *times(),
    sa.UniqueConstraint(
        "snapshot_id", "access_type", "access_to", name="uq_share_snapshot_access_rules_snapshot_id"
    ),
)

share_snapshot_export_locations = sa.Table(
    "share_snapshot_export_locations",
    metadata,
    *identity(),
    sa.Column("snapshot_instance_id", sa.String(36), nullable=False, index=True),
    sa.Column("path", sa.String(2000), nullable=False),
    sa.Column("is_admin_only", sa.Boolean, nullable=False),
    *times(),
)

security_services = sa.Table(
    "share_security_services",
    metadata,
    *identity(),
    *owners(),
    *words(),
    sa.Column("type", sa.String(32), nullable=False),
    sa.Column("dns_ip", sa.String(64)),
    sa.Column("server", sa.String(255)),
    sa.Column("domain", sa.String(255)),
    sa.Column("account", sa.String(255)),
    # Sealed with the cloud's secret keys.
    sa.Column("sealed_password", sa.Text),
    sa.Column("ou", sa.String(255)),
    sa.Column("default_ad_site", sa.String(255)),
    *times(),
)

share_networks = sa.Table(
    "share_networks",
    metadata,
    *identity(),
    *owners(),
    *words(),
    sa.Column("status", sa.String(32), nullable=False),
    *times(),
)

share_network_services = sa.Table(
    "share_network_security_services",
    metadata,
    sa.Column("share_network_id", sa.String(36), primary_key=True),
    sa.Column("security_service_id", sa.String(36), primary_key=True, index=True),
)

share_network_subnets = sa.Table(
    "share_network_subnets",
    metadata,
    *identity(),
    sa.Column("share_network_id", sa.String(36), nullable=False, index=True),
    # NULL: it serves every zone.
    sa.Column("zone", sa.String(255)),
    # As the user named them; they are looked up with the project's eyes when a share server is set up.
    sa.Column("neutron_net_id", sa.String(36)),
    sa.Column("neutron_subnet_id", sa.String(36)),
    # What was found there, from then on.
    sa.Column("network_type", sa.String(32)),
    sa.Column("segmentation_id", sa.Integer),
    sa.Column("cidr", sa.String(64)),
    sa.Column("ip_version", sa.Integer),
    sa.Column("gateway", sa.String(64)),
    sa.Column("mtu", sa.Integer),
    sa.Column("metadata", JSON, nullable=False),
    *times(),
)

share_servers = sa.Table(
    "share_servers",
    metadata,
    *identity(),
    sa.Column("project_id", sa.String(64), nullable=False, index=True),
    sa.Column("share_network_id", sa.String(36), nullable=False, index=True),
    # Where it is: the host that has the back end, and the back end's name there.
    sa.Column("node", sa.String(255), nullable=False),
    sa.Column("backend", sa.String(255), nullable=False),
    sa.Column("status", sa.String(32), nullable=False),
    sa.Column("task_state", sa.String(64)),
    sa.Column("identifier", sa.String(255), nullable=False),
    sa.Column("auto_deletable", sa.Boolean, nullable=False),
    # Of one that another moves to: that other one.
    sa.Column("source_share_server_id", sa.String(36), index=True),
    # The port that holds its addresses in the tenant's network, and the addresses.
    sa.Column("port_id", sa.String(36)),
    sa.Column("addresses", JSON, nullable=False),
    sa.Column("generation", sa.Integer, nullable=False),
    # Since when no share is on it; NULL: there is one.
    sa.Column("empty_since", UTCDateTime),
    *times(),
    sa.Index("ix_share_servers_place", "node", "backend"),
)

share_server_subnets = sa.Table(
    "share_server_subnets",
    metadata,
    sa.Column("share_server_id", sa.String(36), primary_key=True),
    sa.Column("subnet_id", sa.String(36), primary_key=True, index=True),
)

share_group_types = sa.Table(
    "share_group_types",
    metadata,
    *identity(),
    sa.Column("name", sa.String(255), nullable=False, unique=True),
    sa.Column("is_public", sa.Boolean, nullable=False),
    sa.Column("specs", JSON, nullable=False),
    # The ids of the share types that its groups may have.
    sa.Column("share_types", JSON, nullable=False),
    *times(),
)

share_group_type_access = sa.Table(
    "share_group_type_access",
    metadata,
    sa.Column("type_id", sa.String(36), primary_key=True),
    sa.Column("project_id", sa.String(64), primary_key=True, index=True),
)

share_groups = sa.Table(
    "share_groups",
    metadata,
    *identity(),
    *owners(),
    *words(),
    sa.Column("status", sa.String(32), nullable=False),
    sa.Column("group_type_id", sa.String(36), nullable=False, index=True),
    sa.Column("share_types", JSON, nullable=False),
    sa.Column("share_network_id", sa.String(36), index=True),
    sa.Column("share_server_id", sa.String(36), index=True),
    sa.Column("source_snapshot_id", sa.String(36), index=True),
    sa.Column("zone", sa.String(255)),
    # Where its shares are; NULL: nowhere was found.
    sa.Column("node", sa.String(255)),
    sa.Column("backend", sa.String(255)),
    # "host", "pool", or NULL: whether its snapshots are of one moment.
    sa.Column("consistent", sa.String(8)),
    *times(),
)

share_group_snapshots = sa.Table(
    "share_group_snapshots",
    metadata,
    *identity(),
    *owners(),
    *words(),
    sa.Column("status", sa.String(32), nullable=False),
    sa.Column("share_group_id", sa.String(36), nullable=False, index=True),
    *times(),
)

share_group_snapshot_members = sa.Table(
    "share_group_snapshot_members",
    metadata,
    *identity(),
    sa.Column("group_snapshot_id", sa.String(36), nullable=False, index=True),
    sa.Column("share_id", sa.String(36), nullable=False, index=True),
    sa.Column("project_id", sa.String(64), nullable=False),
    sa.Column("size_gib", sa.Integer, nullable=False),
    sa.Column("protocol", sa.String(16), nullable=False),
    sa.Column("type_id", sa.String(36), nullable=False),
    sa.Column("status", sa.String(32), nullable=False),
    *times(),
)

share_backups = sa.Table(
    "share_backups",
    metadata,
    *identity(),
    *owners(),
    *words(),
    sa.Column("share_id", sa.String(36), nullable=False, index=True),
    sa.Column("size_gib", sa.Integer, nullable=False),
    sa.Column("status", sa.String(32), nullable=False),
    sa.Column("progress", sa.Integer, nullable=False),
    sa.Column("restore_progress", sa.Integer, nullable=False),
    sa.Column("zone", sa.String(255)),
    sa.Column("node", sa.String(255)),
    sa.Column("backend", sa.String(255)),
    sa.Column("backup_type", sa.String(32)),
    # The share that it is being written onto.
    sa.Column("target_share_id", sa.String(36)),
    sa.Column("options", JSON, nullable=False),
    *times(),
)

share_transfers = sa.Table(
    "share_transfers",
    metadata,
    *identity(),
    sa.Column("share_id", sa.String(36), nullable=False, index=True),
    sa.Column("name", sa.String(255)),
    sa.Column("salt", sa.String(64), nullable=False),
    sa.Column("key_hash", sa.String(64), nullable=False),
    sa.Column("source_project_id", sa.String(64), nullable=False, index=True),
    sa.Column("destination_project_id", sa.String(64)),
    sa.Column("accepted", sa.Boolean, nullable=False),
    sa.Column("expires_at", UTCDateTime),
    *times(),
)

share_locks = sa.Table(
    "share_resource_locks",
    metadata,
    *identity(),
    *owners(),
    # Whose it is: "user", "admin" or "service"; those below do not touch it.
    sa.Column("lock_context", sa.String(16), nullable=False),
    sa.Column("resource_type", sa.String(32), nullable=False),
    sa.Column("resource_id", sa.String(36), nullable=False, index=True),
    sa.Column("resource_action", sa.String(16), nullable=False),
    sa.Column("reason", sa.String(1023)),
    *times(),
)

share_qos_types = sa.Table(
    "share_qos_types",
    metadata,
    *identity(),
    sa.Column("name", sa.String(255), nullable=False, unique=True),
    sa.Column("description", sa.String(255)),
    sa.Column("specs", JSON, nullable=False),
    *times(),
)

share_services = sa.Table(
    "share_services",
    metadata,
    *identity(),
    sa.Column("binary", sa.String(64), nullable=False),
    # "node@backend", or the name of a process.
    sa.Column("host", sa.String(255), nullable=False),
    sa.Column("zone", sa.String(255), nullable=False),
    sa.Column("node", sa.String(255), index=True),
    sa.Column("backend", sa.String(255)),
    # What the host tells of the back end.
    sa.Column("state", JSON),
    sa.Column("capacity_gib", sa.Integer, nullable=False),
    sa.Column("allocated_gib", sa.Integer, nullable=False),
    sa.Column("disabled", sa.Boolean, nullable=False),
    sa.Column("disabled_reason", sa.String(255)),
    sa.Column("ensuring", sa.Boolean, nullable=False),
    sa.Column("seen_at", UTCDateTime, nullable=False),
    sa.UniqueConstraint("binary", "host", name="uq_share_services_binary"),
)

share_messages = sa.Table(
    "share_messages",
    metadata,
    *identity(),
    sa.Column("project_id", sa.String(64), nullable=False),
    sa.Column("request_id", sa.String(255)),
    sa.Column("action_id", sa.String(8), nullable=False),
    sa.Column("detail_id", sa.String(8), nullable=False),
    sa.Column("resource_type", sa.String(36), nullable=False),
    sa.Column("resource_id", sa.String(36), index=True),
    sa.Column("level", sa.String(16), nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("created_at", UTCDateTime, nullable=False),
    sa.Column("expires_at", UTCDateTime, nullable=False, index=True),
    sa.Index("ix_share_messages_project_created", "project_id", "created_at", "sequence"),
)
