"""What volumes cost on a host: `python -m bench.volumes`, as root or not, with QEMU.

A real node in this process, without a cloud; a guest of one sector. Throughput is seen by `qemu-img bench` on the host, for the
way by the daemon and for the same file opened directly, and by the way to another host (on loopback, with TLS). With
`--guest` (as root, which builds an image) a whole guest reads and writes a volume, and a file that its QEMU has opened itself.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median
from typing import Any

from tests.certificates import Authority
from tests.node.hosts import IMAGE_ID, House, house, server
from tests.node.test_guest_volumes import Line, a_disk, new_disk, of_guest, set_to, signed_in
from tests.node.volume_hosts import a_volume, clone_of, done, opened
from tests.ports import free_port

from hanok.base.ids import new_uuid
from hanok.cli.guest import build
from hanok.commands import (
    EnsureVolumeSnapshot,
    GuestVolume,
    SetVolumes,
    VolumeAddress,
    VolumeKey,
    VolumeSource,
)
from hanok.drivers import qcow2
from hanok.drivers.qemu.arguments import Disk
from hanok.drivers.qemu.hotplug_disks import volume_name
from hanok.drivers.volumes.relay import Settings, socket_of
from hanok.drivers.volumes.relay_process import RelayProcess
from hanok.node import guest_volumes
from hanok.node.guest_volumes import disk_of

TIMES = 15
REQUESTS = 8000
WRITES = 1000  # that may wait for a disk each
SIZE = 1 << 30
WAYS = (("read", []), ("write", ["-w"]))


def show(what: str, figure: str, requested: str = "") -> None:
    print(f"| {what:<62} | {figure:>22} | {requested:>8} |", flush=True)


async def timed(action: Callable[[], Awaitable[Any]], times: int = TIMES) -> str:
    """The median, in milliseconds."""
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        await action()
        taken.append(time.perf_counter() - started)
    return f"{median(taken) * 1000:.1f} ms"


async def made(host: House) -> None:
    of_image = VolumeSource(kind="image", id=IMAGE_ID)
    first = a_volume(source=of_image)
    await done(host, first)

    async def volume() -> None:
        await done(host, a_volume(source=of_image))

    async def snapshot() -> None:
        one = EnsureVolumeSnapshot(
            snapshot_id=new_uuid(), volume_id=first.volume_id, backend="files"
        )
        await host.ask(one)

    async def clone() -> None:
        await done(host, clone_of(first.volume_id))

    async def encrypted() -> None:
        await done(host, a_volume(key=VolumeKey(key=bytes(32))))

    show("volume of 1 GiB of a cached image", await timed(volume), "≤ 300 ms")
    show("snapshot at rest", await timed(snapshot), "≤ 300 ms")
    show("clone of a volume", await timed(clone), "≤ 300 ms")
    await opened(host, first.volume_id)
    show("snapshot in use", await timed(snapshot), "≤ 300 ms")
    show("clone of a volume in use", await timed(clone), "≤ 300 ms")
    show("encrypted volume", await timed(encrypted), "")


async def attached(host: House) -> None:
    """The guest runs no system: this is all that is ours, and QEMU's own."""
    one = server()
    await host.instance(one)
    generation = 1

    async def attach() -> None:
        nonlocal generation
        generation += 1
        volume = a_volume()
        await done(host, volume)
        started = time.perf_counter()
        address = await opened(host, volume.volume_id)
        disk = GuestVolume(
            volume_id=volume.volume_id, attachment_id=address.export, address=address, size_gib=1
        )
        command = SetVolumes(server_id=one.server_id, generation=generation, volumes=(*had, disk))
        await host.instance(command)
        taken.append(time.perf_counter() - started)
        had.append(disk)

    had: list[GuestVolume] = []
    taken: list[float] = []
    for _ in range(4):  # as many as it has free places
        await attach()
    show("open and attach to a guest that runs", f"{median(taken) * 1000:.1f} ms", "≤ 500 ms")


def bench(
    image: list[str], block: str, extra: list[str], depth: int = 16, count: int = REQUESTS
) -> str:
    argv = ["qemu-img", "bench", "-c", str(count), "-d", str(depth), "-s", block, *extra, *image]
    started = time.perf_counter()
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, timeout=300)
    return f"{count / (time.perf_counter() - started):,.0f} /s"


