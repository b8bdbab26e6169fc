"""Weighers: in which order hosts are tried that can all take a server.

Each weigher gives every host a figure; they are brought to between 0 and 1 over the hosts at hand, and added up, each
times its multiplier. What a server group prefers comes before all that. A new weigher is a line in the list.

Source: "Compute schedulers", section "Weights", in the administration guide of OpenStack.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import msgspec
from msgspec import Struct

from hanok.services.compute.room import ComputeSettings


class Candidate(Struct, frozen=True):
    """A host that can take a server.

    Args:
        preference: how much it is preferred to others, whatever they weigh.
        free: by resource class. resources: amounts by class by provider, which the server would take.
        io_ops: servers there that something is done to. instances: servers there. failed_builds: in a row.
        free_devices: PCI devices that nobody has. wants_devices: whether the server asks for some.
        weights: what each weigher that counts gives it, times its multiplier.
    """

    provider_id: str
    host: str
    zone: str
    free: dict[str, int]
    resources: dict[str, dict[str, int]] = {}
    preference: int = 0
    io_ops: int = 0
    instances: int = 0
    failed_builds: int = 0
    free_devices: int = 0
    wants_devices: bool = False
    weights: dict[str, float] = {}

    @property
    def weight(self) -> float:
        return sum(self.weights.values())


Figure = Callable[[Candidate], float]


def _devices(one: Candidate) -> float:
    """Who wants devices goes where most are; who wants none leaves hosts that have some to others."""
    return one.free_devices if one.wants_devices else -one.free_devices


WEIGHERS: tuple[tuple[str, Callable[[ComputeSettings], float], Figure], ...] = (
    ("ram", lambda settings: settings.ram_weight_multiplier, lambda one: one.free.get("MEMORY_MB", 0)),
    ("cpu", lambda settings: settings.cpu_weight_multiplier, lambda one: one.free.get("VCPU", 0)),
    ("disk", lambda settings: settings.disk_weight_multiplier, lambda one: one.free.get("DISK_GB", 0)),
    ("io_ops", lambda settings: settings.io_ops_weight_multiplier, lambda one: one.io_ops),
    ("num_instances", lambda settings: settings.num_instances_weight_multiplier, lambda one: one.instances),
    ("pci", lambda settings: settings.pci_weight_multiplier, _devices),
    ("build_failure", lambda settings: settings.build_failure_weight_multiplier, lambda one: -one.failed_builds),
)  # fmt: skip
"""By name: its multiplier, and the figure that it gives a host."""


def weighed(
    found: Sequence[Candidate],
    settings: ComputeSettings | None = None,
    chance: random.Random | None = None,
) -> list[Candidate]:
    """The best first, with what each weigher said; among equals, by name.

    Args:
        chance: what settles it where settings leave it to chance.
    """
    settings = settings or ComputeSettings()
    weights: list[dict[str, float]] = [{} for _ in found]
    for name, multiplier, figure in WEIGHERS:
        times = multiplier(settings)
        if times:
            for one, part in zip(weights, normal([figure(one) for one in found]), strict=True):
                one[name] = round(times * part, 6) + 0.0  # and never -0
    ordered = sorted(
        (
            msgspec.structs.replace(one, weights=own)
            for one, own in zip(found, weights, strict=True)
        ),
        key=lambda one: (-one.preference, -one.weight, one.host),
    )
    return _by_chance(ordered, settings, chance or random.SystemRandom())


def normal(figures: Sequence[float]) -> list[float]:
    """Figures brought to between 0 (the least) and 1 (the most); where all are the same, 0."""
    if not figures:
        return []
    lowest, highest = min(figures), max(figures)
    return [(one - lowest) / (highest - lowest) if highest > lowest else 0.0 for one in figures]


def _by_chance(
    ordered: list[Candidate], settings: ComputeSettings, chance: random.Random
) -> list[Candidate]:
    if settings.shuffle_best_same_weighed_hosts and ordered:
        best = ordered[0]
        same = [
            one for one in ordered if (one.preference, one.weight) == (best.preference, best.weight)
        ]
        chance.shuffle(same)
        ordered = same + ordered[len(same) :]
    several = min(settings.host_subset_size, len(ordered))
    if several > 1:
        first = ordered[chance.randrange(several)]
        ordered = [first, *(one for one in ordered if one is not first)]
    return ordered
