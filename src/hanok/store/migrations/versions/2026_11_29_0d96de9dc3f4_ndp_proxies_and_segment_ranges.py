"""ndp proxies segments and ranges of them"""

from __future__ import annotations

import uuid

import sqlalchemy as sa
from alembic import op

import hanok.store.schema

revision = '0d96de9dc3f4'
down_revision = 'a48ee88210c4'
branch_labels = None
depends_on = None


NAMESPACE = uuid.UUID("3c0b7d1e-6a52-4c1e-8a0e-5b3f0f8b9a33")


def upgrade() -> None:
    op.create_table('network_segments',
    sa.Column('id', sa.String(length=36), nullable=False),
    sa.Column('network_id', sa.String(length=36), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('description', sa.String(length=255), nullable=False),
    sa.Column('revision_number', sa.BigInteger(), nullable=False),
    sa.Column('created_at', hanok.store.schema.UTCDateTime(), nullable=False),
    sa.Column('updated_at', hanok.store.schema.UTCDateTime(), nullable=False),
    sa.ForeignKeyConstraint(['network_id'], ['networks.id'], name=op.f('fk_network_segments_network_id_networks')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_network_segments')),
    sa.UniqueConstraint('network_id', name=op.f('uq_network_segments_network_id'))
    )
    _segments_of_networks()
    op.create_table('network_segment_ranges',
    sa.Column('id', sa.String(length=36), nullable=False),
    sa.Column('project_id', sa.String(length=255), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('description', sa.String(length=255), nullable=False),
    sa.Column('revision_number', sa.BigInteger(), nullable=False),
    sa.Column('created_at', hanok.store.schema.UTCDateTime(), nullable=False),
    sa.Column('updated_at', hanok.store.schema.UTCDateTime(), nullable=False),
    sa.Column('default', sa.Boolean(), nullable=False),
    sa.Column('shared', sa.Boolean(), nullable=False),
    sa.Column('network_type', sa.String(length=32), nullable=False),
    sa.Column('physical_network', sa.String(length=64), nullable=True),
    sa.Column('minimum', sa.Integer(), nullable=False),
    sa.Column('maximum', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_network_segment_ranges'))
    )
    with op.batch_alter_table('network_segment_ranges', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_network_segment_ranges_project_id'), ['project_id'], unique=False)

    op.create_table('ndp_proxies',
    sa.Column('id', sa.String(length=36), nullable=False),
    sa.Column('project_id', sa.String(length=255), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('description', sa.String(length=255), nullable=False),
    sa.Column('revision_number', sa.BigInteger(), nullable=False),
    sa.Column('created_at', hanok.store.schema.UTCDateTime(), nullable=False),
    sa.Column('updated_at', hanok.store.schema.UTCDateTime(), nullable=False),
    sa.Column('router_id', sa.String(length=36), nullable=False),
    sa.Column('port_id', sa.String(length=36), nullable=False),
    sa.Column('ip_address', sa.String(length=64), nullable=False),
    sa.ForeignKeyConstraint(['port_id'], ['ports.id'], name=op.f('fk_ndp_proxies_port_id_ports')),
    sa.ForeignKeyConstraint(['router_id'], ['routers.id'], name=op.f('fk_ndp_proxies_router_id_routers')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_ndp_proxies')),
    sa.UniqueConstraint('router_id', 'ip_address', name=op.f('uq_ndp_proxies_router_id_ip_address'))
    )
    with op.batch_alter_table('ndp_proxies', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_ndp_proxies_port_id'), ['port_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_ndp_proxies_project_id'), ['project_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_ndp_proxies_router_id'), ['router_id'], unique=False)

    with op.batch_alter_table('routers', schema=None) as batch_op:
        batch_op.add_column(sa.Column('ndp_proxy', sa.Boolean(), server_default=sa.false(), nullable=False))


def _segments_of_networks() -> None:
    """Each network that is there gets its segment."""
    networks, segments = (
        sa.table(name, *(sa.column(one) for one in columns))
        for name, columns in (
            ('networks', ('id', 'created_at', 'updated_at')),
            (
                'network_segments',
                ('id', 'network_id', 'name', 'description', 'revision_number', 'created_at', 'updated_at'),
            ),
        )
    )
    rows = op.get_bind().execute(sa.select(networks)).all()
    new = [
        {
            'id': str(uuid.uuid5(NAMESPACE, row.id)),
            'network_id': row.id,
            'name': '',
            'description': '',
            'revision_number': 1,
            'created_at': row.created_at,
            'updated_at': row.updated_at,
        }
        for row in rows
    ]
    if new:
        op.get_bind().execute(segments.insert(), new)
