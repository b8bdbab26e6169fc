"""Copies of guests' disks, real and simulated: what they hold, that guests go on, that nothing is left."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from tests.node.hosts import TINY, House, connect, eventually, house, server

from hanok.base import failpoints
from hanok.base.ids import new_uuid
from hanok.bus import NobodyThere
from hanok.commands import (
    Answer,
    Done,
    EnsureInstance,
    EnsureSnapshot,
    Failed,
    ForgetSnapshot,
    RemoveInstance,
    SetPower,
    SnapshotState,
)
from hanok.drivers.image_format import inspect

GIB = 1 << 30


@pytest_asyncio.fixture(params=["real", "simulated"])
async def host(request: pytest.FixtureRequest) -> AsyncIterator[House]:
    async with house(request.param) as one:
        await one.image()
        yield one
    failpoints.disarm()


@pytest_asyncio.fixture
async def real() -> AsyncIterator[House]:
    async with house("real") as one:
        await one.image()
        yield one
    failpoints.disarm()


async def snapshot(host: House, server_id: str, snapshot_id: str = "") -> bytes:
    """Take one and return what the disk in it begins with."""
    requested = EnsureSnapshot(
        server_id=server_id, snapshot_id=snapshot_id or new_uuid(), wait_s=0.2
    )

    async def done() -> bool:
        answer = await host.ask(requested)
        assert isinstance(answer, SnapshotState), answer
        return answer.done

    await eventually(done)
    path = host.settings.snapshot_folder / requested.snapshot_id
    found = inspect(path.read_bytes())
    assert (found.format, found.virtual_size_bytes, found.problems) == ("qcow2", GIB, [])
    subprocess.run(["qemu-img", "check", "-q", "-f", "qcow2", str(path)], check=True, timeout=60)
    disk = path.with_suffix(".raw")
    convert = ["qemu-img", "convert", "-f", "qcow2", "-O", "raw", str(path), str(disk)]
    subprocess.run(convert, check=True, timeout=60)
    with disk.open("rb") as file:
        begin = file.read(len(TINY))
    disk.unlink()
    return begin


async def begun(host: House, server_id: str) -> tuple[EnsureSnapshot, asyncio.Future[Answer]]:
    """Ask for a snapshot, and wait until QEMU copies."""
    failpoints.arm("node.snapshot.begun", "hang", 1)
    ask = EnsureSnapshot(server_id=server_id, snapshot_id=new_uuid(), wait_s=30)
    asking = asyncio.ensure_future(host.ask(ask))
    while not failpoints.waiting("node.snapshot.begun"):
        await asyncio.sleep(0.01)
    return ask, asking


async def booted(host: House, requested: EnsureInstance) -> None:
    await host.instance(requested)

    async def prompt() -> bool:
        return (await host.console(requested.server_id)).endswith("login: ")

    await eventually(prompt)


async def writes(host: House, server_id: str) -> None:
    """Have the guest write its first sector into the second."""
    reader, writer, _ = await connect(host, server_id, "serial")
    writer.write(b"w")
    async with asyncio.timeout(30):
        while b"." not in await reader.read(100):
            pass
    writer.close()


@pytest.mark.parametrize("power", ["running", "paused", "suspended", "stopped"])
async def test_a_snapshot_of_a_guest_in_any_state(host: House, power: str) -> None:
    requested = server()
    await booted(host, requested)
    if power != "running":
        change = SetPower(server_id=requested.server_id, generation=2, power=power, soft=False)  # type: ignore[arg-type]
        await host.instance(change)
    before = (await host.inventory()).instances
    snapshot_id = new_uuid()
    assert await snapshot(host, requested.server_id, snapshot_id) == TINY
    inventory = await host.inventory()
    assert inventory.instances == before and inventory.snapshots == (snapshot_id,)
    again = EnsureSnapshot(server_id=requested.server_id, snapshot_id=snapshot_id)
    answer = await host.ask(again)
    assert isinstance(answer, SnapshotState) and answer.done
    forget = ForgetSnapshot(server_id=requested.server_id, snapshot_id=snapshot_id)
    assert await host.ask(forget) == Done()
    assert await host.ask(forget) == Done()
    assert (await host.inventory()).snapshots == ()
    if power == "suspended":
        resume = SetPower(server_id=requested.server_id, generation=3, power="running")
        assert (await host.instance(resume)).power == "running"


async def test_a_snapshot_of_what_is_not_there_is_refused(host: House) -> None:
    answer = await host.ask(EnsureSnapshot(server_id=new_uuid(), snapshot_id=new_uuid()))
    assert isinstance(answer, Failed) and "no such server" in answer.message
    answer = await host.ask(EnsureSnapshot(server_id=new_uuid(), snapshot_id="../../etc/x"))
    assert isinstance(answer, Failed) and "not an id" in answer.message
    answer = await host.ask(ForgetSnapshot(server_id=new_uuid(), snapshot_id="../../etc/x"))
    assert isinstance(answer, Failed) and "not an id" in answer.message


async def test_a_snapshot_is_the_disk_of_one_moment(real: House) -> None:
    requested = server()
    await booted(real, requested)
    before = await snapshot(real, requested.server_id)
    await writes(real, requested.server_id)
    after = await snapshot(real, requested.server_id)
    assert before == TINY
    assert after == TINY[:512] * 2 + TINY[1024:]


async def test_a_snapshot_that_breaks_leaves_nothing_and_can_be_taken_again(real: House) -> None:
    requested = server()
    await booted(real, requested)
    failpoints.arm("node.snapshot.after_copy", "raise", 1)
    ask = EnsureSnapshot(server_id=requested.server_id, snapshot_id=new_uuid(), wait_s=30)
    with pytest.raises(NobodyThere):
        await real.ask(ask)
    files = real.folder / "state" / "instances" / requested.server_id / "files"
    assert not [path for path in files.iterdir() if "copy" in path.name]
    assert (await real.inventory()).snapshots == ()
    assert await snapshot(real, requested.server_id) == TINY


async def test_a_guest_that_dies_meanwhile_is_copied_from_its_files(real: House) -> None:
    requested = server()
    await booted(real, requested)
    ask, asking = await begun(real, requested.server_id)
    os.kill((await real.inventory()).processes[requested.server_id], signal.SIGKILL)

    async def told() -> bool:
        return bool(real.events)

    await eventually(told)
    failpoints.release("node.snapshot.begun")
    answer = await asking
    assert isinstance(answer, Failed) and answer.transient
    assert await snapshot(real, requested.server_id, ask.snapshot_id) == TINY


async def test_a_removed_server_ends_its_snapshot(real: House) -> None:
    requested = server()
    await booted(real, requested)
    _, asking = await begun(real, requested.server_id)
    assert await real.ask(RemoveInstance(server_id=requested.server_id, generation=2)) == Done()
    assert isinstance(await asking, Failed)
    inventory = await real.inventory()
    assert not inventory.directories and not inventory.processes and not inventory.snapshots


async def test_a_snapshot_that_is_given_up_is_copied_no_further(real: House) -> None:
    requested = server()
    await booted(real, requested)
    ask, asking = await begun(real, requested.server_id)
    forget = ForgetSnapshot(server_id=requested.server_id, snapshot_id=ask.snapshot_id)
    assert await real.ask(forget) == Done()
    assert isinstance(await asking, Failed)
    pid = (await real.inventory()).processes[requested.server_id]
    opened = [os.readlink(path) for path in Path(f"/proc/{pid}/fd").iterdir()]
    assert not [name for name in opened if "copy" in name]
    assert await snapshot(real, requested.server_id) == TINY


async def test_what_a_node_that_died_had_begun_is_ended(real: House) -> None:
    requested = server()
    await booted(real, requested)
    ask, asking = await begun(real, requested.server_id)
    failpoints.disarm()
    await real.stop()
    await asyncio.gather(asking, return_exceptions=True)
    await real.start()
    files = real.folder / "state" / "instances" / requested.server_id / "files"
    assert not [path for path in files.iterdir() if "copy" in path.name]
    assert await snapshot(real, requested.server_id, ask.snapshot_id) == TINY


@pytest.mark.host
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: the host's disk is one of its own")
async def test_a_snapshot_does_not_fill_the_disk_that_guests_write_to() -> None:
    async with house("real", disk_mib=300) as host:
        await host.image()
        requested = server()
        await booted(host, requested)
        filler = host.folder / "filler"
        filler.write_bytes(bytes(60 << 20))
        ask = EnsureSnapshot(server_id=requested.server_id, snapshot_id=new_uuid(), wait_s=30)
        answer = await host.ask(ask)
        assert isinstance(answer, Failed) and "not enough disk space" in answer.message
        assert [one.power for one in (await host.inventory()).instances] == ["running"]
