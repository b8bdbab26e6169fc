"""access rules in force"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import hanok.store.schema

revision = '03dce1930e4b'
down_revision = '3b48cde6daae'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('policy_texts',
    sa.Column('name', sa.String(length=64), nullable=False),
    sa.Column('text', sa.Text(), nullable=False),
    sa.Column('revision', sa.BigInteger(), nullable=False),
    sa.Column('edited_at', hanok.store.schema.UTCDateTime(), nullable=False),
    sa.Column('source', sa.String(length=64), nullable=False),
    sa.Column('problem', sa.Text(), nullable=True),
    sa.PrimaryKeyConstraint('name', name=op.f('pk_policy_texts'))
    )
