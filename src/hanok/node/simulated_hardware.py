"""The CPUs, memory pages and PCI devices that a simulated host says it has."""

from __future__ import annotations

from collections.abc import Mapping

from hanok.commands import HostCell, HostDevice


def cells(
    *,
    vcpus: int,
    memory_mib: int,
    count: int,
    threads: int,
    dedicated: int,
    huge_pages: Mapping[str, int],
) -> tuple[HostCell, ...]:
    """NUMA cells with as much each; what does not divide goes to the first.

    Args:
        threads: of each core. dedicated: CPUs in all that go to one guest each. huge_pages: in all, by KiB.
    """
    made = []
    first = 0
    for number in range(count):
        cpus = range(first, first + _part(vcpus, count, number))
        first = cpus.stop
        split = len(cpus) - _part(dedicated, count, number)
        made.append(
            HostCell(
                id=number,
                memory_mib=_part(memory_mib, count, number),
                shared=tuple(cpus[:split]),
                dedicated=tuple(cpus[split:]),
                cores=tuple(tuple(cpus[at : at + threads]) for at in range(0, len(cpus), threads)),
                pages={int(size): _part(n, count, number) for size, n in huge_pages.items()},
            )
        )
    return tuple(made)


def _part(total: int, count: int, number: int) -> int:
    return total // count + (number < total % count)


def devices(pci: Mapping[str, int], numa_cells: int) -> tuple[HostDevice, ...]:
    """So many devices of each kind ("vendor:product"), in the cells by turns."""
    kinds = [kind for kind, count in pci.items() for _ in range(count)]
    return tuple(
        HostDevice(
            address=f"0000:{number // 32 + 1:02x}:{number % 32:02x}.0",
            vendor_id=kind.partition(":")[0],
            product_id=kind.partition(":")[2],
            cell=number % numa_cells,
        )
        for number, kind in enumerate(kinds)
    )