def throughput() -> None:
    """One file, given to the tool directly, and by a daemon without and with an I/O thread."""
    folder = Path(tempfile.mkdtemp(prefix="hanok-bench-", dir="/var/tmp"))
    try:
        path = folder / "disk.qcow2"
        with path.open("wb") as file:
            qcow2.write_empty(file, SIZE)
        fill = ["qemu-io", "-f", "qcow2", "-c", "write 0 1G", str(path)]
        subprocess.run(fill, check=True, stdout=subprocess.DEVNULL)
        for block in ("4k", "64k"):
            for way, words in WAYS:
                figure = bench(["-f", "qcow2", str(path)], block, words)
                show(f"{block} {way}, depth 16, the file directly", figure)
                for threads in (0, 1):
                    with Served(path, folder / "nbd", threads) as image:
                        figure = bench(image, block, words)
                        by = "by the daemon with an I/O thread" if threads else "by the daemon"
                        show(f"{block} {way}, depth 16, {by}", figure)
    finally:
        shutil.rmtree(folder)


async def written(host: House) -> None:
    """A guest's writes to a raw volume, and to one of the form that all had before: qcow2, written through."""
    folder = Path(host.settings.state_dir) / "volumes" / "backends" / "files"
    for what in ("a raw volume", "a qcow2 volume"):
        for block, depth in (("4k", 16), ("64k", 16), ("4k", 1)):
            source = VolumeSource()
            if "qcow2" in what:
                source = VolumeSource(kind="manage", id=f"given-{block}-{depth}")
                with (folder / source.id).open("xb") as file:
                    qcow2.write_empty(file, SIZE)
            volume = a_volume(source=source)
            await done(host, volume)
            address = await opened(host, volume.volume_id)
            image = ["-f", "raw", f"nbd+unix:///{address.export}?socket={address.path}"]
            for when in ("new", "again"):
                words = ["-w", "-t", "writeback", "-S", str(64 << 10)]
                figure = await asyncio.to_thread(bench, image, block, words, depth, WRITES)
                show(f"{block} write to {what}, depth {depth}, {when}", figure)


async def between() -> None:
    """The same file by the daemon, and by two relays with TLS, as another host has it; all on this machine."""
    folder, export = Path(tempfile.mkdtemp(prefix="hkb-", dir="/tmp")), new_uuid()
    path, authority, relays = folder / "disk.qcow2", Authority(), []
    try:
        with path.open("wb") as file:
            qcow2.write_empty(file, SIZE)
        fill = ["qemu-io", "-f", "qcow2", "-c", "write 0 1G", str(path)]
        await asyncio.to_thread(subprocess.run, fill, check=True, stdout=subprocess.DEVNULL)
        for name in "ab":
            tls = str(authority.folder(folder / f"tls-{name}", name))
            settings = Settings(
                daemon=str(folder / "nbd"), tls=tls, address="127.0.0.1", port=free_port()
            )
            relays.append((RelayProcess(folder / name, settings), settings))
            relays[-1][0].prepare()
        (folder / "a" / "allow" / export).write_text("b\n")
        far = {"host": "127.0.0.1", "port": relays[0][1].port, "name": "a"}
        (folder / "b" / "reach" / export).write_text(json.dumps(far))
        for relay, _ in relays:
            await relay.start()
        url = f"nbd+unix:///{export}?socket={socket_of(folder / 'b', export)}"
        with Served(path, folder / "nbd", 0, export) as near:
            for block in ("4k", "64k"):
                for way, words in WAYS:
                    for who, image in (
                        ("by the daemon", near),
                        ("from another host", ["-f", "raw", url]),
                    ):
                        figure = await asyncio.to_thread(bench, image, block, words)
                        show(f"{block} {way}, depth 16, {who}", figure)
    finally:
        for relay, _ in relays:
            await relay.kill()
        shutil.rmtree(folder)


