"""Volumes at a real host: what clients of NBD write stays, whatever dies."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.node.hosts import IMAGE_ID, TINY, House, eventually, house
from tests.node.volume_hosts import (
    a_volume,
    clone_of,
    done,
    inventory,
    opened,
    removed,
    shown,
)

from hanok.base import failpoints
from hanok.base.failpoints import armed
from hanok.base.ids import new_uuid
from hanok.bus import NobodyThere
from hanok.commands import (
    BackendStates,
    CloseVolume,
    DescribeBackends,
    Done,
    EnsureVolume,
    EnsureVolumeCopy,
    EnsureVolumeSnapshot,
    EnsureVolumeSnapshots,
    Failed,
    MoveVolume,
    OpenVolume,
    RemoveVolume,
    RemoveVolumeSnapshot,
    VolumeAddress,
    VolumeKey,
    VolumeLimits,
    VolumeSource,
    VolumeState,
)
from hanok.commands.volumes import VolumeCopyPart
from hanok.drivers import qcow2
from hanok.drivers.qemu.process import find_daemon
from hanok.node.settings import BackendSettings

MIB = 1 << 20


@pytest_asyncio.fixture
async def host() -> AsyncIterator[House]:
    async with house("real") as one:
        await one.image()
        yield one
    failpoints.disarm()


async def io(address: VolumeAddress, *commands: str) -> str:
    """Read and write as a client of NBD. A line that says that something differs fails."""
    url = (
        "driver=nbd,server.type=unix,reconnect-delay=60,open-timeout=30,"
        f"server.path={address.path},export={address.export}"
    )
    words = [word for command in commands for word in ("-c", command)]
    process = await asyncio.create_subprocess_exec(
        "qemu-io", "--image-opts", *words, url,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await asyncio.wait_for(process.communicate(), 60)
    text = said.decode()
    assert "ailed" not in text and "rror" not in text, text
    return text


@contextlib.asynccontextmanager
async def writing(address: VolumeAddress, *commands: str) -> AsyncIterator[None]:
    """A client that has done this, flushes nothing, and stays; it is killed at the end, so that it never does."""
    url = f"driver=nbd,server.type=unix,server.path={address.path},export={address.export}"
    words = [word for command in (*commands, "sleep 60000") for word in ("-c", command)]
    process = await asyncio.create_subprocess_exec(
        "stdbuf", "-oL", "qemu-io", "-t", "writeback", "--image-opts", *words, url,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        async with asyncio.timeout(30):
            for _ in commands:
                assert b"wrote" in await process.stdout.readline()
                await process.stdout.readline()  # how long it took
        yield
    finally:
        process.kill()
        await process.wait()


def pid_of(host: House) -> int:
    found = find_daemon(Path(host.settings.run_dir) / "volumes" / "pid")
    if found is None:
        return 0
    found.close()
    return found.identity.pid


async def daemon(host: House) -> int:
    async def there() -> int:
        return pid_of(host)

    return await eventually(there)


def snapshot_of(volume_id: str) -> EnsureVolumeSnapshot:
    return EnsureVolumeSnapshot(snapshot_id=new_uuid(), volume_id=volume_id, backend="files")


async def of_image(host: House) -> str:
    one = a_volume(source=VolumeSource(kind="image", id=IMAGE_ID))
    await done(host, one)
    return one.volume_id


def files(host: House, backend: str = "files") -> list[str]:
    folder = Path(host.settings.state_dir) / "volumes" / "backends" / backend
    return sorted(path.name for path in folder.iterdir())


async def test_a_client_only_waits_while_the_daemon_is_gone(host: House) -> None:
    volume_id = await of_image(host)
    address = await opened(host, volume_id)
    await io(address, "write -P 1 1M 1M", "flush")
    commands = [f"write -P {number} {number}M 1M" for number in range(2, 40)]
    writing = asyncio.ensure_future(io(address, *commands, "flush"))
    before = await daemon(host)
    os.kill(before, signal.SIGKILL)
    await writing

    async def another() -> bool:
        return pid_of(host) not in (0, before)

    await eventually(another)
    checks = [f"read -P {number} {number}M 1M" for number in range(1, 40)]
    await io(await opened(host, volume_id, attachment_id=address.export), *checks)


async def bare(host: House) -> None:
    """Wait until a volume that has nothing below it is one raw file, whose writes wait for no disk."""

    async def raw() -> bool:
        return [name.partition(".")[2] for name in files(host)] == ["raw"]

    await eventually(raw)


@pytest.mark.parametrize("made_of", ["nothing", "image", "snapshotted", "snapshot that is gone"])
async def test_what_was_not_flushed_outlives_the_daemon(host: House, made_of: str) -> None:
    """A client is told that its writes are done and does not flush; the daemon dies under it."""
    source = VolumeSource(kind="image", id=IMAGE_ID) if made_of == "image" else VolumeSource()
    one = a_volume(source=source)
    await done(host, one)
    address = await opened(host, one.volume_id)
    if "snapshot" in made_of:
        await io(address, "write -P 9 1M 1M", "write -P 9 9M 1M", "flush")
        snapshot = snapshot_of(one.volume_id)
        assert await host.ask(snapshot) == Done()
        if made_of.endswith("gone"):
            gone = RemoveVolumeSnapshot(
                snapshot_id=snapshot.snapshot_id, volume_id=one.volume_id, backend="files"
            )
            assert isinstance(await host.ask(gone), VolumeState)
            await bare(host)  # another moment, and it is exported again
            address = await opened(host, one.volume_id, attachment_id=address.export)
    writes = [f"write -P {number} {number}M 1M" for number in range(1, 9)]
    async with writing(address, *writes, "write -z 8M 512k", "write -P 77 8M 4k"):
        before = await daemon(host)
        os.kill(before, signal.SIGKILL)

    async def another() -> bool:
        return pid_of(host) not in (0, before)

    await eventually(another)
    checks = [f"read -P {number} {number}M 1M" for number in range(1, 8)]
    checks += ["read -P 77 8M 4k", "read -P 0 8196k 508k", "read -P 8 8704k 512k"]
    await io(await opened(host, one.volume_id, attachment_id=address.export), *checks)


async def test_a_back_end_may_leave_it_to_the_guests_to_flush() -> None:
    fast = BackendSettings(name="files", cache="writeback")
    async with house("real", volume_backends=(fast,)) as host:
        await host.image()
        one = a_volume(source=VolumeSource(kind="image", id=IMAGE_ID))
        await done(host, one)
        address = await opened(host, one.volume_id)
        await io(address, "write -P 5 1M 1M", "flush")
        async with writing(address, "write -P 6 9M 1M"):
            before = await daemon(host)
            os.kill(before, signal.SIGKILL)
        await io(address, "read -P 5 1M 1M", "read -P 0 9M 1M")


async def test_the_daemon_outlives_the_node(host: House) -> None:
    volume_id = await of_image(host)
    address = await opened(host, volume_id)
    before = await daemon(host)
    await host.stop()
    await io(address, "write -P 7 2M 1M", "flush")
    await host.start()
    assert await daemon(host) == before
    await io(address, "read -P 7 2M 1M")
    assert isinstance(await host.ask(snapshot_of(volume_id)), Done)


async def test_a_snapshot_of_a_volume_in_use_is_of_one_moment(host: House) -> None:
    volume_id = await of_image(host)
    address = await opened(host, volume_id)
    await io(address, "write -P 1 0 4M", "flush")
    first = snapshot_of(volume_id)
    assert await host.ask(first) == Done()
    await io(address, "write -P 2 0 1M", "discard 1M 1M", "write -z 2M 1M", "flush")
    assert await shown(host, volume_id, snapshot_id=first.snapshot_id) == b"\1" * MIB
    clone = clone_of(volume_id, first.snapshot_id)
    await done(host, clone)
    other = await opened(host, clone.volume_id)
    await io(other, "read -P 1 0 4M", "write -P 9 3M 1M", "flush")
    await io(address, "read -P 2 0 1M", "read -P 0 2M 1M", "read -P 1 3M 1M")
    gone = RemoveVolumeSnapshot(snapshot_id=first.snapshot_id, volume_id=volume_id, backend="files")
    assert isinstance(await host.ask(gone), VolumeState)
    await io(other, "read -P 1 0 3M", "read -P 9 3M 1M")
    await io(address, "read -P 2 0 1M", "read -P 0 2M 1M", "read -P 1 3M 1M")
    close = CloseVolume(volume_id=clone.volume_id, attachment_id=other.export, backend="files")
    assert await host.ask(close) == Done()
    assert await removed(host, clone.volume_id) == Done()
    await io(address, "read -P 2 0 1M", "read -P 0 2M 1M", "read -P 1 3M 1M")


async def test_chains_stay_short_and_nothing_is_left(host: House) -> None:
    one = a_volume()
    await done(host, one)
    address = await opened(host, one.volume_id)
    for number in range(1, 9):
        await io(address, f"write -P {number} {number}M 1M", "flush")
        snapshot = snapshot_of(one.volume_id)
        assert await host.ask(snapshot) == Done()
        gone = RemoveVolumeSnapshot(
            snapshot_id=snapshot.snapshot_id, volume_id=one.volume_id, backend="files"
        )
        assert isinstance(await host.ask(gone), VolumeState)

    async def short() -> bool:
        return len(files(host)) <= 2

    await eventually(short)
    await io(address, *[f"read -P {number} {number}M 1M" for number in range(1, 9)])
    close = CloseVolume(volume_id=one.volume_id, attachment_id=address.export, backend="files")
    assert await host.ask(close) == Done()
    assert await removed(host, one.volume_id) == Done()
    assert files(host) == []


async def test_a_volume_that_stands_on_nothing_is_a_raw_file_again(host: House) -> None:
    """Whatever was made of it while it was used, and however much was written meanwhile."""
    one = a_volume()
    await done(host, one)
    address = await opened(host, one.volume_id)
    await io(address, "write -P 1 1M 8M", "flush")
    snapshots = [snapshot_of(one.volume_id), snapshot_of(one.volume_id)]
    for number, snapshot in enumerate(snapshots):
        assert await host.ask(snapshot) == Done()
        await io(address, f"write -P {number + 2} {9 + 9 * number}M 9M", "discard 1M 1M", "flush")
    await shown(host, one.volume_id)
    await done(host, a_volume(one.volume_id, 2, size_gib=2))
    await io(address, "write -P 5 2000M 1M", "flush")
    for snapshot in snapshots:
        gone = RemoveVolumeSnapshot(
            snapshot_id=snapshot.snapshot_id, volume_id=one.volume_id, backend="files"
        )
        assert isinstance(await host.ask(gone), VolumeState)
    await bare(host)
    checks = ("read -P 0 1M 1M", "read -P 1 2M 7M", "read -P 2 9M 9M", "read -P 3 18M 9M")
    await io(address, *checks, "read -P 5 2000M 1M")
    (layer,) = (Path(host.settings.state_dir) / "volumes" / "backends" / "files").iterdir()
    assert layer.stat().st_size == 2 << 30 and layer.stat().st_blocks * 512 < 64 * MIB


async def test_a_node_goes_on_with_what_another_did_not_merge(host: House) -> None:
    one = a_volume()
    await done(host, one)
    address = await opened(host, one.volume_id)
    snapshot = snapshot_of(one.volume_id)
    assert await host.ask(snapshot) == Done()
    await io(address, "write -P 2 2M 1M", "flush")

    async def stands() -> bool:
        return failpoints.waiting("node.merge_volume.before")

    failpoints.arm("node.merge_volume.before", "hang", 1)
    gone = RemoveVolumeSnapshot(
        snapshot_id=snapshot.snapshot_id, volume_id=one.volume_id, backend="files"
    )
    assert isinstance(await host.ask(gone), VolumeState)
    await eventually(stands)
    await host.stop()
    failpoints.disarm()
    await host.start()
    await bare(host)
    await io(address, "read -P 2 2M 1M")


@pytest.mark.parametrize("kind", ["records", "layers"])
async def test_what_cannot_be_read_is_not_removed(host: House, kind: str) -> None:
    """A record that the disk does not give back says nothing of which files are needed."""
    other, one = await of_image(host), a_volume()
    await done(host, one)
    address = await opened(host, one.volume_id)
    await io(address, "write -P 2 2M 1M", "flush")
    close = CloseVolume(volume_id=one.volume_id, attachment_id=address.export, backend="files")
    assert await host.ask(close) == Done()
    before = files(host)
    (layer,) = [name.partition(".")[0] for name in before if name.endswith(".raw")]
    folder = Path(host.settings.state_dir) / "volumes" / kind
    record = folder / f"{one.volume_id if kind == 'records' else layer}.json"
    content = record.read_bytes()
    await host.stop()
    record.write_bytes(content[:20])
    await host.start()
    assert await removed(host, other) == Done()
    assert files(host) == before
    await host.stop()
    record.write_bytes(content)
    await host.start()
    await io(await opened(host, one.volume_id), "read -P 2 2M 1M")
    assert len(files(host)) == 1


@pytest.mark.parametrize("place", ["before", "after"])
async def test_a_daemon_that_dies_while_a_volume_becomes_a_raw_file_again(
    host: House, place: str
) -> None:
    one = a_volume()
    await done(host, one)
    address = await opened(host, one.volume_id)
    await io(address, "write -P 1 1M 2M", "flush")

    async def snapshot_comes_and_goes() -> None:
        snapshot = snapshot_of(one.volume_id)
        assert await host.ask(snapshot) == Done()
        await io(address, "write -P 2 2M 1M", "flush")
        gone = RemoveVolumeSnapshot(
            snapshot_id=snapshot.snapshot_id, volume_id=one.volume_id, backend="files"
        )
        assert isinstance(await host.ask(gone), VolumeState)

    async def stands() -> bool:
        return failpoints.waiting(f"node.merge_volume.{place}")

    failpoints.arm(f"node.merge_volume.{place}", "hang", 1)
    await snapshot_comes_and_goes()
    await eventually(stands)
    os.kill(await daemon(host), signal.SIGKILL)
    failpoints.release(f"node.merge_volume.{place}")
    failpoints.disarm()
    await io(address, "read -P 1 1M 1M", "read -P 2 2M 1M", "write -P 3 3M 1M", "flush")
    await snapshot_comes_and_goes()
    await bare(host)
    await io(address, "read -P 1 1M 1M", "read -P 2 2M 1M", "read -P 3 3M 1M")


async def test_a_qcow2_from_elsewhere_keeps_working(host: House) -> None:
    """As volumes do that were made when all of them were qcow2 files."""
    folder = Path(host.settings.state_dir) / "volumes" / "backends" / "files"
    with (folder / "given").open("xb") as file:
        qcow2.write_empty(file, 1 << 30)
    one = a_volume(source=VolumeSource(kind="manage", id="given"))
    await done(host, one)
    address = await opened(host, one.volume_id)
    async with writing(address, "write -P 7 1M 1M"):
        os.kill(await daemon(host), signal.SIGKILL)
    await io(address, "read -P 7 1M 1M")
    assert await host.ask(snapshot_of(one.volume_id)) == Done()
    await io(address, "write -P 8 2M 1M", "flush", "read -P 7 1M 1M")
    await done(host, a_volume(one.volume_id, 2, size_gib=2))
    clone = clone_of(one.volume_id, size_gib=2)
    await done(host, clone)
    await io(await opened(host, clone.volume_id), "read -P 7 1M 1M", "read -P 8 2M 1M")


async def test_what_a_guest_wrote_is_no_format_when_it_is_taken_again(host: House) -> None:
    """A raw file that is left under a name begins with what a guest has written."""
    foreign = host.folder / "foreign"
    with foreign.open("xb") as file:
        qcow2.write_empty(file, 8 << 30)
    one = a_volume()
    await done(host, one)
    address = await opened(host, one.volume_id)
    await io(address, f"write -s {foreign} 0 64k", "write -P 4 1M 1M", "flush")
    close = CloseVolume(volume_id=one.volume_id, attachment_id=address.export, backend="files")
    assert await host.ask(close) == Done()
    assert await removed(host, one.volume_id, keep="left") == Done()
    again = a_volume(one.volume_id, 10, source=VolumeSource(kind="manage", id="left"))
    assert (await done(host, again)).size_bytes == 1 << 30
    await io(await opened(host, one.volume_id), "read -P 4 1M 1M")
    assert (await shown(host, one.volume_id))[: 1 << 16] == foreign.read_bytes()[: 1 << 16]


async def test_a_volume_grows_while_it_is_used(host: House) -> None:
    volume_id = await of_image(host)
    address = await opened(host, volume_id)
    await io(address, "write -P 3 1000M 1M", "flush")
    await done(host, a_volume(volume_id, 2, size_gib=2))
    await io(address, "read -P 3 1000M 1M", "write -P 4 2000M 1M", "flush", "read -P 4 2000M 1M")
    assert await host.ask(snapshot_of(volume_id)) == Done()
    await done(host, a_volume(volume_id, 3, size_gib=3))
    await io(address, "read -P 4 2000M 1M", "write -P 5 3000M 1M", "read -P 3 1000M 1M")


async def test_a_volume_moves_while_it_is_used(host: House) -> None:
    volume_id = await of_image(host)
    address = await opened(host, volume_id)
    await io(address, "write -P 3 0 8M", "flush")
    move = MoveVolume(volume_id=volume_id, generation=2, backend="files", to="files2", wait_s=0.2)
    moving = asyncio.ensure_future(done(host, move))
    await io(address, *[f"write -P {number} {number}M 1M" for number in range(9, 30)], "flush")
    await moving
    await io(address, "read -P 3 0 8M", *[f"read -P {n} {n}M 1M" for n in range(9, 30)])
    assert files(host) == [] and len(files(host, "files2")) == 1
    (found,) = (await inventory(host)).volumes
    assert found.backend == "files2" and found.exports == (address.export,)


async def test_a_move_that_makes_a_merge_give_way_has_all_of_the_volume(host: House) -> None:
    """The merge has just opened the layer that is to take the writes; nothing is below that yet."""
    one = a_volume()
    await done(host, one)
    address = await opened(host, one.volume_id)
    snapshot = snapshot_of(one.volume_id)
    assert await host.ask(snapshot) == Done()
    await io(address, "write -P 2 0 20M", "flush")

    async def stands() -> bool:
        return failpoints.waiting("node.snapshot_volume.added")

    failpoints.arm("node.snapshot_volume.added", "hang", 1)
    gone = RemoveVolumeSnapshot(
        snapshot_id=snapshot.snapshot_id, volume_id=one.volume_id, backend="files"
    )
    assert isinstance(await host.ask(gone), VolumeState)
    await eventually(stands)
    move = MoveVolume(volume_id=one.volume_id, generation=2, backend="files", to="files2")
    await done(host, move)
    await io(address, "read -P 2 0 20M")


async def test_nobody_writes_while_a_move_looks_for_what_there_is(host: House) -> None:
    """QEMU does not hear of a write that is under way in that moment."""
    volume_id = await of_image(host)
    address = await opened(host, volume_id)
    await io(address, "write -P 2 2M 1M", "flush")

    async def stands() -> bool:
        return failpoints.waiting("node.move_volume.begins")

    failpoints.arm("node.move_volume.begins", "hang", 1)
    move = MoveVolume(volume_id=volume_id, generation=2, backend="files", to="files2", wait_s=0.1)
    assert isinstance(await host.ask(move), VolumeState)
    await eventually(stands)
    client = asyncio.ensure_future(io(address, "write -P 3 3M 1M", "flush"))
    await asyncio.wait([client], timeout=1)
    assert not client.done(), "it waits until the copy hears of it"
    failpoints.release("node.move_volume.begins")
    await client
    await done(host, move)
    await io(address, "read -P 2 2M 1M", "read -P 3 3M 1M")


async def test_what_is_written_before_the_copy_takes_its_place_is_in_the_copy(host: House) -> None:
    """Also by a client that came after the copy began."""
    volume_id = await of_image(host)
    address = await opened(host, volume_id)

    async def stands() -> bool:
        return failpoints.waiting("node.move_volume.after_copy")

    failpoints.arm("node.move_volume.after_copy", "hang", 1)
    move = MoveVolume(volume_id=volume_id, generation=2, backend="files", to="files2", wait_s=0.1)
    assert isinstance(await host.ask(move), VolumeState)
    await eventually(stands)
    await io(address, "write -P 3 3M 1M", "write -z 0 64k", "flush")
    failpoints.release("node.move_volume.after_copy")
    await done(host, move)
    await io(address, "read -P 3 3M 1M", "read -P 0 0 64k")


async def test_a_snapshot_that_breaks_changes_nothing_of_the_volume(host: House) -> None:
    volume_id = await of_image(host)
    address = await opened(host, volume_id)
    await io(address, "write -P 2 0 4M", "flush")
    with armed("node.snapshot_volume.added", "raise", 1), pytest.raises(NobodyThere):
        await host.ask(snapshot_of(volume_id))
    await io(address, "read -P 2 0 4M", "write -P 3 1M 1M", "flush")
    assert await host.ask(snapshot_of(volume_id)) == Done()
    await io(address, "read -P 2 0 1M", "read -P 3 1M 1M", "read -P 2 2M 2M")


@pytest.mark.parametrize("place", ["after_copy", "after_record"])
async def test_what_is_written_at_the_end_of_a_move_outlives_the_daemon(
    host: House, place: str
) -> None:
    """Until the copy takes the volume's place it is written to as well, but nobody's flush reaches it."""
    volume_id = await of_image(host)
    address = await opened(host, volume_id)
    move = MoveVolume(volume_id=volume_id, generation=2, backend="files", to="files2", wait_s=0.1)
    failpoints.arm(f"node.move_volume.{place}", "hang", 1)
    assert isinstance(await host.ask(move), VolumeState)

    async def stands() -> bool:
        return failpoints.waiting(f"node.move_volume.{place}")

    await eventually(stands)
    commands = [f"write -P {number} {number}M 1M" for number in range(9, 30)]
    client = asyncio.ensure_future(io(address, *commands, "flush"))
    await asyncio.wait([client], timeout=2)
    os.kill(await daemon(host), signal.SIGKILL)
    failpoints.release(f"node.move_volume.{place}")
    failpoints.disarm()
    await client
    await io(address, *[f"read -P {number} {number}M 1M" for number in range(9, 30)])


async def test_a_move_that_is_given_up_leaves_nothing(host: House) -> None:
    volume_id = await of_image(host)
    failpoints.arm("node.move_volume.after_copy", "hang", 1)
    move = MoveVolume(volume_id=volume_id, generation=2, backend="files", to="files2", wait_s=0.1)
    answer = await host.ask(move)
    assert isinstance(answer, VolumeState) and not answer.done

    async def copied() -> bool:
        return failpoints.waiting("node.move_volume.after_copy")

    await eventually(copied)
    abort = MoveVolume(volume_id=volume_id, generation=3, backend="files", to="files2", abort=True)
    assert isinstance(await host.ask(abort), VolumeState)
    (found,) = (await inventory(host)).volumes
    assert found.backend == "files" and files(host, "files2") == []
    await io(await opened(host, volume_id), "write -P 3 0 8M")


async def test_limits_hold_while_it_is_used(host: House) -> None:
    volume_id = await of_image(host)
    address = await opened(host, volume_id)
    limits = VolumeLimits(total_bytes=MIB)
    await done(host, a_volume(volume_id, 2, limits=limits))
    loop = asyncio.get_running_loop()
    began = loop.time()
    await io(address, "write 0 1M", "write 0 1M", "write 0 1M")
    slow = loop.time() - began
    await done(host, a_volume(volume_id, 3))
    began = loop.time()
    await io(address, "write 0 1M", "write 0 1M", "write 0 1M")
    assert slow > 1.0 and loop.time() - began < slow
    both = VolumeLimits(total_bytes=MIB, read_bytes=MIB)
    assert isinstance(await host.ask(a_volume(volume_id, 4, limits=both)), Failed)


async def test_incremental_backups_hold_what_was_written_zeros_too(host: House) -> None:
    volume_id = await of_image(host)
    address = await opened(host, volume_id)
    await io(address, "write -P 1 0 4M", "flush")

    async def backup(since: str = "") -> VolumeCopyPart:
        copy = EnsureVolumeCopy(
            copy_id=new_uuid(),
            volume_id=volume_id,
            backend="files",
            disk_format="qcow2",
            since=since,
            remember=True,
        )
        await done(host, copy)
        return VolumeCopyPart(copy_id=copy.copy_id, disk_format="qcow2")

    full = await backup()
    await io(address, "write -P 2 0 1M", "write -z 1M 1M", "flush")
    assert await host.ask(snapshot_of(volume_id)) == Done()
    await io(address, "write -P 3 2M 64k", "write -P 5 900M 64k", "flush")
    first = await backup(full.copy_id)
    await io(address, "write -P 4 3M 64k", "flush")
    second = await backup(first.copy_id)
    for parts, commands in (
        ((full,), ["read -P 1 0 4M"]),
        ((full, first), ["read -P 2 0 1M", "read -P 0 1M 1M", "read -P 3 2M 64k"]),
        (
            (full, first, second),
            ["read -P 0 1M 1M", "read -P 4 3M 64k", "read -P 5 900M 64k", "read -P 1 3900k 64k"],
        ),
    ):
        restored = a_volume(source=VolumeSource(kind="backup", copies=parts))
        await done(host, restored)
        await io(await opened(host, restored.volume_id), *commands)


async def test_a_group_is_of_one_moment(host: House) -> None:
    one, other = await of_image(host), await of_image(host)
    address = await opened(host, one)
    await io(address, "write -P 6 0 1M", "flush")
    snapshots = (snapshot_of(one), snapshot_of(other))
    assert await host.ask(EnsureVolumeSnapshots(snapshots=snapshots)) == Done()
    await io(address, "write -P 7 0 1M", "flush")
    assert await shown(host, one, snapshot_id=snapshots[0].snapshot_id) == b"\6" * MIB


@pytest.mark.parametrize(
    "place",
    [
        "node.ensure_volume.before_record",
        "node.ensure_volume.before_fill",
        "node.ensure_volume.after_fill",
        "node.ensure_volume.before_grow",
        "node.ensure_volume.after_grow",
        "node.snapshot_volume.before_record",
        "node.snapshot_volume.after_record",
        "node.snapshot_volume.added",
        "node.snapshot_volume.after_effect",
        "node.open_volume.before_record",
        "node.open_volume.after_record",
        "node.open_volume.after_effect",
        "node.copy_volume.frozen",
        "node.copy_volume.after_copy",
        "node.move_volume.before_copy",
        "node.move_volume.begins",
        "node.move_volume.after_copy",
        "node.move_volume.after_record",
        "node.remove_volume_snapshot.before",
        "node.merge_volume.before",
        "node.merge_volume.after",
        "node.close_volume.after_effect",
        "node.remove_volume.after_bury",
        "node.remove_volume.after_record",
    ],
)
@pytest.mark.parametrize("dies", ["node", "both"])
async def test_whatever_dies_anywhere_everything_resumes(
    host: House, place: str, dies: str
) -> None:
    """A client's life with a volume, cut short once at each place; it asks again, and nothing is lost or left."""
    once = {"left": True}
    volume_id = new_uuid()
    snapshot, copy_id = snapshot_of(volume_id), new_uuid()
    attachment_id = new_uuid()

    async def sure(command: object) -> object:
        """Ask until it is done; what breaks is a node that died."""
        for _ in range(200):
            asking = asyncio.ensure_future(host.ask(command))  # type: ignore[arg-type]
            while not asking.done():
                if once["left"] and failpoints.waiting(place):
                    once["left"] = False
                    await die()
                await asyncio.wait([asking], timeout=0.01)
            try:
                answer = asking.result()
            except (NobodyThere, asyncio.CancelledError):
                continue
            if isinstance(answer, Failed):
                assert answer.transient or "given up" in answer.message, answer
            elif getattr(answer, "done", True):
                return answer
        raise AssertionError(f"{command} never was done")

    async def die() -> None:
        failpoints.disarm()
        pid = pid_of(host)
        await host.stop()
        if dies == "both" and pid:
            os.kill(pid, signal.SIGKILL)
        await host.start()

    with armed(place, "hang", 1):
        await sure(a_volume(volume_id, source=VolumeSource(kind="image", id=IMAGE_ID)))
        opening = OpenVolume(volume_id=volume_id, backend="files", attachment_id=attachment_id)
        address = await sure(opening)
        assert isinstance(address, VolumeAddress)
        await io(address, "write -P 1 0 4M", "flush")
        await sure(a_volume(volume_id, 2, size_gib=2))
        await io(address, "read -P 1 0 4M", "write -P 8 1500M 20M", "flush")
        await sure(snapshot)
        await io(address, "write -P 2 0 20M", "flush")
        await sure(
            EnsureVolumeCopy(
                copy_id=copy_id,
                volume_id=volume_id,
                backend="files",
                snapshot_id=snapshot.snapshot_id,
                wait_s=0.2,
            )
        )
        await sure(
            RemoveVolumeSnapshot(
                snapshot_id=snapshot.snapshot_id, volume_id=volume_id, backend="files"
            )
        )
        async with asyncio.timeout(60):  # merges are nobody's command
            while once["left"] and "merge" in place:
                if failpoints.waiting(place):
                    once["left"] = False
                    await die()
                await asyncio.sleep(0.01)
        await io(address, "read -P 2 0 20M", "read -P 8 1500M 20M")
        await sure(
            MoveVolume(volume_id=volume_id, generation=3, backend="files", to="files2", wait_s=0.2)
        )
        await io(address, "read -P 2 0 20M", "read -P 8 1500M 20M", "write -P 3 0 1M", "flush")
        assert (await shown(host, volume_id, backend="files2")) == b"\3" * MIB
        await sure(CloseVolume(volume_id=volume_id, attachment_id=attachment_id, backend="files2"))
        await sure(a_volume(volume_id, 4, backend="files2", size_gib=2))
        await sure(RemoveVolume(volume_id=volume_id, generation=5, backend="files2"))
    assert not once["left"], "the place was not reached"
    assert (await inventory(host)).volumes == ()
    assert (files(host), files(host, "files2")) == ([], [])
    copies = (await inventory(host)).copies
    assert copy_id in copies


