"""What is made of measures when they are asked for: a small language of operations over several metrics at once.

    (aggregate mean (* 100 (metric (cpu mean) (vcpus mean))))

As JSON it is the same in lists. It is read into nested tuples, checked before anything is computed, and computed over
a grid: one row a moment, one column a metric.

Source: Gnocchi's REST API reference, "Dynamic aggregates".
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

from msgspec import Struct

from hanok.base.errors import BadInput
from hanok.services.metric.logic import series, shapes, times

LONGEST = 8192  # characters of a text
DEEPEST, MAXIMUM = 30, 500  # operations in each other; altogether, with metrics and numbers
CELLS = 5_000_000  # that are computed for one answer
NAN = math.nan
Node = Any
"""A number, ("metric", (name, method), …), or (operation, …)."""


def _safe(function: Callable[..., float]) -> Callable[..., float]:
    def call(*values: float) -> float:
        try:
            found = function(*values)
        except ZeroDivisionError:
            return (
                NAN
                if values[0] == 0 or math.isnan(values[0])
                else math.copysign(math.inf, values[0])
            )
        except (OverflowError, ValueError):
            return NAN
        return NAN if isinstance(found, complex) else float(found)

    return call


_BINARY: dict[str, Callable[[float, float], float]] = {
    **dict.fromkeys(("=", "==", "eq"), _safe(operator.eq)),
    **dict.fromkeys(("<", "lt"), _safe(operator.lt)),
    **dict.fromkeys((">", "gt"), _safe(operator.gt)),
    **dict.fromkeys(("<=", "≤", "le"), _safe(operator.le)),
    **dict.fromkeys((">=", "≥", "ge"), _safe(operator.ge)),
    **dict.fromkeys(("!=", "≠", "ne"), _safe(operator.ne)),
    **dict.fromkeys(("%", "mod"), _safe(operator.mod)),
    **dict.fromkeys(("+", "add"), _safe(operator.add)),
    **dict.fromkeys(("-", "sub"), _safe(operator.sub)),
    **dict.fromkeys(("*", "×", "mul"), _safe(operator.mul)),
    **dict.fromkeys(("/", "÷", "div"), _safe(operator.truediv)),
    **dict.fromkeys(("**", "^", "pow"), _safe(math.pow)),
    "clip_min": _safe(max),
    "clip_max": _safe(min),
    "max": _safe(lambda one, other: other if math.isnan(one) else max(one, other)),
}
_UNARY: dict[str, Callable[[float], float]] = {
    **dict.fromkeys(("abs", "absolute"), _safe(abs)),
    **dict.fromkeys(("neg", "negative"), _safe(operator.neg)),
    "cos": _safe(math.cos),
    "sin": _safe(math.sin),
    "tan": _safe(math.tan),
    "floor": _safe(math.floor),
    "ceil": _safe(math.ceil),
}
_CHANGES = ("rateofchange", "rateofchangesec")


def _spread(values: Sequence[float]) -> float:
    mean = math.fsum(values) / len(values)
    return math.fsum((one - mean) ** 2 for one in values) / len(values)


_OVER: dict[str, Callable[[Sequence[float]], float]] = {
    "mean": lambda values: math.fsum(values) / len(values),
    "median": lambda values: series.percentile(values, 50),
    "std": lambda values: math.sqrt(_spread(values)),
    "var": _spread,
    "min": min,
    "max": max,
    "sum": math.fsum,
    "count": lambda values: float(len(values)),
}
OVER = frozenset((*_OVER, *(f"rate:{name}" for name in _OVER)))
"""By what metrics are made into one."""


# ---- reading ----

_TOKEN = re.compile(r"""\s*(?:([()])|'([^']*)'|"([^"]*)"|([^\s()'"]+))""")


def parsed(text: str) -> Any:
    """The lists that a text means.

    Raises:
        BadInput
    """
    stack: list[list[Any]] = [[]]
    at = 0
    while text[at:].strip():
        found = _TOKEN.match(text, at)
        if found is None or len(stack) > DEEPEST:
            raise _unread(text, at)
        at = found.end()
        if found[1] == "(":
            stack.append([])
        elif found[1] == ")":
            if len(stack) == 1:
                break  # one bracket too many at the end, as clients send it
            done = stack.pop()
            stack[-1].append(done)
        else:
            stack[-1].append(_word(found))
    if len(stack) != 1 or len(stack[0]) != 1 or text[at:].strip(") \n\t"):
        raise _unread(text, at)
    return stack[0][0]


def _word(found: re.Match[str]) -> Any:
    quoted = found[2] if found[2] is not None else found[3]
    if quoted is not None:
        return quoted
    try:
        number = float(found[4])
    except ValueError:
        return found[4]
    return number if math.isfinite(number) else found[4]


def _unread(text: str, at: int) -> BadInput:
    return shapes.structured(
        "Invalid operations",
        f"Fail to parse the operations string: at char {at}",
        text[at : at + 50],
    )


def _wrong(reason: str) -> BadInput:
    return shapes.wrong(reason, ("operations",))


