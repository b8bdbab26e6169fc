"""How shared file systems show what they have, with the versions of each attribute.

Source: Shared File Systems API reference.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hanok.base.clock import naive_micro
from hanok.web.versions import Attribute, Before, Shape

_SNAPSHOTS = (
    "snapshot_support", "create_share_from_snapshot_support", "revert_to_snapshot_support", "mount_snapshot_support",
)  # fmt: skip
TYPE = Shape(
    Attribute(name="os-share-type-access:is_public", until=(2, 6)),
    Attribute(name="share_type_access:is_public", since=(2, 7)),
    Attribute(name="description", since=(2, 41)),
    Attribute(name="is_default", since=(2, 46)),
    # What users are told that a type does not say of itself.
    *(Attribute(name=one, since=(2, 24)) for one in _SNAPSHOTS),
    Attribute(name="snapshot_inherit_share_access_support", since=(2, 99)),
)


def links(base: str, noun: str, identity: str) -> list[dict[str, str]]:
    return [
        {"rel": "self", "href": f"{base}/v2/{noun}/{identity}"},
        {"rel": "bookmark", "href": f"{base}/{noun}/{identity}"},
    ]


def share_type(row: Any, specs: dict[str, str], *, default: bool) -> dict[str, Any]:
    """specs: those that the caller sees."""
    required = {name: specs[name] for name in ("driver_handles_share_servers",) if name in specs}
    return {
        "id": row.id,
        "name": row.name,
        "description": row.description,
        "extra_specs": specs,
        "required_extra_specs": required,
        "is_default": default,
        "share_type_access:is_public": row.is_public,
        "os-share-type-access:is_public": row.is_public,
    }


def _by_type_name(answer: dict[str, Any]) -> None:
    """Before a share told its type by the id, it told it by the name."""
    answer["share_type"] = answer["share_type_name"]


def _rules_out_of_sync(answer: dict[str, Any]) -> None:
    if answer.get("access_rules_status") == "syncing":
        answer["access_rules_status"] = "out_of_sync"


def _only_creating(answer: dict[str, Any]) -> None:
    """Before it told how far it is, a share that is made of a snapshot was like any other."""
    if answer["status"] == "creating_from_snapshot":
        answer["status"] = "creating"


SHARE = Shape(
    Before((2, 6), _by_type_name),
    Attribute(name="share_type_name", since=(2, 6)),
    Attribute(name="snapshot_support", since=(2, 2)),
    Attribute(name="task_state", since=(2, 5)),
    Attribute(name="export_location", until=(2, 8)),
    Attribute(name="export_locations", until=(2, 8)),
    Before((2, 28), _rules_out_of_sync),
    Attribute(name="access_rules_status", since=(2, 10)),
    Attribute(name="replication_type", since=(2, 11)),
    Attribute(name="has_replicas", since=(2, 11)),
    Attribute(name="user_id", since=(2, 16)),
    Attribute(name="create_share_from_snapshot_support", since=(2, 24)),
    Attribute(name="revert_to_snapshot_support", since=(2, 27)),
    Attribute(name="share_group_id", since=(2, 31)),
    Attribute(name="source_share_group_snapshot_member_id", since=(2, 31)),
    Attribute(name="mount_snapshot_support", since=(2, 32)),
    Before((2, 54), _only_creating),
    Attribute(name="progress", since=(2, 54)),
    Attribute(name="is_soft_deleted", since=(2, 69)),
    Attribute(name="scheduled_to_be_deleted_at", since=(2, 69)),
    Attribute(name="source_backup_id", since=(2, 80)),
    Attribute(name="encryption_key_ref", since=(2, 90)),
    Attribute(name="snapshot_inherit_share_access_support", since=(2, 99)),
)
INSTANCE = Shape(
    Attribute(name="export_location", until=(2, 8)),
    Attribute(name="export_locations", until=(2, 8)),
    Attribute(name="access_rules_status", since=(2, 10)),
    Attribute(name="replica_state", since=(2, 11)),
    Attribute(name="share_type_id", since=(2, 22)),
    Attribute(name="cast_rules_to_readonly", since=(2, 30)),
    Before((2, 54), _only_creating),
    Attribute(name="progress", since=(2, 54)),
    Attribute(name="updated_at", since=(2, 71)),
)
EXPORT = Shape(
    Attribute(name="preferred", since=(2, 14)),
    Attribute(name="metadata", since=(2, 87)),
)


def _as_the_share(answer: dict[str, Any]) -> None:
    """Before rules had states of their own, all of a share's had the one of all of them."""
    of_all = answer["_of_all"]
    answer["state"] = "new" if of_all == "syncing" else of_all


