"""What aggregates say of a server, as sets of aggregates."""

from __future__ import annotations

from typing import Any

import pytest

from hanok.services.compute.logic import aggregate_rules
from hanok.services.compute.logic.aggregate_rules import Closed, Rules
from hanok.services.compute.logic.server_groups import Placed
from hanok.services.compute.room import ComputeSettings

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


def said(
    values: dict[str, dict[str, set[str]]], specs: dict[str, str] | None = None, **more: Any
) -> Rules:
    """What metadata says, by key and aggregate, of a server in no zone."""
    settings = ComputeSettings(**more.pop("settings", {}))
    base: dict[str, Any] = {
        "zone": None, "project_id": "p", "properties": {}, "traits": frozenset(), **more,
    }  # fmt: skip
    frozen = {
        key: {one: frozenset(those) for one, those in found.items()}
        for key, found in values.items()
    }
    requirements = aggregate_rules.requirements_of(specs or {})
    return aggregate_rules.ruled(frozen, requirements=requirements, settings=settings, **base)


SSD = {"ssd": {A: {"true"}, B: {"false", "maybe"}}}


@pytest.mark.parametrize(
    ("specs", "expected"),
    [
        ({}, ()),
        ({"ssd": "true"}, ({A},)),
        ({"aggregate_instance_extra_specs:ssd": "true"}, ({A},)),
        ({"aggregate_instance_extra_specs:ssd": "<or> true <or> maybe"}, ({A, B},)),
        ({"aggregate_instance_extra_specs:gpu": "true"}, (set(),)),
        ({"gpu": "true"}, ()),  # a note of the site: no aggregate speaks of it
        ({"hw:ssd": "true"}, ()),
        ({"aggregate_instance_extra_specs": "true"}, ()),
        ({"ssd": "false", "aggregate_instance_extra_specs:ssd": "true"}, ({A},)),
        ({"aggregate_instance_extra_specs:ssd": "true", "ssd": "false"}, ({A},)),
    ],
)
def test_what_a_flavor_asks_of_aggregates(specs: dict[str, str], expected: Any) -> None:
    assert said(SSD, specs).specs == expected


def test_hosts_of_other_projects_are_closed() -> None:
    values = {
        "filter_tenant_id": {A: {"p", "q"}}, "filter_tenant_id2": {B: {"q"}}, "tenant": {"c": {"q"}},
    }  # fmt: skip
    assert said(values).tenants == Closed(frozenset([A, B]), frozenset([A]))
    assert said(SSD).tenants is None


OS = {"os_distro": {A: {"debian"}}, "my.os": {B: {"debian"}}, "ssd": {A: {"true"}}}
ISOLATES = {"aggregate_image_properties_isolation": True}


@pytest.mark.parametrize(
    ("settings", "properties", "expected"),
    [
        ({}, {"os_distro": "debian"}, []),
        (ISOLATES, {}, []),
        (ISOLATES, {"os_distro": "debian"}, [({A}, {A})]),
        (ISOLATES, {"os_distro": "fedora"}, [({A}, set())]),
        (
            {**ISOLATES, "aggregate_image_properties_isolation_namespace": "my"},
            {"os_distro": "fedora"},
            [({B}, set())],
        ),
        (
            {**ISOLATES, "aggregate_image_properties_isolation_namespace": "my"},
            {"my.os": "debian"},
            [({B}, {B})],
        ),
        (
            {
                **ISOLATES,
                "aggregate_image_properties_isolation_namespace": "os",
                "aggregate_image_properties_isolation_separator": "_",
            },
            {"os_distro": "debian"},
            [({A}, {A})],
        ),
    ],
)
def test_hosts_are_kept_for_images(
    settings: dict[str, Any], properties: dict[str, str], expected: list[Any]
) -> None:
    found = said(OS, properties=properties, settings=settings).images
    assert [(one.all, one.open) for one in found] == expected


def test_hosts_are_kept_for_servers_that_require_a_trait() -> None:
    values = {
        "trait:CUSTOM_A": {A: {"required"}}, "trait:CUSTOM_B": {B: {"required"}, "c": {"forbidden"}},
        "trait": {"d": {"required"}}, "ssd": {"e": {"required"}},
    }  # fmt: skip
    on = {"isolated_aggregates": True}
    assert said(values, settings=on).isolated == {A, B}
    assert said(values, settings=on, traits=frozenset(["CUSTOM_A"])).isolated == {B}
    assert said(values).isolated == frozenset()


def test_the_zone_of_hosts_that_are_in_none() -> None:
    values = {"availability_zone": {A: {"z"}, B: {"y"}}}
    assert said(values, zone="z").zone == frozenset([A]) and not said(values, zone="z").no_zone
    assert said(values, zone="x").zone == frozenset()
    assert said(values, zone="nova").zone is None and said(values, zone="nova").no_zone == {A, B}
    named = {"availability_zone": {A: {"nova"}, B: {"y"}}}
    assert said(named, zone="nova").no_zone == frozenset()
    assert said(values).zone is None and not said(values).no_zone
