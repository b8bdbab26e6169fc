"""Limits that operators have set."""

from __future__ import annotations

import sqlalchemy as sa

from hanok.store import metadata

own_limits = sa.Table(
    "own_limits",
    metadata,
    sa.Column("service", sa.String(32), primary_key=True),
    sa.Column("owner", sa.String(255), primary_key=True),  # a project, or DEFAULTS
    sa.Column("resource", sa.String(255), primary_key=True),
    sa.Column("maximum", sa.BigInteger, nullable=False),
)
