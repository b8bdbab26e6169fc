"""What other rooms may ask of placement."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy import bindparam

from hanok.base.clock import Clock
from hanok.base.errors import Conflict
from hanok.services.placement import schemas
from hanok.services.placement.logic import allocations, classes, providers
from hanok.services.placement.logic import candidates as search
from hanok.services.placement.logic import traits as trait_logic
from hanok.services.placement.logic.candidates import Group
from hanok.services.placement.room import Placement
from hanok.services.placement.standard import CLASS_SET, TRAIT_SET
from hanok.services.placement.tables import allocations as allocation_table
from hanok.services.placement.tables import inventories, provider_aggregates, provider_traits
from hanok.services.placement.tables import providers as provider_table
from hanok.store import Transaction

__all__ = [
    "CLASSES",
    "TRAITS",
    "Capacity",
    "Child",
    "Full",
    "Group",
    "Lack",
    "Offer",
    "Placement",
    "bound",
    "build",
    "capacities",
    "claim",
    "ensure_provider",
    "free_children",
    "hold",
    "inside",
    "members",
    "offers",
    "release",
    "set_member",
    "shortage",
    "shortages",
]

UNITS = {
    "VCPU": ("vCPUs", ""),
    "PCPU": ("dedicated CPUs", ""),
    "MEMORY_MB": ("memory", " MiB"),
    "DISK_GB": ("disk", " GiB"),
}
CLASSES, TRAITS = CLASS_SET, TRAIT_SET  # the standard ones, whether some provider has them or not


class Full(Exception):
    """A claim does not fit (any more)."""


def build(clock: Clock) -> Placement:
    return Placement(clock=clock)


_inventories_by_root = (
    sa.select(inventories, provider_table.c.root_id)
    .join(provider_table, provider_table.c.id == inventories.c.provider_id)
    .where(inventories.c.resource_class == bindparam("class"))
)
_traits_by_root = (
    sa.select(provider_table.c.root_id, provider_traits.c.trait)
    .join(provider_traits, provider_traits.c.provider_id == provider_table.c.id)
    .where(provider_traits.c.trait.in_(bindparam("traits", expanding=True)))
)


SINGLE = "COMPUTE_MANAGED_PCI_DEVICE"
"""What marks the providers of single things that a host says it has."""


class Child(Struct, frozen=True, kw_only=True):
    """A provider of one single thing below a host."""

    id: str
    name: str
    resource_class: str
    traits: Sequence[str] = ()


_of_id = sa.select(provider_table).where(provider_table.c.id == bindparam("id"))
_children_of = sa.select(provider_table).where(provider_table.c.parent_id == bindparam("parent"))
_free_children = (
    sa.select(provider_table.c.root_id, sa.func.count().label("number"))
    .join(provider_traits, provider_traits.c.provider_id == provider_table.c.id)
    .join(inventories, inventories.c.provider_id == provider_table.c.id)
    .where(
        provider_table.c.root_id.in_(bindparam("ids", expanding=True)),
        provider_traits.c.trait == SINGLE,
        inventories.c.free >= 1,
    )
    .group_by(provider_table.c.root_id)
)


async def ensure_provider(
    tx: Transaction,
    *,
    provider_id: str,
    name: str,
    totals: Mapping[str, tuple[int, int, float]],
    traits: Collection[str],
    gone_traits: Collection[str] = (),
    now: datetime,
    children: Sequence[Child] | None = None,
) -> None:
    """A root provider of this name with these inventories; touched only when something differs.

    Inventories of other classes, and traits, that operators gave it stay.

    Args:
        totals: (total, reserved, allocation ratio) by resource class.
        children: single things of it; None: as before. Those that it has no more go when nobody uses them.
        traits: that it has. gone_traits: that it was said to have before, and has not.
    """
    row = await tx.first(_of_id, {"id": provider_id})
    if row is None:
        row = await providers.create(
            tx, provider_id=provider_id, name=name, parent_id=None, now=now
        )
    before = {i.resource_class: i for i in await providers.inventories_of(tx, provider_id)}
    requested = {
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
        for what, body in requested.items()
    )
    gone = [what for what, (total, _, _) in totals.items() if total <= 0 and what in before]
    if not same or gone:
        await providers.raise_generation(tx, row, None, now)
        for what, one in before.items():
            if what in gone and one.used:
                requested[what] = schemas.InventoryBody(total=max(1, one.total))
            elif what not in totals:  # what an operator said the host has besides
                requested[what] = _as_it_is(one)
        await providers.set_inventories(tx, row, requested)
    await _follow_traits(tx, provider_id, set(traits), set(gone_traits) - set(traits))
    if children is not None:
        await _ensure_children(tx, provider_id, children, now)


async def _ensure_children(
    tx: Transaction, provider_id: str, children: Sequence[Child], now: datetime
) -> None:
    requested = {one.id: one for one in children}
    below = await tx.all(_children_of, {"parent": provider_id})
    for row in below:
        if row.id not in requested and await _is_single(tx, row.id):
            await _retire(tx, row, now)
    there = {row.id for row in below}
    for one in children:
        if one.id not in there:
            row = await providers.create(
                tx, provider_id=one.id, name=one.name, parent_id=provider_id, now=now
            )
            await classes.create(tx, one.resource_class)
        else:
            row = await providers.get(tx, one.id)
        inventory = {one.resource_class: schemas.InventoryBody(total=1, max_unit=1)}
        await providers.set_inventories(tx, row, inventory)
        have = await providers.traits_of(tx, one.id)
        await providers.set_traits(tx, one.id, {*have, *one.traits, SINGLE})


async def _is_single(tx: Transaction, provider_id: str) -> bool:
    """Whether a provider was made here, rather than by an operator."""
    return SINGLE in await providers.traits_of(tx, provider_id)


async def _retire(tx: Transaction, row: Any, now: datetime) -> None:
    """A thing is not there any more: its provider goes, or gives nothing to others while somebody has it."""
    try:
        async with tx.savepoint():
            await providers.delete(tx, row)
    except Conflict:
        reserved = {
            one.resource_class: schemas.InventoryBody(total=one.total, reserved=one.total)
            for one in await providers.inventories_of(tx, row.id)
        }
        await providers.set_inventories(tx, row, reserved)


async def free_children(tx: Transaction, root_ids: Collection[str]) -> dict[str, int]:
    """How many single things are free in each of these trees."""
    rows = await tx.all(_free_children, {"ids": list(root_ids)}) if root_ids else ()
    return {row.root_id: int(row.number) for row in rows}


async def _follow_traits(
    tx: Transaction, provider_id: str, requested: set[str], gone: set[str]
) -> None:
    """It has these traits, those not, and of others what it had. A name that is no trait is left out."""
    have = set(await providers.traits_of(tx, provider_id))
    for name in requested - have:
        if name not in TRAIT_SET and name.startswith("CUSTOM_"):
            await trait_logic.create(tx, name)
    known = {name for name in requested if name in TRAIT_SET or name.startswith("CUSTOM_")}
    if (have - gone) | known != have:
        await providers.set_traits(tx, provider_id, sorted((have - gone) | known))


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


async def traits_of(tx: Transaction, provider_id: str) -> frozenset[str]:
    """The traits of a provider; none of one that is not there."""
    return frozenset(await providers.traits_of(tx, provider_id))


_in_aggregate = sa.select(provider_aggregates).where(
    provider_aggregates.c.provider_id == bindparam("id"),
    provider_aggregates.c.aggregate_id == bindparam("aggregate"),
)
_held_still = (
    inventories.update()
    .where(inventories.c.provider_id == bindparam("of"))
    .values(used=inventories.c.used)
)
_next_generation = (
    provider_table.update()
    .where(provider_table.c.id == bindparam("of"))
    .values(generation=provider_table.c.generation + 1, updated_at=bindparam("at"))
)


async def hold(tx: Transaction, provider_id: str) -> None:
    """Wait for claims on a provider that are under way; later ones wait until this transaction ends."""
    await tx.execute(_held_still, {"of": provider_id})


async def set_member(
    tx: Transaction, provider_id: str, aggregate_id: str, member: bool, now: datetime
) -> None:
    """A provider is in an aggregate, or is not; one that is not there is in none."""
    row = {"provider_id": provider_id, "aggregate_id": aggregate_id}
    there = await tx.first(_in_aggregate, {"id": provider_id, "aggregate": aggregate_id})
    if member == (there is not None):
        return
    if not await tx.count(_next_generation, {"of": provider_id, "at": now}):
        return
    if member:
        await tx.insert_missing(provider_aggregates, row)
    else:
        table = provider_aggregates
        gone = table.c.provider_id == provider_id, table.c.aggregate_id == aggregate_id
        await tx.execute(table.delete().where(*gone))


async def members(tx: Transaction, aggregate_ids: Collection[str]) -> set[tuple[str, str]]:
    """Pairs of provider and aggregate, of these aggregates."""
    table = provider_aggregates
    found = await tx.all(sa.select(table).where(table.c.aggregate_id.in_(list(aggregate_ids))))
    return {(row.provider_id, row.aggregate_id) for row in found}


async def remove_provider(tx: Transaction, provider_id: str) -> None:
    """Forget a provider that nobody uses.

    Raises:
        Conflict: it has allocations.
    """
    row = await tx.first(_of_id, {"id": provider_id})
    if row is not None:
        for below in await tx.all(_children_of, {"parent": provider_id}):
            if await _is_single(tx, below.id):
                await providers.delete(tx, below)
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


def inside(
    group: Group, member_of: Iterable[frozenset[str]], not_member_of: frozenset[str]
) -> Group:
    """A group that only providers serve which are in one aggregate of each set, and in none of the others."""
    return msgspec.structs.replace(
        group,
        member_of=(*group.member_of, *member_of),
        not_member_of=group.not_member_of | not_member_of,
    )


def bound(group: Group, provider_id: str) -> Group:
    """A group that only the tree of this provider may serve."""
    return msgspec.structs.replace(group, in_tree=provider_id)


async def offers(
    tx: Transaction,
    groups: Mapping[str, Group],
    *,
    isolate: bool = False,
    first: int = 20,
    subtrees: Sequence[Sequence[str]] = (),
    fullest: bool = False,
    ways: int = 1,
) -> AsyncIterator[list[Offer]]:
    """Trees that can serve the groups, some at a time; those with the most memory free come first.

    Trees whose root is disabled are left out.

    Args:
        isolate: numbered groups go to different providers. subtrees: groups that must be in one part of a tree.
        fullest: those with the least memory free come first.
        ways: in how many ways a tree is offered that can serve them in several.
        first: how many are likely to be enough; more are looked for as long as the caller goes on.
    """
    named = [name for group in groups.values() for name in group.resources]
    request = search.Request(
        groups=groups,
        isolate=isolate,
        root_forbidden=frozenset([DISABLED]),
        emptiest=EMPTIEST if EMPTIEST in named else next(iter(named), ""),
        same_subtree=subtrees,
        fullest=fullest,
        ways=ways,
    )
    async for world, found in search.search(tx, request, first=first):
        yield [_offer(world, one) for one in found]


def _offer(world: search.World, one: search.Candidate) -> Offer:
    free: dict[str, int] = {}
    for provider_id, amounts in one.resources.items():
        for name in amounts:
            left = _free(world.inventories[provider_id][name])
            free[name] = min(free.get(name, 0) + left, allocations.MAXIMUM_CAPACITY)
    return Offer(root_id=one.root_id, resources=one.resources, free=free)


def _free(row: Any) -> int:
    return allocations.capacity(row) - int(row.used)


class Lack(Struct, frozen=True):
    """What some trees lack, in words that count them, and the ids of their roots."""

    what: str
    roots: Sequence[str]


async def shortage(tx: Transaction, groups: Mapping[str, Group], *, among: Collection[str]) -> str:
    """Why none of these trees serves the groups: "3 hosts; 2 lack memory: 512 MiB requested, 300 free".

    Args:
        among: ids of their roots.
    """
    count = len(among)
    if not count:
        return "There are no hosts."
    lacks = await shortages(tx, groups, among=among)
    words = [one.what for one in lacks] or ["none has all of what is requested together"]
    return "; ".join([f"{count} host{'s' if count > 1 else ''}", *words])


async def shortages(
    tx: Transaction, groups: Mapping[str, Group], *, among: Collection[str]
) -> list[Lack]:
    """What each of these trees lacks that has not what the groups ask for; empty where only the whole does not fit.

    Args:
        among: ids of their roots.
    """
    held: dict[str, set[str]] = {one: set() for one in among}
    matters = {DISABLED, *(one for group in groups.values() for one in _traits_in(group))}
    for row in await tx.all(_traits_by_root, {"traits": sorted(matters)}):
        if row.root_id in held:
            held[row.root_id].add(row.trait)
    off = [one for one, traits in held.items() if DISABLED in traits]
    found = [Lack(f"{len(off)} {'are' if len(off) > 1 else 'is'} disabled", off)] if off else []
    here = [one for one in held if one not in off]
    for name, amount in _largest(groups).items():
        free = await _largest_free(tx, name)
        short = [one for one in here if free.get(one, 0) < amount]
        if short:
            largest = max(0, *(free.get(one, 0) for one in short))
            word, unit = UNITS.get(name, (name, ""))
            requested = f"{word}: {amount}{unit} requested, {largest} free"
            found.append(Lack(f"{len(short)} {_lack(short)} {requested}", short))
    for group in groups.values():
        found += _without_traits(group, held, here)
    return list({one.what: one for one in found}.values())


def _without_traits(
    group: Group, held: Mapping[str, set[str]], here: Sequence[str]
) -> Iterator[Lack]:
    for options in group.required:
        without = [one for one in here if not options & held[one]]
        if without:
            names = " or ".join(sorted(options))
            yield Lack(f"{len(without)} {_lack(without)} trait {names}", without)
    for trait in sorted(group.forbidden):
        having = [one for one in here if trait in held[one]]
        if having:
            verb = "has" if len(having) == 1 else "have"
            yield Lack(f"{len(having)} {verb} the forbidden trait {trait}", having)


def _traits_in(group: Group) -> set[str]:
    return set(group.forbidden).union(*group.required)


def _lack(those: Sequence[Any]) -> str:
    return "lacks" if len(those) == 1 else "lack"


def _largest(groups: Mapping[str, Group]) -> dict[str, int]:
    """The largest amount of each class that one provider has to give."""
    found: dict[str, int] = {}
    for group in groups.values():
        for name, amount in group.resources.items():
            found[name] = max(amount, found.get(name, 0))
    return found


async def _largest_free(tx: Transaction, resource_class: str) -> dict[str, int]:
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
    requested = allocations.Requested(
        consumer_id=consumer_id,
        resources=resources,
        project_id=project_id,
        user_id=user_id,
        consumer_type="INSTANCE",
    )
    try:
        async with tx.savepoint():
            await allocations.replace(tx, requested, now)
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


class Capacity(Struct, frozen=True, kw_only=True):
    """Of a class at a provider. ratio: how much of it may be given out."""

    total: int
    reserved: int
    used: int
    ratio: float


_inventories_of = sa.select(inventories).where(
    inventories.c.provider_id.in_(bindparam("ids", expanding=True))
)


async def capacities(
    tx: Transaction, provider_ids: Collection[str]
) -> dict[str, dict[str, Capacity]]:
    """What these providers have, by id and class."""
    found: dict[str, dict[str, Capacity]] = {}
    for row in await tx.all(_inventories_of, {"ids": list(provider_ids)}):
        found.setdefault(row.provider_id, {})[row.resource_class] = Capacity(
            total=row.total, reserved=row.reserved, used=row.used, ratio=row.allocation_ratio
        )
    return found


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
