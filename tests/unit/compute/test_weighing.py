"""Which of the hosts that can take a server comes first."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest

from hanok.services.compute.logic.weighing import Candidate, normal, weighed
from hanok.services.compute.room import ComputeSettings


def host(name: str, ram: int = 0, cpu: int = 0, disk: int = 0, **more: Any) -> Candidate:
    made = Candidate(name, name, "nova", {"MEMORY_MB": ram, "VCPU": cpu, "DISK_GB": disk})
    return msgspec.structs.replace(made, **more)


@pytest.mark.parametrize(
    ("figures", "expected"),
    [([], []), ([3], [0.0]), ([2, 2], [0.0, 0.0]), ([0, 5, 10], [0.0, 0.5, 1.0]), ([-4, 0], [0.0, 1.0])],
)  # fmt: skip
def test_figures_are_brought_to_between_0_and_1(
    figures: list[float], expected: list[float]
) -> None:
    assert normal(figures) == expected


@pytest.mark.parametrize(
    ("hosts", "settings", "order"),
    [
        ([host("a", ram=1), host("b", ram=2)], {}, "ba"),
        ([host("a", ram=1), host("b", ram=2)], {"ram_weight_multiplier": -1.0}, "ab"),
        ([host("a", ram=2, cpu=1), host("b", ram=1, cpu=2)], {"cpu_weight_multiplier": 2.0}, "ba"),
        ([host("a", disk=1), host("b", disk=2)], {}, "ba"),
        ([host("a", io_ops=3), host("b", io_ops=1)], {}, "ba"),
        ([host("a", io_ops=3), host("b", io_ops=1)], {"io_ops_weight_multiplier": 0.0}, "ab"),
        ([host("a", instances=3), host("b")], {}, "ab"),
        ([host("a", instances=3), host("b")], {"num_instances_weight_multiplier": -1.0}, "ba"),
        ([host("a", ram=9, failed_builds=1), host("b", ram=1)], {}, "ba"),
        ([host("a", ram=9, failed_builds=1), host("b", ram=1)], {"build_failure_weight_multiplier": 0.0}, "ab"),
        ([host("a", free_devices=2), host("b")], {}, "ba"),
        ([host("a", wants_devices=True), host("b", free_devices=2, wants_devices=True)], {}, "ba"),
        ([host("a", ram=9), host("b", ram=1, preference=1)], {}, "ba"),
        ([host("b"), host("a")], {}, "ab"),
    ],
)  # fmt: skip
def test_the_order(hosts: list[Candidate], settings: dict[str, Any], order: str) -> None:
    found = weighed(hosts, ComputeSettings(**settings))
    assert "".join(one.host for one in found) == order


def test_each_weigher_says_what_it_gave() -> None:
    best, other = weighed([host("a", ram=4, io_ops=1), host("b", ram=8)])
    assert (best.host, best.weights["ram"], best.weights["io_ops"]) == ("b", 1.0, 0.0)
    assert (other.weights["ram"], other.weights["io_ops"], other.weight) == (0.0, -1.0, -1.0)


def test_chance_settles_what_settings_leave_to_it() -> None:
    hosts = [host(name, ram=8) for name in "abc"] + [host("d", ram=1)]
    chance = random.Random(1)
    shuffled = ComputeSettings(shuffle_best_same_weighed_hosts=True)
    first = {weighed(hosts, shuffled, chance)[0].host for _ in range(50)}
    assert first == {"a", "b", "c"}
    assert weighed([], shuffled, chance) == []
    several = ComputeSettings(host_subset_size=2)
    assert {weighed(hosts, several, chance)[0].host for _ in range(50)} == {"a", "b"}
    assert len(weighed(hosts, several, chance)) == 4
