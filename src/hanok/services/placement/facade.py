"""What other rooms may ask of placement."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy import bindparam

from hanok.base.clock import Clock
from hanok.base.errors import Conflict
from hanok.services.placement import schemas
from hanok.services.placement.logic import allocations, providers
from hanok.services.placement.logic import candidates as search
from hanok.services.placement.logic.candidates import Group
from hanok.services.placement.room import Placement
from hanok.services.placement.tables import allocations as allocation_table
from hanok.services.placement.tables import inventories, provider_traits
from hanok.services.placement.tables import providers as provider_table
from hanok.store import Transaction

__all__ = [
    "Full",
    "Group",
    "Offer",
    "Placement",
    "bound",
    "build",
    "claim",
    "ensure_provider",
    "offers",
    "release",
    "shortage",
]

UNITS = {"VCPU": ("vCPUs", ""), "MEMORY_MB": ("memory", " MiB"), "DISK_GB": ("disk", " GiB")}


class Full(Exception):
    """A claim does not fit (any more)."""


def build(clock: Clock) -> Placement:
    return Placement(clock=clock)


_inventories_by_root = (
    sa.select(inventories, provider_table.c.root_id)
    .join(provider_table, provider_table.c.id == inventories.c.provider_id)
    .where(inventories.c.resource_class == bindparam("class"))
)
_traits_by_root = sa.select(provider_table.c.root_id, provider_traits.c.trait).join(
    provider_traits, provider_traits.c.provider_id == provider_table.c.id
)


async def ensure_provider(
    tx: Transaction,
    *,
    provider_id: str,
    name: str,
    totals: Mapping[str, tuple[int, int, float]],
    traits: Sequence[str],
    now: datetime,
) -> None:
    """A root provider of this name with these inventories; touched only when something differs.

    Inventories of other classes, and traits, that operators gave it stay.

    Args:
        totals: (total, reserved, allocation ratio) by resource class.
    """
    row = await tx.first(sa.select(provider_table).where(provider_table.c.id == provider_id))
    if row is None:
        row = await providers.create(
            tx, provider_id=provider_id, name=name, parent_id=None, now=now
        )
    before = {i.resource_class: i for i in await providers.inventories_of(tx, provider_id)}
    wanted = {
        what: schemas.InventoryBody(
            total=total, reserved=min(reserved, total), max_unit=total, allocation_ratio=ratio
        )
        for what, (total, reserved, ratio) in totals.items()
        if total > 0
    }
    same = all(
        what in before
        and (before[what].total, before[what].reserved, before[what].allocation_ratio)
        == (body.total, body.reserved, body.allocation_ratio)
        for what, body in wanted.items()
    )
    gone = [what for what, (total, _, _) in totals.items() if total <= 0 and what in before]
    if not same or gone:
        await providers.raise_generation(tx, row, None, now)
        for what, one in before.items():
            if what in gone and one.used:
                wanted[what] = schemas.InventoryBody(total=max(1, one.total))
            elif what not in totals:  # what an operator said the host has besides
                wanted[what] = _as_it_is(one)
        await providers.set_inventories(tx, row, wanted)
    have = await providers.traits_of(tx, provider_id)
    missing = [trait for trait in traits if trait not in have]
    if missing:
        await providers.set_traits(tx, provider_id, [*have, *missing])


def _as_it_is(row: Any) -> schemas.InventoryBody:
    return schemas.InventoryBody(
        total=row.total,
        reserved=row.reserved,
        min_unit=row.min_unit,
        max_unit=row.max_unit,
        step_size=row.step_size,
        allocation_ratio=row.allocation_ratio,
    )


async def set_trait(tx: Transaction, provider_id: str, trait: str, on: bool) -> None:
    """Give a provider a trait or take it away."""
    have = await providers.traits_of(tx, provider_id)
    if on != (trait in have):
        await providers.set_traits(
            tx, provider_id, [*have, trait] if on else [one for one in have if one != trait]
        )


async def remove_provider(tx: Transaction, provider_id: str) -> None:
    """Forget a provider that nobody uses.

    Raises:
        Conflict: it has allocations.
    """
    row = await tx.first(sa.select(provider_table).where(provider_table.c.id == provider_id))
    if row is not None:
        await providers.delete(tx, row)


class Offer(Struct, frozen=True, kw_only=True):
    """A tree that can serve a request.

    Args:
        resources: amounts by class by provider, as `claim` takes them.
        free: by class, what is free at the providers that would serve it (after overcommit, at most 2^63 - 1).
    """

    root_id: str
    resources: dict[str, dict[str, int]]
    free: dict[str, int]


DISABLED = "COMPUTE_STATUS_DISABLED"
EMPTIEST = "MEMORY_MB"


def bound(group: Group, provider_id: str) -> Group:
    """A group that only the tree of this provider may serve."""
    return msgspec.structs.replace(group, in_tree=provider_id)


async def offers(
    tx: Transaction, groups: Mapping[str, Group], *, isolate: bool = False, first: int = 20
) -> AsyncIterator[list[Offer]]:
    """Trees that can serve the groups, some at a time; those with the most memory free come first.

    Trees whose root is disabled are left out. A tree that can serve them in several ways is offered in one of them.

    Args:
        isolate: numbered groups go to different providers.
        first: how many are likely to be enough; more are looked for as long as the caller goes on.
    """
    named = [name for group in groups.values() for name in group.resources]
    request = search.Request(
        groups=groups,
        isolate=isolate,
        root_forbidden=frozenset([DISABLED]),
        emptiest=EMPTIEST if EMPTIEST in named else next(iter(named), ""),
    )
    async for world, found in search.search(tx, request, first=first):
        best: dict[str, search.Candidate] = {}
        for one in found:
            best.setdefault(one.root_id, one)
        yield [_offer(world, one) for one in best.values()]


def _offer(world: search.World, one: search.Candidate) -> Offer:
    free: dict[str, int] = {}
    for provider_id, amounts in one.resources.items():
        for name in amounts:
            left = _free(world.inventories[provider_id][name])
            free[name] = min(free.get(name, 0) + left, allocations.MOST_CAPACITY)
    return Offer(root_id=one.root_id, resources=one.resources, free=free)


def _free(row: Any) -> int:
    return allocations.capacity(row) - int(row.used)


async def shortage(tx: Transaction, groups: Mapping[str, Group], *, among: Collection[str]) -> str:
    """Why none of these trees serves the groups: "3 hosts; 2 lack memory: 512 MiB wanted, 300 free".

    Args:
        among: ids of their roots.
    """
    count = len(among)
    if not count:
        return "There are no hosts."
    held: dict[str, set[str]] = {one: set() for one in among}
    for row in await tx.all(_traits_by_root):
        if row.root_id in held:
            held[row.root_id].add(row.trait)
    off = {one for one, traits in held.items() if DISABLED in traits}
    parts = [f"{count} host{'s' if count > 1 else ''}"]
    if off:
        parts.append(f"{len(off)} {'are' if len(off) > 1 else 'is'} disabled")
    here = [one for one in held if one not in off]
    for name, amount in _largest(groups).items():
        free = await _most_free(tx, name)
        short = [free.get(one, 0) for one in here if free.get(one, 0) < amount]
        if short:
            word, unit = UNITS.get(name, (name, ""))
            parts.append(
                f"{len(short)} {_lack(short)} {word}: {amount}{unit} wanted, {max(0, max(short))} free"
            )
    for group in groups.values():
        for options in group.required:
            without = [one for one in here if not options & held[one]]
            if without:
                names = " or ".join(sorted(options))
                parts.append(f"{len(without)} {_lack(without)} trait {names}")
        for trait in sorted(group.forbidden):
            having = [one for one in here if trait in held[one]]
            if having:
                verb = "has" if len(having) == 1 else "have"
                parts.append(f"{len(having)} {verb} the forbidden trait {trait}")
    if len(parts) == 1:
        parts.append("none has all of what is wanted together")
    return "; ".join(parts)


def _lack(those: Sequence[Any]) -> str:
    return "lacks" if len(those) == 1 else "lack"


def _largest(groups: Mapping[str, Group]) -> dict[str, int]:
    """The largest amount of each class that one provider has to give."""
    found: dict[str, int] = {}
    for group in groups.values():
        for name, amount in group.resources.items():
            found[name] = max(amount, found.get(name, 0))
    return found


async def _most_free(tx: Transaction, resource_class: str) -> dict[str, int]:
    """The most that one provider of each tree can give of a class in one piece, by root."""
    found: dict[str, int] = {}
    for row in await tx.all(_inventories_by_root, {"class": resource_class}):
        left = min(_free(row), row.max_unit)
        found[row.root_id] = max(left, found.get(row.root_id, left))
    return found


async def claim(
    tx: Transaction,
    *,
    consumer_id: str,
    resources: Mapping[str, Mapping[str, int]],
    project_id: str,
    user_id: str,
    now: datetime,
) -> None:
    """Take these amounts, by class by provider, for a consumer, in place of what it had.

    Raises:
        Full: they do not fit any more; nothing was taken, and what the consumer had it still has.
    """
    wanted = allocations.Wanted(
        consumer_id=consumer_id,
        resources=resources,
        project_id=project_id,
        user_id=user_id,
        consumer_type="INSTANCE",
    )
    try:
        async with tx.savepoint():
            await allocations.replace(tx, wanted, now)
    except Conflict as error:
        raise Full(error.message) from error


async def release(tx: Transaction, consumer_id: str, now: datetime) -> None:
    """Give everything back that a consumer has; nothing is fine too."""
    await allocations.release(tx, consumer_id, now)


async def held(tx: Transaction, consumer_id: str) -> dict[str, dict[str, int]]:
    """Amounts by class by provider that a consumer has."""
    found: dict[str, dict[str, int]] = {}
    for row in await allocations.of_consumer(tx, consumer_id):
        found.setdefault(row.provider_id, {})[row.resource_class] = row.used
    return found


async def used(tx: Transaction, provider_id: str) -> dict[str, tuple[int, int, int]]:
    """(total, reserved, used) by class of a provider."""
    return {
        row.resource_class: (row.total, row.reserved, row.used)
        for row in await providers.inventories_of(tx, provider_id)
    }


async def all_consumers(tx: Transaction) -> set[str]:
    """Ids of everything that has allocations; for the inventory."""
    return set(await tx.scalars(sa.select(allocation_table.c.consumer_id).distinct()))


async def miscounted(tx: Transaction) -> list[str]:
    """Inventories whose `used` is not the sum of their allocations; for the inventory (I2)."""
    total = (
        sa.select(sa.func.coalesce(sa.func.sum(allocation_table.c.used), 0))
        .where(
            allocation_table.c.provider_id == inventories.c.provider_id,
            allocation_table.c.resource_class == inventories.c.resource_class,
        )
        .scalar_subquery()
    )
    rows = await tx.all(
        sa.select(inventories, total.label("sum")).where(inventories.c.used != total)
    )
    return [
        f"{row.resource_class} of provider {row.provider_id}: {row.used} counted, {row.sum} allocated"
        for row in rows
    ]


async def recount(tx: Transaction) -> None:
    """Make `used` of every inventory the sum of its allocations."""
    total = (
        sa.select(sa.func.coalesce(sa.func.sum(allocation_table.c.used), 0))
        .where(
            allocation_table.c.provider_id == inventories.c.provider_id,
            allocation_table.c.resource_class == inventories.c.resource_class,
        )
        .scalar_subquery()
    )
    await tx.execute(inventories.update().where(inventories.c.used != total).values(used=total))
