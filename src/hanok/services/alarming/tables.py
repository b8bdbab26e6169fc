"""Alarms, what happened to them, what is to be done because of them, and how many a project may have."""

from __future__ import annotations

import sqlalchemy as sa

from hanok.store import JSON, UTCDateTime, metadata


def _number() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer, "sqlite")


alarms = sa.Table(
    "alarming_alarms",
    metadata,
    sa.Column("sequence", _number(), primary_key=True, autoincrement=True),
    sa.Column("alarm_id", sa.String(36), nullable=False, unique=True),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("description", sa.Text, nullable=False),
    sa.Column("enabled", sa.Boolean, nullable=False),
    sa.Column("type", sa.String(50), nullable=False),
    sa.Column("severity", sa.String(20), nullable=False),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("state_reason", sa.Text, nullable=False),
    sa.Column("state_timestamp", UTCDateTime, nullable=False),
    sa.Column("timestamp", UTCDateTime, nullable=False),
    sa.Column("evaluate_timestamp", UTCDateTime, nullable=False, index=True),
    sa.Column("user_id", sa.String(64), nullable=False),
    sa.Column("project_id", sa.String(64), nullable=False, index=True),
    sa.Column("repeat_actions", sa.Boolean, nullable=False),
    sa.Column("time_constraints", JSON, nullable=False),
    sa.Column("rule", JSON, nullable=False),
    sa.Column("ok_actions", JSON, nullable=False),
    sa.Column("alarm_actions", JSON, nullable=False),
    sa.Column("insufficient_data_actions", JSON, nullable=False),
    # Those of the actions that are addresses of this cloud itself.
    sa.Column("within", JSON, nullable=False),
    # In whose name addresses of this cloud are called (trust+http), sealed.
    sa.Column("lent", sa.Text, nullable=False),
    # How often an evaluation ended so, by state.
    sa.Column("evaluations", JSON, nullable=False),
    # Grows with each change by a user: an evaluation of what the alarm was before is not written.
    sa.Column("revision", sa.Integer, nullable=False),
)

changes = sa.Table(
    "alarming_changes",
    metadata,
    sa.Column("sequence", _number(), primary_key=True, autoincrement=True),
    sa.Column("event_id", sa.String(36), nullable=False, unique=True),
    sa.Column("alarm_id", sa.String(36), nullable=False, index=True),
    sa.Column("type", sa.String(20), nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Column("user_id", sa.String(64)),
    sa.Column("project_id", sa.String(64)),
    sa.Column("on_behalf_of", sa.String(64), nullable=False),
    sa.Column("timestamp", UTCDateTime, nullable=False),
    sa.Column("severity", sa.String(20), nullable=False),
)

# What is to be told to somebody; a row goes when it was, or when it has been tried for long enough.
notices = sa.Table(
    "alarming_notices",
    metadata,
    sa.Column("sequence", _number(), primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(36), nullable=False, unique=True),
    sa.Column("project_id", sa.String(64), nullable=False, index=True),
    sa.Column("alarm_id", sa.String(36), nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("payload", JSON, nullable=False),
    sa.Column("lent", sa.Text, nullable=False),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("due_at", UTCDateTime, nullable=False, index=True),
)

quotas = sa.Table(
    "alarming_quotas",
    metadata,
    sa.Column("project_id", sa.String(64), primary_key=True),
    sa.Column("limit", sa.Integer, nullable=False),
)
