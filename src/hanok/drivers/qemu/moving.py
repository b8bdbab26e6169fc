"""A guest that moves to another QEMU while it runs: first its disks, then its memory.

At its destination QEMU waits with the same devices (`-incoming defer`), and offers its empty disks by NBD. At the
source each disk is mirrored there; what the guest writes goes to both from then on. When all are the same, the memory
goes. The guest stands still before the last piece of it ("pre-switchover"), in which moment the mirrors end. The source
has "completed" when the destination has said over the same line that it has all.

Lines are unix sockets, whose other ends are the caller's.

Source: QEMU's docs/devel/migration.rst, docs/interop/live-block-operations.rst, and qapi/migration.json.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hanok.base.failpoints import failpoint
from hanok.drivers.qemu.errors import CommandFailed, QEMUError
from hanok.drivers.qemu.monitor import COMMAND_S, POLL_S, Monitor

MIRROR = "move-"  # before the name of a disk: the job that mirrors it, and the node it writes to
BANDWIDTH = 1 << 30  # bytes a second; QEMU's own limit is meant for networks that others need
CAPABILITIES = ("events", "auto-converge", "pause-before-switchover", "return-path")
ENDED = ("completed", "failed", "cancelled", "none", "")
INCOMING = "inmigrate"
LOOKED_S = 60.0


@dataclass(frozen=True)
class Progress:
    """How far the memory is. status: QEMU's word. total, sent, left: bytes. error: why it failed."""

    status: str
    total: int = 0
    sent: int = 0
    left: int = 0
    error: str = ""


# ---- at the destination


async def await_guest(monitor: Monitor, disks: Sequence[str], exports: str, memory: str) -> None:
    """Offer the disks, by the names of their nodes, and wait for the memory. exports, memory: paths of sockets."""
    if disks:
        address = {"type": "unix", "data": {"path": exports}}
        await monitor.execute("nbd-server-start", {"addr": address})
    for name in disks:
        one = {"type": "nbd", "id": f"{MIRROR}{name}", "node-name": name, "name": name}
        await monitor.execute("block-export-add", {**one, "writable": True})
    await monitor.execute("migrate-incoming", {"uri": f"unix:{memory}"})


async def has_come(monitor: Monitor, *, timeout_s: float = 5.0) -> bool:
    """Whether all of the guest is here; waits a moment for the end of what is being read."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            while True:
                if await monitor.status() != INCOMING:
                    return True
                await asyncio.sleep(POLL_S / 5)
    return False


async def end_exports(monitor: Monitor) -> None:
    """The disks are the guest's alone."""
    with contextlib.suppress(CommandFailed):  # there were none
        await monitor.execute("nbd-server-stop")


async def announce(monitor: Monitor) -> None:
    """The guest says on its networks that it is here."""
    rounds = {"initial": 20, "max": 500, "rounds": 6, "step": 80}
    with contextlib.suppress(CommandFailed):
        await monitor.execute("announce-self", rounds)


# ---- at the source


async def begin_mirrors(monitor: Monitor, disks: Mapping[str, str], path: str) -> None:
    """Begin to mirror disks into the exports of their names, behind a unix socket.

    disks: for each "full", or "top": without what it stands on.
    The guest stands still for that moment: QEMU does not hear of what is written before it has looked what there is
    (docs/decisions/0092).
    """
    runs = await monitor.status() == "running"
    try:
        if runs:
            await monitor.execute("stop")
        for disk, sync in disks.items():
            await _begin_mirror(monitor, disk, path, sync)
        await failpoint("node.send_instance.begins")
        await _all_looked(monitor, set(disks))
    finally:
        if runs:
            await asyncio.shield(monitor.execute("cont"))


async def _begin_mirror(monitor: Monitor, disk: str, path: str, sync: str) -> None:
    name = f"{MIRROR}{disk}"
    server = {"type": "unix", "path": path}
    node = {"driver": "nbd", "node-name": name, "server": server, "export": disk}
    await monitor.execute("blockdev-add", {**node, "discard": "unmap"})
    job = {"job-id": name, "device": disk, "target": name, "sync": sync}
    await monitor.execute(
        "blockdev-mirror", {**job, "copy-mode": "write-blocking", "auto-dismiss": False}
    )


