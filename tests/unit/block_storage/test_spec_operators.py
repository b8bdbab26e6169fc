"""What extra specs of types ask of capabilities."""

from __future__ import annotations

import pytest

from hanok.base.spec_operators import is_true, satisfies, unmet


@pytest.mark.parametrize(
    ("capability", "requested", "fits"),
    [
        ("files", "files", True),
        ("files", "files2", False),
        (None, "files", False),
        ("True", "<is> True", True),
        ("False", "<is> True", False),
        ("False", "<is> False", True),
        ("10", ">= 5", True),
        ("10", "= 11", False),
        ("x", ">= 5", False),
        ("thin", "<or> thick <or> thin", True),
        ("thin", "<or> thick", False),
        ("abc", "<in> b", True),
        ("abc", "s== abc", True),
        ("abc", "s!= abc", False),
        ("", "", True),
    ],
)
def test_a_capability_is_what_is_asked_or_is_not(
    capability: str | None, requested: str, fits: bool
) -> None:
    assert satisfies(capability, requested) is fits


def test_specs_of_other_scopes_ask_nothing_of_back_ends() -> None:
    specs = {"capabilities:driver": "nfs", "hidden:key": "x", "free": ">= 1"}
    assert unmet({"driver": "files", "free": "2"}, specs) == ["capabilities:driver"]


def test_a_flag_is_asked_for_by_is_true_alone() -> None:
    assert is_true("<is> True")
    assert not is_true("<is> False")
    assert not is_true(None)
