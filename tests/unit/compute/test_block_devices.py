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
from hanok.services.compute.logic.volume_wishes import VolumeWish
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
    *devices: dict[str, Any], maximum: int = 3, properties: Any = None, **values: Any
) -> list[Mapped]:
    requested = server(block_device_mapping_v2=list(devices), **values)
    return block_devices.local_disks(
        block_devices.described(requested), FLAVOR, properties or {}, maximum
    )


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
    ([{**ROOT, "no_device": False, "device_name": None, "disk_bus": None}], [A_ROOT]),
    (
        [{"source_type": "image", "uuid": IMAGE, "boot_index": 0}, {"source_type": "blank"}],
        [A_ROOT, Mapped(name="ephemeral0", size_mib=3072)],
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
    ([ROOT, {"source_type": "volume", "uuid": OTHER, "destination_type": "local"}], "Mapping volume to local"),
    ([ROOT, {"source_type": "snapshot", "uuid": OTHER, "destination_type": "local"}], "Mapping snapshot to local"),
    ([ROOT, {"source_type": "volume", "uuid": OTHER, "boot_index": 0}], BOOT),
    ([{"source_type": "volume", "uuid": OTHER}], BOOT),
    ([ROOT, {"source_type": "volume", "uuid": "vol"}], "failed to get volume vol"),
    ([ROOT, {"source_type": "volume", "uuid": OTHER, "volume_type": "fast"}], "volume_type is for new volumes"),
    ([ROOT, {"source_type": "volume", "uuid": OTHER, "device_type": "floppy"}], "device_type floppy"),
    ([ROOT, {**SWAP, "destination_type": "volume"}], "guest_format is for blank local disks"),
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
    ([{**BLANK, "boot_index": 0}], BOOT),
    ([{**BLANK, "boot_index": 0}, {"source_type": "volume", "uuid": OTHER, "boot_index": 1}], BOOT),
    ([{**ROOT, "boot_index": "1.0"}], "Boot index is invalid"),
    ([{**ROOT, "device_name": 7}], "Device name empty or too long"),
    ([{**ROOT, "device_name": "v" * 256}], "Device name empty or too long"),
    ([ROOT, {**BLANK, "device_type": "cdrom"}], "device_type cdrom is not supported for a local disk"),
    ([ROOT, {"source_type": "snapshot", "uuid": OTHER, "volume_type": 7}], "volume_type"),
    ([ROOT, {"source_type": "snapshot", "uuid": OTHER, "volume_type": ""}], "volume_type"),
    ([ROOT, {"source_type": "snapshot", "uuid": OTHER, "volume_type": "t" * 256}], "volume_type"),
]  # fmt: skip


@pytest.mark.parametrize(("devices", "why"), REFUSED)
def test_what_is_refused(devices: list[dict[str, Any]], why: str) -> None:
    sent = [
        {name: value for name, value in device.items() if value is not msgspec.UNSET}
        for device in devices
    ]
    with pytest.raises(BadInput, match=why):
        mapped(*sent)


@pytest.mark.parametrize("device", [BLANK, SWAP])
def test_an_empty_disk_needs_a_size_that_is_its_own_or_the_flavors(device: dict[str, Any]) -> None:
    found = block_devices.described(server(block_device_mapping_v2=[ROOT, device]))
    without = SimpleNamespace(disk_gib=10, ephemeral_gib=0, swap_mib=0)
    with pytest.raises(BadInput, match=r"requested (are|is) larger than"):
        block_devices.local_disks(found, without, {}, 3)


def test_a_flavor_without_a_disk_bounds_none() -> None:
    found = block_devices.described(server(block_device_mapping_v2=[{**ROOT, "volume_size": 11}]))
    nothing = SimpleNamespace(disk_gib=0, ephemeral_gib=0, swap_mib=0)
    assert block_devices.local_disks(found, nothing, {}, 3) == [A_ROOT]


@pytest.mark.parametrize(
    ("reference", "devices", "expected"),
    [
        (IMAGE, [], IMAGE),
        (f"http://images/{IMAGE}", [ROOT], IMAGE),
        ("", [ROOT], IMAGE),
        ("", [], None),
        ("", [{**ROOT, "destination_type": "volume"}], None),
        ("", [{**ROOT, "no_device": True}], None),
        (IMAGE, [{**ROOT, "uuid": OTHER, "no_device": True}], IMAGE),
        (IMAGE, [{name: one for name, one in ROOT.items() if name != "uuid"}], IMAGE),
    ],
)
def test_the_image_that_a_server_boots_from(
    reference: str, devices: list[dict[str, Any]], expected: str | None
) -> None:
    requested = server(imageRef=reference, block_device_mapping_v2=devices)
    assert block_devices.image_of(requested) == expected


