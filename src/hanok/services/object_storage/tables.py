"""Object storage's tables. Times are microseconds since 1970: they are shown and compared as numbers."""

from __future__ import annotations

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
    # "": old versions are not kept; "stack" and "history": as X-Versions-Location and X-History-Location say.
    sa.Column("versions_mode", sa.String(10), nullable=False),
    sa.Column("versions_location", sa.Text, nullable=False),
    sa.Column("objects", sa.BigInteger, nullable=False),
    sa.Column("bytes", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("account", "name", name="uq_object_containers_name"),
)

objects = sa.Table(
    "objects",
    metadata,
    sa.Column("container_id", sa.BigInteger, primary_key=True),
    sa.Column("name", Name, primary_key=True),
    sa.Column("blob", sa.String(36), nullable=False),  # "": it has no bytes
    # What is shown as its size, and the bytes that it has itself: a manifest's are fewer.
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("stored", sa.BigInteger, nullable=False),
    sa.Column("etag", sa.String(64), nullable=False),
    sa.Column("content_type", sa.Text, nullable=False),
    sa.Column("headers", JSON, nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Column("delete_at", sa.BigInteger),  # seconds since 1970
    # "", "static" (its bytes are a manifest), "dynamic" (target is container/prefix), "link" (account/container/object)
    sa.Column("kind", sa.String(10), nullable=False),
    sa.Column("target", sa.Text, nullable=False),
    sa.Column("target_etag", sa.String(64), nullable=False),
    sa.Index("ix_objects_blob", "blob"),
    sa.Index("ix_objects_delete_at", "delete_at"),
)

# Blobs that a row referred to and none does any more, until their bytes are gone.
object_garbage = sa.Table(
    "object_garbage",
    metadata,
    sa.Column("blob", sa.String(36), primary_key=True),
)
