"""How spans and moments are read, what archive policies keep, and which resources a query means."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from hanok.base.errors import BadInput
from hanok.services.metric.logic import policies, shapes, times
from hanok.services.metric.logic.queries import Reader, Text
from hanok.services.metric.logic.series import METHODS

NS = times.NS
NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("sent", "seconds"),
    [
        (5, 5),
        (0.5, 0.5),
        ("60", 60),
        ("5 minutes", 300),
        ("1d 12h", 129_600),
        ("1 week, 1 s", 604_801),
        ("0:05:00", 300),
        ("0:05:00.5", 300.5),
        ("05:30", 330),
        ("30 days, 0:00:00", 2_592_000),
        ("1 day, 1:30", 86_490),
        ("+10 min", 600),
    ],
)
def test_spans(sent: Any, seconds: float) -> None:
    assert times.span(sent) == times.span(sent, signed=True) == round(seconds * NS)


@pytest.mark.parametrize(
    "sent",
    [True, None, [], {}, "", " ", "soon", "5 fortnights", "5 minutes ago", "0:5", "nan", "inf", 9_000_000_000, "-"],
)  # fmt: skip
def test_what_is_not_a_span(sent: Any) -> None:
    for signed in (True, False):
        with pytest.raises(ValueError, match="Unable to parse timespan"):
            times.span(sent, signed=signed)


@pytest.mark.parametrize("sent", [0, "-10 minutes", "-0:05:00", -1])
def test_a_span_points_back_where_it_may(sent: Any) -> None:
    assert times.span(sent, signed=True) <= 0
    with pytest.raises(ValueError, match="must be positive"):
        times.span(sent)


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        (0, "1970-01-01T00:00:00+00:00"),
        ("1.5", "1970-01-01T00:00:01.500000+00:00"),
        ("2026-12-01T12:00", "2026-12-01T12:00:00+00:00"),
        ("2026-12-01T21:00:00+09:00", "2026-12-01T12:00:00+00:00"),
        ("-10 minutes", "2026-12-01T11:50:00+00:00"),
        ("now", "2026-12-01T12:00:00+00:00"),
        ("today", "2026-12-01T00:00:00+00:00"),
        (" 10 minutes ", "2026-12-01T12:10:00+00:00"),
        ("2255-03-14T16:00:00", "2255-03-14T16:00:00+00:00"),
    ],
)
def test_moments(sent: Any, text: str) -> None:
    assert times.text(times.moment(sent, NOW)) == text


@pytest.mark.parametrize(
    "sent",
    [
        True, None, [], "soon", "nan", float("nan"), "inf", 1e300, 10**400, -1, "1969-12-31", "2255-03-14T16:00:01",
        "-99999 weeks",
    ],
)  # fmt: skip
def test_what_is_not_a_moment(sent: Any) -> None:
    with pytest.raises(ValueError, match=r"Unable to convert|after Epoch"):
        times.moment(sent, NOW)


def defined(*items: Any) -> Any:
    return policies._definition(policies._DEFINITION(list(items), ("definition",)))


@pytest.mark.parametrize(
    ("item", "kept"),
    [
        ({"granularity": "5m", "points": 10}, [300 * NS, 10]),
        ({"granularity": "5m", "timespan": "1h"}, [300 * NS, 12]),
        ({"points": 12, "timespan": "1h"}, [300 * NS, 12]),
        ({"granularity": "5m", "points": 12, "timespan": "1h"}, [300 * NS, 12]),
        ({"granularity": "5m"}, [300 * NS, None]),
    ],
)
def test_two_of_a_policys_three_say_the_third(item: Any, kept: list[Any]) -> None:
    assert defined(item) == [kept]


@pytest.mark.parametrize(
    "items",
    [
        [{}], [{"points": 1}], [{"timespan": "1h"}], [{"granularity": "2h", "timespan": "1h"}],
        [{"granularity": "5m", "points": 12, "timespan": "2h"}], [{"points": 2_000_000_000, "timespan": 1}],
        [{"granularity": 0, "points": 1}], [{"granularity": "5m", "points": 0}], [{"granularity": "5m", "points": "x"}],
        [{"granularity": "5m", "points": True}], [{"granularity": "5m", "more": 1}], ["5m"], [],
        [{"granularity": "5m", "points": 1}, {"granularity": 300, "points": 2}], [{"granularity": 1, "points": 1}] * 21,
        [{"granularity": 100_000, "points": 2_000_000_000}],
    ],
)  # fmt: skip
def test_definitions_that_are_refused(items: list[Any]) -> None:
    with pytest.raises(BadInput):
        defined(*items)


def test_the_longest_that_is_kept_can_be_shown() -> None:
    (kept,) = defined({"granularity": 9, "points": 1_000_000_000})
    row: Any = SimpleNamespace(name="n", back_window=0, definition=[kept], aggregation_methods=[])
    assert policies.shown(row)["definition"][0]["timespan"] == "104166 days, 16:00:00"


@pytest.mark.parametrize(
    ("sent", "found"),
    [
        (["mean", "max"], {"mean", "max"}),
        (["*"], set(METHODS)),
        (["*", "-mean"], set(METHODS) - {"mean"}),
        (["-mean"], set(policies.DEFAULT_METHODS) - {"mean"}),
        (["+last"], {*policies.DEFAULT_METHODS, "last"}),
        (["mean", "+last", "-mean"], {"last"}),
        ([], set(policies.DEFAULT_METHODS)),
    ],
)
def test_methods_are_added_and_taken_away(sent: list[str], found: set[str]) -> None:
    names = shapes.items(policies._method)(sent, ())
    assert policies._methods(names) == sorted(found)


@pytest.mark.parametrize("sent", ["nosuch", "", "+", "-*", None, 7, [], ["mean"], {}])
def test_methods_that_are_none(sent: Any) -> None:
    with pytest.raises(BadInput, match="not a valid value"):
        policies._method(sent, ("aggregation_methods", 0))


RESOURCE = {
    "id": "a0000000-0000-4000-8000-000000000000", "project_id": "p", "started_at": "2026-12-01T12:00:00+00:00",
    "ended_at": None, "name": "web-1", "cores": 4, "spot": True,
}  # fmt: skip
TYPES = {"name": "string", "cores": "number", "spot": "bool"}


def means(tree: Any) -> bool:
    return bool(Reader(TYPES).tree(Text(tree).tree() if isinstance(tree, str) else tree)(RESOURCE))


@pytest.mark.parametrize(
    ("tree", "held"),
    [
        ({"=": {"id": "A0000000-0000-4000-8000-000000000000"}}, True),
        ({"=": {"name": "WEB-1"}}, False),
        ({"like": {"name": "web_1"}}, True),
        ({"like": {"name": "w%"}}, True),
        ({"like": {"name": "eb%"}}, False),
        ({"like": {"name": "web.1"}}, False),
        ({"in": {"cores": [2, 4]}}, True),
        ({"in": {"cores": [2]}}, False),
        ({">": {"cores": 4}}, False),
        ({"ge": {"cores": 4}}, True),
        ({"=": {"ended_at": None}}, True),
        ({"!=": {"ended_at": "2026-12-01"}}, True),
        ({"<": {"ended_at": "2026-12-01"}}, False),
        ({"<": {"name": None}}, False),
        ({"<": {"started_at": "2026-12-01T21:30:00+09:00"}}, True),
        ({"=": {"spot": True}}, True),
        ({"not": {"=": {"spot": True}}}, False),
        ({"and": [{"=": {"spot": True}}, {"=": {"cores": 1}}]}, False),
        ({"or": [{"=": {"spot": False}}, {"=": {"cores": 4}}]}, True),
        ("name = web-1", True),
        ("name = 'web-1' and not cores > 4", True),
        ("(cores lt 4 or spot = TRUE) and ended_at = null", True),
        ("cores in [1, 2]", False),
        ('cores in [4] ∧ name like "w%"', True),
        ("spot = false ∨ cores ≠ 4", False),
        ("name = '4'", False),
    ],
)
def test_what_a_query_of_resources_means(tree: Any, held: bool) -> None:
    assert means(tree) is held


@pytest.mark.parametrize(
    "tree",
    [
        [], {}, {"=": {"name": "a"}, "!=": {"name": "b"}}, {"and": {}}, {"and": []}, {"~": {"name": "a"}},
        {"=": "name"}, {"=": {}}, {"=": {"name": "a", "cores": 1}}, {"=": {"nothing": 1}}, {"=": {"name": 7}},
        {"=": {"cores": "4"}}, {"=": {"cores": True}}, {"=": {"spot": 1}}, {"in": {"name": "a"}},
        {"in": {"name": []}}, {"like": {"cores": "4"}}, {"like": {"name": 4}}, {"<": {"started_at": "soon"}},
        "name", "name =", "= a", "name ! a", "(name = a", "name = a)", "name = a b", "cores in 4",
        "cores in [4", "cores in [4 5]", "cores = four", "spot = 1", "name = 'a", "not", "a" * 8193,
        "not " * 40 + "name = a", "(" * 40 + "name = a" + ")" * 40,
    ],
)  # fmt: skip
def test_queries_of_resources_that_mean_nothing(tree: Any) -> None:
    with pytest.raises(BadInput):
        means(tree)


def test_a_query_has_so_many_conditions() -> None:
    one = {"=": {"cores": 4}}
    assert means({"and": [one] * 499})
    with pytest.raises(BadInput, match="too many"):
        means({"and": [one] * 500})
