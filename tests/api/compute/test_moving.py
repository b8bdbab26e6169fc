"""A server has one host; while it moves, another one may have something of it too."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa

from hanok.base.errors import Conflict
from hanok.commands import (
    DescribeHost,
    Done,
    EnsureImage,
    EnsureInstance,
    HostInventory,
    HostState,
    InstanceState,
    ListInventory,
)
from hanok.commands.wire import HEARTBEAT, ask, encode, from_host, node_subject
from hanok.services.compute.logic import bindings, servers
from hanok.services.compute.reconcilers import Reconcilers
from hanok.services.compute.tables import servers as table
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
        await ask(cloud.control.bus, other, command, timeout_s=60)
    return admin, server_id, row.host, other


async def _guests(cloud: Cloud, host: str) -> list[str]:
    found = await ask(cloud.control.bus, host, ListInventory(), timeout_s=60)
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
        assert await bindings.other_hosts(tx, server_id) == []
        await bindings.expect(tx, server_id, host)


def _inventory(host: str, server_id: str) -> bytes:
    crashed = InstanceState(server_id=server_id, generation=10**6, power="crashed")
    return encode(HostInventory(host=host, instances=(crashed,)))


@pytest.mark.parametrize("answer", ["of another", "garbage", "cut", "another kind"])
async def test_a_host_that_answers_nonsense_harms_no_others(tmp_path: Path, answer: str) -> None:
    """It is asked before host-1, whose guest is told all the same."""
    async with running(tmp_path) as cloud:
        admin = await cloud.sign_in()
        server_id = await a_server(admin, await an_image(admin), await a_flavor(admin))
        await settle(cloud)
        whole = _inventory("host-1", server_id)
        said = {
            "of another": whole,
            "garbage": b"\xff\x00\x80",
            "cut": whole[:-3],
            "another kind": encode(Done()),
        }[answer]

        async def receive(_subject: str, _payload: bytes) -> bytes:
            return said

        bus = cloud.control.bus
        await bus.listen(node_subject("a-liar"), receive)
        told = await ask(bus, "host-1", DescribeHost(), timeout_s=60)
        assert isinstance(told, HostState)
        liar = msgspec.structs.replace(told, host="a-liar")
        await bus.publish(from_host(HEARTBEAT, "a-liar"), encode(liar))
        async with asyncio.timeout(60):
            while len((await admin.get(f"{V2}/os-hypervisors"))["hypervisors"]) < 2:
                await asyncio.sleep(0.01)
        async with cloud.control.database.write() as tx:  # long enough ago to be compared
            before = cloud.control.clock.now() - timedelta(minutes=1)
            values = {"updated_at": before, "power_state": 0}
            await tx.execute(table.update().where(table.c.id == server_id).values(**values))
        await Reconcilers(cloud.compute, "hanok").compare()
        shown = (await admin.get(f"{V2}/servers/{server_id}"))["server"]
        assert (shown["status"], shown["OS-EXT-STS:power_state"]) == ("ACTIVE", 1)
        found = (await admin.get("/hanok/v1/inventory"))["differences"]
        assert all("a-liar" in one["detail"] for one in found)


async def test_why_a_guest_stands_still_is_told_though_the_event_was_lost(tmp_path: Path) -> None:
    async with running(tmp_path) as cloud:
        admin = await cloud.sign_in()
        server_id = await a_server(admin, await an_image(admin), await a_flavor(admin))
        await settle(cloud)
        why = "A disk could not be written or read: there is no room left on the host."
        paused = InstanceState(server_id=server_id, generation=1, power="paused", reason=why)

        async def receive(_subject: str, _payload: bytes) -> bytes:
            return encode(HostInventory(host="full", instances=(paused,)))

        bus = cloud.control.bus
        await bus.listen(node_subject("full"), receive)
        told = await ask(bus, "host-1", DescribeHost(), timeout_s=60)
        assert isinstance(told, HostState)
        full = encode(msgspec.structs.replace(told, host="full"))
        await bus.publish(from_host(HEARTBEAT, "full"), full)
        async with asyncio.timeout(60):
            while len((await admin.get(f"{V2}/os-hypervisors"))["hypervisors"]) < 2:
                await asyncio.sleep(0.01)
        async with cloud.control.database.write() as tx:
            before = cloud.control.clock.now() - timedelta(minutes=1)
            values = {"updated_at": before, "host": "full"}
            await tx.execute(table.update().where(table.c.id == server_id).values(**values))
        await Reconcilers(cloud.compute, "hanok").compare()
        shown = (await admin.get(f"{V2}/servers/{server_id}"))["server"]
        assert shown["status"] == "PAUSED"
        async with cloud.control.database.read() as tx:
            row = await tx.first(sa.select(table).where(table.c.id == server_id))
        assert row is not None and why in str(row.fault)
