"""hosts that servers move between"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import hanok.store.schema

revision = '4b4216c0f50e'
down_revision = 'e9b995d59f02'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('server_bindings',
    sa.Column('server_id', sa.String(length=36), nullable=False),
    sa.Column('host', sa.String(length=255), nullable=False),
    sa.Column('node', sa.String(length=255), nullable=False),
    sa.Column('state', sa.String(length=16), nullable=False),
    sa.ForeignKeyConstraint(['server_id'], ['servers.id'], name=op.f('fk_server_bindings_server_id_servers')),
    sa.PrimaryKeyConstraint('server_id', 'host', name=op.f('pk_server_bindings'))
    )
    with op.batch_alter_table('server_bindings', schema=None) as batch_op:
        batch_op.create_index('uq_server_bindings_incoming', ['server_id'], unique=True, sqlite_where=sa.text("state = 'incoming'"), postgresql_where=sa.text("state = 'incoming'"))

