"""The volumes of a server: what they are called, and what its host is told of them."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from hanok.base.errors import BadInput, Forbidden
from hanok.services.compute.logic import attaching, server_volumes

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def server(**values: Any) -> Any:
    base: dict[str, Any] = {
        "id": "s", "image_id": "i", "launched_at": None, "disks": None, "disk_tag": None,
        "flavor": {}, "image_properties": {}, "image_format": "raw", "config_drive": False,
    }  # fmt: skip
    return SimpleNamespace(**base | values)


def row(number: int, **values: Any) -> Any:
    base = {
        "id": f"row-{number}", "volume_id": f"v{number}", "attachment_id": f"a{number}",
        "device": None, "boot_index": None, "bus": "virtio", "device_type": "disk", "tag": None,
        "address": None, "created_at": NOW,
    }  # fmt: skip
    return SimpleNamespace(**base | values)


OPEN = {"address": {"export": "x", "answer": "volume_address"}, "size_gib": 2, "read_only": False}


def test_a_host_is_told_the_volumes_that_are_open() -> None:
    rows = [row(0, address=OPEN, boot_index=0), row(1), row(2, address=OPEN | {"read_only": True})]
    told = server_volumes.guest_volumes(rows)
    assert [(one.volume_id, one.boot_index, one.read_only) for one in told] == [
        ("v0", 0, False),
        ("v2", None, True),
    ]
    (other,) = server_volumes.guest_volumes(rows, without="row-0")
    assert (other.volume_id, other.address.export, other.size_gib) == ("v2", "x", 2)


@pytest.mark.parametrize(
    ("bus", "expected"),
    [(None, "virtio"), ("virtio", "virtio"), ("SCSI", "scsi"), ("usb", "usb"), ("sata", "virtio"), ("ide", "virtio")],
)  # fmt: skip
def test_a_running_guest_takes_volumes_on_some_buses(bus: str | None, expected: str) -> None:
    assert server_volumes.bus_for({} if bus is None else {"hw_disk_bus": bus}) == expected


@pytest.mark.parametrize(
    ("bus", "rows", "expected"),
    [
        ("virtio", [], "/dev/vdb"),
        ("scsi", [], "/dev/sda"),
        ("usb", [row(0, device="/dev/sda")], "/dev/sdb"),
        ("virtio", [row(0, device="/dev/vdb"), row(1, device="/dev/vdd")], "/dev/vdc"),
        ("virtio", [row(0)], "/dev/vdb"),  # one that nobody called anything takes no name
        ("virtio", [row(n, device=f"/dev/vd{chr(98 + n)}") for n in range(25)], "/dev/vdaa"),
    ],
)
def test_the_next_name_that_is_free(bus: str, rows: list[Any], expected: str) -> None:
    assert server_volumes.next_device(server(launched_at=NOW), rows, bus) == expected


def test_volumes_that_are_booted_from_come_before_disks_where_there_is_no_image() -> None:
    rows = [row(0, boot_index=0), row(1, boot_index=1, bus="scsi"), row(2)]
    swap = {"swap": 64}
    assert server_volumes.names(server(image_id="", disks=[], flavor=swap), rows) == {
        "row-0": "/dev/vda", "row-1": "/dev/sda", "row-2": "/dev/vdc",
    }  # fmt: skip
    assert server_volumes.names(server(flavor=swap), rows) == {
        "row-0": "/dev/vdc", "row-1": "/dev/sda", "row-2": "/dev/vdd",
    }  # fmt: skip


def test_the_root_is_the_first_that_is_booted_from() -> None:
    first, second = row(0, boot_index=1), row(1, boot_index=0)
    assert server_volumes.root_of([first, second]) is second
    assert server_volumes.root_of([first, row(2)]) is None


def test_a_guest_finds_volumes_by_their_serial() -> None:
    rows = [
        row(0, volume_id="v" * 36, device="/dev/sdx", tag="data"), row(1, volume_id=None),
        row(2, created_at=NOW.replace(year=2027)),
    ]  # fmt: skip
    found = server_volumes.placed(server(launched_at=NOW.replace(month=2)), rows)
    assert [(one.name, one.path, one.serial, one.tag) for one in found] == [
        ("root", "/dev/vda", "s", ""),
        ("row-0", "/dev/sdx", "v" * 20, "data"),
        ("row-1", "/dev/vdc", "", ""),
        ("row-2", "", "v2", ""),
    ]
    assert server_volumes.ports(server(launched_at=NOW.replace(month=2)), rows) == 3


@pytest.mark.parametrize(("maximum", "fits"), [(3, True), (2, False), (0, False), (-1, True)])
def test_disks_and_volumes_are_counted_together(maximum: int, fits: bool) -> None:
    crowded = server(flavor={"swap": 64})
    if fits:
        server_volumes.check_count(crowded, 1, maximum)
        return
    with pytest.raises(Forbidden, match=rf"disk devices \({maximum}\)"):
        server_volumes.check_count(crowded, 1, maximum)


@pytest.mark.parametrize("name", [None, "/dev/vdb", "vdb", "/dev/disk/by-id/x_1.2", "d" * 255])
def test_names_of_devices_that_are_taken(name: str | None) -> None:
    attaching.check_device(name)


@pytest.mark.parametrize("name", ["", "/dev/v db", "d" * 256, {"a": 1}, "vdb\n"])
def test_names_that_no_device_has(name: Any) -> None:
    with pytest.raises(BadInput, match="supplied device path"):
        attaching.check_device(name)
