"""Compute's tables."""

from __future__ import annotations

import sqlalchemy as sa

from hanok.store import JSON, UTCDateTime, metadata
from hanok.store.schema import partial_index

flavors = sa.Table(
    "flavors",
    metadata,
    sa.Column("id", sa.String(255), primary_key=True),
    sa.Column("name", sa.String(255), nullable=False, unique=True),
    sa.Column("vcpus", sa.Integer, nullable=False),
    sa.Column("memory_mib", sa.Integer, nullable=False),
    sa.Column("disk_gib", sa.Integer, nullable=False),
    sa.Column("ephemeral_gib", sa.Integer, nullable=False),
    sa.Column("swap_mib", sa.Integer, nullable=False),
    sa.Column("rxtx_factor", sa.Float, nullable=False),
    sa.Column("is_public", sa.Boolean, nullable=False),
    sa.Column("description", sa.Text),
    sa.Column("extra_specs", JSON, nullable=False),
    sa.Column("created_at", UTCDateTime, nullable=False),
    sa.Column("updated_at", UTCDateTime),
)

flavor_access = sa.Table(
    "flavor_access",
    metadata,
    sa.Column("flavor_id", sa.String(255), primary_key=True),
    sa.Column("project_id", sa.String(255), primary_key=True, index=True),
)

