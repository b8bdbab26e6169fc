"""When alarms are looked at, and which alarms and changes a query means."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from hanok.base.errors import BadInput
from hanok.services.alarming.logic import queries
from hanok.services.alarming.logic.cron import Wrong, covers, cron

# A Tuesday.
NOW = datetime(2026, 12, 1, 12, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "covered"),
    [
        ("30 12 * * *", True),
        ("31 12 * * *", False),
        ("0 12 * * *", True),
        ("29 11 * * *", False),  # it ended a minute ago
        ("30 11 * * *", False),
        ("31 11 * * *", True),
        ("*/15 * * * *", True),
        ("0 0-11/2 * * *", False),
        ("0 8,12 * * *", True),
        ("0 12 1 * *", True),
        ("0 12 2 * *", False),
        ("0 12 * dec *", True),
        ("0 12 * 1-11 *", False),
        ("0 12 * * tue", True),
        ("0 12 * * 3", False),
        ("0 12 * * 7", False),
        ("0 12 2 * tue", True),  # either, where both are said
        ("0 12 1 * mon", True),
        ("0 12 2 * mon", False),
        ("0 12 */2 * mon", False),  # both, where one begins with a star
        ("0 12 */2 * tue", True),
        ("0 12 1 11 *", False),
    ],
)
def test_an_hour_that_begins_as_cron_says(start: str, covered: bool) -> None:
    assert covers(start, 3600, "", NOW) is covered


@pytest.mark.parametrize(
    ("start", "seconds", "zone", "covered"),
    [
        ("0 21 * * *", 3600, "Asia/Seoul", True),
        ("0 12 * * *", 3600, "Asia/Seoul", False),
        ("0 12 30 11 *", 86_400 + 1800, "UTC", False),
        ("0 12 30 11 *", 86_400 + 1801, "UTC", True),
        ("0 0 1 1 *", 10**9, "UTC", True),  # a year is the longest
        ("0 12 * * *", 0, "UTC", False),
    ],
)
def test_spans_of_other_zones_and_lengths(
    start: str, seconds: int, zone: str, covered: bool
) -> None:
    assert covers(start, seconds, zone, NOW) is covered


def test_sunday_has_two_numbers_and_a_name() -> None:
    assert cron("0 0 * * 0").week == cron("0 0 * * 7").week == cron("0 0 * * SUN").week == {0}


@pytest.mark.parametrize(
    "text",
    [
        "", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 8", "a * * * *",
        "* * * * monday", "* * dec * *", "5-1 * * * *", "*/0 * * * *", "*/60 * * * *", "*/a * * * *", "1- * * * *",
        ", * * * *", "001 * * * *", "-1 * * * *", "*" * 201,
    ],
)  # fmt: skip
def test_what_is_not_an_expression_of_cron(text: str) -> None:
    with pytest.raises(Wrong):
        cron(text)


ITEMS: list[dict[str, Any]] = [
    {"alarm_id": "1", "name": "cpu", "state": "ok", "timestamp": "2026-12-01T10:00:00.000000", "user_id": "u"},
    {"alarm_id": "2", "name": "disk", "state": "alarm", "timestamp": "2026-12-01T12:00:00.000000", "user_id": "v"},
    {"alarm_id": "3", "name": None, "state": "ok", "timestamp": "2026-12-01T11:00:00.000000", "user_id": "u"},
]  # fmt: skip
NAMES = tuple(ITEMS[0])


def found(**body: Any) -> list[str]:
    said = {name: json.dumps(one) if name != "limit" else one for name, one in body.items()}
    return [one["alarm_id"] for one in queries.searched(list(ITEMS), said, NAMES)]


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        ({"=": {"state": "ok"}}, {"1", "3"}),
        ({"!=": {"state": "ok"}}, {"2"}),
        ({"=": {"user": "v"}}, {"2"}),
        ({"in": {"name": ["cpu", "net"]}}, {"1"}),
        ({"=~": {"name": "^d.s"}}, {"2"}),
        ({"=~": {"name": "x"}}, set()),
        ({"<": {"name": "d"}}, {"1"}),  # what is nothing is not less
        ({"<": {"name": 7}}, set()),
        ({">=": {"timestamp": "2026-12-01T11:00:00"}}, {"2", "3"}),
        ({"=>": {"timestamp": "2026-12-01T20:00:00+09:00"}}, {"2", "3"}),
        ({"and": [{"=": {"state": "ok"}}, {"=": {"name": "cpu"}}]}, {"1"}),
        ({"OR": [{"=": {"name": "disk"}}, {"=": {"name": "cpu"}}]}, {"1", "2"}),
        ({"not": {"=": {"state": "ok"}}}, {"2"}),
        (None, {"1", "2", "3"}),
        ({}, {"1", "2", "3"}),
    ],
)
def test_what_a_query_means(tree: Any, expected: set[str]) -> None:
    assert set(found(filter=tree)) == expected


@pytest.mark.parametrize(
    ("order", "limit", "expected"),
    [
        (None, None, ["2", "3", "1"]),  # the newest first
        ([{"timestamp": "ASC"}], None, ["1", "3", "2"]),
        ([{"state": "asc"}, {"timestamp": "desc"}], None, ["2", "3", "1"]),
        ([{"state": "desc"}, {"timestamp": "asc"}], None, ["1", "3", "2"]),
        ([{"name": "asc"}], 2, ["1", "2"]),
        ([], "1", ["1"]),
        ({"timestamp": "asc"}, None, ["1", "3", "2"]),  # one alone
    ],
)
def test_in_which_order(order: Any, limit: Any, expected: list[str]) -> None:
    assert found(orderby=order, limit=limit) == expected


@pytest.mark.parametrize(
    "body",
    [
        {"filter": []}, {"filter": "x"}, {"filter": {"=": {"state": "ok"}, "!=": {"state": "ok"}}},
        {"filter": {"and": [{"=": {"state": "ok"}}]}}, {"filter": {"and": {"=": {"state": "ok"}}}},
        {"filter": {"~": {"state": "ok"}}}, {"filter": {"=": "state"}}, {"filter": {"=": {"state": "ok", "name": "a"}}},
        {"filter": {"=": {"nothing": 1}}}, {"filter": {"in": {"name": "cpu"}}}, {"filter": {"in": {"name": []}}},
        {"filter": {"=": {"state": None}}}, {"filter": {"=": {"state": ["ok"]}}}, {"filter": {"=~": {"name": "((("}}},
        {"filter": {">": {"timestamp": "soon"}}}, {"orderby": [{}]}, {"orderby": ["name"]},
        {"filter": 0}, {"filter": False}, {"orderby": {}}, {"orderby": "name"}, {"orderby": 7},
        {"orderby": [{"name": "asc", "state": "asc"}]}, {"orderby": False},
        {"orderby": [{"nothing": "asc"}]},
        {"orderby": [{"name": "up"}]}, {"limit": 0}, {"limit": -1}, {"limit": True}, {"limit": "x"},
    ],
)  # fmt: skip
def test_queries_that_mean_nothing(body: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        found(**body)


def test_a_query_is_neither_deep_nor_long_nor_anything_else() -> None:
    one: dict[str, Any] = {"=": {"state": "ok"}}
    deep = one
    for _ in range(20):
        deep = {"not": deep}
    assert set(found(filter=deep)) == {"1", "3"}
    assert set(found(filter={"or": [one] * 199})) == {"1", "3"}
    for tree in ({"not": deep}, {"or": [one] * 200}):
        with pytest.raises(BadInput):
            found(filter=tree)
    bodies: list[Any] = [None, [], {"more": 1}, {"filter": 7}, {"filter": "{"}]
    for body in bodies:
        with pytest.raises(BadInput):
            queries.searched(list(ITEMS), body, NAMES)


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([], ["1", "2", "3"]),
        ([("sort", "name")], ["1", "2", "3"]),
        ([("sort", "name:desc")], ["3", "2", "1"]),
        ([("sort", "state"), ("sort", "alarm_id:desc")], ["2", "3", "1"]),
        ([("marker", "1")], ["2", "3"]),
        ([("marker", "3")], []),
        ([("marker", ""), ("limit", "2")], ["1", "2"]),
        ([("sort", "alarm_id:desc"), ("marker", "3"), ("limit", "1")], ["2"]),
    ],
)
def test_pages_of_lists(pairs: list[tuple[str, str]], expected: list[str]) -> None:
    items = queries.page(list(ITEMS), pairs, NAMES, "alarm_id")
    assert [one["alarm_id"] for one in items] == expected


@pytest.mark.parametrize(
    "pair",
    [("sort", "nothing"), ("sort", "name:up"), ("marker", "9"), ("limit", "0"), ("limit", "x"), ("limit", "")],
)  # fmt: skip
def test_pages_that_are_not_there(pair: tuple[str, str]) -> None:
    with pytest.raises(BadInput):
        queries.page(list(ITEMS), [pair], NAMES, "alarm_id")
