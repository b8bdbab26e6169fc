"""Operations, their steps, debts, and who runs which loop."""

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
    # The position, among its step rows, of the step that runs or is being undone.
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
    # The operation whose step started this one, and that step's name.
    sa.Column("parent", sa.String(36), index=True),
    sa.Column("parent_step", sa.String(64)),
    # Which workers may take it: "any", "host:<name>" (a few of a host at a time), "controller:<name>".
    sa.Column("queue", sa.String(300), nullable=False, server_default="any"),
    # Whose slots it takes: "quick", or "transfer" for what waits on far ends and disks.
    sa.Column("pool", sa.String(16), nullable=False, server_default="quick"),
    sa.Column("deadline_at", UTCDateTime),
    sa.Column("step_deadline_at", UTCDateTime),
    sa.Column("progress", sa.Integer),  # per cent
    # What it waits for without a slot: in the user's words, and as the topic of the news that ends the waiting.
    sa.Column("waits_for", sa.Text),
    sa.Column("waits_on", sa.String(255), index=True),
    sa.Column("stuck_since", UTCDateTime),
    sa.Column("stuck_why", sa.Text),
    sa.Index("ix_operations_resource", "resource", "sequence"),
    sa.Index("ix_operations_active", "active", "sequence"),
    sa.Index("ix_operations_shares", "active", "pool", "project_id"),
)

steps = sa.Table(
    "operation_steps",
    metadata,
    sa.Column("operation_id", sa.String(36), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(64), nullable=False),
    # running, done, failed, undone
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
    sa.Column("error", sa.Text),  # what the host said when it last refused to pay
)

leases = sa.Table(
    "leases",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("holder", sa.String(64), nullable=False),
    sa.Column("until", UTCDateTime, nullable=False),
)
