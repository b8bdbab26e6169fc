"""Points in time, aggregated and packed; knows no database.

A measure is a moment (nanoseconds since 1970) and a number. A span of a granularity has a number of its own: how many
of them lie between 1970 and it. An aggregate is what a method makes of the measures of one span; methods that begin
with "rate:" make it of the differences to the measures before.

Source: Gnocchi's REST API reference, "Archive policies"; NumPy's definition of a percentile between two values.
"""

from __future__ import annotations

import math
import zlib
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct

SPANS = 128  # of a block: some of them fit into a page of the database
Points = list[tuple[int, float]]
Aggregates = dict[int, dict[str, float]]
"""By number of the span, then by method."""

_BITS = SPANS // 8
_EXACT = 1 << 53  # whole numbers below it are the same as floats


def _std(values: Sequence[float]) -> float | None:
    if len(values) < 2:
        return None
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((one - mean) ** 2 for one in values) / (len(values) - 1))


def percentile(values: Sequence[float], percent: float) -> float:
    """Between the two values beside the place, in proportion."""
    line = sorted(values)
    place = (len(line) - 1) * percent / 100
    low = math.floor(place)
    high = min(low + 1, len(line) - 1)
    return line[low] + (line[high] - line[low]) * (place - low)


_METHODS: dict[str, Callable[[Sequence[float]], float | None]] = {
    "mean": lambda values: math.fsum(values) / len(values),
    "sum": math.fsum,
    "last": lambda values: values[-1],
    "first": lambda values: values[0],
    "max": max,
    "min": min,
    "std": _std,
    "median": lambda values: percentile(values, 50),
    "count": lambda values: float(len(values)),
}
_PLAIN = (*_METHODS, *(f"{percent}pct" for percent in range(1, 100)))
METHODS = frozenset((*_PLAIN, *(f"rate:{name}" for name in _PLAIN)))
"""All that a policy may name."""


def aggregate(method: str, values: Sequence[float]) -> float | None:
    """What a method without "rate:" makes of some values, in the order of their times; None: nothing."""
    function = _METHODS.get(method)
    found = function(values) if function else percentile(values, int(method.removesuffix("pct")))
    return found if found is not None and math.isfinite(found) else None


class Kept(Struct, frozen=True):
    """What is kept at one granularity (nanoseconds); points None: all there ever was."""

    granularity: int
    points: int | None


