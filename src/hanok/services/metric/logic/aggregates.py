"""Several metrics at once: read, laid side by side, and computed.

Source: Gnocchi's REST API reference, "Dynamic aggregates" and "Aggregation across metrics".
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import translate
from typing import Any

from msgspec import Struct
from sqlalchemy import Row

from hanok.base.errors import BadInput, NotFound
from hanok.base.patterns import BadPattern, pattern
from hanok.base.threads import in_thread
from hanok.services.metric.logic import measures, metrics, operations, policies, shapes, times
from hanok.services.metric.logic.measures import Selection
from hanok.services.metric.logic.operations import NAN, Checked, Computing, Grid, Reference
from hanok.services.metric.logic.series import Points
from hanok.store import Transaction

MAXIMUM = 5000  # metrics of one answer
FILLS = ("dropna", "null", "ffill", "bfill", "full_ffill", "full_bfill")


class Wish(Struct, frozen=True, kw_only=True):
    """How several metrics are laid side by side.

    granularity: of those that all have; None: all of them. fill: what stands where a metric has nothing: a number or
    one of FILLS; None: only a time in which so many percent of the moments have all is told.
    """

    start: int | None = None
    stop: int | None = None
    granularity: int | None = None
    fill: float | str | None = None
    overlap: float = 100.0


class Column(Struct, frozen=True):
    """A metric with a method, and where it belongs in the answer."""

    row: Row[Any]
    reference: Reference

    @property
    def method(self) -> str:
        return self.reference.pair[1]


def _cannot(reason: str, detail: Any) -> BadInput:
    return shapes.structured("Metrics cannot be aggregated", reason, detail)


def of_ids(checked: Checked, rows: Mapping[str, Row[Any]]) -> list[Column]:
    """The columns of operations that name metrics by their ids. rows: those that the caller reaches.

    Raises:
        NotFound
    """
    pairs = list(dict.fromkeys(checked.metrics))
    unknown = sorted({name for name, _ in pairs if metrics.uuid_of(name) not in rows})
    if unknown:
        said = {
            "cause": "Unknown metrics",
            "reason": "Provided metrics don't exist",
            "detail": unknown,
        }
        raise NotFound(f"Unknown metrics: {', '.join(unknown)}", extra={"description": said})
    return [
        Column(rows[str(metrics.uuid_of(name))], Reference((name, method), (name, method)))
        for name, method in pairs
    ]


def of_names(checked: Checked, theirs: Mapping[str, Sequence[Row[Any]]]) -> list[Column]:
    """The columns of operations that name metrics of resources; a name may hold "*". theirs: metrics by resource.

    Raises:
        NotFound: no resource has such a metric. BadInput: there are too many.
    """
    pairs = list(dict.fromkeys(checked.metrics))
    found: list[Column] = []
    for name, method in pairs:
        for resource, rows in theirs.items():
            for row in _fitting(name, rows):
                keys = (resource, str(row.name), method)
                if all(one.reference.keys != keys for one in found[-50:]):
                    found.append(Column(row, Reference((name, method), keys)))
    if len(found) > MAXIMUM:
        raise BadInput(f"At most {MAXIMUM} metrics can be aggregated in one request.")
    if not found and pairs:
        names = sorted({name for name, _ in pairs})
        raise metrics.missing(str(names) if len(names) > 1 else names[0])
    return found


def _fitting(name: str, rows: Sequence[Row[Any]]) -> list[Row[Any]]:
    if not any(one in name for one in "*?["):
        return [row for row in rows if row.name == name]
    try:
        form = pattern(translate(name))
    except BadPattern as error:
        raise BadInput(f"Invalid input: the pattern {name[:100]!r} is not valid: {error}") from None
    return [row for row in rows if row.name is not None and form.fullmatch(row.name)]


async def grids(tx: Transaction, columns: Sequence[Column], wish: Wish) -> list[Grid]:
    """The columns side by side, the coarsest granularity first.

    Raises:
        BadInput: they have no granularity in common. NotFound: one is not kept by such a method.
    """
    by_name = await policies.every(tx)
    rules = {name: policies.rules_of(row) for name, row in by_name.items()}
    _check_methods(columns, by_name)
    grains = _common(columns, wish, rules)
    rows = list({one.row.sequence: one.row for one in columns}.values())
    known = await measures.states(tx, rows, rules)
    found = []
    for grain in grains:
        read: dict[tuple[str, int], Points] = {}
        for method in dict.fromkeys(one.method for one in columns):
            some = list(
                {one.row.sequence: one.row for one in columns if one.method == method}.values()
            )
            start = None if wish.start is None else wish.start // grain * grain
            requested = Selection(method, grain, start, wish.stop)
            for number, points in (await measures.read(tx, some, requested, rules, known)).items():
                read[method, number] = points
        lines = [read[one.method, one.row.sequence] for one in columns]
        found.append(_grid(grain, lines, wish))
    return found


def _check_methods(columns: Sequence[Column], by_name: Mapping[str, Row[Any]]) -> None:
    bad = [
        [one.reference.keys[-2], one.method]
        for one in columns
        if one.method not in by_name[one.row.archive_policy_name].aggregation_methods
    ]
    if bad:
        said = {
            "cause": "Metrics with unknown aggregation",
            "reason": "Provided metrics don't have these aggregation methods",
            "detail": bad[:100],
        }
        raise NotFound("Metrics with unknown aggregation", extra={"description": said})


def _common(columns: Sequence[Column], wish: Wish, rules: Mapping[str, Any]) -> list[int]:
    """The granularities that all have, the coarsest first."""
    sets = [
        {one.granularity for one in rules[column.row.archive_policy_name].kept}
        for column in columns
    ]
    if wish.granularity is not None:
        lacking = [
            [*column.reference.keys[-2:], times.seconds(wish.granularity)]
            for column, grains in zip(columns, sets, strict=True)
            if wish.granularity not in grains
        ]
        if lacking:
            raise _cannot("Granularities are missing", lacking[:100])
        return [wish.granularity]
    common = set.intersection(*sets) if sets else set()
    if not common and columns:
        raise _cannot(
            "No granularity match", [list(one.reference.keys[-2:]) for one in columns][:100]
        )
    return sorted(common, reverse=True)


def _grid(grain: int, lines: Sequence[Points], wish: Wish) -> Grid:
    moments = sorted({at for line in lines for at, _ in line})
    if len(moments) * len(lines) > operations.CELLS:
        raise BadInput("There are too many points: ask for a shorter time or fewer metrics.")
    filler = wish.fill if isinstance(wish.fill, float) else NAN
    columns = []
    for line in lines:
        values = dict(line)
        columns.append([values.get(at, filler) for at in moments])
    made = Grid(grain, moments, columns)
    if wish.fill is None:
        _hold_overlap(made, wish)
    elif wish.fill in FILLS[2:]:
        columns = [_carried(column, str(wish.fill)) for column in columns]
        made = Grid(grain, moments, columns)
    return made


def _carried(column: list[float], how: str) -> list[float]:
    """Where there is nothing, what was before, or comes after."""
    found = _carry(column) if how.endswith("ffill") else _carry(column[::-1])[::-1]
    if how.startswith("full_"):
        found = _carry(found[::-1])[::-1] if how.endswith("ffill") else _carry(found)
    return found


def _carry(column: list[float]) -> list[float]:
    last, found = NAN, []
    for one in column:
        last = last if math.isnan(one) else one
        found.append(last)
    return found


def _hold_overlap(grid: Grid, wish: Wish) -> None:
    """Cut the ends where not all have something, and look whether enough is left.

    Raises:
        BadInput
    """
    whole = [
        place
        for place, row in enumerate(zip(*grid.columns, strict=True))
        if not any(map(math.isnan, row))
    ]
    if not grid.moments:
        return
    if not whole and wish.overlap > 0:
        raise _cannot("No overlap", [])
    low = whole[0] if wish.start is None and whole else 0
    high = whole[-1] + 1 if wish.stop is None and whole else len(grid.moments)
    grid.moments = grid.moments[low:high]
    grid.columns = [column[low:high] for column in grid.columns]
    share = len(whole) * 100.0 / len(grid.moments) if grid.moments else 100.0
    if share < wish.overlap:
        raise _cannot(
            f"Less than {wish.overlap:f}% of datapoints overlap in this timespan ({share:.2f}%)", []
        )


Line = list[Any]
"""A moment as text, the granularity in seconds, and a number; None where there is none."""


def _lines(grid: Grid, column: Sequence[float], *, whole: bool) -> list[Line]:
    """whole: also moments without a number."""
    grain = times.seconds(grid.granularity)
    if whole:
        return [
            [times.text(at), grain, value if math.isfinite(value) else None]
            for at, value in zip(grid.moments, column, strict=True)
        ]
    return [[times.text(at), grain, value] for at, value in operations.finite(grid.moments, column)]


async def computed(
    checked: Checked, columns: Sequence[Column], laid: Sequence[Grid], wish: Wish
) -> dict[str, Any]:
    """What operations make of columns side by side, as an answer has it under "measures".

    Raises:
        BadInput
    """
    references = [one.reference for one in columns]
    return await in_thread(_computed, checked, laid, references, wish)


def _computed(
    checked: Checked, laid: Sequence[Grid], references: Sequence[Reference], wish: Wish
) -> dict[str, Any]:
    answer: dict[str, Any] = {}
    whole = wish.fill == "null"
    for grid in laid:
        try:
            made = Computing(grid, references).run(checked.node)
        except operations.NotTogether as error:
            raise _cannot(str(error), [list(one.keys[-2:]) for one in references][:100]) from None
        if isinstance(made, float):
            raise _cannot("a number is not a metric", [])
        if made.one or len(made.columns) != len(references):
            column = made.columns[0] if made.columns else []
            answer.setdefault("aggregated", []).extend(_lines(made, column, whole=whole))
        else:
            _put_apart(answer, made, references, whole=whole)
    return answer


def _put_apart(
    answer: dict[str, Any], made: Grid, references: Iterable[Reference], *, whole: bool
) -> None:
    for reference, column in zip(references, made.columns, strict=True):
        place = answer
        for key in reference.keys[:-1]:
            place = place.setdefault(key, {})
        place.setdefault(reference.keys[-1], []).extend(_lines(made, column, whole=whole))
