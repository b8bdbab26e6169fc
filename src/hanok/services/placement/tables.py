"""Placement's tables."""

from __future__ import annotations

import sqlalchemy as sa

from hanok.store import UTCDateTime, metadata

providers = sa.Table(
    "resource_providers",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("name", sa.String(200), nullable=False, unique=True),
    sa.Column("generation", sa.Integer, nullable=False),
    sa.Column("parent_id", sa.String(36)),
    sa.Column("root_id", sa.String(36), nullable=False, index=True),
    sa.Column("updated_at", UTCDateTime, nullable=False),
)

inventories = sa.Table(
    "inventories",
    metadata,
    sa.Column("provider_id", sa.String(36), primary_key=True),
    sa.Column("resource_class", sa.String(255), primary_key=True),
    sa.Column("total", sa.BigInteger, nullable=False),
    sa.Column("reserved", sa.BigInteger, nullable=False),
    sa.Column("min_unit", sa.BigInteger, nullable=False),
    sa.Column("max_unit", sa.BigInteger, nullable=False),
    sa.Column("step_size", sa.BigInteger, nullable=False),
    sa.Column("allocation_ratio", sa.Float, nullable=False),
    # The sum of the allocations of this class, changed in the statements that change those.
    sa.Column("used", sa.BigInteger, nullable=False, default=0),
    # What is free, worked out by the database: whoever looks for the emptiest providers reads only these.
    sa.Column(
        "free",
        sa.Float,
        sa.Computed("(total - reserved) * allocation_ratio - used", persisted=True),
        nullable=False,
    ),
    sa.Index("ix_inventories_free", "resource_class", "free", "provider_id"),
)

allocations = sa.Table(
    "allocations",
    metadata,
    sa.Column("consumer_id", sa.String(36), primary_key=True),
    sa.Column("provider_id", sa.String(36), primary_key=True, index=True),
    sa.Column("resource_class", sa.String(255), primary_key=True),
    sa.Column("used", sa.BigInteger, nullable=False),
)

consumers = sa.Table(
    "consumers",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("generation", sa.Integer, nullable=False),
    sa.Column("project_id", sa.String(255), nullable=False, index=True),
    sa.Column("user_id", sa.String(255), nullable=False),
    sa.Column("consumer_type", sa.String(255)),
)

# Classes and traits of operators; the standard ones are known to the code.
resource_classes = sa.Table(
    "resource_classes", metadata, sa.Column("name", sa.String(255), primary_key=True)
)
traits = sa.Table("traits", metadata, sa.Column("name", sa.String(255), primary_key=True))

provider_traits = sa.Table(
    "provider_traits",
    metadata,
    sa.Column("provider_id", sa.String(36), primary_key=True),
    sa.Column("trait", sa.String(255), primary_key=True, index=True),
)

provider_aggregates = sa.Table(
    "provider_aggregates",
    metadata,
    sa.Column("provider_id", sa.String(36), primary_key=True),
    sa.Column("aggregate_id", sa.String(36), primary_key=True, index=True),
)
