"""What a guest says of its memory, in the field's names and units."""

from __future__ import annotations

import pytest

from hanok.node.balloon import UNKNOWN, figures


@pytest.mark.parametrize(
    ("stats", "found"),
    [
        ({}, {}),
        ({"stat-free-memory": 2048, "stat-total-memory": UNKNOWN}, {"unused": 2}),
        ({"stat-major-faults": 7, "stat-swap-in": -1}, {"major_fault": 7}),
        (
            {"stat-total-memory": 1 << 20, "stat-available-memory": 1 << 19, "stat-new": 5},
            {"available": 1024, "usable": 512},
        ),
    ],
)
def test_figures(stats: dict[str, int], found: dict[str, int]) -> None:
    assert figures(stats) == found
