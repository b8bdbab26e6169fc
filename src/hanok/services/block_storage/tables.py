"""Block storage's tables."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from hanok.store import JSON, UTCDateTime, metadata


def _sequence() -> sa.Column[int]:
    """A row's own order."""
    return sa.Column(
        "sequence", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True
    )


Columns = tuple[sa.Column[Any], ...]


def _identity() -> Columns:
    """Of what is known by an id."""
    return _sequence(), sa.Column("id", sa.String(36), nullable=False, unique=True)


def _owners() -> Columns:
    """Of what a user has made for a project."""
    return tuple(
        sa.Column(name, sa.String(64), nullable=False) for name in ("project_id", "user_id")
    )


def _words() -> Columns:
    """Of what users call something."""
    return tuple(sa.Column(name, sa.String(255)) for name in ("name", "description"))


def _times() -> Columns:
    """Of what is made and changed."""
    return (
        sa.Column("created_at", UTCDateTime, nullable=False),
        sa.Column("updated_at", UTCDateTime),
    )


volume_types = sa.Table(
    "volume_types",
    metadata,
    *_identity(),
    sa.Column("name", sa.String(255), nullable=False, unique=True),
    sa.Column("description", sa.String(255)),
    sa.Column("is_public", sa.Boolean, nullable=False),
    sa.Column("extra_specs", JSON, nullable=False),
    sa.Column("qos_specs_id", sa.String(36), index=True),
    *_times(),
)

volume_type_access = sa.Table(
    "volume_type_access",
    metadata,
    sa.Column("type_id", sa.String(36), primary_key=True),
    sa.Column("project_id", sa.String(255), primary_key=True, index=True),
)

volume_type_encryption = sa.Table(
    "volume_type_encryption",
    metadata,
    sa.Column("type_id", sa.String(36), primary_key=True),
    sa.Column("encryption_id", sa.String(36), nullable=False, unique=True),
    sa.Column("provider", sa.String(255), nullable=False),
    sa.Column("cipher", sa.String(255)),
    sa.Column("key_size", sa.Integer),
    sa.Column("control_location", sa.String(16), nullable=False),
    *_times(),
)

volumes = sa.Table(
    "volumes",
    metadata,
    *_identity(),
    *_owners(),
    *_words(),
    sa.Column("size_gib", sa.Integer, nullable=False),
    sa.Column("status", sa.String(32), nullable=False),
    # What it was before something was done to it that may have to be taken back.
    sa.Column("previous_status", sa.String(32)),
    sa.Column("attach_status", sa.String(16), nullable=False),
    sa.Column("migration_status", sa.String(32)),
    sa.Column("type_id", sa.String(36), nullable=False),
    sa.Column("zone", sa.String(255), nullable=False),
    # Where it is: the host that has the back end, and the back end's name there.
    sa.Column("host", sa.String(255)),
    sa.Column("backend", sa.String(255)),
    # The back end that it is moving to, which has its part of that already.
    sa.Column("target_backend", sa.String(255)),
    # What it was made of.
    sa.Column("snapshot_id", sa.String(36), index=True),
    sa.Column("source_volume_id", sa.String(36), index=True),
    sa.Column("image_id", sa.String(36)),
    sa.Column("backup_id", sa.String(36)),
    sa.Column("bootable", sa.Boolean, nullable=False),
    sa.Column("multiattach", sa.Boolean, nullable=False),
    sa.Column("encrypted", sa.Boolean, nullable=False),
    # Its key, sealed with the cloud's secret keys; and the id that it is known by.
    sa.Column("sealed_key", sa.Text),
    sa.Column("key_id", sa.String(36)),
    sa.Column("read_only", sa.Boolean),
    sa.Column("metadata", JSON, nullable=False),
    # Of the image that it was made of; None: of none.
    sa.Column("image_metadata", JSON),
    sa.Column("scheduler_hints", JSON, nullable=False),
    sa.Column("group_id", sa.String(36), index=True),
    sa.Column("provider_name", sa.String(255)),  # of one that was taken over: what it was called
    # The counter that node commands carry: raised by each request that changes what should be.
    sa.Column("generation", sa.Integer, nullable=False),
    *_times(),
    sa.Column("launched_at", UTCDateTime),
    sa.Index("ix_volumes_project_created", "project_id", "created_at", "sequence"),
    sa.Index("ix_volumes_created", "created_at", "sequence"),
    # What a project has is counted in the index alone.
    sa.Index("ix_volumes_counted", "project_id", "type_id", "size_gib"),
    sa.Index("ix_volumes_place", "host", "backend"),
    sa.Index("ix_volumes_type", "type_id"),
    sa.Index("ix_volumes_status", "status"),
)

