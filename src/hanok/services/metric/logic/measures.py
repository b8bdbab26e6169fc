"""Measures on their way: taken in, made into aggregates, and read.

What comes is a row a metric and request, and durable when it is answered. After a while a loop makes aggregates of it
and writes them into blocks; until then whoever reads has the same done in memory. So a measure is seen at once, and a
block is written once for many measures.

Source: decision 0071.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput
from hanok.base.pieces import Pieces
from hanok.services.metric.logic import policies, series, shapes, times
from hanok.services.metric.logic.series import SPANS, Kept, Points, Rules
from hanok.services.metric.room import Metric
from hanok.services.metric.tables import blocks, incoming, metrics, tails
from hanok.store import Transaction

POINTS = 500_000  # of one answer
AT_ONCE = 200  # metrics read in one statement
FOLDED = 8  # metrics of one transaction: nobody else is served meanwhile
MANY = (
    100  # requests of a metric that wait for no time: whoever reads would have to look at them all
)
_pending = (
    sa.select(incoming.c.metric, incoming.c.sequence, incoming.c.payload)
    .where(incoming.c.metric.in_(bindparam("ids", expanding=True)))
    .order_by(incoming.c.sequence)
)
_tails = sa.select(tails).where(tails.c.metric.in_(bindparam("ids", expanding=True)))
_blocks = (
    sa.select(blocks.c.metric, blocks.c.number, blocks.c.payload)
    .where(
        blocks.c.metric.in_(bindparam("ids", expanding=True)),
        blocks.c.granularity == bindparam("grain"),
        blocks.c.number >= bindparam("low"),
        blocks.c.number <= bindparam("high"),
    )
    .order_by(blocks.c.metric, blocks.c.number)
)
_block = sa.select(blocks.c.payload).where(
    blocks.c.metric == bindparam("of"),
    blocks.c.granularity == bindparam("grain"),
    blocks.c.number == bindparam("place"),
)
_size = sa.select(sa.func.length(blocks.c.payload)).where(
    blocks.c.metric == bindparam("of"),
    blocks.c.granularity == bindparam("grain"),
    blocks.c.number == bindparam("place"),
)
_write_block = (
    blocks.update()
    .where(
        blocks.c.metric == bindparam("of"),
        blocks.c.granularity == bindparam("grain"),
        blocks.c.number == bindparam("place"),
    )
    .values(payload=bindparam("new"))
)
_old_blocks = blocks.delete().where(
    blocks.c.metric == bindparam("of"),
    blocks.c.granularity == bindparam("grain"),
    blocks.c.number < bindparam("place"),
)
_write_tail = (
    tails.update().where(tails.c.metric == bindparam("of")).values(payload=bindparam("new"))
)
_folded = incoming.delete().where(incoming.c.sequence.in_(bindparam("ids", expanding=True)))
_due = (
    sa.select(incoming.c.metric)
    .where(incoming.c.received_at <= bindparam("before"))
    .order_by(incoming.c.sequence)
    .limit(bindparam("count"))
)
_crowded = (
    sa.select(incoming.c.metric)
    .group_by(incoming.c.metric)
    .having(sa.func.count() > MANY)
    .limit(bindparam("count"))
)
_live = sa.select(metrics).where(metrics.c.sequence.in_(bindparam("ids", expanding=True)))
_backlog = sa.select(
    sa.func.count(sa.distinct(incoming.c.metric)).label("metrics"),
    sa.func.coalesce(sa.func.sum(incoming.c.points), 0).label("measures"),
)
_by_metric = (
    sa.select(metrics.c.id, sa.func.sum(incoming.c.points).label("measures"))
    .join(incoming, incoming.c.metric == metrics.c.sequence)
    .group_by(metrics.c.id)
    .limit(1000)
)


# ---- taking in ----


def read_measures(value: Any, now: datetime, path: shapes.Path = ()) -> Points:
    """Measures of one metric as they were sent.

    Raises:
        BadInput
    """
    if not isinstance(value, list):
        raise shapes.wrong("expected a list", path)
    return [_measure(one, now, path) for one in value]


def _measure(one: Any, now: datetime, path: shapes.Path) -> tuple[int, float]:
    if not isinstance(one, dict) or set(one) != {"timestamp", "value"}:
        raise shapes.structured("Invalid input", "unexpected measures format", list(path))
    try:
        at = times.moment(one["timestamp"], now)
        if isinstance(one["value"], bool):
            raise ValueError("expected float")
        number = float(one["value"])
    except (ValueError, TypeError, OverflowError) as error:
        raise shapes.structured("Invalid input", str(error)[:200], list(path)) from None
    if not math.isfinite(number):
        raise shapes.structured("Invalid input", "a value is not a finite number", list(path))
    return at, number


async def take(tx: Transaction, room: Metric, came: Iterable[tuple[int, Points]]) -> None:
    """Take measures in. came: pairs of a metric's number and its measures."""
    now = room.clock.now()
    rows = [
        {
            "metric": metric,
            "points": len(points),
            "payload": series.pack_points(sorted(points)),
            "received_at": now,
        }
        for metric, points in came
        if points
    ]
    if rows:
        await tx.insert(incoming, rows)


