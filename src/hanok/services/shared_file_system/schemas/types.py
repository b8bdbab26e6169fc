"""Bodies and answers of QoS types and of share group types.

Source: Shared File Systems API reference.
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from hanok.base.clock import naive_micro
from hanok.services.shared_file_system.schemas.values import Flag, Name, OptionalText, UUIDText
from hanok.web.versions import Attribute, Shape

SpecKey = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[a-zA-Z0-9_.:-]+$")]
Specs = dict[SpecKey, Annotated[str, Meta(min_length=1, max_length=255)]]
GroupSpecs = dict[SpecKey, Annotated[str, Meta(min_length=1, max_length=255)] | bool]

# ---- QoS types ----


class NewQosType(Struct, kw_only=True, forbid_unknown_fields=True):
    name: Name
    description: OptionalText = UNSET
    specs: Specs | UnsetType | None = UNSET


class ChangedQosType(Struct, kw_only=True, forbid_unknown_fields=True):
    description: OptionalText = UNSET


def qos_type(row: Any) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "description": row.description,
        "specs": row.specs,
        "created_at": naive_micro(row.created_at),
        "updated_at": naive_micro(row.updated_at),
    }


# ---- share group types ----


class NewGroupType(Struct, kw_only=True, forbid_unknown_fields=True):
    name: Name
    share_types: Annotated[list[Name], Meta(max_length=256)] | UnsetType | None = UNSET
    group_specs: Specs | UnsetType | None = UNSET
    is_public: Flag | UnsetType | None = UNSET


class Access(Struct, kw_only=True, forbid_unknown_fields=True):
    project: UUIDText


GROUP_TYPE = Shape(Attribute(name="is_default", since=(2, 46)))


def group_type(row: Any, *, default: bool) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "is_public": row.is_public,
        "group_specs": row.specs,
        "share_types": row.share_types,
        "is_default": default,
    }
