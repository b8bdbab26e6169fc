"""A guest's CPUs on the host's: which threads of QEMU run where, and what QEMU is told of nodes and devices."""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hanok.commands import Topology
from hanok.drivers.qemu.monitor import Monitor
from hanok.drivers.qemu.places import Node
from hanok.node import cells
from hanok.node.errors import NotDone


def nodes(topology: Topology | None, sys: Path = cells.SYS) -> tuple[Node, ...]:
    """The guest's NUMA nodes; their memory is held to a cell where the host has several."""
    bound = len(list((sys / "devices/system/node").glob("node[0-9]*"))) > 1
    return tuple(
        Node(
            cpus=cell.cpus,
            memory_mib=cell.memory_mib,
            page_kib=cell.page_kib,
            host_cell=cell.host_cell if bound else None,
        )
        for cell in (() if topology is None else topology.cells)
    )


def threads(topology: Topology) -> dict[int, frozenset[int]]:
    """The host's CPUs by the guest's, of those that are held to some."""
    found: dict[int, frozenset[int]] = {}
    for cell in topology.cells:
        for cpu in cell.cpus:
            host = cell.pins.get(cpu)
            cpus = frozenset(cell.shared) if host is None else frozenset([host])
            if cpus:
                found[cpu] = cpus
    return found


def emulator(topology: Topology) -> frozenset[int]:
    """The host's CPUs on which everything else of QEMU runs: its own where it has some, else where the guest is."""
    if topology.emulator:
        return frozenset(topology.emulator)
    return frozenset().union(*threads(topology).values())


async def pin(monitor: Monitor, pid: int, topology: Topology | None) -> None:
    """The threads of a guest that does not run yet are on their CPUs.

    Raises:
        NotDone: the host has not the CPUs that it said it has.
    """
    if topology is None:
        return
    told: Any = await monitor.execute("query-cpus-fast")
    by_cpu = {int(one["cpu-index"]): int(one["thread-id"]) for one in told}
    requested = threads(topology)
    try:
        _hold(_tasks(pid), emulator(topology))
        for cpu, thread in by_cpu.items():
            if cpu in requested:
                os.sched_setaffinity(thread, requested[cpu])
    except OSError as error:
        raise NotDone(
            "The host could not give the server the CPUs that are meant for it.", detail=repr(error)
        ) from error


def _tasks(pid: int) -> list[int]:
    return [int(one.name) for one in Path(f"/proc/{pid}/task").iterdir()]


def _hold(tasks: Iterable[int], cpus: frozenset[int]) -> None:
    for task in tasks if cpus else ():
        with contextlib.suppress(ProcessLookupError):  # it ended meanwhile
            os.sched_setaffinity(task, cpus)


def lend(addresses: Iterable[str], uid: int | None, sys: Path = cells.SYS) -> None:
    """The user that a guest runs as may open these devices of the host, and hold its memory in place for them.

    Raises:
        NotDone: the host cannot hand over a device any more.
    """
    for address in addresses:
        group = Path("/dev/vfio") / cells.group_of(address, sys)
        if not group.exists():
            raise NotDone(f"The host cannot hand over its PCI device {address}.", detail=str(group))
        if uid is not None:
            os.chown(group, uid, -1)
        _, maximum = resource.getrlimit(resource.RLIMIT_MEMLOCK)
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, maximum))
