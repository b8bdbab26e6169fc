"""A guest's volumes that the storage daemon has, or has no more."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.drivers.qemu.test_qemu_process import start

from hanok.base.ids import new_uuid
from hanok.drivers.qemu import hotplug_disks
from hanok.drivers.qemu.arguments import NBD, Disk, disk_node
from hanok.drivers.qemu.monitor import Monitor
from hanok.drivers.volumes.daemon import Daemon
from hanok.drivers.volumes.graph import Chain, Graph
from hanok.drivers.volumes.layer import Layer, new_layer_id

MIB = 1 << 20


@pytest.fixture
def run() -> Iterator[Path]:
    """A folder with a short name; what was started in it is ended."""
    folder = Path(tempfile.mkdtemp(prefix="hk-", dir="/tmp"))
    yield folder
    shutil.rmtree(folder)


async def test_a_guest_loses_a_disk_whose_export_is_gone(run: Path) -> None:
    """What it did not flush is not waited for: QEMU would answer nothing any more, for an hour."""
    daemon, server_id, volume_id, export = Daemon(run / "v"), new_uuid(), new_uuid(), new_uuid()
    path = run / "disk.raw"
    with path.open("xb") as file:
        file.truncate(MIB)
    layer = Layer(id=new_layer_id(), path=str(path), format="raw", size_bytes=MIB)
    await daemon.start()
    try:
        graph = Graph(daemon)
        await graph.load(Chain(volume_id, (layer,), MIB))
        await graph.open(volume_id, export, read_only=False)
        process = start(run, server_id)
        try:
            monitor = await Monitor.connect(run / server_id / "qmp")
            name = hotplug_disks.volume_name(export)
            disk = Disk(name, "", "raw", nbd=NBD(export, str(daemon.address)))
            await monitor.execute("blockdev-add", disk_node(disk))
            write = f'qemu-io {name} "write -P 7 0 4k"'
            await monitor.execute("human-monitor-command", {"command-line": write})
            await graph.close(export)
            assert await hotplug_disks.unplug(monitor, name, timeout_s=5)
            assert await monitor.execute("query-named-block-nodes", {"flat": True}) == []
            await monitor.close()
        finally:
            await process.kill()
            process.close()
    finally:
        await daemon.kill()
    assert path.read_bytes()[:4096] == b"\7" * 4096