KEY = VolumeKey(key=bytes(range(32)))


async def test_an_encrypted_volume_is_served_again_by_another_daemon(host: House) -> None:
    one = a_volume(source=VolumeSource(kind="image", id=IMAGE_ID), key=KEY)
    await done(host, one)
    address = await opened(host, one.volume_id, key=KEY)
    await io(address, "write -P 0x5a 0 1M", "flush")
    snapshot = EnsureVolumeSnapshot(
        snapshot_id=new_uuid(), volume_id=one.volume_id, backend="files", key=KEY
    )
    assert await host.ask(snapshot) == Done()
    await io(address, "write -P 0x5b 2M 1M", "flush")
    os.kill(await daemon(host), signal.SIGKILL)
    await io(address, "read -P 0x5a 0 1M", "read -P 0x5b 2M 1M")
    folder = Path(host.settings.state_dir) / "volumes"
    for path in folder.rglob("*"):
        data = path.read_bytes() if path.is_file() else b""
        assert b"\x5a" * 512 not in data and b"\x5b" * 512 not in data, path
        assert KEY.key not in data and KEY.key.hex().encode() not in data, path
    for words in Path("/proc").glob("[0-9]*/cmdline"):
        assert KEY.key.hex().encode() not in words.read_bytes(), words


async def test_a_node_that_comes_back_needs_no_key_of_what_is_open(host: House) -> None:
    one = a_volume(key=KEY)
    await done(host, one)
    address = await opened(host, one.volume_id, key=KEY)
    await io(address, "write -P 0x5a 0 1M", "flush")
    await host.stop()
    await host.start()
    await io(address, "read -P 0x5a 0 1M")
    other = snapshot_of(one.volume_id)
    assert isinstance(await host.ask(other), Failed), "a new layer cannot be made without it"
    other = EnsureVolumeSnapshot(
        snapshot_id=other.snapshot_id, volume_id=one.volume_id, backend="files", key=KEY
    )
    assert await host.ask(other) == Done()
    await io(address, "read -P 0x5a 0 1M", "write -P 1 0 1M")
    gone = RemoveVolumeSnapshot(
        snapshot_id=other.snapshot_id, volume_id=one.volume_id, backend="files", key=KEY
    )
    assert isinstance(await host.ask(gone), VolumeState)