volume_snapshots = sa.Table(
    "volume_snapshots",
    metadata,
    *_identity(),
    sa.Column("volume_id", sa.String(36), nullable=False, index=True),
    *_owners(),
    *_words(),
    sa.Column("size_gib", sa.Integer, nullable=False),
    sa.Column("type_id", sa.String(36), nullable=False),
    sa.Column("status", sa.String(32), nullable=False),
    sa.Column("progress", sa.Integer, nullable=False),
    sa.Column("metadata", JSON, nullable=False),
    sa.Column("group_snapshot_id", sa.String(36), index=True),
    sa.Column("provider_name", sa.String(255)),
    *_times(),
    sa.Index("ix_volume_snapshots_project_created", "project_id", "created_at", "sequence"),
    sa.Index("ix_volume_snapshots_created", "created_at", "sequence"),
    sa.Index("ix_volume_snapshots_counted", "project_id", "type_id", "size_gib"),
)

volume_attachments = sa.Table(
    "volume_attachments",
    metadata,
    *_identity(),
    sa.Column("volume_id", sa.String(36), nullable=False, index=True),
    sa.Column("project_id", sa.String(64), nullable=False),
    sa.Column("server_id", sa.String(36), index=True),
    sa.Column("attached_host", sa.String(255)),
    sa.Column("mountpoint", sa.String(255)),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("mode", sa.String(2)),
    sa.Column("connector", JSON),
    sa.Column("connection", JSON),
    sa.Column("attached_at", UTCDateTime),
    # How often it was opened: a command to its host that comes late is told by that.
    sa.Column("generation", sa.Integer, nullable=False, server_default="0"),
    *_times(),
    sa.Index("ix_volume_attachments_project_created", "project_id", "created_at", "sequence"),
)

# What was opened for a connector by the older way (os-initialize_connection), which knows no attachments then.
volume_connections = sa.Table(
    "volume_connections",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("volume_id", sa.String(36), nullable=False, index=True),
    sa.Column("connector", JSON, nullable=False),
    sa.Column("created_at", UTCDateTime, nullable=False),
)

