"""keys in rows"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import hanok.store.schema

revision = '3b48cde6daae'
down_revision = '4b4216c0f50e'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('sealing_keys',
    sa.Column('purpose', sa.String(length=16), nullable=False),
    sa.Column('number', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('sealed', sa.Text(), nullable=False),
    sa.Column('made_at', hanok.store.schema.UTCDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('purpose', 'number', name=op.f('pk_sealing_keys'))
    )