async def test_many_clones_of_one_snapshot_come_and_go_at_once(host: House) -> None:
    volume_id = await of_image(host)
    snapshot = snapshot_of(volume_id)
    assert await host.ask(snapshot) == Done()
    clones = [clone_of(volume_id, snapshot.snapshot_id) for _ in range(8)]

    async def live(one: EnsureVolume) -> None:
        await done(host, one)
        address = await opened(host, one.volume_id)
        await io(address, "write -P 5 1M 1M", "flush", "read -P 5 1M 1M")
        close = CloseVolume(volume_id=one.volume_id, attachment_id=address.export, backend="files")
        assert await host.ask(close) == Done()
        assert await removed(host, one.volume_id) == Done()

    await asyncio.gather(*map(live, clones))
    assert len((await inventory(host)).volumes) == 1
    assert len(files(host)) == 2


async def test_an_incremental_copy_of_merged_layers_is_restored(host: House) -> None:
    """A merge writes into the layer above which file that stands on; a copy of it names none."""
    volume_id = await of_image(host)
    address = await opened(host, volume_id)
    snapshot = snapshot_of(volume_id)
    assert await host.ask(snapshot) == Done()
    await io(address, "write -P 1 2M 1M", "flush")
    values: dict[str, Any] = {"volume_id": volume_id, "backend": "files", "disk_format": "qcow2"}
    full = EnsureVolumeCopy(copy_id=new_uuid(), remember=True, **values)
    await done(host, full)
    before = len(files(host))
    await host.ask(
        RemoveVolumeSnapshot(snapshot_id=snapshot.snapshot_id, volume_id=volume_id, backend="files")
    )

    async def merged() -> bool:
        return len(files(host)) < before

    await eventually(merged)
    await io(address, "write -P 2 4M 1M", "flush")
    more = EnsureVolumeCopy(copy_id=new_uuid(), since=full.copy_id, remember=True, **values)
    await done(host, more)
    parts = tuple(VolumeCopyPart(copy_id=one.copy_id, disk_format="qcow2") for one in (full, more))
    restored = a_volume(source=VolumeSource(kind="backup", copies=parts))
    await done(host, restored)
    await io(await opened(host, restored.volume_id), "read -P 1 2M 1M", "read -P 2 4M 1M")


