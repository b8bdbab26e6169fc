"""Hosts and the other processes that `compute service list` shows."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import Conflict, NotFound
from hanok.base.ids import new_uuid
from hanok.commands import HostState
from hanok.services.compute.logic import aggregates, devices, migrations, servers
from hanok.services.compute.room import Compute, ComputeSettings
from hanok.services.compute.tables import servers as servers_table
from hanok.services.compute.tables import services
from hanok.services.placement import facade as placement
from hanok.store import Duplicate, Transaction

_SPACE = uuid.UUID("6f1d7a3e-2f7c-4b0e-9f0a-6b2b7a5a4d10")
_by_name = sa.select(services).where(
    services.c.host == bindparam("host"), services.c.binary == bindparam("binary")
)
_known = sa.select(services.c.host, services.c.host_state).where(
    services.c.binary == "nova-compute", services.c.host.in_(bindparam("names", expanding=True))
)
_heartbeat = (
    services.update()
    .where(services.c.host == bindparam("of"), services.c.binary == bindparam("what"))
    .values(seen_at=bindparam("at"), host_state=bindparam("state"))
)
_of_hosts = services.c.binary == "nova-compute"
_quiet = (
    sa.select(services.c.host)
    .where(
        _of_hosts,
        services.c.seen_at < bindparam("since"),
        sa.or_(services.c.silent_at.is_(None), services.c.silent_at < services.c.seen_at),
    )
    .order_by(services.c.seen_at)
)
_unheard = (
    services.update()
    .where(
        _of_hosts,
        services.c.host.in_(bindparam("names", expanding=True)),
        services.c.seen_at < bindparam("before"),
    )
    .values(silent_at=bindparam("at"))
)
_in_zone = (
    services.update()
    .where(services.c.host == bindparam("of"), services.c.binary == "nova-compute")
    .values(zone=bindparam("to"))
)
_nodes = sa.select(services).where(services.c.binary == "nova-compute").order_by(services.c.host)
_states = sa.select(
    services.c.binary,
    services.c.host,
    services.c.zone,
    services.c.provider_id,
    services.c.disabled,
    services.c.forced_down,
    services.c.seen_at,
    services.c.silent_at,
).where(services.c.binary == "nova-compute")
_status = _states.where(services.c.host.in_(bindparam("names", expanding=True)))
_status_of_one = _states.where(services.c.host == bindparam("name"))
_reporting = _states.where(services.c.host_state.is_not(None), services.c.provider_id.is_not(None))
_reporting_some = _reporting.where(services.c.provider_id.in_(bindparam("ids", expanding=True)))
_reporting_one = _reporting.where(services.c.provider_id == bindparam("id"))
_told = sa.select(services.c.provider_id, services.c.host_state).where(
    services.c.binary == "nova-compute", services.c.host_state.is_not(None)
)
_told_by_name = sa.select(services.c.host, services.c.host_state).where(
    services.c.binary == "nova-compute",
    services.c.host_state.is_not(None),
    services.c.host.in_(bindparam("names", expanding=True)),
)
_at = servers_table.c.host.in_(bindparam("names", expanding=True))
_count = sa.func.count().label("number")
# One that is deleted has no task. Not said here, so that the index of those that have one is taken.
_busy = (
    sa.select(servers_table.c.host, _count)
    .where(_at, servers_table.c.task_state.is_not(None))
    .group_by(servers_table.c.host)
)
_instances = (
    sa.select(servers_table.c.host, _count)
    .where(_at, servers_table.c.deleted.is_(False))
    .group_by(servers_table.c.host)
)
_failed = sa.select(services.c.host, services.c.failed_builds).where(
    services.c.binary == "nova-compute",
    services.c.failed_builds > 0,
    services.c.host.in_(bindparam("names", expanding=True)),
)
_told_again = (
    services.update()
    .where(services.c.host == bindparam("of"), services.c.binary == bindparam("what"))
    .values(seen_at=bindparam("at"))
)
_highest = sa.select(sa.func.coalesce(sa.func.max(services.c.number), 0))
_one_host = (services.c.host == bindparam("of")) & (services.c.binary == "nova-compute")
_one_more = services.update().where(_one_host).values(failed_builds=services.c.failed_builds + 1)
_none_failed = (
    services.update().where(_one_host, services.c.failed_builds > 0).values(failed_builds=0)
)
_told_some = _told.where(services.c.provider_id.in_(bindparam("ids", expanding=True)))
_all = sa.select(services).order_by(services.c.number)
_by_id = sa.select(services).where(services.c.id == bindparam("id"))
_by_number = sa.select(services).where(services.c.number == bindparam("number"))


def provider_id_of(host: str) -> str:
    """The resource provider of a host: named by the host, so that a second start finds it."""
    return str(uuid.uuid5(_SPACE, host))


async def register(
    tx: Transaction,
    *,
    binary: str,
    host: str,
    zone: str,
    now: datetime,
    provider_id: str | None = None,
) -> None:
    """A process says that it is there, for the first time or again."""
    if await tx.count(_told_again, {"of": host, "what": binary, "at": now}):
        return
    await tx.serialize("compute.services")
    number = int(await tx.scalar(_highest)) + 1
    try:
        await tx.insert(
            services,
            {
                "id": new_uuid(),
                "number": number,
                "binary": binary,
                "host": host,
                "zone": zone,
                "disabled": False,
                "forced_down": False,
                "seen_at": now,
                "provider_id": provider_id,
            },
        )
    except Duplicate:
        return  # another replica was first


_COUNTED = (
    "vcpus",
    "memory_mib",
    "disk_gib",
    "running_guests",
    "overhead_mib",
    "cells",
    "devices",
    "ratios",
    "traits",
)


async def heard(
    tx: Transaction, states: Sequence[HostState], settings: ComputeSettings, now: datetime
) -> bool:
    """Hosts told their states, each once. Returns whether one of them is new."""
    names = [state.host for state in states]
    known = {row.host: row.host_state for row in await tx.all(_known, {"names": names})}
    for state in states:
        if state.host not in known:
            await register(
                tx,
                binary="nova-compute",
                host=state.host,
                zone=settings.zone,
                now=now,
                provider_id=provider_id_of(state.host),
            )
    rows = [
        {"of": state.host, "what": "nova-compute", "at": now, "state": _kept(state)}
        for state in states
    ]
    await tx.execute(_heartbeat, rows)
    for state in states:
        old = known.get(state.host)
        new = _kept(state)
        if old is None or any(old.get(name) != new[name] for name in _COUNTED):
            await _provide(tx, state, settings, now, old)
    return len(known) < len(states)


def _kept(state: HostState) -> dict[str, Any]:
    """What a host told, as its row has it."""
    found: dict[str, Any] = msgspec.to_builtins(state, str_keys=True)
    found["cells"], found["devices"] = list(found["cells"]), list(found["devices"])
    return msgspec.json.decode(msgspec.json.encode(found), type=dict[str, Any])


def read_state(kept: Any) -> HostState:
    """What a host told, from its row."""
    return msgspec.convert(kept, HostState, str_keys=True)


async def _provide(
    tx: Transaction,
    state: HostState,
    settings: ComputeSettings,
    now: datetime,
    before: Mapping[str, Any] | None = None,
) -> None:
    """Tell placement what a host has. before: what the host told the last time."""
    children = None
    if before is None or before.get("devices", []) != _kept(state)["devices"]:
        children = devices.children(state.host, state.devices)
    reserved = reserved_mib(state, settings)
    ratios = state.ratios | await aggregates.ratios_of(tx, state.host)
    dedicated = sum(len(cell.dedicated) for cell in state.cells)
    shared = sum(len(cell.shared) for cell in state.cells) if state.cells else state.vcpus
    await placement.ensure_provider(
        tx,
        provider_id=provider_id_of(state.host),
        name=state.host,
        totals={
            "VCPU": (shared, 0, ratios.get("VCPU", settings.cpu_ratio)),
            "PCPU": (dedicated, 0, 1.0),
            "MEMORY_MB": (
                state.memory_mib,
                reserved,
                ratios.get("MEMORY_MB", settings.memory_ratio),
            ),
            "DISK_GB": (state.disk_gib, 0, ratios.get("DISK_GB", settings.disk_ratio)),
        },
        traits=state.traits,
        gone_traits=(before or {}).get("traits", ()),
        now=now,
        children=children,
    )


def reserved_mib(state: HostState, settings: ComputeSettings) -> int:
    """What of a host's memory is not for guests: its own, and what the processes of guests need, the next one's too."""
    own = min(settings.reserved_memory_mib, state.memory_mib // 4)
    return own + state.overhead_mib * (state.running_guests + bool(state.overhead_mib))


async def follow(
    tx: Transaction, names: Sequence[str], settings: ComputeSettings, now: datetime
) -> None:
    """Hosts are in the zone, and give out as much, as their aggregates say now."""
    for name in names:
        zone = await aggregates.zone_of(tx, name) or settings.zone
        await tx.execute(_in_zone, {"of": name, "to": zone})
        row = await tx.first(_by_name, {"host": name, "binary": "nova-compute"})
        if row is not None and row.host_state is not None:
            await _provide(tx, read_state(row.host_state), settings, now)


async def nodes(tx: Transaction) -> list[Row[Any]]:
    """All hosts, by name."""
    return list(await tx.all(_nodes))


async def everything(tx: Transaction) -> list[Row[Any]]:
    return list(await tx.all(_all))


def is_up(row: Row[Any], room: Compute) -> bool:
    """Whether a process was heard of lately, has not been asked in vain since, and is not forced down.

    Where nobody listened, a host is up until it has been asked; so this is for telling. Where something is begun on a
    host, `has_spoken` is asked.
    """
    now = room.clock.now()
    requested = row.binary == "nova-compute"
    silence = room.absence.silence(row.host, row.seen_at, now) if requested else now - row.seen_at
    silent = row.silent_at is not None and row.silent_at >= row.seen_at
    late = silence >= timedelta(seconds=room.settings.down_after_s)
    return not (row.forced_down or silent or late)


def has_spoken(row: Row[Any], settings: ComputeSettings, now: datetime) -> bool:
    """Whether a host is up by what it said itself, so that it is there for what is to begin."""
    silent = row.silent_at is not None and row.silent_at >= row.seen_at
    late = row.seen_at + timedelta(seconds=settings.down_after_s) <= now
    return not (row.forced_down or silent or late)


async def unsure(tx: Transaction, room: Compute) -> bool:
    """Whether there are hosts that may be up and have not been heard of since nobody listened."""
    settings, now = room.settings, room.clock.now()
    rows = [row for row in await nodes(tx) if not row.disabled and is_up(row, room)]
    return any(not has_spoken(row, settings, now) for row in rows)


async def quiet(tx: Transaction, since: datetime, maximum: int) -> list[str]:
    """Hosts that nothing was heard of since a moment and that have not been asked in vain, the longest first."""
    return list(await tx.scalars(_quiet.limit(maximum), {"since": since}))


async def unheard(tx: Transaction, names: Collection[str], before: datetime, now: datetime) -> None:
    """These hosts do not answer; what was heard of them after a moment counts all the same."""
    await tx.execute(_unheard, {"names": sorted(names), "before": before, "at": now})


async def status_of(tx: Transaction, names: Collection[str], room: Compute) -> dict[str, str]:
    """UP, UNKNOWN (not heard of), MAINTENANCE (disabled) or DOWN (by force), by host."""
    found: dict[str, str] = {}
    if names:
        if len(names) == 1:
            rows = await tx.all(_status_of_one, {"name": next(iter(names))})
        else:
            rows = await tx.all(_status, {"names": sorted(names)})
        for row in rows:
            up = "UP" if is_up(row, room) else "UNKNOWN"
            found[row.host] = "DOWN" if row.forced_down else "MAINTENANCE" if row.disabled else up
    return found


async def reporting(tx: Transaction, provider_ids: Collection[str] | None = None) -> list[Row[Any]]:
    """Hosts that have told their state, of these resource providers; None for all."""
    if provider_ids is None:
        return list(await tx.all(_reporting))
    if len(provider_ids) == 1:
        return list(await tx.all(_reporting_one, {"id": next(iter(provider_ids))}))
    return list(await tx.all(_reporting_some, {"ids": list(provider_ids)}))


async def addresses(tx: Transaction, provider_ids: Collection[str] | None = None) -> dict[str, str]:
    """What hosts say their address is, by resource provider."""
    rows = await _states_of(tx, provider_ids)
    return {row.provider_id: str(row.host_state.get("address", "")) for row in rows}


async def limits(
    tx: Transaction, provider_ids: Collection[str] | None = None
) -> dict[str, frozenset[str]]:
    """What hosts say that they can hold guests to, by resource provider."""
    rows = await _states_of(tx, provider_ids)
    return {row.provider_id: frozenset(row.host_state.get("limits", ())) for row in rows}


async def _states_of(tx: Transaction, provider_ids: Collection[str] | None) -> list[Row[Any]]:
    if provider_ids is None:
        return list(await tx.all(_told))
    return list(await tx.all(_told_some, {"ids": list(provider_ids)}))


async def told(tx: Transaction, names: Collection[str]) -> dict[str, HostState]:
    """What these hosts told last, by name."""
    rows = await tx.all(_told_by_name, {"names": sorted(names)}) if names else ()
    return {row.host: read_state(row.host_state) for row in rows}


async def _counted(tx: Transaction, statement: Any, names: Collection[str]) -> dict[str, int]:
    rows = await tx.all(statement, {"names": sorted(names)}) if names else ()
    return {row.host: int(row.number) for row in rows}


async def busy(tx: Transaction, names: Collection[str]) -> dict[str, int]:
    """How many servers something is done to, by host."""
    return await _counted(tx, _busy, names)


async def instances(tx: Transaction, names: Collection[str]) -> dict[str, int]:
    """How many servers there are, by host."""
    return await _counted(tx, _instances, names)


async def failed_builds(tx: Transaction, names: Collection[str]) -> dict[str, int]:
    """How many servers in a row could not be built, by host; those without are left out."""
    return {row.host: row.failed_builds for row in await tx.all(_failed, {"names": sorted(names)})}


async def built(tx: Transaction, host: str, *, well: bool) -> None:
    """A server was built on a host, or could not be."""
    await tx.execute(_none_failed if well else _one_more, {"of": host})


async def get(tx: Transaction, service_id: str) -> Row[Any]:
    """A process.

    Raises:
        NotFound
    """
    row = await tx.first(_by_id, {"id": service_id})
    if row is None:
        raise _missing(service_id)
    return row


async def by_number(tx: Transaction, number: int) -> Row[Any]:
    """A process by the number that older versions know it by.

    Raises:
        NotFound
    """
    row = await tx.first(_by_number, {"number": number})
    if row is None:
        raise _missing(str(number))
    return row


async def by_name(tx: Transaction, host: str, binary: str) -> Row[Any]:
    """The process of a kind that runs on a host.

    Raises:
        NotFound
    """
    row = await tx.first(_by_name, {"host": host, "binary": binary})
    if row is None:
        raise NotFound(f"Compute host {host} could not be found.")
    return row


def _missing(requested: str) -> NotFound:
    return NotFound(f"Service {requested} could not be found.")


async def force_down(tx: Transaction, service_id: str, down: bool) -> None:
    """Say that a process is down, whatever is heard of it; or take that back."""
    changed = services.update().where(services.c.id == service_id)
    await tx.execute(changed.values(forced_down=down))


async def forget(tx: Transaction, row: Row[Any]) -> None:
    """A host that has no servers is not known any more, until it tells its state.

    Raises:
        Conflict: it has servers, or may get one back.
    """
    if row.binary == "nova-compute":
        if await servers.on_host(tx, row.host):
            raise Conflict("Unable to delete compute service that is hosting instances.")
        if await migrations.are_of_host(tx, row.host):
            raise Conflict(
                f"Host {row.host} has migrations that have not ended. Confirm, revert or wait for them first."
            )
        if row.provider_id is not None:
            await placement.remove_provider(tx, row.provider_id)
        await aggregates.forget_host(tx, row.host)
    await tx.execute(services.delete().where(services.c.id == row.id))


async def set_disabled(tx: Transaction, row: Row[Any], disabled: bool, reason: str | None) -> None:
    await tx.execute(
        services.update()
        .where(services.c.id == row.id)
        .values(disabled=disabled, disabled_reason=reason if disabled else None)
    )
    if row.provider_id is not None:
        await placement.set_trait(tx, row.provider_id, "COMPUTE_STATUS_DISABLED", disabled)