# The processes of the service: schedulers, and each back end of each host ("host-1@files").
volume_services = sa.Table(
    "volume_services",
    metadata,
    *_identity(),
    sa.Column("binary", sa.String(32), nullable=False),
    sa.Column("host", sa.String(255), nullable=False),
    # Of a back end: the host that has it, and its name there.
    sa.Column("node", sa.String(255), index=True),
    sa.Column("backend", sa.String(255)),
    sa.Column("zone", sa.String(255), nullable=False),
    sa.Column("disabled", sa.Boolean, nullable=False),
    sa.Column("disabled_reason", sa.String(255)),
    sa.Column("frozen", sa.Boolean, nullable=False),
    sa.Column("seen_at", UTCDateTime, nullable=False),
    # When its host was asked last, and did not answer.
    sa.Column("silent_at", UTCDateTime),
    # As hosts told it (commands.volumes.BackendState).
    sa.Column("state", JSON),
    # The sum of its volumes' sizes, kept by the statements that give and take.
    sa.Column("allocated_gib", sa.BigInteger, nullable=False),
    # As many as it may give out at most, of what was told last; -1: no such bound.
    sa.Column("capacity_gib", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("binary", "host"),
)

volume_messages = sa.Table(
    "volume_messages",
    metadata,
    *_identity(),
    sa.Column("project_id", sa.String(64), nullable=False, index=True),
    sa.Column("request_id", sa.String(64), nullable=False),
    sa.Column("event_id", sa.String(64), nullable=False),
    sa.Column("resource_type", sa.String(36)),
    sa.Column("resource_id", sa.String(36), index=True),
    sa.Column("level", sa.String(16), nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("created_at", UTCDateTime, nullable=False),
    sa.Column("expires_at", UTCDateTime, nullable=False, index=True),
)

volume_backups = sa.Table(
    "volume_backups",
    metadata,
    *_identity(),
    *_owners(),
    sa.Column("volume_id", sa.String(36), nullable=False, index=True),
    sa.Column("snapshot_id", sa.String(36), index=True),
    # The backup that it says the changes since.
    sa.Column("parent_id", sa.String(36), index=True),
    *_words(),
    sa.Column("size_gib", sa.Integer, nullable=False),
    sa.Column("status", sa.String(32), nullable=False),
    sa.Column("fail_reason", sa.Text),
    sa.Column("zone", sa.String(255), nullable=False),
    sa.Column("metadata", JSON, nullable=False),
    # Where its bytes are: the kind of store, the container, and what its objects' names begin with (that of another
    # backup where it was imported).
    sa.Column("store", sa.String(16), nullable=False),
    sa.Column("container", sa.String(255), nullable=False),
    sa.Column("data_id", sa.String(36), nullable=False, index=True),
    sa.Column("data_project_id", sa.String(64), nullable=False),
    sa.Column("object_count", sa.Integer, nullable=False),
    sa.Column("data_at", UTCDateTime, nullable=False),
    # Of an encrypted volume: its type, and its key as volumes have theirs.
    sa.Column("type_id", sa.String(36)),
    sa.Column("sealed_key", sa.Text),
    sa.Column("key_id", sa.String(36)),
    # What a volume that is made of it is beside its bytes: "bootable", "image_metadata", "metadata".
    sa.Column("volume_facts", JSON, nullable=False),
    *_times(),
    sa.Index("ix_volume_backups_project_created", "project_id", "created_at", "sequence"),
    sa.Index("ix_volume_backups_created", "created_at", "sequence"),
    sa.Index("ix_volume_backups_counted", "project_id", "size_gib"),
)

volume_transfers = sa.Table(
    "volume_transfers",
    metadata,
    *_identity(),
    sa.Column("volume_id", sa.String(36), nullable=False, unique=True),
    sa.Column("name", sa.String(255)),
    # Of the authorization key, which is told once.
    sa.Column("salt", sa.String(32), nullable=False),
    sa.Column("key_hash", sa.String(64), nullable=False),
    sa.Column("no_snapshots", sa.Boolean, nullable=False),
    sa.Column("source_project_id", sa.String(64), nullable=False, index=True),
    sa.Column("destination_project_id", sa.String(64)),
    sa.Column("accepted", sa.Boolean, nullable=False),
    sa.Column("created_at", UTCDateTime, nullable=False),
    sa.Index("ix_volume_transfers_created", "created_at", "sequence"),
)

# What volumes of a project get whose request names no type.
volume_default_types = sa.Table(
    "volume_default_types",
    metadata,
    sa.Column("project_id", sa.String(64), primary_key=True),
    sa.Column("type_id", sa.String(36), nullable=False, index=True),
)

volume_qos_specs = sa.Table(
    "volume_qos_specs",
    metadata,
    *_identity(),
    sa.Column("name", sa.String(255), nullable=False, unique=True),
    sa.Column("consumer", sa.String(16), nullable=False),
    sa.Column("specs", JSON, nullable=False),
    *_times(),
)

group_types = sa.Table(
    "group_types",
    metadata,
    *_identity(),
    sa.Column("name", sa.String(255), nullable=False, unique=True),
    sa.Column("description", sa.String(255)),
    sa.Column("is_public", sa.Boolean, nullable=False),
    sa.Column("specs", JSON, nullable=False),
    *_times(),
)

volume_groups = sa.Table(
    "volume_groups",
    metadata,
    *_identity(),
    *_owners(),
    *_words(),
    sa.Column("status", sa.String(32), nullable=False),
    sa.Column("group_type_id", sa.String(36), nullable=False, index=True),
    # Ids of the types of its volumes.
    sa.Column("volume_types", JSON, nullable=False),
    sa.Column("zone", sa.String(255), nullable=False),
    # Where its volumes are; None: nowhere yet.
    sa.Column("host", sa.String(255)),
    sa.Column("backend", sa.String(255)),
    sa.Column("group_snapshot_id", sa.String(36), index=True),
    sa.Column("source_group_id", sa.String(36), index=True),
    *_times(),
    sa.Index("ix_volume_groups_project_created", "project_id", "created_at", "sequence"),
    sa.Index("ix_volume_groups_created", "created_at", "sequence"),
)

group_snapshots = sa.Table(
    "group_snapshots",
    metadata,
    *_identity(),
    sa.Column("group_id", sa.String(36), nullable=False, index=True),
    sa.Column("group_type_id", sa.String(36), nullable=False),
    *_owners(),
    *_words(),
    sa.Column("status", sa.String(32), nullable=False),
    *_times(),
    sa.Index("ix_group_snapshots_project_created", "project_id", "created_at", "sequence"),
    sa.Index("ix_group_snapshots_created", "created_at", "sequence"),
)
