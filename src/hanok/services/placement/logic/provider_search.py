"""Looking for resource providers by what they have, hold and are in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row

from hanok.services.placement.logic.candidates import Group
from hanok.services.placement.logic.providers import check_classes, check_traits
from hanok.services.placement.tables import (
    inventories,
    provider_aggregates,
    provider_traits,
    providers,
)
from hanok.store import Transaction

_all = sa.select(providers).order_by(providers.c.name)


async def found(
    tx: Transaction, *, name: str | None, provider_id: str | None, group: Group | None
) -> Sequence[Row[Any]]:
    """The providers that are called so, and are what the group asks for; None: whatever they are. By name.

    Raises:
        BadInput: the group asks for a class or a trait that there is not.
    """
    statement = _all
    if name is not None:
        statement = statement.where(providers.c.name == name)
    if provider_id is not None:
        statement = statement.where(providers.c.id == provider_id)
    if group is not None:
        statement = statement.where(*_conditions(group))
        await check_classes(tx, group.resources)
        required = (trait for options in group.required for trait in options)
        await check_traits(tx, [*required, *group.forbidden])
    return await tx.all(statement)


def _conditions(group: Group) -> Iterator[sa.ColumnElement[bool]]:
    """What a provider must have, hold and be in."""
    for what, amount in group.resources.items():
        yield providers.c.id.in_(
            sa.select(inventories.c.provider_id).where(
                inventories.c.resource_class == what,
                inventories.c.used + amount
                <= (inventories.c.total - inventories.c.reserved) * inventories.c.allocation_ratio,
                inventories.c.min_unit <= amount,
                inventories.c.max_unit >= amount,
                amount % inventories.c.step_size == 0,
            )
        )
    has = sa.select(provider_traits.c.provider_id)
    for options in group.required:
        yield providers.c.id.in_(has.where(provider_traits.c.trait.in_(sorted(options))))
    if group.forbidden:
        yield providers.c.id.not_in(has.where(provider_traits.c.trait.in_(sorted(group.forbidden))))
    inside = sa.select(provider_aggregates.c.provider_id)
    for options in group.member_of:
        mine = inside.where(provider_aggregates.c.aggregate_id.in_(sorted(options)))
        yield providers.c.id.in_(mine)
    if group.not_member_of:
        mine = inside.where(provider_aggregates.c.aggregate_id.in_(sorted(group.not_member_of)))
        yield providers.c.id.not_in(mine)
    if group.in_tree:
        root = (
            sa.select(providers.c.root_id).where(providers.c.id == group.in_tree).scalar_subquery()
        )
        yield providers.c.root_id == root