# ---- reading ----


class Selection(Struct, frozen=True):
    """What of a metric is asked for. start, stop: moments, of which the last is not in it."""

    method: str
    granularity: int
    start: int | None = None
    stop: int | None = None


class State(Struct):
    """What is known of a metric beside its blocks. before, after: its newest measures, folded and altogether."""

    before: Points
    after: Points
    since: int | None  # the earliest moment that is not part of blocks yet

    @property
    def newest(self) -> int | None:
        return self.after[-1][0] if self.after else None


async def states(
    tx: Transaction, rows: Sequence[Row[Any]], rules: Mapping[str, Rules]
) -> dict[int, State]:
    """Of metrics, by number. rules: by the name of a policy."""
    found: dict[int, State] = {}
    for start in range(0, len(rows), AT_ONCE):
        some = {row.sequence: row for row in rows[start : start + AT_ONCE]}
        before = {row.metric: row.payload for row in await tx.all(_tails, {"ids": list(some)})}
        came: dict[int, Points] = {}
        for one in await tx.all(_pending, {"ids": list(some)}):
            came.setdefault(one.metric, []).extend(series.unpack_points(one.payload))
        for number, row in some.items():
            old = series.unpack_points(before[number]) if number in before else []
            found[number] = state(old, came.get(number, []), rules[row.archive_policy_name])
    return found


def state(before: Points, fresh: Points, rules: Rules) -> State:
    """What a metric's newest measures are with those that came."""
    after = series.merged(before, fresh, rules)
    known = dict(before)
    late = [at for at, value in after if known.get(at) != value]
    return State(before, after, min(late) if late else None)


