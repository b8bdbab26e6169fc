"""Bodies and answers of groups, their types and snapshots, and of consistency groups, which are groups of one type.

Source: Block Storage API reference, "Generic volume groups", "Group types", "Group snapshots", "Consistency groups".
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType, field

from hanok.base.clock import naive_micro
from hanok.services.block_storage.schemas.bodies import (
    Flag,
    Name,
    OptionalID,
    OptionalText,
    Specs,
    Text,
    UUIDText,
)
from hanok.web.versions import Attribute, Shape

Ids = Annotated[str, Meta(max_length=8192)] | UnsetType | None
"""Ids with commas between them."""

# ---- types ----


class NewGroupType(Struct, forbid_unknown_fields=True, kw_only=True):
    name: Name
    description: OptionalText = UNSET
    is_public: Flag = UNSET
    group_specs: Specs | UnsetType | None = UNSET


class ChangedGroupType(Struct, forbid_unknown_fields=True, kw_only=True):
    name: Name | UnsetType | None = UNSET
    description: OptionalText = UNSET
    is_public: Flag = UNSET


def group_type(row: Any, *, specs: bool) -> dict[str, Any]:
    """specs: whether they are shown."""
    shown = {
        "id": row.id,
        "name": row.name,
        "description": row.description,
        "is_public": row.is_public,
    }
    return {**shown, "group_specs": row.specs} if specs else shown


# ---- groups ----


class NewGroup(Struct, forbid_unknown_fields=True, kw_only=True):
    group_type: Name
    volume_types: Annotated[list[Name], Meta(min_length=1, max_length=100)]
    name: OptionalText = UNSET
    description: OptionalText = UNSET
    availability_zone: OptionalText = UNSET


class GroupOfSource(Struct, forbid_unknown_fields=True, kw_only=True):
    name: OptionalText = UNSET
    description: OptionalText = UNSET
    group_snapshot_id: OptionalID = UNSET
    source_group_id: OptionalID = UNSET


class ChangedGroup(Struct, forbid_unknown_fields=True, kw_only=True):
    name: OptionalText = UNSET
    description: OptionalText = UNSET
    add_volumes: Ids = UNSET
    remove_volumes: Ids = UNSET


class DeletedGroup(Struct, forbid_unknown_fields=True, kw_only=True):
    delete_volumes: Flag = field(default=UNSET, name="delete-volumes")


class FailOverGroup(Struct, forbid_unknown_fields=True, kw_only=True):
    allow_attached_volume: Flag = UNSET
    secondary_backend_id: OptionalText = UNSET


GROUP = Shape(
    Attribute(name="group_snapshot_id", since=(3, 14)),
    Attribute(name="source_group_id", since=(3, 14)),
    Attribute(name="volumes", since=(3, 25)),
    Attribute(name="replication_status", since=(3, 38)),
    Attribute(name="project_id", since=(3, 58)),
)


def summary(row: Any) -> dict[str, Any]:
    return {"id": row.id, "name": row.name}


def group(row: Any) -> dict[str, Any]:
    """A group, but for its volumes and its project."""
    return {
        **summary(row),
        "status": row.status,
        "availability_zone": row.zone,
        "created_at": naive_micro(row.created_at),
        "description": row.description,
        "group_type": row.group_type_id,
        "volume_types": row.volume_types,
        "group_snapshot_id": row.group_snapshot_id,
        "source_group_id": row.source_group_id,
        "replication_status": "disabled",
    }


# ---- snapshots of groups ----


class NewGroupSnapshot(Struct, forbid_unknown_fields=True, kw_only=True):
    group_id: UUIDText
    name: OptionalText = UNSET
    description: OptionalText = UNSET


SNAPSHOT = Shape(Attribute(name="project_id", since=(3, 58)))


def snapshot_summary(row: Any) -> dict[str, Any]:
    return {"id": row.id, "name": row.name, "group_type_id": row.group_type_id}


def snapshot(row: Any) -> dict[str, Any]:
    return {
        **snapshot_summary(row),
        "group_id": row.group_id,
        "status": row.status,
        "created_at": naive_micro(row.created_at),
        "description": row.description,
    }


# ---- consistency groups ----


class NewConsistencyGroup(Struct, forbid_unknown_fields=True, kw_only=True):
    """volume_types: with commas between them."""

    volume_types: Annotated[str, Meta(min_length=1, max_length=8192)]
    name: OptionalText = UNSET
    description: OptionalText = UNSET
    availability_zone: OptionalText = UNSET


class ConsistencyGroupOfSource(Struct, forbid_unknown_fields=True, kw_only=True):
    """Fields that older clients send say nothing: user_id, project_id, status."""

    name: OptionalText = UNSET
    description: OptionalText = UNSET
    cgsnapshot_id: OptionalID = UNSET
    source_cgid: OptionalID = UNSET
    user_id: UnsetType | None = UNSET
    project_id: UnsetType | None = UNSET
    status: Text | UnsetType | None = UNSET


class DeletedConsistencyGroup(Struct, forbid_unknown_fields=True, kw_only=True):
    force: Flag = UNSET


class NewConsistencySnapshot(Struct, forbid_unknown_fields=True, kw_only=True):
    consistencygroup_id: UUIDText
    name: OptionalText = UNSET
    description: OptionalText = UNSET
    user_id: UnsetType | None = UNSET
    project_id: UnsetType | None = UNSET
    status: Text | UnsetType | None = UNSET


def consistency_group(row: Any) -> dict[str, Any]:
    names = ("id", "name", "status", "availability_zone", "created_at", "description")
    found = group(row)
    return {**{name: found[name] for name in names}, "volume_types": row.volume_types}


def consistency_snapshot(row: Any) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "consistencygroup_id": row.group_id,
        "status": row.status,
        "created_at": naive_micro(row.created_at),
        "description": row.description,
    }
