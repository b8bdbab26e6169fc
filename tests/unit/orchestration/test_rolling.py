"""The steps of an update of a group."""

from __future__ import annotations

from typing import Any

import pytest

from hanok.services.orchestration.logic.types.groups import resized
from hanok.services.orchestration.logic.types.rolling import Batches, step


def walked(there: dict[str, Any], target: dict[str, Any], batches: Batches) -> list[dict[str, Any]]:
    """All steps to the target."""
    found = []
    while there != target:
        there = step(there, target, batches, lambda count: {f"x{at}": 2 for at in range(count)})
        found.append(there)
        assert len(found) < 50
    return found


@pytest.mark.parametrize("size", [1, 2, 3, 7])
@pytest.mark.parametrize("minimum", [0, 2, 5, 9])
@pytest.mark.parametrize(("before", "after"), [(5, 5), (3, 5), (5, 2), (0, 4), (1, 1)])
def test_every_step_keeps_to_its_size_and_leaves_enough(
    size: int, minimum: int, before: int, after: int
) -> None:
    there = {str(at): 1 for at in range(before)}
    target = {str(at): 2 for at in range(after)}
    last = there
    for now in walked(there, target, Batches(size=size, minimum=minimum)):
        touched = [name for name in now if last.get(name) != now[name]]
        untouched = [name for name in last if last[name] == now.get(name)]
        assert len(touched) <= size
        if any(name in last for name in touched):
            assert len(untouched) >= min(minimum, after)
        last = now
    assert last == target


def test_what_only_grows_or_shrinks_does_so_at_once() -> None:
    whole = {str(at): 1 for at in range(6)}
    few = {str(at): 1 for at in range(2)}
    assert walked(whole, few, Batches(size=1)) == [few]


@pytest.mark.parametrize(
    "kind", ["change_in_capacity", "exact_capacity", "percent_change_in_capacity"]
)
def test_an_adjustment_of_any_size_ends_at_the_bounds(kind: str) -> None:
    assert resized(1000, 0, 10, kind, 1e308, None) == 10
    assert resized(1, 0, 1000, kind, 1e308, None) == 1000
    assert resized(1000, 2, 10, kind, -1e308, None) == 2