async def read(
    tx: Transaction,
    rows: Sequence[Row[Any]],
    requested: Selection,
    rules: Mapping[str, Rules],
    known: Mapping[int, State],
) -> dict[int, Points]:
    """The aggregates of metrics that have this granularity and method, by number; moments are where spans begin.

    Raises:
        BadInput: these are more than an answer may have.
    """
    pieces, total = Pieces(), 0
    found: dict[int, Points] = {}
    low, high = _range(requested)
    bounds = {"grain": requested.granularity, "low": low // SPANS, "high": high // SPANS}
    for start in range(0, len(rows), AT_ONCE):
        some = {row.sequence: row for row in rows[start : start + AT_ONCE]}
        made: dict[int, dict[int, float]] = {number: {} for number in some}
        for block in await tx.all(_blocks, {"ids": list(some), **bounds}):
            into = made[block.metric]
            for place, values in series.unpack_block(block.payload, requested.method).items():
                if requested.method in values:
                    into[block.number * SPANS + place] = values[requested.method]
            if pieces.enough:
                await pieces.rest()
        for number, row in some.items():
            _overlay(made[number], known[number], requested)
            found[number] = _within(made[number], row, requested, rules, known[number])
            total += len(found[number])
            if total > POINTS:
                raise BadInput(
                    f"An answer has at most {POINTS} points: ask for a shorter time or a coarser granularity."
                )
    return found


def _range(requested: Selection) -> tuple[int, int]:
    grain = requested.granularity
    low = 0 if requested.start is None else requested.start // grain
    high = times.LATEST // grain if requested.stop is None else requested.stop // grain
    return low, high


def _overlay(values: dict[int, float], known: State, requested: Selection) -> None:
    """Put what is not in blocks yet over what is."""
    if known.since is None:
        return
    fresh = series.aggregates(known.after, known.since, requested.granularity, (requested.method,))
    for number, made in fresh.items():
        if requested.method in made:
            values[number] = made[requested.method]
        else:
            values.pop(number, None)


def _within(
    values: Mapping[int, float],
    row: Row[Any],
    requested: Selection,
    rules: Mapping[str, Rules],
    known: State,
) -> Points:
    """Those that are kept and asked for, in order."""
    low, high = _range(requested)
    grain = requested.granularity
    policy = rules[row.archive_policy_name]
    kept = next(one for one in policy.kept if one.granularity == grain)
    cut = policy.cut(kept, known.newest) if known.newest is not None else None
    low = low if cut is None else max(low, cut)
    return [
        (number * grain, values[number])
        for number in sorted(values)
        if low <= number <= high and (requested.stop is None or number * grain < requested.stop)
    ]


# ---- making aggregates ----


async def fold_due(room: Metric) -> int:
    """Make aggregates of measures that have waited, or are many; gives how many metrics had some."""
    before = room.clock.now() - timedelta(seconds=room.settings.fold_after_s)
    async with room.database.read() as tx:
        due = list(await tx.scalars(_due, {"before": before, "count": 1000}))
        due = list(dict.fromkeys([*due, *await tx.scalars(_crowded, {"count": 100})]))
        by_name = await policies.every(tx)
    rules = {name: policies.rules_of(row) for name, row in by_name.items()}
    pieces = Pieces()
    for start in range(0, len(due), FOLDED):
        async with room.database.write() as tx:
            await fold(tx, due[start : start + FOLDED], rules)
        await pieces.rest()
    return len(due)


async def fold(tx: Transaction, numbers: Sequence[int], rules: Mapping[str, Rules]) -> None:
    """Make aggregates of all measures of these metrics that came. Done twice, it changes nothing."""
    await tx.serialize("metric.fold")
    rows = {row.sequence: row for row in await tx.all(_live, {"ids": list(numbers)})}
    came: dict[int, Points] = {}
    taken: list[int] = []
    for one in await tx.all(_pending, {"ids": list(numbers)}):
        came.setdefault(one.metric, []).extend(series.unpack_points(one.payload))
        taken.append(one.sequence)
    before = {row.metric: row.payload for row in await tx.all(_tails, {"ids": list(numbers)})}
    for number in came:
        row = rows.get(number)
        if row is not None and not row.deleted and row.archive_policy_name in rules:
            old = series.unpack_points(before[number]) if number in before else []
            policy = rules[row.archive_policy_name]
            await _write(tx, number, policy, state(old, came[number], policy), number in before)
    for start in range(0, len(taken), 500):
        await tx.execute(_folded, {"ids": taken[start : start + 500]})


async def _write(tx: Transaction, number: int, rules: Rules, known: State, had_tail: bool) -> None:
    if known.since is None or known.newest is None:
        return
    for kept in rules.kept:
        await _write_spans(tx, number, rules, known, kept)
        cut = rules.cut(kept, known.newest)
        if cut is not None:
            old = {"of": number, "grain": kept.granularity, "place": cut // SPANS}
            await tx.execute(_old_blocks, old)
    payload = series.pack_points(series.tail(known.after, rules))
    if had_tail:
        await tx.execute(_write_tail, {"of": number, "new": payload})
    else:
        await tx.insert(tails, {"metric": number, "payload": payload})


async def _write_spans(
    tx: Transaction, number: int, rules: Rules, known: State, kept: Kept
) -> None:
    assert known.since is not None and known.newest is not None
    cut = rules.cut(kept, known.newest)
    made = series.aggregates(known.after, known.since, kept.granularity, rules.methods)
    by_block: dict[int, dict[int, dict[str, float]]] = {}
    for span, values in made.items():
        if cut is None or span >= cut:
            by_block.setdefault(span // SPANS, {})[span % SPANS] = values
    for place, spans in by_block.items():
        key = {"of": number, "grain": kept.granularity, "place": place}
        payload = await tx.scalar(_block, key)
        before = {} if payload is None else series.unpack_block(payload)
        whole = {**before, **spans}
        fresh = series.pack_block(whole, rules.methods)
        if payload is not None:
            fresh = series.padded(fresh, len(payload), whole)
            await tx.execute(_write_block, {**key, "new": fresh})
        else:
            last = await tx.scalar(_size, {**key, "place": place - 1})
            row = {"metric": number, "granularity": kept.granularity, "number": place}
            await tx.insert(blocks, {**row, "payload": series.padded(fresh, last or 0, whole)})


async def backlog(tx: Transaction, *, details: bool) -> dict[str, Any]:
    """What waits to become aggregates."""
    row = await tx.first(_backlog)
    assert row is not None
    found: dict[str, Any] = {
        "summary": {"metrics": int(row.metrics), "measures": int(row.measures)}
    }
    if details:
        rows = await tx.all(_by_metric)
        found["measures_to_process"] = {one.id: int(one.measures) for one in rows}
    return found