def test_two_images_to_boot_from_are_refused() -> None:
    for reference, devices in (
        (IMAGE, [{**ROOT, "uuid": OTHER}]),
        ("", [ROOT, {**ROOT, "uuid": OTHER}]),
    ):
        requested = server(imageRef=reference, block_device_mapping_v2=devices)
        with pytest.raises(BadInput, match="name different images"):
            block_devices.image_of(requested)


def test_an_image_that_only_a_mapping_names_needs_an_empty_reference() -> None:
    assert mapped(ROOT, imageRef="") == [A_ROOT]
    nothing = msgspec.structs.replace(server(), imageRef=msgspec.UNSET)
    requested = msgspec.structs.replace(
        nothing, block_device_mapping_v2=[msgspec.convert(ROOT, bodies.BlockDevice)]
    )
    with pytest.raises(BadInput, match="Mapping image to local"):
        block_devices.local_disks(block_devices.described(requested), FLAVOR, {}, 3)


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
    requested = [ROOT, *[{**BLANK, "volume_size": 1}] * 3, SWAP]
    assert len(mapped(*requested[:fits], maximum=-1, properties=properties)) == fits
    if fits < len(requested):
        with pytest.raises(BadInput, match="not enough places"):
            mapped(*requested[: fits + 1], maximum=-1, properties=properties)


LEGACY: list[tuple[list[dict[str, Any]], Any]] = [
    ([{"device_name": "vdb", "virtual_name": "ephemeral0"}], [("root", 0), ("ephemeral0", 3072)]),
    (
        [{"virtual_name": "swap", "volume_size": 1}, {"no_device": True, "device_name": "vdc"}],
        [("root", 0), ("swap", 1)],
    ),
    ([{"device_name": "vda"}], "Unrecognized legacy format"),
    ([{"device_name": "vda", "volume_id": "1"}], "failed to get volume 1"),
    ([{"device_name": "vdb", "volume_id": OTHER}], [("root", 0)]),
    ([{"virtual_name": "swap", "source_type": "blank"}], "Additional properties"),
    ([{"virtual_name": 1}], "virtual_name"),
    (
        [{"virtual_name": "ephemeral0", "device_name": "d" * 255}],
        [("root", 0), ("ephemeral0", 3072)],
    ),
    ([{"virtual_name": "ephemeral0", "device_name": "d" * 256}], "device_name"),
    ([{"device_name": "vdb", "snapshot_id": OTHER}], [("root", 0)]),
    ([{"device_name": "vdb", "snapshot_id": 7}], "failed to get snapshot 7"),
    ([{"volume_id": OTHER, "volume_size": 0}], "volume_size"),
    ([{"volume_id": OTHER, "volume_size": ""}], [("root", 0)]),
    ([{"volume_id": OTHER, "delete_on_termination": "perhaps"}], "not a boolean"),
]


@pytest.mark.parametrize(("devices", "expected"), LEGACY)
def test_the_older_form(devices: list[dict[str, Any]], expected: Any) -> None:
    requested = server(block_device_mapping=devices)
    if isinstance(expected, str):
        with pytest.raises(BadInput, match=expected):
            block_devices.local_disks(block_devices.described(requested), FLAVOR, {}, 3)
        return
    found = block_devices.local_disks(block_devices.described(requested), FLAVOR, {}, 3)
    assert [(one.name, one.size_mib) for one in found] == expected


