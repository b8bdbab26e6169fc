"""where ports are plugged in"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import hanok.store.schema

revision = 'e9b995d59f02'
down_revision = '222e8b0125d3'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('port_bindings',
    sa.Column('port_id', sa.String(length=36), nullable=False),
    sa.Column('host', sa.String(length=255), nullable=False),
    sa.Column('vnic_type', sa.String(length=32), nullable=False),
    sa.Column('profile', hanok.store.schema.JSON(), nullable=False),
    sa.Column('vif_type', sa.String(length=64), nullable=False),
    sa.Column('vif_details', hanok.store.schema.JSON(), nullable=False),
    sa.Column('status', sa.String(length=16), nullable=False),
    sa.ForeignKeyConstraint(['port_id'], ['ports.id'], name=op.f('fk_port_bindings_port_id_ports')),
    sa.PrimaryKeyConstraint('port_id', 'host', name=op.f('pk_port_bindings'))
    )
    with op.batch_alter_table('port_bindings', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_port_bindings_host'), ['host'], unique=False)
        batch_op.create_index('uq_port_bindings_active', ['port_id'], unique=True, sqlite_where=sa.text("status = 'ACTIVE'"), postgresql_where=sa.text("status = 'ACTIVE'"))

    # As drivers/ovn plugs them in; a port of no host is bound to none.
    op.get_bind().exec_driver_sql(
        "INSERT INTO port_bindings (port_id, host, vnic_type, profile, vif_type, vif_details, status) "
        "SELECT id, host, vnic_type, profile, CASE WHEN host = '' THEN 'unbound' ELSE 'ovs' END, "
        "CASE WHEN host = '' THEN '{}' ELSE '{\"port_filter\":true,\"connectivity\":\"l2\"}' END, 'ACTIVE' "
        "FROM ports"
    )
    with op.batch_alter_table('ports', schema=None) as batch_op:
        batch_op.drop_column('profile')
        batch_op.drop_column('vnic_type')
        batch_op.drop_column('host')

