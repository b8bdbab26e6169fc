"""What requests say of block devices, and the local disks that come of it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from hanok.base.errors import BadInput
from hanok.commands import GuestDisk
from hanok.drivers.qemu.arguments import Disk
from hanok.drivers.qemu.arguments import places as real_places
from hanok.services.compute.logic import block_devices, disks
from hanok.services.compute.logic.disks import Mapped
from hanok.services.compute.schemas import bodies

IMAGE = "11111111-2222-4333-8444-555555555555"
OTHER = "11111111-2222-4333-8444-666666666666"
ROOT = {
    "source_type": "image", "destination_type": "local", "uuid": IMAGE, "boot_index": 0,
    "delete_on_termination": True,
}  # fmt: skip
BLANK = {"source_type": "blank", "destination_type": "local", "boot_index": -1}
SWAP = {**BLANK, "guest_format": "swap"}
FLAVOR = SimpleNamespace(disk_gib=10, ephemeral_gib=3, swap_mib=512)


def server(**values: Any) -> bodies.NewServer:
    base = {"name": "vm", "flavorRef": "1", "imageRef": IMAGE, "networks": "none"}
    return msgspec.convert({**base, **values}, bodies.NewServer)


def mapped(
    *devices: dict[str, Any], most: int = 3, properties: Any = None, **values: Any
) -> list[Mapped]:
    wanted = server(block_device_mapping_v2=list(devices), **values)
    return block_devices.local_disks(wanted, FLAVOR, properties or {}, most)


A_ROOT = Mapped(name="root", boot_index=0)
VALID: list[tuple[list[dict[str, Any]], list[Mapped]]] = [
    ([], []),
    ([ROOT], [A_ROOT]),
    ([{**ROOT, "volume_size": 10}], [A_ROOT]),
    ([{**ROOT, "no_device": True}], []),
    ([{**ROOT, "boot_index": "0", "device_name": "/dev/sdq", "volume_size": None}], [A_ROOT]),
    (
        [{**ROOT, "disk_bus": "scsi", "tag": "sys"}],
        [Mapped(name="root", bus="scsi", tag="sys", boot_index=0)],
    ),
    (
        [ROOT, {**BLANK, "volume_size": 1, "guest_format": "vfat"}, {**BLANK, "volume_size": "2"}],
        [
            A_ROOT,
            Mapped(name="ephemeral0", size_mib=1024, file_system="vfat"),
            Mapped(name="ephemeral1", size_mib=2048),
        ],
    ),
    ([ROOT, {**BLANK, "tag": "data"}], [A_ROOT, Mapped(name="ephemeral0", size_mib=3072, tag="data")]),
    ([SWAP, ROOT], [Mapped(name="swap", size_mib=512), A_ROOT]),
    (
        [ROOT, {**SWAP, "volume_size": 64, "disk_bus": "usb", "boot_index": 1}],
        [A_ROOT, Mapped(name="swap", size_mib=64, bus="usb", boot_index=1)],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("devices", "expected"), VALID)
def test_what_is_taken(devices: list[dict[str, Any]], expected: list[Mapped]) -> None:
    if devices and devices[0].get("no_device"):
        with pytest.raises(BadInput, match="Boot sequence"):
            mapped(*devices)
        return
    assert mapped(*devices) == expected


BOOT = "Boot sequence for the instance and image/block device mapping combination is not valid"
REFUSED: list[tuple[list[dict[str, Any]], str]] = [
    ([BLANK], BOOT),
    ([{**ROOT, "boot_index": 1}], "Mapping image to local is not supported"),
    ([{**ROOT, "boot_index": None}], "Mapping image to local is not supported"),
    ([{**ROOT, "boot_index": "x"}], "Boot index is invalid"),
    ([ROOT, ROOT], BOOT),
    ([ROOT, {**BLANK, "boot_index": 2}], BOOT),
    ([ROOT, {**BLANK, "boot_index": 0}], BOOT),
    ([ROOT, {**BLANK, "uuid": OTHER}], "Invalid device UUID"),
    ([{**ROOT, "uuid": msgspec.UNSET}], "Missing device UUID"),
    ([{**ROOT, "destination_type": "volume"}], "no block storage yet"),
    ([ROOT, {"source_type": "volume", "uuid": OTHER}], "no block storage yet"),
    ([ROOT, {"source_type": "snapshot", "uuid": OTHER}], "no block storage yet"),
    ([ROOT, {**BLANK, "destination_type": "volume", "volume_size": 1}], "no block storage yet"),
    ([ROOT, {**BLANK, "volume_type": "fast"}], "Specifying a volume_type"),
    ([ROOT, {**BLANK, "volume_size": 4}], "Ephemeral disks requested are larger"),
    ([ROOT, {**BLANK, "volume_size": 2}, {**BLANK, "volume_size": 2}], "Ephemeral disks requested"),
    ([ROOT, BLANK, BLANK], "Ephemeral disks requested are larger"),
    ([ROOT, {**BLANK, "volume_size": 0}], "volume_size"),
    ([ROOT, {**BLANK, "volume_size": "1.5"}], "volume_size"),
    ([ROOT, {**SWAP, "volume_size": 513}], "Swap drive requested is larger than instance type allows"),
    ([{**ROOT, "volume_size": 11}], "cannot be more than the flavor's disk: 10 GiB"),
    ([ROOT, SWAP, SWAP], "More than one swap drive requested"),
    ([ROOT, *[{**BLANK, "volume_size": 1}] * 3], "more local devices than the limit allows"),
    ([{**ROOT, "disk_bus": "floppy"}], "The provided disk bus floppy is not valid"),
    ([{**ROOT, "disk_bus": "xen"}], "disk_bus xen is not supported by the hosts"),
    ([{**ROOT, "device_type": "cdrom"}], "CD-ROM"),
    ([ROOT, {**BLANK, "device_type": "floppy"}], "device_type floppy is not supported"),
    ([ROOT, {**BLANK, "guest_format": "ntfs"}], "guest_format ntfs is not supported"),
    ([{**ROOT, "guest_format": "ext4"}], "an image has its own"),
    ([{**ROOT, "delete_on_termination": False}], "goes with its server"),
    ([{**ROOT, "device_name": ""}], "Device name empty or too long"),
    ([{**ROOT, "device_name": "/dev/v da"}], "Device name contains spaces"),
    ([{"destination_type": "local", "uuid": IMAGE}], "source_type is missing"),
]  # fmt: skip


@pytest.mark.parametrize(("devices", "why"), REFUSED)
def test_what_is_refused(devices: list[dict[str, Any]], why: str) -> None:
    sent = [
        {name: value for name, value in device.items() if value is not msgspec.UNSET}
        for device in devices
    ]
    with pytest.raises(BadInput, match=why):
        mapped(*sent)


def test_an_image_that_only_a_mapping_names_needs_an_empty_reference() -> None:
    assert mapped(ROOT, imageRef="") == [A_ROOT]
    nothing = msgspec.structs.replace(server(), imageRef=msgspec.UNSET)
    wanted = msgspec.structs.replace(
        nothing, block_device_mapping_v2=[msgspec.convert(ROOT, bodies.BlockDevice)]
    )
    with pytest.raises(BadInput, match="Mapping image to local"):
        block_devices.local_disks(wanted, FLAVOR, {}, 3)


@pytest.mark.parametrize(
    ("properties", "fits"),
    [
        ({}, 5),
        ({"hw_disk_bus": "scsi"}, 5),
        ({"hw_disk_bus": "scsi", "hw_scsi_model": "lsisas1068"}, 5),
        ({"hw_disk_bus": "scsi", "hw_scsi_model": "LSILogic"}, 4),
        ({"hw_disk_bus": "sata"}, 3),
        ({"hw_disk_bus": "ide"}, 3),
        ({"hw_disk_bus": "usb"}, 3),
    ],
)
def test_controllers_have_places_for_what_may_come_besides(
    properties: dict[str, str], fits: int
) -> None:
    wanted = [ROOT, *[{**BLANK, "volume_size": 1}] * 3, SWAP]
    assert len(mapped(*wanted[:fits], most=-1, properties=properties)) == fits
    if fits < len(wanted):
        with pytest.raises(BadInput, match="not enough places"):
            mapped(*wanted[: fits + 1], most=-1, properties=properties)


LEGACY: list[tuple[list[dict[str, Any]], Any]] = [
    ([{"device_name": "vdb", "virtual_name": "ephemeral0"}], [("root", 0), ("ephemeral0", 3072)]),
    (
        [{"virtual_name": "swap", "volume_size": 1}, {"no_device": True, "device_name": "vdc"}],
        [("root", 0), ("swap", 1)],
    ),
    ([{"device_name": "vda"}], "Unrecognized legacy format"),
    ([{"device_name": "vda", "volume_id": OTHER}], "no block storage yet"),
    ([{"device_name": "vda", "snapshot_id": OTHER}], "no block storage yet"),
    ([{"virtual_name": "swap", "source_type": "blank"}], "Additional properties"),
    ([{"virtual_name": 1}], "virtual_name"),
]


@pytest.mark.parametrize(("devices", "expected"), LEGACY)
def test_the_older_form(devices: list[dict[str, Any]], expected: Any) -> None:
    wanted = server(block_device_mapping=devices)
    if isinstance(expected, str):
        with pytest.raises(BadInput, match=expected):
            block_devices.local_disks(wanted, FLAVOR, {}, 3)
        return
    found = block_devices.local_disks(wanted, FLAVOR, {}, 3)
    assert [(one.name, one.size_mib) for one in found] == expected


def test_both_forms_at_once_are_refused() -> None:
    both = server(block_device_mapping=[{"virtual_name": "swap"}], block_device_mapping_v2=[ROOT])
    with pytest.raises(BadInput, match="different block_device_mapping syntaxes"):
        block_devices.local_disks(both, FLAVOR, {}, 3)


# ---- what a row makes of it


def row(*stored: Mapped, **values: Any) -> Any:
    base = {
        "id": IMAGE, "disks": msgspec.to_builtins(list(stored)) if stored else None,
        "disk_tag": None, "flavor": {"ephemeral": 1, "swap": 16}, "image_properties": {},
        "image_format": "qcow2", "config_drive": False, "kernel_id": "", "ramdisk_id": "",
        "root_device": "/dev/vda",
    }  # fmt: skip
    return SimpleNamespace(**{**base, **values})


def shape(found: tuple[GuestDisk, ...]) -> list[tuple[str, str, str, int]]:
    return [(one.name, one.bus, one.device, one.size_mib) for one in found]


SHAPES: list[tuple[Any, list[tuple[str, str, str, int]]]] = [
    (
        row(),
        [("root", "virtio", "disk", 0), ("ephemeral0", "virtio", "disk", 1024), ("swap", "virtio", "disk", 16)],
    ),
    (
        row(A_ROOT, Mapped(name="swap", size_mib=8, bus="usb"), config_drive=True),
        [
            ("root", "virtio", "disk", 0), ("ephemeral0", "virtio", "disk", 1024),
            ("swap", "usb", "disk", 8), ("config", "virtio", "disk", 0),
        ],
    ),
    (
        row(flavor={}, config_drive=True, image_properties={"hw_disk_bus": "scsi", "hw_cdrom_bus": "SATA"}),
        [("root", "scsi", "disk", 0), ("config", "sata", "cdrom", 0)],
    ),
    (
        row(flavor={}, image_format="iso", image_properties={"hw_disk_bus": "ide"}),
        [("root", "ide", "disk", 0), ("installer", "sata", "cdrom", 0)],
    ),
    (
        row(flavor={}, image_format="iso", image_properties={"hw_cdrom_bus": "virtio"}),
        [("root", "virtio", "disk", 0), ("installer", "virtio", "disk", 0)],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("server", "expected"), SHAPES)
def test_the_disks_of_a_guest(server: Any, expected: Any) -> None:
    found = disks.of(server)
    assert shape(found) == expected
    assert [one.of_image for one in found] == [
        one.name == ("installer" if server.image_format == "iso" else "root") for one in found
    ]


@pytest.mark.parametrize(
    ("properties", "system", "expected"),
    [({}, "", "ext3"), ({"os_type": "windows"}, "", "vfat"), ({"os_type": "windows"}, "xfs", "xfs")],
)  # fmt: skip
def test_what_an_ephemeral_disk_is_formatted_with(
    properties: dict[str, str], system: str, expected: str
) -> None:
    one = Mapped(name="ephemeral0", size_mib=1, file_system=system)
    _, ephemeral, swap = disks.of(row(A_ROOT, one, image_properties=properties), "ext3")
    assert (ephemeral.file_system, swap.file_system) == (expected, "")


def test_places_are_told_as_the_host_gives_them() -> None:
    several = row(
        Mapped(name="root", boot_index=0, bus="scsi", tag="a"),
        Mapped(name="ephemeral0", size_mib=1, tag="b"),
        Mapped(name="ephemeral1", size_mib=1, bus="scsi", tag="c"),
        Mapped(name="swap", size_mib=1, bus="sata", tag="d"),
        config_drive=True,
    )
    told = [(one.path, one.bus, one.address, one.tag) for one in disks.placed(several)]
    assert told == [
        ("/dev/sda", "scsi", "0:0:0:0", "a"), ("/dev/vda", "pci", "0000:02:00.0", "b"),
        ("/dev/sdb", "scsi", "0:0:1:0", "c"), ("/dev/sdc", "none", "none", "d"),
        ("/dev/vdb", "pci", "0000:03:00.0", ""),
    ]  # fmt: skip
    listed = disks.of(several)
    real, taken = real_places([Disk(one.name, "", "raw", bus=one.bus) for one in listed])
    assert taken == disks.ports(listed) == 3
    assert [one.port for one in real] == [0, 1, 0, None, 2]


def test_a_kernel_is_told_where_the_root_is_unless_the_image_says_otherwise() -> None:
    assert disks.kernel(row()) is None
    own = disks.kernel(row(kernel_id=OTHER, root_device="/dev/sda"))
    assert own is not None and own.command_line.startswith("root=/dev/sda console=tty0 ")
    said = disks.kernel(row(kernel_id=OTHER, image_properties={"os_command_line": "quiet"}))
    assert said is not None and said.command_line == "quiet"
