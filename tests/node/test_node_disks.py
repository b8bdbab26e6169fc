"""What a guest consists of changes: its root disk anew, kept and restored, rescued; an interrupt and an agent."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from tests.node.hosts import IMAGE_ID, House, eventually, house, server

from hanok.base.ids import new_uuid
from hanok.commands import (
    AskAgent,
    Done,
    EnsureInstance,
    Failed,
    ForgetImage,
    InjectNMI,
    RescueDisk,
    SetPower,
)
from hanok.drivers.image_format import inspect
from hanok.node.records import Record

GIB = 1 << 30


@pytest_asyncio.fixture(params=["real", "simulated"])
async def host(request: pytest.FixtureRequest) -> AsyncIterator[House]:
    async with house(request.param) as one:
        await one.image()
        yield one


def changed(requested: EnsureInstance, **what: object) -> EnsureInstance:
    return msgspec.structs.replace(requested, generation=requested.generation + 1, **what)


async def stop(host: House, requested: EnsureInstance) -> None:
    sid, generation = requested.server_id, requested.generation
    await host.instance(SetPower(server_id=sid, generation=generation, power="stopped", soft=False))


def record(host: House, server_id: str) -> Record:
    [path] = host.folder.glob(f"state/**/{server_id}/record.json")
    return msgspec.json.decode(path.read_bytes(), type=Record)


def files(host: House, server_id: str) -> Path | None:
    found = [*host.folder.glob(f"state/instances/{server_id}/files")]
    return found[0] if found and host.kind == "real" else None


def root_bytes(path: Path) -> int:
    return inspect((path / "disk").read_bytes()[: 1 << 20]).virtual_size_bytes


async def prompt(host: House, server_id: str) -> None:
    async def there() -> bool:
        return (await host.console(server_id)).endswith("tiny login: ")

    await eventually(there)


@pytest.mark.parametrize("keep", [True, False])
async def test_a_disk_of_an_older_generation_is_made_anew_once(host: House, keep: bool) -> None:
    first = server(ephemeral_gib=1, swap_mib=16)
    sid = first.server_id
    await host.instance(first)
    if (there := files(host, sid)) is not None:
        old = (there / "disk").open("rb")  # while it is open no other file gets its number
        mine = (there / "ephemeral0.qcow2").open("rb")
    anew = changed(first, disk_generation=2, keep_ephemeral=keep)
    state = await host.instance(anew)
    assert state.power == "running" and record(host, sid).disk_generation == 2
    if there is not None:
        with old, mine:
            assert (there / "disk").stat().st_ino != os.fstat(old.fileno()).st_ino
            kept = (there / "ephemeral0.qcow2").stat().st_ino == os.fstat(mine.fileno()).st_ino
            assert kept is keep
    assert (await host.instance(anew)).started_at == state.started_at
    await prompt(host, sid)


async def test_an_image_that_is_not_there_leaves_the_server_without_a_disk_until_it_is(
    host: House,
) -> None:
    first = server()
    await host.instance(first)
    anew = changed(first, disk_generation=2, image_id=new_uuid())
    answer = await host.ask(anew)
    assert isinstance(answer, Failed) and answer.transient
    assert (await host.instance(changed(first, disk_generation=2))).power == "running"


@pytest.mark.parametrize(
    ("stable", "bus", "device", "words"),
    [
        (False, "virtio", "disk", "virtio-blk-pci,id=disk-rescue"),
        (True, "virtio", "disk", "virtio-blk-pci,id=disk-rescue"),
        (True, "scsi", "disk", "scsi-hd,id=disk-rescue"),
        (True, "scsi", "cdrom", "scsi-cd,id=disk-rescue"),
        (True, "usb", "disk", "usb-storage,id=disk-rescue"),
        (True, "sata", "cdrom", "ide-cd,id=disk-rescue"),
    ],
)
async def test_a_server_is_rescued_and_its_own_disk_is_there_after(
    host: House, stable: bool, bus: Any, device: Any, words: str
) -> None:
    first = server()
    sid = first.server_id
    await host.instance(first)
    await stop(host, first)
    disk = RescueDisk(image_id=IMAGE_ID, stable=stable, bus=bus, device=device)
    rescue = changed(first, rescue=disk)
    assert (await host.instance(rescue)).power == "running"
    assert record(host, sid).rescue_image_id == IMAGE_ID
    if (there := files(host, sid)) is not None:
        assert {one.name for one in there.iterdir()} >= {"disk", "rescue"}
        line = _arguments(host, sid)
        assert words in line
        order = [line.index(f"disk-{name},") for name in ("root", "rescue")]
        assert (order[0] < order[1]) is stable
        root, rescued = (part for part in line.split("disk-") if part.startswith(("ro", "re")))
        assert "bootindex" in root and "bootindex" in rescued
    await prompt(host, sid)
    assert isinstance(await host.ask(ForgetImage(image_id=IMAGE_ID)), Done)
    assert (await host.inventory()).images == (IMAGE_ID,)
    await stop(host, rescue)
    assert (await host.instance(changed(rescue, rescue=None))).power == "running"
    assert record(host, sid).rescue_image_id == ""
    assert there is None or not (there / "rescue").exists()


def _arguments(host: House, server_id: str) -> str:
    pid = record(host, server_id).pid
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()


async def test_a_disk_that_grew_is_again_as_it_was_kept(host: House) -> None:
    first = server(disk_gib=1)
    sid = first.server_id
    await host.instance(first)
    await stop(host, first)
    larger = changed(first, checkpoint="r2", disk_gib=2, vcpus=2, memory_mib=48, swap_mib=8)
    await host.instance(larger)
    await host.instance(larger)
    assert record(host, sid).checkpoint == "r2"
    there = files(host, sid)
    assert there is None or root_bytes(there) == 2 * GIB
    assert there is None or (there / "swap").stat().st_size == 8 << 20
    await stop(host, larger)
    back = msgspec.structs.replace(first, generation=3, restore="r2")
    await host.instance(back)
    assert (await host.instance(back)).power == "running"
    assert record(host, sid).checkpoint == ""
    assert there is None or root_bytes(there) == GIB
    await prompt(host, sid)


async def test_what_was_kept_of_a_disk_is_dropped_while_the_server_runs(host: House) -> None:
    first = server(disk_gib=1, power="stopped")
    sid = first.server_id
    await host.instance(first)
    kept = changed(first, checkpoint="r2", power="running", disk_gib=2)
    state = await host.instance(kept)
    after = await host.instance(changed(kept, checkpoint=""))
    assert after.started_at == state.started_at and record(host, sid).checkpoint == ""
    late = changed(changed(kept, checkpoint="", restore="r2"))
    assert (await host.instance(late)).started_at == state.started_at  # there is nothing to restore
    there = files(host, sid)
    assert there is None or root_bytes(there) == 2 * GIB


async def test_an_interrupt_comes_once_for_each_time_it_is_asked_for(host: House) -> None:
    first = server()
    sid = first.server_id
    await host.instance(first)
    for token in ("a", "a", "b"):
        assert await host.ask(InjectNMI(server_id=sid, token=token)) == Done()
    if host.kind == "simulated":
        assert (await host.console(sid)).count("NMI received") == 2
    await stop(host, first)
    answer = await host.ask(InjectNMI(server_id=sid, token="c"))
    assert isinstance(answer, Failed) and "not running" in answer.message


async def test_an_agent_that_is_not_there_is_said_to_be_so(host: House) -> None:
    first = server()
    sid = first.server_id
    await host.instance(first)
    for password in ("", "secret"):
        question = AskAgent(server_id=sid, user="root", password=password, timeout_s=0.2)
        answer = await host.ask(question)
        if host.kind == "real":
            assert isinstance(answer, Failed) and "agent does not answer" in answer.message
        else:
            assert answer == Done()
    await stop(host, first)
    assert isinstance(await host.ask(AskAgent(server_id=sid)), Failed)
