"""Changes of aggregates that move hosts: into a zone, out of one, or to other allocation ratios.

A host is in one zone. A host with servers stays in its zone, because theirs is what they were started in.

Source: Compute API reference, "Host aggregates (os-aggregates)"; administration guide, "Availability Zones".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from hanok.base.errors import BadInput, Conflict, Refused
from hanok.services.compute.logic import aggregates, hosts, servers
from hanok.services.compute.logic.aggregates import RATIOS, ZONE, Aggregate
from hanok.services.compute.room import ComputeSettings
from hanok.services.placement import facade as placement
from hanok.store import Transaction


async def serialize(tx: Transaction) -> None:
    """Changes of aggregates come one after another: each looks at all of a host's."""
    await tx.serialize("compute.aggregates")


async def _check(
    tx: Transaction,
    one: Aggregate,
    zone: str | None,
    names: Sequence[str],
    error: type[Refused],
    said: str,
) -> None:
    """Whether these hosts may come to be in a zone by way of this aggregate."""
    if not zone:
        raise error(
            f"{said}. Reason: Aggregate {one.row.name} does not support empty named availability zone."
        )
    others = await _other_zones(tx, one, names)
    if conflicting := sorted(others - {zone}):
        raise error(
            f"{said}. Reason: One or more hosts already in availability zone(s) {conflicting}."
        )


async def _other_zones(tx: Transaction, one: Aggregate, names: Sequence[str]) -> set[str]:
    """The zones that other aggregates make of these hosts."""
    found = set()
    for other in await aggregates.everything(tx):
        if other.row.id != one.row.id and other.zone and set(other.hosts) & set(names):
            found.add(other.zone)
    return found


async def _check_empty(
    tx: Transaction, names: Sequence[str], error: type[Refused], said: str
) -> None:
    """Whether these hosts have no servers; none comes meanwhile."""
    for name in names:
        await placement.hold(tx, hosts.provider_id_of(name))
        if await servers.count_on_host(tx, name):
            raise error(f"{said}. Reason: One or more hosts contain instances in this zone.")


async def add_host(
    tx: Transaction, aggregate_id: int, host: str, settings: ComputeSettings, now: datetime
) -> Aggregate:
    """A host comes into an aggregate, and with that into its zone.

    Raises:
        NotFound: there is no such aggregate, or host. Conflict: it is there already, is in another zone, or has servers
            that would be in another zone than they were.
    """
    await serialize(tx)
    one = await aggregates.get(tx, aggregate_id)
    row = await hosts.by_name(tx, host, "nova-compute")
    said = f"Cannot add host to aggregate {aggregate_id}"
    if one.zone is not None:
        await _check(tx, one, one.zone, [host], Conflict, said)
        if row.zone != one.zone:
            await _check_empty(tx, [host], Conflict, said)
    await aggregates.enter(tx, one, host)
    await placement.set_member(tx, hosts.provider_id_of(host), one.row.uuid, True, now)
    return await _followed(tx, one, [host], settings, now)


async def remove_host(
    tx: Transaction, aggregate_id: int, host: str, settings: ComputeSettings, now: datetime
) -> Aggregate:
    """A host leaves an aggregate, and its zone where no other aggregate keeps it there.

    Raises:
        NotFound: there is no such aggregate, or it has no such host. Conflict: the host has servers that would be in
            another zone than they were.
    """
    await serialize(tx)
    one = await aggregates.get(tx, aggregate_id)
    await hosts.by_name(tx, host, "nova-compute")
    await aggregates.leave(tx, one, host)
    if one.zone is not None and (await aggregates.zone_of(tx, host) or settings.zone) != one.zone:
        said = f"Cannot remove host from aggregate {aggregate_id}"
        await _check_empty(tx, [host], Conflict, said)
    await placement.set_member(tx, hosts.provider_id_of(host), one.row.uuid, False, now)
    return await _followed(tx, one, [host], settings, now)


async def update(
    tx: Transaction,
    aggregate_id: int,
    name: str | None,
    metadata: Mapping[str, str | None],
    settings: ComputeSettings,
    now: datetime,
    *,
    of: str = "aggregate",
) -> Aggregate:
    """An aggregate is called otherwise, and these keys of its metadata are set; its hosts follow.

    Args:
        of: what is changed, as the text says it.

    Raises:
        NotFound: there is no such aggregate. Conflict: the name is taken. BadInput: its hosts are in another zone, or
            have servers that would be in another one; a ratio is none.
    """
    await serialize(tx)
    one = await aggregates.get(tx, aggregate_id)
    said = f"Cannot update {of} {aggregate_id}"
    aggregates.check_ratios(metadata, said)
    if ZONE in metadata:
        await _check(tx, one, metadata[ZONE], one.hosts, BadInput, said)
        if one.zone != metadata[ZONE]:
            await _check_empty(tx, one.hosts, BadInput, said)
    if name is not None:
        await aggregates.rename(tx, aggregate_id, name)
    await aggregates.tell(tx, aggregate_id, metadata)
    moved = one.hosts if metadata.keys() & {ZONE, *RATIOS} else ()
    return await _followed(tx, one, moved, settings, now)


async def _followed(
    tx: Transaction, one: Aggregate, names: Sequence[str], settings: ComputeSettings, now: datetime
) -> Aggregate:
    await aggregates.changed(tx, one.row.id, now)
    await hosts.follow(tx, names, settings, now)
    return await aggregates.get(tx, one.row.id)


# ---- placement's copy ----


async def mirror(tx: Transaction, host: str, uuid: str, member: bool, now: datetime) -> None:
    """Placement knows whether a host is in an aggregate."""
    await placement.set_member(tx, hosts.provider_id_of(host), uuid, member, now)


async def not_mirrored(tx: Transaction) -> list[tuple[str, str, bool]]:
    """Hosts and UUIDs of aggregates of which placement says otherwise, and whether the host is in that aggregate."""
    named = {hosts.provider_id_of(row.host): row.host for row in await hosts.nodes(tx)}
    uuids = [one.row.uuid for one in await aggregates.everything(tx)]
    ours = {(hosts.provider_id_of(host), uuid) for host, uuid in await aggregates.memberships(tx)}
    theirs = {one for one in await placement.members(tx, uuids) if one[0] in named}
    return [
        (named[one], uuid, (one, uuid) in ours)
        for one, uuid in sorted(ours ^ theirs)
        if one in named
    ]
