"""What a request for a server says of places, addresses and sizes, read without a cloud."""

from __future__ import annotations

import uuid
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from msgspec import UNSET

from hanok.base.errors import BadInput
from hanok.services.compute.logic import creating, rebuilding, scheduling, snapshots, volume_wishes
from hanok.services.image.facade import ImageInfo

GIB = 1 << 30


def image(**values: Any) -> ImageInfo:
    base: dict[str, Any] = {
        "id": "i", "name": None, "status": "active", "disk_format": "raw", "container_format": None,
        "size_bytes": None, "virtual_size_bytes": None, "hash_algorithm": None, "hash_value": None,
        "min_disk_gib": 0, "min_ram_mib": 0, "owner": None, "visibility": "private", "properties": {},
    }  # fmt: skip
    return ImageInfo(**{**base, **values})


SIZES: list[tuple[dict[str, Any], int, int | None]] = [
    ({}, 1, None),
    ({"min_disk_gib": 2}, 2, None),
    ({"min_disk_gib": 3}, 2, 3),
    ({"virtual_size_bytes": 2 * GIB, "size_bytes": 9 * GIB}, 2, None),
    ({"virtual_size_bytes": 2 * GIB + 1}, 2, 3),
    ({"size_bytes": 2 * GIB}, 2, None),
    ({"size_bytes": 2 * GIB + 1}, 2, 3),
    ({"size_bytes": 3 * GIB, "min_disk_gib": 5}, 2, 5),
]


@pytest.mark.parametrize(("values", "disk", "needed"), SIZES)
def test_a_flavors_disk_holds_the_image(
    values: dict[str, Any], disk: int, needed: int | None
) -> None:
    creating.check_fit(image(**values), 64, 0)  # without a disk there is nothing to hold it
    if needed is None:
        creating.check_fit(image(**values), 64, disk)
        return
    with pytest.raises(BadInput, match=f"Flavor disk is {disk} GiB, the image needs {needed} GiB"):
        creating.check_fit(image(**values), 64, disk)


@pytest.mark.parametrize(("values", "size", "needed"), SIZES)
def test_a_volume_holds_the_image(values: dict[str, Any], size: int, needed: int | None) -> None:
    if needed is None:
        volume_wishes.check_fits(image(**values), size)
        return
    with pytest.raises(BadInput, match=f"Volume size is {size * GIB} bytes, minimum is"):
        volume_wishes.check_fits(image(**values), size)


def test_a_flavors_memory_is_as_much_as_the_image_asks() -> None:
    creating.check_fit(image(min_ram_mib=64), 64, 1)
    with pytest.raises(BadInput, match="65 MiB requested, 64 MiB given"):
        creating.check_fit(image(min_ram_mib=65), 64, 1)


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        (None, (None, None)),
        (UNSET, (None, None)),
        ("", (None, None)),
        ("z", ("z", None)),
        ("z:h", ("z", "h")),
        ("z::h", ("z", "h")),
        ("z:h:h", ("z", "h")),
        (":h", (None, "h")),
        ("::", (None, None)),
    ],
)
def test_a_zone_may_name_a_host(zone: Any, expected: tuple[str | None, str | None]) -> None:
    assert creating.forced_host(zone) == expected


@pytest.mark.parametrize(
    ("zone", "why"),
    [("z:h:h:h", "more parts than zone, host and node"), ("z:h:n", "Compute host h has no hypervisor n")],
)  # fmt: skip
def test_what_is_no_zone(zone: str, why: str) -> None:
    with pytest.raises(BadInput, match=why):
        creating.forced_host(zone)


@pytest.mark.parametrize(
    ("value", "family", "expected"),
    [
        (UNSET, 4, ""), (None, 6, ""), ("", 4, ""), ("192.0.2.1", 4, "192.0.2.1"), ("2001:db8::1", 6, "2001:db8::1"),
        ("192.0.2.1", 6, None), ("2001:db8::1", 4, None), ("host", 4, None),
    ],
)  # fmt: skip
def test_an_address_is_of_its_family(value: Any, family: int, expected: str | None) -> None:
    if expected is not None:
        assert creating.address(value, "accessIP", family) == expected
        return
    with pytest.raises(BadInput, match="accessIP"):
        creating.address(value, "accessIP", family)


def test_certificates_that_a_server_trusts_are_ids_of_secrets_each_once() -> None:
    one, other = str(uuid.uuid4()), str(uuid.uuid4())
    nothing: Any
    for nothing in (UNSET, None, []):
        assert creating.trusted(nothing) is None
    assert creating.trusted([one, other]) == [one, other]
    for wrong in (["one"], [one, other, one]):
        with pytest.raises(BadInput, match="trusted_image_certificates"):
            creating.trusted(wrong)


@pytest.mark.parametrize("specs", [None, {}, {"hw:boot_menu": "true"}])
def test_a_server_asks_of_devices_what_its_flavor_says(specs: dict[str, str] | None) -> None:
    row: Any = SimpleNamespace(flavor={"name": "f", "extra_specs": specs}, vcpus=1)
    found = rebuilding.requirements_of(row, {"hw_vif_model": "e1000"}, "image")
    assert found.devices.boot_menu is bool(specs)
    assert found.traits == {"COMPUTE_NET_VIF_MODEL_E1000"}


def test_a_snapshot_takes_over_what_describes_the_disk() -> None:
    properties = {
        "os_distro": "debian", "hw_disk_bus": "scsi", "img_signature": "x", "img_signature_key_type": "x",
        "os_hash_value": "x", "os_hidden": "x", "os_glance_importing": "x", "cache_in_nova": "x",
    }  # fmt: skip
    assert snapshots.inherited(properties) == {"os_distro": "debian", "hw_disk_bus": "scsi"}


def test_memory_that_a_volumes_image_asks_for_is_a_number() -> None:
    said = {"min_ram": "128", "os_distro": "debian"}
    found = creating.of_volume(said)
    assert (found.min_ram_mib, found.properties) == (128, {"os_distro": "debian"})
    assert creating.of_volume({"min_ram": "much"}).min_ram_mib == 0
    assert creating.of_volume({}).min_ram_mib == 0


def test_a_volume_says_of_its_image_what_that_said_of_itself() -> None:
    said = {"image_id": "i", "image_name": "n", "size": "1", "min_ram": "64", "hw_disk_bus": "scsi"}
    assert volume_wishes.properties_of(said) == {"hw_disk_bus": "scsi", "min_ram": "64"}
    assert volume_wishes.properties_of({}) == {"min_ram": "0"}


def test_a_server_on_a_volume_takes_no_disk_of_its_host() -> None:
    flavor = {"ephemeral": 0, "swap": 0}
    assert msgspec.to_builtins(scheduling.given_by(flavor, 1, 64, 0)) == {
        "VCPU": 1, "MEMORY_MB": 64, "DISK_GB": 0,
    }  # fmt: skip
