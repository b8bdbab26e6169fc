"""Filters of servers on names and addresses: regular expressions, the same on each database, and none runs away."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from tests.cloud import NEWEST, Client, Cloud, a_flavor, a_network, a_server, an_image, settle

SERVERS = "/compute/v2.1/servers"


@pytest.fixture
async def user(cloud: Cloud) -> Client:
    admin = await cloud.sign_in()
    user = await cloud.project_with("p", "member")
    image, flavor, network = await an_image(user), await a_flavor(admin), await a_network(user)
    for name in ("kks-web-pool-1", "web-pool-2", "WEB-pool-3", "rgx-a", "rgx-É"):
        await a_server(user, image, flavor, name=name)
    for last in ("1", "11"):
        fixed: Any = [{"uuid": network, "fixed_ip": f"10.1.0.1{last}"}]
        await a_server(user, image, flavor, name=f"at-{last}", networks=fixed)
    await settle(cloud)
    return user


async def _names(user: Client, parameter: str, pattern: str) -> list[str]:
    found = await user.get(f"{SERVERS}?{parameter}={quote(pattern)}", headers=NEWEST)
    return sorted(one["name"] for one in found["servers"])


async def test_names_are_found_by_regular_expressions(user: Client) -> None:
    pools = ["WEB-pool-3", "kks-web-pool-1", "web-pool-2"]
    for pattern, expected in (
        ("pool", pools),
        ("POOL", pools),
        ("^(kks-)?web-pool-", pools),
        ("^web-pool-[0-9]$", ["WEB-pool-3", "web-pool-2"]),
        ("^web-pool-3$", ["WEB-pool-3"]),
        ("^kks|^rgx-a", ["kks-web-pool-1", "rgx-a"]),
        ("^rgx-.$", ["rgx-a", "rgx-É"]),
        ("^RGX-A$", ["rgx-a"]),
        ("^RGX-[A]$", ["rgx-a"]),
        ("^rgx-é$", ["rgx-É"]),
        (r"^rgx-\w$", ["rgx-a"]),
        ("pool-.{1}$", pools),
        ("o{2}l", pools),
        ("_", []),
        ("^nobody", []),
        ("^", sorted([*pools, "at-1", "at-11", "rgx-a", "rgx-É"])),
    ):
        assert await _names(user, "name", pattern) == expected, pattern


async def test_what_is_not_served_is_refused_in_words(user: Client) -> None:
    for parameter in ("name", "ip", "ip6"):
        for pattern in ("(", "[a", "*a", r"(a)\1", "a(?=b)", "a" * 2000, "((a{50}){50}){50}"):
            path = f"{SERVERS}?{parameter}={quote(pattern)}"
            answer = await user("GET", path, headers=NEWEST, status=400)
            words = answer.json()["badRequest"]["message"]
            assert f"query parameters {parameter}" in words and "regular expression" in words


async def test_addresses_have_to_begin_with_the_pattern(user: Client) -> None:
    for pattern, expected in (
        ("^10.1.0.11$", ["at-1"]),
        (r"^10\.1\.0\.111$", ["at-11"]),
        ("10.1.0.11", ["at-1", "at-11"]),
        ("10.1.0.1+$", ["at-1", "at-11"]),
        ("0.1", []),
        (".*0.1111", []),
        ("10.1.0.(11|111)$", ["at-1", "at-11"]),
    ):
        assert await _names(user, "ip", pattern) == expected, pattern
    assert await _names(user, "ip6", "10.1") == []


async def test_patterns_that_try_all_ways_are_answered(user: Client) -> None:
    """Each would take Python's own matcher longer than anybody waits."""
    assert await _names(user, "name", "^(.*a)*(.*b)*(.*c)*z$") == []
    assert await _names(user, "name", "o?" * 200 + "z") == []
    assert await _names(user, "ip", ".*1" * 60 + "z") == []
    assert await _names(user, "ip6", ".*1" * 60 + "z") == []
