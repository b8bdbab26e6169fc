"""What operators want of the house: which services are on, and which access rules are in force."""

from __future__ import annotations

import sqlalchemy as sa

from hanok.store import UTCDateTime, metadata

# What operators' files of access rules say, by the file's name without its ending ("policy", "compute").
policy_texts = sa.Table(
    "policy_texts",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Column("edited_at", UTCDateTime, nullable=False),
    sa.Column("source", sa.String(64), nullable=False),  # the control process that saw the edit
    sa.Column("problem", sa.Text),  # why the last edit is not in force
)

switches = sa.Table(
    "switches",
    metadata,
    sa.Column("service", sa.String(64), primary_key=True),
    sa.Column("on", sa.Boolean, nullable=False),
    sa.Column("changed_at", UTCDateTime, nullable=False),
)
