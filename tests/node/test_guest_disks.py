"""The disks of a guest beside its root disk: buses, sizes, what is kept of them and what goes."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pycdlib
import pytest
import pytest_asyncio
from tests.node.hosts import TINY, House, eventually, house, server

from hanok.base import failpoints
from hanok.base.ids import new_uuid
from hanok.bus import NobodyThere
from hanok.commands import (
    DiskFile,
    Done,
    EnsureImage,
    EnsureInstance,
    Failed,
    ForgetImage,
    GuestDisk,
    ImageState,
    RemoveInstance,
    SetPower,
)
from hanok.drivers.image_format import inspect
from hanok.drivers.qemu.hardware import SCSI_MODELS
from hanok.node.records import Record

GIB = 1 << 30
ROOT = GuestDisk(name="root", of_image=True, boot_index=0)
SCRATCH = GuestDisk(name="ephemeral0", size_mib=1024, file_system="ext4")
SWAP = GuestDisk(name="swap", size_mib=16)


@pytest_asyncio.fixture(params=["real", "simulated"])
async def host(request: pytest.FixtureRequest) -> AsyncIterator[House]:
    async with house(request.param) as one:
        await one.image()
        yield one


def changed(requested: EnsureInstance, **what: object) -> EnsureInstance:
    return msgspec.structs.replace(requested, generation=requested.generation + 1, **what)


async def stopped(host: House, requested: EnsureInstance) -> None:
    sid, generation = requested.server_id, requested.generation
    await host.instance(SetPower(server_id=sid, generation=generation, power="stopped", soft=False))


def files(host: House, server_id: str) -> Path | None:
    found = [*host.folder.glob(f"state/instances/{server_id}/files")]
    return found[0] if found and host.kind == "real" else None


def record(host: House, server_id: str) -> Record:
    [path] = host.folder.glob(f"state/**/{server_id}/record.json")
    return msgspec.json.decode(path.read_bytes(), type=Record)


def size(path: Path) -> int:
    return inspect(path.read_bytes()[: 1 << 16]).virtual_size_bytes


def devices(host: House, server_id: str) -> dict[str, dict[str, str]]:
    """QEMU's disk devices by name, with their options."""
    pid = record(host, server_id).pid
    words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
    found = {}
    for word in words:
        kind, *rest = word.split(",")
        options = dict(one.partition("=")[::2] for one in rest)
        if options.get("id", "").startswith("disk-"):
            found[options["id"].removeprefix("disk-")] = {"kind": kind, **options}
    return found


async def test_a_guest_has_the_disks_that_are_described(host: House) -> None:
    disks = (
        msgspec.structs.replace(ROOT, bus="scsi"),
        SCRATCH,
        GuestDisk(name="ephemeral1", size_mib=64, file_system="vfat", bus="usb"),
        msgspec.structs.replace(SWAP, bus="scsi", boot_index=1),
        GuestDisk(name="config", bus="sata", device="cdrom"),
    )
    drive = (DiskFile(path="openstack/latest/meta_data.json", content=b"{}"),)
    first = server(disks=disks, config_drive=drive, scsi_model="lsisas1068")
    sid = first.server_id
    assert (await host.instance(first)).power == "running"
    if (there := files(host, sid)) is None:
        return
    found = devices(host, sid)
    assert [one["kind"] for one in found.values()] == [
        "scsi-hd", "virtio-blk-pci", "usb-storage", "scsi-hd", "ide-cd",
    ]  # fmt: skip
    assert (found["root"]["scsi-id"], found["swap"]["scsi-id"]) == ("0", "1")
    assert (found["root"]["bootindex"], found["swap"]["bootindex"]) == ("1", "2")
    assert {one["werror"] for one in found.values()} == {"stop"}
    assert size(there / "ephemeral0.qcow2") == GIB and size(there / "ephemeral1.qcow2") == 64 << 20
    assert b"SWAPSPACE2" in (there / "swap").read_bytes()[:4096]
    for name, magic, at in (("ephemeral0", b"\x53\xef", 1080), ("ephemeral1", b"\x55\xaa", 510)):
        assert plain(there / f"{name}.qcow2")[at : at + 2] == magic
    assert not [one for one in there.iterdir() if one.name.endswith(".new")]


