"""${message}"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import hanok.store.schema

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None
# contracts = "why": where this takes away what the version before still uses (see hanok.store.migrate)


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}
