"""Hosts for tests: the real node with a guest of one sector, and the simulated one."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from hanok.base.ids import new_uuid
from hanok.bus import MemoryBus
from hanok.commands import (
    NIC,
    Answer,
    Command,
    ConsoleAddress,
    DiskFile,
    EnsureImage,
    EnsureInstance,
    HostInventory,
    HostState,
    ImageState,
    InstanceChanged,
    InstanceState,
    ListInventory,
    MetadataPort,
    OpenConsole,
    ReadConsole,
    wire,
)
from hanok.drivers.qemu import process
from hanok.drivers.volumes.daemon import Daemon
from hanok.drivers.volumes.relay import Settings as RelaySettings
from hanok.drivers.volumes.relay_process import RelayProcess
from hanok.node import cgroups
from hanok.node.app import run_node
from hanok.node.chassis import NullChassis
from hanok.node.settings import BackendSettings, NodeSettings
from hanok.node.simulated import Shape, SimulatedHost, run_simulated

# A disk whose boot sector says "tiny login: " on the serial line, writes to the disk and says "." when it reads a "w"
# there, and switches the machine off (PM1a control register of q35) when it reads a "q".
_CODE = bytes.fromhex(
    "31c0 8ed8 8ec0 be487c ac 84c0 7406 baf803 ee ebf5"  # print the text at 0x7c48
    "f4 bafd03 ec a801 74f7 baf803 ec 3c77 740d 3c71 75eb"  # wait for a tick, then for a "w" or "q"
    "ba0406 b80020 ef ebe2"  # "q"
    "b80103 b90200 ba8000 bb007c cd13 baf803 b02e ee ebcc"  # "w": the second sector, by the BIOS
)
TINY = (_CODE + b"tiny login: \0").ljust(510, b"\0") + b"\x55\xaa" + bytes((1 << 20) - 512)
IMAGE_ID = "9c0d0000-0000-4000-8000-000000000001"
ENSURE_IMAGE = EnsureImage(
    image_id=IMAGE_ID,
    disk_format="raw",
    size_bytes=len(TINY),
    hash_value=hashlib.sha512(TINY).hexdigest(),
)
BACKENDS = (BackendSettings(name="files"), BackendSettings(name="files2"))
WAIT_S = 60.0  # a machine that is busy with other things
T = TypeVar("T")


@dataclass
class House:
    """A host that listens, and what it told."""

    kind: str
    name: str
    folder: Path
    bus: MemoryBus
    chassis: NullChassis
    settings: NodeSettings
    events: list[InstanceChanged] = field(default_factory=list)
    beats: list[HostState] = field(default_factory=list)
    simulated: dict[str, SimulatedHost] = field(default_factory=dict)
    task: asyncio.Future[None] | None = None

    async def ask(self, command: Command) -> Answer:
        return await wire.ask(self.bus, self.name, command, timeout_s=WAIT_S)

    async def instance(self, command: Command) -> InstanceState:
        answer = await self.ask(command)
        assert isinstance(answer, InstanceState), answer
        return answer

    async def inventory(self) -> HostInventory:
        answer = await self.ask(ListInventory())
        assert isinstance(answer, HostInventory), answer
        return answer

    async def console(self, server_id: str) -> str:
        answer: Any = await self.ask(ReadConsole(server_id=server_id))
        return str(answer.text)

    async def image(self) -> None:
        assert isinstance(await self.ask(ENSURE_IMAGE), ImageState)

    async def start(self) -> None:
        """Also again, after `stop`: what it had goes on."""
        self.bus = MemoryBus()
        await self.bus.listen(f"{wire.INSTANCE}.*", self._changed)
        await self.bus.listen(f"{wire.HEARTBEAT}.*", self._beat)
        ready = asyncio.Event()
        if self.kind == "simulated":
            running = run_simulated(
                [self.name],
                self.bus,
                shape=Shape(memory_mib=4096, boot_s=0.05),
                image_stores=self.settings.image_stores,
                state_dir=self.folder / "state",
                snapshots=self.settings.snapshot_folder,
                ready=ready,
                hosts=self.simulated,
            )
        else:
            running = run_node(self.settings, self.bus, self.chassis, ready=ready)
        self.task = asyncio.ensure_future(running)
        waiting = asyncio.ensure_future(ready.wait())
        await asyncio.wait(
            [self.task, waiting], timeout=WAIT_S, return_when=asyncio.FIRST_COMPLETED
        )
        waiting.cancel()
        if self.task.done():
            self.task.result()
        assert ready.is_set()

    async def stop(self) -> None:
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)
            self.task = None
        await self.bus.close()

    async def _changed(self, _subject: str, payload: bytes) -> None:
        self.events.append(wire.decode_instance_changed(payload))

    async def _beat(self, _subject: str, payload: bytes) -> None:
        self.beats.append(wire.decode_host_state(payload))


@asynccontextmanager
async def house(kind: str, *, disk_mib: int = 0, **changes: Any) -> AsyncIterator[House]:
    """A running host; at the end nothing of it is left, its guests' processes neither.

    disk_mib: its files are on a disk of this size; needs root.
    """
    folder = Path(tempfile.mkdtemp(prefix="hk-", dir="/tmp"))
    if disk_mib:
        mount = ["mount", "-t", "tmpfs", "-o", f"size={disk_mib}m,mode=711", "hanok-test"]
        subprocess.run([*mount, str(folder)], check=True, timeout=30)
    (folder / "store").mkdir()
    (folder / "store" / IMAGE_ID).write_bytes(TINY)
    values = {"host": "host-1.example", "volume_backends": BACKENDS} | changes
    settings = NodeSettings(
        state_dir=str(folder / "state"),
        run_dir=str(folder / "run"),
        image_stores=(str(folder / "store"),),
        accelerator="tcg",
        **values,
    )
    folder.chmod(0o711)
    one = House(kind, settings.host, folder, MemoryBus(), NullChassis(), settings)
    try:
        await one.start()
        yield one
    finally:
        await one.stop()
        for server_id, identity in process.scan(settings.run_dir).items():
            if found := process.find(identity, server_id=server_id, folder=settings.run_dir):
                await found.kill()
                found.close()
        daemon = Daemon(Path(settings.run_dir) / "volumes")
        if await daemon.adopt():
            await daemon.kill()
        relay = RelayProcess(
            Path(settings.run_dir) / "far", RelaySettings(daemon="", tls="", address="", port=0)
        )
        await relay.look()
        await relay.kill()
        cgroups.clear(cgroups.name_of(settings.run_dir))
        if disk_mib:
            subprocess.run(["umount", "-l", str(folder)], check=True, timeout=30)
        shutil.rmtree(folder)


def server(generation: int = 1, **changes: Any) -> EnsureInstance:
    values: dict[str, Any] = {
        "server_id": new_uuid(),
        "generation": generation,
        "name": "tiny",
        "hostname": "tiny.example",
        "project_id": "p",
        "user_id": "u",
        "vcpus": 1,
        "memory_mib": 32,
        "disk_gib": 1,
        "image_id": IMAGE_ID,
        "image_format": "raw",
    }
    return EnsureInstance(**(values | changes))


def a_nic(network_id: str | None = None) -> NIC:
    port = MetadataPort(port_id=new_uuid(), mac="fa:16:3e:00:00:02", addresses=("10.0.0.2/24",))
    return NIC(
        port_id=new_uuid(),
        network_id=network_id or new_uuid(),
        mac="fa:16:3e:00:00:01",
        metadata=port,
    )


async def connect(
    host: House, server_id: str, kind: Literal["vnc", "serial"]
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, ConsoleAddress]:
    address = await host.ask(OpenConsole(server_id=server_id, kind=kind))
    assert isinstance(address, ConsoleAddress)
    reader, writer = await asyncio.open_connection(address.host, address.port)
    writer.write(address.ticket.encode() + b"\n")
    return reader, writer, address


A_CONFIG_DRIVE = (DiskFile(path="openstack/latest/meta_data.json", content=b"{}"),)


async def eventually(look: Callable[[], Awaitable[T]], *, timeout_s: float = WAIT_S) -> T:
    """Look again and again until what is seen is true."""
    async with asyncio.timeout(timeout_s):
        while not (seen := await look()):
            await asyncio.sleep(0.02)
        return seen
