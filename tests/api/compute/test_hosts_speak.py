"""A host is heard only of itself, and told only of its own guests."""

from __future__ import annotations

import asyncio

from hanok.commands import InstanceChanged, MetadataQuestion
from hanok.commands.wire import INSTANCE, METADATA, decode_document, encode, from_host
from tests.cloud import Cloud, a_flavor, a_network, a_server, an_image, settle

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
    async with asyncio.timeout(20):
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
        answer = await bus.ask(from_host(METADATA, host), question, timeout_s=5)
        assert decode_document(answer).found is found
