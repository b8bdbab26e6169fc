"""What every host does with volumes, real or simulated."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio
from tests.ceph import POOLS, USER, cluster, missing
from tests.node.hosts import IMAGE_ID, TINY, House, house, server
from tests.node.volume_hosts import (
    GIB,
    a_volume,
    beginning,
    clone_of,
    done,
    inventory,
    opened,
    removed,
    shown,
)

from hanok.base.ids import new_uuid
from hanok.commands import (
    CHANGES_NOT_KNOWN,
    BackendStates,
    CloseVolume,
    DescribeBackends,
    Done,
    EnsureVolumeCopy,
    EnsureVolumeSnapshot,
    EnsureVolumeSnapshots,
    Failed,
    ForgetVolumeCopy,
    GuestDisk,
    GuestVolume,
    InstanceState,
    MoveVolume,
    OpenVolume,
    RemoveVolumeSnapshot,
    SetPower,
    SetVolumes,
    Stale,
    VolumeAddress,
    VolumeKey,
    VolumeSource,
    VolumeState,
    copy_name,
)
from hanok.commands.volumes import VolumeCopyPart
from hanok.drivers import block_difference
from hanok.node.settings import BackendSettings

OF_IMAGE = VolumeSource(kind="image", id=IMAGE_ID)
# As on a real cloud: what opens and copies volumes has no rights of its own.
USERS = {"qemu_uid": 64300, "qemu_gid": 64300, "qemu_uids": 10} if os.geteuid() == 0 else {}
KEY, OTHER_KEY = VolumeKey(key=bytes(range(32))), VolumeKey(key=bytes(32))


@pytest.fixture(scope="session")
def ceph() -> Iterator[tuple[BackendSettings, ...]]:
    """Back ends of the usual names in a cluster's pools."""
    if lacking := missing():
        pytest.skip(f"Ceph is not installed: {lacking}")
    with cluster() as one:
        yield tuple(
            BackendSettings(name=name, driver="rbd", pool=pool, ceph_conf=one.conf, ceph_user=USER)
            for name, pool in zip(("files", "files2"), POOLS, strict=True)
        )


@pytest_asyncio.fixture(params=["real", "simulated", pytest.param("rbd", marks=pytest.mark.ceph)])
async def host(request: pytest.FixtureRequest) -> AsyncIterator[House]:
    settings: dict[str, Any] = dict(USERS)
    if request.param == "rbd":
        settings["volume_backends"] = request.getfixturevalue("ceph")
    async with house("simulated" if request.param == "simulated" else "real", **settings) as one:
        await one.image()
        yield one


def a_snapshot(volume_id: str, snapshot_id: str = "", **changes: Any) -> EnsureVolumeSnapshot:
    return EnsureVolumeSnapshot(
        snapshot_id=snapshot_id or new_uuid(), volume_id=volume_id, backend="files", **changes
    )


async def of_image(host: House, **changes: Any) -> str:
    requested = a_volume(source=OF_IMAGE, **changes)
    await done(host, requested)
    return requested.volume_id


async def failed(host: House, command: object) -> str:
    """Why a host cannot do something; long work says so when it has come to it."""
    async with asyncio.timeout(60):
        while True:
            answer = await host.ask(command)  # type: ignore[arg-type]
            if not isinstance(answer, VolumeState) or answer.done:
                break
    assert isinstance(answer, Failed), answer
    return answer.message


async def test_back_ends_say_what_they_have(host: House) -> None:
    answer = await host.ask(DescribeBackends())
    assert isinstance(answer, BackendStates) and answer.host == host.name
    names = [one.name for one in answer.backends]
    assert names == ["files", "files2"]
    for one in answer.backends:
        assert one.total_gib >= one.free_gib > 0 and not one.reason
        assert one.capabilities["multiattach"] == "True"
    await done(host, a_volume(size_gib=3))
    after = await host.ask(DescribeBackends())
    assert isinstance(after, BackendStates)
    assert [one.provisioned_gib for one in after.backends] == [3.0, 0.0]


