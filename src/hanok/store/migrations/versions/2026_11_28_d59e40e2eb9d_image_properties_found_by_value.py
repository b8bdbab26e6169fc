"""image properties found by value"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = 'd59e40e2eb9d'
down_revision = '2cae8b31f34c'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('image_properties', schema=None) as batch_op:
        batch_op.add_column(sa.Column('value_start', sa.String(length=64), server_default='', nullable=False))
        batch_op.create_index('ix_image_properties_found', ['name', 'value_start'], unique=False)
    op.execute("UPDATE image_properties SET value_start = substr(value, 1, 64)")

    with op.batch_alter_table('images', schema=None) as batch_op:
        batch_op.create_index('ix_images_name', ['name'], unique=False)