def plain(path: Path) -> bytes:
    """The first bytes of a disk as the guest sees it."""
    out = path.with_suffix(".dd")
    command = ["qemu-img", "dd", "-U", "-f", "qcow2", "-O", "raw", f"if={path}", f"of={out}"]
    subprocess.run([*command, "bs=4096", "count=1"], check=True, timeout=60)
    found = out.read_bytes()
    out.unlink()
    return found


@pytest.mark.parametrize("end", ["kept", "restored"])
async def test_disks_that_grew_are_kept_or_are_again_what_they_were(host: House, end: str) -> None:
    first = server(disks=(ROOT, SCRATCH, SWAP), power="stopped")
    sid = first.server_id
    await host.instance(first)
    larger = (
        ROOT,
        msgspec.structs.replace(SCRATCH, size_mib=2048),
        GuestDisk(name="ephemeral1", size_mib=64, file_system="ext4"),
        msgspec.structs.replace(SWAP, size_mib=32),
    )
    grown = changed(first, disks=larger, disk_gib=2, checkpoint="r2")
    await host.instance(grown)
    await host.instance(grown)
    there = files(host, sid)
    assert there is None or size(there / "ephemeral0.qcow2") == 2 * GIB
    if end == "kept":
        await host.instance(changed(grown, checkpoint="", power="running"))
        last, swap, names = 2 * GIB, 32 << 20, {"disk", "ephemeral0.qcow2", "ephemeral1.qcow2"}
    else:
        await host.instance(msgspec.structs.replace(first, generation=3, restore="r2"))
        last, swap, names = GIB, 16 << 20, {"disk", "ephemeral0.qcow2"}
    assert record(host, sid).checkpoint == ""
    if there is not None:
        assert size(there / "ephemeral0.qcow2") == last
        assert (there / "swap").stat().st_size == swap
        assert {one.name for one in there.iterdir()} - {"console.log"} == {*names, "swap"}
        assert [kept_in(there / name) for name in names] == [[]] * len(names)
    await host.ask(RemoveInstance(server_id=sid, generation=4))
    assert there is None or not there.exists()


async def test_disks_are_kept_all_together_or_not_at_all() -> None:
    async with house("real") as host:
        await host.image()
        first = server(disks=(ROOT, SCRATCH), power="stopped")
        sid = first.server_id
        await host.instance(first)
        failpoints.arm("node.keep_disks.between", "raise", 1)
        try:
            with pytest.raises(NobodyThere):
                await host.ask(changed(first, checkpoint="r2"))
        finally:
            failpoints.disarm()
        there = files(host, sid)
        assert there is not None
        assert kept_in(there / "disk") == kept_in(there / "ephemeral0.qcow2") == []
        # As a node leaves it that died between two disks.
        left = ["qemu-img", "snapshot", "-c", "r2", str(there / "disk")]
        subprocess.run(left, check=True, timeout=60)
        await host.instance(changed(first, restore="r2"))
        assert kept_in(there / "disk") == []


def kept_in(path: Path) -> list[str]:
    """The names under which a disk is kept in its file."""
    command = ["qemu-img", "info", "-U", "--output", "json", str(path)]
    told = subprocess.run(command, capture_output=True, check=True, timeout=60)
    return [one["name"] for one in json.loads(told.stdout).get("snapshots", [])]


async def test_an_older_disk_goes_on_as_what_it_is(host: House) -> None:
    first = server(ephemeral_gib=1, power="stopped")
    sid = first.server_id
    await host.instance(first)
    if (there := files(host, sid)) is None:
        return
    (there / "ephemeral0.qcow2").unlink()
    (there / "ephemeral").write_bytes(b"")
    os.truncate(there / "ephemeral", GIB)
    second = changed(first, disks=(ROOT, SCRATCH), power="running")
    assert (await host.instance(second)).power == "running"
    await stopped(host, second)
    assert not (there / "ephemeral0.qcow2").exists()
    await host.instance(changed(second, disks=(ROOT,)))
    assert not (there / "ephemeral").exists()


