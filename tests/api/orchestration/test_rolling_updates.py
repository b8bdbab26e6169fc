"""Members of groups are made and changed some at a time, where a template says so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.orchestration.stackery import STACKS, Stackery, standing, template


@pytest.fixture
async def stackery(tmp_path: Path, database_url: str) -> AsyncIterator[Stackery]:
    async with standing(tmp_path, database=database_url) as ground:
        yield ground


def member(value: str, **more: Any) -> dict[str, Any]:
    return {"type": "OS::Heat::TestResource", "properties": {"value": value, **more}}


def group(value: str, count: int = 3, **policy: Any) -> dict[str, Any]:
    properties = {"count": count, "resource_def": member(value)}
    return {
        "g": {"type": "OS::Heat::ResourceGroup", "properties": properties, "update_policy": policy}
    }


async def changes(stackery: Stackery, path: str) -> list[list[str]]:
    """What was changed together within a group, in order: names of members."""
    nested = (await stackery.resources(path))["g"]["physical_resource_id"]
    moved = await stackery.user("GET", f"{STACKS}/{nested}", status=302)
    inner = STACKS + moved.headers["location"].partition("/stacks")[2]
    events = (await stackery.user.get(f"{inner}/events?sort_dir=asc"))["events"]
    steps: list[list[str]] = []
    for one in events:
        if one["resource_status"] in ("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS"):
            if one.get("physical_resource_id") == nested:
                steps.append([])
            else:
                steps[-1].append(one["resource_name"])
    return [sorted(one) for one in steps]


async def test_a_group_is_made_and_changed_in_batches(stackery: Stackery) -> None:
    policy = {
        "batch_create": {"max_batch_size": 2},
        "rolling_update": {"max_batch_size": 1, "min_in_service": 3},
    }
    path = await stackery.stack(group("a", 3, **policy))
    assert await changes(stackery, path) == [["0", "1"], ["2"]]
    await stackery.update(path, group("b", 3, **policy))
    after = (await changes(stackery, path))[2:]
    assert after == [["3"], ["0"], ["1"], ["2"], []]  # one more is there meanwhile
    assert len(await stackery.resources(path, "?nested_depth=1")) == 4


async def test_scaling_groups_roll_and_a_failure_stops_them(stackery: Stackery) -> None:
    def scaled(value: str, **more: Any) -> dict[str, Any]:
        rolling = {"max_batch_size": 1, "min_in_service": 0, "pause_time": 0.1}
        properties = {"min_size": 2, "max_size": 4, "resource": member(value, **more)}
        properties["rolling_updates"] = rolling
        return {"g": {"type": "OS::Heat::AutoScalingGroup", "properties": properties}}

    path = await stackery.stack(scaled("a"))
    await stackery.update(path, scaled("b"))
    assert [len(one) for one in await changes(stackery, path)] == [2, 1, 1]
    await stackery.update(path, scaled("c", fail=True), "UPDATE_FAILED")
    assert [len(one) for one in await changes(stackery, path)] == [2, 1, 1, 1]
    await stackery.update(path, scaled("d"))


async def test_policies_are_read_before_anything_is_made(stackery: Stackery) -> None:
    assert "Unknown Property" in await stackery.refused(group("a", rolling={}))
    said = await stackery.refused(group("a", rolling_update={"max_batch_size": 0}))
    assert "range" in said
    for pause in (-1, 1e300):
        said = await stackery.refused(group("a", rolling_update={"pause_time": pause}))
        assert "range" in said
    late = group("a", 3, batch_create={"max_batch_size": 1, "pause_time": 400})
    body = {"stack_name": "late", "template": template(late), "timeout_mins": 10}
    made = (await stackery.user.post(STACKS, body))["stack"]
    async with asyncio.timeout(60):
        stack = await stackery.ended(f"{STACKS}/late/{made['id']}")
    assert "timeout" in stack["stack_status_reason"]


async def test_a_later_change_does_not_wait_for_the_pauses_of_one_before(
    stackery: Stackery,
) -> None:
    pauses = {"rolling_update": {"max_batch_size": 1, "pause_time": 600}}
    path = await stackery.stack(group("a", 3, **pauses))

    async def first_step() -> None:
        before = len(await changes(stackery, path))
        await stackery.user("PUT", path, {"template": template(group("b", 3, **pauses))})
        async with asyncio.timeout(30):
            while (await changes(stackery, path))[before:] != [["0"]]:
                await asyncio.sleep(0.02)

    await first_step()
    assert await stackery.act(path, "cancel_update") == "ROLLBACK_COMPLETE"
    assert (await changes(stackery, path))[1:] == [["0"], ["0"]]
    await first_step()
    await stackery.update(path, group("b"))  # the same, without pauses
    assert (await changes(stackery, path))[3:] == [["0"], ["1", "2"]]
    await first_step_of_one(stackery, path)


async def first_step_of_one(stackery: Stackery, path: str) -> None:
    """One more member takes the place of the only one, and the group is removed in the pause behind that."""
    pauses = {"rolling_update": {"max_batch_size": 1, "min_in_service": 1, "pause_time": 600}}
    await stackery.update(path, group("b", 1, **pauses))
    await stackery.user("PUT", path, {"template": template(group("c", 1, **pauses))})
    async with asyncio.timeout(30):
        while (await changes(stackery, path))[-1] != ["1"]:
            await asyncio.sleep(0.02)
    await stackery.delete(path)