class Rules(Struct, frozen=True):
    """How a metric is kept. back_window: spans of the coarsest granularity in which late measures still count."""

    kept: tuple[Kept, ...]
    methods: tuple[str, ...]
    back_window: int

    @property
    def coarsest(self) -> int:
        return max(one.granularity for one in self.kept)

    def open_from(self, newest: int) -> int:
        """The moment from which measures can still change aggregates."""
        return (newest // self.coarsest - self.back_window) * self.coarsest

    def cut(self, one: Kept, newest: int) -> int | None:
        """The number of the first span that is kept."""
        return None if one.points is None else newest // one.granularity - one.points + 1


def merged(before: Points, fresh: Iterable[tuple[int, float]], rules: Rules) -> Points:
    """Measures in order, without those that come too late; of two of one moment, the one that came last."""
    found = dict(before)
    start = rules.open_from(before[-1][0]) if before else None
    for at, value in fresh:
        if start is None or at >= start:
            found[at] = value
    return sorted(found.items())


def aggregates(points: Points, since: int, granularity: int, methods: Sequence[str]) -> Aggregates:
    """The aggregates of all spans from the one of a moment on."""
    first = since // granularity
    plain: dict[int, list[float]] = {}
    rates: dict[int, list[float]] = {}
    previous: float | None = None
    for at, value in points:
        number = at // granularity
        if number >= first:
            plain.setdefault(number, []).append(value)
            if previous is not None:
                rates.setdefault(number, []).append(value - previous)
        previous = value
    found: Aggregates = {}
    for method in methods:
        name = method.removeprefix("rate:")
        for number, values in (plain if name == method else rates).items():
            made = aggregate(name, values)
            if made is not None:
                found.setdefault(number, {})[method] = made
    for number in plain:
        found.setdefault(number, {})
    return found


def tail(points: Points, rules: Rules) -> Points:
    """The measures of which aggregates can change yet, and the one before, for differences."""
    if not points:
        return []
    start = rules.open_from(points[-1][0])
    place = next(index for index, (at, _) in enumerate(points) if at >= start)
    return points[max(0, place - 1) :]


# ---- as bytes ----


def _shuffled(numbers: array[Any]) -> bytes:
    raw = numbers.tobytes()
    return b"".join(raw[place::8] for place in range(8))


def _unshuffled(kind: str, raw: bytes) -> array[Any]:
    count = len(raw) // 8
    plain = bytearray(len(raw))
    for place in range(8):
        plain[place::8] = raw[place * count : (place + 1) * count]
    made: array[Any] = array(kind)
    made.frombytes(bytes(plain))
    return made


def _steps(numbers: Sequence[int]) -> array[int]:
    """Whole numbers as what each differs from the one before."""
    return array("q", [one - before for before, one in zip((0, *numbers), numbers, strict=False)])


def _sums(steps: Iterable[int]) -> list[int]:
    total, found = 0, []
    for one in steps:
        total += one
        found.append(total)
    return found


def _column(values: Sequence[float]) -> bytes:
    if all(one.is_integer() and abs(one) < _EXACT for one in values):
        return b"i" + _shuffled(_steps([int(one) for one in values]))
    return b"d" + _shuffled(array("d", values))


def _values(raw: bytes) -> list[float]:
    if raw[:1] == b"i":
        return [float(one) for one in _sums(_unshuffled("q", raw[1:]))]
    return list(_unshuffled("d", raw[1:]))


def pack_points(points: Points) -> bytes:
    """Measures as bytes."""
    times = _shuffled(_steps([at for at, _ in points]))
    column = _column([value for _, value in points])
    return zlib.compress(len(points).to_bytes(4, "little") + times + column, 6)


def unpack_points(payload: bytes) -> Points:
    raw = zlib.decompress(payload)
    end = 4 + 8 * int.from_bytes(raw[:4], "little")
    return list(zip(_sums(_unshuffled("q", raw[4:end])), _values(raw[end:]), strict=True))


_SECOND = b"\x02"  # before a block in which columns may follow from others; the first byte of zlib's is another


def pack_block(spans: Mapping[int, Mapping[str, float]], methods: Sequence[str]) -> bytes:
    """The aggregates of a block, by the place of their span in it."""
    names = ",".join(methods).encode()
    parts = [len(names).to_bytes(4, "little"), names, _bits(spans)]
    columns: dict[str, dict[int, float]] = {}
    for method in methods:
        column = {place: spans[place][method] for place in sorted(spans) if method in spans[place]}
        parts += [_bits(column), _follows(method, column, columns) or _column([*column.values()])]
        columns[method] = column
    return _SECOND + zlib.compress(b"".join(parts), 6)


def padded(packed: bytes, size: int, spans: Mapping[int, object]) -> bytes:
    """A block that still grows, as large as it will be, so that its row stays where it is. Zeros behind are not read.

    size: of the block before it, or of this one until now.
    """
    growing = max(spans, default=0) < SPANS - 1
    return packed.ljust(size, b"\0") if growing else packed


def _differences(plain: Mapping[int, float], places: Sequence[int]) -> list[float] | None:
    """What the values at these places differ from the one before; None: one has none before it."""
    before: dict[int, float] = {}
    last: float | None = None
    for place, value in plain.items():
        if last is not None:
            before[place] = value - last
        last = value
    return [before[one] for one in places] if all(one in before for one in places) else None


def _follows(
    method: str, column: Mapping[int, float], columns: Mapping[str, Mapping[int, float]]
) -> bytes:
    """A column of rates that are the differences of another column, but for the first one; else nothing.

    They are where each span has one measure, as what the cloud measures by itself.
    """
    plain = columns.get(method.removeprefix("rate:")) if method.startswith("rate:") else None
    if not plain or len(column) < 2:
        return b""
    first, *others = column.items()
    made = _differences(plain, [place for place, _ in others])
    if made != [value for _, value in others]:
        return b""
    return b"r" + array("d", [first[1]]).tobytes()


def unpack_block(payload: bytes, only: str | None = None) -> dict[int, dict[str, float]]:
    """The other way; only: leaves out all methods but one."""
    raw = zlib.decompress(payload.removeprefix(_SECOND))
    end = 4 + int.from_bytes(raw[:4], "little")
    methods, at = raw[4:end].decode().split(","), end + _BITS
    found: dict[int, dict[str, float]] = {place: {} for place in _places(raw[end:at])}
    columns: dict[str, dict[int, float]] = {}
    for method in methods:
        places = _places(raw[at : at + _BITS])
        at += _BITS
        size = 9 if raw[at : at + 1] == b"r" else 1 + 8 * len(places)
        if only in (None, method, f"rate:{method}"):
            values = _values_of(raw[at : at + size], method, places, columns)
            columns[method] = dict(zip(places, values, strict=True))
        at += size
    for method, column in columns.items():
        for place, value in column.items() if only in (None, method) else ():
            found[place][method] = value
    return found


def _values_of(
    raw: bytes, method: str, places: Sequence[int], columns: Mapping[str, Mapping[int, float]]
) -> list[float]:
    if raw[:1] != b"r":
        return _values(raw)
    made = _differences(columns[method.removeprefix("rate:")], places[1:])
    return [*array("d", raw[1:]), *(made or ())]


def _bits(places: Iterable[int]) -> bytes:
    return sum(1 << place for place in places).to_bytes(_BITS, "little")


def _places(raw: bytes) -> list[int]:
    bits = int.from_bytes(raw, "little")
    return [place for place in range(SPANS) if bits >> place & 1]
