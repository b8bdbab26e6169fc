"""How block storage shows what it has, with the versions of each attribute.

Source: Block Storage API reference.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Row

from hanok.base.clock import naive_micro
from hanok.web.versions import Attribute, Before, Shape


def _surely_not_shared(answer: dict[str, Any]) -> None:
    """Before it could be unknown whether targets are shared, it was no."""
    answer["shared_targets"] = False


VOLUME = Shape(
    Attribute(name="group_id", since=(3, 13)),
    Attribute(name="provider_id", since=(3, 21)),
    Attribute(name="service_uuid", since=(3, 48)),
    Attribute(name="shared_targets", since=(3, 48)),
    Before((3, 69), _surely_not_shared),
    Attribute(name="cluster_name", since=(3, 61)),
    Attribute(name="volume_type_id", since=(3, 63)),
    Attribute(name="encryption_key_id", since=(3, 64)),
    Attribute(name="consumes_quota", since=(3, 65)),
)
SNAPSHOT = Shape(
    Attribute(name="group_snapshot_id", since=(3, 14)),
    Attribute(name="user_id", since=(3, 41)),
    Attribute(name="consumes_quota", since=(3, 65)),
)
SUMMARY = Shape(Attribute(name="metadata", since=(3, 36)))
SERVICE = Shape(
    Attribute(name="cluster", since=(3, 7)),
    Attribute(name="backend_state", since=(3, 49)),
)
LISTED = Shape(Attribute(name="count", since=(3, 45)))


def links(base: str, noun: str, identity: str) -> list[dict[str, str]]:
    return [
        {"rel": "self", "href": f"{base}/v3/{noun}/{identity}"},
        {"rel": "bookmark", "href": f"{base}/{noun}/{identity}"},
    ]


def attachment_of_volume(row: Row[Any], *, host: bool) -> dict[str, Any]:
    """An attachment as a volume shows it. host: whether its host is shown."""
    return {
        "id": row.volume_id,
        "attachment_id": row.id,
        "volume_id": row.volume_id,
        "server_id": row.server_id,
        "host_name": row.attached_host if host else None,
        "device": row.mountpoint,
        "attached_at": naive_micro(row.attached_at),
    }


def metadata_of(row: Any, attached: Sequence[Row[Any]]) -> Any:
    """A volume's metadata, with what of its state stands there, too."""
    extra = {}
    if row.read_only is not None:
        extra["readonly"] = str(row.read_only)
    mode = next((one.mode or "rw" for one in attached if one.status == "attached"), None)
    if mode is not None:
        extra["attached_mode"] = mode
    if not extra:
        return row.metadata
    said = row.metadata
    if isinstance(said, msgspec.Raw):
        said = msgspec.json.decode(said)
    return {**said, **extra}


def volume(
    row: Any,
    *,
    base: str,
    type_name: str | None,
    attached: Sequence[Row[Any]] = (),
    hosts: bool = False,
) -> dict[str, Any]:
    """What everybody sees of a volume who sees it at all. hosts: whether attachments say theirs."""
    shown = {
        "id": row.id,
        "status": row.status,
        "size": row.size_gib,
        "availability_zone": row.zone,
        "created_at": naive_micro(row.created_at),
        "updated_at": naive_micro(row.updated_at),
        "name": row.name,
        "description": row.description,
        "volume_type": type_name,
        "volume_type_id": row.type_id,
        "snapshot_id": row.snapshot_id,
        "source_volid": row.source_volume_id,
        "metadata": metadata_of(row, attached),
        "user_id": row.user_id,
        "bootable": "true" if row.bootable else "false",
        "encrypted": row.encrypted,
        "replication_status": None,
        "consistencygroup_id": None,
        "multiattach": row.multiattach,
        "group_id": row.group_id,
        "service_uuid": None,
        "shared_targets": None,
        "consumes_quota": True,
        "links": links(base, "volumes", row.id),
        "attachments": [
            attachment_of_volume(one, host=hosts) for one in attached if one.status == "attached"
        ],
    }
    if row.encrypted:
        shown["encryption_key_id"] = row.key_id
    return shown


def placed(pool: str | None) -> dict[str, Any]:
    """Where a volume is."""
    return {"os-vol-host-attr:host": pool}


def moved(row: Any) -> dict[str, Any]:
    """How far a volume's move is."""
    return {
        "os-vol-mig-status-attr:migstat": row.migration_status,
        "os-vol-mig-status-attr:name_id": None,
    }


def for_operators(row: Any) -> dict[str, Any]:
    return {
        "migration_status": row.migration_status,
        "provider_id": None,
        "cluster_name": None,
    }


def snapshot(row: Any) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "description": row.description,
        "volume_id": row.volume_id,
        "status": row.status,
        "size": row.size_gib,
        "created_at": naive_micro(row.created_at),
        "updated_at": naive_micro(row.updated_at),
        "metadata": row.metadata,
        "user_id": row.user_id,
        "group_snapshot_id": row.group_snapshot_id,
        "consumes_quota": True,
    }


def snapshot_of_project(row: Any) -> dict[str, Any]:
    return {
        "os-extended-snapshot-attributes:progress": f"{row.progress}%",
        "os-extended-snapshot-attributes:project_id": row.project_id,
    }


def attachment(row: Row[Any], *, detailed: bool = True) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": row.id,
        "status": row.status,
        "instance": row.server_id,
        "volume_id": row.volume_id,
    }
    if detailed:
        shown |= {
            "attached_at": naive_micro(row.attached_at) or "",
            "detached_at": "",
            "attach_mode": row.mode,
            "connection_info": row.connection or {},
        }
    return shown


def encryption(row: Row[Any]) -> dict[str, Any]:
    """How volumes of a type are encrypted, as an operation of its own shows it."""
    return {
        "volume_type_id": row.type_id,
        "encryption_id": row.encryption_id,
        "provider": row.provider,
        "cipher": row.cipher,
        "key_size": row.key_size,
        "control_location": row.control_location,
        "created_at": naive_micro(row.created_at),
        "updated_at": naive_micro(row.updated_at),
        "deleted": False,
        "deleted_at": None,
    }


def message(row: Row[Any]) -> dict[str, Any]:
    return {
        "id": row.id,
        "event_id": row.event_id,
        "user_message": row.text,
        "message_level": row.level,
        "created_at": naive_micro(row.created_at),
        "guaranteed_until": naive_micro(row.expires_at),
        "request_id": row.request_id,
        "resource_type": row.resource_type,
        "resource_uuid": row.resource_id,
    }