VOLUME = {"source_type": "volume", "uuid": OTHER}
VOLUMES: list[tuple[list[dict[str, Any]], list[VolumeWish]]] = [
    (
        [{**VOLUME, "boot_index": 0, "delete_on_termination": "true", "tag": "sys"}],
        [VolumeWish(source="volume", source_id=OTHER, boot_index=0, delete_on_termination=True, tag="sys")],
    ),
    (
        [{**ROOT, "destination_type": "volume", "volume_size": "2", "volume_type": "fast"}],
        [VolumeWish(
            source="image", source_id=IMAGE, size_gib=2, type="fast", boot_index=0, delete_on_termination=True,
        )],
    ),
    (
        [
            {"source_type": "snapshot", "uuid": OTHER, "boot_index": 1, "device_type": "cdrom"},
            {**BLANK, "destination_type": "volume", "volume_size": 3, "boot_index": 0, "disk_bus": "scsi"},
        ],
        [
            VolumeWish(source="blank", size_gib=3, boot_index=0, bus="scsi"),
            VolumeWish(source="snapshot", source_id=OTHER, boot_index=1, device="cdrom", bus="sata"),
        ],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("devices", "expected"), VOLUMES)
def test_volumes_that_are_described(
    devices: list[dict[str, Any]], expected: list[VolumeWish]
) -> None:
    found = block_devices.described(server(block_device_mapping_v2=devices, imageRef=""))
    assert block_devices.volumes_of(found) == expected
    assert block_devices.local_disks(found, FLAVOR, {}, 3) == []
    assert block_devices.root_volume(found) == expected[0]


def test_volumes_of_the_older_form_are_booted_from_by_name() -> None:
    named = [{"device_name": "vdb", "volume_id": IMAGE}, {"device_name": "vda", "volume_id": OTHER}]
    found = block_devices.described(server(block_device_mapping=named, imageRef=""))
    assert [(one.source_id, one.boot_index) for one in block_devices.volumes_of(found)] == [
        (OTHER, 0),
        (IMAGE, None),
    ]


def test_a_volume_of_the_older_form_without_a_name_comes_last() -> None:
    named = [{"volume_id": IMAGE}, {"device_name": "vdz", "snapshot_id": OTHER}]
    found = block_devices.described(server(block_device_mapping=named, imageRef=""))
    assert block_devices.volumes_of(found) == [
        VolumeWish(source="snapshot", source_id=OTHER, boot_index=0),
        VolumeWish(source="volume", source_id=IMAGE),
    ]


def test_what_a_volume_of_the_older_form_may_say_of_itself() -> None:
    for values, size, goes in (
        ({"volume_size": "3", "delete_on_termination": "1"}, 3, True),
        ({"volume_size": 2, "delete_on_termination": False}, 2, False),
        ({"delete_on_termination": ""}, None, False),
    ):
        requested = server(block_device_mapping=[{"volume_id": OTHER, **values}])
        (one,) = block_devices.volumes_of(block_devices.described(requested))
        assert (one.size_gib, one.delete_on_termination) == (size, goes)


def test_a_volume_stays_unless_it_is_to_go_with_its_server() -> None:
    for value, goes in ((False, False), ("false", False), (None, False), ("yes", True)):
        requested = server(
            block_device_mapping_v2=[{**VOLUME, "boot_index": 0, "delete_on_termination": value}]
        )
        (one,) = block_devices.volumes_of(block_devices.described(requested))
        assert one.delete_on_termination is goes


def test_an_empty_list_of_either_form_says_nothing() -> None:
    legacy = server(block_device_mapping=[{"virtual_name": "swap"}], block_device_mapping_v2=[])
    assert len(block_devices.described(legacy)) == 2
    assert block_devices.described(
        server(block_device_mapping=[], block_device_mapping_v2=[ROOT])
    ) == [A_ROOT]


def test_of_an_images_list_only_volumes_are_taken_and_only_what_is_known_of_them() -> None:
    listed = [
        {"source_type": "blank", "destination_type": "volume", "volume_size": 2, "encrypted": True},
        {"source_type": "snapshot", "snapshot_id": OTHER, "no_device": True},
        {"source_type": "blank", "destination_type": "local", "boot_index": -1},
        {"source_type": "image", "image_id": IMAGE, "destination_type": "local", "boot_index": 0},
    ]
    properties = {"block_device_mapping": msgspec.json.encode(listed).decode()}
    found = block_devices.with_image([A_ROOT], server(), properties)
    assert found == [VolumeWish(source="blank", size_gib=2), A_ROOT]
    odd = {"block_device_mapping": '[{"source_type": 7}]'}
    with pytest.raises(BadInput, match="cannot be read"):
        block_devices.with_image([], server(), odd)


@pytest.mark.parametrize(
    "listed",
    [
        '[{"source_type": "snapshot", "snapshot_id": "x", "device_name": []}]',
        '[{"source_type": "blank", "destination_type": "local", "device_name": {}}]',
        '[{"a": ' + "[" * 5000 + "]" * 5000 + "}]",
        "7",
        "[[]]",
        "",
    ],
)
def test_what_an_image_lists_may_be_anything(listed: str) -> None:
    with pytest.raises(BadInput, match="Block Device Mapping is Invalid"):
        block_devices.with_image([], server(), {"block_device_mapping": listed})


def test_a_device_that_is_left_out_has_a_name_too() -> None:
    name: Any
    for name in ([], {}, 7, "", "a b"):
        requested = server(block_device_mapping_v2=[ROOT, {"device_name": name, "no_device": True}])
        with pytest.raises(BadInput, match="Device name"):
            block_devices.described(requested)


def test_a_device_of_the_older_form_takes_the_place_of_the_images() -> None:
    listed = [{"source_type": "snapshot", "snapshot_id": OTHER, "device_name": "vdb"}]
    properties = {"block_device_mapping": msgspec.json.encode(listed).decode()}
    own = server(block_device_mapping=[{"device_name": "vdb", "no_device": True}])
    assert block_devices.with_image([], own, properties) == []
    other = server(block_device_mapping=[{"device_name": "vdc", "no_device": True}])
    assert len(block_devices.with_image([], other, properties)) == 1


def test_an_image_says_which_volumes_its_servers_have() -> None:
    listed = [
        {
            "source_type": "snapshot", "destination_type": "volume", "snapshot_id": OTHER, "boot_index": 0,
            "device_name": "/dev/vda", "volume_size": 1, "image_id": None, "disk_bus": "virtio",
        },
        {
            "source_type": "snapshot", "destination_type": "volume", "snapshot_id": IMAGE,
            "device_name": "/dev/vdb", "boot_index": None,
        },
    ]  # fmt: skip
    properties = {"block_device_mapping": msgspec.json.encode(listed).decode()}
    found = block_devices.with_image([], server(), properties)
    assert [one.source_id for one in block_devices.volumes_of(found)] == [OTHER, IMAGE]
    own = server(block_device_mapping_v2=[{"device_name": "/dev/vdb", "no_device": True}])
    assert len(block_devices.with_image([], own, properties)) == 1
    with pytest.raises(BadInput, match="cannot be read"):
        block_devices.with_image([], server(), {"block_device_mapping": "[1"})


def test_both_forms_at_once_are_refused() -> None:
    both = server(block_device_mapping=[{"virtual_name": "swap"}], block_device_mapping_v2=[ROOT])
    with pytest.raises(BadInput, match="different block_device_mapping syntaxes"):
        block_devices.local_disks(block_devices.described(both), FLAVOR, {}, 3)


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


def test_a_tag_that_came_without_a_description_is_the_roots() -> None:
    told = {one.name: one.tag for one in disks.placed(row(disk_tag="sys", config_drive=True))}
    assert told == {"root": "sys", "ephemeral0": "", "swap": "", "config": ""}
    assert {one.tag for one in disks.placed(row())} == {""}


def test_an_installer_comes_behind_all_that_is_booted_from() -> None:
    several = row(A_ROOT, Mapped(name="ephemeral0", size_mib=1, boot_index=1), image_format="iso")
    indexes = {one.name: one.boot_index for one in disks.of(several)}
    assert indexes == {"root": 0, "ephemeral0": 1, "swap": None, "installer": 2}


def test_the_bus_of_a_root_disk_is_its_own() -> None:
    assert (
        disks.root_bus([Mapped(name="swap", bus="usb"), Mapped(name="root", bus="scsi")]) == "scsi"
    )
    assert disks.root_bus([Mapped(name="swap", bus="usb")]) == ""
    assert disks.root_path({}) == disks.root_path({"hw_disk_bus": "scsi"}, "virtio") == "/dev/vda"
    assert disks.root_path({"hw_disk_bus": "scsi"}) == disks.root_path({}, "usb") == "/dev/sda"


def test_a_kernel_is_told_where_the_root_is_unless_the_image_says_otherwise() -> None:
    assert disks.kernel(row()) is None
    own = disks.kernel(row(kernel_id=OTHER, root_device="/dev/sda"))
    assert own is not None and own.command_line.startswith("root=/dev/sda console=tty0 ")
    said = disks.kernel(row(kernel_id=OTHER, image_properties={"os_command_line": "quiet"}))
    assert said is not None and said.command_line == "quiet"
