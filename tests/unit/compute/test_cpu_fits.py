"""Which CPUs and pages a guest gets of which cell, and why not."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from hanok.commands import GuestCell, HostCell, Topology
from hanok.node.simulated_hardware import cells
from hanok.services.compute.logic import cpu_fits, cpu_wishes
from hanok.services.compute.logic.cpu_fits import Taken

HOST = cells(vcpus=16, memory_mib=16384, count=2, threads=2, dedicated=8, huge_pages={"2048": 1024})
"""Two cells of 8 CPUs on 4 cores and 8 GiB; the last 4 CPUs of each are dedicated, and 1 GiB is in pages of 2 MiB."""
NONE = Taken()


def fit(
    specs: dict[str, str], *, vcpus: int = 2, memory: int = 512, used: Taken = NONE,
    host: tuple[HostCell, ...] = HOST, **more: Any,
) -> Topology | str:  # fmt: skip
    wish = cpu_wishes.wish(vcpus, memory, {f"hw:{name}": one for name, one in specs.items()}, {})
    assert wish is not None
    return cpu_fits.fit(wish, host, used, **more)


DEDICATED = {"cpu_policy": "dedicated"}


@pytest.mark.parametrize(
    ("specs", "vcpus", "taken", "pins"),
    [
        (DEDICATED, 2, (), [(0, {0: 4, 1: 5})]),
        (DEDICATED, 2, (4,), [(0, {0: 6, 1: 7})]),  # whole cores first
        (DEDICATED, 3, (4,), [(0, {0: 6, 1: 7, 2: 5})]),
        (DEDICATED, 4, (4,), [(1, {0: 12, 1: 13, 2: 14, 3: 15})]),
        ({**DEDICATED, "numa_nodes": "2"}, 4, (), [(0, {0: 4, 1: 5}), (1, {2: 12, 3: 13})]),
        ({**DEDICATED, "cpu_thread_policy": "isolate"}, 2, (), [(0, {0: 4, 1: 6})]),
        ({**DEDICATED, "cpu_thread_policy": "isolate"}, 2, (5,), [(1, {0: 12, 1: 14})]),
        ({**DEDICATED, "cpu_thread_policy": "require"}, 2, (5,), [(0, {0: 6, 1: 7})]),
        ({"cpu_policy": "mixed", "cpu_dedicated_mask": "1"}, 2, (), [(0, {1: 4})]),
        ({"numa_nodes": "2"}, 2, (), [(0, {}), (1, {})]),
        ({**DEDICATED, "cpu_thread_policy": "require"}, 4, (5,), [(1, {0: 12, 1: 13, 2: 14, 3: 15})]),
    ],
)  # fmt: skip
def test_cpus(specs: dict[str, str], vcpus: int, taken: tuple[int, ...], pins: Any) -> None:
    found = fit(specs, vcpus=vcpus, used=Taken(frozenset(taken)))
    assert isinstance(found, Topology), found
    assert [(cell.host_cell, cell.pins) for cell in found.cells] == pins


@pytest.mark.parametrize(
    ("specs", "vcpus", "memory", "why"),
    [
        (DEDICATED, 5, 512, "5 dedicated CPUs requested in one NUMA cell, 4 free"),
        ({**DEDICATED, "cpu_thread_policy": "isolate"}, 3, 512, "3 dedicated cores requested in one NUMA cell, 2 free"),
        ({**DEDICATED, "emulator_threads_policy": "isolate"}, 4, 512, "5 dedicated CPUs requested"),
        ({"numa_nodes": "3"}, 3, 513, "3 NUMA cells requested, 2 there"),
        ({"numa_nodes": "1"}, 5, 512, "5 shared CPUs requested in one NUMA cell, 4 there"),
        ({"numa_nodes": "1"}, 2, 7681, "7681 MiB requested in one NUMA cell, 7168 free"),
        ({"mem_page_size": "1048576"}, 2, 1024, "no memory pages of the size 1048576 KiB"),
        ({"mem_page_size": "2048"}, 2, 1026, "1026 MiB in pages of the size 2048 KiB requested in one NUMA cell, 1024"),
        ({"mem_page_size": "large"}, 2, 511, "511 MiB in pages of the size 'large' requested in one NUMA cell"),
        (
            {**DEDICATED, "cpu_thread_policy": "require"}, 5, 512,
            "5 dedicated CPUs on cores with threads requested in one NUMA cell, 4 free",
        ),
    ],
)  # fmt: skip
def test_why_not(specs: dict[str, str], vcpus: int, memory: int, why: str) -> None:
    assert str(fit(specs, vcpus=vcpus, memory=memory)).startswith(why)


@pytest.mark.parametrize(
    ("page", "memory", "expected"),
    [("small", 512, (0, 4)), ("large", 512, (0, 2048)), ("any", 512, (0, 2048)), ("any", 511, (0, 4)),
     ("2MB", 1024, (0, 2048)), ("any", 2048, (0, 4)), ("4", 512, (0, 4))],
)  # fmt: skip
def test_pages(page: str, memory: int, expected: tuple[int, int]) -> None:
    found = fit({"mem_page_size": page}, memory=memory)
    assert isinstance(found, Topology), found
    assert (found.cells[0].host_cell, found.cells[0].page_kib) == expected


def test_a_host_without_huge_pages_or_dedicated_cpus_says_so() -> None:
    plain = cells(vcpus=4, memory_mib=4096, count=1, threads=1, dedicated=0, huge_pages={})
    assert "no memory pages" in str(fit({"mem_page_size": "large"}, host=plain))
    assert "2 dedicated CPUs requested in one NUMA cell, 0 free" in str(fit(DEDICATED, host=plain))


def test_what_guests_have_is_counted_together() -> None:
    one = fit({**DEDICATED, "cpu_thread_policy": "isolate", "mem_page_size": "large"}, vcpus=1)
    assert isinstance(one, Topology)
    used = cpu_fits.taken([one], HOST)
    assert used.cpus == {4, 5}  # the other thread of its core, too
    assert used.pages == {(0, 2048): 512 * 1024}
    other = fit({**DEDICATED, "mem_page_size": "large"}, used=used, memory=1024)
    assert isinstance(other, Topology) and other.cells[0].host_cell == 1


def test_an_emulator_of_its_own_is_counted() -> None:
    one = fit({**DEDICATED, "emulator_threads_policy": "isolate"}, vcpus=2)
    assert isinstance(one, Topology) and one.emulator == (6,)
    assert cpu_fits.taken([one], HOST).cpus == {4, 5, 6}
    shared = fit({**DEDICATED, "emulator_threads_policy": "share"}, vcpus=1)
    assert isinstance(shared, Topology) and shared.emulator == (0, 1, 2, 3, 8, 9, 10, 11)
    assert cpu_fits.taken([shared], HOST).cpus == {4}


def test_only_the_first_node_holds_the_emulator() -> None:
    specs = {
        **DEDICATED, "emulator_threads_policy": "isolate", "numa_nodes": "2",
        "numa_cpus.0": "0-2", "numa_mem.0": "256", "numa_cpus.1": "3-6", "numa_mem.1": "256",
    }  # fmt: skip
    found = fit(specs, vcpus=7)
    assert isinstance(found, Topology), found
    assert (found.emulator, [len(cell.pins) for cell in found.cells]) == ((7,), [3, 4])


def test_cpus_of_which_no_core_is_told_are_each_one() -> None:
    bare = tuple(msgspec.structs.replace(cell, cores=()) for cell in HOST)
    found = fit({**DEDICATED, "cpu_thread_policy": "isolate"}, vcpus=4, host=bare)
    assert isinstance(found, Topology) and found.cells[0].pins == {0: 4, 1: 5, 2: 6, 3: 7}
    lacking = fit({**DEDICATED, "cpu_thread_policy": "require"}, vcpus=1, host=bare)
    assert lacking == "1 dedicated CPUs on cores with threads requested in one NUMA cell, 0 free"


@pytest.mark.parametrize(
    ("policy", "near", "cell"),
    [
        ("preferred", {1}, 1), ("legacy", {1}, 1), ("required", {1}, 1), ("required", {0, 1}, None),
        ("legacy", {0, 1}, 0),
    ],
)  # fmt: skip
def test_devices_draw_guests_to_their_cell(policy: str, near: set[int], cell: int | None) -> None:
    found = fit({"numa_nodes": "1", "pci_numa_affinity_policy": policy}, near=frozenset(near))
    assert (found.cells[0].host_cell if isinstance(found, Topology) else None) == cell


def test_a_guest_on_other_cells_takes_nothing_here() -> None:
    far = GuestCell(host_cell=7, cpus=(0,), memory_mib=1, pins={0: 99})
    assert cpu_fits.taken([Topology(cells=(far,))], HOST).pages == {(7, 4): 1024}
