"""What the cloud measures of its own things, brought into metric: as Ceilometer's polling does.

A thing is a resource that the cloud itself has made; its project sees it as its own. What is no more there has an end.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.metering import Metered
from hanok.base.pieces import Pieces
from hanok.services.metric.logic import measures, metrics, resources, samples, times, types
from hanok.services.metric.logic.definitions import Globs
from hanok.services.metric.logic.pipelines import STORE, Pipeline
from hanok.services.metric.logic.samples import Sample
from hanok.services.metric.logic.series import Points
from hanok.services.metric.room import Metric
from hanok.services.metric.tables import resources as table
from hanok.store import Transaction

WHO = (
    "ceilometer",
    "service",
)  # the user and project that resources of the cloud itself are made by
USUAL = "ceilometer-low"
_SAME = ("user_id", "project_id", "started_at", "attributes")
AT_ONCE = 10  # things of one transaction: nobody else is served meanwhile

_going = (
    sa.select(table)
    .where(
        table.c.creator_user == WHO[0],
        table.c.creator_project == WHO[1],
        table.c.ended_at.is_(None),
        table.c.type.in_(bindparam("kinds", expanding=True)),
        table.c.sequence > bindparam("behind"),
    )
    .order_by(table.c.sequence)
    .limit(500)
)

Source = Callable[[], AsyncIterator[Metered]]
Take = Callable[[Sequence[Sample]], Awaitable[None]]


class Round:
    """One poll: which meters, what of them is stored, and who else gets them."""

    def __init__(
        self, meters: Globs | None = None, pipeline: Pipeline | None = None, to: Sequence[Take] = ()
    ) -> None:
        """meters: None: all. pipeline: None: all is stored."""
        self._meters, self._pipeline = meters, pipeline
        self._known: dict[str, tuple[bool, str | None]] = {}
        self.to = to

    def _of(self, name: str) -> tuple[bool, str | None]:
        """Whether a meter is measured, and by which policy it is stored; "": the usual one, None: it is not."""
        if name not in self._known:
            measured = self._meters is None or self._meters.fit(name)
            self._known[name] = (measured, self._policy(name) if measured else None)
        return self._known[name]

    def _policy(self, name: str) -> str | None:
        if self._pipeline is None:
            return ""
        stores = [one for one in self._pipeline.of(name) if one.scheme == STORE]
        return str(stores[0].option("archive_policy", "")) if stores else None

    def measured(self, thing: Metered) -> Metered | None:
        """A thing with those of its meters that are measured; None: there are none."""
        meters = {name: one for name, one in thing.meters.items() if self._of(name)[0]}
        same = len(meters) == len(thing.meters)
        if same:
            return thing
        return msgspec.structs.replace(thing, meters=meters) if meters else None

    def stored(self, thing: Metered) -> Metered | None:
        """What is stored of it; None: nothing, not even that it is there."""
        policies = {name: self._of(name)[1] for name in thing.meters}
        if not any(policies.values()) and None not in policies.values():
            return thing
        meters = {
            name: msgspec.structs.replace(one, policy=policy) if policy else one
            for name, one in thing.meters.items()
            if (policy := policies[name]) is not None
        }
        return msgspec.structs.replace(thing, meters=meters) if meters else None


async def collect(room: Metric, source: Source, of: Round) -> set[str]:
    """Bring in what one service says of its things; gives their ids.

    It is measured at the moment at which it is brought in.
    """
    seen: set[str] = set()
    some: list[Metered] = []
    pieces = Pieces()
    async for one in source():
        some.append(one)
        if len(some) >= AT_ONCE:
            seen |= await _take(room, some, of)
            some = []
            await pieces.rest()
    if some:
        seen |= await _take(room, some, of)
    return seen


def _key(name: str) -> str:
    return resources.id_of(name.replace("/", "_"), ":".join(WHO))


async def _take(room: Metric, things: Sequence[Metered], of: Round) -> set[str]:
    now = room.clock.now()
    measured = [one for thing in things if (one := of.measured(thing)) is not None]
    found = ((one.name, of.stored(one)) for one in measured)
    await _store(room, {_key(name): one for name, one in found if one is not None}, now)
    if of.to:
        fresh = [sample for one in measured for sample in samples.of_thing(one, now)]
        for take in of.to:
            await take(fresh)
    return {_key(one.name) for one in things}


async def _store(room: Metric, named: Mapping[str, Metered], now: datetime) -> None:
    async with room.database.write() as tx:
        rows = await resources.found(tx, list(named))
        kinds = await types.every(tx)
        for key, thing in named.items():
            if thing.kind in kinds:
                await _keep(tx, room, key, thing, rows.get(key), kinds[thing.kind], now)
        theirs = await metrics.of_resources(tx, list(named))
        came: list[tuple[int, Points]] = []
        for key, thing in named.items():
            known = {row.name: row for row in theirs[key]}
            came += await _measured(tx, key, thing, known, times.of_datetime(now))
        await measures.take(tx, room, came)


async def _keep(
    tx: Transaction,
    room: Metric,
    key: str,
    thing: Metered,
    row: Row[Any] | None,
    kind: Row[Any],
    now: datetime,
) -> None:
    """A thing is a resource, as it is now."""
    sent = {name: value for name, value in thing.attributes.items() if name in kind.attributes}
    attributes = {
        types.key_of(name, kind.attributes[name]): types.value_of(
            {**kind.attributes[name], "required": False}, value, (name,)
        )
        for name, value in sent.items()
    }
    values = {
        "user_id": thing.user_id,
        "project_id": thing.project_id,
        "ended_at": None,
        "attributes": attributes,
    }
    if row is None:
        await resources.insert(
            tx,
            {
                **values,
                "id": key,
                "original_resource_id": thing.name.replace("/", "_"),
                "type": kind.name,
                "creator_user": WHO[0],
                "creator_project": WHO[1],
                "started_at": thing.started_at or now,
                "revision_start": now,
            },
        )
    elif any(getattr(row, name) != value for name, value in values.items()):
        await resources.revise(tx, room, row, {**values, "started_at": row.started_at})


async def _measured(
    tx: Transaction, key: str, thing: Metered, known: Mapping[str | None, Row[Any]], at: int
) -> Iterable[tuple[int, Points]]:
    found = []
    for name, meter in thing.meters.items():
        row = known.get(name)
        if row is None:
            definition = {"archive_policy_name": meter.policy or USUAL, "unit": meter.unit}
            row = await metrics.create(tx, WHO, definition, resource_id=key, metric=name)
        found.append((row.sequence, [(at, float(meter.value))]))
    return found


async def end(room: Metric, name: str) -> None:
    """A thing is not there any more: its service says so."""
    now = room.clock.now()
    async with room.database.write() as tx:
        row = (await resources.found(tx, [_key(name)])).get(_key(name))
        if row is not None and row.ended_at is None and row.creator_user == WHO[0]:
            values = {one: getattr(row, one) for one in _SAME}
            await resources.revise(tx, room, row, {**values, "ended_at": now})


async def end_others(room: Metric, kinds: Sequence[str], seen: set[str]) -> None:
    """Things of these kinds that are not there any more have an end."""
    behind, now = 0, room.clock.now()
    while True:
        async with room.database.read() as tx:
            rows = await tx.all(_going, {"kinds": list(kinds), "behind": behind})
        gone = [row for row in rows if row.id not in seen]
        if gone:
            async with room.database.write() as tx:
                for row in gone:
                    values = {name: getattr(row, name) for name in _SAME}
                    await resources.revise(tx, room, row, {**values, "ended_at": now})
        if len(rows) < 500:
            return
        behind = rows[-1].sequence
