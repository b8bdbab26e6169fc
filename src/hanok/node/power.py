"""Which power state may follow which: the same for real and for simulated guests."""

from __future__ import annotations

from hanok.commands import Power
from hanok.node.errors import NotDone

_POSSIBLE: dict[Power, tuple[Power, ...]] = {
    "running": ("running", "paused", "suspended", "stopped", "crashed"),
    "paused": ("running", "paused"),
    "suspended": ("running", "paused", "suspended"),
    "stopped": ("running", "paused", "suspended", "stopped", "crashed"),
}


def check_power(actual: Power, wanted: Power) -> None:
    """Raises NotDone when a guest cannot get from one state to the other."""
    if actual not in _POSSIBLE.get(wanted, ()):
        raise NotDone(f"A server that is {actual} cannot become {wanted}.")
