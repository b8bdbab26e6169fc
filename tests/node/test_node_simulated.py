"""What only simulated hosts do."""

from __future__ import annotations

import asyncio
import struct

from tests.node.hosts import ENSURE_IMAGE, IMAGE_ID, connect, house, server

from hanok.base.clock import MovableClock
from hanok.bus import MemoryBus
from hanok.commands import (
    ConsoleLog,
    EnsureImage,
    InstanceState,
    ReadConsole,
    RebootInstance,
    wire,
)
from hanok.node.simulated import Shape, SimulatedHost, SimulatedImages, run_simulated


async def test_a_crash_and_a_power_off_are_told() -> None:
    async with house("simulated") as host:
        await host.image()
        one = server()
        await host.instance(one)
        await host.simulated[host.name].crash(one.server_id)
        await host.simulated[host.name].switch_off(one.server_id)
        await asyncio.sleep(0)
        assert [event.power for event in host.events] == ["crashed", "stopped"]


async def test_the_boot_log_grows_with_the_clock() -> None:
    clock = MovableClock()

    async def tell(_: object) -> None:
        raise AssertionError("nothing happens by itself")

    host = SimulatedHost("h", Shape(boot_s=1.0), SimulatedImages(), clock, tell)
    await host.do(ENSURE_IMAGE)
    one = server(hostname="web-1.example")
    await host.do(one)

    async def log() -> str:
        answer = await host.do(ReadConsole(server_id=one.server_id))
        assert isinstance(answer, ConsoleLog)
        return answer.text

    lengths = []
    for _ in range(11):
        lengths.append(len(await log()))
        clock.move(0.1)
    assert lengths == sorted(lengths) and lengths[0] == 0 and lengths[2] < lengths[5] < lengths[10]
    first = await log()
    assert first.endswith("web-1 login: ")
    await host.do(RebootInstance(server_id=one.server_id, generation=2))
    clock.move(2)
    assert (await log()).count("login: ") == 2


async def test_many_hosts_in_one_process() -> None:
    bus, ready = MemoryBus(), asyncio.Event()
    names = [f"host-{number}" for number in range(100)]
    task = asyncio.ensure_future(run_simulated(names, bus, ready=ready))
    await ready.wait()
    image = EnsureImage(image_id=IMAGE_ID, disk_format="qcow2", size_bytes=1, hash_value="0" * 128)

    async def fill(name: str) -> None:
        await wire.ask(bus, name, image, timeout_s=30)
        for _ in range(10):
            answer = await wire.ask(bus, name, server(), timeout_s=30)
            assert isinstance(answer, InstanceState) and answer.power == "running"

    await asyncio.gather(*map(fill, names))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await bus.close()


async def test_a_line_ends_in_a_prompt_that_lets_nobody_in() -> None:
    async with house("simulated") as host:
        await host.image()
        one = server(hostname="web-1.example")
        await host.instance(one)
        reader, writer, _ = await connect(host, one.server_id, "serial")
        boot = await reader.readuntil(b"web-1 login: ")
        assert boot.decode() == await host.console(one.server_id)
        writer.write(b"cirros\n")
        assert await reader.readuntil(b"Password: ") == b"cirros\r\nPassword: "
        writer.write(b"guess\n")
        answer = await reader.readuntil(b"login: ")
        assert b"incorrect" in answer and b"guess" not in answer
        writer.close()


async def test_a_screen_is_black() -> None:
    async with house("simulated") as host:
        await host.image()
        one = server()
        await host.instance(one)
        reader, writer, _ = await connect(host, one.server_id, "vnc")
        assert await reader.readexactly(12) == b"RFB 003.008\n"
        writer.write(b"RFB 003.008\n")
        assert await reader.readexactly(2) == b"\x01\x01"
        writer.write(b"\x01")
        assert await reader.readexactly(4) == bytes(4)
        writer.write(b"\x01")
        width, height = struct.unpack("!HH", await reader.readexactly(4))
        await reader.readexactly(16)
        (length,) = struct.unpack("!I", await reader.readexactly(4))
        assert await reader.readexactly(length) == b"tiny"
        writer.write(struct.pack("!BxHi", 2, 1, 0) + struct.pack("!B7x", 4))
        writer.write(struct.pack("!BBHHHH", 3, 0, 0, 0, width, height))
        head = struct.unpack("!BxHHHHHi", await reader.readexactly(16))
        assert head == (0, 1, 0, 0, width, height, 0)
        assert await reader.readexactly(width * height * 4) == bytes(width * height * 4)
        writer.close()
