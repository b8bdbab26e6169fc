"""What aggregates say of a server, as sets of aggregates."""

from __future__ import annotations

import pytest

from hanok.services.compute.logic.aggregate_rules import Closed, Rules
from hanok.services.compute.logic.server_groups import Placed

A, B = "a", "b"


@pytest.mark.parametrize(
    ("host", "lets"),
    [(set(), True), ({"x"}, True), ({A}, True), ({B}, False), ({A, B}, True), ({B, "x"}, False)],
)
def test_a_closed_host_takes_those_that_it_is_open_to(host: set[str], lets: bool) -> None:
    assert Closed(frozenset([A, B]), frozenset([A])).lets(frozenset(host)) is lets


def test_placement_is_told_what_can_be_told_beforehand() -> None:
    assert not Rules().looks and Rules().inside == () and Rules().outside == frozenset()
    zone = frozenset([A])
    rules = Rules(specs=(frozenset([B]),), zone=zone)
    assert rules.looks and rules.inside == (frozenset([B]), zone)
    # Who is let in somewhere cannot be told so: a host may be in both.
    assert Rules(tenants=Closed(frozenset([A, B]), frozenset([A]))).outside == frozenset()
    closed = Rules(tenants=Closed(frozenset([A])), isolated=frozenset([B]), no_zone=frozenset("c"))
    assert closed.outside == {A, B, "c"}
    assert Rules(images=(Closed(frozenset([A])),)).outside == {A}


@pytest.mark.parametrize(
    ("policy", "per_host", "hosts", "takes", "preference"),
    [
        ("", 1, {}, True, 0),
        ("affinity", 1, {}, True, 0),
        ("affinity", 1, {"h": 1}, True, 0),
        ("affinity", 1, {"other": 1}, False, 0),
        ("anti-affinity", 1, {}, True, 0),
        ("anti-affinity", 1, {"h": 1}, False, 0),
        ("anti-affinity", 2, {"h": 1}, True, 0),
        ("anti-affinity", 2, {"h": 2}, False, 0),
        ("soft-affinity", 1, {"h": 2}, True, 2),
        ("soft-affinity", 1, {"other": 2}, True, 0),
        ("soft-anti-affinity", 1, {"h": 2}, True, -2),
    ],
)
def test_what_a_group_says_of_a_host(
    policy: str, per_host: int, hosts: dict[str, int], takes: bool, preference: int
) -> None:
    placed = Placed(policy=policy, per_host=per_host, hosts=hosts)
    assert placed.takes("h") is takes and placed.preference("h") == preference
    assert placed.prefers is (policy.startswith("soft") and bool(hosts))
