"""Bodies and answers of transfers.

Source: Block Storage API reference, "Volume transfers".
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct

from hanok.base.clock import naive_micro
from hanok.services.block_storage.schemas.answers import links
from hanok.services.block_storage.schemas.bodies import Flag, OptionalText, UUIDText
from hanok.web.versions import Attribute, Shape


class OfferedVolume(Struct, forbid_unknown_fields=True, kw_only=True):
    """Of the older address."""

    volume_id: UUIDText
    name: OptionalText = UNSET


class OfferedWithSnapshots(Struct, forbid_unknown_fields=True, kw_only=True):
    volume_id: UUIDText
    name: OptionalText = UNSET
    no_snapshots: Flag = UNSET


class Accept(Struct, forbid_unknown_fields=True, kw_only=True):
    auth_key: Annotated[str, Meta(min_length=1, max_length=255)]


TRANSFER = Shape(
    Attribute(name="no_snapshots", since=(3, 55)),
    Attribute(name="source_project_id", since=(3, 57)),
    Attribute(name="destination_project_id", since=(3, 57)),
    Attribute(name="accepted", since=(3, 57)),
)


def summary(row: Any, base: str, noun: str) -> dict[str, Any]:
    """noun: the address that it was asked at."""
    return {
        "id": row.id,
        "volume_id": row.volume_id,
        "name": row.name,
        "links": links(base, noun, row.id),
    }


def detail(row: Any, base: str, noun: str) -> dict[str, Any]:
    return {
        **summary(row, base, noun),
        "created_at": naive_micro(row.created_at),
        "no_snapshots": row.no_snapshots,
        "source_project_id": row.source_project_id,
        "destination_project_id": row.destination_project_id,
        "accepted": row.accepted,
    }
