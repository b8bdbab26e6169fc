"""What is done to servers by itself when its time has come."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row

from hanok.base.errors import Conflict
from hanok.services.compute.logic import servers
from hanok.services.compute.operations import DeleteServer, OffloadServer, resize_server
from hanok.services.compute.room import Compute
from hanok.services.compute.tables import migrations
from hanok.services.compute.tables import servers as table
from hanok.store import Transaction

AT_ONCE = 100  # of each kind in a round

Begin = Callable[[Transaction, Compute, Row[Any], datetime], Awaitable[None]]


async def begin_due(room: Compute) -> None:
    """Begin what is due: shelved servers leave their hosts, resizes are confirmed, deleted servers go."""
    settings, now = room.settings, room.clock.now()
    if settings.shelved_offload_time_s > 0:
        before = now - timedelta(seconds=settings.shelved_offload_time_s)
        due = sa.and_(table.c.vm_state == "shelved", table.c.shelved_at < before)
        await _each(room, due, _offload)
    if settings.resize_confirm_window_s > 0:
        before = now - timedelta(seconds=settings.resize_confirm_window_s)
        waiting = sa.select(migrations.c.server_id).where(
            migrations.c.status == "finished", migrations.c.updated_at < before
        )
        due = sa.and_(table.c.vm_state == "resized", table.c.id.in_(waiting))
        await _each(room, due, _confirm)
    if settings.reclaim_instance_interval_s > 0:
        before = now - timedelta(seconds=settings.reclaim_instance_interval_s)
        due = sa.and_(table.c.vm_state == "soft-delete", table.c.soft_deleted_at < before)
        await _each(room, due, _reclaim)


async def _each(room: Compute, due: sa.ColumnElement[bool], begin: Begin) -> None:
    """Begin with each of these servers that nothing else works on, in a transaction of its own."""
    found = (
        sa.select(table)
        .where(due, table.c.deleted.is_(False), table.c.task_state.is_(None))
        .limit(AT_ONCE)
    )
    async with room.database.read() as tx:
        rows = await tx.all(found)
    for row in rows:
        try:
            async with room.database.write() as tx:
                await begin(tx, room, row, room.clock.now())
        except Conflict:
            pass  # somebody else was faster


async def _offload(tx: Transaction, room: Compute, row: Row[Any], now: datetime) -> None:
    generation = await servers.begin(tx, row, "shelveOffload", now)
    operation = OffloadServer(server_id=row.id, generation=generation)
    await room.operations.start(tx, operation, project_id=row.project_id)


async def _confirm(tx: Transaction, room: Compute, row: Row[Any], now: datetime) -> None:
    operation = await resize_server.begin_confirm(tx, row, now)
    await room.operations.start(tx, operation, project_id=row.project_id)


async def _reclaim(tx: Transaction, room: Compute, row: Row[Any], now: datetime) -> None:
    generation = await servers.begin_delete(tx, row.id, now)
    if generation is not None:
        operation = DeleteServer(server_id=row.id, generation=generation)
        await room.operations.start(tx, operation, project_id=row.project_id)
