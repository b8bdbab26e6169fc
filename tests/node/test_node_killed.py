"""A node process that is killed in the middle of a create, over a real message server, and comes back."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from tests.node.hosts import A_CONFIG_DRIVE, ENSURE_IMAGE, a_nic, eventually, house, server
from tests.ports import free_port

from hanok.bus import NobodyThere
from hanok.bus.nats import NATSBus
from hanok.commands import (
    Answer,
    Command,
    DescribeHost,
    Done,
    HostInventory,
    ImageState,
    InstanceState,
    ListInventory,
    RemoveInstance,
    wire,
)
from hanok.node.settings import NodeSettings

PROGRAM = """
import asyncio, sys, msgspec
from hanok.base.failpoints import arm_from_environment
from hanok.node.main import main
from hanok.node.settings import NodeSettings
arm_from_environment()
asyncio.run(main(msgspec.json.decode(sys.argv[1], type=NodeSettings)))
"""
SOURCE = Path(__file__).parents[2] / "src"


@asynccontextmanager
async def program(*argv: str, **environment: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *argv,
        env=os.environ | environment,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@asynccontextmanager
async def node(
    settings: NodeSettings, bus: NATSBus, failpoints: str = ""
) -> AsyncIterator[asyncio.subprocess.Process]:
    text = msgspec.json.encode(settings).decode()
    async with program(
        sys.executable, "-c", PROGRAM, text, PYTHONPATH=str(SOURCE), HANOK_FAILPOINTS=failpoints
    ) as process:

        async def there() -> bool:
            try:
                await wire.ask(bus, settings.host, DescribeHost(), timeout_s=2)
            except NobodyThere:
                return False
            return True

        await eventually(there)
        yield process


@pytest.mark.skipif(shutil.which("nats-server") is None, reason="nats-server is not installed")
@pytest.mark.parametrize(
    "place",
    [
        "node.ensure_instance.after_record",
        "node.ensure_instance.after_root_disk",
        "node.make_ephemeral.between",
        "node.start.after_process",
        "node.start.before_cont",
        "node.ensure_instance.after_start",
    ],
)
async def test_a_create_goes_on_after_the_node_was_killed(place: str) -> None:
    port = free_port()
    url = f"nats://127.0.0.1:{port}"
    async with (
        house("real", nats_url=url) as host,
        program("nats-server", "-a", "127.0.0.1", "-p", str(port)),
    ):
        await host.stop()
        bus = await NATSBus.connect(url, name="test")
        requested = server(nics=(a_nic(),), config_drive=A_CONFIG_DRIVE, ephemeral_gib=1)

        async def ask(command: Command) -> Answer:
            return await wire.ask(bus, host.name, command, timeout_s=30)

        try:
            async with node(host.settings, bus, f"{place}=die") as process:
                assert isinstance(await ask(ENSURE_IMAGE), ImageState)
                asking = asyncio.ensure_future(ask(requested))
                async with asyncio.timeout(30):
                    assert await process.wait() == -9
                asking.cancel()
                await asyncio.gather(asking, return_exceptions=True)
            async with node(host.settings, bus):
                state = await ask(requested)
                assert isinstance(state, InstanceState) and state.power == "running"
                inventory = await ask(ListInventory())
                assert isinstance(inventory, HostInventory)
                assert list(inventory.processes) == [requested.server_id]
                gone = RemoveInstance(server_id=requested.server_id, generation=2)
                assert await ask(gone) == Done()
                inventory = await ask(ListInventory())
                assert isinstance(inventory, HostInventory)
                assert not inventory.processes and not inventory.directories
        finally:
            await bus.close()