async def test_a_volume_is_made_grows_and_goes(host: House) -> None:
    one = a_volume()
    assert (await done(host, one)).size_bytes == GIB
    assert (await done(host, one)).size_bytes == GIB
    larger = a_volume(one.volume_id, 2, size_gib=2)
    assert (await done(host, larger)).size_bytes == 2 * GIB
    smaller = a_volume(one.volume_id, 3)
    assert (await done(host, smaller)).size_bytes == 2 * GIB
    assert await host.ask(larger) == Stale(known_generation=3)
    (found,) = (await inventory(host)).volumes
    assert (found.volume_id, found.size_bytes, found.generation) == (one.volume_id, 2 * GIB, 3)
    assert await removed(host, one.volume_id, 4) == Done()
    assert await removed(host, one.volume_id, 4) == Done()
    assert (await inventory(host)).volumes == ()
    assert await host.ask(smaller) == Stale(known_generation=4)
    assert await removed(host, new_uuid(), 1) == Done()


async def test_a_volume_shows_its_source(host: House) -> None:
    blank = a_volume()
    await done(host, blank)
    assert not any(await shown(host, blank.volume_id))
    volume_id = await of_image(host)
    assert await shown(host, volume_id) == TINY
    snapshot = a_snapshot(volume_id)
    assert await host.ask(snapshot) == Done() == await host.ask(snapshot)
    clones = [clone_of(volume_id, size_gib=2), clone_of(volume_id, snapshot.snapshot_id)]
    for clone in clones:
        await done(host, clone)
    assert await shown(host, volume_id, snapshot_id=snapshot.snapshot_id) == TINY
    assert "has snapshots" in await failed_removal(host, volume_id)
    gone = RemoveVolumeSnapshot(
        snapshot_id=snapshot.snapshot_id, volume_id=volume_id, backend="files"
    )
    assert isinstance(await host.ask(gone), VolumeState)
    assert isinstance(await host.ask(gone), VolumeState)
    assert await removed(host, volume_id) == Done()
    for clone in clones:
        assert await shown(host, clone.volume_id) == TINY
    assert "no such volume" in await failed(host, clone_of(volume_id))


async def failed_removal(host: House, volume_id: str) -> str:
    answer = await removed(host, volume_id)
    assert isinstance(answer, Failed), answer
    return answer.message


async def test_what_is_too_small_or_not_there_is_refused(host: House) -> None:
    assert "not on this host" in await failed(
        host, a_volume(source=VolumeSource(kind="image", id=new_uuid()))
    )
    assert "no back end nowhere" in await failed(host, a_volume(backend="nowhere"))
    assert "not a name" in await failed(host, a_volume(backend="../x"))
    assert "not an id" in await failed(host, a_volume("../../etc/x"))
    assert (await inventory(host)).volumes == ()


@pytest.mark.parametrize("disk_format", ["raw", "qcow2", "vmdk", "vhd", "vhdx", "vdi"])
async def test_a_copy_has_the_format_that_was_asked_for(host: House, disk_format: str) -> None:
    volume_id = await of_image(host)
    copy = EnsureVolumeCopy(
        copy_id=new_uuid(), volume_id=volume_id, backend="files", disk_format=disk_format
    )
    assert (await done(host, copy)).size_bytes > 0
    assert beginning(host, copy) == TINY
    assert (await inventory(host)).copies == (copy.copy_id,)
    assert (await host.inventory()).snapshots == ()
    assert await host.ask(ForgetVolumeCopy(copy_id=copy.copy_id)) == Done()
    assert await host.ask(ForgetVolumeCopy(copy_id=copy.copy_id)) == Done()
    assert (await inventory(host)).copies == ()


