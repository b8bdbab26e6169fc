"""A whole guest with volumes: it sees them, writes, and loses nothing when what serves them dies."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from tests.node.hosts import House, connect, eventually, house, server
from tests.node.volume_hosts import a_volume, done, opened

from hanok.base.ids import new_uuid
from hanok.cli.guest import build
from hanok.commands import (
    EnsureImage,
    Failed,
    GuestVolume,
    ImageState,
    InstanceState,
    SetPower,
    SetVolumes,
    VolumeAddress,
    VolumeSource,
)
from hanok.drivers.qemu.process import find_daemon

pytestmark = [
    pytest.mark.host,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root builds the guest's image"),
]
BOOT_S = 240.0
WORD_S = 90.0
MARK = "it-is-done"


class Line:
    """A shell in a guest, over its serial port."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def until(self, words: str, timeout_s: float = WORD_S) -> str:
        text = ""
        async with asyncio.timeout(timeout_s):
            while not re.search(words, text):
                piece = await self._reader.read(4096)
                assert piece, f"the line ended: {text[-500:]}"
                text += piece.decode(errors="replace")
        return text

    async def sign_in(self) -> None:
        self._writer.write(b"\n")
        await self.until("login: ", BOOT_S)
        self._writer.write(b"cirros\n")
        await self.until("assword: ")
        self._writer.write(b"gocubsgo\n")
        await self.until(r"[$] ")

    async def __call__(self, command: str) -> str:
        """What a command says. It fails if the command does."""
        # What the guest repeats of the line is not the mark.
        words = f'echo {MARK[:5]}""{MARK[5:]}'
        script = f"{words}-begun; sudo sh -c '{command}' && {words}-well || {words}-badly\n"
        self._writer.write(script.encode())
        text = await self.until(rf"{MARK}-(well|badly)\r?\n")
        assert f"{MARK}-well" in text, text
        said = text.partition(f"{MARK}-begun")[2].rpartition(MARK)[0]
        return said.replace("\r", "").strip()

    def close(self) -> None:
        self._writer.close()


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("guest") / "guest.qcow2")


@pytest_asyncio.fixture
async def host(image: Path) -> AsyncIterator[House]:
    async with house("real", qemu_uid=None) as one:
        yield one


async def of_guest(host: House, image: Path) -> str:
    """The guest's image is in the host's cache."""
    data, image_id = image.read_bytes(), new_uuid()
    (host.folder / "store" / image_id).write_bytes(data)
    value = hashlib.sha512(data).hexdigest()
    command = EnsureImage(
        image_id=image_id, disk_format="qcow2", size_bytes=len(data), hash_value=value
    )
    assert isinstance(await host.ask(command), ImageState)
    return image_id


def a_disk(volume_id: str, address: VolumeAddress, size_gib: int = 1) -> GuestVolume:
    return GuestVolume(
        volume_id=volume_id, attachment_id=address.export, address=address, size_gib=size_gib
    )


async def signed_in(host: House, server_id: str) -> Line:
    async def prompt() -> bool:
        return "login: " in await host.console(server_id)

    await eventually(prompt, timeout_s=BOOT_S)
    reader, writer, _ = await connect(host, server_id, "serial")
    line = Line(reader, writer)
    await line.sign_in()
    return line


async def set_to(
    host: House, server_id: str, generation: int, *volumes: GuestVolume
) -> InstanceState:
    command = SetVolumes(
        server_id=server_id, generation=generation, volumes=volumes, timeout_s=30.0
    )
    for _ in range(5):  # a guest that has just started lets go when it is ready for that
        answer = await host.ask(command)
        if isinstance(answer, InstanceState):
            return answer
        assert isinstance(answer, Failed) and answer.transient, answer
    raise AssertionError(answer)


async def test_a_guest_writes_to_a_volume_whatever_happens_to_it(host: House, image: Path) -> None:
    one = server(image_id=await of_guest(host, image), image_format="qcow2", memory_mib=128)
    sid = one.server_id
    await host.instance(one)
    volume = a_volume()
    await done(host, volume)
    address = await opened(host, volume.volume_id)
    guest = await signed_in(host, sid)
    before = (await guest("ls /sys/block")).split()

    await set_to(host, sid, 2, a_disk(volume.volume_id, address))
    name = await new_disk(guest, before)
    assert (await guest(f"cat /sys/block/{name}/serial")) == volume.volume_id[:20]
    assert int(await guest(f"cat /sys/block/{name}/size")) == 2 << 20
    await guest(f"seq 1 300000 > /tmp/all; dd if=/tmp/all of=/dev/{name} bs=64k conv=fsync")
    size = int(await guest("wc -c < /tmp/all"))
    written = await sum_of(guest, "/tmp/all", size)
    assert await sum_of(guest, f"/dev/{name}", size) == written

    await done(host, a_volume(volume.volume_id, 2, size_gib=2))
    await set_to(host, sid, 3, a_disk(volume.volume_id, address, 2))
    assert int(await guest(f"cat /sys/block/{name}/size")) == 4 << 20
    assert await sum_of(guest, f"/dev/{name}", size) == written

    daemon = find_daemon(Path(host.settings.run_dir) / "volumes" / "pid")
    assert daemon is not None
    os.kill(daemon.identity.pid, signal.SIGKILL)
    daemon.close()
    await guest(f"dd if=/tmp/all of=/dev/{name} bs=64k seek=1000 conv=fsync,notrunc")
    assert "I/O error" not in await guest("dmesg | tail -20")
    assert await sum_of(guest, f"/dev/{name}", size, skip=1000) == written

    for power in ("suspended", "running"):
        command = SetPower(server_id=sid, generation=4, power=power)
        assert (await host.instance(command)).power == power
    guest.close()
    reader, writer, _ = await connect(host, sid, "serial")
    guest = Line(reader, writer)
    writer.write(b"\n")
    await guest.until(r"[$] ")
    assert await sum_of(guest, f"/dev/{name}", size) == written

    await set_to(host, sid, 5)

    async def gone() -> bool:
        return name not in (await guest("ls /sys/block")).split()

    await eventually(gone)
    await set_to(host, sid, 6, a_disk(volume.volume_id, address, 2))
    name = await new_disk(guest, before)
    assert await sum_of(guest, f"/dev/{name}", size) == written
    guest.close()


async def test_a_guest_boots_from_a_volume(host: House, image: Path) -> None:
    source = VolumeSource(kind="image", id=await of_guest(host, image))
    volume = a_volume(source=source)
    await done(host, volume)
    address = await opened(host, volume.volume_id)
    root = GuestVolume(
        volume_id=volume.volume_id,
        attachment_id=address.export,
        address=address,
        size_gib=1,
        boot_index=0,
    )
    one = server(image_id="", image_format="", disk_gib=0, memory_mib=128, volumes=(root,))
    await host.instance(one)
    guest = await signed_in(host, one.server_id)
    assert "/dev/vda2" in await guest("cat /proc/mounts")
    guest.close()


async def new_disk(guest: Line, before: list[str]) -> str:
    async def found() -> str:
        return next(iter(set((await guest("ls /sys/block")).split()) - set(before)), "")

    return await eventually(found)


async def sum_of(guest: Line, path: str, size: int, skip: int = 0) -> str:
    words = f"dd if={path} bs=64k skip={skip} 2>/dev/null | head -c {size} | md5sum"
    return (await guest(words)).split()[0]
