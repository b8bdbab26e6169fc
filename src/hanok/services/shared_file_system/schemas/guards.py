"""Bodies and answers of resource locks, share transfers and share backups.

Source: Shared File Systems API reference.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from hanok.base.clock import naive_micro
from hanok.services.shared_file_system.schemas.answers import links
from hanok.services.shared_file_system.schemas.values import Flag, OptionalText, UUIDText
from hanok.web.versions import Attribute, Shape

Reason = Annotated[str, Meta(max_length=1023)] | UnsetType | None
Action = Literal["delete", "show"] | UnsetType | None

# ---- resource locks ----


class NewLock(Struct, kw_only=True, forbid_unknown_fields=True):
    resource_id: UUIDText
    resource_type: Literal["share", "access_rule"] | UnsetType | None = UNSET
    resource_action: Action = UNSET
    lock_reason: Reason = UNSET


class ChangedLock(Struct, kw_only=True, forbid_unknown_fields=True):
    resource_action: Action = UNSET
    lock_reason: Reason = UNSET


def lock(row: Any, base: str) -> dict[str, Any]:
    return {
        "id": row.id,
        "user_id": row.user_id,
        "project_id": row.project_id,
        "lock_context": row.lock_context,
        "resource_type": row.resource_type,
        "resource_id": row.resource_id,
        "resource_action": row.resource_action,
        "lock_reason": row.reason,
        "created_at": naive_micro(row.created_at),
        "updated_at": naive_micro(row.updated_at),
        "links": links(base, "resource-locks", row.id),
    }


# ---- transfers ----


class NewTransfer(Struct, kw_only=True, forbid_unknown_fields=True):
    share_id: UUIDText
    name: OptionalText = UNSET


class Accept(Struct, kw_only=True, forbid_unknown_fields=True):
    auth_key: Annotated[str, Meta(min_length=1, max_length=255)]
    clear_access_rules: Flag | UnsetType | None = UNSET


def transfer_summary(row: Any, base: str) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "resource_type": "share",
        "resource_id": row.share_id,
        "links": links(base, "share-transfers", row.id),
    }


def transfer(row: Any, base: str) -> dict[str, Any]:
    return {
        **transfer_summary(row, base),
        "created_at": naive_micro(row.created_at),
        "source_project_id": row.source_project_id,
        "destination_project_id": row.destination_project_id,
        "accepted": row.accepted,
        "expires_at": naive_micro(row.expires_at),
    }


# ---- backups ----


class NewBackup(Struct, kw_only=True, forbid_unknown_fields=True):
    share_id: UUIDText
    name: OptionalText = UNSET
    description: OptionalText = UNSET
    backup_options: dict[str, Any] | UnsetType | None = UNSET


class ChangedBackup(Struct, kw_only=True, forbid_unknown_fields=True):
    name: OptionalText = UNSET
    description: OptionalText = UNSET


BACKUP = Shape(Attribute(name="backup_type", since=(2, 85)))


def backup_summary(row: Any) -> dict[str, Any]:
    return {"id": row.id, "name": row.name, "share_id": row.share_id, "status": row.status}


def backup(row: Any) -> dict[str, Any]:
    return {
        **backup_summary(row),
        "description": row.description,
        "size": row.size_gib,
        "created_at": naive_micro(row.created_at),
        "updated_at": naive_micro(row.updated_at),
        "availability_zone": row.zone,
        "progress": str(row.progress),
        "restore_progress": str(row.restore_progress),
        "backup_type": row.backup_type,
    }
