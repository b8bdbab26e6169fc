"""What a guest says of its own memory, by the driver of its balloon.

Source: QEMU's documentation, "virtio balloon memory statistics"; proc(5), status.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hanok.drivers.qemu.errors import CommandFailed
from hanok.drivers.qemu.monitor import Monitor

DEVICE = "/machine/peripheral/balloon"
EVERY_S = 10
UNKNOWN = 2**64 - 1  # what a driver does not tell
KIB = 1024
BYTES = {
    "stat-swap-in": "swap_in",
    "stat-swap-out": "swap_out",
    "stat-free-memory": "unused",
    "stat-total-memory": "available",
    "stat-available-memory": "usable",
    "stat-disk-caches": "disk_caches",
}
COUNTS = {"stat-major-faults": "major_fault", "stat-minor-faults": "minor_fault"}
"""QEMU's names, and those under which the field knows them."""


async def watch(monitor: Monitor) -> None:
    """From now on the guest is asked of its memory."""
    setting = {"path": DEVICE, "property": "guest-stats-polling-interval", "value": EVERY_S}
    with contextlib.suppress(CommandFailed):
        await monitor.execute("qom-set", setting)


async def told(monitor: Monitor, pid: int) -> dict[str, int]:
    """What the guest has told last, and what its process has: KiB, and counts; empty of what is not known."""
    stats: Any = {}
    with contextlib.suppress(CommandFailed):
        answer = await monitor.execute("qom-get", {"path": DEVICE, "property": "guest-stats"})
        stats = answer if isinstance(answer, dict) else {}
    found = figures(stats.get("stats", {})) if stats.get("last-update") else {}
    return found | _resident(pid)


def figures(stats: Mapping[str, int]) -> dict[str, int]:
    """The figures of a driver by the field's names, in KiB but for counts."""
    known = {name: value for name, value in stats.items() if 0 <= value < UNKNOWN}
    found = {ours: known[name] // KIB for name, ours in BYTES.items() if name in known}
    return found | {ours: known[name] for name, ours in COUNTS.items() if name in known}


def _resident(pid: int) -> dict[str, int]:
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return {"rss": int(line.split()[1])}
    return {}
