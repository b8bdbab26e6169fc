"""Bodies of shared file systems in their newest form, with the versions of each field.

Source: Shared File Systems API reference.
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType, field

from hanok.services.shared_file_system.schemas.values import (
    Flag,
    Name,
    OptionalText,
    Text,
    UUIDText,
)
from hanok.web.versions import field_of, turns_older

OLD_ACCESS, ACCESS = "os-share-type-access:is_public", "share_type_access:is_public"


class NewType(Struct, kw_only=True, forbid_unknown_fields=True):
    name: Name
    description: Annotated[OptionalText, field_of(since=(2, 41))] = UNSET
    extra_specs: dict[str, Any] | UnsetType | None = UNSET
    is_public: Flag | UnsetType | None = field(default=UNSET, name=ACCESS)
    was_public: Flag | UnsetType | None = field(default=UNSET, name=OLD_ACCESS)


@turns_older(NewType, (2, 24))
def _with_snapshots(sent: dict[str, Any]) -> dict[str, Any]:
    """Before a type could leave it out, shares could have snapshots where nothing was said."""
    said = sent.get("extra_specs")
    if not isinstance(said, dict | None):
        return sent
    return {**sent, "extra_specs": {"snapshot_support": "True", **(said or {})}}


class ChangedType(Struct, kw_only=True, forbid_unknown_fields=True):
    name: OptionalText = UNSET
    description: OptionalText = UNSET
    is_public: Flag | UnsetType | None = field(default=UNSET, name=ACCESS)


class TypeAccess(Struct, kw_only=True, forbid_unknown_fields=True):
    project: UUIDText


# ---- shares ----

Metadata = dict[str, Any] | UnsetType | None


class NewShare(Struct, kw_only=True, forbid_unknown_fields=True):
    share_proto: Annotated[str, Meta(min_length=1, max_length=32)]
    size: int | str | UnsetType | None = UNSET
    name: OptionalText = UNSET
    display_name: OptionalText = UNSET
    description: OptionalText = UNSET
    display_description: OptionalText = UNSET
    share_type: OptionalText = UNSET
    volume_type: OptionalText = UNSET
    snapshot_id: OptionalText = UNSET
    availability_zone: OptionalText = UNSET
    is_public: Flag | UnsetType | None = UNSET
    metadata: Metadata = UNSET
    share_network_id: OptionalText = UNSET
    share_group_id: OptionalText = UNSET
    scheduler_hints: Annotated[dict[str, Any] | UnsetType | None, field_of(since=(2, 65))] = UNSET
    mount_point_name: Annotated[OptionalText, field_of(since=(2, 84))] = UNSET
    encryption_key_ref: Annotated[OptionalText, field_of(since=(2, 90))] = UNSET


@turns_older(NewShare, (2, 31))
def _without_group(sent: dict[str, Any]) -> dict[str, Any]:
    """Before there were share groups, what is called so said nothing."""
    return {name: value for name, value in sent.items() if name != "share_group_id"}


class ChangedShare(Struct, kw_only=True, forbid_unknown_fields=True):
    display_name: OptionalText = UNSET
    display_description: OptionalText = UNSET
    name: OptionalText = UNSET
    description: OptionalText = UNSET
    is_public: Flag | UnsetType | None = UNSET


class ManagedShare(Struct, kw_only=True, forbid_unknown_fields=True):
    protocol: Annotated[str, Meta(min_length=1, max_length=16)]
    service_host: Name
    export_path: Annotated[str, Meta(min_length=1, max_length=2000)] | dict[str, Any]
    share_type: OptionalText = UNSET
    name: OptionalText = UNSET
    display_name: OptionalText = UNSET
    description: OptionalText = UNSET
    display_description: OptionalText = UNSET
    driver_options: dict[str, Any] | UnsetType | None = UNSET
    is_public: Flag | UnsetType | None = UNSET
    share_server_id: Annotated[OptionalText, field_of(since=(2, 49))] = UNSET
    mount_point_name: Annotated[OptionalText, field_of(since=(2, 92))] = UNSET


@turns_older(ManagedShare, (2, 8))
def _not_public(sent: dict[str, Any]) -> dict[str, Any]:
    """Before a share that is taken over could be public, saying so said nothing."""
    return {name: value for name, value in sent.items() if name != "is_public"}


# ---- actions on shares ----


class Status(Struct, kw_only=True, forbid_unknown_fields=True):
    status: Text


class TaskState(Struct, kw_only=True, forbid_unknown_fields=True):
    task_state: Text | None


class Extended(Struct, kw_only=True, forbid_unknown_fields=True):
    new_size: int | str
    force: Annotated[Flag | UnsetType, field_of(since=(2, 64))] = UNSET


class Shrunk(Struct, kw_only=True, forbid_unknown_fields=True):
    new_size: int | str


class Reverted(Struct, kw_only=True, forbid_unknown_fields=True):
    snapshot_id: Text


class Allowed(Struct, kw_only=True, forbid_unknown_fields=True):
    access_type: Annotated[str, Meta(max_length=32)]
    access_to: Annotated[str, Meta(max_length=255)]
    access_level: Annotated[str, Meta(max_length=32)] | UnsetType | None = UNSET
    metadata: Annotated[Metadata, field_of(since=(2, 45))] = UNSET
    lock_visibility: Annotated[Flag | UnsetType, field_of(since=(2, 82))] = UNSET
    lock_deletion: Annotated[Flag | UnsetType, field_of(since=(2, 82))] = UNSET
    lock_reason: Annotated[OptionalText, field_of(since=(2, 82))] = UNSET


class Denied(Struct, kw_only=True, forbid_unknown_fields=True):
    access_id: Text
    unrestrict: Annotated[Flag | UnsetType, field_of(since=(2, 82))] = UNSET


class ChangedAccess(Struct, kw_only=True, forbid_unknown_fields=True):
    access_level: Annotated[str, Meta(max_length=32)]


class AllowedSnapshot(Struct, kw_only=True, forbid_unknown_fields=True):
    access_type: Annotated[str, Meta(min_length=1, max_length=32)]
    access_to: Annotated[str, Meta(min_length=1, max_length=255)]


class DeniedSnapshot(Struct, kw_only=True, forbid_unknown_fields=True):
    access_id: Name


# ---- snapshots ----


class NewSnapshot(Struct, kw_only=True, forbid_unknown_fields=True):
    share_id: Name
    name: OptionalText = UNSET
    display_name: OptionalText = UNSET
    description: OptionalText = UNSET
    display_description: OptionalText = UNSET
    force: Flag | UnsetType | None = UNSET
    metadata: Annotated[Metadata, field_of(since=(2, 73))] = UNSET


class ChangedSnapshot(Struct, kw_only=True, forbid_unknown_fields=True):
    display_name: OptionalText = UNSET
    display_description: OptionalText = UNSET
    name: OptionalText = UNSET
    description: OptionalText = UNSET


class ManagedSnapshot(Struct, kw_only=True, forbid_unknown_fields=True):
    share_id: Name
    provider_location: Name
    name: OptionalText = UNSET
    display_name: OptionalText = UNSET
    description: OptionalText = UNSET
    display_description: OptionalText = UNSET
    driver_options: dict[str, Any] | UnsetType | None = UNSET
    metadata: Annotated[Metadata, field_of(since=(2, 73))] = UNSET


# ---- services ----


class ServiceHost(Struct, kw_only=True, forbid_unknown_fields=True):
    host: Name
    binary: Name


class DisabledService(ServiceHost, kw_only=True, forbid_unknown_fields=True):
    disabled_reason: Annotated[OptionalText, field_of(since=(2, 83))] = UNSET


class EnsuredShares(Struct, kw_only=True, forbid_unknown_fields=True):
    host: Name


# ---- migration ----


class Migration(Struct, kw_only=True, forbid_unknown_fields=True):
    host: Name
    preserve_metadata: Flag
    writable: Flag
    nondisruptive: Flag
    preserve_snapshots: Flag
    force_host_assisted_migration: Flag | UnsetType | None = UNSET
    new_share_network_id: OptionalText = UNSET
    new_share_type_id: OptionalText = UNSET
