"""Secrets, containers, orders, who may read them besides the project, and who uses them."""

from __future__ import annotations

import sqlalchemy as sa

from hanok.store import JSON, UTCDateTime, metadata


def _number() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer, "sqlite")


def _common() -> tuple[sa.Column[object], ...]:
    """What secrets and containers have alike. acl_created_at: none, where the ACL is the usual one."""
    return (
        sa.Column("sequence", _number(), primary_key=True, autoincrement=True),
        sa.Column("id", sa.String(36), nullable=False, unique=True),
        sa.Column("project_id", sa.String(64), nullable=False, index=True),
        sa.Column("creator_id", sa.String(64), nullable=False),
        sa.Column("name", sa.String(255)),
        sa.Column("created_at", UTCDateTime, nullable=False),
        sa.Column("updated_at", UTCDateTime, nullable=False),
        sa.Column("project_access", sa.Boolean, nullable=False),
        sa.Column("acl_created_at", UTCDateTime),
        sa.Column("acl_updated_at", UTCDateTime),
    )


secrets = sa.Table(
    "key_manager_secrets",
    metadata,
    *_common(),
    sa.Column("secret_type", sa.String(80), nullable=False),
    sa.Column("algorithm", sa.String(255)),
    sa.Column("mode", sa.String(255)),
    sa.Column("bit_length", sa.Integer),
    sa.Column("expiration", UTCDateTime, index=True),
    sa.Column("content_type", sa.String(64)),
    # The payload, sealed with the cloud's key; none until the second step of two.
    sa.Column("sealed", sa.Text),
)

containers = sa.Table(
    "key_manager_containers", metadata, *_common(), sa.Column("type", sa.String(20), nullable=False)
)

# What the cloud was asked to make, and what came of it.
orders = sa.Table(
    "key_manager_orders",
    metadata,
    sa.Column("sequence", _number(), primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(36), nullable=False, unique=True),
    sa.Column("project_id", sa.String(64), nullable=False, index=True),
    sa.Column("creator_id", sa.String(64), nullable=False),
    sa.Column("created_at", UTCDateTime, nullable=False),
    sa.Column("updated_at", UTCDateTime, nullable=False),
    sa.Column("type", sa.String(20), nullable=False),
    sa.Column("meta", JSON, nullable=False),
    sa.Column("status", sa.String(20), nullable=False),
    sa.Column("secret_id", sa.String(36)),
    sa.Column("container_id", sa.String(36)),
    sa.Column("error_code", sa.String(3)),
    sa.Column("error_reason", sa.String(255)),
    # The pass phrase of a private key, sealed with the cloud's key, until the key is there.
    sa.Column("sealed", sa.Text),
)

# Where secrets are kept; and where projects would have theirs.
stores = sa.Table(
    "key_manager_stores",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("name", sa.String(255), nullable=False, unique=True),
    sa.Column("created_at", UTCDateTime, nullable=False),
    sa.Column("updated_at", UTCDateTime, nullable=False),
)

preferred_stores = sa.Table(
    "key_manager_preferred_stores",
    metadata,
    sa.Column("project_id", sa.String(64), primary_key=True),
    sa.Column("store_id", sa.String(36), nullable=False),
)

contents = sa.Table(
    "key_manager_contents",
    metadata,
    sa.Column("sequence", _number(), primary_key=True, autoincrement=True),
    sa.Column("container_id", sa.String(36), nullable=False),
    sa.Column("secret_id", sa.String(36), nullable=False, index=True),
    sa.Column("name", sa.String(255), nullable=False),
    sa.UniqueConstraint("container_id", "secret_id", "name"),
)

user_metadata = sa.Table(
    "key_manager_metadata",
    metadata,
    sa.Column("secret_id", sa.String(36), primary_key=True),
    sa.Column("key", sa.String(255), primary_key=True),
    sa.Column("value", sa.String(255), nullable=False),
)

# Users who may read a secret or a container whatever project they work in.
readers = sa.Table(
    "key_manager_readers",
    metadata,
    sa.Column("owner_id", sa.String(36), primary_key=True),
    sa.Column("user_id", sa.String(255), primary_key=True, index=True),
)

# Who says to use a secret (a service, a type, an id) or a container (a name and an address).
consumers = sa.Table(
    "key_manager_consumers",
    metadata,
    sa.Column("sequence", _number(), primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(36), nullable=False, unique=True),
    sa.Column("owner_id", sa.String(36), nullable=False),
    sa.Column("project_id", sa.String(64), nullable=False, index=True),
    sa.Column("service", sa.String(255), nullable=False),
    sa.Column("resource_type", sa.String(255), nullable=False),
    sa.Column("resource_id", sa.String(255), nullable=False),
    # The thing of another service of this cloud that uses it; empty: somebody outside said so.
    sa.Column("holder", sa.String(36), nullable=False, index=True),
    sa.Column("created_at", UTCDateTime, nullable=False),
    # A hash of service, type and id: together they are too long for an index.
    sa.Column("mark", sa.String(64), nullable=False),
    sa.UniqueConstraint("owner_id", "mark"),
)
