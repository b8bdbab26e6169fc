"""The library's tables; they are nobody else's, so they have a catalog of their own."""

from __future__ import annotations

import sqlalchemy as sa

from hanok.store import UTCDateTime

metadata = sa.MetaData()

shelves = sa.Table(
    "library_shelves",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("project_id", sa.String(64), nullable=False, index=True),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("topic", sa.String(255), nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("created_at", UTCDateTime, nullable=False),
)
books = sa.Table(
    "library_books",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("shelf_id", sa.String(36), sa.ForeignKey(shelves.c.id), nullable=False),
    sa.Column("project_id", sa.String(64), nullable=False),
    sa.Column("title", sa.String(255), nullable=False),
    sa.Column("isbn", sa.String(13)),
    sa.Column("bound", sa.Boolean, nullable=False),
    sa.Column("created_at", UTCDateTime, nullable=False),
)
cards = sa.Table(
    "library_cards",
    metadata,
    sa.Column("user_id", sa.String(64), primary_key=True),
    sa.Column("created_at", UTCDateTime, nullable=False),
)
