"""Volumes: rows, states, and what may be done in which state.

Source: Block Storage API reference, "Volumes" (the table of statuses), "Volume actions".
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput
from hanok.events import Event
from hanok.services.block_storage.logic import backends
from hanok.services.block_storage.room import Volumes
from hanok.services.block_storage.tables import (
    volume_attachments,
    volume_connections,
    volume_snapshots,
    volume_transfers,
    volumes,
)
from hanok.store import JSON, Transaction, still_there
from hanok.store.schema import JSONText
from hanok.web.owned import Owned, missing
from hanok.web.token import Caller

not_found = missing("Volume")
_owned = Owned(volumes, not_found)
WHOLE, of, get_any, get, change = (
    _owned.whole,
    _owned.of,
    _owned.get_any,
    _owned.get,
    _owned.change,
)
# What no list shows, or what is handed on as it is.
_NOT_SHOWN = (
    "previous_status",
    "sealed_key",
    "scheduler_hints",
    "generation",
    "launched_at",
    "backup_id",
    "image_id",
)
DETAILS = sa.select(
    *(
        sa.type_coerce(column, JSONText).label(column.name)
        if column.name in ("metadata", "image_metadata")
        else column
        for column in volumes.c
        if column.name not in _NOT_SHOWN
    )
)
NAMES = sa.select(volumes.c.id, volumes.c.name)

_attachments = (
    sa.select(volume_attachments)
    .where(volume_attachments.c.volume_id == bindparam("id"))
    .order_by(volume_attachments.c.sequence)
)
_attachments_of = (
    sa.select(volume_attachments)
    .where(volume_attachments.c.volume_id.in_(bindparam("ids", expanding=True)))
    .order_by(volume_attachments.c.sequence)
)
_snapshots = (
    sa.select(volume_snapshots)
    .where(volume_snapshots.c.volume_id == bindparam("id"))
    .order_by(volume_snapshots.c.sequence)
)
_a_snapshot = (
    sa.select(volume_snapshots.c.id).where(volume_snapshots.c.volume_id == bindparam("id")).limit(1)
)
_being_cloned = (
    sa.select(volumes.c.id)
    .where(volumes.c.source_volume_id == bindparam("id"), volumes.c.status == "creating")
    .limit(1)
)
_being_read = sa.union_all(
    sa.select(volume_snapshots.c.id).where(
        volume_snapshots.c.volume_id == bindparam("id"), volume_snapshots.c.status == "creating"
    ),
    sa.select(volumes.c.id).where(
        volumes.c.source_volume_id == bindparam("id"), volumes.c.status == "creating"
    ),
)
_summary = sa.select(
    sa.func.count().label("number"),
    sa.func.coalesce(sa.func.sum(volumes.c.size_gib), 0).label("size"),
)
_on = sa.select(volumes).where(
    volumes.c.host == bindparam("node"), volumes.c.backend == bindparam("backend")
)

DELETABLE = ("available", "error", "error_restoring", "error_extending", "error_managing")
STATUSES = frozenset(
    (
        "creating", "available", "reserved", "attaching", "detaching", "in-use", "maintenance", "deleting",
        "awaiting-transfer", "error", "error_deleting", "backing-up", "restoring-backup", "error_backing-up",
        "error_restoring", "error_extending", "downloading", "uploading", "retyping", "extending", "managing",
        "error_managing", "reverting",
    )
)  # fmt: skip


def invalid(reason: str) -> BadInput:
    """What is refused because of a volume's state."""
    return BadInput(f"Invalid volume: {reason}")


async def to_change(tx: Transaction, caller: Caller, volume_id: str) -> Row[Any]:
    """The same, when no other transaction changes it; none does until this one ends. Raises NotFound."""
    await tx.take_turn(volume_id)
    return await get(tx, caller, volume_id)


async def attachments(tx: Transaction, volume_id: str) -> Sequence[Row[Any]]:
    return await tx.all(_attachments, {"id": volume_id})


async def attachments_of(tx: Transaction, volume_ids: Collection[str]) -> dict[str, list[Row[Any]]]:
    """The attachments of volumes, by volume; those without are left out."""
    found: dict[str, list[Row[Any]]] = {}
    if volume_ids:
        for row in await tx.all(_attachments_of, {"ids": list(volume_ids)}):
            found.setdefault(row.volume_id, []).append(row)
    return found


async def snapshots(tx: Transaction, volume_id: str) -> Sequence[Row[Any]]:
    return await tx.all(_snapshots, {"id": volume_id})


async def on_backend(tx: Transaction, node: str, backend: str) -> Sequence[Row[Any]]:
    return await tx.all(_on, {"node": node, "backend": backend})


async def summary(
    tx: Transaction, caller: Caller, *, everywhere: bool
) -> tuple[int, int, dict[str, list[str]]]:
    """How many volumes there are, how large they are together (GiB), and the values of their metadata by key."""
    statement = of(caller, _summary, everywhere=everywhere)
    row = still_there(await tx.first(statement))
    said: dict[str, set[str]] = {}
    texts = of(
        caller,
        sa.select(volumes.c.metadata).where(sa.type_coerce(volumes.c.metadata, sa.Text) != "{}"),
        everywhere=everywhere,
    )
    for metadata in await tx.scalars(texts):
        for key, value in metadata.items():
            said.setdefault(key, set()).add(value)
    return row.number, row.size, {key: sorted(values) for key, values in said.items()}


