"""Segments: how networks travel. A network has one here, which comes and goes with it.

A second one would be on another physical network, and there is one.

Source: Networking API v2.0 reference, "Segments".
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from hanok.services.network.logic.errors import conflict
from hanok.services.network.logic.reach import Reach, change, get, set_tags, tags_of
from hanok.services.network.room import Network
from hanok.services.network.tables import segments
from hanok.store import Transaction

_NAMESPACE = uuid.UUID("3c0b7d1e-6a52-4c1e-8a0e-5b3f0f8b9a33")


def id_of(network_id: str) -> str:
    """The id of a network's segment: any, but always the same."""
    return str(uuid.uuid5(_NAMESPACE, network_id))


async def begin(tx: Transaction, network_id: str, now: datetime) -> None:
    """A network has its segment."""
    row = {"id": id_of(network_id), "network_id": network_id, "created_at": now, "updated_at": now}
    await tx.insert(segments, {**row, "name": "", "description": "", "revision_number": 1})


async def end(tx: Transaction, network_id: str) -> None:
    """A network's segment goes with it."""
    await set_tags(tx, id_of(network_id), ())
    await tx.execute(segments.delete().where(segments.c.network_id == network_id))


async def show(tx: Transaction, rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    their_tags = await tags_of(tx, [row.id for row in rows])
    names = (
        "id", "network_id", "name", "description", "network_type", "physical_network",
        "segmentation_id", "revision_number",
    )  # fmt: skip
    return [
        {
            **{name: row._mapping[name] for name in names},
            "created_at": row.created_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "updated_at": row.updated_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "tags": their_tags[row.id],
        }
        for row in rows
    ]


async def create(tx: Transaction, room: Network, reach: Reach, values: Mapping[str, Any]) -> str:
    """Refused.

    Raises:
        NotFound: no such network. Conflict: it has a segment.
    """
    network = await get(tx, reach, "network", values["network_id"])
    raise conflict(
        "SegmentNotSupported",
        f"Network {network.id} already has a segment, and there is no other physical network "
        "for a further one.",
    )


async def update(
    tx: Transaction, room: Network, reach: Reach, row: Row[Any], values: Mapping[str, Any]
) -> None:
    await change(tx, segments, row.id, room.clock.now(), values)


async def delete(tx: Transaction, room: Network, reach: Reach, row: Row[Any]) -> None:
    """Refused.

    Raises:
        Conflict: it goes with its network.
    """
    raise conflict(
        "SegmentInUse",
        f"Segment '{row.id}' cannot be deleted: it is the only one of network {row.network_id}.",
    )
