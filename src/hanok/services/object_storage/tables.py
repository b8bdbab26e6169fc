"""Object storage's tables. Times are microseconds since 1970: they are shown and compared as numbers."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from hanok.store import JSON, metadata

# Names are in the order of their bytes of UTF-8 on every database.
Name = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
Key = sa.BigInteger().with_variant(sa.Integer, "sqlite")

object_accounts = sa.Table(
    "object_accounts",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),  # the project's
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Column("metadata", JSON, nullable=False),  # by header in small letters
    sa.Column("containers", sa.BigInteger, nullable=False),
    sa.Column("objects", sa.BigInteger, nullable=False),
    sa.Column("bytes", sa.BigInteger, nullable=False),
)

object_containers = sa.Table(
    "object_containers",
    metadata,
    sa.Column("id", Key, primary_key=True),
    sa.Column("account", sa.String(64), nullable=False),
    sa.Column("name", Name, nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Column("changed_us", sa.BigInteger, nullable=False),
    sa.Column("metadata", JSON, nullable=False),
    sa.Column("read_acl", sa.Text, nullable=False),
    sa.Column("write_acl", sa.Text, nullable=False),
    # "": old versions are not kept; "stack" and "history": as X-Versions-Location and X-History-Location say; "enabled"
    # and "suspended": each has an id of its own, see object_versions.
    sa.Column("versions_mode", sa.String(10), nullable=False),
    sa.Column("versions_location", sa.Text, nullable=False),
    sa.Column("objects", sa.BigInteger, nullable=False),
    sa.Column("bytes", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("account", "name", name="uq_object_containers_name"),
)


def _content() -> tuple[sa.Column[Any], ...]:
    """The columns of an object beside its name."""
    return (
        sa.Column("blob", sa.String(36), nullable=False),  # "": it has no bytes
        # What is shown as its size, and the bytes that it has itself: a manifest's are fewer.
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("stored", sa.BigInteger, nullable=False),
        sa.Column("etag", sa.String(64), nullable=False),
        sa.Column("content_type", sa.Text, nullable=False),
        sa.Column("headers", JSON, nullable=False),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.Column("delete_at", sa.BigInteger),  # seconds since 1970
        # "", "static" (its bytes are a manifest), "dynamic" (target is container/prefix), "link"
        # (account/container/object), "parts" (target is the upload), "marker" (it was deleted)
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("target_etag", sa.String(64), nullable=False),
        # The id of this version; 0: it was written while none were kept.
        sa.Column("version_us", sa.BigInteger, nullable=False, server_default="0"),
    )


objects = sa.Table(
    "objects",
    metadata,
    sa.Column("container_id", sa.BigInteger, primary_key=True),
    sa.Column("name", Name, primary_key=True),
    *_content(),
    sa.Index("ix_objects_blob", "blob"),
    sa.Index("ix_objects_delete_at", "delete_at"),
)

# What objects were before, in containers whose mode is "enabled" or "suspended", and marks that say that one was
# deleted.
object_versions = sa.Table(
    "object_versions",
    metadata,
    sa.Column("container_id", sa.BigInteger, primary_key=True),
    sa.Column("name", Name, primary_key=True),
    sa.Column(
        "at_us", sa.BigInteger, primary_key=True
    ),  # when it was written; of each name, they rise
    *_content(),
    sa.Index("ix_object_versions_blob", "blob"),
)

# Objects that come in parts, as long as they are not whole.
object_uploads = sa.Table(
    "object_uploads",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("container_id", sa.BigInteger, nullable=False),
    sa.Column("name", Name, nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Column("content_type", sa.Text, nullable=False),
    sa.Column("headers", JSON, nullable=False),
    sa.Index("ix_object_uploads_name", "container_id", "name", "id"),
)

# Parts of such uploads, and of the objects of kind "parts" that were made of them.
object_parts = sa.Table(
    "object_parts",
    metadata,
    sa.Column("upload", sa.String(36), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("blob", sa.String(36), nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("etag", sa.String(64), nullable=False),
    sa.Column("checksum", sa.String(100), nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Index("ix_object_parts_blob", "blob"),
)

# Blobs that a row referred to and none does any more, until their bytes are gone: a while later, for a copy of the
# database may still refer to them, and whoever reads an object piece by piece.
object_garbage = sa.Table(
    "object_garbage",
    metadata,
    sa.Column("blob", sa.String(36), primary_key=True),
    # When the sweep first saw it, in microseconds since 1970; 0: it has not yet.
    sa.Column("seen_us", sa.BigInteger, nullable=False, server_default="0"),
    sa.Index("ix_object_garbage_seen_us", "seen_us"),
)

# Where bytes that come are kept, and where those that are there are moved to; no row: in the folder. One row.
object_place = sa.Table(
    "object_place",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),  # 1
    sa.Column("name", sa.String(20), nullable=False),
    # Whether something may still be elsewhere; what was moved since somebody asked for it.
    sa.Column("moving", sa.Boolean, nullable=False),
    sa.Column("moved_blobs", sa.BigInteger, nullable=False),
    sa.Column("moved_bytes", sa.BigInteger, nullable=False),
)
