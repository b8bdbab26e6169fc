"""The scheduler hint that is a condition on hosts."""

from __future__ import annotations

from typing import Any

import pytest

from hanok.base.errors import BadInput
from hanok.services.compute.logic import host_queries

HOST = {"free_ram_mb": 1024, "hypervisor_hostname": "h1", "cpu_info": {"arch": "x86_64"}}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("[]", True),
        ('[">=", "$free_ram_mb", 1024]', True),
        ('["<", "$free_ram_mb", 1024]', False),
        (["=", "$hypervisor_hostname", "h1"], True),
        (["in", "$hypervisor_hostname", "h2", "h1"], True),
        (["in", "$hypervisor_hostname", "h2", "h3"], False),
        (["=", "$cpu_info.arch", "x86_64"], True),
        (["=", "$nothing", "x"], False),
        (["<", "$hypervisor_hostname", 5], False),
        (["not", ["=", "$free_ram_mb", 1]], True),
        (["and", [">", "$free_ram_mb", 1], ["<", "$free_ram_mb", 2]], False),
        (["or", [">", "$free_ram_mb", 1], ["<", "$free_ram_mb", 2]], True),
        ([], True),
        ("{}", True),
        (["=", 1024, "$free_ram_mb"], True),
        (["=", 1024, "$nothing"], False),
        (["=", "$free_ram_mb.more", 1024], False),
        (["<", 1, "$free_ram_mb", 2], True),
        (["<", 1, "$free_ram_mb", 0], False),
        (["in", "$free_ram_mb", *range(98)], False),
    ],
)
def test_conditions(query: Any, expected: bool) -> None:
    assert host_queries.fits(host_queries.read(query), HOST) is expected


DEEP: Any = ["=", "a", "b"]
for _ in range(9):
    DEEP = ["not", DEEP]


@pytest.mark.parametrize(
    "query",
    [
        "x", '{"a": 1}', ["="], ["=", "$a"], ["like", "$a", "b"], ["and"], ["and", "x"], ["=", "$a", {}],
        ["=", "$a", None], [1, 2, 3], "[" * 5000, DEEP, ["in", *map(str, range(200))], [["="], "a", "b"],
        ["in", *range(100)], ["and", *[["=", "a", "b"]] * 34], ["not", []], ["not"],
    ],
)  # fmt: skip
def test_what_is_no_condition(query: Any) -> None:
    with pytest.raises(BadInput, match="query"):
        host_queries.read(query)
