"""Back ends as hosts tell of them, and the other processes of the service; what of them is given out.

A back end is named "host-1@files", its only pool "host-1@files#files".
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput, NotFound
from hanok.commands.volumes import BackendState
from hanok.services.block_storage.room import BlockStorageSettings, Volumes
from hanok.services.block_storage.tables import volume_services as table
from hanok.store import Transaction
from hanok.web import backends as hosts

VOLUME, SCHEDULER, BACKUP = "cinder-volume", "cinder-scheduler", "cinder-backup"


def _missing(binary: str, host: str) -> NotFound:
    return NotFound(f"Service {binary[:100]} could not be found on host {host[:255]}.")


name_of, pool_of, split = hosts.name_of, hosts.pool_of, hosts.split
_them = hosts.BackEnds(table, VOLUME, new={"disabled": False, "frozen": False}, missing=_missing)
register, everything, backends = _them.register, _them.everything, _them.backends
by_name, find = _them.by_name, _them.find
claim, add, change = _them.claim, _them.add, _them.change
_of_node = _them.whole.where(table.c.node == bindparam("node"))
_zones = (
    sa.select(table.c.zone, sa.func.min(sa.cast(table.c.disabled, sa.Integer)).label("disabled"))
    .where(table.c.binary == VOLUME)
    .group_by(table.c.zone)
    .order_by(table.c.zone)
)


def read_state(row: Row[Any]) -> BackendState:
    """What a host told of a back end."""
    return msgspec.convert(row.state, BackendState)


def is_up(row: Row[Any], room: Volumes) -> bool:
    """Whether a process was heard of lately, for who wants to know; see `is_ready` for what is to begin there."""
    return hosts.is_up(row, room.absence, room.settings.down_after_s, room.clock.now())


def has_spoken(row: Row[Any], room: Volumes) -> bool:
    """Whether a process is up by what it said itself."""
    return hosts.has_spoken(row, room.settings.down_after_s, room.clock.now())


def is_ready(row: Row[Any], room: Volumes) -> bool:
    """Whether a back end was heard of lately, and works."""
    return has_spoken(row, room) and row.state is not None and not row.state.get("reason")


async def unheard_of(tx: Transaction, room: Volumes) -> list[str]:
    """Hosts of whose back ends one has not been heard of lately."""
    return sorted({row.node for row in await backends(tx) if not has_spoken(row, room)})


async def unsure(tx: Transaction, room: Volumes) -> bool:
    """Whether there are back ends that may be up and have not been heard of since nobody listened."""
    rows = await backends(tx)
    return any(is_up(row, room) and not has_spoken(row, room) for row in rows)


def capacity(state: BackendState) -> int:
    """How many GiB all volumes of a back end may have together."""
    usable = state.total_gib * (1 - state.reserved_percentage / 100)
    thin = state.capabilities.get("thin_provisioning_support", "").lower() == "true"
    return int(usable * max(state.over_subscription, 1.0)) if thin else int(usable)


async def heard(
    tx: Transaction,
    node: str,
    states: Sequence[BackendState],
    settings: BlockStorageSettings,
    now: datetime,
) -> None:
    """A host told of its back ends. Those that it has no more are not heard of any more."""
    for state in states:
        kept = msgspec.to_builtins(state)
        more = {"state": kept, "capacity_gib": capacity(state)}
        await _them.heard(tx, node, state.name, settings.zone, now, **more)


async def unheard(tx: Transaction, nodes: Sequence[str], before: datetime, now: datetime) -> None:
    """These hosts do not answer; what was heard of them after a moment counts all the same."""
    theirs = (table.c.node.in_(nodes)) & (table.c.seen_at < before)
    await tx.execute(table.update().where(theirs).values(silent_at=now))


async def of_node(tx: Transaction, node: str) -> Sequence[Row[Any]]:
    return await tx.all(_of_node, {"node": node})


async def get(tx: Transaction, host: str) -> Row[Any]:
    """A back end by "host@backend", with or without its pool.

    Raises:
        NotFound
    """
    row = await find(tx, *split(host))
    if row is None:
        raise NotFound(f"Service {host[:255]} could not be found.")
    return row


async def zones(tx: Transaction) -> dict[str, bool]:
    """The zones that back ends are in, each with whether it can be used."""
    return {row.zone: not row.disabled for row in await tx.all(_zones)}


async def check_zone(tx: Transaction, settings: BlockStorageSettings, zone: str) -> str:
    """A zone that was asked for, or the usual one in its place, where the operator says so.

    Raises:
        BadInput
    """
    if zone == settings.zone or (await zones(tx)).get(zone):
        return zone
    if settings.allow_availability_zone_fallback:
        return settings.zone
    raise BadInput(f"Availability zone '{zone[:255]}' is invalid.")
