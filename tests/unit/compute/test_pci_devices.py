"""What flavors ask for by the alias of a PCI device."""

from __future__ import annotations

import pytest

from hanok.base.errors import BadInput
from hanok.services.compute.logic import devices
from hanok.services.compute.room import PCIAlias

ALIASES = (
    PCIAlias(name="gpu", vendor_id="10de", product_id="1eb8", traits=("CUSTOM_FAST",)),
    PCIAlias(name="own", vendor_id="10de", product_id="1eb8", resource_class="CUSTOM_GPU"),
    PCIAlias(name="two", vendor_id="10de", product_id="1eb8"),
    PCIAlias(name="two", vendor_id="10DE", product_id="1EB8"),
    PCIAlias(name="same", resource_class="CUSTOM_NIC"),
    PCIAlias(name="same", vendor_id="8086", product_id="10ed", resource_class="CUSTOM_NIC"),
    PCIAlias(name="mixed", vendor_id="10de", product_id="1eb8"),
    PCIAlias(name="mixed", vendor_id="8086", product_id="10ed"),
    PCIAlias(name="half", vendor_id="10de", product_id="1eb8"),
    PCIAlias(name="half", vendor_id="10de", product_id="1eb8", resource_class="CUSTOM_GPU"),
)


@pytest.mark.parametrize(
    ("text", "classes"),
    [
        ("", []),
        ("gpu:1", ["CUSTOM_PCI_10DE_1EB8"]),
        ("own:2", ["CUSTOM_GPU"] * 2),
        (" two:1 , own:1,", ["CUSTOM_PCI_10DE_1EB8", "CUSTOM_GPU"]),
        ("same:1", ["CUSTOM_NIC"]),
        ("gpu:32", ["CUSTOM_PCI_10DE_1EB8"] * 32),
    ],
)
def test_each_device_is_a_group(text: str, classes: list[str]) -> None:
    found = devices.groups({devices.SPEC: text}, ALIASES)
    assert [one.resources for one in found.values()] == [{name: 1} for name in classes]
    assert devices.groups({}, ALIASES) == {}


def test_an_alias_may_require_traits() -> None:
    (one,) = devices.groups({devices.SPEC: "gpu:1"}, ALIASES).values()
    assert one.required == (frozenset(["COMPUTE_MANAGED_PCI_DEVICE"]), frozenset(["CUSTOM_FAST"]))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("gpu", "PCI alias 'gpu' is not a name and a number: NAME:1."),
        ("gpu:0", "is not a name and a number"),
        ("gpu:one", "is not a name and a number"),
        (":1", "is not a name and a number"),
        ("gpu:33", "more than 32 PCI devices"),
        ("gpu:30,own:3", "more than 32 PCI devices"),
        ("fpga:1", "PCI alias fpga is not defined"),
        ("mixed:1", "PCI alias mixed names devices of several kinds"),
        ("half:1", "PCI alias half names devices of several kinds"),
    ],
)
def test_what_is_no_alias(text: str, why: str) -> None:
    with pytest.raises(BadInput, match=why):
        devices.groups({devices.SPEC: text}, ALIASES)
