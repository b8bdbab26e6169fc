"""Unusual devices, on real QEMU: what it was made of is asked of QEMU itself, and what they do is seen."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from tests.node.hosts import House, a_nic, eventually, house, server

from hanok.base.ids import new_uuid
from hanok.commands import (
    Devices,
    Done,
    EnsureImage,
    Failed,
    ImageState,
    RemoveInstance,
    SetPower,
)
from hanok.drivers.qemu import hotplug
from hanok.drivers.qemu.monitor import Monitor

PROC = Path("/proc")
needs_tpm = pytest.mark.skipif(shutil.which("swtpm") is None, reason="swtpm is not installed")
needs_uefi = pytest.mark.skipif(
    not Path("/usr/share/OVMF").exists(), reason="ovmf is not installed"
)

# Real mode with a flat segment: finds the i6300esb in slot 9, sets both of its stages to a millisecond, starts it, and
# never feeds it.
_UNFED = bytes.fromhex(
    "fa31c08ed80f0116887c0f20c00c010f22c0eb00bb08008ee324fe0f22c0"
    "baf80c66b81048008066efbafc0c66ed24f06689c3"  # where its registers are: slot 9, first base address
    "6467c7430c80006467c7430c8600646766c70301000000"  # unlocked, the first stage
    "6467c7430c80006467c7430c8600646766c7430401000000"  # unlocked, the second
    "baf80c66b86848008066efbafc0cb002eef4ebfd66900000000000000000ffff00000092cf000f00787c0000"
)
UNFED = _UNFED.ljust(510, b"\0") + b"\x55\xaa" + bytes((1 << 20) - 512)


@pytest_asyncio.fixture
async def host() -> AsyncIterator[House]:
    async with house("real") as one:
        await one.image()
        yield one


async def monitor_of(host: House, server_id: str) -> Monitor:
    """QEMU's own monitor; the node does not hold it meanwhile."""
    await host.stop()
    return await Monitor.connect(host.folder / "run" / server_id / "qmp")


async def says_login(host: House, server_id: str) -> None:
    async def up() -> bool:
        return "login" in await host.console(server_id)

    await eventually(up)


async def kinds(monitor: Monitor) -> set[str]:
    listed: Any = await monitor.execute("qom-list", {"path": hotplug.DEVICES})
    return {one["type"].removeprefix("child<").removesuffix(">") for one in listed}


def tpms(folder: Path) -> list[str]:
    """The processes that are TPMs of guests below a folder."""
    found = []
    for path in PROC.glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if words[0].endswith(b"swtpm") and any(str(folder).encode() in one for one in words):
            found.append(path.parent.name)
    return found


@needs_tpm
async def test_an_older_machine_with_many_devices_at_once(host: House) -> None:
    devices = Devices(
        machine="pc",
        sockets=2,
        cores=1,
        threads=2,
        video="cirrus",
        video_ram_mib=8,
        rng_bytes=1024,
        rng_period_ms=1000,
        inputs="usb",
        keyboard=True,
        nic="e1000",
        serial_ports=3,
        agent=False,
        watchdog="none",
        hidden=True,
        pmu=False,
        tpm_version="2.0",
        tpm_model="tpm-crb",
    )
    requested = server(vcpus=4, memory_mib=48, nics=(a_nic(),), devices=devices)
    await host.instance(requested)
    await says_login(host, requested.server_id)
    assert len(tpms(host.folder)) == 1
    monitor = await monitor_of(host, requested.server_id)
    found = await kinds(monitor)
    assert {"e1000", "cirrus-vga", "usb-tablet", "usb-kbd", "i6300esb"} <= found
    assert not found & {"pci-bridge", "pcie-root-port"}
    tpm: Any = await monitor.execute("query-tpm")
    assert [one["model"] for one in tpm] == ["tpm-crb"]
    machine: Any = await monitor.execute("qom-get", {"path": "/machine", "property": "type"})
    assert machine.startswith("pc-i440fx-")
    cpus: Any = await monitor.execute("query-hotpluggable-cpus")
    assert {one["props"]["socket-id"] for one in cpus} == {0, 1} and len(cpus) == 4
    interfaces = await hotplug.interfaces(monitor)
    at, count = await hotplug.places(monitor)
    assert interfaces.keys() == {"fa:16:3e:00:00:01"} and count == 21
    assert at[interfaces["fa:16:3e:00:00:01"]] == 1  # after the disk
    assert sorted(p.name for p in (host.folder / "run" / requested.server_id).glob("s*")) == [
        "serial",
        "serial1",
        "serial2",
    ]
    await monitor.close()
    await host.start()
    # Its memory is saved and read again, the TPM's with it.
    for generation, power in ((2, "suspended"), (3, "running")):
        change = SetPower(server_id=requested.server_id, generation=generation, power=power)  # type: ignore[arg-type]
        assert (await host.instance(change)).power == power
        assert len(tpms(host.folder)) == (power == "running")
    monitor = await monitor_of(host, requested.server_id)
    await hotplug.plug(monitor, "fa:16:3e:00:00:09", 1442, [], "e1000")
    at, _ = await hotplug.places(monitor)
    assert at["card-fa163e000009"] == 2
    await monitor.close()
    await host.start()
    gone = await host.ask(RemoveInstance(server_id=requested.server_id, generation=4))
    assert gone == Done() and not tpms(host.folder)


