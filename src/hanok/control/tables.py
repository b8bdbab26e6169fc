"""Which services an operator has switched off at run time."""

from __future__ import annotations

import sqlalchemy as sa

from hanok.store import UTCDateTime, metadata

switches = sa.Table(
    "switches",
    metadata,
    sa.Column("service", sa.String(64), primary_key=True),
    sa.Column("on", sa.Boolean, nullable=False),
    sa.Column("changed_at", UTCDateTime, nullable=False),
)
