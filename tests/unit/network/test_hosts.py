"""Which hosts are alive, and which of them carry routers' gateways; how many addresses there are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from hanok.services.network.logic import agents, availability, scheduling
from tests.unit.network.rows import room, row

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def seconds_ago(number: float) -> datetime:
    return NOW - timedelta(seconds=number)


@pytest.mark.parametrize(
    ("heard", "silent", "alive"),
    [(0, None, True), (74, None, True), (75, None, False), (10, 20, True), (10, 10, False), (10, 5, False)],
)  # fmt: skip
def test_a_host_is_alive_while_it_is_heard_of_and_has_not_said_that_it_ends(
    heard: int, silent: int | None, alive: bool
) -> None:
    gone = None if silent is None else seconds_ago(silent)
    agent = row(host="h", heard_at=seconds_ago(heard), silent_at=gone)
    assert agents._is_alive(room(), agent, NOW) is alive


def test_each_router_begins_at_another_host_and_has_five_at_most() -> None:
    hosts = [f"h{number}" for number in range(7)]
    chosen = [scheduling._chosen(hosts, f"r{number}") for number in range(50)]
    assert {max(one, key=lambda host: one[host]) for one in chosen} == set(hosts)
    assert all(sorted(one.values()) == [1, 2, 3, 4, 5] for one in chosen)
    assert scheduling._chosen(["h"], "r") == {"h": 1}
    assert scheduling._chosen([], "r") == {}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {}),
        ({"a": 1}, {"a": 2}),
        ({"a": 3}, {"a": 3}),
        ({"b": 2, "a": 1}, {"b": 3, "a": 2}),
        ({"b": 3, "a": 1}, {"b": 3, "a": 2}),
        ({"c": 4, "b": 2, "a": 1}, {"c": 4, "b": 3, "a": 2}),
    ],
)
def test_hosts_move_up_no_further_than_makes_room_for_the_lowest_number(
    before: dict[str, int], after: dict[str, int]
) -> None:
    assert scheduling._moved_up(before) == after


@pytest.mark.parametrize(
    ("cidr", "pools", "total"),
    [
        ("10.0.0.0/24", [("10.0.0.2", "10.0.0.254")], 253),
        ("10.0.0.0/24", [("10.0.0.5", "10.0.0.5"), ("10.0.0.9", "10.0.0.10")], 3),
        ("10.0.0.0/24", [], 254),
        ("10.0.0.0/31", [], 1),
        ("10.0.0.7/32", [], 1),
        ("2001:db8::/126", [], 2),
    ],
)
def test_a_subnet_has_what_its_pools_hold_or_else_what_there_is(
    cidr: str, pools: list[tuple[str, str]], total: int
) -> None:
    subnet = row(
        id="s", name="", cidr=cidr, ip_version=6 if ":" in cidr else 4,
        allocation_pools=[{"start": start, "end": end} for start, end in pools],
    )  # fmt: skip
    assert availability._of_subnet(subnet, {})["total_ips"] == total
    assert availability._of_subnet(subnet, {"s": 4})["used_ips"] == 4
    assert availability._of_subnet(subnet, {"t": 4})["used_ips"] == 0
