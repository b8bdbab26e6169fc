"""Resource providers with their inventories, traits and aggregates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput, Conflict, NotFound
from hanok.services.placement import schemas
from hanok.services.placement.standard import CLASS_SET, TRAIT_SET
from hanok.services.placement.tables import (
    allocations,
    inventories,
    provider_aggregates,
    provider_traits,
    providers,
    resource_classes,
    traits,
)
from hanok.store import Duplicate, Transaction

CONCURRENT = "placement.concurrent_update"

_by_id = sa.select(providers).where(providers.c.id == bindparam("id"))
_bump = (
    providers.update()
    .where(providers.c.id == bindparam("of"), providers.c.generation == bindparam("was"))
    .values(generation=bindparam("was") + 1, updated_at=bindparam("at"))
)
_inventories = (
    sa.select(inventories)
    .where(inventories.c.provider_id == bindparam("id"))
    .order_by(inventories.c.resource_class)
)
_of_class = (inventories.c.provider_id == bindparam("id")) & (
    inventories.c.resource_class == bindparam("name")
)
_inventory = sa.select(inventories).where(_of_class)
_delete_inventory = inventories.delete().where(_of_class)
_traits = (
    sa.select(provider_traits.c.trait)
    .where(provider_traits.c.provider_id == bindparam("id"))
    .order_by(provider_traits.c.trait)
)
_delete_traits = provider_traits.delete().where(provider_traits.c.provider_id == bindparam("id"))
_insert_trait = provider_traits.insert()
_aggregates = (
    sa.select(provider_aggregates.c.aggregate_id)
    .where(provider_aggregates.c.provider_id == bindparam("id"))
    .order_by(provider_aggregates.c.aggregate_id)
)


def dashed(text: str) -> str:
    """An id in the one form that is kept."""
    bare = undashed(text)
    return f"{bare[:8]}-{bare[8:12]}-{bare[12:16]}-{bare[16:20]}-{bare[20:]}"


async def find(tx: Transaction, provider_id: str) -> Row[Any] | None:
    """A provider, if there is one with this id."""
    return await tx.first(_by_id, {"id": provider_id})


def undashed(text: str) -> str:
    """An id without hyphens, which is how the same one is told in another spelling."""
    return text.replace("-", "").lower()


async def get(tx: Transaction, provider_id: str) -> Row[Any]:
    """A provider.

    Raises:
        NotFound: there is none.
    """
    row = await find(tx, provider_id)
    if row is None:
        raise NotFound(f"No resource provider with uuid {provider_id} found")
    return row


async def create(
    tx: Transaction, *, provider_id: str, name: str, parent_id: str | None, now: datetime
) -> Row[Any]:
    root_id = provider_id
    if parent_id is not None:
        parent = await tx.first(_by_id, {"id": parent_id})
        if parent is None:
            raise BadInput(
                "Unable to create resource provider: the parent provider does not exist."
            )
        root_id = parent.root_id
    try:
        await tx.insert(
            providers,
            {
                "id": provider_id,
                "name": name,
                "generation": 0,
                "parent_id": parent_id,
                "root_id": root_id,
                "updated_at": now,
            },
        )
    except Duplicate as error:
        raise Conflict(
            f"Conflicting resource provider name: {name} or uuid: {provider_id} already exists.",
            code="placement.duplicate_name",
        ) from error
    return await get(tx, provider_id)


async def change(
    tx: Transaction,
    row: Row[Any],
    name: str,
    parent_id: str | None,
    now: datetime,
    *,
    moves: bool,
) -> Row[Any]:
    """Give a provider a name and a parent.

    Args:
        moves: whether one that has a parent may have another one, or none.

    Raises:
        Conflict: the name is taken. BadInput: it may not be there.
    """
    changes: dict[str, Any] = {"name": name, "updated_at": now}
    if parent_id != row.parent_id:
        if row.parent_id is not None and not moves:
            raise BadInput("Un-parenting or re-parenting a provider is not allowed.")
        changes |= await _new_parent(tx, row, parent_id)
    taken = sa.select(providers.c.id).where(providers.c.name == name, providers.c.id != row.id)
    if await tx.first(taken) is not None:
        raise Conflict(
            f"Conflicting resource provider {name} already exists.",
            code="placement.duplicate_name",
        )
    await tx.execute(providers.update().where(providers.c.id == row.id).values(**changes))
    return await get(tx, row.id)


async def _new_parent(tx: Transaction, row: Row[Any], parent_id: str | None) -> dict[str, Any]:
    """Move a provider, and what is below it, under another one. Gives the columns that are still to be set.

    Raises:
        BadInput: there is no such parent, or it is below the provider itself.
    """
    below = {row.id}
    rows = await tx.all(sa.select(providers).where(providers.c.root_id == row.root_id))
    grew = True
    while grew:
        new = {one.id for one in rows if one.parent_id in below} - below
        grew = bool(new)
        below |= new
    root_id = row.id
    if parent_id is not None:
        if parent_id in below:
            raise BadInput("creating loop in the provider tree is not allowed.")
        parent = await tx.first(sa.select(providers).where(providers.c.id == parent_id))
        if parent is None:
            raise BadInput("parent provider does not exist.")
        root_id = parent.root_id
    await tx.execute(providers.update().where(providers.c.id.in_(below)).values(root_id=root_id))
    return {"parent_id": parent_id}


async def delete(tx: Transaction, row: Row[Any]) -> None:
    if await tx.first(
        sa.select(allocations.c.used).where(allocations.c.provider_id == row.id).limit(1)
    ):
        raise Conflict(
            f"Unable to delete resource provider {row.id}: Resource provider has allocations.",
            code="placement.resource_provider.inuse",
        )
    if await tx.first(sa.select(providers.c.id).where(providers.c.parent_id == row.id).limit(1)):
        raise Conflict(
            f"Unable to delete parent resource provider {row.id}: It has child resource providers.",
            code="placement.resource_provider.cannot_delete_parent",
        )
    for table in (inventories, provider_traits, provider_aggregates):
        await tx.execute(table.delete().where(table.c.provider_id == row.id))
    await tx.execute(providers.delete().where(providers.c.id == row.id))


async def raise_generation(
    tx: Transaction, row: Row[Any], claimed: int | None, now: datetime
) -> int:
    """Take the provider's next generation.

    Raises:
        Conflict: somebody else was faster than the generation the caller saw.
    """
    if claimed is not None and claimed != row.generation:
        raise Conflict("resource provider generation conflict", code=CONCURRENT)
    if not await tx.count(_bump, {"of": row.id, "was": row.generation, "at": now}):
        raise Conflict("resource provider generation conflict", code=CONCURRENT)
    return int(row.generation) + 1


async def inventories_of(tx: Transaction, provider_id: str) -> list[Row[Any]]:
    return list(await tx.all(_inventories, {"id": provider_id}))


async def inventory(tx: Transaction, provider_id: str, name: str) -> Row[Any]:
    """A provider's inventory of a class.

    Raises:
        NotFound
    """
    row = await tx.first(_inventory, {"id": provider_id, "name": name})
    if row is None:
        raise NotFound(f"No inventory of class {name} for {provider_id}")
    return row


async def delete_inventory(tx: Transaction, row: Row[Any], name: str, now: datetime) -> None:
    """A provider has nothing of a class any more.

    Raises:
        NotFound; Conflict: some of it is in use.
    """
    if (await inventory(tx, row.id, name)).used:
        raise Conflict(
            f"Unable to delete inventory of class {name}: it is in use.",
            code="placement.inventory.inuse",
        )
    await raise_generation(tx, row, None, now)
    await tx.execute(_delete_inventory, {"id": row.id, "name": name})


async def traits_of(tx: Transaction, provider_id: str) -> list[str]:
    return list(await tx.scalars(_traits, {"id": provider_id}))


async def aggregates_of(tx: Transaction, provider_id: str) -> list[str]:
    return list(await tx.scalars(_aggregates, {"id": provider_id}))


async def check_class(tx: Transaction, name: str) -> None:
    if name in CLASS_SET:
        return
    if await tx.first(sa.select(resource_classes).where(resource_classes.c.name == name)) is None:
        raise BadInput(f"Unknown resource class in inventory: No such resource class {name}.")


async def check_classes(tx: Transaction, names: Iterable[str]) -> None:
    """Raises BadInput when a query asks for an amount of what no class stands for."""
    own = set(names) - CLASS_SET
    if own:
        known = await tx.scalars(sa.select(resource_classes.c.name))
        unknown = sorted(own - set(known))
        if unknown:
            raise BadInput(f"Invalid resource class in resources parameter: {', '.join(unknown)}")


async def check_traits(tx: Transaction, names: Iterable[str]) -> None:
    own = [name for name in names if name not in TRAIT_SET]
    if own:
        known = set(await tx.scalars(sa.select(traits.c.name).where(traits.c.name.in_(own))))
        unknown = sorted(set(own) - known)
        if unknown:
            raise BadInput(f"No such trait(s): {', '.join(unknown)}.")


async def set_inventories(
    tx: Transaction, row: Row[Any], requested: Mapping[str, schemas.InventoryBody]
) -> None:
    """Make the provider's inventories these. What is used stays counted.

    Raises:
        Conflict: a class that would go is in use. BadInput: a class nobody knows, or too much reserved.
    """
    before = {item.resource_class: item for item in await inventories_of(tx, row.id)}
    for name, old in before.items():
        if name not in requested:
            if old.used:
                raise Conflict(
                    f"Inventory for '{name}' on resource provider '{row.id}' in use.",
                    code="placement.inventory.inuse",
                )
            await tx.execute(_delete_inventory, {"id": row.id, "name": name})
    for name, body in requested.items():
        if name not in before:
            await check_class(tx, name)
        await put_inventory(tx, row.id, name, body, exists=name in before)


async def put_inventory(
    tx: Transaction, provider_id: str, name: str, body: schemas.InventoryBody, *, exists: bool
) -> None:
    if body.reserved > body.total:
        raise BadInput(
            f"Unable to update inventory for resource provider {provider_id}: Invalid inventory for '{name}' "
            f"on resource provider '{provider_id}'. The reserved value is greater than or equal to total."
        )
    values = {
        "total": body.total,
        "reserved": body.reserved,
        "min_unit": body.min_unit,
        "max_unit": body.max_unit,
        "step_size": body.step_size,
        "allocation_ratio": body.allocation_ratio,
    }
    if exists:
        await tx.execute(
            inventories.update()
            .where(inventories.c.provider_id == provider_id, inventories.c.resource_class == name)
            .values(**values)
        )
    else:
        await tx.insert(
            inventories, {"provider_id": provider_id, "resource_class": name, "used": 0, **values}
        )


async def set_traits(tx: Transaction, provider_id: str, names: Iterable[str]) -> None:
    requested = list(dict.fromkeys(names))
    await check_traits(tx, requested)
    await tx.execute(_delete_traits, {"id": provider_id})
    if requested:
        await tx.execute(
            _insert_trait, [{"provider_id": provider_id, "trait": name} for name in requested]
        )


async def set_aggregates(tx: Transaction, provider_id: str, ids: Iterable[str]) -> None:
    requested = list(dict.fromkeys(ids))
    await tx.execute(
        provider_aggregates.delete().where(provider_aggregates.c.provider_id == provider_id)
    )
    if requested:
        await tx.execute(
            provider_aggregates.insert(),
            [{"provider_id": provider_id, "aggregate_id": one} for one in requested],
        )
