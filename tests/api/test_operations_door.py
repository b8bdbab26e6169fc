"""The operator's door to operations: what is under way, what is stuck, and what can be done with it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from hanok import operations
from hanok.base import failpoints
from hanok.operations.tables import operations as table
from tests.cloud import NEWEST, Client, Cloud, a_flavor, a_server, an_image, settle

UNDO = "compute.create_server.StartGuest.before_undo"
DO = "compute.create_server.StartGuest.after_do"
DOOR = "/hanok/v1/operations"


async def _stuck_create(cloud: Cloud, admin: Client) -> str:
    """A server whose create has failed and cannot be undone."""
    image, flavor = await an_image(admin), await a_flavor(admin)
    failpoints.arm(DO, "raise", 1)
    failpoints.arm(UNDO, "raise")
    server_id = await a_server(admin, image, flavor)
    await settle(cloud)
    for _ in range(2):
        async with cloud.control.database.write() as tx:
            await tx.execute(table.update().values(not_before=None))
        cloud.control.worker.wake()
        await settle(cloud)
    return server_id


async def _differences(admin: Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await admin.get("/hanok/v1/inventory"))["differences"]
    return found


async def test_what_is_stuck_shows_on_the_server_to_doctor_and_in_the_list(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    try:
        server_id = await _stuck_create(cloud, admin)
        server = (await admin.get(f"/compute/v2.1/servers/{server_id}", headers=NEWEST))["server"]
        assert server["status"] == "ERROR" and server["OS-EXT-STS:task_state"] == "spawning"
        assert "Undoing the step 'start guest' has failed 3 times" in server["fault"]["message"]
        [one] = (await admin.get(DOOR))["operations"]
        assert (one["resource"], one["state"]) == (f"server:{server_id}", "undoing")
        assert one["step"] == "start_guest" and one["stuck_since"]
        [difference] = [one for one in await _differences(admin) if one["what"] == "stuck"]
        assert f"hanok operations abandon {one['id']}" in difference["detail"]

        failpoints.disarm(UNDO)
        await admin("POST", f"{DOOR}/{one['id']}/retry", status=204)
        await settle(cloud)
        assert (await admin.get(DOOR))["operations"] == []
        assert await _differences(admin) == []
        await admin("DELETE", f"/compute/v2.1/servers/{server_id}", status=204)
        await settle(cloud)
        assert await _differences(admin) == []
    finally:
        failpoints.disarm()


async def test_what_is_stuck_can_be_ended_and_doctor_finds_what_it_left(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    try:
        server_id = await _stuck_create(cloud, admin)
        [one] = (await admin.get(DOOR))["operations"]
        await admin("POST", f"{DOOR}/{one['id']}/abandon", status=204)
        assert (await admin.get(DOOR))["operations"] == []
        await admin("POST", f"{DOOR}/{one['id']}/abandon", status=409)
        failpoints.disarm()
        await admin("DELETE", f"/compute/v2.1/servers/{server_id}", status=204)
        await settle(cloud)
        assert await _differences(admin) == []
    finally:
        failpoints.disarm()


async def test_the_door_is_for_administrators_and_what_is_not_there_is_not_found(
    cloud: Cloud,
) -> None:
    member = await cloud.project_with("p", "member")
    await member("GET", DOOR, status=403)
    admin = await cloud.sign_in()
    await admin("POST", f"{DOOR}/nothing/retry", status=404)
    await admin("POST", f"{DOOR}/nothing/abandon", status=409)


async def _being_copied(admin: Client) -> str:
    """A server whose image is being copied, for as long as the failpoint is armed."""
    image, flavor = await an_image(admin), await a_flavor(admin)
    failpoints.arm("command.EnsureImage.send", "hang")
    server_id = await a_server(admin, image, flavor)
    while not failpoints.waiting("command.EnsureImage.send"):
        await asyncio.sleep(0.005)
    return server_id


async def test_a_server_deleted_during_a_long_copy_frees_its_host_at_once(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    try:
        server_id = await _being_copied(admin)
        await admin("DELETE", f"/compute/v2.1/servers/{server_id}", status=204)
        await settle(cloud)
        await admin("GET", f"/compute/v2.1/servers/{server_id}", status=404)
        assert await _differences(admin) == []
        async with cloud.control.database.read() as tx:
            kinds = {
                one.kind: one.state
                for one in await operations.records_of(tx, f"server:{server_id}")
            }
        assert kinds == {"compute.create_server": "cancelled", "compute.delete_server": "done"}
    finally:
        failpoints.disarm()


async def test_a_server_whose_work_is_past_its_deadline_says_so(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    try:
        server_id = await _being_copied(admin)
        past = cloud.control.clock.now() - timedelta(hours=2)
        async with cloud.control.database.write() as tx:
            await tx.execute(table.update().values(deadline_at=past))
        assert await cloud.control.worker.find_stuck() == 1
        server = (await admin.get(f"/compute/v2.1/servers/{server_id}", headers=NEWEST))["server"]
        assert "has not ended" in server["fault"]["message"]
        async with cloud.control.database.read() as tx:
            assert await tx.scalar(sa.select(table.c.stuck_since)) is not None
        await admin("DELETE", f"/compute/v2.1/servers/{server_id}", status=204)
        await settle(cloud)
    finally:
        failpoints.disarm()
