"""What the host is and has, read from /proc and the file system."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from hanok.commands import HostState
from hanok.drivers.qemu.probe import Accelerator
from hanok.node.settings import NodeSettings


def boot_id(settings: NodeSettings) -> str:
    """Another one after each start of the host's kernel."""
    return Path(settings.boot_id_file).read_text().strip()


def _meminfo() -> dict[str, int]:
    lines = Path("/proc/meminfo").read_text().splitlines()
    pairs = (line.split(":") for line in lines)
    return {name: int(rest.split()[0]) // 1024 for name, rest in pairs}


def memory_available_mib() -> int:
    return _meminfo()["MemAvailable"]


def describe(
    settings: NodeSettings, accelerator: Accelerator, qemu_version: str, *, running_guests: int
) -> HostState:
    """The host as it is now. Reads some small files: a millisecond."""
    memory = _meminfo()
    disk = shutil.disk_usage(settings.state_dir)
    model, vendor = _cpu()
    return HostState(
        host=settings.host,
        address=settings.address,
        vcpus=os.cpu_count() or 1,
        memory_mib=memory["MemTotal"],
        memory_free_mib=memory["MemAvailable"],
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
    )


def _cpu() -> tuple[str, str]:
    values: dict[str, str] = {}
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        values.setdefault(name.strip(), value.strip())
    return values.get("model name", ""), values.get("vendor_id", "")
