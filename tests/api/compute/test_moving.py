"""A server has one host; while it moves, another one may have something of it too."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hanok.base.errors import Conflict
from hanok.commands import (
    EnsureImage,
    EnsureInstance,
    HostInventory,
    ListInventory,
)
from hanok.commands.wire import ask
from hanok.services.compute.logic import bindings, servers
from tests.cloud import Client, Cloud, a_flavor, a_server, an_image, running, settle

V2 = "/compute/v2.1"


@pytest.fixture
async def two_hosts(tmp_path: Path) -> AsyncIterator[Cloud]:
    async with running(tmp_path, hosts=2) as cloud:
        yield cloud


async def _moving(cloud: Cloud) -> tuple[Client, str, str, str]:
    """A server that runs, its host, and another host to which it is on the way, with a guest of it there."""
    admin = await cloud.sign_in()
    server_id = await a_server(admin, await an_image(admin), await a_flavor(admin))
    await settle(cloud)
    database = cloud.control.database
    async with database.write() as tx:
        row = await servers.get_any(tx, server_id)
        assert row is not None
        other = "host-2" if row.host == "host-1" else "host-1"
        await bindings.expect(tx, server_id, other)
        image = await admin.get(f"/image/v2/images/{row.image_id}")
    take = EnsureImage(
        image_id=row.image_id,
        disk_format="qcow2",
        size_bytes=image["size"],
        hash_value=image["os_hash_value"],
    )
    guest = EnsureInstance(
        server_id=server_id, generation=row.generation, name="vm", hostname="vm", project_id="p",
        user_id="u", vcpus=1, memory_mib=64, disk_gib=1, image_id=row.image_id, image_format="qcow2",
    )  # fmt: skip
    for command in (take, guest):
        await ask(cloud.control.bus, other, command, timeout_s=10)
    return admin, server_id, row.host, other


async def _guests(cloud: Cloud, host: str) -> list[str]:
    found = await ask(cloud.control.bus, host, ListInventory(), timeout_s=10)
    assert isinstance(found, HostInventory)
    return [one.server_id for one in found.instances]


async def test_a_guest_on_the_way_is_no_stray_and_goes_with_its_server(
    two_hosts: Cloud,
) -> None:
    cloud = two_hosts
    admin, server_id, host, other = await _moving(cloud)
    assert (await admin.get("/hanok/v1/inventory"))["differences"] == []
    shown = (await admin.get(f"{V2}/servers/{server_id}"))["server"]
    assert shown["OS-EXT-SRV-ATTR:host"] == host

    async with cloud.control.database.write() as tx:
        await bindings.arrive(tx, server_id, other, cloud.control.clock.now())
    shown = (await admin.get(f"{V2}/servers/{server_id}"))["server"]
    assert shown["OS-EXT-SRV-ATTR:host"] == other
    assert (await admin.get("/hanok/v1/inventory"))["differences"] == []
    assert [await _guests(cloud, one) for one in (host, other)] == [[server_id], [server_id]]

    await admin("DELETE", f"{V2}/servers/{server_id}", status=204)
    await settle(cloud)
    assert [await _guests(cloud, one) for one in (host, other)] == [[], []]
    assert (await admin.get("/hanok/v1/inventory"))["differences"] == []


async def test_a_server_moves_to_one_host_at_a_time_and_arrives_where_it_is_expected(
    two_hosts: Cloud,
) -> None:
    cloud = two_hosts
    _, server_id, host, other = await _moving(cloud)
    now = cloud.control.clock.now()
    for wrong in (host, other, "host-3"):
        with pytest.raises(Conflict):
            async with cloud.control.database.write() as tx:
                await bindings.expect(tx, server_id, wrong)
    with pytest.raises(Conflict):
        async with cloud.control.database.write() as tx:
            await bindings.arrive(tx, server_id, "host-3", now)
    async with cloud.control.database.write() as tx:
        await bindings.arrive(tx, server_id, other, now)
    with pytest.raises(Conflict):  # it has left something there
        async with cloud.control.database.write() as tx:
            await bindings.expect(tx, server_id, host)
    async with cloud.control.database.write() as tx:
        await bindings.leave(tx, server_id, host)
        assert await bindings.elsewhere(tx, server_id) == []
        await bindings.expect(tx, server_id, host)
