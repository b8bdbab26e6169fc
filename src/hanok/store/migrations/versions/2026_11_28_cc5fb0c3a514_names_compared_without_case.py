"""names compared without case

Names that differ in the case of letters alone, made before, stay: the oldest has the key by which any spelling finds it,
each other one a key of its own that no spelling gives, and is found by its exact name. The log names them.
"""

from __future__ import annotations

import logging

import sqlalchemy as sa
from alembic import op

revision = 'cc5fb0c3a514'
down_revision = 'd59e40e2eb9d'
branch_labels = None
depends_on = None

log = logging.getLogger(__name__)
LENGTH = 1024
TABLES = {  # and within what a name is unique
    'application_credentials': 'user_id',
    'groups': 'domain_id',
    'projects': 'name_scope',
    'roles': 'domain_id',
    'users': 'domain_id',
}


def upgrade() -> None:
    for table, scope in TABLES.items():
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.add_column(
                sa.Column('name_key', sa.String(length=LENGTH), server_default='', nullable=False)
            )
        _fill(table, scope)
        op.create_index(f'ix_{table}_name', table, ['name'], unique=False)
        op.create_index(f'ux_{table}_name_key', table, ['name_key', scope], unique=True)


def _fill(name: str, scope: str) -> None:
    connection = op.get_bind()
    columns: list[sa.ColumnClause[object]] = [sa.column(one) for one in ('id', 'name', 'name_key', scope)]
    if name == 'users':
        columns.append(sa.column('created_at'))
    table = sa.table(name, *columns)
    rows = connection.execute(sa.select(table)).all()
    # Older ones first; what the cloud began with has a name for its id.
    rows = sorted(rows, key=lambda row: (row.id != 'default', getattr(row, 'created_at', 0) or 0, row.id))
    first: dict[tuple[str, str], str] = {}
    changes = []
    for row in rows:
        key = row.name.casefold()
        other = first.setdefault((getattr(row, scope), key), row.name)
        if other != row.name:
            log.warning(
                'Two %s differ in the case of their names alone: %s and %s (%s). Both stay; %s is found by its exact '
                'name only. Rename one.', name, other, row.name, row.id, row.name,
            )
            key = f'{key}\n{row.id}'[-LENGTH:]
        changes.append({'its_id': row.id, 'key': key})
    if changes:
        change = table.update().where(table.c.id == sa.bindparam('its_id'))
        connection.execute(change.values(name_key=sa.bindparam('key')), changes)
