"""A host is heard only of itself, and told only of its own guests."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hanok.commands import HostState, InstanceChanged, MetadataQuestion
from hanok.commands.wire import (
    HEARTBEAT,
    INSTANCE,
    METADATA,
    decode_document,
    encode,
    from_host,
)
from tests.cloud import NEWEST, Client, Cloud, a_flavor, a_network, a_server, an_image, settle

SERVERS = "/compute/v2.1/servers"


async def test_what_a_host_says_of_anothers_guest_is_not_heeded(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    image, flavor, network = await an_image(admin), await a_flavor(admin), await a_network(admin)
    server_id = await a_server(admin, image, flavor, network)
    await settle(cloud)
    shown = (await admin.get(f"{SERVERS}/{server_id}"))["server"]
    [host, bus] = [shown["OS-EXT-SRV-ATTR:host"], cloud.control.bus]
    crash = InstanceChanged(
        host=host, server_id=server_id, generation=9, power="crashed", reason="It fell over."
    )
    await bus.publish(from_host(INSTANCE, "host-7"), encode(crash))
    for _ in range(20):
        await asyncio.sleep(0)
    assert (await admin.get(f"{SERVERS}/{server_id}"))["server"]["status"] == "ACTIVE"
    await bus.publish(from_host(INSTANCE, host), encode(crash))
    async with asyncio.timeout(60):
        while (await admin.get(f"{SERVERS}/{server_id}"))["server"]["status"] != "SHUTOFF":
            await asyncio.sleep(0.01)


async def test_a_host_is_told_of_its_own_guests_only(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    image, flavor, network = await an_image(admin), await a_flavor(admin), await a_network(admin)
    server_id = await a_server(admin, image, flavor, network)
    await settle(cloud)
    shown = (await admin.get(f"{SERVERS}/{server_id}"))["server"]
    address = shown["addresses"]["net"][0]["addr"]
    question = encode(MetadataQuestion(network_id=network, address=address))
    bus = cloud.control.bus
    for host, found in ((shown["OS-EXT-SRV-ATTR:host"], True), ("host-7", False)):
        answer = await bus.ask(from_host(METADATA, host), question, timeout_s=60)
        assert decode_document(answer).found is found


def _state(host: str, vcpus: int = 4) -> HostState:
    return HostState(
        host=host, address="192.0.2.1", vcpus=vcpus, memory_mib=4096, memory_free_mib=4096,
        disk_gib=100, disk_free_gib=100, accelerator="tcg", accelerator_reason="", qemu_version="7.2.0",
        cpu_model="qemu64",
    )  # fmt: skip


async def test_hosts_that_speak_at_once_are_all_heard(cloud: Cloud) -> None:
    """Also when one of them tells what no database keeps."""
    admin = await cloud.sign_in()
    names = [f"rack-{number:03}" for number in range(120)]
    mad = names[60]
    for name in names:
        told = _state(name, (1 << 63) + 1 if name == mad else 4)
        await cloud.control.bus.publish(from_host(HEARTBEAT, name), encode(told))
    requested = set(names) - {mad}
    async with asyncio.timeout(60):
        while not requested <= await _hypervisors(admin):
            await asyncio.sleep(0.05)
    assert mad not in await _hypervisors(admin)
    agents = (await admin.get("/network/v2.0/agents"))["agents"]
    for name in requested:
        assert len([one for one in agents if one["host"] == name]) == 2
    providers = (await admin.get("/placement/resource_providers"))["resource_providers"]
    assert requested <= {one["name"] for one in providers}


async def _hypervisors(admin: Client) -> set[str]:
    found = (await admin.get("/compute/v2.1/os-hypervisors"))["hypervisors"]
    return {one["hypervisor_hostname"] for one in found}


@pytest.mark.parametrize(
    ("power", "status", "action"),
    [("crashed", "SHUTOFF", "stop"), ("paused", "PAUSED", "pause"), ("running", "ACTIVE", "guest")],
)
async def test_what_happens_to_a_guest_is_in_the_record_of_its_server(
    cloud: Cloud, power: Any, status: str, action: str
) -> None:
    admin = await cloud.sign_in()
    image, flavor, network = await an_image(admin), await a_flavor(admin), await a_network(admin)
    server_id = await a_server(admin, image, flavor, network)
    await settle(cloud)
    host = (await admin.get(f"{SERVERS}/{server_id}"))["server"]["OS-EXT-SRV-ATTR:host"]
    event = InstanceChanged(
        host=host, server_id=server_id, generation=9, power=power, reason="It fell over."
    )
    await cloud.control.bus.publish(from_host(INSTANCE, host), encode(event))
    path = f"{SERVERS}/{server_id}"
    newest: dict[str, Any] = {}
    async with asyncio.timeout(60):
        while newest.get("message") is None:
            await asyncio.sleep(0.01)
            newest = (await admin.get(f"{path}/os-instance-actions"))["instanceActions"][0]
    assert (newest["action"], newest["message"]) == (action, "Error")
    assert (await admin.get(path))["server"]["status"] == status
    one = await admin.get(f"{path}/os-instance-actions/{newest['request_id']}", headers=NEWEST)
    assert one["instanceAction"]["events"][-1]["details"] == "It fell over."
