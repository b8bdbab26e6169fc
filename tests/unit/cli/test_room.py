"""How many guests fit."""

from __future__ import annotations

import pytest

from hanok.cli import room
from hanok.commands import HostState
from hanok.services.compute.logic.hosts import reserved_mib
from hanok.services.compute.room import ComputeSettings

NANO = {"name": "nano", "ram": 128, "vcpus": 1, "disk": 1}
BIG = {"name": "big", "ram": 4096, "vcpus": 4, "disk": 0}


@pytest.mark.parametrize(
    ("hosts", "said"),
    [
        (
            [{"MEMORY_MB": 1000, "VCPU": 32, "DISK_GB": 50}],
            "Room for 7 more servers of nano (128 MiB).",
        ),
        (
            [{"MEMORY_MB": 1000, "VCPU": 1, "DISK_GB": 50}],
            "Room for 1 more server of nano (128 MiB).",
        ),
        (
            [{"MEMORY_MB": -5, "VCPU": 1, "DISK_GB": 50}],
            "Room for no more servers of nano (128 MiB).",
        ),
        (
            [{"MEMORY_MB": 300, "VCPU": 9, "DISK_GB": 9}] * 2,
            "Room for 4 more servers of nano (128 MiB).",
        ),
        ([], ""),
    ],
)
def test_how_many_fit(hosts: list[dict[str, int]], said: str) -> None:
    assert room.sentence([BIG, NANO], hosts, 0) == said


def test_each_one_more_needs_a_process_of_its_own() -> None:
    host = {"MEMORY_MB": 904, "VCPU": 32, "DISK_GB": 50}
    assert room.fitting(NANO, host, 160) == 3


def test_a_host_gives_what_is_not_reserved_or_used() -> None:
    has = {"MEMORY_MB": {"total": 4096, "reserved": 512, "allocation_ratio": 1.0}}
    assert room.free(has, {"MEMORY_MB": 256}) == {"MEMORY_MB": 3328}


@pytest.mark.parametrize(
    ("memory_mib", "overhead_mib", "running", "reserved"),
    [(4096, 160, 0, 672), (4096, 160, 5, 1472), (1024, 160, 0, 416), (4096, 0, 5, 512)],
)
def test_what_is_not_for_guests(
    memory_mib: int, overhead_mib: int, running: int, reserved: int
) -> None:
    state = HostState(
        host="h", address="", vcpus=1, memory_mib=memory_mib, memory_free_mib=0, disk_gib=1,
        disk_free_gib=1, accelerator="tcg", accelerator_reason="", qemu_version="", cpu_model="",
        running_guests=running, overhead_mib=overhead_mib,
    )  # fmt: skip
    assert reserved_mib(state, ComputeSettings()) == reserved
