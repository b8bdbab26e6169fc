"""Operations, their steps, and debts."""

from __future__ import annotations

import sqlalchemy as sa

from hanok.store import JSON, UTCDateTime, metadata

operations = sa.Table(
    "operations",
    metadata,
    sa.Column("sequence", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("id", sa.String(36), nullable=False, unique=True),
    sa.Column("kind", sa.String(64), nullable=False),
    sa.Column("resource", sa.String(100), nullable=False),
    sa.Column("arguments", JSON, nullable=False),
    # waiting, running, undoing, done, failed, cancelled
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("active", sa.Boolean, nullable=False),
    sa.Column("step", sa.Integer, nullable=False, default=0),
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    sa.Column("cancelled", sa.Boolean, nullable=False, default=False),
    sa.Column("error", sa.Text),
    sa.Column("error_detail", sa.Text),
    sa.Column("failed_step", sa.String(64)),
    sa.Column("taking", sa.Integer, nullable=False, default=0),
    sa.Column("worker", sa.String(64)),
    sa.Column("lease_until", UTCDateTime),
    sa.Column("not_before", UTCDateTime),
    sa.Column("request_id", sa.String(64), nullable=False),
    sa.Column("user_id", sa.String(64)),
    sa.Column("project_id", sa.String(64)),
    sa.Column("started_at", UTCDateTime, nullable=False),
    sa.Column("finished_at", UTCDateTime),
    sa.Index("ix_operations_resource", "resource", "sequence"),
    sa.Index("ix_operations_active", "active", "sequence"),
)

steps = sa.Table(
    "operation_steps",
    metadata,
    sa.Column("operation_id", sa.String(36), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(64), nullable=False),
    # running, done, failed, undoing, undone
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("started_at", UTCDateTime, nullable=False),
    sa.Column("finished_at", UTCDateTime),
    sa.Column("host", sa.String(255)),
    sa.Column("error", sa.Text),
    sa.Column("result", sa.LargeBinary),
)

debts = sa.Table(
    "debts",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("host", sa.String(255), nullable=False, index=True),
    sa.Column("command", sa.LargeBinary, nullable=False),
    sa.Column("created_at", UTCDateTime, nullable=False),
)
