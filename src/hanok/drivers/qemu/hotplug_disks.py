"""Volumes that come and go while a guest runs.

QEMU is asked what it has: a volume's device is called by its attachment. Whether a device goes is the guest's decision.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any

from hanok.drivers.qemu import hotplug
from hanok.drivers.qemu.arguments import Disk, Place, disk_device, disk_node
from hanok.drivers.qemu.errors import CommandFailed
from hanok.drivers.qemu.hardware import PC, Q35
from hanok.drivers.qemu.monitor import Monitor

VOLUME_DEVICE = "disk-v"
_OTHER = {"": "x", "x": ""}
NAME = 30  # of a node, without what tells the two of a volume apart


def volume_name(attachment_id: str) -> str:
    """What the node of a volume is called."""
    return f"v{attachment_id.replace('-', '')}"[: NAME - 1]


async def volumes(monitor: Monitor) -> set[str]:
    """The names of the volumes that a guest has."""
    found = await hotplug.devices(monitor)
    return {name.removeprefix("disk-") for name in found if name.startswith(VOLUME_DEVICE)}


async def plug(monitor: Monitor, disk: Disk) -> Place:
    """Give a guest a disk; returns where it is.

    Raises:
        CommandFailed: there is no free place for it, or QEMU refuses it.
    """
    found = await hotplug.devices(monitor)
    family = Q35 if "rp0" in found else PC
    place = await _place(monitor, disk, found)
    kind, where = disk_device(disk, place, family)
    device: dict[str, Any] = {"driver": kind, "id": f"disk-{disk.name}", "drive": disk.name}
    device |= dict(one.split("=", 1) for one in where.split(","))
    device |= {"werror": "stop", "rerror": "stop", "serial": disk.serial[:20]}
    if "scsi-id" in device:
        device["scsi-id"] = int(device["scsi-id"])
    await _add_node(monitor, disk)
    try:
        await monitor.execute("device_add", device)
    except CommandFailed:
        await _forget_node(monitor, disk.name)
        raise
    return place


async def _place(monitor: Monitor, disk: Disk, found: dict[str, str]) -> Place:
    if disk.bus in ("sata", "ide"):
        raise CommandFailed(f"a disk cannot come to the bus {disk.bus} of a server that runs")
    if disk.bus == "virtio":
        taken, count = await hotplug.places(monitor)
        if not (free := sorted(set(range(count)) - set(taken.values()))):
            raise CommandFailed("the server has no free PCIe port for another device")
        return Place(free[0], True, 0)
    if disk.bus not in found:
        raise CommandFailed(f"the server has no {disk.bus.upper()} controller for another disk")
    return Place(None, False, await _free_unit(monitor) if disk.bus == "scsi" else 0)


async def _free_unit(monitor: Monitor) -> int:
    taken = (await units(monitor)).values()
    return next(number for number in range(256) if number not in taken)


async def units(monitor: Monitor) -> dict[str, int]:
    """The numbers of SCSI disks on their controller, by device."""
    there = await hotplug.devices(monitor)
    disks = [one for one, kind in there.items() if kind in ("child<scsi-hd>", "child<scsi-cd>")]
    found = await hotplug.properties(monitor, disks, "scsi-id")
    return {name: int(number) for name, number in found.items()}


async def unplug(monitor: Monitor, name: str, *, timeout_s: float) -> bool:
    """Take a volume from a guest; whether the guest let go of it in time."""
    if not await hotplug.let_go(monitor, f"disk-{name}", timeout_s=timeout_s):
        return False
    for end in _OTHER:
        await _forget_node(monitor, name + end)
    return True


async def smaller(monitor: Monitor, sizes: Mapping[str, int]) -> set[str]:
    """Which volumes a guest sees smaller than these sizes, in bytes, by name. All are asked at once."""
    if not sizes:
        return set()
    drives, current = await asyncio.gather(
        hotplug.properties(monitor, [f"disk-{name}" for name in sizes], "drive"), _sizes(monitor)
    )
    return {name for name, size in sizes.items() if current.get(drives.get(f"disk-{name}", ""), 0) < size}  # fmt: skip


async def resize(monitor: Monitor, disk: Disk, size_bytes: int) -> None:
    """The guest sees the size that the volume has by now. A client of NBD keeps the one that it found."""
    device = f"{hotplug.DEVICES}/disk-{disk.name}"
    now = await hotplug.property_of(monitor, f"disk-{disk.name}", "drive")
    end = _OTHER["x" if now.endswith("x") and now != disk.name else ""]
    await _forget_node(monitor, disk.name + end)
    node = {**disk_node(disk), "node-name": disk.name + end}
    await monitor.execute("blockdev-add", node)
    swap = {"path": device, "property": "drive", "value": disk.name + end}
    try:
        await monitor.execute("qom-set", swap)
    except CommandFailed:
        await _forget_node(monitor, disk.name + end)
        raise
    await _forget_node(monitor, now)
    await monitor.execute("block_resize", {"node-name": disk.name + end, "size": size_bytes})


async def _sizes(monitor: Monitor) -> dict[str, int]:
    """The sizes of all nodes, in bytes."""
    answer = await monitor.execute("query-named-block-nodes", {"flat": True})
    found = answer if isinstance(answer, list) else []
    return {one["node-name"]: int(one["image"]["virtual-size"]) for one in found}


async def _add_node(monitor: Monitor, disk: Disk) -> None:
    try:
        await monitor.execute("blockdev-add", disk_node(disk))
    except CommandFailed as error:
        if "uplicate node" not in error.detail:
            raise
        # An attempt that was broken off has left it.
        await _forget_node(monitor, disk.name)
        await monitor.execute("blockdev-add", disk_node(disk))


async def _forget_node(monitor: Monitor, name: str) -> None:
    """A node that no device has is gone.

    QEMU flushes before it deletes one: where the export is gone that waits for it, for an hour, with the guest and all
    questions. So its connection is cut off first. The storage daemon syncs what it was given when it lets go of it.
    """
    cut = {"type": "block-node", "node-name": name}
    with contextlib.suppress(CommandFailed):
        await monitor.execute("yank", {"instances": [cut]})
    with contextlib.suppress(CommandFailed):
        await monitor.execute("blockdev-del", {"node-name": name})
