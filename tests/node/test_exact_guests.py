"""NUMA cells, pages and devices of hosts, and guests that are held to some of them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.node.hosts import house, server

from hanok.commands import Failed, GuestCell, HostCell, HostDevice, InstanceState, Topology
from hanok.drivers.qemu.places import Node, device_arguments, node_arguments
from hanok.node import cells as hardware
from hanok.node import pinning


def write(root: Path, **files: str) -> None:
    """Files below root; __ stands for a slash."""
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def a_host(root: Path) -> None:
    """Two cells of four CPUs on two cores each; the second has huge pages."""
    for cell in (0, 1):
        folder = root / f"devices/system/node/node{cell}"
        write(
            folder,
            cpulist=f"{4 * cell}-{4 * cell + 3}\n",
            meminfo=f"Node {cell} MemTotal:       {2048 * 1024} kB\nNode {cell} MemFree: 5 kB\n",
        )
        for size, count in ((2048, 256 * cell), (1048576, 0)):
            path = folder / "hugepages" / f"hugepages-{size}kB"
            write(path, nr_hugepages=f"{count}\n")
        for cpu in range(4 * cell, 4 * cell + 4):
            first = cpu - cpu % 2
            path = root / f"devices/system/cpu/cpu{cpu}/topology"
            write(path, thread_siblings_list=f"{first}-{first + 1}\n")


@pytest.mark.parametrize(
    ("dedicated", "shared", "cpus"),
    [
        ("", "", [((0, 1, 2, 3), ()), ((4, 5, 6, 7), ())]),
        ("2-3,6-7", "", [((0, 1), (2, 3)), ((4, 5), (6, 7))]),
        ("1-7,^4", "0,4", [((0,), (1, 2, 3)), ((4,), (5, 6, 7))]),
        ("6-7", "0", [((0,), ()), ((), (6, 7))]),
    ],
)
def test_cells(
    tmp_path: Path, dedicated: str, shared: str, cpus: list[tuple[tuple[int, ...], tuple[int, ...]]]
) -> None:
    a_host(tmp_path)
    found = hardware.cells(dedicated, shared, tmp_path)
    assert [(cell.shared, cell.dedicated) for cell in found] == cpus
    assert [cell.memory_mib for cell in found] == [2048, 2048]
    assert [cell.pages for cell in found] == [{}, {2048: 256}]
    assert found[0].cores == ((0, 1), (2, 3))


def test_a_kernel_that_tells_of_no_cells(tmp_path: Path) -> None:
    assert hardware.cells("", "", tmp_path) == ()


def test_devices(tmp_path: Path) -> None:
    """Only what the operator names, what has an IOMMU group, and whose driver is vfio-pci."""
    for number, driver in enumerate(("vfio-pci", "vfio-pci", "e1000", "")):
        folder = tmp_path / f"bus/pci/devices/0000:3b:00.{number}"
        write(folder, vendor="0x8086\n", device=f"0x156{number}\n", numa_node=f"{number - 1}\n")
        (tmp_path / f"drivers/{driver or 'none'}").mkdir(parents=True, exist_ok=True)
        (tmp_path / f"groups/{number}").mkdir(parents=True)
        (folder / "iommu_group").symlink_to(tmp_path / f"groups/{number}")
        if driver:
            (folder / "driver").symlink_to(tmp_path / f"drivers/{driver}")
    first = HostDevice(address="0000:3b:00.0", vendor_id="8086", product_id="1560")
    second = HostDevice(address="0000:3b:00.1", vendor_id="8086", product_id="1561", cell=0)
    for given, expected in (
        ((), ()),
        (("0000:3b:00.0",), (first,)),
        (("8086:1561",), (second,)),
        (("8086:1560", "0000:3b:00.1", "8086:1562", "0000:3b:00.3"), (first, second)),
    ):
        assert hardware.devices(given, tmp_path) == expected
    assert hardware.group_of("0000:3b:00.1", tmp_path) == "1"


def test_what_qemu_is_told() -> None:
    nodes = (Node((0, 3), 64, host_cell=1), Node((1,), 128, page_kib=2048))
    assert node_arguments(nodes) == [
        "-object", "memory-backend-ram,id=ram0,size=64M,host-nodes=1,policy=bind",
        "-numa", "node,nodeid=0,cpus=0,cpus=3,memdev=ram0",
        "-object", "memory-backend-memfd,id=ram1,size=128M,hugetlb=on,hugetlbsize=2048K,prealloc=on",
        "-numa", "node,nodeid=1,cpus=1,memdev=ram1",
    ]  # fmt: skip
    assert device_arguments(["0000:3b:00.1"], "pcie.0") == [
        "-device", "vfio-pci,host=0000:3b:00.1,id=host0,bus=pcie.0"
    ]  # fmt: skip


def topology(*pins: dict[int, int], emulator: tuple[int, ...] = (), page: int = 4) -> Topology:
    cells = tuple(
        GuestCell(
            host_cell=0, cpus=(number,), memory_mib=32, pins=one, shared=(0, 1), page_kib=page
        )
        for number, one in enumerate(pins)
    )
    return Topology(cells=cells, emulator=emulator)


def test_where_threads_run() -> None:
    one = topology({0: 5}, {})
    assert pinning.threads(one) == {0: frozenset([5]), 1: frozenset([0, 1])}
    assert pinning.emulator(one) == {0, 1, 5}
    assert pinning.emulator(topology({0: 5}, {}, emulator=(7,))) == {7}


def affinities(pid: int) -> list[tuple[str, set[int]]]:
    """The names of a process's threads, and the CPUs that each may run on."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        name = (task / "comm").read_text().strip()
        found.append((name, os.sched_getaffinity(int(task.name))))
    return found


async def test_a_real_guest_runs_where_it_is_meant_to() -> None:
    """Two nodes of a guest, each CPU on one of the host's; also after it was started anew."""
    async with house("real") as host:
        await host.image()
        desired = topology({0: 1}, {1: 0}, emulator=(1,))
        requested = server(vcpus=2, memory_mib=64, topology=desired)
        assert (await host.instance(requested)).power == "running"
        pid = (await host.inventory()).processes[requested.server_id]
        cpus = sorted(
            (name.partition("/")[0], allowed)
            for name, allowed in affinities(pid)
            if name.startswith("CPU ")
        )
        assert cpus == [("CPU 0", {1}), ("CPU 1", {0})]
        assert all(
            allowed == {1} for name, allowed in affinities(pid) if not name.startswith("CPU ")
        )


async def test_a_real_host_says_what_it_cannot_give() -> None:
    async with house("real") as host:
        await host.image()
        for desired, words in (
            (topology({0: 999}), "could not give the server the CPUs"),
            (topology({0: 0}, page=2048), ""),  # there are no huge pages here
        ):
            requested = server(vcpus=1, memory_mib=32, topology=desired)
            answer = await host.ask(requested)
            if isinstance(answer, InstanceState):  # a machine that has pages set aside
                continue
            assert isinstance(answer, Failed) and words in answer.message
            assert (await host.inventory()).processes == {}


def test_a_cell_is_what_a_host_tells() -> None:
    (cell, *_) = hardware.cells("", "")
    assert isinstance(cell, HostCell) and cell.memory_mib > 0 and 0 in cell.shared
