"""Migrations: the records of servers that move, or have moved, between hosts or flavors.

A migration's allocations: while a resize on one host waits to be confirmed, the server holds the larger of both
flavors there. On two hosts the server holds the new one's, and the migration's own id the old one's.

Source: Compute API reference, "Migrations (os-migrations)", "Server migrations (servers, migrations)".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput, NotFound
from hanok.base.ids import new_uuid
from hanok.services.compute.schemas.answers import IN_PROGRESS
from hanok.services.compute.tables import migrations
from hanok.store import Transaction

RESIZE = "resize"
COLD = "migration"
LIVE = "live-migration"
EVACUATION = "evacuation"
UNDER_WAY = (
    *("pre-migrating", "migrating", "post-migrating", "finished", "confirming", "reverting"),
    *("queued", "preparing", "running"),
)
HURRY = (
    "force_complete"  # among what is kept of a live migration: it may stand still until it is there
)

_going_on = (
    sa.select(migrations)
    .where(
        migrations.c.server_id == bindparam("server"),
        migrations.c.migration_type == LIVE,
        migrations.c.status.in_(IN_PROGRESS),
    )
    .order_by(migrations.c.id)
)
_newest = (
    sa.select(migrations)
    .where(
        migrations.c.server_id == bindparam("server"),
        migrations.c.status == bindparam("is"),
    )
    .order_by(migrations.c.id.desc())
)
_by_uuid = sa.select(migrations).where(migrations.c.uuid == bindparam("id"))
_under_way = sa.select(migrations.c.uuid).where(
    migrations.c.server_id == bindparam("server"), migrations.c.status.in_(UNDER_WAY)
)
_of_host = (
    sa.select(migrations.c.id)
    .where(
        migrations.c.status.in_(UNDER_WAY),
        sa.or_(
            migrations.c.source_compute == bindparam("host"),
            migrations.c.dest_compute == bindparam("host"),
        ),
    )
    .limit(1)
)
_change = migrations.update().where(migrations.c.uuid == bindparam("of"))
_end = migrations.update().where(
    migrations.c.server_id == bindparam("server"), migrations.c.status.in_(UNDER_WAY)
)


async def create(
    tx: Transaction,
    row: Row[Any],
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    user_id: str,
    now: datetime,
    kind: str = RESIZE,
) -> str:
    """Write the record of a resize or a cold migration that begins; returns its id.

    Args:
        before, after: columns of the server with the values of either side.
    """
    uuid = new_uuid()
    values = {
        "uuid": uuid,
        "server_id": row.id,
        "project_id": row.project_id,
        "user_id": user_id,
        "migration_type": kind,
        "status": "queued" if kind == LIVE else "pre-migrating",
        "hidden": False,
        "source_compute": row.host,
        "source_node": row.host,
        "old_flavor": row.flavor_id,
        "new_flavor": after["flavor_id"],
        "progress": {},
        "before": dict(before),
        "after": dict(after),
        "created_at": now,
        "updated_at": now,
    }
    await tx.execute(migrations.insert(), values)
    return uuid


async def get(tx: Transaction, uuid: str) -> Row[Any]:
    """A migration that an operation names."""
    row = await tx.first(_by_uuid, {"id": uuid})
    assert row is not None
    return row


def listed(project_id: str | None) -> sa.Select[Any]:
    """The migrations of a project's servers; None: all."""
    every = sa.select(migrations)
    return every if project_id is None else every.where(migrations.c.project_id == project_id)


async def going_on(tx: Transaction, server_id: str) -> Sequence[Row[Any]]:
    """A server's live migrations that have not ended."""
    return await tx.all(_going_on, {"server": server_id})


async def are_of_host(tx: Transaction, host: str) -> bool:
    """Whether a server moves from or to a host, or may still be set back there."""
    return await tx.first(_of_host, {"host": host}) is not None


async def one_going_on(tx: Transaction, server_id: str, migration_id: str) -> Row[Any]:
    """A server's live migration that has not ended. migration_id: as it was sent.

    Raises:
        NotFound
    """
    for row in await going_on(tx, server_id):
        if str(row.id) == migration_id:
            return row
    raise NotFound(
        f"In-progress live migration {migration_id[:255]} is not found for server {server_id}."
    )


async def finished(tx: Transaction, server_id: str) -> Row[Any]:
    """The migration that waits to be confirmed or reverted.

    Raises:
        BadInput: there is none.
    """
    row = await tx.first(_newest, {"server": server_id, "is": "finished"})
    if row is None:
        raise BadInput("Instance has not been resized.")
    return row


async def keep(tx: Transaction, row: Row[Any], more: Mapping[str, Any]) -> None:
    """Remember more of how it was before."""
    await tx.execute(_change.values(before={**row.before, **more}), {"of": row.uuid})


async def set_status(
    tx: Transaction, uuid: str, status: str, now: datetime, **more: str | None
) -> None:
    """more: further columns."""
    await tx.execute(_change.values(status=status, updated_at=now, **more), {"of": uuid})


async def set_progress(
    tx: Transaction, uuid: str, status: str, progress: Mapping[str, int], now: datetime
) -> None:
    """How far a live migration is."""
    values = {"status": status, "progress": dict(progress), "updated_at": now}
    await tx.execute(_change.values(**values), {"of": uuid})


async def end_all(tx: Transaction, server_id: str, now: datetime) -> list[str]:
    """The server is deleted, so nothing of it is under way; returns the ids of the migrations that were."""
    found = list(await tx.scalars(_under_way, {"server": server_id}))
    if found:
        await tx.execute(_end.values(status="error", updated_at=now), {"server": server_id})
    return found
