"""What a server asks of its host, which hosts pass, and which comes first."""

from __future__ import annotations

import ipaddress
from types import SimpleNamespace
from typing import Any

import pytest

from hanok.base.errors import BadInput
from hanok.commands import HostDevice
from hanok.node.simulated_hardware import cells
from hanok.services.compute.logic import (
    cpu_wishes,
    devices,
    hosts,
    scheduling,
    topologies,
    weighing,
)
from hanok.services.compute.logic.scheduling import Host, Request
from hanok.services.compute.logic.server_groups import Placed
from hanok.services.compute.logic.weighing import Candidate
from hanok.services.placement import facade as placement

GIVEN = {"VCPU": 2, "MEMORY_MB": 512, "DISK_GB": 10}


def groups_of(specs: dict[str, str], properties: dict[str, str] | None = None) -> Any:
    return scheduling.groups_of(GIVEN, specs, properties or {})


def names(sets: tuple[frozenset[str], ...]) -> list[list[str]]:
    return [sorted(one) for one in sets]


def test_a_flavor_asks_for_what_it_has() -> None:
    groups, isolate = groups_of({"mine:owner": "x", "hw:cpu_policy": "shared"})
    assert set(groups) == {""} and groups[""].resources == GIVEN and not isolate


def test_specs_take_the_place_of_what_the_flavor_has() -> None:
    groups, _ = groups_of(
        {"resources:VCPU": "0", "resources:DISK_GB": "3", "resources:CUSTOM_GPU": "1"}
    )
    assert groups[""].resources == {"MEMORY_MB": 512, "DISK_GB": 3, "CUSTOM_GPU": 1}


def test_traits_of_flavor_and_image_come_together() -> None:
    specs = {"trait:CUSTOM_A": "required", "trait:CUSTOM_B": "forbidden"}
    groups, _ = groups_of(specs, {"trait:CUSTOM_C": "required", "os_distro": "debian"})
    assert names(groups[""].required) == [["CUSTOM_A"], ["CUSTOM_C"]]
    assert groups[""].forbidden == {"CUSTOM_B"}


def test_a_group_may_have_traits_alone_where_it_is_in_one_part_of_a_tree_with_others() -> None:
    groups, _ = groups_of(
        {"resources1:CUSTOM_GPU": "1", "trait2:CUSTOM_A": "required", "same_subtree": "1,2",
         "group_policy": "none"}
    )  # fmt: skip
    assert groups["2"].resources == {} and names(groups["2"].required) == [["CUSTOM_A"]]


def test_numbered_groups_stand_beside_the_plain_one() -> None:
    groups, isolate = groups_of(
        {
            "resources1:CUSTOM_GPU": "1", "trait1:CUSTOM_A": "required",
            "resources_b:CUSTOM_GPU": "2", "group_policy": "isolate",
        }
    )  # fmt: skip
    assert isolate and groups[""].resources == GIVEN
    assert groups["1"].resources == {"CUSTOM_GPU": 1} and names(groups["1"].required) == [
        ["CUSTOM_A"]
    ]
    assert groups["_b"].resources == {"CUSTOM_GPU": 2} and not groups["_b"].required


