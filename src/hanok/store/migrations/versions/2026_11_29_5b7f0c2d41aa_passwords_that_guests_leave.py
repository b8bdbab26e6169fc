"""passwords that guests leave"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = '5b7f0c2d41aa'
down_revision = '889fbe9866b9'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('compute_server_passwords',
    sa.Column('server_id', sa.String(length=36), nullable=False),
    sa.Column('password', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['server_id'], ['servers.id'], name=op.f('fk_compute_server_passwords_server_id_servers')),
    sa.PrimaryKeyConstraint('server_id', name=op.f('pk_compute_server_passwords'))
    )
