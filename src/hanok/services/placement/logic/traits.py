"""Traits: those of an operator, beside the standard ones, which no table holds."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy import bindparam

from hanok.base.errors import Conflict, NotFound
from hanok.services.placement.standard import TRAIT_SET
from hanok.services.placement.tables import provider_traits, traits
from hanok.store import Transaction

_names = sa.select(traits.c.name)
_one = _names.where(traits.c.name == bindparam("called"))
_used = sa.select(provider_traits.c.trait).distinct()
_in_use = (
    sa.select(provider_traits.c.trait)
    .where(provider_traits.c.trait == bindparam("called"))
    .limit(1)
)
_delete = traits.delete().where(traits.c.name == bindparam("called"))


async def own(tx: Transaction) -> Sequence[str]:
    """The operator's traits."""
    return await tx.scalars(_names)


async def used(tx: Transaction) -> set[str]:
    """The traits, standard ones too, that some provider has."""
    return set(await tx.scalars(_used))


async def check_known(tx: Transaction, name: str) -> None:
    """Raises NotFound when there is no such trait, standard or the operator's."""
    if name not in TRAIT_SET and await tx.first(_one, {"called": name}) is None:
        raise NotFound(f"No such trait(s): {name}.")


async def create(tx: Transaction, name: str) -> bool:
    """A trait is known by this name. False when it was before."""
    return await tx.insert_missing(traits, {"name": name})


async def delete(tx: Transaction, name: str) -> None:
    """Raises Conflict when a provider has an operator's trait."""
    if await tx.first(_in_use, {"called": name}) is not None:
        raise Conflict(f"The trait {name} is in use by a resource provider.")
    await tx.execute(_delete, {"called": name})
