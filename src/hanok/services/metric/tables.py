"""Archive policies, kinds of resources, resources with their history, metrics, and measures in blocks."""

from __future__ import annotations

import sqlalchemy as sa

from hanok.store import JSON, UTCDateTime, metadata


def _number() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer, "sqlite")


archive_policies = sa.Table(
    "metric_archive_policies",
    metadata,
    sa.Column("name", sa.String(255), primary_key=True),
    sa.Column("back_window", sa.Integer, nullable=False),
    # What is kept, finest first: pairs of nanoseconds and points; without points nothing ends.
    sa.Column("definition", JSON, nullable=False),
    sa.Column("aggregation_methods", JSON, nullable=False),
)

archive_policy_rules = sa.Table(
    "metric_archive_policy_rules",
    metadata,
    sa.Column("name", sa.String(255), primary_key=True),
    sa.Column("archive_policy_name", sa.String(255), nullable=False, index=True),
    sa.Column("metric_pattern", sa.String(255), nullable=False),
)

resource_types = sa.Table(
    "metric_resource_types",
    metadata,
    sa.Column("name", sa.String(255), primary_key=True),
    sa.Column("attributes", JSON, nullable=False),
)

resources = sa.Table(
    "metric_resources",
    metadata,
    sa.Column("sequence", _number(), primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(36), nullable=False, unique=True),
    sa.Column("original_resource_id", sa.String(289), nullable=False),
    sa.Column("type", sa.String(255), nullable=False, index=True),
    sa.Column("user_id", sa.String(255)),
    sa.Column("project_id", sa.String(255), index=True),
    sa.Column("creator_user", sa.String(64), nullable=False),
    sa.Column("creator_project", sa.String(64), nullable=False, index=True),
    sa.Column("started_at", UTCDateTime, nullable=False),
    sa.Column("ended_at", UTCDateTime),
    sa.Column("revision_start", UTCDateTime, nullable=False),
    sa.Column("attributes", JSON, nullable=False),
)

# What resources were before they were changed; all else of it is as in `resources`.
revisions = sa.Table(
    "metric_resource_revisions",
    metadata,
    sa.Column("sequence", _number(), primary_key=True, autoincrement=True),
    sa.Column("resource_id", sa.String(36), nullable=False, index=True),
    sa.Column("user_id", sa.String(255)),
    sa.Column("project_id", sa.String(255)),
    sa.Column("started_at", UTCDateTime, nullable=False),
    sa.Column("ended_at", UTCDateTime),
    sa.Column("revision_start", UTCDateTime, nullable=False),
    sa.Column("revision_end", UTCDateTime, nullable=False),
    sa.Column("attributes", JSON, nullable=False),
)

metrics = sa.Table(
    "metric_metrics",
    metadata,
    # What measures refer to: a number, as there are many of them.
    sa.Column("sequence", _number(), primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(36), nullable=False, unique=True),
    sa.Column("name", sa.String(255)),
    sa.Column("unit", sa.String(31)),
    sa.Column("archive_policy_name", sa.String(255), nullable=False, index=True),
    sa.Column("creator_user", sa.String(64), nullable=False),
    sa.Column("creator_project", sa.String(64), nullable=False, index=True),
    sa.Column("resource_id", sa.String(36)),
    # Whoever looks sees it no more; its measures go in pieces.
    sa.Column("deleted", sa.Boolean, nullable=False, index=True),
    sa.UniqueConstraint("resource_id", "name"),
)

# Measures as they came, which are not part of aggregates yet. payload: see logic/series.py.
incoming = sa.Table(
    "metric_incoming",
    metadata,
    sa.Column("sequence", _number(), primary_key=True, autoincrement=True),
    sa.Column("metric", sa.BigInteger, nullable=False, index=True),
    sa.Column("points", sa.Integer, nullable=False),
    sa.Column("payload", sa.LargeBinary, nullable=False),
    sa.Column("received_at", UTCDateTime, nullable=False),
)

# Events that wait for a publisher; a row goes when it was taken, or when there are too many.
outgoing = sa.Table(
    "metric_outgoing",
    metadata,
    sa.Column("sequence", _number(), primary_key=True, autoincrement=True),
    sa.Column("publisher", sa.String(64), nullable=False),
    sa.Column("message_id", sa.String(128), nullable=False),
    sa.Column("project_id", sa.String(64), nullable=False),
    sa.Column("payload", sa.LargeBinary, nullable=False),
    sa.UniqueConstraint("publisher", "message_id"),
)

# What Prometheus reads: the newest samples of a source of polling and a service, in pieces.
exposed = sa.Table(
    "metric_exposed",
    metadata,
    sa.Column("source", sa.String(255), primary_key=True),
    sa.Column("service", sa.String(64), primary_key=True),
    sa.Column("part", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("payload", sa.LargeBinary, nullable=False),
    sa.Column("until", UTCDateTime, nullable=False),
)

# The newest measures of a metric, of which aggregates can change yet.
tails = sa.Table(
    "metric_tails",
    metadata,
    sa.Column("metric", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("payload", sa.LargeBinary, nullable=False),
)

# Aggregates of as many neighbouring spans as a block has, by all methods of the metric's policy.
blocks = sa.Table(
    "metric_blocks",
    metadata,
    sa.Column("metric", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("granularity", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("payload", sa.LargeBinary, nullable=False),
)
