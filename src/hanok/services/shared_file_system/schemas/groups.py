"""Bodies and answers of share groups and their snapshots.

Source: Shared File Systems API reference.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from hanok.base.clock import naive_micro
from hanok.services.shared_file_system.schemas.answers import links
from hanok.services.shared_file_system.schemas.values import OptionalText, UUIDText
from hanok.web.versions import Attribute, Shape

OptionalID = UUIDText | UnsetType


class NewGroup(Struct, kw_only=True, forbid_unknown_fields=True):
    name: OptionalText = UNSET
    description: OptionalText = UNSET
    share_types: Annotated[list[UUIDText], Meta(max_length=256)] | UnsetType = UNSET
    share_group_type_id: OptionalID = UNSET
    source_share_group_snapshot_id: OptionalID = UNSET
    share_network_id: OptionalID = UNSET
    availability_zone: OptionalText = UNSET


class Renamed(Struct, kw_only=True, forbid_unknown_fields=True):
    name: OptionalText = UNSET
    description: OptionalText = UNSET


class NewGroupSnapshot(Struct, kw_only=True, forbid_unknown_fields=True):
    share_group_id: UUIDText
    name: OptionalText = UNSET
    description: OptionalText = UNSET


GROUP = Shape(
    Attribute(name="availability_zone", since=(2, 34)),
    Attribute(name="consistent_snapshot_support", since=(2, 34)),
)


def group_summary(row: Any, base: str) -> dict[str, Any]:
    return {"id": row.id, "name": row.name, "links": links(base, "share-groups", row.id)}


def group(row: Any, base: str, *, whole: bool) -> dict[str, Any]:
    """whole: whether the caller sees what is the operator's."""
    host = None if row.node is None else f"{row.node}@{row.backend}#{row.backend}"
    return {
        **group_summary(row, base),
        "created_at": naive_micro(row.created_at),
        "status": row.status,
        "description": row.description,
        "project_id": row.project_id,
        "host": host,
        "share_group_type_id": row.group_type_id,
        "source_share_group_snapshot_id": row.source_snapshot_id,
        "share_network_id": row.share_network_id,
        "share_types": row.share_types,
        "availability_zone": row.zone,
        "consistent_snapshot_support": row.consistent,
        **({"share_server_id": row.share_server_id} if whole else {}),
    }


def snapshot_summary(row: Any, base: str) -> dict[str, Any]:
    return {"id": row.id, "name": row.name, "links": links(base, "share-group-snapshots", row.id)}


def snapshot(row: Any, base: str, members: Sequence[Any]) -> dict[str, Any]:
    return {
        **snapshot_summary(row, base),
        "created_at": naive_micro(row.created_at),
        "status": row.status,
        "description": row.description,
        "project_id": row.project_id,
        "share_group_id": row.share_group_id,
        "members": [
            {"id": one.id, "size": one.size_gib, "share_id": one.share_id} for one in members
        ],
    }


def member(row: Any) -> dict[str, Any]:
    return {
        "id": row.id,
        "created_at": naive_micro(row.created_at),
        "size": row.size_gib,
        "share_protocol": row.protocol,
        "project_id": row.project_id,
        "share_group_snapshot_id": row.group_snapshot_id,
        "share_id": row.share_id,
    }