@needs_uefi
async def test_uefi_keeps_its_variables_until_the_server_is_made_anew(host: House) -> None:
    requested = server(
        memory_mib=128, devices=Devices(firmware="uefi", secure_boot="required", video="bochs")
    )
    await host.instance(requested)

    async def has_started() -> bool:
        return "BdsDxe" in await host.console(requested.server_id)

    await eventually(has_started, timeout_s=120)
    files = host.folder / "state/instances" / requested.server_id / "files"
    store = files / "variables-secure"
    before = store.read_bytes()
    assert before != Path("/usr/share/OVMF/OVMF_VARS_4M.ms.fd").read_bytes()
    monitor = await monitor_of(host, requested.server_id)
    nodes: Any = await monitor.execute("query-named-block-nodes")
    assert {"firmware", "variables"} <= {one["node-name"] for one in nodes}
    await monitor.close()
    await host.start()
    anew = msgspec.structs.replace(requested, generation=2, disk_generation=1, power="stopped")
    await host.instance(anew)
    assert not store.exists()


@pytest.mark.parametrize("action", ["pause", "poweroff"])
async def test_a_watchdog_that_nobody_feeds(host: House, action: Any) -> None:
    image_id = new_uuid()
    (host.folder / "store" / image_id).write_bytes(UNFED)
    ensure = EnsureImage(
        image_id=image_id,
        disk_format="raw",
        size_bytes=len(UNFED),
        hash_value=hashlib.sha512(UNFED).hexdigest(),
    )
    assert isinstance(await host.ask(ensure), ImageState)
    requested = server(image_id=image_id, devices=Devices(watchdog=action))
    await host.instance(requested)

    async def told() -> bool:
        return bool(host.events)

    await eventually(told)
    power = "paused" if action == "pause" else "stopped"
    assert host.events[0].power == power, host.events
    assert [state.power for state in (await host.inventory()).instances] == [power]


async def test_the_machine_stays_and_what_is_not_there_is_said(host: House) -> None:
    requested = server(power="stopped", devices=Devices(machine="pc-q35-7.1"))
    await host.instance(requested)
    usual = server(power="running")
    await host.instance(usual)
    record = host.folder / "state/instances" / usual.server_id / "record.json"
    assert '"machine":"pc-q35-' in record.read_text()
    # As an older version of QEMU found it.
    await host.ask(SetPower(server_id=usual.server_id, generation=2, power="stopped", soft=False))
    await host.stop()
    text = record.read_text()
    start = text.index('"machine":"') + len('"machine":"')
    record.write_text(text[:start] + "pc-q35-6.1" + text[text.index('"', start) :])
    await host.start()
    await host.instance(SetPower(server_id=usual.server_id, generation=3, power="running"))
    pid = (await host.inventory()).processes[usual.server_id]
    assert b"pc-q35-6.1," in (PROC / str(pid) / "cmdline").read_bytes()
    for devices, why in (
        (Devices(machine="virt"), "does not have the machine type virt"),
        (Devices(machine="pc", firmware="uefi", secure_boot="required"), "Secure Boot is not"),
        (Devices(video="gop"), "Requested hardware 'gop' is not supported"),
        (Devices(nic="netfront"), "Requested hardware 'netfront' is not supported"),
    ):
        answer = await host.ask(server(devices=devices))
        assert isinstance(answer, Failed) and why in answer.message, answer


async def test_a_host_says_what_its_qemu_has(host: House) -> None:
    async def heard() -> bool:
        return bool(host.beats)

    await eventually(heard)
    told = host.beats[0]
    assert {"COMPUTE_NODE", "COMPUTE_NET_VIF_MODEL_E1000E", "HW_CPU_X86_SSE2"} <= set(told.traits)
    assert {"COMPUTE_GRAPHICS_MODEL_VIRTIO", "COMPUTE_STORAGE_BUS_SATA"} <= set(told.traits)
    assert {"machine:q35", "machine:pc", "watchdog", "input:usb"} <= set(told.offers)
    assert "multiqueue" not in told.offers  # there is no network here
    assert told.hypervisors == ("qemu",) and "sse2" in told.cpu_flags
    assert ("COMPUTE_SECURITY_TPM_2_0" in told.traits) == (shutil.which("swtpm") is not None)
    assert "COMPUTE_NET_VIF_MODEL_IGB" not in told.traits or "igb" in told.qemu_version
