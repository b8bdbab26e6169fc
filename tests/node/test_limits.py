"""Real guests held to limits, and what becomes of those that want more."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from tests.node.hosts import House, a_nic, eventually, house, server

from hanok.commands import Failed, RemoveInstance, SetPower
from hanok.commands.limits import DiskRate, Limits, NICRate
from hanok.drivers.qemu.monitor import Monitor
from hanok.node import cgroups

pytestmark = [
    pytest.mark.host,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root makes control groups"),
]
LIMITS = Limits(
    cpu_shares=512,
    cpu_period_us=50_000,
    cpu_quota_us=25_000,
    disk=DiskRate(read_bytes=1 << 20, write_requests=50),
    inbound=NICRate(average_kb=100),
)


@pytest_asyncio.fixture
async def host() -> AsyncIterator[House]:
    async with house("real") as one:
        await one.image()
        yield one


def groups(host: House) -> dict[str, Path]:
    """The folder of the host's guests by controller."""
    name = cgroups.name_of(host.settings.run_dir)
    found = cgroups.find(name).trees
    if set(found) != {"cpu", "memory"}:
        pytest.skip("this machine lets nobody make control groups")
    return {controller: tree.folder / name for controller, tree in found.items()}


async def throttled(host: House, server_id: str) -> list[tuple[int, int]]:
    monitor = await Monitor.connect(host.folder / "run" / server_id / "qmp")
    listed: Any = await monitor.execute("query-block")
    await monitor.close()
    return [(one["inserted"]["bps_rd"], one["inserted"]["iops_wr"]) for one in listed]


async def test_a_guest_is_held_to_its_limits(host: House) -> None:
    folders = groups(host)
    nic = a_nic()
    requested = server(limits=LIMITS, nics=(nic,), vcpus=2)
    sid = requested.server_id
    await host.instance(requested)
    pid = (await host.inventory()).processes[sid]
    for folder in folders.values():
        assert (folder / sid / "cgroup.procs").read_text().split() == [str(pid)]
    quota = folders["cpu"] / sid
    if (quota / "cpu.max").exists():
        assert (quota / "cpu.max").read_text() == "50000 50000\n"
    else:
        assert (quota / "cpu.cfs_quota_us").read_text() == "50000\n"
    assert host.chassis.rates[nic.port_id] == (100, 0, 0)
    assert set(host.beats[-1].limits) == {"cpu", "disk", "inbound"}
    await host.stop()  # the monitor is ours for a moment
    assert await throttled(host, sid) == [(1 << 20, 50)]
    await host.start()

    free = server(2, server_id=sid, nics=(nic,), power="stopped")
    await host.instance(free)
    assert host.chassis.rates[nic.port_id] == (0, 0, 0)
    assert not (folders["cpu"] / sid).exists()
    await host.ask(RemoveInstance(server_id=sid, generation=3))
    assert not any(folder.exists() for folder in folders.values())


# A process of a guest's group that takes memory.
HUNGRY = """
import pathlib, sys, time
pathlib.Path(sys.argv[1], "cgroup.procs").write_text("0")
kept = [bytearray(b"x" * (1 << 20)) for _ in range(int(sys.argv[2]))]
time.sleep(60)
"""


async def test_a_guest_that_needs_more_memory_than_it_may_have_is_ended_and_its_owner_told(
    host: House,
) -> None:
    folder = groups(host)["memory"]
    requested = server()
    sid = requested.server_id
    await host.instance(requested)
    pid = (await host.inventory()).processes[sid]
    Path(f"/proc/{pid}/oom_score_adj").write_text(
        "1000"
    )  # the kernel ends the guest, not the other
    command = (sys.executable, "-c", HUNGRY, str(folder / sid), "880")
    hungry = await asyncio.create_subprocess_exec(*command)
    try:
        await eventually(lambda: told(host))
    finally:
        with contextlib.suppress(ProcessLookupError):
            hungry.kill()
        await hungry.wait()
    assert host.events[0].power == "crashed"
    assert "MiB of memory that it may have" in host.events[0].reason
    await host.ask(RemoveInstance(server_id=sid, generation=2))
    assert not folder.exists()


async def test_a_guest_that_cannot_even_start_in_its_memory_says_so() -> None:
    async with house("real", guest_slack_mib=-24) as host:
        groups(host)
        await host.image()
        answer = await host.ask(server())
        assert isinstance(answer, Failed) and "9 MiB of memory" in answer.message


async def test_a_killed_guest_says_by_what(host: House) -> None:
    requested = server()
    await host.instance(requested)
    os.kill((await host.inventory()).processes[requested.server_id], signal.SIGKILL)
    await eventually(lambda: told(host))
    assert "ended by the signal SIGKILL" in host.events[0].reason
    (state,) = (await host.inventory()).instances
    assert (state.power, state.reason) == ("crashed", host.events[0].reason)
    again = SetPower(server_id=requested.server_id, generation=2, power="running")
    assert (await host.instance(again)).reason == ""


async def test_qemu_that_refuses_its_arguments_says_why(host: House, tmp_path: Path) -> None:
    odd = tmp_path / "qemu"
    odd.write_text('#!/bin/sh\necho "qemu-system-x86_64: -odd: invalid option" >&2\nexit 1\n')
    odd.chmod(0o755)
    await host.stop()
    host.settings = msgspec.structs.replace(host.settings, qemu_binary=str(odd))
    await host.start()
    answer = await host.ask(server())
    assert isinstance(answer, Failed) and "invalid option" in answer.message


async def told(host: House) -> bool:
    await asyncio.sleep(0)
    return bool(host.events)
