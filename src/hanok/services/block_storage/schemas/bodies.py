"""Bodies of Block Storage v3 in their newest form, with the versions of each field.

Unknown keys are refused, and so is what a microversion does not know yet. Source: Block Storage API reference.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from hanok.base.errors import BadInput
from hanok.web.numbers import MAXIMUM as MAXIMUM
from hanok.web.numbers import whole as whole
from hanok.web.versions import field_of

Text = Annotated[str, Meta(max_length=255)]
Name = Annotated[str, Meta(min_length=1, max_length=255)]
UUIDText = Annotated[str, Meta(pattern=r"^[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}$")]
Key = Annotated[str, Meta(min_length=1, max_length=255)]
ITEMS = 128  # of one map of metadata
Metadata = Annotated[dict[Key, Text], Meta(max_length=ITEMS)]
Spec = Annotated[str, Meta(max_length=255)]
SpecKey = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[a-zA-Z0-9-_:. ]{1,255}$")]
Specs = dict[SpecKey, Spec]
TRUE = ("true", "1", "yes", "on", "t", "y")
FALSE = ("false", "0", "no", "off", "f", "n")


def truth(value: object, name: str) -> bool:
    """A flag that may come as text.

    Raises:
        BadInput: it is none.
    """
    text = str(value).strip().lower()
    if value is True or text in TRUE:
        return True
    if value is False or text in FALSE:
        return False
    raise BadInput(
        f"Invalid input for field/attribute {name}. Value: {str(value)[:100]}. It is not a boolean"
    )


def check_items(metadata: Mapping[str, str]) -> None:
    """Raises BadInput for what has become more metadata than a thing may have."""
    if len(metadata) > ITEMS:
        raise BadInput(f"Metadata property limit exceeded: there are at most {ITEMS} items.")


def stripped(value: str | UnsetType | None) -> str | None:
    """A name or a description as it is kept."""
    return value.strip() if isinstance(value, str) else None


def given(value: Any) -> Any:
    """A field's value; None where it was not sent."""
    return None if value is UNSET else value


Flag = bool | str | UnsetType
OptionalText = Text | UnsetType | None
OptionalID = UUIDText | UnsetType | None


class NewVolume(Struct, kw_only=True):
    """The volume that is requested. Fields that older clients send say nothing.

    Nor do those that nobody knows: upstream passes over them here, in every version, and clients lean on it.
    """

    size: int | str | UnsetType | None = UNSET
    name: OptionalText = UNSET
    display_name: OptionalText = UNSET
    description: OptionalText = UNSET
    display_description: OptionalText = UNSET
    volume_type: Annotated[str, Meta(max_length=255)] | UnsetType | None = UNSET
    availability_zone: Annotated[str, Meta(max_length=255)] | UnsetType | None = UNSET
    metadata: Metadata | UnsetType | None = UNSET
    imageRef: Annotated[str, Meta(max_length=255)] | UnsetType | None = UNSET
    image_id: OptionalID = UNSET
    snapshot_id: Annotated[str, Meta(max_length=255)] | UnsetType | None = UNSET
    source_volid: Annotated[str, Meta(max_length=255)] | UnsetType | None = UNSET
    backup_id: Annotated[OptionalID, field_of(since=(3, 47))] = UNSET
    group_id: Annotated[OptionalID, field_of(since=(3, 13))] = UNSET
    consistencygroup_id: OptionalID = UNSET
    source_replica: UnsetType | None = UNSET
    multiattach: Flag | None = UNSET
    user_id: UnsetType | None = UNSET
    project_id: UnsetType | None = UNSET
    status: str | UnsetType | None = UNSET
    attach_status: str | UnsetType | None = UNSET


class CreateVolume(Struct, forbid_unknown_fields=True, kw_only=True):
    volume: NewVolume
    hints: dict[str, Any] | UnsetType | None = field(
        default=UNSET, name="OS-SCH-HNT:scheduler_hints"
    )
    older_hints: dict[str, Any] | UnsetType | None = field(default=UNSET, name="scheduler_hints")


class ChangedVolume(Struct, forbid_unknown_fields=True, kw_only=True):
    name: OptionalText = UNSET
    display_name: OptionalText = UNSET
    description: OptionalText = UNSET
    display_description: OptionalText = UNSET
    metadata: Metadata | UnsetType | None = UNSET


class MetadataItem(Struct, forbid_unknown_fields=True, kw_only=True):
    meta: Annotated[dict[Key, Text], Meta(min_length=1, max_length=1)]


# ---- actions on volumes ----


class Extend(Struct, forbid_unknown_fields=True, kw_only=True):
    new_size: int | str


class ExtendCompletion(Struct, forbid_unknown_fields=True, kw_only=True):
    error: Flag = UNSET


