"""Volumes in pools of Ceph: what is not as with files. What is, is in the contract tests."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from tests.ceph import POOLS, USER, Cluster, cluster, missing
from tests.node.hosts import IMAGE_ID, House, eventually, house
from tests.node.test_volumes_real import daemon, io, pid_of
from tests.node.volume_hosts import a_volume, clone_of, done, inventory, opened, removed, shown

from hanok.base.ids import new_uuid
from hanok.commands import (
    BackendStates,
    CloseVolume,
    DescribeBackends,
    EnsureVolumeSnapshot,
    MoveVolume,
    RemoveVolumeSnapshot,
    VolumeSource,
)
from hanok.drivers.volumes import rbd
from hanok.node.settings import BackendSettings

pytestmark = pytest.mark.ceph
OF_IMAGE = VolumeSource(kind="image", id=IMAGE_ID)


@pytest_asyncio.fixture
async def far(request: pytest.FixtureRequest) -> AsyncIterator[tuple[House, Cluster]]:
    """A host with a folder and a pool."""
    if lacking := missing():
        pytest.skip(f"Ceph is not installed: {lacking}")
    with cluster() as one:
        pool = BackendSettings(
            name="ceph", driver="rbd", pool=POOLS[0], ceph_conf=one.conf, ceph_user=USER
        )
        users = {"qemu_uid": 64500, "qemu_gid": 64500, "qemu_uids": 10} if os.geteuid() == 0 else {}
        backends = (BackendSettings(name="files"), pool)
        async with house("real", volume_backends=backends, **users) as host:
            await host.image()
            yield host, one


async def state_of(host: House) -> tuple[str, float]:
    answer = await host.ask(DescribeBackends())
    assert isinstance(answer, BackendStates)
    found = next(one for one in answer.backends if one.name == "ceph")
    return found.reason, found.free_gib


async def test_a_volume_moves_into_the_pool_and_back_while_it_is_written_to(
    far: tuple[House, Cluster],
) -> None:
    host, ceph = far
    volume = a_volume(source=OF_IMAGE)
    await done(host, volume)
    address = await opened(host, volume.volume_id)
    commands = [f"write -P {number} {number}M 1M" for number in range(1, 60)]
    writing = asyncio.ensure_future(io(address, *commands, "flush"))
    await done(host, MoveVolume(volume_id=volume.volume_id, generation=2, backend="files", to="ceph"))  # fmt: skip
    assert ceph.rbd("ls", POOLS[0]).split()
    await writing
    checks = [f"read -P {number} {number}M 1M" for number in range(1, 60)]
    await io(address, *checks)
    os.kill(await daemon(host), signal.SIGKILL)  # and what is there is what was acknowledged

    async def another() -> bool:
        return pid_of(host) != 0

    await eventually(another)
    await io(address, *checks)
    await done(host, MoveVolume(volume_id=volume.volume_id, generation=3, backend="ceph", to="files"))  # fmt: skip
    await io(address, *checks)
    await host.ask(
        CloseVolume(volume_id=volume.volume_id, attachment_id=address.export, backend="files")
    )
    await removed(host, volume.volume_id)

    async def empty() -> bool:
        return not ceph.rbd("ls", POOLS[0]).split()

    await eventually(empty)


async def test_snapshots_and_clones_stay_when_the_node_and_the_daemon_die(
    far: tuple[House, Cluster],
) -> None:
    host, _ = far
    volume = a_volume(source=OF_IMAGE, backend="ceph")
    await done(host, volume)
    address = await opened(host, volume.volume_id, backend="ceph")
    await io(address, "write -P 1 2M 1M", "flush")
    snapshot = EnsureVolumeSnapshot(
        snapshot_id=new_uuid(), volume_id=volume.volume_id, backend="ceph"
    )
    await host.ask(snapshot)
    await io(address, "write -P 2 2M 1M", "flush")
    clone = clone_of(volume.volume_id, snapshot.snapshot_id, backend="ceph")
    await done(host, clone)
    killed = await daemon(host)
    await host.stop()
    os.kill(killed, signal.SIGKILL)
    await host.start()
    await io(address, "read -P 2 2M 1M")
    await host.ask(
        RemoveVolumeSnapshot(
            snapshot_id=snapshot.snapshot_id, volume_id=volume.volume_id, backend="ceph"
        )
    )
    assert len(await shown(host, clone.volume_id, backend="ceph")) == 1 << 20
    of_clone = await opened(host, clone.volume_id, backend="ceph")
    await io(of_clone, "read -P 1 2M 1M")
    assert len((await inventory(host)).volumes) == 2


async def test_a_cluster_that_is_away_is_said_so(far: tuple[House, Cluster]) -> None:
    host, ceph = far
    reason, free = await state_of(host)
    assert not reason and free > 1
    for number in range(len(ceph.processes)):
        ceph.kill(number)

    async def away() -> bool:
        return (await state_of(host))[0] != ""

    await eventually(away)
    assert (await host.ask(DescribeBackends())).backends[0].reason == ""  # type: ignore[union-attr]


async def test_a_user_without_a_key_is_said_so(far: tuple[House, Cluster], tmp_path: Path) -> None:
    _, ceph = far
    other = rbd.Cluster(POOLS[0], "nobody", Path(ceph.conf), tmp_path / "own.conf")
    reason = await asyncio.to_thread(rbd.RBDBackend("other", other).trouble)
    assert "nobody.keyring cannot be read" in reason
    wrong = rbd.Cluster("none", USER, Path(ceph.conf), tmp_path / "own.conf")
    reason = await asyncio.to_thread(rbd.RBDBackend("wrong", wrong).trouble)
    assert "no pool none" in reason
