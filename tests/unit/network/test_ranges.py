"""Numbers in ranges: of segments, of forwarded ports, of prefixes' lengths."""

from __future__ import annotations

from typing import Any

import pytest

from hanok.base.errors import BadInput, HanokError
from hanok.services.network.logic import networks, port_forwardings, segment_ranges, subnet_pools
from tests.unit.network.rows import row


@pytest.mark.parametrize(
    ("ranges", "left"),
    [
        ([], [(1, 9)]),
        ([(1, 9)], []),
        ([(1, 4)], [(5, 9)]),
        ([(5, 9)], [(1, 4)]),
        ([(2, 8)], [(1, 1), (9, 9)]),
        ([(6, 7), (2, 3)], [(1, 1), (4, 5), (8, 9)]),
        ([(1, 3), (4, 8)], [(9, 9)]),
    ],
)
def test_what_lies_in_no_range(ranges: list[tuple[int, int]], left: list[tuple[int, int]]) -> None:
    assert segment_ranges._outside((1, 9), ranges) == left


def test_an_mtu_is_not_above_what_the_network_carries() -> None:
    networks.check_mtu(0, 1442)
    networks.check_mtu(1442, 1442)
    with pytest.raises(BadInput, match="'1443' is not between 0 and 1442"):
        networks.check_mtu(1443, 1442)


# ---- forwarded ports ----


@pytest.mark.parametrize(
    ("said", "ports"),
    [
        ({"external_port": 80}, (80, 80)),
        ({"external_port_range": "80:90"}, (80, 90)),
        ({"external_port_range": "80"}, (80, 80)),
        ({"external_port": 80, "external_port_range": None}, (80, 80)),
    ],
)
def test_ports_are_a_number_or_a_range(said: dict[str, Any], ports: tuple[int, int]) -> None:
    assert port_forwardings._ports(said, "external") == ports


@pytest.mark.parametrize(
    "said",
    [{}, {"external_port": None}, {"internal_port": 80}, {"external_port": 80, "external_port_range": "80:80"}],
)  # fmt: skip
def test_ports_are_not_both_nor_neither(said: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match="Either external_port or external_port_range"):
        port_forwardings._ports(said, "external")


def forwarding(**values: Any) -> Any:
    held = {
        "protocol": "tcp", "internal_port_id": "p", "internal_ip_address": "10.0.0.7",
        "external_first": 80, "external_last": 82, "internal_first": 8080, "internal_last": 8082,
        **values,
    }  # fmt: skip
    return row(**held, _mapping=held)


@pytest.mark.parametrize(
    ("first", "last", "meets"),
    [(80, 82, True), (70, 80, True), (82, 90, True), (81, 81, True), (1, 99, True), (70, 79, False), (83, 90, False)],
)  # fmt: skip
def test_ranges_of_ports_meet_where_they_have_a_port_in_common(
    first: int, last: int, meets: bool
) -> None:
    requested = {"external_first": first, "external_last": last}
    assert port_forwardings._meet(forwarding(), requested, "external") is meets


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ({}, {"internal_ip_address": "10.0.0.7", "external_port_range": "80:82", "internal_port_range": "8080:8082"}),
        ({"internal_port_id": "q"}, {"internal_ip_address": None}),
        ({"internal_port_id": "q", "internal_ip_address": "10.0.0.9"}, {"internal_ip_address": "10.0.0.7"}),
        ({"external_port": 90}, {"external_port_range": None, "internal_port_range": "8080:8082"}),
        ({"external_port_range": "90:92"}, {"external_port_range": None}),
        ({"internal_port": 90}, {"external_port_range": "80:82", "internal_port_range": None}),
        ({"internal_port_range": "90:92"}, {"internal_port_range": None}),
    ],
)  # fmt: skip
def test_a_change_of_a_forwarding_keeps_what_it_does_not_name(
    sent: dict[str, Any], kept: dict[str, Any]
) -> None:
    found = port_forwardings._as_sent(forwarding(), sent)
    assert {name: found[name] for name in kept} == kept


# ---- subnet pools ----