class Served:
    """A file that a daemon serves, in the shape in which volumes are."""

    def __init__(self, path: Path, socket: Path, threads: int, name: str = "v") -> None:
        self._name = name
        export = f"nbd,id=e,node-name=t,name={name},writable=on"
        self._argv = [
            "qemu-storage-daemon",
            *(["--object", "iothread,id=io"] if threads else []),
            *("--object", "throttle-group,id=g"),
            "--blockdev",
            f"qcow2,node-name=q,discard=unmap,file.driver=file,file.filename={path},file.discard=unmap",
            *("--blockdev", "throttle,node-name=t,throttle-group=g,file=q"),
            *("--nbd-server", f"addr.type=unix,addr.path={socket},max-connections=0"),
            *("--export", export + (",iothread=io" if threads else "")),
        ]
        self._socket = socket

    def __enter__(self) -> list[str]:
        self._process = subprocess.Popen(self._argv)
        while not self._socket.exists():
            time.sleep(0.01)
        return ["-f", "raw", f"nbd+unix:///{self._name}?socket={self._socket}"]

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(10)
        self._socket.unlink(missing_ok=True)


# ---- in a guest

ROUNDS = 7
MIB = 64


async def in_guest() -> None:
    """The same requests to a volume and to a file that the guest's QEMU has opened, in turns."""
    with tempfile.TemporaryDirectory(prefix="hk-bench-", dir="/var/tmp") as folder:
        direct = Path(folder) / "direct.qcow2"
        with direct.open("wb") as file:
            qcow2.write_empty(file, SIZE)
        image = build(Path(folder) / "guest.qcow2")
        async with house("real") as host:
            await _compare(host, image, direct)


async def _compare(host: House, image: Path, direct: Path) -> None:
    one = server(image_id=await of_guest(host, image), image_format="qcow2", memory_mib=192)
    volume = a_volume()
    await done(host, volume)
    address = await opened(host, volume.volume_id)
    own = a_disk(new_uuid(), VolumeAddress(export=new_uuid(), path="/none"))

    def at(disk: GuestVolume, *words: Any, **more: Any) -> Disk:
        if disk is own or disk.volume_id == own.volume_id:
            name = volume_name(disk.attachment_id)
            return Disk(name, str(direct), "qcow2", serial=disk.volume_id)
        return disk_of(disk, *words, **more)

    guest_volumes.disk_of = at
    await host.instance(one)
    guest = await signed_in(host, one.server_id)
    names = {}
    for generation, (which, disks) in enumerate(
        (("by the daemon", [a_disk(volume.volume_id, address)]),
         ("the file directly", [a_disk(volume.volume_id, address), own])), 2,
    ):  # fmt: skip
        before = (await guest("ls /sys/block")).split()
        await set_to(host, one.server_id, generation, *disks)
        names[which] = await new_disk(guest, before)
    for what, words in (
        ("write, 1 MiB at a time, synced", f"dd if=/dev/zero of=/dev/DISK bs=1M count={MIB} conv=fsync"),
        ("read, 1 MiB at a time", f"dd if=/dev/DISK of=/dev/null bs=1M count={MIB}"),
        ("write, 4 KiB at a time, synced at the end", f"dd if=/dev/zero of=/dev/DISK bs=4k count={MIB << 8} conv=fsync"),
    ):  # fmt: skip
        seen: dict[str, list[float]] = {which: [] for which in names}
        for _ in range(ROUNDS):
            for which, name in names.items():
                seen[which].append(await _rate(guest, words.replace("DISK", name)))
        rates = {which: median(rates) for which, rates in seen.items()}
        for which, rate in rates.items():
            show(f"in a guest: {what}, {which}", f"{rate:.0f} MiB/s")
        share = rates["by the daemon"] / rates["the file directly"]
        show(f"in a guest: {what}, of what the file gives", f"{100 * share:.0f} %", "≥ 90 %")


async def _rate(guest: Line, words: str) -> float:
    """MiB in a second; the guest's clock has hundredths."""
    timing = "read a b < /proc/uptime; echo $a"
    script = f"sync; echo 3 > /proc/sys/vm/drop_caches; {timing}; {words} 2>/dev/null; {timing}"
    first, last = (float(one) for one in (await guest(script)).split()[-2:])
    return MIB / max(0.01, last - first)


async def main() -> None:
    if "--guest" in sys.argv:
        await in_guest()
        return
    async with house("real") as host:
        await host.image()
        await made(host)
        await attached(host)
        await written(host)
    await asyncio.to_thread(throughput)
    await between()


if __name__ == "__main__":
    asyncio.run(main())