ACCESS = Shape(
    Before((2, 28), _as_the_share),
    Attribute(name="access_key", since=(2, 21)),
    Attribute(name="created_at", since=(2, 33)),
    Attribute(name="updated_at", since=(2, 33)),
    Attribute(name="metadata", since=(2, 45)),
    private=("_of_all",),
)
SNAPSHOT = Shape(
    Attribute(name="provider_location", since=(2, 12)),
    Attribute(name="user_id", since=(2, 17)),
    Attribute(name="project_id", since=(2, 17)),
    Attribute(name="metadata", since=(2, 73)),
)
SERVICE = Shape(
    Attribute(name="disabled_reason", since=(2, 83)),
    Attribute(name="ensuring", since=(2, 86)),
)
QUOTAS = Shape(
    Attribute(name="share_groups", since=(2, 40)),
    Attribute(name="share_group_snapshots", since=(2, 40)),
    Attribute(name="share_replicas", since=(2, 53)),
    Attribute(name="replica_gigabytes", since=(2, 53)),
    Attribute(name="per_share_gigabytes", since=(2, 62)),
    Attribute(name="backups", since=(2, 80)),
    Attribute(name="backup_gigabytes", since=(2, 80)),
    Attribute(name="encryption_keys", since=(2, 90)),
)
LIMITS = Shape(
    *(Attribute(name=one, since=(2, 58)) for one in (
        "maxTotalShareGroups", "totalShareGroupsUsed", "maxTotalShareGroupSnapshots", "totalShareGroupSnapshotsUsed",
    )),
    *(Attribute(name=one, since=(2, 53)) for one in (
        "maxTotalShareReplicas", "totalShareReplicasUsed", "maxTotalReplicaGigabytes", "totalReplicaGigabytesUsed",
    )),
    *(Attribute(name=one, since=(2, 80)) for one in (
        "maxTotalShareBackups", "totalShareBackupsUsed", "maxTotalBackupGigabytes", "totalBackupGigabytesUsed",
    )),
)  # fmt: skip
PROGRESS = Shape(Attribute(name="details", since=(2, 59)))


def share(
    row: Any,
    instances: Sequence[Any],
    *,
    base: str,
    type_name: str | None,
    exports: Sequence[Any] = (),
    has_replicas: bool,
    rules_status: str,
    main: Any,
) -> dict[str, Any]:
    """What everybody sees of a share who sees it at all. main: the instance that it shows as itself, or None."""
    paths = [one.path for one in exports]
    return {
        "id": row.id,
        "size": row.size_gib,
        "availability_zone": None if main is None else main.zone,
        "created_at": naive_micro(row.created_at),
        "status": row.status,
        "name": row.name,
        "description": row.description,
        "project_id": row.project_id,
        "user_id": row.user_id,
        "snapshot_id": row.snapshot_id,
        "share_network_id": None if main is None else main.share_network_id,
        "share_proto": row.protocol,
        "export_location": paths[0] if paths else None,
        "export_locations": paths,
        "metadata": row.metadata,
        "share_type": row.type_id,
        "share_type_name": type_name,
        "volume_type": type_name,
        "links": links(base, "shares", row.id),
        "is_public": row.is_public,
        "task_state": row.task_state,
        "access_rules_status": rules_status,
        "replication_type": row.replication_type,
        "has_replicas": has_replicas,
        "share_group_id": row.share_group_id,
        "source_share_group_snapshot_member_id": row.group_snapshot_member_id,
        "progress": None if main is None or main.progress is None else f"{main.progress}%",
        "is_soft_deleted": row.deleted_from is not None,
        "scheduled_to_be_deleted_at": naive_micro(row.deleted_from),
        "source_backup_id": row.source_backup_id,
        "encryption_key_ref": row.encryption_key_ref,
        **row.abilities,
    }


