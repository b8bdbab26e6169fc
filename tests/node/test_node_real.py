"""What only real guests do: end by themselves, be found again, talk over a console, break half-way."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from tests.node.hosts import A_CONFIG_DRIVE, House, a_nic, connect, eventually, house, server

from hanok.base.failpoints import armed
from hanok.bus import NobodyThere
from hanok.commands import (
    DiskFile,
    Done,
    Failed,
    MetadataDocument,
    RemoveInstance,
    SetPower,
    wire,
)
from hanok.drivers.qemu.monitor import Monitor
from hanok.node import guests
from hanok.node.images import ImageCache
from hanok.node.settings import SERVERS


@pytest_asyncio.fixture
async def host() -> AsyncIterator[House]:
    async with house("real") as one:
        await one.image()
        yield one


async def told(host: House) -> bool:
    return bool(host.events)


async def test_a_guest_that_switches_itself_off_is_told(host: House) -> None:
    requested = server()
    await host.instance(requested)

    async def up() -> bool:
        return "login" in await host.console(requested.server_id)

    await eventually(up)
    _, writer, _ = await connect(host, requested.server_id, "serial")
    writer.write(b"q")
    await eventually(lambda: told(host))
    writer.close()
    event = host.events[0]
    assert (event.server_id, event.power, event.generation) == (requested.server_id, "stopped", 1)
    assert not (await host.inventory()).processes


async def test_a_killed_guest_is_crashed_and_can_be_started_again(host: House) -> None:
    requested = server()
    await host.instance(requested)
    os.kill((await host.inventory()).processes[requested.server_id], signal.SIGKILL)
    await eventually(lambda: told(host))
    assert host.events[0].power == "crashed"
    again = SetPower(server_id=requested.server_id, generation=2, power="running")
    assert (await host.instance(again)).power == "running"


async def test_a_guest_that_ended_while_no_node_was_there_is_told(host: House) -> None:
    requested = server()
    await host.instance(requested)
    pid = (await host.inventory()).processes[requested.server_id]
    await host.stop()
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)  # this process is its parent; a node of its own would not be
    await host.start()
    await eventually(lambda: told(host))
    assert [state.power for state in (await host.inventory()).instances] == ["stopped"]


async def test_after_a_reboot_of_the_host_guests_run_again(host: House) -> None:
    running, stopped = server(), server(power="stopped")
    await host.instance(running)
    await host.instance(stopped)
    pid = (await host.inventory()).processes[running.server_id]
    await host.stop()
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    record = host.folder / "state/instances" / running.server_id / "record.json"
    text = msgspec.json.decode(record.read_bytes())
    record.write_bytes(msgspec.json.encode(text | {"boot_id": "an earlier one"}))
    await host.start()
    assert list((await host.inventory()).processes) == [running.server_id]
    assert host.events == []


async def test_a_soft_stop_is_a_hard_one_in_the_end(host: House) -> None:
    requested = server()
    await host.instance(requested)
    deaf = SetPower(server_id=requested.server_id, generation=2, power="stopped", timeout_s=0.2)
    assert (await host.instance(deaf)).power == "stopped"
    assert host.events == []


async def test_a_guest_that_is_still_starting_is_asked_again_to_end(
    host: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands, execute = [], Monitor.execute

    async def hear(self: Monitor, command: str, *rest: Any, **more: Any) -> object:
        commands.append(command)
        return await execute(self, command, *rest, **more)

    requested = server()
    await host.instance(requested)
    monkeypatch.setattr(Monitor, "execute", hear)
    monkeypatch.setattr(guests, "ASK_AGAIN_S", 0.05)
    stop = SetPower(server_id=requested.server_id, generation=2, power="stopped", timeout_s=1.0)
    assert (await host.instance(stop)).power == "stopped"
    assert commands.count("system_powerdown") > 1


async def test_the_disk_grows_and_is_never_replaced(host: House) -> None:
    requested = server(power="stopped")
    await host.instance(requested)
    disk = host.folder / "state/instances" / requested.server_id / "files/disk"
    before = disk.stat().st_ino
    for power in ("stopped", "running"):
        size = 2 if power == "stopped" else 3
        await host.instance(server(2, server_id=requested.server_id, disk_gib=size, power=power))
        assert disk.stat().st_ino == before
        assert int.from_bytes(disk.read_bytes()[24:32], "big") == size << 30
    await host.instance(server(3, server_id=requested.server_id, disk_gib=4))
    assert int.from_bytes(disk.read_bytes()[24:32], "big") == 4 << 30


async def test_metadata_is_asked_of_control_by_network_and_address(host: House) -> None:
    questions = []

    async def answer(_subject: str, payload: bytes) -> bytes:
        question = wire.decode_question(payload)
        questions.append(question)
        found = question.network_id == requested.nics[0].network_id
        left = question.password == "c2VhbGVk"
        files = {"latest/user-data": b"#!", "openstack/latest/password": b""}
        return wire.encode(MetadataDocument(found=found, left=left, files=files))

    requested = server(nics=(a_nic(), a_nic()), power="stopped")
    await host.bus.listen(f"{wire.METADATA}.*", answer)
    await host.instance(requested)

    async def get(nic: int, request: bytes) -> bytes:
        port = host.chassis.metadata_ports[requested.nics[nic].network_id]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request)
        data = await reader.read()
        writer.close()
        return data

    spoofed = (
        b"GET /latest/user-data HTTP/1.1\r\nX-Forwarded-For: 10.9.9.9\r\nX-Instance-ID: a\r\n\r\n"
    )
    assert (await get(0, spoofed)).endswith(b"\r\n\r\n#!")
    assert (await get(0, b"GET / HTTP/1.0\r\n\r\n")).endswith(b"\r\n\r\nlatest")
    token = b"PUT /latest/api/token HTTP/1.1\r\nX-aws-ec2-metadata-token-ttl-seconds: 9\r\n\r\n"
    assert (await get(0, token)).startswith(b"HTTP/1.1 404")
    for body, status in (
        (b"c2VhbGVk", b"200"),
        (b"b3RoZXI=", b"409"),
        (b"a" * 1021, b"400"),
        (b"\x00\xff", b"400"),
        (b"", b"400"),
    ):
        head = b"POST /openstack/latest/password HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body)
        assert (await get(0, head + body)).startswith(b"HTTP/1.1 " + status), body
    assert (await get(1, head)).startswith(b"HTTP/1.1 404")
    assert (await get(0, b"GET /secret HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 404")
    assert (await get(1, spoofed)).startswith(b"HTTP/1.1 404")
    assert (await get(0, b"POST / HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 405")
    assert (await get(0, b"nonsense\r\n\r\n")).startswith(b"HTTP/1.1 400")
    assert (await get(0, b"GET / HTTP/1.1\r\nX: " + b"a" * 20000)).startswith(b"HTTP/1.1 431")
    assert {question.address for question in questions} == {"127.0.0.1"}
    assert len({question.network_id for question in questions}) == 2


async def test_metadata_without_control_is_503(host: House) -> None:
    requested = server(nics=(a_nic(),), power="stopped")
    await host.instance(requested)
    port = host.chassis.metadata_ports[requested.nics[0].network_id]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\n\r\n")
    assert (await reader.read()).startswith(b"HTTP/1.1 503")
    writer.close()


PLACES = (
    *(f"node.ensure_instance.{place}" for place in ("before_record", "after_record", "after_plug")),
    *(
        f"node.ensure_instance.{place}"
        for place in ("after_root_disk", "after_disks", "after_start")
    ),
    *("node.make_root.before", "node.make_root.after"),
    *("node.start.before_process", "node.start.after_process", "node.start.before_cont"),
)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("then", ["repeat", "remove", "restart"])
async def test_a_create_that_breaks_anywhere_leaves_nothing_or_goes_on(
    host: House, place: str, then: str
) -> None:
    requested = server(nics=(a_nic(),), config_drive=A_CONFIG_DRIVE)
    with armed(place, "raise"), pytest.raises(NobodyThere):
        await host.ask(requested)
    if then == "restart":
        await host.stop()
        await host.start()
    if then != "remove":
        assert (await host.instance(requested)).power == "running"
        assert list((await host.inventory()).processes) == [requested.server_id]
    assert await host.ask(RemoveInstance(server_id=requested.server_id, generation=2)) == Done()
    inventory = await host.inventory()
    assert not inventory.instances and not inventory.processes and not inventory.taps
    assert not inventory.directories and not inventory.metadata_networks
    assert not list((host.folder / "run").iterdir())


@pytest.mark.parametrize("place", ["before_kill", "after_kill", "after_unplug", "after_files"])
async def test_a_removal_that_breaks_is_finished_at_the_next_start(host: House, place: str) -> None:
    requested = server(nics=(a_nic(),))
    await host.instance(requested)
    with armed(f"node.remove_instance.{place}", "raise"), pytest.raises(NobodyThere):
        await host.ask(RemoveInstance(server_id=requested.server_id, generation=2))
    await host.stop()
    await host.start()
    inventory = await host.inventory()
    assert not inventory.instances and not inventory.processes and not inventory.directories


async def test_a_half_copied_image_is_not_an_image(host: House, tmp_path: Path) -> None:
    (tmp_path / ".x.new").write_bytes(b"half")
    assert ImageCache(tmp_path, (), gid=None).list() == []
    assert not list(tmp_path.iterdir())


async def test_servers_share_the_image_and_own_their_folders(host: House) -> None:
    servers = [server(power="stopped") for _ in range(3)]
    await asyncio.gather(*(host.instance(one) for one in servers))
    for one in servers:
        files = host.folder / "state/instances" / one.server_id / "files"
        assert files.stat().st_mode & 0o777 == 0o700
        assert (files / "disk").stat().st_blocks * 512 < 1 << 20


@pytest.mark.host
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start guests as other users")
async def test_each_guest_runs_as_a_user_of_its_own() -> None:
    others = 1 + len(SERVERS)  # a load balancer's, and what serves guests
    users = {"qemu_uid": 710_000, "qemu_gid": 710_000, "qemu_uids": 2 + others}
    async with house("real", **users) as host:
        await host.image()
        servers = [server(config_drive=A_CONFIG_DRIVE, swap_mib=16, ephemeral_gib=1) for _ in "ab"]
        for number, one in enumerate(servers):
            await host.instance(one)
            pid = (await host.inventory()).processes[one.server_id]
            status = Path(f"/proc/{pid}/status").read_text()
            uid = 710_000 + number
            assert f"Uid:\t{uid}\t{uid}\t{uid}\t{uid}" in status and "Seccomp:\t2" in status
            assert "Groups:\t \n" in status
            files = host.folder / "state/instances" / one.server_id / "files"
            assert {path.stat().st_uid for path in [files, *files.iterdir()]} == {uid}
            assert files.parent.stat().st_uid == 0
        full = await host.ask(server())
        assert isinstance(full, Failed) and full.transient
        await host.instance(SetPower(server_id=one.server_id, generation=2, power="suspended"))
        await host.instance(SetPower(server_id=one.server_id, generation=3, power="running"))


async def test_a_node_that_dies_while_it_suspends_loses_nothing(host: House) -> None:
    requested = server()
    sid = requested.server_id
    await host.instance(requested)

    async def up() -> bool:
        return "login" in await host.console(sid)

    await eventually(up)
    suspend = SetPower(server_id=sid, generation=2, power="suspended")
    with armed("node.suspend.after_save", "raise"), pytest.raises(NobodyThere):
        await host.ask(suspend)
    await host.stop()
    await host.start()
    assert (await host.instance(suspend)).power == "suspended"
    resume = SetPower(server_id=sid, generation=3, power="running")
    with armed("node.start.before_cont", "raise"), pytest.raises(NobodyThere):
        await host.ask(resume)
    await host.stop()
    await host.start()
    assert (await host.instance(resume)).power == "running"
    assert (await host.console(sid)).count("login") == 1  # it was never started anew


async def test_a_config_drive_that_cannot_be_made_is_said(host: House) -> None:
    drive = (DiskFile(path="../../etc/cron.d/x", content=b"x"),)
    answer = await host.ask(server(config_drive=drive))
    assert isinstance(answer, Failed) and "config drive" in answer.message


async def test_a_guest_that_stands_still_is_seen_at_the_next_start(host: House) -> None:
    requested = server()
    await host.instance(requested)
    await host.stop()
    monitor = await Monitor.connect(host.folder / "run" / requested.server_id / "qmp")
    await monitor.execute("stop")
    await monitor.close()
    await host.start()
    await eventually(lambda: told(host))
    assert host.events[0].power == "paused"
    again = SetPower(server_id=requested.server_id, generation=2, power="running")
    assert (await host.instance(again)).power == "running"


@pytest.mark.host
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: the host's disk is one of its own")
async def test_a_guest_waits_for_room_on_a_full_disk() -> None:
    async with house("real", disk_mib=1200) as host:
        await host.image()
        requested = server()
        await host.instance(requested)

        async def up() -> bool:
            return "login" in await host.console(requested.server_id)

        await eventually(up)
        ballast = host.folder / "ballast"
        with ballast.open("wb", buffering=0) as file:
            for size in (1 << 20, 1 << 12):
                with contextlib.suppress(OSError):
                    while file.write(bytes(size)) == size:
                        pass
        _, writer, _ = await connect(host, requested.server_id, "serial")
        writer.write(b"w")
        await eventually(lambda: told(host))
        event = host.events[0]
        assert event.power == "paused" and "no room left" in event.reason
        assert (await host.inventory()).instances[0].reason == event.reason
        assert "." not in await host.console(requested.server_id)

        assert any("MiB free" in line for line in host.beats[-1].warnings) or not host.beats
        ballast.unlink()

        async def twice() -> bool:
            return len(host.events) > 1

        await eventually(twice)
        assert [(one.power, one.reason) for one in host.events[1:]] == [("running", "")]
        assert (await host.inventory()).instances[0].power == "running"

        async def written() -> bool:
            return "." in await host.console(requested.server_id)

        await eventually(written)
        writer.close()