def lengths(least: int | None = None, longest: int | None = None, usual: int | None = None) -> Any:
    return {"min_prefixlen": least, "max_prefixlen": longest, "default_prefixlen": usual}


@pytest.mark.parametrize(
    ("sent", "version", "found"),
    [
        (lengths(), 4, (8, 32, 8)),
        (lengths(), 6, (64, 128, 64)),
        (lengths(24), 4, (24, 32, 24)),
        (lengths(24, 24, 24), 4, (24, 24, 24)),
        (lengths(16, 28, 26), 4, (16, 28, 26)),
        (lengths(32, 32, 32), 4, (32, 32, 32)),
    ],
)
def test_lengths_of_prefixes(sent: Any, version: int, found: tuple[int, int, int]) -> None:
    assert tuple(subnet_pools._lengths(sent, version).values()) == found


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (lengths(33), "min_prefixlen=33, max_prefixlen=32"),
        (lengths(None, 33), "max_prefixlen=33, max_prefixlen=32"),
        (lengths(25, 24), "min_prefixlen=25, max_prefixlen=24"),
        (lengths(24, 26, 23), "default_prefixlen=23, min_prefixlen=24"),
        (lengths(24, 26, 27), "default_prefixlen=27, max_prefixlen=26"),
    ],
)
def test_lengths_that_cannot_be(sent: Any, why: str) -> None:
    with pytest.raises(BadInput, match=why):
        subnet_pools._lengths(sent, 4)


def test_a_pool_has_prefixes_of_one_version_and_only_grows() -> None:
    held = row(ip_version=4, prefixes=["10.0.0.0/24"])
    assert subnet_pools._grown(held, ["10.0.0.0/25", "10.0.0.128/25", "10.9.0.0/16"]) == [
        "10.0.0.0/24", "10.9.0.0/16",
    ]  # fmt: skip
    for prefixes, code in (
        ([], "EmptySubnetPoolPrefixList"),
        (["10.0.0.0/24", "2001:db8::/48"], "PrefixVersionMismatch"),
        (["2001:db8::/48"], "PrefixVersionMismatch"),
        (["10.0.0.0/25"], "IllegalSubnetPoolPrefixUpdate"),
    ):
        with pytest.raises(BadInput) as caught:
            subnet_pools._grown(held, prefixes)
        assert caught.value.code == code


def pool(**values: Any) -> Any:
    usual = {
        "ip_version": 4, "min_prefixlen": 24, "max_prefixlen": 28, "default_prefixlen": 26,
        "default_quota": None,
    }  # fmt: skip
    return row(**{**usual, **values})


@pytest.mark.parametrize(
    ("sent", "length"),
    [
        ({}, 26),
        ({"prefixlen": 24}, 24),
        ({"prefixlen": 28}, 28),
        ({"cidr": "10.0.0.0/27"}, 27),
        ({"cidr": "10.0.0.0/27", "allocation_pools": [{}]}, 27),
    ],
)
def test_how_long_the_prefix_of_a_new_subnet_is(sent: dict[str, Any], length: int) -> None:
    assert subnet_pools._length(pool(), {"allocation_pools": None, **sent}) == length


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        ({"prefixlen": 23}, "minimum allowed prefix is 24"),
        ({"prefixlen": 29}, "maximum allowed prefix is 28"),
        ({"cidr": "10.0.0.0/27", "prefixlen": 27}, "must not be supplied together"),
        ({"allocation_pools": []}, "allowed only for specific subnet requests"),
    ],
)
def test_how_long_it_is_not(sent: dict[str, Any], why: str) -> None:
    with pytest.raises(BadInput, match=why):
        subnet_pools._length(pool(), {"allocation_pools": None, **sent})


def test_a_project_has_no_more_of_a_pool_than_each_may() -> None:
    held = ["10.0.0.0/25", "10.0.0.128/26"]
    subnet_pools._within_quota(pool(default_quota=256), 26, held)
    subnet_pools._within_quota(pool(), 8, held)
    for length, quota in ((25, 256), (26, 255)):
        with pytest.raises(HanokError, match="prefix quota exceeded"):
            subnet_pools._within_quota(pool(default_quota=quota), length, held)
