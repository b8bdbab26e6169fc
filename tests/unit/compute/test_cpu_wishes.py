"""What flavors and images may ask of CPUs, NUMA nodes and pages, and which of the two has the word."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest

from hanok.base.errors import BadInput
from hanok.services.compute.logic import cpu_topology, cpu_wishes
from hanok.services.compute.logic.cpu_wishes import Wish

VCPUS, MEMORY = 4, 1024


def wish_of(*given: str) -> Wish | None:
    """What is asked by "hw:name=value" (the flavor's) and "hw_name=value" (the image's)."""
    pairs = dict(one.split("=", 1) for one in given)
    specs = {name: value for name, value in pairs.items() if ":" in name}
    properties = {name: value for name, value in pairs.items() if ":" not in name}
    return cpu_wishes.wish(VCPUS, MEMORY, specs, properties)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((), None),
        (("hw:cpu_policy=shared",), None),
        (("hw:cpu_policy=dedicated",), ("dedicated", [((0, 1, 2, 3), (0, 1, 2, 3), 1024)])),
        (("hw_cpu_policy=dedicated",), ("dedicated", [((0, 1, 2, 3), (0, 1, 2, 3), 1024)])),
        (("hw:cpu_policy=dedicated", "hw_cpu_policy=shared"), ("dedicated", [((0, 1, 2, 3), (0, 1, 2, 3), 1024)])),
        (("hw:cpu_policy=mixed", "hw:cpu_dedicated_mask=0-1"), ("mixed", [((0, 1, 2, 3), (0, 1), 1024)])),
        (("hw:cpu_policy=mixed", "hw:cpu_dedicated_mask=^0-1"), ("mixed", [((0, 1, 2, 3), (2, 3), 1024)])),
        (("hw:numa_nodes=2",), ("shared", [((0, 1), (), 512), ((2, 3), (), 512)])),
        (("hw_numa_nodes=1",), ("shared", [((0, 1, 2, 3), (), 1024)])),
        (
            ("hw:numa_nodes=2", "hw:numa_cpus.0=0,3", "hw:numa_cpus.1=1-2", "hw:numa_mem.0=256", "hw:numa_mem.1=768"),
            ("shared", [((0, 3), (), 256), ((1, 2), (), 768)]),
        ),
        (("hw:mem_page_size=small",), ("shared", [((0, 1, 2, 3), (), 1024)])),
    ],
)  # fmt: skip
def test_nodes(given: tuple[str, ...], expected: Any) -> None:
    wish = wish_of(*given)
    found = (
        None
        if wish is None
        else (wish.policy, [(n.cpus, n.pinned, n.memory_mib) for n in wish.nodes])
    )
    assert found == expected


@pytest.mark.parametrize(
    ("given", "page"),
    [
        (("hw:mem_page_size=large",), "large"), (("hw:mem_page_size=ANY",), "any"),
        (("hw:mem_page_size=2048",), 2048), (("hw:mem_page_size=2MB",), 2048),
        (("hw:mem_page_size=1GiB",), 1 << 20), (("hw:mem_page_size=large", "hw_mem_page_size=2048"), 2048),
        (("hw:mem_page_size=any", "hw_mem_page_size=small"), "small"),
    ],
)  # fmt: skip
def test_pages(given: tuple[str, ...], page: Any) -> None:
    wish = wish_of(*given)
    assert wish is not None and wish.page == page


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (("hw:cpu_policy=fast",), "must be one of: dedicated, mixed, shared"),
        (("hw:cpu_policy=shared", "hw_cpu_policy=dedicated"), "not permitted to override CPU pinning policy"),
        (("hw:cpu_policy=mixed", "hw:cpu_dedicated_mask=0", "hw_cpu_policy=dedicated"), "not permitted"),
        (("hw:cpu_policy=mixed",), "Must specify 'hw:cpu_dedicated_mask'"),
        (("hw:cpu_dedicated_mask=0",), "without the 'mixed' policy"),
        (("hw:cpu_policy=mixed", "hw:cpu_dedicated_mask=0-3"), "at least 1 pinned vCPU"),
        (("hw:cpu_policy=mixed", "hw:cpu_dedicated_mask=9"), "at least 1 pinned vCPU"),
        (("hw:cpu_policy=mixed", "hw:cpu_dedicated_mask=x"), "Invalid set of CPUs"),
        (("hw:cpu_policy=mixed", "hw:cpu_dedicated_mask=3-1"), "Invalid set of CPUs"),
        (("hw:cpu_thread_policy=isolate",), "non dedicated cpu pinning policy"),
        (("hw:cpu_policy=dedicated", "hw:cpu_thread_policy=many"), "must be one of"),
        (
            ("hw:cpu_policy=dedicated", "hw:cpu_thread_policy=isolate", "hw_cpu_thread_policy=require"),
            "not permitted to override CPU thread pinning",
        ),
        (("hw:emulator_threads_policy=isolate",), "requires a dedicated CPU policy"),
        (("hw:emulator_threads_policy=far",), "must be one of"),
        (("hw_mem_page_size=large",), "forbidden against '<empty>'"),
        (("hw:mem_page_size=2048", "hw_mem_page_size=large"), "forbidden against '2048'"),
        (("hw:mem_page_size=huge",), "Invalid memory page size"),
        (("hw:mem_page_size=0",), "Invalid memory page size"),
        (("hw:numa_nodes=0",), "must be a number greater than 0"),
        (("hw:numa_nodes=x",), "must be a number greater than 0"),
        (("hw:numa_nodes=3",), "cannot be evenly distributed"),
        (("hw:numa_nodes=8",), "cannot be evenly distributed"),
        (("hw:numa_nodes=2", "hw_numa_nodes=2"), "not permitted to override NUMA configuration"),
        (("hw:numa_nodes=2", "hw:numa_cpus.0=0-3"), "must be provided for all NUMA nodes"),
        (("hw:numa_nodes=1", "hw:numa_cpus.0=0-4", "hw:numa_mem.0=1024"), "CPU number 4 is larger than max 3"),
        (("hw:numa_nodes=1", "hw:numa_cpus.0=0-2", "hw:numa_mem.0=1024"), "CPU number 3 is not assigned"),
        (("hw:numa_nodes=1", "hw:numa_cpus.0=0-3", "hw:numa_mem.0=1000"), "1000 MB of memory assigned, but"),
        (
            ("hw:numa_nodes=2", "hw:numa_cpus.0=0-2", "hw:numa_cpus.1=2-3", "hw:numa_mem.0=512", "hw:numa_mem.1=512"),
            "CPU number 2 is assigned to two nodes",
        ),
        (("hw:pci_numa_affinity_policy=socket",), "must be one of"),
        (
            ("hw:pci_numa_affinity_policy=required", "hw_pci_numa_affinity_policy=legacy"),
            "not permitted to override the policy",
        ),
        (("hw:cpu_policy=mixed", "hw:cpu_dedicated_mask=0-3,^0-3"), "at least 1 pinned vCPU"),
        (("hw:cpu_policy=mixed", "hw:cpu_dedicated_mask=^0-3"), "at least 1 pinned vCPU"),
        (("hw:numa_nodes=1", "hw:numa_cpus.1=0"), "'hw:numa_cpus.1' is of a NUMA node that there is not"),
        (("hw:numa_nodes=2", "hw_numa_mem.2=1"), "'hw_numa_mem.2' is of a NUMA node that there is not"),
        (("hw:numa_mem.0=1024",), "'numa_nodes' is 0"),
        (("hw:numa_nodes=1", "hw:numa_cpus.0=0-3", "hw:numa_mem.0=0"), "memory of a NUMA node cannot be '0' MB"),
        (("hw:numa_nodes=1", "hw:numa_cpus.0=0-3", "hw:numa_mem.0=x"), "memory of a NUMA node cannot be 'x' MB"),
    ],
)  # fmt: skip
def test_refusals(given: tuple[str, ...], why: str) -> None:
    with pytest.raises(BadInput, match=re.escape(why)):
        wish_of(*given)


@pytest.mark.parametrize(
    ("given", "policy"),
    [
        ((), "legacy"),
        (("hw:pci_numa_affinity_policy=required",), "required"),
        (("hw_pci_numa_affinity_policy=preferred",), "preferred"),
        (
            ("hw:pci_numa_affinity_policy=required", "hw_pci_numa_affinity_policy=required"),
            "required",
        ),
    ],
)
def test_how_near_devices_must_be(given: tuple[str, ...], policy: str) -> None:
    wish = wish_of("hw:numa_nodes=1", *given)
    assert wish is not None and wish.affinity == policy
    assert wish_of(*given) is None  # alone it says nothing of CPUs or memory


@pytest.mark.parametrize(
    ("given", "threads"),
    [
        ((), ""),
        (("hw:cpu_thread_policy=isolate",), "isolate"),
        (("hw_cpu_thread_policy=require",), "require"),
        (("hw:cpu_thread_policy=prefer", "hw_cpu_thread_policy=require"), "require"),
        (("hw:cpu_thread_policy=prefer",), "prefer"),
        (("hw:cpu_thread_policy=isolate", "hw_cpu_thread_policy=isolate"), "isolate"),
    ],
)
def test_an_image_says_what_a_flavor_leaves_open_of_threads(
    given: tuple[str, ...], threads: str
) -> None:
    wish = wish_of("hw:cpu_policy=dedicated", *given)
    assert wish is not None and wish.threads == threads


def test_memory_too_is_shared_out_evenly_or_not_at_all() -> None:
    with pytest.raises(BadInput, match="cannot be evenly distributed"):
        cpu_wishes.wish(2, 65, {"hw:numa_nodes": "2"}, {})
    assert cpu_wishes.wish(2, 66, {"hw:numa_nodes": "2"}, {}) is not None


def test_how_many_cpus_of_each_kind() -> None:
    for given, dedicated, shared in (
        (("hw:cpu_policy=dedicated",), 4, 0),
        (("hw:cpu_policy=dedicated", "hw:emulator_threads_policy=isolate"), 5, 0),
        (("hw:cpu_policy=mixed", "hw:cpu_dedicated_mask=0"), 1, 3),
        (("hw:numa_nodes=2",), 0, 4),
    ):
        wish = wish_of(*given)
        assert wish is not None and (wish.dedicated, wish.shared) == (dedicated, shared)


@pytest.mark.parametrize(
    "specs", [{"hw:cpu_policy": "dedicated"}, {"hw:mem_page_size": "large"}, {"hw:numa_nodes": "2"}]
)
def test_each_cpu_is_looked_at_so_there_are_not_too_many(specs: dict[str, str]) -> None:
    with pytest.raises(BadInput, match="1024 vCPUs"):
        cpu_wishes.wish(2_000_000_000, MEMORY, specs, {})
    assert cpu_wishes.wish(2_000_000_000, MEMORY, {}, {}) is None


def test_a_topology_of_very_many_processors_is_found_at_once() -> None:
    vcpus = 2_095_133_040  # 1,536 numbers divide it
    found = cpu_topology.best(Nothing(), vcpus)
    assert found.sockets * found.cores * found.threads == vcpus


class Nothing:
    """A flavor and an image that say nothing."""

    image: Mapping[str, Any] = {}

    def number(self, name: str) -> int:
        return 0
