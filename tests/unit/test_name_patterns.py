"""Filters on names: what fits, and that none runs away."""

from __future__ import annotations

import re
import time

import pytest

from hanok.services.compute.logic.patterns import Pattern, is_pattern

TEXTS = ("", "a", "b", "web-1", "web-12", "WEB-1", "db-1", "web-", "x web-1", "a+b", "aab", "a.b")


@pytest.mark.parametrize(
    "text",
    [
        r"^.*\-[0-9]+$",
        r"web-[0-9]",
        r"^web\-\d*$",
        r"[^a-z]",
        r"^[\w]+$",
        r"a+b",
        r"a\+b",
        r"^w?eb",
        r"\s",
        r"^$",
        r"",
        r".+1$",
        r"[ab]{0}",
    ],
)
def test_a_pattern_finds_what_a_regular_expression_finds(text: str) -> None:
    plain = re.compile(text.replace("{", r"\{").replace("}", r"\}"))
    for one in TEXTS:
        assert Pattern(text).found_in(one) == bool(plain.search(one)), (text, one)


def test_odd_ones_stand_for_themselves() -> None:
    assert Pattern("[a").found_in("x[a") and not Pattern("[a").found_in("a")
    assert Pattern("a\\").found_in("a\\")
    assert Pattern("(a|b)+").found_in("(a|b))")
    assert not is_pattern("^web.*$") and is_pattern("web[0-9]")


def test_none_runs_away() -> None:
    start = time.monotonic()
    assert not Pattern("^" + "a?" * 60 + "a*" * 60 + "b$").found_in("a" * 255)
    assert time.monotonic() - start < 2
