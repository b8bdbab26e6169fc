"""trunks and what security groups begin with"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import hanok.store.schema

revision = '427e11033725'
down_revision = '25c38dcb26f4'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('network_auto_topologies',
    sa.Column('project_id', sa.String(length=255), nullable=False),
    sa.Column('network_id', sa.String(length=36), nullable=False),
    sa.Column('router_id', sa.String(length=36), nullable=False),
    sa.PrimaryKeyConstraint('project_id', name=op.f('pk_network_auto_topologies'))
    )
    op.create_table('default_security_group_rules',
    sa.Column('id', sa.String(length=36), nullable=False),
    sa.Column('project_id', sa.String(length=255), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('description', sa.String(length=255), nullable=False),
    sa.Column('revision_number', sa.BigInteger(), nullable=False),
    sa.Column('created_at', hanok.store.schema.UTCDateTime(), nullable=False),
    sa.Column('updated_at', hanok.store.schema.UTCDateTime(), nullable=False),
    sa.Column('direction', sa.String(length=8), nullable=False),
    sa.Column('ethertype', sa.String(length=8), nullable=False),
    sa.Column('protocol', sa.String(length=40), nullable=True),
    sa.Column('port_range_min', sa.Integer(), nullable=True),
    sa.Column('port_range_max', sa.Integer(), nullable=True),
    sa.Column('remote_ip_prefix', sa.String(length=64), nullable=True),
    sa.Column('remote_group_id', sa.String(length=36), nullable=True),
    sa.Column('used_in_default_sg', sa.Boolean(), nullable=False),
    sa.Column('used_in_non_default_sg', sa.Boolean(), nullable=False),
    sa.Column('withdrawn', sa.Boolean(), nullable=False),
    sa.Column('canonical', sa.String(length=255), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_default_security_group_rules')),
    sa.UniqueConstraint('canonical', name=op.f('uq_default_security_group_rules_canonical'))
    )
    with op.batch_alter_table('default_security_group_rules', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_default_security_group_rules_project_id'), ['project_id'], unique=False)

    op.create_table('security_group_default_statefulness',
    sa.Column('id', sa.String(length=36), nullable=False),
    sa.Column('project_id', sa.String(length=255), nullable=False),
    sa.Column('stateful', sa.Boolean(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_security_group_default_statefulness')),
    sa.UniqueConstraint('project_id', name=op.f('uq_security_group_default_statefulness_project_id'))
    )
    op.create_table('trunks',
    sa.Column('id', sa.String(length=36), nullable=False),
    sa.Column('project_id', sa.String(length=255), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('description', sa.String(length=255), nullable=False),
    sa.Column('revision_number', sa.BigInteger(), nullable=False),
    sa.Column('created_at', hanok.store.schema.UTCDateTime(), nullable=False),
    sa.Column('updated_at', hanok.store.schema.UTCDateTime(), nullable=False),
    sa.Column('port_id', sa.String(length=36), nullable=False),
    sa.Column('admin_state_up', sa.Boolean(), nullable=False),
    sa.ForeignKeyConstraint(['port_id'], ['ports.id'], name=op.f('fk_trunks_port_id_ports')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_trunks')),
    sa.UniqueConstraint('port_id', name=op.f('uq_trunks_port_id'))
    )
    with op.batch_alter_table('trunks', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_trunks_project_id'), ['project_id'], unique=False)

    op.create_table('trunk_subports',
    sa.Column('port_id', sa.String(length=36), nullable=False),
    sa.Column('trunk_id', sa.String(length=36), nullable=False),
    sa.Column('segmentation_type', sa.String(length=16), nullable=False),
    sa.Column('segmentation_id', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['port_id'], ['ports.id'], name=op.f('fk_trunk_subports_port_id_ports')),
    sa.ForeignKeyConstraint(['trunk_id'], ['trunks.id'], name=op.f('fk_trunk_subports_trunk_id_trunks')),
    sa.PrimaryKeyConstraint('port_id', name=op.f('pk_trunk_subports')),
    sa.UniqueConstraint('trunk_id', 'segmentation_type', 'segmentation_id', name=op.f('uq_trunk_subports_trunk_id_segmentation_type_segmentation_id'))
    )
    with op.batch_alter_table('security_groups', schema=None) as batch_op:
        batch_op.add_column(sa.Column('stateful', sa.Boolean(), server_default=sa.true(), nullable=False))