def instance(row: Any, exports: Sequence[Any], place: str | None) -> dict[str, Any]:
    paths = [one.path for one in exports]
    return {
        "id": row.id,
        "share_id": row.share_id,
        "availability_zone": row.zone,
        "created_at": naive_micro(row.created_at),
        "updated_at": naive_micro(row.updated_at),
        "host": place,
        "status": row.status,
        "share_network_id": row.share_network_id,
        "share_server_id": row.share_server_id,
        "export_location": paths[0] if paths else None,
        "export_locations": paths,
        "access_rules_status": row.access_rules_status,
        "replica_state": row.replica_state,
        "share_type_id": row.type_id,
        "cast_rules_to_readonly": row.cast_rules_to_readonly,
        "progress": None if row.progress is None else f"{row.progress}%",
    }


def export(row: Any, *, detailed: bool, whole: bool) -> dict[str, Any]:
    """An export location. whole: as operators see it."""
    shown = {
        "id": row.id,
        "path": row.path,
        "preferred": row.preferred,
        "metadata": row.metadata,
    }
    if whole:
        shown |= {"share_instance_id": row.instance_id, "is_admin_only": row.is_admin_only}
    if detailed:
        shown |= {
            "created_at": naive_micro(row.created_at),
            "updated_at": naive_micro(row.updated_at),
        }
    return shown


def access(row: Any, of_all: str, *, hidden: bool = False) -> dict[str, Any]:
    """An access rule. of_all: how all of the share's are. hidden: whether a lock hides whom it is for."""
    return {
        "id": row.id,
        "share_id": row.share_id,
        "access_level": row.access_level,
        "access_to": "******" if hidden else row.access_to,
        "access_type": row.access_type,
        "state": row.state,
        "access_key": "******" if hidden else row.access_key,
        "created_at": naive_micro(row.created_at),
        "updated_at": naive_micro(row.updated_at),
        "metadata": row.metadata,
        "_of_all": of_all,
    }


def snapshot(row: Any, *, base: str) -> dict[str, Any]:
    return {
        "id": row.id,
        "share_id": row.share_id,
        "share_size": row.share_size_gib,
        "created_at": naive_micro(row.created_at),
        "status": row.status,
        "name": row.name,
        "description": row.description,
        "size": row.size_gib,
        "share_proto": row.protocol,
        "links": links(base, "snapshots", row.id),
        "user_id": row.user_id,
        "project_id": row.project_id,
        "metadata": row.metadata,
    }


def snapshot_instance(row: Any, share_id: str) -> dict[str, Any]:
    return {
        "id": row.id,
        "snapshot_id": row.snapshot_id,
        "created_at": naive_micro(row.created_at),
        "updated_at": naive_micro(row.updated_at),
        "status": row.status,
        "share_id": share_id,
        "share_instance_id": row.instance_id,
        "progress": row.progress,
        "provider_location": row.provider_location,
    }


def snapshot_access(row: Any) -> dict[str, Any]:
    names = ("id", "access_type", "access_to", "state")
    return {name: getattr(row, name) for name in names}


def snapshot_export(row: Any, *, base: str, detailed: bool, whole: bool) -> dict[str, Any]:
    shown = {
        "id": row.id,
        "path": row.path,
        "links": links(base, "share_snapshot_export_locations", row.id),
    }
    if whole:
        shown |= {
            "share_snapshot_instance_id": row.snapshot_instance_id,
            "is_admin_only": row.is_admin_only,
        }
    if detailed:
        shown |= {
            "created_at": naive_micro(row.created_at),
            "updated_at": naive_micro(row.updated_at),
        }
    return shown


def message(row: Any, *, base: str) -> dict[str, Any]:
    return {
        "id": row.id,
        "project_id": row.project_id,
        "action_id": row.action_id,
        "detail_id": row.detail_id,
        "message_level": row.level,
        "created_at": naive_micro(row.created_at),
        "expires_at": naive_micro(row.expires_at),
        "request_id": row.request_id,
        "links": links(base, "messages", row.id),
        "resource_type": row.resource_type,
        "resource_id": row.resource_id,
        "user_message": row.text,
    }