as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@as_root
async def test_the_daemon_has_no_rights() -> None:
    async with house("real", qemu_uid=64100, qemu_gid=64100, qemu_uids=10) as host:
        await host.image()
        volume_id = await of_image(host)
        await io(await opened(host, volume_id), "write -P 1 0 1M", "flush")
        assert (await shown(host, volume_id)) == b"\1" * MIB
        await done(host, a_volume(key=KEY))
        status = Path(f"/proc/{await daemon(host)}/status").read_text()
        assert "Uid:\t64108\t64108" in status and "NoNewPrivs:\t1" in status
        folder = Path(host.settings.state_dir) / "volumes"
        assert {path.stat().st_uid for path in (folder / "backends" / "files").iterdir()} == {64108}
        assert {path.stat().st_uid for path in (folder / "records").iterdir()} == {0}


@as_root
async def test_what_copies_runs_as_another_user_too() -> None:
    async with house("real", qemu_uid=64100, qemu_gid=64100, qemu_uids=10) as host:
        await host.image()
        volume_id = await of_image(host)
        assert await removed(host, volume_id, keep="left") == Done()
        assert "left" in files(host)


@as_root
@pytest.mark.host
async def test_a_full_disk_loses_nothing_and_says_so() -> None:
    async with house("real", disk_mib=400) as host:
        await host.image()
        volume_id = await of_image(host)
        address = await opened(host, volume_id)
        await io(address, "write -P 1 0 1M", "flush")
        another = await of_image(host)
        filler = host.folder / "filler"
        with filler.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, 380 << 20)
        with pytest.raises(AssertionError, match="No space left"):
            await io(address, "write -P 2 8M 100M", "flush")
        answer = await host.ask(a_volume())
        assert isinstance(answer, Failed) and "full" in answer.message, answer
        assert await removed(host, another) == Done()
        filler.unlink()
        await io(address, "read -P 1 0 1M", "write -P 2 8M 20M", "flush", "read -P 2 8M 20M")