async def turn(tx: Transaction, row: Row[Any], status: str, now: datetime, **more: Any) -> None:
    """A request begins something with a volume: another status, and a higher generation."""
    values = {"status": status, "previous_status": row.status, "generation": row.generation + 1}
    await change(tx, row.id, {**values, **more}, now)


async def settle(tx: Transaction, room: Volumes, volume_id: str, status: str, **more: Any) -> None:
    """What was done with a volume is over; steps that wait for that go on."""
    await change(
        tx, volume_id, {"status": status, "previous_status": None, **more}, room.clock.now()
    )
    await tell_state(tx, room, volume_id, status)


async def tell_state(tx: Transaction, room: Volumes, volume_id: str, status: str) -> None:
    event = Event(
        kind="volume.state",
        resource=f"volume:{volume_id}",
        payload={"id": volume_id, "status": status},
    )
    await room.events.emit(tx, event)


async def gone(tx: Transaction, room: Volumes, row: Row[Any]) -> None:
    """Nothing of a volume is left, and its part of the back end is free."""
    await backends.add(tx, row.host, row.backend, -row.size_gib)
    for table in (volume_attachments, volume_connections, volume_snapshots, volume_transfers):
        await tx.execute(table.delete().where(table.c.volume_id == row.id))
    await tx.execute(volumes.delete().where(volumes.c.id == row.id))
    await tell_state(tx, room, row.id, "deleted")


def occupied(row: Row[Any], attached: Sequence[Row[Any]]) -> bool:
    return bool(attached) or row.attach_status == "attached"


async def check_deletable(tx: Transaction, row: Row[Any], *, cascade: bool, force: bool) -> None:
    """Raises BadInput where a volume's state does not let it be deleted."""
    attached = await attachments(tx, row.id)
    moving = not force and moves(row)
    held = not cascade and await tx.first(_a_snapshot, {"id": row.id}) is not None
    cloned = await tx.first(_being_cloned, {"id": row.id}) is not None
    fits = force or row.status in DELETABLE
    if not fits or moving or attached or held or cloned or row.group_id is not None:
        raise invalid(
            "Volume status must be available or error or error_restoring or error_extending or error_managing and "
            "must not be migrating, attached, belong to a group, have snapshots, awaiting a transfer, or be "
            "disassociated from snapshots after volume transfer."
        )
    if cascade:
        await _check_snapshots(tx, row, force=force)


async def _check_snapshots(tx: Transaction, row: Row[Any], *, force: bool) -> None:
    for snapshot in await snapshots(tx, row.id):
        if not force and snapshot.status not in ("available", "error", "deleting"):
            raise invalid("At least one of its snapshots has an invalid status for deletion.")
        if snapshot.group_snapshot_id is not None:
            raise invalid("At least one of its snapshots belongs to a group snapshot.")
        if not force and snapshot.project_id != row.project_id:
            raise invalid(
                "At least one of its snapshots belongs to another project, as it was transferred without snapshots."
            )


def moves(row: Row[Any]) -> bool:
    """Whether a volume is on its way to another back end."""
    return row.migration_status not in (None, "deleting", "error", "success")


def check_at_rest(row: Row[Any]) -> None:
    """Raises BadInput for a volume that moves: nothing else is begun with it meanwhile."""
    if moves(row):
        raise invalid(f"Volume {row.id} is part of an active migration.")


async def is_read(tx: Transaction, volume_id: str) -> bool:
    """Whether a snapshot or a volume is being made of what a volume has on it."""
    return await tx.first(_being_read, {"id": volume_id}) is not None


async def check_unread(tx: Transaction, row: Row[Any]) -> None:
    """Raises BadInput where a volume must not get other content, as something is being made of what it has."""
    if await is_read(tx, row.id):
        raise invalid(f"A snapshot or a volume is being created from volume {row.id}.")


def check_status(row: Row[Any], statuses: Sequence[str], what: str) -> None:
    """Raises BadInput where a volume moves, or has none of these statuses. what: "extend"."""
    check_at_rest(row)
    if row.status not in statuses:
        listed = " or ".join(statuses)
        raise invalid(
            f"Volume {row.id} status must be {listed} to {what}, but current status is: {row.status}."
        )


def attached_mode(attached: Sequence[Row[Any]]) -> str | None:
    """How a volume is attached; None: not at all."""
    modes = [one.mode or "rw" for one in attached if one.status == "attached"]
    return modes[0] if modes else None


def has_text(column: sa.Column[Any], key: str, value: str) -> sa.ColumnElement[bool]:
    """Whether a map of texts, kept as JSON, has a key with this value: its text has, as quotes within are escaped."""
    item = f"{_json(key)}:{_json(value)}"
    text = sa.type_coerce(column, sa.Text)
    return sa.or_(*(sa.func.replace(text, f"{before}{item}", "") != text for before in "{,"))


def _json(text: str) -> str:
    found = JSON().process_bind_param(text, None)  # type: ignore[arg-type]
    return str(found)
