"""Bodies and answers of backups.

Source: Block Storage API reference, "Backups".
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from hanok.base.clock import naive_micro
from hanok.services.block_storage.schemas.answers import links
from hanok.services.block_storage.schemas.bodies import (
    Flag,
    Metadata,
    OptionalID,
    OptionalText,
    UUIDText,
)
from hanok.web.versions import Attribute, Shape, field_of


class NewBackup(Struct, forbid_unknown_fields=True, kw_only=True):
    volume_id: UUIDText
    snapshot_id: OptionalID = UNSET
    container: OptionalText = UNSET
    name: OptionalText = UNSET
    description: OptionalText = UNSET
    incremental: Flag | None = UNSET
    force: Flag | None = UNSET
    metadata: Annotated[Metadata | UnsetType | None, field_of(since=(3, 43))] = UNSET
    availability_zone: Annotated[OptionalText, field_of(since=(3, 51))] = UNSET


class ChangedBackup(Struct, forbid_unknown_fields=True, kw_only=True):
    name: OptionalText = UNSET
    description: OptionalText = UNSET
    metadata: Annotated[Metadata | UnsetType | None, field_of(since=(3, 43))] = UNSET


class Restore(Struct, forbid_unknown_fields=True, kw_only=True):
    volume_id: OptionalID = UNSET
    name: OptionalText = UNSET


class Record(Struct, forbid_unknown_fields=True, kw_only=True):
    backup_service: Annotated[str, Meta(min_length=1, max_length=255)]
    backup_url: Annotated[str, Meta(min_length=1, max_length=1 << 20)]


class ResetBackup(Struct, forbid_unknown_fields=True, kw_only=True):
    status: Literal["available", "error"]


BACKUP = Shape(
    Attribute(name="os-backup-project-attr:project_id", since=(3, 18)),
    Attribute(name="metadata", since=(3, 43)),
    Attribute(name="user_id", since=(3, 56)),
    Attribute(name="encryption_key_id", since=(3, 64)),
)


def summary(row: Any, base: str) -> dict[str, Any]:
    return {"id": row.id, "name": row.name, "links": links(base, "backups", row.id)}


def detail(row: Any, base: str, *, dependents: bool) -> dict[str, Any]:
    """A backup, but for what only some see. dependents: whether incremental ones need it."""
    shown = {
        **summary(row, base),
        "status": row.status,
        "size": row.size_gib,
        "object_count": row.object_count,
        "availability_zone": row.zone,
        "container": row.container,
        "created_at": naive_micro(row.created_at),
        "updated_at": naive_micro(row.updated_at),
        "description": row.description,
        "fail_reason": row.fail_reason,
        "volume_id": row.volume_id,
        "is_incremental": row.parent_id is not None,
        "has_dependent_backups": dependents,
        "snapshot_id": row.snapshot_id,
        "data_timestamp": naive_micro(row.data_at),
        "metadata": row.metadata,
        "user_id": row.user_id,
    }
    if row.key_id is not None:
        shown["encryption_key_id"] = row.key_id
    return shown
