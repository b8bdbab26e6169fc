"""Volumes that come to a guest and go while it is there."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from tests.node.hosts import IMAGE_ID, House, connect, eventually, house, server
from tests.node.volume_hosts import a_volume, done, opened, shown

from hanok.base.failpoints import armed
from hanok.bus import NobodyThere
from hanok.commands import (
    CloseVolume,
    Diagnostics,
    Done,
    Failed,
    GuestVolume,
    InstanceState,
    ReadDiagnostics,
    RebootInstance,
    SetPower,
    SetVolumes,
    Stale,
    VolumeSource,
)


@pytest_asyncio.fixture(params=["real", "simulated"])
async def host(request: pytest.FixtureRequest) -> AsyncIterator[House]:
    async with house(request.param) as one:
        await one.image()
        yield one


@pytest_asyncio.fixture
async def real() -> AsyncIterator[House]:
    async with house("real") as one:
        await one.image()
        yield one


async def a_disk(host: House, **changes: Any) -> GuestVolume:
    one = a_volume(source=VolumeSource(kind="image", id=IMAGE_ID))
    await done(host, one)
    address = await opened(host, one.volume_id)
    values: dict[str, Any] = {"attachment_id": address.export, "address": address} | changes
    return GuestVolume(volume_id=one.volume_id, size_gib=1, **values)


def has(server_id: str, generation: int, *volumes: GuestVolume, **more: Any) -> SetVolumes:
    values: dict[str, Any] = {"timeout_s": 0.5} | more
    return SetVolumes(server_id=server_id, generation=generation, volumes=volumes, **values)


def power(server_id: str, generation: int, to: Any) -> SetPower:
    return SetPower(server_id=server_id, generation=generation, power=to, soft=False)


async def disks(host: House, server_id: str) -> int:
    told = await host.ask(ReadDiagnostics(server_id=server_id))
    assert isinstance(told, Diagnostics), told
    return len(told.disks)


async def refused(host: House, command: SetVolumes) -> Failed:
    answer = await host.ask(command)
    assert isinstance(answer, Failed), answer
    return answer


@pytest.mark.parametrize("state", ["running", "paused", "stopped"])
async def test_a_volume_comes_and_stays(host: House, state: str) -> None:
    one = server()
    sid = one.server_id
    await host.instance(one)
    if state != "running":
        await host.instance(power(sid, 2, state))
    volume = await a_disk(host)
    for _ in range(2):
        assert (await host.instance(has(sid, 3, volume))).power == state
    if state == "stopped":
        await host.instance(power(sid, 4, "running"))
    assert await disks(host, sid) == 2
    await host.instance(RebootInstance(server_id=sid, generation=5))
    assert await disks(host, sid) == 2
    await host.instance(power(sid, 6, "stopped"))
    assert isinstance(await host.ask(has(sid, 7)), InstanceState)
    await host.instance(power(sid, 8, "running"))
    assert await disks(host, sid) == 1
    assert await host.ask(has(sid, 3, volume)) == Stale(known_generation=8)


async def test_a_guest_that_does_not_let_go(host: House) -> None:
    one = server()
    sid = one.server_id
    await host.instance(one)
    volume = await a_disk(host)
    await host.instance(has(sid, 2, volume))
    if host.kind == "simulated":
        host.simulated[host.name].hold_on(sid)
    answer = await refused(host, has(sid, 3))
    assert "did not let go" in answer.message and answer.transient
    assert await disks(host, sid) == 2
    assert isinstance(await host.ask(has(sid, 4, required=False)), InstanceState)
    close = CloseVolume(
        volume_id=volume.volume_id, attachment_id=volume.attachment_id, backend="files"
    )
    assert await host.ask(close) == Done()
    await host.instance(RebootInstance(server_id=sid, generation=5))
    assert await disks(host, sid) == 1


async def test_a_suspended_server_keeps_what_it_has(host: House) -> None:
    one = server()
    sid = one.server_id
    await host.instance(one)
    volume, other = await a_disk(host), await a_disk(host)
    await host.instance(has(sid, 2, volume))
    await host.instance(power(sid, 3, "suspended"))
    assert "suspended" in (await refused(host, has(sid, 4, volume, other))).message
    assert "suspended" in (await refused(host, has(sid, 4))).message
    assert isinstance(await host.ask(has(sid, 4, volume)), InstanceState)
    assert (await host.instance(power(sid, 5, "running"))).power == "running"
    assert await disks(host, sid) == 2
    await host.instance(power(sid, 6, "paused"))
    assert "paused" in (await refused(host, has(sid, 7))).message


async def test_a_bus_that_the_guest_does_not_have_is_refused(real: House) -> None:
    one = server()
    sid = one.server_id
    await real.instance(one)
    for bus, words in (("scsi", "no SCSI controller"), ("sata", "the bus sata")):
        volume = await a_disk(real, bus=bus)
        answer = await refused(real, has(sid, 2, volume))
        assert words in answer.message, answer
    assert await disks(real, sid) == 1
    assert isinstance(await real.ask(has(sid, 3)), InstanceState)
    first = await a_disk(real, bus="scsi")
    await real.instance(power(sid, 4, "stopped"))
    await real.instance(has(sid, 5, first))
    await real.instance(power(sid, 6, "running"))
    second = await a_disk(real, bus="scsi")
    await real.instance(has(sid, 7, first, second))
    assert await disks(real, sid) == 3
    await real.instance(power(sid, 8, "suspended"))
    await real.instance(power(sid, 9, "running"))
    assert await disks(real, sid) == 3


async def test_a_guest_that_lost_a_volume_in_the_middle_is_resumed(real: House) -> None:
    """Its other devices are where they were; QEMU refuses memory of another tree."""
    first, second = await a_disk(real), await a_disk(real)
    one = server(volumes=(first, second))
    sid = one.server_id
    await real.instance(one)
    await real.instance(power(sid, 2, "paused"))
    gone = await real.ask(has(sid, 3, second, required=False))
    assert isinstance(gone, InstanceState)
    await real.instance(power(sid, 4, "running"))
    third = await a_disk(real)
    await real.instance(has(sid, 5, second, third))
    refused = await real.ask(power(sid, 6, "suspended"))
    assert isinstance(refused, Failed) and "has not let go of a volume" in refused.message
    await real.instance(RebootInstance(server_id=sid, generation=7))
    await real.instance(power(sid, 8, "suspended"))
    await real.instance(power(sid, 9, "running"))
    assert await disks(real, sid) == 3


@pytest.mark.parametrize("place", ["after_record", "after_unplug", "after_plug"])
async def test_a_node_that_dies_on_the_way(real: House, place: str) -> None:
    one = server()
    sid = one.server_id
    await real.instance(one)
    volume = await a_disk(real)
    with armed(f"node.set_volumes.{place}", "raise", 1), pytest.raises(NobodyThere):
        await real.ask(has(sid, 2, volume))
    await real.stop()
    await real.start()
    assert (await real.instance(has(sid, 2, volume))).power == "running"
    assert await disks(real, sid) == 2


async def test_a_server_without_an_image_boots_from_its_volume_and_writes_to_it(
    real: House,
) -> None:
    root = await a_disk(real, boot_index=0)
    one = server(image_id="", image_format="", disk_gib=0, volumes=(root,))
    sid = one.server_id
    await real.instance(one)

    async def prompt() -> bool:
        return (await real.console(sid)).endswith("login: ")

    await eventually(prompt)
    reader, writer, _ = await connect(real, sid, "serial")
    writer.write(b"w")
    while b"." not in await reader.read(100):
        pass
    writer.close()
    begin = await shown(real, root.volume_id)
    assert begin[512:1024] == begin[:512]
    assert (await real.inventory()).images == (IMAGE_ID,)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: guests run as others")
async def test_a_guest_that_runs_as_another_user_reaches_its_volumes() -> None:
    async with house("real", qemu_uid=64300, qemu_gid=64300, qemu_uids=10) as host:
        await host.image()
        root, other = await a_disk(host, boot_index=0), await a_disk(host)
        one = server(image_id="", image_format="", disk_gib=0, volumes=(root,))
        await host.instance(one)

        async def prompt() -> bool:
            return (await host.console(one.server_id)).endswith("login: ")

        await eventually(prompt)
        await host.instance(has(one.server_id, 2, root, other))
        assert await disks(host, one.server_id) == 2
