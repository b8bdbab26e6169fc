"""What other rooms may ask of placement."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy import bindparam

from hanok.base.clock import Clock
from hanok.base.errors import Conflict
from hanok.services.placement import schemas
from hanok.services.placement.logic import allocations, providers
from hanok.services.placement.room import Placement
from hanok.services.placement.tables import allocations as allocation_table
from hanok.services.placement.tables import inventories, provider_traits
from hanok.services.placement.tables import providers as provider_table
from hanok.store import Transaction

__all__ = [
    "Free",
    "Full",
    "Placement",
    "build",
    "candidates",
    "claim",
    "ensure_provider",
    "release",
    "shortage",
]

UNITS = {"VCPU": ("vCPUs", ""), "MEMORY_MB": ("memory", " MiB"), "DISK_GB": ("disk", " GiB")}


class Full(Exception):
    """The provider has no room (any more) for a claim."""


class Free(Struct, frozen=True, kw_only=True):
    """A provider that has room, and how much of each class is free there (after overcommit, at most 2^63 - 1)."""

    provider_id: str
    name: str
    free: dict[str, int]


def build(clock: Clock) -> Placement:
    return Placement(clock=clock)


_inventory_rows = (
    sa.select(
        inventories,
        provider_table.c.name,
    )
    .join(provider_table, provider_table.c.id == inventories.c.provider_id)
    .where(inventories.c.resource_class.in_(bindparam("classes", expanding=True)))
)
_disabled = sa.select(provider_traits.c.provider_id).where(
    provider_traits.c.trait == "COMPUTE_STATUS_DISABLED"
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
    same = set(before) == set(wanted) and all(
        (before[what].total, before[what].reserved, before[what].allocation_ratio)
        == (body.total, body.reserved, body.allocation_ratio)
        for what, body in wanted.items()
    )
    if not same:
        await providers.raise_generation(tx, row, None, now)
        for what in before:
            if what not in wanted and before[what].used:
                wanted[what] = schemas.InventoryBody(total=max(1, before[what].total))
        await providers.set_inventories(tx, row, wanted)
    have = await providers.traits_of(tx, provider_id)
    missing = [trait for trait in traits if trait not in have]
    if missing:
        await providers.set_traits(tx, provider_id, [*have, *missing])


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


def _free(row: Any) -> int:
    return allocations.capacity(row) - int(row.used)


async def _by_provider(
    tx: Transaction, classes: Sequence[str]
) -> dict[str, tuple[str, dict[str, Any]]]:
    found: dict[str, tuple[str, dict[str, Any]]] = {}
    for row in await tx.all(_inventory_rows, {"classes": list(classes)}):
        found.setdefault(row.provider_id, (row.name, {}))[1][row.resource_class] = row
    return found


@lru_cache(maxsize=64)
def _with_room(classes: tuple[str, ...]) -> sa.Select[Any]:
    """Providers with room for an amount of each class, and what is free there; the most free of the first one first."""
    statement = sa.select(provider_table.c.id, provider_table.c.name)
    for place, _ in enumerate(classes):
        one = inventories.alias()
        free = (one.c.total - one.c.reserved) * one.c.allocation_ratio - one.c.used
        amount = bindparam(f"amount_{place}", type_=sa.Integer)
        statement = statement.add_columns(free.label(f"free_{place}")).join(
            one,
            sa.and_(
                one.c.provider_id == provider_table.c.id,
                one.c.resource_class == bindparam(f"class_{place}"),
                one.c.max_unit >= amount,
                free >= amount,
            ),
        )
    statement = statement.where(provider_table.c.id.not_in(_disabled))
    if classes:
        statement = statement.order_by(sa.desc("free_0"))
    return statement.order_by(provider_table.c.name)


async def candidates(
    tx: Transaction,
    resources: Mapping[str, int],
    *,
    among: Collection[str] | None = None,
    most: int | None = None,
) -> list[Free]:
    """Providers that have room for all of it in one piece, fullest last.

    Args:
        among: provider ids to look at; None for all. Providers with COMPUTE_STATUS_DISABLED are left out.
        most: how many to return at most.
    """
    asked = sorted(
        ((what, amount) for what, amount in resources.items() if amount),
        key=lambda one: (one[0] != "MEMORY_MB", one[0]),
    )
    values: dict[str, Any] = {}
    for place, (what, amount) in enumerate(asked):
        values |= {f"class_{place}": what, f"amount_{place}": amount}
    names = tuple(what for what, _ in asked)
    found: list[Free] = []
    for row in await tx.all(_with_room(names), values):
        if among is None or row.id in among:
            amounts = [min(amount, allocations.MOST_CAPACITY) for amount in map(int, row[2:])]
            free = dict(zip(names, amounts, strict=True))
            found.append(Free(provider_id=row.id, name=row.name, free=free))
            if len(found) == most:
                break
    return found


async def shortage(
    tx: Transaction, resources: Mapping[str, int], *, among: Sequence[str] | None = None
) -> str:
    """Why no provider has room, in the user's terms: "3 hosts; 2 lack memory: 512 MiB wanted, 300 free at most"."""
    asked = {what: amount for what, amount in resources.items() if amount}
    every = await _by_provider(tx, list(asked))
    here = {one: rows for one, (_, rows) in every.items() if among is None or one in among}
    off = set(await tx.scalars(_disabled)) & set(here)
    count = len(here)
    if not count:
        return "There are no hosts."
    parts = [f"{count} host{'s' if count > 1 else ''}"]
    if off:
        parts.append(f"{len(off)} {'are' if len(off) > 1 else 'is'} disabled")
    for what, amount in asked.items():
        word, unit = UNITS.get(what, (what, ""))
        free = [
            min(_free(rows[what]), rows[what].max_unit) if what in rows else 0
            for one, rows in here.items()
            if one not in off
        ]
        short = [one for one in free if one < amount]
        if short:
            lack = "lacks" if len(short) == 1 else "lack"
            parts.append(
                f"{len(short)} {lack} {word}: {amount}{unit} wanted, {max(0, max(short))} free"
            )
    return "; ".join(parts)


async def claim(
    tx: Transaction,
    *,
    consumer_id: str,
    provider_id: str,
    resources: Mapping[str, int],
    project_id: str,
    user_id: str,
    now: datetime,
) -> None:
    """Take these amounts for a consumer, in place of what it had.

    Raises:
        Full: they do not fit any more; nothing was taken, and what the consumer had it still has.
    """
    wanted = allocations.Wanted(
        consumer_id=consumer_id,
        resources={provider_id: {what: n for what, n in resources.items() if n}},
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
