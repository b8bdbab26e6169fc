"""Allocations: who uses how much of what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput, Conflict
from hanok.services.placement import schemas
from hanok.services.placement.logic import providers as provider_logic
from hanok.services.placement.logic.providers import CONCURRENT
from hanok.services.placement.standard import CLASS_SET
from hanok.services.placement.tables import (
    allocations,
    consumers,
    inventories,
    providers,
    resource_classes,
)
from hanok.store import Duplicate, Transaction

_consumer = sa.select(consumers).where(consumers.c.id == bindparam("id"))
_of_consumer = sa.select(allocations).where(allocations.c.consumer_id == bindparam("id"))
_new = allocations.insert()
_GIVE_BACK = (
    inventories.update()
    .where(
        inventories.c.provider_id == bindparam("at"),
        inventories.c.resource_class == bindparam("what"),
    )
    .values(used=inventories.c.used - bindparam("amount"))
)
# The comparison and the taking are one statement: the last of something goes to one claim only.
_take = (
    inventories.update()
    .where(
        inventories.c.provider_id == bindparam("at"),
        inventories.c.resource_class == bindparam("what"),
        inventories.c.used + bindparam("amount")
        <= (inventories.c.total - inventories.c.reserved) * inventories.c.allocation_ratio,
        inventories.c.min_unit <= bindparam("amount"),
        inventories.c.max_unit >= bindparam("amount"),
        sa.literal_column("0")
        == sa.cast(bindparam("amount"), sa.BigInteger) % inventories.c.step_size,
    )
    .values(used=inventories.c.used + bindparam("amount"))
)
_bump_provider = (
    providers.update()
    .where(providers.c.id.in_(bindparam("ids", expanding=True)))
    .values(generation=providers.c.generation + 1, updated_at=bindparam("at"))
)
_delete = allocations.delete().where(allocations.c.consumer_id == bindparam("id"))
_delete_consumer = consumers.delete().where(consumers.c.id == bindparam("id"))
MAXIMUM_CAPACITY = 2**63 - 1
_at_providers = (
    sa.select(allocations, providers.c.generation)
    .join(providers, providers.c.id == allocations.c.provider_id)
    .where(allocations.c.consumer_id == bindparam("id"))
)
_of_provider = (
    sa.select(allocations, consumers.c.generation)
    .join(consumers, consumers.c.id == allocations.c.consumer_id)
    .where(allocations.c.provider_id == bindparam("id"))
)
_usages = (
    sa.select(
        consumers.c.consumer_type,
        allocations.c.resource_class,
        sa.func.sum(allocations.c.used).label("used"),
    )
    .join(consumers, consumers.c.id == allocations.c.consumer_id)
    .where(consumers.c.project_id == bindparam("project_id"))
    .group_by(consumers.c.consumer_type, allocations.c.resource_class)
)
_counts = (
    sa.select(consumers.c.consumer_type, sa.func.count(sa.distinct(consumers.c.id)).label("number"))
    .join(allocations, allocations.c.consumer_id == consumers.c.id)
    .where(consumers.c.project_id == bindparam("project_id"))
    .group_by(consumers.c.consumer_type)
)
_known_classes = sa.select(resource_classes.c.name)
_inventory = sa.select(inventories).where(
    inventories.c.provider_id == bindparam("at"), inventories.c.resource_class == bindparam("what")
)


class Requested(Struct, frozen=True, kw_only=True):
    """What a consumer is to have: amounts by class by provider. Nothing at all ends the consumer.

    expected_generation: the consumer's as the caller saw it; None for a new one; ... (Ellipsis) is not compared.
    """

    consumer_id: str
    resources: Mapping[str, Mapping[str, int]]
    project_id: str
    user_id: str
    expected_generation: Any = ...
    consumer_type: str | None = None


def capacity(row: Any) -> int:
    """What may be taken of an inventory in all; no more than an answer can say, whatever the ratio is."""
    return min(int((row.total - row.reserved) * row.allocation_ratio), MAXIMUM_CAPACITY)


async def of_consumer(tx: Transaction, consumer_id: str) -> list[Row[Any]]:
    return list(await tx.all(_of_consumer, {"id": consumer_id}))


async def at_providers(tx: Transaction, consumer_id: str) -> Sequence[Row[Any]]:
    """What a consumer has, each with its provider's generation."""
    return await tx.all(_at_providers, {"id": consumer_id})


async def of_provider(tx: Transaction, provider_id: str) -> Sequence[Row[Any]]:
    """What a provider has given out, each with its consumer's generation."""
    return await tx.all(_of_provider, {"id": provider_id})


async def usages(tx: Transaction, project_id: str, user_id: str | None) -> Sequence[Row[Any]]:
    """What the consumers of a project use (consumer_type, resource_class, used).

    Args:
        user_id: only consumers of this user; None: of all.
    """
    statement = _usages if user_id is None else _usages.where(consumers.c.user_id == user_id)
    return await tx.all(statement, {"project_id": project_id})


async def consumer_counts(
    tx: Transaction, project_id: str, user_id: str | None
) -> dict[str | None, int]:
    """How many consumers of each type a project, or a user in it, has."""
    statement = _counts if user_id is None else _counts.where(consumers.c.user_id == user_id)
    rows = await tx.all(statement, {"project_id": project_id})
    return {row.consumer_type: int(row.number) for row in rows}


