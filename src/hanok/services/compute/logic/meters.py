"""What is measured of servers: their sizes, and what their guests have done.

Source: Ceilometer's documentation, "Measurements", OpenStack Compute.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.clock import zulu
from hanok.base.metering import Meter, Metered, counter
from hanok.bus import NobodyThere
from hanok.commands import Diagnostics, ReadDiagnostics
from hanok.commands.wire import ask
from hanok.services.compute import states
from hanok.services.compute.room import Compute
from hanok.services.compute.tables import servers

READ_S = 10.0
AT_ONCE, OF_HOST = 200, 8  # servers of a page; questions to a host at a time
MIB = 1 << 20
_page = (
    sa.select(servers)
    .where(servers.c.deleted.is_(False), servers.c.sequence > bindparam("behind"))
    .order_by(servers.c.sequence)
    .limit(AT_ONCE)
)


async def of_servers(room: Compute) -> AsyncIterator[Metered]:
    """All servers with their disks and interfaces."""
    behind = 0
    asking: dict[str, asyncio.Semaphore] = {}
    while True:
        async with room.database.read() as tx:
            rows = await tx.all(_page, {"behind": behind})
        told = await asyncio.gather(*(_told(room, row, asking) for row in rows))
        for row, one in zip(rows, told, strict=True):
            yield of_server(row, one)
            if one is not None:
                for part in (*disks_of(row, one), *interfaces_of(row, one)):
                    yield part
        if len(rows) < AT_ONCE:
            return
        behind = rows[-1].sequence


async def _told(
    room: Compute, row: Row[Any], asking: dict[str, asyncio.Semaphore]
) -> Diagnostics | None:
    """What a guest has done; None: it does not run, or its host does not say."""
    if not row.host or row.vm_state == "building" or row.power_state != states.RUNNING:
        return None
    async with asking.setdefault(row.host, asyncio.Semaphore(OF_HOST)):
        try:
            answer = await ask(
                room.bus, row.host, ReadDiagnostics(server_id=row.id), timeout_s=READ_S
            )
        except NobodyThere:
            return None
    return answer if isinstance(answer, Diagnostics) else None


def of_server(row: Row[Any], told: Diagnostics | None) -> Metered:
    """A server with its sizes, and with what its guest uses where that is known."""
    meters = {
        "vcpus": Meter(row.vcpus, "vcpu"),
        "memory": Meter(row.memory_mib, "MB"),
        "disk.root.size": Meter(row.disk_gib, "GB"),
        "disk.ephemeral.size": Meter(row.flavor.get("ephemeral") or 0, "GB"),
        "power.state": Meter(row.power_state, "state"),
    }
    if told is not None:
        meters["cpu"] = counter(sum(told.cpu_times_ns), "ns")
        meters["memory.usage"] = Meter(_memory_used(told), "MB")
        if "rss" in told.memory_figures:
            meters["memory.resident"] = Meter(told.memory_figures["rss"] / 1024, "MB")
    return Metered(
        kind="instance",
        name=row.id,
        project_id=row.project_id,
        user_id=row.user_id,
        started_at=row.created_at,
        attributes={
            "display_name": row.name,
            "host": row.host,
            "flavor_id": row.flavor_id,
            "flavor_name": row.flavor["name"],
            "image_ref": row.image_id or None,
            "availability_zone": row.availability_zone,
            "server_group": _short(row.metadata.get("metering.server_group")),
            "created_at": zulu(row.created_at),
            "launched_at": zulu(row.launched_at),
        },
        meters=meters,
    )


def _short(text: str | None) -> str | None:
    return None if text is None else text[:255]


def _memory_used(told: Diagnostics) -> float:
    """MiB that the guest uses, as it says itself; what its host gave it, where it does not say."""
    figures = told.memory_figures
    if "available" in figures and "unused" in figures:
        return (figures["available"] - figures["unused"]) / 1024
    return float(told.memory_used_mib)


def _part(row: Row[Any], kind: str, name: str, of: str, meters: dict[str, Meter]) -> Metered:
    return Metered(
        kind=kind,
        name=name,
        project_id=row.project_id,
        user_id=row.user_id,
        attributes={"name": of, "instance_id": row.id},
        meters=meters,
    )


def disks_of(row: Row[Any], told: Diagnostics) -> list[Metered]:
    """What went through its first 26 disks."""
    found = []
    for number, disk in enumerate(told.disks[:26]):
        name = f"vd{chr(ord('a') + number)}"
        meters = {
            f"disk.device.{way}.{what}": counter(getattr(disk, f"{way}_{what}"), unit)
            for way in ("read", "write")
            for what, unit in (("bytes", "B"), ("requests", "request"))
        }
        found.append(_part(row, "instance_disk", f"{row.id}-{name}", name, meters))
    return found


def interfaces_of(row: Row[Any], told: Diagnostics) -> list[Metered]:
    """What went through its interfaces, as far as its host counts that."""
    found = []
    for nic in told.nics:
        name = f"tap{nic.port_id[:11]}"
        called = f"instance-{row.sequence:08x}-{row.id}-{name}"
        meters = {}
        for way, letters in (("incoming", "rx"), ("outgoing", "tx")):
            for what, field, unit in (
                ("bytes", "octets", "B"),
                ("packets", "packets", "packet"),
                ("packets.drop", "drop", "packet"),
                ("packets.error", "errors", "packet"),
            ):
                value = getattr(nic, f"{letters}_{field}", None)
                if value is not None:
                    meters[f"network.{way}.{what}"] = counter(value, unit)
        found.append(_part(row, "instance_network_interface", called, name, meters))
    return found