async def test_a_chain_of_backups_is_restored(host: House) -> None:
    volume_id = await of_image(host)
    full = EnsureVolumeCopy(
        copy_id=new_uuid(),
        volume_id=volume_id,
        backend="files",
        disk_format="qcow2",
        remember=True,
    )
    await done(host, full)
    more = EnsureVolumeCopy(
        copy_id=new_uuid(),
        volume_id=volume_id,
        backend="files",
        disk_format="qcow2",
        since=full.copy_id,
        remember=True,
    )
    assert (await done(host, more)).size_bytes < 1 << 20
    unknown = EnsureVolumeCopy(
        copy_id=new_uuid(),
        volume_id=volume_id,
        backend="files",
        disk_format="qcow2",
        since=new_uuid(),
    )
    assert await failed(host, unknown) == CHANGES_NOT_KNOWN
    parts = tuple(VolumeCopyPart(copy_id=one.copy_id, disk_format="qcow2") for one in (full, more))
    source = VolumeSource(kind="backup", copies=parts)
    new = a_volume(source=source)
    await done(host, new)
    assert await shown(host, new.volume_id) == TINY
    old = a_volume()
    await done(host, old)
    again = a_volume(old.volume_id, 2, source=source, replace=True)
    await done(host, again)
    assert await shown(host, old.volume_id) == TINY
    missing = VolumeSource(kind="backup", copies=(VolumeCopyPart(copy_id=new_uuid()),))
    assert "not on this host" in await failed(host, a_volume(source=missing))


async def test_a_copy_is_what_is_changed_beside_known_blocks(host: House) -> None:
    volume_id = await of_image(host)
    digest = hashlib.sha256(TINY.ljust(1 << 20, b"\0")[: 256 << 10]).digest()
    for digests, changed in (({0: digest}, False), ({0: bytes(32), 1: bytes(32)}, True)):
        part = VolumeCopyPart(copy_id=new_uuid())
        known = block_difference.Known(block_bytes=256 << 10, digests=digests)
        folder = host.settings.snapshot_folder
        block_difference.write_known(folder / copy_name(part.copy_id), known)
        copy = EnsureVolumeCopy(
            copy_id=new_uuid(), volume_id=volume_id, backend="files", known=part
        )
        assert (await done(host, copy)).size_bytes < 300 << 10
        found = block_difference.Difference(folder / copy_name(copy.copy_id))
        assert (found.numbers, found.same) == ([0], frozenset() if changed else {0})
        if changed:
            assert found.data(0)[: len(TINY)] == TINY[: 256 << 10]
        found.close()
    (folder / copy_name(part.copy_id)).write_bytes(b"something else")
    again = EnsureVolumeCopy(copy_id=new_uuid(), volume_id=volume_id, backend="files", known=part)
    assert "cannot be used" in await failed(host, again)


async def test_a_volume_is_set_back_once(host: House) -> None:
    one = a_volume()
    await done(host, one)
    snapshot = a_snapshot(one.volume_id)
    await host.ask(snapshot)
    filled = a_volume(one.volume_id, 2, source=OF_IMAGE, replace=True)
    await done(host, filled)
    assert await shown(host, one.volume_id) == TINY
    back = a_volume(one.volume_id, 3, content=snapshot.snapshot_id)
    await done(host, back)
    assert not any(await shown(host, one.volume_id))
    assert "no such snapshot" in await failed(host, a_volume(one.volume_id, 4, content=new_uuid()))


async def test_snapshots_of_a_group_are_all_or_none(host: House) -> None:
    one, other = await of_image(host), await of_image(host)
    snapshots = (a_snapshot(one), a_snapshot(other))
    lacking = (a_snapshot(one), a_snapshot(new_uuid()))
    assert "no such volume" in await failed(host, EnsureVolumeSnapshots(snapshots=lacking))
    assert [found.snapshots for found in (await inventory(host)).volumes] == [(), ()]
    assert await host.ask(EnsureVolumeSnapshots(snapshots=snapshots)) == Done()
    assert all(found.snapshots for found in (await inventory(host)).volumes)