class Checked(Struct):
    """Operations that can be computed. metrics: pairs of name (or id) and method, as they stand there."""

    node: Node
    metrics: list[tuple[str, str]]


def checked(value: Any) -> Checked:
    """
    Raises:
        BadInput: it is no operation.
    """
    if isinstance(value, str):
        if len(value) > LONGEST:
            raise _wrong(f"it has more than {LONGEST} characters")
        value = parsed(value)
    if not isinstance(value, list | tuple):
        raise _wrong(f"Expected a tuple/list, got a {type(value).__name__}")
    reader = _Reader()
    node = reader.node(value, 0)
    if not reader.metrics:
        raise _wrong("there is no metric in the operations")
    return Checked(node, reader.metrics)


class _Reader:
    def __init__(self) -> None:
        self.metrics: list[tuple[str, str]] = []
        self._count = 0

    def node(self, value: Any, depth: int) -> Node:
        self._count += 1
        if self._count > MAXIMUM or depth > DEEPEST:
            raise _wrong("there are too many operations")
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
        if not isinstance(value, list | tuple):
            raise _wrong(f"Expected a tuple/list, got a {type(value).__name__}")
        if not value:
            raise _wrong("Operation must not be empty")
        name, rest = value[0], value[1:]
        if not rest:
            raise _wrong("Operation need at least one argument")
        if not isinstance(name, str):
            raise _wrong(f"Operation must be a string, not {type(name).__name__}")
        return self._operation(name, rest, depth)

    def _operation(self, name: str, rest: Sequence[Any], depth: int) -> Node:
        if name == "metric":
            return self._metric(rest)
        if name in ("aggregate", "rolling", "resample"):
            return self._over(name, rest, depth)
        counts = {1} if name in _UNARY or name in _CHANGES else {2} if name in _BINARY else set()
        if name == "clip":
            counts = {2, 3}
        if len(rest) not in counts:
            raise _wrong(f"{name[:100]!r} operation invalid")
        return (name, *(self.node(one, depth + 1) for one in rest))

    def _metric(self, rest: Sequence[Any]) -> Node:
        pairs = [rest] if isinstance(rest[0], str) else rest
        for one in pairs:
            self._count += 1
            if (
                not isinstance(one, list | tuple)
                or len(one) != 2
                or not all(isinstance(part, str | float) for part in one)
                or self._count > MAXIMUM
            ):
                raise _wrong("'metric' operation invalid")
        found = [(str(one[0]), str(one[1])) for one in pairs]
        self.metrics += found
        return ("metric", *found)

    def _over(self, name: str, rest: Sequence[Any], depth: int) -> Node:
        bad = _wrong(f"{name!r} operation invalid")
        if len(rest) != (2 if name == "aggregate" else 3):
            raise bad
        method, inner = rest[0], rest[-1]
        known = OVER if name != "resample" else series.METHODS
        if not isinstance(method, str) or method not in known:
            raise bad
        if name == "aggregate":
            return (name, method, self.node(inner, depth + 1))
        return (name, method, _size(name, rest[1], bad), self.node(inner, depth + 1))


def _size(name: str, value: Any, bad: BadInput) -> int:
    """A number of rows, or a span."""
    try:
        size = int(value) if name == "rolling" else times.span(value)
    except (TypeError, ValueError, OverflowError):
        raise bad from None
    if size < 1:
        raise bad
    return size


# ---- computing ----


class Reference(Struct, frozen=True):
    """A column. pair: the pair in the operations that it is from. keys: under what an answer tells it."""

    pair: tuple[str, str]
    keys: tuple[str, ...]


class Grid(Struct):
    """What several metrics were at the same moments. columns: NAN where a metric has nothing."""

    granularity: int
    moments: list[int]
    columns: list[list[float]]
    one: bool = False  # whether it is no metric's own any more


class NotTogether(Exception):
    """These cannot be made into one; the text says why."""


