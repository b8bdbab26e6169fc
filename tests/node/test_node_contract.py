"""What every host does, real or simulated."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from hashlib import md5, sha1

import msgspec
import pytest
import pytest_asyncio
from tests.node.hosts import (
    A_CONFIG_DRIVE,
    ENSURE_IMAGE,
    IMAGE_ID,
    TINY,
    House,
    a_nic,
    connect,
    eventually,
    house,
    server,
)

from hanok.base.failpoints import armed
from hanok.base.ids import new_uuid
from hanok.bus import NobodyThere
from hanok.commands import (
    DescribeHost,
    Devices,
    Diagnostics,
    Done,
    EnsureImage,
    Failed,
    ForgetImage,
    HostState,
    ImageState,
    OpenConsole,
    ReadConsole,
    ReadDiagnostics,
    RebootInstance,
    RemoveInstance,
    SetPower,
    Stale,
)


@pytest_asyncio.fixture(params=["real", "simulated"])
async def host(request: pytest.FixtureRequest) -> AsyncIterator[House]:
    async with house(request.param) as one:
        await one.image()
        yield one


def hard(server_id: str, generation: int, power: str) -> SetPower:
    return SetPower(server_id=server_id, generation=generation, power=power, soft=False)  # type: ignore[arg-type]


async def test_an_image_is_copied_once(host: House) -> None:
    again = await host.ask(ENSURE_IMAGE)
    assert again == ImageState(image_id=IMAGE_ID, virtual_size_bytes=len(TINY), copied=False)
    assert (await host.inventory()).images == (IMAGE_ID,)
    assert isinstance(await host.ask(ForgetImage(image_id=IMAGE_ID)), Done)
    assert (await host.inventory()).images == ()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"hash_value": "0" * 128}, "checksum"),
        ({"hash_value": ""}, "no checksum"),
        ({"hash_algorithm": "sha256"}, "checksum differs"),
        ({"hash_algorithm": "sha256", "hash_value": "0" * 64}, "checksum differs"),
        ({"hash_algorithm": "sha1", "hash_value": sha1(TINY).hexdigest()}, "kind sha1"),
        ({"hash_algorithm": "md5", "hash_value": md5(TINY).hexdigest()}, "kind md5"),
        ({"hash_algorithm": "shake_128", "hash_value": "00"}, "kind shake_128"),
        ({"size_bytes": 5}, "checksum"),
        ({"disk_format": "qcow2"}, "said to be qcow2"),
        ({"disk_format": "vmdk"}, "said to be vmdk"),
        ({"disk_format": "ploop"}, "cannot be booted"),
        ({"image_id": "9c0d0000-0000-4000-8000-00000000ffff"}, "not in any store"),
        ({"image_id": "../../etc/passwd"}, "not an id"),
    ],
)
async def test_a_wrong_image_is_refused(
    host: House, changes: dict[str, object], words: str
) -> None:
    await host.ask(ForgetImage(image_id=IMAGE_ID))
    values = {name: getattr(ENSURE_IMAGE, name) for name in ENSURE_IMAGE.__struct_fields__}
    answer = await host.ask(EnsureImage(**(values | changes)))
    assert isinstance(answer, Failed) and words in answer.message
    assert (await host.inventory()).images == ()


@pytest.mark.parametrize("algorithm", ["sha224", "sha256", "sha384"])
async def test_an_image_with_another_good_hash_is_taken(host: House, algorithm: str) -> None:
    await host.ask(ForgetImage(image_id=IMAGE_ID))
    value = hashlib.new(algorithm, TINY).hexdigest()
    requested = msgspec.structs.replace(ENSURE_IMAGE, hash_algorithm=algorithm, hash_value=value)
    answer = await host.ask(requested)
    assert answer == ImageState(image_id=IMAGE_ID, virtual_size_bytes=len(TINY), copied=True)


async def test_a_server_lives_and_goes(host: House) -> None:
    requested = server(nics=(a_nic(),), config_drive=A_CONFIG_DRIVE, ephemeral_gib=1, swap_mib=16)
    sid = requested.server_id
    state = await host.instance(requested)
    assert (state.power, state.generation) == ("running", 1) and state.started_at is not None
    assert (await host.instance(requested)).started_at == state.started_at  # a repeat does nothing

    inventory = await host.inventory()
    assert [one.server_id for one in inventory.instances] == [sid]
    assert list(inventory.processes) == [sid] and inventory.directories == (sid,)
    assert inventory.taps == (requested.nics[0].port_id,)
    assert inventory.metadata_networks == (requested.nics[0].network_id,)

    async def prompt() -> bool:
        return (await host.console(sid)).endswith("tiny login: ")

    await eventually(prompt)
    assert await host.ask(RemoveInstance(server_id=sid, generation=1)) == Done()
    assert await host.ask(RemoveInstance(server_id=sid, generation=1)) == Done()
    inventory = await host.inventory()
    assert not inventory.instances and not inventory.processes and not inventory.taps
    assert not inventory.directories and not inventory.metadata_networks


async def test_a_late_command_changes_nothing(host: House) -> None:
    requested = server(generation=5, power="stopped")
    sid = requested.server_id
    await host.instance(requested)
    assert await host.ask(server(generation=4, server_id=sid)) == Stale(known_generation=5)
    assert await host.ask(hard(sid, 4, "running")) == Stale(known_generation=5)
    assert await host.ask(RemoveInstance(server_id=sid, generation=4)) == Stale(known_generation=5)
    assert await host.ask(RemoveInstance(server_id=sid, generation=6)) == Done()
    assert await host.ask(requested) == Stale(known_generation=6)
    assert await host.ask(hard(sid, 5, "running")) == Stale(known_generation=6)
    assert not (await host.inventory()).directories


async def test_removing_what_never_was_is_remembered(host: House) -> None:
    sid = new_uuid()
    assert await host.ask(RemoveInstance(server_id=sid, generation=3)) == Done()
    assert await host.ask(server(generation=2, server_id=sid)) == Stale(known_generation=3)


async def test_power_goes_along_its_arrows(host: House) -> None:
    requested = server(power="stopped")
    sid = requested.server_id
    assert (await host.instance(requested)).power == "stopped"
    assert not (await host.inventory()).processes
    path = [
        "running",
        "paused",
        "running",
        "suspended",
        "running",
        "paused",
        "suspended",
        "stopped",
    ]
    for generation, power in enumerate(path, 2):
        assert (await host.instance(hard(sid, generation, power))).power == power
        assert bool((await host.inventory()).processes) == (power in ("running", "paused"))
        again = await host.instance(hard(sid, generation, power))
        assert (again.power, again.generation) == (power, generation)
    for power in ("paused", "suspended"):
        answer = await host.ask(hard(sid, 20, power))
        assert answer == Failed(message=f"A server that is stopped cannot become {power}.")
    assert (await host.instance(hard(sid, 10, "stopped"))).generation == 10


async def test_a_reboot_happens_once_a_generation(host: House) -> None:
    requested = server()
    sid = requested.server_id
    first = await host.instance(requested)
    command = RebootInstance(server_id=sid, generation=2)
    second = await host.instance(command)
    third = await host.instance(command)
    assert first.started_at and second.started_at and second.started_at > first.started_at
    assert third == second and second.power == "running"


async def test_what_cannot_be_is_said_in_the_users_terms(host: House) -> None:
    unknown = await host.ask(server(image_id=new_uuid()))
    assert isinstance(unknown, Failed) and unknown.transient and "image" in unknown.message
    vast = await host.ask(server(memory_mib=1 << 24))
    assert isinstance(vast, Failed) and "free memory" in vast.message
    for command in (
        hard(new_uuid(), 1, "running"),
        ReadConsole(server_id=new_uuid()),
        OpenConsole(server_id=new_uuid()),
        RebootInstance(server_id=new_uuid(), generation=1),
    ):
        answer = await host.ask(command)
        assert isinstance(answer, Failed) and answer.message == "This host has no such server."
    bad = await host.ask(server(server_id="../x"))
    assert isinstance(bad, Failed) and "not an id" in bad.message


async def test_an_image_that_is_stood_on_stays(host: House) -> None:
    requested = server(power="stopped")
    await host.instance(requested)
    assert await host.ask(ForgetImage(image_id=IMAGE_ID)) == Done()
    assert (await host.inventory()).images == (IMAGE_ID,)
    await host.ask(RemoveInstance(server_id=requested.server_id, generation=1))
    assert await host.ask(ForgetImage(image_id=IMAGE_ID)) == Done()
    assert (await host.inventory()).images == ()


async def test_guests_outlive_the_node(host: House) -> None:
    running, stopped = server(nics=(a_nic(),)), server(power="stopped")
    before = [await host.instance(running), await host.instance(stopped)]
    gone = new_uuid()
    await host.ask(RemoveInstance(server_id=gone, generation=9))
    await host.stop()
    await host.start()
    inventory = await host.inventory()
    key = [state.server_id for state in before]
    assert sorted(inventory.instances, key=lambda s: key.index(s.server_id)) == before
    assert list(inventory.processes) == [running.server_id]
    assert inventory.taps == (running.nics[0].port_id,)
    assert await host.ask(server(generation=8, server_id=gone)) == Stale(known_generation=9)
    assert host.events == []
    assert (await host.instance(hard(running.server_id, 2, "paused"))).power == "paused"


async def test_a_host_describes_itself_and_beats(host: House) -> None:
    answer = await host.ask(DescribeHost())
    assert isinstance(answer, HostState)
    assert answer.host == host.name and answer.accelerator_reason
    assert answer.vcpus and answer.memory_mib >= answer.memory_free_mib > 0
    assert answer.simulated == (host.kind == "simulated")

    async def beat() -> bool:
        return bool(host.beats)

    await eventually(beat)
    assert host.beats[0].host == host.name


async def test_a_lost_answer_is_silence_but_the_deed_is_done(host: House) -> None:
    requested = server(power="stopped")
    with armed("node.ensure_instance.after", "lose", 1), pytest.raises(NobodyThere):
        await host.ask(requested)
    assert (await host.inventory()).directories == (requested.server_id,)
    assert (await host.instance(requested)).power == "stopped"


async def test_a_server_that_came_back_stays(host: House) -> None:
    requested = server(generation=3, power="stopped")
    sid = requested.server_id
    await host.instance(requested)
    assert await host.ask(RemoveInstance(server_id=sid, generation=3)) == Done()
    await host.instance(requested)  # as new as the removal: an undo, and another try
    await host.stop()
    await host.start()
    assert (await host.inventory()).directories == (sid,)
    assert await host.ask(server(generation=2, server_id=sid)) == Stale(known_generation=3)


async def test_a_ticket_opens_one_console_once(host: House) -> None:
    requested = server()
    await host.instance(requested)
    reader, writer, address = await connect(host, requested.server_id, "vnc")
    assert await reader.readexactly(12) == b"RFB 003.008\n"
    writer.close()
    for line in (address.ticket.encode() + b"\n", b"guess\n", b"x" * 200 + b"\n", b""):
        reader, writer = await asyncio.open_connection(address.host, address.port)
        writer.write(line)
        writer.write_eof()
        assert await reader.read() == b""
        writer.close()
    await host.ask(
        SetPower(server_id=requested.server_id, generation=2, power="stopped", soft=False)
    )
    answer = await host.ask(OpenConsole(server_id=requested.server_id))
    assert isinstance(answer, Failed) and "not running" in answer.message


async def test_a_running_guest_is_diagnosed(host: House) -> None:
    requested = server(vcpus=2, nics=(a_nic(),), swap_mib=1)
    await host.instance(requested)
    ask = ReadDiagnostics(server_id=requested.server_id)

    async def says_login() -> bool:
        return "login" in await host.console(requested.server_id)

    await eventually(says_login)
    told = await host.ask(ask)
    assert isinstance(told, Diagnostics), told
    assert told.memory_figures["rss"] > 1024
    assert told.power == "running" and told.started_at is not None
    assert (told.memory_mib, told.memory_used_mib) == (32, 32)
    assert len(told.cpu_times_ns) == 2 and told.cpu_times_ns[0] > 0
    assert len(told.disks) == 2
    assert [nic.mac for nic in told.nics] == [requested.nics[0].mac]
    await host.ask(hard(requested.server_id, 2, "stopped"))
    answer = await host.ask(ask)
    assert isinstance(answer, Failed) and "not running" in answer.message
    answer = await host.ask(ReadDiagnostics(server_id=new_uuid()))
    assert isinstance(answer, Failed) and "no such server" in answer.message


async def test_a_machine_that_the_host_does_not_have_is_said(host: House) -> None:
    answer = await host.ask(server(devices=Devices(machine="pc-q35-0.1")))
    assert isinstance(answer, Failed) and "machine type pc-q35-0.1" in answer.message
    told = server(devices=Devices(machine="pc", boot_menu=True))
    assert (await host.instance(told)).power == "running"