async def test_attachments_are_opened_and_closed(host: House) -> None:
    volume_id = await of_image(host)
    first = await opened(host, volume_id)
    second = await opened(host, volume_id, read_only=True)
    assert first.path and first.export != second.export
    assert "in use" in await failed_removal(host, volume_id)
    (found,) = (await inventory(host)).volumes
    assert set(found.exports) == {first.export, second.export}
    for attachment_id in found.exports:
        close = CloseVolume(volume_id=volume_id, attachment_id=attachment_id, backend="files")
        assert await host.ask(close) == Done() == await host.ask(close)
    assert (await inventory(host)).volumes[0].exports == ()
    assert await removed(host, volume_id) == Done()


async def test_commands_for_an_attachment_that_come_late_do_nothing(host: House) -> None:
    volume_id = await of_image(host)
    name = new_uuid()

    def close(generation: int) -> CloseVolume:
        values = {"volume_id": volume_id, "attachment_id": name, "backend": "files"}
        return CloseVolume(**values, generation=generation)

    def open_(generation: int) -> OpenVolume:
        values = {"volume_id": volume_id, "attachment_id": name, "backend": "files"}
        return OpenVolume(**values, generation=generation)  # type: ignore[arg-type]

    async def exports() -> tuple[str, ...]:
        return (await inventory(host)).volumes[0].exports

    assert await host.ask(close(1)) == Done()
    assert await host.ask(open_(1)) == Stale(known_generation=1), "it was closed before"
    await opened(host, volume_id, attachment_id=name, generation=2)
    await opened(host, volume_id, attachment_id=name, generation=2)
    assert await host.ask(close(1)) == Done()
    assert await exports() == (name,), "another opening was closed"
    await host.stop()
    await host.start()
    assert await host.ask(open_(1)) == Stale(known_generation=2)
    assert await host.ask(close(2)) == Done()
    assert await exports() == ()
    for _ in range(100):
        await host.ask(CloseVolume(volume_id=volume_id, attachment_id=new_uuid(), backend="files"))
    assert await host.ask(open_(2)) == Stale(known_generation=2)
    await opened(host, volume_id, attachment_id=name, generation=3)
    assert await host.ask(close(0)) == Done()
    assert await exports() == ()


async def test_a_volume_moves_to_another_back_end(host: House) -> None:
    volume_id = await of_image(host)
    move = MoveVolume(volume_id=volume_id, generation=2, backend="files", to="files2", wait_s=0.2)
    assert (await done(host, move)).size_bytes == GIB
    (found,) = (await inventory(host)).volumes
    assert found.backend == "files2"
    assert await shown(host, volume_id, backend="files2") == TINY
    assert "not in the back end" in await failed(host, a_volume(volume_id, 3))


async def test_an_encrypted_volume_opens_with_its_key_alone(host: House) -> None:
    volume_id = await of_image(host, key=KEY)
    assert "key" in await failed(host, a_volume(volume_id, 2, key=OTHER_KEY))
    copy = EnsureVolumeCopy(
        copy_id=new_uuid(),
        volume_id=volume_id,
        backend="files",
        disk_format="qcow2",
        key=KEY,
        encrypted=True,
    )
    await done(host, copy)
    path = host.settings.snapshot_folder / copy_name(copy.copy_id)
    assert TINY[:64] not in path.read_bytes()
    assert await shown(host, volume_id, key=KEY) == TINY
    source = VolumeSource(kind="volume", id=volume_id, key=KEY)
    clone = a_volume(source=source, key=KEY)
    await done(host, clone)
    assert await shown(host, clone.volume_id, key=KEY) == TINY
    other = a_volume(source=source, key=OTHER_KEY)
    assert "its own key" in await failed(host, other)


@pytest.mark.parametrize("disk_format", ["raw", "qcow2"])
async def test_an_encrypted_backup_is_restored(host: House, disk_format: str) -> None:
    volume_id = await of_image(host, key=KEY)
    copy = EnsureVolumeCopy(
        copy_id=new_uuid(),
        volume_id=volume_id,
        backend="files",
        disk_format=disk_format,
        key=KEY,
        encrypted=True,
    )
    await done(host, copy)
    part = VolumeCopyPart(copy_id=copy.copy_id, disk_format=disk_format)
    source = VolumeSource(kind="backup", copies=(part,), key=KEY)
    restored = a_volume(source=source, key=KEY)
    await done(host, restored)
    assert await shown(host, restored.volume_id, key=KEY) == TINY


