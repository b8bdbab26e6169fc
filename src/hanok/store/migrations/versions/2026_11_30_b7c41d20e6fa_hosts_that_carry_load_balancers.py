"""hosts that carry load balancers"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import hanok.store.schema

revision = 'b7c41d20e6fa'
down_revision = '8f2348e46124'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('lb_load_balancers', schema=None) as batch_op:
        batch_op.add_column(sa.Column('host', sa.String(255), nullable=True))
        batch_op.add_column(sa.Column('generation', sa.Integer(), server_default='0', nullable=False))
        batch_op.create_index(batch_op.f('ix_lb_load_balancers_host'), ['host'], unique=False)
