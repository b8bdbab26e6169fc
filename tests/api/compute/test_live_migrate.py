"""A server goes to another host while it runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hanok.base import failpoints
from hanok.node.simulated import Shape
from tests.api.compute.ground import SERVERS, Ground, at, standing
from tests.cloud import NEWEST, settle

HOST = "OS-EXT-SRV-ATTR:host"
SLOW = Shape(move_s=60.0)
ANYWHERE = {"host": None, "block_migration": "auto"}


@pytest.fixture
async def ground(tmp_path: Path, database_url: str) -> AsyncIterator[Ground]:
    async with standing(tmp_path, hosts=3, database=database_url) as ground:
        yield ground


@pytest.fixture
async def slow(tmp_path: Path, database_url: str) -> AsyncIterator[Ground]:
    """Where a move takes a minute."""
    shapes = {"host-1": SLOW, "host-2": SLOW}
    async with standing(tmp_path, hosts=2, database=database_url, shapes=shapes) as ground:
        yield ground


async def move(ground: Ground, server_id: str, value: Any = None, **more: Any) -> Any:
    value = ANYWHERE if value is None else value
    return await ground.act(server_id, "os-migrateLive", value, client=ground.admin, **more)


async def record(ground: Ground, server_id: str) -> Any:
    path = f"/compute/v2.1/os-migrations?instance_uuid={server_id}"
    return (await ground.admin.get(path, headers=NEWEST))["migrations"][0]


async def going_on(ground: Ground, server_id: str) -> Any:
    """The migration that goes on, once it is under way."""
    async with asyncio.timeout(60):
        while True:
            path = f"{SERVERS}/{server_id}/migrations"
            found = (await ground.admin.get(path, headers=NEWEST))["migrations"]
            if found and found[0]["status"] == "running":
                return found[0]
            await asyncio.sleep(0.02)


async def assert_as_it_was(ground: Ground, server_id: str, before: Any) -> None:
    after = await ground.show(server_id)
    assert (after["status"], after[HOST]) == (before["status"], before[HOST])
    assert after["OS-EXT-STS:task_state"] is None
    await ground.assert_clean()
    usages = {name: amount for name, amount in (await ground.usages()).items() if amount}
    assert usages == {"VCPU": 1, "MEMORY_MB": 64, "DISK_GB": 1}
    ports = (await ground.admin.get(f"/network/v2.0/ports?device_id={server_id}"))["ports"]
    assert [one["binding:host_id"] for one in ports] == [before[HOST]]
    for port in ports:
        bound = await ground.admin.get(f"/network/v2.0/ports/{port['id']}/bindings")
        assert [one["host"] for one in bound["bindings"]] == [before[HOST]]


@pytest.mark.parametrize("paused", [False, True])
async def test_it_is_on_the_other_host_as_it_stood(ground: Ground, paused: bool) -> None:
    server_id = await ground.server()
    if paused:
        await ground.act(server_id, "pause")
    before = await ground.show(server_id)
    await move(ground, server_id)
    after = await ground.show(server_id)
    assert after[HOST] != before[HOST]
    assert after["addresses"] == before["addresses"]
    assert after["OS-EXT-STS:power_state"] == (3 if paused else 1)
    assert await ground.guests(after[HOST]) == {server_id: "paused" if paused else "running"}
    assert server_id not in await ground.guests(before[HOST])
    one = await record(ground, server_id)
    assert (one["migration_type"], one["status"]) == ("live-migration", "completed")
    assert (one["source_compute"], one["dest_compute"]) == (before[HOST], after[HOST])
    assert (await ground.actions(server_id))[0] == ("live-migration", None)
    await assert_as_it_was(ground, server_id, {**after, "status": "PAUSED" if paused else "ACTIVE"})
    await ground.delete(server_id)
    await ground.assert_nothing_left()


async def test_what_may_be_asked_for(ground: Ground) -> None:
    server_id = await ground.server()
    here = (await ground.show(server_id))[HOST]
    to = next(name for name in ("host-1", "host-2", "host-3") if name != here)
    for body, words in (
        ({"host": here, "block_migration": "auto"}, "to current host"),
        ({"host": "host-9", "block_migration": "auto"}, "host-9 could not be found"),
        ({"host": None, "block_migration": False}, "not on shared storage"),
        ({"host": None}, "block_migration"),
        ({"block_migration": "auto"}, "host"),
        ({**ANYWHERE, "disk_over_commit": False}, "disk_over_commit"),
        ({**ANYWHERE, "force": True}, "force"),
        ({"host": None, "block_migration": "perhaps"}, "block_migration"),
    ):
        refused = await move(ground, server_id, body, status=400)
        assert words in refused.text, refused.text
    older = {"host": to, "block_migration": True, "disk_over_commit": False}
    refused = await move(
        ground, server_id, {**older, "block_migration": "auto"}, minor=24, status=400
    )
    assert "block_migration" in refused.text
    await move(ground, server_id, {**ANYWHERE, "force": True}, minor=67, status=400)
    await ground.ask(server_id, "os-migrateLive", ANYWHERE, status=403)
    await ground.act(server_id, "os-stop")
    refused = await move(ground, server_id, status=409)
    assert "while it is in vm_state stopped" in refused.text
    await ground.act(server_id, "os-start")
    await move(ground, server_id, older, minor=1)
    assert (await ground.show(server_id))[HOST] == to


async def test_it_is_called_off(slow: Ground) -> None:
    server_id = await slow.server()
    before = await slow.show(server_id)
    await slow.ask(server_id, "os-migrateLive", ANYWHERE, client=slow.admin)
    one = await going_on(slow, server_id)
    shown = await slow.show(server_id)
    assert (shown["status"], shown["OS-EXT-STS:task_state"]) == ("MIGRATING", "migrating")
    path = f"{SERVERS}/{server_id}/migrations/{one['id']}"
    found = (await slow.admin.get(path, headers=NEWEST))["migration"]
    assert found["memory_total_bytes"] in (None, 64 << 20)
    await slow.user("DELETE", path, headers=NEWEST, status=403)
    await slow.admin("DELETE", path, headers=NEWEST, status=202)
    await settle(slow.cloud)
    await assert_as_it_was(slow, server_id, before)
    assert (await record(slow, server_id))["status"] == "cancelled"
    await slow.admin("DELETE", path, headers=NEWEST, status=404)


async def test_it_is_called_off_before_it_moves(slow: Ground) -> None:
    server_id = await slow.server()
    before = await slow.show(server_id)
    place = "compute.live_migrate_server.AwaitGuest.before_do"
    failpoints.arm(place, "hang")
    await slow.ask(server_id, "os-migrateLive", ANYWHERE, client=slow.admin)
    async with asyncio.timeout(60):
        while not failpoints.waiting(place):
            await asyncio.sleep(0.02)
    path = f"{SERVERS}/{server_id}/migrations"
    (one,) = (await slow.admin.get(path, headers=NEWEST))["migrations"]
    assert one["status"] == "preparing"
    early = await slow.admin("DELETE", f"{path}/{one['id']}", headers=at(64), status=409)
    assert "not yet supported" in early.text
    force = {"force_complete": None}
    await slow.admin("POST", f"{path}/{one['id']}/action", force, headers=NEWEST, status=400)
    await slow.admin("DELETE", f"{path}/{one['id']}", headers=NEWEST, status=202)
    await settle(slow.cloud)
    await assert_as_it_was(slow, server_id, before)
    assert (await record(slow, server_id))["status"] == "cancelled"


async def test_it_is_made_to_end(slow: Ground) -> None:
    server_id = await slow.server()
    before = await slow.show(server_id)
    await slow.ask(server_id, "os-migrateLive", ANYWHERE, client=slow.admin)
    one = await going_on(slow, server_id)
    path = f"{SERVERS}/{server_id}/migrations/{one['id']}/action"
    await slow.admin("POST", path, {"force_complete": None}, headers=NEWEST, status=202)
    await settle(slow.cloud)
    assert (await slow.show(server_id))[HOST] != before[HOST]
    assert (await record(slow, server_id))["status"] == "completed"
    await slow.admin("POST", path, {"force_complete": None}, headers=NEWEST, status=404)


async def test_it_is_deleted_on_its_way(slow: Ground) -> None:
    server_id = await slow.server()
    await slow.ask(server_id, "os-migrateLive", ANYWHERE, client=slow.admin)
    await going_on(slow, server_id)
    await slow.delete(server_id)
    assert await slow.status(server_id) == "gone"
    await slow.assert_nothing_left()


async def test_one_of_the_hosts_goes_silent(slow: Ground) -> None:
    """Where it was going to: it stays; it was not there yet."""
    server_id = await slow.server()
    before = await slow.show(server_id)
    await slow.ask(server_id, "os-migrateLive", ANYWHERE, client=slow.admin)
    await going_on(slow, server_id)
    (other,) = {"host-1", "host-2"} - {before[HOST]}
    gone = slow.cloud.nodes[other]
    await gone.leave()
    shown = (await record(slow, server_id))["id"]
    path = f"{SERVERS}/{server_id}/migrations/{shown}"
    await slow.admin("DELETE", path, headers=at(104), status=202)
    await settle(slow.cloud)
    after = await slow.show(server_id)
    assert (after["status"], after[HOST]) == ("ACTIVE", before[HOST])
    await gone.listen(slow.cloud.control.bus)
    await slow.cloud.control.debts.pay()
    await assert_as_it_was(slow, server_id, before)


async def test_no_host_takes_it(tmp_path: Path) -> None:
    async with standing(tmp_path, hosts=1) as ground:
        server_id = await ground.server()
        before = await ground.show(server_id)
        await move(ground, server_id)
        await assert_as_it_was(ground, server_id, before)
        assert (await record(ground, server_id))["status"] == "error"
        assert (await ground.actions(server_id))[0] == ("live-migration", "Error")
