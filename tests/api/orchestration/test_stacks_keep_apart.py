"""What a stack names of another project, by a bare id, is not there for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.orchestration.stackery import BASE, STACKS, Stackery, random, standing, template

INNER = """heat_template_version: 2016-10-14
resources: {r: {type: OS::Heat::RandomString}}
outputs: {told: {value: {get_attr: [r, value]}}}
"""


@pytest.fixture
async def stackery(tmp_path: Path, database_url: str) -> AsyncIterator[Stackery]:
    async with standing(tmp_path, database=database_url) as ground:
        yield ground


async def another(stackery: Stackery) -> Stackery:
    return Stackery(stackery.cloud, await stackery.cloud.project_with("q", "member"))


async def test_a_stack_of_another_project_is_not_reached_by_external_id(stackery: Stackery) -> None:
    theirs = await stackery.stack(
        {"r": random()}, outputs={"o": {"value": {"get_attr": ["r", "value"]}}}
    )
    other = await another(stackery)
    alien = {"type": "OS::Heat::Stack", "external_id": theirs.rpartition("/")[2]}
    outputs = {"o": {"value": {"get_attr": ["x", "outputs"]}}}
    path = await other.stack({"x": alien}, name="t", outputs=outputs)
    assert (await other.outputs(path))["o"] in ({}, None)
    assert await other.act(path, "suspend") == "SUSPEND_COMPLETE"
    assert (await stackery.user.get(theirs))["stack"]["stack_status"] == "CREATE_COMPLETE"
    mine = await other.stack({"r": random()}, name="own", outputs={"o": {"value": "seen"}})
    await other.act(path, "resume")
    alien["external_id"] = mine.rpartition("/")[2]
    body = {"template": template({"x": alien}, outputs=outputs)}
    await other.user("PUT", path, body, status=202)
    assert (await other.ended(path))["stack_status"] == "UPDATE_COMPLETE"
    assert (await other.outputs(path))["o"] == {"o": "seen"}
    await other.delete(path)
    assert (await other.user.get(mine))["stack"]["stack_status"] == "CREATE_COMPLETE"


async def test_what_is_adopted_is_not_another_projects(stackery: Stackery) -> None:
    theirs = await stackery.stack({"g": {"type": "in.yaml"}}, files={"in.yaml": INNER})
    nested = (await stackery.resources(theirs))["g"]["physical_resource_id"]
    config = {"name": "c", "group": "script", "config": "secret text"}
    config_id = (
        await stackery.user("POST", f"{BASE}/software_configs", {**config}, status=200)
    ).json()
    config_id = config_id["software_config"]["id"]
    other = await another(stackery)
    resources = {"g": {"type": "in.yaml"}, "c": {"type": "OS::Heat::SoftwareConfig"}}
    outputs = {"told": {"value": {"get_attr": ["c", "config"]}}}
    data = {"resources": {"g": {"resource_id": nested}, "c": {"resource_id": config_id}}}
    body = {
        "stack_name": "t",
        "template": template(resources, outputs=outputs),
        "files": {"in.yaml": INNER},
        "adopt_stack_data": data,
    }
    made = (await other.user.post(STACKS, body))["stack"]["id"]
    path = f"{STACKS}/t/{made}"
    assert (await other.ended(path))["stack_status"] == "ADOPT_FAILED"
    assert "secret text" not in str(await other.outputs(path))
    await other.delete(path)
    assert (await stackery.user.get(theirs))["stack"]["stack_status"] == "CREATE_COMPLETE"
    kept = await stackery.user.get(f"{BASE}/software_configs/{config_id}")
    assert kept["software_config"]["config"] == "secret text"


@pytest.mark.parametrize(
    "resources",
    [
        [],
        {"r": "x"},
        {"r": {"resource_id": {}}},
        {"r": {"resource_data": [1]}},
        {"r": {"metadata": "x"}},
    ],
)
async def test_what_is_told_of_adopted_things_has_a_form(
    stackery: Stackery, resources: Any
) -> None:
    if not resources:
        resources = [1]
    words = await stackery.refused({"r": random()}, adopt_stack_data={"resources": resources})
    assert "Invalid adopt data" in words


async def test_what_drivers_keep_is_not_taken_from_outside(stackery: Stackery) -> None:
    theirs = await stackery.stack({"h": {"type": "OS::Heat::WaitConditionHandle"}})
    handle = (await stackery.user.get(f"{theirs}/resources/h"))["resource"]
    await stackery.user("POST", f"{theirs}/resources/h/signal", {"data": "theirs"}, status=200)
    other = await another(stackery)
    key = handle["attributes"]["endpoint"].partition("signal/")[2].partition("?")[0]
    condition = {"type": "OS::Heat::WaitCondition", "properties": {"handle": "x", "timeout": 5}}
    outputs = {"o": {"value": {"get_attr": ["w", "data"]}}}
    data = {"resources": {"w": {"resource_id": "x", "resource_data": {"handle": key}}}}
    body = {"stack_name": "t", "template": template({"w": condition}, outputs=outputs),
            "adopt_stack_data": data}  # fmt: skip
    made = (await other.user.post(STACKS, body))["stack"]["id"]
    assert (await other.ended(f"{STACKS}/t/{made}"))["stack_status"] == "ADOPT_FAILED"
    assert "theirs" not in str(await other.outputs(f"{STACKS}/t/{made}"))


async def test_nothing_begins_with_a_stack_that_is_gone(stackery: Stackery) -> None:
    path = await stackery.stack({"r": random()})
    await stackery.delete(path)
    await stackery.user("POST", f"{path}/snapshots", {"name": "n"}, status=404)
    await stackery.user("POST", f"{path}/actions", {"suspend": None}, status=404)
    assert (await stackery.user.get(path))["stack"]["stack_status"] == "DELETE_COMPLETE"


async def test_odd_signals_are_refused(stackery: Stackery) -> None:
    group = {"type": "OS::Heat::AutoScalingGroup",
             "properties": {"min_size": 1, "max_size": 2, "resource": random()}}  # fmt: skip
    policy = {"auto_scaling_group_id": {"get_resource": "g"}, "scaling_adjustment": 1,
              "adjustment_type": "change_in_capacity"}  # fmt: skip
    resources = {
        "g": group,
        "p": {"type": "OS::Heat::ScalingPolicy", "properties": policy},
        "r": random(),
        "q": {"type": "OS::Heat::ScalingPolicy",
              "properties": {**policy, "auto_scaling_group_id": {"get_resource": "r"}}},
    }  # fmt: skip
    path = await stackery.stack(resources)
    shown = (await stackery.user.get(f"{path}/resources/p"))["resource"]
    place = "/heat-api-cfn" + shown["attributes"]["alarm_url"].partition("/heat-api-cfn")[2]
    stranger = stackery.cloud.anonymous
    await stranger("POST", f"{place[:-5]}%C3%A9", {}, status=401)
    await stranger("POST", place, {"unset_hook": "pre-update"}, status=400)
    odd: list[Any] = [[1], {"current": []}]
    for details in odd:
        await stackery.user("POST", f"{path}/resources/p/signal", details, status=400)
    await stackery.user("POST", f"{path}/resources/q/signal", {}, status=400)
    await stranger("POST", place, {}, status=200)


async def test_events_are_sorted_as_asked_and_configs_have_names(stackery: Stackery) -> None:
    path = await stackery.stack({"b": random(), "a": random()})
    place = f"{path}/events"
    listed = (await stackery.user.get(f"{place}?sort_keys=resource_name&sort_dir=desc"))["events"]
    names = [one["resource_name"] for one in listed]
    assert names == sorted(names, reverse=True)
    await stackery.user("GET", f"{place}?sort_keys=reason", status=400)
    await stackery.user("GET", f"{place}?sort_dir=up", status=400)
    body = {"name": "c", "inputs": [{"default": "x"}]}
    await stackery.user("POST", f"{BASE}/software_configs", body, status=400)