class ResetVolume(Struct, forbid_unknown_fields=True, kw_only=True):
    status: Text | UnsetType | None = UNSET
    attach_status: (
        Literal["detached", "attached", "attaching", "detaching", "reserved"] | UnsetType | None
    ) = UNSET
    migration_status: Text | UnsetType | None = UNSET


class Attach(Struct, forbid_unknown_fields=True, kw_only=True):
    instance_uuid: OptionalID = UNSET
    host_name: Annotated[str, Meta(min_length=1, max_length=255)] | UnsetType | None = UNSET
    mountpoint: Annotated[str, Meta(min_length=1, max_length=255)]
    mode: Literal["rw", "ro"] = "rw"


class Detach(Struct, forbid_unknown_fields=True, kw_only=True):
    attachment_id: OptionalID = UNSET


class ForceDetach(Struct, forbid_unknown_fields=True, kw_only=True):
    attachment_id: OptionalID = UNSET
    connector: dict[str, Any] | UnsetType | None = UNSET


class Connector(Struct, forbid_unknown_fields=True, kw_only=True):
    connector: Annotated[dict[str, Any], Meta(min_length=1)]


class Disconnected(Struct, forbid_unknown_fields=True, kw_only=True):
    """An empty connector is not refused before it is known whether a guest has the volume."""

    connector: dict[str, Any]


class ReadOnly(Struct, forbid_unknown_fields=True, kw_only=True):
    readonly: bool | str


class Bootable(Struct, forbid_unknown_fields=True, kw_only=True):
    bootable: bool | str


class ImageMetadata(Struct, forbid_unknown_fields=True, kw_only=True):
    metadata: Metadata


class UnsetImageMetadata(Struct, forbid_unknown_fields=True, kw_only=True):
    key: Key


class Retype(Struct, forbid_unknown_fields=True, kw_only=True):
    new_type: Name
    migration_policy: Literal["never", "on-demand"] | UnsetType | None = UNSET


class Migrate(Struct, forbid_unknown_fields=True, kw_only=True):
    host: Name | UnsetType | None = UNSET
    cluster: Annotated[Text | UnsetType | None, field_of(since=(3, 16))] = UNSET
    force_host_copy: Flag = UNSET
    lock_volume: Flag = UNSET


class MigrationCompletion(Struct, forbid_unknown_fields=True, kw_only=True):
    new_volume: UUIDText
    error: Flag | None = UNSET


class Revert(Struct, forbid_unknown_fields=True, kw_only=True):
    snapshot_id: UUIDText


class Reimage(Struct, forbid_unknown_fields=True, kw_only=True):
    image_id: UUIDText
    reimage_reserved: Flag = UNSET


class Upload(Struct, forbid_unknown_fields=True, kw_only=True):
    image_name: Annotated[str, Meta(min_length=1, max_length=255)]
    force: Flag | None = UNSET
    disk_format: Literal["raw", "qcow2", "vmdk", "vhd", "vhdx", "vdi"] | UnsetType | None = UNSET
    container_format: Literal["bare"] | UnsetType | None = UNSET
    visibility: Annotated[
        Literal["private", "shared", "community", "public"] | UnsetType | None,
        field_of(since=(3, 1)),
    ] = UNSET
    protected: Annotated[Flag | None, field_of(since=(3, 1))] = UNSET


class Reference(Struct, forbid_unknown_fields=True, kw_only=True):
    """How a back end knows what it has: by name, or by the same name as an id."""

    source_name: Name | UnsetType = field(default=UNSET, name="source-name")
    source_id: Name | UnsetType = field(default=UNSET, name="source-id")


class ManagedVolume(Struct, forbid_unknown_fields=True, kw_only=True):
    host: Name | UnsetType | None = UNSET
    cluster: Annotated[Text | UnsetType | None, field_of(since=(3, 16))] = UNSET
    ref: Reference
    name: OptionalText = UNSET
    description: OptionalText = UNSET
    volume_type: OptionalText = UNSET
    metadata: Metadata | UnsetType | None = UNSET
    availability_zone: OptionalText = UNSET
    bootable: Flag = UNSET


class ManagedSnapshot(Struct, forbid_unknown_fields=True, kw_only=True):
    volume_id: UUIDText
    ref: Reference
    name: OptionalText = UNSET
    description: OptionalText = UNSET
    metadata: Metadata | UnsetType | None = UNSET


# ---- snapshots ----


class NewSnapshot(Struct, forbid_unknown_fields=True, kw_only=True):
    """The snapshot that is wanted. volume_id: null, as older clients send it, is no volume's."""

    volume_id: UUIDText | None
    name: OptionalText = UNSET
    display_name: OptionalText = UNSET
    description: OptionalText = UNSET
    display_description: OptionalText = UNSET
    force: bool | str | UnsetType | None = UNSET
    metadata: Metadata | UnsetType | None = UNSET


