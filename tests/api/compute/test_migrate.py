"""A server goes to another host with the flavor that it has."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hanok.node.simulated import Shape
from tests.api.compute.ground import SERVERS, Ground, at, standing
from tests.cloud import NEWEST, PASSWORD, Client

HOST = "OS-EXT-SRV-ATTR:host"
PINNED = {"hw:cpu_policy": "dedicated", "hw:numa_nodes": "1"}
HARDWARE = Shape(vcpus=8, memory_mib=4096, numa_cells=2, dedicated_cpus=1, ratios={"VCPU": 2.0})


@pytest.fixture
async def ground(tmp_path: Path, database_url: str) -> AsyncIterator[Ground]:
    async with standing(tmp_path, hosts=3, database=database_url) as ground:
        yield ground


async def migrate(ground: Ground, server_id: str, value: Any = None, **more: Any) -> Any:
    return await ground.act(server_id, "migrate", value, client=ground.admin, **more)


async def record(ground: Ground, server_id: str) -> Any:
    path = f"/compute/v2.1/os-migrations?instance_uuid={server_id}"
    return (await ground.admin.get(path, headers=NEWEST))["migrations"][0]


@pytest.mark.parametrize("stopped", [False, True])
@pytest.mark.parametrize("end", ["confirmResize", "revertResize"])
async def test_it_waits_on_the_other_host(ground: Ground, end: str, stopped: bool) -> None:
    server_id = await ground.server()
    if stopped:
        await ground.act(server_id, "os-stop")
    before = await ground.show(server_id)
    await migrate(ground, server_id)
    moved = await ground.show(server_id)
    assert moved["status"] == "VERIFY_RESIZE"
    assert moved[HOST] != before[HOST]
    assert server_id in await ground.guests(moved[HOST])
    assert moved["flavor"] == before["flavor"]
    one = await record(ground, server_id)
    assert (one["migration_type"], one["status"]) == ("migration", "finished")
    assert (one["source_compute"], one["dest_compute"]) == (before[HOST], moved[HOST])
    assert one["old_instance_type_id"] == one["new_instance_type_id"]
    assert (await ground.actions(server_id))[0] == ("migrate", None)

    await ground.act(server_id, end, status=204 if end == "confirmResize" else 202)
    after = await ground.show(server_id)
    assert after["status"] == ("SHUTOFF" if stopped else "ACTIVE")
    assert after[HOST] == (moved if end == "confirmResize" else before)[HOST]
    await ground.assert_clean()
    usages = {name: amount for name, amount in (await ground.usages()).items() if amount}
    assert usages == {"VCPU": 1, "MEMORY_MB": 64, "DISK_GB": 1}
    await ground.delete(server_id)
    await ground.assert_nothing_left()


async def test_an_administrator_says_where_to(ground: Ground) -> None:
    server_id = await ground.server()
    here = (await ground.show(server_id))[HOST]
    to = next(name for name in ("host-1", "host-2", "host-3") if name != here)
    same = await migrate(ground, server_id, {"host": here}, status=400)
    assert "Cannot migrate to the host where the server exists." in same.text
    other = await migrate(ground, server_id, {"host": "host-9"}, status=400)
    assert "Compute host host-9 could not be found." in other.text
    await migrate(ground, server_id, {"host": to}, minor=55, status=400)
    await migrate(ground, server_id, {"host": to, "force": True}, status=400)
    await migrate(ground, server_id, {"host": to})
    assert (await ground.show(server_id))[HOST] == to


async def test_one_that_is_pinned_gets_processors_there(tmp_path: Path) -> None:
    shapes = {"host-1": HARDWARE, "host-2": HARDWARE}
    async with standing(tmp_path, hosts=2, shapes=shapes) as ground:
        path = f"/compute/v2.1/flavors/{ground.flavor}/os-extra_specs"
        await ground.admin.post(path, {"extra_specs": PINNED}, 200)
        server_id = await ground.server()
        for end in ("revertResize", "confirmResize"):
            await migrate(ground, server_id)
            assert await ground.status(server_id) == "VERIFY_RESIZE"
            await ground.act(server_id, end, status=204 if end == "confirmResize" else 202)
            assert await ground.status(server_id) == "ACTIVE"
            await ground.assert_clean()


async def a_manager(ground: Ground) -> Client:
    """Of the project."""
    admin, project = ground.admin, ground.user.project_id
    body = {"user": {"name": "m", "password": PASSWORD}}
    user = (await admin.post("/v3/users", body))["user"]
    (role,) = (await admin.get("/v3/roles?name=manager"))["roles"]
    path = f"/v3/projects/{project}/users/{user['id']}/roles/{role['id']}"
    await admin("PUT", path, status=204)
    return await ground.cloud.sign_in("m", project="p")


async def test_who_may(ground: Ground) -> None:
    server_id = await ground.server()
    await ground.ask(server_id, "migrate", status=403)
    manager = await a_manager(ground)
    await ground.ask(server_id, "migrate", {"host": "host-2"}, status=403, client=manager)
    await ground.act(server_id, "lock")
    await ground.ask(server_id, "migrate", status=409, client=manager)
    await ground.act(server_id, "unlock")
    await ground.act(server_id, "migrate", client=manager)
    assert await ground.status(server_id) == "VERIFY_RESIZE"
    again = await migrate(ground, server_id, status=409)
    assert "while it is in vm_state resized" in again.text
    nobody = f"{SERVERS}/7c6b7a38-d65c-4a1e-a9a0-ad9cbb2a4a11/action"
    await ground.admin("POST", nobody, {"migrate": None}, headers=at(1), status=404)


async def test_where_there_is_no_other_host_it_says_so(tmp_path: Path) -> None:
    async with standing(tmp_path, hosts=1) as ground:
        server_id = await ground.server()
        await migrate(ground, server_id)
        shown = await ground.show(server_id)
        assert (shown["status"], shown["OS-EXT-STS:task_state"]) == ("ACTIVE", None)
        assert (await ground.actions(server_id))[0] == ("migrate", "Error")
        path = f"{SERVERS}/{server_id}/os-instance-actions"
        newest = (await ground.admin.get(path, headers=NEWEST))["instanceActions"][0]
        told = await ground.admin.get(f"{path}/{newest['request_id']}", headers=NEWEST)
        why = "No valid host was found. 1 host; 1 has the server already."
        assert any(why in (one["details"] or "") for one in told["instanceAction"]["events"])
        assert (await record(ground, server_id))["status"] == "error"
        await ground.assert_clean()
