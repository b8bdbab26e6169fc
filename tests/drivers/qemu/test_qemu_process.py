"""The probe, and a QEMU that is started, talked to, found again and ended."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hanok.base.ids import new_uuid
from hanok.drivers.qemu import process
from hanok.drivers.qemu.arguments import Disk, GuestSpec, Interface, arguments
from hanok.drivers.qemu.errors import CommandFailed, ImageFailed, MonitorLost, StartFailed
from hanok.drivers.qemu.images import Tools
from hanok.drivers.qemu.monitor import Monitor, listening_socket
from hanok.drivers.qemu.probe import GUEST_RAN, groups, lets_in, probe, run_boot_sector
from hanok.drivers.qemu.process import Identity, Process


@pytest.fixture
def run() -> Iterator[Path]:
    """A folder with a short name; what was started in it is ended."""
    folder = Path(tempfile.mkdtemp(prefix="hk-", dir="/tmp"))
    yield folder
    shutil.rmtree(folder)


def start(
    run: Path, server_id: str, disks: tuple[Disk, ...] = (), interfaces: tuple[Interface, ...] = ()
) -> Process:
    (run / server_id).mkdir()
    with listening_socket(run / server_id / "qmp") as listener, (run / "words").open("w") as words:
        spec = GuestSpec(
            server_id=server_id,
            vcpus=1,
            memory_mib=16,
            accelerator="tcg",
            folder=str(run / server_id),
            serial_log=str(run / server_id / "log"),
            qmp_fd=listener.fileno(),
            disks=disks,
            interfaces=interfaces,
        )
        return process.start(
            arguments(spec), uid=None, gid=None, fds=[listener.fileno()], log=words.fileno()
        )


async def test_the_boot_sector_runs_where_guests_run() -> None:
    assert await run_boot_sector("qemu-system-x86_64", "tcg", limit_s=20) == GUEST_RAN


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts guests as other users")
async def test_the_boot_sector_runs_though_temporary_files_are_private(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with Debian's libpam-tmpdir: root's own folder is not one that guests' users get into."""
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    monkeypatch.setattr(tempfile, "tempdir", str(private))
    status = await run_boot_sector("qemu-system-x86_64", "tcg", uid=65534, gid=65534, limit_s=20)
    assert status == GUEST_RAN and not list(private.iterdir())


async def test_a_probe_that_never_ends_means_emulation(tmp_path: Path) -> None:
    slow = tmp_path / "qemu"
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    slow.chmod(0o755)
    found = await probe(str(slow), limit_s=0.1)
    assert found.kind == "tcg" and "emulated" in found.reason


async def test_as_fast_as_emulation_is_what_kvm_has_to_be(tmp_path: Path) -> None:
    """One that takes ten times as long runs no guest that anybody waits for."""
    slow = tmp_path / "qemu"
    slow.write_text('#!/bin/sh\ncase "$*" in *"accel kvm"*) sleep 20;; esac\nexit 33\n')
    slow.chmod(0o755)
    found = await probe(str(slow))
    assert found.kind == "tcg" and "guests are emulated" in found.reason


@pytest.mark.parametrize(
    ("mode", "group", "opens", "given"),
    [
        (0o600, 992, False, []),
        (0o660, 992, True, [992]),
        (0o660, 0, False, []),  # the group of root is nobody else's
        (0o666, 992, True, []),
        (0o640, 992, False, []),
    ],
)
def test_whoever_guests_run_as_is_let_in_by_the_group_of_kvm(
    tmp_path: Path, mode: int, group: int, opens: bool, given: list[int]
) -> None:
    device = tmp_path / "kvm"
    device.touch()
    device.chmod(mode)
    try:
        os.chown(device, 0, group)
    except PermissionError:
        pytest.skip("only root gives a file to another group")
    assert groups(device) == given
    assert lets_in(61200, device) is opens


async def test_a_process_is_found_by_what_it_is(run: Path) -> None:
    server_id = new_uuid()
    one = start(run, server_id)
    try:
        monitor = await Monitor.connect(run / server_id / "qmp")
        assert await monitor.status() == "prelaunch"
        with pytest.raises(CommandFailed):
            await monitor.execute("no-such-command")
        await monitor.close()

        assert process.scan(str(run)) == {server_id: one.identity}
        assert process.scan("/tmp/elsewhere") == {}
        again = process.find(one.identity, server_id=server_id, folder=str(run))
        assert again is not None and again.alive
        again.close()
        later = Identity(one.identity.pid, one.identity.started_ticks + 1)
        assert process.find(later, server_id=server_id, folder=str(run)) is None
        assert process.find(one.identity, server_id=new_uuid(), folder=str(run)) is None
        us = Identity(os.getpid(), one.identity.started_ticks)
        assert process.find(us, server_id=server_id, folder=str(run)) is None
    finally:
        await one.kill()
    assert not one.alive and process.scan(str(run)) == {}
    assert process.find(one.identity, server_id=server_id, folder=str(run)) is None
    one.close()
    with pytest.raises(MonitorLost):
        await Monitor.connect(run / server_id / "qmp")


async def test_the_firmware_numbers_disks_and_cards_as_guests_are_told(run: Path) -> None:
    """Disks first and interfaces after them, each alone on a bus: 0000:01:00.0, 0000:02:00.0, …"""
    server_id = new_uuid()
    names = ("root", "ephemeral", "config")
    for name in names:
        (run / name).write_bytes(bytes(1 << 20))
    disks = tuple(Disk(name, str(run / name), "raw", serial=name) for name in names)
    interfaces = (Interface("fa:16:3e:00:00:01", None), Interface("fa:16:3e:00:00:02", None))
    one = start(run, server_id, disks, interfaces)
    try:
        monitor = await Monitor.connect(run / server_id / "qmp")
        await monitor.execute("cont")
        requested = {
            "disk-root": 1, "disk-ephemeral": 2, "disk-config": 3, "card0": 4, "card1": 5,
        }  # fmt: skip
        found: dict[str, int] = {}
        behind: list[Any] = []
        async with asyncio.timeout(60):
            while found != requested:
                await asyncio.sleep(0.1)
                buses: Any = await monitor.execute("query-pci")
                bridges = buses[0]["devices"]
                behind = [
                    device
                    for bridge in bridges
                    for device in bridge.get("pci_bridge", {}).get("devices", [])
                ]
                found = {device["qdev_id"]: device["bus"] for device in behind}
        assert all(device["slot"] == device["function"] == 0 for device in behind)
        await monitor.close()
    finally:
        await one.kill()
        one.close()


async def test_several_wait_for_one_end(run: Path) -> None:
    one = start(run, new_uuid())
    waiting = [asyncio.ensure_future(one.ended()) for _ in range(3)]
    await one.kill()
    await asyncio.gather(*waiting)
    one.close()


def test_a_program_that_is_not_there(run: Path) -> None:
    with pytest.raises(StartFailed), (run / "words").open("w") as words:
        process.start(["/no/such/qemu"], uid=None, gid=None, fds=[], log=words.fileno())


async def test_tools_say_what_went_wrong(tmp_path: Path) -> None:
    with pytest.raises(ImageFailed) as failed:
        await Tools().grow(tmp_path / "none", "qcow2", 1 << 30)
    assert "none" in failed.value.detail