@pytest.mark.parametrize(
    "magic", [b"QFI\xfb\x00\x00\x00\x03", b"LUKS\xba\xbe\x00\x01", b"KDMV\x01"]
)
async def test_a_raw_backup_is_what_it_is_whatever_it_begins_with(
    host: House, magic: bytes
) -> None:
    """A guest may write an image, or a LUKS header of its own, onto its disk."""
    content = (magic + b"guest").ljust(1 << 20, b"\x07")
    copy_id = new_uuid()
    (host.settings.snapshot_folder / copy_name(copy_id)).write_bytes(content)
    source = VolumeSource(kind="backup", copies=(VolumeCopyPart(copy_id=copy_id),))
    restored = a_volume(source=source)
    await done(host, restored)
    assert await shown(host, restored.volume_id) == content


async def test_what_is_left_under_a_name_is_taken_over_again(host: House) -> None:
    volume_id = await of_image(host)
    snapshot = a_snapshot(volume_id)
    await host.ask(snapshot)
    await host.ask(
        RemoveVolumeSnapshot(
            snapshot_id=snapshot.snapshot_id, volume_id=volume_id, backend="files", keep="_old"
        )
    )
    assert "_old" in [one.name for one in (await inventory(host)).others]
    taken = a_snapshot(volume_id, manage="_old")
    assert await host.ask(taken) == Done()
    assert await shown(host, volume_id, snapshot_id=taken.snapshot_id) == TINY
    await host.ask(
        RemoveVolumeSnapshot(snapshot_id=taken.snapshot_id, volume_id=volume_id, backend="files")
    )
    name = f"volume-{volume_id}"
    assert await removed(host, volume_id, keep=name) == Done()
    assert [one.name for one in (await inventory(host)).others] == [name]
    again = a_volume(volume_id, 10, source=VolumeSource(kind="manage", id=name))
    await done(host, again)
    assert await shown(host, volume_id) == TINY
    assert (await inventory(host)).others == ()


async def test_volumes_outlive_the_node(host: House) -> None:
    volume_id = await of_image(host)
    snapshot = a_snapshot(volume_id)
    await host.ask(snapshot)
    address = await opened(host, volume_id)
    before = await inventory(host)
    await host.stop()
    await host.start()
    assert await inventory(host) == before
    again = await opened(host, volume_id, attachment_id=address.export)
    assert isinstance(again, VolumeAddress) and again == address


def guest_volume(volume_id: str, address: VolumeAddress, **changes: Any) -> GuestVolume:
    values = {"volume_id": volume_id, "attachment_id": address.export, "address": address}
    return GuestVolume(**(values | {"size_gib": 1} | changes))  # type: ignore[arg-type]


async def test_a_guest_has_the_volumes_that_it_is_to_have(host: House) -> None:
    one = server()
    await host.instance(one)
    volume_id = await of_image(host)
    volume = guest_volume(volume_id, await opened(host, volume_id))
    has = SetVolumes(server_id=one.server_id, generation=2, volumes=(volume,))
    assert (await host.instance(has)).power == "running"
    assert isinstance(await host.ask(has), InstanceState)
    stop = SetPower(server_id=one.server_id, generation=3, power="stopped", soft=False)
    await host.instance(stop)
    none = SetVolumes(server_id=one.server_id, generation=4)
    assert isinstance(await host.ask(none), InstanceState)
    assert await host.ask(has) == Stale(known_generation=4)


async def test_a_server_boots_from_a_volume(host: House) -> None:
    volume_id = await of_image(host)
    volume = guest_volume(volume_id, await opened(host, volume_id), boot_index=0)
    one = server(image_id="", image_format="", disk_gib=0, volumes=(volume,))
    assert (await host.instance(one)).power == "running"
    assert "names a disk" in await failed(
        host, server(image_id="", image_format="", disks=(GuestDisk(name="root"),))
    )
