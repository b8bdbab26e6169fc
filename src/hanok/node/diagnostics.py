"""What a running guest has done: time of its processors, what went through its disks and interfaces.

Source: QMP reference of QEMU (query-cpus-fast, query-blockstats, query-balloon); proc(5), net/dev and stat.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from hanok.commands import Diagnostics, DiskCounters, NICCounters
from hanok.drivers.qemu.errors import CommandFailed
from hanok.drivers.qemu.monitor import Monitor
from hanok.node import balloon
from hanok.node.chassis import Chassis
from hanok.node.errors import NotDone
from hanok.node.guests import Guests

MIB = 1 << 20
NANOSECONDS = 1_000_000_000


async def read(guests: Guests, chassis: Chassis, server_id: str) -> Diagnostics:
    """Raises NotDone: there is no such guest, or it does not run."""
    guest = guests.get(server_id)
    monitor, record = guest.monitor, guest.record
    if monitor is None or guest.process is None:
        raise NotDone("The server is not running, so there is nothing to diagnose.")
    counted = await chassis.counters([nic.port_id for nic in record.spec.nics])
    return Diagnostics(
        server_id=server_id,
        power=record.actual,
        accelerator=guests.accelerator.kind,
        started_at=record.started_at,
        cpu_times_ns=await _cpu_times(monitor, record.pid),
        memory_mib=record.spec.memory_mib,
        memory_used_mib=await _memory(monitor, record.spec.memory_mib),
        memory_figures=await balloon.told(monitor, record.pid),
        disks=await _disks(monitor),
        nics=tuple(
            NICCounters(port_id=nic.port_id, mac=nic.mac, **counted.get(nic.port_id, {}))
            for nic in record.spec.nics
        ),
    )


async def _cpu_times(monitor: Monitor, pid: int) -> tuple[int, ...]:
    """How long each processor of the guest has run, in ns; 0 where its thread has just ended."""
    cpus = await monitor.execute("query-cpus-fast")
    threads = [one["thread-id"] for one in cpus] if isinstance(cpus, list) else []
    return tuple([await asyncio.to_thread(_thread_time, pid, thread) for thread in threads])


def _thread_time(pid: int, thread: int) -> int:
    try:
        text = Path(f"/proc/{pid}/task/{thread}/stat").read_text("ascii", "replace")
    except OSError:
        return 0
    fields = text.rpartition(")")[2].split()
    ticks = int(fields[11]) + int(fields[12])  # utime and stime
    return ticks * NANOSECONDS // os.sysconf("SC_CLK_TCK")


async def _memory(monitor: Monitor, whole_mib: int) -> int:
    """How much memory the guest has of its host; all of it, where it has no driver for the balloon."""
    try:
        answer = await monitor.execute("query-balloon")
    except CommandFailed:
        return whole_mib
    return int(answer["actual"]) // MIB if isinstance(answer, dict) else whole_mib


async def _disks(monitor: Monitor) -> tuple[DiskCounters, ...]:
    answer = await monitor.execute("query-blockstats")
    found = []
    for one in answer if isinstance(answer, list) else []:
        stats = one.get("stats", {})
        found.append(
            DiskCounters(
                read_bytes=stats.get("rd_bytes", 0),
                read_requests=stats.get("rd_operations", 0),
                write_bytes=stats.get("wr_bytes", 0),
                write_requests=stats.get("wr_operations", 0),
                errors=stats.get("failed_rd_operations", 0) + stats.get("failed_wr_operations", 0),
            )
        )
    return tuple(found)
