"""What servers have used: hours, and by them memory, processors and disk, in a time.

Source: Compute API reference, "Usage reports (os-simple-tenant-usage)".
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy import Row

from hanok.base.clock import naive_micro
from hanok.services.compute.tables import servers
from hanok.store import Transaction

HOUR_S = 3600.0

_columns = (
    servers.c.sequence,
    servers.c.id,
    servers.c.project_id,
    servers.c.name,
    servers.c.flavor,
    servers.c.vcpus,
    servers.c.memory_mib,
    servers.c.disk_gib,
    servers.c.vm_state,
    servers.c.launched_at,
    servers.c.terminated_at,
)


class Window(Struct, frozen=True):
    start: datetime
    stop: datetime

    def hours(self, row: Row[Any]) -> float:
        """For how much of this time a server was there."""
        begun: datetime = max(row.launched_at, self.start)
        ended: datetime = min(row.terminated_at or self.stop, self.stop)
        return max(0.0, (ended - begun).total_seconds()) / HOUR_S


async def page(
    tx: Transaction, window: Window, project_id: str | None, after: int, limit: int
) -> Sequence[Row[Any]]:
    """Servers, deleted or not, that were there in a time, the oldest first.

    Args:
        project_id: whose; None: everybody's. after: the sequence of the last one of the page before; 0: none.
    """
    statement = sa.select(*_columns).where(
        *_of(project_id),
        servers.c.launched_at < window.stop,
        sa.or_(servers.c.terminated_at.is_(None), servers.c.terminated_at > window.start),
        servers.c.sequence > after,
    )
    return await tx.all(statement.order_by(servers.c.sequence).limit(limit))


async def sequence_of(tx: Transaction, project_id: str | None, server_id: str) -> int | None:
    """Where a server of a project, or of any, stands in the order of pages; None: there never was one."""
    statement = sa.select(servers.c.sequence).where(servers.c.id == server_id, *_of(project_id))
    found = await tx.scalar(statement)
    return None if found is None else int(found)


def _of(project_id: str | None) -> list[sa.ColumnElement[bool]]:
    return [] if project_id is None else [servers.c.project_id == project_id]


def of_server(window: Window, row: Row[Any], now: datetime) -> dict[str, Any]:
    """What one server used, as the API shows it."""
    ended = row.terminated_at
    return {
        "instance_id": row.id,
        "name": row.name,
        "hours": window.hours(row),
        "tenant_id": row.project_id,
        "flavor": row.flavor["name"],
        "vcpus": row.vcpus,
        "memory_mb": row.memory_mib,
        "local_gb": row.disk_gib + int(row.flavor.get("ephemeral", 0)),
        "state": row.vm_state if ended is None else "terminated",
        "started_at": naive_micro(row.launched_at),
        "ended_at": naive_micro(ended),
        "uptime": int(((ended or now) - row.launched_at).total_seconds()),
    }


class Sums:
    """What projects used, added up server by server."""

    def __init__(self, window: Window, *, detailed: bool) -> None:
        self._window = window
        self._detailed = detailed
        self._found: dict[str, dict[str, Any]] = {}

    def add(self, row: Row[Any], now: datetime) -> None:
        one = of_server(self._window, row, now)
        total = self._found.setdefault(row.project_id, self._nothing(row.project_id))
        total["total_hours"] += one["hours"]
        for name, amount in (
            ("vcpus", "vcpus"),
            ("memory_mb", "memory_mb"),
            ("local_gb", "local_gb"),
        ):
            total[f"total_{name}_usage"] += one[amount] * one["hours"]
        if self._detailed:
            total["server_usages"].append(one)

    def _nothing(self, project_id: str) -> dict[str, Any]:
        answer: dict[str, Any] = {
            "tenant_id": project_id,
            "start": naive_micro(self._window.start),
            "stop": naive_micro(self._window.stop),
            "total_hours": 0.0,
            "total_vcpus_usage": 0.0,
            "total_memory_mb_usage": 0.0,
            "total_local_gb_usage": 0.0,
        }
        return {**answer, "server_usages": []} if self._detailed else answer

    @property
    def projects(self) -> list[dict[str, Any]]:
        return list(self._found.values())