keypairs = sa.Table(
    "keypairs",
    metadata,
    sa.Column("sequence", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("user_id", sa.String(64), nullable=False),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("type", sa.String(8), nullable=False),
    sa.Column("public_key", sa.Text, nullable=False),
    sa.Column("fingerprint", sa.String(255), nullable=False),
    sa.Column("created_at", UTCDateTime, nullable=False),
    sa.UniqueConstraint("user_id", "name"),
)

servers = sa.Table(
    "servers",
    metadata,
    sa.Column("sequence", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("id", sa.String(36), nullable=False, unique=True),
    sa.Column("project_id", sa.String(64), nullable=False),
    sa.Column("user_id", sa.String(64), nullable=False),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("hostname", sa.String(255), nullable=False),
    sa.Column("description", sa.String(255)),
    sa.Column("image_id", sa.String(36), nullable=False),
    sa.Column("image_format", sa.String(16), nullable=False),
    sa.Column("image_properties", JSON, nullable=False),
    # The flavor as it was when the server was made: later changes do not reach it.
    sa.Column("flavor_id", sa.String(255), nullable=False),
    sa.Column("flavor", JSON, nullable=False),
    sa.Column("vcpus", sa.Integer, nullable=False),
    sa.Column("memory_mib", sa.Integer, nullable=False),
    sa.Column("disk_gib", sa.Integer, nullable=False),
    sa.Column("key_name", sa.String(255)),
    sa.Column("public_key", sa.Text),
    sa.Column("user_data", sa.Text),
    # Ids of secrets: the certificates that its image's signer must stand on; null: nobody asked for that.
    sa.Column("trusted_certificates", JSON),
    sa.Column("config_drive", sa.Boolean, nullable=False),
    sa.Column("metadata", JSON, nullable=False),
    sa.Column("nics", JSON, nullable=False),
    # Of servers that were made before `disks` was there.
    sa.Column("disk_tag", sa.String(60)),
    # The local disks that a request described, as `logic.disks.Mapped`; what it did not name is the flavor's.
    sa.Column("disks", JSON),
    # As the image has it: what the guest boots from, when it is not its own boot loader, and its root disk's name.
    sa.Column("kernel_id", sa.String(36), nullable=False, server_default=""),
    sa.Column("ramdisk_id", sa.String(36), nullable=False, server_default=""),
    sa.Column("root_device", sa.String(16), nullable=False, server_default="/dev/vda"),
    # Files that the guest is told to write: [{"path": …, "contents": base64}].
    sa.Column("files", JSON),
    sa.Column("security_groups", JSON, nullable=False),
    sa.Column("disk_config", sa.String(6), nullable=False),
    sa.Column("access_ip_v4", sa.String(45), nullable=False, default=""),
    sa.Column("access_ip_v6", sa.String(45), nullable=False, default=""),
    sa.Column("vm_state", sa.String(20), nullable=False),
    sa.Column("task_state", sa.String(40)),
    sa.Column("power_state", sa.SmallInteger, nullable=False),
    sa.Column("locked", sa.Boolean, nullable=False),
    sa.Column("locked_by", sa.String(8)),
    sa.Column("locked_reason", sa.String(255)),
    # The counter that node commands carry: raised by each request that changes what should be.
    sa.Column("generation", sa.Integer, nullable=False),
    sa.Column("host", sa.String(255)),
    sa.Column("availability_zone", sa.String(255)),
    sa.Column("requested_zone", sa.String(255)),
    sa.Column("requested_host", sa.String(255)),
    sa.Column("scheduler_hints", JSON, nullable=False),
    sa.Column("reservation_id", sa.String(32), nullable=False),
    sa.Column("launch_index", sa.Integer, nullable=False),
    sa.Column("fault", JSON),
    # A guest's root disk of an older generation is thrown away and made anew: raised by a rebuild.
    sa.Column("disk_generation", sa.Integer, nullable=False, server_default="0"),
    # While it is rescued: {"image_id": …, "stable": …} of what it boots from.
    sa.Column("rescue", JSON),
    sa.Column("shelved_image_id", sa.String(36)),
    sa.Column("shelved_at", UTCDateTime),
    sa.Column("soft_deleted_at", UTCDateTime, index=True),
    # Of the other flavor, until a resize is confirmed or reverted: quotas count the larger.
    sa.Column("held_vcpus", sa.Integer, nullable=False, server_default="0"),
    sa.Column("held_memory_mib", sa.Integer, nullable=False, server_default="0"),
    sa.Column("launched_at", UTCDateTime),
    sa.Column("terminated_at", UTCDateTime),
    sa.Column("created_at", UTCDateTime, nullable=False),
    sa.Column("updated_at", UTCDateTime, nullable=False),
    sa.Column("deleted", sa.Boolean, nullable=False),
    sa.Index("ix_servers_project", "project_id", "deleted", "created_at", "sequence"),
    sa.Index("ix_servers_all", "deleted", "created_at", "sequence"),
    sa.Index("ix_servers_host", "host", "deleted"),
    # Those that something is done to: what a host has to do is counted of them.
    partial_index(
        "ix_servers_busy",
        "host",
        where="task_state IS NOT NULL",
    ),
)

# Where on its host a server is that has CPUs, pages or devices of its own: one row for each flavor that it has or had
# there. Rows count while the server is on the host, or on its way to or from it. resources: amounts by provider.
server_topologies = sa.Table(
    "compute_server_topologies",
    metadata,
    sa.Column("server_id", sa.ForeignKey("servers.id"), primary_key=True),
    sa.Column("host", sa.String(255), primary_key=True, index=True),
    sa.Column("flavor_id", sa.String(255), primary_key=True),
    sa.Column("topology", JSON),
    sa.Column("devices", JSON, nullable=False),
    sa.Column("resources", JSON, nullable=False),
)

# Why servers are where they are, or nowhere: what the scheduler found, for `hanok explain`.
scheduling_records = sa.Table(
    "compute_scheduling_records",
    metadata,
    sa.Column("server_id", sa.ForeignKey("servers.id"), primary_key=True),
    sa.Column("operation_id", sa.String(36), primary_key=True),
    sa.Column("at", UTCDateTime, nullable=False),
    sa.Column("record", JSON, nullable=False),
)

# Hosts beside a server's own that may have something of it: "incoming" before it moves there, "leaving" until what it
# left is gone. It moves to one at a time.
server_bindings = sa.Table(
    "server_bindings",
    metadata,
    sa.Column("server_id", sa.ForeignKey("servers.id"), primary_key=True),
    sa.Column("host", sa.String(255), primary_key=True),
    sa.Column("node", sa.String(255), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    partial_index(
        "uq_server_bindings_incoming",
        "server_id",
        unique=True,
        where="state = 'incoming'",
    ),
)

# The volumes of servers, from the moment that they are planned or kept for one; in the guest's order.
# state: planned (there is no volume yet, or it is not kept), reserved, attached, detaching.
# address: where the server's host reaches it, its size_gib and whether it is read_only; None: it is not open.
# source_type, source_id: of what it is made: volume, image, snapshot, blank. made: it was made for the server.
server_volumes = sa.Table(
    "compute_server_volumes",
    metadata,
    sa.Column("sequence", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("id", sa.String(36), nullable=False, unique=True),
    sa.Column("server_id", sa.ForeignKey("servers.id"), nullable=False),
    sa.Column("volume_id", sa.String(36), index=True),
    sa.Column("attachment_id", sa.String(36)),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("device", sa.String(255)),
    sa.Column("boot_index", sa.Integer),
    sa.Column("bus", sa.String(16), nullable=False),
    sa.Column("device_type", sa.String(16), nullable=False),
    sa.Column("tag", sa.String(60)),
    sa.Column("delete_on_termination", sa.Boolean, nullable=False),
    sa.Column("source_type", sa.String(16), nullable=False),
    sa.Column("source_id", sa.String(36)),
    sa.Column("size_gib", sa.Integer),
    sa.Column("volume_type", sa.String(255)),
    sa.Column("made", sa.Boolean, nullable=False),
    sa.Column("address", JSON),
    sa.Column("created_at", UTCDateTime, nullable=False),
    sa.UniqueConstraint("server_id", "volume_id"),
)

server_tags = sa.Table(
    "server_tags",
    metadata,
    sa.Column("server_id", sa.String(36), primary_key=True),
    sa.Column("tag", sa.String(60), primary_key=True),
)

# Processes of the cloud as `compute service list` shows them; hosts tell their state here.
services = sa.Table(
    "compute_services",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("number", sa.Integer, nullable=False, unique=True),
    sa.Column("binary", sa.String(64), nullable=False),
    sa.Column("host", sa.String(255), nullable=False),
    sa.Column("zone", sa.String(255), nullable=False),
    sa.Column("disabled", sa.Boolean, nullable=False),
    sa.Column("disabled_reason", sa.String(255)),
    sa.Column("forced_down", sa.Boolean, nullable=False),
    sa.Column("seen_at", UTCDateTime, nullable=False),
    # When it was asked last, and did not answer; what is heard of it later counts.
    sa.Column("silent_at", UTCDateTime),
    # Of a nova-compute: its resource provider, and the HostState it told last.
    sa.Column("provider_id", sa.String(36)),
    sa.Column("host_state", JSON),
    # Servers in a row that could not be built there.
    sa.Column("failed_builds", sa.Integer, nullable=False, server_default="0"),
    sa.UniqueConstraint("host", "binary"),
    sa.Index("ix_compute_services_provider", "provider_id"),
)

_SEQUENCE = sa.BigInteger().with_variant(sa.Integer, "sqlite")

# Groups of hosts. The zone that an aggregate makes of its hosts is a row of its metadata.
aggregates = sa.Table(
    "compute_aggregates",
    metadata,
    sa.Column("id", _SEQUENCE, primary_key=True),
    sa.Column("uuid", sa.String(36), nullable=False, unique=True),
    sa.Column("name", sa.String(255), nullable=False, unique=True),
    sa.Column("created_at", UTCDateTime, nullable=False),
    sa.Column("updated_at", UTCDateTime),
    sqlite_autoincrement=True,
)

aggregate_hosts = sa.Table(
    "compute_aggregate_hosts",
    metadata,
    sa.Column("aggregate_id", sa.ForeignKey("compute_aggregates.id"), primary_key=True),
    sa.Column("host", sa.String(255), primary_key=True, index=True),
)

aggregate_metadata = sa.Table(
    "compute_aggregate_metadata",
    metadata,
    sa.Column("aggregate_id", sa.ForeignKey("compute_aggregates.id"), primary_key=True),
    sa.Column("key", sa.String(255), primary_key=True, index=True),
    sa.Column("value", sa.String(255), nullable=False),
)

server_groups = sa.Table(
    "compute_server_groups",
    metadata,
    sa.Column("sequence", _SEQUENCE, primary_key=True),
    sa.Column("id", sa.String(36), nullable=False, unique=True),
    sa.Column("project_id", sa.String(64), nullable=False, index=True),
    sa.Column("user_id", sa.String(64), nullable=False),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("policy", sa.String(32), nullable=False),
    sa.Column("rules", JSON, nullable=False),
    sa.Column("created_at", UTCDateTime, nullable=False),
)

# A server is in one group at most.
server_group_members = sa.Table(
    "compute_server_group_members",
    metadata,
    sa.Column("server_id", sa.ForeignKey("servers.id"), primary_key=True),
    sa.Column("group_id", sa.ForeignKey("compute_server_groups.id"), nullable=False, index=True),
)

# The records of servers that move, or get another flavor. before, after: the columns of the server that change,
# with the values of either side; and in `before` the vm state that it had.
migrations = sa.Table(
    "compute_migrations",
    metadata,
    sa.Column("id", _SEQUENCE, primary_key=True),
    sa.Column("uuid", sa.String(36), nullable=False, unique=True),
    sa.Column("server_id", sa.ForeignKey("servers.id"), nullable=False, index=True),
    sa.Column("project_id", sa.String(64), nullable=False, index=True),
    sa.Column("user_id", sa.String(64), nullable=False),
    sa.Column("migration_type", sa.String(32), nullable=False),
    sa.Column("status", sa.String(32), nullable=False),
    sa.Column("hidden", sa.Boolean, nullable=False),
    sa.Column("source_compute", sa.String(255)),
    sa.Column("source_node", sa.String(255)),
    sa.Column("dest_compute", sa.String(255)),
    sa.Column("dest_node", sa.String(255)),
    sa.Column("dest_host", sa.String(255)),
    # Ids of flavors.
    sa.Column("old_flavor", sa.String(255)),
    sa.Column("new_flavor", sa.String(255)),
    # Bytes of memory and disk: "memory_total_bytes" and the like, of a live migration that goes on.
    sa.Column("progress", JSON, nullable=False),
    sa.Column("before", JSON, nullable=False),
    sa.Column("after", JSON, nullable=False),
    sa.Column("created_at", UTCDateTime, nullable=False),
    sa.Column("updated_at", UTCDateTime, nullable=False),
    sa.Index("ix_compute_migrations_status", "status", "updated_at"),
    sqlite_autoincrement=True,
)

server_passwords = sa.Table(
    "compute_server_passwords",
    metadata,
    sa.Column("server_id", sa.ForeignKey("servers.id"), primary_key=True),
    sa.Column("password", sa.Text, nullable=False),
)

console_tokens = sa.Table(
    "console_tokens",
    metadata,
    sa.Column("token_hash", sa.String(64), primary_key=True),
    sa.Column("server_id", sa.String(36), nullable=False),
    sa.Column("user_id", sa.String(64), nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    # With what rights it was asked for, sealed with the token itself: only who has the address can read it.
    sa.Column("asked_with", sa.Text, nullable=False, server_default=""),
    sa.Column("uses", sa.Integer, nullable=False, server_default="0"),
    sa.Column("expires_at", UTCDateTime, nullable=False, index=True),
)
