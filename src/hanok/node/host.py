"""What the host is and has, read from /proc and the file system."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from hanok.commands import HostState
from hanok.commands.limits import Limited
from hanok.drivers.qemu.probe import Accelerator
from hanok.node import cells, cgroups
from hanok.node.hardware import Board
from hanok.node.settings import NodeSettings

OVERHEAD_MIB = {"kvm": 64, "tcg": 160}
"""Of QEMU itself, by accelerator: 246 MiB were seen for a guest of 128 under TCG."""


def boot_id(settings: NodeSettings) -> str:
    """Another one after each start of the host's kernel."""
    return Path(settings.boot_id_file).read_text().strip()


def _meminfo() -> dict[str, int]:
    lines = Path("/proc/meminfo").read_text().splitlines()
    pairs = (line.split(":") for line in lines)
    return {name: int(rest.split()[0]) // 1024 for name, rest in pairs}


def memory() -> tuple[int, int]:
    """The memory of this host and what is free of it, in MiB: of the machine, or what the node's group may have."""
    of_machine = _meminfo()
    total, free = of_machine["MemTotal"], of_machine["MemAvailable"]
    if (bound := cgroups.memory_limit()) is not None:
        total, free = min(total, bound[0]), min(free, bound[1])
    return total, free


def memory_available_mib() -> int:
    return memory()[1]


def describe(
    settings: NodeSettings,
    accelerator: Accelerator,
    qemu_version: str,
    board: Board,
    *,
    running_guests: int,
    limits: tuple[Limited, ...] = (),
) -> HostState:
    """The host as it is now. Reads some small files: a millisecond."""
    total_mib, free_mib = memory()
    disk = shutil.disk_usage(settings.state_dir)
    model, vendor = _cpu()
    return HostState(
        host=settings.host,
        address=settings.address,
        vcpus=os.cpu_count() or 1,
        memory_mib=total_mib,
        memory_free_mib=free_mib,
        disk_gib=disk.total >> 30,
        disk_free_gib=disk.free >> 30,
        accelerator=accelerator.kind,
        accelerator_reason=accelerator.reason,
        qemu_version=qemu_version,
        cpu_model=model,
        cpu_arch=os.uname().machine,
        cpu_vendor=vendor,
        running_guests=running_guests,
        uptime_s=int(float(Path("/proc/uptime").read_text().split()[0])),
        load=os.getloadavg(),
        cells=cells.cells(settings.cpu_dedicated_set, settings.cpu_shared_set),
        devices=cells.devices(settings.pci_devices),
        ratios=settings.ratios,
        limits=limits,
        overhead_mib=OVERHEAD_MIB.get(accelerator.kind, 0),
        traits=board.traits,
        offers=board.offers,
        hypervisors=("qemu", "kvm") if accelerator.kind == "kvm" else ("qemu",),
        cpu_flags=board.cpu_flags,
    )


def _cpu() -> tuple[str, str]:
    values: dict[str, str] = {}
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        values.setdefault(name.strip(), value.strip())
    return values.get("model name", ""), values.get("vendor_id", "")
