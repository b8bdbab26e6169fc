"""ports found by network and role"""

from __future__ import annotations

from alembic import op

revision = '29a7e8a444a9'
down_revision = '427e11033725'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('ports', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_ports_network_id_role'), ['network_id', 'role'], unique=False)
