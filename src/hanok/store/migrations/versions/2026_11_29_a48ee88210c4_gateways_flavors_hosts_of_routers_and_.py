"""gateways flavors hosts of routers and logs"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import hanok.store.schema

revision = 'a48ee88210c4'
down_revision = '6daba73fd401'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('network_flavors',
    sa.Column('id', sa.String(length=36), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('description', sa.String(length=1024), nullable=False),
    sa.Column('service_type', sa.String(length=36), nullable=False),
    sa.Column('enabled', sa.Boolean(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_network_flavors'))
    )
    op.create_table('network_logs',
    sa.Column('id', sa.String(length=36), nullable=False),
    sa.Column('project_id', sa.String(length=255), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('description', sa.String(length=255), nullable=False),
    sa.Column('revision_number', sa.BigInteger(), nullable=False),
    sa.Column('created_at', hanok.store.schema.UTCDateTime(), nullable=False),
    sa.Column('updated_at', hanok.store.schema.UTCDateTime(), nullable=False),
    sa.Column('resource_type', sa.String(length=36), nullable=False),
    sa.Column('resource_id', sa.String(length=36), nullable=True),
    sa.Column('target_id', sa.String(length=36), nullable=True),
    sa.Column('event', sa.String(length=8), nullable=False),
    sa.Column('enabled', sa.Boolean(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_network_logs'))
    )
    with op.batch_alter_table('network_logs', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_network_logs_project_id'), ['project_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_network_logs_resource_id'), ['resource_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_network_logs_target_id'), ['target_id'], unique=False)

    op.create_table('service_profiles',
    sa.Column('id', sa.String(length=36), nullable=False),
    sa.Column('description', sa.String(length=1024), nullable=False),
    sa.Column('driver', sa.String(length=1024), nullable=False),
    sa.Column('metainfo', sa.Text(), nullable=False),
    sa.Column('enabled', sa.Boolean(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_service_profiles'))
    )
    op.create_table('network_flavor_profiles',
    sa.Column('flavor_id', sa.String(length=36), nullable=False),
    sa.Column('service_profile_id', sa.String(length=36), nullable=False),
    sa.ForeignKeyConstraint(['flavor_id'], ['network_flavors.id'], name=op.f('fk_network_flavor_profiles_flavor_id_network_flavors')),
    sa.ForeignKeyConstraint(['service_profile_id'], ['service_profiles.id'], name=op.f('fk_network_flavor_profiles_service_profile_id_service_profiles')),
    sa.PrimaryKeyConstraint('flavor_id', 'service_profile_id', name=op.f('pk_network_flavor_profiles'))
    )
    with op.batch_alter_table('network_flavor_profiles', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_network_flavor_profiles_service_profile_id'), ['service_profile_id'], unique=False)

    op.create_table('router_gateways',
    sa.Column('port_id', sa.String(length=36), nullable=False),
    sa.Column('router_id', sa.String(length=36), nullable=False),
    sa.Column('network_id', sa.String(length=36), nullable=False),
    sa.Column('enable_snat', sa.Boolean(), nullable=False),
    sa.Column('qos_policy_id', sa.String(length=36), nullable=True),
    sa.Column('position', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['port_id'], ['ports.id'], name=op.f('fk_router_gateways_port_id_ports')),
    sa.ForeignKeyConstraint(['qos_policy_id'], ['qos_policies.id'], name=op.f('fk_router_gateways_qos_policy_id_qos_policies')),
    sa.ForeignKeyConstraint(['router_id'], ['routers.id'], name=op.f('fk_router_gateways_router_id_routers')),
    sa.PrimaryKeyConstraint('port_id', name=op.f('pk_router_gateways'))
    )
    with op.batch_alter_table('router_gateways', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_router_gateways_network_id'), ['network_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_router_gateways_qos_policy_id'), ['qos_policy_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_router_gateways_router_id'), ['router_id'], unique=False)

    op.create_table('router_hosts',
    sa.Column('router_id', sa.String(length=36), nullable=False),
    sa.Column('host', sa.String(length=255), nullable=False),
    sa.Column('priority', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['router_id'], ['routers.id'], name=op.f('fk_router_hosts_router_id_routers')),
    sa.PrimaryKeyConstraint('router_id', 'host', name=op.f('pk_router_hosts')),
    sa.UniqueConstraint('router_id', 'priority', name=op.f('uq_router_hosts_router_id_priority'))
    )
    with op.batch_alter_table('router_hosts', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_router_hosts_host'), ['host'], unique=False)

    with op.batch_alter_table('routers', schema=None) as batch_op:
        batch_op.add_column(sa.Column('flavor_id', sa.String(length=36), nullable=True))
        batch_op.add_column(sa.Column('default_route_ecmp', sa.Boolean(), server_default=sa.false(), nullable=False))
        batch_op.add_column(sa.Column('default_route_bfd', sa.Boolean(), server_default=sa.false(), nullable=False))
        batch_op.create_index(batch_op.f('ix_routers_flavor_id'), ['flavor_id'], unique=False)
        batch_op.create_foreign_key(batch_op.f('fk_routers_flavor_id_network_flavors'), 'network_flavors', ['flavor_id'], ['id'])

