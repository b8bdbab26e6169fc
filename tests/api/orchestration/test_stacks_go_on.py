"""A process ends between two lines of a stack's work; the next one goes on, and nothing is there twice or left over."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from hanok.base import failpoints
from tests.api.orchestration.stackery import STACKS, Stackery, random, standing, template
from tests.cloud import running

NET = {"type": "OS::Neutron::Net", "properties": {"name": "mine"}}
RESOURCES = {
    "n": NET,
    "s": {
        "type": "OS::Neutron::Subnet",
        "properties": {"network": {"get_resource": "n"}, "cidr": "10.0.0.0/24"},
    },
    "a": random(),
}


async def _reached(point: str) -> None:
    """Wait until something hangs at a failpoint."""
    async with asyncio.timeout(30):
        while not failpoints.waiting(point):
            await asyncio.sleep(0.02)


async def _mine(ground: Stackery) -> list[str]:
    found = (await ground.user.get("/network/v2.0/networks?name=mine"))["networks"]
    return [one["id"] for one in found]


@pytest.mark.parametrize("point", ["orchestration.create", "orchestration.begun"])
async def test_what_was_being_made_is_made_once(tmp_path: Path, point: str) -> None:
    failpoints.arm(point, "hang", 1)
    async with standing(tmp_path) as ground:
        body = {"stack_name": "s", "template": template(RESOURCES)}
        stack_id = (await ground.user.post(STACKS, body))["stack"]["id"]
        await _reached(point)
    failpoints.disarm()
    async with running(tmp_path) as cloud:
        ground = Stackery(cloud, await cloud.sign_in("p", project="p"))
        path = f"{STACKS}/s/{stack_id}"
        assert (await ground.ended(path))["stack_status"] == "CREATE_COMPLETE"
        network = (await ground.resources(path))["n"]["physical_resource_id"]
        assert await _mine(ground) == [network]
        await ground.delete(path)
        assert await _mine(ground) == []


async def test_what_was_being_removed_is_removed(tmp_path: Path) -> None:
    async with standing(tmp_path) as ground:
        path = await ground.stack(RESOURCES)
        failpoints.arm("orchestration.begun", "hang", 1)
        await ground.user("DELETE", path, status=204)
        await _reached("orchestration.begun")
    failpoints.disarm()
    async with running(tmp_path) as cloud:
        ground = Stackery(cloud, await cloud.sign_in("p", project="p"))
        assert (await ground.ended(path))["stack_status"] == "DELETE_COMPLETE"
        assert await _mine(ground) == []


async def test_a_stack_that_broke_is_mended_by_an_update_and_leaves_nothing(tmp_path: Path) -> None:
    async with standing(tmp_path) as ground:
        with failpoints.armed("orchestration.begun", "raise", 1):
            body = {"stack_name": "s", "template": template(RESOURCES)}
            stack_id = (await ground.user.post(STACKS, body))["stack"]["id"]
            path = f"{STACKS}/s/{stack_id}"
            assert (await ground.ended(path))["stack_status"] == "CREATE_FAILED"
        await ground.update(path, RESOURCES)
        assert len(await _mine(ground)) == 1
        await ground.delete(path)
        assert await _mine(ground) == []


async def test_rights_that_are_gone_stop_a_stack(tmp_path: Path) -> None:
    async with standing(tmp_path) as ground:
        waiting = {"t": {"type": "OS::Heat::TestResource", "properties": {"wait_secs": 2}},
                   "n": {**NET, "depends_on": "t"}}  # fmt: skip
        body = {"stack_name": "s", "template": template(waiting)}
        stack_id = (await ground.user.post(STACKS, body))["stack"]["id"]
        admin = await ground.cloud.sign_in()
        roles = {one["name"]: one["id"] for one in (await admin.get("/v3/roles"))["roles"]}
        grant = f"/v3/projects/{ground.user.project_id}/users/{ground.user.user_id}/roles"
        await admin("DELETE", f"{grant}/{roles['member']}", status=204)
        await admin("PUT", f"{grant}/{roles['reader']}", status=204)
        ground.user = await ground.cloud.sign_in("p", project="p")
        stack = await ground.ended(f"{STACKS}/s/{stack_id}")
        assert stack["stack_status"] == "CREATE_FAILED"
        assert await _mine(ground) == []
