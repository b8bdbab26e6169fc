"""Aggregates and their bytes: what is folded piece by piece is what it would be at once."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hanok.services.metric.logic import measures, series
from hanok.services.metric.logic.series import Kept, Rules

SECOND = 1_000_000_000
RULES = Rules(
    (Kept(60 * SECOND, None), Kept(300 * SECOND, None)), ("count", "mean", "rate:mean"), 1
)
_points = st.lists(
    st.tuples(st.integers(0, 4000), st.floats(-1e6, 1e6) | st.integers(-1000, 1000).map(float)),
    max_size=60,
    unique_by=lambda one: one[0],
)


@given(_points)
def test_points_survive_as_bytes(points: list[tuple[int, float]]) -> None:
    line = sorted((at * SECOND, value) for at, value in points)
    assert series.unpack_points(series.pack_points(line)) == line


@given(_points, st.integers(1, 5))
def test_folding_in_pieces_gives_what_folding_at_once_gives(
    points: list[tuple[int, float]], pieces: int
) -> None:
    line = sorted((at * SECOND, value) for at, value in points)
    size = len(line) // pieces + 1
    kept: dict[int, dict[int, dict[str, float]]] = {60: {}, 300: {}}
    tail: series.Points = []
    for start in range(0, len(line), size):
        known = measures.state(tail, line[start : start + size], RULES)
        if known.since is None:
            continue
        for grain, into in kept.items():
            made = series.aggregates(known.after, known.since, grain * SECOND, RULES.methods)
            packed = series.pack_block(
                {number % series.SPANS: one for number, one in made.items()}, RULES.methods
            )
            into |= series.unpack_block(packed)
        tail = series.tail(known.after, RULES)
    for grain, found in kept.items():
        assert found == series.aggregates(line, 0, grain * SECOND, RULES.methods)


def test_methods_make_of_values_what_they_are_called() -> None:
    values = [1.0, 2.0, 3.0, 10.0]
    said = {
        "mean": 4.0, "sum": 16.0, "last": 10.0, "first": 1.0, "max": 10.0, "min": 1.0, "median": 2.5, "count": 4.0,
        "std": math.sqrt(50 / 3), "50pct": 2.5, "95pct": pytest.approx(8.95),
    }  # fmt: skip
    assert {name: series.aggregate(name, values) for name in said} == said
    assert series.aggregate("std", [1.0]) is None


def test_a_day_of_meters_that_vary_takes_some_bytes_a_point() -> None:
    spans = {
        place: {"mean": 1e9 + 37.2 * place + 0.001 * (place * 7919 % 1000)}
        for place in range(series.SPANS)
    }
    assert len(series.pack_block(spans, ("mean",))) < series.SPANS * 7.5
    whole = {place: {"mean": float(10**12 + place * 12_345_678)} for place in range(series.SPANS)}
    assert len(series.pack_block(whole, ("mean",))) < series.SPANS * 2.5


def test_late_points_do_not_count() -> None:
    rules = Rules((Kept(60 * SECOND, 10),), ("mean",), 0)
    known = measures.state([(120 * SECOND, 1.0)], [(60 * SECOND, 5.0), (125 * SECOND, 2.0)], rules)
    assert known.after == [(120 * SECOND, 1.0), (125 * SECOND, 2.0)]
    assert all(one < other for one, other in pairwise(known.after))


def _growing(places: list[int]) -> dict[int, dict[str, float]]:
    """One measure a span, of a counter, at some places."""
    values = {place: float(10**12 + place * place * 12_345_679) for place in places}
    rates = {place: values[place] - values[before] for before, place in pairwise(places)}
    first = {places[0]: 77.25}
    return {
        place: {"mean": values[place], "rate:mean": {**first, **rates}[place]} for place in places
    }


@pytest.mark.parametrize("places", [list(range(series.SPANS)), [3, 4, 9, 100], [7], [1, 2]])
def test_rates_that_follow_from_a_counter_take_no_room(places: list[int]) -> None:
    spans = _growing(places)
    packed = series.pack_block(spans, ("mean", "rate:mean"))
    assert series.unpack_block(packed) == spans
    for method in ("mean", "rate:mean"):
        alone = {place: {method: values[method]} for place, values in spans.items()}
        assert series.unpack_block(packed, method) == alone
    plain = {place: {"mean": values["mean"]} for place, values in spans.items()}
    assert len(packed) < len(series.pack_block(plain, ("mean",))) + 40


def test_rates_that_are_others_are_kept_as_they_are() -> None:
    spans = _growing(list(range(20)))
    spans[11]["rate:mean"] += 1
    del spans[15]["mean"], spans[18]["rate:mean"]
    for methods in (("mean", "rate:mean"), ("rate:mean", "mean")):
        packed = series.pack_block(spans, methods)
        assert series.unpack_block(packed) == spans
        assert series.unpack_block(packed, "rate:mean")[12] == {"rate:mean": spans[12]["rate:mean"]}


def test_blocks_of_the_first_form_are_read() -> None:
    first = bytes.fromhex(
        "789ce3636060c84d4dccd3294a2c49b502b1941950013a3f93c13f4320517ee99e955718045fe0519882603ec860d0940fe859199cbed1c1d11100cc6f10f9"
    )
    assert series.unpack_block(first) == _growing([0, 1, 5])


def test_a_block_that_grows_is_as_large_as_the_one_before() -> None:
    some, whole = _growing(list(range(20))), _growing(list(range(series.SPANS)))
    packed = series.padded(series.pack_block(some, ("mean", "rate:mean")), 900, some)
    assert len(packed) == 900 and series.unpack_block(packed) == some
    full = series.pack_block(whole, ("mean", "rate:mean"))
    assert series.padded(full, 900, whole) == full
