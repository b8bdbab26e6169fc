"""Bodies and answers of share replicas.

Source: Shared File Systems API reference, "Share replicas".
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Struct, UnsetType

from hanok.base.clock import naive_micro
from hanok.services.shared_file_system.schemas.values import OptionalText, Text, UUIDText
from hanok.web.versions import Attribute, Shape, field_of


class Hints(Struct, kw_only=True, forbid_unknown_fields=True):
    only_host: Text


class NewReplica(Struct, kw_only=True, forbid_unknown_fields=True):
    share_id: Text
    availability_zone: OptionalText = UNSET
    scheduler_hints: Annotated[Hints | UnsetType | None, field_of(since=(2, 67))] = UNSET
    share_network_id: Annotated[UUIDText | UnsetType | None, field_of(since=(2, 72))] = UNSET
    metadata: Annotated[dict[str, Any] | UnsetType | None, field_of(since=(2, 95))] = UNSET


class Promotion(Struct, kw_only=True, forbid_unknown_fields=True):
    quiesce_wait_time: Annotated[int | str | UnsetType | None, field_of(since=(2, 75))] = UNSET


class ResetState(Struct, kw_only=True, forbid_unknown_fields=True):
    replica_state: Text


REPLICA = Shape(
    Attribute(name="cast_rules_to_readonly", since=(2, 30)),
    Attribute(name="metadata", since=(2, 95)),
)


def summary(row: Any) -> dict[str, Any]:
    return {
        "id": row.id,
        "share_id": row.share_id,
        "status": row.status,
        "replica_state": row.replica_state,
    }


def replica(row: Any, *, whole: bool) -> dict[str, Any]:
    """whole: whether the caller sees what is the operator's."""
    shown = {
        **summary(row),
        "availability_zone": row.zone,
        "created_at": naive_micro(row.created_at),
        "share_network_id": row.share_network_id,
        "updated_at": naive_micro(row.updated_at),
        "metadata": row.metadata,
    }
    if not whole:
        return shown
    host = None if row.node is None else f"{row.node}@{row.backend}#{row.backend}"
    return {
        **shown,
        "share_server_id": row.share_server_id,
        "host": host,
        "cast_rules_to_readonly": row.cast_rules_to_readonly,
    }