@pytest.mark.parametrize(
    ("specs", "said"),
    [
        ({"resources:VCPU": "many"}, "whole number"),
        ({"resources:VCPU": "-1"}, "whole number"),
        ({"resources:VCPU": "99999999999"}, "whole number"),
        ({"resources:VGPU": "1"}, "resources:VGPU"),
        ({"resources:CUSTOM_": "1"}, "resources:CUSTOM_"),
        ({"trait:custom": "required"}, "does not name a trait"),
        ({"trait:CUSTOM_A": "preferred"}, "required or forbidden"),
        ({"trait1:CUSTOM_A": "required"}, "group '1'"),
        ({"resources1:VCPU": "1", "resources2:VCPU": "1"}, "group_policy"),
        ({"group_policy": "any"}, "none or isolate"),
        ({"resources:VCPU": "2147483648"}, "whole number"),
        ({"trait:CUSTOM_" + "A" * 249: "required"}, "does not name a trait"),
        ({"same_subtree": "1 2"}, "it names groups, with commas between"),
        ({"same_subtree": "1,"}, "it names groups, with commas between"),
        ({"same_subtree": "1"}, "names '1', which is not one of its groups"),
        ({"resources:VCPU": "0", "resources:MEMORY_MB": "0", "resources:DISK_GB": "0"}, "no resources"),
    ],
)  # fmt: skip
def test_what_cannot_be_acted_on_is_refused(specs: dict[str, str], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        groups_of(specs)


def test_the_largest_amount_and_the_longest_trait() -> None:
    trait = "CUSTOM_" + "A" * 248
    groups, _ = groups_of({"resources:VCPU": "2147483647", f"trait:{trait}": "required"})
    assert groups[""].resources["VCPU"] == 2147483647 and names(groups[""].required) == [[trait]]


def test_an_image_requires_and_never_forbids() -> None:
    with pytest.raises(BadInput, match="can only require"):
        groups_of({}, {"trait:CUSTOM_A": "forbidden"})


def test_ephemeral_and_swap_disks_are_taken_of_the_host_in_whole_gib() -> None:
    flavor = {"ephemeral": 5, "swap": 1025}
    assert scheduling.given_by(flavor, 1, 64, 10) == {"VCPU": 1, "MEMORY_MB": 64, "DISK_GB": 17}


HOST = Host(provider_id="p", name="one", zone="nova", address="192.0.2.7")


def request(**values: Any) -> Request:
    return Request(groups={}, **values)


@pytest.mark.parametrize(
    ("values", "fits"),
    [
        ({}, True),
        ({"host": "one"}, True),
        ({"host": "two"}, False),
        ({"zone": "nova"}, True),
        ({"zone": "other"}, False),
        ({"same_host": frozenset(["one", "two"])}, True),
        ({"same_host": frozenset(["two"])}, False),
        ({"same_host": frozenset()}, False),  # its servers are nowhere
        ({"different_host": frozenset(["two"])}, True),
        ({"different_host": frozenset(["one", "two"])}, False),
        ({"near": ipaddress.ip_network("192.0.2.0/24")}, True),
        ({"near": ipaddress.ip_network("192.0.2.0/30")}, False),
        ({"near": ipaddress.ip_network("2001:db8::/64")}, False),
    ],
)
def test_filters(values: dict[str, Any], fits: bool) -> None:
    assert scheduling.passes(request(**values), HOST) is fits


@pytest.mark.parametrize(
    ("busy", "limit", "fits"),
    [(0, 0, True), (9, 0, True), (1, 2, True), (2, 2, False), (3, 2, False)],
)
def test_a_host_that_is_at_its_limit_takes_no_more(busy: int, limit: int, fits: bool) -> None:
    working = Host(provider_id="p", name="one", zone="nova", io_ops=busy, maximum_io_ops=limit)
    full = Host(provider_id="p", name="one", zone="nova", instances=busy, maximum_instances=limit)
    assert scheduling.passes(request(), working) is scheduling.passes(request(), full) is fits


@pytest.mark.parametrize(
    ("values", "only"),
    [
        ({}, None),
        ({"host": "one"}, "one"),
        ({"host": "one", "same_host": frozenset(["two"])}, "one"),
        ({"same_host": frozenset(["two"])}, "two"),
        ({"same_host": frozenset(["two", "one"])}, None),
        ({"same_host": frozenset()}, None),
        ({"group": Placed(policy="affinity", hosts={"two": 3})}, "two"),
        ({"group": Placed(policy="affinity", hosts={"two": 1, "one": 1})}, None),
        ({"group": Placed(policy="affinity")}, None),
        ({"group": Placed(policy="anti-affinity", hosts={"two": 1})}, None),
        ({"same_host": frozenset(["one"]), "group": Placed(policy="affinity", hosts={"two": 1})}, "one"),
    ],
)  # fmt: skip
def test_where_one_host_comes_into_question_only_that_is_asked_for(
    values: dict[str, Any], only: str | None
) -> None:
    group = placement.Group(resources={"VCPU": 1})
    found = scheduling.in_tree(Request(groups={"": group, "1": group}, **values))
    bound = group if only is None else placement.bound(group, hosts.provider_id_of(only))
    assert found == {"": bound, "1": bound}


@pytest.mark.parametrize(
    ("specs", "properties", "exactly"),
    [
        (None, {}, False),
        ({"hw:boot_menu": "true"}, {"hw_vif_model": "e1000"}, False),
        ({"pci_passthrough:alias": "gpu:1"}, {}, True),
        ({"hw:cpu_policy": "dedicated"}, {}, True),
        ({}, {"hw_numa_nodes": "1"}, True),
    ],
)
def test_servers_that_may_have_parts_of_a_host_for_themselves(
    specs: dict[str, str] | None, properties: dict[str, str], exactly: bool
) -> None:
    row = SimpleNamespace(flavor={"extra_specs": specs}, image_properties=properties)
    assert scheduling.is_placed_exactly(row) is exactly


def test_a_guest_goes_near_its_devices_where_these_have_a_cell() -> None:
    near = HostDevice(address="0000:01:00.0", vendor_id="10de", product_id="1eb8", cell=1)
    bare = HostDevice(address="0000:02:00.0", vendor_id="10de", product_id="1eb8")
    host = Host(
        provider_id="p", name="one", zone="nova", devices=(near, bare),
        cells=cells(vcpus=4, memory_mib=4096, count=2, threads=1, dedicated=0, huge_pages={}),
    )  # fmt: skip
    wish = cpu_wishes.wish(1, 64, {"hw:numa_nodes": "1"}, {})
    for those, cell in (((near,), 1), ((bare,), 0), ((near, bare), 1), ((), 0)):
        resources = {devices.provider_id_of("one", one.address): {"CUSTOM_GPU": 1} for one in those}
        found = scheduling.place(request(wish=wish), host, resources)
        assert isinstance(found, topologies.Placed) and found.topology is not None
        assert found.devices == tuple(one.address for one in those)
        assert [one.host_cell for one in found.topology.cells] == [cell]


@pytest.mark.parametrize("values", [{"up": False}, {"enabled": False}])
def test_a_host_that_is_down_or_disabled_gets_nothing(values: dict[str, Any]) -> None:
    host = Host(provider_id="p", name="one", zone="nova", **values)
    assert not scheduling.passes(request(), host)


def test_a_host_without_an_address_is_near_nothing() -> None:
    host = Host(provider_id="p", name="one", zone="nova")
    assert not scheduling.passes(request(near=ipaddress.ip_network("0.0.0.0/0")), host)


def candidate(name: str, memory: int, vcpus: int) -> Candidate:
    return Candidate(name, name, "nova", {"MEMORY_MB": memory, "VCPU": vcpus})


def test_what_is_free_is_added_up_and_among_equals_the_name_decides() -> None:
    those = [
        candidate("d", 10, 9), candidate("c", 20, 1), candidate("b", 20, 2), candidate("a", 20, 1),
    ]  # fmt: skip
    assert [one.host for one in weighing.weighed(those)] == ["b", "a", "c", "d"]
