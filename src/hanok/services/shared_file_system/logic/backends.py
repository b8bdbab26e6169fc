"""Back ends as hosts tell of them, and the other processes of the service; what of them is given out.

A back end is named "host-1@folder", its only pool "host-1@folder#folder".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import NotFound
from hanok.base.spec_operators import unmet
from hanok.commands.shares import ShareBackendState
from hanok.services.shared_file_system.logic import specs
from hanok.services.shared_file_system.room import SharedFileSystemSettings, Shares
from hanok.services.shared_file_system.tables import share_services as table
from hanok.store import Transaction
from hanok.web import backends as hosts

SHARE, SCHEDULER, DATA = "manila-share", "manila-scheduler", "manila-data"


def _missing(binary: str, host: str) -> NotFound:
    return NotFound(f"Service {binary[:100]} on host {host[:255]} could not be found.")


name_of, pool_of, split = hosts.name_of, hosts.pool_of, hosts.split
_them = hosts.BackEnds(table, SHARE, new={"disabled": False, "ensuring": False}, missing=_missing)
register, everything, backends = _them.register, _them.everything, _them.backends
by_name, find = _them.by_name, _them.find
claim, add, change = _them.claim, _them.add, _them.change
_zones = (
    sa.select(table.c.zone, sa.func.min(table.c.sequence).label("first"))
    .where(table.c.binary == SHARE)
    .group_by(table.c.zone)
    .order_by(table.c.zone)
)
_by_sequence = sa.select(table).where(table.c.sequence == bindparam("sequence"))
_NOT_OF_BACK_ENDS = frozenset(
    ("availability_zones", "default_qos_type", "replication_type", specs.SERVERS)
)


def read_state(row: Row[Any]) -> ShareBackendState:
    """What a host told of a back end."""
    return msgspec.convert(row.state, ShareBackendState)


def is_up(row: Row[Any], room: Shares) -> bool:
    """Whether a process was heard of lately, for who wants to know; see `is_ready` for what is to begin there."""
    return hosts.is_up(row, room.absence, room.settings.down_after_s, room.clock.now())


def has_spoken(row: Row[Any], room: Shares) -> bool:
    """Whether a process is up by what it said itself."""
    return hosts.has_spoken(row, room.settings.down_after_s, room.clock.now())


def is_ready(row: Row[Any], room: Shares) -> bool:
    """Whether a back end was heard of lately, and works."""
    return has_spoken(row, room) and row.state is not None and not row.state.get("reason")


async def unheard_of(tx: Transaction, room: Shares) -> list[str]:
    """Hosts of whose back ends one has not been heard of lately."""
    return sorted({row.node for row in await backends(tx) if not has_spoken(row, room)})


async def unsure(tx: Transaction, room: Shares) -> bool:
    """Whether there are back ends that may be up and have not been heard of since nobody listened."""
    rows = await backends(tx)
    return any(is_up(row, room) and not has_spoken(row, room) for row in rows)


def is_thin(state: ShareBackendState) -> bool:
    return specs.flag(state.capabilities.get("thin_provisioning", "")) is True


def capacity(state: ShareBackendState) -> int:
    """How many GiB all shares of a back end may have together."""
    usable = state.total_gib * (1 - state.reserved_percentage / 100)
    return int(usable * max(state.over_subscription, 1.0)) if is_thin(state) else int(usable)


def has_servers(state: ShareBackendState) -> bool:
    """Whether shares here are given out by share servers alone."""
    return not state.own_server


async def heard(
    tx: Transaction,
    node: str,
    states: Sequence[ShareBackendState],
    settings: SharedFileSystemSettings,
    now: datetime,
) -> None:
    """A host told of its back ends. Those that it has no more are not heard of any more."""
    for state in states:
        kept = msgspec.to_builtins(state)
        more = {"state": kept, "capacity_gib": capacity(state)}
        await _them.heard(tx, node, state.name, settings.zone, now, **more)


async def get(tx: Transaction, host: str) -> Row[Any]:
    """A back end by "host@backend", with or without its pool.

    Raises:
        NotFound
    """
    return await by_name(tx, SHARE, host.partition("#")[0])


async def zones(tx: Transaction) -> list[Row[Any]]:
    """The zones that back ends are in, each by the first service there: its id and times are the zone's."""
    found: list[Row[Any]] = []
    for zone in await tx.all(_zones):
        found += await tx.all(_by_sequence, {"sequence": zone.first})
    return found


async def check_zone(tx: Transaction, settings: SharedFileSystemSettings, zone: str) -> str:
    """Raises NotFound for a zone that no back end is in."""
    if zone == settings.zone or any(zone in (row.zone, row.id) for row in await zones(tx)):
        return zone
    raise NotFound(f"Availability zone '{zone[:255]}' could not be found.")


def told(row: Row[Any]) -> dict[str, str]:
    """What types may ask of a back end, by the names of their extra specs."""
    state = read_state(row)
    return {
        "share_backend_name": state.name,
        "pool_name": state.name,
        "driver": state.driver,
        "storage_protocol": "NFS",
        "vendor_name": "Hanok",
        "driver_version": "1.0",
        "free_capacity_gb": str(state.free_gib),
        "total_capacity_gb": str(state.total_gib),
        "reserved_percentage": str(state.reserved_percentage),
        "qos": "False",
        "dedupe": "False",
        "compression": "False",
        **state.capabilities,
    }


def wanting(row: Row[Any], extra: Mapping[str, str]) -> list[str]:
    """The extra specs that a back end does not satisfy."""
    requested = {
        name: f"<is> {specs.flag(one)}" if name in specs.FLAGS else one
        for name, one in extra.items()
        if _asks(name, one)
    }
    found = unmet(told(row), requested)
    if specs.says(extra, specs.SERVERS):
        return found
    return found if not has_servers(read_state(row)) else [*found, specs.SERVERS]


def _asks(name: str, value: str) -> bool:
    """Whether a spec asks anything of a back end: an ability that shares are not to have does not."""
    if name in _NOT_OF_BACK_ENDS or name.startswith("provisioning:"):
        return False
    return not (name in specs.FLAGS and specs.flag(value) is False)
