"""Members of groups, some at a time: what the next step of an update is.

Source: the template guide, "update_policy" of OS::Heat::ResourceGroup, "rolling_updates" of OS::Heat::AutoScalingGroup.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from hanok.services.orchestration.logic.types.model import Property, read, within

if TYPE_CHECKING:
    from hanok.services.orchestration.logic.program import Program

LONGEST_S = 31_536_000  # of a pause: as long as a stack may take

Members = dict[str, Any]
"""What members are made of, by their names."""


class Batches(Struct, frozen=True, kw_only=True):
    """size: members that are changed at once. minimum: that are not being changed. pause_s: between two steps."""

    size: int = 1
    minimum: int = 0
    pause_s: float = 0.0


def policy(program: Program, name: str) -> dict[str, Any]:
    """A resource's `update_policy` as its type declares it.

    Raises:
        Wrong
    """
    given = program.static.value(program.definitions[name].update_policy)
    said = given if isinstance(given, dict) else {}
    return read(program.types[name].policies, said, f"resources.{name}.update_policy")


def of(given: Mapping[str, Any] | None) -> Batches | None:
    """As a policy says it; None: all at once."""
    if not given:
        return None
    return Batches(
        size=given["max_batch_size"],
        minimum=given.get("min_in_service") or 0,
        pause_s=float(given["pause_time"] or 0),
    )


def step(
    there: Mapping[str, Any],
    target: Mapping[str, Any],
    batches: Batches,
    more: Callable[[int], Members],
) -> Members:
    """What the group is made of next.

    Args:
        there: what it is made of. more: so many members besides the target's, which are there while too few others
            would be in service.
    """
    waiting = [name for name in target if name in there and there[name] != target[name]]
    missing = [name for name in target if name not in there]
    if missing and (waiting or not there or set(there) <= set(target)):
        return {**there, **{name: target[name] for name in missing[: batches.size]}}
    if not waiting:
        return dict(target)
    free = min(batches.size, len(there) - min(batches.minimum, len(target)))
    if free > 0:
        return {**there, **{name: target[name] for name in waiting[:free]}}
    return {**there, **more(min(batches.size, len(waiting)))}


def steps(count: int, batches: Batches) -> int:
    """How many there are, for so many members."""
    return -(-count // batches.size)


def pause_is_over(data: dict[str, Any], now: datetime, pause_s: float) -> bool:
    """Whether the next step may be taken; the pause begins when this is asked first."""
    if pause_s <= 0:
        return True
    until = data.setdefault("until", (now + timedelta(seconds=pause_s)).isoformat())
    if now < datetime.fromisoformat(until):
        return False
    del data["until"]
    return True


SIZES = {
    "max_batch_size": Property(type="integer", default=1, constraints=within(1)),
    "pause_time": Property(type="number", default=0, constraints=within(0, LONGEST_S)),
}
ROLLING = {
    "min_in_service": Property(type="integer", default=0, constraints=within(0)),
    **SIZES,
}
POLICIES = {
    "rolling_update": Property(type="map", within=ROLLING),
    "batch_create": Property(type="map", within=SIZES),
}
