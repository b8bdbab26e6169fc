"""The NUMA cells and PCI devices of a host, as the kernel shows them, and which of them the operator gives to guests.

Source: kernel documentation, "ABI/stable/sysfs-devices-node", "ABI/testing/sysfs-bus-pci", "VFIO".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from hanok.commands import HostCell, HostDevice

SYS = Path("/sys")
_PAGES = re.compile(r"hugepages-(\d+)kB")
_ADDRESS = re.compile(r"[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")


def cpu_set(text: str) -> frozenset[int]:
    """CPUs as the kernel and settings write them: "0-3,8"; a part with ^ is taken away.

    Raises:
        ValueError
    """
    added, taken = set[int](), set[int]()
    for part in filter(None, (one.strip() for one in text.split(","))):
        first, _, last = part.removeprefix("^").partition("-")
        cpus = range(int(first), int(last or first) + 1)
        (taken if part.startswith("^") else added).update(cpus)
    return frozenset(added - taken)


def cells(dedicated: str, shared: str, sys: Path = SYS) -> tuple[HostCell, ...]:
    """The host's NUMA cells; one that no kernel tells of has all CPUs.

    Args:
        dedicated: CPUs that go to one guest each. shared: those that guests float on; "": all others.
    """
    alone = cpu_set(dedicated)
    folders = sorted(
        (sys / "devices/system/node").glob("node[0-9]*"), key=lambda one: int(one.name[4:])
    )
    return tuple(_cell(folder, alone, shared, sys) for folder in folders)


def _cell(folder: Path, alone: frozenset[int], shared: str, sys: Path) -> HostCell:
    cpus = cpu_set((folder / "cpulist").read_text())
    floating = cpu_set(shared) & cpus if shared else cpus
    return HostCell(
        id=int(folder.name[4:]),
        memory_mib=_memory_mib(folder),
        shared=tuple(sorted(floating - alone)),
        dedicated=tuple(sorted(cpus & alone)),
        cores=tuple(sorted({_core(cpu, sys) for cpu in cpus})),
        pages=_pages(folder),
    )


def _memory_mib(folder: Path) -> int:
    for line in (folder / "meminfo").read_text().splitlines():
        words = line.split()
        if "MemTotal:" in words:
            return int(words[words.index("MemTotal:") + 1]) // 1024
    return 0


def _core(cpu: int, sys: Path) -> tuple[int, ...]:
    path = sys / f"devices/system/cpu/cpu{cpu}/topology/thread_siblings_list"
    return tuple(sorted(cpu_set(path.read_text()))) if path.exists() else (cpu,)


def _pages(folder: Path) -> dict[int, int]:
    """How many huge pages there are by size in KiB; sizes without any are left out."""
    found = {}
    for one in (folder / "hugepages").glob("hugepages-*kB"):
        match = _PAGES.fullmatch(one.name)
        count = int((one / "nr_hugepages").read_text())
        if match is not None and count:
            found[int(match[1])] = count
    return found


# ---- PCI ----


def devices(given: Sequence[str], sys: Path = SYS) -> tuple[HostDevice, ...]:
    """The devices that the operator gives to guests, as far as they can be handed over.

    Args:
        given: PCI addresses, or kinds ("8086:1563").

    A device is there when the kernel has an IOMMU group for it and its driver is vfio-pci.
    """
    found = (_device(one) for one in _folders(sys) if given)
    return tuple(
        one
        for one in found
        if one is not None
        and (one.address in given or f"{one.vendor_id}:{one.product_id}" in given)
    )


def _folders(sys: Path) -> Iterable[Path]:
    return sorted((sys / "bus/pci/devices").glob("*"))


def _device(folder: Path) -> HostDevice | None:
    driver = folder / "driver"
    if (
        not _ADDRESS.fullmatch(folder.name)
        or not (folder / "iommu_group").exists()
        or not driver.exists()
        or driver.resolve().name != "vfio-pci"
    ):
        return None
    cell = int((folder / "numa_node").read_text()) if (folder / "numa_node").exists() else -1
    kind: Literal["type-PCI", "type-PF", "type-VF"] = "type-PCI"
    if (folder / "physfn").exists():
        kind = "type-VF"
    elif (folder / "sriov_totalvfs").exists():
        kind = "type-PF"
    return HostDevice(
        address=folder.name,
        vendor_id=(folder / "vendor").read_text().strip().removeprefix("0x"),
        product_id=(folder / "device").read_text().strip().removeprefix("0x"),
        cell=None if cell < 0 else cell,
        kind=kind,
    )


def group_of(address: str, sys: Path = SYS) -> str:
    """The VFIO group of a device: the name of its file in /dev/vfio."""
    return (sys / "bus/pci/devices" / address / "iommu_group").resolve().name
