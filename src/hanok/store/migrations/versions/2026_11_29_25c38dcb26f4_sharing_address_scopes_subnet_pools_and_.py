"""sharing, address scopes, subnet pools and address groups"""

from __future__ import annotations

import uuid

import sqlalchemy as sa
from alembic import op

import hanok.store.schema

revision = '25c38dcb26f4'
down_revision = 'c7712bb17bb3'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('address_groups',
    sa.Column('id', sa.String(length=36), nullable=False),
    sa.Column('project_id', sa.String(length=255), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('description', sa.String(length=255), nullable=False),
    sa.Column('revision_number', sa.BigInteger(), nullable=False),
    sa.Column('created_at', hanok.store.schema.UTCDateTime(), nullable=False),
    sa.Column('updated_at', hanok.store.schema.UTCDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_address_groups'))
    )
    with op.batch_alter_table('address_groups', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_address_groups_project_id'), ['project_id'], unique=False)

    op.create_table('address_scopes',
    sa.Column('id', sa.String(length=36), nullable=False),
    sa.Column('project_id', sa.String(length=255), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('ip_version', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_address_scopes'))
    )
    with op.batch_alter_table('address_scopes', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_address_scopes_project_id'), ['project_id'], unique=False)

    op.create_table('qos_policies',
    sa.Column('id', sa.String(length=36), nullable=False),
    sa.Column('project_id', sa.String(length=255), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('description', sa.String(length=255), nullable=False),
    sa.Column('revision_number', sa.BigInteger(), nullable=False),
    sa.Column('created_at', hanok.store.schema.UTCDateTime(), nullable=False),
    sa.Column('updated_at', hanok.store.schema.UTCDateTime(), nullable=False),
    sa.Column('is_default', sa.Boolean(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_qos_policies'))
    )
    with op.batch_alter_table('qos_policies', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_qos_policies_project_id'), ['project_id'], unique=False)

    op.create_table('rbac_policies',
    sa.Column('id', sa.String(length=36), nullable=False),
    sa.Column('project_id', sa.String(length=255), nullable=False),
    sa.Column('object_type', sa.String(length=32), nullable=False),
    sa.Column('object_id', sa.String(length=36), nullable=False),
    sa.Column('action', sa.String(length=32), nullable=False),
    sa.Column('target_project', sa.String(length=255), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_rbac_policies')),
    sa.UniqueConstraint('object_id', 'action', 'target_project', name=op.f('uq_rbac_policies_object_id_action_target_project'))
    )
    with op.batch_alter_table('rbac_policies', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_rbac_policies_object_type_target_project'), ['object_type', 'target_project'], unique=False)
        batch_op.create_index(batch_op.f('ix_rbac_policies_project_id'), ['project_id'], unique=False)

    op.create_table('address_group_members',
    sa.Column('address_group_id', sa.String(length=36), nullable=False),
    sa.Column('address', sa.String(length=64), nullable=False),
    sa.ForeignKeyConstraint(['address_group_id'], ['address_groups.id'], name=op.f('fk_address_group_members_address_group_id_address_groups')),
    sa.PrimaryKeyConstraint('address_group_id', 'address', name=op.f('pk_address_group_members'))
    )
    op.create_table('qos_rules',
    sa.Column('id', sa.String(length=36), nullable=False),
    sa.Column('policy_id', sa.String(length=36), nullable=False),
    sa.Column('type', sa.String(length=32), nullable=False),
    sa.Column('direction', sa.String(length=8), nullable=False),
    sa.Column('max_kbps', sa.Integer(), nullable=True),
    sa.Column('max_burst_kbps', sa.Integer(), nullable=True),
    sa.Column('dscp_mark', sa.Integer(), nullable=True),
    sa.ForeignKeyConstraint(['policy_id'], ['qos_policies.id'], name=op.f('fk_qos_rules_policy_id_qos_policies')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_qos_rules')),
    sa.UniqueConstraint('policy_id', 'type', 'direction', name=op.f('uq_qos_rules_policy_id_type_direction'))
    )
    op.create_table('subnet_pools',
    sa.Column('id', sa.String(length=36), nullable=False),
    sa.Column('project_id', sa.String(length=255), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('description', sa.String(length=255), nullable=False),
    sa.Column('revision_number', sa.BigInteger(), nullable=False),
    sa.Column('created_at', hanok.store.schema.UTCDateTime(), nullable=False),
    sa.Column('updated_at', hanok.store.schema.UTCDateTime(), nullable=False),
    sa.Column('ip_version', sa.Integer(), nullable=False),
    sa.Column('prefixes', hanok.store.schema.JSON(), nullable=False),
    sa.Column('min_prefixlen', sa.Integer(), nullable=False),
    sa.Column('max_prefixlen', sa.Integer(), nullable=False),
    sa.Column('default_prefixlen', sa.Integer(), nullable=False),
    sa.Column('default_quota', sa.Integer(), nullable=True),
    sa.Column('address_scope_id', sa.String(length=36), nullable=True),
    sa.Column('is_default', sa.Boolean(), nullable=False),
    sa.ForeignKeyConstraint(['address_scope_id'], ['address_scopes.id'], name=op.f('fk_subnet_pools_address_scope_id_address_scopes')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_subnet_pools'))
    )
    with op.batch_alter_table('subnet_pools', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_subnet_pools_address_scope_id'), ['address_scope_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_subnet_pools_project_id'), ['project_id'], unique=False)

    op.create_table('port_forwardings',
    sa.Column('id', sa.String(length=36), nullable=False),
    sa.Column('project_id', sa.String(length=255), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('description', sa.String(length=255), nullable=False),
    sa.Column('revision_number', sa.BigInteger(), nullable=False),
    sa.Column('created_at', hanok.store.schema.UTCDateTime(), nullable=False),
    sa.Column('updated_at', hanok.store.schema.UTCDateTime(), nullable=False),
    sa.Column('floating_ip_id', sa.String(length=36), nullable=False),
    sa.Column('protocol', sa.String(length=8), nullable=False),
    sa.Column('external_first', sa.Integer(), nullable=False),
    sa.Column('external_last', sa.Integer(), nullable=False),
    sa.Column('internal_port_id', sa.String(length=36), nullable=False),
    sa.Column('internal_ip_address', sa.String(length=64), nullable=False),
    sa.Column('internal_first', sa.Integer(), nullable=False),
    sa.Column('internal_last', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['floating_ip_id'], ['floating_ips.id'], name=op.f('fk_port_forwardings_floating_ip_id_floating_ips')),
    sa.ForeignKeyConstraint(['internal_port_id'], ['ports.id'], name=op.f('fk_port_forwardings_internal_port_id_ports')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_port_forwardings'))
    )
    with op.batch_alter_table('port_forwardings', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_port_forwardings_floating_ip_id'), ['floating_ip_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_port_forwardings_internal_port_id'), ['internal_port_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_port_forwardings_project_id'), ['project_id'], unique=False)

    with op.batch_alter_table('floating_ips', schema=None) as batch_op:
        batch_op.add_column(sa.Column('qos_policy_id', sa.String(length=36), nullable=True))
        batch_op.create_index(batch_op.f('ix_floating_ips_qos_policy_id'), ['qos_policy_id'], unique=False)
        batch_op.create_foreign_key(batch_op.f('fk_floating_ips_qos_policy_id_qos_policies'), 'qos_policies', ['qos_policy_id'], ['id'])

    with op.batch_alter_table('networks', schema=None) as batch_op:
        batch_op.add_column(sa.Column('qos_policy_id', sa.String(length=36), nullable=True))
        batch_op.create_index(batch_op.f('ix_networks_qos_policy_id'), ['qos_policy_id'], unique=False)
        batch_op.create_foreign_key(batch_op.f('fk_networks_qos_policy_id_qos_policies'), 'qos_policies', ['qos_policy_id'], ['id'])
        batch_op.drop_column('shared')

    with op.batch_alter_table('ports', schema=None) as batch_op:
        batch_op.add_column(sa.Column('qos_policy_id', sa.String(length=36), nullable=True))
        batch_op.create_index(batch_op.f('ix_ports_qos_policy_id'), ['qos_policy_id'], unique=False)
        batch_op.create_foreign_key(batch_op.f('fk_ports_qos_policy_id_qos_policies'), 'qos_policies', ['qos_policy_id'], ['id'])

    with op.batch_alter_table('routers', schema=None) as batch_op:
        batch_op.add_column(sa.Column('gateway_qos_policy_id', sa.String(length=36), nullable=True))
        batch_op.create_index(batch_op.f('ix_routers_gateway_qos_policy_id'), ['gateway_qos_policy_id'], unique=False)
        batch_op.create_foreign_key(batch_op.f('fk_routers_gateway_qos_policy_id_qos_policies'), 'qos_policies', ['gateway_qos_policy_id'], ['id'])

    with op.batch_alter_table('security_group_rules', schema=None) as batch_op:
        batch_op.add_column(sa.Column('remote_address_group_id', sa.String(length=36), nullable=True))
        batch_op.create_index(batch_op.f('ix_security_group_rules_remote_address_group_id'), ['remote_address_group_id'], unique=False)
        batch_op.create_foreign_key(batch_op.f('fk_security_group_rules_remote_address_group_id_address_groups'), 'address_groups', ['remote_address_group_id'], ['id'])

    with op.batch_alter_table('subnets', schema=None) as batch_op:
        batch_op.add_column(sa.Column('subnetpool_id', sa.String(length=36), nullable=True))
        batch_op.create_index(batch_op.f('ix_subnets_subnetpool_id'), ['subnetpool_id'], unique=False)
        batch_op.create_foreign_key(batch_op.f('fk_subnets_subnetpool_id_subnet_pools'), 'subnet_pools', ['subnetpool_id'], ['id'])

