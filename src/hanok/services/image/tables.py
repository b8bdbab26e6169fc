"""Image's tables."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from hanok.store import JSON, UTCDateTime, metadata

images = sa.Table(
    "images",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("name", sa.String(255)),
    sa.Column("owner", sa.String(255), nullable=False),
    # queued, saving, uploading, importing, active, deactivated
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
    # The store that an upload under way writes to.
    sa.Column("upload_store", sa.String(64)),
    # The task that imports into it: one at a time. What it still has to do, and what it could not do.
    sa.Column("import_task", sa.String(36)),
    sa.Column("importing_to", sa.Text),
    sa.Column("failed_import", sa.Text),
    # By which signature and certificate the data was last found to be signed (`signatures.mark`), or not to be
    # (`signatures.refused`).
    sa.Column("signed_as", sa.String(64)),
    sa.Index("ix_images_created", "created_at", "id"),
    sa.Index("ix_images_name", "name"),
    sa.Index("ix_images_owner", "owner"),
    sa.Index("ix_images_visibility", "visibility"),
)

image_properties = sa.Table(
    "image_properties",
    metadata,
    sa.Column("image_id", sa.String(36), primary_key=True),
    sa.Column("name", sa.String(255), primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
    # Values are found by how they begin: an index cannot hold a whole one on every database.
    sa.Column("value_start", sa.String(64), nullable=False, server_default=""),
    sa.Index("ix_image_properties_found", "name", "value_start"),
)
VALUE_START = 64

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

# Where an image's bytes are. In a store of ours: the object's key; on the web: the whole address.
image_locations = sa.Table(
    "image_locations",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("image_id", sa.String(36), nullable=False),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("store", sa.String(64), nullable=False),
    sa.Column("address", sa.String(1024), nullable=False),
    sa.Column("metadata", JSON, nullable=False),
    sa.UniqueConstraint("image_id", "store", "address"),
    sa.Index("ix_image_locations_address", "address"),
)

# Objects that nobody needs any more, to be freed in their stores.
image_trash = sa.Table(
    "image_trash",
    metadata,
    sa.Column("store", sa.String(64), primary_key=True),
    sa.Column("address", sa.String(1024), primary_key=True),
    sa.Column("created_at", UTCDateTime, nullable=False),
)

image_tasks = sa.Table(
    "image_tasks",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("type", sa.String(30), nullable=False),
    # pending, processing, success, failure
    sa.Column("status", sa.String(30), nullable=False),
    sa.Column("owner", sa.String(255), nullable=False),
    sa.Column("image_id", sa.String(36), index=True),
    sa.Column("request_id", sa.String(64)),
    sa.Column("user_id", sa.String(64)),
    sa.Column("input", JSON, nullable=False),
    sa.Column("result", JSON),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("expires_at", UTCDateTime),
    sa.Column("created_at", UTCDateTime, nullable=False),
    sa.Column("updated_at", UTCDateTime, nullable=False),
    sa.Index("ix_image_tasks_owner", "owner", "created_at"),
)

# Copies that control keeps of images whose stores are slow.
image_cache = sa.Table(
    "image_cache",
    metadata,
    sa.Column("image_id", sa.String(36), primary_key=True),
    sa.Column("status", sa.String(10), nullable=False),  # queued, cached
    sa.Column("queued_at", UTCDateTime, nullable=False),
    sa.Column("cached_at", UTCDateTime),
    sa.Column("last_accessed_at", UTCDateTime),
    sa.Column("hits", sa.Integer, nullable=False),
    sa.Column("size", sa.BigInteger),  # of a copy; a wish has none
)

# An id is never used twice, also after its image is gone [2015-019].
used_ids = sa.Table("image_used_ids", metadata, sa.Column("id", sa.String(36), primary_key=True))

# ---- metadata definitions ----

metadef_namespaces = sa.Table(
    "metadef_namespaces",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("namespace", sa.String(80), nullable=False, unique=True),
    sa.Column("display_name", sa.String(80)),
    sa.Column("description", sa.Text),
    sa.Column("visibility", sa.String(10), nullable=False),  # public, private
    sa.Column("protected", sa.Boolean, nullable=False),
    sa.Column("owner", sa.String(255), nullable=False),
    sa.Column("created_at", UTCDateTime, nullable=False),
    sa.Column("updated_at", UTCDateTime, nullable=False),
)

metadef_resource_types = sa.Table(
    "metadef_resource_types",
    metadata,
    sa.Column("name", sa.String(80), primary_key=True),
    sa.Column("created_at", UTCDateTime, nullable=False),
    sa.Column("updated_at", UTCDateTime, nullable=False),
)


def _inside(name: str) -> list[sa.Column[Any]]:
    """The columns of what belongs to a namespace and has a name there."""
    return [
        sa.Column(
            "namespace_id",
            sa.String(36),
            sa.ForeignKey("metadef_namespaces.id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column(name, sa.String(80), primary_key=True),
        sa.Column("created_at", UTCDateTime, nullable=False),
        sa.Column("updated_at", UTCDateTime, nullable=False),
    ]


metadef_associations = sa.Table(
    "metadef_associations",
    metadata,
    *_inside("name"),
    sa.Column("prefix", sa.String(80)),
    sa.Column("properties_target", sa.String(80)),
)

metadef_properties = sa.Table(
    "metadef_properties", metadata, *_inside("name"), sa.Column("definition", JSON, nullable=False)
)

metadef_objects = sa.Table(
    "metadef_objects",
    metadata,
    *_inside("name"),
    sa.Column("description", sa.Text),
    sa.Column("required", JSON),
    sa.Column("properties", JSON),
)

metadef_tags = sa.Table("metadef_tags", metadata, *_inside("name"))