class ChangedSnapshot(Struct, forbid_unknown_fields=True, kw_only=True):
    name: OptionalText = UNSET
    display_name: OptionalText = UNSET
    description: OptionalText = UNSET
    display_description: OptionalText = UNSET


class ResetStatus(Struct, forbid_unknown_fields=True, kw_only=True):
    status: Annotated[str, Meta(min_length=1, max_length=255)]


class SnapshotStatus(Struct, forbid_unknown_fields=True, kw_only=True):
    status: Annotated[str, Meta(max_length=255)]
    progress: Annotated[str, Meta(pattern="^(100|[0-9]{1,2})%$")] | UnsetType | None = UNSET


# ---- types ----


class NewType(Struct, forbid_unknown_fields=True, kw_only=True):
    name: Name
    description: OptionalText = UNSET
    extra_specs: Specs | UnsetType | None = UNSET
    is_public: Flag | None = field(default=UNSET, name="os-volume-type-access:is_public")


class ChangedType(Struct, forbid_unknown_fields=True, kw_only=True):
    name: Name | UnsetType | None = UNSET
    description: OptionalText = UNSET
    is_public: Flag | None = UNSET


class TypeAccess(Struct, forbid_unknown_fields=True, kw_only=True):
    project: Annotated[str, Meta(min_length=1, max_length=64)]


class NewEncryption(Struct, forbid_unknown_fields=True, kw_only=True):
    provider: Name
    control_location: Literal["front-end", "back-end"] = "front-end"
    cipher: OptionalText = UNSET
    key_size: int | str | UnsetType | None = UNSET


class ChangedEncryption(Struct, forbid_unknown_fields=True, kw_only=True):
    """Clients send all of it: an empty text, and a size of 0, say nothing."""

    provider: Annotated[str, Meta(max_length=255)] | UnsetType = UNSET
    control_location: Literal["front-end", "back-end"] | UnsetType = UNSET
    cipher: OptionalText = UNSET
    key_size: int | str | UnsetType | None = UNSET


# ---- attachments ----


class NewAttachment(Struct, forbid_unknown_fields=True, kw_only=True):
    volume_uuid: UUIDText
    instance_uuid: OptionalID = UNSET
    connector: dict[str, Any] | UnsetType | None = UNSET
    mode: Annotated[Literal["rw", "ro"] | UnsetType, field_of(since=(3, 54))] = UNSET


class ChangedAttachment(Struct, forbid_unknown_fields=True, kw_only=True):
    connector: Annotated[dict[str, Any], Meta(min_length=1)]
    mode: Annotated[Literal["rw", "ro"] | UnsetType, field_of(since=(3, 54))] = UNSET


# ---- services ----


class ServiceName(Struct, forbid_unknown_fields=True, kw_only=True):
    """binary, or "service" as older clients call it."""

    host: Name
    binary: Text | UnsetType = UNSET
    service: Text | UnsetType = UNSET
    disabled_reason: Annotated[str, Meta(max_length=255)] | UnsetType | None = UNSET
    cluster: Annotated[Text | UnsetType | None, field_of(since=(3, 7))] = UNSET


class HostName(Struct, forbid_unknown_fields=True, kw_only=True):
    host: Name
    cluster: Annotated[Text | UnsetType | None, field_of(since=(3, 26))] = UNSET


class FailOver(Struct, forbid_unknown_fields=True, kw_only=True):
    host: Name
    backend_id: Text | UnsetType | None = UNSET
    cluster: Annotated[Text | UnsetType | None, field_of(since=(3, 26))] = UNSET


class LogLevel(Struct, forbid_unknown_fields=True, kw_only=True):
    binary: (
        Literal["*", "", "cinder-api", "cinder-volume", "cinder-scheduler", "cinder-backup"]
        | UnsetType
        | None
    ) = UNSET
    server: Text | UnsetType | None = UNSET
    prefix: Text | UnsetType | None = UNSET
    level: Text | UnsetType | None = UNSET


class ClusterName(Struct, forbid_unknown_fields=True, kw_only=True):
    name: Name
    binary: Text | UnsetType | None = UNSET
    disabled_reason: Text | UnsetType | None = UNSET


class CleanUp(Struct, forbid_unknown_fields=True, kw_only=True):
    cluster_name: Text | UnsetType | None = UNSET
    service_id: int | str | UnsetType | None = UNSET
    host: Text | UnsetType | None = UNSET
    binary: Literal["cinder-volume", "cinder-scheduler", "cinder-backup"] | UnsetType | None = UNSET
    is_up: Flag | None = UNSET
    disabled: Flag | None = UNSET
    resource_id: OptionalID = UNSET
    resource_type: Literal["Volume", "Snapshot"] | UnsetType | None = UNSET


class HostStatus(Struct, forbid_unknown_fields=True, kw_only=True):
    status: Literal["enable", "disable"]


class DefaultType(Struct, forbid_unknown_fields=True, kw_only=True):
    volume_type: Name