async def reshape(
    tx: Transaction,
    inventory: Mapping[str, schemas.InventoriesBody],
    requested: Sequence[Requested],
    now: datetime,
) -> None:
    """Inventories by provider, and allocations, at once: what consumers have moves along with what providers are.

    Raises:
        Conflict, BadInput: as the single steps.
    """
    for one in requested:
        await _give_back(tx, one.consumer_id)
    for provider_id, body in inventory.items():
        row = await provider_logic.find(tx, provider_logic.dashed(provider_id))
        if row is None:
            raise BadInput(
                f"Resource provider {provider_id} in inventories not found.",
                code="placement.resource_provider.not_found",
            )
        await provider_logic.raise_generation(tx, row, body.resource_provider_generation, now)
        await provider_logic.set_inventories(tx, row, body.inventories)
    await replace_all(tx, requested, now)


async def replace_all(tx: Transaction, requested: Sequence[Requested], now: datetime) -> None:
    """Make several consumers' allocations exactly these; what one gives back another may have.

    Raises:
        Conflict, BadInput: as `replace`.
    """
    for one in requested:
        await _give_back(tx, one.consumer_id)
    for one in requested:
        await replace(tx, one, now)


async def _give_back(tx: Transaction, consumer_id: str) -> list[Row[Any]]:
    """Nothing is the consumer's any more. Gives what was."""
    held = await of_consumer(tx, consumer_id)
    for row in held:
        amounts = {"at": row.provider_id, "what": row.resource_class, "amount": row.used}
        await tx.execute(_GIVE_BACK, amounts)
    await tx.execute(_delete, {"id": consumer_id})
    return held


async def consumer(tx: Transaction, consumer_id: str) -> Row[Any] | None:
    return await tx.first(_consumer, {"id": consumer_id})


async def release(tx: Transaction, consumer_id: str, now: datetime) -> bool:
    """Give everything back that the consumer has. Returns whether it had something.

    The generations of providers stay, as upstream: nothing that somebody else may have read of them is wrong now.
    """
    held = await _give_back(tx, consumer_id)
    await tx.execute(_delete_consumer, {"id": consumer_id})
    return bool(held)


async def replace(tx: Transaction, requested: Requested, now: datetime) -> None:
    """Make the consumer's allocations exactly these.

    Raises:
        Conflict: it does not fit, or the consumer has changed since the caller looked.
        BadInput: there is no such provider or class.
    """
    before = await consumer(tx, requested.consumer_id)
    generation = None if before is None else before.generation
    if requested.expected_generation is not ... and requested.expected_generation != generation:
        raise Conflict(
            f"consumer generation conflict - expected {generation} but got {requested.expected_generation}",
            code=CONCURRENT,
        )
    held = await _give_back(tx, requested.consumer_id)
    if not requested.resources:
        if held:
            ids = sorted({row.provider_id for row in held})
            await tx.execute(_bump_provider, {"ids": ids, "at": now})
        await tx.execute(_delete_consumer, {"id": requested.consumer_id})
        return
    for provider_id, amounts in sorted(requested.resources.items()):
        for name, amount in sorted(amounts.items()):
            await _allocate(tx, requested.consumer_id, provider_id, name, amount)
    await tx.execute(_bump_provider, {"ids": sorted(requested.resources), "at": now})
    await _write_consumer(tx, requested, generation)


async def _allocate(
    tx: Transaction, consumer_id: str, provider_id: str, name: str, amount: int
) -> None:
    """Raises Conflict or BadInput when it does not fit."""
    if not await tx.count(_take, {"at": provider_id, "what": name, "amount": amount}):
        await _refuse(tx, provider_id, name, amount)
    values = {"provider_id": provider_id, "resource_class": name, "used": amount}
    await tx.execute(_new, {"consumer_id": consumer_id, **values})


async def _write_consumer(tx: Transaction, requested: Requested, generation: int | None) -> None:
    """The consumer with its next generation. generation: the one that it has; None: it is a new one.

    Raises:
        Conflict: somebody else was faster.
    """
    values = {
        "project_id": requested.project_id,
        "user_id": requested.user_id,
        "consumer_type": requested.consumer_type,
    }
    if generation is None:
        try:
            await tx.insert(consumers, {"id": requested.consumer_id, "generation": 1, **values})
        except Duplicate as error:
            raise Conflict("consumer generation conflict", code=CONCURRENT) from error
    elif not await tx.count(
        consumers.update()
        .where(consumers.c.id == requested.consumer_id, consumers.c.generation == generation)
        .values(generation=consumers.c.generation + 1, **values)
    ):
        raise Conflict("consumer generation conflict", code=CONCURRENT)


async def _refuse(tx: Transaction, provider_id: str, name: str, amount: int) -> None:
    """Say why a taking did not fit."""
    if await tx.first(sa.select(providers.c.id).where(providers.c.id == provider_id)) is None:
        raise BadInput(f"Allocation for resource provider '{provider_id}' that does not exist.")
    if name not in CLASS_SET and name not in await tx.scalars(_known_classes):
        raise BadInput(f"Unable to allocate inventory: No such resource class {name}.")
    row = await tx.first(_inventory, {"at": provider_id, "what": name})
    if row is None:
        raise Conflict(
            f"Unable to allocate inventory: Inventory for '{name}' on resource provider '{provider_id}' "
            "invalid: the provider has no such inventory."
        )
    free = capacity(row) - row.used
    raise Conflict(
        f"Unable to allocate inventory: Unable to create allocation for '{name}' on resource provider "
        f"'{provider_id}'. The requested amount would exceed the capacity: {amount} requested, {free} free "
        f"(in steps of {row.step_size}, {row.min_unit} to {row.max_unit})."
    )
