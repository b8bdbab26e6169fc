"""QEMU's arguments for where a guest's CPUs and memory are on its host, and for devices of the host that it has.

Source: QEMU's manual, "-numa", "-object memory-backend-ram", "-object memory-backend-memfd"; the kernel's, "VFIO".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

SMALL_KIB = 4


@dataclass(frozen=True)
class Node:
    """A NUMA node of a guest. cpus: the guest's. page_kib: of its memory. host_cell: where that is; None: anywhere."""

    cpus: tuple[int, ...]
    memory_mib: int
    page_kib: int = SMALL_KIB
    host_cell: int | None = None


def node_arguments(nodes: Sequence[Node]) -> list[str]:
    """The guest's nodes with their memory, each bound to its cell. Huge pages are taken at the start, or it fails."""
    argv: list[str] = []
    for number, node in enumerate(nodes):
        kind, huge = "memory-backend-ram", ""
        if node.page_kib != SMALL_KIB:
            kind = "memory-backend-memfd"
            huge = f",hugetlb=on,hugetlbsize={node.page_kib}K,prealloc=on"
        cell = "" if node.host_cell is None else f",host-nodes={node.host_cell},policy=bind"
        argv += ["-object", f"{kind},id=ram{number},size={node.memory_mib}M{huge}{cell}"]
        cpus = "".join(f",cpus={cpu}" for cpu in node.cpus)
        argv += ["-numa", f"node,nodeid={number}{cpus},memdev=ram{number}"]
    return argv


def device_arguments(addresses: Sequence[str], bus: str) -> list[str]:
    """Devices of the host by PCI address, on the machine's own bus: root ports are left to what is plugged in."""
    argv: list[str] = []
    for number, address in enumerate(addresses):
        argv += ["-device", f"vfio-pci,host={address},id=host{number},bus={bus}"]
    return argv
