"""What a flavor wants of a value."""

from __future__ import annotations

import pytest

from hanok.services.compute.logic import spec_values


@pytest.mark.parametrize(
    ("wish", "value", "fits"),
    [
        ("true", "true", True),
        ("true", "True", False),
        ("", "", True),
        ("", "x", False),
        ("a b", "a b", True),
        ("s== a", "a", True),
        ("s== a", "b", False),
        ("s!= a", "b", True),
        ("s!= a", "a", False),
        ("s< b", "a", True),
        ("s< b", "b", False),
        ("s<= b", "b", True),
        ("s<= b", "c", False),
        ("s> b", "c", True),
        ("s> b", "b", False),
        ("s>= b", "b", True),
        ("s>= b", "a", False),
        ("= 2", "2", True),
        ("= 2", "3", True),
        ("= 2", "1", False),
        ("== 2", "2.0", True),
        ("== 2", "3", False),
        ("!= 2", "3", True),
        ("!= 2", "2", False),
        (">= 2", "2", True),
        (">= 2", "1.5", False),
        ("<= 2", "2", True),
        ("<= 2", "2.5", False),
        (">= 2", "many", False),
        (">= many", "2", False),
        ("<in> bc", "abcd", True),
        ("<in> bd", "abcd", False),
        ("<all-in> a c", "a,b,c", True),
        ("<all-in> a d", "a b c", False),
        ("<or> a <or> b", "b", True),
        ("<or> a <or> b", "c", False),
        ("<or> a <or> b", "<or>", False),
        ("s==", "s==", True),
        ("= 1 2", "= 1 2", True),
        ("= 1 2", "1", False),
        ("s== a b", "s== a b", True),
        ("s== a b", "a", False),
        ("<in> a b", "<in> a b", True),
        ("<in> a b", "a", False),
        ("<all-in>", "<all-in>", True),
        ("<all-in>", "a", False),
        ("<or>", "<or>", True),
        ("<or>", "a", False),
    ],
)
def test_a_wish_is_held_against_a_value(wish: str, value: str, fits: bool) -> None:
    assert spec_values.fits(wish, value) is fits
