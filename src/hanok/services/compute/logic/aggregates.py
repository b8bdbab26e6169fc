"""Host aggregates: their rows, hosts and metadata.

A host is in any number of aggregates. What an aggregate's metadata says under `availability_zone` is the zone of its
hosts; `cpu_allocation_ratio` and the like say how much of them may be given out.

Source: Compute API reference, "Host aggregates (os-aggregates)".
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput, Conflict, NotFound
from hanok.base.ids import new_uuid
from hanok.services.compute.tables import aggregate_hosts, aggregate_metadata, aggregates
from hanok.store import Duplicate, Transaction

ZONE = "availability_zone"
RATIOS = {
    "cpu_allocation_ratio": "VCPU",
    "ram_allocation_ratio": "MEMORY_MB",
    "disk_allocation_ratio": "DISK_GB",
}
"""Keys of metadata that say how much of a resource class may be given out, as a multiple of what there is."""

_all = sa.select(aggregates).order_by(aggregates.c.id)
_by_id = sa.select(aggregates).where(aggregates.c.id == bindparam("id"))
_hosts = sa.select(aggregate_hosts).order_by(aggregate_hosts.c.host)
_hosts_of = _hosts.where(aggregate_hosts.c.aggregate_id == bindparam("id"))
_data = sa.select(aggregate_metadata).order_by(aggregate_metadata.c.key)
_data_of = _data.where(aggregate_metadata.c.aggregate_id == bindparam("id"))
_ids_of_host = sa.select(aggregate_hosts.c.aggregate_id).where(
    aggregate_hosts.c.host == bindparam("host")
)
_values_of_host = (
    sa.select(aggregate_metadata)
    .join(aggregate_hosts, aggregate_hosts.c.aggregate_id == aggregate_metadata.c.aggregate_id)
    .where(
        aggregate_hosts.c.host == bindparam("host"),
        aggregate_metadata.c.key.in_(bindparam("keys", expanding=True)),
    )
)
_of_hosts = (
    sa.select(aggregate_hosts.c.host, aggregates.c.uuid)
    .join(aggregates, aggregates.c.id == aggregate_hosts.c.aggregate_id)
    .where(aggregate_hosts.c.host.in_(bindparam("hosts", expanding=True)))
)
_members = sa.select(aggregate_hosts.c.host, aggregates.c.uuid).join(
    aggregates, aggregates.c.id == aggregate_hosts.c.aggregate_id
)


class Aggregate(Struct, frozen=True, kw_only=True):
    """An aggregate with its hosts and all of its metadata. row: of the table."""

    row: Row[Any]
    hosts: tuple[str, ...]
    metadata: dict[str, str]

    @property
    def zone(self) -> str | None:
        return self.metadata.get(ZONE)


async def everything(tx: Transaction) -> list[Aggregate]:
    """All aggregates, the oldest first."""
    named: dict[int, list[str]] = {}
    for row in await tx.all(_hosts):
        named.setdefault(row.aggregate_id, []).append(row.host)
    told: dict[int, dict[str, str]] = {}
    for row in await tx.all(_data):
        told.setdefault(row.aggregate_id, {})[row.key] = row.value
    return [
        Aggregate(row=row, hosts=tuple(named.get(row.id, ())), metadata=told.get(row.id, {}))
        for row in await tx.all(_all)
    ]


async def get(tx: Transaction, aggregate_id: int) -> Aggregate:
    """Raises NotFound."""
    row = await tx.first(_by_id, {"id": aggregate_id})
    if row is None:
        raise NotFound(f"Aggregate {aggregate_id} could not be found.")
    values = {"id": aggregate_id}
    hosts = tuple(one.host for one in await tx.all(_hosts_of, values))
    told = {one.key: one.value for one in await tx.all(_data_of, values)}
    return Aggregate(row=row, hosts=hosts, metadata=told)


async def create(tx: Transaction, name: str, zone: str | None, now: datetime) -> Aggregate:
    """Raises Conflict: the name is taken."""
    values = {"uuid": new_uuid(), "name": name, "created_at": now}
    try:
        await tx.insert(aggregates, values)
    except Duplicate as error:
        raise Conflict(f"Aggregate {name} already exists.") from error
    by_uuid = sa.select(aggregates.c.id).where(aggregates.c.uuid == values["uuid"])
    aggregate_id = int(await tx.scalar(by_uuid))
    if zone is not None:
        await tell(tx, aggregate_id, {ZONE: zone})
    return await get(tx, aggregate_id)


async def rename(tx: Transaction, aggregate_id: int, name: str) -> None:
    """Raises Conflict: the name is taken."""
    try:
        changed = aggregates.update().where(aggregates.c.id == aggregate_id)
        await tx.alter(changed.values(name=name))
    except Duplicate as error:
        raise Conflict(f"Aggregate {name} already exists.") from error


async def changed(tx: Transaction, aggregate_id: int, now: datetime) -> None:
    """Note when an aggregate changed last."""
    row = aggregates.update().where(aggregates.c.id == aggregate_id)
    await tx.execute(row.values(updated_at=now))


async def tell(tx: Transaction, aggregate_id: int, changes: Mapping[str, str | None]) -> None:
    """Set these keys of the metadata; None takes one away."""
    table = aggregate_metadata
    here = table.c.aggregate_id == aggregate_id, table.c.key.in_(list(changes))
    await tx.execute(table.delete().where(*here))
    rows = [
        {"aggregate_id": aggregate_id, "key": key, "value": value}
        for key, value in changes.items()
        if value is not None
    ]
    if rows:
        await tx.execute(table.insert(), rows)


def check_ratios(changes: Mapping[str, str | None], said: str) -> None:
    """Hold what says how much of hosts may be given out.

    Args:
        said: how the text begins ("Cannot update metadata of aggregate 1").

    Raises:
        BadInput: it is not a positive number.
    """
    for key in RATIOS.keys() & changes.keys():
        text = changes[key]
        if text is not None and ratio(text) is None:
            raise BadInput(f"{said}. Reason: {key}={text[:50]} is not a valid allocation ratio.")


def ratio(text: str) -> float | None:
    """A ratio as it stands in metadata; None for what is none."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if 0 < number <= 1_000_000 else None


