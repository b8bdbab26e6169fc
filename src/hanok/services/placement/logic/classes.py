"""Resource classes: those of an operator, beside the standard ones, which no table holds."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy import bindparam

from hanok.base.errors import Conflict, NotFound
from hanok.services.placement.standard import CLASS_SET
from hanok.services.placement.tables import inventories, resource_classes
from hanok.store import Duplicate, Transaction

_names = sa.select(resource_classes.c.name).order_by(resource_classes.c.name)
_one = sa.select(resource_classes.c.name).where(resource_classes.c.name == bindparam("called"))
_delete = resource_classes.delete().where(resource_classes.c.name == bindparam("called"))
_in_use = (
    sa.select(inventories.c.provider_id)
    .where(inventories.c.resource_class == bindparam("called"))
    .limit(1)
)
_rename = (
    inventories.update()
    .where(inventories.c.resource_class == bindparam("called"))
    .values(resource_class=bindparam("new"))
)


async def own(tx: Transaction) -> Sequence[str]:
    """The operator's classes, by name."""
    return await tx.scalars(_names)


async def check_known(tx: Transaction, name: str) -> None:
    """Raises NotFound when there is no such class, standard or the operator's."""
    if name not in CLASS_SET and await tx.first(_one, {"called": name}) is None:
        raise NotFound(f"No such resource class: {name}")


async def create(tx: Transaction, name: str) -> bool:
    """A class is known by this name. False when it was before."""
    return await tx.insert_missing(resource_classes, {"name": name})


async def rename(tx: Transaction, name: str, new: str) -> None:
    """An operator's class has another name, also in the inventories.

    Raises:
        Conflict: the name is taken.
    """
    try:
        await tx.insert(resource_classes, {"name": new})
    except Duplicate as error:
        raise Conflict(f"Resource class already exists: {new}") from error
    await tx.execute(_rename, {"called": name, "new": new})
    await tx.execute(_delete, {"called": name})


async def delete(tx: Transaction, name: str) -> None:
    """Raises Conflict when an inventory is of an operator's class."""
    if await tx.first(_in_use, {"called": name}) is not None:
        raise Conflict(f"Cannot delete resource class in use in inventory: {name}")
    await tx.execute(_delete, {"called": name})
