"""Image's tables."""

from __future__ import annotations

import sqlalchemy as sa

from hanok.store import UTCDateTime, metadata

images = sa.Table(
    "images",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("name", sa.String(255)),
    sa.Column("owner", sa.String(255), nullable=False),
    # queued, saving, active, deactivated, deleted
    sa.Column("status", sa.String(30), nullable=False),
    sa.Column("visibility", sa.String(9), nullable=False),
    sa.Column("protected", sa.Boolean, nullable=False),
    sa.Column("os_hidden", sa.Boolean, nullable=False),
    sa.Column("disk_format", sa.String(20)),
    sa.Column("container_format", sa.String(20)),
    sa.Column("size", sa.BigInteger),
    sa.Column("virtual_size", sa.BigInteger),
    sa.Column("checksum", sa.String(32)),
    sa.Column("os_hash_algo", sa.String(64)),
    sa.Column("os_hash_value", sa.String(128)),
    sa.Column("min_disk", sa.Integer, nullable=False),
    sa.Column("min_ram", sa.Integer, nullable=False),
    sa.Column("created_at", UTCDateTime, nullable=False),
    sa.Column("updated_at", UTCDateTime, nullable=False),
    # Raised by each upload that begins: an upload that lost its turn writes nothing.
    sa.Column("upload", sa.Integer, nullable=False, default=0),
    sa.Column("upload_seen_at", UTCDateTime),
    sa.Index("ix_images_created", "created_at", "id"),
    sa.Index("ix_images_owner", "owner"),
    sa.Index("ix_images_visibility", "visibility"),
)

image_properties = sa.Table(
    "image_properties",
    metadata,
    sa.Column("image_id", sa.String(36), primary_key=True),
    sa.Column("name", sa.String(255), primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)

image_tags = sa.Table(
    "image_tags",
    metadata,
    sa.Column("image_id", sa.String(36), primary_key=True),
    sa.Column("tag", sa.String(255), primary_key=True, index=True),
)

image_members = sa.Table(
    "image_members",
    metadata,
    sa.Column("image_id", sa.String(36), primary_key=True),
    sa.Column("member_id", sa.String(255), primary_key=True, index=True),
    sa.Column("status", sa.String(20), nullable=False),  # pending, accepted, rejected
    sa.Column("created_at", UTCDateTime, nullable=False),
    sa.Column("updated_at", UTCDateTime, nullable=False),
)

# An id is never used twice, also after its image is gone [2015-019].
used_ids = sa.Table("image_used_ids", metadata, sa.Column("id", sa.String(36), primary_key=True))