async def test_an_image_to_install_from_is_a_cdrom_beside_an_empty_disk(host: House) -> None:
    disks = (
        GuestDisk(name="root", boot_index=0),
        GuestDisk(name="installer", of_image=True, bus="sata", device="cdrom", boot_index=1),
    )
    first = server(disks=disks, disk_gib=2)
    sid = first.server_id
    assert (await host.instance(first)).power == "running"
    assert record(host, sid).blank_root
    if (there := files(host, sid)) is not None:
        assert size(there / "disk") == 2 * GIB
        found = devices(host, sid)
        assert (found["installer"]["kind"], found["installer"]["bootindex"]) == ("ide-cd", "2")
    anew = changed(first, disks=(ROOT,), disk_generation=2)
    assert (await host.instance(anew)).power == "running"
    assert not record(host, sid).blank_root


@pytest.mark.parametrize(
    ("bus", "model"),
    [
        *(("scsi", model) for model in SCSI_MODELS),
        ("sata", "virtio-scsi"),
        ("ide", "virtio-scsi"),
        ("usb", "virtio-scsi"),
    ],
)
async def test_a_guest_boots_from_every_bus(bus: Any, model: str) -> None:
    async with house("real") as host:
        await host.image()
        root = msgspec.structs.replace(ROOT, bus=bus)
        first = server(disks=(root, SWAP), scsi_model=model)
        await host.instance(first)

        async def there() -> bool:
            return (await host.console(first.server_id)).endswith("tiny login: ")

        await eventually(there)


def iso() -> bytes:
    """A CD-ROM that boots the tiny guest."""
    disk = pycdlib.PyCdlib()
    disk.new()
    disk.add_fp(io.BytesIO(TINY[:2048]), 2048, "/BOOT.;1")
    disk.add_eltorito("/BOOT.;1", bootcatfile="/BOOT.CAT;1", boot_load_size=4)
    out = io.BytesIO()
    disk.write_fp(out)
    disk.close()
    return out.getvalue()


@pytest.mark.parametrize("bus", ["sata", "scsi"])
async def test_a_cdrom_boots_beside_its_empty_disk(bus: Any) -> None:
    async with house("real") as host:
        image_id, data = new_uuid(), iso()
        (host.folder / "store" / image_id).write_bytes(data)
        image = EnsureImage(
            image_id=image_id, disk_format="iso", size_bytes=len(data),
            hash_value=hashlib.sha512(data).hexdigest(),
        )  # fmt: skip
        assert isinstance(await host.ask(image), ImageState)
        disks = (
            GuestDisk(name="root", boot_index=0),
            GuestDisk(name="installer", of_image=True, bus=bus, device="cdrom", boot_index=1),
        )
        first = server(image_id=image_id, image_format="iso", disks=disks)
        await host.instance(first)

        async def there() -> bool:
            return (await host.console(first.server_id)).endswith("tiny login: ")

        await eventually(there)
        assert isinstance(await host.ask(ForgetImage(image_id=image_id)), Done)
        assert (await host.inventory()).images == (image_id,)


WRONG: list[dict[str, Any]] = [
    {"disks": (SCRATCH,)},
    {"disks": (ROOT, ROOT)},
    {"disks": (ROOT, GuestDisk(name="../disk", size_mib=1))},
    {"scsi_model": "x,file=/etc/passwd"},
]


@pytest.mark.parametrize("values", WRONG)
async def test_names_are_held_against_a_list(values: dict[str, Any]) -> None:
    async with house("real") as host:
        assert isinstance(await host.ask(server(**values)), Failed)
        assert (await host.inventory()).directories == ()


async def test_a_file_system_that_the_host_cannot_make_is_said_and_leaves_nothing() -> None:
    async with house("real") as host:
        await host.image()
        disks = (ROOT, msgspec.structs.replace(SCRATCH, file_system="xfs"))
        first = server(disks=disks)
        answer = await host.ask(first)
        if isinstance(answer, Failed):  # where mkfs.xfs is installed it is done
            assert "cannot make xfs file systems" in answer.message
            there = files(host, first.server_id)
            assert there is not None
            assert {one.name for one in there.iterdir()} == {"disk"}