async def _all_looked(monitor: Monitor, disks: set[str]) -> None:
    async with asyncio.timeout(LOOKED_S):
        while True:
            jobs = await mirrors(monitor)
            if disks <= {disk for disk, job in jobs.items() if has_looked(job)}:
                return
            await asyncio.sleep(POLL_S / 10)


def has_looked(job: Mapping[str, Any]) -> bool:
    """Whether a mirror, as QEMU tells it, knows what it has to copy; before, it does not hear of what is written."""
    return job["status"] in ("ready", "concluded") or int(job["total-progress"]) > 0


async def mirrors(monitor: Monitor) -> dict[str, dict[str, Any]]:
    """The jobs that mirror, as QEMU tells them, by disk."""
    jobs = await monitor.execute("query-jobs")
    found = jobs if isinstance(jobs, list) else []
    return {
        str(job["id"]).removeprefix(MIRROR): job
        for job in found
        if str(job.get("id", "")).startswith(MIRROR)
    }


async def begin_memory(monitor: Monitor, path: str) -> None:
    """Begin to send the memory to a unix socket."""
    desired = [{"capability": name, "state": True} for name in CAPABILITIES]
    await monitor.execute("migrate-set-capabilities", {"capabilities": desired})
    await monitor.execute("migrate-set-parameters", {"max-bandwidth": BANDWIDTH})
    await monitor.execute("migrate", {"uri": f"unix:{path}"})


async def progress(monitor: Monitor) -> Progress:
    answer = await monitor.execute("query-migrate")
    if not isinstance(answer, dict):
        return Progress("")
    ram = answer.get("ram") or {}
    total, left = int(ram.get("total", 0)), int(ram.get("remaining", 0))
    return Progress(
        str(answer.get("status", "")),
        total,
        max(0, total - left),
        left,
        str(answer.get("error-desc", "")),
    )


async def go_on(monitor: Monitor) -> None:
    """The guest stands still, and so do the mirrors: send the last piece."""
    await monitor.execute("migrate-continue", {"state": "pre-switchover"})


async def end_mirrors(monitor: Monitor, *, force: bool = False) -> None:
    """No disk is mirrored any more; what was mirrored is whole, unless by force. Also where there was none.

    Raises:
        CommandFailed: one of them was broken.
    """
    broken = ""
    async with asyncio.timeout(COMMAND_S):
        while left := await mirrors(monitor):
            for disk, job in left.items():
                name = f"{MIRROR}{disk}"
                if job.get("status") == "concluded":
                    broken = broken or str(job.get("error", ""))
                    await monitor.execute("job-dismiss", {"id": name})
                    continue
                with contextlib.suppress(CommandFailed):  # it is about to end
                    await monitor.execute("block-job-cancel", {"device": name, "force": force})
            await asyncio.sleep(POLL_S / 10)
    await _forget_targets(monitor)
    if broken and not force:
        raise CommandFailed("a disk could not be mirrored", detail=broken)


async def _forget_targets(monitor: Monitor) -> None:
    nodes = await monitor.execute("query-named-block-nodes", {"flat": True})
    listed = nodes if isinstance(nodes, list) else []
    for node in listed:
        if str(node.get("node-name", "")).startswith(MIRROR):
            with contextlib.suppress(CommandFailed):
                await monitor.execute("blockdev-del", {"node-name": node["node-name"]})


async def call_off(monitor: Monitor) -> Progress:
    """Nothing is being sent any more, if it is not too late for that; how the memory stands then."""
    state = await progress(monitor)
    if state.status not in ENDED:
        with contextlib.suppress(CommandFailed):
            await monitor.execute("migrate_cancel")
    async with asyncio.timeout(COMMAND_S):
        while True:
            if (state := await progress(monitor)).status in ENDED:
                break
            await asyncio.sleep(POLL_S)
    with contextlib.suppress(QEMUError, TimeoutError):
        await end_mirrors(monitor, force=True)
    return state


async def sizes(monitor: Monitor, disks: Sequence[str]) -> dict[str, int]:
    """How large disks are as the guest sees them, in bytes, by the names of their nodes."""
    nodes = await monitor.execute("query-named-block-nodes", {"flat": True})
    listed = nodes if isinstance(nodes, list) else []
    found = {str(one.get("node-name")): one for one in listed}
    return {name: int(found[name]["image"]["virtual-size"]) for name in disks if name in found}
