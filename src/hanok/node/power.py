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


def check_lets_go(actual: Power, *, required: bool) -> bool:
    """Whether a guest that is to lose an interface has to be asked for it.

    Raises:
        NotDone: it cannot answer, and has to.
    """
    if actual == "suspended":
        raise NotDone("The network interfaces of a suspended server cannot be changed.")
    if actual == "paused" and required:
        raise NotDone("A paused server cannot let go of a network interface; unpause it first.")
    return actual == "running"


def check_lets_go_of_volumes(actual: Power, *, required: bool) -> bool:
    """The same for a volume."""
    if actual == "suspended":
        raise NotDone("The volumes of a suspended server cannot be changed.")
    if actual == "paused" and required:
        raise NotDone("A paused server cannot let go of a volume; unpause it first.")
    return actual == "running"


def check_power(actual: Power, requested: Power) -> None:
    """Raises NotDone when a guest cannot get from one state to the other."""
    if actual not in _POSSIBLE.get(requested, ()):
        raise NotDone(f"A server that is {actual} cannot become {requested}.")