async def enter(tx: Transaction, one: Aggregate, host: str) -> None:
    """Raises Conflict: the host is in the aggregate."""
    try:
        await tx.insert(aggregate_hosts, {"aggregate_id": one.row.id, "host": host})
    except Duplicate as error:
        raise Conflict(f"Aggregate {one.row.id} already has host {host}.") from error


async def leave(tx: Transaction, one: Aggregate, host: str) -> None:
    """Raises NotFound: the host is not in the aggregate."""
    table = aggregate_hosts
    gone = table.delete().where(table.c.aggregate_id == one.row.id, table.c.host == host)
    if not await tx.count(gone):
        raise NotFound(f"Aggregate {one.row.id} has no host {host}.")


async def forget_host(tx: Transaction, host: str) -> None:
    """A host that is not there any more is in no aggregate."""
    await tx.execute(aggregate_hosts.delete().where(aggregate_hosts.c.host == host))


async def delete(tx: Transaction, one: Aggregate) -> None:
    """Raises BadInput: it has hosts."""
    if one.hosts:
        raise BadInput(
            f"Cannot remove aggregate {one.row.id}. Reason: Host aggregate is not empty."
        )
    table = aggregate_metadata
    await tx.execute(table.delete().where(table.c.aggregate_id == one.row.id))
    await tx.execute(aggregates.delete().where(aggregates.c.id == one.row.id))


# ---- what hosts have of their aggregates ----


async def values_of(tx: Transaction, host: str, keys: Collection[str]) -> dict[str, list[str]]:
    """What the aggregates of a host say under these keys."""
    found: dict[str, list[str]] = {}
    for row in await tx.all(_values_of_host, {"host": host, "keys": list(keys)}):
        found.setdefault(row.key, []).append(row.value)
    return found


async def zone_of(tx: Transaction, host: str) -> str | None:
    """The zone that aggregates make of a host; None: none does."""
    found = await values_of(tx, host, [ZONE])
    return found[ZONE][0] if found else None


async def ratios_of(tx: Transaction, host: str) -> dict[str, float]:
    """How much of a host's resource classes may be given out, where its aggregates say it: the least that they say."""
    found: dict[str, float] = {}
    for key, texts in (await values_of(tx, host, list(RATIOS))).items():
        numbers = [number for number in map(ratio, texts) if number is not None]
        if numbers:
            found[RATIOS[key]] = min(numbers)
    return found


async def of_hosts(tx: Transaction, hosts: Sequence[str] | None) -> dict[str, frozenset[str]]:
    """The UUIDs of the aggregates that each of these hosts is in; None for all hosts."""
    found: dict[str, set[str]] = {}
    rows = await tx.all(_members if hosts is None else _of_hosts, {"hosts": hosts} if hosts else {})
    for row in rows:
        found.setdefault(row.host, set()).add(row.uuid)
    return {host: frozenset(uuids) for host, uuids in found.items()}


async def memberships(tx: Transaction) -> list[tuple[str, str]]:
    """All pairs of host and UUID of an aggregate that it is in."""
    return [(row.host, row.uuid) for row in await tx.all(_members)]


async def ids_of_host(tx: Transaction, host: str) -> set[int]:
    return set(await tx.scalars(_ids_of_host, {"host": host}))