class Computing:
    """Computes operations over one grid."""

    def __init__(self, grid: Grid, references: Sequence[Reference]) -> None:
        self._grid = grid
        self._references = references
        self._cells = 0

    def run(self, node: Node) -> Grid | float:
        """
        Raises:
            NotTogether; BadInput: it is too much work.
        """
        if isinstance(node, float):
            return node
        name = node[0]
        if name == "metric":
            return self._pick(node[1:])
        if name == "aggregate":
            return self._aggregate(node[1], self._of(node[2]))
        if name == "rolling":
            return self._rolling(node[1], node[2], self._of(node[3]))
        if name == "resample":
            return self._resample(node[1], node[2], self._of(node[3]))
        if name in _CHANGES:
            return self._change(name, self._of(node[1]))
        if name in _UNARY:
            return self._each(_UNARY[name], self.run(node[1]))
        if name == "clip":
            low = self._both(_BINARY["clip_min"], self.run(node[1]), self.run(node[2]))
            return (
                low if len(node) == 3 else self._both(_BINARY["clip_max"], low, self.run(node[3]))
            )
        return self._both(_BINARY[name], self.run(node[1]), self.run(node[2]))

    def _of(self, node: Node) -> Grid:
        found = self.run(node)
        if isinstance(found, float):
            raise NotTogether("a number is not a metric")
        return found

    def _spend(self, cells: int) -> None:
        self._cells += cells
        if self._cells > CELLS:
            raise BadInput(
                "The operations take too many steps: ask for a shorter time or fewer metrics."
            )

    def _pick(self, pairs: Sequence[tuple[str, str]]) -> Grid:
        columns = [
            column
            for column, one in zip(self._grid.columns, self._references, strict=True)
            if one.pair in pairs
        ]
        self._spend(len(columns) * len(self._grid.moments))
        return Grid(self._grid.granularity, self._grid.moments, columns)

    def _each(self, function: Callable[[float], float], found: Grid | float) -> Grid | float:
        if isinstance(found, float):
            return function(found)
        self._spend(len(found.columns) * len(found.moments))
        columns = [[function(one) for one in column] for column in found.columns]
        return Grid(found.granularity, found.moments, columns, found.one)

    def _both(
        self, function: Callable[[float, float], float], left: Grid | float, right: Grid | float
    ) -> Grid | float:
        if isinstance(left, float) and isinstance(right, float):
            return function(left, right)
        if isinstance(right, float):
            return self._each(lambda one: NAN if math.isnan(one) else function(one, right), left)
        if isinstance(left, float):
            return self._each(lambda one: NAN if math.isnan(one) else function(left, one), right)
        if left.moments != right.moments or left.granularity != right.granularity:
            raise NotTogether("Can't compute timeseries with different granularity")
        wide = max(len(left.columns), len(right.columns))
        lefts, rights = _stretched(left.columns, wide), _stretched(right.columns, wide)
        self._spend(wide * len(left.moments))
        columns = [
            [
                NAN if math.isnan(a) or math.isnan(b) else function(a, b)
                for a, b in zip(one, other, strict=True)
            ]
            for one, other in zip(lefts, rights, strict=True)
        ]
        return Grid(left.granularity, left.moments, columns, True)

    def _aggregate(self, method: str, found: Grid) -> Grid:
        self._spend(2 * len(found.columns) * len(found.moments))
        function = _OVER[method.removeprefix("rate:")]
        column = [_over(function, row) for row in zip(*found.columns, strict=True)]
        if not method.startswith("rate:"):
            return Grid(found.granularity, found.moments, [column], True)
        return Grid(found.granularity, found.moments[1:], [_steps(column)], True)

    def _rolling(self, method: str, window: int, found: Grid) -> Grid:
        if window > len(found.moments):
            raise NotTogether(
                f"Rolling window '{window}' is greater than serie length '{len(found.moments)}'"
            )
        self._spend(window * len(found.columns) * len(found.moments))
        function = _OVER[method.removeprefix("rate:")]
        last = len(found.moments) - window + 1
        columns = [
            [_over(function, column[at : at + window]) for at in range(last)]
            for column in found.columns
        ]
        moments = found.moments[window - 1 :]
        if method.startswith("rate:"):
            moments, columns = moments[1:], [_steps(column) for column in columns]
        return Grid(found.granularity, moments, columns, found.one)

    def _resample(self, method: str, span: int, found: Grid) -> Grid:
        self._spend(2 * len(found.columns) * len(found.moments))
        made = [_resampled(method, span, found.moments, column) for column in found.columns]
        moments = sorted({at for column in made for at in column})
        columns = [[column.get(at, NAN) for at in moments] for column in made]
        return Grid(span, moments, columns, found.one)

    def _change(self, name: str, found: Grid) -> Grid:
        self._spend(len(found.columns) * len(found.moments))
        moments = found.moments[1:]
        columns = [_steps(column) for column in found.columns]
        if name == "rateofchangesec":
            gaps = [times.seconds(at - before) for before, at in pairwise(found.moments)]
            columns = [
                [value / gap for value, gap in zip(column, gaps, strict=True)] for column in columns
            ]
        return Grid(found.granularity, moments, columns, found.one)


def _stretched(columns: list[list[float]], wide: int) -> list[list[float]]:
    if len(columns) == wide:
        return columns
    if len(columns) != 1:
        raise NotTogether(f"{len(columns)} metrics and {wide} metrics cannot be combined")
    return columns * wide


def _over(function: Callable[[Sequence[float]], float], values: Sequence[float]) -> float:
    there = [one for one in values if not math.isnan(one)]
    return function(there) if there else NAN


def _steps(column: Sequence[float]) -> list[float]:
    return [one - before for before, one in pairwise(column)]


def _resampled(
    method: str, span: int, moments: Sequence[int], column: Sequence[float]
) -> dict[int, float]:
    points = [
        (at, value) for at, value in zip(moments, column, strict=True) if not math.isnan(value)
    ]
    made = series.aggregates(points, 0, span, (method,))
    return {
        number * span: values[method] for number, values in sorted(made.items()) if method in values
    }


def finite(moments: Sequence[int], column: Sequence[float]) -> Iterator[tuple[int, float]]:
    """The points of a column that are numbers."""
    for at, value in zip(moments, column, strict=True):
        if math.isfinite(value):
            yield at, value
