"""What servers may be asked to be: hints, properties of images and extra specs that act, and those that are refused."""

from __future__ import annotations

import re
from typing import Any

import pytest

from hanok.base.errors import BadInput
from hanok.services.compute.logic import requirements

ONE = "11111111-2222-4333-8444-555555555555"


@pytest.mark.parametrize(
    "hints",
    [
        {},
        {"group": ONE},
        {"same_host": ["anything", ONE], "different_host": [ONE, ONE]},
        {"different_host": ONE, "same_host": "anything"},
        {"build_near_host_ip": "192.0.2.1", "cidr": "/24"},
        {"build_near_host_ip": "2001:db8::1", "cidr": "/64"},
        {"query": []},
        {"query": ["=", "$free_ram_mb", 1]},
        {"anything": {"of": ["a", "site"]}},
    ],
)
def test_hints_that_are_taken(hints: dict[str, Any]) -> None:
    requirements.check_hints(hints)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("group", "mine"), ("group", [ONE, 7]), ("group", None),
        ("same_host", 7), ("same_host", ["a", 7]),
        ("different_host", "mine"), ("different_host", ["mine"]), ("different_host", [ONE, {}]),
        ("query", 7), ("query", True),
        ("target_cell", ""), ("target_cell", " a"), ("target_cell", "c" * 256), ("target_cell", 7),
        ("different_cell", 7), ("different_cell", ["a", 7]),
        ("build_near_host_ip", "host"), ("build_near_host_ip", 7), ("build_near_host_ip", ["192.0.2.1"]),
        ("cidr", "24"), ("cidr", 24), ("cidr", "/x"), ("cidr", ["/24"]),
    ],
)  # fmt: skip
def test_values_that_are_none_of_their_hint(name: str, value: Any) -> None:
    with pytest.raises(
        BadInput, match=f"{name}. Value: .*It is not a valid value of this scheduler"
    ):
        requirements.check_hints({name: value})


@pytest.mark.parametrize("hints", [{"target_cell": "c" * 255}, {"different_cell": ["a", "b"]}])
def test_hints_that_nothing_acts_on_are_refused(hints: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match="is not supported: this cloud has no cells"):
        requirements.check_hints(hints)


def test_hints_have_a_bound_as_json() -> None:
    room = requirements.HINTS_BYTES - len('{"a":""}')
    requirements.check_hints({"a": "x" * room})
    for value in ("x" * (room + 1), "é" * (room // 2 + 1)):
        with pytest.raises(BadInput, match="more than 65535 bytes"):
            requirements.check_hints({"a": value})


@pytest.mark.parametrize(
    "properties",
    [
        {"hw_disk_bus": "SCSI", "hw_cdrom_bus": "sata", "hw_scsi_model": "lsilogic"},
        {"img_config_drive": "mandatory", "img_signature": "anything", "hw_ipxe_boot": "true"},
        {"img_bdm_v2": "", "img_mappings": "[]"},
        {"hw_cpu_realtime": "No", "hw_firmware_stateless": False, "hw_virtio_packed_ring": " off "},
        {"cpu_realtime": "yes", "sound_model": "ac97"},  # a site's own: they do not begin with hw_
        {"hw_odd": "1", "img_odd": "1", "os_distro": "debian"},
    ],
)
def test_properties_that_are_taken(properties: dict[str, Any]) -> None:
    requirements.check_properties(properties)


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("hw_disk_bus", "fdc", "not supported yet. Supported: virtio, scsi, sata, ide, usb."),
        ("hw_cdrom_bus", "usb", "not supported yet. Supported: virtio, scsi, sata, ide."),
        ("img_config_drive", "perhaps", "Supported: optional, mandatory."),
        ("img_bdm_v2", "true", "are read from block_device_mapping"),
        ("img_mappings", '[{"device": "vda"}]', "disks have the names that their buses give them"),
        ("hw_cpu_realtime", "yes", "not scheduled in real time"),
        ("hw_sound_model", "no", "guests have no sound"),
        ("hw_usb_model", "", "a guest gets a USB controller"),
    ],
)
def test_properties_that_are_refused(name: str, value: str, why: str) -> None:
    with pytest.raises(BadInput, match=re.escape(why)) as refused:
        requirements.check_properties({"os_distro": "debian", name: value})
    assert f"The image asks for {name}={value}, which is not supported" in refused.value.message


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({}, (False, "virtio", "disk", {})),
        ({"hw_rescue_device": "CDROM"}, (True, "scsi", "cdrom", {})),
        ({"hw_rescue_bus": "usb"}, (True, "usb", "disk", {})),
        ({"hw_rescue_bus": "virtio", "hw_rescue_device": "disk"}, (True, "virtio", "disk", {})),
        ({"hw_rescue_bus": "IDE", "hw_rescue_device": "cdrom"}, (True, "ide", "cdrom", {})),
        (
            {"hw_vif_model": "e1000", "hw_disk_bus": "scsi", "os_distro": "debian"},
            (False, "virtio", "disk", {"hw_vif_model": "e1000"}),
        ),
    ],
)
def test_how_a_server_is_rescued(properties: dict[str, Any], expected: tuple[Any, ...]) -> None:
    found = requirements.rescue_of(properties)
    assert tuple(found[name] for name in ("stable", "bus", "device", "properties")) == expected


@pytest.mark.parametrize("bus", ["virtio", "usb", "USB"])
def test_a_rescue_cdrom_is_on_no_bus_that_has_none(bus: str) -> None:
    with pytest.raises(BadInput, match="Supported: scsi, sata, ide"):
        requirements.rescue_of({"hw_rescue_device": "cdrom", "hw_rescue_bus": bus})


@pytest.mark.parametrize(
    ("properties", "forced"),
    [
        ({}, False),
        ({"img_config_drive": "Mandatory"}, True),
        ({"img_config_drive": "optional"}, False),
    ],
)
def test_an_image_may_force_a_config_drive(properties: dict[str, str], forced: bool) -> None:
    assert requirements.forces_config_drive(properties) is forced
