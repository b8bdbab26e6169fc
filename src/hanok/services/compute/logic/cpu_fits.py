"""Whether a host's NUMA cells have what a guest wants, and which CPUs and pages it gets there.

Pure: takes what the host has and what is given out, and gives a topology or the reason why there is none.

Source: "CPU topologies" and "Huge pages" in the compute guides of OpenStack.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec
from msgspec import Struct

from hanok.commands import GuestCell, HostCell, Topology
from hanok.services.compute.logic.cpu_wishes import SMALL_KIB, Node, Wish

KIB = 1024  # of a MiB


class Taken(Struct, frozen=True):
    """What of a host is given out. cpus: dedicated ones. pages: KiB of memory by cell and page size."""

    cpus: frozenset[int] = frozenset()
    pages: Mapping[tuple[int, int], int] = {}


def taken(given: Iterable[Topology], cells: Sequence[HostCell]) -> Taken:
    """What these guests have together. A guest that has cores alone has their other threads, too."""
    cpus = set[int]()
    pages: dict[tuple[int, int], int] = {}
    siblings = {cpu: core for cell in cells for core in cell.cores for cpu in core}
    for topology in given:
        mine = set(topology.emulator) if topology.own_emulator else set[int]()
        for cell in topology.cells:
            mine.update(cell.pins.values())
            key = (cell.host_cell, cell.page_kib)
            pages[key] = pages.get(key, 0) + cell.memory_mib * KIB
        if topology.threads == "isolate":
            mine = {other for cpu in mine for other in siblings.get(cpu, (cpu,))}
        cpus |= mine
    return Taken(frozenset(cpus), pages)


def fit(
    wish: Wish,
    cells: Sequence[HostCell],
    used: Taken,
    *,
    memory_ratio: float = 1.0,
    near: frozenset[int] = frozenset(),
) -> Topology | str:
    """A topology for the guest, or why the host has none.

    Args:
        near: the cells of its PCI devices; where the wish requires it, it has all of them, and otherwise prefers them.
    """
    order = sorted(cells, key=lambda cell: (cell.id not in near, cell.id))
    reasons: list[str] = []
    for chosen in _ways(wish.nodes, order, used, wish, memory_ratio, reasons):
        if wish.affinity == "required" and not near <= {cell.host_cell for cell in chosen}:
            reasons.append("its PCI devices are on other NUMA cells")
            continue
        return _finished(wish, chosen, cells, used)
    if len(wish.nodes) > len(cells):
        return f"{len(wish.nodes)} NUMA cells requested, {len(cells)} there"
    return reasons[0] if reasons else "its NUMA cells do not fit together"


def _ways(
    nodes: Sequence[Node],
    cells: Sequence[HostCell],
    used: Taken,
    wish: Wish,
    memory_ratio: float,
    reasons: list[str],
) -> Iterator[list[GuestCell]]:
    """Each node on a cell of its own; why some did not fit goes into reasons."""
    if not nodes:
        yield []
        return
    for cell in cells:
        extra = wish.own_emulator and len(nodes) == len(wish.nodes)
        made = _on_cell(nodes[0], cell, used, wish, memory_ratio, one_more=extra)
        if isinstance(made, str):
            reasons.append(made)
            continue
        others = [one for one in cells if one.id != cell.id]
        for rest in _ways(nodes[1:], others, used, wish, memory_ratio, reasons):
            yield [made, *rest]


def _on_cell(
    node: Node, cell: HostCell, used: Taken, wish: Wish, memory_ratio: float, *, one_more: bool
) -> GuestCell | str:
    page = _page(node, cell, used, wish, memory_ratio)
    if isinstance(page, str):
        return page
    count = len(node.pinned) + one_more
    cpus = _dedicated(count, cell, used.cpus, wish.threads)
    if isinstance(cpus, str):
        return cpus
    floating = len(node.cpus) - len(node.pinned)
    if floating > len(cell.shared):
        return f"{floating} shared CPUs requested in one NUMA cell, {len(cell.shared)} there"
    return GuestCell(
        host_cell=cell.id,
        cpus=node.cpus,
        memory_mib=node.memory_mib,
        page_kib=page,
        pins=dict(zip(node.pinned, cpus, strict=False)),
        shared=cell.shared,
        spare=cpus[len(node.pinned) :],
    )


# ---- memory ----


def _page(node: Node, cell: HostCell, used: Taken, wish: Wish, memory_ratio: float) -> int | str:
    """The page size that a node gets in a cell, in KiB."""
    small = "small" if wish.page == "" else wish.page
    if isinstance(small, int):
        sizes = [small]
    else:
        huge = sorted(cell.pages, reverse=True)
        sizes = {"small": [SMALL_KIB], "large": huge, "any": [*huge, SMALL_KIB]}[small]
    if not sizes or (isinstance(small, int) and small != SMALL_KIB and small not in cell.pages):
        return f"no memory pages of the size {_named(small)}"
    for size in sizes:
        if _free_kib(cell, size, used, memory_ratio) >= node.memory_mib * KIB and not (
            node.memory_mib * KIB % size
        ):
            return size
    free = max(_free_kib(cell, size, used, memory_ratio) for size in sizes) // KIB
    kind = "" if sizes == [SMALL_KIB] else f" in pages of the size {_named(small)}"
    return f"{node.memory_mib} MiB{kind} requested in one NUMA cell, {max(0, free)} free"


def _named(size: str | int) -> str:
    return f"{size} KiB" if isinstance(size, int) else f"'{size}'"


def _free_kib(cell: HostCell, size: int, used: Taken, memory_ratio: float) -> int:
    if size == SMALL_KIB:
        huge = sum(count * kib for kib, count in cell.pages.items())
        total = int((cell.memory_mib * KIB - huge) * memory_ratio)
    else:
        total = cell.pages.get(size, 0) * size
    return total - used.pages.get((cell.id, size), 0)


# ---- CPUs ----


def _dedicated(
    count: int, cell: HostCell, used: frozenset[int], threads: str
) -> tuple[int, ...] | str:
    """So many CPUs of a cell that nobody else has, as the policy of threads wants them."""
    if not count:
        return ()
    free = [cpu for cpu in cell.dedicated if cpu not in used]
    cores = [[cpu for cpu in core if cpu in free] for core in _cores(cell)]
    if threads == "isolate":
        whole = [core for core in _cores(cell) if all(cpu in free for cpu in core)]
        alone = tuple(core[0] for core in whole)
        return alone[:count] if len(alone) >= count else _lacking(count, len(alone), " cores")
    if threads == "require":
        together = tuple(
            cpu for core in cores if len(core) > 1 for cpu in core[: len(core) // 2 * 2]
        )
        if len(together) < count:
            return _lacking(count, len(together), " CPUs on cores with threads")
        return together[:count]
    if len(free) < count:
        return _lacking(count, len(free), " CPUs")
    # Threads of one core first: what is left over stays whole.
    return tuple(cpu for core in sorted(cores, key=len, reverse=True) for cpu in core)[:count]


def _cores(cell: HostCell) -> list[tuple[int, ...]]:
    """The dedicated CPUs by core."""
    named = [tuple(cpu for cpu in core if cpu in cell.dedicated) for core in cell.cores]
    seen = {cpu for core in named for cpu in core}
    return [core for core in named if core] + [(cpu,) for cpu in cell.dedicated if cpu not in seen]


def _lacking(count: int, free: int, what: str) -> str:
    return f"{count} dedicated{what} requested in one NUMA cell, {free} free"


def _finished(
    wish: Wish, chosen: Sequence[GuestCell], cells: Sequence[HostCell], used: Taken
) -> Topology:
    emulator: tuple[int, ...] = ()
    if wish.own_emulator:
        emulator = chosen[0].spare
    elif wish.shared_emulator:
        emulator = tuple(cpu for cell in cells for cpu in cell.shared)
    return Topology(
        cells=tuple(msgspec.structs.replace(cell, spare=()) for cell in chosen),
        policy=wish.policy,
        threads=wish.threads,
        emulator=emulator,
        own_emulator=wish.own_emulator,
        paged=wish.page != "",
    )
