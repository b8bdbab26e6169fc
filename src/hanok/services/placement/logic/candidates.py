"""Allocation candidates: which providers could take what is asked for.

Groups: the unnumbered one may be served by several providers of a tree; each numbered one by a single provider. Sharing
providers (MISC_SHARES_VIA_AGGREGATE) serve classes of the unnumbered group, and whole numbered ones, to trees in the
same aggregates.

One statement finds the trees that may serve all groups, and stops when there are enough of them. It leaves out what
cannot be; what can is decided with the providers of these trees alone. So a search that needs ten candidates costs the
same among a thousand providers and among ten thousand.

Source: Placement API reference, "Allocation candidates"; the guide "Modeling with provider trees".
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy import Row, bindparam

from hanok.base.pieces import Pieces
from hanok.services.placement.tables import (
    inventories,
    provider_aggregates,
    provider_traits,
    providers,
)
from hanok.store import Transaction

SHARING = "MISC_SHARES_VIA_AGGREGATE"
COMBINATIONS_MAXIMUM = 10_000
STEPS_MAXIMUM = (
    50_000  # of a search for combinations in one tree: where few fit, most are given up early
)
MORE = 8  # times as many trees are looked for when those found were not enough
AT_ONCE = 500  # trees whose providers are read together
FEW = 128  # trees: where a request wants what no more have, only these are looked at
EVERYWHERE = frozenset(("VCPU", "MEMORY_MB", "DISK_GB"))  # classes that nearly every tree has
DENSE = (
    50  # from here on trees are read by where they begin and end, if that is most of all there are
)


class Group(Struct, frozen=True, kw_only=True):
    """One group of a request. required: each inner set is satisfied by any of its traits; member_of alike.

    in_tree: any provider of the tree that is meant.
    """

    resources: Mapping[str, int]
    required: tuple[frozenset[str], ...] = ()
    forbidden: frozenset[str] = frozenset()
    member_of: tuple[frozenset[str], ...] = ()
    not_member_of: frozenset[str] = frozenset()
    in_tree: str = ""


class Request(Struct, frozen=True, kw_only=True):
    """What is looked for.

    Args:
        groups: by suffix; "" is the unnumbered one.
        isolate: numbered groups go to different providers.
        same_subtree: group names that one of their own providers must be above all the others.
        root_required, root_forbidden: traits of the root of the tree.
        emptiest: a class; the trees with the most of it free come first. Without it they come in the order of ids.
        fullest: those with the least of it come first instead.
        ways: in how many ways one tree is offered at most; 0: in all.
    """

    groups: Mapping[str, Group]
    isolate: bool = False
    same_subtree: Sequence[Sequence[str]] = ()
    root_required: frozenset[str] = frozenset()
    root_forbidden: frozenset[str] = frozenset()
    emptiest: str = ""
    fullest: bool = False
    ways: int = 0


class Candidate(Struct, frozen=True, kw_only=True):
    """Amounts by class by provider, and which providers serve which group. root_id: of the tree that serves them."""

    root_id: str
    resources: dict[str, dict[str, int]]
    mappings: dict[str, list[str]]


class World(Struct, kw_only=True):
    """What was read: providers by id, their inventories by class, traits, aggregates."""

    providers: dict[str, Row[Any]] = msgspec.field(default_factory=dict)
    inventories: dict[str, dict[str, Row[Any]]] = msgspec.field(default_factory=dict)
    traits: dict[str, set[str]] = msgspec.field(default_factory=dict)
    aggregates: dict[str, set[str]] = msgspec.field(default_factory=dict)


def fits(row: Row[Any], amount: int) -> bool:
    """Whether an inventory can give amount in one piece."""
    return bool(
        row.used + amount <= (row.total - row.reserved) * row.allocation_ratio
        and row.min_unit <= amount <= row.max_unit
        and amount % row.step_size == 0
    )


# ---- which trees may serve a request: a statement for each shape of requests ----


class _Shape(Struct, frozen=True, kw_only=True):
    """What the statement for a request looks like, whatever its values are.

    classes, required, member_of: how many; the others: whether there are any.
    """

    numbered: bool
    classes: int
    required: int
    forbidden: bool
    member_of: int
    not_member_of: bool
    in_tree: bool


def _shape(suffix: str, group: Group) -> _Shape:
    return _Shape(
        numbered=bool(suffix),
        classes=len(group.resources),
        required=len(group.required),
        forbidden=bool(group.forbidden),
        member_of=len(group.member_of),
        not_member_of=bool(group.not_member_of),
        in_tree=bool(group.in_tree),
    )


def _values(place: int, group: Group) -> dict[str, Any]:
    """The parameters of a group, by the names that `_Conditions` gives them."""
    found: dict[str, Any] = {
        f"forbidden_{place}": sorted(group.forbidden),
        f"outside_{place}": sorted(group.not_member_of),
        f"tree_{place}": group.in_tree,
    }
    for number, (name, amount) in enumerate(group.resources.items()):
        found[f"class_{place}_{number}"] = name
        found[f"amount_{place}_{number}"] = amount
    for number, options in enumerate(group.required):
        found[f"required_{place}_{number}"] = sorted(options)
    for number, options in enumerate(group.member_of):
        found[f"inside_{place}_{number}"] = sorted(options)
    return found


_roots = providers.alias("roots")


def _has_trait(provider_id: Any, names: Any) -> sa.ColumnElement[bool]:
    return sa.exists().where(
        provider_traits.c.provider_id == provider_id, provider_traits.c.trait.in_(names)
    )


class _Conditions:
    """The conditions of one group on `_roots`, as SQL."""

    def __init__(self, place: int, shape: _Shape, *, shared: bool) -> None:
        self._place = place
        self._shape = shape
        self._shared = shared

    def all(self) -> list[sa.ColumnElement[bool]]:
        shape, place = self._shape, self._place
        found: list[sa.ColumnElement[bool]] = []
        if shape.in_tree and not (shape.numbered and self._shared):
            found.append(_roots.c.id == bindparam(f"tree_{place}"))
        if shape.numbered:
            found.append(self._one_serves())
            return found
        # What few have stands before what most have: the conditions are looked at in this order.
        if not self._shared:  # a sharing provider may bring the trait
            for number in range(shape.required):
                one = providers.alias()
                requested = _has_trait(one.c.id, self._set(f"required_{place}_{number}"))
                found.append(sa.exists().where(one.c.root_id == _roots.c.id, requested))
        found += [self._somebody_gives(number) for number in range(shape.classes)]
        return found

    def _one_serves(self) -> sa.ColumnElement[bool]:
        """A provider of the tree serves the whole group, or one that shares what it has with the tree."""
        one = providers.alias()
        inside = sa.exists().where(one.c.root_id == _roots.c.id, *self._alone(one))
        if not self._shared:
            return inside
        lender, near, trait = providers.alias(), providers.alias(), provider_traits.alias()
        theirs, ours = provider_aggregates.alias(), provider_aggregates.alias()
        return sa.or_(
            inside,
            sa.exists().where(
                near.c.root_id == _roots.c.id,
                ours.c.provider_id == near.c.id,
                theirs.c.aggregate_id == ours.c.aggregate_id,
                lender.c.id == theirs.c.provider_id,
                trait.c.provider_id == lender.c.id,
                trait.c.trait == SHARING,
                *self._alone(lender),
            ),
        )

    def _alone(self, one: Any) -> list[sa.ColumnElement[bool]]:
        """What is asked of the one provider that serves a numbered group."""
        shape, place = self._shape, self._place
        found = [
            _has_trait(one.c.id, self._set(f"required_{place}_{number}"))
            for number in range(shape.required)
        ]
        found += self._of_provider(one)
        found += [self._gives(one.c.id, number) for number in range(shape.classes)]
        if shape.in_tree and self._shared:
            found.append(one.c.root_id == bindparam(f"tree_{place}"))
        return found

    def _somebody_gives(self, number: int) -> sa.ColumnElement[bool]:
        """A provider of the tree can give a class, or one that shares it."""
        one = providers.alias()
        inside = sa.exists().where(
            one.c.root_id == _roots.c.id, self._gives(one.c.id, number), *self._of_provider(one)
        )
        if not self._shared:
            return inside
        lender, theirs, ours = (
            provider_traits.alias(),
            provider_aggregates.alias(),
            provider_aggregates.alias(),
        )
        near = providers.alias()
        return sa.or_(
            inside,
            sa.exists().where(
                near.c.root_id == _roots.c.id,
                ours.c.provider_id == near.c.id,
                theirs.c.aggregate_id == ours.c.aggregate_id,
                lender.c.provider_id == theirs.c.provider_id,
                lender.c.trait == SHARING,
                self._gives(lender.c.provider_id, number),
            ),
        )

    def _of_provider(self, one: Any) -> list[sa.ColumnElement[bool]]:
        """What is asked of a provider besides resources: no such traits, these aggregates (in the plain group also its
        root's, which stand for the whole tree)."""
        shape, place = self._shape, self._place
        found: list[sa.ColumnElement[bool]] = []
        if shape.forbidden:
            found.append(~_has_trait(one.c.id, self._set(f"forbidden_{place}")))

        held_by = [one.c.id] if shape.numbered else [one.c.id, _roots.c.id]

        def within(name: str) -> sa.ColumnElement[bool]:
            member = provider_aggregates.alias()
            return (
                sa.exists()
                .where(
                    member.c.provider_id.in_(held_by),
                    member.c.aggregate_id.in_(self._set(name)),
                )
                .correlate_except(member)  # the root is two statements further out
            )

        found += [within(f"inside_{place}_{number}") for number in range(shape.member_of)]
        if shape.not_member_of:
            found.append(~within(f"outside_{place}"))
        return found

    def _gives(self, provider_id: Any, number: int) -> sa.ColumnElement[bool]:
        one = inventories.alias()
        amount = bindparam(f"amount_{self._place}_{number}", type_=sa.BigInteger)
        return sa.exists().where(
            one.c.provider_id == provider_id,
            one.c.resource_class == bindparam(f"class_{self._place}_{number}"),
            one.c.used + amount <= (one.c.total - one.c.reserved) * one.c.allocation_ratio,
            one.c.min_unit <= amount,
            one.c.max_unit >= amount,
            sa.literal_column("0") == sa.cast(amount, sa.BigInteger) % one.c.step_size,
        )

    @staticmethod
    def _set(name: str) -> Any:
        return bindparam(name, expanding=True)


@lru_cache(maxsize=256)
def _trees(
    shapes: tuple[_Shape, ...],
    *,
    shared: bool,
    root_required: int,
    root_forbidden: bool,
    emptiest: bool,
    fullest: bool,
    limited: bool,
    few: bool,
) -> sa.Select[Any]:
    """Ids of the roots of trees that may serve requests of this shape."""
    statement = sa.select(_roots.c.id)
    if emptiest:
        inside = providers.alias("holders")
        # Of few trees the inventories are found by provider: an index by class would lead through those of all trees.
        held: Any = inventories.c.resource_class
        held = held.concat("") if few else held
        statement = (
            statement.select_from(inventories)
            .join(inside, inside.c.id == inventories.c.provider_id)
            .join(_roots, _roots.c.id == inside.c.root_id)
            .where(held == bindparam("emptiest"))
        )
        free: Any = inventories.c.free
        # As a plain column it is read in order from its index; few are better found first and then put in order.
        order = [free + 0 if few else free, inventories.c.provider_id]
        statement = statement.order_by(*(order if fullest else [one.desc() for one in order]))
    else:
        statement = statement.where(_roots.c.parent_id.is_(None)).order_by(_roots.c.id)
    if few:
        statement = statement.where(_roots.c.id.in_(bindparam("few", expanding=True)))
    for place, shape in enumerate(shapes):
        statement = statement.where(*_Conditions(place, shape, shared=shared).all())
    for number in range(root_required):
        statement = statement.where(
            _has_trait(_roots.c.id, bindparam(f"root_required_{number}", expanding=True))
        )
    if root_forbidden:
        statement = statement.where(
            ~_has_trait(_roots.c.id, bindparam("root_forbidden", expanding=True))
        )
    return statement.limit(bindparam("limit", type_=sa.Integer)) if limited else statement


_any_sharing = (
    sa.select(provider_traits.c.provider_id).where(provider_traits.c.trait == SHARING).limit(1)
)
_all_trees = (
    sa.select(sa.func.count()).select_from(providers).where(providers.c.parent_id.is_(None))
)
_root_of = sa.select(providers.c.root_id).where(providers.c.id == bindparam("id"))


async def _whole_trees(tx: Transaction, request: Request) -> Request | None:
    """The request with `in_tree` naming roots; None when one of these providers is not there."""
    groups = dict(request.groups)
    for suffix, group in groups.items():
        if group.in_tree:
            root_id = await tx.scalar(_root_of, {"id": group.in_tree})
            if root_id is None:
                return None
            groups[suffix] = msgspec.structs.replace(group, in_tree=str(root_id))
    return msgspec.structs.replace(request, groups=groups)


async def search(
    tx: Transaction, request: Request, *, first: int | None = None
) -> AsyncIterator[tuple[World, list[Candidate]]]:
    """All ways to serve a request, some trees at a time, with the providers of these trees.

    Args:
        first: how many trees are likely to be enough; None when all are wanted. More are looked for as long as the
            caller goes on.
    """
    found = await _whole_trees(tx, request)
    if found is None:
        return
    shared = await tx.scalar(_any_sharing) is not None
    few = await _few(tx, found, shared=shared)
    if few is not None and not few:
        return
    done: set[str] = set()
    limit = first
    pieces = Pieces()
    while True:
        ids = await _tree_ids(tx, found, shared=shared, limit=limit, few=few)
        fresh = [one for one in dict.fromkeys(ids) if one not in done]
        done.update(fresh)
        dense = not found.emptiest and len(fresh) > DENSE
        if dense:
            dense = 2 * len(ids) > int(await tx.scalar(_all_trees))
        for start in range(0, len(fresh), AT_ONCE):
            part = fresh[start : start + AT_ONCE]
            world = await read_world(tx, part, shared=shared, dense=dense)
            trees: dict[str, list[str]] = {}
            for row in world.providers.values():
                trees.setdefault(row.root_id, []).append(row.id)
            sharing = [one for one in world.providers if SHARING in world.traits.get(one, ())]
            served: list[Candidate] = []
            async for root_id in pieces.each(part):
                served += _in_tree(world, root_id, sorted(trees[root_id]), sharing, found)
            yield world, served
        if limit is None or len(ids) < limit:
            return
        limit = limit * MORE


def _with(table: sa.Table, column: sa.Column[Any]) -> sa.Select[Any]:
    """The roots of FEW providers that have one of some values, and of one more."""
    return (
        sa.select(providers.c.root_id)
        .select_from(table.join(providers, providers.c.id == table.c.provider_id))
        .where(column.in_(bindparam("values", expanding=True)))
        .limit(FEW + 1)
    )


_with_class = _with(inventories, inventories.c.resource_class)
_with_trait = _with(provider_traits, provider_traits.c.trait)
_with_aggregate = _with(provider_aggregates, provider_aggregates.c.aggregate_id)


async def _few(tx: Transaction, request: Request, *, shared: bool) -> set[str] | None:
    """The roots that have all of the rare things that a request wants; None when it wants nothing rare.

    Without it a search for what one tree of 10,000 has would look at all of them.
    """
    few: set[str] | None = None
    for statement, values in _narrow(request, shared=shared):
        roots = await tx.scalars(statement, {"values": sorted(values)})
        if len(roots) <= FEW:
            few = set(roots) if few is None else few & set(roots)
    return few


def _narrow(request: Request, *, shared: bool) -> Iterator[tuple[sa.Select[Any], Iterable[str]]]:
    """What some provider of a tree has to have, whatever else holds."""
    for trait in request.root_required:
        yield _with_trait, (trait,)
    for group in request.groups.values():
        if shared:
            continue  # a provider of another tree may bring it
        for options in group.required:
            yield _with_trait, options
        for options in group.member_of:
            yield _with_aggregate, options
        for name in group.resources.keys() - EVERYWHERE:
            yield _with_class, (name,)


async def _tree_ids(
    tx: Transaction,
    request: Request,
    *,
    shared: bool,
    limit: int | None,
    few: set[str] | None = None,
) -> list[str]:
    groups = request.groups
    values: dict[str, Any] = {
        "few": sorted(few or ()),
        "limit": limit,
        "emptiest": request.emptiest,
        "root_forbidden": sorted(request.root_forbidden),
    }
    for number, trait in enumerate(sorted(request.root_required)):
        values[f"root_required_{number}"] = [trait]
    for place, group in enumerate(groups.values()):
        values |= _values(place, group)
    statement = _trees(
        tuple(_shape(suffix, group) for suffix, group in groups.items()),
        shared=shared,
        root_required=len(request.root_required),
        root_forbidden=bool(request.root_forbidden),
        emptiest=bool(request.emptiest),
        fullest=request.fullest,
        limited=limit is not None,
        few=few is not None,
    )
    used = {name: value for name, value in values.items() if name in _names(statement)}
    return [str(one) for one in await tx.scalars(statement, used)]


@lru_cache(maxsize=256)
def _names(statement: sa.Select[Any]) -> frozenset[str]:
    """The parameters that a statement takes."""
    return frozenset(statement.compile().params)


# ---- the providers of some trees ----

_ids: Any = bindparam("ids", expanding=True)
_first, _last = bindparam("first", type_=sa.String), bindparam("last", type_=sa.String)


class _Reading(Struct, frozen=True):
    """The statements that read some trees: by the ids of their roots, or all between two of them."""

    trees: sa.Select[Any]
    inventories: sa.Select[Any]
    traits: sa.Select[Any]
    aggregates: sa.Select[Any]


def _reading(of_root: Any) -> _Reading:
    def those(table: sa.Table) -> sa.Select[Any]:
        joined = table.join(providers, providers.c.id == table.c.provider_id)
        return sa.select(table).select_from(joined).where(of_root)

    return _Reading(
        sa.select(providers).where(of_root),
        those(inventories),
        those(provider_traits),
        those(provider_aggregates),
    )


_by_ids = _reading(providers.c.root_id.in_(_ids))
_by_range = _reading(providers.c.root_id.between(_first, _last))
_of_sharing = _reading(
    providers.c.id.in_(
        sa.select(provider_traits.c.provider_id).where(provider_traits.c.trait == SHARING)
    )
)


async def read_world(
    tx: Transaction, root_ids: Sequence[str], *, shared: bool, dense: bool
) -> World:
    """Everything about these trees, and about providers that share what they have.

    Args:
        dense: the ids are in order, and few others lie between them: what does is read along, which costs less than to
            name hundreds of them.
    """
    world = World()
    if dense:
        await _read(tx, world, _by_range, {"first": root_ids[0], "last": root_ids[-1]})
    else:
        await _read(tx, world, _by_ids, {"ids": list(root_ids)})
    if shared:
        await _read(tx, world, _of_sharing, {})
    return world


async def _read(tx: Transaction, world: World, statements: _Reading, which: dict[str, Any]) -> None:
    for row in await tx.all(statements.trees, which):
        world.providers[row.id] = row
    for row in await tx.all(statements.inventories, which):
        world.inventories.setdefault(row.provider_id, {})[row.resource_class] = row
    for row in await tx.all(statements.traits, which):
        world.traits.setdefault(row.provider_id, set()).add(row.trait)
    for row in await tx.all(statements.aggregates, which):
        world.aggregates.setdefault(row.provider_id, set()).add(row.aggregate_id)


# ---- what a tree can give ----


def _admits(world: World, provider_id: str, group: Group, *, alone: bool) -> bool:
    """Whether a provider has none of the forbidden traits, and is in the aggregates.

    Args:
        alone: whether it has to be in them itself, rather than the root of its tree.
    """
    if group.forbidden & world.traits.get(provider_id, set()):
        return False
    root = world.providers[provider_id].root_id
    if group.in_tree and root != group.in_tree:
        return False
    if not group.member_of and not group.not_member_of:
        return True
    inside = world.aggregates.get(provider_id, set())
    if not alone:
        inside = inside | world.aggregates.get(root, set())
    return not (
        any(not (options & inside) for options in group.member_of) or group.not_member_of & inside
    )


def _lends(world: World, lender: str, root_id: str, group: Group) -> bool:
    """Whether a sharing provider may serve a group in a tree: with its own aggregates, and never for one tree only."""
    own = world.aggregates.get(lender, set())
    barred = own | world.aggregates.get(root_id, set())
    return (
        not group.in_tree
        and all(options & own for options in group.member_of)
        and not group.not_member_of & barred
    )


def _has_required(world: World, ids: Iterable[str], group: Group) -> bool:
    """Whether these providers together have the required traits."""
    if not group.required:
        return True
    held = set[str]().union(*(world.traits.get(one, ()) for one in ids))
    return all(options & held for options in group.required)


def _in_tree(
    world: World, root_id: str, tree: list[str], sharing: list[str], request: Request
) -> Iterator[Candidate]:
    """All ways in which one tree serves the request."""
    groups = request.groups
    if len(tree) == 1 and not sharing and groups.keys() == {""} and groups[""].resources:
        # There is one way, and the statement that found the tree has looked at all of it.
        resources = {root_id: dict(groups[""].resources)}
        yield Candidate(root_id=root_id, resources=resources, mappings={"": [root_id]})
        return
    near: set[str] = set()
    for one in tree:
        near |= world.aggregates.get(one, set())
    lenders = [
        one for one in sharing if one not in tree and world.aggregates.get(one, set()) & near
    ]
    choices: list[list[_Serving]] = []
    for suffix, group in groups.items():
        if suffix:
            served = [
                (suffix, {one: dict(group.resources)})
                for one in (*tree, *lenders)
                if _serves_alone(world, one, group)
            ]
        else:
            served = [(suffix, spread) for spread in _spread(world, tree, lenders, group)]
        if not served:
            return
        choices.append(served)
    inside = set(tree)
    found = (
        _candidate(root_id, picked)
        for picked in _combinations(world, choices, isolate=request.isolate)
        if any(one in inside for _, spread in picked for one in spread)
    )
    fitting = (one for one in found if _together(world, one, request))
    yield from itertools.islice(fitting, request.ways or COMBINATIONS_MAXIMUM)


_Serving = tuple[str, dict[str, dict[str, int]]]
"""The suffix of a group, and amounts by class by provider that serve it."""


def _serves_alone(world: World, one: str, group: Group) -> bool:
    """Whether a single provider can serve a numbered group."""
    held = world.inventories.get(one, {})
    return (
        _admits(world, one, group, alone=True)
        and _has_required(world, [one], group)
        and all(
            name in held and fits(held[name], amount) for name, amount in group.resources.items()
        )
    )


def _combinations(
    world: World, choices: Sequence[Sequence[_Serving]], *, isolate: bool
) -> Iterator[list[_Serving]]:
    """One serving of each group, such that all of them together fit; what cannot become one is given up at once."""
    steps = itertools.count()
    total: dict[tuple[str, str], int] = {}
    picked: list[_Serving] = []

    def fits_besides(spread: Mapping[str, Mapping[str, int]]) -> bool:
        return all(
            fits(world.inventories[one][name], total.get((one, name), 0) + amount)
            for one, amounts in spread.items()
            for name, amount in amounts.items()
        )

    def count(spread: Mapping[str, Mapping[str, int]], sign: int) -> None:
        for one, amounts in spread.items():
            for name, amount in amounts.items():
                total[one, name] = total.get((one, name), 0) + sign * amount

    def taken(suffix: str, spread: Mapping[str, Any]) -> bool:
        """Whether another numbered group has this provider already, where each has one of its own."""
        return isolate and bool(suffix) and any(s and spread.keys() & have for s, have in picked)

    def further(place: int) -> Iterator[list[_Serving]]:
        if place == len(choices):
            yield list(picked)
            return
        for suffix, spread in choices[place]:
            if next(steps) > STEPS_MAXIMUM:
                return
            if taken(suffix, spread) or (place and not fits_besides(spread)):
                continue
            picked.append((suffix, spread))
            count(spread, 1)
            yield from further(place + 1)
            count(spread, -1)
            picked.pop()

    return further(0)


def _candidate(root_id: str, picked: Sequence[_Serving]) -> Candidate:
    """All servings together. A group without resources names its provider, and takes nothing of it."""
    total: dict[str, dict[str, int]] = {}
    for _, spread in picked:
        for one, amounts in spread.items():
            if amounts:
                mine = total.setdefault(one, {})
                for name, amount in amounts.items():
                    mine[name] = mine.get(name, 0) + amount
    mappings = {suffix: sorted(spread) for suffix, spread in picked}
    return Candidate(root_id=root_id, resources=total, mappings=mappings)


def _together(world: World, one: Candidate, request: Request) -> bool:
    """Whether what serves the groups is in one part of the tree, where that is asked for."""
    return all(
        _share_a_top(world, [which for name in names for which in one.mappings.get(name, ())])
        for names in request.same_subtree
    )


def _spread(
    world: World, tree: list[str], lenders: list[str], group: Group
) -> Iterator[dict[str, dict[str, int]]]:
    root_id = world.providers[tree[0]].root_id
    usable = [one for one in lenders if _lends(world, one, root_id, group)]
    per_class: list[list[tuple[str, str, int]]] = []
    for name, amount in group.resources.items():
        able = [
            (one, name, amount)
            for one in [*tree, *usable]
            if name in world.inventories.get(one, {})
            and fits(world.inventories[one][name], amount)
            and not (group.forbidden & world.traits.get(one, set()))
            and (one in usable or _admits(world, one, group, alone=False))
        ]
        if not able:
            return
        per_class.append(able)
    for picked in itertools.islice(itertools.product(*per_class), COMBINATIONS_MAXIMUM):
        spread: dict[str, dict[str, int]] = {}
        for one, name, amount in picked:
            spread.setdefault(one, {})[name] = amount
        if _has_required(world, spread, group):
            yield spread


def _share_a_top(world: World, ids: Sequence[str]) -> bool:
    def above(one: str) -> set[str]:
        found = {one}
        at = world.providers[one].parent_id
        while at is not None:
            found.add(at)
            row = world.providers.get(
                at
            )  # of a provider that shares, what is above it was not read
            at = None if row is None else row.parent_id
        return found

    if not ids:
        return True
    return any(all(top in above(one) for one in ids) for top in ids)
