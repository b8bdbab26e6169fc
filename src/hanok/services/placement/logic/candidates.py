"""Allocation candidates: which providers could take what is asked for.

Groups: the unnumbered one may be served by several providers of a tree; each numbered one by a single provider. Sharing
providers (MISC_SHARES_VIA_AGGREGATE) serve classes of the unnumbered group to trees in the same aggregates.

Source: Placement API reference, "Allocation candidates"; the guide "Modeling with provider trees".
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy import Row

from hanok.services.placement.tables import (
    inventories,
    provider_aggregates,
    provider_traits,
    providers,
)
from hanok.store import Transaction

SHARING = "MISC_SHARES_VIA_AGGREGATE"
COMBINATIONS_MOST = 10_000


class Group(Struct, frozen=True, kw_only=True):
    """One group of a request. required: each inner set is satisfied by any of its traits; member_of alike."""

    resources: Mapping[str, int]
    required: tuple[frozenset[str], ...] = ()
    forbidden: frozenset[str] = frozenset()
    member_of: tuple[frozenset[str], ...] = ()
    not_member_of: frozenset[str] = frozenset()
    in_tree: str = ""


class Candidate(Struct, frozen=True, kw_only=True):
    """Amounts by class by provider, and which providers serve which group."""

    resources: dict[str, dict[str, int]]
    mappings: dict[str, list[str]]


class World(Struct, kw_only=True):
    """What was read: providers by id, their inventories by class, traits, aggregates."""

    providers: dict[str, Row[Any]]
    inventories: dict[str, dict[str, Row[Any]]]
    traits: dict[str, set[str]]
    aggregates: dict[str, set[str]]


def fits(row: Row[Any], amount: int) -> bool:
    """Whether an inventory has room for amount in one piece."""
    return bool(
        row.used + amount <= (row.total - row.reserved) * row.allocation_ratio
        and row.min_unit <= amount <= row.max_unit
        and amount % row.step_size == 0
    )


async def read_world(tx: Transaction, groups: Mapping[str, Group]) -> World:
    """Everything about the trees that have at least one of the wanted classes with room for it."""
    wanted: dict[str, int] = {}
    for group in groups.values():
        for name, amount in group.resources.items():
            wanted[name] = min(amount, wanted.get(name, amount))
    room = [
        sa.and_(
            inventories.c.resource_class == name,
            inventories.c.used + amount
            <= (inventories.c.total - inventories.c.reserved) * inventories.c.allocation_ratio,
            inventories.c.max_unit >= amount,
        )
        for name, amount in wanted.items()
    ]
    with_room = sa.select(inventories.c.provider_id).where(sa.or_(*room)) if room else None
    roots = sa.select(providers.c.root_id)
    if with_room is not None:
        roots = roots.where(providers.c.id.in_(with_room))
    found = await tx.all(sa.select(providers).where(providers.c.root_id.in_(roots)))
    ids = sa.select(providers.c.id).where(providers.c.root_id.in_(roots))
    world = World(
        providers={row.id: row for row in found}, inventories={}, traits={}, aggregates={}
    )
    for row in await tx.all(sa.select(inventories).where(inventories.c.provider_id.in_(ids))):
        world.inventories.setdefault(row.provider_id, {})[row.resource_class] = row
    for row in await tx.all(
        sa.select(provider_traits).where(provider_traits.c.provider_id.in_(ids))
    ):
        world.traits.setdefault(row.provider_id, set()).add(row.trait)
    for row in await tx.all(
        sa.select(provider_aggregates).where(provider_aggregates.c.provider_id.in_(ids))
    ):
        world.aggregates.setdefault(row.provider_id, set()).add(row.aggregate_id)
    return world


def _qualifies(world: World, provider_id: str, group: Group, *, tree: Sequence[str] = ()) -> bool:
    """Whether a provider (for the unnumbered group: with the rest of its tree) has the traits and aggregates."""
    held = set(world.traits.get(provider_id, ()))
    for other in tree:
        held |= world.traits.get(other, set())
    own = world.traits.get(provider_id, set())
    if any(not (options & held) for options in group.required) or group.forbidden & own:
        return False
    root = world.providers[provider_id].root_id
    inside = world.aggregates.get(provider_id, set()) | world.aggregates.get(root, set())
    if any(not (options & inside) for options in group.member_of) or group.not_member_of & inside:
        return False
    return not group.in_tree or world.providers[provider_id].root_id == group.in_tree


def candidates(
    world: World,
    groups: Mapping[str, Group],
    *,
    isolate: bool = False,
    same_subtree: Sequence[Sequence[str]] = (),
) -> Iterator[Candidate]:
    """All ways to serve the groups, tree by tree.

    Args:
        isolate: numbered groups go to different providers.
        same_subtree: group names that one of their own providers must be above all the others.
    """
    trees: dict[str, list[str]] = {}
    for row in world.providers.values():
        trees.setdefault(row.root_id, []).append(row.id)
    sharing = [one for one in world.providers if SHARING in world.traits.get(one, ())]
    for tree in trees.values():
        yield from _in_tree(world, sorted(tree), sharing, groups, isolate, same_subtree)


def _in_tree(
    world: World,
    tree: list[str],
    sharing: list[str],
    groups: Mapping[str, Group],
    isolate: bool,
    same_subtree: Sequence[Sequence[str]],
) -> Iterator[Candidate]:
    near: set[str] = set()
    for one in tree:
        near |= world.aggregates.get(one, set())
    lenders = [
        one for one in sharing if one not in tree and world.aggregates.get(one, set()) & near
    ]
    choices: list[list[tuple[str, dict[str, dict[str, int]]]]] = []
    for suffix, group in groups.items():
        if suffix:
            served = [
                (suffix, {one: dict(group.resources)})
                for one in tree
                if _qualifies(world, one, group)
                and all(
                    name in world.inventories.get(one, {})
                    and fits(world.inventories[one][name], amount)
                    for name, amount in group.resources.items()
                )
            ]
        else:
            served = [(suffix, spread) for spread in _spread(world, tree, lenders, group)]
        if not served:
            return
        choices.append(served)
    for picked in itertools.islice(itertools.product(*choices), COMBINATIONS_MOST):
        total: dict[str, dict[str, int]] = {}
        mappings: dict[str, list[str]] = {}
        for suffix, spread in picked:
            mappings[suffix] = sorted(spread)
            for one, amounts in spread.items():
                mine = total.setdefault(one, {})
                for name, amount in amounts.items():
                    mine[name] = mine.get(name, 0) + amount
        numbered = [mappings[suffix][0] for suffix, _ in picked if suffix]
        if isolate and len(set(numbered)) != len(numbered):
            continue
        if not all(
            fits(world.inventories[one][name], amount)
            for one, amounts in total.items()
            for name, amount in amounts.items()
        ):
            continue
        if all(
            _share_a_top(world, [one for s in names for one in mappings.get(s, ())])
            for names in same_subtree
        ):
            yield Candidate(resources=total, mappings=mappings)


def _spread(
    world: World, tree: list[str], lenders: list[str], group: Group
) -> Iterator[dict[str, dict[str, int]]]:
    per_class: list[list[tuple[str, str, int]]] = []
    for name, amount in group.resources.items():
        able = [
            (one, name, amount)
            for one in [*tree, *lenders]
            if name in world.inventories.get(one, {})
            and fits(world.inventories[one][name], amount)
            and not (group.forbidden & world.traits.get(one, set()))
            and (one in lenders or _qualifies(world, one, group, tree=tree))
        ]
        if not able:
            return
        per_class.append(able)
    for picked in itertools.islice(itertools.product(*per_class), COMBINATIONS_MOST):
        spread: dict[str, dict[str, int]] = {}
        for one, name, amount in picked:
            spread.setdefault(one, {})[name] = amount
        if not any(one in tree for one in spread):
            continue
        held: set[str] = set()
        for one in spread:
            held |= world.traits.get(one, set())
        if all(options & held for options in group.required):
            yield spread


def _share_a_top(world: World, ids: Sequence[str]) -> bool:
    def above(one: str) -> set[str]:
        found = {one}
        at = world.providers[one].parent_id
        while at is not None:
            found.add(at)
            at = world.providers[at].parent_id
        return found

    if not ids:
        return True
    return any(all(top in above(one) for one in ids) for top in ids)
