"""What holds a guest back, put in place: its control groups, the rates of its disks, the rates of its interfaces.

Source: QMP reference of QEMU (block_set_io_throttle, query-block).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from hanok.commands import NIC, EnsureInstance
from hanok.commands.limits import DiskRate, Limited, NICRate
from hanok.drivers.qemu.hotplug_disks import VOLUME_DEVICE
from hanok.drivers.qemu.monitor import Monitor
from hanok.node.cgroups import Groups
from hanok.node.chassis import Chassis
from hanok.node.errors import NotDone

log = logging.getLogger(__name__)


def able(groups: Groups, chassis: Chassis) -> tuple[Limited, ...]:
    """What a host can hold its guests to."""
    found: list[Limited] = ["disk"]
    if "cpu" in groups.trees:
        found.append("cpu")
    if chassis.limits:
        found.append("inbound")
    return tuple(found)


def maximum_mib(memory_mib: int, slack_mib: int) -> int:
    """How much memory the process of a guest may have: more for larger ones, whose page tables are larger."""
    return memory_mib + memory_mib // 32 + slack_mib


async def admit(groups: Groups, spec: EnsureInstance, pid: int, slack_mib: int) -> None:
    """A process that has just been started is in its guest's groups.

    Raises:
        NotDone: it is not, and its flavor asks for that.
    """
    bound = maximum_mib(spec.memory_mib, slack_mib)
    try:
        await asyncio.to_thread(
            groups.admit, spec.server_id, pid, spec.limits, vcpus=spec.vcpus, maximum_mib=bound
        )
    except OSError as error:
        log.warning("server %s is in no control group: %r", spec.server_id, error)
        if "cpu" in spec.limits.kinds():
            raise NotDone(
                "The host could not hold the server to the processor time of its flavor.",
                detail=repr(error),
            ) from error


async def slow_disks(monitor: Monitor, rate: DiskRate) -> None:
    """Each disk that the guest may write to is held to a rate; volumes have their own."""
    if rate == DiskRate():
        return
    answer = await monitor.execute("query-block")
    for one in answer if isinstance(answer, list) else []:
        inserted = one.get("inserted")
        own = one.get("qdev") and VOLUME_DEVICE not in one["qdev"]
        if inserted and not inserted.get("ro") and own:
            await monitor.execute("block_set_io_throttle", throttle(one["qdev"], rate))


def throttle(device: str, rate: DiskRate) -> dict[str, str | int]:
    """What QEMU is told of a device."""
    return {
        "id": device,
        "bps": rate.total_bytes,
        "bps_rd": rate.read_bytes,
        "bps_wr": rate.write_bytes,
        "iops": rate.total_requests,
        "iops_rd": rate.read_requests,
        "iops_wr": rate.write_requests,
    }


async def slow_interfaces(chassis: Chassis, nics: Sequence[NIC], rate: NICRate) -> None:
    """What goes to a guest through plugged ports is held to a rate; to none, if it says none."""
    for nic in nics:
        await chassis.limit(nic.port_id, rate.average_kb, rate.peak_kb, rate.burst_kb)
