"""How many sockets, cores and threads a guest's processors are shown as.

Source: "CPU topologies" in the administration guide of OpenStack compute.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from hanok.base.errors import BadInput

PARTS = ("sockets", "cores", "threads")
SPECS = frozenset(f"hw:cpu_{limit}{part}" for limit in ("", "max_") for part in PARTS)
UNLIMITED = 65_536
_SAID = "sockets={}, cores={}, threads={}"


class Topology(NamedTuple):
    sockets: int
    cores: int
    threads: int

    @property
    def words(self) -> str:
        return _SAID.format(*self)


class Wish(Protocol):
    """What flavor and image say."""

    @property
    def image(self) -> Mapping[str, Any]: ...

    def number(self, name: str) -> int: ...


def best(wish: Wish, vcpus: int) -> Topology:
    """The topology for this many processors that is nearest to what is preferred; more sockets before more cores.

    Raises:
        BadInput: the image asks for more than it, or the flavor, allows; none fits.
    """
    maximum = _maxima(wish)
    preferred = _preferred(wish, maximum)
    limits = Topology(*(min(vcpus, one) for one in maximum))
    possible = list(_possible(vcpus, limits))
    if not possible:
        raise BadInput(
            f"Requested vCPU limits {limits.sockets}:{limits.cores}:{limits.threads} are impossible to satisfy for "
            f"vcpus count {vcpus}"
        )
    possible.sort(key=lambda one: (one.sockets * one.cores, one.sockets, one.threads), reverse=True)
    return max(possible, key=lambda one: _alike(one, preferred))  # the first of those


def _possible(vcpus: int, limits: Topology) -> list[Topology]:
    highest = min(vcpus, max(limits.sockets, limits.cores))
    divisors = [one for one in range(1, highest + 1) if vcpus % one == 0]
    return [
        Topology(sockets, cores, vcpus // sockets // cores)
        for sockets in divisors
        for cores in divisors
        if sockets <= limits.sockets
        and cores <= limits.cores
        and vcpus % (sockets * cores) == 0
        and vcpus // sockets // cores <= limits.threads
    ]


def _alike(one: Topology, preferred: Topology) -> int:
    return sum(
        preferred_one > 0 and has == preferred_one
        for has, preferred_one in zip(one, preferred, strict=True)
    )


def _of_flavor(wish: Wish, limit: str = "") -> Topology:
    return Topology(*(wish.number(f"hw:cpu_{limit}{part}") for part in PARTS))


def _of_image(wish: Wish, limit: str = "") -> Topology:
    return Topology(*(wish.image.get(f"hw_cpu_{limit}{part}", 0) for part in PARTS))


def _exceeds(one: Topology, maximum: Topology) -> bool:
    return any(limit and number > limit for number, limit in zip(one, maximum, strict=True))


def _maxima(wish: Wish) -> Topology:
    flavor, image = _of_flavor(wish, "max_"), _of_image(wish, "max_")
    if _exceeds(image, flavor):
        raise BadInput(
            f"Image vCPU topology limits ({image.words}) exceeds the limits of the flavor ({flavor.words})"
        )
    return Topology(
        *(said or requested or UNLIMITED for said, requested in zip(image, flavor, strict=True))
    )


def _preferred(wish: Wish, maximum: Topology) -> Topology:
    """The image's, if it has any; a flavor's that is more than is allowed is passed over."""
    flavor, image = _of_flavor(wish), _of_image(wish)
    if _exceeds(image, maximum):
        raise BadInput(
            f"Image vCPU topology ({image.words}) exceeds the limits of the flavor or image ({maximum.words})"
        )
    if any(image):
        return image
    return Topology(0, 0, 0) if _exceeds(flavor, maximum) else flavor
