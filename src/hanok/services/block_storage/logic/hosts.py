"""Back ends as operators look at them: what is on them, pools, capabilities, how much this process logs."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.clock import naive_micro
from hanok.base.errors import NotFound
from hanok.base.ids import is_uuid
from hanok.services.block_storage.logic import backends, types
from hanok.services.block_storage.logic.scheduling import wanting
from hanok.services.block_storage.room import Volumes
from hanok.services.block_storage.tables import volume_services as table
from hanok.services.block_storage.tables import volume_snapshots, volumes
from hanok.store import Transaction

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_here = (volumes.c.host == bindparam("node")) & (volumes.c.backend == bindparam("backend"))
_volumes = (
    sa.select(
        volumes.c.project_id,
        sa.func.count().label("number"),
        sa.func.sum(volumes.c.size_gib).label("size"),
    )
    .where(_here)
    .group_by(volumes.c.project_id)
)
_snapshots = (
    sa.select(
        volume_snapshots.c.project_id,
        sa.func.count().label("number"),
        sa.func.sum(volume_snapshots.c.size_gib).label("size"),
    )
    .join(volumes, volumes.c.id == volume_snapshots.c.volume_id)
    .where(_here)
    .group_by(volume_snapshots.c.project_id)
)
_process = sa.select(table).where(table.c.host == bindparam("host")).order_by(table.c.sequence)


async def backend(tx: Transaction, host: str) -> Row[Any]:
    """A process by its host's name. Raises NotFound."""
    row = await tx.first(_process, {"host": host.partition("#")[0]})
    if row is None:
        raise NotFound(f"Host {host[:255]} could not be found.")
    return row


async def counted(tx: Transaction, row: Row[Any]) -> list[dict[str, str]]:
    """How much is on a back end, altogether and by project."""
    of = {"node": row.node, "backend": row.backend}
    there: dict[str, list[int]] = {}
    for place, statement in ((0, _volumes), (2, _snapshots)):
        for one in await tx.all(statement, of):
            numbers = there.setdefault(one.project_id, [0, 0, 0, 0])
            numbers[place : place + 2] = [int(one.number), int(one.size or 0)]
    total = [sum(one[place] for one in there.values()) for place in range(4)]
    return [_counts("(total)", total), *(_counts(*one) for one in sorted(there.items()))]


def _counts(project: str, numbers: Sequence[int]) -> dict[str, str]:
    names = ("volume_count", "total_volume_gb", "snapshot_count", "total_snapshot_gb")
    return {
        "project": project,
        **{name: str(one) for name, one in zip(names, numbers, strict=True)},
    }


async def pools(tx: Transaction, room: Volumes, kind: str | None) -> list[Row[Any]]:
    """The back ends that told their state; those alone that suit a type, by id or name."""
    rows = [row for row in await backends.backends(tx) if row.state is not None]
    rows = [row for row in rows if backends.is_up(row, room)]
    if not kind:
        return rows
    found = [one for one in await types.everything(tx) if kind in (one.id, one.name)]
    if not found:
        raise NotFound(
            f"Volume type {'' if is_uuid(kind) else 'with name '}{kind[:255]} could not be found."
        )
    return [row for row in rows if not wanting(row, found[0].extra_specs)]


def pool(row: Row[Any]) -> dict[str, Any]:
    """What a pool has and can, as operators see it."""
    state = backends.read_state(row)
    at = naive_micro(row.seen_at)
    return {
        "pool_name": row.backend,
        "volume_backend_name": row.backend,
        "driver_version": "1.0",
        "vendor_name": "Hanok",
        "storage_protocol": "nbd",
        "total_capacity_gb": state.total_gib,
        "free_capacity_gb": state.free_gib,
        "allocated_capacity_gb": row.allocated_gib,
        "provisioned_capacity_gb": state.provisioned_gib,
        "max_over_subscription_ratio": state.over_subscription,
        "reserved_percentage": state.reserved_percentage,
        "QoS_support": True,
        "location_info": f"{state.driver}:{row.host}",
        "timestamp": at,
        "updated": at,
        "backend_state": "down" if state.reason else "up",
        **{
            name: _plain(value)
            for name, value in state.capabilities.items()
            if name != "QoS_support"
        },
    }


def _plain(value: str) -> Any:
    return {"true": True, "false": False}.get(value.lower(), value)


def capabilities(row: Row[Any]) -> dict[str, Any]:
    """What a back end can, as types may ask for it."""
    state = backends.read_state(row)
    known = {
        name: {
            "title": name.replace("_", " ").capitalize(),
            "description": f"The back end says {name}={value}.",
            "type": "boolean" if value.lower() in ("true", "false") else "string",
        }
        for name, value in state.capabilities.items()
    }
    return {
        "namespace": f"OS::Storage::Capabilities::{row.host}",
        "vendor_name": "Hanok",
        "volume_backend_name": row.backend,
        "pool_name": row.backend,
        "driver_version": "1.0",
        "storage_protocol": "nbd",
        "display_name": row.backend,
        "description": f"{state.driver}: {state.reason or 'works'}",
        "visibility": "public",
        "replication_targets": [],
        "properties": known,
    }


# ---- how much is logged ----


def log_levels(prefix: str) -> dict[str, str]:
    """The levels of loggers whose names begin so."""
    found = {"hanok": logging.getLogger("hanok").getEffectiveLevel()}
    for name in list(logging.root.manager.loggerDict):
        logger = logging.getLogger(name)
        if name.startswith("hanok") and logger.level:
            found[name] = logger.level
    return {
        name: logging.getLevelName(level)
        for name, level in sorted(found.items())
        if name.startswith(prefix)
    }


def set_log_level(prefix: str, level: str) -> None:
    """Loggers of this project whose names begin so log from this level on."""
    for name in {"hanok", *logging.root.manager.loggerDict}:
        if name.startswith("hanok") and name.startswith(prefix):
            logging.getLogger(name).setLevel(level)
