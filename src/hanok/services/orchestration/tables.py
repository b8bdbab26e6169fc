"""Orchestration's tables."""

from __future__ import annotations

import sqlalchemy as sa

from hanok.store import JSON, UTCDateTime, metadata


def _sequence() -> sa.Column[int]:
    """A row's own order."""
    return sa.Column(
        "sequence", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True
    )


stacks = sa.Table(
    "orchestration_stacks",
    metadata,
    _sequence(),
    sa.Column("id", sa.String(36), nullable=False, unique=True),
    sa.Column("name", sa.String(255), nullable=False),
    # Project and name, while it is there: no two of a project have the same name.
    sa.Column("live", sa.String(330), unique=True),
    sa.Column("project_id", sa.String(64), nullable=False),
    sa.Column("user_id", sa.String(64), nullable=False),
    sa.Column("user_name", sa.String(255), nullable=False),
    # The stack that it is a resource of, the one at the top, and how deep it is.
    sa.Column("parent_id", sa.String(36), index=True),
    sa.Column("parent_resource", sa.String(255)),
    sa.Column("root_id", sa.String(36), nullable=False, index=True),
    sa.Column("depth", sa.Integer, nullable=False),
    sa.Column("action", sa.String(16), nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("description", sa.Text, nullable=False),
    sa.Column("created_at", UTCDateTime, nullable=False),
    sa.Column("updated_at", UTCDateTime),
    sa.Column("deleted_at", UTCDateTime, index=True),
    sa.Column("timeout_mins", sa.Integer),
    sa.Column("deadline_at", UTCDateTime),
    sa.Column("disable_rollback", sa.Boolean, nullable=False),
    sa.Column("tags", JSON, nullable=False),
    # What it shall be, and what it was before that; both with hidden values sealed.
    sa.Column("source", JSON, nullable=False),
    sa.Column("previous", JSON),
    # The change under way; resources that are settled in it have the same.
    sa.Column("traversal", sa.String(36), nullable=False),
    # In whose name it works, sealed.
    sa.Column("lent", sa.Text, nullable=False),
    # What the change under way is about beside the template: a snapshot's id, what is adopted.
    sa.Column("task", JSON, nullable=False),
)
sa.Index("ix_orchestration_stacks_project", stacks.c.project_id, stacks.c.sequence)

stack_tags = sa.Table(
    "orchestration_stack_tags",
    metadata,
    sa.Column("stack_id", sa.String(36), primary_key=True),
    sa.Column("tag", sa.String(80), primary_key=True, index=True),
)

resources = sa.Table(
    "orchestration_resources",
    metadata,
    _sequence(),
    sa.Column("id", sa.String(36), nullable=False, unique=True),
    sa.Column("stack_id", sa.String(36), nullable=False, index=True),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("type", sa.String(255), nullable=False),
    sa.Column("physical_id", sa.String(255), index=True),
    sa.Column("action", sa.String(16), nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("created_at", UTCDateTime),
    sa.Column("updated_at", UTCDateTime),
    sa.Column("metadata", JSON, nullable=False),
    # Properties as they were applied, and what its driver keeps, sealed.
    sa.Column("secret", sa.Text, nullable=False),
    sa.Column("requires", JSON, nullable=False),
    sa.Column("replaced_by", sa.String(36)),
    sa.Column("replaces", sa.String(36)),
    sa.Column("traversal", sa.String(36), nullable=False),
    sa.Column("attempt", sa.String(64), nullable=False),
)

events = sa.Table(
    "orchestration_events",
    metadata,
    _sequence(),
    sa.Column("id", sa.String(36), nullable=False, unique=True),
    sa.Column("stack_id", sa.String(36), nullable=False),
    sa.Column("root_id", sa.String(36), nullable=False, index=True),
    sa.Column("resource_name", sa.String(255), nullable=False),
    sa.Column("resource_type", sa.String(255), nullable=False),
    sa.Column("physical_id", sa.String(255)),
    sa.Column("action", sa.String(16), nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("created_at", UTCDateTime, nullable=False),
)
sa.Index("ix_orchestration_events_stack", events.c.stack_id, events.c.sequence)

snapshots = sa.Table(
    "orchestration_snapshots",
    metadata,
    _sequence(),
    sa.Column("id", sa.String(36), nullable=False, unique=True),
    sa.Column("stack_id", sa.String(36), nullable=False, index=True),
    sa.Column("name", sa.String(255)),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("created_at", UTCDateTime, nullable=False),
    # The stack as it was, as `stack abandon` tells it, sealed.
    sa.Column("data", sa.Text, nullable=False),
)

configs = sa.Table(
    "orchestration_software_configs",
    metadata,
    _sequence(),
    sa.Column("id", sa.String(36), nullable=False, unique=True),
    sa.Column("project_id", sa.String(64), nullable=False, index=True),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("group", sa.String(255), nullable=False),
    sa.Column("config", JSON, nullable=False),
    sa.Column("inputs", JSON, nullable=False),
    sa.Column("outputs", JSON, nullable=False),
    sa.Column("options", JSON, nullable=False),
    sa.Column("created_at", UTCDateTime, nullable=False),
)

deployments = sa.Table(
    "orchestration_software_deployments",
    metadata,
    _sequence(),
    sa.Column("id", sa.String(36), nullable=False, unique=True),
    sa.Column("project_id", sa.String(64), nullable=False, index=True),
    sa.Column("server_id", sa.String(36), nullable=False, index=True),
    sa.Column("config_id", sa.String(36), nullable=False, index=True),
    # The stack user's project where it has one: who may see it from within the guest.
    sa.Column("stack_user_project_id", sa.String(64)),
    sa.Column("action", sa.String(255)),
    sa.Column("status", sa.String(255)),
    sa.Column("status_reason", sa.Text),
    sa.Column("input_values", JSON, nullable=False),
    sa.Column("output_values", JSON),
    sa.Column("created_at", UTCDateTime, nullable=False),
    sa.Column("updated_at", UTCDateTime),
)

signals = sa.Table(
    "orchestration_signals",
    metadata,
    _sequence(),
    sa.Column("resource_id", sa.String(36), nullable=False, index=True),
    sa.Column("details", JSON, nullable=False),
)
