"""What hosts have of volumes, as an empty one would be told of it; see Room.on_hosts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.commands import (
    EnsureImage,
    EnsureVolume,
    EnsureVolumeSnapshot,
    OpenVolume,
)
from hanok.commands.volumes import BackendStates, VolumeSource
from hanok.rooms import OnHost
from hanok.services.block_storage.logic import attachments, backends, keys
from hanok.services.block_storage.logic.inventory import BUSY
from hanok.services.block_storage.logic.qos_limits import limits_of
from hanok.services.block_storage.room import Volumes
from hanok.services.block_storage.tables import volume_attachments, volume_snapshots, volumes
from hanok.store import Transaction

NOWHERE = (*BUSY, "unmanaging", "error", "error_deleting", "error_managing")
"""Statuses of volumes that their hosts may not have."""
_on = sa.select(volumes).where(volumes.c.host == bindparam("node")).order_by(volumes.c.sequence)
_snapshots = (
    sa.select(volume_snapshots)
    .where(
        volume_snapshots.c.volume_id == bindparam("volume"),
        volume_snapshots.c.status == "available",
    )
    .order_by(volume_snapshots.c.sequence)
)
_open = sa.select(volume_attachments).where(
    volume_attachments.c.volume_id == bindparam("volume"),
    volume_attachments.c.connection.is_not(None),
)


async def what_hosts_have(room: Volumes) -> AsyncIterator[OnHost]:
    async with room.database.read() as tx:
        rows = [row for row in await backends.backends(tx) if row.state is not None]
    for node in sorted({row.node for row in rows}):
        states = tuple(backends.read_state(row) for row in rows if row.node == node)
        yield node, BackendStates(host=node, backends=states)
        async with room.database.read() as tx:
            for row in await tx.all(_on, {"node": node}):
                if row.status not in NOWHERE:
                    async for command in _volume(room, tx, row):
                        yield node, command


async def _volume(
    room: Volumes, tx: Transaction, row: Row[Any]
) -> AsyncIterator[EnsureImage | EnsureVolume | EnsureVolumeSnapshot | OpenVolume]:
    image = row.image_metadata or {}
    source = VolumeSource()
    if image_id := image.get("image_id"):
        source = VolumeSource(kind="image", id=image_id)
        form = image.get("disk_format") or "raw"
        yield EnsureImage(
            image_id=image_id, disk_format=form, size_bytes=0, hash_algorithm="", hash_value=""
        )
    key = keys.of(room, row)
    yield EnsureVolume(
        volume_id=row.id,
        generation=row.generation,
        backend=row.backend,
        size_gib=row.size_gib,
        source=source,
        key=key,
        limits=await limits_of(tx, row),
    )
    for snapshot in await tx.all(_snapshots, {"volume": row.id}):
        yield EnsureVolumeSnapshot(
            snapshot_id=snapshot.id, volume_id=row.id, backend=row.backend, key=key
        )
    for one in await tx.all(_open, {"volume": row.id}):
        yield OpenVolume(
            volume_id=row.id,
            attachment_id=one.id,
            backend=row.backend,
            generation=one.generation,
            read_only=one.mode == "ro",
            key=key,
        )
    for connection in await attachments.connections(tx, row.id):
        yield OpenVolume(
            volume_id=row.id, attachment_id=connection.id, backend=row.backend, key=key
        )
