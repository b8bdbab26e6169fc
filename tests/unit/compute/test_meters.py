"""What is measured of a server."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from hanok.commands import Diagnostics
from hanok.commands.messages import DiskCounters, NICCounters
from hanok.services.compute.logic import meters

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def server(**values: Any) -> Any:
    base = {
        "id": "s", "sequence": 10, "project_id": "p", "user_id": "u", "name": "vm", "host": "host-1",
        "vcpus": 2, "memory_mib": 64, "disk_gib": 1, "power_state": 1, "created_at": NOW,
        "launched_at": None, "flavor_id": "1", "flavor": {"name": "small", "ephemeral": 3},
        "image_id": "i", "availability_zone": "nova", "metadata": {},
    }  # fmt: skip
    return SimpleNamespace(**{**base, **values})


def told(**values: Any) -> Diagnostics:
    return Diagnostics(
        server_id="s", power="running", accelerator="tcg", memory_mib=64, memory_used_mib=40, **values
    )  # fmt: skip


def figures(found: Any) -> dict[str, float]:
    return {name: one.value for name, one in found.meters.items()}


def test_a_server_has_its_sizes_whether_its_host_says_anything_or_not() -> None:
    sizes = {
        "vcpus": 2,
        "memory": 64,
        "disk.root.size": 1,
        "disk.ephemeral.size": 3,
        "power.state": 1,
    }
    assert figures(meters.of_server(server(), None)) == sizes
    found = figures(meters.of_server(server(), told(cpu_times_ns=(5, 7))))
    assert found == {**sizes, "cpu": 12, "memory.usage": 40}
    for flavor in ({"name": "small"}, {"name": "small", "ephemeral": 0}):
        assert figures(meters.of_server(server(flavor=flavor), None))["disk.ephemeral.size"] == 0


@pytest.mark.parametrize(
    ("said", "usage", "resident"),
    [
        ({}, 40, None),
        ({"available": 4096, "unused": 1024}, 3, None),
        ({"available": 4096}, 40, None),
        ({"unused": 1024}, 40, None),
        ({"rss": 2048}, 40, 2),
        ({"rss": 2048, "available": 4096, "unused": 4096}, 0, 2),
    ],
)
def test_memory_is_what_the_guest_says_or_what_its_host_gave_it(
    said: dict[str, int], usage: float, resident: float | None
) -> None:
    found = figures(meters.of_server(server(), told(memory_figures=said)))
    assert (found["memory.usage"], found.get("memory.resident")) == (usage, resident)


def test_what_a_server_is_of() -> None:
    found = meters.of_server(server(), None).attributes
    assert (found["image_ref"], found["server_group"], found["launched_at"]) == ("i", None, None)
    group = {"metering.server_group": "g" * 300}
    found = meters.of_server(server(image_id="", metadata=group, launched_at=NOW), None).attributes
    assert (found["image_ref"], found["server_group"]) == (None, "g" * 255)
    assert found["launched_at"] == found["created_at"]


def test_each_disk_is_a_thing_of_its_own() -> None:
    counted = [DiskCounters(read_bytes=n, write_requests=2) for n in range(30)]
    found = meters.disks_of(server(), told(disks=tuple(counted)))
    assert [one.attributes["name"] for one in found[:2]] == ["vda", "vdb"] and len(found) == 26
    assert (found[-1].name, found[-1].meters["disk.device.read.bytes"].value) == ("s-vdz", 25)
    assert found[0].meters["disk.device.write.requests"].value == 2


def test_an_interface_has_the_meters_that_its_host_counts() -> None:
    some = NICCounters(port_id="0123456789abcdef", rx_octets=7, tx_packets=0)
    (one,) = meters.interfaces_of(server(), told(nics=(some,)))
    assert figures(one) == {"network.incoming.bytes": 7, "network.outgoing.packets": 0}
    assert one.name == "instance-0000000a-s-tap0123456789a"