@as_root
@pytest.mark.host
async def test_a_folder_that_is_not_mounted_is_no_back_end(tmp_path: Path) -> None:
    folder = tmp_path / "share"
    folder.mkdir()
    backends = (BackendSettings(name="share", driver="nfs", folder=str(folder)),)
    async with house("real", volume_backends=backends) as host:
        await host.image()
        told = await host.ask(DescribeBackends())
        assert isinstance(told, BackendStates) and "nothing is mounted" in told.backends[0].reason
        assert isinstance(await host.ask(a_volume(backend="share")), Failed)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1g", "x", str(folder)], check=True)
        try:
            one = a_volume(backend="share", source=VolumeSource(kind="image", id=IMAGE_ID))
            await done(host, one)
            assert await shown(host, one.volume_id, backend="share") == TINY
            for file in folder.iterdir():
                assert IMAGE_ID.encode() not in file.read_bytes(), "it stands on nothing"
            subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2g", "y", str(folder)], check=True)
            told = await host.ask(DescribeBackends())
            assert (
                isinstance(told, BackendStates) and "another file system" in told.backends[0].reason
            )
            subprocess.run(["umount", "-l", str(folder)], check=True)
            assert await removed(host, one.volume_id, backend="share") == Done()
        finally:
            subprocess.run(["umount", "-l", str(folder)], check=True)
